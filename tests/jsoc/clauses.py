"""The conditions of ``[? ... ?]``: the little of SQL that people write there."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from processing.errors import FrameError
from processing.timekeys import EPOCH, parse_t_rec
from tests.jsoc.problems import QueryError
from tests.jsoc.records import Record

# True, False, or None where a keyword is missing, as in SQL.
Condition = Callable[[Record], bool | None]
Operand = Callable[[Record], Any]

_TOKEN = re.compile(
    r"\s*(?:\$\((?P<time>[^)]*)\)|(?P<text>'(?:[^']|'')*')|(?P<hex>0[xX][0-9a-fA-F]+)|"
    r"(?P<number>-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def read_clause(text: str) -> Condition:
    """Understand a condition; raises QueryError where it is none, or goes beyond what is understood here."""
    return _Reader(text).whole()


class _Reader:
    """A recursive descent: OR over AND over NOT over comparisons."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, at = text, [], 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if not found:
                raise QueryError(f'syntax error at or near "{text[at:].split()[0]}"')
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self.tokens.reverse()

    def word(self, *wanted: str) -> str | None:
        """Take the next token if it is one of these, in capitals."""
        if self.tokens and self.tokens[-1][1].upper() in wanted and self.tokens[-1][0] in ("word", "sign"):
            return self.tokens.pop()[1].upper()
        return None

    def need(self, wanted: str) -> None:
        if not self.word(wanted):
            raise QueryError(f'syntax error at or near "{self.tokens[-1][1] if self.tokens else self.text}"')

    def whole(self) -> Condition:
        condition = self.either()
        if self.tokens:
            raise QueryError(f'syntax error at or near "{self.tokens[-1][1]}"')
        return condition

    def either(self) -> Condition:
        parts = [self.both()]
        while self.word("OR"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def both(self) -> Condition:
        parts = [self.one()]
        while self.word("AND"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def one(self) -> Condition:
        if self.word("NOT"):
            inner = self.one()
            return lambda record: None if (held := inner(record)) is None else not held
        if self.word("("):
            condition = self.either()
            self.need(")")
            return condition
        return self.comparison()

    def comparison(self) -> Condition:
        left = self.operand()
        if self.word("IS"):
            negated = bool(self.word("NOT"))
            self.need("NULL")
            return lambda record: (left(record) is None) != negated
        negated = bool(self.word("NOT"))
        if kind := self.word("LIKE", "ILIKE"):
            condition = _like(left, self.operand(), kind)
        elif self.word("IN"):
            condition = self._in(left)
        elif sign := self.word(*_COMPARE):
            condition = _compared(left, self.operand(), _COMPARE[sign])
        else:
            raise QueryError(f'syntax error at or near "{self.text}"')
        return (lambda record: None if (held := condition(record)) is None else not held) if negated else condition

    def _in(self, left: Operand) -> Condition:
        self.need("(")
        choices = [self.operand()]
        while self.word(","):
            choices.append(self.operand())
        self.need(")")
        parts = [_compared(left, choice, _COMPARE["="]) for choice in choices]
        return lambda record: any(part(record) for part in parts)

    def operand(self) -> Operand:
        if not self.tokens:
            raise QueryError(f'syntax error at the end of "{self.text}"')
        kind, value = self.tokens.pop()
        if kind == "word":
            return _keyword(value)
        constant = _constant(kind, value)
        return lambda record: constant


def _constant(kind: str, value: str) -> Any:
    if kind == "text":
        return value[1:-1].replace("''", "'")
    if kind == "hex":
        return int(value, 16)
    if kind == "number":
        return float(value)
    if kind == "time":
        from tests.jsoc.record_sets import read_moment  # here, as that module needs this one

        return float(read_moment(value))
    raise QueryError(f'syntax error at or near "{value}"')


def _keyword(name: str) -> Operand:
    def read(record: Record) -> Any:
        if name.upper() == "T_REC":
            return float(record.t_rec_s)
        try:
            value = record.value(name)
        except KeyError:
            raise QueryError(f'column "{name.lower()}" does not exist') from None
        return float(value) if isinstance(value, int) else value

    return read


def _compared(left: Operand, right: Operand, holds: Callable[[Any, Any], bool]) -> Condition:
    def compare(record: Record) -> bool | None:
        a, b = left(record), right(record)
        if a is None or b is None:
            return None
        if isinstance(a, str) != isinstance(b, str):
            a, b = _as_number(a), _as_number(b)
        return holds(a, b)

    return compare


def _as_number(value: Any) -> float:
    """A number in quotes counts as one, and a time as its T_REC seconds, as PostgreSQL and DRMS have it."""
    if not isinstance(value, str):
        return value
    for read in (float, parse_t_rec, _iso):
        try:
            return float(read(value))
        except (ValueError, FrameError):
            pass
    raise QueryError(f'invalid input syntax: "{value}"')


def _iso(text: str) -> float:
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()


def _like(left: Operand, right: Operand, kind: str) -> Condition:
    def match(record: Record) -> bool | None:
        text = left(record)
        if text is None:
            return None
        pattern = re.escape(str(right(record))).replace("%", ".*").replace("_", ".")
        return bool(re.fullmatch(pattern, str(text), re.IGNORECASE if kind == "ILIKE" else 0))

    return match
