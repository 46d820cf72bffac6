"""Date and time rules against a slow count over all days."""

from datetime import datetime, timedelta
from itertools import groupby, islice
from types import SimpleNamespace

import pytest

from engine.api.schedule_rules import DateRules, TimeRules
from engine.api.scheduling import ScheduledEvent, ScheduleManager
from engine.common.enums import SecurityType
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Market, Symbol
from tests.engine.folder import HOURS

START, END = datetime(2010, 1, 1), datetime(2010, 12, 31)
PERIODS = {
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: day.month,
    "quarter": lambda day: (day.month - 1) // 3,
    "year": lambda day: day.year,
}
DAYS = [START + timedelta(n) for n in range(365)]


@pytest.fixture
def hours():
    return ExchangeHours(HOURS["entries"]["Equity-usa-[*]"], "the test's hours")


@pytest.fixture
def rules(hours):
    algorithm = SimpleNamespace(
        qc_hours_of=lambda symbol: hours,
        qc_default_hours=hours,
        utc_time_naive=START,
        time_zone="America/New_York",
        qc_create_symbol=lambda ticker: Symbol.create(ticker, SecurityType.EQUITY, Market.USA),
        debug=lambda message: None,
    )
    return [DateRules(algorithm), TimeRules(algorithm)]


@pytest.mark.parametrize("edge", ["start", "end"])
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("offset", [0, 2])
def test_periods_on_trading_days(hours, rules, period, edge, offset):
    trading = [day for day in DAYS if hours.is_date_open(day)]
    groups = [list(group) for _, group in groupby(trading, PERIODS[period])]
    # A week cut by the year's ends has its edge elsewhere; compare the weeks within.
    whole = groups[1:-1] if period == "week" else groups
    at = offset if edge == "start" else -1 - offset
    expected = [group[at] for group in whole]
    got = list(getattr(rules[0], f"{period}_{edge}")("ABC", offset).get_dates(START, END))
    assert [day for day in got if whole[0][0] <= day <= whole[-1][-1]] == expected


def test_periods_without_an_exchange_are_calendar_days(rules):
    dates = rules[0]
    assert list(islice(dates.month_end().get_dates(START, END), 2)) == [
        datetime(2010, 1, 31),
        datetime(2010, 2, 28),
    ]
    assert list(islice(dates.week_start().get_dates(START, END), 2)) == [
        datetime(2010, 1, 4),
        datetime(2010, 1, 11),
    ]


def test_a_week_without_an_exchange_ends_on_friday(rules):
    ends = rules[0].week_end().get_dates(datetime(2013, 12, 21), datetime(2014, 1, 5))
    assert list(ends) == [datetime(2013, 12, 27), datetime(2014, 1, 3)]
    before = rules[0].week_end(2).get_dates(datetime(2013, 12, 20), datetime(2013, 12, 27))
    assert list(before) == [datetime(2013, 12, 25)]


def test_rules_are_named_as_in_lean(rules):
    dates, times = rules
    names = [dates.week_end("ABC", 2), dates.every_day("ABC"), times.at(12, 30), times.at(9, 0)]
    assert [rule.name for rule in names] == ["ABC: WeekEnd-2", "ABC: EveryDay", "12.5", "9"]
    around = [times.after_market_open("ABC", 5), times.before_market_close("ABC")]
    assert [rule.name for rule in around] == [
        "ABC: 5 min after MarketOpen",
        "ABC: 0 min after MarketClose",
    ]
    assert times.before_market_close(10, True).name == "10 min before ExtendedMarketClose"


def test_events_of_one_time_fire_where_lean_s_search_puts_them():
    """LEAN looks by halves for an event of the same time and puts the event that fired behind."""
    start = datetime(2013, 10, 7)
    day, log = timedelta(days=1), []
    schedule = ScheduleManager(None, None, lambda: start, None)
    for name in "abcde":
        times = [start + n * day for n in range(1, 4)]
        schedule.add(ScheduledEvent(name, times, lambda name, _: log.append(name)))
    schedule.start()
    for n in range(1, 4):
        schedule.fire_due(start + n * day)
    # Day 1: a goes last, b behind it, c behind a, which is met first, d and e likewise; e, which is
    # then as early as the rest, stays in front.
    assert "".join(log) == "abcde" + "eadcb" + "becda"


def test_what_a_callback_adds_waits_for_the_next_call():
    now, log = datetime(2013, 10, 7), []
    schedule = ScheduleManager(None, None, lambda: now, None)
    late = ScheduledEvent("late", now, lambda name, _: log.append(name))
    schedule.add(ScheduledEvent("early", now, lambda name, _: schedule.add(late)))
    schedule.start()
    schedule.fire_due(now)
    assert log == []
    schedule.fire_due(now)
    assert log == ["late"]


def test_a_schedule_in_words(rules, hours):
    now, log = datetime(2010, 1, 15, 12), []
    schedule = ScheduleManager(*rules, lambda: now, lambda _, time, __: time.hour < 21)
    schedule.start()
    event = schedule.event("talk").every_day("ABC").at(10, 0).at(15, 0).at(17, 0)
    event = event.during_market_hours("ABC").run(lambda time: log.append(time.hour))
    assert event.name == "talk"
    schedule.fire_due(now + timedelta(days=1))
    assert log == [15, 20]


def test_offsets_out_of_range_are_refused(rules):
    with pytest.raises(ValueError, match=r"Monday\+9 is out of range for ABC"):
        rules[0].week_start("ABC", 9)


def test_times_are_utc_and_skip_closed_days(rules):
    times = rules[1]
    days = [datetime(2010, 1, 15), datetime(2010, 1, 16), datetime(2010, 1, 29)]
    opened = times.after_market_open("ABC", 5).create_utc_event_times(days)
    closed = times.before_market_close("ABC", 5).create_utc_event_times(days)
    assert list(opened) == [datetime(2010, 1, 15, 14, 35), datetime(2010, 1, 29, 14, 35)]
    assert list(closed) == [datetime(2010, 1, 15, 20, 55), datetime(2010, 1, 29, 17, 55)]
    summer = times.at(12, 30).create_utc_event_times([datetime(2010, 7, 1)])
    assert list(summer) == [datetime(2010, 7, 1, 16, 30)]
