"""Pictures of imagined markets as a whole: all symbols together, and whether they can be told.

Each function takes a section of the diagnostics and returns a plotly figure, or None without data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.report import style
from engine.report.diagnostics import REAL, SIMULATED

WRITTEN = 8
"""Symbols up to which every number of a picture is written into it."""
NAMED = 25
"""Symbols up to which a heat map has room for their names."""
NAMES_HEIGHT = 76
"""Pixels below a picture for names that are written upright."""

_COLORS = {REAL: style.INK, SIMULATED: style.ACCENT}
"""Of crises: the imagined one has the colour of its market among the paths."""

_WORDS = {REAL: "real", SIMULATED: "imagined"}


def correlations(dependence: Mapping[str, Any]) -> go.Figure | None:
    """Correlations between symbols as heat maps: real ones above, imagined ones below."""
    symbols, maps = dependence.get("symbols", []), dependence.get("maps", [])
    if len(symbols) < 2 or not maps:
        return None
    found = {
        (market, i): _matrix(each["correlations"][market])
        for i, each in enumerate(maps)
        for market in (REAL, SIMULATED)
    }
    order = _order(found[REAL, 0]) if len(symbols) > WRITTEN else np.arange(len(symbols))
    values = np.concatenate([matrix.ravel() for matrix in found.values()])
    known = np.abs(values[np.isfinite(values)])
    top = max(0.2, math.ceil(10 * known.max()) / 10) if known.size else 1.0
    named = [style.label(symbols[i]) for i in order]
    height = int(np.clip(34 * len(symbols), 110, 340))
    figure = make_subplots(
        rows=2, cols=len(maps), horizontal_spacing=0.07, vertical_spacing=22 / height,
        subplot_titles=[
            _map_title(each["name"], market, found[REAL, i], found[market, i])
            for market in (REAL, SIMULATED)
            for i, each in enumerate(maps)
        ],
    )  # fmt: skip
    for (market, i), matrix in found.items():
        shown = matrix[np.ix_(order, order)]
        figure.add_heatmap(
            z=shown, x=named, y=named, coloraxis="coloraxis", name=_WORDS[market],
            xgap=1, ygap=1, row=1 if market == REAL else 2, col=i + 1, hoverongaps=False,
            texttemplate="%{z:.2f}" if len(symbols) <= WRITTEN else None,
            textfont={"color": style.INK},
            hovertemplate=f"%{{y}}, %{{x}}: %{{z:.2f}}<extra>{_WORDS[market]}</extra>",
        )  # fmt: skip
    negative = bool(known.size) and values[np.isfinite(values)].min() < -0.1
    # Pale where numbers are written on it.
    low, high = (
        style.tint(color, 0.6 if len(symbols) <= WRITTEN else 1.0)
        for color in (style.DOWN, style.STRATEGY)
    )
    scale = [[0, low], [0.5, "#ffffff"], [1, high]] if negative else [[0, "#ffffff"], [1, high]]
    style.finish(figure, 2 * height + 130, right=16, top=38)
    figure.update_layout(
        hovermode="closest",
        coloraxis={
            "colorscale": scale, "cmin": -top if negative else 0.0, "cmax": top,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "nticks": 5, "tickformat": ".1f",
                         "tickfont": {"size": 11, "color": style.MUTED}},
        },
    )  # fmt: skip
    names = len(symbols) <= NAMED
    if names and len(symbols) > WRITTEN:
        figure.update_layout(margin={"b": NAMES_HEIGHT})
    figure.update_xaxes(type="category", showline=False, ticks="", showticklabels=False)
    figure.update_xaxes(showticklabels=names, row=2)
    figure.update_yaxes(
        type="category", autorange="reversed", showgrid=False, ticks="", showticklabels=names,
        nticks=len(symbols), ticksuffix=" ",
    )  # fmt: skip
    return figure


def _matrix(rows: list[list[float | None]]) -> np.ndarray:
    """Correlations with NaN where there is none, and on the diagonal, which tells nothing."""
    found = np.array([[math.nan if v is None else v for v in row] for row in rows], dtype=float)
    np.fill_diagonal(found, math.nan)
    return found


def _order(matrix: np.ndarray) -> np.ndarray:
    """Symbols that go along with the others first: the larger their part in the common factor."""
    known = np.nan_to_num(matrix)
    np.fill_diagonal(known, 1.0)
    leading = np.linalg.eigh(known)[1][:, -1]
    return np.argsort(-leading * np.sign(leading.sum() or 1.0), kind="stable")


def _map_title(name: str, market: str, real: np.ndarray, matrix: np.ndarray) -> str:
    title = f"<b>{style.label(name)}</b>: real" if market == REAL else "imagined"
    if np.isfinite(matrix).any():
        title += f", mean {np.nanmean(matrix):.2f}"
    if market != REAL and np.isfinite(matrix - real).any():
        title += f", pairs off by {np.nanmean(np.abs(matrix - real)):.2f}"
    # The minus sign of numbers alone, names may have hyphens.
    return title.replace(" -", " \N{MINUS SIGN}")


def crisis(section: Mapping[str, Any]) -> go.Figure | None:
    """The worst real day beside the worst imagined one: prices around it, every symbol's fall."""
    if not section:
        return None
    symbols = section["symbols"]
    days = {market: section[market] for market in (REAL, SIMULATED)}
    figure = make_subplots(
        rows=2, cols=2, shared_yaxes=True, horizontal_spacing=0.09, vertical_spacing=0.16,
        row_heights=[0.62, 0.38],
        subplot_titles=[
            f"<b>Real</b>: {style.label(days[REAL].get('date') or 'worst day')}",
            f"<b>Imagined</b>: market {(days[SIMULATED].get('market') or 0) + 1}",
        ],
    )  # fmt: skip
    for col, (market, day) in enumerate(days.items(), start=1):
        _closes(figure, col, symbols, day, _COLORS[market])
        _falls(figure, col, symbols, day)
    style.finish(figure, 520, right=70)
    figure.update_layout(hovermode="closest", bargap=0.35)
    if len(symbols) > WRITTEN:
        figure.update_layout(margin={"b": NAMES_HEIGHT})
    figure.update_xaxes(title_text="sessions from the worst day", row=1)
    figure.update_yaxes(title_text="close, 1 = the day before", tickformat=".2f", row=1, col=1)
    figure.update_xaxes(type="category", ticks="", row=2, showticklabels=len(symbols) <= NAMED)
    lowest = min(min(day["returns"]) for day in days.values())
    highest = max(0.0, *(max(day["returns"]) for day in days.values()))
    room = 0.32 * (highest - lowest) if len(symbols) <= WRITTEN else 0.0
    top = highest + 0.04 * (highest - lowest) + (room if highest > 0 else 0.0)
    figure.update_yaxes(
        tickformat=style.PERCENT,
        zeroline=True,
        zerolinecolor=style.INK,
        range=[lowest - room, top],
        row=2,
    )
    figure.update_yaxes(title_text="return of the day", row=2, col=1)
    return figure


def _closes(figure: go.Figure, col: int, symbols: list[str], day: Any, color: str) -> None:
    """Closes of all symbols, thin, and their mean; the day is shaded."""
    closes = np.array(day["closes"], dtype=float)
    at = np.arange(closes.shape[1]) - day["day"]
    few = len(symbols) <= WRITTEN
    ends = []
    for symbol, line in zip(symbols, closes, strict=True):
        name = style.label(symbol)
        figure.add_scatter(
            x=at, y=line, mode="lines", name=name, row=1, col=col,
            line={"color": style.tint(color, 0.75 if few else 0.3), "width": 1.6 if few else 1},
            hovertemplate=f"{name}, %{{x}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
        ends.append((at[-1], float(line[-1]), name, color))
    if few:
        style.label_ends(figure, ends, closes.ravel().tolist(), row=1, col=col)
    else:
        figure.add_scatter(
            x=at, y=closes.mean(axis=0), mode="lines", name="mean of all", row=1, col=col,
            line={"color": color, "width": 3}, hovertemplate="mean, %{x}: %{y:.3f}<extra></extra>",
        )  # fmt: skip
    figure.add_vrect(
        x0=-1, x1=0, fillcolor=style.tint(style.DOWN, 0.16), line_width=0, layer="below",
        row=1, col=col,
    )  # fmt: skip


def _falls(figure: go.Figure, col: int, symbols: list[str], day: Any) -> None:
    """Return of every symbol on the day, the furthest fallen first if there are many."""
    order = np.arange(len(symbols))
    if len(symbols) > WRITTEN:
        order = np.argsort(day["returns"], kind="stable")
    returns = [day["returns"][i] for i in order]
    deviations = [day["deviations"][i] for i in order]
    written = None
    if len(symbols) <= WRITTEN:
        written = [
            style.signed(f"{r:+.1%}<br>{d:+.1f} dev.")
            for r, d in zip(returns, deviations, strict=True)
        ]
    figure.add_bar(
        x=[style.label(symbols[i]) for i in order], y=returns, row=2, col=col, text=written,
        textposition="outside", textfont={"size": 11, "color": style.INK}, cliponaxis=False,
        customdata=deviations, name="return of the day",
        marker_color=[style.tint(style.DOWN if r < 0 else style.UP, 0.85) for r in returns],
        hovertemplate="%{x}: %{y:+.2%}, %{customdata:+.1f} deviations<extra></extra>",
    )  # fmt: skip


def crisis_words(section: Mapping[str, Any]) -> str:
    """What the picture shows, in plain text."""
    said = []
    for market in (REAL, SIMULATED):
        day = section[market]
        returns, deviations = np.array(day["returns"]), np.array(day["deviations"])
        where = (
            f"On the worst of {day['searched']:,} real days, {day.get('date')},"
            if market == REAL
            else f"On the worst of the {day['searched']:,} imagined days shown above"
        )
        said.append(
            f"{where} {int((returns < 0).sum())} of {len(returns)} symbols fell, "
            f"{int((deviations < -2).sum())} of them by more than two of their deviations; the "
            f"mean was {style.signed(f'{returns.mean():.1%}')}, or "
            f"{style.signed(f'{deviations.mean():.1f}')} deviations."
        )
    return " ".join(said)


def told_apart(two_sample: Mapping[str, Any]) -> go.Figure | None:
    """AUC of every simulator on a line from .5, which chance makes a band."""
    found = [
        (name, value)
        for name, value in zip(
            two_sample.get("columns", []), two_sample.get("auc", []), strict=True
        )
        if value is not None
    ]
    if not found:
        return None
    chance = two_sample["chance"]
    figure = go.Figure()
    figure.add_vrect(
        x0=0.5 - chance, x1=0.5 + chance, fillcolor=style.tint(style.BENCHMARK, 0.22),
        line_width=0, layer="below",
    )  # fmt: skip
    figure.add_vline(x=0.5, line={"color": style.INK, "width": 1.2, "dash": "dot"})
    names = [style.label(name) for name, _ in found]
    colors = [style.SIMULATED if name == SIMULATED else style.MUTED for name, _ in found]
    figure.add_scatter(
        x=[value for _, value in found], y=names, mode="markers+text", name="AUC",
        marker={"size": 12, "color": colors}, text=[f"{value:.2f}" for _, value in found],
        textposition="top center", textfont={"size": 13, "color": style.INK}, cliponaxis=False,
        hovertemplate="%{y}: AUC %{x:.3f}<extra></extra>",
    )  # fmt: skip
    style.finish(figure, 100 + 42 * len(found), top=16)
    low = min(0.4, 0.5 - chance, *(value for _, value in found)) - 0.03
    figure.update_layout(hovermode="closest", margin={"l": 110})
    figure.update_xaxes(range=[low, 1.0], tickformat=".1f", title_text="AUC")
    figure.update_yaxes(showgrid=False, autorange="reversed", ticklen=0)
    figure.update_yaxes(range=[len(found) - 0.5, -0.75], autorange=False)
    return figure
