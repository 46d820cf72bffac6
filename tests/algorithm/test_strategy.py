"""What differs in live trading: nothing there may end the algorithm but what must."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from algorithm.bars import BarBook
from algorithm.settings import Settings
from algorithm.strategy import MirageStrategy

CLOSE = datetime(2026, 11, 2, 16)
ROW = (10.0, 11.0, 9.0, 10.5, 1e6)
OPTIONS = Settings.from_parameters({"symbols": "AAA,BBB"})


class Live:
    """As much of the algorithm as keeping bars and learning need, in live trading or not."""

    _keep = MirageStrategy._keep
    _learn = MirageStrategy._learn
    _retrain = MirageStrategy._retrain
    on_warmup_finished = MirageStrategy.on_warmup_finished

    def __init__(self, live):
        self.live_mode = live
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

    def decide(self, histories, rules, now):
        if self.problem:
            raise ValueError(self.problem)
        return f"decider of {len(histories[0])} bars"

    def train(self, what):
        self.trainings.append(what)

    def keep(self, day, row=ROW):
        return self._keep("AAA", CLOSE + timedelta(days=day), row)


@pytest.fixture
def live():
    made = Live(live=True)
    made.keep(0)
    made._bars.add("BBB", CLOSE, ROW)
    return made


def test_a_bad_bar_is_skipped_live_and_stops_a_backtest(live):
    bad = (*ROW[:4], 0.0)
    assert not live.keep(1, bad)
    assert live.errors == [
        "bar skipped: AAA: volume must be > 0; received 0.0 on 2026-11-03 16:00:00"
    ]
    assert live.keep(1)
    backtest = Live(live=False)
    backtest.keep(0)
    with pytest.raises(ValueError, match="AAA: volume must be > 0"):
        backtest.keep(1, bad)


def test_a_bar_told_twice_is_no_new_one(live):
    assert not live.keep(0)
    assert live.errors == []


def test_after_a_long_gap_a_symbol_is_traded_again_live_and_a_backtest_stops(live):
    assert live.keep(11)
    assert live.errors == [
        "AAA: no bars from 2026-11-02 16:00:00 to 2026-11-13 16:00:00; its history begins anew"
    ]
    assert live.keep(12)
    assert len(live.errors) == 1
    backtest = Live(live=False)
    backtest.keep(0)
    with pytest.raises(ValueError, match="AAA: time must have no gap longer than 10 days"):
        backtest.keep(11)


def test_a_bad_bar_after_a_gap_is_skipped(live):
    assert not live.keep(11, (*ROW[:4], 0.0))
    assert "bar skipped" in live.errors[-1]
    assert live.keep(12)


def test_live_training_runs_beside_the_data_and_a_backtest_waits_for_it(live):
    live.on_warmup_finished()
    assert live._decider is None
    (task,) = live.trainings
    task()
    assert live._decider == "decider of 1 bars"
    backtest = Live(live=False)
    backtest.keep(0)
    backtest._bars.add("BBB", CLOSE, ROW)
    backtest.on_warmup_finished()
    assert backtest.trainings == []
    assert backtest._decider == "decider of 1 bars"


def test_a_symbol_without_bars_is_named_after_warm_up():
    with pytest.raises(ValueError, match="symbol AAA: no daily bars in the 4 years before 2009-01"):
        Live(live=True).on_warmup_finished()


def test_a_retraining_that_fails_live_costs_nothing_but_itself(live):
    live._learn()
    live.problem = "AAA: warm-up must give at least 460 bars to learn from"
    live._retrain()
    assert live._decider == "decider of 1 bars"
    assert live.errors == [f"retraining failed, the present models stay: {live.problem}"]


def test_a_first_training_that_fails_ends_the_algorithm(live):
    live.problem = "too short"
    with pytest.raises(ValueError, match="too short"):
        live._learn()


def test_a_backtests_retraining_that_fails_ends_it():
    backtest = Live(live=False)
    backtest.keep(0)
    backtest._bars.add("BBB", CLOSE, ROW)
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
