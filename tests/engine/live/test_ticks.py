"""Trades of a replayed day: they add up to its bar."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engine.live.ticks import replayed
from engine.market.data import TradeBar
from engine.market.market_hours import Session
from engine.market.symbols import Symbol


def session(close=16):
    day = datetime(2013, 6, 28)
    opened, closed = day + timedelta(hours=9.5), day + timedelta(hours=close)
    return Session(opened, closed, opened, closed)


def bar(opened, high, low, close, volume):
    start = datetime(2013, 6, 28)
    return TradeBar(start, Symbol.EMPTY, opened, high, low, close, volume, timedelta(days=1))


@pytest.mark.parametrize("close", [16, 13])
@pytest.mark.parametrize(
    "whole",
    [
        bar(391.31, 400.27, 388.87, 396.08, 16302273),
        bar(5, 5, 5, 5, 7),
        bar(10, 10.004, 10, 10.001, 1499),
        bar(2, 3, 1, 2, 0),
    ],
)
def test_trades_add_up_to_the_bar(whole, close):
    ticks = list(replayed(whole, session(close)))
    times = [tick.time for tick in ticks]
    assert times == sorted(times)
    assert session(close).open < times[0]
    assert times[-1] < session(close).close
    prices = [tick.price for tick in ticks]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (
        whole.open_exact,
        whole.high_exact,
        whole.low_exact,
        whole.value_exact,
    )
    assert sum(tick.size for tick in ticks) == whole.volume_exact
    assert min(tick.size for tick in ticks) >= 0


def test_what_is_left_of_a_session_is_what_lean_saw():
    """LEAN, started at 15:40 of this day, got the bar 396.85 396.85 391.15 396.08 8150238."""
    whole = bar(391.31, 400.27, 388.87, 396.08, 16302273)
    late = datetime(2013, 6, 28, 15, 40)
    rest = [tick for tick in replayed(whole, session()) if tick.time > late]
    prices = [tick.price for tick in rest]
    assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(
        Decimal(text) for text in ("396.85", "396.85", "391.15", "396.08")
    )
    assert sum(tick.size for tick in rest) == 8150238
