"""A run's statistics of all its frames: stored beside its maps, shown as layers that know no frame."""

import json
import re
import shutil

import numpy as np
import pytest
import zarr

from poreweb.observations.layers import layers_of
from poreweb.observations.manifest import viewer_manifest
from poreweb.tracks import archive
from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.statistics import STATISTICS

STEP = archive.CONTRAST_STEP


def member_of(patch):
    return patch.team.memberships.first().user


def stack_of(run: Run) -> np.ndarray:
    """Contrast of all processed frames in double precision."""
    done = run.segmentations.filter(state=Segmentation.State.DONE)
    codes = np.stack([archive.read_contrast_codes(run, item.index) for item in done]).astype(float)
    return np.where(codes == 0, np.nan, (codes - 1) * STEP)


def of_numpy(stack: np.ndarray) -> dict[str, np.ndarray]:
    std = np.nanstd(stack, axis=0, ddof=1)
    return {
        "mean": np.nanmean(stack, axis=0),
        "std": std,
        "standard_error": std / np.sqrt(np.isfinite(stack).sum(axis=0)),
        "median": np.nanmedian(stack, axis=0),
        "minimum": np.nanmin(stack, axis=0),
    }


@pytest.fixture
def done(run: Run) -> Run:
    archive.write_statistics(run)
    return run


@pytest.fixture
def bare(run: Run, storage_folder) -> Run:
    """A run that was made before there were statistics."""
    shutil.rmtree(storage_folder / archive.run_folder(run) / "statistics.zarr", ignore_errors=True)
    return run


def test_they_are_those_of_the_stored_contrast(done):
    expected = of_numpy(stack_of(done))
    assert set(expected) == set(STATISTICS)
    for name, values in expected.items():
        np.testing.assert_allclose(archive.read_statistics(done, name), values, atol=2e-6, err_msg=name)


def test_a_frame_that_failed_does_not_count(run):
    run.segmentations.filter(index=2).update(state=Segmentation.State.FAILED)
    n_frames = run.segmentations.count() - 1
    archive.write_statistics(run)
    assert archive.statistics_size(run) == archive.StatisticsSize(n_frames, archive.read_labels(run, 0).shape)
    expected = of_numpy(stack_of(run))
    assert len(stack_of(run)) == n_frames
    np.testing.assert_allclose(archive.read_statistics(run, "mean"), expected["mean"], atol=2e-6)
    np.testing.assert_allclose(archive.read_statistics(run, "median"), expected["median"], atol=2e-6)


def test_they_replace_those_made_before(run):
    waiting = run.segmentations.filter(index__gte=3)
    waiting.update(state=Segmentation.State.WAITING)
    archive.write_statistics(run)
    few = archive.read_statistics(run, "mean")
    waiting.update(state=Segmentation.State.DONE)
    for _ in range(2):
        archive.write_statistics(run)
        assert archive.statistics_size(run).n_frames == run.segmentations.count()
        assert not np.allclose(archive.read_statistics(run, "mean"), few)


def test_a_run_without_frames_is_a_sentence(run):
    run.segmentations.update(state=Segmentation.State.FAILED)
    with pytest.raises(FrameError, match=r"Run 1 of .* has processed no frame"):
        archive.write_statistics(run)


def test_half_of_them_are_none(bare, monkeypatch):
    def pull_the_plug(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(zarr.Array, "update_attributes", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            archive.write_statistics(bare)
    assert archive.statistics_size(bare) is None
    with pytest.raises(FrameError, match="no statistics"):
        archive.read_statistics(bare, "mean")
    archive.write_statistics(bare)
    assert np.isfinite(archive.read_statistics(bare, "mean")).any()


# -- In the viewer -------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "words"), [("done", "a new run makes them"), ("running", "not yet")])
def test_none_is_a_sentence_that_is_not_kept(as_alice, frame, bare, state, words):
    Run.objects.update(state=state)
    for key in STATISTICS:
        response = as_alice.get(f"/patches/{frame.patch_id}/frames/{frame.pk}/{key}.bin?run={bare.pk}")
        assert response.status_code == 404
        assert "has no statistics of its frames" in response.text
        assert words in response.text
        assert "max-age" not in response.get("Cache-Control", "")


def test_without_a_run_they_are_a_sentence(as_alice, frame):
    response = as_alice.get(f"/patches/{frame.patch_id}/frames/{frame.pk}/mean.bin")
    assert (response.status_code, response.text) == (404, "this layer needs a run")


def test_the_manifest_gives_one_address_for_all_frames(done, patch):
    manifest = viewer_manifest(patch, done, reader=member_of(patch))
    n_frames = done.segmentations.count()
    ny, nx = archive.read_labels(done, 0).shape
    assert manifest["statistics"]["n_frames"] == n_frames
    assert manifest["statistics"]["shape"] == [ny, nx] == manifest["frames"][0]["shape"]
    assert "{id}" not in manifest["statistics"]["url"]
    assert manifest["statistics"]["url"].endswith(f"?run={done.pk}&of={n_frames}")
    assert [layer["key"] for layer in manifest["layers"] if layer["of_all_frames"]] == list(STATISTICS)


def test_that_address_gives_the_map(as_alice, done, patch):
    url = viewer_manifest(patch, done, reader=member_of(patch))["statistics"]["url"].replace("{layer}", "std")
    response = as_alice.get(url)
    assert response.status_code == 200
    assert "max-age=86400" in response["Cache-Control"]


def test_the_shape_is_that_of_the_frame_whatever_the_sharpening(start, patch, monkeypatch):
    run = start()
    archive.write_maps(run, 0, 11, contrast=np.ones((128, 128), np.float32), labels=np.zeros((128, 128), np.int32))
    run.segmentations.filter(index=0).update(state=Segmentation.State.DONE)
    archive.write_statistics(run)
    monkeypatch.setattr("processing.parameters.ChainParameters.factor", 2)
    assert viewer_manifest(patch, run, reader=member_of(patch))["statistics"]["shape"] == [64, 64]


def test_without_statistics_the_manifest_says_so(bare, patch):
    assert viewer_manifest(patch, bare, reader=member_of(patch))["statistics"] is None
    assert viewer_manifest(patch, None, reader=member_of(patch))["statistics"] is None


def test_limits_of_the_standard_error_follow_the_number_of_frames():
    found = {layer.key: layer for layer in layers_of(100)}
    assert found["standard_error"].limits == (0, pytest.approx(found["std"].limits[1] / 10))
    assert found["standard_error"].range == (0, pytest.approx(found["std"].range[1] / 10))
    assert {layer.key: layer for layer in layers_of(None)}["standard_error"].limits == found["std"].limits


def test_the_page_says_of_how_many_frames(as_alice, done, patch):
    page = as_alice.get(f"/patches/{patch.pk}/viewer/?run={done.pk}").text
    listed = re.findall(r'data-layer="(\w+)"', page)
    manifest = json.loads(re.search(r'id="viewer-manifest"[^>]*>(.*?)</script>', page)[1])
    assert listed == [layer["key"] for layer in manifest["layers"]]
    before, after = page.split(f"Of all {done.segmentations.count()} frames")
    assert 'data-layer="enhanced"' in before
    assert 'data-layer="mean"' in after
    assert after.strip().startswith('<kbd aria-hidden="true">8</kbd>')
