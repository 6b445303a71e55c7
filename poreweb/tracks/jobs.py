"""Background steps. Each takes a primary key and may safely run twice."""

from poreweb.observations.archive import read_frame
from poreweb.tracks import actions, archive, rows
from poreweb.tracks.models import Batch, Run, Segmentation
from poreweb.work.tasks import perform
from processing.chain import process_frame
from processing.errors import FitsError, FrameError
from processing.lineage import build_lineage
from processing.track import link_series

SEGMENTS_NEEDED = ("continuum", "Br", "Bt", "Bp")


def run_batch(batch_id: int) -> None:
    """Do one batch of a run: its frames one by one, or the tracking that joins them."""
    perform(Batch, batch_id, _work)


def _work(batch: Batch) -> None:
    if batch.kind == Batch.Kind.TRACK:
        track_run(batch.run)
        return
    waiting = batch.run.segmentations.filter(
        state=Segmentation.State.WAITING, index__gte=batch.first, index__lte=batch.last
    )
    n_frames = batch.run.segmentations.count()
    for segmentation in waiting.select_related("run", "run__patch", "frame"):
        if Run.objects.filter(pk=batch.run_id, state=Run.State.CANCELLED).exists():
            return
        process_segmentation(segmentation, n_frames)


def process_segmentation(segmentation: Segmentation, n_frames: int) -> None:
    """Run the chain on one frame and store what it finds, replacing anything found before."""
    run = segmentation.run
    try:
        frame = read_frame(segmentation.frame, SEGMENTS_NEEDED)
        result = process_frame(frame, run.chain_parameters)
    except (FitsError, FrameError) as problem:  # expected: shown to the user, the run goes on
        actions.mark_failed(segmentation, str(problem))
        return
    archive.write_maps(run, segmentation.index, n_frames, contrast=result.contrast, labels=result.labels)
    actions.store_frame_result(segmentation, result)


def track_run(run: Run) -> None:
    """Link the features of all frames, and cut the links into tracks and events."""
    parameters = run.chain_parameters
    done = rows.processed(run)
    if not done:
        raise FrameError("no frame was measured, so there is nothing to track")
    links = link_series(
        rows.detected_frames(run),
        pixel_side_mm=pixel_side_mm(run, done[0]),
        reach_mm=parameters.reach_mm,
        max_gap=parameters.max_gap,
    )
    nodes, frame_indices = rows.nodes_of(run)
    lineage = build_lineage(nodes, links, n_frames=len(frame_indices))
    actions.store_lineage(run, links, lineage, frame_indices=frame_indices, nodes=nodes)


def pixel_side_mm(run: Run, segmentation: Segmentation) -> float:
    """Side of a pixel of the run's working grid, Mm."""
    return segmentation.frame.geometry.pixel_side_mm / run.chain_parameters.factor
