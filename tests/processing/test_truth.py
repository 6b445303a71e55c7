"""A run against the truth of its simulation, on series small enough to count."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.errors import FrameError
from processing.metrics import Score
from processing.synthetic_truth import TrueEvent, TrueFrame, TruePore, Truth
from processing.truth import Comparison, Detections, calibration, compare, match_pores, true_edges

AREA_PX = 314  # a radius of 10 pixels
Pore = tuple[int, float, float]  # track, row, col


def truth_of(*slots: list[Pore], events: tuple[TrueEvent, ...] = (), lost: tuple[int, ...] = ()) -> Truth:
    """Pores of that area, slot by slot; a row below 0 hides a pore."""
    frames = tuple(
        TrueFrame(
            index,
            720 * index,
            tuple(TruePore(track, abs(row), col, AREA_PX * (row >= 0), 1, row >= 0) for track, row, col in pores),
        )
        for index, pores in enumerate(slots)
        if index not in lost
    )
    return Truth({}, frames, events)


def detected(*slots: list[tuple[float, float]], area_px: float = AREA_PX, lost: tuple[int, ...] = ()) -> Detections:
    """Detections by slot and place, with ids 0, 1, 2 and so on."""
    held = [slot for slot in range(len(slots)) if slot not in lost]
    rows = [(frame, row, col) for frame, slot in enumerate(held) for row, col in slots[slot]]
    frame, row, col = np.array(rows, float).reshape(-1, 3).T
    n = frame.size
    return Detections(720 * np.array(held), frame.astype(int), np.arange(n), row, col, np.full(n, area_px))


def edges_of(truth: Truth, found: Detections, *, max_gap: int = 4) -> list[tuple[int, int]]:
    """True edges as pairs of ids."""
    edges = true_edges(truth, found, match_pores(truth, found)[0], max_gap=max_gap)
    return [(first, second) for _, first, _, second in edges.tolist()]


def compared(truth: Truth, found: Detections, links: list[tuple[int, int]], *, max_gap: int = 4) -> Comparison:
    return compare(truth, found, np.array(links, int).reshape(-1, 2), max_gap=max_gap)


# ---- Which pore a detection is -------------------------------------------------------------


def tracks_of(truth: Truth, found: Detections) -> tuple[list[set[int]], Score]:
    """The true tracks of each detection."""
    members, score = match_pores(truth, found)
    return [{track for track, places in members.items() if k in places} for k in range(found.id.size)], score


@pytest.mark.parametrize(("col", "tracks"), [(50, {1}), (59.9, {1}), (60.1, set()), (40.1, {1})])
def test_a_detection_is_the_pore_within_whose_radius_it_lies(col, tracks):
    found, score = tracks_of(truth_of([(1, 50, 50)]), detected([(50, col)]))
    assert found == [tracks]
    assert score == Score.of_counts(n_true=1, n_found=1, n_right=len(tracks))


def test_the_larger_of_two_radii_counts():
    truth = truth_of([(1, 50, 50)])
    assert tracks_of(truth, detected([(50, 65)], area_px=4 * AREA_PX))[0] == [{1}]
    assert tracks_of(truth, detected([(50, 59)], area_px=20))[0] == [{1}]


def test_two_detections_in_one_pore_are_one_pore_and_one_false_detection():
    found, score = tracks_of(truth_of([(1, 50, 50)]), detected([(50, 55), (50, 48)]))
    assert found == [set(), {1}]  # the nearer
    assert score == Score.of_counts(n_true=1, n_found=2, n_right=1)


def test_near_pores_are_told_apart_by_all_distances_together():
    truth = truth_of([(1, 50, 50), (2, 50, 58)])
    assert tracks_of(truth, detected([(50, 53), (50, 59)]))[0] == [{1}, {2}]
    assert tracks_of(truth, detected([(50, 55), (50, 49)]))[0] == [{2}, {1}]


@pytest.mark.parametrize(("col", "tracks"), [(79, {1, 2}), (81, {1})])
def test_a_pore_left_over_is_in_the_blob_that_it_meets(col, tracks):
    """A blob of radius 20 at 50; the second pore has a radius of 10."""
    found, score = tracks_of(truth_of([(1, 50, 45), (2, 50, col)]), detected([(50, 50)], area_px=4 * AREA_PX))
    assert found == [tracks]
    assert score == Score.of_counts(n_true=2, n_found=1, n_right=1)


def test_a_pore_left_over_is_in_no_false_detection():
    truth = truth_of([(1, 50, 30), (2, 50, 65)])
    assert tracks_of(truth, detected([(50, 30), (50, 80)]))[0] == [{1}, set()]


def test_hidden_pores_are_not_missed():
    found, score = tracks_of(truth_of([(1, -50, 50), (2, 90, 90)]), detected([(50, 50)]))
    assert found == [set()]
    assert score == Score.of_counts(n_true=1, n_found=1, n_right=0)


def test_frames_without_pores_or_detections():
    truth = truth_of([], [(1, 50, 50)], [])
    found, score = tracks_of(truth, detected([], [], [(9, 9)]))
    assert found == [set()]
    assert (score.n_true, score.n_found, score.n_right) == (1, 1, 0)
    assert match_pores(truth, detected([], [], []))[1].precision == 0


def test_a_frame_of_another_simulation_is_refused():
    with pytest.raises(FrameError, match="frame 2 is not in the simulation"):
        match_pores(truth_of([(1, 50, 50)]), detected([(50, 50)], [(50, 50)]))


# ---- True edges ----------------------------------------------------------------------------

ALONE = [(1, 50.0, 50.0)]
HERE = [(50.0, 50.0)]


def test_an_edge_passes_over_what_is_hidden_or_missed():
    truth = truth_of(ALONE, [(1, -50, 50)], ALONE, ALONE, ALONE)
    assert edges_of(truth, detected(HERE, [], HERE, [], HERE)) == [(0, 1), (1, 2)]
    assert edges_of(truth, detected(HERE, HERE, HERE, HERE, HERE)) == [(0, 2), (2, 3), (3, 4)]  # 1 is false


@pytest.mark.parametrize(("max_gap", "n_edges"), [(0, 0), (1, 0), (2, 1)])
def test_a_gap_may_be_too_long_and_lost_frames_count_as_slots(max_gap, n_edges):
    truth = truth_of(ALONE, ALONE, ALONE, ALONE, lost=(1,))
    found = detected(HERE, [], [], HERE, lost=(1,))
    assert len(edges_of(truth, found, max_gap=max_gap)) == n_edges


def test_an_edge_over_a_lost_frame_is_no_gap_edge():
    truth = truth_of(ALONE, ALONE, ALONE, ALONE, lost=(1,))
    comparison = compared(truth, detected(HERE, [], HERE, HERE, lost=(1,)), [(0, 1), (1, 2)])
    assert comparison.scores.edges == Score.of_counts(n_true=2, n_found=2, n_right=2)
    assert comparison.scores.gap_edges.n_true == 0


APART = [(1, 50.0, 30.0), (2, 50.0, 70.0)]
ONE = [(3, 50.0, 50.0)]
MEET = TrueEvent("merge", 2, 1, (1, 2), (3,))
SIDES, MIDDLE = [(50.0, 30.0), (50.0, 70.0)], [(50.0, 50.0)]
MERGER = truth_of(APART, APART, ONE, ONE, events=(MEET,))


def test_a_merger_and_a_split_join_tracks():
    assert edges_of(MERGER, detected(SIDES, SIDES, MIDDLE, MIDDLE)) == [(0, 2), (1, 3), (2, 4), (3, 4), (4, 5)]
    part = TrueEvent("split", 2, 1, (1,), (2, 3))
    truth = truth_of([(1, 50, 50)], [(1, 50, 50)], [(2, 50, 30), (3, 50, 70)], events=(part,))
    assert edges_of(truth, detected(MIDDLE, MIDDLE, SIDES)) == [(0, 1), (1, 2), (1, 3)]


def test_what_was_not_detected_is_passed_over_even_a_whole_track():
    meet, part = TrueEvent("merge", 1, 0, (1, 2), (3,)), TrueEvent("split", 2, 1, (3,), (4, 5))
    truth = truth_of(APART, ONE, [(4, 50, 30), (5, 50, 70)], events=(meet, part))
    assert edges_of(truth, detected(SIDES, [], SIDES)) == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_a_shortcut_beside_a_chain_is_no_edge():
    part = TrueEvent("split", 1, 0, (1,), (2, 3))
    meet = TrueEvent("merge", 2, 1, (2, 3), (4,))
    truth = truth_of([(1, 50, 50)], [(2, 50, 30), (3, 50, 70)], [(4, 50, 50)], events=(part, meet))
    assert edges_of(truth, detected(MIDDLE, SIDES[:1], MIDDLE)) == [(0, 1), (1, 2)]


# ---- Scores and verdicts -------------------------------------------------------------------


def verdicts(comparison: Comparison) -> list[tuple[str, int, tuple[int, ...], tuple[int, ...], str]]:
    return [(b.kind, b.frame, b.parents, b.children, b.verdict) for b in comparison.branchings]


def test_a_perfect_run():
    found = detected(SIDES, SIDES, MIDDLE, MIDDLE)
    comparison = compared(MERGER, found, [(0, 2), (1, 3), (2, 4), (3, 4), (4, 5)])
    assert comparison.scores.edges.f1 == comparison.scores.lnk == comparison.scores.hota == 1
    assert comparison.detections == Score.of_counts(n_true=6, n_found=6, n_right=6)
    assert verdicts(comparison) == [("merge", 2, (2, 3), (4,), "right")]
    assert comparison.edges.tolist() == [[0, 2], [1, 3], [2, 4], [3, 4], [4, 5]]


def test_a_pore_that_was_not_detected_costs_the_detections_only():
    truth = truth_of(APART, APART, APART)
    comparison = compared(truth, detected(SIDES[:1], SIDES[:1], SIDES[:1]), [(0, 1), (1, 2)])
    assert comparison.detections == Score.of_counts(n_true=6, n_found=3, n_right=3)
    assert comparison.scores.edges == Score.of_counts(n_true=2, n_found=2, n_right=2)
    assert comparison.scores.idf1 == 1


def test_a_missed_merger_and_a_split_that_is_none():
    found = detected(SIDES, SIDES, MIDDLE, [(50.0, 50.0), (50.0, 80.0)])
    comparison = compared(MERGER, found, [(0, 2), (1, 3), (2, 4), (4, 5), (4, 6)])
    assert verdicts(comparison) == [("merge", 2, (2, 3), (4,), "missed"), ("split", 3, (4,), (5, 6), "wrong")]
    assert (comparison.scores.merges.n_true, comparison.scores.merges.n_found) == (1, 0)
    assert (comparison.scores.splits.n_found, comparison.scores.splits.n_right) == (1, 0)
    assert comparison.scores.edges == Score.of_counts(n_true=5, n_found=5, n_right=4)


def test_a_merger_that_the_image_shows_a_frame_early_is_true_there():
    """In frame 1 the two are one blob already: it is both of them, and one counts as not detected."""
    found = detected(SIDES, [(50.0, 45.0)], MIDDLE, MIDDLE, area_px=4 * AREA_PX)
    comparison = compared(MERGER, found, [(0, 2), (1, 2), (2, 3), (3, 4)])
    assert verdicts(comparison) == [("merge", 1, (0, 1), (2,), "right")]
    assert comparison.scores.edges == Score.of_counts(n_true=4, n_found=4, n_right=4)
    assert comparison.detections == Score.of_counts(n_true=6, n_found=5, n_right=5)
    late = compared(MERGER, found, [(0, 2), (1, 3), (2, 3), (3, 4)])
    assert verdicts(late) == [("merge", 2, (1, 2), (3,), "near")]
    assert (late.scores.merges.n_right, late.scores.merges_2.n_right) == (0, 1)


def test_a_merger_that_the_image_shows_a_frame_late():
    """In frame 2 two blobs are seen where the pore is one: one of them is false."""
    found = detected(SIDES, SIDES, [(50.0, 44.0), (50.0, 61.0)], MIDDLE)
    comparison = compared(MERGER, found, [(0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6)])
    assert (comparison.scores.merges.n_right, comparison.scores.merges_2.n_right) == (0, 1)
    assert verdicts(comparison) == [("merge", 3, (4, 5), (6,), "near")]


SCENE = truth_of(
    APART, APART, ONE, [(4, 50, 30), (5, 50, 70)], [(4, 50, 30), (5, 50, 70)],
    events=(MEET, TrueEvent("split", 3, 2, (3,), (4, 5))),
)  # fmt: skip
SEEN = detected(SIDES, SIDES, MIDDLE, SIDES, SIDES)
FORWARD = [(a, b) for a in SEEN.id.tolist() for b in SEEN.id.tolist() if 0 < SEEN.frame[b] - SEEN.frame[a] <= 2]


@given(links=st.sets(st.sampled_from(FORWARD), max_size=14))
def test_the_list_has_as_many_of_each_as_the_scores_say(links):
    comparison = compared(SCENE, SEEN, sorted(links))
    n: dict[Any, int] = defaultdict(int)
    for branching in comparison.branchings:
        n[branching.kind, branching.verdict] += 1
    for kind, strict, near in (
        ("merge", comparison.scores.merges, comparison.scores.merges_2),
        ("split", comparison.scores.splits, comparison.scores.splits_2),
    ):
        assert n[kind, "right"] == strict.n_right
        assert n[kind, "right"] + n[kind, "near"] == near.n_right
        assert n[kind, "right"] + n[kind, "near"] + n[kind, "wrong"] == strict.n_found
        assert n[kind, "right"] + n[kind, "near"] + n[kind, "missed"] == strict.n_true


# ---- Calibration ---------------------------------------------------------------------------


def test_calibration_counts_what_is_right_in_each_bin():
    probability = np.array([0.2, 0.5, 0.69, 0.7, 0.9, 1.0, 0.95, np.nan])
    right = np.array([False, True, False, True, True, True, False, True])
    bins = calibration(probability, right)
    assert [(b.low, b.high, b.n, b.n_right) for b in bins] == [
        (0, 0.5, 1, 0), (0.5, 0.7, 2, 1), (0.7, 0.9, 1, 1), (0.9, 1, 3, 2),
    ]  # fmt: skip
    assert bins[1].mean == pytest.approx(0.595)
    assert calibration(np.zeros(0), np.zeros(0, bool))[0].mean is None
