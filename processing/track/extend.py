"""New frames of a live region: only the end of the series is solved again."""

from collections.abc import Mapping, Sequence
from typing import Any

from processing.errors import FrameError
from processing.track.link import link_series
from processing.track.series import DetectedFrame, Link, Linked

# Known frames before the first new one whose links are solved again: a gap of four frames, and as much again
# after it, in which what follows may still change which reading is best.
REOPENED = 10
# Known frames before these that are given along, as rivals for the ends of gaps and to learn the motion from.
CONTEXT = 30


def window_start(n_known: int) -> int:
    """Index of the first known frame that `extend_links` needs."""
    return max(n_known - REOPENED - CONTEXT, 0)


def extend_links(
    known: Linked,
    frames: Sequence[DetectedFrame],
    *,
    n_known: int,
    settled: Mapping[tuple[int, int], bool] | None = None,
    **options: Any,
) -> Linked:
    """
    Go on with the links of a series when frames have come after its end.

    Parameters
    ----------
    known : `Linked`
        The links so far.
    frames : sequence of `DetectedFrame`
        The known frames from `window_start` on, then the new ones.
    n_known : int
        How many of ``frames`` are known already.
    settled : mapping, optional
        (earlier id, later id) -> whether it is a link, as people have settled it.
    **options
        As for `link_series`.

    Returns
    -------
    `Linked`
        Over the whole series. Links that end more than REOPENED frames before the first
        new frame are as they were; the time taken does not grow with the series.

    Raises
    ------
    FrameError
        If there is no new frame, or one that is not later than the known ones.
    """
    if not 0 <= n_known < len(frames):
        raise FrameError(f"{n_known} known frames of {len(frames)} leave no new one")
    first_open = max(n_known - REOPENED, 0)
    closed = {int(number) for frame in frames[:first_open] for number in frame.ids}
    here = {int(number) for frame in frames for number in frame.ids}
    fixed = {
        (link.earlier, link.later): taken
        for links, taken in ((known.links, True), (known.rejected, False))
        for link in links
        if link.later in closed and link.earlier in here
    }
    asked = {pair: taken for pair, taken in (settled or {}).items() if here.issuperset(pair)}
    solved = link_series(frames, settled={**fixed, **asked}, **options)

    def joined(old: list[Link], new: list[Link]) -> list[Link]:
        kept = [link for link in old if link.later in closed or link.later not in here]
        added = [link for link in new if link.later not in closed]
        return sorted(kept + added, key=lambda link: (link.later, link.earlier))

    return Linked(joined(known.links, solved.links), joined(known.rejected, solved.rejected))
