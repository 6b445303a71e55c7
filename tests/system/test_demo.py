"""``make demo`` against the truth that lies beside its patch."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy.optimize import linear_sum_assignment

from processing.synthetic import Truth, read_truth
from tests.system.conftest import ROOT, Site

NEAR_PX = 6  # of the doubled grid: 1.1 Mm


def run_demo(site: Site) -> str:
    """Start the demo, wait for its last line, stop it; all it printed."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(site.port)],
        cwd=ROOT, env=site.environment, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ready:"):
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 0
    assert rest == ""  # the address is the last line
    return "".join(lines)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str]:
    site = Site(tmp_path_factory.mktemp("demo") / "var")
    return site, run_demo(site)


@pytest.fixture(scope="module")
def truth(demo: tuple[Site, str]) -> Truth:
    return read_truth(demo[0].var / "demo" / "fits" / "truth.json")


def test_it_ends_with_a_movie_and_a_catalogue(demo: tuple[Site, str]) -> None:
    _, printed = demo
    paths = re.findall(r"^  .*?: (/.*)$", printed, re.MULTILINE)
    assert [Path(path).suffix for path in paths] == [".mp4", ".csv", ".ecsv"]
    assert all(Path(path).stat().st_size > 100_000 for path in paths)
    table = Table.read(paths[2], format="ascii.ecsv")
    assert len(table) > 500
    assert json.loads(json.dumps(table.meta["parameters"]))["threshold"] == 0.5


def test_true_pores_are_found(demo: tuple[Site, str], truth: Truth) -> None:
    found = defaultdict(list)
    rows = demo[0].ask("select fr.t_rec_s, f.row, f.col from tracks_feature f "
                        "join tracks_segmentation s on f.segmentation_id = s.id "
                        "join observations_frame fr on s.frame_id = fr.id")  # fmt: skip
    for t_rec_s, row, col in rows:
        found[t_rec_s].append((row, col))
    n_true = n_matched = n_found = 0
    for frame in truth.frames:
        if frame.t_rec_s not in found:
            continue  # the lost slot
        true = np.array([(pore.row, pore.col) for pore in frame.pores if pore.visible])
        seen = np.array(found[frame.t_rec_s])
        distance = np.hypot(*(true[:, None] - seen[None]).transpose(2, 0, 1))
        n_true, n_found = n_true + len(true), n_found + len(seen)
        pairs = linear_sum_assignment(np.minimum(distance, 10 * NEAR_PX))  # each detection answers for one pore
        n_matched += int((distance[pairs] <= NEAR_PX).sum())
    assert n_matched >= 0.95 * n_true
    assert n_found - n_matched <= 0.05 * n_found


@pytest.mark.parametrize("kind", ["merge", "split"])
def test_every_merge_and_split_is_listed(demo: tuple[Site, str], truth: Truth, kind: str) -> None:
    held = demo[0].ask("select s.\"index\", fr.t_rec_s from tracks_segmentation s "
                        "join observations_frame fr on s.frame_id = fr.id")  # fmt: skip
    first = truth.frames[0].t_rec_s
    slot_of = {index: (t_rec_s - first) // 720 for index, t_rec_s in held}
    listed = [slot_of[index] for (index,) in demo[0].ask(f"select \"index\" from tracks_event where kind = '{kind}'")]
    true = [event.frame for event in truth.events_of(kind)]
    assert len(true) > 0
    assert len(listed) == len(true)
    for frame in true:
        assert min(abs(frame - slot) for slot in listed) <= 2


def test_a_second_start_is_quick_and_keeps_the_data(demo: tuple[Site, str]) -> None:
    before = demo[0].ask("select count(*), max(id) from tracks_run")
    began = time.monotonic()
    printed = run_demo(demo[0])
    assert "Ready:" in printed
    assert time.monotonic() - began < 40  # with its end; on a quiet machine a third of that
    assert demo[0].ask("select count(*), max(id) from tracks_run") == before
