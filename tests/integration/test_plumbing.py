"""The whole algorithm on the engine and real data, with scripted decisions."""

import math
import re

import numpy as np
import pytest

from algorithm.settings import Settings
from research.experiments.seeds import constant_mix
from research.figures import sharpe
from sim.accounting import replay
from tests.integration.bars import bars_of
from tests.integration.conftest import SCRIPTED_MAIN

SHORT = {
    "symbols": "AAPL,GOOG,IBM",
    "start_date": "2009-01-02",
    "end_date": "2009-12-31",
    "warm_up_years": "1",
    "seed": "3",
    "stop_loss": "off",
    "daily_stop": "off",
}


def fills(result):
    return [
        (order.symbol.value, order.last_fill_time, float(order.quantity), float(order.price))
        for order in result.orders
    ]


@pytest.fixture(scope="module")
def default_run(module_run):
    return module_run(SHORT)


def test_every_symbol_of_the_list_is_traded_the_last_one_too(default_run):
    assert {symbol for symbol, *_ in fills(default_run)} == {"AAPL", "GOOG", "IBM"}


def test_trading_begins_on_the_first_bar_after_warm_up(default_run):
    """The decision after the first close fills at the next bar."""
    first = default_run.algorithm.traded_decisions[0][0]
    assert str(first) == "2009-01-02 16:00:00"
    assert min(order.time for order in default_run.orders).date().isoformat() == "2009-01-02"


def test_insights_and_orders_give_the_same_positions(default_run, module_run):
    by_orders = module_run(SHORT | {"trade_mode": "orders"}, store="orders")
    key = lambda fill: (fill[1], fill[0])  # noqa: E731
    assert sorted(fills(by_orders), key=key) == sorted(fills(default_run), key=key)
    assert by_orders.statistics["End Equity"] == default_run.statistics["End Equity"]


def test_no_submitted_order_leaves_a_symbol_above_its_cap(module_run):
    result = module_run(
        SHORT | {"caps": "GOOG:0.05", "cap": "0.3", "gross_cap": "0.5"}, store="caps"
    )
    caps = {"AAPL": 0.3, "GOOG": 0.05, "IBM": 0.3}
    submitted = [row for row in result.algorithm.submitted if "SUBMITTED" in row[2].upper()]
    assert submitted
    seen = 0.0
    for _, symbol, _, quantity, price, equity, held in submitted:
        weight = abs(held + quantity) * price / equity
        assert weight <= caps[symbol] * (1 + 1e-9), (symbol, weight)
        seen = max(seen, weight / caps[symbol])
    assert seen > 0.9, "caps never came into play"


STOPS = {"stop_loss": "0.03", "daily_stop": "0.02", "cooldown_bars": "3"}


@pytest.fixture(scope="module")
def stopped_runs(module_run):
    """The same with tight stops, by trade mode."""
    return {
        mode: module_run(SHORT | STOPS | {"trade_mode": mode}, store=f"stops_{mode}")
        for mode in ("insights", "orders")
    }


def test_stops_take_positions_off_in_both_modes_alike(stopped_runs):
    insights, orders = stopped_runs["insights"], stopped_runs["orders"]
    for words in ("stop loss", "daily stop"):
        assert [line for line in insights.log if words in line]
    assert sorted(fills(insights)) == sorted(fills(orders))
    assert insights.log == orders.log


def test_a_stopped_symbol_is_flat_through_its_cooldown(stopped_runs):
    """From the open after the stop to that after the third close beyond it, nothing is held."""
    result = stopped_runs["insights"]
    closes = [time for time, _ in result.algorithm.traded_decisions]
    hits = [line for line in result.log if "stop loss" in line]
    assert len(hits) > 5
    decisions = dict(result.algorithm.traded_decisions)
    for line in hits:
        stamp, name = line[:19], line[20:].split(":")[0]
        at = next(i for i, time in enumerate(closes) if str(time) == stamp)
        for time in closes[at : at + 4]:
            assert decisions[time][name] == 0.0, (line, time)


def with_construction(body):
    """The scripted strategy with another portfolio construction, which the caps do not bind."""
    return (
        SCRIPTED_MAIN
        + f"""

from AlgorithmImports import *


class Construction(PortfolioConstructionModel):
    def create_targets(self, algorithm, insights):
        {body}


class ScriptedOtherwise(Scripted):
    def initialize(self):
        super().initialize()
        self.set_portfolio_construction(Construction())
"""
    )


def test_portfolio_construction_makes_the_targets(module_run):
    """One that wants nothing gets nothing: no later stage decides again."""
    nothing = with_construction("return [PortfolioTarget(i.symbol, 0) for i in insights]")
    result = module_run(SHORT, main=nothing, store="nothing")
    assert len(result.algorithm.traded_decisions) > 200
    assert fills(result) == []


def test_the_risk_stage_holds_caps_and_stops_against_any_portfolio_construction(module_run):
    """One that asks for ten times as much as is insighted gets what caps and stops allow."""
    greedy = with_construction(
        "return [PortfolioTarget(i.symbol, 10 * int(i.direction) * i.weight * "
        "float(algorithm.portfolio.total_portfolio_value) / "
        "float(algorithm.securities[i.symbol].price)) for i in insights]"
    )
    result = module_run(SHORT | STOPS | {"caps": "GOOG:0.05"}, main=greedy, store="greedy")
    caps = {"AAPL": 0.32, "GOOG": 0.05, "IBM": 0.32}
    orders = [row for row in result.algorithm.submitted if "SUBMITTED" in row[2].upper()]
    assert len(orders) > 100
    largest = dict.fromkeys(caps, 0.0)
    decisions = dict(result.algorithm.traded_decisions)
    for time, symbol, _, quantity, price, equity, held in orders:
        weight = abs(held + quantity) * price / equity
        largest[symbol] = max(largest[symbol], weight / caps[symbol])
        if decisions[time][symbol] == 0.0:
            assert held + quantity == 0
    assert all(0.85 < share <= 1 + 1e-9 for share in largest.values()), largest


SLICED = """

class Bars:
    def __init__(self, data, name):
        self._data, self._name = data, name

    def get(self, symbol):
        return self._data.bars.get(symbol) if symbol.value == self._name else None


class Part:
    has_data = True

    def __init__(self, data, name):
        self.bars = Bars(data, name)


class Sliced(Scripted):
    def on_data(self, data):
        BODY
"""
SLICES = {
    "the whole twice": "super().on_data(data)\n        super().on_data(data)",
    "symbol by symbol": """for name in ("AAPL", "GOOG", "IBM"):
            super().on_data(Part(data, name))""",
    "with the framework between": """for name in ("AAPL", "GOOG", "IBM"):
            super().on_data(Part(data, name))
            if not self.is_warming_up:
                self._qc_pipeline.on_data(Part(data, name))""",
}


@pytest.mark.parametrize("mode", ["insights", "orders"])
@pytest.mark.parametrize("slices", sorted(SLICES))
def test_a_close_told_in_several_slices_gives_the_same_as_in_one(
    mode, slices, module_run, stopped_runs
):
    if slices == "with the framework between" and mode == "orders":
        slices = "symbol by symbol"
    main = SCRIPTED_MAIN + SLICED.replace("BODY", SLICES[slices])
    result = module_run(
        SHORT | STOPS | {"trade_mode": mode}, main=main, store=f"{mode}_{len(slices)}"
    )
    assert sorted(fills(result)) == sorted(fills(stopped_runs[mode]))
    assert result.log == stopped_runs[mode].log


@pytest.mark.parametrize("mode", ["insights", "orders"])
def test_slices_end_in_the_same_positions_where_the_gross_cap_binds(mode, module_run):
    """What the first slice took of the room is given back when the others come."""
    wide = SHORT | {"trade_mode": mode, "cap": "0.6", "end_date": "2009-01-08"}
    whole = module_run(wide, store=f"wide_{mode}")
    kind = "with the framework between" if mode == "insights" else "symbol by symbol"
    main = SCRIPTED_MAIN + SLICED.replace("BODY", SLICES[kind])
    sliced = module_run(wide, main=main, store=f"wide_sliced_{mode}")
    first = min(time for _, time, *_ in fills(whole))
    assert held_after(sliced, first) == held_after(whole, first)
    assert len(held_after(whole, first)) > 1
    assert len(fills(sliced)) > len(fills(whole))


def held_after(result, time):
    """Shares by symbol when all orders up to a time are filled."""
    held = {}
    for symbol, filled, quantity, _ in fills(result):
        if filled <= time:
            held[symbol] = held.get(symbol, 0) + quantity
    return held


def test_learning_is_asked_with_the_account_as_it_is(default_run):
    """Every month, with the portfolio's value in two digits and each symbol's cap."""
    asked = default_run.algorithm.learner.asked
    assert len(asked) == 13
    equity = dict(default_run.algorithm.equity_at_close)
    for _, rules, now in asked[1:]:
        before = [value for time, value in equity.items() if time < now] or [100_000.0]
        assert rules.equity == float(f"{before[-1]:.1e}")
        assert rules.caps.tolist() == [0.32] * 3
        assert rules.costs.slippage == 0.0005
    assert asked[0][1].equity == 100_000.0
    assert len({rules.equity for _, rules, _ in asked}) > 1


@pytest.mark.parametrize("lot_size", ["whole", "fractional"])
def test_the_environment_gives_the_engines_equity(
    lot_size, module_run, data_folder, fractional_data_folder
):
    """The agent trains on the market it will trade: same decisions, same bars, same equity."""
    folder = data_folder if lot_size == "whole" else fractional_data_folder
    result = module_run(SHORT | {"trade_mode": "orders"}, store=f"replay_{lot_size}", data=folder)
    decisions = result.algorithm.traded_decisions
    symbols = SHORT["symbols"].split(",")
    days = [time.date() for time, _ in decisions]
    bars = np.stack([bars_of(folder, name, days) for name in symbols], axis=1)
    weights = np.array([[row.get(name, math.nan) for name in symbols] for _, row in decisions])
    rules = Settings.from_parameters(SHORT).rules(100_000.0, 1 if lot_size == "whole" else 0)
    curve = replay(weights, bars, rules)
    sampled = {time.date(): equity for time, equity in result.algorithm.equity_at_close}
    engine = np.array([sampled[day] for day in days])
    assert len({round(value, 2) for value in engine}) > 200
    if lot_size == "whole":
        np.testing.assert_allclose(curve, engine, rtol=0, atol=0.005)
    else:
        np.testing.assert_allclose(curve, engine, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"symbols": "AAPL,NOSUCH"}, r"NOSUCH"),
        ({"wram_up": "4"}, r"unknown parameter wram_up"),
        ({"cap": "1.5"}, r"parameter cap must be .*received '?1\.5"),
        ({"start_date": "2009-01-02", "end_date": "2009-01-01"}, r"start_date must lie before"),
        ({"cap": "0.3", "gross_cap": "0.2"}, r"cap of default must be at most the gross cap"),
    ],
)
def test_bad_parameters_stop_the_run_with_their_name(parameters, message, module_run):
    with pytest.raises(Exception, match=message) as raised:
        module_run(SHORT | parameters, store="bad")
    assert re.search(message, str(raised.value))


def test_a_missing_data_folder_is_named(module_run, tmp_path):
    with pytest.raises(Exception, match="nowhere"):
        module_run(SHORT, store="none", data=tmp_path / "nowhere")


def test_the_benchmark_is_equal_weight_buy_and_hold(default_run, data_folder):
    from datetime import date

    samples = default_run.algorithm.benchmark_at_close
    days = [time.date() for time, _ in samples]
    closes = {
        name: bars_of(data_folder, name, [date(2008, 12, 31), *days])[:, 3]
        for name in SHORT["symbols"].split(",")
    }
    expected = sum(100_000 / 3 * series[1:] / series[0] for series in closes.values())
    np.testing.assert_allclose([value for _, value in samples], expected, rtol=1e-9)


def test_the_simple_rule_beside_the_results_earns_what_the_engine_pays_it(module_run, data_folder):
    """Every symbol at its cap, always: the experiment's figures against a backtest's."""
    main = (
        SCRIPTED_MAIN.replace("ScriptedLearner(options.run.seed)", "Always()")
        + """

from algorithm.decision import Decision


class Always:
    def decider(self, histories, rules, now):
        self.caps = dict(zip([h.symbol for h in histories], rules.caps, strict=True))
        return self

    def catch_up(self, bars):
        pass

    def decide(self, time, fresh, held):
        return Decision(time, {name: self.caps[name] for name in fresh})
"""
    )
    result = module_run(SHORT, main=main, store="always")
    equity = np.array([value for _, value in result.algorithm.equity_at_close])
    found = constant_mix(SHORT, data_folder)
    assert found["net profit"] == pytest.approx(equity[-1] / equity[0] - 1, abs=1e-6)
    assert found["Sharpe"] == pytest.approx(sharpe(np.diff(np.log(equity))), abs=1e-5)
