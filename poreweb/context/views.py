"""HTTP in, HTTP out: solar events, SHARP keywords and the locator of a patch, each a part of its page."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_POST

from poreweb.context import actions, charts, parts
from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.observations.models import Patch


@require_GET
@gzip_page
def locator(request: Request, pk: int) -> JsonResponse:
    """Where the patch was on the disk at each of its frames, ready to be drawn."""
    return JsonResponse(charts.locator_frames(get_visible(Patch.objects.all(), request.user, pk)))


@require_GET
def keywords(request: Request, pk: int) -> HttpResponse:
    """The curve of one keyword; for a browser without scripts the patch's page with it."""
    patch = get_visible(Patch.objects.all(), request.user, pk)
    name, run = request.GET.get("keyword", ""), request.GET.get("run", "")
    shown = {**({"run": run} if run else {}), "keyword": name}
    address = f"{patch.get_absolute_url()}?{urlencode(shown)}#sharp-keywords"
    if not request.htmx:
        return redirect(address)
    response = render(request, "context/_keywords.html", parts.keywords_part(patch, name, run=run))
    if name:  # chosen by a person
        response["HX-Replace-Url"] = address
    return response


@require_GET
def solar_events(request: Request, pk: int) -> HttpResponse:
    """The patch's solar events and how the search for them stands, which asks for itself again while it goes on."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    if not request.htmx:
        return redirect(f"{patch.get_absolute_url()}#solar-events")
    context = parts.events_part(patch, can_write=may_write(request.user, patch.team))
    return render(request, "context/_events.html", context)


@require_POST
def search(request: Request, pk: int) -> HttpResponse:
    """Look for the patch's events again."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    must_write(request.user, patch.team)
    if actions.look_again(patch) is None:
        messages.warning(request, "There is nothing to look for: the search is switched off, or no header tells where.")
    return redirect(f"{patch.get_absolute_url()}#solar-events")
