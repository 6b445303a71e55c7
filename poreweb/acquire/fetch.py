"""
The one door to other people's servers: allowed hosts only, also after a redirect; downloads that resume.

drms and sunpy fetch with `urllib`; within `guarded` so does everything else in this
process, through an opener that knows http and https and asks for the host each time. It
is for jobs, which have a process each.
"""

import fcntl
import json
import os
import re
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPException, HTTPResponse, responses
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from django.conf import settings

from processing.errors import PorewebError, first_line

CHUNK = 256 * 1024
GONE = (403, 404, 410)
PORTS = {"http": 80, "https": 443}
# Content-Range of a piece, or of a refusal (RFC 9110, 14.4)
_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-\d+|\*)/(?:(?P<whole>\d+)|\*)", re.ASCII)
_PLAIN = re.compile(r"[!-\[\]-~]*")  # ASCII that is seen, without the backslash


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

    Nor is one that programs may read in different ways: with a user's name before the host,
    with blanks, backslashes or letters beyond ASCII.

    Raises
    ------
    NotAllowedError
        If it is not.
    """
    try:
        parts = urlsplit(url)
        port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:
        port, is_plain = 0, False
    else:
        is_plain = bool(_PLAIN.fullmatch(url)) and "@" not in parts.netloc
    if not is_plain:
        raise NotAllowedError(f"{url[:200]!a} is no address that can be fetched")
    if parts.scheme not in PORTS or (parts.hostname or "", port) not in allowed_hosts():
        shown = f"{parts.scheme}://{parts.netloc}"[:200]
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
        with _in_our_words():
            yield
    finally:
        urllib.request.install_opener(before)
        socket.setdefaulttimeout(timeout)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What `urllib` raises in the block as the errors of `guarded`."""
    try:
        yield
    except HTTPError as answer:
        answer.close()
        raise _as_error(answer) from answer
    except URLError as problem:
        if "unknown url type" in str(problem.reason):
            raise NotAllowedError("only http and https addresses are fetched") from problem
        raise TroubleError(f"the server cannot be reached: {first_line_of(problem.reason)}") from problem
    except (OSError, HTTPException) as problem:  # reset, cut off, timed out
        raise TroubleError(f"the connection broke: {first_line_of(problem)}") from problem


def first_line_of(reason: object) -> str:
    """What went wrong, for a sentence; of the system's errors without their numbers."""
    if isinstance(reason, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return first_line(reason if isinstance(reason, Exception) else Exception(str(reason))).rstrip(".")


def _as_error(answer: HTTPError) -> FetchError:
    status = f"{answer.code} {responses.get(answer.code, '')}".rstrip()
    if answer.code < 400:  # in a circle, or to what is neither http nor https, which is then the answer's address
        return NotAllowedError(f"the server answered {status}, and where that leads is not fetched")
    said = f"{urlsplit(answer.url or '').netloc} answered {status}"
    if answer.code in GONE:
        return GoneError(said)
    return TroubleError(said) if answer.code >= 500 or answer.code in (408, 416, 425, 429) else FetchError(said)


def read_text(url: str, *, most_bytes: int = 5_000_000) -> str:
    """A small text; errors as of `guarded`, and FetchError when it is larger than that."""
    must_be_allowed(url)
    with guarded(), urllib.request.urlopen(url) as answer:
        announced = answer.length
        raw: bytes = answer.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise FetchError(f"{url} is larger than {most_bytes:,} bytes")
    if announced is not None and len(raw) < announced:
        raise _broken_off(len(raw), announced)
    return raw.decode("utf-8", errors="replace")


def ask_at_once(url: str, *, timeout_s: float, most_bytes: int = 100_000) -> str:
    """
    A small answer while somebody waits for a page; errors as of `guarded`.

    Unlike `guarded` it changes nothing that other threads of the process share.
    """
    must_be_allowed(url)
    with _in_our_words(), _opener().open(url, timeout=timeout_s) as answer:
        raw: bytes = answer.read(most_bytes)
    return raw.decode("utf-8", errors="replace")


@contextmanager
def _sole_writer(part: Path) -> Iterator[None]:
    """Hold the part's lock, which ends with the process: an attempt that was taken for dead may still be writing."""
    part.parent.mkdir(parents=True, exist_ok=True)
    path = part.with_suffix(".lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(lock.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:  # held, or one that `forget` has just removed
            raise TroubleError("another worker is still fetching this file")
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
    must_be_allowed(url)
    with _sole_writer(part):
        start, version = _begun(part)
        headers = {"Range": f"bytes={start}-", "If-Range": version} if start else {}
        with guarded():
            try:
                answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers))
            except HTTPError as refusal:
                if refusal.code != 416:
                    raise
                if start and _piece_of(refusal.headers) == (-1, start):
                    refusal.close()
                    return start  # a worker that died had all of it
                forget(part)
                raise
        with answer:
            whole = _begin(answer, part, start, version)
            size = _copy(answer, part, on_chunk=on_chunk)
        if whole is not None and size != whole:
            raise _broken_off(size, whole)
    return size


def _begun(part: Path) -> tuple[int, str]:
    """Bytes of a file that have come, and the version they are of; 0 when it is not known of which."""
    try:
        version = json.loads(part.with_suffix(".version").read_text())
        start = part.stat().st_size
    except (FileNotFoundError, ValueError):  # a full disk may have cut the version
        return 0, ""
    return (start, version) if version else (0, "")


def _begin(answer: HTTPResponse, part: Path, start: int, version: str) -> int | None:
    """
    Make the file such that the answer's body is what follows; the size of the whole then, None when nobody says.

    Whatever is killed in between, what is left of the file is never taken for another version's.
    """
    announced = answer.length
    if answer.status == 206:
        first, whole = _piece_of(answer.headers)
        if start and first == start and _version_of(answer) in ("", version):
            return whole if announced is None else max(whole or 0, start + announced)
        forget(part)
        raise TroubleError("the server sent another piece of the file than was asked for")
    forget(part)
    part.with_suffix(".version").write_text(json.dumps(_version_of(answer)))
    return announced


def _version_of(answer: HTTPResponse) -> str:
    """What tells one version of a file from another; empty when nothing does. No weak ETag: If-Range takes none."""
    tag = answer.headers.get("ETag") or ""
    return (tag if not tag.startswith("W/") else "") or answer.headers.get("Last-Modified") or ""


def can_be_resumed(part: Path) -> bool:
    """Whether a download that is stopped now can be gone on with, since it is known of which version it is."""
    return bool(_begun(part)[1])


def _piece_of(headers: Message) -> tuple[int, int | None]:
    """Of Content-Range the first byte, -1 when there is none, and the size of the whole, None when it is not told."""
    found = _RANGE.fullmatch(headers.get("Content-Range") or "")
    if not found:
        return -1, None
    return int(found["first"] or -1), int(found["whole"]) if found["whole"] else None


def _broken_off(size: int, whole: int) -> TroubleError:
    return TroubleError(f"the connection broke after {size:,} of {whole:,} bytes")


def _copy(answer: HTTPResponse, part: Path, *, on_chunk: Callable[[int], None] | None) -> int:
    """Write the answer's body; the size of the file then. The disk's troubles are not the network's."""
    with part.open("ab") as out:
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
    lock = part.with_suffix(".lock")
    if lock.exists():
        try:
            with _sole_writer(part):
                lock.unlink(missing_ok=True)
        except (TroubleError, OSError):
            pass  # whoever has it may go on; an empty file that stays is no harm
