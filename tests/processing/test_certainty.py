"""Events with their probability, runner-up and reasons, on graphs made by hand and on simulated series."""

from dataclasses import replace
from math import inf, isfinite, log

import numpy as np
import pytest

from processing.certainty import EVENT_FEATURES, features_of_events, weigh_events
from processing.lineage import Node, build_lineage
from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.track import Link, Linked, link_series
from processing.track.train import detected, expected_calibration_error, nodes_of, true_pairs
from processing.truth import right_events

N_FRAMES = 4


def link(earlier: int, later: int, probability: float, skipped: int = 0) -> Link:
    return Link(earlier, later, -log(probability / (1 - probability)), 0.5, 1.0, skipped, probability)


def node(number: int, frame: int, area: float = 50.0, flux: float = 100.0) -> Node:
    return Node(number, frame, area=area, flux=flux)


# 1 and 2 merge into 3 in frame 1, which goes on as 4 and 5; 6 might have merged as well but disappears
NODES = [node(1, 0), node(2, 0), node(3, 1, 97, 200), node(4, 2, 97), node(5, 3, 97), node(6, 0)]
LINKS = [link(1, 3, 0.99), link(2, 3, 0.9), link(3, 4, 0.999), link(4, 5, 0.999)]
REJECTED = [link(6, 3, 0.3)]


def weigh(links=LINKS, rejected=REJECTED, nodes=NODES):
    lineage = build_lineage(nodes, links, n_frames=N_FRAMES)
    certainties = weigh_events(lineage, nodes, Linked(links, rejected))
    certainties = [replace(item, reasons=item.reasons.replace("\N{NO-BREAK SPACE}%", " %")) for item in certainties]
    return {(event.kind, event.frame): certainty for event, certainty in zip(lineage.events, certainties, strict=True)}


def test_a_merger_says_its_parents_its_balance_and_what_would_be_next():
    merge = weigh()["merge", 1]
    assert merge.reasons == "two parents, links 0.990 and 0.90; area −3 %, flux 0 %"
    assert merge.runner_up == "track 3 merges into track 4 too"  # 6 is the third track, 3 begins the fourth
    assert merge.margin == pytest.approx(log(0.7 / 0.3))
    assert 0 < merge.runner_up_probability < 1 - merge.probability + 1e-9


def test_an_end_names_the_merger_that_it_might_be():
    end = weigh()["disappear", 0]
    assert end.runner_up == "track 3 merges into track 4"
    assert end.reasons == "one possible future, link 0.30"
    assert end.margin == pytest.approx(log(0.7 / 0.3))


def test_without_a_rival_the_next_best_is_that_a_parent_dies():
    merge = weigh(rejected=[])["merge", 1]
    assert merge.runner_up == "track 2 disappears"
    assert merge.margin == pytest.approx(log(0.9 / 0.1))


def test_an_event_that_nothing_speaks_against_has_no_runner_up():
    end = weigh(rejected=[])["disappear", 0]
    assert (end.runner_up, end.runner_up_probability, end.margin) == ("", 0.0, inf)
    assert end.reasons == "no other reading"


def test_what_is_joined_already_is_no_alternative():
    merge = weigh(rejected=[link(1, 4, 0.4, skipped=1)])["merge", 1]
    assert merge.runner_up == "track 2 disappears"


def test_a_gap_within_a_track():
    nodes = [node(1, 0), node(2, 3)]
    gap = weigh([link(1, 2, 0.8, skipped=2)], [], nodes)["gap", 3]
    assert gap.reasons == "found again after 2 frames without it, link 0.80; area 0 %, flux 0 %"
    assert gap.runner_up == "track 1 ends and another begins"


def test_a_gap_of_one_frame_and_a_growing_pore():
    nodes = [node(1, 0, area=50, flux=-100), node(2, 2, area=55, flux=-95)]
    gap = weigh([link(1, 2, 0.9999, skipped=1)], [], nodes)["gap", 2]
    assert gap.reasons == "found again after 1 frame without it, link > 0.999; area +10 %, flux −5 %"


def test_a_birth_says_how_many_pasts_it_might_have():
    nodes = [node(1, 0), node(2, 0), node(3, 1), node(4, 2), node(5, 0)]
    rejected = [link(1, 4, 0.2, skipped=1), link(2, 4, 0.1, skipped=1)]
    birth = weigh([link(5, 3, 0.99)], rejected, nodes)["appear", 2]
    assert birth.reasons == "two possible pasts, likeliest link 0.20"
    assert birth.runner_up == "track 4 continues track 1 after 1 frame without it"


def test_three_children_are_told_as_a_list():
    nodes = [node(1, 0, 90), node(2, 1, 30), node(3, 1, 30), node(4, 1, 30)]
    split = weigh([link(1, 2, 0.99), link(1, 3, 0.8), link(1, 4, 0.7)], [], nodes)["split", 1]
    assert split.reasons.startswith("three children, links 0.990, 0.80 and 0.70; area 0 %")


def test_unknown_area_and_flux_are_not_spoken_of():
    nodes = [replace(item, area=float("nan"), flux=float("nan")) for item in NODES]
    assert weigh(nodes=nodes)["merge", 1].reasons == "two parents, links 0.990 and 0.90"


def test_a_surer_link_makes_a_surer_event():
    probabilities = [
        weigh([*LINKS[:1], link(2, 3, p), *LINKS[2:]], [])["merge", 1].probability for p in (0.6, 0.95, 0.9999)
    ]
    assert probabilities == sorted(probabilities)


def test_links_of_an_unknown_probability_are_as_likely_as_not():
    links = [replace(item, probability=None) for item in LINKS]
    merge = weigh(links, [])["merge", 1]
    assert 0 < merge.probability < 1
    assert "links 0.50 each" in merge.reasons


def test_no_events_no_certainties():
    assert set(weigh([], [], [node(1, 0)])) == {("disappear", 0)}
    assert weigh_events(build_lineage([], [], n_frames=0), [], Linked([], [])) == []


@pytest.fixture(scope="module")
def weighed():
    """Events of two hard series, their certainty, and whether they are right."""
    found = []
    for seed in (41, 42):
        simulated = simulate_tracks(LEVELS["hard"], seed=seed, n_frames=40)
        frames = list(detected(simulated))
        linked = link_series(frames, pixel_side_mm=1.0, reach_mm=None)
        nodes = nodes_of(frames)
        lineage = build_lineage(nodes, linked.links, n_frames=40)
        assert features_of_events(lineage, nodes, linked).shape == (len(lineage.events), len(EVENT_FEATURES))
        right = right_events(lineage.events, true_pairs(simulated))
        found += list(zip(lineage.events, weigh_events(lineage, nodes, linked), right, strict=True))
    return found


def test_probabilities_of_events_are_calibrated(weighed):
    probability = np.array([certainty.probability for _, certainty, _ in weighed])
    right = np.array([is_right for _, _, is_right in weighed])
    assert probability.size > 800
    assert expected_calibration_error(probability, right) < 0.03  # of some 1,400 events, whose own noise is 0.01


def test_the_least_sure_events_are_the_wrong_ones(weighed):
    probability = np.array([certainty.probability for _, certainty, _ in weighed])
    right = np.array([is_right for _, _, is_right in weighed])
    least_sure = np.argsort(probability)[: right.size // 10]
    assert (~right[least_sure]).sum() >= 0.6 * (~right).sum()


def test_every_certainty_is_sound(weighed):
    for event, certainty, _ in weighed:
        assert 0 <= certainty.probability <= 1
        assert 0 <= certainty.runner_up_probability <= 1 - certainty.probability + 1e-9
        assert certainty.reasons
        assert isfinite(certainty.margin) == bool(certainty.runner_up)
        if event.kind in ("merge", "split", "gap"):
            assert certainty.runner_up
