"""Graphs of links to tracks and events: on small graphs we know, and on any graph."""

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.lineage import EVENT_KINDS, EventOf, Node, TrackOf, apply_verdicts, build_lineage
from processing.track import Link, series_breaks

N_FRAMES = 5


def link(earlier: int, later: int, *, cost: float = 0.5, skipped: int = 0) -> Link:
    return Link(earlier, later, cost=cost, overlap=0.8, distance_mm=0.3, skipped=skipped)


def column(first: int, *, begin: int = 0, end: int = N_FRAMES) -> list[Node]:
    """One feature in each frame from ``begin`` up to ``end``, ids from ``first``."""
    return [Node(first + index - begin, index) for index in range(begin, end)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Link]]:
    """Any links forward in time between features of a few frames."""
    frames = draw(st.lists(st.integers(0, N_FRAMES - 1), min_size=1, max_size=14))
    numbers = draw(st.permutations(range(1, len(frames) + 1)))
    nodes = [Node(number, frame, draw(st.booleans())) for number, frame in zip(numbers, frames, strict=True)]
    forward = [(one, other) for one in nodes for other in nodes if one.frame < other.frame]
    chosen = draw(st.lists(st.sampled_from(forward), unique=True, max_size=16)) if forward else []
    costs = st.floats(0, 2)
    return nodes, [
        link(one.id, other.id, cost=draw(costs), skipped=other.frame - one.frame - 1) for one, other in chosen
    ]


@given(graphs())
def test_every_feature_is_in_exactly_one_track(graph):
    nodes, links = graph
    tracks = build_lineage(nodes, links, n_frames=N_FRAMES).tracks
    assert sorted(number for track in tracks for number in track.ids) == sorted(node.id for node in nodes)
    assert [track.number for track in tracks] == list(range(1, len(tracks) + 1))


@given(graphs())
def test_tracks_are_unbranched_and_as_long_as_can_be(graph):
    nodes, links = graph
    n_out, n_in = Counter(item.earlier for item in links), Counter(item.later for item in links)
    alone = {(item.earlier, item.later) for item in links if n_out[item.earlier] == n_in[item.later] == 1}
    tracks = build_lineage(nodes, links, n_frames=N_FRAMES).tracks
    assert {pair for track in tracks for pair in pairwise(track.ids)} == alone


@given(graphs())
def test_lineages_are_the_connected_parts(graph):
    nodes, links = graph
    part = {node.id: {node.id} for node in nodes}
    for item in links:
        joined = part[item.earlier] | part[item.later]
        part |= dict.fromkeys(joined, joined)
    tracks = build_lineage(nodes, links, n_frames=N_FRAMES).tracks
    for one in tracks:
        for other in tracks:
            assert (one.lineage == other.lineage) == (other.ids[0] in part[one.ids[0]])
    assert {track.lineage for track in tracks} == set(range(1, len({frozenset(ids) for ids in part.values()}) + 1))


@given(graphs(), st.randoms())
def test_the_order_of_the_input_does_not_matter(graph, random):
    nodes, links = graph
    expected = build_lineage(nodes, links, n_frames=N_FRAMES)
    random.shuffle(nodes)
    random.shuffle(links)
    assert build_lineage(nodes, iter(links), n_frames=N_FRAMES) == expected


@given(graphs())
def test_rejecting_every_merge_and_split_leaves_only_chains(graph):
    nodes, links = graph
    rejected = [event for event in build_lineage(nodes, links, n_frames=N_FRAMES).events if event.parents]
    remaining = apply_verdicts(links, rejected)
    assert set(remaining) <= set(links)
    events = build_lineage(nodes, remaining, n_frames=N_FRAMES).events
    assert {event.kind for event in events} <= {"appear", "disappear"}


def test_numbers_follow_first_frame_then_id():
    nodes = [*column(10), *column(3, begin=2, end=4), *column(1, begin=2, end=4), Node(30, 0)]
    links = [link(one, one + 1) for one in (10, 11, 12, 13, 3, 1)]
    tracks = build_lineage(nodes, links, n_frames=N_FRAMES).tracks
    assert tracks == [
        TrackOf(1, 1, (10, 11, 12, 13, 14)),
        TrackOf(2, 2, (30,)),
        TrackOf(3, 3, (1, 2)),
        TrackOf(4, 4, (3, 4)),
    ]


def test_nothing_is_known_before_the_first_and_after_the_last_frame():
    assert build_lineage(column(1), [link(n, n + 1) for n in range(1, 5)], n_frames=N_FRAMES).events == []


def test_appearing_and_disappearing_in_between():
    events = build_lineage(column(1, begin=1, end=4), [link(1, 2), link(2, 3)], n_frames=N_FRAMES).events
    assert events == [EventOf("appear", 1, (), (1,)), EventOf("disappear", 3, (3,), ())]


def test_nothing_is_known_across_a_break_of_the_series():
    nodes = [*column(1, end=2), *column(11, begin=2)]
    links = [link(1, 2), link(11, 12), link(12, 13)]
    assert [event.kind for event in build_lineage(nodes, links, n_frames=N_FRAMES).events] == ["disappear", "appear"]
    assert build_lineage(nodes, links, n_frames=N_FRAMES, breaks={2}).events == []
    assert series_breaks([0, 720, 5040, 8640, 9360], max_gap=4) == {2}


def test_a_pore_at_the_edge_neither_appears_nor_disappears():
    nodes = [dataclasses.replace(node, on_edge=node.frame != 2) for node in column(1, begin=1, end=4)]
    assert build_lineage(nodes, [link(1, 2), link(2, 3)], n_frames=N_FRAMES).events == []


def test_a_gap_over_the_links_own_frames_only():
    nodes = [Node(1, 0), Node(2, 3), Node(3, 4)]
    lineage = build_lineage(nodes, [link(1, 2, skipped=2), link(2, 3)], n_frames=N_FRAMES)
    assert lineage.events == [EventOf("gap", 3, (1,), (2,))]
    assert [track.ids for track in lineage.tracks] == [(1, 2, 3)]


def test_events_come_in_the_order_of_time_then_kind():
    nodes = [*column(1), *column(11, begin=1), *column(21, end=3), *column(31, begin=2)]
    links = [
        link(n, n + 1) for first, n_links in ((1, 4), (11, 3), (21, 2), (31, 2)) for n in range(first, first + n_links)
    ]
    links += [link(22, 3), link(12, 4)]
    events = build_lineage(nodes, links, n_frames=N_FRAMES).events
    order = [(event.frame, EVENT_KINDS.index(event.kind)) for event in events]
    assert order == sorted(order)
    assert {event.kind for event in events} >= {"merge", "split", "appear", "disappear"}


MERGE = [Node(1, 0), Node(2, 0), Node(3, 1)], [link(1, 3, cost=0.9), link(2, 3, cost=0.2)]
SPLIT = [Node(1, 0), Node(2, 1), Node(3, 1)], [link(1, 2, cost=0.9), link(1, 3, cost=0.2)]
GAP = [Node(1, 0), Node(2, 2)], [link(1, 2, skipped=1)]


@pytest.mark.parametrize(
    ("graph", "kind", "remaining"),
    [(MERGE, "merge", [(2, 3)]), (SPLIT, "split", [(1, 3)]), (GAP, "gap", [])],
    ids=["merge", "split", "gap"],
)
def test_a_rejected_event_keeps_only_the_best_continuation(graph, kind, remaining):
    nodes, links = graph
    (event,) = build_lineage(nodes, links, n_frames=3).events[:1]
    assert event.kind == kind
    left = apply_verdicts(links, [event])
    assert [(item.earlier, item.later) for item in left] == remaining
    after = build_lineage(nodes, left, n_frames=3)
    assert kind not in {item.kind for item in after.events}
    assert len(after.tracks) == 2


def test_without_verdicts_nothing_changes():
    _, links = MERGE
    assert apply_verdicts(links, []) == links


def test_rejecting_an_appearance_removes_nothing():
    nodes, links = column(1, begin=1, end=4), [link(1, 2), link(2, 3)]
    events = build_lineage(nodes, links, n_frames=N_FRAMES).events
    assert apply_verdicts(links, events) == links


def test_a_verdict_on_links_that_are_gone_is_harmless():
    _, links = MERGE
    assert apply_verdicts(links, [EventOf("merge", 1, (8, 9), (10,))]) == links


def test_no_feature_no_lineage():
    lineage = build_lineage([], [], n_frames=0)
    assert (lineage.tracks, lineage.events) == ([], [])
