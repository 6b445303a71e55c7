"""Images of every layout in, the same values out; headers that stay true; files that are whole or untouched."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from processing.commands import pixel_side_mm
from processing.enhance import HMI_PIXEL_MM
from processing.errors import FitsError, FrameError, ParameterError, PorewebError
from processing.fits import read_segment
from processing.geometry import CeaGeometry
from processing.images import doubled_grid, read_plain, read_plain_cards, write_plain
from tests.real_data import REAL_DATA, RECORDS, needs_real_data, paths_of

COUNTS = np.random.default_rng(4).integers(40_000, 60_000, (7, 12)).astype(np.int32)
CARDS = {"T_REC": "2013.06.20_10:36:00_TAI", "HARPNUM": 2875, "CRPIX1": 3.5, "BUNIT": "DN/s"}
HEADER = fits.Header(CARDS)


def hdus(*parts: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        fits.HDUList([part() for part in parts]).writeto(path)

    return write


def primary(data: np.ndarray | None = None, header: fits.Header | None = None) -> Callable[[], fits.PrimaryHDU]:
    return lambda: fits.PrimaryHDU(data=data, header=header)


def extension(data: np.ndarray | None = None, header: fits.Header | None = None) -> Callable[[], fits.ImageHDU]:
    return lambda: fits.ImageHDU(data=data, header=header)


def table() -> fits.BinTableHDU:
    return fits.BinTableHDU(Table({"a": [1, 2]}))


def rice() -> fits.CompImageHDU:
    return fits.CompImageHDU(data=COUNTS, header=HEADER, compression_type="RICE_1")


def gzipped(path: Path) -> None:
    whole = path.with_suffix(".whole")
    hdus(primary(COUNTS, HEADER))(whole)
    path.write_bytes(gzip.compress(whole.read_bytes()))


LAYOUTS = {
    "primary": ("a.fits", hdus(primary(COUNTS, HEADER)), CARDS),
    "bare": ("a.fits", hdus(primary(COUNTS)), {}),
    "double": ("a.fits", hdus(primary(COUNTS.astype(np.float64), HEADER)), CARDS),
    "first extension": ("a.fits", hdus(primary(), extension(COUNTS, HEADER)), CARDS),
    "second extension": ("a.fits", hdus(primary(), extension(), extension(COUNTS, HEADER)), CARDS),
    "behind a table": ("a.fits", hdus(primary(), table, extension(COUNTS, HEADER)), CARDS),
    "RICE": ("a.fits", hdus(primary(), rice), CARDS),
    "header in the primary": ("a.fits", hdus(primary(header=HEADER), extension(COUNTS)), CARDS),
    "header not to be inherited": (
        "a.fits",
        hdus(primary(header=HEADER), extension(COUNTS, fits.Header({"INHERIT": False}))),
        {},
    ),
    "axis of length 1": ("a.fits", hdus(primary(COUNTS[None], HEADER)), CARDS),
    "gzip": ("a.fits.gz", gzipped, CARDS),
    "npy": ("a.npy", lambda path: np.save(path, COUNTS), {}),
    "other byte order": ("a.npy", lambda path: np.save(path, COUNTS.astype(">f8")), {}),
    "npz": ("a.npz", lambda path: np.savez(path, contrast=COUNTS), {}),
}
each_layout = pytest.mark.parametrize(("name", "write", "cards"), LAYOUTS.values(), ids=LAYOUTS)


@each_layout
def test_the_image_is_found_wherever_it_is(tmp_path, name, write, cards):
    write(tmp_path / name)
    image = read_plain(tmp_path / name)
    np.testing.assert_array_equal(image.data, COUNTS)
    assert image.data.dtype.isnative
    assert image.cards == cards


@each_layout
def test_the_cards_alone_are_the_same(tmp_path, name, write, cards):
    write(tmp_path / name)
    assert read_plain_cards(tmp_path / name) == cards
    assert read_plain_cards(tmp_path / name, ("HARPNUM",)) in ({"HARPNUM": 2875}, cards)


def test_cards_are_read_without_the_image(tmp_path):
    hdus(primary(), rice)(tmp_path / "a.fits")
    raw = bytearray((tmp_path / "a.fits").read_bytes())
    with fits.open(tmp_path / "a.fits", disable_image_compression=True) as opened:
        begin = opened[1].fileinfo()["datLoc"]
    raw[begin : begin + 2880] = b"\xff" * 2880
    (tmp_path / "a.fits").write_bytes(raw)
    assert read_plain_cards(tmp_path / "a.fits") == CARDS
    with pytest.raises(FitsError, match="damaged"):
        read_plain(tmp_path / "a.fits")


@needs_real_data
@pytest.mark.parametrize("record", RECORDS[::2])
def test_real_segments_are_as_the_chain_reads_them(record):
    for path in paths_of(record):
        image, segment = read_plain(path), read_segment(path.read_bytes(), path.name)
        np.testing.assert_allclose(image.data, segment.data, rtol=1e-6)
        assert image.cards == segment.cards


@needs_real_data
def test_a_real_bitmap_stays_whole_numbers():
    path = next((REAL_DATA / "harp377").glob("*.bitmap.fits"))  # has a BLANK card, but no blank pixel
    assert read_plain(path).data.dtype == np.int16


def test_blank_pixels_have_no_value(tmp_path):
    counts = COUNTS.copy()
    counts[2, 3] = -1
    fits.PrimaryHDU(counts, fits.Header({"BLANK": -1})).writeto(tmp_path / "a.fits")
    data = read_plain(tmp_path / "a.fits").data
    np.testing.assert_array_equal(np.isnan(data), counts < 0)
    np.testing.assert_array_equal(data[counts > 0], counts[counts > 0])


def test_one_array_of_several_is_named(tmp_path):
    np.savez(tmp_path / "two.npz", contrast=COUNTS, mu=COUNTS / 2)
    np.testing.assert_array_equal(read_plain(tmp_path / "two.npz[mu]").data, COUNTS / 2)
    with pytest.raises(FrameError, match=r"two.npz holds contrast, mu; name one, as in two.npz\[contrast\]"):
        read_plain(tmp_path / "two.npz")
    with pytest.raises(FrameError, match="has no array nu; it holds contrast, mu"):
        read_plain(tmp_path / "two.npz[nu]")


def test_a_file_whose_name_ends_in_brackets_is_that_file(tmp_path):
    odd = tmp_path / "two.npz[mu]"
    with odd.open("wb") as stream:
        np.savez(stream, x=COUNTS)
    np.testing.assert_array_equal(read_plain(odd).data, COUNTS)


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((1, 7, 12), ("CTYPE1", "CTYPE2")), ((7, 12, 1), ()), ((1, 1, 12), ("CTYPE1", "CTYPE2")), ((7, 1, 12), ())],
)
def test_axes_of_length_one_go_with_their_cards(tmp_path, shape, kept):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    cards = {"WCSAXES": 3, **{f"CTYPE{axis}": f"A{axis}" for axis in "123"}, "PC3_1": 0.5, "PV3_1": 1.0, "EXPTIME": 2.0}
    fits.PrimaryHDU(data, fits.Header(cards)).writeto(tmp_path / "a.fits")
    image = read_plain(tmp_path / "a.fits")
    assert image.data.size == data.size
    assert image.data.ndim == 2
    assert image.cards == {"EXPTIME": 2.0, **{keyword: cards[keyword] for keyword in kept}}


def write_pickle(path: Path) -> None:
    np.savez(path, x=np.array([{}, 1], dtype=object))


TROUBLE = {
    "text": ("a.fits", lambda path: path.write_text("SIMPLE text"), "not a FITS file"),
    "empty": ("a.fits", lambda path: path.write_bytes(b""), "not a FITS file"),
    "cube": ("a.fits", hdus(primary(np.zeros((3, 7, 12)))), "a cube of 3 x 7 x 12; give one image"),
    "cube in an array": ("a.npy", lambda path: np.save(path, np.zeros((3, 7, 12))), "a cube of 3 x 7 x 12"),
    "table only": ("a.fits", hdus(primary(), table), "a.fits holds no image"),
    "one axis": ("a.npy", lambda path: np.save(path, COUNTS[0]), r"shape \(12,\), not an image"),
    "no pixel": ("a.npy", lambda path: np.save(path, COUNTS[:0]), r"shape \(0, 12\), not an image"),
    "complex": ("a.npy", lambda path: np.save(path, COUNTS * 1j), "complex128, not real numbers"),
    "pickle": ("a.npz", write_pickle, "Python objects, which are not read"),
    "no array": ("a.npz", lambda path: np.savez(path), "holds no array"),
    "broken npz": ("a.npz", lambda path: path.write_bytes(b"PK\x03\x04 and so on"), "holds no array"),
    "broken npy": ("a.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00 and so on"), "holds no array"),
    "broken gzip": ("a.fits.gz", lambda path: path.write_bytes(b"\x1f\x8b and so on"), "damaged"),
}


@pytest.mark.parametrize(("name", "write", "words"), TROUBLE.values(), ids=TROUBLE)
def test_what_is_no_image_is_said_in_a_sentence(tmp_path, name, write, words):
    write(tmp_path / name)
    with pytest.raises(PorewebError, match=words) as problem:
        read_plain(tmp_path / name)
    assert name in str(problem.value)


@pytest.mark.parametrize("kept", [3000, 2880 * 2 + 10])
def test_a_file_cut_short_is_damaged(tmp_path, kept):
    hdus(primary(np.zeros((40, 50)), HEADER))(tmp_path / "a.fits")
    (tmp_path / "a.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:kept])
    with pytest.raises(FitsError, match="damaged or cut short"):
        read_plain(tmp_path / "a.fits")


DTYPES = st.sampled_from(["u1", "i2", "<i4", ">i4", "i8", "f2", "<f4", ">f4", "<f8", ">f8", "?"])
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".npz", ".npy"])
@given(data=DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES)))
def test_what_is_written_is_read_again(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("round") / f"a{suffix}"
    write_plain(path, data, CARDS, ["One.", "Two."])
    image = read_plain(path)
    np.testing.assert_array_equal(image.data, data)
    assert image.data.dtype.kind in ("f" if data.dtype.kind == "f" else "iu")
    if suffix != ".npy":
        assert (image.cards, image.history) == (CARDS, ("One.", "Two."))


def test_numpy_values_long_words_and_old_layout_cards_are_no_trouble(tmp_path):
    cards = {**CARDS, "AVG_F_ON": np.float32(2.5), "A_LONG_KEYWORD": "x" * 100, "BSCALE": 3.0, "NAXIS3": 4, "BLANK": 7}
    for suffix in (".fits", ".npz"):
        write_plain(tmp_path / f"a{suffix}", COUNTS, cards, ["word " * 40, "Ångström"])
        image = read_plain(tmp_path / f"a{suffix}")
        assert image.cards == {**CARDS, "AVG_F_ON": 2.5, "A_LONG_KEYWORD": "x" * 100}
        np.testing.assert_array_equal(image.data, COUNTS)


@pytest.mark.parametrize(
    ("name", "cards", "words"),
    [
        ("a.png", {}, "must end in .fits, .fits.gz, .npz, .npy"),
        ("no/a.fits", {}, "there is no folder"),
        ("folder.fits", {}, "is a folder"),
        ("a.fits", {"NOTE": "two\nlines"}, "the card NOTE cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path, name, cards, words):
    (tmp_path / "folder.fits").mkdir()
    (tmp_path / "a.fits").write_bytes(b"old")
    with pytest.raises((ParameterError, FitsError), match=words):
        write_plain(tmp_path / name, COUNTS, cards)
    assert (tmp_path / "a.fits").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "folder.fits"]


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a.fits").write_bytes(b"old")

    def full(path: Path, whole: bytes) -> None:
        path.open("wb").close()
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="full"):
        write_plain(tmp_path / "a.fits", COUNTS, {})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


PLACE = {"CRPIX1": 5.0, "CRPIX2": 3.25, "CRVAL1": 10.0, "CRVAL2": -20.0, "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}
PLACE |= {"CUNIT1": "arcsec", "CUNIT2": "arcsec"}
STEP = {"CDELT1": 0.504, "CDELT2": 0.51}
TURN = {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8}
CD = {"CD1_1": 0.4, "CD1_2": -0.3, "CD2_1": 0.31, "CD2_2": 0.4}
HEADERS = {
    "CDELT": {**PLACE, **STEP},
    "PC": {**PLACE, **STEP, **TURN},
    "CROTA": {**PLACE, **STEP, "CROTA2": 12.0},
    "CD": {**PLACE, **CD},
    "CD with a needless CDELT": {**PLACE, **CD, "CDELT1": 1.0, "CDELT2": 1.0},
    "PC alone": {**PLACE, **TURN},
    "no CRPIX": {key: value for key, value in {**PLACE, **STEP}.items() if "CRPIX" not in key},
}


@pytest.mark.parametrize("cards", HEADERS.values(), ids=HEADERS)
def test_the_doubled_grid_looks_at_the_same_places(cards):
    """Astropy's WCS of both headers: old pixel i (from 0) is centred at 2 i + 0.5 of the new ones."""
    col, row = np.meshgrid([0.0, 4.0, 11.0], [0.0, 6.0])
    old = WCS(fits.Header(cards)).pixel_to_world_values(col, row)
    new = WCS(fits.Header(doubled_grid(cards))).pixel_to_world_values(2 * col + 0.5, 2 * row + 0.5)
    np.testing.assert_allclose(new, old, rtol=1e-12, atol=1e-12)


def test_an_alternative_system_is_doubled_too():
    alternative = {f"{key}A": value for key, value in {**PLACE, **CD}.items()}
    header = doubled_grid({**HEADERS["PC"], **alternative})
    assert header == {
        **doubled_grid(HEADERS["PC"]),
        **{f"{key}A": value for key, value in doubled_grid({**PLACE, **CD}).items()},
    }
    assert header["CD2_1A"] == 0.155


def test_a_cea_header_is_doubled_as_its_geometry_is():
    cards = {"CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CRPIX1": 300.5, "CRPIX2": 120.0, "CRVAL1": 253.2}
    cards |= {"CRVAL2": 8.1, "CDELT1": 0.03, "CDELT2": 0.03, "CRLN_OBS": 240, "CRLT_OBS": 1.7, "DSUN_OBS": 1.52e11}
    assert CeaGeometry.from_header(doubled_grid(cards)) == CeaGeometry.from_header(cards).doubled()


def test_a_bare_header_stays_bare_and_statistics_go():
    assert doubled_grid({}) == {}
    assert doubled_grid({"BUNIT": "G", "DATAMIN": 1.0, "DATAMEDN": 2.0, "MISSVALS": 0}) == {"BUNIT": "G"}


@pytest.mark.parametrize(
    ("cards", "side"),
    [
        ({}, None),
        ({"BUNIT": "DN/s"}, None),
        ({**PLACE, "CDELT1": -0.504, "CDELT2": 0.504}, HMI_PIXEL_MM),
        ({**PLACE, **CD}, 0.7253 * np.sqrt(0.4 * 0.4 + 0.3 * 0.31)),
        ({**PLACE, "CUNIT1": "deg", "CDELT1": 0.504 / 3600, "CDELT2": 0.504 / 3600}, HMI_PIXEL_MM),
        ({"CTYPE1": "HPLN-TAN", "CDELT1": 0.504, "CDELT2": 0.504}, HMI_PIXEL_MM),
        ({"CTYPE1": "CRLN-CEA", "CUNIT1": "degree", "CDELT1": 0.03, "CDELT2": 0.03}, np.sqrt(0.1328)),
    ],
)
def test_the_side_of_a_pixel_is_read_from_the_header(cards, side):
    found = pixel_side_mm(cards)
    assert found == (None if side is None else pytest.approx(side, rel=1e-4))


def test_an_unreadable_pixel_size_is_said():
    with pytest.raises(FrameError, match="pixel size cannot be read"):
        pixel_side_mm({"CTYPE1": "CRLN-CEA", "CDELT1": "wide", "CDELT2": 0.03})
