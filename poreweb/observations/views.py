"""HTTP in, HTTP out: patches, the frame viewer and uploads."""

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from poreweb.discussion.queries import unread_by_patch
from poreweb.exports.models import Export
from poreweb.http import Request, get_visible, may_write, whole_number
from poreweb.observations import actions, charts, layers, thumbnails
from poreweb.observations.forms import UploadForm
from poreweb.observations.manifest import viewer_manifest
from poreweb.observations.models import Frame, Ingest, Patch
from poreweb.observations.overview import patch_rows
from poreweb.people.models import Team
from poreweb.tracks.forms import RunForm
from poreweb.tracks.models import Feature, Link, Run
from processing.errors import FitsError, FrameError
from processing.timekeys import format_t_rec

# Only on answers that stay true: a layer that is missing now may be there in a minute.
KEPT_A_DAY = {"Cache-Control": "private, max-age=86400"}


@require_GET
def home(request: Request) -> HttpResponse:
    """All patches of the user's teams, and what is being done."""
    rows = patch_rows(request.user)
    context = {
        "rows": rows,
        # of those that come from JSOC only when all is there
        "ingests": Ingest.objects.filter(team__in=Team.objects.of(request.user)).exclude(state=Ingest.State.CANCELLED)[
            :5
        ],
        "can_upload": Team.objects.writable_by(request.user).exists(),
        "has_team": Team.objects.of(request.user).exists(),
        "is_busy": any(row.progress for row in rows),
    }
    template = "observations/_patch_table.html" if request.htmx else "observations/home.html"
    return render(request, template, context)


@require_GET
def patch_page(request: Request, pk: int) -> HttpResponse:
    """One patch: its timeline, light curves, runs and downloads."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    runs = list(patch.runs.select_related("created_by").annotate(n_tracks=Count("tracks", distinct=True)))
    run = _chosen_run(request, patch)
    frames = patch.frames.aggregate(
        n=Count("pk"), first=Min("t_rec_s"), last=Max("t_rec_s"), mu_min=Min("mu_min"), mu_max=Max("mu_max")
    )
    gaps = patch.gaps()
    n_gaps = sum(len(missing) for missing in gaps)
    curve_rows = charts.light_curve_rows(run) if run else []
    context = {
        "patch": patch,
        "runs": runs,
        "run": run,
        "frames": frames,
        "first": format_t_rec(frames["first"]) if frames["n"] else "",
        "last": format_t_rec(frames["last"]) if frames["n"] else "",
        "gaps": [(format_t_rec(missing[0]), format_t_rec(missing[-1]), len(missing)) for missing in gaps[:50]],
        "n_gaps": n_gaps,
        "n_expected": frames["n"] + n_gaps,
        "last_frame": patch.frames.order_by("t_rec_s").last(),
        "n_conflicts": patch.frames.filter(raw_files__conflict=True).distinct().count(),
        "missing": charts.missing_segments(patch),
        "figure": charts.timeline_figure(run, curve_rows, gaps, reader=request.user),
        "previews": charts.previews(patch),
        "curve_rows": curve_rows,
        "exports": charts.latest_exports(run) if run else [],
        "kinds": Export.Kind,
        # a sequence's own pixels need other parameters than HMI's: those of its newest run fit them
        "form": RunForm(initial=runs[0].parameters if runs and patch.harpnum is None else None),
        "can_write": may_write(request.user, patch.team),
        "n_unread": unread_by_patch(request.user).get(patch.pk, 0),
    }
    return render(request, "observations/patch.html", context)


@require_GET
def viewer(request: Request, pk: int) -> HttpResponse:
    """The frame viewer."""
    patch = get_visible(Patch.objects.all(), request.user, pk)
    run = _chosen_run(request, patch)
    if run is not None and "run" not in request.GET:  # a link to what is seen must name the run
        query = request.GET.copy()
        query["run"] = str(run.pk)
        return redirect(f"{request.path}?{query.urlencode(safe=':,')}")
    context = {"patch": patch, "run": run, "manifest": viewer_manifest(patch, run, reader=request.user)}
    return render(request, "observations/viewer.html", context)


@require_GET
def layer(request: Request, pk: int, frame_id: int, key: str) -> HttpResponse:
    """One layer of one frame, packed (see `layers.pack`); a sentence with status 404 when there is none."""
    patch = get_visible(Patch.objects.all(), request.user, pk)
    frame = get_object_or_404(Frame, pk=frame_id, patch=patch)
    if key not in layers.KEYS:
        return HttpResponse(f"There is no layer {key}.", status=404, content_type="text/plain")
    try:
        body = layers.read_layer(frame, _chosen_run(request, patch), key)
    except (FitsError, FrameError) as problem:
        return HttpResponse(str(problem), status=404, content_type="text/plain")
    headers = {"Content-Encoding": "gzip", **KEPT_A_DAY}
    return HttpResponse(body, content_type="application/octet-stream", headers=headers)


@require_GET
def features(request: Request, pk: int, frame_id: int) -> HttpResponse:
    """What the run found in one frame, and what it is linked to."""
    patch = get_visible(Patch.objects.all(), request.user, pk)
    frame = get_object_or_404(Frame, pk=frame_id, patch=patch)
    run = _chosen_run(request, patch)
    found = Feature.objects.filter(segmentation__run=run, segmentation__frame=frame).select_related("track")
    links = Link.objects.filter(Q(earlier__in=found) | Q(later__in=found)).values_list("earlier_id", "later_id")
    names = ("label", "row", "col", "area_mm2", "flux_mx", "mu", "bz_g", "b_g", "lon_deg", "lat_deg", "flags")
    listed = [
        {
            "id": feature.pk,
            "track": feature.track.number if feature.track else None,
            "next": [later for earlier, later in links if earlier == feature.pk],
            "previous": [earlier for earlier, later in links if later == feature.pk],
            **{name: getattr(feature, name) for name in names},
        }
        for feature in found
    ]
    return JsonResponse({"features": listed})


@require_GET
def thumbnail(request: Request, pk: int, frame_id: int) -> HttpResponse:
    """A small picture of one frame."""
    patch = get_visible(Patch.objects.all(), request.user, pk)
    frame = get_object_or_404(Frame, pk=frame_id, patch=patch)
    try:
        return HttpResponse(thumbnails.thumbnail_png(frame), content_type="image/png", headers=KEPT_A_DAY)
    except (FitsError, FrameError) as problem:
        return HttpResponse(str(problem), status=404, content_type="text/plain")


@require_http_methods(["GET", "POST"])
def upload(request: Request) -> HttpResponse:
    """Send files. The page's script shows how far they are; without it the form works as it is."""
    can_upload = Team.objects.writable_by(request.user).exists()
    if request.method == "POST" and not can_upload:
        raise PermissionDenied("You may look at what your team does, not add to it; a lead can make you a reviewer.")
    form = UploadForm(request.POST or None, request.FILES or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        ingest = actions.receive_upload(
            form.cleaned_data["records"],
            team=form.cleaned_data["team"],
            user=request.user,
            run_after=form.cleaned_data["run_after"],
        )
        return redirect(ingest)
    return render(request, "observations/upload.html", {"form": form, "can_upload": can_upload})


@require_GET
def ingest_page(request: Request, pk: int) -> HttpResponse:
    """What became of a delivery; asks for itself again while it is being read."""
    ingest = get_object_or_404(Ingest.objects.filter(team__in=Team.objects.of(request.user)), pk=pk)
    runs = Run.objects.filter(patch__in=ingest.patches.all(), created_at__gte=ingest.created_at)
    context = {"ingest": ingest, "patches": ingest.patches.all(), "runs": runs.select_related("patch")}
    template = "observations/_ingest.html" if request.htmx else "observations/ingest.html"
    return render(request, template, context)


def _chosen_run(request: Request, patch: Patch) -> Run | None:
    """The run that the address names; else the newest one that is done; else the newest; else None."""
    asked = request.GET.get("run", "")
    if asked.isdecimal():
        return get_object_or_404(Run, pk=whole_number(asked), patch=patch)
    return patch.runs.filter(state=Run.State.DONE).first() or patch.runs.first()
