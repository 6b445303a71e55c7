"""What people have said of a run's events, carried over to another run of the patch."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from poreweb.http import may_lead
from poreweb.people.models import Membership
from poreweb.review.actions import begin_act, lock, put_settlement, restore_verdict, take_turns
from poreweb.review.comparison import CHANGED, Comparison, Fate, compare
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Assignment, GoldEvent, ReviewEntry, Settlement, Standing, Verdict
from poreweb.review.signals import settlement_changed
from poreweb.tracks.actions import write_log
from poreweb.tracks.models import Run

log = logging.getLogger(__name__)


def default_source(run: Run) -> Run | None:
    """The run to compare with: whose settlements it was to keep, else its parent, else the newest other one."""
    others = run.patch.runs.exclude(pk=run.pk).filter(state=Run.State.DONE)
    for asked in (run.settled_from_id, run.parent_id):
        if asked and (found := others.filter(pk=asked).first()):
            return found
    return others.order_by("-pk").first()


@dataclass(frozen=True)
class Given:
    """What ``user`` has said, and when, of an event that is the same in the other run; as a lead, or as a verdict."""

    fate: Fate
    user: User
    judged: Judgement
    at: datetime
    is_settlement: bool


@dataclass(frozen=True)
class Plan:
    """
    What there is to carry over, and what is not touched.

    ``stale`` are sentences by event of the target. By key in the source are the events
    ``left``, whose counterpart somebody has judged on his own, and those ``kept`` for the
    verdicts to come: changed and not settled, of which a blind team is told by no flag.
    """

    given: Sequence[Given]
    stale: Mapping[int, str]
    left: frozenset[int]
    kept: frozenset[int]
    gold: Sequence[GoldEvent]
    assignments: Sequence[Assignment]

    @property
    def numbers(self) -> dict[str, int]:
        """How many verdicts and settlements of how many people are carried to how many events, and the rest."""
        return {
            "verdicts": sum(not one.is_settlement for one in self.given),
            "settlements": sum(one.is_settlement for one in self.given),
            "people": len({one.user.pk for one in self.given}),
            "events": len(self.carried),
            "stale": len(self.stale),
            "left": len(self.left),
            "gold": len(self.gold),
            "assignments": len(self.assignments),
        }

    @property
    def carried(self) -> set[int]:
        """The events, by key in the source, of which something is carried over."""
        return {one.fate.event.pk for one in self.given}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.given or self.stale or self.gold or self.assignments)


def plan_of(found: Comparison) -> Plan:
    """
    What `carry` would do now; the number of queries does not grow with the runs.

    An event of the target on which anybody has acted there is left as it is, and so is what
    was carried over to it before.
    """
    target = found.target
    acted = ReviewEntry.objects.filter(event__run=target).exclude(act__kind=Act.Kind.CARRY)
    held = Verdict.objects.filter(event__run=target)
    touched = {*acted.values_list("event", flat=True), *held.filter(carried_from=None).values_list("event", flat=True)}
    said: set[tuple[int, int | None]] = set(held.values_list("event", "reviewer"))
    by_lead = Settlement.objects.filter(event__run=target).exclude(by=None)
    said |= {(event, None) for event in by_lead.values_list("event", flat=True)}
    flagged = dict(Standing.objects.filter(event__run=target).values_list("event", "stale"))
    team = target.patch.team
    members = set(Membership.objects.filter(team=team).values_list("user", flat=True))
    given: list[Given] = []
    stale: dict[int, list[str]] = defaultdict(list)
    left, kept = set(), set()
    for fate in found.fates:
        if fate.target is None:
            continue
        if fate.target.pk in touched:
            left.add(fate.event.pk)
        elif fate.how == CHANGED and fate.is_open and team.is_blind:
            kept.add(fate.event.pk)
        elif fate.how == CHANGED:
            stale[fate.target.pk].append(fate.stale(members))
        else:
            given += [one for key, one in _said(fate) if (fate.target.pk, key) not in said]
    sentences = {pk: " ".join(of_event) for pk, of_event in stale.items()}
    new = {pk: words for pk, words in sentences.items() if flagged.get(pk) != words}
    return Plan(given, new, frozenset(left), frozenset(kept), _gold(found), _assignments(found))


def plan_for(found: Comparison, viewer: User) -> Plan | None:
    """
    The same as far as a member may know it.

    Leads may know all of it, others nothing of gold events and, in a blind team, nothing at
    all, as it depends on open verdicts.
    """
    team = found.target.patch.team
    if may_lead(viewer, team):
        return plan_of(found)
    return None if team.is_blind else replace(plan_of(found), gold=())


def _said(fate: Fate) -> list[tuple[int | None, Given]]:
    """What people say of the same event, by key of the reviewer, and under None what a lead has settled."""
    said: list[tuple[int | None, Given]] = [
        (one.reviewer_id, Given(fate, one.reviewer, fate.judgements[one.reviewer_id], one.given_at, False))
        for one in fate.verdicts
    ]
    settlement = fate.settlement
    if settlement is not None and settlement.by is not None:
        said.append((None, Given(fate, settlement.by, fate.judgements[None], settlement.at, True)))
    return said


def _gold(found: Comparison) -> list[GoldEvent]:
    """Gold events of the target that are the same as gold ones of the source."""
    held = set(GoldEvent.objects.filter(event__run=found.target).values_list("event", flat=True))
    made = []
    for gold in GoldEvent.objects.filter(event__run=found.source).order_by("pk"):
        key, judged = found.counterparts.same_event(gold.event_id), found.counterparts.judgement(gold)
        if key is not None and key not in held and judged is not None:
            answer = {"choice": judged.choice, "correction": dict(judged.correction), "joined": list(judged.joined)}
            made.append(GoldEvent(event_id=key, by_id=gold.by_id, at=gold.at, **answer))
    return made


def _assignments(found: Comparison) -> list[Assignment]:
    """Of those who can judge, assignments of the target's events that are the same as assigned ones of the source."""
    held = set(Assignment.objects.filter(event__run=found.target).values_list("event", "user"))
    team = found.target.patch.team
    may = Membership.objects.filter(team=team, role__in=Membership.WRITERS, user__is_active=True)
    asked = Assignment.objects.filter(event__run=found.source, user__in=may.values("user")).order_by("pk")
    rows = asked.values_list("event", "user", "by")
    matched = [(found.counterparts.same_event(event), user, by) for event, user, by in rows]
    return [
        Assignment(event_id=key, user_id=user, by_id=by)
        for key, user, by in matched
        if key is not None and (key, user) not in held
    ]


@transaction.atomic
def carry(source: Run, target: Run, by: User | None) -> list[Act]:
    """
    Give everybody's verdicts and settlements again on the same events of another run; one act for each person.

    Events that have changed are flagged instead. Gold events and assignments are carried
    over as well. Done again it changes nothing.

    Raises
    ------
    ParameterError
        As `compare`.
    Event.DoesNotExist
        If a job has replaced an event.
    """
    target = take_turns(target.pk)
    found = compare(source, target)
    lock([fate.target.pk for fate in found.fates if fate.target is not None])
    plan, at = plan_of(found), timezone.now()
    acts: dict[int, Act] = {}
    words = f"from run {source.number}, carried over" + (f" by {by.username}" if by else "")
    for one in plan.given:
        assert one.fate.target is not None
        if one.user.pk not in acts:
            acts[one.user.pk] = begin_act(target, one.user, Act.Kind.CARRY, words)
        # as old as it is: of two settlements that differ the later one holds here as well
        told, when = one.judged.as_dict(), one.at.isoformat()
        if one.is_settlement:
            put_settlement(acts[one.user.pk], one.fate.target, {**told, "by": one.user.pk, "at": when})
        else:
            told |= {"given_at": when, "carried_from": one.fate.event.pk}
            restore_verdict(acts[one.user.pk], one.fate.target, told)
    for pk, sentence in plan.stale.items():
        values = {"stale": sentence}
        Standing.objects.update_or_create(event_id=pk, defaults=values, create_defaults={**values, "changed_at": at})
    _put_gold(plan.gold)
    Assignment.objects.bulk_create(plan.assignments, batch_size=500, ignore_conflicts=True)
    if acts:
        settlement_changed.send(Run, run=target)
    return list(acts.values())


def _put_gold(gold: Sequence[GoldEvent]) -> None:
    """Answers as old as they are: whoever has set one has known it since."""
    known_since = {(row.event_id, row.by_id): row.at for row in gold}
    GoldEvent.objects.bulk_create(gold, batch_size=500, ignore_conflicts=True)
    held = list(GoldEvent.objects.filter(event__in=[event for event, _ in known_since]))
    for row in held:
        row.at = known_since.get((row.event_id, row.by_id), row.at)
    GoldEvent.objects.bulk_update(held, ["at"], batch_size=500)


def carry_when_done(run: Run, **_: Any) -> None:
    """Carry over from the run that this one follows; trouble is told in its log, and fails nothing."""
    source = run.settled_from
    if source is None:
        return
    try:
        acts = carry(source, run, run.created_by)
    except Exception as problem:  # the run is done all the same, and its page offers to try again
        log.exception("%s: nothing could be carried over from %s", run, source)
        write_log(run, f"Verdicts of run {source.number} could not be carried over: {problem}.")
        return
    n = ReviewEntry.objects.filter(act__in=acts).values("event").distinct().count()
    write_log(run, f"Verdicts of run {source.number} on {n} event{'' if n == 1 else 's'} carried over.")
