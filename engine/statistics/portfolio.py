"""Portfolio statistics: returns, risk and ratios over samples of a backtest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import MAX_DECIMAL, ZERO, from_float, round_half_even, to_double
from engine.common.naming import LeanObject
from engine.statistics import moments
from engine.statistics.drawdown import drawdown_and_recovery
from engine.statistics.formatting import json_number, mean
from engine.statistics.interest_rate import InterestRates, ModelRates

DAYS_PER_YEAR = 365
DRAWDOWN_DIGITS = 3


@dataclass(frozen=True)
class PortfolioStatistics(LeanObject):
    """Figures of a period; fractions, not per cent. Too few samples leave zeros."""

    average_win_rate: Decimal = ZERO
    average_loss_rate: Decimal = ZERO
    profit_loss_ratio: Decimal = ZERO
    win_rate: Decimal = ZERO
    loss_rate: Decimal = ZERO
    expectancy: Decimal = ZERO
    start_equity: Decimal = ZERO
    end_equity: Decimal = ZERO
    compounding_annual_return: Decimal = ZERO
    drawdown: Decimal = ZERO
    total_net_profit: Decimal = ZERO
    sharpe_ratio: Decimal = ZERO
    probabilistic_sharpe_ratio: Decimal = ZERO
    sortino_ratio: Decimal = ZERO
    alpha: Decimal = ZERO
    beta: Decimal = ZERO
    annual_standard_deviation: Decimal = ZERO
    annual_variance: Decimal = ZERO
    information_ratio: Decimal = ZERO
    tracking_error: Decimal = ZERO
    treynor_ratio: Decimal = ZERO
    portfolio_turnover: Decimal = ZERO
    value_at_risk_99: Decimal = ZERO
    value_at_risk_95: Decimal = ZERO
    drawdown_recovery: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the figures under LEAN's camelCase names, decimals as strings."""
        result: dict[str, Any] = {}
        for item in fields(self):
            head, *rest = item.name.split("_")
            value = getattr(self, item.name)
            name = head + "".join(word.title() for word in rest)
            result[name] = json_number(value) if isinstance(value, Decimal) else str(value)
        return result


def portfolio_statistics(
    *,
    profit_loss: Mapping[datetime, Decimal],
    equity: Mapping[datetime, Decimal],
    turnover: Sequence[Decimal],
    performance: Sequence[float],
    benchmark: Sequence[float],
    starting_capital: Decimal,
    rates: InterestRates | ModelRates,
    trading_days: int,
    wins: int,
    losses: int,
) -> PortfolioStatistics:
    """Compute a period's figures.

    Args:
        profit_loss: closed profits by time.
        equity: portfolio values by UTC time, oldest first, intraday samples included.
        turnover: daily sales volume over portfolio value.
        performance: daily returns, fractions.
        benchmark: the benchmark's returns on the same days.
        starting_capital: capital before the first closed profit.
        rates: risk-free rates, averaged over the equity samples.
        trading_days: per year.
        wins: closed profits that count as won.
        losses: those that count as lost.

    Returns:
        The figures; only the equities and the turnover if a variance cannot be computed.
    """
    end_equity = list(equity.values())[-1] if equity else ZERO
    known = PortfolioStatistics(
        start_equity=starting_capital, end_equity=end_equity, portfolio_turnover=mean(turnover)
    )
    if starting_capital == 0 or len(benchmark) < 2 or len(performance) < 2:
        return known

    average_win, average_loss = _win_and_loss_rates(profit_loss, starting_capital)
    ratio = average_win / abs(average_loss) if average_loss else ZERO
    trades = wins + losses
    win_rate = Decimal(wins) / trades if trades else ZERO
    loss_rate = Decimal(losses) / trades if trades else ZERO

    variance = _decimal(_annual_variance(performance, trading_days))
    deviation = _decimal(math.sqrt(to_double(variance)))
    downside = _decimal(
        math.sqrt(_annual_variance([value for value in performance if value < 0], trading_days))
    )
    annual = _decimal(_annual_return(performance, trading_days))
    benchmark_annual = _decimal(_annual_return(benchmark, trading_days))
    risk_free = rates.average(equity)

    benchmark_variance = moments.variance(benchmark)
    beta = (
        _decimal(moments.covariance(performance, benchmark) / benchmark_variance)
        if moments.usable(benchmark_variance)
        else ZERO
    )
    tracking = _decimal(_tracking_error(performance, benchmark, trading_days))
    drawdown, recovery = drawdown_and_recovery(equity, DRAWDOWN_DIGITS)
    return replace(
        known,
        average_win_rate=average_win,
        average_loss_rate=average_loss,
        profit_loss_ratio=ratio,
        win_rate=win_rate,
        loss_rate=loss_rate,
        expectancy=win_rate * ratio - loss_rate,
        compounding_annual_return=_compounding(starting_capital, equity),
        drawdown=drawdown,
        total_net_profit=end_equity / starting_capital - 1,
        sharpe_ratio=_excess_over(annual, deviation, risk_free),
        probabilistic_sharpe_ratio=_probabilistic_sharpe(performance, risk_free, trading_days),
        sortino_ratio=_excess_over(annual, downside, risk_free),
        alpha=annual - (risk_free + beta * (benchmark_annual - risk_free)) if beta else ZERO,
        beta=beta,
        annual_standard_deviation=deviation,
        annual_variance=variance,
        information_ratio=(
            _decimal(to_double(annual) - to_double(benchmark_annual)) / tracking
            if tracking
            else ZERO
        ),
        tracking_error=tracking,
        treynor_ratio=_decimal(to_double(annual) - to_double(risk_free)) / beta if beta else ZERO,
        value_at_risk_99=_value_at_risk(performance, trading_days, 0.99),
        value_at_risk_95=_value_at_risk(performance, trading_days, 0.95),
        drawdown_recovery=recovery,
    )


def _decimal(value: float) -> Decimal:
    """Convert; what exceeds a decimal becomes the largest one, as in LEAN."""
    if abs(value) >= float(MAX_DECIMAL):
        return MAX_DECIMAL if value > 0 else -MAX_DECIMAL
    return from_float(value)


def _win_and_loss_rates(
    profit_loss: Mapping[datetime, Decimal], starting_capital: Decimal
) -> tuple[Decimal, Decimal]:
    """Return the mean profit and loss, each as a fraction of the capital before it."""
    capital = starting_capital
    gains: list[Decimal] = []
    falls: list[Decimal] = []
    for _, value in sorted(profit_loss.items()):
        (gains if value > 0 else falls).append(value / capital)
        capital += value
    return mean(gains), mean(falls)


def _compounding(starting_capital: Decimal, equity: Mapping[datetime, Decimal]) -> Decimal:
    times = list(equity)
    years = _decimal((times[-1] - times[0]).total_seconds() / 86400) / DAYS_PER_YEAR
    if years == 0 or starting_capital == 0:
        return ZERO
    growth = to_double(equity[times[-1]]) / to_double(starting_capital)
    if growth < 0:
        return ZERO
    try:
        return _decimal(growth ** (1 / to_double(years)) - 1)
    except OverflowError:
        return ZERO


def _annual_variance(returns: Sequence[float], trading_days: int) -> float:
    variance = moments.variance(returns)
    return variance * trading_days if moments.usable(variance) else 0.0


def _annual_return(returns: Sequence[float], trading_days: int) -> float:
    return (moments.average(returns) + 1) ** trading_days - 1


def _tracking_error(first: Sequence[float], second: Sequence[float], trading_days: int) -> float:
    if len(first) != len(second):
        return 0.0
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    return math.sqrt(_annual_variance(gaps, trading_days))


def _excess_over(annual: Decimal, deviation: Decimal, risk_free: Decimal) -> Decimal:
    if deviation == 0:
        return ZERO
    return _decimal((to_double(annual) - to_double(risk_free)) / to_double(deviation))


def _probabilistic_sharpe(
    returns: Sequence[float], risk_free: Decimal, trading_days: int
) -> Decimal:
    """Probability that the true Sharpe ratio exceeds an annual 1 (Bailey, Lopez de Prado 2012)."""
    deviation = moments.standard_deviation(returns)
    excess = moments.average(returns) - to_double(risk_free) / trading_days
    sharpe = excess / deviation if moments.usable(deviation) else 0.0
    shape = 1 - moments.skewness(returns) * sharpe
    shape += (moments.excess_kurtosis(returns) - 1) / 4 * sharpe**2
    if math.isnan(shape) or shape < 0:
        return ZERO
    spread = math.sqrt(shape / (len(returns) - 1))
    target = 1 / math.sqrt(trading_days)
    return _decimal(moments.normal_cdf((sharpe - target) / spread if spread else 0.0))


def _value_at_risk(returns: Sequence[float], days: int, confidence: float) -> Decimal:
    """Normal value at risk of one day over the last ``days``, rounded to three decimals."""
    recent = returns[-days:]
    spread = moments.standard_deviation(recent)
    quantile = moments.normal_quantile(moments.average(recent), spread, 1 - confidence)
    return round_half_even(_decimal(quantile), 3)
