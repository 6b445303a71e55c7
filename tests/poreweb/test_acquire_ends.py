"""Where an acquisition leads: on when it is done, back to what was asked when it failed, and to what was missing."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import actions, fetch, noaa
from poreweb.acquire.models import Acquisition
from poreweb.acquire.wanted import Wanted
from poreweb.observations.models import Ingest, Patch, RawFile
from poreweb.people.models import Team
from poreweb.tracks.models import Run
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL
from processing.timekeys import parse_t_rec
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb import acquired_rows
from tests.poreweb.acquired_rows import plain
from tests.poreweb.acquiring import EMAIL, pass_time, previewed

LIST = reverse("acquire:acquisitions")
HTMX = {"HX-Request": "true"}
make = acquired_rows.make
R, D, F = Task.State.RUNNING, Task.State.DONE, Task.State.FAILED


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(3, shape=(16, 16))


@pytest.fixture
def jsoc(archive: Archive, settings: LazySettings, tmp_path: Any) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0, registered=[EMAIL]) as stand_in:
        settings.JSOC_URL, settings.JSOC_PACE_S = f"{stand_in.address}/", 1
        settings.VAR_DIR = tmp_path / "var"
        yield stand_in


def buttons(page: str) -> dict[str, str]:
    """Links that look like buttons: their words, and the address; `*` before those that come first."""
    found = re.findall(r'<a class="button( primary)?" href="([^"]*)"[^>]*>([^<]*)<', page)
    return {("*" if first else "") + words: address.replace("&amp;", "&") for first, address, words in found}


# -- Done --------------------------------------------------------------------------------------------------------


def test_what_is_done_leads_to_the_patch_and_its_run(run: Run, make, sign_in: Callable[[str], Client]):
    order = make(patch=run.patch, state=R)
    client = sign_in("visitor")
    for headers in ({}, HTMX):
        assert "*Open the patch" not in buttons(client.get(order.get_absolute_url(), headers=headers).text)
    Acquisition.objects.update(state=D)
    for headers in ({}, HTMX):
        found = buttons(client.get(order.get_absolute_url(), headers=headers).text)
        assert found == {
            "*Open the patch": run.patch.get_absolute_url(), f"Run {run.number}": run.get_absolute_url()
        }  # fmt: skip


# -- Nothing to fetch ------------------------------------------------------------------------------------------------


def test_of_what_is_held_there_is_nothing_to_get(make, patch: Patch, as_alice: Client, queues: Any):
    preview = make(ordered_at=None, patch=patch, preview={**acquired_rows.PREVIEW, "n_held": 3})
    preview.records.update(is_held=True)
    page = as_alice.get(preview.get_absolute_url()).text
    assert "There is nothing to fetch: all 3 records are held." in plain(page)
    assert "*Open the patch" in buttons(page)
    assert not re.search(r"<button[^>]*>Get ", page)
    assert "To fetch nothing" in plain(page)
    assert as_alice.post(reverse("acquire:order", args=[preview.pk]), {"method": "url-tar"}).status_code == 302
    assert pass_time(queues, preview).state == D  # without an e-mail, nor JSOC
    assert preview.doing == "All 3 records are held."


def test_only_what_is_not_held_is_counted(make, patch: Patch, as_alice: Client):
    preview = make(ordered_at=None, patch=patch)
    first, second, _ = preview.records.all()
    preview.records.filter(pk=first.pk).update(is_held=True)
    page = as_alice.get(preview.get_absolute_url()).text
    assert re.search(r"<button[^>]*>Get 2 records, about", page)
    preview.records.filter(pk=second.pk).update(problem="JSOC has no continuum of it.")
    assert re.search(r"<button[^>]*>Get 1 record, about", as_alice.get(preview.get_absolute_url()).text)


def test_old_previews_say_what_has_come_since(
    team: Team, alice: User, jsoc: JsocStandIn, queues: Any, as_alice: Client, archive: Archive
):
    old = previewed(team, alice, queues, segments=["continuum"])
    wider = previewed(team, alice, queues, segments=["continuum", "Br"])
    later = pass_time(queues, actions.start_preview(team, alice, Wanted(377), segments=["continuum"]))
    assert "ready to look at" in as_alice.get(LIST).text
    assert actions.order(later, user=alice, run_after=False)
    assert pass_time(queues, later).state == D
    old.refresh_from_db()
    assert (old.n_to_fetch, old.estimated_bytes, old.preview["n_held"], old.patch) == (0, 0, 3, Patch.objects.get())
    wider.refresh_from_db()
    assert (wider.n_to_fetch, wider.preview["n_held"]) == (3, 0)
    page = plain(as_alice.get(LIST).text)
    assert "3 nothing" in page
    assert "all held" in page
    assert page.count("ready to look at") == 1
    assert "nothing to fetch: all 3 records are held" in plain(as_alice.get(old.get_absolute_url()).text)


def test_what_came_for_one_team_is_nothing_to_another(make, team: Team, patch: Patch):
    harp = team.patches.create(harpnum=377)
    mine, stranger = make(ordered_at=None), make(ordered_at=None, team=Team.objects.get(pk=2))
    nrt = make(ordered_at=None, series=DEFINITIVE_SERIES + PROVISIONAL)
    for record in mine.records.all():
        frame = harp.frames.create(t_rec_s=record.t_rec_s, ny=16, nx=16)
        RawFile.objects.bulk_create(
            RawFile(frame=frame, segment=name, sha256=f"{record.pk}{name}", size=1, name="x") for name in mine.segments
        )
    ingest = Ingest.objects.create(team=team, n_new=15)
    ingest.patches.set([harp])
    ingest.when_done()
    assert [one.records.filter(is_held=True).count() for one in (mine, stranger, nrt)] == [3, 0, 0]


# -- No room, no e-mail ------------------------------------------------------------------------------------------------


def test_what_there_is_no_room_for_cannot_be_pressed(make, team: Team, as_alice: Client):
    team.quota_mb, team.jsoc_email = 1, EMAIL
    team.save()
    preview = make(ordered_at=None)
    page = as_alice.get(preview.get_absolute_url()).text
    assert re.search(r'<button class="button primary" disabled aria-describedby="why-not">Get 3 records', page)
    assert re.search(r'id="why-not"[^>]*>Team A may hold 1.0\xa0MB and holds 0\xa0bytes, so there is no room', page)
    Team.objects.update(quota_mb=None)
    page = as_alice.get(preview.get_absolute_url()).text
    assert "why-not" not in page
    assert '<button class="button primary">Get 3 records' in page


@pytest.mark.parametrize(("site", "words"), [("site@example.org", "the site's"), ("", "none, so nothing can be")])
def test_an_e_mail_that_there_is_not_is_not_claimed(
    site: str, words: str, sign_in: Callable[[str], Client], team: Team, settings: LazySettings
):
    settings.JSOC_EMAIL = site
    page = plain(sign_in("alice").get(LIST).text)
    assert words in page
    assert ("a lead of the team can set one" in page) == (not site)
    page = sign_in("lena").get(LIST).text
    assert reverse("acquire:email", args=[team.pk]) in page
    assert words in plain(page)
    assert "a lead of the team can set one" not in page


def test_an_e_mail_is_checked_when_it_is_saved(
    jsoc: JsocStandIn, sign_in: Callable[[str], Client], team: Team, settings: LazySettings
):
    address, client = reverse("acquire:email", args=[team.pk]), sign_in("lena")
    page = client.post(address, {"jsoc_email": "nobody@example.org"}).text
    assert "JSOC does not know this e-mail. Register it at JSOC first" in page
    assert 'value="nobody@example.org"' in page
    assert f'href="{settings.JSOC_URL}ajax/register_email.html"' in page
    team.refresh_from_db()
    assert team.jsoc_email == ""
    page = client.post(address, {"jsoc_email": EMAIL}, follow=True).text
    assert "The e-mail of Team A is saved, and JSOC knows it." in page
    assert len(jsoc.asked("email")) == 2
    for trouble in ("html", "503", "drop"):
        jsoc.faults.add(trouble, "email")
        page = client.post(address, {"jsoc_email": "other@example.org"}, follow=True).text
        assert "is saved. It could not be checked, as JSOC does not answer now." in page, trouble
    team.refresh_from_db()
    assert team.jsoc_email == "other@example.org"
    assert "The e-mail of Team A is saved." in client.post(address, {"jsoc_email": ""}, follow=True).text
    assert len(jsoc.asked("email")) == 5


def test_checking_changes_nothing_that_other_threads_share(jsoc: JsocStandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "guarded", None)
    monkeypatch.setattr(fetch.urllib.request, "install_opener", None)
    monkeypatch.setattr(fetch.socket, "setdefaulttimeout", None)
    assert actions.check_email(EMAIL) is True
    assert actions.check_email("a+b&c@example.org") is False
    jsoc.faults.add("redirect", "email", url="http://example.org/")
    assert actions.check_email(EMAIL) is None


def test_an_order_of_an_unknown_e_mail_leads_to_where_it_can_be_mended(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any, sign_in: Callable[[str], Client], settings: LazySettings
):
    order = previewed(team, alice, queues)
    Team.objects.update(jsoc_email="nobody@example.org")
    assert actions.order(Acquisition.objects.get(), user=alice, run_after=False)
    assert pass_time(queues, order).state == F
    page = sign_in("lena").get(order.get_absolute_url()).text
    assert f'<a href="{settings.JSOC_URL}ajax/register_email.html">Register nobody@example.org at JSOC</a>' in page
    assert f'<a href="{reverse("acquire:email", args=[team.pk])}">give the team another e-mail</a>' in page
    log = page[page.index('<h2 id="log">') :]
    assert "Failed: nobody@example.org is not registered at JSOC" in log
    assert reverse("acquire:email", args=[team.pk]) not in sign_in("alice").get(order.get_absolute_url()).text


# -- Asked for in vain -----------------------------------------------------------------------------------------------


def test_a_noaa_number_that_was_taken_for_a_harp_leads_to_its_harp(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any, as_alice: Client
):
    noaa.import_text("377 11158\n45 11073\n", "a test")
    wanted = Wanted(11158, first_s=parse_t_rec("2011.02.15_00:00:00_TAI"))
    failed = pass_time(queues, actions.start_preview(team, alice, wanted, cadence_s=1440, segments=["continuum"]))
    assert failed.error == (
        "JSOC has no record of HARP 11158 in hmi.sharp_cea_720s from 2011.02.15_00:00:00_TAI on, one every 24 min; "
        "look at the number, the series and the dates"
    )
    page = as_alice.get(failed.get_absolute_url()).text
    assert "11158 is the number of a NOAA region too, which lies in HARP 377 by JSOC’s list." in plain(page)
    address = re.search(r'<a href="([^"]*)">Ask for HARP 377</a>', page)[1].replace("&amp;", "&")
    given = parse_qs(urlsplit(address).query)
    assert (given["harpnum"], given["noaa"], given["first"]) == (["377"], ["11158"], ["2011-02-15 00:00"])
    form = as_alice.get(address).context["form"]
    assert form["harpnum"].value() == "377"
    again = buttons(page)["*Change what was asked"]
    page = as_alice.get(again).text
    for part in ('value="11158"', 'value="2011-02-15 00:00"', '<option value="1440" selected>'):
        assert part in page
    assert re.findall(r'name="segments" value="(\w+)"[^>]*checked', page) == ["continuum"]
    noaa.import_text("45 11073\n", "a test", force=True)
    assert "Ask for HARP" not in as_alice.get(failed.get_absolute_url()).text


def test_the_list_says_nothing_of_near_real_time_harps(make, as_alice: Client, team: Team):
    noaa.import_text("377 11158\n", "a test")
    failed = {"ordered_at": None, "planned_at": None, "state": F, "error": "JSOC has no record", "harpnum": 11158}
    assert "Ask for HARP 377" in as_alice.get(make(**failed).get_absolute_url()).text
    failed["series"] = DEFINITIVE_SERIES + PROVISIONAL
    assert "Ask for HARP 377" not in as_alice.get(make(**failed).get_absolute_url()).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "HARP 377 in hmi.sharp_cea_720s"),
        ({"first_s": 0}, "HARP 377 in hmi.sharp_cea_720s from 1993.01.01_00:00:00_TAI on"),
        ({"last_s": 720}, "HARP 377 in hmi.sharp_cea_720s up to 1993.01.01_00:12:00_TAI"),
        (
            {"first_s": 0, "last_s": 720},
            "HARP 377 in hmi.sharp_cea_720s from 1993.01.01_00:00:00_TAI to 1993.01.01_00:12:00_TAI",
        ),
        ({"cadence_s": 3600}, "HARP 377 in hmi.sharp_cea_720s, one every 60 min"),
    ],
    ids=["all", "open end", "open begin", "range", "cadence"],
)
def test_what_was_asked_for_is_told_without_inventing_an_end(changes: dict[str, int], words: str):
    assert Acquisition(harpnum=377, **changes).wanted_words == words


def test_a_form_that_is_filled_in_by_an_address_stands_rubbish(as_alice: Client):
    rubbish = {"team": "x", "harpnum": "<b>", "segments": "Bz", "cadence_s": "-1", "first": "x" * 999, "last": "\x00"}
    response = as_alice.get(reverse("acquire:new"), rubbish)
    assert response.status_code == 200
    assert "<b>" not in response.text


def test_previews_can_be_asked_for_otherwise(make, as_alice: Client):
    found = buttons(as_alice.get(make(ordered_at=None, first_s=0).get_absolute_url()).text)
    assert parse_qs(urlsplit(found["Change what was asked"]).query)["first"] == ["1993-01-01 00:00"]
    assert "Change what was asked" not in buttons(as_alice.get(make(ordered_at=timezone.now()).get_absolute_url()).text)
