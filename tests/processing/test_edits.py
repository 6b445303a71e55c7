"""Judgements to the published lineage: each choice by example, the rest on any graph."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.edits import (
    Conflict,
    Correction,
    Judgement,
    apply_judgements,
    correction_problem,
    published_lineage,
    settled_of,
)
from processing.errors import ParameterError
from processing.lineage import EventOf, Node, apply_verdicts, build_lineage
from tests.processing.judging import N_FRAMES, accept, correct, ends, events_of, graph_of, link, reject

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


@pytest.mark.parametrize(
    ("event", "is_linked"),
    [
        (EventOf("disappear", 1, (1,), ()), False),
        (EventOf("appear", 1, (), (3,)), False),
        (EventOf("disappear", 3, (4,), ()), True),
        (EventOf("appear", 0, (), (1,)), True),
    ],
)
def test_an_accepted_end_holds_against_the_machine_s_own_link(event, is_linked):
    """Frames that were added may have brought links to a pore whose end was accepted before."""
    edited = apply_judgements(*SCENE, [accept(1, event)])
    assert ((1, 3) in ends(edited.links)) is is_linked
    assert (3, 4) in ends(edited.links)
    settled = settled_of(SCENE[1], [accept(1, event)])
    assert settled.pairs == {pair: False for pair in ends(SCENE[1]) if pair not in ends(edited.links)}
    assert settled.closed == {(0, event.parents[0]) if event.parents else (1, event.children[0])}


def test_a_link_that_is_accepted_later_opens_an_accepted_end():
    judgements = [accept(1, EventOf("disappear", 1, (1,), ())), accept(2, MERGE)]
    edited = apply_judgements(*SCENE, judgements)
    assert (edited.links, edited.conflicts) == (SCENE[1], [Conflict((1, 3), earlier=1, later=2)])
    settled = settled_of(SCENE[1], judgements)
    assert (settled.closed, settled.pairs) == (set(), {(1, 3): True, (2, 3): True})


def test_a_rejected_merge_keeps_its_cheapest_link_whoever_has_cut_it():
    cut = correct(7, GAP, remove=((1, 3),))
    after = apply_judgements(*SCENE, [cut, reject(8, MERGE)])
    assert ends(after.links) == [(1, 3), (3, 4), (5, 6)]
    assert after.conflicts == [Conflict((1, 3), earlier=7, later=8)]
    before = apply_judgements(*SCENE, [reject(8, MERGE), cut])
    assert ends(before.links) == [(3, 4), (5, 6)]
    assert before.conflicts == [Conflict((1, 3), earlier=8, later=7)]  # one that is listed


def test_a_rejected_merge_keeps_no_link_of_a_spurious_pore():
    edited = apply_judgements(*SCENE, [correct(7, GAP, spurious=(1,)), reject(8, MERGE)])
    assert (ends(edited.links), edited.spurious, edited.conflicts) == ([(2, 3), (3, 4), (5, 6)], {1}, [])


def test_a_rejected_event_has_none_of_its_links_even_if_the_machine_has_lost_them():
    graph = (SCENE[0], [item for item in SCENE[1] if item.earlier != 2])
    edited = apply_judgements(*graph, [correct(7, GAP, add=((2, 3),)), reject(8, MERGE)])
    assert ends(edited.links) == [(1, 3), (3, 4), (5, 6)]
    assert edited.conflicts == [Conflict((2, 3), earlier=7, later=8)]
    assert settled_of(graph[1], [reject(8, MERGE)]).pairs == {(1, 3): True, (2, 3): False}


def test_what_a_correction_keeps_is_settled_too():
    settled = settled_of(SCENE[1], [correct(1, MERGE, remove=((2, 3),), add=((2, 4),), spurious=(5,))])
    assert settled.pairs == {(1, 3): True, (2, 3): False, (2, 4): True}
    assert (settled.spurious, settled.closed) == ({5}, set())


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
def test_rejecting_an_event_is_as_before(case):
    nodes, links, events, _ = case
    for event in events:
        assert apply_judgements(nodes, links, [reject(1, event)]).links == apply_verdicts(links, [event])


@given(judged())
def test_rejecting_everything_leaves_each_pore_a_link_or_a_conflict(case):
    nodes, links, events, _ = case
    edited = apply_judgements(nodes, links, [reject(k, event) for k, event in enumerate(events)])
    disputed = {conflict.pair for conflict in edited.conflicts}
    for event in events:
        own = {(one, other) for one in event.parents for other in event.children}
        if event.kind in ("merge", "split") and not own & disputed:
            assert len(own & set(ends(edited.links))) == 1


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
    says = {}
    for judgement in told:
        own = {(one, other) for one in judgement.event.parents for other in judgement.event.children}
        left = set(ends(apply_verdicts(links, [judgement.event] if judgement.choice == "reject" else [])))
        says[judgement.key] = {pair: pair in left for pair in own if judgement.choice != "correct"}
    expected = set()
    for pair in ends(links):
        said = [(key, drawn[pair]) for key, drawn in says.items() if pair in drawn]
        expected |= {
            Conflict(pair, one, other) for (one, is_link), (other, was_link) in pairwise(said) if is_link != was_link
        }
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
    start = process_time()
    published = published_lineage(*graph, judgements, n_frames=n_frames)
    assert process_time() - start < 1  # 0.1 s on a quiet core
    assert len(published.track_of) == len(frames)
