"""HTTP in, HTTP out: downloads."""

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from poreweb import storage
from poreweb.exports import actions
from poreweb.exports.models import Export
from poreweb.http import Request, get_visible, must_write
from poreweb.tracks.models import Run
from poreweb.work.models import Task

CONTENT_TYPES = {"mp4": "video/mp4", "csv": "text/csv; charset=utf-8", "ecsv": "text/plain; charset=utf-8"}


@require_GET
def download(request: Request, pk: int) -> FileResponse:
    """The file of an export that is done."""
    export = get_visible(Export.objects.select_related("run__patch"), request.user, pk)
    if export.state != Task.State.DONE:
        raise Http404("This file is not ready.")
    name = export.file_name
    return FileResponse(
        storage.open_file(export.path),
        as_attachment="show" not in request.GET,
        filename=name,
        content_type=CONTENT_TYPES[name.rpartition(".")[2]],
        headers={"Content-Length": str(export.size)},
    )


@require_POST
def request_export(request: Request, run_id: int) -> HttpResponse:
    """Make a file anew with the verdicts as they are now."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, run_id)
    must_write(request.user, run.patch.team)
    kind = request.POST.get("kind", "")
    if kind not in Export.Kind.values or run.state != Run.State.DONE:
        raise Http404("There is no such file for this run.")
    actions.request_export(run, kind, user=request.user)
    return redirect(f"{run.get_absolute_url()}#downloads")
