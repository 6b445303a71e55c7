"""The whole site as a user starts it: Redis, workers, web server, in a var folder of its own."""

import fcntl
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from processing.synthetic import SimulationParameters, write_simulation

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "granulation-72"
MAKE_CAST = f"""
from django.contrib.auth.models import User
from django.core.management import call_command
from poreweb.people.actions import add_member
from poreweb.people.models import Team
call_command("migrate", verbosity=0)
team, _ = Team.objects.get_or_create(name="Pores")
add_member(team, User.objects.create_user("alice", password="{PASSWORD}"))
"""

MAKE_RUN = f"""
from django.contrib.auth.models import User
from poreweb.people.actions import add_member
from poreweb.people.models import Team
from tests.simulated_run import make_run
team = Team.objects.get(name="Pores")
for name, role in (("bob", "reviewer"), ("lena", "lead")):
    add_member(team, User.objects.create_user(name, password="{PASSWORD}"), role)
make_run(team, n_frames=48)
"""
CHROMIUM: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """A running site. ``processes`` are those it started, by command line."""

    var: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("STORAGE_URL", "REDIS_URL")}
        return {**kept, "VAR_DIR": str(self.var), "PYTHONUNBUFFERED": "1", **self.settings}

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(self.port)],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("Ready:")

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows that a query finds in its database, read beside the site."""
        with closing(sqlite3.connect(self.var / "poreweb.sqlite3", timeout=30)) as rows:
            return rows.execute(question).fetchall()

    def processes(self, pattern: str = "") -> list[int]:
        """Numbers of the processes that work on this var folder and fit the pattern."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            # Redis writes its title over its environment; the title names the socket
            is_ours = f"VAR_DIR={self.var}".encode() in environment.split(b"\0") or f"{self.var}/" in command
            if is_ours and re.search(pattern, command):
                found.append(int(folder.name))
        return found


def wait_for(condition: Callable[[], object], seconds: float, what: str, *, every: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(every)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated patch with one merger and a lost frame, as a folder."""
    folder = tmp_path_factory.mktemp("simulated")
    parameters = SimulationParameters(
        n_frames=16, shape=(96, 150), n_pores=3, n_mergers=1, n_splits=0, n_flickers=0, lost=(12,), seed=5
    )
    write_simulation(parameters, folder)
    return folder


@pytest.fixture(scope="session")
def simulated_tar(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tar") / "harp99001.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(simulated, arcname="harp99001")
    return path


@pytest.fixture(scope="session")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A var folder with a database and alice in it, made by the first process that needs it: sites start on copies."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cast"
    folder.mkdir(exist_ok=True)
    made = Site(folder / "var")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            made.manage("shell", "-v", "0", "-c", MAKE_CAST)
            (folder / "done").touch()
    return made.var


@pytest.fixture(scope="module")
def site(cast: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(shutil.copytree(cast, tmp_path_factory.mktemp("site") / "var"))
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def team_site(site: Site) -> Site:
    """With bob, a reviewer, lena, a lead, and a finished run of a simulated series: some hundred events to judge."""
    site.manage("shell", "-v", "0", "-c", MAKE_RUN)
    return site
