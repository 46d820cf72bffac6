"""Market data points, and what a subscription to them reads.

Times are naive and in the exchange's time zone unless the name says utc. A bar's `time` is its
start and `end_time` the moment it is known.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from engine.common.clock import NEW_YORK
from engine.common.decimals import (
    ZERO,
    ExactNumber,
    smart_rounding,
    text,
    to_decimal,
    to_double,
)
from engine.common.enumerables import NetList
from engine.common.enums import (
    DataMappingMode,
    DataNormalizationMode,
    DelistingType,
    MarketDataType,
    Resolution,
    SplitType,
    TickType,
)
from engine.common.naming import DirectObject
from engine.market.data_sources import TradeLines
from engine.market.symbols import Symbol

_CENT = Decimal("0.01")


class _EndTime:
    """When a point became known: its time, until an end time of its own is set beside it."""

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance.time


class BaseData(DirectObject):
    """A data point: something known about a symbol from `end_time` on."""

    end_time: datetime = _EndTime()  # type: ignore[assignment]
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
        if end_time is not None:
            self.end_time = end_time
        self.value_exact = to_decimal(value)

    @property
    def price_exact(self) -> Decimal:
        """Alias of the value."""
        return self.value_exact

    @price_exact.setter
    def price_exact(self, price: Decimal) -> None:
        self.value_exact = price

    def update_trade(self, last_trade: Any, trade_size: Any) -> None:
        """Take a trade in."""
        self.update(last_trade, 0, 0, trade_size, 0, 0)

    def update_quote(self, bid_price: Any, bid_size: Any, ask_price: Any, ask_size: Any) -> None:
        """Take a quote of both sides in."""
        self.update(0, bid_price, ask_price, 0, bid_size, ask_size)

    def update_bid(self, bid_price: Any, bid_size: Any) -> None:
        """Take a bid in."""
        self.update(0, bid_price, 0, 0, bid_size, 0)

    def update_ask(self, ask_price: Any, ask_size: Any) -> None:
        """Take an offer in."""
        self.update(0, 0, ask_price, 0, 0, ask_size)

    def update(
        self,
        last_trade: Any,
        bid_price: Any,
        ask_price: Any,
        volume: Any,
        bid_size: Any,
        ask_size: Any,
    ) -> None:
        """Take a trade or a quote in; a point of one value has the trade's price from then on."""
        self.value_exact = to_decimal(last_trade)

    def clone(self, fill_forward: bool | None = None) -> BaseData:
        """Copy the point; it stays filled forward or not unless said."""
        made = copy.copy(self)
        if fill_forward is not None:
            made.is_fill_forward = fill_forward
        return made

    def __str__(self) -> str:
        # .NET's currency format in the invariant culture.
        value = self.value_exact.quantize(_CENT, ROUND_HALF_UP)
        cash = f"¤{abs(value):,.2f}"
        return f"{self.symbol}: {f'({cash})' if value < 0 else cash}"


class _FirstPrice(ExactNumber):
    """A price of a bar; the first one that is set on an empty bar is its open, high and low."""

    def __set__(self, instance: Any, value: Any) -> None:
        price = to_decimal(value)
        if not instance.has_prices:
            instance.has_prices = True
            instance.open_exact = instance.high_exact = instance.low_exact = price
        setattr(instance, self.slot, price)


class TradeBar(TradeLines, BaseData):
    """Open, high, low, close and volume of trades over a period.

    ``TradeBar(time, symbol, open, high, low, close, volume[, period])``, ``TradeBar(bar)`` for a
    copy, or ``TradeBar()`` for an empty one of a minute.
    """

    data_type = MarketDataType.TRADE_BAR
    has_prices = True
    open = _FirstPrice()
    high = _FirstPrice()
    low = _FirstPrice()
    close = _FirstPrice()
    volume = ExactNumber()

    def __init__(
        self,
        time: datetime | TradeBar | None = None,
        symbol: Symbol | None = None,
        open: Any = ZERO,  # LEAN's argument names
        high: Any = ZERO,
        low: Any = ZERO,
        close: Any = ZERO,
        volume: Any = ZERO,
        period: timedelta | None = None,
    ) -> None:
        if isinstance(time, TradeBar):
            self.__dict__.update(time.__dict__)
            self.is_fill_forward = False
            return
        if time is None and symbol is None:
            self.has_prices = False
        self.time = time if time is not None else datetime.min
        self.symbol = symbol if symbol is not None else Symbol.EMPTY
        # Most are Decimals already, and there are very many bars.
        self.open_exact = open if type(open) is Decimal else to_decimal(open)
        self.high_exact = high if type(high) is Decimal else to_decimal(high)
        self.low_exact = low if type(low) is Decimal else to_decimal(low)
        self.value_exact = close if type(close) is Decimal else to_decimal(close)
        self.volume_exact = volume if type(volume) is Decimal else to_decimal(volume)
        self.end_time = self.time + (period if period is not None else timedelta(minutes=1))

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
        self.end_time = self.time + period

    def update(
        self,
        last_trade: Any,
        bid_price: Any = ZERO,
        ask_price: Any = ZERO,
        volume: Any = ZERO,
        bid_size: Any = ZERO,
        ask_size: Any = ZERO,
    ) -> None:
        """Take another trade into the bar: close, extremes and volume."""
        price = to_decimal(last_trade)
        if not self.has_prices:
            self.has_prices = True
            self.open_exact = self.high_exact = self.low_exact = price
        self.high_exact = max(self.high_exact, price)
        self.low_exact = min(self.low_exact, price)
        self.volume_exact += to_decimal(volume)
        self.value_exact = price

    def clone(self, fill_forward: bool | None = None) -> TradeBar:
        """Copy the bar; a copy that fills a gap has no volume."""
        copy = TradeBar(
            self.time, self.symbol, self.open_exact, self.high_exact, self.low_exact,
            self.value_exact, ZERO if fill_forward else self.volume_exact, self.period,
        )  # fmt: skip
        copy.is_fill_forward = self.is_fill_forward if fill_forward is None else fill_forward
        return copy

    def __str__(self) -> str:
        return f"{self.symbol}: {_prices_text(self)} V: {_rounded(self.volume_exact)}"


def trade_bar(
    time: datetime,
    end_time: datetime,
    symbol: Symbol,
    prices: tuple[Decimal, Decimal, Decimal, Decimal],
    volume: Decimal,
    _new: Callable[[Any], Any] = object.__new__,
) -> TradeBar:
    """A bar of what is known to be sound, without the constructor's checks; there are very many.

    Args:
        time: start of the bar.
        end_time: its end.
        symbol: its symbol.
        prices: open, high, low and close.
        volume: its volume.
    """
    bar: TradeBar = _new(TradeBar)
    bar.time = time
    bar.symbol = symbol
    bar.open_exact, bar.high_exact, bar.low_exact, bar.value_exact = prices
    bar.volume_exact = volume
    bar.end_time = end_time
    return bar


def _rounded(number: Decimal) -> str:
    return text(smart_rounding(number))


def _prices_text(bar: Any, side: str = "") -> str:
    """Prices as LEAN writes them."""
    prices = (bar.open_exact, bar.high_exact, bar.low_exact, bar.close_exact)
    return " ".join(
        f"{side}{name}: {_rounded(price)}" for name, price in zip("OHLC", prices, strict=True)
    )


class Bar(DirectObject):
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

    def update(self, value: Any) -> None:
        """Take another price into the bar; 0 is none."""
        price = to_decimal(value)
        if not price:
            return
        if not self.open_exact:
            self.open_exact = self.high_exact = self.low_exact = price
        self.high_exact = max(self.high_exact, price)
        self.low_exact = min(self.low_exact, price)
        self.close_exact = price

    def __str__(self) -> str:
        return _prices_text(self)


def _middle(bid: Bar | None, ask: Bar | None, field: str) -> Decimal:
    """Middle of both sides, or the side that has a price."""
    low = getattr(bid, field) if bid is not None else ZERO
    high = getattr(ask, field) if ask is not None else ZERO
    if low and high:
        return (low + high) / 2
    return low or high


class QuoteBar(BaseData):
    """Bid and ask bars over a period; its own prices are the middle."""

    _value: Decimal | None = None

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
        self.end_time = self.time + (period if period is not None else timedelta(minutes=1))

    open_exact = property(lambda self: _middle(self.bid, self.ask, "open_exact"))
    high_exact = property(lambda self: _middle(self.bid, self.ask, "high_exact"))
    low_exact = property(lambda self: _middle(self.bid, self.ask, "low_exact"))
    close_exact = property(lambda self: _middle(self.bid, self.ask, "close_exact"))

    @property
    def value_exact(self) -> Decimal:
        """Middle of the closes, or what was set: of an update the trade, else the offer or bid."""
        return self.close_exact if self._value is None else self._value

    @value_exact.setter
    def value_exact(self, value: Decimal) -> None:
        self._value = value

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
        copy._value = self._value
        copy.is_fill_forward = self.is_fill_forward if fill_forward is None else fill_forward
        return copy

    def update(
        self,
        last_trade: Any,
        bid_price: Any = ZERO,
        ask_price: Any = ZERO,
        volume: Any = ZERO,
        bid_size: Any = ZERO,
        ask_size: Any = ZERO,
    ) -> None:
        """Take another quote into the bar; zeros change nothing."""
        for name, price in (("bid", to_decimal(bid_price)), ("ask", to_decimal(ask_price))):
            side = getattr(self, name)
            if side is not None:
                side.update(price)
            elif price:
                setattr(self, name, Bar(price, price, price, price))
        if to_decimal(bid_size) > 0:
            self.last_bid_size = bid_size
        if to_decimal(ask_size) > 0:
            self.last_ask_size = ask_size
        told = (to_decimal(price) for price in (last_trade, ask_price, bid_price))
        self._value = next((price for price in told if price), self._value)

    def __str__(self) -> str:
        sides = (("Bid: ", self.bid), ("Ask: ", self.ask))
        parts = [
            " ".join(f"{name}{letter}: " for letter in "OHLC")
            if side is None
            else _prices_text(side, name)
            for name, side in sides
        ]
        return f"{self.symbol}: {parts[0]} {parts[1]} "

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
        self, symbol: Symbol, date: datetime, distribution: Any, reference_price: Any
    ) -> None:
        super().__init__(symbol, date, distribution)
        self.reference_price_exact = to_decimal(reference_price)

    def __str__(self) -> str:
        cash, price = text(self.value_exact), text(self.reference_price_exact)
        return f"Dividend: {self.symbol}: {cash} | {price}"

    @staticmethod
    def create(
        symbol: Symbol,
        date: datetime,
        reference_price: Any,
        price_factor_ratio: Any,
        decimal_places: int = 2,
    ) -> Dividend:
        """A dividend from the price before it and the ratio of the price factors around it."""
        paid = Dividend.compute_distribution(reference_price, price_factor_ratio, decimal_places)
        return Dividend(symbol, date, paid, reference_price)

    @staticmethod
    def compute_distribution(close: Any, price_factor_ratio: Any, decimal_places: int = 2) -> float:
        """Cash per share that a ratio of price factors means, halves to even."""
        price = to_decimal(close)
        return to_double(round(price * (1 - to_decimal(price_factor_ratio)), decimal_places))

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
        date: datetime,
        price: Any,
        split_factor: Any,
        type: SplitType = SplitType.SPLIT_OCCURRED,
    ) -> None:
        super().__init__(symbol, date, price)
        self.split_factor_exact = to_decimal(split_factor)
        self.type = type

    @property
    def reference_price_exact(self) -> Decimal:
        """Alias of the value."""
        return self.value_exact

    @reference_price_exact.setter
    def reference_price_exact(self, price: Decimal) -> None:
        self.value_exact = price

    def __str__(self) -> str:
        name = "Split Warning" if self.type == SplitType.WARNING else "Split"
        factor, price = text(self.split_factor_exact), text(self.reference_price_exact)
        return f"{name}: {self.symbol}: {factor} | {price}"


class Delisting(BaseData):
    """Warning on the last trading day, then the delisting on the day after."""

    data_type = MarketDataType.AUXILIARY

    def __init__(self, symbol: Symbol, date: datetime, price: Any, type: DelistingType) -> None:
        super().__init__(symbol, date, price)
        self.type = type
        self.ticket: Any = None

    def __str__(self) -> str:
        name = "Delisting Warning" if self.type == DelistingType.WARNING else "Delisted"
        return f"{name}: {self.symbol} {self.end_time:%m/%d/%Y %H:%M:%S}"


class SymbolChangedEvent(BaseData):
    """The security trades under a new ticker from now on."""

    data_type = MarketDataType.AUXILIARY

    def __init__(
        self, requested_symbol: Symbol, date: datetime, old_symbol: str, new_symbol: str
    ) -> None:
        super().__init__(requested_symbol, date)
        self.old_symbol = old_symbol
        self.new_symbol = new_symbol

    def __str__(self) -> str:
        return f"{self.time:%m/%d/%Y %H:%M:%S} {self.old_symbol}->{self.new_symbol}"


class SubscriptionDataConfig(DirectObject):
    """What one subscription reads; ``(config, class, symbol)`` copies another for these.

    Attributes:
        symbol, resolution, tick_type: which file.
        fill_forward: repeat the last bar where there is none.
        extended_hours: keep bars outside regular hours.
        internal: hidden from the algorithm (the benchmark's prices).
        custom_kind: class of custom data, None for bars.
        time_zone: of the exchange and of the data.
    """

    def __init__(
        self,
        symbol: Symbol | SubscriptionDataConfig,
        resolution: Any,
        tick_type: Any,
        *,
        fill_forward: bool = True,
        extended_hours: bool = False,
        internal: bool = False,
        normalization: DataNormalizationMode = DataNormalizationMode.ADJUSTED,
        kind: type[BaseData] | None = None,
        time_zone: str = NEW_YORK,
    ) -> None:
        self.consolidators: NetList[Any]
        if isinstance(symbol, SubscriptionDataConfig):
            # LEAN's copy of a subscription for another class and symbol.
            self.__dict__.update(symbol.__dict__)
            self.custom_kind = None if resolution in (TradeBar, QuoteBar) else resolution
            self.symbol = tick_type
            self.consolidators = NetList()
            return
        self.symbol = symbol
        self.resolution: Resolution = resolution
        self.tick_type: TickType = tick_type
        self.fill_forward = fill_forward
        self.extended_hours = extended_hours
        self.internal = internal
        self.data_normalization_mode = DataNormalizationMode(normalization)
        self.custom_kind = kind
        self.time_zone = time_zone
        self.consolidators = NetList()

    terms = property(
        lambda self: (self.resolution, self.tick_type, self.fill_forward, self.extended_hours)
    )
    """What tells two subscriptions of a symbol apart."""

    # LEAN's names.
    fill_data_forward = property(lambda self: self.fill_forward)
    extended_market_hours = property(lambda self: self.extended_hours)
    is_internal_feed = property(lambda self: self.internal)
    is_custom_data = property(lambda self: self.custom_kind is not None)
    data_time_zone = exchange_time_zone = property(lambda self: self.time_zone)
    security_type = property(lambda self: self.symbol.security_type)
    market = property(lambda self: self.symbol.id.market)
    is_filtered_subscription = True
    contract_depth_offset = 0
    data_mapping_mode = DataMappingMode.OPEN_INTEREST

    @property
    def mapped_symbol(self) -> str:
        """The security's ticker."""
        return self.symbol.value

    def __str__(self) -> str:
        names = (self.resolution.net_name, self.type.__name__, self.tick_type.net_name)
        mode = self.data_normalization_mode.net_name
        hidden = ",Internal" if self.internal else ""
        ticker = self.symbol.value
        return f"{ticker},#0,{self.mapped_symbol},{','.join(names)},{mode},OpenInterest{hidden}"

    def at_resolution(self, resolution: Resolution) -> SubscriptionDataConfig:
        """The same at another resolution, without consolidators."""
        return SubscriptionDataConfig(
            self.symbol,
            resolution,
            self.tick_type,
            fill_forward=self.fill_forward,
            extended_hours=self.extended_hours,
            internal=self.internal,
            normalization=self.data_normalization_mode,
            kind=self.custom_kind,
            time_zone=self.time_zone,
        )

    @property
    def increment(self) -> timedelta:
        """Length of one bar."""
        return RESOLUTION_SPAN[self.resolution]

    @property
    def type(self) -> type[BaseData]:
        """Class of the points."""
        if self.custom_kind is not None:
            return self.custom_kind
        return QuoteBar if self.tick_type == TickType.QUOTE else TradeBar


RESOLUTION_SPAN = {
    Resolution.TICK: timedelta(0),
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAILY: timedelta(days=1),
}
