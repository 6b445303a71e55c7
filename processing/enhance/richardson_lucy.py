"""The classical deconvolution: Richardson-Lucy on the spline-doubled frame, with the same optics as the network's."""

import numpy as np
from scipy import fft

from processing.enhance import optics
from processing.upscale import upscale_cubic

_MARGIN = 24  # new pixels, 6 arcsec: the optics reach little farther


def richardson_lucy(contrast: np.ndarray, *, iterations: int) -> np.ndarray:
    """
    Deconvolve a finite frame (ny, nx); returns (2 ny, 2 nx) float32.

    The frame is mirrored at its border: zeros from beyond would eat into it with every iteration.
    """
    doubled = np.clip(upscale_cubic(contrast), 1e-3, None)
    ny, nx = doubled.shape
    rows, cols = (fft.next_fast_len(n + 2 * _MARGIN, real=True) for n in (ny, nx))
    ends = ((_MARGIN, rows - ny - _MARGIN), (_MARGIN, cols - nx - _MARGIN))
    seen = np.pad(doubled, ends, mode="symmetric").astype(np.float32)
    transfer = optics.hmi_transfer_on_sharp_grid((rows, cols)).astype(np.float32)

    def blurred(image: np.ndarray) -> np.ndarray:
        return fft.irfft2(fft.rfft2(image) * transfer, s=image.shape)

    sharp = np.full_like(seen, 0.5)
    for _ in range(iterations):
        # the optics are symmetric, so that blurring is its own transpose
        sharp *= np.maximum(blurred(seen / np.maximum(blurred(sharp), 1e-3)), 0)
    return sharp[_MARGIN : _MARGIN + ny, _MARGIN : _MARGIN + nx]
