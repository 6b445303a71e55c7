"""
Lists of regions: JSOC's of which HARP is which NOAA region, and those that people write by hand.

Nothing is guessed: a line is understood, empty or a comment, or it comes back with its
number and what is wrong with it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processing.list_times import SHOWN, ListError, Moment, join_times, read_span, shown

# HARPs (some 13,000 so far) and the NOAA regions of SDO's years (from about 11,045) have at most five digits.
HIGHEST = 99_999
MOST_LINES = 2_000
MOST_PAIR_LINES = 100_000

# Of a list without a header, as the pore observer's own
POSITIONS = ("noaa", "first", "last", "id", "harp")
_NAMES = {"noaa": "NOAA region", "harp": "HARP"}
_COLUMN_OF = {
    word: column
    for column, words in {
        "noaa": "noaa ar ars noaa_ar noaa_ars active region regions",
        "first": "beginning begin begins start starts first from",
        "last": "end ends stop last to until",
        "id": "id jsoc_id request request_id",
        "harp": "harp harps harpnum harpnums",
        "": "jsoc number numbers no nr num date day time utc tai",  # belong to the word beside them
    }.items()
    for word in words.split()
}  # fmt: skip
_NONE = {"-", "--", "–", "?", "n/a", "none"}
_LABEL = r"(?:(?P<noaa>NOAA[\s_-]*ARS?|NOAA|ARS?)|(?P<harp>HARPNUM|HARPS?|H))"
_LABEL_BEFORE = re.compile(rf"(?<![^\s,;]){_LABEL}[\s:]+(?=[0-9])", re.IGNORECASE)
_NUMBERS = re.compile(rf"{_LABEL}?(?P<numbers>[0-9]+(?:,[0-9]+)*)", re.IGNORECASE)


class Pair(NamedTuple):
    """A HARP and a NOAA region that it covers, or part of it."""

    harpnum: int
    noaa_ar: int


@dataclass(frozen=True)
class LineProblem:
    """A line, counted from 1, that was not understood; ``reason`` is a sentence without its full stop."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class RegionLine:
    """
    One line of a list written by hand.

    ``number`` is set, and nothing but the dates beside it, where the line does not say
    whether it is a HARP or a NOAA region. ``harpnums`` may be empty, and is in the order of
    the line. None among the dates means from the beginning, or to the end.
    """

    line: int
    noaa_ar: int | None = None
    harpnums: tuple[int, ...] = ()
    number: int | None = None
    first: Moment | None = None
    last: Moment | None = None
    jsoc_id: str = ""
    remark: str = ""


class Asked(NamedTuple):
    """A number that somebody typed; ``kind`` is "harp", "noaa", or empty where that was not said."""

    number: int
    kind: str


# -- Texts and lines -------------------------------------------------------------------------------


def text_of(raw: bytes) -> str:
    """A file's text: UTF-8, or UTF-16 where its first bytes say so; other bytes become U+FFFD."""
    is_utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    return raw.decode("utf-16" if is_utf16 else "utf-8", errors="replace")


def _lines_of(text: str) -> list[str]:
    """Lines as an editor counts them, whatever they end with."""
    lines = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    return lines if lines[-1] else lines[:-1]


def _each(lines: Sequence[str], most: int, read: Callable[[int, str], None]) -> list[LineProblem]:
    """Read each line that is not too many; the problems of those that ``read`` refuses."""
    problems = []
    for line, text in enumerate(lines[:most], start=1):
        try:
            read(line, text)
        except ListError as problem:
            problems.append(LineProblem(line, str(problem), shown(text)))
    if len(lines) > most:
        reason = f"a list may have {most:,} lines; this one and the {len(lines) - most - 1:,} after it were not read"
        problems.append(LineProblem(most + 1, reason, shown(lines[most])))
    return problems


def _whole(text: str, name: str) -> int:
    """A number from 1 to `HIGHEST`; leading zeros are nothing."""
    if not re.fullmatch("[0-9]+", text):
        raise ListError(f"{shown(text)!r} is no {name} number")
    digits = text.lstrip("0")
    if not digits or len(digits) > len(str(HIGHEST)):
        raise ListError(f"{shown(text)} is no {name} number; those go from 1 to {HIGHEST:,}")
    return int(digits)


def _close_commas(text: str) -> str:
    return ",".join(part.strip() for part in text.split(","))


def _close_label(label: "re.Match[str]") -> str:
    """``NOAA AR: `` as one word, to stand at its number."""
    return re.sub(r"[\s:]", "", label[0])


# -- JSOC's list -----------------------------------------------------------------------------------


def parse_harp_noaa(text: str) -> tuple[list[Pair], list[LineProblem]]:
    """
    Pairs of JSOC's list, in its order and each once.

    A line is a HARP number and the numbers of its NOAA regions with commas between them;
    the header ``HARPNUM NOAA_ARS``, blank lines and comments (``#``) are skipped. Of a line
    that repeats a pair the others are taken.
    """
    pairs: dict[Pair, int] = {}

    def read(line: int, text: str) -> None:
        words = _close_commas(text.partition("#")[0]).split()
        if not words or [word.upper() for word in words] == ["HARPNUM", "NOAA_ARS"]:
            return
        if len(words) != 2:
            raise ListError("a line has a HARP number and, after a space, NOAA numbers with commas between them")
        harpnum = _whole(words[0], "HARP")
        found = [Pair(harpnum, _whole(word, "NOAA region")) for word in words[1].split(",")]
        repeated = [pair for k, pair in enumerate(found) if pair in pairs or pair in found[:k]]
        for pair in found:
            pairs.setdefault(pair, line)
        if repeated:
            where = pairs[repeated[0]]
            raise ListError(
                f"HARP {harpnum} with NOAA {repeated[0].noaa_ar} is given twice"
                + (f", first in line {where}" if where != line else "")
            )

    problems = _each(_lines_of(text), MOST_PAIR_LINES, read)
    return list(pairs), problems


# -- Lists written by hand -------------------------------------------------------------------------


def parse_region_list(text: str) -> tuple[list[RegionLine], list[LineProblem]]:
    """
    Regions of a list written by hand.

    Columns are set apart by spaces or tabs: NOAA region, beginning, end, JSOC's id, HARPs
    with commas between them; or as a header says, which may be a comment. Lines that begin
    with ``HARP 377`` or ``AR 11158`` say themselves what they are; a number alone on its line,
    without a header, says not. Dates are d.m.yyyy or yyyy-mm-dd, whole days of TAI (as T_REC
    counts them) with the last one included, and may have a time, of UTC where it does not say
    TAI. ``#`` begins a comment; ``-`` stands for nothing.
    """
    found: list[RegionLine] = []
    first_line: dict[tuple[object, ...], int] = {}
    columns: tuple[str, ...] = ()

    def read(line: int, text: str) -> None:
        nonlocal columns
        body, _, comment = text.partition("#")
        if header := _header(body, comment):
            columns = header
        elif body.strip():
            region = _region(line, body, columns)
            key = region.noaa_ar, region.harpnums, region.number, region.first, region.last
            if key in first_line:
                raise ListError(f"it says the same as line {first_line[key]}, which is taken")
            first_line[key] = line
            found.append(region)

    problems = _each(_lines_of(text), MOST_LINES, read)
    return found, problems


def _header(body: str, comment: str) -> tuple[str, ...]:
    """
    Columns that a line names, in their order; none for a line that is no header.

    A comment is prose more often than not ("HARPs from JSOC"): it must name regions and
    HARPs, or one of them with beginning and end.
    """
    columns: list[str] = []
    for word in (body.strip() or comment).casefold().split():
        column = _COLUMN_OF.get(word.strip("#()[].,:;"))
        if column is None:
            return ()
        if column and column not in columns[-1:]:
            columns.append(column)
    named = set(columns)
    regions, dates = named & {"noaa", "harp"}, named & {"first", "last"}
    is_header = bool(regions) and len(named) == len(columns)
    if comment.strip():
        is_header = is_header and len(dates) != 1 and len(regions) + len(dates) > 1
    return tuple(columns) if is_header else ()


def _region(line: int, body: str, columns: tuple[str, ...]) -> RegionLine:
    words = _words(body)
    label = _NUMBERS.fullmatch(words[0])
    if not columns and len(words) == 1 and label and not _kind(label):
        return _bare(line, words[0])
    if label and (kind := _kind(label)) and kind not in columns[:1]:  # it says what it is, whatever the header says
        columns = POSITIONS if kind == "noaa" else ("harp", *POSITIONS[1:4])
    columns = columns or POSITIONS
    if len(words) > len(columns):
        raise ListError(
            f"it has {len(words)} columns where {len(columns)} are known; those are set apart by spaces or tabs, "
            "and several HARPs by commas"
        )
    given = {column: word for column, word in zip(columns, words, strict=False) if word.casefold() not in _NONE}
    noaa_ars, harpnums = (_numbers(given.get(kind, ""), kind) for kind in ("noaa", "harp"))
    if not noaa_ars and not harpnums:
        raise ListError("it names neither a NOAA region nor a HARP")
    if len(noaa_ars) > 1:
        raise ListError("it names several NOAA regions; give each a line of its own")
    twice = sorted({number for number in harpnums if harpnums.count(number) > 1})
    first, last = read_span(given.get("first", ""), given.get("last", ""))
    return RegionLine(
        line, noaa_ars[0] if noaa_ars else None, tuple(dict.fromkeys(harpnums)), None, first, last,
        _jsoc_id(given.get("id", "")),
        f"HARP {', '.join(map(str, twice))} is named twice, and taken once." if twice else "",
    )  # fmt: skip


def _words(body: str) -> list[str]:
    """The columns of a line, with what belongs to one of them pulled together."""
    body = _LABEL_BEFORE.sub(_close_label, _close_commas(body))
    return join_times(body).split()


def _bare(line: int, word: str) -> RegionLine:
    if "," in word:
        raise ListError("write HARP before several numbers, or give each a line of its own")
    return RegionLine(line, number=_whole(word, "HARP or NOAA region"))


def _numbers(word: str, kind: str) -> list[int]:
    """Numbers of a column, which may say once more what they are."""
    if not word:
        return []
    found, other = _NUMBERS.fullmatch(word), "harp" if kind == "noaa" else "noaa"
    if not found:
        raise ListError(f"{shown(word)!r} stands where a {_NAMES[kind]} number belongs")
    if found[other]:
        raise ListError(f"{shown(word)!r} stands where a {_NAMES[kind]} number belongs, but says {_NAMES[other]}")
    return [_whole(number, _NAMES[kind]) for number in found["numbers"].split(",")]


def _jsoc_id(word: str) -> str:
    """The name of an export, which has letters in it: a number there is one of a column that slipped."""
    if word and (not re.search("[A-Za-z]", word) or not word.isprintable()):
        raise ListError(f"{shown(word)!r} stands where JSOC's id belongs (JSOC_20180918_435); '-' stands for none")
    return word[:SHOWN]


# -- Numbers that somebody types -------------------------------------------------------------------


def read_numbers(text: str, *, most: int = 20) -> tuple[list[Asked], list[str]]:
    """
    Numbers in a line of text, each once, and sentences on what is none.

    ``AR 11158``, ``NOAA 11158``, ``HARP 377`` and ``H377`` say what they are; what is said
    before one number does not hold for the next. At most ``most`` are read.
    """
    found: dict[Asked, None] = {}
    problems = []
    for word in _LABEL_BEFORE.sub(_close_label, text).replace(";", ",").split():
        for part in filter(None, word.split(",")):
            said = _NUMBERS.fullmatch(part)
            kind = _kind(said) if said else ""
            try:
                number = _whole(said["numbers"] if said else part, _NAMES.get(kind, "HARP or NOAA region"))
                found[Asked(number, kind)] = None
            except ListError as problem:
                problems.append(f"{problem}.")
    if len(found) > most or len(problems) > most:
        problems = [*problems[:most], f"The first {most} are read; a longer list can be pasted as a list of regions."]
    return list(found)[:most], problems


def _kind(said: "re.Match[str]") -> str:
    return next((kind for kind in _NAMES if said[kind]), "")


def lines_named(problems: Iterable[LineProblem], *, most: int = 5) -> str:
    """Where the problems are, for a sentence: "lines 3, 7 and 2 more"."""
    lines = [problem.line for problem in problems]
    words = ", ".join(map(str, lines[:most])) + (f" and {len(lines) - most} more" if len(lines) > most else "")
    return f"line{'s' if len(lines) > 1 else ''} {words}"
