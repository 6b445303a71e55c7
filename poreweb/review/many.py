"""One verdict on many events: on all that a filter lists, and on all that happens to a track."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from poreweb.review.actions import give_verdicts
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Choice, Reason
from poreweb.review.queries import judged_by, waits_for
from poreweb.review.queue import Queue
from poreweb.tracks.models import Event, Feature, Run, Track
from poreweb.words import counted
from processing.edits import MAX_ITEMS, Correction
from processing.errors import ParameterError

MOST_AT_ONCE = 500  # two seconds during which nobody else can write
SPURIOUS = "spurious"  # of a whole track: none of its features is a pore
OF_LISTED = (Choice.ACCEPT, Choice.REJECT, Choice.UNSURE)
OF_TRACK = (Choice.ACCEPT, Choice.REJECT, SPURIOUS)


def unjudged(events: Any, user: User) -> Any:
    """Those that wait for the user's first word; a lead's own verdict on what is disputed is not overwritten."""
    return events.filter(waits_for(user)).exclude(judged_by(user)).select_related("run__patch__team")


def events_of(track: Track) -> Any:
    """The events at which the track begins, ends, joins, parts or flickers, in order of time."""
    on_it = Feature.objects.filter(track=track).values("pk")
    found = Event.objects.filter(Q(parents__in=on_it) | Q(children__in=on_it), run=track.run_id).values("pk")
    return Event.objects.filter(pk__in=found).select_related("run__patch__team").order_by("index", "pk")


@transaction.atomic
def judge_listed(run: Run, queue: Queue, user: User, choice: str, *, note: str = "", expected: int | None) -> Act:
    """
    The same verdict on every event that the queue lists and that waits for the user's own, as one act.

    Raises
    ------
    ParameterError
        If they are not as many as ``expected``, none, or too many, or the choice does not fit many; one sentence.
    """
    if choice not in OF_LISTED:
        raise ParameterError(f"{choice or 'nothing'} is not a verdict that many events can have at once")
    waiting = list(unjudged(queue.events(user, run), user))
    if len(waiting) > MOST_AT_ONCE:
        raise ParameterError(f"at most {MOST_AT_ONCE} events can be judged at once, not {len(waiting)}")
    if expected != len(waiting):
        told = "an unknown number" if expected is None else expected
        wait = "waits" if len(waiting) == 1 else "wait"
        raise ParameterError(f"{counted(len(waiting), 'event')} {wait} here now, not {told}")
    asked = [f"{name.replace('_', ' ')} {value}" for name, value in queue.asked().items() if name != "order"]
    words = f"{Choice(choice).label} {counted(len(waiting), 'event')}" + (f" ({', '.join(asked)})" if asked else "")
    return _give(waiting, user, Judgement(choice, note=note), Act.Kind.BULK, words, "no event waits here")


@transaction.atomic
def judge_track(track: Track, user: User, choice: str, *, note: str = "") -> Act:
    """
    Accept or reject what waits of a track's events, or say that none of its features is a pore (`SPURIOUS`).

    Raises
    ------
    ParameterError
        If nothing waits, or the choice does not fit; one sentence.
    """
    if choice not in OF_TRACK:
        raise ParameterError(f"{choice or 'nothing'} is not a verdict that a whole track can have")
    if choice == SPURIOUS:
        return _say_spurious(track, user, note)
    waiting = list(unjudged(events_of(track), user))
    words = f"{Choice(choice).label} {counted(len(waiting), 'event')} of track {track.number}"
    without = f"no event of track {track.number} waits for your verdict"
    return _give(waiting, user, Judgement(choice, note=note), Act.Kind.TRACK, words, without)


def _say_spurious(track: Track, user: User, note: str) -> Act:
    """Correct its first event, since that is where a verdict can be kept; added to one's own correction of it."""
    first = events_of(track).first()
    if first is None:
        raise ParameterError(f"track {track.number} has no event that could be corrected")
    pores = set(track.features.values_list("pk", flat=True))
    mine = first.verdicts.filter(reviewer=user).first()
    if mine is not None and mine.choice != Choice.CORRECT:
        raise ParameterError(
            f"you have {mine.get_choice_display()} its first event, {first}: correct it there, or undo that first"
        )
    held = Correction.from_dict(mine.correction) if mine else Correction()
    if any(pore in pores for pair in held.add for pore in pair):
        raise ParameterError(f"your correction of its first event, {first}, draws a link to one of its pores")
    correction = Correction(held.add, held.remove, tuple(sorted(pores | set(held.spurious))))
    n_items = sum(map(len, correction.as_dict().values()))
    if n_items > MAX_ITEMS:
        raise ParameterError(f"a correction has at most {MAX_ITEMS} items; with this track it would have {n_items}")
    joined = tuple(mine.joined) if mine else ()
    judged = Judgement(Choice.CORRECT, Reason.NO_PORE, note, correction.as_dict(), joined)
    return _give([first], user, judged, Act.Kind.TRACK, f"track {track.number} is no pore", "")


def _give(events: list[Event], user: User, judged: Judgement, kind: str, words: str, without: str) -> Act:
    try:
        act = give_verdicts(events, user, judged, kind=kind, words=words)
    except Event.DoesNotExist as gone:
        raise ParameterError("frames are being added, and an event has just gone") from gone
    if act is None:
        raise ParameterError(without)
    return act
