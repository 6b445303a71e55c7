"""All steps in one call, on real records and on frames that lack something."""

import dataclasses

import astropy.units as u
import numpy as np
import pytest

from processing.chain import STAGES, process_frame
from processing.errors import FrameError
from processing.fits import PatchFrame
from processing.flags import FeatureFlag
from processing.limb_darkening import limb_darkening
from processing.parameters import ChainParameters
from tests.processing.drawing import GEOMETRY, SHAPE, START_S, draw, seen_by_hmi
from tests.real_data import each_record, needs_real_data, real_frame

PORES = [(20, 30, 4.0), (44, 70, 6.0)]
FIELDS = ("Br", "Bt", "Bp")


@pytest.fixture
def frame() -> PatchFrame:
    """Two pores of 1500 G with a little noise, as HMI sees and stores them."""
    rng = np.random.default_rng(8)
    doubled = [(2 * row + 0.5, 2 * col + 0.5, 2 * radius) for row, col, radius in PORES]
    contrast = seen_by_hmi(draw(doubled, shape=(2 * SHAPE[0], 2 * SHAPE[1]))) + rng.normal(0, 0.01, SHAPE)
    continuum = 57_600 * limb_darkening(GEOMETRY.mu_map(SHAPE)) * contrast
    br = np.where(draw(PORES) < 1, 1500.0, 0.0)
    maps = {"continuum": continuum, "Br": br, "Bt": rng.normal(0, 60, SHAPE), "Bp": rng.normal(0, 60, SHAPE)}
    cards = {"CTYPE1": "CRLN-CEA", **{name.upper(): value for name, value in vars(GEOMETRY).items()}}
    return PatchFrame(99001, START_S, cards, {name: image.astype(np.float32) for name, image in maps.items()})


def without(frame: PatchFrame, *segments: str) -> PatchFrame:
    return dataclasses.replace(frame, maps={k: v for k, v in frame.maps.items() if k not in segments})


@needs_real_data
@each_record
def test_real_records_go_through(record):
    frame = real_frame(record)
    result = process_frame(frame, ChainParameters())
    assert set(result.seconds) == set(STAGES)
    assert all(seconds >= 0 for seconds in result.seconds.values())
    assert result.contrast.shape == result.labels.shape == (2 * frame.shape[0], 2 * frame.shape[1])
    assert len(result.features) == result.labels.max() > 0
    assert (result.features["area_px"] >= 20).all()
    assert (result.features["flags"] & FeatureFlag.NO_FIELD == 0).all()
    assert (result.features["intensity_mean"] < 0.5).all()
    assert np.isfinite(result.features["flux"].value).all()
    assert np.median(result.contrast) == pytest.approx(1, abs=0.03)
    assert 40_000 < result.quiet_sun < 75_000
    assert result.geometry == frame.geometry.doubled()


@needs_real_data
def test_nothing_dark_is_a_result_too():
    result = process_frame(real_frame("2875.20130618_122400"), ChainParameters(enhance="none"))  # darkest 0.501
    assert len(result.features) == result.labels.max() == 0


@needs_real_data
def test_no_enhancement_finds_the_dark_regions_of_the_native_grid():
    parameters = ChainParameters(enhance="none", threshold=0.6, min_pixels=6)
    result = process_frame(real_frame("2875.20130620_103600"), parameters)
    assert (len(result.features), result.features["area_px"].sum()) == (8, 404)
    assert result.geometry == real_frame("2875.20130620_103600").geometry


@needs_real_data
def test_spots_of_a_real_region_have_strong_field():
    features = process_frame(real_frame("377.20110215_020000"), ChainParameters()).features
    largest = features[np.argsort(features["area"])[-4:]]
    assert (largest["b"] > 1200 * u.G).all()
    assert {int(sign) for sign in np.sign(largest["bz"].value)} == {-1, 1}  # a delta region shows both


def test_drawn_pores_are_found_where_they_are(frame):
    result = process_frame(frame, ChainParameters())
    centres = np.column_stack([result.features["row"], result.features["col"]])
    np.testing.assert_allclose(centres, 2 * np.array(PORES)[:, :2] + 0.5, atol=0.5)
    assert (result.features["bz"] > 1000 * u.G).all()
    assert result.mu_range == pytest.approx((np.min(GEOMETRY.mu_map(SHAPE)), np.max(GEOMETRY.mu_map(SHAPE))))


def areas_of(frame: PatchFrame, method: str) -> np.ndarray:
    parameters = ChainParameters(enhance=method, min_pixels=10)
    return process_frame(frame, parameters).features["area"].to_value(u.Mm**2)


@pytest.mark.parametrize("method", ["network", "richardson-lucy"])
def test_sharpening_gives_pores_their_area_back(frame, method):
    drawn = [np.count_nonzero(draw([pore]) < 1) * GEOMETRY.pixel_area_mm2 for pore in PORES]
    np.testing.assert_allclose(areas_of(frame, method), drawn, rtol=0.2)
    assert (areas_of(frame, "cubic-spline") < 0.75 * np.array(drawn)).all()  # the blur has eaten the rest


def test_areas_on_the_sun_do_not_depend_on_the_grid(frame):
    np.testing.assert_allclose(areas_of(frame, "cubic-spline"), areas_of(frame, "none"), rtol=0.08)


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({"limb_darkening": "none"}, {}),
        ({"quiet_sun": "histogram"}, {}),
        ({"enhance": "richardson-lucy"}, {}),
        ({"iterations": 3}, {"enhance": "richardson-lucy"}),
        ({"segmentation": "stara"}, {}),
        ({"threshold": 0.6}, {}),
        ({"stara_depth": 0.3}, {"segmentation": "stara"}),
        ({"min_pixels": 300}, {}),
        ({"umbra_level": 0.3}, {}),
    ],
)
def test_every_parameter_changes_what_is_found(frame, changed, others):
    one, other = (process_frame(frame, ChainParameters(**{**others, **more})).features for more in ({}, changed))
    columns = ("area_px", "intensity_mean", "umbra_area_px")
    assert any(len(one) != len(other) or (one[name] != other[name]).any() for name in columns)


def test_neighbours_and_splitting_reach_the_segmentation(frame):
    """Two squares that touch by a corner; and two cores with a brighter neck between."""
    contrast = np.ones(SHAPE)
    contrast[10:16, 10:16] = contrast[16:22, 16:22] = 0.3
    contrast[36:46, 30:60] = 0.45
    contrast[38:44, 32:38] = contrast[38:44, 52:58] = 0.1
    continuum = (57_600 * limb_darkening(GEOMETRY.mu_map(SHAPE)) * contrast).astype(np.float32)
    drawn = dataclasses.replace(frame, maps={**frame.maps, "continuum": continuum})

    def number(**parameters: object) -> int:
        return len(process_frame(drawn, ChainParameters(enhance="none", **parameters)).features)

    assert number() == 3
    assert number(connectivity=8) == 2
    assert number(split="watershed") == 4


def test_errors_quality_and_the_quiet_curve_reach_the_result(frame):
    errors = {f"{name}_err": np.full(SHAPE, 30.0, np.float32) for name in FIELDS}
    noted = dataclasses.replace(frame, maps={**frame.maps, **errors}, cards={**frame.cards, "QUALITY": 1024})
    result = process_frame(noted, ChainParameters())
    expected = 30 / np.sqrt(result.features["area_px"] / 4)
    for name in ("bx_err", "by_err", "bz_err"):
        np.testing.assert_allclose(result.features[name].to_value(u.G), expected, rtol=1e-3)
    assert (result.features["flags"] & FeatureFlag.BAD_QUALITY > 0).all()
    assert np.isfinite(result.features["area_err"].value).all()
    held = [value for value in result.quiet_curve.intensity if value is not None]
    assert 40_000 < min(held) <= max(held) < 60_000
    unreadable = dataclasses.replace(noted, cards={**frame.cards, "QUALITY": "poor"})
    assert (process_frame(unreadable, ChainParameters()).features["flags"] & FeatureFlag.BAD_QUALITY > 0).all()


def test_a_field_map_without_a_finite_pixel_costs_only_the_field(frame):
    empty = dataclasses.replace(frame, maps={**frame.maps, "Bt": np.full(SHAPE, np.nan, np.float32)})
    features = process_frame(empty, ChainParameters()).features
    assert len(features) == 2
    assert np.isnan(features["b"].value).all()
    assert np.isfinite(features["bz"].value).all()


@pytest.mark.parametrize("enhance", ["network", "none"])
def test_the_levels_lead_back_to_the_photons(frame, enhance):
    """contrast x AVG_F_EN x limb darkening is the continuum again: on average, and to the pixel without sharpening."""
    result = process_frame(frame, ChainParameters(enhance=enhance))
    mu = result.geometry.mu_map(result.contrast.shape)
    back = result.contrast * result.quiet_sun_enhanced * limb_darkening(mu)
    assert back.mean() == pytest.approx(frame.need("continuum").mean(), rel=1e-4)
    if enhance == "none":
        np.testing.assert_allclose(back, frame.need("continuum"), rtol=1e-5)


@pytest.mark.parametrize("missing", [*FIELDS, "all"])
def test_a_frame_without_all_of_the_field_is_flagged(frame, missing):
    whole = process_frame(frame, ChainParameters())
    result = process_frame(without(frame, *(FIELDS if missing == "all" else (missing,))), ChainParameters())
    assert len(result.features) == 2
    assert (result.features["flags"] == FeatureFlag.NO_FIELD).all()
    assert np.isnan(result.features["b"].value).all()
    assert np.isnan(result.features["flux"].value).all() == (missing in ("Br", "all"))
    np.testing.assert_array_equal(result.labels, whole.labels)


def test_the_frame_is_not_changed(frame):
    before = {name: image.copy() for name, image in frame.maps.items()}
    process_frame(frame, ChainParameters())
    for name, image in frame.maps.items():
        np.testing.assert_array_equal(image, before[name])


def test_it_runs_twice_to_the_same_result(frame):
    one, other = (process_frame(frame, ChainParameters()) for _ in range(2))
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.contrast, other.contrast)


def test_missing_pixels_are_never_pores(frame):
    continuum = frame.maps["continuum"].copy()
    continuum[:10] = np.nan
    result = process_frame(dataclasses.replace(frame, maps={**frame.maps, "continuum": continuum}), ChainParameters())
    assert np.isnan(result.contrast[:20]).all()
    assert (result.labels[:20] == 0).all()
    assert len(result.features) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: without(frame, "continuum"), "continuum is missing"),
        (lambda frame: dataclasses.replace(frame, cards={}), "not CEA"),
        (
            lambda frame: dataclasses.replace(
                frame, maps={**frame.maps, "continuum": np.full(SHAPE, np.nan, np.float32)}
            ),
            "no finite pixel",
        ),
    ],
    ids=["no continuum", "no geometry", "no pixel"],
)
def test_what_cannot_be_processed_is_said(frame, change, message):
    with pytest.raises(FrameError, match=message):
        process_frame(change(frame), ChainParameters())
