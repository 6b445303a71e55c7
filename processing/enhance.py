"""Sharpen a contrast frame and double its sampling. Several makers of the same product, one function."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from processing.errors import ParameterError
from processing.reduce import quiet_sun_level
from processing.upscale import fill_missing, upscale_cubic, upscale_nearest

# HMI's blur as one Gaussian: the diffraction of 14 cm at 6173 A (0.94 arcsec FWHM) widened by the
# 0.504 arcsec pixel and the measured excess (Yeo et al. 2014, A&A 561, A22) comes to about 1.1 arcsec;
# 1 arcsec is 725 km at 1 au.
PSF_FWHM_MM = 1.1 * 0.725
DEFAULT_ITERATIONS = 10


def deblur(
    contrast: np.ndarray,
    *,
    pixel_side_mm: float,
    method: str = "richardson-lucy",
    iterations: int = DEFAULT_ITERATIONS,
) -> np.ndarray:
    """
    Sharpen a contrast frame and bring it to the grid of half the pixel.

    Parameters
    ----------
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum over the quiet-Sun level, limb darkening removed; NaN without data.
    pixel_side_mm : float
        Side of a pixel of ``contrast`` on the Sun, Mm.
    method : {"richardson-lucy", "cubic-spline", "none"}
        "cubic-spline" only doubles the sampling; "none" returns the frame on its own grid.
    iterations : int
        Of Richardson-Lucy.

    Returns
    -------
    `~numpy.ndarray` of float32, shape (2 ny, 2 nx), or (ny, nx) for "none"
        Quiet Sun at 1.0 again; NaN where the input is NaN.

    Raises
    ------
    ParameterError
        If the method is unknown or ``iterations`` is not 1 to 100.
    FrameError
        If the frame is not two-dimensional or has no finite pixel.
    """
    try:
        sharpen = METHODS[method]
    except KeyError:
        raise ParameterError(f"method must be one of {', '.join(METHODS)}, not {method!r}") from None
    if not 1 <= iterations <= 100:
        raise ParameterError(f"iterations must be 1 to 100, not {iterations}")
    if method == "none":
        return contrast.astype(np.float32)
    filled, missing = fill_missing(contrast)
    sharp = sharpen(filled, pixel_side_mm, iterations).astype(np.float32)
    sharp[upscale_nearest(missing)] = np.nan
    return sharp / np.float32(quiet_sun_level(sharp))


def _richardson_lucy(contrast: np.ndarray, pixel_side_mm: float, iterations: int) -> np.ndarray:
    doubled = np.clip(upscale_cubic(contrast), 1e-3, None).astype(np.float32)
    sigma = PSF_FWHM_MM / (pixel_side_mm / 2) / np.sqrt(8 * np.log(2))

    def blurred(image: np.ndarray) -> np.ndarray:
        # mirrored at the border: zeros from beyond would eat into the frame with every iteration
        return ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=3)

    sharp = np.full_like(doubled, 0.5)
    for _ in range(iterations):
        sharp *= blurred(doubled / np.maximum(blurred(sharp), 1e-6))
    return sharp * (doubled.mean(dtype=np.float64) / sharp.mean(dtype=np.float64))  # keep the mean flux


def _cubic_spline(contrast: np.ndarray, pixel_side_mm: float, iterations: int) -> np.ndarray:
    return upscale_cubic(contrast)


def _none(contrast: np.ndarray, pixel_side_mm: float, iterations: int) -> np.ndarray:
    return contrast


METHODS: dict[str, Callable[[np.ndarray, float, int], np.ndarray]] = {
    "richardson-lucy": _richardson_lucy,
    "cubic-spline": _cubic_spline,
    "none": _none,
}
