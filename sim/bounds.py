"""How far imagined series may go: a learned recursion may run away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays import column
from models.forecast.forecaster import Forecaster
from models.forecast.inference import RecurrentState
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import VOLUME

MOVE_LIMIT = 1.5
"""Times the largest move of the history. Moves some 0.01 to 0.03 % of simulated bars (this and the
next two: `research.experiments.constants --rails`)."""

VOLUME_MARGIN = 1.0
"""Beyond the range of log volume in the history. Moves 0.01 % of simulated bars."""

PRICE_LIMIT = 1e3
"""Times the price at the start, or one over that. Met by no simulated bar of a sane forecaster."""


@dataclass(frozen=True)
class Bounds:
    """How far simulated series may go; arrays have one row per history.

    Attributes:
        moves: largest absolute gap, intraday move, upper and lower wick, shape (S, 4).
        log_volume: lowest and highest log volume, shape (S, 2).
        volatility: highest volatility that draws may be scaled with, shape (S,): the highest
            baseline volatility of the history. Real bars may be wilder than that, and are
            forecast so; simulated ones that fed on themselves would run away.
    """

    moves: NDArray[np.float64]
    log_volume: NDArray[np.float64]
    volatility: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], forecaster: Forecaster) -> Bounds:
        """The bounds that histories set; the forecaster's baseline is the volatility's measure."""
        moves, volumes, volatilities = [], [], []
        for table in tables:
            moves.append(np.abs(table.parts[1:, :4]).max(axis=0) * MOVE_LIMIT)
            volume = np.log(column(table.history.bars, VOLUME))
            volumes.append([volume.min() - VOLUME_MARGIN, volume.max() + VOLUME_MARGIN])
            rows = table.rows[LOOKBACK:]
            own = forecaster.baseline_volatility(rows, np.repeat(table.symbol, len(rows)))
            volatilities.append(own.max())
        return cls(np.array(moves), np.array(volumes), np.array(volatilities))

    def take(self, series: NDArray[np.int64]) -> Bounds:
        """The bounds of each path, by its history."""
        return Bounds(self.moves[series], self.log_volume[series], self.volatility[series])

    def hold_volatility(self, state: RecurrentState) -> None:
        """Bring the volatility of paths within bounds, in place."""
        state.volatility = np.minimum(state.volatility, self.volatility)
