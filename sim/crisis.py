"""The worst day of a market: when its symbols, each in its own measure, fell furthest together.

Shown side by side, a real one and an imagined one tell at a glance whether imagined symbols fall
together as real ones do. One day is an anecdote, not a test: `sim.dependence` measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.market.history import CLOSE, History
from sim.dates import CommonDates
from sim.paths import Paths

BARS_AROUND = 20
"""Bars shown before the day and after it, where there are as many: a month each."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrisisDay:
    """The day on which S symbols fell furthest.

    Attributes:
        date: of a real day (ISO); None for an imagined one.
        market: number of the imagined market; None for the real one.
        searched: days of which it is the worst.
        returns: of each symbol on the day, close to close, simple, shape (S,).
        deviations: log returns of the day in each symbol's deviation, shape (S,).
        closes: around the day, 1 at the close before it, shape (S, n).
        day: which of the closes is the day's, 1..n-1.
    """

    date: str | None
    market: int | None
    searched: int
    returns: Floats
    deviations: Floats
    closes: Floats
    day: int

    @classmethod
    def _around(cls, closes: Floats, log_returns: Floats, deviation: Floats, at: int) -> CrisisDay:
        """The day `at` of closes (S, N), with its log returns (S,)."""
        first, last = max(at - 1 - BARS_AROUND, 0), at + BARS_AROUND + 1
        return cls(
            date=None,
            market=None,
            searched=0,
            returns=np.expm1(log_returns),
            deviations=log_returns / deviation,
            closes=closes[:, first:last] / closes[:, at - 1 : at],
            day=at - first,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it, five digits."""
        found = vars(self) | {
            name: getattr(self, name).round(5).tolist()
            for name in ("returns", "deviations", "closes")
        }
        return dict(found)


def deviations_of(histories: Sequence[History], first: int = 1) -> Floats:
    """Deviation of each history's daily log returns from row `first` >= 1 on, shape (S,), > 0."""
    _check_first(first)
    return np.array([max(history.log_returns[first:].std(), 1e-12) for history in histories])


def worst_real_day(histories: Sequence[History], first: int = 1) -> CrisisDay | None:
    """The date with the lowest mean return, each symbol's in its own deviations.

    Args:
        histories: of S symbols; only dates on which all have a bar are looked at.
        first: row of each from which on its days are looked at and its deviation is taken, >= 1.

    Returns:
        None if there are fewer than two such dates.
    """
    _check_first(first)
    # A day needs the close before it.
    common = CommonDates.of(histories, first - 1)
    whole = common.present.all(axis=1)
    rows, dates = common.rows[whole], common.dates[whole]
    if len(rows) < 2:
        return None
    of_each = list(zip(histories, rows.T, strict=True))
    log_returns = np.stack([history.log_returns[row] for history, row in of_each])
    closes = np.stack([history.close[row] for history, row in of_each])
    deviation = deviations_of(histories, first)
    at = 1 + int((log_returns[:, 1:] / deviation[:, None]).mean(axis=0).argmin())
    found = CrisisDay._around(closes, log_returns[:, at], deviation, at)
    date = str(dates[at].astype("datetime64[D]"))
    return replace(found, date=date, searched=len(rows) - 1)


def worst_imagined_day(paths: Paths, deviation: Floats) -> CrisisDay:
    """The day of all markets with the lowest mean return, each symbol's in its deviation.

    Args:
        paths: markets of S symbols.
        deviation: of each symbol's log returns, shape (S,): that of its real bars, so that real
            and imagined days are measured alike.
    """
    found = paths.log_returns
    mean = (found / deviation[:, None]).mean(axis=1)
    market, step = np.unravel_index(mean.argmin(), mean.shape)
    closes = paths.bars[market, :, :, CLOSE]
    day = CrisisDay._around(closes, found[market, :, step], deviation, int(step) + 1)
    return replace(day, market=int(market), searched=mean.size)


def _check_first(first: int) -> None:
    if first < 1:
        raise ValueError(f"first must be >= 1: row 0 has no return; received {first!r}")
