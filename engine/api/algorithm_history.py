"""The history part of QCAlgorithm: past bars."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import from_utc, to_utc
from engine.common.enums import DataNormalizationMode, Resolution, TickType
from engine.feed.history import history_config, start_of_bars, to_frame, to_slices
from engine.market.data import BaseData, QuoteBar, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol, SymbolCache


class _History:
    """LEAN's `self.history`, which is called or first indexed by a class of data."""

    __slots__ = ("_algorithm",)

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._algorithm.request_history(*arguments, **named)

    def __getitem__(self, kind: type) -> Any:
        return lambda *arguments, **named: self(kind, *arguments, **named)


class HistoryMixin:
    """Past bars of an algorithm."""

    @property
    def history(self: Any) -> _History:
        """Past bars: `history(...)`, or `history[TradeBar](...)` as `history(TradeBar, ...)`."""
        return _History(self)

    def request_history(self: Any, *arguments: Any, **named: Any) -> Any:
        """Past bars.

        (symbols, periods | timedelta | start, end, resolution=None) gives a frame indexed by
        symbol and time; with a class (TradeBar, QuoteBar) first, a list of bars of one symbol, or
        slices of several; without symbols, slices of all securities. `fill_forward`,
        `extended_market_hours` and `data_normalization_mode` may be named.

        Raises:
            ValueError: if a symbol is unknown or the span is malformed.
        """
        values = list(arguments)
        named = dict(named)
        kind = None
        if values and isinstance(values[0], type):
            kind = values.pop(0)
        if values and isinstance(values[0], int | timedelta | datetime):
            symbols: list[Any] = self.securities.keys()
            single = None
            slices = True
        else:
            target = values.pop(0) if values else named.pop("symbols", named.pop("symbol", None))
            slices = False
            if isinstance(target, list | tuple | set) or hasattr(target, "keys"):
                symbols, single = list(target), None
            else:
                symbols, single = [target], target
        bars = {
            self._history_symbol(item): self._request_history(item, kind, values, dict(named))
            for item in symbols
        }
        if kind is not None and single is not None:
            return bars[self._history_symbol(single)]
        if slices or kind is not None:
            hours = self.default_hours
            return to_slices(bars, lambda t: self._to_algorithm_time(hours, t))
        return to_frame(bars)

    def _to_algorithm_time(self: Any, hours: ExchangeHours, local: datetime) -> datetime:
        return from_utc(hours.to_utc(local), self.time_zone)

    def _history_symbol(self: Any, item: Any) -> Symbol:
        item = getattr(item, "symbol", item)
        if isinstance(item, Symbol):
            return item
        symbol = SymbolCache.try_get_symbol(str(item))
        if symbol is None:
            symbol = self.create_symbol(str(item))
            self._check_known(symbol)
        return symbol

    def _request_history(
        self: Any, item: Any, kind: type | None, values: list[Any], named: dict[str, Any]
    ) -> list[BaseData]:
        symbol = self._history_symbol(item)
        security = self.securities.find(symbol)
        hours = security.exchange.hours if security is not None else self.hours_of(symbol)
        values = list(values)
        span = values.pop(0) if values else None
        for name in ("periods", "span", "start"):
            if name in named:
                span = named.pop(name)
        end_time = named.pop("end", None)
        if isinstance(span, datetime) and values and isinstance(values[0], datetime):
            end_time = values.pop(0)
        resolution = values.pop(0) if values else None
        resolution = named.pop("resolution", resolution)
        fill_forward = values.pop(0) if values else None
        fill_forward = named.pop("fill_forward", fill_forward)
        extended = values.pop(0) if values else None
        extended = named.pop("extended_market_hours", extended)
        mode = named.pop("data_normalization_mode", None)
        named.pop("flatten", None)
        if named:
            raise NotImplementedError(f"history({', '.join(sorted(named))}=...)")
        configs = [c for c in security.subscriptions if not c.internal] if security else []
        if resolution is None:
            resolution = min(
                (c.resolution for c in configs), default=self.universe_settings.resolution
            )
        if fill_forward is None:
            fill_forward = configs[0].fill_forward if configs else True
        if extended is None:
            extended = any(c.extended_hours for c in configs)
        if mode is None:
            mode = (
                DataNormalizationMode(configs[0].data_normalization_mode)
                if configs
                else self.universe_settings.data_normalization_mode
            )
        now = hours.from_utc(self.utc_time_naive)
        start, end, count = self._history_span(hours, span, end_time, now, resolution, extended)
        kinds = [TickType.TRADE]
        if resolution < Resolution.HOUR and kind is not TradeBar:
            kinds = [TickType.QUOTE] if kind is QuoteBar else [TickType.TRADE, TickType.QUOTE]
        result: list[BaseData] = []
        for tick_type in kinds:
            config = history_config(symbol, resolution, tick_type, fill_forward, extended, mode)
            found = list(self._history_provider.bars(config, hours, start, end))
            result += found[-count:] if count else found
        return result

    def _history_span(
        self: Any,
        hours: ExchangeHours,
        span: Any,
        end_time: datetime | None,
        now: datetime,
        resolution: Resolution,
        extended: bool,
    ) -> tuple[datetime, datetime, int]:
        """Start, end (exchange time) and number of bars (0 for all) of a request."""
        if isinstance(span, bool) or span is None:
            raise ValueError(
                f"history takes a number of bars, a timedelta or a start; received {span!r}"
            )
        if isinstance(span, int):
            if span < 1:
                raise ValueError(f"history needs at least one bar; received {span}")
            return start_of_bars(hours, now, resolution, span, extended), now, span
        if isinstance(span, timedelta):
            zone = self.time_zone
            start = hours.from_utc(to_utc(self.time - span, zone))
            return start, now, 0
        if not hasattr(span, "year"):
            raise ValueError(
                f"history takes a number of bars, a timedelta or a start; received {span!r}"
            )
        begin = datetime(*span.timetuple()[:6])
        start = hours.from_utc(to_utc(begin, self.time_zone))
        end = now
        if end_time is not None:
            last = datetime(*end_time.timetuple()[:6])
            end = min(now, hours.from_utc(to_utc(last, self.time_zone)))
        return start, end, 0

    def history_bars(self: Any, symbol: Any, periods: int, resolution: Any) -> list[BaseData]:
        """The last trade bars of a symbol."""
        return self.history(TradeBar, symbol, periods, resolution)

    def get_last_known_price(self: Any, security: Any) -> BaseData | None:
        """Latest bar of a security within the last days, None if there is none."""
        symbol = getattr(security, "symbol", security)
        for resolution, periods in ((Resolution.MINUTE, 390), (Resolution.HOUR, 7)):
            bars = self.history(TradeBar, symbol, periods, resolution)
            if bars:
                return bars[-1]
        bars = self.history(TradeBar, symbol, 3, Resolution.DAILY)
        return bars[-1] if bars else None
