"""The part of a run that a desk looks at: the frames around an event, their pores and links. Nothing else is read."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt
from typing import NamedTuple

from poreweb.tracks.models import Event, Feature, Link, Run, Segmentation
from processing.flags import FeatureFlag
from processing.timekeys import CADENCE_S, format_t_rec, slots_of

# Frames before and after the event that curves and lineage show, and that the filmstrip can come to.
REACH = 20


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """One frame of the run. ``reason`` says why it has no pores; empty where it was processed."""

    index: int
    segmentation_id: int
    frame_id: int
    t_rec_s: int
    reason: str

    @property
    def t_rec(self) -> str:
        """The slot time in header notation, TAI."""
        return format_t_rec(self.t_rec_s)


@dataclass(frozen=True, slots=True)
class Pore:
    """A feature as the desk needs it. Rows and columns are of the working grid; what is not known is None."""

    id: int
    index: int
    label: int
    track: int | None
    row: float
    col: float
    area_px: int
    area_mm2: float
    flux_mx: float | None
    b_g: float | None
    flags: int

    @property
    def radius(self) -> float:
        """Of the circle of its area, in pixels."""
        return sqrt(self.area_px / pi)

    @property
    def lacks_field(self) -> bool:
        """Whether Br, Bt or Bp is missing at the pore."""
        return bool(self.flags & FeatureFlag.NO_FIELD)


class Edge(NamedTuple):
    """A link between two pores; ``skipped`` is the number of frames held between them."""

    earlier: int
    later: int
    skipped: int


@dataclass(frozen=True)
class Window:
    """Frames by index, pores by id, and the links between them; ``cadence_s`` is that of the patch."""

    frames: dict[int, WindowFrame]
    pores: dict[int, Pore]
    edges: list[Edge]
    cadence_s: int = CADENCE_S

    @cached_property
    def of_track(self) -> dict[int, list[Pore]]:
        """The pores of each track, in time."""
        found: dict[int, list[Pore]] = defaultdict(list)
        for pore in sorted(self.pores.values(), key=lambda pore: pore.index):
            if pore.track is not None:
                found[pore.track].append(pore)
        return dict(found)

    @cached_property
    def slots(self) -> dict[int, int]:
        """Steps of the cadence from the window's first frame, by index: frames that are missing leave a hole."""
        times = [frame.t_rec_s for frame in self.frames.values()]
        return dict(zip(self.frames, slots_of(times, self.cadence_s), strict=True))

    def minutes(self, earlier: int, later: int) -> float | None:
        """Between two frames by index, to a tenth; None when one of them is not in the window."""
        if earlier not in self.frames or later not in self.frames:
            return None
        seconds = self.frames[later].t_rec_s - self.frames[earlier].t_rec_s
        return round(seconds / 60, 1) if seconds % 60 else seconds // 60


def window_of(event: Event, reach: int = REACH) -> Window:
    """What lies within so many frames of an event: three queries, however long the run."""
    run, first, last = event.run, max(0, event.index - reach), event.index + reach
    pores = _pores(run, first, last)
    return Window(_frames(run, first, last), pores, _edges(run, first, last, pores), run.patch.cadence_s)


def _frames(run: Run, first: int, last: int) -> dict[int, WindowFrame]:
    columns = ("index", "pk", "frame_id", "frame__t_rec_s", "state", "reason")
    rows = run.segmentations.filter(index__range=(first, last)).order_by("index").values_list(*columns)
    return {
        index: WindowFrame(index, pk, frame_id, t_rec_s, _why(state, reason))
        for index, pk, frame_id, t_rec_s, state, reason in rows
    }


def _why(state: str, reason: str) -> str:
    if state == Segmentation.State.DONE:
        return ""
    return reason or ("not processed yet" if state == Segmentation.State.WAITING else "failed")


def _pores(run: Run, first: int, last: int) -> dict[int, Pore]:
    columns = (
        "pk", "segmentation__index", "label", "track__number", "row", "col", "area_px", "area_mm2", "flux_mx", "b_g",
        "flags",
    )  # fmt: skip
    rows = Feature.objects.filter(segmentation__run=run, segmentation__index__range=(first, last))
    return {row[0]: Pore(*row) for row in rows.order_by("segmentation__index", "label").values_list(*columns)}


def _edges(run: Run, first: int, last: int, known: Iterable[int]) -> list[Edge]:
    within = Link.objects.filter(later__segmentation__run=run, later__segmentation__index__range=(first + 1, last))
    rows = within.order_by("pk").values_list("earlier_id", "later_id", "skipped")
    return [Edge(*row) for row in rows if row[0] in known]
