"""HTTP in, HTTP out: one event, its verdicts and settlement, undo and redo, and who else is there."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from poreweb.http import Request, get_visible, may_lead, may_write, must_lead, must_write, whole_number
from poreweb.people.keys import keys_of
from poreweb.review import actions, leases, steps
from poreweb.review.desk.context import desk_context
from poreweb.review.forms import VerdictForm
from poreweb.review.models import Act, Settlement, Standing
from poreweb.review.queries import is_hidden_from, visible_entries, visible_verdicts, with_state
from poreweb.review.queue import ALL, Queue
from poreweb.review.queue_pages import last_judged
from poreweb.tracks.models import Event, Run


def _events(request: Request) -> Any:
    return with_state(Event.objects.select_related("run__patch__team", "standing"), request.user).prefetch_related(
        "parents__track", "children__track", "parents__segmentation", "children__segmentation"
    )


@require_GET
def event_page(request: Request, pk: int) -> HttpResponse:
    """One event: the frames around it, what the machine says, and the verdict."""
    event = get_visible(_events(request), request.user, pk)
    return _render_event(request, event, None)


@require_POST
def give_verdict(request: Request, pk: int) -> HttpResponse:
    """Store a verdict and go on to the next event that waits."""
    event = get_visible(_events(request), request.user, pk)
    must_write(request.user, event.run.patch.team)
    return _judge(request, event, actions.give_verdict)


@require_POST
def settle(request: Request, pk: int) -> HttpResponse:
    """A lead says what holds."""
    event = get_visible(_events(request), request.user, pk)
    must_lead(request.user, event.run.patch.team)
    return _judge(request, event, actions.settle, settles=True)


def _judge(request: Request, event: Event, act: Callable[..., object], *, settles: bool = False) -> HttpResponse:
    form = VerdictForm(request.POST, event=event, settles=settles, auto_id=False)
    if not form.is_valid():
        return _render_event(request, event, form)
    told = form.cleaned_data
    try:
        act(event, request.user, form.judgement, version=told["version"], anyway=told["anyway"])
    except Event.DoesNotExist as gone:  # a job that extends the run may replace events
        raise Http404("this event is no longer there") from gone
    except actions.StaleError as stale:
        names = " and ".join(sorted({entry.act.by.username for entry in stale.entries}))
        words = f"Nothing was saved: {names} has judged this event since you opened it."
        conflict = {"words": words, "entries": stale.entries}
        return _render_event(request, event, form, conflict=conflict, status=409)
    queue = _desk_queue(request)
    following = queue.around(event, request.user)["next_pending"]
    url = following.get_absolute_url() if following else queue_address(queue, event.run)
    return redirect(f"{url}{queue.query(judged=event.pk)}")


@require_POST
def undo(request: Request, run_id: int) -> HttpResponse:
    """Take back one's newest act on the run."""
    return _step(request, run_id, steps.undo, "taken back")


@require_POST
def redo(request: Request, run_id: int) -> HttpResponse:
    """Do again what was taken back."""
    return _step(request, run_id, steps.redo, "done again")


def _step(request: Request, run_id: int, step: Callable[..., Act | None], done: str) -> HttpResponse:
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    must_write(request.user, run.patch.team)
    queue = _desk_queue(request)
    try:
        act = step(run, request.user, anyway="anyway" in request.POST)
    except Event.DoesNotExist as gone:
        raise Http404("an event of this step is no longer there") from gone
    except steps.ClashError as clash:
        context = {
            "run": run,
            "clash": clash,
            "entries": clash.entries,
            "queue_query": queue.query(),
            "again": request.path,
        }
        return render(request, "review/clash.html", context, status=409)
    if act is None:
        messages.info(request, f"There is nothing of yours to be {done} in this run.")
        event = run.events.filter(pk=whole_number(request.POST.get("event", "")) or 0).first()
        return redirect(f"{event.get_absolute_url()}{queue.query()}" if event else queue_address(queue, run))
    entries = list(act.entries.select_related("event"))
    what = act.words or f"your {act.get_kind_display()}"
    messages.success(request, f"{what[0].upper()}{what[1:]} on {_on(entries)} is {done}.")
    return redirect(f"{entries[0].event.get_absolute_url()}{queue.query()}")


def _on(entries: list[Any]) -> str:
    event = entries[0].event
    return f"{event.get_kind_display()} in frame {event.index + 1}" if len(entries) == 1 else f"{len(entries)} events"


@require_GET
def live(request: Request, pk: int) -> HttpResponse:
    """Who else is at an event and what has come since the page was made; 204 while that is as the page shows it."""
    event = get_visible(_events(request), request.user, pk)
    if may_write(request.user, event.run.patch.team):
        leases.hold(event, request.user)
    context = live_context(request, event, _seen(request))
    if request.GET.get("stamp") == context["stamp"]:
        return HttpResponse(status=204)
    return render(request, "review/_live.html", {"event": event, **context})


def live_context(request: Request, event: Event, seen: int | None) -> dict[str, Any]:
    """What `_live.html` needs: who is present, the entries after ``seen``, and a stamp of both."""
    entries = visible_entries(event, request.user).select_related("act__by", "act__of")
    present = leases.present(event, request.user)
    newest = entries.aggregate(newest=Max("pk"))["newest"] or 0
    seen = newest if seen is None else seen
    came = [entry for entry in entries.filter(pk__gt=seen) if entry.act.by_id != request.user.pk]
    stamp = f"{newest}-" + "-".join(str(lease.user_id) for lease in present)
    return {
        "present": present,
        "came": came,
        "seen": seen,
        "stamp": stamp,
        "holder": leases.holder(event, request.user),
    }


def _seen(request: Request) -> int | None:
    return whole_number(request.GET.get("seen", ""))


def queue_address(queue: Queue, run: Run) -> str:
    """The list that a desk's queue is of."""
    return reverse("review:queue") if queue.scope == ALL else reverse("review:events", args=[run.pk])


def _render_event(
    request: Request,
    event: Event,
    form: VerdictForm | None,
    *,
    conflict: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    queue, run, team = _desk_queue(request), event.run, event.run.patch.team
    can_write = may_write(request.user, team)
    if can_write:
        leases.hold(event, request.user)
    hidden = is_hidden_from(event, request.user)
    mine = event.verdicts.filter(reviewer=request.user).first()
    live = live_context(request, event, None)
    if form is None:
        told = (
            {"note": mine.note, "reason": mine.reason, "correction": mine.correction, "joined": mine.joined}
            if mine
            else {}
        )
        form = VerdictForm(initial={**told, "version": live["seen"]}, event=event, auto_id=False)
    context = {
        "event": event,
        "run": run,
        "form": form,
        "conflict": conflict,
        "standing": Standing.objects.filter(event=event).first(),
        "quorum": team.quorum,
        "hidden": hidden,
        "verdicts": visible_verdicts(event, request.user),
        "mine": mine,
        "settlement": None if hidden else Settlement.objects.filter(event=event).select_related("by").first(),
        "history": visible_entries(event, request.user).select_related("act__by", "act__of"),
        "can_write": can_write,
        "can_settle": may_lead(request.user, team),
        "can_undo": can_write and steps.next_undo(run, request.user) is not None,
        "can_redo": can_write and steps.next_redo(run, request.user) is not None,
        "undo_url": f"{reverse('review:undo', args=[run.pk])}{queue.query()}",
        "redo_url": f"{reverse('review:redo', args=[run.pk])}{queue.query()}",
        "keys": keys_of(request.user),
        "last_judged": last_judged(request),
        "filter_query": queue.query(),
        "queue_url": f"{queue_address(queue, run)}{queue.query()}",
        **live,
        **queue.around(event, request.user),
        **desk_context(event, viewer=request.user),
    }
    return render(request, "review/event.html", context, status=status)


def _desk_queue(request: Request) -> Queue:
    """
    The events that the reviewer works through.

    Of any state, judged by him or not: what has just been judged is still the one before.
    """
    return Queue.of(request.GET).but(state="", wait="")
