"""Labelling and measuring against a script's loop over pores; outlines against scikit-image's. The ratio counts."""

import numpy as np
import pytest
from astropy.table import QTable
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from processing.measure import measure_features
from processing.outline import outlines
from processing.segment import label_pores
from tests.processing.drawing import GEOMETRY

SHAPE = (720, 1200)
CENTRES = [(row, col) for row in range(45, 700, 55) for col in range(40, 1180, 72)] + [(17, 76)]
GROUP = "label and measure {} pores, 720 x 1200"
NUMBERS = [pytest.param(n, marks=pytest.mark.benchmark(group=GROUP.format(n))) for n in (5, 57, 193)]


def sky(n_pores: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Contrast with so many pores of 69 pixels, spread over the map, and a field."""
    contrast = np.ones(SHAPE, np.float32)
    rows, cols = np.indices((11, 11)) - 5
    disk = np.hypot(rows, cols) < 5
    for place in np.linspace(0, len(CENTRES) - 1, n_pores).astype(int):
        row, col = CENTRES[place]
        contrast[row - 5 : row + 6, col - 5 : col + 6][disk] = 0.3
    rng = np.random.default_rng(1)
    return contrast, {name: rng.normal(500, 100, SHAPE).astype(np.float32) for name in ("Br", "Bt", "Bp")}


@pytest.mark.parametrize("n_pores", NUMBERS)
def test_all_at_once(benchmark, n_pores):
    contrast, field = sky(n_pores)

    def measured() -> QTable:
        return measure_features(label_pores(contrast), contrast=contrast, geometry=GEOMETRY, field=field)

    assert len(benchmark(measured)) == n_pores


@pytest.mark.parametrize("n_pores", NUMBERS)
def test_all_at_once_with_all_errors(benchmark, n_pores):
    """The same with the error maps and the margin."""
    contrast, field = sky(n_pores)
    errors = {f"{name}_err": image / 10 for name, image in field.items()}
    margin = contrast - np.float32(0.5)

    def measured() -> QTable:
        return measure_features(
            label_pores(contrast), contrast=contrast, geometry=GEOMETRY, field=field, field_errors=errors, margin=margin
        )

    assert len(benchmark(measured)) == n_pores


@pytest.mark.parametrize("n_pores", NUMBERS)
def test_loop_over_pores(benchmark, n_pores):
    """What a script does: scipy's labels, then for each argwhere and the means; 9 columns to our 36."""
    contrast, field = sky(n_pores)

    def measured() -> list[tuple[float, ...]]:
        labels, n_labels = ndimage.label(contrast < 0.5)
        rows = []
        for label in range(1, n_labels + 1):
            where = np.argwhere(labels == label)
            if len(where) < 20:
                continue
            row, col = where.mean(axis=0)
            inside = tuple(where.T)
            means = (image[inside].mean() for image in (contrast, field["Br"], field["Bt"], field["Bp"]))
            rows.append((len(where), row, col, *GEOMETRY.lon_lat(row, col), *means))
        return rows

    assert len(benchmark.pedantic(measured, rounds=3, warmup_rounds=1)) == n_pores


@pytest.mark.benchmark(group="outlines of 193 pores, 720 x 1200")
def test_outlines_all_at_once(benchmark):
    labels = label_pores(sky(193)[0])
    assert len(benchmark(outlines, labels)) == 193


@pytest.mark.benchmark(group="outlines of 193 pores, 720 x 1200")
def test_outlines_scikit_image(benchmark):
    """Marching squares and Douglas-Peucker in the box around each pore."""
    labels = label_pores(sky(193)[0])

    def drawn() -> list[np.ndarray]:
        found = []
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            inside = np.pad(labels[box] == label, 1).astype(float)
            border = max(find_contours(inside, 0.5, fully_connected="high"), key=len)
            found.append(approximate_polygon(border, 0.5) + np.array([box[0].start - 1, box[1].start - 1]))
        return found

    assert len(benchmark.pedantic(drawn, rounds=3)) == 193
