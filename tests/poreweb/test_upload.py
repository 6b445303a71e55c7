"""Sending files in the browser, and the page that tells what became of them."""

import pytest
from django.urls import reverse

from poreweb.observations.models import Ingest
from poreweb.tracks.models import Run

URL = "/uploads/new/"


def test_files_are_kept_and_queued_then_read(as_alice, team, alice, queues, fits_files):
    with fits_files[0].open("rb") as first, fits_files[1].open("rb") as second:
        response = as_alice.post(URL, {"team": team.pk, "records": [first, second]})
    ingest = Ingest.objects.get()
    assert response.url == reverse("observations:ingest", args=[ingest.pk])
    assert (ingest.user, ingest.state, ingest.run_after) == (alice, "waiting", False)
    assert ingest.names == [path.name for path in fits_files[:2]]
    assert queues.commit().jobs == [("poreweb.observations.jobs.run_ingest", ingest.pk)]
    assert 'hx-trigger="every 1s"' in as_alice.get(response.url).text

    queues.work()
    page = as_alice.get(response.url).text
    assert 'hx-trigger="every' not in page
    assert "HARP 99001" in page
    partial = as_alice.get(response.url, headers={"HX-Request": "true"}).text
    assert partial.lstrip().startswith('<div id="ingest"')


def test_a_run_follows_when_asked_for(as_alice, team, alice, queues, fits_files):
    with fits_files[4].open("rb") as continuum:
        as_alice.post(URL, {"team": team.pk, "records": continuum, "run_after": "on"})
    queues.work()
    run = Run.objects.get()
    assert (run.state, run.created_by) == ("done", alice)
    assert str(run) in as_alice.get(Ingest.objects.get().get_absolute_url()).text


def test_without_a_file_nothing_is_sent(as_alice, team):
    response = as_alice.post(URL, {"team": team.pk})
    assert "This field is required." in response.text
    assert not Ingest.objects.exists()


def test_too_much_at_once_is_refused(as_alice, team, fits_files, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    with fits_files[0].open("rb") as file:
        response = as_alice.post(URL, {"team": team.pk, "records": file})
    assert "one upload may have 1000\xa0bytes" in response.text
    assert not Ingest.objects.exists()


def test_only_own_teams_are_offered(sign_in):
    assert "Team A" in sign_in("lena").get(URL).text
    page = sign_in("visitor").get(URL).text
    assert "You may look at what your team does" in page
    assert "Team A" not in page


@pytest.mark.parametrize("bad", ["", "x", "999"])
def test_an_unknown_team_is_a_sentence(as_alice, fits_files, bad):
    with fits_files[0].open("rb") as file:
        response = as_alice.post(URL, {"team": bad, "records": file})
    assert response.status_code == 200
    assert 'class="errorlist"' in response.text
    assert not Ingest.objects.exists()
