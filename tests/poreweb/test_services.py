"""The processes of one machine: each refusal is a sentence, each stop is whole."""

import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from poreweb.work.redis_address import redis_socket
from poreweb.work.services import Service, ServiceError, Supervisor, free_port, only_one, redis_command, wait_for_redis


def test_one_poreweb_holds_a_var_folder(tmp_path):
    with only_one(tmp_path), pytest.raises(ServiceError, match=r"already running on .*Ctrl-C"):
        only_one(tmp_path).__enter__()
    with only_one(tmp_path):
        pass


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=f"Port {port} cannot be used"):
            free_port("127.0.0.1", port)
    free_port("127.0.0.1", port)


@pytest.mark.parametrize("length", [10, 200])
def test_the_socket_s_path_is_never_too_long(length):
    path = redis_socket(Path("/" + "v" * length))
    assert len(str(path)) <= 100
    assert (path.parent.name == "redis") is (length == 10)
    assert redis_socket(Path("/w" * 100)) != redis_socket(Path("/x" * 100))


def test_redis_listens_on_a_private_socket_only(tmp_path):
    command = redis_command(tmp_path)
    assert command[command.index("--port") + 1] == "0"
    assert command[command.index("--unixsocketperm") + 1] == "700"
    assert (tmp_path / "redis").is_dir()


@pytest.fixture
def sleeper(tmp_path):
    """A process that has one of its own and does not want to end."""
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    service = Service("sleeper", [sys.executable, "-c", code], tmp_path / "log" / "sleeper.log")
    yield service
    service.stop()


def test_a_service_ends_with_all_it_started(sleeper, monkeypatch):
    monkeypatch.setattr("poreweb.work.services.STOP_TIMEOUT_S", 0.2)
    sleeper.start()
    assert sleeper.is_running()
    deadline = time.monotonic() + 10
    while not (said := sleeper.log_file.read_text()).endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
    sleeper.stop()
    assert not sleeper.is_running()
    assert sleeper.process.returncode == -signal.SIGKILL
    while _is_alive(int(said)) and time.monotonic() < deadline:  # a signal takes its time
        time.sleep(0.02)
    assert not _is_alive(int(said))


def _is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_has_died_is_started_again(tmp_path):
    supervisor = Supervisor("127.0.0.1", 0)
    service = Service("short", [sys.executable, "-c", ""], tmp_path / "short.log")
    supervisor.services.append(service)
    service.start()
    service.process.wait()
    supervisor.keep()
    assert service.restarts == 0  # it had only just been started
    for restarts, pause_s in enumerate((1, 2, 4)):
        service.started_at = time.monotonic() - pause_s - 0.1
        supervisor.keep()
        assert service.restarts == restarts + 1
        service.process.wait()
        supervisor.keep()
        assert service.restarts == restarts + 1
    service.stop()


def test_a_redis_that_does_not_start_is_a_sentence(tmp_path, settings):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    service = Service("redis", [sys.executable, "-c", "raise SystemExit(1)"], tmp_path / "redis.log")
    service.start()
    service.process.wait()
    with pytest.raises(ServiceError, match=r"Redis did not start; see .*redis.log"):
        wait_for_redis(service)
