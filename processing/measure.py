"""Label image to one row per feature: position, area, intensity, field, flux and shape."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.table import QTable
from scipy import ndimage

from processing.errors import FrameError
from processing.flags import FeatureFlag
from processing.geometry import CeaGeometry

_CM2_PER_MM2 = 1e16
FIELD_SEGMENTS = ("Br", "Bt", "Bp")


def measure_features(
    labels: np.ndarray,
    *,
    contrast: np.ndarray,
    geometry: CeaGeometry,
    field: Mapping[str, np.ndarray] | None = None,
) -> QTable:
    """
    Measure every labelled region.

    Parameters
    ----------
    labels : `~numpy.ndarray` of int, shape (ny, nx)
        0 outside, 1..n inside features, without holes in the numbering.
    contrast : `~numpy.ndarray`, shape (ny, nx)
        Intensity over the quiet Sun; NaN without data.
    geometry : `CeaGeometry`
        Of this grid.
    field : mapping of "Br", "Bt", "Bp" to `~numpy.ndarray`, shape (ny, nx), optional
        In gauss, NaN without data. When one of the three is missing, as a map or in a
        pixel of the feature, what needs it is NaN and the feature is flagged; ``bz`` and
        ``flux`` need Br alone.

    Returns
    -------
    `~astropy.table.QTable`
        One row per label, in order: ``label``; ``row``, ``col`` (mean pixel, from 0);
        ``lon``, ``lat`` (Carrington); ``tx``, ``ty`` (helioprojective); ``mu``;
        ``area_px``, ``area``, ``area_msh`` (millionths of the hemisphere) on the Sun,
        ``area_projected`` as seen; ``intensity_mean``, ``intensity_min``; ``bx`` = Bp,
        ``by`` = -Bt, ``bz`` = Br (means), ``b`` (mean of the magnitude), ``b_max``;
        ``flux``, the sum of Br times pixel area; ``major``, ``minor`` (full axes of the
        ellipse of equal second moments), ``orientation`` (from west towards north);
        ``flags`` (`FeatureFlag`).

    Raises
    ------
    FrameError
        If the shapes differ.
    """
    maps = {"contrast": contrast, **(field or {})}
    for name, image in maps.items():
        if image.shape != labels.shape:
            raise FrameError(f"{name} is {image.shape}, the labels are {labels.shape}")

    rows, cols = np.nonzero(labels)  # a few per cent of the pixels: all sums run over these alone
    inside = labels[rows, cols] - 1
    n_features = int(inside.max()) + 1 if inside.size else 0

    def sum_of(values: np.ndarray) -> np.ndarray:
        return np.bincount(inside, weights=values, minlength=n_features)

    count = np.bincount(inside, minlength=n_features)
    row, col = sum_of(rows) / count, sum_of(cols) / count
    lon, lat = geometry.lon_lat(row, col)
    tx, ty = geometry.helioprojective(row, col)
    area = count * geometry.pixel_area_mm2
    pixel_mu = geometry.mu(rows, cols)
    dark = contrast[rows, cols]
    major, minor, orientation = _ellipse(sum_of, rows - row[inside], cols - col[inside], count)
    flags = np.where(_touches_edge(labels, contrast, n_features), int(FeatureFlag.ON_EDGE), 0)

    table = QTable()
    table["label"] = np.arange(1, n_features + 1)
    table["row"], table["col"] = row, col
    table["lon"], table["lat"] = lon * u.deg, lat * u.deg
    table["tx"], table["ty"] = tx * u.arcsec, ty * u.arcsec
    table["mu"] = geometry.mu(row, col)
    table["area_px"] = count
    table["area"] = area * u.Mm**2
    table["area_msh"] = area * geometry.msh_per_mm2
    table["area_projected"] = sum_of(np.nan_to_num(pixel_mu)) * geometry.pixel_area_mm2 * u.Mm**2
    table["intensity_mean"] = sum_of(dark) / count
    table["intensity_min"] = ndimage.minimum(contrast, labels, table["label"]) if n_features else np.zeros(0)
    no_map = np.full(rows.size, np.nan)
    br, bt, bp = (
        field[name][rows, cols].astype(np.float64) if field and name in field else no_map for name in FIELD_SEGMENTS
    )
    magnitude = np.sqrt(br**2 + bt**2 + bp**2)
    means = {"bx": sum_of(bp) / count, "by": -sum_of(bt) / count, "bz": sum_of(br) / count}
    means["b"] = sum_of(magnitude) / count
    b_max = np.full(n_features, -np.inf)
    np.fmax.at(b_max, inside, magnitude)
    means["b_max"] = np.where(np.isnan(means["b"]), np.nan, b_max)
    flux = sum_of(br) * geometry.pixel_area_mm2 * _CM2_PER_MM2
    flags = np.where(np.isnan(means["b"]), flags | int(FeatureFlag.NO_FIELD), flags)
    for name, values in means.items():
        table[name] = values * u.G
    table["flux"] = flux * u.Mx
    side = geometry.pixel_side_mm
    table["major"], table["minor"] = major * side * u.Mm, minor * side * u.Mm
    table["orientation"] = orientation * u.deg
    table["flags"] = flags
    return table


def _ellipse(sum_of, drow: np.ndarray, dcol: np.ndarray, count: np.ndarray):  # type: ignore[no-untyped-def]
    """Full axes (pixels) and orientation (degrees) of the ellipse of equal second moments."""
    # 1/12 is the second moment of one pixel about its own centre
    var_row, var_col = sum_of(drow**2) / count + 1 / 12, sum_of(dcol**2) / count + 1 / 12
    cov = sum_of(drow * dcol) / count
    mean, spread = (var_row + var_col) / 2, np.hypot((var_row - var_col) / 2, cov)
    major, minor = 4 * np.sqrt(mean + spread), 4 * np.sqrt(np.maximum(mean - spread, 0))
    return major, minor, np.rad2deg(np.arctan2(2 * cov, var_col - var_row) / 2)


def _touches_edge(labels: np.ndarray, contrast: np.ndarray, n_features: int) -> np.ndarray:
    """For each feature, whether it touches the border or a pixel without data."""
    rim = np.ones(labels.shape, bool)
    rim[1:-1, 1:-1] = False
    missing = ~np.isfinite(contrast)
    if missing.any():
        rim |= ndimage.binary_dilation(missing)
    touches = np.zeros(n_features + 1, bool)
    touches[labels[rim]] = True
    return touches[1:]
