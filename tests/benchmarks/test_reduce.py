"""Limb darkening of a real frame against sunpy's transform in the same run, and the level by both methods."""

import timeit

import numpy as np
import pytest
import sunpy.map
from sunpy.coordinates import Helioprojective
from sunpy.map.maputils import all_coordinates_from_map

from processing.fits import PatchFrame
from processing.limb_darkening import DEFAULT_LIMB_DARKENING, LIMB_DARKENING, quiet_curve
from processing.reduce import LEVELS, flatten, quiet_sun_level, remove_limb_darkening
from tests.real_data import REAL_DATA, real_frame

LIMB = pytest.mark.benchmark(group="limb darkening, 377 x 744")
LEVEL = pytest.mark.benchmark(group="quiet-Sun level, 500 x 1166")


@pytest.fixture(scope="module")
def frame() -> PatchFrame:
    """HARP 377, 2011-02-15."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real records are not at ../shared/data")
    return real_frame("377.20110215_020000")


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    """Granulation on the doubled grid of HARP 2875."""
    return np.random.default_rng(0).normal(57_600, 1_600, (500, 1166))


def without_limb_darkening(frame: PatchFrame) -> np.ndarray:
    """What `flatten` does before the level."""
    continuum = frame.need("continuum")
    return remove_limb_darkening(
        continuum, frame.geometry.mu_map(continuum.shape), LIMB_DARKENING[DEFAULT_LIMB_DARKENING]
    )


def through_sunpy(frame: PatchFrame) -> np.ndarray:
    """mu of every pixel alone, by sunpy's coordinate transform."""
    observed = sunpy.map.Map(frame.need("continuum"), dict(frame.cards))
    seen = all_coordinates_from_map(observed).transform_to(Helioprojective(observer=observed.observer_coordinate))
    ratio = np.hypot(seen.Tx, seen.Ty).to_value("arcsec") / frame.cards["RSUN_OBS"]
    return np.sqrt(1 - ratio**2)


@LIMB
def test_mu_sunpy(benchmark, frame):
    """First, so that the process holds the memory of a few maps, as a worker does that has read a record."""
    benchmark.pedantic(through_sunpy, args=(frame,), rounds=3, warmup_rounds=1)
    sunpy_s = min(timeit.repeat(lambda: through_sunpy(frame), number=1, repeat=3))
    ours_s = min(timeit.repeat(lambda: without_limb_darkening(frame), number=1, repeat=10))
    assert sunpy_s > 25 * ours_s


@LIMB
def test_limb_darkening(benchmark, frame):
    benchmark(without_limb_darkening, frame)


@LIMB
def test_flatten(benchmark, frame):
    """With the level."""
    benchmark(flatten, frame.need("continuum"), frame.geometry)


@LIMB
def test_quiet_curve(benchmark, frame):
    flat = flatten(frame.need("continuum"), frame.geometry)
    benchmark(quiet_curve, frame.need("continuum"), flat.mu, flat.contrast)


@LEVEL
@pytest.mark.parametrize("method", LEVELS)
def test_level(benchmark, large, method):
    benchmark(quiet_sun_level, large, method=method)
