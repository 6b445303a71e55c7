"""HTTP in, HTTP out: events and verdicts."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.review import actions
from poreweb.review.desk import event_frames, event_links, event_words, rejection_words
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
        "last_judged": _last_judged(request),
        "filter_query": _filter_query(_asked_kind(request)),
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
        actions.undo(event, request.user)
        return redirect(f"{event.get_absolute_url()}{_filter_query(_asked_kind(request))}")
    form = VerdictForm(request.POST, auto_id=False)
    if not form.is_valid():
        return _render_event(request, event, form)
    actions.give_verdict(event, request.user, **form.cleaned_data)
    kind = _asked_kind(request)
    following = _neighbours(event, kind)["next_pending"]
    if following is None:
        return redirect(f"{reverse('review:events', args=[event.run_id])}{_filter_query(kind, judged=event.pk)}")
    return redirect(f"{following.get_absolute_url()}{_filter_query(kind, judged=event.pk)}")


def _events() -> Any:
    return with_state(Event.objects.select_related("run__patch__team")).prefetch_related(
        "parents__track", "children__track", "parents__segmentation", "children__segmentation"
    )


def _render_event(request: Request, event: Event, form: VerdictForm) -> HttpResponse:
    kind = _asked_kind(request)
    mine = event.verdicts.filter(reviewer=request.user).first()
    links = event_links(event)
    context = {
        "event": event,
        "run": event.run,
        "form": form,
        "words": event_words(event),
        "strip": event_frames(event),
        "links": links,
        "history": event.history.select_related("reviewer"),
        "mine": mine,
        "note": form["note"].value() or (mine.note if mine else ""),
        "can_write": may_write(request.user, event.run.patch.team),
        "last_judged": _last_judged(request),
        "consequence": rejection_words(event, links),
        "filter_query": _filter_query(kind),
        **_neighbours(event, kind),
    }
    return render(request, "review/event.html", context)


def _last_judged(request: Request) -> Event | None:
    """The event that the address says was judged just before, with its state."""
    asked = request.GET.get("judged", "")
    if not asked.isdecimal():
        return None
    event: Event | None = _events().visible_to(request.user).filter(pk=int(asked)).exclude(state=PENDING).first()
    return event


def _asked_kind(request: Request) -> str:
    """The kind of events that the reviewer works through; empty for all that people judge."""
    kind = request.GET.get("kind", "")
    return kind if kind in EVENT_KINDS else ""


def _filter_query(kind: str, **more: int) -> str:
    """The query that keeps the filter in the next address."""
    known = {"kind": kind, **more} if kind else more
    return f"?{urlencode(known)}" if known else ""


def _neighbours(event: Event, kind: str) -> dict[str, Event | None]:
    """Among the events of that kind: those before and after in time, and the next that nobody has judged."""
    kinds = (kind,) if kind else REVIEW_KINDS
    others = with_state(Event.objects.filter(run=event.run, kind__in=kinds).exclude(pk=event.pk))
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
