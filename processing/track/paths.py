"""Whether links already lead from one feature to another."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Feature = TypeVar("Feature", bound=Hashable)


def is_joined(
    start: Feature,
    goal: Feature,
    onward: Mapping[Feature, Sequence[Feature]],
    frame_of: Callable[[Feature], int],
    *,
    directly: bool,
) -> bool:
    """
    Whether a path leads from ``start`` to ``goal``.

    ``onward`` maps a feature to those that its links lead to, ``frame_of`` a feature to
    its frame; beyond the goal's nothing is looked at. The link from start to goal itself
    counts only if ``directly``.
    """
    last = frame_of(goal)
    ahead = [later for later in onward.get(start, ()) if directly or later != goal]
    seen: set[Feature] = set()
    while ahead:
        here = ahead.pop()
        if here == goal:
            return True
        if here not in seen and frame_of(here) < last:
            seen.add(here)
            ahead += onward.get(here, ())
    return False
