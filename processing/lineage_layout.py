"""Where the tracks of a lineage are drawn: time runs across, and each track has lanes of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ORDERINGS = 8  # by barycentre; the best is kept
PULLS = 6
MOST_COLUMNS = 1500  # of the picture in which lineages are stacked; of a longer series several frames make one
CLEAR = 2  # frames left free between two ribbons in one lane


@dataclass(frozen=True)
class Ribbon:
    """A track to be drawn: its first and last frame, its lineage, and how many lanes it is high."""

    key: int
    first: int
    last: int
    lineage: int = 0
    height: int = 1


@dataclass(frozen=True)
class Layout:
    """The first of the lanes, counted from 0, that each ribbon takes, by key, and how many lanes there are."""

    lane_of: dict[int, int]
    n_lanes: int


def lay_out(ribbons: Sequence[Ribbon], links: Iterable[tuple[int, int]], *, clear: int = CLEAR) -> Layout:
    """
    Give each ribbon lanes, so that linked ones lie near each other and links cross little.

    Lineages lie apart from each other, the largest at the top; where one has ended, a later
    one may use its lanes.

    Parameters
    ----------
    ribbons : sequence of `Ribbon`
        Keys differ. No ribbon ends before it begins.
    links : iterable of (int, int)
        Keys of ribbons that are joined, in any order; those of unknown keys are passed over.
    clear : int, optional
        Frames left free between two ribbons in one lane that are not linked.

    Returns
    -------
    layout : `Layout`
        Equal input gives an equal layout. Two ribbons that are seen at one time never share a
        lane; of two that are linked, the later one may follow the other in its lanes at once.
    """
    known = {ribbon.key for ribbon in ribbons}
    beside: dict[int, set[int]] = defaultdict(set)
    for one, other in links:
        if one != other and one in known and other in known:
            beside[one].add(other)
            beside[other].add(one)
    lineages: dict[int, list[Ribbon]] = defaultdict(list)
    for ribbon in sorted(ribbons, key=lambda ribbon: (ribbon.first, ribbon.key)):
        lineages[ribbon.lineage].append(ribbon)
    blocks = [(lineage, _lanes_of_one(lineage, beside, clear)) for lineage in lineages.values()]
    return _stack(blocks, clear)


def _lanes_of_one(ribbons: list[Ribbon], beside: Mapping[int, set[int]], clear: int) -> np.ndarray:
    """The first lane of each ribbon of one lineage, from 0."""
    place = {ribbon.key: k for k, ribbon in enumerate(ribbons)}
    near = [
        np.array(sorted(place[key] for key in beside.get(ribbon.key, ()) if key in place), int) for ribbon in ribbons
    ]
    columns = _Columns(ribbons, near, clear)
    best, shortest = np.zeros(len(ribbons), int), np.inf
    order = _walk(near)
    for _ in range(ORDERINGS if len(ribbons) > 2 else 1):
        lanes = columns.pulled(columns.packed(order), order)
        middles = lanes + columns.height / 2
        ways = [middles[others] - middle for middle, others in zip(middles, near, strict=True)]
        # of two layouts that are as good otherwise, the flatter one
        length = sum(float(np.abs(way).sum()) for way in ways) + 0.01 * float((lanes + columns.height).max())
        if length < shortest:
            best, shortest = lanes, length
        order = np.lexsort((middles, middles + [way.sum() / (1 + way.size) for way in ways]))
    return best - best.min()


def _walk(near: list[np.ndarray]) -> np.ndarray:
    """An order in which, as far as links form a tree, each ribbon lies amid those that it is linked to."""
    order: list[int] = []
    seen = [False] * len(near)
    for root in range(len(near)):
        waiting = [(root, False)]
        while waiting:
            k, is_placed = waiting.pop()
            if is_placed:
                order.append(k)
            elif not seen[k]:
                seen[k] = True
                others = [(int(other), False) for other in near[k] if not seen[other]]
                half = len(others) // 2
                waiting += [*reversed(others[half:]), (k, True), *reversed(others[:half])]
    return np.array(order)


class _Columns:
    """The ribbons of one lineage as columns; ``near`` are the places of those that each is linked to."""

    def __init__(self, ribbons: list[Ribbon], near: list[np.ndarray], clear: int) -> None:
        self.first = np.array([ribbon.first for ribbon in ribbons])
        self.last = np.array([ribbon.last for ribbon in ribbons])
        self.height = np.array([ribbon.height for ribbon in ribbons])
        self.near = near
        self.clear = clear

    def meets(self, k: int, others: np.ndarray) -> np.ndarray:
        """Those of the others that cannot share a lane with ribbon k; what it is linked to may follow at once."""
        clear = np.where(np.isin(others, self.near[k]), 0, self.clear)
        apart = (self.first[others] > self.last[k] + clear) | (self.last[others] < self.first[k] - clear)
        return others[~apart]

    def packed(self, order: np.ndarray) -> np.ndarray:
        """Lanes as near to the first one as they can be, each ribbon beyond those that come before it in the order."""
        lanes = np.zeros(order.size, int)
        for at, k in enumerate(order):
            met = self.meets(k, order[:at])
            lanes[k] = (lanes[met] + self.height[met]).max(initial=0)
        return lanes

    def pulled(self, lanes: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The same with each ribbon as near to those it is linked to as the others of the order leave room for."""
        lanes, most = lanes.copy(), int((lanes + self.height).max())
        room = [(self.meets(k, order[:at]), self.meets(k, order[at + 1 :])) for at, k in enumerate(order)]
        # a high ribbon counts for more, so that what it goes on as lies in its lanes
        drawn_to = [np.repeat(others, self.height[others]) for others in self.near]
        for turn in range(PULLS):
            before = lanes.copy()
            for at in range(order.size) if turn % 2 else range(order.size - 1, -1, -1):
                k, (above, below) = order[at], room[at]
                if drawn_to[k].size:
                    low = (lanes[above] + self.height[above]).max(initial=0)
                    high = lanes[below].min(initial=most) - self.height[k]
                    middle = float(np.median(lanes[drawn_to[k]] + self.height[drawn_to[k]] / 2))
                    lanes[k] = min(max(round(middle - self.height[k] / 2), low), high)
            if (lanes == before).all():
                break
        return lanes


def _stack(blocks: list[tuple[list[Ribbon], np.ndarray]], clear: int) -> Layout:
    """All lineages in one picture: each, the largest first, as high up as there is room for it as a whole."""
    if not blocks:
        return Layout({}, 0)
    start = min(ribbon.first for ribbons, _ in blocks for ribbon in ribbons)
    end = max(ribbon.last for ribbons, _ in blocks for ribbon in ribbons) + 1
    step = 1 + (end - start) // MOST_COLUMNS
    taken = np.zeros((0, (end - start - 1) // step + 1), np.float32)
    lane_of: dict[int, int] = {}
    for ribbons, lanes in sorted(blocks, key=lambda block: (-len(block[0]), block[0][0].first, block[0][0].key)):
        shape = _shape(ribbons, lanes, taken.shape[1], start=start, step=step, clear=clear)
        seen = np.flatnonzero(shape.any(axis=0))
        columns = slice(seen[0], seen[-1] + 1)
        shape = shape[:, columns]
        taken = np.pad(taken, ((0, shape.shape[0]), (0, 0)))  # below all others there is always room
        met = taken[:, columns] @ shape.T  # (lane, row of the shape) -> columns in which both are taken
        n_tops = taken.shape[0] - shape.shape[0] + 1
        in_the_way = sum(met[row : row + n_tops, row] for row in range(shape.shape[0]))
        top = int(np.flatnonzero(in_the_way == 0)[0])
        taken[top : top + shape.shape[0], columns] += shape
        taken = taken[: np.flatnonzero(taken.any(axis=1))[-1] + 1]
        lane_of |= {ribbon.key: top + int(lane) for ribbon, lane in zip(ribbons, lanes, strict=True)}
    return Layout(lane_of, max(lane_of[r.key] + r.height for ribbons, _ in blocks for r in ribbons))


def _shape(
    ribbons: list[Ribbon], lanes: np.ndarray, n_columns: int, *, start: int, step: int, clear: int
) -> np.ndarray:
    """Ones where a lineage lies, and between its ribbons of one column: float32, shape (lanes, columns)."""
    shape = np.zeros((max(lane + ribbon.height for ribbon, lane in zip(ribbons, lanes, strict=True)), n_columns))
    for ribbon, lane in zip(ribbons, lanes, strict=True):
        columns = slice(max(0, ribbon.first - clear - start) // step, (ribbon.last + clear - start) // step + 1)
        shape[lane : lane + ribbon.height, columns] = 1
    above, below = np.maximum.accumulate(shape), np.maximum.accumulate(shape[::-1])[::-1]
    return np.asarray(above * below, np.float32)
