"""Stories told with drawn disks: who continues whom, over gaps and lost frames, and who does not."""

from collections.abc import Sequence
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from processing.errors import FrameError, ParameterError
from processing.lineage import Lineage, Node, build_lineage
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.track import Link, link_series
from processing.track.candidates import find_candidates, join
from processing.track.features import features_alone
from processing.track.motion import expected_motion
from processing.track.series import gather
from processing.track.train import detected
from tests.processing.drawing import START_S, Disk, detect

SIDE_MM = 0.18222  # of the doubled grid
REACH_MM = 2.5
STILL = (32.0, 48.0, 5.0)


def links_of(story: Sequence[Sequence[Disk]], *, slots: Sequence[int] | None = None, max_gap: int = 4) -> list[Link]:
    return link_series(detect(story, slots=slots), pixel_side_mm=SIDE_MM, reach_mm=REACH_MM, max_gap=max_gap).links


def lineage_of(story: Sequence[Sequence[Disk]], *, slots: Sequence[int] | None = None, max_gap: int = 4) -> Lineage:
    frames = detect(story, slots=slots)
    links = link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=REACH_MM, max_gap=max_gap).links
    nodes = [Node(int(number), index) for index, frame in enumerate(frames) for number in frame.ids]
    return build_lineage(nodes, links, n_frames=len(frames))


def kinds_of(lineage: Lineage) -> list[tuple[str, int]]:
    return [(event.kind, event.frame) for event in lineage.events]


def pair(radius: float, other: float, *, outside: Sequence[float]) -> list[list[Disk]]:
    """Two disks whose rims are that many pixels apart, one list per frame."""
    apart = [radius + other + distance for distance in outside]
    return [[(32, 48 - distance / 2, radius), (32, 48 + distance / 2, other)] for distance in apart]


def test_a_drifting_pore_is_one_track():
    lineage = lineage_of([[(32, 20 + 3 * index, 5)] for index in range(8)])
    assert [track.ids for track in lineage.tracks] == [tuple(range(1, 9))]
    assert lineage.events == []


def test_neighbours_keep_their_own_tracks():
    lineage = lineage_of([[(20, 30 + index, 5), (34, 31 + index, 5), (50, 80 - index, 4)] for index in range(6)])
    assert [len(track.ids) for track in lineage.tracks] == [6, 6, 6]
    assert [track.lineage for track in lineage.tracks] == [1, 2, 3]
    assert lineage.events == []


def test_a_link_says_how_sure_it_is():
    (still,) = links_of([[STILL], [STILL]])
    assert still.probability is not None
    assert still.probability > 0.95
    assert still == Link(1, 2, still.cost, overlap=1, distance_mm=0, probability=still.probability)
    assert still.cost == pytest.approx(max(-np.log(still.probability / (1 - still.probability)), -12), rel=1e-3)
    (moved,) = links_of([[STILL], [(32, 52, 5)]])
    assert moved.distance_mm == pytest.approx(4 * SIDE_MM)
    assert 0 < moved.overlap < 1
    assert moved.cost > still.cost


@pytest.mark.parametrize("radius", [3.5, 5.0, 7.0], ids=["smaller joins", "equals join", "larger joins"])
def test_a_merge_has_all_its_parents(radius):
    lineage = lineage_of(pair(5, radius, outside=[5, 3, -1, -3]))
    assert kinds_of(lineage) == [("merge", 2)]
    (merge,) = lineage.events
    assert merge.parents == (3, 4)
    assert merge.children == (5,)
    assert [track.ids for track in lineage.tracks] == [(1, 3), (2, 4), (5, 6)]
    assert {track.lineage for track in lineage.tracks} == {1}


@pytest.mark.parametrize("radius", [3.5, 5.0, 7.0], ids=["smaller leaves", "equals part", "larger leaves"])
def test_a_split_has_all_its_children(radius):
    lineage = lineage_of(pair(5, radius, outside=[-3, -1, 3, 5]))
    assert kinds_of(lineage) == [("split", 2)]
    (split,) = lineage.events
    assert split.parents == (2,)
    assert split.children == (3, 4)
    assert [track.ids for track in lineage.tracks] == [(1, 2), (3, 5), (4, 6)]
    assert {track.lineage for track in lineage.tracks} == {1}


def test_three_may_merge_at_once():
    apart: list[Disk] = [(32, 40, 5), (32, 51, 4), (32, 29, 4)]
    joined: list[Disk] = [(32, 40, 5), (32, 49, 4), (32, 31, 4)]
    lineage = lineage_of([apart, apart, joined, joined])
    (merge,) = lineage.events
    assert merge.kind == "merge"
    assert len(merge.parents) == 3


def test_merged_pores_may_part_again():
    lineage = lineage_of(pair(5, 4, outside=[3, -1, -1, 3]))
    assert kinds_of(lineage) == [("merge", 1), ("split", 3)]
    assert {track.lineage for track in lineage.tracks} == {1}


@pytest.mark.parametrize("n_hidden", [1, 3, 4])
def test_a_flickering_pore_is_found_again(n_hidden):
    lineage = lineage_of([[STILL]] * 3 + [[]] * n_hidden + [[STILL]] * 3)
    assert len(lineage.tracks) == 1
    assert kinds_of(lineage) == [("gap", 3 + n_hidden)]
    (gap,) = lineage.events
    assert (gap.parents, gap.children) == ((3,), (4,))


@pytest.mark.parametrize(("n_hidden", "max_gap", "n_tracks"), [(1, 0, 2), (2, 2, 1), (3, 2, 2), (5, 4, 2), (5, 5, 1)])
def test_a_longer_gap_is_another_pore(n_hidden, max_gap, n_tracks):
    lineage = lineage_of([[STILL]] * 2 + [[]] * n_hidden + [[STILL]] * 2, max_gap=max_gap)
    assert len(lineage.tracks) == n_tracks
    if n_tracks == 2:
        assert kinds_of(lineage) == [("disappear", 1), ("appear", 2 + n_hidden)]


def test_a_link_over_a_gap_counts_the_frames_without_it():
    (link,) = (link for link in links_of([[STILL], [], [], [STILL], [STILL]]) if link.skipped)
    assert (link.earlier, link.later, link.skipped) == (1, 2, 2)


@pytest.mark.parametrize("n_lost", [1, 4])
def test_a_lost_frame_is_no_gap_of_the_pore(n_lost):
    lineage = lineage_of([[STILL]] * 5, slots=[0, 1, 2, 3 + n_lost, 4 + n_lost])
    assert len(lineage.tracks) == 1
    assert lineage.events == []


def test_a_flicker_beside_a_lost_frame_counts_both():
    story: list[list[Disk]] = [[STILL], [], [STILL]]  # hidden in slot 1, lost in slots 2 and 3
    assert len(lineage_of(story, slots=[0, 1, 4], max_gap=3).tracks) == 1
    assert len(lineage_of(story, slots=[0, 1, 4], max_gap=2).tracks) == 2
    (link,) = links_of(story, slots=[0, 1, 4])
    assert link.skipped == 1  # the frame we hold and do not see it in


def test_nothing_is_linked_over_more_lost_frames_than_the_gap():
    assert links_of([[STILL], [STILL]], slots=[0, 5], max_gap=4)
    assert not links_of([[STILL], [STILL]], slots=[0, 6], max_gap=4)


@pytest.mark.parametrize(("steps", "part_of_reach", "n_links"), [(1, 0.9, 1), (1, 1.1, 0), (4, 0.9, 1), (4, 1.1, 0)])
def test_the_reach_grows_with_the_root_of_the_steps(steps, part_of_reach, n_links):
    frames = detect([[(32, 30, 3)], [(32, 37, 3)]], slots=[0, steps])
    reach_mm = 7 * SIDE_MM / part_of_reach / steps**0.5
    assert len(link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=reach_mm).links) == n_links


@pytest.mark.parametrize(("part_of_reach", "n_links"), [(0.9, 1), (1.1, 0)])
def test_the_reach_holds_over_gaps_too(part_of_reach, n_links):
    reach_mm = 7 * SIDE_MM / part_of_reach / 2**0.5
    frames = detect([[(32, 30, 3)], [], [(32, 37, 3)]])
    assert len(link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=reach_mm).links) == n_links


def test_pores_that_would_touch_are_within_any_reach():
    frames = detect([[(32, 30, 6)], [(32, 35, 6)]])
    assert len(link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=0.1).links) == 1


def test_the_nearer_of_two_is_found_again():
    story: list[list[Disk]] = [[(32, 40, 4)], [], [(32, 42, 4), (32, 54, 4)]]
    (link,) = links_of(story)
    assert (link.earlier, link.later) == (1, 2)


def test_links_are_sorted_and_unique():
    links = links_of(pair(5, 4, outside=[3, -1, -1, 3]))
    ends = [(link.later, link.earlier) for link in links]
    assert ends == sorted(set(ends))


@pytest.mark.parametrize(
    "story", [[], [[STILL]], [[], [], []], [[], [STILL], []]], ids=["none", "one", "empty", "alone"]
)
def test_nothing_to_link(story):
    assert links_of(story) == []


def test_equal_input_gives_equal_links():
    story = pair(5, 4, outside=[3, -1, -1, 3])
    assert links_of(story) == links_of(story)


@pytest.mark.parametrize("opposite_polarity", ["never", "free"])
def test_opposite_polarities_are_one_pore_only_if_asked(opposite_polarity):
    frames = [replace(frame, flux=np.array([sign])) for frame, sign in zip(detect([[STILL]] * 2), (1, -1), strict=True)]
    linked = link_series(frames, pixel_side_mm=SIDE_MM, opposite_polarity=opposite_polarity, link_bias=5.0)
    assert len(linked.links) == (opposite_polarity == "free")


def test_a_bias_links_more_or_less_readily():
    frames = detect([[STILL], [(32, 58, 5)]])
    found = [len(link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=None, link_bias=bias).links) for bias in (-5, 5)]
    assert found == [0, 1]


def test_what_was_not_chosen_is_kept_as_an_alternative():
    simulated = simulate_tracks(LEVELS["hard"], seed=5, n_frames=10, shape=(300, 500))
    linked = link_series(detected(simulated), pixel_side_mm=1.0, reach_mm=None)
    assert linked.rejected
    assert all(link.probability is not None and 0 < link.probability < 1 for link in linked.rejected)
    assert not set(linked.links) & set(linked.rejected)


@pytest.mark.parametrize("ends", [(1, 99), (2, 1)], ids=["no such feature", "backwards"])
def test_a_settled_link_must_be_possible(ends):
    with pytest.raises(FrameError, match="settled link"):
        link_series(detect([[STILL], [STILL]]), pixel_side_mm=SIDE_MM, settled={ends: True})


def test_a_link_that_people_deny_is_gone_and_its_rival_is_judged_without_it():
    story: list[list[Disk]] = [[STILL]] * 2 + [[STILL, (32, 60, 5)]] + [[STILL]] * 3
    frames = detect(story)
    plain = link_series(frames, pixel_side_mm=SIDE_MM)
    assert (2, 3) in {(link.earlier, link.later) for link in plain.links}
    denied = link_series(frames, pixel_side_mm=SIDE_MM, settled={(2, 3): False, (3, 5): False})
    assert not {(2, 3), (3, 5)} & {(link.earlier, link.later) for link in [*denied.links, *denied.rejected]}
    over = {(link.earlier, link.later): link.probability for link in [*denied.links, *denied.rejected]}
    assert over.get((2, 5), 0) > 0.5  # the pore was there all the time, so now it was missed for a frame


def test_a_settled_link_tells_its_rivals():
    frames = detect([[(32, 40, 5)], [(32, 43, 5)], [(32, 46, 5)]])
    linked = link_series(frames, pixel_side_mm=SIDE_MM, settled={(1, 3): True})
    assert (1, 3) in {(link.earlier, link.later) for link in linked.links}


@pytest.mark.parametrize(
    ("option", "value"),
    [("opposite_polarity", "Never"), ("max_gap", -1), ("reach_mm", 0), ("pixel_side_mm", 0), ("pixel_side_mm", np.nan)],
)
def test_numbers_without_a_meaning_are_refused(option, value):
    with pytest.raises(ParameterError):
        link_series(detect([[STILL]] * 2), **{"pixel_side_mm": SIDE_MM, option: value})


def test_frames_must_be_of_one_shape_and_features_of_some_area():
    first, second = detect([[STILL], [STILL]])
    with pytest.raises(FrameError, match="the frames before it"):
        link_series([first, replace(second, labels=second.labels[:-1])], pixel_side_mm=SIDE_MM)
    with pytest.raises(FrameError, match="no area"):
        link_series([first, replace(second, area_px=np.zeros(1))], pixel_side_mm=SIDE_MM)


def test_the_sign_of_a_field_that_is_noise_says_nothing():
    flux = [[1e6, 1.0], [1e6, -1.0], [1e6, 1.0], [1e6, -1.0]]
    story: list[list[Disk]] = [[(16, 30, 5), (48, 60, 5)]] * 4
    frames = [replace(frame, flux=np.array(values)) for frame, values in zip(detect(story), flux, strict=True)]
    assert len(link_series(frames, pixel_side_mm=SIDE_MM).links) == 6


@pytest.mark.parametrize("cadence_s", [45, 300, 720])
def test_another_cadence_is_tracked_as_well(cadence_s):
    frames = detect([[(32, 20 + 3 * index, 5)] for index in range(8)])
    frames = [replace(frame, t_rec_s=START_S + index * cadence_s) for index, frame in enumerate(frames)]
    assert len(link_series(frames, pixel_side_mm=SIDE_MM, reach_mm=5.0).links) == 7


def test_the_bias_is_not_in_the_cost():
    frames = detect([[STILL], [STILL]])
    costs = {link_series(frames, pixel_side_mm=SIDE_MM, link_bias=bias).links[0].cost for bias in (0.0, 3.0)}
    assert len(costs) == 1


def test_frames_must_be_in_order():
    with pytest.raises(FrameError, match="order of T_REC"):
        links_of([[STILL], [STILL]], slots=[1, 0])


def test_a_gap_link_only_where_no_shorter_way_joins_the_ends():
    simulated = simulate_tracks(LEVELS["hard"], seed=5, n_frames=30, shape=(300, 500))
    linked = link_series(detected(simulated), pixel_side_mm=1.0, reach_mm=None, link_bias=2.0)
    graph = nx.DiGraph([(link.earlier, link.later) for link in linked.links])
    gaps = [(link.earlier, link.later) for link in linked.links if link.skipped]
    assert gaps
    for earlier, later in gaps:
        graph.remove_edge(earlier, later)
        assert not nx.has_path(graph, earlier, later)
        graph.add_edge(earlier, later)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_another_pixel_size_gives_the_same_features(factor):
    simulated = simulate_tracks(LEVELS["medium"], seed=6, n_frames=10, shape=(300, 500))
    series = gather(detected(simulated))
    scaled = replace(
        series,
        row=factor * (series.row + 0.5) - 0.5,
        col=factor * (series.col + 0.5) - 0.5,
        area=factor**2 * series.area,
        shape=(int(300 * factor), int(500 * factor)),
    )
    motions = [expected_motion(item, max_steps=5) for item in (series, scaled)]
    pairs = join(list(find_candidates(series, motions[0], max_steps=5)))
    same = replace(pairs, shared=factor**2 * pairs.shared)
    first, second = features_alone(series, motions[0], pairs), features_alone(scaled, motions[1], same)
    assert np.abs(second - first).mean() < 0.002
    assert np.abs(second - first).max() < 0.2
