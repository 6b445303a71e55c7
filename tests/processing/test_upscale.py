"""The doubled grid: sunpy's resampling and scipy's splines are the references, the sky must stay where it was."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from processing.errors import FrameError
from processing.images import doubled_grid
from processing.upscale import BAND, REACH, fill_missing, upscale_cubic, upscale_maps, upscale_nearest
from tests.real_data import needs_real_data, real_frame

BORDER = 8  # new pixels
FIELD = ("Br", "Bt", "Bp")


def by_scipy(image: np.ndarray) -> np.ndarray:
    """The spline mirrored about the outermost pixels, in double precision, at every new pixel."""
    at = [(np.arange(2 * n) - 0.5) / 2 for n in image.shape]
    return ndimage.map_coordinates(image.astype(float), np.meshgrid(*at, indexing="ij"), order=3, mode="mirror")


def by_sunpy(image: np.ndarray, cards: dict[str, object]) -> sunpy.map.GenericMap:
    double = 2 * np.array(image.shape[::-1]) * u.pix
    return sunpy.map.Map(image, cards).resample(double, method="spline")


@needs_real_data
@pytest.mark.parametrize("segment", FIELD)
@pytest.mark.parametrize("record", ["377.20110215_020000", "2875.20130620_103600"])
def test_it_is_sunpys_spline(record, segment):
    frame = real_frame(record)
    image = frame.maps[segment]
    expected = by_sunpy(image, frame.cards)
    zoomed = upscale_cubic(image)
    assert zoomed.dtype == np.float32
    assert zoomed.shape == expected.data.shape
    for border in (BORDER, 1):  # all but the outermost pixels
        inside = (slice(border, -border),) * 2
        np.testing.assert_allclose(zoomed[inside], expected.data[inside], rtol=0, atol=1e-6 * np.ptp(image))
    cards = doubled_grid(frame.cards)
    for card in ("CRPIX1", "CRPIX2", "CDELT1", "CDELT2"):
        assert cards[card] == pytest.approx(expected.meta[card.lower()]), card


def ring_of(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


@needs_real_data
def test_there_is_no_ring_of_zeros_as_sunpy_leaves():
    frame = real_frame("377.20110215_020000")
    image = frame.maps["continuum"]
    ring = ring_of(by_sunpy(image, frame.cards).data)
    assert (ring.size, np.count_nonzero(ring)) == (4480, 0)
    ours = ring_of(upscale_cubic(image))
    old = ring_of(upscale_nearest(image))
    assert ours.min() > 0.8 * image.min()
    assert abs(ours - old).max() < 0.1 * np.ptp(image)


@needs_real_data
@pytest.mark.parametrize("segment", [*FIELD, "continuum"])
def test_the_flux_is_kept(segment):
    image = real_frame("377.20110215_020000").maps[segment]
    change = upscale_cubic(image).sum(dtype=np.float64) / 4 - image.sum(dtype=np.float64)
    assert abs(change) < 3e-5 * abs(image).sum(dtype=np.float64)


SIDES = st.one_of(st.integers(1, 2 * BAND + REACH), st.sampled_from([BAND - 1, BAND, BAND + 1, 2 * BAND, 3 * BAND - 1]))


@given(SIDES, SIDES, st.integers(0, 2**32), st.sampled_from(["f4", "f8", ">f4", "i2"]))
def test_it_is_scipys_spline_to_the_border_in_any_size(ny, nx, seed, dtype):
    image = (1000 * np.random.default_rng(seed).normal(size=(ny, nx))).astype(dtype)
    zoomed = upscale_cubic(image)
    np.testing.assert_allclose(zoomed, by_scipy(image), rtol=0, atol=2e-6 * abs(image).max() + 1e-12)
    assert zoomed.shape == (2 * ny, 2 * nx)


def test_a_frames_maps_are_doubled_under_their_names():
    rng = np.random.default_rng(8)
    images = {name: rng.normal(scale=800, size=(50, 70)).astype(np.float32) for name in FIELD}
    images["Bt"][10, 20:23] = np.nan
    zoomed = upscale_maps(images)
    assert list(zoomed) == list(FIELD)
    for name, image in images.items():
        np.testing.assert_array_equal(zoomed[name], upscale_cubic(image))
        np.testing.assert_array_equal(np.isnan(zoomed[name]), upscale_nearest(np.isnan(image)))
    assert upscale_maps({}) == {}


def test_the_result_is_ones_own():
    image = np.ones((40, 40))
    zoomed = upscale_cubic(image)
    zoomed[:] = 7
    np.testing.assert_allclose(upscale_cubic(image), 1, rtol=1e-14)
    assert zoomed.flags.c_contiguous


@pytest.mark.parametrize("value", [0.0, 1.0, -1234.5])
def test_a_constant_stays_constant_to_the_border(value):
    np.testing.assert_allclose(upscale_cubic(np.full((12, 17), value)), value, atol=1e-9)


def test_a_ramp_is_exact_inside():
    rows, cols = np.indices((40, 50))
    new_rows, new_cols = (np.indices((80, 100)) - 0.5) / 2
    zoomed = upscale_cubic(3.0 * rows - 2.0 * cols)
    inside = (slice(24, -24),) * 2
    np.testing.assert_allclose(zoomed[inside], (3 * new_rows - 2 * new_cols)[inside], rtol=0, atol=1e-5)


def test_old_pixels_lie_between_their_four_new_ones():
    image = np.zeros((11, 15))
    image[4, 9] = 1
    zoomed = upscale_cubic(image)
    four = zoomed[8:10, 18:20]
    np.testing.assert_allclose(four, four[0, 0], rtol=1e-4)
    assert np.argwhere(zoomed > 0.99 * zoomed.max()).tolist() == [[8, 18], [8, 19], [9, 18], [9, 19]]


def test_a_missing_pixel_is_four_missing_pixels_and_harms_no_other():
    image = np.random.default_rng(1).normal(size=(20, 30))
    image[5, 7] = np.nan
    image[:, -1] = np.nan
    before = image.copy()
    zoomed = upscale_cubic(image)
    np.testing.assert_array_equal(np.isnan(zoomed), upscale_nearest(np.isnan(image)))
    assert np.nanmax(abs(zoomed)) < 3 * np.nanmax(abs(image))
    np.testing.assert_array_equal(image, before)


def test_missing_pixels_take_their_nearest_neighbour():
    image = np.array([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])
    filled, missing = fill_missing(image)
    assert filled[1, 2] == 3
    assert filled[0, 1] in (1, 3)
    np.testing.assert_array_equal(missing, np.isnan(image))


@pytest.mark.parametrize(("given", "result"), [("f4", "f4"), ("f8", "f8"), ("i2", "f4")])
def test_it_keeps_the_floating_type(given, result):
    assert upscale_cubic(np.ones((6, 8), given)).dtype == result


def test_the_bitmap_is_repeated_not_blended():
    bitmap = np.array([[0, 34, 2], [33, 1, 0]], np.uint8)
    zoomed = upscale_nearest(bitmap)
    assert zoomed.dtype == np.uint8
    assert zoomed.shape == (4, 6)
    for row, col in np.ndindex(bitmap.shape):
        assert (zoomed[2 * row : 2 * row + 2, 2 * col : 2 * col + 2] == bitmap[row, col]).all()


@pytest.mark.parametrize("image", [np.ones(5), np.ones((2, 3, 4)), np.full((4, 4), np.nan)], ids=["1d", "3d", "nan"])
def test_it_refuses_what_is_no_image(image):
    with pytest.raises(FrameError):
        upscale_cubic(image)


@pytest.mark.parametrize("south", [10.8939, -21.0769])
def test_the_doubled_header_is_true(south):
    cards = {
        "CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": 292.0, "CRPIX2": 125.5,
        "CRVAL1": 253.723282, "CRVAL2": south, "CDELT1": 0.03, "CDELT2": 0.03,
    }  # fmt: skip
    new = doubled_grid(cards)
    assert cards["CRPIX1"] == 292
    pixels = np.array([[0.0, 0.0], [582.0, 249.0], [100.25, 33.5]])
    before = WCS(cards).all_pix2world(pixels, 0)
    after = WCS(new).all_pix2world(2 * pixels + 0.5, 0)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)
