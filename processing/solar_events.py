"""
Flares, emerging flux and sunspots that HEK lists, and which of them are a patch's.

HEK, the Heliophysics Events Knowledgebase (Hurlburt et al. 2012, Sol. Phys. 275, 67), keeps
every detection of every method, so that one flare is in it many times over. Times are naive
UTC datetimes, longitudes Stonyhurst ones (west positive), angles degrees.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from processing.geometry import CeaGeometry
from processing.locator import pixel_of

KINDS = {"FL": "flare", "EF": "emerging flux", "SS": "sunspot"}
# Who is believed first. SWPC's list from GOES is the official one, "SEC standard" an older name of
# it; SolarSoft's "Latest Events" takes class and times from it and adds the place.
PREFERRED = ("SWPC", "SEC standard", "SSW Latest Events")
# Detections whose maxima lie further apart are of two flares: of SWPC's and SolarSoft's those of
# one flare agree within minutes.
SAME_FLARE = timedelta(minutes=10)
APART_DEG = 15.0  # and so are those that lie further apart than places of one flare scatter
# And those whose classes differ by more than a factor of two: SWPC's, which until GOES-16 it
# multiplied by 0.7, and those of today's calibration differ by 1.4.
SAME_CLASS = math.log10(2)
PAD = timedelta(hours=12)  # what happened shortly before and after the frames explains what they show
MARGIN_DEG = 2.0  # SWPC gives whole degrees; a patch turns half a degree in an hour
PIECE = timedelta(days=2)  # of time, asked for at once
SYNODIC_DEG_PER_DAY = 360 / 27.2753
MOST_NOAA = 99_999
# Of a text, characters; a database holds no more.
LENGTH_OF_KEY, LENGTH_OF_FINDER, LENGTH_OF_CLASS = 300, 200, 10
_CLASS = re.compile(r"([ABCMX])([0-9]{1,3}(?:\.[0-9]{0,3})?)")
KM2_PER_MSH = 2 * math.pi * 696_000.0**2 / 1e6
AREA_UNITS_KM2 = {"km2": 1.0, "km^2": 1.0, "mm2": 1e6, "mm^2": 1e6}


@dataclass(frozen=True)
class SolarEvent:
    """
    One event. What HEK does not tell is None, or "" of a text.

    ``others`` are the names of the methods, other than ``finder``, that found the same
    flare, one for each detection. ``tx``, ``ty`` are arcsec as seen from the Earth.
    """

    key: str
    kind: str
    start: datetime
    peak: datetime | None
    end: datetime
    finder: str
    goes_class: str = ""
    lon_deg: float | None = None
    lat_deg: float | None = None
    tx: float | None = None
    ty: float | None = None
    noaa_ar: int | None = None
    area_msh: float | None = None
    others: tuple[str, ...] = ()

    @property
    def moment(self) -> datetime:
        """The one moment to show it at: its maximum, or its begin."""
        return self.peak or self.start


@dataclass(frozen=True)
class PatchMoment:
    """Where a patch was at one frame: UTC, geometry that knows places, (ny, nx)."""

    at: datetime
    geometry: CeaGeometry
    shape: tuple[int, int]


def pieces_of(first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """The time around frames from a first to a last one, in pieces to be asked for one by one."""
    begin, end = first - PAD, last + PAD
    n_pieces = math.ceil((end - begin) / PIECE)
    return [(begin + index * PIECE, min(end, begin + (index + 1) * PIECE)) for index in range(n_pieces)]


def events_of(rows: Iterable[Mapping[str, Any]]) -> list[SolarEvent]:
    """The rows as events, each key once, by time; those without a key, a time or a known kind are left out."""
    events = {event.key: event for event in map(_event, rows) if event is not None}
    return sorted(events.values(), key=lambda event: (event.start, event.key))


def _event(row: Mapping[str, Any]) -> SolarEvent | None:
    kind = str(row.get("event_type") or "")[:2].upper()
    key = _text(row.get("kb_archivid"), LENGTH_OF_KEY)
    start, end = _time(row.get("event_starttime")), _time(row.get("event_endtime"))
    if kind not in KINDS or not key or start is None:
        return None
    lon, lat = _number(row.get("hgs_x")), _number(row.get("hgs_y"))
    if (lon, lat) == (0, 0):  # what SWPC's flares have that nobody saw the place of
        lon = lat = None
    known = lon is not None and lat is not None and abs(lon) <= 180 and abs(lat) <= 90
    return SolarEvent(
        key=key,
        kind=kind,
        start=start,
        peak=_time(row.get("event_peaktime")),
        end=max(start, end or start),
        finder=_text(row.get("frm_name"), LENGTH_OF_FINDER) or "unknown",
        goes_class=_goes_class(row.get("fl_goescls")),
        lon_deg=lon if known else None,
        lat_deg=lat if known else None,
        tx=_number(row.get("hpc_x")) if known else None,
        ty=_number(row.get("hpc_y")) if known else None,
        noaa_ar=_noaa(row.get("ar_noaanum")),
        area_msh=_area_msh(row) if kind == "SS" else None,
    )


def _text(value: Any, length: int) -> str:
    """As a database takes it: without signs that cannot be printed, NUL among them, and not longer."""
    return "".join(sign for sign in str(value or "") if sign.isprintable())[:length].strip()


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value or ""))
    except ValueError:
        return None
    return moment.replace(tzinfo=None)  # HEK's times are UTC, with a Z or without


def _goes_class(value: Any) -> str:
    text = str(value or "").strip().upper()
    return text if goes_level(text) is not None else ""


def _noaa(value: Any) -> int | None:
    """The number in full: some reports give its last four digits, and it passed 10000 in June 2002."""
    number = _number(value)
    if number is None or not 1 <= number <= MOST_NOAA:
        return None
    return int(number) + 10_000 if number < 10_000 else int(number)


def _area_msh(row: Mapping[str, Any]) -> float | None:
    """Area of a spot in millionths of the hemisphere; None in a unit that is no area on the Sun."""
    area = _number(row.get("area_atdiskcenter"))
    unit = AREA_UNITS_KM2.get(str(row.get("area_unit") or "").strip().lower())
    return None if area is None or area <= 0 or unit is None else _number(area * unit / KM2_PER_MSH)


def goes_level(goes_class: str) -> float | None:
    """A GOES class as a number: A1 is 0, B1 1, C1 2, M1 3, X1 4, X10 5; None for what is no class."""
    match = _CLASS.fullmatch(goes_class)
    factor = float(match[2]) if match else 0.0
    return "ABCMX".index(match[1]) + math.log10(factor) if match and factor else None


# -- One of several detections ---------------------------------------------------------------------


def one_per_flare(events: Iterable[SolarEvent]) -> list[SolarEvent]:
    """
    Keep one detection of each flare, and every other event.

    By `PREFERRED`, then those with a GOES class, then by time: each detection joins the
    best of the kept ones that it may be of, as they are with all that joined them, and is
    kept when there is none. It is of the same flare when their spans meet, their maxima are
    within `SAME_FLARE`, their places within `APART_DEG`, and their NOAA numbers and classes
    the same, as far as these are known. Nobody who gives classes lists a flare twice, so
    that two classed ones of one method are two flares. What the kept one lacks is taken from
    the next: SWPC often has no place.

    A detection without a place is only joined by those of one place (see `_place_for`): where
    flares were seen in several places at a time, nothing tells whose class SWPC's is.
    """
    kept: list[SolarEvent] = []
    flares: list[SolarEvent] = []
    for event in events:
        (flares if event.kind == "FL" else kept).append(event)
    flares.sort(key=_preference)
    placed = _ByTime()
    for event in flares:
        if _has_place(event):
            placed.add(_Flare(event, [event]))
    groups = _ByTime()
    for event in flares:
        at_place = event if _has_place(event) else _place_for(event, placed.near(event))
        fitting = [flare for flare in groups.near(event) if flare.may_be_of(at_place)]
        if fitting:
            min(fitting, key=lambda flare: _unlikeness(flare.leader, at_place)).join(event)
        else:
            groups.add(_Flare(at_place, [event]))
    kept += [_joined(flare.detections) for flare in groups.all()]
    return sorted(kept, key=lambda event: (event.start, event.key))


@dataclass
class _Flare:
    """
    Detections of one flare, by preference.

    ``leader`` is what others are compared with: the first of them, where it has no place at
    that which it can only have, with the NOAA number and class of those that joined it.
    """

    leader: SolarEvent
    detections: list[SolarEvent]

    def join(self, event: SolarEvent) -> None:
        self.detections.append(event)
        joined = _joined(self.detections)
        self.leader = replace(self.leader, noaa_ar=joined.noaa_ar, goes_class=joined.goes_class)

    def may_be_of(self, event: SolarEvent) -> bool:
        classed = {one.finder for one in self.detections if one.goes_class}
        if event.goes_class and event.finder in classed:
            return False
        # where one has no place although it was looked for, there were several
        return _has_place(event) == _has_place(self.leader) and _may_be_same(self.leader, event)


class _ByTime:
    """Flares by their maxima, so that of a fortnight's only those of the same minutes are compared."""

    def __init__(self) -> None:
        self._parts: dict[int, list[_Flare]] = defaultdict(list)

    def add(self, flare: _Flare) -> None:
        self._parts[_part(flare.leader)].append(flare)

    def near(self, event: SolarEvent) -> list[_Flare]:
        """All whose maxima are within `SAME_FLARE` of the event's, and some that are not."""
        part = _part(event)
        return [flare for number in (part - 1, part, part + 1) for flare in self._parts.get(number, [])]

    def all(self) -> list[_Flare]:
        return [flare for part in self._parts.values() for flare in part]


def _part(event: SolarEvent) -> int:
    return (event.moment - datetime.min) // SAME_FLARE


def _has_place(event: SolarEvent) -> bool:
    return event.lon_deg is not None and event.lat_deg is not None


def _preference(event: SolarEvent) -> tuple[int, bool, datetime, str]:
    rank = PREFERRED.index(event.finder) if event.finder in PREFERRED else len(PREFERRED)
    return rank, not event.goes_class, event.start, event.key


def _place_for(event: SolarEvent, placed: Iterable[_Flare]) -> SolarEvent:
    """
    The event at the place of the detections that it may be of; as it is where these have several places.

    Those of its NOAA region come before the others, and then those of its own class, which
    SolarSoft takes from SWPC.
    """
    choices = [flare.leader for flare in placed if _may_be_same(event, flare.leader)]
    level = goes_level(event.goes_class)
    named = [one for one in choices if event.noaa_ar and one.noaa_ar == event.noaa_ar]
    choices = named or [one for one in choices if level is not None and goes_level(one.goes_class) == level] or choices
    first = min(choices, key=_preference, default=None)
    if first is None or any((_separation_deg(first, one) or 0.0) > APART_DEG for one in choices):
        return event
    return replace(event, lon_deg=first.lon_deg, lat_deg=first.lat_deg)


def _may_be_same(kept: SolarEvent, event: SolarEvent) -> bool:
    if kept.noaa_ar and event.noaa_ar and kept.noaa_ar != event.noaa_ar:
        return False
    one, other = goes_level(kept.goes_class), goes_level(event.goes_class)
    if one is not None and other is not None and abs(one - other) > SAME_CLASS:
        return False
    meet = kept.start <= event.end and event.start <= kept.end
    if not meet or abs(kept.moment - event.moment) > SAME_FLARE:
        return False
    apart = _separation_deg(kept, event)
    return apart is None or apart <= APART_DEG


def _unlikeness(kept: SolarEvent, event: SolarEvent) -> tuple[float, datetime, str]:
    """The smaller, the better they fit, in time and place together."""
    apart = (_separation_deg(kept, event) or 0.0) / APART_DEG
    return apart + abs(kept.moment - event.moment) / SAME_FLARE, kept.start, kept.key


def _separation_deg(one: SolarEvent, other: SolarEvent) -> float | None:
    """Angle on the Sun between two places; None where one is not known."""
    if one.lon_deg is None or one.lat_deg is None or other.lon_deg is None or other.lat_deg is None:
        return None
    a, b = math.radians(one.lat_deg), math.radians(other.lat_deg)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(math.radians(one.lon_deg - other.lon_deg))
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def _joined(group: Sequence[SolarEvent]) -> SolarEvent:
    """The first of them, with what it lacks from those after it."""
    first = group[0]
    placed = next((event for event in group if _has_place(event)), first)
    return replace(
        first,
        goes_class=next((event.goes_class for event in group if event.goes_class), ""),
        noaa_ar=next((event.noaa_ar for event in group if event.noaa_ar), None),
        lon_deg=placed.lon_deg,
        lat_deg=placed.lat_deg,
        tx=placed.tx,
        ty=placed.ty,
        others=tuple(event.finder for event in group[1:]),
    )


# -- Those of a patch -----------------------------------------------------------------------------


def events_at(
    events: Iterable[SolarEvent], moments: Sequence[PatchMoment], *, noaa_ars: Collection[int] = ()
) -> list[SolarEvent]:
    """
    The events of a patch: within `PAD` of its frames' time, and in its place.

    Where both the event's NOAA number and the patch's are known they decide, as places of
    flares are uncertain; otherwise the event's place must be in the patch, or within
    `MARGIN_DEG` of its edges, as it was at the nearest frame.

    Parameters
    ----------
    events : iterable of SolarEvent
    moments : sequence of PatchMoment
        The frames, by time.
    noaa_ars : collection of int
        The NOAA regions that the patch covers; none: not known.
    """
    if not moments:
        return []
    begin, end = moments[0].at - PAD, moments[-1].at + PAD
    times = [moment.at for moment in moments]
    found = []
    for event in events:
        if event.end < begin or event.start > end:
            continue
        if event.noaa_ar and noaa_ars:
            mine = event.noaa_ar in noaa_ars
        else:
            mine = _is_inside(event, moments[_nearest(times, event.moment)])
        if mine:
            found.append(event)
    return found


def _nearest(times: Sequence[datetime], at: datetime) -> int:
    """Index of the moment nearest to another, of moments in order."""
    after = bisect_left(times, at)
    choices = [index for index in (after - 1, after) if 0 <= index < len(times)]
    return min(choices, key=lambda index: abs(times[index] - at))


def _is_inside(event: SolarEvent, moment: PatchMoment) -> bool:
    """Whether the event's place was in the patch, or near it; the patch turns with the Sun between frame and event."""
    if event.lon_deg is None or event.lat_deg is None:
        return False
    geometry = moment.geometry
    days = (event.moment - moment.at) / timedelta(days=1)
    carrington = event.lon_deg + geometry.crln_obs - SYNODIC_DEG_PER_DAY * days
    row, col = pixel_of(geometry, np.array(carrington), np.array(event.lat_deg))
    rows, cols = MARGIN_DEG / abs(geometry.cdelt2), MARGIN_DEG / abs(geometry.cdelt1)
    ny, nx = moment.shape
    return bool(-0.5 - rows <= row <= ny - 0.5 + rows and -0.5 - cols <= col <= nx - 0.5 + cols)
