"""The REST API of what else is known of a patch: SHARP keywords, solar events, its series and name."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from astropy.io import fits
from django.conf import LazySettings
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from poreweb.context.models import EventSearch, SolarEvent
from poreweb.observations.models import Patch
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.sharp_keywords import SHARP_KEYWORDS
from processing.timekeys import parse_t_rec
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import acquired
from tests.poreweb.api_client import refused

N_RECORDS = 3
NRT = "hmi.sharp_cea_720s_nrt"


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


def test_sharp_keywords_are_those_of_the_headers(
    jsoc: JsocStandIn, archive: Archive, alice_api: APIClient, team: Team, alice: User, queues: Any
):
    acquired(team, alice, queues)
    patch = Patch.objects.get()
    rows = alice_api.get(f"/api/v1/patches/{patch.pk}/sharp-keywords/").json()["results"]
    told = {row["t_rec"]: row for row in rows}
    assert list(told) == sorted(told)
    for record in archive.records():
        with fits.open(io.BytesIO(record.read("continuum"))) as opened:
            header = opened[1].header
        row = told[header["T_REC"]]
        assert row["MEANGAM"] == header["MEANGAM"]
        assert row["ERRVF"] == header["ERRVF"]
        # every third record says nan
        assert row["R_VALUE"] == (None if record.t_rec_s == archive.records()[0].t_rec_s else header["R_VALUE"])
        assert row["ERRBT"] is None  # which none of these headers has
    assert set(SHARP_KEYWORDS) < set(rows[0])
    told_patch = alice_api.get(f"/api/v1/patches/{patch.pk}/").json()
    assert (told_patch["series"], told_patch["is_provisional"], told_patch["cadence_s"]) == (
        "hmi.sharp_cea_720s",
        False,
        720,
    )


def test_a_sequence_that_is_no_harp_has_a_name(alice_api: APIClient, team: Team):
    sequence = team.patches.create(name="VTT 1993", series="", cadence_s=30)
    provisional = team.patches.create(harpnum=5, series=NRT)
    told = {one["id"]: one for one in alice_api.get("/api/v1/patches/").json()["results"]}
    assert told[sequence.pk]["harpnum"] is None
    assert (told[sequence.pk]["name"], told[sequence.pk]["cadence_s"]) == ("VTT 1993", 30)
    assert [told[patch.pk]["is_provisional"] for patch in (sequence, provisional)] == [False, True]
    assert alice_api.get(f"/api/v1/patches/{sequence.pk}/sharp-keywords/").json()["results"] == []


HARP = {"harpnum": 99001, "series": "hmi.sharp_cea_720s", "is_provisional": False, "name": ""}


@pytest.mark.parametrize(
    "told",
    [HARP, {**HARP, "series": NRT, "is_provisional": True}, {**HARP, "harpnum": None, "series": "", "name": "VTT"}],
    ids=["definitive", "near-real-time", "no HARP"],
)
def test_runs_and_events_say_which_patch_they_are_of(alice_api: APIClient, event: Any, told: dict[str, Any]):
    columns = {name: value for name, value in told.items() if name != "is_provisional"}
    Patch.objects.update(**columns)
    run = event.run_id
    for address in (f"runs/{run}/", f"events/{event.pk}/"):
        one = alice_api.get(f"/api/v1/{address}").json()
        assert {name: one[name] for name in told} == told, address
    for address in ("runs/", f"runs/{run}/events/", "queue/"):
        rows = alice_api.get(f"/api/v1/{address}").json()["results"]
        assert rows
        assert all({name: row[name] for name in told} == told for row in rows), address


def test_solar_events_of_a_patch(api: Any, team: Team, settings: LazySettings):
    patch = team.patches.create(harpnum=377)
    patch.frames.create(t_rec_s=parse_t_rec("2011.02.15_00:00:00_TAI"), ny=24, nx=32, mu_max=0.9)
    start = datetime(2011, 2, 15, 1, 44, tzinfo=UTC)
    values = {"hek_key": "a", "kind": "FL", "start": start, "end": start, "finder": "SWPC", "goes_class": "X2.2"}
    SolarEvent.objects.create(patch=patch, lon_deg=12.0, lat_deg=-20.0, others=["SSW"], **values)
    url = f"/api/v1/patches/{patch.pk}/solar-events/"
    (told,) = api("visitor").get(url).json()["results"]
    assert (told["kind"], told["goes_class"], told["start_at"]) == ("FL", "X2.2", "2011-02-15T01:44:00Z")
    assert (told["peak_at"], told["lon_deg"], told["tx"], told["others"]) == (None, 12.0, None, ["SSW"])
    search = f"{url}search/"
    assert api("visitor").get(search).json()["state"] is None
    assert "switched off" in refused(api("alice").post(search), 409)
    settings.EVENT_SEARCH = True
    assert refused(api("visitor").post(search), 403)
    assert api("alice").post(search).json()["state"] == "waiting"
    EventSearch.objects.update(first_s=0, state=Task.State.FAILED, error="HEK is away.")
    told = api("visitor").get(search).json()
    assert (told["first_t_rec"], told["last_t_rec"]) == ("1993.01.01_00:00:00_TAI", None)
    assert (told["state"], told["error"], told["is_on"]) == ("failed", "HEK is away.", True)
