"""What dies while a sequence is made is gone on with."""

import numpy as np
import pytest

from poreweb import storage
from poreweb.observations.archive import raw_key
from poreweb.observations.models import Ingest, Patch, RawFile
from poreweb.sequences import jobs, shifting
from poreweb.sequences.models import Sequence, SourceFile
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import drifting, fits_bytes, sun
from tests.poreweb.test_sequences import file

send, made = test_sequences.send, test_sequences.made


@pytest.mark.parametrize(
    ("where", "calls"),
    [
        ("poreweb.sequences.shifting._measured", 0),
        ("poreweb.sequences.shifting._measured", 4),
        ("poreweb.sequences.shifting.store_shifts", 1),
        ("poreweb.storage.write_bytes", 1),
        ("poreweb.sequences.making.keep_segment", 0),
        ("poreweb.sequences.making.keep_segment", 3),
        ("poreweb.work.tasks.finish", 0),
    ],
    ids=[
        "before the shifts", "in the shifts", "before shifts are stored", "before what they go on from is",
        "before the first frame", "in the frames", "just before its end",
    ],
)  # fmt: skip
def test_killed_anywhere_it_makes_the_same(made, send, killed_in, monkeypatch, where, calls):
    cube = drifting(5)[0]
    cube[2] = np.nan
    with monkeypatch.context() as patched:
        patched.setattr(shifting, "STORE_EVERY_S", 0)
        killed_in(where, lambda: send(file("cube.fits", cube), coalign="on"), calls=calls)
        sequence = Sequence.objects.get()
        assert sequence.state == "running"
        jobs.run_sequence(sequence.pk)
    sequence.refresh_from_db()
    assert (sequence.state, sequence.n_done, sequence.n_frames) == ("done", 5, 5)
    assert len(sequence.report) == 1
    ingest = Ingest.objects.get()
    assert (ingest.state, ingest.n_new, ingest.n_conflict) == ("done", 4, 0)
    digests = list(RawFile.objects.order_by("name").values_list("sha256", flat=True))
    Sequence.objects.all().delete()
    Patch.objects.all().delete()
    Ingest.objects.all().delete()
    made(file("cube.fits", cube), coalign="on")
    assert list(RawFile.objects.order_by("name").values_list("sha256", flat=True)) == digests


@pytest.fixture
def measured(monkeypatch) -> list[int]:
    """The frames that were measured, by index."""
    actual, indices = shifting._measured, []

    def noted(work, index, coaligner):
        indices.append(index)
        return actual(work, index, coaligner)

    monkeypatch.setattr(shifting, "_measured", noted)
    return indices


@pytest.mark.parametrize(
    ("where", "calls", "second"),
    [
        ("poreweb.sequences.shifting.store_shifts", 3, [3, 4]),
        ("poreweb.storage.write_bytes", 3, [3, 4]),
        ("poreweb.sequences.making.keep_segment", 0, []),
    ],
    ids=["before shifts are stored", "before what they go on from is", "after all"],
)
def test_what_is_measured_is_not_measured_again(send, killed_in, measured, monkeypatch, where, calls, second):
    frames, drift = drifting(5)
    monkeypatch.setattr(shifting, "STORE_EVERY_S", 0)
    killed_in(where, lambda: send(file("cube.fits", frames), coalign="on"), calls=calls)
    sequence = Sequence.objects.get()
    assert len(sequence.shifts) >= 3
    assert measured == list(range(4 if second else 5))
    measured.clear()
    jobs.run_sequence(sequence.pk)
    assert measured == second
    sequence.refresh_from_db()
    np.testing.assert_allclose([shift[:2] for shift in sequence.shifts], -drift, atol=0.1)


def test_shifts_of_other_images_are_not_gone_on_from(send, killed_in, measured, monkeypatch):
    """An attempt that was given up may store what it goes on from when the images are others by then."""
    monkeypatch.setattr(shifting, "STORE_EVERY_S", 0)
    send(file("cube.fits", drifting(4)[0][::-1]), coalign="on")
    key = shifting._key(Sequence.objects.get())
    of_others = storage.read_bytes(key)
    Sequence.objects.all().delete()
    Patch.objects.all().delete()
    frames, drift = drifting(4)
    killed_in("poreweb.sequences.shifting.store_shifts", lambda: send(file("cube.fits", frames), coalign="on"), calls=3)
    sequence = Sequence.objects.get()
    storage.write_bytes(shifting._key(sequence), of_others)
    measured.clear()
    jobs.run_sequence(sequence.pk)
    assert measured == [0, 1, 2, 3]
    sequence.refresh_from_db()
    np.testing.assert_allclose([shift[:2] for shift in sequence.shifts], -drift, atol=0.1)


@pytest.mark.parametrize(("is_there", "second"), [(True, [3, 4]), (False, [0, 1, 2, 3, 4])], ids=["there", "lost"])
def test_later_images_go_on_from_the_shifts_that_are_there(made, as_alice, queues, measured, is_there, second):
    frames, drift = drifting(5)
    sequence = made(file("cube1.fits", frames[:3]), coalign="on")
    before = sequence.shifts
    if not is_there:
        storage.remove(shifting._key(sequence))
    measured.clear()
    as_alice.post(f"{sequence.get_absolute_url()}add/", {"images": [file("cube2.fits", frames[3:])]})
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, measured, sequence.shifts[:3]) == ("done", second, before)
    np.testing.assert_allclose([shift[:2] for shift in sequence.shifts], -drift, atol=0.1)


def test_its_page_while_shifts_are_measured(send, killed_in, monkeypatch, as_alice):
    monkeypatch.setattr(shifting, "STORE_EVERY_S", 0)
    killed_in(
        "poreweb.sequences.shifting.store_shifts", lambda: send(file("c.fits", drifting(3)[0]), coalign="on"), calls=2
    )
    sequence = Sequence.objects.get()
    assert len(sequence.shifts) == 2
    assert "Measuring the shift of frame" in as_alice.get(sequence.get_absolute_url()).text
    Sequence.objects.update(state="failed")
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "3 frames, with times and shifts" in page
    assert 'data-figure="shift-figure"' in page


def test_twice_done_is_once_done(send, everything, queues):
    send(file("cube.fits", sun(2)), work=False)
    queues.work(times=2)
    before = everything()
    jobs.run_sequence(Sequence.objects.get().pk)
    assert everything() == before


def test_its_turn_ends_and_it_goes_on(send, queues, monkeypatch):
    monkeypatch.setattr("poreweb.sequences.making.TURN_S", -1)  # over before it began
    send(file("cube.fits", sun(3)), work=False)
    sequence = Sequence.objects.get()
    for n_stored, state in ((1, "waiting"), (2, "waiting"), (3, "done")):
        assert queues.commit().jobs == [("poreweb.sequences.jobs.run_sequence", sequence.pk)]
        jobs.run_sequence(queues.jobs.pop()[1])
        sequence.refresh_from_db()
        assert (sequence.state, RawFile.objects.count()) == (state, n_stored)
    assert (sequence.n_done, queues.commit().jobs) == (3, [])


def test_its_turn_ends_in_the_shifts_too(send, queues, monkeypatch, measured):
    monkeypatch.setattr("poreweb.sequences.making.TURN_S", -1)
    send(file("cube.fits", drifting(3)[0]), work=False, coalign="on")
    sequence = Sequence.objects.get()
    for n_shifts, n_stored in ((1, 0), (2, 0), (3, 1), (3, 2), (3, 3)):
        jobs.run_sequence(queues.commit().jobs.pop()[1])
        sequence.refresh_from_db()
        assert (len(sequence.shifts), RawFile.objects.count()) == (n_shifts, n_stored)
    assert (sequence.state, measured) == ("done", [0, 1, 2])


def test_stopped_and_continued(send, as_alice, queues):
    send(file("cube.fits", sun(2)), work=False)
    sequence = Sequence.objects.get()
    page = as_alice.get(sequence.get_absolute_url()).text
    assert 'hx-trigger="every 1s"' in page
    as_alice.post(f"{sequence.get_absolute_url()}cancel/")
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, Patch.objects.count()) == ("cancelled", 0)
    assert "Continue" in as_alice.get(sequence.get_absolute_url()).text
    as_alice.post(f"{sequence.get_absolute_url()}retry/")
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, sequence.patch.frames.count()) == ("done", 2)


def test_a_source_that_changed_on_disk_is_not_used(send, queues):
    send(file("cube.fits", sun(2)), work=False)
    storage.write_bytes(raw_key(SourceFile.objects.get().sha256), fits_bytes(sun(2, seed=9)))
    queues.work()
    assert "cube.fits has changed on disk" in Sequence.objects.get().error
