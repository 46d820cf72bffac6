"""How wild markets are among the days of their histories, and which days are alike in that.

What forecasts miss is not the same in calm and in wild times: then symbols fall together, and
volume, wicks and overnight gaps go otherwise with the size of moves. Noise of any day on any market
would leave of that the average of all times. So markets take their noise from days as wild as
themselves when they start, and where a block of days ends, go on with days as wild as those that
would have come next (a matched-block bootstrap: Carlstein, Do, Hall, Hesterberg and Künsch 1998,
"Matched-block bootstrap for dependent data").

The level of a day is the share of the histories' days that forecasts had calmer, all symbols
together; that of an imagined market is its place among the same days. A market at level p takes
noise from a day at level

    F(p + REACH (2 u - 1)),    u uniform in (0, 1),

F the distribution function of its argument for uniform p. So the days of markets at all levels are
all days equally often, as wild as the market for the most part and of many eras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.forecast.forecaster import Hindcast
from models.market.features import FeatureTable
from sim.common_volatility import usual_volatility
from sim.dates import CommonDates

REACH = 0.15
"""How far from its own level, about, a market takes noise. Nearer days are few, and a market that
starts on a day would have that day's own future for its noise; with .3 markets are less like the
real one (AAPL, GOOG and IBM 2005-2008, W1 of one day .029, with .15 .025, of any day .038)."""

Floats = NDArray[np.float64]


def spread(argument: Floats) -> Floats:
    """F of the module's description: a trapezoid's distribution function, of any shape."""

    def integral(x: Floats) -> Floats:
        # Of x held within [0, 1].
        held = np.clip(x, 0.0, 1.0)
        return held * (x - 0.5 * held)

    return (integral(argument + REACH) - integral(argument - REACH)) / (2.0 * REACH)


def like(levels: Floats, uniforms: Floats) -> Floats:
    """Levels of days that markets at levels take noise from, in [0, 1], of any one shape."""
    return np.clip(spread(levels + REACH * (2.0 * uniforms - 1.0)), 0.0, 1.0)


def means_of_like(levels: Floats, values: Floats) -> Floats:
    """Of each of N days, the mean over the days within `REACH` of its level, less that over all.

    Args:
        levels: of the days, shape (N,).
        values: shape (N, ...), NaN where there is none.

    Returns:
        Shape (N, ...), with mean zero; 0 where no like day has a value.
    """
    order = np.argsort(levels)
    known = np.isfinite(values)
    low, high = np.searchsorted(levels[order], [levels - REACH, levels + REACH])

    def sums(of: Floats) -> Floats:
        total = np.concatenate([np.zeros((1, *of.shape[1:])), np.cumsum(of[order], axis=0)])
        return total[high] - total[low]

    count = sums(known.astype(float))
    found = sums(np.where(known, values, 0.0)) / np.maximum(count, 1.0)
    found = np.where(count > 0, found, found.mean(axis=0))
    return found - found.mean(axis=0)


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of days and of starts.

    Attributes:
        above: what the log volatility of all symbols together is above the usual, on each of N
            dates, shape (N,), ascending dates.
        at_rows: likewise of one symbol, the bar after each row from `first` on, S arrays.
        first: earliest row.
    """

    above: Floats
    at_rows: Sequence[Floats]
    first: int

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast]) -> Levels:
        """Of the dates on which any of S histories has a bar that was forecast.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster.
        """
        first, usual = hindcasts[0].first, usual_volatility(hindcasts)
        at_rows = [
            np.log(known.state.volatility) - mean
            for known, mean in zip(hindcasts, usual, strict=True)
        ]
        common = CommonDates.of([table.history for table in tables], first + 1)
        return cls(np.nanmean(common.laid_out(at_rows, first + 1), axis=1), at_rows, first)

    @cached_property
    def of_dates(self) -> Floats:
        """Of the N dates, in (0, 1), each its own, shape (N,)."""
        order = np.argsort(self.above.round(9), kind="stable")
        found = np.empty(len(order))
        found[order] = (np.arange(len(order)) + 0.5) / len(order)
        return found

    def of_markets(self, above: Floats) -> Floats:
        """Of markets whose symbols' log volatility is so much above the usual, shape (B,)."""
        return np.interp(above, self._sorted, (np.arange(len(self.above)) + 0.5) / len(self.above))

    def of_starts(self, rows: NDArray[np.int64]) -> Floats:
        """Of markets that start at rows (K, S), shape (K,)."""
        each = [known[row - self.first] for known, row in zip(self.at_rows, rows.T, strict=True)]
        return self.of_markets(np.mean(each, axis=0))

    @cached_property
    def _sorted(self) -> Floats:
        return np.sort(self.above)
