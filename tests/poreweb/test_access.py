"""Who may see and do what, at every address."""

import re
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RoutePattern

from poreweb.tracks.accuracy import keep_truth

OPEN = {"/accounts/login/", "/staff/login/"}
READ = {
    "observations:patch": ["patch"],
    "observations:viewer": ["patch"],
    "observations:layer": ["patch", "frame", "Br"],
    "observations:features": ["patch", "frame"],
    "observations:thumbnail": ["patch", "frame"],
    "observations:ingest": ["ingest"],
    "tracks:run": ["run"],
    "tracks:accuracy": ["run"],
    "review:events": ["run"],
    "review:event": ["event"],
    "exports:download": ["export"],
}
WRITE = {
    "tracks:start": ["patch"],
    "tracks:extend": ["run"],
    "tracks:cancel": ["run"],
    "tracks:retry": ["run"],
    "review:give-verdict": ["event"],
    "exports:request": ["run"],
}
ANYONES = {"observations:home", "observations:upload", "people:login", "people:logout", "people:password"}
FORM = {
    "limb_darkening": "none", "quiet_sun": "density", "enhance": "none", "iterations": 5, "segmentation": "threshold",
    "threshold": 0.5, "stara_depth": 0.5, "split": "none", "connectivity": 4, "min_pixels": 6, "umbra_level": 0.5,
    "max_gap": 4, "reach_mm": 2.5, "link_bias": 0, "opposite_polarity": "never", "choice": "accept", "kind": "csv",
}  # fmt: skip


def addresses(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    """Every address of the site, with some value in each place."""
    for item in patterns:
        if isinstance(item.pattern, RoutePattern):
            here = before + re.sub(r"<(\w+:)?\w+>", "1", str(item.pattern))
            yield from addresses(item.url_patterns, here) if isinstance(item, URLResolver) else [here]


def names(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[str]:
    for item in patterns:
        if isinstance(item, URLPattern):
            yield f"{space}:{item.name}"
        elif item.app_name not in ("admin", "django_rq"):
            yield from names(item.url_patterns, item.app_name or space)


@pytest.fixture
def url(run, event, frame, simulated):
    assert keep_truth(run.patch, simulated / "truth.json")
    keys = {
        "patch": run.patch_id, "frame": frame.pk, "run": run.pk, "event": event.pk,
        "ingest": run.patch.ingests.get().pk, "export": run.exports.first().pk,
    }  # fmt: skip
    return lambda name: reverse(name, args=[keys.get(item, item) for item in (READ | WRITE)[name]])


def test_every_address_is_in_these_lists():
    assert set(names(get_resolver().url_patterns)) == {*READ, *WRITE, *ANYONES}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_signing_in_is_open(client, method):
    found = set(addresses(get_resolver().url_patterns))
    assert len(found) > 30
    for address in found - OPEN:
        response = getattr(client, method)(address)
        assert response.status_code == 302, address
        assert response.url.partition("?")[0] in OPEN, address
    assert all(client.get(address).status_code == 200 for address in OPEN)


def test_staff_pages_are_for_staff(as_alice):
    for address in ("/staff/", "/staff/queues/", "/staff/people/team/"):
        assert as_alice.get(address).status_code == 302


@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_another_team_finds_nothing(sign_in, url, everything, name):
    before = everything()
    client = sign_in("mallory")
    response = client.get(url(name)) if name in READ else client.post(url(name), FORM)
    assert response.status_code == 404
    assert everything() == before


def test_another_team_cannot_upload_here(sign_in, team, everything):
    before = everything()
    form = {"team": team.pk, "records": SimpleUploadedFile("a.fits", b"x")}
    response = sign_in("mallory").post(reverse("observations:upload"), form)
    assert "Select a valid choice" in response.text
    assert everything() == before


def test_another_team_sees_nothing_at_home(sign_in, run):
    assert "HARP 99001" not in sign_in("mallory").get("/").text


@pytest.mark.parametrize("name", READ)
def test_a_viewer_may_look(sign_in, url, name):
    assert sign_in("visitor").get(url(name), follow=True).status_code == 200


@pytest.mark.parametrize("name", WRITE)
def test_a_viewer_may_not_change(sign_in, url, everything, name):
    before = everything()
    response = sign_in("visitor").post(url(name), FORM)
    assert response.status_code == 403
    assert "You may look at what Team A does" in response.text
    assert everything() == before


def test_a_viewer_may_not_upload(sign_in, team, everything):
    before = everything()
    form = {"team": team.pk, "records": SimpleUploadedFile("a.fits", b"x")}
    response = sign_in("visitor").post(reverse("observations:upload"), form)
    assert everything() == before
    assert response.status_code == 403


def test_a_viewer_sees_no_buttons(sign_in, url):
    for name in ("observations:patch", "tracks:run", "review:event"):
        assert sign_in("visitor").get(url(name)).text.count('method="post"') == 1  # to sign out


@pytest.mark.parametrize("name", WRITE)
def test_writing_needs_post_and_a_token(alice, as_alice, url, everything, name):
    before = everything()
    assert as_alice.get(url(name)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(url(name), FORM).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("name", READ)
def test_reading_takes_no_post(as_alice, url, name):
    assert as_alice.post(url(name)).status_code == 405


def test_an_unknown_address_has_its_page(as_alice):
    response = as_alice.get("/nothing/here/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.text


def test_a_run_of_another_patch_is_not_found(as_alice, run, team):
    other = team.patches.create(harpnum=5)
    for address in ("", "viewer/"):
        assert as_alice.get(f"/patches/{other.pk}/{address}?run={run.pk}").status_code == 404


def test_signing_in_and_out(client, alice):
    alice.set_password("a long enough secret")
    alice.save()
    wrong = client.post("/accounts/login/", {"username": "alice", "password": "no"})
    assert "Please enter a correct username and password" in wrong.text
    right = client.post("/accounts/login/", {"username": "alice", "password": "a long enough secret"})
    assert right.url == "/"
    assert client.get("/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302
