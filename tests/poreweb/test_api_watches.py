"""The REST API of what is looked at again and again: watches, and JSOC's list of HARPs and NOAA regions."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from poreweb.acquire import noaa
from poreweb.acquire.models import Acquisition, Watch
from poreweb.people.models import Team
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.api_client import refused

N_RECORDS = 3
NRT = "hmi.sharp_cea_720s_nrt"


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


# -- Watches -----------------------------------------------------------------------------------------


def test_a_harp_is_watched_once_paused_resumed_and_let_go(
    jsoc: JsocStandIn, alice_api: APIClient, team: Team, queues: Any
):
    url = "/api/v1/teams/1/watches/harp/"
    made = alice_api.post(url, {"harpnum": 377, "run_after": False}).json()
    assert (made["kind"], made["every_s"], made["state"]) == ("harp", 720, "waiting")
    again = alice_api.post(url, {"harpnum": 377, "every_s": 3600, "segments": ["continuum"]}).json()
    assert (again["id"], again["every_s"], again["segments"], again["run_after"]) == (
        made["id"],
        3600,
        ["continuum"],
        True,
    )
    queues.work()
    one = f"/api/v1/watches/{made['id']}/"
    told = alice_api.get(one).json()
    assert (told["n_new"], told["problem"]) == (0, "")
    assert told["said"] == "Asked for the records up to 2011.02.15_00:24:00_TAI."
    assert told["next_at"] is not None
    (bought,) = alice_api.get(f"/api/v1/acquisitions/?watch={made['id']}").json()["results"]
    assert (bought["is_preview"], bought["harpnum"]) == (False, 377)
    assert alice_api.post(f"{one}pause/").json()["state"] == "cancelled"
    assert refused(alice_api.post(f"{one}pause/"), 409) == "It does not look as it is."
    assert alice_api.post(f"{one}resume/").json()["state"] == "waiting"
    assert refused(alice_api.post(f"{one}resume/"), 409) == "It is looking, or about to."
    assert [watch["id"] for watch in alice_api.get("/api/v1/watches/?harpnum=377").json()["results"]] == [made["id"]]
    assert alice_api.get("/api/v1/watches/?kind=folder").json()["results"] == []
    assert alice_api.delete(one).status_code == 204
    assert alice_api.get(one).status_code == 404
    assert Acquisition.objects.get().watch is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "harpnum"), ({"harpnum": 377, "series": NRT}, "provisional"), ({"harpnum": 377, "every_s": 59}, "every_s"),
        ({"harpnum": 377, "segments": ["Br"]}, "segments"), ({"harpnum": 377, "folder": "/data"}, "folder"),
    ],
)  # fmt: skip
def test_a_harp_that_cannot_be_watched_is_refused(body: dict[str, Any], field: str, alice_api: APIClient):
    response = alice_api.post("/api/v1/teams/1/watches/harp/", body)
    assert (response.status_code, list(response.json()["fields"])) == (400, [field])
    assert not Watch.objects.exists()


def test_only_folders_of_the_settings_are_watched(alice_api: APIClient, settings: LazySettings, tmp_path: Path):
    url, mine = "/api/v1/teams/1/watches/folder/", tmp_path / "mine"
    mine.mkdir()
    (tmp_path / "other").mkdir()
    (mine / "link").symlink_to(tmp_path / "other")
    assert "This site watches no folders" in refused(alice_api.post(url, {"folder": str(mine)}), 400)
    settings.WATCH_FOLDERS = [str(mine)]
    for wrong in (tmp_path / "other", mine / ".." / "other", mine / "link", "mine", mine / "nothing", "/etc", ""):
        response = alice_api.post(url, {"folder": str(wrong)})
        assert (response.status_code, list(response.json()["fields"])) == (400, ["folder"]), wrong
    told = alice_api.post(url, {"folder": str(mine), "every_s": 60}).json()
    assert (told["kind"], told["folder"], told["every_s"], told["harpnum"]) == ("folder", str(mine), 60, None)
    assert Watch.objects.count() == 1


# -- Which HARP is which NOAA region -----------------------------------------------------------------


def test_the_list_is_read_anew_for_leads(api: Any, queues: Any):
    url = "/api/v1/noaa-list/"
    lead = api("lena")
    told = lead.get(url).json()
    assert (told["state"], told["n_pairs"], told["read_at"]) == (None, 0, None)
    assert "only a lead" in refused(api("alice").post(f"{url}refresh/"), 403)
    assert lead.post(f"{url}refresh/").json()["state"] == "waiting"
    queues.commit()
    assert refused(lead.post(f"{url}refresh/"), 409) == "The list is being read already."
    queues.work()  # nobody is there
    told = api("visitor").get(url).json()
    assert (told["state"], told["n_pairs"]) == ("waiting", 0)
    assert told["problem"]
    assert lead.patch(url, {"every_hours": 0}).json()["state"] == "done"
    assert lead.patch(url, {"every_hours": 48}).json()["every_hours"] == 48
    assert refused(lead.patch(url, {"every_hours": -1}), 400)
    assert refused(api("alice").patch(url, {"every_hours": 1}), 403)


def test_numbers_match_whole_and_nothing_is_chosen(alice_api: APIClient, team: Team, django_assert_num_queries: Any):
    noaa.import_text("HARPNUM NOAA_ARS\n1 11067\n45 11073,11077\n46 11073\n11073 12000\n", "a test")
    mine = team.patches.create(harpnum=46)
    team.patches.create(harpnum=46, series=NRT)  # another region altogether
    Team.objects.get(pk=2).patches.create(harpnum=45)
    told = alice_api.get("/api/v1/find/?q=11073").json()["results"]
    assert told == [
        {"number": 11073, "kind": "harp", "harps": [{"harpnum": 11073, "noaa_ars": [12000], "patches": []}]},
        {
            "number": 11073,
            "kind": "noaa",
            "harps": [
                {"harpnum": 45, "noaa_ars": [11073, 11077], "patches": []},
                {"harpnum": 46, "noaa_ars": [11073], "patches": [mine.pk]},
            ],
        },
    ]
    (as_noaa,) = alice_api.get("/api/v1/find/?q=AR 1106").json()["results"]
    assert (as_noaa["kind"], as_noaa["harps"]) == ("noaa", [])
    assert alice_api.get("/api/v1/find/").json()["results"] == []
    assert refused(alice_api.get("/api/v1/find/?q=sunspot"), 400).startswith("q:")
    pairs = "/api/v1/noaa-list/pairs/"
    assert alice_api.get(f"{pairs}?noaa_ar=11073").json()["results"] == [
        {"harpnum": 45, "noaa_ar": 11073},
        {"harpnum": 46, "noaa_ar": 11073},
    ]
    assert alice_api.get(f"{pairs}?noaa_ar=1106").json()["count"] == 0
    assert alice_api.get(f"{pairs}?harpnum=45").json()["count"] == 2
    assert alice_api.get(pairs).json()["count"] == 5
