"""
The one door to other people's servers: allowed hosts only, also after a redirect; downloads that resume.

drms and sunpy fetch with `urllib`; within `guarded` so does everything else in this
process, through an opener that knows http and https and asks for the host each time. It
is for jobs, which have a process each.
"""

import fcntl
import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, responses
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from django.conf import settings

from processing.errors import PorewebError, first_line

CHUNK = 256 * 1024
GONE = (403, 404, 410)
PORTS = {"http": 80, "https": 443}


class FetchError(PorewebError):
    """Something that cannot be fetched, now or ever."""


class TroubleError(FetchError):
    """A trouble of the server or the network, which may have passed in a while."""


class GoneError(FetchError):
    """A file that the server does not have or does not give."""


class NotAllowedError(FetchError):
    """A host that the settings do not allow."""


def allowed_hosts() -> set[tuple[str, int]]:
    """Host and port of every server from which anything may be fetched."""
    hosts = set()
    for address in (settings.JSOC_URL, settings.HEK_URL, settings.NOAA_LIST_URL):
        hosts |= _places(address)
    for host in settings.FETCH_HOSTS:
        hosts |= _places(f"http://{host}/")
    return hosts


def must_be_allowed(url: str) -> None:
    """
    Refuse an address that is not http or https of an allowed host.

    Raises
    ------
    NotAllowedError
        If it is not.
    """
    try:
        parts = urlsplit(url)
        place = (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise NotAllowedError(f"{url[:200]!r} is no address that can be fetched") from None
    if parts.scheme not in PORTS or place not in allowed_hosts():
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"[:200]
        raise NotAllowedError(f"{shown} is not among the servers that this site may fetch from (FETCH_HOSTS)")


def _places(address: str) -> set[tuple[str, int]]:
    """Host and port; without a port both that of http and that of https."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    return {(host, parts.port)} if parts.port else {(host, port) for port in PORTS.values()}


class _OnlyAllowed(urllib.request.BaseHandler):
    """Looks at each request before it is sent, also at those that a redirect makes."""

    handler_order = 0

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        must_be_allowed(request.full_url)
        return request

    https_request = http_request


def _opener() -> urllib.request.OpenerDirector:
    """No file, ftp or data addresses: only the handlers that are named here."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), _OnlyAllowed(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


@contextmanager
def guarded() -> Iterator[None]:
    """
    Within the block `urllib` fetches from allowed hosts only, and waits no longer than FETCH_TIMEOUT_S.

    Raises
    ------
    NotAllowedError
        If the block asks for another host, or is sent to one.
    TroubleError
        If the server does not answer, breaks off, or says that it has a trouble (5xx, 429).
    GoneError
        If it does not have what was asked for (403, 404, 410).
    FetchError
        If it refuses in another way.
    """
    before, timeout = getattr(urllib.request, "_opener", None), socket.getdefaulttimeout()
    urllib.request.install_opener(_opener())
    socket.setdefaulttimeout(settings.FETCH_TIMEOUT_S)
    try:
        yield
    except HTTPError as answer:
        raise _as_error(answer) from answer
    except URLError as problem:
        if "unknown url type" in str(problem.reason):
            raise NotAllowedError("only http and https addresses are fetched") from problem
        raise TroubleError(f"the server cannot be reached: {first_line_of(problem.reason)}") from problem
    except (OSError, HTTPException) as problem:  # reset, cut off, timed out
        raise TroubleError(f"the connection broke: {first_line_of(problem)}") from problem
    finally:
        urllib.request.install_opener(before)
        socket.setdefaulttimeout(timeout)


def first_line_of(reason: object) -> str:
    """What went wrong, for a sentence."""
    return first_line(reason if isinstance(reason, Exception) else Exception(str(reason))).rstrip(".")


def _as_error(answer: HTTPError) -> FetchError:
    said = f"{urlsplit(answer.url or '').netloc} answered {answer.code} {responses.get(answer.code, '')}".rstrip()
    if answer.code in GONE:
        return GoneError(said)
    return TroubleError(said) if answer.code >= 500 or answer.code in (408, 416, 425, 429) else FetchError(said)


def read_text(url: str, *, most_bytes: int = 5_000_000) -> str:
    """A small text; errors as of `guarded`, and FetchError when it is larger than that."""
    with guarded(), urllib.request.urlopen(url) as answer:
        raw: bytes = answer.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise FetchError(f"{url} is larger than {most_bytes:,} bytes")
    return raw.decode("utf-8", errors="replace")


@contextmanager
def _sole_writer(part: Path) -> Iterator[None]:
    """Hold the part's lock, which ends with the process: an attempt that was taken for dead may still be writing."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TroubleError("another worker is still fetching this file") from None
        yield


def download(url: str, part: Path, *, on_chunk: Callable[[int], None] | None = None) -> int:
    """
    Fetch a file to ``part``, going on where an earlier call with the same path stopped; its size in bytes.

    The server is told what the first piece was of (If-Range), and sends a file that has
    changed since from its beginning, as does one that knows no ranges. ``on_chunk`` is
    given the bytes of each piece as it is on disk; what it raises stops the download, which
    may be gone on with.

    Raises
    ------
    TroubleError
        If it broke off or is shorter than announced; what came is kept.
    FetchError
        As of `guarded`; OSError of the disk passes through.
    """
    with _sole_writer(part):
        version_file = part.with_suffix(".version")
        start = part.stat().st_size if part.exists() and version_file.exists() else 0
        version = json.loads(version_file.read_text()) if start else ""
        headers = {"Range": f"bytes={start}-", "If-Range": version} if start and version else {}
        with guarded():
            try:
                answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers))
            except HTTPError as refusal:
                if refusal.code != 416:
                    raise
                if str(refusal.headers.get("Content-Range")).endswith(f"/{start}"):
                    return start  # a worker that died had all of it
                forget(part)
                raise
        with answer:
            resumed = answer.status == 206 and _range_start(answer) == start
            if not resumed:
                start = 0
                version_file.write_text(
                    json.dumps(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
                )
            announced = answer.headers.get("Content-Length")
            size = _copy(answer, part, append=resumed, on_chunk=on_chunk)
        if announced is not None and size != start + int(announced):
            raise TroubleError(f"the connection broke after {size:,} of {start + int(announced):,} bytes")
    return size


def _range_start(answer: HTTPResponse) -> int:
    """First byte of a partial answer; -1 when it does not say."""
    text = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else -1


def _copy(answer: HTTPResponse, part: Path, *, append: bool, on_chunk: Callable[[int], None] | None) -> int:
    """Write the answer's body; the size of the file then. The disk's troubles are not the network's."""
    with part.open("ab" if append else "wb") as out:
        while True:
            try:
                chunk = answer.read1(CHUNK)
            except (OSError, HTTPException) as problem:
                raise TroubleError(f"the connection broke: {first_line_of(problem)}") from problem
            if not chunk:
                return out.tell()
            out.write(chunk)
            out.flush()
            if on_chunk:
                on_chunk(len(chunk))


def forget(part: Path) -> None:
    """Remove what was fetched of a file, so that it is fetched from its beginning."""
    for path in (part, part.with_suffix(".version")):
        path.unlink(missing_ok=True)
