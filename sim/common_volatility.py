"""What symbols' volatilities tell of each other: wild days belong to the market, not to a symbol.

A forecast knows its own symbol's bars alone. What its volatility is above that of the market's
other symbols is partly chance: luck of the last days, which the next ones do not share; and what
all of them are above the usual is more than any of them can know by itself. In a simulation that
knew nothing of that, each symbol's luck would become its true volatility, and symbols would grow
wild on days of their own. So the volatility that a symbol's draws are scaled with is multiplied by

    exp(common · c + own · (l - c)),

l the log of its baseline volatility less the mean over its history, c the mean of l over the
symbols. The two numbers are those with which markets stay as they began (`sim.steadiness`). Of one
symbol alone c is l: there is only the first number, which says how far its volatility is to be
believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecast.forecaster import Hindcast
from sim.steadiness import Feedback

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
    def of(cls, hindcasts: Sequence[Hindcast], feedback: Feedback) -> CommonVolatility:
        """With what was usual in S histories, of which that is what their bars were worth."""
        # The newest bar's is of a bar that has not come.
        usual = [np.log(known.state.volatility[:-1]).mean() for known in hindcasts]
        return cls(np.array(usual), feedback.common, feedback.own)

    def levels(self, volatility: Floats) -> tuple[Floats, Floats]:
        """What baseline volatilities (S, B) of B markets are above the usual.

        Returns:
            All symbols together, shape (B,), and each beyond that, (S, B).
        """
        level = np.log(volatility) - self.usual[:, None]
        together = level.mean(axis=0)
        return together, level - together

    def corrected(self, volatility: Floats) -> Floats:
        """Volatilities to draw with, from baseline ones (S, B) of B markets."""
        together, own = self.levels(volatility)
        return volatility * np.exp(self.common * together + self.own * own)
