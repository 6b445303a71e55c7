"""The same pores, and the same events, in two runs."""

from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from processing.edits import Correction
from processing.lineage import EventOf
from processing.matching import EventMatch, FeaturesOf, carry_correction, match_events, match_features
from processing.segment import label_pores

T_REC = 1_150_000_000  # seconds
CADENCE = 720


def features(*rows: tuple[int, int, float, float, float]) -> FeaturesOf:
    """Rows of id, frame, row, col, area."""
    columns = [np.array(column) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 5
    return FeaturesOf(*columns)


def shuffled(run: FeaturesOf, order, *, ids=None) -> FeaturesOf:
    columns = (run.ids if ids is None else np.asarray(ids), run.frame, run.row, run.col, run.area_px)
    return FeaturesOf(*(column[order] for column in columns))


@st.composite
def runs(draw: st.DrawFn, *, spacing: float = 0) -> FeaturesOf:
    """Any features of a few frames; with ``spacing`` on a grid so wide, and all of radius 3 or more."""
    place = st.integers(0, 6) if spacing else st.integers(0, 40)
    places = draw(st.lists(st.tuples(st.integers(0, 3), place, place), max_size=25, unique=True))
    scale = spacing or 1
    areas = st.integers(29 if spacing else 1, 400)
    return features(*(
        (number, T_REC + frame * CADENCE, row * scale, col * scale, draw(areas))
        for number, (frame, row, col) in enumerate(places, start=1)
    ))  # fmt: skip


@given(runs())
def test_a_run_matches_itself(run):
    assert match_features(run, run) == {number: number for number in run.ids.tolist()}


@given(runs(), st.randoms(use_true_random=False))
def test_order_and_ids_do_not_matter(run, random):
    n = run.ids.size
    ids = random.sample(range(1000, 2000), n)
    order = random.sample(range(n), n)
    assert match_features(run, shuffled(run, order, ids=ids)) == dict(zip(run.ids.tolist(), ids, strict=True))


@given(runs(spacing=9.0), st.integers(0, 99))
def test_centres_may_move_by_less_than_a_radius(run, seed):
    """Nine pixels apart and moved by up to 2.9, each is still the nearest to itself."""
    rng = np.random.default_rng(seed)
    angle, way = rng.uniform(0, 2 * np.pi, run.ids.size), rng.uniform(0, 2.9, run.ids.size)
    moved = FeaturesOf(run.ids, run.frame, run.row + way * np.sin(angle), run.col + way * np.cos(angle), run.area_px)
    assert match_features(run, moved) == {number: number for number in run.ids.tolist()}


@given(runs(), runs())
def test_a_match_is_one_to_one_mutual_close_and_of_one_frame(a, b):
    same = match_features(a, b)
    assert len(set(same.values())) == len(same)
    assert match_features(b, a) == {other: one for one, other in same.items()}
    at_a, at_b = ({number: k for k, number in enumerate(run.ids.tolist())} for run in (a, b))
    for one, other in same.items():
        i, j = at_a[one], at_b[other]
        distance = np.hypot(a.row[i] - b.row[j], a.col[i] - b.col[j])
        assert a.frame[i] == b.frame[j]
        assert distance < np.sqrt(max(a.area_px[i], b.area_px[j]) / np.pi)
        of_frame = b.frame == b.frame[j]
        assert distance == np.hypot(a.row[i] - b.row[of_frame], a.col[i] - b.col[of_frame]).min()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ((7, T_REC, 10, 14.9, 79), {1: 7}),  # radius 5.01
        ((7, T_REC, 10, 15.1, 79), {}),
        ((7, T_REC, 10, 15.1, 90), {1: 7}),  # radius 5.35
        ((7, T_REC + CADENCE, 10, 10, 79), {}),
    ],
    ids=["within", "beyond", "within the larger one", "another frame"],
)
def test_how_far_is_the_same(other, same):
    assert match_features(features((1, T_REC, 10, 10, 79)), features(other)) == same


def test_each_must_be_the_nearest_to_the_other():
    a = features((1, T_REC, 10, 10, 300), (2, T_REC, 10, 14, 300))
    b = features((11, T_REC, 10, 13, 300))
    assert match_features(a, b) == {2: 11}


def test_of_two_at_one_place_the_likelier_in_area():
    rings = features((1, T_REC, 10, 10, 200), (2, T_REC, 10, 10, 20), (3, T_REC, 10, 10, 80))
    again = features((11, T_REC, 10, 10, 25), (12, T_REC, 10, 10, 75), (13, T_REC, 10, 10, 190))
    assert match_features(rings, again) == {1: 13, 2: 11, 3: 12}


def test_nothing_matches_nothing():
    run, empty = features((1, T_REC, 10, 10, 79)), features()
    assert match_features(run, empty) == match_features(empty, run) == match_features(empty, empty) == {}


def detected(contrast: np.ndarray, *, threshold: float, first: int) -> FeaturesOf:
    labels = label_pores(contrast, threshold=threshold, min_pixels=4)
    numbers = np.arange(1, labels.max() + 1)
    row, col = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).T
    area = np.bincount(labels.ravel())[1:]
    return FeaturesOf(numbers - 1 + first, np.full(numbers.size, T_REC), row, col, area)


def test_another_threshold_finds_the_same_pores_and_more():
    """Three pores, the last too shallow for the low threshold, and two that only the high threshold joins."""
    rows, cols = np.indices((60, 160))
    contrast = np.ones((60, 160))
    for row, col, depth, width in [
        (20, 20, 0.7, 5),
        (40, 50, 0.8, 6),
        (20, 80, 0.45, 5),
        (30, 114, 0.7, 5),
        (30, 128, 0.7, 5),
    ]:
        contrast -= depth * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * width**2))
    low, high = detected(contrast, threshold=0.45, first=1), detected(contrast, threshold=0.8, first=101)
    assert (low.ids.size, high.ids.size) == (4, 4)
    same = match_features(low, high)
    at = {number: (row, col) for run in (low, high) for number, row, col in zip(run.ids, run.row, run.col, strict=True)}
    found = sorted(tuple(np.rint(at[other]).astype(int)) for other in same.values())
    assert found[0] == (20, 20)
    assert (40, 50) in found
    assert (20, 80) not in found
    # of the two halves one may stand for the whole, never both
    assert len(same) <= 3


def test_a_long_series_is_matched_at_once():
    rng = np.random.default_rng(3)
    n = 24_000
    frame = T_REC + CADENCE * np.sort(rng.integers(0, 1200, n))
    run = FeaturesOf(
        np.arange(1, n + 1), frame, rng.uniform(0, 700, n), rng.uniform(0, 1200, n), rng.uniform(20, 400, n)
    )
    order = rng.permutation(n)
    other = shuffled(run, order)
    start = process_time()
    same = match_features(run, other)
    assert process_time() - start < 1
    assert same == {number: number for number in range(1, n + 1)}


# Two runs: feature k of one is feature 100 + k of the other.
SAME = {number: 100 + number for number in range(1, 20)}
MERGE = EventOf("merge", 5, (1, 2, 3), (4,))


def in_b(event: EventOf, **changes) -> EventOf:
    parents, children = (tuple(SAME[feature] for feature in ends) for ends in (event.parents, event.children))
    return EventOf(**{"kind": event.kind, "frame": event.frame, "parents": parents, "children": children} | changes)


def test_an_event_of_the_same_pores_is_the_same():
    match = match_events({1: MERGE}, {8: in_b(MERGE, parents=(103, 101, 102))}, SAME)[1]
    assert (match.key, match.how) == (8, "same")


@pytest.mark.parametrize(
    ("other", "missing", "words"),
    [
        (in_b(MERGE, parents=(101, 102)), {3}, "one parent of 3 is not there"),
        (in_b(MERGE, parents=(101, 102)), set(), "one parent of 3 is no longer part of it"),
        (in_b(MERGE, parents=(101,)), {2, 3}, "2 parents of 3 are not there"),
        (in_b(MERGE, children=(77,)), {4}, "its child is not there, there is one more child"),
        (in_b(MERGE, parents=(101, 102, 103, 70, 71)), set(), "there are 2 more parents"),
        (
            EventOf("split", 5, (101,), (104, 105)), {3},
            "a merge is now a split, one parent of 3 is not there, one parent of 3 is no longer part of it,"
            " there is one more child",
        ),
        (EventOf("split", 5, (104,), (101, 102, 103)), set(), "a merge is now a split"),
        (EventOf("disappear", 5, (101,), ()), set(), None),
    ],
    ids=["lost", "left", "half", "another child", "more", "another kind", "turned round", "less than half"],
)  # fmt: skip
def test_what_has_changed_is_said(other, missing, words):
    same = {one: two for one, two in SAME.items() if one not in missing}
    match = match_events({1: MERGE}, {8: other}, same)[1]
    if words is None:
        assert match == EventMatch(None, "gone", "its pores are there, but no event of half of them")
    else:
        assert match == EventMatch(8, "changed", words)


def test_an_event_whose_pores_are_gone_is_gone():
    same = {1: 101}
    match = match_events({1: MERGE}, {8: in_b(MERGE)}, same)[1]
    assert match == EventMatch(None, "gone", "3 pores of 4 are not there")


def test_the_likest_event_is_chosen():
    others = {
        1: EventOf("gap", 5, (101,), (104,)),
        2: EventOf("split", 5, (101,), (104, 102)),
        3: in_b(MERGE, parents=(101, 102)),
        4: in_b(MERGE, parents=(101, 102, 77)),
    }
    match = match_events({1: MERGE}, others, SAME)[1]
    assert (match.key, match.how) == (3, "changed")
    fewer_of_its_kind = {1: in_b(MERGE, parents=(101, 77)), 2: others[2]}
    assert match_events({1: MERGE}, fewer_of_its_kind, SAME)[1].key == 2


def test_an_event_that_is_there_itself_stands_for_no_other():
    """The gap before a merger has gone, as the pore is found in between: it has not become the merger."""
    gap, merge = EventOf("gap", 4, (1,), (2,)), EventOf("merge", 5, (2, 3), (4,))
    matches = match_events({1: gap, 2: merge}, {8: in_b(merge)}, SAME)
    assert matches[1] == EventMatch(None, "gone", "its pores are there, but no event of half of them")
    assert (matches[2].key, matches[2].how) == (8, "same")


@st.composite
def event_maps(draw: st.DrawFn) -> dict[int, EventOf]:
    told = {}
    for ids in draw(st.lists(st.lists(st.integers(1, 19), unique=True, min_size=2, max_size=5), max_size=8)):
        n_parents = draw(st.integers(1, len(ids) - 1))
        kind = draw(st.sampled_from(["merge", "split", "gap"]))
        told[EventOf(kind, 5, tuple(sorted(ids[:n_parents])), tuple(sorted(ids[n_parents:])))] = None
    return dict(enumerate(told, start=1))


@given(event_maps())
def test_events_of_a_run_match_themselves(events):
    matches = match_events(events, events, {number: number for number in range(1, 20)})
    assert {key: (match.key, match.how) for key, match in matches.items()} == {key: (key, "same") for key in events}


@given(event_maps(), event_maps(), st.sets(st.integers(1, 19)))
def test_every_event_is_same_changed_or_gone(a, b, missing):
    same = {number: number for number in range(1, 20) if number not in missing}
    matches = match_events(a, b, same)
    assert matches.keys() == a.keys()
    for key, match in matches.items():
        mine = {*a[key].parents, *a[key].children}
        assert match.words
        if match.how == "gone":
            assert match.key is None
        else:
            theirs = {*b[match.key].parents, *b[match.key].children}
            assert 2 * len((mine - missing) & theirs) >= len(mine)
            assert (match.how == "same") == (b[match.key] == a[key] and not mine & missing)


def test_a_correction_is_carried_with_all_its_features_or_not_at_all():
    correction = Correction(add=((1, 2),), remove=((3, 4),), spurious=(5,))
    assert carry_correction(correction, SAME) == Correction(((101, 102),), ((103, 104),), (105,))
    for feature in range(1, 6):
        assert carry_correction(correction, {one: two for one, two in SAME.items() if one != feature}) is None
