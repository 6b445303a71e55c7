"""
Borders of labelled regions: their length, and outlines as polygons.

The border runs through the midpoints of the pixel sides that part a feature from what is
not that feature; marching squares at half height gives the same line. It is found for all
features at once, from the sides themselves. Pixels that touch at a corner belong together,
so that one feature has one outer border under either connectivity.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from processing.errors import FrameError, ParameterError

# The four sides of a pixel in the order in which its border is walked: direction (row, col) out of the pixel.
_OUTWARD = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
# Through midpoints a slanting border is up to 8 % too long, over all directions 5.5 %. Dividing by that mean
# makes the length unbiased: Proffitt & Rosen 1979, Comp. Graph. Image Proc. 10, 318, who give 0.948.
_MEAN_LENGTH_RATIO = 8 * (np.sqrt(2) - 1) / np.pi


@dataclass(frozen=True)
class _Border:
    """
    All sides between features and their surroundings; one entry a side.

    ``turn`` is +1 where the walk along the border, at the end of the side, turns about
    its own pixel, -1 where it turns away, 0 where it goes straight on: once around an
    outer border turns sum to +4, around a hole to -4. ``target`` is the pixel that the
    walk's next side belongs to.
    """

    pixels: np.ndarray  # all labelled pixels, by place in the flattened image
    bare: np.ndarray  # (n_pixels, 4), which of their sides are border
    width: int  # of the image
    label: np.ndarray
    place: np.ndarray  # of the side's pixel, among ``pixels``
    side: np.ndarray  # 0..3, as in _OUTWARD
    turn: np.ndarray
    target: np.ndarray

    def following(self) -> np.ndarray:
        """Number of the next side of the walk."""
        number = np.cumsum(self.bare.ravel()) - 1
        return number[4 * np.searchsorted(self.pixels, self.target) + ((self.side + self.turn) & 3)]

    def midpoints(self) -> np.ndarray:
        """Row and col of the middle of each side, in the image."""
        centres = np.stack(np.divmod(self.pixels[self.place], self.width), axis=1)
        return centres + _OUTWARD[self.side] / 2


def _loops(following: np.ndarray) -> np.ndarray:
    """Number of the closed walk that each side is on."""
    size = following.size
    graph = csr_array((np.ones(size, np.int8), following, np.arange(size + 1)), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def perimeters(labels: np.ndarray, *, pixels: np.ndarray | None = None) -> np.ndarray:
    """
    Length of the outer border of every feature, in pixels; holes do not count.

    Parameters
    ----------
    labels : `~numpy.ndarray` of int, shape (ny, nx)
        0 outside, 1..n inside features, each in one piece.
    pixels : `~numpy.ndarray` of int, optional
        Where the flattened labels are not 0, in order, when that is known already.

    Returns
    -------
    `~numpy.ndarray` of float, shape (n,)
        In order of label. Unbiased over directions: a straight border is 5 % short along
        rows, columns and diagonals, and 3 % long halfway between them.

    Raises
    ------
    FrameError
        If a label below the largest has no pixel.
    """
    border, _ = _trace(labels, pixels)
    length = np.where(border.turn == 0, 1, np.sqrt(0.5)) / _MEAN_LENGTH_RATIO
    turns = np.bincount(border.label, weights=border.turn)
    if (turns[1:] != 4).any():  # a hole somewhere, or a label in pieces
        loop = _loops(border.following())
        length = length * (np.bincount(loop, weights=border.turn) > 0)[loop]
    return np.bincount(border.label, weights=length)[1:]


def outlines(labels: np.ndarray, *, tolerance: float = 0.5) -> list[np.ndarray]:
    """
    Outer border of every feature as a simplified polygon.

    Simplified after Ramer, Douglas and Peucker: vertices are left out as long as each
    lies less than ``tolerance`` from the polygon. So the polygon differs from the labels
    at most in pixels whose centre is within ``tolerance`` of the border; below 0.35
    (a quarter of the square root of 2, the smallest distance of a pixel's centre from
    its border) it differs in none.

    Parameters
    ----------
    labels : `~numpy.ndarray` of int, shape (ny, nx)
        0 outside, 1..n inside features. Of a feature in several pieces the one with the
        longest border is taken.
    tolerance : float
        In pixels; 0 leaves every midpoint in.

    Returns
    -------
    list of `~numpy.ndarray` of float, shape (n_vertices, 2)
        One polygon for each label, in order: row and col of its vertices (pixel centres
        are whole numbers from 0), the last equal to the first. Holes are not cut out: a
        hole is a part of the surroundings that no path through pixel sides leads out of.

    Raises
    ------
    FrameError
        If a label below the largest has no pixel.
    ParameterError
        If ``tolerance`` is negative.
    """
    if not tolerance >= 0:
        raise ParameterError(f"tolerance must be 0 or more, not {tolerance:g}")
    border, rim = _trace(labels)
    if not border.label.size:
        return []
    walk, sizes = _walks(border)
    # each polygon gets its first vertex once more, at its end
    ends = np.cumsum(sizes)
    walk = np.insert(walk, ends, walk[ends - sizes])
    points = border.midpoints()[walk] - rim
    last = ends + np.arange(sizes.size)
    kept = _simplify(points, first=last - sizes, last=last, tolerance=tolerance)
    n_kept = np.cumsum(kept)[last]
    return np.split(points[kept], n_kept[:-1])


def _trace(labels: np.ndarray, pixels: np.ndarray | None = None) -> tuple[_Border, int]:
    """Find all sides of the border, in the labels with a rim of as many pixels around them."""
    if labels.ndim != 2:
        raise FrameError(f"need two-dimensional labels, got shape {labels.shape}")
    if pixels is None:
        pixels = np.flatnonzero(labels != 0)
    width = labels.shape[1]
    rim = int(any(labels[edge].any() for edge in (0, -1, (slice(None), 0), (slice(None), -1))))
    if rim:  # then every labelled pixel has four neighbours
        labels = np.pad(labels, rim)
        pixels = pixels + 2 * (pixels // width) + width + 3
        width += 2
    image = labels.ravel()
    own = image[pixels]
    if not np.bincount(own)[1:].all():
        raise FrameError("a label below the largest has no pixel")

    step = _OUTWARD @ (width, 1)
    bare = np.stack([image[pixels + out] != own for out in step], axis=1)
    sides = np.flatnonzero(bare)
    place, side = sides >> 2, sides & 3
    label = own[place]
    # The walk leaves a side towards the direction of the next one. Ahead lie a pixel in line and one beyond the side.
    inline = pixels[place] + step[(side + 1) & 3]
    beyond = inline + step[side]
    away = image[beyond] == label
    straight = ~away & (image[inline] == label)
    target = np.where(away, beyond, np.where(straight, inline, pixels[place]))
    turn = np.where(away, -1, np.where(straight, 0, 1))
    return _Border(pixels, bare, width, label, place, side, turn, target), rim


def _walks(border: _Border) -> tuple[np.ndarray, np.ndarray]:
    """Sides of each feature's longest outer border in the order of the walk, label by label, and their numbers."""
    following = border.following()
    loop = _loops(following)
    n_sides, turns = np.bincount(loop), np.bincount(loop, weights=border.turn)
    _, start = np.unique(loop, return_index=True)
    label = border.label[start]
    by_length = np.lexsort((n_sides, turns > 0, label))
    chosen = by_length[np.flatnonzero(np.diff(label[by_length], append=0))]

    # How many steps each side is from the end of its loop, by doubling the stride of all of them at once.
    at_end = following == start[loop]
    ahead = following.copy()
    ahead[at_end] = np.flatnonzero(at_end)
    steps = np.where(at_end, 0, 1)
    for _ in range(int(n_sides.max()).bit_length()):
        steps += steps[ahead]
        ahead = ahead[ahead]

    sizes = n_sides[chosen]
    begin = np.full(n_sides.size, -1)
    begin[chosen] = np.cumsum(sizes) - sizes
    taken = np.flatnonzero(begin[loop] >= 0)
    walk = np.empty(taken.size, np.int64)
    walk[begin[loop[taken]] + n_sides[loop[taken]] - 1 - steps[taken]] = taken
    return walk, sizes


def _simplify(points: np.ndarray, *, first: np.ndarray, last: np.ndarray, tolerance: float) -> np.ndarray:
    """
    Which points stay, for all polygons at once.

    Each round takes the stretches between points that stay and keeps the farthest point
    of each. The first round finds the point opposite to a polygon's first; it and the
    second split whatever the tolerance is, so that no polygon collapses to a line.
    """
    kept = np.zeros(len(points), bool)
    kept[first] = kept[last] = True
    open_ = np.flatnonzero(~kept)
    n_round = 0
    while open_.size:
        stay = np.flatnonzero(kept)
        stretch = np.searchsorted(stay, open_) - 1
        distance = _squared_distance(points[open_], points[stay[stretch]], points[stay[stretch + 1]])
        starts = np.flatnonzero(np.diff(stretch, prepend=-1))
        group = np.cumsum(np.diff(stretch, prepend=-1) > 0) - 1
        farthest = np.maximum.reduceat(distance, starts)
        split = (farthest >= tolerance**2) | ((n_round < 2) & (farthest > 0))
        ties = np.flatnonzero((distance == farthest[group]) & split[group])
        winners = ties[np.flatnonzero(np.diff(group[ties], prepend=-1))]
        kept[open_[winners]] = True
        open_ = open_[split[group] & ~kept[open_]]
        n_round += 1
    return kept


def _squared_distance(points: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Of each point from its line segment; the segment may be a point."""
    along, away = end - begin, points - begin
    length2 = (along**2).sum(axis=1)
    share = (away * along).sum(axis=1) / np.where(length2 > 0, length2, 1)
    nearest = away - np.clip(share, 0, 1)[:, None] * along
    return (nearest**2).sum(axis=1)
