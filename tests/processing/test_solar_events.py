"""Events as HEK lists them: what is read of a row, and which are a patch's."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import sun

from processing import solar_events
from processing.figures import SOLAR_LINES, SOLAR_SYMBOLS, LightCurve, SolarMark, light_curves
from processing.geometry import CeaGeometry
from processing.locator import disk_place
from processing.solar_events import (
    PatchMoment,
    SolarEvent,
    events_at,
    events_of,
    goes_level,
    one_per_flare,
    pieces_of,
)
from tests.processing.hek_rows import DAY, SOLARSOFT, SPOT, SWPC, flare
from tests.real_data import needs_real_data, real_frame

# -- Rows ------------------------------------------------------------------------------------------


def test_a_row_is_read():
    (event,) = events_of([SOLARSOFT])
    assert event == SolarEvent(
        key="ivo://helio-informatics.org/FL_SSWLatestEvents_20110215_1", kind="FL",
        start=datetime(2011, 2, 15, 1, 44), peak=datetime(2011, 2, 15, 1, 56), end=datetime(2011, 2, 15, 2, 6),
        finder="SSW Latest Events", goes_class="X2.2", lon_deg=12.0, lat_deg=-21.0, tx=190.1, ty=-234.6,
        noaa_ar=11158,
    )  # fmt: skip


def test_the_area_of_a_spot_is_in_millionths_of_the_hemisphere():
    (spot,) = events_of([SPOT])
    assert spot.area_msh == pytest.approx(100.0, rel=1e-4)  # 1 MSH is 3.0437e6 km2
    assert spot.peak is None
    assert spot.moment == spot.start
    (unknown,) = events_of([{**SPOT, "area_unit": "arcsec2"}])
    assert unknown.area_msh is None


def test_a_place_that_nobody_gave_is_not_disk_centre():
    (event,) = events_of([SWPC])
    assert (event.lon_deg, event.lat_deg, event.tx, event.ty) == (None, None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"kb_archivid": ""}, {"event_starttime": ""}, {"event_starttime": "soon"}, {"event_type": "CE"},
        {"event_type": None},
    ],
    ids=["no key", "no time", "no such time", "another kind", "no kind"],
)  # fmt: skip
def test_what_cannot_be_placed_in_time_or_named_is_left_out(changes):
    assert events_of([{**SWPC, **changes}]) == []
    assert len(events_of([{**SWPC, **changes}, SWPC, SWPC])) == 1


def test_an_event_does_not_end_before_it_begins():
    assert all(
        event.end == event.start
        for event in events_of([{**SPOT, "event_endtime": None}, {**SWPC, "event_endtime": "2011-02-14T00:00:00"}])
    )


values = st.one_of(
    st.none(), st.text(max_size=8), st.floats(), st.integers(), st.booleans(), st.just("2011-02-15T01:44:00Z")
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(SPOT | SWPC, values)), max_size=5))
def test_no_row_is_too_odd(rows):
    for event in one_per_flare(events_of([{**SWPC, **row} for row in rows])):
        assert event.start <= event.end
        assert event.noaa_ar is None or event.noaa_ar > 0


@pytest.mark.parametrize(
    ("goes_class", "level"),
    [("A1.0", 0), ("B1.0", 1), ("C1.0", 2), ("M1.0", 3), ("X1.0", 4), ("X10", 5), ("X2.2", 4.342), ("", None),
     ("Q1", None), ("X", None), ("C0.0", None), ("Xnan", None), ("M1.234567890123", None), ("C1_0", None),
     ("M\u0661", None), ("X1e1", None), ("X+2", None), ("X28.0", 5.447)],
)  # fmt: skip
def test_a_goes_class_is_a_logarithm_of_the_flux(goes_class, level):
    assert goes_level(goes_class) == (None if level is None else pytest.approx(level, abs=1e-3))


def test_no_text_or_number_is_more_than_a_database_holds():
    changes = {"kb_archivid": "ivo://" + 400 * "k", "frm_name": "SW\0PC\ud800 " + 300 * "n", "ar_noaanum": 3e9}
    (event,) = events_of([{**SWPC, **changes, "fl_goescls": "M1.234567890123"}])
    assert event.key == "ivo://" + 294 * "k"
    assert event.finder == "SWPC " + 195 * "n"
    assert (event.goes_class, event.noaa_ar) == ("", None)
    assert events_of([{**SWPC, "frm_name": "\0"}])[0].finder == "unknown"
    assert len(events_of([{**SWPC, "kb_archivid": 300 * "k" + end} for end in "ab"])) == 1  # one name, one event


@pytest.mark.parametrize("area", [0, -3e8, 1e306], ids=["none", "negative", "beyond all numbers"])
def test_an_area_that_is_none_is_none(area):
    assert events_of([{**SPOT, "area_atdiskcenter": area, "area_unit": "mm2"}])[0].area_msh is None


@pytest.mark.parametrize(("lon", "lat"), [(181.0, 10.0), (10.0, -91.0)])
def test_a_place_that_is_not_on_the_sun_is_none(lon, lat):
    assert events_of([{**SOLARSOFT, "hgs_x": lon, "hgs_y": lat}])[0].lon_deg is None


# -- Those of a patch ------------------------------------------------------------------------------

# HARP 377 on 2011-02-15 at 02:00: 744 by 377 pixels of 0.03 degrees around 13 W, 21 S.
PATCH = PatchMoment(
    datetime(2011, 2, 15, 1, 59, 26),
    CeaGeometry(372.5, 189.0, 34.879105, -21.0769, 0.03, 0.03, 21.725103, -6.8279, 147746220503.41),
    (377, 744),
)


def at_place(lon: float, lat: float, minutes: float = 120, **changes) -> SolarEvent:
    return flare(int(minutes), int(minutes), int(minutes) + 5, lon_deg=lon, lat_deg=lat, **changes)


@pytest.mark.parametrize(
    ("lon", "lat", "mine"),
    [(13.2, -21.1, True), (3.5, -20.0, True), (24.0, -21.0, True), (0.5, -21.0, True), (-1.5, -21.0, False),
     (28.5, -21.0, False), (13.0, -14.5, True), (13.0, -12.0, False), (13.0, 21.0, False), (-167.0, 21.0, False)],
)  # fmt: skip
def test_an_event_is_a_patchs_by_its_place(lon, lat, mine):
    assert bool(events_at([at_place(lon, lat)], [PATCH])) == mine


@pytest.mark.parametrize(
    ("event", "mine"),
    [
        (flare(100, 110, 120, noaa_ar=11158), True),
        (at_place(60.0, 30.0, noaa_ar=11158), True),
        (at_place(13.0, -21.0, noaa_ar=11161), False),
        (at_place(13.0, -21.0), True),
        (flare(100, 110, 120), False),
    ],
    ids=["number without place", "number of the patch", "another number", "place without number", "neither"],
)
def test_numbers_decide_where_both_are_known(event, mine):
    assert bool(events_at([event], [PATCH], noaa_ars=[11158, 11156])) == mine


def test_without_a_number_of_the_patch_the_place_decides():
    assert events_at([at_place(13.0, -21.0, noaa_ar=11161)], [PATCH])


@pytest.mark.parametrize(("hours", "mine"), [(-13, False), (-11, True), (11, True), (13, False)])
def test_time_reaches_half_a_day_beyond_the_frames(hours, mine):
    """The place goes with the Sun meanwhile: half a degree west an hour."""
    event = at_place(13.2 + 0.55 * hours, -21.0, 120 + 60 * hours)
    assert bool(events_at([event], [PATCH])) == mine


@pytest.mark.parametrize(
    ("start", "end", "mine"), [(-13, -12.5, False), (-13, -11, True), (11, 13, True), (12.5, 13, False)]
)
def test_what_began_before_or_ended_after_that_is_its_too(start, end, mine):
    event = flare(*(int(120 + 60 * hours) for hours in (start, start, end)), noaa_ar=11158)
    assert bool(events_at([event], [PATCH], noaa_ars=[11158])) == mine


def test_the_patch_is_as_it_was_at_the_nearest_frame():
    later = PATCH.at + timedelta(hours=24)
    small = PatchMoment(later, replace(PATCH.geometry, crln_obs=PATCH.geometry.crln_obs - 13.2), (10, 10))
    assert events_at([at_place(14.0, -21.0, 240)], [PATCH, small])
    assert not events_at([at_place(26.0, -21.0, 120 + 1200)], [PATCH, small])


def test_a_place_goes_west_with_the_patch():
    """The same longitude two days before was that of another region."""
    times = [PATCH.at - timedelta(days=2), PATCH.at]
    shifted = replace(PATCH.geometry, crln_obs=PATCH.geometry.crln_obs + 26.4)
    moments = [PatchMoment(times[0], shifted, PATCH.shape), PATCH]
    assert events_at([at_place(13.2, -21.0, 120)], moments)
    assert not events_at([at_place(13.2, -21.0, 120 - 2 * 1440)], moments)
    assert events_at([at_place(-13.2, -21.0, 120 - 2 * 1440)], moments)
    between = events_at([at_place(0.0, -21.0, 120 - 1440)], moments)
    assert len(between) == 1


def test_the_rotation_is_that_of_sunpy():
    for at in ("2011-02-15T02:00:00", "2013-06-20T12:00:00", "2017-09-01T22:00:00"):
        begin = datetime.fromisoformat(at)
        turned = sun.L0(begin).deg - sun.L0(begin + timedelta(hours=12)).deg
        assert turned % 360 == pytest.approx(solar_events.SYNODIC_DEG_PER_DAY / 2, abs=0.05)


@needs_real_data
def test_the_middle_of_a_real_patch_is_in_it():
    for record in ("377.20110215_020000", "2875.20130622_084800", "7115.20170906_120000"):
        frame = real_frame(record)
        place = disk_place(frame.geometry, frame.shape)
        assert place is not None
        moment = PatchMoment(DAY, frame.geometry, frame.shape)
        assert events_at([at_place(place.lon_deg, place.lat_deg, 0)], [moment])
        assert not events_at([at_place(place.lon_deg + 40, place.lat_deg, 0)], [moment])


def test_a_patch_without_frames_has_no_events():
    assert events_at([at_place(13.0, -21.0)], []) == []


@given(st.integers(0, 40 * 24))
def test_the_pieces_cover_the_time_and_no_more(hours):
    last = DAY + timedelta(hours=hours)
    pieces = pieces_of(DAY, last)
    assert pieces[0][0] == DAY - solar_events.PAD
    assert pieces[-1][1] == last + solar_events.PAD
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert all(timedelta() < end - begin <= solar_events.PIECE for begin, end in pieces)
    assert len(pieces) == int(np.ceil((hours + 24) / 48))


# -- On the timeline --------------------------------------------------------------------------------

CURVE = LightCurve([DAY], [1.0], [1], [1e20], [-1e20])


@pytest.mark.parametrize(
    ("kind", "goes_class", "line", "above"),
    [("flare", "M1.0", "M", 0), ("flare", "X2.2", "X", 0.34), ("flare", "C9.9", "C", 0.996),
     ("flare", "B4.0", "flare", 0.6), ("flare", "", "flare", 0), ("emerging flux", "", "emerging", 0),
     ("sunspot", "", "sunspot", 0)],
)  # fmt: skip
def test_a_flare_stands_at_its_class_and_the_others_below(kind, goes_class, line, above):
    mark = SolarMark(DAY, kind, goes_class, "words")
    figure = light_curves(CURVE, solar=[mark])
    (trace,) = figure.select_traces({"name": kind})
    (height,) = (at for at, words in SOLAR_LINES.items() if words == line)
    assert list(trace.y) == [pytest.approx(height + above, abs=0.01)]
    assert (list(trace.x), list(trace.text), trace.customdata) == ([DAY], ["words"], None)
    assert figure.layout.yaxis.ticktext == tuple(SOLAR_LINES.values())


def test_the_larger_flare_has_the_larger_mark():
    marks = [SolarMark(DAY, "flare", goes_class, "") for goes_class in ("", "C1.0", "M1.0", "X1.0")]
    (trace,) = light_curves(CURVE, solar=marks).select_traces({"name": "flare"})
    assert list(trace.marker.size) == sorted(set(trace.marker.size))


def test_solar_events_have_a_row_of_their_own_above_the_others():
    with_row, without = light_curves(CURVE, solar=[SolarMark(DAY, "flare", "X20", "")]), light_curves(CURVE)
    titles = [axis.title.text for axis in without.select_yaxes()]
    assert [axis.title.text for axis in with_row.select_yaxes()] == ["Sun", *titles]
    assert with_row.layout.yaxis.range[1] > 6  # X20 is on the figure
    assert len({axis.matches for axis in with_row.select_xaxes()} - {None}) == 1
    assert len(set(SOLAR_SYMBOLS.values())) == len(SOLAR_SYMBOLS)
    assert not list(without.select_traces({"name": "flare"}))
