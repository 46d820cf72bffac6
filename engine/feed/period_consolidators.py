"""Consolidators that make longer bars from shorter ones: of a period, a count or a calendar.

A bar is emitted when the first point of the next one arrives, or when the clock passes its end
(``scan``). Times are in the exchange's time zone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight, round_down
from engine.common.decimals import ZERO, from_float, to_decimal
from engine.common.enums import Resolution, TickType
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException, InvalidOperationException
from engine.common.spans import time_span
from engine.feed.consolidators import DataConsolidator, listen
from engine.feed.custom_data import PythonData
from engine.feed.run_reference import exchange_hours
from engine.indicators.base import Event
from engine.market.data import RESOLUTION_SPAN, Bar, QuoteBar, TradeBar
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class CalendarInfo(LeanObject):
    """Start and length of the bar that a time belongs to."""

    start: datetime
    period: timedelta

    def __post_init__(self) -> None:
        if not isinstance(self.start, datetime):
            # A day, which is its midnight where Python meets .NET.
            object.__setattr__(self, "start", midnight(self.start))

    @property
    def end(self) -> datetime:
        """End of the bar."""
        return self.start + self.period

    def __str__(self) -> str:
        return f"{self.start:%m/%d/%Y %H:%M:%S} {time_span(self.period)}"


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


_TRIAL_DATE = datetime(2022, 1, 3, 10, 10, 10)
"""LEAN asks a calendar function once about this moment, to see that it looks back."""


class _PeriodCountConsolidator(DataConsolidator):
    """Builds bars over a period, a count of points, both, or a calendar.

    Args:
        max_count: a count, a timedelta, a resolution, or a function from a time to its
            :class:`CalendarInfo`; LEAN names it `max_count`, `period` or `func`.
        period: with a count, the longest period.
        start_time: with a timedelta, the time of day at which bars start.

    Raises:
        ArgumentException: if the rule is none of these, or if the function gives a later start.
    """

    _max_count: int | None = None
    _period: timedelta | None = None
    _calendar: Callable[[datetime], CalendarInfo] | None = None
    _start_of_day: timedelta | None = None
    _count = 0
    _bar: Any = None
    _last_emit: datetime | None = None
    _symbol: Symbol | None = None
    _checked = False

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Set the events up before a user's `__init__`, which need not call ours."""
        self = super().__new__(cls)
        self.data_consolidated = Event()
        return self

    def __init__(
        self,
        max_count: Any = None,
        period: timedelta | None = None,
        start_time: timedelta | None = None,
        *,
        func: Callable[[datetime], CalendarInfo] | None = None,
    ) -> None:
        rule: Any = next((r for r in (max_count, period, func) if r is not None), None)
        if isinstance(rule, Resolution):
            rule = RESOLUTION_SPAN[rule]
        if isinstance(rule, timedelta):
            self._period = rule
            self._start_of_day = start_time if max_count is None else period or start_time
        elif isinstance(rule, int):
            self._max_count, self._period = rule, period
        elif callable(rule):
            if rule(_TRIAL_DATE).start > _TRIAL_DATE:
                raise ArgumentException(
                    "a calendar function must give the start of the bar around a time, not a "
                    f"later one; received {rule(_TRIAL_DATE).start} for {_TRIAL_DATE}"
                )
            self._calendar, self._period = rule, timedelta(seconds=1)
        else:
            raise ArgumentException(
                f"a consolidator takes a timedelta, a count or a function; received {rule!r}"
            )

    @property
    def period(self) -> timedelta | None:
        """Length of the bars, None if only points count."""
        return self._period

    def aggregate_bar(self, working_bar: Any, data: Any) -> None:
        """Take a point into a bar; for classes that a user derives."""
        kept, self._bar = self._bar, working_bar
        self._aggregate(data)
        self._bar = kept

    def on_data_consolidated(self, consolidated: Any) -> None:
        """Emit a bar; for classes that a user derives."""
        self._emit(consolidated)

    @property
    def working_data(self) -> Any:
        """A copy of the bar being built, or None."""
        return None if self._bar is None else self._bar.clone()

    @property
    def idle(self) -> bool:
        """True while no bar is being built."""
        return self._bar is None

    def _aggregate(self, data: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}._aggregate")

    def _should_process(self, data: Any) -> bool:
        return True

    def _check(self, data: Any) -> None:
        if self._symbol is None:
            self._symbol = data.symbol
        elif data.symbol != self._symbol:
            raise InvalidOperationException(
                "Consolidators can only be used with a single symbol. The previous consolidated "
                f"SecurityIdentifier ({self._symbol.id}) is not the same as in the current data "
                f"({data.symbol.id})."
            )
        timed = self._max_count is None and self._calendar is None
        if timed and not self._checked and self._period is not None:
            self._checked = True
            length = data.end_time - data.time
            if length > self._period:
                raise ArgumentException(
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
        self.data_consolidated(self, bar)
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
        """Start of the bar on a grid that begins at a time of day, of the month if it is long."""
        period = self._period or _DAY
        day = 1 if period >= 7 * _DAY else time.day
        start = datetime(time.year, time.month, day) + (self._start_of_day or timedelta())
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

    @property
    def working_bar(self) -> Any:
        """A copy of the bar being built, or None."""
        return self.working_data

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
        return TradeBarConsolidator(RESOLUTION_SPAN[resolution])


class BaseDataConsolidator(_PeriodCountConsolidator):
    """Trade bars of the values of any points.

    As in LEAN a bar that the clock emits is one minute long whatever the period; only one that
    the next point emits has the period's length.
    """

    output_type = TradeBar

    @property
    def working_bar(self) -> Any:
        """A copy of the bar being built, or None."""
        return self.working_data

    def _values(self, data: Any) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Open, high, low, close and volume that a point stands for."""
        value = data.value_exact
        return value, value, value, value, ZERO

    def _aggregate(self, data: Any) -> None:
        opened, high, low, close, volume = self._values(data)
        bar = self._bar
        if bar is None:
            start = self._rounded(data.time)
            self._bar = TradeBar(start, data.symbol, opened, high, low, close, volume)
            return
        bar.value_exact = close
        bar.volume_exact += volume
        bar.low_exact = min(bar.low_exact, low)
        bar.high_exact = max(bar.high_exact, high)

    @staticmethod
    def from_resolution(resolution: Resolution) -> BaseDataConsolidator:
        """Bars of a resolution."""
        return BaseDataConsolidator(RESOLUTION_SPAN[resolution])


class DynamicDataConsolidator(BaseDataConsolidator):
    """Trade bars of custom points: of their fields `Open`, `High`, `Low`, `Close` and `Volume`.

    A price that a point lacks is its value, a volume 0.
    """

    input_type = PythonData

    def _values(self, data: Any) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        def field(name: str, missing: Decimal) -> Decimal:
            if not data.has_property(name):
                return missing
            value = data.get_property(name)
            return from_float(value) if isinstance(value, float) else to_decimal(value)

        value = data.value_exact
        opened, high, low, close = (field(name, value) for name in ("Open", "High", "Low", "Close"))
        return opened, high, low, close, round(field("Volume", ZERO), 0)  # half-even, as .NET's


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
        bar.value_exact = data.value_exact

    @staticmethod
    def from_resolution(resolution: Resolution) -> QuoteBarConsolidator:
        """Bars of a resolution."""
        return QuoteBarConsolidator(RESOLUTION_SPAN[resolution])


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

    Hours are those of the symbol of the first point.

    Args:
        daily_strict_end_time_enabled: let daily bars run from open to close rather than midnight
            to midnight.
        resolution: of the bars; or their period, a timedelta: shorter ones than a day that are no
            resolution begin at the open.
        data_type: TradeBar or QuoteBar.
        tick_type: of the points; without effect on bars.
        extended_market_hours: also use points outside regular hours.
        period: LEAN's other name of `resolution`.

    Raises:
        NotImplementedError: for other data than bars.
    """

    def __init__(
        self,
        daily_strict_end_time_enabled: bool,
        resolution: Any = None,
        data_type: type = TradeBar,
        tick_type: TickType = TickType.TRADE,
        extended_market_hours: bool = False,
        *,
        period: timedelta | None = None,
    ) -> None:
        super().__init__()
        if data_type not in (TradeBar, QuoteBar):
            raise NotImplementedError(
                f"MarketHourAwareConsolidator of {data_type.__name__}; use TradeBar or QuoteBar"
            )
        span: Any = period if resolution is None else resolution
        self._period: timedelta = RESOLUTION_SPAN[span] if isinstance(span, Resolution) else span
        self._wants_strict = daily_strict_end_time_enabled
        self._extended = extended_market_hours
        self._hours: Any = None
        self._strict = False
        made = QuoteBarConsolidator if data_type is QuoteBar else TradeBarConsolidator
        rule: Any = self._intraday if self._period < _DAY else self._daily
        if self._period != _DAY and self._period in RESOLUTION_SPAN.values():
            rule = self._period
        self._inner = made(rule)
        self.input_type = self.output_type = data_type
        listen(self._inner, lambda _, bar: self._emit(bar))

    def _daily(self, time: datetime) -> CalendarInfo:
        """Session of a day; before its open, and on closed days, the one before."""
        if not self._strict or self._period > _DAY:
            start = time if self._period > _DAY else round_down(time, self._period)
            return CalendarInfo(start, self._period)
        start, end = self._hours.daily_calendar(time, self._extended)
        return CalendarInfo(start, end - start)

    def _intraday(self, time: datetime) -> CalendarInfo:
        """Bars counted from the open; the last of a session ends with it."""
        if self._hours is None:
            return CalendarInfo(round_down(time, self._period), self._period)
        opened = self._hours.get_previous_market_open(time, self._extended)
        start = opened + (time - opened) // self._period * self._period
        end = min(start + self._period, self._hours.get_next_market_close(opened, self._extended))
        return CalendarInfo(start, end - start)

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return self._inner.working_data

    @property
    def idle(self) -> bool:
        """True while no bar is being built."""
        return self._inner.idle

    def update(self, data: Any) -> None:
        """Take a point that lies in the session."""
        if self._hours is None:
            self._hours = exchange_hours(data.symbol)
            self._strict = self._wants_strict and self._period > _HOUR
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
        """Forget the working bar and the hours."""
        self._hours, self._strict = None, False
        self._inner.reset()
        super().reset()

    def dispose(self) -> None:
        """Remove the handlers."""
        self._inner.dispose()
        super().dispose()
