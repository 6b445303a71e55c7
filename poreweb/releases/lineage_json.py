"""A published lineage as one file that says what it means and needs no database to be read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poreweb.releases.lineage import RunRows
from processing.edits import Published
from processing.lineage import EventOf
from processing.timekeys import format_t_rec

FORMAT = "poreweb-lineage"
VERSION = 1
ABOUT = {
    "feature": "a pore in one frame is told by [T_REC, label], as in the catalogue",
    "provenance": "what the machine's run was made of, when and by whom it was frozen, and how to cite it",
    "frames": "T_REC (TAI) of every frame that was tracked, in order",
    "tracks": "unbranched chains: number (reviewed_track in the catalogue), number of the lineage, numbers of the "
    "machine's tracks that its pores were of, and its pores in order of time with their areas in Mm2",
    "absorbed": "pores that count as part of another track's, since events were joined into one: pore, track",
    "spurious": "pores that people have found to be none; they are in no track",
    "links": "[earlier pore, later pore, probability, machine]: probability as the machine found it or null, "
    "machine false where people have drawn the link",
    "events": "what happens to tracks: kind, T_REC at which it is seen, pores before and after, their tracks, and "
    "the place in settlements, from 0, of what was said of this very event; null where it is the machine's word",
    "settlements": "what people have settled, in that order: the machine's event, the choice, links added and "
    "removed, spurious pores, joined events, by whom (quorum: by enough equal verdicts), a note, and when (UTC)",
    "conflicts": "links on which two settlements differ, of which the later one holds: the pores, and the places of "
    "both in settlements",
    "not_joined": "why events were not joined although that was settled: place in settlements, reason",
}


def lineage_json(
    published: Published, found: RunRows, settled: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]
) -> str:
    """The file's text, one line an item, in an order that depends on nothing but the content."""
    times = [segmentation.frame.t_rec for segmentation in found.frames]
    name = {pk: [times[pore.frame], pore.label] for pk, pore in found.pores.items()}
    at = {item["event"]: place for place, item in enumerate(settled)}
    key_of = {event: pk for pk, event in found.events.items()}
    of_machine = {(link.earlier, link.later) for link in found.links}

    def event(item: EventOf) -> dict[str, Any]:
        sides = (item.parents, item.children)
        return {
            "kind": item.kind,
            "t_rec": times[item.frame],
            "before": [name[end] for end in item.parents],
            "after": [name[end] for end in item.children],
            "tracks_before": _tracks(sides[0], published),
            "tracks_after": _tracks(sides[1], published),
            "settlement": at.get(key_of.get(item, 0)),
        }

    parts: dict[str, list[Any]] = {
        "frames": times,
        "tracks": [
            {
                "number": track.number,
                "lineage": track.lineage,
                "machine_tracks": sorted({n for pk in track.ids if (n := found.pores[pk].track) is not None}),
                "features": [name[pk] for pk in track.ids],
                "areas_mm2": [round(found.pores[pk].area_mm2, 4) for pk in track.ids],
            }
            for track in published.lineage.tracks
        ],
        "absorbed": sorted([name[pk], published.track_of[pk]] for pk in published.absorbed),
        "spurious": sorted(name[pk] for pk in published.spurious),
        "links": sorted(
            (
                [name[link.earlier], name[link.later], link.probability, (link.earlier, link.later) in of_machine]
                for link in published.links
            ),
            key=lambda link: (link[1], link[0]),
        ),
        "events": [event(item) for item in published.lineage.events],
        "settlements": [_settlement(item) for item in settled],
        "conflicts": [
            [name.get(conflict.pair[0]), name.get(conflict.pair[1]), at.get(conflict.earlier), at.get(conflict.later)]
            for conflict in published.conflicts
        ],
        "not_joined": [[at.get(key), words] for key, words in published.unjoined.items()],
    }
    head = {"format": FORMAT, "version": VERSION, "about": ABOUT, "provenance": dict(provenance)}
    items = [f"{json.dumps(name)}: {json.dumps(value, indent=1, ensure_ascii=False)}" for name, value in head.items()]
    items += [f"{json.dumps(name)}: {_lines(values)}" for name, values in parts.items()]
    return "{\n" + ",\n".join(items) + "\n}\n"


def _lines(values: Iterable[Any]) -> str:
    """A list with one line an item."""
    lines = ",\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    return f"[\n{lines}\n]" if lines else "[]"


def _tracks(ends: Iterable[int], published: Published) -> list[int]:
    return sorted({published.track_of[end] for end in ends})


def _settlement(item: Mapping[str, Any]) -> dict[str, Any]:
    correction = item["correction"]
    return {
        **_told_event(item),
        "choice": item["choice"],
        "add": [[_feature(end) for end in pair] for pair in correction["add"]],
        "remove": [[_feature(end) for end in pair] for pair in correction["remove"]],
        "spurious": [_feature(end) for end in correction["spurious"]],
        "joined": [_told_event(event) for event in item["joined"]],
        "by": item["by"],
        "note": item["note"],
        "at": item["at"],
    }


def _told_event(told: Mapping[str, Any]) -> dict[str, Any]:
    sides = {"before": told["parents"], "after": told["children"]}
    return {"kind": told["kind"], **{name: [_feature(end) for end in ends] for name, ends in sides.items()}}


def _feature(told: Sequence[Any]) -> list[Any] | None:
    """A feature of `settled_json` as the file tells it; None for one that the run has not."""
    return None if told[1] is None else [format_t_rec(told[1]), told[2]]
