"""Starting and stopping from a terminal, and what happens when parts of a running site are killed."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.conftest import ROOT, Site, free_port, wait_for

INSTALLED = (ROOT / ".venv" / "installed").exists()


def read_until(terminal: int, pattern: str, seconds: float) -> str:
    text, deadline = "", time.monotonic() + seconds
    while not re.search(pattern, text):
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.5)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text


@dataclass
class Terminal:
    """A terminal in which somebody has typed ``make serve``, or what it does where make has installed nothing."""

    master: int
    process: subprocess.Popen[bytes]

    def press_ctrl_c(self) -> int:
        """The exit code that comes of it."""
        os.write(self.master, b"\x03")
        return self.process.wait(40)


@pytest.fixture(scope="module")
def terminal_and_site(cast: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Site]]:
    site = Site(shutil.copytree(cast, tmp_path_factory.mktemp("served") / "var"))
    master, slave = pty.openpty()
    command = ["make", "serve", f"PORT={site.port}"] if INSTALLED else [
        sys.executable, "manage.py", "serve", "--port", str(site.port)
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=site.environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: _own_terminal(slave),
    )  # fmt: skip
    os.close(slave)
    terminal = Terminal(master, process)
    try:
        read_until(master, rf"Ready: http://127\.0\.0\.1:{site.port}/\r?\n", 60)
        yield terminal, site
        if process.poll() is None:
            terminal.press_ctrl_c()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


def _own_terminal(slave: int) -> None:
    """Make the terminal the controlling one of the new session, as a shell's is."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(terminal_and_site: tuple[Terminal, Site]) -> Terminal:
    return terminal_and_site[0]


@pytest.fixture
def served(terminal_and_site: tuple[Terminal, Site]) -> Site:
    return terminal_and_site[1]


def test_a_second_start_on_the_same_folder_is_refused(served: Site) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(free_port())],
        cwd=ROOT, env=served.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_a_busy_port_is_named(served: Site, cast: Path, tmp_path: Path) -> None:
    other = Site(shutil.copytree(cast, tmp_path / "other"), served.port)
    second = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(served.port)],
        cwd=ROOT, env=other.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"Port {served.port} cannot be used" in second.stderr


def test_a_run_survives_the_sigkill_of_its_worker(served: Site, simulated: Path) -> None:
    """Nothing is lost, nothing is doubled, the run ends."""
    served.manage("ingest", str(simulated), "--team", "Pores")
    wait_for(lambda: served.ask("select 1 from tracks_batch where state = 'running'"), 30, "a batch to start")
    workers = served.processes(r"manage\.py worker")  # the workers and the work-horses
    some_done = "select count(*) from tracks_segmentation where state = 'done'"
    wait_for(lambda: served.ask(some_done)[0][0], 90, "a first frame", every=0.02)  # the network is loaded first
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert 0 < served.ask(some_done)[0][0] < 15  # in the middle of the one batch

    def run_is_done() -> bool:
        return served.ask("select state from tracks_run") == [("done",)]

    began = time.monotonic()
    wait_for(run_is_done, 120, "the run to end")
    assert time.monotonic() - began < 90
    done = "select count(*), count(distinct frame_id) from tracks_segmentation where state = 'done'"
    assert served.ask(done) == [(15, 15)]
    assert served.ask("select count(*) from tracks_segmentation s where n_features != "
                      "(select count(*) from tracks_feature f where f.segmentation_id = s.id)") == [(0,)]  # fmt: skip
    assert served.ask("select count(*) from tracks_event where kind = 'merge'") == [(1,)]
    made = "select count(*) from exports_export where state = 'done'"
    wait_for(lambda: served.ask(made) == [(3,)], 60, "the movie and the catalogues")


def test_killed_services_come_back(served: Site) -> None:
    (redis,) = served.processes("redis")
    os.kill(redis, signal.SIGKILL)
    wait_for(lambda: [p for p in served.processes("redis") if p != redis], 15, "a new Redis")


def test_ctrl_c_ends_every_process_with_exit_code_0(terminal: Terminal, served: Site) -> None:
    """The last of all, since it ends what the others need."""
    assert len(served.processes(r"manage\.py worker")) >= 2
    assert terminal.press_ctrl_c() == 0
    wait_for(lambda: served.processes() == [], 10, "every process to end")
