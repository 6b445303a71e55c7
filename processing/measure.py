"""Label image to one row per feature: position, area, intensity, field, flux and shape, with their errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable

from processing.errors import FrameError
from processing.flags import FeatureFlag
from processing.geometry import CeaGeometry
from processing.outline import perimeters

_CM2_PER_MM2 = 1e16
FIELD_SEGMENTS = ("Br", "Bt", "Bp")
ERROR_SEGMENTS = ("Br_err", "Bt_err", "Bp_err")
# How far the limit is moved for the error of the area, in units of the quiet Sun. A convention: 4 % of the default
# limit, four times what a quiet-Sun level wrong by one bin of its histogram (1 %) does to it.
LIMIT_STEP = 0.02
# 60 degrees from disk centre. There a pixel of HMI (0.5 arcsec, 0.36 Mm at disk centre) is 0.73 Mm long on the Sun,
# nearly the side of the smallest pore kept (0.66 Mm2); closer to the limb a pore may be one pixel wide.
NEAR_LIMB_MU = 0.5
# CDELT of hmi.sharp_cea_720s, degrees; a map with smaller pixels was resampled from it.
NATIVE_CDELT_DEG = 0.03


@dataclass(frozen=True)
class _Pixels:
    """
    The labelled pixels, a few per cent of a frame: all sums run over these alone.

    ``by_row`` are their places in the flattened image in rising order. ``flat`` are the
    same sorted by label, so that feature k (from 0) has those from ``starts[k]`` on;
    ``row`` and ``col`` belong to ``flat``.
    """

    by_row: np.ndarray
    label_by_row: np.ndarray  # from 0
    flat: np.ndarray
    row: np.ndarray
    col: np.ndarray
    starts: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray) -> "_Pixels":
        """Find them; raises FrameError when a label below the largest has none."""
        by_row = np.flatnonzero(labels != 0)
        label = labels.take(by_row).astype(np.int64) - 1
        count = np.bincount(label)
        if not count.all():
            raise FrameError(f"label {np.argmin(count > 0) + 1} has no pixel, but label {count.size} has")
        short = label.astype(np.uint16) if count.size < 2**16 else label  # numpy sorts 16 bits by radix
        flat = by_row[np.argsort(short, kind="stable")]
        row, col = np.divmod(flat, labels.shape[1])
        return cls(by_row, label, flat, row, col, np.cumsum(count) - count, count)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum over every feature; a feature's pixels lie side by side, so one pass does all."""
        return np.add.reduceat(values, self.starts, dtype=np.float64)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over every feature."""
        return self.sum(values) / self.count

    def number(self, claims: np.ndarray) -> np.ndarray:
        """How many pixels of every feature ``claims`` is true for."""
        return np.add.reduceat(claims, self.starts, dtype=np.int64)


def measure_features(
    labels: np.ndarray,
    *,
    contrast: np.ndarray,
    geometry: CeaGeometry,
    field: Mapping[str, np.ndarray] | None = None,
    field_errors: Mapping[str, np.ndarray] | None = None,
    margin: np.ndarray | None = None,
    umbra_level: float = 0.5,
    quality: int = 0,
    pixels_per_sample: int | None = None,
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
    field_errors : mapping of "Br_err", "Bt_err", "Bp_err" to `~numpy.ndarray`, optional
        Standard deviation of each pixel of ``field``, gauss, same shape; what needs a
        missing one is NaN.
    margin : `~numpy.ndarray`, shape (ny, nx), optional
        How far each pixel is above the limit that decided, in units of the quiet Sun:
        contrast minus threshold for the plain threshold. Below 0 inside; NaN without data.
    umbra_level : float
        A feature's pixels of a smaller contrast are its umbra, the rest is penumbra.
    quality : int
        The frame's QUALITY word; 0 is good.
    pixels_per_sample : int, optional
        How many pixels of this grid come from one observed pixel: 4 on the doubled grid,
        1 on the native one. Without it, as the geometry's CDELT tells.

    Returns
    -------
    `~astropy.table.QTable`
        One row per label, in order.

        - ``label``; ``row``, ``col`` (mean pixel, from 0); ``lon``, ``lat`` (Carrington);
          ``tx``, ``ty`` (helioprojective); ``mu``.
        - ``area_px``, ``area``, ``area_msh`` (millionths of the hemisphere) on the Sun;
          ``area_err``, half of what the area changes by when the limit moves from
          `LIMIT_STEP` below to `LIMIT_STEP` above, see `_area_change`;
          ``umbra_area_px``, ``umbra_area``; ``area_projected``, ``area_projected_msh``,
          ``area_projected_msd`` (millionths of the disk) as the observer sees it.
        - ``intensity_mean``, ``intensity_min``.
        - ``bx`` = Bp, ``by`` = -Bt, ``bz`` = Br (means), ``b`` (mean of the magnitude),
          ``b_max``; ``inclination`` of the mean vector from the vertical (0 outward, 180
          inward) and its ``azimuth`` (0 west, 90 north); ``flux``, the sum of Br times
          pixel area; ``bx_err``, ``by_err``, ``bz_err``, ``flux_err``, standard errors
          from the noise of the pixels, see `_noise_of_sum`.
        - ``major``, ``minor`` (full axes of the ellipse of equal second moments),
          ``orientation`` (from west towards north), ``perimeter`` (outer border).
        - ``flags`` (`FeatureFlag`).

    Raises
    ------
    FrameError
        If the shapes differ, or a label below the largest has no pixel.
    """
    maps = {"contrast": contrast, **(field or {}), **(field_errors or {})}
    if margin is not None:
        maps["margin"] = margin
    for name, image in maps.items():
        if image.shape != labels.shape:
            raise FrameError(f"{name} is {image.shape}, the labels are {labels.shape}")

    pixels = _Pixels.of(labels)
    dark = contrast.take(pixels.flat)
    row, col, ellipse = _ellipse(pixels)
    columns: dict[str, Any] = {"label": np.arange(1, pixels.count.size + 1)}
    columns |= _places(row, col, geometry)
    columns |= _areas(pixels, geometry, change=_area_change(pixels, margin, labels.shape), umbra=dark < umbra_level)
    columns |= _areas_as_seen(columns["area"], geometry, mu=_mean_mu(row, col, ellipse, geometry))
    columns["intensity_mean"] = pixels.mean(dark)
    columns["intensity_min"] = np.minimum.reduceat(dark, pixels.starts)
    columns |= _field(pixels, field or {}, field_errors or {}, geometry, pixels_per_sample)
    side = geometry.pixel_side_mm * u.Mm
    columns["major"], columns["minor"] = ellipse.major * side, ellipse.minor * side
    columns["orientation"] = np.rad2deg(ellipse.angle) * u.deg
    columns["perimeter"] = perimeters(labels, pixels=pixels.by_row) * side
    claims = {
        FeatureFlag.ON_EDGE: pixels.number(_beside_nothing(pixels, contrast)) > 0,
        FeatureFlag.NO_FIELD: np.isnan(columns["b"]),
        FeatureFlag.BAD_QUALITY: quality != 0,
        FeatureFlag.NEAR_LIMB: ~(columns["mu"] >= NEAR_LIMB_MU),  # unknown beyond the limb
    }
    columns["flags"] = sum(np.where(claim, int(flag), 0) for flag, claim in claims.items())
    return QTable(columns, copy=False)


@dataclass(frozen=True)
class _Ellipse:
    """Full axes (pixels) and orientation (radians, columns towards rows) of the ellipse of equal second moments."""

    major: np.ndarray
    minor: np.ndarray
    angle: np.ndarray


def _ellipse(pixels: _Pixels) -> tuple[np.ndarray, np.ndarray, _Ellipse]:
    """Mean row and column of every feature, and its ellipse."""
    # Counted from the feature's first pixel the sums are of small whole numbers, and exact wherever the feature lies.
    row0, col0 = pixels.row[pixels.starts], pixels.col[pixels.starts]
    rows, cols = pixels.row - np.repeat(row0, pixels.count), pixels.col - np.repeat(col0, pixels.count)
    row, col = pixels.mean(rows), pixels.mean(cols)
    # 1/12 is the second moment of one pixel about its own centre
    var_row = pixels.mean(rows * rows) - row**2 + 1 / 12
    var_col = pixels.mean(cols * cols) - col**2 + 1 / 12
    cov = pixels.mean(rows * cols) - row * col
    mean, spread = (var_row + var_col) / 2, np.hypot((var_row - var_col) / 2, cov)
    major, minor = 4 * np.sqrt(mean + spread), 4 * np.sqrt(np.maximum(mean - spread, 0))
    return row0 + row, col0 + col, _Ellipse(major, minor, np.arctan2(2 * cov, var_col - var_row) / 2)


def _places(row: np.ndarray, col: np.ndarray, geometry: CeaGeometry) -> dict[str, Any]:
    """Columns of the position."""
    lon, lat = geometry.lon_lat(row, col)
    tx, ty = geometry.helioprojective(row, col)
    seen = {"tx": tx * u.arcsec, "ty": ty * u.arcsec, "mu": geometry.mu(row, col)}
    return {"row": row, "col": col, "lon": lon * u.deg, "lat": lat * u.deg, **seen}


def _mean_mu(row: np.ndarray, col: np.ndarray, ellipse: _Ellipse, geometry: CeaGeometry) -> np.ndarray:
    """
    Mean of mu over every feature; a part beyond the limb counts as 0, and NaN where it is known nowhere.

    Four points on the axes, at 1/sqrt(2) of the semi-axes, have a feature's own first and
    second moments. So their mean is that of all pixels but for third orders of its size
    over the Sun's radius: to 1e-6, near the limb and for spots of 200 pixels too.
    """
    along, across = ellipse.major / np.sqrt(8), ellipse.minor / np.sqrt(8)
    drow = np.stack([along * np.sin(ellipse.angle), across * np.cos(ellipse.angle)])
    dcol = np.stack([along * np.cos(ellipse.angle), -across * np.sin(ellipse.angle)])
    mu = geometry.mu(row + np.concatenate([drow, -drow]), col + np.concatenate([dcol, -dcol]))
    return np.where(np.isnan(mu).all(axis=0), np.nan, np.nan_to_num(mu).mean(axis=0))


def _areas(pixels: _Pixels, geometry: CeaGeometry, *, change: np.ndarray, umbra: np.ndarray) -> dict[str, Any]:
    """Columns of the area on the Sun; ``change`` in pixels, ``umbra`` true in the pixels that are."""
    umbra_px = pixels.number(umbra)
    pixel = geometry.pixel_area_mm2 * u.Mm**2
    area = pixels.count * pixel
    return {
        "area_px": pixels.count,
        "area": area,
        "area_err": change * pixel,
        "area_msh": area.value * geometry.msh_per_mm2,
        "umbra_area_px": umbra_px,
        "umbra_area": umbra_px * pixel,
    }


def _areas_as_seen(area: u.Quantity, geometry: CeaGeometry, *, mu: np.ndarray) -> dict[str, Any]:
    """Columns of the area that the observer sees; the disk is half the hemisphere."""
    msh = area.value * mu * geometry.msh_per_mm2
    return {"area_projected": area * mu, "area_projected_msh": msh, "area_projected_msd": 2 * msh}


def _area_change(pixels: _Pixels, margin: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """
    Half of the pixels that a feature has more with the limit `LIMIT_STEP` higher than with it as much lower.

    Lower, it loses those of its pixels whose margin is not below -`LIMIT_STEP`. Higher, it
    gains the pixels of a margin below `LIMIT_STEP` that a path of such pixels, side by
    side, joins to it and to no feature that is nearer along such paths; patches that were
    too small to be features are gained too. NaN without a margin.
    """
    n_features = pixels.count.size
    if margin is None:
        return np.full(n_features, np.nan)
    lost = pixels.number(margin.take(pixels.flat) >= -LIMIT_STEP)

    width = shape[1] + 2
    below = np.zeros((shape[0] + 2, width), bool)  # a rim, so that every pixel has four neighbours
    np.less(margin, LIMIT_STEP, out=below[1:-1, 1:-1])
    free = below.ravel()
    front, owner = pixels.by_row + 2 * (pixels.by_row // shape[1]) + width + 1, pixels.label_by_row
    free[front] = False
    gained = np.zeros(n_features, np.int64)
    while front.size:  # one round is one pixel farther: as many as the widest band is wide, and each pixel once
        beside = (front[:, None] + (-width, -1, 1, width)).ravel()
        reached = np.flatnonzero(free[beside])
        front, at = np.unique(beside[reached], return_index=True)
        owner = owner[reached[at] // 4]
        free[front] = False
        gained += np.bincount(owner, minlength=n_features)
    return (lost + gained) / 2


def _pixels_per_sample(geometry: CeaGeometry) -> int:
    """Pixels of this grid that one pixel of `NATIVE_CDELT_DEG` was resampled to; 1 for larger ones."""
    return max(1, round(NATIVE_CDELT_DEG**2 / abs(geometry.cdelt1 * geometry.cdelt2)))


def _field(
    pixels: _Pixels,
    field: Mapping[str, np.ndarray],
    errors: Mapping[str, np.ndarray],
    geometry: CeaGeometry,
    pixels_per_sample: int | None,
) -> dict[str, Any]:
    """Columns of the field and the flux."""
    per_sample = pixels_per_sample or _pixels_per_sample(geometry)

    def inside(maps: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name not in maps:
            return np.full(pixels.flat.size, np.nan)
        return maps[name].take(pixels.flat).astype(np.float64, copy=False)

    br, bt, bp = (inside(field, name) for name in FIELD_SEGMENTS)
    sums = pixels.sum(bp), -pixels.sum(bt), pixels.sum(br)
    bx, by, bz = (total / pixels.count for total in sums)
    magnitude = np.sqrt(br**2 + bt**2 + bp**2)
    of_br, of_bt, of_bp = (_noise_of_sum(pixels, inside(errors, name), per_sample) for name in ERROR_SEGMENTS)
    noise = [np.where(np.isnan(total), np.nan, part) for total, part in zip(sums, (of_bp, of_bt, of_br), strict=True)]
    in_gauss = {"bx": bx, "by": by, "bz": bz}
    in_gauss |= {f"{name}_err": part / pixels.count for name, part in zip(("bx", "by", "bz"), noise, strict=True)}
    in_gauss |= {"b": pixels.mean(magnitude), "b_max": np.maximum.reduceat(magnitude, pixels.starts)}
    cm2 = geometry.pixel_area_mm2 * _CM2_PER_MM2
    azimuth = np.rad2deg(np.arctan2(by, bx)) % 360
    return {
        **{name: values * u.G for name, values in in_gauss.items()},
        "inclination": np.rad2deg(np.arctan2(np.hypot(bx, by), bz)) * u.deg,
        "azimuth": azimuth % 360 * u.deg,  # once more: just below 0 the first remainder rounds to 360
        "flux": sums[2] * cm2 * u.Mx,
        "flux_err": noise[2] * cm2 * u.Mx,
    }


def _noise_of_sum(pixels: _Pixels, error: np.ndarray, pixels_per_sample: int) -> np.ndarray:
    """
    Standard deviation of the sum over every feature of a map whose pixels deviate by ``error``.

    k pixels that were resampled from one observed pixel share its error: of n pixels only
    n / k are independent, so the variance of the sum is k times the sum of the variances
    (and never more than if all n were one sample).
    """
    return np.sqrt(np.minimum(pixels_per_sample, pixels.count) * pixels.sum(error**2))


def _beside_nothing(pixels: _Pixels, contrast: np.ndarray) -> np.ndarray:
    """Which of the pixels lie at the border of the map, or beside or on a pixel without data."""
    ny, nx = contrast.shape
    nothing = (pixels.row == 0) | (pixels.row == ny - 1) | (pixels.col == 0) | (pixels.col == nx - 1)
    for step in (0, -nx, -1, 1, nx):  # off the map only from its border, where it is true anyway
        nothing |= ~np.isfinite(contrast.take(pixels.flat + step, mode="clip"))
    return nothing
