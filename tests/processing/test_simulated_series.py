"""From pixels to lineage on a simulated patch, against its truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from processing.chain import process_frame
from processing.fits import PatchFrame
from processing.lineage import Lineage, Node, build_lineage
from processing.parameters import ChainParameters
from processing.synthetic import Simulation, SimulationParameters, simulate
from processing.track import DetectedFrame, link_series

PARAMETERS = ChainParameters()
NEAR_PX = 4  # between a true and a found centre on the doubled grid: 0.7 Mm
STORIES = (
    SimulationParameters(shape=(140, 220), n_frames=16, n_pores=6, n_mergers=2, n_splits=1, n_flickers=1, lost=()),
    SimulationParameters(shape=(140, 220), n_frames=14, n_pores=5, n_mergers=1, n_splits=1, n_flickers=1, seed=7),
)


@dataclass(frozen=True)
class Followed:
    """A simulation, what the chain found in its frames, and its lineage."""

    simulation: Simulation
    frames: list[DetectedFrame]
    lineage: Lineage

    def place_of(self, number: int) -> tuple[float, float]:
        """(row, col) of the feature with that id."""
        for frame in self.frames:
            if number in frame.ids:
                k = int(np.flatnonzero(frame.ids == number)[0])
                return frame.row[k], frame.col[k]
        raise LookupError(number)

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(row, col) of the true pores large enough to be found, and of those found, frame by frame."""
        for true, found in zip(self.simulation.truth.frames, self.frames, strict=True):
            pores = [(p.row, p.col) for p in true.pores if p.visible and p.area_px >= PARAMETERS.min_pixels]
            yield np.array(pores).reshape(-1, 2), np.column_stack([found.row, found.col])


@pytest.fixture(scope="module", params=STORIES, ids=["16 frames", "14 frames"])
def followed(request) -> Followed:
    simulation = simulate(request.param)
    frames: list[DetectedFrame] = []
    nodes: list[Node] = []
    for index, seen in enumerate(simulation):
        result = process_frame(PatchFrame(99001, seen.t_rec_s, seen.cards, seen.maps), PARAMETERS)
        features = result.features
        ids = np.arange(len(features)) + len(nodes) + 1
        columns = (np.asarray(features[name]) for name in ("row", "col", "area_px"))
        frames.append(DetectedFrame(seen.t_rec_s, ids, *columns, result.labels))
        nodes += [Node(int(number), index) for number in ids]
    side = result.geometry.pixel_side_mm
    linked = link_series(frames, pixel_side_mm=side, reach_mm=PARAMETERS.reach_mm, max_gap=PARAMETERS.max_gap)
    return Followed(simulation, frames, build_lineage(nodes, linked.links, n_frames=len(frames)))


def n_near(points: np.ndarray, others: np.ndarray) -> int:
    """How many points have one of the others near."""
    apart = np.hypot(points[:, None, 0] - others[None, :, 0], points[:, None, 1] - others[None, :, 1])
    return int((apart < NEAR_PX).any(axis=1).sum())


def test_true_pores_are_found(followed):
    found = sum(n_near(true, seen) for true, seen in followed.pairs())
    assert found >= 0.95 * sum(len(true) for true, _ in followed.pairs())


def test_what_is_found_is_true(followed):
    spurious = sum(len(seen) - n_near(seen, true) for true, seen in followed.pairs())
    assert spurious <= 0.05 * sum(len(seen) for _, seen in followed.pairs())


@pytest.mark.parametrize("kind", ["merge", "split"])
def test_every_merge_and_split_is_recorded_in_its_place(followed, kind):
    truth = followed.simulation.truth
    true_events = truth.events_of(kind)
    assert true_events
    one_end = {"merge": "children", "split": "parents"}[kind]  # the end at which there is one pore
    for event in true_events:
        near_in_time = [
            found for found in followed.lineage.events if found.kind == kind and abs(found.frame - event.frame) <= 2
        ]
        (track,) = getattr(event, one_end)
        places = np.array([(pore.row, pore.col) for _, pore in truth.track(track)])
        centres = np.array([followed.place_of(getattr(found, one_end)[0]) for found in near_in_time]).reshape(-1, 2)
        assert n_near(centres, places) == 1, f"{kind} at {event.frame}"


def test_a_flicker_does_not_end_its_track(followed):
    truth = followed.simulation.truth
    (event,) = truth.events_of("gap")
    path = [(slot, pore) for slot, pore in truth.track(event.parents[0]) if pore.visible]
    before = next(pore for slot, pore in reversed(path) if slot < event.frame)
    after = next(pore for slot, pore in path if slot >= event.frame)
    near = [
        track
        for track in followed.lineage.tracks
        if all(
            n_near(np.array([(pore.row, pore.col)]), np.array([followed.place_of(number) for number in track.ids]))
            for pore in (before, after)
        )
    ]
    assert len(near) == 1


def test_there_are_not_many_more_events_than_happened(followed):
    found = [event for event in followed.lineage.events if event.kind in ("merge", "split")]
    happened = [event for event in followed.simulation.truth.events if event.kind in ("merge", "split")]
    assert len(found) <= len(happened) + 2
