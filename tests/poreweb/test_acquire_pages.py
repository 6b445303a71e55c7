"""Pages of acquisitions and watches: who sees and presses what, in which state, and their size."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire.models import Acquisition, AcquisitionLog, ExportRequest, Watch
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES, SEGMENTS
from tests.poreweb import acquired_rows
from tests.poreweb.acquired_rows import FIRST_S, plain
from tests.poreweb.markup import Markup

NRT = f"{DEFINITIVE_SERIES}_nrt"
HTMX = {"HX-Request": "true"}
make = acquired_rows.make


# -- Who sees what -------------------------------------------------------------------------------------------


def test_who_sees_which_page(make, sign_in: Callable[[str], Client], team: Team):
    acquisition = make()
    expected = {
        reverse("acquire:acquisitions"): (200, 200, 200, 200),
        reverse("acquire:schedule"): (200, 200, 200, 200),
        reverse("acquire:new"): (403, 200, 200, 200),
        acquisition.get_absolute_url(): (200, 200, 200, 404),
        reverse("acquire:email", args=[team.pk]): (403, 403, 200, 404),
    }
    for address, codes in expected.items():
        found = tuple(sign_in(name).get(address).status_code for name in ("visitor", "alice", "lena", "mallory"))
        assert found == codes, address


def test_another_team_s_are_shown_nowhere(make, sign_in: Callable[[str], Client], team: Team):
    make()
    make(ordered_at=None)
    Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=377, state=Task.State.CANCELLED)
    Watch.objects.create(team=team, kind=Watch.Kind.FOLDER, folder="/data/ours", state=Task.State.CANCELLED)
    for name in ("acquisitions", "schedule", "new"):
        for headers in ({}, HTMX):
            page = sign_in("mallory").get(reverse(f"acquire:{name}"), headers=headers).text
            assert not re.search(r"HARP 377|Team A|alice|/data/ours|11158", page)
            if name != "new":
                assert re.search(r"HARP 377", sign_in("visitor").get(reverse(f"acquire:{name}"), headers=headers).text)


def test_a_viewer_sees_no_buttons_and_only_a_lead_the_e_mail(make, sign_in: Callable[[str], Client], team: Team):
    pages = [
        make(state=state, ordered_at=at).get_absolute_url() for state in Task.State for at in (None, timezone.now())
    ]
    Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=377, state=Task.State.CANCELLED)
    pages += [reverse("acquire:acquisitions"), reverse("acquire:schedule")]
    email = reverse("acquire:email", args=[team.pk])
    for address in pages:
        assert sign_in("visitor").get(address).text.count('method="post"') == 1, address  # to sign out
        assert email not in sign_in("alice").get(address).text
    assert email in sign_in("lena").get(reverse("acquire:acquisitions")).text
    assert email in sign_in("lena").get(make(ordered_at=None).get_absolute_url()).text


# -- Buttons in each state -----------------------------------------------------------------------------------


W, R, D, F, C = Task.State.WAITING, Task.State.RUNNING, Task.State.DONE, Task.State.FAILED, Task.State.CANCELLED
# state -> buttons of an order, and the state that each makes
BUTTONS: dict[str, dict[str, str]] = {
    W: {"cancel": C}, "put off": {"cancel": C, "go-on": W}, R: {"cancel": C}, D: {}, F: {"retry": W}, C: {"retry": W},
}  # fmt: skip


@pytest.mark.parametrize("ordered", [True, False], ids=["order", "preview"])
@pytest.mark.parametrize("state", BUTTONS)
def test_each_state_has_its_buttons(state: str, ordered: bool, make, as_alice: Client, queues: Any):
    is_put_off = state == "put off"
    soon = timezone.now() + timezone.timedelta(hours=1) if is_put_off else None
    given = {"state": W if is_put_off else state, "not_before": soon, "ordered_at": timezone.now() if ordered else None}
    for button in ("cancel", "go-on", "retry", "forget-preview"):
        acquisition = make(**given)
        address = reverse(f"acquire:{button}", args=[acquisition.pk])
        page = as_alice.get(acquisition.get_absolute_url()).text
        makes = {**BUTTONS[state], **({} if ordered else {"forget-preview": "gone"})}.get(button)
        assert (f'action="{address}"' in page) == (makes is not None), button
        assert ('hx-trigger="every 2s"' in page) == (given["state"] in Task.OPEN)
        response = as_alice.post(address, follow=True)
        assert response.status_code == 200
        found = Acquisition.objects.filter(pk=acquisition.pk).first()
        assert (found.state if found else "gone") == (makes or given["state"]), button
        assert len(queues.commit().jobs) == (button == "go-on" and is_put_off) + (
            button == "retry" and makes is not None
        )
        queues.jobs.clear()
        if found and found.state == C and makes:
            assert found.not_before is None
            assert "Continue" in response.text


def test_pressing_twice_is_pressing_once(make, as_alice: Client, queues: Any):
    acquisition = make(state=F, error="Something went wrong")
    for _ in range(2):
        as_alice.post(reverse("acquire:retry", args=[acquisition.pk]))
    assert len(queues.commit().jobs) == 1
    for _ in range(2):
        page = as_alice.post(reverse("acquire:cancel", args=[acquisition.pk]), follow=True).text
    assert "HARP 377 from JSOC had ended before." in page
    assert [line.text for line in acquisition.log.all()] == ["Tried again.", "Cancelled."]


def test_an_order_is_no_preview_to_be_deleted(make, as_alice: Client):
    acquisition = make()
    page = as_alice.post(reverse("acquire:forget-preview", args=[acquisition.pk]), follow=True).text
    assert "Records have been asked for" in page
    assert Acquisition.objects.exists()


def test_a_preview_that_is_deleted_while_it_is_made_is_no_bug(make, as_alice: Client, monkeypatch: pytest.MonkeyPatch):
    from poreweb.acquire import fetch, jobs

    preview = make(ordered_at=None, state=W, planned_at=None, n_records=0)

    def deleted(_: Acquisition) -> None:
        as_alice.post(reverse("acquire:forget-preview", args=[preview.pk]))
        raise fetch.TroubleError("the server is away")

    monkeypatch.setattr(jobs.planning, "plan", deleted)
    jobs.run_acquisition(preview.pk)
    assert not Acquisition.objects.exists()
    assert not AcquisitionLog.objects.exists()
    connection.check_constraints()


# -- While something goes on ---------------------------------------------------------------------------------


def test_a_part_asks_for_itself_until_it_has_ended(make, as_alice: Client):
    acquisition = make(state=R, doing="Fetching JSOC_20110215_001.tar.")
    acquisition.records.filter(t_rec_s=FIRST_S).update(is_held=True)
    for address, part, every in (
        (acquisition.get_absolute_url(), "acquisition", "2s"), (reverse("acquire:acquisitions"), "acquisitions", "3s"),
    ):  # fmt: skip
        Acquisition.objects.update(state=R)
        for headers in ({}, HTMX):
            page = as_alice.get(address, headers=headers).text
            assert f'<div id="{part}" hx-get="{address}" hx-trigger="every {every}"' in page
            assert "1 of 3" in plain(page)
            assert "Fetching JSOC_20110215_001.tar." in page
        assert page.lstrip().startswith(f'<div id="{part}"')
        Acquisition.objects.update(state=D)
        page = as_alice.get(address, headers=HTMX).text
        assert page.lstrip().startswith(f'<div id="{part}">')
        assert "hx-" not in page


def test_what_a_watch_got_is_no_line_of_its_own(make, as_alice: Client, team: Team):
    watch = Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=377, state=C)
    done, failed = make(watch=watch, harpnum=1001), make(watch=watch, harpnum=1002, state=F, user=None)
    page = as_alice.get(reverse("acquire:acquisitions")).text
    assert str(done) not in page
    assert str(failed) in page
    assert "a watch" in page


def test_what_went_wrong_is_said_and_nothing_of_it_is_markup(make, as_alice: Client, team: Team):
    bad = "<script>alert(1)</script> & more"
    team.name = bad
    team.save()
    acquisition = make(state=F, error=bad, doing=bad)
    acquisition.records.update(problem=bad)
    AcquisitionLog.objects.create(acquisition=acquisition, text=bad)
    ExportRequest.objects.create(
        acquisition=acquisition, number=1, method="url", email="a", record_set=bad, error=bad, request_id=bad,
        state="failed",
    )  # fmt: skip
    Watch.objects.create(team=team, kind=Watch.Kind.FOLDER, folder=bad, state=F, error=bad, said=bad)
    for address in (acquisition.get_absolute_url(), reverse("acquire:acquisitions"), reverse("acquire:schedule")):
        page = as_alice.get(address).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
    page = plain(as_alice.get(acquisition.get_absolute_url()).text)
    assert "3 could not be had" in page
    assert page.count("2011.02.15_00:") >= 3


def test_a_long_log_shows_its_end(make, as_alice: Client):
    acquisition = make(state=R)
    AcquisitionLog.objects.bulk_create(
        AcquisitionLog(acquisition=acquisition, text=f"line {number:05d}") for number in range(2500)
    )
    page = as_alice.get(acquisition.get_absolute_url()).text
    shown = [int(number) for number in re.findall(r"line (\d{5})", page)]
    assert shown == list(range(2300, 2500))
    assert len(page) < 60_000


# -- Size ----------------------------------------------------------------------------------------------------


@pytest.fixture
def fill(make, team: Team) -> Callable[[int], list[str]]:
    """Three orders of so many records, half of them held with five segments, and addresses of all pages."""

    def filled(n_records: int) -> list[str]:
        patch = team.patches.create(harpnum=377)
        frames = Frame.objects.bulk_create(
            Frame(patch=patch, t_rec_s=FIRST_S + 720 * k, ny=300, nx=600) for k in range(n_records)
        )
        RawFile.objects.bulk_create(
            RawFile(frame=frame, segment=segment, sha256=f"{frame.pk}{segment}", size=1000, name="x")
            for frame in frames for segment in SEGMENTS
        )  # fmt: skip
        keywords = {f"KEY{number}": number * 1.2345 for number in range(190)}
        addresses = [reverse("acquire:acquisitions"), reverse("acquire:schedule")]
        for state, at in ((R, timezone.now()), (F, timezone.now()), (D, None)):
            acquisition = make(state=state, ordered_at=at, n_records=n_records, patch=patch)
            acquisition.records.update(keywords=keywords)
            acquisition.records.filter(t_rec_s__lt=FIRST_S + 360 * n_records).update(is_held=True)
            data = [{"record": f"x[377][{k}]", "filename": f"x.377.{k}.fits"} for k in range(n_records)]
            for number in range(5):
                ExportRequest.objects.create(
                    acquisition=acquisition, number=number, method="url-tar", email="a", record_set="x", state="read",
                    answer={"data": data}, fetched=data,
                )  # fmt: skip
            addresses.append(acquisition.get_absolute_url())
        return addresses

    return filled


def test_pages_do_not_grow_with_the_records(fill, as_alice: Client, team: Team):
    """Nor with what else there is: 1,200 records of five segments, as a HARP of ten days has."""
    counts: dict[int, list[int]] = {}
    for n_records in (4, 1200):
        Acquisition.objects.all().delete()
        Patch.objects.all().delete()
        counts[n_records] = []
        for address in fill(n_records):
            for headers in ({}, HTMX):
                begun = time.process_time()
                with CaptureQueriesContext(connection) as queries:
                    response = as_alice.get(address, headers=headers)
                assert time.process_time() - begun < 1, address
                assert response.status_code == 200
                assert len(response.content) < 100_000
                assert not any('"acquire_record"."keywords"' in query["sql"] for query in queries), address
                assert not any('"acquire_exportrequest"."answer"' in query["sql"] for query in queries), address
                counts[n_records].append(len(queries))
    assert counts[4] == counts[1200]
    assert max(counts[1200]) < 40


def test_the_lists_do_not_ask_for_each_line(make, as_alice: Client, team: Team):
    counts = []
    for _ in range(2):
        for kind in ({}, {"ordered_at": None}, {"state": R}, {"state": F}):
            make(**kind)
        Watch.objects.create(team=team, kind=Watch.Kind.FOLDER, folder=f"/{len(counts)}", state=C)
        counts.append([])
        for name in ("acquisitions", "schedule"):
            with CaptureQueriesContext(connection) as queries:
                as_alice.get(reverse(f"acquire:{name}"))
            counts[-1].append(len(queries))
    assert counts[0] == counts[1]


def test_lines_count_their_records(make, as_alice: Client, patch: Patch):
    for changes, held in (({}, "3 of 3"), ({"state": R}, "1 of 3"), ({"state": C}, "1 of 3")):
        Acquisition.objects.all().delete()
        acquisition = make(patch=patch, **changes)
        if changes:
            acquisition.records.filter(t_rec_s=FIRST_S).update(is_held=True)
        assert held in plain(as_alice.get(reverse("acquire:acquisitions")).text)


# -- The schedule --------------------------------------------------------------------------------------------


def test_the_schedule_says_when_what_was_looked_at(as_alice: Client, team: Team, alice: User):
    at = timezone.make_aware(timezone.datetime(2030, 5, 4, 3, 2, 1))
    given = {"team": team, "user": alice, "looked_at": at, "not_before": at, "n_new": 7, "every_s": 7200}
    Watch.objects.create(kind=Watch.Kind.HARP, harpnum=377, series=NRT, said="Nothing new.", **given)
    Watch.objects.create(team=team, kind=Watch.Kind.HARP, harpnum=378, state=C, every_s=720)
    Watch.objects.create(team=team, kind=Watch.Kind.FOLDER, folder="/data", state=R, every_s=77, problem="It is away.")
    for headers in ({}, HTMX):
        page = plain(as_alice.get(reverse("acquire:schedule"), headers=headers).text)
        moment = "4 May, 03:02:01 UTC"
        assert f"HARP 377 (near-real-time) Team A, alice 2 h {moment} {moment} 7 records watching Nothing new." in page
        assert "HARP 378 Team A 12 min not yet – 0 records paused" in page
        assert "Folder /data Team A 77 s not yet now 0 files last look failed It is away." in page


# -- Markup --------------------------------------------------------------------------------------------------


def test_markup_is_sound(
    make, fill, sign_in: Callable[[str], Client], team: Team, patch: Patch, settings: LazySettings, tmp_path: Any
):
    assert Markup('<a href="/x"></a><p id="a"><b id="a">x</p><input id="b"><p style="x" aria-labelledby="c">').wrong
    settings.WATCH_FOLDERS = [str(tmp_path)]
    ingest = Ingest.objects.create(team=team)
    pages = [
        make(state=state, ordered_at=at, patch=patch, ingest=ingest, not_before=timezone.now()).get_absolute_url()
        for state in Task.State for at in (None, timezone.now())
    ]  # fmt: skip
    make(state=F, error="x").records.update(problem="lost")
    pages += fill(5)
    for kind in ({"kind": "harp", "harpnum": 1}, {"kind": "folder", "folder": "/x"}):
        for state in Task.State:
            Watch.objects.create(team=team, state=state, problem="It is away.", **kind)
    pages += [reverse(f"acquire:{name}") for name in ("new", "acquisitions", "schedule")]
    pages.append(reverse("acquire:email", args=[team.pk]))
    for name in ("visitor", "lena"):
        for address in pages:
            response = sign_in(name).get(address)
            if response.status_code == 200:
                assert Markup(response.text).wrong == [], (name, address)
    client = sign_in("lena")
    for address in (reverse("acquire:new"), reverse("acquire:watch-harp"), reverse("acquire:watch-folder"), pages[-1]):
        page = client.post(address, {"jsoc_email": "x", "series": NRT, "segments": ["Br"]}).text
        assert "errorlist" in page
        assert Markup(page).wrong == [], address
