"""How far each pixel lies below its surroundings: the top-hat of STARA, exact and in running maxima."""

import math

import numpy as np
from scipy import ndimage

from processing.errors import ParameterError
from processing.upscale import fill_missing

# sunkit-image's structuring disk is 100 arcsec across (its ``circle_radius`` is halved before use);
# 50 arcsec at 0.7253 Mm each. It must be wider than any dark area, penumbra included: a narrower
# disk sinks into a large spot and hollows it out.
DISK_RADIUS_MM = 36.3
# sunkit-image's median box of 10 arcsec is 40 pixels of the doubled grid and wipes out every pore.
# Even the smallest, 3 x 3, takes the corners off a pore of 20 pixels and leaves 16; and what it is
# for, hot pixels, the 12-minute averages do not have. So none is the default.
MEDIAN_MM = 0.0


def stara_depth(
    contrast: np.ndarray,
    *,
    pixel_side_mm: float,
    disk_radius_mm: float = DISK_RADIUS_MM,
    median_mm: float = MEDIAN_MM,
) -> np.ndarray:
    """
    Depth of each pixel below the surface that a disk can reach from above.

    The Sunspot Tracking And Recognition Algorithm [1]_: a median filter, then the
    top-hat of the inverted image with a flat disk. A pixel is part of a spot where the
    depth is above a limit. For the same disk and box in pixels the depths are those
    that ``sunkit_image.stara.stara`` compares with its threshold, bit for bit.

    Parameters
    ----------
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity over the quiet-Sun level, limb darkening removed;
        dimensionless. NaN marks pixels without data, which are no one's surroundings.
    pixel_side_mm : float
        Side of a pixel on the Sun, Mm.
    disk_radius_mm : float
        Radius of the disk, Mm, rounded to whole pixels.
    median_mm : float
        Side of the median filter's box, Mm, rounded to an odd number of pixels, so that
        it does not shift the image; under two pixels there is no median.

    Returns
    -------
    depth : `~numpy.ndarray` of float32, shape (ny, nx)
        In units of the quiet Sun, never negative; NaN without data.

    Raises
    ------
    FrameError
        If ``contrast`` is not two-dimensional or has no finite pixel.
    ParameterError
        If a length has no meaning, or the disk's radius is less than a pixel.

    References
    ----------
    .. [1] Watson, F. T., Fletcher, L. & Marshall, S. 2011, A&A 533, A14
    """
    if not 0 < pixel_side_mm < math.inf:
        raise ParameterError(f"pixel_side_mm must be positive, not {pixel_side_mm:g}")
    if not 0 <= median_mm < math.inf:
        raise ParameterError(f"median_mm must be a length or 0, not {median_mm:g}")
    if not pixel_side_mm <= disk_radius_mm < math.inf:
        raise ParameterError(f"disk_radius_mm must be at least a pixel's {pixel_side_mm:g}, not {disk_radius_mm:g}")
    radius = round(disk_radius_mm / pixel_side_mm)
    box = 2 * round((median_mm / pixel_side_mm - 1) / 2) + 1

    filled, missing = fill_missing(contrast.astype(np.float32))
    inverted = 1 - filled  # rounds as sunkit-image does
    if box > 1:
        inverted = ndimage.median_filter(inverted, size=box, mode="nearest")
    depth = inverted - _opened(inverted, missing, radius)
    depth[missing] = np.nan
    return depth


def _opened(image: np.ndarray, missing: np.ndarray, radius: int) -> np.ndarray:
    """Grey-scale opening by a disk that sees only the pixels with data: the minimum, then its maximum."""
    low = -_disk_maximum(np.where(missing, -np.inf, -image), radius)
    low[missing] = -np.inf
    return _disk_maximum(low, radius)


def _disk_maximum(image: np.ndarray, radius: int) -> np.ndarray:
    """
    Largest value within ``radius`` pixels of each pixel.

    The disk is a stack of horizontal chords, the same above and below its centre. From
    its pole to its equator they only grow, so each row's running maximum is made from
    the last one's by two shifts: work grows with the radius, not with the disk's area.
    What lies beyond the border is ignored, which for a disk is the same as mirroring.
    """
    highest = np.full_like(image, -np.inf)
    chord, reach = image, 0  # the maximum over [-reach, reach] along a row
    for dy in range(min(radius, len(image) - 1), -1, -1):
        wanted = math.isqrt(radius**2 - dy**2)
        while reach < wanted:
            step = min(wanted - reach, reach + 1)  # any farther would leave pixels unseen at the border
            wider = chord.copy()
            np.maximum(wider[:, step:], chord[:, :-step], out=wider[:, step:])
            np.maximum(wider[:, :-step], chord[:, step:], out=wider[:, :-step])
            chord, reach = wider, reach + step
        above, below = slice(None, len(image) - dy), slice(dy, None)
        np.maximum(highest[below], chord[above], out=highest[below])
        np.maximum(highest[above], chord[below], out=highest[above])
    return highest
