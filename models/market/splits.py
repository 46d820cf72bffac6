"""Which rows train, validate and test a model of time series.

A label at row t is the bar t + 1, and a window that ends at row t shares inputs with its
neighbours. So rows next to a boundary are *purged* (their labels or windows reach across it) and
rows right after a held-out block are put under an *embargo* (their inputs still remember it), as
in Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Row numbers, sorted, disjoint.

    Attributes:
        train: shape (n,), rows to learn from.
        held_out: shape (m,), rows to judge on.
    """

    train: np.ndarray
    held_out: np.ndarray


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ValueError(f"{name} must be at least {low}; received {value}")


def validation_split(
    time: np.ndarray,
    *,
    period_days: int = 140,
    fraction: float = 0.2,
    purge: int = 1,
    embargo: int = 5,
) -> Split:
    """Held-out blocks for early stopping and calibration, fixed by the calendar.

    Time is cut into periods of equal length and the last days of each are held out, so calm and
    wild times are both represented. The cuts do not depend on where the span starts or ends: a
    day held out in one training is held out in every later one, and a warm-started model is
    never validated on what an earlier training has taught it.

    Args:
        time: shape (n,), datetime64, oldest first: when each row's inputs were complete.
        period_days: length of a period, calendar days.
        fraction: share of each period that is held out, in (0, 1).
        purge: rows left out before each block: labels look this many bars ahead.
        embargo: rows left out after each block.

    Returns:
        The training rows and the held-out rows.

    Raises:
        ValueError: if an argument is out of range or nothing would be left on either side.
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
    split = Split(np.flatnonzero(~near), np.flatnonzero(held))
    if not len(split.train) or not len(split.held_out):
        raise ValueError(
            f"time must leave rows to train and to hold out; received {len(day)} rows for "
            f"period_days {period_days}, fraction {fraction}, purge {purge}, embargo {embargo}"
        )
    return split


def walk_forward(
    n_rows: int,
    *,
    train_rows: int,
    test_rows: int,
    purge: int = 1,
    expanding: bool = False,
) -> Iterator[Split]:
    """Train on the past, test on what follows, move on.

    Args:
        n_rows: rows in all, oldest first.
        train_rows: length of the first training span (and of all, unless expanding).
        test_rows: length of each test span; a shorter rest at the end is tested too.
        purge: rows left out between training and test.
        expanding: keep the oldest rows in training instead of rolling on.

    Yields:
        Splits whose test spans follow each other without gap or overlap.

    Raises:
        ValueError: if an argument is out of range or there is no room for one split.
    """
    _at_least("train_rows", train_rows, 1)
    _at_least("test_rows", test_rows, 1)
    _at_least("purge", purge, 0)
    first = train_rows + purge
    if first >= n_rows:
        raise ValueError(
            f"n_rows must exceed train_rows + purge ({train_rows} + {purge}); received {n_rows}"
        )
    return _walk(n_rows, first, train_rows, test_rows, purge, expanding)


def _walk(  # apart, so that walk_forward checks when it is called, not when it is iterated
    n_rows: int, first: int, train_rows: int, test_rows: int, purge: int, expanding: bool
) -> Iterator[Split]:
    for start in range(first, n_rows, test_rows):
        begin = 0 if expanding else start - first
        yield Split(
            np.arange(begin, start - purge), np.arange(start, min(start + test_rows, n_rows))
        )
