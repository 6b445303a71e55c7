"""Events that are one: a transient fragment, several mergers at once, and what cannot be."""

import math
from dataclasses import replace

import pytest

from processing.edits import Conflict, apply_judgements, join_problem, published_lineage
from processing.lineage import EventOf
from tests.processing.judging import accept, correct, ends, events_of, graph_of, link, reject

# About nothing in these graphs: a judgement of it brings its corrections alone.
ELSEWHERE = EventOf("gap", 9, (), ())

# a pore, 1, parts into 2 and 3; 3 (the larger) and 4 in the next frame; they merge again in 6
PARTED = graph_of(
    {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 4}, (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (6, 7),
    areas={1: 9, 2: 3, 3: 5, 4: 6, 5: 2, 6: 9, 7: 9},
)  # fmt: skip


def test_a_transient_fragment_is_one_track():
    split, merge = events_of(PARTED, n_frames=5)
    judgements = [correct(1, split, merge)]
    assert join_problem([split, merge], PARTED[1]) == ""
    edited = apply_judgements(*PARTED, judgements)
    assert edited.joined == [(split, merge)]
    assert edited.absorbed == {2: 3, 5: 4}
    assert ends(edited.links) == [(1, 3), (3, 4), (4, 6), (6, 7)]
    assert {node.id for node in edited.nodes} == {1, 3, 4, 6, 7}
    assert all((item in PARTED[1]) == ((item.earlier, item.later) != (3, 4)) for item in edited.links)
    published = published_lineage(*PARTED, judgements, n_frames=5)
    assert [track.ids for track in published.lineage.tracks] == [(1, 3, 4, 6, 7)]
    assert published.lineage.events == []
    assert published.track_of == dict.fromkeys(range(1, 8), 1)


def test_a_track_does_not_go_through_a_feature_of_unknown_area():
    nodes, links = PARTED
    nodes = [replace(node, area=math.nan) if node.id in (3, 4) else node for node in nodes]
    assert apply_judgements(nodes, links, [correct(1, *events_of(PARTED, n_frames=5))]).absorbed == {3: 2, 4: 5}


def test_a_link_past_a_transient_fragment_goes():
    nodes, links = PARTED
    graph = (nodes, [*links, link(1, 6, skipped=2)])
    events = [event for event in events_of(graph, n_frames=5) if event.kind in ("split", "merge")]
    assert ends(apply_judgements(*graph, [accept(1, *events)]).links) == [(1, 3), (3, 4), (4, 6), (6, 7)]


def test_two_mergers_in_quick_succession_are_one_of_three():
    graph = graph_of(
        {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 2, 8: 3}, (1, 4), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8), (7, 8)
    )
    first, second = events_of(graph, n_frames=4)
    published = published_lineage(*graph, [accept(1, first, second)], n_frames=4)
    assert published.lineage.events == [EventOf("merge", 3, (1, 2, 7), (8,))]
    assert published.absorbed == {4: 8, 6: 8}
    assert {item.earlier: item.skipped for item in published.links if item.later == 8} == {1: 0, 2: 0, 7: 0}
    assert graph[1][-1] in published.links  # 7 to 8, as the machine has it
    assert published.track_of[4] == published.track_of[6] == published.track_of[8]
    assert published.conflicts == []


def test_two_splits_in_quick_succession_are_one_in_three():
    graph = graph_of({1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}, (1, 2), (1, 3), (2, 4), (3, 5), (3, 6))
    first, second = events_of(graph, n_frames=3)
    published = published_lineage(*graph, [accept(1, first, second)], n_frames=3)
    assert published.lineage.events == [EventOf("split", 1, (1,), (2, 5, 6))]
    assert published.absorbed == {3: 1}


def test_a_flicker_before_a_merger_is_part_of_it():
    graph = graph_of({1: 0, 2: 2, 3: 2, 4: 3}, (1, 2), (2, 4), (3, 4))
    gap, appear, merge = events_of(graph, n_frames=4)
    assert (gap.kind, appear.kind, merge.kind) == ("gap", "appear", "merge")
    published = published_lineage(*graph, [correct(1, merge, gap)], n_frames=4)
    assert published.lineage.events == [appear, EventOf("merge", 3, (1, 3), (4,))]


def test_joins_that_share_an_event_are_one():
    """Three mergers, one after the other; alice joins the first two, bob the last two."""
    graph = graph_of(
        {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3}, (1, 3), (2, 3), (3, 5), (4, 5), (5, 7), (6, 7)
    )  # fmt: skip
    first, second, third = [event for event in events_of(graph, n_frames=4) if event.kind == "merge"]
    edited = apply_judgements(*graph, [accept(1, first, second), accept(2, second, third)])
    assert edited.joined == [(first, second, third)]
    assert ends(edited.links) == [(1, 7), (2, 7), (4, 7), (6, 7)]
    assert edited.absorbed == {3: 7, 5: 7}


def test_a_join_inside_another():
    graph = graph_of(
        {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 4},
        (1, 2), (1, 3), (2, 4), (2, 5), (3, 6), (4, 7), (5, 7), (6, 8), (7, 9), (8, 9),
        areas={2: 5, 3: 4, 4: 3, 5: 1, 6: 2, 7: 2, 8: 4},
    )  # fmt: skip
    outer_split, inner_split, inner_merge, outer_merge = events_of(graph, n_frames=5)
    outer, inner = accept(1, outer_split, outer_merge), accept(2, inner_split, inner_merge)
    for judgements in ([outer, inner], [inner, outer], [outer]):
        edited = apply_judgements(*graph, judgements)
        assert ends(edited.links) == [(1, 2), (2, 4), (4, 8), (8, 9)]
        assert edited.absorbed == {3: 2, 5: 4, 6: 4, 7: 8}
        assert edited.unjoined == {}


def test_a_join_of_two_others_is_one_with_both():
    """Six mergers, one after the other: the first three are one, the last three are one, and so are two of these."""
    frames = {number: (number - 1) // 2 for number in range(1, 14)}
    pairs = [pair for k in range(1, 12, 2) for pair in ((k, k + 2), (k + 1, k + 2))]
    graph = graph_of(frames, *pairs)
    merges = [event for event in events_of(graph, n_frames=7) if event.kind == "merge"]
    judgements = [accept(1, merges[0], merges[2]), accept(2, merges[3], merges[5]), accept(3, merges[1], merges[4])]
    edited = apply_judgements(*graph, judgements)
    assert ends(edited.links) == [(1, 13), (2, 13), (4, 13), (6, 13), (8, 13), (10, 13), (12, 13)]
    assert edited.absorbed == dict.fromkeys((3, 5, 7, 9, 11), 13)


def test_joins_one_after_the_other_stay_two():
    """Four mergers, one after the other: the first two are one, and so are the last two."""
    graph = graph_of(
        {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3, 8: 3, 9: 4},
        (1, 3), (2, 3), (3, 5), (4, 5), (5, 7), (6, 7), (7, 9), (8, 9),
    )  # fmt: skip
    merges = [event for event in events_of(graph, n_frames=5) if event.kind == "merge"]
    edited = apply_judgements(*graph, [accept(1, merges[0], merges[1]), accept(2, merges[2], merges[3])])
    assert edited.joined == [(merges[0], merges[1]), (merges[2], merges[3])]
    assert edited.absorbed == {3: 5, 7: 9}
    assert ends(edited.links) == [(1, 5), (2, 5), (4, 5), (5, 9), (6, 9), (8, 9)]


# 3, of 1 and 2, and 7, of 5 and 6, merge in 8; 8 and 9 merge in 10
TREE = graph_of(
    {1: 0, 2: 0, 3: 1, 5: 0, 6: 0, 7: 1, 8: 2, 9: 2, 10: 3},
    (1, 3), (2, 3), (5, 7), (6, 7), (3, 8), (7, 8), (8, 10), (9, 10)
)  # fmt: skip


@pytest.mark.parametrize("order", [1, -1], ids=["the inner first", "the outer first"])
def test_a_join_that_ends_between_the_events_of_another_is_one_with_it(order):
    left, right, both, last = [event for event in events_of(TREE, n_frames=4) if event.kind == "merge"]
    edited = apply_judgements(*TREE, [accept(1, left, both), accept(2, right, last)][::order])
    assert set(*edited.joined) == {left, right, both, last}
    assert ends(edited.links) == [(1, 10), (2, 10), (5, 10), (6, 10), (9, 10)]
    assert edited.absorbed == {3: 10, 7: 10, 8: 10}


def test_who_carries_may_itself_be_carried():
    """People lead the pore that 1 and 2 become to 9, which lies between the events of another join."""
    graph = graph_of(
        {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 0, 7: 0, 8: 1, 9: 2, 10: 3, 11: 3, 12: 4},
        (1, 3), (2, 3), (3, 5), (4, 5), (6, 8), (7, 8), (8, 9), (9, 10), (10, 12), (11, 12),
    )  # fmt: skip
    one, other, two, last = [event for event in events_of(graph, n_frames=5) if event.kind == "merge"]
    assert (one.children, other.children, two.children, last.children) == ((3,), (8,), (5,), (12,))
    led = correct(3, ELSEWHERE, remove=((3, 5), (4, 5)), add=((3, 9),))
    edited = apply_judgements(*graph, [accept(1, one, two), accept(2, other, last), led])
    assert edited.joined == [(one, two), (other, last)]
    assert ends(edited.links) == [(1, 12), (2, 12), (6, 12), (7, 12), (11, 12)]
    assert edited.absorbed == dict.fromkeys((3, 8, 9, 10), 12)


def test_a_join_between_the_events_of_two_that_are_one_is_one_with_them():
    """
    1 parts; one part flickers, the other parts and merges for itself, loses 12, then both merge.

    The flicker is one with the parting, by one reviewer, and with the merger, by another.
    """
    graph = graph_of(
        {1: 0, 2: 1, 4: 4, 3: 1, 6: 2, 7: 2, 8: 3, 9: 4, 5: 5, 12: 5},
        (1, 2), (1, 3), (2, 4), (4, 5), (3, 6), (3, 7), (6, 8), (7, 8), (8, 9), (9, 5), (9, 12),
    )  # fmt: skip
    kinds = [(event.kind, event) for event in events_of(graph)]
    (parting, fragment, _), (together, merger), (gap,) = (
        [event for kind, event in kinds if kind == wanted] for wanted in ("split", "merge", "gap")
    )
    judgements = [accept(1, parting, gap), accept(2, merger, gap), accept(3, fragment, together)]
    edited = apply_judgements(*graph, judgements)
    assert edited.unjoined == {}
    assert ends(edited.links) == [(1, 5), (1, 12)]
    assert edited.absorbed == dict.fromkeys((2, 3, 4, 6, 7, 8, 9), 1)


def test_joins_that_cannot_be_one_together_are_both_named():
    graph = graph_of({1: 0, 2: 0, 3: 1, 4: 3, 5: 4, 6: 4}, (1, 3), (2, 3), (3, 4), (4, 5), (4, 6))
    merge, gap, split = events_of(graph, n_frames=5)
    assert [event.kind for event in (merge, gap, split)] == ["merge", "gap", "split"]
    edited = apply_judgements(*graph, [accept(1, merge, gap), accept(2, split, gap)])
    words = "one event has a single pore before or after it, and these have 2 before and 2 after"
    assert edited.unjoined == {1: words, 2: words}
    assert (edited.links, edited.absorbed, edited.joined) == (graph[1], {}, [])
    for one in (merge, split):
        assert apply_judgements(*graph, [accept(1, one, gap)]).unjoined == {}
    alone = apply_judgements(*graph, [accept(1, merge, gap), accept(2, merge, split, gap)])
    assert (alone.unjoined, alone.absorbed) == ({2: words}, {3: 4})


def test_joins_that_interlock_are_one():
    """Four mergers, one after the other; the first and third are one, and so are the second and fourth."""
    graph = graph_of(
        {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3, 8: 3, 9: 4},
        (1, 3), (2, 3), (3, 5), (4, 5), (5, 7), (6, 7), (7, 9), (8, 9),
    )  # fmt: skip
    merges = [event for event in events_of(graph, n_frames=5) if event.kind == "merge"]
    edited = apply_judgements(*graph, [accept(1, merges[0], merges[2]), accept(2, merges[1], merges[3])])
    assert ends(edited.links) == [(1, 9), (2, 9), (4, 9), (6, 9), (8, 9)]
    assert edited.absorbed == {3: 9, 5: 9, 7: 9}


def test_a_later_rejection_undoes_a_join():
    split, merge = events_of(PARTED, n_frames=5)
    edited = apply_judgements(*PARTED, [accept(1, split, merge), reject(2, merge)])
    assert edited.absorbed == {}
    assert edited.unjoined == {1: "one of these events was rejected later"}
    assert edited.conflicts == [Conflict((5, 6), earlier=1, later=2)]
    assert (5, 6) not in ends(edited.links)
    joined_after = apply_judgements(*PARTED, [reject(2, merge), accept(1, split, merge)])
    assert joined_after.absorbed == {2: 3, 5: 4}


def test_an_event_accepted_after_its_rejection_is_joined_again():
    split, merge = events_of(PARTED, n_frames=5)
    edited = apply_judgements(*PARTED, [accept(1, split, merge), reject(2, merge), accept(2, merge)])
    assert (edited.absorbed, edited.unjoined) == ({2: 3, 5: 4}, {})


def test_an_event_judged_again_without_a_join_is_not_joined():
    split, merge = events_of(PARTED, n_frames=5)
    edited = apply_judgements(*PARTED, [accept(1, split, merge), accept(1, split)])
    assert (edited.links, edited.joined, edited.unjoined) == (PARTED[1], [], {})


def test_a_join_with_a_correction_has_the_links_of_its_events_and_what_it_corrects():
    split, merge = events_of(PARTED, n_frames=5)
    away = correct(1, split, merge, remove=((3, 5),), add=((2, 5),))
    edited = apply_judgements(*PARTED, [reject(2, merge), away])
    assert edited.conflicts == [Conflict((5, 6), earlier=2, later=1)]
    # 3 ends where it is now, so the pore has parted for good
    assert (ends(edited.links), edited.absorbed) == ([(1, 3), (1, 6), (6, 7)], {2: 1, 4: 1, 5: 1})


def test_what_lies_beside_the_pore_before_is_carried_by_it():
    """Once 3 has lost its parents, the join of the two mergers leaves 5 and 6 alone, with 3 and 4 beside 5."""
    graph = graph_of({1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 3}, (1, 3), (2, 3), (3, 4), (4, 6), (5, 6))
    first, _, second = events_of(graph, n_frames=4)
    edited = apply_judgements(*graph, [accept(1, first, second), correct(2, ELSEWHERE, remove=((1, 3), (2, 3)))])
    assert ends(edited.links) == [(5, 6)]
    assert edited.absorbed == {3: 5, 4: 5}


def test_a_join_that_later_judgements_make_impossible_is_named():
    split, merge = events_of(PARTED, n_frames=5)
    away = correct(2, replace(merge, frame=4), remove=((1, 2), (1, 3)))
    edited = apply_judgements(*PARTED, [accept(1, split, merge), away])
    assert edited.unjoined == {1: "one event has a single pore before or after it, and these have 0 before and 1 after"}
    assert (edited.joined, edited.absorbed) == ([], {})


def test_a_join_never_links_back_in_time():
    """Once 2 has lost 1, what is left of the join has 3 before it and 4, of the same frame, after it."""
    graph = graph_of({1: 0, 2: 2, 3: 3, 4: 3, 5: 4}, (1, 2), (2, 4), (2, 5), (3, 5))
    gap, merge = EventOf("gap", 2, (1,), (2,)), EventOf("merge", 4, (2, 3), (5,))
    assert {gap, merge} <= set(events_of(graph, n_frames=5))
    edited = apply_judgements(*graph, [accept(1, merge, gap), correct(2, ELSEWHERE, remove=((1, 2),))])
    assert edited.unjoined == {1: "the pores after these events are not later than those before"}
    assert ends(edited.links) == [(2, 4), (2, 5), (3, 5)]


CHAINED = graph_of({1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 1, 7: 2, 8: 2}, (1, 3), (2, 3), (3, 4), (3, 5), (6, 7), (6, 8))


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([EventOf("merge", 1, (1, 2), (3,))], "it takes two events"),
        ([EventOf("merge", 1, (1, 2), (3,))] * 2, "it takes two events"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("split", 2, (3,), (4, 5))], "these have 2 before and 2 after"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("split", 2, (6,), (7, 8))], "not connected"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("appear", 1, (), (6,))], "an appearance"),
        ([EventOf("gap", 2, (1,), (3,)), EventOf("gap", 3, (3,), (4,))], "gaps alone"),
    ],
    ids=["one event", "the same twice", "two to two", "apart", "an appearance", "gaps"],
)
def test_what_cannot_be_one_event(events, words):
    assert words in join_problem(events, CHAINED[1])
