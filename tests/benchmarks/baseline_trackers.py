"""
Other ways to track, on the same detections: what ours is measured against.

`distance_mapper` is the script that pore observers write, laptrack and trackpy are the
packages that most people would reach for first. Each takes a list of `BaselineFrame` and
gives edges, shape (n, 4): frame and label of the earlier detection, then of the later.

Their settings are the best of a small grid on seeds that the benchmark never uses, level by
level (`python -m tests.benchmarks.baseline_trackers`, which prints the grid's best).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from processing.metrics import TrackingScores, score_tracking
from processing.synthetic_tracks import LEVELS, SimulatedTracks, simulate_tracks

MAX_GAP = 4  # frames over which a pore may be found again, as for our own tracker
TUNING_SEED = 1000
TUNING_FRAMES = 60


@dataclass(frozen=True)
class BaselineFrame:
    """The detections of one frame, one entry each, in pixels; ``labels()`` draws the label image."""

    number: int
    label: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area: np.ndarray
    intensity: np.ndarray
    flux: np.ndarray
    labels: Callable[[], np.ndarray]

    @property
    def places(self) -> np.ndarray:
        """Shape (n, 2): row and column."""
        return np.column_stack([self.row, self.col])


def frames_of(simulated: SimulatedTracks) -> list[BaselineFrame]:
    """The series as a tracker gets it, false detections among the true."""
    columns = ("label", "row", "col", "area_px", "intensity", "flux")
    return [
        BaselineFrame(
            number, *(getattr(simulated, name)[first:last] for name in columns), partial(simulated.labels, number)
        )
        for number, (first, last) in enumerate(itertools.pairwise(simulated.starts))
    ]


def score(simulated: SimulatedTracks, edges: np.ndarray) -> TrackingScores:
    """Edges against the truth of the series."""
    nodes = np.column_stack([simulated.frame, simulated.label])
    return score_tracking(nodes[simulated.is_true], simulated.edges, nodes, edges)


def _edges(rows: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, 4)


def distance_mapper(frames: list[BaselineFrame], *, reach_px: float = 15) -> np.ndarray:
    """
    Each pore goes to the nearest of the next frame within a limit; where two go to one they merge.

    A pore that nobody goes to has split from the nearest of the frame before, within the
    same limit. A frame without any pore is passed over.
    """
    rows = []
    for earlier, later in itertools.pairwise(frame for frame in frames if frame.label.size):
        distance = cdist(earlier.places, later.places)
        pairs = {(k, int(np.argmin(distance[k]))) for k in range(earlier.label.size)}
        unclaimed = set(range(later.label.size)) - {m for k, m in pairs if distance[k, m] <= reach_px}
        pairs |= {(int(np.argmin(distance[:, m])), m) for m in unclaimed}
        rows += [
            (earlier.number, int(earlier.label[k]), later.number, int(later.label[m]))
            for k, m in sorted(pairs)
            if distance[k, m] <= reach_px
        ]
    return _edges(rows)


def laptrack_distance(
    frames: list[BaselineFrame], *, reach_px: float = 15, gap_reach_px: float = 15, event_reach_px: float = 15
) -> np.ndarray:
    """laptrack (Jaqaman et al. 2008, Nat. Methods 5, 695) on the squared distance of centroids."""
    from laptrack import LapTrack

    tracker = LapTrack(
        cutoff=reach_px**2,
        gap_closing_cutoff=gap_reach_px**2,
        gap_closing_max_frame_count=MAX_GAP + 1,
        splitting_cutoff=event_reach_px**2,
        merging_cutoff=event_reach_px**2,
    )
    return _laptrack_edges(frames, tracker.predict([frame.places for frame in frames]))


def laptrack_overlap(
    frames: list[BaselineFrame], *, cutoff: float = 0.9, gap_cutoff: float = 0.9, event_cutoff: float = 0.7
) -> np.ndarray:
    """
    laptrack on 1 less the shared pixels over the smaller area.

    The overlaps are counted here for all pairs at once: laptrack's own `OverLapTrack`
    compares whole images for every pair of frames, which takes minutes.
    """
    from laptrack import LapTrack

    overlap = _overlaps(frames)

    def cost(one: np.ndarray, other: np.ndarray) -> float:
        first, second = sorted(((int(one[0]), int(one[1])), (int(other[0]), int(other[1]))))
        return 1 - overlap.get((*first, *second), 0.0)

    tracker = LapTrack(
        metric=cost, gap_closing_metric=cost, splitting_metric=cost, merging_metric=cost,
        cutoff=cutoff, gap_closing_cutoff=gap_cutoff, splitting_cutoff=event_cutoff, merging_cutoff=event_cutoff,
        gap_closing_max_frame_count=MAX_GAP + 1,
    )  # fmt: skip
    names = [np.column_stack([np.full(frame.label.size, frame.number), frame.label]) for frame in frames]
    return _laptrack_edges(frames, tracker.predict(names))


def _laptrack_edges(frames: list[BaselineFrame], tree: Any) -> np.ndarray:
    """Its nodes are (frame, index in the frame)."""
    return _edges([(a, int(frames[a].label[k]), b, int(frames[b].label[m])) for (a, k), (b, m) in tree.edges])


def _overlaps(frames: list[BaselineFrame]) -> dict[tuple[int, int, int, int], float]:
    """Shared pixels over the smaller area, for all pairs at most MAX_GAP + 1 frames apart that share any."""
    found = {}
    recent: list[tuple[BaselineFrame, np.ndarray]] = []
    for later in frames:
        image = later.labels()
        for earlier, drawn in recent:
            both = (drawn > 0) & (image > 0)
            pairs, shared = np.unique(np.stack([drawn[both], image[both]]), axis=1, return_counts=True)
            for (k, m), n_pixels in zip(pairs.T.tolist(), shared.tolist(), strict=True):
                smaller = min(earlier.area[k - 1], later.area[m - 1])
                found[earlier.number, k, later.number, m] = float(n_pixels / smaller)
        recent = [*recent[-MAX_GAP:], (later, image)]
    return found


def trackpy_links(frames: list[BaselineFrame], *, reach_px: float = 15) -> np.ndarray:
    """trackpy (Crocker & Grier 1996, J. Colloid Interface Sci. 179, 298), which knows gaps but no merges or splits."""
    import pandas as pd
    import trackpy

    trackpy.quiet()
    table = pd.DataFrame({
        "frame": np.concatenate([np.full(frame.label.size, frame.number) for frame in frames]),
        "label": np.concatenate([frame.label for frame in frames]),
        "y": np.concatenate([frame.row for frame in frames]),
        "x": np.concatenate([frame.col for frame in frames]),
    })  # fmt: skip
    linked = trackpy.link(table, reach_px, memory=MAX_GAP, adaptive_stop=2, adaptive_step=0.9)
    rows = []
    for _, track in linked.sort_values("frame").groupby("particle"):
        steps = itertools.pairwise(zip(track["frame"].tolist(), track["label"].tolist(), strict=True))
        rows += [(*earlier, *later) for earlier, later in steps]
    return _edges(rows)


TRACKERS: dict[str, Callable[..., np.ndarray]] = {
    "distance mapper": distance_mapper,
    "laptrack, distance": laptrack_distance,
    "laptrack, overlap": laptrack_overlap,
    "trackpy": trackpy_links,
}

# What the grid below found best; a level that is not here takes the functions' defaults.
TUNED: dict[str, dict[str, dict[str, float]]] = {
    "medium": {
        "distance mapper": {"reach_px": 13.5},
        "laptrack, distance": {"reach_px": 18, "gap_reach_px": 27, "event_reach_px": 17},
        "laptrack, overlap": {"cutoff": 0.7, "gap_cutoff": 0.999, "event_cutoff": 0.9},
        "trackpy": {"reach_px": 22},
    },
    "hard": {
        "distance mapper": {"reach_px": 18},
        "laptrack, distance": {"reach_px": 18, "gap_reach_px": 27, "event_reach_px": 17},
        "laptrack, overlap": {"cutoff": 0.9, "gap_cutoff": 0.7, "event_cutoff": 0.999},
        "trackpy": {"reach_px": 22},
    },
    "fast": {
        "distance mapper": {"reach_px": 27},
        "laptrack, distance": {"reach_px": 25, "gap_reach_px": 37.5, "event_reach_px": 24},
        "laptrack, overlap": {"cutoff": 0.9, "gap_cutoff": 0.7, "event_cutoff": 0.999},
        "trackpy": {"reach_px": 27},
    },
}


def _grid(name: str) -> Iterator[dict[str, float]]:
    """The settings tried."""
    if name in ("distance mapper", "trackpy"):
        yield from ({"reach_px": reach} for reach in (8, 10, 12, 13.5, 15, 16.5, 18, 22, 27, 33))
    elif name == "laptrack, distance":
        for reach, gap, event in itertools.product((9, 13, 18, 25, 32), (1.0, 1.5), (8, 12, 17, 24, 32)):
            yield {"reach_px": reach, "gap_reach_px": gap * reach, "event_reach_px": event}
    else:
        for link, gap, event in itertools.product((0.5, 0.7, 0.9), (0.7, 0.999), (0.5, 0.7, 0.9, 0.999)):
            yield {"cutoff": link, "gap_cutoff": gap, "event_cutoff": event}


def _goodness(name: str, scores: TrackingScores) -> float:
    """Mean F1 of edges, merges and splits; of edges alone for what knows no others."""
    if name == "trackpy":
        return scores.edges.f1
    return (scores.edges.f1 + scores.merges.f1 + scores.splits.f1) / 3


def main() -> int:
    """Print the best settings of each tracker at each level."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.baseline_trackers")
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=["medium", "hard", "fast"])
    parser.add_argument("--trackers", nargs="+", choices=list(TRACKERS), default=list(TRACKERS))
    options = parser.parse_args()
    for level in options.levels:
        simulated = simulate_tracks(LEVELS[level], seed=TUNING_SEED, n_frames=TUNING_FRAMES)
        frames = frames_of(simulated)
        for name in options.trackers:
            tried = []
            for settings in _grid(name):
                scores = score(simulated, TRACKERS[name](frames, **settings))
                tried.append((_goodness(name, scores), settings))
            for goodness, settings in sorted(tried, key=lambda one: -one[0])[:3]:
                print(f"{level:8} {name:20} {goodness:.4f} {settings}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
