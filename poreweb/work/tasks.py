"""Every change of a task's state: dispatch, claim, finish, and the return of what a dead worker held."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import django_rq
import redis
from django.apps import apps
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from poreweb.work.models import Task
from processing.errors import PorewebError

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 6
# A row is dispatched on commit; only one that has waited longer than that can have been lost.
GRACE = timedelta(seconds=10)


class SupersededError(Exception):
    """The attempt has lost its task."""


class PutOffError(Exception):
    """Raised by a task's work that has stored how far it is, and goes on in some seconds (0: when it is its turn)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


AnyTask = TypeVar("AnyTask", bound=Task)


def dispatch(task: Task) -> None:
    """
    Put a waiting task on its queue once the current transaction is committed.

    When Redis cannot be reached the row stays waiting, and the reconciler dispatches it.
    """
    model, seen = type(task), task.attempts
    transaction.on_commit(lambda: _enqueue(model, task.pk, seen))


def _enqueue(model: type[Task], pk: int, seen: int) -> None:
    """Queue one more attempt, unless someone else has done so since ``seen`` was read."""
    attempt = seen + 1
    job_id = f"{model._meta.label_lower.replace('.', '-')}-{pk}-{attempt}"
    due = Q(not_before__isnull=True) | Q(not_before__lte=timezone.now())  # it may have put itself off since
    changed = model._default_manager.filter(due, pk=pk, state__in=Task.OPEN, attempts=seen).update(
        attempts=attempt, job_id=job_id, dispatched_at=timezone.now(), state=Task.State.WAITING, not_before=None
    )
    if not changed:
        return
    try:
        queue = django_rq.get_queue(model.queue_name)
        queue.enqueue(model.job_function, pk, attempt=attempt, job_id=job_id, result_ttl=3600, failure_ttl=30 * 86400)
    except redis.exceptions.RedisError:
        log.warning("Redis cannot be reached; %s %s stays waiting", model.__name__, pk)


def perform(model: type[AnyTask], pk: int, work: Callable[[AnyTask], None], attempt: int | None = None) -> None:
    """
    Do a task's work once, whoever calls and how often.

    A finished or cancelled task is left alone, and so is one that has been queued
    again since this attempt. Expected trouble becomes the row's error; a bug does too,
    and is raised so that RQ keeps its traceback.
    """
    rows = model._default_manager.filter(pk=pk, state__in=Task.OPEN)
    if attempt is not None:
        rows = rows.filter(attempts=attempt, state=Task.State.WAITING)
    if not rows.update(state=Task.State.RUNNING, started_at=timezone.now(), not_before=None):
        return
    task = model._default_manager.get(pk=pk)
    try:
        work(task)
    except SupersededError:
        log.warning("%s %s was cancelled or given to another worker; this attempt stops", model.__name__, pk)
    except PutOffError as pause:
        put_off(task, pause.seconds)
    except PorewebError as problem:
        finish(task, Task.State.FAILED, str(problem))
    except Exception as bug:
        finish(task, Task.State.FAILED, f"{type(bug).__name__}: {bug}")
        raise
    else:
        finish(task, Task.State.DONE)


def put_off(task: Task, seconds: float) -> None:
    """
    Let a running task wait, without a worker and without a count of its attempts.

    The row alone knows when it goes on, so that nothing is lost with Redis; `reconcile` sees to it.
    """
    changed = _held(task).update(
        state=Task.State.WAITING,
        not_before=timezone.now() + timedelta(seconds=max(seconds, 0)),
        forgiven=task.attempts,
        dispatched_at=None,
    )
    if changed and seconds <= 0:
        _enqueue(type(task), task.pk, task.attempts)


@transaction.atomic
def wake(task: Task) -> bool:
    """Let a task that was put off go on at once; False if it was not waiting."""
    model = type(task)
    rows = model._default_manager.filter(pk=task.pk, state=Task.State.WAITING, not_before__isnull=False)
    if not rows.update(not_before=timezone.now()):
        return False
    task.refresh_from_db()
    dispatch(task)
    return True


def holds(task: Task) -> bool:
    """Whether this attempt is still the task's; worth asking before the next piece of long work."""
    return _held(task).exists()


def must_hold(task: Task) -> None:
    """
    Refuse to store the results of an attempt that is not the task's any more.

    Call it first in each transaction that writes what a task has made: a worker that was
    taken for dead (its machine slept, say) may come back when another has done its work.

    Raises
    ------
    SupersededError
        If the task was cancelled, closed, or queued again.
    """
    task.lock_first()
    if not _held(task).select_for_update(no_key=True):
        raise SupersededError


def _held(task: AnyTask) -> "QuerySet[AnyTask]":
    """The task's row, while it is in the hands of this attempt; nothing otherwise."""
    return type(task)._default_manager.filter(pk=task.pk, attempts=task.attempts, state=Task.State.RUNNING)


def finish(task: Task, state: Task.State, error: str = "") -> None:
    """
    Close a task that is still open in this attempt and let it draw its consequences, once.

    Consequences that cannot be drawn are logged and told by the row's error: a task that
    was done has then failed, and one that failed is closed without them. What a database
    does that is busy or away passes; it is raised, and the task stays open.
    """
    try:
        _close(task, state, error)
    except OperationalError:
        raise
    except Exception as bug:
        log.exception("%s %s is %s, but what follows from that cannot be done", type(task).__name__, task.pk, state)
        problem = str(bug) if isinstance(bug, PorewebError) else f"{type(bug).__name__}: {bug}"
        if state == Task.State.FAILED:
            _close(task, state, f"{error.rstrip('.')}. What follows from that failed as well: {problem}", draw=False)
        else:
            finish(task, Task.State.FAILED, problem)


@transaction.atomic
def _close(task: Task, state: Task.State, error: str, *, draw: bool = True) -> None:
    task.lock_first()
    model = type(task)
    closed = model._default_manager.filter(pk=task.pk, attempts=task.attempts, state__in=Task.OPEN).update(
        state=state, error=error, finished_at=timezone.now()
    )
    if not closed or not draw:
        return
    task.refresh_from_db()
    if state == Task.State.DONE:
        task.when_done()
    elif state == Task.State.FAILED:
        task.when_failed()


def task_models() -> list[type[Task]]:
    """Every kind of task there is."""
    return [model for model in apps.get_models() if issubclass(model, Task)]


def reconcile() -> int:
    """
    Return to the queue every open task whose job is gone; the number returned.

    A job is gone when Redis does not know it, when it ended without closing its row
    (its work-horse was killed), or when its worker stopped sending heartbeats. A row that
    makes trouble is logged and left to the next time, so that it does not keep the others.
    """
    returned = 0
    for model in task_models():
        queue = django_rq.get_queue(model.queue_name)
        StartedJobRegistry(queue=queue).cleanup()  # abandoned jobs become failed ones
        waiting = set(queue.job_ids)
        long_ago = timezone.now() - GRACE
        dispatch_due(model)
        for task in model._default_manager.filter(
            state__in=Task.OPEN, created_at__lt=long_ago, not_before__isnull=True
        ):
            if task.dispatched_at and task.dispatched_at > long_ago:
                continue
            if task.job_id in waiting or _is_started(task.job_id, queue):
                continue
            try:
                returned += _return_lost(task)
            except Exception:
                log.exception("%s %s cannot be returned to its queue", model.__name__, task.pk)
    return returned


def _return_lost(task: Task) -> bool:
    """Queue a task again whose job is gone, or close it after too many; False if it has moved on since it was read."""
    # it may have ended, and its job with it, or put itself off since; or somebody has deleted it
    seen = type(task)._default_manager.filter(
        pk=task.pk, attempts=task.attempts, state__in=Task.OPEN, not_before__isnull=True
    )
    if not seen.exists():
        return False
    tried = task.attempts - task.forgiven
    if tried >= MAX_ATTEMPTS:
        died = f"Its worker died {tried} times while working on it."
        unbegun = f"It was queued {tried} times, and the last time no worker could begin it; the workers' log says why."
        finish(task, Task.State.FAILED, died if task.state == Task.State.RUNNING else unbegun)
    else:
        log.warning("%s %s lost its worker and is queued again", type(task).__name__, task.pk)
        _enqueue(type(task), task.pk, task.attempts)
    return True


def dispatch_due(model: type[Task]) -> None:
    """Queue what was put off until now."""
    for pk, attempts in model._default_manager.filter(
        state=Task.State.WAITING, not_before__lte=timezone.now()
    ).values_list("pk", "attempts"):
        _enqueue(model, pk, attempts)


def _is_started(job_id: str, queue: Queue) -> bool:
    try:
        job = Job.fetch(job_id, connection=queue.connection)
    except NoSuchJobError:
        return False
    return job.get_status() == JobStatus.STARTED
