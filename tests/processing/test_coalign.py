"""Displacements that are known, of frames that are real, simulated or drawn."""

import io

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from processing import coalign as module
from processing.coalign import Coaligner, coalign, shifted
from processing.errors import FrameError
from processing.synthetic import SimulationParameters, simulate
from tests.real_data import REAL_DATA, needs_real_data

CUBE = REAL_DATA / "sunspot_cube" / "cube_sunspot.fits"
FINE = REAL_DATA / "training" / "quiet_sun_simulation.npy"


@pytest.fixture(scope="module")
def cube() -> np.ndarray:
    if not CUBE.exists():
        pytest.skip("the real records are not at ../shared/data")
    return fits.getdata(CUBE).astype(np.float32)


@pytest.fixture(scope="module")
def found_in_cube(cube) -> module.Coalignment:
    return coalign(cube)


def granules(n_frames: int, *, lives: float, shape=(96, 112), seed=0) -> np.ndarray:
    """Drawn granulation, each frame of which is lost in ``lives`` frames; contrast 5 %, periodic."""
    noise = np.random.default_rng(seed).normal(size=(n_frames, *shape))
    drawn = ndimage.gaussian_filter(noise, (lives, 1.2, 1.2), mode="wrap")
    return (1 + 0.05 * drawn / drawn.std()).astype(np.float32)


def rolled(image: np.ndarray, displacement) -> np.ndarray:
    """A periodic image displaced by Fourier's shift theorem, which is not the way of `shifted`."""
    return np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), displacement)).real.astype(np.float32)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


# ---- Known displacements ----------------------------------------------------------------


def test_a_real_frame_displaced_by_fractions_is_found(cube):
    rng = np.random.default_rng(3)
    for index in (0, 12, 29):
        true = rng.uniform(-5, 5, 2)
        found = coalign([cube[index], shifted(cube[index], true)])
        assert found.shifts[1] == pytest.approx(-true, abs=0.02)
        assert found.trusted.all()
        assert found.correlation[1] > 0.97
        assert found.distance[1] == pytest.approx(np.hypot(*true), abs=0.03)


@needs_real_data
@pytest.mark.parametrize("side", [3, 5])
def test_pixels_averaged_from_finer_ones_are_found(side):
    """No interpolation is in the truth: pixels of 3 or 5 finer ones, begun 1 to 20 finer ones away."""
    fine = np.load(FINE)
    rng = np.random.default_rng(side)

    def seen_from(row: int, col: int) -> np.ndarray:
        whole = fine[row:, col:][: 140 * side, : 140 * side]
        return whole.reshape(140, side, 140, side).mean(axis=(1, 3))

    for _ in range(4):
        row, col = rng.integers(1, 20, 2)
        found = coalign([seen_from(20, 20), seen_from(20 + row, 20 + col)])
        assert found.shifts[1] == pytest.approx(np.array([row, col]) / side, abs=0.05)


def test_whole_pixels_and_none_are_found_too():
    frame = granules(1, lives=0)[0]
    found = coalign([frame, frame, rolled(frame, (3, -7)), frame])
    assert found.shifts == pytest.approx(np.array([[0, 0], [0, 0], [-3, 7], [0, 0]]), abs=0.03)
    assert found.shifts[1] == pytest.approx(np.zeros(2), abs=1e-3)
    assert found.correlation[1] == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(found.correlation[0])


def test_a_leap_is_found_and_the_way_back():
    frames = granules(12, lives=4)
    true = np.zeros((12, 2))
    true[5:9] = 21.3, -14.6
    found = coalign(map(rolled, frames, true))
    assert found.trusted.all()
    assert rms(found.shifts + true) < 0.1


def test_another_way_of_measuring_agrees_on_the_real_cube(cube):
    """Phase correlation's peak, unnormalised, of two frames minutes to hours apart, without what is smooth."""

    def sharp(image):
        return image - ndimage.gaussian_filter(image, 8)

    for index in (1, 5, 10, 20, 29):
        ours = coalign([cube[0], cube[index]]).shifts[1]
        other = phase_cross_correlation(sharp(cube[0]), sharp(cube[index]), upsample_factor=20, normalization=None)[0]
        assert ours == pytest.approx(other, abs=0.12)


def test_the_real_cube_is_coaligned_but_for_the_motion_of_its_spot(found_in_cube):
    """Its frames lie on one grid; what is left are the spot's own 0.25 px (90 km) along the columns."""
    found = found_in_cube
    assert found.trusted.all()
    about_mean = found.shifts - found.shifts.mean(axis=0)
    assert np.sqrt((about_mean**2).mean(axis=0)) == pytest.approx([0.0, 0.0], abs=0.3)
    assert found.distance.max() < 1.1
    assert np.abs(found.shifts[-5:].mean(axis=0)).max() < 0.3  # and it does not run away


def test_a_drift_added_to_the_real_cube_is_taken_out(cube, found_in_cube):
    rng = np.random.default_rng(5)
    true = np.arange(30)[:, None] * [0.37, -0.21] + rng.normal(0, 1, (30, 2))
    true[0] = 0
    found = coalign(map(shifted, cube, true))
    assert found.trusted.all()
    assert rms(found.shifts + true - found_in_cube.shifts) < 0.1


def test_a_constant_drift_over_evolving_pores_is_taken_out():
    parameters = SimulationParameters(shape=(128, 160), n_frames=14, n_pores=5, n_mergers=0, n_splits=0, n_flickers=0)
    frames = [frame.maps["continuum"] for frame in simulate(parameters)]
    drift = np.arange(14)[:, None] * [0.43, -0.29]
    still, drifting = coalign(frames), coalign(map(shifted, frames, drift))
    assert still.trusted.all()
    assert drifting.trusted.all()
    assert rms(drifting.shifts + drift - still.shifts) < 0.05  # what is left in both are the pores' own motions


# ---- The reference ----------------------------------------------------------------------


def drifting_granules(*, lives: float, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    frames = granules(30, lives=lives, shape=(64, 64), seed=seed)
    true = np.arange(30)[:, None] * [0.15, -0.1] + np.random.default_rng(seed).normal(0, 0.4, (30, 2))
    true -= true[0]
    return [rolled(*pair) for pair in zip(frames, true, strict=True)], true


def left_over(**options) -> float:
    """Of the shifts of short-lived granulation that drifts and trembles, rms, pixels."""
    series = [drifting_granules(lives=2, seed=seed) for seed in range(2)]
    return rms(np.concatenate([coalign(frames, **options).shifts + true for frames, true in series]))


def test_a_reference_that_grows_old_does_worse():
    assert left_over() < 0.25
    assert left_over(memory=1000) > 0.4


def test_what_has_left_the_field_is_not_compared_any_more():
    blended = module._blended(np.array([1.0, np.nan, 3, 4]), np.array([np.nan, 5.0, 7, 4]), 0.5)
    assert blended == pytest.approx([np.nan, 5, 5, 4], nan_ok=True)


def test_vignetting_does_not_hold_the_shifts_back(monkeypatch):
    frames = granules(20, lives=4, shape=(128, 128))
    rows, cols = np.indices((128, 128)) / 128 - 0.5
    vignetting = 1 - 0.8 * (rows**2 + cols**2)
    true = np.arange(20)[:, None] * [0.3, -0.2]
    seen = [vignetting * rolled(*pair) for pair in zip(frames, true, strict=True)]
    assert rms(coalign(seen).shifts + true) < 0.15
    monkeypatch.setattr(module, "_structure", lambda image: np.where(np.isnan(image), 0, image - np.nanmean(image)))
    assert rms(coalign(seen).shifts + true) > 0.3


# ---- Frames that cannot be told ---------------------------------------------------------


def test_granulation_with_nothing_in_common_is_not_trusted():
    found = coalign(granules(10, lives=0))
    assert found.trusted.tolist() == [True] + 9 * [False]
    assert (found.shifts == 0).all()
    assert np.nanmax(found.correlation) < module.TRUSTED_NEAR


def test_a_spoiled_frame_keeps_the_shift_of_the_one_before_and_harms_none_after():
    frames = granules(9, lives=4)
    true = np.arange(9)[:, None] * [0.8, 0.5]
    drifting = [rolled(*pair) for pair in zip(frames, true, strict=True)]
    unspoiled = coalign(drifting)
    drifting[3] = np.full_like(frames[0], np.nan)
    drifting[6] = granules(1, lives=0, seed=9)[0]
    found = coalign(drifting)
    assert found.trusted.tolist() == [True, True, True, False, True, True, False, True, True]
    assert (found.shifts[[3, 6]] == found.shifts[[2, 5]]).all()
    assert np.isnan(found.correlation[3])
    assert rms((found.shifts - unspoiled.shifts)[found.trusted]) < 0.05


def test_after_a_long_gap_it_goes_on_from_the_shift_it_had():
    before, after = granules(4, lives=4, seed=1), granules(8, lives=4, seed=2)
    true = np.arange(12)[:, None] * [0.5, 0.0]
    found = coalign(map(rolled, [*before, *after], true))
    n_lost = module.RESTART_AFTER
    assert found.trusted.tolist() == [True] * 4 + [False] * n_lost + [True] * (8 - n_lost)
    steps = np.diff(found.shifts[4 + n_lost - 1 :], axis=0)
    assert steps == pytest.approx(np.broadcast_to([-0.5, 0.0], steps.shape), abs=0.1)


@pytest.mark.parametrize("stops", [1, 4, 7], ids=["after the first", "after a lost one", "after it began anew"])
def test_stopped_and_gone_on_with_it_finds_the_very_same(stops):
    frames = [rolled(*pair) for pair in zip(granules(10, lives=4), np.arange(10)[:, None] * [0.8, 0.5], strict=True)]
    frames[3] = np.full_like(frames[0], np.nan)
    frames[4:7] = granules(3, lives=0, seed=9)  # the reference begins anew at frame 5, and at 8
    whole, first = coalign(frames), Coaligner()
    assert whole.trusted.tolist() == [True] * 3 + [False] * 6 + [True]
    found = [first.add(image) for image in frames[:stops]]
    np.savez(kept := io.BytesIO(), **first.state)
    kept.seek(0)
    with np.load(kept) as state:
        second = Coaligner(state=state)
    found += [second.add(image) for image in frames[stops:]]
    assert np.array_equal([one.shift for one in found], whole.shifts)
    assert np.array_equal([one.correlation for one in found], whole.correlation, equal_nan=True)
    assert [one.trusted for one in found] == whole.trusted.tolist()
    with pytest.raises(FrameError, match="frame 11 to coalign is"):
        second.add(frames[0][1:])


def test_borders_and_holes_without_data_do_not_matter():
    frames = granules(8, lives=4, shape=(128, 128))
    true = np.arange(8)[:, None] * [0.7, -0.45]
    drifting = np.array([rolled(*pair) for pair in zip(frames, true, strict=True)])
    whole = coalign(drifting)
    drifting[:, :10], drifting[:, :, -14:], drifting[:, 40:52, 60:70] = np.nan, np.inf, np.nan  # the detector's
    drifting[3:, 118:] = np.nan
    found = coalign(drifting)
    assert found.trusted.all()
    assert rms(found.shifts - whole.shifts) < 0.05


def test_large_frames_are_binned(monkeypatch):
    frame = granules(1, lives=0, shape=(192, 256))[0]
    moved = rolled(ndimage.gaussian_filter(frame, 1, mode="wrap"), (5.3, -2.7))
    compared = []
    match = module._match

    def noted(structure, *rest):
        compared.append(structure.shape)
        return match(structure, *rest)

    monkeypatch.setattr(module, "COMPARED_SIDE", 120)
    monkeypatch.setattr(module, "_match", noted)
    found = coalign([ndimage.gaussian_filter(frame, 1, mode="wrap"), moved])
    assert compared == [(96, 128)]
    assert found.shifts[1] == pytest.approx([-5.3, 2.7], abs=0.05)


def test_inputs_are_not_changed():
    frames = granules(3, lives=4)
    frames[1, 5, 5] = np.nan
    before = frames.copy()
    coalign(frames)
    shifted(frames[1], (0.5, 0.5))
    assert np.array_equal(frames, before, equal_nan=True)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "needs at least one frame, got none"),
        ([np.ones((63, 500))], r"at least 64 x 64 pixels, got shape \(63, 500\)"),
        ([np.ones((3, 100, 100))], "got shape"),
        ([np.full((100, 100), np.nan)], "the first frame to coalign has no finite pixel"),
        ([np.ones((100, 100)), np.ones((100, 101))], r"frame 2 to coalign is \(100, 101\), the first is \(100, 100\)"),
    ],
    ids=["none", "small", "cube", "empty", "mixed"],
)
def test_what_cannot_be_coaligned_is_refused(frames, sentence):
    with pytest.raises(FrameError, match=sentence):
        coalign(frames)


def test_a_single_frame_stays():
    assert coalign([np.ones((64, 64))]).shifts.tolist() == [[0, 0]]


def test_frames_without_structure_are_not_trusted():
    found = coalign([np.ones((64, 64))] * 5)
    assert found.trusted.tolist() == [True] + 4 * [False]


# ---- Moving an image --------------------------------------------------------------------


def test_whole_pixels_are_moved_as_they_are_and_none_comes_back_in():
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    moved = shifted(image, (1, -2))
    assert np.array_equal(moved[1:, :-2], image[:-1, 2:])
    assert np.isnan(moved[0]).all()
    assert np.isnan(moved[:, -2:]).all()
    assert np.array_equal(shifted(image, (0, 0)), image)
    assert np.array_equal(shifted(image, (0, 1e-5)), image)


def test_a_fraction_is_as_fourier_has_it():
    image = granules(1, lives=0)[0]
    moved, known = shifted(image, (0.4, -1.3)), rolled(image, (0.4, -1.3))
    inside = np.s_[8:-8, 8:-8]
    assert rms((moved - known)[inside]) < 0.02 * image.std()
    assert rms((image - known)[inside]) > 0.5 * image.std()  # so that this says something
    assert np.isnan(moved[0]).all()
    assert np.isnan(moved[:, -2:]).all()
    assert np.isfinite(moved[1:, :-2]).all()


def test_holes_move_along_and_do_not_ring():
    """1000 and a straight slope beside the hole are the same with and without it."""
    image = 1000 + np.indices((40, 40))[1].astype(float)
    image[10:14, 20:23] = np.nan
    moved = shifted(image, (0.5, 0.25))
    assert {tuple(map(int, place)) for place in np.argwhere(np.isnan(moved[1:, 1:])) + 1} == {
        (row, col) for row in range(10, 15) for col in range(20, 24)
    }
    far = np.isfinite(moved)
    far[8:17, 18:26] = far[:6] = far[-6:] = far[:, :6] = far[:, -6:] = False
    expected = 1000 + np.indices((40, 40))[1] - 0.25
    assert np.abs(moved - expected)[far].max() < 0.02
    near = np.isfinite(moved[8:17, 18:26])
    assert np.abs(moved - expected)[8:17, 18:26][near].max() < 0.5


@pytest.mark.parametrize("displacement", [(50, 0), (0.5, -80.5)], ids=str)
def test_an_image_moved_out_of_sight_is_gone(displacement):
    assert np.isnan(shifted(np.ones((40, 40)), displacement)).all()


def test_an_empty_image_stays_empty():
    assert np.isnan(shifted(np.full((4, 4), np.nan), (0.5, 0))).all()


@pytest.mark.parametrize(
    ("image", "displacement"),
    [(np.ones(4), (0, 0)), (np.ones((4, 4)), (0, np.nan)), (np.ones((4, 4)), (1, 2, 3))],
    ids=["a line", "no number", "three numbers"],
)
def test_other_shifts_are_refused(image, displacement):
    with pytest.raises(FrameError, match="need an image and two finite numbers"):
        shifted(image, displacement)
