"""
Where a patch lies on the disk as the observer sees it: outline, middle, graticule, in closed form.

Positions on the disk are (x, y) with x west and y north, in units of the disk's apparent
radius: the limb is at 1, within the 5e-6 by which Tx and Ty differ from a plane's.
Longitudes are Stonyhurst ones as counted from the central meridian of the observer, which in
the headers of SDO is that of the Earth within 0.1 degrees.
"""

from dataclasses import dataclass

import numpy as np

from processing.geometry import CeaGeometry

POINTS_A_SIDE = 5  # of an outline's, its corners once; with what goes along the limb at most 24
GRID_STEP_DEG = 30
SAMPLE_DEG = 5  # between points of a graticule's line
ONE_AU = 6.96e8 / 1.495978707e11  # the solar radius over the mean distance
LINE_OF_LABEL = 0.13  # height of the letters
Point = tuple[float, float]


@dataclass(frozen=True)
class DiskPlace:
    """
    A patch on the disk.

    ``outline`` is what is seen of its boundary, closed along the limb where the patch
    reaches beyond it: at most 24 points, none when nothing is seen. ``middle`` is None when
    that of the patch is not seen. ``lon_deg``, ``lat_deg`` and ``mu`` are those of the
    middle; mu is NaN beyond the limb.
    """

    outline: list[Point]
    middle: Point | None
    lon_deg: float
    lat_deg: float
    mu: float
    b0_deg: float


def disk_place(geometry: CeaGeometry, shape: tuple[int, int]) -> DiskPlace | None:
    """Where a map of that (ny, nx) lies on the disk; None when its geometry does not tell."""
    if not geometry.knows_places:
        return None
    size = geometry.rsun_ref / geometry.dsun_obs
    lon, lat = _from_meridian(geometry, *_boundary(shape))
    known = np.isfinite(lon)  # a map that is wider than the sphere has corners off it
    points = _unit_sphere(lon[known], lat[known], geometry.crlt_obs)
    middle = np.array([(shape[0] - 1) / 2]), np.array([(shape[1] - 1) / 2])
    (lon_deg,), (lat_deg,) = _from_meridian(geometry, *middle)
    (mu,) = geometry.mu(*middle)
    at = _unit_sphere(np.array([lon_deg]), np.array([lat_deg]), geometry.crlt_obs)
    return DiskPlace(
        outline=_seen_part(points, size),
        middle=_on_disk(at, size)[0] if np.isfinite(mu) else None,
        lon_deg=float(lon_deg),
        lat_deg=float(lat_deg),
        mu=float(mu),
        b0_deg=geometry.crlt_obs,
    )


def graticule(b0_deg: float, *, size: float = ONE_AU) -> list[list[Point]]:
    """
    The meridians and parallels at each 30 degrees that are seen when the disk's centre is at latitude ``b0_deg``.

    ``size`` is the solar radius over the observer's distance. Each line is a list of points.
    """
    along_lat = np.arange(-90, 90 + SAMPLE_DEG, SAMPLE_DEG, dtype=float)
    along_lon = np.arange(-180, 180 + SAMPLE_DEG, SAMPLE_DEG, dtype=float)
    lines = [
        *((np.full_like(along_lat, lon), along_lat) for lon in range(-180, 180, GRID_STEP_DEG)),
        *((along_lon, np.full_like(along_lon, lat)) for lat in range(-60, 61, GRID_STEP_DEG)),
    ]
    return [piece for line in lines for piece in _seen_pieces(_unit_sphere(*line, b0_deg), size)]


def pixel_of(geometry: CeaGeometry, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column, from 0, of Carrington longitudes and latitudes in degrees; NaN on the far side of the Sun."""
    away, north = np.deg2rad(lon - geometry.crval1), np.sin(np.deg2rad(lat))
    sin_c, cos_c = np.sin(np.deg2rad(geometry.crval2)), np.cos(np.deg2rad(geometry.crval2))
    across = np.cos(np.deg2rad(lat))
    ahead = north * sin_c + across * np.cos(away) * cos_c  # towards the map's own origin
    native_lon = np.arctan2(across * np.sin(away), ahead)
    sin_native = north * cos_c - across * np.cos(away) * sin_c
    row = sin_native / np.deg2rad(geometry.cdelt2) + geometry.crpix2 - 1
    col = native_lon / np.deg2rad(geometry.cdelt1) + geometry.crpix1 - 1
    return np.where(ahead > 0, row, np.nan), np.where(ahead > 0, col, np.nan)


def where_words(lon_deg: float, lat_deg: float) -> str:
    """Stonyhurst longitude and latitude in whole degrees, as in "S20 W35"."""
    lon, lat = round(lon_deg), round(lat_deg)
    return f"{'S' if lat < 0 else 'N'}{abs(lat):02d} {'E' if lon < 0 else 'W'}{abs(lon):02d}"


def place_words(place: DiskPlace | None) -> str:
    """The place in the way observers write it: "S20 W35, mu 0.75"."""
    if place is None:
        return "where it was on the disk is not known"
    where = where_words(place.lon_deg, place.lat_deg)
    return f"{where}, mu {place.mu:.2f}" if np.isfinite(place.mu) else f"{where}, beyond the limb"


def label_place(outline: list[Point]) -> tuple[float, float, str]:
    """
    Where words about an outline find room: (x, y, "start", "middle" or "end" of them).

    Above it, or below it where the top of the disk is near; near the east limb they begin
    there, near the west limb they end there.
    """
    if not outline:
        return 0.0, 0.0, "middle"
    xs, ys = zip(*outline, strict=True)
    x = (min(xs) + max(xs)) / 2
    above = max(ys) + 0.4 * LINE_OF_LABEL
    y = above if above + LINE_OF_LABEL < 1 else min(ys) - 1.1 * LINE_OF_LABEL
    if abs(x) < 0.45:
        return x, y, "middle"
    return (max(xs), y, "end") if x > 0 else (min(xs), y, "start")


def _boundary(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns around the outer edges of a map's pixels, from the south-east corner by way of the south."""
    (south, north), (east, west) = (-0.5, shape[0] - 0.5), (-0.5, shape[1] - 0.5)
    step = np.linspace(0, 1, POINTS_A_SIDE, endpoint=False)
    rows = [south + 0 * step, south + (north - south) * step, north + 0 * step, north + (south - north) * step]
    cols = [east + (west - east) * step, west + 0 * step, west + (east - west) * step, east + 0 * step]
    return np.concatenate(rows), np.concatenate(cols)


def _from_meridian(geometry: CeaGeometry, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitude from the observer's central meridian (-180 to 180) and latitude in degrees."""
    lon, lat = geometry.lon_lat(row, col)
    return (lon - geometry.crln_obs + 180) % 360 - 180, lat


def _unit_sphere(lon: np.ndarray, lat: np.ndarray, b0_deg: float) -> np.ndarray:
    """Coordinates towards west, north and the observer, shape (n, 3)."""
    lam, phi, b0 = np.deg2rad(lon), np.deg2rad(lat), np.deg2rad(b0_deg)
    ahead = np.cos(phi) * np.cos(lam)
    west = np.cos(phi) * np.sin(lam)
    north = np.sin(phi) * np.cos(b0) - ahead * np.sin(b0)
    return np.stack([west, north, np.sin(phi) * np.sin(b0) + ahead * np.cos(b0)], axis=-1)


def _on_disk(points: np.ndarray, size: float) -> list[Point]:
    """Unit-sphere points as seen from 1 / size radii."""
    west, north, near = (points * size).T
    along = 1 - near
    x = np.arctan2(west, along)
    y = np.arcsin(north / np.sqrt(west**2 + north**2 + along**2))
    return [(float(a), float(b)) for a, b in zip(x / np.arcsin(size), y / np.arcsin(size), strict=True)]


def _crossing(here: np.ndarray, there: np.ndarray, size: float) -> float:
    """Position angle, from west towards north in radians, at which the way between two points meets the limb."""
    share = (size - here[2]) / (there[2] - here[2])  # what is seen of a sphere is what is nearer than R / D
    west, north = (here + share * (there - here))[:2]
    return float(np.arctan2(north, west))


def _along_limb(begin: float, end: float, n_points: int = 3) -> list[Point]:
    """Points of the limb between two position angles, the shorter way."""
    turn = (end - begin + np.pi) % (2 * np.pi) - np.pi
    return [(float(np.cos(angle)), float(np.sin(angle))) for angle in begin + np.linspace(0, turn, n_points)]


def _seen_part(points: np.ndarray, size: float) -> list[Point]:
    """The part before the limb of a closed line around an area, closed along the limb."""
    seen = points[:, 2] > size
    if not seen.any():
        return []
    start = int(np.argmax(seen))
    points, seen = np.roll(points, -start, axis=0), np.roll(seen, -start)
    flat = _on_disk(points, size)
    outline: list[Point] = []
    left_at = 0.0
    for index in range(len(points)):
        after = (index + 1) % len(points)
        if seen[index]:
            outline.append(flat[index])
        if seen[index] and not seen[after]:
            left_at = _crossing(points[index], points[after], size)
        elif seen[after] and not seen[index]:
            outline += _along_limb(left_at, _crossing(points[index], points[after], size))
    return outline


def _seen_pieces(points: np.ndarray, size: float) -> list[list[Point]]:
    """The pieces before the limb of an open line; those of a single point are left out."""
    seen = points[:, 2] > size
    flat = _on_disk(points, size)
    pieces: list[list[Point]] = [[]]
    for index in range(len(points)):
        if seen[index]:
            pieces[-1].append(flat[index])
        if index + 1 < len(points) and seen[index] != seen[index + 1]:
            angle = _crossing(points[index], points[index + 1], size)
            pieces[-1].append((float(np.cos(angle)), float(np.sin(angle))))
            if seen[index]:
                pieces.append([])
    return [piece for piece in pieces if len(piece) > 1]
