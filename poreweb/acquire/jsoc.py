"""
What we ask JSOC, through drms, and its answers in our words.

Only numbers, times and names that we know ourselves are put in a query, so that nobody
can ask for another series by the way a number is written.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin

from django.conf import settings

from poreweb.acquire.fetch import FetchError, GoneError, TroubleError, guarded, read_text
from processing.errors import FrameError
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL, SEGMENTS
from processing.timekeys import CADENCE_S, format_t_rec, parse_t_rec

SERIES = (DEFINITIVE_SERIES, DEFINITIVE_SERIES + PROVISIONAL)
# jsoc_fetch's numbers for an export: jsoc.export's Status keyword and drms.client.ExportRequest
READY, PROCESSING, SUBMITTED, TOO_BIG, REFUSED, EXPIRED, NOT_FOUND, BUSY = range(8)
REGISTERED = 2  # checkAddress.sh
EXPORTS = "jsoc.export"  # the series that has a record of each export
NO_FILE = "NoDataFile"
_REQUEST_ID = re.compile(r"JSOC_\d{8}_\w+", re.ASCII)
_RECORD = re.compile(
    r"(?P<series>[\w.]+)\[(?P<harpnum>\d+)\]\[(?P<t_rec>[\d._:]+_TAI)\](?:\{(?P<segment>\w+)\})?", re.ASCII
)
# jsoc_fetch says of too many records that it cannot open them, with the status of any refusal
_TOO_MANY = re.compile(r"can ?not open recordset|too many records|too large|exceeds .*limit", re.IGNORECASE)
# What jsoc_info says in place of a path where a segment does not exist; NoDataDirectory is one that is not on disk
_NO_SEGMENT = ("Invalid", "BadSegLink", "MISSING")
# Ends of an open range: before the first HARP, and after what we shall see
HMI_BEGINS, FAR_FUTURE = parse_t_rec("2010.04.01_00:00:00_TAI"), parse_t_rec("2040.01.01_00:00:00_TAI")
# JSOC's keywords that a header has under another name, since FITS has no room for theirs
_CARDS = {"DATE__OBS": "DATE-OBS", "T_REC_epoch": "TRECEPOC", "T_REC_step": "TRECSTEP", "T_REC_unit": "TRECUNIT"}
# Not keywords of the record but of where JSOC keeps it
_STORED = ("*online*", "*retain*")


class TooBigError(FetchError):
    """An export that has more than JSOC gives at once."""


class BusyError(FetchError):
    """Another export of this e-mail is pending; ``request_ids`` are those that the answer names."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.request_ids = sorted(set(_REQUEST_ID.findall(text)))


class DuplicateError(BusyError):
    """The same was asked for before, under the names that the answer gives."""


@dataclass(frozen=True)
class JsocRecord:
    """One record: keywords as plain values, shape (ny, nx), the segments it has, whether JSOC has it on disk."""

    t_rec_s: int
    keywords: dict[str, Any]
    shape: tuple[int, int] | None
    segments: tuple[str, ...]
    is_online: bool
    kept_until: str = ""


@dataclass(frozen=True)
class Answer:
    """What JSOC says of an export."""

    status: int
    request_id: str
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> str:
        """Its words for what is wrong."""
        return str(self.raw.get("error") or self.raw.get("msg") or "")

    @property
    def wait_s(self) -> float:
        """How long it asks to be left alone, s."""
        try:
            return max(float(self.raw.get("wait", 0)), 0)
        except (TypeError, ValueError):
            return 0

    @cached_property
    def files(self) -> list[tuple[str, str]]:
        """(record, address) of each file; of a tar file one, whose record is empty. Empty while there are none."""
        folder, tar = self.raw.get("dir"), self.raw.get("tarfile")
        if tar:
            return [("", _address(str(tar)))]
        return [
            (record, _address(f"{folder}/{name}" if folder else name))
            for record, name in self._rows
            if name and name != NO_FILE
        ]

    @property
    def _rows(self) -> list[tuple[str, str]]:
        """(record, name of its file) as JSOC lists them."""
        listed = self.raw.get("data")
        items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        return [(str(item.get("record", "")), str(item.get("filename", ""))) for item in items]

    def is_of(self, series: str, harpnum: int) -> bool:
        """Whether no row of it is of something else: an export that was taken for ours may be another's."""
        rows = [_RECORD.search(str(item.get("record", ""))) for item in self.raw.get("data") or []]
        return all(row and (row["series"].lower(), int(row["harpnum"])) == (series, harpnum) for row in rows)

    def absent(self, wanted: Sequence[str]) -> dict[int, list[str]]:
        """
        T_REC in seconds -> those of the wanted segments that JSOC says it does not have.

        A record without its segment is told by the names of its other files.
        """
        without: set[int] = set()
        here: dict[int, set[str]] = defaultdict(set)
        for record, name in self._rows:
            if (key := record_key(record)) is None:
                continue
            if name == NO_FILE:
                without.add(key[0])
            else:
                here[key[0]].add(segment_of(record, name))
        return {t_rec_s: [name for name in wanted if name not in here[t_rec_s]] for t_rec_s in sorted(without)}


def record_key(record: str) -> tuple[int, str] | None:
    """T_REC in seconds and segment of a record as JSOC writes it; None when it is none of a HARP."""
    match = _RECORD.search(record)
    if not match:
        return None
    try:
        return parse_t_rec(match["t_rec"]), match["segment"] or ""
    except FrameError:
        return None


def segment_of(record: str, name: str) -> str:
    """The segment of one of an export's files: the record has it in braces, or the file's name before .fits."""
    key = record_key(record)
    return key[1] if key and key[1] else PurePosixPath(name).stem.rpartition(".")[2]


def _address(path: str) -> str:
    """Of a file on JSOC's disks; the door in `fetch` looks at the host."""
    return urljoin(settings.JSOC_URL, path.lstrip("/"))


def client() -> Any:
    """A `drms.Client` that speaks to JSOC_URL."""
    import drms  # here, as it brings pandas, which no page needs
    from drms.config import ServerConfig

    return drms.Client(
        ServerConfig(
            name="site",
            cgi_baseurl=f"{settings.JSOC_URL}cgi-bin/ajax/",
            cgi_show_series="show_series",
            cgi_jsoc_info="jsoc_info",
            cgi_jsoc_fetch="jsoc_fetch",
            cgi_check_address="checkAddress.sh",
            http_download_baseurl=settings.JSOC_URL,
        )
    )


def _asked(question: Any, *args: Any, **options: Any) -> dict[str, Any]:
    """JSOC's answer to one question; what is no JSON object is a trouble, since an overloaded server sends pages."""
    try:
        with guarded():
            answer = question(*args, **options)
    except ValueError as problem:  # includes JSONDecodeError
        raise TroubleError("JSOC's answer cannot be read: it is a page or a piece of one, not data") from problem
    except GoneError as problem:  # of a file that means something, of JSOC's programs only that they are away
        raise TroubleError(str(problem)) from problem
    if not isinstance(answer, dict):
        raise TroubleError("JSOC's answer is no JSON object")
    return answer


def record_set(
    series: str, harpnum: int, first_s: int | None = None, last_s: int | None = None, *, cadence_s: int = CADENCE_S
) -> str:
    """
    JSOC's words for a HARP's records from one T_REC to another, both included.

    Raises
    ------
    FetchError
        If the series is none of ours.
    """
    if series not in SERIES:
        raise FetchError(f"{series[:80]!r} is no series that is fetched; those are {' and '.join(SERIES)}")
    times = ""
    if first_s is not None or last_s is not None or cadence_s != CADENCE_S:
        first, last = (HMI_BEGINS if first_s is None else first_s), (FAR_FUTURE if last_s is None else last_s)
        times = f"{format_t_rec(first)}-{format_t_rec(last)}"
    every = f"@{cadence_s}s" if cadence_s != CADENCE_S else ""
    return f"{series}[{int(harpnum)}][{times}{every}]"


def records_of(asked: str, segments: Sequence[str]) -> list[JsocRecord]:
    """
    The records of a set, by T_REC, each once.

    Raises
    ------
    TroubleError
        If JSOC has a trouble.
    FetchError
        If it does not understand, or has no such series.
    """
    answer = _listed(asked, key=["**ALL**", *_STORED], seg=list(segments))
    try:
        found = _records_in(answer)
    except (KeyError, IndexError, TypeError, AttributeError) as problem:
        raise TroubleError(f"JSOC's answer to {asked} is not of the form that is known") from problem
    return [found[key] for key in sorted(found)]


def _listed(asked: str, **options: Any) -> dict[str, Any]:
    """JSOC's list of a set's records; FetchError when its status says that it cannot."""
    answer = _asked(client()._json.rs_list, asked, **options)
    if answer.get("status") not in (0, None):
        raise FetchError(f"JSOC does not answer {asked}: {answer.get('error') or answer.get('status')}")
    return answer


def _records_in(answer: dict[str, Any]) -> dict[int, JsocRecord]:
    columns = {item["name"]: item["values"] for item in answer.get("keywords", [])}
    has = {item["name"]: (item["values"], item.get("dims") or []) for item in answer.get("segments", [])}
    found: dict[int, JsocRecord] = {}
    for place, text in enumerate(columns.get("T_REC", [])):
        try:
            t_rec_s = parse_t_rec(str(text))
        except FrameError:
            continue  # a record without a time is none
        keywords = {_CARDS.get(name, name): _value(values[place]) for name, values in columns.items()}
        shapes = [_shape(dims[place]) for _, dims in has.values() if place < len(dims)]
        found[t_rec_s] = JsocRecord(
            t_rec_s,
            {name: value for name, value in keywords.items() if value is not None and not name.startswith("*")},
            next((shape for shape in shapes if shape), None),
            tuple(name for name, (paths, _) in has.items() if _is_path(paths[place])),
            is_online=str(columns.get("*online*", ["Y"] * (place + 1))[place]).upper() != "N",
            kept_until=_day(columns.get("*retain*", [""] * (place + 1))[place]),
        )
    return found


def _value(text: Any) -> str | int | float | None:
    """A keyword's value as a header would have it; None where JSOC has none."""
    if not isinstance(text, str):
        return text if isinstance(text, int | float) else None
    if text.upper() in ("", "MISSING", "NAN", "INVALID KEYLINK"):
        return None
    if not text.isascii() or "_" in text:  # which Python takes in numbers, and JSOC does not write there
        return text
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        pass
    try:
        return float(text) if math.isfinite(float(text)) else None
    except ValueError:
        return text


def _is_path(text: Any) -> bool:
    """Whether JSOC names a segment that there is, be it on disk or not; an export tells whether it has a file."""
    return bool(text) and not str(text).startswith(_NO_SEGMENT)


def _day(text: Any) -> str:
    """A date, or nothing in place of the N/A of what is not on disk."""
    return str(text) if str(text)[:1].isdigit() else ""


def _shape(dims: object) -> tuple[int, int] | None:
    """(ny, nx) of "744x377"."""
    sides = str(dims).lower().split("x")
    are_numbers = len(sides) == 2 and all(side.isascii() and side.isdecimal() for side in sides)
    return (int(sides[1]), int(sides[0])) if are_numbers else None


def last_t_rec(series: str, harpnum: int) -> int | None:
    """T_REC in seconds of the newest record of a HARP; None when there is none."""
    asked = record_set(series, harpnum)
    answer = _listed(asked, key=["T_REC"], n=-1)
    try:
        values = [value for item in answer.get("keywords", []) for value in item["values"]]
        return max(parse_t_rec(str(value)) for value in values) if values else None
    except FrameError:
        return None
    except (KeyError, TypeError, AttributeError) as problem:
        raise TroubleError(f"JSOC's answer to {asked} is not of the form that is known") from problem


def is_registered(email: str) -> bool:
    """Whether JSOC knows the e-mail; errors as of `records_of`."""
    return _asked(client()._json.check_address, email).get("status") == REGISTERED


def submit(asked: str, *, email: str, method: str) -> Answer:
    """
    Ask for an export; bare files for url_quick, and files with all keywords for the other methods.

    Raises
    ------
    BusyError
        If another export of this e-mail is pending, or (DuplicateError) this one.
    TooBigError
        If it is more than JSOC gives at once.
    TroubleError, FetchError
        If JSOC has a trouble, or refuses.
    """
    options: dict[str, Any] = {"method": method, "protocol": "as-is" if method == "url_quick" else "fits"}
    if method != "url_quick":
        options["filenamefmt"] = f"{asked.partition('[')[0]}.{{HARPNUM}}.{{T_REC:A}}.{{segment}}"
    return _understood(_asked(client()._json.exp_request, asked, email, **options))


def status_of(request_id: str) -> Answer:
    """How far an export is, whatever its status; TroubleError or FetchError as of `submit`."""
    if not _REQUEST_ID.fullmatch(request_id):
        raise FetchError(f"{request_id[:80]!r} is no export's name")
    return _understood(_asked(client()._json.exp_status, request_id), of=request_id)


def packing_list(answer: Answer) -> Answer | None:
    """
    What lies beside the files of an export that is made, whatever its status says; None while there is nothing.

    JSOC's status may stay "pending" when all is done; the series of all exports then tells in which folder it lies.
    """
    try:
        status, folder = _row_of(answer.request_id)
        found = json.loads(read_text(_address(f"{folder}/index.json"))) if folder else None
    except (ValueError, FetchError):
        return None
    made = Answer(status, answer.request_id, found) if isinstance(found, dict) else None
    return made if made and made.files else None


def _row_of(request_id: str) -> tuple[int, str]:
    """Status of an export and the folder of its files, empty while it has none; errors as of `records_of`."""
    asked = f"{EXPORTS}[{request_id}]"
    answer = _listed(asked, key=["Status", "*recdir*"])
    try:
        columns = {item["name"]: item["values"] for item in answer.get("keywords", [])}
        return int(columns["Status"][-1]), str(columns["*recdir*"][-1] or "")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as problem:
        raise TroubleError(f"JSOC's answer to {asked} is not of the form that is known") from problem


def _understood(raw: dict[str, Any], of: str = "") -> Answer:
    try:
        status = int(raw.get("status", -1))
    except (TypeError, ValueError):
        status = -1
    answer = Answer(status, str(raw.get("requestid") or raw.get("reqid") or of), raw)
    said = answer.error or f"status {status}"
    if status < 0:
        raise TroubleError(f"JSOC's answer has no status that is known: {said.rstrip('.')}")
    if of:
        return answer
    if status in (PROCESSING, SUBMITTED, NOT_FOUND) and not _REQUEST_ID.fullmatch(answer.request_id):
        raise TroubleError(f"JSOC has taken an export without a name for it: {said.rstrip('.')}")
    if "duplicate" in said.lower() and _REQUEST_ID.search(said) and status > SUBMITTED:
        raise DuplicateError(said)
    if status == BUSY:
        raise BusyError(said)
    if status == TOO_BIG or (status == REFUSED and _TOO_MANY.search(said)):
        raise TooBigError(said)
    if status not in (READY, PROCESSING, SUBMITTED, NOT_FOUND):
        raise FetchError(f"JSOC refuses the export: {said.rstrip('.')}")
    return answer


def known_segments(names: Sequence[str]) -> list[str]:
    """Those of the names that are segments we use, in our order."""
    return [name for name in SEGMENTS if name in names]
