"""A security's exchange at the algorithm's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.common.naming import DirectObject
from engine.common.net_exceptions import InvalidOperationException
from engine.market.market_hours import ExchangeHours, MarketHoursDatabase


class SecurityExchange(DirectObject):
    """The exchange of a security at the algorithm's time."""

    trading_days_per_year = 365

    def __init__(self, exchange_hours: ExchangeHours, utc_now: Callable[[], datetime]) -> None:
        self.hours = exchange_hours
        self._utc_now = utc_now

    @property
    def time_zone(self) -> str:
        """IANA name."""
        return self.hours.time_zone

    @property
    def local_time(self) -> datetime:
        """Exchange time."""
        return self.hours.from_utc(self._utc_now())

    @property
    def exchange_open(self) -> bool:
        """True during regular hours."""
        return self.hours.is_open(self.local_time)

    @property
    def closing_soon(self) -> bool:
        """True if closed in ten minutes."""
        return self.is_closing_soon(10)

    def is_closing_soon(self, minutes_to_close: int) -> bool:
        """True if closed in so many minutes."""
        return not self.hours.is_open(self.local_time + timedelta(minutes=minutes_to_close))

    def date_is_open(self, date_to_check: datetime, extended_market_hours: bool = False) -> bool:
        """True if a day has a session."""
        return self.hours.is_date_open(date_to_check, extended_market_hours)

    def date_time_is_open(self, date_time: datetime) -> bool:
        """True if open at an exchange time."""
        return self.hours.is_open(date_time)

    def is_open_during_bar(
        self,
        bar_start_time: datetime,
        bar_end_time: datetime,
        is_extended_market_hours: bool = False,
    ) -> bool:
        """True if open at any time of a bar."""
        return self.hours.is_open_during(bar_start_time, bar_end_time, is_extended_market_hours)


def _no_time() -> datetime:
    """Stands for the clock of an exchange that was not given one.

    Raises:
        InvalidOperationException: always.
    """
    raise InvalidOperationException("this exchange was not told the time; ask its security")


class EquityExchange(SecurityExchange):
    """The exchange of an equity.

    Args:
        exchange_hours: when it is open; those of US equities by default.
        utc_now: tells the time; without it the exchange's own time cannot be asked for.
    """

    trading_days_per_year = 252

    def __init__(
        self,
        exchange_hours: ExchangeHours | None = None,
        utc_now: Callable[[], datetime] | None = None,
    ) -> None:
        if exchange_hours is None:
            exchange_hours = MarketHoursDatabase.from_data_folder().equity_hours("[*]")
        super().__init__(exchange_hours, _no_time if utc_now is None else utc_now)
