"""The REST API: what it tells of events, features and lists, and what it keeps to itself."""

import json

import pytest

from poreweb.people.models import Team
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Assignment, GoldEvent
from poreweb.tracks.models import Event

ACCEPT = {"choice": "accept", "version": 0}


def test_the_queue_is_that_of_the_page(alice_api, as_alice, run):
    for query in ("", "?order=time", "?kind=gap", "?kind=gap&above=0.999", "?state=accepted", "?who=nobody&wait=me"):
        page = as_alice.get(f"/runs/{run.pk}/events/{query}")
        told = alice_api.get(f"/api/v1/runs/{run.pk}/events/{query}").json()
        assert [event["id"] for event in told["results"]] == [event.pk for event in page.context["page"]]
        assert alice_api.get(f"/api/v1/queue/{query}").json()["results"] == told["results"]


def test_pages_of_a_list_follow_each_other(alice_api, run):
    first = alice_api.get(f"/api/v1/runs/{run.pk}/links/?limit=20").json()
    second = alice_api.get(first["next"]).json()
    assert (first["count"], len(first["results"]), len(second["results"])) == (23, 20, 3)
    assert (first["previous"], second["next"]) == (None, None)
    listed = [link["id"] for link in first["results"] + second["results"]]
    assert listed == list(run.links.order_by("pk").values_list("pk", flat=True))


def test_an_event_in_full(alice_api, bob, event):
    give_verdict(event, bob, Judgement("reject", "motion", "they part again"))
    told = alice_api.get(f"/api/v1/events/{event.pk}/").json()
    assert (told["kind"], told["frame"], told["state"], told["n_verdicts"]) == ("merge", event.index + 1, "rejected", 1)
    assert {end["feature"] for end in told["parents"]} == set(event.parents.values_list("pk", flat=True))
    assert {link["later"] for link in told["links"]} == set(event.children.values_list("pk", flat=True))
    (verdict,) = told["verdicts"]
    assert (verdict["reviewer"], verdict["choice"], verdict["note"]) == ("bob", "reject", "they part again")
    assert told["settlement"]["by"] is None
    (entry,) = alice_api.get(f"/api/v1/events/{event.pk}/history/").json()["results"]
    assert (entry["by"], entry["before"], entry["after"]["choice"], entry["id"]) == (
        "bob",
        None,
        "reject",
        told["version"],
    )
    assert alice_api.get(f"/api/v1/events/{event.pk}/history/?after={entry['id']}").json()["count"] == 0


def test_a_blind_reviewer_is_told_nothing_before_judging(api, bob, lena, event):
    Team.objects.filter(pk=1).update(is_blind=True, quorum=2)
    event = Event.objects.get(pk=event.pk)
    give_verdict(event, bob, Judgement("reject", note="secret"))
    event.run.patch.comments.create(author=bob, text="secret too", event=event)
    alice = api("alice")
    for address in (
        f"events/{event.pk}/", f"events/{event.pk}/history/", f"runs/{event.run_id}/events/", "queue/",
        f"runs/{event.run_id}/tracks/2/events/", f"runs/{event.run_id}/settlements/", "teams/1/history/",
        "teams/1/disagreements/", f"patches/{event.run.patch_id}/threads/",
    ):  # fmt: skip
        text = alice.get(f"/api/v1/{address}").text
        assert "secret" not in text, address
        assert "reject" not in text, address
    told = alice.get(f"/api/v1/events/{event.pk}/").json()
    assert (told["is_hidden"], told["state"], told["n_verdicts"], told["version"]) == (True, "pending", None, 0)
    stored = alice.post(f"/api/v1/events/{event.pk}/verdict/", ACCEPT).json()
    assert (stored["event"]["state"], stored["event"]["n_verdicts"]) == ("disputed", 2)
    assert "secret" in alice.get(f"/api/v1/events/{event.pk}/").text


def test_a_leads_open_settlement_is_hidden_too(api, lena, event):
    Team.objects.filter(pk=1).update(is_blind=True)
    url = f"/api/v1/events/{event.pk}/"
    api("lena").post(f"{url}settlement/", {"choice": "unsure", "note": "secret", "version": 0})
    assert api("alice").get(url).json()["settlement"] is None
    assert api("alice").get(f"/api/v1/runs/{event.run_id}/settlements/").json()["count"] == 0


def test_reviewers_are_not_told_which_events_are_gold(api, lena, event):
    GoldEvent.objects.create(event=event, choice="accept", by=lena)
    assert "gold" not in api("alice").get(f"/api/v1/events/{event.pk}/").text
    assert api("lena").get("/api/v1/teams/1/gold/").json()["results"][0]["event"] == event.pk


def test_features_are_told_as_measured(alice_api, run):
    (first, *_) = alice_api.get(f"/api/v1/runs/{run.pk}/frames/1/features/").json()["results"]
    feature = run.segmentations.get(index=0).features.get(label=first["label"])
    assert first["area_mm2"] == feature.area_mm2
    assert (first["id"], first["track"], first["frame"]) == (feature.pk, feature.track.number, 1)
    assert alice_api.get(f"/api/v1/runs/{run.pk}/frames/0/features/").status_code == 404


def test_what_is_not_finite_is_null(alice_api, run):
    feature = run.segmentations.get(index=0).features.first()
    feature.flux_mx = float("inf")
    feature.save()
    told = alice_api.get(f"/api/v1/runs/{run.pk}/frames/1/features/")
    assert json.loads(told.text, parse_constant=pytest.fail)["results"][0]["flux_mx"] is None


@pytest.mark.parametrize(
    "address",
    [
        "queue/", "patches/", "runs/", "runs/{run}/events/", "runs/{run}/links/", "runs/{run}/tracks/",
        "runs/{run}/frames/", "runs/{run}/frames/1/features/", "runs/{run}/settlements/", "runs/{run}/assignments/",
        "teams/1/history/", "teams/1/members/", "teams/1/gold/", "teams/1/invitations/", "patches/{patch}/threads/",
        "patches/{patch}/frames/", "mentions/", "events/{event}/history/", "teams/1/disagreements/",
    ],
)  # fmt: skip
def test_queries_do_not_grow_with_the_rows(api, run, event, alice, bob, lena, django_assert_max_num_queries, address):
    for one in run.events.all():
        for who, choice in ((alice, "accept"), (bob, "reject"), (lena, "accept")):
            give_verdict(one, who, Judgement(choice))
        settle(one, lena, Judgement("accept"))
        Assignment.objects.create(event=one, user=alice, by=lena)
        GoldEvent.objects.create(event=one, choice="accept", by=lena)
        thread = run.patch.comments.create(author=bob, text="?", event=one, run=run)
        for text in ("@lena", "@lena!"):
            thread.replies.create(patch=run.patch, author=alice, text=text).mentions.create(user=lena)
    for number in range(3):
        run.patch.team.patches.create(harpnum=number)
    client = api("lena")
    url = f"/api/v1/{address}".format(run=run.pk, patch=run.patch_id, event=event.pk)
    with django_assert_max_num_queries(18) as several:
        n_rows = len(client.get(url).json()["results"])
    if n_rows > 1 and address != "teams/1/history/":
        with django_assert_max_num_queries(len(several)) as one:
            assert len(client.get(f"{url}?limit=1").json()["results"]) == 1
        assert len(one) == len(several)
    else:
        assert n_rows > 1 or address in ("runs/", "teams/1/invitations/")
