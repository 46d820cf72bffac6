"""Scheduled events: which days, at which times, in which order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from engine.common.clock import END_OF_TIME, from_utc, midnight, to_utc
from engine.common.enums import DayOfWeek
from engine.common.naming import LeanObject
from engine.market.market_hours import ExchangeHours

_DAY = timedelta(days=1)
_NEVER = datetime.max


class DateRule:
    """Days (midnights) between two days."""

    def __init__(
        self, name: str, dates: Callable[[datetime, datetime], Iterable[datetime]]
    ) -> None:
        self.name = name
        self._dates = dates

    def get_dates(self, start: datetime, end: datetime) -> Iterable[datetime]:
        """Days in [start, end]."""
        return self._dates(start, end)


class TimeRule:
    """UTC times on given days."""

    def __init__(
        self, name: str, times: Callable[[Iterable[datetime]], Iterable[datetime]]
    ) -> None:
        self.name = name
        self._times = times

    def create_utc_event_times(self, dates: Iterable[datetime]) -> Iterable[datetime]:
        """Times on the days."""
        return self._times(dates)


def _each_day(start: datetime, end: datetime) -> Iterator[datetime]:
    day = midnight(start)
    while day <= end:
        yield day
        day += _DAY


class _Rules(LeanObject):
    def __init__(
        self,
        hours: Callable[[Any], ExchangeHours],
        utc_now: Callable[[], datetime],
        time_zone: Callable[[], str],
    ) -> None:
        self._hours = hours
        self._utc_now = utc_now
        self._time_zone = time_zone


class DateRules(_Rules):
    """LEAN's `self.date_rules`."""

    def on(self, *when: Any) -> DateRule:
        """Given days: year, month, day; or datetimes."""
        if len(when) == 3 and all(isinstance(part, int) for part in when):
            days = [datetime(*when)]
        else:
            flat = when[0] if len(when) == 1 and isinstance(when[0], list | tuple) else when
            days = [datetime(day.year, day.month, day.day) for day in flat]
        name = ",".join(f"{day:%m/%d/%Y}" for day in days)
        return DateRule(name, lambda start, end: (d for d in days if start <= d <= end))

    @property
    def today(self) -> DateRule:
        """The present day."""
        return DateRule("TodayOnly", lambda s, e: [self._today()])

    @property
    def tomorrow(self) -> DateRule:
        """The next day."""
        return DateRule("TomorrowOnly", lambda s, e: [self._today() + _DAY])

    def _today(self) -> datetime:
        return midnight(from_utc(self._utc_now(), self._time_zone()))

    def every(self, *days: Any) -> DateRule:
        """Given weekdays."""
        flat = days[0] if len(days) == 1 and isinstance(days[0], list | tuple) else days
        wanted = {(int(DayOfWeek(day)) - 1) % 7 for day in flat}
        name = ",".join(DayOfWeek(day).net_name for day in flat)
        return DateRule(name, lambda s, e: (d for d in _each_day(s, e) if d.weekday() in wanted))

    def every_day(self, symbol: Any = None, extended_market_hours: bool = False) -> DateRule:
        """Every day, or every trading day of a symbol."""
        if symbol is None:
            return DateRule("EveryDay", _each_day)
        hours = self._hours(symbol)
        return DateRule(f"{symbol}: EveryDay", lambda s, e: hours.trading_days(s, e))

    def week_start(self, *arguments: Any, **named: Any) -> DateRule:
        """First (trading) day of each week, or some days later."""
        return self._periodic("WeekStart", _week, True, 6, arguments, named)

    def week_end(self, *arguments: Any, **named: Any) -> DateRule:
        """Last (trading) day of each week, or some days earlier."""
        return self._periodic("WeekEnd", _week, False, 6, arguments, named)

    def month_start(self, *arguments: Any, **named: Any) -> DateRule:
        """First (trading) day of each month, or some days later."""
        return self._periodic("MonthStart", _month, True, 30, arguments, named)

    def month_end(self, *arguments: Any, **named: Any) -> DateRule:
        """Last (trading) day of each month, or some days earlier."""
        return self._periodic("MonthEnd", _month, False, 30, arguments, named)

    def quarter_start(self, *arguments: Any, **named: Any) -> DateRule:
        """First (trading) day of each quarter, or some days later."""
        return self._periodic("QuarterStart", _quarter, True, 92, arguments, named)

    def quarter_end(self, *arguments: Any, **named: Any) -> DateRule:
        """Last (trading) day of each quarter, or some days earlier."""
        return self._periodic("QuarterEnd", _quarter, False, 92, arguments, named)

    def year_start(self, *arguments: Any, **named: Any) -> DateRule:
        """First (trading) day of each year, or some days later."""
        return self._periodic("YearStart", _year, True, 365, arguments, named)

    def year_end(self, *arguments: Any, **named: Any) -> DateRule:
        """Last (trading) day of each year, or some days earlier."""
        return self._periodic("YearEnd", _year, False, 365, arguments, named)

    def _periodic(
        self,
        name: str,
        period: Callable[[datetime, bool], tuple[datetime, datetime]],
        forward: bool,
        largest: int,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
    ) -> DateRule:
        """Rule of a period: (symbol, offset) or (offset).

        Raises:
            ValueError: if the offset is out of range.
        """
        values = list(arguments)
        symbol = named.get("symbol")
        if values and not isinstance(values[0], int):
            symbol = values.pop(0)
        offset = values[0] if values else named.get("days_offset", 0)
        if not 0 <= offset <= largest:
            raise ValueError(f"{name} offset must lie in 0..{largest}; received {offset}")
        hours = self._hours(symbol) if symbol is not None else None

        def dates(start: datetime, end: datetime) -> Iterator[datetime]:
            first, last = period(start, hours is not None)
            while first <= end:
                base, bound = (first, last) if forward else (last, first)
                day = _scheduled(hours, base, offset, forward, bound)
                if start <= day <= end:
                    yield day
                following = last + _DAY
                # A trading week ends on Friday: the weekend still belongs to it.
                while (after := period(following, hours is not None)) == (first, last):
                    following += _DAY
                first, last = after

        shown = f"{offset if forward else -offset:+d}" if offset else ""
        return DateRule((f"{symbol}: " if symbol is not None else "") + name + shown, dates)


def _week(day: datetime, trading: bool) -> tuple[datetime, datetime]:
    """Monday and Friday of the week; without an exchange, Monday to Sunday."""
    first = midnight(day) - day.weekday() * _DAY
    return first, first + (4 if trading else 6) * _DAY


def _months(day: datetime, length: int) -> tuple[datetime, datetime]:
    first = datetime(day.year, (day.month - 1) // length * length + 1, 1)
    after = first.month + length
    following = datetime(first.year + (after > 12), (after - 1) % 12 + 1, 1)
    return first, following - _DAY


def _month(day: datetime, trading: bool) -> tuple[datetime, datetime]:
    return _months(day, 1)


def _quarter(day: datetime, trading: bool) -> tuple[datetime, datetime]:
    return _months(day, 3)


def _year(day: datetime, trading: bool) -> tuple[datetime, datetime]:
    return _months(day, 12)


def _scheduled(
    hours: ExchangeHours | None, base: datetime, offset: int, forward: bool, bound: datetime
) -> datetime:
    """The trading day `offset` days after (before) `base`, not beyond `bound`."""
    if hours is None:
        day = base + (offset if forward else -offset) * _DAY
        return min(day, bound) if forward else max(day, bound)
    step = hours.get_next_trading_day if forward else hours.get_previous_trading_day
    day = base if hours.is_date_open(base) else step(base)
    for _ in range(offset):
        day = step(day)
    if forward and day > bound:
        return bound if hours.is_date_open(bound) else hours.get_previous_trading_day(bound)
    if not forward and day < bound:
        return bound if hours.is_date_open(bound) else hours.get_next_trading_day(bound)
    return day


class TimeRules(_Rules):
    """LEAN's `self.time_rules`."""

    def _local(self, name: str, after_midnight: timedelta, time_zone: str | None) -> TimeRule:
        zone = time_zone or self._time_zone()
        return TimeRule(name, lambda days: (to_utc(d + after_midnight, zone) for d in days))

    @property
    def now(self) -> TimeRule:
        """The present moment."""
        return TimeRule("Now", lambda days: (self._utc_now() for _ in days))

    @property
    def midnight(self) -> TimeRule:
        """Start of the day."""
        return self._local("Midnight", timedelta(0), None)

    @property
    def noon(self) -> TimeRule:
        """Middle of the day."""
        return self._local("Noon", timedelta(hours=12), None)

    def at(self, hour: Any, minute: int = 0, second: Any = 0, time_zone: Any = None) -> TimeRule:
        """A time of day: hour, minute, second; or a timedelta."""
        if isinstance(hour, timedelta):
            return self._local(f"{hour}", hour, minute if isinstance(minute, str) else None)
        if isinstance(second, str):
            second, time_zone = 0, second
        moment = timedelta(hours=hour, minutes=minute, seconds=second)
        return self._local(f"{moment.total_seconds() / 3600:g}", moment, time_zone)

    def every(self, interval: timedelta) -> TimeRule:
        """Again and again from midnight on.

        Raises:
            ValueError: if the interval is not positive.
        """
        if interval <= timedelta(0):
            raise ValueError(f"interval must be positive; received {interval}")
        zone = self._time_zone()

        def times(days: Iterable[datetime]) -> Iterator[datetime]:
            for day in days:
                moment = day
                while moment < day + _DAY:
                    yield to_utc(moment, zone)
                    moment += interval

        return TimeRule(f"Every {interval.total_seconds() / 60:g} min", times)

    def after_market_open(
        self, symbol: Any, minutes_after_open: float = 0, extended_market_open: bool = False
    ) -> TimeRule:
        """Some minutes after the open of a symbol's exchange."""
        hours = self._hours(symbol)
        shift = timedelta(minutes=minutes_after_open)

        def times(days: Iterable[datetime]) -> Iterator[datetime]:
            for day in days:
                session = hours.session(day.date())
                if session is not None:
                    yield hours.to_utc(session.bounds(extended_market_open)[0] + shift)

        return TimeRule(f"{symbol}: {minutes_after_open:g} min after MarketOpen", times)

    def before_market_open(
        self, symbol: Any, minutes_before_open: float = 0, extended_market_open: bool = False
    ) -> TimeRule:
        """Some minutes before the open of a symbol's exchange."""
        return self.after_market_open(symbol, -minutes_before_open, extended_market_open)

    def before_market_close(
        self, symbol: Any, minutes_before_close: float = 0, extended_market_close: bool = False
    ) -> TimeRule:
        """Some minutes before the close of a symbol's exchange."""
        hours = self._hours(symbol)
        shift = timedelta(minutes=minutes_before_close)

        def times(days: Iterable[datetime]) -> Iterator[datetime]:
            for day in days:
                session = hours.session(day.date())
                if session is not None:
                    yield hours.to_utc(session.bounds(extended_market_close)[1] - shift)

        return TimeRule(f"{symbol}: {minutes_before_close:g} min before MarketClose", times)

    def after_market_close(
        self, symbol: Any, minutes_after_close: float = 0, extended_market_close: bool = False
    ) -> TimeRule:
        """Some minutes after the close of a symbol's exchange."""
        return self.before_market_close(symbol, -minutes_after_close, extended_market_close)


class ScheduledEvent(LeanObject):
    """A callback and the UTC times at which it is due."""

    SECURITY_END_OF_DAY_DELTA = timedelta(minutes=10)
    ALGORITHM_END_OF_DAY_DELTA = timedelta(minutes=2)

    def __init__(self, name: str, times: Iterable[datetime], callback: Callable[[], Any]) -> None:
        self.name = name
        self.enabled = True
        self._callback = callback
        self._times = iter(times)
        self._next: datetime | None = None

    @property
    def next_event_utc_time(self) -> datetime:
        """Next due time, `datetime.max` if there is none."""
        if self._next is None:
            self._next = next(self._times, _NEVER)
        return self._next

    def skip_until(self, utc_time: datetime) -> None:
        """Drop the times before `utc_time`."""
        while self.next_event_utc_time < utc_time:
            self._next = None

    def fire(self, utc_time: datetime) -> None:
        """Call back for every time up to `utc_time`."""
        while self.next_event_utc_time <= utc_time:
            if self.enabled:
                self._callback()
            self._next = None


class ScheduleManager(LeanObject):
    """LEAN's `self.schedule`, and the real-time handler that fires the events.

    Events of the same time fire in the order in which they became due next: an event that fires
    moves behind the others of its next time.
    """

    def __init__(
        self,
        date_rules: DateRules,
        time_rules: TimeRules,
        utc_now: Callable[[], datetime],
    ) -> None:
        self.date_rules = date_rules
        self.time_rules = time_rules
        self._utc_now = utc_now
        self._ids = count()
        self._sorted: list[tuple[datetime, int, ScheduledEvent]] | None = None
        self._events: dict[int, ScheduledEvent] = {}
        self._started = False
        self._turns = count()

    def on(self, *arguments: Any) -> ScheduledEvent:
        """Schedule: ([name,] date rule, time rule, callback)."""
        name = None
        if isinstance(arguments[0], str):
            name, *rest = arguments
            arguments = tuple(rest)
        date_rule, time_rule, callback = arguments
        dates = self._deferred(date_rule)
        times = time_rule.create_utc_event_times(dates)
        event = ScheduledEvent(name or f"{date_rule.name}: {time_rule.name}", times, callback)
        self.add(event)
        return event

    def _deferred(self, date_rule: Any) -> Iterator[datetime]:
        """Days from yesterday on, asked for when the first time is needed."""
        yield from date_rule.get_dates(midnight(self._utc_now()) - _DAY, END_OF_TIME)

    def add(self, event: ScheduledEvent) -> None:
        """Add an event; times before now are dropped once the run has started."""
        self._events[next(self._ids)] = event
        if self._started:
            event.skip_until(self._utc_now())
        self._sorted = None

    def remove(self, event: ScheduledEvent) -> None:
        """Remove an event."""
        self._events = {i: e for i, e in self._events.items() if e is not event}
        self._sorted = None

    def start(self) -> None:
        """Drop the times before the start of the run."""
        self._started = True
        for event in self._events.values():
            event.skip_until(self._utc_now())
        self._sorted = None

    def _queue(self) -> list[tuple[datetime, int, ScheduledEvent]]:
        if self._sorted is None:
            queue = sorted((e.next_event_utc_time, i) for i, e in self._events.items())
            self._turns = count()
            self._sorted = [(t, next(self._turns), self._events[i]) for t, i in queue]
        return self._sorted

    def _requeue_first(self) -> None:
        if self._sorted is None:
            return
        event = self._sorted.pop(0)[2]
        entry = (event.next_event_utc_time, next(self._turns), event)
        insort(self._sorted, entry, key=lambda item: item[:2])

    def fire_past(self, utc_time: datetime, set_time: Callable[[datetime], None]) -> None:
        """Fire what was due strictly before a time, with the clock set to the due time."""
        while (queue := self._queue()) and queue[0][2].next_event_utc_time < utc_time:
            event = queue[0][2]
            due = event.next_event_utc_time
            set_time(due)
            event.fire(due)
            self._requeue_first()

    def fire_due(self, utc_time: datetime) -> None:
        """Fire what is due up to a time."""
        while (queue := self._queue()) and queue[0][2].next_event_utc_time <= utc_time:
            queue[0][2].fire(utc_time)
            self._requeue_first()

    @property
    def next_utc(self) -> datetime:
        """When the next event is due, `datetime.max` if none ever is."""
        return min((e.next_event_utc_time for e in self._events.values()), default=_NEVER)

    def fire_each(self, utc_time: datetime, on_error: Callable[[Exception], None]) -> None:
        """Fire what is due up to a time as LEAN's live handler does: in the order of adding.

        Args:
            utc_time: now.
            on_error: told what a callback raised. That event stays due and is fired again by the
                next call.
        """
        for event in list(self._events.values()):
            if event.next_event_utc_time > utc_time:
                continue
            try:
                event.fire(utc_time)
            except Exception as problem:
                on_error(problem)
        self._sorted = None
