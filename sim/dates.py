"""Which bars of several histories belong together: those of one date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.market.history import History


@dataclass(frozen=True)
class CommonDates:
    """The rows of S histories by date.

    Symbols need not share all dates: they may have been listed at other times, or trade in markets
    with other holidays.

    Attributes:
        dates: all dates on which any of the symbols has a bar, ascending, shape (N,): days
            (datetime64[D]), or the times of the bars themselves where a day has several.
        rows: row of each date in each history, shape (N, S); -1 where it has none.
    """

    dates: NDArray[np.datetime64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Sequence[History], first: int = 0) -> CommonDates:
        """The dates of all rows from `first` on.

        Raises:
            ValueError: without histories.
        """
        if not histories:
            raise ValueError("histories must hold at least one symbol; received none")
        times = [history.time.astype("datetime64[D]") for history in histories]
        if any((np.diff(time) <= np.timedelta64(0)).any() for time in times):
            times = [history.time for history in histories]
        dates = np.unique(np.concatenate([time[first:] for time in times]))
        rows = np.full((len(dates), len(times)), -1, dtype=np.int64)
        for s, time in enumerate(times):
            rows[np.searchsorted(dates, time[first:]), s] = np.arange(first, len(time))
        return cls(dates, rows)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which symbols have a bar on each date, shape (N, S)."""
        return self.rows >= 0

    def laid_out(self, values: Sequence[NDArray[np.float64]], first: int) -> NDArray[np.float64]:
        """What S histories have by row, by date.

        Args:
            values: of each, entry 0 that of row `first`, shape (rows, ...).
            first: earliest row of the dates.

        Returns:
            Shape (N, S, ...), NaN where a history has no bar.
        """
        found = np.full((*self.rows.shape, *values[0].shape[1:]), np.nan)
        for s, of_history in enumerate(values):
            there = self.present[:, s]
            found[there, s] = of_history[self.rows[there, s] - first]
        return found
