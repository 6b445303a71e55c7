"""The REST API: who may what, what it tells, and what it refuses."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from poreweb.acquire.models import Acquisition, Watch
from poreweb.api.schema import LEADS, described
from poreweb.people.models import Invitation, Team
from poreweb.releases.actions import want_publication
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Assignment, GoldEvent, Settlement, Standing, Verdict
from poreweb.tracks.models import Event, Run
from processing.certainty import doubt

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
WRITES = ("post", "put", "patch", "delete")
HUGE = 10**30
OPERATIONS = [
    (address, method, LEADS in told)
    for address, methods in described()["paths"].items()
    for method, told in methods.items()
]
ACCEPT = {"choice": "accept", "version": 0}
ONLY_LEADS = "Only a lead of Team A may do this."
ANY_LEAD = "The list is common to all teams, and only a lead of one of them may change it."


@pytest.fixture
def api(sign_in):
    """A client of that member's own."""

    def of(name: str) -> APIClient:
        sign_in(name)
        client = APIClient()
        client.force_login(User.objects.get(username=name))
        return client

    return of


@pytest.fixture
def alice_api(api):
    return api("alice")


@pytest.fixture
def keys(run, event, alice, bob, queues):
    """A key for each place in an address, all of team A."""
    want_publication(run)
    queues.work()
    thread = run.patch.comments.create(author=bob, text="Look here, @alice")
    invitation = Invitation.objects.create(team_id=1, secret_sha256="x", created_by=bob, expires_at=timezone.now())
    return {
        "patch_id": run.patch_id, "run_id": run.pk, "event_id": event.pk, "team_id": 1, "number": 1,
        "member_id": bob.memberships.get().pk, "invitation_id": invitation.pk, "thread_id": thread.pk,
        "comment_id": thread.pk, "export_id": run.exports.first().pk, "name": "catalogue.csv",
        "acquisition_id": Acquisition.objects.create(team_id=1, harpnum=377).pk,
        "watch_id": Watch.objects.create(team_id=1, kind=Watch.Kind.HARP, harpnum=377).pk,
    }  # fmt: skip


def filled(address: str, keys: dict[str, object]) -> str:
    return re.sub(r"{(\w+)}", lambda place: str(keys[place[1]]), address)


# -- Who may what ----------------------------------------------------------------------------------


def test_nobody_is_let_in_without_signing_in(client, db):
    for address, method, _ in OPERATIONS:
        response = getattr(client, method)(re.sub(r"{\w+}", "1", address))
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token"), address
        assert "Authorization: Token" in response.json()["detail"]


def test_another_team_finds_nothing_and_changes_nothing(api, keys, everything):
    client, before = api("mallory"), everything()
    own = ("/api/schema/", *(f"/api/v1/{name}/" for name in ("me", "teams", "queue/progress", "noaa-list")))
    for address, method, _ in OPERATIONS:
        response = getattr(client, method)(filled(address, keys))
        if "{" in address:
            assert response.status_code == 404, address
            assert "HARP 99001" not in response.text
        elif method == "get" and address not in own:
            assert response.json()["results"] == [], address
    assert everything() == before


def test_a_viewer_may_look_and_not_change(api, keys, everything):
    client, before = api("visitor"), everything()
    for address, method, for_leads in OPERATIONS:
        response = getattr(client, method)(filled(address, keys))
        if address.endswith("/read/"):  # what one has seen is one's own affair
            assert response.status_code == 204
            before = everything()
        elif method in WRITES or for_leads:
            assert response.status_code == 403, address
            assert response.json()["detail"].startswith(("You may look", ONLY_LEADS, ANY_LEAD)), address
        elif "carry" in address:
            assert response.json()["detail"] == "HARP 99001 has no other run that is done."
        elif "releases/{number}" in address:
            assert response.json()["detail"] == "There is no such release in your teams."
        else:
            assert response.status_code == 200, address
    assert everything() == before


def test_what_is_for_leads_is_not_for_reviewers(alice_api, keys, everything):
    before = everything()
    for address, method, for_leads in OPERATIONS:
        if for_leads:
            response = getattr(alice_api, method)(filled(address, keys))
            words = ANY_LEAD if "/noaa-list/" in address else ONLY_LEADS
            assert (response.status_code, response.json()["detail"]) == (403, words)
    assert everything() == before


def with_token(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
    return client


def test_a_token_lets_a_script_in_until_it_ends(alice):
    _, text = AuthToken.objects.create(alice, timedelta(days=1))
    _, ended = AuthToken.objects.create(alice, timedelta(seconds=-1))
    assert with_token(text).get("/api/v1/me/").json()["username"] == "alice"
    assert with_token(ended).get("/api/v1/me/").status_code == 401
    AuthToken.objects.all().delete()
    assert with_token(text).get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("text", ["", "nonsense", "two words", "ÿþ", "\u20ac", "x" * 5000, "poreweb_" + "0" * 64])
@pytest.mark.django_db
def test_what_is_no_token_is_refused(client, text):
    response = client.get("/api/v1/me/", headers={"Authorization": f"Token {text}".encode().decode("latin-1")})
    assert response.status_code == 401


def test_a_session_needs_the_csrf_token_and_a_token_does_not(alice, event):
    url = f"/api/v1/events/{event.pk}/verdict/"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(url, ACCEPT, content_type="application/json").status_code == 403
    assert not Verdict.objects.exists()
    _, text = AuthToken.objects.create(alice, timedelta(days=1))
    script = Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {text}"})
    assert script.post(url, ACCEPT, content_type="application/json").status_code == 200


def test_an_address_that_is_none_says_so_as_json(alice_api, client):
    assert client.get("/api/v1/nothing/").status_code == 401
    for method in ("get", *WRITES):
        response = getattr(alice_api, method)("/api/v1/nothing/")
        assert (response.status_code, "no such address" in response.json()["detail"]) == (404, True)
    assert alice_api.get("/api/v1/patches").json()["detail"].endswith("end with a slash: /api/v1/patches/.")
    assert alice_api.put("/api/v1/queue/").status_code == 405


# -- What it tells ---------------------------------------------------------------------------------


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


# -- What it does ----------------------------------------------------------------------------------


def test_a_verdict_is_stored_as_from_the_page(alice_api, alice, event):
    body = {"choice": "reject", "reason": "motion", "note": "two pores", "version": 0}
    told = alice_api.post(f"/api/v1/events/{event.pk}/verdict/", body).json()
    verdict = Verdict.objects.get()
    assert (verdict.event, verdict.reviewer, verdict.choice, verdict.note) == (event, alice, "reject", "two pores")
    assert told["event"]["state"] == "rejected"
    assert told["event"]["my_choice"] == told["verdict"]["choice"] == "reject"


def test_a_correction_is_checked_against_the_run(alice_api, event):
    url = f"/api/v1/events/{event.pk}/verdict/"
    cut = [event.parents.first().pk, event.children.first().pk]
    for wrong in ({"add": [cut[::-1]]}, {"spurious": [10**9]}, {"add": [[1]]}, {"wrong": []}, {}):
        response = alice_api.post(url, {"choice": "correct", "correction": wrong, "version": 0})
        assert response.status_code == 400, wrong
    assert alice_api.post(url, {**ACCEPT, "correction": {"spurious": [cut[0]]}}).status_code == 400
    assert not Verdict.objects.exists()
    told = alice_api.post(url, {"choice": "correct", "correction": {"remove": [cut]}, "version": 0}).json()
    assert told["verdict"]["correction"] == {"add": [], "remove": [cut], "spurious": []}
    assert Settlement.objects.get().choice == "correct"


def test_a_verdict_on_a_version_that_is_overtaken_is_refused_with_what_was_done(alice_api, bob, event):
    url = f"/api/v1/events/{event.pk}/"
    version = alice_api.get(url).json()["version"]
    give_verdict(event, bob, Judgement("reject", note="look closer"))
    response = alice_api.post(f"{url}verdict/", {"choice": "accept", "version": version})
    assert response.status_code == 409
    assert "bob has judged this event" in response.json()["detail"]
    assert response.json()["entries"][0]["after"]["note"] == "look closer"
    assert Verdict.objects.get().reviewer == bob
    assert alice_api.post(f"{url}verdict/", {"choice": "accept"}).status_code == 400
    newest = response.json()["entries"][-1]["id"]
    assert alice_api.post(f"{url}verdict/", {"choice": "accept", "version": newest}).status_code == 200
    assert alice_api.post(f"{url}verdict/", {"choice": "unsure", "version": version, "anyway": True}).status_code == 200


def test_undo_and_redo(alice_api, bob, event):
    run = f"/api/v1/runs/{event.run_id}/"
    assert alice_api.post(f"{run}undo/", {}).json() == {"act": None, "n_events": 0}
    alice_api.post(f"/api/v1/events/{event.pk}/verdict/", ACCEPT)
    assert alice_api.get(f"{run}steps/").json()["undo"]["kind"] == "verdict"
    assert alice_api.post(f"{run}undo/", {}).json()["act"]["is_undone"] is True
    assert not Verdict.objects.exists()
    assert alice_api.post(f"{run}redo/", {}).json()["n_events"] == 1
    give_verdict(event, bob, Judgement("reject"))
    clash = alice_api.post(f"{run}undo/", {})
    assert (clash.status_code, clash.json()["entries"][0]["by"]) == (409, "bob")
    assert alice_api.post(f"{run}undo/", {"anyway": True}).status_code == 200
    assert Verdict.objects.get().reviewer == bob


def test_many_at_once_are_one_act(alice_api, run):
    url = f"/api/v1/runs/{run.pk}/verdicts/?kind=gap"
    refused = alice_api.post(url, {"choice": "accept", "n": 3})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "Nothing was judged: 2 events wait here now, not 3.",
    )
    assert alice_api.post(url, {"choice": "correct", "n": 2}).status_code == 400
    told = alice_api.post(url, {"choice": "accept", "n": 2, "note": "flicker"}).json()
    assert (told["n_events"], told["act"]["words"]) == (2, "accepted 2 events (kind gap)")
    assert (Act.objects.count(), Verdict.objects.count()) == (1, 2)


def test_a_whole_track(alice_api, run):
    url = f"/api/v1/runs/{run.pk}/tracks/1/verdict/"
    assert alice_api.post(url, {"choice": "accept"}).json()["n_events"] == 1
    assert alice_api.post(url, {"choice": "accept"}).status_code == 409
    spurious = {"choice": "spurious", "note": "a scratch"}
    assert "you have accepted its first event" in alice_api.post(url, spurious).json()["detail"]
    alice_api.post(f"/api/v1/runs/{run.pk}/undo/", {})
    assert alice_api.post(url, spurious).json()["act"]["words"] == "track 1 is no pore"
    assert len(Verdict.objects.get().correction["spurious"]) == run.tracks.get(number=1).n_features


def test_presence(api, event):
    url = f"/api/v1/events/{event.pk}/presence/"
    assert api("bob").post(url).json()["present"] == []
    assert [one["user"] for one in api("alice").get(url).json()["present"]] == ["bob"]
    assert api("bob").delete(url).status_code == 204
    assert api("alice").get(url).json()["present"] == []


def test_a_run_is_started_with_what_differs(alice_api, run):
    url = f"/api/v1/patches/{run.patch_id}/runs/"
    told = alice_api.post(url, {"parent": run.pk, "parameters": {"threshold": 0.6, "connectivity": 8}})
    made = Run.objects.get(pk=told.json()["id"])
    assert made.parameters == {**run.parameters, "threshold": 0.6, "connectivity": 8}
    assert (made.parent, made.created_by.username, made.state) == (run, "alice", "running")
    wrong = alice_api.post(url, {"parameters": {"threshold": -1}})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["parameters.threshold"])
    assert alice_api.post(url, {"parameters": {"treshold": 0.6}}).status_code == 400
    assert alice_api.post(url, {"parent": 999}).status_code == 400
    assert alice_api.post(f"/api/v1/runs/{made.pk}/cancel/").json()["state"] == "cancelled"
    assert alice_api.post(f"/api/v1/runs/{made.pk}/cancel/").status_code == 409
    assert alice_api.post(f"/api/v1/runs/{made.pk}/retry/").json()["state"] == "running"


def test_files_come_with_a_token(alice, run):
    _, text = AuthToken.objects.create(alice, timedelta(days=1))
    client = with_token(text)
    csv = next(one for one in client.get(f"/api/v1/runs/{run.pk}/exports/").json()["results"] if one["kind"] == "csv")
    response = client.get(csv["address"])
    assert response["Content-Type"].startswith("text/csv")
    assert len(b"".join(response.streaming_content)) == csv["size_bytes"]


def test_a_release_is_frozen_and_had(api, run, queues):
    made = api("lena").post(f"/api/v1/runs/{run.pk}/releases/", {"note": "for the paper"}).json()
    assert (made["number"], made["files"]) == (1, [])
    queues.work()
    alice = api("alice")
    told = alice.get(f"/api/v1/patches/{run.patch_id}/releases/1/").json()
    assert (told["state"], told["note"], told["frozen_by"]) == ("done", "for the paper", "lena")
    manifest = next(file for file in told["files"] if file["name"] == "MANIFEST")
    assert len(b"".join(alice.get(manifest["address"]).streaming_content)) == manifest["size_bytes"]
    assert alice.get(f"/api/v1/runs/{run.pk}/lineage/").status_code == 202
    queues.work()
    assert len(alice.get(f"/api/v1/runs/{run.pk}/publication/").json()["summary"]) > 3
    lineage = f"/api/v1/runs/{run.pk}/lineage/"
    assert len(alice.get(lineage).json()["tracks"]) == run.tracks.count()
    assert alice.get(lineage, headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


def test_comments(api, run, event):
    alice, bob = api("alice"), api("bob")
    url = f"/api/v1/patches/{run.patch_id}/threads/"
    mark = {"shape": "circle", "points": [[267.5, 10.5], [267.6, 10.5]]}
    said = alice.post(url, {"text": "Is this one pore, @bob and @nobody?", "event": event.pk, "mark": mark}).json()
    assert said["not_told"] == ["nobody"]
    (thread,) = bob.get(f"{url}?event={event.pk}").json()["results"]
    assert (thread["id"], thread["mark"], thread["n_unread"]) == (said["comment"]["id"], mark, 1)
    assert bob.get("/api/v1/mentions/").json()["results"][0]["comment"]["author"] == "alice"
    one = f"/api/v1/threads/{thread['id']}/"
    assert bob.post(f"{one}comments/", {"text": "Two."}).status_code == 201
    assert bob.post(f"{one}read/").status_code == 204
    assert bob.put(f"{one}resolution/", {"resolved": True}).json()["resolved_by"] == "bob"
    told = alice.get(one).json()
    assert ([comment["text"] for comment in told["comments"]][1], told["n_unread"]) == ("Two.", 1)
    assert alice.patch(f"/api/v1/comments/{told['comments'][1]['id']}/", {"text": "Three."}).status_code == 403
    wrong = alice.post(url, {"text": "?", "mark": {"shape": "circle", "points": [[1, 91], [1, 92]]}})
    assert (wrong.status_code, "latitude" in wrong.json()["detail"]) == (400, True)
    assert alice.post(url, {"text": "?", "event": 10**9}).status_code == 404


def test_a_lead_manages_the_team(api, run, bob, lena):
    client = api("lena")
    member = bob.memberships.get()
    assert client.patch("/api/v1/teams/1/", {"quorum": 2}).json()["team"]["quorum"] == 2
    assert client.patch("/api/v1/teams/1/", {"quorum": 0}).status_code == 400
    assert client.patch(f"/api/v1/members/{member.pk}/", {"role": "viewer"}).json()["role"] == "viewer"
    last = client.patch(f"/api/v1/members/{lena.memberships.get().pk}/", {"role": "viewer"})
    assert (last.status_code, "only lead" in last.json()["detail"]) == (409, True)
    made = client.post("/api/v1/teams/1/invitations/", {"role": "reviewer", "note": "Eve", "days": 3}).json()
    assert Client().get(made["link"]).status_code == 200
    assert "link" not in client.get("/api/v1/teams/1/invitations/").json()["results"][0]
    assert client.delete(f"/api/v1/invitations/{made['id']}/").status_code == 204
    assert client.delete(f"/api/v1/invitations/{made['id']}/").status_code == 409
    assert client.delete(f"/api/v1/members/{member.pk}/").status_code == 204


def test_a_lead_shares_events_out(api, run):
    client, url = api("lena"), f"/api/v1/runs/{run.pk}/"
    assert client.post(f"{url}shares/", {"members": ["alice", "bob"], "people_per_event": 2}).json() == {"n": 6}
    listed = client.get(f"{url}assignments/").json()["results"]
    assert {(one["user"], one["by"]) for one in listed} == {("alice", "lena"), ("bob", "lena")}
    assert client.post(f"{url}assignments/take-back/", {"member": "bob"}).json() == {"n": 3}
    given = {"member": "bob", "events": [listed[0]["event"]]}
    assert client.post(f"{url}assignments/", given).json() == {"n": 1}
    for wrong in ({"member": "mallory"}, {"member": "visitor"}, {"events": [10**9]}):
        assert client.post(f"{url}assignments/", {**given, **wrong}).status_code == 400


def test_gold_and_agreement(api, run, alice, bob, event):
    lead, url = api("lena"), f"/api/v1/events/{event.pk}/gold/"
    assert lead.put(url, {"choice": "accept"}).json()["choice"] == "accept"
    Team.objects.update(quorum=2)
    for who, choice in ((alice, "accept"), (bob, "reject")):
        give_verdict(Event.objects.get(pk=event.pk), who, Judgement(choice))
    measured = {
        one["name"]: one["all"]["share"] for one in lead.get("/api/v1/teams/1/gold/measured/").json()["results"]
    }
    assert measured == {"alice": 1.0, "bob": 0.0}
    told = api("alice").get(f"/api/v1/teams/1/agreement/?run={run.pk}").json()
    assert (told["all"]["n_events"], told["all"]["observed"]["value"]) == (1, 0.0)
    (differing,) = api("alice").get("/api/v1/teams/1/disagreements/").json()["results"]
    assert differing["verdicts"] == [{"reviewer": "alice", "choice": "accept"}, {"reviewer": "bob", "choice": "reject"}]
    assert lead.delete(url).status_code == 204
    assert not GoldEvent.objects.exists()


def test_verdicts_are_carried_over_to_a_rerun(api, alice, run, event, start, no_files):
    give_verdict(event, alice, Judgement("accept"))
    rerun = start(work=True)
    client, url = api("lena"), f"/api/v1/runs/{rerun.pk}/carry/"
    told = client.get(f"{url}?source={run.pk}").json()
    assert (told["numbers"], told["planned"]["verdicts"]) == ({"same": 1, "changed": 0, "gone": 0}, 1)
    (fate,) = client.get(f"{url}events/").json()["results"]
    assert (fate["event"], fate["how"], fate["would_carry"]) == (event.pk, "same", True)
    assert [act["by"] for act in client.post(url, {"source": run.pk}).json()["acts"]] == ["alice"]
    assert Verdict.objects.get(event__run=rerun).event_id == fate["target"]
    assert client.post(url, {}).json()["acts"] == []
    assert client.get(f"{url}?source={rerun.pk}").status_code == 404


def test_the_history_goes_on_page_by_page(alice_api, alice, event, monkeypatch):
    monkeypatch.setattr("poreweb.people.history.PER_PAGE", 2)
    for choice in ("accept", "reject", "unsure"):
        give_verdict(event, alice, Judgement(choice))
    page = alice_api.get("/api/v1/teams/1/history/?member=alice").json()
    assert [step["entries"][0]["after"]["choice"] for step in page["results"]] == ["unsure", "reject"]
    last = alice_api.get(page["next"]).json()
    assert ([step["entries"][0]["after"]["choice"] for step in last["results"]], last["next"]) == (["accept"], None)
    assert alice_api.get("/api/v1/teams/1/history/?member=mallory").status_code == 400


def test_an_event_that_a_job_removes_meanwhile_is_not_found(alice_api, event, monkeypatch):
    def removed(*whose) -> None:  # after the view has looked the event up, before it is locked
        Event.objects.filter(pk=event.pk).delete()

    monkeypatch.setattr("poreweb.api.views.review.must_write", removed)
    response = alice_api.post(f"/api/v1/events/{event.pk}/verdict/", ACCEPT)
    assert (response.status_code, response.json()["detail"]) == (404, "It is not there any more.")


# -- What it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "null", '"x"', "1e999", '{"choice": NaN}', '{"choice": "accept", "version": 1e999}',
        '{"choice": "accept", "version": 99999999999999999999999999}', '{"choice": "acc\\u0000ept"}',
        '{"choice": "accept", "version": 0, "note": "\\ud800"}', '{"choice": ["accept"], "version": 0}',
        '{"choice": "accept", "version": "0x1"}', '{"choice": "accept", "version": 0, "vresion": 1}',
        '{"choice": "correct", "version": 0, "joined": [[1]]}', "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000,
        '{"choice": "correct", "version": 0, "correction": {"add": [[1, "x"]]}}', "\ufeff{}", "\x00",
        json.dumps({"choice": "accept", "version": 0, "note": "x" * 2001}),
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
def test_bad_bodies_are_refused(alice_api, event, body):
    url = f"/api/v1/events/{event.pk}/verdict/"
    response = alice_api.generic("POST", url, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["detail"]
    assert not Verdict.objects.exists()


def test_other_kinds_of_body_are_refused(alice_api, event, settings):
    url = f"/api/v1/events/{event.pk}/verdict/"
    assert alice_api.generic("POST", url, "choice=accept", "application/x-www-form-urlencoded").status_code == 415
    assert alice_api.generic("POST", url, "{}", "application/json; charset=bz2").status_code == 400
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert alice_api.post(url, {**ACCEPT, "note": "x" * 200}).status_code == 413


@pytest.mark.parametrize("key", [0, HUGE, 2**63, "9" * 5000])
def test_keys_of_absurd_size_are_not_found(alice_api, db, key):
    for address in ("patches", "runs", "events", "teams", "threads", "exports"):
        assert alice_api.get(f"/api/v1/{address}/{key}/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "kind=merg", "state=x", "above=nan", "above=0.1", "over=inf", "mu_from=1e999", "frame=0", f"frame={HUGE}",
        f"patch={HUGE}", "patch=x", "limit=0", "limit=x", f"limit={HUGE}", "offset=-1", "stat=accepted", "who=%00",
        "wait=you", f"who={'x' * 200}",
    ],
)  # fmt: skip
def test_bad_filters_are_refused(alice_api, run, query):
    response = alice_api.get(f"/api/v1/queue/?{query}")
    assert response.status_code == 400
    assert response.json()["detail"]


def test_an_offset_beyond_the_end_is_an_empty_page(alice_api, run):
    told = alice_api.get(f"/api/v1/queue/?offset={2**63 - 1}").json()
    assert (told["count"], told["results"]) == (3, [])


# -- What is told of it ----------------------------------------------------------------------------


def test_the_page_of_the_api_lists_every_operation(as_alice, client):
    assert client.get("/api/docs/").status_code == 302
    page = as_alice.get("/api/docs/")
    assert page.status_code == 200
    for address, method, _ in OPERATIONS:
        assert f'<span class="method">{method.upper()}</span> <code>{address}</code>' in page.text


def test_the_script_of_the_docs_judges_what_it_says(live_server, run, alice):
    (script,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    sure, unsure = run.events.filter(kind="gap").order_by("pk")
    for one, probability in ((sure, 0.9999), (unsure, 0.9)):
        Event.objects.filter(pk=one.pk).update(probability=probability, doubt=doubt(probability, None))
    _, token = AuthToken.objects.create(alice, timedelta(days=1))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False,
        env={"POREWEB_SITE": live_server.url, "POREWEB_TOKEN": token},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"event {sure.pk} in frame {sure.index + 1}: accepted\n"
    assert Verdict.objects.get().note == "by script: surer than 0.999"
    assert Standing.objects.get().state == "accepted"
