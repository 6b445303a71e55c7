"""The REST API of fetching data: from a number to records."""

import re
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from poreweb.acquire import actions
from poreweb.acquire.models import Acquisition, Record, Watch
from poreweb.acquire.wanted import Wanted
from poreweb.observations.models import Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.timekeys import parse_t_rec
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import EMAIL, acquired, assert_held, pass_time, previewed
from tests.poreweb.api_client import refused

N_RECORDS = 3
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
PREVIEWS, NRT = "/api/v1/teams/1/previews/", "hmi.sharp_cea_720s_nrt"


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


def test_a_preview_is_made_ordered_and_followed(
    jsoc: JsocStandIn, archive: Archive, alice_api: APIClient, team: Team, queues: Any
):
    team.jsoc_email = EMAIL
    team.save()
    made = alice_api.post(PREVIEWS, {"harpnum": 377, "noaa_ar": 11158})
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["state"], told["is_preview"], told["user"], told["noaa_ar"]) == ("waiting", True, "alice", 11158)
    assert (told["series"], told["cadence_s"], told["first_t_rec"]) == ("hmi.sharp_cea_720s", 720, None)
    url = f"/api/v1/acquisitions/{told['id']}/"
    assert alice_api.get(url).json()["preview"] is None
    acquisition = pass_time(queues, Acquisition.objects.get())

    preview = alice_api.get(url).json()["preview"]
    t_recs = sorted({record.t_rec_s for record in archive.records()})
    assert (preview["n_records"], preview["n_held"], preview["n_missing"]) == (N_RECORDS, 0, 0)
    assert (parse_t_rec(preview["first_t_rec"]), parse_t_rec(preview["last_t_rec"])) == (t_recs[0], t_recs[-1])
    assert (preview["ny"], preview["nx"], preview["noaa_ars"]) == (24, 32, "11158")
    assert [parse_t_rec(point["t_rec"]) for point in preview["mu"]] == t_recs
    assert all(0 < point["mu_min"] <= point["mu"] <= point["mu_max"] <= 1 for point in preview["mu"])
    assert not jsoc.asked("request")

    ordered = alice_api.post(f"{url}order/", {"run_after": False}).json()
    assert (ordered["state"], ordered["is_preview"], ordered["method"]) == ("waiting", False, "url-tar")
    pass_time(queues, acquisition)
    assert_held(team, archive)
    told = alice_api.get(url).json()
    assert (told["state"], told["error"], told["doing"]) == ("done", "", f"All {N_RECORDS} records are held.")
    assert told["progress"] == {"percent": 100, "n_held": 3, "n_lost": 0, "n_all": 3, "left_s": None}
    assert told["patch"] == Patch.objects.get().pk
    assert told["fetched_bytes"] > sum(RawFile.objects.values_list("size", flat=True))  # a tar has more than its files
    assert [line["text"] for line in told["log"]] == list(acquisition.log.values_list("text", flat=True))
    (export,) = told["exports"]
    assert (export["state"], export["method"], export["status"]) == ("read", "url-tar", 0)
    assert export["request_id"].startswith("JSOC_")
    records = alice_api.get(f"{url}records/?state=held").json()["results"]
    assert [parse_t_rec(record["t_rec"]) for record in records] == t_recs
    assert alice_api.get(f"{url}records/?state=awaited").json()["count"] == 0


def test_what_is_wanted_goes_in_as_it_was_said(alice_api: APIClient):
    body = {
        "harpnum": 377, "first_t_rec": "2011.02.15_02:00:00_TAI", "last_t_rec": "2011-02-15T05:00:00Z",
        "cadence_s": 3600, "segments": ["continuum", "Br"], "series": NRT, "provisional": True,
    }  # fmt: skip
    told = alice_api.post(PREVIEWS, body).json()
    assert (told["first_t_rec"], told["last_t_rec"]) == ("2011.02.15_02:00:00_TAI", "2011.02.15_05:00:00_TAI")
    assert (told["cadence_s"], told["segments"], told["series"]) == (3600, ["continuum", "Br"], NRT)
    assert told["is_provisional"] is True
    made = Acquisition.objects.get()
    assert made.last_s is not None
    assert made.first_s is not None
    assert made.last_s - made.first_s == 3 * 3600  # of 05:00:34 TAI the last slot
    assert (made.series, made.cadence_s, made.segments) == (NRT, 3600, ["continuum", "Br"])


@pytest.mark.parametrize(
    ("text", "t_rec"),
    [
        ("2011-02-15T03:11:26+01:00", "2011.02.15_02:12:00_TAI"),  # a slot, as TAI was 34 s ahead of UTC
        ("20110215_020000_TAI", "2011.02.15_02:00:00_TAI"),
        ("2017-01-01T00:11:24Z", "2017.01.01_00:24:00_TAI"),  # the first slot after 00:12:01 TAI
        ("2016-12-31T23:59:24Z", "2017.01.01_00:00:00_TAI"),  # before the leap second
        (None, None),
    ],
    ids=["an hour east", "as in file names", "after a leap second", "before a leap second", "from its beginning"],
)
def test_moments_say_their_time_scale(alice_api: APIClient, text: str | None, t_rec: str | None):
    told = alice_api.post(PREVIEWS, {"harpnum": 377, "first_t_rec": text}).json()
    assert told["first_t_rec"] == t_rec


BAD_PREVIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"harpnum": None}, "harpnum"),
    "0": ({"harpnum": 0}, "harpnum"),
    "more than a column holds": ({"harpnum": 2**31}, "harpnum"),
    "a query in the number": ({"harpnum": "377][2011"}, "harpnum"),
    "a strange series": ({"series": "hmi.M_720s"}, "series"),
    "near-real-time by chance": ({"series": NRT}, "provisional"),
    "no continuum": ({"segments": ["Br"]}, "segments"),
    "no segment": ({"segments": []}, "segments"),
    "a strange segment": ({"segments": ["continuum", "Bz"]}, "segments.1"),
    "an odd cadence": ({"cadence_s": 100}, "cadence_s"),
    "no time scale": ({"first_t_rec": "2011-02-15 02:00"}, "first_t_rec"),
    "no moment": ({"first_t_rec": "tomorrow"}, "first_t_rec"),
    "a day that is none": ({"first_t_rec": "2011.02.30_00:00:00_TAI"}, "first_t_rec"),
    "before HMI": ({"first_t_rec": "1996.01.01_00:00:00_TAI"}, "first_t_rec"),
    "the first year": ({"first_t_rec": "0001-01-01T00:00:00+14:00"}, "first_t_rec"),
    "the last year": ({"last_t_rec": "9999-12-31T23:59:59-14:00"}, "last_t_rec"),
    "the end first": (
        {"first_t_rec": "2011-02-15T02:00:00Z", "last_t_rec": "2011.02.15_01:00:00_TAI"},
        "last_t_rec",
    ),
    "a slip in a name": ({"cadence": 720}, "cadence"),
}


@pytest.mark.parametrize(("change", "field"), BAD_PREVIEWS.values(), ids=BAD_PREVIEWS)
def test_a_preview_that_makes_no_sense_is_refused_by_field(
    change: dict[str, Any], field: str, alice_api: APIClient, everything: Any
):
    before = everything()
    response = alice_api.post(PREVIEWS, {"harpnum": 377, **change})
    assert refused(response, 400)
    assert list(response.json()["fields"]) == [field]
    assert everything() == before


def test_who_may_not_asks_for_nothing(api: Any, alice: User, settings: LazySettings, tmp_path: Path, everything: Any):
    settings.WATCH_FOLDERS = [str(tmp_path)]
    made = actions.start_preview(Team.objects.get(pk=1), alice, Wanted(377))
    watch = Watch.objects.create(team_id=1, kind=Watch.Kind.HARP, harpnum=377)
    before = everything()
    for name, status in (("visitor", 403), ("mallory", 404), ("nobody", 401)):
        client = api(name)
        for address, body in (
            ("teams/1/previews/", {"harpnum": 377}),
            (f"acquisitions/{made.pk}/order/", {"method": "url"}),
            ("teams/1/watches/harp/", {"harpnum": 377}),
            ("teams/1/watches/folder/", {"folder": str(tmp_path)}),
            (f"watches/{watch.pk}/resume/", {}),
        ):
            assert refused(client.post(f"/api/v1/{address}", body), status), address
        assert client.delete(f"/api/v1/acquisitions/{made.pk}/").status_code == status
    assert everything() == before


def test_an_order_is_refused_while_it_cannot_be(
    jsoc: JsocStandIn, alice_api: APIClient, team: Team, alice: User, queues: Any, settings: LazySettings
):
    early = actions.start_preview(team, alice, Wanted(377))
    url = f"/api/v1/acquisitions/{early.pk}/"
    assert refused(alice_api.post(f"{url}order/"), 409).startswith("The preview is waiting")
    pass_time(queues, early)
    settings.JSOC_EMAIL = ""
    assert "registered e-mails only" in refused(alice_api.post(f"{url}order/"), 409)
    team.jsoc_email, team.quota_mb = EMAIL, 1
    team.save()
    Acquisition.objects.update(estimated_bytes=2_000_000)
    assert "there is no room for" in refused(alice_api.post(f"{url}order/"), 409)
    assert refused(alice_api.post(f"{url}order/", {"method": "ftp"}), 400).startswith("method:")
    assert Acquisition.objects.get().is_preview
    assert not jsoc.asked("request")


def test_what_has_happened_is_not_done_again(
    jsoc: JsocStandIn, alice_api: APIClient, team: Team, alice: User, queues: Any
):
    url = f"/api/v1/acquisitions/{previewed(team, alice, queues).pk}/"
    assert refused(alice_api.post(f"{url}retry/"), 409) == "It has neither failed nor been cancelled."
    assert refused(alice_api.post(f"{url}go-on/"), 409) == "It does not wait for a time to go on."
    assert alice_api.post(f"{url}order/").status_code == 200
    assert refused(alice_api.post(f"{url}order/"), 409) == "Its records were asked for before."
    assert refused(alice_api.delete(url), 409).startswith("Records have been asked for")
    assert alice_api.post(f"{url}cancel/").json()["state"] == "cancelled"
    assert refused(alice_api.post(f"{url}cancel/"), 409) == "It had ended before."
    assert alice_api.post(f"{url}retry/").json()["state"] == "waiting"
    Acquisition.objects.update(not_before=timezone.now() + timedelta(hours=1))
    assert alice_api.get(url).json()["goes_on_at"] is not None
    assert alice_api.post(f"{url}go-on/").json()["state"] == "waiting"
    assert Acquisition.objects.get().not_before <= timezone.now()
    preview = actions.start_preview(team, alice, Wanted(377))
    assert alice_api.delete(f"/api/v1/acquisitions/{preview.pk}/").status_code == 204
    assert not Acquisition.objects.filter(pk=preview.pk).exists()


def test_what_failed_says_why(jsoc: JsocStandIn, alice_api: APIClient, team: Team, alice: User, queues: Any):
    made = pass_time(queues, actions.start_preview(team, alice, Wanted(99)))
    told = alice_api.get(f"/api/v1/acquisitions/{made.pk}/").json()
    assert (told["state"], told["preview"], told["progress"]["n_all"]) == ("failed", None, 0)
    assert told["error"].startswith("JSOC has no record of HARP 99 in hmi.sharp_cea_720s;")


def test_records_that_could_not_be_had_are_told(alice_api: APIClient, team: Team):
    made = Acquisition.objects.create(team=team, harpnum=377)
    start = parse_t_rec("2011.02.15_00:00:00_TAI")
    for k in range(120):
        problem, absent = ("gone", []) if k % 2 else ("", ["Bp"])
        Record.objects.create(acquisition=made, t_rec_s=start + 720 * k, problem=problem, absent=absent, is_held=k < 1)
    url = f"/api/v1/acquisitions/{made.pk}/"
    told = alice_api.get(url).json()
    assert (told["progress"]["n_lost"], len(told["lost"]), told["n_held"], told["n_all"]) == (60, 50, 1, 120)
    assert told["lost"][0] == {
        "t_rec": "2011.02.15_00:12:00_TAI", "t_rec_s": start + 720, "is_held": False, "absent": [], "tries": 0,
        "problem": "gone", "estimated_bytes": 0,
    }  # fmt: skip
    listed = {state: alice_api.get(f"{url}records/?state={state}").json() for state in ("held", "awaited", "lost")}
    assert {state: page["count"] for state, page in listed.items()} == {"held": 1, "awaited": 59, "lost": 60}
    assert listed["held"]["results"][0]["absent"] == ["Bp"]


def test_acquisitions_are_filtered_and_cost_the_same(alice_api: APIClient, team: Team, django_assert_num_queries: Any):
    watch = Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=2)
    now = timezone.now()
    first = Acquisition.objects.create(team=team, harpnum=1)
    second = Acquisition.objects.create(team=team, harpnum=2, state=Task.State.DONE, ordered_at=now, watch=watch)
    Acquisition.objects.create(team_id=2, harpnum=1)
    for made in (first, second):
        for k in range(3):
            Record.objects.create(acquisition=made, t_rec_s=k, is_held=k < 2)
    url = "/api/v1/acquisitions/"
    for query, expected in (
        ("", [second, first]), ("harpnum=1", [first]), ("state=done", [second]), ("is_preview=true", [first]),
        ("is_preview=false", [second]), (f"watch={watch.pk}", [second]), ("team=1", [second, first]), ("team=2", []),
    ):  # fmt: skip
        results = alice_api.get(f"{url}?{query}").json()["results"]
        assert [(one["id"], one["n_all"], one["n_held"]) for one in results] == [(made.pk, 3, 2) for made in expected]
    for query in ("harpnum=x", "state=ready", "is_preview=perhaps", "harp=1", "team=0"):
        assert refused(alice_api.get(f"{url}?{query}"), 400)
    with django_assert_num_queries(4):
        alice_api.get(f"{url}?limit=1")
    with django_assert_num_queries(4):
        alice_api.get(url)


def test_what_room_there_is(
    jsoc: JsocStandIn, api: Any, team: Team, alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    acquired(team, alice, queues)
    monkeypatch.setattr("poreweb.acquire.space.free_bytes", lambda: 123)
    team.quota_mb = 7
    team.save()
    assert api("visitor").get("/api/v1/teams/1/room/").json() == {
        "held_bytes": sum(RawFile.objects.values_list("size", flat=True)),
        "quota_bytes": 7 * 2**20,
        "free_bytes": 123,
    }
    assert api("mallory").get("/api/v1/teams/2/room/").json()["held_bytes"] == 0
    Team.objects.update(quota_mb=0)
    assert api("visitor").get("/api/v1/teams/1/room/").json()["quota_bytes"] is None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are for curl")
def test_the_commands_of_the_docs_do_what_they_say(
    live_server: Any, jsoc: JsocStandIn, archive: Archive, alice: User, queues: Any, settings: LazySettings
):
    settings.JSOC_EMAIL = EMAIL
    (script,) = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    token = AuthToken.objects.create(alice, timedelta(days=1))[1]
    environment = {"SITE": live_server.url, "TOKEN": token, "TEAM": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    script = script.replace("sleep 10", "sleep 0.1").replace('"run_after": true', '"run_after": false')
    running = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", script], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = timezone.now() + timedelta(seconds=60)
    while running.poll() is None:
        queues.work()
        if Acquisition.objects.filter(not_before__gt=timezone.now()).update(not_before=timezone.now()):
            dispatch_due(Acquisition)
        time.sleep(0.05)
        if timezone.now() > until:
            running.kill()
    said, wrong = running.communicate(timeout=5)
    assert (running.returncode, wrong) == (0, ""), said
    assert said.splitlines()[-1] == f"done All {N_RECORDS} records are held."
    assert_held(Team.objects.get(pk=1), archive)
