"""Limb darkening and the quiet Sun: on a Sun we drew, and on the real records' known dark regions."""

import numpy as np
import pytest

from processing.errors import FrameError
from processing.geometry import CeaGeometry
from processing.reduce import HISTOGRAM_BINS, PIERCE_SLAUGHTER_6206, flatten, limb_darkening, quiet_sun_level
from processing.segment import label_pores
from tests.real_data import needs_real_data, real_frame

SHAPE = (60, 90)
LEVEL = 57_600.0
GEOMETRY = CeaGeometry(
    crpix1=45.5, crpix2=30.5, crval1=250, crval2=11, cdelt1=0.03, cdelt2=0.03,
    crln_obs=210, crlt_obs=1.7, dsun_obs=1.52e11,
)  # fmt: skip

# record: darkest, then (number, pixels) below 0.5, 0.6 and 0.8 of the quiet Sun; shared/data/README.md
DARK_REGIONS = {
    "2875.20130618_122400": (0.501, (0, 0), (1, 26), (2, 76)),
    "2875.20130620_103600": (0.258, (4, 171), (8, 404), (20, 1512)),
    "2875.20130622_084800": (0.218, (7, 472), (10, 891), (19, 3490)),
    "377.20110215_020000": (0.150, (19, 2377), (20, 3604), (45, 12359)),
    "7115.20170901_220000": (0.197, (1, 359), (1, 477), (3, 1449)),
    "7115.20170906_120000": (0.102, (20, 5004), (36, 7553), (37, 20761)),
}


def quiet_sun() -> np.ndarray:
    """A quiet Sun with limb darkening and nothing else, DN/s."""
    return LEVEL * limb_darkening(GEOMETRY.mu_map(SHAPE))


def test_disk_centre_is_not_darkened():
    assert limb_darkening(np.array(1.0)) == pytest.approx(1, abs=1e-3)
    assert limb_darkening(np.array(1.0)) == pytest.approx(sum(PIERCE_SLAUGHTER_6206))


@pytest.mark.parametrize(
    ("mu", "expected"),  # the polynomial worked out by hand
    [(0.0, 0.32519), (0.2, 0.531332), (0.5, 0.741309), (0.8, 0.907311)],
)
def test_known_limb_darkening(mu, expected):
    assert limb_darkening(np.array(mu)) == pytest.approx(expected, abs=1e-6)


def test_limb_darkening_grows_towards_the_centre():
    assert (np.diff(limb_darkening(np.linspace(0.05, 1, 200))) > 0).all()
    assert np.isnan(limb_darkening(np.array(np.nan)))


def test_a_quiet_sun_becomes_flat():
    flat = flatten(quiet_sun(), GEOMETRY)
    np.testing.assert_allclose(flat.contrast, 1, atol=1e-12)
    assert flat.quiet_sun == pytest.approx(LEVEL)
    assert flat.mu.shape == flat.contrast.shape == SHAPE


def test_a_pore_does_not_move_the_quiet_sun_by_more_than_half_a_bin():
    continuum = quiet_sun()
    continuum[20:26, 30:36] *= 0.3
    flat = flatten(continuum, GEOMETRY)
    half_bin = 0.7 / HISTOGRAM_BINS / 2
    assert flat.contrast[40, 40] == pytest.approx(1, abs=1.01 * half_bin)
    assert flat.contrast[22, 32] == pytest.approx(0.3 * flat.contrast[40, 40])


def test_missing_pixels_stay_missing_and_the_input_is_kept():
    continuum = quiet_sun()
    continuum[20:26, 30:36] *= 0.3
    continuum[:4, 7] = np.nan
    before = continuum.copy()
    flat = flatten(continuum, GEOMETRY)
    np.testing.assert_array_equal(np.isnan(flat.contrast), np.isnan(before))
    np.testing.assert_array_equal(continuum, before)


def test_pixels_beyond_the_limb_are_missing():
    west = CeaGeometry(**{**vars(GEOMETRY), "crval1": 210 + 89.7, "crval2": 1.7})
    flat = flatten(np.full(SHAPE, LEVEL), west)
    assert 0 < np.isnan(flat.contrast).sum() < flat.contrast.size
    np.testing.assert_array_equal(np.isnan(flat.contrast), np.isnan(flat.mu))


def test_the_level_is_the_fullest_bin_not_the_median():
    intensity = np.concatenate([np.full(400, 10.0), np.linspace(0, 9, 599), [20.0]])
    assert quiet_sun_level(intensity) == pytest.approx(10, abs=0.2)
    assert quiet_sun_level(np.append(intensity, np.nan)) == quiet_sun_level(intensity)


@pytest.mark.parametrize(
    ("intensity", "message"),
    [
        (np.full(SHAPE, np.nan), "no finite pixel"),
        (np.zeros(0), "no finite pixel"),
        (np.zeros(SHAPE), "must be positive"),
        (np.full(SHAPE, -3.0), "must be positive"),
    ],
    ids=["all missing", "no pixel", "dark", "negative"],
)
def test_there_must_be_a_quiet_sun(intensity, message):
    with pytest.raises(FrameError, match=message):
        quiet_sun_level(intensity)


@pytest.mark.parametrize("shape", [(60,), (2, 60, 90)])
def test_flatten_needs_an_image(shape):
    with pytest.raises(FrameError, match="two-dimensional"):
        flatten(np.ones(shape), GEOMETRY)


def test_flatten_needs_a_pixel_on_the_disk():
    behind = CeaGeometry(**{**vars(GEOMETRY), "crval1": 30.0})
    with pytest.raises(FrameError, match="no finite pixel"):
        flatten(np.ones(SHAPE), behind)


@needs_real_data
@pytest.mark.parametrize("record", DARK_REGIONS)
def test_dark_regions_of_the_real_records(record):
    frame = real_frame(record)
    contrast = flatten(frame.need("continuum"), frame.geometry).contrast
    darkest, *regions = DARK_REGIONS[record]
    assert np.nanmin(contrast) == pytest.approx(darkest, abs=1e-3)
    for threshold, (number, pixels) in zip((0.5, 0.6, 0.8), regions, strict=True):
        labels = label_pores(contrast, threshold=threshold, min_pixels=6, connectivity=4)
        assert (labels.max(), np.count_nonzero(labels)) == (number, pixels), f"below {threshold}"


@needs_real_data
def test_the_quiet_sun_of_one_region_is_the_same_on_its_way_to_the_limb():
    frames = [real_frame(record) for record in DARK_REGIONS if record.startswith("2875")]
    levels = [flatten(frame.need("continuum"), frame.geometry).quiet_sun for frame in frames]
    assert max(levels) / min(levels) < 1.02  # raw medians differ by 20 %
