"""Durations with .NET's resolution of 100 ns, and in .NET's text."""

from __future__ import annotations

from datetime import timedelta

TICKS_PER_MICROSECOND = 10
TICKS_PER_SECOND = 10_000_000


class TickSpan(timedelta):
    """A duration that knows .NET's ticks of 100 ns.

    Attributes:
        ticks: the duration in ticks.
    """

    ticks: int

    @classmethod
    def of(cls, ticks: int) -> TickSpan:
        """Make a duration from ticks."""
        span = cls(microseconds=ticks // TICKS_PER_MICROSECOND)
        span.ticks = ticks
        return span


def time_span(value: timedelta) -> str:
    """Write a duration as .NET does: ``[d.]hh:mm:ss[.fffffff]``."""
    sign = "-" if value < timedelta() else ""
    rest_of_microsecond = value.ticks % TICKS_PER_MICROSECOND if isinstance(value, TickSpan) else 0
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{value.days}." if value.days else ""
    part = value.microseconds * TICKS_PER_MICROSECOND + rest_of_microsecond
    fraction = f".{part:07d}" if part else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
