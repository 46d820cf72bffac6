"""Consolidators: make longer bars (or bars of another kind) from shorter ones.

A bar is emitted when the first point of the next one arrives, or when the clock passes its end
(``scan``). Times are in the exchange's time zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import round_down
from engine.common.decimals import ZERO, ExactNumber, to_decimal, to_double
from engine.common.enums import LeanEnum, Resolution
from engine.common.naming import LeanObject
from engine.indicators.base import Event
from engine.indicators.window import RollingWindow
from engine.market.data import Bar, BaseData, QuoteBar, TradeBar
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SPANS = {
    Resolution.TICK: timedelta(),
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: _HOUR,
    Resolution.DAILY: _DAY,
}


def span_of(resolution: Resolution) -> timedelta:
    """Length of a resolution's bars."""
    return _SPANS[resolution]


@dataclass(frozen=True)
class CalendarInfo(LeanObject):
    """Start and length of the bar that a time belongs to."""

    start: datetime
    period: timedelta


class Calendar(LeanObject):
    """Functions from a time to the calendar bar around it."""

    @staticmethod
    def weekly(time: datetime) -> CalendarInfo:
        """Monday to Monday."""
        start = datetime(time.year, time.month, time.day) - timedelta(days=time.weekday())
        return CalendarInfo(start, timedelta(days=7))

    @staticmethod
    def monthly(time: datetime) -> CalendarInfo:
        """First of month to first of month."""
        start = datetime(time.year, time.month, 1)
        return CalendarInfo(start, (start + timedelta(days=32)).replace(day=1) - start)

    @staticmethod
    def quarterly(time: datetime) -> CalendarInfo:
        """First of quarter to first of quarter."""
        start = datetime(time.year, (time.month - 1) // 3 * 3 + 1, 1)
        return CalendarInfo(start, (start + timedelta(days=95)).replace(day=1) - start)

    @staticmethod
    def yearly(time: datetime) -> CalendarInfo:
        """January 1 to January 1."""
        start = datetime(time.year, 1, 1)
        return CalendarInfo(start, datetime(time.year + 1, 1, 1) - start)


for _name in ("weekly", "monthly", "quarterly", "yearly"):
    for _alias in (_name.upper(), _name.title()):
        setattr(Calendar, _alias, staticmethod(getattr(Calendar, _name)))


class DataConsolidator(LeanObject):
    """Base of consolidators.

    Attributes:
        data_consolidated: event; handlers receive (consolidator, bar).
        consolidated: the last bar emitted, set after the handlers ran.
        window: the last two bars emitted, newest first.
    """

    input_type: type = BaseData
    output_type: type = BaseData

    def __init__(self) -> None:
        self.data_consolidated = Event()
        self.consolidated: Any = None
        self.window: RollingWindow[Any] = RollingWindow(2)

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return None

    def update(self, data: Any) -> None:
        """Take a point."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def scan(self, current_local_time: datetime) -> None:
        """Emit the working bar if its time is over."""

    def _emit(self, bar: Any) -> None:
        if bar is not None:
            self.window.add(bar)
        self.data_consolidated(self, bar)
        self.consolidated = bar

    def reset(self) -> None:
        """Forget everything but the handlers."""
        self.consolidated = None
        self.window.reset()

    def dispose(self) -> None:
        """Remove the handlers."""
        self.data_consolidated = Event()

    @property
    def current(self) -> Any:
        """The last bar emitted."""
        return self.window[0]

    @property
    def previous(self) -> Any:
        """The bar before the last."""
        return self.window[1]

    def __getitem__(self, index: int) -> Any:
        return self.window[index]


class IdentityDataConsolidator(DataConsolidator):
    """Passes points on, at most one per end time."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Any = None

    @property
    def working_data(self) -> Any:
        """The last point."""
        return self._last

    def update(self, data: Any) -> None:
        """Emit a point unless its end time was emitted already."""
        if self._last is None or data.end_time != self._last.end_time:
            self._emit(data)
            self._last = data

    def reset(self) -> None:
        """Forget the last point."""
        super().reset()
        self._last = None


class _PeriodCountConsolidator(DataConsolidator):
    """Builds bars over a period, a count of points, both, or a calendar.

    Args:
        rule: a timedelta, a count, or a function from a time to its :class:`CalendarInfo`.
        second: with a count, the longest period; with a timedelta, the time of day at which
            bars start.
        start_time: the latter by LEAN's name.
        period: the former by LEAN's name.

    Raises:
        ValueError: if the rule is none of these.
    """

    def __init__(
        self,
        rule: Any,
        second: timedelta | None = None,
        *,
        start_time: timedelta | None = None,
        period: timedelta | None = None,
    ) -> None:
        super().__init__()
        second = second or start_time or period
        self._max_count: int | None = None
        self._period: timedelta | None = None
        self._calendar: Callable[[datetime], CalendarInfo] | None = None
        self._start_of_day: timedelta | None = None
        if isinstance(rule, Resolution):
            rule = span_of(rule)
        if isinstance(rule, timedelta):
            self._period, self._start_of_day = rule, second
        elif isinstance(rule, int):
            self._max_count, self._period = rule, second
        elif callable(rule):
            self._calendar, self._period = rule, timedelta(seconds=1)
        else:
            raise ValueError(
                f"a consolidator takes a timedelta, a count or a function; received {rule!r}"
            )
        self._count = 0
        self._bar: Any = None
        self._last_emit: datetime | None = None
        self._symbol: Symbol | None = None
        self._checked = False

    @property
    def working_data(self) -> Any:
        """A copy of the bar being built, or None."""
        return None if self._bar is None else self._bar.clone()

    working_bar = working_data

    def _aggregate(self, data: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}._aggregate")

    def _should_process(self, data: Any) -> bool:
        return True

    def _check(self, data: Any) -> None:
        if self._symbol is None:
            self._symbol = data.symbol
        elif data.symbol != self._symbol:
            raise ValueError(f"a consolidator takes one symbol; {self._symbol} and {data.symbol}")
        timed = self._max_count is None and self._calendar is None
        if timed and not self._checked and self._period is not None:
            self._checked = True
            length = data.end_time - data.time
            if length > self._period:
                raise ValueError(
                    f"{data.symbol}: bars of {length} cannot be consolidated to {self._period}"
                )

    def update(self, data: Any) -> None:
        """Take a point; emits the working bar if the point belongs to the next one."""
        if not self._should_process(data):
            return
        self._check(data)
        fire = False
        before = self._max_count is not None
        if self._max_count is not None:
            self._count += 1
            if self._count >= self._max_count:
                self._count, fire = 0, True
        if self._last_emit is None:
            self._last_emit = data.time if before else datetime.min
        if self._period is not None:
            if (
                self._bar is not None
                and data.time - self._bar.time >= self._period
                and self._bar_start(data) > self._last_emit
            ):
                fire = True
            if not self._period:
                fire = before = True
        if before and data.time >= self._last_emit:
            self._aggregate(data)
            if self._max_count is not None:
                self._bar.end_time = data.end_time
        if fire:
            if isinstance(self._bar, TradeBar) and self._period is not None:
                self._bar.period = self._period
            timed = self._max_count is None and self._bar is not None
            self._last_emit = self._bar.end_time if timed else data.time
            self._emit(self._bar)
        if not before and data.time >= self._last_emit:
            self._aggregate(data)

    def scan(self, current_local_time: datetime) -> None:
        """Emit the working bar if its period is over."""
        if (
            self._bar is not None
            and self._period
            and current_local_time - self._bar.time >= self._period
            and self._last_emit is not None
            and self._rounded(current_local_time) > self._last_emit
        ):
            self._last_emit = self._bar.end_time
            self._emit(self._bar)

    def _emit(self, bar: Any) -> None:
        super()._emit(bar)
        self._bar = None

    def _rounded(self, time: datetime) -> datetime:
        """Start of the bar that a time belongs to."""
        if self._calendar is not None:
            info = self._calendar(time)
            if self._bar is None:
                self._period = info.period
            return info.start
        if self._max_count is not None or self._period is None:
            return time
        if self._start_of_day is not None:
            return self._anchored(time)
        return time if self._period > _DAY else round_down(time, self._period)

    def _anchored(self, time: datetime) -> datetime:
        """Start of the bar on a grid that begins at a time of day."""
        period = self._period or _DAY
        midnight = datetime(time.year, time.month, time.day)
        start = midnight + (self._start_of_day or timedelta())
        while start > time:
            start -= period
        return start + (time - start) // period * period

    def _bar_start(self, data: Any) -> datetime:
        start = self._rounded(data.time)
        if self._period is not None and start + self._period < data.end_time:
            # Hour bars start at 9:00 although the session starts at 9:30: they belong to it.
            if data.end_time - data.time == _HOUR and start.date() < data.time.date():
                return self._rounded(data.end_time)
            return data.time
        return start

    def _length(self, data: Any) -> timedelta:
        if self._max_count is None and self._period is not None:
            return self._period
        return data.end_time - data.time

    def reset(self) -> None:
        """Forget the working bar and all times."""
        super().reset()
        self._count, self._bar, self._last_emit = 0, None, None
        self._symbol, self._checked = None, False


class TradeBarConsolidator(_PeriodCountConsolidator):
    """Longer trade bars from trade bars."""

    input_type = output_type = TradeBar

    def _aggregate(self, data: Any) -> None:
        bar = self._bar
        if bar is None:
            self._bar = TradeBar(
                self._bar_start(data), data.symbol, data.open_exact, data.high_exact,
                data.low_exact, data.close_exact, data.volume_exact, self._length(data),
            )  # fmt: skip
            return
        bar.value_exact = data.close_exact
        bar.volume_exact += data.volume_exact
        bar.low_exact = min(bar.low_exact, data.low_exact)
        bar.high_exact = max(bar.high_exact, data.high_exact)

    @staticmethod
    def from_resolution(resolution: Resolution) -> TradeBarConsolidator:
        """Bars of a resolution."""
        return TradeBarConsolidator(span_of(resolution))


class BaseDataConsolidator(_PeriodCountConsolidator):
    """Trade bars of the values of any points."""

    output_type = TradeBar

    def _aggregate(self, data: Any) -> None:
        value, bar = data.value_exact, self._bar
        if bar is None:
            self._bar = TradeBar(
                self._bar_start(data), data.symbol, value, value, value, value, ZERO,
                self._length(data),
            )  # fmt: skip
            return
        bar.value_exact = value
        bar.low_exact = min(bar.low_exact, value)
        bar.high_exact = max(bar.high_exact, value)


class QuoteBarConsolidator(_PeriodCountConsolidator):
    """Longer quote bars from quote bars."""

    input_type = output_type = QuoteBar

    def _aggregate(self, data: Any) -> None:
        if self._bar is None:
            self._bar = QuoteBar(
                self._bar_start(data), data.symbol, None, ZERO, None, ZERO, self._length(data)
            )
            last = self.consolidated
            if last is not None:
                self._bar.bid = _flat(last.bid)
                self._bar.ask = _flat(last.ask)
                self._bar.last_bid_size_exact = last.last_bid_size_exact
                self._bar.last_ask_size_exact = last.last_ask_size_exact
        bar = self._bar
        if data.bid is not None:
            bar.last_bid_size_exact = data.last_bid_size_exact
            bar.bid = _extended(bar.bid, data.bid)
        if data.ask is not None:
            bar.last_ask_size_exact = data.last_ask_size_exact
            bar.ask = _extended(bar.ask, data.ask)

    @staticmethod
    def from_resolution(resolution: Resolution) -> QuoteBarConsolidator:
        """Bars of a resolution."""
        return QuoteBarConsolidator(span_of(resolution))


def _flat(side: Bar | None) -> Bar | None:
    """A side that opens where the last one closed."""
    if side is None or not side.close_exact:
        return None
    return Bar(side.close_exact, side.close_exact, side.close_exact, side.close_exact)


def _extended(side: Bar | None, new: Bar) -> Bar:
    if side is None:
        return new.clone()
    side.close_exact = new.close_exact
    side.high_exact = max(side.high_exact, new.high_exact)
    side.low_exact = min(side.low_exact, new.low_exact)
    return side


class MarketHourAwareConsolidator(DataConsolidator):
    """Bars that follow the session: a daily one runs from the open to the close.

    Args:
        hours: the exchange's hours.
        period: of the bars, at most a day.
        kind: TradeBar or QuoteBar.
        extended_market_hours: also use points outside regular hours.
        daily_precise_end_time: let daily bars run from open to close rather than midnight to
            midnight.
    """

    def __init__(
        self,
        hours: Any,
        period: timedelta,
        kind: type = TradeBar,
        extended_market_hours: bool = False,
        daily_precise_end_time: bool = True,
    ) -> None:
        super().__init__()
        self._hours, self._period = hours, period
        self._extended = extended_market_hours
        self._strict = daily_precise_end_time and period == _DAY
        made = QuoteBarConsolidator if kind is QuoteBar else TradeBarConsolidator
        self._inner = made(self._session if self._strict else period)
        self.input_type = self.output_type = kind
        self._inner.data_consolidated += lambda _, bar: self._emit(bar)

    def _session(self, time: datetime) -> CalendarInfo:
        """Session of a day; before its open, and on closed days, the one before."""
        start, end = self._hours.daily_calendar(time)
        return CalendarInfo(start, end - start)

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return self._inner.working_data

    def update(self, data: Any) -> None:
        """Take a point that lies in the session."""
        hours = self._hours
        long_bar = self._period == _DAY and data.end_time - data.time >= _HOUR
        if (
            self._extended
            or hours.is_open(data.time, False)
            or (long_bar and hours.is_open_during(data.time, data.end_time, False))
        ):
            self._inner.update(data)

    def scan(self, current_local_time: datetime) -> None:
        """Emit the working bar if its session is over."""
        self._inner.scan(current_local_time)

    def reset(self) -> None:
        """Forget the working bar."""
        super().reset()
        self._inner.reset()


class RenkoType(LeanEnum):
    """Kinds of Renko bars."""

    CLASSIC = 0
    WICKED = 1


class BarDirection(LeanEnum):
    """Direction of a Renko bar."""

    RISING = 0
    NO_DELTA = 1
    FALLING = 2


class RenkoBar(TradeBar):
    """A bar that closes once the price has moved by the brick's size."""

    brick_size = ExactNumber()

    def __init__(
        self, symbol: Symbol, time: datetime, brick_size: Decimal, open: Decimal, volume: Decimal
    ) -> None:
        super().__init__(time, symbol, open, open, open, open, volume, timedelta())
        self.brick_size_exact = brick_size
        self.is_closed = False
        self.type = RenkoType.CLASSIC

    @property
    def start(self) -> datetime:
        """When the bar opened."""
        return self.time

    @property
    def direction(self) -> BarDirection:
        """Rising, falling or neither."""
        if self.open_exact < self.close_exact:
            return BarDirection.RISING
        if self.open_exact > self.close_exact:
            return BarDirection.FALLING
        return BarDirection.NO_DELTA

    @property
    def spread(self) -> float:
        """Distance between open and close."""
        return to_double(abs(self.close_exact - self.open_exact))

    def take(self, time: datetime, value: Decimal, volume: Decimal) -> bool:
        """Move the close towards a value, at most by the brick; true once that closes the bar."""
        if self.is_closed:
            return True
        self.end_time = time
        low, high = self.open_exact - self.brick_size_exact, self.open_exact + self.brick_size_exact
        self.value_exact = min(high, max(low, value))
        self.volume_exact += volume
        self.is_closed = not low < value < high
        self.high_exact = max(self.high_exact, self.value_exact)
        self.low_exact = min(self.low_exact, self.value_exact)
        return self.is_closed


class ClassicRenkoConsolidator(DataConsolidator):
    """Renko bars whose opens lie on a grid.

    Args:
        bar_size: of a brick, above zero.
        selector: value of a point; its price by default.
        volume_selector: volume of a point.
        even_bars: start on a multiple of the bar size.
    """

    output_type = RenkoBar

    def __init__(
        self,
        bar_size: Any,
        selector: Any = None,
        volume_selector: Any = None,
        even_bars: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(selector, bool):
            selector, even_bars = None, selector
        self._size = to_decimal(bar_size)
        if self._size <= 0:
            raise ValueError(f"bar_size must be above 0; received {bar_size}")
        self._selector = selector or (lambda data: data.value_exact)
        self._volume_selector = volume_selector or (lambda data: getattr(data, "volume_exact", 0))
        self._even = even_bars
        self._bar: RenkoBar | None = None
        self._last_close: Decimal | None = None

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return self._bar

    def update(self, data: Any) -> None:
        """Take a point; emits a bar once it closes."""
        value = to_decimal(self._selector(data))
        volume = to_decimal(self._volume_selector(data))
        if self._bar is not None and self._bar.take(data.time, value, volume):
            closed, self._bar = self._bar, None
            self._last_close = closed.close_exact
            self._emit(closed)
        if self._bar is None:
            opening = value if self._last_close is None else self._last_close
            if self._even and self._last_close is None:
                opening = math.ceil(opening / self._size) * self._size
            self._bar = RenkoBar(data.symbol, data.time, self._size, opening, volume)

    def reset(self) -> None:
        """Forget the working bar."""
        super().reset()
        self._bar, self._last_close = None, None
