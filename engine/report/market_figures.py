"""Pictures of the run: portfolio, trades, exposure, action values.

Each function takes plain data and returns a plotly figure, or None without data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.report import style
from engine.report.metrics import drawdown
from engine.report.page import signed
from engine.report.results import Backtest


def equity(backtest: Backtest) -> go.Figure:
    """Value of the portfolio and the benchmark, and how far each is below its peak."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05
    )
    lines = [("Strategy", backtest.equity, style.STRATEGY, 2.2)]
    if backtest.benchmark is not None:
        lines.insert(0, ("Benchmark", backtest.benchmark, style.BENCHMARK, 1.8))
    ends, everything = [], pd.concat([values for _, values, _, _ in lines])
    for name, values, color, width in lines:
        line = {"color": color, "width": width}
        figure.add_scatter(
            x=values.index, y=values, mode="lines", name=name, line=line, row=1, col=1,
            hovertemplate="%{y:$,.0f}",
        )  # fmt: skip
        fall = drawdown(values)
        figure.add_scatter(
            x=fall.index, y=fall, mode="lines", name=f"{name}, below peak", row=2, col=1,
            line={**line, "width": width - 0.6}, fill="tozeroy" if name == "Strategy" else None,
            fillcolor=style.tint(color, 0.14), hovertemplate="%{y:.1%}",
        )  # fmt: skip
        change = values.iloc[-1] / values.iloc[0] - 1
        ends.append(
            (values.index[-1], values.iloc[-1], f"{name}<br>{signed(f'{change:+.1%}')}", color)
        )
    style.finish(figure, 480, right=110, top=16)
    style.label_ends(figure, ends, [everything.min(), everything.max()], gap=0.14)
    figure.add_hline(
        y=backtest.equity.iloc[0], line={"color": style.INK, "width": 0.8, "dash": "dot"},
        row=1, col=1,
    )  # fmt: skip
    for time in backtest.starts[1:]:
        figure.add_vline(x=time, line={"color": style.MUTED, "width": 0.8, "dash": "dash"})
    figure.update_yaxes(tickformat="$~s", row=1, col=1)
    figure.update_yaxes(tickformat=style.PERCENT, title_text="below peak", nticks=4, row=2, col=1)
    return span_run(figure, backtest)


def span_run(figure: go.Figure, backtest: Backtest) -> go.Figure:
    """Let all time axes show the run from its first to its last session."""
    days = backtest.equity.index
    return figure.update_xaxes(range=[days[0], days[-1] + pd.Timedelta(days=1)])


def prices_of(backtest: Backtest, diagnostics: Mapping[str, Any], symbol: str) -> pd.Series | None:
    """Closes of a symbol by date: from the diagnostics, else from the forecast chart."""
    table = diagnostics.get("prices", {}).get(symbol)
    if table and table["close"]:
        index = pd.DatetimeIndex(pd.to_datetime(table["time"])).tz_localize(None).normalize()
        closes = pd.Series(table["close"], index=index, dtype=float)
    else:
        chart = backtest.charts.get(f"Forecast {symbol}", {}).get("Close")
        if chart is None or chart.empty:
            return None
        times = pd.DatetimeIndex(chart.index) - pd.Timedelta(seconds=1)
        closes = chart.set_axis(times.normalize())
    closes = closes[~closes.index.duplicated(keep="last")]
    shown = closes[closes.index >= backtest.equity.index[0]]
    return shown if len(shown) else None


def trades(
    backtest: Backtest, prices: Mapping[str, pd.Series], symbols: Sequence[str]
) -> go.Figure | None:
    """Closes coloured by the position held, with the fills."""
    symbols = [symbol for symbol in symbols if symbol in prices]
    if not symbols:
        return None
    figure = style.panels(symbols)
    for row, symbol in enumerate(symbols, start=1):
        closes = prices[symbol]
        fills = backtest.fills[backtest.fills["symbol"] == symbol]
        held = fills.set_index("time")["quantity"].cumsum()
        held = held[~held.index.duplicated(keep="last")]
        ends = pd.DatetimeIndex(closes.index) + pd.Timedelta(hours=23, minutes=59)
        position = np.nan_to_num(held.reindex(ends, method="ffill").to_numpy(dtype=float))
        for name, color, width, where in (
            ("flat", style.FLAT, 1.4, np.abs(position) < 0.5),
            ("long", style.UP, 1.8, position >= 0.5),
            ("short", style.DOWN, 1.8, position <= -0.5),
        ):
            # A line from each close of that kind to the next close.
            drawn = where | np.concatenate([[False], where[:-1]])
            figure.add_scatter(
                x=closes.index, y=np.where(drawn, closes, np.nan), mode="lines", row=row, col=1,
                line={"color": color, "width": width}, name=name, hoverinfo="skip",
            )  # fmt: skip
        figure.add_scatter(
            x=closes.index, y=closes, mode="lines", line={"width": 0}, name="close", row=row, col=1,
            customdata=position, hovertemplate="close %{y:$,.2f}, holding %{customdata:,.0f}"
            "<extra></extra>",
        )  # fmt: skip
        # Beside the line, not on it: hundreds of fills would hide the price.
        aside = 0.04 * float(closes.max() - closes.min())
        size = 7 if len(fills) <= 120 else 5
        for name, color, marker, offset, chosen in (
            ("bought", style.UP, "triangle-up", -aside, fills[fills["quantity"] > 0]),
            ("sold", style.DOWN, "triangle-down", aside, fills[fills["quantity"] < 0]),
        ):
            figure.add_scatter(
                x=chosen["time"].dt.normalize() if len(chosen) else [], y=chosen["price"] + offset,
                mode="markers", name=name, row=row, col=1,
                marker={"symbol": marker, "size": size, "color": style.tint(color, 0.65)},
                customdata=chosen[["quantity", "price"]].abs(),
                hovertemplate=f"{name} %{{customdata[0]:,.0f}} at %{{customdata[1]:$,.2f}}"
                "<extra></extra>",
            )  # fmt: skip
        figure.update_yaxes(tickformatstops=style.PRICES, row=row, col=1)
    return span_run(style.finish_panels(figure, len(symbols)), backtest)


def weights_chart(backtest: Backtest) -> dict[str, pd.Series]:
    """The chart that holds a series per symbol and one named "<symbol> cap" beside it.

    It is known by its series, since LEAN keeps the name Exposure for a chart of its own.
    """
    for chart in backtest.charts.values():
        if any(f"{name} cap" in chart for name in chart):
            return chart
    return {}


def exposure(backtest: Backtest) -> go.Figure | None:
    """Weight of each symbol in the portfolio, and the cap it must stay under."""
    chart = weights_chart(backtest)
    symbols = [name for name in chart if f"{name} cap" in chart and len(chart[name])]
    if not symbols:
        return None
    figure = style.panels(symbols)
    for row, symbol in enumerate(symbols, start=1):
        weight = chart[symbol]
        for part, color in ((weight.clip(lower=0), style.UP), (weight.clip(upper=0), style.DOWN)):
            figure.add_scatter(
                x=part.index, y=part, mode="lines", row=row, col=1, fill="tozeroy",
                line={"width": 0, "shape": "hv"}, fillcolor=style.tint(color, 0.55),
                hoverinfo="skip",
            )  # fmt: skip
        figure.add_scatter(
            x=weight.index, y=weight, row=row, col=1, line={"width": 0, "shape": "hv"},
            mode="lines", hovertemplate="weight %{y:.1%}<extra></extra>",
        )  # fmt: skip
        cap = chart[f"{symbol} cap"]
        if len(cap):
            sides = (1, -1) if float(weight.min()) < 0 else (1,)
            for side in sides:
                figure.add_scatter(
                    x=cap.index, y=side * cap, row=row, col=1, mode="lines",
                    line={"color": style.INK, "width": 1.2, "dash": "dot", "shape": "hv"},
                    hovertemplate="cap %{y:.1%}<extra></extra>",
                )  # fmt: skip
            end = (cap.index[-1], float(cap.iloc[-1]), f"cap {cap.iloc[-1]:.0%}", style.INK)
            style.label_ends(figure, [end], [-1, 1], row=row)
        figure.add_hline(y=0, line={"color": "#c9ced8", "width": 1}, row=row, col=1)
        figure.update_yaxes(tickformat=style.PERCENT, nticks=5, row=row, col=1)
    return span_run(style.finish_panels(figure, len(symbols), right=76), backtest)


def action_values(backtest: Backtest) -> go.Figure | None:
    """What the agent expects of each action, less the mean over actions, month by month."""
    charts = {
        name.removeprefix("Action values "): chart
        for name, chart in backtest.charts.items()
        if name.startswith("Action values ") and len(chart) > 1
    }
    if not charts:
        return None
    figure = style.panels(list(charts))
    for row, chart in enumerate(charts.values(), start=1):
        frame = pd.DataFrame(chart).dropna()
        centred = frame.sub(frame.mean(axis=1), axis=0).rolling(21, min_periods=1).mean()
        order = _ordered(list(centred.columns))
        for rank, name in enumerate(order):
            share = rank / (len(order) - 1)
            figure.add_scatter(
                x=centred.index, y=centred[name], mode="lines", name=style.label(name),
                line={"color": _diverging(share), "width": 1.6}, hovertemplate="%{y:.4~f}",
                row=row, col=1,
            )  # fmt: skip
        ends = [
            (
                centred.index[-1],
                float(centred[name].iloc[-1]),
                style.label(name),
                _diverging(rank / (len(order) - 1)),
            )
            for rank, name in enumerate(order)
        ]
        extremes = [float(centred.min().min()), float(centred.max().max())]
        style.label_ends(figure, ends, extremes, row=row, gap=0.13)
        figure.update_yaxes(tickformat="~g", nticks=4, row=row, col=1)
    return span_run(style.finish_panels(figure, len(charts), right=76), backtest)


def _ordered(names: list[str]) -> list[str]:
    """By the number in the name, if each has one: -1, 0, 1 are short, flat, long."""
    try:
        return sorted(names, key=lambda name: float(name.split()[-1].rstrip("%")))
    except ValueError:
        return names


def _diverging(share: float) -> str:
    """Red for the lowest action, grey for the middle, green for the highest."""
    if abs(share - 0.5) < 0.1:
        return style.MUTED
    return style.DOWN if share < 0.5 else style.UP
