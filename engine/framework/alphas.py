"""Alpha models: from data to insights."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.enums import (
    InsightDirection,
    InsightType,
    MovingAverageType,
    Resolution,
    net_text,
)
from engine.common.naming import LeanObject
from engine.framework.insight import Insight
from engine.framework.insights import InsightCollection
from engine.indicators import (
    ExponentialMovingAverage,
    MovingAverageConvergenceDivergence,
    RateOfChange,
    RelativeStrengthIndex,
)
from engine.market.data import TradeBar

SPANS = {
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAILY: timedelta(days=1),
}


class AlphaModel(LeanObject):
    """Base of alpha models; ``update`` returns new insights."""

    name = ""

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return insights for a slice of data."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities were added or removed."""


class NullAlphaModel(AlphaModel):
    """Forecasts nothing."""

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return none."""
        return []


class CompositeAlphaModel(AlphaModel):
    """Several models side by side.

    Raises:
        ValueError: without models.
    """

    def __init__(self, *models: Any) -> None:
        if not models:
            raise ValueError("CompositeAlphaModel needs at least one model; received none")
        self._models = list(models)

    def add_alpha(self, alpha_model: Any = None, *, py_alpha_model: Any = None) -> None:
        """Append a model."""
        self._models.append(alpha_model if alpha_model is not None else py_alpha_model)

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return all models' insights, marked with their model."""
        insights = []
        for model in self._models:
            for insight in model.update(algorithm, data) or []:
                insight.source_model = insight.source_model or model_name(model)
                insights.append(insight)
        return insights

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Pass the change on."""
        for model in self._models:
            model.on_securities_changed(algorithm, changes)


def model_name(model: Any) -> str:
    """Name of a model: its own or its class's."""
    return getattr(model, "name", "") or getattr(model, "Name", "") or type(model).__name__


class ConstantAlphaModel(AlphaModel):
    """The same forecast for every security, again whenever its period has passed.

    Args:
        type: of the insights.
        direction: of the insights.
        period: of the insights, and the least time between two of a symbol.
        magnitude: optional.
        confidence: optional.
        weight: optional.
    """

    def __init__(
        self,
        type: InsightType,
        direction: InsightDirection,
        period: timedelta,
        magnitude: float | None = None,
        confidence: float | None = None,
        weight: float | None = None,
    ) -> None:
        self._type, self._direction, self._period = type, direction, period
        self._magnitude, self._confidence, self._weight = magnitude, confidence, weight
        self._securities: dict[Any, Any] = {}
        self._last: dict[Any, datetime] = {}
        extras = [str(value) for value in (magnitude, confidence) if value is not None]
        values = ",".join([net_text(type), net_text(direction), str(period), *extras])
        self.name = f"ConstantAlphaModel({values})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return an insight for every security with a price whose last one is over."""
        now = algorithm.utc_time_naive
        return [
            Insight(
                security.symbol, self._period, self._type, self._direction,
                magnitude=self._magnitude, confidence=self._confidence, weight=self._weight,
            )
            for security in self._securities.values()
            if security.price != 0 and self.should_emit_insight(now, security.symbol)
        ]  # fmt: skip

    def should_emit_insight(self, utc_time: datetime, symbol: Any) -> bool:
        """Whether the symbol's last insight is at least a period old."""
        last = self._last.get(symbol)
        if last is not None and utc_time - last < self._period:
            return False
        self._last[symbol] = utc_time
        return True

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones."""
        for security in changes.added_securities:
            self._securities[security.symbol] = security
        for security in changes.removed_securities:
            self._securities.pop(security.symbol, None)
            self._last.pop(security.symbol, None)


class _Fed:
    """A security and what its own consolidator feeds."""

    def __init__(self, algorithm: Any, security: Any, resolution: Resolution) -> None:
        self.security = security
        self.symbol = security.symbol
        self.consolidator = algorithm.resolve_consolidator(security.symbol, resolution)

    def stop(self, algorithm: Any) -> None:
        algorithm.subscription_manager.remove_consolidator(self.symbol, self.consolidator)


class _EmaPair(_Fed):
    def __init__(self, algorithm: Any, security: Any, periods: tuple[int, int], res: Any) -> None:
        super().__init__(algorithm, security, res)
        self.fast, self.slow = (
            ExponentialMovingAverage(str(security.symbol), period) for period in periods
        )
        self.fast_is_over_slow = False
        for average in (self.fast, self.slow):
            algorithm.register_indicator(self.symbol, average, self.consolidator)
            algorithm.warm_up_indicator(self.symbol, average, res)


class EmaCrossAlphaModel(AlphaModel):
    """Forecasts the direction in which a fast average crosses a slow one."""

    def __init__(
        self,
        fast_period: int = 12,
        slow_period: int = 26,
        resolution: Resolution = Resolution.DAILY,
    ) -> None:
        self._periods, self._resolution = (fast_period, slow_period), resolution
        self._period = SPANS[resolution] * fast_period
        self._pairs: dict[Any, _EmaPair] = {}
        self.name = f"EmaCrossAlphaModel({fast_period},{slow_period},{net_text(resolution)})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return an insight per fresh crossing."""
        insights = []
        for pair in self._pairs.values():
            over = pair.fast > pair.slow
            if pair.fast.is_ready and pair.slow.is_ready:
                if pair.fast_is_over_slow and pair.slow > pair.fast:
                    insights.append(Insight.price(pair.symbol, self._period, InsightDirection.DOWN))
                elif not pair.fast_is_over_slow and over:
                    insights.append(Insight.price(pair.symbol, self._period, InsightDirection.UP))
            pair.fast_is_over_slow = over
        return insights

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones."""
        for security in changes.added_securities:
            pair = self._pairs.get(security.symbol)
            if pair is None:
                made = _EmaPair(algorithm, security, self._periods, self._resolution)
                self._pairs[security.symbol] = made
            else:
                pair.fast.reset()
                pair.slow.reset()
        for security in changes.removed_securities:
            removed = self._pairs.pop(security.symbol, None)
            if removed is not None:
                removed.stop(algorithm)


class _Cancelling(AlphaModel):
    """Remembers its insights by symbol to cancel them."""

    def __init__(self) -> None:
        self._insights = InsightCollection()

    def _cancel(self, algorithm: Any, symbol: Any) -> None:
        found, insights = self._insights.try_get_value(symbol)
        if found:
            algorithm.insights.cancel(insights)
            self._insights.clear([symbol])


class _MacdData(_Fed):
    def __init__(self, algorithm: Any, security: Any, args: tuple[Any, ...], res: Any) -> None:
        super().__init__(algorithm, security, res)
        self.macd = MovingAverageConvergenceDivergence(*args)
        self.previous_direction: InsightDirection | None = None
        algorithm.register_indicator(self.symbol, self.macd, self.consolidator)
        algorithm.warm_up_indicator(self.symbol, self.macd, res)


class MacdAlphaModel(_Cancelling):
    """Forecasts the direction of MACD's signal line beyond 1 % of the price."""

    THRESHOLD = Decimal("0.01")

    def __init__(
        self,
        fast_period: int = 12,
        slow_period: int = 26,
        signal_period: int = 9,
        moving_average_type: MovingAverageType = MovingAverageType.EXPONENTIAL,
        resolution: Resolution = Resolution.DAILY,
    ) -> None:
        super().__init__()
        self._args = (fast_period, slow_period, signal_period, moving_average_type)
        self._resolution = resolution
        self._period = SPANS[resolution] * fast_period
        self._data: dict[Any, _MacdData] = {}
        values = ",".join(net_text(value) for value in (*self._args, resolution))
        self.name = f"MacdAlphaModel({values})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return an insight per change of direction; cancel on a flat one."""
        insights = []
        for item in self._data.values():
            price = item.security.price_exact
            if price == 0:
                continue
            signal = item.macd.signal.current.value_exact / price
            direction = InsightDirection.FLAT
            if signal > self.THRESHOLD:
                direction = InsightDirection.UP
            elif signal < -self.THRESHOLD:
                direction = InsightDirection.DOWN
            if direction == item.previous_direction:
                continue
            item.previous_direction = direction
            if direction == InsightDirection.FLAT:
                self._cancel(algorithm, item.symbol)
                continue
            insight = Insight.price(item.symbol, self._period, direction)
            self._insights.add(insight)
            insights.append(insight)
        return insights

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities; forget removed ones."""
        for security in changes.added_securities:
            if security.symbol not in self._data:
                made = _MacdData(algorithm, security, self._args, self._resolution)
                self._data[security.symbol] = made
        for security in changes.removed_securities:
            removed = self._data.pop(security.symbol, None)
            if removed is not None:
                removed.stop(algorithm)
            self._cancel(algorithm, security.symbol)


def _past(algorithm: Any, security: Any, count: int, resolution: Resolution) -> Iterable[Any]:
    """The last bars of a security."""
    return algorithm.history[TradeBar](security.symbol, count, resolution)


class _RsiData(_Fed):
    def __init__(self, algorithm: Any, security: Any, period: int, resolution: Any) -> None:
        super().__init__(algorithm, security, resolution)
        self.rsi = RelativeStrengthIndex(period, MovingAverageType.WILDERS)
        self.state = InsightDirection.FLAT
        algorithm.register_indicator(self.symbol, self.rsi, self.consolidator)


class RsiAlphaModel(AlphaModel):
    """Forecasts a rise after RSI has fallen below 30, a fall after it has risen above 70."""

    def __init__(self, period: int = 14, resolution: Resolution = Resolution.DAILY) -> None:
        self._length, self._resolution = period, resolution
        self._period = SPANS[resolution] * period
        self._data: dict[Any, _RsiData] = {}
        self.name = f"RsiAlphaModel({period},{net_text(resolution)})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return an insight when a symbol becomes overbought or oversold."""
        insights = []
        for item in self._data.values():
            state = self._state(item.rsi, item.state)
            if state not in (item.state, InsightDirection.FLAT) and item.rsi.is_ready:
                insights.append(Insight.price(item.symbol, self._period, state))
            item.state = state
        return insights

    @staticmethod
    def _state(rsi: Any, previous: InsightDirection) -> InsightDirection:
        """Direction to expect: down once overbought, up once oversold, flat in between."""
        if rsi > 70:
            return InsightDirection.DOWN
        if rsi < 30:
            return InsightDirection.UP
        if previous == InsightDirection.UP and rsi > 35:
            return InsightDirection.FLAT
        if previous == InsightDirection.DOWN and rsi < 65:
            return InsightDirection.FLAT
        return previous

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        for security in changes.removed_securities:
            removed = self._data.pop(security.symbol, None)
            if removed is not None:
                removed.stop(algorithm)
        for security in changes.added_securities:
            if security.symbol in self._data:
                continue
            made = _RsiData(algorithm, security, self._length, self._resolution)
            self._data[security.symbol] = made
            for bar in _past(algorithm, security, self._length, self._resolution):
                made.consolidator.update(bar)


class _ReturnData(_Fed):
    def __init__(self, algorithm: Any, security: Any, lookback: int, resolution: Any) -> None:
        super().__init__(algorithm, security, resolution)
        self.roc = RateOfChange(str(security.symbol), lookback)
        self._seen = 0
        algorithm.register_indicator(self.symbol, self.roc, self.consolidator)

    def can_emit(self) -> bool:
        if self._seen == self.roc.samples:
            return False
        self._seen = self.roc.samples
        return self.roc.is_ready


class HistoricalReturnsAlphaModel(_Cancelling):
    """Forecasts that the last return continues."""

    def __init__(self, lookback: int = 1, resolution: Resolution = Resolution.DAILY) -> None:
        super().__init__()
        self._lookback, self._resolution = lookback, resolution
        self._period = SPANS[resolution] * lookback
        self._data: dict[Any, _ReturnData] = {}
        self.name = f"HistoricalReturnsAlphaModel({lookback},{net_text(resolution)})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        """Return an insight per new return; cancel on a zero one."""
        insights = []
        for symbol, item in self._data.items():
            if not item.can_emit():
                continue
            magnitude = item.roc.current.value
            if magnitude == 0:
                self._cancel(algorithm, symbol)
                continue
            direction = InsightDirection.UP if magnitude > 0 else InsightDirection.DOWN
            insights.append(Insight.price(symbol, self._period, direction, magnitude, None))
        self._insights.add_range(insights)
        return insights

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        for security in changes.removed_securities:
            removed = self._data.pop(security.symbol, None)
            if removed is not None:
                removed.stop(algorithm)
            self._cancel(algorithm, security.symbol)
        for security in changes.added_securities:
            if security.symbol in self._data:
                continue
            made = _ReturnData(algorithm, security, self._lookback, self._resolution)
            self._data[security.symbol] = made
            for bar in _past(algorithm, security, self._lookback, self._resolution):
                made.roc.update(bar.end_time, bar.value_exact)
