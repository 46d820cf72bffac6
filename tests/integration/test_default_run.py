"""The default run itself, learned models and all, against the environment it was trained in."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from algorithm.settings import Settings
from models.agent.account import Standing
from models.agent.observation import Observer
from models.agent.outlook import Outlook, advance_moments, correlation_of, surprises
from models.forecast.recalibration import Memory
from models.market.features import FeatureTable
from models.market.market_view import MarketView
from sim.accounting import replay
from sim.starts import newest_moments
from tests.integration.bars import bars_of

ROOT = Path(__file__).parents[2]

MAIN = '''
from algorithm.strategy import MirageStrategy


class Recorder(MirageStrategy):
    """The strategy, remembering its trainings, its decisions and its equity."""

    def create_learner(self, options):
        self.decisions = []
        self.equity_at_close = []
        self.trainings = []
        learner = super().create_learner(options)
        decider_of = learner.decider

        def decider(histories, rules, now):
            made = decider_of(histories, rules, now)
            if made is not None:
                self.trainings.append((now, histories, rules, learner.models))
            return made

        learner.decider = decider
        return learner

    def on_decision(self, decision, weights):
        equity = float(self.portfolio.total_portfolio_value)
        held = {s.value: float(self.portfolio[s].holdings_value) / equity for s in self._traded}
        rows = {s.value: self._bars.newest(s.value) for s in self._traded}
        self.decisions.append((decision, weights, held, rows))
        self.equity_at_close.append(equity)'''


@pytest.fixture(scope="module")
def parameters():
    return json.loads((ROOT / "config.json").read_text(encoding="utf-8"))["parameters"]


@pytest.fixture(scope="module")
def algorithm(parameters, module_run):
    # Direct orders; positions are those of insights (tested in test_plumbing).
    result = module_run(parameters | {"trade_mode": "orders"}, main=MAIN, store="default")
    assert {order.symbol.value for order in result.orders} == {"AAPL", "GOOG", "IBM"}
    return result.algorithm


@pytest.mark.slow
def test_the_environment_gives_the_default_runs_equity(algorithm, parameters, data_folder):
    settings = Settings.from_parameters(parameters)
    symbols = settings.run.symbols
    days = [decision.time.date() for decision, *_ in algorithm.decisions]
    assert len(days) > 1000
    bars = np.stack([bars_of(data_folder, name, days) for name in symbols], axis=1)
    weights = np.array(
        [[row.get(name, math.nan) for name in symbols] for _, row, *_ in algorithm.decisions]
    )
    curve = replay(weights, bars, settings.rules(settings.run.cash))
    np.testing.assert_allclose(curve, algorithm.equity_at_close, rtol=0, atol=0.005)


@pytest.mark.slow
def test_the_simulators_way_of_seeing_takes_every_action_of_the_default_run(algorithm, parameters):
    """The outlooks of the traded bars, seen as a path's are in training: all symbols in one batch,
    from a view at the training's last bar. No target differs."""
    symbols = Settings.from_parameters(parameters).run.symbols
    ends = [now for now, *_ in algorithm.trainings[1:]] + [None]
    checked = outside = 0
    for (now, histories, rules, models), until in zip(algorithm.trainings, ends, strict=True):
        tables = [FeatureTable.of(history) for history in histories]
        observer = Observer(models.forecaster)
        view = MarketView.at(tables, window=models.forecaster.config.window)
        newest = [
            models.forecaster.hindcast(table).memory_at(np.array([len(table) - 1]))
            for table in tables
        ]
        seen, moments = observer.follow(view, Memory.concatenate(newest)), newest_moments(tables)
        lowest, highest = bounds_of(tables)
        for decision, _, held, rows in algorithm.decisions:
            if decision.time < now or (until is not None and decision.time >= until):
                continue
            assert {time for time, _ in rows.values()} == {decision.time}
            seen.push(np.array([rows[name][1] for name in symbols]))
            moments = advance_moments(moments, surprises(seen.forecast)[None])
            outlook = Outlook(seen.current()[None], seen.forecast[None], correlation_of(moments))
            weights = np.array([[held[name] for name in symbols]])
            standing = Standing(weights / rules.caps, rules.caps[None], rules.gross)
            wanted = models.agent.act(outlook, standing)[0] * rules.caps
            np.testing.assert_array_equal([decision.weights[name] for name in symbols], wanted)
            found = seen.view.feature_rows
            outside += int(((found < lowest) | (found > highest)).any(axis=1).sum())
            checked += len(symbols)
    assert checked == len(symbols) * len(algorithm.decisions)
    # Bars wilder than their history are no rarity: it matters that both flows bound them alike.
    assert outside > 0.05 * checked


def bounds_of(tables):
    """Lowest and highest features of each history, (S, F) each, worked out here."""
    known = [table.rows[np.isfinite(table.rows).all(axis=1)] for table in tables]
    return (np.stack([getattr(rows, side)(axis=0) for rows in known]) for side in ("min", "max"))
