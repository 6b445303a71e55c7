"""manage.py worker: one RQ worker."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections
from django_rq.workers import get_worker
from threadpoolctl import threadpool_limits

from poreweb.work.services import wait_for_redis


class Command(BaseCommand):
    """Work on queues until told to stop. Start as many as there are cores to spare."""

    help = "Work on queues until told to stop (SIGTERM ends it after the job in hand)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which queues."""
        parser.add_argument("queues", nargs="*", default=["quick", "network", "science"], help="in order of preference")

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for Redis, then work."""
        # two workers whose matrix products share out to all cores wait for each other at every product
        threadpool_limits(settings.WORKER_THREADS)
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # read when a job imports TensorFlow
            os.environ.setdefault(name, str(settings.WORKER_THREADS))
        wait_for_redis()
        worker = get_worker(*options["queues"])
        connections.close_all()
        worker.work(logging_level="INFO" if options["verbosity"] > 1 else "WARNING")
