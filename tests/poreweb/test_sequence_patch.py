"""A sequence that is no HARP and does not tell where it lies: through the chain, on every page, in every file."""

import csv
import gzip
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django_rq
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.test import override_settings
from django.urls import reverse

from poreweb import storage
from poreweb.discussion.models import Comment
from poreweb.exports.models import Export
from poreweb.observations import actions, archive
from poreweb.observations.manifest import viewer_manifest
from poreweb.observations.models import Ingest, Patch
from poreweb.people import actions as people
from poreweb.people.models import Team
from poreweb.releases.actions import freeze_release, want_publication
from poreweb.review.actions import give_verdict, settle
from poreweb.review.desk.frames import strip_json, strip_of
from poreweb.review.desk.window import window_of
from poreweb.review.judgement import Judgement
from poreweb.tracks import actions as tracks
from poreweb.tracks.models import Feature, Run
from processing.fits import read_segment, sequence_file_name, write_sequence_frame
from processing.geometry import PlainGeometry
from processing.parameters import ChainParameters
from tests.poreweb.addresses import API, PAGES
from tests.poreweb.conftest import FINISHED, INGESTED, PARAMETERS, Queues, Saved, make_people
from tests.processing.drawing import START_S

NAME = "Tenerife, 2013 June 20 / no. 3"
CADENCE_S = 30
PIXEL_MM = 0.2
CARDS = {
    "SEQUENCE": NAME,
    **PlainGeometry(PIXEL_MM).cards(),
    "TELESCOP": "GREGOR",
    "INSTRUME": "HiFI",
    "BUNIT": "counts",
}
LOST = 8  # of the frames, so that there is a gap
UNKNOWN = ("lon_deg", "lat_deg", "tx_arcsec", "ty_arcsec", "mu", "area_projected_mm2", "area_projected_msh", "flux_mx")


def keep(patch: Patch, times: list[int], images: list[np.ndarray], cards: dict[str, Any]) -> Ingest:
    """Store frames as whoever makes a sequence does."""
    ingest = Ingest.objects.create(team=patch.team, state="done")
    for t_rec_s, image in zip(times, images, strict=True):
        raw = write_sequence_frame(image, t_rec_s=t_rec_s, cards=cards)
        name = sequence_file_name(patch.file_stem, t_rec_s)
        report = actions.IngestReport()
        assert (
            actions.keep_segment(read_segment(raw, name), raw, name, patch=patch, ingest=ingest, report=report) == "new"
        )
    return ingest


def make_sequence(team: Team, fits_files: list[Path]) -> Patch:
    """The continuum of the simulated patch as another telescope's: 11 frames of which one is lost, every 30 s or so."""
    patch = Patch.objects.create(team=team, series="", name=NAME, cadence_s=CADENCE_S)
    files = [path for path in fits_files if "continuum" in path.name]
    images = [fits.getdata(path, 1).astype(float) / 20 for path in files]
    times = [START_S + CADENCE_S * k + k % 3 for k in range(len(images))]  # not quite on the grid
    del images[LOST], times[LOST]
    keep(patch, times, images, CARDS)
    return patch


@pytest.fixture(scope="module")
def made(fits_files, tmp_path_factory, django_db_setup, django_db_blocker) -> Saved:
    """The sequence and a run on it, made once."""
    folder, queues = tmp_path_factory.mktemp("sequence"), Queues()
    with (
        pytest.MonkeyPatch.context() as patched,
        override_settings(STORAGE_URL=f"file://{folder}", BATCH_FRAMES=8),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        patched.setattr(django_rq, "get_queue", queues.get_queue)
        patch = make_sequence(make_people(), fits_files)
        ingested = rows_of(INGESTED)
        run = tracks.start_run(patch, PARAMETERS, user=User.objects.get(username="alice"))
        queues.work()
        run.refresh_from_db()
        assert (run.state, run.error) == ("done", "")
        finished = rows_of(FINISHED)
        transaction.set_rollback(True)
    return Saved(ingested, finished, folder)


def rows_of(models: Iterable[type[Model]]) -> list[list[Model]]:
    return [list(model._default_manager.all()) for model in models]


def load(rows: list[list[Model]]) -> None:
    for of_model in filter(None, rows):
        type(of_model[0])._default_manager.bulk_create(of_model)


@pytest.fixture
def sequence(team, made, storage_folder) -> Patch:
    load(made.ingested)
    shutil.copytree(made.folder / "raw", storage_folder / "raw", copy_function=os.link)
    return Patch.objects.get()


@pytest.fixture
def sequence_run(sequence, made, storage_folder) -> Run:
    load(made.finished)
    for part in ("runs", "exports"):
        shutil.copytree(made.folder / part, storage_folder / part, copy_function=os.link)
    return Run.objects.get()


def event_of(run: Run) -> Any:
    return run.events.get(kind="merge")


# -- What is stored ---------------------------------------------------------------------------------------------


def test_a_sequence_has_no_number(sequence):
    assert (str(sequence), sequence.harpnum, sequence.series) == (NAME, None, "")
    assert sequence.file_stem == "tenerife-2013-june-20-no-3"
    frame = sequence.frames.first()
    assert isinstance(frame.geometry, PlainGeometry)
    assert (frame.mu_min, frame.mu_max) == (None, None)
    read = archive.read_frame(frame)
    assert (read.harpnum, list(read.maps)) == (0, ["continuum"])
    assert read.geometry.pixel_side_mm == pytest.approx(PIXEL_MM)
    assert [len(missing) for missing in sequence.gaps()] == [1]


def test_a_frame_that_comes_twice_is_known(sequence):
    frame = sequence.frames.first()
    raw = storage.read_bytes(archive.raw_key(frame.raw_files.get().sha256))
    report = actions.IngestReport()
    again = read_segment(raw, "other.fits")
    told = {"patch": sequence, "ingest": Ingest.objects.create(team=sequence.team), "report": report}
    assert actions.keep_segment(again, raw, "other.fits", **told) == "duplicate"


def test_its_pores_have_all_but_places(sequence_run):
    features = Feature.objects.filter(segmentation__run=sequence_run)
    assert features.count() > 20
    for feature in features:
        assert all(getattr(feature, name) is None for name in UNKNOWN)
        assert feature.area_mm2 == pytest.approx(feature.area_px * PIXEL_MM**2)
        assert feature.area_msh == pytest.approx(feature.area_mm2 / (2 * np.pi * 696**2) * 1e6)
    kinds = set(sequence_run.events.values_list("kind", flat=True))
    assert {"merge", "gap"} <= kinds
    assert not any(sequence_run.events.exclude(mu=None))
    # the lost frame is bridged
    assert sequence_run.links.filter(earlier__segmentation__index=LOST - 1, later__segmentation__index=LOST).exists()


@pytest.mark.parametrize(("max_gap", "is_bridged"), [(1, True), (0, False)])
def test_gaps_are_counted_in_its_own_cadence(sequence, alice, queues, no_files, max_gap, is_bridged):
    run = tracks.start_run(sequence, ChainParameters(**{**PARAMETERS.as_dict(), "max_gap": max_gap}), user=alice)
    queues.work()
    over = run.links.filter(earlier__segmentation__index=LOST - 1, later__segmentation__index=LOST)
    assert over.exists() == is_bridged


# -- Pages ----------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(sequence_run, lena, alice, team, queues) -> dict[str, Any]:
    run, event = sequence_run, event_of(sequence_run)
    give_verdict(event, alice, Judgement("accept"))
    settle(event, lena, Judgement("accept"))
    release = freeze_release(run, lena, "for a paper")
    want_publication(run)
    queues.work()
    release.refresh_from_db()
    assert (release.state, release.error) == ("done", "")
    comment = Comment.objects.create(patch=run.patch, author=User.objects.get(username="alice"), text="look here")
    invitation, _ = people.invite(team, lena, role="viewer", note="", days=7)
    return {
        "patch": run.patch_id, "frame": run.patch.frames.first().pk, "run": run.pk, "event": event.pk, "track": 1,
        "team": team.pk, "release": release.number, "comment": comment.pk, "one": 1, "invitation": invitation.pk,
        "export": run.exports.get(kind="csv").pk, "ingest": Ingest.objects.get().pk,
        "member": team.memberships.first().pk,
    }  # fmt: skip


# what it has not: the field, the answer of a simulation, another run to carry verdicts from
LACKING = {"observations:layer": 404, "tracks:accuracy": 404, "api:carry": 409, "api:carry-events": 409}


def test_every_page_and_address_of_the_api_answers(keys, sign_in):
    as_lena = sign_in("lena")
    asked, seen = [way for way in (*PAGES, *API) if way.method == "get"], []
    for way in asked:
        if not all(part in keys or "." in part or part == "Br" for part in way.parts):
            continue  # of another app, with keys of its own
        url = reverse(way.name, args=[keys.get(part, part) for part in way.parts])
        answer = as_lena.get(url, follow=True)
        seen.append(way.name)
        assert answer.status_code == LACKING.get(way.name, 200), (way.name, answer.status_code)
        content = b"" if answer.streaming else answer.content
        assert b"HARP None" not in content, way.name
        assert not re.search(rb"harp_?None|\bNaN\b|>None</(?!button)|>nan<", content), way.name
    assert len(seen) > 55
    for url in ("/", reverse("review:queue"), "/api/v1/patches/", "/api/v1/runs/", "/api/v1/queue/"):
        page = as_lena.get(url).content.decode()
        assert "HARP None" not in page
    assert NAME in as_lena.get(reverse("review:queue")).content.decode()


def test_the_patch_page_says_what_is_not_known(sequence_run, as_alice):
    page = as_alice.get(sequence_run.patch.get_absolute_url()).text
    assert f"<h1>{NAME}" in page
    assert "not known: the frames do not tell where they lie" in page
    assert "Missing segments" not in page
    assert 'class="chart chart-middle"' in page
    assert 'aria-label="Total pore area and number of pores over T_REC;' in page  # it has no field
    assert "10 / 11" in page
    assert "10 of 11" in as_alice.get("/").text
    events = as_alice.get(reverse("review:events", args=[sequence_run.pk])).text
    assert "off limb" not in events
    run_page = as_alice.get(sequence_run.get_absolute_url()).text
    assert "limb darkening was left in" in run_page
    assert "at disk centre" not in run_page
    assert "DN/s" not in run_page
    assert re.search(r"Quiet Sun [\d,]+ counts", run_page)


def test_the_viewer_works_without_places(sequence_run, as_alice):
    patch = sequence_run.patch
    manifest = viewer_manifest(patch, sequence_run, reader=User.objects.get(username="alice"))
    json.dumps(manifest, allow_nan=False)
    assert manifest["patch"] == {"harpnum": None, "title": NAME}
    first = manifest["frames"][0]
    assert (first["geometry"], first["pixel_mm"]) == (None, pytest.approx(PIXEL_MM))
    assert manifest["gaps"] == [{"after": LOST - 1, "missing": 1, "t_recs": ["2013.06.20_10:40:01_TAI"]}]
    (continuum,) = [layer for layer in manifest["layers"] if layer["key"] == "continuum"]
    median = first_median(patch)
    assert continuum["unit"] == "counts"
    assert continuum["limits"] == [pytest.approx(0.2 * median, rel=0.05), pytest.approx(1.2 * median, rel=0.05)]
    assert set(first["segments"]) == {"continuum", "contrast", "enhanced", "labels"}
    for key in first["segments"]:
        assert as_alice.get(reverse("observations:layer", args=[patch.pk, first["id"], key])).status_code == 200
    features = as_alice.get(reverse("observations:features", args=[patch.pk, first["id"]])).json()["features"]
    assert features
    assert all(feature["lon_deg"] is None and feature["mu"] is None for feature in features)
    picture = as_alice.get(reverse("observations:thumbnail", args=[patch.pk, first["id"]]))
    assert picture.content.startswith(b"\x89PNG")


def first_median(patch: Patch) -> float:
    frame = patch.frames.first()
    return float(np.median(archive.read_frame(frame).maps["continuum"]))


def test_the_desk_works_without_places(sequence_run, as_alice):
    event = event_of(sequence_run)
    window = window_of(event)
    assert max(window.slots.values()) == 10  # 30 s each, one of them lost
    strip = strip_of(event, window, before=4, after=4)
    told = strip_json(event, window, strip)
    json.dumps(told, allow_nan=False)
    assert strip.pixel_mm == pytest.approx(PIXEL_MM)
    assert [item["missing"] for item in told["frames"]] == [0] * LOST + [1, 0]
    (continuum,) = [layer for layer in told["layers"] if layer["key"] == "continuum"]
    assert continuum["unit"] == "counts"
    page = as_alice.get(event.get_absolute_url())
    assert page.status_code == 200
    assert NAME in page.text
    assert window.minutes(0, 1) == pytest.approx(0.5)


def test_comments_need_no_place(sequence_run, as_alice):
    url = reverse("discussion:say", args=[sequence_run.patch_id])
    answer = as_alice.post(url, {"text": "A pore.", "frame": sequence_run.patch.frames.first().pk})
    assert answer.status_code == 302
    page = as_alice.get(reverse("discussion:threads", args=[sequence_run.patch_id])).text
    assert "A pore." in page
    assert "HARP" not in page.partition("<main")[2]


# -- The API and files ------------------------------------------------------------------------------------------


def test_the_api_says_null(sequence_run, as_alice):
    def answer(*parts: Any) -> Any:
        return as_alice.get(f"/api/v1/{'/'.join(map(str, parts))}/").json()

    run, patch = sequence_run, answer("patches", sequence_run.patch_id)
    assert (patch["harpnum"], patch["series"], patch["name"], patch["cadence_s"]) == (None, "", NAME, CADENCE_S)
    assert patch["n_missing"] == 1
    assert answer("runs", run.pk)["harpnum"] is None
    assert answer("events", event_of(run).pk)["harpnum"] is None
    features = answer("runs", run.pk, "frames", 1, "features")["results"]
    assert features
    for feature in features:
        assert all(feature[name] is None for name in UNKNOWN)
        assert feature["area_mm2"] > 0


def test_all_exports_are_made(sequence_run):
    made = {export.kind: export for export in sequence_run.exports.all()}
    assert made.keys() == set(Export.Kind.values)
    assert {(export.state, export.error) for export in made.values()} == {("done", "")}
    assert made["csv"].file_name.startswith("tenerife-2013-june-20-no-3_run1_")
    text = storage.read_bytes(made["csv"].path).decode()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len(rows) == Feature.objects.filter(segmentation__run=sequence_run).count()
    assert {(row["harpnum"], row["sequence"]) for row in rows} == {("", NAME)}
    assert all(row[name] == "" for row in rows for name in UNKNOWN)
    assert all(float(row["area_msh"]) > 0 for row in rows)
    table = Table.read(storage.read_bytes(made["ecsv"].path).decode(), format="ascii.ecsv")
    assert (table.meta["harpnum"], table.meta["sequence"], table.meta["series"]) == (None, NAME, "")
    assert table.meta["title"] == f"Pores of {NAME}, Poreweb run 1"
    assert table.meta["credit"] == "Data of GREGOR HiFI."
    assert table.meta["grid"] == "native pixel, as observed"
    assert np.isnan(table["lon_deg"]).all()
    side = json.loads(storage.read_bytes(made["movie"].path.replace(".mp4", ".json")))
    words = json.dumps(side)
    assert NAME in words
    assert len(re.findall("20130620|2013.06.20", words)) >= 11  # with the frame of the gap


def test_a_release_is_made_of_it(keys, sequence_run):
    release = sequence_run.patch.releases.get()
    assert release.provenance["title"] == f"Pores of {NAME}, Poreweb release 1"
    assert "HARP" not in release.provenance["citation"]
    assert set(release.files) >= {"catalogue.csv", "lineage.json", "lineage.geff.zip"}
    told = json.loads(storage.read_bytes(release.files["lineage.json"]["key"]))
    assert told["provenance"]["harpnum"] is None
    with zipfile.ZipFile(io.BytesIO(storage.read_bytes(release.files["lineage.geff.zip"]["key"]))) as graph:
        assert graph.testzip() is None


def test_the_lineage_is_drawn_in_its_own_cadence(keys, sequence_run, as_alice):
    answer = as_alice.get(reverse("releases:lineage-json", args=[sequence_run.pk]))
    chart = json.loads(gzip.decompress(answer.content))
    assert chart["cadence_s"] == CADENCE_S
    assert chart["x"] == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert chart["gaps"] == [[LOST - 1, 1]]


def test_a_run_goes_on_with_new_frames(sequence_run, sequence, alice, queues, no_files):
    last = sequence.frames.last()
    image = archive.read_frame(last).maps["continuum"]
    keep(sequence, [last.t_rec_s + 6 * CADENCE_S], [image], CARDS)  # five are missing: no link reaches over them
    keep(sequence, [last.t_rec_s + 7 * CADENCE_S], [image], CARDS)
    before = sequence_run.tracks.count()
    assert tracks.extend_run(sequence_run, user=alice) == 2
    queues.work()
    sequence_run.refresh_from_db()
    assert (sequence_run.state, sequence_run.n_tracked) == ("done", 12)
    index = sequence_run.segmentations.count() - 1
    assert sequence_run.links.filter(earlier__segmentation__index=index - 1).exists()
    assert not sequence_run.links.filter(later__segmentation__index=index - 1).exists()
    assert sequence_run.tracks.count() > before
