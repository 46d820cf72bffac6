"""A security's sessions: what a day's bars add up to, and when the next day begins."""

from datetime import datetime, timedelta
from decimal import Decimal

from engine.account.session import Session
from engine.market.data import QuoteBar, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import SecurityIdentifier, Symbol
from tests.engine.folder import HOURS

HOUR = timedelta(hours=1)
SYMBOL = Symbol(SecurityIdentifier("ABC", 101), "ABC")


def bar(time, price, volume=10):
    prices = [Decimal(price + change) for change in (0, 2, -2, 1)]
    return TradeBar(time, SYMBOL, *prices, Decimal(volume), HOUR)


def test_sessions_add_bars_of_regular_hours_up_and_begin_anew_each_trading_day():
    now = [datetime(2010, 1, 15)]
    hours = ExchangeHours(HOURS["entries"]["Equity-usa-[*]"], "the test's hours")
    session = Session(hours, SYMBOL, lambda: now[0])
    session.update([bar(now[0].replace(hour=10), 100)])
    assert (session.count, session.open, str(session)) == (0, 0, "")  # none is kept yet
    session.size = 2
    assert (session.count, session.end_time, session[0].open) == (1, datetime.max, 0)
    friday = datetime(2010, 1, 15)
    early = [bar(friday.replace(hour=hour), 90) for hour in (7, 8)]
    session.update([*early, bar(friday.replace(hour=9), 100), bar(friday.replace(hour=10), 104)])
    session.update([QuoteBar(friday.replace(hour=11), SYMBOL, period=HOUR)])
    session.update([bar(friday.replace(hour=10), 200)])  # it came before
    assert str(session) == "O: 100 H: 106 L: 98 C: 105 V: 20 OI: 0"
    assert (session[0].time, session.end_time) == (friday, friday + timedelta(1))
    now[0] = friday + timedelta(1)
    session.scan()
    # Monday is a holiday.
    assert (session[0].time, session[0].close, session[1].close) == (datetime(2010, 1, 19), 0, 105)
    session.update([bar(datetime(2010, 1, 19, 10), 50)])
    assert (session.open, session.samples, session.is_ready) == (50, 2, True)
    session.reset()
    assert (session.count, session.open) == (1, 0)
