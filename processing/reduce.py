"""Continuum intensity to contrast: limb darkening out, quiet-Sun level to 1.0."""

from dataclasses import dataclass

import numpy as np

from processing.errors import FrameError
from processing.geometry import CeaGeometry

# Pierce & Slaughter 1977, Sol. Phys. 51, 25: I(mu)/I(1) as a polynomial in mu,
# interpolated to 6205.9 A, the tabulated wavelength next to HMI's 6173 A.
PIERCE_SLAUGHTER_6206 = (0.32519, 1.26432, -1.44591, 1.55723, -0.87415, 0.173333)
HISTOGRAM_BINS = 100


@dataclass(frozen=True)
class FlatFrame:
    """
    A frame without limb darkening.

    ``contrast`` (ny, nx) is 1.0 in the quiet Sun and NaN without data or beyond the
    limb; ``mu`` has the same shape; ``quiet_sun`` is the level divided out, in the
    continuum's unit (DN/s), referred to disk centre.
    """

    contrast: np.ndarray
    mu: np.ndarray
    quiet_sun: float


def limb_darkening(mu: np.ndarray, coefficients: tuple[float, ...] = PIERCE_SLAUGHTER_6206) -> np.ndarray:
    """Intensity at ``mu`` over that at disk centre; NaN where ``mu`` is NaN."""
    return np.polynomial.polynomial.polyval(mu, coefficients)


def quiet_sun_level(intensity: np.ndarray, bins: int = HISTOGRAM_BINS) -> float:
    """
    Level of the quiet Sun: the mode of the histogram of the finite pixels.

    The centre of the fullest of ``bins`` equal bins between the smallest and the
    largest value, as pore observers define it.

    Raises
    ------
    FrameError
        If no pixel is finite, or the level is not positive.
    """
    finite = intensity[np.isfinite(intensity)]
    if finite.size == 0:
        raise FrameError("the continuum has no finite pixel")
    low, high = float(finite.min()), float(finite.max())
    if high - low <= 1e-6 * abs(high):  # too narrow for bins that differ
        level = (low + high) / 2
    else:
        counts, edges = np.histogram(finite, bins=bins)
        fullest = int(np.argmax(counts))
        level = float(edges[fullest] + edges[fullest + 1]) / 2
    if level <= 0:
        raise FrameError(f"the quiet-Sun level must be positive, found {level:g}")
    return level


def flatten(continuum: np.ndarray, geometry: CeaGeometry) -> FlatFrame:
    """
    Divide a continuum map by limb darkening, then by its quiet-Sun level.

    Parameters
    ----------
    continuum : `~numpy.ndarray`, shape (ny, nx)
        Intensity in DN/s; NaN marks pixels without data.
    geometry : `CeaGeometry`
        Of this map, at this moment.

    Raises
    ------
    FrameError
        If ``continuum`` is not two-dimensional or has no finite pixel on the disk.
    """
    if continuum.ndim != 2:
        raise FrameError(f"need a two-dimensional continuum, got shape {continuum.shape}")
    mu = geometry.mu_map((continuum.shape[0], continuum.shape[1]))
    flat = continuum / limb_darkening(mu)
    level = quiet_sun_level(flat)
    return FlatFrame(contrast=flat / level, mu=mu, quiet_sun=level)
