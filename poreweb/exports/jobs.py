"""Background steps. Each takes a primary key and may safely run twice."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from django.db import transaction

from poreweb import storage
from poreweb.exports.catalogue import build_catalogue
from poreweb.exports.models import Export
from poreweb.review.queries import REVIEW_KINDS
from poreweb.tracks import archive, rows
from poreweb.tracks.jobs import pixel_side_mm
from poreweb.tracks.models import Run, Segmentation
from poreweb.work.tasks import must_hold, perform
from processing.errors import FrameError
from processing.export import write_catalogue
from processing.movie import MAX_GAP_FRAMES, MovieFrame, write_movie
from processing.timekeys import slots_between

SAVE_EVERY = 10


def run_export(export_id: int, attempt: int | None = None) -> None:
    """Make one export's file."""
    perform(Export, export_id, _make, attempt)


def _make(export: Export) -> None:
    key = f"exports/{export.pk}/{export.attempts}/{export.file_name}"  # of this attempt alone
    with storage.writing(key) as path:
        if export.kind == Export.Kind.MOVIE:
            _make_movie(export, path, f"{key.rpartition('.')[0]}.json")
        else:
            write_catalogue(build_catalogue(export.run), path, kind=export.kind)
        export.size = path.stat().st_size
        with path.open("rb") as made:
            export.sha256 = hashlib.file_digest(made, "sha256").hexdigest()
    export.path = key
    with transaction.atomic():
        must_hold(export)
        export.save(update_fields=["path", "size", "sha256"])


def _make_movie(export: Export, path: Path, sidecar_key: str) -> None:
    run = export.run
    done = rows.processed(run)
    if not done:
        raise FrameError("no frame was measured, so there is nothing to show")
    Export.objects.filter(pk=export.pk).update(n_done=0, n_total=done[-1].index - done[0].index + 1)

    def progress(n_done: int) -> None:
        if n_done % SAVE_EVERY == 0:
            Export.objects.filter(pk=export.pk).update(n_done=n_done)

    summary = write_movie(
        path,
        movie_frames(run, done),
        title=f"{run.patch} · run {run.number}",
        pixel_side_mm=pixel_side_mm(run, done[0]),
        progress=progress,
    )
    try:
        storage.write_bytes(sidecar_key, summary.sidecar.read_bytes())
    finally:
        summary.sidecar.unlink(missing_ok=True)
    Export.objects.filter(pk=export.pk).update(n_done=summary.n_frames, n_total=summary.n_frames)


def movie_frames(run: Run, done: list[Segmentation]) -> Iterator[MovieFrame]:
    """The run's frames in order; of each gap up to MAX_GAP_FRAMES slots as marked frames."""
    events = _event_words(run)
    previous: Segmentation | None = None
    for segmentation in done:
        t_rec_s = segmentation.frame.t_rec_s
        if previous is not None:
            for missing in slots_between(previous.frame.t_rec_s, t_rec_s, run.patch.cadence_s)[:MAX_GAP_FRAMES]:
                yield MovieFrame(missing, gap=True)
        yield MovieFrame(
            t_rec_s,
            contrast=archive.read_contrast(run, segmentation.index),
            labels=archive.read_labels(run, segmentation.index),
            tracks=dict(segmentation.features.filter(track__isnull=False).values_list("label", "track__number")),
            events=events[segmentation.index],
        )
        previous = segmentation


def _event_words(run: Run) -> dict[int, list[str]]:
    """What happens in each frame, in short: "merge 3+4 -> 7"."""
    words: dict[int, list[str]] = defaultdict(list)
    shown = run.events.filter(kind__in=REVIEW_KINDS).prefetch_related("parents__track", "children__track")
    for event in shown:
        ends = [
            "+".join(str(feature.track.number) for feature in side.all() if feature.track)
            for side in (event.parents, event.children)
        ]
        words[event.index].append(f"{event.kind} {ends[0]} -> {ends[1]}" if event.kind != "gap" else f"gap {ends[0]}")
    return words
