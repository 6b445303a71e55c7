"""Back and forth through one's own acts on a run: undo and redo, without end, one act a step."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from poreweb.review.actions import begin_act, lock, put_settlement, restore_verdict, take_turns
from poreweb.review.models import Act, ReviewEntry
from poreweb.review.queries import hidden_from
from poreweb.review.signals import settlement_changed
from poreweb.tracks.models import Event, Run


class ClashError(Exception):
    """
    Others have acted on the same events since, or it was they who carried the act over from another run.

    ``entries`` are what they did since.
    """

    def __init__(self, act: Act, entries: Sequence[ReviewEntry]) -> None:
        super().__init__(f"others have acted on what {act} was on")
        self.act, self.entries = act, entries


def next_undo(run: Run, user: User) -> Act | None:
    """The act that undo would take back: the user's newest on the run that is not taken back."""
    return _steps(run, user).filter(is_undone=False).order_by("-pk").first()


def next_redo(run: Run, user: User) -> Act | None:
    """The act that redo would do again: of those taken back since the user's newest, the first."""
    return _steps(run, user).filter(is_undone=True, is_closed=False).order_by("pk").first()


@transaction.atomic
def undo(run: Run, user: User, *, anyway: bool = False) -> Act | None:
    """
    Take back one's newest act on the run; None if there is none. The history keeps both.

    Raises
    ------
    ClashError
        If others have acted on its events since, and not ``anyway``.
    """
    run = take_turns(run.pk)
    act = next_undo(run, user)
    if act is None:
        return None
    _step(run, act, Act.Kind.UNDO, anyway)
    Act.objects.filter(pk=act.pk).update(is_undone=True)
    return act


@transaction.atomic
def redo(run: Run, user: User, *, anyway: bool = False) -> Act | None:
    """
    Do again what was last taken back, if nothing new was done since; None if there is none.

    Raises
    ------
    ClashError
        As `undo`.
    """
    run = take_turns(run.pk)
    act = next_redo(run, user)
    if act is None:
        return None
    _step(run, act, Act.Kind.REDO, anyway)
    Act.objects.filter(pk=act.pk).update(is_undone=False)
    return act


def _steps(run: Run, user: User) -> Any:
    # an act whose events a later tracking has replaced has nothing left to take back
    return Act.objects.filter(run=run, by=user, kind__in=Act.STEPS, entries__isnull=False).distinct()


def _step(run: Run, act: Act, kind: str, anyway: bool) -> None:
    """Put back what was before the act or, to do it again, after it."""
    entries = list(act.entries.select_related("event__run__patch__team"))
    lock([entry.event_id for entry in entries])
    theirs = [] if anyway else _of_others_since(act, entries)
    if theirs or (act.kind == Act.Kind.CARRY and not anyway):
        raise ClashError(act, theirs)
    step = begin_act(run, act.by, kind, act.words, of=act)
    for entry in entries:
        is_undo = kind == Act.Kind.UNDO
        put = put_settlement if entry.what == ReviewEntry.What.SETTLEMENT else restore_verdict
        then, stale = (entry.before, entry.stale_before) if is_undo else (entry.after, "")
        put(step, entry.event, then, stale=stale)
    settlement_changed.send(Run, run=run)


def _of_others_since(act: Act, entries: Sequence[ReviewEntry]) -> list[ReviewEntry]:
    """What others have done on these events since the user last acted on each."""
    events = [entry.event_id for entry in entries]
    hidden = hidden_from(act.by)
    unseen = set(Event.objects.filter(hidden, pk__in=events).values_list("pk", flat=True)) if hidden else set()
    of_them = ReviewEntry.objects.filter(event__in=events)
    mine = dict(of_them.filter(act__by=act.by).order_by().values_list("event").annotate(last=Max("pk")))
    others = of_them.exclude(act__by=act.by).exclude(event__in=unseen).select_related("act__by", "event")
    return [entry for entry in others if entry.pk > mine[entry.event_id]]
