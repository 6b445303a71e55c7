"""That what the science code finds arrives in the rows: column by column, with errors, with statistics."""

import importlib

import numpy as np
import pytest
from django.apps import apps

from poreweb.tracks import archive, rows
from poreweb.tracks.models import Feature
from processing.errors import FrameError


def test_each_column_goes_to_the_field_of_its_name():
    units = {"", "deg", "arcsec", "mm2", "mm", "g", "mx"}
    for column, field in rows.COLUMNS.items():
        assert field.startswith(column)
        assert field[len(column) :].lstrip("_") in units, (column, field)
    assert len(set(rows.COLUMNS.values())) == len(rows.COLUMNS)


def test_delivered_errors_of_the_field_reach_the_features(patch, deliver, fits_files, start):
    """Each Br, Bt, Bp once more as the map of its own errors: wrong as errors, but known."""
    field = [path for path in fits_files if path.name.split(".")[-2] in ("Br", "Bt", "Bp")]
    deliver(*[(path.name.replace(".fits", "_err.fits"), path.read_bytes()) for path in field])
    run = start(work=True)
    features = Feature.objects.filter(segmentation__run=run)
    assert features.exists()
    for name in ("bx_err_g", "by_err_g", "bz_err_g", "flux_err_mx", "area_err_mm2"):
        assert not features.filter(**{f"{name}__isnull": True}).exists(), name


def test_errors_of_the_field_are_part_of_the_inputs(patch, deliver, fits_files, start):
    before = start().input_hash
    br = next(path for path in fits_files if ".Br." in path.name)
    deliver((br.name.replace(".fits", "_err.fits"), br.read_bytes()))
    assert start().input_hash != before


def test_a_finished_run_has_statistics_of_its_frames(run):
    done = run.segmentations.filter(state="done")
    assert archive.statistics_size(run).n_frames == done.count()
    frames = np.stack([archive.read_contrast(run, index) for index in done.values_list("index", flat=True)])
    np.testing.assert_allclose(archive.read_statistics(run, "minimum"), frames.min(axis=0), atol=1e-6)


def test_more_features_than_can_be_kept_are_refused(run):
    labels = np.zeros((64, 64), np.int32)
    labels[0, 0] = 70_000
    with pytest.raises(FrameError, match="70000 features"):
        archive.write_maps(run, 0, 11, contrast=np.ones((64, 64), np.float32), labels=labels)


def test_runs_of_before_keep_the_parameters_they_had(run):
    naming = importlib.import_module("poreweb.tracks.migrations.0004_name_the_old_parameters")
    old = {"enhance": "richardson-lucy", "threshold": 0.5, "iterations": 10}
    type(run).objects.filter(pk=run.pk).update(parameters=old)
    naming.name_them(apps, None)
    run.refresh_from_db()
    assert run.parameters == {**old, **naming.OLD}
    assert run.chain_parameters.quiet_sun == "histogram"
