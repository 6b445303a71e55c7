"""The events of a run as an address asks for them: which, in what order, and what comes before and after one."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q
from django.http import QueryDict

from poreweb.review.queries import DOUBTFUL_BELOW, PENDING, STATES, asked_about, with_state
from poreweb.tracks.models import Event, Run
from processing.lineage import EVENT_KINDS

UNCERTAINTY, TIME = "uncertainty", "time"
ORDERS = {UNCERTAINTY: "most uncertain first", TIME: "in order of time"}
# Few events are less sure than one half: there is nothing to hide below.
LEAST_ABOVE, MOST_ABOVE = 0.5, 1.0
OF_BEFORE = "How sure these events are is not known: the tracker of that time did not say. A new run does."


@dataclass(frozen=True)
class Queue:
    """
    Which events are asked for, and in what order.

    ``kind`` and ``state`` are empty for any; without a kind it is the events that people
    are asked about (`asked_about`). ``above`` hides the events whose probability is that
    or more; one that is not known hides nothing.
    """

    kind: str = ""
    state: str = ""
    order: str = UNCERTAINTY
    above: float | None = None

    @classmethod
    def of(cls, query: QueryDict) -> "Queue":
        """What an address asks for; what makes no sense in it asks for nothing."""
        kind, state, order = (query.get(name, "") for name in ("kind", "state", "order"))
        return cls(
            kind if kind in EVENT_KINDS else "",
            state if state in STATES else "",
            order if order in ORDERS else UNCERTAINTY,
            _limit(query.get("above", "")),
        )

    def but(self, **changes: Any) -> "Queue":
        """The same with something else asked for."""
        return replace(self, **changes)

    def query(self, **more: int) -> str:
        """The query of its address, after which ``more`` is asked for; empty when nothing is."""
        asked: dict[str, Any] = dict(more)
        for name, value in (("kind", self.kind), ("state", self.state)):
            if value:
                asked[name] = value
        if self.order != UNCERTAINTY:
            asked["order"] = self.order
        if self.above is not None:
            asked["above"] = f"{self.above:g}"
        return f"?{urlencode(asked)}" if asked else ""

    def events(self, run: Run) -> Any:
        """Its events in its order, with their state."""
        chosen = run.events.filter(kind=self.kind) if self.kind else run.events.filter(asked_about(self._limit))
        events = with_state(chosen.filter(self.unsure()))
        return (events.filter(state=self.state) if self.state else events).order_by(*self._columns)

    def unsure(self) -> Q:
        """What its threshold lets through."""
        return Q() if self.above is None else Q(probability__lt=self.above) | Q(probability__isnull=True)

    def around(self, event: Event) -> dict[str, Event | None]:
        """The events before and after this one, whether or not it is in the queue, and the next that waits."""
        others, after = self.events(event.run).exclude(pk=event.pk), self._after(event)
        pending = others.filter(state=PENDING)
        return {
            "next": others.filter(after).first(),
            "previous": others.exclude(after).last(),
            "next_pending": pending.filter(after).first() or pending.first(),
        }

    def words(self, run: Run) -> str:
        """How many events are less sure than the threshold, and how many of these wait; empty without any event."""
        less_sure = Q(probability__lt=self._limit)
        events = with_state(run.events.filter(kind=self.kind) if self.kind else run.events.all())
        n = events.aggregate(
            all=Count("pk"),
            known=Count("probability"),
            less=Count("pk", filter=less_sure),
            waiting=Count("pk", filter=less_sure & Q(state=PENDING)),
        )
        if not n["known"]:
            return OF_BEFORE if n["all"] else ""
        of_kind = " of this kind" if self.kind else ""
        words = f"{n['less']} of {n['all']} events{of_kind} {_are(n['less'])} less sure than {self._limit:g}"
        if n["less"]:
            words += f"; {n['waiting']} of them still {'waits' if n['waiting'] == 1 else 'wait'} for a verdict"
        if self.above is not None and (n_hidden := n["known"] - n["less"]):
            words += f". {n_hidden} {_are(n_hidden)} surer and not listed"
        return f"{words}."

    @property
    def _limit(self) -> float:
        return DOUBTFUL_BELOW if self.above is None else self.above

    @property
    def _columns(self) -> tuple[Any, ...]:
        in_time = ("index", "pk")
        return in_time if self.order == TIME else (F("probability").asc(nulls_last=True), *in_time)

    def _after(self, event: Event) -> Q:
        """What comes after an event in this order, as ``_columns`` has it."""
        later = Q(index__gt=event.index) | Q(index=event.index, pk__gt=event.pk)
        if self.order == TIME:
            return later
        unknown = Q(probability__isnull=True)
        if event.probability is None:
            return unknown & later
        return Q(probability__gt=event.probability) | unknown | Q(probability=event.probability) & later


def _limit(text: str) -> float | None:
    """The threshold that an address gives; None for none, or for what is no number from one half to 1."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if LEAST_ABOVE <= value <= MOST_ABOVE else None


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
