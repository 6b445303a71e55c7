"""HTTP in, HTTP out: lists of regions that people write by hand."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from poreweb.acquire import lists, noaa
from poreweb.acquire.actions import MAX_PREVIEWS, start_previews
from poreweb.acquire.noaa_forms import PreviewListForm, RegionListForm
from poreweb.acquire.noaa_pages import held_patches
from poreweb.http import Request, must_write, whole_number
from poreweb.people.models import Team
from processing.errors import ParameterError
from processing.list_times import ListError
from processing.region_lists import MOST_LINES, parse_region_list


@require_http_methods(["GET", "POST"])
def region_list(request: Request) -> HttpResponse:
    """Paste or upload a list, and see what of it was understood; nothing is stored."""
    can_write = Team.objects.writable_by(request.user).exists()
    if request.method == "POST" and not can_write:
        raise PermissionDenied("You may look at what your team does, not add to it; a lead can make you a reviewer.")
    form = RegionListForm(request.POST, request.FILES) if request.method == "POST" else RegionListForm()
    if form.is_valid():
        return _render_read(request, form.cleaned_data["read"], form.cleaned_data["alone"])
    return render(request, "acquire/region_list.html", {"form": form, "can_write": can_write, "most": MOST_LINES})


@require_POST
def preview_list(request: Request) -> HttpResponse:
    """Ask JSOC what it has of the HARPs that are ticked."""
    team = get_object_or_404(Team.objects.of(request.user), pk=whole_number(request.POST.get("team", "")))
    must_write(request.user, team)
    form = PreviewListForm(request.POST, user=request.user)
    if not form.is_valid():
        problem = next(str(words) for listed in form.errors.values() for words in listed)
        return _render_read(request, request.POST.get("text", ""), "", problem=problem)
    text, alone = form.cleaned_data["text"], form.cleaned_data["alone"]
    offers = lists.offers_of(parse_region_list(text)[0], alone=alone, most_ticked=MAX_PREVIEWS)
    try:
        offers = lists.chosen_of(offers, dict(request.POST.lists()))
        wanted = lists.wanted_of(offers)
        if not wanted:
            raise ListError("tick at least one HARP")
        previews = start_previews(team, request.user, wanted)
    except (ListError, ParameterError) as problem:
        words = str(problem)
        return _render_read(request, text, alone, offers=offers, problem=f"{words[:1].upper()}{words[1:]}.", team=team)
    n = len(previews)
    messages.success(request, f"JSOC is asked what it has of {n} region{'' if n == 1 else 's'}.")
    return redirect("acquire:acquisitions")


def _render_read(
    request: Request,
    text: str,
    alone: str,
    *,
    offers: list[lists.Offer] | None = None,
    problem: str = "",
    team: Team | None = None,
) -> HttpResponse:
    """The page with what was read of the text, which stays in its box."""
    lines, problems = parse_region_list(text)
    offers = lists.offers_of(lines, alone=alone, most_ticked=MAX_PREVIEWS) if offers is None else offers
    kept = {"text": text, "alone": alone}
    held = held_patches(request.user, {choice.harpnum for offer in offers for choice in offer.choices})
    context = {
        "form": RegionListForm(initial=kept),
        "previews": PreviewListForm(user=request.user, initial={**kept, "team": team}, auto_id="previews_%s"),
        "is_read": True,
        "rows": [(offer, [(choice, held.get(choice.harpnum, [])) for choice in offer.choices]) for offer in offers],
        "problems": problems,
        "problem": problem,
        "n_ticked": sum(choice.is_ticked for offer in offers for choice in offer.choices),
        "n_to_choose": sum(not any(choice.is_ticked for choice in offer.choices) for offer in offers),
        "has_list": noaa.the_list() is not None,
        "most_previews": MAX_PREVIEWS,
        "most": MOST_LINES,
        "can_write": True,
    }
    return render(request, "acquire/region_list.html", context)
