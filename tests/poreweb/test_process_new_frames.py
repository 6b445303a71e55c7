"""What happens to a patch's runs when a delivery brings frames: each branch, by the rows it leaves."""

from collections.abc import Callable

import pytest

from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.tracks import actions
from poreweb.tracks.incoming import process_ingest, process_new_frames, process_what_waited
from poreweb.tracks.models import Run
from processing.fits import SEGMENTS
from processing.parameters import ChainParameters


@pytest.fixture
def add(patch: Patch) -> Callable[..., None]:
    """Frames so many steps of the cadence after the first one, each with a continuum."""

    def added(*steps: int) -> None:
        first = patch.frames.order_by("t_rec_s").first()
        for step in steps:
            frame = Frame.objects.create(
                patch=patch, t_rec_s=first.t_rec_s + step * patch.cadence_s, ny=64, nx=64, cards=first.cards
            )
            RawFile.objects.create(frame=frame, segment="continuum", sha256=f"{step:064}", size=1, name="x")

    return added


def runs(patch: Patch) -> list[Run]:
    return list(patch.runs.order_by("number"))


def test_without_a_run_one_is_started(patch: Patch, alice):
    process_new_frames(patch, user=alice)
    (run,) = runs(patch)
    assert (run.created_by, run.parent, run.settled_from) == (alice, None, None)
    assert run.chain_parameters == ChainParameters()
    assert run.segmentations.count() == 11


def test_later_frames_go_on_with_a_run_that_is_done(run: Run, add, alice):
    add(12, 11)
    process_new_frames(run.patch, user=alice)
    assert runs(run.patch) == [run]
    run.refresh_from_db()
    assert (run.state, run.segmentations.count()) == (Run.State.RUNNING, 13)
    assert [(added["first"], added["n_frames"], added["by"]) for added in run.extensions] == [(11, 2, "alice")]


@pytest.mark.parametrize("steps", [(-1,), (-1, 11)], ids=["earlier", "earlier and later"])
def test_earlier_frames_make_a_new_run_that_keeps_what_is_settled(run: Run, add, steps, alice):
    add(*steps)
    process_new_frames(run.patch, user=alice)
    before, after = runs(run.patch)
    assert (after.parent, after.settled_from, after.created_by) == (before, before, alice)
    assert after.parameters == before.parameters
    assert after.segmentations.count() == 11 + len(steps)
    assert (before.state, before.extensions) == (Run.State.DONE, [])


def test_new_segments_of_known_frames_make_a_new_run(run: Run):
    RawFile.objects.filter(segment="Bt", frame=run.patch.frames.first()).delete()
    run.input_hash = actions.input_hash(run)
    run.save()
    process_new_frames(run.patch)
    assert runs(run.patch) == [run]
    RawFile.objects.create(frame=run.patch.frames.first(), segment="Bt", sha256="0" * 64, size=1, name="x")
    process_new_frames(run.patch)
    before, after = runs(run.patch)
    assert (after.parent, after.settled_from) == (before, before)


def test_what_a_run_does_not_read_makes_none(run: Run):
    """The bitmap, and files that are in conflict with those that were first."""
    frame = run.patch.frames.first()
    assert "bitmap" in SEGMENTS
    for segment, conflict in (("bitmap", False), ("continuum", True)):
        RawFile.objects.create(frame=frame, segment=segment, sha256="1" * 64, size=1, name="x", conflict=conflict)
    for _ in range(2):
        process_new_frames(run.patch)
    run.refresh_from_db()
    assert (runs(run.patch), run.extensions, run.patch.process_new) == ([run], [], False)


def test_while_a_run_is_at_work_frames_wait(run: Run, add, alice, bob):
    Run.objects.update(state=Run.State.RUNNING, created_by=bob)
    add(11)
    process_new_frames(run.patch, user=alice)
    add(12)
    process_new_frames(run.patch, user=alice)
    patch = Patch.objects.get()
    assert (runs(patch), run.segmentations.count(), patch.process_new) == ([run], 11, True)

    Run.objects.update(state=Run.State.DONE)
    run = Run.objects.get()
    process_what_waited(run)
    run.refresh_from_db()
    assert (runs(patch), run.segmentations.count(), run.extensions[0]["by"]) == ([run], 13, "bob")
    assert not Patch.objects.get().process_new

    Run.objects.update(state=Run.State.DONE)
    process_what_waited(Run.objects.get())  # nothing waits any more
    assert len(Run.objects.get().extensions) == 1


def test_frames_that_nobody_wants_processed_do_not_go_on_with_a_run(run: Run, add):
    add(11)
    process_what_waited(run)
    assert run.segmentations.count() == 11


@pytest.mark.parametrize("state", [Run.State.FAILED, Run.State.CANCELLED])
def test_after_a_run_that_came_to_nothing(run: Run, add, state):
    """A failed one is made again with its parameters, with what is settled; a cancelled one is as if it was not."""
    other = actions.start_run(run.patch, ChainParameters(enhance="none", min_pixels=9))
    Run.objects.filter(pk=other.pk).update(state=state)
    add(11)
    process_new_frames(run.patch)
    if state == Run.State.CANCELLED:
        assert runs(run.patch) == [run, other]
        assert run.segmentations.count() == 12
    else:
        *_, new = runs(run.patch)
        assert (new.parent, new.settled_from, new.parameters) == (other, run, other.parameters)
        assert new.segmentations.count() == 12


def test_a_run_by_hand_is_not_disturbed_by_an_older_one(run: Run, add):
    """The newest run is what counts, also when it is at work and an older one is done."""
    actions.start_run(run.patch, ChainParameters())
    add(11)
    process_new_frames(run.patch)
    assert len(runs(run.patch)) == 2
    assert Patch.objects.get().process_new


@pytest.mark.parametrize("run_after", [True, False])
def test_a_delivery_is_processed_when_that_was_asked_for(run: Run, team, alice, add, run_after):
    add(11)
    other = team.patches.create(harpnum=5)
    Frame.objects.create(patch=other, t_rec_s=0, ny=64, nx=64)
    ingest = Ingest.objects.create(team=team, user=alice, run_after=run_after)
    ingest.patches.set([run.patch, other])
    process_ingest(ingest)
    assert run.segmentations.count() == (12 if run_after else 11)
    assert other.runs.count() == run_after
