"""One of a thing is said as one."""

from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from poreweb.releases.models import Publication
from poreweb.sequences.models import Sequence
from poreweb.tracks.models import Run
from poreweb.tracks.progress import Progress
from poreweb.words import counted
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import sun
from tests.poreweb.test_sequences import file

send, made = test_sequences.send, test_sequences.made


@pytest.mark.parametrize(("n", "words"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames"), (11, "11 frames")])
def test_a_number_of_frames(n, words):
    assert counted(n, "frame") == words
    progress = Progress(Run.State.RUNNING, [], n_all=n + 1, n_done=0, n_failed=0, time_left=None)
    assert progress.sentence == f"0 of {counted(n + 1, 'frame')} measured"


def test_a_run_of_one_track(run, as_alice):
    run.tracks.exclude(number=1).delete()
    for address in (run.get_absolute_url(), reverse("tracks:tracks", args=[run.pk])):
        page = as_alice.get(address).text
        assert "1 track<" in page
        assert "1 tracks" not in page
    assert 'aria-label="1 track of run 1"' in as_alice.get(run.patch.get_absolute_url()).text


def test_a_run_s_log(run, patch, start, no_files):
    frames = list(patch.frames.all())
    for frame in frames[1:]:
        frame.delete()
    lines = [str(line) for line in start(work=True).log.all()]
    assert lines[0].startswith("Run 2 started on 1 frame with code ")
    assert "1 of 1 frame measured; tracking." in lines
    (found,) = (line for line in lines if " tracks, " in line)
    assert found.endswith(" tracks, 0 links and 0 events.")


def test_a_lineage_of_one_track(run):
    publication = Publication(run=run, path="x", summary={"n_tracks": 1, "n_settled": 0})
    page = render_to_string("releases/_as_of.html", {"run": run, "publication": publication, "states": {}})
    assert "1 track, 0 settled events" in page


@pytest.mark.parametrize(("n", "words"), [(1, "The same as a table"), (2, "All 2 as a table")])
def test_solar_events(n, words):
    found = [SimpleNamespace(end=None, start=None) for _ in range(n)]
    page = render_to_string("context/_events.html", {"events": found, "patch": SimpleNamespace(pk=1)})
    assert f"<summary>{words}</summary>" in page


def test_a_sequence_of_one_frame(made):
    assert made(file("one.fits", sun(1)[0]), cadence_s=None).doing == "1 frame is in."


def test_a_sequence_whose_only_frame_is_bad(send):
    send(file("one.fits", 0 * sun(1)[0]), cadence_s=None)
    sequence = Sequence.objects.get()
    assert sequence.state == "failed"
    assert sequence.error.startswith("its only frame cannot be used: ")


def test_one_verdict_on_one_event(run, as_alice):
    gap = run.events.filter(kind="gap").first()
    url = f"{reverse('review:events', args=[run.pk])}?kind=gap&frame={gap.index + 1}"
    page = as_alice.get(url)
    assert page.context["n_waiting"] == 1
    assert "One verdict on the one event listed here that waits for yours" in page.text
    judge = f"{reverse('review:judge-all', args=[run.pk])}?kind=gap&frame={gap.index + 1}"
    refused = as_alice.post(judge, {"choice": "accept", "n": 2}, follow=True).text
    assert "1 event waits here now, not 2." in refused
    assert "Accepted 1 event (" in as_alice.post(judge, {"choice": "accept", "n": 1}, follow=True).text
