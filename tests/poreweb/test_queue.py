"""The queue in a real Redis: dispatch, the return of what dead workers held, and a worker from end to end."""

import logging
import os
import subprocess
import sys
from datetime import timedelta

import django_rq
import pytest
from django.conf import settings as site
from django.db import connection, transaction
from django.utils import timezone
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry

from poreweb.observations.actions import receive_upload
from poreweb.observations.models import Ingest
from poreweb.people.models import Team
from poreweb.tracks.models import Run
from poreweb.work.services import Service, redis_command, wait_for_redis
from poreweb.work.tasks import GRACE, MAX_ATTEMPTS, dispatch, finish, perform, reconcile
from poreweb.work.worker import HEARTBEAT_TTL_S, PorewebWorker
from processing.errors import FrameError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def redis():
    service = Service("redis", redis_command(site.VAR_DIR), site.VAR_DIR / "log" / "redis.log")
    service.start()
    wait_for_redis(service)
    yield service
    service.stop()


@pytest.fixture
def queues(redis):
    """No stand-in here: the queue itself, emptied."""
    queue = django_rq.get_queue("science")
    queue.connection.flushdb()
    yield queue
    queue.connection.close()


@pytest.fixture
def ingest(db) -> Ingest:
    """A delivery that nobody has dispatched, of a while ago."""
    made = Ingest.objects.create(team=Team.objects.create(name="Team A"))
    Ingest.objects.update(created_at=timezone.now() - 2 * GRACE)
    return made


def wait_out(ingest: Ingest) -> None:
    """Let the time pass in which a job may still be on its way."""
    Ingest.objects.update(dispatched_at=timezone.now() - 2 * GRACE)
    ingest.refresh_from_db()


def taken_by_a_worker(job_id: str, queue, *, silent_s: float) -> Job:
    """As a worker leaves its job that has not been heard of since so many seconds."""
    job = Job.fetch(job_id, connection=queue.connection)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    with queue.connection.pipeline() as pipeline:
        execution = Execution.create(job, ttl=HEARTBEAT_TTL_S, pipeline=pipeline)
        pipeline.execute()
    registry = StartedJobRegistry(queue=queue)
    heard_until = timezone.now().timestamp() - silent_s + HEARTBEAT_TTL_S
    queue.connection.zadd(registry.key, {execution.composite_key: heard_until})
    return job


def test_a_task_is_queued_on_commit_and_not_before(ingest, queues):
    with transaction.atomic():
        dispatch(ingest)
        assert queues.job_ids == []
    ingest.refresh_from_db()
    assert queues.job_ids == [ingest.job_id] == [f"observations-ingest-{ingest.pk}-1"]
    job = Job.fetch(ingest.job_id, connection=queues.connection)
    assert (job.func_name, job.args) == ("poreweb.observations.jobs.run_ingest", (ingest.pk,))
    assert (ingest.attempts, ingest.state) == (1, "waiting")


def test_what_is_rolled_back_is_never_queued(ingest, queues):
    with transaction.atomic():
        dispatch(ingest)
        transaction.set_rollback(True)
    assert queues.job_ids == []


def test_without_redis_it_waits_until_reconciled(ingest, queues, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        patched.setitem(site.RQ_QUEUES["science"], "URL", f"unix://{site.VAR_DIR}/nobody.sock")
        dispatch(ingest)
    ingest.refresh_from_db()
    assert (ingest.state, queues.job_ids) == ("waiting", [])
    assert "Redis cannot be reached" in caplog.text
    assert reconcile() == 0  # it may still be on its way
    wait_out(ingest)
    assert reconcile() == 1
    assert queues.job_ids == [f"observations-ingest-{ingest.pk}-2"]


def test_one_that_redis_lost_is_queued_again(ingest, queues):
    dispatch(ingest)
    queues.connection.flushdb()
    wait_out(ingest)
    assert (reconcile(), len(queues.job_ids)) == (1, 1)
    wait_out(ingest)
    assert (reconcile(), len(queues.job_ids)) == (0, 1)  # it waits its turn


@pytest.mark.parametrize(("silent_s", "returned"), [(0, 0), (3 * HEARTBEAT_TTL_S, 1)], ids=["alive", "dead"])
def test_one_held_by_a_dead_worker_is_queued_again(ingest, queues, silent_s, returned, caplog):
    caplog.set_level(logging.CRITICAL, "rq")  # says itself that it moves the job
    dispatch(ingest)
    Ingest.objects.update(state="running")
    wait_out(ingest)
    job = taken_by_a_worker(ingest.job_id, queues, silent_s=silent_s)
    assert reconcile() == returned
    ingest.refresh_from_db()
    assert ingest.state == ("waiting" if returned else "running")
    assert len(queues.job_ids) == returned
    assert (job.id in FailedJobRegistry(queue=queues)) is bool(returned)
    assert ingest.attempts == 1 + returned


def test_one_whose_job_ended_without_closing_the_row_is_queued_again(ingest, queues):
    dispatch(ingest)
    Ingest.objects.update(state="running")
    wait_out(ingest)
    job = Job.fetch(ingest.job_id, connection=queues.connection)
    queues.remove(job)
    job.set_status(JobStatus.FAILED)
    assert reconcile() == 1


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_what_has_ended_is_left_alone(ingest, queues, state):
    Ingest.objects.update(state=state)
    assert reconcile() == 0
    dispatch(ingest)
    assert queues.job_ids == []
    perform(Ingest, ingest.pk, lambda task: pytest.fail("it was done again"))


def test_a_new_one_is_left_alone(ingest, queues):
    Ingest.objects.update(created_at=timezone.now())
    assert reconcile() == 0


def test_what_no_worker_can_begin_fails_with_a_sentence(ingest, queues):
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert reconcile() == 1
        queues.connection.flushdb()
        wait_out(ingest)
        assert ingest.attempts == attempt
    assert reconcile() == 1
    ingest.refresh_from_db()
    # as when the job cannot be imported: no worker had it in hand
    words = (
        f"It was queued {MAX_ATTEMPTS} times, and the last time no worker could begin it; the workers' log says why."
    )
    assert (ingest.state, ingest.error) == ("failed", words)
    assert ingest.finished_at
    assert reconcile() == 0


def test_trouble_becomes_the_row_s_error_and_the_first_end_stays(ingest):
    def trouble(task):
        raise FrameError("the frame is blank")

    perform(Ingest, ingest.pk, trouble)
    ingest.refresh_from_db()
    assert (ingest.state, ingest.error) == ("failed", "the frame is blank")
    assert timezone.now() - ingest.finished_at < timedelta(seconds=10)
    finish(ingest, Ingest.State.DONE)
    ingest.refresh_from_db()
    assert ingest.state == "failed"


def test_the_site_s_workers_have_a_short_heartbeat(queues):
    worker = PorewebWorker([queues], connection=queues.connection)
    assert worker.get_heartbeat_ttl(None) == HEARTBEAT_TTL_S
    assert worker.job_monitoring_interval < HEARTBEAT_TTL_S
    assert django_rq.get_worker("science").__class__ is PorewebWorker


def test_staff_see_the_queues(admin_client, ingest, queues):
    dispatch(ingest)
    for address in ("/staff/", "/staff/people/team/", "/staff/queues/"):
        assert admin_client.get(address).status_code == 200


def database_url() -> str:
    """Of the test database, for another process."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    return f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT'] or 5432}/{known['NAME']}"


def test_a_worker_takes_files_to_downloads(team, alice, queues, fits_files, uploaded):
    """Seven jobs of four kinds, each in its own process, as on the real site."""
    ingest = receive_upload(uploaded(fits_files), team=team, user=alice, run_after=True)
    environment = {
        **os.environ, "VAR_DIR": str(site.VAR_DIR), "STORAGE_URL": site.STORAGE_URL,
        "DATABASE_URL": database_url(),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "rqworker", "quick", "science", "--burst", "--verbosity=0"],
        cwd=site.BASE_DIR, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ingest.refresh_from_db()
    assert (ingest.state, ingest.n_new) == ("done", 55)
    run = Run.objects.get()
    assert (run.state, run.error, run.created_by) == ("done", "", alice)
    assert {export.kind: export.state for export in run.exports.all()} == {
        "movie": "done", "csv": "done", "ecsv": "done"
    }  # fmt: skip
    assert queues.job_ids == []
    assert not len(FailedJobRegistry(queue=queues))
