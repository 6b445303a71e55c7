"""Scores of small trackings whose right value is found by counting."""

import logging
from collections.abc import Iterable
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.errors import ParameterError
from processing.metrics import Score, TrackingScores, score_tracking

Detection = tuple[int, int]  # frame, label
Edge = tuple[Detection, Detection]

LAST_FRAME = 4
GRID: list[Detection] = [(frame, label) for frame in range(LAST_FRAME + 1) for label in (1, 2, 3)]
FORWARD: list[Edge] = [(a, b) for a in GRID for b in GRID if 0 < b[0] - a[0] <= 3]
some_edges = st.sets(st.sampled_from(FORWARD), max_size=16)

WHOLE = Score(precision=1, recall=1, f1=1, n_true=0, n_found=0, n_right=0)


def chain(label: int, *frames: int) -> list[Edge]:
    """A pore that has the same label in all of these frames."""
    return [((a, label), (b, label)) for a, b in pairwise(frames)]


def score(
    true: Iterable[Edge], found: Iterable[Edge], *, nodes: Iterable[Detection] = (), false: Iterable[Detection] = ()
) -> TrackingScores:
    """Nodes are all ends of edges but ``false``, and ``nodes``."""
    true, found = list(true), list(found)
    ends = {end for edge in [*true, *found] for end in edge} | set(nodes)
    true_nodes = sorted(ends - set(false))
    return score_tracking(
        np.array(true_nodes, int),
        np.array([(*a, *b) for a, b in true], int),
        np.array([*true_nodes, *false], int),
        np.array([(*a, *b) for a, b in found], int),
    )


def fractions_of(scores: TrackingScores) -> list[float]:
    """Every number from 0 to 1 in it."""
    parts = [scores.edges, scores.gap_edges, scores.merges, scores.splits, scores.merges_2, scores.splits_2]
    return [x for part in parts for x in (part.precision, part.recall, part.f1)] + [
        scores.lnk, scores.hota, scores.idf1
    ]  # fmt: skip


TWO = [*chain(1, 0, 1, 2, 3), *chain(2, 0, 1, 2, 3)]
# Two pores meet in frame 2, where one of them is seen for the last time.
MERGER = [*chain(1, 0, 1, 2, 3, 4), *chain(2, 0, 1), ((1, 2), (2, 1))]
EVERYTHING = [
    *MERGER, *chain(3, 0, 2, 3), ((2, 3), (3, 4)), *chain(5, 1, 2), *chain(6, 1, 2), *chain(7, 1, 2),
    ((2, 5), (3, 6)), ((2, 6), (3, 6)), ((2, 7), (3, 6)),
]  # fmt: skip


def test_a_perfect_tracking_scores_one_everywhere():
    scores = score(EVERYTHING, EVERYTHING, false=[(1, 9), (3, 9)])
    assert (scores.merges.n_true, scores.splits.n_true, scores.gap_edges.n_true) == (2, 1, 1)
    assert (scores.merges.n_right, scores.splits.n_right, scores.gap_edges.n_right) == (2, 1, 1)
    assert fractions_of(scores) == [1] * 21


def test_no_tracking_scores_nothing_and_never_nan():
    scores = score(EVERYTHING, [])
    assert fractions_of(scores)[:19] == [0] * 19
    assert 0 < scores.idf1 < scores.hota < 1  # every detection is a track of its own


def test_nothing_to_find_and_nothing_found_is_right():
    for nodes in ([], [(0, 1), (1, 1)]):
        scores = score([], [], nodes=nodes)
        assert scores.edges == scores.merges == scores.splits_2 == WHOLE
        assert fractions_of(scores) == [1] * 21


def test_edges_where_there_are_none_are_all_wrong():
    scores = score([], chain(1, 0, 1))
    assert scores.edges == Score(precision=0, recall=0, f1=0, n_true=0, n_found=1, n_right=0)
    assert scores.lnk == 0


def test_no_detection_found():
    none = np.zeros((0, 4), int)
    scores = score_tracking(np.array([(0, 1), (1, 1)]), np.array([(0, 1, 1, 1)]), none[:, :2], none)
    assert (scores.edges.f1, scores.lnk, scores.hota, scores.idf1) == (0, 0, 0, 0)


def test_one_missing_edge():
    scores = score(chain(1, 0, 1, 2, 3, 4), [*chain(1, 0, 1, 2), *chain(1, 3, 4)])
    assert scores.edges == Score(precision=1, recall=0.75, f1=pytest.approx(6 / 7), n_true=4, n_found=3, n_right=3)
    assert scores.lnk == pytest.approx(0.75)
    # three of the five detections share 3/5 with their track, two share 2/5
    assert scores.hota == pytest.approx(np.sqrt((3 * 3 / 5 + 2 * 2 / 5) / 5))
    assert scores.idf1 == pytest.approx(2 * 3 / 10)


def test_swapped_identities():
    swapped = [*chain(1, 0, 1), *chain(2, 0, 1), ((1, 1), (2, 2)), ((1, 2), (2, 1)), *chain(1, 2, 3), *chain(2, 2, 3)]
    scores = score(TWO, swapped)
    assert (scores.edges.n_right, scores.edges.n_found) == (4, 6)
    assert scores.hota == pytest.approx(np.sqrt(2 / (4 + 4 - 2)))
    assert scores.idf1 == pytest.approx(0.5)
    assert scores.lnk == pytest.approx(1 - (2 * 1 + 2 * 1.5) / (6 * 1.5))


def test_a_false_detection_costs_once_it_is_linked():
    kept_out = score(chain(1, 0, 1, 2, 3), chain(1, 0, 1, 2, 3), false=[(1, 9)])
    linked = score(chain(1, 0, 1, 2, 3), [*chain(1, 0, 1, 2, 3), ((1, 9), (2, 8))], false=[(1, 9), (2, 8)])
    assert (kept_out.hota, kept_out.idf1) == (1, 1)
    assert linked.edges.precision == pytest.approx(3 / 4)
    assert linked.hota == pytest.approx(np.sqrt(4 / 6))
    assert linked.idf1 == pytest.approx(2 * 4 / (4 + 6))


def test_a_false_merge():
    true = [*chain(1, 0, 1, 2, 3), *chain(2, 0, 1)]
    scores = score(true, [*true, ((1, 2), (2, 1))])
    assert scores.merges == Score(precision=0, recall=0, f1=0, n_true=0, n_found=1, n_right=0)
    assert scores.merges_2 == scores.merges
    assert scores.splits == WHOLE
    assert scores.lnk == pytest.approx(1 - (1 + 1) / (4 * 1.5))  # one edge too many, another of the wrong kind
    assert scores.hota == pytest.approx(np.sqrt((4 * 2 / 4 + 2) / 6))


@pytest.mark.parametrize(("late", "n_right"), [(0, 1), (1, 1), (2, 1), (3, 0)])
@pytest.mark.parametrize("early", [False, True])
def test_a_merge_may_come_up_to_two_frames_late_or_early(late, early, n_right):
    longer = [*MERGER, *chain(1, 4, 5)]
    shifted = [*chain(1, 0, 1, 2, 3, 4, 5), *chain(2, 0, 1), ((1, 2), (2 + late, 1))]
    scores = score(shifted, longer) if early else score(longer, shifted)
    assert scores.merges.n_right == (late == 0)
    assert scores.merges_2.n_right == n_right
    assert scores.merges_2.f1 == n_right
    assert scores.splits_2 == WHOLE


def test_a_merge_with_the_wrong_pore_is_wrong():
    others = [*MERGER, *chain(3, 0, 1)]
    scores = score(others, [*chain(1, 0, 1, 2, 3, 4), *chain(2, 0, 1), *chain(3, 0, 1), ((1, 3), (2, 1))])
    assert (scores.merges.n_right, scores.merges_2.n_right) == (0, 0)


def test_pores_that_split_after_they_merged_count_for_both():
    true = [((0, 1), (1, 1)), ((0, 2), (1, 1)), ((1, 1), (2, 1)), ((1, 1), (2, 2)), ((2, 1), (3, 1)), ((2, 2), (3, 1))]
    scores = score(true, true)
    assert (scores.merges_2.n_right, scores.splits_2.n_right) == (2, 1)


def test_a_merge_of_three_needs_all_of_them():
    three = [((0, label), (1, 1)) for label in (1, 2, 3)]
    assert score(three, three).merges.f1 == 1
    assert score(three, [*three, ((0, 4), (1, 1))]).merges.f1 == 0


def test_a_missed_gap():
    scores = score(chain(1, 0, 1, 3, 4), [*chain(1, 0, 1), *chain(1, 3, 4)])
    assert scores.gap_edges == Score(precision=0, recall=0, f1=0, n_true=1, n_found=0, n_right=0)
    assert (scores.edges.recall, scores.edges.precision) == (pytest.approx(2 / 3), 1)


def test_a_gap_closed_does_not_cut_a_track():
    scores = score(chain(1, 0, 1, 4, 5), chain(1, 0, 1, 4, 5))
    assert (scores.gap_edges.n_right, scores.idf1, scores.hota) == (1, 1, 1)


def test_an_edge_given_twice_counts_once():
    assert score(TWO, [*TWO, *TWO]).edges.n_found == len(TWO)


def test_it_is_quiet(capfd, caplog):
    with caplog.at_level(logging.WARNING):
        score(TWO, TWO)
        score([], TWO)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def backwards(edges: Iterable[Edge]) -> list[Edge]:
    return [((LAST_FRAME - b[0], b[1]), (LAST_FRAME - a[0], a[1])) for a, b in edges]


@given(some_edges, some_edges)
def test_merges_are_splits_backwards_in_time(true, found):
    forward = score(true, found, nodes=GRID)
    reverse = score(backwards(true), backwards(found), nodes=GRID)
    assert (forward.merges, forward.splits) == (reverse.splits, reverse.merges)
    assert (forward.merges_2, forward.splits_2) == (reverse.splits_2, reverse.merges_2)
    assert (forward.edges, forward.gap_edges) == (reverse.edges, reverse.gap_edges)
    assert (forward.lnk, forward.hota, forward.idf1) == pytest.approx((reverse.lnk, reverse.hota, reverse.idf1))


def children(edges: Iterable[Edge]) -> dict[Detection, set[Detection]]:
    return {a: {later for earlier, later in edges if earlier == a} for a, _ in edges}


@given(some_edges, some_edges)
def test_counts_are_those_of_sets(true, found):
    scores = score(true, found, nodes=GRID)
    assert (scores.edges.n_true, scores.edges.n_found, scores.edges.n_right) == (
        len(true), len(found), len(true & found)
    )  # fmt: skip
    split = {node for node, those in children(true).items() if len(those) > 1}
    called = {node for node, those in children(found).items() if len(those) > 1}
    assert (scores.splits.n_true, scores.splits.n_found) == (len(split), len(called))
    both = [len(children(true)[node] & children(found)[node]) for node in split & called]
    same = {node for node in split & called if children(true)[node] == children(found)[node]}
    assert len(same) <= scores.splits.n_right <= sum(shared > 1 for shared in both)
    assert scores.splits.n_right <= scores.splits_2.n_right <= min(len(split), len(called))


@given(some_edges, some_edges)
def test_hota_is_the_cell_metric_on_tracks_that_do_not_branch(true, found):
    from traccuracy import TrackingGraph
    from traccuracy.matchers import Matched
    from traccuracy.metrics import CHOTAMetric

    graphs = []
    for edges in (true, found):
        graph = nx.DiGraph()
        graph.add_nodes_from((number, {"t": frame}) for number, (frame, _) in enumerate(GRID))
        pairs = [(GRID.index(a), GRID.index(b)) for a, b in edges]
        n_out, n_in = (
            np.bincount(np.array(pairs, int).reshape(-1, 2)[:, 0], minlength=len(GRID)),
            np.bincount(np.array(pairs, int).reshape(-1, 2)[:, 1], minlength=len(GRID)),
        )
        graph.add_edges_from((a, b) for a, b in pairs if n_out[a] == n_in[b] == 1)
        graphs.append(TrackingGraph(graph))
    expected = CHOTAMetric().compute(Matched(*graphs, [(k, k) for k in range(len(GRID))], {})).results["CHOTA"]
    assert score(true, found, nodes=GRID).hota == pytest.approx(expected)


def hopeless(**changes: object) -> dict[str, np.ndarray]:
    given_arrays = {
        "nodes": [(0, 1), (1, 1)], "true_edges": [(0, 1, 1, 1)],
        "found_nodes": [(0, 1), (1, 1)], "found_edges": [(0, 1, 1, 1)],
    }  # fmt: skip
    return {name: np.array(changes.get(name, rows)) for name, rows in given_arrays.items()}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"nodes": [0, 1]}, r"true nodes must be whole numbers from 0, shape \(n, 2\), got int64 of shape \(2,\)"),
        ({"found_edges": [(0.5, 1, 1, 1)]}, "found edges must be whole numbers"),
        ({"found_edges": [(-1, 1, 1, 1)]}, "found edges must be whole numbers"),
        ({"true_edges": [(1, 1, 0, 1)]}, "runs from label 1 of frame 1 to label 1 of frame 0, which is not forward"),
        ({"found_edges": [(0, 1, 1, 2)]}, "a found edge runs .* one of them is not among the nodes"),
        ({"nodes": [(0, 1)]}, "a true edge runs .* one of them is not among the nodes"),
    ],
)
def test_bad_input_is_named(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        score_tracking(**hopeless(**changes))
