"""HTTP in, HTTP out: releases."""

from typing import Any

from django.db.models import Count, Q
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from poreweb import storage
from poreweb.http import Request, get_visible, may_lead, must_lead
from poreweb.observations.models import Patch
from poreweb.releases import actions
from poreweb.releases.files import KINDS, MANIFEST
from poreweb.releases.models import Release
from poreweb.review.models import Standing
from poreweb.review.queries import asked_about
from poreweb.tracks.models import Event, Run
from processing.errors import ParameterError

MAX_NOTE = 2000
A_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}


@require_GET
def releases(request: Request, pk: int) -> HttpResponse:
    """What was frozen of a patch; a lead may freeze what is settled now."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    return _list_page(request, patch)


@require_POST
def freeze(request: Request, pk: int) -> HttpResponse:
    """Freeze the published lineage of a run."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_lead(request.user, run.patch.team)
    note = request.POST.get("note", "").strip()
    if len(note) > MAX_NOTE:
        problem = f"A note has at most {MAX_NOTE} characters, this one has {len(note)}."
        return _list_page(request, run.patch, problem=problem, note=note)
    if "\0" in note:
        return _list_page(
            request, run.patch, problem="A note cannot hold the character NUL.", note=note.replace("\0", "")
        )
    try:
        release = actions.freeze_release(run, request.user, note)
    except ParameterError as refused:
        return _list_page(request, run.patch, problem=f"{refused}.", note=note)
    return redirect(release)


@require_GET
def release(request: Request, pk: int, number: int) -> HttpResponse:
    """One release: what it is, its files and how to cite it. To htmx only what changes while they are made."""
    found = _release(request, pk, number)
    files = [{"name": name, **found.files[name], "kind": KINDS[name]} for name in KINDS if name in found.files]
    context = {
        "release": found,
        "files": files,
        "manifest": found.files.get(MANIFEST),
        "address": request.build_absolute_uri(found.get_absolute_url()),
        "can_lead": may_lead(request.user, found.patch.team),
    }
    return render(request, "releases/_files.html" if request.htmx else "releases/release.html", context)


@require_POST
def make_again(request: Request, pk: int, number: int) -> HttpResponse:
    """Make the files of a release for which that has failed."""
    found = _release(request, pk, number)
    must_lead(request.user, found.patch.team)
    actions.retry_release(found)
    return redirect(found)


@require_GET
def release_file(request: Request, pk: int, number: int, name: str) -> FileResponse:
    """One file of a release; always the same bytes."""
    found = _release(request, pk, number)
    file = found.files.get(name)
    if file is None:
        raise Http404("This release has no such file." if found.files else "The files of this release are not ready.")
    return FileResponse(
        storage.open_file(file["key"]),
        as_attachment="show" not in request.GET,
        filename=name,
        content_type=KINDS[name].content_type,
        headers={"Content-Length": str(file["size"]), "ETag": f'"{file["sha256"]}"', **A_YEAR},
    )


def _release(request: Request, patch_id: int, number: int) -> Release:
    patch = get_visible(Patch.objects.all(), request.user, patch_id)
    return get_object_or_404(patch.releases.select_related("patch__team", "run", "frozen_by"), number=number)


def _list_page(request: Request, patch: Patch, **form: Any) -> HttpResponse:
    of_done = Event.objects.filter(asked_about(), run__patch=patch, run__state=Run.State.DONE).order_by()
    settled = Count("pk", filter=Q(standing__state__in=Standing.SETTLED))
    rows = of_done.values("run").annotate(n=Count("pk"), n_settled=settled)
    counts = {row["run"]: (row["n_settled"], row["n"]) for row in rows}
    runs = [
        {"run": run, "n_settled": counts.get(run.pk, (0, 0))[0], "n_events": counts.get(run.pk, (0, 0))[1]}
        for run in patch.runs.filter(state=Run.State.DONE)
    ]
    context = {
        "patch": patch,
        "releases": patch.releases.select_related("run", "frozen_by", "patch"),
        "runs": runs,
        "can_lead": may_lead(request.user, patch.team),
        **form,
    }
    return render(request, "releases/releases.html", context)
