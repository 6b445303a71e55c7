"""Every change to assignments and to gold events."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from poreweb.consensus.shares import even_shares
from poreweb.consensus.truth import right_by_truth
from poreweb.people.models import Membership
from poreweb.review.actions import lock
from poreweb.review.judgement import Judgement
from poreweb.review.models import Assignment, Choice, GoldEvent, Settlement, Standing, Verdict
from poreweb.tracks.models import Event, Run

# A birth or a death is seldom anybody's question, and a simulation has hundreds.
GOLD_KINDS = (Event.Kind.MERGE, Event.Kind.SPLIT, Event.Kind.GAP)
NOT_SETTLED = Q(standing=None) | ~Q(standing__state__in=Standing.SETTLED)


class AssigneeError(Exception):
    """Somebody who cannot judge in the team was to be given events."""


# -- Assignments -----------------------------------------------------------------------------


@transaction.atomic
def assign(events: "QuerySet[Event]", member: User, by: User) -> int:
    """
    Ask one member to judge these events of a run; the number of new assignments.

    Settled events are left out, and those that the member has been given or has judged.

    Raises
    ------
    AssigneeError
        If the member cannot judge in the team.
    """
    _lock_run(events, [member])
    wanted = _not_settled(events).exclude(assignments__user=member).exclude(verdicts__reviewer=member)
    return _store([(event, member.pk) for event in wanted.values_list("pk", flat=True)], by)


@transaction.atomic
def share_out(events: "QuerySet[Event]", members: Sequence[User], k: int, by: User) -> int:
    """
    Give these events of a run to members so that ``k`` people judge each; the number of new assignments.

    As `even_shares`: evenly in number and in doubt. Settled events are left out. Who has
    been given an event, or has judged it, is one of its ``k`` and does not get it again.

    Raises
    ------
    AssigneeError
        If one of the members cannot judge in the team.
    """
    _lock_run(events, members)
    hardest_first = _not_settled(events).order_by(F("doubt").desc(nulls_last=True), "index", "pk")
    keys = list(hardest_first.values_list("pk", flat=True))
    held = Assignment.objects.filter(event__in=_not_settled(events).values("pk")).values_list("event_id", "user_id")
    judged = Verdict.objects.filter(event__in=_not_settled(events).values("pk")).values_list("event_id", "reviewer_id")
    pairs = list(held)
    taken: dict[int, set[int]] = defaultdict(set)
    for event, user in (*pairs, *judged):
        taken[event].add(user)
    return _store(even_shares(keys, [member.pk for member in members], k, taken, pairs), by)


@transaction.atomic
def unassign(events: "QuerySet[Event]", member: User) -> int:
    """Take these events back from a member, but those already judged; the number taken back."""
    own = Verdict.objects.filter(reviewer=member, event__in=events.values("pk"))
    held = Assignment.objects.filter(user=member, event__in=events.values("pk"))
    n_taken, _ = held.exclude(event__in=own.values("event")).delete()
    return n_taken


def _lock_run(events: "QuerySet[Event]", members: Sequence[User]) -> None:
    """One lead at a time, and no job that replaces events meanwhile; refuses whoever cannot judge."""
    runs = Run.objects.select_for_update(no_key=True).filter(pk__in=events.values("run")).order_by("pk")
    for run in list(runs):
        may = Membership.objects.filter(team__patches__runs=run, role__in=Membership.WRITERS, user__in=members)
        names = {member.username for member in members} - set(may.values_list("user__username", flat=True))
        if names:
            raise AssigneeError(f"{', '.join(sorted(names))} cannot judge in this team")


def _not_settled(events: "QuerySet[Event]") -> "QuerySet[Event]":
    return Event.objects.filter(NOT_SETTLED, pk__in=events.values("pk"))


def _store(pairs: Sequence[tuple[int, int]], by: User) -> int:
    rows = [Assignment(event_id=event, user_id=user, by=by) for event, user in pairs]
    return len(Assignment.objects.bulk_create(rows, batch_size=500))


# -- Gold events -----------------------------------------------------------------------------


@transaction.atomic
def set_gold(event: Event, judged: Judgement, by: User) -> GoldEvent:
    """
    Keep the right answer to an event, in place of an earlier one.

    A correction without a word on what is corrected takes that from the settlement, where
    the event is settled as corrected; else whatever correction is given counts as right.
    Whoever takes the answer over from another lead knows it from now on.

    Raises
    ------
    Event.DoesNotExist
        If a job has replaced the event.
    """
    lock([event.pk])
    if judged.choice == Choice.CORRECT and not judged.correction and not judged.joined:
        settled = Settlement.objects.filter(event=event, choice=Choice.CORRECT).first()
        judged = Judgement.of(settled) if settled else judged
    is_correction = judged.choice == Choice.CORRECT
    values: dict[str, Any] = {
        "choice": judged.choice,
        "correction": dict(judged.correction) if is_correction else {},
        "joined": list(judged.joined) if is_correction else [],
        "by": by,
    }
    if not GoldEvent.objects.filter(event=event, by=by).exists():
        values["at"] = timezone.now()
    gold, _ = GoldEvent.objects.update_or_create(event=event, defaults=values)
    return gold


def remove_gold(event: Event) -> None:
    """The event measures nobody any more."""
    GoldEvent.objects.filter(event=event).delete()


@transaction.atomic
def gold_from_truth(run: Run, by: User) -> int:
    """
    Make every merge, split and gap of a run on a simulated patch a gold event; the number of new ones.

    Accept is the answer where the event is true to the last parent and child, reject
    where it is not. What a lead has marked before stays.

    Raises
    ------
    FrameError
        If the patch has no truth, or one that is not of these frames.
    """
    right = right_by_truth(run)
    Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    wanted = run.events.filter(kind__in=GOLD_KINDS, gold=None).values_list("pk", flat=True)
    rows = [
        GoldEvent(event_id=event, choice=Choice.ACCEPT if right[event] else Choice.REJECT, by=by)
        for event in wanted
        if event in right
    ]
    return len(GoldEvent.objects.bulk_create(rows, batch_size=500))
