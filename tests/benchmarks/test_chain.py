"""Each step against a named baseline in the same run; the ratio counts, not the seconds."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.table import QTable
from sunpy.coordinates import Helioprojective
from sunpy.map.maputils import all_coordinates_from_map

from processing.fits import PatchFrame
from processing.geometry import CeaGeometry
from processing.measure import measure_features
from processing.segment import label_pores
from processing.synthetic import SimulationParameters, simulate
from processing.upscale import upscale_cubic


@pytest.fixture(scope="module")
def frame() -> PatchFrame:
    """The first frame of the demo patch, 250 x 583."""
    first = next(iter(simulate(SimulationParameters())))
    return PatchFrame(first.cards["HARPNUM"], first.t_rec_s, first.cards, first.maps)


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """Contrast of 720 x 1200 with 192 pores of 80 pixels."""
    contrast = np.ones((720, 1200))
    rows, cols = np.indices(contrast.shape)
    for row in range(45, 700, 55):
        for col in range(40, 1180, 72):
            contrast[np.hypot(rows - row, cols - col) < 5] = 0.3
    return contrast


@pytest.mark.benchmark(group="mu of every pixel, 250 x 583")
def test_mu_closed_form(benchmark, frame):
    benchmark(frame.geometry.mu_map, frame.shape)


@pytest.mark.benchmark(group="mu of every pixel, 250 x 583")
def test_mu_sunpy(benchmark, frame):
    continuum = sunpy.map.Map(frame.need("continuum"), dict(frame.cards))

    def through_sunpy() -> np.ndarray:
        seen = all_coordinates_from_map(continuum).transform_to(Helioprojective(observer=continuum.observer_coordinate))
        ratio = np.hypot(seen.Tx, seen.Ty).to_value("arcsec") / frame.cards["RSUN_OBS"]
        return np.sqrt(1 - ratio**2)

    benchmark.pedantic(through_sunpy, rounds=3)


@pytest.mark.benchmark(group="Br to the doubled grid, 250 x 583")
def test_upscale_cubic(benchmark, frame):
    benchmark(upscale_cubic, frame.need("Br"))


@pytest.mark.benchmark(group="Br to the doubled grid, 250 x 583")
def test_upscale_sunpy_resample(benchmark, frame):
    field = sunpy.map.Map(frame.need("Br"), dict(frame.cards))
    ny, nx = frame.shape
    benchmark.pedantic(lambda: field.resample((2 * nx, 2 * ny) * u.pix, method="spline"), rounds=3)


@pytest.mark.benchmark(group="label and measure 192 pores, 720 x 1200")
def test_measure_all_at_once(benchmark, frame, sky):
    field = {name: np.full(sky.shape, 500.0) for name in ("Br", "Bt", "Bp")}

    def measured() -> QTable:
        return measure_features(label_pores(sky), contrast=sky, geometry=frame.geometry, field=field)

    benchmark(measured)


@pytest.mark.benchmark(group="label and measure 192 pores, 720 x 1200")
def test_measure_loop_over_pores(benchmark, frame, sky):
    """What a script does: argwhere and a mean for each pore; fewer columns than ours."""
    geometry: CeaGeometry = frame.geometry
    field = np.full(sky.shape, 500.0)

    def measured() -> list[tuple[float, ...]]:
        labels = label_pores(sky)
        rows = []
        for label in range(1, labels.max() + 1):
            where = np.argwhere(labels == label)
            row, col = where.mean(axis=0)
            inside = tuple(where.T)
            rows.append((row, col, *geometry.lon_lat(row, col), sky[inside].mean(), field[inside].mean()))
        return rows

    benchmark.pedantic(measured, rounds=2)
