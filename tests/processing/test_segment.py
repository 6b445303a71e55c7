"""What counts as a pore, with scikit-image as the second opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from skimage.segmentation import relabel_sequential

from processing.errors import FrameError, ParameterError
from processing.segment import label_pores
from tests.processing.drawing import SHAPE, draw

contrasts = arrays(np.float64, (12, 14), elements=st.sampled_from([0.2, 0.49, 0.5, 0.51, 1.0, np.nan])).filter(
    lambda contrast: np.isfinite(contrast).any()
)


@pytest.mark.parametrize(("min_pixels", "n_pores"), [(48, 1), (49, 1), (50, 0)], ids=["larger", "just", "too small"])
def test_small_patches_are_dropped(min_pixels, n_pores):
    contrast = draw([])
    contrast[10:17, 20:27] = 0.3  # 49 pixels
    assert label_pores(contrast, min_pixels=min_pixels).max() == n_pores


@pytest.mark.parametrize(("connectivity", "n_pores"), [(4, 2), (8, 1)])
def test_corners_touch_when_asked_to(connectivity, n_pores):
    contrast = draw([])
    contrast[10:15, 10:15] = contrast[15:20, 15:20] = 0.3
    assert label_pores(contrast, connectivity=connectivity).max() == n_pores


@pytest.mark.parametrize(("level", "n_pores"), [(0.599, 1), (0.6, 0)])
def test_dark_is_below_the_threshold(level, n_pores):
    assert label_pores(draw([(30, 30, 5)], contrast=level), threshold=0.6).max() == n_pores


def test_missing_pixels_are_never_dark():
    contrast = draw([(30, 30, 6)])
    contrast[28:33, 28:33] = np.nan
    labels = label_pores(contrast)
    assert (labels[np.isnan(contrast)] == 0).all()
    assert labels.max() == 1
    contrast[contrast < 0.5] = np.nan
    assert label_pores(contrast).max() == 0


@pytest.mark.parametrize("disks", [[], [(30, 30, 1.0)], [(20, 20, 6), (40, 70, 9)]], ids=["none", "small", "two"])
def test_nothing_found_has_the_same_type_as_found(disks):
    contrast = draw(disks)
    before = contrast.copy()
    labels = label_pores(contrast)
    assert labels.dtype == np.int32
    assert labels.shape == SHAPE
    np.testing.assert_array_equal(contrast, before)


@given(contrasts, st.sampled_from([4, 8]), st.integers(1, 12))
def test_it_agrees_with_scikit_image(contrast, connectivity, min_pixels):
    labels = label_pores(contrast, min_pixels=min_pixels, connectivity=connectivity)
    expected = label(contrast < 0.5, connectivity={4: 1, 8: 2}[connectivity])
    small = np.bincount(expected.ravel()) < min_pixels
    expected[small[expected]] = 0
    expected = relabel_sequential(expected)[0]
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))  # no hole in the numbering
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("contrast", [np.ones(8), np.ones((2, 8, 8)), np.full((8, 8), np.nan), np.zeros((0, 8))])
def test_it_needs_an_image(contrast):
    with pytest.raises(FrameError, match="two-dimensional"):
        label_pores(contrast)


@pytest.mark.parametrize("connectivity", [0, 1, 6])
def test_it_knows_two_kinds_of_neighbour(connectivity):
    with pytest.raises(ParameterError, match="connectivity"):
        label_pores(draw([]), connectivity=connectivity)
