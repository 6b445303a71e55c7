"""HTTP in, HTTP out: events and verdicts."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.review import actions
from poreweb.review.desk import event_alternatives, event_frames, event_links, event_words, rejection_words
from poreweb.review.forms import VerdictForm
from poreweb.review.queries import PENDING, STATES, events_to_review, with_state
from poreweb.review.queue import ORDERS, Queue
from poreweb.tracks.models import Event, Run
from processing.lineage import EVENT_KINDS
from processing.timekeys import format_t_rec

PER_PAGE = 50


@require_GET
def events(request: Request, run_id: int) -> HttpResponse:
    """The run's events, most uncertain first; filters and order are in the address."""
    run = get_visible(Run.objects.select_related("patch"), request.user, run_id)
    queue = Queue.of(request.GET)
    listed = queue.events(run).prefetch_related("parents__track", "children__track")
    judged = _numbers(events_to_review(run), "state")
    page = Paginator(listed, PER_PAGE).get_page(request.GET.get("page"))
    times = run.segmentations.values_list("index", "frame__t_rec_s")
    context = {
        "run": run,
        "queue": queue,
        "page": page,
        "before": queue.query(page=page.number - 1) if page.has_previous() else "",
        "after": queue.query(page=page.number + 1) if page.has_next() else "",
        "filtered": queue.kind or queue.state or queue.above is not None,
        "surer_too": "" if queue.above is None else queue.but(above=None).query() or "?",
        "has_probabilities": run.events.filter(probability__isnull=False).exists(),
        "words": queue.words(run),
        "last_judged": _last_judged(request),
        "filter_query": queue.but(state="").query(),
        "total": sum(judged.values()),
        "judged": sum(judged.values()) - judged.get(PENDING, 0),
        "t_rec": {index: format_t_rec(t_rec_s) for index, t_rec_s in times},
        **_chips(run, queue),
    }
    return render(request, "review/events.html", context)


def _numbers(events: Any, column: str) -> dict[str, int]:
    """How many events there are of each value of a column."""
    return dict(events.order_by().values_list(column).annotate(n=Count("pk")))


def _chips(run: Run, queue: Queue) -> dict[str, list[tuple[str, str, bool]]]:
    """The choices of each filter: words with the number of events they lead to, address, whether chosen."""
    any_state = queue.but(state="")
    every_kind = with_state(run.events.filter(queue.unsure()))
    of_kind = _numbers(every_kind.filter(state=queue.state) if queue.state else every_kind, "kind")
    of_kind[""] = queue.but(kind="").events(run).count()
    of_state = _numbers(any_state.events(run), "state")
    kinds = {"": "to review", **{kind: kind for kind in EVENT_KINDS}}
    return {
        "kinds": [
            (f"{words} {of_kind.get(kind, 0)}", queue.but(kind=kind).query() or "?", kind == queue.kind)
            for kind, words in kinds.items()
        ],
        "states": [
            ("any state", any_state.query() or "?", not queue.state),
            *(
                (f"{words} {of_state.get(state, 0)}", queue.but(state=state).query(), state == queue.state)
                for state, words in STATES.items()
            ),
        ],
        "orders": [
            (words, queue.but(order=order).query() or "?", order == queue.order) for order, words in ORDERS.items()
        ],
    }


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
    queue = _desk_queue(request)
    form = VerdictForm(request.POST, auto_id=False)
    withdraws = "withdraw" in request.POST
    if not withdraws and not form.is_valid():
        return _render_event(request, event, form)
    try:
        if withdraws:
            actions.undo(event, request.user)
        else:
            actions.give_verdict(event, request.user, **form.cleaned_data)
    except Event.DoesNotExist as gone:  # a job that extends the run may replace events
        raise Http404("this event is no longer there") from gone
    if withdraws:
        return redirect(f"{event.get_absolute_url()}{queue.query()}")
    following = queue.around(event)["next_pending"]
    url = following.get_absolute_url() if following else reverse("review:events", args=[event.run_id])
    return redirect(f"{url}{queue.query(judged=event.pk)}")


def _events() -> Any:
    return with_state(Event.objects.select_related("run__patch__team")).prefetch_related(
        "parents__track", "children__track", "parents__segmentation", "children__segmentation"
    )


def _render_event(request: Request, event: Event, form: VerdictForm) -> HttpResponse:
    queue = _desk_queue(request)
    mine = event.verdicts.filter(reviewer=request.user).first()
    links = event_links(event)
    context = {
        "event": event,
        "run": event.run,
        "form": form,
        "words": event_words(event),
        "strip": event_frames(event),
        "links": links,
        "alternatives": event_alternatives(event),
        "history": event.history.select_related("reviewer"),
        "mine": mine,
        "note": form["note"].value() or (mine.note if mine else ""),
        "can_write": may_write(request.user, event.run.patch.team),
        "last_judged": _last_judged(request),
        "consequence": rejection_words(event, links),
        "filter_query": queue.query(),
        **queue.around(event),
    }
    return render(request, "review/event.html", context)


def _last_judged(request: Request) -> Event | None:
    """The event that the address says was judged just before, with its state."""
    asked = request.GET.get("judged", "")
    if not asked.isdecimal():
        return None
    event: Event | None = _events().visible_to(request.user).filter(pk=int(asked)).exclude(state=PENDING).first()
    return event


def _desk_queue(request: Request) -> Queue:
    """
    The events that the reviewer works through.

    Of any state: what has just been judged is still the one before.
    """
    return Queue.of(request.GET).but(state="")
