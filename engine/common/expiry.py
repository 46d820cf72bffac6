"""LEAN's `Expiry`: functions from a time to the end of a day, week, month, quarter or year."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta
from types import FunctionType
from typing import TypeVar

from engine.common.clock import midnight
from engine.common.naming import LeanObject

_SUNDAY = 7
_Moment = TypeVar("_Moment", date, datetime)


def add_months(time: _Moment, months: int) -> _Moment:
    """The same day some months on, or that month's last day where it has no such day."""
    index = time.year * 12 + time.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return time.replace(year=year, month=month, day=min(time.day, monthrange(year, month)[1]))


class Expiry(LeanObject):
    """Functions of a local time, for periods of insights and times of rebalancing.

    ``ONE_*`` keep the time of day, ``END_OF_*`` give the midnight that ends the span; a week ends
    with Sunday.
    """

    @staticmethod
    def ONE_MONTH(time: datetime) -> datetime:  # noqa: N802  (LEAN's name)
        """A month on."""
        return add_months(time, 1)

    @staticmethod
    def ONE_QUARTER(time: datetime) -> datetime:  # noqa: N802
        """Three months on."""
        return add_months(time, 3)

    @staticmethod
    def ONE_YEAR(time: datetime) -> datetime:  # noqa: N802
        """A year on."""
        return add_months(time, 12)

    @staticmethod
    def END_OF_DAY(time: datetime) -> datetime:  # noqa: N802
        """The next midnight."""
        return midnight(time) + timedelta(days=1)

    @staticmethod
    def END_OF_WEEK(time: datetime) -> datetime:  # noqa: N802
        """The midnight before Monday."""
        return midnight(time) + timedelta(days=_SUNDAY + 1 - time.isoweekday())

    @staticmethod
    def END_OF_MONTH(time: datetime) -> datetime:  # noqa: N802
        """The first of the next month."""
        return midnight(add_months(time.replace(day=1), 1))

    @staticmethod
    def END_OF_QUARTER(time: datetime) -> datetime:  # noqa: N802
        """The first day of the next quarter."""
        return add_months(datetime(time.year, (time.month - 1) // 3 * 3 + 1, 1), 3)

    @staticmethod
    def END_OF_YEAR(time: datetime) -> datetime:  # noqa: N802
        """The next first of January."""
        return datetime(time.year + 1, 1, 1)


_FUNCTIONS = frozenset(
    value.__func__ for value in vars(Expiry).values() if isinstance(value, staticmethod)
)


def is_expiry(function: object) -> bool:
    """Whether something is one of `Expiry`'s functions."""
    return isinstance(function, FunctionType) and function in _FUNCTIONS
