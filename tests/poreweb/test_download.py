"""Files from other people's servers come as they are, wherever they break off and whoever dies meanwhile."""

import resource
import signal
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from poreweb.acquire import fetch
from poreweb.acquire.fetch import TroubleError, download, forget, read_text
from tests.poreweb import tiny_server
from tests.poreweb.tiny_server import BODY, Asked, Tiny

servers, ours, part = tiny_server.servers, tiny_server.ours, tiny_server.part
OTHER_BODY = BODY[::-1] + b"and more"


def give_file(body: bytes, tag: str = '"1"', *, keep: int | None = None) -> Callable[[Asked], None]:
    """As a good server does, with ranges and their condition; the connection breaks after ``keep`` bytes."""

    def reply(asked: Asked) -> None:
        begin, status, headers = 0, 200, {"ETag": tag}
        wanted = asked.headers.get("Range", "")
        if wanted and asked.headers.get("If-Range") in (None, tag):
            begin, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
            if begin >= len(body):
                asked.say(416, Content_Range=f"bytes */{len(body)}")
                return
            headers["Content_Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        rest = body[begin:]
        asked.say(status, rest if keep is None else rest[:keep], promised=len(rest), **headers)

    return reply


def test_a_file_comes_as_it_is_and_leaves_nothing_else(ours: Tiny, part: Path):
    pieces: list[int] = []
    assert download(f"{ours.address}/x", part, on_chunk=pieces.append) == sum(pieces) == len(BODY)
    assert part.read_bytes() == BODY
    forget(part)
    assert list(part.parent.iterdir()) == []
    forget(part)


def test_a_broken_download_goes_on_where_it_stopped(ours: Tiny, part: Path):
    url = f"{ours.address}/x"
    for keep in (100, 0, 1000):
        ours.reply = give_file(BODY, keep=keep)
        with pytest.raises(TroubleError, match=r"the connection broke after [\d,]+ of 10,240 bytes"):
            download(url, part)
    assert part.read_bytes() == BODY[:1100]
    ours.reply = give_file(BODY)
    assert download(url, part) == len(BODY)
    assert part.read_bytes() == BODY
    assert ours.ranges == ["", "bytes=100-", "bytes=100-", "bytes=1100-"]
    assert ours.asked[-1][1]["If-Range"] == '"1"'
    assert download(url, part) == len(BODY)  # of a worker that died when it had all of it: 416
    assert ours.ranges[-1] == "bytes=10240-"
    assert part.read_bytes() == BODY


def test_a_file_that_has_changed_comes_from_its_beginning(ours: Tiny, part: Path):
    url = f"{ours.address}/x"
    for body, tag in ((BODY, '"1"'), (OTHER_BODY, '"2"'), (BODY, '"3"')):
        ours.reply = give_file(body, tag, keep=300)
        with pytest.raises(TroubleError):
            download(url, part)
        assert part.read_bytes() == body[:300]
    ours.reply = give_file(OTHER_BODY, '"4"')
    assert download(url, part) == len(OTHER_BODY)
    assert part.read_bytes() == OTHER_BODY


def test_a_server_that_forgets_the_condition_is_not_believed(ours: Tiny, part: Path):
    """It sends the rest of another version, and says so by its tag."""
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    rest = OTHER_BODY[300:]
    ours.reply = lambda asked: asked.say(
        206, rest, ETag='"2"', Content_Range=f"bytes 300-{len(OTHER_BODY) - 1}/{len(OTHER_BODY)}"
    )
    with pytest.raises(TroubleError, match="another piece of the file"):
        download(f"{ours.address}/x", part)
    assert not part.exists()


@pytest.mark.parametrize(
    "piece", ["bytes 0-9/10240", "bytes 301-310/10240", "bytes */10240", "", "pages 1-2", "bytes 300-x/y"],
    ids=["first", "later", "none", "missing", "other unit", "no numbers"],
)  # fmt: skip
def test_another_piece_than_was_asked_for_is_thrown_away(piece: str, ours: Tiny, part: Path):
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    ours.reply = lambda asked: asked.say(206, BODY[300:310], ETag='"1"', Content_Range=piece)
    with pytest.raises(TroubleError, match="another piece of the file"):
        download(f"{ours.address}/x", part)
    ours.reply = give_file(BODY)
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


def test_a_piece_nobody_asked_for_is_not_taken_for_the_file(ours: Tiny, part: Path):
    ours.reply = lambda asked: asked.say(206, BODY[:10], ETag='"1"', Content_Range="bytes 0-9/10240")
    with pytest.raises(TroubleError, match="another piece of the file"):
        download(f"{ours.address}/x", part)


def test_a_piece_shorter_than_the_rest_is_gone_on_with(ours: Tiny, part: Path):
    """A server may send less of a range than was asked for (RFC 9110, 15.3.7)."""
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    ours.reply = lambda asked: asked.say(206, BODY[300:500], ETag='"1"', Content_Range="bytes 300-499/10240")
    with pytest.raises(TroubleError, match="after 500 of 10,240 bytes"):
        download(f"{ours.address}/x", part)
    ours.reply = give_file(BODY)
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


def test_a_server_without_ranges_sends_it_all_again(ours: Tiny, part: Path):
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    ours.reply = lambda asked: asked.say(200, BODY)
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert ours.ranges == ["", "bytes=300-", ""]  # without a version there is nothing to go on with
    assert part.read_bytes() == BODY


@pytest.mark.parametrize("said", ["bytes */9999", "bytes */*", "", "bytes 0-1/300"])
def test_a_refused_range_of_another_file_begins_anew(said: str, ours: Tiny, part: Path):
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    ours.reply = lambda asked: asked.say(416, Content_Range=said)
    with pytest.raises(TroubleError, match="416"):
        download(f"{ours.address}/x", part)
    assert not part.exists()


def test_more_than_announced_is_not_taken(ours: Tiny, part: Path):
    ours.reply = lambda asked: asked.say(200, BODY, promised=100)
    assert download(f"{ours.address}/x", part) == 100
    assert part.read_bytes() == BODY[:100]


@pytest.mark.parametrize("length", ["x", "-5", "9" * 30])
def test_a_length_that_is_none_is_no_bug(length: str, ours: Tiny, part: Path):
    def reply(asked: Asked) -> None:
        asked.send_response(200)
        asked.send_header("Content-Length", length)
        asked.end_headers()
        asked.wfile.write(BODY)

    ours.reply = reply
    with suppress(TroubleError):
        assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


def send_chunked(asked: Asked, *, whole: bool = True, bad: bool = False) -> None:
    asked.send_response(200)
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    for begin in range(0, len(BODY), 3000):
        piece = BODY[begin : begin + 3000]
        asked.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if not whole and begin >= 3000:
            return
    asked.wfile.write(b"nonsense\r\n" if bad else b"0\r\n\r\n")


def test_chunks_without_a_length(ours: Tiny, part: Path):
    ours.reply = send_chunked
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


@pytest.mark.parametrize("how", [{"whole": False}, {"bad": True}], ids=["cut", "nonsense"])
def test_chunks_that_break_off_are_noticed(how: dict[str, bool], ours: Tiny, part: Path):
    ours.reply = lambda asked: send_chunked(asked, **how)
    with pytest.raises(TroubleError, match="the connection broke"):
        download(f"{ours.address}/x", part)


def test_without_a_length_the_end_of_the_connection_is_the_end(ours: Tiny, part: Path):
    def reply(asked: Asked) -> None:
        asked.send_response(200)
        asked.end_headers()
        asked.wfile.write(BODY)

    ours.reply = reply
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


def test_a_server_that_falls_silent_is_left(ours: Tiny, part: Path, settings: LazySettings):
    settings.FETCH_TIMEOUT_S = 0.1
    silence = threading.Event()

    def reply(asked: Asked) -> None:
        asked.send_response(200)
        asked.send_header("ETag", '"1"')
        asked.send_header("Content-Length", str(len(BODY)))
        asked.end_headers()
        asked.wfile.write(BODY[:500])
        silence.wait(5)

    ours.reply = reply
    begun = time.monotonic()
    try:
        with pytest.raises(TroubleError, match="timed out"):
            download(f"{ours.address}/x", part)
        assert time.monotonic() - begun < 3
        assert part.read_bytes() == BODY[:500]
        ours.reply = lambda asked: silence.wait(5)
        for ask in (lambda: download(f"{ours.address}/x", part), lambda: read_text(f"{ours.address}/x")):
            with pytest.raises(TroubleError, match="timed out"):
                ask()
    finally:
        silence.set()


def test_a_drip_is_stopped_by_whoever_looks_at_the_clock(ours: Tiny, part: Path):
    class TurnError(Exception):
        pass

    def reply(asked: Asked) -> None:
        asked.send_response(200)
        asked.send_header("ETag", '"1"')
        asked.send_header("Content-Length", str(len(BODY)))
        asked.end_headers()
        for place in range(len(BODY)):
            asked.wfile.write(BODY[place : place + 1])
            time.sleep(0.002)

    came: list[int] = []

    def look(n_bytes: int) -> None:
        came.append(n_bytes)
        if len(came) == 5:
            raise TurnError

    ours.reply = reply
    with pytest.raises(TurnError):
        download(f"{ours.address}/x", part, on_chunk=look)
    assert part.read_bytes() == BODY[: sum(came)]  # what has been told of is on disk
    ours.reply = give_file(BODY)
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY
    assert ours.ranges[-1] == f"bytes={sum(came)}-"


# -- Two who write, disks, and those who die -------------------------------------------------------------------------


def test_only_one_writes_a_file(ours: Tiny, part: Path):
    problems: list[str] = []

    def look(_: int) -> None:
        with pytest.raises(TroubleError) as problem:
            download(f"{ours.address}/x", part)
        problems.append(str(problem.value))
        forget(part.with_name("other.part"))

    assert download(f"{ours.address}/x", part, on_chunk=look) == len(BODY)
    assert set(problems) == {"another worker is still fetching this file"}
    assert part.read_bytes() == BODY
    assert len(ours.asked) == 1


def test_a_lock_that_was_taken_away_is_no_lock(ours: Tiny, part: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever opened it before it was removed, and locks it after, would be alone with it."""
    lock = part.with_suffix(".lock")
    flock = fetch.fcntl.flock

    def removed_before(*args: Any) -> None:
        lock.unlink()
        flock(*args)

    with monkeypatch.context() as patched:
        patched.setattr(fetch.fcntl, "flock", removed_before)
        with pytest.raises(TroubleError, match="another worker"):
            download(f"{ours.address}/x", part)
    assert ours.asked == []
    assert download(f"{ours.address}/x", part) == len(BODY)


def test_what_is_forgotten_while_it_comes_hurts_nobody(ours: Tiny, part: Path):
    assert download(f"{ours.address}/x", part, on_chunk=lambda _: forget(part)) == len(BODY)
    assert not part.exists()
    assert part.with_suffix(".lock").exists()  # the writer's, which another one must meet
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_troubles_of_the_disk_are_not_the_network_s(ours: Tiny, part: Path):
    ours.reply = give_file(BODY)
    with pytest.raises(OSError, match="File too large"), files_of_at_most(4000):
        download(f"{ours.address}/x", part)
    assert part.read_bytes() == BODY[:4000]
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY
    assert ours.ranges == ["", "bytes=4000-"]


@pytest.mark.parametrize("words", ["", '"', "{", "nul", '""', "null"])
def test_a_version_that_was_cut_is_not_gone_on_with(words: str, ours: Tiny, part: Path):
    """A full disk, or a kill, between the opening of a small file and its first byte."""
    ours.reply = give_file(BODY, keep=300)
    with pytest.raises(TroubleError):
        download(f"{ours.address}/x", part)
    part.with_suffix(".version").write_text(words)
    ours.reply = give_file(BODY)
    assert download(f"{ours.address}/x", part) == len(BODY)
    assert part.read_bytes() == BODY


class KilledError(BaseException):
    pass


DEATHS: list[tuple[Any, str]] = [
    (urllib.request, "urlopen"), (Path, "unlink"), (Path, "write_text"), (Path, "open"), (HTTPResponse, "read1"),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name"), DEATHS, ids=[name for _, name in DEATHS])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_a_worker_dies_versions_are_not_mixed(owner: Any, name: str, after: bool, ours: Tiny, part: Path):
    """It dies at each call in turn, while another version of the file comes than that which is half here."""
    url = f"{ours.address}/x"
    for n_calls in range(12):
        forget(part)
        ours.reply = give_file(BODY, keep=300)
        with pytest.raises(TroubleError):
            download(url, part)
        ours.reply = give_file(OTHER_BODY, '"2"')
        actual, left, died = getattr(owner, name), n_calls, False

        def dies(*args: Any, **options: Any) -> Any:
            nonlocal left, died
            left -= 1
            died = died or left < 0
            if left == -1 and not after:
                raise KilledError
            result = actual(*args, **options)  # noqa: B023
            if left == -1:
                if hasattr(result, "close"):
                    result.close()
                raise KilledError
            return result

        with pytest.MonkeyPatch.context() as patched, suppress(KilledError):
            patched.setattr(owner, name, dies)
            download(url, part)
        assert download(url, part) == len(OTHER_BODY)
        assert part.read_bytes() == OTHER_BODY
        if not died:
            return
    raise AssertionError("it never came to its end")


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, len(BODY)), st.sampled_from(["good", "changed", "no ranges", "chunked", "500", "416"])
        ),
        max_size=6,
    )
)
def test_wherever_it_is_cut_the_file_is_the_source_s(steps: list[tuple[int, str]], ours: Tiny):
    body, tag = BODY, 1
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "a.part"
        for keep, how in steps:
            if how == "changed":
                body, tag = body[::-1] + b"x", tag + 1
            ours.reply = {
                "no ranges": lambda asked: asked.say(200, body[:keep], promised=len(body)),  # noqa: B023
                "chunked": lambda asked: send_chunked(asked, whole=False),
                "500": lambda asked: asked.say(500),
                "416": lambda asked: asked.say(416, Content_Range=f"bytes */{keep}"),  # noqa: B023
            }.get(how, give_file(body, f'"{tag}"', keep=keep))
            if how == "416" and part.exists() and part.stat().st_size == keep:
                continue  # it would say that this is all of it
            with suppress(TroubleError):
                download(f"{ours.address}/x", part)
                assert part.read_bytes() == body
        ours.reply = give_file(body, f'"{tag}"')
        assert download(f"{ours.address}/x", part) == len(body)
        assert part.read_bytes() == body
