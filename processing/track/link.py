"""A whole series to links: the one call that the chain makes."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from processing.errors import FrameError
from processing.track.candidates import Candidates
from processing.track.motion import Motion, expected_motion
from processing.track.optimum import EventCosts, choose_links
from processing.track.probability import LinkModel, default_model, weigh_candidates
from processing.track.series import DetectedFrame, Link, Linked, Series, gather

# Candidates less likely than this cannot be part of the answer; those above are kept as alternatives.
LEAST_PROBABILITY = 0.01
# Log-odds are cut here, so that no single link outweighs all others; that of a settled link.
SUREST = 12.0


def link_series(
    frames: Iterable[DetectedFrame],
    *,
    pixel_side_mm: float,
    reach_mm: float | None = 1.5,
    max_gap: int = 4,
    link_bias: float = 0.0,
    opposite_polarity: str = "never",
    settled: Mapping[tuple[int, int], bool] | None = None,
    model: LinkModel | None = None,
) -> Linked:
    """
    Link the features of frames in order of T_REC.

    Parameters
    ----------
    frames : iterable of `DetectedFrame`
        Sorted by T_REC; read once, one label image at a time.
    pixel_side_mm : float
        Side of a pixel of the label images on the Sun, Mm.
    reach_mm : float or None
        Farthest a pore moves in one step of 720 s once the motion of the whole frame is
        taken out; grows with the root of the steps. Features nearer than the sum of
        their radii may be linked all the same. None: as far as the series itself suggests.
    max_gap : int
        Missing frames over which a pore may be found again.
    link_bias : float
        Added to the log-odds of every candidate.
    opposite_polarity : {"never", "free"}
        Whether features whose flux differs in sign may be linked.
    settled : mapping, optional
        (earlier id, later id) -> whether it is a link, as people have settled it.
    model : `LinkModel`, optional
        Another than the one that comes with the package.

    Returns
    -------
    `Linked`
        The links of least total cost and the likeliest of the others.

    Raises
    ------
    FrameError
        If frames are not in order, or a settled link joins features that are not there
        or not in order.
    """
    series = gather(frames)
    max_steps = max_gap + 1
    motion = expected_motion(series, max_steps=max_steps)
    allowed = _allowed(series, motion, reach_mm and reach_mm / pixel_side_mm, opposite_polarity)
    pairs, probability = weigh_candidates(
        series, motion, model or default_model(), max_steps=max_steps, allowed=allowed
    )
    likely = probability >= LEAST_PROBABILITY
    pairs, probability = pairs.kept(likely), probability[likely]
    fixed = np.full(probability.size, -1)
    if settled:
        pairs, probability, fixed = _with_settled(series, pairs, probability, settled)
    odds = np.clip(np.log(probability / np.maximum(1 - probability, 1e-9)) + link_bias, -SUREST, SUREST)
    chosen = choose_links(pairs, -odds, n=series.ids.size, fixed=fixed, costs=EventCosts())
    chosen &= ~_bypassed(series, pairs, chosen & (fixed != 1), chosen)
    links = _links(series, motion, pairs, probability, -odds, pixel_side_mm)
    return Linked(
        _sorted(link for link, taken in zip(links, chosen, strict=True) if taken),
        _sorted(link for link, taken in zip(links, chosen, strict=True) if not taken),
    )


def _allowed(
    series: Series, motion: Motion, reach_px: float | None, opposite_polarity: str
) -> Callable[[Candidates], np.ndarray]:
    """What the user's limits let pass."""

    def allowed(pairs: Candidates) -> np.ndarray:
        kept = np.ones(pairs.earlier.size, bool)
        if reach_px is not None:
            apart = np.linalg.norm(motion.place[pairs.later] - motion.place[pairs.earlier], axis=1)
            touching = apart <= series.radius[pairs.earlier] + series.radius[pairs.later]
            kept &= (apart <= reach_px * np.sqrt(pairs.steps)) | touching
        if opposite_polarity == "never":
            kept &= ~(series.flux[pairs.earlier] * series.flux[pairs.later] < 0)
        return kept

    return allowed


def _with_settled(
    series: Series, pairs: Candidates, probability: np.ndarray, settled: Mapping[tuple[int, int], bool]
) -> tuple[Candidates, np.ndarray, np.ndarray]:
    """Candidates with the settled ones among them: sure if they are links, gone if they are not."""
    place = {int(number): k for k, number in enumerate(series.ids)}
    known = {(int(i), int(j)): k for k, (i, j) in enumerate(zip(pairs.earlier, pairs.later, strict=True))}
    fixed = np.full(probability.size, -1)
    added: list[tuple[int, int]] = []
    for (earlier, later), is_link in settled.items():
        if earlier not in place or later not in place:
            raise FrameError(f"the settled link {earlier} to {later} joins a feature that is not in the series")
        i, j = place[earlier], place[later]
        if series.frame[i] >= series.frame[j]:
            raise FrameError(f"the settled link {earlier} to {later} does not lead to a later frame")
        if (i, j) in known:
            fixed[known[i, j]] = int(is_link)
        elif is_link:
            added.append((i, j))
    more = np.array(added, np.int64).reshape(-1, 2)
    slot = series.slot[series.frame]
    joined = Candidates(
        np.r_[pairs.earlier, more[:, 0]],
        np.r_[pairs.later, more[:, 1]],
        np.r_[pairs.steps, slot[more[:, 1]] - slot[more[:, 0]]],
        np.r_[pairs.shared, np.zeros(len(more))],
    )
    fixed = np.r_[fixed, np.ones(len(more), int)]
    sure = 1 / (1 + np.exp(-SUREST))
    probability = np.r_[probability, np.zeros(len(more))]
    return joined, np.where(fixed == 1, sure, np.where(fixed == 0, 1 - sure, probability)), fixed


def _bypassed(series: Series, pairs: Candidates, free: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Chosen links over a gap whose ends other chosen links join as well."""
    onward: dict[int, list[int]] = {}
    for k in np.flatnonzero(chosen):
        onward.setdefault(int(pairs.earlier[k]), []).append(int(pairs.later[k]))
    frame_of = series.frame.tolist()
    bypassed = np.zeros(chosen.size, bool)
    for k in np.flatnonzero(free & (series.frame[pairs.later] - series.frame[pairs.earlier] > 1)):
        start, goal = int(pairs.earlier[k]), int(pairs.later[k])
        if len(onward[start]) == 1:
            continue
        reached = [later for later in onward[start] if later != goal]
        while reached and not bypassed[k]:
            here = reached.pop()
            bypassed[k] = here == goal
            reached += [later for later in onward.get(here, ()) if frame_of[later] <= frame_of[goal]]
    return bypassed


def _links(
    series: Series, motion: Motion, pairs: Candidates, probability: np.ndarray, cost: np.ndarray, pixel_side_mm: float
) -> list[Link]:
    """Candidates as links, in the same order."""
    i, j = pairs.earlier, pairs.later
    overlap = np.minimum(pairs.shared / np.minimum(series.area[i], series.area[j]), 1)
    distance = np.linalg.norm(motion.place[j] - motion.place[i], axis=1) * pixel_side_mm
    skipped = series.frame[j] - series.frame[i] - 1
    columns = (series.ids[i], series.ids[j], cost, overlap, distance, skipped, probability)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Link(*row) for row in rows]


def _sorted(links: Iterable[Link]) -> list[Link]:
    return sorted(links, key=lambda link: (link.later, link.earlier))
