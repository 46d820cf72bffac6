"""Alpha models of pairs of securities, as in LEAN's Python files of the folder `Alphas`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np

from engine.common.decimals import normalize, text, to_decimal
from engine.common.enums import InsightDirection, Resolution, net_text
from engine.framework.alphas import SPANS, AlphaModel
from engine.framework.insight import Insight
from engine.indicators import (
    ConstantIndicator,
    ExponentialMovingAverage,
    Identity,
    IndicatorExtensions,
)

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


class BasePairsTradingAlphaModel(AlphaModel):
    """Expects the ratio of every two securities to return to its mean.

    Args:
        lookback: bars of an insight.
        resolution: of these bars.
        threshold: distance from the mean, per cent.
    """

    def __init__(
        self, lookback: int = 1, resolution: Resolution = Resolution.DAILY, threshold: Any = 1
    ) -> None:
        self.lookback, self.resolution, self.threshold = lookback, resolution, threshold
        self.prediction_interval = SPANS[resolution] * lookback
        self.pairs: dict[tuple[Any, Any], _Pair] = {}
        self.securities: set[Any] = set()
        values = f"{lookback},{net_text(resolution)},{text(normalize(to_decimal(threshold)))}"
        self.name = f"{type(self).__name__}({values})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return the insights of all pairs."""
        found: list[Insight] = []
        for pair in self.pairs.values():
            found += pair.insights(self.prediction_interval)
        return found

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Make the pairs of added securities, drop those of removed ones."""
        self.securities.update(changes.added_securities)
        self.securities.difference_update(changes.removed_securities)
        for pair in combinations(self._symbols(), 2):
            if pair not in self.pairs and self.has_passed_test(algorithm, *pair):
                self.pairs[pair] = _Pair(algorithm, pair, self.threshold)
        for security in changes.removed_securities:
            for key in [key for key in self.pairs if security.symbol in key]:
                self.pairs.pop(key).stop(algorithm)

    def _symbols(self) -> list[Any]:
        return sorted(security.symbol for security in self.securities)

    def has_passed_test(self, algorithm: Any, asset1: Any, asset2: Any) -> bool:
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
        """Find the best pair anew."""
        symbols = sorted(
            security.symbol
            for security in (self.securities | set(changes.added_securities))
            - set(changes.removed_securities)
        )
        history = algorithm.history(symbols, self.lookback, self.resolution)
        if not history.empty:
            from scipy.stats import pearsonr

            prices = np.log(history.close.unstack(level=0))
            returns = (prices - prices.shift(1)).dropna()
            columns = range(len(returns.columns))
            correlations = sorted(
                (
                    (pair, pearsonr(*(returns.iloc[:, column] for column in pair))[0])
                    for pair in combinations(columns, 2)
                ),
                key=lambda item: item[1],
            )
            if correlations and correlations[-1][1] >= self.minimum_correlation:
                self.best_pair = tuple(symbols[column] for column in correlations[-1][0])
        super().on_securities_changed(algorithm, changes)

    def has_passed_test(self, algorithm: Any, asset1: Any, asset2: Any) -> bool:
        """Whether two assets are the best pair."""
        return self.best_pair == (asset1, asset2)
