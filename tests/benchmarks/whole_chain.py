"""
The chain on a long series: `python -m tests.benchmarks.whole_chain [--frames 1200] [--workers 2]`.

Each worker takes every n-th frame of a simulated patch of 250 x 583 with four maps, in one
process with its share of the cores, as a worker of the site does. Prints the time of each
stage and the memory as the series goes on.
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def work(worker: int, workers: int, n_frames: int, threads: int) -> tuple[Counter[str], list[float], int]:
    """This worker's share: seconds by stage, memory after each tenth of it, features found."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    from processing.chain import process_frame
    from processing.fits import PatchFrame
    from processing.parameters import ChainParameters
    from processing.synthetic import SimulationParameters, simulate

    drawn = []
    for frame, _ in zip(simulate(SimulationParameters()), range(8), strict=False):
        drawn.append(PatchFrame(int(frame.cards["HARPNUM"]), frame.t_rec_s, frame.cards, frame.maps))
    seconds: Counter[str] = Counter()
    memory, n_features = [], 0
    mine = range(worker, n_frames, workers)
    for done, number in enumerate(mine, start=1):
        result = process_frame(drawn[number % len(drawn)], ChainParameters())
        seconds.update(result.seconds)
        n_features += len(result.features)
        if done % max(1, len(mine) // 10) == 0:
            memory.append(resident_mb())
    return seconds, memory, n_features


def main() -> int:
    """Share the frames out, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.whole_chain", description=__doc__)
    parser.add_argument("--frames", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // options.workers)
    began = time.perf_counter()
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        shares = [
            pool.submit(work, worker, options.workers, options.frames, threads) for worker in range(options.workers)
        ]
        done = [share.result() for share in shares]
    seconds = sum((share[0] for share in done), Counter[str]())
    print(f"{options.frames} frames, {options.workers} workers, {time.perf_counter() - began:.0f} s elapsed")
    for stage, spent in seconds.items():
        print(f"  {stage:10}{spent:8.1f} s of work{1000 * spent / options.frames:8.1f} ms a frame")
    for number, (_, memory, n_features) in enumerate(done, start=1):
        print(f"  worker {number}: {n_features} features, resident MB {' '.join(f'{value:.0f}' for value in memory)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
