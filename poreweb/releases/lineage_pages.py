"""HTTP in, HTTP out: the published lineage of a run."""

from collections import defaultdict
from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET, require_POST

from poreweb import storage
from poreweb.http import Request, get_visible, may_lead, may_write, must_write
from poreweb.observations.layers import layers_of
from poreweb.releases import actions
from poreweb.releases.models import Publication
from poreweb.review.queries import PENDING, with_state
from poreweb.tracks.jobs import pixel_side_mm
from poreweb.tracks.models import Run, Segmentation
from poreweb.work.models import Task
from processing.errors import FrameError


@require_GET
def lineage(request: Request, pk: int) -> HttpResponse:
    """The whole lineage as a picture; to htmx only how new it is, and what people have said of events meanwhile."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    publication = Publication.objects.filter(run=run).first()
    if publication is None and _is_tracked(run):
        publication = actions.want_publication(run)
    context = {
        "run": run,
        "publication": publication,
        "n_waiting": publication.wanted - publication.built if publication else 0,
        "states": _states(run, request),
        "can_write": may_write(request.user, run.patch.team),
        "can_lead": may_lead(request.user, run.patch.team),
    }
    if request.htmx:
        return render(request, "releases/_as_of.html", context)
    return render(request, "releases/lineage.html", {**context, "addresses": _addresses(run)})


@require_GET
def chart(request: Request, pk: int) -> HttpResponse:
    """What the page draws (see `chart.chart_of`), as it was last built; status 202 and a sentence before that."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    publication = Publication.objects.filter(run=run).first()
    if publication is None and not _is_tracked(run):
        raise Http404(f"{run} has no tracks yet.")
    if publication is None:
        publication = actions.want_publication(run)
    if not publication.path:
        return JsonResponse({"detail": _waiting_words(publication)}, status=202, headers={"Cache-Control": "no-store"})
    etag = f'"{publication.path.rpartition("/")[2].removesuffix(".json.gz")}"'
    answer = get_conditional_response(request, etag=etag)
    if answer is None:
        answer = HttpResponse(_bytes_of(publication), content_type="application/json")
        answer["Content-Encoding"] = "gzip"
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-cache"
    return answer


@require_POST
def build_again(request: Request, pk: int) -> HttpResponse:
    """Build it anew; of use when that has failed."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_write(request.user, run.patch.team)
    if _is_tracked(run):
        actions.want_publication(run)
    return redirect("releases:lineage", run.pk)


def _is_tracked(run: Run) -> bool:
    return run.state == Run.State.DONE or run.n_tracked > 0


def _waiting_words(publication: Publication) -> str:
    if publication.state == Task.State.FAILED:
        return f"The lineage could not be built: {publication.error}"
    return "The lineage is being built; this takes some seconds."


def _bytes_of(publication: Publication) -> bytes:
    try:
        return storage.read_bytes(publication.path)
    except FileNotFoundError:  # a newer one has taken its place since the row was read
        publication.refresh_from_db()
        return storage.read_bytes(publication.path)


def _states(run: Run, request: Request) -> dict[str, list[int]]:
    """Keys of the events of each state, as far as the user may know it; pending ones are left out."""
    listed: dict[str, list[int]] = defaultdict(list)
    known = with_state(run.events.all(), request.user).exclude(state=PENDING).order_by()
    for pk, state in known.values_list("pk", "state"):
        listed[state].append(pk)
    return dict(listed)


def _addresses(run: Run) -> dict[str, Any]:
    """Where the page finds what it needs, and how a small picture of a frame is shown."""
    patch, key = run.patch_id, 0
    layer = reverse("observations:layer", args=[patch, key, "layer"]).replace(f"/{key}/layer.", "/{id}/{layer}.")
    spec = next(layer for layer in layers_of(None) if layer.key == "enhanced")
    first = run.segmentations.filter(state=Segmentation.State.DONE).select_related("frame").order_by("index").first()
    try:
        pixel_mm = pixel_side_mm(run, first) if first else None
    except FrameError:
        pixel_mm = None
    return {
        "chart": reverse("releases:lineage-json", args=[run.pk]),
        "layer": f"{layer}?run={run.pk}",
        "viewer": f"{reverse('observations:viewer', args=[patch])}?run={run.pk}",
        "event": reverse("review:event", args=[key]).replace(f"/{key}/", "/{pk}/"),
        "track": reverse("review:track", args=[run.pk, key]).replace(f"/{key}/", "/{number}/"),
        "limits": list(spec.limits),
        "pixel_mm": pixel_mm,
    }
