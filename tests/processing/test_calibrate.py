"""Dark and flat correction against a camera whose bias, dark current, response and faults are known."""

import numpy as np
import pytest
from scipy import ndimage

from processing import calibrate as module
from processing.calibrate import Calibration, calibrate, make_calibration
from processing.errors import FrameError, ParameterError

SHAPE = (64, 80)
READ_NOISE = 3.0
ROWS, COLS = np.indices(SHAPE)
BIAS = 100 + 5 * np.sin(COLS / 9)
HOT, DEAD, LOW, DIM, EMPTY, STRUCK = (10, 20), (50, 30), (5, 70), (30, 30), (8, 8), (40, 40)


class Camera:
    """Takes frames: a bias, 20 DN/s of dark current, a vignetted response, noise of readout and photons."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.rate = np.full(SHAPE, 20.0)
        self.rate[HOT] = 900
        self.response = 1 - 0.6 * ((ROWS / SHAPE[0] - 0.5) ** 2 + (COLS / SHAPE[1] - 0.5) ** 2)
        self.response *= 1 + 0.01 * self.rng.normal(size=SHAPE)
        self.response[DEAD], self.response[LOW], self.response[DIM] = 0.01, 0.5, 0.9

    def dark(self, seconds: float) -> np.ndarray:
        noise = self.rng.normal(0, READ_NOISE, SHAPE)
        return np.round(BIAS + self.rate * seconds + noise).astype(np.float32)

    def frame(self, scene: np.ndarray, seconds: float) -> np.ndarray:
        return self.dark(seconds) + self.rng.poisson(scene * self.response * seconds).astype(np.float32)


@pytest.fixture(scope="module")
def night():
    """Darks of two exposures, one struck by a particle, and flats of a lamp that flares up once."""
    camera = Camera()
    darks = {2.0: [camera.dark(2) for _ in range(20)], 0.5: [camera.dark(0.5) for _ in range(15)]}
    darks[2.0][3][STRUCK] += 5000
    for dark in darks[2.0]:
        dark[EMPTY] = np.nan
    flats = [camera.frame(np.full(SHAPE, 20_000 * lamp), 0.5) for lamp in [*np.linspace(0.99, 1.01, 11), 1.3]]
    flats[4][STRUCK] += 20_000
    return camera, darks, flats


@pytest.fixture(scope="module")
def made(night):
    _, darks, flats = night
    return make_calibration(darks, flats, flat_exposure_s=0.5)


def test_an_image_comes_out_as_the_scene_to_the_noise_of_its_photons(night, made):
    camera, *_ = night
    scene = 5000 * (1 - 0.2 * np.exp(-((ROWS - 32) ** 2 + (COLS - 40) ** 2) / 200))
    image = camera.frame(scene, 2.0)
    before = image.copy()
    good = ~made.bad_for(2.0)
    true = 2 * scene * camera.response[np.isfinite(made.response)].mean()
    relative = (calibrate(image, 2.0, made) / true - 1)[good]
    assert np.array_equal(image, before)
    assert abs(relative.mean()) < 0.002
    assert relative.std() == pytest.approx(0.0105, rel=0.1)  # 1 % of 10,000 photons, darker corners
    uncorrected = (image - BIAS - 40) / true - 1
    assert uncorrected[good].std() > 4 * relative.std()


def test_what_is_bad_is_found_and_without_data(night, made):
    camera, *_ = night
    long, flat = made.dark_for(2.0), made.flat
    assert {tuple(map(int, place)) for place in np.argwhere(long.bad)} == {HOT, EMPTY}
    assert {tuple(map(int, place)) for place in np.argwhere(flat.bad)} == {DEAD, LOW}
    assert (made.dark_for(0.5).n_bad, long.n_bad, flat.n_bad) == (1, 2, 2)
    out = calibrate(camera.frame(np.full(SHAPE, 5000.0), 2.0), 2.0, made)
    assert {tuple(map(int, place)) for place in np.argwhere(np.isnan(out))} == {HOT, EMPTY, DEAD, LOW}


def test_a_master_is_as_good_as_the_mean_of_its_frames_and_free_of_particles(night, made):
    camera, *_ = night
    long = made.dark_for(2.0)
    error = long.master - BIAS - 2 * camera.rate
    rounded = np.sqrt((READ_NOISE**2 + 1 / 12) / 20)
    assert np.nanstd(error) == pytest.approx(rounded, rel=0.05)
    assert abs(error[STRUCK]) < 5 * rounded
    assert 0 < long.n_rejected < 0.001 * 20 * long.master.size
    assert made.response[STRUCK] == pytest.approx(made.response[38:43, 38:43].mean(), abs=0.04)


def test_the_lamp_may_change_without_a_value_being_left_out(made):
    """Unscaled, one flat is 30 % brighter, 30 times the noise: as a whole an outlier."""
    assert made.flat.n_rejected < 0.001 * 12 * made.flat.master.size


def test_statistics_are_those_of_the_frames_as_given(night, made):
    _, darks, flats = night
    for stack, frames in ((made.dark_for(2.0), darks[2.0]), (made.flat, flats)):
        held = np.isfinite(frames[0])
        whole = np.array(frames, np.float64)[:, held]
        assert stack.n_frames == len(frames)
        assert stack.mean[held] == pytest.approx(whole.mean(axis=0))
        assert stack.std[held] == pytest.approx(whole.std(axis=0, ddof=1))
        assert stack.standard_error[held] == pytest.approx(whole.std(axis=0, ddof=1) / np.sqrt(len(frames)))
        assert stack.median[held] == pytest.approx(np.median(whole, axis=0))
    assert np.isnan(made.dark_for(2.0).mean[EMPTY])
    assert made.dark_for(2.0).mean[STRUCK] > made.dark_for(2.0).master[STRUCK] + 200


def test_memory_changes_nothing(night, made):
    _, darks, flats = night
    by_rows = make_calibration(darks, flats, flat_exposure_s=0.5, max_bytes=600_000)
    assert np.array_equal(by_rows.response, made.response, equal_nan=True)
    assert np.array_equal(by_rows.darks[1].master, made.darks[1].master, equal_nan=True)


def test_frames_are_combined_some_rows_at_a_time(night, monkeypatch):
    _, darks, _ = night
    rows = []
    combined = module._combined

    def noted(frames, *rest):
        rows.append(len(frames[0]))
        return combined(frames, *rest)

    monkeypatch.setattr(module, "_combined", noted)
    make_calibration({2.0: darks[2.0]}, max_bytes=20 * SHAPE[1] * module._BYTES_A_VALUE * 10)
    assert rows == [10, 10, 10, 10, 10, 10, 4]


def test_whole_numbers_that_hardly_differ_are_not_outliers():
    """Two thirds 100 and one third 101: their median absolute deviation is 0, and 101 would be left out."""
    rng = np.random.default_rng(2)
    frames = [(100 + (rng.random(SHAPE) < 1 / 3)).astype(np.uint16) for _ in range(30)]
    stack = make_calibration({1.0: frames}).darks[0]
    assert stack.n_rejected == 0
    assert stack.master.mean() == pytest.approx(100 + 1 / 3, abs=0.01)


def test_the_median_of_frames_may_be_taken_instead(night):
    camera, darks, _ = night
    stack = make_calibration({2.0: darks[2.0]}, combine="median").darks[0]
    held = np.isfinite(stack.master)
    assert np.abs(stack.master - stack.median)[held & (np.indices(SHAPE)[0] < 40)].max() <= 1.0
    error = (stack.master - BIAS - 2 * camera.rate)[held]
    assert np.std(error) == pytest.approx(1.2 * READ_NOISE / np.sqrt(20), rel=0.1)


def test_a_single_frame_and_two_are_enough():
    camera = Camera()
    for n_frames in (1, 2):
        frames = [camera.dark(1.0) for _ in range(n_frames)]
        stack = make_calibration({None: frames}).darks[0]
        assert stack.n_rejected == 0
        assert stack.master == pytest.approx(np.mean(frames, axis=0))
        assert np.isnan(stack.std).all() == (n_frames == 1)


def test_an_even_dark_has_no_hot_pixel():
    even = np.full(SHAPE, 1000.1, np.float32)
    assert make_calibration({1.0: [even] * 3}).darks[0].n_bad == 0
    even[HOT] = np.nextafter(even[HOT], np.float32(np.inf))  # all that a number of that precision can differ by
    assert make_calibration({1.0: [even] * 3}).darks[0].n_bad == 0


def test_the_noise_is_that_of_a_single_frame():
    rng = np.random.default_rng(5)
    one, other = (rng.normal(100, READ_NOISE, (300, 300)) for _ in range(2))
    one[STRUCK] += 5000
    assert module._noise(one, other) == pytest.approx(READ_NOISE, rel=0.02)


def test_behind_a_field_stop_there_is_nothing_to_correct():
    camera = Camera()
    field = np.hypot(ROWS - 32, COLS - 40) < 20
    flats = [camera.frame(20_000 * field, 0.5) for _ in range(3)]
    made = make_calibration({0.5: [camera.dark(0.5) for _ in range(5)]}, flats, flat_exposure_s=0.5)
    within = ndimage.binary_erosion(field, iterations=2)
    outside = ~ndimage.binary_dilation(field, iterations=2)
    assert np.isnan(made.response[outside]).all()
    assert np.isnan(made.response[within]).sum() <= 3
    assert np.nanmean(made.response) == pytest.approx(1.0)


def test_a_dark_is_scaled_only_when_asked_and_it_is_said():
    rate = np.random.default_rng(4).normal(20, 2, SHAPE)
    darks = {2.0: [2 * rate] * 3, 10.0: [10 * rate] * 3}
    kept, scaled = make_calibration(darks), make_calibration(darks, scale_darks=True)
    with pytest.raises(FrameError, match=r"there is no dark of 3 s; there are darks of 2 s, 10 s$"):
        calibrate(5 * rate, 3.0, kept)
    assert calibrate(5 * rate, 3.0, scaled) == pytest.approx(2 * rate, rel=1e-5)
    assert "scaled from 2 s to 3 s" in scaled.report(3.0)
    assert "scaled" not in scaled.report(2.0)
    assert "scaled from 10 s to 5 s" in scaled.report(5.0)  # a factor of 2, not of 2.5
    assert calibrate(5 * rate, 2.0, scaled) == pytest.approx(3 * rate, rel=1e-5)


def test_a_hot_pixel_has_no_part_in_the_level_of_the_flat():
    """It is saturated, 50 times as bright as its neighbours, which no flat tells of a pixel."""
    dark, lamp = np.full(SHAPE, 100.0), np.linspace(900, 1100, SHAPE[1]) * np.ones(SHAPE)
    dark[HOT] = 5000
    flat = dark + lamp
    flat[HOT] = 60_000
    made = make_calibration({1.0: [dark] * 3}, [flat] * 3, flat_exposure_s=1.0)
    good = np.ones(SHAPE, bool)
    good[HOT] = False
    assert made.response[good] == pytest.approx(lamp[good] / lamp[good].mean(), rel=1e-5)
    assert np.isnan(made.response[HOT])


def test_a_scaled_dark_is_taken_off_the_flats_too():
    rate, lamp = np.random.default_rng(4).normal(20, 2, SHAPE), np.linspace(900, 1100, SHAPE[1])
    flats = [3 * rate + lamp] * 3
    made = make_calibration({2.0: [2 * rate] * 3}, flats, flat_exposure_s=3.0, scale_darks=True)
    assert made.response == pytest.approx(np.broadcast_to(lamp / lamp.mean(), SHAPE), rel=1e-4)
    with pytest.raises(FrameError, match="no dark of 3 s"):
        make_calibration({2.0: [2 * rate] * 3}, flats, flat_exposure_s=3.0)


def test_exposures_that_differ_by_a_header_s_rounding_are_one():
    made = make_calibration({0.0332: [np.full(SHAPE, 1000.0)]}, scale_darks=True)
    assert made.dark_for(0.03325) is made.darks[0]
    assert (calibrate(np.full(SHAPE, 1000.0), 0.03325, made) == 0).all()  # it is not scaled
    made = make_calibration({0.0332: [np.ones(SHAPE)]})
    with pytest.raises(FrameError, match=r"no dark of 0\.034 s"):
        made.dark_for(0.034)
    with pytest.raises(FrameError, match=r"no dark of unknown exposure; there are darks of 0\.0332 s"):
        made.dark_for(None)


def test_darks_alone_flats_alone_and_neither():
    image = np.full(SHAPE, 50, np.uint16)
    slope = np.linspace(0.5, 1.5, SHAPE[1]) * np.ones(SHAPE)
    only_dark = make_calibration({None: [np.full(SHAPE, 60.0)]})
    only_flat = make_calibration(flats=[slope * 1000] * 3)
    assert (calibrate(image, None, only_dark) == -10).all()
    assert calibrate(image, 3.0, only_flat) == pytest.approx(50 / slope, rel=1e-5)
    assert (calibrate(image, 3.0, Calibration()) == 50).all()
    assert "No flat" in only_dark.report(None)
    assert "No dark" in only_flat.report(3.0)
    assert Calibration().report(None) == "Neither dark nor flat is corrected."
    assert calibrate(image, 3.0, only_flat).dtype == np.float32


def test_missing_pixels_of_an_image_stay_missing(night, made):
    camera, *_ = night
    image = camera.frame(np.full(SHAPE, 5000.0), 2.0)
    image[20, 20], image[21, 21] = np.nan, np.inf
    out = calibrate(image, 2.0, made)
    assert np.isnan(out[20, 20])
    assert np.isnan(out[21, 21])
    assert np.isnan(out).sum() == 2 + made.bad_for(2.0).sum()


ONES = np.ones(SHAPE)


@pytest.mark.parametrize(
    ("darks", "flats", "sentence"),
    [
        ({1.0: [ONES, ONES[1:]]}, None, r"dark 2 is \(63, 80\), the frames before it are \(64, 80\)$"),
        ({1.0: [ONES], 2.0: [ONES[1:]]}, None, r"dark 1 is \(63, 80\)"),
        ({1.0: [ONES]}, [ONES[1:]], r"flat 1 is \(63, 80\)"),
        ({1.0: []}, None, "a master dark needs at least one frame, got none"),
        ({1.0: [ONES * np.nan]}, None, "no pixel with data"),
        ({1.0: [ONES]}, [5 * ONES, ONES], "flat 2 is zero or negative everywhere once its dark is taken off"),
        ({}, [-ONES], "flat 1 is zero or negative everywhere"),
        ({2.0: [ONES]}, [5 * ONES], r"there is no dark of 1 s; there are darks of 2 s$"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(darks, flats, sentence):
    with pytest.raises(FrameError, match=sentence):
        make_calibration(darks, flats, flat_exposure_s=1.0)


@pytest.mark.parametrize(
    ("darks", "options"),
    [({0.0: [ONES]}, {}), ({1.0: [ONES]}, {"combine": "sum"}), ({1.0: [ONES]}, {"bad_sigma": 0})],
    ids=["exposure", "combine", "sigma"],
)
def test_parameters_without_meaning_are_refused(darks, options):
    with pytest.raises(ParameterError, match="must be"):
        make_calibration(darks, **options)


def test_an_image_of_another_shape_is_refused(made):
    with pytest.raises(FrameError, match=r"the image is \(10, 80\), its darks and flats are \(64, 80\)"):
        calibrate(np.ones((10, 80)), 2.0, made)
