"""Umbrae that touch, told apart along the brighter ground between them."""

import numpy as np
from scipy import ndimage

from processing.errors import ParameterError

_NEIGHBOURS = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}
SADDLE = 0.1
SMOOTHING_PIXELS = 1.0  # a FWHM of 0.6 arcsec on the doubled grid: blurs less than HMI does


def neighbours(connectivity: int) -> np.ndarray:
    """Which pixels of a 3 x 3 square are neighbours of its centre; ParameterError unless 4 or 8 are."""
    if connectivity not in _NEIGHBOURS:
        raise ParameterError(f"connectivity must be 4 or 8, not {connectivity}")
    return _NEIGHBOURS[connectivity]


def split_touching(
    labels: np.ndarray,
    contrast: np.ndarray,
    *,
    saddle: float = SADDLE,
    smoothing_pixels: float = SMOOTHING_PIXELS,
    min_pixels: int = 20,
    connectivity: int = 4,
) -> np.ndarray:
    """
    Split each label that has several dark cores by a watershed of the contrast.

    A core is a minimum of the smoothed contrast that can only be left for a darker one
    by climbing more than ``saddle``. Noise in an umbra is far shallower; an umbral dot
    is a bright point that the dark goes round, not a ridge across it, so neither splits.
    A neck as dark as the cores it joins does not either: that is one long pore.

    Parameters
    ----------
    labels : `~numpy.ndarray` of int, shape (ny, nx)
        0 outside, 1..n inside; no two of them are neighbours.
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity over the quiet-Sun level; finite inside labels.
    saddle : float
        In units of the quiet Sun. The default is a fifth of the depth at which a pore
        begins, and six times the ripple in the umbrae of sharpened frames, 0.011 to 0.016.
    smoothing_pixels : float
        Sigma of the Gaussian that is applied first; 0 for none. Missing pixels count as quiet Sun.
    min_pixels : int
        Smallest part: a smaller one is shared among those it touches. When none of a
        label's parts is as large, the largest takes all, and the label is whole again.
    connectivity : {4, 8}
        That of ``labels``.

    Returns
    -------
    parts : `~numpy.ndarray` of int32, shape (ny, nx)
        0 exactly where ``labels`` is 0; 1..n inside, in the order of their first pixels.

    Raises
    ------
    ParameterError
        If ``saddle`` is not positive, or ``connectivity`` is neither 4 nor 8.
    """
    structure = neighbours(connectivity)
    if not saddle > 0:
        raise ParameterError(f"saddle must be positive, not {saddle:g}")
    parts = np.zeros(labels.shape, dtype=np.int32)
    if not labels.any():
        return parts
    smooth = ndimage.gaussian_filter(np.where(np.isfinite(contrast), contrast, 1), smoothing_pixels)
    window = _occupied(labels > 0)
    labels, ground = (np.pad(image[window], 1) for image in (labels, smooth.astype(np.float32)))
    inside = labels > 0
    ground[~inside] = ground[inside].max() + saddle + 1  # no core drains through the quiet Sun

    cores, n_cores = _cores(ground, saddle, structure)
    basins = _flooded(ground, cores, inside, structure)
    kept = _kept_cores(basins, labels, n_cores, min_pixels)
    if not kept[1:].all():
        basins = _flooded(ground, np.where(kept[cores], cores, 0), inside, structure)
    parts[window] = _numbered(basins)[1:-1, 1:-1]
    return parts


def _occupied(inside: np.ndarray) -> tuple[np.ndarray, ...]:
    """
    The rows and columns with a label, and those next to them, as an index.

    Pores cover little of a patch: leaving out what is empty makes the rest several times
    faster, and one empty row or column between two labels keeps them apart as well as many.
    """
    rows, cols = (ndimage.binary_dilation(inside.max(axis=axis)) for axis in (1, 0))
    return np.ix_(rows, cols)


def _cores(ground: np.ndarray, saddle: float, structure: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the minima that are left when all that are no deeper than ``saddle`` are filled; at least one a label."""
    from skimage.morphology import local_minima, reconstruction  # 0.1 s, and most runs split nothing

    filled = reconstruction(ground + np.float32(saddle), ground, method="erosion", footprint=structure)
    lowest = local_minima(filled, footprint=structure)
    return ndimage.label(lowest, structure=structure)


def _flooded(ground: np.ndarray, cores: np.ndarray, inside: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Each pixel inside a label gets the number of the core that it drains to."""
    from skimage.segmentation import watershed

    return watershed(ground, cores, mask=inside, connectivity=structure)


def _kept_cores(basins: np.ndarray, labels: np.ndarray, n_cores: int, min_pixels: int) -> np.ndarray:
    """Whether the basin of core 0..n is large enough, or the largest of its label; 0 is no core."""
    sizes = np.bincount(basins.ravel(), minlength=n_cores + 1)
    kept = sizes >= min_pixels
    label_of = np.zeros(n_cores + 1, dtype=labels.dtype)
    label_of[basins] = labels
    by_label = np.lexsort((-sizes, label_of))
    _, largest = np.unique(label_of[by_label], return_index=True)
    kept[by_label[largest]] = True
    return kept


def _numbered(basins: np.ndarray) -> np.ndarray:
    """The same basins as 1..n in the order of their first pixels, 0 staying 0."""
    numbers, first = np.unique(basins[basins > 0], return_index=True)
    ranks = np.zeros(basins.max() + 1, dtype=np.int32)
    ranks[numbers] = 1 + np.argsort(np.argsort(first))
    return ranks[basins]
