"""LEAN's summary of a backtest: total and rolling performance, and the table of figures."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from engine.common.clock import midnight
from engine.common.decimals import net_arithmetic, round_half_even, text, to_double
from engine.common.expiry import add_months
from engine.statistics.formatting import (
    fixed,
    percent,
    rounded_double,
    rounded_significant_text,
)
from engine.statistics.inputs import Point, StatisticsInputs, Trade
from engine.statistics.interest_rate import InterestRates, ModelRates
from engine.statistics.portfolio import PortfolioStatistics, portfolio_statistics
from engine.statistics.trades import TradeStatistics

ROLLING_MONTHS = (1, 3, 6, 12)


@dataclass(frozen=True)
class Performance:
    """Statistics of one period."""

    trade_statistics: TradeStatistics = field(default_factory=TradeStatistics)
    portfolio_statistics: PortfolioStatistics = field(default_factory=PortfolioStatistics)
    closed_trades: tuple[Trade, ...] = ()


@dataclass(frozen=True)
class StatisticsResult:
    """All statistics of a run.

    Attributes:
        summary: LEAN's table, name to text; without OrderListHash, which LEAN adds in its tests.
        total_performance: over the whole run.
        rolling: computes the rolling performance, when somebody asks for it first.
    """

    summary: dict[str, str] = field(default_factory=dict)
    total_performance: Performance = field(default_factory=Performance)
    rolling: Callable[[], dict[str, Performance]] = dict

    @cached_property
    def rolling_performances(self) -> dict[str, Performance]:
        """Performance of rolling periods by LEAN's keys ``M<months>_<yyyyMMdd>``."""
        with net_arithmetic():
            return self.rolling()


def summarize(inputs: StatisticsInputs, rates: InterestRates | ModelRates) -> StatisticsResult:
    """Compute LEAN's statistics.

    Args:
        inputs: samples, trades and totals of a finished run.
        rates: risk-free rates.

    Returns:
        Summary, total and rolling performance; without samples the trades alone.

    Raises:
        ValueError: if benchmark and performance differ in length.
    """
    if len(dict(inputs.benchmark)) != len(dict(inputs.performance)):
        raise ValueError(
            "benchmark and performance must have one sample per day each; received "
            f"{len(inputs.benchmark)} and {len(inputs.performance)}"
        )
    if not inputs.equity or not inputs.performance:
        return StatisticsResult(total_performance=Performance(closed_trades=tuple(inputs.trades)))
    first, last = inputs.equity[0][0].date(), inputs.equity[-1][0].date()
    samples = _Samples(inputs)
    total = _performance(inputs, samples, rates, first, last)

    def rolling() -> dict[str, Performance]:
        return {
            f"M{months}_{end:%Y%m%d}": _performance(inputs, samples, rates, start, end)
            for months in ROLLING_MONTHS
            for start, end in _periods(months, first, last)
        }

    return StatisticsResult(_table(total.portfolio_statistics, inputs), total, rolling)


class _Series:
    """Samples by time, from which periods are cut; a repeated time keeps its last sample."""

    def __init__(self, points: Iterable[Point]) -> None:
        ordered = sorted(dict(points).items())
        self.times = [time for time, _ in ordered]
        self.values = [value for _, value in ordered]

    def place(self, start: date, end: date) -> slice:
        """Where the samples of the days from ``start`` to ``end`` are, both included."""
        return _place(self.times, start, end)

    def between(self, start: date, end: date) -> dict[datetime, Decimal]:
        """Samples of the days from ``start`` to ``end``, both included."""
        place = self.place(start, end)
        return dict(zip(self.times[place], self.values[place], strict=True))


class _Samples:
    """All series of a run, and what many periods need of each sample."""

    def __init__(self, inputs: StatisticsInputs) -> None:
        self.equity = _Series(inputs.equity)
        self.performance = _Series(inputs.performance)
        self.benchmark = _Series(inputs.benchmark)
        self.turnover = _Series(inputs.turnover)
        self.profits = _Series(inputs.profit_loss.items())
        self._returns = [to_double(value / 100) for value in self.performance.values]
        # From each of the benchmark's samples to the next.
        self._changes = [
            to_double((value - previous) / previous) if previous else 0.0
            for previous, value in pairwise(self.benchmark.values)
        ]
        self._trades = inputs.trades
        exits = [trade.exit_time for trade in inputs.trades]
        self._by_exit = sorted(range(len(exits)), key=exits.__getitem__)
        self._exits = [exits[index] for index in self._by_exit]

    def returns(self, start: date, end: date) -> list[float]:
        """Fractions per day; LEAN drops the first two, which opening orders would misalign."""
        return self._returns[self.performance.place(start, end)][2:]

    def benchmark_returns(self, start: date, end: date) -> list[float]:
        """Relative changes from sample to sample, without the first."""
        place = self.benchmark.place(start, end)
        return self._changes[place.start + 1 : max(place.stop - 1, 0)]

    def trades(self, start: date, end: date) -> list[Trade]:
        """Trades that were closed from ``start`` to ``end``, in their order."""
        return [self._trades[i] for i in sorted(self._by_exit[_place(self._exits, start, end)])]


def _place(times: list[datetime], start: date, end: date) -> slice:
    """Where the days from ``start`` to ``end`` are in sorted times, both included."""
    return slice(
        bisect_left(times, midnight(start)), bisect_left(times, midnight(end + timedelta(days=1)))
    )


def _performance(
    inputs: StatisticsInputs,
    samples: _Samples,
    rates: InterestRates | ModelRates,
    start: date,
    end: date,
) -> Performance:
    equity = samples.equity.between(start, end)
    if not equity:
        return Performance()
    trades = samples.trades(start, end)
    profits = samples.profits.between(start, end)
    wins = sum(time in inputs.wins for time in profits)
    whole = len(equity) == len(samples.equity.times)
    return Performance(
        TradeStatistics.of(trades),
        portfolio_statistics(
            profit_loss=profits,
            equity=equity,
            turnover=list(samples.turnover.between(start, end).values()),
            performance=samples.returns(start, end),
            benchmark=samples.benchmark_returns(start, end),
            starting_capital=inputs.starting_capital if whole else next(iter(equity.values())),
            rates=rates,
            trading_days=inputs.trading_days_per_year,
            wins=wins,
            losses=len(profits) - wins,
        ),
        tuple(trades),
    )


def _periods(months: int, first: date, last: date) -> list[tuple[date, date]]:
    """Return windows ending at each month's end (the last at the last day), oldest first."""
    ends = [last]
    while (previous := ends[-1].replace(day=1) - timedelta(days=1)) >= first:
        ends.append(previous)
    ends.reverse()
    periods = [(first, ends[0])]
    for end in ends[1:]:
        start = add_months(periods[-1][1] + timedelta(days=1), 1 - months)
        periods.append((max(start, first), end))
    return periods


def _table(figures: PortfolioStatistics, inputs: StatisticsInputs) -> dict[str, str]:
    symbol = inputs.currency_symbol
    return {
        "Total Orders": str(inputs.total_orders),
        "Average Win": percent(figures.average_win_rate, 2),
        "Average Loss": percent(figures.average_loss_rate, 2),
        "Compounding Annual Return": percent(figures.compounding_annual_return, 3),
        "Drawdown": percent(figures.drawdown, 3),
        "Expectancy": text(round_half_even(figures.expectancy, 3)),
        "Start Equity": text(round_half_even(figures.start_equity, 2)),
        "End Equity": text(round_half_even(figures.end_equity, 2)),
        "Net Profit": percent(figures.total_net_profit, 3),
        "Sharpe Ratio": rounded_double(figures.sharpe_ratio, 3),
        "Sortino Ratio": rounded_double(figures.sortino_ratio, 3),
        "Probabilistic Sharpe Ratio": percent(figures.probabilistic_sharpe_ratio, 3),
        "Loss Rate": percent(figures.loss_rate, 0),
        "Win Rate": percent(figures.win_rate, 0),
        "Profit-Loss Ratio": text(round_half_even(figures.profit_loss_ratio, 2)),
        "Alpha": rounded_double(figures.alpha, 3),
        "Beta": rounded_double(figures.beta, 3),
        "Annual Standard Deviation": rounded_double(figures.annual_standard_deviation, 3),
        "Annual Variance": rounded_double(figures.annual_variance, 3),
        "Information Ratio": rounded_double(figures.information_ratio, 3),
        "Tracking Error": rounded_double(figures.tracking_error, 3),
        "Treynor Ratio": rounded_double(figures.treynor_ratio, 3),
        "Total Fees": symbol + fixed(inputs.total_fees, 2),
        "Estimated Strategy Capacity": symbol + rounded_significant_text(inputs.capacity, 2),
        "Lowest Capacity Asset": inputs.lowest_capacity_asset,
        "Portfolio Turnover": percent(figures.portfolio_turnover, 2),
        "Drawdown Recovery": str(figures.drawdown_recovery),
    }
