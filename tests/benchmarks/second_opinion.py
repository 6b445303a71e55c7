"""
How well the tracking does on `second_simulator`, which its networks have not learned from, by labels alone.

``python -m tests.benchmarks.second_opinion --seeds 2`` prints two Markdown tables: scores a level,
and, for hard, how many wrong mergers and splits go when people look at the least sure events.
Seeds 1 and 2 were looked at when the costs of events and the size of the networks were chosen;
``--first-seed 3`` gives series that nothing was chosen by.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from processing.certainty import weigh_events
from processing.lineage import Node, build_lineage
from processing.metrics import TrackingScores, score_tracking
from processing.timekeys import CADENCE_S
from processing.track import DetectedFrame, Linked, link_series
from tests.benchmarks.review_effort import SHARES, shares_removed, wrong_events
from tests.benchmarks.second_simulator import LEVELS, make

REVIEWED = "hard"


@dataclass(frozen=True)
class Followed:
    """One series: its frames without their images, its truth as `second_simulator.make` has it, and its links."""

    nodes: np.ndarray
    edges: np.ndarray
    features: list[Node]
    names: np.ndarray
    n_frames: int
    linked: Linked

    def found_edges(self) -> np.ndarray:
        """Frame and label of both ends of each link, shape (n, 4)."""
        ends = np.array([(link.earlier, link.later) for link in self.linked.links], np.int64).reshape(-1, 2)
        return self.names[ends].reshape(-1, 4)

    def scores(self) -> TrackingScores:
        """Its links against the truth; false detections are no true nodes."""
        return score_tracking(self.nodes, self.edges, self.names, self.found_edges())

    def effort(self) -> tuple[int, int, list[float]]:
        """Number of events, of wrong mergers and splits, and the shares of these that go, as in `review_effort`."""
        lineage = build_lineage(self.features, self.linked.links, n_frames=self.n_frames)
        sure = np.array([item.probability for item in weigh_events(lineage, self.features, self.linked)])
        number = {tuple(name): k for k, name in enumerate(self.names.tolist())}
        true = {(number[a, b], number[c, d]) for a, b, c, d in self.edges.tolist()}
        wrong = wrong_events(true, {(link.earlier, link.later) for link in self.linked.links})
        return len(lineage.events), len(wrong), shares_removed(lineage.events, sure, wrong)


def detected(labels: np.ndarray) -> Iterator[DetectedFrame]:
    """The labels of a series, shape (n_frames, ny, nx) and 1 to n in each, as the tracker takes them."""
    n_before = 0
    for k, image in enumerate(labels):
        rows, cols = np.nonzero(image)
        label = image[rows, cols] - 1
        area = np.bincount(label)
        row, col = (np.bincount(label, weights=at) / area for at in (rows, cols))
        yield DetectedFrame(k * CADENCE_S, n_before + np.arange(area.size), row, col, area, image)
        n_before += area.size


def follow(level: str, seed: int, n_frames: int) -> Followed:
    """Simulate a series and link it by its labels alone."""
    made = make(level, seed, n_frames)
    frames = list(detected(made["labels"]))
    linked = link_series(frames, pixel_side_mm=1.0, reach_mm=None)
    seen = [(t, int(k), float(area)) for t, frame in enumerate(frames) for k, area in enumerate(frame.area_px)]
    features = [Node(number, t, False, area) for number, (t, _, area) in enumerate(seen)]
    names = np.array([(t, k + 1) for t, k, _ in seen], np.int64)
    return Followed(made["nodes"], made["edges"], features, names, n_frames, linked)


def score_row(level: str, scores: Sequence[TrackingScores]) -> str:
    """One line of the first table: means over the series."""

    def mean(name: str, part: str = "f1") -> float:
        return float(np.mean([getattr(getattr(score, name), part) for score in scores]))

    merges = f"{mean('merges'):.3f} ({mean('merges', 'precision'):.2f} / {mean('merges', 'recall'):.2f})"
    hota, idf1 = (np.mean([getattr(score, name) for score in scores]) for name in ("hota", "idf1"))
    cells = [level, f"{mean('edges'):.4f}", merges, f"{mean('splits'):.3f}", f"{mean('gap_edges'):.3f}"]
    return f"| {' | '.join([*cells, f'{hota:.3f}', f'{idf1:.3f}'])} |"


def print_effort(efforts: Sequence[tuple[int, int, list[float]]], seeds: Sequence[int]) -> None:
    """The second table: one line a series, and their mean."""
    print(f"\n| {REVIEWED}, seed | events | wrong mergers and splits | {' | '.join(f'{s:.0%}' for s in SHARES)} |")
    print("|---" * (3 + len(SHARES)) + "|")
    means = [np.mean([effort[k] for effort in efforts], axis=0) for k in range(3)]
    rows = [*((str(seed), *effort) for seed, effort in zip(seeds, efforts, strict=True)), ("mean", *means)]
    for name, n_events, n_wrong, removed in rows:
        print(f"| {name} | {n_events:.0f} | {n_wrong:.0f} | {' | '.join(f'{share:.2f}' for share in removed)} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.second_opinion", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="series a level")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print("| | edges | merges (P / R) | splits | gaps | HOTA | IDF1 |")
    print("|---" * 7 + "|")
    efforts = []
    for level in LEVELS:
        scores = []
        for seed in seeds:
            followed = follow(level, seed, options.frames)
            scores.append(followed.scores())
            if level == REVIEWED:
                efforts.append(followed.effort())
        print(score_row(level, scores), flush=True)
    print_effort(efforts, seeds)


if __name__ == "__main__":
    main()
