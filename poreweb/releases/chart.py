"""The published lineage as its page draws it: tracks with lanes and widths, links between them, events."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from poreweb.releases.lineage import Pore, RunRows, published_of, rows_of, settled_json
from poreweb.review.consensus import STATE_OF
from poreweb.review.models import Standing
from poreweb.tracks.models import Run
from processing.edits import Published
from processing.lineage import EventOf, TrackOf
from processing.lineage_layout import Ribbon, lay_out
from processing.timekeys import slots_between

AREA_STEP = 0.01  # Mm2; areas travel as whole numbers of these
MOST_LANES = 8  # that one track takes
USUAL = 75  # per cent of the tracks need no more than one lane
MOST_GAP = 12  # slots that a gap is drawn as at most: a patch may be seen again months later
MOST_CONFLICTS = 50  # that the page names


def chart_of(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    All that the lineage page draws, ready for JSON, and numbers that sum it up.

    Frames are told by their place among those of ``frames`` (T_REC), tracks by number. ``x``
    is where a frame lies, in slots of ``cadence_s``, long gaps cut short; ``gaps`` are [place
    before, slots missing]. A track has lists with an entry for each frame from ``first`` to
    ``last``: area in units of ``area_step`` Mm2 (with what it absorbs; 0: not seen), label,
    row and column. ``lane_mm2`` is the area that fills one lane; a link is [from, to, last
    frame, first frame, event, whether it is settled], an ``event`` null where no event of the
    machine has it. An event that the published lineage has not is no more ``there``; one that
    it has and the machine has not has no ``pk`` but ``of``, the event that was settled.
    """
    found, settled = rows_of(run), settled_json(run)
    published = published_of(run, settled, found=found)
    tracks = _tracks(published, found)
    links = _links(published, found, settled)
    unit = _lane_mm2([max(track["areas"], default=0) * AREA_STEP for track in tracks])
    for track in tracks:
        track["height"] = min(MOST_LANES, max(1, math.ceil(max(track["areas"], default=0) * AREA_STEP / unit)))
    layout = lay_out(
        [Ribbon(track["n"], track["first"], track["last"], track["lineage"], track["height"]) for track in tracks],
        [(link[0], link[1]) for link in links],
    )
    for track in tracks:
        track["lane"] = layout.lane_of[track["n"]]
    chart = {
        **_times(found, run.patch.cadence_s),
        "area_step": AREA_STEP,
        "lane_mm2": unit,
        "n_lanes": layout.n_lanes,
        "tracks": tracks,
        "links": links,
        "events": _events(run, published, found, settled),
    }
    return chart, _summary(published, settled)


def _summary(published: Published, settled: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    conflicts = dict.fromkeys((conflict.earlier, conflict.later) for conflict in published.conflicts)
    return {
        "n_tracks": len(published.lineage.tracks),
        "n_lineages": len({track.lineage for track in published.lineage.tracks}),
        "n_links": len(published.links),
        "n_events": len(published.lineage.events),
        "n_settled": len(settled),
        "n_spurious": len(published.spurious),
        "n_absorbed": len(published.absorbed),
        "n_conflicts": len(conflicts),
        "conflicts": [list(pair) for pair in conflicts][:MOST_CONFLICTS],
        "unjoined": {str(key): words for key, words in published.unjoined.items()},
    }


def _times(found: RunRows, cadence_s: int) -> dict[str, Any]:
    times = [segmentation.frame.t_rec_s for segmentation in found.frames]
    missing = [len(slots_between(*pair, cadence_s)) for pair in pairwise(times)]
    steps = [1 + min(n_missing, MOST_GAP) for n_missing in missing]
    return {
        "cadence_s": cadence_s,
        "frames": [segmentation.frame.t_rec for segmentation in found.frames],
        "frame_ids": [segmentation.frame_id for segmentation in found.frames],
        "numbers": [segmentation.index + 1 for segmentation in found.frames],
        "x": [int(x) for x in np.cumsum([0, *steps])] if times else [],
        "gaps": [[place, n_missing] for place, n_missing in enumerate(missing) if n_missing],
    }


def _tracks(published: Published, found: RunRows) -> list[dict[str, Any]]:
    carried: dict[int, list[Pore]] = defaultdict(list)
    for feature in published.absorbed:
        carried[published.track_of[feature]].append(found.pores[feature])
    return [_track(track, carried[track.number], found) for track in published.lineage.tracks]


def _track(track: TrackOf, carried: Iterable[Pore], found: RunRows) -> dict[str, Any]:
    own = [found.pores[pk] for pk in track.ids]
    first, last = own[0].frame, own[-1].frame
    columns: dict[str, list[int]] = {name: [0] * (last - first + 1) for name in ("areas", "labels", "rows", "cols")}
    for pore in own:
        at = pore.frame - first
        columns["areas"][at] = max(1, round(pore.area_mm2 / AREA_STEP))
        columns["labels"][at], columns["rows"][at], columns["cols"][at] = pore.label, round(pore.row), round(pore.col)
    for pore in carried:  # what is taken to be of one pore counts for its area
        if first <= pore.frame <= last:
            columns["areas"][pore.frame - first] += round(pore.area_mm2 / AREA_STEP)
    machine = sorted({pore.track for pore in (*own, *carried) if pore.track is not None})
    flux = math.fsum(pore.flux_mx or 0 for pore in own)
    told = {} if machine == [track.number] else {"machine": machine}
    return {
        "n": track.number,
        **told,
        "lineage": track.lineage,
        "first": first,
        "last": last,
        "polarity": (flux > 0) - (flux < 0),
        **columns,
        "absorbed": [[pore.frame, pore.label] for pore in carried],
    }


def _lane_mm2(areas: Sequence[float]) -> float:
    """The area that fills one lane, so that most tracks need one, and the largest no more than it may have."""
    return max(float(np.percentile(areas, USUAL)), max(areas) / MOST_LANES, AREA_STEP) if areas else 1.0


def _links(published: Published, found: RunRows, settled: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Links between tracks, by time."""
    event_at = {pair: pk for pk, event in found.events.items() for pair in _pairs(event)}
    heard = {pk: found.events[pk] for item in settled if (pk := item["event"]) in found.events}
    said = {pair for event in heard.values() for pair in _pairs(event)}
    said |= {(earlier[0], later[0]) for item in settled for earlier, later in item["correction"]["add"]}
    listed = []
    for link in published.links:
        pair = link.earlier, link.later
        tracks = [published.track_of[end] for end in pair]
        if tracks[0] != tracks[1]:
            frames = [found.pores[end].frame for end in pair]
            # a link that the machine has not is there because of what was settled
            is_settled = pair in said or math.isnan(link.cost)
            listed.append([*tracks, *frames, event_at.get(pair), is_settled])
    return sorted(listed, key=lambda link: (link[3], link[1], link[0]))


def _pairs(event: EventOf) -> list[tuple[int, int]]:
    return [(parent, child) for parent in event.parents for child in event.children]


def _events(
    run: Run, published: Published, found: RunRows, settled: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Those of the machine, whether they are still there or not, and those that people have brought about."""
    choice_of = {item["event"]: item["choice"] for item in settled}
    there = dict.fromkeys(published.lineage.events)
    listed = []
    for pk, probability, doubt in run.events.values_list("pk", "probability", "doubt"):
        event = found.events.get(pk)
        if event is not None:
            state = STATE_OF[choice_of[pk]] if pk in choice_of else Standing.State.PENDING
            known = {"state": state, "probability": probability, "doubt": doubt}
            listed.append({"pk": pk, **_event(event, published), "there": event in there, **known})
            there.pop(event, None)
    cause = _causes(settled)
    for event in there:
        of = next((cause[end] for end in (*event.parents, *event.children) if end in cause), None)
        known = {"state": Standing.State.CORRECTED, "probability": None, "doubt": None}
        listed.append({"pk": None, "of": of, **_event(event, published), "there": True, **known})
    return sorted(listed, key=lambda told: (told["frame"], told["kind"], told["in"], told["out"], told["pk"] or 0))


def _event(event: EventOf, published: Published) -> dict[str, Any]:
    ends = (
        sorted({published.track_of[end] for end in side if end in published.track_of})
        for side in (event.parents, event.children)
    )
    return {"kind": event.kind, "frame": event.frame, **dict(zip(("in", "out"), ends, strict=True))}


def _causes(settled: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Each feature that a settlement speaks of -> the event that was settled, the newest where there are several."""
    cause: dict[int, int] = {}
    for item in settled:
        told = [*item["parents"], *item["children"], *item["correction"]["spurious"]]
        told += [end for name in ("add", "remove") for pair in item["correction"][name] for end in pair]
        told += [end for event in item["joined"] for side in ("parents", "children") for end in event[side]]
        cause |= {feature[0]: item["event"] for feature in told}
    return cause
