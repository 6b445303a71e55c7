"""HTTP in, HTTP out: runs."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from poreweb.exports.models import Export
from poreweb.http import Request, get_visible, may_lead, may_write, must_write, whole_number
from poreweb.observations.charts import latest_exports
from poreweb.observations.models import Patch
from poreweb.review.carry import default_source
from poreweb.review.queries import events_to_review, waits_for
from poreweb.tracks import actions
from poreweb.tracks.accuracy import accuracy_of, has_truth
from poreweb.tracks.extension import arrival
from poreweb.tracks.forms import KEEP, RunForm, described
from poreweb.tracks.listing import Asked, publication_of, published_numbers, rows_of
from poreweb.tracks.models import Run, Segmentation
from poreweb.tracks.photometry import photometry_of
from poreweb.tracks.progress import progress_of
from processing.errors import ParameterError

LOG_TAIL = 12
TRACKS_PER_PAGE = 100


@require_GET
def run_page(request: Request, pk: int) -> HttpResponse:
    """One run: stages, log, parameters, results; its upper part asks for itself again while it runs."""
    run = get_visible(
        Run.objects.select_related("patch__team", "parent", "settled_from", "created_by"), request.user, pk
    )
    context = {
        "run": run,
        "progress": progress_of(run),
        "log": reversed(run.log.order_by("-pk")[:LOG_TAIL]),
        "failed_frames": run.segmentations.filter(state=Segmentation.State.FAILED).select_related("frame")[:50],
        "exports": latest_exports(run),
        "kinds": Export.Kind,
        "can_write": may_write(request.user, run.patch.team),
        "n_events": events_to_review(run).count(),
        "n_to_judge": events_to_review(run).filter(waits_for(request.user)).count(),
        "n_tracks": run.tracks.count(),
        "has_truth": run.state == Run.State.DONE and has_truth(run.patch),
        "is_tracked": run.n_tracked > 0,
        "arrived": arrival(run) if run.state == Run.State.DONE else None,
    }
    if request.htmx:
        return render(request, "tracks/_run_state.html", context)
    context["parameters"] = described(run.parameters, run.parent.parameters if run.parent else None)
    context["form"] = RunForm(initial=run.parameters, parent=run)
    context["compared_with"] = default_source(run) if run.state == Run.State.DONE else None
    context["can_lead"] = may_lead(request.user, run.patch.team)
    context["photometry"] = photometry_of(run)
    return render(request, "tracks/run.html", context)


@require_GET
def tracks_page(request: Request, pk: int) -> HttpResponse:
    """The run's tracks, as the machine found them; filters and order are in the address."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    asked, publication = Asked.of(request.GET), publication_of(run)
    page = Paginator(asked.keys(run), TRACKS_PER_PAGE).get_page(request.GET.get("page"))
    published = published_numbers(publication) if publication else None
    context = {
        "run": run,
        "asked": asked,
        "page": page,
        "rows": rows_of(run, page.object_list, request.user, published=published),
        "publication": publication,
        "n_tracks": run.tracks.count() if asked.is_filtered else page.paginator.count,
        "before": asked.query(page=page.number - 1) if page.has_previous() else "",
        "after": asked.query(page=page.number + 1) if page.has_next() else "",
        "all_of_them": Asked(asked.order).query(),
    }
    return render(request, "tracks/tracks.html", context)


@require_GET
def accuracy_page(request: Request, pk: int) -> HttpResponse:
    """How right the tracking is; only of a simulated patch."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    if not has_truth(run.patch):
        raise Http404(f"{run.patch} is not known to be simulated, so there is no truth")
    return render(request, "tracks/accuracy.html", {"run": run, "accuracy": accuracy_of(run)})


@require_POST
def start(request: Request, patch_id: int) -> HttpResponse:
    """Start a run on a patch, or rerun one (``parent``) with other parameters."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, patch_id)
    must_write(request.user, patch.team)
    parent = patch.runs.filter(pk=whole_number(request.POST.get("parent", "")) or 0).first()
    form = RunForm(request.POST, parent=parent)
    if form.is_valid():
        kept = parent if form.cleaned_data.get(KEEP) else None
        try:
            run = actions.start_run(patch, form.parameters, user=request.user, parent=parent, settled_from=kept)
            return redirect(run)
        except ParameterError as problem:
            form.add_error(None, f"{problem}.")
    return render(request, "tracks/run_form.html", {"patch": patch, "parent": parent, "form": form})


@require_POST
def extend(request: Request, pk: int) -> HttpResponse:
    """Add the frames that came after the run's last one."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_write(request.user, run.patch.team)
    try:
        actions.extend_run(run, user=request.user)
    except ParameterError as problem:
        messages.info(request, f"{problem}.")
    return redirect(run)


@require_POST
def cancel(request: Request, pk: int) -> HttpResponse:
    """Stop a run."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_write(request.user, run.patch.team)
    if not actions.cancel_run(run):
        messages.info(request, "The run had already ended.")
    return redirect(run)


@require_POST
def retry(request: Request, pk: int) -> HttpResponse:
    """Queue again what failed or was cancelled."""
    run = get_visible(Run.objects.select_related("patch__team"), request.user, pk)
    must_write(request.user, run.patch.team)
    if not actions.retry_run(run):
        messages.info(request, "There is nothing to retry in this run.")
    return redirect(run)
