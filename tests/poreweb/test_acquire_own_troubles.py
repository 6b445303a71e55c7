"""Troubles of this site's own database, disk and queue: those that pass cost time, and bugs are told."""

import errno
from copy import copy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, ProgrammingError
from rq.timeouts import JobTimeoutException

from poreweb.acquire import actions, jobs, reading, watching
from poreweb.acquire.models import Acquisition, Watch
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import assert_held, pass_time, previewed, words


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(2, shape=(8, 8))


@pytest.fixture
def ordered(jsoc: JsocStandIn, team: Team, alice: User, queues: Any) -> Acquisition:
    acquisition = previewed(team, alice, queues)
    assert actions.order(acquisition, user=alice, run_after=False)
    return acquisition


def failing(monkeypatch: pytest.MonkeyPatch, of: Any, name: str, *problems: Exception) -> list[Exception]:
    """Let a function raise these, one in each of its first calls; those that are left."""
    actual, left = getattr(of, name), [copy(problem) for problem in problems]

    def fails(*args: Any, **options: Any) -> Any:
        if left:
            raise left.pop(0)
        return actual(*args, **options)

    monkeypatch.setattr(of, name, fails)
    return left


PASSING: dict[str, tuple[Exception, str]] = {
    "deadlock": (OperationalError("deadlock detected\nDETAIL: x"), "The database has a trouble: deadlock detected;"),
    "locked": (OperationalError("database is locked"), "The database has a trouble: database is locked;"),
    "closed": (InterfaceError("connection already closed"), "The database has a trouble: connection already closed;"),
    "disk": (OSError(errno.EIO, "Input/output error"), "The disk has a trouble: Input/output error;"),
    "stale": (OSError(errno.ESTALE, "Stale file handle"), "The disk has a trouble: Stale file handle;"),
    "time": (JobTimeoutException("exceeded 1800 s"), "It took longer than its queue allows;"),
}
STEPS: dict[str, tuple[Any, str]] = {"storing": (reading, "take_file"), "sending": (jobs.exporting, "send")}


@pytest.mark.parametrize(("problem", "said"), PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(
    problem: Exception, said: str, ordered: Acquisition, archive: Archive, team: Team, queues: Any,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    left = failing(monkeypatch, reading, "_settle", problem)
    acquisition = pass_time(queues, ordered)
    assert not left
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert f"{said} tried again." in words(acquisition)
    assert_held(team, archive)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_so_it_is_in_other_steps(
    step: tuple[Any, str], ordered: Acquisition, archive: Archive, team: Team, queues: Any,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    failing(monkeypatch, *step, OperationalError("database is locked"))
    assert pass_time(queues, ordered).state == Task.State.DONE
    assert_held(team, archive)


def test_it_does_not_pass_for_ever(ordered: Acquisition, queues: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "MAX_TROUBLES", 3)
    failing(monkeypatch, reading, "_settle", *[OperationalError("database is locked") for _ in range(9)])
    acquisition = pass_time(queues, ordered)
    assert acquisition.state == Task.State.FAILED
    last = "the last one: the database has a trouble: database is locked"
    assert acquisition.error == f"3 tries in a row failed; {last}"


def test_nor_does_jsoc_stay_away_for_ever(
    jsoc: JsocStandIn, ordered: Acquisition, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "MAX_TROUBLES", 2)
    jsoc.faults.add("503", "request", times=None)
    acquisition = pass_time(queues, ordered)
    assert acquisition.state == Task.State.FAILED
    assert acquisition.error.startswith("2 tries in a row failed; the last one: ")
    assert acquisition.error.rstrip(".").endswith("answered 503 Service Unavailable")
    assert len(jsoc.asked("request")) == 3


@pytest.mark.parametrize(
    "full", [OperationalError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device"),
             OperationalError("could not extend file: No space left on device")], ids=["SQLite", "disk", "PostgreSQL"]
)  # fmt: skip
def test_a_full_disk_is_waited_for(
    full: Exception, ordered: Acquisition, archive: Archive, team: Team, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    failing(monkeypatch, reading, "take_file", full)
    acquisition = pass_time(queues, ordered)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert "here is no room." in words(acquisition)
    assert "tried again" not in words(acquisition)
    assert_held(team, archive)


@pytest.mark.parametrize("name", ["_have_trouble", "_wait_for_room", "holds"])
def test_what_cannot_be_written_down_is_tried_again_too(
    name: str, ordered: Acquisition, archive: Archive, team: Team, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    full = "database or disk is full" if name == "_wait_for_room" else "database is locked"
    failing(monkeypatch, reading, "_settle", OperationalError(full))
    left = failing(monkeypatch, jobs, name, OperationalError(full))
    acquisition = pass_time(queues, ordered)
    assert not left
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)


def test_a_trouble_of_jsoc_that_cannot_be_written_down_is_one_of_the_database(
    jsoc: JsocStandIn, ordered: Acquisition, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    jsoc.faults.add("503", "request")
    failing(monkeypatch, jobs, "backoff_s", OperationalError("database is locked"))
    acquisition = pass_time(queues, ordered)
    assert acquisition.state == Task.State.DONE, acquisition.error


@pytest.mark.parametrize(
    "bug",
    [OperationalError("no such column: frame.x"), OperationalError('near "SELEC": syntax error'),
     ProgrammingError("relation does not exist"), OSError(errno.ENOENT, "No such file"), ValueError("x")],
    ids=["column", "syntax", "relation", "file", "value"],
)  # fmt: skip
def test_a_bug_is_told_at_once(bug: Exception, ordered: Acquisition, queues: Any, monkeypatch: pytest.MonkeyPatch):
    failing(monkeypatch, reading, "_settle", bug)
    with pytest.raises(type(bug)):
        pass_time(queues, ordered)
    ordered.refresh_from_db()
    assert ordered.state == Task.State.FAILED
    assert ordered.error.startswith(f"{type(bug).__name__}: ")


@pytest.fixture
def watch(jsoc: JsocStandIn, team: Team, alice: User) -> Watch:
    return watching.watch_harp(team, alice, 377, series=DEFINITIVE_SERIES, segments=["continuum"])


@pytest.mark.parametrize("problem", [value[0] for value in PASSING.values()], ids=PASSING)
def test_a_watch_goes_on_after_a_look_that_failed(
    problem: Exception, watch: Watch, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    failing(monkeypatch, watching, "_look_at_harp", problem)
    queues.work()
    watch.refresh_from_db()
    assert (watch.state, watch.error) == (Task.State.WAITING, "")
    assert watch.problem.startswith(type(problem).__name__)
    assert watch.not_before


@pytest.mark.parametrize("name", ["deadlock", "closed", "time"])
def test_and_after_one_whose_findings_cannot_be_stored(
    name: str, watch: Watch, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    left = failing(monkeypatch, watching, "must_hold", PASSING[name][0], PASSING[name][0])  # in the look and after it
    queues.work()
    watch.refresh_from_db()
    assert not left
    assert (watch.state, watch.error) == (Task.State.WAITING, "")
    assert watch.not_before
