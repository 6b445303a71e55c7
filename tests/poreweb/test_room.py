"""Room for what is fetched: refused before it begins, stopped when it ends, and gone on with when it is made."""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from poreweb import storage
from poreweb.acquire import actions, fetch, reading, space
from poreweb.acquire.models import Acquisition, ExportRequest
from poreweb.observations import archive as raw_files
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import wake
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import pass_time, previewed, words

SEGMENTS = ("continuum", "Br")
GB = 1000 * space.MB


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(3, shape=(16, 16))


@pytest.fixture
def jsoc(archive: Archive, settings: LazySettings, tmp_path: Path) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL, settings.JSOC_PACE_S = f"{stand_in.address}/", 1
        settings.VAR_DIR, settings.MIN_FREE_MB, settings.JSOC_MAX_RECORDS = tmp_path / "var", 0, 1
        yield stand_in


@pytest.fixture
def preview(jsoc: JsocStandIn, team: Team, alice: User, queues: Any) -> Acquisition:
    acquisition = previewed(team, alice, queues, segments=SEGMENTS)
    jsoc.forget()
    return acquisition


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A disk with so many bytes free as the test says; ``looks`` are those after which it is full."""
    disk = SimpleNamespace(free=GB, looks=None)

    def usage(_: Path) -> SimpleNamespace:
        if disk.looks is not None:
            disk.looks -= 1
            if disk.looks < 0:
                return SimpleNamespace(free=0)
        return SimpleNamespace(free=disk.free)

    monkeypatch.setattr(space.shutil, "disk_usage", usage)
    return disk


def hold(team: Team, n_bytes: int) -> None:
    """Have a team hold a file of that size."""
    patch = team.patches.create(harpnum=99)
    RawFile.objects.create(
        frame=Frame.objects.create(patch=patch, t_rec_s=0, ny=1, nx=1), segment="Br", sha256="0" * 64, size=n_bytes,
        name="x",
    )  # fmt: skip


def must_be_held(archive: Archive, acquisition: Acquisition) -> None:
    """Every wanted file is there with the bytes of its source, once, in one delivery that is closed."""
    assert (acquisition.state, acquisition.error) == (Task.State.DONE, ""), words(acquisition)
    wanted = sorted(
        (record.t_rec_s, segment, hashlib.sha256(record.read(segment)).hexdigest())
        for record in archive.records()
        for segment in SEGMENTS
    )
    held = RawFile.objects.filter(ingest=acquisition.ingest, conflict=False)
    assert sorted(held.values_list("frame__t_rec_s", "segment", "sha256")) == wanted
    for *_, sha in wanted:
        assert hashlib.sha256(storage.read_bytes(raw_files.raw_key(sha))).hexdigest() == sha
    assert Ingest.objects.get().n_new == len(wanted)
    assert not list(space.scratch().glob("*.part"))


# -- What a team may hold ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site_mb", "team_mb", "expected"),
    [(0, None, None), (5, None, 5), (5, 3, 3), (5, 9, 9), (0, 3, 3), (5, 0, None), (0, 0, None)],
)
def test_a_team_s_own_quota_counts_before_the_site_s(
    site_mb: int, team_mb: int | None, expected: int | None, team: Team, settings: LazySettings
):
    settings.TEAM_QUOTA_MB, team.quota_mb = site_mb, team_mb
    assert space.quota_bytes(team) == (None if expected is None else expected * space.MB)


def test_a_quota_is_of_one_team_s_raw_files(team: Team, settings: LazySettings, disk: SimpleNamespace):
    other = Team.objects.get(name="Team M")
    settings.TEAM_QUOTA_MB, settings.MIN_FREE_MB = 3, 0
    hold(other, 3 * space.MB)
    assert (space.held_bytes(team), space.held_bytes(other)) == (0, 3 * space.MB)
    space.must_have_room(team, 3 * space.MB)
    with pytest.raises(space.NoRoomError, match=r"^Team A may hold .* and holds 0\xa0bytes, so there is no room for"):
        space.must_have_room(team, 3 * space.MB + 1)
    space.must_have_room(other, 0)
    with pytest.raises(space.NoRoomError, match=r"^Team M may hold"):
        space.must_have_room(other, 1)
    other.quota_mb = 4
    space.must_have_room(other, space.MB)


def test_some_of_the_disk_is_always_kept(team: Team, settings: LazySettings, disk: SimpleNamespace):
    settings.MIN_FREE_MB, disk.free = 400, GB
    assert space.free_bytes() == 600 * space.MB
    space.must_have_room(team, 600 * space.MB)
    with pytest.raises(space.NoRoomError, match=r"the disk has 600.0\xa0MB left beyond the 400.0\xa0MB that are kept"):
        space.must_have_room(team, 600 * space.MB + 1)
    disk.free = 400 * space.MB
    space.must_have_room(team, 0)
    disk.free -= 1  # somebody else took of what is kept
    assert space.free_bytes() == 0
    with pytest.raises(space.NoRoomError, match=r"the disk has 0\xa0bytes left .* which is no room for more$"):
        space.must_have_room(team, 0)


def test_the_fuller_of_two_disks_counts(settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings.VAR_DIR, settings.MIN_FREE_MB = tmp_path / "a" / "b" / "not yet", 0
    settings.STORAGE_URL = f"file://{tmp_path}/c/d"
    (tmp_path / "a").mkdir()
    (tmp_path / "c").mkdir()
    free = {tmp_path / "a": 7, tmp_path / "c": 5}
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[Path(folder)]))
    assert space.free_bytes() == 5
    settings.STORAGE_URL = "memory://somewhere"
    assert space.free_bytes() == 7


# -- Refused before it begins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["quota", "disk"])
def test_an_order_without_room_asks_jsoc_for_nothing(
    which: str, preview: Acquisition, jsoc: JsocStandIn, team: Team, as_alice: Client, disk: SimpleNamespace,
    settings: LazySettings, queues: Any,
):  # fmt: skip
    assert preview.estimated_bytes > 100_000
    settings.TEAM_QUOTA_MB = 1
    hold(team, space.MB if which == "quota" else 0)
    disk.free = GB if which == "quota" else preview.estimated_bytes - 1
    form = {"method": "url"}
    page = as_alice.post(reverse("acquire:order", args=[preview.pk]), form).text
    sentence = "Team A may hold 1.0\xa0MB and holds 1.0\xa0MB" if which == "quota" else "The disk has "
    assert f'role="alert">{sentence}' in page
    assert '<option value="url" selected>' in page
    assert 'name="run_after" id="id_run_after">' in page  # not ticked, as it was sent
    queues.work()
    preview.refresh_from_db()
    assert (preview.is_preview, preview.state, jsoc.log) == (True, Task.State.DONE, [])
    assert not ExportRequest.objects.exists()

    disk.free, team.quota_mb = preview.estimated_bytes, 9
    team.save()
    assert as_alice.post(reverse("acquire:order", args=[preview.pk]), form).status_code == 302
    preview.refresh_from_db()
    assert not preview.is_preview


def test_what_is_held_already_needs_no_room(
    preview: Acquisition, archive: Archive, team: Team, alice: User, queues: Any, settings: LazySettings
):
    actions.order(preview, user=alice, run_after=False)
    must_be_held(archive, pass_time(queues, preview))
    again = previewed(team, alice, queues, segments=SEGMENTS)
    settings.MIN_FREE_MB = 10**9
    assert again.estimated_bytes == 0
    assert actions.order(again, user=alice)
    assert pass_time(queues, again).state == Task.State.DONE


# -- Stopped on its way ----------------------------------------------------------------------------------------------


@pytest.fixture
def order(preview: Acquisition, alice: User) -> Acquisition:
    assert actions.order(preview, user=alice, run_after=False)
    preview.refresh_from_db()
    return preview


def stop(acquisition: Acquisition, queues: Any) -> int:
    """Work until it waits for room; the files that have come."""
    queues.work()
    acquisition.refresh_from_db()
    assert acquisition.doing.startswith("No room: "), words(acquisition)
    assert "Make room, and it goes on by itself; all that came is kept." in acquisition.doing
    assert (acquisition.state, acquisition.error) == (Task.State.WAITING, "")
    assert acquisition.not_before is not None
    assert 20 < (acquisition.not_before - timezone.now()).total_seconds() <= 30
    return RawFile.objects.count()


@pytest.mark.parametrize("looks", [1, 4, 6])
def test_a_disk_that_fills_stops_it_and_room_lets_it_go_on(
    looks: int, order: Acquisition, archive: Archive, queues: Any, disk: SimpleNamespace
):
    """It is looked at before each export and before each file, where rows and where files lie."""
    disk.looks = looks
    n_before = stop(order, queues)
    assert n_before < 6
    assert "the disk has 0\xa0bytes left" in order.doing
    assert wake(order)
    assert stop(order, queues) == n_before  # there still is none
    disk.looks = None
    must_be_held(archive, pass_time(queues, order))


def test_a_file_that_is_on_its_way_stops_too(
    order: Acquisition, archive: Archive, jsoc: JsocStandIn, queues: Any, disk: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """Large ones are looked after while they come, and gone on with where they stopped."""
    monkeypatch.setattr(reading, "LOOK_AGAIN_BYTES", 1)
    monkeypatch.setattr(fetch, "CHUNK", 10_000)
    disk.looks = 7
    assert stop(order, queues) == 0
    (part,) = space.scratch().glob("*.part")
    came = part.stat().st_size
    assert came
    disk.looks = None
    must_be_held(archive, pass_time(queues, order))
    assert [entry["range"] for entry in jsoc.asked("tar")][:2] == ["", f"bytes={came}-"]


@pytest.mark.parametrize(
    ("number", "where"),
    [(errno.ENOSPC, "storage"), (errno.ENOSPC, "scratch"), (errno.EDQUOT, "storage"), (errno.EFBIG, "scratch")],
    ids=["full", "full for parts", "quota", "too large"],
)
def test_a_write_that_fails_for_want_of_room_stops_it(
    number: int, where: str, order: Acquisition, archive: Archive, queues: Any, as_alice: Client,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    owner: Any = storage if where == "storage" else fetch
    name = "write_bytes" if where == "storage" else "_begin"
    actual, left = getattr(owner, name), [2]

    def full(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, "no room at all")
        return actual(*args)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, full)
        n_before = stop(order, queues)
        assert n_before in (2, 4)
        assert "No room: writing failed: no room at all." in order.doing
    page = as_alice.get(order.get_absolute_url()).text
    assert "No room: writing failed: no room at all." in page
    assert "Try now" in page
    assert as_alice.post(reverse("acquire:go-on", args=[order.pk])).url == order.get_absolute_url()
    must_be_held(archive, pass_time(queues, order))


def test_another_trouble_of_the_disk_is_no_want_of_room(
    order: Acquisition, archive: Archive, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> None:
        raise OSError(errno.EROFS, "the disk can only be read")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "write_bytes", broken)
        with pytest.raises(OSError, match="the disk can only be read"):
            queues.work()
    order.refresh_from_db()
    assert (order.state, "the disk can only be read" in order.error) == (Task.State.FAILED, True)
    actions.retry(order)
    order = pass_time(queues, order)
    assert (order.state, RawFile.objects.count()) == (Task.State.DONE, 6)


@pytest.mark.parametrize("method", ["url-tar", "url"])
def test_what_is_taken_away_from_one_that_was_stopped_is_no_bug(
    method: str, preview: Acquisition, alice: User, queues: Any, monkeypatch: pytest.MonkeyPatch
):
    """Stopping removes what is half here, under the worker that is about to read it."""
    actions.order(preview, user=alice, method=method, run_after=False)

    def stopped(*args: Any, **options: Any) -> int:
        size = fetch.download(*args, **options)
        actions.cancel(preview)
        return size

    monkeypatch.setattr(reading, "download", stopped)
    queues.work()
    preview.refresh_from_db()
    assert (preview.state, preview.error, RawFile.objects.count()) == (Task.State.CANCELLED, "", 0)
    assert not list(space.scratch().glob("*.part"))


def test_a_quota_that_is_reached_on_the_way_waits_for_a_larger_one(
    order: Acquisition, archive: Archive, team: Team, queues: Any
):
    team.quota_mb = 1
    team.save()
    hold(team, space.MB - order.records.get(t_rec_s=archive.records()[0].t_rec_s).estimated_bytes * 2)
    assert stop(order, queues) == 1  # the file that was held before
    assert "Team A may hold 1.0\xa0MB" in order.doing
    team.quota_mb = None
    team.save()
    Patch.objects.filter(harpnum=99).delete()
    must_be_held(archive, pass_time(queues, order))


# -- Uploads -------------------------------------------------------------------------------------------------------

UPLOAD = "/uploads/new/"


@pytest.mark.parametrize("which", ["quota", "disk"])
def test_an_upload_without_room_is_refused_and_keeps_what_was_chosen(
    which: str, as_alice: Client, team: Team, fits_files: list[Path], disk: SimpleNamespace, settings: LazySettings,
    storage_folder: Path, queues: Any,
):  # fmt: skip
    settings.MIN_FREE_MB = 0
    size = fits_files[0].stat().st_size
    second = Team.objects.create(name="Team B")
    second.memberships.create(user=User.objects.get(username="alice"), role="lead")
    hold(second, space.MB - size + 1)
    second.quota_mb = 1 if which == "quota" else None
    second.save()
    disk.free = size - (which == "disk")

    def upload(to: Team) -> Any:
        with fits_files[0].open("rb") as file:
            return as_alice.post(UPLOAD, {"team": to.pk, "records": file})

    page = upload(second).text
    assert f'<option value="{second.pk}" selected>Team B</option>' in page
    assert 'id="id_run_after">' in page  # not ticked, as it was sent
    said = "Team B may hold 1.0\xa0MB and holds" if which == "quota" else "The disk has "
    assert page.count(f"<li>{said}") == 1
    assert 'class="errorlist"' in page
    queues.work()
    assert not Ingest.objects.exists()
    assert not storage_folder.exists()
    if which == "quota":
        assert upload(team).status_code == 302  # another team's bytes do not count
    second.quota_mb, disk.free = 2, size
    second.save()
    assert upload(second).status_code == 302


def test_an_upload_without_files_or_team_says_that_alone(as_alice: Client, team: Team, disk: SimpleNamespace):
    disk.free = 0
    page = as_alice.post(UPLOAD, {"team": "999"}).text
    assert "Select a valid choice" in page
    assert "This field is required." in page
    assert "The disk has" not in page


def test_the_pages_tell_the_room(
    preview: Acquisition, team: Team, sign_in: Callable[[str], Client], disk: SimpleNamespace, settings: LazySettings
):
    team.quota_mb, disk.free, settings.MIN_FREE_MB = 3000, 5 * GB, 1000
    team.save()
    hold(team, 500 * space.MB)
    for address in (reverse("acquire:acquisitions"), preview.get_absolute_url()):
        page = sign_in("visitor").get(address).text
        assert "2.9\xa0GB" in page  # it may hold
        assert "500.0\xa0MB" in page  # it holds
        assert "3.9\xa0GB" in page  # of the disk
    assert shutil.disk_usage(".").free == 5 * GB
