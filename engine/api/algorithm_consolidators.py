"""The consolidators part of QCAlgorithm: which consolidator a request means, and its handler."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.common.enums import Resolution, TickType
from engine.common.naming import BracketCall
from engine.common.net_exceptions import ArgumentException
from engine.feed.consolidators import IdentityDataConsolidator, identity_of, listen
from engine.feed.custom_data import PythonData
from engine.feed.period_consolidators import (
    BaseDataConsolidator,
    DynamicDataConsolidator,
    MarketHourAwareConsolidator,
    QuoteBarConsolidator,
    TradeBarConsolidator,
)
from engine.feed.price_bars import (
    RangeBar,
    RangeConsolidator,
    RenkoBar,
    RenkoConsolidator,
    VolumeRenkoBar,
    VolumeRenkoConsolidator,
)
from engine.market.data import RESOLUTION_SPAN, BaseData, QuoteBar, SubscriptionDataConfig, TradeBar

_SIZED = ("type", "symbol", "size", "tick_type", "handler")
_TICK_TYPES: dict[Any, TickType] = {QuoteBar: TickType.QUOTE, TradeBar: TickType.TRADE}


class _Consolidate:
    """LEAN's `self.consolidate`, which is called or first indexed by a class of bars."""

    __slots__ = ("_algorithm", "_kind")

    def __init__(self, algorithm: Any, kind: type | None = None) -> None:
        self._algorithm = algorithm
        self._kind = kind

    def __getitem__(self, kind: type) -> _Consolidate:
        return _Consolidate(self._algorithm, kind)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call a handler with longer bars.

        (symbol, period, handler) or (symbol, period, tick type, handler), where the period is a
        Resolution, a timedelta or a calendar function; or (class, symbol, size, tick type,
        handler) for Renko, volume and range bars, or for bars of a number of points.

        Raises:
            TypeError: for what LEAN takes neither: a size without a class, a class with a period.
        """
        values, count = list(arguments), len(arguments) + len(named)
        kind = named.pop("type", self._kind)
        if values and isinstance(values[0], type) and kind is None:
            kind = values.pop(0)
        handler = named.pop("handler") if "handler" in named else values.pop()
        names = (("symbol",), ("period", "calendar", "size", "max_count"), ("tick_type",))
        parts = []
        for alternatives in names:
            found = next((named.pop(name) for name in alternatives if name in named), None)
            parts.append(values.pop(0) if found is None and values else found)
        if values or named:
            raise TypeError(
                f"consolidate takes symbol, period, tick_type and handler; received {arguments}"
            )
        symbol, period, tick_type = parts
        is_size = isinstance(period, int | float) and not isinstance(period, Resolution)
        fits = not is_size if kind is None else is_size and count == len(_SIZED)
        if self._kind is None and not fits:
            types = ", ".join(str(type(value)) for value in arguments)
            raise TypeError(
                f"No method matches given arguments for consolidate: ({types}). It takes (symbol, "
                "period[, tick_type], handler) with a Resolution, timedelta or function of the "
                f"calendar, or ({', '.join(_SIZED)}) with a number"
            )
        return self._algorithm.start_consolidating(kind, symbol, period, tick_type, handler)


class ConsolidatorsMixin:
    """Consolidators of an algorithm."""

    def _qc_config(
        self: Any, symbol: Any, tick_type: TickType | None = None
    ) -> SubscriptionDataConfig:
        """The subscription that indicators and consolidators of a symbol read.

        Trades before quotes; of another tick type than wanted if there is no such. A symbol that
        was not added is added, as LEAN does.
        """
        key = getattr(symbol, "symbol", symbol)
        security = self.securities.find(key)
        configs = [c for c in security.subscriptions if not c.internal] if security else []
        if not configs:
            security = self.add_security(key)
            configs = [c for c in security.subscriptions if not c.internal]
        configs.sort(key=lambda c: c.tick_type)
        wanted = [c for c in configs if tick_type is None or c.tick_type == tick_type]
        config: SubscriptionDataConfig = (wanted or configs)[0]
        return config

    def resolve_consolidator(
        self: Any,
        symbol: Any,
        resolution: Any = None,
        data_type: type | None = None,
        *,
        time_span: timedelta | None = None,
    ) -> Any:
        """Consolidator from a symbol's data to a resolution or timedelta."""
        period = time_span if resolution is None else resolution
        return self._qc_consolidator(symbol, period, _TICK_TYPES.get(data_type))

    def _qc_consolidator(self: Any, symbol: Any, period: Any, tick_type: Any) -> Any:
        """The consolidator that a period means, a Resolution, a timedelta or a function.

        Raises:
            ArgumentException: if the data is coarser than the period.
        """
        config = self._qc_config(symbol, tick_type)
        if callable(period) and not isinstance(period, type | Resolution):
            return self._qc_periodic(period, config.type)
        span = config.increment if period is None else period
        if isinstance(span, Resolution):
            span = RESOLUTION_SPAN[span]
        if span < config.increment:
            raise ArgumentException(
                f"Unable to create {symbol} consolidator because {symbol} is registered for "
                f"{config.resolution.net_name} data. Consolidators require higher resolution data "
                "to produce lower resolution data."
            )
        if span == config.increment:
            return self.create_consolidator(timedelta(0), config.type)
        if period is Resolution.DAILY:
            return self._qc_daily_consolidator(symbol, config)
        return self._qc_periodic(span, config.type)

    def _qc_daily_consolidator(self: Any, symbol: Any, config: SubscriptionDataConfig) -> Any:
        extended = self.settings.daily_consolidation_use_extended_market_hours
        if config.extended_hours and not extended and not self._qc_warned_of_daily_consolidation:
            self._qc_warned_of_daily_consolidation = True
            self.debug(
                f"Warning: The subscription for {symbol} has ExtendedMarketHours=true, but "
                "Settings.DailyConsolidationUseExtendedMarketHours=false. Daily consolidations "
                "will exclude extended market hours. Enable "
                "algorithm.Settings.DailyConsolidationUseExtendedMarketHours to include them."
            )
        return MarketHourAwareConsolidator(
            self.settings.daily_precise_end_time,
            Resolution.DAILY,
            config.type,
            config.tick_type,
            extended and config.extended_hours,
        )

    @staticmethod
    def _qc_periodic(rule: Any, kind: type) -> Any:
        """Consolidator of a rule for a class of data."""
        if issubclass(kind, TradeBar):
            return TradeBarConsolidator(rule)
        if issubclass(kind, QuoteBar):
            return QuoteBarConsolidator(rule)
        if issubclass(kind, PythonData):
            return DynamicDataConsolidator(rule)
        return BaseDataConsolidator(rule)

    @staticmethod
    def create_consolidator(
        period: timedelta,
        consolidator_input_type: type = TradeBar,
        tick_type: TickType | None = None,
    ) -> Any:
        """Consolidator over a period for a class of data; without a period, each point's own."""
        if not period:
            if issubclass(consolidator_input_type, PythonData):
                return DynamicDataConsolidator(1)
            return identity_of(consolidator_input_type, IdentityDataConsolidator)()
        return ConsolidatorsMixin._qc_periodic(period, consolidator_input_type)

    @BracketCall
    def consolidate(self: Any) -> _Consolidate:
        """Call a handler with longer bars: `consolidate(symbol, period, handler)`."""
        return _Consolidate(self)

    def start_consolidating(
        self: Any, kind: type | None, symbol: Any, period: Any, tick_type: Any, handler: Any
    ) -> Any:
        """What `consolidate` does with its arguments; a size stands for a period with a class.

        Raises:
            ArgumentException: if the consolidator makes another class of bars than wanted.
        """
        if isinstance(period, int | float) and not isinstance(period, Resolution):
            made = self._qc_sized_consolidator(kind, symbol, period)
        else:
            made = self._qc_consolidator(symbol, period, tick_type)
        if kind is not None and not issubclass(made.output_type, kind):
            raise ArgumentException(
                "Unable to consolidate with the specified handler because the consolidator's "
                f"output type is {made.output_type.__name__} but the handler's input type is "
                f"{kind.__name__}."
            )
        if handler is not None:
            listen(made, lambda _, bar: handler(bar))
            self.subscription_manager.add_consolidator(symbol, made, tick_type)
        return made

    def _qc_sized_consolidator(self: Any, kind: type | None, symbol: Any, size: Any) -> Any:
        """Renko and range bars of a size, or other bars of so many points."""
        self._qc_config(symbol)
        if kind is VolumeRenkoBar:
            return VolumeRenkoConsolidator(size)
        if kind is RenkoBar:
            return RenkoConsolidator(size)
        if kind is RangeBar:
            return RangeConsolidator(int(size))
        return self._qc_periodic(int(size), kind or BaseData)
