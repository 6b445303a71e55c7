"""HTTP in, HTTP out: the events that wait, and verdicts on many at once."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_lead, may_write, must_write, whole_number
from poreweb.review import many, progress, strip
from poreweb.review.forms import NoteForm
from poreweb.review.models import Act
from poreweb.review.queries import STATES, events_to_review, with_state
from poreweb.review.queue import ALL, ME, NOBODY, ORDERS, Queue
from poreweb.tracks.models import Event, Run
from processing.errors import FitsError, FrameError, ParameterError
from processing.lineage import EVENT_KINDS
from processing.timekeys import format_t_rec

PER_PAGE = 50
KEPT_A_DAY = {"Cache-Control": "private, max-age=86400"}


@require_GET
def queue(request: Request) -> HttpResponse:
    """What waits in all patches of one's teams, in the newest run of each; filters and order are in the address."""
    return _render_queue(request, Queue.of(request.GET).but(scope=ALL), None)


@require_GET
def events(request: Request, run_id: int) -> HttpResponse:
    """The run's events, most uncertain first; filters and order are in the address."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    return _render_queue(request, Queue.of(request.GET).but(scope="", patch=None, run=None), run)


def _render_queue(request: Request, queue: Queue, run: Run | None) -> HttpResponse:
    listed = queue.events(request.user, run).select_related("run__patch")
    page = Paginator(listed.prefetch_related("parents__track", "children__track"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    to_review = events_to_review(run, request.user) if run else queue.but(**UNFILTERED).events(request.user, None)
    context = {
        "run": run,
        "queue": queue,
        "page": page,
        "before": queue.query(page=page.number - 1) if page.has_previous() else "",
        "after": queue.query(page=page.number + 1) if page.has_next() else "",
        "surer_too": "" if queue.above is None else queue.but(above=None).query() or "?",
        "has_probabilities": queue.held(request.user, run).filter(probability__isnull=False).exists(),
        "words": queue.words(request.user, run),
        "last_judged": last_judged(request),
        "filter_query": queue.but(state="").query(),
        "t_rec": _times(page.object_list),
        "progress": progress.of_events(to_review),
        "reviewers": progress.of_reviewers(to_review),
        "patches": progress.of_patches(to_review) if run is None else [],
        "n_waiting": _n_waiting(request, listed, run),
        "can_lead": run is not None and may_lead(request.user, run.patch.team),
        **_chips(request, queue, run),
    }
    return render(request, "review/events.html", context)


# A queue of the same scope that asks for all that people are asked about.
UNFILTERED: dict[str, Any] = {
    "kind": "", "state": "", "above": None, "over": None, "mu_from": None, "mu_to": None, "area_from": None,
    "area_to": None, "jump": None, "frame": None, "who": "", "wait": "", "stale": "",
}  # fmt: skip


def _n_waiting(request: Request, listed: Any, run: Run | None) -> int:
    """How many of a run's listed events the reader may judge at once."""
    if run is None or not may_write(request.user, run.patch.team):
        return 0
    n: int = many.unjudged(listed, request.user).count()
    return n


def _times(events: Any) -> dict[int, str]:
    """T_REC of the frame of each event of a page."""
    wanted = {(event.run_id, event.index): event.pk for event in events}
    frames = Run.objects.filter(pk__in={run for run, _ in wanted}, segmentations__index__in={i for _, i in wanted})
    times = frames.values_list("pk", "segmentations__index", "segmentations__frame__t_rec_s")
    of_frame = {(run, index): t_rec_s for run, index, t_rec_s in times}
    return {event.pk: format_t_rec(of_frame[event.run_id, event.index]) for event in events}


def _numbers(events: Any, column: str) -> dict[str, int]:
    """How many events there are of each value of a column."""
    return dict(events.order_by().values_list(column).annotate(n=Count("pk")))


def _chips(request: Request, queue: Queue, run: Run | None) -> dict[str, list[tuple[str, str, bool]]]:
    """The choices of each filter: words with the number of events they lead to, address, whether chosen."""
    any_state = queue.but(state="")
    every_kind = with_state(queue.held(request.user, run).filter(queue.bounds()), request.user)
    of_kind = _numbers(every_kind.filter(state=queue.state) if queue.state else every_kind, "kind")
    of_kind[""] = queue.but(kind="").events(request.user, run).count()
    of_state = _numbers(any_state.events(request.user, run), "state")
    kinds = {"": "to review", **{kind: kind for kind in EVENT_KINDS}}
    whose = {"": "everybody", ME: "me", NOBODY: "nobody"}
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
        "assignees": [(words, queue.but(who=who).query() or "?", who == queue.who) for who, words in whose.items()],
        "waits": [
            ("all", queue.but(wait="").query() or "?", not queue.wait),
            ("for my verdict", queue.but(wait=ME).query(), queue.wait == ME),
        ],
    }


@require_POST
def judge_all(request: Request, run_id: int) -> HttpResponse:
    """The same verdict on every event that the address asks for and that waits for the reviewer's own."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    must_write(request.user, run.patch.team)
    queue = Queue.of(request.GET).but(scope="")
    back = f"{reverse('review:events', args=[run.pk])}{queue.query()}"
    choice, expected = request.POST.get("choice", ""), whole_number(request.POST.get("n", ""))
    say_of_many(request, lambda note: many.judge_listed(run, queue, request.user, choice, note=note, expected=expected))
    return redirect(back)


def say_of_many(request: Request, judge: Callable[[str], Act]) -> None:
    """Judge many events with the note that was sent, and say what came of it."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was judged: the note is refused. {form.errors['note'][0]}")
        return
    try:
        act = judge(form.cleaned_data["note"])
    except ParameterError as problem:
        messages.error(request, f"Nothing was judged: {problem}.")
    else:
        messages.success(request, f"{act.words[0].upper()}{act.words[1:]}; undo takes it back in one step.")


@require_GET
def strip_image(request: Request, pk: int) -> HttpResponse:
    """A small picture of the frames before, at and after an event; a sentence with status 404 when there is none."""
    event = get_visible(Event.objects.select_related("run__patch"), request.user, pk)
    try:
        return HttpResponse(strip.strip_png(event), content_type="image/png", headers=KEPT_A_DAY)
    except (FitsError, FrameError) as problem:
        return HttpResponse(str(problem), status=404, content_type="text/plain")


def last_judged(request: Request) -> Event | None:
    """The event that the address says was judged just before, with its state."""
    asked = whole_number(request.GET.get("judged", ""))
    if asked is None:
        return None
    events = with_state(Event.objects.visible_to(request.user), request.user)
    event: Event | None = events.filter(pk=asked, verdicts__reviewer=request.user).first()
    return event
