"""Whether the bytes of a FITS file are those that were written: CHECKSUM and DATASUM, over the file as it came."""

import io

import numpy as np
from astropy.io import fits

from processing.errors import FitsError
from processing.fits import reading

ALL_ONES = 2**32 - 1
BLOCK = 2880  # of a FITS file: standard 4.0, section 3.1
_PRINTABLE = bytes(range(32, 127))


def check_sums(raw: bytes, name: str) -> None:
    """
    Compare the file with its CHECKSUM and DATASUM cards (FITS standard 4.0, appendix J).

    An HDU that has only one of the two has lost the other; one that has neither must at least
    have a header of plain text that ends in blanks.

    Raises
    ------
    FitsError
        If something is not as it was written.
    """
    with reading(name), fits.open(io.BytesIO(raw), memmap=False, disable_image_compression=True) as hdus:
        for number in range(len(hdus)):
            place, header = hdus.fileinfo(number), hdus[number].header
            head = raw[place["hdrLoc"] : place["datLoc"]]
            data = raw[place["datLoc"] : place["datLoc"] + place["datSpan"]]
            told = {keyword: str(header.get(keyword, "")).strip() for keyword in ("CHECKSUM", "DATASUM")}
            if not any(told.values()):
                if head.translate(None, _PRINTABLE) or head.rpartition(b"END     ")[2].strip(b" "):
                    raise FitsError(f"{name} is damaged: its header is not plain text")
            elif not all(told.values()):
                raise FitsError(f"{name} is damaged: it has lost its CHECKSUM or DATASUM card")
            elif int(told["DATASUM"]) != _ones_complement_sum(data):
                raise FitsError(f"{name} is damaged: its data do not add up to DATASUM")
            elif _ones_complement_sum(head + data) not in (0, ALL_ONES):
                raise FitsError(f"{name} is damaged: it does not add up as its CHECKSUM says")


def first_header(raw: bytes) -> bytes | None:
    """The first block of a file whose first HDU has no data, as those with a compressed image; None of others."""
    block = raw[:BLOCK]
    return block if b"NAXIS   =                    0" in block else None


def _ones_complement_sum(block: bytes) -> int:
    """
    The words of 32 bits added with the carries put back, as CHECKSUM and DATASUM are made.

    Over the bytes as they came: astropy mends cards such as JSOC's bare ``nan`` before it adds.
    """
    total = int(np.frombuffer(block, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & ALL_ONES) + (total >> 32)
    return total
