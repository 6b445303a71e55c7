"""Where the pixels of a sequence lie: by headers, by a pointing that was given, and corrected."""

import io
from datetime import datetime, timedelta
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import HeliocentricMeanEcliptic, SkyCoord
from astropy.io import fits
from astropy.time import Time
from django.core.files.uploadedfile import SimpleUploadedFile
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, get_earth
from sunpy.coordinates import sun as ephemeris

from poreweb.observations.models import Patch, RawFile
from poreweb.sequences.models import Sequence
from poreweb.sequences.placing import CeaPlaces
from processing.geometry import CeaGeometry
from processing.sequence_files import open_sequence_file, times_of
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


@pytest.mark.parametrize("told_by", ["form", "header", "header in degrees"])
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
    }[told_by[:6].strip()]  # fmt: skip
    if told_by == "header in degrees":
        cards |= {f"CUNIT{axis}": "deg" for axis in "12"}
        cards |= {card: header[card] / 3600 for card in ("CDELT1", "CDELT2", "CRVAL1", "CRVAL2")}
    told = {} if told_by == "form" else {**cards, "DATE_OBS": header["DATE-OBS"]}
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


# -- The observer of a cube, the scale in km, the moved box; without a database ----------------------

BEGIN = datetime(2013, 6, 1)
AXES = {
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": 1.0, "CDELT2": 1.0,
    "CRPIX1": 20.5, "CRPIX2": 20.5, "CRVAL1": 0.0, "CRVAL2": 0.0, "DATE-OBS": "2013-06-01T00:00:00",
}  # fmt: skip


def from_earth(at: Time) -> tuple[float, float, float]:
    """Carrington longitude and latitude of disk centre in degrees, and the distance in m, by sunpy's ephemeris."""
    distance = ephemeris.earth_distance(at).to_value(u.m)
    return ephemeris.L0(at).to_value(u.deg), ephemeris.B0(at).to_value(u.deg), distance


def from_behind(at: Time) -> tuple[float, float, float]:
    """The same from the ecliptic at the Earth's distance, 120 degrees behind it."""
    earth = get_earth(at).transform_to(HeliocentricMeanEcliptic(obstime=at))
    there = SkyCoord(earth.lon - 120 * u.deg, 0 * u.deg, earth.distance, frame=earth.frame.replicate_without_data())
    seen = there.transform_to(HeliographicCarrington(observer="self", obstime=at))
    return seen.lon.to_value(u.deg), seen.lat.to_value(u.deg), seen.radius.to_value(u.m)


def carrington(place: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("CRLN_OBS", "CRLT_OBS", "DSUN_OBS"), place, strict=True))


def stonyhurst(place: tuple[float, float, float]) -> dict[str, float]:
    lon = (place[0] - ephemeris.L0(Time(BEGIN)).to_value(u.deg) + 180) % 360 - 180
    return {"HGLN_OBS": lon, "HGLT_OBS": place[1], "DSUN_OBS": place[2]}


EARTHS, BEHIND = from_earth(Time(BEGIN)), from_behind(Time(BEGIN))
HMI = {"TELESCOP": "SDO/HMI", "INSTRUME": "HMI_SIDE1", "T_OBS": "2013.06.01_00:00:35_TAI", "RSUN_OBS": 946.39389}
ECLIPTIC = dict(zip(
    ("HAEX_OBS", "HAEY_OBS", "HAEZ_OBS"),
    get_earth(BEGIN).transform_to(HeliocentricMeanEcliptic(obstime=BEGIN)).cartesian.xyz.to_value(u.m), strict=True,
))  # fmt: skip
WAVE = {"WAVELNTH": 4500, "WAVEUNIT": "angstrom"}
STEREO = {"TELESCOP": "STEREO", "OBSRVTRY": "STEREO_B", "INSTRUME": "SECCHI", "DETECTOR": "EUVI", **WAVE}


def placed(cards: dict[str, Any], image: np.ndarray, *, n_frames: int = 1, **said: Any) -> tuple[CeaPlaces, list]:
    """The places of a cube of that image, of which what was said is told, twelve hours from frame to frame."""
    whole = io.BytesIO()
    fits.PrimaryHDU(np.stack([image] * n_frames).astype(np.float32), fits.Header(cards)).writeto(whole)
    source = open_sequence_file(whole.getvalue(), "cube.fits")
    first = None if cards else said.pop("first", BEGIN)
    timed = times_of([source], first=first, cadence_s=43_200)
    sequence = Sequence(name="x", times_from_headers=bool(cards), first_s=timed[0].t_s, **said)
    return CeaPlaces(sequence, timed, timed[0], image), timed


@pytest.mark.parametrize(
    ("cards", "seen_from"),
    [
        ({**HMI, **carrington(EARTHS)}, from_earth),
        ({**HMI, **stonyhurst(EARTHS), "DATE-AVG": "2013-06-01T00:00:00"}, from_earth),
        ({"TELESCOP": "SDO/AIA", "INSTRUME": "AIA_2", **WAVE, **ECLIPTIC, "T_OBS": "2013-06-01T00:00:00Z"}, from_earth),
        ({"PNAME": "SUIT", **WAVE, "T_OBS": "2013-06-01T00:00:00"}, from_earth),  # its map takes T_OBS alone
        ({"TELESCOP": "SST", "CTYPE1": "SOLAR-X", "CTYPE2": "SOLAR-Y"}, from_earth),
        ({**STEREO, **stonyhurst(BEHIND)}, from_behind),
        ({**STEREO, **carrington(BEHIND)}, from_behind),
    ],
    ids=["HMI", "HMI, Stonyhurst", "AIA", "SUIT", "ground", "STEREO", "STEREO, Carrington"],
)  # fmt: skip
def test_the_observer_of_a_cube_goes_on_with_time(cards, seen_from):
    """One header tells of the first frame: a day later the Sun has turned by 13 degrees below the same observer."""
    image = np.full((40, 40), 100.0)
    places, timed = placed({**AXES, **cards}, image, n_frames=3, coordinates="headers")
    for hours, frame in zip((0, 12, 24), timed, strict=True):
        at = BEGIN + timedelta(hours=hours)
        _, made = places.place(image, frame, None)
        found, (lon, lat, distance) = CeaGeometry.from_header(made), seen_from(Time(at))
        assert made["DATE-OBS"] == f"{at.isoformat()}.000"
        assert abs((found.crln_obs - lon + 180) % 360 - 180) < 0.003
        assert found.crlt_obs == pytest.approx(lat, abs=0.003)
        assert found.dsun_obs == pytest.approx(distance, rel=2e-5)
        assert found.rsun_ref == pytest.approx(696e6, rel=1e-6)  # whatever was told of it
        ny, nx = image.shape
        tx, ty = found.helioprojective(np.array((ny - 1) / 2), np.array((nx - 1) / 2))
        assert (hours > 0) == (np.hypot(tx, ty) > 50)  # what was at disk centre is so no longer


@pytest.mark.parametrize("first", [datetime(2013, 1, 3), datetime(2013, 7, 5)], ids=["January", "July"])
def test_km_are_those_on_the_sun_whatever_its_distance(first):
    row, col = np.mgrid[:200, :200]
    image = np.where(np.hypot(row - 99.5, col - 99.5) < 60, 50.0, 100.0)
    places, timed = placed({}, image, coordinates="pointing", pixel_scale=366.0, scale_unit="km", first=first)
    found, cards = places.place(image, timed[0], None)
    area = float((found < 75).sum() * CeaGeometry.from_header(cards).pixel_area_mm2)
    assert area == pytest.approx(np.pi * (60 * 0.366) ** 2, rel=0.005)


def test_km_given_by_hand_are_those_of_the_first_frame():
    """A telescope's pixel is an angle, which does not change with the distance."""
    image = np.full((40, 40), 100.0)
    said = {"coordinates": "pointing", "pixel_scale": 366.0, "scale_unit": "km"}
    places, timed = placed({}, image, n_frames=3, first=datetime(2013, 4, 1), **said)
    steps = [places._observed(image, frame).scale[0].to_value(u.arcsec / u.pix) for frame in timed]
    assert steps == [steps[0]] * 3
    away = ephemeris.earth_distance("2013-04-01").to_value(u.km) - 696_000
    assert steps[0] == pytest.approx(np.degrees(366 / away) * 3600, rel=1e-6)


@pytest.mark.parametrize("shift", [(0.0, 12.0), (0.0, -9.0), (7.0, 0.0), (-5.0, 6.0)])
def test_a_box_far_from_the_equator_is_moved_by_pixels_not_degrees_of_longitude(shift):
    """At 45 degrees north a degree of longitude is 0.7 of one on the Sun."""
    north = SkyCoord(0 * u.deg, 45 * u.deg, 696 * u.Mm, frame=HeliographicStonyhurst(obstime=BEGIN))
    at = north.transform_to(get_earth(BEGIN).frame)
    middle = at.cartesian.xyz.to_value(u.Mm)
    sun_to_earth = get_earth(BEGIN).cartesian.xyz.to_value(u.Mm)
    tilt = np.arccos(middle @ sun_to_earth / np.linalg.norm(middle) / np.linalg.norm(sun_to_earth))
    away = np.linalg.norm(sun_to_earth)
    ty = np.degrees(np.arctan2(696 * np.sin(tilt), away - 696 * np.cos(tilt))) * 3600
    row, col = np.mgrid[:80, :80]
    image = 100 - 60 * np.exp(-(np.hypot(row - 39.5, col - 39.5) ** 2) / (2 * 3**2))
    said = {"coordinates": "pointing", "pixel_scale": 1.0, "scale_unit": "arcsec", "tx_arcsec": 0.0, "ty_arcsec": ty}
    places, timed = placed({}, image, **said)
    spots = []
    for by in (None, shift):
        found, cards = places.place(image, timed[0], by)
        dark = np.nan_to_num(np.clip(97 - found, 0, None))
        rows, cols = np.indices(found.shape)
        spots.append(((rows * dark).sum() / dark.sum(), (cols * dark).sum() / dark.sum()))
    assert cards["CRVAL2"] == pytest.approx(45, abs=0.01)
    np.testing.assert_allclose(np.subtract(spots[1], spots[0]), shift, atol=0.15)
