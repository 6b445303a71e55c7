"""A whole series to links: the one call that the chain makes."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from scipy.special import logit

from processing.errors import ParameterError
from processing.timekeys import CADENCE_S
from processing.track.candidates import Candidates
from processing.track.judged import Judged
from processing.track.motion import Motion, expected_motion
from processing.track.optimum import EventCosts, choose_links
from processing.track.paths import is_joined
from processing.track.probability import LinkModel, default_model, weigh_candidates
from processing.track.series import DetectedFrame, Link, Linked, Series, gather

# Candidates less likely than this cannot be part of the answer; those above are kept as alternatives.
LEAST_PROBABILITY = 0.01
# Log-odds are cut here, so that no single link outweighs all others.
SUREST = 12.0
# A polarity is believed where the flux over the area is at least this share of the series' median.
WEAK_FIELD = 0.2
OPPOSITE_POLARITY = ("never", "free")


def link_series(
    frames: Iterable[DetectedFrame],
    *,
    pixel_side_mm: float,
    reach_mm: float | None = 1.5,
    max_gap: int = 4,
    link_bias: float = 0.0,
    opposite_polarity: str = "never",
    cadence_s: int | None = None,
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
        Added to the log-odds of every candidate when the links are chosen; the costs and
        probabilities of the links are without it.
    opposite_polarity : {"never", "free"}
        Whether features whose flux differs in sign, and is more than noise, may be linked.
    cadence_s : int, optional
        Seconds from one frame to the next where none is missing; without it as
        `processing.timekeys.usual_step` finds it.
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
        If frames are not in order or differ in shape, or a settled link joins features
        that are not there or not in order.
    ParameterError
        If a number is outside the range in which it has a meaning.
    """
    _check(pixel_side_mm, reach_mm, max_gap, opposite_polarity)
    if cadence_s is not None and cadence_s < 1:
        raise ParameterError(f"the cadence must be at least one second, not {cadence_s:g}")
    series = gather(frames, cadence_s=cadence_s)
    max_steps = max_gap + 1
    judged = Judged.of(series, settled or {})
    motion = judged.mask(expected_motion(series, max_steps=max_steps))
    # the reach is for a step of HMI's records, whatever this series' own is
    part = np.sqrt(series.cadence_s / CADENCE_S)
    reach_px = None if reach_mm is None else reach_mm / pixel_side_mm * part
    allowed = _allowed(series, motion, judged, reach_px, opposite_polarity)
    pairs, probability = weigh_candidates(
        series, motion, model or default_model(), max_steps=max_steps, allowed=allowed, sure=judged.is_link
    )
    likely = probability >= LEAST_PROBABILITY
    pairs, probability = judged.with_missing(series, pairs.kept(likely), probability[likely])
    fixed = np.where(judged.is_link(pairs), 1, -1)
    cost = -np.clip(logit(probability), -SUREST, SUREST)
    chosen = choose_links(pairs, cost - link_bias, n=series.ids.size, fixed=fixed, costs=EventCosts())
    chosen &= ~_bypassed(series, pairs, chosen, chosen & (fixed != 1))
    links = _links(series, motion, pairs, probability, cost, pixel_side_mm)
    return Linked(
        _sorted(link for link, taken in zip(links, chosen, strict=True) if taken),
        _sorted(link for link, taken in zip(links, chosen, strict=True) if not taken),
    )


def _check(pixel_side_mm: float, reach_mm: float | None, max_gap: int, opposite_polarity: str) -> None:
    """Refuse what has no meaning."""
    if not pixel_side_mm > 0:
        raise ParameterError(f"the side of a pixel must be above 0, not {pixel_side_mm:g}")
    if reach_mm is not None and not reach_mm > 0:
        raise ParameterError(f"the reach must be above 0, not {reach_mm:g}")
    if max_gap < 0:
        raise ParameterError(f"the longest gap must not be negative, got {max_gap}")
    if opposite_polarity not in OPPOSITE_POLARITY:
        choices = ", ".join(OPPOSITE_POLARITY)
        raise ParameterError(f"opposite_polarity must be one of {choices}, not {opposite_polarity!r}")


def _allowed(
    series: Series, motion: Motion, judged: Judged, reach_px: float | None, opposite_polarity: str
) -> Callable[[Candidates], np.ndarray]:
    """What people and the user's limits let pass."""
    density = np.abs(series.flux) / series.area
    # the sign of a field that is little more than noise says nothing
    typical = np.nanmedian(density) if np.isfinite(density).any() else np.nan
    polarity = np.where(density >= WEAK_FIELD * typical, np.sign(series.flux), 0)

    def allowed(pairs: Candidates) -> np.ndarray:
        kept = ~judged.is_no_link(pairs)
        if reach_px is not None:
            apart = np.linalg.norm(motion.place[pairs.later] - motion.place[pairs.earlier], axis=1)
            touching = apart <= series.radius[pairs.earlier] + series.radius[pairs.later]
            kept &= (apart <= reach_px * np.sqrt(pairs.steps)) | touching
        if opposite_polarity == "never":
            kept &= polarity[pairs.earlier] * polarity[pairs.later] >= 0
        return kept | judged.is_link(pairs)

    return allowed


def _bypassed(series: Series, pairs: Candidates, chosen: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Which of the ``asked`` links over a gap other chosen links make needless, as they join its ends as well."""
    onward: dict[int, list[int]] = {}
    for earlier, later in zip(pairs.earlier[chosen].tolist(), pairs.later[chosen].tolist(), strict=True):
        onward.setdefault(earlier, []).append(later)
    frame_of = series.frame.tolist().__getitem__
    bypassed = np.zeros(chosen.size, bool)
    for k in np.flatnonzero(asked & (series.frame[pairs.later] - series.frame[pairs.earlier] > 1)):
        bypassed[k] = is_joined(int(pairs.earlier[k]), int(pairs.later[k]), onward, frame_of, directly=False)
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
