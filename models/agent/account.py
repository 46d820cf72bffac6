"""How an account looks to an agent: the same few numbers in training and in trading."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ACCOUNT_FEATURES = ("exposure",)
"""Exposure: the weight of the position as a share of its cap; -1 fully short, 1 fully long."""

EXPOSURE_LIMIT = 1.5
"""Exposures beyond are reported as this: trimming keeps them rare and short-lived."""


def account_features(weights: ArrayLike, caps: ArrayLike) -> NDArray[np.float32]:
    """What an agent sees of the position in one symbol.

    Args:
        weights: signed value of the position over equity, shape (...).
        caps: cap of the symbol, broadcast against `weights`, > 0.

    Returns:
        Shape (..., K), columns `ACCOUNT_FEATURES`.
    """
    exposure = np.asarray(weights, dtype=float) / caps
    bounded = np.minimum(np.maximum(exposure, -EXPOSURE_LIMIT), EXPOSURE_LIMIT)
    return bounded.astype(np.float32)[..., None]
