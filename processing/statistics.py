"""Images of a whole series: what each pixel's frames have in common, and how far they differ."""

from collections.abc import Callable

import numpy as np

from processing.errors import FrameError

STATISTICS = ("mean", "std", "standard_error", "median", "minimum")

# Rows taken at a time, so that what is worked on stays in the processor's cache.
_BAND_ROWS = 64
# Pixels sorted at a time: with 1,200 frames of 16-bit codes, 2.5 MB.
_TILE_PIXELS = 1024
MEDIAN_BYTES = 256_000_000


class RunningStatistics:
    """
    Per-pixel count, mean, standard deviation, standard error and minimum of frames fed one by one.

    Welford's update [1]_ in double precision, which does not lose digits where the scatter
    is small against the mean. It needs 24 bytes a pixel, however many frames there are
    (14 MB for 500 x 1166), and each frame once.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of every frame.

    Attributes
    ----------
    n_frames : int
        Frames fed so far.
    count : `~numpy.ndarray` of int32, shape (ny, nx)
        Of those, the frames with data in each pixel.

    References
    ----------
    .. [1] Welford, B. P. 1962, Technometrics 4, 419
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.n_frames = 0
        self.count = np.zeros(shape, np.int32)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)  # sum of (value - mean)^2
        self._minimum = np.full(shape, np.inf, np.float32)

    def add(self, frame: np.ndarray) -> None:
        """
        Take in one frame, shape (ny, nx), in any unit; NaN and infinity are no data.

        Raises
        ------
        FrameError
            If its shape is not that of the others.
        """
        if frame.shape != self.count.shape:
            raise FrameError(f"need a frame of shape {self.count.shape}, got {frame.shape}")
        for start in range(0, frame.shape[0], _BAND_ROWS):
            self._add_rows(frame, slice(start, start + _BAND_ROWS))
        self.n_frames += 1

    def _add_rows(self, frame: np.ndarray, rows: slice) -> None:
        values, mean = frame[rows], self._mean[rows]
        finite = np.isfinite(values)
        self.count[rows] += finite
        delta = np.where(finite, values, mean) - mean  # 0 without data, so that nothing changes there
        step = delta / np.maximum(self.count[rows], 1)
        mean += step  # a view: the map's own rows
        self._squares[rows] += delta * (delta - step)
        np.minimum(self._minimum[rows], np.where(finite, values, np.inf), out=self._minimum[rows], casting="same_kind")

    @property
    def mean(self) -> np.ndarray:
        """Mean, float64, the frames' unit; NaN where no frame has data."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def std(self) -> np.ndarray:
        """Sample standard deviation (over count - 1), float64; NaN where fewer than two frames have data."""
        return np.where(self.count > 1, np.sqrt(self._squares / np.maximum(self.count - 1, 1)), np.nan)

    @property
    def standard_error(self) -> np.ndarray:
        """
        Standard error of the mean, std / sqrt(count); NaN as in `std`.

        It takes the frames for independent. Granules live some ten minutes, so that frames 12
        minutes apart nearly are; a pore lasts many frames, and there this is a lower bound.
        """
        return self.std / np.sqrt(np.maximum(self.count, 1))

    @property
    def minimum(self) -> np.ndarray:
        """Smallest value, float32; NaN where no frame has data."""
        return np.where(self.count > 0, self._minimum, np.float32(np.nan))


def stack_median(stack: np.ndarray) -> np.ndarray:
    """
    Exact median of each pixel over the frames that have data there.

    Parameters
    ----------
    stack : `~numpy.ndarray`, shape (n, ny, nx)
        Floating: NaN and infinity are no data. Unsigned integers: codes that rise with the value,
        0 is no data, as a run's contrast is stored; they sort several times as fast.

    Returns
    -------
    `~numpy.ndarray` of float64, shape (ny, nx)
        In the stack's unit, or a code; the mean of the two middle values when their number is
        even; NaN where no frame has data.
    """
    n_frames, *shape = stack.shape
    series = stack.reshape(n_frames, -1)
    medians = np.empty(series.shape[1])
    for start in range(0, len(medians), _TILE_PIXELS):
        medians[start : start + _TILE_PIXELS] = _medians(series[:, start : start + _TILE_PIXELS])
    return medians.reshape(shape)


def _medians(series: np.ndarray) -> np.ndarray:
    """Median of each column of an (n, pixels) array."""
    ordered = np.ascontiguousarray(series.T)  # one pixel's frames side by side: ten times as fast to sort
    if series.dtype.kind == "u":
        count = np.count_nonzero(ordered, axis=1)
        first = len(series) - count  # no data is 0 and comes first
    else:
        finite = np.isfinite(ordered)
        count, first = finite.sum(axis=1), np.zeros(len(ordered), int)
        ordered = np.where(finite, ordered, np.nan)  # sorted to the end
    ordered.sort(axis=1)
    last = len(series) - 1
    middle = np.stack([first + (count - 1) // 2, first + count // 2], axis=1).clip(0, last)
    medians: np.ndarray = np.take_along_axis(ordered, middle, axis=1).mean(axis=1, dtype=np.float64)
    medians[count == 0] = np.nan
    return medians


def median_by_rows(
    read: Callable[[int, slice], np.ndarray],
    *,
    n_frames: int,
    shape: tuple[int, int],
    max_bytes: int = MEDIAN_BYTES,
) -> np.ndarray:
    """
    Exact median of a series that does not fit into memory, some rows of all its frames at a time.

    A median cannot be had exactly from one pass over the frames. This one holds no more than
    about ``max_bytes`` and pays in passes instead: ``n_frames ny nx`` times the bytes of a
    value, over ``max_bytes``, rounded up (6 for 1,200 frames of 500 x 1166 in 16 bits).

    Parameters
    ----------
    read : callable
        ``read(k, rows)`` gives those rows of frame ``k`` (0 to ``n_frames`` - 1), shape
        (n_rows, nx), of the types that `stack_median` takes.
    n_frames : int
        Length of the series.
    shape : tuple of int
        (ny, nx) of every frame.
    max_bytes : int, optional
        Largest stack held; at least one row of all frames is.

    Returns
    -------
    `~numpy.ndarray` of float64, shape (ny, nx), as from `stack_median`

    Raises
    ------
    FrameError
        If there is no frame.
    """
    if n_frames < 1:
        raise FrameError("a median needs at least one frame, got none")
    ny, nx = shape
    dtype = read(0, slice(0, 1)).dtype
    n_rows = max(1, max_bytes // (n_frames * nx * dtype.itemsize))
    medians = np.empty(shape)
    stack = np.empty((n_frames, min(n_rows, ny), nx), dtype)
    for start in range(0, ny, n_rows):
        rows = slice(start, min(start + n_rows, ny))
        held = stack[:, : rows.stop - rows.start]
        for k in range(n_frames):
            held[k] = read(k, rows)
        medians[rows] = stack_median(held)
    return medians
