"""Between the science code's tables and this app's rows."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from astropy.table import QTable
from django.db.models import Sum

from poreweb.tracks import archive
from poreweb.tracks.models import Alternative, CandidateLink, Event, Feature, Link, Run, Segmentation, Track
from processing.certainty import Certainty, doubt
from processing.lineage import EventOf, Lineage, Node, TrackOf
from processing.track import DetectedFrame, Linked
from processing.track import Link as LinkOf

AnyLink = TypeVar("AnyLink", bound=CandidateLink)
LINK_VALUES = ("cost", "overlap", "distance_mm", "skipped", "probability")

# Column of the feature table -> field of the row; units are in the field's name.
COLUMNS = {
    "label": "label", "row": "row", "col": "col", "lon": "lon_deg", "lat": "lat_deg", "tx": "tx_arcsec",
    "ty": "ty_arcsec", "mu": "mu", "area_px": "area_px", "area": "area_mm2", "area_err": "area_err_mm2",
    "area_msh": "area_msh", "umbra_area_px": "umbra_area_px", "umbra_area": "umbra_area_mm2",
    "area_projected": "area_projected_mm2", "area_projected_msh": "area_projected_msh",
    "area_projected_msd": "area_projected_msd", "intensity_mean": "intensity_mean", "intensity_min": "intensity_min",
    "bx": "bx_g", "by": "by_g", "bz": "bz_g", "bx_err": "bx_err_g", "by_err": "by_err_g", "bz_err": "bz_err_g",
    "b": "b_g", "b_max": "b_max_g", "inclination": "inclination_deg", "azimuth": "azimuth_deg", "flux": "flux_mx",
    "flux_err": "flux_err_mx", "major": "major_mm", "minor": "minor_mm", "orientation": "orientation_deg",
    "perimeter": "perimeter_mm", "flags": "flags",
}  # fmt: skip


def feature_rows(segmentation: Segmentation, table: QTable) -> list[Feature]:
    """Unsaved features of one frame; NaN becomes NULL."""
    columns = {field: getattr(table[name], "value", table[name]).tolist() for name, field in COLUMNS.items()}
    rows = []
    for values in zip(*columns.values(), strict=True):
        known = {name: None if value != value else value for name, value in zip(columns, values, strict=True)}
        rows.append(Feature(segmentation=segmentation, **known))
    return rows


def detected_frames(run: Run, done: Iterable[Segmentation] | None = None) -> Iterator[DetectedFrame]:
    """The features of these frames, or of every one that was processed, in order of T_REC."""
    fields = ("pk", "row", "col", "area_px", "intensity_mean", "flux_mx")
    for segmentation in processed(run) if done is None else done:
        found = list(segmentation.features.order_by("label").values_list(*fields))
        # NULL becomes NaN; keys are exact in a double up to 2**53
        ids, row, col, area, intensity, flux = np.array(found, float).reshape(-1, len(fields)).T
        labels = archive.read_labels(run, segmentation.index)
        yield DetectedFrame(segmentation.frame.t_rec_s, ids.astype(np.int64), row, col, area, labels, intensity, flux)


def processed(run: Run) -> list[Segmentation]:
    """The frames of a run that did not fail, in order of T_REC."""
    done = run.segmentations.filter(state=Segmentation.State.DONE)
    # a frame's header cards are some 5 kB, and only the first one's are needed
    return list(done.select_related("frame").defer("frame__cards", "seconds", "quiet_curve").order_by("index"))


def sparkline(run: Run) -> str:
    """Points of an SVG polyline, 100 by 24, of the total area over the frames; empty below two frames."""
    done = run.segmentations.filter(state=Segmentation.State.DONE).order_by("index")
    areas = list(done.annotate(area=Sum("features__area_mm2", default=0.0)).values_list("area", flat=True))
    if len(areas) < 2:
        return ""
    top = max(areas) or 1.0
    return " ".join(f"{100 * k / (len(areas) - 1):.1f},{23 - 22 * area / top:.1f}" for k, area in enumerate(areas))


def nodes_of(run: Run) -> tuple[list[Node], list[int]]:
    """The run's features for the lineage (frame = place among the processed ones), and those places' indices."""
    place = {segmentation.index: k for k, segmentation in enumerate(processed(run))}
    features = Feature.objects.filter(segmentation__run=run).order_by("segmentation__index", "label")
    nodes = [
        Node(
            feature.pk,
            place[feature.segmentation.index],
            feature.on_edge,
            feature.area_mm2,
            math.nan if feature.flux_mx is None else feature.flux_mx,
        )
        for feature in features.select_related("segmentation").only(
            "flags", "area_mm2", "flux_mx", "segmentation__index"
        )
    ]
    return nodes, list(place)


def links_of(run: Run) -> list[LinkOf]:
    """The run's links as the science code takes them."""
    return [LinkOf(*row) for row in run.links.values_list("earlier_id", "later_id", *LINK_VALUES)]


def linked_of(run: Run) -> Linked:
    """The run's links and alternatives as the science code takes them."""
    rejected = [LinkOf(*row) for row in run.alternatives.values_list("earlier_id", "later_id", *LINK_VALUES)]
    return Linked(links_of(run), rejected)


def events_of(run: Run) -> dict[int, EventOf]:
    """The run's events as the science code takes them, by key; ``frame`` is the frame's index in the run."""
    ends: list[dict[int, list[int]]] = []
    for through in (Event.parents.through, Event.children.through):
        of_event = defaultdict(list)
        pairs = through.objects.filter(event__run=run).order_by("feature_id")
        for event_id, feature_id in pairs.values_list("event_id", "feature_id"):
            of_event[event_id].append(feature_id)
        ends.append(of_event)
    return {
        pk: EventOf(kind, index, tuple(ends[0].get(pk, ())), tuple(ends[1].get(pk, ())))
        for pk, kind, index in run.events.values_list("pk", "kind", "index")
    }


def event_key(event: EventOf) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """What tells an event of a run from every other."""
    return event.kind, event.parents, event.children


def save_lineage(
    run: Run,
    linked: Linked,
    lineage: Lineage,
    certainties: Sequence[Certainty],
    frame_indices: list[int],
    nodes: list[Node],
) -> None:
    """Replace the run's links, alternatives, tracks and events. Call within a transaction."""
    for stale in (run.links, run.alternatives, run.events, run.tracks):
        stale.all().delete()
    Link.objects.bulk_create(link_rows(Link, run, linked.links), batch_size=500)
    Alternative.objects.bulk_create(link_rows(Alternative, run, linked.rejected), batch_size=500)
    index_of = {node.id: frame_indices[node.frame] for node in nodes}
    tracks = [Track(run=run, number=track.number, **track_values(track, index_of)) for track in lineage.tracks]
    for row, track in zip(Track.objects.bulk_create(tracks, batch_size=500), lineage.tracks, strict=True):
        put_on_track(row, track.ids)
    save_events(run, lineage.events, certainties, frame_indices)


def track_values(track: TrackOf, index_of: Mapping[int, int]) -> dict[str, int]:
    """What a track's row says of it beside its number; ``index_of`` is each feature's frame."""
    first, last = index_of[track.ids[0]], index_of[track.ids[-1]]
    return {"lineage": track.lineage, "first_index": first, "last_index": last, "n_features": len(track.ids)}


def put_on_track(row: Track, ids: Sequence[int]) -> None:
    """Say of features that they are of that track."""
    # one short statement a track: a bulk_update of all holds SQLite's write lock a hundred times as long
    for start in range(0, len(ids), 500):
        Feature.objects.filter(pk__in=ids[start : start + 500]).update(track=row)


def save_events(
    run: Run, events: Sequence[EventOf], certainties: Sequence[Certainty], frame_indices: Sequence[int]
) -> None:
    """Add events with their ends."""
    pores = pores_of(events)
    made = [
        Event(
            run=run,
            kind=event.kind,
            index=frame_indices[event.frame],
            **certainty_values(certainty),
            **queue_values(event, certainty.probability, pores),
        )
        for event, certainty in zip(events, certainties, strict=True)
    ]
    made = Event.objects.bulk_create(made, batch_size=500)
    for through, ends in ((Event.parents.through, "parents"), (Event.children.through, "children")):
        _save_ends(through, made, [getattr(event, ends) for event in events])


Pores = Mapping[int, tuple[float | None, float | None, float | None]]


def pores_of(events: Iterable[EventOf]) -> Pores:
    """Mu, area and flux of each pore of these events."""
    ids = sorted({pk for event in events for pk in (*event.parents, *event.children)})
    found: dict[int, tuple[float | None, float | None, float | None]] = {}
    for start in range(0, len(ids), 500):
        rows = Feature.objects.filter(pk__in=ids[start : start + 500]).values_list("pk", "mu", "area_mm2", "flux_mx")
        found |= {pk: values for pk, *values in rows}  # type: ignore[misc]
    return found


def queue_values(event: EventOf, probability: float, pores: Pores) -> dict[str, float | None]:
    """What the queue filters and orders an event by."""
    before, after = ([pores[pk] for pk in side] for side in (event.parents, event.children))
    mu = min((values[0] for values in (*before, *after) if values[0] is not None), default=None)
    return {
        "mu": mu,
        "area_mm2": max((values[1] for values in (*before, *after) if values[1] is not None), default=None),
        "area_change": _change([values[1] for values in before], [values[1] for values in after]),
        "flux_change": _change([values[2] for values in before], [values[2] for values in after]),
        "doubt": doubt(probability, mu) if math.isfinite(probability) else None,
    }


def _change(before: list[float | None], after: list[float | None]) -> float | None:
    """What comes out over what goes in, less 1; None where it is not known."""
    known_before, known_after = ([value for value in side if value is not None] for side in (before, after))
    if not before or not after or len(known_before) < len(before) or len(known_after) < len(after):
        return None
    return sum(known_after) / sum(known_before) - 1 if sum(known_before) else None


def link_rows(model: type[AnyLink], run: Run, links: Iterable[LinkOf]) -> list[AnyLink]:
    """Unsaved links or alternatives."""
    return [
        model(run=run, earlier_id=link.earlier, later_id=link.later, cost=link.cost, overlap=link.overlap,
              distance_mm=link.distance_mm, skipped=link.skipped, probability=link.probability)
        for link in links
    ]  # fmt: skip


def certainty_values(certainty: Certainty) -> dict[str, Any]:
    """As an event's row has it; what is not finite, since nothing competes with the event, becomes NULL."""
    numbers = {name: getattr(certainty, name) for name in ("probability", "runner_up_probability", "margin")}
    known = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {**known, "runner_up": certainty.runner_up, "reasons": certainty.reasons}


def _save_ends(through: Any, events: list[Event], ends: list[tuple[int, ...]]) -> None:
    """Join events to their parents or children."""
    pairs = [
        through(event_id=event.pk, feature_id=feature_id)
        for event, feature_ids in zip(events, ends, strict=True)
        for feature_id in feature_ids
    ]
    through.objects.bulk_create(pairs, batch_size=500)


def event_of(event: Event) -> EventOf:
    """One event as the science code takes it; ``frame`` is the frame's index in the run."""
    parents, children = (
        tuple(sorted(feature.pk for feature in side.all())) for side in (event.parents, event.children)
    )
    return EventOf(event.kind, event.index, parents, children)
