"""
Where the pixels of a sequence's images lie: as they are, or on a CEA map of a box fixed on the Sun.

Both ways take an image and the shift that brings it onto the first, and give a frame's map
and cards. A CEA map is sampled once, where the shift says, so that coalignment does not
blur it a second time.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from poreweb.sequences.models import Sequence
from processing.coalign import shifted
from processing.errors import FrameError
from processing.fits import OF_SEQUENCE
from processing.geometry import ARCSEC_PER_RAD, RSUN_REF_M, PlainGeometry
from processing.heliographic import OF_DATE, CeaBox, Pointing, box_around, geometry_in, map_of, read_map, to_cea
from processing.sequence_files import TimedFrame
from processing.timekeys import utc_of

Cards = dict[str, Any]
Shift = tuple[float, float]
# What sunpy may take a time from, and one card of each set that it may take an observer from:
# Carrington coordinates, and what AIA, EIT, EUI, MDI, SUVI and SXT have.
OF_TIME = (*OF_DATE, "T_OBS", "T_REC", "TIMESYS", "TIME-OBS", "TIME_OBS")
OF_OBSERVER = ("CRLN_OBS", "HAEX_OBS", "HEC_X", "HCIX_OBS", "OBS_L0", "OBSGEO-X", "LONG")
CARRIED = ("TELESCOP", "INSTRUME", "DETECTOR", "WAVELNTH", "WAVEUNIT", "BUNIT")


class Places(Protocol):
    """How images become maps."""

    def to_compare(self, image: np.ndarray, timed: TimedFrame) -> np.ndarray:
        """The map by which a frame is coaligned."""

    def place(self, image: np.ndarray, timed: TimedFrame, shift: Shift | None) -> tuple[np.ndarray, Cards]:
        """The map of a frame, moved by ``shift`` (rows, columns in its pixels), and its cards."""

    def facts(self) -> Iterable[str]:
        """What was decided for the whole sequence, in sentences."""


class PlainPlaces:
    """Images as they are, of which only the pixel's side is known."""

    def __init__(self, side_mm: float) -> None:
        self._cards = PlainGeometry(side_mm).cards()

    def to_compare(self, image: np.ndarray, timed: TimedFrame) -> np.ndarray:
        """The image."""
        return image

    def place(self, image: np.ndarray, timed: TimedFrame, shift: Shift | None) -> tuple[np.ndarray, Cards]:
        """The image, moved."""
        own = {card: timed.source.cards[card] for card in CARRIED if card in timed.source.cards}
        return image if shift is None else shifted(image, shift), {**own, **self._cards}

    def facts(self) -> Iterable[str]:
        """Nothing was decided."""
        return ()


class CeaPlaces:
    """
    Images remapped to a CEA box that keeps its Carrington place.

    Where one header, or one pointing given by hand, tells of several frames, it is that of
    the first of them; later ones are taken to have followed the box as it went across the disk,
    seen from where the first was (see `observer_cards`).
    """

    def __init__(self, sequence: Sequence, timed: list[TimedFrame], first: TimedFrame, image: np.ndarray) -> None:
        self._sequence = sequence
        self._by_headers = sequence.coordinates == Sequence.Coordinates.HEADERS
        self._begins = {frame.source.sha256: frame.t_s for frame in reversed(timed)}
        self._first_s = timed[0].t_s
        self._observers: dict[str, tuple[Any, float]] = {}
        observed = self._looking(image, first, self._told_s(first))
        part = {}
        if self._by_headers:
            names = ("tx_arcsec", "ty_arcsec", "width_deg", "height_deg")
            part = {name: getattr(sequence, name) for name in names}
        self._box = box_around(observed, **part)

    def _looking(self, image: np.ndarray, timed: TimedFrame, t_s: int, moved: tuple[float, float] = (0, 0)) -> Any:
        """The image as a map of that time, whose pointing is the one that is told, moved by so many arcsec."""
        said, cards, utc = self._sequence, timed.source.cards, utc_of(t_s)
        if not self._by_headers:
            assert said.pixel_scale is not None
            # the telescope's pixel stays the same angle, though the distance changes
            per_unit = 1.0 if said.scale_unit == said.Unit.ARCSEC else arcsec_per_km(utc_of(self._first_s))
            tx, ty = (said.tx_arcsec or 0.0) + moved[0], (said.ty_arcsec or 0.0) + moved[1]
            return map_of(image, Pointing(utc, said.pixel_scale * per_unit, tx, ty, said.rotation_deg))
        if self._has_own_header(timed):
            return read_map(image, cards)
        told = without(OF_TIME, cards)
        observer, radius_m = self._observer(image, timed, told)
        told = {**without(OF_OBSERVER, told), **observer_cards(observer, utc), "RSUN_REF": radius_m}
        for axis, by in zip("12", moved, strict=True):
            in_degrees = str(cards.get(f"CUNIT{axis}", "arcsec")).strip().startswith("deg")
            told[f"CRVAL{axis}"] = float(cards.get(f"CRVAL{axis}", 0.0)) + (by / 3600 if in_degrees else by)
        return read_map(image, {**told, **time_cards(utc)})

    def _observer(self, image: np.ndarray, timed: TimedFrame, told: Cards) -> tuple[Any, float]:
        """Who saw the frame that a header is of, and the solar radius in m that it tells."""
        sha256 = timed.source.sha256
        if sha256 not in self._observers:
            first = read_map(image, {**told, **time_cards(utc_of(self._told_s(timed)))})
            self._observers[sha256] = first.observer_coordinate, float(first.rsun_meters.to_value("m"))
        return self._observers[sha256]

    def _has_own_header(self, timed: TimedFrame) -> bool:
        return bool(self._sequence.times_from_headers) and timed.source.n_frames == 1

    def _told_s(self, timed: TimedFrame) -> int:
        """The time of the frame whose pointing is told."""
        return self._begins[timed.source.sha256] if self._by_headers else self._first_s

    def _observed(self, image: np.ndarray, timed: TimedFrame) -> Any:
        """The image with its pointing: by its own header, or by how the box went on since that was told."""
        if self._by_headers and self._has_own_header(timed):
            return read_map(image, timed.source.cards)
        began, now = (self._middle(self._looking(image, timed, t_s)) for t_s in (self._told_s(timed), timed.t_s))
        return self._looking(image, timed, timed.t_s, (now[0] - began[0], now[1] - began[1]))

    def _middle(self, observed: Any) -> tuple[float, float]:
        """Tx and Ty of the box's middle at the map's time, arcsec."""
        ny, nx = self._box.shape
        tx, ty = geometry_in(observed, self._box).helioprojective(np.array((ny - 1) / 2), np.array((nx - 1) / 2))
        if not np.isfinite(tx):
            raise FrameError("the middle of the patch is beyond the limb")
        return float(tx), float(ty)

    def to_compare(self, image: np.ndarray, timed: TimedFrame) -> np.ndarray:
        """The CEA map, not moved."""
        return to_cea(self._observed(image, timed), self._box).need(OF_SEQUENCE)

    def place(self, image: np.ndarray, timed: TimedFrame, shift: Shift | None) -> tuple[np.ndarray, Cards]:
        """The CEA map, sampled where the shift says."""
        observed = self._observed(image, timed)
        frame = to_cea(observed, self._box if shift is None else self._moved(shift))
        middle = {"CRVAL1": self._box.lon_deg, "CRVAL2": self._box.lat_deg}
        return frame.need(OF_SEQUENCE), {**frame.cards, **middle}

    def _moved(self, shift: Shift) -> CeaBox:
        """The box that holds, at a pixel, what lies ``shift`` before that pixel in the box itself."""
        box = self._box
        rows, columns = shift
        lat_deg = box.lat_deg - rows * box.step_deg
        lon_deg = box.lon_deg - columns * box.step_deg / np.cos(np.deg2rad(box.lat_deg))
        return replace(box, lon_deg=float(lon_deg), lat_deg=float(lat_deg))

    def facts(self) -> Iterable[str]:
        """Where the box is."""
        box = self._box
        ny, nx = box.shape
        yield (
            f"The patch is a box of {nx} by {ny} pixels of {box.step_deg:g}° (CEA), {nx * box.step_deg:.2f}° by"
            f" {ny * box.step_deg:.2f}°, around Carrington longitude {box.lon_deg:.2f}° and latitude"
            f" {box.lat_deg:.2f}°, where it stays."
        )


def without(names: Iterable[str], cards: Cards) -> Cards:
    """The other cards."""
    return {card: value for card, value in cards.items() if card not in names}


def time_cards(utc: datetime) -> Cards:
    """A moment as every instrument's map takes it; HMI's and SUIT's look at T_OBS first."""
    return {"DATE-OBS": utc.isoformat(), "T_OBS": utc.isoformat()}


def observer_cards(observer: Any, utc: datetime) -> Cards:
    """
    Where an observer is at another time, as far as one header tells: at its angle from the Earth.

    What is kept are the longitude from the Earth and the latitude in the ecliptic, and the
    distance as a part of the Earth's. So an observer on the Earth, or near it as SDO, stays
    there, and the Sun turns below and nods as it does for one on a track of its own; a day of
    the way of STEREO, which is left out, is 0.06 degrees.
    """
    from sunpy.coordinates import HeliocentricEarthEcliptic, HeliographicStonyhurst, get_earth

    seen = observer.transform_to(HeliocentricEarthEcliptic(obstime=observer.obstime))
    nearer = (get_earth(utc).radius / get_earth(observer.obstime).radius).to_value("")
    later = HeliocentricEarthEcliptic(lon=seen.lon, lat=seen.lat, distance=seen.distance * nearer, obstime=utc)
    there = later.transform_to(HeliographicStonyhurst(obstime=utc))
    lon, lat = (float(angle.to_value("deg")) for angle in (there.lon, there.lat))
    return {"HGLN_OBS": lon, "HGLT_OBS": lat, "DSUN_OBS": float(there.radius.to_value("m"))}


def arcsec_per_km(utc: datetime) -> float:
    """Of what lies at disk centre as seen from the Earth: nearer than the Sun's centre by its radius."""
    from sunpy.coordinates import get_earth

    return ARCSEC_PER_RAD / (get_earth(utc).radius.to_value("km") - RSUN_REF_M / 1e3)


def places_of(sequence: Sequence, timed: list[TimedFrame], first: TimedFrame, image: np.ndarray) -> Places:
    """
    As was said of the sequence; ``image`` is the first one that can be used.

    Raises
    ------
    FrameError, ParameterError
        If it has no place by what was said.
    """
    if sequence.coordinates == Sequence.Coordinates.SCALE:
        if sequence.side_mm is None:
            raise FrameError("the side of a pixel is not told")
        return PlainPlaces(sequence.side_mm)
    return CeaPlaces(sequence, timed, first, image)
