"""Everything that was done in a team, newest first: who, when, what, from, to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from poreweb.people.models import Team
from poreweb.review.models import Act, Choice, Reason, ReviewEntry
from poreweb.review.queries import hidden_from
from poreweb.tracks.models import Event

PER_PAGE = 50
# Of an act on many events only so many are listed.
MOST_ENTRIES = 5


@dataclass(frozen=True)
class Line:
    """What one act changed on one event, in words."""

    entry: ReviewEntry
    before: str
    after: str
    note: str

    @property
    def changes_state(self) -> bool:
        """Whether the team stands elsewhere on the event by it."""
        return self.entry.state_before != self.entry.state_after


@dataclass(frozen=True)
class Step:
    """One act and what it changed; ``n_more`` events are not listed."""

    act: Act
    words: str
    lines: list[Line]
    n_more: int


@dataclass(frozen=True)
class Page:
    """Acts in order of their keys, newest first; ``older`` is the key to go on from, None at the end."""

    steps: list[Step] = field(default_factory=list)
    older: int | None = None


def acts_of(team: Team, viewer: User, *, member: int | None, patch: int | None, run: int | None) -> Any:
    """
    The team's acts that the viewer may know of.

    In a blind team that leaves out what others say of events that wait for the viewer's own
    verdict. A queryset; typed loosely because of its annotation, ``has_secrets``.
    """
    wanted = {"by": member, "run__patch": patch, "run": run}
    chosen = {name: value for name, value in wanted.items() if value}
    acts = Act.objects.filter(run__patch__team=team, **chosen)
    hidden = _hidden_entries(viewer)
    if hidden is None:
        return acts
    of_act = ReviewEntry.objects.filter(act=OuterRef("pk"))
    shown, secret = Exists(of_act.exclude(hidden)), Exists(of_act.filter(hidden))
    return acts.annotate(has_secrets=secret).filter(Q(by=viewer) | Q(shown))


def page_of(acts: Any, viewer: User, *, before: int | None) -> Page:
    """The acts older than ``before``, in a number of queries that does not grow with them."""
    listed = acts.filter(pk__lt=before) if before else acts
    entries = _entries(viewer)
    some = Prefetch("entries", entries[:MOST_ENTRIES], to_attr="listed")
    ordered = listed.select_related("by", "run__patch").prefetch_related(some).order_by("-pk")
    rows = list(ordered[: PER_PAGE + 1])
    page = rows[:PER_PAGE]
    of_page = entries.filter(act__in=page).order_by()
    n_entries = dict(of_page.values_list("act").annotate(n=Count("pk")))
    steps = [_step(act, viewer, n_entries.get(act.pk, 0)) for act in page]
    return Page(steps, page[-1].pk if len(rows) > PER_PAGE else None)


def query_of(filters: Mapping[str, Any], **changes: Any) -> str:
    """The address of a page of the history with these filters."""
    return "?" + urlencode({name: value for name, value in {**filters, **changes}.items() if value})


def words_of(told: Mapping[str, Any] | None) -> str:
    """A judgement as the history keeps it, in words: "rejected (motion)"."""
    if told is None:
        return "none"
    words = str(Choice(told["choice"]).label)
    if told.get("reason"):
        words += f" ({Reason(told['reason']).label})"
    return words


def _step(act: Any, viewer: User, n_entries: int) -> Step:
    # what a bulk verdict was on may tell what it said, also of events that are not to be told of
    is_secret = getattr(act, "has_secrets", False) and act.by_id != viewer.pk
    lines = [
        Line(entry, words_of(entry.before), words_of(entry.after), (entry.after or {}).get("note", ""))
        for entry in act.listed
    ]
    return Step(act, "" if is_secret else act.words, lines, n_entries - len(lines))


def _hidden_entries(viewer: User) -> Q | None:
    hidden = hidden_from(viewer)
    if hidden is None:
        return None
    return Q(Exists(Event.objects.filter(hidden, pk=OuterRef("event")))) & ~Q(act__by=viewer)


def _entries(viewer: User) -> "QuerySet[ReviewEntry]":
    entries = ReviewEntry.objects.select_related("event").order_by("pk")
    hidden = _hidden_entries(viewer)
    return entries if hidden is None else entries.exclude(hidden)
