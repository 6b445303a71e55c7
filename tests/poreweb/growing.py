"""A run on the first frames of a longer simulated series, the end of which is still to come."""

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django_rq
import numpy as np
import pytest
from django.apps import apps
from django.db import transaction
from django.db.models import Model
from django.test import override_settings

from poreweb.observations.models import Frame, Patch
from poreweb.releases.lineage import published_of
from poreweb.tracks import actions, archive, jobs
from poreweb.tracks.models import Batch, Event, Feature, Run, Segmentation
from processing.parameters import ChainParameters
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.track import DetectedFrame
from processing.track.extend import REOPENED
from processing.track.train import detected
from tests.poreweb.conftest import Queues, Saved, load, make_people

N_KNOWN, N_NEW = 28, 5
OPEN_FROM = N_KNOWN - REOPENED


@pytest.fixture(scope="module")
def series() -> list[DetectedFrame]:
    simulated = simulate_tracks(LEVELS["medium"], seed=5, n_frames=N_KNOWN + N_NEW, shape=(220, 340))
    return list(detected(simulated))


@dataclass
class Kept:
    """All rows and files that a run on the first frames brought with it, and the frames that are still to come."""

    rows: list[list[Model]]
    new_frames: list[Frame]
    folder: Path
    measure: Callable[[Batch, Segmentation, int], None]


@pytest.fixture(scope="module")
def kept(
    saved: Saved, series: list[DetectedFrame], tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Kept:
    """That run, made once and rolled back."""
    folder, queues = tmp_path_factory.mktemp("kept"), Queues()
    ny, nx = series[0].labels.shape

    def measure(batch: Batch, segmentation: Segmentation, n_frames: int) -> None:
        frame = series[segmentation.index]
        segmentation.features.all().delete()
        archive.write_maps(
            segmentation.run, segmentation.index, n_frames, contrast=np.ones((ny, nx)), labels=frame.labels
        )
        Feature.objects.bulk_create(
            Feature(segmentation=segmentation, label=k + 1, row=frame.row[k], col=frame.col[k], lon_deg=0, lat_deg=0,
                    area_px=int(frame.area_px[k]), area_mm2=frame.area_px[k], area_msh=0, area_projected_mm2=0,
                    intensity_mean=frame.intensity[k], intensity_min=0, flux_mx=frame.flux[k], major_mm=1, minor_mm=1,
                    orientation_deg=0)
            for k in range(frame.ids.size)
        )  # fmt: skip
        segmentation.state, segmentation.n_features = "done", frame.ids.size
        segmentation.save()

    with (
        pytest.MonkeyPatch.context() as patched,
        override_settings(STORAGE_URL=f"file://{folder}", BATCH_FRAMES=8),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        patched.setattr(django_rq, "get_queue", queues.get_queue)
        patched.setattr(jobs, "process_segmentation", measure)
        patched.setattr("poreweb.exports.jobs._make", lambda export: None)
        team = make_people()
        load(saved.ingested)
        before = all_rows()
        region = team.patches.create(harpnum=7)
        cards = Frame.objects.exclude(patch=region).first().cards
        known, new = (
            [Frame(patch=region, t_rec_s=frame.t_rec_s, ny=ny, nx=nx, cards=cards) for frame in part]
            for part in (series[:N_KNOWN], series[N_KNOWN:])
        )
        Frame.objects.bulk_create(known)
        run = actions.start_run(region, ChainParameters(enhance="none", reach_mm=50))
        queues.work()
        run.refresh_from_db()
        assert run.state == "done", run.error
        rows = [[row for row in rows if row not in before[model]] for model, rows in all_rows().items()]
        transaction.set_rollback(True)
    return Kept(rows, new, folder, measure)


def all_rows() -> dict[type[Model], list[Model]]:
    """Of every table of the site."""
    models = [model for name in apps.app_configs for model in apps.get_app_config(name).get_models(True)]
    return {model: list(model._default_manager.all()) for model in models if model.__module__.startswith("poreweb.")}


@pytest.fixture
def live(patch: Patch, kept: Kept, storage_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that is done on the first frames of the series, on a patch that has them all."""
    monkeypatch.setattr(jobs, "process_segmentation", kept.measure)
    load(kept.rows)
    shutil.copytree(kept.folder, storage_folder, copy_function=os.link, dirs_exist_ok=True)
    Frame.objects.bulk_create(copy.copy(frame) for frame in kept.new_frames)
    return Run.objects.get(patch__harpnum=7)


def go_on(run: Run, queues, *, times: int = 1) -> None:
    actions.extend_run(run)
    queues.work(times=times)
    run.refresh_from_db()
    assert run.state == "done", run.error


def pairs(run: Run) -> set[tuple[int, int]]:
    return set(run.links.values_list("earlier_id", "later_id"))


def published(run: Run) -> set[tuple[int, int]]:
    return {(link.earlier, link.later) for link in published_of(run).links}


def found(run: Run) -> list[list[dict]]:
    """All rows of what was found, with their keys."""
    models = (run.links, run.alternatives, run.tracks, run.events, Feature.objects.filter(segmentation__run=run))
    joined = (Event.parents.through.objects, Event.children.through.objects)
    return [list(rows.order_by("pk").values()) for rows in (*models, *joined)]


def odd_event(run: Run) -> Event:
    """A merger that no tracker would find, in the window."""
    features = Feature.objects.filter(segmentation__run=run)
    event = run.events.create(kind="merge", index=N_KNOWN - 2, probability=0.5)
    event.parents.set(features.filter(segmentation__index=N_KNOWN - 3)[:2])
    event.children.set(features.filter(segmentation__index=N_KNOWN - 2).order_by("-label")[:1])
    return event
