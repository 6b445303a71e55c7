"""Tables to plotly figures. Colours of the page are put in by the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from processing.limb_darkening import LimbDarkeningFit, law_named

# Shape per kind of event: told apart without colour.
EVENT_SYMBOLS = {"merge": "triangle-down", "split": "triangle-up", "gap": "diamond-open"}


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


def light_curves(
    curve: LightCurve, *, gaps: Sequence[tuple[datetime, datetime]] = (), events: Sequence[EventMark] = ()
) -> go.Figure:
    """
    Total area, number of pores and flux of each polarity over one time axis (TAI).

    Gaps are shaded and never bridged by a line. Events stand above the curves, one
    shape per kind; their state and address are in ``customdata`` for the page to
    colour and to follow.
    """
    figure = make_subplots(
        rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.035, row_heights=[0.13, 0.29, 0.29, 0.29]
    )
    for kind, symbol in EVENT_SYMBOLS.items():
        marks = [event for event in events if event.kind == kind]
        figure.add_trace(
            go.Scatter(
                x=[mark.time for mark in marks], y=[kind] * len(marks), mode="markers", name=kind,
                marker={"symbol": symbol, "size": 10, "line": {"width": 1.5}},
                customdata=[[mark.state, mark.address] for mark in marks], text=[mark.text for mark in marks],
                hovertemplate="%{text} (%{customdata[0]})<extra></extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
    lines = (
        (2, curve.area_mm2, "area", "solid"),
        (3, curve.n_pores, "pores", "solid"),
        (4, _in_1e20(curve.flux_positive_mx), "positive flux", "solid"),
        (4, _in_1e20(curve.flux_negative_mx), "negative flux", "dot"),
    )
    for row, values, name, dash in lines:
        figure.add_trace(
            go.Scatter(
                x=list(curve.times), y=list(values), mode="lines+markers", name=name, connectgaps=False,
                line={"dash": dash, "width": 1.5, "shape": "hv" if name == "pores" else "linear"}, marker={"size": 4},
            ),
            row=row, col=1,
        )  # fmt: skip
    for begin, end in gaps:
        figure.add_vrect(x0=begin, x1=end, line_width=0, fillcolor="rgba(128,128,128,0.28)", layer="below")
    figure.update_yaxes(
        title_text="events", row=1, col=1, type="category", categoryarray=["gap", "split", "merge"], range=[-0.5, 2.5]
    )
    figure.update_xaxes(type="date")
    figure.update_yaxes(title_text="area [Mm²]", row=2, col=1, rangemode="tozero")
    figure.update_yaxes(title_text="pores", row=3, col=1, rangemode="tozero")
    figure.update_yaxes(title_text="flux [10²⁰ Mx]", row=4, col=1)
    figure.update_xaxes(title_text="T_REC [TAI]", row=4, col=1)
    figure.update_layout(
        template="none", height=560, margin={"l": 70, "r": 12, "t": 8, "b": 44}, showlegend=False, hovermode="x",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def _in_1e20(flux_mx: Sequence[float | None]) -> list[float | None]:
    """Flux in units of 1e20 Mx, so that the axis needs no powers."""
    return [None if value is None else value / 1e20 for value in flux_mx]


def quiet_sun_levels(times: Sequence[datetime], levels: Sequence[float]) -> go.Figure:
    """Quiet-Sun level of each frame (DN/s at disk centre) over time (TAI)."""
    figure = go.Figure(
        go.Scatter(
            x=list(times), y=list(levels), name="level", mode="lines+markers", line={"width": 1.5}, marker={"size": 4},
            hovertemplate="%{x}: %{y:.0f} DN/s<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(type="date", title_text="T_REC [TAI]")
    figure.update_yaxes(title_text="quiet Sun [DN/s]")
    figure.update_layout(
        template="none", height=220, margin={"l": 70, "r": 12, "t": 8, "b": 44}, showlegend=False,
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
        template="none", height=420, margin={"l": 70, "r": 12, "t": 8, "b": 44}, hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure


def mu_over_time(
    times: Sequence[datetime], middle: Sequence[float], lowest: Sequence[float], highest: Sequence[float]
) -> go.Figure:
    """Mu at the middle of a patch over T_REC (TAI), within the range that the patch has."""
    figure = go.Figure()
    quiet = {"width": 1, "dash": "dot"}
    for name, values, line in (
        ("lowest", lowest, quiet), ("highest", highest, quiet), ("middle", middle, {"width": 1.8}),
    ):  # fmt: skip
        figure.add_trace(go.Scatter(x=list(times), y=list(values), mode="lines", name=name, line=line))
    figure.update_xaxes(type="date", title_text="T_REC [TAI]")
    figure.update_yaxes(title_text="mu", range=[0, 1.02])
    figure.update_layout(
        template="none", height=220, margin={"l": 56, "r": 12, "t": 8, "b": 44}, showlegend=False, hovermode="x",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    return figure
