"""LEAN's `self.trading_calendar`: business days of exchanges and banks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from engine.common.clock import midnight, naive_utc
from engine.common.enums import TradingDayType
from engine.common.naming import LeanObject
from engine.common.net_exceptions import (
    ArgumentException,
    ArgumentNullException,
    InvalidOperationException,
)

_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY = 0, 3, 4, 5


class TradingDay(LeanObject):
    """A day of the calendar.

    Attributes:
        date: its midnight.
        business_day: neither weekend nor holiday.
        public_holiday: a holiday of an exchange or of the banks; weekends are, too.
        weekend: Saturday or Sunday.
        option_expirations, future_expirations: symbols that expire; none of equities.
        future_rolls, symbol_delistings, equity_dividends: None, as in LEAN.
    """

    def __init__(self, day: datetime, public_holiday: bool) -> None:
        self.date = day
        self.public_holiday = public_holiday
        self.weekend = day.weekday() >= _SATURDAY
        self.business_day = not (public_holiday or self.weekend)
        self.option_expirations: list[Any] = []
        self.future_expirations: list[Any] = []
        self.future_rolls = self.symbol_delistings = self.equity_dividends = None


class TradingCalendar(LeanObject):
    """Business days and holidays, as in LEAN.

    Args:
        security_manager: securities whose exchanges' holidays count.
        market_hours_database: has their hours; the securities know them, too.
        now: tells the time, UTC; the securities' by default.
    """

    def __init__(
        self,
        security_manager: Any,
        market_hours_database: Any,
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._securities, self._now = security_manager, now

    def get_trading_day(self, day: datetime | date | None = None) -> TradingDay:
        """A day, today's (UTC) by default.

        Raises:
            InvalidOperationException: if nothing tells the time.
        """
        chosen = self._today() if day is None else day
        return next(iter(self.get_trading_days(chosen, chosen)))

    def _today(self) -> datetime:
        if self._now is not None:
            return self._now()
        for security in self._securities.values():
            return naive_utc(security.utc_time)
        raise InvalidOperationException(
            "get_trading_day() of a calendar without securities; give it the day"
        )

    def get_trading_days(
        self, start: datetime | date, end: datetime | date
    ) -> Iterator[TradingDay]:
        """All days from one to another.

        Raises:
            ArgumentException: if the end is before the start.
        """
        first, last = midnight(start), midnight(end)
        count = (last - first).days + 1
        if count < 0:
            raise ArgumentException(
                f"TradingCalendar.PopulateTradingDays(): Total days is negative ({count}), "
                "indicating reverse start and end times."
            )
        securities = self._securities.values()
        holidays = {day for one in securities for day in one.exchange.hours.holidays}
        for number in range(count):
            day = first + timedelta(days=number)
            yield TradingDay(day, day in holidays or not is_settlement_day(day))

    def get_days_by_type(
        self, type: TradingDayType, start: datetime | date, end: datetime | date
    ) -> Iterator[TradingDay]:
        """The days of a kind.

        Raises:
            ArgumentNullException: for kinds that LEAN's calendar does not fill.
        """
        for day in self.get_trading_days(start, end):
            if _is_of_type(day, TradingDayType(type)):
                yield day


def _is_of_type(day: TradingDay, kind: TradingDayType) -> bool:
    kinds = {
        TradingDayType.BUSINESS_DAY: day.business_day,
        TradingDayType.PUBLIC_HOLIDAY: day.public_holiday,
        TradingDayType.WEEKEND: day.weekend,
        TradingDayType.ECONOMIC_EVENT: False,
        TradingDayType.OPTION_EXPIRATION: bool(day.option_expirations),
        TradingDayType.FUTURE_EXPIRATION: bool(day.future_expirations),
    }
    if kind not in kinds:
        raise ArgumentNullException("Value cannot be null. (Parameter 'source')")
    return kinds[kind]


class _Fixed(NamedTuple):
    """A holiday on a date; of a weekend it moves to Monday or Friday."""

    month: int
    day: int
    first_year: int = 1


class _Floating(NamedTuple):
    """A holiday on the weekday that falls on one of seven dates."""

    month: int
    first: int
    weekday: int = _MONDAY
    first_year: int = 1


_FLOATING = (
    _Floating(1, 15, first_year=1983),
    _Floating(2, 15, first_year=1971),
    _Floating(5, 25, first_year=1971),
    _Floating(9, 1),
    _Floating(10, 8, first_year=1971),
    _Floating(11, 22, _THURSDAY),
)
"""Birthdays of King and Washington, Memorial, Labor and Columbus Day, Thanksgiving."""
_FIXED = (_Fixed(6, 19, 2022), _Fixed(7, 4), _Fixed(11, 11), _Fixed(12, 25))
"""Juneteenth, Independence and Veterans Day, Christmas."""


def is_settlement_day(day: datetime) -> bool:
    """Whether payments are settled in the United States, from 1978 on."""
    weekday = day.weekday()
    if weekday >= _SATURDAY or (day.month, day.day) == (1, 1):
        return False
    if (day.month, day.day, weekday) in ((1, 2, _MONDAY), (12, 31, _FRIDAY)):
        return False
    for floating in _FLOATING:
        if (
            day.year >= floating.first_year
            and (day.month, weekday) == (floating.month, floating.weekday)
            and 0 <= day.day - floating.first < 7
        ):
            return False
    moved = {_MONDAY: 1, _FRIDAY: -1}.get(weekday)
    for fixed in _FIXED:
        if day.month == fixed.month and day.year >= fixed.first_year:
            distance = day.day - fixed.day
            if distance == 0 or distance == moved:
                return False
    return True
