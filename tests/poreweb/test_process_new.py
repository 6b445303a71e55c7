"""Frames that come while a run is at work or after one that failed: nothing waits for ever, nothing goes round."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.tracks import actions, incoming, jobs
from poreweb.tracks.models import Batch, Run, Segmentation
from poreweb.tracks.signals import run_done
from poreweb.work.models import Task
from poreweb.work.signals import housekeeping
from poreweb.work.tasks import must_hold
from processing.parameters import ChainParameters

pytestmark = pytest.mark.usefixtures("no_files", "chain")


class Chain:
    """Stands for the chain: ``seen`` are run, index and segments of what was measured; the tracking may be broken."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, set[str]]] = []
        self.is_broken = False

    def measure(self, batch: Batch, segmentation: Segmentation, n_frames: int) -> None:
        segments = set(segmentation.frame.raw_files.values_list("segment", flat=True))
        self.seen.append((segmentation.run.number, segmentation.index, segments))
        segmentation.state = Segmentation.State.DONE
        segmentation.save()

    def track(self, batch: Batch) -> None:
        if self.is_broken:
            raise RuntimeError("a bug")


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain()
    monkeypatch.setattr(jobs, "process_segmentation", chain.measure)
    monkeypatch.setattr(jobs, "track_run", chain.track)
    return chain


@pytest.fixture
def work(queues: Any) -> Callable[[], None]:
    """Do every job, also after one that has a bug."""

    def worked() -> None:
        while queues.commit().jobs:
            function, pk = queues.jobs.pop(0)
            try:
                import_string(function)(pk)
            except RuntimeError:
                continue

    return worked


@pytest.fixture
def later(patch: Patch) -> Callable[[], None]:
    """Take the last frames from the patch; each call delivers one of them."""
    taken = list(patch.frames.order_by("t_rec_s"))[6:]
    files = {frame.t_rec_s: list(frame.raw_files.all()) for frame in taken}
    patch.frames.filter(pk__in=[frame.pk for frame in taken]).delete()

    def come() -> None:
        frame = taken.pop(0)
        Frame.objects.bulk_create([frame])
        RawFile.objects.bulk_create(files[frame.t_rec_s])
        incoming.process_new_frames(patch)

    return come


@pytest.fixture
def fields(patch: Patch) -> Callable[..., None]:
    """Take the field's files from the patch; the call delivers those of frames, or all."""
    taken = list(RawFile.objects.exclude(segment__in=("continuum", "bitmap")))
    RawFile.objects.filter(pk__in=[row.pk for row in taken]).delete()

    def come(frames: Any = None) -> None:
        RawFile.objects.bulk_create([row for row in taken if frames is None or row.frame in frames])
        incoming.process_new_frames(patch)

    return come


def states(patch: Patch) -> list[tuple[int, str, int]]:
    """Number, state and frames of its runs."""
    return [(run.number, run.state, run.segmentations.count()) for run in patch.runs.order_by("number")]


def words(run: Run) -> list[str]:
    return [line.text for line in run.log.all() if "They wait" in line.text]


def is_waiting(patch: Patch) -> bool:
    patch.refresh_from_db()
    return patch.process_new


# -- What waits for a run that comes to nothing -----------------------------------------------------------------


def test_what_waits_for_a_run_that_fails_goes_round_once(patch, later, chain, work):
    chain.is_broken = True
    incoming.process_new_frames(patch)
    later()
    assert is_waiting(patch)
    work()
    # a new run holds the frame; it fails as well, and nothing waits any more
    assert states(patch) == [(1, "failed", 6), (2, "failed", 7)]
    assert not is_waiting(patch)


def test_what_waits_for_a_run_that_is_cancelled_is_processed(patch, later, work):
    incoming.process_new_frames(patch)
    work()
    second = actions.start_run(patch, ChainParameters(min_pixels=9))
    later()
    assert actions.cancel_run(second)
    work()
    assert states(patch) == [(1, "done", 7), (2, "cancelled", 6)]
    assert not is_waiting(patch)


def test_who_cancels_the_only_run_is_not_answered_with_another(patch, later, work):
    """The frames wait for a person, who may continue it; so do those that a process forgot when it died."""
    parameters = ChainParameters(min_pixels=9)
    run = actions.start_run(patch, parameters)
    later()
    assert actions.cancel_run(run)
    work()
    housekeeping.send(None)
    assert states(patch) == [(1, "cancelled", 6)]
    assert len(words(run)) == 1
    assert is_waiting(patch)

    assert actions.retry_run(run)
    work()
    assert states(patch) == [(1, "done", 7)]
    assert not is_waiting(patch)


def test_what_comes_after_the_only_run_was_cancelled_is_processed_with_its_parameters(patch, later, work):
    run = actions.start_run(patch, ChainParameters(enhance="none", min_pixels=9))
    actions.cancel_run(run)
    later()
    work()
    assert states(patch) == [(1, "cancelled", 6), (2, "done", 7)]
    assert patch.runs.get(number=2).parameters == run.parameters


@pytest.mark.parametrize("ends", ["done", "failed"])
def test_a_process_that_dies_when_its_run_has_ended_leaves_no_frame_waiting(ends, patch, later, chain, work):
    incoming.process_new_frames(patch)
    later()
    chain.is_broken = ends == "failed"
    with pytest.MonkeyPatch.context() as dying:
        dying.setattr(incoming, "process_what_waited", lambda run: None)
        work()
    assert states(patch) == [(1, ends, 6)]
    assert is_waiting(patch)
    chain.is_broken = False
    for _ in range(2):  # of several workers
        housekeeping.send(None)
    work()
    assert states(patch) == ([(1, "done", 7)] if ends == "done" else [(1, "failed", 6), (2, "done", 7)])
    assert not is_waiting(patch)


def test_a_run_that_was_cancelled_when_frames_were_added_is_not_forgotten(patch, later, work):
    incoming.process_new_frames(patch)
    work()
    later()
    actions.cancel_run(patch.runs.get())
    later()
    work()
    assert states(patch) == [(1, "cancelled", 7), (2, "done", 8)]
    before, after = patch.runs.order_by("number")
    assert (after.parent, after.settled_from) == (before, before)


# -- After a run that failed ---------------------------------------------------------------------------------------


def test_a_chain_that_fails_makes_no_run_for_each_delivery(patch, later, chain, work):
    incoming.process_new_frames(patch)
    work()
    chain.is_broken = True
    for _ in range(5):
        later()
        work()
    run = patch.runs.get()  # the one that people have worked on is gone on with
    assert (run.state, run.segmentations.count(), run.n_automatic) == (Run.State.FAILED, 7, 1)
    assert len(words(run)) == 1
    assert is_waiting(patch)

    chain.is_broken = False
    assert actions.retry_run(run)
    work()
    assert states(patch) == [(1, "done", 11)]
    run.refresh_from_db()
    assert (is_waiting(patch), run.n_automatic) == (False, 0)


def test_a_person_s_retry_that_fails_gives_it_one_more_try(patch, later, chain, work):
    chain.is_broken = True
    incoming.process_new_frames(patch)
    work()
    run = patch.runs.get()

    def n_failed() -> int:
        return run.log.filter(text__startswith="Run failed").count()

    for expected in (2, 2):  # once by itself, for what has come since
        incoming.process_new_frames(patch)
        work()
        assert n_failed() == expected
    assert actions.retry_run(run)
    work()
    assert n_failed() == 4  # his, and one by itself
    assert states(patch) == [(1, "failed", 6)]


def test_a_new_run_after_one_that_failed_keeps_what_is_settled(patch, later, chain, work):
    incoming.process_new_frames(patch)
    work()
    chain.is_broken = True
    second = actions.start_run(patch, ChainParameters(min_pixels=9))
    work()
    chain.is_broken = False
    later()
    work()
    first, _, third = patch.runs.order_by("number")
    assert (third.parent, third.settled_from, third.parameters) == (second, first, second.parameters)
    assert (third.state, third.n_automatic) == (Run.State.DONE, 0)


# -- Those who hear that a run is done ------------------------------------------------------------------------------


def test_who_hears_that_a_run_is_done_finds_it_done(patch, later, work):
    heard = []

    def hear(run: Run, **_: Any) -> None:
        heard.append((Run.objects.get(pk=run.pk).state, run.segmentations.count()))

    run_done.connect(hear)
    try:
        incoming.process_new_frames(patch)
        later()
        work()
    finally:
        run_done.disconnect(hear)
    assert heard == [(Run.State.DONE, 6), (Run.State.DONE, 7)]


# -- What was read -----------------------------------------------------------------------------------------------------


def test_files_that_come_after_a_frame_was_measured_are_read(patch, fields, chain, work, queues):
    incoming.process_new_frames(patch)
    for _ in range(2):
        function, pk = queues.commit().jobs.pop(0)
        import_string(function)(pk)
    assert len(chain.seen) == 11
    fields()
    assert is_waiting(patch)
    work()
    assert states(patch) == [(1, "done", 11), (2, "done", 11)]
    assert [("Br" in segments) for number, _, segments in chain.seen if number == 2] == [True] * 11
    first, second = patch.runs.order_by("number")
    assert first.input_hash != second.input_hash == actions.input_hash(second)
    assert second.settled_from == first
    assert not is_waiting(patch)


def test_files_that_come_with_a_later_frame_are_read(patch, later, fields, chain, work):
    incoming.process_new_frames(patch)
    work()
    known = list(patch.frames.all())
    Frame.objects.create(patch=patch, t_rec_s=known[-1].t_rec_s + patch.cadence_s, ny=64, nx=64, cards=known[-1].cards)
    fields(known)
    work()
    assert states(patch) == [(1, "done", 6), (2, "done", 7)]
    assert {index for number, index, segments in chain.seen if "Br" in segments} == set(range(6))


def test_adding_frames_by_hand_claims_no_file_that_was_not_read(patch, later, fields, chain, work):
    incoming.process_new_frames(patch)
    work()
    known = list(patch.frames.all())
    RawFile.objects.create(frame=known[0], segment="Br", sha256="1" * 64, size=1, name="x")
    Frame.objects.create(patch=patch, t_rec_s=known[-1].t_rec_s + patch.cadence_s, ny=64, nx=64, cards=known[-1].cards)
    run = patch.runs.get()
    actions.extend_run(run)
    work()
    run.refresh_from_db()
    assert run.input_hash == actions.input_hash(run, as_read=True) != actions.input_hash(run)
    incoming.process_new_frames(patch)
    assert patch.runs.count() == 2


def test_the_hash_of_what_was_read_is_that_of_the_same_files_held(run):
    Segmentation.objects.update(files=None)  # as of a run from before it was kept
    assert run.input_hash == actions.input_hash(run) == actions.input_hash(run, as_read=True)


def test_a_frame_that_fails_keeps_what_it_was_tried_with(patch, frame, start, queues):
    run = start()
    batch = run.batches.first()
    Batch.objects.update(state=Task.State.RUNNING)
    batch.refresh_from_db()
    segmentation = run.segmentations.get(frame=frame)
    segmentation.files = actions.files_of(frame)
    actions.mark_failed(batch, segmentation, "of a reason")
    segmentation.refresh_from_db()
    assert [segment for segment, _ in segmentation.files] == ["Bp", "Br", "Bt", "continuum"]


# -- Locks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["advance", "extend", "retry", "cancel", "hold", "come"])
def test_the_patch_is_locked_before_its_run(what: str, patch, later, work, alice: User, monkeypatch):
    incoming.process_new_frames(patch)
    work()
    run = patch.runs.get()
    if what == "extend":
        later()
        work()
        last = patch.frames.order_by("t_rec_s").last()
        Frame.objects.create(patch=patch, t_rec_s=last.t_rec_s + patch.cadence_s, ny=64, nx=64)
    if what in ("advance", "cancel", "hold"):
        Run.objects.update(state=Run.State.RUNNING)
    if what == "retry":
        Run.objects.update(state=Run.State.FAILED)
    batch = run.batches.first()
    Batch.objects.filter(pk=batch.pk).update(state=Task.State.RUNNING)
    connection.run_on_commit.clear()

    locked: list[type] = []
    actual = QuerySet.select_for_update

    def lock(rows: QuerySet[Any], **options: Any) -> QuerySet[Any]:
        locked.append(rows.model)
        return actual(rows, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", lock)
    {
        "advance": lambda: actions.advance(run),
        "extend": lambda: actions.extend_run(run),
        "retry": lambda: actions.retry_run(run),
        "cancel": lambda: actions.cancel_run(run),
        "hold": lambda: must_hold(batch),
        "come": later,
    }[what]()
    assert locked[0] is Patch
    assert what == "come" or locked[1] is Run


def test_that_frames_came_is_read_when_the_run_has_ended(patch, later, work, queues):
    """Of a delivery that is committed while the end of the run waits for the patch."""
    incoming.process_new_frames(patch)
    work()
    second = actions.start_run(patch, ChainParameters(min_pixels=9))
    second = Run.objects.select_related("patch").get(pk=second.pk)  # as a worker has read it before
    later()
    assert not second.patch.process_new
    actions.cancel_run(second)
    queues.commit()
    assert states(patch) == [(1, "running", 7), (2, "cancelled", 6)]
