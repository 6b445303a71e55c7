"""A figure is tested by its traces, shapes and axis titles, not by its pixels."""

from dataclasses import replace
from datetime import datetime, timedelta

import plotly.graph_objects as go
import pytest

from processing.figures import (
    EVENT_SYMBOLS,
    EventMark,
    LightCurve,
    SolarMark,
    keyword_chart,
    light_curves,
    limb_darkening_figure,
    mu_over_time,
)
from processing.limb_darkening import LIMB_DARKENING, LimbDarkeningFit, QuietCurve, fit_limb_darkening
from processing.sharp_keywords import SHARP_KEYWORDS, KeywordCurve

TIMES = [datetime(2013, 6, 20, 10, 36) + timedelta(minutes=12 * index) for index in range(5)]
CURVE = LightCurve(
    times=TIMES,
    area_mm2=[10.0, 11.0, None, 12.0, 12.5],
    n_pores=[3, 3, None, 4, 0],
    flux_positive_mx=[1e20, 1.1e20, None, 1.2e20, 0.0],
    flux_negative_mx=[-2e20, -2e20, None, -2.2e20, 0.0],
)
EVENTS = (
    EventMark(TIMES[1], "merge", "pending", "merge of 2 and 3"),
    EventMark(TIMES[3], "split", "accept", "split of 4"),
    EventMark(TIMES[4], "merge", "reject", "merge of 5 and 6"),
)


@pytest.fixture
def figure() -> go.Figure:
    return light_curves(CURVE, gaps=[(TIMES[1], TIMES[3])], events=EVENTS)


def trace(figure: go.Figure, name: str) -> go.Scatter:
    (found,) = figure.select_traces({"name": name})
    return found


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("area", CURVE.area_mm2),
        ("pores", CURVE.n_pores),
        ("positive flux", [1.0, 1.1, None, 1.2, 0.0]),
        ("negative flux", [-2.0, -2.0, None, -2.2, 0.0]),
    ],
)
def test_curves_show_what_was_measured_and_do_not_bridge_gaps(figure, name, values):
    curve = trace(figure, name)
    assert list(curve.x) == TIMES
    assert list(curve.y) == pytest.approx(values)
    assert curve.connectgaps is False


def test_axes_say_what_and_in_which_unit(figure):
    titles = [axis.title.text for axis in figure.select_yaxes()]
    assert titles == ["events", "area [Mm²]", "pores", "flux [10²⁰ Mx]"]
    assert [axis.title.text for axis in figure.select_xaxes()][-1] == "T_REC [TAI]"


def test_all_panels_share_one_time_axis(figure):
    matched = {axis.matches for axis in figure.select_xaxes()}
    assert len(matched - {None}) == 1


def test_polarities_differ_without_colour(figure):
    assert trace(figure, "positive flux").line.dash != trace(figure, "negative flux").line.dash


def test_the_legend_names_the_polarities_alone_and_stands_on_their_panel(figure):
    assert [curve.name for curve in figure.data if curve.showlegend is not False] == ["positive flux", "negative flux"]
    assert figure.layout.showlegend is True
    (axis,) = figure.select_yaxes({"title.text": "flux [10²⁰ Mx]"})
    assert (figure.layout.legend.y, figure.layout.legend.yanchor) == (axis.domain[1], "bottom")


@pytest.mark.parametrize("solar", [[], [SolarMark(TIMES[0], "flare", "M1.0", "")]], ids=["run alone", "with the Sun"])
def test_a_flux_that_is_never_known_has_no_panel(solar):
    # the third slot is missing, and the last has no pore, whose flux of 0 says nothing
    unknown = [None, None, None, None, 0.0]
    without = light_curves(replace(CURVE, flux_positive_mx=unknown, flux_negative_mx=unknown), solar=solar)
    whole = light_curves(CURVE, solar=solar)
    titles = [axis.title.text for axis in whole.select_yaxes()]
    assert [axis.title.text for axis in without.select_yaxes()] == titles[:-1]
    assert {curve.name for curve in whole.data} - {curve.name for curve in without.data} == {
        "positive flux", "negative flux",
    }  # fmt: skip
    assert [axis.title.text for axis in without.select_xaxes()][-1] == "T_REC [TAI]"
    assert without.layout.height == whole.layout.height - 140
    assert without.layout.showlegend is False


def test_a_flux_that_is_known_once_has_its_panel():
    curve = replace(CURVE, flux_positive_mx=[None, 1e20, None, None, 0.0], flux_negative_mx=[None] * 5)
    assert trace(light_curves(curve), "positive flux").y[1] == 1


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (1, 1), (6, 1), (7, 2), (12, 2), (13, 5), (37, 10), (250, 50), (9000, 2000)]
)
def test_pores_are_counted_in_whole_numbers(most, step):
    figure = light_curves(replace(CURVE, n_pores=[0, most, None, 0, 0]))
    (axis,) = figure.select_yaxes({"title.text": "pores"})
    assert axis.dtick == step
    assert isinstance(axis.dtick, int)


def figures_of(times: list[datetime]) -> list[go.Figure]:
    n = len(times)
    keyword = KeywordCurve(SHARP_KEYWORDS["USFLUX"], [1.0] * n, [0.1] * n, 0)
    return [
        light_curves(LightCurve(times, [1.0] * n, [1] * n, [1e20] * n, [-1e20] * n)),
        mu_over_time(times, [0.9] * n, [0.8] * n, [1.0] * n),
        keyword_chart(times, keyword, cadence_s=720),
    ]


def test_one_moment_has_hours_around_it_and_more_have_what_they_span():
    for alone, more in zip(figures_of(TIMES[:1]), figures_of(TIMES), strict=True):
        ranges = {axis.range for axis in alone.select_xaxes()}
        assert ranges == {(TIMES[0] - timedelta(hours=1.5), TIMES[0] + timedelta(hours=1.5))}
        assert {axis.range for axis in more.select_xaxes()} == {None}


def test_a_solar_event_is_in_sight_of_a_single_frame():
    curve = LightCurve(TIMES[:1], [1.0], [1], [1e20], [-1e20])
    figure = light_curves(curve, solar=[SolarMark(TIMES[0] + timedelta(hours=3), "flare", "M1.0", "")])
    assert {axis.range for axis in figure.select_xaxes()} == {None}


def test_mu_says_which_line_is_which_without_colour():
    figure = mu_over_time(TIMES, [0.9] * 5, [0.8] * 5, [1.0] * 5)
    assert figure.layout.showlegend is not False
    assert [set(trace(figure, name).y) for name in ("greatest", "middle", "least")] == [{1.0}, {0.9}, {0.8}]
    assert len({(line.line.dash, line.line.width) for line in figure.data}) == 3


def test_mu_of_one_record_is_seen():
    figure = mu_over_time(TIMES[:1], [0.9], [0.8], [1.0])
    assert {line.mode for line in figure.data} == {"markers"}
    assert len({line.marker.symbol for line in figure.data}) == 3


def test_gaps_are_shaded_in_every_panel(figure):
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(TIMES[1], TIMES[3])}
    assert {shape.type for shape in figure.layout.shapes} == {"rect"}
    assert {shape.layer for shape in figure.layout.shapes} == {"below"}
    assert len({shape.xref for shape in figure.layout.shapes}) == 4


@pytest.mark.parametrize("kind", EVENT_SYMBOLS)
def test_events_stand_at_their_time_with_their_state(figure, kind):
    marks = trace(figure, kind)
    expected = [event for event in EVENTS if event.kind == kind]
    assert list(marks.x) == [event.time for event in expected]
    assert list(marks.customdata) == [[event.state, event.address] for event in expected]
    assert list(marks.text) == [event.text for event in expected]
    assert marks.marker.symbol == EVENT_SYMBOLS[kind]


def test_kinds_differ_without_colour():
    assert len(set(EVENT_SYMBOLS.values())) == len(EVENT_SYMBOLS)


def test_nothing_to_show_is_a_figure_too():
    figure = light_curves(LightCurve([], [], [], [], []))
    assert len(figure.data) == len(EVENT_SYMBOLS) + 4
    assert not figure.layout.shapes


def test_it_can_be_sent_to_the_page(figure):
    assert go.Figure(go.Figure(figure).to_dict()) == figure
    assert '"connectgaps":false' in figure.to_json()


@pytest.fixture
def fit() -> LimbDarkeningFit:
    """A Sun one per cent brighter at mu 0.7 than the law says; the bin at 0.6 has too few pixels."""
    mu = [0.6, 0.7, 0.8, 0.9, 0.98]
    law = LIMB_DARKENING["neckel-labs-6173"]
    intensity = [57_000 * float(law.at(at)) * bright for at, bright in zip(mu, [1, 1.01, 1, 1, 1], strict=True)]
    curve = QuietCurve([0.55, 0.65, 0.75, 0.85, 0.95, 1.0], [50, 1000, 2000, 3000, 4000], mu, intensity)
    return fit_limb_darkening(curve, "neckel-labs-6173")


def test_limb_darkening_shows_bins_law_and_fit(fit):
    figure = limb_darkening_figure(fit)
    measured, law = trace(figure, "measured"), trace(figure, "neckel-labs-6173")
    assert list(measured.x) == fit.mu == [0.7, 0.8, 0.9, 0.98]
    assert list(measured.y) == fit.measured
    assert [row[0] for row in measured.customdata] == fit.n
    assert (law.x[0], law.x[-1], law.y[-1]) == pytest.approx((0.7, 1, 1))
    assert list(trace(figure, "fit").y) == fit.fitted
    assert trace(figure, "fit").line.dash != law.line.dash


def test_limb_darkening_has_its_residuals_in_per_cent(fit):
    figure = limb_darkening_figure(fit)
    residuals = trace(figure, "measured from the law")
    assert residuals.y[0] - residuals.y[1] == pytest.approx(1, abs=0.01)
    assert residuals.yaxis == "y2"
    assert list(trace(figure, "fit from the law").y) == pytest.approx(
        [100 * (a / b - 1) for a, b in zip(fit.fitted, fit.expected, strict=True)]
    )
    assert [axis.title.text for axis in figure.select_yaxes()] == ["intensity / disk centre", "from the law [%]"]
    assert [axis.title.text for axis in figure.select_xaxes()] == [None, "mu"]
    assert len({axis.matches for axis in figure.select_xaxes()} - {None}) == 1
    assert go.Figure(figure.to_dict()) == figure
