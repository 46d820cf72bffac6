"""Exchange hours: sessions, holidays, early closes, neighbours."""

import json
from datetime import datetime, timedelta

import pytest

from engine.common.enums import DayOfWeek
from engine.market.market_hours import ExchangeHours, MarketHoursDatabase
from tests.engine.folder import HOURS

FRIDAY = datetime(2010, 1, 15)
TUESDAY = datetime(2010, 1, 19)


@pytest.fixture
def hours():
    return ExchangeHours(HOURS["entries"]["Equity-usa-[*]"], "the test's hours")


def test_the_close_is_shut_and_the_open_is_open(hours):
    assert hours.is_open(FRIDAY.replace(hour=9, minute=30))
    assert not hours.is_open(FRIDAY.replace(hour=16))
    assert not hours.is_open(FRIDAY.replace(hour=8))
    assert hours.is_open(FRIDAY.replace(hour=8), True)


def test_neighbours_step_over_weekend_and_holiday(hours):
    after_close = FRIDAY.replace(hour=16)
    assert hours.get_next_market_open(after_close) == TUESDAY.replace(hour=9, minute=30)
    assert hours.get_next_market_close(after_close) == TUESDAY.replace(hour=16)
    assert hours.get_previous_market_open(TUESDAY) == FRIDAY.replace(hour=9, minute=30)
    assert hours.get_next_trading_day(FRIDAY) == TUESDAY
    assert hours.get_previous_trading_day(TUESDAY) == FRIDAY
    assert list(hours.trading_days(FRIDAY, TUESDAY)) == [FRIDAY, TUESDAY]


def test_a_day_is_its_midnight(hours):
    day = FRIDAY.date()
    assert hours.get_next_market_open(day) == FRIDAY.replace(hour=9, minute=30)
    assert hours.get_next_market_close(day, False) == FRIDAY.replace(hour=16)
    assert hours.get_next_trading_day(day) == TUESDAY
    assert hours.is_date_open(day)
    assert not hours.is_open(day)


def test_leans_keywords_are_taken(hours):
    early, noon = FRIDAY.replace(hour=8), FRIDAY.replace(hour=12)
    assert hours.is_open(early, extended_market_hours=True)
    assert not hours.is_open(local_date_time=early, extended_market_hours=False)
    assert hours.is_open(early, noon, extended_market_hours=False)
    spans = {"start_local_date_time": early, "end_local_date_time": early + timedelta(hours=1)}
    assert hours.is_open(**spans, extended_market_hours=True)
    assert not hours.is_open(**spans, extended_market_hours=False)
    opening = hours.get_next_market_open(local_date_time=early, extended_market_hours=False)
    assert opening == FRIDAY.replace(hour=9, minute=30)
    assert hours.get_previous_market_open(noon, False, True) == opening
    assert (
        hours.get_next_market_close(noon, extended_market_hours=False, last_close=True).hour == 16
    )
    assert hours.get_next_trading_day(date=FRIDAY) == TUESDAY
    assert hours.get_market_hours(local_date_time=noon).is_open(
        time=timedelta(hours=8), extended_market_hours=True
    )
    assert hours.holidays.count == len(hours.holidays)


def test_early_closes(hours):
    day = datetime(2010, 1, 29)
    assert hours.get_next_market_close(day) == day.replace(hour=13)
    assert not hours.is_open(day.replace(hour=13))
    assert hours.daily_calendar(day.replace(hour=12)) == (
        day.replace(hour=9, minute=30),
        day.replace(hour=13),
    )


def test_utc_follows_daylight_saving(hours):
    assert hours.to_utc(datetime(2010, 1, 4, 16)) == datetime(2010, 1, 4, 21)
    assert hours.to_utc(datetime(2010, 7, 1, 16)) == datetime(2010, 7, 1, 20)
    assert hours.from_utc(datetime(2010, 7, 1, 20)) == datetime(2010, 7, 1, 16)


def test_bad_databases_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"market-hours-database\.json"):
        MarketHoursDatabase(tmp_path)
    (tmp_path / "market-hours").mkdir()
    path = tmp_path / "market-hours" / "market-hours-database.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="must be LEAN's JSON"):
        MarketHoursDatabase(tmp_path)
    path.write_text(json.dumps({"entries": {"Equity-usa-[*]": {"monday": 3}}}))
    with pytest.raises(ValueError, match="entry Equity-usa"):
        MarketHoursDatabase(tmp_path).equity_hours("SPY")


def test_a_days_hours_as_algorithms_read_them(hours):
    text = "Friday: PreMarket: 04:00:00-09:30:00 | Market: 09:30:00-13:00:00"
    assert str(hours.get_market_hours(datetime(2010, 1, 29))) == text
    assert str(hours.get_market_hours(datetime(2010, 1, 18))) == "Closed All Day"
    monday = hours.market_hours[DayOfWeek.MONDAY]
    assert monday.market_duration == timedelta(hours=6.5)
    assert monday.get_market_open(timedelta(hours=10), False) == timedelta(hours=9.5)
    assert monday.get_market_open(timedelta(hours=10), True) is None
    assert monday.get_market_close(timedelta(hours=10), True) == timedelta(hours=20)
    assert monday.get_market_close(timedelta(hours=10), False) == timedelta(hours=16)
    assert datetime(2010, 1, 18) in hours.holidays
    assert hours.early_closes[datetime(2010, 1, 29)] == timedelta(hours=13)
    # Of a span, as LEAN's other call asks.
    assert hours.is_open(FRIDAY, FRIDAY.replace(hour=10), False)
    assert not hours.is_open(FRIDAY, FRIDAY.replace(hour=9), False)
