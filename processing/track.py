"""Features of a series of frames to links: overlap and assignment, then gaps closed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from processing.timekeys import CADENCE_S

# A pore that shares less than half of its pixels with another has passed by, not joined it.
MIN_OVERLAP = 0.5
# Cost of leaving a feature without a link, in the units of `_pair_costs`: that of two pores
# without overlap at the end of the reach.
NO_LINK_COST = 2.0


@dataclass(frozen=True)
class DetectedFrame:
    """
    The features of one frame. Feature k (from 0) has label k + 1.

    ``ids`` are unique over the series; ``row``, ``col`` and ``area_px`` are in pixels of
    the label image, shape (ny, nx).
    """

    t_rec_s: int
    ids: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area_px: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Link:
    """
    One edge of the lineage, from a feature to one at a later T_REC.

    ``cost`` is the raw cost of the assignment (lower is surer), ``overlap`` the shared
    pixels over the smaller area, ``skipped`` the frames held between the two.
    """

    earlier: int
    later: int
    cost: float
    overlap: float
    distance_mm: float
    skipped: int = 0


def link_series(
    frames: Iterable[DetectedFrame], *, pixel_side_mm: float, reach_mm: float = 1.5, max_gap: int = 4
) -> list[Link]:
    """
    Link the features of frames in order of T_REC; two label images are held at a time.

    Parameters
    ----------
    frames : iterable of `DetectedFrame`
        Sorted by T_REC.
    pixel_side_mm : float
        Side of a pixel of the label images on the Sun, Mm.
    reach_mm : float
        Farthest a pore moves in one step of 720 s; grows with the root of the steps.
    max_gap : int
        Missing frames over which a pore may be found again.

    Returns
    -------
    list of `Link`
        Sorted by the later, then the earlier feature's id.
    """
    links: list[Link] = []
    seen: list[DetectedFrame] = []
    for earlier, later in pairwise(_remember(frames, seen)):
        if not _is_break(earlier.t_rec_s, later.t_rec_s, max_gap):
            links += link_frames(earlier, later, pixel_side_mm=pixel_side_mm, reach_mm=reach_mm)
    links += _close_gaps(seen, links, pixel_side_mm=pixel_side_mm, reach_mm=reach_mm, max_gap=max_gap)
    return sorted(links, key=lambda link: (link.later, link.earlier))


def series_breaks(t_rec_s: Sequence[int], *, max_gap: int) -> set[int]:
    """Indices of the frames before which more than ``max_gap`` slots are missing, so that nothing is linked."""
    return {k + 1 for k, (before, after) in enumerate(pairwise(t_rec_s)) if _is_break(before, after, max_gap)}


def _is_break(earlier_s: int, later_s: int, max_gap: int) -> bool:
    return (later_s - earlier_s) // CADENCE_S > max_gap + 1


def _remember(frames: Iterable[DetectedFrame], seen: list[DetectedFrame]) -> Iterator[DetectedFrame]:
    """Pass frames on and keep them without their label images, which are large."""
    nothing = np.zeros((0, 0), np.int32)
    for frame in frames:
        seen.append(DetectedFrame(frame.t_rec_s, frame.ids, frame.row, frame.col, frame.area_px, nothing))
        yield frame


def link_frames(earlier: DetectedFrame, later: DetectedFrame, *, pixel_side_mm: float, reach_mm: float) -> list[Link]:
    """
    Link two frames: the best one-to-one assignment, then what joined or parted from it.

    A feature left over that lies with at least half of its pixels inside one that was
    assigned has merged into it (or, the other way round, has split from it).
    """
    if earlier.ids.size == 0 or later.ids.size == 0:
        return []
    steps = max(1, (later.t_rec_s - earlier.t_rec_s) // CADENCE_S)
    reach = reach_mm * np.sqrt(steps)
    shared = shared_pixels(earlier.labels, later.labels, earlier.ids.size, later.ids.size)
    distance = np.hypot(earlier.row[:, None] - later.row, earlier.col[:, None] - later.col) * pixel_side_mm
    overlap = shared / np.minimum(earlier.area_px[:, None], later.area_px)
    costs = _pair_costs(distance, overlap, reach)

    def link(i: int, j: int) -> Link:
        return Link(
            int(earlier.ids[i]), int(later.ids[j]), float(costs[i, j]), float(overlap[i, j]), float(distance[i, j])
        )

    pairs = _assign(costs)
    links = [link(i, j) for i, j in pairs]
    taken_earlier, taken_later = {i for i, _ in pairs}, {j for _, j in pairs}
    for i in set(range(earlier.ids.size)) - taken_earlier:
        j = int(np.argmax(shared[i]))
        if j in taken_later and shared[i, j] >= MIN_OVERLAP * earlier.area_px[i]:
            links.append(link(i, j))
    for j in set(range(later.ids.size)) - taken_later:
        i = int(np.argmax(shared[:, j]))
        if i in taken_earlier and shared[i, j] >= MIN_OVERLAP * later.area_px[j]:
            links.append(link(i, j))
    return links


def shared_pixels(earlier: np.ndarray, later: np.ndarray, n_earlier: int, n_later: int) -> np.ndarray:
    """Pixels that each pair of labels has in common, shape (n_earlier, n_later)."""
    both = (earlier > 0) & (later > 0)
    pair = (earlier[both].astype(np.int64) - 1) * n_later + later[both] - 1
    return np.bincount(pair, minlength=n_earlier * n_later).reshape(n_earlier, n_later)


def _pair_costs(distance: np.ndarray, overlap: np.ndarray, reach: float) -> np.ndarray:
    """0 for a pore that stayed as it was, up to 2; infinite beyond the reach without overlap."""
    costs = np.minimum(distance / reach, 1) + 1 - overlap
    return np.where((distance <= reach) | (overlap > 0), costs, np.inf)


def _assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """The one-to-one pairs of least total cost, each dearer than NO_LINK_COST left out."""
    affordable = np.where(costs < NO_LINK_COST, costs, NO_LINK_COST)
    rows, cols = linear_sum_assignment(affordable)
    return [(int(i), int(j)) for i, j in zip(rows, cols, strict=True) if costs[i, j] < NO_LINK_COST]


def _close_gaps(
    seen: list[DetectedFrame], links: list[Link], *, pixel_side_mm: float, reach_mm: float, max_gap: int
) -> list[Link]:
    """Link ends of tracks to starts within the gap, cheapest first, each used once."""
    continued, begun = {link.earlier for link in links}, {link.later for link in links}
    ends = [_rows_of(frame, index, continued) for index, frame in enumerate(seen)]
    starts = [_rows_of(frame, index, begun) for index, frame in enumerate(seen)]
    candidates: list[Link] = []
    for first in range(len(seen)):
        for second in range(first + 2, len(seen)):
            steps = (seen[second].t_rec_s - seen[first].t_rec_s) // CADENCE_S
            if steps > max_gap + 1:
                break
            reach = reach_mm * np.sqrt(steps)
            for end_id, row, col, area in ends[first]:
                for start_id, start_row, start_col, start_area in starts[second]:
                    distance = float(np.hypot(row - start_row, col - start_col)) * pixel_side_mm
                    if distance <= reach:
                        change = 1 - min(area, start_area) / max(area, start_area)
                        cost = distance / reach + change + 0.1 * (steps - 1)
                        candidates.append(Link(end_id, start_id, cost, 0.0, distance, skipped=second - first - 1))
    chosen: list[Link] = []
    used_ends: set[int] = set()
    used_starts: set[int] = set()
    for link in sorted(candidates, key=lambda item: (item.cost, item.earlier, item.later)):
        if link.earlier not in used_ends and link.later not in used_starts:
            used_ends.add(link.earlier)
            used_starts.add(link.later)
            chosen.append(link)
    return chosen


def _rows_of(frame: DetectedFrame, index: int, linked: set[int]) -> list[tuple[int, float, float, float]]:
    """(id, row, col, area) of the frame's features that are not in ``linked``."""
    return [
        (int(i), float(row), float(col), float(area))
        for i, row, col, area in zip(frame.ids, frame.row, frame.col, frame.area_px, strict=True)
        if int(i) not in linked
    ]
