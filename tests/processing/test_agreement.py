"""Agreement, against worked examples that were published, and where it is not defined."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.agreement import agreement_of, confidence, pair_name

# Cohen, J. 1968, Psychol. Bull. 70, 213, Table 1: 200 cases, two judges, personality disorder, neurosis, psychosis;
# the paper gives kappa = .492 without weights.
COHEN_1968 = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
# Fleiss, J. L. 1971, Psychol. Bull. 76, 378, Table 1: 30 patients, each by six of the raters, of depression,
# personality disorder, schizophrenia, neurosis, other; the paper gives kappa = .430.
FLEISS_1971 = [
    "00060", "03003", "01401", "00006", "03030", "20400", "00402", "20310", "20040", "00006",
    "10050", "11040", "03300", "10050", "02031", "00501", "30012", "51000", "02040", "10203",
    "00006", "01050", "02013", "20040", "10041", "05010", "40002", "02040", "10500", "00006",
]  # fmt: skip
# Krippendorff, K. 2011, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania, example C: twelve
# units, four observers, some missing; it gives nominal alpha = .743.
KRIPPENDORFF_2011 = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def rated_by_two(table: list[list[int]]) -> list[dict[str, str]]:
    cells = [(row, col) for row in range(len(table)) for col in range(len(table))]
    return [{"A": str(col), "B": str(row)} for row, col in cells for _ in range(table[row][col])]


def rated_by_anybody(rows: list[str]) -> list[dict[int, str]]:
    """Each row a string of how many chose what; the raters are not the same ones from item to item."""
    items = [[str(choice) for choice, n in enumerate(row) for _ in range(int(n))] for row in rows]
    return [{100 * k + rater: choice for rater, choice in enumerate(item)} for k, item in enumerate(items)]


def rated_in_rows(rows: list[str]) -> list[dict[str, str]]:
    """Each row the choices of a rater, a dot where there is none."""
    return [
        {rater: row[k] for rater, row in zip("ABCD", rows, strict=False) if row[k] != "."} for k in range(len(rows[0]))
    ]


def test_cohens_kappa_of_cohens_table():
    agreement = agreement_of(rated_by_two(COHEN_1968))
    n_common, kappa = agreement.cohen["A", "B"]
    assert n_common == agreement.n_items == 200
    assert kappa == pytest.approx(0.492, abs=5e-4)
    assert agreement.observed == pytest.approx(0.70)


def test_fleiss_kappa_of_fleiss_table():
    agreement = agreement_of(rated_by_anybody(FLEISS_1971))
    n_used, kappa = agreement.fleiss
    assert n_used == 30
    assert kappa == pytest.approx(0.430, abs=5e-4)
    assert agreement.observed == pytest.approx(0.556, abs=5e-4)  # P of the paper


def test_krippendorffs_alpha_of_his_example():
    agreement = agreement_of(rated_in_rows(KRIPPENDORFF_2011))
    assert agreement.alpha == pytest.approx(0.743, abs=5e-4)
    assert agreement.n_items == 11  # the last unit has one value, which cannot be paired
    assert agreement.raters == ("A", "B", "D", "C")


def test_fleiss_takes_the_items_with_the_commonest_number_of_ratings():
    three = [{1: "a", 2: "a", 3: "b"}, {1: "b", 2: "b", 3: "b"}]
    two = [{1: "a", 2: "a"}, {1: "b", 2: "b"}, {2: "a", 3: "a"}]
    assert agreement_of([*three, *two]).fleiss == (3, 1.0)
    n_used, kappa = agreement_of([*three, *two[:2]]).fleiss
    assert n_used == 2
    assert kappa < 1


def test_raters_who_never_met():
    ratings = [{"a": "accept", "b": "accept"}, {"a": "reject", "b": "reject"}, {"b": "accept", "c": "reject"}]
    agreement = agreement_of(ratings)
    assert agreement.cohen["a", "b"] == (2, 1.0)
    n_common, kappa = agreement.cohen["a", "c"]
    assert n_common == 0
    assert math.isnan(kappa)
    assert agreement.reasons == {pair_name("a", "c"): "they have rated no event in common"}


def test_it_does_not_matter_who_is_named_first_in_an_item():
    forward = [{"a": "x", "b": "y"}, {"a": "x", "b": "x"}, {"a": "y", "b": "x"}, {"a": "x", "b": "y"}]
    mixed = [dict(reversed(item.items())) if k % 2 else item for k, item in enumerate(forward)]
    assert agreement_of(mixed) == agreement_of(forward)


@pytest.mark.parametrize(
    ("ratings", "n_items", "words"),
    [
        ([], 0, "no event has two"),
        ([{"a": "x"}, {"b": "y"}, {}], 0, "no event has two"),
        ([{"a": "x", "b": "x"}], 1, "only one choice"),
        ([{"a": "x", "b": "x"}, {"a": "y"}], 1, "only one choice"),
    ],
    ids=["nothing", "no two on one", "one choice", "one choice where two met"],
)
def test_what_is_not_defined_is_nan_with_its_reason(ratings, n_items, words):
    agreement = agreement_of(ratings)
    assert agreement.n_items == n_items
    assert math.isnan(agreement.alpha)
    assert math.isnan(agreement.fleiss[1])
    for name in ("alpha", "fleiss"):
        assert words in agreement.reasons[name]
    assert all(math.isnan(kappa) for _, kappa in agreement.cohen.values())
    assert all(map(math.isnan, confidence(ratings, rng=np.random.default_rng(1))))


ITEMS = st.lists(st.dictionaries(st.integers(1, 4), st.sampled_from("abc"), max_size=4), max_size=12)


@given(ITEMS)
def test_a_figure_is_a_number_or_has_its_reason(ratings):
    agreement = agreement_of(ratings)
    figures = {"observed": agreement.observed, "fleiss": agreement.fleiss[1], "alpha": agreement.alpha}
    figures |= {pair_name(*pair): kappa for pair, (_, kappa) in agreement.cohen.items()}
    for name, figure in figures.items():
        assert math.isnan(figure) == (name in agreement.reasons)
        assert math.isnan(figure) or -1 <= figure <= 1
    assert len(agreement.cohen) == math.comb(len(agreement.raters), 2)


@given(ITEMS)
def test_observed_agreement_counts_pairs(ratings):
    pairs = [two for item in ratings for two in combinations(item.values(), 2)]
    agreement = agreement_of(ratings)
    if pairs:
        assert agreement.observed == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))
    else:
        assert math.isnan(agreement.observed)


@given(ITEMS, st.integers(0, 99))
def test_the_interval_is_ordered_or_absent(ratings, seed):
    low, high = confidence(ratings, rng=np.random.default_rng(seed), n_resamples=50)
    assert math.isnan(low) == math.isnan(high)
    assert math.isnan(low) or low <= high <= 1
    assert math.isnan(low) or not math.isnan(agreement_of(ratings).alpha)


def test_the_interval_is_of_alpha():
    """Each resample's alpha is the one that the package gives for the items drawn, here all kinds once."""
    ratings = rated_in_rows(KRIPPENDORFF_2011)

    class Once:
        """Draws every item exactly once."""

        def multinomial(self, n, shares, size):
            return np.tile(np.rint(n * shares).astype(int), (size, 1))

    assert confidence(ratings, rng=Once()) == pytest.approx((agreement_of(ratings).alpha,) * 2)


def test_the_interval_holds_alpha_and_narrows_with_more_items():
    ratings = rated_by_anybody(FLEISS_1971)
    alpha = agreement_of(ratings).alpha
    low, high = confidence(ratings, rng=np.random.default_rng(5))
    assert low < alpha < high
    assert high - low == pytest.approx(0.23, abs=0.05)
    lower, higher = confidence(ratings * 16, rng=np.random.default_rng(5))
    assert higher - lower == pytest.approx((high - low) / 4, rel=0.2)
    assert confidence(ratings, rng=np.random.default_rng(5)) == (low, high)


def test_perfect_agreement_has_an_interval_of_one():
    ratings = [{"a": choice, "b": choice} for choice in "xyxyxyxy"]
    assert confidence(ratings, rng=np.random.default_rng(1)) == (1, 1)
