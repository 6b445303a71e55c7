"""
Where a pixel of a CEA map lies on the Sun and how the observer sees it, in closed form.

A SHARP is a cylindrical equal-area map whose native sphere is turned so that its
origin lies at (CRVAL1, CRVAL2); CRVAL2 is not 0, so rows are not lines of latitude.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from processing.errors import FrameError, ParameterError

# R = 696 Mm is RSUN_REF in every SHARP header.
RSUN_REF_M = 6.96e8
ARCSEC_PER_RAD = 180 / np.pi * 3600
PLAIN_AXES = ("X", "Y")  # CTYPE of a map without places: linear axes by the FITS standard, since no algorithm is named
PLAIN_UNIT = "Mm"
BLOCK = 16_384  # pixels worked on at once: 128 kB stay in the cache, and no second map is needed
NEEDED_CARDS = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "CRLN_OBS", "CRLT_OBS", "DSUN_OBS")


@dataclass(frozen=True)
class CeaGeometry:
    """
    One CEA map as seen from one place. Angles in degrees, lengths in metres.

    ``crpix1``, ``crpix2`` count from 1 (FITS); rows and columns given to the methods
    count from 0 and may be fractions.
    """

    crpix1: float
    crpix2: float
    crval1: float
    crval2: float
    cdelt1: float
    cdelt2: float
    crln_obs: float
    crlt_obs: float
    dsun_obs: float
    rsun_ref: float = RSUN_REF_M

    @property
    def knows_places(self) -> bool:
        """Whether longitude, latitude, mu and helioprojective coordinates can be had of it."""
        return True

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "CeaGeometry":
        """
        Read the geometry from the cards of a SHARP header.

        Raises
        ------
        FrameError
            If the map is not CEA, or a card is missing or no number.
        """
        projection = str(header.get("CTYPE1", ""))
        if not projection.endswith("-CEA"):
            raise FrameError(f"the map is not CEA: CTYPE1 is {projection or 'missing'}")
        numbers = {}
        cards = {"RSUN_REF": RSUN_REF_M, **header}
        for card in (*NEEDED_CARDS, "RSUN_REF"):
            try:
                numbers[card.lower()] = float(cards[card])
            except KeyError:
                raise FrameError(f"the header has no {card}") from None
            except (TypeError, ValueError):
                raise FrameError(f"{card} is {cards[card]!r}, not a number") from None
            if not np.isfinite(numbers[card.lower()]):
                raise FrameError(f"{card} is not finite")
        if numbers["cdelt1"] == 0 or numbers["cdelt2"] == 0:
            raise FrameError("CDELT1 and CDELT2 must not be 0")
        return cls(**numbers)

    def doubled(self) -> "CeaGeometry":
        """The same map on a grid of half the pixel: old pixel i (from 0) is at 2 i + 0.5."""
        return replace(
            self,
            crpix1=2 * (self.crpix1 - 0.5) + 0.5,
            crpix2=2 * (self.crpix2 - 0.5) + 0.5,
            cdelt1=self.cdelt1 / 2,
            cdelt2=self.cdelt2 / 2,
        )

    @property
    def pixel_area_mm2(self) -> float:
        """Area of any pixel on the Sun in Mm2; 0.1328 for 0.03 degrees."""
        side = np.deg2rad(1) * self.rsun_ref / 1e6
        return float(abs(self.cdelt1 * self.cdelt2) * side**2)

    @property
    def pixel_side_mm(self) -> float:
        """Side of a square of the pixel's area, in Mm."""
        return float(np.sqrt(self.pixel_area_mm2))

    @property
    def msh_per_mm2(self) -> float:
        """Millionths of the solar hemisphere (1e-6 of 2 pi R2) in one Mm2."""
        return float(1e6 / (2 * np.pi * (self.rsun_ref / 1e6) ** 2))

    @property
    def apparent_radius_arcsec(self) -> float:
        """Angle between the centre of the disk and its limb, arcsin(RSUN_REF / DSUN_OBS)."""
        return float(np.arcsin(self.rsun_ref / self.dsun_obs) * ARCSEC_PER_RAD)

    def _native(self, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Native longitude (rad), of the column alone; sine and cosine of native latitude, of the row alone."""
        native_lon = np.deg2rad((np.asarray(col) + 1 - self.crpix1) * self.cdelt1)
        sin_native = np.deg2rad((np.asarray(row) + 1 - self.crpix2) * self.cdelt2)
        with np.errstate(invalid="ignore"):
            return native_lon, sin_native, np.sqrt(1 - sin_native**2)

    def lon_lat(self, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Carrington longitude (0 to 360) and latitude in degrees; NaN off the sphere."""
        native_lon, sin_native, cos_native = self._native(row, col)
        sin_c, cos_c = np.sin(np.deg2rad(self.crval2)), np.cos(np.deg2rad(self.crval2))
        out = cos_native * np.cos(native_lon)
        sin_lat = sin_native * cos_c + out * sin_c
        lon = np.rad2deg(np.arctan2(cos_native * np.sin(native_lon), out * cos_c - sin_native * sin_c)) + self.crval1
        return lon % 360, np.rad2deg(np.arcsin(np.clip(sin_lat, -1, 1)))

    def _rotation(self) -> np.ndarray:
        """From (north, east, out) at the reference pixel to (west, north, near) as the observer sees them."""
        tilt, away, b0 = np.deg2rad([self.crval2, self.crval1 - self.crln_obs, self.crlt_obs])
        (sin_c, sin_a, sin_b), (cos_c, cos_a, cos_b) = np.sin([tilt, away, b0]), np.cos([tilt, away, b0])
        to_carrington = np.array([[-sin_c, 0, cos_c], [0, 1, 0], [cos_c, 0, sin_c]])
        to_observer = np.array(
            [[sin_a, cos_a, 0], [-cos_a * sin_b, sin_a * sin_b, cos_b], [cos_a * cos_b, -sin_a * cos_b, sin_b]]
        )
        return to_observer @ to_carrington

    def _towards_observer(self, row: np.ndarray, col: np.ndarray, axis: int) -> np.ndarray:
        """
        One unit-sphere coordinate as the observer has it: 0 west, 1 north, 2 near.

        On an open grid (rows of shape (ny, 1), columns of shape (1, nx)) only ny + nx
        sines are taken; the map itself is one outer product and one outer sum.
        """
        native_lon, sin_native, cos_native = self._native(row, col)
        of_north, of_east, of_out = self._rotation()[axis]
        by_column = of_east * np.sin(native_lon) + of_out * np.cos(native_lon)
        seen = np.asarray(cos_native * by_column)
        seen += of_north * sin_native  # in place: to get memory for one more map takes longer than the sum
        return seen

    def mu(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Cosine of the heliocentric angle, observer at DSUN_OBS; NaN beyond the limb."""
        mu = np.asarray(self._towards_observer(row, col, axis=2), order="C")
        size = self.rsun_ref / self.dsun_obs
        pixels = mu.reshape(-1)  # a view
        for begin in range(0, pixels.size, BLOCK):
            part = pixels[begin : begin + BLOCK]
            distance = part * (-2 * size)
            distance += 1 + size**2
            np.sqrt(distance, out=distance)
            part -= size
            part /= distance
            np.minimum(part, 1, out=part)  # rounding at disk centre
            np.copyto(part, np.nan, where=~(part > 0))
        return mu

    def mu_map(self, shape: tuple[int, int]) -> np.ndarray:
        """``mu`` of every pixel of a map of that (ny, nx)."""
        return self.mu(np.arange(shape[0])[:, None], np.arange(shape[1])[None, :])

    def helioprojective(self, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tx (west) and Ty (north) in arcsec as the observer sees them; NaN beyond the limb."""
        west, north, near = (self.rsun_ref * self._towards_observer(row, col, axis) for axis in range(3))
        along = self.dsun_obs - near
        distance = np.sqrt(west**2 + north**2 + along**2)
        hidden = ~np.isfinite(self.mu(row, col))
        tx = np.arctan2(west, along) * ARCSEC_PER_RAD
        ty = np.arcsin(north / distance) * ARCSEC_PER_RAD
        return np.where(hidden, np.nan, tx), np.where(hidden, np.nan, ty)


class PlainGeometry(CeaGeometry):
    """
    A map of which only the pixel's side on the Sun is known, in Mm.

    Sizes are those of such pixels; places, mu and helioprojective coordinates are NaN,
    since its reference pixel is.

    Raises
    ------
    ParameterError
        If the side is not a positive number.
    """

    def __init__(self, pixel_side_mm: float) -> None:
        if not (np.isfinite(pixel_side_mm) and pixel_side_mm > 0):
            raise ParameterError(f"the side of a pixel must be positive, not {pixel_side_mm:g} Mm")
        step = float(np.rad2deg(pixel_side_mm * 1e6 / RSUN_REF_M))
        unknown = np.nan
        super().__init__(unknown, unknown, unknown, unknown, step, step, unknown, unknown, unknown)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "PlainGeometry":
        """
        Read the side of a pixel from the cards of a map whose axes are in Mm.

        Raises
        ------
        FrameError
            If CUNIT1 or CUNIT2 is no Mm, CDELT1 or CDELT2 is missing or not positive, or they differ.
        """
        for card in ("CUNIT1", "CUNIT2"):
            if str(header.get(card, "")) != PLAIN_UNIT:
                raise FrameError(f"the axes of the map are not in Mm: {card} is {header.get(card) or 'missing'}")
        try:
            sides = [float(header[card]) for card in ("CDELT1", "CDELT2")]
        except KeyError as missing:
            raise FrameError(f"the header has no {missing.args[0]}") from None
        except (TypeError, ValueError):
            raise FrameError("CDELT1 and CDELT2 are not both numbers") from None
        if not all(np.isfinite(side) and side > 0 for side in sides) or not math.isclose(*sides, rel_tol=1e-6):
            raise FrameError(f"pixels must be squares of a positive side, not {sides[0]:g} by {sides[1]:g} Mm")
        return cls(sides[0])

    @property
    def knows_places(self) -> bool:
        """False: nothing tells where it lies."""
        return False

    def cards(self) -> dict[str, Any]:
        """The cards that `geometry_of` reads it back from: linear axes from the middle of the first pixel."""
        cards: dict[str, Any] = {}
        for axis, name in enumerate(PLAIN_AXES, start=1):
            cards |= {f"CTYPE{axis}": name, f"CUNIT{axis}": PLAIN_UNIT, f"CRPIX{axis}": 1.0, f"CRVAL{axis}": 0.0}
            # the product of the steps is a side's square: without its last digits it reads as it was written
            cards[f"CDELT{axis}"] = float(f"{self.pixel_side_mm:.12g}")
        return cards

    def doubled(self) -> "PlainGeometry":
        """The same map on a grid of half the pixel."""
        return PlainGeometry(self.pixel_side_mm / 2)


def geometry_of(header: Mapping[str, Any]) -> CeaGeometry:
    """
    What the cards of a frame tell of where its pixels lie: a CEA map, or a `PlainGeometry` for axes in Mm.

    Raises
    ------
    FrameError
        If they tell neither, or not all that is needed.
    """
    if str(header.get("CUNIT1", "")) == PLAIN_UNIT:
        return PlainGeometry.from_header(header)
    return CeaGeometry.from_header(header)
