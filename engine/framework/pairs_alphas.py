"""Alpha models of pairs of securities, as in LEAN's folder `Alphas`.

The models of LEAN's Python files differ in the order of the assets and in how returns are read from
history; `AlgorithmImports` gives the C# ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from engine.common.decimals import normalize, text, to_decimal
from engine.common.enums import InsightDirection, Resolution, net_text
from engine.common.net_exceptions import InvalidOperationException
from engine.common.pairs import SlotDict
from engine.framework.alphas import SPANS, AlphaModel
from engine.framework.insight import Insight
from engine.indicators import (
    ConstantIndicator,
    ExponentialMovingAverage,
    Identity,
    IndicatorExtensions,
)
from engine.market.data import TradeBar

PERIOD_OF_MEAN = 500


class _Pair:
    """The ratio of two prices beside a band around its mean."""

    def __init__(self, algorithm: Any, assets: tuple[Any, Any], threshold: Any) -> None:
        self.assets = assets
        self._consolidators = []
        prices = []
        for symbol in assets:
            resolution = algorithm.securities[symbol].resolution
            price = Identity(algorithm.create_indicator_name(symbol, "close", resolution))
            consolidator = algorithm.resolve_consolidator(symbol, resolution)
            algorithm.register_indicator(symbol, price, consolidator)
            prices.append(price)
            self._consolidators.append(consolidator)
        self.ratio = IndicatorExtensions.over(prices[0], prices[1])
        self.mean = IndicatorExtensions.of(ExponentialMovingAverage(PERIOD_OF_MEAN), self.ratio)
        part = to_decimal(threshold) / 100
        self.upper = IndicatorExtensions.times(self.mean, ConstantIndicator("ct", 1 + part))
        self.lower = IndicatorExtensions.times(self.mean, ConstantIndicator("ct", 1 - part))
        self._above: bool | None = None

    def stop(self, algorithm: Any) -> None:
        for symbol, consolidator in zip(self.assets, self._consolidators, strict=True):
            algorithm.subscription_manager.remove_consolidator(symbol, consolidator)

    def insights(self, period: Any) -> list[Insight]:
        """Two insights whenever the ratio leaves the band on the other side than last."""
        if not self.mean.is_ready:
            return []
        if self._above is not True and self.ratio > self.upper:
            self._above = True
            directions = InsightDirection.DOWN, InsightDirection.UP
        elif self._above is not False and self.ratio < self.lower:
            self._above = False
            directions = InsightDirection.UP, InsightDirection.DOWN
        else:
            return []
        return Insight.group(
            *(
                Insight.price(symbol, period, direction)
                for symbol, direction in zip(self.assets, directions, strict=True)
            )
        )


def _pearson(left: list[float], right: list[float]) -> float:
    """Correlation of two series; not a number where one does not move."""
    if not left:
        return math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(left, right)[0, 1])


class BasePairsTradingAlphaModel(AlphaModel):
    """Expects the ratio of every two securities to return to its mean.

    Args:
        lookback: bars of an insight.
        resolution: of these bars.
        threshold: distance from the mean, per cent.

    Attributes:
        securities: those that the model knows.
    """

    def __init__(
        self, lookback: int = 1, resolution: Resolution = Resolution.DAILY, threshold: Any = 1
    ) -> None:
        self.lookback, self.resolution, self.threshold = lookback, resolution, threshold
        self.prediction_interval = SPANS[resolution] * lookback
        self.pairs: Any = SlotDict()
        self._securities = SlotDict()
        values = f"{lookback},{net_text(resolution)},{text(normalize(to_decimal(threshold)))}"
        self.name = f"BasePairsTradingAlphaModel({values})"

    @property
    def securities(self) -> list[Any]:
        """The securities, in the order of .NET's sets."""
        return list(self._securities)

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return the insights of all pairs."""
        found: list[Insight] = []
        for pair in self.pairs.values():
            found += pair.insights(self.prediction_interval)
        return found

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Make the pairs of added securities, drop those of removed ones."""
        self._take(changes)
        for first, second in combinations(self._symbols(), 2):
            known = (first, second) in self.pairs or (second, first) in self.pairs
            if not known and self.has_passed_test(algorithm, first, second):
                self.pairs[first, second] = _Pair(algorithm, (first, second), self.threshold)
        for security in changes.removed_securities:
            for key in [key for key in self.pairs if security.symbol in key]:
                self.pairs.pop(key).stop(algorithm)

    def _take(self, changes: Any) -> None:
        for security in changes.added_securities:
            self._securities[security] = None
        for security in changes.removed_securities:
            self._securities.pop(security, None)

    def _symbols(self) -> list[Any]:
        return [security.symbol for security in self._securities]

    def has_passed_test(self, algorithm: Any, asset_1: Any, asset_2: Any) -> bool:
        """Whether two assets are traded as a pair; every two are."""
        return True


class PearsonCorrelationPairsTradingAlphaModel(BasePairsTradingAlphaModel):
    """Trades the pair whose returns have the highest correlation.

    Args:
        lookback: bars of the correlation, and of an insight.
        resolution: of these bars.
        threshold: distance from the mean, per cent.
        minimum_correlation: smallest correlation that is traded.
    """

    def __init__(
        self,
        lookback: int = 15,
        resolution: Resolution = Resolution.MINUTE,
        threshold: Any = 1,
        minimum_correlation: float = 0.5,
    ) -> None:
        super().__init__(lookback, resolution, threshold)
        self.minimum_correlation = minimum_correlation
        self.best_pair: tuple[Any, ...] = ()

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Find the best pair anew.

        Raises:
            InvalidOperationException: with a single security.
        """
        self._take(changes)
        self._choose(algorithm, self._symbols())
        super().on_securities_changed(algorithm, changes)

    def _choose(self, algorithm: Any, symbols: list[Any]) -> None:
        returns = self._returns(algorithm, symbols)
        if not returns:
            algorithm.debug(
                "PearsonCorrelationPairsTradingAlphaModel.OnSecuritiesChanged(): The requested "
                "historical data does not have series of prices with the same date/time. Please "
                "consider increasing the looback period. Current lookback: "
                f"{self.lookback}"
            )
            return
        if len(returns) == 1:
            raise InvalidOperationException("Sequence contains no elements")
        # LEAN takes the largest element of an upper triangle, whose other half is zero.
        best, pair = 0.0, None
        for one, other in combinations(range(len(returns)), 2):
            correlation = _pearson(returns[one], returns[other])
            if best < correlation < 1:
                best, pair = correlation, (one, other)
        if pair is not None and best >= self.minimum_correlation:
            self.best_pair = tuple(symbols[index] for index in pair)

    def _returns(self, algorithm: Any, symbols: list[Any]) -> list[list[float]]:
        """Logarithmic returns by symbol at the times that all have; the first one stands twice."""
        if not symbols:
            return []
        pieces = algorithm.history[TradeBar](symbols, self.lookback, self.resolution)
        prices = [
            [math.log(piece[symbol].value) for symbol in symbols]
            for piece in pieces
            if all(piece.contains_key(symbol) for symbol in symbols)
        ]
        returns = [
            [late - early for early, late in pairwise(column)]
            for column in zip(*prices, strict=True)
        ]
        return [[column[0], *column] if column else [] for column in returns]

    def has_passed_test(self, algorithm: Any, asset_1: Any, asset_2: Any) -> bool:
        """Whether two assets are the best pair."""
        return self.best_pair == (asset_1, asset_2)
