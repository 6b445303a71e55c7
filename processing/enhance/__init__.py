"""Sharpen a contrast frame and double its sampling. Several makers of the same product, one function."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from processing.enhance import network, optics, published
from processing.enhance.richardson_lucy import richardson_lucy
from processing.errors import FrameError, ParameterError
from processing.upscale import fill_missing, upscale_cubic, upscale_nearest

DEFAULT_METHOD = "network"
DEFAULT_ITERATIONS = 10
# A CEA pixel of 0.03 degrees is 0.364 Mm; HMI's own at disk centre and 1 au 0.366 Mm.
HMI_PIXEL_MM = optics.HMI_PIXEL_ARCSEC * optics.MM_PER_ARCSEC
_PIXEL_TOLERANCE = 0.15


@dataclass(frozen=True)
class Sharpening:
    """What a maker may need: iterations of Richardson-Lucy, and where the published network's weights are."""

    iterations: int = DEFAULT_ITERATIONS
    weights: str | None = None


Maker = Callable[[np.ndarray, Sharpening], np.ndarray]
METHODS: dict[str, Maker] = {
    "network": lambda contrast, options: network.sharpen(contrast),
    "published": lambda contrast, options: published.sharpen(contrast, options.weights),
    "richardson-lucy": lambda contrast, options: richardson_lucy(contrast, iterations=options.iterations),
    "cubic-spline": lambda contrast, options: upscale_cubic(contrast),
    "none": lambda contrast, options: contrast,
}


def deblur(
    contrast: np.ndarray,
    *,
    pixel_side_mm: float = HMI_PIXEL_MM,
    method: str = DEFAULT_METHOD,
    iterations: int = DEFAULT_ITERATIONS,
    weights: str | None = None,
) -> np.ndarray:
    """
    Sharpen a contrast frame and bring it to the grid of half the pixel.

    Parameters
    ----------
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum over the quiet-Sun level, limb darkening removed; NaN without data.
    pixel_side_mm : float
        Side of a pixel of ``contrast`` on the Sun, Mm. All sharpening is for HMI's.
    method : {"network", "published", "richardson-lucy", "cubic-spline", "none"}
        "cubic-spline" only doubles the sampling; "none" returns the frame on its own grid.
    iterations : int
        Of Richardson-Lucy.
    weights : str, optional
        File or https address of the published network's weights.

    Returns
    -------
    `~numpy.ndarray` of float32, shape (2 ny, 2 nx), or (ny, nx) for "none"
        The mean over the pixels with data is that of the input; NaN where the input is NaN.

    Raises
    ------
    ParameterError
        If the method is unknown, ``iterations`` is not 1 to 100, or the pixel is not HMI's.
    FrameError
        If the frame is not two-dimensional or has no finite pixel.
    """
    if method not in METHODS:
        raise ParameterError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if not 1 <= iterations <= 100:
        raise ParameterError(f"iterations must be 1 to 100, not {iterations}")
    if contrast.ndim != 2:
        raise FrameError(f"need a two-dimensional image, got shape {contrast.shape}")
    if method == "none":
        return contrast.astype(np.float32)
    if method != "cubic-spline" and abs(pixel_side_mm / HMI_PIXEL_MM - 1) > _PIXEL_TOLERANCE:
        raise ParameterError(
            f"{method} is for HMI's pixel of {HMI_PIXEL_MM:.2f} Mm, not {pixel_side_mm:.2f}; use cubic-spline or none"
        )
    filled, missing = fill_missing(contrast)
    sharp = METHODS[method](filled.astype(np.float32), Sharpening(iterations, weights)).astype(np.float32)
    if missing.any():
        sharp[upscale_nearest(missing)] = np.nan
    wanted = contrast.mean(dtype=np.float64, where=~missing)
    return sharp * np.float32(wanted / np.nanmean(sharp, dtype=np.float64))
