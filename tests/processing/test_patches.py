"""Connected patches by runs, against scipy's labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st
from scipy import ndimage

from processing.patches import label_patches

MASKS = numpy_st.arrays(bool, numpy_st.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))


@given(mask=MASKS, connectivity=st.sampled_from([4, 8]))
def test_the_labels_are_scipys(mask, connectivity):
    expected, _ = ndimage.label(mask, ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2))
    labels = label_patches(mask, connectivity=connectivity)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)


@given(mask=MASKS, min_pixels=st.integers(1, 12), connectivity=st.sampled_from([4, 8]))
def test_small_patches_go_and_the_rest_is_numbered_on(mask, min_pixels, connectivity):
    every = label_patches(mask, connectivity=connectivity)
    size = np.bincount(every.ravel())
    wanted = np.isin(every, [k for k in range(1, len(size)) if size[k] >= min_pixels])
    labels = label_patches(mask, min_pixels=min_pixels, connectivity=connectivity)
    np.testing.assert_array_equal(labels > 0, wanted)
    numbers = labels[labels > 0]
    assert set(numbers) == set(range(1, labels.max() + 1))
    firsts = [np.flatnonzero(labels.ravel() == k)[0] for k in range(1, labels.max() + 1)]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize(("connectivity", "n"), [(4, 2), (8, 1)])
def test_the_end_of_a_row_is_no_neighbour_of_the_next_rows_beginning(connectivity, n):
    mask = np.zeros((3, 4), bool)
    mask[0, 3] = mask[1, 0] = True
    assert label_patches(mask, connectivity=connectivity).max() == 2  # whatever the connectivity
    mask[:] = False
    mask[0, 2] = mask[1, 3] = True
    assert label_patches(mask, connectivity=connectivity).max() == n
