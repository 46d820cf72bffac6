"""One day's hours of an exchange as algorithms read them: segments, opens and closes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from engine.common.enums import DayOfWeek, MarketHoursState
from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException
from engine.common.spans import time_span

_ZERO, _DAY = timedelta(0), timedelta(days=1)


class MarketHoursSegment(DirectObject):
    """A part of a day in one state.

    Attributes:
        state: of the market.
        start, end: times of day; the end is not part of it.
    """

    def __init__(self, state: MarketHoursState, start: timedelta, end: timedelta) -> None:
        self.state = MarketHoursState(state)
        self.start = start
        self.end = end

    @staticmethod
    def open_all_day() -> MarketHoursSegment:
        """A regular session of a whole day."""
        return MarketHoursSegment(MarketHoursState.MARKET, _ZERO, _DAY)

    @staticmethod
    def closed_all_day() -> MarketHoursSegment:
        """A whole day closed."""
        return MarketHoursSegment(MarketHoursState.CLOSED, _ZERO, _DAY)

    @staticmethod
    def get_market_hours_segments(
        extended_market_open: timedelta,
        market_open: timedelta,
        market_close: timedelta,
        extended_market_close: timedelta,
    ) -> list[MarketHoursSegment]:
        """Segments of a day with one regular session.

        Raises:
            ArgumentException: if the times are not in order.
        """
        if market_open < extended_market_open:
            raise ArgumentException(
                "Extended market open time must be less than or equal to market open time."
            )
        if market_close < market_open:
            raise ArgumentException("Market close time must be after market open time.")
        if extended_market_close < market_close:
            raise ArgumentException(
                "Extended market close time must be greater than or equal to market close time."
            )
        bounds = (extended_market_open, market_open, market_close, extended_market_close)
        states = (
            MarketHoursState.PRE_MARKET,
            MarketHoursState.MARKET,
            MarketHoursState.POST_MARKET,
        )
        parts = zip(states, bounds, bounds[1:], strict=False)
        return [MarketHoursSegment(*part) for part in parts if part[1] != part[2]]

    def contains(self, time: timedelta) -> bool:
        """True if a time of day lies in it."""
        return self.start <= time < self.end

    def overlaps(self, start: timedelta, end: timedelta) -> bool:
        """True if it shares a time with a span."""
        return self.start < end and self.end > start

    def __str__(self) -> str:
        return f"{self.state.net_name}: {time_span(self.start)}-{time_span(self.end)}"


class LocalMarketHours(DirectObject):
    """Hours of a day of the week, or of one day with an early close or a late open.

    Args:
        day: of the week.
        segments: of the day in order; closed ones are left out.
    """

    def __init__(self, day: DayOfWeek, *segments: Any) -> None:
        if len(segments) == 1 and not isinstance(segments[0], MarketHoursSegment):
            segments = tuple(segments[0])
        elif segments and isinstance(segments[0], timedelta):
            times = segments if len(segments) == 4 else (segments[0], *segments, segments[1])
            segments = tuple(MarketHoursSegment.get_market_hours_segments(*times))
        self.day_of_week = day
        self.segments = [s for s in segments if s.state != MarketHoursState.CLOSED]
        regular = [s.end - s.start for s in self.segments if s.state == MarketHoursState.MARKET]
        self.market_duration = sum(regular, _ZERO)

    @staticmethod
    def closed_all_day(day_of_week: DayOfWeek) -> LocalMarketHours:
        """Hours of a day without trading."""
        return LocalMarketHours(day_of_week)

    @staticmethod
    def open_all_day(day_of_week: DayOfWeek) -> LocalMarketHours:
        """Hours of a day that is all session."""
        return LocalMarketHours(day_of_week, MarketHoursSegment.open_all_day())

    @property
    def is_closed_all_day(self) -> bool:
        """True if there is no segment."""
        return not self.segments

    @property
    def is_open_all_day(self) -> bool:
        """True for one regular session of the whole day."""
        return self.market_duration == _DAY and len(self.segments) == 1

    def _counted(self, extended: bool) -> Iterable[MarketHoursSegment]:
        return (s for s in self.segments if extended or s.state == MarketHoursState.MARKET)

    def get_market_open(
        self,
        time: timedelta,
        extended_market_hours: bool,
        previous_day_last_segment: timedelta | None = None,
    ) -> timedelta | None:
        """Start of the session that goes on or begins after a time of day; None if there is none.

        Segments that follow each other without a gap are one session.
        """
        before = previous_day_last_segment == _DAY
        end = _ZERO if before else None
        for segment in self._counted(extended_market_hours):
            if segment.end > time and segment.start != end:
                return segment.start
            end = segment.end
        return None

    def get_market_close(
        self,
        time: timedelta,
        extended_market_hours: bool,
        next_day_segment_start: timedelta | None = None,
    ) -> timedelta | None:
        """End of the session that goes on or begins after a time of day; None if there is none."""
        counted = [s for s in self._counted(extended_market_hours) if s.end > time]
        for segment, following in zip(counted, [*counted[1:], None], strict=True):
            if following is None:
                goes_on = segment.end == _DAY and next_day_segment_start == _ZERO
            else:
                goes_on = segment.end == following.start
            if not goes_on:
                return segment.end
        return None

    def is_open(
        self,
        time: Any = None,
        end: Any = False,
        extended_market_hours: bool | None = None,
        *,
        start: Any = None,
    ) -> bool:
        """True if open: (time, extended_market_hours) or (start, end, extended_market_hours)."""
        start = time if start is None else start
        extended = bool(extended_market_hours)
        if not isinstance(end, timedelta):
            extended = end if extended_market_hours is None else extended
            end = start
        if start == end:
            return any(s.contains(start) for s in self._counted(extended))
        return any(s.overlaps(start, end) for s in self._counted(extended))

    def __str__(self) -> str:
        if self.is_closed_all_day:
            return "Closed All Day"
        if self.is_open_all_day:
            return "Open All Day"
        return f"{self.day_of_week.net_name}: {' | '.join(map(str, self.segments))}"
