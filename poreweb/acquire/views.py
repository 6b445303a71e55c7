"""HTTP in, HTTP out: acquisitions, from the first look to the last record."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from poreweb.acquire import actions, charts, queries, space
from poreweb.acquire.forms import EmailForm, OrderForm, PreviewForm
from poreweb.acquire.models import Acquisition, Watch
from poreweb.http import Request, get_visible, may_lead, may_write, must_lead, must_write, whole_number
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import wake
from processing.errors import PorewebError

LOG_LINES = 200
# What fills the form of a preview in: its fields, and their names in an address
GIVEN = {
    "team": "team", "harpnum": "harpnum", "noaa_ar": "noaa", "series": "series", "first": "first", "last": "last",
    "cadence_s": "cadence_s",
}  # fmt: skip


@require_GET
def acquisitions(request: Request) -> HttpResponse:
    """
    What is being fetched and what was, previews that wait for an answer, and the room there is.

    With ``watch`` in the address, all that this watch has asked for and nothing else.
    """
    listed, watch, watches_got = queries.listed(request.user), None, False
    if "watch" in request.GET:
        watch = get_visible(Watch.objects.all(), request.user, whole_number(request.GET["watch"]) or 0)
        previews, ordered = listed.none(), listed.filter(watch=watch)[: queries.SHOWN]
    else:
        previews = listed.filter(ordered_at=None)[: queries.SHOWN]
        # what a watch got is on the schedule; each look would be a line
        by_watches = Q(watch__isnull=False, state=Task.State.DONE)
        ordered = listed.filter(ordered_at__isnull=False).exclude(by_watches)[: queries.SHOWN]
        watches_got = listed.filter(by_watches).exists()
    context = {
        "watch": watch,
        "watches_got": watches_got,
        "ordered": ordered,
        "previews": previews,
        "is_busy": any(acquisition.is_open for acquisition in (*ordered, *previews)),
        "rooms": queries.rooms(request.user),
        "free": space.free_bytes(),
        "led": set(Team.objects.led_by(request.user).values_list("pk", flat=True)),
        "can_write": Team.objects.writable_by(request.user).exists(),
        "site_has_email": bool(settings.JSOC_EMAIL),
    }
    template = "acquire/_acquisitions.html" if request.htmx else "acquire/acquisitions.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    """Ask what JSOC has of a HARP; what is in the address fills the form in."""
    if not Team.objects.writable_by(request.user).exists():
        raise PermissionDenied("You may look at what your team does, not add to it; a lead can make you a reviewer.")
    given: dict[str, object] = {name: request.GET[key] for name, key in GIVEN.items() if key in request.GET}
    if "segments" in request.GET:
        given["segments"] = request.GET.getlist("segments")
    posted = request.POST if request.method == "POST" else None
    form = PreviewForm(posted, user=request.user, initial=given)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            acquisition = actions.start_preview(
                chosen["team"], request.user, form.wanted, series=chosen["series"], cadence_s=chosen["cadence_s"],
                segments=chosen["segments"],
            )  # fmt: skip
        except PorewebError as problem:
            form.add_error(None, f"{problem}.")
        else:
            return redirect(acquisition)
    return render(request, "acquire/new.html", {"form": form})


@require_GET
def acquisition_page(request: Request, pk: int) -> HttpResponse:
    """One acquisition: its preview, or how far it is and what happened; asks for itself again until it is done."""
    acquisition = get_visible(Acquisition.objects.select_related("team", "user", "patch"), request.user, pk)
    return _page(request, acquisition)


def _page(request: Request, acquisition: Acquisition, form: OrderForm | None = None, problem: str = "") -> HttpResponse:
    email, can_be_had = actions.email_of(acquisition.team), acquisition.is_preview and acquisition.n_to_fetch
    context = {
        "acquisition": acquisition,
        "n_to_fetch": can_be_had,
        "no_room": queries.room_refusal(acquisition) if can_be_had else "",
        "run": acquisition.patch.runs.first() if acquisition.patch and not acquisition.is_preview else None,
        "form_address": queries.form_address(acquisition),
        "meant_harps": queries.meant_harps(acquisition),
        "wants_email": queries.wants_email(acquisition),
        "registration_page": queries.registration_page(),
        "preview": acquisition.preview,
        "noaa_ars": queries.noaa_words(acquisition),
        "progress": queries.progress_of(acquisition),
        "exports": acquisition.exports.defer("answer", "fetched"),  # thousands of names each
        "lost": acquisition.records.exclude(problem="").defer("keywords")[:50],
        "log": list(reversed(acquisition.log.order_by("-pk")[:LOG_LINES])),
        "can_write": may_write(request.user, acquisition.team),
        "can_lead": may_lead(request.user, acquisition.team),
        "form": form or OrderForm(initial={"run_after": acquisition.run_after}),
        "problem": problem,
        "email": email,
        "figure": charts.mu_figure(acquisition),
        "thumbnails": queries.held_thumbnails(acquisition) if acquisition.is_preview else [],
        "free": space.free_bytes(),
        "room": queries.Room(
            acquisition.team, space.held_bytes(acquisition.team), space.quota_bytes(acquisition.team)
        ),
    }  # fmt: skip
    template = "acquire/_acquisition.html" if request.htmx else "acquire/acquisition.html"
    return render(request, template, context)


def _writable(request: Request, pk: int) -> Acquisition:
    acquisition = get_visible(Acquisition.objects.select_related("team"), request.user, pk)
    must_write(request.user, acquisition.team)
    return acquisition


@require_POST
def order(request: Request, pk: int) -> HttpResponse:
    """Get the records of a preview."""
    acquisition = _writable(request, pk)
    form = OrderForm(request.POST)
    if not form.is_valid():
        return _page(request, acquisition, form)
    try:
        actions.order(acquisition, user=request.user, **form.cleaned_data)
    except PorewebError as problem:
        text = str(problem)
        return _page(request, acquisition, form, f"{text[:1].upper()}{text[1:]}.")
    return redirect(acquisition)


@require_POST
def cancel(request: Request, pk: int) -> HttpResponse:
    """Stop it; what came is kept."""
    acquisition = _writable(request, pk)
    if not actions.cancel(acquisition):
        messages.info(request, f"{acquisition} had ended before.")
    return redirect(acquisition)


@require_POST
def retry(request: Request, pk: int) -> HttpResponse:
    """Try again what failed or was stopped."""
    acquisition = _writable(request, pk)
    actions.retry(acquisition)
    return redirect(acquisition)


@require_POST
def go_on(request: Request, pk: int) -> HttpResponse:
    """Do not wait for the next try."""
    acquisition = _writable(request, pk)
    wake(acquisition)
    return redirect(acquisition)


@require_POST
def forget(request: Request, pk: int) -> HttpResponse:
    """Delete a preview of which nothing was asked for."""
    acquisition = _writable(request, pk)
    if not actions.forget_preview(acquisition):
        messages.info(request, "Records have been asked for, so this stays as a record of what happened.")
        return redirect(acquisition)
    return redirect("acquire:acquisitions")


@require_http_methods(["GET", "POST"])
def email(request: Request, team_id: int) -> HttpResponse:
    """The e-mail under which a team asks JSOC; for its leads."""
    team = get_object_or_404(Team.objects.of(request.user), pk=team_id)
    must_lead(request.user, team)
    form = EmailForm(request.POST if request.method == "POST" else None, instance=team)
    if form.is_valid():
        form.save()
        told = f"The e-mail of {team} is saved" + (", and JSOC knows it." if form.is_known else ".")
        if team.jsoc_email and not form.is_known:
            told += " It could not be checked, as JSOC does not answer now."
        messages.success(request, told)
        return redirect("acquire:acquisitions")
    context = {
        "team": team,
        "form": form,
        "site_has_email": bool(settings.JSOC_EMAIL),
        "registration_page": queries.registration_page(),
    }
    return render(request, "acquire/email.html", context)
