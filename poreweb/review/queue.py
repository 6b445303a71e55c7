"""Events as an address asks for them: which, in what order, and what comes before and after one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery

from poreweb.http import whole_number
from poreweb.review.leases import held_by_others
from poreweb.review.models import Assignment
from poreweb.review.queries import DOUBTFUL_BELOW, PENDING, STATES, asked_about, waits_for, with_state
from poreweb.tracks.models import Event, Run
from processing.lineage import EVENT_KINDS

DOUBT, TIME = "uncertainty", "time"
ORDERS = {DOUBT: "most uncertain first", TIME: "in order of time"}
ALL = "all"  # scope: every patch's newest run that is done, not one run
ME, NOBODY = "me", "nobody"
# Bounds of numbers in addresses: column, what is compared, least and most that makes sense.
# Few events are less sure than one half: there is nothing to hide below.
BOUNDS = {
    "above": ("probability", "lt", 0.5, 1.0),
    "over": ("probability", "gte", 0.0, 1.0),
    "mu_from": ("mu", "gte", 0.0, 1.0),
    "mu_to": ("mu", "lt", 0.0, 1.0),
    "area_from": ("area_mm2", "gte", 0.0, 1e6),
    "area_to": ("area_mm2", "lt", 0.0, 1e6),
    "jump": ("area_change", "beyond", 0.0, 100.0),
}
OF_BEFORE = "How sure these events are is not known: the tracker of that time did not say. A new run does."


@dataclass(frozen=True)
class Queue:
    """
    Which events are asked for, and in what order.

    What is empty or None asks for nothing. Without a ``kind`` it is the events that people
    are asked about (`asked_about`). ``above`` hides the events whose probability is that or
    more, ``over`` those with less; what is not known is hidden by neither. ``jump`` asks for
    an area that changes by at least that share. ``frame`` counts from 1. ``who`` is who an
    event is assigned to, ``wait`` = "me" what waits for the reader's own verdict, ``stale``
    = "1" what was carried over from another run and fits no longer. ``scope`` is one run, or
    `ALL`, which ``patch`` and ``run`` narrow.
    """

    kind: str = ""
    state: str = ""
    order: str = DOUBT
    above: float | None = None
    over: float | None = None
    mu_from: float | None = None
    mu_to: float | None = None
    area_from: float | None = None
    area_to: float | None = None
    jump: float | None = None
    frame: int | None = None
    who: str = ""
    wait: str = ""
    stale: str = ""
    scope: str = ""
    patch: int | None = None
    run: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Queue":
        """What an address asks for; what makes no sense in it asks for nothing."""
        among = {
            "kind": EVENT_KINDS, "state": STATES, "order": ORDERS, "wait": (ME,), "stale": ("1",), "scope": (ALL,),
        }  # fmt: skip
        asked: dict[str, Any] = {name: query[name] for name, known in among.items() if query.get(name) in known}
        asked |= {name: _number(query.get(name, ""), low, high) for name, (*_, low, high) in BOUNDS.items()}
        asked |= {name: _whole(query.get(name, "")) for name in ("frame", "patch", "run")}
        return cls(**asked, who=query.get("who", "").replace("\0", "")[:150])

    def but(self, **changes: Any) -> "Queue":
        """The same with something else asked for."""
        return replace(self, **changes)

    def asked(self) -> dict[str, Any]:
        """What its address asks for, by name."""
        values = ((field.name, field.default, getattr(self, field.name)) for field in fields(self))
        return {
            name: f"{value:g}" if isinstance(value, float) else value for name, usual, value in values if value != usual
        }

    def query(self, **more: int) -> str:
        """The query of its address, after which ``more`` is asked for; empty when nothing is."""
        asked = {**more, **self.asked()}
        return f"?{urlencode(asked)}" if asked else ""

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for less than all that people are asked about."""
        return bool(set(self.asked()) - {"order", "scope"})

    @property
    def has_more(self) -> bool:
        """Whether it asks for anything beyond kind, state, order and threshold."""
        return bool(set(self.asked()) & {*BOUNDS, "frame", "who"} - {"above"})

    def held(self, reader: User, run: Run | None) -> Any:
        """The events of its scope, of any kind and state: those of ``run``, or of all that the reader may see."""
        if run is not None and self.scope != ALL:
            return run.events.all()
        # one that frames are being added to is tracked as far as it was
        is_tracked = Q(state=Run.State.DONE) | ~Q(extensions=[])
        newest = Run.objects.filter(is_tracked, patch=OuterRef("patch")).order_by("-pk")
        runs = Run.objects.visible_to(reader)
        runs = runs.filter(pk=self.run) if self.run else runs.filter(pk=Subquery(newest.values("pk")[:1]))
        return Event.objects.filter(run__in=runs.filter(patch=self.patch) if self.patch else runs)

    def events(self, reader: User, run: Run | None) -> Any:
        """Its events in its order, with their state as the reader may know it."""
        return self.ordered(self._of_state(with_state(self.chosen(reader, run), reader), reader))

    def chosen(self, reader: User, run: Run | None) -> Any:
        """Its events of any state, in no order."""
        held = self.held(reader, run)
        held = held.filter(kind=self.kind) if self.kind else held.filter(asked_about(self.limit))
        return self._assigned(held.filter(self.bounds()), reader)

    def bounds(self) -> Q:
        """What its numbers let through."""
        found = Q() if self.frame is None else Q(index=self.frame - 1)
        for name, (column, lookup, *_) in BOUNDS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if lookup == "beyond":
                found &= Q(**{f"{column}__gte": value}) | Q(**{f"{column}__lte": -value})
            elif column == "probability":  # one that is not known hides nothing
                found &= Q(**{f"{column}__{lookup}": value}) | Q(**{f"{column}__isnull": True})
            else:
                found &= Q(**{f"{column}__{lookup}": value})
        return found & ~Q(standing__stale="") & Q(standing__isnull=False) if self.stale else found

    def around(self, event: Event, reader: User) -> dict[str, Event | None]:
        """The events before and after this one, whether or not it is in the queue, and the next that waits."""
        others, after = self.events(reader, event.run).exclude(pk=event.pk), self._after(event)
        waiting = others.filter(waits_for(reader))
        free = waiting.exclude(held_by_others(reader))
        return {
            "next": others.filter(after).first(),
            "previous": others.exclude(after).last(),
            "next_pending": free.filter(after).first() or free.first() or waiting.first(),
        }

    def words(self, reader: User, run: Run | None) -> str:
        """How many events are less sure than the threshold, and how many of these wait; empty without any event."""
        less_sure = Q(probability__lt=self.limit)
        held = self.held(reader, run)
        events = with_state(held.filter(kind=self.kind) if self.kind else held, reader)
        n = events.aggregate(
            all=Count("pk"),
            known=Count("probability"),
            less=Count("pk", filter=less_sure),
            waiting=Count("pk", filter=less_sure & Q(state=PENDING)),
        )
        if not n["known"]:
            return OF_BEFORE if n["all"] else ""
        of_kind = " of this kind" if self.kind else ""
        words = f"{n['less']} of {n['all']} events{of_kind} {_are(n['less'])} less sure than {self.limit:g}"
        if n["less"]:
            words += f"; {n['waiting']} of them still {'waits' if n['waiting'] == 1 else 'wait'} for a verdict"
        if self.above is not None and (n_hidden := n["known"] - n["less"]):
            words += f". {n_hidden} {_are(n_hidden)} surer and not listed"
        return f"{words}."

    @property
    def limit(self) -> float:
        """The probability below which births and deaths are asked about, and words count."""
        return DOUBTFUL_BELOW if self.above is None else self.above

    def ordered(self, events: Any) -> Any:
        """Events in its order."""
        in_time = ("run", "index", "pk")
        return events.order_by(*(in_time if self.order == TIME else (F("doubt").desc(nulls_last=True), *in_time)))

    def _assigned(self, events: Any, reader: User) -> Any:
        if not self.who:
            return events
        if self.who == NOBODY:
            return events.exclude(Exists(Assignment.objects.filter(event=OuterRef("pk"))))
        name = reader.username if self.who == ME else self.who
        return events.filter(Exists(Assignment.objects.filter(event=OuterRef("pk"), user__username=name)))

    def _of_state(self, events: Any, reader: User) -> Any:
        events = events.filter(waits_for(reader)) if self.wait else events
        return events.filter(state=self.state) if self.state else events

    def _after(self, event: Event) -> Q:
        """What comes after an event in this order, as `ordered` has it."""
        here = Q(run=event.run_id)
        later = Q(run__gt=event.run_id) | here & (Q(index__gt=event.index) | Q(index=event.index, pk__gt=event.pk))
        if self.order == TIME:
            return later
        unknown = Q(doubt__isnull=True)
        if event.doubt is None:
            return unknown & later
        return Q(doubt__lt=event.doubt) | unknown | Q(doubt=event.doubt) & later


def _number(text: str, low: float, high: float) -> float | None:
    """The number that an address gives; None for none, or for what is no number between the two."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def _whole(text: str) -> int | None:
    value = whole_number(text)
    return value if value is not None and 0 < value < 2**31 else None


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
