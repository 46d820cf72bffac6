"""What is seen of series at a close, put where it is kept: compiled.

Tapes have markets first, then symbols, then bars; series come symbol by symbol, each with all
markets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.agent.outlook import FORECAST
from models.kernels import compiled


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
    "void(float32[:, ::1], int64[::1], float64[:, ::1], int64[::1], float64[:, ::1], float32,"
    " float64[::1], float64[::1], float64[:, ::1], int64[::1], int64[::1],"
    " float32[:, :, :, ::1], float64[:, :, :, ::1], int64)"
)
def keep_seen(
    scaled, shown, told, summary, numbers, limit, long_run, volatility, features, known, markets,
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
        volatility: likewise, EWMA.
        features: as they are, shape (N, S · b).
        known: rows of them that come after the volatility in forecasts, 4 of them.
        markets: numbers of the b markets on the tapes.
        observations: row t is written to, shape (M, S, T, n + m).
        forecasts: likewise, shape (M, S, T, 8).
        t: which row.
    """
    each, first = len(markets), len(shown)
    for k in range(told.shape[1]):
        symbol = k // each
        market = markets[k - symbol * each]
        to, forecast = observations[market, symbol, t], forecasts[market, symbol, t]
        for i in range(first):
            value = scaled[shown[i], k]
            value = limit if value > limit else value
            to[i] = -limit if value < -limit else value
        for i in range(len(summary)):
            value = np.float32((told[summary[i], k] - numbers[1, i]) * numbers[0, i])
            value = limit if value > limit else value
            to[first + i] = -limit if value < -limit else value
        forecast[0], forecast[1] = told[0, k], told[1, k]
        forecast[2], forecast[3] = long_run[k], volatility[k]
        for i in range(4):
            forecast[4 + i] = features[known[i], k]
