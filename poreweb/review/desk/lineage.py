"""The lineage around an event, laid out as a drawing: time across, a lane for each track."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import User

from poreweb.review.desk.window import Edge, Pore, Window
from poreweb.review.queries import with_state
from poreweb.tracks.models import Event
from processing.palette import DASHES, TRACK_COLOURS, dash_index

MOST_TRACKS = 24
# The drawing's own units.
WIDTH, LANE, LEFT, RIGHT, TOP, BOTTOM = 720, 22, 14, 18, 14, 22
TICK_FRAMES = 5


@dataclass(frozen=True)
class TrackLine:
    """One track: where its number stands, its pieces (``seen`` solid, ``lost`` dashed: gaps) and its look."""

    number: int
    colour: int
    dash: str
    x: float
    y: float
    seen: str
    lost: str
    words: str


@dataclass(frozen=True)
class Join:
    """The way from one track into another."""

    path: str
    colour: int
    lost: bool


@dataclass(frozen=True)
class Mark:
    """An event on the drawing. ``state`` is empty when it is not to be told."""

    event: Event
    x: float
    y: float
    state: str
    is_this: bool


@dataclass(frozen=True)
class LocalLineage:
    """The drawing. ``x_of`` is where each frame (by index) stands; ``n_left_out`` counts the tracks left out."""

    width: int
    height: int
    axis_y: int
    tracks: list[TrackLine]
    joins: list[Join]
    marks: list[Mark]
    ticks: list[tuple[float, int]]
    x_of: dict[int, float]
    step: float
    n_left_out: int


def lineage_of(event: Event, window: Window, viewer: User | None = None) -> LocalLineage:
    """What is joined to the event's pores within the window; without a viewer no other event's state is told."""
    own = [feature.pk for feature in (*event.parents.all(), *event.children.all())]
    numbers, n_left_out = joined_tracks(own, window)
    tracks = {number: window.of_track[number] for number in numbers}
    joins = [edge for edge in window.edges if _crosses(edge, window, tracks)]
    lanes = lanes_of(tracks, [(window.pores[edge.earlier], window.pores[edge.later]) for edge in joins])
    x_of, step = _places(window)
    y_of = {number: TOP + LANE * (lane + 0.5) for number, lane in lanes.items()}
    n_lanes = max(lanes.values(), default=0) + 1
    height = TOP + LANE * n_lanes + BOTTOM
    return LocalLineage(
        width=WIDTH,
        height=height,
        axis_y=height - BOTTOM,
        tracks=[_line(number, pores, x_of, y_of[number]) for number, pores in tracks.items()],
        joins=[_join(edge, window, x_of, y_of) for edge in joins],
        marks=_marks(event, window, y_of, x_of, viewer),
        ticks=[(x_of[index], index + 1) for index in x_of if (index + 1) % TICK_FRAMES == 0],
        x_of=x_of,
        step=step,
        n_left_out=n_left_out,
    )


def joined_tracks(own: Iterable[int], window: Window) -> tuple[list[int], int]:
    """The numbers of the tracks that these pores are joined to, nearest first, and how many more there are."""
    beside: dict[int, set[int]] = defaultdict(set)
    for edge in window.edges:
        ends = [window.pores[pk].track for pk in edge[:2]]
        if None not in ends and ends[0] != ends[1]:
            beside[ends[0]].add(ends[1])  # type: ignore[index,arg-type]
            beside[ends[1]].add(ends[0])  # type: ignore[index,arg-type]
    first = {window.pores[pk].track for pk in own if pk in window.pores}
    found = sorted(number for number in first if number is not None)
    for number in found:  # grows as it goes: nearest first
        found += sorted(beside[number] - set(found))
    return found[:MOST_TRACKS], max(0, len(found) - MOST_TRACKS)


def lanes_of(tracks: Mapping[int, Sequence[Pore]], joins: Sequence[tuple[Pore, Pore]]) -> dict[int, int]:
    """
    A lane for each track, from 0, so that tracks in one lane do not meet.

    A track that comes of others goes on in the lane of the largest of them where that is free,
    else in the nearest free one; the others lie from north to south.
    """
    parents: dict[int, list[Pore]] = defaultdict(list)
    for earlier, later in joins:
        if later.track is not None:
            parents[later.track].append(earlier)
    taken: dict[int, list[tuple[int, int]]] = defaultdict(list)
    lanes: dict[int, int] = {}
    for number in sorted(tracks, key=lambda number: (tracks[number][0].index, -tracks[number][0].row, number)):
        first, last = tracks[number][0].index, tracks[number][-1].index
        known = [pore for pore in parents[number] if pore.track in lanes]
        largest = max(known, key=lambda pore: pore.area_mm2, default=None)
        wish = lanes[largest.track] if largest and largest.track is not None else _roots_lane(lanes)
        lane = next(lane for lane in _outwards(wish) if all(last < a or b < first for a, b in taken[lane]))
        lanes[number] = lane
        taken[lane].append((first, last))
    place = {lane: place for place, lane in enumerate(sorted(set(lanes.values())))}
    return {number: place[lane] for number, lane in lanes.items()}


def _roots_lane(lanes: Mapping[int, int]) -> int:
    """Below everything so far, so that those which come first keep their order."""
    return max(lanes.values(), default=-1) + 1


def _outwards(lane: int) -> Iterable[int]:
    yield lane
    for step in range(1, 1000):
        yield lane + step
        yield lane - step


def _crosses(edge: Edge, window: Window, tracks: Mapping[int, Any]) -> bool:
    one, other = window.pores[edge.earlier].track, window.pores[edge.later].track
    return one != other and one in tracks and other in tracks


def _places(window: Window) -> tuple[dict[int, float], float]:
    """Where each frame stands across, and how far it is from one T_REC to the next."""
    span = max(window.slots.values(), default=0) or 1
    step = (WIDTH - LEFT - RIGHT) / span
    return {index: round(LEFT + step * slot, 1) for index, slot in window.slots.items()}, round(step, 2)


def _line(number: int, pores: Sequence[Pore], x_of: Mapping[int, float], y: float) -> TrackLine:
    seen: list[str] = []
    lost: list[str] = []
    for before, after in pairwise(pores):
        piece = f"M{x_of[before.index]} {y}H{x_of[after.index]}"
        (seen if after.index - before.index == 1 else lost).append(piece)
    first, last = pores[0].index + 1, pores[-1].index + 1
    words = f"track {number}, frames {first} to {last}" if last > first else f"track {number}, frame {first}"
    if len(pores) == 1:  # a dot
        seen.append(f"M{x_of[pores[0].index]} {y}h0.01")
    return TrackLine(
        number, colour_class(number), dash_array(number), x_of[pores[0].index], y, "".join(seen), "".join(lost), words
    )


def _join(edge: Edge, window: Window, x_of: Mapping[int, float], y_of: Mapping[int, float]) -> Join:
    earlier, later = window.pores[edge.earlier], window.pores[edge.later]
    assert earlier.track is not None  # `_crosses` has seen to it
    assert later.track is not None
    x0, x1, y0, y1 = x_of[earlier.index], x_of[later.index], y_of[earlier.track], y_of[later.track]
    middle = round((x0 + x1) / 2, 1)
    return Join(f"M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}", colour_class(later.track), edge.skipped > 0)


def _marks(
    event: Event, window: Window, y_of: Mapping[int, float], x_of: Mapping[int, float], viewer: User | None
) -> list[Mark]:
    around = event.run.events.filter(index__in=list(window.frames))
    found = []
    for other in (with_state(around, viewer) if viewer else around).prefetch_related("parents", "children"):
        pores = [
            window.pores[feature.pk]
            for feature in (*other.children.all(), *other.parents.all())
            if feature.pk in window.pores and window.pores[feature.pk].track in y_of
        ]
        if pores and other.index in x_of:
            track = _meeting(other.kind, pores)
            found.append(Mark(other, x_of[other.index], y_of[track], getattr(other, "state", ""), other.pk == event.pk))
    return found


def _meeting(kind: str, pores: Sequence[Pore]) -> int:
    """The track on which an event is marked: where many become one, or one becomes many."""
    by_time = sorted(pores, key=lambda pore: pore.index)
    track = by_time[0 if kind in ("split", "disappear") else -1].track
    assert track is not None  # it is one of those that are drawn
    return track


def colour_class(number: int) -> int:
    """Of the eight track colours the one of this track, from 1, as the style sheet counts."""
    return number % len(TRACK_COLOURS) + 1


def dash_array(number: int) -> str:
    """The dash that tells this track from others of its colour, as SVG writes it; empty is solid."""
    on, off = DASHES[dash_index(number)]
    return f"{on} {off}" if off else ""
