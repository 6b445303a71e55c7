"""A frame's three field maps to the doubled grid, against sunpy and scipy in the same run; the ratio counts."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from scipy import ndimage

from processing.upscale import upscale_maps

GROUP = "Br, Bt, Bp to the doubled grid"
SHAPES = [(250, 583), (377, 744)]  # HARP 2875 and HARP 377
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]} x {shape[1]}")


def field_of(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(scale=500, size=shape).astype(np.float32) for name in ("Br", "Bt", "Bp")}


@each_shape
@pytest.mark.benchmark(group=GROUP)
def test_upscale_maps(benchmark, shape):
    benchmark.group = f"{GROUP}, {shape[0]} x {shape[1]}"
    benchmark(upscale_maps, field_of(shape))


@each_shape
@pytest.mark.benchmark(group=GROUP)
def test_upscale_sunpy_resample(benchmark, shape):
    benchmark.group = f"{GROUP}, {shape[0]} x {shape[1]}"
    cards = {
        "CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", "CUNIT1": "deg", "CUNIT2": "deg", "CDELT1": 0.03, "CDELT2": 0.03,
        "CRPIX1": shape[1] / 2, "CRPIX2": shape[0] / 2, "CRVAL1": 253.7, "CRVAL2": 10.9,
        "DATE-OBS": "2013-06-20T10:34:11", "CRLN_OBS": 238.07, "CRLT_OBS": 1.675, "DSUN_OBS": 152031959146.69,
    }  # fmt: skip
    maps = [sunpy.map.Map(image, cards) for image in field_of(shape).values()]
    double = (2 * shape[1], 2 * shape[0]) * u.pix
    benchmark.pedantic(lambda: [one.resample(double, method="spline") for one in maps], rounds=3)


@each_shape
@pytest.mark.benchmark(group=GROUP)
def test_upscale_scipy_zoom(benchmark, shape):
    """The same spline and grid in scipy's compiled code, in single precision."""
    benchmark.group = f"{GROUP}, {shape[0]} x {shape[1]}"
    images = field_of(shape).values()
    benchmark.pedantic(lambda: [ndimage.zoom(one, 2, mode="mirror", grid_mode=True) for one in images], rounds=3)
