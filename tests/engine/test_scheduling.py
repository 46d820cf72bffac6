"""Date and time rules against a slow count over all days."""

from datetime import datetime, timedelta
from itertools import groupby, islice

import pytest

from engine.api.scheduling import DateRules, TimeRules
from engine.market.market_hours import ExchangeHours
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
    return [
        kind(lambda symbol: hours, lambda: START, lambda: "America/New_York")
        for kind in (DateRules, TimeRules)
    ]


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


def test_offsets_out_of_range_are_refused(rules):
    with pytest.raises(ValueError, match=r"0\.\.6; received 9"):
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
