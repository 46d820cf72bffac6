"""Arrays that are passed around and must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def read_only(values: ArrayLike, dtype: Any = None) -> NDArray:
    """A copy that nobody can write to.

    Args:
        values: anything an array can be made of.
        dtype: of the copy; that of the values by default.
    """
    copy = np.array(values, dtype=dtype)
    copy.setflags(write=False)
    return copy


def take_series(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Chosen rows of an array (B, ...) as a new one with the series contiguous in memory."""
    return np.moveaxis(np.take(np.moveaxis(values, 0, -1), rows, axis=-1), -1, 0)
