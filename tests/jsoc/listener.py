"""The wire side of the server: connections, their handlers, what is under way, and steering from outside."""

import contextlib
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from tests.jsoc.faults import ON_THE_WAY, Fault
from tests.jsoc.places import Question, place_of
from tests.jsoc.wire import Answer, cut_short, drip, error_answer, instead, json_answer, ranged, spoilt

if TYPE_CHECKING:
    from tests.jsoc.server import JsocStandIn

_SILENT = (BrokenPipeError, ConnectionError, TimeoutError)


class Listener(ThreadingHTTPServer):
    """Counts what is under way, and can cut all connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], jsoc: "JsocStandIn") -> None:
        super().__init__(address, handler)
        self.jsoc = jsoc
        self.most = self._n_under_way = 0
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    def count(self, step: int) -> None:
        """One request more, or one less."""
        with self._changed:
            self._n_under_way += step
            self.most = max(self.most, self._n_under_way)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def hang_up(self) -> None:
        """Cut what is still open, and let its threads come to their end."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, timeout=2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], _SILENT):  # clients may leave as they like
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Apache/2.4 (stand-in)"
    server: Listener
    _counted = False

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: the log has it."""

    def do_GET(self) -> None:
        self._serve("")

    def do_HEAD(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def do_DELETE(self) -> None:
        self._serve("")

    def _serve(self, body: str) -> None:
        jsoc, (_, _, path, text, _) = self.server.jsoc, urlsplit(self.path)
        if path in ("/faults", "/log"):
            self._send(_control(jsoc, self.command, path, body))
            return
        if self.command == "DELETE":
            self._send(error_answer(405, "Method Not Allowed"))
            return
        self._counted = True
        self.server.count(1)
        try:
            self._serve_counted(path, dict(parse_qsl(f"{text}&{body}", keep_blank_values=True)))
        finally:
            self._uncount()

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self.server.count(-1)

    def _serve_counted(self, path: str, query: dict[str, str]) -> None:
        jsoc = self.server.jsoc
        question = Question(self.command, self.path, path, query, place_of(path, query))
        fault = None
        if question.place:
            fault = jsoc.faults.take(question.place, *ON_THE_WAY, address=unquote_plus(self.path))
        answer = self._answer(question, fault)
        client = {"range": self.headers.get("Range", ""), "agent": self.headers.get("User-Agent", "")}
        jsoc.note(question, answer, fault, client)
        if answer is None:
            self._drop()
        else:
            self._send(answer)

    def _answer(self, question: Question, fault: Fault | None) -> Answer | None:
        """The answer with what the fault makes of it; None to hang up."""
        jsoc = self.server.jsoc
        replaced = instead(fault) if fault else None
        spoils_all = replaced is not None or (fault is not None and fault.kind == "drop")
        if spoils_all and fault and not fault.after:
            return self._waited(fault, replaced, question)
        answer = jsoc.answer(question)
        if fault and spoils_all:
            return self._waited(fault, replaced, question)
        if fault:
            answer = spoilt(answer, fault, jsoc.faults.rng)
        answer = ranged(answer, self.headers.get("Range"), self.headers.get("If-Range"))
        if fault:
            return self._waited(fault, cut_short(answer, fault), question)
        return answer

    def _waited(self, fault: Fault, answer: Answer | None, question: Question) -> Answer | None:
        """The same after the delay that belongs to the fault."""
        seconds = fault.seconds if fault.seconds is not None else 1.0 if fault.kind == "slow" else 0.0
        self.server.jsoc.stopping.wait(seconds)
        if answer and "Location" in answer.headers:
            answer.headers["Location"] = answer.headers["Location"].replace("{path}", question.target)
        return answer

    def _drop(self) -> None:
        self.close_connection = True
        self._uncount()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, answer: Answer) -> None:
        """
        Headers and body in one piece, as small pieces wait for each other.

        The last byte goes alone, when the request is no longer counted: a client that asks one
        question after the other is never seen to ask two. Of an error clients read no body.
        """
        if answer.status >= 400:
            self._uncount()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if answer.promised is None else answer.promised))
        if answer.closes:
            self.send_header("Connection", "close")
            self.close_connection = True
        headers, body = self._taken_headers(), b"" if self.command == "HEAD" else answer.body
        if answer.bytes_per_s is None:
            self.wfile.write((headers + body)[:-1])
        else:
            self.wfile.write(headers[: len(headers) if body else -1])
            drip(body[:-1], answer.bytes_per_s, self.wfile.write, self.server.jsoc.stopping.wait)
        self._uncount()
        self.wfile.write((headers + body)[-1:])

    def _taken_headers(self) -> bytes:
        """The header lines as they would be sent."""
        lines: list[bytes] = self._headers_buffer
        self._headers_buffer: list[bytes] = []
        return b"".join([*lines, b"\r\n"])


def _control(jsoc: "JsocStandIn", method: str, path: str, body: str) -> Answer:
    """Steering from outside: GET, POST and DELETE of /faults, GET and DELETE of /log."""
    if method == "DELETE":
        (jsoc.faults.clear if path == "/faults" else jsoc.forget)()
    elif method == "POST" and path == "/faults":
        try:
            jsoc.faults.add_all(json.loads(body))
        except (ValueError, TypeError) as problem:
            return json_answer({"error": str(problem)}, 400)
    elif method == "POST":
        return error_answer(405, "Method Not Allowed")
    return json_answer({"faults": jsoc.faults.left()} if path == "/faults" else jsoc.report())
