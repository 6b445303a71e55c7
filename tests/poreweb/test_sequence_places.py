"""Where the pixels of a sequence lie: by headers, by a pointing that was given, and corrected."""

import io

import numpy as np
import pytest
from astropy.io import fits
from django.core.files.uploadedfile import SimpleUploadedFile

from poreweb.observations.models import Patch, RawFile
from poreweb.sequences.models import Sequence
from processing.geometry import CeaGeometry
from tests.poreweb import test_sequences
from tests.poreweb.conftest import PARAMETERS
from tests.poreweb.sequencing import helioprojective, sun
from tests.poreweb.test_sequences import GIVEN, file, maps_of

send, made = test_sequences.send, test_sequences.made
WCS = ("CTYPE", "CUNIT", "CDELT", "CRVAL")


def test_a_helioprojective_map_gets_its_place(made):
    files, places = helioprojective(n_frames=3)
    sequence = made(
        *[SimpleUploadedFile(f"map{k}.fits", raw) for k, raw in enumerate(files)],
        coordinates="headers", pixel_scale=None, first=None, cadence_s=None,
    )  # fmt: skip
    for frame, found, (lon, lat, mu) in zip(sequence.patch.frames.all(), maps_of(sequence), places, strict=True):
        geometry = frame.geometry
        assert type(geometry) is CeaGeometry
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        at = geometry.lon_lat(row, col)
        assert at == pytest.approx((lon, lat), abs=0.3 * geometry.cdelt1)
        assert float(geometry.mu(row, col)) == pytest.approx(mu, abs=1e-3)
        assert frame.mu_min < mu < frame.mu_max
    assert any("where it stays" in fact for fact in sequence.facts)


@pytest.mark.parametrize("told_by", ["form", "header"])
def test_a_pointing_told_once_follows_the_rotation(made, told_by):
    (image, *_), places = helioprojective(n_frames=1)
    with fits.open(io.BytesIO(image)) as hdus:
        data, header = hdus[0].data, hdus[0].header
    cube = np.stack([data] * 3)  # a telescope that follows its region: it stays at its pixel
    cards = {name: header[name] for name in ("CRPIX1", "CRPIX2", *(f"{word}{axis}" for word in WCS for axis in "12"))}
    said = {
        "form": {
            "coordinates": "pointing", "pixel_scale": str(header["CDELT1"]), "tx_arcsec": str(header["CRVAL1"]),
            "ty_arcsec": str(header["CRVAL2"]), "rotation_deg": "", "first": header["DATE-OBS"][:19],
        },
        "header": {"coordinates": "headers", "pixel_scale": None, "first": None},
    }[told_by]  # fmt: skip
    told = {**cards, "DATE_OBS": header["DATE-OBS"]} if told_by == "header" else {}
    sequence = made(file("cube.fits", cube, **told), cadence_s="7200", **said)
    frames = list(sequence.patch.frames.order_by("t_rec_s"))
    spots = []
    for frame, found in zip(frames, maps_of(sequence), strict=True):
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        spots.append((row, col))
        assert frame.geometry.lon_lat(row, col) == pytest.approx(places[0][:2], abs=0.3 * frame.geometry.cdelt1)
    np.testing.assert_allclose(spots, np.broadcast_to(spots[0], (3, 2)), atol=0.3)
    longitudes = [frame.cards["CRLN_OBS"] for frame in frames]
    assert (longitudes[0] - longitudes[2]) % 360 == pytest.approx(360 * 4 / (27.2753 * 24), rel=0.01)


def test_a_box_beyond_the_limb_fails_and_can_be_corrected(send, as_alice, queues, team):
    files, _ = helioprojective(n_frames=2)
    send(
        *[SimpleUploadedFile(f"map{k}.fits", raw) for k, raw in enumerate(files)],
        coordinates="headers", first=None, cadence_s=None, part_tx="0", part_ty="990",
    )  # fmt: skip
    sequence = Sequence.objects.get()
    assert sequence.state == "failed"
    assert "is off the disk" in sequence.error
    assert not Patch.objects.exists()
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "Correct what was said" in page
    url = f"{sequence.get_absolute_url()}correct/"
    form = as_alice.get(url).text
    assert "Here already: 2 files of 2 frames" in form
    assert 'value="990.0"' in form
    given = {"team": team.pk, "name": "AR 11757 b", "coordinates": "headers", "scale_unit": "km", "time_scale": "utc"}
    assert as_alice.post(url, given).status_code == 302
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, sequence.error, sequence.patch.name) == ("done", "", "AR 11757 b")
    assert sequence.patch.frames.count() == 2


def test_a_wrong_scale_is_corrected_while_nothing_is_made_of_it(made, as_alice, queues, team):
    sequence = made(file("cube.fits", sun(3)))
    url = f"{sequence.get_absolute_url()}correct/"
    given = {**GIVEN, "team": team.pk, "pixel_scale": "1"}
    assert as_alice.post(url, given).status_code == 302
    queues.work()
    patch = Patch.objects.get()
    assert [frame.geometry.pixel_side_mm for frame in patch.frames.all()] == pytest.approx([0.7253] * 3)
    assert RawFile.objects.count() == 3
    patch.runs.create(number=1, parameters=PARAMETERS.as_dict())
    assert as_alice.post(url, given).status_code == 302
    sequence.refresh_from_db()
    assert sequence.state == "done"  # it was left as it is
