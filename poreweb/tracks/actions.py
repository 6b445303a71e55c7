"""Every change to runs and what they find."""

import hashlib
import json
import logging
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

import poreweb
from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.tracks import rows
from poreweb.tracks.changes import change_lineage
from poreweb.tracks.extension import TakenOver, arrival, highest_track
from poreweb.tracks.models import Batch, Feature, Run, RunLog, Segmentation
from poreweb.tracks.signals import run_done, run_stopped
from poreweb.words import counted
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch, must_hold
from processing.certainty import Certainty
from processing.chain import FrameResult
from processing.errors import ParameterError
from processing.lineage import Lineage, Node
from processing.measure import ERROR_SEGMENTS, FIELD_SEGMENTS
from processing.parameters import ChainParameters
from processing.track import Linked
from processing.track.extend import REOPENED

log = logging.getLogger(__name__)
# A run whose failed frames are more than this share is not to be trusted as a series.
MAX_FAILED_SHARE = 0.2
SEGMENTS_READ = ("continuum", *FIELD_SEGMENTS, *ERROR_SEGMENTS)  # those that a frame has
_READ_BY_RUNS = RawFile.objects.filter(segment__in=SEGMENTS_READ, conflict=False).order_by("segment", "pk")


@cache
def code_version() -> str:
    """The version, and the commit where the source tree has one."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=5, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return poreweb.__version__
    return f"{poreweb.__version__}+{commit}"


def write_log(run: Run, text: str) -> None:
    """Add a line to a run's log."""
    RunLog.objects.create(run=run, text=text)


@transaction.atomic
def start_run(
    patch: Patch,
    parameters: ChainParameters,
    *,
    user: User | None = None,
    parent: Run | None = None,
    settled_from: Run | None = None,
) -> Run:
    """
    Snapshot the patch's frames and queue the chain on them.

    What people have settled in ``settled_from`` is kept by the tracking, and their verdicts
    are carried over to matching events when the run is done.

    Raises
    ------
    ParameterError
        If the patch holds no frame, or ``settled_from`` is of another patch.
    """
    frames = list(patch.frames.order_by("t_rec_s"))
    if not frames:
        raise ParameterError(f"{patch} holds no frame to process")
    if settled_from is not None and settled_from.patch_id != patch.pk:
        raise ParameterError(f"{settled_from} is of another patch, so nothing settled in it can be kept")
    Patch.objects.select_for_update(no_key=True).get(pk=patch.pk)  # so that two runs never take one number
    latest = patch.runs.aggregate(latest=Max("number"))["latest"] or 0
    run = Run.objects.create(
        patch=patch, number=latest + 1, parent=parent, parameters=parameters.as_dict(), code_version=code_version(),
        created_by=user, settled_from=settled_from,
    )  # fmt: skip
    Segmentation.objects.bulk_create(
        [Segmentation(run=run, frame=frame, index=index) for index, frame in enumerate(frames)], batch_size=500
    )
    run.input_hash = input_hash(run)
    run.save(update_fields=["input_hash"])
    _dispatch_frames(run, 0, len(frames))
    write_log(run, f"Run {run.number} started on {counted(len(frames), 'frame')} with code {run.code_version}.")
    return run


def _dispatch_frames(run: Run, first: int, end: int) -> None:
    """Queue the frames from index ``first`` on, before ``end``."""
    # a job starts TensorFlow anew, so a long series goes in longer batches: at most some twenty
    step = max(settings.BATCH_FRAMES, (end - first) // 20)
    for start in range(first, end, step):
        last = min(start + step, end) - 1
        dispatch(Batch.objects.create(run=run, kind=Batch.Kind.FRAMES, first=start, last=last))


@transaction.atomic
def extend_run(run: Run, *, user: User | None = None) -> int:
    """
    Queue the chain on the frames that have come after the run's last one; how many they are.

    Raises
    ------
    ParameterError
        If the run is not done, or there is no such frame, or one that is not later.
    """
    run = run.locked()
    arrived = arrival(run)
    if arrived.refusal:
        raise ParameterError(arrived.refusal)
    first, n_new = run.segmentations.count(), len(arrived.frames)
    Segmentation.objects.bulk_create(
        [Segmentation(run=run, frame=frame, index=first + k) for k, frame in enumerate(arrived.frames)], batch_size=500
    )
    run.extensions.append(
        {
            "first": first,
            "n_frames": n_new,
            "code_version": code_version(),
            "by": user.username if user else "",
            "at": timezone.now().isoformat(),
            "highest_track": highest_track(run),
        }
    )
    run.state, run.error, run.finished_at = Run.State.RUNNING, "", None
    run.input_hash = input_hash(run, as_read=True)
    run.save(update_fields=["extensions", "state", "error", "finished_at", "input_hash"])
    _dispatch_frames(run, first, first + n_new)
    write_log(run, f"{n_new} frame{'s' if n_new > 1 else ''} added with code {code_version()}.")
    return n_new


def input_hash(run: Run, *, as_read: bool = False) -> str:
    """
    SHA-256 over the raw files that are held of a run's frames, its parameters, and where frames were added to it.

    Once it is tracked, also over the settled links that it kept from another run. Equal
    hashes give equal results, but for what people had settled when frames were added.
    ``as_read`` takes the files that a frame was measured from, where it was, instead of
    those held now: a run keeps that one, so that the two differ when there is more to read.
    """
    digest = hashlib.sha256(json.dumps(run.parameters, sort_keys=True).encode())
    if run.settled_hash:
        digest.update(f"settled {run.settled_hash}\n".encode())
    for added in run.extensions:
        digest.update(f"added from {added['first']}\n".encode())
    held = defaultdict(list)
    files = _READ_BY_RUNS.filter(frame__segmentations__run=run).values_list("frame", "segment", "sha256")
    for frame, *file in files:
        held[frame].append(file)
    frames = run.segmentations.order_by("frame__t_rec_s").values_list("frame__t_rec_s", "frame", "files")
    for t_rec_s, frame, read in frames:
        for segment, sha256 in read if as_read and read is not None else held[frame]:
            digest.update(f"{t_rec_s} {segment} {sha256}\n".encode())
    return digest.hexdigest()


def files_of(frame: Frame) -> list[tuple[str, str]]:
    """What a run that measures the frame now reads: segments and SHA-256 of the files."""
    return list(_READ_BY_RUNS.filter(frame=frame).values_list("segment", "sha256"))


@transaction.atomic
def store_frame_result(batch: Batch, segmentation: Segmentation, result: FrameResult) -> None:
    """Replace what was found in one frame before, if the batch is still this worker's."""
    must_hold(batch)
    segmentation.features.all().delete()
    features = rows.feature_rows(segmentation, result.features)
    Feature.objects.bulk_create(features, batch_size=200)
    segmentation.state, segmentation.reason = Segmentation.State.DONE, ""
    segmentation.quiet_sun, segmentation.quiet_sun_enhanced = result.quiet_sun, result.quiet_sun_enhanced
    segmentation.quiet_curve, segmentation.seconds = result.quiet_curve.as_dict(), result.seconds
    segmentation.n_features = len(features)
    segmentation.save()


@transaction.atomic
def mark_failed(batch: Batch, segmentation: Segmentation, reason: str) -> None:
    """Keep why a frame cannot be processed; the run goes on."""
    must_hold(batch)
    segmentation.state, segmentation.reason = Segmentation.State.FAILED, reason
    segmentation.save(update_fields=["state", "reason", "files"])
    write_log(segmentation.run, f"Frame {segmentation.frame.t_rec} failed: {reason}.")


@transaction.atomic
def store_lineage(
    batch: Batch,
    linked: Linked,
    lineage: Lineage,
    certainties: Sequence[Certainty],
    *,
    frame_indices: list[int],
    nodes: list[Node],
    n_known: int = 0,
    taken: TakenOver | None = None,
) -> None:
    """
    Store the run's links, alternatives, tracks and events, if the tracking is still this worker's.

    Where it was tracked before, also by an attempt that ended later than this step, rows
    that stay as they were are kept, and with them what people have said. ``n_known`` frames
    were tracked before these; ``taken`` is what the links keep of another run.
    """
    must_hold(batch)
    if taken is not None:
        Run.objects.filter(pk=batch.run_id).update(settled_hash=taken.digest)
        if source := batch.run.settled_from:
            write_log(batch.run, taken.words(source))
    found = batch.run, linked, lineage, certainties, frame_indices, nodes
    if Feature.objects.filter(track__run=batch.run_id).exists():
        for event in change_lineage(*found, first_open=n_known - REOPENED):
            what = f"{event.get_kind_display().capitalize()} in frame {event.index + 1}"
            # not what they have done: which events are gold is for leads to know
            write_log(batch.run, f"{what} is not found any more; it stays, since people have worked on it.")
    else:
        rows.save_lineage(*found)
    n_tracks, n_links = counted(len(lineage.tracks), "track"), counted(len(linked.links), "link")
    write_log(batch.run, f"{n_tracks}, {n_links} and {counted(len(lineage.events), 'event')}.")


def advance(run: Run) -> None:
    """Take the step that is due when a batch has ended. Called in the transaction that ended it."""
    run = run.locked()
    if run.state != Run.State.RUNNING or run.batches.filter(state__in=Task.OPEN).exists():
        return
    failed = run.batches.filter(state=Task.State.FAILED)
    n_tracked = run.n_tracked
    n_failed, n_all = run.segmentations.filter(state=Segmentation.State.FAILED).count(), run.segmentations.count()
    if failed.exists():
        first = failed.first()
        assert first is not None
        _end(run, Run.State.FAILED, f"{first.get_kind_display()} failed: {first.error}")
    elif n_failed > MAX_FAILED_SHARE * n_all:
        reason = run.segmentations.filter(state=Segmentation.State.FAILED).values_list("reason", flat=True)[0]
        _end(run, Run.State.FAILED, f"{n_failed} of {counted(n_all, 'frame')} failed; the first one because {reason}.")
    elif n_tracked < n_all:
        write_log(run, f"{n_all - n_failed} of {counted(n_all, 'frame')} measured; tracking.")
        dispatch(Batch.objects.create(run=run, kind=Batch.Kind.TRACK, first=n_tracked, last=n_all - 1))
    else:
        # files may have come after the start, before a frame was measured or after
        run.input_hash, run.sparkline, run.n_automatic = input_hash(run, as_read=True), rows.sparkline(run), 0
        run.save(update_fields=["input_hash", "sparkline", "n_automatic"])
        _end(run, Run.State.DONE)


def _end(run: Run, state: Run.State, error: str = "") -> None:
    run.state, run.error, run.finished_at = state, error, timezone.now()
    run.save(update_fields=["state", "error", "finished_at"])
    write_log(run, f"Run {state.label}. {error}".strip())
    signal = run_done if state == Run.State.DONE else run_stopped
    signal.send(Run, run=run)


@transaction.atomic
def cancel_run(run: Run) -> bool:
    """Stop a run: its waiting batches are dropped, a working one ends after its frame. False if it had ended."""
    run = run.locked()
    if run.state != Run.State.RUNNING:
        return False
    run.batches.filter(state__in=Task.OPEN).update(state=Task.State.CANCELLED, finished_at=timezone.now())
    _end(run, Run.State.CANCELLED)
    return True


@transaction.atomic
def retry_run(run: Run, *, by_itself: bool = False) -> bool:
    """
    Queue again what failed or was cancelled; frames already measured are kept. False if there is nothing.

    A frame that failed among those that have been tracked stays so: what is settled is not opened again.
    ``by_itself`` is without a person, which is done once only.
    """
    run = run.locked()
    if run.state not in (Run.State.FAILED, Run.State.CANCELLED):
        return False
    run.state, run.error, run.finished_at = Run.State.RUNNING, "", None
    run.n_automatic = run.n_automatic + 1 if by_itself else 0
    run.save(update_fields=["state", "error", "finished_at", "n_automatic"])
    write_log(run, "Retried, since frames have come." if by_itself else "Retried.")
    failed_frames = run.segmentations.filter(state=Segmentation.State.FAILED, index__gte=run.n_tracked)
    again = set(failed_frames.values_list("index", flat=True))
    failed_frames.update(state=Segmentation.State.WAITING, reason="")
    # made again once all frames are in
    run.batches.filter(kind=Batch.Kind.TRACK).exclude(state=Task.State.DONE).delete()
    for batch in run.batches.all():
        holds_failed = any(batch.first <= index <= batch.last for index in again)
        if holds_failed or batch.state in (Task.State.FAILED, Task.State.CANCELLED):
            batch.state, batch.error, batch.finished_at = Task.State.WAITING, "", None
            batch.forgiven = batch.attempts
            batch.save(update_fields=["state", "forgiven", "error", "finished_at"])
            dispatch(batch)
    advance(run)
    return True
