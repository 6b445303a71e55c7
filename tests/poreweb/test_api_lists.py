"""The REST API of hand-made lists of regions, and of the e-mail under which a team asks JSOC."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.urls import reverse
from rest_framework.test import APIClient

from poreweb.acquire import actions, noaa
from poreweb.acquire.actions import MAX_PREVIEWS
from poreweb.acquire.models import Acquisition
from poreweb.acquire.noaa_forms import MOST_BYTES
from poreweb.people.models import Team
from tests.poreweb.api_client import client_of, refused

URL, EMAIL = "/api/v1/teams/1/lists/", "/api/v1/teams/1/jsoc-email/"
JSOCS = "1 11067\n45 11073,11077\n46 11073\n377 11158\n11158 377\n"
LIST = """# Regions that somebody wants to look at
AR 11158 15.2.2011 15.2.2011
AR 11073
11158
nonsense
HARP 5, 377
11999 - - - 45
"""


@pytest.fixture
def alice_api(team: Team) -> APIClient:
    noaa.import_text(JSOCS, "a test")
    return client_of("alice")


def asked() -> list[tuple[int, int | None]]:
    return list(Acquisition.objects.order_by("pk").values_list("harpnum", "noaa_ar"))


def chosen(told: Any) -> dict[int, list[int]]:
    """Line -> the HARPs of it that are chosen."""
    return {line["line"]: [harp["harpnum"] for harp in line["harps"] if harp["is_chosen"]] for line in told["lines"]}


def test_what_is_beyond_doubt_is_asked_for_and_the_rest_is_said(alice_api: APIClient, team: Team):
    mine = team.patches.create(harpnum=46)
    Team.objects.get(pk=2).patches.create(harpnum=46)
    told = alice_api.post(URL, {"text": LIST}).json()
    assert chosen(told) == {2: [377], 3: [], 4: [], 6: [5, 377], 7: []}
    lines = {line["line"]: line for line in told["lines"]}
    assert lines[2] == {
        "line": 2, "noaa_ar": 11158, "harpnums": [], "number": None, "first_t_rec": "2011.02.15_00:00:00_TAI",
        "last_t_rec": "2011.02.15_23:48:00_TAI", "jsoc_id": "", "remark": "", "is_at_odds": False,
        "harps": [
            {
                "harpnum": 377, "noaa_ar": 11158, "noaa_ars": [11158], "said_by": "JSOC’s list", "is_chosen": True,
                "patches": [],
            }
        ],
    }  # fmt: skip
    assert lines[3]["remark"] == "NOAA 11073 lies in 2 HARPs."
    assert [(harp["harpnum"], harp["patches"]) for harp in lines[3]["harps"]] == [(45, []), (46, [mine.pk])]
    assert (lines[4]["number"], lines[4]["noaa_ar"]) == (11158, None)
    assert (lines[7]["is_at_odds"], lines[7]["harps"][0]["said_by"]) == (True, "your list")
    assert told["problems"] == [
        {"line": 5, "reason": "'nonsense' stands where a NOAA region number belongs.", "text": "nonsense"}
    ]
    assert asked() == [(377, 11158), (5, None), (377, None)]
    assert [one["id"] for one in told["acquisitions"]] == list(
        Acquisition.objects.order_by("pk").values_list("pk", flat=True)
    )
    first = told["acquisitions"][0]
    assert (first["is_preview"], first["state"], first["user"]) == (True, "waiting", "alice")
    assert (first["first_t_rec"], first["last_t_rec"]) == (lines[2]["first_t_rec"], lines[2]["last_t_rec"])


def test_it_offers_what_the_page_offers(alice_api: APIClient):
    page = client_of("alice").post(reverse("acquire:region-list"), {"text": LIST}, format="multipart")
    rows = page.context["rows"]
    told = alice_api.post(URL, {"text": LIST, "look_only": True}).json()
    assert chosen(told) == {
        offer.line.line: [choice.harpnum for choice in offer.choices if choice.is_ticked] for offer, _ in rows
    }
    assert [line["remark"] for line in told["lines"]] == [offer.remark for offer, _ in rows]
    assert [bad["line"] for bad in told["problems"]] == [bad.line for bad in page.context["problems"]]
    assert told["acquisitions"] == []
    assert asked() == []


def test_lines_in_doubt_are_chosen(alice_api: APIClient):
    choice = [{"line": 3, "harpnums": [46, 45]}, {"line": 6, "harpnums": [5]}, {"line": 2, "harpnums": []}]
    told = alice_api.post(URL, {"text": LIST, "chosen": choice}).json()
    assert chosen(told) == {2: [], 3: [45, 46], 4: [], 6: [5], 7: []}
    assert asked() == [(45, 11073), (46, 11073), (5, None)]


@pytest.mark.parametrize(("alone", "harps"), [("harp", [11158]), ("noaa", [377]), ("", [])])
def test_numbers_alone_are_what_is_said(alice_api: APIClient, alone: str, harps: list[int]):
    told = alice_api.post(URL, {"text": "11158", "alone": alone}).json()
    assert chosen(told) == {1: harps}
    assert [harpnum for harpnum, _ in asked()] == harps


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"), ({"text": ""}, "text"), ({"text": "x" * (MOST_BYTES + 1)}, "text"), ({"text": ["AR 1"]}, "text"),
        ({"alone": "sunspot"}, "alone"), ({"chosen": [{"line": 1, "harpnums": [1]}]}, "chosen"),
        ({"chosen": [{"line": 9, "harpnums": [377]}]}, "chosen"), ({"chosen": [{"line": 5, "harpnums": []}]}, "chosen"),
        ({"chosen": [{"line": 2}]}, "chosen.0.harpnums"), ({"texts": "AR 1"}, "texts"),
    ],
    ids=[
        "nothing", "an empty text", "too long", "a list", "a strange kind", "a comment", "no such line", "a bad line",
        "no HARPs", "a slip in a name",
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_by_field(alice_api: APIClient, body: dict[str, Any], field: str):
    response = alice_api.post(URL, {"text": LIST, **body} if body and "text" not in body else body)
    assert refused(response, 400)
    assert any(name.startswith(field) for name in response.json()["fields"]), response.json()
    assert asked() == []


def test_a_harp_that_is_not_offered_is_refused(alice_api: APIClient):
    body = {"text": LIST, "chosen": [{"line": 3, "harpnums": [377]}]}
    assert refused(alice_api.post(URL, body), 400) == "chosen: Line 3 may not mean HARP 377, but 45 or 46."
    body = {"text": "AR 11999", "chosen": [{"line": 1, "harpnums": [377]}]}
    assert refused(alice_api.post(URL, body), 400) == "chosen: Line 1 may not mean HARP 377, nor any other."
    assert asked() == []


def test_a_list_of_nothing_but_blanks_is_refused(alice_api: APIClient):
    assert refused(alice_api.post(URL, {"text": " \n "}), 400) == "Paste a list, or choose a file with one."


def test_only_so_many_are_asked_for_at_once(alice_api: APIClient):
    text = "\n".join(f"HARP {number}" for number in range(1, MAX_PREVIEWS + 3))
    told = alice_api.post(URL, {"text": text}).json()
    assert len(told["acquisitions"]) == MAX_PREVIEWS
    assert [line["line"] for line in told["lines"] if not line["harps"][0]["is_chosen"]] == [
        MAX_PREVIEWS + 1,
        MAX_PREVIEWS + 2,
    ]
    more = [{"line": MAX_PREVIEWS + 1, "harpnums": [MAX_PREVIEWS + 1]}]
    assert "more than the" in refused(alice_api.post(URL, {"text": text, "chosen": more}), 409)
    assert Acquisition.objects.count() == MAX_PREVIEWS


def test_many_lines_cost_no_more_than_one(alice_api: APIClient, django_assert_max_num_queries: Any):
    with django_assert_max_num_queries(20) as few:
        alice_api.post(URL, {"text": "AR 11158", "look_only": True})
    text = "\n".join(f"AR {number}" for number in range(11000, 11300))
    with django_assert_max_num_queries(len(few)):
        alice_api.post(URL, {"text": text, "look_only": True})


def test_who_may_not_asks_for_nothing(team: Team, everything: Any):
    before = everything()
    for name, status in (("visitor", 403), ("mallory", 404), ("nobody", 401)):
        assert refused(client_of(name).post(URL, {"text": "HARP 377"}), status)
        assert refused(client_of(name).put(EMAIL, {"jsoc_email": "a@example.org"}), status)
    assert refused(client_of("alice").put(EMAIL, {"jsoc_email": "a@example.org"}), 403)
    assert everything() == before


def test_a_lead_says_under_which_email_jsoc_is_asked(team: Team, settings: LazySettings):
    settings.JSOC_EMAIL = "site@example.org"
    lead = client_of("lena")
    assert lead.get(EMAIL).json() == {"jsoc_email": ""}
    assert lead.put(EMAIL, {"jsoc_email": "team@example.org"}).json() == {"jsoc_email": "team@example.org"}
    assert actions.email_of(Team.objects.get(pk=1)) == "team@example.org"
    for wrong in ({}, {"jsoc_email": "nobody"}, {"jsoc_email": None}, {"email": "a@example.org"}):
        assert refused(lead.put(EMAIL, wrong), 400)
    assert lead.get(EMAIL).json() == {"jsoc_email": "team@example.org"}
    assert lead.put(EMAIL, {"jsoc_email": ""}).json() == {"jsoc_email": ""}
    assert actions.email_of(Team.objects.get(pk=1)) == "site@example.org"
    assert Team.objects.get(pk=1).name == "Team A"


@pytest.mark.parametrize(("is_known", "status"), [(True, 200), (None, 200), (False, 400)])
def test_jsoc_must_know_the_email_unless_it_does_not_answer(is_known, status, team: Team, monkeypatch):
    monkeypatch.setattr("poreweb.acquire.forms.check_email", lambda email: is_known)
    lead = client_of("lena")
    answer = lead.put(EMAIL, {"jsoc_email": "team@example.org"})
    assert answer.status_code == status
    assert lead.get(EMAIL).json() == {"jsoc_email": "team@example.org" if status == 200 else ""}
    if is_known is False:
        assert "JSOC does not know this e-mail" in answer.text
