"""The optimum against every other choice, and the links that people have settled."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.track.candidates import Candidates
from processing.track.optimum import EventCosts, choose_links

N = 6  # features: 0, 1 in the first frame, 2, 3 in the second, 4, 5 in the third
PAIRS = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 4), (2, 5), (3, 4), (3, 5), (0, 4), (1, 5)]
STEPS = [1] * 8 + [2] * 2
ALL = tuple(range(len(PAIRS)))
FREE = EventCosts(0, 0, 0, 0)


def candidates(which: Sequence[int] = ALL) -> Candidates:
    earlier, later = (np.array([PAIRS[k][end] for k in which]) for end in (0, 1))
    return Candidates(earlier, later, np.array([STEPS[k] for k in which]), np.zeros(len(earlier)))


def total(chosen: np.ndarray, cost: np.ndarray, costs: EventCosts) -> float:
    """Cost of one choice, by counting."""
    pairs = candidates()
    n_in = np.bincount(pairs.later[chosen], minlength=N)[sorted(set(pairs.later))]
    n_out = np.bincount(pairs.earlier[chosen], minlength=N)[sorted(set(pairs.earlier))]
    events = costs.appear * (n_in == 0).sum() + costs.merge * np.maximum(n_in - 1, 0).sum()
    events += costs.disappear * (n_out == 0).sum() + costs.split * np.maximum(n_out - 1, 0).sum()
    return float(cost[chosen].sum() + events)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-8, 8), min_size=len(PAIRS), max_size=len(PAIRS)),
    st.tuples(*[st.floats(0, 3)] * 4),
)
def test_nothing_is_cheaper(cost, event_costs):
    costs = EventCosts(*event_costs)
    cost = np.array(cost)
    free = np.full(len(PAIRS), -1)
    chosen = choose_links(candidates(), cost, n=N, fixed=free, costs=costs)
    every = (np.array(choice, bool) for choice in product([False, True], repeat=len(PAIRS)))
    least = min(total(choice, cost, costs) for choice in every)
    assert total(chosen, cost, costs) == pytest.approx(least, abs=1e-6)


def test_what_is_settled_stands_against_the_cost():
    cost = np.array([-5.0, 4, 4, -5, 1, 1, 1, 1, 1, 1])
    fixed = np.full(len(PAIRS), -1)
    fixed[1], fixed[0] = 1, 0
    chosen = choose_links(candidates(), cost, n=N, fixed=fixed, costs=FREE)
    assert chosen.tolist() == [False, True, False, True] + [False] * 6


def test_no_candidates_no_links():
    nothing = choose_links(candidates([]), np.zeros(0), n=N, fixed=np.zeros(0, int), costs=FREE)
    assert nothing.shape == (0,)


def test_dearer_mergers_are_fewer():
    cost = np.array([-2.0, 9, -1, 9, 9, 9, 9, 9, 9, 9])
    free = np.full(len(PAIRS), -1)
    cheap = choose_links(candidates(), cost, n=N, fixed=free, costs=FREE)
    dear = choose_links(candidates(), cost, n=N, fixed=free, costs=EventCosts(0, 0, 1.5, 0))
    assert (cheap.sum(), dear.sum()) == (2, 1)
    assert dear[0]


def test_a_birth_costs_more_than_a_doubtful_link():
    cost = np.full(len(PAIRS), 9.0)
    cost[0] = 0.5  # less likely than not
    free = np.full(len(PAIRS), -1)
    assert not choose_links(candidates(), cost, n=N, fixed=free, costs=FREE).any()
    assert choose_links(candidates(), cost, n=N, fixed=free, costs=EventCosts()).tolist() == [True] + [False] * 9
