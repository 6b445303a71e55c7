"""SHARP keywords: those of real headers, their units, and the values that are none."""

import math
import re
from datetime import datetime, timedelta

import numpy as np
import pytest

from processing.figures import keyword_chart
from processing.sharp_keywords import SHARP_KEYWORDS, KeywordCurve, held_keywords, keyword_curve, number_in
from tests.real_data import each_record, needs_real_data, real_frame

USFLUX = SHARP_KEYWORDS["USFLUX"]
TIMES = [datetime(2013, 6, 20, 10, 36) + timedelta(minutes=12 * index) for index in range(6)]


@needs_real_data
@each_record
def test_real_headers_have_them_all_with_their_errors(record):
    cards = real_frame(record).cards
    missing = [name for name in SHARP_KEYWORDS if number_in(cards, name) is None]
    assert set(missing) <= {"R_VALUE"}  # nan in the older ones
    for keyword in SHARP_KEYWORDS.values():
        assert not keyword.error or number_in(cards, keyword.error) is not None
    named = {word for keyword in SHARP_KEYWORDS.values() for word in (keyword.name, keyword.error)}
    # no error of a header is left out but that of nobody
    assert {card for card in cards if re.fullmatch("ERR[A-Z]+", card)} <= named


@needs_real_data
@each_record
def test_the_units_of_areas_are_those_of_the_numbers(record):
    """From the pixel of the filtergrams, 0.504 arcsec, and the size of the disk in the header."""
    cards = real_frame(record).cards
    pixel = 0.504**2 / (math.pi * cards["RSUN_OBS"] ** 2) * 1e6  # in millionths of the disk
    assert SHARP_KEYWORDS["SIZE"].unit == "millionths of the disk"
    assert cards["SIZE"] / cards["NPIX"] == pytest.approx(pixel, rel=0.02)
    assert SHARP_KEYWORDS["AREA_ACR"].unit == "MSH"
    mu = float(real_frame(record).geometry.mu_map(real_frame(record).shape).mean())
    assert cards["AREA_ACR"] / cards["NACR"] == pytest.approx(pixel / 2 / mu, rel=0.1)


@needs_real_data
def test_the_flux_is_that_of_the_field():
    """Of as many pixels as JSOC took, CMASK: those of the strongest field inside the patch."""
    frame = real_frame("377.20110215_020000")
    strength = np.sqrt(sum(frame.maps[segment] ** 2 for segment in ("Br", "Bt", "Bp")))
    strength[frame.maps["bitmap"] < 33] = 0
    taken = np.argsort(strength, axis=None)[-int(frame.cards["CMASK"]) :]
    flux = float(abs(frame.maps["Br"].ravel()[taken]).sum()) * frame.geometry.pixel_area_mm2 * 1e16
    curve = keyword_curve(USFLUX, [frame.cards])
    assert curve.unit == "10²² Mx"
    assert curve.values[0] == pytest.approx(flux / 1e22, rel=0.05)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (2.5e22, 2.5e22), (3, 3.0), ("2.5e+22", 2.5e22), (0, 0.0), (-1.5, -1.5), ("nan", None), (math.nan, None),
        (math.inf, None), (None, None), ("MISSING", None), ("", None), (True, None), ([1], None),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_that_is_none_is_none(value, number):
    assert number_in({"USFLUX": value}, "USFLUX") == number
    assert number_in({}, "USFLUX") is None


def test_only_those_that_a_header_gives_are_offered():
    headers = [{"R_VALUE": math.nan, "MEANGAM": 30.0}, {"USFLUX": 1e22}, {}]
    assert [keyword.name for keyword in held_keywords(headers)] == ["USFLUX", "MEANGAM"]
    assert held_keywords([{}, {"R_VALUE": "nan"}]) == held_keywords([]) == []


@pytest.mark.parametrize(
    ("values", "exponent", "unit"),
    [
        ([2.7e22, None, 9e21], 22, "10²² Mx"), ([1200.0], 0, "Mx"), ([-3e5], 5, "10⁵ Mx"), ([4e-4], -4, "10⁻⁴ Mx"),
        ([4e-3], -3, "10⁻³ Mx"), ([4e-2], 0, "Mx"), ([0.0], 0, "Mx"), ([None], 0, "Mx"),
    ],
)  # fmt: skip
def test_long_numbers_are_scaled_and_the_unit_says_so(values, exponent, unit):
    cards = [{} if value is None else {"USFLUX": value, "ERRVF": value / 10} for value in values]
    curve = keyword_curve(USFLUX, cards)
    assert (curve.exponent, curve.unit) == (exponent, unit)
    for value, scaled, error in zip(values, curve.values, curve.errors, strict=True):
        assert (value is None) == (scaled is None) == (error is None)
        if value is not None:
            assert scaled * 10.0**exponent == pytest.approx(value)
            assert error == pytest.approx(scaled / 10)


def chart_of(values, errors, times=TIMES):
    curve = KeywordCurve(USFLUX, values, errors, 22)
    figure = keyword_chart(times[: len(values)], curve, cadence_s=720)
    return {trace.name: trace for trace in figure.data}, figure


def test_a_chart_has_the_values_and_the_errors_around_them():
    traces, figure = chart_of([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    assert [list(traces["keyword"].x), list(traces["keyword"].y)] == [[*TIMES[:3], None], [1, 2, 3, None]]
    assert list(traces["error"].x) == [*TIMES[:3], *TIMES[2::-1], None]
    assert traces["error"].y[:-1] == pytest.approx([1.1, 2.2, 3.3, 2.7, 1.8, 0.9])
    assert (traces["error"].fill, traces["error"].hoverinfo) == ("toself", "skip")
    assert figure.layout.yaxis.title.text == "USFLUX [10²² Mx]"
    assert figure.layout.xaxis.title.text == "T_REC [TAI]"


@pytest.mark.parametrize(
    ("values", "times", "pieces"),
    [
        ([1.0, None, 3.0, 4.0], TIMES[:4], [[0], [2, 3]]),
        ([1.0, 2.0, 3.0], [TIMES[0], TIMES[1], TIMES[5]], [[0, 1], [2]]),
    ],
    ids=["no value", "no frame"],
)
def test_gaps_are_not_bridged(values, times, pieces):
    errors = [None if value is None else 0.1 for value in values]
    traces, _ = chart_of(values, errors, times)
    line = [index for piece in pieces for index in (*piece, None)]
    assert list(traces["keyword"].x) == [None if index is None else times[index] for index in line]
    (whole,) = (piece for piece in pieces if len(piece) > 1)
    assert traces["error"].x == (*(times[i] for i in whole), *(times[i] for i in whole[::-1]), None)
    assert traces["keyword"].connectgaps is False


@pytest.mark.parametrize(
    ("values", "errors", "alone"),
    [
        ([1.0], [0.25], [0]),
        ([1.0, None, 3.0], [0.1, None, 0.3], [0, 2]),
        ([1.0, 2.0, None, 4.0], [0.1, 0.2, None, 0.4], [3]),
        ([1.0, None, 3.0], [0.1, None, None], [0]),
        ([1.0, 2.0, 3.0], [None, 0.2, None], [1]),
    ],
    ids=["one frame", "all alone", "beside a band", "one without", "one with"],
)
def test_a_frame_that_stands_alone_has_a_bar(values, errors, alone):
    traces, _ = chart_of(values, errors)
    bars = traces["error of single frames"]
    assert (list(bars.x), list(bars.y)) == ([TIMES[i] for i in alone], [values[i] for i in alone])
    assert list(bars.error_y.array) == [errors[i] for i in alone]
    assert ("error" in traces) == (values[1:2] == [2.0] and errors[0] is not None)
    assert "±" in traces["keyword"].hovertemplate


@pytest.mark.parametrize(("values", "errors"), [([1.0, 2.0], [None, None]), ([None], [None])])
def test_without_errors_there_is_no_band(values, errors):
    traces, _ = chart_of(values, errors)
    assert set(traces) == {"keyword"}
    assert "±" not in traces["keyword"].hovertemplate
