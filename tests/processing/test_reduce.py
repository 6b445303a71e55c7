"""The quiet Sun: on a Sun we drew, on the real records' known dark regions, and from frame to frame."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from processing.errors import FrameError, ParameterError
from processing.geometry import CeaGeometry
from processing.limb_darkening import LIMB_DARKENING, limb_darkening
from processing.reduce import HISTOGRAM_BINS, KERNEL, LEVELS, flatten, quiet_sun_level
from processing.segment import label_pores
from tests.real_data import REAL_DATA, needs_real_data, real_frame

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


def granulation(seed: int, shape: tuple[int, int] = (250, 400)) -> np.ndarray:
    """A quiet Sun near 1 as HMI sees it: granules of 4 pixels, 2.7 % rms, more bright than dark extremes."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    noise /= noise.std()
    return 1 + 0.027 * (noise + 0.1 * (noise**2 - 1))


def pores(seed: int, part: float, shape: tuple[int, int] = (250, 400)) -> np.ndarray:
    """Where that part of a frame is pores."""
    blobs = ndimage.gaussian_filter(np.random.default_rng(seed + 1).normal(size=shape), 4)
    return blobs > np.quantile(blobs, 1 - part)


def sunspot_cube() -> np.ndarray:
    """30 consecutive frames of a sunspot, DN/s, 12 minutes apart; (n, ny, nx)."""
    return fits.getdata(REAL_DATA / "sunspot_cube" / "cube_sunspot.fits").astype(np.float64)


def changes(levels: list[float]) -> np.ndarray:
    """Relative change from each frame to the next."""
    return np.diff(levels) / levels[:-1]


@pytest.mark.parametrize("method", LEVELS)
def test_a_quiet_sun_becomes_flat(method):
    flat = flatten(quiet_sun(), GEOMETRY, quiet_sun=method)
    np.testing.assert_allclose(flat.contrast, 1, atol=1e-12)
    assert flat.quiet_sun == pytest.approx(LEVEL)
    assert flat.mu.shape == flat.contrast.shape == SHAPE


def test_a_pore_does_not_move_the_quiet_sun_by_more_than_half_a_bin():
    continuum = quiet_sun()
    continuum[20:26, 30:36] *= 0.3
    flat = flatten(continuum, GEOMETRY, quiet_sun="histogram")
    half_bin = 0.7 / HISTOGRAM_BINS / 2
    assert flat.contrast[40, 40] == pytest.approx(1, abs=1.01 * half_bin)
    assert flat.contrast[22, 32] == pytest.approx(0.3 * flat.contrast[40, 40])


def test_each_law_flattens_its_own_sun():
    for name, law in LIMB_DARKENING.items():
        flat = flatten(LEVEL * law.at(GEOMETRY.mu_map(SHAPE)), GEOMETRY, limb_darkening=name)
        np.testing.assert_allclose(flat.contrast, 1, atol=1e-9)
        assert flat.quiet_sun == pytest.approx(LEVEL)


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"limb_darkening": "allen"}, r"pierce-slaughter-6206, .* not 'allen'"), ({"quiet_sun": "mean"}, "not 'mean'")],
)
def test_it_says_which_choices_there_are(choice, message):
    with pytest.raises(ParameterError, match=message):
        flatten(quiet_sun(), GEOMETRY, **choice)


def test_missing_pixels_stay_missing_and_the_input_is_kept():
    continuum = quiet_sun()
    continuum[20:26, 30:36] *= 0.3
    continuum[:4, 7] = np.nan
    before = continuum.copy()
    flat = flatten(continuum, GEOMETRY)
    np.testing.assert_array_equal(np.isnan(flat.contrast), np.isnan(before))
    np.testing.assert_array_equal(continuum, before)


@pytest.mark.parametrize("law", LIMB_DARKENING)
def test_pixels_beyond_the_limb_are_missing(law):
    west = CeaGeometry(**{**vars(GEOMETRY), "crval1": 210 + 89.7, "crval2": 1.7})
    flat = flatten(np.full(SHAPE, LEVEL), west, limb_darkening=law)
    assert 0 < np.isnan(flat.contrast).sum() < flat.contrast.size
    np.testing.assert_array_equal(np.isnan(flat.contrast), np.isnan(flat.mu))


def test_the_level_is_the_fullest_bin_not_the_median():
    intensity = np.concatenate([np.full(400, 10.0), np.linspace(0, 9, 599), [20.0]])
    assert quiet_sun_level(intensity, method="histogram") == pytest.approx(10, abs=0.2)
    assert quiet_sun_level(intensity, method="density") == 10
    for method in LEVELS:
        with_gap = quiet_sun_level(np.append(intensity, np.nan), method=method)
        assert with_gap == quiet_sun_level(intensity, method=method)


def test_the_density_is_that_of_scipy():
    intensity = 100 + np.random.default_rng(5).gamma(4, size=20_000)  # skewed: mean, median and mode differ
    low, high = np.quantile(intensity, [0.25, 0.75])
    width = KERNEL * (high - low) / 1.349
    density = stats.gaussian_kde(intensity, bw_method=width / intensity.std(ddof=1))
    places = np.linspace(low, high, 400)
    expected = places[np.argmax(density(places))]
    assert quiet_sun_level(intensity) == pytest.approx(expected, abs=0.03)
    assert np.median(intensity) - expected > 0.1


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e6))
@settings(max_examples=20)
def test_the_level_scales_with_the_intensity(seed, scale):
    image = granulation(seed)
    level = quiet_sun_level(image)
    assert level == pytest.approx(1, abs=0.01)
    assert quiet_sun_level(image * scale) == pytest.approx(level * scale, rel=1e-6)
    assert quiet_sun_level(image.astype(np.float32)) == pytest.approx(level, rel=1e-5)
    assert quiet_sun_level(image.ravel()) == pytest.approx(level, rel=1e-6)  # a list of pixels will do


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_what_is_not_quiet_does_not_move_the_level(seed):
    image = granulation(seed)
    level = quiet_sun_level(image)
    changed = {
        "10 % are pores": np.where(pores(seed, 0.1), 0.4 * image, image),
        "10 % are pores with blurred edges": ndimage.gaussian_filter(np.where(pores(seed, 0.1), 0.4, 1.0), 1) * image,
        "no pixel has none dark around it": np.where(np.indices(image.shape).sum(axis=0) % 4 == 0, 0.4 * image, image),
        "2 % are faculae": np.where(pores(seed, 0.02), 1.15 * image, image),
        "noise": image * np.random.default_rng(seed).normal(1, 0.005, image.shape),
        "a third is missing": np.where(np.arange(400) < 133, np.nan, image),
        "a cosmic ray": np.where(np.arange(400 * 250).reshape(250, 400) == 7, 50.0, image),
    }
    limits = {"a third is missing": 2e-3, "a cosmic ray": 1e-5}  # a third less Sun is another mean, too
    for what, other in changed.items():
        assert quiet_sun_level(other) == pytest.approx(level, rel=limits.get(what, 1e-3)), what
    outlier = quiet_sun_level(changed["a cosmic ray"], method="histogram")
    assert abs(outlier / quiet_sun_level(image, method="histogram") - 1) > 0.05  # one pixel moves every bin


def test_the_level_of_a_large_frame_is_that_of_all_its_pixels():
    small = granulation(1, (250, 583))
    doubled = np.kron(small, np.ones((2, 2)))
    assert quiet_sun_level(doubled) == pytest.approx(quiet_sun_level(small), rel=1e-9)
    sparse = np.full((900, 900), np.nan)  # of which every third row and column would be looked at
    sparse[1:900:3, 1:900:3] = granulation(2, (300, 300))
    assert quiet_sun_level(sparse) == pytest.approx(quiet_sun_level(granulation(2, (300, 300))), rel=1e-3)


@pytest.mark.parametrize("intensity", [[5.0], [5.0, 5.1], [4.0, 5.0, 5.0], [0.0, 0.0, 0.0, 6.0]])
def test_a_few_pixels_have_a_level(intensity):
    for method in LEVELS[: 1 if 0.0 in intensity else 2]:
        assert min(intensity) <= quiet_sun_level(np.array(intensity), method=method) <= max(intensity)


@pytest.mark.parametrize("method", LEVELS)
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
def test_there_must_be_a_quiet_sun(intensity, message, method):
    with pytest.raises(FrameError, match=message):
        quiet_sun_level(intensity, method=method)


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
    contrast = flatten(frame.need("continuum"), frame.geometry, quiet_sun="histogram").contrast
    darkest, *regions = DARK_REGIONS[record]
    assert np.nanmin(contrast) == pytest.approx(darkest, abs=1e-3)
    for threshold, (number, pixels) in zip((0.5, 0.6, 0.8), regions, strict=True):
        labels = label_pores(contrast, threshold=threshold, min_pixels=6, connectivity=4)
        assert (labels.max(), np.count_nonzero(labels)) == (number, pixels), f"below {threshold}"


@needs_real_data
@pytest.mark.parametrize("method", LEVELS)
def test_the_quiet_sun_of_one_region_is_the_same_on_its_way_to_the_limb(method):
    """Prints the level of each of the three epochs of HARP 2875, referred to disk centre; see with -s."""
    frames = [real_frame(record) for record in DARK_REGIONS if record.startswith("2875")]
    levels = [flatten(frame.need("continuum"), frame.geometry, quiet_sun=method).quiet_sun for frame in frames]
    print(f"\nHARP 2875, {method}: {', '.join(f'{level:.0f}' for level in levels)} DN/s")
    assert max(levels) / min(levels) < 1.012  # raw medians differ by 20 %


@needs_real_data
def test_the_level_does_not_jump_from_frame_to_frame():
    """Prints scatter and largest jump of the level over the six hours of the sunspot cube; see with -s."""
    cube = sunspot_cube()
    scatter = {}
    for method in LEVELS:
        levels = [quiet_sun_level(image, method=method) for image in cube]
        change = changes(levels)
        scatter[method] = change.std()
        jump = np.abs(change).max()
        print(f"\ncube, {method}: {np.mean(levels):.0f} DN/s, scatter {change.std():.3%}, largest jump {jump:.2%}")
    never_dark = cube.min(axis=0) > 0.85 * np.median(cube)
    floor = changes([image[never_dark].mean() for image in cube]).std()  # the granules themselves, new in each frame
    print(f"cube, mean of {never_dark.sum()} pixels that are never dark: scatter {floor:.3%}")
    assert scatter["density"] < 0.25 * scatter["histogram"]
    assert scatter["density"] < 1.1 * floor
