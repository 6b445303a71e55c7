"""How hard a simulated series is to follow: named levels, and random ones to learn from."""

from dataclasses import dataclass, field, fields
from math import exp, inf, log
from typing import Any

import numpy as np

from processing.errors import ParameterError

MODES = ("union", "metaball", "replace")


def _knob(default: float, low: float, high: float, *, drawn: tuple[float, float], often_none: bool = False) -> Any:
    """A field of `Level`: its range, where `random_level` draws it, and whether it is 0 there in one of four."""
    return field(default=default, metadata={"range": (low, high), "drawn": drawn, "often_none": often_none})


@dataclass(frozen=True)
class Level:
    """
    How hard a series is. Lengths in pixels, times in frames, ``_share`` a fraction from 0 to 1.

    ``n_pores`` are the bundles alive in a frame; in the hard levels a fifth is not seen as a pore of its own.
    ``radius_px`` is the median, ``radius_spread`` the rms of its logarithm; ``tiny_share`` of the bundles are near
    the smallest area that is detected, ``min_area_px``. ``step_px`` is the rms displacement in a frame,
    ``walk_share`` of its square is a random walk and the rest a flow of each bundle's own. ``flow_px`` is the peak
    speed towards sinks and away from sources, ``shear_px`` that at the upper and lower edge. ``jitter_px`` shifts
    whole frames (rms along each axis), a jump of ``jump_px`` adds to it. ``flicker`` is the chance that a bundle of
    median radius starts to hide in a frame. ``breathing`` is the slow, ``area_noise`` the frame-to-frame rms of the
    logarithm of the area; ``irregularity`` the rms of the outline over the radius, ``outline_noise`` that which
    changes from frame to frame. ``meet_rate`` and ``split_rate`` are chances of each bundle in a frame; ``modes``
    are the weights of union, metaball and replace. ``steps`` are what happens between one frame and the next, so that
    a low cadence shows several mergers at once. ``polarity_mixing`` is 0 for polarities on two sides, 1 for all
    mixed; ``clustering`` the share of births near a few places. ``corners_touch`` makes labels 8-connected.

    Raises
    ------
    ParameterError
        If a knob is outside the range in which it has a meaning.
    """

    n_pores: int = _knob(54, 1, 2000, drawn=(15, 150))
    radius_px: float = _knob(7, 2, 40, drawn=(3.5, 12))
    radius_spread: float = _knob(0.3, 0, 1, drawn=(0.05, 0.6))
    tiny_share: float = _knob(0.05, 0, 1, drawn=(0.01, 0.3), often_none=True)
    min_area_px: int = _knob(16, 1, 200, drawn=(8, 24))
    step_px: float = _knob(2, 0, 50, drawn=(0.1, 10))
    walk_share: float = _knob(0.4, 0, 1, drawn=(0, 1))
    flow_px: float = _knob(0.3, 0, 10, drawn=(0.1, 2), often_none=True)
    shear_px: float = _knob(0.2, 0, 10, drawn=(0.1, 2), often_none=True)
    jitter_px: float = _knob(0.7, 0, 20, drawn=(0.2, 4), often_none=True)
    jump_chance: float = _knob(0, 0, 0.2, drawn=(0.002, 0.03), often_none=True)
    jump_px: float = _knob(12, 0, 60, drawn=(5, 25))
    flicker: float = _knob(0.01, 0, 0.3, drawn=(0.003, 0.06), often_none=True)
    breathing: float = _knob(0.1, 0, 0.6, drawn=(0.05, 0.3), often_none=True)
    area_noise: float = _knob(0.06, 0, 0.6, drawn=(0.02, 0.3), often_none=True)
    irregularity: float = _knob(0.08, 0, 0.5, drawn=(0.02, 0.25), often_none=True)
    outline_noise: float = _knob(0.03, 0, 0.3, drawn=(0.01, 0.1), often_none=True)
    lost_share: float = _knob(0, 0, 0.3, drawn=(0.005, 0.06), often_none=True)
    false_per_frame: float = _knob(0.3, 0, 50, drawn=(0.1, 5), often_none=True)
    lifetime: float = _knob(120, 2, 1e6, drawn=(20, 400))
    sudden_share: float = _knob(0.3, 0, 1, drawn=(0, 1))
    meet_rate: float = _knob(0.035, 0, 0.5, drawn=(0.004, 0.06))
    split_rate: float = _knob(0.022, 0, 0.5, drawn=(0.004, 0.05))
    approach_px: float = _knob(3, 0.2, 20, drawn=(1.5, 8))
    polarity_mixing: float = _knob(0.5, 0, 1, drawn=(0, 1))
    clustering: float = _knob(0.3, 0, 1, drawn=(0, 0.8))
    modes: tuple[float, float, float] = (0.3, 0.3, 0.4)
    steps: int = 1
    corners_touch: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for knob in fields(self):
            low, high = knob.metadata.get("range", (0, 1))
            if knob.name == "steps":
                low, high = 1, 10
            if knob.name != "modes" and not low <= getattr(self, knob.name) <= high:  # NaN compares as False
                raise ParameterError(f"{knob.name} must be from {low:g} to {high:g}, not {getattr(self, knob.name)}")
        if len(self.modes) != len(MODES) or min(self.modes) < 0 or not 0 < sum(self.modes) < inf:
            raise ParameterError(f"modes must be three weights, none negative and not all zero, not {self.modes}")


LEVELS = {
    "easy": Level(
        n_pores=25, tiny_share=0, step_px=1, flow_px=0, jitter_px=0, flicker=0.004, area_noise=0.03,
        false_per_frame=0, meet_rate=0.012, split_rate=0.01, approach_px=2,
    ),
    "medium": Level(),
    "hard": Level(
        n_pores=130, radius_px=6, radius_spread=0.4, tiny_share=0.1, step_px=4, walk_share=0.5, flow_px=0.6,
        shear_px=0.5, jitter_px=2, jump_chance=0.01, flicker=0.03, breathing=0.2, area_noise=0.18,
        irregularity=0.14, outline_noise=0.06, lost_share=0.01, lifetime=70, false_per_frame=2, clustering=0.7,
        meet_rate=0.065, split_rate=0.032, approach_px=5, polarity_mixing=0.7,
    ),
    "fast": Level(
        n_pores=96, radius_px=6, radius_spread=0.35, step_px=7.8, walk_share=0.5, flow_px=1, shear_px=1,
        approach_px=6, jitter_px=2.5, jump_chance=0.01, flicker=0.03, breathing=0.15, area_noise=0.12, irregularity=0.1,
        outline_noise=0.04, lost_share=0.03, lifetime=70, false_per_frame=2, meet_rate=0.035, split_rate=0.025,
    ),
}  # fmt: skip


def random_level(rng: np.random.Generator) -> Level:
    """A level with every knob drawn wide, from easier than "easy" to harder than "hard" and "fast"."""
    drawn: dict[str, Any] = {}
    for knob in fields(Level):
        low, high = knob.metadata.get("drawn", (0, 0))
        value = exp(rng.uniform(log(low), log(high))) if low else rng.uniform(low, high)
        drawn[knob.name] = 0.0 if knob.metadata.get("often_none") and rng.random() < 0.25 else value
    drawn |= {name: round(drawn[name]) for name in ("n_pores", "min_area_px")}
    drawn["step_px"] = min(drawn["step_px"], 1.6 * drawn["radius_px"])
    # half of the levels know one way of meeting only, as most simulators do
    drawn["modes"] = tuple(np.eye(3)[rng.integers(3)] if rng.random() < 0.5 else rng.dirichlet(np.ones(3)))
    drawn["steps"] = int(rng.choice([1, 1, 1, 2, 3]))
    drawn["corners_touch"] = bool(rng.random() < 0.5)
    return Level(**drawn)
