"""How far people agree: observed agreement, Cohen's and Fleiss' kappa, Krippendorff's alpha; all nominal."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np

Rater = Hashable
Ratings = Sequence[Mapping[Rater, str]]

_ONE_CATEGORY = "only one choice was ever made, so that none could have differed by chance"
_NOTHING_SHARED = "no event has two or more ratings"


@dataclass(frozen=True)
class Agreement:
    """
    How far raters agree on the items that two or more of them have rated.

    Attributes
    ----------
    n_items : int
        Items with two or more ratings; the others say nothing and are left out.
    raters : tuple
        Who rated at least one of them, in the order in which they come.
    observed : float
        Share of the pairs of ratings of one item that are equal, 0 to 1.
    cohen : dict of (rater, rater) to (int, float)
        Of each two raters the items that both have rated, and Cohen's kappa [1]_.
    fleiss : tuple of (int, float)
        Items used, and Fleiss' kappa [2]_. It needs equally many ratings an item: these
        are the items with the commonest number, of equally common ones the largest.
    alpha : float
        Krippendorff's alpha [3]_, which takes any number of ratings an item.
    reasons : dict of str to str
        Why a figure is NaN, one sentence without full stop: under ``observed``,
        ``fleiss`` and ``alpha``, and for two raters under `pair_name`.

    References
    ----------
    .. [1] Cohen, J. 1960, Educ. Psychol. Meas. 20, 37
    .. [2] Fleiss, J. L. 1971, Psychol. Bull. 76, 378
    .. [3] Krippendorff, K. 2011, Computing Krippendorff's Alpha-Reliability, Univ. of Pennsylvania
    """

    n_items: int
    raters: tuple[Rater, ...]
    observed: float
    cohen: dict[tuple[Rater, Rater], tuple[int, float]]
    fleiss: tuple[int, float]
    alpha: float
    reasons: dict[str, str]


def pair_name(one: Rater, other: Rater) -> str:
    """Under what `Agreement.reasons` tells of these two raters, named in the order of ``cohen``."""
    return f"cohen {one} {other}"


def agreement_of(ratings: Ratings) -> Agreement:
    """How far raters agree; ``ratings`` holds for each item who chose what."""
    shared = [item for item in ratings if len(item) > 1]
    reasons: dict[str, str] = {}
    counts = _counts(shared)
    raters = tuple(dict.fromkeys(rater for item in shared for rater in item))
    if not shared:
        reasons = dict.fromkeys(("observed", "fleiss", "alpha"), _NOTHING_SHARED)
        return Agreement(0, (), nan, {}, (0, nan), nan, reasons)
    return Agreement(
        n_items=len(shared),
        raters=raters,
        observed=_observed(counts),
        cohen=_cohen(shared, raters, reasons),
        fleiss=_fleiss(counts, reasons),
        alpha=_alpha(counts, reasons),
        reasons=reasons,
    )


def confidence(
    ratings: Ratings, *, rng: np.random.Generator, n_resamples: int = 500, level: float = 0.95
) -> tuple[float, float]:
    """
    The interval of alpha over items drawn anew, with replacement.

    Resamples in which only one choice is left have no alpha and are passed over. Both ends
    are NaN where alpha is, with fewer than two items, or when half of the resamples have none.
    """
    counts = _counts([item for item in ratings if len(item) > 1])
    n_items = len(counts)
    if n_items < 2:
        return nan, nan
    # items rated alike are alike, and there are few kinds of them however many items
    kinds, n_of_kind = np.unique(counts, axis=0, return_counts=True)
    drawn = rng.multinomial(n_items, n_of_kind / n_items, size=n_resamples)
    n_ratings = kinds.sum(axis=1)
    unequal = (n_ratings**2 - (kinds**2).sum(axis=1)) / (n_ratings - 1)
    totals = drawn @ kinds
    n_all = totals.sum(axis=1)
    by_chance = n_all**2 - (totals**2).sum(axis=1)
    defined = by_chance > 0
    if 2 * defined.sum() <= n_resamples:
        return nan, nan
    alphas = 1 - (n_all[defined] - 1) * (drawn[defined] @ unequal) / by_chance[defined]
    low, high = np.quantile(alphas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _counts(items: Iterable[Mapping[Rater, str]]) -> np.ndarray:
    """How many made each choice, shape (n_items, n_choices), in the order of the choices' names."""
    items = list(items)
    column = {choice: k for k, choice in enumerate(sorted({choice for item in items for choice in item.values()}))}
    counts = np.zeros((len(items), len(column)), np.int64)
    for row, item in zip(counts, items, strict=True):
        for choice in item.values():
            row[column[choice]] += 1
    return counts


def _observed(counts: np.ndarray) -> float:
    n_ratings = counts.sum(axis=1)
    return float((counts * (counts - 1)).sum() / (n_ratings * (n_ratings - 1)).sum())


def _cohen(
    items: Ratings, raters: tuple[Rater, ...], reasons: dict[str, str]
) -> dict[tuple[Rater, Rater], tuple[int, float]]:
    from statsmodels.stats.inter_rater import cohens_kappa  # slow to import

    place = {rater: k for k, rater in enumerate(raters)}
    chosen: dict[tuple[Rater, Rater], Counter[tuple[str, str]]] = defaultdict(Counter)
    for item in items:
        for one, other in combinations(sorted(item, key=place.__getitem__), 2):
            chosen[one, other][item[one], item[other]] += 1
    kappas: dict[tuple[Rater, Rater], tuple[int, float]] = {}
    for pair in combinations(raters, 2):
        together = chosen[pair]
        choices = sorted({choice for both in together for choice in both})
        kappas[pair] = together.total(), nan
        if not choices:
            reasons[pair_name(*pair)] = "they have rated no event in common"
        elif len(choices) == 1:
            reasons[pair_name(*pair)] = _ONE_CATEGORY
        else:
            table = [[together[one, other] for other in choices] for one in choices]
            kappas[pair] = together.total(), float(cohens_kappa(table, return_results=False))
    return kappas


def _fleiss(counts: np.ndarray, reasons: dict[str, str]) -> tuple[int, float]:
    from statsmodels.stats.inter_rater import fleiss_kappa  # slow to import

    n_ratings = counts.sum(axis=1)
    numbers, n_items = np.unique(n_ratings, return_counts=True)
    commonest = numbers[n_items == n_items.max()].max()
    used = counts[n_ratings == commonest]
    if np.count_nonzero(used.any(axis=0)) < 2:
        reasons["fleiss"] = _ONE_CATEGORY
        return len(used), nan
    return len(used), float(fleiss_kappa(used))


def _alpha(counts: np.ndarray, reasons: dict[str, str]) -> float:
    import krippendorff

    if counts.shape[1] < 2:
        reasons["alpha"] = _ONE_CATEGORY
        return nan
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
