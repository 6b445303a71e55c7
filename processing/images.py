"""
Images of any origin, for the command line and notebooks: FITS with the image in any HDU, .npy and .npz.

A FITS header goes along as plain values (cards) and HISTORY lines. An .npz keeps both as
one text array named ``cards``; an .npy has none.
"""

import gzip
import io
import json
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from processing.errors import FitsError, FrameError, first_line
from processing.files import MAX_PIXELS, check_output, replacing, split_member
from processing.fits import plain_cards, reading

Cards = dict[str, Any]
CARDS = "cards"  # the name of an .npz's text array
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|INHERIT|BLANK|BSCALE|BZERO|CHECKSUM|DATASUM|HISTORY|COMMENT|END|"
)
# What a header tells about an axis (FITS standard 4.0, table 22): keyword, its one or two numbers, alternative
_OF_AXIS = re.compile(
    r"(?P<word>CTYPE|CUNIT|CRVAL|CDELT|CRPIX|CROTA|CNAME|CRDER|CSYER|PC|CD|PV|PS)"
    r"(?P<axis>[1-9]\d?)(?:_(?P<second>\d{1,2}))?(?P<alternative>[A-Z]?)"
)
_MAKES_WCS = ("CTYPE", "CRVAL", "CDELT", "CRPIX", "PC", "CD")
# Statistics that JSOC keeps of the values; other values have others
_OF_VALUES = re.compile(r"DATA(MIN|MAX|MEAN|MEDN|RMS|SKEW|KURT|VALS)|(MISS|TOT)VALS")


@dataclass(frozen=True)
class PlainImage:
    """
    One image and what its file says about it.

    ``data`` is (ny, nx): native float32 or float64 with NaN where there is no data, or
    whole numbers as they were stored (labels, bitmaps). ``cards`` are the header's plain
    values, none for a bare array; ``history`` its HISTORY lines.
    """

    data: np.ndarray
    cards: Cards = field(default_factory=dict)
    history: tuple[str, ...] = ()


def read_plain(path: str | Path) -> PlainImage:
    """
    Read an image, whatever the layout of its file.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        FITS (gzipped too): the first HDU that holds more than one axis, compressed or
        not, behind whatever else. .npy. .npz: its only array, or the one that
        ``file.npz[name]`` names. Axes of length 1 beyond two are left out.

    Raises
    ------
    FitsError
        If the file is none of these, damaged, or holds no image.
    FrameError
        If what it holds is not two-dimensional, not of numbers, or not one array.
    OSError
        If the file cannot be opened.
    """
    file, member = split_member(path)
    image = _read_fits(file) if _kind(file) == "fits" else _read_numpy(file, member)
    return PlainImage(_two_dimensional(_native(image.data, file.name), file.name), image.cards, image.history)


def read_plain_cards(path: str | Path, keywords: Collection[str] | None = None) -> Cards:
    """The cards of `read_plain`, or ``keywords`` alone; the image of a FITS file is not decoded."""
    file = split_member(path)[0]
    if _kind(file) != "fits":
        return read_plain(path).cards
    with _image_hdu(file) as (hdu, primary):
        return _cards_of(hdu, primary, keywords)


def _kind(file: Path) -> str:
    """How the file begins: "fits", "npy" or "npz"."""
    with file.open("rb") as stream:
        begin = stream.read(9)
    if begin.startswith(b"SIMPLE  =") or begin.startswith(b"\x1f\x8b"):
        return "fits"
    if begin.startswith(b"\x93NUMPY"):
        return "npy"
    if begin.startswith(b"PK"):
        return "npz"
    raise FitsError(f"{file.name} is not a FITS file, nor .npy or .npz")


@contextmanager
def _image_hdu(file: Path) -> Iterator[tuple[Any, fits.Header]]:
    """
    The HDU with the image, open, and the primary header.

    Whatever is raised on the way, in here or in the block that uses it, becomes a sentence.
    """
    with reading(file.name), file.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.is_image and len(hdu.shape) > 1:
                break
        else:
            raise FitsError(f"{file.name} holds no image")
        if math.prod(hdu.shape) > MAX_PIXELS:
            raise FitsError(f"{file.name} claims {math.prod(hdu.shape)} pixels, more than {MAX_PIXELS}")
        yield hdu, hdus[0].header


def _cards_of(hdu: Any, primary: fits.Header, keywords: Collection[str] | None = None) -> Cards:
    """Cards of the image's header and, where the primary HDU is a mere header, of that."""
    alone = primary.get("NAXIS", 0) or hdu.header.get("INHERIT") is False
    inherited = {} if alone else plain_cards(primary, keywords)
    return _for_two_axes(_without_structure({**inherited, **plain_cards(hdu.header, keywords)}), hdu.shape)


def _read_fits(file: Path) -> PlainImage:
    with _image_hdu(file) as (hdu, primary):
        header = hdu.header
        bits, scale, zero = header["BITPIX"], header.get("BSCALE", 1), header.get("BZERO", 0)
        cards, history = _cards_of(hdu, primary), tuple(str(line) for line in header.get("HISTORY", ()))
        data = np.asarray(hdu.data)
    # astropy makes whole numbers floating when there is a BLANK card, be any pixel blank or not
    if bits > 0 and (scale, zero) == (1, 0) and data.dtype.kind == "f" and np.isfinite(data).all():
        data = data.astype(np.dtype(f"i{bits // 8}") if bits > 8 else np.uint8)
    return PlainImage(data, cards, history)


def _read_numpy(file: Path, member: str | None) -> PlainImage:
    try:
        with file.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return PlainImage(loaded)
            name = _member(loaded.files, member, file.name)
            return PlainImage(loaded[name], *_kept_cards(loaded))
    except FrameError:
        raise
    except Exception as problem:  # numpy and zipfile raise many kinds on broken bytes
        pickled = "allow_pickle" in str(problem)
        reason = "it holds Python objects, which are not read" if pickled else first_line(problem)
        raise FrameError(f"{file.name} holds no array: {reason}") from problem


def _member(names: Iterable[str], wanted: str | None, file_name: str) -> str:
    arrays = [name for name in names if name != CARDS]
    if wanted in arrays:
        return str(wanted)
    held = ", ".join(arrays) or "no array"
    if wanted is not None:
        raise FrameError(f"{file_name} has no array {wanted}; it holds {held}")
    if len(arrays) != 1:
        example = f"; name one, as in {file_name}[{arrays[0]}]" if arrays else ""
        raise FrameError(f"{file_name} holds {held}{example}")
    return arrays[0]


def _kept_cards(arrays: Mapping[str, np.ndarray]) -> tuple[Cards, tuple[str, ...]]:
    """Cards and HISTORY lines as `_npz_bytes` keeps them."""
    if CARDS not in arrays or arrays[CARDS].dtype.kind != "U":
        return {}, ()
    kept = json.loads(str(arrays[CARDS]))
    return dict(kept["cards"]), tuple(kept["history"])


def _native(data: np.ndarray, name: str) -> np.ndarray:
    """In this machine's byte order; float32, float64 or whole numbers."""
    if data.dtype.kind not in "biuf":
        raise FrameError(f"{name} holds values of type {data.dtype}, not real numbers")
    if data.dtype.kind == "b":
        return data.astype(np.uint8)
    if data.dtype.kind == "f":
        return data.astype(np.float32 if data.dtype.itemsize <= 4 else np.float64, copy=False)
    return data.astype(data.dtype.newbyteorder("="), copy=False)


def _two_dimensional(data: np.ndarray, name: str) -> np.ndarray:
    shape = data.shape
    data = data.reshape([shape[axis] for axis in _kept_axes(shape)])
    if data.ndim > 2:
        raise FrameError(f"{name} holds a cube of {' x '.join(map(str, shape))}; give one image of it at a time")
    if data.ndim < 2 or data.size == 0:
        raise FrameError(f"{name} holds an array of shape {shape}, not an image")
    return data


def _kept_axes(shape: tuple[int, ...]) -> list[int]:
    """Axes without those of length 1, as long as two are left."""
    kept = list(range(len(shape)))
    for axis, length in enumerate(shape):
        if length == 1 and len(kept) > 2:
            kept.remove(axis)
    return kept


def _for_two_axes(cards: Cards, shape: tuple[int, ...]) -> Cards:
    """Cards of an image that lost its axes of length 1: what told of them goes; all of the WCS if axis 1 or 2 did."""
    if len(shape) == 2:
        return cards
    in_place = _kept_axes(shape) == [len(shape) - 2, len(shape) - 1]
    left = {}
    for keyword, value in cards.items():
        match = _OF_AXIS.fullmatch(keyword)
        low = (
            match and int(match["axis"]) <= 2 and (match["word"] not in ("PC", "CD") or int(match["second"] or 1) <= 2)
        )
        if keyword != "WCSAXES" and (not match or (low and in_place)):
            left[keyword] = value
    return left


def write_plain(path: str | Path, data: np.ndarray, cards: Mapping[str, Any], history: Iterable[str] = ()) -> None:
    """
    Write an image under a temporary name and rename it, so that a file of that name is whole or as it was.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        .fits, .fits.gz, .npz (array ``data``) or .npy, which drops cards and history.
    data : `~numpy.ndarray`, shape (ny, nx)
    cards : mapping
        Header keywords to values; what describes the file's own layout is left out.
    history : iterable of str
        HISTORY lines, in order.

    Raises
    ------
    ParameterError
        If the suffix is another, or the folder does not exist.
    FitsError
        If a card has a value that no FITS header can hold.
    """
    path = Path(path)
    check_output(path)
    writer = next(writer for suffix, writer in _WRITERS.items() if path.name.endswith(suffix))
    whole = writer(_native(np.asarray(data), path.name), _without_structure(cards), list(history))
    with replacing(path) as beside:
        beside.write_bytes(whole)


def _fits_bytes(data: np.ndarray, cards: Cards, history: list[str]) -> bytes:
    header = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)  # a keyword of more than 8 characters becomes a HIERARCH card
        for keyword, value in cards.items():
            try:
                header[keyword] = value
            except ValueError as problem:
                raise FitsError(f"the card {keyword} cannot be written: {problem}") from problem
        for line in history:
            for part in textwrap.wrap(line.encode("ascii", "replace").decode(), 72):
                header.add_history(part)
        whole = io.BytesIO()
        fits.PrimaryHDU(data=data, header=header).writeto(whole)
    return whole.getvalue()


def _npz_bytes(data: np.ndarray, cards: Cards, history: list[str]) -> bytes:
    whole = io.BytesIO()
    kept = json.dumps({"cards": cards, "history": history})
    np.savez_compressed(whole, allow_pickle=False, data=data, **{CARDS: np.array(kept)})
    return whole.getvalue()


def _npy_bytes(data: np.ndarray) -> bytes:
    np.save(whole := io.BytesIO(), data, allow_pickle=False)
    return whole.getvalue()


_WRITERS: dict[str, Callable[[np.ndarray, Cards, list[str]], bytes]] = {
    ".fits": _fits_bytes,
    ".fits.gz": lambda data, cards, history: gzip.compress(_fits_bytes(data, cards, history), mtime=0),
    ".npz": _npz_bytes,
    ".npy": lambda data, cards, history: _npy_bytes(data),
}


def _without_structure(cards: Mapping[str, Any]) -> Cards:
    """Cards without what describes a file's own layout; numpy's scalars as Python's."""
    own = {keyword: value for keyword, value in cards.items() if not _STRUCTURE.fullmatch(keyword)}
    if own.get("EXTNAME") == "COMPRESSED_IMAGE":  # astropy's name for one that has none
        del own["EXTNAME"]
    return {keyword: value.item() if isinstance(value, np.generic) else value for keyword, value in own.items()}


def without_statistics(cards: Mapping[str, Any]) -> Cards:
    """Cards without JSOC's statistics of the values, which are no longer true of other values."""
    return {keyword: value for keyword, value in cards.items() if not _OF_VALUES.fullmatch(keyword)}


def doubled_grid(cards: Mapping[str, Any]) -> Cards:
    """
    The cards after the sampling was doubled: old pixel i (from 0) covers new pixels 2 i and 2 i + 1.

    CRPIX moves, CDELT and CDi_j halve, PCi_j stay; where other cards make a WCS, a missing
    CRPIX is 0 and a missing CDELT 1 by the FITS standard. Statistics of the values go.
    """
    new = without_statistics(cards)
    found = [match for match in map(_OF_AXIS.fullmatch, new) if match and match["word"] in _MAKES_WCS]
    systems = {match["alternative"] for match in found}
    with_cd = {match["alternative"] for match in found if match["word"] == "CD"}
    for axis in ("1", "2"):
        for system in systems:
            position, step = f"CRPIX{axis}{system}", f"CDELT{axis}{system}"
            new[position] = 2 * (float(new.get(position, 0)) - 0.5) + 0.5
            if step in new or system not in with_cd:
                new[step] = float(new.get(step, 1)) / 2
            for cd in (f"CD{other}_{axis}{system}" for other in ("1", "2")):
                if cd in new:
                    new[cd] = float(new[cd]) / 2
    return new
