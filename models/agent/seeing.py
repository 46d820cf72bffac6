"""What is seen of series at a close, put where it is kept: compiled.

Tapes have markets first, then symbols, then bars; series come symbol by symbol, each with all
markets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.agent.outlook import FORECAST
from models.kernels import LANES, compiled, exp, load


@dataclass(frozen=True)
class SeenTape:
    """Where observations and forecasts of S symbols of b markets are kept.

    Attributes:
        observations: shape (M, S, T, D).
        forecasts: columns `models.agent.outlook.FORECAST`, shape (M, S, T, 8).
        markets: which of the M, shape (b,).
    """

    observations: NDArray[np.float32]
    forecasts: NDArray[np.float64]
    markets: NDArray[np.int64]

    @classmethod
    def of_one_bar(cls, count: int, size: int) -> SeenTape:
        """Room for so many series of one bar each, observations of D entries."""
        shape = (count, 1, 1)
        observations = np.empty((*shape, size), np.float32)
        return cls(observations, np.empty((*shape, len(FORECAST))), np.arange(count))

    def observed(self, t: int) -> NDArray[np.float32]:
        """Observations in row t of every series, shape (S · b, D)."""
        return _by_series(self.observations[self.markets, :, t])

    def forecast(self, t: int) -> NDArray[np.float64]:
        """Forecasts likewise, shape (S · b, 8)."""
        return _by_series(self.forecasts[self.markets, :, t])


def _by_series(values: NDArray) -> NDArray:
    return values.swapaxes(0, 1).reshape(-1, values.shape[2])


@compiled(
    "void(float32[:, ::1], int64[::1], float64[:, ::1], int64[::1], float32[:, ::1], float32,"
    " float64[::1], float64[:, ::1], int64[::1], int64[::1],"
    " float32[:, :, :, ::1], float64[:, :, :, ::1], int64)"
)
def keep_seen(
    scaled, shown, told, summary, numbers, limit, long_run, features, known, markets,
    observations, forecasts, t,
):  # fmt: skip
    """Observations and forecasts of S · b series at a close.

    Args:
        scaled: network inputs, shape (F, S · b).
        shown: which of them are observed, n of them.
        told: what is expected of the next bar, shape (7, S · b), mean and deviation first.
        summary: rows of it that are observed, m of them.
        numbers: by which these are multiplied, less what before, shape (2, m).
        limit: entries of an observation are cut off there.
        long_run: deviation per bar, shape (S · b,).
        features: as they are, shape (N, S · b).
        known: rows of them that forecasts end with, 5 of them, of the first its exponential.
        markets: numbers of the b markets on the tapes.
        observations: row t is written to, shape (M, S, T, n + m).
        forecasts: likewise, shape (M, S, T, 8).
        t: which row.
    """
    each, first, count = len(markets), len(shown), len(shown) + len(summary)
    seen, more = np.empty((count, LANES), np.float32), np.zeros((8, LANES))
    for begin in range(0, told.shape[1], each):
        symbol = begin // each
        for within in range(0, each, LANES):
            start, width = begin + within, min(LANES, each - within)
            # Side by side first: rows of many series are far apart in memory.
            for i in range(first):
                load(scaled, shown[i], start, width, seen, i)
            for i in range(len(summary)):
                load(told, summary[i], start, width, seen, first + i)
                factor, less, row = numbers[0, i], numbers[1, i], seen[first + i]
                for lane in range(width):
                    row[lane] = (row[lane] - less) * factor
            for i in range(count):
                row = seen[i]
                for lane in range(width):
                    value = limit if row[lane] > limit else row[lane]
                    row[lane] = -limit if value < -limit else value
            for i in range(2):
                load(told, i, start, width, more, i)
            for lane in range(width):
                more[2, lane] = long_run[start + lane]
            for i in range(5):
                load(features, known[i], start, width, more, 3 + i)
            for lane in range(LANES):
                more[3, lane] = exp(more[3, lane])
            for lane in range(width):
                market = markets[within + lane]
                to, forecast = observations[market, symbol, t], forecasts[market, symbol, t]
                for i in range(count):
                    to[i] = seen[i, lane]
                for i in range(8):
                    forecast[i] = more[i, lane]
