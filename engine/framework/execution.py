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


class _PendingTargets(ExecutionModel):
    """Remembers targets until the holdings have reached them; subclasses size the orders."""

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._targets = PortfolioTargetCollection()

    def execute(self, algorithm: Any, targets: list[PortfolioTarget]) -> None:
        """Order at the market what the model finds right for each pending target."""
        self._targets.add_range(targets)
        if self._targets.is_empty:
            return
        for target in self._targets.order_by_margin_impact(algorithm):
            quantity = self._order_size(algorithm, target)
            if quantity:
                algorithm.market_order(
                    target.symbol, quantity, asynchronous=self.asynchronous, tag=target.tag
                )
        self._targets.clear_fulfilled(algorithm)

    def _order_size(self, algorithm: Any, target: PortfolioTarget) -> Any:
        """Signed quantity to order now, 0 for none."""
        raise NotImplementedError(f"{type(self).__name__}._order_size")


class ImmediateExecutionModel(_PendingTargets):
    """Orders the whole difference at the market at once."""

    def _order_size(self, algorithm: Any, target: PortfolioTarget) -> Any:
        """What is missing, unless its margin is below the algorithm's minimum."""
        security = algorithm.securities[target.symbol]
        quantity = unordered_quantity(algorithm, target, security)
        enough = quantity and algorithm.above_minimum_order_margin(security, quantity)
        return quantity if enough else 0


class SpreadExecutionModel(_PendingTargets):
    """Orders while the market is open and the spread is small.

    Args:
        accepting_spread_percent: largest spread over price.
        asynchronous: see :class:`ExecutionModel`.
    """

    def __init__(self, accepting_spread_percent: Any = 0.005, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._limit = abs(to_decimal(accepting_spread_percent))

    def _order_size(self, algorithm: Any, target: PortfolioTarget) -> Any:
        """What is missing where the spread is acceptable."""
        security = algorithm.securities[target.symbol]
        quantity = unordered_quantity(algorithm, target, security)
        return quantity if quantity and self.price_is_favorable(security) else 0

    def price_is_favorable(self, security: Any) -> bool:
        """Whether the spread is small, in open hours and with valid prices."""
        price = security.price_exact
        bid, ask = security.bid_price_exact, security.ask_price_exact
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

    @property
    def is_ready(self) -> bool:
        """Whether there are values enough for the deviation."""
        return bool(self.std.is_ready)


class _FollowedSecurities(_PendingTargets):
    """Orders by data that it follows of each security; subclasses say which and how much."""

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._data: dict[Any, Any] = {}

    def _order_size(self, algorithm: Any, target: PortfolioTarget) -> Any:
        """What is missing, as far as the model's limit allows, where the price is favourable."""
        missing = OrderSizing.get_unordered_quantity(algorithm, target)
        data = self._data.get(target.symbol)
        if data is None or not data.is_ready or not self.price_is_favorable(data, missing):
            return 0
        return self._limited(data.security, missing)

    def price_is_favorable(self, data: Any, unordered_quantity: float) -> bool:
        """Whether the price is right for an order; subclasses implement it."""
        raise NotImplementedError(f"{type(self).__name__}.price_is_favorable")

    def _limited(self, security: Any, missing: float) -> float:
        """The largest order for what is missing."""
        raise NotImplementedError(f"{type(self).__name__}._limited")

    def _follow(self, algorithm: Any, security: Any) -> Any:
        """Data of a new security."""
        raise NotImplementedError(f"{type(self).__name__}._follow")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones that no universe has any more."""
        for security in changes.added_securities:
            if security.symbol not in self._data:
                self._data[security.symbol] = self._follow(algorithm, security)
        for security in changes.removed_securities:
            symbol = security.symbol
            if symbol in self._data and self.is_safe_to_remove(algorithm, symbol):
                algorithm.subscription_manager.remove_consolidator(
                    symbol, self._data.pop(symbol).consolidator
                )

    def is_safe_to_remove(self, algorithm: Any, symbol: Any) -> bool:
        """Whether no universe has the symbol any more."""
        return not any(
            universe.contains_member(symbol) for universe in algorithm.universe_manager.values()
        )


class StandardDeviationExecutionModel(_FollowedSecurities):
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

    def _follow(self, algorithm: Any, security: Any) -> _DeviationData:
        return _DeviationData(algorithm, security, self.period, self.resolution)

    def _limited(self, security: Any, missing: float) -> float:
        return OrderSizing.get_order_size_for_maximum_value(
            security, self.maximum_order_value, missing
        )

    def price_is_favorable(self, data: Any, unordered_quantity: float) -> bool:
        """Whether the price lies beyond the band on the right side."""
        average = data.sma.current.value_exact
        distance = self.deviations * data.std.current.value_exact
        if unordered_quantity > 0:
            return bool(data.security.bid_price_exact < average - distance)
        return bool(data.security.ask_price_exact > average + distance)


class _AveragePriceData:
    """A security and its average price of the day, weighted with volume."""

    # The average need not be ready: LEAN compares with 0 until it is.
    is_ready = True

    def __init__(self, algorithm: Any, security: Any) -> None:
        self.security = security
        symbol, resolution = security.symbol, security.resolution
        self.consolidator = algorithm.resolve_consolidator(symbol, resolution)
        self.vwap = IntradayVwap(algorithm.create_indicator_name(symbol, "VWAP", resolution))
        algorithm.register_indicator(symbol, self.vwap, self.consolidator)


class VolumeWeightedAveragePriceExecutionModel(_FollowedSecurities):
    """Buys below, and sells above, the day's average price; little of the bar's volume at a time.

    Args:
        asynchronous: see :class:`ExecutionModel`.

    Attributes:
        maximum_order_quantity_percent_volume: largest order over the present bar's volume.
    """

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self.maximum_order_quantity_percent_volume: Any = 0.01

    def _follow(self, algorithm: Any, security: Any) -> _AveragePriceData:
        return _AveragePriceData(algorithm, security)

    def _limited(self, security: Any, missing: float) -> float:
        return OrderSizing.get_order_size_for_percent_volume(
            security, self.maximum_order_quantity_percent_volume, missing
        )

    def price_is_favorable(self, data: Any, unordered_quantity: float) -> bool:
        """Whether the price lies on the right side of the average."""
        average = data.vwap.current.value_exact
        if unordered_quantity > 0:
            return bool(data.security.bid_price_exact < average)
        return bool(data.security.ask_price_exact > average)
