"""Tiny servers of this machine, which answer as a test says and remember what they were asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

BODY = bytes(range(256)) * 40


class Asked(BaseHTTPRequestHandler):
    """One connection of a `Tiny` server."""

    protocol_version = "HTTP/1.1"
    server: "Tiny"

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        self.close_connection = True
        self.server.reply(self)

    def say(self, status: int, body: bytes = b"", *, promised: int | None = None, **headers: str) -> None:
        """An answer with its length, or with the length that is ``promised``."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)


class Tiny(ThreadingHTTPServer):
    """Remembers what it was asked, and answers as the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.reply: Callable[[Asked], object] = lambda asked: asked.say(200, BODY)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ranges(self) -> list[str]:
        return [headers.get("Range", "") for _, headers in self.asked]

    def handle_error(self, *_: Any) -> None:
        """Clients may leave as they like."""


@contextmanager
def running() -> Iterator[Tiny]:
    with Tiny() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Tiny, Tiny]]:
    with running() as ours, running() as theirs:
        yield ours, theirs


@pytest.fixture
def ours(servers: tuple[Tiny, Tiny], settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The only server that may be asked."""
    for server in servers:
        server.asked.clear()
        server.reply = lambda asked: asked.say(200, BODY)
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    settings.JSOC_URL, settings.FETCH_HOSTS, settings.FETCH_TIMEOUT_S = f"{servers[0].address}/", [], 2
    settings.HEK_URL = settings.NOAA_LIST_URL = settings.JSOC_URL
    return servers[0]


@pytest.fixture
def theirs(servers: tuple[Tiny, Tiny], ours: Tiny) -> Tiny:
    """A server on the same machine that must never be asked."""
    return servers[1]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "fetching" / "1-a.part"
