"""The part of QCAlgorithm that makes indicators and consolidators and feeds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from engine import indicators as ind
from engine.consolidators import (
    BaseDataConsolidator,
    DataConsolidator,
    IdentityDataConsolidator,
    MarketHourAwareConsolidator,
    QuoteBarConsolidator,
    TradeBarConsolidator,
    span_of,
)
from engine.data import QuoteBar, SubscriptionDataConfig, TradeBar
from engine.decimals import text, to_decimal
from engine.enums import MovingAverageType, Resolution, TickType
from engine.indicators.base import IndicatorBase, IndicatorDataPoint, as_indicator

_LABELS = {
    Resolution.TICK: "tick",
    Resolution.SECOND: "sec",
    Resolution.MINUTE: "min",
    Resolution.HOUR: "hr",
    Resolution.DAILY: "day",
}
_NEWEST_FIRST = (Resolution.DAILY, Resolution.HOUR, Resolution.MINUTE, Resolution.SECOND)


class IndicatorsMixin:
    """Mixin of QCAlgorithm; needs its securities, settings, history and subscription manager."""

    securities: Any
    settings: Any
    history: Any
    subscription_manager: Any

    # Names and consolidators ----------------------------------------------------------------

    def create_indicator_name(
        self, symbol: Any, type: str, resolution: Resolution | None = None
    ) -> str:
        """LEAN's name of an indicator, such as ``EMA(15,SPY_day)``."""
        if resolution is None:
            resolution = self._config(symbol).resolution
        return f"{type}({symbol}_{_LABELS[resolution]})".replace(")(", ",")

    def _config(self, symbol: Any, tick_type: TickType | None = None) -> SubscriptionDataConfig:
        """The subscription that feeds a symbol's indicators: trades, unless asked otherwise."""
        security = self.securities.find(symbol)
        configs = [] if security is None else [c for c in security.subscriptions if not c.internal]
        if not configs:
            raise ValueError(
                f"Please register to receive data for symbol '{symbol}' using add_security"
            )
        configs.sort(key=lambda config: config.tick_type)
        chosen = [config for config in configs if tick_type in (None, config.tick_type)]
        return (chosen or configs)[0]

    def resolve_consolidator(
        self,
        symbol: Any,
        resolution: Resolution | timedelta | None = None,
        data_type: type | None = None,
    ) -> DataConsolidator:
        """Consolidator from a symbol's subscription to a resolution or a span.

        Raises:
            ValueError: if the subscription's bars are longer.
        """
        tick_type = {TradeBar: TickType.TRADE, QuoteBar: TickType.QUOTE}.get(data_type)  # type: ignore[arg-type]
        return self._consolidator(symbol, resolution, tick_type)

    def _consolidator(
        self, symbol: Any, rule: Any = None, tick_type: TickType | None = None
    ) -> DataConsolidator:
        config = self._config(symbol, tick_type)
        quotes = config.tick_type == TickType.QUOTE
        made = QuoteBarConsolidator if quotes else TradeBarConsolidator
        if rule is None:
            rule = config.increment
        if isinstance(rule, Resolution | timedelta):
            span = span_of(rule) if isinstance(rule, Resolution) else rule
            if span < config.increment:
                raise ValueError(
                    f"Unable to create {symbol} consolidator because {symbol} is registered for "
                    f"{config.resolution} data. Consolidators require higher resolution data to "
                    "produce lower resolution data."
                )
            if span == config.increment:
                return IdentityDataConsolidator()
            if rule == Resolution.DAILY and isinstance(rule, Resolution):
                extended = config.extended_hours and getattr(
                    self.settings, "daily_consolidation_use_extended_market_hours", False
                )
                hours = self.securities[symbol].exchange.hours
                strict = self.settings.daily_precise_end_time
                return MarketHourAwareConsolidator(hours, span, config.type, extended, strict)
            return made(span)
        return made(rule)

    def consolidate(self, symbol: Any, period: Any, *rest: Any) -> DataConsolidator:
        """Call a handler with consolidated bars.

        Args:
            symbol: of an added security.
            period: Resolution, timedelta, count or calendar function.
            rest: optionally a tick type or a bar class, then the handler.
        """
        *options, handler = rest
        tick_type = None
        for option in options:
            if isinstance(option, TickType):
                tick_type = option
            elif option in (TradeBar, QuoteBar):
                tick_type = TickType.QUOTE if option is QuoteBar else TickType.TRADE
            else:
                raise NotImplementedError(f"consolidate with {option!r}")
        consolidator = self._consolidator(symbol, period, tick_type)
        consolidator.data_consolidated += lambda _, bar: handler(bar)
        self.subscription_manager.add_consolidator(symbol, consolidator, tick_type)
        return consolidator

    # Registration ---------------------------------------------------------------------------

    def register_indicator(
        self,
        symbol: Any,
        indicator: Any,
        consolidator: Any = None,
        selector: Callable[[Any], Any] | None = None,
        *,
        resolution: Any = None,
    ) -> None:
        """Feed an indicator with a symbol's data.

        Args:
            symbol: of an added security.
            indicator: LEAN's or the user's own, with ``update`` and ``value``.
            consolidator: a consolidator, or a Resolution or timedelta to make one; the
                subscription's own bars by default.
            selector: bar to number; the close by default.
            resolution: the same as ``consolidator``.
        """
        target = as_indicator(indicator)
        rule = consolidator if consolidator is not None else resolution
        if callable(rule) and not isinstance(rule, DataConsolidator):
            rule, selector = None, rule
        made = rule if isinstance(rule, DataConsolidator) else self._consolidator(symbol, rule)
        target.consolidators.add(made)
        self.subscription_manager.add_consolidator(symbol, made)
        made.data_consolidated += lambda _, bar: _feed(target, bar, selector)

    def deregister_indicator(self, indicator: Any) -> None:
        """Stop feeding an indicator."""
        target = as_indicator(indicator)
        for consolidator in list(target.consolidators):
            self.subscription_manager.remove_consolidator(None, consolidator)
        target.consolidators.clear()

    unregister_indicator = deregister_indicator

    def warm_up_indicator(
        self,
        symbol: Any,
        indicator: Any,
        resolution: Any = None,
        selector: Callable[[Any], Any] | None = None,
    ) -> None:
        """Feed an indicator with as much history as it needs to become ready."""
        target = as_indicator(indicator)
        needed = int(getattr(target, "warm_up_period", 0) or 0)
        if not needed:
            return
        symbols = list(symbol) if isinstance(symbol, list | tuple) else [symbol]
        for one in symbols:
            span = self._config(one).increment if resolution is None else resolution
            span = span_of(span) if isinstance(span, Resolution) else span
            base = next(r for r in _NEWEST_FIRST if span_of(r) <= span)
            periods = needed * (span // span_of(base))
            bars: Iterable[Any] = self.history[TradeBar](one, periods, base)
            if span == span_of(base):
                for bar in bars:
                    _feed(target, bar, selector)
                continue
            consolidator = BaseDataConsolidator(span)
            if target.takes_bars:
                consolidator = TradeBarConsolidator(span)  # type: ignore[assignment]
            consolidator.data_consolidated += lambda _, bar: _feed(target, bar, selector)
            last = None
            for bar in bars:
                consolidator.update(bar)
                last = bar
            if last is not None:
                consolidator.scan(last.end_time)

    def _start(
        self,
        made: Any,
        symbol: Any,
        resolution: Any = None,
        selector: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Register an indicator that the algorithm made, and warm it up if settings say so."""
        self.register_indicator(symbol, made, resolution, selector)
        if self.settings.automatic_indicator_warm_up:
            self.warm_up_indicator(symbol, made, resolution, selector)
        return made

    # One value per bar ----------------------------------------------------------------------

    def _over(
        self, made: type, label: str, symbol: Any, args: tuple[Any, ...], res: Any, selector: Any
    ) -> Any:
        shown = ",".join(_text(value) for value in args if not isinstance(value, MovingAverageType))
        name = self.create_indicator_name(symbol, f"{label}({shown})", res)
        return self._start(made(name, *args), symbol, res, selector)

    def sma(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Simple moving average."""
        made = ind.SimpleMovingAverage
        return self._over(made, "SMA", symbol, (period,), resolution, selector)

    def ema(self, symbol: Any, period: int, *rest: Any, **named: Any) -> Any:
        """Exponential moving average: ``(symbol, period[, smoothing_factor][, resolution])``."""
        factor = named.pop("smoothing_factor", None)
        values = list(rest)
        if values and isinstance(values[0], float):
            factor = values.pop(0)
        resolution = values.pop(0) if values else named.pop("resolution", None)
        selector = values.pop(0) if values else named.pop("selector", None)
        name = self.create_indicator_name(symbol, f"EMA({period})", resolution)
        args = (period,) if factor is None else (period, factor)
        made = ind.ExponentialMovingAverage(name, *args)
        return self._start(made, symbol, resolution, selector)

    def wwma(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Wilder's moving average."""
        made = ind.WilderMovingAverage
        return self._over(made, "WWMA", symbol, (period,), resolution, selector)

    def lwma(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Linearly weighted moving average."""
        made = ind.LinearWeightedMovingAverage
        return self._over(made, "LWMA", symbol, (period,), resolution, selector)

    def dema(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Double exponential moving average."""
        made = ind.DoubleExponentialMovingAverage
        return self._over(made, "DEMA", symbol, (period,), resolution, selector)

    def tema(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Triple exponential moving average."""
        made = ind.TripleExponentialMovingAverage
        return self._over(made, "TEMA", symbol, (period,), resolution, selector)

    def hma(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Hull moving average."""
        made = ind.HullMovingAverage
        return self._over(made, "HMA", symbol, (period,), resolution, selector)

    def kama(
        self,
        symbol: Any,
        period: int,
        fast_ema_period: int = 2,
        slow_ema_period: int = 30,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Kaufman's adaptive moving average."""
        made = ind.KaufmanAdaptiveMovingAverage
        args = (period, fast_ema_period, slow_ema_period)
        return self._over(made, "KAMA", symbol, args, resolution, selector)

    def macd(
        self,
        symbol: Any,
        fast_period: int,
        slow_period: int,
        signal_period: int,
        type: MovingAverageType = MovingAverageType.EXPONENTIAL,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Moving average convergence divergence."""
        made = ind.MovingAverageConvergenceDivergence
        args = (fast_period, slow_period, signal_period, type)
        return self._over(made, "MACD", symbol, args, resolution, selector)

    def rsi(
        self,
        symbol: Any,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.WILDERS,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Relative strength index."""
        made, args = ind.RelativeStrengthIndex, (period, moving_average_type)
        return self._over(made, "RSI", symbol, args, resolution, selector)

    def bb(
        self,
        symbol: Any,
        period: int,
        k: Any,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Bollinger bands."""
        made, args = ind.BollingerBands, (period, k, moving_average_type)
        return self._over(made, "BB", symbol, args, resolution, selector)

    def mom(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Momentum."""
        return self._over(ind.Momentum, "MOM", symbol, (period,), resolution, selector)

    def momp(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Momentum in per cent."""
        return self._over(ind.MomentumPercent, "MOMP", symbol, (period,), resolution, selector)

    def roc(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Rate of change."""
        return self._over(ind.RateOfChange, "ROC", symbol, (period,), resolution, selector)

    def rocp(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Rate of change in per cent."""
        return self._over(ind.RateOfChangePercent, "ROCP", symbol, (period,), resolution, selector)

    def rocr(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Rate of change as a ratio."""
        return self._over(ind.RateOfChangeRatio, "ROCR", symbol, (period,), resolution, selector)

    def std(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Standard deviation."""
        return self._over(ind.StandardDeviation, "STD", symbol, (period,), resolution, selector)

    def sum(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Sum."""
        return self._over(ind.Sum, "SUM", symbol, (period,), resolution, selector)

    def mad(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Mean absolute deviation."""
        return self._over(ind.MeanAbsoluteDeviation, "MAD", symbol, (period,), resolution, selector)

    def logr(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Logarithmic return."""
        return self._over(ind.LogReturn, "LOGR", symbol, (period,), resolution, selector)

    def max(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Maximum, of the highs unless a selector says otherwise."""
        chosen = selector or self._extreme(symbol, resolution, "high_exact")
        return self._over(ind.Maximum, "MAX", symbol, (period,), resolution, chosen)

    def min(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Minimum, of the lows unless a selector says otherwise."""
        chosen = selector or self._extreme(symbol, resolution, "low_exact")
        return self._over(ind.Minimum, "MIN", symbol, (period,), resolution, chosen)

    def _extreme(self, symbol: Any, resolution: Any, attribute: str) -> Any:
        def select(bar: Any) -> Any:
            return getattr(bar, attribute, None) or bar.value_exact

        return select

    def identity(self, symbol: Any, *rest: Any, **named: Any) -> Any:
        """The values themselves: ``(symbol[, resolution][, selector][, field_name])``."""
        values = list(rest)
        resolution = named.pop("resolution", None)
        if values and (values[0] is None or isinstance(values[0], Resolution | timedelta)):
            resolution = values.pop(0)
        selector = values.pop(0) if values else named.pop("selector", None)
        field = values.pop(0) if values else named.pop("field_name", None)
        label = resolution if isinstance(resolution, Resolution) else None
        name = self.create_indicator_name(symbol, field or "close", label)
        return self._start(ind.Identity(name), symbol, resolution, selector)

    # Bars -----------------------------------------------------------------------------------

    def atr(
        self,
        symbol: Any,
        period: int,
        type: MovingAverageType = MovingAverageType.SIMPLE,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Average true range."""
        args = (period, type)
        return self._over(ind.AverageTrueRange, "ATR", symbol, args, resolution, selector)

    def natr(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Normalised average true range."""
        made = ind.NormalizedAverageTrueRange
        return self._over(made, "NATR", symbol, (period,), resolution, selector)

    def tr(self, symbol: Any, resolution: Any = None, selector: Any = None) -> Any:
        """True range."""
        name = self.create_indicator_name(symbol, "TR", resolution)
        return self._start(ind.TrueRange(name), symbol, resolution, selector)

    def aroon(self, symbol: Any, *periods_and_options: Any, **named: Any) -> Any:
        """Aroon oscillator: ``(symbol, period)`` or ``(symbol, up_period, down_period)``."""
        values = list(periods_and_options)
        periods = []
        while values and isinstance(values[0], int) and not isinstance(values[0], Resolution):
            periods.append(values.pop(0))
        resolution = values.pop(0) if values else named.pop("resolution", None)
        selector = values.pop(0) if values else named.pop("selector", None)
        args = (periods[0], periods[-1])
        return self._over(ind.AroonOscillator, "AROON", symbol, args, resolution, selector)

    def wilr(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Williams %R."""
        return self._over(ind.WilliamsPercentR, "WILR", symbol, (period,), resolution, selector)

    def cci(
        self,
        symbol: Any,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Commodity channel index."""
        made, args = ind.CommodityChannelIndex, (period, moving_average_type)
        return self._over(made, "CCI", symbol, args, resolution, selector)

    def sto(self, symbol: Any, period: int, *rest: Any, **named: Any) -> Any:
        """Stochastic: ``(symbol, period[, k_period, d_period][, resolution])``."""
        values = list(rest)
        k_period = d_period = period
        if len(values) > 1 and not isinstance(values[0], Resolution):
            k_period, d_period = values.pop(0), values.pop(0)
        resolution = values.pop(0) if values else named.pop("resolution", None)
        selector = values.pop(0) if values else named.pop("selector", None)
        args = (period, named.pop("k_period", k_period), named.pop("d_period", d_period))
        return self._over(ind.Stochastic, "STO", symbol, args, resolution, selector)

    def adx(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Average directional index."""
        made = ind.AverageDirectionalIndex
        return self._over(made, "ADX", symbol, (period,), resolution, selector)

    def dch(self, symbol: Any, period: int, *rest: Any, **named: Any) -> Any:
        """Donchian channel: ``(symbol, period)`` or ``(symbol, upper, lower)``."""
        values = list(rest)
        lower = period
        if values and isinstance(values[0], int) and not isinstance(values[0], Resolution):
            lower = values.pop(0)
        resolution = values.pop(0) if values else named.pop("resolution", None)
        args = (period, lower)
        return self._over(ind.DonchianChannel, "DCH", symbol, args, resolution, None)

    def obv(self, symbol: Any, resolution: Any = None, selector: Any = None) -> Any:
        """On balance volume."""
        name = self.create_indicator_name(symbol, "OBV", resolution)
        return self._start(ind.OnBalanceVolume(name), symbol, resolution, selector)

    def mfi(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Money flow index."""
        return self._over(ind.MoneyFlowIndex, "MFI", symbol, (period,), resolution, selector)

    def vwap(
        self, symbol: Any, period: int | None = None, resolution: Any = None, selector: Any = None
    ) -> Any:
        """Volume-weighted average price over bars, or since the day began."""
        if period is None:
            name = self.create_indicator_name(symbol, "VWAP", None)
            return self._start(ind.IntradayVwap(name), symbol)
        made = ind.VolumeWeightedAveragePriceIndicator
        return self._over(made, "VWAP", symbol, (period,), resolution, selector)


def _feed(target: IndicatorBase, bar: Any, selector: Callable[[Any], Any] | None) -> None:
    """Update an indicator with a bar, or with what a selector makes of it."""
    if bar is None:
        return
    if selector is None:
        target.update(bar)
        return
    value = selector(bar)
    if hasattr(value, "end_time"):
        target.update(value)
    else:
        target.update(IndicatorDataPoint(bar.symbol, bar.end_time, to_decimal(value)))


def _text(value: Any) -> str:
    return text(to_decimal(value)) if isinstance(value, float) else str(value)
