"""
What `second_simulator` draws and what carries it: lobes, pores, the canvas, the flow; and the true edges.

Places, radii and velocities are (row, col) pairs in pixels and pixels a frame, unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

THRESHOLD = 0.5  # depth above which a pixel is inside a pore
HIDDEN_DEPTH = 0.92 * THRESHOLD  # what is left of a pore that is not seen
MAX_GAP = 4  # frames that a dip may last, and the longest that an edge spans
MIN_AREA_PX = 12  # what is smaller is not labelled
CORNERS_TOUCH = np.ones((3, 3), int)
DEEPEST = 1.15  # two lobes add up to no more than this
N_WAVES = 3  # of an outline, numbers 2 to 4, each with a cosine and a sine
SINK_WIDTH_PX = 90.0  # distance at which a sink pulls most

Box = tuple[int, int, int, int]
Window = tuple[slice, slice]


class Lobe:
    """One roundish element: offset from the pore's centre, radius, ellipse, wobbling outline."""

    def __init__(self, rng: np.random.Generator, radius: float) -> None:
        self.offset = np.zeros(2)
        self.radius = radius
        self.aspect = np.exp(abs(rng.normal(0, 0.13)))
        self.angle = rng.uniform(0, np.pi)
        self.spin = rng.normal(0, 0.03)
        self.waves = rng.normal(0, 0.035, 2 * N_WAVES)

    def step(self, rng: np.random.Generator) -> None:
        """One frame on: turn, wobble, breathe."""
        self.angle += self.spin
        self.waves = 0.93 * self.waves + rng.normal(0, 0.013, 2 * N_WAVES)
        self.aspect = 1 + 0.97 * (self.aspect - 1) + abs(rng.normal(0, 0.004))
        self.radius *= np.exp(rng.normal(0, 0.008))

    def _outline(self, unit: np.ndarray) -> np.ndarray:
        """Radius over the mean one, towards complex numbers of length 1 in the lobe's own frame."""
        power, radius = unit, np.float64(1)
        for cosine, sine in self.waves.reshape(N_WAVES, 2):
            power = power * unit
            radius = radius + cosine * power.real + sine * power.imag
        return radius

    def distance_4(self, rows: np.ndarray, cols: np.ndarray, scale: float) -> np.ndarray:
        """Fourth power of the distance from the lobe's centre over its radius in that direction."""
        place = (cols + 1j * rows) * np.exp(-1j * self.angle)
        outline = self._outline(place / (np.abs(place) + 1e-6))
        squared = (place.real / self.aspect) ** 2 + (place.imag * self.aspect) ** 2
        return (squared / (self.radius * scale * outline) ** 2) ** 2

    def reach(self, towards: np.ndarray, scale: float) -> float:
        """Nominal radius in a direction."""
        unit = (towards[1] + 1j * towards[0]) * np.exp(-1j * self.angle)
        unit = unit / (abs(unit) + 1e-9)
        stretch = np.hypot(unit.real / self.aspect, unit.imag * self.aspect)
        return float(self.radius * scale * float(self._outline(unit)) / stretch)


@dataclass(eq=False)
class Pore:
    """
    One pore from its birth, split or merger to the next of these, or to its death.

    ``mode`` is "relax" (lobes draw together after a merger), "split" (they draw apart along
    ``axis`` at ``mode_speed``) or None; ``dips`` are the factors of its contrast in the frames
    to come, none before ``dip_rest`` of them are over; ``seen`` holds frame and label of each sight.
    """

    number: int
    place: np.ndarray
    velocity: np.ndarray
    lobes: list[Lobe]
    polarity: int
    parents: tuple[int, ...]
    born: int
    grow: float
    life: float
    contrast: float
    fade: float = 10.0
    mode: str | None = None
    axis: np.ndarray = field(default_factory=lambda: np.zeros(2))
    mode_speed: float = 0.0
    push: np.ndarray = field(default_factory=lambda: np.zeros(2))
    noise: float = 0.0
    dips: list[float] = field(default_factory=list)
    dip_rest: int = 0
    seen: list[tuple[int, int]] = field(default_factory=list)

    @property
    def dies(self) -> float:
        """The frame from which it fades."""
        return self.born + self.life

    @property
    def radius(self) -> float:
        """Of the disk of the same area, in its prime."""
        return float(np.sqrt(sum(lobe.radius**2 for lobe in self.lobes)))

    def size_at(self, frame: int) -> float:
        """Radius over that in its prime, 0 to 1."""
        size = 1.0 if self.grow <= 0 else min(1.0, np.sqrt((frame - self.born + 1) / self.grow))
        if frame > self.dies:
            size *= np.sqrt(max(0.0, 1 - (frame - self.dies) / self.fade))
        return float(size)

    def box(self, place: np.ndarray, size: float) -> Box:
        """First row and column of what it darkens around a place, and those past the last."""
        extent = max(np.abs(lobe.offset).max() + 1.9 * lobe.radius * size for lobe in self.lobes) + 3
        top, left = np.floor(place - extent).astype(int)
        bottom, right = np.ceil(place + extent).astype(int) + 1
        return int(top), int(left), int(bottom), int(right)

    def depth(self, place: np.ndarray, size: float, box: Box) -> np.ndarray:
        """Its depth for unit contrast, shape of the box; two lobes are rescaled so that they keep their area."""
        top, left, bottom, right = box
        rows = np.arange(top, bottom)[:, None] - place[0]
        cols = np.arange(left, right)[None, :] - place[1]

        def at_scale(scale: float) -> np.ndarray:
            distances = [
                lobe.distance_4(rows - lobe.offset[0], cols - lobe.offset[1], scale) for lobe in self.lobes
            ]  # fmt: skip
            return np.sum([np.exp2(-np.minimum(distance, 40)) for distance in distances], axis=0)

        scale, depth = size, at_scale(size)
        for _ in range(2 if len(self.lobes) > 1 else 0):
            wanted = np.pi * sum(lobe.radius**2 for lobe in self.lobes) * size**2
            scale *= np.clip(np.sqrt(wanted / max((depth > THRESHOLD).sum(), 9)), 0.7, 1.4)
            depth = at_scale(scale)
        return np.minimum(depth, DEEPEST)

    def shown(self, place: np.ndarray, size: float, contrast: float) -> tuple[np.ndarray, Box]:
        """Its depth as it shows, and its box; a pore that is not hidden stays one piece."""
        box = self.box(place, size)
        unit = np.minimum(self.depth(place, size, box), 1.05)
        if contrast < THRESHOLD:
            return np.minimum(contrast * unit, HIDDEN_DEPTH), box
        for _ in range(12 if len(self.lobes) > 1 else 0):
            if ndimage.label(contrast * unit > THRESHOLD, CORNERS_TOUCH)[1] <= 1:
                break
            contrast *= 1.08
        return contrast * unit, box

    def is_apart(self, frame: int) -> bool:
        """Whether its lobes no longer touch."""
        size = self.size_at(frame)
        inside = self.depth(self.place, size, self.box(self.place, size)) > THRESHOLD
        return bool(ndimage.label(inside, CORNERS_TOUCH)[1] > 1)

    def touches(self, other: "Pore", frame: int) -> bool:
        """Whether a lobe of this one comes within 0.7 pixels of one of the other."""
        sizes = self.size_at(frame), other.size_at(frame)
        for lobe in self.lobes:
            for near in other.lobes:
                between = other.place + near.offset - self.place - lobe.offset
                if np.hypot(*between) < lobe.reach(between, sizes[0]) + near.reach(-between, sizes[1]) + 0.7:
                    return True
        return False

    def relax(self) -> None:
        """Draw the lobes of a merged pore together; when they are near, put one in their place."""
        for lobe in self.lobes:
            lobe.offset = lobe.offset * 0.86
        if max(np.hypot(*lobe.offset) for lobe in self.lobes) < 0.35 * self.radius:
            radius, between = self.radius, self.lobes[0].offset - self.lobes[-1].offset
            largest = max(self.lobes, key=lambda lobe: lobe.radius)
            largest.radius, largest.aspect, largest.offset = radius, 1.2, np.zeros(2)
            largest.angle = np.arctan2(between[0], between[1])
            self.lobes, self.mode = [largest], None

    def draw_apart(self, *, fastest: float) -> None:
        """Move the lobes of a pore that splits, the larger one less, each time a little faster."""
        first, second = self.lobes
        area = first.radius**2 + second.radius**2
        first.offset = first.offset + self.axis * self.mode_speed * (second.radius**2 / area)
        second.offset = second.offset - self.axis * self.mode_speed * (first.radius**2 / area)
        self.mode_speed = min(self.mode_speed * 1.1, fastest)


class Canvas:
    """One frame as it is drawn: ``labels`` (int32) and ``depth`` (float32), shape (ny, nx)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels = np.zeros(shape, np.int32)
        self.depth = np.zeros(shape, np.float32)

    def draw(self, label: int, depth: np.ndarray, box: Box) -> Window | None:
        """Draw where it is deeper than what is there; the window that it fell into, None outside the frame."""
        ny, nx = self.labels.shape
        top, left, bottom, right = max(box[0], 0), max(box[1], 0), min(box[2], ny), min(box[3], nx)
        if top >= bottom or left >= right:
            return None
        inside = depth[top - box[0] : bottom - box[0], left - box[1] : right - box[1]].astype(np.float32)
        window = np.s_[top:bottom, left:right]
        deeper = inside > self.depth[window]
        self.depth[window] = np.where(deeper, inside, self.depth[window])
        self.labels[window][deeper & (inside > THRESHOLD)] = label
        return window

    def neighbours(self, label: int, window: Window) -> list[int]:
        """Other labels in the window and one pixel around it; none if the label is not there itself."""
        near = self.labels[_wider(window)]
        return [int(other) for other in np.unique(near[near > 0]) if other != label] if (near == label).any() else []

    def part(self, label: int, others: Sequence[int], window: Window) -> None:
        """Take from a label the pixels that touch the others, so that a lane of one pixel parts them."""
        near = self.labels[_wider(window)]
        near[(near == label) & ndimage.binary_dilation(np.isin(near, others), CORNERS_TOUCH)] = 0

    def tidy(self, label: int, window: Window) -> bool:
        """Keep the label's largest piece, if that is large enough; whether it was."""
        here = self.labels[window]
        pieces, _ = ndimage.label(here == label, CORNERS_TOUCH)
        areas = np.bincount(pieces.ravel())
        areas[0] = 0
        kept = bool(areas.max() >= MIN_AREA_PX)
        here[(pieces > 0) & ((pieces != areas.argmax()) | (not kept))] = 0
        return kept


def _wider(window: Window) -> Window:
    rows, cols = window
    return np.s_[max(rows.start - 1, 0) : rows.stop + 1, max(cols.start - 1, 0) : cols.stop + 1]


@dataclass
class Sink:
    """A place that pores are drawn to from frame ``begins`` on for ``life`` frames, most in the middle of them."""

    place: np.ndarray
    begins: float
    life: float
    drift: np.ndarray
    strength: float


class Flow:
    """Slowly turning gyres, which carry nothing through the border, and moving sinks of finite life."""

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, int], *, rms: float, n_modes: int, n_sinks: int, pull: float
    ) -> None:
        self.rng, self.shape, self.pull = rng, shape, pull
        # half waves over the rows and over the columns
        self.waves = np.array([(i, j) for i in range(1, n_modes + 2) for j in range(1, n_modes + 1)], float)
        self.amplitude = rng.normal(size=len(self.waves)) / np.hypot(*self.waves.T) ** 1.3
        self.turning = rng.normal(0, 0.02, len(self.waves))
        self.phase = rng.uniform(0, 2 * np.pi, len(self.waves))
        self.sinks: list[Sink] = []
        self.norm = 1.0
        places = np.column_stack([rng.uniform(0, shape[0], 600), rng.uniform(0, shape[1], 600)])
        self.norm = rms / np.sqrt((self.at(places, 0) ** 2).sum(axis=1).mean())
        self.sinks = [self._sink(rng.uniform(-40, 0)) for _ in range(n_sinks)]

    def _sink(self, begins: float) -> Sink:
        rng = self.rng
        place, life = rng.uniform(0.12, 0.88, 2) * self.shape, rng.uniform(30, 60)
        return Sink(place, begins, life, drift=rng.normal(0, 0.6, 2), strength=rng.uniform(0.6, 1.2))

    def at(self, places: np.ndarray, frame: int) -> np.ndarray:
        """The velocity at places, both of shape (n, 2)."""
        ny, nx = self.shape
        i, j = self.waves.T
        rows, cols = places[:, :1] * np.pi / ny, places[:, 1:] * np.pi / nx
        amplitude = self.amplitude * np.cos(self.turning * frame + self.phase) * self.norm
        down = (amplitude * i / nx * np.cos(i * cols) * np.sin(j * rows)).sum(axis=1)
        right = -(amplitude * j / ny * np.sin(i * cols) * np.cos(j * rows)).sum(axis=1)
        velocity = np.column_stack([down, right])
        for sink in self.sinks:
            age = np.clip((frame - sink.begins) / sink.life, 0, 1)
            strength = np.sin(np.pi * age) * sink.strength * self.pull
            away = (sink.place - places) / SINK_WIDTH_PX
            velocity += strength * away * np.exp(0.5 - 0.5 * (away**2).sum(axis=1, keepdims=True))
        return velocity

    def step(self, frame: int) -> None:
        """One frame on: sinks drift, and those that are over come again elsewhere."""
        for k, sink in enumerate(self.sinks):
            sink.place = sink.place + sink.drift
            if frame > sink.begins + sink.life:
                self.sinks[k] = self._sink(frame)


def true_edges(pores: Sequence[Pore]) -> np.ndarray:
    """Edges from each sight to the next along the lineage, through what was never seen; shape (m, 4), sorted."""
    after: dict[tuple[int, int], set[tuple[int, int]]] = {}

    def last_sights(number: int) -> set[tuple[int, int]]:
        pore = pores[number]
        return {pore.seen[-1]} if pore.seen else set().union(*map(last_sights, pore.parents))

    for pore in pores:
        steps = list(zip(pore.seen[:-1], pore.seen[1:], strict=True))
        if pore.seen:
            steps += [(sight, pore.seen[0]) for parent in pore.parents for sight in last_sights(parent)]
        for sight, later in steps:
            if 0 < later[0] - sight[0] <= MAX_GAP + 1:
                after.setdefault(sight, set()).add(later)
    edges = [
        (*sight, *later)
        for sight, laters in after.items()
        for later in laters
        if later[0] - sight[0] == 1 or not _is_spanned(after, laters, later)
    ]
    return np.array(sorted(edges), np.int64).reshape(-1, 4)


def _is_spanned(
    after: Mapping[tuple[int, int], set[tuple[int, int]]], laters: set[tuple[int, int]], end: tuple[int, int]
) -> bool:
    """Whether a chain of edges leads to ``end`` from another of ``laters``."""
    open_ends = [sight for sight in laters if sight[0] < end[0]]
    while open_ends:
        following = after.get(open_ends.pop(), set())
        if end in following:
            return True
        open_ends += [sight for sight in following if sight[0] < end[0]]
    return False
