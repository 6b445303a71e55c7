"""
Forty records through every fault, while workers, the web server and everything at once are killed.

One seed is run with the suite; ACQUIRE_RUNS=20 runs so many, from the seed ACQUIRE_FIRST on.
"""

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.jsoc.small import SEGMENTS
from tests.system.conftest import Site, wait_for

N_RECORDS = 40
N_KILLS = int(os.getenv("ACQUIRE_KILLS", "2"))
FIRST = int(os.getenv("ACQUIRE_FIRST", "0"))
SEEDS = range(FIRST, FIRST + int(os.getenv("ACQUIRE_RUNS", "1")))
ORDER = """
from django.contrib.auth.models import User
from poreweb.acquire import actions, models
from poreweb.acquire.wanted import Wanted
from poreweb.people.models import Team
team, alice = Team.objects.get(name="Pores"), User.objects.get(username="alice")
preview = actions.start_preview(team, alice, Wanted(377))
actions.order_directly(preview)
models.Acquisition.objects.filter(pk=preview.pk).update(run_after=False)
"""
PAGE = """
from django.contrib.auth.models import User
from django.test import Client
from poreweb.acquire.models import Acquisition
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.get(username="alice"))
print(client.get(Acquisition.objects.get().get_absolute_url()).text)
"""
# Each with so many of a hundred requests; an e-mail that is not registered ends an order, and is tested elsewhere
OFTEN = (
    ("500", "info", 20), ("500", "status", 15), ("503", "request", 15), ("500", "tar", 15), ("slow", "status", 10),
    ("drop", "request", 10), ("drop", "tar", 15), ("truncated", "tar", 30), ("wrong size", "tar", 10),
    ("garbled", "tar", 10), ("html", "status", 10), ("html", "tar", 10), ("duplicate", "request", 10),
    ("no ranges", "tar", 20), ("lost", "status", 10), ("stale", "request", 15), ("drip", "tar", 20),
)  # fmt: skip
ONCE = (("limit", {"records": 25}), ("busy", {"seconds": 3}), ("stuck", {"skip": 1}), ("failed", {"skip": 2}))


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


@pytest.fixture(params=SEEDS, ids=[f"seed {seed}" for seed in SEEDS])
def chaos(
    request: pytest.FixtureRequest, archive: Archive, cast: Path, tmp_path: Path
) -> Iterator[tuple[Site, random.Random]]:
    """A site with an order in hand, and a stand-in that has every fault."""
    seed = request.param
    with JsocStandIn(archive, seed=seed, delay_s=1.0, expires_s=8) as jsoc:
        for kind, where, percent in OFTEN:
            options = {"seconds": 3.0} if kind in ("slow", "lost") else {"bytes_per_s": 4e5} if kind == "drip" else {}
            jsoc.faults.add(kind, where, times=None, probability=percent / 100, **options)
        for kind, options in ONCE:
            jsoc.faults.add(kind, "request", **options)
        site = Site(shutil.copytree(cast, tmp_path / "var"))
        site.settings = {
            "JSOC_URL": jsoc.address, "JSOC_EMAIL": "observer@example.org", "JSOC_PACE_S": "1", "MIN_FREE_MB": "0",
            "FETCH_TIMEOUT_S": "2", "JSOC_PENDING_LIMIT_S": "8", "JSOC_MAX_RECORDS": "20",
        }  # fmt: skip
        site.start()
        yield site, random.Random(seed)
        site.stop()
        assert max(jsoc.max_in_flight.values()) <= 1
        assert jsoc.max_connections <= 2  # one worker, and one whose kill the server has not noticed


def kill_something(site: Site, rng: random.Random) -> str:
    """SIGKILL to the worker with its work-horse, to the web server, or to everything, which is then started again."""
    what = rng.choice(["worker", "worker", "web", "everything"])
    pattern = {"worker": r"manage\.py worker", "web": "gunicorn", "everything": "."}[what]
    assert site.process is not None
    for process in site.processes(pattern):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if what == "everything":
        site.process.wait(30)
        assert site.process.stdout is not None
        site.process.stdout.close()
        site.start()
    return what


def test_exactly_the_records_are_held_whatever_happens(chaos: tuple[Site, random.Random], archive: Archive) -> None:
    site, rng = chaos
    site.manage("shell", "-v", "0", "-c", ORDER)
    killed = []
    for _ in range(N_KILLS):
        time.sleep(rng.uniform(0.3, 6))
        killed.append(kill_something(site, rng))

    def has_ended() -> bool:
        return site.ask("select state from acquire_acquisition") not in ([("waiting",)], [("running",)])

    try:
        wait_for(has_ended, 300, "the acquisition to end", every=0.5)
    except AssertionError:
        print(killed, site.ask("select at, text from acquire_acquisitionlog"))
        raise
    log = [text for (text,) in site.ask("select text from acquire_acquisitionlog order by id")]
    assert site.ask("select state, error from acquire_acquisition") == [("done", "")], log

    wanted = {
        (record.t_rec_s, segment): {
            hashlib.sha256(read(segment)).hexdigest() for read in (record.read, record.read_as_is)
        }
        for record in archive.records()
        for segment in SEGMENTS
    }
    held = site.ask(
        "select f.t_rec_s, r.segment, r.sha256 from observations_rawfile r"
        " join observations_frame f on f.id = r.frame_id where not r.conflict",
    )
    assert len(held) == len(wanted) == 5 * N_RECORDS
    assert all(sha in wanted[t_rec_s, segment] for t_rec_s, segment, sha in held)
    assert {(t_rec_s, segment) for t_rec_s, segment, _ in held} == set(wanted)
    for _, _, sha in held:
        file = site.var / "storage" / "raw" / sha[:2] / f"{sha}.fits"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha
    assert site.ask("select count(*) from observations_frame") == [(N_RECORDS,)]
    assert site.ask("select count(*) from observations_rawfile where conflict") == [(0,)]
    assert not list((site.var / "fetching").glob("*.part"))
    page = site.manage("shell", "-v", "0", "-c", PAGE)
    assert f"All {N_RECORDS} records are held." in page
    assert "What happened" in page
    assert "tried again." in page
    print(killed, *log, sep="\n")
