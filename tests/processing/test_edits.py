"""Judgements to the published lineage: each choice and each join by example, the rest on any graph."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.edits import (
    Conflict,
    Correction,
    Judgement,
    apply_judgements,
    correction_problem,
    join_problem,
    published_lineage,
)
from processing.errors import ParameterError
from processing.lineage import EventOf, Node, apply_verdicts, build_lineage
from processing.track import Link

N_FRAMES = 6


def link(earlier: int, later: int, *, cost: float = 0.5, skipped: int = 0) -> Link:
    return Link(earlier, later, cost, overlap=0.8, distance_mm=0.3, skipped=skipped, probability=0.9)


def graph_of(frames: dict[int, int], *pairs: tuple[int, int], areas: dict[int, float] | None = None):
    """Nodes of id -> frame, and links between them, the first pair the cheapest."""
    nodes = [Node(number, frame, area=(areas or {}).get(number, 1.0)) for number, frame in frames.items()]
    links = [
        link(one, other, cost=0.1 * k, skipped=frames[other] - frames[one] - 1)
        for k, (one, other) in enumerate(pairs, start=1)
    ]
    return nodes, links


def ends(links) -> list[tuple[int, int]]:
    return sorted((item.earlier, item.later) for item in links)


def events_of(graph, *, n_frames: int = N_FRAMES) -> list[EventOf]:
    return build_lineage(*graph, n_frames=n_frames).events


def accept(key: int, event: EventOf, *joined: EventOf) -> Judgement:
    return Judgement(key, event, "accept", joined=joined)


def reject(key: int, event: EventOf) -> Judgement:
    return Judgement(key, event, "reject")


def correct(key: int, event: EventOf, *joined: EventOf, **changes) -> Judgement:
    return Judgement(key, event, "correct", Correction(**changes), joined)


# 1 and 2 merge in 3, which goes on as 4; 5 goes by, is lost for a frame and found as 6
SCENE = graph_of({1: 0, 2: 0, 3: 1, 4: 2, 5: 0, 6: 2}, (1, 3), (2, 3), (3, 4), (5, 6))
MERGE = EventOf("merge", 1, (1, 2), (3,))
GAP = EventOf("gap", 2, (5,), (6,))


def test_the_scene_is_as_told():
    assert events_of(SCENE, n_frames=3) == [MERGE, GAP]


def test_an_accepted_event_changes_nothing():
    edited = apply_judgements(*SCENE, [accept(1, MERGE), accept(2, GAP)])
    assert (edited.nodes, edited.links, edited.conflicts) == (*SCENE, [])


@pytest.mark.parametrize("event", [MERGE, GAP], ids=["merge", "gap"])
def test_a_rejected_event_is_as_before(event):
    edited = apply_judgements(*SCENE, [reject(1, event)])
    assert edited.links == apply_verdicts(SCENE[1], [event])
    assert edited.nodes == SCENE[0]


def test_an_added_link_is_known_by_people_alone():
    edited = apply_judgements(*SCENE, [correct(1, GAP, remove=((5, 6),), add=((5, 4),))])
    assert ends(edited.links) == [(1, 3), (2, 3), (3, 4), (5, 4)]
    (added,) = [item for item in edited.links if item.earlier == 5]
    assert math.isnan(added.cost)
    assert added.probability is None
    assert added.skipped == 1


def test_adding_a_link_that_the_machine_has_keeps_the_machines():
    assert apply_judgements(*SCENE, [correct(1, MERGE, add=((1, 3),))]).links == SCENE[1]


def test_one_event_can_become_two():
    """Three pores do not meet at once: two do, and the third joins a frame later."""
    graph = graph_of({1: 0, 2: 0, 3: 0, 4: 1, 5: 2}, (1, 4), (2, 4), (3, 4), (4, 5))
    (three,) = events_of(graph, n_frames=3)
    published = published_lineage(*graph, [correct(1, three, remove=((3, 4),), add=((3, 5),))], n_frames=3)
    merges = [event for event in published.lineage.events if event.kind == "merge"]
    assert merges == [EventOf("merge", 1, (1, 2), (4,)), EventOf("merge", 2, (3, 4), (5,))]


def test_a_spurious_feature_goes_with_its_links():
    published = published_lineage(*SCENE, [correct(1, MERGE, spurious=(2,))], n_frames=3)
    assert published.spurious == {2}
    assert 2 not in published.track_of
    assert ends(published.links) == [(1, 3), (3, 4), (5, 6)]
    assert [track.ids for track in published.lineage.tracks] == [(1, 3, 4), (5, 6)]


def test_what_is_said_of_absent_features_or_back_in_time_changes_nothing():
    edited = apply_judgements(*SCENE, [correct(1, GAP, add=((5, 99), (4, 3), (1, 2)), remove=((98, 99),))])
    assert (edited.nodes, edited.links, edited.spurious) == (*SCENE, set())
    assert apply_judgements(*SCENE, [accept(1, EventOf("merge", 1, (97, 98), (99,)))]).links == SCENE[1]


def test_the_later_judgement_of_a_link_holds_and_the_conflict_is_named():
    rejected, accepted = reject(7, MERGE), accept(8, replace(MERGE, kind="split"))
    after = apply_judgements(*SCENE, [rejected, accepted])
    assert (after.links, after.conflicts) == (SCENE[1], [Conflict((2, 3), earlier=7, later=8)])
    before = apply_judgements(*SCENE, [accepted, rejected])
    assert (2, 3) not in ends(before.links)
    assert before.conflicts == [Conflict((2, 3), earlier=8, later=7)]


def test_an_event_judged_again_does_not_differ_from_itself():
    edited = apply_judgements(*SCENE, [reject(7, MERGE), accept(7, MERGE)])
    assert (edited.links, edited.conflicts) == (SCENE[1], [])


def test_a_link_given_to_a_spurious_feature_makes_it_a_pore_again():
    spurious, accepted = correct(1, GAP, spurious=(2,)), accept(2, MERGE)
    revived = apply_judgements(*SCENE, [spurious, accepted])
    assert (revived.links, revived.spurious) == (SCENE[1], set())
    assert revived.conflicts == [Conflict((2, 3), earlier=1, later=2)]
    gone = apply_judgements(*SCENE, [accepted, spurious])
    assert gone.spurious == {2}
    assert gone.conflicts == [Conflict((2, 3), earlier=2, later=1)]


def test_an_accepted_disappearance_has_no_link_out():
    graph = graph_of({1: 0, 2: 2, 3: 3}, (2, 3))
    gone, comes = events_of(graph, n_frames=4)
    edited = apply_judgements(*graph, [correct(2, comes, add=((1, 2),)), accept(1, gone)])
    assert ends(edited.links) == [(2, 3)]
    assert edited.conflicts == [Conflict((1, 2), earlier=2, later=1)]


def test_an_accepted_appearance_has_no_link_in():
    graph = graph_of({1: 0, 2: 2, 3: 3}, (2, 3))
    gone, comes = events_of(graph, n_frames=4)
    assert (gone.kind, comes.kind) == ("disappear", "appear")
    bridged = correct(1, gone, add=((1, 2),))
    for one, other, there in [(bridged, accept(2, comes), False), (accept(2, comes), bridged, True)]:
        edited = apply_judgements(*graph, [one, other])
        assert ((1, 2) in ends(edited.links)) is there
        assert edited.conflicts == [Conflict((1, 2), earlier=one.key, later=other.key)]
    assert ends(apply_judgements(*graph, [bridged, reject(2, comes)]).links) == [(1, 2), (2, 3)]


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
    led = correct(3, GAP, remove=((3, 5), (4, 5)), add=((3, 9),))
    edited = apply_judgements(*graph, [accept(1, one, two), accept(2, other, last), led])
    assert edited.joined == [(one, two), (other, last)]
    assert ends(edited.links) == [(1, 12), (2, 12), (6, 12), (7, 12), (11, 12)]
    assert edited.absorbed == dict.fromkeys((3, 8, 9, 10), 12)


def test_a_join_between_the_events_of_two_that_are_one_is_one_with_them():
    """
    1 parts; one part flickers, the other parts and merges for itself, then both merge.

    The flicker is one with the parting, by one reviewer, and with the merger, by another.
    """
    graph = graph_of(
        {1: 0, 2: 1, 4: 4, 3: 1, 6: 2, 7: 2, 8: 3, 9: 4, 5: 5},
        (1, 2), (1, 3), (2, 4), (4, 5), (3, 6), (3, 7), (6, 8), (7, 8), (8, 9), (9, 5), areas={2: 5, 4: 5},
    )  # fmt: skip
    parting, fragment, together, gap, merger = sorted(
        events_of(graph), key=lambda event: (event.frame, event.kind == "gap")
    )
    judgements = [accept(1, parting, gap), accept(2, merger, gap), accept(3, fragment, together)]
    edited = apply_judgements(*graph, judgements)
    assert edited.unjoined == {}
    assert ends(edited.links) == [(1, 2), (2, 6), (4, 5), (6, 8), (8, 4)]
    assert edited.absorbed == {3: 2, 7: 6, 9: 4}


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
    edited = apply_judgements(*graph, [accept(1, first, second), correct(2, GAP, remove=((1, 3), (2, 3)))])
    assert ends(edited.links) == [(5, 6)]
    assert edited.absorbed == {3: 5, 4: 5}


def test_a_join_that_later_judgements_make_impossible_is_named():
    split, merge = events_of(PARTED, n_frames=5)
    away = correct(2, replace(merge, frame=4), remove=((1, 2), (1, 3)))
    edited = apply_judgements(*PARTED, [accept(1, split, merge), away])
    assert edited.unjoined == {1: "one event has a single pore before or after it, and these have 0 before and 1 after"}
    assert (edited.joined, edited.absorbed) == ([], {})


CHAINED = graph_of({1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 1, 7: 2, 8: 2}, (1, 3), (2, 3), (3, 4), (3, 5), (6, 7), (6, 8))


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([MERGE], "it takes two events"),
        ([MERGE, MERGE], "it takes two events"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("split", 2, (3,), (4, 5))], "these have 2 before and 2 after"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("split", 2, (6,), (7, 8))], "not connected"),
        ([EventOf("merge", 1, (1, 2), (3,)), EventOf("appear", 1, (), (6,))], "an appearance"),
        ([EventOf("gap", 2, (1,), (3,)), EventOf("gap", 3, (3,), (4,))], "gaps alone"),
    ],
    ids=["one event", "the same twice", "two to two", "apart", "an appearance", "gaps"],
)
def test_what_cannot_be_one_event(events, words):
    assert words in join_problem(events, CHAINED[1])


def test_a_track_keeps_its_number_when_its_first_feature_is_spurious():
    numbers = {track.ids[0]: track.number for track in build_lineage(*SCENE, n_frames=3).tracks}
    assert numbers == {1: 1, 2: 2, 5: 3, 3: 4}
    judgements = [correct(1, MERGE, spurious=(5,)), reject(2, MERGE)]
    published = published_lineage(*SCENE, judgements, n_frames=3, numbers=numbers)
    assert published.track_of == {1: 1, 3: 1, 4: 1, 2: 2, 6: 3}
    whole = published_lineage(*SCENE, [correct(1, MERGE, spurious=(1, 3))], n_frames=3, numbers=numbers)
    assert whole.track_of == {2: 2, 4: 4, 5: 3, 6: 3}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "must be an object"),
        ([], "must be an object"),
        ({"links": []}, "not 'links'"),
        ({"add": "12"}, "add of a correction must be a list"),
        ({"add": {"1": 2}}, "add of a correction must be a list"),
        ({"add": [1, 2]}, "two features' ids"),
        ({"add": [[1, 2, 3]]}, "two features' ids"),
        ({"add": ["12"]}, "two features' ids"),
        ({"remove": [[1, 2.0]]}, "whole number"),
        ({"remove": [[1, "2"]]}, "whole number"),
        ({"spurious": [True]}, "whole number"),
        ({"spurious": [-1]}, "whole number"),
        ({"spurious": [2**63]}, "whole number"),
        ({"spurious": [None]}, "whole number"),
        ({"add": [[4, 4]]}, "not 4 with itself"),
        ({"add": [[1, 2]], "remove": [[1, 2]]}, "from 1 to 2 is both added and removed"),
        ({"spurious": list(range(201))}, "at most 200 items, not 201"),
    ],
)
def test_a_malformed_correction_is_refused(given, words):
    with pytest.raises(ParameterError, match=words):
        Correction.from_dict(given)


def test_a_correction_survives_json():
    correction = Correction(add=((1, 2), (3, 4)), remove=((5, 6),), spurious=(7,))
    assert Correction.from_dict(json.loads(json.dumps(correction.as_dict()))) == correction
    assert Correction.from_dict({}) == Correction()
    assert Correction.from_dict({"add": [[1, 2], [1, 2]], "spurious": [3, 3]}) == Correction(((1, 2),), (), (3,))


@pytest.mark.parametrize(
    ("correction", "words"),
    [
        (Correction(add=((1, 3),), remove=((2, 3),), spurious=(2,)), ""),
        (Correction(add=((1, 99),)), "no feature 99"),
        (Correction(remove=((99, 1),)), "no feature 99"),
        (Correction(spurious=(99,)), "no feature 99"),
        (Correction(add=((3, 1),)), "feature 1 is not later than feature 3"),
        (Correction(add=((1, 2),)), "feature 2 is not later than feature 1"),
        (Correction(add=((1, 3),), spurious=(3,)), "feature 3 cannot be spurious"),
    ],
)
def test_an_impossible_correction_is_explained(correction, words):
    problem = correction_problem(correction, {node.id: node.frame for node in SCENE[0]})
    assert words in problem
    assert bool(problem) == bool(words)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ParameterError, match="not 'unsure'"):
        Judgement(1, MERGE, "unsure")


@st.composite
def judged(draw: st.DrawFn):
    """Any graph of a few frames, and any judgements of its events."""
    frames = draw(st.lists(st.integers(0, N_FRAMES - 1), min_size=1, max_size=14))
    areas = st.floats(1, 9) | st.just(math.nan)
    nodes = [Node(number, frame, area=draw(areas)) for number, frame in enumerate(frames, start=1)]
    forward = [(one, other) for one in nodes for other in nodes if one.frame < other.frame]
    chosen = draw(st.lists(st.sampled_from(forward), unique=True, max_size=18)) if forward else []
    links = [
        link(one.id, other.id, cost=draw(st.floats(0, 2)), skipped=other.frame - one.frame - 1) for one, other in chosen
    ]
    events = events_of((nodes, links))
    ids = st.integers(1, len(nodes) + 1)  # one of them unknown
    pairs = st.lists(st.tuples(ids, ids).filter(lambda pair: pair[0] != pair[1]), max_size=3).map(tuple)
    corrections = st.builds(Correction, add=pairs, remove=pairs, spurious=st.lists(ids, max_size=2).map(tuple))
    judgements = []
    for key in draw(st.permutations(range(len(events)))) if events else []:
        choice = draw(st.sampled_from(["accept", "reject", "correct", "pending"]))
        if choice != "pending":
            joined = tuple(draw(st.lists(st.sampled_from(events), max_size=3)))
            correction = draw(corrections) if choice == "correct" else Correction()
            judgements.append(Judgement(key, events[key], choice, correction, joined))
    return nodes, links, events, judgements


@given(judged())
def test_every_feature_is_a_node_absorbed_or_spurious(case):
    nodes, links, _, judgements = case
    edited = apply_judgements(nodes, links, judgements)
    left = [node.id for node in edited.nodes]
    assert sorted([*left, *edited.absorbed, *edited.spurious]) == [node.id for node in nodes]
    assert set(edited.absorbed.values()) <= set(left)
    frame_of = {node.id: node.frame for node in edited.nodes}
    assert all(frame_of[item.earlier] < frame_of[item.later] for item in edited.links)
    assert len(set(ends(edited.links))) == len(edited.links)


@given(judged())
def test_every_feature_but_the_spurious_is_in_one_track(case):
    nodes, links, _, judgements = case
    published = published_lineage(nodes, links, judgements, n_frames=N_FRAMES)
    in_tracks = [feature for track in published.lineage.tracks for feature in track.ids]
    assert len(set(in_tracks)) == len(in_tracks)
    assert published.track_of.keys() == {node.id for node in nodes} - published.spurious
    for track in published.lineage.tracks:
        assert {published.track_of[feature] for feature in track.ids} == {track.number}


@given(judged())
def test_a_spurious_feature_never_appears(case):
    """Unless somebody gave it a link afterwards, which is then a conflict."""
    nodes, links, _, judgements = case
    published = published_lineage(nodes, links, judgements, n_frames=N_FRAMES)
    named = {feature for judgement in judgements for feature in judgement.correction.spurious}
    revived = {end for conflict in published.conflicts for end in conflict.pair}
    assert (named & {node.id for node in nodes}) - revived <= published.spurious <= named
    assert not published.spurious & published.track_of.keys()
    assert not published.spurious & {end for pair in ends(published.links) for end in pair}
    assert not published.spurious & {
        end for event in published.lineage.events for end in (*event.parents, *event.children)
    }


@given(judged())
def test_accepting_everything_is_what_the_machine_says(case):
    nodes, links, events, _ = case
    published = published_lineage(nodes, links, [accept(k, event) for k, event in enumerate(events)], n_frames=N_FRAMES)
    assert published.lineage == build_lineage(nodes, links, n_frames=N_FRAMES)
    assert (published.links, published.conflicts) == (links, [])


@given(judged())
def test_rejecting_everything_is_as_before(case):
    nodes, links, events, _ = case
    edited = apply_judgements(nodes, links, [reject(k, event) for k, event in enumerate(events)])
    assert edited.links == apply_verdicts(links, events)


@given(judged())
def test_the_last_word_on_a_link_holds(case):
    nodes, links, events, judgements = case
    forward = [(one.id, other.id) for one in nodes for other in nodes if one.frame < other.frame]
    if not (events and forward):
        return
    told = [replace(judgement, joined=()) for judgement in judgements]
    before = apply_judgements(nodes, links, told)
    for pair in forward[:3]:
        drawn = apply_judgements(nodes, links, [*told, correct(99, events[0], add=(pair,))])
        assert pair in ends(drawn.links)
        cut = apply_judgements(nodes, links, [*told, correct(99, events[0], remove=(pair,))])
        assert set(ends(cut.links)) == set(ends(before.links)) - {pair}
        assert all(conflict.later == 99 for conflict in cut.conflicts if conflict not in before.conflicts)


@given(judged())
def test_only_differing_judgements_are_in_conflict(case):
    """Of two judgements that say opposite things of a link, with none between them, the pair is named."""
    nodes, links, _, judgements = case
    told = [replace(judgement, joined=(), correction=Correction()) for judgement in judgements]
    cut = {
        judgement.key: set(ends(links)) - set(ends(apply_verdicts(links, [judgement.event])))
        for judgement in told
        if judgement.choice == "reject"
    }
    drawn = {
        judgement.key: {(one, other) for one in judgement.event.parents for other in judgement.event.children}
        for judgement in told
        if judgement.choice == "accept"
    }
    expected = set()
    for pair in ends(links):
        said = [
            judgement.key
            for judgement in told
            if pair in cut.get(judgement.key, set()) | drawn.get(judgement.key, set())
        ]
        expected |= {Conflict(pair, one, other) for one, other in pairwise(said) if (one in drawn) != (other in drawn)}
    assert set(apply_judgements(nodes, links, told).conflicts) == expected


@given(judged(), st.data())
def test_dropping_a_judgement_gives_back_what_was(case, data):
    nodes, links, events, judgements = case
    if not events:
        return
    before = (list(nodes), list(links))
    place = data.draw(st.integers(0, len(judgements)))
    extra = correct(99, events[0], remove=tuple(ends(links)[:1]), spurious=(nodes[0].id,))
    with_it = [*judgements[:place], extra, *judgements[place:]]
    apply_judgements(nodes, links, with_it)
    assert (nodes, links) == before
    undone = [judgement for judgement in with_it if judgement.key != 99]
    assert apply_judgements(nodes, links, undone) == apply_judgements(nodes, links, judgements)
    assert apply_judgements(nodes, links, []).links == links


def test_a_long_series_is_published_at_once():
    """20,000 features; every tenth frame two pores touch for a frame, and that is judged in turn."""
    n_frames, n_pores = 1000, 20
    frames = {frame * n_pores + pore + 1: frame for frame in range(n_frames) for pore in range(n_pores)}
    pairs = [(number, number + n_pores) for number, frame in frames.items() if frame < n_frames - 1]
    pairs += [(number, number + n_pores + 1) for number, frame in frames.items() if frame % 10 == 5 and number % 4 == 1]
    graph = graph_of(frames, *pairs)
    events = events_of(graph, n_frames=n_frames)
    assert len(events) == 1000
    judgements = [Judgement(k, event, ("accept", "reject")[k % 2]) for k, event in enumerate(events)]
    start = perf_counter()
    published = published_lineage(*graph, judgements, n_frames=n_frames)
    assert perf_counter() - start < 1  # 0.1 s on a quiet core
    assert len(published.track_of) == len(frames)
