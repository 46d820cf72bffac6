"""The run beside simple rules: what each earned in an account of the same size, caps and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.report import page, style
from engine.report.market_figures import span_run
from engine.report.metrics import YEAR, drawdown, figures_of, turnover
from engine.report.page import signed
from engine.report.results import Backtest

CONSTANT_MIX = "constant_mix"
OURS = "this run"


@dataclass(frozen=True)
class Rival:
    """What somebody made of the run's span.

    Attributes:
        name: of the rule.
        says: what it does, in a sentence.
        equity: at the end of each session.
        turnover: half of the value traded in a year, over equity.
    """

    name: str
    says: str
    equity: pd.Series
    turnover: float

    @cached_property
    def figures(self) -> dict[str, float]:
        """As `engine.report.metrics` has them."""
        return figures_of(self.equity, None)

    @property
    def sharpe(self) -> float:
        """Sharpe ratio, risk-free rate 0; nan for a line that does not move."""
        return self.figures.get("Sharpe ratio", math.nan)


def rivals_of(diagnostics: Mapping[str, Any]) -> list[Rival]:
    """The rules that the run was shown beside; none if it says nothing of them."""
    told = diagnostics.get("rivals", {"time": [], "rows": []})
    if len(told["time"]) < 3:
        return []
    days = pd.DatetimeIndex(pd.to_datetime(told["time"])).normalize()
    years = (len(days) - 1) / YEAR
    return [
        Rival(
            row["name"],
            row["says"],
            pd.Series(row["equity"], index=days, dtype=float),
            row["turnover"] / 2 / years,
        )
        for row in told["rows"]
    ]


def ours_of(backtest: Backtest) -> Rival:
    """The run itself."""
    return Rival(OURS, "What the agent earned.", backtest.equity, turnover(backtest))


def standings(backtest: Backtest, rivals: list[Rival]) -> list[Rival]:
    """The run, then the rules, best Sharpe ratio first, those that have none last."""
    order = sorted(rivals, key=lambda rival: -rival.sharpe if rival.sharpe > -99 else 99.0)
    return [ours_of(backtest), *order]


def best_of(rivals: list[Rival]) -> Rival | None:
    """The rule with the highest Sharpe ratio, in hindsight."""
    known = [rival for rival in rivals if math.isfinite(rival.sharpe)]
    return max(known, key=lambda rival: rival.sharpe) if known else None


def sentence(backtest: Backtest, diagnostics: Mapping[str, Any]) -> str:
    """How the run stands to the constant mix and to the best rule; "" if nothing is known."""
    rivals = rivals_of(diagnostics)
    mix = next((rival for rival in rivals if rival.name == CONSTANT_MIX), None)
    best = best_of(rivals)
    if mix is None or best is None:
        return ""
    ours = ours_of(backtest).sharpe
    said = (
        f"Under the same caps and costs, always at the caps earned {_total(mix)} at a Sharpe ratio "
        f"of {signed(f'{mix.sharpe:.2f}')}; the best of {len(rivals)} simple rules, in hindsight, "
        f"was {label(best.name)}: {_total(best)}, {signed(f'{best.sharpe:.2f}')}"
    )
    if math.isfinite(ours):
        ahead = sum(rival.sharpe > ours for rival in rivals)
        said += f". The run's {signed(f'{ours:.2f}')} is below {ahead} of them"
    return said + "."


def label(name: str) -> str:
    """A rule's name as it is written in a table."""
    return name.replace("_", " ")


def _total(rival: Rival) -> str:
    return signed(f"{rival.equity.iloc[-1] / rival.equity.iloc[0] - 1:+.1%}")


_COLUMNS = (
    ("Cumulative return", "percent"),
    ("Annualised return", "percent"),
    ("Sharpe ratio", "ratio"),
    ("Maximum drawdown", "percent"),
)


def table(backtest: Backtest, rivals: list[Rival]) -> str:
    """The run and the rules, best Sharpe ratio first; "" without rules."""
    if not rivals:
        return ""
    order = standings(backtest, rivals)
    rows = []
    for rival in order:
        known = rival.figures
        cells = [page.number(known.get(name, math.nan), kind) for name, kind in _COLUMNS]
        rows.append([page.text(label(rival.name)), *cells, page.number(rival.turnover, "times")])
    header = ("", "Return", "A year", "Sharpe ratio", "Drawdown", "Turnover a year")
    return page.table(header, rows, tips=[rival.says for rival in order])


def picture(backtest: Backtest, rivals: list[Rival]) -> go.Figure | None:
    """Equity of the run, of the constant mix and of the best rule, from the same start."""
    if not rivals:
        return None
    best = best_of(rivals)
    shown = {rival.name: rival for rival in rivals if rival.name == CONSTANT_MIX}
    if best is not None:
        shown[best.name] = best
    lines = [
        (label(name), rival.equity, color, 1.6)
        for (name, rival), color in zip(
            shown.items(), (style.BENCHMARK, style.ACCENT), strict=False
        )
    ]
    lines.append((OURS, backtest.equity, style.STRATEGY, 2.2))
    figure, ends = make_subplots(rows=1, cols=1), []
    for name, values, color, width in lines:
        growth = values / values.iloc[0]
        figure.add_scatter(
            x=growth.index, y=growth, mode="lines", name=name, hovertemplate="%{y:.2f}",
            line={"color": color, "width": width},
        )  # fmt: skip
        fall = drawdown(values).min()
        words = f"{name}<br>{signed(f'{growth.iloc[-1] - 1:+.1%}')}, {signed(f'{fall:.0%}')}"
        ends.append((growth.index[-1], growth.iloc[-1], words, color))
    everything = pd.concat([values / values.iloc[0] for _, values, _, _ in lines])
    style.finish(figure, 340, right=170, top=16)
    style.label_ends(figure, ends, [everything.min(), everything.max()], gap=0.14)
    figure.update_yaxes(title_text="growth of 1")
    return span_run(figure, backtest)


def promotions(records: Sequence[Mapping[str, Any]]) -> str:
    """Who traded when, where several candidates were trained; "" otherwise."""
    if not records:
        return ""
    changes = [one for one in records if one["trading"] != one["before"]]
    said = (
        f"Comparisons of the candidates: {len(records):,}; promotions: {len(changes):,}. "
        f"At first {records[0]['before']} traded, at the end {records[-1]['trading']}."
    )
    rows = [[page.text(one["time"][:10]), page.text(one["says"])] for one in changes]
    rows.append([page.text(records[-1]["time"][:10]), page.text(records[-1]["says"])])
    return f"<p>{page.text(said)}</p>" + page.table(("Day", "Decision"), rows, kind="plain")


def lines(backtest: Backtest, diagnostics: Mapping[str, Any]) -> list[str]:
    """The table as plain text; empty without rules."""
    rivals = rivals_of(diagnostics)
    if not rivals:
        return []
    width = max(len(rival.name) for rival in rivals)
    head = f"{'':<{width}}  {'return':>9}  {'Sharpe':>7}  {'drawdown':>8}  {'turnover':>8}"
    found = ["Beside simple rules, same caps and costs (risk-free rate 0)", head, "-" * len(head)]
    for rival in standings(backtest, rivals):
        known = rival.figures
        found.append(
            f"{label(rival.name):<{width}}  {_total(rival):>9}  {rival.sharpe:>7.2f}  "
            f"{known['Maximum drawdown']:>8.1%}  {rival.turnover:>7.1f}x"
        )
    return found
