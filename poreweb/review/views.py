"""HTTP in, HTTP out: events and verdicts."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.review import actions
from poreweb.review.desk import event_frames, event_links, event_words
from poreweb.review.forms import VerdictForm
from poreweb.review.queries import PENDING, REVIEW_KINDS, STATES, with_state
from poreweb.tracks.models import Event, Run
from processing.lineage import EVENT_KINDS
from processing.timekeys import format_t_rec

PER_PAGE = 50


@require_GET
def events(request: Request, run_id: int) -> HttpResponse:
    """The run's events, filtered by kind and state; each filter is an address."""
    run = get_visible(Run.objects.select_related("patch"), request.user, run_id)
    chosen = _filtered(run, request.GET)
    counts = with_state(run.events.all()).values_list("kind", "state").annotate(n=Count("pk")).order_by()
    total = sum(n for kind, _, n in counts if kind in REVIEW_KINDS)
    judged = sum(n for kind, state, n in counts if kind in REVIEW_KINDS and state != PENDING)
    times = run.segmentations.values_list("index", "frame__t_rec_s")
    context = {
        "run": run,
        "page": Paginator(chosen.prefetch_related("parents__track", "children__track"), PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "kinds": [(kind, sum(n for k, _, n in counts if k == kind)) for kind in EVENT_KINDS],
        "states": [
            (state, label, sum(n for kind, s, n in counts if s == state and kind in REVIEW_KINDS))
            for state, label in STATES.items()
        ],
        "kind": request.GET.get("kind", ""),
        "state": request.GET.get("state", ""),
        "total": total,
        "judged": judged,
        "t_rec": {index: format_t_rec(t_rec_s) for index, t_rec_s in times},
    }
    return render(request, "review/events.html", context)


@require_GET
def event_page(request: Request, pk: int) -> HttpResponse:
    """One event: the frames around it, what the machine says, and the verdict."""
    event = get_visible(_events(), request.user, pk)
    return _render_event(request, event, VerdictForm(auto_id=False))


@require_POST
def give_verdict(request: Request, pk: int) -> HttpResponse:
    """Store a verdict, or take one's own back, and go on to the next event that waits."""
    event = get_visible(_events(), request.user, pk)
    must_write(request.user, event.run.patch.team)
    if "withdraw" in request.POST:
        actions.withdraw_verdict(event, request.user)
        return redirect(event)
    form = VerdictForm(request.POST, auto_id=False)
    if not form.is_valid():
        return _render_event(request, event, form)
    actions.give_verdict(event, request.user, **form.cleaned_data)
    following = _neighbours(event)["next_pending"]
    if following is None:
        return redirect(f"{reverse('review:events', args=[event.run_id])}?judged={event.pk}")
    return redirect(f"{following.get_absolute_url()}?judged={event.pk}")


def _events() -> Any:
    return with_state(Event.objects.select_related("run__patch__team")).prefetch_related(
        "parents__track", "children__track", "parents__segmentation", "children__segmentation"
    )


def _render_event(request: Request, event: Event, form: VerdictForm) -> HttpResponse:
    asked = request.GET.get("judged", "")
    mine = event.verdicts.filter(reviewer=request.user).first()
    last = None
    if asked.isdecimal():
        last = _events().visible_to(request.user).filter(pk=int(asked)).exclude(state=PENDING).first()
    context = {
        "event": event,
        "run": event.run,
        "form": form,
        "words": event_words(event),
        "strip": event_frames(event),
        "links": event_links(event),
        "history": event.history.select_related("reviewer"),
        "mine": mine,
        "note": form["note"].value() or (mine.note if mine else ""),
        "can_write": may_write(request.user, event.run.patch.team),
        "last_judged": last,
        **_neighbours(event),
    }
    return render(request, "review/event.html", context)


def _neighbours(event: Event) -> dict[str, Event | None]:
    """The events before and after in time, and the next one that nobody has judged."""
    others = with_state(Event.objects.filter(run=event.run, kind__in=REVIEW_KINDS).exclude(pk=event.pk))
    after = Q(index__gt=event.index) | Q(index=event.index, pk__gt=event.pk)
    pending = others.filter(state=PENDING)
    return {
        "next": others.filter(after).order_by("index", "pk").first(),
        "previous": others.exclude(after).order_by("index", "pk").last(),
        "next_pending": pending.filter(after).order_by("index", "pk").first()
        or pending.order_by("index", "pk").first(),
    }


def _filtered(run: Run, query: QueryDict) -> Any:
    chosen = with_state(run.events.all()).order_by("index", "pk")
    kind, state = query.get("kind", ""), query.get("state", "")
    chosen = chosen.filter(kind=kind) if kind in EVENT_KINDS else chosen.filter(kind__in=REVIEW_KINDS)
    return chosen.filter(state=state) if state in STATES else chosen
