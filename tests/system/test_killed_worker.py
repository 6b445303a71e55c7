"""A worker killed in the middle of a run: nothing is lost, nothing is doubled, the run ends."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.system.conftest import Site, wait_for


def ask(site: Site, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(site.var / "poreweb.sqlite3", timeout=30)) as rows:
        return rows.execute(question).fetchall()


def test_run_survives_sigkill(site: Site, simulated: Path) -> None:
    site.manage("ingest", str(simulated), "--team", "Pores")
    wait_for(lambda: ask(site, "select 1 from tracks_batch where state = 'running'"), 30, "a batch to start")
    workers = site.processes(r"manage\.py worker")  # both workers and the work-horses
    some_done = "select count(*) from tracks_segmentation where state = 'done'"
    wait_for(lambda: ask(site, some_done)[0][0], 90, "a first frame", every=0.02)  # the network is loaded first
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert 0 < ask(site, some_done)[0][0] < 15  # in the middle of the one batch

    def run_is_done() -> bool:
        return ask(site, "select state from tracks_run") == [("done",)]

    began = time.monotonic()
    wait_for(run_is_done, 120, "the run to end")
    assert time.monotonic() - began < 90
    assert ask(site, "select count(*), count(distinct frame_id) from tracks_segmentation where state = 'done'") == [
        (15, 15)
    ]
    assert ask(site, "select count(*) from tracks_segmentation s where n_features != "
                     "(select count(*) from tracks_feature f where f.segmentation_id = s.id)") == [(0,)]  # fmt: skip
    assert ask(site, "select count(*) from tracks_event where kind = 'merge'") == [(1,)]
    made = "select count(*) from exports_export where state = 'done'"
    wait_for(lambda: ask(site, made) == [(3,)], 60, "the movie and the catalogues")
