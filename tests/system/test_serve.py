"""Starting and stopping from a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.system.conftest import ROOT, Site, free_port, wait_for


def read_until(terminal: int, pattern: str, seconds: float) -> str:
    text, deadline = "", time.monotonic() + seconds
    while not re.search(pattern, text):
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.5)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text


def test_ctrl_c_ends_every_process_with_exit_code_0(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / "installed").exists():
        pytest.skip("make install has not been run in this tree")
    site = Site(tmp_path / "var", free_port())
    terminal, slave = pty.openpty()
    make = subprocess.Popen(
        ["make", "serve", f"PORT={site.port}"],
        cwd=ROOT, env=site.environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: _own_terminal(slave),
    )  # fmt: skip
    os.close(slave)
    try:
        read_until(terminal, rf"Ready: http://127\.0\.0\.1:{site.port}/\r?\n", 60)
        assert len(site.processes(r"manage\.py worker")) >= 2
        os.write(terminal, b"\x03")
        assert make.wait(40) == 0
    finally:
        if make.poll() is None:
            make.kill()
            make.wait()
        os.close(terminal)
    wait_for(lambda: site.processes() == [], 10, "every process to end")


def _own_terminal(slave: int) -> None:
    """Make the terminal the controlling one of the new session, as a shell's is."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def test_a_second_start_on_the_same_folder_is_refused(site: Site) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(free_port())],
        cwd=ROOT, env=site.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_a_busy_port_is_named(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other", site.port)
    second = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(site.port)],
        cwd=ROOT, env=other.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"Port {site.port} cannot be used" in second.stderr


def test_killed_services_come_back(site: Site) -> None:
    (redis,) = site.processes("redis")
    os.kill(redis, signal.SIGKILL)
    wait_for(lambda: [p for p in site.processes("redis") if p != redis], 15, "a new Redis")
