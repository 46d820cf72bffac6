"""LEAN's helper functions that algorithms call by the name of their C# class."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import from_utc, naive_utc, to_utc
from engine.common.decimals import round_significant, smart_rounding, to_decimal, to_double
from engine.common.enums import OrderStatus, OrderType, Resolution
from engine.common.naming import LeanObject
from engine.common.net_exceptions import InvalidOperationException
from engine.common.spans import time_span as net_span
from engine.market.data import RESOLUTION_SPAN
from engine.market.market_hours import MarketHoursDatabase


class OrderExtensions(LeanObject):
    """What states and kinds of orders mean."""

    @staticmethod
    def is_closed(status: OrderStatus) -> bool:
        """Filled, canceled or invalid."""
        return OrderStatus(status).is_closed

    @staticmethod
    def is_open(status: OrderStatus) -> bool:
        """Anything else."""
        return not OrderStatus(status).is_closed

    @staticmethod
    def is_fill(status: OrderStatus) -> bool:
        """Filled, or partly so."""
        return OrderStatus(status).is_fill

    @staticmethod
    def is_limit_order(order_type: OrderType) -> bool:
        """Limit, stop-limit or limit-if-touched."""
        return order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)

    @staticmethod
    def is_stop_order(order_type: OrderType) -> bool:
        """Stop, stop-limit or trailing stop."""
        return order_type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class Extensions(LeanObject):
    """Numbers and times; times are naive, zones are IANA names."""

    @staticmethod
    def round_to_significant_digits(d: Any, digits: int) -> float:
        """A number at so many significant digits, halves to even."""
        return to_double(round_significant(to_decimal(d), digits))

    @staticmethod
    def smart_rounding(input: Any) -> float:  # LEAN's argument name
        """Four decimals above 1000, else seven significant digits."""
        return to_double(smart_rounding(to_decimal(input)))

    @staticmethod
    def is_market_open(
        security: Any = None,
        utc_time: Any = False,
        extended_market_hours: bool | None = None,
        *,
        symbol: Any = None,
    ) -> bool:
        """Whether a market is open: of ``(security, extended_market_hours)`` at present.

        Or of ``(symbol, utc_time, extended_market_hours)`` at a time.
        """
        if not isinstance(utc_time, datetime):
            extended = utc_time if extended_market_hours is None else extended_market_hours
            open_now: bool = security.exchange.hours.is_open(security.local_time, extended)
            return open_now
        of = security if symbol is None else symbol
        database = MarketHoursDatabase.from_data_folder()
        hours = database.get_exchange_hours(of.id.market, of, of.security_type)
        return hours.is_open(hours.from_utc(naive_utc(utc_time)), extended_market_hours)

    @staticmethod
    def convert_from_utc(time: datetime, to: str, strict: bool = False) -> datetime:
        """The local time of a UTC time; `strict` matters for no UTC time."""
        return from_utc(naive_utc(time), str(to))

    @staticmethod
    def convert_to_utc(time: datetime, _from: str, strict: bool = False) -> datetime:
        """The UTC time of a local time; one that a clock change repeats counts as its first.

        Raises:
            NotImplementedError: for `strict`, which refuses times that a clock change skips.
        """
        if strict:
            raise NotImplementedError("Extensions.convert_to_utc(strict=True); leave it out")
        return to_utc(time.replace(tzinfo=None), str(_from))

    @staticmethod
    def convert_to(time: datetime, _from: str, to: str, strict: bool = False) -> datetime:
        """A local time in another time zone."""
        utc = Extensions.convert_to_utc(time, _from, strict)
        return Extensions.convert_from_utc(utc, to)

    @staticmethod
    def to_time_span(resolution: Resolution) -> timedelta:
        """Length of a bar of a resolution."""
        return RESOLUTION_SPAN[resolution]

    @staticmethod
    def to_higher_resolution_equivalent(
        time_span: timedelta, require_exact_match: bool
    ) -> Resolution:
        """The resolution of bars of a length, or the next finer one.

        Raises:
            InvalidOperationException: if there is none of just that length and there must be.
        """
        for resolution, span in reversed(RESOLUTION_SPAN.items()):
            if span == time_span or (span < time_span and not require_exact_match):
                return resolution
        raise InvalidOperationException(
            f"Unable to exactly convert time span ('{net_span(time_span)}') to resolution."
        )
