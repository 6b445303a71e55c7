"""Every number a user may choose, at its limits and beyond them."""

import pytest

from processing.enhance import METHODS
from processing.errors import ParameterError
from processing.parameters import ChainParameters

LIMITS = {
    "iterations": (1, 100),
    "threshold": (0.05, 1.0),
    "stara_depth": (0.02, 0.9),
    "umbra_level": (0.05, 1.0),
    "min_pixels": (1, 100_000),
    "max_gap": (0, 20),
    "reach_mm": (0.1, 50),
}
BEYOND = 1e-6


@pytest.mark.parametrize(("name", "limits"), LIMITS.items())
def test_the_limits_are_allowed_and_nothing_beyond(name, limits):
    for value in limits:
        assert getattr(ChainParameters(**{name: value}), name) == value
    for value in (limits[0] - BEYOND, limits[1] + BEYOND, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match=name):
            ChainParameters(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limb_darkening", "eddington"), ("quiet_sun", "median"), ("enhance", "magic"), ("segmentation", "by eye"),
        ("split", "scissors"), ("connectivity", 6), ("connectivity", 0),
    ],
)  # fmt: skip
def test_it_refuses_other_choices(name, value):
    with pytest.raises(ParameterError, match=name):
        ChainParameters(**{name: value})


@pytest.mark.parametrize("enhance", METHODS)
def test_only_none_keeps_the_native_grid(enhance):
    assert ChainParameters(enhance=enhance).factor == (1 if enhance == "none" else 2)


def test_they_survive_storage():
    chosen = ChainParameters(
        enhance="cubic-spline", threshold=0.6, connectivity=8, min_pixels=30, max_gap=2, reach_mm=3
    )
    assert ChainParameters.from_dict(chosen.as_dict()) == chosen


def test_what_is_not_said_takes_its_default():
    assert ChainParameters.from_dict({}) == ChainParameters()
    assert ChainParameters.from_dict({"threshold": 0.6}) == ChainParameters(threshold=0.6)


def test_an_unknown_name_is_refused():
    with pytest.raises(ParameterError, match="no such parameter: treshold"):
        ChainParameters.from_dict({"treshold": 0.6})
