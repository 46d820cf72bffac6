"""What differs in live trading: nothing there may end the algorithm but what must."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from algorithm.bars import BarBook
from algorithm.settings import Settings
from algorithm.strategy import MirageStrategy

CLOSE = datetime(2026, 11, 2, 16)
ROW = (10.0, 11.0, 9.0, 10.5, 1e6)
OPTIONS = Settings.from_parameters({"symbols": "AAA,BBB"})


class Algorithm:
    """As much of the algorithm as learning needs, in live trading or not."""

    _learn = MirageStrategy._learn
    _retrain = MirageStrategy._retrain
    _begin_live = MirageStrategy._begin_live
    _equity = MirageStrategy._equity
    _rules_now = MirageStrategy._rules_now
    on_warmup_finished = MirageStrategy.on_warmup_finished

    def __init__(self, live):
        self.live_mode = live
        self.desk = []
        self._live = None
        if live:
            self._live = SimpleNamespace(
                begin=lambda: self.desk.append("begin"),
                refresh=lambda before: self.desk.append("refresh"),
                trained=lambda: self.desk.append("trained"),
                missed_sending=lambda: False,
                changed=True,
            )
        self.errors = []
        self.error = self.errors.append
        self._bars = BarBook(("AAA", "BBB"), keep=100)
        self._options = OPTIONS
        self._lot_size = 1
        self.portfolio = SimpleNamespace(total_portfolio_value=100_000.0)
        self.time = CLOSE
        self.is_warming_up = False
        self._decider = None
        self._diagnostics = SimpleNamespace(stopwatch=SimpleNamespace(seconds={}))
        self._warm_up_started = 0.0
        self.trainings = []
        self._learner = SimpleNamespace(decider=self.decide)
        self.problem = None
        for name in ("AAA", "BBB"):
            self._bars.add(name, CLOSE, ROW)

    def decide(self, histories, rules, now):
        if self.problem:
            raise ValueError(self.problem)
        return f"decider of {len(histories[0])} bars"

    def train(self, what):
        self.trainings.append(what)


@pytest.fixture
def live():
    return Algorithm(live=True)


@pytest.fixture
def backtest():
    return Algorithm(live=False)


def test_live_training_runs_beside_the_data_and_a_backtest_waits_for_it(live, backtest):
    live.on_warmup_finished()
    assert live._decider is None
    assert live.desk == ["begin"]
    (task,) = live.trainings
    task()
    assert live._decider == "decider of 1 bars"
    assert live.desk == ["begin", "refresh", "trained"]
    assert not live._live.changed
    backtest.on_warmup_finished()
    assert backtest.trainings == []
    assert backtest._decider == "decider of 1 bars"


def test_a_symbol_without_bars_is_named_after_warm_up(backtest):
    backtest._bars = BarBook(("AAA", "BBB"), keep=100)
    with pytest.raises(ValueError, match="symbol AAA: no daily bars in the 4 years before 2009-01"):
        backtest.on_warmup_finished()


def test_a_retraining_that_fails_live_costs_nothing_but_itself(live):
    live._learn()
    live.problem = "AAA: warm-up must give at least 460 bars to learn from"
    live._retrain()
    assert live._decider == "decider of 1 bars"
    assert live.errors == [f"training failed, the present models stay: ValueError: {live.problem}"]


def test_a_first_training_that_fails_ends_the_algorithm(live):
    live.problem = "too short"
    with pytest.raises(ValueError, match="too short"):
        live._learn()


def test_a_backtests_retraining_that_fails_ends_it(backtest):
    backtest._learn()
    backtest.problem = "too short"
    with pytest.raises(ValueError, match="too short"):
        backtest._retrain()


def test_nothing_is_retrained_in_warm_up_or_before_the_first_training(live):
    live.problem = "asked"
    live._retrain()
    live._decider, live.is_warming_up = "decider", True
    live._retrain()
    assert live.errors == []


def test_series_that_lean_does_not_feed_live_are_refused_by_name(live):
    """The short rate is LEAN's own, live as well."""
    live._options = Settings.from_parameters({"features": "bars,vix,rate"})
    with pytest.raises(ValueError, match="parameter features must not name vix in live trading"):
        MirageStrategy._add_outside_series(live)
    live._options = Settings.from_parameters({"features": "bars,rate"})
    MirageStrategy._add_outside_series(live)
    assert live._outside == {}
