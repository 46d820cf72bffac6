"""Which rows train, which stop and which calibrate a model of time series.

A label at row t is the bar t + 1, and a window that ends at row t shares inputs with its
neighbours. So rows before a held-out block are *purged* (their labels reach into it) and rows
right after it are put under an *embargo* (their inputs still remember it), as in Lopez de Prado,
Advances in Financial Machine Learning (2018), chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Row numbers by role, sorted, disjoint; purged rows have none.

    Attributes:
        train: rows to learn from.
        early_stopping: rows to stop training by.
        calibration: rows to calibrate the trained model on.
    """

    train: np.ndarray
    early_stopping: np.ndarray
    calibration: np.ndarray


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ValueError(f"{name} must be at least {low}; received {value}")


def validation_split(
    time: np.ndarray,
    *,
    period_days: int,
    fraction: float,
    purge: int = 1,
    embargo: int = 5,
) -> Split:
    """Held-out blocks for early stopping and for calibration, in turn, fixed by the calendar.

    Time is cut into periods of equal length and the last days of each are held out, so calm and
    wild times are both represented; the blocks of even periods stop training, those of odd ones
    calibrate. The cuts do not depend on where the span starts or ends: a day keeps its role in
    every later training, and a warm-started model is never judged on what an earlier training has
    taught it.

    Args:
        time: shape (n,), datetime64, oldest first: when each row's inputs were complete.
        period_days: length of a period, calendar days.
        fraction: share of each period that is held out, in (0, 1).
        purge: rows left out of training before each block: labels look this many bars ahead.
        embargo: rows left out of training after each block.

    Raises:
        ValueError: if an argument is out of range or a role would get no row.
    """
    _at_least("period_days", period_days, 1)
    _at_least("purge", purge, 0)
    _at_least("embargo", embargo, 0)
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction must lie in (0, 1); received {fraction}")
    day = np.asarray(time).astype("datetime64[D]").astype(np.int64)
    held = day % period_days >= round(period_days * (1.0 - fraction))
    near = held.copy()
    for shift in range(1, purge + 1):
        near[:-shift] |= held[shift:]
    for shift in range(1, embargo + 1):
        near[shift:] |= held[:-shift]
    even = day // period_days % 2 == 0
    split = Split(
        train=np.flatnonzero(~near),
        early_stopping=np.flatnonzero(held & even),
        calibration=np.flatnonzero(held & ~even),
    )
    for role in ("train", "early_stopping", "calibration"):
        if not len(getattr(split, role)):
            raise ValueError(
                f"time must leave rows for {role}; received {len(day)} rows for "
                f"period_days {period_days}, fraction {fraction}, purge {purge}, embargo {embargo}"
            )
    return split
