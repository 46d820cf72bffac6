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


def column(values: np.ndarray, index: int) -> np.ndarray:
    """One column of an array (..., n) as a new one, contiguous in memory.

    NumPy's logarithms and exponentials of strided input take one of two paths, a bit apart, by
    where input and output happen to lie in memory: the same program would not give the same twice.
    """
    return np.array(values[..., index], order="C")


def take_series(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Chosen rows of an array (B, ...) as a new one with the series contiguous in memory."""
    return np.moveaxis(np.take(np.moveaxis(values, 0, -1), rows, axis=-1), -1, 0)


def plain(values: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """As compiled loops take it: contiguous, writeable; the same array where it is so already."""
    flags = values.flags
    if values.dtype == dtype and flags.c_contiguous and flags.writeable and flags.aligned:
        return values
    return np.require(values, dtype, ["C", "W", "A"])


def all_finite(values: np.ndarray) -> bool:
    """Whether every number is finite; one pass where they are, without an array as large."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum may overflow where no number does.
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
