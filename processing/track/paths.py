"""Whether chosen links already lead from one feature to another."""

from collections.abc import Callable, Mapping, Sequence


def is_joined(
    start: int, goal: int, onward: Mapping[int, Sequence[int]], frame_of: Callable[[int], int], *, directly: bool
) -> bool:
    """
    Whether a path leads from ``start`` to ``goal``.

    ``onward`` maps a feature to those that its links lead to, ``frame_of`` a feature to
    its frame; beyond the goal's nothing is looked at. The link from start to goal itself
    counts only if ``directly``.
    """
    last = frame_of(goal)
    ahead = [later for later in onward.get(start, ()) if directly or later != goal]
    seen: set[int] = set()
    while ahead:
        here = ahead.pop()
        if here == goal:
            return True
        if here not in seen and frame_of(here) < last:
            seen.add(here)
            ahead += onward.get(here, ())
    return False
