"""HTTP in, HTTP out: the schedule of what is looked at again and again."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from poreweb.acquire import queries, watching
from poreweb.acquire.forms import WatchFolderForm, WatchHarpForm
from poreweb.acquire.models import NoaaList, Watch
from poreweb.http import Request, get_visible, must_write
from poreweb.people.models import Team
from processing.errors import ParameterError


@require_GET
def schedule(request: Request) -> HttpResponse:
    """All watches of the user's teams, and the reading of JSOC's list."""
    return _page(request)


def _page(
    request: Request, *, harp_form: WatchHarpForm | None = None, folder_form: WatchFolderForm | None = None
) -> HttpResponse:
    given = {name: request.GET[name] for name in ("harpnum", "series") if name in request.GET}
    context = {
        "watched": queries.watched(request.user),
        "noaa_list": NoaaList.objects.first(),
        "harp_form": harp_form or WatchHarpForm(user=request.user, initial=given, auto_id="harp_%s"),
        "folder_form": folder_form or WatchFolderForm(user=request.user, auto_id="folder_%s"),
        "folders": settings.WATCH_FOLDERS,
        "writable": list(Team.objects.writable_by(request.user).values_list("pk", flat=True)),
    }
    template = "acquire/_watches.html" if request.htmx else "acquire/schedule.html"
    return render(request, template, context)


@require_POST
def watch_harp(request: Request) -> HttpResponse:
    """Keep a HARP up to date."""
    form = WatchHarpForm(request.POST, user=request.user, auto_id="harp_%s")
    if form.is_valid():
        given = form.cleaned_data
        before = _states(given["team"])
        try:
            watch = watching.watch_harp(
                given["team"], request.user, given["harpnum"], series=given["series"], segments=given["segments"],
                every_s=given["every_s"], run_after=given["run_after"],
            )  # fmt: skip
        except ParameterError as problem:
            form.add_error(None, f"{problem}.")
        else:
            _tell(request, watch, before)
            return redirect("acquire:schedule")
    return _page(request, harp_form=form)


@require_POST
def watch_folder(request: Request) -> HttpResponse:
    """Read what appears in a folder."""
    form = WatchFolderForm(request.POST, user=request.user, auto_id="folder_%s")
    if form.is_valid():
        given = form.cleaned_data
        before = _states(given["team"])
        try:
            watch = watching.watch_folder(
                given["team"], request.user, given["folder"], every_s=given["every_s"], run_after=given["run_after"]
            )
        except ParameterError as problem:
            form.add_error("folder", f"{problem}.")
        else:
            _tell(request, watch, before)
            return redirect("acquire:schedule")
    return _page(request, folder_form=form)


def _states(team: Team) -> dict[int, str]:
    """Of the team's watches."""
    return dict(team.watches.values_list("pk", "state"))


def _tell(request: Request, watch: Watch, before: dict[int, str]) -> None:
    """Say whether a watch is new, or what has become of the one that there was."""
    if watch.pk not in before:
        messages.success(request, f"{watch} is watched for {watch.team} from now on.")
    elif before[watch.pk] in Watch.OPEN:
        messages.info(request, f"{watch} was watched for {watch.team} already; what you have chosen now holds for it.")
    else:
        messages.success(
            request, f"{watch} was not watched for {watch.team} any more; it is again, as you have chosen now."
        )


def _writable(request: Request, pk: int) -> Watch:
    watch = get_visible(Watch.objects.select_related("team"), request.user, pk)
    must_write(request.user, watch.team)
    return watch


@require_POST
def pause(request: Request, pk: int) -> HttpResponse:
    """Stop looking."""
    watching.pause(_writable(request, pk))
    return redirect("acquire:schedule")


@require_POST
def resume(request: Request, pk: int) -> HttpResponse:
    """Look now, and go on looking."""
    watching.resume(_writable(request, pk))
    return redirect("acquire:schedule")


@require_POST
def forget(request: Request, pk: int) -> HttpResponse:
    """Delete a watch; what it brought is kept."""
    watch = _writable(request, pk)
    watch.delete()
    messages.success(request, f"The watch of {watch} is deleted; what it brought is kept.")
    return redirect("acquire:schedule")
