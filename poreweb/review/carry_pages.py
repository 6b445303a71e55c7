"""HTTP in, HTTP out: two runs of a patch compared, and verdicts carried over from one to the other."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from poreweb.http import Request, get_visible, may_lead, must_lead, whole_number
from poreweb.review.carry import Plan, carry, default_source, plan_for
from poreweb.review.comparison import CHANGED, HOWS, Fate, compare, told_to
from poreweb.review.models import ReviewEntry
from poreweb.review.queries import with_state
from poreweb.tracks.models import Event, Feature, Run
from processing.errors import ParameterError

PER_PAGE = 50
# Of the links that are otherwise than settled only so many are listed.
MOST_LINKS = 50


@require_http_methods(["GET", "POST"])
def carry_page(request: Request, pk: int) -> HttpResponse:
    """What has become, in this run, of the events judged in another one (``from``); a lead carries verdicts over."""
    target = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    source = _source(request, target)
    if request.method == "POST":
        must_lead(request.user, target.patch.team)
        return _carry(request, source, target)
    context: dict[str, Any] = {
        "run": target,
        "source": source,
        "others": target.patch.runs.exclude(pk=target.pk).filter(state=Run.State.DONE).order_by("-pk"),
        "can_lead": may_lead(request.user, target.patch.team),
    }
    try:
        if source is not None:
            context |= _compared(request, source, target)
    except ParameterError as problem:
        context["problem"] = f"{problem}."
    return render(request, "review/carry.html", context)


def _source(request: Request, target: Run) -> Run | None:
    """The other run, by the address or the form, else the one that lends itself."""
    asked = (request.POST if request.method == "POST" else request.GET).get("from", "")
    if not asked:
        return default_source(target)
    others = target.patch.runs.exclude(pk=target.pk)
    source = others.filter(pk=whole_number(asked) or 0).first()
    if source is None:
        raise Http404("that is no other run of this patch")
    return source


def _carry(request: Request, source: Run | None, target: Run) -> HttpResponse:
    if source is None:
        messages.error(request, f"{target.patch} has no other run that is done.")
        return redirect("review:carry", target.pk)
    try:
        acts = carry(source, target, request.user)
    except ParameterError as problem:
        messages.error(request, f"{problem}.")
    except Event.DoesNotExist:
        messages.error(
            request, "Nothing was carried over: a job has just replaced events. Look at the difference anew."
        )
    else:
        n = ReviewEntry.objects.filter(act__in=acts).values("event").distinct().count()
        words = f"What {len(acts)} {'person' if len(acts) == 1 else 'people'} said of {n} event{'' if n == 1 else 's'}"
        messages.success(
            request, f"{words} of run {source.number} is carried over." if acts else "Done; no verdict was."
        )
    return redirect(f"{reverse('review:carry', args=[target.pk])}?from={source.pk}")


def _compared(request: Request, source: Run, target: Run) -> dict[str, Any]:
    compared = compare(source, target)
    plan, found = plan_for(compared, request.user), told_to(compared, request.user)
    numbers = found.numbers
    how = request.GET.get("how", "") if request.GET.get("how") in HOWS else ""
    chosen = [fate for fate in found.fates if not how or fate.how == how]
    page = Paginator(chosen, PER_PAGE).get_page(request.GET.get("page"))
    here = f"?from={source.pk}"
    return {
        "numbers": numbers,
        "n_judged": len(found.fates),
        "plan": plan,
        "planned": plan and plan.numbers,
        "page": page,
        "rows": _rows(request, page.object_list, plan),
        "query": f"{here}&how={how}" if how else here,
        "hows": [
            (f"all {len(found.fates)}", here, not how),
            *((f"{name} {numbers[name]}", f"{here}&how={name}", name == how) for name in HOWS),
        ],
        "links": _links(found.contradicted[:MOST_LINKS]),
        "n_links": len(found.contradicted),
    }


def _rows(request: Request, fates: Any, plan: Plan | None) -> list[dict[str, Any]]:
    """The events of a page in both runs, with what the reader may know of them."""
    keys = {fate.event.pk for fate in fates} | {fate.target.pk for fate in fates if fate.target}
    known = {event.pk: event for event in with_state(Event.objects.filter(pk__in=keys), request.user)}
    rows = []
    for fate in fates:
        event, target = known.get(fate.event.pk), known.get(fate.target.pk) if fate.target else None
        if event is None:  # a job has just replaced it
            continue
        rows.append({"fate": fate, "event": event, "target": target, "then": _then(fate, plan)})
    return rows


def _then(fate: Fate, plan: Plan | None) -> str:
    """What carrying over does with an event, as far as that is told."""
    if plan is None:
        return ""
    if fate.target is None:
        return "stays behind"
    if not fate.is_told:
        return "not told: it waits for your own verdict"
    if fate.event.pk in plan.left:
        return "left: judged there already"
    if fate.event.pk in plan.kept:
        return "stays behind: not settled"
    if fate.how == CHANGED:
        return "will be flagged" if fate.target.pk in plan.stale else "flagged"
    return "will be carried over" if fate.event.pk in plan.carried else "carried over"


def _links(contradicted: Any) -> list[dict[str, Any]]:
    """Links that are otherwise than settled, by frame and number of their pores in the first run."""
    ends = {feature for _, pair, _ in contradicted for feature in pair}
    features = Feature.objects.filter(pk__in=ends).select_related("segmentation", "track").in_bulk()
    return [
        {"event": fate.event, "earlier": features.get(a), "later": features.get(b), "is_link": is_link}
        for fate, (a, b), is_link in contradicted
    ]
