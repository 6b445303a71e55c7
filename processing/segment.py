"""Contrast to a label image: every connected dark patch that is large enough."""

import numpy as np
from scipy import ndimage

from processing.errors import FrameError, ParameterError

_NEIGHBOURS = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def label_pores(
    contrast: np.ndarray, *, threshold: float = 0.5, min_pixels: int = 20, connectivity: int = 4
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
    if contrast.ndim != 2 or not np.isfinite(contrast).any():
        raise FrameError(f"need a two-dimensional frame with finite pixels, got shape {contrast.shape}")
    if connectivity not in _NEIGHBOURS:
        raise ParameterError(f"connectivity must be 4 or 8, not {connectivity}")
    labels, n_labels = ndimage.label(contrast < threshold, structure=_NEIGHBOURS[connectivity])  # NaN compares as False
    kept = np.bincount(labels.ravel(), minlength=n_labels + 1) >= min_pixels
    kept[0] = False  # label 0 is everything outside
    new_label = np.cumsum(kept, dtype=np.int32) * kept
    return new_label[labels].astype(np.int32)
