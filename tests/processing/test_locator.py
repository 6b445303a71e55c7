"""The place on the disk against sunpy, and what its parts must keep."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective

from processing.geometry import ARCSEC_PER_RAD, CeaGeometry, PlainGeometry
from processing.locator import disk_place, graticule, label_place, pixel_of, place_words, where_words
from tests.real_data import each_record, needs_real_data, real_frame

SHAPE = (250, 583)
# HARP 2875 on 2013-06-20, 16 degrees west.
WEST = CeaGeometry(292.0, 125.5, 253.723282, 10.8939, 0.03, 0.03, 238.070175, 1.67519, 152031959146.69)


def turned(degrees: float) -> CeaGeometry:
    """The same patch as the Sun has turned it further west."""
    return replace(WEST, crln_obs=WEST.crln_obs - degrees)


def area_of(outline: list[tuple[float, float]]) -> float:
    x, y = np.array(outline).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


@needs_real_data
@each_record
def test_it_is_where_sunpy_has_it(record):
    frame = real_frame(record)
    place = disk_place(frame.geometry, frame.shape)
    assert place is not None
    observed = sunpy.map.Map(frame.maps["Br"], frame.cards)
    ny, nx = frame.shape
    corners = np.array([(-0.5, -0.5), (nx - 0.5, -0.5), (nx - 0.5, ny - 0.5), (-0.5, ny - 0.5)])
    middle = ((nx - 1) / 2, (ny - 1) / 2)
    on_sun = observed.pixel_to_world(*np.vstack([corners, middle]).T * u.pix)
    seen = on_sun.transform_to(Helioprojective(observer=observed.observer_coordinate, obstime=observed.reference_date))
    limb = np.arcsin(696e6 / frame.cards["DSUN_OBS"]) * ARCSEC_PER_RAD
    expected = np.stack([seen.Tx.to_value(u.arcsec), seen.Ty.to_value(u.arcsec)], axis=1) / limb
    np.testing.assert_allclose(place.outline[::5], expected[:4], atol=1e-7)  # its first point is a corner
    np.testing.assert_allclose(place.middle, expected[4], atol=1e-7)
    stonyhurst = HeliographicStonyhurst(obstime=observed.reference_date)
    meridian = observed.observer_coordinate.transform_to(stonyhurst).lon.deg
    assert abs(meridian) < 0.12  # SDO's, as its header has it, and the Earth's
    assert place.lon_deg == pytest.approx(on_sun[4].transform_to(stonyhurst).lon.deg - meridian, abs=1e-6)
    assert place.lat_deg == pytest.approx(on_sun[4].transform_to(stonyhurst).lat.deg, abs=1e-6)
    assert place.mu == pytest.approx(float(frame.geometry.mu_map(frame.shape)[ny // 2, nx // 2]), abs=1e-3)


@pytest.mark.parametrize("b0", [-7.2, 0.0, 6.5])
def test_the_graticule_is_that_of_sunpy(b0):
    observer = SkyCoord(0 * u.deg, b0 * u.deg, 1 * u.AU, frame="heliographic_stonyhurst", obstime="2013-06-20")
    grid = [(lon, lat) for lon in range(-60, 61, 30) for lat in range(-60, 61, 30)]
    lon, lat = np.array(grid).T * u.deg
    # 696 Mm as all of this project, not sunpy's 695.7
    places = SkyCoord(lon, lat, 696 * u.Mm, frame="heliographic_stonyhurst", obstime="2013-06-20")
    seen = places.transform_to(Helioprojective(observer=observer, obstime="2013-06-20", rsun=696 * u.Mm))
    limb = np.arcsin(696e6 / (1 * u.AU).to_value(u.m)) * ARCSEC_PER_RAD
    drawn = np.array([point for line in graticule(b0) for point in line])
    for x, y in zip(seen.Tx.to_value(u.arcsec) / limb, seen.Ty.to_value(u.arcsec) / limb, strict=True):
        away = np.hypot(*(drawn - (x, y)).T)
        assert np.sort(away)[1] < 1e-6  # a meridian and a parallel meet there


def test_the_graticule_ends_at_the_limb():
    lines = graticule(5.0)
    assert max(np.hypot(*np.array(line).T).max() for line in lines) <= 1 + 1e-5
    ends = [np.hypot(*line[end]) for line in lines for end in (0, -1)]
    assert sum(abs(end - 1) < 1e-9 for end in ends) >= len(lines)  # each but those that end at the near pole
    assert len(lines) == 12 + 5


@pytest.mark.parametrize(
    ("degrees", "n_points", "words"),
    [
        (0, 20, "N11 W16, mu 0.95"), (-20, 20, "N11 E04, mu 0.98"), (68, 17, "N11 W84, mu 0.11"),
        (78, 11, "N11 W94, beyond the limb"), (120, 0, "N11 W136, beyond the limb"),
    ],
    ids=["on the disk", "at disk centre", "partly beyond", "mostly beyond", "on the far side"],
)  # fmt: skip
def test_the_limb_cuts_what_lies_beyond(degrees, n_points, words):
    place = disk_place(turned(degrees), SHAPE)
    assert place is not None
    assert place_words(place) == words
    assert abs(len(place.outline) - n_points) <= 3
    assert (place.middle is None) == (words.endswith("limb"))
    if place.outline:
        assert np.hypot(*np.array(place.outline).T).max() <= 1 + 1e-5


@pytest.mark.parametrize(("degrees", "is_seen"), [(89.6, True), (89.85, False)])
def test_the_limb_is_nearer_than_a_quarter_turn(degrees, is_seen):
    """From 1.016 au it is at arccos(R / D) = 89.738 degrees from disk centre, and not at 90."""
    assert np.degrees(np.arccos(WEST.rsun_ref / WEST.dsun_obs)) == pytest.approx(89.738, abs=1e-3)
    equator = replace(WEST, crpix1=2.0, crpix2=2.0, crval1=degrees, crval2=0.0, crln_obs=0.0, crlt_obs=0.0)
    place = disk_place(equator, (3, 3))
    assert place is not None
    assert bool(place.outline) == is_seen


def test_a_meridian_behind_the_limb_is_not_drawn():
    """At B0 0.2 the northern halves of 90 E and 90 W are before the plane of the Sun's middle, and not seen."""
    assert len(graticule(0.2)) == 5 + 5


def test_what_is_cut_off_is_the_area_that_is_not_seen():
    """Pixels that are seen, each with its area times mu, make the outline's area."""
    equator = replace(WEST, crval2=0.0, crlt_obs=0.0)  # where position angles pass from 180 to -180 degrees
    east = [replace(equator, crln_obs=equator.crval1 + degrees) for degrees in (78, 84, 87)]
    for geometry in [*map(turned, (0, 60, 66, 70)), *east]:
        mu = geometry.mu_map(SHAPE)
        seen = np.nansum(mu) * geometry.pixel_area_mm2 / (696.0**2)
        place = disk_place(geometry, SHAPE)
        assert place is not None
        assert area_of(place.outline) == pytest.approx(seen, rel=0.02, abs=2e-4)


geometries = st.builds(
    CeaGeometry,
    crpix1=st.floats(1, 800), crpix2=st.floats(1, 400), crval1=st.floats(0, 360, exclude_max=True),
    crval2=st.floats(-60, 60), cdelt1=st.sampled_from([0.015, 0.03, 0.2]), cdelt2=st.sampled_from([0.015, 0.03, 0.2]),
    crln_obs=st.floats(0, 360), crlt_obs=st.floats(-7.25, 7.25), dsun_obs=st.floats(1.47e11, 1.53e11),
)  # fmt: skip


@given(geometries)
def test_an_outline_stays_on_the_disk_and_is_short(geometry):
    place = disk_place(geometry, (300, 700))
    assert place is not None
    assert len(place.outline) <= 24
    assert all(np.hypot(x, y) <= 1 + 1e-5 for x, y in place.outline)
    assert bool(place.middle) == bool(np.isfinite(place.mu))
    x, y, anchor = label_place(place.outline)
    assert abs(x) <= 1
    assert abs(y) <= 1.1
    assert anchor in ("start", "middle", "end")
    place_words(place)


@given(geometries, st.floats(0, 300), st.floats(0, 700))
def test_a_pixel_is_found_by_its_place(geometry, row, col):
    lon, lat = geometry.lon_lat(np.array(row), np.array(col))
    if np.isfinite(lon) and abs(col + 1 - geometry.crpix1) * geometry.cdelt1 < 89 and abs(lat) < 89.9:
        found = pixel_of(geometry, lon, lat)
        np.testing.assert_allclose(found, (row, col), atol=1e-5)


def test_the_far_side_is_in_no_pixel():
    assert np.isnan(pixel_of(WEST, np.array(WEST.crval1 + 180), np.array(0.0))).all()


def test_without_a_geometry_nothing_is_known():
    assert disk_place(PlainGeometry(0.3655), SHAPE) is None
    assert place_words(None) == "where it was on the disk is not known"


@pytest.mark.parametrize(
    ("lon", "lat", "words"), [(34.6, -20.4, "S20 W35"), (-3.2, 0.2, "N00 E03"), (0.1, 7.9, "N08 W00")]
)
def test_places_are_written_as_observers_write_them(lon, lat, words):
    assert where_words(lon, lat) == words


@pytest.mark.parametrize(
    ("box", "anchor", "below"),
    [
        ((0.0, 0.1, 0.2, 0.2), "middle", False), ((0.6, 0.1, 0.8, 0.3), "end", False),
        ((-0.8, -0.5, -0.6, -0.3), "start", False), ((-0.1, 0.7, 0.1, 0.95), "middle", True),
    ],
    ids=["in the middle", "in the west", "in the east", "at the top"],
)  # fmt: skip
def test_words_stand_beside_the_outline(box, anchor, below):
    west, south, east, north = box
    _, y, found = label_place([(west, south), (east, south), (east, north), (west, north)])
    assert found == anchor
    assert y < south if below else y > north
