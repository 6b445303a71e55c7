"""
An acquisition whose worker dies at every place in turn, before and after each step, and is gone on with.

What a dead worker leaves is what was committed, what lies on the disk and what JSOC was
asked. ACQUIRE_EVERY=1 lets it die before each single change of a row, not at some of them.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from poreweb import storage
from poreweb.acquire import actions, reading, space
from poreweb.acquire.models import Acquisition, ExportRequest
from poreweb.acquire.wanted import Wanted
from poreweb.observations import actions as observations
from poreweb.observations.archive import raw_key
from poreweb.observations.models import Frame, Ingest, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import _enqueue, dispatch_due
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import EMAIL, pass_time, words

N_RECORDS, SEGMENTS = 3, ("continuum", "Br")
EVERY = int(os.getenv("ACQUIRE_EVERY", "9"))
LOOKS_S = 0.4  # of JSOC's clock, between two looks at it
WHERE = (
    "jsoc._asked", "reading.download", "reading.take_file", "reading.forget", "reading._settle", "exporting._update",
    "exporting._next_export", "jobs._conclude",
)  # fmt: skip


Death = AbstractContextManager[Any]


class DeadError(BaseException):
    """Its plug was pulled; nothing catches that."""


@dataclass
class Order:
    """An order of three records in two exports, of which nothing has been done; JSOC takes a while for an export."""

    acquisition: Acquisition
    jsoc: JsocStandIn
    queues: Any
    folder: Path
    seconds: list[float]
    wanted: dict[tuple[int, str], str]
    deaths: int = field(default=0)

    def go_on(self) -> None:
        """As a worker does that finds the row, until it has ended."""
        acquisition = self.acquisition
        acquisition.refresh_from_db()
        if acquisition.is_open:
            _enqueue(Acquisition, acquisition.pk, acquisition.attempts)
        self.work(40)
        assert not acquisition.is_open, f"{acquisition.doing}: {words(acquisition)}"

    def work(self, times: int) -> None:
        for _ in range(times):
            self.queues.work()
            self.acquisition.refresh_from_db()
            if not self.acquisition.is_open:
                return
            self.seconds[0] += LOOKS_S
            Acquisition.objects.filter(not_before__isnull=False).update(not_before=timezone.now())
            dispatch_due(Acquisition)

    def die_in(self, death: Death) -> bool:
        """Work until it dies; False if it came to its end."""
        with death:
            try:
                self.go_on()
            except DeadError:
                self.queues.jobs.clear()
                self.deaths += 1
                return True
        return False

    def must_be_whole(self) -> None:
        """Exactly the records are held, each with its bytes, none twice, and nothing is left over."""
        said = words(self.acquisition)
        assert (self.acquisition.state, self.acquisition.error) == (Task.State.DONE, ""), said
        files = RawFile.objects.values_list("frame__t_rec_s", "segment", "sha256", "conflict", "ingest")
        ingest = Ingest.objects.get()
        assert sorted(files) == sorted((*key, sha, False, ingest.pk) for key, sha in self.wanted.items()), said
        for sha in self.wanted.values():
            assert hashlib.sha256(storage.read_bytes(raw_key(sha))).hexdigest() == sha
        assert Frame.objects.count() == N_RECORDS
        assert (ingest.state, ingest.n_new, ingest.error) == (Ingest.State.DONE, len(self.wanted), "")
        assert self.acquisition.records.filter(is_held=True).count() == N_RECORDS
        assert not self.acquisition.exports.filter(state__in=ExportRequest.OPEN).exists()
        assert self.acquisition.exports.count() <= 3, said
        assert max(self.jsoc.max_in_flight.values()) <= 1
        assert self.jsoc.max_connections == 1
        assert not list(space.scratch().iterdir())

    def begin_anew(self) -> None:
        """JSOC's books, the disk and the clock; the rows are the caller's."""
        self.jsoc.book.exports.clear()
        self.jsoc.forget()
        self.jsoc.faults.clear()
        self.queues.jobs.clear()
        for folder in ("storage", "var"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS, shape=(16, 16))


@pytest.fixture(scope="module")
def wanted(archive: Archive) -> dict[tuple[int, str], str]:
    return {
        (record.t_rec_s, segment): hashlib.sha256(record.read(segment)).hexdigest()
        for record in archive.records()
        for segment in SEGMENTS
    }


@pytest.fixture
def order(
    archive: Archive, wanted: dict[tuple[int, str], str], settings: LazySettings, tmp_path: Path, team: Team,
    alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Order]:  # fmt: skip
    # what a file says is the same each time; reading it is half of the time that this takes
    for module, name in ((observations, "read_segment"), (reading, "check_sums"), (reading, "read_key")):
        monkeypatch.setattr(module, name, cache(getattr(module, name)))
    seconds = [0.0]
    with JsocStandIn(archive, delay_s=0.5, clock=lambda: seconds[0]) as jsoc:
        settings.JSOC_URL, settings.JSOC_PACE_S = f"{jsoc.address}/", 1
        settings.VAR_DIR, settings.MIN_FREE_MB, settings.JSOC_MAX_RECORDS = tmp_path / "var", 0, 2
        team.jsoc_email = EMAIL
        team.save()
        acquisition = pass_time(queues, actions.start_preview(team, alice, Wanted(377), segments=SEGMENTS))
        assert actions.order(acquisition, user=alice, run_after=False)
        queues.commit()
        acquisition.refresh_from_db()
        yield Order(acquisition, jsoc, queues, tmp_path, seconds, wanted)


@contextmanager
def at_call(where: str, number: int, *, after: bool) -> Iterator[None]:
    """Dies in that call of a function, the first one being 0."""
    full = f"poreweb.acquire.{where}"
    actual, left = import_string(full), [number]

    def dies(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == -1 and not after:
            raise DeadError
        try:
            return actual(*args, **options)
        finally:
            if left[0] == -1:
                raise DeadError  # also where it went wrong

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(full, dies)
        yield


def at_write(number: int) -> Death:
    """Dies before that change of a row, the first one being 0."""
    left = [number]

    def dies(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            left[0] -= 1
            if left[0] == -1:
                raise DeadError
        return execute(sql, params, many, context)

    return connection.execute_wrapper(dies)


def everywhere(
    order: Order, deaths: Callable[[int], Death], *, step: int = 1, faults: tuple[dict[str, Any], ...] = ()
) -> int:
    """Die at each place in turn and go on; how many there were."""
    for number in range(0, 2000, step):
        rows = transaction.savepoint()
        order.begin_anew()
        order.jsoc.faults.add_all(list(faults))
        died = order.die_in(deaths(number))
        order.go_on()
        order.must_be_whole()
        transaction.savepoint_rollback(rows)
        order.acquisition.refresh_from_db()
        if not died:
            return order.deaths
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("where", WHERE)
def test_a_worker_may_die_in_any_step(where: str, after: bool, order: Order):
    n_deaths = everywhere(order, lambda number: at_call(where, number, after=after))
    assert n_deaths >= {"jobs._conclude": 1, "jsoc._asked": 6, "reading.take_file": 6}.get(where, 2)


def test_a_worker_may_die_before_any_change_of_a_row(order: Order):
    assert everywhere(order, at_write, step=EVERY) >= 60 // EVERY


FAULTS: dict[str, tuple[dict[str, Any], ...]] = {
    "answer lost": ({"kind": "503", "where": "request", "after": True},),
    "cut": ({"kind": "truncated", "where": "tar"}, {"kind": "no ranges", "where": "tar", "skip": 1}),
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_it_may_die_while_things_go_wrong(faults: tuple[dict[str, Any], ...], order: Order):
    where = "jsoc._asked" if "after" in faults[0] else "reading.download"
    assert everywhere(order, lambda number: at_call(where, number, after=True), step=2, faults=faults)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("where", ["jsoc._asked", "planning._store", "planning.look_what_is_held"])
def test_a_worker_may_die_while_it_asks_what_there_is(where: str, after: bool, order: Order, team: Team, alice: User):
    previews = [actions.start_preview(team, alice, Wanted(377), segments=SEGMENTS) for _ in range(2)]
    order.queues.commit()
    order.queues.jobs.clear()
    order.acquisition = previews[0]
    assert order.die_in(at_call(where, 0, after=after))
    order.go_on()
    order.acquisition = previews[1]
    order.go_on()
    seen = [
        (preview.state, preview.preview, preview.estimated_bytes, [*preview.records.values_list("t_rec_s", "absent")])
        for preview in Acquisition.objects.filter(pk__in=[one.pk for one in previews])
    ]
    assert seen[0] == seen[1]
    assert (seen[0][0], len(seen[0][3])) == (Task.State.DONE, N_RECORDS)
