"""Pairs of features that might be the same pore: near the expected place, or on top of one another."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from processing.track.motion import Motion
from processing.track.series import Series

# Nearest features looked at in the other frame, from each side; more for neighbouring frames, where pores merge.
N_NEAREST = (5, 3)
# No pore is looked for farther from its expected place than this, in strays and in radii of both.
MAX_STRAYS = 6.0
MAX_RADII = 2.5


@dataclass(frozen=True)
class Candidates:
    """
    Pairs of features, as places in the series, with their shared pixels and the slots between.

    ``shared`` counts pixels in common once the earlier feature has been moved to where it
    is expected. Sorted by later frame, then step, then earlier and later feature.
    """

    earlier: np.ndarray
    later: np.ndarray
    steps: np.ndarray
    shared: np.ndarray

    def among(self, pairs: np.ndarray, n: int) -> np.ndarray:
        """Which of them are among ``pairs``, shape (n_pairs, 2), of a series of ``n`` features."""
        return np.isin(self.earlier * n + self.later, pairs[:, 0] * n + pairs[:, 1])

    def kept(self, which: np.ndarray) -> "Candidates":
        """Those of them that ``which`` marks."""
        return Candidates(self.earlier[which], self.later[which], self.steps[which], self.shared[which])


def find_candidates(series: Series, motion: Motion, *, max_steps: int) -> Iterator[Candidates]:
    """The candidates that end in each frame, frame by frame, ``max_steps`` slots back at most."""
    starts = series.starts
    scratch = np.zeros(series.shape[0] * series.shape[1], np.int32)
    for later in range(series.n_frames):
        if starts[later] == starts[later + 1]:
            continue
        flat, label = series.pixels[later]
        scratch[flat] = label
        image = scratch.reshape(series.shape)
        found = []
        for earlier in range(later - 1, -1, -1):
            steps = int(series.slot[later] - series.slot[earlier])
            if steps > max_steps:
                break
            if starts[earlier] < starts[earlier + 1]:
                found.append(_between(series, motion, earlier, later, steps, image))
        scratch[flat] = 0
        if found:
            yield join(found)


def no_candidates() -> Candidates:
    """An empty list of them."""
    nothing = np.zeros(0, np.int64)
    return Candidates(nothing, nothing, nothing, np.zeros(0))


def join(parts: list[Candidates]) -> Candidates:
    """Candidates one after the other."""
    columns = zip(*((part.earlier, part.later, part.steps, part.shared) for part in parts), strict=True)
    return Candidates(*(np.concatenate(column) for column in columns))


def _between(series: Series, motion: Motion, earlier: int, later: int, steps: int, image: np.ndarray) -> Candidates:
    starts = series.starts
    first_i, first_j = starts[earlier], starts[later]
    i, j = slice(first_i, starts[earlier + 1]), slice(first_j, starts[later + 1])
    n_i, n_j = i.stop - i.start, j.stop - j.start
    move = steps * motion.flow[i]
    expected = motion.place[i] + move
    shared = _shared(series, earlier, image, move + motion.offsets[later] - motion.offsets[earlier], n_i, n_j)
    n_nearest = N_NEAREST[0] if steps == 1 else N_NEAREST[1]
    pairs = np.concatenate([
        _nearest(expected, motion.place[j], n_nearest),
        _nearest(motion.place[j], expected, n_nearest)[:, ::-1],
    ])  # fmt: skip
    apart = np.linalg.norm(expected[pairs[:, 0]] - motion.place[j][pairs[:, 1]], axis=1)
    both = series.radius[i][pairs[:, 0]] + series.radius[j][pairs[:, 1]]
    near = apart <= MAX_STRAYS * motion.stray[steps] + MAX_RADII * both
    chosen = np.unique(np.concatenate([pairs[near, 0] * n_j + pairs[near, 1], np.flatnonzero(shared)]))
    return Candidates(
        chosen // n_j + first_i, chosen % n_j + first_j, np.full(chosen.size, steps), shared[chosen].astype(float)
    )


def _nearest(of: np.ndarray, among: np.ndarray, n_nearest: int) -> np.ndarray:
    n_nearest = min(n_nearest, len(among))
    near = cKDTree(among).query(of, k=n_nearest)[1].reshape(len(of), n_nearest)
    return np.stack([np.repeat(np.arange(len(of)), n_nearest), near.ravel()], axis=1)


def _shared(series: Series, earlier: int, image: np.ndarray, move: np.ndarray, n_i: int, n_j: int) -> np.ndarray:
    """Pixels in common of each pair once the earlier features are moved, flat, length n_i * n_j."""
    flat, label = series.pixels[earlier]
    ny, nx = series.shape
    step = np.rint(move).astype(np.int64)[label - 1]
    row, col = flat // nx + step[:, 0], flat % nx + step[:, 1]
    inside = (row >= 0) & (row < ny) & (col >= 0) & (col < nx)
    under = image[row[inside], col[inside]]
    hit = under > 0
    pair = (label[inside][hit].astype(np.int64) - 1) * n_j + under[hit] - 1
    return np.bincount(pair, minlength=n_i * n_j)
