"""What is known at a close of all symbols together: forecasts, trends, dependence.

An agent that decides for a portfolio needs more than each symbol's observation: what the next bar
is expected to bring in units of return, and how much of it symbols share. The same numbers come
from a history, from imagined bars and in trading, because one object makes them
(`models.agent.observation.Observer`, row by row) and one recursion carries the dependence
(`advance_moments`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.market.features import COLUMN

Floats = NDArray[np.float64]

AVERAGES = ("sma_20", "sma_50", "sma_200")
SURPRISE = "log_return"
"""Features that forecast arrays hold as they are, the surprise by its name there."""

FORECAST = (
    "mean",  # of the next log return, close to close
    "deviation",  # of the same
    "long_run",  # long-run deviation per bar of the symbol, which premia are proportional to
    "volatility",  # EWMA (0.94) deviation per bar
    "sma_20",  # log(close / average of 20 closes) / (volatility * sqrt(20))
    "sma_50",  # likewise
    "sma_200",  # likewise
    "surprise",  # log return of this bar over the volatility known the day before
)
"""What is known of a symbol at a close besides its observation, as it is, neither scaled nor cut
off: columns of forecast arrays. Simple rules need no more."""

TREND_AVERAGES = ("sma_50", "sma_200")
"""Distances that a trend is the mean of, after tanh. With a month's average too, what follows the
trend trades twice as much and earns less (LEAN's sample up to 2012)."""
TREND_STEEPNESS = 3.0
"""Of the tanh: at a third of a deviation above an average the trend is .76."""

DEPENDENCE_HALF_LIFE = 120.0
"""Bars, of the moving second moments of surprises. From 20 to 250 it hardly matters."""
DEPENDENCE_SHRINKAGE = 0.5
"""Share of the way from moving correlations to their own mean (Ledoit and Wolf 2004, constant
correlation; they estimate it, here it hardly matters between 0 and .6)."""
PRIOR_CORRELATION = 0.4
"""Of two symbols nothing is known of: about the mean of large US stocks over decades."""
SURPRISE_LIMIT = 4.0
"""Surprises count as no more than that: one crash must not set the dependence of half a year."""

_DECAY = 0.5 ** (1.0 / DEPENDENCE_HALF_LIFE)
_SURPRISE = FORECAST.index("surprise")


@dataclass(frozen=True)
class Outlook:
    """What is known of S symbols in each of B markets at one close.

    Attributes:
        observation: what an agent sees of each symbol, shape (B, S, D), float32.
        forecast: shape (B, S, 8), columns `FORECAST`; without columns, (B, S, 0), where nobody
            forecast.
        correlation: of the symbols' next returns, shape (B, S, S).
        past: makes `recent`; None where nothing is remembered.
    """

    observation: NDArray[np.float32]
    forecast: Floats
    correlation: Floats
    past: Callable[[int], NDArray[np.float32]] | None = None

    def __len__(self) -> int:
        return len(self.forecast)

    @classmethod
    def unforecast(cls, observation: NDArray[np.float32]) -> Outlook:
        """That of markets which are observed (B, S, D) but not forecast: of prior dependence."""
        b, s = observation.shape[:2]
        prior = correlation_of(prior_moments(s))
        return cls(observation, np.empty((b, s, 0)), np.broadcast_to(prior, (b, s, s)))

    def recent(self, window: int) -> NDArray[np.float32]:
        """The last observations of each symbol, oldest first, shape (B, S, window, D).

        The newest one is `observation`. In place of those before the first that is remembered
        comes the first. They are put together when they are asked for.
        """
        if self.past is None:
            return np.repeat(self.observation[:, :, None], window, axis=2)
        return self.past(window)

    @property
    def forecasts(self) -> bool:
        """Whether there is a forecast."""
        return self.forecast.shape[-1] > 0

    def column(self, name: str) -> Floats:
        """One of `FORECAST` for every symbol, shape (B, S).

        Raises:
            ValueError: where nobody forecast.
        """
        if not self.forecasts:
            raise ValueError(f"outlook must have a forecast for its {name}; received none")
        return self.forecast[..., FORECAST.index(name)]

    @property
    def trend(self) -> Floats:
        """How far each close is above (below) its averages, shape (B, S), in [-1, 1]."""
        distances = np.stack([self.column(name) for name in TREND_AVERAGES])
        return np.tanh(TREND_STEEPNESS * distances).mean(axis=0)

    @property
    def covariance(self) -> Floats:
        """Of the symbols' next log returns, shape (B, S, S)."""
        deviation = self.column("deviation")
        return self.correlation * deviation[..., :, None] * deviation[..., None, :]

    def take(self, markets: NDArray[np.int64] | slice) -> Outlook:
        """That of chosen markets."""
        past = self.past
        return Outlook(
            self.observation[markets],
            self.forecast[markets],
            self.correlation[markets],
            None if past is None else lambda window: past(window)[markets],
        )


def surprise_of(feature_rows: Floats) -> Floats:
    """The surprise (...) of the bars that rows of features (..., F) belong to."""
    return feature_rows[..., COLUMN[SURPRISE]]


def prior_moments(n_symbols: int) -> Floats:
    """Second moments of surprises of symbols nothing is known of, shape (S, S)."""
    return np.where(np.eye(n_symbols, dtype=bool), 1.0, PRIOR_CORRELATION)


def advance_moments(moments: Floats, surprise: Floats) -> Floats:
    """Moving second moments one bar later; what a symbol without a bar moved counts as zero.

    Args:
        moments: up to the bar before, shape (..., S, S).
        surprise: of the bar, shape (..., S).
    """
    z = np.clip(surprise, -SURPRISE_LIMIT, SURPRISE_LIMIT)
    return _DECAY * moments + (1.0 - _DECAY) * (z[..., :, None] * z[..., None, :])


def moments_along(surprise: Floats, start: Floats | None = None) -> Floats:
    """Moving second moments after each of T bars.

    Args:
        surprise: shape (T, ..., S), oldest first.
        start: before the first bar, shape (..., S, S); `prior_moments` if None.

    Returns:
        Shape (T, ..., S, S).
    """
    s = surprise.shape[-1]
    found = np.empty((*surprise.shape, s))
    known = prior_moments(s) if start is None else start
    for t, bar in enumerate(surprise):
        known = advance_moments(known, bar)
        found[t] = known
    return found


def correlation_of(moments: Floats) -> Floats:
    """Correlations (..., S, S), shrunk towards their mean, from moving second moments."""
    s = moments.shape[-1]
    if s == 1:
        return np.ones_like(moments)
    deviation = np.sqrt(np.maximum(np.diagonal(moments, axis1=-2, axis2=-1), 1e-12))
    raw = moments / (deviation[..., :, None] * deviation[..., None, :])
    mean = (raw.sum(axis=(-2, -1)) - s) / (s * (s - 1))
    shrunk = (1.0 - DEPENDENCE_SHRINKAGE) * raw + DEPENDENCE_SHRINKAGE * mean[..., None, None]
    return np.where(np.eye(s, dtype=bool), 1.0, shrunk)


def surprises(forecasts: Floats) -> Floats:
    """The surprises (...) of forecast arrays (..., 8)."""
    return forecasts[..., _SURPRISE]
