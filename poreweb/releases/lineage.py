"""The published lineage of a run: what the machine found and what people have settled, in one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from poreweb.review.models import Settlement
from poreweb.tracks import rows
from poreweb.tracks.extension import track_numbers
from poreweb.tracks.models import Feature, Run, Segmentation
from processing.edits import CHOICES, Correction, Judgement, Published, published_lineage
from processing.flags import FeatureFlag
from processing.lineage import EventOf, Node
from processing.track import Link, series_breaks

NAN = float("nan")
QUORUM = "quorum"  # stands for whoever settled an event by enough equal verdicts


class Pore(NamedTuple):
    """A feature as the published lineage needs it; ``frame`` is its place among the frames that were tracked."""

    pk: int
    frame: int
    label: int
    row: float
    col: float
    area_px: int
    area_mm2: float
    flux_mx: float | None
    track: int | None
    flags: int


@dataclass(frozen=True)
class RunRows:
    """What the machine found: frames in order of T_REC, pores and events by key; frames are places among those here."""

    frames: list[Segmentation]
    pores: dict[int, Pore]
    links: list[Link]
    events: dict[int, EventOf]

    @property
    def place_of(self) -> dict[int, int]:
        """A frame's index in the run -> its place here."""
        return {segmentation.index: place for place, segmentation in enumerate(self.frames)}


def rows_of(run: Run) -> RunRows:
    """All of the run that has been tracked, in a number of queries that does not depend on its size."""
    frames = rows.processed(run)
    if run.state != Run.State.DONE:  # frames that are being added are in no track yet
        frames = [segmentation for segmentation in frames if segmentation.index < run.n_tracked]
    place = {segmentation.index: k for k, segmentation in enumerate(frames)}
    features = Feature.objects.filter(segmentation__run=run).order_by("segmentation__index", "label")
    found = features.values_list(
        "pk", "segmentation__index", "label", "row", "col", "area_px", "area_mm2", "flux_mx", "track__number", "flags"
    )
    pores = {row[0]: Pore(row[0], place[row[1]], *row[2:]) for row in found if row[1] in place}
    events = {
        pk: EventOf(event.kind, place[event.frame], event.parents, event.children)
        for pk, event in rows.events_of(run).items()
        if event.frame in place
    }
    return RunRows(frames, pores, rows.links_of(run), events)


def published_of(
    run: Run, settled: Sequence[Mapping[str, Any]] | None = None, *, found: RunRows | None = None
) -> Published:
    """
    The lineage that is published for a run; that of the machine when nothing is settled.

    ``settled`` is what `settled_json` gave at an earlier time, else it is what is settled
    now. ``found`` may be given by whoever has read it already.
    """
    found = found or rows_of(run)
    judgements = judgements_of(settled_json(run) if settled is None else settled, found.place_of)
    nodes = [
        Node(
            pore.pk,
            pore.frame,
            bool(pore.flags & FeatureFlag.ON_EDGE),
            pore.area_mm2,
            NAN if pore.flux_mx is None else pore.flux_mx,
        )
        for pore in found.pores.values()
    ]
    times = [segmentation.frame.t_rec_s for segmentation in found.frames]
    return published_lineage(
        nodes,
        found.links,
        judgements,
        n_frames=len(found.frames),
        breaks=series_breaks(times, max_gap=run.chain_parameters.max_gap, cadence_s=run.patch.cadence_s),
        numbers=track_numbers(run),
    )


# -- What is settled, in plain values ----------------------------------------------------------------------------

Names = Mapping[int, tuple[int, int]]  # key of a feature -> its T_REC (TAI seconds) and label


def settled_json(run: Run) -> list[dict[str, Any]]:
    """
    What is settled now, in the order in which it was, to be kept and read later, also without the database.

    Each with ``event`` (key), ``kind``, ``index`` (of its frame in the run), ``parents``,
    ``children``, ``choice``, ``correction`` (add, remove, spurious), ``joined`` (events, as
    kind, index, parents and children), ``by`` (user name, or "quorum"), ``note`` and ``at``
    (ISO 8601, UTC). A feature is [key, T_REC as TAI seconds since 1993-01-01, label].
    """
    settlements = list(
        Settlement.objects.filter(event__run=run, choice__in=CHOICES).select_related("by").order_by("at", "pk")
    )
    if not settlements:
        return []
    found = rows.events_of(run)
    names = {
        pk: (t_rec_s, label)
        for pk, t_rec_s, label in Feature.objects.filter(segmentation__run=run).values_list(
            "pk", "segmentation__frame__t_rec_s", "label"
        )
    }
    return [
        {
            "event": item.event_id,
            **_event_json(found[item.event_id], names),
            "choice": item.choice,
            "correction": _correction_json(item.correction, names),
            "joined": [_event_json(found[pk], names) for pk in item.joined if pk in found],
            "by": item.by.username if item.by else QUORUM,
            "note": item.note,
            "at": item.at.isoformat(timespec="seconds"),
        }
        for item in settlements
    ]


def _event_json(event: EventOf, names: Names) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "index": event.frame,
        "parents": _features_json(event.parents, names),
        "children": _features_json(event.children, names),
    }


def _correction_json(correction: Mapping[str, Any], names: Names) -> dict[str, Any]:
    pairs = {name: [_features_json(pair, names) for pair in correction.get(name, ())] for name in ("add", "remove")}
    return {**pairs, "spurious": _features_json(correction.get("spurious", ()), names)}


def _features_json(keys: Iterable[int], names: Names) -> list[list[int | None]]:
    return [[pk, *names.get(pk, (None, None))] for pk in keys]


def judgements_of(settled: Sequence[Mapping[str, Any]], place_of: Mapping[int, int]) -> list[Judgement]:
    """What `settled_json` gave, as the science code takes it; ``place_of`` a frame's index in the run is its place."""
    return [
        Judgement(
            item["event"],
            _event_of(item, place_of),
            item["choice"],
            Correction(
                tuple((earlier[0], later[0]) for earlier, later in item["correction"]["add"]),
                tuple((earlier[0], later[0]) for earlier, later in item["correction"]["remove"]),
                tuple(feature[0] for feature in item["correction"]["spurious"]),
            ),
            tuple(_event_of(event, place_of) for event in item["joined"]),
        )
        for item in settled
    ]


def _event_of(told: Mapping[str, Any], place_of: Mapping[int, int]) -> EventOf:
    ends = (tuple(feature[0] for feature in told[side]) for side in ("parents", "children"))
    return EventOf(told["kind"], place_of.get(told["index"], -1), *ends)
