"""Portfolio optimizers, as in LEAN's C# files of the folder `Portfolio`: returns to weights.

These are the names of `AlgorithmImports`; those of LEAN's Python files, which solve with SciPy, are
in `python_optimizers`. Weights agree with LEAN's to the last digits of a double where the
covariance is well conditioned: the minimum of each program is one point. The tests hold them to the
six decimals of LEAN's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException
from engine.framework.quadratic import minimize

SMALLEST_WEIGHT = 1e-05
MOST_VARIABLES = 1000
LARGEST = sys.float_info.max


def moments(returns: Any, mean: Any, covariance: Any) -> tuple[Any, Any]:
    """Mean and covariance as arrays: those given, else the returns' own (divided by n - 1)."""
    if mean is None or covariance is None:
        returns = np.asarray(returns, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            own = returns.sum(axis=0) / np.float64(len(returns))
            apart = returns - own
            spread = apart.T @ apart / np.float64(len(returns) - 1)
        mean = own if mean is None else mean
        covariance = spread if covariance is None else covariance
    return np.asarray(mean, dtype=float), np.asarray(covariance, dtype=float)


class PortfolioOptimizer(LeanObject):
    """An optimizer that all of LEAN's models take: a weight per column of the returns."""


class _Bounded(PortfolioOptimizer):
    """Optimizers with bounds of a weight.

    Args:
        lower: smallest weight.
        upper: largest weight.
    """

    def __init__(self, lower: float, upper: float) -> None:
        self._lower, self._upper = float(lower), float(upper)


class MinimumVariancePortfolioOptimizer(_Bounded):
    """The least variance with which the weights sum to one and return the target.

    Args:
        lower: smallest weight.
        upper: largest weight.
        target_return: of the portfolio, in the unit of the returns.
    """

    def __init__(self, lower: float = -1, upper: float = 1, target_return: float = 0.02) -> None:
        super().__init__(lower, upper)
        self._target = float(target_return)

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> list[float]:
        """A weight per column of the returns (time x assets), absolute ones summing to one.

        Equal ones where nothing satisfies the constraints or the covariance (assets x assets) is
        not positive definite.
        """
        mean, covariance = moments(historical_returns, expected_returns, covariance)
        size = len(covariance)
        one = np.eye(size)
        rows = np.vstack([mean, np.ones(size), one, -one])
        bounds = np.repeat([self._lower, -self._upper], size)
        found = minimize(covariance, rows, [self._target, 1.0, *bounds], 2)
        equal = [1.0 / size for _ in range(size)]
        if found is None:
            return equal
        found = np.where(np.isfinite(found), found, 0.0)
        total = np.abs(found).sum()
        return equal if total == 0 else list(map(float, found / total))


class MaximumSharpeRatioPortfolioOptimizer(_Bounded):
    """The largest ratio of excess return to deviation, with weights that sum to one.

    Args:
        lower: smallest weight.
        upper: largest weight.
        risk_free_rate: in the unit of the returns.
    """

    def __init__(self, lower: float = -1, upper: float = 1, risk_free_rate: float = 0.0) -> None:
        super().__init__(lower, upper)
        self._risk_free = float(risk_free_rate)

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> list[float]:
        """A weight per column of the returns (time x assets).

        Equal ones where no portfolio has a positive excess return or the covariance (assets x
        assets) is not positive definite.
        """
        mean, covariance = moments(historical_returns, expected_returns, covariance)
        excess, size = mean - self._risk_free, len(covariance)
        equal = [1.0 / size for _ in range(size)]
        if not (np.any(excess > 0) if self._lower >= 0 else np.any(excess != 0)):
            return equal
        # In y = w times the sum of y: the least y' S y whose excess return is one.
        one = np.eye(size)
        rows = np.vstack([excess, one - self._lower, self._upper - one])
        found = minimize(covariance, rows, [1.0, *np.zeros(2 * size)], 1)
        if found is None:
            return equal
        total = found.sum()
        return list(map(float, found / total)) if total > 0 else equal


class UnconstrainedMeanVariancePortfolioOptimizer(PortfolioOptimizer):
    """Expected returns times the inverse of the covariance, without any bound."""

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> list[float]:
        """A weight per column of the returns (time x assets)."""
        mean, covariance = moments(historical_returns, expected_returns, covariance)
        return list(map(float, mean @ np.linalg.inv(covariance)))


class RiskParityPortfolioOptimizer(PortfolioOptimizer):
    """Weights with which every asset carries its budget of the risk; they sum to one.

    Args:
        lower: smallest weight, 0.00001 by default.
        upper: largest weight; none by default.
    """

    _TOLERANCE = 1e-11
    _MOST_STEPS = 15000

    def __init__(self, lower: float | None = None, upper: float | None = None) -> None:
        self._lower = SMALLEST_WEIGHT if lower is None else float(lower)
        self._upper = LARGEST if upper is None else float(upper)

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> list[float]:
        """A weight per column of the returns (time x assets).

        Args:
            historical_returns: not needed where the covariance is given.
            expected_returns: the budget, equal shares by default: LEAN's name for it.
            covariance: assets x assets.

        Raises:
            ArgumentException: without assets, or with more than 1,000.
        """
        if covariance is None:
            _, covariance = moments(historical_returns, 0.0, None)
        covariance = np.asarray(covariance, dtype=float)
        size = len(covariance)
        budget = [1 / size for _ in range(size)] if expected_returns is None else expected_returns
        found = self._newton(covariance, budget)
        return list(map(float, np.clip(found / found.sum(), self._lower, self._upper)))

    def _newton(self, covariance: Any, shares: Sequence[float]) -> Any:
        """The x with the least ``x' S x / 2 - budget' log(x)``."""
        size = len(covariance)
        if not 1 <= size <= MOST_VARIABLES:
            raise ArgumentException(
                'Argument "numberOfVariables" must be a positive integer between 1 and 1000'
            )
        if size == 1:
            return np.ones(1)
        budget, found = np.asarray(shares, dtype=float), np.full(size, 1 / size)
        value, before = -LARGEST, LARGEST
        with np.errstate(invalid="ignore", divide="ignore"):
            for _ in range(self._MOST_STEPS):
                if not abs(value - before) > self._TOLERANCE:
                    break
                before = value
                slope = covariance @ found - budget / found
                bend = covariance + np.diag(budget / (found * found))
                found = found - np.linalg.inv(bend) @ slope
                value = float(0.5 * found @ covariance @ found - budget @ np.log(found))
        return found
