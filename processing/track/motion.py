"""How pores are expected to move: the flow around them, their own velocity, and how far they stray from it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from processing.track.registration import frame_offsets, mutual_nearest
from processing.track.series import Series

# Neighbours whose displacements make the local flow, and how many of nothing they are weighed against.
N_NEIGHBOURS = 12
PRIOR_WEIGHT = 2.0
# Frames before and after that tell of the flow, and how far away in space one frame is.
FLOW_FRAMES = 3
FRAME_AWAY_RADII = 4.0
# Strays a little before it is known: this share of a radius, with the weight of so many pairs.
PRIOR_STRAY = 0.3
PRIOR_PAIRS = 6.0
MAX_AREA_RATIO = 2.5


@dataclass(frozen=True)
class Motion:
    """
    Expected motion, all in pixels.

    ``place`` are positions with the frames' shifts taken out, shape (n, 2). ``flow`` is
    the local velocity a slot, ``before`` and ``after`` a feature's sure predecessor and
    successor (-1 if it has none), ``came`` and ``goes`` the velocities from and to them
    (NaN if there is none). ``stray[k]`` is the rms along one axis by which pores miss the
    place that the flow takes them to in k slots. ``unmatched`` is the share of features
    without a sure successor, ``crowding`` each feature's radius over the way to the
    nearest other one.
    """

    offsets: np.ndarray
    place: np.ndarray
    flow: np.ndarray
    before: np.ndarray
    after: np.ndarray
    came: np.ndarray
    goes: np.ndarray
    stray: np.ndarray
    unmatched: float
    crowding: np.ndarray


def expected_motion(series: Series, *, max_steps: int) -> Motion:
    """Learn the motion of a series from its own sure pairs; ``max_steps`` is the longest step of interest, slots."""
    offsets = frame_offsets(series)
    place = np.stack([series.row, series.col], axis=1) - offsets[series.frame]
    unit = max(float(np.median(series.radius)), 1.0) if series.row.size else 1.0
    pairs = _sure_pairs(series, place, np.zeros_like(place), max_steps)
    flow = _local_flow(series, place, pairs, unit)
    # once more with the flow taken into account, so that fast pores pair up as well
    pairs = _sure_pairs(series, place, flow, max_steps)
    flow = _local_flow(series, place, pairs, unit)
    came, goes = np.full_like(place, np.nan), np.full_like(place, np.nan)
    velocity = _velocity(series, place, pairs)
    goes[pairs[:, 0]], came[pairs[:, 1]] = velocity, velocity
    before, after = np.full(len(place), -1), np.full(len(place), -1)
    after[pairs[:, 0]], before[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    stray = _strays(series, place, flow, after, unit, max_steps)
    not_last = series.frame < series.n_frames - 1
    unmatched = float((after[not_last] < 0).mean()) if not_last.any() else 0.0
    return Motion(offsets, place, flow, before, after, came, goes, stray, unmatched, _crowding(series, place))


def _sure_pairs(series: Series, place: np.ndarray, flow: np.ndarray, max_steps: int) -> np.ndarray:
    """Features of neighbouring frames that are each other's nearest and alike in area; shape (n_pairs, 2)."""
    starts, found = series.starts, [np.zeros((0, 2), np.int64)]
    filled = [frame for frame in range(series.n_frames) if starts[frame] < starts[frame + 1]]
    for earlier, later in pairwise(filled):
        steps = series.slot[later] - series.slot[earlier]
        i, j = slice(starts[earlier], starts[earlier + 1]), slice(starts[later], starts[later + 1])
        if steps > max_steps:
            continue
        found.append(mutual_nearest(place[i] + steps * flow[i], place[j]) + np.array([starts[earlier], starts[later]]))
    pairs = np.concatenate(found)
    ratio = np.abs(np.log(series.area[pairs[:, 1]] / series.area[pairs[:, 0]]))
    steps = np.diff(series.slot[series.frame[pairs]], axis=1)
    apart = np.linalg.norm(place[pairs[:, 1]] - place[pairs[:, 0]] - steps * flow[pairs[:, 0]], axis=1)
    alike = ratio < np.log(MAX_AREA_RATIO)
    # a few pairs that are far apart are chance meetings
    limit = 4 * np.median(apart[alike]) + series.radius[pairs[:, 0]] if alike.any() else 0
    return pairs[alike & (apart <= limit)]


def _velocity(series: Series, place: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    slot = series.slot[series.frame]
    steps = slot[pairs[:, 1]] - slot[pairs[:, 0]]
    return (place[pairs[:, 1]] - place[pairs[:, 0]]) / steps[:, None]


def _local_flow(series: Series, place: np.ndarray, pairs: np.ndarray, unit: float) -> np.ndarray:
    """Mean velocity of the sure pairs around each feature in space and time, drawn to zero where they are few."""
    flow = np.zeros_like(place)
    if len(pairs) == 0:
        return flow
    velocity = _velocity(series, place, pairs)
    middle = (place[pairs[:, 0]] + place[pairs[:, 1]]) / 2
    away = FRAME_AWAY_RADII * unit
    when = series.slot[series.frame].astype(float)
    known = np.column_stack([middle, when[pairs[:, 0]] * away])
    asked = np.column_stack([place, when * away])
    n_near = min(N_NEIGHBOURS, len(pairs))
    distance, near = cKDTree(known).query(asked, k=n_near)
    distance, near = np.reshape(distance, (-1, n_near)), np.reshape(near, (-1, n_near))
    weight = 1 / (1 + (distance / (FLOW_FRAMES * away)) ** 2)
    weight[distance > 4 * FLOW_FRAMES * away] = 0
    # where a feature itself seems to go must not speak for its going there
    weight[pairs[near, 0] == np.arange(len(place))[:, None]] = 0
    flow[:] = (weight[..., None] * velocity[near]).sum(axis=1) / (weight.sum(axis=1) + PRIOR_WEIGHT)[:, None]
    return flow


def _strays(
    series: Series, place: np.ndarray, flow: np.ndarray, successor: np.ndarray, unit: float, max_steps: int
) -> np.ndarray:
    """Rms along one axis of what the flow misses after 1 to ``max_steps`` slots; entry 0 is not used."""
    slot = series.slot[series.frame]
    misses: list[list[np.ndarray]] = [[np.zeros(0)] for _ in range(max_steps + 1)]
    start = here = np.arange(len(place))
    for _ in range(max_steps):
        goes_on = successor[here] >= 0
        start, here = start[goes_on], successor[here[goes_on]]
        steps = slot[here] - slot[start]
        miss = place[here] - place[start] - steps[:, None] * flow[start]
        for step in range(1, max_steps + 1):
            misses[step].append((miss[steps == step] ** 2).sum(axis=1))
    stray = np.zeros(max_steps + 1)
    stray[0] = PRIOR_STRAY * unit
    for step in range(1, max_steps + 1):
        squares = np.concatenate(misses[step])
        prior = stray[0] ** 2 if step == 1 else stray[1] ** 2 * step
        # the median of the squared distance of a Gaussian in two dimensions is 2 ln 2 variances
        found = np.median(squares) / (2 * np.log(2)) if squares.size else 0.0
        stray[step] = np.sqrt((squares.size * found + PRIOR_PAIRS * prior) / (squares.size + PRIOR_PAIRS))
    return stray


def _crowding(series: Series, place: np.ndarray) -> np.ndarray:
    """Radius over the distance to the nearest feature of the same frame; 0 for a feature alone."""
    crowding = np.zeros(len(place))
    for first, last in pairwise(series.starts):
        if last - first > 1:
            apart = np.asarray(cKDTree(place[first:last]).query(place[first:last], k=2)[0])[:, 1]
            crowding[first:last] = series.radius[first:last] / np.maximum(apart, 1)
    return crowding
