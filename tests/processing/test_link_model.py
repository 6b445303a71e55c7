"""The link model: calibrated on series it never saw, stored as plain arrays, trained by one command."""

import sys

import numpy as np
import pytest

from processing.errors import ParameterError
from processing.lineage import EventOf
from processing.track import train
from processing.track.probability import default_model, read_model, write_model
from processing.track.train import expected_calibration_error, simulate_scene, weigh_scene
from processing.truth import right_events

FRESH = range(9_000, 9_012)  # far from the seeds of training


@pytest.fixture(scope="module")
def weighed():
    """(probability, truth) of each candidate of some random series."""
    results = [weigh_scene(default_model(), simulate_scene(seed)) for seed in FRESH]
    return np.concatenate([values for _, values in results]), np.concatenate([scene.true for scene, _ in results])


def test_links_are_as_likely_as_they_say(weighed):
    probability, true = weighed
    assert true.sum() > 3_000
    assert expected_calibration_error(probability, true) < 0.005


def test_most_of_what_is_true_is_sure(weighed):
    probability, true = weighed
    assert (probability[true] > 0.9).mean() > 0.97
    assert (probability[~true] < 0.1).mean() > 0.95  # of those that are not hopeless


@pytest.mark.parametrize(
    ("probability", "true", "error"),
    [
        ([0.0, 1.0], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.0),
        ([0.9, 0.9], [False, False], 0.9),
        ([0.1, 0.9], [True, True], 0.5),
        ([], [], 0.0),
    ],
)
def test_the_calibration_error_by_hand(probability, true, error):
    assert expected_calibration_error(np.array(probability), np.array(true, bool)) == pytest.approx(error)


def test_events_are_right_to_the_last_parent():
    pairs = np.array([(1, 3), (2, 3), (3, 4), (3, 5), (4, 6)])
    events = [
        EventOf("merge", 1, (1, 2), (3,)),
        EventOf("merge", 1, (1, 9), (3,)),
        EventOf("split", 2, (3,), (4, 5)),
        EventOf("split", 2, (3,), (4, 5, 6)),
        EventOf("gap", 3, (4,), (6,)),
        EventOf("gap", 3, (5,), (6,)),
        EventOf("appear", 0, (), (1,)),
        EventOf("appear", 2, (), (4,)),
        EventOf("disappear", 2, (5,), ()),
        EventOf("disappear", 2, (4,), ()),
    ]
    assert right_events(events, pairs).tolist() == [True, False] * 5


def test_a_stored_model_is_the_same_model(tmp_path):
    write_model(tmp_path / "model.npz", default_model())
    again = read_model(tmp_path / "model.npz")
    scene = simulate_scene(9_100)
    assert (again.rounds[0](scene.alone) == default_model().rounds[0](scene.alone)).all()
    assert len(again.rounds) == len(default_model().rounds)


@pytest.mark.parametrize("content", ["text", "other arrays", "other features", "objects"])
def test_another_file_is_no_model(tmp_path, content):
    path = tmp_path / "model.npz"
    if content == "text":
        path.write_text("not a model")
    elif content == "other arrays":
        np.savez(path, x=np.zeros(3))
    elif content == "objects":
        np.savez(path, format=np.array([{}], dtype=object))
    else:
        write_model(path, default_model())
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["features"] = arrays["features"][::-1]
        np.savez(path, **arrays)
    with pytest.raises(ParameterError, match=r"model\.npz"):
        read_model(path)


def test_the_training_command_makes_a_model_that_works(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "small.npz"), "--scenes", "8", "--epochs", "3"])
    train.main()
    said = capsys.readouterr().out
    assert "links: expected calibration error" in said
    assert "events: expected calibration error" in said
    scene, probability = weigh_scene(read_model(tmp_path / "small.npz"), simulate_scene(9_101))
    assert probability[scene.true].mean() > 0.8 > 0.3 > probability[~scene.true].mean()
