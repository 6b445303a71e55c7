"""QUALITY words as FITS, databases and JSOC's pages write them, against JSOC's list of bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.errors import FrameError
from processing.quality import Quality, describe, read_quality

# http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/QUALITY.txt and HMI_observables.c
JSOC = {
    "NODATA": 31, "TARGETFILTERGRAMMISSING": 30, "NOINTERPOLATEDKEYWORDS": 29, "NOFRAMELISTINFO": 28,
    "WRONGCADENCE": 27, "WRONGTARGET": 26, "MISSINGLEV1D": 25, "MISSINGKEYWORDLEV1D": 24, "WRONGWAVELENGTHNUM": 23,
    "MISSINGKEYWORDLEV1P": 22, "NOLOOKUPRECORD": 21, "NOLOOKUPKEYWORD": 20, "NOTENOUGHINTERPOLANTS": 19,
    "INTERPOLATIONFAILED": 18, "MISSINGLEV1P": 17, "LOWINTERPNUM": 16, "LOWKEYWORDNUM": 15, "ISSTARGET": 14,
    "NOTEMP": 13, "NOGAPFILL": 12, "LIMBFITISSUE": 11, "NOCOSMICRAY": 10, "NOCOEFFKEYWORD": 9, "ECLIPSE": 8,
    "NOCOEFFPRECORD": 7, "LARGEFTSID": 6, "POORQUALITY": 5,
}  # fmt: skip


def test_the_bits_are_jsocs():
    assert {bit.name: bit.value.bit_length() - 1 for bit in Quality} == JSOC


@pytest.mark.parametrize(
    ("word", "bits"),
    [
        (0, Quality(0)),
        ("0x00000000", Quality(0)),
        (0x400, Quality.NOCOSMICRAY),
        ("0x00000400", Quality.NOCOSMICRAY),
        ("1024", Quality.NOCOSMICRAY),
        (0x10100, Quality.LOWINTERPNUM | Quality.ECLIPSE),
        (-(2**31), Quality.NODATA),
        (2**31, Quality.NODATA),
        ("0x80000000", Quality.NODATA),
        (-(2**31) + 2**30, Quality.NODATA | Quality.TARGETFILTERGRAMMISSING),
    ],
)
def test_a_word_in_any_writing(word, bits):
    assert read_quality(word) == bits


@pytest.mark.parametrize("word", ["", "good", "0x1g", 2**32, -(2**31) - 1, "0x100000000", True, 1.0, None])
def test_it_refuses_what_is_no_word(word):
    with pytest.raises(FrameError, match="QUALITY"):
        read_quality(word)


def test_what_it_says():
    assert describe(0) == []
    assert describe(-(2**31)) == ["no image was made"]
    assert describe("0x00000900") == [
        "filtergrams of odd solar radius or centre left out",
        "eclipse in some filtergrams",
    ]
    assert describe(0b1001) == ["bit 3", "bit 0"]


@given(st.integers(0, 2**32 - 1))
def test_every_set_bit_is_said_once(word):
    said = describe(word)
    assert len(said) == len(set(said)) == word.bit_count()
    assert said == describe(word - 2**32 if word >= 2**31 else word) == describe(hex(word))
    assert sum(words.startswith("bit ") for words in said) == (word & 0b11111).bit_count()
