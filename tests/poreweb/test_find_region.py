"""Finding a region by a number: as a HARP, as a NOAA region, or as both where nobody said which."""

import pytest
from django.urls import reverse

from poreweb.acquire import noaa
from poreweb.acquire.noaa import HarpRow, Reading
from tests.real_data import REAL_DATA, needs_real_data

URL = reverse("acquire:find")
TEXT = "1 11067\n45 11073,11077\n46 11073\n377 11158\n11158 377\n99001 12000\n"


@pytest.fixture
def known(team):
    noaa.import_text(TEXT, "a test")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HARP 377", [Reading(377, "harp", (HarpRow(377, (11158,)),))]),
        ("H377", [Reading(377, "harp", (HarpRow(377, (11158,)),))]),
        ("AR 11158", [Reading(11158, "noaa", (HarpRow(377, (11158,)),))]),
        ("NOAA 11073", [Reading(11073, "noaa", (HarpRow(45, (11073, 11077)), HarpRow(46, (11073,))))]),
        (
            "11158",
            [
                Reading(11158, "harp", (HarpRow(11158, (377,)),)),
                Reading(11158, "noaa", (HarpRow(377, (11158,)),)),
            ],
        ),
        ("1106", [Reading(1106, "harp", (HarpRow(1106, ()),)), Reading(1106, "noaa", ())]),
        ("HARP 1, 1", [Reading(1, "harp", (HarpRow(1, (11067,)),)), Reading(1, "noaa", ())]),
        ("", []),
    ],
    ids=["HARP", "H", "AR", "in two HARPs", "both", "whole numbers", "twice", "nothing"],
)
def test_what_a_number_may_mean(known, text, expected):
    assert noaa.find(text) == (expected, [])


def test_both_ways_there_may_be_several(known):
    assert noaa.harps_of(11073) == (45, 46)
    assert noaa.noaas_of(45) == (11073, 11077)
    assert noaa.harps_of(1107) == noaa.noaas_of(4) == ()  # whole numbers


@needs_real_data
def test_the_real_list_is_kept_whole(team):
    stored, problems = noaa.import_text((REAL_DATA / "HARP_TO_NOAA.txt").read_text(), "JSOC")
    assert (stored.n_pairs, stored.n_came, problems) == (1706, 1706, [])
    assert noaa.harps_of(11158) == (377,)
    assert noaa.harps_of(11253) == tuple(sorted(noaa.harps_of(11253)))
    assert len(noaa.harps_of(11253)) == 3


@needs_real_data
def test_the_real_list_finds_whole_numbers(team):
    noaa.import_text((REAL_DATA / "HARP_TO_NOAA.txt").read_text(), "JSOC")
    (as_harp, as_noaa), _ = noaa.find("1106")
    assert (as_harp.harps[0].harpnum, as_noaa.harps) == (1106, ())
    assert [row.harpnum for row in noaa.find("NOAA 11067")[0][0].harps] == [1]
    in_three = noaa.find("AR 11253")[0][0].harps
    assert len(in_three) == 3
    assert all(11253 in row.noaa_ars for row in in_three)


def test_it_asks_the_database_as_often_for_many_numbers(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert len(noaa.find("1 45 46 377 NOAA 11158")[0]) == 9


def test_each_reading_leads_to_what_jsoc_has(as_alice, known):
    text = as_alice.get(URL, {"q": "AR 11073"}).text
    for harpnum in (45, 46):
        assert f'href="{reverse("acquire:new")}?harpnum={harpnum}&amp;noaa=11073"' in text
    text = as_alice.get(URL, {"q": "HARP 45"}).text
    assert f'href="{reverse("acquire:new")}?harpnum=45"' in text
    assert "11073, 11077" in text


def test_what_the_team_holds_is_linked_and_nobody_elses(sign_in, known, team, mallory):
    patch = team.patches.create(harpnum=45)
    team.patches.create(harpnum=45, series="hmi.sharp_cea_720s_nrt")  # another region under the same number
    other = mallory.memberships.get().team.patches.create(harpnum=45)
    text = sign_in("alice").get(URL, {"q": "NOAA 11073"}).text
    assert text.count(f'href="{patch.get_absolute_url()}"') == 1
    assert other.get_absolute_url() not in text
    assert "near-real-time)" not in text
    assert text.count("not held") == 1  # HARP 46


def test_what_is_not_found_is_said(as_alice, known):
    text = as_alice.get(URL, {"q": "NOAA 1158"}).text
    assert "The list has no HARP for it." in text
    assert "five digits, such as 11158" in text
    assert "five digits" not in as_alice.get(URL, {"q": "NOAA 11999"}).text
    assert "none in the list" in as_alice.get(URL, {"q": "HARP 5"}).text


@pytest.mark.parametrize("asked", ["pore", "0", "123456", "<script>", "\x00", "9" * 5_000, "٣٧٧"])
def test_what_is_no_number_is_said(as_alice, known, asked):
    response = as_alice.get(URL, {"q": asked})
    assert response.status_code == 200
    assert response.context["problems"]
    assert "<script>" not in response.text.replace("<script src", "")


def test_without_a_list_a_number_may_still_be_a_harp(sign_in, team):
    text = sign_in("alice").get(URL, {"q": "377"}).text
    assert "A lead of a team can" in text
    assert "A number can be used as a HARP number all the same." in text
    assert f'href="{reverse("acquire:new")}?harpnum=377"' in text
    assert "Not known without the list." in text
    assert "Read it from JSOC or import one." in sign_in("lena").get(URL).text


def test_who_may_only_look_is_offered_nothing_to_do(sign_in, known):
    text = sign_in("visitor").get(URL, {"q": "377"}).text
    assert "11158" in text
    assert reverse("acquire:new") not in text
    assert reverse("acquire:region-list") not in text


def test_the_empty_page_says_what_to_type(as_alice, known):
    assert "Type the number of an active region." in as_alice.get(URL).text
    assert as_alice.get(URL, {"q": "AR 11158"}).text.count('value="AR 11158"') == 1
    assert as_alice.post(URL).status_code == 405
