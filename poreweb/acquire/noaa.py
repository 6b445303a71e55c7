"""
Which HARP is which NOAA region: the list in the database, what changes it, and what it is asked.

A HARP may cover several NOAA regions, and a NOAA region may lie in several HARPs; which
one is meant the user says. The list is common to all teams.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from poreweb.acquire.models import HarpNoaa, NoaaList
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch, wake
from processing.list_times import ListError
from processing.region_lists import LineProblem, Pair, parse_harp_noaa, read_numbers

# A list with less than this share of what is held is taken for a broken one.
LEAST_SHARE = 0.5
MOST_HOURS = 8760
THE_ONE = 1  # key of the only row of NoaaList


@dataclass(frozen=True)
class Stored:
    """What became of the table: pairs now, of which so many came, and those that went."""

    n_pairs: int
    n_came: int
    n_went: int

    def __str__(self) -> str:
        return f"{self.n_pairs:,} pairs of HARP and NOAA region: {self.n_came:,} came, {self.n_went:,} went."


# -- Who may -----------------------------------------------------------------------------------------


def may_manage(user: User) -> bool:
    """Whether the user may change the list, which is every team's: a lead of any of them."""
    return Team.objects.led_by(user).exists()


def must_manage(user: User) -> None:
    """Refuse who leads no team."""
    if not may_manage(user):
        raise PermissionDenied("The list is common to all teams, and only a lead of one of them may change it.")


# -- Every change to the list ------------------------------------------------------------------------


def the_list() -> NoaaList | None:
    """Its one row; None while there was never a list."""
    return NoaaList.objects.filter(pk=THE_ONE).first()


@transaction.atomic
def store_pairs(pairs: Iterable[Pair], source: str, *, problem: str = "", force: bool = False) -> Stored:
    """
    Put these pairs in the place of all that are held.

    ``source`` is where they come from and ``problem`` what was wrong with some lines, for
    the page. A first list that is not from a refresh starts no schedule.

    Raises
    ------
    ListError
        If there is no pair, or less than half of what is held and not ``force``; nothing
        is changed then.
    """
    NoaaList.objects.get_or_create(pk=THE_ONE, defaults={"state": Task.State.DONE, "every_hours": 0})
    listed = NoaaList.objects.select_for_update(no_key=True).get(pk=THE_ONE)
    new = set(pairs)
    held = {Pair(*pair) for pair in HarpNoaa.objects.values_list("harpnum", "noaa_ar")}
    if not new:
        raise ListError("the list has no pair of HARP and NOAA region")
    if not force and len(new) < LEAST_SHARE * len(held):
        raise ListError(f"the list has {len(new):,} pairs, less than half of the {len(held):,} that are held")
    HarpNoaa.objects.all().delete()
    HarpNoaa.objects.bulk_create((HarpNoaa(harpnum=h, noaa_ar=n) for h, n in sorted(new)), batch_size=500)
    listed.n_pairs, listed.read_at, listed.source, listed.problem = len(new), timezone.now(), source[:300], problem
    listed.save(update_fields=["n_pairs", "read_at", "source", "problem"])
    return Stored(len(new), len(new - held), len(held - new))


def import_text(text: str, source: str, *, force: bool = False) -> tuple[Stored, list[LineProblem]]:
    """Store a list in JSOC's format, and what was wrong with some of its lines; ListError as `store_pairs`."""
    pairs, problems = parse_harp_noaa(text)
    if not pairs and problems:
        first = problems[0]
        raise ListError(f"no line is one of a list of HARPs and NOAA regions; in line {first.line} {first.reason}")
    return store_pairs(pairs, source, problem=_left_out(problems), force=force), problems


def _left_out(problems: Sequence[LineProblem]) -> str:
    """One sentence on lines that were not understood; empty when there are none."""
    if not problems:
        return ""
    n, first = len(problems), problems[0]
    return f"{n} line{'s were' if n > 1 else ' was'} left out, the first one line {first.line}: {first.reason}."


@transaction.atomic
def refresh_now(user: User | None = None) -> bool:
    """
    Have the list read anew as soon as a worker is free; False if that is under way already.

    ``user`` must lead a team; None is the command line. A first refresh starts the schedule.
    """
    if user is not None:
        must_manage(user)
    NoaaList.objects.get_or_create(pk=THE_ONE)
    listed = NoaaList.objects.select_for_update(no_key=True).get(pk=THE_ONE)
    if listed.is_open:
        if listed.attempts == 0 and listed.not_before is None:  # made just now
            dispatch(listed)
            return True
        return wake(listed)
    _open(listed, None)
    dispatch(listed)
    return True


@transaction.atomic
def schedule(user: User, every_hours: int) -> None:
    """Have the list read anew every so many hours; 0: only when told to, which also ends tries after a trouble."""
    must_manage(user)
    NoaaList.objects.get_or_create(pk=THE_ONE, defaults={"state": Task.State.DONE})
    listed = NoaaList.objects.select_for_update(no_key=True).get(pk=THE_ONE)
    listed.every_hours = every_hours
    listed.save(update_fields=["every_hours"])
    if listed.is_open and listed.not_before is None:
        return  # it is being read, and looks at the hours when it is done
    if every_hours:
        now = timezone.now()
        _open(listed, max(now, listed.read_at + timedelta(hours=every_hours)) if listed.read_at else now)
    elif listed.is_open:
        listed.state, listed.not_before, listed.finished_at = Task.State.DONE, None, timezone.now()
        listed.save(update_fields=["state", "not_before", "finished_at"])


def _open(listed: NoaaList, not_before: datetime | None) -> None:
    listed.state, listed.error, listed.finished_at, listed.not_before = Task.State.WAITING, "", None, not_before
    listed.forgiven = listed.attempts
    listed.save(update_fields=["state", "error", "finished_at", "not_before", "forgiven"])


# -- What the list says ------------------------------------------------------------------------------


class Known:
    """Some pairs, looked up from both sides."""

    def __init__(self, pairs: "QuerySet[HarpNoaa]") -> None:
        self._noaas: dict[int, list[int]] = defaultdict(list)
        self._harps: dict[int, list[int]] = defaultdict(list)
        for harpnum, noaa_ar in pairs.order_by("harpnum", "noaa_ar").values_list("harpnum", "noaa_ar"):
            self._noaas[harpnum].append(noaa_ar)
            self._harps[noaa_ar].append(harpnum)

    def harps_of(self, noaa_ar: int) -> tuple[int, ...]:
        """HARPs that cover that NOAA region, or part of it."""
        return tuple(self._harps.get(noaa_ar, ()))

    def noaas_of(self, harpnum: int) -> tuple[int, ...]:
        """NOAA regions in that HARP."""
        return tuple(self._noaas.get(harpnum, ()))


def known_of(harpnums: Iterable[int] = (), noaa_ars: Iterable[int] = ()) -> Known:
    """All that is listed of these HARPs, and of those in which these NOAA regions lie."""
    in_them = HarpNoaa.objects.filter(noaa_ar__in=set(noaa_ars)).values("harpnum")
    return Known(HarpNoaa.objects.filter(Q(harpnum__in=set(harpnums)) | Q(harpnum__in=in_them)))


def harps_of(noaa_ar: int) -> tuple[int, ...]:
    """HARPs that cover a NOAA region, or part of it; none when the list does not have it."""
    return tuple(HarpNoaa.objects.filter(noaa_ar=noaa_ar).values_list("harpnum", flat=True).order_by("harpnum"))


def noaas_of(harpnum: int) -> tuple[int, ...]:
    """NOAA regions in a HARP; none when the list does not have it."""
    return tuple(HarpNoaa.objects.filter(harpnum=harpnum).values_list("noaa_ar", flat=True).order_by("noaa_ar"))


@dataclass(frozen=True)
class HarpRow:
    """A HARP that may be meant, and the NOAA regions that the list has in it."""

    harpnum: int
    noaa_ars: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """
    What a number means if it is a HARP ("harp"), or if it is a NOAA region ("noaa").

    As a HARP there is that one, listed or not; as a NOAA region those in which it lies,
    which may be none.
    """

    number: int
    kind: str
    harps: tuple[HarpRow, ...]

    @property
    def noaa_ar(self) -> int | None:
        """The NOAA region that was asked for, if it is one."""
        return self.number if self.kind == "noaa" else None


def find(text: str) -> tuple[list[Reading], list[str]]:
    """What the numbers in a line of text may mean, each as what it says to be or as both; sentences on the others."""
    asked, problems = read_numbers(text)
    numbers = {item.number for item in asked}
    known = known_of(numbers, numbers)
    readings = {
        (number, kind): Reading(
            number,
            kind,
            tuple(
                HarpRow(harpnum, known.noaas_of(harpnum))
                for harpnum in ((number,) if kind == "harp" else known.harps_of(number))
            ),
        )
        for number, said in asked
        for kind in ([said] if said else ["harp", "noaa"])
    }
    return list(readings.values()), problems
