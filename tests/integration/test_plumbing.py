"""The whole algorithm on the engine and real data, with scripted decisions."""

import math
import re

import numpy as np
import pytest

from models.limits import Caps
from sim.accounting import Rules, replay
from sim.costs import InteractiveBrokersCost
from tests.integration.bars import bars_of

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


def test_a_stop_loss_takes_the_position_off(module_run):
    stopped = module_run(SHORT | {"stop_loss": "0.03", "cooldown_bars": "3"}, store="stops")
    lines = [line for line in stopped.log if "stop loss" in line]
    assert lines
    both = [
        module_run(
            SHORT | {"stop_loss": "0.03", "cooldown_bars": "3", "trade_mode": mode}, store=mode
        )
        for mode in ("insights", "orders")
    ]
    assert sorted(fills(both[0])) == sorted(fills(both[1]))


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
    options = result.algorithm._options
    caps: Caps = options.limits()
    rules = Rules.of(
        caps,
        symbols,
        equity=options.cash,
        lot_size=1 if lot_size == "whole" else 0,
        costs=InteractiveBrokersCost(slippage=options.slippage),
    )
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
