"""Answers as they go over the wire: ranges, entity tags, and what faults make of them."""

import email.utils
import json
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.jsoc.faults import Fault

ERROR_PAGE = b"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head><title>%s</title></head><body>
<h1>%s</h1>
<p>The server encountered an internal error or misconfiguration and was unable to complete your request.</p>
</body></html>
"""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
DRIP_S = 0.02  # between two pieces


@dataclass
class Answer:
    """What goes out. ``promised`` is its Content-Length, where that is not what it has."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    bytes_per_s: float | None = None
    closes: bool = False


def json_answer(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode("ascii") + b"\n", {"Content-Type": "application/json"})


def error_answer(status: int, title: str) -> Answer:
    text = f"{status} {title}".encode()
    return Answer(status, ERROR_PAGE % (text, text), {"Content-Type": "text/html; charset=iso-8859-1"})


def file_answer(body: bytes, changed: float, content_type: str) -> Answer:
    headers = {
        "Content-Type": content_type,
        "Last-Modified": email.utils.formatdate(changed, usegmt=True),
        "ETag": f'"{len(body):x}-{zlib.crc32(body):08x}"',
        "Accept-Ranges": "bytes",
    }
    return Answer(200, body, headers)


def ranged(answer: Answer, wanted: str | None, if_range: str | None) -> Answer:
    """The part of a file that a Range header asks for: 206, 416, or the whole where it asks for nothing we know."""
    found = _RANGE.fullmatch(wanted.strip()) if wanted and answer.status == 200 else None
    if not found or "Accept-Ranges" not in answer.headers or not any(found.groups()):
        return answer
    if if_range and if_range not in (answer.headers["ETag"], answer.headers["Last-Modified"]):
        return answer
    size = len(answer.body)
    begin = int(found[1]) if found[1] else max(0, size - int(found[2]))
    end = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if begin >= size or begin > end:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}", "Content-Type": "text/plain"})
    headers = {**answer.headers, "Content-Range": f"bytes {begin}-{end}/{size}"}
    return Answer(206, answer.body[begin : end + 1], headers)


def spoilt(answer: Answer, fault: Fault, rng: random.Random) -> Answer:
    """A good answer after a fault that needs one: cut, flipped, without ranges, or drop by drop."""
    body, headers = answer.body, dict(answer.headers)
    if fault.kind == "wrong size":
        cut = body[: int(len(body) * fault.share)]
        if "ETag" in headers:
            headers["ETag"] = f'"{len(cut):x}-{zlib.crc32(cut):08x}"'
        return Answer(answer.status, cut, headers)
    if fault.kind == "garbled":
        flipped = bytearray(body)
        for _ in range(max(8, len(body) // 500)):
            if flipped:
                flipped[rng.randrange(len(flipped))] ^= rng.randrange(1, 256)
        return Answer(answer.status, bytes(flipped), headers)
    if fault.kind == "no ranges":
        headers.pop("Accept-Ranges", None)
        return Answer(answer.status, body, headers)
    return answer


def cut_short(answer: Answer, fault: Fault) -> Answer:
    """What truncation and dripping make of the very bytes that go out, after any range."""
    if fault.kind == "truncated":
        kept = answer.body[: int(len(answer.body) * fault.share)]
        return Answer(answer.status, kept, answer.headers, promised=len(answer.body), closes=True)
    if fault.kind == "drip":
        return Answer(answer.status, answer.body, answer.headers, bytes_per_s=fault.bytes_per_s)
    return answer


def instead(fault: Fault) -> Answer | None:
    """The answer that takes the place of a good one, where the fault is of that kind."""
    if fault.kind in ("500", "503"):
        titles = {"500": "Internal Server Error", "503": "Service Unavailable"}
        answer = error_answer(int(fault.kind), titles[fault.kind])
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(fault.retry_after)
        return answer
    if fault.kind == "not found":
        return error_answer(404, "Not Found")
    if fault.kind == "html":
        return Answer(200, error_answer(500, "Internal Server Error").body, {"Content-Type": "text/html"})
    if fault.kind == "redirect":
        return Answer(302, b"", {"Location": fault.url})
    return None


def drip(body: bytes, bytes_per_s: float, send: Callable[[bytes], object], pause: Callable[[float], bool]) -> None:
    """Send a body a few bytes at a time, until it is out or ``pause`` says that the server stops."""
    size = max(1, int(bytes_per_s * DRIP_S))
    for begin in range(0, len(body), size):
        send(body[begin : begin + size])
        if pause(size / bytes_per_s):
            return
