"""manage.py serve: the whole site on one machine."""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from poreweb.work.services import ServiceError, Supervisor


class StopRequest(Exception):
    """Someone pressed Ctrl-C or sent SIGTERM."""


def _request_stop(signum: int, frame: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not interrupt the stopping
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise StopRequest


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """
    Turn Ctrl-C and SIGTERM into an orderly end of the block, so that the exit code is 0.

    In a terminal the command becomes the foreground process group of its own: make,
    which would report an interrupt as an error, is then not interrupted at all.
    """
    signal.signal(signal.SIGINT, _request_stop)
    signal.signal(signal.SIGTERM, _request_stop)
    group_before = _take_foreground()
    try:
        yield
    except StopRequest:
        pass
    finally:
        if group_before is not None:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # setting it from the background is stopped otherwise
            os.tcsetpgrp(sys.stdin.fileno(), group_before)


def _take_foreground() -> int | None:
    """Move to a new foreground group of the terminal; the group that had it, or None without a terminal."""
    try:
        terminal = sys.stdin.fileno()
        if not os.isatty(terminal) or os.tcgetpgrp(terminal) != os.getpgrp() or os.getpid() == os.getpgrp():
            return None
        before = os.getpgrp()
        os.setpgid(0, 0)
        ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, ignored)
    except (OSError, ValueError):
        return None
    return before


class Command(BaseCommand):
    """Start Redis (unless REDIS_URL is set), workers and the web server, and keep them running."""

    help = "Start Redis (unless REDIS_URL is set), workers and the web server; Ctrl-C stops them all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen and how many workers."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        with stopping_cleanly():
            supervisor = Supervisor(options["host"], options["port"], options["workers"])
            try:
                with supervisor.running():
                    self.when_running(supervisor, options)
                    while True:
                        supervisor.keep()
                        time.sleep(1)
            except ServiceError as problem:
                raise CommandError(str(problem)) from problem

    def when_running(self, supervisor: Supervisor, options: dict[str, Any]) -> None:
        """Say where the site is."""
        self.stdout.write(f"Ready: {supervisor.address}")
        self.stdout.flush()
