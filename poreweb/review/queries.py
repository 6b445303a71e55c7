"""Events with the state that people have given them, as far as the one who asks may know it."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from poreweb.people.models import Team
from poreweb.review.models import ReviewEntry, Standing, Verdict
from poreweb.tracks.models import Event, Run

State = Standing.State
STATES = {state.value: str(state.label) for state in State}
PENDING = State.PENDING.value
# What an event is in while verdicts can still settle it; DISPUTED and UNSURE wait for a lead.
OPEN = (State.PENDING, State.UNSURE, State.DISPUTED)
FOR_LEADS = (State.UNSURE, State.DISPUTED)
# The kinds a person is always asked about, and that pictures mark; births and deaths are many and seldom doubtful.
REVIEW_KINDS = ("merge", "split", "gap")
# A birth or death less sure than this may be a merger or a split that the machine missed: that is asked about too.
DOUBTFUL_BELOW = 0.9


def with_state(events: "QuerySet[Event]", viewer: User | None = None) -> Any:
    """
    Add ``state``, ``judged_by``, ``judged_at``, ``n_verdicts`` and ``is_hidden`` to events.

    ``state`` is the team's. In a blind team the ``viewer`` is told of nothing but his own
    verdict until that is in (``is_hidden``); without a viewer everything is told. A queryset
    of events; typed loosely, as annotations are not part of a model's type.
    """
    state = Coalesce(F("standing__state"), Value(PENDING))
    hidden = hidden_from(viewer) if viewer else None
    newest = Verdict.objects.filter(event=OuterRef("pk")).order_by("-given_at", "-pk")
    newest = newest.annotate(name=F("reviewer__username"))
    agreeing = newest.filter(choice=OuterRef("settlement__choice"))
    known: dict[str, Any] = {
        "state": state,
        "n_verdicts": Coalesce(F("standing__n_verdicts"), Value(0)),
        "judged_by": Coalesce(
            F("settlement__by__username"), Subquery(agreeing.values("name")[:1]), Subquery(newest.values("name")[:1])
        ),
        "judged_at": Coalesce(F("settlement__at"), Subquery(newest.values("given_at")[:1])),
        "is_hidden": Value(False),
    }
    if hidden is not None:
        known["is_hidden"] = Case(When(hidden, then=Value(True)), default=Value(False))
        known["state"] = Case(When(hidden, then=Value(PENDING)), default=state, output_field=CharField())
        for name in ("judged_by", "judged_at"):
            known[name] = Case(When(hidden, then=Value(None)), default=known[name])
    return events.annotate(**known)


def hidden_from(viewer: User) -> Q | None:
    """Of which events the viewer is not told what others have said; None if of none."""
    blind = dict(Team.objects.of(viewer).filter(is_blind=True).values_list("pk", "pk"))
    if not blind:
        return None
    led = [team.pk for team in Team.objects.led_by(viewer).filter(pk__in=blind)]
    own = Exists(Verdict.objects.filter(event=OuterRef("pk"), reviewer=viewer))
    is_open = Q(standing=None) | Q(standing__state__in=OPEN)
    a_leads = Q(run__patch__team__in=led, standing__state__in=FOR_LEADS)
    return Q(run__patch__team__in=list(blind)) & is_open & ~Q(own) & ~a_leads


def is_hidden_from(event: Event, viewer: User) -> bool:
    """Whether the viewer is not to know yet what others have said of the event."""
    if not event.run.patch.team.is_blind:
        return False
    hidden = hidden_from(viewer)
    return hidden is not None and Event.objects.filter(hidden, pk=event.pk).exists()


def visible_entries(event: Event, viewer: User) -> "QuerySet[ReviewEntry]":
    """The event's history as far as the viewer may know it."""
    entries = event.history.all()
    return entries.filter(act__by=viewer) if is_hidden_from(event, viewer) else entries


def visible_verdicts(event: Event, viewer: User) -> "QuerySet[Verdict]":
    """The event's verdicts as far as the viewer may know them."""
    verdicts = event.verdicts.select_related("reviewer")
    return verdicts.filter(reviewer=viewer) if is_hidden_from(event, viewer) else verdicts


def waits_for(viewer: User) -> Q:
    """
    The events that want this member's judgement: open ones without it and, for a lead, what is disputed.

    Who does not know yet that an event is disputed, in a blind team, is asked as if it were not.
    """
    is_asked = Q(standing=None) | Q(standing__state__in=(PENDING, State.UNSURE))
    is_asked |= Q(standing__state=State.DISPUTED, run__patch__team__is_blind=True)
    led = Team.objects.led_by(viewer)
    return is_asked & ~judged_by(viewer) | Q(standing__state=State.DISPUTED, run__patch__team__in=led)


def judged_by(viewer: User) -> Q:
    """The events that this member has a verdict on."""
    own: Any = Exists(Verdict.objects.filter(event=OuterRef("pk"), reviewer=viewer))
    return Q(own)


def asked_about(limit: float = DOUBTFUL_BELOW) -> Q:
    """The events that people are asked about: all of `REVIEW_KINDS`, of the others those less sure than ``limit``."""
    return Q(kind__in=REVIEW_KINDS) | Q(probability__lt=limit)


def events_to_review(run: Run, viewer: User | None = None) -> Any:
    """The run's events that people are asked about, with their state."""
    return with_state(run.events.filter(asked_about()), viewer)


def review_events(run: Run, viewer: User | None = None) -> Any:
    """The run's merges, splits and gaps, with their state: what pictures mark."""
    return with_state(run.events.filter(kind__in=REVIEW_KINDS), viewer)
