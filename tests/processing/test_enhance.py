"""Sharpening scenes of which the right answer is known, and real granulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import restoration

from processing.enhance import HMI_PIXEL_MM, METHODS, deblur, engine, network, optics
from processing.enhance.architecture import reach_of
from processing.enhance.scenes import make_pair
from processing.errors import FrameError, ParameterError
from processing.upscale import upscale_cubic, upscale_nearest
from tests.processing.drawing import draw, seen_by_hmi
from tests.real_data import needs_real_data, real_frame

PORE = (80.5, 120.5, 9.0)  # on the doubled grid: 1.6 Mm
DOUBLED = (160, 240)
SHARPENING = [method for method in METHODS if method not in ("none", "published")]


def seen(scene: np.ndarray) -> np.ndarray:
    """The scene of the doubled grid as HMI sees it, with a little noise."""
    blurred = seen_by_hmi(scene)
    return blurred + np.random.default_rng(3).normal(0, 0.001, blurred.shape)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return draw([PORE], shape=DOUBLED, contrast=0.2)


@pytest.fixture(scope="module")
def granules() -> np.ndarray:
    """Made-up granulation: smooth noise of granular size, 5 % of the quiet Sun."""
    noise = ndimage.gaussian_filter(np.random.default_rng(8).standard_normal((128, 160)), 1.6, mode="wrap")
    return 1 + 0.05 * noise / noise.std()


@pytest.mark.parametrize("method", SHARPENING)
def test_it_doubles_the_grid_and_leaves_the_quiet_sun_at_one(scene, method):
    sharp = deblur(seen(scene), method=method)
    assert sharp.shape == DOUBLED
    assert sharp.dtype == np.float32
    assert np.median(sharp) == pytest.approx(1, abs=0.01)
    assert ndimage.center_of_mass(sharp < 0.5) == pytest.approx(PORE[:2], abs=0.1)


def test_none_leaves_the_frame_as_it_is(scene):
    contrast = seen(scene)
    contrast[3, 4] = np.nan
    same = deblur(contrast, method="none")
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, contrast.astype(np.float32))


@pytest.mark.parametrize("method", ["network", "richardson-lucy"])
def test_sharpening_comes_nearer_to_the_scene_than_the_spline(scene, method):
    contrast = seen(scene)
    spline, sharp = (deblur(contrast, method=name) for name in ("cubic-spline", method))
    assert np.abs(np.gradient(sharp[80])).max() > 1.15 * np.abs(np.gradient(spline[80])).max()
    assert np.sqrt(np.mean((sharp - scene) ** 2)) < 0.85 * np.sqrt(np.mean((spline - scene) ** 2))


def test_more_iterations_come_nearer_to_the_scene(scene):
    contrast = seen(scene)
    few, many = (deblur(contrast, method="richardson-lucy", iterations=n) for n in (2, 15))
    assert np.square(many - scene).mean() < np.square(few - scene).mean()


@pytest.mark.parametrize("method", SHARPENING)
def test_the_mean_flux_is_kept(scene, method):
    contrast = seen(scene)
    assert deblur(contrast, method=method).mean() == pytest.approx(contrast.mean(), rel=1e-5)
    # and locally: the light of the pore and its surroundings, not only of the whole frame
    around, new = np.s_[20:60, 40:80], np.s_[40:120, 80:160]
    assert deblur(contrast, method=method)[new].mean() == pytest.approx(contrast[around].mean(), rel=3e-3)


@pytest.mark.parametrize("method", SHARPENING)
def test_missing_pixels_stay_missing_and_harm_no_other(scene, method):
    contrast = seen(scene)
    whole = deblur(contrast, method=method)
    contrast[5, 7] = np.nan
    contrast[-3:] = np.nan
    sharp = deblur(contrast, method=method)
    np.testing.assert_array_equal(np.isnan(sharp), upscale_nearest(np.isnan(contrast)))
    far = np.s_[60:100, 100:140]
    ratio = sharp[far] / whole[far]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=2e-3)  # nothing changes there but the mean that is kept


@pytest.mark.parametrize("method", SHARPENING)
def test_a_quiet_sun_stays_quiet_to_the_border(method):
    sharp = deblur(np.ones((40, 60)), method=method)
    np.testing.assert_allclose(sharp, 1, atol=0.01)


@settings(max_examples=15, deadline=None)
@given(ny=st.integers(1, 40), nx=st.integers(1, 40), method=st.sampled_from(SHARPENING))
def test_any_shape_will_do(ny, nx, method):
    frame = 1 + 0.03 * np.random.default_rng(ny * 41 + nx).standard_normal((ny, nx))
    sharp = deblur(frame, method=method)
    assert sharp.shape == (2 * ny, 2 * nx)
    assert np.isfinite(sharp).all()


@pytest.mark.parametrize("length", [26, 33, 40, 41, 47, 52, 53, 79, 80, 81, 95])
def test_tiles_of_any_size_leave_no_seam(length):
    frame = (1 + 0.03 * np.random.default_rng(length).standard_normal((length, 30))).astype(np.float32)
    layers = engine.compiled(network.forward(network.read_weights(network.WEIGHTS)))
    whole, tiled = (
        engine.run(layers, frame, reach=reach_of(), margin=reach_of(), tile=tile) for tile in (engine.TILE, 40)
    )
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize("length", [488, 495, 500, 512, 513, 1005])
def test_frames_about_as_large_as_a_tile(length):
    assert np.isfinite(deblur(np.ones((length, 14)), method="network")).all()


def test_the_network_turns_with_the_scene(granules):
    """Nothing in the optics prefers a direction, so the answer must hardly do so."""
    sharp = deblur(granules, method="network")
    turned = np.rot90(deblur(np.rot90(granules).copy(), method="network"), -1)
    spline = deblur(granules, method="cubic-spline")
    assert np.std(turned - sharp) < 0.1 * np.std(sharp - spline)


def test_the_network_sharpens_held_back_scenes_better_than_the_others():
    """Drawn scenes with other granulation than it was trained on: noise of granular size with pores and spots."""
    rng = np.random.default_rng(77)
    noise = ndimage.gaussian_filter(rng.standard_normal((700, 700)), 6, mode="wrap")
    other = 1 + 0.16 * noise / noise.std()
    pairs = [make_pair(other, rng, size=64) for _ in range(4)]
    error = {
        method: np.sqrt(np.mean([(deblur(pair.hmi, method=method) - pair.sharp)[8:-8, 8:-8] ** 2 for pair in pairs]))
        for method in ("network", "richardson-lucy", "cubic-spline")
    }
    assert error["network"] < error["richardson-lucy"] < error["cubic-spline"]


@needs_real_data
def test_granulation_of_the_real_sun_gains_contrast_as_published():
    """By 1.8 to 1.95 times with the network of Diaz Baso & Asensio Ramos 2018; ours within 15 % of that."""
    from processing.reduce import flatten

    frame = real_frame("2875.20130618_122400")
    flat = flatten(frame.need("continuum"), frame.geometry)
    active = ndimage.binary_dilation(
        (flat.contrast < 0.85) | (np.abs(frame.need("Br")) > 150) | (flat.mu < 0.98), iterations=6
    )
    before = flat.contrast[~active].std()
    after = deblur(flat.contrast, method="network")[upscale_nearest(~active)].std()
    assert 0.85 * 1.8 < after / before < 1.15 * 1.95


def test_richardson_lucy_agrees_with_scikit_image_away_from_the_border(scene):
    contrast = seen(scene)
    sharp = deblur(contrast, method="richardson-lucy", iterations=5)
    psf = np.fft.fftshift(np.fft.irfft2(optics.hmi_transfer_on_sharp_grid((64, 64)), s=(64, 64)))[1:, 1:]
    reference = restoration.richardson_lucy(upscale_cubic(contrast), psf, num_iter=5, clip=False, filter_epsilon=1e-3)
    inside = np.s_[50:-50, 50:-50]
    ratio = sharp[inside] / reference[inside]
    assert ratio.std() / ratio.mean() < 2e-3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "method must be one of"),
        ({"iterations": 0}, "iterations must be 1 to 100"),
        ({"iterations": 101}, "iterations must be 1 to 100"),
        ({"pixel_side_mm": HMI_PIXEL_MM / 2}, "HMI's pixel of 0.37 Mm, not 0.18"),
        ({"method": "published"}, "needs its weights"),
    ],
)
def test_it_refuses_what_it_cannot_do(options, words):
    with pytest.raises(ParameterError, match=words):
        deblur(np.ones((8, 8)), **options)


@pytest.mark.parametrize("contrast", [np.ones(8), np.full((8, 8), np.nan)], ids=["no image", "all missing"])
@pytest.mark.parametrize("method", SHARPENING)
def test_it_needs_an_image(contrast, method):
    with pytest.raises(FrameError):
        deblur(contrast, method=method)
