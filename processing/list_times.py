"""Times in a list of regions: days of TAI, and moments of UTC or TAI, to slots of the 12-minute grid."""

import re
import warnings
from dataclasses import dataclass
from datetime import datetime

from processing.errors import FrameError, PorewebError
from processing.timekeys import CADENCE_S, EPOCH, parse_t_rec, tai_of

# hmi.sharp_cea_720s begins at 2010.05.01_00:00:00_TAI (Bobra et al. 2014, Sol. Phys. 289, 3549)
FIRST_DAY = datetime(2010, 5, 1)
LAST_YEAR = 2099
DAY_S = 86_400
SHOWN = 200  # characters of a line that a problem shows
_DATE = r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
_TIME_APART = re.compile(rf"({_DATE})[T\s]+({_TIME})(?:\s*(UTC|TAI|Z)\b)?", re.IGNORECASE)
_MOMENT = re.compile(rf"({_DATE})(?:T({_TIME})(UTC|TAI|Z)?)?", re.IGNORECASE)


class ListError(PorewebError):
    """A list, or a line of one, that cannot be used."""


@dataclass(frozen=True)
class Moment:
    """What a list says of a time: a whole day of TAI, or a moment of UTC or TAI (naive datetime)."""

    at: datetime
    is_day: bool = False
    is_tai: bool = False

    def __str__(self) -> str:
        if self.is_day:
            return f"{self.at:%Y-%m-%d}"
        return f"{self.at:%Y-%m-%d %H:%M:%S} {'TAI' if self.is_tai else 'UTC'}"


def shown(text: str) -> str:
    """What a page can show of a line."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text[: SHOWN + 1]).strip()
    return plain if len(text) <= SHOWN else f"{plain[: SHOWN - 1]}…"


def join_times(text: str) -> str:
    """Each date, time and UTC or TAI that stand apart, as one word."""
    return _TIME_APART.sub(lambda found: f"{found[1]}T{found[2]}{found[3] or ''}", text)


def read_span(first: str, last: str) -> tuple[Moment | None, Moment | None]:
    """
    Beginning and end as two words of `join_times` give them; None for an empty one.

    d.m.yyyy and yyyy-mm-dd are days of TAI, as T_REC counts them; with a time they are moments
    of UTC, or of TAI where they say so, as JSOC's own notation does.

    Raises
    ------
    ListError
        If one of them is no such date, or lies outside of HMI's years, or if no slot of the
        12-minute grid lies between them.
    """
    begin, end = (_moment(word) if word else None for word in (first, last))
    if begin and end:
        if begin.is_day and end.is_day:
            is_empty = end.at < begin.at
        else:
            begin_s, end_s = t_rec_range(begin, end)
            is_empty = begin_s is not None and end_s is not None and end_s < begin_s
        if is_empty:
            words = "it ends before it begins" if end.at < begin.at else "no 12-minute slot lies between"
            raise ListError(f"{words}: {begin} to {end}")
    return begin, end


def _moment(word: str) -> Moment:
    found = _MOMENT.fullmatch(word)
    if found:
        date, time, zone = found.groups()
        moment = Moment(_calendar(word, date, time), time is None, (zone or "").upper() == "TAI")
    else:
        try:
            moment = Moment(tai_of(parse_t_rec(word)), is_tai=True)
        except FrameError:
            raise ListError(f"{shown(word)!r} stands where a date belongs, such as 15.2.2011 or 2011-02-15") from None
    if moment.at < FIRST_DAY or moment.at.year > LAST_YEAR:
        raise ListError(f"{moment} lies outside of HMI's years, which begin on {FIRST_DAY:%Y-%m-%d}")
    return moment


def _calendar(word: str, date: str, time: str | None) -> datetime:
    parts = date.split("-") if "-" in date else date.split(".")[::-1]
    try:
        return datetime(*map(int, [*parts, *(time or "0:0").split(":")]))  # type: ignore[arg-type]
    except ValueError as problem:
        raise ListError(f"{shown(word)!r} is no real date: {problem}") from None


def t_rec_range(first: Moment | None, last: Moment | None) -> tuple[int | None, int | None]:
    """
    First and last slot of the 12-minute grid (TAI seconds since 1993-01-01) from one moment to another, both included.

    A day is that of T_REC: 2011-02-15 has its first slot at 2011.02.15_00:00:00_TAI and its
    last at 2011.02.15_23:48:00_TAI.
    """
    first_s = None if first is None else -(-_begin_s(first) // CADENCE_S) * CADENCE_S
    if last is None:
        return first_s, None
    end_s = _begin_s(last) + (DAY_S - 1 if last.is_day else 0)
    return first_s, end_s // CADENCE_S * CADENCE_S


def _begin_s(moment: Moment) -> int:
    """TAI seconds since 1993-01-01 of a moment, or of the begin of a day."""
    return _tai_s(moment.at, moment.is_tai or moment.is_day)


def _tai_s(at: datetime, is_tai: bool) -> int:
    """TAI seconds since 1993-01-01; after the last leap second that is known, none is assumed."""
    if not is_tai:
        from astropy.time import Time  # here, as it is slow to import and few need leap seconds
        from erfa import ErfaWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ErfaWarning)  # "dubious year": leap seconds are not known so far ahead
            at = Time(at, scale="utc").tai.to_datetime()
    return round((at - EPOCH).total_seconds())
