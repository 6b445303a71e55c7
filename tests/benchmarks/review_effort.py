"""
How many wrong mergers and splits go when people look at the events that are least sure.

``python -m tests.benchmarks.review_effort --level hard --seeds 3``: simulated series that
nothing was trained or tuned on; the reviewer is taken to be right. An event that is looked
at puts right every merger and split, found or missed, at the features it names.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from processing.certainty import weigh_events
from processing.lineage import EventOf, build_lineage
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.track import link_series
from processing.track.train import detected, nodes_of, true_pairs

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Far from the seeds of training, which count from a million, and beyond those of tuning and of the benchmark.
FIRST_SEED = 6000


def ends_of(pairs: Iterable[tuple[int, int]], kind: str) -> dict[int, frozenset[int]]:
    """Mergers: child -> its parents. Splits: parent -> its children. Those with two or more."""
    ends: dict[int, set[int]] = defaultdict(set)
    for earlier, later in pairs:
        if kind == "merge":
            ends[later].add(earlier)
        else:
            ends[earlier].add(later)
    return {node: frozenset(others) for node, others in ends.items() if len(others) > 1}


def wrong_events(true: set[tuple[int, int]], found: set[tuple[int, int]]) -> list[frozenset[int]]:
    """The features of each merger or split that is false, missed, or has other parents or children."""
    wrong = []
    for kind in ("merge", "split"):
        truth, answer = ends_of(true, kind), ends_of(found, kind)
        for node in truth.keys() | answer.keys():
            if truth.get(node) != answer.get(node):
                wrong.append(truth.get(node, frozenset()) | answer.get(node, frozenset()) | {node})
    return wrong


def shares_removed(events: list[EventOf], probability: np.ndarray, wrong: list[frozenset[int]]) -> list[float]:
    """Share of the wrong ones that go when the least sure SHARES of all events are looked at."""
    order = np.argsort(probability, kind="stable")
    removed = []
    for share in SHARES:
        seen: set[int] = set()
        for k in order[: round(share * len(events))]:
            seen.update(events[k].parents, events[k].children)
        removed.append(sum(bool(item & seen) for item in wrong) / max(len(wrong), 1))
    return removed


def main() -> None:
    """Print one Markdown row a series, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", choices=sorted(LEVELS), default="hard")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()
    print("| seed | events | wrong mergers and splits | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |")
    print("|---" * (3 + len(SHARES)) + "|")
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        simulated = simulate_tracks(LEVELS[options.level], seed=seed, n_frames=options.frames)
        frames = list(detected(simulated))
        linked = link_series(frames, pixel_side_mm=1.0, reach_mm=None)
        nodes = nodes_of(frames)
        lineage = build_lineage(nodes, linked.links, n_frames=options.frames)
        probability = np.array([item.probability for item in weigh_events(lineage, nodes, linked)])
        true = {(int(i), int(j)) for i, j in true_pairs(simulated)}
        wrong = wrong_events(true, {(link.earlier, link.later) for link in linked.links})
        rows.append(shares_removed(lineage.events, probability, wrong))
        cells = " | ".join(f"{share:.2f}" for share in rows[-1])
        print(f"| {seed} | {len(lineage.events)} | {len(wrong)} | {cells} |", flush=True)
    print("| mean | | | " + " | ".join(f"{share:.2f}" for share in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
