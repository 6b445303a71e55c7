"""A HARP from its number to its records, against the stand-in: what goes well, and every fault that is ordered."""

from collections.abc import Callable, Iterator
from typing import Any

import drms
import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from poreweb.acquire import actions, jobs
from poreweb.acquire.models import Acquisition, ExportRequest
from poreweb.acquire.wanted import Wanted
from poreweb.observations.models import Frame, Ingest, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.errors import ParameterError
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import EMAIL, acquired, assert_held, pass_time, previewed, words
from tests.real_data import REAL_DATA, needs_real_data

N_RECORDS = 5


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(N_RECORDS)


@pytest.fixture
def jsoc(
    archive: Archive, settings: LazySettings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL = f"{stand_in.address}/"
        settings.NOAA_LIST_URL = f"{stand_in.address}/doc/data/hmi/harpnum_to_noaa/all_harps_with_noaa_ars.txt"
        settings.HEK_URL = f"{stand_in.address}/hek/her?"
        settings.VAR_DIR, settings.MIN_FREE_MB, settings.JSOC_PACE_S = tmp_path / "var", 0, 1
        settings.FETCH_TIMEOUT_S = 1
        yield stand_in


@pytest.mark.parametrize("method", ["url-tar", "url", "url_quick"])
def test_all_records_come_with_the_bytes_of_the_source(
    method: str, jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any
):
    acquisition = acquired(team, alice, queues, method=method)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive, as_is=method == "url_quick")
    assert acquisition.doing == f"All {N_RECORDS} records are held."
    assert Frame.objects.exclude(mu_min=None).count() == N_RECORDS  # also where headers are bare
    assert jsoc.max_connections == 1
    assert max(jsoc.max_in_flight.values(), default=1) <= 1


def test_a_preview_asks_for_nothing(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    acquisition = previewed(team, alice, queues)
    preview = acquisition.preview
    assert (preview["n_records"], preview["n_held"], preview["n_missing"]) == (N_RECORDS, 0, 0)
    assert preview["first"] == "2011.02.15_00:00:00_TAI"
    assert preview["noaa_ars"] == "11158"
    assert len(preview["mu"]) == N_RECORDS
    assert 0.5 < preview["mu"][0][1] <= 1
    assert acquisition.estimated_bytes > 0
    assert not jsoc.asked("request")
    assert not RawFile.objects.exists()


def test_what_is_held_is_not_asked_for_again(jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any):
    acquired(team, alice, queues)
    jsoc.forget()
    again = acquired(team, alice, queues)
    assert again.state == Task.State.DONE
    assert again.preview["n_held"] == N_RECORDS
    assert not jsoc.asked("request")
    assert_held(team, archive)


FAULTS: dict[str, list[dict[str, Any]]] = {
    "500 everywhere": [{"kind": "500", "where": where} for where in ("info", "email", "request", "status", "tar")],
    "503 while it is sent, after it was taken": [{"kind": "503", "where": "request", "after": True}],
    "no answer": [{"kind": "drop", "where": where} for where in ("info", "request", "status", "tar")],
    "slower than one waits": [{"kind": "slow", "where": "status", "seconds": 1.3}],
    "truncated": [{"kind": "truncated", "where": "tar", "times": 2}],
    "wrong size": [{"kind": "wrong size", "where": "tar"}],
    "garbled": [{"kind": "garbled", "where": "tar"}],
    "a page instead of JSON": [{"kind": "html", "where": where} for where in ("info", "request", "status")],
    "a page instead of the file": [{"kind": "html", "where": "tar"}],
    "stale": [{"kind": "stale", "where": "request"}],
    "too big": [{"kind": "limit", "where": "request", "times": None, "records": 3}],
    "busy": [{"kind": "busy", "where": "request", "seconds": 0.3}],
    "duplicate": [{"kind": "duplicate", "where": "request"}],
    "duplicate error": [{"kind": "duplicate error", "where": "request"}],
    "lost for a while": [{"kind": "lost", "where": "status", "seconds": 0.2}],
    "expired": [{"kind": "expired", "where": "status"}],
    "failed": [{"kind": "failed", "where": "request"}],
    "no ranges": [{"kind": "truncated", "where": "tar"}, {"kind": "no ranges", "where": "tar"}],
    "gone": [{"kind": "not found", "where": "tar"}],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_faults_cost_time_but_no_record(
    faults: list[dict[str, Any]], jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any
):
    jsoc.book.delay_s = 0.05
    jsoc.faults.add_all(faults)
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)
    assert max(jsoc.max_in_flight.values(), default=1) <= 1
    assert Ingest.objects.count() == 1


def test_an_export_that_is_never_made_is_left_for_single_files(
    jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any, settings: LazySettings
):
    settings.JSOC_PENDING_LIMIT_S = 0
    jsoc.faults.add("stuck", "request", times=None)
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive, as_is=True)
    assert "given up: JSOC has not made it in time" in words(acquisition)


def test_a_segment_that_is_missing_twice_is_not_waited_for(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    jsoc.faults.add("missing segment", "request", segment="Bt", times=2)
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert RawFile.objects.count() == 5 * N_RECORDS - 1
    assert [record.absent for record in acquisition.records.exclude(absent=[])] == [["Bt"]]
    assert "JSOC has no Bt of 2011.02.15_00:00:00_TAI." in words(acquisition)


def test_a_segment_that_is_missing_once_comes(
    jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any
):
    jsoc.faults.add("missing segment", "request", segment="Bt")
    assert acquired(team, alice, queues).state == Task.State.DONE
    assert_held(team, archive)


def test_a_record_without_continuum_is_not_called_held(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    for _ in range(2):
        jsoc.faults.add("missing segment", "request", segment="continuum", times=2)
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert acquisition.doing == f"{N_RECORDS - 1} of {N_RECORDS} records held; JSOC has no continuum of the others."


def test_a_coarser_cadence_is_that_of_the_query_and_of_the_patch(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any
):
    acquisition = acquired(team, alice, queues, cadence_s=1440)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert Frame.objects.count() == (N_RECORDS + 1) // 2
    assert acquisition.patch is not None
    assert (acquisition.patch.cadence_s, acquisition.patch.gaps()) == (1440, [])


def test_somebody_elses_export_under_the_same_email_is_not_taken_for_ours(
    archive: Archive, settings: LazySettings, tmp_path: Any, team: Team, alice: User, queues: Any
):
    both = small_archive(2, harpnum=401, seed=9, into=small_archive(N_RECORDS))
    with JsocStandIn(both, delay_s=0.2) as stand_in:
        settings.JSOC_URL, settings.VAR_DIR, settings.MIN_FREE_MB = f"{stand_in.address}/", tmp_path, 0
        settings.JSOC_PACE_S = 1
        acquisition = previewed(team, alice, queues)
        actions.order(acquisition, user=alice, run_after=False)
        stand_in.faults.add("503", "request")
        queues.work()
        drms.Client(stand_in.config()).export(
            "hmi.sharp_cea_720s[401][]{continuum}", method="url-tar", protocol="fits", email=EMAIL
        )
        acquisition = pass_time(queues, acquisition)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert list(team.patches.values_list("harpnum", flat=True)) == [377]
    assert_held(team, archive)


def test_what_is_held_already_is_processed_when_that_is_asked_for(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    processed: list[int] = []
    acquired(team, alice, queues)
    monkeypatch.setattr(actions, "process_new_frames", lambda patch, **_: processed.append(patch.pk))
    again = previewed(team, alice, queues)
    assert processed == []  # a preview does nothing
    actions.order(again, user=alice, run_after=True)
    again = pass_time(queues, again)
    assert processed == [again.patch_id]


def test_an_unregistered_email_fails_with_what_to_do_and_can_be_tried_again(
    jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any
):
    jsoc.faults.add("unregistered", "email")
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.FAILED
    assert acquisition.error.startswith(f"{EMAIL} is not registered at JSOC")
    assert actions.retry(acquisition)
    acquisition = pass_time(queues, acquisition)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)


def test_records_that_never_come_are_named(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    jsoc.faults.add("garbled", "tar", times=None)
    jsoc.faults.add("garbled", "file", times=None)
    acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.FAILED
    assert "records could not be had; the first one, 2011.02.15_" in acquisition.error
    n_held = acquisition.records.filter(is_held=True).count()
    assert RawFile.objects.count() >= 5 * n_held


def test_nothing_there_is_said(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    acquisition = pass_time(queues, actions.start_preview(team, alice, Wanted(999)))
    assert acquisition.state == Task.State.FAILED
    assert "JSOC has no record of HARP 999 in hmi.sharp_cea_720s;" in acquisition.error


def test_what_came_is_processed_once_all_is_there(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    seen: list[int] = []
    monkeypatch.setattr(actions, "process_new_frames", lambda patch, **_: seen.append(patch.frames.count()))
    acquisition = previewed(team, alice, queues)
    actions.order(acquisition, user=alice, run_after=True)
    pass_time(queues, acquisition)
    assert seen == [N_RECORDS]


def test_two_orders_of_one_email_do_not_ask_at_once(
    jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any
):
    jsoc.book.delay_s = 0.1
    both = [previewed(team, alice, queues), previewed(team, alice, queues)]
    for one in both:
        actions.order(one, user=alice, run_after=False)
    for one in both:
        assert pass_time(queues, one).state == Task.State.DONE
    assert max(jsoc.max_in_flight.values()) <= 1
    assert_held(team, archive)


def test_stopping_keeps_what_came_and_going_on_gets_the_rest(
    jsoc: JsocStandIn, archive: Archive, team: Team, alice: User, queues: Any, settings: LazySettings
):
    settings.JSOC_MAX_RECORDS = 3
    acquisition = previewed(team, alice, queues)
    actions.order(acquisition, user=alice, run_after=False)
    jsoc.faults.add("503", "request", times=None, skip=1)
    queues.work()
    assert actions.cancel(acquisition)
    assert not actions.cancel(acquisition)
    assert RawFile.objects.count() == 15
    jsoc.faults.clear()
    assert actions.retry(acquisition)
    assert pass_time(queues, acquisition).state == Task.State.DONE
    assert_held(team, archive)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"series": "hmi.M_720s"}, "is no series that is fetched"),
        ({"series": "hmi.sharp_cea_720s[1]"}, "is no series that is fetched"),
        ({"cadence_s": 700}, "multiple of 720 s"),
        ({"segments": ["Br"]}, "must have continuum"),
        ({"wanted": Wanted(0)}, "is no HARP number"),
        ({"wanted": Wanted(377, first_s=720, last_s=0)}, "must not be before"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change: dict[str, Any], problem: str, team: Team, alice: User):
    options = {"wanted": Wanted(377), **change}
    with pytest.raises(ParameterError, match=problem):
        actions.start_preview(team, alice, options.pop("wanted"), **options)
    assert not Acquisition.objects.exists()


def test_nothing_is_ordered_without_an_email(jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    acquisition = previewed(team, alice, queues)
    team.jsoc_email = ""
    team.save()
    acquisition.team.refresh_from_db()
    with pytest.raises(ParameterError, match="registered e-mails only"):
        actions.order(acquisition, user=alice)
    assert acquisition.exports.count() == 0


def test_definitive_and_near_real_time_harps_of_one_number_are_two_patches(
    settings: LazySettings, tmp_path: Any, team: Team, alice: User, queues: Any
):
    both = small_archive(2, into=small_archive(2, series="hmi.sharp_cea_720s_nrt", seed=5))
    with JsocStandIn(both, delay_s=0) as stand_in:
        settings.JSOC_URL, settings.VAR_DIR, settings.MIN_FREE_MB = f"{stand_in.address}/", tmp_path, 0
        acquired(team, alice, queues)
        acquired(team, alice, queues, series="hmi.sharp_cea_720s_nrt")
    assert sorted(map(str, team.patches.all())) == ["HARP 377", "HARP 377 (near-real-time)"]
    assert RawFile.objects.filter(conflict=True).count() == 0
    assert ExportRequest.objects.count() == 2


def test_an_attempt_that_was_overtaken_stores_nothing(
    jsoc: JsocStandIn, team: Team, alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    acquisition = previewed(team, alice, queues)
    actions.order(acquisition, user=alice, run_after=False)
    submit: Callable[..., Any] = jobs.exporting.jsoc.submit

    def overtaken(*args: Any, **options: Any) -> Any:
        answer = submit(*args, **options)
        Acquisition.objects.filter(pk=acquisition.pk).update(attempts=99)
        return answer

    monkeypatch.setattr(jobs.exporting.jsoc, "submit", overtaken)
    queues.work()
    export = ExportRequest.objects.get()
    assert (export.state, export.request_id) == (ExportRequest.State.SENDING, "")


@needs_real_data
@pytest.mark.parametrize("method", ["url-tar", "url_quick"])
def test_a_real_record_comes_once(
    method: str, settings: LazySettings, tmp_path: Any, team: Team, alice: User, queues: Any
):
    real = Archive.from_folders(REAL_DATA / "harp377")
    with JsocStandIn(real, delay_s=0) as stand_in:
        settings.JSOC_URL, settings.VAR_DIR, settings.MIN_FREE_MB = f"{stand_in.address}/", tmp_path, 0
        acquisition = acquired(team, alice, queues, method=method)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, real, as_is=method == "url_quick")
    assert acquisition.exports.count() == 1
    frame = Frame.objects.get()
    assert (round(frame.mu_min or 0, 3), round(frame.mu_max or 0, 3)) == (0.855, 0.989)
