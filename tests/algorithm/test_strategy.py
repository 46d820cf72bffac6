"""What differs in live trading: nothing there may end the algorithm but what must."""

import threading
from datetime import datetime
from types import SimpleNamespace

import pytest
from AlgorithmImports import SplitType

from algorithm.bars import BarBook
from algorithm.live_trading.background import Background
from algorithm.outside import OutsideSeries
from algorithm.settings import Settings
from algorithm.strategy import MirageStrategy
from tests.algorithm.live_trading.world import Name

CLOSE = datetime(2026, 11, 2, 16)
ROW = (10.0, 11.0, 9.0, 10.5, 1e6)
OPTIONS = Settings.from_parameters({"symbols": "AAA,BBB"})


class Algorithm:
    """As much of the algorithm as learning needs, in live trading or not."""

    _learn = MirageStrategy._learn
    _learn_beside = MirageStrategy._learn_beside
    _begin_training = MirageStrategy._begin_training
    _retrain = MirageStrategy._retrain
    _begin_live = MirageStrategy._begin_live
    _equity = MirageStrategy._equity
    _rules_now = MirageStrategy._rules_now
    _settle = MirageStrategy._settle
    _require_bars = MirageStrategy._require_bars
    on_splits = MirageStrategy.on_splits
    on_warmup_finished = MirageStrategy.on_warmup_finished

    def __init__(self, live):
        self.live_mode = live
        self.desk = []
        self._outside = SimpleNamespace(look_up=lambda days: None)
        self._live = None
        if live:
            self._live = SimpleNamespace(
                begin=lambda: self.desk.append("begin"),
                bars=SimpleNamespace(
                    days=lambda: [],
                    refresh=lambda before: self.desk.append("refresh"),
                    seen=lambda: (7, self._bars.histories()),
                ),
                ready=lambda: self.desk.append("ready"),
                trainings=SimpleNamespace(
                    begun=lambda deciding: self.desk.append("begun"),
                    done=lambda begun, anew: self.desk.append(f"trained at {begun}"),
                    failed=lambda problem, deciding: self.desk.append((problem, deciding)),
                ),
                missed_sending=lambda: False,
                settle=lambda: self.desk.append("settled"),
                tell=self.desk.append,
            )
        self._turn = threading.RLock()
        self._training, self._awaits = Background("training"), False
        self._version = 0
        self._look = lambda live: self.desk.append("looked")
        self._decide_late = lambda live: self.desk.append("late")
        self._bars = BarBook(("AAA", "BBB"), keep=100)
        self._options = OPTIONS
        self._lot_size = 1
        self.portfolio = SimpleNamespace(total_portfolio_value=100_000.0)
        self.time = CLOSE
        self.is_warming_up = False
        self._decider = None
        self._diagnostics = SimpleNamespace(stopwatch=SimpleNamespace(seconds={}))
        self._warm_up_started = 0.0
        self._learner = SimpleNamespace(decider=self.decide)
        self.problem = None
        self.going_on = threading.Event()
        self.going_on.set()
        for name in ("AAA", "BBB"):
            self._bars.add(name, CLOSE, ROW)

    def decide(self, histories, rules, now):
        assert self.going_on.wait(10)
        if self.problem:
            raise ValueError(self.problem)
        return f"decider of {len(histories[0])} bars"


@pytest.fixture
def live():
    return Algorithm(live=True)


@pytest.fixture
def backtest():
    return Algorithm(live=False)


def test_live_training_runs_beside_the_data_and_a_backtest_waits_for_it(live, backtest):
    live.going_on.clear()
    live.on_warmup_finished()
    assert live._decider is None
    began = ["begin", "ready", "refresh", "looked", "begun", "late", "settled"]
    assert live.desk == began
    live.going_on.set()
    assert live._training.wait(10)
    assert (live._decider, live._version) == ("decider of 1 bars", 7)
    assert live.desk[len(began) :] == [f"trained at {CLOSE}", "late"]
    backtest.on_warmup_finished()
    assert backtest._decider == "decider of 1 bars"


def test_one_training_at_a_time(live):
    live._decider = "old"
    live.going_on.clear()
    live._retrain()
    live._retrain()
    assert live.desk[-1] == "a training is under way; the one that is due now is left out"
    live.going_on.set()
    assert live._training.wait(10)
    assert [line for line in live.desk if "trained" in line] == [f"trained at {CLOSE}"]


def test_a_symbol_without_bars_is_named_after_warm_up(backtest):
    backtest._bars = BarBook(("AAA", "BBB"), keep=100)
    with pytest.raises(ValueError, match="symbol AAA: no daily bars in the 4 years before 2009-01"):
        backtest.on_warmup_finished()


@pytest.mark.parametrize("before", [None, "old"])
def test_a_training_that_fails_live_leaves_what_was(live, before):
    live.problem, live._decider = "AAA: too short", before
    live._begin_training(live._live)
    assert live._training.wait(10)
    ((problem, deciding),) = [each for each in live.desk if isinstance(each, tuple)]
    assert (str(problem), deciding) == ("AAA: too short", before is not None)
    assert live._decider == before


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
    assert live.desk == []


def test_series_that_lean_does_not_feed_live_are_refused_by_name(live):
    """The short rate is LEAN's own, live as well."""
    live._options = Settings.from_parameters({"features": "bars,vix,rate"})
    with pytest.raises(ValueError, match="parameter features must not name vix in live trading"):
        OutsideSeries(live, live._options.forecaster.macro, live._bars)
    live._options = Settings.from_parameters({"features": "bars,rate"})
    assert OutsideSeries(live, live._options.forecaster.macro, live._bars)._symbols == {}


def test_a_split_is_told_with_the_dividend_of_its_day():
    """Twenty of a hundred dollars are paid on AAA; BBB has a split alone."""
    algorithm, told = Algorithm(live=True), []
    algorithm._traded = first, second = Name("AAA"), Name("BBB")
    algorithm._live.split = lambda *what: told.append(what)
    both = [
        SimpleNamespace(split_factor=factor, time=CLOSE, type=SplitType.SPLIT_OCCURRED)
        for factor in (0.5, 0.1)
    ]
    dividend = SimpleNamespace(distribution=20.0, reference_price=100.0)
    algorithm.current_slice = SimpleNamespace(dividends={first: dividend})
    algorithm.on_splits({first: both[0], second: both[1]})
    assert told == [("AAA", 0.5, CLOSE.date(), 0.8), ("BBB", 0.1, CLOSE.date(), 1.0)]
