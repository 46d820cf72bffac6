"""What the report shows of a live run outlives a restart.

That is what rules and candidates earn beside it, who is promoted, and what became of forecasts.

The learner is the real one; nothing is learned: forecasters have random weights, candidates differ
by their aversion, and what they earned on imagined markets is made up.
"""

import functools
import json
import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from algorithm.learner import RIVALS
from algorithm.learning import AgentCurve
from algorithm.promotion import PromotionRule, promote
from algorithm.training import TrainedAgent, TrainedModels, Trainer
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from tests.algorithm.test_learner import FOUND
from tests.engine.folder import business_days
from tests.integration.live import FIRST, SYMBOLS, Market, rows, summed
from tests.models.synthetic import random_forecaster

START, END = (2012, 3, 7, 8), (2012, 4, 9, 20)
CANDIDATES = {"mean_variance": 12.0, "gradient": 3.0}
"""Aversions by kind."""

MAIN = '''
from algorithm.strategy import MirageStrategy


class Quick(MirageStrategy):
    """The strategy, remembering its fills."""

    def initialize(self):
        self.fills = []
        super().initialize()

    def on_order_event(self, event):
        super().on_order_event(event)
        if event.fill_quantity != 0:
            self.fills.append(
                (self.time, event.symbol.value, event.fill_quantity, event.fill_price)
            )
'''
QUICK = {
    "warm_up_years": "2",
    "forecaster_units": "4",
    "forecaster_window": "20",
    "forecast_draws": "16",
}
BEST = QUICK | {"agent": "best", "candidates": ",".join(CANDIDATES)}
MADE: dict[str, TrainedModels] = {}
"""Models by the key of their forecaster, as an object store would have them."""


class QuickTrainer(Trainer):
    """A trainer that learns nothing."""

    def train(self, tables, rules, previous=None, *, now):
        agent = self._config.agent
        kinds = agent.candidates if agent.kind == "best" else (agent.kind,)
        end = max(table.history.data_end for table in tables)
        key = f"forecaster of {end} and {len(kinds)}"
        rng = np.random.default_rng(len(tables[0]))
        agents = {
            kind: TrainedAgent(
                MeanVariance(MeanVarianceConfig(aversion=CANDIDATES[kind], band=0.1)),
                f"{kind} of {end}",
                AgentCurve(),
                False,
                rng.normal(1e-3 * (kind == "gradient"), 1e-4, 32)
                if len(kinds) > 1
                else np.empty(0),
            )
            for kind in kinds
        }
        config = self._config.forecaster
        forecaster = random_forecaster(tables, config, 5)
        trading = kinds[0] if previous is None else previous.trading
        MADE[key] = TrainedModels(forecaster, key, False, agents, trading, end)
        return MADE[key]

    def restored(self, kept, *, now):
        made = MADE[kept["forecaster"]]
        return TrainedModels(
            made.forecaster, made.forecaster_key, True, made.agents, kept["trading"], made.data_end
        )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing is learned or imagined; promoted is who is ahead at all, after ten closes."""
    rule = PromotionRule(real_errors=0.0, closes=10)
    monkeypatch.setattr("algorithm.learner.Trainer", QuickTrainer)
    found = replace(FOUND, closes=np.full((2, len(SYMBOLS), 3), 7.0))
    monkeypatch.setattr("algorithm.learner.imagined", lambda *_: found)
    monkeypatch.setattr("algorithm.learner.promote", functools.partial(promote, rule=rule))


def market(folder, parameters, factors=lambda made: {}):
    """A market; `factors` may change it and gives its factor files."""
    folder.mkdir()
    made = Market(folder, main=MAIN)
    made.parameters |= parameters | {"start_date": "2012-03-05", "end_date": "2012-04-30"}
    made.bars = {name: rows(i, 850) for i, name in enumerate(SYMBOLS)}
    made.days = business_days(FIRST, 850)
    return made.write(factors=factors(made))


def told(market):
    """What the report reads of rules and candidates."""
    text = (market.root / "store" / "mirage" / "diagnostics.json").read_text("utf-8")
    found = json.loads(text)
    return found["rivals"], found.get("promotions")


def shown(market):
    """What the report reads of forecasts, imagined markets and trainings, but for their times."""
    text = (market.root / "store" / "mirage" / "diagnostics.json").read_text("utf-8")
    found = json.loads(text)
    for training in found["trainings"]:
        del training["time"]
    return {name: found[name] for name in SHOWN}


SHOWN = ("calibration", "forecasts", "prices", "paths", "facts", "trainings")


def pieces(market, *stops):
    """A run that ends at some moments and goes on a minute later, or at a moment of its own."""
    fills, begin = [], START
    for stop, again in stops:
        fills += market.live(begin, stop).algorithm.fills
        begin = again
    return fills + market.live(begin, END).algorithm.fills


STOPS = (
    ((2012, 3, 12, 22), (2012, 3, 13, 8, 30)),
    ((2012, 3, 16, 11, 30), (2012, 3, 16, 11, 31)),
    # Killed at the close: nobody saw it.
    ((2012, 3, 22, 15, 59), (2012, 3, 22, 18)),
    # Over the time of the training.
    ((2012, 4, 2, 7, 30), (2012, 4, 2, 8, 40)),
    ((2012, 4, 5, 9, 25), (2012, 4, 5, 9, 26)),
)


@pytest.mark.parametrize(
    "parameters",
    [pytest.param(QUICK, id="default", marks=pytest.mark.slow), pytest.param(BEST, id="best")],
)
def test_a_restarted_run_reports_what_an_unbroken_one_does(tmp_path, parameters):
    whole, parts = (market(tmp_path / name, parameters) for name in ("whole", "parts"))
    wanted = summed(whole.live(START, END).algorithm.fills)
    assert summed(pieces(parts, *STOPS)) == wanted
    (rivals, promotions), (found, promoted) = told(whole), told(parts)
    assert found == rivals
    assert len(rivals["time"]) == 24
    assert shown(parts) == shown(whole)
    assert shown(whole)["calibration"]["n"] == 23 * len(SYMBOLS)
    assert len({row["equity"][-1] for row in rivals["rows"]}) > 5
    if parameters is QUICK:
        assert [row["name"] for row in rivals["rows"]] == list(RIVALS)
        return
    for one, other in zip(promoted, promotions, strict=True):
        assert one | {"time": ""} == other | {"time": ""}
    assert [one["trading"] for one in promotions] == ["mean_variance", "gradient"]
    # The training at whose time nothing ran came at the start.
    assert [one["time"] for one in promoted] == ["2012-03-07T08:00:00", "2012-04-02T08:40:00"]


def test_closes_that_nobody_saw_are_walked_from_history(tmp_path):
    """Three of them; and a record that a kill left older than the state, or newer, or broken."""
    whole, parts = (market(tmp_path / name, BEST) for name in ("whole", "parts"))
    end = (2012, 3, 20, 20)
    whole.live(START, end)
    parts.live(START, (2012, 3, 9, 12))
    parts.live((2012, 3, 15, 8), (2012, 3, 15, 20))
    assert any("3 closes passed without a decision, 2012-03-09 to" in line for line in parts.log)
    states = parts.root / "store" / "mirage-live"
    begin = (2012, 3, 15, 20, 1)
    for place, stop in (("record", (2012, 3, 16, 20)), (".", (2012, 3, 19, 20))):
        shutil.copytree(states, tmp_path / "kept", dirs_exist_ok=True)
        parts.live(begin, stop)
        begin = (*stop, 1)
        for path in (tmp_path / "kept" / place).glob("default-*.json"):
            shutil.copy(path, states / place)
    for path in (states / "record").glob("default-*.json"):
        path.write_text(path.read_text("utf-8")[:-9], "utf-8")
        break
    parts.live(begin, end)
    assert told(parts) == told(whole)
    # Nothing was forecast at three of nine closes; which they were is known all the same.
    assert shown(parts)["prices"] == shown(whole)["prices"]
    assert [shown(each)["calibration"]["n"] for each in (parts, whole)] == [6 * 3, 9 * 3]
    assert not any("begin anew" in line for line in parts.log)


@pytest.mark.slow
def test_a_record_that_is_lost_costs_evidence_and_not_the_start(tmp_path):
    parts = market(tmp_path / "parts", BEST)
    fills = parts.live(START, (2012, 3, 13, 20)).algorithm.fills
    for path in (parts.root / "store" / "mirage-live" / "record").glob("default-*.json"):
        path.write_text("{}", "utf-8")
    fills += parts.live((2012, 3, 13, 20, 1), END).algorithm.fills
    assert any("of what rules and candidates earned: the saved state" in x for x in parts.log)
    whole = market(tmp_path / "whole", BEST)
    # Of the bars since the last training the accounts are walked again.
    assert summed(fills) == summed(whole.live(START, END).algorithm.fills)
    assert told(parts)[0] == told(whole)[0]


@pytest.mark.slow
def test_across_a_split_and_a_dividend_accounts_earn_what_they_do_on_adjusted_prices(tmp_path):
    """But for whole shares, which are of another size before the split; restarts or none."""
    split, paid = date(2012, 3, 15), date(2012, 3, 21)
    equities = {}

    def factors(made):
        close = made.bars["BBB"][made.days.index(paid)][3]
        dividend = f"{FIRST:%Y%m%d},0.98,1,1\n{paid:%Y%m%d},0.98,1,{close}\n20501231,1,1,0\n"
        return {"AAA": made.halve("AAA", split), "BBB": dividend}

    for name in ("whole", "parts"):
        made = market(tmp_path / name, QUICK, factors)
        if name == "whole":
            made.backtest(start_date="2012-03-07", end_date="2012-04-09")
            path = made.root / "backtest" / "mirage" / "diagnostics.json"
            equities["adjusted"] = json.loads(path.read_text("utf-8"))["rivals"]
            made.live(START, END)
        else:
            pieces(made, *STOPS)
        equities[name] = told(made)[0]
    adjusted, whole, parts = (
        {row["name"]: row["equity"] for row in equities[name]["rows"]}
        for name in ("adjusted", "whole", "parts")
    )
    assert equities["whole"]["time"] == equities["adjusted"]["time"]
    for name in RIVALS:
        np.testing.assert_allclose(parts[name], whole[name], atol=0.02)
        np.testing.assert_allclose(whole[name], adjusted[name], rtol=2e-3)
