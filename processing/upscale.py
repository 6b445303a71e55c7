"""Maps onto the grid of half the pixel: old pixel i (from 0) covers new pixels 2 i and 2 i + 1."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import ndimage

from processing.errors import FrameError

FACTOR = 2
# Old pixels on either side that a new pixel is made of. The weights of a cubic spline fall by
# 2 - sqrt(3) = 0.268 a pixel (Unser 1999, IEEE Signal Process. Mag. 16, 22), so those left out sum to 4e-7.
REACH = 11
# Old rows (columns) that are doubled in one go. The matrix for more of them is mostly zeros.
BAND = 16


def upscale_cubic(image: np.ndarray) -> np.ndarray:
    """
    Double the sampling by cubic spline interpolation.

    New pixel k lies at old coordinate (k - 0.5) / 2, so that old pixel i is centred between new pixels 2 i and
    2 i + 1. These are the positions of `sunpy.map.GenericMap.resample` with ``method="spline"``, and beyond the
    border the image is mirrored about its outermost pixels as there. Its values are the same to 1e-6 of the image's
    range, except in the outermost new pixels: those lie a quarter of an old pixel outside the old centres, where
    sunpy puts zeros and this the mirrored image. The sum (flux) is four times that of the old image, but for what
    mirroring does at the border: 2e-5 of the unsigned sum at most in the field maps tried.

    Interpolation is linear in the values and separable: a band of rows is doubled by one product with a small
    matrix, the same for all bands, and then a band of columns by one with its transpose.

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
    ny, nx = image.shape
    operator = _OPERATOR.astype(np.result_type(image.dtype, np.float32))
    # numpy's "reflect" is the mirror about the centre of the outermost pixel; scipy's "reflect" is another one
    mirrored = np.pad(filled.astype(operator.dtype, copy=False), REACH, mode="reflect")
    tall = np.empty((FACTOR * ny, mirrored.shape[1]), operator.dtype)
    for band, doubled, part in _bands(ny, operator):
        np.matmul(part, mirrored[band], out=tall[doubled])
    zoomed = np.empty((FACTOR * ny, FACTOR * nx), operator.dtype)
    for band, doubled, part in _bands(nx, operator):
        np.matmul(tall[:, band], part.T, out=zoomed[:, doubled])
    if missing.any():
        zoomed[upscale_nearest(missing)] = np.nan
    return zoomed


def _bands(length: int, operator: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """For each band: where it lies with its surroundings in the mirrored image, where its result, and its matrix."""
    for start in range(0, length, BAND):
        stop = min(start + BAND, length)
        part = operator[: FACTOR * (stop - start), : stop - start + 2 * REACH]
        yield slice(start, stop + 2 * REACH), slice(FACTOR * start, FACTOR * stop), part


def upscale_maps(images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """
    `upscale_cubic` of each map of a frame, under the same names.

    Missing pixels are those of the map itself; one without a finite pixel stays without.

    One after another, since what a map needs on the way then stays in the processor's cache.
    """
    return {
        name: upscale_cubic(image) if np.isfinite(image).any() else upscale_nearest(image)
        for name, image in images.items()
    }


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


def _operator() -> np.ndarray:
    """The matrix from BAND + 2 REACH old pixels in a row to the 2 BAND new ones of its middle."""
    # The weights are the spline through a lone 1 (far from any border), seen from a quarter of a pixel after an
    # old centre; a quarter before it they are the same in reverse. Scaled so that a constant stays one.
    lone = np.zeros(8 * REACH + 1)
    lone[4 * REACH] = 1
    offsets = 0.25 - np.arange(-REACH, REACH + 1)
    after = ndimage.map_coordinates(lone, [4 * REACH + offsets], order=3, mode="mirror")
    after /= after.sum()

    operator = np.zeros((FACTOR * BAND, BAND + 2 * REACH))
    for i in range(BAND):
        operator[2 * i, i : i + after.size] = after[::-1]
        operator[2 * i + 1, i : i + after.size] = after
    return operator


_OPERATOR = _operator()
_OPERATOR.flags.writeable = False
