"""The schedule's rows as they are now, whatever the last look said, and what is said of a watch that is started."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import watching
from poreweb.acquire.models import Acquisition, Watch
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES
from tests.poreweb import acquired_rows
from tests.poreweb.acquired_rows import FIRST_S, plain
from tests.poreweb.markup import Markup

URL, LIST = reverse("acquire:schedule"), reverse("acquire:acquisitions")
make = acquired_rows.make
R, D, F, C = Task.State.RUNNING, Task.State.DONE, Task.State.FAILED, Task.State.CANCELLED
STALE = "HARP 377 from JSOC is still under way."


@pytest.fixture
def watch(team: Team, alice: User) -> Watch:
    """A HARP whose last look was a minute ago, when its request was under way."""
    return Watch.objects.create(
        team=team, user=alice, kind=Watch.Kind.HARP, harpnum=377, not_before=timezone.now() + timedelta(minutes=11),
        looked_at=timezone.now() - timedelta(minutes=1), said=STALE,
    )  # fmt: skip


def bring(acquisition: Acquisition, team: Team, n_frames: int = 3) -> Patch:
    """Two segments of each record came by an acquisition, and one more that is at odds with what is held."""
    patch = team.patches.create(harpnum=acquisition.harpnum)
    acquisition.patch, acquisition.ingest = patch, Ingest.objects.create(team=team)
    acquisition.save()
    for k in range(n_frames + 1):
        frame = Frame.objects.create(patch=patch, t_rec_s=FIRST_S + 720 * k, ny=16, nx=16)
        for segment in ("continuum", "Br"):
            RawFile.objects.create(
                frame=frame, segment=segment, sha256=f"{k}{segment}", size=1000, name="x", ingest=acquisition.ingest,
                conflict=k == n_frames,
            )  # fmt: skip
    return patch


@pytest.mark.parametrize("state", [Task.State.WAITING, C], ids=["watching", "paused"])
def test_what_has_come_since_the_last_look_is_shown(state: str, watch: Watch, make, team: Team, as_alice: Client):
    Watch.objects.update(state=state)
    order = make(watch=watch, finished_at=timezone.now(), doing="All 3 records are held.")
    patch = bring(order, team)
    page = as_alice.get(URL).text
    assert STALE not in page
    assert "Last request : done, 3 of 3 records held." in plain(page)
    assert " 3 records " in plain(page)
    assert f'<a href="{order.get_absolute_url()}" aria-label="Last request' in page
    assert f'<a href="{patch.get_absolute_url()}"' in page


def test_what_is_under_way_and_what_failed_is_shown(watch: Watch, make, as_alice: Client):
    order = make(watch=watch, state=R, doing="Fetching JSOC_20110215_001.tar.")
    order.records.filter(t_rec_s=FIRST_S).update(is_held=True)
    page = plain(as_alice.get(URL).text)
    assert "Last request : running, 1 of 3 records held. Fetching JSOC_20110215_001.tar." in page
    error = "observer@example.org is not registered at JSOC"
    Acquisition.objects.update(state=F, error=error)
    page = plain(as_alice.get(URL).text)
    assert f"Last request : failed, 1 of 3 records held. {error}" in page
    Watch.objects.update(problem=f"the last request failed and is made again after some hours: {error}.")
    page = plain(as_alice.get(URL).text)
    assert page.count(error) == 1
    assert "last look failed The last request failed and is made again" in page


def test_a_patch_that_was_held_before_is_linked_and_no_other_s(watch: Watch, team: Team, as_alice: Client):
    patch = team.patches.create(harpnum=377)
    others = (
        team.patches.create(harpnum=377, series=f"{DEFINITIVE_SERIES}_nrt"),
        Team.objects.get(pk=2).patches.create(harpnum=377),
    )
    page = as_alice.get(URL).text
    assert patch.get_absolute_url() in page
    assert not any(f'"{other.get_absolute_url()}"' in page for other in others)


def test_all_requests_of_a_watch_can_be_reached(watch: Watch, make, as_alice: Client, sign_in: Callable[[str], Client]):
    made = [make(watch=watch, harpnum=377) for _ in range(3)]
    stranger = make(harpnum=1000)
    address = f"{LIST}?watch={watch.pk}"
    page = as_alice.get(URL).text
    assert "All its 3 requests" in page
    assert f'reached from the <a href="{URL}">schedule</a>' in as_alice.get(LIST).text
    assert f'href="{address}"' in page
    page = as_alice.get(address).text
    assert all(f'href="{one.get_absolute_url()}"' in page for one in made)
    assert stranger.get_absolute_url() not in page
    assert "Asked for by the watch of HARP 377" in page
    assert Markup(page).wrong == []
    Acquisition.objects.update(state=R)
    assert f'hx-get="{address}"' in as_alice.get(address).text
    assert sign_in("mallory").get(address).status_code == 404
    for wrong in ("x", "", "0", "9" * 40):
        assert as_alice.get(LIST, {"watch": wrong}).status_code == 404


def test_a_folder_that_is_refused_is_not_watched_as_if_all_were_well(
    tmp_path: Path, team: Team, alice: User, settings: LazySettings, queues: Any, as_alice: Client
):
    (tmp_path / "in").mkdir()
    settings.WATCH_FOLDERS = [str(tmp_path / "in")]
    watching.watch_folder(team, alice, str(tmp_path / "in"))
    queues.work()
    assert '<span class="state state-waiting">watching</span>' in as_alice.get(URL).text
    settings.WATCH_FOLDERS = [str(tmp_path / "elsewhere")]
    Watch.objects.update(not_before=None, state=Task.State.WAITING)
    watching.dispatch(Watch.objects.get())
    queues.work()
    page = as_alice.get(URL).text
    assert '<span class="state state-failed">last look failed</span>' in page
    assert "is not in a folder that this site may watch" in page
    assert ">watching<" not in page


def test_starting_a_watch_says_what_has_become_of_it(as_alice: Client, team: Team, queues: Any):
    sent = {"team": team.pk, "harpnum": 377, "every_s": 720, "segments": "continuum", "series": DEFINITIVE_SERIES}
    address = reverse("acquire:watch-harp")
    assert "HARP 377 is watched for Team A from now on." in as_alice.post(address, sent, follow=True).text
    assert "HARP 377 was watched for Team A already; what" in as_alice.post(address, sent, follow=True).text
    Watch.objects.update(state=C)
    assert "HARP 377 was not watched for Team A any more; it is" in as_alice.post(address, sent, follow=True).text
    assert Watch.objects.count() == 1
    page = as_alice.post(reverse("acquire:forget", args=[Watch.objects.get().pk]), follow=True).text
    assert "The watch of HARP 377 is deleted; what it brought is kept." in page


def test_starting_a_watched_folder_says_so(
    tmp_path: Path, as_alice: Client, team: Team, queues: Any, settings: LazySettings
):
    settings.WATCH_FOLDERS = [str(tmp_path)]
    sent = {"team": team.pk, "folder": str(tmp_path), "every_s": 720}
    page = as_alice.post(reverse("acquire:watch-folder"), sent, follow=True).text
    assert f"Folder {tmp_path} is watched for Team A from now on." in page


@pytest.mark.parametrize("address", [URL, LIST])
def test_on_a_narrow_screen_each_cell_says_what_it_is(address: str, watch: Watch, make, as_alice: Client):
    """Rows are stacked there, without the heads of the columns; the first cell names the row."""
    for state, at in ((R, timezone.now()), (D, None)):
        make(state=state, ordered_at=at)
    page = as_alice.get(address).text
    tables = re.findall(r"<table(.*?)>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert tables
    assert "css/lists.css" in page
    for attributes, body in tables:
        assert "stacked" in attributes
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
            unnamed = [cell for cell in re.findall(r"<td([^>]*)>", row)[1:] if "data-label" not in cell]
            assert len(unnamed) <= ("<button" in row)
