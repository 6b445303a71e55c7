"""HTTP in, HTTP out: what a number means, and JSOC's list of HARPs and NOAA regions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from poreweb.acquire import noaa
from poreweb.acquire.models import HarpNoaa
from poreweb.acquire.noaa_forms import ImportForm, ScheduleForm
from poreweb.http import Request
from poreweb.observations.models import Patch
from poreweb.people.models import Team
from processing.fits import DEFINITIVE_SERIES
from processing.list_times import ListError
from processing.region_lists import read_numbers

PER_PAGE = 50
LONGEST_QUESTION = 300
MANY = {
    "harp": "HARPs with several NOAA regions",
    "noaa": "NOAA regions in several HARPs",
}


# -- What a number means -----------------------------------------------------------------------------


@require_GET
def find(request: Request) -> HttpResponse:
    """What the numbers that somebody typed may mean, as HARPs and as NOAA regions; nothing is chosen for them."""
    asked = request.GET.get("q", "")[:LONGEST_QUESTION]
    readings, problems = noaa.find(asked)
    held = held_patches(request.user, {row.harpnum for reading in readings for row in reading.harps})
    context = {
        "asked": asked,
        "rows": [(reading, [(row, held.get(row.harpnum, [])) for row in reading.harps]) for reading in readings],
        "problems": problems,
        "listed": noaa.the_list(),
        "can_manage": noaa.may_manage(request.user),
        "can_write": Team.objects.writable_by(request.user).exists(),
    }
    return render(request, "acquire/find.html", context)


def held_patches(user: User, harpnums: Iterable[int]) -> dict[int, list[Patch]]:
    """Patches of the user's teams by HARP; of the definitive series alone, whose numbers the list has."""
    found = Patch.objects.visible_to(user).filter(series=DEFINITIVE_SERIES, harpnum__in=set(harpnums))
    held = defaultdict(list)
    for patch in found.select_related("team").order_by("team__name"):
        held[patch.harpnum or 0].append(patch)
    return held


# -- The list ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ListedHarp:
    """A HARP of the list, and for each of its NOAA regions the other HARPs in which that lies."""

    harpnum: int
    regions: tuple[tuple[int, tuple[int, ...]], ...]


@require_GET
def noaa_list(request: Request) -> HttpResponse:
    """The list and where it comes from; filters are in the address. Asks for its state again while it is being read."""
    if request.htmx and _state(request.user)["is_busy"]:
        return render(request, "acquire/_noaa_state.html", _state(request.user))
    return _render_list(request)


@require_POST
def refresh(request: Request) -> HttpResponse:
    """Read the list anew now."""
    if noaa.refresh_now(request.user):
        messages.success(request, "The list will be read as soon as a worker is free.")
    else:
        messages.info(request, "The list is being read already.")
    return redirect("acquire:noaa-list")


@require_POST
def schedule(request: Request) -> HttpResponse:
    """Read the list anew every so many hours, or never."""
    noaa.must_manage(request.user)
    form = ScheduleForm(request.POST)
    if not form.is_valid():
        return _render_list(request, scheduled=form)
    noaa.schedule(request.user, form.cleaned_data["every_hours"])
    messages.success(request, "The schedule is saved.")
    return redirect("acquire:noaa-list")


@require_POST
def import_list(request: Request) -> HttpResponse:
    """Put a list of one's own in the place of what is held."""
    noaa.must_manage(request.user)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _render_list(request, imported=form)
    given = form.cleaned_data
    source = f"{given['source']}, by {request.user.username}"
    try:
        stored, problems = noaa.import_text(given["read"], source, force=given["force"])
    except ListError as problem:
        form = ImportForm(initial={"text": given["read"], "force": given["force"]})
        return _render_list(request, imported=form, refusal=f"Nothing was changed: {problem}.")
    messages.success(request, str(stored))
    if problems:
        return _render_list(request, problems=problems)
    return redirect("acquire:noaa-list")


def _render_list(request: Request, **shown: object) -> HttpResponse:
    listed = noaa.the_list()
    asked, many = request.GET.get("q", "")[:LONGEST_QUESTION], request.GET.get("many", "")
    numbers, said = read_numbers(asked)
    page = _page(HarpNoaa.objects.all() if not asked.strip() else _with(numbers), many, request.GET.get("page"))
    context = {
        "asked": asked,
        "many": many,
        "ways": MANY,
        "said": said,
        "page": page,
        "rows": _rows(page),
        "scheduled": ScheduleForm(initial={"every_hours": listed.every_hours if listed else 24}),
        "imported": ImportForm(),
        **_address(request, page),
        **_state(request.user),
        **shown,
    }
    return render(request, "acquire/_noaa_state.html" if request.htmx else "acquire/noaa_list.html", context)


def _state(user: User) -> dict[str, object]:
    listed = noaa.the_list()
    return {
        "listed": listed,
        "is_busy": listed is not None and listed.is_open and listed.not_before is None,
        "is_late": listed is not None and listed.not_before is not None and listed.not_before < timezone.now(),
        "can_manage": noaa.may_manage(user),
    }


def _with(numbers: Iterable[tuple[int, str]]) -> "QuerySet[HarpNoaa]":
    """Pairs that have one of the numbers, as what it says to be."""
    pairs = HarpNoaa.objects.none()
    harps = {number for number, kind in numbers if kind != "noaa"}
    regions = {number for number, kind in numbers if kind != "harp"}
    if harps or regions:
        pairs = HarpNoaa.objects.filter(harpnum__in=harps) | HarpNoaa.objects.filter(noaa_ar__in=regions)
    return pairs


def _page(pairs: "QuerySet[HarpNoaa]", many: str, number: str | None) -> "Page[int]":
    """A page of HARPs of these pairs."""
    if many in MANY:
        column = "harpnum" if many == "harp" else "noaa_ar"
        repeated = HarpNoaa.objects.order_by().values(column).annotate(n=Count("pk")).filter(n__gt=1).values(column)
        pairs = pairs.filter(**{f"{column}__in": repeated})
    harps = pairs.order_by("harpnum").values_list("harpnum", flat=True).distinct()
    return Paginator(harps, PER_PAGE).get_page(number)


def _rows(page: "Page[int]") -> list[ListedHarp]:
    harpnums = list(page.object_list)
    known = noaa.known_of(harpnums, HarpNoaa.objects.filter(harpnum__in=harpnums).values_list("noaa_ar", flat=True))
    return [
        ListedHarp(
            harpnum,
            tuple(
                (region, tuple(other for other in known.harps_of(region) if other != harpnum))
                for region in known.noaas_of(harpnum)
            ),
        )
        for harpnum in harpnums
    ]


def _address(request: Request, page: "Page[int]") -> dict[str, str]:
    """Addresses of the pages before and after this one."""
    query = request.GET.copy()

    def of(number: int) -> str:
        query["page"] = str(number)
        return f"?{query.urlencode()}"

    return {
        "before": of(page.number - 1) if page.has_previous() else "",
        "after": of(page.number + 1) if page.has_next() else "",
    }
