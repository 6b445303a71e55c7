"""Numbers of features: scikit-image for the shape, worked examples for the physics, repeated noise for the errors."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops

from processing.errors import FrameError
from processing.flags import FeatureFlag
from processing.geometry import CeaGeometry
from processing.measure import measure_features
from processing.reduce import flatten
from processing.segment import label_pores
from processing.upscale import upscale_cubic
from tests.processing.drawing import GEOMETRY, SHAPE, draw
from tests.real_data import each_record, needs_real_data, real_frame

WORKING = GEOMETRY.doubled()
UNITS = {
    "lon": u.deg, "lat": u.deg, "tx": u.arcsec, "ty": u.arcsec, "area": u.Mm**2, "area_err": u.Mm**2,
    "umbra_area": u.Mm**2, "area_projected": u.Mm**2, "bx": u.G, "by": u.G, "bz": u.G, "bx_err": u.G, "by_err": u.G,
    "bz_err": u.G, "b": u.G, "b_max": u.G, "inclination": u.deg, "azimuth": u.deg, "flux": u.Mx, "flux_err": u.Mx,
    "major": u.Mm, "minor": u.Mm, "orientation": u.deg, "perimeter": u.Mm,
}  # fmt: skip
PLACES = ("row", "col", "lon", "lat", "tx", "ty", "mu", "area_projected", "area_projected_msh", "area_projected_msd")
seeds = st.integers(0, 2**32 - 1)


def field_of(br: float = 0, bt: float = 0, bp: float = 0) -> dict[str, np.ndarray]:
    """A uniform field, gauss."""
    return {name: np.full(SHAPE, float(value)) for name, value in (("Br", br), ("Bt", bt), ("Bp", bp))}


def square(rows: slice = slice(10, 20), cols: slice = slice(30, 40)) -> tuple[np.ndarray, np.ndarray]:
    """Labels and contrast of one pore of 100 pixels."""
    labels = np.zeros(SHAPE, np.int32)
    labels[rows, cols] = 1
    return labels, np.where(labels > 0, 0.3, 1.0)


def everything(seed: int, smoothness: float = 2) -> tuple[np.ndarray, dict[str, np.ndarray | Mapping[str, np.ndarray]]]:
    """Labels of random patches at a limit of 0.2, and every map that can be measured with them."""
    rng, shape = np.random.default_rng(seed), (36, 50)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), smoothness)
    contrast = 1 + noise / noise.std()
    field = {name: rng.normal(300, 500, shape) for name in ("Br", "Bt", "Bp")}
    errors = {f"{name}_err": rng.uniform(10, 90, shape) for name in field}
    maps = {"contrast": contrast, "field": field, "field_errors": errors, "margin": contrast - 0.2}
    return label_pores(contrast, threshold=0.2, min_pixels=4), maps


def value(features: QTable, name: str) -> np.ndarray:
    """A column without its unit."""
    return np.asarray(getattr(features[name], "value", features[name]))


@given(seeds, st.floats(1.2, 4))
def test_shapes_are_those_of_scikit_image(seed, smoothness):
    labels, maps = everything(seed, smoothness)
    features = measure_features(labels, contrast=maps["contrast"], geometry=GEOMETRY)
    regions = regionprops(labels, intensity_image=maps["contrast"])
    side = GEOMETRY.pixel_side_mm
    # scikit-image takes pixels as points, we as squares, whose own second moment is 1/12
    axes = np.array([(region.axis_major_length, region.axis_minor_length) for region in regions]).reshape(-1, 2).T
    major, minor = side * np.sqrt(axes**2 + 16 / 12)
    # its length is half a pixel shorter wherever two corners touch; tests of the outline are exact
    crofton = [perimeter_crofton(np.pad(ndimage.binary_fill_holes(region.image), 1)) * side for region in regions]
    for name, expected, rtol in (
        ("label", [region.label for region in regions], 0), ("area_px", [region.area for region in regions], 0),
        *((name, [region.centroid[axis] for region in regions], 1e-9) for axis, name in enumerate(("row", "col"))),
        ("intensity_mean", [region.intensity_mean for region in regions], 1e-9),
        ("intensity_min", [region.intensity_min for region in regions], 0),
        ("major", major, 1e-9), ("minor", minor, 1e-9), ("perimeter", crofton, 0.2),
    ):  # fmt: skip
        np.testing.assert_allclose(value(features, name), expected, rtol=rtol, err_msg=name)
    # scikit-image counts from the rows towards the columns, we from west (columns) towards north (rows)
    turned = value(features, "orientation") + np.rad2deg([region.orientation for region in regions]) - 90
    np.testing.assert_allclose(((turned + 90) % 180 - 90)[major > 1.01 * minor], 0, atol=1e-6)


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
    assert feature["area_projected_msh"] / feature["area_msh"] == pytest.approx(float(feature["mu"]), rel=1e-4)
    assert feature["area_projected_msd"] == pytest.approx(feature["area_projected"].value / (np.pi * 696**2) * 1e6)
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


@pytest.mark.parametrize(("missing", "unknown"), [
    ("Br", {"bz", "flux", "b", "b_max"}), ("Bt", {"by", "b", "b_max"}), ("Bp", {"bx", "b", "b_max"}),
    ("all", {"bx", "by", "bz", "b", "b_max", "flux"}),
])  # fmt: skip
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


@pytest.mark.parametrize(("rows", "cols", "on_edge"), [
    (slice(1, 9), slice(30, 40), False), (slice(0, 9), slice(30, 40), True), (slice(-9, None), slice(30, 40), True),
    (slice(10, 20), slice(0, 9), True), (slice(10, 20), slice(-9, None), True), (slice(10, 20), slice(-9, -1), False),
], ids=["one row away", "south", "north", "east", "west", "one column away"])  # fmt: skip
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


@pytest.mark.parametrize("name", ["contrast", "Bt", "Br_err", "margin"])
def test_all_maps_have_one_shape(name):
    labels, contrast = square()
    small = np.ones((5, 5))
    wrong = {"Bt": {"field": {"Bt": small}}, "Br_err": {"field_errors": {"Br_err": small}}}.get(name, {name: small})
    with pytest.raises(FrameError, match=f"{name} is"):
        measure_features(labels, geometry=GEOMETRY, **{"contrast": contrast, **wrong})


@pytest.mark.parametrize("away", [0, 40, 75])
def test_the_area_as_seen_is_that_of_all_pixels(away):
    rows, cols = np.indices((300, 300)) - 150
    spot = ((cols - rows) / 140) ** 2 + ((cols + rows) / 20) ** 2 <= 1  # 200 pixels long, aslant
    geometry = CeaGeometry(**{**vars(WORKING), "crln_obs": WORKING.crval1 - away})
    feature = measure_features(spot.astype(np.int32), contrast=np.ones(spot.shape), geometry=geometry)[0]
    expected = geometry.mu_map(spot.shape)[spot].sum() * geometry.pixel_area_mm2
    assert feature["area_projected"].to_value(u.Mm**2) == pytest.approx(expected, rel=1e-7)


def test_a_pore_of_four_pixels_by_hand():
    contrast = np.array([
        [1.00, 1.00, 0.51, 1.00, 1.00],
        [1.00, 0.20, 0.40, 0.515, 0.519],
        [1.00, 0.49, 0.30, 1.00, 1.00],
        [1.00, 0.60, 1.00, 0.51, 1.00],
        [0.51, 0.50, 1.00, 1.00, 1.00],
    ])  # fmt: skip
    labels = (contrast < 0.5).astype(np.int32)
    br, bt, bp = (np.where(labels, 1.0, 9e9) for _ in range(3))
    br[1:3, 1:3], bt[1:3, 1:3], bp[1:3, 1:3] = [[-900, -1100], [-1000, -1400]], [[-100, 0], [100, 400]], -100
    errors = {"Br_err": br * 0 + [[0], [30], [40], [0], [0]], "Bt_err": br * 0 + 10, "Bp_err": br * 0 + 6}
    feature = measure_features(
        labels, contrast=contrast, geometry=GEOMETRY, field={"Br": br, "Bt": bt, "Bp": bp}, field_errors=errors,
        margin=contrast - 0.5, umbra_level=0.35,
    )[0]  # fmt: skip
    pixel = (np.deg2rad(0.03) * 696) ** 2  # 0.1328 Mm2
    assert feature["area"].to_value(u.Mm**2) == pytest.approx(4 * pixel)
    assert feature["umbra_area_px"] == 2  # 0.20 and 0.30
    assert feature["umbra_area"].to_value(u.Mm**2) == pytest.approx(2 * pixel)
    # lower limit: 0.49 is lost; higher: 0.51 above, 0.515 beside and 0.519 behind it are gained, but not 0.51 below,
    # which touches by a corner, nor 0.50 and 0.51 beyond a bright pixel: (1 + 3) / 2
    assert feature["area_err"].to_value(u.Mm**2) == pytest.approx(2 * pixel)
    assert feature["intensity_mean"] == pytest.approx(0.3475)
    # Br sums to -4400, Bt to 400, Bp to -400
    assert [feature[name].to_value(u.G) for name in ("bx", "by", "bz")] == [-100, -100, -1100]
    assert feature["flux"].to_value(u.Mx) == pytest.approx(-4400 * pixel * 1e16)
    # of the vector (-100, -100, -1100): 180 - atan(141.42 / 1100), and halfway from east to south
    assert feature["inclination"].to_value(u.deg) == pytest.approx(172.6740, abs=1e-4)
    assert feature["azimuth"].to_value(u.deg) == pytest.approx(225)
    # native grid: sqrt(2 * 30**2 + 2 * 40**2) = 70.71 over 4 pixels; sqrt(4) * 10 / 4; sqrt(4) * 6 / 4
    assert [feature[f"b{axis}_err"].to_value(u.G) for axis in "xyz"] == pytest.approx([3, 5, 17.6777], abs=1e-4)
    assert feature["flux_err"].to_value(u.Mx) == pytest.approx(np.sqrt(5000) * pixel * 1e16)


def test_four_pixels_of_the_doubled_grid_are_one_sample():
    labels, contrast = square()
    errors = {f"{name}_err": image for name, image in field_of(br=20, bt=20, bp=20).items()}
    maps = {"contrast": contrast, "field": field_of(br=1), "field_errors": errors}
    found = [
        measure_features(labels, geometry=geometry, pixels_per_sample=share, **maps)["bz_err"][0].to_value(u.G)
        for geometry, share in ((GEOMETRY, None), (WORKING, None), (WORKING, 1), (GEOMETRY, 4))
    ]
    # 100 pixels are 100 samples, or 25
    assert found == pytest.approx([2, 4, 2, 4])
    labels[:], labels[5, 5] = 0, 1
    assert measure_features(labels, geometry=WORKING, **maps)["bz_err"][0].to_value(u.G) == 20  # never more than one


@pytest.mark.parametrize("radius", [6, 9, 12])
def test_the_standard_error_is_the_scatter_over_repeated_noise(radius):
    rng = np.random.default_rng(11)
    labels = label_pores(draw([(30, 47, radius)]))
    noise = [upscale_cubic(rng.normal(0, 50, (SHAPE[0] // 2, SHAPE[1] // 2)))[labels > 0].mean() for _ in range(300)]
    maps = {"contrast": draw([]), "field": field_of(), "field_errors": {"Br_err": np.full(SHAPE, 50.0)}}
    error = measure_features(labels, geometry=WORKING, **maps)["bz_err"][0].to_value(u.G)
    assert np.std(noise) / error == pytest.approx(0.97, abs=0.13)  # 300 draws: 4 %; one sample a pixel would give 2


@given(seeds, st.floats(0.8, 3))
def test_the_error_of_the_area_is_what_other_limits_give(seed, smoothness):
    labels, maps = everything(seed, smoothness)
    features = measure_features(labels, geometry=GEOMETRY, **maps)
    lower, higher = (label_pores(maps["contrast"], threshold=0.2 + step, min_pixels=1) for step in (-0.02, 0.02))
    change = value(features, "area_err") / GEOMETRY.pixel_area_mm2
    # patches that grow together share what they gain, so they are compared together
    joined = ndimage.maximum(higher, labels, features["label"])
    for patch in np.unique(joined):
        inside = np.isin(labels, features["label"][joined == patch])
        expected = ((higher == patch).sum() - (inside & (lower > 0)).sum()) / 2
        assert change[joined == patch].sum() == pytest.approx(expected)


def test_what_two_pores_could_gain_goes_to_the_nearer():
    margin = np.full(SHAPE, 0.5)
    margin[20, 10:21] = 0.01
    margin[20, 10:12] = margin[20, 20] = -0.3
    labels = label_pores(margin, threshold=0, min_pixels=1)
    features = measure_features(labels, contrast=margin + 0.5, geometry=GEOMETRY, margin=margin)
    # columns 12 to 19 are eight pixels: four each
    np.testing.assert_allclose(value(features, "area_err"), [4 / 2 * GEOMETRY.pixel_area_mm2] * 2)


@given(seeds)
def test_sums_over_features_are_sums_over_the_mask(seed):
    labels, maps = everything(seed)
    features = measure_features(labels, geometry=WORKING, umbra_level=0, **maps)
    inside, pixel = labels > 0, WORKING.pixel_area_mm2
    assert features["area_px"].sum() == inside.sum()
    assert features["umbra_area_px"].sum() == (maps["contrast"] < 0)[inside].sum()
    assert value(features, "flux").sum() == pytest.approx(maps["field"]["Br"][inside].sum() * pixel * 1e16)
    noise = np.sqrt(4 * (maps["field_errors"]["Br_err"][inside] ** 2).sum()) * pixel * 1e16
    assert np.hypot.reduce(value(features, "flux_err")) == pytest.approx(noise)
    means = {"bx": maps["field"]["Bp"], "by": -maps["field"]["Bt"], "intensity_mean": maps["contrast"]}
    for name, image in means.items():
        assert (value(features, name) * features["area_px"]).sum() == pytest.approx(image[inside].sum())


@given(seeds, st.integers(1, 20), st.integers(1, 20))
def test_a_shift_changes_the_places_alone(seed, down, right):
    labels, maps = everything(seed)

    def measured(row: int, col: int) -> QTable:
        def put(image: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray | dict[str, np.ndarray]:
            if isinstance(image, Mapping):
                return {name: put(part) for name, part in image.items()}
            rest = [(row, 22 - row), (col, 22 - col)]
            return np.pad(image, rest, constant_values=0 if image is labels else 1)

        return measure_features(put(labels), geometry=GEOMETRY, **{name: put(image) for name, image in maps.items()})

    here, there = measured(1, 1), measured(1 + down, 1 + right)
    np.testing.assert_allclose(there["row"] - here["row"], down)
    np.testing.assert_allclose(there["col"] - here["col"], right)
    for name in set(here.colnames) - set(PLACES):
        np.testing.assert_array_equal(value(there, name), value(here, name), err_msg=name)


@given(seeds)
def test_other_numbers_bring_the_rows_into_another_order(seed):
    labels, maps = everything(seed)
    other = np.append(0, 1 + np.random.default_rng(seed).permutation(labels.max())).astype(np.int32)
    before = measure_features(labels, geometry=GEOMETRY, **maps)
    after = measure_features(other[labels], geometry=GEOMETRY, **maps)
    for name in set(before.colnames) - {"label"}:
        np.testing.assert_array_equal(value(after, name)[other[1:] - 1], value(before, name), err_msg=name)


@pytest.mark.parametrize(("br", "bt", "bp", "inclination", "azimuth"), [
    (1000, 0, 0, 0, 0), (-1000, 0, 0, 180, 0),
    (0, 0, 500, 90, 0), (0, -500, 0, 90, 90), (0, 0, -500, 90, 180), (0, 500, 0, 90, 270),
    (500, -500, 500, 54.735610, 45), (-500, 1e-20, 500, 135, 0),
], ids=["out", "in", "west", "north", "east", "south", "diagonal", "a hair south of west"])  # fmt: skip
def test_directions(br, bt, bp, inclination, azimuth):
    labels, contrast = square()
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field_of(br, bt, bp))[0]
    assert feature["inclination"].to_value(u.deg) == pytest.approx(inclination)
    assert feature["azimuth"].to_value(u.deg) == pytest.approx(azimuth)
    assert feature["azimuth"] < 360 * u.deg


def test_what_was_not_given_is_unknown():
    labels, contrast = square()
    field = field_of(br=1000)
    field["Bp"][12, 32] = np.nan
    errors = {f"{name}_err": np.ones(SHAPE) for name in ("Br", "Bp")}
    feature = measure_features(labels, contrast=contrast, geometry=GEOMETRY, field=field, field_errors=errors)[0]
    names = {"area_err", "bx_err", "by_err", "bz_err", "flux_err", "inclination", "azimuth"}
    assert {name for name in names if np.isnan(feature[name])} == names - {"bz_err", "flux_err"}


@pytest.mark.parametrize(("quality", "away", "flags"), [(0, 55, 0), (1, 0, 4), (0, 65, 8), (-(2**31), 120, 12)])
def test_bad_frames_and_the_limb_are_flagged(quality, away, flags):
    labels, contrast = square()
    geometry = CeaGeometry(**{**vars(GEOMETRY), "crval2": 0, "crlt_obs": 0, "crln_obs": GEOMETRY.crval1 - away})
    feature = measure_features(labels, contrast=contrast, geometry=geometry, field=field_of(), quality=quality)[0]
    assert feature["flags"] == flags


def test_a_label_without_a_pixel_is_refused():
    labels, contrast = square()
    labels[12, 32] = 3
    with pytest.raises(FrameError, match="label 2 has no pixel, but label 3 has"):
        measure_features(labels, contrast=contrast, geometry=GEOMETRY)


@needs_real_data
@each_record
def test_real_pores_are_those_of_scikit_image(record):
    frame = real_frame(record)
    contrast = flatten(frame.need("continuum"), frame.geometry).contrast
    labels = label_pores(contrast, threshold=0.6, min_pixels=6)
    features = measure_features(labels, contrast=contrast, geometry=frame.geometry, field=frame.maps)
    regions = regionprops(labels, intensity_image=np.stack([contrast, frame.maps["Br"]], axis=-1))
    assert features["area_px"].tolist() == [region.area for region in regions]
    means = np.stack([features["intensity_mean"], value(features, "bz")], axis=1)
    np.testing.assert_allclose(means, [region.intensity_mean for region in regions], rtol=1e-4)
    np.testing.assert_allclose(features["mu"], value(features, "area_projected") / value(features, "area"), atol=1e-4)
