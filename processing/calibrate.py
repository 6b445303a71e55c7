"""
Dark and flat correction of images of other instruments, with ccdproc: optional, before anything else is done to them.

HMI's continuum comes corrected; raw frames of a camera come with darks (no light) and flats (even light).
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from scipy import ndimage

from processing.errors import FrameError, ParameterError
from processing.statistics import RunningStatistics, median_by_rows

COMBINES = ("mean", "median")
CLIP_SIGMA = 4.0  # a value farther from its pixel's median is a particle's, once in 16,000 values of noise it is not
MIN_CLIPPED = 3  # frames; of two values neither is the outlier
SAME_EXPOSURE = 0.005  # relative: shutters and headers are no better
BAD_SIGMA = 10.0  # from the neighbours' median, in standard deviations of such differences over the image
LOW_PART = 0.2  # an outlier that sees at least 1 - this of the light is put right by the flat, and so not bad
DEAD_PART = 0.1  # of the flat's level; with less light there is nothing to put right: dead, or behind a field stop
MAX_BYTES = 256_000_000
_NEIGHBOURS = 5  # pixels aside; a bad column is a fifth of them
_BYTES_A_VALUE = 64  # what ccdproc holds for each value that it combines: copies in double precision, masks

Frames = Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Stack:
    """
    Frames of one kind and exposure, and what was made of them. Images are (ny, nx), in the frames' unit.

    Attributes
    ----------
    exposure_s : float or None
        Exposure time, s; None where it is not known.
    n_frames : int
    mean, std, standard_error, median : `~numpy.ndarray` of float64
        Of all values of each pixel as given, outliers too, to look at; as of `processing.statistics.RunningStatistics`:
        NaN where no frame has data, std and standard error also where one has.
    master : `~numpy.ndarray` of float32
        What images are corrected with: the mean (or median) without outlying values; of flats with the dark taken
        off and each scaled to their common level. NaN where no frame has data.
    n_rejected : int
        Values left out as outliers, of ``n_frames`` ny nx.
    bad : `~numpy.ndarray` of bool
        Hot pixels of darks, dead and low ones of flats, and those without data.
    """

    exposure_s: float | None
    n_frames: int
    mean: np.ndarray
    std: np.ndarray
    standard_error: np.ndarray
    median: np.ndarray
    master: np.ndarray
    n_rejected: int
    bad: np.ndarray

    @property
    def n_bad(self) -> int:
        """How many pixels are bad."""
        return int(self.bad.sum())


@dataclass(frozen=True, eq=False)
class Calibration:
    """
    Everything that `calibrate` needs.

    Attributes
    ----------
    darks : tuple of Stack
        One for each exposure time, shortest first; may be empty.
    flat : Stack or None
    response : `~numpy.ndarray` of float32, shape (ny, nx), or None
        The flat's master over its mean over good pixels, dimensionless; NaN where a pixel is bad in the flat or in
        the dark that was taken off it.
    scale_darks : bool
        Whether a dark of another exposure may be scaled.
    """

    darks: tuple[Stack, ...] = ()
    flat: Stack | None = None
    response: np.ndarray | None = None
    scale_darks: bool = False

    @property
    def shape(self) -> tuple[int, int] | None:
        """(ny, nx) of its images; None if there are none."""
        one = self.darks[0] if self.darks else self.flat
        return None if one is None else (one.bad.shape[0], one.bad.shape[1])

    def dark_for(self, exposure_s: float | None) -> Stack | None:
        """
        The dark to take off an image of that exposure; None if there are no darks at all.

        Raises
        ------
        FrameError
            If none is of that exposure, and none may be scaled.
        """
        if not self.darks:
            return None
        for dark in self.darks:
            if _same_exposure(dark.exposure_s, exposure_s):
                return dark
        known = [dark for dark in self.darks if dark.exposure_s is not None]
        if self.scale_darks and exposure_s is not None and known:
            return min(known, key=lambda dark: abs(math.log(exposure_s / (dark.exposure_s or exposure_s))))
        there = ", ".join(_seconds(dark.exposure_s) for dark in self.darks)
        raise FrameError(f"there is no dark of {_seconds(exposure_s)}; there are darks of {there}")

    def bad_for(self, exposure_s: float | None) -> np.ndarray | None:
        """Pixels of an image of that exposure that come out as NaN, bool (ny, nx); None if nothing is corrected."""
        dark = self.dark_for(exposure_s)
        hot = None if dark is None else dark.bad
        unlit = None if self.response is None else np.isnan(self.response)
        return unlit if hot is None else hot if unlit is None else hot | unlit

    def report(self, exposure_s: float | None) -> str:
        """What is done to an image of that exposure, in sentences; raises as `dark_for`."""
        dark, bad = self.dark_for(exposure_s), self.bad_for(exposure_s)
        if bad is None:
            return "Neither dark nor flat is corrected."
        said = ["No dark is taken off." if dark is None else _said(dark, "dark", "hot or empty")]
        if dark is not None and not _same_exposure(dark.exposure_s, exposure_s):
            scaled = f"It is scaled from {_seconds(dark.exposure_s)} to {_seconds(exposure_s)}"
            said.append(f"{scaled}, which takes all of it for dark current and none for bias.")
        said.append("No flat is divided by." if self.flat is None else _said(self.flat, "flat", "dead, low or empty"))
        said.append(f"Pixels left without data: {int(bad.sum())}.")
        return " ".join(said)


def make_calibration(
    darks: Mapping[float | None, Frames] | None = None,
    flats: Frames | None = None,
    *,
    flat_exposure_s: float | None = None,
    scale_darks: bool = False,
    combine: str = "mean",
    bad_sigma: float = BAD_SIGMA,
    max_bytes: int = MAX_BYTES,
) -> Calibration:
    """
    Make masters of darks and flats.

    Parameters
    ----------
    darks : mapping of float or None to sequence of `~numpy.ndarray`, shape (ny, nx)
        Dark frames by exposure time in s, None for one not known, which fits images of unknown exposure.
        NaN and infinity are no data. Frames are taken from the sequence again and again, some rows at a time, so that
        it may read them from files (`processing.sequence_files.by_exposure`).
    flats : sequence of `~numpy.ndarray`, shape (ny, nx)
        Flat frames of one exposure, as darks; their level may differ.
    flat_exposure_s : float or None
        Exposure time of the flats, s.
    scale_darks : bool, optional
        Whether, where there is no dark of an exposure, the nearest is multiplied by the ratio of exposures. True for
        darks without bias alone.
    combine : {"mean", "median"}, optional
        How values of a pixel are combined after outliers are left out: those farther than `CLIP_SIGMA` from their
        median, in their standard deviation by the median absolute deviation or the noise of the whole, whichever is
        larger.
    bad_sigma : float, optional
        How far off its 5 x 5 neighbours' median a pixel of a master is bad (hot, or low by more than `LOW_PART` too),
        in standard deviations, by the median absolute deviation, of all pixels.
    max_bytes : int, optional
        About what is held at a time; at least one row of all frames is.

    Returns
    -------
    Calibration

    Raises
    ------
    FrameError
        If shapes differ, a set is empty or without data, there is no dark of the flats' exposure, or a flat is zero or
        negative everywhere.
    ParameterError
        If an exposure time is not positive, or ``combine`` or ``bad_sigma`` have no meaning.
    """
    if combine not in COMBINES:
        raise ParameterError(f"combine must be one of {', '.join(COMBINES)}, not {combine!r}")
    if not bad_sigma > 0:
        raise ParameterError(f"bad_sigma must be positive, not {bad_sigma:g}")
    for exposure_s in (*(darks or {}), flat_exposure_s):
        if exposure_s is not None and not 0 < exposure_s < math.inf:
            raise ParameterError(f"an exposure time must be positive, not {exposure_s:g} s")
    made = Calibration(scale_darks=scale_darks)
    for exposure_s, frames in sorted((darks or {}).items(), key=lambda item: item[0] or 0.0):
        running = _statistics(frames, "dark", made.shape)
        master, n_rejected = _master(_rows_of(frames), len(frames), running.count.shape, combine, max_bytes)
        hot = np.isnan(master) | (_deviation(master) > bad_sigma)
        stack = _stack(frames, exposure_s, running, (master, n_rejected, hot), max_bytes)
        made = replace(made, darks=(*made.darks, stack))
    if flats is None:
        return made
    return _with_flat(made, flats, flat_exposure_s, combine=combine, bad_sigma=bad_sigma, max_bytes=max_bytes)


def calibrate(image: np.ndarray, exposure_s: float | None, masters: Calibration) -> np.ndarray:
    """
    Take the dark off an image and divide it by the flat.

    Parameters
    ----------
    image : `~numpy.ndarray`, shape (ny, nx)
        In the unit of the darks; NaN and infinity are no data. Not changed.
    exposure_s : float or None
        Its exposure time, s.
    masters : Calibration

    Returns
    -------
    `~numpy.ndarray` of float32, shape (ny, nx)
        In the same unit; NaN where there is no data or a pixel is bad.

    Raises
    ------
    FrameError
        If its shape is not that of darks and flats, or there is no dark of its exposure.
    """
    from astropy import units as u
    from astropy.nddata import CCDData
    from ccdproc import flat_correct, subtract_dark  # here, as it takes seconds to import

    dark, bad = masters.dark_for(exposure_s), masters.bad_for(exposure_s)
    if bad is not None and image.shape != bad.shape:
        raise FrameError(f"the image is {image.shape}, its darks and flats are {bad.shape}")
    # ccdproc wants a unit; which one does not matter to a difference and a ratio
    ccd = CCDData(np.where(np.isfinite(image), image, np.nan).astype(np.float64), unit=u.adu)
    if dark is not None:
        ccd = subtract_dark(
            ccd,
            CCDData(dark.master.astype(np.float64), unit=u.adu),
            dark_exposure=(dark.exposure_s or 1.0) * u.s,
            data_exposure=(exposure_s or 1.0) * u.s,
            scale=not _same_exposure(dark.exposure_s, exposure_s),
            add_keyword=False,
        )
    if masters.response is not None:
        response = masters.response.astype(np.float64)
        flat = CCDData(response, mask=np.isnan(response), unit=u.dimensionless_unscaled)
        ccd = flat_correct(ccd, flat, norm_value=1.0, add_keyword=False)
    return np.where(False if bad is None else bad, np.nan, ccd.data).astype(np.float32)


def _with_flat(
    made: Calibration, flats: Frames, exposure_s: float | None, *, combine: str, bad_sigma: float, max_bytes: int
) -> Calibration:
    """The calibration of the darks with that of the flats."""
    running = _statistics(flats, "flat", made.shape)
    shape = running.count.shape
    dark, hot = np.zeros(shape, np.float32), np.zeros(shape, bool)
    if (of_flats := made.dark_for(exposure_s)) is not None:
        same = _same_exposure(of_flats.exposure_s, exposure_s)
        ratio = 1.0 if same else (exposure_s or 1.0) / (of_flats.exposure_s or 1.0)
        dark, hot = of_flats.master * np.float32(ratio), of_flats.bad
    levels = np.array([_level(flat - dark, number) for number, flat in enumerate(flats, start=1)])
    scales = levels.mean() / levels

    def read(k: int, rows: slice) -> np.ndarray:
        return (flats[k][rows] - dark[rows]) * scales[k]

    master, n_rejected = _master(read, len(flats), shape, combine, max_bytes)
    low = (_deviation(master) < -bad_sigma) & (master < (1 - LOW_PART) * _neighbours(master))
    bad = low | ~(master > DEAD_PART * levels.mean())  # NaN too
    good = ~(bad | hot)
    if not good.any():
        raise FrameError("the flat has no good pixel")
    response = np.where(good, master / master[good].mean(dtype=np.float64), np.nan).astype(np.float32)
    flat = _stack(flats, exposure_s, running, (master, n_rejected, bad), max_bytes)
    return replace(made, flat=flat, response=response)


def _level(flat: np.ndarray, number: int) -> float:
    """The middle brightness of the lit part of a flat without its dark, in its unit."""
    finite = flat[np.isfinite(flat)]
    brightest = float(np.percentile(finite, 99)) if finite.size else 0.0
    if brightest <= 0:
        raise FrameError(f"flat {number} is zero or negative everywhere once its dark is taken off")
    return float(np.median(finite[finite > brightest / 2]))


def _statistics(frames: Frames, kind: str, shape: tuple[int, int] | None) -> RunningStatistics:
    """Those of all frames, which must be of that shape, or of one if there was none before."""
    if len(frames) == 0:
        raise FrameError(f"a master {kind} needs at least one frame, got none")
    running = RunningStatistics(shape or frames[0].shape)
    for number, frame in enumerate(frames, start=1):
        if frame.ndim != 2 or frame.shape != running.count.shape:
            raise FrameError(f"{kind} {number} is {frame.shape}, the frames before it are {running.count.shape}")
        running.add(frame)
    return running


def _stack(
    frames: Frames,
    exposure_s: float | None,
    running: RunningStatistics,
    made: tuple[np.ndarray, int, np.ndarray],
    max_bytes: int,
) -> Stack:
    n_frames, shape = len(frames), running.count.shape
    median = median_by_rows(_rows_of(frames), n_frames=n_frames, shape=shape, max_bytes=max_bytes)
    return Stack(exposure_s, n_frames, running.mean, running.std, running.standard_error, median, *made)


def _rows_of(frames: Frames) -> Callable[[int, slice], np.ndarray]:
    return lambda k, rows: np.asarray(frames[k][rows], np.float32)


def _master(
    read: Callable[[int, slice], np.ndarray], n_frames: int, shape: tuple[int, int], combine: str, max_bytes: int
) -> tuple[np.ndarray, int]:
    """The combined frame, float32, and the number of values left out; some rows of all frames at a time."""
    ny, nx = shape
    n_rows = max(1, max_bytes // (n_frames * nx * _BYTES_A_VALUE))
    noise = _noise(read(0, slice(None)), read(1, slice(None))) if n_frames >= MIN_CLIPPED else 0.0
    master, n_rejected = np.empty(shape, np.float32), 0
    for start in range(0, ny, n_rows):
        rows = slice(start, min(start + n_rows, ny))
        master[rows], n_here = _combined([read(k, rows) for k in range(n_frames)], noise, combine)
        n_rejected += n_here
    return master, n_rejected


def _noise(one: np.ndarray, other: np.ndarray) -> float:
    """
    Standard deviation of a value in one frame, from the difference of two.

    The scatter of a single pixel's few values is often far too small by chance, and 0 where most of them are the same
    whole number; values would be left out that are as good as the rest.
    """
    from astropy.stats import sigma_clip

    difference = np.subtract(one, other, dtype=np.float64)
    difference = difference[np.isfinite(difference)]
    kept = sigma_clip(difference, sigma=CLIP_SIGMA, masked=False) if difference.size else np.zeros(1)
    return float(np.std(kept) / math.sqrt(2))


def _combined(frames: list[np.ndarray], noise: float, combine: str) -> tuple[np.ndarray, int]:
    """Mean or median of each pixel's values without outliers, NaN where there is none; and how many were left out."""
    from astropy.nddata import CCDData
    from astropy.stats import mad_std
    from ccdproc import Combiner

    def scatter(values: np.ndarray, axis: int) -> np.ndarray:
        return np.maximum(mad_std(values, axis=axis, ignore_nan=True), noise)

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", ".*invalid values", AstropyUserWarning)  # values without data, as meant
        warnings.filterwarnings("ignore", "All-NaN|Mean of empty|Degrees of freedom", RuntimeWarning)
        combiner = Combiner([CCDData(frame, mask=~np.isfinite(frame), unit="adu") for frame in frames])
        n_missing = int(combiner.data_arr.mask.sum())
        if len(frames) >= MIN_CLIPPED:
            combiner.sigma_clipping(low_thresh=CLIP_SIGMA, high_thresh=CLIP_SIGMA, func="median", dev_func=scatter)
        n_rejected = int(combiner.data_arr.mask.sum()) - n_missing
        whole = combiner.average_combine() if combine == "mean" else combiner.median_combine()
    return np.where(whole.mask, np.nan, whole.data), n_rejected


def _deviation(master: np.ndarray) -> np.ndarray:
    """How far each pixel is above its neighbours' median, in robust standard deviations of that; NaN without data."""
    if np.isnan(master).all():
        raise FrameError("a master dark or flat has no pixel with data")
    above = master.astype(np.float64) - _neighbours(master)
    held = above[np.isfinite(above)]
    deviation = 1.4826 * float(np.median(np.abs(held - np.median(held))))  # of a normal distribution
    rounding = 1e-6 * float(np.nanmax(np.abs(master)))  # so that an even master has no outliers
    return above / max(deviation, rounding, np.finfo(np.float32).tiny)


def _neighbours(master: np.ndarray) -> np.ndarray:
    """Median of the pixels around each, those without data counted as the middle of all, float64."""
    filled = np.where(np.isfinite(master), master, np.nanmedian(master))
    return np.asarray(ndimage.median_filter(filled, _NEIGHBOURS, mode="nearest"), np.float64)


def _same_exposure(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=SAME_EXPOSURE)


def _seconds(exposure_s: float | None) -> str:
    return "unknown exposure" if exposure_s is None else f"{exposure_s:g} s"


def _said(stack: Stack, kind: str, fault: str) -> str:
    frames = f"{stack.n_frames} frame{'s' if stack.n_frames > 1 else ''} of {_seconds(stack.exposure_s)}"
    return f"The {kind} is from {frames}, outlying values left out: {stack.n_rejected}, {fault} pixels: {stack.n_bad}."
