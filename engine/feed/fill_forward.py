"""Repeating the last bar where an open market has none.

A gap is filled at the finest resolution that the algorithm subscribes to: next to a minute
subscription, a daily bar is repeated every minute. Repeated bars keep the length of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from engine.common.clock import round_down
from engine.common.enums import DelistingType, MarketDataType
from engine.market.data import BaseData, Delisting
from engine.market.market_hours import ExchangeHours

_HOUR = timedelta(hours=1)
_Interval = tuple[datetime, timedelta]


class FillForward:
    """Fills the gaps of one subscription.

    Args:
        hours: the exchange's.
        span: gives the resolution to fill at; it may change during a run.
        data_span: length of the subscription's bars.
        extended: whether the subscription wants extended hours.
        end: end of the subscription, exchange time.
        strict_daily: whether daily bars run from the open to the close.
    """

    def __init__(
        self,
        hours: ExchangeHours,
        span: Callable[[], timedelta],
        data_span: timedelta,
        extended: bool,
        end: datetime,
        strict_daily: bool,
    ) -> None:
        self._hours = hours
        self._span = span
        self._data_span = data_span
        self._extended = extended
        self._end = end
        self._strict = strict_daily

    def __call__(
        self, points: Iterator[BaseData], first: BaseData | None = None
    ) -> Iterator[BaseData]:
        """Yield the points with the repeated bars between them.

        Args:
            points: bars and auxiliary points in order.
            first: a bar before the first point, to fill from; not yielded.
        """
        previous, current, underlying = first, None, None
        delisted: datetime | None = None
        filling = False
        while True:
            if delisted is not None and (previous is None or previous.end_time >= delisted):
                return
            if current is not None and current.data_type != MarketDataType.AUXILIARY:
                previous = current
            if not filling:
                underlying = next(points, None)
                if underlying is None:
                    current = None if delisted is not None else self._after_end(previous, current)
                    if current is None:
                        return
                    yield current
                    continue
            point: BaseData = underlying  # type: ignore[assignment]
            if isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
                delisted = point.end_time
            if previous is None:
                current = point
                yield current
                continue
            repeated = self._repeated(previous, point)
            if repeated is not None:
                if previous.end_time >= self._end:
                    return
                filling = True
                current = repeated
            else:
                filling = False
                current = point
            yield current

    def _after_end(self, previous: BaseData | None, current: BaseData | None) -> BaseData | None:
        """Bar after the data ran out, None at the end of the subscription."""
        if previous is None or previous.end_time >= self._end:
            return None
        start, period = self._last_interval()
        last = _repeat(previous, start, start + period)
        repeated = self._repeated(previous, last)
        if repeated is not None:
            return repeated
        if not self._hours.is_open_during(last.time, last.end_time, self._extended):
            return None
        # An event may have come after the bar of that session.
        if last.end_time in (previous.end_time, current.end_time if current else None):
            return None
        return last

    def _last_interval(self) -> _Interval:
        if not self._strict:
            return round_down(self._end, self._data_span), self._data_span
        start, end = self._hours.daily_calendar(self._end)
        while end > self._end:
            start, end = self._hours.daily_calendar(start - timedelta(days=1))
        return start, end - start

    def _repeated(self, previous: BaseData, following: BaseData) -> BaseData | None:
        """Copy of `previous` that comes before `following`, None if there is no gap."""
        span = self._span()
        if following.end_time < previous.time or not self._is_gap(
            following.time - previous.time, span
        ):
            return None
        period = following.end_time - following.time
        if previous.is_fill_forward and (not self._strict or period <= _HOUR):
            rounded = round_down(following.time, period) if period else following.time
            if not self._is_gap(rounded - previous.time, span):
                return None
        length = self._data_span
        if self._strict:
            length = period
        elif not period:
            length = timedelta(0)
        following_end = following.time + length
        auxiliary = following.data_type == MarketDataType.AUXILIARY
        for start, step in self._intervals(previous.end_time, span):
            if not (self._strict and step > _HOUR):
                start = round_down(start, step)
            end = start + step
            if not (end < following_end or (auxiliary and end == following_end)):
                return None
            if self._hours.is_open_during(start, end, self._extended):
                return _repeat(previous, end - self._bar_length(start, end), end)
        return None

    def _is_gap(self, distance: timedelta, span: timedelta) -> bool:
        return distance > span or distance > self._data_span

    def _bar_length(self, start: datetime, end: datetime) -> timedelta:
        if not self._strict:
            return self._data_span
        inside = max(end - self._hours.regular_market_duration, start)
        session = self._hours.session(inside.date())
        return session.close - session.open if session is not None else timedelta(0)

    def _intervals(self, after: datetime, span: timedelta) -> Iterator[_Interval]:
        """Candidates for the next repeated bar, earliest end first."""
        hours, extended = self._hours, self._extended
        small, large = min(span, self._data_span), max(span, self._data_span)
        if small == large:
            if self._strict:
                opened = hours.get_next_market_open(after)
                yield self._calendar(opened)
                return
            if hours.is_open_during(after, after + small, extended):
                yield after, small
            yield hours.get_next_market_open(after, extended), small
            return
        found: list[_Interval] = []
        if hours.is_open_during(after, after + small, extended):
            if self._strict:
                found.append((after, small))
            else:
                yield after, small
        if self._strict:
            start, period = self._calendar(after)
            if after < start + period:
                found.append((start, period))
        else:
            start = round_down(after, large)
            if hours.is_open_during(start, start + large, extended):
                found.append((start, large))
        found.append((hours.get_next_market_open(after, extended), small))
        if self._strict:
            found.append(self._calendar(hours.get_next_market_open(after)))
        yield from sorted(found, key=lambda interval: interval[0] + interval[1])

    def _calendar(self, time: datetime) -> _Interval:
        start, end = self._hours.daily_calendar(time)
        return start, end - start


def _repeat(bar: BaseData, time: datetime, end_time: datetime) -> BaseData:
    copy = bar.clone(True)
    copy.time = time
    copy.end_time = end_time
    return copy
