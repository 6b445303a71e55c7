"""The links that make an event, what might have been instead, and the events nearby that it may be one with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from poreweb.review.desk.window import Pore, Window
from poreweb.review.queries import with_state
from poreweb.tracks.models import Alternative, CandidateLink, Event, Feature, Link

# What a table of links names of the features that they join.
ENDS = ("earlier__track", "later__track", "earlier__segmentation", "later__segmentation")
# Alternatives that have a key of their own.
KEYED = 9
# Events that may be one with this one are at most so many frames away; more than MOST are no list to choose from.
JOIN_FRAMES, MOST_NEARBY = 3, 20
# Pores whose edges come as near as this many pixels of the working grid touch.
TOUCH_PX = 4.0


@dataclass(frozen=True)
class Choice:
    """An alternative with its key (None beyond the ninth) and the link that it would replace (None: none)."""

    link: Alternative
    key: int | None
    replaces: Link | None
    minutes: float | None

    def as_dict(self) -> dict[str, Any]:
        """For the page's scripts."""
        replaced = self.replaces and [self.replaces.earlier_id, self.replaces.later_id]
        return {"add": [self.link.earlier_id, self.link.later_id], "remove": replaced}


@dataclass(frozen=True)
class Nearby:
    """Another event close to this one. ``state`` is None when it is not to be known here."""

    event: Event
    words: str
    frames_apart: int
    state: str | None


def event_links(event: Event) -> list[Link]:
    """The links that make the event, cheapest first."""
    parents, children = ([feature.pk for feature in side.all()] for side in (event.parents, event.children))
    links = Link.objects.filter(later__in=children, earlier__in=parents, run=event.run).select_related(*ENDS)
    return list(links.order_by("cost"))


def event_alternatives(event: Event) -> list[Alternative]:
    """What its parents might have become, and its children come from, instead; cheapest first."""
    parents, children = ([feature.pk for feature in side.all()] for side in (event.parents, event.children))
    links = Alternative.objects.filter(Q(earlier__in=parents) | Q(later__in=children), run=event.run)
    return list(links.select_related(*ENDS).order_by("cost", "pk"))


def choices_of(alternatives: Iterable[Alternative], links: Sequence[Link], window: Window) -> list[Choice]:
    """The alternatives as they can be chosen, in their order."""
    return [
        Choice(
            link,
            place if place <= KEYED else None,
            replaced_by(link, links),
            window.minutes(link.earlier.segmentation.index, link.later.segmentation.index),
        )
        for place, link in enumerate(alternatives, 1)
    ]


def replaced_by(alternative: CandidateLink, links: Sequence[Link]) -> Link | None:
    """Of an event's links the dearest that shares an end with the alternative: the two compete for that pore."""
    rivals = [
        link for link in links
        if link.earlier_id == alternative.earlier_id or link.later_id == alternative.later_id
    ]  # fmt: skip
    return max(rivals, key=lambda link: link.cost, default=None)


def nearby_events(event: Event, window: Window, viewer: User | None = None) -> list[Nearby]:
    """
    The events within `JOIN_FRAMES` frames whose pores are, follow or touch this event's; the nearest first.

    Without a viewer their states are not told, since a blind reviewer may not know them.
    """
    around = event.run.events.filter(index__range=(event.index - JOIN_FRAMES, event.index + JOIN_FRAMES))
    others = (with_state(around, viewer) if viewer else around).exclude(pk=event.pk)
    own = _pores_of(event, window)
    found = []
    for other in others.prefetch_related("parents__track", "children__track"):
        apart = _distance(own, _pores_of(other, window))
        if apart is not None and apart <= TOUCH_PX:
            state = getattr(other, "state", None)
            nearby = Nearby(other, _words(other), other.index - event.index, state)
            found.append((abs(nearby.frames_apart), apart, other.pk, nearby))
    return [nearby for *_, nearby in sorted(found, key=lambda item: item[:3])[:MOST_NEARBY]]


def _pores_of(event: Event, window: Window) -> list[Pore]:
    features = [*event.parents.all(), *event.children.all()]
    return [window.pores[feature.pk] for feature in features if feature.pk in window.pores]


def _distance(some: Sequence[Pore], others: Sequence[Pore]) -> float | None:
    """Between the edges of the nearest two pores, in pixels; 0 on one track, None where there are none."""
    tracks = {pore.track for pore in some if pore.track is not None}
    if any(pore.track in tracks for pore in others):
        return 0.0
    apart = [
        hypot(one.row - other.row, one.col - other.col) - one.radius - other.radius for one in some for other in others
    ]
    return max(0.0, min(apart)) if apart else None


def _words(event: Event) -> str:
    before, after = (", ".join(map(number_of, side.all())) for side in (event.parents, event.children))
    return " → ".join(filter(None, (before, after)))


def number_of(feature: Feature) -> str:
    """Its track's number; a question mark where it has none."""
    return str(feature.track.number) if feature.track else "?"
