"""What symbols' volatilities tell of each other: wild days belong to the market, not to a symbol.

A forecast knows its own symbol's bars alone. What its volatility is above that of the market's
other symbols is partly chance: luck of the last days, which the next ones do not share; and what
all of them are above the usual is more than any of them can know by itself. In a simulation that
knew nothing of that, each symbol's luck would become its true volatility, and symbols would grow
wild on days of their own. So the volatility that a symbol's draws are scaled with is multiplied by

    exp(common · c + own · (l - c)),

l the log of its baseline volatility less the mean over its history, c the mean of l over the
symbols that have a bar on that date. The two numbers are fitted to the real bars: squared normal
scores of gaps and intraday returns, a gamma regression with logarithmic link (McCullagh and Nelder
1989, chapter 8), drawn towards no correction at all. On the TDQN stocks (2012-2017, fifteen of
them, nothing drawn to zero) common is .15 ± .02 and own -.15 ± .02. Of one symbol alone c is l:
there is only the first number, which says how far its volatility is to be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.forecast.forecaster import Hindcast
from models.forecast.recalibration import CORRECTED
from models.market.features import FeatureTable
from sim.dates import CommonDates

DEVIATION = 0.15
"""Of either number, before anything is seen: what fifteen stocks have of them."""

MIN_LEVEL = 1e-4
"""Levels closer to 0 or 1 are brought there: no day tells more than some fourteen times a usual
one."""

ROUNDS = 25
"""Of Newton's method, which is at its end after some five."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CommonVolatility:
    """How the volatilities of a market's S symbols correct each other.

    Attributes:
        usual: mean log baseline volatility of each, shape (S,).
        common: of what all symbols are above the usual.
        own: of what a symbol is above the others.
    """

    usual: Floats
    common: float
    own: float

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast]) -> CommonVolatility:
        """The most likely one for S histories and what their bars were worth."""
        first = hindcasts[0].first + 1
        dates = CommonDates.of([table.history for table in tables], first)
        level, size = np.full((2, *dates.rows.shape), np.nan)
        usual = np.empty(len(tables))
        for s, known in enumerate(hindcasts):
            there = dates.rows[:, s] >= 0
            own = np.log(known.state.volatility[:-1])
            usual[s] = own.mean()
            within = dates.rows[there, s] - first
            level[there, s] = own[within] - usual[s]
            u = np.clip(known.uniforms[within, CORRECTED], MIN_LEVEL, 1.0 - MIN_LEVEL)
            size[there, s] = (special.ndtri(u) ** 2).mean(axis=1)
        together = np.nanmean(level, axis=1, keepdims=True) + np.zeros_like(level)
        known_there = np.isfinite(level)
        explaining = np.stack([together[known_there], (level - together)[known_there]], axis=-1)
        common, own_share = _gamma_regression(explaining, size[known_there], DEVIATION)
        return cls(usual, float(common), float(own_share))

    def corrected(self, volatility: Floats) -> Floats:
        """Volatilities to draw with, from baseline ones (S, B) of B markets."""
        level = np.log(volatility) - self.usual[:, None]
        together = level.mean(axis=0)
        return volatility * np.exp(self.common * together + self.own * (level - together))


def _gamma_regression(explaining: Floats, squares: Floats, deviation: float) -> Floats:
    """Coefficients b of log deviations, E[squares] = exp(a + 2 x b), for x (N, d) and squares (N,).

    As likely as independent normal priors of mean zero let them be. The variance of a squared
    score relative to its mean is taken from the squares themselves.
    """
    x = np.column_stack([np.ones(len(squares)), 2.0 * explaining])
    spread = float(np.var(squares / squares.mean()))
    prior = np.diag([0.0, *[spread / deviation**2] * explaining.shape[1]])
    found = np.zeros(x.shape[1])
    found[0] = np.log(squares.mean())
    for _ in range(ROUNDS):
        ratio = squares / np.exp(x @ found)
        found += np.linalg.solve(x.T @ x + prior, x.T @ (ratio - 1.0) - prior @ found)
    return found[1:]
