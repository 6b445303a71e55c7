"""Maps onto the grid of half the pixel: old pixel i (from 0) covers new pixels 2 i and 2 i + 1."""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from processing.errors import FrameError

FACTOR = 2
# Old pixels on either side that a new pixel is made of. The weights of a cubic spline fall by
# 2 - sqrt(3) = 0.268 a pixel (Unser 1999, IEEE Signal Process. Mag. 16, 22), so those left out sum to 1e-7.
REACH = 12
# Old pixels a side of the tile that is doubled in one go: small enough for the processor's cache, and for BLAS
# not to share out its products among threads, which would wait for each other on a busy machine.
TILE = 32


def upscale_cubic(image: np.ndarray) -> np.ndarray:
    """
    Double the sampling by cubic spline interpolation.

    New pixel k lies at old coordinate (k - 0.5) / 2, so that old pixel i is centred between new pixels 2 i and
    2 i + 1. These are the positions of `sunpy.map.GenericMap.resample` with ``method="spline"``, and beyond the
    border the image is mirrored about its outermost pixels as there. Its values are the same to 1e-6 of the image's
    range, except in the outermost new pixels: those lie a quarter of an old pixel outside the old centres, where
    sunpy puts zeros and this the mirrored image. The sum (flux) is four times that of the old image, but for what
    mirroring does at the border: 2e-5 of the unsigned sum at most in the field maps tried.

    Interpolation is linear in the values and separable, so a tile of the result is
    ``operator @ tile @ operator.T`` with one small matrix for all tiles.

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
    beyond = [(REACH, REACH + -n % TILE) for n in (ny, nx)]  # to whole tiles
    # numpy's "reflect" is the mirror about the centre of the outermost pixel; scipy's "reflect" is another one
    mirrored = np.pad(filled.astype(operator.dtype, copy=False), beyond, mode="reflect")
    tiles = sliding_window_view(mirrored, (TILE + 2 * REACH,) * 2)[::TILE, ::TILE]

    side = FACTOR * TILE
    rows, cols = tiles.shape[:2]
    zoomed = np.empty((rows, side, cols, side), operator.dtype)
    np.matmul(operator @ tiles, operator.T, out=zoomed.swapaxes(1, 2))
    zoomed = np.ascontiguousarray(zoomed.reshape(rows * side, cols * side)[: FACTOR * ny, : FACTOR * nx])
    if missing.any():
        zoomed[upscale_nearest(missing)] = np.nan
    return zoomed


def upscale_maps(images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """
    `upscale_cubic` of each map of a frame, under the same names; missing pixels are those of the map itself.

    One after another, since what a map needs on the way then stays in the processor's cache.
    """
    return {name: upscale_cubic(image) for name, image in images.items()}


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
    """The matrix from TILE + 2 REACH old pixels in a row to the 2 TILE new ones of its middle."""
    # The weights are the spline through a lone 1 (far from any border), seen from a quarter of a pixel after an
    # old centre; a quarter before it they are the same in reverse. Scaled so that a constant stays one.
    lone = np.zeros(8 * REACH + 1)
    lone[4 * REACH] = 1
    offsets = 0.25 - np.arange(-REACH, REACH + 1)
    after = ndimage.map_coordinates(lone, [4 * REACH + offsets], order=3, mode="mirror")
    after /= after.sum()

    operator = np.zeros((FACTOR * TILE, TILE + 2 * REACH))
    for i in range(TILE):
        operator[2 * i, i : i + after.size] = after[::-1]
        operator[2 * i + 1, i : i + after.size] = after
    return operator


_OPERATOR = _operator()
_OPERATOR.flags.writeable = False
