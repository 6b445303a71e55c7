"""T_REC, the key of every record: TAI in JSOC's notation, and the UTC shown beside it."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from statistics import median

from processing.errors import FrameError

# T_REC_epoch of hmi.sharp_cea_720s (TRECEPOC in every full header). TAI has no leap
# seconds, so plain datetime arithmetic is exact.
EPOCH = datetime(1993, 1, 1)
CADENCE_S = 720
_PATTERN = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)_(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?_TAI")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_TAI")


def parse_t_rec(text: str) -> int:
    """
    Whole TAI seconds since 1993-01-01 of a T_REC in header or file-name notation.

    Raises
    ------
    FrameError
        If the text is neither ``2013.06.20_10:36:00_TAI`` nor ``20130620_103600_TAI``,
        or names no real moment.
    """
    match = _PATTERN.fullmatch(text.strip()) or _COMPACT.fullmatch(text.strip())
    if not match:
        raise FrameError(f"{text!r} is not a T_REC such as 2013.06.20_10:36:00_TAI")
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError as problem:
        raise FrameError(f"{text!r} is not a T_REC: {problem}") from problem
    return int((moment - EPOCH).total_seconds())


def tai_of(t_rec_s: int) -> datetime:
    """The TAI moment (naive datetime) of TAI seconds since 1993-01-01."""
    return EPOCH + timedelta(seconds=t_rec_s)


def format_t_rec(t_rec_s: int) -> str:
    """T_REC in header notation of TAI seconds since 1993-01-01."""
    return tai_of(t_rec_s).strftime("%Y.%m.%d_%H:%M:%S_TAI")


def compact_t_rec(t_rec_s: int) -> str:
    """T_REC as JSOC writes it in file names."""
    return tai_of(t_rec_s).strftime("%Y%m%d_%H%M%S_TAI")


def utc_of(t_rec_s: int) -> datetime:
    """The UTC moment (naive datetime) of TAI seconds since 1993-01-01."""
    return utcs_of([t_rec_s])[0]


def utcs_of(t_rec_s: Iterable[int]) -> list[datetime]:
    """`utc_of` for many moments, at the price of one."""
    moments = [tai_of(seconds) for seconds in t_rec_s]
    from astropy.time import Time  # here, as it is slow to import and few need leap seconds

    return list(Time(moments, scale="tai").utc.to_datetime()) if moments else []


def t_rec_s_of(utc: datetime) -> int:
    """TAI seconds since 1993-01-01 of a UTC moment (naive datetime), to the nearest whole one."""
    from astropy.time import Time  # here, as in `utcs_of`

    return round((Time(utc, scale="utc").tai.to_datetime() - EPOCH).total_seconds())


def slots_between(earlier_s: int, later_s: int, cadence_s: int = CADENCE_S) -> range:
    """
    The T_REC seconds on the cadence grid after one moment and before another.

    Where the moments lie off the grid, as those of other instruments may, a slot less than
    half a step before the later one is that one's own.
    """
    return range(earlier_s + cadence_s, later_s - cadence_s // 2, cadence_s)


def slots_of(t_rec_s: Sequence[int], cadence_s: int = CADENCE_S) -> list[int]:
    """
    Steps of the cadence from the first of these moments, in order, to each.

    Each step is rounded by itself, to one at least, so that what moments deviate from the
    grid does not add up.
    """
    steps = (1 + len(slots_between(before, after, cadence_s)) for before, after in pairwise(t_rec_s))
    return list(accumulate(steps, initial=0))[: len(t_rec_s)]


def usual_step(t_rec_s: Sequence[int]) -> int:
    """
    The cadence, in seconds, of moments in order of which nobody tells it.

    That of HMI's records where all lie on its grid, since of those most may be missing; else
    the median step.
    """
    steps = [after - before for before, after in pairwise(t_rec_s)]
    if all(step % CADENCE_S == 0 for step in steps):
        return CADENCE_S
    return max(1, round(median(steps)))


def gaps_in(t_rec_s: Iterable[int], cadence_s: int = CADENCE_S) -> list[range]:
    """For each gap of a series its missing slots, as T_REC seconds; ranges, since one gap may be years."""
    slots = (slots_between(before, after, cadence_s) for before, after in pairwise(sorted(t_rec_s)))
    return [missing for missing in slots if missing]
