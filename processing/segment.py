"""Contrast to a label image: every connected dark patch that is large enough, by the method that was asked for."""

from dataclasses import dataclass

import numpy as np

from processing import stara
from processing.errors import FrameError, ParameterError
from processing.patches import label_patches
from processing.split import neighbours, split_touching

SEGMENTATIONS = ("threshold", "stara")
SPLITS = ("none", "watershed")
THRESHOLD = 0.5
# The disk rests on the brightest granules, 1.07 to 1.18 of the quiet Sun: on enhanced frames pores
# have the area that a threshold of 0.5 gives them at a depth of 0.58 to 0.67.
STARA_DEPTH = 0.6
MIN_PIXELS = 20  # of the doubled grid: 0.66 Mm2


@dataclass(frozen=True)
class Segmented:
    """
    The features of one frame. Both maps are (ny, nx).

    ``labels`` (int32) is 0 outside features and 1..n inside them. ``margin`` (float32)
    is how far a pixel is from the limit that decided, in units of the quiet Sun:
    negative where it is dark enough, NaN without data.
    """

    labels: np.ndarray
    margin: np.ndarray


def find_features(
    contrast: np.ndarray,
    *,
    pixel_side_mm: float,
    method: str = "threshold",
    threshold: float = THRESHOLD,
    stara_depth: float = STARA_DEPTH,
    split: str = "none",
    min_pixels: int = MIN_PIXELS,
    connectivity: int = 4,
) -> Segmented:
    """
    Find the pores of one frame.

    Parameters
    ----------
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity over the quiet-Sun level, limb darkening removed;
        dimensionless. NaN marks pixels without data, which are never dark.
    pixel_side_mm : float
        Side of a pixel on the Sun, Mm; the size of STARA's disk depends on it.
    method : {"threshold", "stara"}
        "threshold": a pixel is dark when its contrast is below ``threshold``; "stara":
        when it is deeper than ``stara_depth`` below its surroundings, which need not be
        level (see `processing.stara`).
    threshold, stara_depth : float
        In units of the quiet Sun; the one of the other method is not used.
    split : {"none", "watershed"}
        "watershed": a patch with several dark cores is split between them.
    min_pixels : int
        Smallest patch, and smallest part of a split one, in pixels of this grid.
    connectivity : {4, 8}
        4: pixels are neighbours when their sides touch; 8: when corners do.

    Raises
    ------
    FrameError
        If ``contrast`` is not two-dimensional or has no finite pixel.
    ParameterError
        If ``method``, ``split`` or ``connectivity`` is not one of those above, or a
        pixel is not smaller than STARA's disk.
    """
    if method not in SEGMENTATIONS:
        raise ParameterError(f"method must be one of {', '.join(SEGMENTATIONS)}, not {method!r}")
    if split not in SPLITS:
        raise ParameterError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    if method == "stara":
        margin = stara_depth - stara.stara_depth(contrast, pixel_side_mm=pixel_side_mm)
    else:
        margin = contrast - threshold
    labels = label_pores(margin, threshold=0, min_pixels=min_pixels, connectivity=connectivity)
    if split == "watershed":
        labels = split_touching(labels, contrast, min_pixels=min_pixels, connectivity=connectivity)
    return Segmented(labels, margin.astype(np.float32))


def label_pores(
    contrast: np.ndarray, *, threshold: float = THRESHOLD, min_pixels: int = MIN_PIXELS, connectivity: int = 4
) -> np.ndarray:
    """
    Label each connected dark patch that is large enough to be a pore.

    Parameters
    ----------
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity over the quiet-Sun level, limb darkening removed;
        dimensionless. NaN marks pixels without data, which are never dark.
    threshold : float
        A pixel is dark when its contrast is below this.
    min_pixels : int
        Smallest patch kept, in pixels of this grid.
    connectivity : {4, 8}
        4: pixels are neighbours when their sides touch; 8: when corners do.

    Returns
    -------
    labels : `~numpy.ndarray` of int32, shape (ny, nx)
        0 outside pores, 1..n inside them; all zeros when there are none.

    Raises
    ------
    FrameError
        If ``contrast`` is not two-dimensional or has no finite pixel.
    ParameterError
        If ``connectivity`` is neither 4 nor 8.
    """
    neighbours(connectivity)
    if contrast.ndim != 2:
        raise FrameError(f"need a two-dimensional frame, got shape {contrast.shape}")
    dark = contrast < threshold  # NaN compares as False
    labels = label_patches(dark, min_pixels=min_pixels, connectivity=connectivity)
    if not labels.any() and not np.isfinite(contrast).any():
        raise FrameError("the frame has no finite pixel")
    return labels
