"""Numbers of features: scikit-image for the shape, worked examples for the physics."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops

from processing.errors import FrameError
from processing.flags import FeatureFlag
from processing.measure import measure_features
from processing.segment import label_pores
from tests.processing.drawing import GEOMETRY, SHAPE, draw

WORKING = GEOMETRY.doubled()
UNITS = {
    "lon": u.deg, "lat": u.deg, "tx": u.arcsec, "ty": u.arcsec, "area": u.Mm**2, "area_projected": u.Mm**2,
    "bx": u.G, "by": u.G, "bz": u.G, "b": u.G, "b_max": u.G, "flux": u.Mx, "major": u.Mm, "minor": u.Mm,
    "orientation": u.deg,
}  # fmt: skip


def field_of(br: float = 0, bt: float = 0, bp: float = 0) -> dict[str, np.ndarray]:
    """A uniform field, gauss."""
    return {name: np.full(SHAPE, float(value)) for name, value in (("Br", br), ("Bt", bt), ("Bp", bp))}


def square(rows: slice = slice(10, 20), cols: slice = slice(30, 40)) -> tuple[np.ndarray, np.ndarray]:
    """Labels and contrast of one pore of 100 pixels."""
    labels = np.zeros(SHAPE, np.int32)
    labels[rows, cols] = 1
    return labels, np.where(labels > 0, 0.3, 1.0)


@given(st.integers(0, 2**32 - 1), st.floats(1.2, 4))
def test_shapes_are_those_of_scikit_image(seed, smoothness):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), smoothness)
    contrast = 1 + noise / noise.std()
    labels = label_pores(contrast, threshold=0.2, min_pixels=4)
    features = measure_features(labels, contrast=contrast, geometry=GEOMETRY)
    regions = regionprops(labels, intensity_image=contrast)
    assert len(features) == len(regions)
    side = GEOMETRY.pixel_side_mm
    for feature, region in zip(features, regions, strict=True):
        assert feature["label"] == region.label
        assert feature["area_px"] == region.area
        assert (feature["row"], feature["col"]) == pytest.approx(region.centroid)
        assert feature["intensity_mean"] == pytest.approx(region.intensity_mean)
        assert feature["intensity_min"] == pytest.approx(region.intensity_min)
        # scikit-image takes pixels as points, we as squares, whose own second moment is 1/12
        major, minor = (np.sqrt(axis**2 + 16 / 12) for axis in (region.axis_major_length, region.axis_minor_length))
        assert feature["major"].to_value(u.Mm) / side == pytest.approx(major)
        assert feature["minor"].to_value(u.Mm) / side == pytest.approx(minor)
        if region.axis_major_length > 1.01 * region.axis_minor_length:
            # scikit-image counts from the rows towards the columns, we from west (columns) towards north (rows)
            turned = feature["orientation"].to_value(u.deg) + np.rad2deg(region.orientation) - 90
            assert (turned + 90) % 180 - 90 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("angle", [-60, -20, 0, 30, 75, 90])
def test_orientation_runs_from_west_towards_north(angle):
    rows, cols = np.indices(SHAPE) - np.array([32, 48])[:, None, None]
    along = cols * np.cos(np.deg2rad(angle)) + rows * np.sin(np.deg2rad(angle))
    across = -cols * np.sin(np.deg2rad(angle)) + rows * np.cos(np.deg2rad(angle))
    labels = ((along / 20) ** 2 + (across / 8) ** 2 <= 1).astype(np.int32)
    feature = measure_features(labels, contrast=np.ones(SHAPE), geometry=WORKING)[0]
    assert (feature["orientation"].to_value(u.deg) - angle + 90) % 180 - 90 == pytest.approx(0, abs=1)
    assert feature["major"].to_value(u.Mm) == pytest.approx(40 * WORKING.pixel_side_mm, rel=0.02)
    assert feature["minor"].to_value(u.Mm) == pytest.approx(16 * WORKING.pixel_side_mm, rel=0.02)


def test_areas_on_the_sun_and_as_seen():
    labels, contrast = square()
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY)[0]
    assert feature["area"].to_value(u.Mm**2) == pytest.approx(13.28, abs=5e-3)
    assert feature["area_msh"] == pytest.approx(13.28 / (2 * np.pi * 696**2) * 1e6, rel=1e-3)
    assert feature["area_projected"].value / feature["area"].value == pytest.approx(float(feature["mu"]), rel=1e-4)
    doubled = measure_features(labels, contrast=contrast, geometry=WORKING)[0]
    assert doubled["area"].value * 4 == pytest.approx(feature["area"].value)


def test_places_are_those_of_the_mean_pixel():
    labels, contrast = square()
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY)[0]
    assert (feature["row"], feature["col"]) == (14.5, 34.5)
    expected = [*GEOMETRY.lon_lat(14.5, 34.5), *GEOMETRY.helioprojective(14.5, 34.5)]
    np.testing.assert_allclose([feature[name].value for name in ("lon", "lat", "tx", "ty")], expected)
    assert feature["mu"] == pytest.approx(float(GEOMETRY.mu(14.5, 34.5)))


def test_the_field_points_west_north_and_out():
    labels, contrast = square()
    field = field_of(br=-1200, bt=300, bp=400)
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field)[0]
    assert [feature[name].to_value(u.G) for name in ("bx", "by", "bz")] == [400, -300, -1200]
    assert feature["b"].to_value(u.G) == feature["b_max"].to_value(u.G) == 1300
    assert feature["flags"] == 0


def test_flux_is_field_times_area():
    labels, contrast = square()
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field_of(br=1000))[0]
    assert feature["flux"].to_value(u.Mx) == pytest.approx(1000 * 13.28e16, rel=1e-3)  # 1 Mm2 is 1e16 cm2
    assert feature["flux"].to_value(u.Mx) == pytest.approx((1000 * u.G * feature["area"]).to_value(u.G * u.cm**2))


def test_the_mean_is_over_the_pores_own_pixels():
    labels, contrast = square()
    field = field_of()
    field["Br"][10:20, 30:40] = np.arange(100).reshape(10, 10)
    field["Br"][0, 0] = 1e6
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field)[0]
    assert feature["bz"].to_value(u.G) == 49.5
    assert feature["b_max"].to_value(u.G) == 99


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ("Br", {"bz", "flux", "b", "b_max"}),
        ("Bt", {"by", "b", "b_max"}),
        ("Bp", {"bx", "b", "b_max"}),
        ("all", {"bx", "by", "bz", "b", "b_max", "flux"}),
    ],
)
def test_without_a_component_what_needs_it_is_unknown(missing, unknown):
    labels, contrast = square()
    field = {name: image for name, image in field_of(br=1000).items() if missing not in (name, "all")}
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field)[0]
    names = ("bx", "by", "bz", "b", "b_max", "flux")
    assert {name for name in names if np.isnan(feature[name].value)} == unknown
    assert feature["flags"] == FeatureFlag.NO_FIELD
    assert feature["area_px"] == 100


@pytest.mark.parametrize("missing", ["Br", "Bt", "Bp"])
def test_a_pore_over_missing_field_is_flagged_and_its_neighbour_is_not(missing):
    contrast = draw([(20, 20, 6), (44, 70, 9)])
    field = field_of(br=1000)
    field[missing][20, 20] = np.nan
    features = measure_features(label_pores(contrast), contrast=contrast, geometry=GEOMETRY, field=field)
    assert (features["flags"] & FeatureFlag.NO_FIELD > 0).tolist() == [True, False]
    assert np.isfinite(features["flux"][1])
    assert np.isnan(features["b"][0])


@pytest.mark.parametrize(
    ("rows", "cols", "on_edge"),
    [
        (slice(1, 9), slice(30, 40), False),
        (slice(0, 9), slice(30, 40), True),
        (slice(-9, None), slice(30, 40), True),
        (slice(10, 20), slice(0, 9), True),
        (slice(10, 20), slice(-9, None), True),
        (slice(10, 20), slice(-9, -1), False),
    ],
    ids=["one row away", "south", "north", "east", "west", "one column away"],
)
def test_touching_the_border_is_flagged(rows, cols, on_edge):
    labels, contrast = square(rows, cols)
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field_of())[0]
    assert bool(feature["flags"] & FeatureFlag.ON_EDGE) == on_edge


@pytest.mark.parametrize(("col", "on_edge"), [(40, True), (41, False)], ids=["beside", "one pixel away"])
def test_touching_missing_pixels_is_flagged(col, on_edge):
    labels, contrast = square()
    contrast[12, col] = np.nan
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field_of())[0]
    assert bool(feature["flags"] & FeatureFlag.ON_EDGE) == on_edge


def test_a_hole_belongs_to_nobody():
    labels, contrast = square()
    labels[14:16, 34:36] = 0
    field = field_of(br=1000)
    field["Br"][14:16, 34:36] = 1e6
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field)[0]
    assert feature["area_px"] == 96
    assert feature["bz"].to_value(u.G) == 1000
    assert (feature["row"], feature["col"]) == (14.5, 34.5)


@pytest.mark.parametrize("field", [None, field_of()], ids=["no field", "field"])
def test_no_feature_gives_an_empty_table_of_the_same_columns(field):
    labels, contrast = square()
    one = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field)
    none = measure_features(np.zeros_like(labels), contrast=contrast, geometry=GEOMETRY, field=field)
    assert len(none) == 0
    assert none.colnames == one.colnames
    for name in one.colnames:
        assert none[name].unit == one[name].unit, name
        assert none[name].dtype.kind == one[name].dtype.kind, name


def test_columns_carry_their_units():
    labels, contrast = square()
    features = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field_of())
    assert {name: features[name].unit for name in UNITS} == UNITS
    assert all(features[name].unit is None for name in set(features.colnames) - set(UNITS))


@pytest.mark.parametrize("name", ["contrast", "Bt"])
def test_all_maps_have_one_shape(name):
    labels, contrast = square()
    maps = {"contrast": contrast, **field_of()}
    maps[name] = np.ones((5, 5))
    with pytest.raises(FrameError, match=f"{name} is"):
        measure_features(labels, contrast=maps.pop("contrast"), geometry=GEOMETRY, field=maps)


def test_two_pores_are_measured_apart():
    contrast = draw([(20, 20, 6), (44, 70, 9)])
    labels = label_pores(contrast)
    field = field_of()
    field["Br"][:, :48], field["Br"][:, 48:] = 1500, -900
    features = measure_features(labels, contrast=contrast, geometry=WORKING, field=field)
    assert features["bz"].to_value(u.G).tolist() == [1500, -900]
    assert features["col"].tolist() == [20, 70]
