"""CHECKSUM and DATASUM over the bytes as they came, with astropy's sums as the reference, and what is damaged."""

import io

import numpy as np
import pytest
from astropy.io import fits

from processing.checksums import BLOCK, check_sums, first_header
from processing.errors import FitsError

CARD = 80


def written(*, checksum: bool = True, compressed: bool = True) -> bytes:
    """An image as JSOC's files have it: an empty first HDU, and the sums, if any, in the second."""
    data = np.random.default_rng(5).integers(-2000, 2000, (12, 16)).astype(np.int32)
    image = fits.CompImageHDU(data, compression_type="RICE_1") if compressed else fits.ImageHDU(data)
    image.header["T_REC"] = "2011.02.15_00:00:00_TAI"
    if checksum:
        image.add_checksum()
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file, checksum=checksum)
    return file.getvalue()


def without(raw: bytes, keyword: str) -> bytes:
    """The card of the last HDU blank."""
    at = raw.rindex(f"{keyword:<8}=".encode())
    return raw[:at] + b" " * CARD + raw[at + CARD :]


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :]


@pytest.mark.parametrize("compressed", [True, False], ids=["compressed", "plain"])
@pytest.mark.parametrize("checksum", [True, False], ids=["with sums", "without"])
def test_a_whole_file_passes(checksum: bool, compressed: bool):
    raw = written(checksum=checksum, compressed=compressed)
    check_sums(raw, "whole.fits")
    with fits.open(io.BytesIO(raw), disable_image_compression=True, checksum=True) as hdus:  # warnings are errors
        assert ("DATASUM" in hdus[1].header) is checksum


@pytest.mark.parametrize("keyword", ["CHECKSUM", "DATASUM"])
@pytest.mark.parametrize("compressed", [True, False], ids=["compressed", "plain"])
def test_a_lost_card_is_told(keyword: str, compressed: bool):
    with pytest.raises(FitsError, match=r"lost\.fits is damaged: it has lost its CHECKSUM or DATASUM card"):
        check_sums(without(written(compressed=compressed), keyword), "lost.fits")


def test_both_lost_is_a_file_without_sums():
    check_sums(without(without(written(), "CHECKSUM"), "DATASUM"), "bare.fits")


@pytest.mark.parametrize("letter", [b"\x00", b"\n", b"\x7f", b"\xe9"], ids=["NUL", "line", "DEL", "accent"])
@pytest.mark.parametrize("where", [b"T_REC   =", b"END     "], ids=["in a card", "after END"])
def test_a_header_without_sums_is_plain_text(where: bytes, letter: bytes):
    raw = written(checksum=False)
    at = raw.rindex(where) + (40 if where.startswith(b"T_REC") else 3 * CARD)
    assert raw[at : at + 1] == b" "
    with pytest.raises(FitsError, match=r"odd\.fits is damaged"):  # of some letters astropy says so itself
        check_sums(raw[:at] + letter + raw[at + 1 :], "odd.fits")


def test_text_after_the_end_of_a_header_without_sums_is_damage():
    raw = written(checksum=False)
    at = raw.rindex(b"END     ") + 2 * CARD
    with pytest.raises(FitsError, match=r"odd\.fits is damaged: its header is not plain text"):
        check_sums(raw[:at] + b"x" + raw[at + 1 :], "odd.fits")


def test_changed_data_and_a_changed_header_are_told_apart():
    raw = written()
    with pytest.raises(FitsError, match="its data do not add up to DATASUM"):
        check_sums(flipped(raw, len(raw) - BLOCK + 100), "data.fits")
    with pytest.raises(FitsError, match="it does not add up as its CHECKSUM says"):
        check_sums(raw.replace(b"2011.02.15_00:00:00", b"2011.02.15_00:12:00"), "header.fits")


def test_the_first_header_is_told_where_it_has_no_data():
    raw = written(checksum=False)
    assert first_header(raw) == raw[:BLOCK]
    assert first_header(flipped(raw, 200)) != first_header(raw)
    file = io.BytesIO()
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(file)
    assert first_header(file.getvalue()) is None
