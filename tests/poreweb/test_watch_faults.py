"""What goes wrong while something is watched: a look may fail, but the watch goes on and misses nothing."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from rq.timeouts import JobTimeoutException

from poreweb.acquire import watching
from poreweb.acquire.forms import PreviewForm
from poreweb.acquire.models import Acquisition, SeenFile, Watch
from poreweb.observations import unpack
from poreweb.observations.models import Frame, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.errors import FrameError
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL, segment_file_name
from processing.series import _records
from tests.jsoc import Archive, JsocStandIn, Record, small_archive
from tests.poreweb.acquiring import EMAIL

N = 5
NRT = DEFINITIVE_SERIES + PROVISIONAL


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return small_archive(N, shape=(16, 16)).records()


def come(archive: Archive, *records: Record, segments: tuple[str, ...] = ("continuum", "Br")) -> None:
    """Some segments of records appear at JSOC."""
    for record in records:
        for segment in segments:
            archive.add(DEFINITIVE_SERIES, record.harpnum, record.t_rec_s, segment, record.files[segment])


@pytest.fixture
def jsoc(settings: LazySettings, tmp_path: Path, team: Team) -> Iterator[JsocStandIn]:
    team.jsoc_email = EMAIL
    team.save()
    with JsocStandIn(Archive(), delay_s=0) as stand_in:
        settings.JSOC_URL, settings.JSOC_PACE_S = f"{stand_in.address}/", 1
        settings.VAR_DIR, settings.MIN_FREE_MB = tmp_path / "var", 0
        yield stand_in


@pytest.fixture
def harp(team: Team, alice: User, jsoc: JsocStandIn) -> Watch:
    return watching.watch_harp(
        team, alice, 377, series=DEFINITIVE_SERIES, segments=["continuum", "Br"], run_after=False
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, settings: LazySettings, records: list[Record]) -> Path:
    """Two files, an hour old."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    settings.WATCH_FOLDERS, settings.MIN_FREE_MB = [str(folder)], 0
    for record in records[:2]:
        path = folder / segment_file_name(377, record.t_rec_s, "continuum")
        path.write_bytes(record.read("continuum"))
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture
def watch(team: Team, alice: User, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watching, "SETTLED_S", -1)
    return watching.watch_folder(team, alice, str(folder), run_after=False)


@pytest.fixture
def look(queues: Any) -> Callable[[Watch], str]:
    """Look now, and do what comes of it; what the watch says then."""

    def looked(watch: Watch) -> str:
        queues.work()
        for model in (Acquisition, Watch):
            model.objects.filter(not_before__isnull=False).update(not_before=timezone.now())
            dispatch_due(model)
            queues.work()
        watch.refresh_from_db()
        assert (watch.state, watch.error) == (Task.State.WAITING, "")
        return watch.problem or watch.said

    return looked


def a_day_passes() -> None:
    for one in Acquisition.objects.all():
        Acquisition.objects.filter(pk=one.pk).update(created_at=one.created_at - timedelta(days=1))


def held() -> list[int]:
    return list(Frame.objects.order_by("t_rec_s").values_list("t_rec_s", flat=True))


# -- A look fails, the watch does not --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [OSError(28, "No space left on device"), JobTimeoutException("Task exceeded maximum timeout value"),
     OperationalError("database is locked"), KeyError("a bug")],
    ids=["full disk", "time limit", "database", "bug"],
)  # fmt: skip
def test_whatever_a_look_fails_of_the_next_one_comes(
    trouble: Exception, watch: Watch, queues: Any, look: Callable[[Watch], str], monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: Any, **__: Any) -> None:
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(watching, "ingest_here", fails)
        queues.work()
    watch.refresh_from_db()
    assert (watch.state, watch.error) == (Task.State.WAITING, "")
    assert watch.problem == f"{type(trouble).__name__}: {trouble}."
    assert watch.not_before is not None
    assert watch.not_before > timezone.now() + timedelta(seconds=watching.SHORTEST_S)
    assert look(watch) == "Read 2 files: 2 new FITS files, 0 held already."
    assert watch.problem == ""


def test_a_look_reads_so_many_bytes_and_the_next_ones_the_rest(
    watch: Watch, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    """Looks that were given all at once never came to their end; each that ends keeps what it has read."""
    monkeypatch.setattr(watching, "MOST_BYTES_AT_ONCE", 1)  # a file larger than that is read alone
    lots: list[int] = []
    ingest_here = watching.ingest_here

    def reads(team: Team, paths: list[Path], **options: Any) -> Any:
        lots.append(len(paths))
        assert SeenFile.objects.count() == sum(lots[:-1])
        return ingest_here(team, paths, **options)

    monkeypatch.setattr(watching, "ingest_here", reads)
    queues.work()
    assert lots == [1, 1]
    watch.refresh_from_db()
    assert (SeenFile.objects.count(), watch.n_new) == (2, 2)


@pytest.mark.parametrize("where", ["before", "while it is read"])
def test_a_file_that_the_disk_does_not_give_is_read_when_it_does(
    where: str, watch: Watch, folder: Path, look: Callable[[Watch], str], monkeypatch: pytest.MonkeyPatch
):
    bad = min(folder.iterdir())
    opens, can_be_read = unpack._open_regular, watching._can_be_read

    def eio(path: Path, **options: Any) -> Any:
        if path == bad:
            raise OSError(5, "Input/output error")
        return opens(path, **options)

    with monkeypatch.context() as patched:
        if where == "before":
            patched.setattr(watching, "_can_be_read", lambda path: path != bad and can_be_read(path))
            words = "Read 1 file: 1 new FITS file, 0 held already; 1 cannot be read."
        else:
            patched.setattr(unpack, "_open_regular", eio)
            words = "Read 1 file: 0 new FITS files, 0 held already, 1 refused."
        assert look(watch) == ("Nothing new; 1 cannot be read." if where == "before" else words)
        assert SeenFile.objects.count() == RawFile.objects.count() == 1
    assert look(watch) == "Read 1 file: 1 new FITS file, 0 held already."
    assert SeenFile.objects.count() == RawFile.objects.count() == 2


def test_files_of_which_none_can_be_noted_are_not_read_in_a_circle(
    watch: Watch, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(watching, "_is_still", lambda *_: False)
    queues.work()  # would not end
    watch.refresh_from_db()
    assert watch.not_before is not None


def test_whether_a_file_can_be_read_is_tried_to_its_end(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x" * 3)
    assert watching._can_be_read(tmp_path / "a")
    assert watching._can_be_read(tmp_path / "gone")
    assert not watching._can_be_read(tmp_path)  # EISDIR, as EIO


# -- What is asked for -----------------------------------------------------------------------------------------


def test_a_last_record_without_continuum_is_asked_for_once(
    harp: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    come(jsoc.archive, *records[:-1])
    come(jsoc.archive, records[-1], segments=("Br",))
    for _ in range(3):
        look(harp)
    assert look(harp) == f"Nothing new; the last record is {records[-1].t_rec}."
    assert [one.state for one in harp.acquisitions.all()] == [Task.State.DONE]
    assert harp.n_new == N


def test_what_came_is_counted_and_not_what_was_asked_for(
    harp: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    come(jsoc.archive, records[0])
    look(harp)
    come(jsoc.archive, records[4])  # three slots between are empty
    look(harp)
    look(harp)
    assert harp.n_new == len(held()) == 2
    assert harp.last_new_at is not None


def test_once_a_day_the_day_before_is_asked_for_again(
    harp: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    come(jsoc.archive, records[0], records[1], records[4])
    come(jsoc.archive, records[3], segments=("continuum",))
    look(harp)
    come(jsoc.archive, *records[2:4])  # JSOC fills a slot, and a segment
    nothing = f"Nothing new; the last record is {records[4].t_rec}."
    assert look(harp) == nothing
    a_day_passes()
    assert look(harp).endswith("and for those of the day before it again.")
    assert held() == [record.t_rec_s for record in records]
    assert RawFile.objects.count() == 2 * N
    assert look(harp) == look(harp) == nothing
    assert harp.n_new == N
    *_, last = [export.asked["ds"] for export in jsoc.book.exports.values()]  # what is held is not exported twice
    assert last == f"{DEFINITIVE_SERIES}[377][{records[2].t_rec}-{records[3].t_rec}]{{continuum,Br}}"


def test_a_harp_that_has_ended_is_not_asked_for_every_day(
    harp: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    come(jsoc.archive, *records[:4])
    look(harp)
    for _ in range(5):
        a_day_passes()
        look(harp)
    assert harp.acquisitions.count() == watching.LOOKS_BACK
    come(jsoc.archive, records[4])
    assert look(harp).startswith(f"Asked for the records up to {records[4].t_rec}")
    assert len(held()) == N


def test_a_record_in_the_middle_that_failed_keeps_no_later_one_up(
    harp: Watch, jsoc: JsocStandIn, records: list[Record], look: Callable[[Watch], str]
):
    come(jsoc.archive, *records[:3])
    look(harp)
    Acquisition.objects.update(state=Task.State.FAILED, error="1 of 3 records could not be had")
    come(jsoc.archive, records[3])
    assert look(harp) == f"Asked for the records up to {records[3].t_rec}."
    assert len(held()) == 4


# -- Near-real-time HARPs have numbers of their own ---------------------------------------------------------------


def test_two_series_of_one_number_are_two_harps(tmp_path: Path, records: list[Record]):
    paths = {}
    for series in (DEFINITIVE_SERIES, NRT):
        for record in records[:2]:
            path = tmp_path / segment_file_name(377, record.t_rec_s, "continuum", series)
            path.write_bytes(record.read("continuum"))
            paths[series, record.t_rec_s] = path
    with pytest.raises(FrameError, match=r"2 HARPs in \.fits files \(HARP 377, HARP 377 \(near-real-time\)\)"):
        _records(tmp_path)
    for record in records[:2]:
        paths[DEFINITIVE_SERIES, record.t_rec_s].unlink()
    harpnum, title, files, left_out = _records(tmp_path)
    assert (harpnum, title, left_out) == (377, "HARP 377 (near-real-time)", [])
    assert files == [[paths[NRT, record.t_rec_s]] for record in records[:2]]


@pytest.mark.parametrize(("series", "noaa_ar"), [(DEFINITIVE_SERIES, 11158), (NRT, None)], ids=["definitive", "nrt"])
def test_a_near_real_time_harp_is_not_the_noaa_region_of_that_number(
    series: str, noaa_ar: int | None, team: Team, alice: User
):
    form = {
        "team": team.pk, "harpnum": 377, "series": series, "provisional": "on", "segments": ["continuum"],
        "cadence_s": 720, "noaa_ar": 11158,
    }  # fmt: skip
    asked = PreviewForm(form, user=alice)
    assert asked.is_valid(), asked.errors
    assert asked.wanted.noaa_ar == noaa_ar
