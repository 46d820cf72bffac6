"""Colours, fonts and axes: the same meaning has the same colour in every picture."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

INK, MUTED, GRID = "#1b2330", "#667085", "#e6e9ef"
STRATEGY, BENCHMARK = "#1f5bd8", "#8f96a3"
UP, DOWN, FLAT = "#0d9488", "#d1495b", "#b9bfca"
SIMULATED = STRATEGY
ACCENT = "#c77700"
PANEL = 190
"""Height in pixels of one symbol's panel."""
PERCENT = "~%"
"""Format of an axis' ticks: as many digits as it takes to tell them apart."""
PRICES = (
    {"dtickrange": [1, None], "value": "$,.0f"},
    {"dtickrange": [0.0099, 1], "value": "$,.2f"},
    {"dtickrange": [None, 0.0099], "value": "$,~f"},
)
"""Likewise of prices, by the distance of ticks: the first range that holds it counts."""
FONT = "Inter, 'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', Arial, sans-serif"


def tint(color: str, alpha: float) -> str:
    """A colour given as #rrggbb, made transparent."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def label(text: object) -> str:
    """Text for a picture: plotly reads a little HTML, so it is escaped."""
    return html.escape(str(text))


def signed(written: str) -> str:
    """A written number with a real minus sign."""
    return written.replace("-", "\N{MINUS SIGN}")


def finish(figure: go.Figure, height: int, *, right: int = 24, top: int = 34) -> go.Figure:
    """Apply the common layout.

    Args:
        figure: changed in place.
        height: pixels.
        right: right margin in pixels; direct labels need room.
        top: top margin in pixels.
    """
    figure.update_layout(
        height=height,
        template="none",
        font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 62, "r": right, "t": top, "b": 38},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        hoverlabel={"font": {"family": FONT, "size": 12}, "bgcolor": "white"},
        showlegend=False,
        bargap=0.06,
    )
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#c9ced8",
        "tickcolor": "#c9ced8",
        "tickfont": {"size": 12, "color": MUTED},
        "title": {"font": {"size": 12, "color": MUTED}},
    }
    figure.update_xaxes(**axis, showgrid=False, ticks="outside", ticklen=4, showline=True)
    figure.update_yaxes(**axis, showgrid=True, showline=False, nticks=6)
    for note in figure.layout.annotations:  # subplot titles come as annotations
        if note.yanchor == "bottom" and note.xref == "paper":
            note.font = {"size": 13, "color": INK, "family": FONT}
    return figure


def label_ends(
    figure: go.Figure,
    ends: Sequence[tuple[object, float, str, str]],
    values: Sequence[float],
    *,
    row: int = 1,
    col: int = 1,
    gap: float = 0.075,
) -> None:
    """Write names beside the last points of the lines of a panel, kept apart.

    Args:
        figure: made by `make_subplots`; changed in place.
        ends: x, y, text and colour of each line's last point.
        values: all that the panel draws, for its height.
        row: the panel's; likewise the next.
        col: of the panel.
        gap: least distance between two names as a share of the panel's height.
    """
    least = gap * (max(values) - min(values))
    placed: list[float] = []
    ordered = sorted(ends, key=lambda end: end[1])
    for _, y, _, _ in ordered:
        placed.append(y if not placed else max(y, placed[-1] + least))
    # What was pushed up on the whole comes down again: names stay centred on their lines.
    shift = sum(p - y for p, (_, y, _, _) in zip(placed, ordered, strict=True)) / len(ordered)
    for at, (x, _, text, color) in zip(placed, ordered, strict=True):
        figure.add_annotation(
            x=x, y=at - shift, text=text, xanchor="left", xshift=8, showarrow=False, align="left",
            font={"color": color, "size": 12}, row=row, col=col,
        )  # fmt: skip


def panels(symbols: Sequence[str]) -> go.Figure:
    """One row per symbol, time shared."""
    gap = 0.42 / max(len(symbols), 2) / 2
    return make_subplots(
        rows=len(symbols),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=gap if len(symbols) > 1 else 0,
        subplot_titles=[f"<b>{label(symbol)}</b>" for symbol in symbols],
    )


def finish_panels(figure: go.Figure, count: int, right: int = 24) -> go.Figure:
    """Common layout of `panels`; titles stand at the left, over their panel."""
    finish(figure, 60 + PANEL * count, right=right)
    for note in figure.layout.annotations[:count]:
        note.update(x=0, xanchor="left")
    return figure
