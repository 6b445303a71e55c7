"""What counts as a pore, with scikit-image as the second opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import relabel_sequential

from processing.errors import FrameError, ParameterError
from processing.segment import SEGMENTATIONS, SPLITS, find_features, label_pores
from processing.split import SADDLE, split_touching
from processing.stara import stara_depth
from tests.processing.drawing import SHAPE, Disk, draw

contrasts = arrays(np.float64, (12, 14), elements=st.sampled_from([0.2, 0.49, 0.5, 0.51, 1.0, np.nan])).filter(
    lambda contrast: np.isfinite(contrast).any()
)
ways = {"method": st.sampled_from(SEGMENTATIONS), "split": st.sampled_from(SPLITS)}


def mottled(seed: int) -> np.ndarray:
    """Dark and bright blobs a few pixels wide, without data in one corner."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((40, 50)), 2.0)
    contrast = (0.6 + 0.25 * noise / noise.std()).astype(np.float32)
    contrast[:9, :13] = np.nan
    return contrast


def blurred(disks: list[Disk]) -> np.ndarray:
    """Disks as a telescope shows them."""
    return ndimage.gaussian_filter(draw(disks), 1.7)


TWINS: list[Disk] = [(30, 28, 8), (30, 43, 7)]  # touching in columns 35 and 36


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
    with pytest.raises(FrameError, match=r"two-dimensional|no finite pixel"):
        label_pores(contrast)


@pytest.mark.parametrize("connectivity", [0, 1, 6])
def test_it_knows_two_kinds_of_neighbour(connectivity):
    with pytest.raises(ParameterError, match="connectivity"):
        label_pores(draw([]), connectivity=connectivity)


@given(seed=st.integers(0, 10_000), connectivity=st.sampled_from([4, 8]), min_pixels=st.integers(1, 60), **ways)
def test_what_holds_for_every_way_of_finding(seed, connectivity, min_pixels, method, split):
    contrast = mottled(seed)
    found = find_features(
        contrast, pixel_side_mm=2, method=method, split=split, min_pixels=min_pixels, connectivity=connectivity
    )
    labels, margin = found.labels, found.margin
    assert (labels.dtype, labels.shape) == (np.int32, contrast.shape)
    assert (margin.dtype, margin.shape) == (np.float32, contrast.shape)
    np.testing.assert_array_equal(np.isnan(margin), np.isnan(contrast))
    assert (margin[labels > 0] < 0).all()  # so none without data either

    sizes = np.bincount(labels.ravel())[1:]
    assert (sizes >= min_pixels).all()  # of each of 1..n: no number is left out
    _, first = np.unique(labels[labels > 0], return_index=True)
    assert (np.diff(first) > 0).all()  # in the order of their first pixels

    whole = find_features(
        contrast, pixel_side_mm=2, method=method, min_pixels=min_pixels, connectivity=connectivity
    ).labels
    np.testing.assert_array_equal(labels > 0, whole > 0)
    assert labels.max() >= whole.max()
    owners = np.unique(np.stack([labels, whole])[:, labels > 0], axis=1)
    assert len(owners[0]) == labels.max()  # no part lies in two labels


@given(st.integers(0, 10_000), st.sampled_from([4, 8]))
def test_parts_are_connected(seed, connectivity):
    contrast = mottled(seed)
    labels = label_pores(contrast, threshold=0.6, connectivity=connectivity)
    parts = split_touching(labels, contrast, connectivity=connectivity, min_pixels=12)
    for part in range(1, parts.max() + 1):
        assert label(parts == part, connectivity={4: 1, 8: 2}[connectivity]).max() == 1


def test_the_plain_threshold_is_the_default():
    contrast = mottled(1).astype(np.float64)
    found = find_features(contrast, pixel_side_mm=0.18, threshold=0.45)
    np.testing.assert_array_equal(found.labels, label_pores(contrast, threshold=0.45))
    assert found.margin.dtype == np.float32
    np.testing.assert_allclose(found.margin, contrast - 0.45, atol=1e-7)
    assert found.labels.max() > 2


def test_stara_measures_from_the_surroundings():
    contrast = draw([(20, 30, 6), (44, 70, 4)], contrast=0.35) * np.linspace(0.7, 1.2, SHAPE[1])
    found = find_features(contrast, pixel_side_mm=2, method="stara", stara_depth=0.4)
    np.testing.assert_allclose(found.margin, 0.4 - stara_depth(contrast, pixel_side_mm=2), atol=1e-6)
    np.testing.assert_array_equal(found.labels > 0, draw([(20, 30, 6), (44, 70, 4)]) < 1)
    assert found.labels.max() == 2


@pytest.mark.parametrize(
    ("choice", "named"), [({"method": "otsu"}, "method"), ({"split": "yes"}, "split"), ({"connectivity": 6}, "connect")]
)
def test_it_knows_its_choices(choice, named):
    with pytest.raises(ParameterError, match=named):
        find_features(draw([]), pixel_side_mm=0.18, **choice)


@pytest.mark.parametrize("method", SEGMENTATIONS)
@pytest.mark.parametrize("contrast", [np.ones(8), np.full((8, 8), np.nan)], ids=["1-d", "no data"])
def test_finding_needs_an_image(contrast, method):
    with pytest.raises(FrameError):
        find_features(contrast, pixel_side_mm=0.18, method=method)


@pytest.mark.parametrize("method", SEGMENTATIONS)
def test_two_pores_that_touch_are_split_at_the_neck(method):
    contrast = blurred(TWINS)
    settings = {"pixel_side_mm": 2, "method": method, "stara_depth": 0.5}
    whole = find_features(contrast, **settings).labels
    parts = find_features(contrast, split="watershed", **settings).labels
    assert (whole.max(), parts.max()) == (1, 2)
    np.testing.assert_array_equal(parts > 0, whole > 0)
    left, right = (np.nonzero(parts == part)[1] for part in (1, 2))
    assert left.max() <= 37
    assert right.min() >= 36


@pytest.mark.parametrize("seed", range(10))
def test_noise_does_not_split_a_pore(seed):
    contrast = blurred([(30, 48, 12)]) + np.random.default_rng(seed).normal(0, 0.05, SHAPE)
    labels = label_pores(contrast)
    assert split_touching(labels, contrast).max() == labels.max() == 1
    assert split_touching(labels, contrast, smoothing_pixels=0).max() > 1


def test_umbral_dots_do_not_split_an_umbra():
    rows, cols = np.indices(SHAPE)
    contrast = blurred([(32, 48, 20)])
    for row, col in [(26, 40), (32, 48), (38, 41), (25, 55), (40, 54), (32, 36), (33, 60)]:
        contrast += 0.3 * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * 1.5**2))
    labels = label_pores(contrast)
    assert ndimage.binary_fill_holes(labels > 0).sum() > (labels > 0).sum()  # some reach above the threshold
    assert split_touching(labels, contrast).max() == 1


def test_a_pore_may_fill_the_frame():
    contrast = np.full((10, 12), 0.3)
    assert (split_touching(label_pores(contrast), contrast) == 1).all()


@pytest.mark.parametrize(("bridge", "n_parts"), [(0.34, 1), (0.36, 2)], ids=["lower", "higher"])
def test_the_saddle_is_measured_from_the_shallower_core(bridge, n_parts):
    contrast = draw([])
    contrast[20:30, 20:30], contrast[20:30, 30:32], contrast[20:30, 32:42] = 0.15, bridge, 0.25
    parts = split_touching(label_pores(contrast), contrast, smoothing_pixels=0)
    assert SADDLE == 0.1
    assert parts.max() == n_parts


def test_a_neck_as_dark_as_the_cores_is_no_saddle():
    contrast = draw(TWINS)
    assert split_touching(label_pores(contrast), contrast, smoothing_pixels=0).max() == 1


def three_in_a_row(width: int) -> np.ndarray:
    """Two squares of 100 pixels and between them, behind bridges one pixel wide, one of 10 x ``width``."""
    contrast = draw([])
    contrast[20:30, 20 : 32 + width] = 0.2
    contrast[20:30, 30 : 42 + width : 1 + width] = 0.4
    contrast[20:30, 32 + width : 42 + width] = 0.2
    return contrast


@pytest.mark.parametrize(("width", "sizes"), [(6, [105, 70, 105]), (1, [115, 115])], ids=["large enough", "too small"])
def test_a_part_too_small_is_shared(width, sizes):
    contrast = three_in_a_row(width)
    parts = split_touching(label_pores(contrast), contrast, smoothing_pixels=0, min_pixels=35)
    assert np.bincount(parts.ravel())[1:].sum() == (contrast < 0.5).sum()
    assert parts.max() == len(sizes)
    np.testing.assert_allclose(np.bincount(parts.ravel())[1:], sizes, atol=15)


def test_parts_that_are_all_too_small_stay_one():
    contrast = draw([])
    contrast[20:24, 20:29], contrast[20:24, 24] = 0.2, 0.4  # 36 pixels: two cores of 16 and a bridge
    labels = label_pores(contrast)
    for min_pixels, n_parts in ((15, 2), (21, 1), (30, 1)):
        parts = split_touching(labels, contrast, smoothing_pixels=0, min_pixels=min_pixels)
        assert parts.max() == n_parts
        np.testing.assert_array_equal(parts > 0, labels > 0)


def test_other_labels_and_empty_ground_change_nothing():
    alone = blurred(TWINS)
    crowd = np.tile(alone, (3, 3))
    expected = split_touching(label_pores(alone), alone) > 1
    parts = split_touching(label_pores(crowd), crowd)
    assert parts.max() == 18
    in_the_middle = parts[SHAPE[0] : 2 * SHAPE[0], SHAPE[1] : 2 * SHAPE[1]]
    second = in_the_middle == in_the_middle.max()
    np.testing.assert_array_equal(second, expected)


@pytest.mark.parametrize(("connectivity", "n_labels"), [(4, 2), (8, 1)])
def test_corners_are_necks_only_where_they_touch(connectivity, n_labels):
    contrast = draw([])
    contrast[10:16, 10:16], contrast[16:22, 16:22] = 0.3, 0.1
    labels = label_pores(contrast, connectivity=connectivity)
    assert labels.max() == n_labels
    parts = split_touching(labels, contrast, connectivity=connectivity, smoothing_pixels=0)
    np.testing.assert_array_equal(parts, labels)


def test_nothing_to_split_has_the_same_type_as_split():
    contrast = draw([])
    parts = split_touching(label_pores(contrast), contrast)
    assert (parts.dtype, parts.shape, parts.max()) == (np.int32, SHAPE, 0)


@pytest.mark.parametrize("saddle", [0, -0.1, np.nan])
def test_a_saddle_has_a_height(saddle):
    with pytest.raises(ParameterError, match="saddle"):
        split_touching(label_pores(draw([])), draw([]), saddle=saddle)
