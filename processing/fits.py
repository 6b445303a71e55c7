"""FITS bytes to segments, and segments of one T_REC to a patch frame; frames back to FITS."""

import hashlib
import io
import math
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError, VerifyWarning

from processing.errors import FitsError, FrameError, first_line
from processing.files import MAX_PIXELS
from processing.geometry import CeaGeometry, geometry_of
from processing.quality import read_quality
from processing.timekeys import compact_t_rec, format_t_rec, parse_t_rec

DEFINITIVE_SERIES = "hmi.sharp_cea_720s"
PROVISIONAL = "_nrt"  # what the name of a near-real-time series ends with; its HARPs have numbers of their own
SEGMENTS = ("continuum", "Br", "Bt", "Bp", "bitmap")
SEQUENCE = "SEQUENCE"  # the card that names a sequence of frames that are of no HARP
OF_SEQUENCE = "continuum"  # the one segment that such a frame has
NO_HARP = 0
# The field's standard deviations in G: read where they are given, and not missed where they are not.
OPTIONAL_SEGMENTS = ("Br_err", "Bt_err", "Bp_err")
_SEGMENT_OF = {segment.lower(): segment for segment in SEGMENTS + OPTIONAL_SEGMENTS}
# hmi.sharp_cea_720s.2875.20130620_103600_TAI.Br.fits, with or without _nrt and the like.
_FILE_NAME = re.compile(
    r"(?P<series>hmi\.sharp_cea_\w+)\.(?P<harpnum>\d+)\.(?P<t_rec>\d{8}_\d{6}_TAI)\.(?P<segment>\w+)\.fits?"
)
_NOT_CARRIED = {
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT", "BLANK", "BSCALE",
    "BZERO", "CHECKSUM", "DATASUM", "HISTORY", "COMMENT", "",
}  # fmt: skip
# What the table that holds a compressed image adds to the image's own cards: FITS standard 4.0, sections 7.3 and 10.1
_OF_COMPRESSION = re.compile(
    r"TFIELDS|THEAP|T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM)\d+|ZNAXIS\d*|Z(TILE|NAME|VAL)\d+|"
    r"Z(IMAGE|SIMPLE|TENSION|EXTEND|BLOCKED|PCOUNT|GCOUNT|BITPIX|HECKSUM|DATASUM)|"
    r"Z(CMPTYPE|BLANK|QUANTIZ|DITHER0|MASKCMP)"
)


@dataclass(frozen=True)
class Segment:
    """
    One image of one record, as a file holds it.

    ``data`` is float32 (ny, nx) with NaN for BLANK; the bitmap is uint8 with 0 for
    BLANK. ``cards`` holds the header cards that are plain values (unparsable ones are
    left out). ``bare`` says that the header had none of them but the structure.
    ``series`` is JSOC's, by the file's name: no header tells; the definitive one where the
    name does not either. A frame of a sequence has the series "" and is of HARP 0.
    """

    name: str
    harpnum: int
    t_rec_s: int
    data: np.ndarray
    cards: dict[str, Any]
    sha256: str
    bare: bool
    series: str = DEFINITIVE_SERIES

    @property
    def sequence(self) -> str:
        """The sequence that it is a frame of; empty for a HARP's."""
        return "" if self.harpnum else str(self.cards.get(SEQUENCE, ""))


@dataclass(frozen=True)
class PatchFrame:
    """
    All segments of one HARP at one T_REC, on one grid, with the header they share.

    A frame of a sequence that is no HARP has ``harpnum`` 0 and the continuum alone.
    """

    harpnum: int
    t_rec_s: int
    cards: dict[str, Any]
    maps: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def t_rec(self) -> str:
        """The slot time in header notation, TAI."""
        return format_t_rec(self.t_rec_s)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the maps."""
        first = next(iter(self.maps.values()))
        return first.shape[0], first.shape[1]

    @property
    def quality(self) -> int:
        """
        Its QUALITY word without sign, 0 (good) when the header has none; `processing.quality` tells the bits.

        Raises FrameError when the card is no 32-bit number.
        """
        return int(read_quality(self.cards.get("QUALITY", 0)))

    @property
    def geometry(self) -> CeaGeometry:
        """Where its pixels lie; raises FrameError when the header does not tell."""
        return geometry_of(self.cards)

    def need(self, segment: str) -> np.ndarray:
        """The map of that segment; raises FrameError when it is missing."""
        if segment not in self.maps:
            raise FrameError(f"{segment} is missing at {self.t_rec}")
        return self.maps[segment]


def plain_cards(header: fits.Header, keywords: Collection[str] | None = None) -> dict[str, Any]:
    """
    The cards with plain values; not the structural, scaling and comment ones.

    What has no value is left out: not finite, or not parsable, as the bare ``nan`` that JSOC writes in R_VALUE,
    GWILL, CRDERn and CSYSERn and on which `sunpy.map.Map` stumbles. With ``keywords`` only those cards, which is
    quicker, since astropy parses a card when it is asked for its value.
    """
    cards: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        for card in header.cards:
            try:
                keyword = card.keyword
                if keyword in _NOT_CARRIED or (keywords is not None and keyword not in keywords):
                    continue
                value = card.value
            except VerifyError:
                continue
            if isinstance(value, str | int) or (isinstance(value, float) and np.isfinite(value)):
                cards[keyword] = value
    return cards


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever astropy raises in the block on the broken bytes of a file becomes a FitsError about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)  # old JSOC cards with a small e or nan
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            yield
        except FitsError:
            raise
        except Exception as problem:  # astropy raises many kinds on broken bytes
            raise FitsError(f"{name} is damaged or cut short: {first_line(problem)}") from problem


@contextmanager
def _first_image(raw: bytes, name: str, *, as_stored: bool = False) -> Iterator[Any]:
    """
    The first HDU with an image, open; ``as_stored`` a compressed one is the table that it is in the file.

    Whatever is raised on the way, in here or in the block that uses it, becomes a FitsError.
    """
    if not raw.startswith(b"SIMPLE  ="):
        raise FitsError(f"{name} is not a FITS file: it does not begin with SIMPLE")
    with reading(name), fits.open(io.BytesIO(raw), memmap=False, disable_image_compression=as_stored) as hdus:
        for hdu in hdus:
            if (hdu.is_image and hdu.header.get("NAXIS", 0)) or hdu.header.get("ZIMAGE") is True:
                break
        else:
            raise FitsError(f"{name} holds no image")
        yield hdu


def read_image(raw: bytes, name: str) -> tuple[np.ndarray, fits.Header]:
    """
    The first HDU with data, scaled, and its header.

    Raises
    ------
    FitsError
        If the bytes are no FITS file, end too early, or hold no two-dimensional image.
    """
    with _first_image(raw, name) as hdu:
        header = hdu.header
        size = math.prod(int(header[f"NAXIS{i + 1}"]) for i in range(header["NAXIS"]))
        if size > MAX_PIXELS:
            raise FitsError(f"{name} claims {size} pixels, more than any patch has")
        data = np.asarray(hdu.data)
    if data.ndim != 2:
        raise FitsError(f"{name} holds a {data.ndim}-dimensional array, not an image")
    return data, header


def read_cards(raw: bytes, name: str, keywords: Collection[str] | None = None) -> dict[str, Any]:
    """
    The `plain_cards` of the first image, which is not decoded; those of ``keywords`` only, if given.

    Raises
    ------
    FitsError
        If the bytes are no FITS file, end too early, or hold no image.
    """
    with _first_image(raw, name, as_stored=True) as hdu:
        cards = plain_cards(hdu.header, keywords)
        if "ZIMAGE" in hdu.header:
            cards = {keyword: value for keyword, value in cards.items() if not _OF_COMPRESSION.fullmatch(keyword)}
            if cards.get("EXTNAME") == "COMPRESSED_IMAGE":  # astropy's name for one that has none
                del cards["EXTNAME"]
    return cards


def read_key(raw: bytes, name: str) -> tuple[int, int, str]:
    """
    HARPNUM, T_REC (TAI seconds since 1993-01-01) and segment of a file, as `read_segment` takes them.

    The image is not decoded, which makes this the way to sort a folder. The HARPNUM of a
    sequence's frame is 0.

    Raises
    ------
    FitsError
        If the bytes are no FITS file, end too early, or it is not clear of what they are an image.
    """
    base = PurePosixPath(name).name
    return _key(read_cards(raw, base, ("HARPNUM", "T_REC", SEQUENCE)), base)


def read_segment(raw: bytes, name: str) -> Segment:
    """
    Read one segment from the bytes of its file.

    HARPNUM, T_REC and the segment come from the header where it has them and from
    the file name otherwise; the segment's name is never in the header. A file that
    `write_sequence_frame` made tells all of it in its header, whatever its name.

    Raises
    ------
    FitsError
        If the bytes are not a readable image, or it is not clear of what.
    """
    base = PurePosixPath(name).name
    data, header = read_image(raw, base)
    cards = plain_cards(header)
    harpnum, t_rec_s, segment = _key(cards, base)
    data = np.nan_to_num(data, nan=0).astype(np.uint8) if segment == "bitmap" else data.astype(np.float32, copy=False)
    from_name = _FILE_NAME.fullmatch(base)
    series = "" if harpnum == NO_HARP else from_name["series"] if from_name else DEFINITIVE_SERIES
    return Segment(
        segment, harpnum, t_rec_s, data, cards, hashlib.sha256(raw).hexdigest(), bare="T_REC" not in cards,
        series=series,
    )  # fmt: skip


def _key(cards: Mapping[str, Any], base: str) -> tuple[int, int, str]:
    """HARPNUM, T_REC in seconds and segment, by the cards and the name of the file."""
    if SEQUENCE in cards and "HARPNUM" not in cards:
        return _key_in_sequence(cards, base)
    from_name = _FILE_NAME.fullmatch(base)
    word = from_name["segment"] if from_name else PurePosixPath(base).stem.rpartition(".")[2]
    try:
        segment = _SEGMENT_OF[word.lower()]
    except KeyError:
        raise FitsError(f"{base} names no segment we use ({', '.join(_SEGMENT_OF.values())})") from None
    try:
        harpnum = int(cards["HARPNUM"]) if "HARPNUM" in cards else int(from_name["harpnum"])  # type: ignore[index]
        t_rec_s = parse_t_rec(str(cards["T_REC"]) if "T_REC" in cards else from_name["t_rec"])  # type: ignore[index]
    except TypeError:
        raise FitsError(f"{base} has neither HARPNUM and T_REC cards nor a JSOC file name") from None
    except (FrameError, ValueError) as problem:
        raise FitsError(f"{base} has an unreadable key: {problem}") from problem
    if not 0 < harpnum < 2**31:
        raise FitsError(f"{base} has HARPNUM {harpnum}, which is no HARP")
    return harpnum, t_rec_s, segment


def _key_in_sequence(cards: Mapping[str, Any], base: str) -> tuple[int, int, str]:
    """The same of a sequence's frame."""
    try:
        return NO_HARP, parse_t_rec(str(cards.get("T_REC", ""))), OF_SEQUENCE
    except FrameError as problem:
        raise FitsError(f"{base} has an unreadable key: {problem}") from problem


def join_segments(segments: Iterable[Segment]) -> PatchFrame:
    """
    Put the segments of one record together; a bare header takes a sibling's cards.

    Raises
    ------
    FrameError
        If there is none, or they differ in HARP, T_REC or shape.
    """
    parts = list(segments)
    if not parts:
        raise FrameError("a frame needs at least one segment")
    first = parts[0]
    for part in parts[1:]:
        if (part.harpnum, part.t_rec_s) != (first.harpnum, first.t_rec_s):
            raise FrameError(f"{part.name} and {first.name} are of different records")
        if part.data.shape != first.data.shape:
            raise FrameError(f"{part.name} is {part.data.shape}, {first.name} is {first.data.shape}")
    full = next((part for part in parts if not part.bare), first)
    of_harp = {} if first.harpnum == NO_HARP else {"HARPNUM": first.harpnum}
    cards = {**of_harp, "T_REC": format_t_rec(first.t_rec_s), **full.cards}
    return PatchFrame(first.harpnum, first.t_rec_s, cards, {part.name: part.data for part in parts})


def read_patch_frame(paths: Iterable[Path]) -> PatchFrame:
    """The frame that these files, segments of one record, make up."""
    return join_segments(read_segment(Path(path).read_bytes(), Path(path).name) for path in paths)


def segment_file_name(harpnum: int, t_rec_s: int, segment: str, series: str = DEFINITIVE_SERIES) -> str:
    """The name JSOC gives to that segment's file."""
    return f"{series}.{harpnum}.{compact_t_rec(t_rec_s)}.{segment}.fits"


def write_sequence_frame(data: np.ndarray, *, t_rec_s: int, cards: Mapping[str, Any]) -> bytes:
    """
    One frame of a sequence that is no HARP, as a FITS file that `read_segment` reads back.

    Equal input gives equal bytes, so that a frame that comes twice is known by its SHA-256;
    it is not compressed, since astropy's lossless compression has the time in every tile.

    Parameters
    ----------
    data : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity, any unit; stored as float32. NaN marks pixels without data.
    t_rec_s : int
        When it was taken: TAI seconds since 1993-01-01.
    cards : mapping
        SEQUENCE, the sequence's name, and what `processing.geometry.geometry_of` needs; T_REC
        and DATAMIN, DATAMAX, DATAMEDN are added. A letter that is not ASCII becomes "?".

    Raises
    ------
    FrameError
        If the image is not two-dimensional or has no finite pixel.
    FitsError
        If SEQUENCE is missing, HARPNUM is not, or a card has a value that no header can hold.
    """
    if data.ndim != 2 or not np.isfinite(data).any():
        raise FrameError(f"need a two-dimensional image with finite pixels, got shape {data.shape}")
    if not str(cards.get(SEQUENCE, "")).strip() or "HARPNUM" in cards:
        raise FitsError("the cards of a sequence's frame have SEQUENCE, its name, and no HARPNUM")
    stored = data.astype(np.float32)
    told = {keyword: value for keyword, value in cards.items() if keyword not in _NOT_CARRIED}
    known = stored[np.isfinite(stored)]
    told |= {"T_REC": format_t_rec(t_rec_s), "DATAMIN": float(known.min()), "DATAMAX": float(known.max())}
    told["DATAMEDN"] = float(np.median(known))
    header = fits.Header()
    for keyword, value in told.items():
        try:
            header[keyword] = value.encode("ascii", "replace").decode() if isinstance(value, str) else value
        except ValueError as problem:
            raise FitsError(f"the card {keyword} cannot be written: {first_line(problem)}") from problem
    image = fits.PrimaryHDU(stored, header)
    image.add_checksum(when="")  # without the time of writing
    whole = io.BytesIO()
    image.writeto(whole)
    return whole.getvalue()


def read_sequence_frame(raw: bytes, name: str) -> Segment:
    """`read_segment` that takes nothing but a sequence's frame; raises FitsError for anything else."""
    segment = read_segment(raw, name)
    if segment.harpnum != NO_HARP:
        raise FitsError(f"{PurePosixPath(name).name} is of HARP {segment.harpnum}, not a frame of a sequence")
    return segment


def sequence_file_name(stem: str, t_rec_s: int) -> str:
    """The name of a sequence's frame, with what the sequence's files begin with."""
    return f"{stem}.{compact_t_rec(t_rec_s)}.{OF_SEQUENCE}.fits"
