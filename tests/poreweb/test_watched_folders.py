"""Folders of this machine whose files are read as they appear: which, when, and each once."""

import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import space, watching
from poreweb.acquire.models import SeenFile, Watch
from poreweb.observations import jobs as observations
from poreweb.observations.models import Ingest, RawFile
from poreweb.people.models import Team
from poreweb.tracks.models import Run
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.errors import ParameterError

HOUR_S = 3600


@pytest.fixture
def mirror(tmp_path: Path, settings: LazySettings) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    settings.WATCH_FOLDERS, settings.MIN_FREE_MB = [str(folder)], 0
    return folder


@pytest.fixture
def put(fits_files: list[Path]) -> Callable[..., Path]:
    """A file of the simulated patch, whose segment is added to the name, or any bytes; it came an hour ago."""

    def at(path: Path, what: int | bytes = 0, *, age_s: float = HOUR_S, suffix: str = ".fits") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, int):
            path = path.with_name(f"{path.name}.{fits_files[what].name.split('.')[-2]}{suffix}")
            what = fits_files[what].read_bytes()
        path.write_bytes(what)
        then = time.time() - age_s
        os.utime(path, (then, then))
        return path

    return at


@pytest.fixture
def watch(team: Team, alice: User, mirror: Path) -> Watch:
    return watching.watch_folder(team, alice, str(mirror), run_after=False)


@pytest.fixture
def look(watch: Watch, queues: Any) -> Callable[[], str]:
    """Look now; what the watch says then."""

    def looked() -> str:
        queues.commit()
        Watch.objects.filter(not_before__isnull=False).update(not_before=timezone.now())
        dispatch_due(Watch)
        queues.work()
        watch.refresh_from_db()
        assert (watch.state, watch.error) == (Task.State.WAITING, "")
        return watch.problem or watch.said

    return looked


# -- Which folders ---------------------------------------------------------------------------------------------


def test_only_folders_of_the_settings_are_watched(tmp_path: Path, mirror: Path, settings: LazySettings, monkeypatch):
    inside, outside = mirror / "hmi" / "2011", tmp_path / "mirror-of-others"
    inside.mkdir(parents=True)
    outside.mkdir()
    (mirror / "out").symlink_to(outside)
    (tmp_path / "in").symlink_to(inside)
    (mirror / "circle").symlink_to(mirror / "circle")
    (mirror / "file.fits").touch()
    monkeypatch.chdir(mirror)
    wrong = [
        outside, "/", "/etc", "/etc/passwd", "", " ", ".", "..", "hmi", "~", mirror / "..",
        mirror / ".." / outside.name, mirror / "out", mirror / "out" / "..", mirror / "circle", mirror / "nothing",
        mirror / "file.fits", f"{mirror}\0", f"file://{mirror}", f"{mirror}-of-others", "x" * 5000, f"//{mirror}/../..",
    ]  # fmt: skip
    for folder in map(str, wrong):
        with pytest.raises(ParameterError, match=r"is not in a folder|is no folder"):
            watching.allowed_folder(folder)
    for right in (mirror, inside, tmp_path / "in", mirror / "hmi" / ".." / "hmi", mirror / "hmi" / "2011" / ""):
        assert watching.allowed_folder(str(right)).is_relative_to(mirror)
    settings.WATCH_FOLDERS = []
    with pytest.raises(ParameterError, match="this site watches no folders"):
        watching.allowed_folder(str(mirror))


def test_a_folder_of_the_settings_may_itself_be_a_link(tmp_path: Path, mirror: Path, settings: LazySettings):
    (tmp_path / "link").symlink_to(mirror)
    settings.WATCH_FOLDERS = [str(tmp_path / "link")]
    assert watching.allowed_folder(str(tmp_path / "link")) == watching.allowed_folder(str(mirror)) == mirror


def test_refusals_keep_what_was_typed(as_alice: Client, mirror: Path):
    form = {"team": "1", "folder": "/etc", "every_s": "777"}
    page = as_alice.post(reverse("acquire:watch-folder"), form).text
    assert "&#x27;/etc&#x27; is not in a folder that this site may watch" in page
    assert 'value="/etc"' in page
    assert 'value="777"' in page
    for every_s, words in (("59", "greater than or equal to 60"), ("86401", "less than or equal to"), ("x", "whole")):
        page = as_alice.post(reverse("acquire:watch-folder"), {**form, "folder": str(mirror), "every_s": every_s}).text
        assert words in page
    assert not Watch.objects.exists()
    as_alice.post(reverse("acquire:watch-folder"), {**form, "folder": f"{mirror}/../{mirror.name}/"})
    as_alice.post(reverse("acquire:watch-folder"), {**form, "folder": str(mirror)})
    assert Watch.objects.get().folder == str(mirror)


def test_a_folder_that_becomes_a_link_is_left(tmp_path: Path, mirror: Path, team, alice, put, queues):
    inside, outside = mirror / "day", tmp_path / "others"
    put(inside / "a")
    put(outside / "b", 1)
    watch = watching.watch_folder(team, alice, str(inside), run_after=False)
    queues.work()
    inside.rename(mirror / "moved")
    inside.symlink_to(outside)
    watching.resume(watch)
    queues.work()
    watch.refresh_from_db()
    assert "is not in a folder that this site may watch" in watch.problem
    assert (watch.state, RawFile.objects.count()) == (Task.State.WAITING, 1)
    inside.unlink()
    (mirror / "moved").rename(inside)
    watching.resume(watch)
    queues.work()
    watch.refresh_from_db()
    assert (watch.problem, watch.said) == ("", "Nothing new.")


# -- Which files --------------------------------------------------------------------------------------------------


def test_what_appears_is_read_once(look, mirror: Path, put, watch: Watch):
    assert look() == "Nothing new."
    put(mirror / "a", 0)
    put(mirror / "2011" / "02" / "b", 1, suffix=".FITS")
    put(mirror / "2011" / "c", 2, suffix=".fts")
    with tarfile.open(mirror / "d.tar.gz", "w:gz") as tar:
        for path in (put(mirror.parent / "d", 3), put(mirror.parent / "d", 4)):
            tar.add(path, path.name)
    put(mirror / "d.tar.gz", (mirror / "d.tar.gz").read_bytes())
    assert look() == "Read 4 files: 5 new FITS files, 0 held already."
    assert look() == "Nothing new."
    seen = SeenFile.objects.order_by("path").values_list("path", flat=True)
    assert list(seen) == ["2011/02/b.Br.FITS", "2011/c.Bt.fts", "a.Bp.fits", "d.tar.gz"]
    assert RawFile.objects.count() == 5
    assert watch.n_new == 5
    assert Ingest.objects.get().user is not None


def test_links_pipes_folders_and_hidden_files_are_not_looked_at(look, mirror: Path, tmp_path: Path, put):
    outside = put(tmp_path / "outside" / "a")
    (mirror / "link.Bp.fits").symlink_to(outside)
    (mirror / "folder").symlink_to(outside.parent)
    (mirror / "dangling.fits").symlink_to(tmp_path / "nothing")
    os.mkfifo(mirror / "pipe.fits")
    (mirror / "folder.fits").mkdir()
    for name in (".hidden", ".hidden/a"):
        put(mirror / name)
    for suffix in (".txt", ".fits.part", ".fits~", ""):
        put(mirror / "a", suffix=suffix)
    assert look() == "Nothing new."
    assert not Ingest.objects.exists()
    put(mirror / "folder.fits" / "a")
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."


def test_a_file_that_is_still_written_waits(look, mirror: Path, put, monkeypatch: pytest.MonkeyPatch):
    put(mirror / "old", 0)
    put(mirror / "new", 1, age_s=watching.SETTLED_S - 20)
    put(mirror / "ahead", 2, age_s=-HOUR_S)  # by a clock that is ahead
    assert look() == "Read 1 file: 1 new FITS file, 0 held already; 2 still being written."
    assert look() == "Nothing new; 2 still being written."
    now = time.time
    monkeypatch.setattr(watching.time, "time", lambda: now() + watching.SETTLED_S + 1)
    assert look() == "Read 2 files: 2 new FITS files, 0 held already."


def test_a_file_that_changes_is_read_again(look, mirror: Path, put, fits_files: list[Path]):
    path = put(mirror / "a.Bp.fits", fits_files[0].read_bytes()[:3000])
    assert look() == "Read 1 file: 0 new FITS files, 0 held already, 1 refused."
    assert look() == "Nothing new."
    assert put(mirror / "a", 0) == path
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."
    os.utime(path, (1e9, 1e9))
    assert look() == "Read 1 file: 0 new FITS files, 1 held already."
    assert put(mirror / "a", 5) == path
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."
    assert SeenFile.objects.count() == 1
    assert RawFile.objects.count() == 2


def test_a_file_that_may_not_be_read_is_read_when_it_may(look, mirror: Path, put, monkeypatch: pytest.MonkeyPatch):
    closed = put(mirror / "closed", 1)
    put(mirror / "open", 0)
    with monkeypatch.context() as patched:  # root, as whom tests may run, reads everything
        patched.setattr(watching.os, "access", lambda path, _: path != closed)
        assert look() == "Read 1 file: 1 new FITS file, 0 held already; 1 may not be read by this site."
        assert look() == "Nothing new; 1 may not be read by this site."
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."


def test_names_that_are_no_text_are_read_once(look, mirror: Path, put, as_alice: Client):
    name = os.fsdecode(b"\xe4\xff\x80")
    try:
        put(mirror / name)
    except OSError:
        pytest.skip("this file system has names of text only")
    put(mirror / ("d" * 200) / ("e" * 200) / ("f" * 200) / ("g" * 200) / ("h" * 200) / "i", 1)
    assert look() == "Read 2 files: 2 new FITS files, 0 held already."
    assert look() == "Nothing new."
    assert as_alice.get(Ingest.objects.get().get_absolute_url()).status_code == 200
    assert as_alice.get("/").status_code == 200


def test_many_files_come_one_lot_after_the_other(look, mirror: Path, put, watch: Watch, monkeypatch):
    monkeypatch.setattr(watching, "MOST_AT_ONCE", 2)
    for number in range(5):
        put(mirror / str(number), number)
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."  # the last lot, at once after the others
    assert list(Ingest.objects.order_by("pk").values_list("n_new", flat=True)) == [2, 2, 1]
    assert RawFile.objects.count() == watch.n_new == 5
    assert watch.not_before is not None


def test_one_that_goes_away_meanwhile_is_read_when_it_is_back(look, mirror: Path, put, monkeypatch):
    path = put(mirror / "a")
    ingest_here = watching.ingest_here

    def gone(*args: Any, **options: Any) -> Any:
        path.rename(mirror.parent / path.name)
        return ingest_here(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(watching, "ingest_here", gone)
        assert look() == "Read 1 file: 0 new FITS files, 0 held already, 1 refused."
    (mirror.parent / path.name).rename(path)  # with the same times
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."


def test_the_folder_s_troubles_are_shown_and_looked_past(look, mirror: Path, put, watch: Watch):
    mirror.rename(mirror.parent / "away")
    assert "is no folder" in look()
    (mirror.parent / "away").rename(mirror)
    put(mirror / "a")
    assert look() == "Read 1 file: 1 new FITS file, 0 held already."
    assert watch.problem == ""


def test_without_room_nothing_is_read(look, mirror: Path, put, team: Team):
    put(mirror / "a.Bp.fits", bytes(2 * space.MB))
    put(mirror / "b", 1)
    team.quota_mb = 1
    team.save()
    words = "Team A may hold 1.0\xa0MB and holds 0\xa0bytes, so there is no room for 2.0\xa0MB more."
    assert look() == words
    assert not Ingest.objects.exists()
    team.quota_mb = 3
    team.save()
    assert look() == "Read 2 files: 1 new FITS file, 0 held already, 1 refused."


# -- Those who die ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "calls"),
    [("poreweb.observations.actions.take_file", 0), ("poreweb.observations.actions.take_file", 2),
     ("poreweb.observations.actions.save_report", 1), ("poreweb.acquire.watching._is_still", 0),
     ("poreweb.acquire.watching._is_still", 1), ("poreweb.work.tasks.put_off", 0)],
    ids=["at first", "between files", "at the end", "before it is noted", "while it is noted", "at last"],
)  # fmt: skip
def test_killed_anywhere_it_doubles_nothing_and_processes_all(
    where: str, calls: int, team: Team, alice: User, mirror: Path, put, queues, killed_in, monkeypatch
):
    """What a look had read before it was killed is processed by the next one."""
    monkeypatch.setattr("poreweb.tracks.jobs.run_batch", lambda pk: None)
    monkeypatch.setattr(observations, "SAVE_EVERY", 2)
    watch = watching.watch_folder(team, alice, str(mirror))
    for number in range(4, 20, 5):
        put(mirror / str(number), number)
    killed_in(where, queues.work, calls=calls)
    queues.jobs.clear()
    queues.jobs.append((Watch.job_function, watch.pk))
    queues.work()
    watch.refresh_from_db()
    assert (watch.state, watch.problem) == (Task.State.WAITING, "")
    assert RawFile.objects.count() == SeenFile.objects.count() == 4
    assert RawFile.objects.filter(conflict=True).count() == 0
    assert Run.objects.get().segmentations.count() == 4


def test_a_bug_is_shown_and_gone_on_from(
    watch: Watch, mirror: Path, put, queues, as_alice: Client, monkeypatch: pytest.MonkeyPatch
):
    put(mirror / "a")

    def breaks(*_: Any) -> None:
        raise RuntimeError("something is wrong")

    with monkeypatch.context() as patched:
        patched.setattr(watching, "_files_in", breaks)
        queues.work()
    page = as_alice.get(reverse("acquire:schedule")).text
    assert "RuntimeError: something is wrong." in page
    assert ">last look failed<" in page
    as_alice.post(reverse("acquire:resume", args=[watch.pk]))
    queues.work()
    assert RawFile.objects.count() == 1
