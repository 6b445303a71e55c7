"""
Sequences of intensity images of any instrument, as a person gives them: a FITS cube, a file a frame, several cubes.

Nothing but the size of the image is asked of a header. What it tells of time, exposure and coordinates is noted. Frames
are read one at a time, so that memory does not grow with the length of the sequence.
"""

import gzip
import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from processing.errors import FitsError, FrameError, ParameterError
from processing.files import MAX_PIXELS
from processing.fits import plain_cards, reading
from processing.timekeys import EPOCH, format_t_rec

# T_REC first: it is the key of a record wherever there is one. DATE-OBS is next, by the FITS standard (4.0, 9.5) the
# time of observation; DATE-BEG its beginning; T_OBS is JSOC's mean time.
TIME_CARDS = ("T_REC", "DATE-OBS", "DATE_OBS", "DATE-BEG", "T_OBS")
EXPOSURE_CARDS = ("EXPTIME", "EXPOSURE", "XPOSURE", "TEXPOSUR")  # seconds
SCALES = ("utc", "tai")
# What TIMESYS may name that needs no table of the Earth's rotation; UT and GMT are what UTC was called before
_TIMESYS = {"UTC": "utc", "UT": "utc", "GMT": "utc", "TAI": "tai", "TT": "tt", "TDB": "tdb"}
_HELIOPROJECTIVE = (re.compile(r"HPLN|SOLAR[-_]?X"), re.compile(r"HPLT|SOLAR[-_]?Y"))
# Axes along which the images of a cube are no sequence in time (FITS standard 4.0, tables 25 and 29)
_NOT_TIME = re.compile(r"WAVE|AWAV|WAVN|FREQ|ENER|VRAD|VOPT|VELO|ZOPT|BETA|STOKES")
_JSOC_TAI = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)[_T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)_TAI")


@dataclass(frozen=True, eq=False)
class SequenceFile:
    """
    One file of a sequence: its frames, not yet read, and what its header tells.

    Attributes
    ----------
    name : str
        Of the file, without folders.
    n_frames : int
    shape : tuple of int
        (ny, nx) of each frame.
    sha256 : str
        Of the file's bytes.
    cards : dict
        The header's plain values; none for a bare one.
    time_s : float or None
        Of its first frame, TAI seconds since 1993-01-01; None where the header does not tell.
    exposure_s : float or None
        Exposure time, s; None where the header does not tell.
    helioprojective : bool
        Whether the axes are named as helioprojective coordinates (HPLN, HPLT or SOLAR-X, SOLAR-Y). It does not say
        that the coordinates are complete or true.
    """

    name: str
    n_frames: int
    shape: tuple[int, int]
    sha256: str
    cards: dict[str, Any]
    time_s: float | None
    exposure_s: float | None
    helioprojective: bool
    _origin: Path | bytes = field(repr=False)

    def frame(self, index: int) -> np.ndarray:
        """
        Read one frame, float32 (ny, nx), in the file's unit; NaN for BLANK and infinity.

        A gzipped file is unpacked up to that frame at each call; `frames` does it once.

        Raises
        ------
        IndexError
            If there is no such frame.
        FitsError
            If the file is damaged there.
        FrameError
            If the frame has no finite pixel.
        """
        if not 0 <= index < self.n_frames:
            raise IndexError(f"{self.name} has {self.n_frames} frames, none at {index}")
        return next(self._read(range(index, index + 1)))

    def frames(self) -> Iterator[np.ndarray]:
        """All frames in order, one in memory at a time; raises as `frame`."""
        return self._read(range(self.n_frames))

    def _read(self, indices: range) -> Iterator[np.ndarray]:
        with _image_hdu(self._origin, self.name) as (hdu, _):
            for index in indices:
                with reading(self.name), np.errstate(over="ignore"):
                    data = np.asarray(_plane(hdu, index), np.float32)
                data[~np.isfinite(data)] = np.nan
                if np.isnan(data).all():
                    raise FrameError(f"frame {index + 1} of {self.name} has no finite pixel")
                yield data


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """One frame of a sequence: when it was taken (whole TAI seconds since 1993-01-01), and where to read it."""

    t_s: int
    source: SequenceFile
    index: int

    def read(self) -> np.ndarray:
        """The image, as `SequenceFile.frame` gives it."""
        return self.source.frame(self.index)


class Frames(Sequence[np.ndarray]):
    """All frames of some files as one sequence; each is read when it is asked for and not kept."""

    def __init__(self, sources: Iterable[SequenceFile]) -> None:
        self._places = [(source, index) for source in sources for index in range(source.n_frames)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return [source.frame(index) for source, index in self._places[k]]
        source, index = self._places[k]
        return source.frame(index)


def open_sequence_file(origin: str | Path | bytes, name: str = "") -> SequenceFile:
    """
    Look at a file of a sequence; its images are not decoded.

    Parameters
    ----------
    origin : str, `~pathlib.Path` or bytes
        Where the file lies, or its bytes, which are then kept. FITS, compressed or gzipped too: the first HDU with an
        image, (ny, nx) or (n_frames, ny, nx); further axes must have length 1.
    name : str, optional
        What messages call it; of a path its own name by default.

    Raises
    ------
    FitsError
        If it is not FITS, damaged, cut short, holds no image, or a cube that is no sequence of images.
    OSError
        If the file cannot be opened.
    """
    origin = origin if isinstance(origin, bytes) else Path(origin)
    name = Path(name or (origin.name if isinstance(origin, Path) else "the file")).name
    with _opened(origin) as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    with _image_hdu(origin, name) as (hdu, primary):
        n_frames, shape = _layout(hdu, name)
        inherited = {} if primary.get("NAXIS", 0) else plain_cards(primary)
        cards = {
            keyword: value
            for keyword, value in {**inherited, **plain_cards(hdu.header)}.items()
            if not re.fullmatch(r"NAXIS\d+|INHERIT", keyword)
        }
    types = [str(cards.get(f"CTYPE{axis}", "")).strip().upper() for axis in (1, 2)]
    helioprojective = all(pattern.match(word) for pattern, word in zip(_HELIOPROJECTIVE, types, strict=True))
    time_s, exposure_s = time_in(cards), exposure_in(cards)
    return SequenceFile(name, n_frames, shape, sha256, cards, time_s, exposure_s, helioprojective, origin)


def in_name_order(sources: Iterable[SequenceFile]) -> list[SequenceFile]:
    """Files by name, numbers in it by value: frame2 before frame10."""
    return sorted(sources, key=lambda source: natural_key(source.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """What names are sorted by, with numbers in them by value."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]


def by_exposure(sources: Iterable[SequenceFile]) -> dict[float | None, Frames]:
    """Frames of the files of each exposure time (s, None where the header does not tell), for darks and flats."""
    grouped: dict[float | None, list[SequenceFile]] = {}
    for source in sources:
        grouped.setdefault(source.exposure_s, []).append(source)
    return {exposure_s: Frames(group) for exposure_s, group in grouped.items()}


def times_of(
    sources: Iterable[SequenceFile],
    *,
    first: datetime | None = None,
    cadence_s: float | None = None,
    scale: str = "utc",
) -> list[TimedFrame]:
    """
    All frames of a sequence in order of time.

    Times come from the headers where every file has one; a cube's further frames then follow its first by the
    cadence. Otherwise the frames follow ``first`` by the cadence, in the order of the files.

    Parameters
    ----------
    sources : iterable of SequenceFile
    first : datetime or None
        When the very first frame was taken, for headers that do not tell. One with a time zone is UTC.
    cadence_s : float or None
        Time from a frame to the next, s.
    scale : {"utc", "tai"}, optional
        What ``first`` is given in.

    Returns
    -------
    list of TimedFrame
        In order of time; no two in the same second.

    Raises
    ------
    FrameError
        If there is no file, shapes differ, one file is given twice, no time can be told, or two frames fall in the
        same second.
    ParameterError
        If the cadence is not positive or ``first`` is no time of that scale.
    """
    files = list(sources)
    _check_together(files)
    if cadence_s is not None and not (math.isfinite(cadence_s) and cadence_s > 0):
        raise ParameterError(f"the cadence must be a positive number of seconds, not {cadence_s:g}")
    starts = [source.time_s for source in files]
    told = [start for start in starts if start is not None]
    if len(told) < len(files) and first is not None:
        counts = np.cumsum([0, *(source.n_frames for source in files)])
        told = [_seconds_of(first, scale) + (cadence_s or 0) * int(count) for count in counts[:-1]]
    longest = max(files, key=lambda source: source.n_frames)
    if len(told) < len(files):
        untold = files[starts.index(None)]
        raise FrameError(f"{untold.name} does not tell when it was taken: give the first frame's time and the cadence")
    if cadence_s is None and (longest.n_frames > 1 or (None in starts and len(files) > 1)):
        raise FrameError(f"{longest.name} does not tell the times of its frames: give the cadence")
    frames = [
        TimedFrame(math.floor(start + k * (cadence_s or 0) + 0.5), source, k)
        for start, source in zip(told, files, strict=True)
        for k in range(source.n_frames)
    ]
    frames.sort(key=lambda frame: frame.t_s)
    for before, after in pairwise(frames):
        if before.t_s == after.t_s:
            which = " and ".join(f"frame {one.index + 1} of {one.source.name}" for one in (before, after))
            raise FrameError(f"{which} are of the same second, {format_t_rec(before.t_s)}")
    return frames


def _check_together(files: list[SequenceFile]) -> None:
    if not files:
        raise FrameError("a sequence needs at least one file, got none")
    seen: dict[str, SequenceFile] = {}
    for source in files:
        if source.shape != files[0].shape:
            raise FrameError(f"{source.name} has frames of {source.shape}, {files[0].name} of {files[0].shape}")
        if source.sha256 in seen:
            raise FrameError(f"{seen[source.sha256].name} and {source.name} are the same file")
        seen[source.sha256] = source


def time_in(cards: Mapping[str, Any]) -> float | None:
    """
    TAI seconds since 1993-01-01 by the first of `TIME_CARDS` that is a time; None if none is.

    JSOC's times say their scale, T_REC is TAI, and others are in that of TIMESYS, or UTC. A date without a time of
    day counts only together with TIME-OBS or TIME_OBS, as older files have it.
    """
    for keyword in TIME_CARDS:
        text = str(cards.get(keyword, "")).strip()
        if keyword.startswith("DATE") and text and not re.search(r"\d:\d", text):
            text = f"{text}T{cards.get('TIME-OBS', cards.get('TIME_OBS', ''))}".strip()
        system = "TAI" if keyword == "T_REC" else str(cards.get("TIMESYS", "UTC")).strip().upper()
        if system in _TIMESYS and (seconds := _seconds(text, _TIMESYS[system])) is not None:
            return seconds
    return None


def exposure_in(cards: Mapping[str, Any]) -> float | None:
    """Exposure time in s by the first of `EXPOSURE_CARDS` that is a positive number; None if none is."""
    for keyword in EXPOSURE_CARDS:
        try:
            seconds = float(cards.get(keyword, math.nan))
        except ValueError:
            continue
        if 0 < seconds < math.inf:
            return seconds
    return None


def _seconds(text: str, scale: str) -> float | None:
    """TAI seconds since 1993-01-01 of a moment in JSOC's or ISO notation; None if it is neither."""
    from astropy.time import Time  # here, as it is slow to import

    if match := _JSOC_TAI.fullmatch(text):
        text, scale = "{}-{}-{}T{}".format(*match.groups()), "tai"
    text = text.replace("/", "-").removesuffix("Z").removesuffix("_UTC")
    if not re.match(r"\d{4}[-.]\d\d[-.]\d\d[T _]\d", text):
        return None
    text = f"{text[:10].replace('.', '-')}T{text[11:]}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # erfa on a year without known leap seconds
        try:
            return float((Time(text, scale=scale, format="isot").tai - Time(EPOCH, scale="tai")).sec)
        except (ValueError, Warning):
            return None


def _seconds_of(first: datetime, scale: str) -> float:
    if scale not in SCALES:
        raise ParameterError(f"a time is given in {' or '.join(SCALES)}, not {scale!r}")
    if first.tzinfo is not None:
        if scale == "tai":
            raise ParameterError(f"{first.isoformat()} has a time zone and so cannot be TAI")
        first = first.astimezone(UTC).replace(tzinfo=None)
    seconds = _seconds(first.isoformat(), scale)
    if seconds is None:
        raise ParameterError(f"{first.isoformat()} is no time whose leap seconds are known")
    return seconds


@contextmanager
def _opened(origin: Path | bytes) -> Iterator[Any]:
    with io.BytesIO(origin) if isinstance(origin, bytes) else origin.open("rb") as stream:
        yield stream


@contextmanager
def _image_hdu(origin: Path | bytes, name: str) -> Iterator[tuple[Any, fits.Header]]:
    """The first HDU with an image, open and not decoded, and the primary header."""
    with _opened(origin) as stream:
        begin = stream.read(9)
        if not (begin.startswith(b"SIMPLE  =") or begin.startswith(b"\x1f\x8b")):
            raise FitsError(f"{name} is not a FITS file: it does not begin with SIMPLE")
        stream.seek(0)
        unpacked = stream if begin.startswith(b"SIMPLE") else gzip.GzipFile(fileobj=stream)
        with reading(name):
            hdus = fits.open(unpacked, memmap=False, lazy_load_hdus=True)
        with hdus:
            with reading(name):
                hdu = next((hdu for hdu in hdus if hdu.is_image and len(hdu.shape) > 0), None)
                primary = hdus[0].header
            if hdu is None:
                raise FitsError(f"{name} holds no image")
            yield hdu, primary


def _layout(hdu: Any, name: str) -> tuple[int, tuple[int, int]]:
    """Number of frames and (ny, nx); refuses what is no sequence of images."""
    shape = tuple(hdu.shape)
    if len(shape) < 2 or min(shape[-2:]) < 2:
        raise FitsError(f"{name} holds an array of shape {shape}, not an image")
    if math.prod(shape[-2:]) > MAX_PIXELS:
        raise FitsError(f"{name} claims frames of {math.prod(shape[-2:])} pixels, more than {MAX_PIXELS}")
    long_axes = [axis for axis, length in enumerate(shape[:-2]) if length != 1]
    if len(long_axes) > 1:
        raise FitsError(f"{name} holds an array of shape {shape}; a sequence has one axis besides rows and columns")
    n_frames = shape[long_axes[0]] if long_axes else 1
    if n_frames < 1:
        raise FitsError(f"{name} holds no frame")
    for axis in long_axes:
        kind = str(hdu.header.get(f"CTYPE{len(shape) - axis}", "")).upper()
        if _NOT_TIME.match(kind):
            raise FitsError(f"{name} is a cube along {kind}, not a sequence in time")
    return n_frames, (int(shape[-2]), int(shape[-1]))


def _plane(hdu: Any, index: int) -> np.ndarray:
    """Decode one frame, scaled, (ny, nx), whatever axes of length 1 there are."""
    leading = hdu.shape[:-2]
    place = tuple(index if length != 1 else 0 for length in leading)
    return np.asarray(hdu.section[(*place, slice(None), slice(None))])
