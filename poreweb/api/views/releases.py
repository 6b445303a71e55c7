"""The published lineage, releases, and files to take away."""

import gzip
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_vary_headers
from rest_framework.response import Response
from rest_framework.reverse import reverse

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError
from poreweb.api.schema import PROBLEM, operation
from poreweb.api.shapes import releases as shapes
from poreweb.api.views.patches import patch_of
from poreweb.api.views.review import run_of
from poreweb.exports import actions as exports
from poreweb.exports import views as export_pages
from poreweb.exports.models import Export
from poreweb.http import get_visible, must_lead, must_write
from poreweb.releases import actions, lineage_pages, release_pages
from poreweb.releases.files import KINDS
from poreweb.releases.models import Publication, Release
from poreweb.tracks.models import Run
from poreweb.work.models import Task

RELEASE_TYPES = tuple(dict.fromkeys(kind.content_type.partition(";")[0] for kind in KINDS.values()))
EXPORT_TYPES = tuple(kind.partition(";")[0] for kind in export_pages.CONTENT_TYPES.values())


# -- The published lineage -------------------------------------------------------------------------


class RunPublication(Address):
    """How new it is."""

    @operation(shapes.PublicationShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """How new the published lineage of a run is, and numbers that sum it up."""
        publication: Any = get_object_or_404(Publication, run=run_of(request.user, run_id))
        publication.n_waiting = publication.wanted - publication.built
        return Response(shapes.PublicationShape(publication).data)


class RunLineage(Address):
    """What it says."""

    @operation({"type": "object"}, also={202: PROBLEM})
    def get(self, request: ApiRequest, run_id: int) -> HttpResponse:
        """
        The published lineage of a run: machine and settled verdicts together, as its page draws it.

        Frames, tracks with areas, links between tracks, and events; lists are compact, see
        docs/api.md. Status 202 while it is being built for the first time.
        """
        answer = self.as_page(lineage_pages.chart, run_id)
        return _unpacked(answer) if "gzip" not in request.headers.get("Accept-Encoding", "") else answer


def _unpacked(answer: HttpResponse) -> HttpResponse:
    """For a client that has not said that it unpacks by itself, as browsers do."""
    if answer.headers.get("Content-Encoding") == "gzip":
        answer.content = gzip.decompress(answer.content)
        del answer["Content-Encoding"]
    patch_vary_headers(answer, ["Accept-Encoding"])
    return answer


# -- Releases --------------------------------------------------------------------------------------


def _told(request: ApiRequest, releases: list[Any]) -> list[Any]:
    for release in releases:
        release.page = request.build_absolute_uri(release.get_absolute_url())
        release.citation = release.provenance.get("citation", "")
        release.told_files = [
            {
                "name": name,
                "size_bytes": release.files[name]["size"],
                "sha256": release.files[name]["sha256"],
                "address": reverse("api:release-file", [release.patch_id, release.number, name], request=request),
            }
            for name in KINDS
            if name in release.files
        ]
    return releases


class PatchReleases(Address):
    """What was frozen."""

    @operation(lists=shapes.ReleaseShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """The releases of a patch, newest first."""
        listed = Release.objects.filter(patch=patch_of(request.user, patch_id)).select_related("patch", "frozen_by")
        return self.page(listed.order_by("-number"), shapes.ReleaseShape, make=lambda page: _told(request, page))


class OneRelease(Address):
    """One of them."""

    @operation(shapes.ReleaseShape)
    def get(self, request: ApiRequest, patch_id: int, number: int) -> Response:
        """One release, with its files."""
        releases = Release.objects.visible_to(request.user).select_related("patch", "frozen_by")
        (release,) = _told(request, [get_object_or_404(releases, patch_id=patch_id, number=number)])
        return Response(shapes.ReleaseShape(release).data)


class ReleaseFile(Address):
    """Its files."""

    @operation(files=RELEASE_TYPES)
    def get(self, request: ApiRequest, patch_id: int, number: int, name: str) -> HttpResponse:
        """One file of a release; always the same bytes."""
        answer: HttpResponse = self.as_page(release_pages.release_file, patch_id, number, name)
        return answer


class RunReleases(Address):
    """A new one."""

    @operation(shapes.ReleaseShape, takes=shapes.ReleaseIn, status=201, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Freeze the published lineage of a run; its files are made in the background."""
        run = run_of(request.user, run_id)
        must_lead(request.user, run.patch.team)
        note = self.told(shapes.ReleaseIn).get("note", "").strip()
        (release,) = _told(request, [actions.freeze_release(run, request.user, note)])
        return Response(shapes.ReleaseShape(release).data, status=201)


# -- Exports ---------------------------------------------------------------------------------------


def _with_address(request: ApiRequest, listed: list[Any]) -> list[Any]:
    for export in listed:
        done = export.state == Task.State.DONE
        export.address = reverse("api:export-file", [export.pk], request=request) if done else None
    return listed


class RunExports(Address):
    """Files of a run."""

    @operation(lists=shapes.ExportShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The movies and catalogues of a run, newest first."""
        listed = Export.objects.filter(run=run_of(request.user, run_id)).select_related("created_by")
        return self.page(listed.order_by("-pk"), shapes.ExportShape, make=lambda page: _with_address(request, page))

    @operation(shapes.ExportShape, takes=shapes.ExportIn)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Make a file of a run with the verdicts as they are now; one that is as new already is told instead."""
        run = run_of(request.user, run_id)
        must_write(request.user, run.patch.team)
        kind = self.told(shapes.ExportIn)["kind"]
        if run.state != Run.State.DONE:
            raise RefusedError(f"{run} is {run.get_state_display()}; files are made when it is done.")
        (export,) = _with_address(request, [exports.request_export(run, kind, user=request.user)])
        return Response(shapes.ExportShape(export).data)


class OneExport(Address):
    """One of them."""

    @operation(shapes.ExportShape)
    def get(self, request: ApiRequest, export_id: int) -> Response:
        """One file: how far it is, and where it can be had."""
        found = get_visible(Export.objects.select_related("created_by"), request.user, export_id)
        (export,) = _with_address(request, [found])
        return Response(shapes.ExportShape(export).data)


class ExportFile(Address):
    """Its bytes."""

    @operation(files=EXPORT_TYPES)
    def get(self, request: ApiRequest, export_id: int) -> HttpResponse:
        """The file of an export that is done."""
        answer: HttpResponse = self.as_page(export_pages.download, export_id)
        return answer
