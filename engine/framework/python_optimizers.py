"""Portfolio optimizers, as in LEAN's Python files of the folder `Portfolio`: returns to weights.

They solve with SciPy, as LEAN's do, so that the weights agree to the last digit that matters. The
names of `AlgorithmImports` are LEAN's C# optimizers, in `optimizers`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from engine.framework.optimizers import SMALLEST_WEIGHT


def _moments(returns: Any, mean: Any, covariance: Any) -> tuple[Any, Any]:
    """Mean and covariance: those given, else those of a frame of returns."""
    mean = returns.mean() if mean is None else mean
    return mean, returns.cov() if covariance is None else covariance


class _Bounded:
    """Optimizers with bounds of a weight, which start from equal weights."""

    def __init__(self, minimum_weight: float, maximum_weight: float) -> None:
        self.minimum_weight = minimum_weight
        self.maximum_weight = maximum_weight

    def get_boundary_conditions(self, size: int) -> tuple[tuple[float, float], ...]:
        """Bounds of each weight."""
        return ((self.minimum_weight, self.maximum_weight),) * size

    def get_budget_constraint(self, weights: Any) -> Any:
        """Zero if the weights sum to one."""
        return np.sum(weights) - 1

    def portfolio_variance(self, weights: Any, covariance: Any) -> Any:
        """Variance of the portfolio.

        Raises:
            ValueError: if it is zero although something is held.
        """
        variance = np.dot(weights.T, np.dot(covariance, weights))
        if variance == 0 and np.any(weights):
            raise ValueError(
                f"{type(self).__name__}: the portfolio's variance must not be 0; weights {weights}"
            )
        return variance

    def _minimize(self, objective: Any, size: int, constraints: list[Any]) -> tuple[Any, bool]:
        from scipy.optimize import minimize

        start = np.full(size, 1.0 / size)
        found = minimize(
            objective,
            start,
            bounds=self.get_boundary_conditions(size),
            constraints=[{"type": "eq", "fun": one} for one in constraints],
            method="SLSQP",
        )
        return (found["x"], True) if found["success"] else (start, False)


class MinimumVariancePortfolioOptimizer(_Bounded):
    """Least variance for a target return; absolute weights sum to one.

    Args:
        minimum_weight: lower bound of a weight.
        maximum_weight: upper bound of a weight.
        target_return: of the portfolio, in the unit of the returns.
    """

    def __init__(
        self, minimum_weight: float = -1, maximum_weight: float = 1, target_return: float = 0.02
    ) -> None:
        super().__init__(minimum_weight, maximum_weight)
        self.target_return = target_return

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> Any:
        """Return a weight per column of a frame of returns; equal ones if nothing is found."""
        expected, covariance = _moments(historical_returns, expected_returns, covariance)
        weights, success = self._minimize(
            lambda given: self.portfolio_variance(given, covariance),
            historical_returns.columns.size,
            [self.get_budget_constraint, lambda given: self.get_target_constraint(given, expected)],
        )
        return weights / np.sum(np.abs(weights)) if success else weights

    def get_target_constraint(self, weights: Any, expected_returns: Any) -> Any:
        """Zero if the portfolio is expected to return the target."""
        row = np.asarray(expected_returns, dtype=float).reshape(1, -1)
        return (row @ np.asarray(weights).reshape(-1, 1)).item() - self.target_return


class MaximumSharpeRatioPortfolioOptimizer(_Bounded):
    """Largest ratio of excess return to deviation; weights sum to one.

    Args:
        minimum_weight: lower bound of a weight.
        maximum_weight: upper bound of a weight.
        risk_free_rate: in the unit of the returns.
    """

    def __init__(
        self, minimum_weight: float = -1, maximum_weight: float = 1, risk_free_rate: float = 0
    ) -> None:
        super().__init__(minimum_weight, maximum_weight)
        self.risk_free_rate = risk_free_rate

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> Any:
        """Return a weight per column of a frame of returns; equal ones if nothing is found."""
        expected, covariance = _moments(historical_returns, expected_returns, covariance)
        excess = expected - self.risk_free_rate

        def falling(weights: Any) -> Any:
            return -excess.dot(weights) / np.sqrt(self.portfolio_variance(weights, covariance))

        return self._minimize(falling, covariance.columns.size, [self.get_budget_constraint])[0]


class RiskParityPortfolioOptimizer:
    """Weights with which every asset carries its budget of the risk; they sum to one.

    Args:
        minimum_weight: smallest weight, at least 0.00001.
        maximum_weight: largest weight.
    """

    def __init__(
        self,
        minimum_weight: float = SMALLEST_WEIGHT,
        maximum_weight: float = sys.float_info.max,
    ) -> None:
        self.minimum_weight = max(minimum_weight, SMALLEST_WEIGHT)
        self.maximum_weight = max(maximum_weight, minimum_weight)

    def optimize(self, historical_returns: Any, budget: Any = None, covariance: Any = None) -> Any:
        """Return a weight per column of a frame of returns; equal ones if nothing is found."""
        from scipy.optimize import minimize

        covariance = np.cov(historical_returns.T) if covariance is None else covariance
        size = historical_returns.columns.size
        start = np.full(size, 1.0 / size)
        budget = start if budget is None else budget
        found = minimize(
            lambda x: 0.5 * x.T @ covariance @ x - budget.T @ np.log(x),
            jac=lambda x: covariance @ x - budget / x,
            hess=lambda x: covariance + np.diag((budget / x**2).flatten()),
            x0=start,
            method="Newton-CG",
        )
        if not found["success"]:
            return start
        weights = found["x"] / np.sum(found["x"])
        return np.clip(weights, self.minimum_weight, self.maximum_weight)


class UnconstrainedMeanVariancePortfolioOptimizer:
    """Expected returns times the inverse of the covariance, without any bound."""

    def optimize(
        self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None
    ) -> Any:
        """Return a weight per column of a frame of returns."""
        expected, covariance = _moments(historical_returns, expected_returns, covariance)
        return expected.dot(np.linalg.inv(covariance))
