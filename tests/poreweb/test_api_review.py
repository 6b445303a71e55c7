"""The REST API: verdicts, steps back and forth, whole tracks, and what is carried over."""

from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Settlement, Verdict
from poreweb.tracks.models import Event

ACCEPT = {"choice": "accept", "version": 0}


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
