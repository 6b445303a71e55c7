"""Record-set specifications of DRMS: ``series[377][2011.02.15_00:00:00_TAI/1d@12m][? QUALITY >= 0 ?]{Br,bitmap}``."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from processing.timekeys import CADENCE_S, EPOCH
from tests.jsoc.clauses import Condition, read_clause
from tests.jsoc.problems import QueryError
from tests.jsoc.records import Archive, Record

_MOMENT = re.compile(
    r"(?P<date>\d{4}\.\d\d?\.\d\d?)(?:_(?P<hour>\d\d?)(?::(?P<minute>\d\d?)(?::(?P<second>\d\d?)(?:\.\d*)?)?)?)?"
    r"(?:_?(?P<zone>TAI|UTC|UT|Z))?"
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass
class RecordSet:
    """One specification; ``filters`` say of a record whether it belongs to the set."""

    series: str
    filters: list[Callable[[Record], bool]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)  # ^ and $: the first and the last of what the filters leave
    segments: list[str] | None = None


def select(archive: Archive, text: str, n: int = 0) -> list[tuple[Record, list[str]]]:
    """
    The records of a specification, each with the segments that are asked for.

    ``n`` limits them to the first n, or to the last of them when it is negative; 0 is all.

    Raises
    ------
    QueryError
        If the text is no specification, or the series or a keyword of a clause is not known.
    """
    chosen: dict[tuple[str, int, int], tuple[Record, list[str]]] = {}
    for wanted in read_record_sets(text):
        name = next((name for name in archive.series if name.lower() == wanted.series.lower()), None)
        if name is None:
            raise QueryError(f"Cannot export series '{wanted.series}' - it does not exist.")
        records = [record for record in archive.records(name) if all(passes(record) for passes in wanted.filters)]
        for end in wanted.ends:
            records = records[:1] if end == "^" else records[-1:]
        for record in records:
            held = archive.segments(name)
            chosen[name, record.harpnum, record.t_rec_s] = (record, _segments_of(wanted.segments, held))
    found = list(chosen.values())
    return found[:n] if n > 0 else found[n:] if n < 0 else found


def _segments_of(wanted: list[str] | None, held: list[str]) -> list[str]:
    """Those of the series that are asked for, in the order of the series; unknown names are passed over."""
    if wanted is None or "**ALL**" in wanted:
        return held
    lower = {name.lower() for name in wanted}
    return [segment for segment in held if segment.lower() in lower]


def read_record_sets(text: str) -> list[RecordSet]:
    """One or more specifications with commas between them."""
    sets, at = [], 0
    while True:
        named = re.compile(r"\s*([A-Za-z_]\w*\.\w+)\s*").match(text, at)
        if not named:
            raise QueryError(f"Bad record-set query '{text}'.")
        wanted, at, n_keys = RecordSet(named[1]), named.end(), 0
        while at < len(text) and text[at] in "[{":
            inside, at = _bracket(text, at)
            if text[at - 1] == "}":
                wanted.segments = [name.strip() for name in inside.split(",") if name.strip()]
            elif inside.startswith(("?", "!")):
                wanted.filters.append(_by_clause(read_clause(inside.strip("?! "))))
            else:
                _by_key(wanted, n_keys, inside.strip())
                n_keys += 1
            while at < len(text) and text[at].isspace():
                at += 1
        sets.append(wanted)
        if at == len(text):
            return sets
        if text[at] != ",":
            raise QueryError(f"Bad record-set query '{text}'.")
        at += 1


def _bracket(text: str, begin: int) -> tuple[str, int]:
    """What stands between the bracket there and its end, and where the text goes on."""
    close = {"[?": "?]", "[!": "!]"}.get(text[begin : begin + 2], "]" if text[begin] == "[" else "}")
    end = text.find(close, begin + 1)
    if end < 0:
        raise QueryError(f"Bad record-set query '{text}'.")
    end += len(close)
    return text[begin + 1 : end - 1], end


def _by_clause(condition: Condition) -> Callable[[Record], bool]:
    return lambda record: condition(record) is True


def _by_key(wanted: RecordSet, index: int, inside: str) -> None:
    """Understand one selector of a prime key; an empty one takes all."""
    if not inside:
        return
    if inside in ("^", "$"):
        wanted.ends.append(inside)
        return
    if index == 0:
        spans = [_harps(part) for part in inside.split(",")]
        wanted.filters.append(lambda record: any(first <= record.harpnum <= last for first, last in spans))
    elif index == 1:
        slots = [_slots(part.strip()) for part in inside.split(",")]
        wanted.filters.append(lambda record: any(record.t_rec_s in part for part in slots))
    else:
        raise QueryError(f"Too many prime keys: '[{inside}]'.")


def _harps(part: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
    if not found:
        raise QueryError(f"'{part}' is no HARPNUM.")
    return int(found[1]), int(found[2] or found[1])


def _slots(part: str) -> range:
    """
    The slots, in T_REC seconds, of ``a``, ``a-b`` or ``a/duration``, each with ``@cadence`` or without.

    A range has both ends; a duration has not its last, so that a day has 120 slots.
    """
    span, _, step = part.partition("@")
    cadence = max(1, round(_seconds(step) / CADENCE_S)) * CADENCE_S if step else CADENCE_S
    first, slash, duration = span.partition("/")
    if slash:
        begin = read_moment(first)
        return range(begin, begin + round(_seconds(duration) / CADENCE_S) * CADENCE_S, cadence)
    first, _, last = span.partition("-")
    begin = read_moment(first)
    return range(begin, (read_moment(last) if last else begin) + 1, cadence)


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise QueryError(f"'{text}' is no duration such as 12m or 1d.")
    return float(found[1]) * _UNITS[found[2]]


def read_moment(text: str) -> int:
    """The slot nearest to a moment, as T_REC seconds; TAI where no zone is named."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        raise QueryError(f"'{text}' is no time such as 2011.02.15_02:00:00_TAI.")
    try:
        year, month, day = map(int, found["date"].split("."))
        hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError as problem:
        raise QueryError(f"'{text}' is no time: {problem}.") from problem
    seconds = (moment - EPOCH).total_seconds()
    if found["zone"] not in (None, "TAI"):
        from astropy.time import Time  # here, as it is slow to import and hardly asked for

        seconds += (Time(moment, scale="utc").tai.to_datetime() - moment).total_seconds()
    return round(seconds / CADENCE_S) * CADENCE_S
