"""Events with the state that people have given them."""

from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from poreweb.review.models import Verdict
from poreweb.tracks.models import Event, Run

# An event's state is the newest verdict on it; without one it is pending.
PENDING = "pending"
# The kinds a person is always asked about, and that pictures mark; births and deaths are many and seldom doubtful.
REVIEW_KINDS = ("merge", "split", "gap")
# A birth or death less sure than this may be a merger or a split that the machine missed: that is asked about too.
DOUBTFUL_BELOW = 0.9
STATES = {PENDING: "pending", **{choice.value: str(choice.label) for choice in Verdict.Choice}}


def with_state(events: "QuerySet[Event]") -> Any:
    """
    Add ``state``, ``judged_by`` and ``judged_at`` to events.

    A queryset of events; typed loosely, as annotations are not part of a model's type.
    """
    newest = Verdict.objects.filter(event=OuterRef("pk")).order_by("-given_at", "-pk")
    return events.annotate(
        state=Coalesce(Subquery(newest.values("choice")[:1]), Value(PENDING)),
        judged_by=Subquery(newest.annotate(name=F("reviewer__username")).values("name")[:1]),
        judged_at=Subquery(newest.values("given_at")[:1]),
    )


def asked_about(limit: float = DOUBTFUL_BELOW) -> Q:
    """The events that people are asked about: all of `REVIEW_KINDS`, of the others those less sure than ``limit``."""
    return Q(kind__in=REVIEW_KINDS) | Q(probability__lt=limit)


def events_to_review(run: Run) -> Any:
    """The run's events that people are asked about, with their state."""
    return with_state(run.events.filter(asked_about()))


def review_events(run: Run) -> Any:
    """The run's merges, splits and gaps, with their state: what pictures mark."""
    return with_state(run.events.filter(kind__in=REVIEW_KINDS))
