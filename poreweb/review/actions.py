"""Every change to what people say: verdicts and settlements, one act a step (`steps` takes them back)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from poreweb.people.models import Team
from poreweb.review.consensus import STATE_OF, Outcome, outcome
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Lease, ReviewEntry, Settlement, Standing, Verdict
from poreweb.review.queries import visible_entries
from poreweb.review.signals import settlement_changed
from poreweb.tracks.models import Event, Run

# What the history keeps: `Judgement.as_dict`, of a verdict with ``given_at`` and ``carried_from``, of a lead's
# settlement with ``at`` and ``by`` (keys of rows; times in ISO 8601), so that a step back brings all of it back.
Told = dict[str, Any]


class StaleError(Exception):
    """Others have acted on the event since the page that somebody judges by was made."""

    def __init__(self, event: Event, entries: Sequence[ReviewEntry]) -> None:
        super().__init__(f"{event} has changed since this page was opened")
        self.event, self.entries = event, entries


@transaction.atomic
def give_verdict(
    event: Event, reviewer: User, judged: Judgement, *, version: int | None = None, anyway: bool = False
) -> Verdict:
    """
    Store one reviewer's verdict in place of an earlier one; settle the event when enough agree.

    ``version`` is the newest entry of the event's history that the reviewer has seen.

    Raises
    ------
    StaleError
        If others have acted since, and not ``anyway``.
    Event.DoesNotExist
        If a job has replaced the event.
    """
    run = take_turns(event.run_id)
    lock([event.pk])
    if not anyway:
        _refuse_stale(event, reviewer, version)
    act = begin_act(run, reviewer, Act.Kind.VERDICT)
    put_verdicts(act, [event], judged)
    Lease.objects.filter(event=event, user=reviewer).delete()
    return Verdict.objects.get(event=event, reviewer=reviewer)


@transaction.atomic
def give_verdicts(
    events: Iterable[Event], reviewer: User, judged: Judgement, *, kind: str = Act.Kind.BULK, words: str = ""
) -> Act | None:
    """
    The same verdict on many events of one run, as one act; None if there is no event.

    Raises
    ------
    ValueError
        If they are of several runs: an act belongs to one.
    """
    listed = list(events)
    if not listed:
        return None
    if len({event.run_id for event in listed}) > 1:
        raise ValueError("one act is on events of one run")
    run = take_turns(listed[0].run_id)
    lock([event.pk for event in listed])
    act = begin_act(run, reviewer, kind, words)
    put_verdicts(act, listed, judged)
    return act


@transaction.atomic
def settle(
    event: Event, lead: User, judged: Judgement, *, version: int | None = None, anyway: bool = False
) -> Settlement:
    """
    A lead says what holds, whatever the verdicts; taken back by undo.

    Raises
    ------
    StaleError, Event.DoesNotExist
        As `give_verdict`.
    """
    run = take_turns(event.run_id)
    lock([event.pk])
    if not anyway:
        _refuse_stale(event, lead, version)
    act = begin_act(run, lead, Act.Kind.SETTLE)
    put_settlement(act, event, {**judged.as_dict(), "by": lead.pk})
    settlement_changed.send(Run, run=run)
    return Settlement.objects.get(event=event)


@transaction.atomic
def settle_anew(team: Team, by: User) -> int:
    """Weigh a team's verdicts again, since ``by`` has changed its quorum; how many events have another state."""
    runs = Run.objects.select_for_update(no_key=True).filter(patch__in=team.patches.all()).order_by("pk")
    list(runs.values_list("pk"))  # whoever acts takes his turn before or after
    changed = []
    judged = Standing.objects.filter(event__run__patch__team=team, event__verdicts__isnull=False).distinct()
    for standing in judged.select_related("event__settlement").prefetch_related("event__verdicts"):
        held = getattr(standing.event, "settlement", None)
        if held is not None and held.by_id is not None:
            continue  # a lead's word holds
        found = _agreed(standing.event.verdicts.all(), team.quorum)
        now = held and (Judgement.of(held).answer, held.at)
        if (found.state, found.settled and (found.settled.answer, found.at)) != (standing.state, now):
            changed.append((standing, found))
    for run in Run.objects.filter(pk__in={standing.event.run_id for standing, _ in changed}):
        act = begin_act(run, by, Act.Kind.RULES, f"{team.quorum} equal verdicts settle")
        _settle_many(act, [(standing, found) for standing, found in changed if standing.event.run_id == run.pk])
        settlement_changed.send(Run, run=run)
    return len(changed)


def _settle_many(act: Act, changed: Sequence[tuple[Standing, Outcome]]) -> None:
    """As `_weigh` and `_write_down` for each event, in a few statements."""
    entries = ReviewEntry.objects.bulk_create(
        [
            ReviewEntry(
                act=act, event_id=standing.event_id, what=ReviewEntry.What.RULES, state_before=standing.state,
                state_after=found.state, stale_before=standing.stale,
            )
            for standing, found in changed
        ],
        batch_size=500,
    )  # fmt: skip
    for (standing, found), entry in zip(changed, entries, strict=True):
        standing.state, standing.changed_at, standing.version = found.state, act.at, entry.pk
        standing.settled_at = found.at
    columns = ["state", "changed_at", "settled_at", "version"]
    Standing.objects.bulk_update([standing for standing, _ in changed], columns, 200)
    for start in range(0, len(changed), 500):
        Settlement.objects.filter(
            event__in=[standing.event_id for standing, _ in changed[start : start + 500]]
        ).delete()
    settled = [
        Settlement(event_id=standing.event_id, **_columns(found)) for standing, found in changed if found.settled
    ]
    Settlement.objects.bulk_create(settled, batch_size=500)


# -- Parts of acts, for `steps` and `carry` as well. Call within a transaction, these two first. --------------


def take_turns(run_id: int) -> Run:
    """
    Let one act on a run follow the other until the transaction ends; the run and its team as they are then.

    So nobody takes back from two pages what he did once, or is weighed by a quorum that holds no more.
    """
    Run.objects.select_for_update(no_key=True).get(pk=run_id)
    return Run.objects.select_related("patch__team").get(pk=run_id)  # read when the wait is over


def lock(keys: Sequence[int]) -> None:
    """
    Lock events against jobs that replace them, in one order everywhere.

    Raises
    ------
    Event.DoesNotExist
        If one of them is no longer there.
    """
    for start in range(0, len(keys), 500):
        part = sorted(keys)[start : start + 500]
        held: QuerySet[Event] = Event.objects.select_for_update(no_key=True).filter(pk__in=part).order_by("pk")
        if len(held) < len(set(part)):
            raise Event.DoesNotExist("an event is no longer there")


def begin_act(run: Run, by: User, kind: str, words: str = "", of: Act | None = None) -> Act:
    """A new act. One that is no step back or forth ends what could be done again before it."""
    if kind in Act.STEPS and kind != Act.Kind.CARRY:  # what others bring over is no step of one's own
        Act.objects.filter(run=run, by=by, is_undone=True, is_closed=False).update(is_closed=True)
    return Act.objects.create(run=run, by=by, kind=kind, words=words[:300], of=of, at=timezone.now())


def put_verdicts(act: Act, events: Sequence[Event], judged: Judgement) -> None:
    """The act's reviewer says the same of these events."""
    settled_before = _settled(events)
    for event in events:
        put_verdict(act, event, judged)
    if _settled(events) != settled_before:
        settlement_changed.send(Run, run=act.run)


def put_verdict(act: Act, event: Event, judged: Judgement, *, carried_from: Event | None = None) -> None:
    """Store the verdict of the act's reviewer, weigh the event, and write it down."""
    key = carried_from.pk if carried_from else None
    restore_verdict(act, event, {**judged.as_dict(), "given_at": act.at.isoformat(), "carried_from": key})


def restore_verdict(act: Act, event: Event, after: Told | None, *, stale: str = "") -> None:
    """Bring the verdict of the act's reviewer to what the history tells, None for no verdict; as `put_verdict`."""
    before = told(event.verdicts.filter(reviewer=act.by).first())
    if after is None:
        event.verdicts.filter(reviewer=act.by).delete()
    else:
        source = Event.objects.filter(pk=after.get("carried_from") or 0).first()  # it may be gone
        values = {
            **Judgement.from_dict(after).as_dict(),
            "given_at": _time(after.get("given_at"), act),
            "carried_from": source,
        }
        event.verdicts.update_or_create(reviewer=act.by, defaults=values)
    states = _weigh(act, event)
    _write_down(act, event, ReviewEntry.What.VERDICT, before, after, states, stale)


def put_settlement(act: Act, event: Event, after: Told | None, *, stale: str = "") -> None:
    """Store what a lead says (``by``) or, with None, leave it to the verdicts again; and write it down."""
    if after is not None:
        after = {**after, "at": _time(after.get("at"), act).isoformat()}
    before = told(Settlement.objects.filter(event=event).exclude(by=None).first())
    Settlement.objects.filter(event=event).delete()
    if after is not None:
        values = Judgement.from_dict(after).as_dict()
        del values["reason"]
        Settlement.objects.create(event=event, by_id=after["by"], at=_time(after["at"], act), **values)
    states = _weigh(act, event)
    _write_down(act, event, ReviewEntry.What.SETTLEMENT, before, after, states, stale)


def _weigh(act: Act, event: Event) -> tuple[str, str]:
    """Bring an event's standing and settlement to what its verdicts and its lead say; its state before and after."""
    standing, _ = Standing.objects.get_or_create(event=event, defaults={"changed_at": act.at})
    before, verdicts = standing.state, list(event.verdicts.all())
    by_lead = Settlement.objects.filter(event=event).exclude(by=None).first()
    if by_lead is not None:
        found = Outcome(STATE_OF[by_lead.choice], Judgement.of(by_lead), by_lead.at)
    else:
        found = _agreed(verdicts, act.run.patch.team.quorum)
        if found.settled is None:
            Settlement.objects.filter(event=event).delete()
        else:
            Settlement.objects.update_or_create(event=event, defaults=_columns(found))
    standing.state, standing.n_verdicts, standing.changed_at = found.state, len(verdicts), act.at
    standing.settled_at = found.at
    standing.save()
    return before, found.state


def _agreed(verdicts: Iterable[Verdict], quorum: int) -> Outcome:
    return outcome([(Judgement.of(verdict), verdict.given_at) for verdict in verdicts], quorum)


def _columns(found: Outcome) -> dict[str, Any]:
    """Of a settlement by enough equal verdicts."""
    assert found.settled is not None
    told = found.settled.as_dict()
    return {name: told[name] for name in ("choice", "correction", "joined")} | {"by": None, "at": found.at, "note": ""}


def _time(told: str | None, act: Act) -> datetime:
    """A time of the history; entries from before it kept any have that of the act."""
    return datetime.fromisoformat(told) if told else act.at


def told(row: Verdict | Settlement | None) -> Told | None:
    """A verdict or a lead's settlement as the history keeps it."""
    if row is None:
        return None
    values = Judgement.of(row).as_dict()
    if isinstance(row, Settlement):
        return {**values, "by": row.by_id, "at": row.at.isoformat()}
    return {**values, "given_at": row.given_at.isoformat(), "carried_from": row.carried_from_id}


def _write_down(
    act: Act,
    event: Event,
    what: str,
    before: Told | None,
    after: Told | None,
    states: tuple[str, str],
    stale: str = "",
) -> None:
    """Add an entry. Somebody has looked at the event: what was carried over is no longer ``stale``, or is again."""
    standing = Standing.objects.get(event=event)
    entry = ReviewEntry.objects.create(
        act=act, event=event, what=what, before=before, after=after, state_before=states[0], state_after=states[1],
        stale_before=standing.stale,
    )  # fmt: skip
    Standing.objects.filter(pk=standing.pk).update(version=entry.pk, stale=stale)


def _settled(events: Sequence[Event]) -> list[tuple[int, str, str]]:
    held = Settlement.objects.filter(event__in=[event.pk for event in events]).order_by("pk")
    return [(row.event_id, Judgement.of(row).answer, str(row.by_id)) for row in held]


def _refuse_stale(event: Event, user: User, version: int | None) -> None:
    if version is None:
        return
    since = visible_entries(event, user).filter(pk__gt=version).exclude(act__by=user)
    if entries := list(since.select_related("act__by")):
        raise StaleError(event, entries)
