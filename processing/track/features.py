"""What speaks for a candidate link, alone and in the company of its rivals; all without a unit."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from processing.track.candidates import Candidates
from processing.track.motion import Motion
from processing.track.series import Series

# What a candidate shows by itself. Distances are in radii of both features or in strays of the series.
ALONE = (
    "distance_in_radii", "distance_in_strays", "distance_without_flow", "distance_as_it_came", "distance_as_it_goes",
    "overlap_earlier", "overlap_later", "growth", "change_of_area", "radius_earlier", "radius_later",
    "stray_in_radii", "steps", "seen_between", "contrast_known", "darkening", "change_of_contrast",
    "same_polarity", "change_of_flux", "unmatched", "crowding_earlier", "crowding_later", "edge_earlier", "edge_later",
    "is_sure_pair", "other_after", "other_before",
)  # fmt: skip
# What its rivals show, each with the probability it had in the round before.
COMPANY = (
    "odds", "rival_out", "rival_in", "shorter_out", "shorter_in", "longer_out", "longer_in", "before", "after",
    "parent_balance", "parent_centre", "parent_flux", "parent_free",
    "child_balance", "child_centre", "child_flux", "child_free",
    "sum_of_parents", "sum_of_children",
)  # fmt: skip
_TINY = 1e-6
_EDGE_RADII = 5.0
LONGEST = 5  # slots: longer gaps are judged like these, as no longer ones were learned from


def features_alone(series: Series, motion: Motion, pairs: Candidates) -> np.ndarray:
    """The values of ALONE for each candidate, shape (n_candidates, len(ALONE)), float32."""
    i, j, steps = pairs.earlier, pairs.later, pairs.steps
    radius, place = series.radius, motion.place
    typical = max(float(np.median(radius)), 1.0)
    both, stray = radius[i] + radius[j], motion.stray[steps]
    expected = place[i] + steps[:, None] * motion.flow[i]
    distance = _length(expected - place[j])
    came = _length(place[i] + steps[:, None] * motion.came[i] - place[j])
    goes = _length(place[j] - steps[:, None] * motion.goes[j] - place[i])
    growth = np.log(series.area[j] / series.area[i])
    darkening, has_contrast = _change(series.intensity[i], series.intensity[j], _depth(series))
    polarity = np.nan_to_num(np.sign(series.flux[i] * series.flux[j]))
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = np.nan_to_num(np.log(np.abs(series.flux[j] / series.flux[i])), posinf=0, neginf=0)
    edge = _edge(series)
    columns = (
        _log(distance / both), _log(distance / stray), _log(_length(place[i] - place[j]) / both),
        _log(np.where(np.isnan(came), distance, came) / stray), _log(np.where(np.isnan(goes), distance, goes) / stray),
        pairs.shared / series.area[i], pairs.shared / series.area[j], growth, np.abs(growth),
        np.log(radius[i] / typical), np.log(radius[j] / typical), np.log(stray / typical),
        np.minimum(steps, LONGEST) - 1.0, np.minimum(_seen_between(series, pairs), LONGEST - 1.0),
        has_contrast, darkening, np.abs(darkening), polarity, np.clip(np.abs(flux), 0, 3),
        np.full(i.size, motion.unmatched), motion.crowding[i], motion.crowding[j], edge[i], edge[j],
        motion.after[i] == j,
        _other_follows(series, motion, i, np.where(motion.after[i] == j, -1, motion.after[i])),
        _other_follows(series, motion, np.where(motion.before[j] == i, -1, motion.before[j]), j),
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def features_in_company(
    series: Series, motion: Motion, pairs: Candidates, probability: np.ndarray, max_steps: int
) -> np.ndarray:
    """
    The values of COMPANY for each candidate, shape (n_candidates, len(COMPANY)), float32.

    ``probability`` is what each candidate had before, shape (n_candidates,).
    """
    i, j, steps = pairs.earlier, pairs.later, pairs.steps
    n = series.ids.size
    out, into = _Best(i, steps, probability, n, max_steps), _Best(j, steps, probability, n, max_steps)
    rival_out, rival_in = out.rival(), into.rival()
    free_out, free_in = out.value_of(rival_out), into.value_of(rival_in)
    expected = motion.place[i] + steps[:, None] * motion.flow[i]
    parent = _meeting(series, i, expected, rival_in, motion.place[j], j)
    child = _meeting(series, j, motion.place[j], rival_out, expected, i)
    # a rival parent that has nowhere else to go speaks for a merger
    parent_free = np.where(rival_in >= 0, free_out[rival_in], 0)
    child_free = np.where(rival_out >= 0, free_in[rival_out], 0)
    key = steps * n
    sums_in = np.bincount(key + j, probability * series.area[i], minlength=(max_steps + 1) * n)[key + j]
    sums_out = np.bincount(key + i, probability * series.area[j], minlength=(max_steps + 1) * n)[key + i]
    columns = (
        _odds(probability), free_out, free_in, out.shorter(), into.shorter(), out.longer(), into.longer(),
        into.overall()[i], out.overall()[j], *parent, parent_free, *child, child_free,
        np.log(sums_in / series.area[j] + 0.05), np.log(sums_out / series.area[i] + 0.05),
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def with_company(
    series: Series, motion: Motion, pairs: Candidates, alone: np.ndarray, probability: np.ndarray, max_steps: int
) -> np.ndarray:
    """What candidates show alone and in company, side by side: what every round but the first looks at."""
    company = features_in_company(series, motion, pairs, probability, max_steps)
    return np.concatenate([alone, company], axis=1)


@dataclass
class _Best:
    """The two likeliest candidates at each end and each step."""

    end: np.ndarray
    steps: np.ndarray
    probability: np.ndarray
    n: int
    max_steps: int

    def __post_init__(self) -> None:
        order = np.lexsort((-self.probability, self.steps, self.end))
        key = (self.end * (self.max_steps + 1) + self.steps)[order]
        first = np.r_[True, key[1:] != key[:-1]] if key.size else np.zeros(0, bool)
        begin = np.flatnonzero(first)
        rank = np.arange(key.size) - np.repeat(begin, np.diff(np.r_[begin, key.size]))
        cells = self.n * (self.max_steps + 1)
        self._best, self._second = np.full(cells, -1), np.full(cells, -1)
        self._best[key[rank == 0]] = order[rank == 0]
        self._second[key[rank == 1]] = order[rank == 1]
        table = np.append(self.probability, 0.0)[self._best]
        self._table = table.reshape(self.n, self.max_steps + 1)

    def rival(self) -> np.ndarray:
        """For each candidate the likeliest other one of the same end and step; -1 if there is none."""
        key = self.end * (self.max_steps + 1) + self.steps
        own = np.arange(self.end.size)
        return np.where(self._best[key] == own, self._second[key], self._best[key])

    def value_of(self, candidate: np.ndarray) -> np.ndarray:
        """Probability of these candidates; 0 for none."""
        return np.append(self.probability, 0.0)[candidate]

    def shorter(self) -> np.ndarray:
        """Probability of the likeliest candidate of the same end over fewer steps."""
        return np.maximum.accumulate(self._table, axis=1)[self.end, self.steps - 1]

    def longer(self) -> np.ndarray:
        """Probability of the likeliest candidate of the same end over more steps."""
        behind = np.maximum.accumulate(self._table[:, ::-1], axis=1)[:, ::-1]
        return np.column_stack([behind, np.zeros(self.n)])[self.end, self.steps + 1]

    def overall(self) -> np.ndarray:
        """Probability of the likeliest candidate of each feature, shape (n,)."""
        return self._table.max(axis=1, initial=0.0)


def _meeting(
    series: Series, own: np.ndarray, place: np.ndarray, rival: np.ndarray, other: np.ndarray, one: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether a candidate's feature and its rival's add up to the ``one``: in area, in centre (``other``), in flux."""
    has = rival >= 0
    mate = np.where(has, rival, 0)
    own_area, mate_area = series.area[own], np.where(has, series.area[own[mate]], 0)
    total = own_area + mate_area
    centre = (own_area[:, None] * place + mate_area[:, None] * place[mate]) / total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = np.log(np.abs((series.flux[own] + np.where(has, series.flux[own[mate]], 0)) / series.flux[one]))
    return (
        np.log(total / series.area[one]),
        _log(_length(centre - other) / series.radius[one]),
        np.where(np.isfinite(flux), np.clip(flux, -3, 3), 0),
    )


def _other_follows(series: Series, motion: Motion, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """How well one feature follows another: 1 if it lies where it is expected, 0 if there is none (-1)."""
    steps = series.slot[series.frame[later]] - series.slot[series.frame[earlier]]
    miss = _length(motion.place[earlier] + steps[:, None] * motion.flow[earlier] - motion.place[later])
    return np.where((earlier >= 0) & (later >= 0), 0.2 + 0.8 * np.exp(-miss / (2 * motion.stray[1])), 0)


def _length(vector: np.ndarray) -> np.ndarray:
    return np.hypot(vector[:, 0], vector[:, 1])


def _log(value: np.ndarray) -> np.ndarray:
    """Logarithm that bends to a floor near zero, where differences mean nothing."""
    return np.log(0.05 + value)


def _odds(probability: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(probability, 1e-4, 1 - 1e-4)))


def _depth(series: Series) -> float:
    """How much darker than the quiet Sun a typical feature is, by which changes of contrast are judged."""
    known = series.intensity[np.isfinite(series.intensity)]
    return max(float(np.ptp(np.percentile(known, [5, 95]))), _TINY) if known.size else 1.0


def _change(before: np.ndarray, after: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    change = (after - before) / unit
    known = np.isfinite(change)
    return np.where(known, np.clip(change, -3, 3), 0), known.astype(float)


def _seen_between(series: Series, pairs: Candidates) -> np.ndarray:
    """Frames between the two that show any feature: in a lost frame nothing could be seen."""
    shows = np.diff(series.starts) > 0
    until = np.concatenate([[0], np.cumsum(shows)])
    return (until[series.frame[pairs.later]] - until[series.frame[pairs.earlier] + 1]).astype(float)


def _edge(series: Series) -> np.ndarray:
    """Distance of each feature's centre to the edge of the image in radii, no more than five."""
    ny, nx = series.shape
    nearest = np.min([series.row, series.col, ny - 1 - series.row, nx - 1 - series.col], axis=0)
    return np.clip(nearest / np.maximum(series.radius, 1), 0, _EDGE_RADII)
