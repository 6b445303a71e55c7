"""What people have said of a run's events, carried over to another run of the patch."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from poreweb.review.actions import begin_act, lock, put_settlement, put_verdict, take_turns
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
class Plan:
    """
    What there is to carry over, and what is not touched.

    ``given`` is what somebody says of the same event: (its fate, whose it is, what, whether
    it is a lead's settlement). ``stale`` are sentences by event of the target. ``left`` are
    events, by key in the source, whose counterpart somebody has judged on his own.
    """

    given: Sequence[tuple[Fate, User, Judgement, bool]]
    stale: Mapping[int, str]
    left: frozenset[int]
    gold: Sequence[GoldEvent]
    assignments: Sequence[Assignment]

    @property
    def numbers(self) -> dict[str, int]:
        """How many verdicts and settlements of how many people are carried to how many events, and the rest."""
        return {
            "verdicts": sum(not is_settlement for *_, is_settlement in self.given),
            "settlements": sum(is_settlement for *_, is_settlement in self.given),
            "people": len({user.pk for _, user, *_ in self.given}),
            "events": len(self.carried),
            "stale": len(self.stale),
            "left": len(self.left),
            "gold": len(self.gold),
            "assignments": len(self.assignments),
        }

    @property
    def carried(self) -> set[int]:
        """The events, by key in the source, of which something is carried over."""
        return {fate.event.pk for fate, *_ in self.given}

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
    given: list[tuple[Fate, User, Judgement, bool]] = []
    stale: dict[int, list[str]] = defaultdict(list)
    left = set()
    for fate in sorted(found.fates, key=_when_settled):
        if fate.target is None:
            continue
        if fate.target.pk in touched:
            left.add(fate.event.pk)
        elif fate.how == CHANGED:
            stale[fate.target.pk].append(fate.stale)
        else:
            given += [
                (fate, user, fate.judgements[key], key is None)
                for key, user in _people(fate)
                if (fate.target.pk, key) not in said
            ]
    sentences = {pk: " ".join(of_event) for pk, of_event in stale.items()}
    return Plan(
        given,
        {pk: words for pk, words in sentences.items() if flagged.get(pk) != words},
        frozenset(left),
        _gold(found),
        _assignments(found),
    )


def _when_settled(fate: Fate) -> tuple[Any, ...]:
    """In the order in which events were settled: of two that differ the later one holds."""
    return (True,) if fate.settlement is None else (False, fate.settlement.at, fate.settlement.pk)


def _people(fate: Fate) -> list[tuple[int | None, User]]:
    people: list[tuple[int | None, User]] = [(verdict.reviewer_id, verdict.reviewer) for verdict in fate.verdicts]
    if fate.settlement is not None and fate.settlement.by is not None:
        people.append((None, fate.settlement.by))
    return people


def _gold(found: Comparison) -> list[GoldEvent]:
    """Gold events of the target that are the same as gold ones of the source."""
    held = set(GoldEvent.objects.filter(event__run=found.target).values_list("event", flat=True))
    made = []
    for gold in GoldEvent.objects.filter(event__run=found.source).order_by("pk"):
        key, judged = found.counterparts.same_event(gold.event_id), found.counterparts.judgement(gold)
        if key is not None and key not in held and judged is not None:
            answer = {"choice": judged.choice, "correction": dict(judged.correction), "joined": list(judged.joined)}
            made.append(GoldEvent(event_id=key, by_id=gold.by_id, **answer))
    return made


def _assignments(found: Comparison) -> list[Assignment]:
    """Assignments of the target's events that are the same as assigned ones of the source."""
    held = set(Assignment.objects.filter(event__run=found.target).values_list("event", "user"))
    asked = Assignment.objects.filter(event__run=found.source).order_by("pk").values_list("event", "user", "by")
    matched = [(found.counterparts.same_event(event), user, by) for event, user, by in asked]
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
    for fate, user, judged, is_settlement in plan.given:
        assert fate.target is not None
        if user.pk not in acts:
            # all at one time, so that settlements hold in the order in which they are put, as they did
            acts[user.pk] = begin_act(target, user, Act.Kind.CARRY, words)
            acts[user.pk].at = at
            acts[user.pk].save(update_fields=["at"])
        if is_settlement:
            put_settlement(acts[user.pk], fate.target, {**judged.as_dict(), "by": user.pk})
        else:
            put_verdict(acts[user.pk], fate.target, judged, carried_from=fate.event)
    for pk, sentence in plan.stale.items():
        values = {"stale": sentence}
        Standing.objects.update_or_create(event_id=pk, defaults=values, create_defaults={**values, "changed_at": at})
    GoldEvent.objects.bulk_create(plan.gold, batch_size=500, ignore_conflicts=True)
    Assignment.objects.bulk_create(plan.assignments, batch_size=500, ignore_conflicts=True)
    if acts:
        settlement_changed.send(Run, run=target)
    return list(acts.values())


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
