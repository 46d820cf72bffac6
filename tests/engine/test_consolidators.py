"""Consolidators: where bars begin, when they are emitted, what they hold."""

from datetime import datetime, timedelta

import pytest

from engine.feed.consolidators import (
    BaseDataConsolidator,
    Calendar,
    ClassicRenkoConsolidator,
    IdentityDataConsolidator,
    MarketHourAwareConsolidator,
    TradeBarConsolidator,
)
from engine.market.data import TradeBar

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPEN = datetime(2013, 10, 7, 9, 30)


def bar(start, price, span=MINUTE, volume=10):
    return TradeBar(start, None, price, price + 1, price - 1, price + 0.5, volume, span)


def collect(consolidator):
    seen = []
    consolidator.data_consolidated += lambda _, made: seen.append(made)
    return seen


def test_bars_are_rounded_down_and_emitted_by_the_next_point():
    consolidator = TradeBarConsolidator(5 * MINUTE)
    seen = collect(consolidator)
    for i in range(5):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    assert seen == []
    consolidator.update(bar(OPEN + 5 * MINUTE, 200))
    (made,) = seen
    assert (made.time, made.end_time) == (OPEN, OPEN + 5 * MINUTE)
    assert (made.open, made.high, made.low, made.close) == (100, 105, 99, 104.5)
    assert made.volume == 50
    assert consolidator.consolidated is made


def test_the_clock_emits_too():
    consolidator = TradeBarConsolidator(5 * MINUTE)
    seen = collect(consolidator)
    consolidator.update(bar(OPEN, 100))
    consolidator.scan(OPEN + 4 * MINUTE)
    assert seen == []
    consolidator.scan(OPEN + 5 * MINUTE)
    assert [made.close for made in seen] == [100.5]
    assert consolidator.working_data is None


def test_a_count_emits_with_its_last_point():
    consolidator = TradeBarConsolidator(3)
    seen = collect(consolidator)
    for i in range(7):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    assert [(made.open, made.close) for made in seen] == [(100, 102.5), (103, 105.5)]


def test_bars_may_start_at_a_time_of_day():
    consolidator = TradeBarConsolidator(HOUR, start_time=timedelta(hours=9, minutes=30))
    seen = collect(consolidator)
    for i in range(61):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    assert [(made.time, made.close) for made in seen] == [(OPEN, 159.5)]


def test_weeks_begin_on_monday():
    consolidator = TradeBarConsolidator(Calendar.WEEKLY)
    seen = collect(consolidator)
    monday = datetime(2013, 10, 7)
    for i in (0, 1, 4, 7):
        consolidator.update(bar(monday + i * DAY, 100 + i, DAY))
    (made,) = seen
    assert (made.time, made.end_time) == (monday, monday + 7 * DAY)
    assert made.close == 104.5
    assert Calendar.monthly(datetime(2012, 2, 9)).period == 29 * DAY
    assert Calendar.quarterly(datetime(2012, 2, 9)).start == datetime(2012, 1, 1)


def test_values_become_bars():
    consolidator = BaseDataConsolidator(2 * MINUTE)
    seen = collect(consolidator)
    for i in range(3):
        consolidator.update(bar(OPEN + i * MINUTE, 100 - i))
    assert (seen[0].open, seen[0].low) == (100.5, 99.5)


def test_identity_passes_each_end_once():
    consolidator = IdentityDataConsolidator()
    seen = collect(consolidator)
    first = bar(OPEN, 100)
    consolidator.update(first)
    consolidator.update(bar(OPEN, 101))
    assert seen == [first]


def test_bars_longer_than_the_period_are_refused():
    with pytest.raises(ValueError, match="cannot be consolidated"):
        TradeBarConsolidator(MINUTE).update(bar(OPEN, 100, HOUR))


class Hours:
    """Sessions from 9:30 to 16:00."""

    def is_open(self, time, extended):
        return timedelta(hours=9.5) <= time - datetime(time.year, time.month, time.day) < 16 * HOUR

    def is_open_during(self, start, end, extended):
        return self.is_open(start, extended) or self.is_open(end - MINUTE, extended)

    def daily_calendar(self, time):
        day = datetime(time.year, time.month, time.day)
        return day + timedelta(hours=9.5), day + timedelta(hours=16)


def test_daily_bars_run_from_open_to_close():
    consolidator = MarketHourAwareConsolidator(Hours(), DAY)
    seen = collect(consolidator)
    consolidator.update(bar(OPEN - HOUR, 50))  # before the open: left out
    for i in range(390):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    close = datetime(2013, 10, 7, 16)
    consolidator.scan(close)
    (made,) = seen
    assert (made.time, made.end_time) == (OPEN, close)
    assert (made.open, made.close, made.volume) == (100, 489.5, 3900)


def test_renko_bars_close_when_the_brick_is_filled():
    consolidator = ClassicRenkoConsolidator(1, lambda point: point.close)
    seen = collect(consolidator)
    for i, price in enumerate([10.1, 10.6, 11.2, 13.5, 13.4, 11.9]):
        made = bar(OPEN + i * MINUTE, price)
        made.close = price
        consolidator.update(made)
    assert [(made.open, made.close) for made in seen] == [(11, 12), (12, 13), (13, 12)]
    with pytest.raises(ValueError, match="bar_size"):
        ClassicRenkoConsolidator(0)
