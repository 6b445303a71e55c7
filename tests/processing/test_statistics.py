"""Statistics of a series against numpy's, which hold the whole series in memory."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from processing.errors import FrameError
from processing.statistics import RunningStatistics, median_by_rows, stack_median

NO_DATA = [np.nan, np.inf, -np.inf]
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7)


def values(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.floats(low, high, width=32), st.sampled_from(NO_DATA))


STACKS = hnp.arrays(np.float32, SHAPES, elements=values(-2, 2))
CODES = hnp.arrays(np.uint16, SHAPES, elements=st.one_of(st.just(0), st.integers(0, 65535), st.integers(9990, 10010)))


def running(stack: np.ndarray) -> RunningStatistics:
    statistics = RunningStatistics(stack.shape[1:])
    for frame in stack:
        statistics.add(frame)
    return statistics


def known(stack: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(stack), stack, np.nan).astype(np.float64)


def of_numpy(name: str, stack: np.ndarray, **options: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of pixels without data
        return getattr(np, name)(stack, axis=0, **options)


def granulation(n_frames: int, *, shape: tuple[int, int] = (70, 40), level: float = 1.0) -> np.ndarray:
    """Frames with a tenth of their pixels missing, and one pixel missing in all."""
    rng = np.random.default_rng(3)
    stack = rng.normal(level, 0.05, (n_frames, *shape)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.1] = np.nan
    stack[:, 1, 2] = np.nan
    return stack


@given(STACKS)
def test_running_statistics_are_numpy_s(stack):
    found, expected = running(stack), known(stack)
    count = np.isfinite(expected).sum(axis=0)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_allclose(found.mean, of_numpy("nanmean", expected), atol=1e-12)
    std = of_numpy("nanstd", expected, ddof=1)
    np.testing.assert_allclose(found.std, std, atol=1e-7)  # of equal values numpy's is rounding alone
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(found.standard_error, std / np.sqrt(count), atol=1e-7)
    np.testing.assert_array_equal(found.minimum, of_numpy("nanmin", expected))


@given(STACKS)
def test_the_median_is_numpy_s(stack):
    np.testing.assert_allclose(stack_median(stack), of_numpy("nanmedian", known(stack)), rtol=1e-12, atol=1e-300)


@given(CODES, st.integers(1, 200))
def test_the_median_of_codes_is_numpy_s_whatever_the_blocks(codes, max_bytes):
    expected = of_numpy("nanmedian", np.where(codes == 0, np.nan, codes.astype(np.float64)))
    n_frames, *shape = codes.shape
    found = median_by_rows(lambda k, rows: codes[k, rows], n_frames=n_frames, shape=shape, max_bytes=max_bytes)
    np.testing.assert_array_equal(found, expected)


def test_maps_larger_than_a_band_and_a_tile():
    stack = granulation(25)
    found, expected = running(stack), known(stack)
    assert found.n_frames == 25
    np.testing.assert_allclose(found.mean, of_numpy("nanmean", expected), rtol=1e-13)
    np.testing.assert_allclose(found.std, of_numpy("nanstd", expected, ddof=1), rtol=1e-11)
    np.testing.assert_array_equal(stack_median(stack), of_numpy("nanmedian", expected))
    assert np.isnan([found.mean[1, 2], found.std[1, 2], found.minimum[1, 2], stack_median(stack)[1, 2]]).all()


def test_a_small_scatter_on_a_large_level_keeps_its_digits():
    """In DN/s, where the textbook's difference of sums of squares would lose them in single precision."""
    stack = granulation(60, level=60_000.0)
    np.testing.assert_allclose(running(stack).std, of_numpy("nanstd", known(stack), ddof=1), rtol=1e-6)


def test_one_frame_has_no_scatter():
    statistics = running(granulation(1))
    assert np.isnan(statistics.std).all()
    assert np.isnan(statistics.standard_error).all()
    assert np.nanmean(statistics.mean) == pytest.approx(1, abs=0.01)


def test_the_frames_are_left_as_they_are():
    stack = granulation(5)
    before = stack.copy()
    running(stack)
    stack_median(stack)
    np.testing.assert_array_equal(stack, before)


def peak_bytes(n_frames: int) -> int:
    """Largest memory while a series that is made as it is read goes through all statistics."""
    shape = (80, 300)
    frame = np.full(shape, 1000, np.uint16)
    tracemalloc.start()
    statistics = RunningStatistics(shape)
    for _ in range(n_frames):
        statistics.add(frame.astype(np.float32))
    median_by_rows(lambda k, rows: frame[rows], n_frames=n_frames, shape=shape, max_bytes=200_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_series():
    assert peak_bytes(160) < 1.2 * peak_bytes(40)


def test_a_frame_of_another_shape_is_refused():
    statistics = RunningStatistics((4, 5))
    with pytest.raises(FrameError, match=r"shape \(4, 5\), got \(5, 4\)"):
        statistics.add(np.ones((5, 4)))


def test_no_frame_has_no_median():
    with pytest.raises(FrameError, match="at least one frame"):
        median_by_rows(lambda k, rows: np.ones((1, 3)), n_frames=0, shape=(1, 3))
