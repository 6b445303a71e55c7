"""All numbers of the chain that a user may choose, with their limits."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from processing.enhance import DEFAULT_ITERATIONS, DEFAULT_METHOD, METHODS
from processing.errors import ParameterError
from processing.limb_darkening import DEFAULT_LIMB_DARKENING, LIMB_DARKENING
from processing.reduce import DEFAULT_LEVEL, LEVELS
from processing.segment import MIN_PIXELS, SEGMENTATIONS, SPLITS, STARA_DEPTH, THRESHOLD
from processing.track.link import OPPOSITE_POLARITY


@dataclass(frozen=True)
class ChainParameters:
    """
    Parameters of one run; the defaults are those of the design.

    Raises
    ------
    ParameterError
        On construction, if a value is outside its limits.
    """

    limb_darkening: str = DEFAULT_LIMB_DARKENING
    quiet_sun: str = DEFAULT_LEVEL
    enhance: str = DEFAULT_METHOD
    iterations: int = DEFAULT_ITERATIONS
    segmentation: str = "threshold"
    threshold: float = THRESHOLD  # of the quiet Sun
    stara_depth: float = STARA_DEPTH  # below the surroundings, of the quiet Sun
    split: str = "none"
    connectivity: int = 4  # 4: sides touch; 8: corners touch too
    min_pixels: int = MIN_PIXELS  # of the doubled grid: 0.66 Mm2
    umbra_level: float = 0.5  # of the quiet Sun: darker pixels of a feature are umbra
    max_gap: int = 4  # frames a pore may be lost for and still be the same
    reach_mm: float = 1.5  # farthest a pore moves in one cadence step: 2 km/s, twice what pores do
    link_bias: float = 0.0  # log-odds added to every link
    opposite_polarity: str = "never"  # whether pores of opposite polarity are linked

    def __post_init__(self) -> None:
        _check_choice("limb_darkening", self.limb_darkening, LIMB_DARKENING)
        _check_choice("quiet_sun", self.quiet_sun, LEVELS)
        _check_choice("enhance", self.enhance, METHODS)
        _check_choice("segmentation", self.segmentation, SEGMENTATIONS)
        _check_choice("split", self.split, SPLITS)
        if self.connectivity not in (4, 8):
            raise ParameterError(f"connectivity must be 4 or 8, not {self.connectivity}")
        _check_range("iterations", self.iterations, 1, 100)
        _check_range("threshold", self.threshold, 0.05, 1.0)
        _check_range("stara_depth", self.stara_depth, 0.02, 0.9)
        _check_range("umbra_level", self.umbra_level, 0.05, 1.0)
        _check_range("min_pixels", self.min_pixels, 1, 100_000)
        _check_range("max_gap", self.max_gap, 0, 20)
        _check_range("reach_mm", self.reach_mm, 0.1, 50)
        _check_range("link_bias", self.link_bias, -5, 5)
        _check_choice("opposite_polarity", self.opposite_polarity, OPPOSITE_POLARITY)

    @property
    def factor(self) -> int:
        """How many pixels of the working grid make one native pixel side."""
        return 1 if self.enhance == "none" else 2

    def as_dict(self) -> dict[str, Any]:
        """All values by name, for storage and provenance."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ChainParameters":
        """Inverse of `as_dict`; an unknown name is refused, a missing one takes its default."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ParameterError(f"no such parameter: {', '.join(unknown)}")
        return cls(**values)


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ParameterError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} must be {low:g} to {high:g}, not {value:g}")
