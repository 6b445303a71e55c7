"""
Our tracker and others on the same detections of simulated series whose lineage is known.

`python -m tests.benchmarks.trackers --levels medium hard fast --seeds 3 --out docs/tracking-benchmark.md`
runs every tracker in a process of its own, prints one Markdown table per level and writes them.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from processing.metrics import Score
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.timekeys import CADENCE_S
from processing.track import DetectedFrame, link_series
from tests.benchmarks.baseline_trackers import MAX_GAP, TRACKERS, TUNED, BaselineFrame, frames_of, score

# Seeds that something was chosen by: by hand and by grid below, for the network's weights above.
USED_SEEDS = (range(2_000), range(1_000_000, 2_000_000))
FIRST_FRESH_SEED = 5_001

PIXEL_SIDE_MM = 0.18222  # of the doubled grid; only a limit in Mm depends on it
WARM_UP_FRAMES = 6  # tracked before the clock starts, so that imports and compiling do not count


def poreweb(frames: list[BaselineFrame], *, reach_mm: float | None = None, measured: bool = True) -> np.ndarray:
    """Our own; ``measured`` whether it sees intensity and flux, which the others do not look at."""
    starts = np.cumsum([0, *(frame.label.size for frame in frames)])

    def detected() -> Iterator[DetectedFrame]:
        for first, frame in zip(starts, frames, strict=False):
            yield DetectedFrame(
                frame.number * CADENCE_S, first + np.arange(frame.label.size), frame.row, frame.col, frame.area,
                frame.labels(), frame.intensity if measured else None, frame.flux if measured else None,
            )  # fmt: skip

    linked = link_series(detected(), pixel_side_mm=PIXEL_SIDE_MM, reach_mm=reach_mm, max_gap=MAX_GAP)
    number = np.concatenate([np.full(frame.label.size, frame.number) for frame in frames])
    label = np.concatenate([frame.label for frame in frames])
    ends = np.array([(link.earlier, link.later) for link in linked.links], np.int64).reshape(-1, 2)
    return np.stack([number[ends], label[ends]], axis=2).reshape(-1, 4)


ALL_TRACKERS: dict[str, Callable[..., np.ndarray]] = {
    "poreweb": poreweb,
    "poreweb, labels only": partial(poreweb, measured=False),
    "poreweb, reach 1.5 Mm": partial(poreweb, reach_mm=1.5),
    **TRACKERS,
}


def run_one(tracker: str, level: str, seed: int, n_frames: int) -> dict[str, Any]:
    """Track one series in this process: scores, seconds for 100 frames, peak memory in MB."""
    simulated = simulate_tracks(LEVELS[level], seed=seed, n_frames=n_frames)
    frames = frames_of(simulated)
    track = partial(ALL_TRACKERS[tracker], **TUNED.get(level, {}).get(tracker, {}))
    track(frames[:WARM_UP_FRAMES])
    began = time.perf_counter()
    edges = track(frames)
    seconds = (time.perf_counter() - began) * 100 / n_frames
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kB on Linux
    return {**asdict(score(simulated, edges)), "seconds": seconds, "peak_mb": peak_mb}


def run_apart(tracker: str, level: str, seed: int, n_frames: int) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.trackers", "--one", tracker]
    command += ["--levels", level, "--first-seed", str(seed), "--frames", str(n_frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tracker} failed on {level}, seed {seed}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def pooled(runs: Sequence[dict[str, Any]], name: str) -> Score:
    """One score of all seeds, by adding up their counts."""
    counts = {count: sum(run[name][count] for run in runs) for count in ("n_true", "n_found", "n_right")}
    return Score.of_counts(**counts)


def row_of(tracker: str, runs: Sequence[dict[str, Any]]) -> str:
    """One line of the table."""

    def event(name: str) -> str:
        strict, near = pooled(runs, name), pooled(runs, f"{name}_2")
        return f"{strict.f1:.3f} ({strict.precision:.2f}/{strict.recall:.2f}) | {near.f1:.3f}"

    means = [f"{np.mean([run[name] for run in runs]):.3f}" for name in ("hota", "idf1", "lnk")]
    cells = [tracker, f"{pooled(runs, 'edges').f1:.4f}", event("merges"), event("splits")]
    cells += [f"{pooled(runs, 'gap_edges').f1:.3f}", *means]
    cells += [f"{np.median([run['seconds'] for run in runs]):.1f}", f"{max(run['peak_mb'] for run in runs):.0f}"]
    return f"| {' | '.join(cells)} |"


def table_of(level: str, by_tracker: dict[str, list[dict[str, Any]]]) -> str:
    """A level's Markdown table."""
    names = (
        "tracker", "edges F1", "merges F1 (P/R)", "±2", "splits F1 (P/R)", "±2", "gaps F1",
        "HOTA", "IDF1", "LNK", "s / 100 frames", "peak MB",
    )  # fmt: skip
    first = next(iter(by_tracker.values()))
    n_edges, n_merges, n_splits, n_gaps = (
        pooled(first, name).n_true for name in ("edges", "merges", "splits", "gap_edges")
    )
    return "\n".join([
        f"## {level}\n",
        f"{n_edges} true edges, {n_gaps} of them over gaps; {n_merges} merges, {n_splits} splits.\n",
        f"| {' | '.join(names)} |",
        f"|---|{'---:|' * (len(names) - 1)}",
        *(row_of(tracker, runs) for tracker, runs in by_tracker.items()),
        "",
    ])  # fmt: skip


def preface(command: str, seeds: Sequence[int], n_frames: int) -> str:
    """What the tables hold, and how they were made."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("laptrack", "trackpy", "traccuracy"))
    return f"""# Tracking, against other trackers

Made by `{command}`
on {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {packages}.
Seeds {seeds[0]} to {seeds[-1]}, {n_frames} frames of 700 x 1200 each; nothing was chosen or trained on these seeds.

Every tracker gets the same detections, false ones among them. laptrack with overlap and poreweb look at the label
images, poreweb at intensity and flux as well where it does not say "labels only"; the others at centroids alone.
The others' settings are the best of a small grid on another seed of the same level, and differ from level to level
(`TUNED` in `tests/benchmarks/baseline_trackers.py`); poreweb has one setting. Its probabilities were learned on series
of the same simulator, of random levels and of these, with other seeds: that is an advantage which the others cannot
have here.

- *Merges*, *splits*: right at the right detection with two right branches; ±2: up to two frames early or late.
- *Gaps*: edges over at least one frame. *LNK*: linking score of the Cell Tracking Challenge.
- *HOTA*, *IDF1*: of tracks cut at every merge and split (`processing.metrics`).
- Counts of all seeds are added up; HOTA, IDF1 and LNK are means, seconds the median, memory the largest.
- Seconds are those of the tracker alone, memory that of its whole process, series and Python packages included.
"""


def main() -> int:
    """All trackers on all levels and seeds; or, as a process of its own, one."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trackers")
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=["medium", "hard", "fast"])
    parser.add_argument("--trackers", nargs="+", choices=list(ALL_TRACKERS), default=list(ALL_TRACKERS))
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="so many, from the first one on")
    parser.add_argument("--first-seed", type=int, default=FIRST_FRESH_SEED)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--one", choices=list(ALL_TRACKERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    if used := [seed for seed in seeds if any(seed in span for span in USED_SEEDS)]:
        parser.error(f"seed {used[0]} was used to tune or train a tracker; take others, as {FIRST_FRESH_SEED}")
    if options.one:
        print(json.dumps(run_one(options.one, options.levels[0], options.first_seed, options.frames)))
        return 0

    command = " ".join(["python -m tests.benchmarks.trackers", *sys.argv[1:]])
    parts = [preface(command, seeds, options.frames)]
    for level in options.levels:
        runs = {
            tracker: [run_apart(tracker, level, seed, options.frames) for seed in seeds] for tracker in options.trackers
        }
        parts.append(table_of(level, runs))
        print(parts[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
