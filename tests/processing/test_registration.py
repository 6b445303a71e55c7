"""Frames that jitter as a whole, and the motion that pores have of their own."""

from dataclasses import replace

import numpy as np
import pytest

from processing.synthetic_tracks import LEVELS, simulate_tracks
from processing.timekeys import CADENCE_S
from processing.track.motion import expected_motion
from processing.track.registration import frame_offsets, mutual_nearest, register
from processing.track.series import DetectedFrame, gather
from processing.track.train import detected


def crowd(n: int = 40, *, seed: int = 3) -> np.ndarray:
    """Points at least 20 pixels apart."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(10)), axis=-1).reshape(-1, 2) * 40.0
    return grid[rng.permutation(100)[:n]] + rng.uniform(-10, 10, (n, 2))


def moved(points: np.ndarray, row: float, col: float) -> np.ndarray:
    return points + np.array([row, col])


def frames_at(positions: list[np.ndarray]) -> list[DetectedFrame]:
    """Frames of features without pixels, all of one area."""
    frames, first = [], 0
    for index, here in enumerate(positions):
        ids = np.arange(first, first + len(here))
        first += len(here)
        area = np.full(len(here), 80.0)
        frames.append(DetectedFrame(index * CADENCE_S, ids, here[:, 0], here[:, 1], area, np.zeros((4, 4), int)))
    return frames


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (14, 9), (-30, 25)], ids=str)
def test_a_shift_of_the_whole_frame_is_found(shift):
    points = crowd()
    noise = np.random.default_rng(1).normal(0, 0.5, points.shape)
    found = register(points, points + shift + noise, unit=5.0)
    assert found == pytest.approx(np.array(shift), abs=0.4)


def test_it_is_found_although_a_third_come_and_go():
    points = crowd(60)
    assert register(points[:50], moved(points[10:], 12, -7), unit=5.0) == pytest.approx([12, -7], abs=0.1)


def test_a_few_pores_do_not_tell_of_a_shift():
    points = crowd(4)
    assert (register(points, moved(points, 6, 6), unit=5.0) == 0).all()


def test_motions_that_differ_are_no_shift():
    points = crowd(60)
    apart = np.where(points[:, :1] > np.median(points[:, 0]), 4.0, -4.0)
    found = register(points, points + apart * [1, 0], unit=5.0)
    assert np.abs(found[1]) < 0.1
    assert np.abs(found[0]) < 4.1


def test_mutual_nearest_are_nearest_both_ways():
    earlier, later = np.array([[0.0, 0], [10, 0]]), np.array([[1.0, 0], [2, 0], [50, 0]])
    assert mutual_nearest(earlier, later).tolist() == [[0, 0]]
    assert mutual_nearest(earlier, later[:0]).shape == (0, 2)


def test_offsets_add_up_over_empty_frames():
    points = crowd()
    positions = [points, moved(points, 5, 0), points[:0], moved(points, 5, 8)]
    offsets = frame_offsets(gather(frames_at(positions)))
    assert offsets == pytest.approx(np.array([[0, 0], [5, 0], [5, 0], [5, 8]]), abs=1e-9)


def test_a_converging_flow_is_learned():
    points = crowd(60) - 180
    positions = [points * 0.97**k for k in range(8)]
    motion = expected_motion(gather(frames_at(positions)), max_steps=5)
    here = np.concatenate(positions)
    true = -0.03 * here
    assert np.linalg.norm(motion.flow - true, axis=1).mean() < 0.5 * np.linalg.norm(true, axis=1).mean()
    assert motion.unmatched == 0


def test_strays_grow_with_the_step_and_fit_the_walk():
    rng = np.random.default_rng(5)
    positions = [crowd(60)]
    for _ in range(12):
        positions.append(positions[-1] + rng.normal(0, 1.5, (60, 2)))
    motion = expected_motion(gather(frames_at(positions)), max_steps=5)
    assert motion.stray[1] == pytest.approx(1.5, rel=0.25)
    assert (np.diff(motion.stray[1:]) > 0).all()
    assert motion.stray[4] == pytest.approx(2 * motion.stray[1], rel=0.3)


def test_the_jitter_of_a_simulated_series_does_not_reach_the_strays():
    calm = replace(LEVELS["medium"], jitter_px=0.0, jump_chance=0.0)
    stray = {}
    for name, level in (("calm", calm), ("shaken", replace(calm, jitter_px=4.0, jump_chance=0.02))):
        simulated = simulate_tracks(level, seed=8, n_frames=12, shape=(400, 700))
        stray[name] = expected_motion(gather(detected(simulated)), max_steps=5).stray[1]
    assert stray["shaken"] < 1.3 * stray["calm"]
