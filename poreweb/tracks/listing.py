"""The tracks of a run as their page lists them: those asked for, in any order, a page at a time."""

import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import F, FloatField, Max, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Abs

from poreweb import storage
from poreweb.releases.models import Publication
from poreweb.review.queries import with_state
from poreweb.tracks.models import Event, Feature, Run, Segmentation, Track
from processing.flags import FeatureFlag
from processing.timekeys import format_t_rec

LONGEST_H = 1e6  # that an address may ask for; a century
LARGEST_MM2 = 1e6


@dataclass(frozen=True)
class Column:
    """A column that tracks can be put in order by: its name in the address, its heading, and what is compared."""

    name: str
    words: str
    by: Any
    unit: str = ""
    falls: bool = False  # what one looks for first is the largest

    def address(self, *, reversed_: bool = False) -> str:
        """How it is asked for; the usual way round unless ``reversed_``."""
        return f"-{self.name}" if self.falls != reversed_ else self.name


def _t_rec_s(index: str) -> Subquery:
    """T_REC of the frame whose index in the run is in this column of a track."""
    frames = Segmentation.objects.filter(run=OuterRef("run"), index=OuterRef(index))
    return Subquery(frames.values("frame__t_rec_s")[:1])


def _of_largest(column: str) -> Subquery:
    """A column of the feature at which a track is largest, of several the first."""
    features = Feature.objects.filter(track=OuterRef("pk")).order_by("-area_mm2", "segmentation__index")
    return Subquery(features.values(column)[:1])


def _kind(relation: str, index: str) -> Subquery:
    """The kind of the event that a track's feature in the frame of this column is child or parent of."""
    # asked of features, of which a track has few: asked of events SQLite looks through all of the run's for each track
    at = Feature.objects.filter(track=OuterRef("pk"), segmentation__index=OuterRef(index))
    return Subquery(at.order_by(f"{relation}__pk").values(f"{relation}__kind")[:1])


_STRONGEST = Feature.objects.filter(track=OuterRef("pk"), flux_mx__isnull=False).order_by(Abs("flux_mx").desc(), "pk")
FLUX = Subquery(_STRONGEST.values("flux_mx")[:1], output_field=FloatField())
LIFETIME_S = _t_rec_s("last_index") - _t_rec_s("first_index")
COLUMNS = {
    column.name: column
    for column in (
        Column("number", "Track", F("number")),
        Column("first", "First frame", F("first_index")),
        Column("last", "Last frame", F("last_index")),
        Column("frames", "Seen in", F("n_features"), "frames", falls=True),
        Column("lifetime", "Lifetime", LIFETIME_S, "h", falls=True),
        Column("area", "Largest area", _of_largest("area_mm2"), "Mm²", falls=True),
        Column("lon", "Carrington longitude", _of_largest("lon_deg"), "°"),
        Column("lat", "Latitude", _of_largest("lat_deg"), "°"),
        Column("flux", "Largest flux", Abs(FLUX), "10²⁰ Mx", falls=True),
        Column("begins", "Begins", _kind("starting_events", "first_index")),
        Column("ends", "Ends", _kind("ending_events", "last_index")),
    )
}


@dataclass(frozen=True)
class Asked:
    """Which tracks an address asks for, and in what order; what is empty or None asks for nothing."""

    order: str = "number"
    hours_from: float | None = None
    area_from: float | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """What an address asks for; what makes no sense in it asks for nothing."""
        order = query.get("order", "")
        return cls(
            order if order.removeprefix("-") in COLUMNS else cls.order,
            _number(query.get("hours_from", ""), LONGEST_H),
            _number(query.get("area_from", ""), LARGEST_MM2),
        )

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for fewer than all."""
        return self.hours_from is not None or self.area_from is not None

    @property
    def column(self) -> Column:
        """What it orders by."""
        return COLUMNS[self.order.removeprefix("-")]

    def query(self, *, order: str | None = None, page: int = 1) -> str:
        """The query of its address, with another order or page."""
        asked = {
            "order": self.order if order is None else order,
            "hours_from": "" if self.hours_from is None else f"{self.hours_from:g}",
            "area_from": "" if self.area_from is None else f"{self.area_from:g}",
            "page": str(page) if page > 1 else "",
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value})

    def heads(self) -> list[tuple[Column, str, str]]:
        """Each column, the address that orders by it (once more: the other way round), and the order now, for ARIA."""
        listed = []
        for column in COLUMNS.values():
            is_now, usual = column == self.column, column.address()
            other = column.address(reversed_=True) if self.order == usual else usual
            now = ("descending" if self.order.startswith("-") else "ascending") if is_now else ""
            listed.append((column, self.query(order=other), now))
        return listed

    def orders(self) -> list[tuple[str, str, bool]]:
        """Every order: its name, in words, whether it is the one asked for."""
        return [
            (order, f"{column.words.lower()}, {'falling' if order.startswith('-') else 'rising'}", order == self.order)
            for column in COLUMNS.values()
            for order in (column.address(), column.address(reversed_=True))
        ]

    def keys(self, run: Run) -> "QuerySet[Track, Any]":
        """Keys of the run's tracks that are asked for, in the order asked for."""
        tracks = run.tracks.annotate(by=self.column.by)
        if self.hours_from is not None:
            tracks = tracks.annotate(lives_s=LIFETIME_S).filter(lives_s__gte=round(self.hours_from * 3600))
        if self.area_from is not None:
            tracks = tracks.annotate(area=COLUMNS["area"].by).filter(area__gte=self.area_from)
        by = F("by").desc(nulls_last=True) if self.order.startswith("-") else F("by").asc(nulls_last=True)
        return tracks.order_by(by, "number").values_list("pk", flat=True)


def _number(text: str, most: float) -> float | None:
    """The number that an address gives; None for none, or for what is no number from 0 to ``most``."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= most else None


@dataclass(frozen=True)
class End:
    """How a track begins or ends: the events that say so, or why there is none."""

    events: list[Event]
    words: str


@dataclass(frozen=True)
class Row:
    """A track as the page shows it; ``largest`` is its feature of largest area, ``published`` None where not asked."""

    track: Track
    first_t_rec: str
    last_t_rec: str
    lifetime_h: float
    largest: Feature
    flux_1e20: float | None
    begins: End
    ends: End
    published: list[int] | None


def rows_of(run: Run, keys: Iterable[int], viewer: User, *, published: Mapping[int, list[int]] | None) -> list[Row]:
    """The tracks with these keys, in this order, with all that a row shows, in a fixed number of queries."""
    known = run.tracks.annotate(
        first_s=_t_rec_s("first_index"), last_s=_t_rec_s("last_index"), largest=_of_largest("pk"), flux_mx=FLUX
    )
    tracks: dict[int, Any] = known.in_bulk(list(keys))
    largest = Feature.objects.in_bulk([track.largest for track in tracks.values()])
    begins = _ends(run, tracks, viewer, index="first_index", relation="starting_events")
    ends = _ends(run, tracks, viewer, index="last_index", relation="ending_events")
    return [
        Row(
            track,
            format_t_rec(track.first_s),
            format_t_rec(track.last_s),
            (track.last_s - track.first_s) / 3600,
            largest[track.largest],
            None if track.flux_mx is None else track.flux_mx / 1e20,
            begins[pk],
            ends[pk],
            None if published is None else published.get(track.number, []),
        )
        for pk, track in ((pk, tracks[pk]) for pk in keys)
    ]


def _ends(run: Run, tracks: Mapping[int, Any], viewer: User, *, index: str, relation: str) -> dict[int, End]:
    """How each track begins or ends, by key: what its feature at ``index`` is child or parent of."""
    is_first = index == "first_index"
    at = Feature.objects.filter(track__in=tracks, segmentation__index=F(f"track__{index}"))
    keys: dict[int, list[int]] = defaultdict(list)
    flags: dict[int, int] = {}
    for track, flag, event in at.order_by(f"{relation}__pk").values_list("track", "flags", relation):
        keys[track] += [] if event is None else [event]
        flags[track] = flag
    wanted = {pk for listed in keys.values() for pk in listed}
    events = {event.pk: event for event in with_state(Event.objects.filter(pk__in=wanted), viewer)}
    tracked = run.segmentations.filter(state=Segmentation.State.DONE)
    if run.state != Run.State.DONE:  # frames that are being added are in no track yet
        tracked = tracked.filter(index__lt=run.n_tracked)
    outermost = tracked.aggregate(index=(Min if is_first else Max)("index"))["index"]
    return {
        pk: End(
            [events[key] for key in keys[pk] if key in events],
            _why_none(getattr(track, index) == outermost, flags.get(pk, 0), is_first=is_first),
        )
        for pk, track in tracks.items()
    }


def _why_none(is_outermost: bool, flags: int, *, is_first: bool) -> str:
    """Why no event is at an end of a track (see `processing.lineage.build_lineage`)."""
    if is_outermost:
        return "seen from the first frame on" if is_first else "seen to the last frame"
    if flags & FeatureFlag.ON_EDGE:
        return "at the edge"
    return "after missing frames" if is_first else "before missing frames"


def publication_of(run: Run) -> Publication | None:
    """The published lineage as it was last built; None where nothing is settled, as it is the machine's then."""
    publication = Publication.objects.filter(run=run).exclude(path="").first()
    return publication if publication is not None and publication.summary.get("n_settled") else None


def published_numbers(publication: Publication) -> dict[int, list[int]]:
    """Number of each of the machine's tracks -> numbers of those that the published lineage has of its pores."""
    try:
        packed = storage.read_bytes(publication.path)
    except FileNotFoundError:  # a newer one has taken its place since the row was read
        publication.refresh_from_db()
        packed = storage.read_bytes(publication.path)
    numbers: dict[int, list[int]] = defaultdict(list)
    for track in json.loads(gzip.decompress(packed))["tracks"]:
        for machine in track.get("machine", [track["n"]]):
            numbers[machine].append(track["n"])
    return dict(numbers)
