"""Pictures of what was learned: forecasts, calibration, synthetic paths, training, time spent.

Each function takes plain data and returns a plotly figure, or None without data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.report import style
from engine.report.results import Backtest

FORECASTS_SHOWN = 120
PATHS_SHOWN = 40


def forecast_tables(backtest: Backtest, diagnostics: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Forecasts of the next close as returns on the close before, with what happened.

    Returns:
        By symbol, a frame indexed by the bar forecast with the columns low, high (the widest
        interval), mean, realised, and, if the diagnostics know them, lower, upper (quartiles).
    """
    tables = {}
    for symbol, table in diagnostics.get("forecasts", {}).items():
        frame = pd.DataFrame(table)
        frame.index = pd.DatetimeIndex(pd.to_datetime(frame.pop("time"))).tz_localize(None)
        returns = frame.div(frame["previous_close"], axis=0) - 1
        names = {"q05": "low", "q25": "lower", "q75": "upper", "q95": "high", "close": "realised"}
        tables[symbol] = returns.rename(columns=names)
    if tables:
        return tables
    for name, chart in backtest.charts.items():
        if name.startswith("Forecast ") and {"Close", "Mean", "Lower", "Upper"} <= chart.keys():
            frame = pd.DataFrame({key.lower(): chart[key] for key in chart}).dropna()
            made = frame[["mean", "lower", "upper"]].div(frame["close"], axis=0) - 1
            made = made.rename(columns={"lower": "low", "upper": "high"}).shift(1)
            made["realised"] = frame["close"].pct_change()
            tables[name.removeprefix("Forecast ")] = made.iloc[1:]
    return {symbol: table for symbol, table in tables.items() if len(table)}


def forecasts(tables: Mapping[str, pd.DataFrame]) -> go.Figure | None:
    """The last forecasts of the next session's return as bands, and what came, in or out."""
    if not tables:
        return None
    figure = style.panels(list(tables))
    for row, table in enumerate(tables.values(), start=1):
        shown = table.iloc[-FORECASTS_SHOWN:]
        bands = [("low", "high", 0.16)]
        if "lower" in shown:
            bands.append(("lower", "upper", 0.30))
        for low, high, alpha in bands:
            for column, fill in ((low, None), (high, "tonexty")):
                figure.add_scatter(
                    x=shown.index, y=shown[column], mode="lines", line={"width": 0}, fill=fill,
                    fillcolor=style.tint(style.STRATEGY, alpha), hoverinfo="skip", row=row, col=1,
                )  # fmt: skip
        figure.add_scatter(
            x=shown.index, y=shown["mean"], mode="lines", row=row, col=1, name="mean",
            line={"color": style.STRATEGY, "width": 1.5}, hovertemplate="forecast %{y:+.2%}"
            "<extra></extra>",
        )  # fmt: skip
        inside = (shown["realised"] >= shown["low"]) & (shown["realised"] <= shown["high"])
        for chosen, color, word in (
            (shown[inside], style.INK, "inside"),
            (shown[~inside], style.DOWN, "outside"),
        ):
            figure.add_scatter(
                x=chosen.index, y=chosen["realised"], mode="markers", row=row, col=1, name=word,
                marker={"color": color, "size": 5.5}, hovertemplate=f"came %{{y:+.2%}}, {word}"
                "<extra></extra>",
            )  # fmt: skip
        figure.update_yaxes(tickformat=style.PERCENT, row=row, col=1)
    return style.finish_panels(figure, len(tables))


def pit_histogram(calibration: Mapping[str, Any]) -> go.Figure | None:
    """Where what happened fell in the forecast distributions: flat if they are right."""
    counts = np.array(calibration.get("pit_counts", []), dtype=float)
    total = counts.sum()
    if not total:
        return None
    bins = len(counts)
    expected = total / bins
    spread = 1.96 * np.sqrt(total / bins * (1 - 1 / bins))
    inside = np.abs(counts - expected) <= spread
    figure = go.Figure()
    figure.add_hrect(
        y0=(expected - spread) / expected, y1=(expected + spread) / expected,
        fillcolor=style.tint(style.BENCHMARK, 0.22), line_width=0, layer="below",
    )  # fmt: skip
    figure.add_bar(
        x=(np.arange(bins) + 0.5) / bins, y=counts / expected,
        marker_color=[style.tint(style.STRATEGY if ok else style.ACCENT, 0.8) for ok in inside],
        hovertemplate="quantile %{x:.2f}: %{y:.2f} of what a true forecast gives<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=1, line={"color": style.INK, "width": 1.2, "dash": "dot"})
    style.finish(figure, 300, top=12)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title_text="quantile of the forecast at which the close came in")
    top = 1.1 * max(float(counts.max()), expected + spread) / expected
    figure.update_yaxes(title_text="share, 1 = as it should be", range=[0, top])
    return figure


def paths(diagnostics: Mapping[str, Any]) -> go.Figure | None:
    """Synthetic closes from one moment on, and what then happened.

    A path of one symbol belongs to the same market as the path of that number of another; the
    market with the worst day, if it is known, has its own colour in all panels.
    """
    tables = {s: t for s, t in diagnostics.get("paths", {}).items() if t["simulated"]}
    if not tables:
        return None
    columns = min(len(tables), 3)
    rows = -(-len(tables) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, horizontal_spacing=0.04, vertical_spacing=0.12, shared_yaxes=True,
        subplot_titles=[f"<b>{style.label(symbol)}</b>" for symbol in tables],
    )  # fmt: skip
    worst = diagnostics.get("crisis", {}).get("simulated", {}).get("market")
    for i, table in enumerate(tables.values()):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        xs: list[float | None] = []
        ys: list[float | None] = []
        for path in table["simulated"][:PATHS_SHOWN]:
            xs += [*range(len(path)), None]
            ys += [*path, None]
        line = {"color": style.tint(style.SIMULATED, 0.32), "width": 1}
        figure.add_scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", **place)
        if worst is not None and worst < len(table["simulated"]):
            figure.add_scatter(
                y=table["simulated"][worst], mode="lines", name="worst day's market",
                line={"color": style.ACCENT, "width": 1.8},
                hovertemplate="session %{x}: %{y:.3f}<extra>worst day's market</extra>", **place,
            )  # fmt: skip
        real = table.get("real", [])
        if len(real) > 1:
            figure.add_scatter(
                y=real, mode="lines", line={"color": style.INK, "width": 2.4}, name="real",
                hovertemplate="session %{x}: %{y:.3f}<extra>real</extra>", **place,
            )  # fmt: skip
    style.finish(figure, 60 + 240 * rows)
    figure.update_layout(hovermode="closest")
    figure.update_layout(margin={"b": 56})
    figure.update_xaxes(title_text="sessions ahead")
    figure.update_yaxes(tickformat=".2f")
    return figure


@dataclass(frozen=True)
class _Curve:
    """A curve of a training: whose, by what step, which columns (the last one is the result).

    Attributes:
        judged: beside the result, on an axis of its own, stands the held-out reward.
        unit: what values are divided by before they are drawn.
        says: what the last column is, a sentence.
    """

    part: str
    step: str
    columns: tuple[str, ...]
    title: str
    color: str
    judged: bool = False
    unit: float = 1.0
    says: str = ""

    def of(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """This curve's columns in one training's record, if it left any."""
        table = record.get(self.part, {})
        return table if table.get(self.columns[-1]) or self.held_out(record) else {}

    def held_out(self, record: Mapping[str, Any]) -> Sequence[tuple[float, float, float]]:
        """Step, mean reward and its standard error, for each time that the training was judged."""
        if not self.judged:
            return []
        table = record.get(self.part, {})
        columns = ("held_out_update", "held_out_reward", "held_out_error")
        return list(zip(*(table.get(name, []) for name in columns), strict=True))


BASIS_POINT = 1e-4

_CURVES = (
    _Curve(
        "forecaster",
        "epoch",
        ("loss", "validation_loss"),
        "Forecaster loss",
        style.STRATEGY,
        says="The forecaster's loss is the negative log density of a bar.",
    ),
    _Curve(
        "agent",
        "update",
        ("loss",),
        "Agent loss",
        style.STRATEGY,
        says="The agent's loss is that of its scaled action values.",
    ),
    _Curve(
        "agent",
        "update",
        ("claimed_value",),
        "Claimed value",
        style.UP,
        judged=True,
        unit=BASIS_POINT,
        says="The claimed value is what the network says its best action is worth, summed over the "
        "coming bars and discounted.",
    ),
)
_HELD_OUT_SAYS = (
    "The held-out reward is what the agent earned in a bar on imagined paths it had not seen, "
    "after each stage of a training."
)


def curves_explained(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence on each curve that `trainings` draws, and on no other."""
    said = [c.says for c in _CURVES if any(c.of(r).get(c.columns[-1]) for r in records)]
    if any(c.held_out(record) for c in _CURVES for record in records):
        said.append(_HELD_OUT_SAYS)
    return said


def trainings(records: Sequence[Mapping[str, Any]]) -> go.Figure | None:
    """Above, the curves of the first training that has them; below, where each training ended."""
    shown = [(c, [r for r in records if c.of(r)]) for c in _CURVES]
    shown = [(curve, having) for curve, having in shown if having]
    if not shown:
        return None
    several = max(len(having) for _, having in shown) > 2
    judged = [any(curve.held_out(record) for record in having) for curve, having in shown]
    titles = [
        _title(curve, curve.of(having[0]), known)
        for (curve, having), known in zip(shown, judged, strict=True)
    ]
    if several:
        titles += [
            f"{_name(curve, known)} after each training"
            for (curve, _), known in zip(shown, judged, strict=True)
        ]
    rows = 2 if several else 1
    figure = make_subplots(
        rows=rows, cols=len(shown), subplot_titles=titles, horizontal_spacing=0.09,
        vertical_spacing=0.2, specs=[[{"secondary_y": known} for known in judged]] * rows,
    )  # fmt: skip
    for col, (curve, having) in enumerate(shown, start=1):
        _first_training(figure, col, curve, having[0])
        if several:
            _ends(figure, col, curve, having)
    style.finish(figure, 500 if several else 270, right=72 if any(judged) else 24)
    figure.update_yaxes(exponentformat="power")
    if several:
        figure.update_xaxes(row=2, tickangle=0, nticks=3)
    if any(judged):
        figure.update_yaxes(
            secondary_y=True, showgrid=False, tickfont_color=style.ACCENT,
            title_text="bp per bar ± s.e.", title_font_color=style.ACCENT, title_standoff=4,
        )  # fmt: skip
    return figure


def _name(curve: _Curve, judged: bool) -> str:
    """The curve's name; with the held-out reward's, each in its colour."""
    if not judged:
        return f"<b>{curve.title}</b>"
    claimed = _colored(f"{curve.title}, bp", curve.color)
    return f"{claimed}; {_colored('held-out reward', style.ACCENT)}"


def _colored(word: str, color: str) -> str:
    return f'<b><span style="color:{color}">{word}</span></b>'


def _title(curve: _Curve, table: Mapping[str, Any], judged: bool) -> str:
    """Says what is drawn; two lines are told apart by words in their colours."""
    title = f"{_name(curve, judged)} by {curve.step}"
    if judged:
        return title
    if len([name for name in curve.columns if table.get(name)]) < 2:
        return f"{title}, first training"
    words = (("training", style.BENCHMARK), ("validation", curve.color))
    return f"{title}: " + ", ".join(f'<span style="color:{c}">{w}</span>' for w, c in words)


def _first_training(figure: go.Figure, col: int, curve: _Curve, record: Mapping[str, Any]) -> None:
    table = curve.of(record)
    for name in [name for name in curve.columns if table.get(name)]:
        color = curve.color if name == curve.columns[-1] else style.BENCHMARK
        values = [value / curve.unit for value in table[name]]
        steps = table.get(curve.step) or list(range(1, len(values) + 1))
        single = "lines" if len(values) > 1 else "markers"
        if len(steps) <= 8:
            figure.update_xaxes(tickvals=steps, row=1, col=col)
        figure.add_scatter(
            x=steps, y=values, name=name.replace("_", " "), row=1, col=col, mode=single,
            line={"color": color, "width": 2},
        )  # fmt: skip
    _held_out(figure, 1, col, curve.held_out(record))


def _ends(figure: go.Figure, col: int, curve: _Curve, having: Sequence[Mapping[str, Any]]) -> None:
    """The last value of every training."""
    result = curve.columns[-1]
    ended = [(record["time"], curve.of(record)[result][-1] / curve.unit)
             for record in having if curve.of(record).get(result)]  # fmt: skip
    figure.add_scatter(
        x=[time for time, _ in ended], y=[value for _, value in ended],
        mode="lines+markers", row=2, col=col, name=result.replace("_", " "),
        line={"color": style.tint(style.INK, 0.3), "width": 1},
        marker={"size": 5, "color": curve.color},
    )  # fmt: skip
    judged = [(record["time"], curve.held_out(record)[-1][1:])
              for record in having if curve.held_out(record)]  # fmt: skip
    _held_out(figure, 2, col, [(time, *found) for time, found in judged])


def _held_out(
    figure: go.Figure, row: int, col: int, points: Sequence[tuple[Any, float, float]]
) -> None:
    """Markers with a standard error up and down, in basis points on the axis at the right."""
    if not points:
        return
    xs, rewards, errors = (list(column) for column in zip(*points, strict=True))
    rewards, errors = ([value / BASIS_POINT for value in column] for column in (rewards, errors))
    figure.add_scatter(
        x=xs, y=rewards, mode="markers", row=row, col=col, secondary_y=True,
        name="held-out reward, ± standard error", marker={"size": 6, "color": style.ACCENT},
        error_y={"array": errors, "color": style.tint(style.ACCENT, 0.6), "thickness": 1.2,
                 "width": 3},
    )  # fmt: skip


def timings(stages: Mapping[str, float]) -> go.Figure | None:
    """Seconds by stage."""
    if not stages:
        return None
    total = sum(stages.values()) or 1.0
    names = list(stages)[::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[stages[name] for name in names], y=[style.label(name) for name in names],
        orientation="h", marker_color=style.STRATEGY, width=0.62, cliponaxis=False,
        text=[f"{stages[name]:,.1f} s  ({stages[name] / total:.0%})" for name in names],
        textposition="outside", hoverinfo="skip", textfont={"size": 12, "color": style.INK},
    )  # fmt: skip
    style.finish(figure, 50 + 34 * len(names), right=120, top=8)
    figure.update_layout(margin={"l": 110})
    figure.update_xaxes(title_text=None, ticksuffix=" s", showgrid=True)
    figure.update_yaxes(showgrid=False)
    return figure
