"""Stopping a run, and going on with it."""

import pytest
from django.urls import reverse

from poreweb.observations.models import RawFile
from poreweb.tracks import actions, jobs
from poreweb.tracks.models import Feature

pytestmark = pytest.mark.usefixtures("no_files")


@pytest.fixture
def counted(monkeypatch):
    """Indices of the frames processed."""
    indices = []
    actual = jobs.process_segmentation

    def count(batch, segmentation, n_frames):
        indices.append(segmentation.index)
        actual(batch, segmentation, n_frames)

    monkeypatch.setattr(jobs, "process_segmentation", count)
    return indices


def test_cancel_stops_after_the_frame_in_hand_and_retry_goes_on(
    start, as_alice, queues, counted, monkeypatch, run, outcome
):
    other = start()
    actual = actions.store_frame_result

    def store_then_cancel(batch, segmentation, result):
        actual(batch, segmentation, result)
        if segmentation.index == 1:
            as_alice.post(reverse("tracks:cancel", args=[other.pk]))

    with monkeypatch.context() as patched:
        patched.setattr(actions, "store_frame_result", store_then_cancel)
        queues.work()
    other.refresh_from_db()
    assert (other.state, counted) == ("cancelled", [0, 1])
    assert set(other.batches.values_list("state", flat=True)) == {"cancelled"}

    response = as_alice.post(reverse("tracks:retry", args=[other.pk]))
    assert response.url == other.get_absolute_url()
    queues.work(times=2)
    other.refresh_from_db()
    assert (other.state, sorted(counted)) == ("done", list(range(11)))
    assert outcome(other) == outcome(run)


def test_retry_does_only_what_is_missing(patch, frame, start, queues, counted, lose_continuum):
    files = lose_continuum(0, 1, 2)
    run = start(work=True)
    assert run.state == "failed"
    RawFile.objects.bulk_create(files)
    counted.clear()
    assert actions.retry_run(run)
    queues.work()
    run.refresh_from_db()
    assert (run.state, run.error, counted) == ("done", "", [0, 1, 2])
    assert run.input_hash == actions.input_hash(run)  # of what was read in the end
    assert run.segmentations.filter(state="done", reason="").count() == 11


def test_a_retried_run_joins_only_when_all_frames_are_measured(patch, start, queues, lose_continuum):
    lost = lose_continuum(5)
    run = start()
    frames = [queues.jobs.pop(0), queues.jobs.pop(0)]
    for _, batch_id in frames:
        jobs.run_batch(batch_id)
    queues.commit()  # the joining step waits
    actions.cancel_run(run)
    RawFile.objects.bulk_create(lost)
    actions.retry_run(run)
    queues.commit().jobs.reverse()  # two workers keep no order
    queues.work()
    run.refresh_from_db()
    assert run.state == "done"
    assert run.segmentations.get(index=5).n_features > 0
    assert not Feature.objects.filter(segmentation__run=run, track=None).exists()


@pytest.mark.parametrize(("action", "words"), [("cancel", "had already ended"), ("retry", "nothing to retry")])
def test_what_has_ended_well_stays_so(as_alice, run, everything, action, words):
    before = everything()
    response = as_alice.post(reverse(f"tracks:{action}", args=[run.pk]), follow=True)
    assert words in response.text
    assert everything() == before
