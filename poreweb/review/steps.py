"""Back and forth through one's own acts on a run: undo and redo, without end, one act a step."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from poreweb.review.actions import begin_act, lock, put_settlement, put_verdict, take_turns
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, ReviewEntry
from poreweb.review.queries import visible_entries
from poreweb.review.signals import settlement_changed
from poreweb.tracks.models import Run


class ClashError(Exception):
    """Others have acted on the same events since; ``entries`` are what they did."""

    def __init__(self, act: Act, entries: Sequence[ReviewEntry]) -> None:
        super().__init__(f"others have acted since on what {act} was on")
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
    if not anyway and (theirs := _of_others_since(act, entries)):
        raise ClashError(act, theirs)
    step = begin_act(run, act.by, kind, act.words, of=act)
    for entry in entries:
        then = entry.before if kind == Act.Kind.UNDO else entry.after
        if entry.what == ReviewEntry.What.SETTLEMENT:
            put_settlement(step, entry.event, then)
        else:
            put_verdict(step, entry.event, Judgement.from_dict(then) if then else None)
    settlement_changed.send(Run, run=run)


def _of_others_since(act: Act, entries: Sequence[ReviewEntry]) -> list[ReviewEntry]:
    """What others have done on these events since the user last acted on each."""
    found: list[ReviewEntry] = []
    for entry in entries:
        mine = entry.event.history.filter(act__by=act.by).order_by("-pk").values_list("pk", flat=True)[0]
        others = visible_entries(entry.event, act.by).filter(pk__gt=mine).exclude(act__by=act.by)
        found += others.select_related("act__by", "event")
    return found
