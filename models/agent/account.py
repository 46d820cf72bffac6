"""How an account looks to an agent and what it may ask for: the same in training and trading.

An *exposure* is a weight (value of the position over equity) as a fraction of the cap of its
symbol: -1 is fully short, 1 fully long. Accounts show their exposure, actions are target exposures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ACTIONS = (-1.0, 0.0, 1.0)
"""The default actions, as target exposures: short, flat, long."""

GRADED = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
"""Actions with degrees. An investor whose best exposure is w loses at most (1/8 / w)² of the best
mean-variance reward by rounding to a quarter: 2 % at 7/8, 11 % at 3/8."""

ACCOUNT_FEATURES = ("exposure",)
"""What an agent sees of an account."""

EXPOSURE_LIMIT = 1.5
"""Exposures beyond are reported as this. A position above its cap is trimmed at the next open, so
more takes a move of half the position in one bar, and calls for the same: trim."""


@dataclass(frozen=True)
class Standing:
    """Where B accounts with S symbols stand, and what binds them.

    Attributes:
        exposure: weight of each position over its cap, shape (B, S), not clipped.
        caps: largest absolute weight of each symbol, shape (B, S) or (1, S), > 0.
        gross: bound on the sum of absolute weights.
    """

    exposure: NDArray[np.float64]
    caps: NDArray[np.float64]
    gross: float = 1.0

    def __len__(self) -> int:
        return len(self.exposure)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Value of each position over equity, shape (B, S)."""
        return self.exposure * self.caps


def account_features(weights: ArrayLike, caps: ArrayLike) -> NDArray[np.float32]:
    """What an agent sees of the position in one symbol.

    Args:
        weights: signed value of the position over equity, shape (...).
        caps: cap of the symbol, broadcast against `weights`, > 0.

    Returns:
        Shape (..., K), columns `ACCOUNT_FEATURES`.
    """
    return exposure_features(np.asarray(weights, dtype=float) / caps)


def exposure_features(exposure: ArrayLike) -> NDArray[np.float32]:
    """`account_features` of positions (...) whose exposures are known, shape (..., K)."""
    bounded = np.minimum(np.maximum(exposure, -EXPOSURE_LIMIT), EXPOSURE_LIMIT)
    return bounded.astype(np.float32)[..., None]
