"""Continuum intensity to contrast: limb darkening out, quiet-Sun level to 1.0."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from processing.errors import FrameError, ParameterError
from processing.geometry import CeaGeometry
from processing.limb_darkening import (
    DARK_CONTRAST,
    DEFAULT_LIMB_DARKENING,
    LimbDarkeningLaw,
    grown,
    law_named,
)

HISTOGRAM_BINS = 100
LEVELS = ("density", "histogram")
DEFAULT_LEVEL = "density"

# Of the density. Neighbouring pixels show the same granule, so in a large frame every second
# row and column tells as much; a first look needs but a few thousand pixels.
MOST_PIXELS = 150_000
FIRST_LOOK = 8192
# The quiet Sun is the narrowest interval that holds this part of the pixels, so the rest
# may be anything; of a normal distribution it is 2 x 0.3853 standard deviations wide.
QUIET_PART = 0.3
QUIET_PART_WIDTH = 2 * 0.3853
WINDOW = 6.0  # standard deviations on either side
BINS_PER_DEVIATION = 20
# In standard deviations of the quiet Sun. Below 0.5 the mode follows single granules from
# frame to frame; above 1 it follows the mean (docs/limb-darkening.md has the figures).
KERNEL = 0.8
DARK_REACH = 2  # sampled pixels


@dataclass(frozen=True)
class FlatFrame:
    """
    A frame without limb darkening.

    ``contrast`` (ny, nx) is 1.0 in the quiet Sun and NaN without data or beyond the
    limb; ``mu`` has the same shape; ``quiet_sun`` is the level divided out, in the
    continuum's unit (DN/s), referred to disk centre. Of a frame that does not tell where it
    lies ``mu`` is NaN everywhere, and contrast and level are with its limb darkening.
    """

    contrast: np.ndarray
    mu: np.ndarray
    quiet_sun: float


def quiet_sun_level(intensity: np.ndarray, *, method: str = DEFAULT_LEVEL, bins: int = HISTOGRAM_BINS) -> float:
    """
    Level of the quiet Sun: the most frequent intensity.

    Parameters
    ----------
    intensity : `~numpy.ndarray`, shape (ny, nx) or (n,)
        Without limb darkening, in any unit; pixels that are not finite do not count.
    method : {"density", "histogram"}
        "density": the maximum of the smoothed distribution of the pixels that are neither
        dark nor beside a dark one. It does not jump from frame to frame.
        "histogram": the centre of the fullest of ``bins`` equal bins between the smallest
        and the largest value, as pore observers define it. It is good to half a bin.
    bins : int
        Of the histogram.

    Raises
    ------
    FrameError
        If no pixel is finite, or the level is not positive.
    ParameterError
        If the method is unknown.
    """
    if method not in _LEVEL_OF:
        raise ParameterError(f"quiet_sun must be one of {', '.join(LEVELS)}, not {method!r}")
    level = _LEVEL_OF[method](np.asarray(intensity), bins)
    if level <= 0:
        raise FrameError(f"the quiet-Sun level must be positive, found {level:g}")
    return level


def _finite(intensity: np.ndarray) -> np.ndarray:
    finite = intensity[np.isfinite(intensity)]
    if finite.size == 0:
        raise FrameError("the continuum has no finite pixel")
    return finite


def _histogram_mode(intensity: np.ndarray, bins: int) -> float:
    finite = _finite(intensity)
    low, high = float(finite.min()), float(finite.max())
    if high - low <= 1e-6 * abs(high):  # too narrow for bins that differ
        return (low + high) / 2
    counts, edges = np.histogram(finite, bins=bins)
    fullest = int(np.argmax(counts))
    return float(edges[fullest] + edges[fullest + 1]) / 2


def _density_mode(intensity: np.ndarray, bins: int) -> float:
    """Mode of a Gaussian kernel density; ``bins`` belong to the other method."""
    stride = max(math.ceil((intensity.size / MOST_PIXELS) ** (1 / max(intensity.ndim, 1))), 1)
    sample = intensity[(slice(None, None, stride),) * intensity.ndim]
    if np.count_nonzero(np.isfinite(sample)) < FIRST_LOOK:  # little to see: look at all of it
        sample = intensity
    level, deviation = _first_look(_finite(sample))
    if deviation <= 1e-6 * abs(level):
        return level
    low, high = level - WINDOW * deviation, level + WINDOW * deviation
    counted = (sample > low) & (sample < high) & _away_from_dark(sample, DARK_CONTRAST * level)
    n_bins = round(2 * WINDOW * BINS_PER_DEVIATION)
    places = (sample[counted] - low) * (n_bins / (high - low))
    counts = np.bincount(np.minimum(places.astype(np.intp), n_bins - 1), minlength=n_bins).astype(np.float64)
    return low + _peak(counts) * (high - low) / n_bins if counts.any() else level


def _first_look(finite: np.ndarray) -> tuple[float, float]:
    """Level and standard deviation of the quiet Sun from the narrowest interval of some thousand pixels."""
    positive = finite[finite > 0]
    if positive.size == 0:
        return float(finite.max()), 0.0
    ranked = np.sort(positive[:: -(-positive.size // FIRST_LOOK)])
    inside = max(int(np.ceil(QUIET_PART * ranked.size)), min(2, ranked.size)) - 1
    widths = ranked[inside:] - ranked[: ranked.size - inside]
    narrowest = int(np.argmin(widths))
    return float(ranked[narrowest + inside // 2]), float(widths[narrowest]) / QUIET_PART_WIDTH


def _away_from_dark(sample: np.ndarray, limit: float) -> np.ndarray:
    """Pixels above the limit and, in an image, with none below it around them, unless that were too few."""
    bright = sample >= limit  # NaN compares as False
    if sample.ndim != 2:
        return bright
    away = bright & ~grown(sample < limit, DARK_REACH)
    return away if 2 * np.count_nonzero(away) >= np.count_nonzero(bright) else bright


def _peak(counts: np.ndarray) -> float:
    """Place of the maximum of the smoothed counts, in bins from the first edge."""
    total = np.cumsum(counts)
    quartiles = np.interp([total[-1] / 4, 3 * total[-1] / 4], total, np.arange(1, counts.size + 1))
    deviation = (quartiles[1] - quartiles[0]) / 1.349  # of a normal distribution
    smooth = ndimage.gaussian_filter1d(counts, max(KERNEL * deviation, 1.0), mode="constant")
    top = int(np.clip(np.argmax(smooth), 1, counts.size - 2))
    before, at, after = smooth[top - 1 : top + 2]
    bend = before - 2 * at + after
    return top + 0.5 + (float(0.5 * (before - after) / bend) if bend < 0 else 0.0)


_LEVEL_OF: dict[str, Callable[[np.ndarray, int], float]] = {"density": _density_mode, "histogram": _histogram_mode}


def remove_limb_darkening(continuum: np.ndarray, mu: np.ndarray, law: LimbDarkeningLaw) -> np.ndarray:
    """The continuum as it were at disk centre, in its own unit, float64; NaN where ``mu`` is NaN."""
    darkening = law.at(mu)
    return np.divide(continuum, darkening, out=darkening)


def flatten(
    continuum: np.ndarray,
    geometry: CeaGeometry,
    *,
    limb_darkening: str = DEFAULT_LIMB_DARKENING,
    quiet_sun: str = DEFAULT_LEVEL,
) -> FlatFrame:
    """
    Divide a continuum map by limb darkening, then by its quiet-Sun level.

    Without mu (a `PlainGeometry`) the map is divided by its level alone, whatever the law:
    along 60 arcsec of a radius the intensity changes by 1.5 % around mu 0.9, by 9 % around 0.5.

    Parameters
    ----------
    continuum : `~numpy.ndarray`, shape (ny, nx)
        Intensity in DN/s; NaN marks pixels without data.
    geometry : `CeaGeometry`
        Of this map, at this moment.
    limb_darkening : str
        One of `LIMB_DARKENING`.
    quiet_sun : {"density", "histogram"}
        How the level is found; see `quiet_sun_level`.

    Raises
    ------
    FrameError
        If ``continuum`` is not two-dimensional or has no finite pixel on the disk.
    ParameterError
        If the law or the method is unknown.
    """
    if continuum.ndim != 2:
        raise FrameError(f"need a two-dimensional continuum, got shape {continuum.shape}")
    law = law_named(limb_darkening)
    mu = geometry.mu_map((continuum.shape[0], continuum.shape[1]))
    flat = remove_limb_darkening(continuum, mu, law) if geometry.knows_places else continuum.astype(np.float64)
    level = quiet_sun_level(flat, method=quiet_sun)
    flat /= level
    return FlatFrame(contrast=flat, mu=mu, quiet_sun=level)
