"""What comes in is processed: by a new run, by one that goes on, or when the one at work has ended."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from poreweb.observations.models import Ingest, Patch
from poreweb.tracks.actions import extend_run, input_hash, retry_run, start_run, write_log
from poreweb.tracks.extension import arrival
from poreweb.tracks.models import Batch, Run
from poreweb.work.models import Task
from processing.parameters import ChainParameters

# Of runs: done now, or done before frames were added.
_HAS_LINEAGE = Q(state=Run.State.DONE) | Exists(
    Batch.objects.filter(run=OuterRef("pk"), kind=Batch.Kind.TRACK, state=Task.State.DONE)
)


def process_ingest(ingest: Ingest, **_: Any) -> None:
    """Process the patches of a delivery, when that was asked for."""
    if ingest.run_after:
        for patch in ingest.patches.order_by("pk"):  # in one order, since each is locked until all are done
            process_new_frames(patch, user=ingest.user)


def look_when_committed(run: Run, **_: Any) -> None:
    """Go on with what waits for a run that ends, when whoever else wants to hear of its end has done his part."""
    # should this process die before, the patch still says that frames wait, and `go_on_where_left` finds it
    transaction.on_commit(partial(process_what_waited, run), robust=True)


@transaction.atomic
def process_what_waited(run: Run) -> None:
    """Go on with what came while a run that has now ended was at work, unless somebody has stopped the only one."""
    patch = Patch.objects.select_for_update(no_key=True).get(pk=run.patch_id)
    if not patch.process_new:
        return
    if _latest(patch) is None:
        write_log(run, "Frames have come. They wait until this run is continued or a new one is started.")
        return
    patch.process_new = False
    patch.save(update_fields=["process_new"])
    process_new_frames(patch, user=run.created_by)


def go_on_where_left(**_: Any) -> None:
    """Go on with frames that still wait for a run that has ended: the process that ended it died before it did so."""
    for patch in Patch.objects.filter(process_new=True):
        latest = _latest(patch)
        if latest and (latest.state == Run.State.DONE or (latest.state == Run.State.FAILED and not latest.n_automatic)):
            process_what_waited(latest)


@transaction.atomic
def process_new_frames(patch: Patch, *, user: User | None = None) -> None:
    """
    Process what the patch's newest run has not seen.

    The run goes on where all new frames are later than its own; otherwise, or when files
    have come that it has not read, a new one with the same parameters keeps what people
    have settled. While a run is at work the frames wait until it has ended, and after one
    that failed and was begun again once, until a person does so. A patch of which the run
    has seen every file is left as it is.
    """
    patch = Patch.objects.select_for_update(no_key=True).get(pk=patch.pk)
    latest = _latest(patch)
    waited, patch.process_new = patch.process_new, latest is not None and latest.state == Run.State.RUNNING
    patch.save(update_fields=["process_new"])
    if patch.process_new:
        return
    if latest is None:
        stopped = patch.runs.first()
        start_run(patch, stopped.chain_parameters if stopped else ChainParameters(), user=user, parent=stopped)
    elif latest.state == Run.State.FAILED:
        _begin_again(latest, user=user, waited=waited)
    elif latest.state == Run.State.CANCELLED or input_hash(latest) != latest.input_hash:
        _follow(latest, user=user)
    elif not (arrived := arrival(latest)).refusal:
        extend_run(latest, user=user)
    elif arrived.frames:
        _follow(latest, user=user)


def _latest(patch: Patch) -> Run | None:
    """The newest run; one that was cancelled before it came to anything is as if it had not been."""
    return patch.runs.filter(~Q(state=Run.State.CANCELLED) | _HAS_LINEAGE).first()


def _begin_again(failed: Run, *, user: User | None, waited: bool) -> None:
    """
    Try a failed run once more, or a new one in its place; when that has been done, frames wait for a person.

    A run that people may have worked on, or that holds all frames, is retried, and goes on
    with the others when it is done. ``waited`` is whether frames have waited for it before.
    """
    frames_wait = arrival(failed).frames
    if failed.n_automatic:
        if not waited:
            write_log(failed, "Frames have come. They wait until this run is retried or a new one is started.")
        Patch.objects.filter(pk=failed.patch_id).update(process_new=True)
    elif failed.n_tracked or not frames_wait:
        # what came with files for frames that it has measured is seen when it is done
        Patch.objects.filter(pk=failed.patch_id).update(process_new=True)
        retry_run(failed, by_itself=True)
    else:
        run = _follow(failed, user=user)
        run.n_automatic = failed.n_automatic + 1
        run.save(update_fields=["n_automatic"])


def _follow(latest: Run, *, user: User | None) -> Run:
    """A new run with the parameters of the newest one, and what is settled in the newest that came to anything."""
    source = latest.patch.runs.filter(_HAS_LINEAGE).first()
    return start_run(latest.patch, latest.chain_parameters, user=user, parent=latest, settled_from=source)
