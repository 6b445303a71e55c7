"""Maps onto the grid of half the pixel: old pixel i (from 0) covers new pixels 2 i and 2 i + 1."""

import numpy as np
from scipy import ndimage

from processing.errors import FrameError

FACTOR = 2


def upscale_cubic(image: np.ndarray) -> np.ndarray:
    """
    Double the sampling by cubic spline interpolation.

    New pixel k lies at old coordinate (k - 0.5) / 2, so that old pixel i is centred
    between new pixels 2 i and 2 i + 1. Beyond the border the image is mirrored, which
    leaves no ring of zeros.

    Parameters
    ----------
    image : `~numpy.ndarray`, shape (ny, nx)
        NaN marks pixels without data. They are filled from the nearest finite pixel
        for the interpolation and are NaN again in their four new pixels.

    Returns
    -------
    `~numpy.ndarray`, shape (2 ny, 2 nx), of the input's floating type

    Raises
    ------
    FrameError
        If the image is not two-dimensional or has no finite pixel.
    """
    filled, missing = fill_missing(image)
    rows = (np.arange(FACTOR * image.shape[0]) - 0.5) / FACTOR
    cols = (np.arange(FACTOR * image.shape[1]) - 0.5) / FACTOR
    # "reflect" mirrors about the edge of the outermost pixel, as for a patch that goes on
    spline = ndimage.spline_filter(filled.astype(np.float64), order=3, mode="reflect")
    zoomed = ndimage.map_coordinates(
        spline, np.meshgrid(rows, cols, indexing="ij"), order=3, mode="reflect", prefilter=False
    ).astype(np.result_type(image.dtype, np.float32), copy=False)
    if missing.any():
        zoomed[upscale_nearest(missing)] = np.nan
    return zoomed


def upscale_nearest(image: np.ndarray) -> np.ndarray:
    """Repeat each pixel of a (ny, nx) map or bitmap into its four new pixels."""
    return np.repeat(np.repeat(image, FACTOR, axis=0), FACTOR, axis=1)


def fill_missing(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image with each NaN replaced by its nearest finite pixel, and where they were."""
    if image.ndim != 2:
        raise FrameError(f"need a two-dimensional image, got shape {image.shape}")
    missing = ~np.isfinite(image)
    if missing.all():
        raise FrameError("the image has no finite pixel")
    if not missing.any():
        return image, missing
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return image[tuple(nearest)], missing
