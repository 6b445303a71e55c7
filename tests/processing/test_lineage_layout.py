"""Lanes for the tracks of a lineage."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.lineage_layout import CLEAR, Ribbon, lay_out


def taken(ribbon, layout):
    top = layout.lane_of[ribbon.key]
    return set(range(top, top + ribbon.height))


def middle(ribbon, layout):
    return layout.lane_of[ribbon.key] + ribbon.height / 2


def length(ribbons, links, layout):
    of = {ribbon.key: middle(ribbon, layout) for ribbon in ribbons}
    return sum(abs(of[one] - of[other]) for one, other in links)


@st.composite
def graphs(draw):
    n = draw(st.integers(0, 12))
    ribbons = []
    for key in range(1, n + 1):
        first = draw(st.integers(0, 30))
        last = first + draw(st.integers(0, 20))
        ribbons.append(Ribbon(key, first, last, draw(st.integers(1, 3)), draw(st.integers(1, 4))))
    ends = st.integers(1, max(n, 1))
    return ribbons, draw(st.lists(st.tuples(ends, ends), max_size=20))


@given(graphs())
def test_ribbons_seen_at_one_time_never_share_a_lane(graph):
    ribbons, links = graph
    layout = lay_out(ribbons, links)
    assert layout.lane_of.keys() == {ribbon.key for ribbon in ribbons}
    assert layout.n_lanes == max((max(taken(ribbon, layout)) + 1 for ribbon in ribbons), default=0)
    linked = {frozenset(link) for link in links}
    for one, other in combinations(ribbons, 2):
        clear = 0 if one.lineage == other.lineage and {one.key, other.key} in linked else CLEAR
        if one.first <= other.last + clear and other.first <= one.last + clear:
            assert not taken(one, layout) & taken(other, layout)
    assert all(min(taken(ribbon, layout)) >= 0 for ribbon in ribbons)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(graph, random):
    ribbons, links = graph
    shuffled, turned = random.sample(ribbons, len(ribbons)), [(b, a) for a, b in random.sample(links, len(links))]
    assert lay_out(shuffled, turned) == lay_out(ribbons, links)


def test_what_merges_lies_beside_what_comes_of_it():
    ribbons = [Ribbon(1, 0, 9), Ribbon(2, 0, 9), Ribbon(3, 10, 20)]
    layout = lay_out(ribbons, [(1, 3), (2, 3)])
    assert layout.n_lanes == 2
    assert abs(layout.lane_of[1] - layout.lane_of[2]) == 1


def test_a_chain_stays_in_one_lane():
    ribbons = [Ribbon(key, 10 * key, 10 * key + 9) for key in range(6)]
    assert set(lay_out(ribbons, [(key, key + 1) for key in range(5)]).lane_of.values()) == {0}


def test_a_large_pore_that_swallows_small_ones_stays_in_its_lanes():
    trunk = [Ribbon(key, 10 * key, 10 * key + 9, height=3) for key in range(1, 5)]
    small = [Ribbon(10 + key, 10 * key + 2, 10 * key + 9) for key in range(1, 4)]
    links = [(key, key + 1) for key in range(1, 4)] + [(10 + key, key + 1) for key in range(1, 4)]
    layout = lay_out([*trunk, *small], links)
    assert len({layout.lane_of[key] for key in range(1, 5)}) == 1
    assert layout.n_lanes == 4


def test_parts_of_a_split_lie_on_both_sides():
    ribbons = [Ribbon(1, 0, 30, height=2), Ribbon(2, 5, 30), Ribbon(3, 5, 30)]
    layout = lay_out(ribbons, [(1, 2), (1, 3)])
    assert layout.lane_of[2] < layout.lane_of[1] < layout.lane_of[3] or layout.lane_of[3] < layout.lane_of[1]
    assert {abs(middle(ribbon, layout) - middle(ribbons[0], layout)) for ribbon in ribbons[1:]} == {1.5}


def test_lineages_that_follow_each_other_use_the_same_lanes():
    ribbons = [Ribbon(1, 0, 9, 1), Ribbon(2, 20, 29, 2), Ribbon(3, 5, 25, 3)]
    layout = lay_out(ribbons, [])
    assert layout.n_lanes == 2
    assert layout.lane_of[1] == layout.lane_of[2] != layout.lane_of[3]


def test_the_largest_lineage_lies_at_the_top():
    ribbons = [Ribbon(1, 0, 50, 1), Ribbon(2, 10, 50, 2), Ribbon(3, 10, 50, 2)]
    layout = lay_out(ribbons, [(2, 3)])
    assert layout.lane_of[1] == 2


def test_links_to_what_is_not_there_are_passed_over():
    assert lay_out([Ribbon(1, 0, 3)], [(1, 7), (7, 8), (1, 1)]).lane_of == {1: 0}
    assert lay_out([], [(1, 2)]).n_lanes == 0


def family(n_tracks, n_frames, rng):
    """Tracks that split off, and merge again, as in a growing region."""
    ribbons, links = [], []
    for key in range(1, n_tracks + 1):
        first = int(rng.integers(0, n_frames - 10))
        ribbons.append(Ribbon(key, first, min(first + int(rng.integers(5, 300)), n_frames - 1), 1 + key % 40))
    by_lineage = {}
    for ribbon in ribbons:
        by_lineage.setdefault(ribbon.lineage, []).append(ribbon)
    for members in by_lineage.values():
        for ribbon, other in zip(members[1:], members, strict=False):
            links.append((ribbon.key, other.key))
        extra = rng.choice([ribbon.key for ribbon in members], (len(members) // 3, 2))
        links += [(int(one), int(other)) for one, other in extra]
    return ribbons, links


def test_linked_tracks_lie_nearer_than_in_order_of_their_numbers():
    ribbons, links = family(120, 600, np.random.default_rng(3))
    layout = lay_out(ribbons, links)
    by_number = [ribbon.key for ribbon in ribbons]
    naive = lay_out([Ribbon(r.key, r.first, r.last, r.key, r.height) for r in ribbons], [])
    assert sorted(layout.lane_of) == by_number
    assert length(ribbons, links, layout) < 0.5 * length(ribbons, links, naive)


@pytest.mark.parametrize("n_lineages", [40, 1])
def test_500_tracks_over_1200_frames_share_lanes(n_lineages):
    ribbons, links = family(500, 1200, np.random.default_rng(1))
    ribbons = [Ribbon(r.key, r.first, r.last, r.lineage % n_lineages, 1 + r.key % 3) for r in ribbons]
    layout = lay_out(ribbons, links)
    assert layout.n_lanes < 500
