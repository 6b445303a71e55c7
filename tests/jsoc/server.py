"""The server: addresses to answers, the log of what was asked, and how many asked at once."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote_plus

from tests.jsoc import hek
from tests.jsoc.book import Book
from tests.jsoc.faults import Fault, Faults
from tests.jsoc.info import export_list, jsoc_info, show_ext_series, show_series
from tests.jsoc.listener import Handler, Listener
from tests.jsoc.places import CGI, FILE, Question
from tests.jsoc.records import Archive
from tests.jsoc.wire import Answer, error_answer, file_answer, json_answer

_TYPES = {".tar": "application/x-tar", ".json": "application/json", ".txt": "text/plain", ".html": "text/html"}

MAX_LOG = 100_000


class JsocStandIn:
    """
    JSOC and HEK on this machine, in a thread; use it in a ``with`` statement.

    Parameters
    ----------
    archive : Archive
        The records there are.
    host : str, optional
        The interface to listen on.
    port : int, optional
        0 takes any free one.
    noaa : str, Path or mapping, optional
        The list of HARPs and NOAA regions: its text, its file, or ``{377: "11158"}``. By default
        it is made of the records' keywords.
    events : iterable of mappings, optional
        What HEK knows; see `hek.full_event`.
    seed : int, optional
        Of what goes wrong by chance.
    **rules
        Of the export system, see `Book`.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        noaa: str | Path | Mapping[int, str] | None = None,
        events: Iterable[Mapping[str, Any]] = (),
        seed: int = 0,
        **rules: Any,
    ) -> None:
        self.archive = archive
        self.faults = Faults(seed)
        self.book = Book(archive, self.faults, **rules)
        self.events = [hek.full_event(event) for event in events]
        self._noaa = noaa
        self._log: deque[dict[str, Any]] = deque(maxlen=MAX_LOG)
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.stopping = threading.Event()
        self._http = Listener((host, port), Handler, self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    # -- Life --------------------------------------------------------------------------------------

    def start(self) -> "JsocStandIn":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop at once, whoever may still be waiting for an answer."""
        self.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.hang_up()
        self._http.server_close()

    def __enter__(self) -> "JsocStandIn":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    def config(self) -> Any:
        """A ``drms.config.ServerConfig`` that sends a client here."""
        from drms.config import ServerConfig

        return ServerConfig(
            name="stand-in", cgi_baseurl=self.address + CGI, cgi_show_series="show_series", cgi_jsoc_info="jsoc_info",
            cgi_jsoc_fetch="jsoc_fetch", cgi_check_address="checkAddress.sh",
            cgi_show_series_wrapper="showextseries", show_series_wrapper_dbhost="hmidb2",
            http_download_baseurl=f"{self.address}/",
        )  # fmt: skip

    # -- What was asked ----------------------------------------------------------------------------

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every request but those for the log and the faults, in the order of their answers."""
        return list(self._log)

    def asked(self, place: str) -> list[dict[str, Any]]:
        """What of the log is of that kind."""
        return [entry for entry in self._log if entry["where"] == place]

    @property
    def max_connections(self) -> int:
        """The largest number of requests that were under way at one time, until the last byte of their answers."""
        return self._http.most

    @property
    def max_in_flight(self) -> dict[str, int]:
        """Of each address the largest number of export requests that were pending at one time."""
        return dict(self.book.max_in_flight)

    def forget(self) -> None:
        """Begin log and counters anew."""
        self._log.clear()
        self.book.max_in_flight.clear()
        self._http.most = 0

    def note(self, question: Question, answer: Answer | None, fault: Fault | None, client: Mapping[str, Any]) -> None:
        entry = {
            "at": round(time.monotonic() - self._begun, 4), "method": question.method, "path": question.target,
            "where": question.place, "op": question.query.get("op", ""),
            "requestid": question.query.get("requestid", ""), "status": answer.status if answer else 0,
            "bytes": len(answer.body) if answer else 0, "fault": fault.kind if fault else "", **client,
        }  # fmt: skip
        self._log.append(entry)

    def report(self) -> dict[str, Any]:
        return {"requests": self.log, "max_connections": self.max_connections, "max_in_flight": self.max_in_flight}

    # -- Answers -----------------------------------------------------------------------------------

    def answer(self, question: Question) -> Answer:
        """What a faultless server says."""
        query = question.query
        answers: dict[str, Callable[[], Answer]] = {
            "series": lambda: json_answer(
                (show_ext_series if question.path.endswith("showextseries") else show_series)(self.archive, query)
            ),
            "info": lambda: json_answer(self._info(query)),
            # The client quotes the address twice.
            "email": lambda: json_answer(self.book.check_address(unquote_plus(query.get("address", "")))),
            "request": lambda: json_answer(self.book.request(query)),
            "status": lambda: json_answer(self.book.status(query)),
            "noaa": lambda: file_answer(self._noaa_list(), 1_700_000_000, "text/plain"),
            "hek": lambda: json_answer(hek.search(self.events, query)),
        }
        if question.place in answers:
            return answers[question.place]()
        if question.path.startswith(CGI + "jsoc_fetch"):
            return json_answer({"status": 4, "error": "Operation not allowed"})
        if question.place in ("file", "tar", "index"):
            return self._file(question.path)
        return error_answer(404, "Not Found")

    def _info(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Of records, or of an export, which JSOC keeps as a record of its own."""
        found = re.fullmatch(r"jsoc\.export\[(\w+)\]", query.get("ds", ""))
        return export_list(self.book.info(found[1]), query) if found else jsoc_info(self.archive, query)

    def _file(self, path: str) -> Answer:
        found = FILE.fullmatch(path)
        file = self.book.file(found[1], found[2]) if found else None
        if file is None:
            return error_answer(404, "Not Found")
        return file_answer(*file, _TYPES.get(Path(path).suffix, "application/octet-stream"))

    def _noaa_list(self) -> bytes:
        given = self._noaa
        if given is None:
            return self.archive.noaa_list().encode()
        if isinstance(given, Mapping):
            return ("HARPNUM NOAA_ARS\n" + "".join(f"{harp} {given[harp]}\n" for harp in sorted(given))).encode()
        return given.read_bytes() if isinstance(given, Path) else given.encode()
