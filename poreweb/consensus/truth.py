"""Which events of a run on a simulated patch are right."""

from poreweb import storage
from poreweb.tracks import accuracy, rows
from poreweb.tracks.models import Run
from processing.errors import FrameError
from processing.synthetic_truth import read_truth
from processing.truth import match_pores, right_events, true_edges


def right_by_truth(run: Run) -> dict[int, bool]:
    """
    Whether each of the run's events, by key, is true to the last parent and child.

    Events in frames that came after the simulation are left out. Without the scores that
    `poreweb.tracks.accuracy` computes beside it, and so in a moment.

    Raises
    ------
    FrameError
        If the patch has no truth, or one that is not of these frames.
    """
    if not accuracy.has_truth(run.patch):
        raise FrameError(f"{run.patch} is not simulated, so the truth of it is not known")
    with storage.local_copy(accuracy.truth_key(run.patch)) as path:
        truth = read_truth(path)
    slots = {frame.t_rec_s for frame in truth.frames}
    known = [segmentation for segmentation in rows.processed(run) if segmentation.frame.t_rec_s in slots]
    if not known:
        raise FrameError("none of the run's frames is in the simulation whose truth is known")
    found, track_of = accuracy.detections_of(run, known)
    members, _ = match_pores(truth, found)
    edges = true_edges(truth, found, members, max_gap=run.chain_parameters.max_gap)
    events = accuracy.found_events(run, track_of)
    right = right_events(list(events.values()), edges[:, [1, 3]])
    return dict(zip(events, right.tolist(), strict=True))
