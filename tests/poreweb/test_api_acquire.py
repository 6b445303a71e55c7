"""The REST API of fetching data: from a number to records, watches, JSOC's list, and the context of a patch."""

import io
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from poreweb.acquire import actions, noaa
from poreweb.acquire.models import Acquisition, Record, Watch
from poreweb.acquire.wanted import Wanted
from poreweb.context.models import EventSearch, SolarEvent
from poreweb.observations.models import Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.sharp_keywords import SHARP_KEYWORDS
from processing.timekeys import parse_t_rec
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import EMAIL, acquired, assert_held, pass_time, previewed

N_RECORDS = 3
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
PREVIEWS, NRT = "/api/v1/teams/1/previews/", "hmi.sharp_cea_720s_nrt"


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


@pytest.fixture
def jsoc(archive: Archive, settings: LazySettings, tmp_path: Path) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL = f"{stand_in.address}/"
        settings.VAR_DIR, settings.MIN_FREE_MB, settings.JSOC_PACE_S = tmp_path / "var", 0, 1
        yield stand_in


@pytest.fixture
def api(team: Team) -> Callable[[str], APIClient]:
    """A client of that member's own, or of nobody."""

    def of(name: str) -> APIClient:
        client = APIClient()
        if name != "nobody":
            client.force_login(User.objects.get(username=name))
        return client

    return of


@pytest.fixture
def alice_api(api: Any) -> APIClient:
    return api("alice")


def refused(response: Any, status: int) -> str:
    """The sentence of a refusal."""
    assert response.status_code == status, response.text
    detail: str = response.json()["detail"]
    return detail


# -- From a number to records ------------------------------------------------------------------------


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
    assert (told["first_t_rec"], told["last_t_rec"]) == ("2011.02.15_02:00:00_TAI", "2011.02.15_05:00:34_TAI")
    assert (told["cadence_s"], told["segments"], told["series"]) == (3600, ["continuum", "Br"], NRT)
    assert told["is_provisional"] is True
    made = Acquisition.objects.get()
    assert made.last_s is not None
    assert made.first_s is not None
    assert made.last_s - made.first_s == 3 * 3600 + 34  # TAI was 34 s ahead of UTC
    assert (made.series, made.cadence_s, made.segments) == (NRT, 3600, ["continuum", "Br"])


@pytest.mark.parametrize(
    ("text", "t_rec"),
    [
        ("2011-02-15T03:00:00+01:00", "2011.02.15_02:00:34_TAI"),
        ("20110215_020000_TAI", "2011.02.15_02:00:00_TAI"),
        ("2017-01-01T00:00:00Z", "2017.01.01_00:00:37_TAI"),
        ("2016-12-31T23:59:59Z", "2017.01.01_00:00:35_TAI"),  # before the leap second
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
    assert told["error"].startswith("JSOC has no record of hmi.sharp_cea_720s[99][]")


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
        "quota_bytes": 7_000_000,
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


# -- What else is known of a patch -------------------------------------------------------------------


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
