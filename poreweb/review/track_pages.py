"""HTTP in, HTTP out: one track, and one verdict on all that happens to it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.review import actions
from poreweb.review.forms import NoteForm
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Choice, Reason
from poreweb.review.queries import judged_by, waits_for, with_state
from poreweb.tracks.models import Event, Feature, Run, Track
from processing.edits import MAX_ITEMS, Correction

SPURIOUS = "spurious"  # of a whole track: none of its features is a pore


def events_of(track: Track) -> Any:
    """The events at which the track begins, ends, joins, parts or flickers."""
    on_it = Feature.objects.filter(track=track).values("pk")
    found = Event.objects.filter(Q(parents__in=on_it) | Q(children__in=on_it), run=track.run_id).values("pk")
    return Event.objects.filter(pk__in=found).select_related("run__patch__team").order_by("index", "pk")


def unjudged_events_of(track: Track, user: User) -> Any:
    """Those of them that wait for the user's first word."""
    return events_of(track).filter(waits_for(user)).exclude(judged_by(user))


@require_GET
def track_page(request: Request, run_id: int, number: int) -> HttpResponse:
    """One track: when it lived, what happened to it, and how that is judged."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    track = get_object_or_404(run.tracks, number=number)
    context = {
        "run": run,
        "track": track,
        "events": with_state(events_of(track), request.user).prefetch_related("parents__track", "children__track"),
        "n_waiting": unjudged_events_of(track, request.user).count(),
        "first": track.features.order_by("segmentation__index").select_related("segmentation__frame").first(),
        "last": track.features.order_by("segmentation__index").select_related("segmentation__frame").last(),
        "can_write": may_write(request.user, run.patch.team),
        "max_items": MAX_ITEMS,
    }
    return render(request, "review/track.html", context)


@require_POST
def judge_track(request: Request, run_id: int, number: int) -> HttpResponse:
    """Accept or reject what waits of a track's events, or say that none of its features is a pore."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    must_write(request.user, run.patch.team)
    track = get_object_or_404(run.tracks, number=number)
    choice, form = request.POST.get("choice", ""), NoteForm(request.POST)
    try:
        if not form.is_valid():
            problem = f"Nothing was judged: the note {form.errors['note'][0]}"
        elif choice == SPURIOUS:
            problem = _say_spurious(request, track, form.cleaned_data["note"])
        elif choice in (Choice.ACCEPT, Choice.REJECT):
            problem = _say_of_all(request, track, choice, form.cleaned_data["note"])
        else:
            problem = f"{choice or 'Nothing'} is not a verdict that a whole track can have."
    except Event.DoesNotExist:
        problem = "Nothing was judged: frames are being added, and an event has just gone."
    if problem:
        messages.error(request, problem)
    return redirect(reverse("review:track", args=[run.pk, track.number]))


def _say_of_all(request: Request, track: Track, choice: str, note: str) -> str:
    waiting = list(unjudged_events_of(track, request.user))
    if not waiting:
        return f"No event of track {track.number} waits for your verdict."
    words = f"{Choice(choice).label} {len(waiting)} events of track {track.number}"
    actions.give_verdicts(waiting, request.user, Judgement(choice, note=note), kind=Act.Kind.TRACK, words=words)
    messages.success(request, f"{words[0].upper()}{words[1:]}; undo takes all of them back.")
    return ""


def _say_spurious(request: Request, track: Track, note: str) -> str:
    """Correct its first event, since that is where a verdict can be kept; added to one's own correction of it."""
    first = events_of(track).first()
    if first is None:
        return f"Track {track.number} has no event that could be corrected."
    pores = set(track.features.values_list("pk", flat=True))
    mine = first.verdicts.filter(reviewer=request.user).first()
    if mine is not None and mine.choice != Choice.CORRECT:
        return f"You have {mine.get_choice_display()} its first event, {first}: correct it there, or undo that first."
    held = Correction.from_dict(mine.correction) if mine else Correction()
    if any(pore in pores for pair in held.add for pore in pair):
        return f"Your correction of its first event, {first}, draws a link to one of its pores."
    correction = Correction(held.add, held.remove, tuple(sorted(pores | set(held.spurious))))
    n_items = len(correction.add) + len(correction.remove) + len(correction.spurious)
    if n_items > MAX_ITEMS:
        return f"A correction has at most {MAX_ITEMS} pores and links; with this track it would have {n_items}."
    joined = tuple(mine.joined) if mine else ()
    judged = Judgement(Choice.CORRECT, Reason.NO_PORE, note, correction.as_dict(), joined)
    words = f"track {track.number} is no pore"
    actions.give_verdicts([first], request.user, judged, kind=Act.Kind.TRACK, words=words)
    messages.success(request, f"Track {track.number} is said to be no pore, as a correction of its first event.")
    return ""
