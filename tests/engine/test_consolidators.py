"""Consolidators: where bars begin, when they are emitted, what they hold."""

from datetime import datetime, timedelta

import pytest

from engine.api.algorithm_consolidators import _Consolidate
from engine.feed.consolidators import IdentityDataConsolidator, SequentialConsolidator
from engine.feed.period_consolidators import (
    BaseDataConsolidator,
    Calendar,
    CalendarInfo,
    MarketHourAwareConsolidator,
    QuoteBarConsolidator,
    TradeBarConsolidator,
)
from engine.feed.price_bars import RenkoBar
from engine.feed.run_reference import reference_data
from engine.market.data import Bar, QuoteBar, TradeBar
from engine.market.market_hours import ExchangeHours
from tests.engine.folder import HOURS

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


@pytest.fixture
def run():
    """What a consolidator may ask of the run in progress."""
    hours = ExchangeHours(HOURS["entries"]["Equity-usa-[*]"], "the test's hours")
    with reference_data(lambda symbol: hours, lambda symbol: None):
        yield


def test_daily_bars_run_from_open_to_close(run):
    consolidator = MarketHourAwareConsolidator(True, DAY, TradeBar)
    seen = collect(consolidator)
    consolidator.update(bar(OPEN - HOUR, 50))  # before the open: left out
    for i in range(390):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    close = datetime(2013, 10, 7, 16)
    consolidator.scan(close)
    (made,) = seen
    assert (made.time, made.end_time) == (OPEN, close)
    assert (made.open, made.close, made.volume) == (100, 489.5, 3900)


def test_odd_periods_of_a_session_count_from_its_open_and_end_with_it(run):
    consolidator = MarketHourAwareConsolidator(True, 100 * MINUTE, TradeBar)
    seen = collect(consolidator)
    for i in range(390):
        consolidator.update(bar(OPEN + i * MINUTE, 100))
    consolidator.scan(datetime(2013, 10, 7, 16))
    assert len(seen) == 3  # LEAN leaves the last to the next day's first point
    consolidator.update(bar(OPEN + DAY, 100))
    assert [(made.time, made.period) for made in seen] == [
        (OPEN, 100 * MINUTE),
        (OPEN + 100 * MINUTE, 100 * MINUTE),
        (OPEN + 200 * MINUTE, 100 * MINUTE),
        (OPEN + 300 * MINUTE, 90 * MINUTE),
    ]


def test_periods_that_do_not_divide_a_day_lie_on_a_grid_from_the_year_1():
    consolidator = TradeBarConsolidator(100 * MINUTE)
    consolidator.update(bar(OPEN, 100))
    assert consolidator.working_bar.time == datetime(2013, 10, 7, 8, 40)  # as in LEAN


def test_long_anchored_bars_count_from_the_first_of_the_month():
    consolidator = TradeBarConsolidator(7 * DAY, start_time=HOUR)
    consolidator.update(bar(datetime(2013, 10, 16, 10), 100, DAY))
    assert consolidator.working_bar.time == datetime(2013, 10, 15, 1)


def test_a_calendar_function_must_look_back():
    with pytest.raises(ValueError, match="not a later one"):
        TradeBarConsolidator(lambda time: CalendarInfo(time + DAY, DAY))


def test_what_the_clock_emits_of_values_is_a_minute_long():
    consolidator = BaseDataConsolidator(5 * MINUTE)
    seen = collect(consolidator)
    consolidator.update(bar(OPEN, 100))
    consolidator.scan(OPEN + 5 * MINUTE)
    consolidator.update(bar(OPEN + 5 * MINUTE, 100))
    consolidator.update(bar(OPEN + 10 * MINUTE, 100))
    assert [made.period for made in seen] == [MINUTE, 5 * MINUTE]


def test_listeners_come_first_and_see_the_bar_before():
    consolidator = TradeBarConsolidator(2)
    calls = []
    consolidator.data_consolidated += lambda c, b: calls.append(("user", c.consolidated is b))
    consolidator.listeners += lambda c, b: calls.append(("engine", c.consolidated is b))
    consolidator.update(bar(OPEN, 100))
    consolidator.update(bar(OPEN + MINUTE, 100))
    assert calls == [("engine", False), ("user", True)]


def test_one_consolidator_feeds_another():
    consolidator = SequentialConsolidator(TradeBarConsolidator(2), TradeBarConsolidator(3))
    seen = collect(consolidator)
    for i in range(6):
        consolidator.update(bar(OPEN + i * MINUTE, 100 + i))
    (made,) = seen
    assert (made.time, made.end_time, made.volume) == (OPEN, OPEN + 6 * MINUTE, 60)
    with pytest.raises(ValueError, match="QuoteBar; received TradeBar"):
        SequentialConsolidator(TradeBarConsolidator(2), QuoteBarConsolidator(3))


def test_a_bar_of_quotes_has_the_value_of_the_last_one():
    consolidator = QuoteBarConsolidator(2)
    seen = collect(consolidator)
    bid, ask = Bar(9, 9, 9, 9), Bar(11, 11, 11, 11)
    consolidator.update(QuoteBar(OPEN, None, bid, 1, ask, 1))
    consolidator.update(QuoteBar(OPEN + MINUTE, None, bid, 1, None, 0))
    assert [(made.close, made.value, made.ask.close) for made in seen] == [(10, 9, 11)]


def test_identity_knows_its_kind():
    assert IdentityDataConsolidator[TradeBar]().input_type is TradeBar
    assert IdentityDataConsolidator[TradeBar] is IdentityDataConsolidator[TradeBar]


@pytest.mark.parametrize(
    "arguments",
    [
        ("SPY", 120, print),  # a size without a class
        (TradeBar, "SPY", HOUR, print),  # a class with a period
        (RenkoBar, "SPY", 0.5, print),  # no tick type
    ],
)
def test_calls_that_lean_has_not_are_refused(arguments):
    with pytest.raises(TypeError, match="No method matches given arguments for consolidate"):
        _Consolidate(None)(*arguments)
