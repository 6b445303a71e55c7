"""All numbers of the chain that a user may choose, with their limits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from processing.enhance import DEFAULT_ITERATIONS, METHODS
from processing.errors import ParameterError


@dataclass(frozen=True)
class ChainParameters:
    """
    Parameters of one run; the defaults are those of the design.

    Raises
    ------
    ParameterError
        On construction, if a value is outside its limits.
    """

    enhance: str = "richardson-lucy"
    iterations: int = DEFAULT_ITERATIONS
    threshold: float = 0.5  # of the quiet Sun
    connectivity: int = 4  # 4: sides touch; 8: corners touch too
    min_pixels: int = 20  # of the doubled grid: 0.66 Mm2
    max_gap: int = 4  # frames a pore may be lost for and still be the same
    reach_mm: float = 1.5  # farthest a pore moves in one cadence step: 2 km/s, twice what pores do

    def __post_init__(self) -> None:
        if self.enhance not in METHODS:
            raise ParameterError(f"enhance must be one of {', '.join(METHODS)}, not {self.enhance!r}")
        if self.connectivity not in (4, 8):
            raise ParameterError(f"connectivity must be 4 or 8, not {self.connectivity}")
        _check_range("iterations", self.iterations, 1, 100)
        _check_range("threshold", self.threshold, 0.05, 1.0)
        _check_range("min_pixels", self.min_pixels, 1, 100_000)
        _check_range("max_gap", self.max_gap, 0, 20)
        _check_range("reach_mm", self.reach_mm, 0.1, 50)

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


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} must be {low:g} to {high:g}, not {value:g}")
