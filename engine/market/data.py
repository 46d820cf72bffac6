"""Market data points and the slice of them that an algorithm receives at one time.

Times are naive and in the exchange's time zone unless the name says utc. A bar's `time` is its
start and `end_time` the moment it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from engine.common.decimals import ZERO, ExactNumber, to_decimal
from engine.common.enums import DelistingType, MarketDataType, Resolution, SplitType, TickType
from engine.common.naming import LeanObject
from engine.market.symbols import Symbol, SymbolCache

T = TypeVar("T")


class BaseData(LeanObject):
    """A data point: something known about a symbol from `end_time` on."""

    data_type = MarketDataType.BASE
    is_fill_forward = False
    value = ExactNumber()
    price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol | None = None,
        time: datetime | None = None,
        value: Any = ZERO,
        end_time: datetime | None = None,
    ) -> None:
        self.symbol = symbol if symbol is not None else Symbol.EMPTY
        self.time = time if time is not None else datetime.min
        self._end_time = end_time
        self.value_exact = to_decimal(value)

    @property
    def end_time(self) -> datetime:
        """When the point became known; its time unless set."""
        return self.time if self._end_time is None else self._end_time

    @end_time.setter
    def end_time(self, end_time: datetime) -> None:
        self._end_time = end_time

    @property
    def price_exact(self) -> Decimal:
        """Alias of the value."""
        return self.value_exact

    @price_exact.setter
    def price_exact(self, price: Decimal) -> None:
        self.value_exact = price

    def clone(self, fill_forward: bool | None = None) -> Any:
        """Copy the point; it stays filled forward or not unless said."""
        point = copy(self)
        if fill_forward is not None:
            point.is_fill_forward = fill_forward
        return point

    def __str__(self) -> str:
        return f"{self.symbol}: {self.value}"


class TradeBar(BaseData):
    """Open, high, low, close and volume of trades over a period."""

    data_type = MarketDataType.TRADE_BAR
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()
    volume = ExactNumber()

    def __init__(
        self,
        time: datetime | None = None,
        symbol: Symbol | None = None,
        open: Any = ZERO,  # LEAN's argument names
        high: Any = ZERO,
        low: Any = ZERO,
        close: Any = ZERO,
        volume: Any = ZERO,
        period: timedelta | None = None,
    ) -> None:
        self.time = time if time is not None else datetime.min
        self.symbol = symbol if symbol is not None else Symbol.EMPTY
        self.open_exact = to_decimal(open)
        self.high_exact = to_decimal(high)
        self.low_exact = to_decimal(low)
        self.value_exact = to_decimal(close)
        self.volume_exact = to_decimal(volume)
        self._end_time = self.time + (period if period is not None else timedelta(minutes=1))

    @property
    def close_exact(self) -> Decimal:
        """Close; also the bar's value."""
        return self.value_exact

    @close_exact.setter
    def close_exact(self, close: Decimal) -> None:
        self.value_exact = close

    @property
    def period(self) -> timedelta:
        """Length of the bar."""
        return self.end_time - self.time

    @period.setter
    def period(self, period: timedelta) -> None:
        self._end_time = self.time + period

    def update(self, last_trade: Any, *_: Any) -> None:
        """Take another trade into the bar: close, extremes, and volume if given as third number."""
        price = to_decimal(last_trade)
        if not self.open_exact:
            self.open_exact = self.high_exact = self.low_exact = price
        self.high_exact = max(self.high_exact, price)
        self.low_exact = min(self.low_exact, price)
        self.value_exact = price
        if len(_) >= 3:
            self.volume_exact += to_decimal(_[2])

    def clone(self, fill_forward: bool | None = None) -> TradeBar:
        """Copy the bar."""
        copy = TradeBar(
            self.time, self.symbol, self.open_exact, self.high_exact, self.low_exact,
            self.value_exact, self.volume_exact, self.period,
        )  # fmt: skip
        copy.is_fill_forward = self.is_fill_forward if fill_forward is None else fill_forward
        return copy

    def __str__(self) -> str:
        return (
            f"{self.symbol}: O: {self.open:g} H: {self.high:g} L: {self.low:g} "
            f"C: {self.close:g} V: {self.volume:g}"
        )


class Bar(LeanObject):
    """Open, high, low and close of one side of a quote bar."""

    __slots__ = ("close_exact", "high_exact", "low_exact", "open_exact")
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()

    def __init__(
        self, open: Any = ZERO, high: Any = ZERO, low: Any = ZERO, close: Any = ZERO
    ) -> None:
        self.open_exact = to_decimal(open)
        self.high_exact = to_decimal(high)
        self.low_exact = to_decimal(low)
        self.close_exact = to_decimal(close)

    def clone(self) -> Bar:
        """Copy the bar."""
        return Bar(self.open_exact, self.high_exact, self.low_exact, self.close_exact)


def _middle(bid: Bar | None, ask: Bar | None, field: str) -> Decimal:
    """Middle of both sides, or the side that has a price."""
    low = getattr(bid, field) if bid is not None else ZERO
    high = getattr(ask, field) if ask is not None else ZERO
    if low and high:
        return (low + high) / 2
    return low or high


class QuoteBar(BaseData):
    """Bid and ask bars over a period; its own prices are the middle."""

    data_type = MarketDataType.QUOTE_BAR
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()
    last_bid_size = ExactNumber()
    last_ask_size = ExactNumber()

    def __init__(
        self,
        time: datetime | None = None,
        symbol: Symbol | None = None,
        bid: Bar | None = None,
        last_bid_size: Any = ZERO,
        ask: Bar | None = None,
        last_ask_size: Any = ZERO,
        period: timedelta | None = None,
    ) -> None:
        self.time = time if time is not None else datetime.min
        self.symbol = symbol if symbol is not None else Symbol.EMPTY
        self.bid = bid
        self.ask = ask
        self.last_bid_size_exact = to_decimal(last_bid_size)
        self.last_ask_size_exact = to_decimal(last_ask_size)
        self._end_time = self.time + (period if period is not None else timedelta(minutes=1))

    open_exact = property(lambda self: _middle(self.bid, self.ask, "open_exact"))
    high_exact = property(lambda self: _middle(self.bid, self.ask, "high_exact"))
    low_exact = property(lambda self: _middle(self.bid, self.ask, "low_exact"))
    close_exact = property(lambda self: _middle(self.bid, self.ask, "close_exact"))

    @property
    def value_exact(self) -> Decimal:  # type: ignore[override]
        """Middle of the closes."""
        return self.close_exact

    @property
    def period(self) -> timedelta:
        """Length of the bar."""
        return self.end_time - self.time

    def clone(self, fill_forward: bool | None = None) -> QuoteBar:
        """Copy the bar."""
        copy = QuoteBar(
            self.time,
            self.symbol,
            self.bid.clone() if self.bid is not None else None,
            self.last_bid_size_exact,
            self.ask.clone() if self.ask is not None else None,
            self.last_ask_size_exact,
            self.period,
        )
        copy.is_fill_forward = self.is_fill_forward if fill_forward is None else fill_forward
        return copy

    def collapse(self) -> TradeBar:
        """The middle prices as a trade bar without volume."""
        return TradeBar(
            self.time, self.symbol, self.open_exact, self.high_exact, self.low_exact,
            self.close_exact, ZERO, self.period,
        )  # fmt: skip


class Dividend(BaseData):
    """Cash per share, paid to holders at the start of the ex-date."""

    data_type = MarketDataType.AUXILIARY
    distribution = ExactNumber()
    reference_price = ExactNumber()

    def __init__(
        self, symbol: Symbol, time: datetime, distribution: Any, reference_price: Any
    ) -> None:
        super().__init__(symbol, time, distribution)
        self.reference_price_exact = to_decimal(reference_price)

    @property
    def distribution_exact(self) -> Decimal:
        """Alias of the value."""
        return self.value_exact

    @distribution_exact.setter
    def distribution_exact(self, value: Decimal) -> None:
        self.value_exact = value


class Split(BaseData):
    """A split; `split_factor` is old shares per new share (0.5 for two-for-one)."""

    data_type = MarketDataType.AUXILIARY
    split_factor = ExactNumber()
    reference_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        time: datetime,
        price: Any,
        split_factor: Any,
        split_type: SplitType = SplitType.SPLIT_OCCURRED,
    ) -> None:
        super().__init__(symbol, time, price)
        self.reference_price_exact = to_decimal(price)
        self.split_factor_exact = to_decimal(split_factor)
        self.type = split_type


class Delisting(BaseData):
    """Warning on the last trading day, then the delisting on the day after."""

    data_type = MarketDataType.AUXILIARY

    def __init__(
        self, symbol: Symbol, time: datetime, price: Any, delisting_type: DelistingType
    ) -> None:
        super().__init__(symbol, time, price)
        self.type = delisting_type
        self.ticket: Any = None


class SymbolChangedEvent(BaseData):
    """The security trades under a new ticker from now on."""

    data_type = MarketDataType.AUXILIARY

    def __init__(self, symbol: Symbol, time: datetime, old_symbol: str, new_symbol: str) -> None:
        super().__init__(symbol, time)
        self.old_symbol = old_symbol
        self.new_symbol = new_symbol


class DataDictionary(LeanObject, dict[Symbol, T], Generic[T]):
    """Points by symbol; tickers work as keys too. Iterates over (key, value) pairs as in LEAN."""

    def _key(self, key: Any) -> Any:
        if isinstance(key, Symbol):
            return key
        symbol = SymbolCache.try_get_symbol(str(getattr(key, "symbol", key)))
        return key if symbol is None else symbol

    def __getitem__(self, key: Any) -> T:
        key = self._key(key)
        if not super().__contains__(key):
            raise KeyError(
                f"'{key}' wasn't found in the {type(self).__name__} object, likely because there "
                "was no data for it at this moment in time"
            )
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._key(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """The point of a symbol, or the default."""
        return super().get(self._key(key), default)

    def __iter__(self) -> Iterator[Any]:
        return iter([KeyValuePair(key, value) for key, value in self.items()])

    def contains_key(self, key: Any) -> bool:
        """True if there is a point for the symbol."""
        return key in self

    def get_value(self, key: Any) -> T | None:
        """The point of a symbol, or None."""
        return self.get(key)

    def try_get_value(self, key: Any) -> tuple[bool, T | None]:
        """Whether there is a point, and the point."""
        return key in self, self.get(key)

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self)


class TradeBars(DataDictionary[TradeBar]):
    """Trade bars by symbol."""


class QuoteBars(DataDictionary[QuoteBar]):
    """Quote bars by symbol."""


class Dividends(DataDictionary[Dividend]):
    """Dividends by symbol."""


class Splits(DataDictionary[Split]):
    """Splits by symbol."""


class Delistings(DataDictionary[Delisting]):
    """Delistings by symbol."""


class SymbolChangedEvents(DataDictionary[SymbolChangedEvent]):
    """Ticker changes by symbol."""


class Slice(LeanObject):
    """Everything an algorithm learns at one moment.

    Indexing by symbol gives the trade bar where there is one, else the quote bar.

    Attributes:
        time: the moment, in the algorithm's time zone; the end of the bars in it.
        utc_time: the same in UTC.
        bars, quote_bars, dividends, splits, delistings, symbol_changed_events: by symbol.
        ticks: always empty; the engine serves none.
    """

    def __init__(self, time: datetime, utc_time: datetime | None = None) -> None:
        self.time = time
        self.utc_time = utc_time if utc_time is not None else time
        self.bars = TradeBars()
        self.quote_bars = QuoteBars()
        self.dividends = Dividends()
        self.splits = Splits()
        self.delistings = Delistings()
        self.symbol_changed_events = SymbolChangedEvents()
        self.ticks: DataDictionary[BaseData] = DataDictionary()
        self.custom: dict[type, DataDictionary[BaseData]] = {}
        self.all_data: list[BaseData] = []

    def add(self, point: BaseData) -> None:
        """File a point under its kind."""
        self.all_data.append(point)
        if isinstance(point, TradeBar):
            self.bars[point.symbol] = point
        elif isinstance(point, QuoteBar):
            self.quote_bars[point.symbol] = point
        elif isinstance(point, Dividend):
            self.dividends[point.symbol] = point
        elif isinstance(point, Split):
            self.splits[point.symbol] = point
        elif isinstance(point, Delisting):
            self.delistings[point.symbol] = point
        elif isinstance(point, SymbolChangedEvent):
            self.symbol_changed_events[point.symbol] = point
        else:
            self.custom.setdefault(type(point), DataDictionary())[point.symbol] = point

    @property
    def has_data(self) -> bool:
        """True if the slice holds any point."""
        return bool(self.all_data)

    def _points(self) -> dict[Symbol, Any]:
        """Prices by symbol; None for a symbol of which there are only events."""
        points: dict[Symbol, Any] = {}
        for point in self.all_data:
            if point.data_type == MarketDataType.AUXILIARY:
                points.setdefault(point.symbol, None)
            elif not isinstance(point, QuoteBar) or points.get(point.symbol) is None:
                points[point.symbol] = point
        return points

    def contains_key(self, key: Any) -> bool:
        """True if the slice holds a price of the symbol."""
        return key in self

    def __contains__(self, key: Any) -> bool:
        return DataDictionary._key(self.bars, key) in self._points()

    def __getitem__(self, key: Any) -> Any:
        points = self._points()
        symbol = DataDictionary._key(self.bars, key)
        if symbol not in points:
            raise KeyError(
                f"'{key}' wasn't found in the Slice object, likely because there was no data for "
                "it at this moment in time; check with slice.contains_key(symbol)"
            )
        return points[symbol]

    def get(self, key: Any, default: Any = None) -> Any:
        """Price point of a symbol or the default; a class gives all points of that kind."""
        if isinstance(key, type):
            return self.get_of_type(key) if default is None else self.get_of_type(key).get(default)
        return self[key] if key in self else default  # noqa: SIM401 - this is `get`

    def get_of_type(self, kind: type) -> DataDictionary[Any]:
        """Points of one class by symbol."""
        known: dict[type, DataDictionary[Any]] = {
            TradeBar: self.bars, QuoteBar: self.quote_bars, Dividend: self.dividends,
            Split: self.splits, Delisting: self.delistings,
            SymbolChangedEvent: self.symbol_changed_events,
        }  # fmt: skip
        found = known.get(kind)
        return found if found is not None else self.custom.get(kind, DataDictionary())

    def keys(self) -> list[Symbol]:
        """Symbols with a price."""
        return list(self._points())

    def values(self) -> list[BaseData]:
        """Prices, in the order of `keys`."""
        return list(self._points().values())

    def items(self) -> list[tuple[Symbol, BaseData]]:
        """Pairs of symbol and price."""
        return list(self._points().items())

    @property
    def count(self) -> int:
        """Number of symbols with a price."""
        return len(self._points())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return iter(KeyValuePair(k, v) for k, v in self._points().items())


class KeyValuePair(LeanObject):
    """What iterating a .NET dictionary yields."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value

    def __iter__(self) -> Iterator[Any]:
        return iter((self.key, self.value))


class ConsolidatorList(list[Any]):
    """Consolidators of a subscription; `count` is their number, as in LEAN."""

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of consolidators."""
        return len(self)


class SubscriptionDataConfig(LeanObject):
    """What one subscription reads.

    Attributes:
        symbol, resolution, tick_type: which file.
        fill_forward: repeat the last bar where there is none.
        extended_hours: keep bars outside regular hours.
        internal: hidden from the algorithm (the benchmark's prices).
    """

    def __init__(
        self,
        symbol: Symbol,
        resolution: Resolution,
        tick_type: TickType,
        *,
        fill_forward: bool = True,
        extended_hours: bool = False,
        internal: bool = False,
        normalization: int = 1,
    ) -> None:
        self.symbol = symbol
        self.resolution = resolution
        self.tick_type = tick_type
        self.fill_forward = fill_forward
        self.extended_hours = extended_hours
        self.internal = internal
        self.data_normalization_mode = normalization
        self.consolidators: ConsolidatorList = ConsolidatorList()

    @property
    def increment(self) -> timedelta:
        """Length of one bar."""
        return RESOLUTION_SPAN[self.resolution]

    @property
    def type(self) -> type[BaseData]:
        """Class of the points."""
        return QuoteBar if self.tick_type == TickType.QUOTE else TradeBar


RESOLUTION_SPAN = {
    Resolution.TICK: timedelta(0),
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAILY: timedelta(days=1),
}
