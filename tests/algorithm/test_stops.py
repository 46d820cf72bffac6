import math

import pytest

from algorithm.stops import Stops


def stops(**changes):
    return Stops(
        **({"stop_loss": 0.1, "take_profit": 0.2, "daily_stop": 0.05, "cooldown_bars": 2} | changes)
    )


def test_nothing_triggers_inside_the_limits():
    rules = stops()
    assert rules.update({"A": -0.0999, "B": 0.1999}, 100.0) == {}
    assert rules.update({"A": -0.0999}, 95.1) == {}
    assert rules.filter({"A": 0.3, "B": -0.3}) == {"A": 0.3, "B": -0.3}


@pytest.mark.parametrize(("profit", "word"), [(-0.1, "stop loss"), (0.2, "take profit")])
def test_a_stopped_symbol_is_flat_for_this_close_and_the_cooldown(profit, word):
    rules = stops()
    assert word in rules.update({"A": profit}, 100.0)["A"]
    flat = []
    for _ in range(4):
        flat.append(rules.filter({"A": 0.3, "B": 0.3}) == {"A": 0.0, "B": 0.3})
        rules.update({}, 100.0)
    assert flat == [True, True, True, False]


def test_without_cooldown_a_stop_holds_for_one_close():
    rules = stops(cooldown_bars=0)
    rules.update({"A": -0.5}, 100.0)
    assert rules.filter({"A": 0.3}) == {"A": 0.0}
    rules.update({}, 100.0)
    assert rules.filter({"A": 0.3}) == {"A": 0.3}


def test_daily_stop_flattens_everything_for_one_bar():
    rules = stops()
    rules.update({}, 100.0)
    assert "daily stop" in rules.update({}, 95.0)["portfolio"]
    assert rules.filter({"A": 0.3, "B": math.nan}) == {"A": 0.0, "B": 0.0}
    assert rules.update({}, 95.0) == {}
    assert rules.filter({"A": 0.3}) == {"A": 0.3}


def test_off_is_off():
    rules = stops(stop_loss=None, take_profit=None, daily_stop=None)
    rules.update({}, 100.0)
    assert rules.update({"A": -0.99, "B": 9.0}, 1.0) == {}
    assert rules.filter({"A": 1.0}) == {"A": 1.0}


def test_no_fresh_target_stays_none():
    rules = stops()
    rules.update({}, 100.0)
    assert math.isnan(rules.filter({"A": math.nan})["A"])


def test_a_restart_remembers():
    before = stops()
    before.update({}, 100.0)
    before.update({"A": -0.2}, 99.0)
    after = stops()
    after.restore(before.to_state())
    for rules in (before, after):
        assert rules.filter({"A": 0.3, "B": 0.1}) == {"A": 0.0, "B": 0.1}
    assert before.update({}, 90.0) == after.update({}, 90.0) != {}
