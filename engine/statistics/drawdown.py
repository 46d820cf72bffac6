"""Largest fall from a peak, and how long the slowest recovery took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from engine.common.decimals import ZERO, round_half_even


def drawdown_and_recovery(equity: Mapping[datetime, Decimal], digits: int) -> tuple[Decimal, int]:
    """Return the maximum drawdown and the longest recovered drawdown.

    Args:
        equity: portfolio value by time, oldest first.
        digits: decimals to which the drawdown, a fraction, is rounded.

    Returns:
        The drawdown (at least zero), and whole days from the peak until it was reached again;
        a drawdown still open at the end does not count.
    """
    if len(equity) < 2:
        return ZERO, 0
    points = iter(equity.items())
    peak_time, peak = next(points)
    if peak == 0:
        return ZERO, 0
    worst, longest = ZERO, 0.0
    under_since: datetime | None = None
    for time, value in equity.items():
        if value >= peak:
            if under_since is not None:
                longest = max(longest, (time - under_since).total_seconds() / 86400)
                under_since = None
            peak, peak_time = value, time
        fall = value / peak - 1
        if fall < 0:
            worst = min(worst, fall)
            if under_since is None:
                under_since = peak_time
    return round_half_even(abs(worst), digits), int(longest)
