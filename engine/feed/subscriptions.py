"""One subscription: reading, corporate events, fill-forward, hours, adjustment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight, round_down, to_utc
from engine.common.decimals import ONE, ZERO, divide, round_half_even
from engine.common.enums import (
    DataNormalizationMode,
    DelistingType,
    MarketDataType,
    Resolution,
    SplitType,
    TickType,
)
from engine.feed.auxiliary_files import AuxiliaryData, FactorFile, MapFile
from engine.feed.bar_files import BarFiles
from engine.feed.fill_forward import FillForward
from engine.market.data import (
    Bar,
    BaseData,
    Delisting,
    Dividend,
    QuoteBar,
    Split,
    SubscriptionDataConfig,
    SymbolChangedEvent,
    TradeBar,
)
from engine.market.market_hours import ExchangeHours

_DAY = timedelta(days=1)
_BARS = (TradeBar, QuoteBar)


@dataclass(frozen=True)
class Sources:
    """Where subscriptions read: bars, map and factor files."""

    bars: BarFiles
    auxiliary: AuxiliaryData


class SecurityEvents:
    """Splits, dividends, ticker changes and the delisting of one security."""

    def __init__(
        self,
        config: SubscriptionDataConfig,
        map_file: MapFile,
        factors: FactorFile,
        start: datetime,
    ) -> None:
        self._config = config
        self._map = map_file
        self._factors = factors
        self.ticker = config.symbol.value
        if map_file.has_data(midnight(start)):
            self.ticker = map_file.ticker_on(midnight(start), self.ticker)
        self._split: tuple[Decimal, Decimal] | None = None
        self._dividend: tuple[Decimal, Decimal] | None = None
        self._warned = self._delisted = False
        self.sum_of_dividends = ZERO
        # Days on which something may happen that did not the day before.
        days = {row.date for row in factors.rows}
        for last in (*(last for last, _ in map_file.rows), midnight(map_file.delisting_date)):
            days |= {last, last + _DAY}
        self._days = sorted(days)
        self.quiet_before = datetime.min

    def on(self, day: datetime, last_price: Decimal) -> Iterator[BaseData]:
        """Events of a trading day; after all of them none come before `quiet_before`."""
        symbol = self._config.symbol
        if self._map.has_data(day):
            if self._split is not None:
                factor, reference = self._split
                yield Split(symbol, day, reference, factor, SplitType.SPLIT_OCCURRED)
            self._split = self._factors.split_after(day)
            if self._split is not None:
                yield Split(symbol, day, last_price, self._split[0], SplitType.WARNING)
            if self._dividend is not None:
                ratio, reference = self._dividend
                paid = round_half_even(reference - reference * ratio, 2)
                self.sum_of_dividends += paid
                yield Dividend(symbol, day, paid, reference)
            self._dividend = self._factors.dividend_after(day)
            ticker = self._map.ticker_on(day, self.ticker)
            if ticker != self.ticker:
                change = SymbolChangedEvent(symbol, day, self.ticker, ticker)
                self.ticker = ticker
                yield change
        last_day = midnight(self._map.delisting_date)
        if not self._warned and day >= last_day:
            self._warned = True
            yield Delisting(symbol, last_day, last_price, DelistingType.WARNING)
        if not self._delisted and day > last_day:
            self._delisted = True
            yield Delisting(symbol, last_day + _DAY, last_price, DelistingType.DELISTED)
        self.quiet_before = self._next_day(day)

    def _next_day(self, day: datetime) -> datetime:
        """The first day on which something may happen after a trading day."""
        index = bisect_right(self._days, day)
        if self._split is not None or self._dividend is not None or index == len(self._days):
            return day
        return self._days[index]


def raw_points(
    config: SubscriptionDataConfig,
    sources: Sources,
    hours: ExchangeHours,
    start: datetime,
    end: datetime,
    events: SecurityEvents,
    strict_daily: bool,
) -> Iterator[BaseData]:
    """Unadjusted bars and events of a subscription, in order.

    Args:
        config: what to read.
        sources: where to read.
        hours: of the exchange.
        start: bars that end before are skipped, exchange time.
        end: bars that start after are not read.
        events: the security's events, which also know its ticker.
        strict_daily: daily bars run from the open to the close.
    """
    map_file = sources.auxiliary.map_files.of_security(config.symbol.id)
    is_daily = config.resolution == Resolution.DAILY
    last_price = ZERO
    last_end = datetime.min
    # Points bear the ticker of their day, as in LEAN.
    symbol = config.symbol.update_mapped_symbol(events.ticker)
    for day in hours.trading_days(midnight(start), end):
        if day >= events.quiet_before:
            for event in events.on(day, last_price):
                if events.ticker != symbol.value:
                    symbol = symbol.update_mapped_symbol(events.ticker)
                event.symbol = symbol
                yield event
        if midnight(day) > map_file.delisting_date:
            return
        if not map_file.has_data(day):
            continue
        for bar in sources.bars.bars(
            symbol, events.ticker, config.resolution, config.tick_type, day
        ):
            if is_daily and strict_daily:
                bar.time, bar.end_time = hours.daily_calendar(day + _DAY)
            if bar.end_time < start or bar.end_time <= last_end:
                continue
            if bar.time > end:
                return
            last_end = bar.end_time
            last_price = bar.value_exact
            yield bar


def _complete_quotes(points: Iterator[BaseData]) -> Iterator[BaseData]:
    """Carry a missing side of a quote over from the bar before."""
    previous: QuoteBar | None = None
    for point in points:
        if isinstance(point, QuoteBar):
            if previous is not None:
                point.bid = point.bid if point.bid is not None else previous.bid
                point.ask = point.ask if point.ask is not None else previous.ask
            previous = point
        yield point


def _scaled_side(side: Bar | None, factor: Decimal, dividends: Decimal) -> Bar | None:
    if side is None:
        return None
    prices = (side.open_exact, side.high_exact, side.low_exact, side.close_exact)
    return Bar(*(price * factor + dividends for price in prices))


def normalized(
    point: BaseData, mode: DataNormalizationMode, factor: Decimal, dividends: Decimal
) -> BaseData:
    """Adjusted copy of a raw bar; other points and unit factors pass unchanged."""
    if mode == DataNormalizationMode.RAW or not isinstance(point, _BARS):
        return point
    if mode != DataNormalizationMode.TOTAL_RETURN:
        dividends = ZERO
    elif factor == 1 and not dividends:
        return point
    if factor == 1 and not dividends:
        return point
    shares = ONE / factor
    if isinstance(point, TradeBar):
        copy = TradeBar(
            point.time,
            point.symbol,
            point.open_exact * factor + dividends,
            point.high_exact * factor + dividends,
            point.low_exact * factor + dividends,
            point.value_exact * factor + dividends,
            round_half_even(point.volume_exact * shares, 0),
            point.period,
        )
        copy.is_fill_forward = point.is_fill_forward
        return copy
    quote = QuoteBar(
        point.time,
        point.symbol,
        _scaled_side(point.bid, factor, dividends),
        round_half_even(point.last_bid_size_exact * shares, 0),
        _scaled_side(point.ask, factor, dividends),
        round_half_even(point.last_ask_size_exact * shares, 0),
        point.period,
    )
    quote.is_fill_forward = point.is_fill_forward
    return quote


def factor_of(
    factors: FactorFile, day: datetime, mode: DataNormalizationMode, end: datetime
) -> Decimal:
    """What raw prices of a day are multiplied by, in a subscription that ends at `end`."""
    factor = factors.scale(day, mode)
    if mode == DataNormalizationMode.SCALED_RAW:
        # Prices as they were at the end, not as they are today.
        factor = divide(factor, factors.scale(end, mode))
    return factor


def is_emitted(config: SubscriptionDataConfig, point: BaseData) -> bool:
    """Auxiliary points come with trade bars only; splits and dividends not with hidden feeds."""
    if point.data_type != MarketDataType.AUXILIARY:
        return True
    if config.tick_type != TickType.TRADE:
        return False
    return not (config.internal and isinstance(point, Split | Dividend))


def points(
    config: SubscriptionDataConfig,
    sources: Sources,
    hours: ExchangeHours,
    start: datetime,
    end: datetime,
    fill_span: Callable[[], timedelta],
    *,
    strict_daily: bool = True,
    fill_after: BaseData | None = None,
    has_events: bool = True,
    remember: Callable[[BaseData], None] | None = None,
    takes: Callable[[BaseData], bool] | None = None,
) -> Iterator[tuple[datetime, BaseData]]:
    """Everything a subscription delivers.

    Args:
        config: what to read.
        sources: where to read.
        hours: of the exchange.
        start: start in exchange time.
        end: end in exchange time.
        fill_span: resolution at which gaps are filled.
        strict_daily: daily bars run from the open to the close.
        fill_after: raw bar before the start to fill from.
        has_events: deliver splits, dividends, ticker changes and delistings.
        remember: called with each raw bar before adjustment.
        takes: the security's filter of raw bars, before their hours are looked at.

    Yields:
        Pairs of the exchange-local time of delivery and the point.
    """
    strict = strict_daily and config.resolution == Resolution.DAILY
    factors = sources.auxiliary.factor_file(config.symbol.id)
    map_file = sources.auxiliary.map_files.of_security(config.symbol.id)
    events = SecurityEvents(config, map_file, factors, start)
    stream = raw_points(config, sources, hours, start, end, events, strict_daily)
    if config.fill_forward:
        if config.tick_type == TickType.QUOTE:
            stream = _complete_quotes(stream)
        filler = FillForward(hours, fill_span, config.increment, config.extended_hours, end, strict)
        stream = filler(stream, fill_after)
    factor = ONE
    factor_day: datetime | None = None
    for point in stream:
        auxiliary = point.data_type == MarketDataType.AUXILIARY
        if takes is not None and not auxiliary and not takes(point):
            continue
        if not auxiliary and not hours.is_open_during(
            point.time, point.end_time, config.extended_hours
        ):
            continue
        if point.time > end:
            return
        if not is_emitted(config, point) or (auxiliary and not has_events):
            continue
        if remember is not None and not auxiliary:
            remember(point)
        delivered = point.end_time
        if auxiliary:
            yield delivered, point
            continue
        mode = config.data_normalization_mode
        day = midnight(point.time)
        if factor_day is None or (day > factor_day and not point.is_fill_forward):
            factor_day = day
            factor = factor_of(factors, day, mode, end)
        yield (
            delivered,
            _timed(normalized(point, mode, factor, events.sum_of_dividends), config, hours, strict),
        )


def warmed_up_points(
    config: SubscriptionDataConfig,
    resolution: Resolution,
    sources: Sources,
    hours: ExchangeHours,
    times: tuple[datetime, datetime, datetime],
    fill_span: Callable[[], timedelta],
    *,
    strict_daily: bool,
    takes: Callable[[BaseData], bool] | None = None,
) -> Iterator[tuple[datetime, BaseData]]:
    """What a subscription delivers if its warm-up has a resolution of its own.

    Args:
        config: what to read after the warm-up.
        resolution: of the warm-up, also of its repeated bars.
        sources: where to read.
        hours: of the exchange.
        times: start, end of the warm-up and end, exchange time.
        fill_span: resolution at which gaps are filled after the warm-up.
        strict_daily: daily bars run from the open to the close.
        takes: the security's filter of raw bars.
    """
    start, pivot, end = times
    last: BaseData | None = None

    def remember(point: BaseData) -> None:
        nonlocal last
        if not point.is_fill_forward:
            last = point

    delivered = datetime.min
    # There are no quotes of an hour or a day.
    if start < pivot and (config.tick_type == TickType.TRADE or resolution < Resolution.HOUR):
        warm = config.at_resolution(resolution)
        for pair in points(
            warm, sources, hours, start, pivot, lambda: warm.increment,
            strict_daily=strict_daily, remember=remember, takes=takes,
        ):  # fmt: skip
            if pair[0] <= pivot:
                delivered = pair[0]
                yield pair
    # A day of overlap, so that the first gap after the warm-up is filled.
    day = hours.get_previous_trading_day(midnight(pivot))
    session = hours.session(day.date())
    begin = max(start, session.open if session is not None and strict_daily else day)
    for pair in points(
        config, sources, hours, begin, end, fill_span, strict_daily=strict_daily,
        fill_after=None if last is None else _moved(last, begin - config.increment),
        takes=takes,
    ):  # fmt: skip
        # Repeated bars count by their delivery: they still have the times of what they repeat.
        if pair[0] >= pivot and pair[0] > delivered:
            yield pair


def _moved(point: BaseData, time: datetime) -> BaseData:
    """A copy of a bar at another time."""
    copy: Any = point.clone()
    copy.time, copy.end_time = time, time + (point.end_time - point.time)
    moved: BaseData = copy
    return moved


def _timed(
    point: BaseData, config: SubscriptionDataConfig, hours: ExchangeHours, strict: bool
) -> BaseData:
    """Give a repeated bar the times of the bar it stands for."""
    if not point.is_fill_forward:
        return point
    span = point.end_time - point.time
    if not strict and not span:
        return point
    copy: Any = point.clone(True)
    if strict:
        copy.time, copy.end_time = hours.daily_calendar(point.time)
        return copy
    start = round_down(point.time, span)
    while not hours.is_open_during(start, start + span, config.extended_hours):
        start -= span
    copy.time, copy.end_time = start, start + span
    return copy


class Subscription:
    """A stream of points with the next one at hand.

    Attributes:
        config: what it reads.
        security: whom it updates; None for a series that is nobody's price.
        emit_utc: when the next point is due, None at the end.
        data: the next point.
    """

    def __init__(
        self,
        config: SubscriptionDataConfig,
        security: Any,
        stream: Iterator[tuple[datetime, BaseData]],
        hours: ExchangeHours,
    ) -> None:
        self.config = config
        self.security = security
        self._stream = stream
        self._time_zone = hours.time_zone
        self.removed = False
        self.emit_utc: datetime | None = None
        self.data: BaseData | None = None
        self.move_next()

    def move_next(self) -> bool:
        """Advance; False at the end."""
        pair = next(self._stream, None)
        if pair is None:
            self.emit_utc, self.data = None, None
            return False
        self.emit_utc = to_utc(pair[0], self._time_zone)
        self.data = pair[1]
        return True
