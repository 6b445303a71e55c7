"""What the event page shows: the frames around an event, its links, and the machine's words."""

import json
from math import pi, sqrt
from typing import Any

from django.db.models import Q
from django.urls import reverse

from poreweb.tracks.jobs import pixel_side_mm
from poreweb.tracks.models import Alternative, Event, Feature, Link, Segmentation

FRAMES_BEFORE = FRAMES_AFTER = 3
# What the cut-out shows on each side of the event's own pores.
MARGIN_MM = 5.0
# What a table of links names of the features that they join.
ENDS = ("earlier__track", "later__track", "earlier__segmentation", "later__segmentation")


def event_frames(event: Event) -> dict[str, Any]:
    """The frames from three before to three after, with addresses and the roles of the features in them."""
    done = event.run.segmentations.filter(state=Segmentation.State.DONE).select_related("frame")
    first = min([feature.segmentation.index for feature in event.parents.all()] or [event.index])
    before = list(done.filter(index__lt=event.index).order_by("-index")[: max(FRAMES_BEFORE, event.index - first)])
    frames = [*reversed(before), *done.filter(index__gte=event.index).order_by("index")[:FRAMES_AFTER]]
    around = [*event.parents.all(), *event.children.all()]
    side = pixel_side_mm(event.run, frames[0])
    row = sum(feature.row for feature in around) / len(around)
    col = sum(feature.col for feature in around) / len(around)
    reach = max(max(abs(feature.row - row), abs(feature.col - col)) for feature in around)
    roles = {feature.pk: "parent" for feature in event.parents.all()}
    roles |= {feature.pk: "child" for feature in event.children.all()}
    track_role = {feature.track_id: roles[feature.pk] for feature in around}
    features = Feature.objects.filter(segmentation__in=frames).select_related("track")
    marks: dict[int, list[dict[str, Any]]] = {}
    for feature in features:
        role = roles.get(feature.pk) or track_role.get(feature.track_id, "other")
        marks.setdefault(feature.segmentation_id, []).append(
            {"id": feature.pk, "label": feature.label, "track": feature.track.number if feature.track else None,
             "role": role, "row": feature.row, "col": feature.col, "radius": sqrt(feature.area_px / pi)}
        )  # fmt: skip
    links = Link.objects.filter(later__segmentation__in=frames, earlier__segmentation__in=frames)
    base = reverse("observations:viewer", args=[event.run.patch_id])
    return {
        "row": row,
        "col": col,
        "half": round(reach + MARGIN_MM / side),
        "pixel_mm": side,
        "links": [list(pair) for pair in links.values_list("earlier_id", "later_id")],
        "frames": [
            {
                "segmentation": item,
                "is_event": item.index == event.index,
                "layer_url": _layer_url(event, item, "enhanced"),
                "labels_url": _layer_url(event, item, "labels"),
                "viewer_url": f"{base}?run={event.run_id}&t={item.frame.t_rec}",
                "marks_json": json.dumps(marks.get(item.pk, [])),
            }
            for item in frames
        ],
    }


def _layer_url(event: Event, item: Segmentation, key: str) -> str:
    address = reverse("observations:layer", args=[event.run.patch_id, item.frame_id, key])
    return f"{address}?run={event.run_id}"


def event_links(event: Event) -> list[Link]:
    """The links that make the event, cheapest first."""
    ends = Q(later__in=event.children.all()) & Q(earlier__in=event.parents.all())
    links = Link.objects.filter(ends, run=event.run).select_related(*ENDS)
    return list(links.order_by("cost"))


def event_alternatives(event: Event) -> list[Alternative]:
    """What its parents might have become, and its children come from, instead; cheapest first."""
    parents, children = ([feature.pk for feature in side.all()] for side in (event.parents, event.children))
    links = Alternative.objects.filter(Q(earlier__in=parents) | Q(later__in=children), run=event.run)
    return list(links.select_related(*ENDS).order_by("cost", "pk"))


def event_words(event: Event) -> str:
    """One sentence: what the machine says has happened, with the balance of area and flux."""
    parents, children = list(event.parents.all()), list(event.children.all())
    before, after = _names(parents), _names(children)
    sentence = {
        "merge": f"{before} become {after}",
        "split": f"{before} parts into {after}",
        "gap": f"{before} is lost and found again as {after}"
        if before != after
        else f"{before} is lost and found again",
        "appear": f"{after} appears",
        "disappear": f"{before} disappears",
    }[event.kind]
    if parents and children:
        sentence += f": area {_sum(parents, 'area_mm2', 1)} Mm² before, {_sum(children, 'area_mm2', 1)} Mm² after"
        if all(feature.flux_mx is not None for feature in (*parents, *children)):
            sentence += (
                f"; flux {_sum(parents, 'flux_mx', 1e18)}·10¹⁸ Mx before,"
                f" {_sum(children, 'flux_mx', 1e18)}·10¹⁸ Mx after"
            )
    return f"{sentence[0].upper()}{sentence[1:]}."


def rejection_words(event: Event, links: list[Link]) -> str:
    """What rejecting the event, whose links these are (`event_links`), does to the reviewed lineage."""
    if event.kind in ("merge", "split"):
        if len(links) < 2:  # a settled link may have gone since
            return "Rejecting cuts nothing: no more than one link is left."
        kept, *cut = (f"{_number(link.earlier)} → {_number(link.later)}" for link in links)
        return f"Rejecting keeps {kept}, the cheapest link, and cuts {', '.join(cut)}."
    if event.kind == "gap":
        return "Rejecting cuts the link: what comes after the gap is then another track."
    return "Rejecting says that a link is missing; it changes no track yet."


def _number(feature: Feature) -> str:
    return str(feature.track.number) if feature.track else "?"


def _sum(features: list[Feature], name: str, unit: float) -> str:
    return f"{sum(getattr(feature, name) for feature in features) / unit:.1f}".replace("-", "−")


def _names(features: list[Feature]) -> str:
    numbers = [f"{feature.track.number}" for feature in features if feature.track]
    word = "track" if len(numbers) == 1 else "tracks"
    return f"{word} {' and '.join(numbers)}"
