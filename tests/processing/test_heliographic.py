"""Helioprojective images to CEA maps: against sunpy, a Sun with known spots, and real pores there and back."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import Heliocentric, HeliographicCarrington, Helioprojective

from processing import heliographic
from processing.errors import FrameError, ParameterError
from processing.fits import PatchFrame, read_sequence_frame, write_sequence_frame
from processing.geometry import CeaGeometry
from processing.heliographic import CeaBox, Pointing, box_around, map_of, read_map, step_of, to_cea
from processing.measure import measure_features
from processing.reduce import flatten
from processing.segment import label_pores
from processing.timekeys import parse_t_rec, t_rec_s_of
from processing.upscale import fill_missing
from tests.real_data import needs_real_data, real_frame

UTC = datetime(2013, 6, 20, 10, 34, 40)
SHAPE = (300, 380)
POINTING = Pointing(UTC, pixel_arcsec=0.6, tx_arcsec=-310.0, ty_arcsec=190.0, rotation_deg=25.0)
SPOT_DEG = 0.2  # standard deviation of a drawn spot


def carrington(observed: Any, tx: np.ndarray, ty: np.ndarray) -> SkyCoord:
    """Places as sunpy has them; NaN off the disk."""
    seen = SkyCoord(tx * u.arcsec, ty * u.arcsec, frame=observed.coordinate_frame)
    frame = HeliographicCarrington(
        observer=observed.observer_coordinate, obstime=observed.reference_date, rsun=observed.rsun_meters
    )
    return seen.transform_to(frame)


def spotted(lon: np.ndarray, lat: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """A Sun of 1000 with round spots of half that at (lon, lat) in degrees; NaN where the place is."""
    sun = np.full(np.shape(lon), 1000.0)
    for lon_c, lat_c in spots:
        east = np.cos(np.radians(lat_c)) * ((lon - lon_c + 180) % 360 - 180)
        sun *= 1 - 0.5 * np.exp(-(east**2 + (lat - lat_c) ** 2) / (2 * SPOT_DEG**2))
    return sun


def drawn(pointing: Pointing, spots: np.ndarray, shape: tuple[int, int] = SHAPE) -> Any:
    """The image of such a Sun, each pixel's place found by sunpy."""
    empty = map_of(np.zeros(shape), pointing)
    seen = empty.wcs.pixel_to_world(*np.meshgrid(np.arange(shape[1]), np.arange(shape[0])))
    places = carrington(empty, seen.Tx.to_value(u.arcsec), seen.Ty.to_value(u.arcsec))
    return map_of(spotted(places.lon.to_value(u.deg), places.lat.to_value(u.deg), spots), pointing)


@cache
def scene() -> tuple[Any, CeaBox, np.ndarray]:
    """An image away from disk centre, turned; its box; and where its spots are."""
    empty = map_of(np.zeros(SHAPE), POINTING)
    places = carrington(empty, np.array([-310.0, -260.0, -350.0]), np.array([190.0, 230.0, 140.0]))
    spots = np.stack([places.lon.to_value(u.deg), places.lat.to_value(u.deg)], axis=1)
    observed = drawn(POINTING, spots)
    return observed, box_around(observed), spots


def pixel_of(geometry: CeaGeometry, lon: float, lat: float) -> tuple[float, float]:
    """Row and column of a place, by astropy's WCS of the same cards."""
    cards = {"CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CUNIT1": "deg", "CUNIT2": "deg"}
    wcs = sunpy.map.Map(np.zeros((4, 4)), {**cards, **{k.upper(): v for k, v in vars(geometry).items()},
                                           "DATE-OBS": UTC.isoformat()}).wcs  # fmt: skip
    col, row = wcs.world_to_pixel_values(lon, lat)
    return float(row), float(col)


def centre_near(image: np.ndarray, row: float, col: float, reach: int = 22) -> tuple[float, float]:
    """Centre of the darkening around a place."""
    r0, c0 = round(row), round(col)
    part = np.clip(980 - image[r0 - reach : r0 + reach + 1, c0 - reach : c0 + reach + 1], 0, None)
    rows, cols = np.indices(part.shape)
    return r0 - reach + (rows * part).sum() / part.sum(), c0 - reach + (cols * part).sum() / part.sum()


def test_spots_come_out_where_they_are():
    observed, box, spots = scene()
    frame = to_cea(observed, box)
    for lon, lat in spots:
        expected = pixel_of(frame.geometry, lon, lat)
        found = centre_near(frame.maps["continuum"], *expected)
        assert np.hypot(*np.subtract(found, expected)) < 0.05
        np.testing.assert_allclose(frame.geometry.lon_lat(*expected), (lon, lat), atol=1e-6)


def test_every_pixel_shows_its_own_place():
    observed, box, spots = scene()
    frame = to_cea(observed, box)
    lon, lat = frame.geometry.lon_lat(*np.indices(box.shape))
    off = frame.maps["continuum"] - spotted(lon, lat, spots)
    assert np.isfinite(off).mean() > 0.5  # the turned image does not fill its box
    assert np.nanmax(np.abs(off)) < 0.5  # of 500


def test_mu_and_places_are_those_of_sunpy():
    observed, box, _ = scene()
    geometry = to_cea(observed, box).geometry
    rows, cols = np.indices(box.shape)
    tx, ty = geometry.helioprojective(rows, cols)
    places = carrington(observed, tx, ty)
    lon, lat = geometry.lon_lat(rows, cols)
    np.testing.assert_allclose(places.lon.to_value(u.deg), lon, atol=2e-6)
    np.testing.assert_allclose(places.lat.to_value(u.deg), lat, atol=2e-6)
    seen = places.transform_to(Heliocentric(observer=observed.observer_coordinate, obstime=observed.reference_date))
    out = seen.cartesian.xyz.to_value(u.m)
    to_observer = np.array([0, 0, observed.dsun.to_value(u.m)])[:, None, None] - out
    cosine = (out * to_observer).sum(axis=0) / np.linalg.norm(out, axis=0) / np.linalg.norm(to_observer, axis=0)
    np.testing.assert_allclose(geometry.mu_map(box.shape), cosine, atol=1e-7)
    assert 0.8 < cosine.min() < cosine.max() < 0.99


def test_the_box_is_followed_with_the_sun():
    observed, box, spots = scene()
    before = to_cea(observed, box)
    # three days later the Sun has turned by 40 degrees: look to where the region is by then
    later = map_of(np.zeros(SHAPE), Pointing(UTC + timedelta(days=3), 0.6))
    frame = HeliographicCarrington(observer=later.observer_coordinate, obstime=later.reference_date)
    seen = SkyCoord(box.lon_deg * u.deg, box.lat_deg * u.deg, frame=frame).transform_to(later.coordinate_frame)
    tx, ty = seen.Tx.to_value(u.arcsec), seen.Ty.to_value(u.arcsec)
    assert tx > 200  # it was at -310
    after = to_cea(drawn(Pointing(UTC + timedelta(days=3), 0.6, tx, ty), spots), box)
    assert after.t_rec_s - before.t_rec_s == 3 * 86400
    assert after.cards["CRVAL1"] == before.cards["CRVAL1"]
    for lon, lat in spots:
        row, col = pixel_of(before.geometry, lon, lat)
        centres = [centre_near(part.maps["continuum"], row, col) for part in (before, after)]
        assert np.hypot(*np.subtract(*centres)) < 0.05


def test_the_frame_is_a_sequences_frame():
    observed, box, _ = scene()
    frame = to_cea(observed, box)
    assert (frame.harpnum, list(frame.maps), frame.shape) == (0, ["continuum"], box.shape)
    raw = write_sequence_frame(frame.maps["continuum"], t_rec_s=frame.t_rec_s, cards={"SEQUENCE": "s", **frame.cards})
    back = read_sequence_frame(raw, "s.fits")
    np.testing.assert_array_equal(back.data, frame.maps["continuum"])
    assert CeaGeometry.from_header(back.cards) == frame.geometry
    assert back.t_rec_s == t_rec_s_of(UTC) == parse_t_rec("2013.06.20_10:35:15_TAI")
    read = sunpy.map.Map(back.data, back.cards)
    np.testing.assert_allclose(read.carrington_longitude.to_value(u.deg), frame.geometry.crln_obs, atol=1e-6)


# -- There and back with real pores ---------------------------------------------------------------------------


def pores(continuum: np.ndarray, geometry: CeaGeometry) -> Any:
    contrast = flatten(continuum, geometry).contrast
    return measure_features(label_pores(contrast, threshold=0.6, min_pixels=12), contrast=contrast, geometry=geometry)


@cache
def as_image(record: str) -> tuple[PatchFrame, Any]:
    """A SHARP, and the image that a telescope with HMI's pixel, turned by 17 degrees, would have seen, by sunpy."""
    frame = real_frame(record)
    ny, nx = frame.shape
    sharp = sunpy.map.Map(frame.maps["continuum"], frame.cards)
    tx, ty = frame.geometry.helioprojective(np.array(ny / 2), np.array(nx / 2))
    observer = Helioprojective(observer=sharp.observer_coordinate, obstime=sharp.reference_date)
    header = sunpy.map.make_fitswcs_header(
        (500, 900), SkyCoord(tx * u.arcsec, ty * u.arcsec, frame=observer),
        scale=[0.504, 0.504] * u.arcsec / u.pix, rotation_angle=17 * u.deg,
    )  # fmt: skip
    header["rsun_ref"] = 6.96e8
    image = sharp.reproject_to(header, algorithm="interpolation", order="bicubic")
    return frame, read_map(image.data, {**image.meta, "T_REC": frame.t_rec})


@needs_real_data
@pytest.mark.parametrize("record", ["2875.20130620_103600", "2875.20130622_084800"], ids=["mu 0.9", "mu 0.7"])
def test_real_pores_go_there_and_back(record):
    frame, observed = as_image(record)
    ny, nx = frame.shape
    geometry = frame.geometry
    back = to_cea(observed, CeaBox(geometry.crval1, geometry.crval2, step_of(observed), (ny, nx)))
    assert back.t_rec == frame.t_rec
    assert back.geometry == geometry  # the SHARP's middle is its reference pixel
    before, after = pores(frame.maps["continuum"], geometry), pores(back.maps["continuum"], back.geometry)
    nearest = [np.argmin(np.hypot(after["row"] - pore["row"], after["col"] - pore["col"])) for pore in before]
    apart = np.hypot(after["row"][nearest] - before["row"], after["col"][nearest] - before["col"])
    ratio = after["area_px"][nearest] / before["area_px"]
    assert len(before) >= 6
    assert apart.max() < 0.1
    np.testing.assert_allclose(ratio, 1, atol=0.03)
    assert after["area_px"][nearest].sum() / before["area_px"].sum() == pytest.approx(1, abs=0.005)


@needs_real_data
def test_the_spline_is_sunpys_where_that_gives_anything():
    frame, observed = as_image("2875.20130620_103600")
    geometry = frame.geometry
    box = CeaBox(geometry.crval1, geometry.crval2, 0.03, frame.shape)
    own = to_cea(observed, box)
    target = sunpy.map.Map(np.zeros(frame.shape), own.cards).wcs
    filled = sunpy.map.Map(fill_missing(observed.data)[0], observed.meta)
    theirs = {
        order: filled.reproject_to(target, algorithm="interpolation", order=order).data
        for order in ("bicubic", "bilinear")
    }
    known = np.isfinite(own.maps["continuum"])
    assert known.mean() > 0.99
    off = {order: np.abs(own.maps["continuum"] - data)[known].max() / 57_000 for order, data in theirs.items()}
    assert off["bicubic"] < 1e-6
    assert off["bilinear"] > 0.01  # so that the comparison tells one from the other


# -- What images lack ----------------------------------------------------------------------------------------


def test_what_has_no_data_has_none_afterwards():
    observed, box, _ = scene()
    data = observed.data.copy()
    data[100:103, 120:124] = np.nan
    whole, holed = (to_cea(map_of(image, POINTING), box).maps["continuum"] for image in (observed.data, data))
    lost = np.isnan(holed) & np.isfinite(whole)
    step = step_of(observed)
    assert lost.sum() == pytest.approx(12 * (0.6 / 960 * 57.3 / step) ** 2, rel=0.6)  # 12 pixels of the image
    far = np.isfinite(holed) & (np.abs(holed - whole) > 1e-3 * 1000)
    assert far.sum() < 60  # the rest is as it was


def test_beyond_the_limb_and_outside_the_image_is_nothing():
    pointing = Pointing(UTC, 2.0, tx_arcsec=-860.0, ty_arcsec=0.0)
    observed = drawn(pointing, np.zeros((0, 2)), shape=(120, 120))
    box = CeaBox(box_around(observed).lon_deg, 2.0, 0.1, (200, 600))
    frame = to_cea(observed, box)
    mu = frame.geometry.mu_map(box.shape)
    assert np.isnan(frame.maps["continuum"][np.isnan(mu)]).all()
    tx, ty = frame.geometry.helioprojective(*np.indices(box.shape))
    outside = (tx < -980) | (tx > -740) | (np.abs(ty) > 120)
    assert np.isnan(frame.maps["continuum"][outside]).all()
    inside = (tx > -925) & (tx < -742) & (np.abs(ty) < 118)  # the outermost pixels touch the sky
    np.testing.assert_allclose(frame.maps["continuum"][inside], 1000, rtol=1e-5)
    with pytest.raises(FrameError, match="beyond the limb"):
        to_cea(observed, CeaBox((box.lon_deg + 180) % 360, 2.0, 0.03, (20, 20)))
    with pytest.raises(FrameError, match="outside the image"):
        to_cea(observed, CeaBox(box.lon_deg + 60, 2.0, 0.03, (20, 20)))


@pytest.mark.parametrize(
    ("pixel", "step"), [(0.504, 0.03), (0.6, 0.035), (1.0, 0.06), (0.34, 0.02), (0.1, 0.006), (0.034, 0.002)]
)
def test_the_pixel_is_the_images_own_rounded(pixel, step):
    found = step_of(map_of(np.zeros((8, 8)), Pointing(UTC, pixel)))
    assert found == step
    assert found / (pixel / 3600 * 213.8) == pytest.approx(1, abs=0.125)


def test_the_pixel_is_that_of_the_surface_not_of_the_suns_middle():
    """Which is further away by half a percent: 0.0324 degrees at disk centre by sunpy, and 0.0326 of it."""
    observed = map_of(np.zeros((8, 8)), Pointing(UTC, 0.536))
    one, other = (
        carrington(observed, np.array([tx]), np.array([0.0])).lon.to_value(u.deg)[0] for tx in (-0.268, 0.268)
    )
    assert other - one == pytest.approx(0.0324, abs=5e-5)
    assert step_of(observed) == 0.03  # and not 0.035


@pytest.mark.parametrize(("width", "n_pixels"), [(0.27, 9), (0.9, 30), (0.91, 31)])
def test_a_box_of_whole_pixels_has_no_more(width, n_pixels):
    observed = map_of(np.zeros((8, 8)), Pointing(UTC, 0.504))
    assert box_around(observed, width_deg=width, height_deg=0.27).shape == (9, n_pixels)


def test_the_outer_half_of_the_outermost_pixels_is_in_the_image():
    places = np.array([-0.6, -0.4, 2.0, 4.4, 4.6])
    for row, col in ((places, np.full(5, 2.0)), (np.full(5, 2.0), places)):
        found = heliographic._sampled(np.full((5, 5), 7.0), row, col)
        np.testing.assert_allclose(found, [np.nan, 7, 7, 7, np.nan])


def test_upward_is_the_position_angle():
    """Turned by 90 degrees, what lies above the middle of the image lies to the east of it."""
    data = np.full((41, 41), 1000.0)
    data[34:37, 19:22] = 100
    observed = map_of(data, Pointing(UTC, 1.0, rotation_deg=90.0))
    frame = to_cea(observed, box_around(observed))
    row, col = np.unravel_index(np.nanargmin(frame.maps["continuum"]), frame.shape)
    tx, ty = frame.geometry.helioprojective(row, col)
    assert (float(tx), float(ty)) == (pytest.approx(-15, abs=1.5), pytest.approx(0, abs=1.5))


def test_the_box_can_be_given_on_the_whole_disk():
    full = Pointing(UTC, 8.0)
    observed = drawn(full, np.zeros((0, 2)), shape=(260, 260))
    with pytest.raises(ParameterError, match="give a size of at most 120 degrees"):
        box_around(observed)
    box = box_around(observed, tx_arcsec=300, ty_arcsec=-200, width_deg=20, height_deg=12)
    assert (box.step_deg, box.shape) == (0.485, (25, 42))
    row, col = (np.array((side - 1) / 2) for side in box.shape)
    assert to_cea(observed, box).geometry.helioprojective(row, col) == (
        pytest.approx(300, abs=0.01), pytest.approx(-200, abs=0.01)
    )  # fmt: skip
    with pytest.raises(FrameError, match="Tx 1000, Ty 0 arcsec, is off the disk"):
        box_around(observed, tx_arcsec=1000, ty_arcsec=0, width_deg=5, height_deg=5)
    beside = map_of(np.zeros((8, 8)), Pointing(UTC, 1.0, tx_arcsec=1200.0))
    with pytest.raises(FrameError, match="nothing of the image is on the disk"):
        box_around(beside, tx_arcsec=300, ty_arcsec=0)
    with pytest.raises(ParameterError, match="more than 64000000; give a smaller size"):
        box_around(map_of(np.zeros((8, 8)), Pointing(UTC, 0.05)), width_deg=40, height_deg=40)


# -- Headers ---------------------------------------------------------------------------------------------------

HEADER = {
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": 0.6, "CDELT2": 0.6,
    "CRPIX1": 190.5, "CRPIX2": 150.5, "CRVAL1": -310.0, "CRVAL2": 190.0, "CROTA2": 25.0,
    "DATE-OBS": "2013-06-20T10:34:40",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"CTYPE1": "SOLAR-X", "CTYPE2": "SOLAR-Y"},
        {"CTYPE1": "solar_x", "CTYPE2": "solar_y", "CUNIT1": None, "CUNIT2": None},
        {"DATE-OBS": None, "T_OBS": "2013.06.20_10:35:15_TAI"},
        {"RSUN_REF": 6.96e8, "HGLN_OBS": 0.0},
    ],
    ids=["plain", "old axes", "old axes without units", "JSOC's time", "a radius"],
)
def test_headers_of_every_kind(changes):
    observed, box, _ = scene()
    cards = {card: value for card, value in {**HEADER, **changes}.items() if value is not None}
    found = to_cea(read_map(observed.data, cards), box)
    expected = to_cea(observed, box)
    assert found.geometry == expected.geometry
    assert found.t_rec == expected.t_rec
    np.testing.assert_allclose(found.maps["continuum"], expected.maps["continuum"], rtol=1e-6)


def test_the_observer_is_the_headers_where_it_tells():
    observed, box, _ = scene()
    from_l5 = read_map(observed.data, {**HEADER, "HGLN_OBS": -60.0, "HGLT_OBS": 1.0, "DSUN_OBS": 1.4e11})
    moved = to_cea(from_l5, box_around(from_l5)).geometry
    earth = to_cea(observed, box).geometry
    assert (earth.crln_obs - moved.crln_obs) % 360 == pytest.approx(60, abs=0.01)
    assert (moved.crlt_obs, moved.dsun_obs) == (pytest.approx(1.0, abs=1e-6), 1.4e11)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CTYPE1": "CRLN-CEA"}, "not helioprojective: CTYPE1 is CRLN-CEA"),
        ({"CTYPE2": None}, "not helioprojective: CTYPE2 is missing"),
        ({"DATE-OBS": None}, "no time"),
        ({"DATE-OBS": "yesterday"}, "no time: DATE-OBS is yesterday"),
        ({"CUNIT1": "parsec"}, "cannot be read"),
    ],
    ids=["CEA", "no axis", "no time", "no moment", "no angle"],
)
def test_headers_that_do_not_tell_are_refused(changes, words):
    cards = {card: value for card, value in {**HEADER, **changes}.items() if value is not None}
    with pytest.raises(FrameError, match=words):
        read_map(np.zeros((5, 5)), cards)


def test_numbers_without_a_meaning_are_refused():
    with pytest.raises(ParameterError, match="pixel larger than 0"):
        map_of(np.zeros((5, 5)), Pointing(UTC, 0.0))
    with pytest.raises(FrameError, match="two-dimensional"):
        map_of(np.zeros(5), Pointing(UTC, 1.0))
    with pytest.raises(FrameError, match="finite pixels"):
        read_map(np.full((5, 5), np.nan), HEADER)
