"""What imagined markets pay for holding a symbol: a belief, not a few years' mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.agent.mean_variance import BARS_PER_YEAR
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK, FeatureTable


@dataclass(frozen=True)
class Premium:
    """What is believed of the return for holding a symbol.

    Attributes:
        sharpe_ratio: a year, of every symbol in the long run, finite.
        deviation: of that belief, finite, >= 0: what a Sharpe ratio may be beside the mean one. A
            quarter is about what five decades of large stocks leave unknown of any one of them
            beyond what all share.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    sharpe_ratio: float = 0.5
    deviation: float = 0.25

    def __post_init__(self) -> None:
        if not np.isfinite(self.sharpe_ratio):
            raise ValueError(f"sharpe_ratio must be finite; received {self.sharpe_ratio!r}")
        if not 0 <= self.deviation < np.inf:
            raise ValueError(f"deviation must be finite and >= 0; received {self.deviation!r}")

    def shifts(
        self,
        tables: Sequence[FeatureTable],
        forecaster: Forecaster,
        markets: int,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """What to add to log returns per bar, shape (markets, S).

        Left to itself a symbol's simulated log return has the mean of its history. It gets that of
        a simple return of Sharpe ratio times long-run deviation, which is half the variance more
        than the log return's.
        """
        drawn = self.sharpe_ratio + self.deviation * rng.standard_normal((markets, len(tables)))
        anchors = forecaster.traits([table.symbol for table in tables]).anchors
        past = [table.history.log_returns[LOOKBACK:] for table in tables]
        usual = np.array([one.mean() + 0.5 * one.var() for one in past])
        return drawn * np.exp(anchors) / np.sqrt(BARS_PER_YEAR) - usual
