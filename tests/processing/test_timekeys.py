"""T_REC is TAI; what a reader of UTC sees differs by the leap seconds known at that moment."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.errors import FrameError
from processing.timekeys import CADENCE_S, compact_t_rec, format_t_rec, gaps_in, parse_t_rec, utc_of

moments = st.integers(parse_t_rec("2010.05.01_00:00:00_TAI"), parse_t_rec("2040.01.01_00:00:00_TAI"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1993.01.01_00:00:00_TAI", 0),
        ("1993.01.01_00:12:00_TAI", CADENCE_S),
        ("2010.05.01_00:00:00_TAI", 546_825_600),
        ("2013.06.20_10:36:00_TAI", 645_878_160),
        ("2013.06.20_10:36_TAI", 645_878_160),
        ("2013.06.20_10:36:00.000_TAI", 645_878_160),
        (" 2013.06.20_10:36:00_TAI ", 645_878_160),
        ("20130620_103600_TAI", 645_878_160),
        ("2012.02.29_23:48:00_TAI", 604_712_880),
    ],
)
def test_known_times(text, seconds):
    assert parse_t_rec(text) == seconds


def test_slots_of_the_series_are_whole_cadences():
    assert parse_t_rec("2013.06.20_10:36:00_TAI") % CADENCE_S == 0


@given(moments)
def test_both_notations_give_the_moment_back(seconds):
    assert parse_t_rec(format_t_rec(seconds)) == seconds
    assert parse_t_rec(compact_t_rec(seconds)) == seconds


@pytest.mark.parametrize(
    ("t_rec", "utc"),
    [
        ("2011.02.15_02:00:34_TAI", datetime(2011, 2, 15, 2)),  # TAI - UTC = 34 s
        ("2013.06.20_10:36:35_TAI", datetime(2013, 6, 20, 10, 36)),  # 35 s
        ("2015.07.01_00:00:36_TAI", datetime(2015, 7, 1)),  # 36 s from this very moment
        ("2017.09.06_12:00:37_TAI", datetime(2017, 9, 6, 12)),  # 37 s
    ],
)
def test_utc_knows_the_leap_seconds(t_rec, utc):
    assert utc_of(parse_t_rec(t_rec)) == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "2013-06-20T10:36:00",
        "2013.06.20_10:36:00_UTC",
        "2013.06.20_10:36:00",
        "2013.13.01_00:00:00_TAI",
        "2013.02.29_00:00:00_TAI",
        "2013.06.20_24:00:00_TAI",
        "20130620_1036_TAI",
        "2013.06.20_10:36:00_TAI and more",
        "0000.01.01_00:00:00_TAI",
    ],
)
def test_it_refuses_what_is_no_time(text):
    with pytest.raises(FrameError, match="is not a T_REC"):
        parse_t_rec(text)


def test_gaps_lie_between_first_and_last():
    held = [0, 720, 2160, 4320]
    assert [list(missing) for missing in gaps_in(held)] == [[1440], [2880, 3600]]
    assert gaps_in(held[::-1]) == gaps_in(held)


def test_a_gap_of_ages_costs_nothing():
    (missing,) = gaps_in([0, 10**13])
    assert len(missing) == 10**13 // CADENCE_S


@pytest.mark.parametrize("held", [[], [720], [0, 720, 1440]], ids=["none", "one", "all"])
def test_nothing_is_missing(held):
    assert gaps_in(held) == []


@given(st.sets(st.integers(0, 40), min_size=1))
def test_held_and_missing_make_up_the_grid(slots):
    held = [slot * CADENCE_S for slot in slots]
    missing = [slot for gap in gaps_in(held) for slot in gap]
    assert sorted([*held, *missing]) == list(range(min(held), max(held) + 1, CADENCE_S))
