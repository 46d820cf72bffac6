"""Live trading gives the backtest's orders, whatever comes between two closes."""

import itertools
from datetime import date, datetime
from decimal import Decimal

import pytest

from engine.live.brokerage import Position
from tests.integration.live import FIRST, MAIN, SYMBOLS, Market, summed

START, END = (2010, 3, 1, 8), (2010, 4, 16, 20)
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
    assert len(wanted) > 15


def restarted(market, moments, **changes):
    """A run that ends and begins again at given moments, day by day in turn."""
    days = [day for day in market.days if (day.year, day.month, day.day) >= (2010, 3, 1)]
    days = [day for day in days if day < date(*END[:3])][1:]
    fills, begin = [], START
    for i, day in enumerate(days[::2]):
        hour, minute = moments[i % len(moments)]
        stop = (day.year, day.month, day.day, hour, minute)
        fills += market.live(begin, stop, **changes).algorithm.fills
        begin = (*stop, 30)
    return fills + market.live(begin, END, **changes).algorithm.fills


@pytest.mark.parametrize(
    "moments",
    [
        *(pytest.param([one], marks=pytest.mark.slow)
          for one in (NIGHT, BEFORE_SENDING, BEFORE_OPEN, IN_SESSION)),
        [NIGHT, IN_SESSION, BEFORE_OPEN, BEFORE_SENDING],
    ],
)  # fmt: skip
def test_restarts_change_nothing(market, moments):
    """The brokerage is LEAN's, which forgets open orders; stops and cooldowns are at work."""
    wanted = market.backtest()
    assert summed(restarted(market, moments)) == wanted
    assert any("stop loss" in line or "daily stop" in line for line in market.log)


def test_a_close_that_was_decided_on_and_not_ended_is_decided_again(market):
    """A run that is killed at the close goes back to before it, its state does not."""
    wanted = market.backtest()
    fills, begin = [], START
    for day in (3, 10, 17, 24):
        fills += market.live(begin, (2010, 3, day, 16, 3)).algorithm.fills
        begin = (2010, 3, day, 12)
    assert summed(fills + market.live(begin, END).algorithm.fills) == wanted
    assert not any("another run's" in line for line in market.log)
    assert not any("begin anew" in line for line in market.log)


def test_a_training_that_was_missed_comes_at_the_start(tmp_path):
    monthly = MAIN.replace(
        "tests.integration.live import LiveScript",
        "tests.integration.kills import MonthlyScript",
    ).replace("LiveScript", "MonthlyScript")
    whole = Market(tmp_path / "whole", main=monthly)
    parts = Market(tmp_path / "parts", main=monthly)
    for market in (whole, parts):
        market.root.mkdir()
        market.write()
    fills = parts.live(START, (2010, 4, 1, 7, 30)).algorithm.fills
    fills += parts.live((2010, 4, 1, 8, 30), END).algorithm.fills
    assert sum("training of 2010-04-01 08:00:00 was missed" in line for line in parts.log) == 1
    assert summed(fills) == summed(whole.live(START, END).algorithm.fills)


def test_a_broker_that_takes_orders_in_the_morning_only_takes_them(market):
    """Alpaca refuses orders for the open before 19:00, TradeStation before 6:00."""
    wanted = market.backtest()
    market.rewrite(
        "super().initialize()",
        "super().initialize()\n"
        "        self.set_brokerage_model(BrokerageName.ALPACA, AccountType.MARGIN)",
    )
    found = market.live(START, END)
    fills = summed(found.algorithm.fills)
    turned = [line for line in market.log if "is closed, and the next close decides" in line]
    assert turned
    assert not any("submission time is invalid" in line for line in market.log)
    # Up to the first position that is turned round, which these brokers do in two steps.
    until = datetime.fromisoformat(turned[0][:10]).date()
    before = [fill for fill in wanted if fill[0] < until]
    assert before
    assert [fill for fill in fills if fill[0] < until] == before
    held: dict[str, float] = {}
    for _, name, quantity, _ in fills:
        after = held.get(name, 0.0) + quantity
        assert held.get(name, 0.0) * after >= 0
        held[name] = after
    assert len({name for name, quantity in held.items()}) == len(SYMBOLS)


def test_a_scheduled_event_that_is_run_again_sends_nothing_twice(market):
    wanted = market.backtest()
    market.rewrite(
        "    def on_order_event",
        "    def _send(self):\n"
        "        super()._send()\n"
        "        super()._send()\n\n"
        "    def on_order_event",
    )
    assert summed(market.live(START, END).algorithm.fills) == wanted


def test_a_start_in_the_session_does_not_trade_on_part_of_a_day(market):
    """The host's history has the day's bar at the close, whole; LEAN's providers may not."""
    wanted = market.backtest()
    assert summed(market.live((2010, 3, 1, 15, 40), END).algorithm.fills) == wanted


def test_part_of_a_day_that_history_does_not_have_yet_is_not_decided_on(market):
    market.rewrite(
        "    def on_order_event",
        "    def _live_desk(self, warm_up):\n"
        "        made = super()._live_desk(warm_up)\n"
        "        made.bars._from_history = lambda symbol, bar: None\n"
        "        return made\n\n"
        "    def on_order_event",
    )
    found = market.live((2010, 3, 1, 15, 40), (2010, 3, 2, 12))
    assert found.algorithm.fills == []
    said = [line for line in market.log if "of a part of its session" in line]
    assert [line[:10] for line in said] == ["2010-03-01"] * len(SYMBOLS)
    assert market.live((2010, 3, 2, 12, 1), (2010, 4, 2, 12)).algorithm.fills


def test_closes_that_passed_while_nothing_ran_are_named_but_the_last_which_is_decided(market):
    """Each bar comes back from history; the open of the last close is still to come."""
    market.live(START, (2010, 3, 10, 8))
    market.live((2010, 3, 12, 8), END)
    said = "\n".join(market.log)
    assert "a close passed without a decision, 2010-03-10; positions stayed" in said
    assert "the close of 2010-03-11 16:00:00 had no decision; its open is still to come" in said


@pytest.mark.parametrize("mode", ["orders", "insights"])
def test_closes_that_nobody_saw_are_decided_at_the_next_start(market, mode):
    """Down over many a close, by some minutes, and up again before the sending or in the night."""
    wanted = market.backtest(trade_mode=mode)
    fills, begin = [], START
    for i, day in enumerate((2, 3, 5, 9, 12, 18, 24, 31)):
        stop = (2010, 3, day, 15, 59)
        fills += market.live(begin, stop, trade_mode=mode).algorithm.fills
        begin = [(2010, 3, day, 16, 1), (2010, 3, day, 23), (2010, 3, day + 1, 9, 19)][i % 3]
        begin = (2010, 4, 1, 9, 19) if begin == (2010, 3, 32, 9, 19) else begin
    fills += market.live(begin, END, trade_mode=mode).algorithm.fills
    assert sum("and it has one now" in line for line in market.log) == 8
    assert summed(fills) == wanted


def test_a_decision_that_fails_costs_that_decision_and_three_of_them_everything(market):
    market.backtest()
    market.rewrite(
        "    def on_order_event",
        "    def on_decision(self, decision, weights):\n"
        "        if (self.time.month, self.time.day) in ((3, 10), (3, 15), (3, 16), (3, 17)):\n"
        "            raise RuntimeError('the agent is ill')\n\n"
        "    def on_order_event",
    )
    found = market.live(START, (2010, 3, 18, 12))
    assert found.algorithm.fills
    said = [line for line in market.log if "failed, no new orders: RuntimeError: the agent" in line]
    assert [line[:10] for line in said] == ["2010-03-10", "2010-03-15", "2010-03-16", "2010-03-17"]
    assert sum("decisions in a row failed: everything is sold" in x for x in market.log) == 1
    assert not market.holdings
    assert market.live((2010, 3, 18, 12, 1), (2010, 4, 1, 12)).algorithm.fills


def test_the_kill_switch_sells_everything_and_buys_nothing_until_it_is_off(market):
    from engine.api.object_store import ObjectStore

    market.live(START, (2010, 3, 10, 12))
    assert market.holdings
    store = ObjectStore(market.root / "store")
    store.save("mirage-live/kill-switch", "on")
    market.live((2010, 3, 10, 12, 1), (2010, 3, 11, 12))
    assert not market.holdings
    assert market.live((2010, 3, 11, 12, 1), (2010, 3, 25, 12)).algorithm.fills == []
    store.save("mirage-live/kill-switch", "off")
    assert market.live((2010, 3, 25, 12, 1), (2010, 4, 15, 12)).algorithm.fills
    said = [line for line in market.log if "the kill switch" in line]
    assert ["is on" in line for line in said] == [True, False]


def test_an_account_that_was_lost_is_said_with_what_brings_it_back(market):
    market.live(START, (2010, 3, 10, 12))
    held, market.holdings, market.cash = market.holdings, {}, None
    market.live((2010, 3, 10, 12, 1), (2010, 3, 10, 13))
    name, position = next(iter(held.items()))
    said = "\n".join(market.log)
    assert f"{name}: the broker holds 0, the saved state has {float(position.quantity):g}" in said
    assert "deploy with --live-cash-balance USD:" in said
    assert f":{float(position.quantity):g}:{float(position.average_price):.10g}" in said


def test_a_state_that_is_broken_stops_the_start(market):
    market.live(START, (2010, 3, 10, 12))
    for path in (market.root / "store" / "mirage-live").glob("default-*.json"):
        path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    with pytest.raises(RuntimeError, match="the saved state cannot be read"):
        market.live((2010, 3, 10, 12, 1), (2010, 3, 11, 12))


@pytest.mark.parametrize(("came", "what"), [(-20_000, "withdrawal"), (20_000, "deposit")])
def test_money_that_comes_or_goes_is_no_gain_and_no_loss(market, came, what):
    market.live(START, (2010, 3, 5, 12), daily_stop="0.05", stop_loss="off")
    market.cash += came
    market.log.clear()
    market.live((2010, 3, 5, 12, 1), (2010, 3, 8, 8), daily_stop="0.05", stop_loss="off")
    said = [line for line in market.log if "20000.00 $" in line]
    assert [line[:16] for line in said] == ["2010-03-05 12:01"]
    assert f"a {what} of 20000.00 $" in said[0]
    assert not any("daily stop" in line for line in market.log)


def test_shares_that_somebody_sold_are_told_from_money_that_came(market):
    """200 shares are sold at noon, while nothing runs, for about what a bar of today says."""
    market.live(START, (2010, 3, 10, 12), daily_stop="0.05", stop_loss="off")
    name, held = next((n, p) for n, p in market.holdings.items() if p.quantity > 300)
    row = market.bars[name][market.days.index(date(2010, 3, 10))]
    market.holdings[name] = Position(held.quantity - 200, held.average_price)
    market.cash += 200 * Decimal(str((row[1] + row[2]) / 2))
    market.log.clear()
    market.live((2010, 3, 10, 22), (2010, 3, 11, 22), daily_stop="0.05", stop_loss="off")
    said = "\n".join(market.log)
    assert f"{name}: 200 shares were sold without an order of ours while nothing ran, for" in said
    assert f"by the bars that nobody saw, {row[2]:g} to {row[1]:g} $ a share, so money" in said
    assert "deposit" not in said
    assert "withdrawal" not in said
    assert "daily stop" not in said


def test_shares_that_were_carried_away_are_a_withdrawal_of_their_worth(market):
    market.live(START, (2010, 3, 10, 12), daily_stop="0.05", stop_loss="off")
    name, held = next((n, p) for n, p in market.holdings.items() if p.quantity > 300)
    del market.holdings[name]
    market.log.clear()
    market.live((2010, 3, 10, 22), (2010, 3, 11, 22), daily_stop="0.05", stop_loss="off")
    row = market.bars[name][market.days.index(date(2010, 3, 10))]
    worth = float(held.quantity) * (row[1] + row[2]) / 2
    (said,) = [line for line in market.log if "a withdrawal of" in line]
    assert float(said.split("withdrawal of ")[1].split(" ")[0]) == pytest.approx(worth, rel=0.01)
    assert not any("daily stop" in line for line in market.log)


def test_a_dividend_while_nothing_ran_is_told_from_a_deposit(tmp_path):
    """Half a dollar a share, gone from the price at the open of 2010-03-11."""
    market, day = Market(tmp_path), date(2010, 3, 10)
    close = market.bars["AAA"][market.days.index(day)][3]
    factor = 1 - 0.5 / close
    market.write(factors={
        "AAA": f"{FIRST:%Y%m%d},{factor:.7f},1,1\n{day:%Y%m%d},{factor:.7f},1,{close}\n"
        "20501231,1,1,0\n"
    })  # fmt: skip
    market.live(START, (2010, 3, 10, 22))
    held = float(market.holdings["AAA"].quantity)
    assert held
    market.cash += Decimal(str(0.5 * held)) + 10_000
    market.log.clear()
    market.live((2010, 3, 11, 8, 30), (2010, 3, 11, 22))
    (paid,) = [line for line in market.log if "AAA: a dividend of about 0.5 $ a share" in line]
    assert float(paid.rsplit(", ", 1)[1].split(" ")[0]) == pytest.approx(0.5 * held, rel=1e-3)
    (came,) = [line for line in market.log if "a deposit of" in line]
    assert float(came.split("deposit of ")[1].split(" ")[0]) == pytest.approx(10_000, abs=1)


def test_positions_of_others_take_no_part(market):
    """With half of the account, everything is half as large."""
    whole = market.backtest(cash="50000")
    half = market.live(START, END, account_share="0.5").algorithm.fills
    sizes = [abs(quantity) for _, _, quantity, _ in summed(half)]
    assert max(sizes) <= 1.1 * max(abs(quantity) for _, _, quantity, _ in whole)
    assert len(sizes) >= 0.5 * len(whole)


def test_money_that_leaves_overnight_makes_the_orders_of_the_morning_smaller(market):
    """Sized at the close on 100,000 $, sent for a quarter of it: the caps are of what is there."""
    market.parameters |= {"stop_loss": "off", "daily_stop": "off"}
    market.live(START, (2010, 3, 1, 22))
    market.cash -= 75_000
    found = market.live((2010, 3, 1, 22, 1), (2010, 3, 2, 12))
    said = [line for line in market.log if "shares are to be held, not the" in line]
    assert said
    assert {line[:16] for line in said} == {"2010-03-02 09:20"}
    cap = float(found.algorithm._rules.caps[0])
    for _, _, quantity, price in summed(found.algorithm.fills):
        # The gap of the open comes on top.
        assert 0.9 * cap * 25_000 < abs(quantity) * price < 1.1 * cap * 25_000


def test_what_cannot_be_borrowed_is_not_sold_short_until_the_next_close(market):
    wanted = market.backtest()
    market.rewrite(
        "    def on_order_event",
        "    def shortable(self, symbol, quantity=0, updating=None):\n"
        "        return symbol.value != 'BBB'\n\n"
        "    def on_order_event",
    )
    fills = summed(market.live(START, END).algorithm.fills)
    said = [line for line in market.log if "cannot be borrowed" in line]
    assert said
    assert all("BBB" in line and line[11:16] == "09:20" for line in said)
    held = {}
    for _, name, quantity, _ in fills:
        held[name] = held.get(name, 0.0) + quantity
        assert name != "BBB" or held[name] >= 0.0
    assert any(name == "CCC" and quantity < 0 for _, name, quantity, _ in fills)
    first = datetime.fromisoformat(said[0][:10]).date()
    before = [fill for fill in wanted if fill[0] < first]
    assert [fill for fill in fills if fill[0] < first] == before


@pytest.mark.parametrize("at", [(9, 29), pytest.param((9, 29, 59), marks=pytest.mark.slow)])
def test_a_start_after_the_sending_and_before_the_open_sends_at_once(market, at):
    """LEAN's default model takes an order for the open until it is there."""
    wanted = market.backtest()
    days = [d for d in market.days if date(2010, 3, 1) <= d <= date(2010, 4, 1)]
    fills, begin = [], START
    for day, morning in list(itertools.pairwise(days))[::3]:
        fills += market.live(begin, (day.year, day.month, day.day, 22)).algorithm.fills
        begin = (morning.year, morning.month, morning.day, *at)
    assert summed(fills + market.live(begin, END).algorithm.fills) == wanted


SPLIT = date(2010, 3, 24)


def split_market(tmp_path, *, told=True):
    """AAA is split two for one after a close in March 2010; or only its price is halved."""
    made = Market(tmp_path)
    lines = made.halve("AAA", SPLIT)
    return made.write(factors={"AAA": lines} if told else {})


def test_a_split_while_nothing_ran_scales_what_is_pending(tmp_path):
    """Stopped in the evening, started after the split and before the sending."""
    market = split_market(tmp_path)
    whole = Market(tmp_path / "whole")
    whole.root.mkdir()
    whole.write(factors={"AAA": whole.halve("AAA", SPLIT)})
    for each in (market, whole):
        each.rewrite("options.run.seed)", "7)")
    wanted = summed(whole.live(START, END).algorithm.fills)
    evening, morning = (2010, 3, 24, 22), (2010, 3, 25, 8, 30)
    fills = market.live(START, evening).algorithm.fills
    held = market.holdings["AAA"]
    market.holdings["AAA"] = Position(held.quantity * 2, held.average_price / 2)
    fills += market.live(morning, END).algorithm.fills
    assert any("AAA: history tells of a split by 0.5" in line for line in market.log)
    assert summed(fills) == wanted


@pytest.mark.parametrize(
    "stops",
    [[], pytest.param([NIGHT], marks=pytest.mark.slow), [IN_SESSION, BEFORE_OPEN]],
)
def test_across_a_split_live_trades_as_a_backtest_on_adjusted_prices(tmp_path, stops):
    """But for single shares: before the split, positions are of half as many."""
    market = split_market(tmp_path)
    wanted = market.backtest()
    found = restarted(market, stops) if stops else market.live(START, END).algorithm.fills
    assert any(
        "AAA: split by 0.5; kept bars and pending targets follow it" in x for x in market.log
    )
    found = summed(found)
    assert [fill[:2] for fill in found] == [fill[:2] for fill in wanted]
    for (day, name, quantity, price), (_, _, adjusted, at) in zip(found, wanted, strict=True):
        scale = 2 if name == "AAA" and day <= SPLIT else 1
        assert scale * quantity == pytest.approx(adjusted, abs=6)
        assert price == pytest.approx(scale * at, rel=1e-3)
    assert not any("daily stop" in x and x.startswith("2010-03-25") for x in market.log)


def test_a_dividend_on_the_day_of_a_split_is_paid_on_the_shares_of_before(tmp_path):
    """And is neither a deposit nor a withdrawal."""
    market = Market(tmp_path)
    market.halve("AAA", SPLIT)
    market.write(
        factors={"AAA": f"{FIRST:%Y%m%d},0.95,0.5,50\n{SPLIT:%Y%m%d},0.95,0.5,50\n20501231,1,1,0\n"}
    )
    market.live((2010, 3, 22, 8), (2010, 3, 26, 8))
    assert market.holdings
    assert any("AAA: split by 0.5" in line for line in market.log)
    assert not any("a withdrawal" in line or "a deposit" in line for line in market.log)


def test_a_split_that_nobody_tells_of_stops_nothing_and_says_so(tmp_path):
    market = split_market(tmp_path, told=False)
    market.live(START, (2010, 3, 26, 8))
    said = [line for line in market.log if "moved as by a split that nobody has told of" in line]
    assert [line[:10] for line in said] == ["2010-03-25"]
    assert not any(line.startswith("2010-03-25") and " stop at " in line for line in market.log)


def test_an_account_in_another_currency_is_refused(market):
    market.rewrite(
        "    def initialize(self)", '    account_currency = "EUR"\n\n    def initialize(self)'
    )
    with pytest.raises(ValueError, match=r"currency must be USD, .* received EUR"):
        market.live(START, END)


def test_a_state_of_the_future_is_another_runs(market):
    """A replay that begins anew finds what the one before left."""
    wanted = summed(market.live(START, (2010, 3, 20, 8)).algorithm.fills)
    market.cash, market.holdings = None, {}
    assert summed(market.live(START, (2010, 3, 20, 8)).algorithm.fills) == wanted
    assert any("which is to come: it is another run's" in line for line in market.log)
