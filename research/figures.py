"""Figures of an account's daily returns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sharpe(log_returns: NDArray[np.float64]) -> float:
    """Annualised Sharpe ratio of simple daily returns, risk-free rate 0; NaN if they are equal.

    Args:
        log_returns: shape (T,), T >= 2.
    """
    simple = np.expm1(log_returns)
    deviation = simple.std(ddof=1)
    return float(np.sqrt(252) * simple.mean() / deviation) if deviation > 0 else float("nan")


def drawdown(log_returns: NDArray[np.float64]) -> float:
    """Largest loss from a peak, the start included, as a fraction.

    Args:
        log_returns: shape (T,).
    """
    wealth = np.concatenate([[0.0], np.cumsum(log_returns)])
    return float(1 - np.exp((wealth - np.maximum.accumulate(wealth)).min()))
