"""Frozen releases: what they say, and that nothing changes it."""

import csv
import hashlib
import io
import json
import zipfile

import pytest
import zarr
from astropy.table import Table
from django.urls import reverse
from zarr.storage import ZipStore

from poreweb import storage
from poreweb.observations.models import Frame, RawFile
from poreweb.releases import actions, jobs
from poreweb.releases.files import KINDS
from poreweb.releases.lineage import published_of
from poreweb.releases.models import Release
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.steps import undo
from poreweb.tracks.actions import extend_run
from poreweb.tracks.models import Feature
from poreweb.work.tasks import SupersededError
from processing.errors import ParameterError

REJECT, ACCEPT = Judgement("reject"), Judgement("accept")


@pytest.fixture
def freeze(run, lena, queues):
    """Freeze the run and have the files made."""

    def frozen(note: str = "") -> Release:
        release = actions.freeze_release(run, lena, note)
        queues.work(times=2)
        release.refresh_from_db()
        assert (release.state, release.error) == ("done", "")
        return release

    return frozen


def content(release):
    return {name: storage.read_bytes(file["key"]) for name, file in release.files.items()}


def told(release):
    return json.loads(content(release)["lineage.json"])


def page(release, name=""):
    return f"/patches/{release.patch_id}/releases/{release.number}/{name}"


# -- What it holds -------------------------------------------------------------------------------


def test_it_holds_all_its_files_with_true_sums(freeze):
    release = freeze()
    files = content(release)
    assert set(files) == set(KINDS)
    for name, data in files.items():
        assert release.files[name]["size"] == len(data)
        assert release.files[name]["sha256"] == hashlib.sha256(data).hexdigest()
    sums = dict(reversed(line.split("  ")) for line in files["MANIFEST"].decode().splitlines())
    assert sums == {name: file["sha256"] for name, file in release.files.items() if name != "MANIFEST"}


def test_the_catalogue_has_the_published_tracks(freeze, run, event, alice):
    give_verdict(event, alice, REJECT)
    release = freeze("for the paper")
    files = content(release)
    table = Table.read(files["catalogue.ecsv"].decode(), format="ascii.ecsv")
    track_of = published_of(run).track_of
    features = Feature.objects.filter(segmentation__run=run).order_by("segmentation__index", "label")
    assert list(table["reviewed_track"]) == [track_of[feature.pk] for feature in features]
    assert (table.meta["release"], table.meta["frozen_by"], table.meta["note"]) == (1, "lena", "for the paper")
    assert table.meta["citation"].startswith(
        f"Team A ({release.frozen_at:%Y}). Pores of HARP 99001, Poreweb release 1."
    )
    lines = [line for line in files["catalogue.csv"].decode().splitlines() if not line.startswith("# ")]
    assert [int(row["reviewed_track"]) for row in csv.DictReader(lines)] == list(table["reviewed_track"])


def test_lineage_json_can_be_read_without_the_site(freeze, run, event, alice, lena):
    give_verdict(event, alice, REJECT)
    gap = run.events.filter(kind="gap").first()
    spurious = run.segmentations.get(index=0).features.first()
    settle(gap, lena, Judgement("correct", note="a speck", correction={"spurious": [spurious.pk]}))
    lineage = told(freeze())
    published = published_of(run)
    assert (lineage["format"], lineage["version"]) == ("poreweb-lineage", 1)
    assert {"frames", "tracks", "links", "events", "settlements", "conflicts"} <= lineage["about"].keys()
    name = {
        item.pk: [item.segmentation.frame.t_rec, item.label]
        for item in Feature.objects.select_related("segmentation__frame")
    }
    found = {track["number"]: track["features"] for track in lineage["tracks"]}
    assert found == {track.number: [name[pk] for pk in track.ids] for track in published.lineage.tracks}
    links = [link[:2] for link in lineage["links"]]
    assert sorted(links) == sorted([name[link.earlier], name[link.later]] for link in published.links)
    assert lineage["spurious"] == [name[spurious.pk]]
    assert [
        (item["kind"], item["choice"], item["by"], item["note"], item["spurious"]) for item in lineage["settlements"]
    ] == [("merge", "reject", "quorum", "", []), ("gap", "correct", "lena", "a speck", [name[spurious.pk]])]
    parents = sorted(name[pk] for pk in event.parents.values_list("pk", flat=True))
    assert sorted(lineage["settlements"][0]["before"]) == parents
    assert "merge" not in {item["kind"] for item in lineage["events"]}
    assert {item["settlement"] for item in lineage["events"] if item["kind"] != "gap"} == {None}


def test_drawn_links_are_told_apart(freeze, run, event, alice):
    first, last = (run.segmentations.get(index=index).features.first() for index in (0, 10))
    drawn = {"add": [[first.pk, last.pk]], "remove": [], "spurious": []}
    give_verdict(event, alice, Judgement("correct", correction=drawn))
    lineage = told(freeze())
    (link,) = [link for link in lineage["links"] if not link[3]]
    assert link == [
        [first.segmentation.frame.t_rec, first.label],
        [last.segmentation.frame.t_rec, last.label],
        None,
        False,
    ]
    assert lineage["settlements"][0]["add"] == [link[:2]]


def test_an_event_names_its_settlement(freeze, event, alice):
    give_verdict(event, alice, ACCEPT)
    (merge,) = [item for item in told(freeze())["events"] if item["kind"] == "merge"]
    assert merge["settlement"] == 0
    assert len(merge["tracks_before"]) == 2


def test_the_graph_has_the_published_links(freeze, run, event, alice, tmp_path):
    give_verdict(event, alice, REJECT)
    release = freeze()
    with zipfile.ZipFile(io.BytesIO(content(release)["lineage.geff.zip"])) as archive:
        archive.extractall(tmp_path)
    graph = zarr.open_group(tmp_path / "lineage.geff", mode="r")
    assert graph["edges/ids"].shape == (len(published_of(run).links), 2)
    assert graph["nodes/ids"].shape == (Feature.objects.filter(segmentation__run=run).count(),)
    path = tmp_path / "graph.zip"
    path.write_bytes(content(release)["lineage.geff.zip"])
    zipped = zarr.open_group(ZipStore(path), path="lineage.geff", mode="r")
    assert zipped["edges/ids"].shape == graph["edges/ids"].shape


# -- That nothing changes it -----------------------------------------------------------------------


def test_making_it_again_gives_the_same_bytes(freeze, run, event, alice, storage_folder):
    give_verdict(event, alice, REJECT)
    release = freeze()
    before, files = content(release), sorted(storage_folder.rglob("releases/**/*"))
    Release.objects.update(state="waiting")
    jobs.freeze(release.pk)
    release.refresh_from_db()
    assert (release.state, content(release)) == ("done", before)
    assert sorted(storage_folder.rglob("releases/**/*")) == files
    Release.objects.update(state="waiting", files={}, attempts=7)  # from scratch, into other files
    undo(run, alice)
    jobs.freeze(release.pk)
    again = Release.objects.get(pk=release.pk)
    assert again.files["MANIFEST"]["key"] != release.files["MANIFEST"]["key"]
    assert content(again) == before


def test_later_verdicts_change_only_the_next_one(freeze, event, alice, as_alice):
    first = freeze()
    before = content(first)
    give_verdict(event, alice, REJECT)
    second = freeze()
    first.refresh_from_db()
    assert content(first) == before
    assert (first.number, second.number) == (1, 2)
    assert content(second)["lineage.json"] != before["lineage.json"]
    response = as_alice.get(page(first, "lineage.json"))
    assert b"".join(response.streaming_content) == before["lineage.json"]


@pytest.fixture
def growing(patch, start, no_files):
    """A run that is done on the first eight frames; three more have come since."""
    frames = list(patch.frames.order_by("t_rec_s"))[8:]
    files = list(RawFile.objects.filter(frame__in=frames))
    Frame.objects.filter(pk__in=[frame.pk for frame in frames]).delete()
    run = start(work=True)
    Frame.objects.bulk_create(frames)
    RawFile.objects.bulk_create(files)
    return run


def test_a_run_that_goes_on_leaves_it_as_it_was(growing, lena, queues):
    release = actions.freeze_release(growing, lena, "")
    queues.work()
    release.refresh_from_db()
    before = content(release)
    assert extend_run(growing) == 3
    queues.work()
    Release.objects.update(state="waiting")
    jobs.freeze(release.pk)
    release.refresh_from_db()
    assert (release.state, content(release)) == ("done", before)
    assert len(told(release)["frames"]) == 8
    after = actions.freeze_release(growing, lena, "")
    queues.work()
    after.refresh_from_db()
    assert len(told(after)["frames"]) == 11


def test_of_a_run_that_went_on_first_no_files_are_made(growing, lena, queues, as_alice, sign_in):
    release = actions.freeze_release(growing, lena, "")
    queues.commit().jobs.clear()
    extend_run(growing)
    queues.work()
    jobs.freeze(release.pk)
    release.refresh_from_db()
    assert (release.state, release.files) == ("failed", {})
    assert "has gone on since" in release.error
    assert "has gone on since" in as_alice.get(page(release)).text
    assert "Make them again" not in as_alice.get(page(release)).text
    assert "Make them again" in sign_in("lena").get(page(release)).text


@pytest.mark.parametrize("where", ["poreweb.releases.jobs.make_files", "poreweb.storage.write_bytes"])
@pytest.mark.parametrize("calls", [0, 1])
def test_killed_at_any_time_the_next_attempt_makes_the_same(freeze, run, lena, queues, killed_in, where, calls):
    if calls and where.endswith("make_files"):
        where, calls = "poreweb.work.tasks.finish", 0
    release = actions.freeze_release(run, lena, "")
    queues.commit().jobs.clear()
    killed_in(where, lambda: jobs.freeze(release.pk), calls=calls)
    Release.objects.filter(pk=release.pk).update(attempts=2, state="waiting")  # as the reconciler does
    jobs.freeze(release.pk, attempt=2)
    release.refresh_from_db()
    assert (release.state, set(release.files)) == ("done", set(KINDS))


def test_an_attempt_that_lost_its_task_changes_nothing(freeze):
    release = freeze()
    files = release.files
    release.attempts, release.files = 0, {}
    with pytest.raises(SupersededError):
        jobs._freeze(release)
    assert Release.objects.get().files == files


def test_only_a_run_that_is_done_can_be_frozen(run, lena):
    run.state = "running"
    run.save()
    with pytest.raises(ParameterError, match="is running; a release can be frozen when it is done"):
        actions.freeze_release(run, lena)


# -- Its pages -----------------------------------------------------------------------------------


def test_a_lead_freezes(sign_in, run, event, alice, queues):
    give_verdict(event, alice, ACCEPT)
    lena = sign_in("lena")
    listed = lena.get(reverse("releases:list", args=[run.patch_id])).text
    assert "Nothing has been frozen yet" in listed
    assert "1 of 3 events that people are asked about are settled" in listed
    response = lena.post(reverse("releases:freeze", args=[run.pk]), {"note": " for\nthe paper "})
    release = Release.objects.get()
    assert response.url == page(release)
    assert (release.note, release.frozen_by.username) == ("for\nthe paper", "lena")
    waiting = lena.get(page(release)).text
    assert "The files are being made" in waiting
    assert "every 2s" in waiting
    queues.work()
    shown = lena.get(page(release)).text
    assert "every 2s" not in shown
    assert release.provenance["citation"] in shown
    assert f"http://testserver{page(release)}" in shown
    for name in KINDS:
        assert f'href="{page(release, name)}"' in shown
    assert "for<br>the paper" in shown
    assert page(release) in lena.get(reverse("releases:list", args=[run.patch_id])).text


def test_others_cannot(as_alice, sign_in, run):
    url = reverse("releases:freeze", args=[run.pk])
    for client in (as_alice, sign_in("visitor")):
        assert client.post(url, {"note": ""}).status_code == 403
        assert "<textarea" not in client.get(reverse("releases:list", args=[run.patch_id])).text
    assert sign_in("mallory").post(url).status_code == 404
    assert not Release.objects.exists()


@pytest.mark.parametrize(
    ("change", "note", "words"),
    [
        ({}, "x" * 2001, "A note has at most 2000 characters, this one has 2001."),
        ({"state": "failed"}, "kept", "is failed; a release can be frozen when it is done."),
    ],
)
def test_what_cannot_be_frozen_is_told_and_the_note_kept(sign_in, run, start, no_files, change, note, words):
    start(work=True)  # another run, so that there is a form
    type(run).objects.filter(pk=run.pk).update(**change)
    response = sign_in("lena").post(reverse("releases:freeze", args=[run.pk]), {"note": note})
    assert words in response.text
    assert f">{note}</textarea>" in response.text
    assert not Release.objects.exists()


def test_numbers_count_on_within_a_patch(freeze, run, lena, patch, start, no_files):
    freeze()
    other = start(work=True)
    assert actions.freeze_release(other, lena).number == 2
    assert str(Release.objects.first()) == "Release 2 of HARP 99001"


def test_files_are_downloads_that_may_be_kept(as_alice, freeze):
    release = freeze()
    response = as_alice.get(page(release, "catalogue.csv"))
    data = b"".join(response.streaming_content)
    assert data == content(release)["catalogue.csv"]
    assert response["ETag"] == f'"{release.files["catalogue.csv"]["sha256"]}"'
    assert response["Content-Length"] == str(len(data))
    assert response["Content-Disposition"] == 'attachment; filename="catalogue.csv"'
    assert "immutable" in response["Cache-Control"]
    assert as_alice.get(page(release, "nothing.csv")).status_code == 404
    assert as_alice.get(f"/patches/{release.patch_id}/releases/9/").status_code == 404


def test_another_team_finds_nothing(sign_in, freeze):
    release = freeze()
    mallory = sign_in("mallory")
    for name in ("", *KINDS):
        assert mallory.get(page(release, name)).status_code == 404
    assert mallory.get(reverse("releases:list", args=[release.patch_id])).status_code == 404


def test_a_failed_one_can_be_made_again(sign_in, run, lena, queues, monkeypatch):
    release = actions.freeze_release(run, lena, "")
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "make_files", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            queues.work()
    url = reverse("releases:make-again", args=[release.patch_id, release.number])
    assert sign_in("alice").post(url).status_code == 403
    assert sign_in("lena").post(url).url == page(release)
    queues.work()
    release.refresh_from_db()
    assert (release.state, set(release.files)) == ("done", set(KINDS))
    assert sign_in("lena").post(url).url == page(release)  # and is left alone then
    assert not queues.commit().jobs
