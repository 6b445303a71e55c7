"""Who may see and do what, at every address."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RoutePattern

from poreweb.acquire.models import Acquisition, Watch
from poreweb.discussion.models import Comment
from poreweb.people import actions as people
from poreweb.people.models import Membership
from poreweb.releases.actions import freeze_release, want_publication
from poreweb.tracks.accuracy import keep_truth
from tests.poreweb.addresses import API, OPEN, OWN, PAGES, ROLES, Way
from tests.poreweb.sequencing import make_sequence

SIGN_IN = {"/accounts/login/", "/staff/login/"}
FORM = {
    "limb_darkening": "none", "quiet_sun": "density", "enhance": "none", "iterations": 5, "segmentation": "threshold",
    "threshold": 0.5, "stara_depth": 0.5, "split": "none", "connectivity": 4, "min_pixels": 6, "umbra_level": 0.5,
    "max_gap": 4, "reach_mm": 2.5, "link_bias": 0, "opposite_polarity": "never", "choice": "accept", "kind": "csv",
    "text": "a word", "role": "viewer", "n": 3,
}  # fmt: skip
OF_AUTHORS = ("discussion:edit", "api:comment")  # not even a lead changes what somebody else wrote
CAST = {"viewer": "visitor", "reviewer": "alice", "lead": "lena"}


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
def keys(run, event, frame, lena, team, simulated, queues):
    """What stands in the addresses: something of team A's in each place."""
    assert keep_truth(run.patch, simulated / "truth.json")
    release = freeze_release(run, lena, "for a paper")
    want_publication(run)
    queues.work()
    comment = Comment.objects.create(patch=run.patch, author=User.objects.get(username="alice"), text="look here")
    invitation, _ = people.invite(team, lena, role="viewer", note="", days=7)
    return {
        "patch": run.patch_id,
        "frame": frame.pk,
        "run": run.pk,
        "event": event.pk,
        "ingest": run.patch.ingests.get().pk,
        "export": run.exports.first().pk,
        "team": team.pk,
        "track": run.tracks.first().number,
        "comment": comment.pk,
        "release": release.number,
        "invitation": invitation.pk,
        "acquisition": Acquisition.objects.create(team=team, harpnum=377).pk,
        "sequence": make_sequence(team).pk,
        "watch": Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=377).pk,
        "one": 1,
        "member": Membership.objects.get(team=team, user__username="bob").pk,
    }


def ask(client: Client, way: Way, keys: dict[str, int]):
    address = reverse(way.name, args=[keys.get(part, part) for part in way.parts])
    json = {"content_type": "application/json"} if way.name.startswith("api:") else {}
    return getattr(client, way.method)(address, *([] if way.method == "get" else [FORM]), **json)


def say(way: Way) -> str:
    return f"{way.method} {way.name}"


def test_every_address_is_in_these_lists():
    listed = {way.name for way in (*PAGES, *API)}
    assert set(names(get_resolver().url_patterns)) == {*listed, *OWN, *OPEN}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_signing_in_is_open(client, method):
    found = set(addresses(get_resolver().url_patterns))
    assert len(found) > 30
    for address in found - SIGN_IN - {"/invitations/1/"}:
        response = getattr(client, method)(address)
        if address.startswith("/api/") and address != "/api/docs/":
            assert response.status_code == 401, address
        else:
            assert response.status_code == 302, address
            assert response.url.partition("?")[0] in SIGN_IN, address
    assert all(client.get(address).status_code == 200 for address in SIGN_IN)
    assert getattr(client, method)("/invitations/1/").status_code == 404


def test_staff_pages_are_for_staff(as_alice):
    for address in ("/staff/", "/staff/queues/", "/staff/people/team/"):
        assert as_alice.get(address).status_code == 302


def test_who_may_not_is_refused_and_changes_nothing(sign_in, keys, everything):
    """Another team's member finds nothing; a role below what an address takes is refused."""
    before, wrong = everything(), []
    for way in (*PAGES, *API):
        lower = ROLES[: ROLES.index(way.role)]
        found = {"mallory": 404, **{CAST[role]: 403 for role in lower}}
        wrong += [
            (say(way), name, status)
            for name, expected in found.items()
            if (status := ask(sign_in(name), way, keys).status_code) != expected
        ]
    assert wrong == []
    assert everything() == before


def test_who_may_is_let_in(sign_in, keys):
    wrong = []
    for way in (*PAGES, *API):
        for role in ROLES[ROLES.index(way.role) :]:
            if role == "lead" and way.name in OF_AUTHORS:
                continue
            with transaction.atomic():
                status = ask(sign_in(CAST[role]), way, keys).status_code
                transaction.set_rollback(True)
            is_read = status in (200, 202, 302, 409)  # 409: with nothing to compare, or as things stand
            if not is_read and (way.method == "get" or status in (401, 403, 405) or status >= 500):
                wrong.append((say(way), role, status))
    assert wrong == []


def test_a_number_beyond_all_keys_is_not_found(sign_in, keys, everything):
    before, client, wrong = everything(), sign_in("lena"), []
    for way in (*PAGES, *API):
        for part in way.parts:
            if part in keys and (status := ask(client, way, {**keys, part: 2**70}).status_code) not in (403, 404):
                wrong.append((say(way), part, status))
    assert wrong == []
    assert everything() == before


def test_another_team_cannot_upload_here(sign_in, team, everything):
    before = everything()
    form = {"team": team.pk, "records": SimpleUploadedFile("a.fits", b"x")}
    response = sign_in("mallory").post(reverse("observations:upload"), form)
    assert "Select a valid choice" in response.text
    assert everything() == before


def test_another_team_s_things_are_listed_nowhere(sign_in, keys):
    client = sign_in("mallory")
    for name in OWN:
        if name not in ("people:logout", "people:revoke-token", "api:nothing"):
            page = client.get(reverse(name))
            assert not re.search("HARP 99001|Team A|alice", page.text), name


def test_what_a_viewer_may_not_do_is_said(sign_in, keys):
    for way in PAGES:
        if way.role == "reviewer" and not way.name.startswith("discussion:"):
            assert "You may look at what Team A does" in ask(sign_in("visitor"), way, keys).text, way


def test_a_viewer_may_not_upload(sign_in, team, everything):
    before = everything()
    form = {"team": team.pk, "records": SimpleUploadedFile("a.fits", b"x")}
    response = sign_in("visitor").post(reverse("observations:upload"), form)
    assert everything() == before
    assert response.status_code == 403


def test_a_viewer_sees_no_buttons(sign_in, keys):
    for way in PAGES:
        if way.name in ("observations:patch", "tracks:run", "review:event", "review:track", "review:events"):
            assert ask(sign_in("visitor"), way, keys).text.count('method="post"') == 1, way  # to sign out


def test_writing_needs_post_and_a_token(lena, sign_in, keys, everything):
    before, wrong = everything(), []
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(lena)
    for way in PAGES:
        if way.method == "post":
            read = way._replace(method="get")
            statuses = ask(strict, way, keys).status_code, ask(sign_in("lena"), read, keys).status_code
            is_read = any(read._replace(role=role) in PAGES for role in ROLES)
            if statuses != (403, 200 if is_read else 405):
                wrong.append((say(way), statuses))
    assert wrong == []
    assert everything() == before


def test_reading_takes_no_post(sign_in, keys):
    posts = {way.name for way in PAGES if way.method == "post"}
    reads = [way for way in PAGES if way.method == "get" and way.name not in posts]
    statuses = {way.name: ask(sign_in("lena"), way._replace(method="post"), keys).status_code for way in reads}
    assert set(statuses.values()) == {405}, statuses


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
