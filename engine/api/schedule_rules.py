"""Rules of schedules: on which days, at which times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import END_OF_TIME, from_utc, midnight, to_utc
from engine.common.enums import DayOfWeek
from engine.common.expiry import add_months
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException, ArgumentOutOfRangeException
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol, SymbolCache

_DAY = timedelta(days=1)
_LAST_OF_WEEK = 4


class FuncDateRule(LeanObject):
    """Days (midnights) between two days, given by a function of both."""

    def __init__(
        self, name: str, get_dates_function: Callable[[datetime, datetime], Iterable[datetime]]
    ) -> None:
        if not callable(get_dates_function):
            raise ValueError(f"get_dates_function must be a function; got {get_dates_function!r}")
        self.name = name
        self._dates = get_dates_function

    def get_dates(self, start: datetime, end: datetime) -> Iterable[datetime]:
        """Days in [start, end]."""
        return self._dates(start, end)


class FuncTimeRule(LeanObject):
    """UTC times on given days, given by a function of the days."""

    def __init__(
        self,
        name: str,
        create_utc_event_times_function: Callable[[Iterable[datetime]], Iterable[datetime]],
    ) -> None:
        if not callable(create_utc_event_times_function):
            raise ValueError(
                "create_utc_event_times_function must be a function; got "
                f"{create_utc_event_times_function!r}"
            )
        self.name = name
        self._times = create_utc_event_times_function

    def create_utc_event_times(self, dates: Iterable[datetime]) -> Iterable[datetime]:
        """Times on the days."""
        return self._times(dates)


class CompositeTimeRule(LeanObject):
    """The times of several rules, day by day, each once and in order."""

    def __init__(self, *rules: Any, time_rules: Iterable[Any] | None = None) -> None:
        given = rules if time_rules is None else (time_rules,)
        many = len(given) == 1 and not hasattr(given[0], "create_utc_event_times")
        self.rules: list[Any] = list(given[0] if many else given)

    @property
    def name(self) -> str:
        """The rules' names."""
        return ",".join(rule.name for rule in self.rules)

    def create_utc_event_times(self, dates: Iterable[datetime]) -> Iterator[datetime]:
        """Times on the days."""
        for date in dates:
            yield from sorted({t for r in self.rules for t in r.create_utc_event_times([date])})


def _number(value: float) -> str:
    """A number with at most two decimals, as LEAN names it."""
    return f"{abs(value):.2f}".rstrip("0").rstrip(".")


def _each_day(start: datetime, end: datetime) -> Iterator[datetime]:
    day = midnight(start)
    while day <= end:
        yield day
        day += _DAY


class _Rules(LeanObject):
    """What both kinds of rules need to know of the algorithm."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._zone: str | None = None
        self._warned = False

    @property
    def time_zone(self) -> str:
        """Time zone of the rules, the algorithm's unless another was set."""
        return str(self._zone or self._algorithm.time_zone)

    def set_default_time_zone(self, time_zone: Any) -> None:
        """Change the rules' time zone."""
        self._zone = str(time_zone)

    def _symbol(self, symbol: Any) -> Symbol:
        """The symbol of a symbol, a security or a ticker."""
        symbol = getattr(symbol, "symbol", symbol)
        if isinstance(symbol, Symbol):
            return symbol
        known = SymbolCache.try_get_symbol(str(symbol))
        if known is None:
            if not self._warned:
                self._warned = True
                self._algorithm.debug(
                    f"Warning: no existing symbol found for ticker {symbol}, it will be created "
                    "with Equity type."
                )
            known = self._algorithm.qc_create_symbol(str(symbol))
            SymbolCache.set(str(symbol), known)
        return known

    def _hours(self, symbol: Symbol) -> ExchangeHours:
        hours: ExchangeHours = self._algorithm.qc_hours_of(symbol)
        return hours


class DateRules(_Rules):
    """LEAN's `self.date_rules`."""

    def on(self, *dates: Any, **named: Any) -> FuncDateRule:
        """Given days: year, month, day; or datetimes."""
        if named:
            dates = *dates, *(named[part] for part in ("year", "month", "day") if part in named)
        if len(dates) == 3 and all(isinstance(part, int) for part in dates):
            days = [datetime(*dates)]
        else:
            flat = dates[0] if len(dates) == 1 and isinstance(dates[0], list | tuple) else dates
            days = [midnight(day) for day in flat]
        name = ",".join(f"{day:%m/%d/%Y}" for day in days)
        return FuncDateRule(name, lambda start, end: (d for d in days if start <= d <= end))

    @property
    def today(self) -> FuncDateRule:
        """The present day."""
        return FuncDateRule("TodayOnly", lambda s, e: [self._today()])

    @property
    def tomorrow(self) -> FuncDateRule:
        """The next day."""
        return FuncDateRule("TomorrowOnly", lambda s, e: [self._today() + _DAY])

    def _today(self) -> datetime:
        return midnight(from_utc(self._algorithm.utc_time_naive, self.time_zone))

    def every(self, *days: Any) -> FuncDateRule:
        """Given weekdays."""
        flat = days[0] if len(days) == 1 and isinstance(days[0], list | tuple) else days
        wanted = {(int(DayOfWeek(day)) - 1) % 7 for day in flat}
        name = ",".join(DayOfWeek(day).net_name for day in flat)
        return FuncDateRule(
            name, lambda s, e: (d for d in _each_day(s, e) if d.weekday() in wanted)
        )

    def every_day(self, symbol: Any = None, extended_market_hours: bool = False) -> FuncDateRule:
        """Every day, or every trading day of a symbol."""
        if symbol is None:
            return FuncDateRule("EveryDay", _each_day)
        symbol = self._symbol(symbol)
        hours = self._hours(symbol)
        return FuncDateRule(f"{symbol.value}: EveryDay", lambda s, e: hours.trading_days(s, e))

    def week_start(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """First (trading) day of each week, or some days later."""
        return self._periodic("WeekStart", _week, True, symbol, days_offset, 6)

    def week_end(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """Last trading day of each week, or some days earlier; Friday without a symbol."""
        return self._periodic("WeekEnd", _week, False, symbol, days_offset, 6)

    def month_start(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """First (trading) day of each month, or some days later."""
        return self._periodic("MonthStart", _month, True, symbol, days_offset, 30)

    def month_end(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """Last (trading) day of each month, or some days earlier."""
        return self._periodic("MonthEnd", _month, False, symbol, days_offset, 30)

    def quarter_start(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """First (trading) day of each quarter, or some days later."""
        return self._periodic("QuarterStart", _quarter, True, symbol, days_offset, 92)

    def quarter_end(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """Last (trading) day of each quarter, or some days earlier."""
        return self._periodic("QuarterEnd", _quarter, False, symbol, days_offset, 92)

    def year_start(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """First (trading) day of each year, or some days later."""
        return self._periodic("YearStart", _year, True, symbol, days_offset, 365)

    def year_end(
        self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True
    ) -> FuncDateRule:
        """Last (trading) day of each year, or some days earlier."""
        return self._periodic("YearEnd", _year, False, symbol, days_offset, 365)

    def _periodic(
        self,
        name: str,
        period: Callable[[datetime, bool, bool], tuple[datetime, datetime]],
        forward: bool,
        symbol: Any,
        offset: int,
        largest: int,
    ) -> FuncDateRule:
        """Rule of a period; a number in the symbol's place is the offset.

        Raises:
            ArgumentOutOfRangeException: if the offset is out of range.
        """
        if isinstance(symbol, int):
            symbol, offset = None, symbol
        if symbol is not None:
            symbol = self._symbol(symbol)
            if largest == 6 and offset > _LAST_OF_WEEK:
                edge, sign = ("Monday", "+") if forward else ("Friday", "-")
                raise ArgumentOutOfRangeException(
                    f"DateRules.{name}() : {edge}{sign}{offset} is out of range for {symbol}'s "
                    f"schedule, please use an offset between 0 - {_LAST_OF_WEEK}; Schedule : "
                    "Monday, Tuesday, Wednesday, Thursday, Friday (Parameter 'daysOffset')"
                )
        if not 0 <= offset <= largest:
            raise ArgumentOutOfRangeException(
                f"DateRules.{name}() : Offset must be between 0 and {largest} "
                "(Parameter 'daysOffset')"
            )
        hours = None if symbol is None else self._hours(symbol)

        def dates(start: datetime, end: datetime) -> Iterator[datetime]:
            moment = start
            while True:
                first, last = period(moment, hours is not None, forward)
                if first > end:
                    return
                base, bound = (first, last) if forward else (last, first)
                day = _scheduled(hours, base, offset, forward, bound)
                if start <= day <= end:
                    yield day
                moment = last + _DAY
                # A trading week ends on Friday: the weekend still belongs to it.
                while period(moment, hours is not None, forward) == (first, last):
                    moment += _DAY

        shown = f"{offset if forward else -offset:+d}" if offset else ""
        return FuncDateRule(f"{symbol.value}: {name}{shown}" if symbol else name + shown, dates)


def _week(day: datetime, trading: bool, forward: bool) -> tuple[datetime, datetime]:
    """Monday to Friday; without an exchange, Monday to Sunday or, from its end, Saturday to Friday.

    A day outside a trading week belongs to the week before.
    """
    if trading:
        first = midnight(day) - day.weekday() * _DAY
        return first, first + 4 * _DAY
    start = 0 if forward else 5
    first = midnight(day) - (day.weekday() - start) % 7 * _DAY
    return first, first + 6 * _DAY


def _months(day: datetime, length: int) -> tuple[datetime, datetime]:
    first = datetime(day.year, (day.month - 1) // length * length + 1, 1)
    return first, add_months(first, length) - _DAY


def _month(day: datetime, trading: bool, forward: bool) -> tuple[datetime, datetime]:
    return _months(day, 1)


def _quarter(day: datetime, trading: bool, forward: bool) -> tuple[datetime, datetime]:
    return _months(day, 3)


def _year(day: datetime, trading: bool, forward: bool) -> tuple[datetime, datetime]:
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

    def _local(self, name: str, after_midnight: timedelta, time_zone: Any = None) -> FuncTimeRule:
        zone = str(time_zone or self.time_zone)
        return FuncTimeRule(name, lambda days: (to_utc(d + after_midnight, zone) for d in days))

    @property
    def now(self) -> FuncTimeRule:
        """The present moment."""
        return FuncTimeRule("Now", lambda days: (self._algorithm.utc_time_naive for _ in days))

    @property
    def midnight(self) -> FuncTimeRule:
        """Start of the day."""
        return self._local("Midnight", timedelta(0))

    @property
    def noon(self) -> FuncTimeRule:
        """Twelve hours after the start of the day."""
        zone, half = self.time_zone, timedelta(hours=12)
        return FuncTimeRule("Noon", lambda days: (to_utc(day, zone) + half for day in days))

    def at(
        self,
        hour: Any = 0,
        minute: Any = 0,
        second: Any = 0,
        time_zone: Any = None,
        *,
        time_of_day: timedelta | None = None,
    ) -> FuncTimeRule:
        """A time of day: hour, minute, second; or a timedelta; and its time zone."""
        if isinstance(hour, timedelta):
            time_zone = time_zone if isinstance(minute, int) else minute
            time_of_day = hour
        elif time_of_day is None:
            if not isinstance(second, int | float):
                second, time_zone = 0, second
            time_of_day = timedelta(hours=hour, minutes=minute, seconds=second)
        return self._local(_number(time_of_day / timedelta(hours=1)), time_of_day, time_zone)

    def every(self, interval: timedelta) -> FuncTimeRule:
        """Again and again from midnight on.

        Raises:
            ArgumentException: if the interval is not positive.
        """
        if interval <= timedelta(0):
            raise ArgumentException("TimeRules.Every(): time span interval can not be zero or less")
        zone = self.time_zone

        def times(days: Iterable[datetime]) -> Iterator[datetime]:
            for day in days:
                moment = day
                while moment < day + _DAY:
                    yield to_utc(moment, zone)
                    moment += interval

        return FuncTimeRule(f"Every {_number(interval / timedelta(minutes=1))} min", times)

    def _around(
        self, symbol: Any, minutes: float, extended: bool, close: bool, word: str
    ) -> FuncTimeRule:
        """Some minutes after the open or the close of a symbol's exchange, or of US equities'."""
        if isinstance(symbol, int | float):
            symbol, minutes, extended = None, symbol, bool(minutes)
        shown = ""
        if symbol is not None:
            symbol = self._symbol(symbol)
            shown = f"{symbol}: "
        kind = ("Extended" if extended else "") + ("MarketClose" if close else "MarketOpen")
        hours = self._algorithm.qc_default_hours if symbol is None else self._hours(symbol)
        shift = timedelta(minutes=minutes)

        def times(days: Iterable[datetime]) -> Iterator[datetime]:
            for day in days:
                session = hours.session(day.date())
                if session is not None:
                    yield hours.to_utc(session.bounds(extended)[close] + shift)

        return FuncTimeRule(f"{shown}{_number(minutes)} min {word} {kind}", times)

    def after_market_open(
        self,
        symbol: Any = None,
        minutes_after_open: float = 0,
        extended_market_open: bool = False,
    ) -> FuncTimeRule:
        """Some minutes after the open of a symbol's exchange, or of US equities'."""
        late = symbol if isinstance(symbol, int | float) else minutes_after_open
        word = "after" if late > 0 else "before"
        return self._around(symbol, minutes_after_open, extended_market_open, False, word)

    def before_market_open(
        self,
        symbol: Any = None,
        minutes_before_open: float = 0,
        extended_market_open: bool = False,
    ) -> FuncTimeRule:
        """Some minutes before the open of a symbol's exchange, or of US equities'."""
        if isinstance(symbol, int | float):
            return self.after_market_open(-symbol, minutes_before_open, extended_market_open)
        return self.after_market_open(symbol, -minutes_before_open, extended_market_open)

    def before_market_close(
        self,
        symbol: Any = None,
        minutes_before_close: float = 0,
        extended_market_close: bool = False,
    ) -> FuncTimeRule:
        """Some minutes before the close of a symbol's exchange, or of US equities'."""
        if isinstance(symbol, int | float):
            word = "before" if symbol > 0 else "after"
            return self._around(-symbol, minutes_before_close, extended_market_close, True, word)
        word = "before" if minutes_before_close > 0 else "after"
        return self._around(symbol, -minutes_before_close, extended_market_close, True, word)

    def after_market_close(
        self,
        symbol: Any = None,
        minutes_after_close: float = 0,
        extended_market_close: bool = False,
    ) -> FuncTimeRule:
        """Some minutes after the close of a symbol's exchange, or of US equities'."""
        if isinstance(symbol, int | float):
            return self.before_market_close(-symbol, minutes_after_close, extended_market_close)
        return self.before_market_close(symbol, -minutes_after_close, extended_market_close)


def dates_from_now(date_rule: Any, utc_now: Callable[[], datetime]) -> Iterator[datetime]:
    """Days of a rule from yesterday on, asked for when the first is needed."""
    yield from date_rule.get_dates(midnight(utc_now()) - _DAY, END_OF_TIME)
