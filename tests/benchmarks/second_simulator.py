"""
A second simulator of pore labels whose lineage is known, which shares nothing with `processing.synthetic_tracks`.

It was written without knowledge of that one, and no network has learned from it: gyres and sinks
carry pores of one or two lobes; like ones attract each other and merge, unlike ones hold each other
off; a pore splits when its lobes have drawn apart, and hides when its contrast dips. Nothing here is
a model of the Sun, and no number is measured on it: they set how hard a series is to follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from tests.benchmarks.second_lobes import MAX_GAP, MIN_AREA_PX, THRESHOLD, Canvas, Flow, Lobe, Pore, Window, true_edges

DARKENING = 0.6  # of the intensity for each unit of depth
NOISE = 0.015  # rms of the intensity
MARGIN_PX = 45  # beyond the border, where pores are followed no farther
BURN_IN = 30  # frames before the first
USUAL_AREA_PX = 700 * 1200  # that the numbers of a level are meant for
IMMUNE_FRAMES = 4  # after a split, before its children may merge again
ATTRACTION_FRAMES = 20
ATTRACTION_PX = 40  # farthest gap between two that begin to attract each other
SPACING_PX = 32  # of a new pore from the others, where there is room


@dataclass(frozen=True)
class Level:
    """
    How hard a series is to follow; lengths in pixels, velocities in pixels a frame.

    ``n_pores``, ``false_per_frame``, ``merges`` and ``splits`` (both begun, a frame) are for
    USUAL_AREA_PX. ``flow`` is the rms of the common motion, of ``n_modes`` half waves, ``own`` that
    of each pore, of which the share ``memory`` lasts to the next frame; ``jitter`` that of whole
    frames. ``contrast_noise`` and ``flicker`` (chance of a dip) are of a pore in a frame. Of the pores
    that are born, the share ``bipolar`` comes in pairs and half of all are negative, none if it is 0.
    """

    n_pores: int
    flow: float
    own: float
    memory: float
    jitter: float
    contrast_noise: float
    flicker: float
    lost_share: float
    merges: float
    splits: float
    split_speed: float
    merge_speed: float
    radius: float
    lifetime: float
    n_modes: int
    false_per_frame: float = 0.0
    bipolar: float = 0.0
    n_sinks: int = 0
    sink_pull: float = 0.0


LEVELS = {
    "medium": Level(
        n_pores=52, flow=2.0, own=0.7, memory=0.92, jitter=0.3, contrast_noise=0.05, flicker=0.018, lost_share=0.01,
        merges=1.5, splits=0.75, split_speed=1.6, merge_speed=2.0, radius=9.5, lifetime=90, n_modes=3,
    ),
    "hard": Level(
        n_pores=104, flow=3.6, own=1.5, memory=0.88, jitter=1.6, contrast_noise=0.12, flicker=0.031, lost_share=0.01,
        merges=2.4, splits=1.5, split_speed=2.2, merge_speed=2.5, radius=9.0, lifetime=80, n_modes=4,
        false_per_frame=1.5, bipolar=0.35, n_sinks=5, sink_pull=2.5,
    ),
    "fast": Level(
        n_pores=53, flow=11.0, own=2.5, memory=0.92, jitter=0.6, contrast_noise=0.07, flicker=0.012, lost_share=0.03,
        merges=1.6, splits=1.0, split_speed=3.5, merge_speed=3.5, radius=9.0, lifetime=80, n_modes=3,
        false_per_frame=0.3, n_sinks=2, sink_pull=2.5,
    ),
}  # fmt: skip


def make(level: str, seed: int, n_frames: int = 100, shape: tuple[int, int] = (700, 1200)) -> dict[str, np.ndarray]:
    """
    Simulate a series of label images, their intensity, and their true lineage.

    Parameters
    ----------
    level : str
        One of LEVELS.
    seed : int
        Decides everything else; at least 0.
    n_frames, shape : int, tuple of int
        Lost frames count too, of which the first and last two are never one; (ny, nx) in pixels.

    Returns
    -------
    dict
        ``labels``, int32, shape (n_frames, ny, nx): 0 outside, 1 to n inside features, all 0 in a lost frame;
        ``intensity``, float32, the same shape: about 1 outside pores; ``edges``, int64, shape (m, 4): frame and
        label of the earlier sight of a pore, then of the next, or of what it merged with or split into;
        ``nodes``, int64, shape (n, 2): frame and label of every feature that is a pore, not a false detection.
    """
    return Simulator(level, seed, n_frames, shape).run()


class Simulator:
    """All pores at one frame, and all that have been."""

    def __init__(self, level: str, seed: int, n_frames: int, shape: tuple[int, int]) -> None:
        self.level, self.n_frames, self.shape = LEVELS[level], n_frames, shape
        self.share = shape[0] * shape[1] / USUAL_AREA_PX
        self.n_pores = max(3, round(self.level.n_pores * shape[0] * shape[1] / USUAL_AREA_PX))
        self.rng = np.random.default_rng([seed, sorted(LEVELS).index(level), 7741])
        flow = {"rms": self.level.flow, "n_modes": self.level.n_modes}
        self.flow = Flow(self.rng, shape, **flow, n_sinks=self.level.n_sinks, pull=self.level.sink_pull)
        self.live: list[Pore] = []
        self.pores: list[Pore] = []  # by number
        self.attracted: dict[tuple[int, int], int] = {}  # since which frame
        self.immune: dict[tuple[int, int], int] = {}  # until which frame

    def run(self) -> dict[str, np.ndarray]:
        """What `make` returns."""
        lost = self._lost_frames()
        labels = np.zeros((self.n_frames, *self.shape), np.int32)
        intensity = np.ones((self.n_frames, *self.shape), np.float32)
        for _ in range(self.n_pores):
            self._bear(-BURN_IN, is_start=True)
        for frame in range(-BURN_IN, self.n_frames):
            self._step(frame)
            if frame >= 0:
                labels[frame], intensity[frame] = self._view(frame, is_lost=frame in lost)
        nodes = sorted(sight for pore in self.pores for sight in pore.seen)
        edges = true_edges(self.pores)
        return {"labels": labels, "intensity": intensity, "edges": edges, "nodes": np.array(nodes).reshape(-1, 2)}

    def _lost_frames(self) -> set[int]:
        n_lost = round(self.level.lost_share * self.n_frames)
        if self.n_frames <= 8 or not n_lost:
            return set()
        return {int(frame) for frame in self.rng.choice(np.arange(2, self.n_frames - 2), n_lost, replace=False)}

    def _step(self, frame: int) -> None:
        """One frame on: move, begin to split and merge, be born, split, merge."""
        self._move(frame)
        self._begin_splits(frame)
        self._begin_merges(frame)
        n_missing = max(0, self.n_pores - sum(frame < pore.dies for pore in self.live))
        for _ in range(min(n_missing, 1 + self.rng.poisson(1.5 * max(self.share, 0.2)))):
            self._bear(frame)
        self._split(frame)
        self._merge(frame)

    def _add(
        self, place: np.ndarray, velocity: np.ndarray, lobes: list[Lobe], *,
        polarity: int, born: int, grow: float = 0, parents: tuple[int, ...] = (), contrast: float | None = None,
    ) -> Pore:  # fmt: skip
        rng = self.rng
        life = max(6 + rng.exponential(self.level.lifetime), grow + 3)
        contrast = rng.uniform(0.92, 1.25) if contrast is None else contrast
        pore = Pore(len(self.pores), place, velocity, lobes, polarity, parents, born, grow, life, contrast)
        pore.fade = rng.uniform(6, 14)
        self.pores.append(pore)
        self.live.append(pore)
        return pore

    def _bear(self, frame: int, *, is_start: bool = False) -> None:
        """A new pore, or two of opposite polarity that move apart."""
        rng, level = self.rng, self.level
        for _ in range(60):
            place = rng.uniform(0, 1, 2) * self.shape
            if min((np.hypot(*(pore.place - place)) for pore in self.live), default=np.inf) > SPACING_PX:
                break
        radius = np.clip(level.radius * np.exp(rng.normal(0, 0.28)), 4, 16)
        polarity = -1 if level.bipolar and rng.random() >= 0.5 else 1
        grow = 0 if is_start else rng.uniform(4, 10)
        velocity = rng.normal(0, level.own, 2)
        pore = self._add(place, velocity, [Lobe(rng, radius)], polarity=polarity, born=frame, grow=grow)
        if not is_start and rng.random() < level.bipolar:
            axis = _unit(rng.uniform(0, 2 * np.pi))
            other = np.clip(radius * rng.uniform(0.7, 1.1), 4, 14)
            pore.velocity = axis * 1.5
            place, lobes = place - axis * (radius + other + 6), [Lobe(rng, other)]
            self._add(place, -axis * 1.5, lobes, polarity=-polarity, born=frame, grow=grow + 1)

    def _move(self, frame: int) -> None:
        rng, level = self.rng, self.level
        self.flow.step(frame)
        carried = self.flow.at(np.array([pore.place for pore in self.live]), frame)
        self._attract(frame)
        for pore, flow in zip(self.live, carried, strict=True):
            walk = rng.normal(0, level.own * np.sqrt((1 - level.memory**2) / 2), 2)
            pore.velocity = level.memory * pore.velocity + walk
            pore.place = pore.place + flow + pore.velocity + pore.push
            pore.push = np.zeros(2)
            for lobe in pore.lobes:
                lobe.step(rng)
            if pore.mode == "relax":
                pore.relax()
            elif pore.mode == "split":
                pore.draw_apart(fastest=level.split_speed * 1.3)
        self.live = [pore for pore in self.live if pore.size_at(frame) * pore.radius > 1.5 and self._is_near(pore)]

    def _is_near(self, pore: Pore) -> bool:
        return all(-MARGIN_PX < at < side + MARGIN_PX for at, side in zip(pore.place, self.shape, strict=True))

    def _attract(self, frame: int) -> None:
        """Push the pairs that attract each other together, and forget those whose time is over."""
        here = {pore.number: pore for pore in self.live}
        kept = {pair: since for pair, since in self.attracted.items() if frame - since <= ATTRACTION_FRAMES}
        self.attracted = {pair: since for pair, since in kept.items() if here.keys() >= set(pair)}
        for one, other in self.attracted:
            between = here[other].place - here[one].place
            between /= np.hypot(*between) + 1e-9
            here[one].push = here[one].push + between * self.level.merge_speed / 2
            here[other].push = here[other].push - between * self.level.merge_speed / 2

    def _begin_splits(self, frame: int) -> None:
        """Put two lobes in the place of one in some grown pores, larger ones rather."""
        rng = self.rng
        for _ in range(rng.poisson(self.level.splits * self.share)):
            grown = [pore for pore in self.live if pore.mode is None and pore.radius > 6.5]
            grown = [pore for pore in grown if frame - pore.born > 8 and frame < pore.dies - 12]
            if not grown:
                break
            area = np.array([pore.radius**2 for pore in grown])
            pore = grown[rng.choice(len(grown), p=area / area.sum())]
            share, radius = rng.uniform(0.3, 0.7), pore.radius
            pore.axis = _unit(rng.uniform(0, 2 * np.pi))
            pore.lobes = [Lobe(rng, radius * np.sqrt(share)), Lobe(rng, radius * np.sqrt(1 - share))]
            for lobe, sign in zip(pore.lobes, (1, -1), strict=True):
                lobe.aspect = 1.04
                lobe.offset = sign * pore.axis * 0.25 * radius
            pore.mode, pore.mode_speed = "split", self.level.split_speed * rng.uniform(0.6, 1.2)

    def _begin_merges(self, frame: int) -> None:
        """Let some like neighbours attract each other."""
        for _ in range(self.rng.poisson(self.level.merges * self.share)):
            pairs = [
                (one.number, other.number)
                for k, one in enumerate(self.live)
                for other in self.live[k + 1 :]
                if one.polarity == other.polarity and max(one.radius, other.radius) < 18
                and np.hypot(*(one.place - other.place)) - one.radius - other.radius < ATTRACTION_PX
            ]  # fmt: skip
            pairs = [pair for pair in pairs if pair not in self.attracted and pair not in self.immune]
            if pairs:
                self.attracted[pairs[self.rng.integers(len(pairs))]] = frame

    def _split(self, frame: int) -> None:
        """Put two pores in the place of each whose lobes no longer touch."""
        for pore in [pore for pore in self.live if pore.mode == "split"]:
            if not pore.is_apart(frame):
                continue
            self.live.remove(pore)
            known = {"polarity": pore.polarity, "contrast": pore.contrast, "parents": (pore.number,), "born": frame}
            children = []
            for lobe, sign in zip(pore.lobes, (1, -1), strict=True):
                place = pore.place + lobe.offset + sign * pore.axis
                lobe.radius *= pore.size_at(frame)
                lobe.offset = np.zeros(2)
                child = self._add(place, pore.velocity + sign * pore.axis * pore.mode_speed * 0.6, [lobe], **known)
                child.noise, child.dips = pore.noise, list(pore.dips)
                children.append(child.number)
            self.immune[children[0], children[1]] = frame + IMMUNE_FRAMES

    def _merge(self, frame: int) -> None:
        """Hold off pairs that touch and must not merge; put one pore in the place of all others that touch."""
        self.immune = {pair: until for pair, until in self.immune.items() if until >= frame}
        live = list(self.live)
        places = np.array([pore.place for pore in live]).reshape(-1, 2)
        extents = np.array([
            max(np.hypot(*lobe.offset) + 1.3 * lobe.radius for lobe in pore.lobes) for pore in live
        ])  # fmt: skip
        apart = np.hypot(*np.moveaxis(places[:, None] - places, 2, 0))
        merged = np.zeros(apart.shape, bool)
        for i, j in np.argwhere(np.triu(apart < extents[:, None] + extents + 2, 1)):
            one, other = live[i], live[j]
            if not one.touches(other, frame):
                continue
            between = other.place - one.place
            unit = between / (np.hypot(*between) + 1e-9)
            if one.polarity != other.polarity:  # these cancel
                one.place, other.place = one.place - unit * 1.5, other.place + unit * 1.5
                for lobe in (*one.lobes, *other.lobes):
                    lobe.radius *= 0.975
            elif (min(one.number, other.number), max(one.number, other.number)) in self.immune:
                one.place, other.place = one.place - unit, other.place + unit
            else:
                merged[i, j] = True
        n_groups, group = connected_components(merged, directed=False)  # numbered by their first pore
        for number in range(n_groups):
            members = [live[k] for k in np.flatnonzero(group == number)]
            if len(members) > 1:
                self._fuse(members, frame)

    def _fuse(self, pores: Sequence[Pore], frame: int) -> None:
        sizes = [pore.size_at(frame) for pore in pores]
        weights = np.array([(pore.radius * size) ** 2 for pore, size in zip(pores, sizes, strict=True)])
        weights /= weights.sum()
        centre = sum(weight * pore.place for weight, pore in zip(weights, pores, strict=True))
        velocity = sum(weight * pore.velocity for weight, pore in zip(weights, pores, strict=True))
        lobes = []
        for pore, size in zip(pores, sizes, strict=True):
            for lobe in pore.lobes:
                lobe.radius *= size
                lobe.offset = pore.place + lobe.offset - centre
                lobes.append(lobe)
            self.live.remove(pore)
        largest = pores[int(np.argmax(weights))]
        known = {"polarity": largest.polarity, "contrast": largest.contrast, "born": frame}
        new = self._add(centre, velocity, lobes, parents=tuple(pore.number for pore in pores), **known)
        new.mode, new.noise, new.dip_rest = "relax", largest.noise, 3

    def _contrast(self, pore: Pore, frame: int) -> float:
        """Contrast of a pore: slow noise, and rare dips of 1 to MAX_GAP frames, likelier for small ones."""
        rng, level = self.rng, self.level
        pore.noise = 0.5 * pore.noise + rng.normal(0, level.contrast_noise * 0.87)
        pore.dip_rest -= 1
        likelier = np.clip((8.5 / pore.radius) ** 1.5, 0.3, 2.5)
        if not pore.dips and pore.dip_rest <= 0 and rng.random() < level.flicker * likelier:
            n_hidden = 1 + min(MAX_GAP - 1, rng.geometric(0.55) - 1)
            pore.dips = [rng.uniform(0.15, 0.36) for _ in range(n_hidden)]
            if rng.random() < 0.3:
                pore.dips = [0.62, *pore.dips]  # fades first
            if rng.random() < 0.15:
                pore.dips = [rng.uniform(0.5, 0.7)]  # shrinks only
            pore.dip_rest = n_hidden + 3
        dip = pore.dips.pop(0) if pore.dips else 1.0
        usual = max(pore.contrast * (1 + np.clip(pore.noise, -0.38, 0.38)), 0.62)
        return float(usual * dip * min(1, 0.5 + 0.7 * pore.size_at(frame)))

    def _view(self, frame: int, *, is_lost: bool) -> tuple[np.ndarray, np.ndarray]:
        """Labels and intensity of a frame; notes in each pore that is labelled that it was seen."""
        rng = self.rng
        intensity = 1 + NOISE * rng.standard_normal(self.shape, dtype=np.float32)
        canvas = Canvas(self.shape)
        shown = self._draw(canvas, frame)
        names = [pore.number + 1 for pore in shown]
        false = self._draw_false(canvas, first_label=len(self.pores) + 1)
        if is_lost:
            return np.zeros(self.shape, np.int32), intensity
        intensity -= DARKENING * canvas.depth
        new_labels = rng.permutation(len(names) + len(false)) + 1
        new_label = np.zeros(len(self.pores) + len(false) + 1, np.int32)
        new_label[np.array(names + false, np.int64)] = new_labels
        for pore, label in zip(shown, new_labels, strict=False):  # the false ones come last
            pore.seen.append((frame, int(label)))
        return new_label[canvas.labels], intensity

    def _draw(self, canvas: Canvas, frame: int) -> list[Pore]:
        """Draw all pores, each under its number + 1; those whose label is left at the end."""
        shift = self.rng.normal(0, self.level.jitter, 2)
        windows: list[tuple[Pore, Window]] = []
        for pore in self.live:
            depth, box = pore.shown(pore.place + shift, pore.size_at(frame), self._contrast(pore, frame))
            if (window := canvas.draw(pore.number + 1, depth, box)) is not None:
                windows.append((pore, window))
        for pore, window in windows:
            others = canvas.neighbours(pore.number + 1, window)
            like = [other for other in others if self.pores[other - 1].polarity == pore.polarity]
            canvas.part(pore.number + 1, like, window)
        return [pore for pore, window in windows if canvas.tidy(pore.number + 1, window)]

    def _draw_false(self, canvas: Canvas, *, first_label: int) -> list[int]:
        """Draw granulation lanes that were taken for pores, away from all else; their labels."""
        rng, labels = self.rng, list[int]()
        for _ in range(rng.poisson(self.level.false_per_frame * self.share)):
            radius = rng.uniform(2.6, 5)
            place = rng.uniform(0, 1, 2) * (self.shape[0] - 1, self.shape[1] - 1)
            false = Pore(-1, place, np.zeros(2), [Lobe(rng, radius)], 0, (), born=0, grow=0, life=9, contrast=1)
            top, left, bottom, right = box = false.box(place, 1)
            if min(box) < 2 or bottom > self.shape[0] - 2 or right > self.shape[1] - 2:
                continue
            depth = (false.depth(place, 1, box) * rng.uniform(0.8, 1.1)).astype(np.float32)
            is_free = canvas.depth[top:bottom, left:right].max() <= 0.1
            if is_free and (depth > THRESHOLD).sum() >= MIN_AREA_PX:
                labels.append(first_label + len(labels))
                canvas.draw(labels[-1], depth, box)
        return labels


def _unit(angle: float) -> np.ndarray:
    return np.array([np.sin(angle), np.cos(angle)])
