"""The RQ worker, set so that the work of a killed one comes back within half a minute."""

from typing import Any

from django.db import connections
from rq import Worker
from rq.job import Job

from poreweb.work import tasks
from poreweb.work.signals import housekeeping

HEARTBEAT_S = 5
HEARTBEAT_TTL_S = 20


class PorewebWorker(Worker):
    """A worker with a short heartbeat that also runs the reconciler."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take RQ's arguments; the intervals are ours."""
        kwargs["job_monitoring_interval"] = HEARTBEAT_S
        kwargs["maintenance_interval"] = HEARTBEAT_S
        kwargs["worker_ttl"] = HEARTBEAT_TTL_S
        super().__init__(*args, **kwargs)

    def get_heartbeat_ttl(self, job: Job) -> int:
        """Seconds after which a silent worker is taken for dead."""
        return HEARTBEAT_TTL_S

    def run_maintenance_tasks(self) -> None:
        """RQ's own housekeeping, then the tasks that dead workers held, then that of the apps."""
        super().run_maintenance_tasks()
        tasks.reconcile()
        housekeeping.send_robust(PorewebWorker)
        connections.close_all()  # a work-horse must not inherit an open connection
