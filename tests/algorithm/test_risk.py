"""The risk stage: it changes what a stop or a cap forbids, and nothing else."""

from datetime import datetime

import pytest
from AlgorithmImports import PortfolioTarget
from hypothesis import given
from hypothesis import strategies as st

from algorithm.portfolio import target_quantities
from algorithm.risk import StopsAndCapsRiskModel
from algorithm.stops import StopRules, Stops
from models.limits import Caps
from sim.accounting import Rules
from tests.algorithm.account import FakeAlgorithm, Name

RULES = Rules.of(Caps(default=0.3), ("A", "B"), equity=10_000.0)
PRICES = {"A": 100.0, "B": 100.0}


def stopped(*names):
    stops = Stops(StopRules())
    stops.update(datetime(2009, 1, 2), dict.fromkeys(names, -0.5), 10_000.0)
    return stops


def overrides(algorithm, targets, *names, fresh=("A", "B")):
    model = StopsAndCapsRiskModel(algorithm.symbols, RULES, stopped(*names), lambda: set(fresh))
    asked = [
        PortfolioTarget(symbol, targets[symbol.value])
        for symbol in algorithm.symbols
        if symbol.value in targets
    ]
    found = model.manage_risk(algorithm, asked)
    return {target.symbol.value: float(target.quantity) for target in found}


def test_targets_within_caps_pass():
    assert overrides(FakeAlgorithm(10_000.0, PRICES), {"A": 30.0, "B": -29.0}) == {}


def test_a_target_above_its_cap_is_trimmed_to_the_cap_less_the_buffer():
    assert overrides(FakeAlgorithm(10_000.0, PRICES), {"A": 31.0, "B": -500.0}) == {
        "A": 29.0,
        "B": -29.0,
    }


def test_a_holding_without_a_target_is_trimmed_too():
    algorithm = FakeAlgorithm(10_000.0, PRICES, {"A": 40, "B": 20}, {"B": 20})
    assert overrides(algorithm, {}) == {"A": 29.0, "B": 29.0}


def test_what_is_stopped_is_closed_with_or_without_a_target():
    algorithm = FakeAlgorithm(10_000.0, PRICES, {"A": 10, "B": 10})
    assert overrides(algorithm, {"A": 20.0}, "A", "B") == {"A": 0.0, "B": 0.0}
    assert overrides(algorithm, {"A": 0.0}, "A") == {}


def test_a_failure_demands_nothing_where_somebody_hears_of_it():
    algorithm = FakeAlgorithm(10_000.0, {"A": 100.0, "B": 0.0}, {"A": 40})
    fresh, said = lambda: {"A"}, []
    model = StopsAndCapsRiskModel(algorithm.symbols, RULES, stopped(), fresh, 1.0, said.append)
    assert model.manage_risk(algorithm, []) == []
    assert [type(problem) for problem in said] == [ValueError]
    with pytest.raises(ValueError, match="price"):
        StopsAndCapsRiskModel(algorithm.symbols, RULES, stopped(), fresh).manage_risk(algorithm, [])


def test_between_decisions_nothing_is_touched():
    algorithm = FakeAlgorithm(10_000.0, PRICES, {"A": 40})
    assert overrides(algorithm, {}, "A", fresh=()) == {}


def test_a_holding_whose_bar_has_not_come_waits_for_it_unless_it_is_stopped():
    algorithm = FakeAlgorithm(10_000.0, PRICES, {"A": 40, "B": 40})
    assert overrides(algorithm, {}, fresh=("B",)) == {"B": 29.0}
    assert overrides(algorithm, {}, "A", fresh=("B",)) == {"A": 0.0, "B": 29.0}


def test_a_target_of_a_symbol_that_is_not_traded_is_left_alone():
    algorithm = FakeAlgorithm(10_000.0, PRICES)
    model = StopsAndCapsRiskModel(algorithm.symbols, RULES, stopped(), lambda: {"A"})
    assert model.manage_risk(algorithm, [PortfolioTarget(Name("C"), 1e6)]) == []


@pytest.mark.parametrize("names", [(), ("A",)])
@given(
    wanted=st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    held=st.lists(st.integers(-40, 40), min_size=2, max_size=2),
)
def test_planned_targets_need_no_override(names, wanted, held):
    """Decisions come after the stops and are sized under the caps: the risk stage agrees."""
    algorithm = FakeAlgorithm(10_000.0, PRICES, dict(zip("AB", held, strict=True)))
    weights = stopped(*names).apply(dict(zip("AB", wanted, strict=True)))
    planned = target_quantities(algorithm, algorithm.symbols, weights, RULES)
    targets = {symbol.value: quantity for symbol, quantity in planned.items()}
    assert overrides(algorithm, targets, *names) == {}
