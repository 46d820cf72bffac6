"""The figures by which the deep-reinforcement-learning literature compares trading strategies.

All are computed from daily simple returns, r[t] = V[t] / V[t-1] - 1, over the sessions of the run;
252 sessions make a year; the risk-free rate is taken as zero. QuantStats and SciPy compute what
they know how to. LEAN's own table (with its own conventions) stands beside this one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from engine.report.libraries import quantstats as qs
from engine.report.results import Backtest

YEAR = 252


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        name: what it is called.
        kind: how to write it: "percent", "ratio", "count", "sessions".
        strategy: its value; NaN if it is not defined for this run.
        benchmark: likewise for the benchmark.
        definition: one sentence.
    """

    name: str
    kind: str
    strategy: float
    benchmark: float
    definition: str


def drawdown(values: pd.Series) -> pd.Series:
    """Fall from the highest value so far, a fraction <= 0."""
    return values / values.cummax() - 1


def longest_under_water(values: pd.Series) -> int:
    """Sessions from a peak until it is reached again (or the end), the longest such stretch."""
    under = drawdown(values) < 0
    return int(under.groupby((~under).cumsum()).sum().max())


def peak_to_trough(values: pd.Series) -> int:
    """Sessions from the peak to the trough of the maximum drawdown."""
    numbers = values.to_numpy()
    trough = int(drawdown(values).to_numpy().argmin())
    return trough - int(numbers[: trough + 1].argmax()) if trough else 0


def returns_of(values: pd.Series) -> pd.Series:
    """Daily simple returns, one row fewer than the values."""
    return values.pct_change().iloc[1:]


def turnover(backtest: Backtest) -> float:
    """Value bought and sold in a year, as a multiple of the mean equity; one side counted."""
    fills = backtest.counted
    traded = (fills["quantity"].abs() * fills["price"]).sum()
    years = (len(backtest.equity) - 1) / YEAR
    return float(traded / 2 / backtest.equity.mean() / years)


def paired_t(backtest: Backtest) -> tuple[float, int]:
    """Student's t of the mean daily return over the benchmark's, and the number of days.

    Raises:
        ValueError: if there is no benchmark.
    """
    if backtest.benchmark is None:
        raise ValueError("a paired comparison needs a benchmark; the run sampled none")
    difference = returns_of(backtest.equity) - returns_of(backtest.benchmark)
    if np.allclose(difference, difference.iloc[0]):
        return math.nan, len(difference)
    return float(stats.ttest_1samp(difference, 0.0).statistic), len(difference)


def metrics_table(backtest: Backtest) -> list[Metric]:
    """All rows, strategy and benchmark side by side."""
    ours = figures_of(backtest.equity, backtest.benchmark)
    theirs = {} if backtest.benchmark is None else figures_of(backtest.benchmark, None)
    ours |= _trading(backtest)
    return [
        Metric(name, kind, ours.get(name, math.nan), theirs.get(name, math.nan), definition)
        for name, kind, definition in _ROWS
    ]


_ROWS = (
    ("Cumulative return", "percent", "Final value over starting value, less one."),
    (
        "Annualised return",
        "percent",
        "The constant yearly return that gives the cumulative one; 252 sessions a year.",
    ),
    ("Best day", "percent", "The highest daily return."),
    ("Worst day", "percent", "The lowest daily return."),
    ("Variance (annual)", "ratio", "Sample variance of daily returns, times 252."),
    ("Deviation (annual)", "percent", "Sample standard deviation of daily returns, times √252."),
    ("Maximum drawdown", "percent", "The deepest fall from the highest value so far."),
    ("Drawdown, peak to trough", "sessions", "Sessions from that peak to the lowest point."),
    (
        "Longest time under water",
        "sessions",
        "The longest stretch of sessions below an earlier peak, recovered or not.",
    ),
    ("Sharpe ratio", "ratio", "Mean over standard deviation of daily returns, times √252."),
    (
        "Sortino ratio",
        "ratio",
        "Mean daily return over the root mean square of negative ones (others count as 0), "
        "times √252.",
    ),
    ("Skewness", "ratio", "Bias-corrected sample skewness of daily returns."),
    ("Excess kurtosis", "ratio", "Bias-corrected sample kurtosis of daily returns, less 3."),
    ("Beta", "ratio", "Slope of the strategy's daily returns on the benchmark's."),
    (
        "Information ratio",
        "ratio",
        "Mean over standard deviation of the daily difference to the benchmark, times √252.",
    ),
    ("Trades", "count", "Fills."),
    ("Trades per session", "ratio", "Fills over sessions, all symbols together."),
    (
        "Churn (turnover a year)",
        "times",
        "Half of the value bought and sold in a year, over the mean portfolio value.",
    ),
    (
        "Profitability",
        "percent",
        "Share of closed trades that won, as LEAN counts them (after fees).",
    ),
    ("Average win / average loss", "ratio", "Mean profit over mean loss of closed trades."),
)


def figures_of(values: pd.Series, benchmark: pd.Series | None) -> dict[str, float]:
    """What the definitions of `_ROWS` make of values at the end of each session.

    Args:
        values: of a portfolio.
        benchmark: beside it, at the same sessions, or None.
    """
    returns = returns_of(values)
    moves = len(returns) > 1 and float(returns.std()) > 1e-12
    figures = {
        "Cumulative return": qs.comp(returns),
        "Annualised return": qs.cagr(returns, periods=YEAR),
        "Best day": qs.best(returns, prepare_returns=False),
        "Worst day": qs.worst(returns, prepare_returns=False),
        "Maximum drawdown": drawdown(values).min(),
        "Drawdown, peak to trough": peak_to_trough(values),
        "Longest time under water": longest_under_water(values),
    }
    if moves:
        deviation = qs.volatility(returns, periods=YEAR, prepare_returns=False)
        figures |= {
            "Variance (annual)": deviation**2,
            "Deviation (annual)": deviation,
            "Sharpe ratio": qs.sharpe(returns, periods=YEAR),
            "Sortino ratio": qs.sortino(returns, periods=YEAR),
            "Skewness": stats.skew(returns, bias=False),
            "Excess kurtosis": stats.kurtosis(returns, bias=False),
        }
    if moves and benchmark is not None:
        other = returns_of(benchmark)
        figures["Beta"] = qs.greeks(returns, other, prepare_returns=False)["beta"]
        if not np.allclose(returns, other):
            ratio = qs.information_ratio(returns, other, prepare_returns=False)
            figures["Information ratio"] = ratio * math.sqrt(YEAR)
    return {name: float(value) for name, value in figures.items()}


def _trading(backtest: Backtest) -> dict[str, float]:
    count = len(backtest.counted)
    figures = {
        "Trades": float(count),
        "Trades per session": count / (len(backtest.equity) - 1),
        "Churn (turnover a year)": turnover(backtest),
    }
    closed = _number(backtest.trades, "totalNumberOfTrades")
    if closed > 0:
        figures["Profitability"] = _number(backtest.trades, "winRate")
        figures["Average win / average loss"] = _number(backtest.trades, "profitLossRatio")
    return figures


def _number(mapping: Mapping[str, Any], key: str) -> float:
    value = mapping.get(key, mapping.get(key[0].upper() + key[1:]))
    return math.nan if value is None else float(value)
