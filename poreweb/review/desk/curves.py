"""Area, flux and field of an event's tracks over time, as drawings and as a table, and the balance across the event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import NamedTuple

from poreweb.review.desk.lineage import colour_class, dash_array
from poreweb.review.desk.window import Pore, Window
from poreweb.tracks.models import Event, Feature

# The drawing's own units.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 150, 44, 8, 8, 20
MX18 = 1e18
NO_FIELD, NOT_SEEN = "field missing", "not seen"


class Quantity(NamedTuple):
    """What is drawn: ``value`` of a pore (None where it is not known), in ``unit``; ``adds_up`` over pores."""

    name: str
    unit: str
    digits: int
    adds_up: bool
    value: Callable[[Pore], float | None]


QUANTITIES = (
    Quantity("Area", "Mm²", 1, True, lambda pore: pore.area_mm2),
    Quantity("Flux", "10¹⁸ Mx", 0, True, lambda pore: None if pore.flux_mx is None else pore.flux_mx / MX18),
    Quantity("|B|", "G", 0, False, lambda pore: pore.b_g),
)


@dataclass(frozen=True)
class Curve:
    """One track. ``path`` breaks where the pore is not seen or its value is not known; ``dots`` stand alone."""

    number: int
    colour: int
    dash: str
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """One quantity over the window. ``total`` is the path of the sum, empty where it makes no sense."""

    name: str
    unit: str
    curves: list[Curve]
    total: str
    y_ticks: list[tuple[float, str]]
    reason: str


@dataclass(frozen=True)
class Curves:
    """The drawings (all of one size), their common time axis, and the same in a table."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    event_x: float
    x_ticks: list[tuple[float, int]]
    plots: list[Plot]
    tracks: list[int]
    rows: list[tuple[str, int, list[str]]]

    @property
    def plot_height(self) -> int:
        """Between the axis and the top."""
        return self.bottom - self.top

    @property
    def key(self) -> list[tuple[int, int, str]]:
        """Number, colour and dash of each track."""
        return [(number, colour_class(number), dash_array(number)) for number in self.tracks]


def curves_of(event: Event, window: Window) -> Curves:
    """The tracks of the event's own pores."""
    features = (*event.parents.all(), *event.children.all())
    own = {window.pores[feature.pk].track for feature in features if feature.pk in window.pores}
    tracks = {number: window.of_track[number] for number in sorted(number for number in own if number is not None)}
    x_of = _places(window)
    return Curves(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        event_x=x_of.get(event.index, LEFT),
        x_ticks=[(x, index + 1) for index, x in x_of.items() if (index + 1) % 10 == 0],
        plots=[_plot(quantity, tracks, x_of) for quantity in QUANTITIES],
        tracks=list(tracks),
        rows=_table(tracks, window),
    )


def balance_words(event: Event) -> list[tuple[str, str]]:
    """For area and flux: what goes into the event and what comes out; nothing where there is no before or no after."""
    parents, children = list(event.parents.all()), list(event.children.all())
    if not parents or not children:
        return []
    area = _balance(parents, children, "area_mm2", 1, "Mm²", 1)
    flux = _balance(parents, children, "flux_mx", MX18, "·10¹⁸ Mx", 0)
    return [("Area", area), ("Flux", flux)]


def _balance(
    parents: Sequence[Feature], children: Sequence[Feature], name: str, scale: float, unit: str, digits: int
) -> str:
    values = [[getattr(feature, name) for feature in side] for side in (parents, children)]
    if any(value is None for side in values for value in side):
        return f"not known: {NO_FIELD}"
    before, after = (sum(side) / scale for side in values)
    change = f" ({_signed(100 * (after / before - 1))} %)" if before else ""
    gap = "" if unit.startswith("·") else " "
    return f"in {_minus(before, digits)}{gap}{unit}, out {_minus(after, digits)}{gap}{unit}{change}"


def _minus(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−")


# -- Drawing -----------------------------------------------------------------------------------------


def _places(window: Window) -> dict[int, float]:
    span = max(window.slots.values(), default=0) or 1
    return {index: round(LEFT + (WIDTH - LEFT - RIGHT) * slot / span, 1) for index, slot in window.slots.items()}


def _plot(quantity: Quantity, tracks: dict[int, list[Pore]], x_of: dict[int, float]) -> Plot:
    series = {number: {pore.index: quantity.value(pore) for pore in pores} for number, pores in tracks.items()}
    known = [value for of_track in series.values() for value in of_track.values() if value is not None]
    if not known:
        return Plot(quantity.name, quantity.unit, [], "", [], NO_FIELD)
    totals = _totals(series) if quantity.adds_up and len(series) > 1 else {}
    low, high, ticks = scale_of([*known, *filter(None, totals.values())])

    def y_of(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    curves = []
    for number, values in series.items():
        path, dots = _path(values, x_of, y_of)
        curves.append(Curve(number, colour_class(number), dash_array(number), path, dots))
    total, _ = _path(totals, x_of, y_of)
    return Plot(
        quantity.name,
        quantity.unit,
        curves,
        total,
        [(y_of(tick), _minus(tick, _decimals(ticks))) for tick in ticks],
        "",
    )


def _totals(series: dict[int, dict[int, float | None]]) -> dict[int, float | None]:
    """The sum over the tracks at each frame; None where one is seen, but not known."""
    totals: dict[int, float | None] = {}
    for index in sorted({index for values in series.values() for index in values}):
        there = [values[index] for values in series.values() if index in values]
        totals[index] = None if None in there else sum(value for value in there if value is not None)
    return totals


def _path(
    values: dict[int, float | None], x_of: dict[int, float], y_of: Callable[[float], float]
) -> tuple[str, list[tuple[float, float]]]:
    """A line through neighbouring frames, broken where one is missing, and the points that have no neighbour."""
    points = [(index, x_of[index], y_of(value)) for index, value in sorted(values.items()) if value is not None]
    pieces, joined = [], set()
    for (index, x0, y0), (after, x1, y1) in pairwise(points):
        if after - index == 1:
            pieces.append(f"L{x1} {y1}" if index in joined else f"M{x0} {y0}L{x1} {y1}")
            joined |= {index, after}
    return "".join(pieces), [(x, y) for index, x, y in points if index not in joined]


def scale_of(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Limits of an axis that holds the values, and two to five round numbers within."""
    low, high = min(values), max(values)
    if low == high == 0:
        high = 1.0
    if low > 0 and low < high / 2:
        low = 0.0  # so that halves look like halves
    if high < 0 and high > low / 2:
        high = 0.0
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = (low if low == 0 else low - margin), (high if high == 0 else high + margin)
    size = 10 ** floor(log10((high - low) / 3))
    step = next(size * times for times in (1, 2, 5, 10) if (high - low) / (size * times) <= 4.5)
    first = -floor(-low / step)
    return low, high, [tick * step for tick in range(first, floor(high / step) + 1)]


def _decimals(ticks: Sequence[float]) -> int:
    if len(ticks) < 2:
        return 1
    return max(0, -floor(log10(ticks[1] - ticks[0]) + 1e-9))


# -- The same in numbers -----------------------------------------------------------------------------


def _table(tracks: dict[int, list[Pore]], window: Window) -> list[tuple[str, int, list[str]]]:
    """T_REC, frame number and a cell for each track and quantity; a cell without a value says why."""
    at = {(pore.track, pore.index): pore for pores in tracks.values() for pore in pores}
    return [
        (
            frame.t_rec,
            frame.index + 1,
            [
                _cell(at.get((number, frame.index)), quantity, frame.reason)
                for number in tracks
                for quantity in QUANTITIES
            ],
        )
        for frame in window.frames.values()
    ]


def _cell(pore: Pore | None, quantity: Quantity, reason: str) -> str:
    if pore is None:
        return reason or NOT_SEEN
    value = quantity.value(pore)
    return NO_FIELD if value is None else _minus(value, quantity.digits)
