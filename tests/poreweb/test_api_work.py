"""The REST API: runs, files, releases, comments, teams, assignments and gold events."""

from datetime import timedelta

from django.test import Client
from knox.models import AuthToken

from poreweb.people.models import Team
from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.review.models import GoldEvent
from poreweb.tracks.models import Event, Run
from tests.poreweb.api_client import with_token


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
