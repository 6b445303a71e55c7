"""The lineage page: what the server says before the picture is drawn."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from poreweb.people.models import Team
from poreweb.releases.actions import want_publication
from poreweb.releases.models import Publication
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Settlement, Standing

ACCEPT, REJECT, UNSURE = (Judgement(choice) for choice in ("accept", "reject", "unsure"))


@pytest.fixture
def url(run):
    return reverse("releases:lineage", args=[run.pk])


@pytest.fixture
def built(run, queues):
    """Its lineage is built."""
    want_publication(run)
    queues.work()
    return Publication.objects.get(run=run)


def data(response, name):
    return json.loads(re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', response.text)[1])


def test_it_knows_where_everything_is(as_alice, run, event, url, built):
    addresses = data(as_alice.get(url), "lineage-addresses")
    frame = run.segmentations.first().frame
    filled = {
        "chart": addresses["chart"],
        "viewer": addresses["viewer"],
        "event": addresses["event"].replace("{pk}", str(event.pk)),
        "track": addresses["track"].replace("{number}", "1"),
        "layer": addresses["layer"].replace("{id}", str(frame.pk)).replace("{layer}", "labels"),
    }
    for name, address in filled.items():
        assert as_alice.get(address).status_code == 200, name
    assert resolve(filled["event"]).kwargs == {"pk": event.pk}
    assert addresses["pixel_mm"] == pytest.approx(0.3644, abs=1e-4)


def test_it_says_how_new_it_is(as_alice, url, built):
    text = as_alice.get(url).text
    assert f'data-version="{built.path}"' in text
    assert f">{built.built_at:%-d %b %Y, %H:%M:%S}</time> UTC" in text
    assert "0 settled events" in text
    assert "every 20s" in text


def test_meanwhile_it_says_what_is_worked_in(as_alice, event, alice, url, built, queues):
    give_verdict(event, alice, REJECT)
    text = as_alice.get(url).text
    assert "1 change is being worked in" in text
    assert "every 2s" in text
    queues.work()
    text = as_alice.get(url).text
    assert "worked in" not in text
    assert "1 settled event</span>" in text


def test_to_htmx_it_is_the_sentence_alone(as_alice, url, built):
    response = as_alice.get(url, headers={"HX-Request": "true"})
    assert response.text.lstrip().startswith('<div id="as-of"')
    assert data(response, "event-states") == {}


def test_the_first_look_has_it_built(as_alice, url, queues):
    assert "being built" in as_alice.get(url).text
    queues.work()
    assert "As of" in as_alice.get(url).text
    assert Publication.objects.get().wanted == 1


def test_states_are_those_of_now(as_alice, run, event, alice, url, built):
    gap = run.events.filter(kind="gap").first()
    give_verdict(event, alice, REJECT)
    give_verdict(gap, alice, UNSURE)
    assert data(as_alice.get(url), "event-states") == {"rejected": [event.pk], "unsure": [gap.pk]}


def test_a_blind_team_is_not_told_what_is_open(sign_in, run, event, alice, url, built):
    Team.objects.update(is_blind=True)
    gap = run.events.filter(kind="gap").first()
    give_verdict(event, alice, REJECT)
    give_verdict(gap, alice, UNSURE)
    assert data(sign_in("alice").get(url), "event-states") == {"rejected": [event.pk], "unsure": [gap.pk]}
    assert data(sign_in("bob").get(url), "event-states") == {"rejected": [event.pk]}


def test_conflicts_and_joins_that_failed_are_told(as_alice, run, event, alice, lena, url, built, queues):
    gap = run.events.filter(kind="gap").first()
    parent, child = event.parents.first(), event.children.first()
    give_verdict(event, alice, ACCEPT)
    settle(gap, lena, Judgement("correct", correction={"add": [], "remove": [[parent.pk, child.pk]], "spurious": []}))
    queues.work()
    text = as_alice.get(url).text
    assert "1 time two settlements differ" in text
    assert f'and later <a href="{reverse("review:event", args=[gap.pk])}">event {gap.pk}</a>, which holds' in text


def test_after_a_failure_who_may_write_can_have_it_built(sign_in, run, url, queues):
    Publication.objects.create(run=run, state="failed", error="no space left")
    again = reverse("releases:build-again", args=[run.pk])
    assert "no space left" in sign_in("visitor").get(url).text
    assert again not in sign_in("visitor").get(url).text
    assert sign_in("visitor").post(again).status_code == 403
    assert again in sign_in("alice").get(url).text
    assert sign_in("alice").post(again).url == url
    queues.work()
    assert Publication.objects.get().state == "done"


def n_queries(client, address, **headers):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address, headers=headers).status_code == 200
    return len(queries)


def test_the_number_of_queries_does_not_grow(as_alice, run, event, alice, url, built):
    chart = reverse("releases:lineage-json", args=[run.pk])
    before = n_queries(as_alice, url), n_queries(as_alice, chart)
    for other in run.events.all():
        give_verdict(other, alice, ACCEPT)
    assert Settlement.objects.count() == Standing.objects.count() == run.events.count()
    assert (n_queries(as_alice, url), n_queries(as_alice, chart)) == before
    assert max(before) <= 14


def test_another_team_finds_nothing(sign_in, run, url, built):
    mallory = sign_in("mallory")
    for name in ("lineage", "lineage-json"):
        assert mallory.get(reverse(f"releases:{name}", args=[run.pk])).status_code == 404
    assert mallory.post(reverse("releases:build-again", args=[run.pk])).status_code == 404
