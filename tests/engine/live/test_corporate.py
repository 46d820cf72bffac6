"""Corporate events of a span of days."""

from datetime import datetime, timedelta

import pytest

from engine.common.enums import Resolution, SecurityType, TickType
from engine.feed.subscriptions import SecurityEvents
from engine.live.corporate import events_between
from engine.market.data import SubscriptionDataConfig
from engine.market.symbols import Symbol
from engine.run.runner import make_context
from tests.engine.folder import flat, write_folder

DAY = timedelta(days=1)
FACTORS = (
    "20100104,0.9,0.25,1\n20100115,0.9,0.25,100\n20100119,0.95,0.5,40\n20100203,0.95,1,40\n"
    "20501231,1,1,0\n"
)


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Days and values of the events of a span; counts the days that were looked at."""
    write_folder(tmp_path, {"ABC": flat(40, 30)}, factors={"ABC": FACTORS})
    context = make_context(tmp_path, tmp_path / "store", {})
    symbol = Symbol.create("ABC", SecurityType.EQUITY, "usa")
    config = SubscriptionDataConfig(symbol, Resolution.DAILY, TickType.TRADE)
    looked, on = [], SecurityEvents.on

    def counting(self, day, price):
        looked.append(day)
        return on(self, day, price)

    monkeypatch.setattr(SecurityEvents, "on", counting)

    def of(first, last):
        looked.clear()
        points = list(events_between(config, context.sources, first, last))
        return [(day, type(point), point.value) for day, point in points], len(looked)

    return of


def test_a_span_has_the_events_of_its_days(found):
    begin, end = datetime(2010, 1, 10), datetime(2010, 2, 8)
    days = [begin + n * DAY for n in range((end - begin).days)]
    one_by_one = [event for day in days for event in found(day, day + DAY)[0]]
    assert [day.day for day, *_ in one_by_one] == [15, 16, 16, 19, 20, 4]
    for day in days:
        assert found(day, end)[0] == [event for event in one_by_one if event[0] > day]


def test_ten_years_are_looked_at_as_fast_as_a_month(found):
    events, looked = found(datetime(2009, 12, 1), datetime(2019, 12, 1))
    assert len(events) == 6
    assert looked <= 12
