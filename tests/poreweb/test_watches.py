"""A HARP that still gets records: each new one is asked for once, and its run goes on."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client, TestCase
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import actions, watching
from poreweb.acquire.models import Acquisition, Watch
from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.people.models import Team
from poreweb.tracks import actions as tracks
from poreweb.tracks.models import Run
from poreweb.tracks.signals import run_done
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.errors import ParameterError
from processing.fits import DEFINITIVE_SERIES
from tests.jsoc import Archive, JsocStandIn, Record, small_archive
from tests.poreweb.acquiring import EMAIL, pass_time

SEGMENTS = ["continuum", "Br"]
NRT = f"{DEFINITIVE_SERIES}_nrt"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return small_archive(5, shape=(16, 16)).records()


def come(archive: Archive, *records: Record, series: str = DEFINITIVE_SERIES) -> None:
    """Records appear at JSOC."""
    for record in records:
        for segment, file in record.files.items():
            archive.add(series, record.harpnum, record.t_rec_s, segment, file)


@pytest.fixture
def jsoc(settings: LazySettings, tmp_path: Any, records: list[Record], team: Team) -> Iterator[JsocStandIn]:
    archive = Archive()
    come(archive, *records[:3])
    team.jsoc_email = EMAIL
    team.save()
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL, settings.JSOC_PACE_S = f"{stand_in.address}/", 1
        settings.VAR_DIR, settings.MIN_FREE_MB = tmp_path / "var", 0
        yield stand_in


@pytest.fixture
def watch(team: Team, alice: User, jsoc: JsocStandIn) -> Watch:
    return watching.watch_harp(team, alice, 377, series=DEFINITIVE_SERIES, segments=SEGMENTS, run_after=False)


@pytest.fixture
def look(queues: Any) -> Callable[[Watch], str]:
    """Look now, and do what comes of it; what the watch says then."""

    def looked(watch: Watch) -> str:
        queues.work()
        Watch.objects.filter(not_before__isnull=False).update(not_before=timezone.now())
        dispatch_due(Watch)
        queues.work()
        watch.refresh_from_db()
        return watch.problem or watch.said

    return looked


def asked_for(jsoc: JsocStandIn) -> list[str]:
    """Record sets of the exports since the log was begun anew."""
    return [export.asked["ds"] for export in jsoc.book.exports.values()]


def held() -> list[int]:
    return list(Frame.objects.order_by("t_rec_s").values_list("t_rec_s", flat=True))


# -- What is new, and nothing else ---------------------------------------------------------------------------


def test_exactly_the_new_records_are_asked_for(
    watch: Watch, jsoc: JsocStandIn, records: list[Record], queues: Any, look: Callable[[Watch], str]
):
    queues.work()
    times = [record.t_rec_s for record in records]
    assert held() == times[:3]
    assert asked_for(jsoc) == [
        f"{DEFINITIVE_SERIES}[377][{records[0].t_rec}-{records[2].t_rec}]{{continuum,Br}}"
    ]  # fmt: skip
    assert look(watch) == f"Nothing new; the last record is {records[2].t_rec}."
    assert (len(asked_for(jsoc)), watch.acquisitions.count()) == (1, 1)

    come(jsoc.archive, records[3])
    assert look(watch) == f"Asked for the records up to {records[3].t_rec}."
    assert held() == times[:4]
    come(jsoc.archive, records[4])
    look(watch)
    assert held() == times
    last = [f"{DEFINITIVE_SERIES}[377][{one.t_rec}-{one.t_rec}]{{continuum,Br}}" for one in records[3:]]
    assert asked_for(jsoc)[1:] == last
    assert [one.state for one in watch.acquisitions.all()] == [Task.State.DONE] * 3
    assert [one.records.count() for one in watch.acquisitions.all()] == [1, 1, 3]
    sources = {one.read(segment) for one in records for segment in SEGMENTS}
    assert RawFile.objects.count() == len(sources) == 10
    look(watch)
    assert (watch.state, watch.problem, watch.n_new) == (Task.State.WAITING, "", 5)
    assert watch.not_before is not None
    assert watch.not_before - timezone.now() > timedelta(seconds=watching.CADENCE_S - 30)


def test_a_record_that_was_missing_stays_missing_and_later_ones_come(
    watch: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    look(watch)
    come(jsoc.archive, records[4])
    look(watch)
    assert held() == [records[index].t_rec_s for index in (0, 1, 2, 4)]
    assert look(watch) == f"Nothing new; the last record is {records[4].t_rec}."


def test_while_one_is_under_way_no_other_is_made(
    watch: Watch, jsoc: JsocStandIn, records: list[Record], queues: Any, look: Callable[[Watch], str]
):
    jsoc.faults.add("503", "request", times=None)
    queues.work()
    come(jsoc.archive, records[3])
    assert look(watch) == look(watch) == "HARP 377 from JSOC is still under way."
    jsoc.faults.clear()
    assert pass_time(queues, watch.acquisitions.get()).state == Task.State.DONE
    look(watch)
    assert held() == [record.t_rec_s for record in records[:4]]


def test_a_trouble_of_jsoc_is_shown_and_looked_past(
    watch: Watch, jsoc: JsocStandIn, look: Callable[[Watch], str], settings: LazySettings
):
    for kind, words in (("500", "answered 500 Internal"), ("html", "it is a page or"), ("drop", "broke")):
        jsoc.faults.add(kind, "info", times=None)
        assert words in look(watch)
        assert (watch.state, watch.acquisitions.count()) == (Task.State.WAITING, 0)
        jsoc.faults.clear()
    address, settings.JSOC_URL = settings.JSOC_URL, "http://127.0.0.1:9/"
    assert look(watch) == "the server cannot be reached: it refuses connections."
    settings.JSOC_URL = address
    assert look(watch).startswith("Asked for the records up to ")
    assert watch.problem == ""
    assert len(held()) == 3


def test_a_refusal_is_no_empty_harp(watch: Watch, monkeypatch: pytest.MonkeyPatch, look: Callable[[Watch], str]):
    answers = [{"status": 1, "error": "no database"}, {"status": 0, "keywords": "x"}, {"status": 0, "keywords": [{}]}]
    for answer in answers:
        monkeypatch.setattr(watching.jsoc, "_asked", lambda *_, answer=answer, **__: answer)
        said = look(watch)
        assert "no database" in said or "not of the form that is known" in said
        assert watch.problem
    monkeypatch.setattr(watching.jsoc, "_asked", lambda *_, **__: {"status": 0, "count": 0})
    assert look(watch) == "JSOC has no record of HARP 377 yet."


def test_what_cannot_be_had_is_not_asked_for_at_every_look(
    watch: Watch, jsoc: JsocStandIn, look: Callable[[Watch], str]
):
    jsoc.faults.add("unregistered", "email", times=None)
    look(watch)
    for _ in range(3):
        assert "made again after some hours: observer@example.org is not registered at JSOC" in look(watch)
    assert watch.acquisitions.count() == 1
    jsoc.faults.clear()
    Acquisition.objects.update(created_at=timezone.now() - watching.AFTER_FAILURE)
    look(watch)
    assert [one.state for one in watch.acquisitions.all()] == [Task.State.DONE, Task.State.FAILED]
    assert len(held()) == 3


def test_a_team_without_room_is_told_so(
    watch: Watch, jsoc: JsocStandIn, team: Team, queues: Any, look: Callable[[Watch], str], settings: LazySettings
):
    settings.MIN_FREE_MB = 10**9
    look(watch)
    waiting = watch.acquisitions.get()
    assert waiting.doing.startswith("No room: the disk has ")
    assert not asked_for(jsoc)
    assert look(watch) == "HARP 377 from JSOC is still under way."
    settings.MIN_FREE_MB = 0
    assert pass_time(queues, waiting).state == Task.State.DONE


# -- Begun, stopped, deleted -----------------------------------------------------------------------------------


def test_pausing_going_on_and_deleting(
    sign_in: Callable[[str], Client], watch: Watch, jsoc: JsocStandIn, records: list[Record], queues: Any,
    look: Callable[[Watch], str],
):  # fmt: skip
    client = sign_in("alice")
    look(watch)
    come(jsoc.archive, records[3])

    def press(what: str) -> str:
        client.post(reverse(f"acquire:{what}", args=[watch.pk]))
        return client.get(reverse("acquire:schedule")).text

    assert ">paused<" in press("pause")
    look(watch)
    assert (len(held()), watch.state) == (3, Task.State.CANCELLED)
    assert ">watching<" in press("resume")
    queues.work()
    assert len(held()) == 4
    come(jsoc.archive, records[4])
    press("resume")  # look now
    queues.work()
    assert len(held()) == 5
    assert "Nothing is watched" in press("forget")
    assert Acquisition.objects.filter(watch=None).count() == 3
    assert len(held()) == 5


def test_who_stops_a_request_is_not_asked_again(
    as_alice: Client, watch: Watch, jsoc: JsocStandIn, queues: Any, look: Callable[[Watch], str]
):
    jsoc.faults.add("503", "request", times=None)
    queues.work()
    acquisition = watch.acquisitions.get()
    page = as_alice.post(reverse("acquire:cancel", args=[acquisition.pk]), follow=True).text
    assert "The watch that asked for it is paused; it goes on from the schedule." in page
    jsoc.faults.clear()
    look(watch)
    assert (watch.state, watch.acquisitions.count(), held()) == (Task.State.CANCELLED, 1, [])
    as_alice.post(reverse("acquire:resume", args=[watch.pk]))
    queues.work()
    assert len(held()) == 3


@pytest.mark.parametrize("what", ["pause", "delete"])
def test_one_that_is_taken_away_while_it_looks_asks_for_nothing(
    what: str, watch: Watch, jsoc: JsocStandIn, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    newest = watching.jsoc.last_t_rec

    def taken_away(*args: Any) -> int | None:
        found = newest(*args)
        watch.delete() if what == "delete" else watching.pause(watch)
        return found

    monkeypatch.setattr(watching.jsoc, "last_t_rec", taken_away)
    queues.work()
    assert not Acquisition.objects.exists()
    assert list(Watch.objects.values_list("state", "looked_at")) == ([] if what == "delete" else [("cancelled", None)])


FORM = {"team": "1", "harpnum": "377", "every_s": "720", "segments": SEGMENTS, "series": DEFINITIVE_SERIES}


def test_two_clicks_make_one_watch(as_alice: Client, jsoc: JsocStandIn, queues: Any):
    for every_s in ("720", "3600"):
        assert as_alice.post(reverse("acquire:watch-harp"), {**FORM, "every_s": every_s}).status_code == 302
    watch = Watch.objects.get()
    assert (watch.every_s, watch.harpnum, watch.segments, watch.run_after) == (3600, 377, SEGMENTS, False)
    watching.pause(watch)
    as_alice.post(reverse("acquire:watch-harp"), {**FORM, "run_after": "on"})
    watch.refresh_from_db()
    assert (watch.state, watch.run_after) == (Task.State.WAITING, True)


def test_asking_once_more_takes_no_look_from_its_worker(
    team: Team, alice: User, watch: Watch, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    queues.work()
    Watch.objects.update(state=Task.State.RUNNING, not_before=None)
    save = Watch.save

    def meanwhile(self: Watch, **options: Any) -> None:
        Watch.objects.update(state=Task.State.WAITING, not_before=timezone.now() + timedelta(hours=1), n_new=5)
        save(self, **options)

    monkeypatch.setattr(Watch, "save", meanwhile)
    watching.watch_harp(team, alice, 377, series=DEFINITIVE_SERIES, segments=SEGMENTS)
    watch.refresh_from_db()
    assert (watch.state, watch.n_new, watch.run_after) == (Task.State.WAITING, 5, True)
    assert watch.not_before is not None


def test_near_real_time_is_had_by_saying_so_twice(
    as_alice: Client, jsoc: JsocStandIn, records: list[Record], queues: Any
):
    come(jsoc.archive, *records[3:], series=NRT)
    page = as_alice.post(reverse("acquire:watch-harp"), {**FORM, "series": NRT}).text
    assert "Say that near-real-time data are meant, or choose the definitive ones." in page
    assert 'value="377"' in page
    assert not Watch.objects.exists()
    as_alice.post(reverse("acquire:watch-harp"), {**FORM, "series": NRT, "provisional": "on"})
    as_alice.post(reverse("acquire:watch-harp"), FORM)
    assert list(map(str, Watch.objects.all())) == ["HARP 377 (near-real-time)", "HARP 377"]
    queues.work()
    assert {ds.partition("[")[0] for ds in asked_for(jsoc)} == {NRT, DEFINITIVE_SERIES}
    frames = {str(patch): patch.frames.count() for patch in Patch.objects.all()}
    assert frames == {"HARP 377 (near-real-time)": 2, "HARP 377": 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"series": "hmi.M_720s"}, "cannot be watched"), ({"series": f"{NRT}[1]"}, "cannot be watched"),
     ({"harpnum": 0}, "cannot be watched"), ({"harpnum": -1}, "cannot be watched"), ({"harpnum": 2**31}, "cannot be"),
     ({"segments": ["Br"]}, "must have continuum"), ({"every_s": 59}, "every 60 to 86400 s"),
     ({"every_s": 86_401}, "every 60 to 86400 s")],
    ids=range(8),
)  # fmt: skip
def test_what_makes_no_sense_is_not_watched(change: dict[str, Any], words: str, team: Team, alice: User):
    given = {"harpnum": 377, "series": DEFINITIVE_SERIES, "segments": SEGMENTS, **change}
    with pytest.raises(ParameterError, match=words):
        watching.watch_harp(team, alice, given.pop("harpnum"), **given)
    assert not Watch.objects.exists()


# -- Its run goes on -----------------------------------------------------------------------------------------------


@pytest.fixture
def no_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run computes has its own tests."""
    monkeypatch.setattr("poreweb.tracks.jobs.run_batch", lambda pk: None)


def end(run: Run) -> None:
    """As `tracks.actions.advance` does when the last batch is done."""
    run.refresh_from_db()
    run.state, run.input_hash = Run.State.DONE, tracks.input_hash(run)
    run.save()
    with TestCase.captureOnCommitCallbacks(execute=True):
        run_done.send(Run, run=run)


def test_a_run_goes_on_with_each_new_record(
    no_batches: None, team: Team, alice: User, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    watch = watching.watch_harp(team, alice, 377, series=DEFINITIVE_SERIES, segments=SEGMENTS)
    look(watch)
    run = Run.objects.get()
    assert (run.segmentations.count(), run.state) == (3, Run.State.RUNNING)

    for record in records[3:]:  # while it is at work they wait
        come(jsoc.archive, record)
        look(watch)
        assert Patch.objects.get().process_new
    assert (Run.objects.count(), run.segmentations.count(), len(held())) == (1, 3, 5)

    end(run)  # and go on with it, both at once
    run.refresh_from_db()
    assert (Run.objects.count(), run.segmentations.count(), run.state) == (1, 5, Run.State.RUNNING)
    assert [(added["first"], added["n_frames"]) for added in run.extensions] == [(3, 2)]
    assert not Patch.objects.get().process_new
    end(run)
    look(watch)
    assert (Run.objects.count(), run.segmentations.count()) == (1, 5)


def test_what_was_stopped_is_processed_once_it_goes_on(
    no_batches: None, team: Team, alice: User, jsoc: JsocStandIn, queues: Any, settings: LazySettings
):
    settings.JSOC_MAX_RECORDS = 2
    jsoc.faults.add("503", "request", times=None, skip=1)
    watch = watching.watch_harp(team, alice, 377, series=DEFINITIVE_SERIES, segments=SEGMENTS)
    queues.work()
    acquisition = watch.acquisitions.get()
    assert actions.cancel(acquisition)
    assert (len(held()), Run.objects.count()) == (2, 0)
    jsoc.faults.clear()
    assert actions.retry(acquisition)
    pass_time(queues, acquisition)
    assert Run.objects.get().segmentations.count() == len(held()) == 3
