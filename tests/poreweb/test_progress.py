"""How far a run is, on every page that tells."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from poreweb.tracks import jobs
from poreweb.tracks.models import Batch, Segmentation
from poreweb.tracks.progress import progress_of, words_of

SPANS = [(0, "0 s"), (59.4, "59 s"), (125, "2 min 5 s"), (660, "11 min"), (7260, "2 h 1 min")]
pytestmark = pytest.mark.usefixtures("no_files")


def test_progress_is_read_from_the_rows(start, queues, as_alice):
    run = start()
    first, second = queues.jobs
    progress = progress_of(run)
    assert (progress.is_running, progress.n_done, progress.n_all, progress.percent) == (True, 0, 11, 0)
    assert (progress.time_left, progress.sentence) == (None, "0 of 11 frames measured")

    queues.jobs.clear()
    jobs.run_batch(first[1])
    progress = progress_of(run)
    assert (progress.n_done, progress.percent) == (8, 72)
    assert progress.sentence.startswith("8 of 11 frames measured, about ")
    assert [stage.name for stage in progress.stages] == ["reduce", "enhance", "upscale", "segment", "measure", "track"]
    assert progress.stages[0].seconds > 0
    page = as_alice.get(run.get_absolute_url(), headers={"HX-Request": "true"}).text
    assert 'hx-trigger="every 1s"' in page
    assert "8 / 11" in page

    jobs.run_batch(second[1])
    assert progress_of(run).sentence == "tracking"
    queues.work()
    progress = progress_of(run)
    assert (progress.is_running, progress.percent, progress.sentence) == (False, 100, "done")
    assert {stage.state for stage in progress.stages} == {"done"}
    assert 'hx-trigger="every' not in as_alice.get(run.get_absolute_url()).text


@pytest.mark.parametrize(("seconds", "words"), SPANS)
def test_spans_in_words(seconds, words):
    assert words_of(timedelta(seconds=seconds)) == words


def test_pages_show_what_runs(start, as_alice, patch):
    start()
    assert as_alice.get(patch.get_absolute_url()).status_code == 200
    assert as_alice.get(f"{patch.get_absolute_url()}viewer/", follow=True).status_code == 200
    page = as_alice.get("/").text
    assert "0 of 11 frames measured" in page
    assert 'hx-trigger="every 2s"' in page


def test_segmentations_are_one_per_frame(run, frame):
    with pytest.raises(IntegrityError), transaction.atomic():
        Segmentation.objects.create(run=run, frame=frame, index=99)
    with pytest.raises(IntegrityError), transaction.atomic():
        Batch.objects.create(run=run, kind="frames", first=0)
