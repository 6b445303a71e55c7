"""Tables to plotly figures. Colours of the page are put in by the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from processing.limb_darkening import LimbDarkeningFit, law_named
from processing.sharp_keywords import KeywordCurve
from processing.solar_events import goes_level

# Shape per kind of event: told apart without colour.
EVENT_SYMBOLS = {"merge": "triangle-down", "split": "triangle-up", "gap": "diamond-open"}
SOLAR_SYMBOLS = {"flare": "star", "emerging flux": "arrow-up-open", "sunspot": "circle"}
# Lines of the row of solar events: flares of classes C, M and X rise above their own, the others stand on it.
SOLAR_LINES = {0: "sunspot", 1: "emerging", 2: "flare", 3: "C", 4: "M", 5: "X"}

# Names of the traces of a keyword's error.
ERROR_BAND, ERROR_BARS = "error", "error of single frames"


@dataclass(frozen=True)
class LightCurve:
    """
    One value per frame, in order of time; None where a slot is missing or was not measured.

    ``times`` are TAI; areas in Mm2, fluxes in Mx.
    """

    times: Sequence[datetime]
    area_mm2: Sequence[float | None]
    n_pores: Sequence[int | None]
    flux_positive_mx: Sequence[float | None]
    flux_negative_mx: Sequence[float | None]


@dataclass(frozen=True)
class EventMark:
    """One event on the time axis."""

    time: datetime
    kind: str
    state: str
    text: str
    address: str = ""


@dataclass(frozen=True)
class SolarMark:
    """One solar event on the time axis; ``kind`` is a key of `SOLAR_SYMBOLS`, ``goes_class`` "" where there is none."""

    time: datetime
    kind: str
    goes_class: str
    text: str

    @property
    def height(self) -> float:
        """In the row of solar events: a line of `SOLAR_LINES`, or between two of them."""
        if self.kind != "flare":
            return 0 if self.kind == "sunspot" else 1
        level = goes_level(self.goes_class)
        return 2 if level is None else max(2.0, 1 + level)


def light_curves(
    curve: LightCurve,
    *,
    gaps: Sequence[tuple[datetime, datetime]] = (),
    events: Sequence[EventMark] = (),
    solar: Sequence[SolarMark] = (),
) -> go.Figure:
    """
    Total area, number of pores and flux of each polarity over one time axis (TAI).

    Gaps are shaded and never bridged by a line. Events stand above the curves, one
    shape per kind; their state and address are in ``customdata`` for the page to
    colour and to follow. Solar events, if any, have a row above them. The fluxes are
    left out where there are pores and that of none is known; the figure is lower then,
    and has no legend.
    """
    has_flux = _has_flux(curve)
    heights = [0.21] * bool(solar) + [0.13, 0.29, 0.29] + [0.29] * has_flux
    figure = make_subplots(rows=len(heights), cols=1, shared_xaxes=True, vertical_spacing=0.045, row_heights=heights)
    if solar:
        _add_solar_marks(figure, solar)
    first = 1 + bool(solar)
    _add_event_marks(figure, events, row=first)
    _add_curves(figure, curve, row=first + 1, has_flux=has_flux)
    for begin, end in gaps:
        figure.add_vrect(x0=begin, x1=end, line_width=0, fillcolor="rgba(128,128,128,0.28)", layer="below")
    figure.update_xaxes(type="date", **_range_of([*curve.times, *(mark.time for mark in solar)]))
    figure.update_xaxes(title_text="T_REC [TAI]", row=len(heights), col=1)
    figure.update_layout(
        template="none", height=420 + 140 * bool(solar) + 140 * has_flux, margin={"l": 70, "r": 18, "t": 8, "b": 44},
        showlegend=has_flux, hovermode="x",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def _add_event_marks(figure: go.Figure, events: Sequence[EventMark], *, row: int) -> None:
    """The row of what the run found: one line per kind."""
    for kind, symbol in EVENT_SYMBOLS.items():
        marks = [event for event in events if event.kind == kind]
        figure.add_trace(
            go.Scatter(
                x=[mark.time for mark in marks], y=[kind] * len(marks), mode="markers", name=kind,
                marker={"symbol": symbol, "size": 10, "line": {"width": 1.5}},
                customdata=[[mark.state, mark.address] for mark in marks], text=[mark.text for mark in marks],
                hovertemplate="%{text} (%{customdata[0]})<extra></extra>", showlegend=False,
            ),
            row=row, col=1,
        )  # fmt: skip
    kinds = {"type": "category", "categoryarray": ["gap", "split", "merge"], "range": [-0.5, 2.5]}
    figure.update_yaxes(title_text="events", row=row, col=1, **kinds)


def _add_curves(figure: go.Figure, curve: LightCurve, *, row: int, has_flux: bool) -> None:
    """Area, number of pores and, below its legend, flux, from a row downwards."""
    lines = (
        (row, curve.area_mm2, "area", "solid"),
        (row + 1, curve.n_pores, "pores", "solid"),
        (row + 2, _in_1e20(curve.flux_positive_mx), "positive flux", "solid"),
        (row + 2, _in_1e20(curve.flux_negative_mx), "negative flux", "dot"),
    )
    for its_row, values, name, dash in lines if has_flux else lines[:2]:
        figure.add_trace(
            go.Scatter(
                x=list(curve.times), y=list(values), mode="lines+markers", name=name, connectgaps=False,
                line={"dash": dash, "width": 1.5, "shape": "hv" if name == "pores" else "linear"}, marker={"size": 4},
                showlegend=name.endswith("flux"),
            ),
            row=its_row, col=1,
        )  # fmt: skip
    most = max((n for n in curve.n_pores if n is not None), default=0)
    figure.update_yaxes(title_text="area [Mm²]", row=row, col=1, rangemode="tozero")
    figure.update_yaxes(title_text="pores", row=row + 1, col=1, rangemode="tozero", dtick=_whole_step(most))
    if has_flux:
        figure.update_yaxes(title_text="flux [10²⁰ Mx]", row=row + 2, col=1)
        above = {"y": figure.layout[f"yaxis{row + 2}"].domain[1], "yanchor": "bottom"}
        figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", **above})


def _has_flux(curve: LightCurve) -> bool:
    """False where there are pores and the flux of none is known; that of no pore is known, but says nothing."""
    known = [
        positive is not None or negative is not None
        for n, positive, negative in zip(curve.n_pores, curve.flux_positive_mx, curve.flux_negative_mx, strict=True)
        if n
    ]
    return any(known) or not known


def _whole_step(most: int) -> int:
    """From one tick to the next on an axis up to ``most``: 1, 2 or 5 times a power of ten, never a part of 1."""
    steps = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    return next(step for step in steps if most <= 6 * step)


def _range_of(times: Sequence[datetime]) -> dict[str, list[datetime]]:
    """
    The range of a time axis that has but one moment: an hour and a half to both sides.

    Plotly would choose a few ms, whose labels have more digits than room. Empty with more moments, or none.
    """
    if len(set(times)) != 1:
        return {}
    beside = timedelta(minutes=90)
    return {"range": [times[0] - beside, times[0] + beside]}


def _add_solar_marks(figure: go.Figure, solar: Sequence[SolarMark]) -> None:
    """The first row: flares by their GOES class, emerging flux and sunspots below them."""
    for kind, symbol in SOLAR_SYMBOLS.items():
        marks = [mark for mark in solar if mark.kind == kind]
        sizes = [7 + 2.5 * max(0, mark.height - 2) if kind == "flare" else 8 for mark in marks]
        figure.add_trace(
            go.Scatter(
                x=[mark.time for mark in marks], y=[mark.height for mark in marks], mode="markers", name=kind,
                marker={"symbol": symbol, "size": sizes, "line": {"width": 1.5}},
                text=[mark.text for mark in marks], hovertemplate="%{text}<extra></extra>", showlegend=False,
            ),
            row=1, col=1,
        )  # fmt: skip
    highest = max(mark.height for mark in solar)
    figure.update_yaxes(
        title_text="Sun", row=1, col=1, tickvals=list(SOLAR_LINES), ticktext=list(SOLAR_LINES.values()),
        range=[-0.6, max(5.0, highest) + 0.6],
    )  # fmt: skip


def _in_1e20(flux_mx: Sequence[float | None]) -> list[float | None]:
    """Flux in units of 1e20 Mx, so that the axis needs no powers."""
    return [None if value is None else value / 1e20 for value in flux_mx]


def quiet_sun_levels(times: Sequence[datetime], levels: Sequence[float], *, unit: str = "DN/s") -> go.Figure:
    """Quiet-Sun level of each frame (at disk centre) over time (TAI)."""
    digits = ".0f" if unit == "DN/s" else ".5~g"  # what other instruments count from may be 1
    figure = go.Figure(
        go.Scatter(
            x=list(times), y=list(levels), name="level", mode="lines+markers", line={"width": 1.5}, marker={"size": 4},
            hovertemplate=f"%{{x}}: %{{y:{digits}}} {unit}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(type="date", title_text="T_REC [TAI]", **_range_of(times))
    figure.update_yaxes(title_text=f"quiet Sun [{unit}]" if unit else "quiet Sun")
    figure.update_layout(
        template="none", height=220, margin={"l": 70, "r": 18, "t": 8, "b": 44}, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def limb_darkening_figure(fit: LimbDarkeningFit) -> go.Figure:
    """
    Quiet-Sun intensity over mu: measured bins, the law that was divided out, a free fit; below, per cent from the law.

    The law is drawn to disk centre, the fit only where bins were measured. ``customdata``
    of the bins are their pixels.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.62, 0.38])
    mu = np.linspace(min(fit.mu), 1, 61)
    from_law = [100 * (ratio - 1) for ratio in fit.ratio]
    fit_from_law = [100 * (fitted / expected - 1) for fitted, expected in zip(fit.fitted, fit.expected, strict=True)]
    counts = [[n] for n in fit.n]
    hover = "mu %{x:.3f}: %{y:.4f}, %{customdata[0]} pixels<extra></extra>"
    points = {"symbol": "circle-open", "size": 7, "line": {"width": 1.5}}
    traces = (
        (1, go.Scatter(x=fit.mu, y=fit.measured, name="measured", mode="markers", marker=points,
                       customdata=counts, hovertemplate=hover)),
        (1, go.Scatter(x=mu.tolist(), y=law_named(fit.law).at(mu).tolist(), name=fit.law, mode="lines",
                       line={"dash": "solid", "width": 1.5})),
        (1, go.Scatter(x=fit.mu, y=fit.fitted, name="fit", mode="lines", line={"dash": "dash", "width": 1.5})),
        (2, go.Scatter(x=fit.mu, y=from_law, name="measured from the law", mode="markers", marker=points,
                       customdata=counts, hovertemplate=hover.replace(".4f", ".2f"), showlegend=False)),
        (2, go.Scatter(x=fit.mu, y=fit_from_law, name="fit from the law", mode="lines",
                       line={"dash": "dash", "width": 1.5}, showlegend=False)),
    )  # fmt: skip
    for row, trace in traces:
        figure.add_trace(trace, row=row, col=1)
    figure.add_hline(y=0, row=2, col=1, line={"width": 1, "dash": "solid"}, opacity=0.5)
    figure.update_yaxes(title_text="intensity / disk centre", row=1, col=1)
    figure.update_yaxes(title_text="from the law [%]", row=2, col=1)
    figure.update_xaxes(title_text="mu", row=2, col=1)
    figure.update_layout(
        template="none", height=420, margin={"l": 70, "r": 18, "t": 8, "b": 44}, hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def mu_over_time(
    times: Sequence[datetime], middle: Sequence[float], lowest: Sequence[float], highest: Sequence[float]
) -> go.Figure:
    """Mu at the middle of a patch over T_REC (TAI), and the least and the greatest that the patch has."""
    figure = go.Figure()
    mode = "lines" if len(times) > 1 else "markers"
    for name, values, symbol, line in (
        ("greatest", highest, "triangle-up-open", {"width": 1.2, "dash": "dash"}),
        ("middle", middle, "circle", {"width": 1.8}),
        ("least", lowest, "triangle-down-open", {"width": 1.2, "dash": "dot"}),
    ):
        figure.add_trace(
            go.Scatter(
                x=list(times), y=list(values), mode=mode, name=name, line=line, marker={"symbol": symbol, "size": 8},
                hovertemplate="%{y:.3f}<extra>%{fullData.name}</extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(type="date", title_text="T_REC [TAI]", **_range_of(times))
    figure.update_yaxes(title_text="mu", range=[0, 1.02])
    figure.update_layout(
        template="none", height=250, margin={"l": 56, "r": 18, "t": 8, "b": 44}, hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def keyword_chart(times: Sequence[datetime], curve: KeywordCurve, *, cadence_s: int) -> go.Figure:
    """
    One SHARP keyword over time (TAI), with its error as a band, and as a bar at a frame that stands alone.

    ``times`` are those of the curve's values. The line breaks where more than the cadence
    lies between two frames, or where a header gives no value.
    """
    step = timedelta(seconds=cadence_s)
    pieces: list[list[int]] = []
    for index, value in enumerate(curve.values):
        if value is None:
            continue
        before = pieces[-1][-1] if pieces else None
        if before is not None and before == index - 1 and times[index] - times[before] < 1.5 * step:
            pieces[-1].append(index)
        else:
            pieces.append([index])
    figure = go.Figure()
    for trace in (_band(times, curve, pieces), _bars(times, curve, pieces)):
        if trace.x:
            figure.add_trace(trace)
    has_errors = bool(figure.data)
    line = [index for piece in pieces for index in (*piece, None)]
    figure.add_trace(
        go.Scatter(
            x=[None if index is None else times[index] for index in line],
            y=[None if index is None else curve.values[index] for index in line],
            customdata=[None if index is None else curve.errors[index] for index in line],
            name="keyword", mode="lines+markers", connectgaps=False, line={"width": 1.5}, marker={"size": 4},
            hovertemplate=f"%{{y:.5~g}}{' ± %{customdata:.2~g}' if has_errors else ''} {curve.unit}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(type="date", title_text="T_REC [TAI]", **_range_of(times))
    figure.update_yaxes(title_text=f"{curve.keyword.name} [{curve.unit}]")
    figure.update_layout(
        template="none", height=300, margin={"l": 70, "r": 18, "t": 8, "b": 44}, showlegend=False, hovermode="x",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def _band(times: Sequence[datetime], curve: KeywordCurve, pieces: Sequence[Sequence[int]]) -> go.Scatter:
    """Closed areas from value - error to value + error, one for each piece of more than a frame."""
    x: list[datetime | None] = []
    y: list[float | None] = []
    for known in _with_error(curve, pieces):
        if len(known) == 1:
            continue
        at = [times[index] for index in known]
        middle = np.array([curve.values[index] for index in known], dtype=float)
        error = np.array([curve.errors[index] for index in known], dtype=float)
        x += [*at, *at[::-1], None]
        y += [*(middle + error).tolist(), *(middle - error)[::-1].tolist(), None]
    return go.Scatter(x=x, y=y, name=ERROR_BAND, mode="lines", fill="toself", line={"width": 0}, hoverinfo="skip")


def _bars(times: Sequence[datetime], curve: KeywordCurve, pieces: Sequence[Sequence[int]]) -> go.Scatter:
    """The errors of frames that stand alone, where a band would have no width."""
    alone = [known[0] for known in _with_error(curve, pieces) if len(known) == 1]
    return go.Scatter(
        x=[times[index] for index in alone], y=[curve.values[index] for index in alone], name=ERROR_BARS,
        mode="markers", marker={"size": 4}, hoverinfo="skip",
        error_y={"type": "data", "array": [curve.errors[index] for index in alone], "thickness": 1.5, "width": 5},
    )  # fmt: skip


def _with_error(curve: KeywordCurve, pieces: Sequence[Sequence[int]]) -> list[list[int]]:
    """Those frames of each piece whose error is known; pieces without any are left out."""
    known = ([index for index in piece if curve.errors[index] is not None] for piece in pieces)
    return [piece for piece in known if piece]
