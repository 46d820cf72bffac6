"""Days in any order of events: what holds of the desk, its broker and its disk after each of them.

A day is drawn whole: what happens to account and shares in the morning, how often and whether its
orders are sent, who kills the process and when, how the orders are filled, and what the feed brings
at the close.
"""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithm.bars import row_of
from algorithm.live_trading.last_check import kept_part
from tests.algorithm.live_trading.world import (
    CAPS,
    RULES,
    SYMBOLS,
    Killed,
    Memory,
    World,
    made_bar,
)

AAA, BBB = SYMBOLS
SLACK = 1.0 + 1e-9

DAYS = st.lists(
    st.fixed_dictionaries(
        {
            "weights": st.tuples(*[st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, math.nan])] * 2),
            "gaps": st.tuples(*[st.floats(-0.07, 0.07)] * 2),
            "moves": st.tuples(*[st.floats(-0.05, 0.05)] * 2),
            "morning": st.sampled_from(["", "", "", "split", "reverse split", "dividend"]),
            "deposit": st.sampled_from([0.0, 0.0, 0.0, 20_000.0, -15_000.0]),
            "before": st.sampled_from([0.0, 0.0, -0.1, 0.1]),
            "lends": st.booleans(),
            "refuses": st.booleans(),
            "late": st.sampled_from([None] * 6 + [(n, firm) for n in (0, 1) for firm in (0, 1)]),
            "sendings": st.sampled_from([0, 1, 1, 2]),
            "dies": st.sampled_from(["", "", "", "before", "after"]),
            "fills": st.sampled_from([1.0, 1.0, 0.5, 0.0]),
            "feed": st.sampled_from(
                ["whole", "whole", "twice", "late", "silent", "one", "corrected", "killed"]
            ),
            "away": st.sampled_from(["", "", "", "", "night", "morning", "noon", "day", "days"]),
            "switch": st.sampled_from([None, None, None, None, None, None, True, False]),
        }
    ),
    min_size=2,
    max_size=8,
)


class Run:
    """Days of a world, judged after every event."""

    def __init__(self):
        self.world = World()
        self.world.start((0.0, 0.0))

    def day(self, drawn):
        """From eight o'clock to an hour after the close."""
        world = self.world
        up = world.desk is not None and drawn["away"] == ""
        if drawn["away"]:
            world.kill()
        world.next_session()
        world.lends = drawn["lends"]
        if drawn["switch"] is not None:
            world.throw_switch(drawn["switch"])
        if not up and drawn["away"] in ("", "night"):
            world.time = world.time.replace(hour=7)
            self.start(drawn)
            world.time = world.time.replace(hour=8)
        self.morning(drawn)
        opens = {
            symbol: world.securities[symbol].price * (1.0 + gap)
            for symbol, gap in zip(SYMBOLS, drawn["gaps"], strict=True)
        }
        world.time = world.time.replace(hour=9, minute=20)
        for security in world.securities.values():
            security.price *= 1.0 + drawn["before"]
        if drawn["away"] == "morning":
            # After our time of sending, before the open.
            world.time = world.time.replace(minute=25)
            self.start(drawn)
        expected = world.expected()
        for number in range(drawn["sendings"] if world.desk is not None else 0):
            self.send(drawn, first=number == 0)
        self.open(opens, drawn, expected)
        self.judge()
        if drawn["away"] == "noon":
            world.time = world.time.replace(hour=12)
            self.start(drawn)
        self.close(opens, drawn)
        world.time += timedelta(hours=1)
        if world.desk is None and drawn["away"] != "days":
            self.start(drawn)

    def open(self, opens, drawn, expected):
        """The open; orders of a symbol may be refused minutes before it.

        Then others that were sent to grow are cancelled, or where the broker takes no cancellation
        any more, what is filled of them is traded back.
        """
        world = self.world
        refused = drawn["late"] if world.desk is not None else None
        prices = {symbol: security.price for symbol, security in world.securities.items()}
        worth = world.portfolio.total_portfolio_value
        if refused is not None:
            # What a refused order was to take away was there before: it has not grown.
            held = {symbol: world.portfolio[symbol].quantity for symbol in SYMBOLS}
            expected = {symbol: max(expected[symbol], held[symbol], key=abs) for symbol in SYMBOLS}
            symbol, firm = refused
            world.refuse_late(SYMBOLS[symbol], bool(firm))
            if not firm:
                self.judge_growth(expected)
        world.open(opens, drawn["fills"])
        world.settle()
        if refused is not None and drawn["fills"] == 1.0:
            held = {symbol: abs(world.portfolio[symbol].quantity) for symbol in SYMBOLS}
            if any(held[s] > abs(kept_part(expected[s], world.expected()[s])) for s in SYMBOLS):
                value = sum(held[symbol] * prices[symbol] for symbol in SYMBOLS)
                assert value <= RULES.gross * worth * SLACK

    def morning(self, drawn):
        """What comes to account and shares at eight."""
        if drawn["morning"] == "dividend":
            self.world.pay(AAA, 0.5)
        elif drawn["morning"]:
            self.world.split(BBB, 0.5 if drawn["morning"] == "split" else 2.0)
        self.world.deposit(drawn["deposit"])
        self.judge()

    def start(self, drawn):
        """A start; orders that leave in it are judged as others are.

        Orders that were not filled at their open are cancelled there: a position that one of them
        was to reduce is not made larger by that.
        """
        broker = self.world.portfolio
        waiting = [ticket for ticket in broker.tickets if ticket.open]
        expected = {symbol: float(held.quantity) for symbol, held in broker.items()}
        self.world.start(drawn["weights"])
        for ticket in waiting:
            if ticket.open:
                expected[ticket.symbol] += ticket.quantity - ticket.quantity_filled
        self.judge_growth(expected)
        self.judge()

    def send(self, drawn, first):
        """A sending, the first of which may be cut short by a kill or an order that is refused."""
        world, broker = self.world, self.world.portfolio
        broker.refuses = refuses = first and drawn["refuses"]
        broker.dies = drawn["dies"] if first else ""
        expected = world.expected()
        try:
            due = world.send()
        except Killed:
            world.kill()
            refuses = broker.refuses = False
            due = {}
            world.start(drawn["weights"])
        broker.refuses, broker.dies = False, ""
        self.judge_growth(expected)
        sent = world.expected()
        assert refuses or {symbol: sent[symbol] for symbol in due} == due
        if refuses:
            # What closes a position is asked for once more.
            world.send()
        count = len(broker.tickets)
        world.send()
        assert len(broker.tickets) == count, "sent twice"
        self.judge()

    def close(self, opens, drawn):
        """The feed tells of the session, in one way or another."""
        world, feed = self.world, drawn["feed"]
        yesterday = {symbol: world.bars[symbol][-1] for symbol in SYMBOLS}
        moves = dict(zip(SYMBOLS, drawn["moves"], strict=True))
        world.trade({symbol: (opens[symbol], moves[symbol]) for symbol in SYMBOLS})
        bars = {symbol: world.bars[symbol][-1] for symbol in SYMBOLS}
        if feed == "killed":
            world.kill()
        if world.desk is None:
            return
        if feed == "one":
            bars.pop(BBB)
        if feed == "corrected":
            bars = {symbol: made_bar(bar, 1.01) for symbol, bar in bars.items()}
        if feed != "silent":
            assert world.close(bars, drawn["weights"]).keys() == {s.value for s in bars}
            self.judge_targets()
        decided = world.desk.outbox.to_state()
        again = {"twice": bars, "late": yesterday}.get(feed, {})
        assert world.close(again, (1.0, -1.0)) == {}
        assert world.desk.outbox.to_state() == decided
        world.time += timedelta(minutes=5)
        world.desk.cancel_stale()
        world.desk.watch(True)
        self.judge()

    def judge_targets(self):
        """What a close decides is within the caps on its prices."""
        world = self.world
        worth, targets = world.portfolio.total_portfolio_value, world.desk.outbox.targets
        for symbol, cap in zip(SYMBOLS, CAPS, strict=True):
            wanted = abs(targets.get(symbol.value, 0.0)) * world.securities[symbol].price
            # Money may be withdrawn until nothing is left.
            assert wanted <= cap * max(worth, 0.0) * SLACK

    def judge_growth(self, expected):
        """No position was made larger than its cap allows, nor all of them than the gross cap.

        Args:
            expected: shares held and on order before the sending, by symbol.
        """
        world, after = self.world, self.world.expected()
        worth = world.portfolio.total_portfolio_value
        value = {symbol: abs(after[symbol]) * world.securities[symbol].price for symbol in SYMBOLS}
        grown = [s for s in SYMBOLS if abs(after[s]) > abs(kept_part(expected[s], after[s]))]
        for symbol in grown:
            assert value[symbol] <= CAPS[SYMBOLS.index(symbol)] * worth * SLACK
        if grown:
            assert sum(value.values()) <= RULES.gross * worth * SLACK

    def judge(self):
        """Every fill is in the account, and what is on disk is all that a restart needs."""
        world, desk = self.world, self.world.desk
        if desk is None:
            return
        state, cash = desk._to_state(), world.portfolio.cash
        account = state["account"]
        assert account["holdings"] == {
            symbol.value: (held.quantity, held.average_price)
            for symbol, held in world.portfolio.items()
            if held.quantity
        }
        if not world.guessed:
            # Cash is accounted for by fills, fees and dividends up to what came from outside.
            assert account["flow"] + cash - account["cash"] == pytest.approx(world.came, abs=1e-4)
        again, _ = world.fresh(Memory(world.object_store))
        _, stops = world.fresh(Memory())
        said = len(world.said)
        again.begin()
        other = again._to_state()
        missed = any("passed without a decision" in line for line in world.said[said:])
        for name in state.keys() - {"account", "bars", "stops", "killed"}:
            assert other[name] == state[name], name
        assert other["account"]["holdings"] == account["holdings"]
        # When a split is learnt of that came while nothing ran depends on when one looks.
        assert factors(other) == factors(state)
        # A start looks at history at once, a run at the next close: then it counts the same.
        stops.restore(state["stops"])
        stops.pass_closes([t for t in again.bars.days() if t < (again.undecided() or world.time)])
        if missed:
            stops.miss_closes()
        assert other["stops"] == stops.to_state()
        if not world.guessed:
            assert other["account"]["flow"] == pytest.approx(world.came, abs=1e-4)
        for symbol in SYMBOLS:
            rows = [row for _, row in again.bars._bars.of(symbol.value)]
            truth = [row_of(bar) for bar in world.whole(symbol)]
            np.testing.assert_allclose(rows, truth, rtol=1e-9)


def factors(state):
    """Price factors of the splits that a state knows of, by ticker."""
    splits = state["bars"]["splits"]
    return {name: sorted(one["factor"] for one in told) for name, told in splits.items()}


def trade(days):
    """Days, one after the other, from a first start on."""
    run = Run()
    for drawn in days:
        run.day(drawn)
    return run.world


@settings(max_examples=40, deadline=None)
@given(DAYS)
def test_after_every_event_caps_hold_and_nothing_is_lost_or_sent_twice(days):
    trade(days)


def test_another_split_than_the_one_that_history_told_of_is_none_of_its_parts():
    """History knows of the first; only of what the broker tells can it know nothing."""
    quiet = {
        "weights": (-1.0, -1.0),
        "gaps": (0.0, 0.0),
        "moves": (0.0, 0.0),
        "morning": "",
        "deposit": 0.0,
        "before": 0.0,
        "lends": False,
        "refuses": False,
        "late": None,
        "sendings": 0,
        "dies": "",
        "fills": 1.0,
        "feed": "whole",
        "away": "",
        "switch": None,
    }
    unseen = quiet | {"morning": "reverse split", "away": "day"}
    trade([quiet, quiet, unseen, quiet | {"morning": "split"}])


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=3))
def test_the_same_over_many_and_long_sequences(parts):
    trade([day for days in parts for day in days])
