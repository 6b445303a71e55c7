"""The filmstrip of a desk: which frames are shown, which can be, and what the scripts must know of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from poreweb.observations.layers import continuum_scale, layers_of
from poreweb.review.desk.window import Pore, Window, WindowFrame
from poreweb.tracks.jobs import pixel_side_mm
from poreweb.tracks.models import Event, Segmentation
from processing.timekeys import slots_between

# What the cut-out shows on each side of the event's own pores.
MARGIN_MM = 5.0
STRIP_LAYERS = ("enhanced", "continuum", "Br")
PARENT, CHILD, OTHER = "parent", "child", "other"


@dataclass(frozen=True)
class StripFrame:
    """One picture of the strip. ``missing`` is how many T_REC before it are not held."""

    frame: WindowFrame
    is_event: bool
    missing: int
    viewer_url: str
    thumbnail_url: str


@dataclass(frozen=True)
class Strip:
    """
    The pictures shown first, and where they look.

    ``row`` and ``col`` are the middle of the event's own pores, ``half`` how far the cut-out
    reaches from there, both in pixels of the working grid, ``pixel_mm`` the side of one.
    """

    frames: list[StripFrame]
    row: float
    col: float
    half: int
    pixel_mm: float


def strip_of(event: Event, window: Window, *, before: int, after: int) -> Strip:
    """So many frames before the event and from it on; more where a parent lies further back."""
    own = [*event.parents.all(), *event.children.all()]
    done = [frame for frame in window.frames.values() if not frame.reason]
    earliest = min(
        (window.pores[item.pk].index for item in event.parents.all() if item.pk in window.pores), default=event.index
    )
    earlier = [frame for frame in done if frame.index < event.index]
    n_before = max(before, sum(frame.index >= earliest for frame in earlier))
    ends = [*earlier[-n_before:], *[frame for frame in done if frame.index >= event.index][:after]]
    shown = range(ends[0].index, ends[-1].index + 1) if ends else range(event.index, event.index + 1)
    side = pixel_side_mm(event.run, _measured(event))
    row, col = (sum(getattr(item, name) for item in own) / len(own) for name in ("row", "col"))
    reach = max(max(abs(item.row - row), abs(item.col - col)) for item in own)
    frames = strip_frames(event, window)
    return Strip(
        [item for item in frames if item.frame.index in shown], row, col, round(reach + MARGIN_MM / side), side
    )


def strip_frames(event: Event, window: Window) -> list[StripFrame]:
    """Every frame of the window as the strip can show it."""
    patch = event.run.patch_id
    viewer = reverse("observations:viewer", args=[patch])
    found, previous = [], None
    for frame in window.frames.values():
        missing = 0 if previous is None else len(slots_between(previous.t_rec_s, frame.t_rec_s, window.cadence_s))
        viewer_url = f"{viewer}?run={event.run_id}&t={frame.t_rec}"
        thumbnail = reverse("observations:thumbnail", args=[patch, frame.frame_id])
        found.append(StripFrame(frame, frame.index == event.index, missing, viewer_url, thumbnail))
        previous = frame
    return found


def strip_json(event: Event, window: Window, strip: Strip, more: Iterable[int] = ()) -> dict[str, Any]:
    """
    What the scripts need: frames that can be shown, layers, pores of those shown and of ``more`` ids, their links.

    A pore is a list, since there are hundreds: see ``columns``. Of frames that come later the
    scripts ask the server.
    """
    shown = {item.frame.index for item in strip.frames}
    wanted = {pore.id for pore in window.pores.values() if pore.index in shown} | set(more) & window.pores.keys()
    base = reverse("observations:viewer", args=[event.run.patch_id]).removesuffix("viewer/")
    patch = event.run.patch
    scale = None if patch.harpnum is not None else continuum_scale(patch.frames.all()[:1])
    layers = {layer.key: layer for layer in layers_of(None, scale)}
    return {
        "event": {"id": event.pk, "index": event.index, "kind": event.kind},
        "row": strip.row,
        "col": strip.col,
        "half": strip.half,
        "pixel_mm": strip.pixel_mm,
        "frames": [
            {
                "index": item.frame.index, "id": item.frame.frame_id, "t_rec": item.frame.t_rec,
                "reason": item.frame.reason, "missing": item.missing, "viewer": item.viewer_url,
                "shown": item.frame.index in shown,
            }
            for item in strip_frames(event, window)
        ],
        "layers": [layers[key].as_dict() for key in STRIP_LAYERS],
        "layer_url": f"{base}frames/{{id}}/{{layer}}.bin?run={event.run_id}",
        "features_url": f"{base}frames/{{id}}/features.json?run={event.run_id}",
        "roles": roles_of(event, window),
        "columns": ["id", "index", "label", "track", "row", "col", "radius", "area", "flux", "b", "lacks"],
        "pores": [_as_list(window.pores[pk]) for pk in sorted(wanted)],
        "links": [edge[:2] for edge in window.edges if edge.earlier in wanted or edge.later in wanted],
    }  # fmt: skip


def roles_of(event: Event, window: Window) -> dict[str, dict[int, str]]:
    """What the event's own pores and their tracks are to it."""
    pores = {feature.pk: PARENT for feature in event.parents.all()}
    pores |= {feature.pk: CHILD for feature in event.children.all()}
    tracks: dict[int, str] = {}
    for pk, role in pores.items():
        if pk in window.pores and (number := window.pores[pk].track) is not None:
            tracks[number] = role
    return {"pores": pores, "tracks": tracks}


def layer_addresses(event: Event, frames: int = 3) -> list[str]:
    """The maps that this event's desk will ask for first, the event's own frame first: to fetch ahead."""
    near = range(event.index - frames, event.index + frames)
    rows: Mapping[int, int] = dict(
        event.run.segmentations.filter(index__range=(near[0], near[-1]), state=Segmentation.State.DONE).values_list(
            "index", "frame_id"
        )
    )
    ordered = sorted(rows, key=lambda index: (abs(index - event.index), index))
    return [
        f"{reverse('observations:layer', args=[event.run.patch_id, rows[index], key])}?run={event.run_id}"
        for index in ordered
        for key in ("enhanced", "labels")
    ]


def _as_list(pore: Pore) -> list[Any]:
    flux = None if pore.flux_mx is None else float(f"{pore.flux_mx:.4g}")
    field = None if pore.b_g is None else round(pore.b_g)
    place = (round(pore.row, 2), round(pore.col, 2), round(pore.radius, 2))
    return [pore.id, pore.index, pore.label, pore.track, *place, round(pore.area_mm2, 2), flux, field, pore.lacks_field]


def _measured(event: Event) -> Segmentation:
    """A frame of the run whose header tells how large a pixel is."""
    found = event.run.segmentations.filter(state=Segmentation.State.DONE, index__lte=event.index)
    segmentation = found.select_related("frame").order_by("-index").first()
    if segmentation is None:  # an event has its pores from frames that were processed
        raise Segmentation.DoesNotExist("the event's frame was not processed")
    return segmentation
