"""What is asked of JSOC by the pages: forms whose refusals keep what was typed, orders, the e-mail."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from poreweb.acquire import actions
from poreweb.acquire.models import Acquisition, Record
from poreweb.observations.models import Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES
from processing.timekeys import parse_t_rec
from tests.poreweb import acquired_rows
from tests.poreweb.acquired_rows import plain

NRT = f"{DEFINITIVE_SERIES}_nrt"
make = acquired_rows.make


@pytest.fixture
def mail(team: Team) -> Team:
    team.jsoc_email = "observer@example.org"
    team.save()
    return team


# -- What is asked for ---------------------------------------------------------------------------------------


FORM: dict[str, Any] = {
    "team": "1", "harpnum": "377", "first": "", "last": "", "cadence_s": "720", "segments": ["continuum", "Br"],
    "series": DEFINITIVE_SERIES, "noaa_ar": "11158",
}  # fmt: skip
REFUSED = {
    "no number": ({"harpnum": ""}, "This field is required", ""),
    "zero": ({"harpnum": "0"}, "greater than or equal to 1", "0"),
    "negative": ({"harpnum": "-377"}, "greater than or equal to 1", "-377"),
    "beyond": ({"harpnum": str(2**31)}, "less than or equal to 2147483647", str(2**31)),
    "absurd": ({"harpnum": "9" * 400}, "less than or equal to 2147483647", "9" * 400),
    "a fraction": ({"harpnum": "377.5"}, "Enter a whole number", "377.5"),
    "a query": ({"harpnum": "377][2011.02.15"}, "Enter a whole number", "377][2011.02.15"),
    "words for a date": ({"first": "yesterday"}, "is no moment such as 2011-02-15 02:00", "yesterday"),
    "no such day": ({"last": "2011-02-30"}, "is no moment such as", "2011-02-30"),
    "too early": ({"first": "1999-01-01"}, "HMI has records from April 2010 on", "1999-01-01"),
    "year 1": ({"first": "0001-01-01"}, "HMI has records from April 2010 on", "0001-01-01"),
    "too late": ({"last": "9999-12-30"}, "none beyond 2039", "9999-12-30"),
    "last of days": ({"last": "9999-12-31"}, "no", "9999-12-31"),
    "backwards": ({"first": "2011-02-15 02:00", "last": "2011-02-15 01:00"}, "must not be before the first", "02:00"),
    "between two slots": ({"first": "2011-02-15 02:05", "last": "2011-02-15 02:10"}, "one every 12 minutes", "02:05"),
    "no continuum": ({"segments": ["Br"]}, "it must be among the segments", "377"),
    "no segment": ({"segments": []}, "This field is required", "377"),
    "another segment": ({"segments": ["continuum", "Bz"]}, "Bz is not one of the available choices", "377"),
    "another series": ({"series": "hmi.M_720s"}, "hmi.M_720s is not one of the available choices", "377"),
    "provisional by accident": ({"series": NRT}, "Say that near-real-time data are meant", f'value="{NRT}"'),
    "another cadence": ({"cadence_s": "719"}, "719 is not one of the available choices", "377"),
    "another team": ({"team": "2"}, "Select a valid choice", "377"),
    "nothing at all": (dict.fromkeys(FORM, ""), "This field is required", ""),
}


@pytest.mark.parametrize(("change", "words", "kept"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_kept(
    change: dict[str, Any], words: str, kept: str, as_alice: Client, queues: Any
):  # fmt: skip
    response = as_alice.post(reverse("acquire:new"), {**FORM, **change})
    assert response.status_code == 200
    errors = " ".join(re.findall(r'<ul class="errorlist[^>]*>.*?</ul>', response.text, re.DOTALL))
    assert words in errors.replace("&#x27;", "'")
    assert kept in response.text
    assert not Acquisition.objects.exists()
    assert queues.commit().jobs == []


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [("", "", (None, None)),
     ("2011-02-15", "2011-02-15", ("2011.02.15_00:00:00_TAI", "2011.02.15_23:48:00_TAI")),
     ("2011-02-15 02:00", "2011-02-15T03:12:30", ("2011.02.15_02:00:00_TAI", "2011.02.15_03:12:00_TAI")),
     ("2011-02-15 02:05", "2011-02-15 02:35", ("2011.02.15_02:12:00_TAI", "2011.02.15_02:24:00_TAI")),
     ("2011-02-15 02:00:01", "2011-02-15 02:24", ("2011.02.15_02:12:00_TAI", "2011.02.15_02:24:00_TAI")),
     (" 2011.02.15_02:00_TAI ", "2011.02.15_02:00:00_TAI", ("2011.02.15_02:00:00_TAI", "2011.02.15_02:00:00_TAI"))],
    ids=["all", "a day", "moments", "between slots", "just after a slot", "as JSOC writes"],
)  # fmt: skip
def test_moments_are_tai(first: str, last: str, expected: tuple[str | None, ...], as_alice: Client, queues: Any):
    response = as_alice.post(reverse("acquire:new"), {**FORM, "first": first, "last": last})
    acquisition = Acquisition.objects.get()
    assert response.url == acquisition.get_absolute_url()
    found = acquisition.first_s, acquisition.last_s
    assert found == tuple(moment and parse_t_rec(moment) for moment in expected)
    assert (acquisition.harpnum, acquisition.noaa_ar, acquisition.series) == (377, 11158, DEFINITIVE_SERIES)
    assert acquisition.segments == ["continuum", "Br"]
    assert queues.commit().jobs == [("poreweb.acquire.jobs.run_acquisition", acquisition.pk)]
    assert not acquisition.ordered_at


def test_near_real_time_data_are_asked_for_by_saying_so_twice(as_alice: Client, queues: Any):
    as_alice.post(reverse("acquire:new"), {**FORM, "series": NRT, "provisional": "on"})
    found = Acquisition.objects.get()
    assert (found.series, found.noaa_ar) == (NRT, None)  # which was found for the definitive HARP of that number
    as_alice.post(reverse("acquire:new"), {**FORM, "provisional": "on"})  # said, but not chosen
    assert Acquisition.objects.first().series == DEFINITIVE_SERIES


@pytest.mark.parametrize("harpnum", ["377", "x", '"><script>alert(1)</script>', "9" * 300])
def test_the_address_fills_the_forms_in(harpnum: str, as_alice: Client, jsoc_is_away: None):
    for name in ("new", "schedule"):
        page = as_alice.get(reverse(f"acquire:{name}"), {"harpnum": harpnum, "noaa": harpnum}).text
        assert "<script>alert" not in page
        assert ('value="377"' in page) == (harpnum == "377")


@pytest.fixture
def jsoc_is_away(settings: LazySettings) -> None:
    """No page asks JSOC anything, so that all of them are there without it."""
    settings.JSOC_URL = "http://127.0.0.1:9/"


# -- A preview, and an order ---------------------------------------------------------------------------------


def test_a_preview_shows_what_there_is(make, as_alice: Client, mail: Team, jsoc_is_away: None):
    preview = make(ordered_at=None)
    text = as_alice.get(preview.get_absolute_url()).text
    page = plain(text)
    for words in (
        "HARP 377 from JSOC", DEFINITIVE_SERIES, "11158", "Records 3", "Missing slots 1 in 1 gap", "Get 3 records",
        "QUALITY not 0 1 record", "about 2.9 MB", "2 of 3, kept until 2030.01.01; the others come from tape",
        "2 records have no Bt.", "2011.02.15_00:12:00_TAI to 2011.02.15_00:12:00_TAI : 1 slot", "0.750 0.700 0.800",
        "Asked for as observer@example.org", "None of these frames is held",
    ):  # fmt: skip
        assert words in page, words
    assert 'data-figure="mu-figure"' in text
    assert "every 2s" not in text
    assert reverse("acquire:order", args=[preview.pk]) in text
    assert reverse("acquire:cancel", args=[preview.pk]) not in text


def test_frames_that_are_held_are_shown(make, patch: Patch, as_alice: Client):
    preview = make(ordered_at=None, patch=patch, n_records=0)
    Record.objects.bulk_create(Record(acquisition=preview, t_rec_s=frame.t_rec_s) for frame in patch.frames.all())
    page = as_alice.get(preview.get_absolute_url()).text
    assert page.count('class="thumb"') == 6
    assert "None of these frames is held" not in page
    RawFile.objects.filter(segment="continuum").update(conflict=True)
    assert 'class="thumb"' not in as_alice.get(preview.get_absolute_url()).text


def test_two_clicks_order_once(make, as_alice: Client, mail: Team, queues: Any):
    preview = make(ordered_at=None)
    address = reverse("acquire:order", args=[preview.pk])
    for method in ("url", "url-tar"):
        assert as_alice.post(address, {"method": method, "run_after": "on"}).url == preview.get_absolute_url()
    preview.refresh_from_db()
    assert (preview.method, preview.state, preview.run_after) == ("url", Task.State.WAITING, True)
    assert queues.commit().jobs == [("poreweb.acquire.jobs.run_acquisition", preview.pk)]
    assert [line.text for line in preview.log.all()] == ["3 records asked for by alice."]
    assert preview.attempts == 1


@pytest.mark.parametrize("state", [state for state in Task.State if state != Task.State.DONE])
def test_only_a_preview_that_is_there_can_be_ordered(state: str, make, as_alice: Client, mail: Team, queues: Any):
    preview = make(ordered_at=None, state=state)
    page = as_alice.post(reverse("acquire:order", args=[preview.pk]), {"method": "url"}).text
    assert "Get these records" not in page  # its form is not offered
    preview.refresh_from_db()
    assert (preview.ordered_at, preview.state) == (None, state)
    assert queues.commit().jobs == []


def test_an_order_that_is_refused_says_why(
    make, as_alice: Client, sign_in: Callable[[str], Client], settings: LazySettings
):
    preview = make(ordered_at=None)
    address = reverse("acquire:order", args=[preview.pk])
    page = as_alice.post(address, {"method": "carrier pigeon"}).text
    assert "carrier pigeon is not one of the available choices" in page
    page = as_alice.post(address, {"method": "url_quick"}).text
    assert 'role="alert">JSOC gives exports to registered e-mails only, and none is set' in page
    assert '<option value="url_quick" selected>' in page
    assert "a lead can set the team&#x27;s" in page or "a lead can set the team's" in page
    settings.JSOC_EMAIL = "site@example.org"
    assert "Asked for as site@example.org" in as_alice.get(preview.get_absolute_url()).text
    assert as_alice.post(address, {"method": "url_quick"}).status_code == 302


# -- The e-mail at JSOC --------------------------------------------------------------------------------------


def test_a_lead_sets_the_e_mail(sign_in: Callable[[str], Client], team: Team):
    address = reverse("acquire:email", args=[team.pk])
    client = sign_in("lena")
    for wrong in ("observer", "a@b", "a@example.org, b@example.org", "x" * 300 + "@example.org"):
        page = client.post(address, {"jsoc_email": wrong}).text
        assert "errorlist" in page, wrong
        assert f'value="{wrong}"' in page
        team.refresh_from_db()
        assert team.jsoc_email == ""
    page = client.post(address, {"jsoc_email": "observer@example.org"}, follow=True).text
    team.refresh_from_db()
    assert "The e-mail of Team A is saved. It could not be checked" in page  # as nobody answers here
    assert team.jsoc_email == "observer@example.org"
    client.post(address, {"jsoc_email": ""})
    team.refresh_from_db()
    assert (team.jsoc_email, actions.email_of(team)) == ("", "")
