"""The default run itself, learned models and all, against the environment it was trained in."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sim.accounting import Rules, replay
from sim.costs import InteractiveBrokersCost
from tests.integration.bars import bars_of

ROOT = Path(__file__).parents[2]

MAIN = '''
from algorithm.strategy import MirageStrategy


class Recorder(MirageStrategy):
    """The strategy, remembering its decisions and its equity."""

    def initialize(self):
        self.traded_decisions = []
        self.equity_at_close = []
        super().initialize()

    def on_decision(self, time, weights):
        self.traded_decisions.append((time, dict(weights)))

    def _decide(self, decider, fresh):
        self.equity_at_close.append(float(self.portfolio.total_portfolio_value))
        super()._decide(decider, fresh)
'''


@pytest.mark.slow
def test_the_environment_gives_the_default_runs_equity(module_run, data_folder):
    parameters = json.loads((ROOT / "config.json").read_text(encoding="utf-8"))["parameters"]
    # Direct orders report every decision once, also those without a stop; positions are the same.
    result = module_run(parameters | {"trade_mode": "orders"}, main=MAIN, store="default")
    algorithm = result.algorithm
    symbols = parameters["symbols"].split(",")
    days = [time.date() for time, _ in algorithm.traded_decisions]
    assert len(days) > 1000
    bars = np.stack([bars_of(data_folder, name, days) for name in symbols], axis=1)
    weights = np.array(
        [[row.get(name, math.nan) for name in symbols] for _, row in algorithm.traded_decisions]
    )
    options = algorithm._options
    costs = InteractiveBrokersCost(slippage=options.slippage)
    rules = Rules.of(options.limits(), symbols, equity=options.cash, lot_size=1, costs=costs)
    curve = replay(weights, bars, rules)
    np.testing.assert_allclose(curve, algorithm.equity_at_close, rtol=0, atol=0.005)
    assert {order.symbol.value for order in result.orders} == set(symbols)
