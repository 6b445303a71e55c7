"""HTTP in, HTTP out: acquisitions, from the first look to the last record."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from poreweb.acquire import actions, charts, queries, space
from poreweb.acquire.forms import EmailForm, OrderForm, PreviewForm
from poreweb.acquire.models import Acquisition
from poreweb.http import Request, get_visible, may_lead, may_write, must_lead, must_write
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import wake
from processing.errors import PorewebError

LOG_LINES = 200


@require_GET
def acquisitions(request: Request) -> HttpResponse:
    """What is being fetched and what was, previews that wait for an answer, and the room there is."""
    listed = queries.listed(request.user)
    previews = listed.filter(ordered_at=None)[: queries.SHOWN]
    # what a watch got is on the schedule; each look would be a line
    ordered = listed.filter(ordered_at__isnull=False).exclude(watch__isnull=False, state=Task.State.DONE)
    ordered = ordered[: queries.SHOWN]
    context = {
        "ordered": ordered,
        "previews": previews,
        "is_busy": any(acquisition.is_open for acquisition in (*ordered, *previews)),
        "rooms": queries.rooms(request.user),
        "free": space.free_bytes(),
        "led": set(Team.objects.led_by(request.user).values_list("pk", flat=True)),
        "can_write": Team.objects.writable_by(request.user).exists(),
    }
    template = "acquire/_acquisitions.html" if request.htmx else "acquire/acquisitions.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    """Ask what JSOC has of a HARP; ``harpnum``, ``noaa`` and ``series`` in the address fill the form in."""
    if not Team.objects.writable_by(request.user).exists():
        raise PermissionDenied("You may look at what your team does, not add to it; a lead can make you a reviewer.")
    names = (("harpnum", "harpnum"), ("noaa_ar", "noaa"), ("series", "series"))
    given = {name: request.GET[key] for name, key in names if key in request.GET}
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
    context = {
        "acquisition": acquisition,
        "preview": acquisition.preview,
        "progress": queries.progress_of(acquisition),
        "exports": acquisition.exports.defer("answer", "fetched"),  # thousands of names each
        "lost": acquisition.records.exclude(problem="").defer("keywords")[:50],
        "log": list(reversed(acquisition.log.order_by("-pk")[:LOG_LINES])),
        "can_write": may_write(request.user, acquisition.team),
        "can_lead": may_lead(request.user, acquisition.team),
        "form": form or OrderForm(initial={"run_after": acquisition.run_after}),
        "problem": problem,
        "email": actions.email_of(acquisition.team),
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
        messages.success(request, f"The e-mail of {team} is saved.")
        return redirect("acquire:acquisitions")
    return render(request, "acquire/email.html", {"team": team, "form": form})
