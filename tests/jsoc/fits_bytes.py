"""FITS headers as plain bytes: what a card says, a file with only its structure, RICE tables without an encoder."""

import io
import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from astropy.io import fits

BLOCK, CARD = 2880, 80
ALL_ONES = 2**32 - 1
# The cards that an as-is file has: those of the array and of its compression, and nothing about the Sun.
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BLANK|BSCALE|BZERO|TFIELDS|T(TYPE|FORM)\d+|"
    r"Z(IMAGE|SIMPLE|BITPIX|NAXIS\d*|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|BLANK)|END"
)


def padded(data: bytes, fill: bytes = b"\0") -> bytes:
    """Filled up to whole blocks."""
    return data + fill * (-len(data) % BLOCK)


def card(keyword: str, value: Any) -> bytes:
    """One card as JSOC writes it: a lower-case e and a bare nan where the value asks for one."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:<8}'"
    else:
        text = f"{value:>20}"
    return f"{keyword:<8}= {text}".ljust(CARD).encode("ascii")


def header_of(cards: Mapping[str, Any]) -> bytes:
    """Those cards and END, in whole blocks."""
    return padded(b"".join(card(*item) for item in cards.items()) + b"END".ljust(CARD), b" ")


def value_of(text: str) -> Any:
    """What stands behind the = of a card: bool, int, float (also nan) or text; None when it is neither."""
    text = text.strip()
    if text.startswith("'"):
        inner = re.match(r"'((?:[^']|'')*)'", text)
        return inner[1].replace("''", "'").rstrip() if inner else None
    word = text.partition("/")[0].strip()
    if word in ("T", "F"):
        return word == "T"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return None


def _headers(raw: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
    """Begin, end and cards of the first header, and of the second where the first one has no array."""
    at = 0
    for _ in range(2):
        cards = []
        for begin in range(at, len(raw), CARD):
            cards.append(raw[begin : begin + CARD])
            if cards[-1].rstrip() == b"END":
                break
        end = at + math.ceil(len(cards) * CARD / BLOCK) * BLOCK
        yield at, end, cards
        if not re.search(rb"^NAXIS   =\s+0\b", b"\n".join(cards), re.MULTILINE):
            return
        at = end


def read_header(raw: bytes) -> dict[str, Any]:
    """The cards of the first image, those of its structure too; comments and END left out."""
    *_, (_, _, cards) = _headers(raw)
    texts = [card.decode("ascii", "replace") for card in cards]
    return {text[:8].rstrip(): value_of(text[10:]) for text in texts if text[8:10] == "= "}


def dims_of(header: Mapping[str, Any]) -> tuple[int, int]:
    """(NAXIS1, NAXIS2) of the image, compressed or not."""
    letter = "Z" if header.get("ZIMAGE") else ""
    return header[f"{letter}NAXIS1"], header[f"{letter}NAXIS2"]


def bare(raw: bytes) -> bytes:
    """The as-is version of a file: the same array, and of the header only the structure."""
    parts, done = [], 0
    for _, end, cards in _headers(raw):
        kept = [card for card in cards if _STRUCTURE.fullmatch(card[:8].decode("ascii", "replace").rstrip())]
        parts.append(padded(b"".join(kept), b" "))
        done = end
    return b"".join([*parts, raw[done:]])


def rice_rows(images: np.ndarray) -> list[list[bytes]]:
    """
    The compressed rows of each image of an integer cube (n, ny, nx).

    astropy encodes the whole cube at once, as making a compressed HDU for each of hundreds of
    small images takes a second or two.
    """
    n, ny, nx = images.shape
    hdu = fits.CompImageHDU(images.reshape(n * ny, nx), compression_type="RICE_1", tile_shape=(1, nx))
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    raw = file.getvalue()
    *_, (_, begin, _) = _headers(raw)
    width = read_header(raw)["NAXIS1"]
    table = np.frombuffer(raw, ">i4", count=n * ny * width // 4, offset=begin).reshape(n * ny, width // 4)
    heap = begin + n * ny * width
    rows = [raw[heap + offset : heap + offset + size] for size, offset in table[:, :2]]
    return [rows[i * ny : (i + 1) * ny] for i in range(n)]


def rice_file(rows: list[bytes], nx: int, cards: Mapping[str, Any], *, bitpix: int) -> bytes:
    """
    A file as JSOC exports it: an empty first HDU, the image RICE-compressed row by row in the second.

    The second has its CHECKSUM and DATASUM, the first has none.
    """
    heap = b"".join(rows)
    sizes = np.array([len(row) for row in rows])
    table = np.stack([sizes, np.cumsum(sizes) - sizes], axis=1).astype(">i4").tobytes()
    structure = {
        "XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 8, "NAXIS2": len(rows), "PCOUNT": len(heap),
        "GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "COMPRESSED_DATA", "TFORM1": f"1PB({sizes.max()})", "ZIMAGE": True,
        "ZBITPIX": bitpix, "ZNAXIS": 2, "ZNAXIS1": nx, "ZNAXIS2": len(rows), "ZTILE1": nx, "ZTILE2": 1,
        "ZCMPTYPE": "RICE_1", "ZNAME1": "BLOCKSIZE", "ZVAL1": 32, "ZNAME2": "BYTEPIX", "ZVAL2": abs(bitpix) // 8,
    }  # fmt: skip
    empty = header_of({"SIMPLE": True, "BITPIX": 16, "NAXIS": 0, "EXTEND": True})
    data = padded(table + heap)
    told = {**structure, **cards, "CHECKSUM": "0" * 16, "DATASUM": str(_sum_of(data))}
    header = header_of(told)
    told["CHECKSUM"] = fits.PrimaryHDU()._char_encode(np.uint32(ALL_ONES - _sum_of(header + data)))
    return empty + header_of(told) + data


def _sum_of(block: bytes) -> int:
    """The words of 32 bits added with the carries put back (FITS standard 4.0, appendix J)."""
    total = sum(struct.unpack(f">{len(block) // 4}I", block))
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total
