"""Events of a security: days that are skipped as quiet have none."""

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

from engine.common.decimals import ONE
from engine.feed.auxiliary_files import FactorFile, FactorRow, MapFile
from engine.feed.subscriptions import SecurityEvents
from engine.market.symbols import SecurityIdentifier, Symbol

START = datetime(2020, 1, 1)
DAYS = [START + timedelta(days=n) for n in range(60)]


def _day(number):
    return START + timedelta(days=number)


def _events():
    config = SimpleNamespace(symbol=Symbol(SecurityIdentifier("AAA", 0), "NEW"))
    tickers = MapFile("NEW", [(_day(2), "OLD"), (_day(20), "OLD"), (_day(50), "NEW")])
    factors = FactorFile(
        [
            FactorRow(_day(5), Decimal("0.9"), Decimal("0.5"), Decimal(50)),
            FactorRow(_day(6), Decimal("0.95"), Decimal("0.5"), Decimal(50)),
            FactorRow(_day(30), ONE, Decimal("0.5"), Decimal(50)),
            FactorRow(_day(90), ONE, ONE, Decimal(0)),
        ]
    )
    return SecurityEvents(config, tickers, factors, _day(2))


def _told(skipping, days):
    events = _events()
    found = []
    for day in days:
        if not skipping or day >= events.quiet_before:
            found += [(day, type(e).__name__) for e in events.on(day, ONE)]
    return found


def test_quiet_days_have_no_events():
    everything = _told(False, DAYS)
    assert _told(True, DAYS) == everything
    assert everything == [
        (_day(6), "Dividend"),
        (_day(7), "Dividend"),
        (_day(21), "SymbolChangedEvent"),
        (_day(30), "Split"),
        (_day(31), "Split"),
        (_day(50), "Delisting"),
        (_day(51), "Delisting"),
    ]


def test_weekends_change_nothing():
    trading = [day for day in DAYS if day.weekday() < 5]
    assert _told(True, trading) == _told(False, trading)


def test_most_days_are_quiet():
    events = _events()
    asked = 0
    for day in DAYS:
        if day >= events.quiet_before:
            asked += 1
            list(events.on(day, ONE))
    assert asked < len(DAYS) / 3
