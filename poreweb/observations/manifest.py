"""All that the frame viewer must know before it fetches an image."""

from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from poreweb.observations.layers import continuum_scale, layers_of
from poreweb.observations.models import Frame, Patch
from poreweb.review.queries import review_events
from poreweb.tracks import archive
from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.quality import describe, read_quality
from processing.timekeys import format_t_rec, slots_between, utcs_of


def viewer_manifest(patch: Patch, run: Run | None, *, reader: User) -> dict[str, Any]:
    """Frames, gaps, events with their state as the reader may know it, layers and addresses, in plain values."""
    frames = list(patch.frames.order_by("t_rec_s"))
    utcs = utcs_of(frame.t_rec_s for frame in frames)
    place = {frame.pk: index for index, frame in enumerate(frames)}
    held = defaultdict(list)
    for frame_id, segment in frames_segments(patch):
        held[frame_id].append(segment)
    found = {} if run is None else {item.frame_id: item for item in run.segmentations.all()}
    statistics = None if run is None else archive.statistics_size(run)
    query = "" if run is None else f"?run={run.pk}"
    scale = None if patch.harpnum is not None else continuum_scale(frames)
    base = reverse("observations:viewer", args=[patch.pk]).removesuffix("viewer/")
    return {
        "patch": {"harpnum": patch.harpnum, "title": str(patch)},
        "run": None if run is None else {"id": run.pk, "number": run.number, "state": run.state},
        "events_url": None if run is None else reverse("review:events", args=[run.pk]),
        "layers": [layer.as_dict() for layer in layers_of(statistics.n_frames if statistics else None, scale)],
        "frames": [
            _frame(frame, index, utc, held[frame.pk], found.get(frame.pk))
            for index, (frame, utc) in enumerate(zip(frames, utcs, strict=True))
        ],
        "gaps": _gaps(frames, patch.cadence_s),
        "events": [] if run is None else _events(run, {item.index: place[pk] for pk, item in found.items()}, reader),
        "layer_url": f"{base}frames/{{id}}/{{layer}}.bin{query}",
        "features_url": f"{base}frames/{{id}}/features.json{query}",
        "statistics": _statistics(run, statistics, base, frames),
    }


def _statistics(
    run: Run | None, size: archive.StatisticsSize | None, base: str, frames: list[Frame]
) -> dict[str, Any] | None:
    """What the run's statistics are of, their native shape, and their one address for all frames."""
    if run is None or size is None or not frames:
        return None
    factor = run.chain_parameters.factor
    return {
        "n_frames": size.n_frames,
        "shape": [side // factor for side in size.shape],
        # the number of frames, so that a browser asks anew when a run that was retried has more
        "url": f"{base}frames/{frames[0].pk}/{{layer}}.bin?run={run.pk}&of={size.n_frames}",
    }


def frames_segments(patch: Patch) -> list[tuple[int, str]]:
    """(frame key, segment) of every raw file in use."""
    files = patch.frames.filter(raw_files__conflict=False)
    return list(files.values_list("pk", "raw_files__segment"))


def _frame(frame: Frame, index: int, utc: datetime, segments: list[str], found: Segmentation | None) -> dict[str, Any]:
    layers = list(segments)
    if "continuum" in segments:
        layers.append("contrast")
    if found is not None and found.state == Segmentation.State.DONE:
        layers += ["enhanced", "labels"]
    try:
        geometry = frame.geometry
    except FrameError:
        geometry = None
    return {
        "id": frame.pk,
        "index": index,
        "t_rec": frame.t_rec,
        "t_rec_s": frame.t_rec_s,
        "utc": utc.isoformat(" ", timespec="seconds"),
        "shape": [frame.ny, frame.nx],
        **_quality(frame.quality),
        "segments": layers,
        "waiting": found is not None and found.state == Segmentation.State.WAITING,
        "failed": found.reason if found is not None else "",
        "geometry": asdict(geometry) if geometry and geometry.knows_places else None,
        "pixel_mm": geometry.pixel_side_mm if geometry else None,
    }


def _quality(word: int | None) -> dict[str, Any]:
    """The QUALITY word without sign, and what its bits say; None when the header has none."""
    if word is None:
        return {"quality": None, "quality_words": []}
    try:
        return {"quality": int(read_quality(word)), "quality_words": describe(word)}
    except FrameError as problem:  # a header that is wrong is shown as it is
        return {"quality": word, "quality_words": [str(problem)]}


def _gaps(frames: list[Frame], cadence_s: int) -> list[dict[str, Any]]:
    gaps = []
    for index in range(len(frames) - 1):
        missing = slots_between(frames[index].t_rec_s, frames[index + 1].t_rec_s, cadence_s)
        if missing:
            # a patch seen again months later is one gap, not ten thousand names
            gaps.append({"after": index, "missing": len(missing), "t_recs": [format_t_rec(s) for s in missing[:20]]})
    return gaps


def _events(run: Run, place: dict[int, int], reader: User) -> list[dict[str, Any]]:
    shown = review_events(run, reader)
    return [
        {"id": event.pk, "kind": event.kind, "frame": place[event.index], "state": event.state,
         "url": event.get_absolute_url()}
        for event in shown if event.index in place
    ]  # fmt: skip
