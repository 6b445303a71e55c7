"""Tasks that wait without a worker: put off, due, woken, and never lost nor done twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import django_rq
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisAway

from poreweb.acquire import actions, watching
from poreweb.acquire.models import Acquisition, Watch
from poreweb.acquire.wanted import Wanted
from poreweb.observations.models import Ingest
from poreweb.people.models import Team
from poreweb.work import tasks
from poreweb.work.models import Task
from poreweb.work.tasks import (
    GRACE,
    MAX_ATTEMPTS,
    PutOffError,
    dispatch,
    dispatch_due,
    perform,
    put_off,
    reconcile,
    wake,
)
from processing.errors import ParameterError


class KeptQueue:
    """What is on the queue, as (primary key, attempt); nothing is done."""

    connection = None

    def __init__(self) -> None:
        self.jobs: list[tuple[int, int]] = []
        self.job_ids: list[str] = []
        self.is_away = False

    def enqueue(self, function: str, pk: int, *, attempt: int, job_id: str, **_: Any) -> None:
        if self.is_away:
            raise RedisAway
        self.jobs.append((pk, attempt))
        self.job_ids.append(job_id)

    def lose(self) -> None:
        """Jobs that were taken by workers which died, or a Redis that forgot them."""
        self.jobs.clear()
        self.job_ids.clear()


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> KeptQueue:
    queue = KeptQueue()
    monkeypatch.setattr(django_rq, "get_queue", lambda name: queue)
    monkeypatch.setattr(tasks, "_is_started", lambda *_: False)
    monkeypatch.setattr(tasks.StartedJobRegistry, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(tasks.StartedJobRegistry, "cleanup", lambda *_: None)
    return queue


@pytest.fixture
def task(db: None, queues: KeptQueue) -> Ingest:
    """One that is an hour old and in the hands of its first attempt."""
    made = Ingest.objects.create(team=Team.objects.create(name="Team A"), attempts=1, job_id="a-1")
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Ingest.objects.update(created_at=an_hour_ago, dispatched_at=an_hour_ago)
    made.refresh_from_db()
    return made


def pause(seconds: float) -> Callable[[Task], None]:
    def work(_: Task) -> None:
        raise PutOffError(seconds)

    return work


def never(_: Task) -> None:
    pytest.fail("it was done")


def pass_hours(n: float) -> None:
    """As if everything had happened so much earlier."""
    step = timedelta(hours=n)
    for row in Ingest.objects.all():
        for name in ("created_at", "dispatched_at", "not_before"):
            moment: datetime | None = getattr(row, name)
            setattr(row, name, moment and moment - step)
        row.save()


# -- Put off -------------------------------------------------------------------------------------------------


def test_one_that_is_put_off_waits_in_its_row_alone(task: Ingest, queues: KeptQueue):
    begun = timezone.now()
    perform(Ingest, task.pk, pause(600), 1)
    task.refresh_from_db()
    assert (task.state, task.error, task.finished_at, task.is_open) == (Task.State.WAITING, "", None, True)
    assert task.not_before is not None
    assert timedelta(seconds=600) <= task.not_before - begun < timedelta(seconds=620)
    assert queues.jobs == []


def test_it_goes_on_when_it_is_due_and_not_before(task: Ingest, queues: KeptQueue):
    perform(Ingest, task.pk, pause(1800), 1)
    pass_hours(0.4)
    dispatch_due(Ingest)
    assert (reconcile(), queues.jobs) == (0, [])
    pass_hours(0.2)
    assert (reconcile(), queues.jobs) == (0, [(task.pk, 2)])  # due ones are not among those that were lost
    task.refresh_from_db()
    assert (task.state, task.attempts, task.not_before) == (Task.State.WAITING, 2, None)
    dispatch_due(Ingest)
    assert len(queues.jobs) == 1


@pytest.mark.parametrize("seconds", [0, -5, 0.0])
def test_one_that_gives_its_turn_away_is_queued_at_once(seconds: float, task: Ingest, queues: KeptQueue):
    perform(Ingest, task.pk, pause(seconds), 1)
    assert queues.jobs == [(task.pk, 2)]
    task.refresh_from_db()
    assert (task.state, task.not_before) == (Task.State.WAITING, None)
    perform(Ingest, task.pk, never, 1)  # the same job once more
    dispatch_due(Ingest)
    assert queues.jobs == [(task.pk, 2)]


def test_pauses_are_no_attempts_that_failed(task: Ingest, queues: KeptQueue):
    for attempt in range(1, 4 * MAX_ATTEMPTS):
        perform(Ingest, task.pk, pause(0), attempt)
    task.refresh_from_db()
    for n_died in range(1, MAX_ATTEMPTS + 1):  # but workers that die are
        Ingest.objects.update(state=Task.State.RUNNING)
        queues.lose()
        pass_hours(1)
        assert reconcile() == 1
        task.refresh_from_db()
        assert task.state == (Task.State.WAITING if n_died < MAX_ATTEMPTS else Task.State.FAILED)
    assert task.error == f"Its worker died {MAX_ATTEMPTS} times while working on it."


def test_a_pause_forgives_the_dead(task: Ingest, queues: KeptQueue):
    for _ in range(3 * MAX_ATTEMPTS):
        queues.lose()
        pass_hours(1)
        assert reconcile() == 1
        task.refresh_from_db()
        perform(Ingest, task.pk, pause(0), task.attempts)
        task.refresh_from_db()
    assert task.is_open


def test_what_was_written_before_the_pause_stays_and_what_was_begun_does_not(task: Ingest, queues: KeptQueue):
    def work(given: Ingest) -> None:
        Ingest.objects.filter(pk=given.pk).update(n_read=7)
        with transaction.atomic():
            Ingest.objects.filter(pk=given.pk).update(n_read=8)
            raise PutOffError(60)

    perform(Ingest, task.pk, work, 1)
    task.refresh_from_db()
    assert (task.n_read, task.state) == (7, Task.State.WAITING)


# -- Those who die, and a Redis that is away -------------------------------------------------------------------


class DeadError(BaseException):
    pass


def test_it_is_not_lost_between_the_row_and_the_queue(task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch):
    def dies(*_: Any) -> None:
        raise DeadError

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "_enqueue", dies)
        with pytest.raises(DeadError):
            perform(Ingest, task.pk, pause(0), 1)
    reconcile()
    assert queues.jobs == [(task.pk, 2)]
    queues.lose()  # it died after the row said that it was queued
    assert reconcile() == 0  # it may still be on its way
    pass_hours(1)
    assert (reconcile(), queues.jobs) == (1, [(task.pk, 3)])


def test_it_is_not_lost_while_redis_is_away(task: Ingest, queues: KeptQueue, caplog: pytest.LogCaptureFixture):
    queues.is_away = True
    perform(Ingest, task.pk, pause(0), 1)
    assert "Redis cannot be reached" in caplog.text
    queues.is_away = False
    pass_hours(2 * GRACE.total_seconds() / 3600)
    assert (reconcile(), queues.jobs) == (1, [(task.pk, 3)])


def test_a_job_that_comes_twice_and_dies_is_found(task: Ingest, queues: KeptQueue):
    """The row of one that is put off has its attempt still, so that the same job may do it once more."""
    perform(Ingest, task.pk, pause(7200), 1)

    def dies(_: Task) -> None:
        raise DeadError

    with pytest.raises(DeadError):
        perform(Ingest, task.pk, dies, 1)
    task.refresh_from_db()
    assert (task.state, task.not_before) == (Task.State.RUNNING, None)
    Ingest.objects.update(dispatched_at=timezone.now() - 2 * GRACE)
    assert (reconcile(), queues.jobs) == (1, [(task.pk, 2)])


def test_two_who_find_it_due_queue_it_once(task: Ingest, queues: KeptQueue):
    perform(Ingest, task.pk, pause(60), 1)
    pass_hours(1)
    for _ in range(2):
        tasks._enqueue(Ingest, task.pk, 1)  # each has read that one attempt was made
    assert queues.jobs == [(task.pk, 2)]


# -- Woken -------------------------------------------------------------------------------------------------------


def test_one_that_waits_can_be_woken(
    task: Ingest, queues: KeptQueue, django_capture_on_commit_callbacks: Callable[..., Any]
):
    perform(Ingest, task.pk, pause(7200), 1)
    task.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        assert wake(task)
        assert queues.jobs == []  # only when it is committed
        assert wake(task)  # two clicks
    assert queues.jobs == [(task.pk, 2)]
    task.refresh_from_db()
    assert (task.attempts, task.not_before) == (2, None)
    assert not wake(task)
    assert (reconcile(), queues.jobs) == (0, [(task.pk, 2)])


def test_one_that_was_woken_and_not_queued_is_due(task: Ingest, queues: KeptQueue):
    perform(Ingest, task.pk, pause(7200), 1)
    assert wake(task)  # and the process dies before the commit's hooks
    transaction.get_connection().run_on_commit.clear()
    reconcile()
    assert queues.jobs == [(task.pk, 2)]


@pytest.mark.parametrize("state", Task.State.values)
def test_nobody_else_can_be_woken(state: str, task: Ingest, queues: KeptQueue):
    Ingest.objects.update(state=state)
    task.refresh_from_db()
    assert not wake(task)
    dispatch_due(Ingest)
    assert queues.jobs == []


# -- Taken away ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [Task.State.CANCELLED, Task.State.DONE, Task.State.FAILED])
def test_one_that_ended_while_it_waited_stays_so(state: str, task: Ingest, queues: KeptQueue):
    perform(Ingest, task.pk, pause(60), 1)
    Ingest.objects.update(state=state)
    pass_hours(1)
    task.refresh_from_db()
    assert not wake(task)
    assert (reconcile(), queues.jobs) == (0, [])
    perform(Ingest, task.pk, never, 1)
    perform(Ingest, task.pk, never)


def test_one_that_was_cancelled_while_at_work_is_not_put_off(task: Ingest, queues: KeptQueue):
    def work(_: Task) -> None:
        Ingest.objects.update(state=Task.State.CANCELLED)
        raise PutOffError(0)

    perform(Ingest, task.pk, work, 1)
    task.refresh_from_db()
    assert (task.state, task.not_before, queues.jobs) == (Task.State.CANCELLED, None, [])


def test_an_attempt_that_was_overtaken_puts_nothing_off(task: Ingest, queues: KeptQueue):
    def work(_: Task) -> None:
        Ingest.objects.update(attempts=2)
        raise PutOffError(0)

    perform(Ingest, task.pk, work, 1)
    task.refresh_from_db()
    assert (task.state, task.attempts, task.forgiven, queues.jobs) == (Task.State.RUNNING, 2, 0, [])
    put_off(task, 60)
    task.refresh_from_db()
    assert task.state == Task.State.WAITING


def test_one_that_was_deleted_is_no_bug(task: Ingest, queues: KeptQueue):
    def work(_: Task) -> None:
        Ingest.objects.all().delete()
        raise PutOffError(0)

    perform(Ingest, task.pk, work, 1)
    perform(Ingest, task.pk, never, 1)
    assert queues.jobs == []


def test_what_is_stopped_while_it_waits_does_not_go_on(
    team: Team, alice: User, queues: KeptQueue, django_capture_on_commit_callbacks: Callable[..., Any]
):
    """An acquisition and a watch, by the buttons' actions; going on is one job again."""
    team.jsoc_email = "a@example.org"
    acquisition = actions.start_preview(team, alice, Wanted(377))
    watch = watching.watch_harp(team, alice, 377, series=acquisition.series, segments=["continuum"])
    for one in (acquisition, watch):
        perform(type(one), one.pk, pause(60))
        one.refresh_from_db()
        assert one.not_before
    assert actions.cancel(acquisition)
    assert watching.pause(watch)
    assert not watching.pause(watch)
    later = timezone.now() + timedelta(hours=1)
    for model, one in ((Acquisition, acquisition), (Watch, watch)):
        one.refresh_from_db()
        assert (one.state, one.not_before) == (Task.State.CANCELLED, None)
        model.objects.update(created_at=later - timedelta(hours=9))
        dispatch_due(model)
    assert (reconcile(), queues.jobs) == (0, [])
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.retry(acquisition)
        assert watching.resume(watch)
    assert len(queues.jobs) == 2


def test_a_task_that_was_never_put_off_is_queued_as_ever(
    task: Ingest, queues: KeptQueue, django_capture_on_commit_callbacks: Callable[..., Any]
):
    with django_capture_on_commit_callbacks(execute=True):
        dispatch(task)
    assert queues.jobs == [(task.pk, 2)]


# -- What changes while the reconciler looks, and what raises ----------------------------------------------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Something happens between the two looks of the reconciler."""

    def looked(*_: Any) -> bool:
        change()
        return False

    monkeypatch.setattr(tasks, "_is_started", looked)


def test_one_that_puts_itself_off_meanwhile_waits(task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch):
    Ingest.objects.update(state=Task.State.RUNNING)
    meanwhile(monkeypatch, lambda: put_off(task, 86400))
    assert (reconcile(), queues.jobs) == (0, [])
    task.refresh_from_db()
    assert task.not_before is not None
    tasks._enqueue(Ingest, task.pk, task.attempts)  # also by whoever has looked before it did so
    assert queues.jobs == []


def test_one_that_is_queued_meanwhile_is_not_queued_again(
    task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch
):
    meanwhile(monkeypatch, lambda: tasks._enqueue(Ingest, task.pk, 1))
    assert (reconcile(), queues.jobs) == (0, [(task.pk, 2)])


def test_one_that_is_deleted_meanwhile_keeps_no_other(task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch):
    other = Ingest.objects.create(team=task.team, attempts=1, job_id="b-1", dispatched_at=task.dispatched_at)
    Ingest.objects.update(created_at=task.created_at)
    meanwhile(monkeypatch, lambda: Ingest.objects.filter(pk=task.pk).delete())
    reconcile()
    assert queues.jobs == [(other.pk, 2)]


def test_one_that_cannot_be_returned_keeps_no_other(
    task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    other = Ingest.objects.create(team=task.team, attempts=1, job_id="b-1", dispatched_at=task.dispatched_at)
    Ingest.objects.update(created_at=task.created_at)
    actual = tasks._enqueue

    def raises(model: type[Task], pk: int, seen: int) -> None:
        if pk == task.pk:
            raise OperationalError("the database is locked")
        actual(model, pk, seen)

    monkeypatch.setattr(tasks, "_enqueue", raises)
    reconcile()
    assert queues.jobs == [(other.pk, 2)]
    assert "cannot be returned to its queue" in caplog.text


def raising(problem: Exception) -> Callable[[Task], None]:
    def consequence(task: Task) -> None:
        Ingest.objects.update(n_read=99)
        raise problem

    return consequence


@pytest.mark.parametrize("problem", [ParameterError("no such run"), KeyError("no such run")], ids=["expected", "a bug"])
def test_one_that_can_draw_no_consequences_is_closed(
    problem: Exception, task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Ingest, "when_failed", raising(problem))
    Ingest.objects.update(attempts=MAX_ATTEMPTS, state=Task.State.RUNNING)
    reconcile()
    task.refresh_from_db()
    assert (task.state, task.n_read) == (Task.State.FAILED, 0)  # what was begun is undone
    assert task.error.startswith("Its worker died 6 times while working on it. What follows from that failed as well: ")
    assert "no such run" in task.error
    assert (reconcile(), queues.jobs) == (0, [])


def test_one_that_is_done_without_its_consequences_has_failed(
    task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch
):
    failed: list[Task] = []
    monkeypatch.setattr(Ingest, "when_done", raising(ParameterError("no such run")))
    monkeypatch.setattr(Ingest, "when_failed", lambda self: failed.append(self))
    perform(Ingest, task.pk, lambda _: None, 1)
    task.refresh_from_db()
    assert (task.state, task.error, task.n_read) == (Task.State.FAILED, "no such run", 0)
    assert failed == [task]


def test_what_passes_leaves_it_open(task: Ingest, queues: KeptQueue, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(Ingest, "when_done", raising(OperationalError("deadlock detected")))
        with pytest.raises(OperationalError):
            perform(Ingest, task.pk, lambda _: None, 1)
    task.refresh_from_db()
    assert (task.state, task.n_read) == (Task.State.RUNNING, 0)
    assert (reconcile(), queues.jobs) == (1, [(task.pk, 2)])
