"""The result in words, no stronger than the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy import stats

from engine.report import rivals
from engine.report.metrics import Metric, metrics_table, paired_t
from engine.report.results import Backtest
from engine.report.style import signed

NOTABLE = 2.0
"""Student's t beyond which a mean difference over many days is hardly chance (5 percent)."""


def by_name(rows: list[Metric]) -> dict[str, Metric]:
    """Metrics by their names."""
    return {row.name: row for row in rows}


def sentence(backtest: Backtest, rows: list[Metric]) -> tuple[str, str]:
    """The verdict and its tone ("ahead", "behind" or "even")."""
    table = by_name(rows)
    total, sharpe = table["Cumulative return"], table["Sharpe ratio"]
    span = f"{backtest.equity.index[1]:%Y-%m-%d} to {backtest.equity.index[-1]:%Y-%m-%d}"
    if backtest.benchmark is None:
        return f"Returned {_percent(total.strategy)} over {span}; no benchmark was sampled.", "even"
    ahead = total.strategy > total.benchmark
    word = "Ahead of" if ahead else "Behind"
    t, _ = paired_t(backtest)
    certain = math.isfinite(t) and abs(t) >= NOTABLE
    tone = ("ahead" if ahead else "behind") if certain or not ahead else "even"
    text = (
        f"{word} its benchmark: {_percent(total.strategy)} against {_percent(total.benchmark)} "
        f"over {span}"
    )
    if math.isfinite(sharpe.strategy) and math.isfinite(sharpe.benchmark):
        text += (
            f", at a Sharpe ratio (risk-free rate 0) of {signed(f'{sharpe.strategy:.2f}')} "
            f"against {signed(f'{sharpe.benchmark:.2f}')}"
        )
    return text + ".", tone


def caveats(backtest: Backtest, diagnostics: Mapping[str, Any]) -> list[str]:
    """What must be known to judge the verdict: chance, seed, what was traded. Plain text."""
    said = []
    if backtest.error:
        said.append(f"The run ended early, by an error: {backtest.error}")
    if backtest.benchmark is not None:
        t, days = paired_t(backtest)
        if math.isfinite(t):
            chance = 2 * float(stats.t.sf(abs(t), days - 1))
            said.append(
                f"The daily difference to the benchmark has t = {signed(f'{t:+.2f}')} over "
                f"{days:,} sessions: chance alone gives one as large in {chance:.1%} of cases."
            )
    if beside := rivals.sentence(backtest, diagnostics):
        said.append(beside)
    algorithm = diagnostics.get("algorithm", {})
    setting = []
    if symbols := algorithm.get("symbols"):
        setting.append(f"symbols {', '.join(map(str, symbols))}")
    if "trade_mode" in algorithm:
        setting.append(f"trading by {algorithm['trade_mode']}")
    if "seed" in algorithm:
        setting.append(
            f"seed {algorithm['seed']}: one seed is one draw, and learned traders vary from seed "
            "to seed; judge by several"
        )
    if setting:
        written = "; ".join(setting) + "."
        said.append(written[0].upper() + written[1:])
    return said


def in_words(backtest: Backtest, diagnostics: Mapping[str, Any]) -> list[str]:
    """The verdict and what must be known to judge it, as sentences."""
    return [sentence(backtest, metrics_table(backtest))[0], *caveats(backtest, diagnostics)]


def _percent(value: float) -> str:
    return signed(f"{value:+.1%}")
