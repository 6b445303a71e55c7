"""Sharpening a pore we blurred ourselves, so that the right answer is known."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.restoration import richardson_lucy

from processing.enhance import METHODS, PSF_FWHM_MM, deblur
from processing.errors import FrameError, ParameterError
from processing.upscale import upscale_cubic, upscale_nearest
from tests.processing.drawing import GEOMETRY, draw

SIDE_MM = GEOMETRY.pixel_side_mm
PORE = (40.5, 60.5, 5.0)  # on the doubled grid: 0.9 Mm
DOUBLED = (80, 120)
SHARPENING = [method for method in METHODS if method != "none"]


def seen(scene: np.ndarray) -> np.ndarray:
    """The scene of the doubled grid as HMI sees it: blurred, then binned 2 x 2, with a little noise."""
    sigma = PSF_FWHM_MM / (SIDE_MM / 2) / np.sqrt(8 * np.log(2))
    blurred = ndimage.gaussian_filter(scene, sigma, mode="mirror")
    binned = blurred.reshape(scene.shape[0] // 2, 2, scene.shape[1] // 2, 2).mean(axis=(1, 3))
    return binned + np.random.default_rng(3).normal(0, 0.002, binned.shape)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return draw([PORE], shape=DOUBLED, contrast=0.2)


@pytest.mark.parametrize("method", SHARPENING)
def test_it_doubles_the_grid_with_the_quiet_sun_at_one(scene, method):
    sharp = deblur(seen(scene), pixel_side_mm=SIDE_MM, method=method)
    assert sharp.shape == DOUBLED
    assert sharp.dtype == np.float32
    assert np.median(sharp) == pytest.approx(1, abs=0.01)
    assert np.unravel_index(np.argmin(ndimage.uniform_filter(sharp, 7)), sharp.shape) == pytest.approx((40, 60), abs=1)


def test_none_leaves_the_frame_as_it_is(scene):
    contrast = seen(scene)
    contrast[3, 4] = np.nan
    same = deblur(contrast, pixel_side_mm=SIDE_MM, method="none")
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, contrast.astype(np.float32))


def test_richardson_lucy_is_sharper_than_the_spline(scene):
    contrast = seen(scene)
    spline, sharp = (
        deblur(contrast, pixel_side_mm=SIDE_MM, method=name) for name in ("cubic-spline", "richardson-lucy")
    )
    core = np.hypot(*(np.indices(DOUBLED) - np.array(PORE[:2])[:, None, None])) < 2.5
    assert sharp[core].mean() < spline[core].mean() - 0.05
    assert np.abs(np.gradient(sharp[40])).max() > 1.2 * np.abs(np.gradient(spline[40])).max()
    assert np.abs(sharp - scene).mean() < np.abs(spline - scene).mean()


def test_more_iterations_come_nearer_to_the_scene(scene):
    contrast = seen(scene)
    few, many = (deblur(contrast, pixel_side_mm=SIDE_MM, iterations=n) for n in (2, 10))
    assert np.square(many - scene).mean() < np.square(few - scene).mean()


@pytest.mark.parametrize("method", SHARPENING)
def test_the_flux_of_the_pore_is_kept(scene, method):
    contrast = seen(scene)
    sharp = deblur(contrast, pixel_side_mm=SIDE_MM, method=method)
    # over the Sun far from the pore, which no sharpening changes, so that the last normalisation drops out
    before = contrast.mean() / contrast[:8].mean()
    after = sharp.mean() / sharp[:16].mean()
    assert after == pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("method", SHARPENING)
def test_missing_pixels_stay_missing_and_harm_no_other(scene, method):
    contrast = seen(scene)
    whole = deblur(contrast, pixel_side_mm=SIDE_MM, method=method)
    contrast[5, 7] = np.nan
    contrast[-3:] = np.nan
    sharp = deblur(contrast, pixel_side_mm=SIDE_MM, method=method)
    np.testing.assert_array_equal(np.isnan(sharp), upscale_nearest(np.isnan(contrast)))
    # far from the missing pixels nothing changes but the level, by less than a bin of the histogram
    np.testing.assert_allclose(sharp[30:50, 50:70], whole[30:50, 50:70], atol=0.02)


@pytest.mark.parametrize(
    ("method", "iterations"), [("cubic-spline", 1), ("richardson-lucy", 10), ("richardson-lucy", 30)]
)
def test_a_quiet_sun_stays_quiet_to_the_border(method, iterations):
    sharp = deblur(np.ones((40, 60)), pixel_side_mm=SIDE_MM, method=method, iterations=iterations)
    np.testing.assert_allclose(sharp, 1, atol=0.01)  # one bin of the histogram


def test_richardson_lucy_agrees_with_scikit_image_away_from_the_border(scene):
    contrast = seen(scene)
    sharp = deblur(contrast, pixel_side_mm=SIDE_MM, method="richardson-lucy", iterations=5)
    sigma = PSF_FWHM_MM / (SIDE_MM / 2) / np.sqrt(8 * np.log(2))
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    psf = ndimage.gaussian_filter(impulse, sigma, truncate=3)
    reference = richardson_lucy(upscale_cubic(contrast), psf, num_iter=5, clip=False, filter_epsilon=1e-6)
    inside = (slice(25, -25), slice(25, -25))
    ratio = sharp[inside] / reference[inside]
    assert ratio.std() / ratio.mean() < 1e-4  # each is normalised in its own way


@pytest.mark.parametrize("options", [{"method": "magic"}, {"iterations": 0}, {"iterations": 101}])
def test_it_refuses_unknown_options(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        deblur(np.ones((8, 8)), pixel_side_mm=SIDE_MM, **options)


@pytest.mark.parametrize("contrast", [np.ones(8), np.full((8, 8), np.nan)], ids=["no image", "all missing"])
@pytest.mark.parametrize("method", SHARPENING)
def test_it_needs_an_image(contrast, method):
    with pytest.raises(FrameError):
        deblur(contrast, pixel_side_mm=SIDE_MM, method=method)
