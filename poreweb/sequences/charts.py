"""The figure of a sequence's shifts."""

import json
from typing import Any

import plotly.graph_objects as go

from poreweb.sequences.models import Sequence
from processing.timekeys import tai_of


def shift_figure(sequence: Sequence) -> dict[str, Any] | None:
    """By how much each frame was moved, pixels over T_REC (TAI); None when it was not coaligned."""
    if not sequence.shifts:
        return None
    times = [tai_of(t_rec_s) for t_rec_s in sequence.times[: len(sequence.shifts)]]  # it may have stopped on the way
    figure = go.Figure()
    for column, (name, dash, symbol) in enumerate((("rows", "solid", "circle"), ("columns", "dot", "x"))):
        figure.add_trace(
            go.Scatter(
                x=times, y=[shift and shift[column] for shift in sequence.shifts], name=name, mode="lines+markers",
                line={"dash": dash, "width": 1.5}, marker={"symbol": symbol, "size": 5},
                hovertemplate="%{y:.2f} px<extra>%{fullData.name}</extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(type="date", title_text="T_REC [TAI]")
    figure.update_yaxes(title_text="moved by [pixels]")
    figure.update_layout(
        template="none", height=260, margin={"l": 60, "r": 12, "t": 8, "b": 44}, hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    drawn: dict[str, Any] = json.loads(figure.to_json())
    return drawn
