"""What symbols' volatilities tell of each other: wild days belong to the market, not to a symbol.

A forecast knows its own symbol's bars alone. What its volatility is above that of the market's
other symbols is partly chance: luck of the last days, which the next ones do not share; and what
all of them are above the usual is more than any of them can know by itself. In a simulation that
knew nothing of that, each symbol's luck would become its true volatility, and symbols would grow
wild on days of their own. So the volatility that a symbol's draws are scaled with is multiplied by

    exp(common · c + own · (l - c)),

l the log of its baseline volatility less the mean over its history, c the mean of l over the
symbols, common one of two numbers, calm where c is below the usual and wild where it is above.
The numbers are those with which markets stay as they began (`sim.steadiness`). Of one symbol alone
c is l: there is no own number, the others say how far its volatility is to be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays import plain
from models.forecast.forecaster import Hindcast
from models.kernels import LANES, compiled, exp, load, log, store
from sim.steadiness import Feedback

Floats = NDArray[np.float64]


def usual_volatility(hindcasts: Sequence[Hindcast]) -> Floats:
    """Mean log baseline volatility over each of S histories, shape (S,)."""
    # The newest bar's is of a bar that has not come.
    return np.array([np.log(known.state.volatility[:-1]).mean() for known in hindcasts])


@dataclass(frozen=True, eq=False)
class CommonVolatility:
    """How the volatilities of a market's S symbols correct each other.

    Attributes:
        usual: mean log baseline volatility of each, shape (S,).
        calm: of what all symbols are below the usual.
        wild: of what they are above it.
        own: of what a symbol is above the others.
    """

    usual: Floats
    calm: float
    wild: float
    own: float

    @classmethod
    def of(cls, hindcasts: Sequence[Hindcast], feedback: Feedback) -> CommonVolatility:
        """With what was usual in S histories, of which that is what their bars were worth."""
        return cls(usual_volatility(hindcasts), feedback.calm, feedback.wild, feedback.own)

    def above_usual(self, volatility: Floats) -> Floats:
        """What log baseline volatilities (S, B) of B markets are above the usual, shape (B,)."""
        return np.asarray((np.log(volatility) - self.usual[:, None]).mean(axis=0))

    def corrected(self, volatility: Floats) -> Floats:
        """Volatilities to draw with, from baseline ones (S, B) of B markets."""
        found = np.empty(volatility.shape)
        correct(plain(volatility), self.usual, self.calm, self.wild, self.own, found)
        return found


@compiled("void(float64[:, ::1], float64[::1], float64, float64, float64, float64[:, ::1])")
def correct(volatility, usual, calm, wild, own, found):
    """Volatilities to draw with, see `CommonVolatility.corrected`.

    Args:
        volatility: baseline ones of B markets, shape (S, B).
        usual: mean logarithms, shape (S,).
        calm: of what all symbols are below the usual.
        wild: of what they are above it.
        own: of what a symbol is above the others.
        found: written to, shape (S, B).
    """
    symbols, count = volatility.shape
    level, together = np.ones((symbols, LANES)), np.ones((1, LANES))
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        together[0] = 0.0
        for s in range(symbols):
            load(volatility, s, start, width, level, s)
            for lane in range(LANES):
                level[s, lane] = log(level[s, lane]) - usual[s]
                together[0, lane] += level[s, lane]
        for lane in range(LANES):
            together[0, lane] /= symbols
        for s in range(symbols):
            of_symbol, given = level[s], volatility[s, start : start + width]
            for lane in range(LANES):
                shared = together[0, lane]
                common = wild if shared > 0.0 else calm
                of_symbol[lane] = exp(common * shared + own * (of_symbol[lane] - shared))
            for lane in range(width):
                of_symbol[lane] *= given[lane]
            store(level, s, found, s, start, width)
