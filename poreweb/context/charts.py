"""What the pages draw of a patch's context: marks on its timeline, its keywords as curves, the locator."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from poreweb.context import queries
from poreweb.context.models import SolarEvent
from poreweb.observations.models import Patch
from processing import locator
from processing.figures import ERROR_BAND, ERROR_BARS, SolarMark, keyword_chart
from processing.sharp_keywords import SHARP_KEYWORDS, SharpKeyword, held_keywords, keyword_curve
from processing.timekeys import format_t_rec, tai_of, utcs_of

RADIUS = 100  # of the disk in the drawing, in pixels of the page
TRAIL_POINTS = 24
MOST_NUMBERS = 2  # of NOAA regions beside the outline; all are in the heading of the page
ERRORS_AS = {
    (): "",
    (ERROR_BAND,): "the band is",
    (ERROR_BARS,): "the bars are",
    (ERROR_BAND, ERROR_BARS): "the band and, at single frames, the bars are",
}
NOT_KNOWN = {"outline": "", "label": None, "grid": None}


# -- Solar events on the timeline ------------------------------------------------------------------


def solar_marks(patch: Patch, first_s: int, last_s: int) -> list[SolarMark]:
    """The patch's events between two T_RECs, for the timeline."""
    events = queries.events_between(patch, first_s, last_s)
    if not events:
        return []
    from astropy.time import Time  # here, as it is slow to import and few need leap seconds

    moments = [(event.peak or event.start).replace(tzinfo=None) for event in events]
    tai: list[datetime] = list(Time(moments, scale="utc").tai.to_datetime())
    return [
        SolarMark(at, event.get_kind_display(), event.goes_class, event_words(event))
        for at, event in zip(tai, events, strict=True)
    ]


def event_words(event: SolarEvent) -> str:
    """One event in a line: what, when in UTC, where, by whom."""
    times = [f"{event.start:%Y-%m-%d %H:%M}"]
    times += [f"maximum {event.peak:%H:%M}"] if event.peak and event.kind == "FL" else []
    times += [f"end {event.end:%H:%M}"] if event.end != event.start else []
    region = f", AR {event.noaa_ar}" if event.noaa_ar else ""
    more = f" and {len(event.others)} more" if event.others else ""
    return f"{event.goes_class} {event.get_kind_display()} {', '.join(times)} UTC{region}, {event.finder}{more}".strip()


# -- SHARP keywords ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeywordRow:
    """One frame in the table of a keyword; ``value`` and ``error`` are None where the header gives none."""

    t_rec: str
    utc: datetime
    value: float | None
    error: float | None


@dataclass(frozen=True)
class KeywordSection:
    """
    What a page shows of one keyword; ``held`` are those to choose from.

    ``errors_as`` is what the figure draws its errors as, in words; empty where no frame has one.
    """

    held: list[SharpKeyword]
    keyword: SharpKeyword
    unit: str
    figure: dict[str, Any]
    rows: list[KeywordRow]
    n_missing: int
    errors_as: str


def keyword_section(patch: Patch, name: str) -> KeywordSection | None:
    """The keyword of that name, or the first that the headers give; None when they give none at all."""
    frames = queries.frames_of(patch)
    cards = [header for _, header, _ in frames]
    held = held_keywords(cards)
    if not held:
        return None
    chosen = SHARP_KEYWORDS.get(name)
    keyword = chosen if chosen in held else held[0]
    curve = keyword_curve(keyword, cards)
    seconds = [t_rec_s for t_rec_s, _, _ in frames]
    chart = keyword_chart([tai_of(t_rec_s) for t_rec_s in seconds], curve, cadence_s=patch.cadence_s)
    figure: dict[str, Any] = json.loads(chart.to_json())
    columns = zip(seconds, utcs_of(seconds), curve.values, curve.errors, strict=True)
    rows = [KeywordRow(format_t_rec(t_rec_s), utc, value, error) for t_rec_s, utc, value, error in columns]
    errors_as = ERRORS_AS[tuple(trace.name for trace in chart.data[:-1])]  # all but the curve
    return KeywordSection(held, keyword, curve.unit, figure, rows, curve.values.count(None), errors_as)


# -- The locator -------------------------------------------------------------------------------------


def drawn_place(place: locator.DiskPlace | None) -> dict[str, Any]:
    """One frame in the drawing: path of the outline, place of the words beside it, B0 of its graticule, words."""
    words = locator.place_words(place)
    if place is None:
        return {**NOT_KNOWN, "words": words}
    x, y, anchor = locator.label_place(place.outline)
    return {
        "outline": path_of(place.outline, closed=True),
        "label": [round(RADIUS * x, 1), round(-RADIUS * y, 1), anchor],
        "grid": round(place.b0_deg),
        "words": words,
    }


def path_of(points: list[locator.Point], *, closed: bool = False) -> str:
    """A line on the disk as an SVG path, north up and west right."""
    corners = " ".join(f"{RADIUS * x:.2f},{-RADIUS * y:.2f}" for x, y in points)
    return f"M{corners}{'Z' if closed else ''}" if points else ""


def grid_path(b0_deg: float) -> str:
    """The graticule as one SVG path."""
    return "".join(path_of(line) for line in locator.graticule(b0_deg))


def locator_frames(patch: Patch) -> dict[str, Any]:
    """The drawing of every frame by T_REC, and the graticules that they share, by B0 in whole degrees."""
    frames = {}
    for t_rec_s, cards, shape in queries.frames_of(patch):
        geometry = queries.place_of(cards)
        place = None if geometry is None else locator.disk_place(geometry, shape)
        frames[format_t_rec(t_rec_s)] = drawn_place(place)
    grids = {frame["grid"] for frame in frames.values()} - {None}
    return {"frames": frames, "grids": {b0_deg: grid_path(b0_deg) for b0_deg in sorted(grids)}}


def locator_drawing(patch: Patch) -> dict[str, Any] | None:
    """What the page draws before any script: the last frame whose place is known, and the way there; None without."""
    known = patch.frames.filter(mu_max__isnull=False).order_by("t_rec_s").values_list("pk", flat=True)
    keys = list(known)
    if not keys:
        return None
    every = max(1, len(keys) // TRAIL_POINTS)
    sampled = patch.frames.filter(pk__in=[*keys[:-1:every], keys[-1]]).order_by("t_rec_s")
    places = []
    for cards, ny, nx, t_rec_s in sampled.values_list("cards", "ny", "nx", "t_rec_s"):
        geometry = queries.place_of(cards)
        place = None if geometry is None else locator.disk_place(geometry, (ny, nx))
        if place is not None:
            places.append((place, t_rec_s))
    if not places:
        return None
    last, t_rec_s = places[-1]
    numbers = queries.noaa_of(patch)
    more = len(numbers) - MOST_NUMBERS
    return {
        **drawn_place(last),
        "grid": grid_path(round(last.b0_deg)),
        "trail": path_of([place.middle for place, _ in places if place.middle is not None]),
        "t_rec": format_t_rec(t_rec_s),
        "numbers": ", ".join(map(str, numbers[:MOST_NUMBERS])) + (f" +{more}" if more > 0 else ""),
        "radius": RADIUS,
    }
