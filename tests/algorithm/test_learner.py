"""What a run says about its learning, and when it learns."""

import json
from datetime import datetime
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from algorithm import learner as module
from algorithm.diagnostics import Diagnostics, Stopwatch
from algorithm.imagined import Imagined, Span
from algorithm.learner import ModelLearner, TimedProgress
from algorithm.learning import AgentCurve
from algorithm.settings import Settings
from algorithm.training import TrainedAgent, TrainedModels
from sim.rules import Rule
from tests.models.synthetic import garch_history

OPTIONS = Settings.from_parameters({"symbols": "AAA,BBB", "warm_up_years": "3"})
RULES = OPTIONS.rules(100_000.0)
NOW = datetime(2009, 1, 2)


class FakeFacts:
    """As much of a table of facts as is told."""

    columns = ("real", "simulated")

    def __str__(self):
        return "fact 1\nfact 2"

    def rows(self):
        return [("kurtosis", [5.0, 6.0])]


FOUND = Imagined(
    span=Span("2007-01-03", "2008-12-31", (400, 500), 200),
    facts=FakeFacts(),
    unconverged=("BBB",),
    closes=np.full((2, 2, 3), 7.0),
    sections={"two_sample": {"told": 1}},
    said="AUC .6",
)


class FakeTrainer:
    """Remembers what it was asked for; learns nothing."""

    asked: ClassVar[list] = []
    converged = True
    stays_flat = False
    kinds: ClassVar = ("mean_variance",)

    def __init__(self, config, artifacts, progress=None):
        self.config = config

    def restored(self, kept, *, now):
        return kept

    def train(self, tables, rules, previous, *, now):
        self.asked.append((tables, rules, previous, now))
        end = max(table.history.data_end for table in tables)
        made = {
            kind: TrainedAgent(
                SimpleNamespace(stays_flat=self.stays_flat, act=hold),
                f"key of {kind}",
                AgentCurve(),
                False,
                np.arange(4.0) * 1e-4 * k if len(self.kinds) > 1 else np.empty(0),
            )
            for k, kind in enumerate(self.kinds)
        }
        forecaster = SimpleNamespace(converged=self.converged, curve=np.zeros((1, 3)))
        trading = self.kinds[0] if previous is None else previous.trading
        return TrainedModels(forecaster, "key", False, made, trading, end)


def hold(outlook, standing):
    return np.full(standing.exposure.shape, np.nan)


@pytest.fixture
def learn(monkeypatch):
    """A learner with everything slow replaced; `learn.lines` is its log."""
    monkeypatch.setattr(FakeTrainer, "asked", [])
    monkeypatch.setattr(module, "Trainer", FakeTrainer)
    monkeypatch.setattr(module, "Observer", lambda forecaster: forecaster)
    monkeypatch.setattr(module, "AgentDecider", lambda *args, **options: (args, options))
    monkeypatch.setattr(module, "imagined", lambda *_: FOUND)
    lines = []
    made = ModelLearner(OPTIONS, None, Diagnostics(OPTIONS.run.symbols), lines.append)
    made.lines = lines
    return made


def histories(n=600):
    return [garch_history(name, n, seed=i) for i, name in enumerate(("AAA", "BBB"))]


def test_the_first_training_is_introduced_and_a_later_one_is_not(learn):
    assert learn.decider(histories(), RULES, NOW) is not None
    assert learn.lines == [
        "Models trained: 2 symbols, 1200 bars, key key of mean_variance",
        *str(FOUND.span).splitlines(),
        "fact 1",
        "fact 2",
        "AUC .6",
        "The GJR-GARCH fit of BBB, a baseline above, did not converge.",
    ]
    learn.decider(histories(601), RULES, NOW)
    assert len(learn.lines) == 7


def test_nothing_new_is_nothing_to_learn(learn):
    learn.decider(histories(), RULES, NOW)
    assert learn.decider(histories(), RULES, NOW) is None
    assert len(FakeTrainer.asked) == 1


def test_a_later_training_starts_from_the_models_before_and_the_account_as_it_is(learn):
    learn.decider(histories(), RULES, NOW)
    models, rich = learn.models, OPTIONS.rules(500_000.0)
    learn.decider(histories(601), rich, NOW)
    tables, rules, previous, _ = FakeTrainer.asked[1]
    assert previous is models
    assert rules is rich
    assert [len(table) for table in tables] == [601, 601]
    assert FakeTrainer.asked[0][2] is None


def test_on_other_bars_it_decides_from_where_the_models_end(learn):
    assert learn.again(histories(), RULES) is None
    learn.decider(histories(), RULES, NOW)
    (_, agent, tables, _), _ = learn.again(histories(620), RULES)
    assert agent is learn.models.agent
    assert [len(table) for table in tables] == [600, 600]
    assert len(FakeTrainer.asked) == 1


def test_a_restart_goes_on_with_the_models_of_the_same_settings_only(learn):
    assert learn.to_state() is None
    learn.decider(histories(), RULES, NOW)
    state = json.loads(json.dumps(learn.to_state()))
    assert state["agents"] == {"mean_variance": "key of mean_variance"}
    assert state["data_end"] == str(histories()[0].data_end)
    learn.restore(state, None, NOW)
    assert learn.models == state
    other = Settings.from_parameters({"symbols": "AAA,BBB", "warm_up_years": "3", "aversion": "7"})
    with pytest.raises(ValueError, match="settings of learning must be those of before"):
        ModelLearner(other, None, Diagnostics(("AAA", "BBB")), print).restore(state, None, NOW)


def test_the_decider_gets_the_rules_it_was_trained_under(learn):
    (_, _, tables, rules), options = learn.decider(histories(), RULES, NOW)
    assert rules is RULES
    assert [table.symbol for table in tables] == ["AAA", "BBB"]
    shadows = options.pop("shadows")
    assert options == {"seed": 1, "draws": 128, "remembers": 0}
    assert list(shadows) == list(module.RIVALS)


def test_the_rivals_accounts_outlive_a_training(learn):
    (_, first), (_, later) = (
        learn.decider(histories(n), OPTIONS.rules(cash), NOW)
        for n, cash in ((600, 100_000.0), (601, 200_000.0))
    )
    assert first["shadows"] is later["shadows"]
    assert later["shadows"]["constant_mix"].policy == Rule("constant_mix")


def test_a_candidate_that_is_ahead_everywhere_is_promoted(learn, monkeypatch):
    """By its record in a shadow account, which its newest agent goes on with."""
    monkeypatch.setattr(FakeTrainer, "kinds", ("mean_variance", "gradient"))
    (_, agent, *_), options = learn.decider(histories(600), RULES, NOW)
    first, shadows = learn.models, options["shadows"]
    assert first.trading == "mean_variance"
    assert list(shadows)[-2:] == ["candidate: mean_variance", "candidate: gradient"]
    assert "mean_variance goes on trading" in learn.lines[0]
    for k, name in enumerate(list(shadows)[-2:]):
        steps = np.arange(200) % 5 * 1e-4 * (1 + k) + 1e-3 * k
        shadows[name].equity[:] = (1e5 * np.exp(np.cumsum(steps))).tolist()
    (_, agent, *_), _ = learn.decider(histories(601), RULES, NOW)
    assert learn.models.trading == "gradient"
    assert agent is learn.models.agents["gradient"].agent is shadows["candidate: gradient"].policy
    assert learn.models.agents["gradient"].agent is not first.agents["gradient"].agent
    assert "gradient replaces mean_variance" in learn.lines[-1]
    told = [one["trading"] for one in learn._diagnostics.promotions]
    assert told == ["mean_variance", "gradient"]


def test_the_record_of_candidates_outlives_a_restart(learn, monkeypatch):
    """Who was promoted too; a record under other caps, or one that is no record, begins anew."""
    monkeypatch.setattr(FakeTrainer, "kinds", ("mean_variance", "gradient"))
    learn.decider(histories(), RULES, NOW)
    models, name = learn.models, "candidate: gradient"
    monkeypatch.setattr(FakeTrainer, "restored", lambda self, kept, *, now: models)
    account = learn._shadows[name]
    account.equity[:], account.turnover[:] = [1e5, 1.1e5], [0.3]
    account._closes = np.ones((1, 2))
    for other in set(learn._shadows) - {name}:
        learn._shadows[other].restore(account.to_state())
    learn._shadows.times[:] = [NOW, datetime(2009, 1, 5)]
    state, record = (json.loads(json.dumps(each)) for each in (learn.to_state(), learn.record()))

    def restarted(rules, record):
        lines = []
        made = ModelLearner(OPTIONS, None, Diagnostics(OPTIONS.run.symbols), lines.append)
        made.restore(state, record, NOW)
        made.again(histories(), rules)
        return made, lines

    made, lines = restarted(OPTIONS.rules(130_000.0), record)
    assert made.record() == record
    assert made.to_state() == learn.to_state()
    assert made._shadows[name].policy is models.agents["gradient"].agent
    assert lines == []
    others = Settings.from_parameters({"symbols": "AAA,BBB", "cap": "0.1"})
    for rules, told, words in (
        (others.rules(1e5), record, "caps, lots and costs must be those of before"),
        (RULES, {"rules": record["rules"]}, "version must be 1; received None"),
    ):
        made, lines = restarted(rules, told)
        assert words in lines[0]
        assert made._shadows.times == []


def test_what_is_learned_from_is_the_newest_bars(learn):
    """So that a restart, with more bars at hand, sees what was seen at the training."""
    learn.decider(histories(900), RULES, NOW)
    assert [len(table) for table in FakeTrainer.asked[0][0]] == [756, 756]
    (_, _, tables, _), _ = learn.again(histories(950), RULES)
    assert [len(table) for table in tables] == [756, 756]
    assert tables[0].history.time[0] == FakeTrainer.asked[0][0][0].history.time[0]


def test_a_symbol_too_young_is_named_with_the_setting(learn):
    young = [histories()[0], garch_history("BBB", 300)]
    with pytest.raises(
        ValueError,
        match=r"BBB: warm-up must give at least \d+ bars to learn from; received 300, the first "
        r"of 2004-01-05 \(parameter warm_up_years is 3\)",
    ):
        learn.decider(young, RULES, NOW)
    assert FakeTrainer.asked == []


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"converged": False}, "The calibration of the forecaster"),
        ({"stays_flat": True}, "earned nothing on held-out imagined paths and stays flat"),
    ],
)
def test_what_went_wrong_in_a_training_is_said_every_time(trouble, words, learn, monkeypatch):
    for name, value in trouble.items():
        monkeypatch.setattr(FakeTrainer, name, value)
    learn.decider(histories(), RULES, NOW)
    learn.decider(histories(601), RULES, NOW)
    assert len([line for line in learn.lines if words in line]) == 2


def test_stages_are_timed_by_name(monkeypatch):
    watch = Stopwatch()
    progress = TimedProgress(watch, shown=False)
    for name in ("forecaster", "simulation", "forecaster"):
        with progress.stage(name, 3) as reporter:
            reporter.update(1, loss=0.5)
    assert set(watch.seconds) == {"forecaster", "simulation"}
    assert min(watch.seconds.values()) >= 0


def test_a_shown_stage_moves_its_bar_to_the_step_it_is_told(monkeypatch):
    class Bar:
        """As much of tqdm as is used."""

        made: ClassVar[list] = []

        def __init__(self, *, total, desc, **_):
            self.total, self.desc, self.n, self.postfix = total, desc, 0, None
            self.made.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self, by):
            self.n += by

        def set_postfix(self, metrics):
            self.postfix = metrics

    monkeypatch.setattr(module, "tqdm", Bar)
    with TimedProgress(Stopwatch(), shown=True).stage("agent", 100) as reporter:
        reporter.update(25, loss=0.123456)
        reporter.update(75, loss=0.05)
    (bar,) = Bar.made
    assert (bar.desc, bar.total, bar.n, bar.postfix) == ("agent", 100, 75, {"loss": "0.05"})
