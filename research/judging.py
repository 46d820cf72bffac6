"""How good a run was, and whether it was better than another: figures, intervals, deflation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from arch.bootstrap import StationaryBootstrap
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kurtosis, norm, skew

from research.figures import drawdown, sharpe

Floats = NDArray[np.float64]

BARS_PER_YEAR = 252
TAIL = 0.05
"""Share of the worst days that the conditional value at risk is the mean of."""
MEAN_BLOCK = 60
"""Bars of a resampled block: a quarter. The rule of Politis & White (2004) gives 37 to 54 for the
absolute returns of stocks; states that rules live on last longer."""
REPLICATES = 1000


@dataclass(frozen=True)
class Run:
    """What one account did on T bars, shape (T,) each.

    Attributes:
        growth: log growth of equity.
        turnover: value traded over the equity before.
        costs: fees and slippage over the equity before.
        exposure: sum of absolute weights after each bar.

    Raises:
        ValueError: for series of different lengths, fewer than 2 bars, or numbers not finite.
    """

    growth: Floats
    turnover: Floats
    costs: Floats
    exposure: Floats

    def __post_init__(self) -> None:
        for item in fields(self):
            values = np.asarray(getattr(self, item.name), dtype=float)
            object.__setattr__(self, item.name, values)
            if values.shape != (len(self.growth),) or len(values) < 2:
                raise ValueError(
                    f"{item.name} must have shape (T,), T >= 2, as growth; received {values.shape}"
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{item.name} must be finite; received others")

    def __len__(self) -> int:
        return len(self.growth)

    def part(self, bars: slice | NDArray) -> Run:
        """Some of its bars."""
        return Run(*(getattr(self, item.name)[bars] for item in fields(self)))


@dataclass(frozen=True)
class Figures:
    """A run in numbers.

    Attributes:
        sharpe: annualised, of simple daily returns, risk-free rate 0; 0 for an account that never
            moves: nothing earned, nothing risked.
        growth: a year, compounded.
        drawdown: deepest loss from a peak, as a fraction.
        shortfall: mean simple return of the worst `TAIL` of days (CVaR), as a loss.
        turnover: value traded a day over equity.
        costs: a year, over equity.
        exposure: mean sum of absolute weights.
    """

    sharpe: float
    growth: float
    drawdown: float
    shortfall: float
    turnover: float
    costs: float
    exposure: float

    @classmethod
    def of(cls, run: Run) -> Figures:
        """Of one run."""
        return cls(
            float(np.nan_to_num(sharpe(run.growth))),
            float(np.expm1(BARS_PER_YEAR * run.growth.mean())),
            drawdown(run.growth),
            shortfall(run.growth),
            float(run.turnover.mean()),
            float(BARS_PER_YEAR * run.costs.mean()),
            float(run.exposure.mean()),
        )

    @classmethod
    def mean(cls, several: Sequence[Figures]) -> Figures:
        """Their means."""
        return cls(
            *(float(np.mean([getattr(one, item.name) for one in several])) for item in fields(cls))
        )


def shortfall(log_returns: ArrayLike) -> float:
    """Mean loss of the worst `TAIL` of days (at least one), as a fraction, positive for a loss.

    Args:
        log_returns: shape (T,), T >= 1.
    """
    simple = np.sort(np.expm1(np.asarray(log_returns, dtype=float)))
    worst = max(1, round(TAIL * len(simple)))
    return float(-simple[:worst].mean())


def difference_interval(
    first: Floats,
    second: Floats,
    *,
    seed: int = 1,
    level: float = 0.95,
    replicates: int = REPLICATES,
    mean_block: int = MEAN_BLOCK,
) -> tuple[float, float]:
    """Interval of the Sharpe ratio of one run less that of another on the same days.

    Percentiles over a stationary bootstrap (Politis & Romano 1994) of days, both runs' together.

    Args:
        first: log growth, shape (T,); of several seeds (K, T), whose ratios are averaged.
        second: likewise, of as many seeds or another number.
        seed: of the resampling.
        level: of the interval.
        replicates: resampled spans.
        mean_block: mean length of a block, in bars.

    Returns:
        Low and high, annualised.

    Raises:
        ValueError: if the runs differ in length.
    """
    one, other = np.atleast_2d(first), np.atleast_2d(second)
    if one.shape[1] != other.shape[1]:
        raise ValueError(
            f"runs must be of the same days; received {one.shape[1]} and {other.shape[1]}"
        )
    days = np.expm1(np.concatenate([one, other])).T
    weights = np.repeat([1 / len(one), -1 / len(other)], [len(one), len(other)])

    def difference(drawn: Floats) -> Floats:
        deviation = drawn.std(axis=0, ddof=1)
        # A run that never moves has a ratio of 0, as in `Figures`.
        ratios = drawn.mean(axis=0) / np.where(deviation > 0, deviation, np.inf)
        return np.sqrt(BARS_PER_YEAR) * (weights * ratios).sum(keepdims=True)

    bootstrap = StationaryBootstrap(mean_block, days, seed=np.random.default_rng(seed))
    found = bootstrap.conf_int(difference, replicates, method="percentile", size=level).ravel()
    return float(found[0]), float(found[1])


def expected_best(ratios: ArrayLike, trials: int) -> float:
    """Largest Sharpe ratio to be expected of so many variants none of which has any.

    Bailey & Lopez de Prado (2014, "The deflated Sharpe ratio", equation 6).

    Args:
        ratios: of the variants tried, all per bar or all a year, shape (N,), N >= 2.
        trials: how many were tried, >= 2.

    Returns:
        In the unit of `ratios`.
    """
    if trials < 2:
        raise ValueError(f"trials must be at least 2; received {trials}")
    gamma = float(np.euler_gamma)
    largest = (1 - gamma) * norm.ppf(1 - 1 / trials) + gamma * norm.ppf(1 - 1 / (trials * math.e))
    return float(np.std(np.asarray(ratios, dtype=float), ddof=1) * largest)


def deflated_sharpe(log_returns: Floats, best: float) -> float:
    """Probability that the true Sharpe ratio exceeds what the best of many trials has by chance.

    Bailey & Lopez de Prado (2014, equation 9): skewness and fat tails widen the error.

    Args:
        log_returns: daily log growth, shape (T,).
        best: annualised ratio to exceed (`expected_best`).
    """
    simple = np.expm1(log_returns)
    return deflated(
        sharpe(log_returns) / math.sqrt(BARS_PER_YEAR),
        best / math.sqrt(BARS_PER_YEAR),
        len(simple),
        float(skew(simple)),
        float(kurtosis(simple, fisher=False)),
    )


def deflated(ratio: float, best: float, bars: int, skewness: float, kurt: float) -> float:
    """The same from moments: ratios per bar, `kurt` 3 for a normal distribution."""
    variance = 1 - skewness * ratio + (kurt - 1) / 4 * ratio**2
    return float(norm.cdf((ratio - best) * math.sqrt(bars - 1) / math.sqrt(variance)))
