"""Execution: from targets to orders."""

from __future__ import annotations

from typing import Any

from engine.common.decimals import to_decimal
from engine.common.enums import Resolution
from engine.common.naming import LeanObject
from engine.framework.targets import (
    OrderSizing,
    PortfolioTarget,
    PortfolioTargetCollection,
    unordered_quantity,
)
from engine.indicators import IntradayVwap, SimpleMovingAverage, StandardDeviation
from engine.market.data import TradeBar


class ExecutionModel(LeanObject):
    """Base of execution models.

    Args:
        asynchronous: whether market orders return before they fill, as LEAN's do by default.
    """

    asynchronous = True

    def __init__(self, asynchronous: bool = True) -> None:
        self.asynchronous = asynchronous

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order what the targets need."""
        raise NotImplementedError(f"{type(self).__name__}.execute")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities were added or removed."""

    def on_order_event(self, algorithm: Any, order_event: Any) -> None:
        """Called on every order event."""


class NullExecutionModel(ExecutionModel):
    """Orders nothing."""

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Do nothing."""


class ImmediateExecutionModel(ExecutionModel):
    """Orders the whole difference at the market at once."""

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._targets = PortfolioTargetCollection()

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order what is missing, unless its margin is below the algorithm's minimum."""
        self._targets.add_range(targets)
        if self._targets.is_empty:
            return
        for target in self._targets.order_by_margin_impact(algorithm):
            security = algorithm.securities[target.symbol]
            quantity = unordered_quantity(algorithm, target, security)
            if quantity and algorithm.above_minimum_order_margin(security, quantity):
                algorithm.market_order(
                    security.symbol, quantity, asynchronous=self.asynchronous, tag=target.tag
                )
        self._targets.clear_fulfilled(algorithm)


class SpreadExecutionModel(ExecutionModel):
    """Orders while the market is open and the spread is small.

    Args:
        accepting_spread_percent: largest spread over price.
        asynchronous: see :class:`ExecutionModel`.
    """

    def __init__(self, accepting_spread_percent: Any = 0.005, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._limit = abs(to_decimal(accepting_spread_percent))
        self._targets = PortfolioTargetCollection()

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order what is missing where the spread is acceptable."""
        self._targets.add_range(targets)
        if self._targets.is_empty:
            return
        for target in self._targets.order_by_margin_impact(algorithm):
            quantity = unordered_quantity(algorithm, target)
            if quantity and self.price_is_favorable(algorithm.securities[target.symbol]):
                algorithm.market_order(
                    target.symbol, quantity, asynchronous=self.asynchronous, tag=target.tag
                )
        self._targets.clear_fulfilled(algorithm)

    def price_is_favorable(self, security: Any) -> bool:
        """Whether the spread is small, in open hours and with valid prices."""
        price = to_decimal(security.price)
        bid, ask = to_decimal(security.bid_price), to_decimal(security.ask_price)
        return bool(
            security.exchange.exchange_open
            and price > 0
            and ask > 0
            and bid > 0
            and (ask - bid) / price <= self._limit
        )


class _DeviationData:
    """Average and deviation of a security's price."""

    def __init__(self, algorithm: Any, security: Any, period: int, resolution: Resolution) -> None:
        self.security = security
        symbol = security.symbol
        self.consolidator = algorithm.resolve_consolidator(symbol, resolution)
        name = algorithm.create_indicator_name
        self.sma = SimpleMovingAverage(name(symbol, f"SMA{period}", resolution), period)
        self.std = StandardDeviation(name(symbol, f"STD{period}", resolution), period)
        algorithm.register_indicator(symbol, self.sma, self.consolidator)
        algorithm.register_indicator(symbol, self.std, self.consolidator)
        for bar in algorithm.history[TradeBar](symbol, period, resolution):
            self.sma.update(bar.end_time, bar.value_exact)
            self.std.update(bar.end_time, bar.value_exact)


class StandardDeviationExecutionModel(ExecutionModel):
    """Buys well below, and sells well above, the average price.

    Args:
        period: values in average and deviation.
        deviations: distance from the average, in standard deviations.
        resolution: of the values.
        asynchronous: see :class:`ExecutionModel`.
    """

    def __init__(
        self,
        period: int = 60,
        deviations: Any = 2,
        resolution: Resolution = Resolution.MINUTE,
        asynchronous: bool = True,
    ) -> None:
        super().__init__(asynchronous)
        self.period = period
        self.deviations = to_decimal(deviations)
        self.resolution = resolution
        self.maximum_order_value: Any = 20_000
        self._targets = PortfolioTargetCollection()
        self._data: dict[Any, _DeviationData] = {}

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order what is missing, at most the maximum value, where the price is favourable."""
        self._targets.add_range(targets)
        if self._targets.is_empty:
            return
        for target in self._targets.order_by_margin_impact(algorithm):
            missing = OrderSizing.get_unordered_quantity(algorithm, target)
            data = self._data.get(target.symbol)
            if data is None or not data.std.is_ready:
                continue
            if not self.price_is_favorable(data, missing):
                continue
            size = OrderSizing.get_order_size_for_maximum_value(
                data.security, self.maximum_order_value, missing
            )
            if size:
                algorithm.market_order(
                    target.symbol, size, asynchronous=self.asynchronous, tag=target.tag
                )
        self._targets.clear_fulfilled(algorithm)

    def price_is_favorable(self, data: Any, unordered_quantity: float) -> bool:
        """Whether the price lies beyond the band on the right side."""
        average = data.sma.current.value_exact
        distance = self.deviations * data.std.current.value_exact
        if unordered_quantity > 0:
            return to_decimal(data.security.bid_price) < average - distance
        return to_decimal(data.security.ask_price) > average + distance

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones."""
        for security in changes.added_securities:
            if security.symbol not in self._data:
                self._data[security.symbol] = _DeviationData(
                    algorithm, security, self.period, self.resolution
                )
        _forget(self, algorithm, changes, self._data)

    def is_safe_to_remove(self, algorithm: Any, symbol: Any) -> bool:
        """Whether no universe has the symbol any more."""
        return _unselected(algorithm, symbol)


class _AveragePriceData:
    """A security and its average price of the day, weighted with volume."""

    def __init__(self, algorithm: Any, security: Any) -> None:
        self.security = security
        symbol, resolution = security.symbol, security.resolution
        self.consolidator = algorithm.resolve_consolidator(symbol, resolution)
        self.vwap = IntradayVwap(algorithm.create_indicator_name(symbol, "VWAP", resolution))
        algorithm.register_indicator(symbol, self.vwap, self.consolidator)


class VolumeWeightedAveragePriceExecutionModel(ExecutionModel):
    """Buys below, and sells above, the day's average price; little of the bar's volume at a time.

    Args:
        asynchronous: see :class:`ExecutionModel`.

    Attributes:
        maximum_order_quantity_percent_volume: largest order over the present bar's volume.
    """

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self.maximum_order_quantity_percent_volume: Any = 0.01
        self._targets = PortfolioTargetCollection()
        self._data: dict[Any, _AveragePriceData] = {}

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order what is missing, as far as the volume allows, where the price is favourable."""
        self._targets.add_range(targets)
        if self._targets.is_empty:
            return
        for target in self._targets.order_by_margin_impact(algorithm):
            missing = OrderSizing.get_unordered_quantity(algorithm, target)
            data = self._data.get(target.symbol)
            if data is None or not self.price_is_favorable(data, missing):
                continue
            size = OrderSizing.get_order_size_for_percent_volume(
                data.security, self.maximum_order_quantity_percent_volume, missing
            )
            if size:
                algorithm.market_order(
                    target.symbol, size, asynchronous=self.asynchronous, tag=target.tag
                )
        self._targets.clear_fulfilled(algorithm)

    def price_is_favorable(self, data: Any, unordered_quantity: float) -> bool:
        """Whether the price lies on the right side of the average."""
        average = data.vwap.current.value_exact
        if unordered_quantity > 0:
            return to_decimal(data.security.bid_price) < average
        return to_decimal(data.security.ask_price) > average

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones."""
        for security in changes.added_securities:
            if security.symbol not in self._data:
                self._data[security.symbol] = _AveragePriceData(algorithm, security)
        _forget(self, algorithm, changes, self._data)

    def is_safe_to_remove(self, algorithm: Any, symbol: Any) -> bool:
        """Whether no universe has the symbol any more."""
        return _unselected(algorithm, symbol)


def _unselected(algorithm: Any, symbol: Any) -> bool:
    return not any(
        universe.contains_member(symbol) for universe in algorithm.universe_manager.values()
    )


def _forget(model: Any, algorithm: Any, changes: Any, data: dict[Any, Any]) -> None:
    """Drop the data of removed securities that no universe has any more."""
    for security in changes.removed_securities:
        symbol = security.symbol
        if symbol in data and model.is_safe_to_remove(algorithm, symbol):
            algorithm.subscription_manager.remove_consolidator(
                symbol, data.pop(symbol).consolidator
            )
