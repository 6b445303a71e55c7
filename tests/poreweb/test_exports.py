"""Files made of a run and its verdicts."""

import csv
import hashlib
import json
from pathlib import Path

import av
import pytest
from astropy.table import Table
from django.urls import reverse

from poreweb import storage
from poreweb.exports import actions, jobs
from poreweb.exports.catalogue import build_catalogue
from poreweb.exports.models import Export
from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.review.steps import undo
from poreweb.tracks.actions import extend_run
from poreweb.tracks.models import Feature
from processing.export import CATALOGUE_COLUMNS


@pytest.fixture
def make(run, queues):
    """Ask for a file and have it made."""

    def made(kind: str) -> Export:
        export = actions.request_export(run, kind)
        queues.work(times=2)
        export.refresh_from_db()
        assert (export.state, export.error) == ("done", "")
        return export

    return made


def read_csv(export: Export) -> tuple[dict[str, str], list[dict[str, str]]]:
    lines = storage.read_bytes(export.path).decode().splitlines()
    above = [line for line in lines if line.startswith("# ")]
    known = dict(line[2:].split(": ", 1) for line in above)
    return known, list(csv.DictReader(lines[len(above) :]))


def test_a_finished_run_has_all_of_them(run):
    assert {export.kind: export.state for export in run.exports.all()} == dict.fromkeys(Export.Kind.values, "done")


@pytest.mark.parametrize("kind", Export.Kind.values)
def test_size_and_checksum_are_true(run, kind):
    export = run.exports.get(kind=kind)
    data = storage.read_bytes(export.path)
    assert (export.size, export.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_csv_holds_every_feature_and_where_it_came_from(run):
    known, rows = read_csv(run.exports.get(kind="csv"))
    features = Feature.objects.order_by("segmentation__index", "label").select_related("segmentation__frame", "track")
    assert list(rows[0]) == list(CATALOGUE_COLUMNS)
    assert len(rows) == features.count()
    for row, feature in zip(rows, features, strict=True):
        assert (int(row["frame"]), int(row["label"])) == (feature.segmentation.index + 1, feature.label)
        assert (row["t_rec"], row["harpnum"]) == (feature.segmentation.frame.t_rec, "99001")
        assert int(row["track"]) == int(row["reviewed_track"]) == feature.track.number
        assert float(row["flux_mx"]) == pytest.approx(feature.flux_mx)
        assert float(row["area_mm2"]) == pytest.approx(feature.area_mm2)
    assert known["title"] == "Pores of HARP 99001, Poreweb run 1"
    assert (known["run"], known["frames"], known["verdicts"]) == ("1", "11", "0")
    assert json.loads(known["parameters"]) == run.parameters
    assert (known["code_version"], known["input_sha256"]) == (run.code_version, run.input_hash)
    assert known["area_mm2 [Mm2]"] == "area on the Sun"


def test_csv_names_the_tracks_before_and_after(run, event):
    _, rows = read_csv(run.exports.get(kind="csv"))
    (child,) = event.children.all()
    parents = sorted(feature.track.number for feature in event.parents.all())
    after = next(row for row in rows if int(row["track"]) == child.track.number)
    assert after["parent_tracks"] == "+".join(map(str, parents))
    before = [row for row in rows if int(row["track"]) in parents]
    assert {row["child_tracks"] for row in before} == {str(child.track.number)}


def test_ecsv_has_units_and_the_same_numbers(run):
    export = run.exports.get(kind="ecsv")
    table = Table.read(storage.read_bytes(export.path).decode(), format="ascii.ecsv")
    _, rows = read_csv(run.exports.get(kind="csv"))
    assert (table["area_mm2"].unit, table["flux_mx"].unit, table["lon_deg"].unit) == ("Mm2", "Mx", "deg")
    assert table.meta["parameters"] == run.parameters
    assert (table.meta["code_version"], table.meta["run"]) == (run.code_version, 1)
    assert list(table["track"]) == [int(row["track"]) for row in rows]
    assert list(table["area_mm2"]) == pytest.approx([float(row["area_mm2"]) for row in rows])


@pytest.mark.parametrize("series", ["hmi.sharp_cea_720s", "hmi.sharp_cea_720s_nrt"])
def test_every_row_names_the_series_that_its_number_is_of(run, make, alice, event, series):
    run.patch.series = series
    run.patch.save()
    give_verdict(event, alice, Judgement("unsure"))
    _, rows = read_csv(make("csv"))
    assert {(row["harpnum"], row["series"], row["sequence"]) for row in rows} == {("99001", series, "")}
    table = Table.read(storage.read_bytes(make("ecsv").path).decode(), format="ascii.ecsv")
    assert (set(table["series"]), table.meta["series"]) == ({series}, series)


def test_a_missing_value_is_empty(run, make, alice, event):
    Feature.objects.filter(label=1).update(bz_g=None, b_g=None)
    give_verdict(event, alice, Judgement("unsure"))
    _, rows = read_csv(make("csv"))
    assert {row["bz_g"] == "" for row in rows if row["label"] == "1"} == {True}
    assert make("ecsv")


def test_a_rejected_merger_parts_the_tracks(run, event, alice, make):
    give_verdict(event, alice, Judgement("reject"))
    known, rows = read_csv(make("csv"))
    ends = {
        (feature.segmentation.index + 1, feature.label) for feature in (*event.parents.all(), *event.children.all())
    }
    machine = {row["track"] for row in rows if (int(row["frame"]), int(row["label"])) in ends}
    reviewed = {row["reviewed_track"] for row in rows if (int(row["frame"]), int(row["label"])) in ends}
    assert (len(machine), len(reviewed)) == (3, 2)  # one parent goes on as the child
    assert known["verdicts"] == "1"


def test_an_accepted_or_doubtful_one_changes_nothing(run, event, alice, bob, make):
    give_verdict(event, alice, Judgement("unsure"))
    _, rows = read_csv(make("csv"))
    assert all(row["reviewed_track"] == row["track"] for row in rows)
    give_verdict(event, bob, Judgement("accept"))
    _, rows = read_csv(make("csv"))
    assert all(row["reviewed_track"] == row["track"] for row in rows)


def test_the_movie_decodes(run, storage_folder):
    export = run.exports.get(kind="movie")
    with av.open(str(storage_folder / export.path)) as movie:
        stream = movie.streams.video[0]
        frames = [frame.to_ndarray(format="gray") for frame in movie.decode(stream)]
    assert len(frames) == export.n_total == export.n_done == 11
    assert min(frames[0].shape) >= 64
    assert frames[0].std() > 5
    assert (frames[0] != frames[-1]).any()
    sidecar = json.loads(Path(storage_folder, export.path).with_suffix(".json").read_text())
    assert sidecar


def test_the_movie_marks_gaps(run, patch, make, alice, event, storage_folder):
    run.segmentations.get(index=3).delete()
    give_verdict(event, alice, Judgement("accept"))
    export = make("movie")
    with av.open(str(storage_folder / export.path)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == export.n_done == 11


def test_made_twice_it_is_the_same(run, make, alice, event, storage_folder):
    give_verdict(event, alice, Judgement("accept"))
    export = make("csv")
    files = sorted(storage_folder.rglob("exports/*/*"))
    Export.objects.update(state="running")
    jobs.run_export(export.pk)
    again = Export.objects.get(pk=export.pk)
    assert (again.sha256, again.size, again.path) == (export.sha256, export.size, export.path)
    assert sorted(storage_folder.rglob("exports/*/*")) == files


def test_a_standing_one_is_not_made_again(run, event, alice, bob, make):
    standing = run.exports.get(kind="csv")
    assert make("csv") == standing
    give_verdict(event, alice, Judgement("reject"))
    second = make("csv")
    assert second != standing
    assert make("csv") == second
    give_verdict(event, alice, Judgement("accept"))  # the number of verdicts stays
    third = make("csv")
    assert third != second
    undo(event.run, alice)
    assert make("csv") != third
    assert storage.exists(standing.path)


def test_one_being_made_is_not_asked_for_twice(run, event, alice, queues):
    give_verdict(event, alice, Judgement("reject"))
    first = actions.request_export(run, "ecsv")
    assert actions.request_export(run, "ecsv") == first
    assert sum("exports" in function for function, _ in queues.commit().jobs) == 1


def test_after_a_failure_it_is_tried_again(run, make):
    run.exports.filter(kind="csv").update(state="failed", error="no space")
    assert make("csv").state == "done"
    assert run.exports.filter(kind="csv").count() == 2


def test_a_run_without_frames_gives_no_movie(run, alice, event, queues):
    run.segmentations.update(state="failed")
    give_verdict(event, alice, Judgement("accept"))
    export = actions.request_export(run, "movie")
    queues.work()
    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", "no frame was measured, so there is nothing to show")


@pytest.mark.parametrize(("kind", "content_type"), [("movie", "video/mp4"), ("csv", "text/csv; charset=utf-8")])
def test_download(as_alice, run, kind, content_type):
    export = run.exports.get(kind=kind)
    response = as_alice.get(export.get_absolute_url())
    assert b"".join(response.streaming_content) == storage.read_bytes(export.path)
    assert response["Content-Type"] == content_type
    assert response["Content-Length"] == str(export.size)
    assert response["Content-Disposition"] == f'attachment; filename="{export.file_name}"'
    assert export.file_name.startswith("harp99001_run1_")
    shown = as_alice.get(export.get_absolute_url() + "?show")
    assert shown["Content-Disposition"].startswith("inline")
    shown.close()


def test_one_that_is_not_ready_is_not_found(as_alice, run):
    export = run.exports.get(kind="csv")
    Export.objects.update(state="running")
    assert as_alice.get(export.get_absolute_url()).status_code == 404


def test_request(as_alice, alice, run, event, queues):
    url = reverse("exports:request", args=[run.pk])
    give_verdict(event, alice, Judgement("reject"))
    response = as_alice.post(url, {"kind": "csv"})
    assert response.url == f"{run.get_absolute_url()}#downloads"
    export = run.exports.first()
    assert (export.kind, export.created_by, export.n_verdicts) == ("csv", alice, 1)
    assert 'hx-trigger="every 1s"' in as_alice.get(run.get_absolute_url()).text
    queues.work()
    page = as_alice.get(run.get_absolute_url()).text
    assert "with 1 verdict" in page
    assert Export.objects.get(pk=export.pk).sha256 in page


@pytest.mark.parametrize(("kind", "state"), [("xls", "done"), ("", "done"), ("csv", "running"), ("csv", "failed")])
def test_what_cannot_be_had_is_not_found(as_alice, run, everything, kind, state):
    run.state = state
    run.save()
    before = everything()
    assert as_alice.post(reverse("exports:request", args=[run.pk]), {"kind": kind}).status_code == 404
    assert everything() == before


def test_a_run_with_added_frames_has_its_files_made_again(run, queues):
    frame = run.patch.frames.last()
    run.patch.frames.create(t_rec_s=frame.t_rec_s + 720, ny=64, nx=64)
    extend_run(run)
    queues.work()
    run.refresh_from_db()
    assert run.state == "done"
    assert run.exports.count() == 6
    table = build_catalogue(run)
    assert [added["first"] for added in table.meta["extensions"]] == [11]
    assert list(table["reviewed_track"]) == list(table["track"])
