"""Runs: started, followed, stopped, and what the machine found in them."""

from collections.abc import Callable
from typing import Any

from django.db.models import F
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError, refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import review as review_shapes
from poreweb.api.shapes import runs as shapes
from poreweb.api.views.patches import patch_of
from poreweb.api.views.review import run_of, with_all
from poreweb.http import get_visible, must_write
from poreweb.observations.models import Patch
from poreweb.review import many
from poreweb.review.queries import events_to_review, waits_for, with_state
from poreweb.tracks import actions
from poreweb.tracks.extension import arrival
from poreweb.tracks.forms import DEFAULTS, KEEP, RunForm
from poreweb.tracks.models import Alternative, Feature, Link, Run, Segmentation, Track
from poreweb.tracks.progress import progress_of
from processing.errors import ParameterError


class Runs(Address):
    """What was computed."""

    @operation(lists=shapes.RunShape, query=shapes.RunQuery)
    def get(self, request: ApiRequest) -> Response:
        """The runs of your teams, newest first."""
        asked = self.asked(shapes.RunQuery)
        runs = Run.objects.visible_to(request.user).filter(**asked).select_related("patch", "created_by")
        return self.page(runs.order_by("-pk"), shapes.RunShape)


class PatchRuns(Address):
    """Those on one patch."""

    @operation(shapes.RunShape, takes=shapes.RunIn, status=201)
    def post(self, request: ApiRequest, patch_id: int) -> Response:
        """Start a run on a patch, with parameters that differ from the parent's or the usual ones."""
        patch = patch_of(request.user, patch_id)
        must_write(request.user, patch.team)
        told = self.told(shapes.RunIn)
        parent = _parent(patch, told.get("parent"))
        before = parent.parameters if parent else {}
        kept = {KEEP: True} if told.get("keep_settled") else {}
        form = RunForm({**DEFAULTS.as_dict(), **before, **told.get("parameters", {}), **kept}, parent=parent)
        if kept and KEEP not in form.fields:
            raise ValidationError({"keep_settled": ["People have judged nothing in the parent."]})
        refuse_form(form, "parameters")
        source = parent if kept else None
        run = actions.start_run(patch, form.parameters, user=request.user, parent=parent, settled_from=source)
        return Response(shapes.RunShape(run).data, status=201)


def _parent(patch: Patch, key: int | None) -> Run | None:
    if key is None:
        return None
    run = patch.runs.filter(pk=key).first()
    if run is None:
        raise ValidationError({"parent": [f"There is no such run of {patch}."]})
    return run


class OneRun(Address):
    """One of them."""

    @operation(shapes.RunDetailShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """One run: its parameters, how far it is, and whether frames can be added."""
        run: Any = get_visible(Run.objects.select_related("patch__team", "created_by"), request.user, run_id)
        progress = progress_of(run)
        arrived = arrival(run) if run.state == Run.State.DONE else None
        to_review = events_to_review(run)
        known = {
            "progress": {
                "percent": progress.percent,
                "n_done": progress.n_done,
                "n_failed": progress.n_failed,
                "n_all": progress.n_all,
                "time_left_s": progress.time_left and progress.time_left.total_seconds(),
                "stages": progress.stages,
            },
            "n_tracks": run.tracks.count(),
            "n_to_review": to_review.count(),
            "n_to_judge": to_review.filter(waits_for(request.user)).count(),
            "n_addable": arrived and arrived.n_addable,
            "refusal": arrived.refusal if arrived else "The run is not done.",
        }
        for name, value in known.items():
            setattr(run, name, value)
        return Response(shapes.RunDetailShape(run).data)


def _change(address: Address, run_id: int, act: Callable[[Run], object], refusal: str) -> Response:
    """Do something to a run; a False of it is the refusal."""
    run = run_of(address.request.user, run_id)
    must_write(address.request.user, run.patch.team)
    if not act(run):
        raise RefusedError(refusal)
    return Response(shapes.RunShape(run_of(address.request.user, run_id)).data)


class RunExtend(Address):
    """More frames."""

    @operation(shapes.RunShape)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Add the frames that came after a run's last one."""
        return _change(self, run_id, lambda run: actions.extend_run(run, user=request.user), "There is none to add.")


class RunCancel(Address):
    """No more of it."""

    @operation(shapes.RunShape)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Stop a run."""
        return _change(self, run_id, actions.cancel_run, "The run had already ended.")


class RunRetry(Address):
    """Once more."""

    @operation(shapes.RunShape)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Queue again what failed or was cancelled in a run."""
        return _change(self, run_id, actions.retry_run, "There is nothing to retry in this run.")


class RunLog(Address):
    """What it said."""

    @operation(lists=shapes.LogLineShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """A run's log, oldest line first."""
        return self.page(run_of(request.user, run_id).log.order_by("pk"), shapes.LogLineShape)


# -- What the machine found ------------------------------------------------------------------------


class RunFrames(Address):
    """What it made of each frame."""

    @operation(lists=shapes.RunFrameShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The frames of a run, by T_REC."""
        found = Segmentation.objects.filter(run=run_of(request.user, run_id)).annotate(number=F("index") + 1)
        listed = found.select_related("frame").defer("frame__cards", "quiet_curve", "seconds").order_by("index")
        return self.page(listed, shapes.RunFrameShape)


def _features(**of: Any) -> Any:
    found = Feature.objects.filter(**of).annotate(number=F("segmentation__index") + 1)
    return found.select_related("track").order_by("segmentation__index", "label")


class FrameFeatures(Address):
    """What it found in one frame."""

    @operation(lists=shapes.FeatureShape)
    def get(self, request: ApiRequest, run_id: int, number: int) -> Response:
        """The pores of one frame of a run; the frame is told by its place in the run, from 1."""
        run = run_of(request.user, run_id)
        segmentation = get_object_or_404(Segmentation, run=run, index=number - 1)
        return self.page(_features(segmentation=segmentation), shapes.FeatureShape)


class RunTracks(Address):
    """Its tracks."""

    @operation(lists=shapes.TrackShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The tracks of a run, by number."""
        return self.page(_tracks(run_of(request.user, run_id)).order_by("number"), shapes.TrackShape)


def _tracks(run: Run) -> Any:
    return Track.objects.filter(run=run).annotate(first_frame=F("first_index") + 1, last_frame=F("last_index") + 1)


class OneTrack(Address):
    """One of them."""

    @operation(shapes.TrackShape)
    def get(self, request: ApiRequest, run_id: int, number: int) -> Response:
        """One track of a run."""
        track = get_object_or_404(_tracks(run_of(request.user, run_id)), number=number)
        return Response(shapes.TrackShape(track).data)


class TrackFeatures(Address):
    """Its pores."""

    @operation(lists=shapes.FeatureShape)
    def get(self, request: ApiRequest, run_id: int, number: int) -> Response:
        """The pores of one track, in time."""
        track = get_object_or_404(run_of(request.user, run_id).tracks, number=number)
        return self.page(_features(track=track), shapes.FeatureShape)


class TrackEvents(Address):
    """What happened to it."""

    @operation(lists=review_shapes.EventShape)
    def get(self, request: ApiRequest, run_id: int, number: int) -> Response:
        """The events at which a track begins, ends, joins, parts or flickers, in time."""
        track = get_object_or_404(run_of(request.user, run_id).tracks, number=number)
        events = with_state(many.events_of(track), request.user)
        return self.page(with_all(events, request.user), review_shapes.EventShape)


class TrackVerdict(Address):
    """One verdict on all of it."""

    @operation(review_shapes.DoneShape, takes=review_shapes.TrackVerdictIn)
    def post(self, request: ApiRequest, run_id: int, number: int) -> Response:
        """
        Accept or reject what waits of a track's events, or say that none of its features is a pore.

        The latter ("spurious") is kept as a correction of its first event.
        """
        run = run_of(request.user, run_id)
        must_write(request.user, run.patch.team)
        track = get_object_or_404(run.tracks, number=number)
        told = self.told(review_shapes.TrackVerdictIn)
        try:
            act = many.judge_track(track, request.user, told["choice"], note=told.get("note", ""))
        except ParameterError as problem:
            raise RefusedError(f"Nothing was judged: {problem}.") from problem
        return Response(review_shapes.DoneShape({"act": act, "n_events": act.entries.count()}).data)


class RunLinks(Address):
    """Its links."""

    @operation(lists=shapes.LinkShape, query=review_shapes.RowsQuery)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The links of a run."""
        return self.page(_links(self, Link, run_id), shapes.LinkShape)


class RunAlternatives(Address):
    """What might have been."""

    @operation(lists=shapes.AlternativeShape, query=review_shapes.RowsQuery)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The likely links of a run that were not chosen."""
        return self.page(_links(self, Alternative, run_id), shapes.AlternativeShape)


def _links(address: Address, model: type[Link] | type[Alternative], run_id: int) -> Any:
    found = model.objects.filter(run=run_of(address.request.user, run_id))
    if frame := address.asked(review_shapes.RowsQuery).get("frame"):
        found = found.filter(later__segmentation__index=frame - 1)
    return found.select_related("earlier__track", "later__track").order_by("pk")
