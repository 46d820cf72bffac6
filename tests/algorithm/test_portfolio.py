"""Sizing: the only way from weights to quantities, in both trade modes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from AlgorithmImports import InsightDirection
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithm.execution import send_orders
from algorithm.portfolio import (
    CappedPortfolioConstructionModel,
    expected_quantities,
    plan_from,
    quantity_on_order,
    target_quantities,
)
from models.limits import Caps
from sim.accounting import Account, Rules, plan
from tests.algorithm.account import FakeAlgorithm


def rules_of(cap=0.3, *symbols, overrides=None, lot_size=1, **options):
    caps = Caps(default=cap, overrides=overrides or {}, **options)
    return Rules.of(caps, symbols or ("A", "B"), equity=10_000.0, lot_size=lot_size)


def planned(algorithm, weights, rules):
    expected = expected_quantities(algorithm, algorithm.symbols)
    found = plan_from(algorithm, expected, weights, rules)
    return {symbol.value: quantity for symbol, quantity in found.items()}


def insight(algorithm, name, weight):
    symbol = next(s for s in algorithm.symbols if s.value == name)
    direction = [InsightDirection.FLAT, InsightDirection.UP, InsightDirection.DOWN]
    return SimpleNamespace(
        symbol=symbol, direction=direction[int(np.sign(weight))], weight=abs(weight)
    )


def test_open_orders_count_as_held():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0}, {"A": 5}, {"A": 8})
    (symbol,) = algorithm.symbols
    assert quantity_on_order(algorithm, symbol) == 8
    assert expected_quantities(algorithm, [symbol]) == {symbol: 13}


def test_a_target_is_sized_under_its_own_cap_less_the_buffer_in_whole_shares():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 30.0})
    rules = rules_of(0.3, overrides={"B": 0.05})
    # A: .97 × .3 × 10,000 / 100 = 29.1; B: .97 × .05 × 10,000 / 30 = 16.2 shares short.
    assert planned(algorithm, {"A": 1.0, "B": -1.0}, rules) == {"A": 29.0, "B": -16.0}


@pytest.mark.parametrize(("lot_size", "shares"), [(0, 29.1), (10, 20.0)])
def test_lots_are_those_of_the_rules(lot_size, shares):
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0})
    found = planned(algorithm, {"A": 0.3}, rules_of(lot_size=lot_size))
    assert found == {"A": pytest.approx(shares), "B": 0.0}


def test_no_fresh_target_keeps_the_holding_unless_it_is_above_its_cap():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"A": 29, "B": 40})
    assert planned(algorithm, {"A": math.nan}, rules_of()) == {"A": 29.0, "B": 29.0}


def test_what_is_on_order_is_not_ordered_again():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"A": 9}, {"A": 20})
    assert planned(algorithm, {"A": 0.3}, rules_of()) == {"A": 29.0, "B": 0.0}


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.lists(st.integers(-30, 30), min_size=2, max_size=2),
)
def test_the_algorithm_sizes_as_the_environment_does(weights, held):
    prices = {"A": 97.0, "B": 33.0}
    value = sum(quantity * price for quantity, price in zip(held, prices.values(), strict=True))
    equity = 10_000.0
    algorithm = FakeAlgorithm(equity, prices, dict(zip("AB", held, strict=True)))
    rules = rules_of()
    account = Account(np.array([equity - value]), np.array([held], float), np.array([equity]))
    orders = plan(account, np.array([weights]), np.array([list(prices.values())]), rules)
    found = planned(algorithm, dict(zip("AB", weights, strict=True)), rules)
    np.testing.assert_array_equal(list(found.values()), np.array(held) + orders[0])


def test_targets_are_of_the_symbols_with_a_fresh_weight_only():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0, "C": 100.0}, {"B": 40})
    a, b, c = algorithm.symbols
    rules = rules_of(0.3, "A", "B", "C")
    weights = {"A": 0.3, "B": math.nan}
    assert target_quantities(algorithm, [a, b, c], weights, rules) == {a: 29.0}


def test_what_is_held_without_a_target_leaves_less_room_under_the_gross_cap():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"B": 50})
    rules = rules_of(0.6, gross=0.8)
    # Of .97 × .8 = .776 the holding takes .5; 27 whole shares fit into what is left.
    found = target_quantities(algorithm, algorithm.symbols, {"A": 0.6}, rules)
    assert list(found.values()) == [27.0]


def test_construction_gives_a_target_for_each_insight():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"B": 40})
    model = CappedPortfolioConstructionModel(algorithm.symbols, rules_of())
    targets = model.create_targets(algorithm, [insight(algorithm, "A", -0.3)])
    assert {t.symbol.value: float(t.quantity) for t in targets} == {"A": -29.0}


def test_construction_wants_nothing_without_insights():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"B": 40})
    model = CappedPortfolioConstructionModel(algorithm.symbols, rules_of())
    assert model.create_targets(algorithm, []) == []


def test_a_flat_insight_closes_the_position():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"A": 29})
    model = CappedPortfolioConstructionModel(algorithm.symbols, rules_of())
    targets = model.create_targets(algorithm, [insight(algorithm, "A", 0.0)])
    assert {t.symbol.value: float(t.quantity) for t in targets} == {"A": 0.0}


def test_an_insight_without_a_weight_asks_for_no_position():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"A": 29})
    model = CappedPortfolioConstructionModel(algorithm.symbols, rules_of())
    asked = SimpleNamespace(symbol=algorithm.symbols[0], direction=InsightDirection.UP, weight=None)
    (target,) = model.create_targets(algorithm, [asked])
    assert target.quantity == 0


def test_a_failure_of_sizing_costs_the_targets_where_somebody_hears_of_it():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 0.0})
    asked = [insight(algorithm, "A", 0.2)]
    said = []
    model = CappedPortfolioConstructionModel(algorithm.symbols, rules_of(), 1.0, said.append)
    assert model.create_targets(algorithm, asked) == []
    assert [type(problem) for problem in said] == [ValueError]
    alone = CappedPortfolioConstructionModel(algorithm.symbols, rules_of())
    with pytest.raises(ValueError, match="price"):
        alone.create_targets(algorithm, asked)


def test_a_share_of_the_account_is_sized_as_an_account_of_that_size():
    whole = FakeAlgorithm(5_000.0, {"A": 100.0, "B": 100.0}, {"A": 3})
    half = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 100.0}, {"A": 3})
    weights = {"A": 0.1, "B": 0.2}
    wanted = target_quantities(whole, whole.symbols, weights, rules_of())
    assert target_quantities(half, half.symbols, weights, rules_of(), 0.5) == wanted


def test_reductions_are_ordered_first():
    """So is a change of sides that leaves a position of the same size."""
    held = {"B": 20, "C": -20, "D": 5, "E": 5}
    algorithm = FakeAlgorithm(10_000.0, dict.fromkeys("ABCDE", 10.0), held, {"A": 4})
    a, b, c, d, e = algorithm.symbols
    send_orders(algorithm, {a: 10.0, b: 10.0, c: -5.0, d: 5.0, e: -5.0})
    assert algorithm.orders == [("B", -10.0), ("C", 15.0), ("E", -10.0), ("A", 6.0)]


@pytest.mark.parametrize(("target", "change"), [(-3.0, -8.0), (5.0, None), (0.0, -5.0)])
def test_an_order_is_what_is_missing(target, change):
    algorithm = FakeAlgorithm(10_000.0, {"A": 10.0}, {"A": 5})
    send_orders(algorithm, {algorithm.symbols[0]: target})
    assert algorithm.orders == ([] if change is None else [("A", change)])
