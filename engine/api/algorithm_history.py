"""The history part of QCAlgorithm: past data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from engine.api.algorithm_custom import CustomSecurity
from engine.common.clock import from_utc, midnight, to_utc
from engine.common.enumerables import memoized
from engine.common.enums import DataNormalizationMode, Resolution, SecurityType
from engine.common.naming import BracketCall
from engine.common.net_exceptions import (
    ArgumentException,
    ArgumentOutOfRangeException,
    InvalidOperationException,
)
from engine.feed.auxiliary_files import EQUITY_MODES
from engine.feed.custom_data import PythonData
from engine.feed.history_requests import (
    EVENTS,
    HistoryOptions,
    HistoryRequest,
    default_resolution,
    requests_of_count,
    requests_of_span,
)
from engine.market.data import BaseData, QuoteBar, SubscriptionDataConfig, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.slices import DataDictionary, Slice
from engine.market.symbols import Symbol, SymbolCache

_SEED_BARS = 5
_SEED_RETRIES = {Resolution.MINUTE: 24 * 60, Resolution.HOUR: 24, Resolution.DAILY: 10}
_SEED_LAST_RESORT = 50
_KINDS = (TradeBar, QuoteBar, *EVENTS)


class _History:
    """LEAN's `self.history`, which is called or first indexed by a class of data."""

    __slots__ = ("_algorithm",)

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._algorithm.request_history(*arguments, **named)

    def __getitem__(self, kind: type) -> Any:
        return lambda *arguments, **named: self._algorithm.request_typed_history(
            kind, *arguments, **named
        )


class _Call:
    """What a history call was given.

    Args:
        arguments: positional ones after the class of data: symbols, if any; periods, span, or start
            and end; LEAN's other arguments in its order.
        named: LEAN's keywords.

    Attributes:
        targets: symbols, tickers or securities; None for all securities.
        is_single: one symbol was given, not several.
        span: a number of bars, a timedelta, or a start.
        end: given end, algorithm time, or None.

    Raises:
        TypeError: if the arguments fit no call of LEAN's.
        NotImplementedError: for data that the engine does not serve.
    """

    _REST = (
        "resolution", "fill_forward", "extended_market_hours", "data_mapping_mode",
        "data_normalization_mode", "contract_depth_offset", "flatten",
    )  # fmt: skip

    def __init__(self, arguments: Sequence[Any], named: dict[str, Any]) -> None:
        values, named = list(arguments), dict(named)
        target: Any = None
        for name in ("symbols", "symbol", "tickers", "universe"):
            if name in named:
                target = named.pop(name)
        if target is None and values and not _is_span(values[0]):
            target = values.pop(0)
        self._take_targets(target)
        self.span: Any = next(
            (named.pop(name) for name in ("periods", "span", "start") if name in named), None
        )
        if self.span is None and values:
            self.span = values.pop(0)
        self.end: Any = named.pop("end", None)
        if _is_moment(self.span) and self.end is None:
            if not values or not _is_moment(values[0]):
                raise TypeError("history takes a start and an end; received a start alone")
            self.end = values.pop(0)
        if not _is_span(self.span):
            raise TypeError(
                "history takes a number of bars, a timedelta, or a start and an end; received "
                f"{self.span!r}"
            )
        rest = dict(zip(self._REST, values, strict=False)) | named
        unknown = rest.keys() - set(self._REST)
        if unknown or len(values) > len(self._REST):
            raise TypeError(f"history takes {self._REST}; received {sorted(unknown)} {values}")
        self._rest = rest

    def _take_targets(self, target: Any) -> None:
        self.is_single = False
        self.targets: list[Any] | None = None
        if target is None:
            return
        if isinstance(target, str | Symbol) or hasattr(target, "symbol"):
            self.is_single, self.targets = True, [target]
        elif hasattr(target, "keys") and callable(target.keys):
            self.targets = list(target.keys())
        elif isinstance(target, Iterable):
            self.targets = list(target)
        else:
            raise TypeError(f"history takes symbols or tickers; received {target!r}")

    def options(self, kind: type | None) -> HistoryOptions:
        """The call's options, for a class of data."""
        resolution, mode = self._rest.get("resolution"), self._rest.get("data_normalization_mode")
        if resolution is not None and resolution < Resolution.SECOND:
            raise NotImplementedError(
                f"history(resolution={Resolution(resolution).net_name}): the engine reads second, "
                "minute, hour and daily bars"
            )
        if mode is not None and mode not in EQUITY_MODES:
            raise ArgumentOutOfRangeException(
                "Specified argument was out of the range of valid values."
            )
        return HistoryOptions(
            kind,
            None if resolution is None else Resolution(resolution),
            self._rest.get("fill_forward"),
            self._rest.get("extended_market_hours"),
            mode,
        )


def _is_moment(value: Any) -> bool:
    return isinstance(value, date)


def _is_span(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | timedelta) or _is_moment(value)


def _moment(value: Any) -> datetime:
    """A datetime, date or timestamp as a naive datetime."""
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return midnight(value)


class HistoryMixin:
    """Past data of an algorithm."""

    @BracketCall
    def history(self: Any) -> _History:
        """Past data: `history(...)`, or typed as `history[TradeBar](...)`."""
        return _History(self)

    def request_history(self: Any, *arguments: Any, **named: Any) -> Any:
        """Past data as a frame, or as slices if no symbols are given.

        (symbols, periods | span | start, end, resolution, fill_forward, extended_market_hours,
        data_mapping_mode, data_normalization_mode, contract_depth_offset, flatten), with a class
        (TradeBar, QuoteBar, Dividend, Split, Delisting, SymbolChangedEvent) first for its points
        alone. Frames are indexed by symbol and end time in the exchange's time zone. A number of
        bars is counted back from now over trading time. Starts and ends are algorithm time.

        Raises:
            TypeError: if the arguments fit no call of LEAN's.
            ValueError: if a symbol is unknown.
            NotImplementedError: for ticks and other data that the engine does not serve.
        """
        values, kind = list(arguments), named.pop("type", None)
        if kind is None and values and isinstance(values[0], type):
            kind = values.pop(0)
        call = _Call(values, named)
        _check_kind(kind)
        if kind is None:
            kind = self._qc_custom_kind(call)
        if call.targets is None and kind is None:
            if _is_moment(call.span):
                raise TypeError("history takes symbols with a start and an end")
            return memoized("Slice", self._qc_slices(self._qc_requests(call, None)))
        return self._qc_history_provider.frame(self._qc_requests(call, kind))

    def request_typed_history(self: Any, kind: type, *arguments: Any, **named: Any) -> Any:
        """Points of a class: of one symbol, or dictionaries by symbol, one for each moment.

        Raises:
            TypeError: if the arguments fit no call of LEAN's.
            ArgumentException: if the symbol has no such data.
            ValueError: if a symbol is unknown.
            NotImplementedError: for data that the engine does not serve.
        """
        call = _Call(arguments, named)
        _check_kind(kind)
        if call.targets is None and not isinstance(call.span, timedelta):
            raise TypeError(f"history[{kind.__name__}] takes symbols, or a timedelta alone")
        requests = self._qc_requests(call, kind)
        name = "PythonData" if issubclass(kind, PythonData) else kind.__name__
        if not call.is_single or call.targets is None:
            found = (piece.get(kind) for piece in self._qc_slices(requests))
            return memoized(f"DataDictionary[{name}]", [points for points in found if points.count])
        if not requests:
            symbol = self._qc_history_symbol(call.targets[0])
            raise ArgumentException(
                "No history data could be fetched. This could be due to the specified security not "
                f"being of the requested type. Symbol: {symbol} Requested Type: {kind.__name__}"
            )
        points = [self._qc_history_provider.points(request) for request in requests]
        return memoized(name, _in_order(points))

    def _qc_custom_kind(self: Any, call: _Call) -> type | None:
        """The class of custom data that all symbols of a call are of, None if there is none."""
        kinds = set()
        for item in call.targets or ():
            security = self.securities.find_any(getattr(item, "symbol", item))
            if not isinstance(security, CustomSecurity):
                return None
            kinds.add(security.subscriptions[0].custom_kind)
        return kinds.pop() if len(kinds) == 1 else None

    def _qc_slices(self: Any, requests: list[HistoryRequest]) -> list[Slice]:
        hours: ExchangeHours = self.qc_default_hours
        found: list[Slice] = self._qc_history_provider.slices(
            requests, lambda local: from_utc(hours.to_utc(local), self.time_zone)
        )
        return found

    def _qc_history_symbol(self: Any, item: Any, is_single: bool = False) -> Symbol:
        item = getattr(item, "symbol", item)
        if isinstance(item, Symbol) and item in self.universe_manager:
            raise NotImplementedError(
                f"history of a universe ({item}): keep what its function is shown, day by day"
            )
        if not isinstance(item, Symbol):
            symbol = SymbolCache.try_get_symbol(str(item))
            if symbol is None:
                raise _unknown(item, is_single)
            item = symbol
        if item.security_type != SecurityType.EQUITY and not isinstance(
            self.securities.find_any(item), CustomSecurity
        ):
            raise NotImplementedError(
                f"history of {item}: the engine has history of equities and of data that was added "
                "with add_data"
            )
        found: Symbol = item
        return found

    def _qc_configs_of(self: Any, symbol: Symbol) -> list[SubscriptionDataConfig]:
        """Subscriptions of a symbol, the benchmark's hidden one included."""
        security = self._qc_initializing
        if security is None or security.symbol != symbol:
            security = self.securities.find(symbol)
        if security is None:
            security = getattr(self.benchmark, "security", None)
        if security is None or security.symbol != symbol:
            return []
        return list(security.subscriptions)

    def _qc_requests(self: Any, call: _Call, kind: type | None) -> list[HistoryRequest]:
        targets = self.securities.keys() if call.targets is None else call.targets
        is_single = call.is_single and kind is None
        symbols = [self._qc_history_symbol(item, is_single) for item in targets]
        _check_custom(kind, symbols)
        options = call.options(kind)
        if isinstance(call.span, int):
            return self._qc_requests_of_count(symbols, call.span, options)
        now = self.time
        start = now - call.span if isinstance(call.span, timedelta) else _moment(call.span)
        end = now if call.end is None else _moment(call.end)
        if end > now:
            self.debug("Request for future history modified to end now.")
            start, end = min(start, end), now
        start, end = to_utc(start, self.time_zone), to_utc(end, self.time_zone)
        requests = []
        for symbol in symbols:
            hours = self.qc_hours_of(symbol)
            requests += requests_of_span(
                symbol,
                self._qc_configs_of(symbol),
                hours,
                hours.from_utc(start),
                hours.from_utc(end),
                options,
                self.universe_settings,
            )
        return requests

    def _qc_requests_of_count(
        self: Any, symbols: Iterable[Symbol], count: int, options: HistoryOptions
    ) -> list[HistoryRequest]:
        requests = []
        strict, now = self.settings.daily_precise_end_time, self.utc_time_naive
        for symbol in symbols:
            configs = self._qc_configs_of(symbol)
            resolution = default_resolution(configs, options.resolution, self.universe_settings)
            if resolution == Resolution.TICK:
                raise InvalidOperationException(
                    "History functions that accept a 'periods' parameter can not be used with "
                    "Resolution.Tick"
                )
            hours = self.qc_hours_of(symbol)
            requests += requests_of_count(
                symbol,
                configs,
                hours,
                hours.from_utc(now),
                count,
                options,
                self.universe_settings,
                strict,
            )
        return requests

    def qc_history_points(
        self: Any, requests: Iterable[HistoryRequest], scaled_raw: bool
    ) -> list[BaseData]:
        """Points of requests in the order of their end times, in scaled raw prices if asked for."""
        if scaled_raw:
            requests = [replace(one, mode=DataNormalizationMode.SCALED_RAW) for one in requests]
        points: list[BaseData] = [
            point for request in requests for point in self._qc_history_provider.points(request)
        ]
        return sorted(points, key=lambda point: point.end_time)

    # Last prices ----------------------------------------------------------------------------

    def get_last_known_prices(
        self: Any,
        symbol: Any = None,
        *,
        security: Any = None,
        symbols: Any = None,
        securities: Any = None,
    ) -> Any:
        """Latest points of a security, one of each class: trades, quotes; of several, by symbol.

        Looked for in the last five bars of its subscriptions, then further back.
        """
        given = (symbol, security, symbols, securities)
        symbol = next((item for item in given if item is not None), None)
        if isinstance(symbol, str | Symbol) or hasattr(symbol, "symbol"):
            return self._qc_last_known(self._qc_history_symbol(symbol))
        found: DataDictionary[list[BaseData]] = DataDictionary()
        for item in symbol.keys() if hasattr(symbol, "keys") else symbol:
            one = self._qc_history_symbol(item)
            points = self._qc_last_known(one)
            if points:
                found[one] = points
        return found

    def get_last_known_price(self: Any, symbol: Any) -> BaseData | None:
        """Latest trade bar of a security, else its latest quote bar, None if there is neither."""
        points: list[BaseData] = self._qc_last_known(self._qc_history_symbol(symbol))
        trades = [point for point in points if isinstance(point, TradeBar)]
        return (trades or points or [None])[-1]

    def _qc_last_known(self: Any, symbol: Symbol) -> list[BaseData]:
        everything = HistoryOptions(fill_forward=False, all_subscriptions=True)
        requests: list[HistoryRequest] = []
        for one in self._qc_requests_of_count([symbol], _SEED_BARS, everything):
            if one.resolution >= Resolution.MINUTE:
                requests.append(one)
                continue
            # Of what is finer minutes are asked for.
            minutes = replace(everything, resolution=Resolution.MINUTE, kind=one.kind)
            requests += self._qc_requests_of_count([symbol], _SEED_BARS, minutes)
        found: dict[type, BaseData] = {}
        for attempt in range(3):
            for request in requests:
                points = self._qc_history_provider.points(request)
                if points:
                    best = found.get(request.kind)
                    if best is None or best.end_time <= points[-1].end_time:
                        found[request.kind] = points[-1]
            missing = [request for request in requests if request.kind not in found]
            if not missing:
                break
            resolution = missing[0].resolution if attempt == 0 else Resolution.DAILY
            count = _SEED_RETRIES[resolution] if attempt == 0 else _SEED_LAST_RESORT
            options = replace(everything, resolution=resolution)
            wanted = {request.kind for request in missing}
            requests = [
                request
                for request in self._qc_requests_of_count([symbol], count, options)
                if request.kind in wanted or attempt
            ]
        return sorted(found.values(), key=lambda point: (point.time, isinstance(point, QuoteBar)))


def _unknown(ticker: Any, is_single: bool) -> Exception:
    """Error for a ticker that was not added: LEAN's own where it has one."""
    if is_single:
        return InvalidOperationException(f"We were unable to locate the ticker '{ticker}'.")
    return NotImplementedError(
        f"history of the ticker {ticker!r}, which was not added; LEAN knows no such symbol either: "
        "use Symbol.create(ticker, SecurityType.EQUITY, Market.USA)"
    )


def _check_kind(kind: type | None) -> None:
    """Refuse classes of data that the engine has no history of.

    Raises:
        NotImplementedError: for such a class.
    """
    is_class = isinstance(kind, type)
    if kind in _KINDS or kind is None or (is_class and issubclass(kind, PythonData)):
        return
    raise NotImplementedError(
        f"history of {kind.__name__ if is_class else kind}: the engine has history of TradeBar, "
        "QuoteBar, Dividend, Split, Delisting, SymbolChangedEvent and PythonData"
    )


def _check_custom(kind: type | None, symbols: Sequence[Symbol]) -> None:
    """Refuse custom data without its class.

    Raises:
        NotImplementedError: for such a call.
    """
    if kind is not None and issubclass(kind, PythonData):
        return
    for symbol in symbols:
        if symbol.security_type == SecurityType.BASE:
            name = "prices" if kind is None else kind.__name__
            raise NotImplementedError(
                f"history of {name} for {symbol}: custom data is asked for by its class, "
                "history(Class, symbol, ...)"
            )


def _in_order(found: list[list[BaseData]]) -> list[BaseData]:
    """Points of one symbol by time; of several at one time the last, as slices hold one."""
    if len(found) == 1:
        return found[0]
    by_time = {point.end_time: point for points in found for point in points}
    return [by_time[end] for end in sorted(by_time)]
