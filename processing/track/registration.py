"""Whole-frame shifts: what all pores of two frames have in common is the frame's motion, not theirs."""

import numpy as np
from scipy.spatial import cKDTree

from processing.track.series import Series

# Below this many pores that are each other's nearest, a common shift cannot be told from their own motion.
MIN_PAIRS = 5
# The vote is trusted over no shift only if pores then lie clearly nearer to their nearest.
CLEARLY = 0.8
N_REFINED = 4
FARTHEST = 24  # units that a frame may be shifted against the one before


def mutual_nearest(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Pairs of points, shapes (n, 2) and (m, 2), that are each other's nearest; shape (n_pairs, 2)."""
    if len(earlier) == 0 or len(later) == 0:
        return np.zeros((0, 2), np.int64)
    forward = np.asarray(cKDTree(later).query(earlier)[1])
    backward = np.asarray(cKDTree(earlier).query(later)[1])
    own = np.arange(len(earlier))
    kept = backward[forward] == own
    return np.stack([own[kept], forward[kept]], axis=1)


def register(earlier: np.ndarray, later: np.ndarray, *, unit: float) -> np.ndarray:
    """
    The shift (rows, columns) in pixels that takes the earlier frame's points to the later's.

    The median displacement of mutual nearest neighbours, found once from no shift and
    once from the displacement that most pairs agree on; ``unit`` is the radius of a
    typical pore, in which nearness is judged. Zero where too few points agree.
    """
    nothing = np.zeros(2)
    if min(len(earlier), len(later)) < MIN_PAIRS:
        return nothing
    still, still_apart = _refine(earlier, later, nothing, unit)
    voted, voted_apart = _refine(earlier, later, _vote(earlier, later, unit), unit)
    return voted if voted_apart < CLEARLY * still_apart else still


def _vote(earlier: np.ndarray, later: np.ndarray, unit: float) -> np.ndarray:
    """The displacement, in bins of one unit, that most pairs of points have."""
    near = cKDTree(earlier).sparse_distance_matrix(cKDTree(later), FARTHEST * unit, output_type="coo_matrix")
    steps = np.rint((later[near.col] - earlier[near.row]) / unit).astype(np.int64)
    votes = np.zeros((2 * FARTHEST + 3, 2 * FARTHEST + 3))
    np.add.at(votes, tuple(steps.T + FARTHEST + 1), 1)
    smooth = votes.copy()
    for axis in (0, 1):
        smooth = smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)
    best = np.unravel_index(np.argmax(smooth), smooth.shape)
    return (np.array(best) - FARTHEST - 1) * unit


def _refine(earlier: np.ndarray, later: np.ndarray, shift: np.ndarray, unit: float) -> tuple[np.ndarray, float]:
    """Improve a shift by the median of mutual nearest neighbours; also the mean distance left, cut at 3 units."""
    for _ in range(N_REFINED):
        pairs = mutual_nearest(earlier + shift, later)
        if len(pairs) < MIN_PAIRS:
            return np.zeros(2), 3.0 * unit
        shift = np.median(later[pairs[:, 1]] - earlier[pairs[:, 0]], axis=0)
    apart = cKDTree(later).query(earlier + shift)[0]
    return shift, float(np.minimum(apart, 3 * unit).mean())


def frame_offsets(series: Series) -> np.ndarray:
    """Where each frame lies against the first, pixels, shape (n_frames, 2); empty frames as the one before."""
    offsets = np.zeros((series.n_frames, 2))
    points = np.stack([series.row, series.col], axis=1)
    unit = max(float(np.median(series.radius)), 1.0) if series.row.size else 1.0
    starts = series.starts
    before: np.ndarray | None = None
    for frame in range(series.n_frames):
        here = points[starts[frame] : starts[frame + 1]]
        if frame:
            offsets[frame] = offsets[frame - 1]
        if len(here) == 0:
            continue
        if before is not None:
            offsets[frame] += register(before, here, unit=unit)
        before = here
    return offsets
