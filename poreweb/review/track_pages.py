"""HTTP in, HTTP out: one track, and one verdict on all that happens to it."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.review import many
from poreweb.review.queries import with_state
from poreweb.review.queue_pages import say_of_many
from poreweb.tracks.models import Run
from processing.edits import MAX_ITEMS


@require_GET
def track_page(request: Request, run_id: int, number: int) -> HttpResponse:
    """One track: when it lived, what happened to it, and how that is judged."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    track = get_object_or_404(run.tracks, number=number)
    events = many.events_of(track)
    features = track.features.order_by("segmentation__index").select_related("segmentation__frame")
    context = {
        "run": run,
        "track": track,
        "events": with_state(events, request.user).prefetch_related("parents__track", "children__track"),
        "n_waiting": many.unjudged(events, request.user).count(),
        "first": features.first(),
        "last": features.last(),
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
    say_of_many(request, lambda note: many.judge_track(track, request.user, request.POST.get("choice", ""), note=note))
    return redirect(reverse("review:track", args=[run.pk, track.number]))
