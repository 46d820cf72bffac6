"""Stops: what must be flat after a close, however often the close is told."""

import json
import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.stops import PORTFOLIO, StopRules, Stops

DAY = datetime(2009, 1, 2, 16)


def stops(**changes):
    rules = {"stop_loss": 0.1, "take_profit": 0.2, "daily_stop": 0.05, "cooldown_bars": 2}
    return Stops(StopRules(**(rules | changes)))


class Closes:
    """Tells one close a day."""

    def __init__(self, stops):
        self.stops = stops
        self.now = DAY

    def tell(self, profits=None, equity=100.0):
        self.now += timedelta(days=1)
        return self.stops.update(self.now, profits or {}, equity)


def test_nothing_triggers_inside_the_limits():
    rules = stops()
    closes = Closes(rules)
    assert closes.tell({"A": -0.0999, "B": 0.1999}) == {}
    assert closes.tell({"A": -0.0999}, 95.1) == {}
    assert rules.apply({"A": 0.3, "B": -0.3}) == {"A": 0.3, "B": -0.3}


@pytest.mark.parametrize(
    ("profit", "reason"),
    [
        (-0.1, "stop loss at -10.0% (limit -10.0%)"),
        (-0.25, "stop loss at -25.0% (limit -10.0%)"),
        (0.2, "take profit at 20.0% (limit 20.0%)"),
    ],
)
def test_a_stopped_symbol_is_flat_for_this_close_and_the_cooldown(profit, reason):
    rules = stops()
    closes = Closes(rules)
    assert closes.tell({"A": profit}) == {"A": reason}
    flat = []
    for _ in range(4):
        flat.append(rules.apply({"A": 0.3, "B": 0.3}) == {"A": 0.0, "B": 0.3})
        assert closes.tell() == {}
    assert flat == [True, True, True, False]


def test_without_cooldown_a_stop_holds_for_one_close():
    rules = stops(cooldown_bars=0)
    closes = Closes(rules)
    closes.tell({"A": -0.5})
    assert rules.apply({"A": 0.3}) == {"A": 0.0}
    closes.tell()
    assert rules.apply({"A": 0.3}) == {"A": 0.3}


def test_a_position_that_could_not_be_left_is_stopped_again():
    rules = stops(cooldown_bars=0)
    closes = Closes(rules)
    assert list(closes.tell({"A": -0.5})) == list(closes.tell({"A": -0.4})) == ["A"]
    assert rules.must_be_flat("A")


def test_daily_stop_flattens_everything_for_one_bar():
    rules = stops()
    closes = Closes(rules)
    closes.tell(equity=100.0)
    assert closes.tell(equity=95.0) == {PORTFOLIO: "daily stop at -5.0% (limit -5.0%)"}
    assert rules.apply({"A": 0.3, "B": math.nan}) == {"A": 0.0, "B": 0.0}
    assert closes.tell(equity=95.0) == {}
    assert rules.apply({"A": 0.3}) == {"A": 0.3}


def test_a_loss_of_exactly_the_limit_stops():
    closes = Closes(stops(daily_stop=0.25, stop_loss=0.25, take_profit=0.25))
    closes.tell(equity=100.0)
    assert set(closes.tell({"A": -0.25, "B": 0.25}, 75.0)) == {"A", "B", PORTFOLIO}


def test_the_daily_stop_measures_from_the_previous_close_not_from_the_first():
    closes = Closes(stops())
    assert [closes.tell(equity=equity) for equity in (100.0, 96.0, 92.0, 88.5)] == [{}] * 4
    assert PORTFOLIO in closes.tell(equity=84.0)


def test_off_is_off():
    rules = stops(stop_loss=None, take_profit=None, daily_stop=None)
    closes = Closes(rules)
    closes.tell()
    assert closes.tell({"A": -0.99, "B": 9.0}, 1.0) == {}
    assert rules.apply({"A": 1.0}) == {"A": 1.0}


def test_no_fresh_target_stays_none():
    rules = stops()
    Closes(rules).tell()
    assert math.isnan(rules.apply({"A": math.nan})["A"])


def test_a_close_told_twice_moves_no_time_on_and_triggers_nothing_twice():
    rules = stops()
    rules.update(DAY, {"A": -0.2}, 100.0)
    later = DAY + timedelta(days=1)
    first = rules.update(later, {"B": 0.3}, 94.0)
    assert set(first) == {"B", PORTFOLIO}
    assert rules.update(later, {"B": 0.3, "C": -0.1}, 94.0) == {
        "C": "stop loss at -10.0% (limit -10.0%)"
    }
    assert rules.update(later, {"B": 0.3, "C": -0.1}, 94.0) == {}
    assert rules.apply(dict.fromkeys("ABCD", 0.3)) == dict.fromkeys("ABCD", 0.0)
    # A has cooled for one close, not for two; a daily stop still measures from the day before.
    rules.update(later + timedelta(days=1), {}, 94.0)
    assert [rules.must_be_flat(name) for name in "ABC"] == [True, True, True]
    rules.update(later + timedelta(days=2), {}, 94.0)
    assert [rules.must_be_flat(name) for name in "ABC"] == [False, True, True]


def test_a_later_word_on_the_same_close_corrects_its_equity():
    """The first slice of a close may come before all prices are new."""
    rules = stops()
    rules.update(DAY, {}, 100.0)
    rules.update(DAY, {}, 200.0)
    assert PORTFOLIO in rules.update(DAY + timedelta(days=1), {}, 180.0)


def test_time_does_not_run_backwards():
    rules = stops()
    rules.update(DAY, {}, 100.0)
    message = "close must not lie before 2009-01-02 16:00:00; received 2009-01-01 16:00:00"
    with pytest.raises(ValueError, match=f"^{message}$"):
        rules.update(DAY - timedelta(days=1), {}, 100.0)


EVENTS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("ABC"), st.floats(-0.5, 0.5), max_size=3),
        st.floats(50.0, 150.0),
    ),
    min_size=1,
    max_size=12,
)


def test_a_fall_over_closes_that_passed_unseen_is_none_of_a_day():
    rules = Stops(StopRules(daily_stop=0.05))
    rules.update(DAY, {}, 100.0)
    rules.miss_closes()
    assert rules.update(DAY + timedelta(days=30), {}, 90.0) == {}
    assert PORTFOLIO in rules.update(DAY + timedelta(days=31), {}, 80.0)


def test_a_cooldown_counts_closes_and_not_calls():
    """Two of three passed unseen; those it knows of, and any before, count for nothing."""
    rules = Stops(StopRules(stop_loss=0.1, cooldown_bars=4))
    rules.pass_closes([DAY])
    rules.update(DAY, {"A": -0.2}, 100.0)
    days = [DAY + timedelta(days=n) for n in range(-1, 7)]
    for _ in range(2):
        rules.pass_closes(days[:4])
    assert rules.to_state()["cooling"] == {"A": 3}
    rules.update(days[4], {}, 100.0)
    rules.pass_closes(days[:6])
    assert rules.must_be_flat("A")
    rules.update(days[6], {}, 100.0)
    assert not rules.must_be_flat("A")


def test_a_withdrawal_is_no_loss():
    rules = Stops(StopRules(daily_stop=0.05))
    rules.move_cash(-50.0)
    rules.update(DAY, {}, 100.0)
    rules.move_cash(-20.0)
    assert rules.update(DAY + timedelta(days=1), {}, 79.0) == {}
    assert PORTFOLIO in rules.update(DAY + timedelta(days=2), {}, 75.0)


@given(EVENTS, st.integers(0, 11))
def test_a_restart_goes_on_as_if_nothing_had_happened(events, cut):
    """Through JSON, after any close."""
    whole, before = Closes(stops()), Closes(stops())
    for profits, equity in events[:cut]:
        whole.tell(profits, equity)
        before.tell(profits, equity)
    after = Closes(stops())
    after.now = before.now
    after.stops.restore(json.loads(json.dumps(before.stops.to_state())))
    assert after.stops.to_state() == before.stops.to_state()
    for profits, equity in events[cut:]:
        # The close of the restart may be told again.
        assert after.stops.update(after.now, {}, after.stops.to_state()["equity"] or equity) == {}
        assert whole.tell(profits, equity) == after.tell(profits, equity)
        flat = [[c.stops.must_be_flat(name) for name in "ABC"] for c in (whole, after)]
        assert flat[0] == flat[1]
