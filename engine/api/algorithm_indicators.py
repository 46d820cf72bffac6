"""The indicators part of QCAlgorithm: registering, warming up and the history of indicators.

The helpers that make indicators are in `indicator_helpers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from engine import indicators as lib
from engine.api.candlestick_patterns import CandlestickPatterns
from engine.api.indicator_helpers import IndicatorHelpersMixin
from engine.common.clock import from_utc, to_utc
from engine.common.decimals import smart_rounding, text, to_decimal, to_double
from engine.common.enumerables import MemoizingEnumerable, NetList
from engine.common.enums import LeanEnum, Resolution
from engine.common.lean_names import is_lean_member
from engine.common.naming import LeanObject, has_own, snake_case
from engine.common.net_exceptions import ArgumentException, KeyNotFoundException
from engine.feed.consolidators import listen
from engine.feed.history_requests import default_resolution, start_of_bars
from engine.indicators.base import data_point
from engine.market.data import RESOLUTION_SPAN, BaseData, QuoteBar, TradeBar
from engine.market.slices import Slice
from engine.market.symbols import Symbol

_SUFFIX = {
    Resolution.TICK: "tick",
    Resolution.SECOND: "sec",
    Resolution.MINUTE: "min",
    Resolution.HOUR: "hr",
    Resolution.DAILY: "day",
}
# What a history of an indicator does not list beside its value.
_NOT_LISTED = {
    "consolidators", "current", "previous", "name", "samples", "is_ready", "window",
    "warm_up_period", "period", "high_pivot", "low_pivot",
}  # fmt: skip


class IndicatorDataPoints(BaseData):
    """Values of an indicator and of its parts at one time: ``current``, ``upper_band``, ...

    Names are found in any case, with or without underscores, and by index too. Its symbol is the
    empty one, as LEAN never sets it.
    """

    def __init__(self, time: datetime, end_time: datetime, points: dict[str, Any]) -> None:
        super().__init__(time=time, end_time=end_time, value=points["current"].value_exact)
        self._points = points

    @property
    def current(self) -> lib.IndicatorDataPoint:
        """The indicator's own value."""
        point: lib.IndicatorDataPoint = self._points["current"]
        return point

    def get_property(self, name: str) -> Any:
        """A part's value, or one of the point's own: time, end time, value, symbol, price.

        Raises:
            KeyNotFoundException: if there is no such part.
        """
        key = name.lower()
        if key in ("time", "endtime", "value", "symbol", "price"):
            return getattr(self, "end_time" if key == "endtime" else key)
        for known, point in self._points.items():
            if key in (known, known.replace("_", "")):
                return point
        parts = ", ".join(known.replace("_", "") for known in self._points)
        raise KeyNotFoundException(
            f"Property with name '{key}' does not exist. Properties: Time, Symbol, Value {parts}"
        )

    def __getitem__(self, name: str) -> Any:
        point = self.get_property(name)
        return point if isinstance(point, lib.IndicatorDataPoint) else None

    def __getattr__(self, name: str) -> Any:
        points = self.__dict__.get("_points", {})
        if name in points:
            return points[name]
        return super().__getattr__(name)  # type: ignore[misc]  # hidden from type checkers

    def _implicit_decimal(self) -> Decimal:
        return self.value_exact

    def __str__(self) -> str:
        values = {name.replace("_", ""): point for name, point in self._points.items()}
        listed = ", ".join(
            f"{name}: {text(smart_rounding(values[name].value_exact))}" for name in sorted(values)
        )
        return f"{self.end_time:%m/%d/%Y %H:%M:%S} {listed}"


class IndicatorHistory(LeanObject):
    """Past values of an indicator, of its parts by name, and as a frame."""

    def __init__(
        self,
        indicators_data_points_by_time: list[IndicatorDataPoints],
        indicators_data_point_per_property: dict[str, NetList[Any]],
        dataframe: Callable[[], pd.DataFrame],
    ) -> None:
        self._rows = indicators_data_points_by_time
        self._columns = indicators_data_point_per_property
        self._make_frame = dataframe

    @property
    def current(self) -> NetList[lib.IndicatorDataPoint]:
        """The indicator's own values."""
        return self._columns["current"]

    @property
    def count(self) -> int:
        """Number of times."""
        return len(self._rows)

    @property
    def data_frame(self) -> pd.DataFrame:
        """Values by time, one column for the indicator and for each of its parts."""
        return self._make_frame()

    def __getitem__(self, key: int | str) -> Any:
        return self._columns.get(snake_case(key)) if isinstance(key, str) else self._rows[key]

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_columns", {})
        if name in columns:
            return columns[name]
        return super().__getattr__(name)  # type: ignore[misc]  # hidden from type checkers

    def __str__(self) -> str:
        return "".join(f"{row}\n" for row in self._rows)

    def __iter__(self) -> Iterator[IndicatorDataPoints]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class IndicatorsMixin(IndicatorHelpersMixin):
    """Indicators of an algorithm."""

    @property
    def candlestick_patterns(self: Any) -> CandlestickPatterns:
        """Candlestick patterns that are updated from a symbol's bars."""
        return CandlestickPatterns(self)

    @property
    def enable_automatic_indicator_warm_up(self: Any) -> bool:
        """LEAN's older name of `settings.automatic_indicator_warm_up`."""
        return bool(self.settings.automatic_indicator_warm_up)

    @enable_automatic_indicator_warm_up.setter
    def enable_automatic_indicator_warm_up(self: Any, is_enabled: bool) -> None:
        self.settings.automatic_indicator_warm_up = is_enabled

    def create_indicator_name(self: Any, symbol: Any, type: str, resolution: Any) -> str:
        """Name such as `EMA(15,SPY_day)`."""
        key = getattr(symbol, "symbol", symbol)
        parts = [] if key is None or key == Symbol.EMPTY else [str(key)]
        if resolution is None and parts:
            resolution = self._qc_config(symbol).resolution
        parts.append(_SUFFIX[resolution] if isinstance(resolution, Resolution) else "")
        return f"{type}({'_'.join(parts)})".replace(")(", ",")

    def register_indicator(
        self: Any,
        symbol: Any,
        indicator: Any,
        resolution: Any = None,
        selector: Any = None,
        consolidator: Any = None,
    ) -> None:
        """Update an indicator from a symbol's data.

        Args:
            symbol: whose data.
            indicator: the indicator, or any object with `update`.
            resolution: a Resolution, a timedelta, a consolidator, or None for the data as it is.
            selector: gives the value from a bar; the bar's value by default.
            consolidator: what makes the bars, instead of a resolution.
        """
        indicator = lib.as_indicator(indicator)
        chosen = resolution if consolidator is None else consolidator
        if chosen is None or isinstance(chosen, Resolution | timedelta):
            kind = TradeBar if isinstance(indicator, lib.TradeBarIndicator) else None
            chosen = self.resolve_consolidator(symbol, chosen, kind)
        indicator.consolidators.add(chosen)
        self.subscription_manager.add_consolidator(symbol, chosen)
        listen(chosen, self._qc_feeder(indicator, selector))

    @staticmethod
    def _qc_feeder(indicator: Any, selector: Any) -> Callable[[Any, Any], None]:
        takes_bars = getattr(indicator, "takes_bars", False) or isinstance(
            indicator, lib.PythonIndicator | lib.PythonIndicatorAdapter
        )

        def feed_value(_: Any, bar: Any) -> None:
            indicator.update(data_point(bar.symbol, bar.end_time, bar.value_exact))

        def feed(_: Any, bar: Any) -> None:
            if takes_bars:
                indicator.update(bar if selector is None else selector(bar))
                return
            indicator.update(data_point(bar.symbol, bar.end_time, to_decimal(selector(bar))))

        if takes_bars or selector is not None:
            return feed
        own = getattr(type(indicator), "update", None) is lib.IndicatorBase.update
        return indicator._feed_bar if own else feed_value

    def deregister_indicator(self: Any, indicator: Any) -> None:
        """Stop updating an indicator."""
        for consolidator in list(indicator.consolidators):
            self.subscription_manager.remove_consolidator(None, consolidator)
        indicator.consolidators.clear()

    unregister_indicator = deregister_indicator

    # Past bars ------------------------------------------------------------------------------

    def warm_up_indicator(
        self: Any,
        symbol: Any = None,
        indicator: Any = None,
        resolution: Any = None,
        selector: Any = None,
        symbols: Any = None,
        period: timedelta | None = None,
    ) -> None:
        """Feed an indicator the history it needs to be ready.

        With a resolution the indicator is reset first; with a length the bars are made of finer
        ones, and the indicator goes on from where it is.

        Args:
            symbol: whose bars; several for an indicator of several.
            indicator: the indicator, or any object with `update` and `warm_up_period`.
            resolution: of the bars, or their length as a timedelta; the subscription's by default.
            selector: gives the value from a bar.
            symbols: another name of `symbol`.
            period: another name of a length of bars.
        """
        indicator = lib.as_indicator(indicator)
        periods = int(getattr(indicator, "warm_up_period", 0))
        if not periods:
            return
        keys = _listed(symbol if symbols is None else symbols)
        length = resolution if period is None else period
        feed = self._qc_feeder(indicator, selector)
        if isinstance(length, timedelta):
            self._qc_warm_up_with(keys, length, periods, feed)
            return
        indicator.reset()
        for _, bar in self._qc_bars_of(
            keys, lambda key: self.history[self._qc_data_of(key, selector)](key, periods, length)
        ):
            feed(None, bar)

    def _qc_warm_up_with(
        self: Any, keys: list[Any], length: timedelta, periods: int, feed: Callable[[Any, Any], Any]
    ) -> None:
        """Feed with bars of a length, the last of them as far as it has ended by now.

        As in LEAN they are made of trades, whatever the selector.
        """
        finer = (Resolution.DAILY, Resolution.HOUR, Resolution.MINUTE)
        base = next((r for r in finer if RESOLUTION_SPAN[r] <= length), Resolution.SECOND)
        needed = periods * int(length / RESOLUTION_SPAN[base])
        consolidators = {}
        for key in keys:
            name = getattr(key, "symbol", key)
            security = self.securities.find(name)
            if security is not None and security.subscriptions:
                made = self._qc_consolidator(name, length, None)
            else:
                exact = length == RESOLUTION_SPAN[base]
                made = self.create_consolidator(timedelta(0) if exact else length)
            listen(made, feed)
            consolidators[name] = made
        for key, bar in self._qc_bars_of(
            keys, lambda key: self.history[self._qc_data_of(key)](key, needed, base)
        ):
            consolidators[key].update(bar)
        for key, made in consolidators.items():
            made.scan(self.qc_hours_of(key).from_utc(self.utc_time_naive))

    def _qc_bars_of(
        self: Any, symbols: list[Any], ask: Callable[[Any], Iterable[BaseData]]
    ) -> list[tuple[Any, BaseData]]:
        """Bars of symbols, each with its symbol, in the order of their times."""
        keys = [getattr(symbol, "symbol", symbol) for symbol in symbols]
        bars = [(key, bar) for key in keys for bar in ask(key)]
        return sorted(bars, key=lambda item: item[1].end_time)

    def indicator_history(
        self: Any,
        indicator: Any,
        symbol: Any = None,
        *rest: Any,
        symbols: Any = None,
        period: Any = None,
        span: timedelta | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        history: Iterable[Slice] | None = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> IndicatorHistory:
        """Past values of an indicator, which is reset first.

        LEAN's calls: `(indicator, symbol or symbols, period or span, resolution, selector)`,
        `(indicator, symbol or symbols, start, end, resolution, selector)` and `(indicator,
        history, selector)` with slices.

        Args:
            indicator: the indicator; its last state is that of the last bar.
            symbol: whose bars, or several symbols, or slices.
            rest: the other arguments of one of LEAN's calls.
            symbols: another name of `symbol`.
            period: number of values.
            span: a time back from now.
            start: first time of the values.
            end: last time; now by default.
            history: slices to take the bars from.
            resolution: of the bars; the subscription's by default.
            selector: gives the value from a bar.

        Raises:
            ArgumentException: if neither a period, nor a span, nor a start is given.
        """
        indicator = lib.as_indicator(indicator)
        target = symbol if symbols is None else symbols
        given = iter(rest)
        if history is None and _is_slices(target):
            history = target
        if history is not None:
            selector = next(given, selector)
            points = _points_of(history, indicator, selector)
            return _history_of(indicator, points, self._qc_feeder(indicator, selector))
        if start is not None or (rest and isinstance(rest[0], date)):
            start = next(given, None) if start is None else start
            end = next(given, None) if end is None else end
        elif period is None and span is None:
            period = next(given, None)
        resolution, selector = next(given, resolution), next(given, selector)
        if isinstance(period, timedelta):
            span = period
        ask = self._qc_asker(indicator, selector, period, span, start, end, resolution)
        bars = [bar for _, bar in self._qc_bars_of(_listed(target), ask)]
        return _history_of(indicator, bars, self._qc_feeder(indicator, selector))

    def _qc_asker(
        self: Any,
        indicator: Any,
        selector: Any,
        period: Any,
        span: timedelta | None,
        start: datetime | None,
        end: datetime | None,
        resolution: Any,
    ) -> Callable[[Any], Iterable[BaseData]]:
        """What gives the bars of a symbol, with those that the indicator needs before."""
        needed = int(getattr(indicator, "warm_up_period", 0))
        before = max(needed - 1, 0)
        if start is None and span is None:
            if not isinstance(period, int):
                raise ArgumentException(
                    f"indicator_history takes a number, a timedelta or a start; received {period!r}"
                )
            # Of no values LEAN still asks for what makes the indicator ready.
            count = period + before if period > 0 else needed
            return lambda key: self.history[self._qc_data_of(key, selector)](key, count, resolution)
        first: Any = self.time - span if span is not None else start
        last = self.time if end is None else end

        def ask(key: Any) -> Iterable[BaseData]:
            begin = first
            if before:
                configs = self._qc_configs_of(self._qc_history_symbol(key))
                hours = self.qc_hours_of(key)
                local = hours.from_utc(to_utc(first, self.time_zone))
                wanted = default_resolution(configs, resolution, self.universe_settings)
                extended = any(config.extended_hours for config in configs)
                earliest = start_of_bars(hours, local, wanted, before, extended)
                begin = min(first, from_utc(hours.to_utc(earliest), self.time_zone))
            return self.history[self._qc_data_of(key, selector)](key, begin, last, resolution)

        return ask

    def _qc_data_of(self: Any, key: Any, selector: Any = None) -> type[BaseData]:
        """What feeds an indicator of a symbol: trades, quotes if the selector reads them.

        Of custom data their own points.
        """
        security = self.securities.find(getattr(key, "symbol", key))
        configs = security.subscriptions if security is not None else []
        own: type[BaseData] | None = configs[0].custom_kind if configs else None
        if own is not None:
            return own
        return QuoteBar if lib.needs_quotes(selector) else TradeBar


def _listed(symbols: Any) -> list[Any]:
    several = isinstance(symbols, Iterable) and not isinstance(symbols, str)
    return list(symbols) if several else [symbols]


def _is_slices(thing: Any) -> bool:
    if not isinstance(thing, list | MemoizingEnumerable):
        return False
    return isinstance(next(iter(thing), None), Slice)


def _points_of(slices: Iterable[Slice], indicator: Any, selector: Any) -> Iterator[BaseData]:
    """What slices hold for an indicator: each symbol's point, or the bars that are needed."""
    needs_trades = selector is lib.Field.VOLUME or isinstance(indicator, lib.TradeBarIndicator)
    for data in slices:
        if lib.needs_quotes(selector):
            yield from data.quote_bars.values()
        elif needs_trades:
            yield from data.bars.values()
        else:
            yield from data.values()


def _parts_of(indicator: Any) -> list[str]:
    """Names of what LEAN's class has as properties: indicators and settings."""
    names = {name for cls in type(indicator).__mro__ for name in vars(cls)}
    names = {name for name in names if has_own(type(indicator), name)} | set(vars(indicator))
    listed = []
    for name in sorted(names - _NOT_LISTED):
        if name.startswith("_") or not name.islower():
            continue
        known = any(is_lean_member(cls.__name__, name) for cls in type(indicator).__mro__)
        value = getattr(indicator, name, None) if known else None
        if value is not None and (isinstance(value, lib.IndicatorBase) or not callable(value)):
            listed.append(name)
    return listed


def _frame(rows: list[IndicatorDataPoints], columns: dict[str, NetList[Any]]) -> pd.DataFrame:
    """Values by time; settings of the indicator as objects."""
    series = {}
    for name, values in columns.items():
        if values and not isinstance(values[0], lib.IndicatorDataPoint):
            texts = [value.net_name if isinstance(value, LeanEnum) else value for value in values]
            column = pd.Series(texts, [row.end_time for row in rows], dtype=object)
        else:
            known = [point for point in values if point.end_time != datetime.min]
            numbers = [to_double(point.value_exact) for point in known]
            column = pd.Series(numbers, [point.end_time for point in known], dtype=float)
            column = column[~column.index.duplicated(keep="last")]
        series[name.replace("_", "")] = column
    return pd.DataFrame(series, columns=sorted(series))


def _history_of(
    indicator: Any, bars: Iterable[BaseData], feed: Callable[[Any, Any], None]
) -> IndicatorHistory:
    """Values at each time at which a ready indicator got another one."""
    indicator.reset()
    names = [name for name in _parts_of(indicator) if name != "updated"]
    rows: list[IndicatorDataPoints] = []
    columns: dict[str, NetList[Any]] = {name: NetList() for name in (*names, "current")}
    pending: lib.IndicatorDataPoint | None = None

    def take(point: lib.IndicatorDataPoint) -> None:
        if rows and rows[-1].end_time == point.end_time:
            return
        points: dict[str, Any] = {}
        for name in names:
            part = getattr(indicator, name)
            value = part.current if isinstance(part, lib.IndicatorBase) else part
            columns[name].append(value)
            if isinstance(part, lib.IndicatorBase):
                points[name] = value
        points["current"] = indicator.current
        columns["current"].append(indicator.current)
        rows.append(IndicatorDataPoints(point.time, point.end_time, points))

    def on_value(_: Any, point: lib.IndicatorDataPoint) -> None:
        nonlocal pending
        if indicator.is_ready:
            if pending is None or pending.time != point.time:
                take(point)
            pending = point

    indicator.updated += on_value
    try:
        for bar in bars:
            feed(None, bar)
    finally:
        indicator.updated -= on_value
    if pending is not None:
        take(pending)
    return IndicatorHistory(rows, columns, lambda: _frame(rows, columns))
