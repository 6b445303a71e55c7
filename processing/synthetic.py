"""
A made-up active region whose answer is known: pores that drift, grow, merge, split, flicker and fade.

The result looks like a SHARP and serves as demonstration, test bed and benchmark. The
truth is read off the sharp, noise-free scene by labelling it, not off the plan.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from processing.errors import FrameError, ParameterError
from processing.fits import segment_file_name
from processing.geometry import CeaGeometry
from processing.limb_darkening import limb_darkening
from processing.synthetic_header import (
    CDELT,
    CRVAL2,
    DAY_S,
    OMEGA_DEG_PER_DAY,
    QUIET_SUN_DN,
    observer_cards,
    quantised,
    region_cards,
    restored,
    write_segment,
)
from processing.synthetic_sun import Backdrop, Bundle, Life, draw_sun, pore_contrast, union_scale
from processing.synthetic_truth import TrueFrame, Truth, observe, read_truth, write_truth
from processing.timekeys import CADENCE_S, parse_t_rec

__all__ = ["Simulation", "SimulationParameters", "Truth", "read_truth", "simulate", "write_simulation"]

EVENT_MARGIN = 3  # frames without an event at either end, and around a lost frame
MAX_STORIES = 60  # drawn before giving up; most seeds need one or two
MAX_CROWDED = 6  # of these may fail for want of room
MAX_PLACES = 400  # tried for one family
CLEARANCE_PX = 14.0  # between outlines of pores that never meet; 7 native pixels
EDGE_PX = 14.0  # between an outline and the edge of the map
APPROACH_PX_PER_FRAME = 1.8  # about 0.45 km/s, of two pores at contact
APART_PX = 19.0  # outlines of two pores long before they merge
FLICKER_CORE = 0.64
WANDER_PX_PER_FRAME = 0.7  # rms along each axis: 0.25 km/s in the plane


@dataclass(frozen=True)
class SimulationParameters:
    """
    What to simulate. ``n_pores`` counts families: a pore alone, or a pair that merges or splits.

    ``harpnum`` 99001 is no real HARP. ``shape`` is (ny, nx) of the native maps. ``lost``
    are the indices of slots without a record; by default the one two thirds through.
    """

    harpnum: int = 99001
    n_frames: int = 48
    shape: tuple[int, int] = (250, 583)
    seed: int = 2026
    start: str = "2013.06.19_00:00:00_TAI"
    n_pores: int = 15
    n_mergers: int = 4
    n_splits: int = 3
    n_flickers: int = 4
    cadence_s: int = CADENCE_S
    lost: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.lost is None:
            object.__setattr__(self, "lost", (2 * self.n_frames // 3,) if self.n_frames >= 24 else ())
        for name in ("harpnum", "n_frames", "cadence_s"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("seed", "n_pores", "n_mergers", "n_splits", "n_flickers"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name} must not be negative, got {getattr(self, name)}")
        if len(self.shape) != 2 or min(self.shape) < 64 or max(self.shape) > 4096:
            raise ParameterError(f"shape must be two sides of 64 to 4096 pixels, not {self.shape}")
        special = self.n_mergers + self.n_splits + self.n_flickers
        if special > self.n_pores:
            raise ParameterError(f"{special} mergers, splits and flickers need as many pores, not {self.n_pores}")
        if any(not 0 < index < self.n_frames - 1 for index in self.lost_frames):
            raise ParameterError(f"lost frames must lie between the first and the last, got {self.lost_frames}")
        if special and not _event_slots(self).size:
            raise ParameterError(f"{self.n_frames} frames are too few for events away from the ends and lost frames")
        try:
            parse_t_rec(self.start)
        except FrameError as problem:
            raise ParameterError(f"start: {problem}") from problem

    @property
    def lost_frames(self) -> tuple[int, ...]:
        """Slots without a record."""
        return self.lost or ()

    @property
    def held_frames(self) -> list[int]:
        """Slots with a record."""
        return [index for index in range(self.n_frames) if index not in self.lost_frames]

    def t_rec_s(self, index: int) -> int:
        """Slot time in TAI seconds since 1993."""
        return parse_t_rec(self.start) + index * self.cadence_s


def _sway(rng: np.random.Generator, t: np.ndarray, rms_slope: float) -> np.ndarray:
    """A smooth random walk: two slow waves with that rms change from frame to frame."""
    periods = rng.uniform(18, 45, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    waves = rms_slope * periods[:, None] / (2 * np.pi) * np.sin(2 * np.pi * t / periods[:, None] + phases[:, None])
    return waves.sum(axis=0)


def _draw_life(rng: np.random.Generator, t: np.ndarray, area_px: float, *, steady: bool) -> Life:
    """A bundle at the origin, its area breathing and slowly growing or decaying."""
    growth = rng.uniform(-0.25, 0.25) * (0.4 if steady else 1)
    breath = 0.05 * np.sin(2 * np.pi * t / rng.uniform(15, 40) + rng.uniform(0, 2 * np.pi))
    area = area_px * (1 + growth * (t / max(t[-1], 1) - 0.5)) * (1 + breath)
    core = np.clip(0.37 - 0.0005 * area_px + 0.03 * rng.standard_normal(), 0.18, 0.37)
    sizes = np.array([0.20, 0.12, 0.08, 0.05]) * rng.uniform(0.5, 1.2, 4)
    drift = rng.normal(0, 0.03, 4)[None, :] * t[:, None]
    phases = rng.uniform(0, 2 * np.pi, 4) + drift
    zero = np.zeros_like(t)
    return Life(zero, zero, area, np.full_like(t, core), np.ones_like(t), sizes, phases)


def _draw_pair(rng: np.random.Generator, t: np.ndarray, kind: str, event: int) -> list[Life]:
    """Two bundles that become one at slot ``event``, or part there."""
    first, second = (
        _draw_life(rng, t, float(np.clip(np.exp(rng.normal(4.4, 0.35)), 55, 150)), steady=True) for _ in range(2)
    )
    r1, r2 = np.sqrt(first.area / np.pi), np.sqrt(second.area / np.pi)
    until = (event - 0.5 - t) * (1 if kind == "merge" else -1)  # positive while apart
    overlap = 0.5 * (r1 + r2)
    outside = APART_PX * np.tanh(APPROACH_PX_PER_FRAME * np.clip(until, 0, None) / APART_PX)
    inside = overlap * np.tanh(APPROACH_PX_PER_FRAME * np.clip(-until, 0, None) / overlap)
    distance = r1 + r2 + outside - inside
    scale = union_scale(distance, r1, r2) ** 2
    axis = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.01) * t
    share = second.area / (first.area + second.area)
    for life, lever in ((first, share), (second, share - 1)):
        life.row, life.col = distance * lever * np.sin(axis), distance * lever * np.cos(axis)
        life.area = life.area * scale
        life.core = np.full_like(t, min(first.core[0], second.core[0]))
    return [first, second]


def _event_slots(parameters: SimulationParameters) -> np.ndarray:
    """Slots in which something may happen."""
    ends_and_lost = np.array([-1, parameters.n_frames, *parameters.lost_frames])
    slots = np.arange(parameters.n_frames)
    return slots[np.abs(slots[:, None] - ends_and_lost).min(axis=1) > EVENT_MARGIN + 2]


def _draw_family(rng: np.random.Generator, t: np.ndarray, kind: str, slot: int) -> list[Life]:
    """The bundles of one kind of story, around the origin; its event, if it has one, falls on ``slot``."""
    if kind in ("merge", "split"):
        return _draw_pair(rng, t, kind, slot)
    area = {"spot": 430.0, "flicker": float(rng.uniform(70, 150))}.get(
        kind, float(np.clip(np.exp(rng.normal(4.4, 0.55)), 42, 240))
    )
    life = _draw_life(rng, t, area, steady=kind == "flicker")
    if kind == "flicker":
        life.core[slot : slot + int(rng.integers(1, 4))] = FLICKER_CORE
    if kind in ("birth", "death"):
        ramp = (t - slot if kind == "birth" else slot - t) / 6 + 0.5
        ramp = np.clip(ramp, 0, 1)
        life.strength = ramp**2 * (3 - 2 * ramp)
        life.area = life.area * np.clip(life.strength, 0.05, 1)
        life.core = 1 - (1 - life.core) * np.clip(1.6 * life.strength, 0, 1)
    if kind == "spot":
        life.penumbra = 0.8
    return [life]


def _rotation_px(rows: np.ndarray, shape: tuple[int, int], cadence_s: int) -> np.ndarray:
    """Drift in doubled pixels a frame by differential rotation, as seen from the patch's grid."""
    lat = np.deg2rad(CRVAL2 + (rows - shape[0] / 2) * CDELT / 2)
    # Snodgrass 1983, ApJ 270, 288: rotation of the magnetic pattern, microradian a second, sidereal.
    rate = 2.902 - 0.464 * np.sin(lat) ** 2 - 0.328 * np.sin(lat) ** 4
    synodic = np.rad2deg(rate * 1e-6) * DAY_S - 0.9856
    return (synodic - OMEGA_DEG_PER_DAY) * cadence_s / DAY_S / (CDELT / 2)


def _kinds(parameters: SimulationParameters) -> list[str]:
    """What kind of story each family has; the largest first, as it is hardest to place."""
    p = parameters
    alone = p.n_pores - p.n_mergers - p.n_splits - p.n_flickers
    others = ["steady", "birth", "death", "steady"] if _event_slots(p).size else ["steady"] * 4
    roomy = min(p.shape) >= 200
    singles = [("spot" if roomy and n == 0 else others[n % 4]) for n in range(alone)]
    return singles[:1] + ["merge"] * p.n_mergers + ["split"] * p.n_splits + ["flicker"] * p.n_flickers + singles[1:]


def _keeps_clear(family: list[Life], placed: list[Life], shape: tuple[int, int]) -> bool:
    """Whether the family never nears the edge of the map or another family."""
    for life in family:
        at_edge = np.stack([life.row, life.col, shape[0] - 1 - life.row, shape[1] - 1 - life.col]) - life.reach
        if np.nanmin(at_edge) < EDGE_PX:
            return False
        for other in placed:
            apart = np.hypot(life.row - other.row, life.col - other.col) - life.reach - other.reach
            if np.nanmin(np.where(np.isnan(apart), np.inf, apart)) < CLEARANCE_PX:
                return False
    return True


def _place(
    rng: np.random.Generator, family: list[Life], kind: str, placed: list[Life], parameters: SimulationParameters
) -> bool:
    """Find the family a path of its own: leading (western) pores negative, trailing ones positive."""
    ny, nx = 2 * parameters.shape[0], 2 * parameters.shape[1]
    t = np.arange(parameters.n_frames, dtype=float)
    own = [(life.row, life.col) for life in family]
    for attempt in range(MAX_PLACES):
        spread = 0.5 + 0.6 * attempt / MAX_PLACES  # first in the heart of the region, then farther out
        side = 1 if kind == "spot" else rng.choice((-1, 1))
        row = ny * (0.53 + 0.42 * spread * rng.uniform(-0.8, 0.8))
        col = nx * (0.47 + side * rng.uniform(0.03, 0.45) * spread)
        if kind == "spot":
            row, col = ny * (0.55 + 0.05 * rng.uniform(-1, 1)), nx * (0.63 + 0.03 * rng.uniform(-1, 1))
        rows = row + _sway(rng, t, WANDER_PX_PER_FRAME)
        # Emerging polarities part: about 0.2 degrees a day each.
        parting = side * 0.2 * parameters.cadence_s / DAY_S / (CDELT / 2)
        per_frame = _rotation_px(rows, (ny, nx), parameters.cadence_s) + parting
        cols = col + np.cumsum(per_frame) - per_frame[0] + _sway(rng, t, WANDER_PX_PER_FRAME)
        for life, (own_row, own_col) in zip(family, own, strict=True):
            life.row, life.col, life.polarity = own_row + rows, own_col + cols, -int(side)
        if _keeps_clear(family, placed, (ny, nx)):
            return True
    return False


def _draw_lives(rng: np.random.Generator, parameters: SimulationParameters) -> list[Life] | None:
    """All bundles, each family clear of the others; None when one found no place."""
    t = np.arange(parameters.n_frames, dtype=float)
    slots = _event_slots(parameters)
    placed: list[Life] = []
    kinds = _kinds(parameters)
    for kind, part in zip(kinds, rng.permutation(len(kinds)), strict=True):
        # Each family has its own part of the series for its event, so that they are spread evenly.
        at = int((part + rng.uniform()) / len(kinds) * len(slots))
        family = _draw_family(rng, t, kind, int(slots[at]) if len(slots) else 0)
        if not _place(rng, family, kind, placed, parameters):
            return None
        placed += family
    return placed


def _is_as_asked(truth: Truth, parameters: SimulationParameters) -> bool:
    """Whether exactly the wanted events happen, none near the ends, a lost frame or another of its pore."""
    kinds = _kinds(parameters)
    wanted = {"merge": "merge", "split": "split", "gap": "flicker", "appear": "birth", "disappear": "death"}
    if any(len(truth.events_of(event)) != kinds.count(kind) for event, kind in wanted.items()):
        return False
    for event in truth.events:
        if not EVENT_MARGIN < event.frame < parameters.n_frames - 1 - EVENT_MARGIN:
            return False
        around = range(event.last_frame - EVENT_MARGIN + 1, event.frame + EVENT_MARGIN)
        if any(lost in around for lost in parameters.lost_frames):
            return False
    return True


# ---- The simulation ---------------------------------------------------------------------


@dataclass(frozen=True)
class SimulatedFrame:
    """One record: ``maps`` by segment as a reader gets them (continuum in DN/s, fields in gauss) and shared cards."""

    index: int
    t_rec_s: int
    maps: dict[str, np.ndarray]
    cards: dict[str, Any]


class Simulation:
    """A story and its truth; frames are drawn when they are asked for, in any order."""

    def __init__(self, parameters: SimulationParameters, lives: list[Life], truth: Truth) -> None:
        """Keep the story and draw what lasts."""
        self.parameters, self.lives, self.truth = parameters, lives, truth
        self._backdrop = Backdrop(parameters.seed, parameters.shape)

    def __len__(self) -> int:
        return len(self.parameters.held_frames)

    def __iter__(self) -> Iterator[SimulatedFrame]:
        return (self.frame(index) for index in self.parameters.held_frames)

    def bundles(self, index: int) -> list[Bundle]:
        """What emerges through the surface in one slot."""
        return [bundle for life in self.lives if (bundle := life.at(index))]

    def scene(self, index: int) -> np.ndarray:
        """The sharp, noise-free contrast of the pores on the doubled grid, of which the truth is read."""
        return pore_contrast(self.bundles(index), (2 * self.parameters.shape[0], 2 * self.parameters.shape[1]))

    def frame(self, index: int) -> SimulatedFrame:
        """Draw one record."""
        p = self.parameters
        t_rec_s = p.t_rec_s(index)
        cards = observer_cards(
            p.harpnum,
            t_rec_s,
            start_s=p.t_rec_s(0),
            end_s=p.t_rec_s(p.n_frames - 1),
            shape=p.shape,
            cadence_s=p.cadence_s,
        )
        geometry = CeaGeometry.from_header(cards)
        maps = draw_sun(self.bundles(index), self._backdrop, np.random.default_rng([p.seed, 3, index]), index)
        maps["continuum"] = QUIET_SUN_DN * limb_darkening(geometry.mu_map(p.shape)) * maps["continuum"]
        maps = {segment: restored(segment, quantised(segment, data)) for segment, data in maps.items()}
        return SimulatedFrame(index, t_rec_s, maps, cards | region_cards(maps, geometry))


def simulate(parameters: SimulationParameters) -> Simulation:
    """
    Make up a story with the wanted events; the same parameters give the same pixels.

    Raises
    ------
    ParameterError
        If the map is too small, or the series too short, for all that is asked.
    """
    crowded = 0
    for attempt in range(MAX_STORIES):
        lives = _draw_lives(np.random.default_rng([parameters.seed, 1, attempt]), parameters)
        if lives is None:
            crowded += 1
            if crowded == MAX_CROWDED:
                break
            continue
        shape = (2 * parameters.shape[0], 2 * parameters.shape[1])
        pores, events = observe(lives, n_frames=parameters.n_frames, shape=shape)
        frames = (TrueFrame(index, parameters.t_rec_s(index), pores[index]) for index in parameters.held_frames)
        truth = Truth(asdict(parameters), tuple(frames), events)
        if _is_as_asked(truth, parameters):
            return Simulation(parameters, lives, truth)
    raise ParameterError(
        f"no room for {parameters.n_pores} pores and their events in {parameters.n_frames} frames of {parameters.shape}"
    )


def write_simulation(
    parameters: SimulationParameters, folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """
    Write the records as FITS files named as JSOC's, and ``truth.json``; returns the folder.

    ``progress`` is called with the number of records written and their total.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    simulation = simulate(parameters)
    for done, frame in enumerate(simulation, start=1):
        for segment, data in frame.maps.items():
            name = segment_file_name(parameters.harpnum, frame.t_rec_s, segment)
            write_segment(folder / name, segment, data, frame.cards)
        if progress:
            progress(done, len(simulation))
    write_truth(folder / "truth.json", simulation.truth)
    return folder
