"""
Laws of limb darkening with their sources, and the check of a law on the quiet Sun of a series.

A law is a polynomial in mu. The check needs no other data: every frame gives the mean
intensity of its quiet pixels in bins of mu, and the bins of a patch that crosses the
disk, taken together, are the Sun's own curve.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from processing.errors import FrameError, ParameterError

# Pierce & Slaughter 1977, Sol. Phys. 51, 25: I(mu)/I(1) as a polynomial in mu, fifth degree,
# interpolated to 6205.9 A.
PIERCE_SLAUGHTER_6206 = (0.32519, 1.26432, -1.44591, 1.55723, -0.87415, 0.173333)
# Neckel & Labs 1994, Sol. Phys. 153, 91: their two wavelengths around HMI's line.
NECKEL_LABS_6110 = (0.30854, 1.36620, -1.83572, 2.33221, -1.63082, 0.45959)
NECKEL_LABS_6410 = (0.33644, 1.30590, -1.79238, 2.45040, -1.89979, 0.59943)
HMI_WAVELENGTH_A = 6173.3

DEFAULT_EDGES = tuple(round(0.02 * step, 2) for step in range(51))
QUIET_CONTRAST = (0.9, 1.1)  # what is outside has a field, or is a cosmic ray
DARK_CONTRAST = 0.85  # darker than any granulation at HMI's resolution: 5 standard deviations
KEPT_AWAY = 3  # pixels from anything dark, where its blurred edge still shows


@dataclass(frozen=True)
class LimbDarkeningLaw:
    """
    Intensity at mu over that at disk centre, as ``sum(coefficients[k] * mu**k)``.

    ``wavelength_a`` in angstrom, None for no correction; ``source`` is what to cite.
    """

    coefficients: tuple[float, ...]
    wavelength_a: float | None
    source: str

    def at(self, mu: np.ndarray) -> np.ndarray:
        """The law at ``mu``; NaN where that is NaN."""
        return limb_darkening(mu, self.coefficients)


def _between(low: tuple[float, ...], high: tuple[float, ...], weight: float) -> tuple[float, ...]:
    return tuple((1 - weight) * a + weight * b for a, b in zip(low, high, strict=True))


_NECKEL_LABS = "Neckel & Labs 1994, Sol. Phys. 153, 91"
LIMB_DARKENING: dict[str, LimbDarkeningLaw] = {
    "pierce-slaughter-6206": LimbDarkeningLaw(
        PIERCE_SLAUGHTER_6206, 6205.9, "Pierce & Slaughter 1977, Sol. Phys. 51, 25; fifth degree"
    ),
    "pierce-slaughter-6110": LimbDarkeningLaw(
        (0.34653, 0.92982, -0.27635), 6109.75, "Pierce & Slaughter 1977, Sol. Phys. 51, 25; table III, second degree"
    ),
    "neckel-labs-6110": LimbDarkeningLaw(NECKEL_LABS_6110, 6109.75, _NECKEL_LABS),
    "neckel-labs-6173": LimbDarkeningLaw(
        _between(NECKEL_LABS_6110, NECKEL_LABS_6410, (HMI_WAVELENGTH_A - 6109.75) / (6409.70 - 6109.75)),
        HMI_WAVELENGTH_A,
        f"{_NECKEL_LABS}; between 6109.75 and 6409.70 A, linear in wavelength",
    ),
    "neckel-labs-6410": LimbDarkeningLaw(NECKEL_LABS_6410, 6409.70, _NECKEL_LABS),
    "none": LimbDarkeningLaw((1.0,), None, "no correction"),
}
DEFAULT_LIMB_DARKENING = "pierce-slaughter-6206"


def limb_darkening(mu: np.ndarray, coefficients: tuple[float, ...] = PIERCE_SLAUGHTER_6206) -> np.ndarray:
    """Intensity at ``mu`` over that at disk centre; NaN where ``mu`` is NaN."""
    result = np.asarray(np.multiply(mu, 0.0))  # not zeros: a law without mu is unknown beyond the limb, too
    result += coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result *= mu
        result += coefficient
    return result


def law_named(name: str) -> LimbDarkeningLaw:
    """One of `LIMB_DARKENING`; raises ParameterError for any other name."""
    try:
        return LIMB_DARKENING[name]
    except KeyError:
        raise ParameterError(f"limb_darkening must be one of {', '.join(LIMB_DARKENING)}, not {name!r}") from None


def grown(mask: np.ndarray, reach: int) -> np.ndarray:
    """The mask and all pixels at most ``reach`` rows and columns from it, shape (ny, nx)."""
    for axis in (0, 1):
        along = mask.swapaxes(0, axis)
        wider = along.copy()
        for step in range(1, reach + 1):
            wider[step:] |= along[:-step]
            wider[:-step] |= along[step:]
        mask = wider.swapaxes(0, axis)
    return mask


@dataclass(frozen=True)
class QuietCurve:
    """
    Mean intensity of the quiet Sun in bins of mu, of one frame or of many joined.

    ``edges`` are those of the bins, one more than there are bins. Per bin: ``n``
    pixels, their mean ``mu`` and mean ``intensity`` in the continuum's unit (DN/s), None
    where there is no pixel. All are plain lists, so that `as_dict` is JSON.
    """

    edges: list[float]
    n: list[int]
    mu: list[float | None]
    intensity: list[float | None]

    def as_dict(self) -> dict[str, Any]:
        """All values by name, for storage."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "QuietCurve":
        """Inverse of `as_dict`."""
        return cls(**values)


def quiet_curve(
    continuum: np.ndarray, mu: np.ndarray, contrast: np.ndarray, *, edges: Sequence[float] = DEFAULT_EDGES
) -> QuietCurve:
    """
    Mean continuum of one frame's quiet pixels in bins of mu.

    A pixel is quiet when its contrast is 0.9 to 1.1 and nothing darker than 0.85 lies
    within 3 pixels. The limits are contrasts, so they follow the law that flattened the
    frame: where that is wrong by 1 %, the mean moves by 0.96 % instead.

    Parameters
    ----------
    continuum, mu, contrast : `~numpy.ndarray`, shape (ny, nx)
        Intensity in DN/s as observed, and the `FlatFrame` made of it. NaN where there
        is no data.
    edges : sequence of float, optional
        Rising edges of the bins; what lies outside is left out.

    Raises
    ------
    FrameError
        If the maps are not images of one shape, or the edges do not rise.
    """
    if not (continuum.ndim == 2 and continuum.shape == mu.shape == contrast.shape):
        raise FrameError(f"need maps of one shape, got {continuum.shape}, {mu.shape} and {contrast.shape}")
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise FrameError("the edges of the bins of mu must rise")
    quiet = (contrast > QUIET_CONTRAST[0]) & (contrast < QUIET_CONTRAST[1]) & np.isfinite(continuum)
    quiet &= (mu >= edges[0]) & (mu <= edges[-1]) & ~grown(contrast < DARK_CONTRAST, KEPT_AWAY)
    places, values = mu[quiet], continuum[quiet].astype(np.float64)
    n_bins = len(edges) - 1
    bins = np.minimum(np.searchsorted(edges, places, side="right") - 1, n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    sums = (np.bincount(bins, weights=weights, minlength=n_bins) for weights in (places, values))
    return _curve(list(map(float, edges)), n, *sums)


def _curve(edges: list[float], n: np.ndarray, sum_mu: np.ndarray, sum_intensity: np.ndarray) -> QuietCurve:
    means = ([float(s / k) if k else None for s, k in zip(sums, n, strict=True)] for sums in (sum_mu, sum_intensity))
    return QuietCurve(edges, [int(k) for k in n], *means)


def join_curves(curves: Iterable[QuietCurve]) -> QuietCurve:
    """
    The curve of all their pixels together.

    Intensities are joined as observed, not over each frame's level: the level assumes
    a law, and would hide where that is wrong. The intensity of a resolved Sun does not
    depend on its distance; what the instrument loses between the frames stays in.

    Raises
    ------
    FrameError
        If there is none, or their edges differ.
    """
    parts = list(curves)
    if not parts:
        raise FrameError("there is no curve to join")
    if any(part.edges != parts[0].edges for part in parts):
        raise FrameError("curves with different bins of mu cannot be joined")
    n = np.array([part.n for part in parts])
    mu, intensity = (
        np.array([getattr(part, name) for part in parts], dtype=np.float64) for name in ("mu", "intensity")
    )
    return _curve(parts[0].edges, n.sum(axis=0), np.nansum(n * mu, axis=0), np.nansum(n * intensity, axis=0))


@dataclass(frozen=True)
class LimbDarkeningFit:
    """
    A quiet-Sun curve beside a law. Lists hold one value per bin of enough pixels.

    ``disk_centre`` is the intensity at mu = 1 (DN/s) that brings the law nearest to the
    curve; ``measured``, ``expected`` (the law) and ``fitted`` are over it, ``ratio`` is
    measured over expected. ``coefficients`` are those of ``fitted``, a polynomial in mu,
    good for the range of mu that was measured. The rms are fractions, weighted by the
    pixels: of the curve from the law, of the curve from the fit, of the fit from the law.
    """

    law: str
    disk_centre: float
    n: list[int]
    mu: list[float]
    measured: list[float]
    expected: list[float]
    ratio: list[float]
    coefficients: list[float]
    fitted: list[float]
    rms_from_law: float
    rms_from_fit: float
    rms_fit_from_law: float


def fit_limb_darkening(
    curve: QuietCurve, law: str = DEFAULT_LIMB_DARKENING, *, degree: int = 2, min_pixels: int = 100
) -> LimbDarkeningFit:
    """
    Compare a curve with a law, and fit a polynomial of low degree in mu to it.

    Bins of fewer than ``min_pixels`` pixels are left out; the others weigh by their pixels.

    Raises
    ------
    ParameterError
        If the law is unknown.
    FrameError
        If there are not more than ``degree`` bins to fit.
    """
    darkening = law_named(law)
    used = [index for index, n in enumerate(curve.n) if n >= min_pixels]
    if len(used) <= degree:
        raise FrameError(f"a fit of degree {degree} needs {degree + 1} bins of mu, found {len(used)}")
    n, mu, intensity = (np.array([values[i] for i in used], float) for values in (curve.n, curve.mu, curve.intensity))
    expected = darkening.at(mu)
    disk_centre = float((n * intensity * expected).sum() / (n * expected**2).sum())
    measured = intensity / disk_centre
    coefficients = np.polynomial.polynomial.polyfit(mu, measured, degree, w=np.sqrt(n))
    fitted = limb_darkening(mu, tuple(coefficients))

    def rms(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.average((one / other - 1) ** 2, weights=n)))

    return LimbDarkeningFit(
        law=law, disk_centre=disk_centre, n=[curve.n[i] for i in used], mu=mu.tolist(), measured=measured.tolist(),
        expected=expected.tolist(), ratio=(measured / expected).tolist(), coefficients=coefficients.tolist(),
        fitted=fitted.tolist(), rms_from_law=rms(measured, expected), rms_from_fit=rms(measured, fitted),
        rms_fit_from_law=rms(fitted, expected),
    )  # fmt: skip
