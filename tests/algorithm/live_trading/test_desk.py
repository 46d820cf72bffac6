"""Closes that nobody saw, orders that are refused, and what is on disk when."""

import json
import math
from datetime import timedelta

import numpy as np
import pytest
from AlgorithmImports import TradeBar

from algorithm.bars import row_of
from algorithm.live_trading.account import Change
from algorithm.live_trading.live_bars import Away
from algorithm.live_trading.state import LiveState, StateStore
from tests.algorithm.live_trading.world import SYMBOLS, Memory, World, event

AAA, BBB = SYMBOLS
CALM = {symbol: (40.0 + 10 * n, 0.0) for n, symbol in enumerate(SYMBOLS)}


def day(world, weights=(0.0, 0.0), *, seen=True, prices=CALM):
    """A session, from the sending to minutes after the close."""
    world.next_session()
    if world.desk is not None:
        world.time = world.time.replace(hour=9, minute=20)
        world.send()
    rest_of_day(world, prices, weights, seen=seen)


def rest_of_day(world, prices=CALM, weights=(1.0, 1.0), *, seen=True):
    """From the open to minutes after the close."""
    world.open({symbol: opened for symbol, (opened, _) in prices.items()}, 1.0)
    world.trade(prices)
    if seen:
        world.close({symbol: world.bars[symbol][-1] for symbol in SYMBOLS}, weights)


def running(weights=(1.0, 1.0), days=2):
    world = World()
    world.start(weights)
    for _ in range(days):
        day(world, weights)
    return world


def said(world, words):
    return [line for line in world.said if words in line]


def assert_bars_are_true(world):
    """What the desk keeps of BBB is what history would give now."""
    truth = [row_of(bar) for bar in world.whole(BBB)]
    np.testing.assert_allclose([row for _, row in world.desk.bars._bars.of("BBB")], truth)


def test_closes_that_a_machine_slept_through_are_named_and_count():
    """The process lives: AAA is stopped, then three closes come unseen, then one is told of."""
    world = running()
    day(world, (1.0, 1.0), prices=CALM | {AAA: (40.0, -0.08)})
    assert world.stops.to_state()["cooling"] == {"AAA": 3}
    for _ in range(3):
        day(world, seen=False)
    assert not said(world, "passed without a decision")
    first, last = (world.bars[AAA][-k].end_time for k in (3, 1))
    day(world, (1.0, 1.0))
    (line,) = said(world, "passed without a decision")
    assert f"3 closes passed without a decision, {first:%Y-%m-%d} to {last:%Y-%m-%d}" in line
    # Two closes of cooldown are over, and there is no day before to compare with.
    assert world.stops.to_state()["cooling"] == {}
    assert world.stops.to_state()["previous_equity"] is None
    assert world.desk.outbox.targets["AAA"] > 0
    day(world, (1.0, 1.0))
    assert len(said(world, "passed without a decision")) == 1


def test_a_close_that_was_spoken_of_when_it_came_is_not_named_again():
    world = running()
    day(world, seen=False)
    world.desk.watch(True)
    assert said(world, "no bar of today's close")
    day(world)
    assert not said(world, "passed without a decision")


def test_an_order_that_is_refused_again_and_again_is_said_twice():
    """Closing BBB is refused for three weeks: said, said with what to do, then silence."""
    world, lines = running(), []
    held = world.portfolio[BBB].quantity
    asked = []
    for number in range(15):
        world.portfolio.always_refuses = BBB
        count = world.portfolio.refused
        day(world, (1.0, 0.0))
        asked += [number] if world.portfolio.refused > count else []
    assert asked == [1, 2, 4, 7, 12]
    assert world.portfolio[BBB].quantity == held
    lines = said(world, "BBB: the order of")
    assert len(lines) == 2
    assert lines[0].endswith(f"order of {-held:g} was refused (order 3: not today); the next close"
                             " decides anew")  # fmt: skip
    assert "close the position at the broker by hand, or see to what the broker names" in lines[1]
    assert f"the position of {held:g} stays and counts against the caps" in lines[1]
    # A restart knows of it.
    world.kill()
    world.start((1.0, 0.0))
    day(world, (1.0, 0.0))
    assert len(said(world, "BBB: the order of")) == 2
    # Somebody has seen to it.
    world.portfolio.always_refuses = None
    world.throw_switch(True)
    day(world)
    assert world.portfolio[BBB].quantity == 0


def turning(decided=(1.0, 0.0)):
    """BBB is held, and the close decided to hold AAA instead; it is 9:20."""
    world = running((0.0, 1.0))
    day(world, decided)
    world.next_session()
    world.time = world.time.replace(hour=9, minute=20)
    return world


def gross(world):
    """Of what is held and on order, as a share of equity."""
    worth = world.portfolio.total_portfolio_value
    return sum(abs(q) * world.securities[s].price for s, q in world.expected().items()) / worth


def test_what_makes_room_is_ordered_first():
    world = turning()
    count = len(world.portfolio.tickets)
    world.send()
    assert [ticket.symbol for ticket in world.portfolio.tickets[count:]] == [BBB, AAA]


def test_what_grows_gets_the_room_that_a_refused_closing_order_leaves():
    """Gross cap .9, of which BBB keeps some .43."""
    world = turning()
    world.portfolio.always_refuses = BBB
    wanted = world.desk.outbox.targets["AAA"]
    world.send()
    (ticket,) = world.portfolio.get_open_order_tickets(AAA)
    assert 0 < ticket.quantity < wanted
    assert 0.8995 < gross(world) <= 0.9
    assert world.desk.outbox.targets == {"AAA": ticket.quantity, "BBB": 0.0}
    assert said(world, f"AAA: {ticket.quantity:g} shares are to be held, not the {wanted:g} that")
    count = len(world.portfolio.tickets)
    world.send()
    assert len(world.portfolio.tickets) == count


def test_what_was_to_grow_is_cancelled_where_room_is_refused_before_the_open():
    """At 9:28 the exchange refuses to close BBB: the broker says so, and cancels AAA for us."""
    world = turning()
    world.send()
    world.refuse_late(BBB, firm=False)
    (line,) = said(world, "what was to make room for them was refused")
    assert "AAA: 0 shares are to be held, not the" in line
    assert not world.portfolio.get_open_order_tickets(AAA)
    world.open({symbol: opened for symbol, (opened, _) in CALM.items()}, 1.0)
    world.settle()
    assert world.portfolio[AAA].quantity == 0
    assert len(said(world, "order of")) == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_filled_without_room_is_traded_back_after_the_open(restarts):
    """At 9:28 the broker takes no cancellation any more; the run may be killed then, too."""
    world = turning()
    world.send()
    bought = world.expected()[AAA]
    world.refuse_late(BBB, firm=True)
    assert world.expected()[AAA] == bought
    if restarts:
        world.kill()
    world.open({symbol: opened for symbol, (opened, _) in CALM.items()}, 1.0)
    assert world.portfolio[AAA].quantity == bought
    if restarts:
        world.time = world.time.replace(minute=32)
        world.start((1.0, 0.0))
    world.settle()
    assert world.portfolio[AAA].quantity == 0
    assert len(said(world, f"AAA: {bought:g} shares are held, since its order was filled")) == 1
    world.settle()
    assert world.portfolio[AAA].quantity == 0


def test_an_order_of_ours_that_we_cancel_is_no_refusal():
    world = turning()
    world.send()
    (ticket,) = world.portfolio.get_open_order_tickets(BBB)
    ticket.cancel("ours")
    world.desk.orders.cancelled(event(ticket))
    assert not said(world, "was refused")


def test_a_close_is_told_once_the_broker_takes_orders_again():
    world = running()
    world.portfolio.always_refuses = BBB
    for _ in range(4):
        day(world, (1.0, 0.0))
    world.portfolio.always_refuses = None
    for _ in range(3):
        day(world, (1.0, 0.0))
    assert len(said(world, "BBB: the broker takes orders again")) == 1
    assert world.portfolio[BBB].quantity == 0


def test_nothing_is_saved_before_the_models_of_before_are_back():
    """A fill that comes while they are restored is saved with them, not without."""
    world = running()
    world.kill()
    desk, _ = world.fresh(world.object_store)
    before = Memory(world.object_store)
    left = desk.begin()
    assert left.models == {"key": "1"}
    assert left.record == {"closes": 1}
    desk.save()
    assert world.object_store == before
    desk.ready()
    desk.save()
    assert world.object_store != before


def test_a_state_of_the_layout_before_is_gone_on_with(monkeypatch):
    """As it was saved by layout 4: stops, targets, splits and the models' age are there."""
    world = running()
    world.next_session()
    world.split(BBB, 0.5)
    state = world.desk._to_state()
    (split,) = state["bars"]["splits"]["BBB"]
    old = {name: each for name, each in state.items() if name not in ("trainings", "refusals")}
    old |= {"trained": "2014-03-24T08:00:00", "untrained": 2, "models": {"key": "1"}}
    old["bars"] = state["bars"] | {"splits": {"BBB": {split["time"]: 0.5}}}
    old["account"] = {name: each for name, each in state["account"].items() if name != "paid"}
    monkeypatch.setattr("algorithm.live_trading.state.SCHEMA", 4)
    store = Memory()
    StateStore(store, "mirage-live/test").save(old)
    monkeypatch.undo()
    desk, stops = world.fresh(store)
    left = desk.begin()
    assert left.models == {"key": "1", "promotions": []}
    assert left.record is None
    assert stops.to_state() == state["stops"]
    assert desk.outbox.to_state() == state["outbox"]
    assert desk.trainings.to_state() == {"newest": "2014-03-24T08:00:00", "failed": 2}
    assert desk.bars.to_state()["splits"] == {"BBB": [split | {"day": None, "unclaimed": 0.5}]}


@pytest.mark.parametrize("heard", [False, True])
def test_a_dividend_that_is_told_of_again_counts_once(heard):
    """Killed when the account had it, before or after the desk had heard and saved it."""
    world = running()
    world.next_session()
    if not heard:
        world.kill()
    world.pay(BBB, 5.0)
    amount = world.portfolio[BBB].quantity * 5.0
    if heard:
        world.kill()
    world.start((1.0, 1.0))
    assert len(said(world, f"a deposit of {amount:.2f} $")) == (not heard)
    world.hear_paid(BBB, 5.0)
    assert len(said(world, f"BBB: {amount:.2f} $ of what came while nothing ran")) == (not heard)
    world.guessed = False
    rest_of_day(world)
    assert not said(world, "withdrawal")
    day(world, (1.0, 1.0))
    assert len(said(world, "deposit of")) == (not heard)


def test_a_dividend_that_history_has_told_of_is_no_withdrawal_when_it_is_told_of_again():
    """Killed when the account had it; at the start history explains the cash already."""
    world = running()
    world.next_session()
    world.kill()
    world.pay(BBB, 5.0)
    amount = world.portfolio[BBB].quantity * 5.0
    world.scale(BBB, 0.9)
    world.start((1.0, 1.0))
    assert len(said(world, f"5 $ a share came while nothing ran, {amount:.2f} $")) == 1
    # A process that is killed again has it from the disk.
    world.kill()
    world.start((1.0, 1.0))
    world.hear_paid(BBB, 5.0)
    rest_of_day(world)
    day(world, (1.0, 1.0))
    assert not said(world, "withdrawal")
    assert not said(world, "deposit of")


@pytest.mark.parametrize("part", [0.3, 0.25, 0.2, 0.01])
def test_a_dividend_as_large_as_a_split_while_nothing_ran_is_no_deposit(part):
    """A quarter and a fifth of the price look like four for three and five for four."""
    world = running()
    held, each = world.portfolio[BBB].quantity, part * world.securities[BBB].price
    world.next_session()
    world.kill()
    world.pay(BBB, each)
    world.scale(BBB, 1.0 - part)
    world.start((1.0, 1.0))
    (line,) = said(world, "a dividend of about")
    assert f"BBB: a dividend of about {each:.4g} $ a share" in line
    assert f", {held * each:.2f} $" in line
    assert not said(world, "deposit")
    assert world.desk.outbox.targets["BBB"] == held


@pytest.mark.parametrize("told", [False, True])
def test_a_split_and_a_dividend_of_a_night_are_told_apart_by_the_shares(told):
    """Together they are of no common ratio; the broker tells of the split, too, or never."""
    world = running()
    held, each = world.portfolio[BBB].quantity, 0.03 * world.securities[BBB].price
    world.next_session()
    world.kill()
    world.pay(BBB, each)
    world.scale(BBB, 0.97)
    world.split(BBB, 0.5)
    world.start((1.0, 1.0))
    (line,) = said(world, "a dividend of about")
    assert f", {held * each:.2f} $" in line
    assert not said(world, "deposit")
    if told:
        world.desk.split("BBB", 0.5, world.time.date(), 0.97)
    assert world.desk.outbox.targets["BBB"] == world.portfolio[BBB].quantity == 2 * held
    prices = quotes(world, 0.485)
    rest_of_day(world, prices)
    assert_bars_are_true(world)


def test_money_that_comes_while_a_split_is_not_followed_is_no_dividend():
    """The deposit is nearer to half of the position than to nothing."""
    world = running()
    held = world.portfolio[BBB].quantity
    world.kill()
    world.next_session()
    world.scale(BBB, 0.5)
    world.deposit(0.7 * 0.5 * held * world.securities[BBB].price)
    world.start((1.0, 1.0))
    assert said(world, "it has not followed a split")
    assert not said(world, "a dividend of about")
    assert len(said(world, f"a deposit of {world.came:.2f} $")) == 1
    world.portfolio.split(BBB, 0.5)
    world.desk.split("BBB", 0.5, world.time.date())
    assert world.desk.outbox.targets["BBB"] == 2 * held


@pytest.mark.parametrize(("had", "factor"), [(409, 6.0), (423, 12.0), (401, 2 / 15), (-409, 6.0)])
def test_shares_that_splits_have_made_were_not_bought(had, factor):
    """They tell by how much, where prices are of no common ratio."""
    away = Away(1.0, 0.985 * factor, 50.0, None, 50.0, 50.0)
    has = math.trunc(had / factor)
    assert Change("BBB", had, has, away, None).bought == 0.0


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_bought_since_a_dividend_that_is_told_late_has_no_part_in_it(restarts):
    """Bought at the open of its day; told on the next day, when the account has it, too."""
    world = running((0.5, 0.5))
    day(world, (1.0, 1.0))
    held = world.portfolio[BBB].quantity
    day(world, (1.0, 1.0))
    assert world.portfolio[BBB].quantity > 1.5 * held
    due = world.time.replace(hour=0)
    world.next_session()
    if restarts:
        world.kill()
        world.start((1.0, 1.0))
    world.portfolio.cash += held * 5.0
    world.hear_paid(BBB, 5.0, due)
    rest_of_day(world)
    assert not said(world, "withdrawal")
    assert not said(world, "deposit")


def test_what_was_bought_before_a_split_and_since_a_dividend_is_counted_in_its_shares():
    """Five become one the day after the purchase; the dividend is told on the third day."""
    world = running((0.5, 0.5))
    day(world, (1.0, 1.0))
    held = world.portfolio[BBB].quantity
    day(world, (1.0, 1.0))
    due = world.time.replace(hour=0)
    world.next_session()
    world.split(BBB, 5.0)
    prices = quotes(world, 5.0)
    rest_of_day(world, prices)
    world.next_session()
    world.portfolio.cash += held / 5.0 * 25.0
    # A fifth of a share is cut.
    world.guessed = True
    world.hear_paid(BBB, 25.0, due)
    rest_of_day(world, prices)
    assert not said(world, "withdrawal")
    assert not said(world, "deposit")


def test_a_dividend_and_money_that_goes_on_one_morning_are_told_apart():
    world = running()
    world.next_session()
    world.deposit(-15_000.0)
    world.pay(BBB, 5.0)
    rest_of_day(world)
    assert len(said(world, "a withdrawal of 15000.00 $")) == 1


def test_a_record_is_on_disk_before_the_state_and_of_the_same_run():
    store, reported = Memory(), []
    kept = LiveState(store, "mirage-live/x", reported.append)
    assert kept.load() == (None, None, None)
    order = []
    store.save = lambda key, text: order.append(key) or Memory.save(store, key, text)
    kept.save({"begun": "1"}, {"closes": 1})
    kept.save({"begun": "1", "more": 2}, {"closes": 1})
    assert order == [f"mirage-live/{key}.json" for key in ("record/x-b", "x-b", "x-a")]
    again = LiveState(store, "mirage-live/x", reported.append)
    assert again.load() == ({"begun": "1", "more": 2}, {"closes": 1}, None)
    assert not reported
    again.save({"begun": "2"}, None)
    state, record, _ = LiveState(store, "mirage-live/x", reported.append).load()
    assert (state, record) == ({"begun": "2"}, None)
    assert "is of the run begun at 1, not of that of 2" in reported[-1]
    for key in ("a", "b"):
        store[f"mirage-live/record/x-{key}.json"] = json.dumps({})
    assert LiveState(store, "mirage-live/x", reported.append).load().record is None
    assert "of what rules and candidates earned: the saved state cannot be read" in reported[-1]


def test_a_report_that_is_lost_or_broken_costs_no_start():
    store, reported = Memory(), []
    kept = LiveState(store, "mirage-live/x", reported.append)
    kept.save({"begun": "1"}, None, {"prices": 1})
    assert LiveState(store, "mirage-live/x", reported.append).load().report == {"prices": 1}
    assert not reported
    store["mirage-live/report/x-b.json"] = "{}"
    assert LiveState(store, "mirage-live/x", reported.append).load() == ({"begun": "1"}, None, None)
    assert "of what the report shows: the saved state cannot be read" in reported[-1]


def test_two_equal_splits_of_one_day_are_two_and_one_told_of_again_is_one():
    """The second comes half an hour later; or the process was killed in between, and hears again
    of the first."""
    world = running()
    held = world.portfolio[BBB].quantity
    world.next_session()
    world.split(BBB, 0.5)
    world.kill()
    world.start((1.0, 1.0))
    world.desk.split("BBB", 0.5, world.time.date())
    assert world.desk.outbox.targets["BBB"] == 2 * held
    world.time += timedelta(minutes=30)
    world.split(BBB, 0.5)
    assert world.desk.outbox.targets["BBB"] == 4 * held == world.portfolio[BBB].quantity
    assert len(said(world, "a second split by 0.5 since the last close; both count")) == 1
    assert_bars_are_true(world)
    prices = CALM | {BBB: (12.5, 0.0)}
    rest_of_day(world, prices)
    assert_bars_are_true(world)


def quotes(world, factor):
    """Prices of a calm session after a split of BBB."""
    return CALM | {BBB: (CALM[BBB][0] * factor, 0.0)}


def test_splits_that_nobody_saw_are_no_trades_of_others():
    """Two for one, and the next day three for one, or five for two: of no common ratio together."""
    for first, second in ((1 / 2, 1 / 3), (1 / 2, 2 / 5), (1 / 2, 1 / 2), (2.0, 3.0), (1 / 4, 3.0)):
        world = running()
        held = world.portfolio[BBB].quantity
        world.kill()
        factor = 1.0
        for one in (first, second):
            world.next_session()
            world.split(BBB, one)
            factor *= one
            world.trade(quotes(world, factor))
        world.start((1.0, 1.0))
        assert world.portfolio[BBB].quantity == pytest.approx(held / factor, abs=3)
        assert not said(world, "shares were"), (first, second)
        assert not said(world, "deposit")
        assert not said(world, "withdrawal")
        day(world, (1.0, 1.0), prices=quotes(world, factor))
        assert_bars_are_true(world)


def test_a_split_that_the_broker_has_not_followed_is_told():
    """An account that was deployed with the holdings of before."""
    world = running()
    held = world.portfolio[BBB].quantity
    world.kill()
    for one in (1 / 2, 1 / 3):
        world.next_session()
        world.split(BBB, one)
        world.trade(quotes(world, one if one == 1 / 2 else 1 / 6))
    world.portfolio[BBB].quantity = held
    world.start((1.0, 1.0))
    (line,) = said(world, "it has not followed a split; compare the position with the broker's")
    assert f"BBB: prices are 0.166667 times those of before, and the broker holds {held:g}" in line


def test_equal_splits_of_two_days_without_a_bar_between_are_two():
    """The stock is halted on the first; the process is killed then, too."""
    world = running()
    held = world.portfolio[BBB].quantity
    for number in range(2):
        world.next_session()
        world.split(BBB, 0.5)
        if not number:
            world.kill()
            world.start((1.0, 1.0))
        world.time = world.time.replace(hour=17)
    assert world.portfolio[BBB].quantity == 4 * held
    assert world.desk.outbox.targets["BBB"] == 4 * held
    assert_bars_are_true(world)


@pytest.mark.parametrize("told", ["before", "after", "never"])
def test_a_bar_that_history_lacks_is_of_the_scale_of_a_split_that_it_knows(told):
    """History is a bar behind all day; the broker tells before or after it is asked, or never."""
    world = running()
    targets, whole = world.desk.outbox.targets["BBB"], world.history[TradeBar]
    newest = world.bars[BBB][-1].end_time
    world.history = {TradeBar: lambda *of: [bar for bar in whole(*of) if bar.end_time != newest]}
    world.next_session()
    world.scale(BBB, 0.5)
    world.portfolio.split(BBB, 0.5)
    if told == "before":
        world.desk.split("BBB", 0.5, world.time.date())
    world.desk.bars.refresh(world.time)
    assert_bars_are_true(world)
    if told == "after":
        world.desk.split("BBB", 0.5, world.time.date())
    assert world.desk.outbox.targets["BBB"] == 2.0 * targets
    prices = quotes(world, 0.5)
    rest_of_day(world, prices)
    assert_bars_are_true(world)


@pytest.mark.parametrize("restarts", [0, 1, 2])
@pytest.mark.parametrize("factors", [(0.5, 0.5), (0.5, 0.2), (0.5, 1 / 3), (1 / 3, 0.5)])
def test_splits_that_history_told_of_as_of_one_are_told_of_one_by_one(factors, restarts):
    """Two and two for one are four, two and five are ten, and two and three are no common six. A
    process that is killed on the way hears of them again, or of the rest."""
    world = running()
    world.kill()
    days = []
    for one in factors:
        world.next_session()
        world.split(BBB, one)
        days.append(world.time.date())
    world.start((1.0, 1.0))
    truth = [row_of(bar) for bar in world.whole(BBB)]
    for one, day_of in zip(factors, days, strict=True):
        world.desk.split("BBB", one, day_of)
        for _ in range(restarts):
            world.desk.save()
            world.kill()
            world.start((1.0, 1.0))
        if restarts == 2:
            world.desk.split("BBB", one, day_of)
    assert world.desk.outbox.targets["BBB"] == world.portfolio[BBB].quantity
    np.testing.assert_allclose([row for _, row in world.desk.bars._bars.of("BBB")], truth)
    assert not said(world, "both count")


def test_splits_of_two_days_that_are_told_of_at_once_are_two_records():
    """The machine slept over both; the process is killed then, and hears of the second again."""
    world = running()
    held = world.portfolio[BBB].quantity
    for one, ahead in ((0.5, 0), (1 / 3, 1)):
        if not ahead:
            world.next_session()
        world._splits[BBB].append((world.time, one))
        world.portfolio.split(BBB, one)
        world.desk.split("BBB", one, world.time.date() + timedelta(days=ahead))
    world.kill()
    world.start((1.0, 1.0))
    world.desk.split("BBB", 1 / 3, world.time.date() + timedelta(days=1))
    assert len(said(world, "was told of before the restart, too")) == 1
    assert world.desk.outbox.targets["BBB"] == world.portfolio[BBB].quantity == 6 * held
    assert_bars_are_true(world)


def test_an_equal_split_after_a_restart_counts_when_history_knows_of_it():
    """What is told cannot tell it from the first, told again; prices do."""
    world = running()
    held = world.portfolio[BBB].quantity
    world.next_session()
    world.split(BBB, 0.5)
    world.kill()
    world.start((1.0, 1.0))
    world.split(BBB, 0.5)
    assert len(said(world, "counts once: a day has one of a share")) == 1
    assert world.desk.outbox.targets["BBB"] == world.portfolio[BBB].quantity == 4 * held
    assert_bars_are_true(world)


def test_what_others_traded_is_priced_by_the_bars_that_nobody_saw():
    """Or, where none has passed, by the price of now."""
    for sleeps, words in (
        (True, "the bars that nobody saw, 38.2044 to 40.3899"),
        (False, "the price of now, since there is no bar of the time"),
    ):
        world = running()
        world.kill()
        world.portfolio[AAA].quantity -= 100
        world.portfolio.cash += 100 * 39.0
        if sleeps:
            day(world, seen=False, prices=CALM | {AAA: (39.99, -0.035)})
        world.start((1.0, 1.0))
        (line,) = said(world, "AAA: 100 shares were sold without an order of ours")
        assert words in line
        assert not said(world, "deposit")
