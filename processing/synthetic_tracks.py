"""
Long series of pore labels whose lineage is known exactly, to train and to judge the tracking.

Flux bundles are born, drift, walk, meet, part, flicker and die; `synthetic_blobs` draws them
and reads the truth off the drawing. Nothing here is a model of the Sun: a `Level` sets how
hard the series is to follow. Places and steps are complex numbers, col + 1j row, in pixels.
"""

import itertools
from dataclasses import dataclass
from math import exp, pi, sqrt

import numpy as np

from processing.errors import ParameterError
from processing.synthetic_blobs import Blob, Bundle, Observer, SimulatedTracks, complex_noise
from processing.synthetic_levels import LEVELS, MODES, Level, random_level

__all__ = ["LEVELS", "Level", "SimulatedTracks", "random_level", "simulate_tracks"]

AREA_SCATTER = 0.08  # rms of the area after a fusion or split over that before
GAP_CHANCES = (0.5, 0.25, 0.15, 0.1)  # that a flicker lasts 1, 2, 3, 4 frames
NEAR, FAR = 1.5, 2.6  # times the sum of radii: two bundles have met, have forgotten each other
LARGEST = 2.6  # times the median radius: what grows beyond does not fuse
N_WAVES = 5  # of an outline, numbers 2 to 6
MARGIN_PX = 12.0  # from the frame's edge: where bundles turn back, and the nearest that they are born


@dataclass
class Course:
    """Two bundles on their way: they "approach", stay "together" until a frame, and go "apart"."""

    pair: tuple[Bundle, Bundle]
    stage: str
    until: int
    rest: float  # distance of centres while together, over the sum of radii


class Crowd:
    """All bundles of a series at one frame; `step` takes them to the next, `view` shows them."""

    def __init__(self, level: Level, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.level, self.shape, self.rng = level, shape, rng
        self.frame = 0
        self.bundles: list[Bundle] = []
        self.courses: list[Course] = []
        self.modes: dict[frozenset[Bundle], str] = {}  # of the pairs that are near
        n_centres = int(rng.integers(2, 6))
        self.centres = self._anywhere(n_centres)
        self.pulls = np.where(np.arange(n_centres) % 2, -1, 1) * rng.uniform(0.5, 1, n_centres)  # sinks, sources
        self.widths = rng.uniform(0.06, 0.18, n_centres) * max(shape)
        for _ in range(level.n_pores):
            self._bear()
            self.bundles[-1].born = -self.bundles[-1].grow  # in full size when the series begins

    def _anywhere(self, n: int) -> np.ndarray:
        rows, cols = (self.rng.uniform(MARGIN_PX, side - MARGIN_PX, n) for side in self.shape)
        return cols + 1j * rows

    def _inside(self, places: np.ndarray, margin: float) -> np.ndarray:
        (ny, nx), rows, cols = self.shape, places.imag, places.real
        return (rows >= margin) & (rows <= ny - 1 - margin) & (cols >= margin) & (cols <= nx - 1 - margin)

    def _room(self, places: np.ndarray) -> np.ndarray:
        """Distance of places from the nearest outline."""
        others = np.array([bundle.place for bundle in self.bundles])
        radii = np.array([bundle.radius for bundle in self.bundles])
        return np.asarray(np.min(np.abs(places[:, None] - others) - radii, axis=1, initial=np.inf))

    def _bear(self) -> None:
        """Add a bundle where there is room, or where there is most of it."""
        level, rng = self.level, self.rng
        radius = level.radius_px * exp(level.radius_spread * rng.standard_normal())
        if rng.random() < level.tiny_share:
            radius = sqrt(level.min_area_px / pi) * rng.uniform(1, 1.5)
        tried = self._anywhere(12)
        if rng.random() < level.clustering:
            near = rng.choice(self.centres) + 0.14 * max(self.shape) * complex_noise(rng, tried.size)
            tried = np.where(self._inside(near, MARGIN_PX), near, tried)
        place = tried[np.argmax(np.minimum(self._room(tried), 3 * radius))]  # the first with room enough
        mixed = rng.random() < level.polarity_mixing / 2
        polarity = 1 if (place.real < self.shape[1] / 2) != mixed else -1
        self._add(complex(place), radius, polarity, rng.normal(1500, 250))
        self.bundles[-1].grow = int(rng.integers(2, 10) * (rng.random() >= level.sudden_share))

    def _add(self, place: complex, radius: float, polarity: int, strength: float) -> Bundle:
        level, rng = self.level, self.rng
        velocity = complex(level.step_px * sqrt(1 - level.walk_share) * complex_noise(rng, 1)[0])
        # large pores are darker, as in `synthetic`
        core = float(np.clip(0.37 - 0.0005 * pi * radius**2 + 0.04 * rng.standard_normal(), 0.12, 0.45))
        waves = level.irregularity * sqrt(2) / np.arange(1, N_WAVES + 1) * complex_noise(rng, N_WAVES)
        dies = self.frame + 2 + round(rng.exponential(level.lifetime))
        bundle = Bundle(place, radius, waves, polarity, core, strength, velocity=velocity, born=self.frame, dies=dies)
        bundle.fade = int(rng.integers(2, 10) * (rng.random() >= level.sudden_share))
        self.bundles.append(bundle)
        return bundle

    def step(self) -> None:
        """One frame on: move, meet, split, die, be born."""
        self.frame += 1
        self._move()
        for course in self.courses:
            self._follow(course)
        self._meet()
        for bundle in list(self.bundles):
            chance = self.level.split_rate * min(2, bundle.radius / self.level.radius_px)
            if self.rng.random() < chance and bundle not in self._busy():
                self._split(bundle)
        inside, busy = self._inside(np.array([bundle.place for bundle in self.bundles]), 0), self._busy()
        within = itertools.compress(self.bundles, inside)
        self.bundles = [bundle for bundle in within if bundle.dies > self.frame or bundle in busy]
        for _ in range(self.rng.binomial(max(0, self.level.n_pores - len(self.bundles)), 0.5)):
            self._bear()
        here = set(self.bundles)
        self.courses = [course for course in self.courses if course.stage != "over" and here.issuperset(course.pair)]

    def _busy(self) -> set[Bundle]:
        return {bundle for course in self.courses for bundle in course.pair}

    def _move(self) -> None:
        level, rng, n = self.level, self.rng, len(self.bundles)
        places = np.array([bundle.place for bundle in self.bundles])
        away = (self.centres[:, None] - places) / self.widths[:, None]
        pull = self.pulls[:, None] * away * np.exp(0.5 - 0.5 * np.abs(away) ** 2)  # 1 at its fastest
        half = self.shape[0] / 2
        flow = level.flow_px * pull.sum(axis=0) + level.shear_px * (places.imag - half) / half
        walk = level.step_px * sqrt(level.walk_share) * complex_noise(rng, n)
        turns = np.exp(0.1j * rng.standard_normal(n))
        breaths = level.breathing * sqrt(1 - 0.9**2) * rng.standard_normal(n)
        busy = self._busy()
        for k, bundle in enumerate(self.bundles):
            bundle.place += complex(flow[k] + bundle.velocity + walk[k] * (0.5 if bundle in busy else 1))
            bundle.velocity *= complex(turns[k])
            bundle.breath = 0.9 * bundle.breath + float(breaths[k])
        # at an edge the own flow turns to the middle
        for bundle in itertools.compress(self.bundles, ~self._inside(places, MARGIN_PX)):
            inwards = complex(self.shape[1] / 2, half) - bundle.place
            bundle.velocity = abs(bundle.velocity) * inwards / abs(inwards)

    def _follow(self, course: Course) -> None:
        """Bring a pair nearer, hold it, or take it apart; the larger moves less."""
        (one, other), rng = course.pair, self.rng
        reach = one.radius_at(self.frame) + other.radius_at(self.frame)
        between = other.place - one.place
        pace = self.level.approach_px * rng.uniform(0.5, 1.5)
        if course.stage == "approach":
            change = -min(pace, abs(between))
            if abs(between) + change < course.rest * reach:
                course.stage, course.until = "together", self.frame + 1 + round(rng.exponential(6))
            elif self.frame >= course.until:
                course.stage = "over"
        elif course.stage == "together":
            change = 0.5 * (course.rest * reach - abs(between))
            if self.frame >= course.until:
                fuses = rng.random() < 0.5 and self._may_fuse(one, other)
                course.stage = "over" if fuses else "apart"
                if fuses:
                    self._fuse(one, other)
        else:
            change = pace
            if abs(between) > 1.8 * reach:
                course.stage = "over"
        push = change * (between / abs(between) if between else 1) / (one.radius**2 + other.radius**2)
        one.place -= push * other.radius**2
        other.place += push * one.radius**2

    def _meet(self) -> None:
        """Choose how pairs meet that have come near, fuse those that are replaced, send others to meet."""
        level, rng = self.level, self.rng
        places = np.array([bundle.place for bundle in self.bundles])
        radii = np.array([bundle.radius_at(self.frame) for bundle in self.bundles])
        polarity = np.array([bundle.polarity for bundle in self.bundles])
        apart = np.abs(places[:, None] - places)
        apart[np.tri(places.size, dtype=bool) | (polarity[:, None] != polarity)] = np.inf
        reach = radii[:, None] + radii
        bundles, gone, busy, modes = list(self.bundles), set[Bundle](), self._busy(), self.modes
        self.modes = {}  # of the pairs that are still near, and of new ones
        for i, j in np.argwhere(apart < FAR * reach):
            one, other = bundles[i], bundles[j]
            known = frozenset((one, other))
            if known in modes or apart[i, j] < NEAR * reach[i, j]:
                self.modes[known] = mode = modes.get(known) or self._mode()
                touching = apart[i, j] < reach[i, j] + rng.uniform(0.5, 3)
                if mode == "replace" and touching and gone.isdisjoint(known) and self._may_fuse(one, other):
                    self._fuse(one, other)
                    gone |= known
        for i in np.flatnonzero(rng.random(places.size) < level.meet_rate):
            distances = np.minimum(apart[i], apart[:, i])
            j = int(np.argmin(distances))
            pair = bundles[i], bundles[j]
            free = distances[j] < 16 * level.radius_px and gone.isdisjoint(pair) and busy.isdisjoint(pair)
            if free and self._may_fuse(*pair):
                pair[0].velocity = pair[1].velocity
                busy |= set(pair)
                self.courses.append(Course(pair, "approach", self.frame + 40, rng.uniform(0.6, 1)))

    def _mode(self) -> str:
        return str(self.rng.choice(MODES, p=np.array(self.level.modes) / sum(self.level.modes)))

    def _may_fuse(self, one: Bundle, other: Bundle) -> bool:
        return one.radius**2 + other.radius**2 < (LARGEST * self.level.radius_px) ** 2

    def _fuse(self, one: Bundle, other: Bundle) -> None:
        """Put one bundle in the place of two."""
        parts = np.array([one.radius_at(self.frame), other.radius_at(self.frame)]) ** 2
        share = parts / parts.sum()
        place, strength = share @ [one.place, other.place], share @ [one.strength, other.strength]
        radius = sqrt(parts.sum() * self.rng.normal(1, AREA_SCATTER))
        new = self._add(complex(place), radius, one.polarity, float(strength))
        new.velocity = complex(share @ [one.velocity, other.velocity])
        new.past = one.past | other.past
        self.bundles = [bundle for bundle in self.bundles if bundle is not one and bundle is not other]

    def _split(self, parent: Bundle) -> None:
        """Put two bundles in the place of one, unless one would be too small to be seen."""
        share = self.rng.uniform(0.2, 0.8)
        area = parent.radius_at(self.frame) ** 2 * self.rng.normal(1, AREA_SCATTER)
        radii = np.sqrt(area * np.array([share, 1 - share]))
        if pi * radii.min() ** 2 < 1.3 * self.level.min_area_px:
            return
        mode = self._mode()
        between = radii.sum() + self.rng.uniform(1.5, 4) if mode == "replace" else 0.5 * radii.sum()
        between *= np.exp(2j * pi * self.rng.random())  # in any direction
        ends = parent.place + between * np.array([1 - share, -share])  # the centre of gravity stays
        one, other = (self._add(complex(ends[k]), float(radii[k]), parent.polarity, parent.strength) for k in (0, 1))
        for bundle in (one, other):
            bundle.velocity, bundle.past = parent.velocity, set(parent.past)
        self.bundles.remove(parent)
        # two that were just replaced must not at once be replaced again
        self.modes[frozenset((one, other))] = "union" if mode == "replace" else mode
        self.courses.append(Course((one, other), "apart", 0, 1.0))

    def view(self) -> tuple[list[Blob], list[tuple[int, int]]]:
        """The bundles that show in this frame and false ones among them, with the pairs that bridges join."""
        level, rng = self.level, self.rng
        shown: list[Bundle] = []
        for bundle in self.bundles:
            fragile = min(3, max(0.5, level.radius_px / bundle.radius_at(self.frame)))  # small ones are
            fragile *= 1.6 if bundle.core > 0.36 else 1.0  # and so are faint ones
            if self.frame >= bundle.hidden_until and rng.random() < level.flicker * fragile:
                bundle.hidden_until = self.frame + 1 + int(rng.choice(len(GAP_CHANCES), p=GAP_CHANCES))
            if self.frame >= bundle.hidden_until:
                shown.append(bundle)
        shift = level.jitter_px * sqrt(2) * complex_noise(rng, 1)[0]
        if rng.random() < level.jump_chance:
            shift += level.jump_px * np.exp(2j * pi * rng.random())
        noise = {"area_noise": level.area_noise, "outline_noise": level.outline_noise}
        blobs = [bundle.look(self.frame, rng, **noise) for bundle in shown]
        for blob in blobs:
            blob.place += complex(shift)
        number = {bundle: k for k, bundle in enumerate(shown)}
        met = [pair for pair, mode in self.modes.items() if mode == "metaball" and number.keys() >= pair]
        bridged = sorted((min(ends), max(ends)) for ends in ([number[bundle] for bundle in pair] for pair in met))
        return blobs + self._false_blobs(), bridged

    def _false_blobs(self) -> list[Blob]:
        """Small ones, away from the others, each in one frame: what is seen twice in a place is a pore to anybody."""
        rng, smallest = self.rng, sqrt(self.level.min_area_px / pi)
        false = []
        for _ in range(rng.poisson(self.level.false_per_frame)):
            places = self._anywhere(8)
            place = places[np.argmax(self._room(places))]
            waves = max(0.1, self.level.irregularity) * complex_noise(rng, N_WAVES) / np.arange(1, N_WAVES + 1)
            radius, sign = smallest * rng.uniform(1.1, 1.9), int(rng.choice((-1, 1)))
            false.append(Blob(place, radius, waves, sign, core=0.45, strength=900.0, is_true=False))
        return false


def simulate_tracks(
    level: Level, *, seed: int, n_frames: int = 100, shape: tuple[int, int] = (700, 1200)
) -> SimulatedTracks:
    """
    Simulate a series of label images and their true lineage.

    ``level`` says how hard it is to follow, ``seed`` decides everything else. ``n_frames`` counts lost
    frames too, of which the first and the last are never one; ``shape`` is (ny, nx) of a frame, pixels.

    Raises
    ------
    ParameterError
        If the seed is negative, there is no frame, or a side is outside 64 to 4096 pixels.
    """
    if seed < 0 or n_frames < 1:
        raise ParameterError(f"need a seed of at least 0 and at least 1 frame, got seed {seed}, {n_frames} frames")
    observer = Observer(shape, min_area_px=level.min_area_px, corners_touch=level.corners_touch, seed=seed)
    rng = np.random.default_rng(seed)
    lost = np.flatnonzero(rng.random(n_frames) < level.lost_share / 1.25)
    lost = np.append(lost, lost[rng.random(lost.size) < 0.25] + 1)  # one in four takes the next with it
    crowd = Crowd(level, shape, rng)
    for frame in range(n_frames):
        for _ in range(level.steps if frame else 0):
            crowd.step()
        blobs, bridged = crowd.view()
        was_lost = frame in lost and 0 < frame < n_frames - 1
        observer.observe([] if was_lost else blobs, [] if was_lost else bridged)
    return observer.finish()
