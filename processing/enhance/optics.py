"""What HMI's optics and pixels do to a scene, and what a telescope of twice its aperture would: transfer functions."""

import numpy as np

from processing.geometry import ARCSEC_PER_RAD

WAVELENGTH_M = 6173e-10  # Fe I 6173 A, HMI's line
HMI_APERTURE_M = 0.14
HMI_PIXEL_ARCSEC = 0.504  # Schou et al. 2012, Sol. Phys. 275, 229
MM_PER_ARCSEC = 0.7253  # on the Sun at disk centre, from 1 au
SHARP_APERTURE_M = 2 * HMI_APERTURE_M
SHARP_PIXEL_ARCSEC = HMI_PIXEL_ARCSEC / 2

# HMI is blurrier than the diffraction of its aperture. A further Gaussian of 0.25 arcsec gives the width of the
# core that Venus in transit shows (Yeo et al. 2014, A&A 561, A22: FWHM 1.15 arcsec; this 1.12), and 4 % of the
# light is scattered over a few arcsec. Both are on the cautious side of that PSF, see docs/network.md.
EXCESS_SIGMA_ARCSEC = 0.25
SCATTERED_FRACTION = 0.04
SCATTERED_SIGMA_ARCSEC = 2.1


def diffraction(frequency: np.ndarray, aperture_m: float) -> np.ndarray:
    """Modulation transfer of a clear circular aperture; ``frequency`` in cycles per arcsec."""
    cutoff = aperture_m / WAVELENGTH_M / ARCSEC_PER_RAD
    x = np.clip(np.abs(frequency) / cutoff, 0, 1)
    return 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2))


def gaussian(frequency: np.ndarray, sigma_arcsec: float) -> np.ndarray:
    """Transfer of a Gaussian of that standard deviation."""
    return np.exp(-2 * (np.pi * sigma_arcsec * frequency) ** 2)


def hmi_transfer(frequency: np.ndarray) -> np.ndarray:
    """HMI's optics, without its pixel: diffraction, measured excess, scattered light."""
    core = diffraction(frequency, HMI_APERTURE_M) * gaussian(frequency, EXCESS_SIGMA_ARCSEC)
    return core * (1 - SCATTERED_FRACTION + SCATTERED_FRACTION * gaussian(frequency, SCATTERED_SIGMA_ARCSEC))


def sharp_transfer(frequency: np.ndarray) -> np.ndarray:
    """A telescope of twice HMI's aperture, limited by diffraction alone; without its pixel."""
    return diffraction(frequency, SHARP_APERTURE_M)


def frequencies(shape: tuple[int, int], pixel_arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies along rows (ny, 1) and columns (1, nx // 2 + 1) of `numpy.fft.rfft2`, in cycles per arcsec."""
    return np.fft.fftfreq(shape[0], pixel_arcsec)[:, None], np.fft.rfftfreq(shape[1], pixel_arcsec)[None, :]


def hmi_transfer_on_sharp_grid(shape: tuple[int, int], pixel_arcsec: float = SHARP_PIXEL_ARCSEC) -> np.ndarray:
    """
    HMI's optics and pixel together, for `numpy.fft.rfft2` of an image on the doubled grid.

    Returns
    -------
    `~numpy.ndarray`, shape (ny, nx // 2 + 1)
        1.0 at zero frequency: the mean is kept.
    """
    along_rows, along_cols = frequencies(shape, pixel_arcsec)
    pixel = np.sinc(along_rows * 2 * pixel_arcsec) * np.sinc(along_cols * 2 * pixel_arcsec)
    return hmi_transfer(np.hypot(along_rows, along_cols)) * pixel
