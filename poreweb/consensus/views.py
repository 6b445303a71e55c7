"""HTTP in, HTTP out: agreement, gold events, assignments."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, F, OuterRef, Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from poreweb.consensus import actions
from poreweb.consensus.forms import AgreementForm, GoldForm, HandForm, SharesForm, TakeBackForm, writers_of
from poreweb.consensus.gold import STEP, answers_to_gold, by_event, gold_events, measured, own_share
from poreweb.consensus.statistics import N_RESAMPLES, at_odds, confusion, rated_events, statistics_of
from poreweb.http import Request, get_visible, may_lead, may_write, must_lead, whole_number
from poreweb.people.models import Team
from poreweb.review.models import Assignment, Choice, Verdict
from poreweb.review.queries import asked_about, with_state
from poreweb.review.queue import NOBODY, Queue
from poreweb.tracks.accuracy import has_truth
from poreweb.tracks.models import Event, Run
from processing.errors import FrameError
from processing.lineage import EVENT_KINDS

PER_PAGE = 50


def _team(request: Request, pk: int) -> Team:
    return get_object_or_404(Team.objects.of(request.user), pk=pk)


def _run_to_lead(request: Request, pk: int) -> Run:
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_lead(request.user, run.patch.team)
    return run


def _event_to_lead(request: Request, pk: int) -> Event:
    event = get_visible(Event.objects.select_related("run__patch__team"), request.user, pk)
    must_lead(request.user, event.run.patch.team)
    return event


def _page(request: Request, rows: Any, base: str = "") -> dict[str, Any]:
    """A page of rows, and the addresses of those before and after it; ``base`` where the page is not at its own."""
    page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()

    def address(number: int) -> str:
        query["page"] = str(number)
        return f"{base}?{query.urlencode()}"

    return {
        "page": page,
        "before": address(page.number - 1) if page.has_previous() else "",
        "after": address(page.number + 1) if page.has_next() else "",
    }


def _back(request: Request, otherwise: str) -> HttpResponse:
    """To where the form was, if that is an address on this site."""
    asked = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(asked if safe and asked.startswith("/") else otherwise)


# -- Agreement -------------------------------------------------------------------------------


@require_GET
def agreement(request: Request, pk: int) -> HttpResponse:
    """How far the team agrees, two reviewers side by side, and where they differ; filters are in the address."""
    team = _team(request, pk)
    form = AgreementForm(team, request.GET)
    asked = {name: value for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    rated = rated_events(team, request.user, **asked)
    statistics = statistics_of(rated)
    pairs = {",".join(pair): pair for pair in statistics.pairs}
    pair = pairs.get(request.GET.get("pair", ""), statistics.pairs[0] if pairs else None)
    differing = at_odds(rated)
    shown = _page(request, differing)
    events = with_state(Event.objects.select_related("run__patch"), request.user)
    states = events.in_bulk([item.event for item in shown["page"]])
    is_reviewer = may_write(request.user, team)
    labels = {choice.value: choice.label for choice in Choice}
    context = {
        "team": team,
        "form": form,
        "statistics": statistics,
        "by_kind": [statistics.all, *statistics.kinds],
        "pairs": pairs,
        "pair": pair,
        "choices": Choice.labels,
        "confusion": confusion(rated, pair) if pair else [],
        "at_odds": [
            (states[item.event], [(name, labels[choice]) for name, choice in item.choices.items()])
            for item in shown["page"]
            if item.event in states
        ],
        "n_resamples": N_RESAMPLES,
        "is_lead": may_lead(request.user, team),
        "is_reviewer": is_reviewer,
        "own": own_share(team, request.user) if is_reviewer else None,
        "step": STEP,
        **shown,
    }
    return render(request, "consensus/agreement.html", context)


# -- Gold events -----------------------------------------------------------------------------


@require_GET
def gold(request: Request, pk: int) -> HttpResponse:
    """Gold events, and what they say of each reviewer; for leads alone, as reviewers are not told which they are."""
    team = _team(request, pk)
    must_lead(request.user, team)
    runs = Run.objects.filter(patch__team=team, state=Run.State.DONE).select_related("patch").order_by("-pk")
    run = runs.filter(pk=whole_number(request.GET.get("run", "")) or 0).first()
    answers = answers_to_gold(team)
    found = measured(answers)
    kinds = [kind for kind in EVENT_KINDS if any(dict(one.kinds)[kind].n_judged for one in found)]
    listed = _page(request, _ungolden(run) if run else gold_events(team))
    context = {
        "team": team,
        "runs": runs,
        "run": run,
        "has_truth": run is not None and has_truth(run.patch),
        "n_gold": gold_events(team).count(),
        "kinds": kinds,
        "measured": [(one.name, one.all, [dict(one.kinds)[kind] for kind in kinds]) for one in found],
        "of_event": by_event(answers),
        **listed,
    }
    return render(request, "consensus/gold.html", context)


def _ungolden(run: Run) -> Any:
    events = run.events.filter(asked_about(), gold=None).order_by(F("doubt").desc(nulls_last=True), "index", "pk")
    return with_state(events).select_related("gold").prefetch_related("parents__track", "children__track")


@require_POST
def set_gold(request: Request, pk: int) -> HttpResponse:
    """Mark an event as gold, with the right answer."""
    event = _event_to_lead(request, pk)
    form = GoldForm(request.POST, event=event)
    if form.is_valid():
        try:
            actions.set_gold(event, form.judgement, request.user)
        except Event.DoesNotExist as gone:  # a job that extends the run may replace events
            raise Http404("this event is no longer there") from gone
        messages.success(request, f"{event} is a gold event now: {form.cleaned_data['choice']} is the right answer.")
    else:
        problems = [problem for listed in form.errors.values() for problem in listed]
        messages.error(request, f"{event} was not marked as gold. {' '.join(map(str, problems))}")
    return _back(request, reverse("consensus:gold", args=[event.run.patch.team_id]))


@require_POST
def remove_gold(request: Request, pk: int) -> HttpResponse:
    """The event is gold no more."""
    event = _event_to_lead(request, pk)
    actions.remove_gold(event)
    messages.success(request, f"{event} is no gold event any more.")
    return _back(request, reverse("consensus:gold", args=[event.run.patch.team_id]))


@require_POST
def gold_from_truth(request: Request, pk: int) -> HttpResponse:
    """Mark all merges, splits and gaps of a run on a simulated patch."""
    run = _run_to_lead(request, pk)
    try:
        n = actions.gold_from_truth(run, request.user)
    except FrameError as problem:
        messages.error(request, f"No event was marked: {problem}.")
    else:
        messages.success(request, f"{n} event{'' if n == 1 else 's'} of {run} marked as gold from the truth.")
    return redirect("consensus:gold", run.patch.team_id)


# -- Assignments -----------------------------------------------------------------------------


@require_GET
def assignments(request: Request, pk: int) -> HttpResponse:
    """Who is to judge what in a run, and the forms that say so."""
    run = _run_to_lead(request, pk)
    return _render_assignments(request, run, HandForm(run), SharesForm(run))


@require_POST
def assign(request: Request, pk: int) -> HttpResponse:
    """Give events to members: those that are ticked to one, or even shares to several."""
    run = _run_to_lead(request, pk)
    by_hand = request.POST.get("how") != "shares"
    form = HandForm(run, request.POST) if by_hand else SharesForm(run, request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            if isinstance(form, SharesForm):
                n = actions.share_out(form.events(), list(given["members"]), given["k"], request.user)
            else:
                n = actions.assign(given["events"], given["member"], request.user)
        except actions.AssigneeError as problem:  # somebody's role has just changed
            form.add_error(None, f"{problem}.")
        else:
            messages.success(request, _assigned_words(n))
            return _back(request, reverse("consensus:assignments", args=[run.pk]))
    if by_hand:
        return _render_assignments(request, run, form, SharesForm(run))
    return _render_assignments(request, run, HandForm(run), form)


def _assigned_words(n: int) -> str:
    if n:
        return f"{n} assignment{'' if n == 1 else 's'} made."
    return "Nothing was assigned: these events are settled, or have as many people as they were to have."


@require_POST
def unassign(request: Request, pk: int) -> HttpResponse:
    """Take events that are not judged yet back from a member: those that are ticked, or all of the run."""
    run = _run_to_lead(request, pk)
    form = TakeBackForm(run, request.POST)
    if not form.is_valid():
        return _render_assignments(request, run, form, SharesForm(run))
    events = run.events.all() if "all" in request.POST else form.cleaned_data["events"]
    n = actions.unassign(events, form.cleaned_data["member"])
    messages.success(request, f"{n} assignment{'' if n == 1 else 's'} taken back from {form.cleaned_data['member']}.")
    return _back(request, reverse("consensus:assignments", args=[run.pk]))


def _render_assignments(request: Request, run: Run, hand: Any, shares: Any) -> HttpResponse:
    queue = Queue.of(request.GET)
    listed = queue.events(request.user, run).filter(actions.NOT_SETTLED)
    listed = listed.prefetch_related("assignments__user", "parents__track", "children__track")
    members = _members(run)
    base = reverse("consensus:assignments", args=[run.pk])
    context = {
        "run": run,
        "queue": queue,
        "hand": hand,
        "shares": shares,
        "ticked": set(map(whole_number, request.POST.getlist("events"))),
        "base": base,
        "here": request.POST.get("next") or (request.get_full_path() if request.method == "GET" else base),
        "members": members,
        "names": [row["name"] for row in members],
        "nobody": NOBODY,
        "kinds": EVENT_KINDS,
        "n_writers": writers_of(run.patch.team).count(),
        **_page(request, listed, base),
    }
    return render(request, "consensus/assignments.html", context)


def _members(run: Run) -> list[dict[str, Any]]:
    """Who can judge, and whoever has been given events of the run: how many are open, judged, and settled without."""
    own = Exists(Verdict.objects.filter(event=OuterRef("event"), reviewer=OuterRef("user")))
    held = Assignment.objects.filter(event__run=run).annotate(is_judged=own)
    is_open = Q(event__standing=None) | ~Q(event__standing__state__in=actions.Standing.SETTLED)
    counted = held.values("user", "user__username").annotate(
        judged=Count("pk", filter=Q(is_judged=True)),
        open=Count("pk", filter=Q(is_judged=False) & is_open),
        not_needed=Count("pk", filter=Q(is_judged=False) & ~is_open),
    )
    rows = {user.username: _row(user.pk, user.username) for user in writers_of(run.patch.team)}
    for row in counted.order_by("user__username"):
        rows[row["user__username"]] = _row(row["user"], row["user__username"], **row)
    return [rows[name] for name in sorted(rows)]


def _row(pk: int, name: str, judged: int = 0, open: int = 0, not_needed: int = 0, **_: Any) -> dict[str, Any]:
    return {"pk": pk, "name": name, "judged": judged, "open": open, "not_needed": not_needed}
