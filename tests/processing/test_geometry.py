"""The closed forms against sunpy and astropy.wcs, and against what each must keep."""

from functools import cache

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import Heliocentric, Helioprojective
from sunpy.map.maputils import all_coordinates_from_map

from processing.errors import FrameError
from processing.geometry import ARCSEC_PER_RAD, NEEDED_CARDS, CeaGeometry
from tests.real_data import each_record, needs_real_data, real_frame

CARDS = {
    "CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CUNIT1": "deg", "CUNIT2": "deg",
    "CRPIX1": 292.0, "CRPIX2": 125.5, "CRVAL1": 253.723282, "CRVAL2": 10.8939, "CDELT1": 0.03, "CDELT2": 0.03,
    "CRLN_OBS": 238.070175, "CRLT_OBS": 1.67519, "DSUN_OBS": 152031959146.69,
}  # fmt: skip
SHAPE = (250, 583)

geometries = st.builds(
    CeaGeometry,
    crpix1=st.floats(1, 1000),
    crpix2=st.floats(1, 500),
    crval1=st.floats(0, 360, exclude_max=True),
    crval2=st.floats(-45, 45),
    cdelt1=st.just(0.03),
    cdelt2=st.just(0.03),
    crln_obs=st.floats(0, 360),
    crlt_obs=st.floats(-7.25, 7.25),
    dsun_obs=st.floats(1.47e11, 1.53e11),
)
pixels = st.tuples(st.floats(0, 500), st.floats(0, 1000))


def wcs_of(geometry: CeaGeometry) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "CRLN-CEA", "CRLT-CEA"
    wcs.wcs.crpix = geometry.crpix1, geometry.crpix2
    wcs.wcs.crval = geometry.crval1, geometry.crval2
    wcs.wcs.cdelt = geometry.cdelt1, geometry.cdelt2
    wcs.wcs.cunit = "deg", "deg"
    return wcs


@cache
def seen_by_sunpy(record: str) -> tuple[SkyCoord, SkyCoord]:
    """Every pixel of a record: Carrington, and helioprojective as the observer sees it."""
    frame = real_frame(record)
    observed = sunpy.map.Map(frame.maps["Br"], frame.cards)
    on_sun = all_coordinates_from_map(observed)
    return on_sun, on_sun.transform_to(
        Helioprojective(observer=observed.observer_coordinate, obstime=observed.reference_date)
    )


@needs_real_data
@each_record
def test_distance_from_disk_centre_is_that_of_sunpy(record):
    _, seen = seen_by_sunpy(record)
    geometry = real_frame(record).geometry
    apparent = np.arcsin(696e6 / real_frame(record).cards["DSUN_OBS"]) * ARCSEC_PER_RAD
    assert geometry.apparent_radius_arcsec == pytest.approx(apparent, rel=1e-12)
    tx, ty = geometry.helioprojective(*np.indices(real_frame(record).shape))
    expected = np.hypot(seen.Tx, seen.Ty).to_value(u.arcsec) / apparent
    np.testing.assert_allclose(np.hypot(tx, ty) / geometry.apparent_radius_arcsec, expected, rtol=0, atol=1e-9)


@needs_real_data
@each_record
def test_mu_is_that_of_sunpy(record):
    """
    The sine of the angle from disk centre over that of the limb is sin(theta), so mu is exact.

    Taking the angles instead of their sines, as is often done, puts mu off by up to
    x^2 sqrt(1 - x^2) / 6 of the squared solar radius (rad), 1.4e-6 at x = r/R = 0.82.
    """
    _, seen = seen_by_sunpy(record)
    frame = real_frame(record)
    mu = frame.geometry.mu_map(frame.shape)
    limb = frame.cards["RSUN_REF"] / frame.cards["DSUN_OBS"]
    from_centre = np.hypot(np.sin(seen.Ty), np.sin(seen.Tx) * np.cos(seen.Ty)).to_value(u.one) / limb
    np.testing.assert_allclose(mu, np.sqrt(1 - from_centre**2), rtol=0, atol=1e-9)
    by_angles = np.hypot(seen.Tx, seen.Ty) / (frame.cards["RSUN_OBS"] * u.arcsec)
    np.testing.assert_allclose(mu, np.sqrt(1 - by_angles.to_value(u.one) ** 2), rtol=0, atol=1.5e-6)


@needs_real_data
@each_record
def test_places_are_those_of_sunpy(record):
    on_sun, seen = seen_by_sunpy(record)
    geometry = real_frame(record).geometry
    rows, cols = np.indices(real_frame(record).shape)
    lon, lat = geometry.lon_lat(rows, cols)
    np.testing.assert_allclose(lon, on_sun.lon.to_value(u.deg), rtol=0, atol=1e-9)
    np.testing.assert_allclose(lat, on_sun.lat.to_value(u.deg), rtol=0, atol=1e-9)
    tx, ty = geometry.helioprojective(rows, cols)
    np.testing.assert_allclose(tx, seen.Tx.to_value(u.arcsec), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ty, seen.Ty.to_value(u.arcsec), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("away", "lat"), [(83, 10.9), (-84, -18), (80, 50)], ids=["west", "east", "north-west"])
def test_mu_at_the_limb_is_that_of_sunpy(away, lat):
    """No real patch comes nearer to the limb than 0.6; the reference is the angle between two vectors of sunpy's."""
    cards = {**CARDS, "CRVAL1": CARDS["CRLN_OBS"] + away, "CRVAL2": lat, "CDELT1": 0.2, "CDELT2": 0.2,
             "CRPIX1": 60.0, "CRPIX2": 30.0, "DATE-OBS": "2013-06-20T10:34:40", "RSUN_REF": 6.96e8}  # fmt: skip
    observed = sunpy.map.Map(np.zeros((60, 120)), cards)
    seen = all_coordinates_from_map(observed).transform_to(
        Heliocentric(observer=observed.observer_coordinate, obstime=observed.reference_date)
    )
    out = seen.cartesian.xyz.to_value(u.m)
    to_observer = np.array([0, 0, cards["DSUN_OBS"]])[:, None, None] - out
    cosine = (out * to_observer).sum(axis=0) / np.linalg.norm(out, axis=0) / np.linalg.norm(to_observer, axis=0)
    mu = CeaGeometry.from_header(cards).mu_map((60, 120))
    visible = np.isfinite(mu)
    np.testing.assert_array_equal(visible, cosine > 0)
    assert 0.2 < visible.mean() < 0.9
    assert (mu[visible] < 0.1).sum() > 50
    np.testing.assert_allclose(mu[visible], cosine[visible], rtol=0, atol=1e-9)


@needs_real_data
@pytest.mark.parametrize(
    ("record", "low", "high"),
    [
        ("2875.20130618_122400", 0.919, 0.995),
        ("2875.20130620_103600", 0.886, 0.988),
        ("2875.20130622_084800", 0.618, 0.835),
        ("377.20110215_020000", 0.855, 0.989),
        ("7115.20170901_220000", 0.736, 0.951),
        ("7115.20170906_120000", 0.608, 0.880),
    ],
)
def test_mu_ranges_of_the_real_patches(record, low, high):
    frame = real_frame(record)
    mu = frame.geometry.mu_map(frame.shape)
    assert (mu.min(), mu.max()) == pytest.approx((low, high), abs=0.0006)


@given(geometries, pixels)
def test_lon_lat_agree_with_astropy(geometry, pixel):
    row, col = pixel
    lon, lat = geometry.lon_lat(row, col)
    expected_lon, expected_lat = wcs_of(geometry).all_pix2world(col, row, 0)
    assert (lon - expected_lon + 180) % 360 - 180 == pytest.approx(0, abs=1e-8)
    assert lat == pytest.approx(float(expected_lat), abs=1e-8)
    assert 0 <= lon < 360


def test_a_southern_patch_has_its_reference_pixel_where_it_says():
    geometry = CeaGeometry.from_header({**CARDS, "CRVAL2": -21.0769})
    assert geometry.lon_lat(124.5, 291) == pytest.approx((253.723282, -21.0769))


@given(geometries, pixels)
def test_the_doubled_map_shows_the_same_sky(geometry, pixel):
    row, col = pixel
    double = geometry.doubled()
    before, after = geometry.lon_lat(row, col), double.lon_lat(2 * row + 0.5, 2 * col + 0.5)
    assert (before[0] - after[0] + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
    assert before[1] == pytest.approx(after[1], abs=1e-9)
    assert double.pixel_area_mm2 == pytest.approx(geometry.pixel_area_mm2 / 4)


@given(geometries, pixels)
def test_mu_is_a_cosine_or_nan(geometry, pixel):
    mu = float(geometry.mu(*pixel))
    assert np.isnan(mu) or 0 < mu <= 1


def test_pixels_have_equal_areas():
    geometry = CeaGeometry.from_header(CARDS)
    assert geometry.pixel_area_mm2 == pytest.approx(0.1328, abs=5e-5)
    assert geometry.doubled().pixel_area_mm2 == pytest.approx(0.0332, abs=5e-5)
    assert geometry.pixel_side_mm == pytest.approx(0.36443, abs=1e-5)
    assert geometry.pixel_area_mm2 * geometry.msh_per_mm2 == pytest.approx(0.0436, abs=5e-5)  # millionths
    rows, cols = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    for corner in ((0, 0), (200, 500)):
        lon, lat = (np.deg2rad(angle) for angle in geometry.lon_lat(rows + corner[0], cols + corner[1]))
        north, west = (lat[1] - lat[0], lon[1] - lon[0]), (lat[2] - lat[0], lon[2] - lon[0])
        on_sphere = abs(north[0] * west[1] - north[1] * west[0]) * np.cos(lat[0]) * 696.0**2
        assert on_sphere == pytest.approx(geometry.pixel_area_mm2, rel=2e-3)


@given(geometries, st.integers(1, 30), st.integers(1, 30))
def test_a_map_of_mu_is_mu_of_each_pixel(geometry, ny, nx):
    mu = geometry.mu_map((ny, nx))
    assert mu.shape == (ny, nx)
    np.testing.assert_allclose(mu, geometry.mu(*np.indices((ny, nx))), rtol=0, atol=1e-14)


def test_rows_off_the_native_sphere_are_nowhere():
    geometry = CeaGeometry.from_header({**CARDS, "CDELT2": 1.0})
    mu = geometry.mu_map(SHAPE)
    off = np.abs(np.arange(SHAPE[0]) + 1 - CARDS["CRPIX2"]) > np.rad2deg(1)
    assert 0 < off.sum() < SHAPE[0]
    assert np.isnan(mu[off]).all()
    assert np.isfinite(mu[~off]).any(axis=1).any()


def test_disk_centre_and_limb():
    geometry = CeaGeometry.from_header({**CARDS, "CRVAL1": 238.070175, "CRVAL2": 1.67519})
    at_centre = float(geometry.crpix2 - 1), float(geometry.crpix1 - 1)
    assert geometry.mu(*at_centre) == pytest.approx(1)
    assert geometry.helioprojective(*at_centre) == pytest.approx((0, 0), abs=1e-9)
    west = geometry.helioprojective(at_centre[0], at_centre[1] + 10)[0]
    north = geometry.helioprojective(at_centre[0] + 10, at_centre[1])[1]
    assert west > 0
    assert north > 0


def test_beyond_the_limb_is_nan():
    geometry = CeaGeometry.from_header({**CARDS, "CRVAL1": 238.070175 + 89})
    mu = geometry.mu_map(SHAPE)
    seen = np.isfinite(mu)
    assert 0.1 < seen.mean() < 0.9
    assert seen[:, 0].all()
    assert not seen[:, -1].any()
    tx, ty = geometry.helioprojective(*np.indices(SHAPE))
    np.testing.assert_array_equal(np.isfinite(tx), seen)
    np.testing.assert_array_equal(np.isfinite(ty), seen)
    assert np.isfinite(geometry.lon_lat(0, SHAPE[1] - 1)).all()  # hidden, yet a place on the Sun


@pytest.mark.parametrize("card", NEEDED_CARDS)
def test_every_needed_card_is_asked_for(card):
    without = {name: value for name, value in CARDS.items() if name != card}
    with pytest.raises(FrameError, match=f"no {card}"):
        CeaGeometry.from_header(without)


@pytest.mark.parametrize("card", [*NEEDED_CARDS, "RSUN_REF"])
@pytest.mark.parametrize("value", ["unknown", None, float("nan"), float("inf")])
def test_a_card_must_be_a_finite_number(card, value):
    with pytest.raises(FrameError, match=card):
        CeaGeometry.from_header({**CARDS, card: value})


@pytest.mark.parametrize(
    ("card", "value", "message"),
    [
        ("CTYPE1", "HPLN-TAN", "not CEA: CTYPE1 is HPLN-TAN"),
        ("CDELT1", 0, "must not be 0"),
        ("CDELT2", 0.0, "not be 0"),
    ],
)
def test_it_refuses_other_maps(card, value, message):
    with pytest.raises(FrameError, match=message):
        CeaGeometry.from_header({**CARDS, card: value})


def test_it_refuses_a_bare_header():
    with pytest.raises(FrameError, match="CTYPE1 is missing"):
        CeaGeometry.from_header({})
