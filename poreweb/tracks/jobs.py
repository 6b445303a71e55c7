"""Background steps. Each takes a primary key and may safely run twice."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from poreweb.observations.archive import read_frame
from poreweb.tracks import accuracy, actions, archive, extension, rows
from poreweb.tracks.models import Batch, Run, Segmentation
from poreweb.work.tasks import holds, perform
from processing.certainty import weigh_events
from processing.chain import process_frame
from processing.errors import FitsError, FrameError, ParameterError
from processing.lineage import build_lineage
from processing.track import Linked, link_series, series_breaks


def run_batch(batch_id: int, attempt: int | None = None) -> None:
    """Do one batch of a run: its frames one by one, or the tracking that joins them."""
    perform(Batch, batch_id, _work, attempt)


def _work(batch: Batch) -> None:
    if batch.kind == Batch.Kind.TRACK:
        track_run(batch)
        return
    waiting = batch.run.segmentations.filter(
        state=Segmentation.State.WAITING, index__gte=batch.first, index__lte=batch.last
    )
    n_frames = batch.run.segmentations.count()
    for segmentation in waiting.select_related("run", "run__patch", "frame"):
        if not holds(batch):
            return
        segmentation.files = actions.files_of(segmentation.frame)  # before: what comes meanwhile counts as not read
        process_segmentation(batch, segmentation, n_frames)


def process_segmentation(batch: Batch, segmentation: Segmentation, n_frames: int) -> None:
    """Run the chain on one frame and store what it finds, replacing anything found before."""
    run = segmentation.run
    try:
        frame = read_frame(segmentation.frame, actions.SEGMENTS_READ)
        result = process_frame(frame, run.chain_parameters, weights=settings.PUBLISHED_WEIGHTS or None)
        archive.write_maps(run, segmentation.index, n_frames, contrast=result.contrast, labels=result.labels)
    except (FitsError, FrameError, ParameterError) as problem:  # expected: shown to the user, the run goes on
        actions.mark_failed(batch, segmentation, str(problem))
        return
    actions.store_frame_result(batch, segmentation, result)


def track_run(batch: Batch) -> None:
    """
    Link the features of all frames, cut the links into tracks and events, and weigh how sure these are.

    When frames before the batch's first one have been tracked, that is gone on with.
    """
    run = batch.run
    parameters = run.chain_parameters
    done = rows.processed(run)
    if not done:
        raise FrameError("no frame was measured, so there is nothing to track")
    n_known = sum(segmentation.index < batch.first for segmentation in done)
    if n_known == len(done):
        actions.write_log(run, "No new frame was measured; tracks and events stay as they are.")
        return
    options: dict[str, Any] = {
        "pixel_side_mm": pixel_side_mm(run, done[0]),
        "reach_mm": parameters.reach_mm,
        "max_gap": parameters.max_gap,
        "link_bias": parameters.link_bias,
        "opposite_polarity": parameters.opposite_polarity,
        "cadence_s": run.patch.cadence_s,
    }
    taken = None
    if n_known:
        linked = extension.go_on_with_links(run, done, n_known, **options)
    else:
        taken = extension.taken_over(run)
        linked = _link_all(run, taken.links, **options)
    nodes, frame_indices = rows.nodes_of(run)
    times = [segmentation.frame.t_rec_s for segmentation in done]
    breaks = series_breaks(times, max_gap=parameters.max_gap, cadence_s=run.patch.cadence_s)
    cut: dict[str, Any] = {"n_frames": len(frame_indices), "breaks": breaks}
    lineage = build_lineage(nodes, linked.links, **cut, numbers=extension.track_numbers(run))
    if n_known:
        lineage = extension.without_answered(run, lineage, nodes, linked, **cut)
    certainties = weigh_events(lineage, nodes, linked)
    if holds(batch):
        archive.write_statistics(run)
    actions.store_lineage(
        batch, linked, lineage, certainties, frame_indices=frame_indices, nodes=nodes, n_known=n_known, taken=taken
    )
    accuracy.store_accuracy(run)


def _link_all(run: Run, settled: Mapping[tuple[int, int], bool], **options: Any) -> Linked:
    """The links of the whole series, with those that are settled as sure as the machine finds them."""
    alone = link_series(rows.detected_frames(run), **options)
    if not settled:
        return alone
    linked = link_series(rows.detected_frames(run), settled=settled, **options)
    return extension.as_sure_as_found(linked, alone, settled)


def pixel_side_mm(run: Run, segmentation: Segmentation) -> float:
    """Side of a pixel of the run's working grid, Mm."""
    return segmentation.frame.geometry.pixel_side_mm / run.chain_parameters.factor
