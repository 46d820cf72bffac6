"""Live trading gives the backtest's orders, whatever comes between two closes."""

import pytest

from tests.integration.live import Market, summed

START, END = (2010, 3, 1, 8), (2010, 4, 30, 20)
NIGHT, BEFORE_SENDING, BEFORE_OPEN, IN_SESSION = (22, 0), (9, 10), (9, 25), (11, 30)


@pytest.fixture
def market(tmp_path):
    return Market(tmp_path).write()


@pytest.mark.parametrize("mode", ["orders", "insights"])
def test_a_live_run_gives_the_backtests_orders(market, mode):
    wanted = market.backtest(trade_mode=mode)
    found = market.live(START, END, trade_mode=mode)
    assert found.error is None
    assert summed(found.algorithm.fills) == wanted
    assert len(wanted) > 20


def restarted(market, moments, **changes):
    """A run that ends and begins again at given moments, day by day in turn."""
    days = [day for day in market.days if (day.year, day.month, day.day) >= (2010, 3, 1)]
    days = [day for day in days if day.month in (3, 4)][1:]
    fills, begin = [], START
    for i, day in enumerate(days[::2]):
        hour, minute = moments[i % len(moments)]
        stop = (day.year, day.month, day.day, hour, minute)
        fills += market.live(begin, stop, **changes).algorithm.fills
        begin = (*stop, 30)
    return fills + market.live(begin, END, **changes).algorithm.fills


@pytest.mark.parametrize(
    "moments",
    [[NIGHT], [BEFORE_SENDING], [BEFORE_OPEN], [IN_SESSION],
     [NIGHT, IN_SESSION, BEFORE_OPEN, BEFORE_SENDING]],
)  # fmt: skip
def test_restarts_change_nothing(market, moments):
    """The brokerage is LEAN's, which forgets open orders; stops and cooldowns are at work."""
    wanted = market.backtest()
    assert summed(restarted(market, moments)) == wanted
    assert any("stop loss" in line or "daily stop" in line for line in market.log)
