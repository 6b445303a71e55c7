"""The REST API: who may what, what it refuses, and what it says of itself."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from poreweb.acquire.models import Acquisition, Watch
from poreweb.api.schema import LEADS, described
from poreweb.people.models import Invitation
from poreweb.releases.actions import want_publication
from poreweb.review.models import Standing, Verdict
from poreweb.tracks.models import Event
from processing.certainty import doubt
from tests.poreweb.api_client import with_token
from tests.poreweb.sequencing import make_sequence

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
        "sequence_id": make_sequence(run.patch.team).pk, "key": "dark1-mean", "ingest_id": run.patch.ingests.get().pk,
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
