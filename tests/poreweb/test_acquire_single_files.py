"""Records on tape, files that are not there or stay damaged: each costs its own record something, and no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from poreweb.acquire import actions, reading
from poreweb.acquire.exporting import MAX_TRIES
from poreweb.acquire.models import Acquisition, ExportRequest
from poreweb.acquire.planning import look_what_is_held
from poreweb.observations.models import RawFile
from poreweb.people.models import Team
from poreweb.words import counted
from poreweb.work.models import Task
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.jsoc.fits_bytes import CARD
from tests.poreweb.acquiring import acquired, assert_held, previewed, words

N_RECORDS, SHAPE = 4, (16, 16)
T_RECS = [f"2011.02.15_00:{minute:02d}:00_TAI" for minute in (0, 12, 24, 36)]


@pytest.fixture
def archive() -> Archive:
    return small_archive(N_RECORDS, shape=SHAPE)


@pytest.fixture
def order(jsoc: JsocStandIn, team: Team, alice: User, queues: Any) -> Callable[..., Acquisition]:
    return lambda method: acquired(team, alice, queues, method=method)


METHODS = pytest.mark.parametrize("method", ["url-tar", "url", "url_quick"])


# -- Records on tape -----------------------------------------------------------------------------------------


@METHODS
def test_records_on_tape_come_as_the_others_do(method: str, archive: Archive, order: Any, team: Team):
    archive.take_offline(archive.records()[1:3])
    acquisition = order(method)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive, as_is=method == "url_quick")
    preview = acquisition.preview
    assert (preview["n_online"], preview["kept_until"], preview["absent"]) == (2, "2038.01.19", {})
    assert acquisition.exports.count() == 1


@METHODS
def test_so_they_do_where_all_are_on_tape(method: str, archive: Archive, order: Any, team: Team):
    archive.take_offline(archive.records())
    acquisition = order(method)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)  # JSOC refuses url_quick for them, and single files have full headers
    assert acquisition.preview["kept_until"] == ""


# -- Files that are not there --------------------------------------------------------------------------------


def never(jsoc: JsocStandIn, kind: str, archive: Archive, *, index: int = 1) -> None:
    """That fault for the Br of one record for ever, in SUMS and in every export."""
    record = archive.records()[index]
    for match in (f"{record.folder}/Br", f"{T_RECS[index][14:16]}00_TAI.Br"):
        jsoc.faults.add(kind, "file", match=match, times=None)


def must_lack_one(acquisition: Acquisition, why: str) -> None:
    """All but the second record are held, without a try; that one is told by its sentence."""
    assert acquisition.state == Task.State.FAILED
    assert acquisition.error.startswith(f"1 of 4 records could not be had; the first one, {T_RECS[1]}: {why}")
    assert list(acquisition.records.filter(is_held=True).values_list("tries", "problem")) == [(0, "")] * 3
    assert RawFile.objects.count() == 5 * N_RECORDS - 1  # its other segments are here
    assert acquisition.exports.count() == MAX_TRIES


@pytest.mark.parametrize("method", ["url", "url_quick"])
def test_a_file_that_is_never_there_costs_its_own_record_alone(
    method: str, jsoc: JsocStandIn, archive: Archive, order: Any
):
    never(jsoc, "not found", archive)
    acquisition = order(method)
    host = jsoc.address.partition("//")[2]
    must_lack_one(acquisition, f"{MAX_TRIES} exports did not bring its Br: {host} answered 404 Not Found.")
    good = [entry["path"] for entry in jsoc.asked("file") if entry["status"] == 200]
    assert len(good) == len(set(good)) == 5 * N_RECORDS - 1
    assert "A file is passed over" in words(acquisition)


@pytest.mark.parametrize("method", ["url", "url_quick"])
def test_a_file_that_stays_damaged_costs_its_own_record_alone(
    method: str, jsoc: JsocStandIn, archive: Archive, order: Any
):
    never(jsoc, "wrong size", archive)
    acquisition = order(method)
    must_lack_one(acquisition, f"{MAX_TRIES} exports did not bring its Br: it comes damaged again and again: ")
    good = [entry["path"] for entry in jsoc.asked("file") if not entry["fault"]]
    assert len(good) == len(set(good)) == 5 * N_RECORDS - 1
    assert len(jsoc.asked("file")) - len(good) == reading.MAX_BAD * MAX_TRIES


def test_a_file_that_is_damaged_twice_is_fetched_again_after_the_others(
    jsoc: JsocStandIn, archive: Archive, order: Any, team: Team
):
    jsoc.faults.add("garbled", "file", times=2)
    acquisition = order("url")
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)
    assert acquisition.exports.count() == 1


def test_a_segment_that_jsoc_lists_and_does_not_have_is_absent_in_the_end(archive: Archive, order: Any):
    """As url_quick lists it too, that it is not there is told by another kind of export."""
    archive.records()[1].files.pop("Br")
    acquisition = order("url_quick")
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert [record.absent for record in acquisition.records.all()] == [[], ["Br"], [], []]
    assert acquisition.records.filter(is_held=True).count() == N_RECORDS


# -- Files that are not what they seem -----------------------------------------------------------------------


def test_a_changed_byte_in_the_first_empty_header_is_seen(
    jsoc: JsocStandIn, archive: Archive, order: Any, team: Team, monkeypatch: pytest.MonkeyPatch
):
    actual, spoilt = jsoc.book.file, []

    def file(folder: str, name: str) -> Any:
        found = actual(folder, name)
        if found and name.endswith(".tar") and not spoilt:
            at = found[0].index(b"SIMPLE  =", found[0].index(b"SIMPLE  =") + 2 * CARD)  # of the second file
            spoilt.append(at)
            return found[0][: at + CARD + 29] + b"7" + found[0][at + CARD + 30 :], found[1]  # BITPIX, without data
        return found

    monkeypatch.setattr(jsoc.book, "file", file)
    acquisition = order("url-tar")
    assert spoilt
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)
    assert "is damaged: it does not begin as the other files do" in words(acquisition)


def test_a_whole_file_of_another_harp_is_not_kept(jsoc: JsocStandIn, order: Any, team: Team):
    acquisition = order("url-tar")
    export = acquisition.exports.get()
    (theirs,) = small_archive(1, shape=SHAPE, harpnum=401, seed=9).records()
    acquisition.records.update(is_held=False)
    n_files = RawFile.objects.count()
    assert reading._keep(export, theirs.read("Br"), "theirs.Br.fits") == ""
    assert RawFile.objects.count() == n_files
    assert list(team.patches.values_list("harpnum", flat=True)) == [377]


def test_other_bytes_than_those_held_do_not_count_as_held(jsoc: JsocStandIn, order: Any):
    acquisition = order("url-tar")
    conflicting = RawFile.objects.filter(segment="Br", frame__t_rec_s=acquisition.records.all()[0].t_rec_s)
    assert conflicting.update(conflict=True) == 1
    acquisition.records.update(is_held=False)
    look_what_is_held(acquisition)
    assert [record.is_held for record in acquisition.records.all()] == [False, True, True, True]


# -- Somebody who waits, and somebody who stops --------------------------------------------------------------


def test_jsoc_is_asked_about_the_export_that_keeps_ours_waiting(
    jsoc: JsocStandIn, archive: Archive, order: Any, team: Team
):
    jsoc.faults.add("busy", "request", seconds=0.3)
    acquisition = order("url-tar")
    assert acquisition.state == Task.State.DONE, acquisition.error
    theirs, ours = jsoc.book.exports
    assert {entry["requestid"] for entry in jsoc.asked("status")} == {theirs, ours}
    assert f"pending ({theirs}); this one waits" in words(acquisition)


def test_trying_again_asks_as_it_was_asked_for(
    jsoc: JsocStandIn, archive: Archive, order: Any, team: Team, queues: Any, settings: LazySettings
):
    settings.JSOC_PENDING_LIMIT_S = 0
    jsoc.faults.add("stuck", "request", times=None)
    jsoc.faults.add("not found", "file", times=None)
    acquisition = order("url-tar")
    assert acquisition.state == Task.State.FAILED
    assert acquisition.exports.filter(answer__has_key="stuck").exists()
    jsoc.faults.clear()
    settings.JSOC_PENDING_LIMIT_S = 3600
    jsoc.book.exports.clear()
    assert actions.retry(acquisition)
    queues.work()
    newest = acquisition.exports.order_by("-number").first()
    assert (newest.method, newest.state) == ("url-tar", ExportRequest.State.READ)
    assert_held(team, archive)


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "wanted"])
def test_a_download_that_nobody_wants_any_more_stops(
    is_stopped: bool, team: Team, alice: User, tmp_path: Path, settings: LazySettings
):
    acquisition = Acquisition.objects.create(team=team, user=alice, harpnum=377, state=Task.State.RUNNING)
    look = reading._watcher(acquisition, tmp_path / "x.part", float("inf"))
    if is_stopped:
        assert actions.cancel(acquisition)
    look(1)  # not at every piece
    if is_stopped:
        with pytest.raises(reading.PutOffError):
            look(reading.LOOK_AGAIN_BYTES)
    else:
        look(reading.LOOK_AGAIN_BYTES)


# -- Too many at once ----------------------------------------------------------------------------------------


def refusing(jsoc: JsocStandIn, above: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse more records than that as JSOC does where it cannot open them."""
    actual = jsoc.book._too_big

    def too_many(asked: Any, ds: str, chosen: Any) -> Any:
        if len(chosen) > above:
            return {"status": 4, "error": f"Can not open RecordSet, bad query or too many records: {ds}"}
        return actual(asked, ds, chosen)

    monkeypatch.setattr(jsoc.book, "_too_big", too_many)


def test_records_that_cannot_be_opened_are_asked_for_in_halves(
    jsoc: JsocStandIn, archive: Archive, order: Any, team: Team, monkeypatch: pytest.MonkeyPatch
):
    refusing(jsoc, 2, monkeypatch)
    acquisition = order("url-tar")
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert_held(team, archive)
    assert [export.state for export in acquisition.exports.all()] == ["failed", "read", "read"]


@pytest.mark.parametrize("n_records", [1, 8])
def test_a_bad_record_set_is_not_split_for_ever(
    n_records: int, settings: LazySettings, tmp_path: Path, team: Team, alice: User, queues: Any,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    settings.VAR_DIR, settings.JSOC_PACE_S = tmp_path / "var", 1
    with JsocStandIn(small_archive(n_records, shape=(8, 8)), delay_s=0) as jsoc:
        settings.JSOC_URL = f"{jsoc.address}/"
        refusing(jsoc, 0, monkeypatch)
        acquisition = acquired(team, alice, queues)
    assert acquisition.state == Task.State.FAILED
    assert acquisition.error.startswith(f"{n_records} of {counted(n_records, 'record')} could not be had")
    assert "JSOC refuses it as too big: Can not open RecordSet, bad query or too many records" in acquisition.error
    assert acquisition.exports.count() == (1 if n_records == 1 else 3 + MAX_TRIES)


def test_previews_tell_what_is_on_tape(archive: Archive, jsoc: JsocStandIn, team: Team, alice: User, queues: Any):
    archive.take_offline(archive.records())
    preview = previewed(team, alice, queues).preview
    assert (preview["n_records"], preview["n_online"], preview["absent"]) == (4, 0, {})
