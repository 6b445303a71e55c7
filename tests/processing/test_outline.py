"""Borders against scikit-image's marching squares and Crofton lengths; polygons against the pixels they came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import ellipe
from skimage.measure import find_contours, perimeter_crofton, points_in_poly

from processing.errors import FrameError, ParameterError
from processing.outline import outlines, perimeters
from processing.segment import label_pores
from tests.processing.drawing import draw

SHAPE = (24, 36)
smoothness = st.floats(0.6, 3)
seeds = st.integers(0, 2**32 - 1)
connectivities = st.sampled_from([4, 8])


def blobs(seed: int, smoothness: float, connectivity: int = 4) -> np.ndarray:
    """Labels of ragged random patches, some with holes, some at the border of the map."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), smoothness)
    return label_pores(1 + noise / noise.std(), threshold=0.6, min_pixels=1, connectivity=connectivity)


def one(*rows: str) -> np.ndarray:
    """Labels drawn as text, one character a pixel."""
    return np.array([[int(character) for character in row] for row in rows], np.int32)


def filled(labels: np.ndarray, label: int) -> np.ndarray:
    """The feature and its holes; a hole has no way out through pixel sides."""
    return ndimage.binary_fill_holes(labels == label)


def marching_squares(labels: np.ndarray, label: int) -> np.ndarray:
    """The outer border of one feature as scikit-image has it."""
    image = np.pad(labels == label, 1).astype(float)
    contours = find_contours(image, 0.5, fully_connected="high")
    return max(contours, key=len) - 1


def distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Of each point from the closed polygon, over all its sides."""
    begin, along = polygon[:-1], np.diff(polygon, axis=0)
    away = points[:, None] - begin
    share = np.clip((away * along).sum(-1) / (along**2).sum(-1), 0, 1)
    return np.linalg.norm(away - share[..., None] * along, axis=-1).min(axis=1)


def centres_inside(polygon: np.ndarray) -> np.ndarray:
    """Which pixels of a map have their centre inside."""
    centres = np.indices(SHAPE).reshape(2, -1).T
    return points_in_poly(centres, polygon).reshape(SHAPE)


@given(seeds, smoothness, connectivities)
def test_borders_are_those_of_marching_squares(seed, smoothness, connectivity):
    labels = blobs(seed, smoothness, connectivity)
    borders = outlines(labels, tolerance=0)
    assert len(borders) == labels.max()
    for label, border in enumerate(borders, start=1):
        expected = marching_squares(labels, label)
        assert len(border) == len(expected)
        assert set(map(tuple, border)) == set(map(tuple, expected))
        # in the order of the walk: no step is longer than a pixel's side
        assert np.linalg.norm(np.diff(border, axis=0), axis=1).max() <= 1


@given(seeds, smoothness, connectivities, st.floats(0.05, 3))
def test_no_vertex_of_the_border_is_farther_than_the_tolerance(seed, smoothness, connectivity, tolerance):
    labels = blobs(seed, smoothness, connectivity)
    borders, polygons = outlines(labels, tolerance=0), outlines(labels, tolerance=tolerance)
    for border, polygon in zip(borders, polygons, strict=True):
        assert distances(border, polygon).max() <= tolerance
        assert set(map(tuple, polygon)) <= set(map(tuple, border))
        assert (polygon[0] == polygon[-1]).all()
        assert len(polygon) >= 4


@given(seeds, smoothness, connectivities)
def test_the_polygon_is_exact_to_half_a_pixel(seed, smoothness, connectivity):
    labels = blobs(seed, smoothness, connectivity)
    centres = np.indices(SHAPE).reshape(2, -1).T
    for label, polygon in enumerate(outlines(labels), start=1):
        wrong = (centres_inside(polygon) != filled(labels, label)).ravel()
        border = marching_squares(labels, label)
        assert not wrong.any() or distances(centres[wrong], border).max() <= 0.5


@given(seeds, smoothness, connectivities, st.floats(0, 0.35))
def test_below_a_quarter_of_root_two_it_gives_every_pixel_back(seed, smoothness, connectivity, tolerance):
    labels = blobs(seed, smoothness, connectivity)
    for label, polygon in enumerate(outlines(labels, tolerance=tolerance), start=1):
        np.testing.assert_array_equal(centres_inside(polygon), filled(labels, label))


@given(seeds, smoothness)
def test_the_border_cuts_half_a_pixel_off_the_area(seed, smoothness):
    labels = blobs(seed, smoothness)
    for label, border in enumerate(outlines(labels, tolerance=0), start=1):
        row, col = border.T
        area = abs((row[:-1] * col[1:] - row[1:] * col[:-1]).sum()) / 2
        # an eighth at each convex corner, given back at each concave one; there are four more convex ones
        assert area == pytest.approx(filled(labels, label).sum() - 0.5)


def test_one_pixel_is_a_diamond():
    (outline,) = outlines(one("000", "010", "000"))
    assert set(map(tuple, outline)) == {(0.5, 1), (1, 1.5), (1.5, 1), (1, 0.5)}
    assert len(outline) == 5


def test_straight_sides_need_no_vertices():
    labels = np.zeros(SHAPE, np.int32)
    labels[5:15, 10:30] = 1
    (outline,) = outlines(labels, tolerance=0.1)
    # two vertices at each corner, and at most one more where the walk was begun and one opposite
    assert 9 <= len(outline) <= 11
    assert outline.min(axis=0).tolist() == [4.5, 9.5]
    assert outline.max(axis=0).tolist() == [14.5, 29.5]


@pytest.mark.parametrize("tolerance", [0.5, 2, 100])
def test_a_thin_pore_keeps_a_width(tolerance):
    (outline,) = outlines(one("000000", "011110", "000000"), tolerance=tolerance)
    row, col = outline.T
    assert abs((row[:-1] * col[1:] - row[1:] * col[:-1]).sum()) > 0


def test_a_round_pore_needs_few_vertices():
    labels = label_pores(draw([(32, 48, 25)]))
    assert len(outlines(labels)[0]) < len(outlines(labels, tolerance=0)[0]) / 6


def test_a_hole_is_not_cut_out():
    whole, ring = label_pores(draw([(32, 48, 12)])), label_pores(draw([(32, 48, 12)]))
    ring[30:35, 45:52] = 0
    np.testing.assert_array_equal(outlines(ring)[0], outlines(whole)[0])
    assert perimeters(ring) == pytest.approx(perimeters(whole))


def test_a_hole_with_a_longer_border_is_still_a_hole():
    comb = np.ones((11, 13), np.int32)
    comb[1:-1, 1] = comb[1:-1:2, 1:-1] = 0
    (outline,) = outlines(comb, tolerance=0)
    assert len(outline) == 2 * (11 + 13) + 1
    assert perimeters(comb) == pytest.approx(perimeters(np.ones_like(comb)))


def test_neighbours_have_a_border_between_them():
    labels = one("1122", "1122")
    left, right = outlines(labels, tolerance=0)
    assert left[:, 1].max() == right[:, 1].min() == 1.5


def test_a_pore_may_fill_the_map():
    (outline,) = outlines(np.ones((3, 4), np.int32), tolerance=0)
    assert outline.min(axis=0).tolist() == [-0.5, -0.5]
    assert outline.max(axis=0).tolist() == [2.5, 3.5]
    assert len(outline) == 15  # 14 sides, closed


def test_pieces_that_touch_at_a_corner_are_one():
    (outline,) = outlines(one("1100", "1100", "0011", "0011"), tolerance=0)
    assert len(outline) == 17


def test_of_separate_pieces_the_longest_border_counts():
    (outline,) = outlines(one("10000", "00111", "00111"), tolerance=0)
    assert outline[:, 1].min() == 1.5


@given(seeds, smoothness, connectivities)
def test_lengths_are_those_of_the_outer_borders(seed, smoothness, connectivity):
    labels = blobs(seed, smoothness, connectivity)
    borders = [marching_squares(labels, label) for label in range(1, labels.max() + 1)]
    lengths = [np.linalg.norm(np.diff(border, axis=0), axis=1).sum() for border in borders]
    np.testing.assert_allclose(perimeters(labels), np.array(lengths) * np.pi / 8 / (np.sqrt(2) - 1))


@given(st.floats(2, 12), st.floats(0, 1), st.floats(0, 1))
def test_lengths_are_croftons(radius, row, col):
    labels = label_pores(draw([(20 + row, 20 + col, radius)], shape=(40, 40)), min_pixels=1)
    assert perimeters(labels)[0] == pytest.approx(perimeter_crofton(labels, directions=4))


@pytest.mark.parametrize(("a", "b"), [(4, 4), (6, 3), (12, 12), (18, 7)])
def test_lengths_are_right_on_average_over_directions(a, b):
    rng = np.random.default_rng(12)
    rows, cols = np.indices((60, 60))
    found = []
    for angle in rng.uniform(0, np.pi, 100):
        row, col = rows - 30 - rng.random(), cols - 30 - rng.random()
        along = col * np.cos(angle) + row * np.sin(angle)
        across = row * np.cos(angle) - col * np.sin(angle)
        found.append(perimeters(((along / a) ** 2 + (across / b) ** 2 <= 1).astype(np.int32))[0])
    assert np.mean(found) == pytest.approx(4 * a * ellipe(1 - (b / a) ** 2), rel=0.012)


def test_a_length_by_hand():
    # 2 x 3 pixels: 6 straight links and 4 corners of half a diagonal; all over 1.0548
    length = perimeters(one("0000", "0222", "0222", "0000", "1000"))
    assert length[1] == pytest.approx((6 + 4 * np.sqrt(0.5)) / 1.05479, rel=1e-5)


def test_lengths_are_the_same_when_the_pixels_are_known():
    labels = blobs(3, 1.5)
    np.testing.assert_array_equal(perimeters(labels, pixels=np.flatnonzero(labels)), perimeters(labels))


def test_without_features_there_is_nothing():
    empty = np.zeros(SHAPE, np.int32)
    assert outlines(empty) == []
    assert perimeters(empty).shape == (0,)


@pytest.mark.parametrize("function", [outlines, perimeters])
def test_a_label_without_a_pixel_is_refused(function):
    with pytest.raises(FrameError, match="no pixel"):
        function(one("1103"))


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_the_tolerance_is_not_negative(tolerance):
    with pytest.raises(ParameterError, match="tolerance must be 0 or more"):
        outlines(one("1"), tolerance=tolerance)


def test_labels_are_a_map():
    with pytest.raises(FrameError, match="two-dimensional"):
        outlines(np.ones(5, np.int32))
