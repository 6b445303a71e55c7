"""Maps as the browser gets them: codes with offset and scale, 0 for no data."""

import gzip
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits

from poreweb.observations.archive import read_frame
from poreweb.observations.layers import LAYERS, pack_values
from poreweb.tracks import archive
from poreweb.tracks.models import Segmentation
from processing.geometry import CeaGeometry
from processing.reduce import flatten


@dataclass
class Decoded:
    values: np.ndarray
    codes: np.ndarray
    factor: int
    scale: float


def decode(body: bytes) -> Decoded:
    """As the viewer does it."""
    data = gzip.decompress(body)
    magic, ny, nx, factor, offset, scale = struct.unpack_from("<4sIIIdd", data)
    assert magic == b"PWL1"
    codes = np.frombuffer(data, "<u2", offset=32).reshape(ny, nx)
    return Decoded(np.where(codes == 0, np.nan, offset + scale * codes.astype(float)), codes, factor, scale)


@pytest.fixture
def fetch(as_alice, frame):
    def fetched(key: str, query: str = "") -> Decoded:
        response = as_alice.get(f"/patches/{frame.patch_id}/frames/{frame.pk}/{key}.bin{query}")
        assert response.status_code == 200, response.text
        assert response["Content-Encoding"] == "gzip"
        assert "private" in response["Cache-Control"]
        return decode(response.content)

    return fetched


def data_of(fits_files, segment):
    return fits.getdata(next(path for path in fits_files if f".{segment}." in path.name))


@pytest.mark.parametrize("segment", ["Br", "Bt", "Bp", "continuum"])
def test_a_segment_is_true_within_half_a_code(fetch, fits_files, segment):
    layer, data = fetch(segment), data_of(fits_files, segment)
    assert layer.factor == 1
    assert layer.codes.max() == 65535
    np.testing.assert_array_equal(layer.codes == 0, ~np.isfinite(data))
    assert np.nanmax(abs(layer.values - data)) <= layer.scale * 0.5001


def test_contrast_is_the_flattened_continuum(fetch, frame, fits_files):
    expected = flatten(data_of(fits_files, "continuum"), CeaGeometry.from_header(frame.cards)).contrast
    layer = fetch("contrast")
    assert np.nanmax(abs(layer.values - expected)) <= layer.scale * 0.5001 + 1e-6


def test_the_bitmap_is_its_own_code(fetch, fits_files):
    layer = fetch("bitmap")
    np.testing.assert_array_equal(layer.codes, data_of(fits_files, "bitmap"))
    assert layer.scale == 1


def test_a_run_s_layers_equal_its_archive(fetch, run):
    labels, enhanced = fetch("labels", f"?run={run.pk}"), fetch("enhanced", f"?run={run.pk}")
    assert labels.factor == enhanced.factor == 1  # of a run that does not sharpen
    np.testing.assert_array_equal(labels.codes, archive.read_labels(run, 0))
    assert labels.codes.max() == Segmentation.objects.get(run=run, index=0).n_features
    np.testing.assert_allclose(enhanced.values, archive.read_contrast(run, 0), atol=1e-6)
    assert 0.9 < np.nanmedian(enhanced.values) < 1.1


def test_a_sharpened_run_has_half_the_pixel(fetch, start):
    run = start(work=True, enhance="cubic-spline", min_pixels=20)
    enhanced = fetch("enhanced", f"?run={run.pk}")
    assert (enhanced.factor, enhanced.values.shape) == (2, (128, 128))


def test_no_data_is_code_0():
    values = np.array([[np.nan, -2.0], [5.0, np.inf]], np.float32)
    layer = decode(pack_values(values, factor=1))
    np.testing.assert_array_equal(layer.codes, [[0, 1], [65535, 0]])
    np.testing.assert_allclose(layer.values[np.isfinite(layer.values)], [-2, 5])


@pytest.mark.parametrize(("fill", "code"), [(np.nan, 0), (7.0, 1)])
def test_maps_of_one_value(fill, code):
    layer = decode(pack_values(np.full((2, 3), fill), factor=2))
    assert (layer.codes == code).all()
    assert np.isnan(fill) or np.allclose(layer.values, fill)


def absent(client, frame, key: str, query: str = ""):
    response = client.get(f"/patches/{frame.patch_id}/frames/{frame.pk}/{key}.bin{query}")
    assert response.status_code == 404
    return response


def test_a_missing_segment_is_a_sentence(as_alice, frame):
    frame.raw_files.filter(segment="Bt").delete()
    response = absent(as_alice, frame, "Bt")
    assert "Bt is missing at 2013.06.19_00:00:00_TAI" in response.text
    assert response["Content-Type"].startswith("text/plain")


def test_an_unknown_layer_is_a_sentence(as_alice, frame):
    assert "no layer Doppler" in absent(as_alice, frame, "Doppler").text


def test_without_a_run_its_layers_are_a_sentence(as_alice, frame):
    assert "needs a run" in absent(as_alice, frame, "labels").text


def test_what_a_run_has_not_done_is_a_sentence(as_alice, frame, start):
    run = start()
    assert "has not processed" in absent(as_alice, frame, "enhanced", f"?run={run.pk}").text
    run.segmentations.filter(frame=frame).update(state="failed", reason="continuum is missing")
    assert "continuum is missing" in absent(as_alice, frame, "enhanced", f"?run={run.pk}").text


def test_an_absence_is_not_remembered_by_the_browser(as_alice, frame, start):
    run = start()
    frame.raw_files.filter(segment="continuum").delete()
    thumbnail = as_alice.get(f"/patches/{frame.patch_id}/frames/{frame.pk}/thumbnail.png")
    assert thumbnail.status_code == 404
    for answer in (absent(as_alice, frame, "enhanced", f"?run={run.pk}"), thumbnail):
        assert "max-age=86400" not in answer.get("Cache-Control", ""), "it may be there a minute later"


def test_a_frame_of_another_patch_is_not_found(as_alice, frame, team):
    other = team.patches.create(harpnum=5)
    assert as_alice.get(f"/patches/{other.pk}/frames/{frame.pk}/Br.bin").status_code == 404


def test_every_layer_offered_can_be_had(fetch, run):
    archive.write_statistics(run)
    for layer in LAYERS:
        low, high = layer.limits
        assert layer.range[0] <= low < high <= layer.range[1]
        assert fetch(layer.key).values.ndim == 2


def test_thumbnails_are_made_once(as_alice, frame, storage_folder):
    url = f"/patches/{frame.patch_id}/frames/{frame.pk}/thumbnail.png"
    first = as_alice.get(url)
    assert first["Content-Type"] == "image/png"
    assert first.content.startswith(b"\x89PNG")
    (kept,) = storage_folder.glob("thumbnails/*.png")
    kept.write_bytes(b"\x89PNG kept")
    assert as_alice.get(url).content == b"\x89PNG kept"
    frame.raw_files.filter(segment="continuum").delete()
    assert "continuum is missing" in as_alice.get(url).text


def test_features_of_a_frame(as_alice, run, frame):
    url = f"/patches/{frame.patch_id}/frames/{frame.pk}/features.json"
    listed = as_alice.get(url, {"run": run.pk}).json()["features"]
    rows = list(run.segmentations.get(index=0).features.order_by("label"))
    assert [item["id"] for item in listed] == [row.pk for row in rows]
    for item, row in zip(listed, rows, strict=True):
        assert (item["label"], item["track"]) == (row.label, row.track.number)
        assert (item["area_mm2"], item["flux_mx"], item["mu"]) == (row.area_mm2, row.flux_mx, row.mu)
        assert item["previous"] == []
        assert item["next"] == list(row.links_out.values_list("later_id", flat=True))
    assert any(item["next"] for item in listed)


def test_the_contrast_is_made_as_the_run_made_it(fetch, start, frame):
    """Without limb darkening removed the contrast differs from the default's, and is the run's own."""
    run = start(work=True, limb_darkening="none", quiet_sun="histogram")
    of_run = fetch("contrast", f"?run={run.pk}").values
    raw = read_frame(frame, ("continuum",))
    default = flatten(raw.need("continuum"), raw.geometry).contrast
    assert np.nanmax(np.abs(of_run / default - 1)) > 1e-3
    np.testing.assert_allclose(of_run, archive.read_contrast(run, 0), atol=2e-3)  # the run did not sharpen
