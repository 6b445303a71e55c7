"""STARA's depth, with sunkit-image's mask and a search through all pairs of pixels as references."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from sunkit_image.stara import stara

from processing.errors import FrameError, ParameterError
from processing.reduce import flatten
from processing.segment import label_pores
from processing.stara import MEDIAN_MM, _disk_maximum, stara_depth
from tests.processing.drawing import draw
from tests.real_data import needs_real_data, real_frame

DOUBLED_PIXEL_MM = 0.1822
SUNKIT_MEDIAN_MM = 10 * 0.7253  # its default of 10 arcsec
LEVEL = 2.0**16  # DN/s of a quiet Sun by which dividing loses no digit


def sunkit_mask(image: np.ndarray, *, radius: int, box: int, threshold: float) -> np.ndarray:
    """What sunkit-image finds, on a map of 1 arcsec a pixel; its ``circle_radius`` is the disk's diameter."""
    header = {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": 1, "cdelt2": 1, "crpix1": 1, "crpix2": 1, "crval1": 0, "crval2": 0,
    }  # fmt: skip
    smap = sunpy.map.Map(image, header)
    return stara(smap, circle_radius=2 * radius * u.arcsec, median_box=box * u.arcsec, threshold=threshold)


def our_mask(contrast: np.ndarray, *, radius: int, box: int, threshold: float) -> np.ndarray:
    return stara_depth(contrast, pixel_side_mm=1, disk_radius_mm=radius, median_mm=box) > threshold


def depth_by_pairs(contrast: np.ndarray, radius: int) -> np.ndarray:
    """The closing by its definition, over the pixels with data alone, less the contrast."""
    seen = np.isfinite(contrast)
    where, value = np.argwhere(seen), contrast[seen]
    near = ((where[:, None] - where[None]) ** 2).sum(axis=-1) <= radius**2
    brightest = np.where(near, value, -np.inf).max(axis=1)
    depth = np.full(contrast.shape, np.nan)
    depth[seen] = np.where(near, brightest, np.inf).min(axis=1) - value
    return depth


@pytest.mark.parametrize("box", [1, 3, 9])
@pytest.mark.parametrize("radius", [1, 2, 5, 17, 28])
def test_it_finds_the_pixels_that_sunkit_image_finds(radius, box):
    rng = np.random.default_rng(radius)
    disks = [(9, 12, 3), (33, 40, 6), (0, 70, 8), (63, 95, 5)]  # two of them cut by the border
    contrast = (draw(disks) + 0.05 * rng.standard_normal((64, 96))).astype(np.float32)
    expected = sunkit_mask(contrast, radius=radius, box=box, threshold=0.1)
    np.testing.assert_array_equal(our_mask(contrast, radius=radius, box=box, threshold=0.1), expected)
    assert radius < 5 or expected.any()


@needs_real_data
def test_it_finds_what_sunkit_image_finds_in_a_real_frame():
    frame = real_frame("377.20110215_020000")
    continuum = frame.need("continuum").astype(np.float32)
    settings = {"radius": 12, "box": 5}
    expected = sunkit_mask(continuum, threshold=6000, **settings)
    assert 4000 < expected.sum() < 40_000  # of 280,488
    np.testing.assert_array_equal(our_mask(continuum / LEVEL, threshold=6000 / LEVEL, **settings), expected)

    contrast = flatten(continuum, frame.geometry).contrast[120:260, 260:520].astype(np.float32)
    expected = sunkit_mask(contrast, radius=25, box=3, threshold=0.4)
    assert 1000 < expected.sum() < 10_000  # of 36,400
    np.testing.assert_array_equal(our_mask(contrast, radius=25, box=3, threshold=0.4), expected)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.one_of(st.floats(0.125, 1.5, width=32), st.just(np.nan)),
    ).filter(lambda contrast: np.isfinite(contrast).any()),
    st.integers(1, 20),
)
def test_it_is_the_closing_over_the_pixels_with_data(contrast, radius):
    before = contrast.copy()
    depth = stara_depth(contrast, pixel_side_mm=1, disk_radius_mm=radius)
    assert depth.dtype == np.float32
    assert not (depth < 0).any()
    np.testing.assert_array_equal(np.isnan(depth), np.isnan(contrast))
    np.testing.assert_allclose(depth, depth_by_pairs(contrast.astype(float), radius), atol=3e-7)
    np.testing.assert_array_equal(contrast, before)


@given(st.integers(0, 24), st.integers(0, 30), st.integers(1, 40))
def test_a_bright_pixel_is_seen_from_a_whole_disk(row, col, radius):
    image = np.zeros((25, 31), dtype=np.float32)
    image[row, col] = 1
    rows, cols = np.indices(image.shape)
    disk = (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    np.testing.assert_array_equal(_disk_maximum(image, radius), disk)


def test_a_pore_is_as_deep_at_the_edge_of_the_data_as_inside():
    contrast = draw([(30, 30, 5), (30, 60, 5)])
    contrast[:, 61:] = np.nan
    depth = stara_depth(contrast, pixel_side_mm=1, disk_radius_mm=12)
    np.testing.assert_allclose(depth[contrast == 0.3], 0.7, atol=1e-6)
    assert (depth[contrast == 1] == 0).all()


def test_missing_pixels_do_not_spread_through_the_median():
    contrast = draw([(30, 30, 9)])
    contrast[30, 30] = contrast[5, 5] = np.nan
    depth = stara_depth(contrast, pixel_side_mm=1, disk_radius_mm=20, median_mm=3)
    assert np.isnan(depth).sum() == 2
    assert depth[31, 31] == pytest.approx(0.7)
    assert depth[6, 6] == 0


@pytest.mark.parametrize(
    ("median_mm", "n_pixels"),
    [(MEDIAN_MM, 20), (0.55, 16), (SUNKIT_MEDIAN_MM, 0)],
    ids=["our default", "3 x 3", "sunkit-image's default"],
)
def test_the_smallest_pore_is_kept(median_mm, n_pixels):
    contrast = draw([])
    contrast[30:34, 40:45] = 0.4
    depth = stara_depth(contrast, pixel_side_mm=DOUBLED_PIXEL_MM, median_mm=median_mm)
    assert (depth > 0.5).sum() == n_pixels


@pytest.mark.parametrize(
    ("median_mm", "box"), [(0, 1), (1.9, 1), (2.1, 3), (3.9, 3), (4.1, 5)], ids=lambda value: str(value)
)
def test_the_box_is_odd_and_does_not_shift_the_image(median_mm, box):
    contrast = draw([(20, 30, 6), (45, 70, 4)]) + np.random.default_rng(4).normal(0, 0.05, (64, 96))
    ours = stara_depth(contrast, pixel_side_mm=1, disk_radius_mm=10, median_mm=median_mm)
    filtered = ndimage.median_filter(contrast.astype(np.float32), size=box, mode="nearest")
    np.testing.assert_allclose(ours, stara_depth(filtered, pixel_side_mm=1, disk_radius_mm=10), atol=3e-7)


def test_it_needs_no_level_ground():
    pore = draw([(30, 20, 6)], contrast=0.4)
    slope = np.linspace(0.45, 1.35, pore.shape[1])
    assert label_pores(pore * slope, threshold=0.5)[pore == 1].any()  # half of the dark end
    depth = stara_depth(pore * slope, pixel_side_mm=1, disk_radius_mm=12)
    np.testing.assert_array_equal(depth > 0.25, pore < 1)


@pytest.mark.parametrize(("disk_radius_mm", "hollow"), [(12, True), (17, False)], ids=["narrower", "wider"])
def test_a_disk_narrower_than_a_spot_sinks_into_it(disk_radius_mm, hollow):
    spot = draw([(32, 48, 15)])
    depth = stara_depth(spot, pixel_side_mm=1, disk_radius_mm=disk_radius_mm)
    assert (depth[32, 48] == 0) == hollow


@pytest.mark.parametrize("contrast", [np.ones(8), np.ones((2, 8, 8)), np.full((8, 8), np.nan)])
def test_it_needs_an_image(contrast):
    with pytest.raises(FrameError):
        stara_depth(contrast, pixel_side_mm=1)


@pytest.mark.parametrize(
    ("lengths", "named"),
    [
        ({"pixel_side_mm": 0}, "pixel_side_mm"),
        ({"pixel_side_mm": np.nan}, "pixel_side_mm"),
        ({"pixel_side_mm": 1, "median_mm": -1}, "median_mm"),
        ({"pixel_side_mm": 1, "disk_radius_mm": 0.4}, "disk"),
        ({"pixel_side_mm": 1, "disk_radius_mm": np.nan}, "disk"),
        ({"pixel_side_mm": 1, "disk_radius_mm": np.inf}, "disk"),
        ({"pixel_side_mm": 1, "median_mm": np.inf}, "median_mm"),
    ],
)
def test_lengths_need_a_meaning(lengths, named):
    with pytest.raises(ParameterError, match=named):
        stara_depth(draw([]), **lengths)
