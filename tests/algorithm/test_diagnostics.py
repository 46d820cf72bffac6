"""What a run tells about itself: forecasts scored when they come true, in bounded memory."""

import itertools
import json
import math
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from algorithm import diagnostics as module
from algorithm.diagnostics import Diagnostics, Stopwatch
from algorithm.imagined import Imagined, Span
from models.agent.outlook import FORECAST, Outlook
from models.forecast.distributions import SkewedT, TailShape
from models.forecast.levels import LevelMap
from models.forecast.predictive import PredictiveDistribution
from models.forecast.recalibration import CorrectedT, moments
from sim.accounting import Rules
from sim.costs import ZeroCost
from sim.rules import Rule
from sim.shadow import ShadowAccounts

DAY = datetime(2009, 1, 2, 16)


def student(close, scale=0.02, df=5.0, n=4000):
    """A forecast whose log return is a Student-t at zero: closed forms are known."""
    draws = stats.t(df).ppf((np.arange(n) + 0.5) / n) * scale
    shape = TailShape(*(np.full((1, 1), value) for value in (df, df, 0.5)))
    parts = np.zeros((1, n, 5))
    parts[0, :, 1] = np.random.default_rng(0).permutation(draws)
    return PredictiveDistribution(
        parts=parts,
        components=CorrectedT(
            SkewedT(np.zeros((1, n)), np.full((1, n), scale), shape),
            LevelMap.identity(),
            np.zeros((1, 1, 2)),
            moments(shape.take(0), LevelMap.identity()),
        ),
        mask_mean=np.zeros((1, 1)),
        last_close=np.array([close]),
    )


FAN = (1.0, 2.0, 3.0, 4.0, 5.0)


def test_a_forecast_is_settled_by_the_next_close_only():
    told = Diagnostics(["A", "B"])
    told.forecast("A", student(100.0), FAN)
    told.close("B", DAY, 50.0)
    assert told.calibration()["n"] == 0
    told.close("A", DAY, 101.0)
    told.close("A", DAY + timedelta(days=1), 150.0)
    assert told.calibration()["n"] == 1


def test_scores_are_those_of_the_closed_forms():
    told = Diagnostics(["A"])
    closes = [100.0, 101.0, 99.0, 92.0, 92.0]
    for n, (before, after) in enumerate(itertools.pairwise(closes)):
        told.forecast("A", student(before), FAN)
        told.close("A", DAY + timedelta(days=n), after)
    found = told.calibration()
    returns = np.diff(np.log(closes))
    exact = stats.t(5.0, scale=0.02)
    pit = exact.cdf(returns)
    assert found["n"] == 4
    assert found["log_score"] == pytest.approx(exact.logpdf(returns).mean(), rel=1e-6)
    counts, _ = np.histogram(pit, bins=20, range=(0, 1))
    assert found["pit_counts"] == counts.tolist()
    for row in found["coverage"]:
        inside = np.abs(pit - 0.5) <= row["nominal"] / 2
        assert row["empirical"] == inside.mean()
    grid = np.linspace(-1, 1, 200_001)
    crps = [np.trapz((exact.cdf(grid) - (grid >= r)) ** 2, grid) for r in returns]
    assert found["crps"] == pytest.approx(np.mean(crps), rel=5e-3)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "FORECASTS_KEPT", 3)
    monkeypatch.setattr(module, "PRICES_KEPT", 4)
    told = Diagnostics(["A"])
    for n in range(10):
        told.forecast("A", student(100.0 + n), FAN)
        told.close("A", DAY + timedelta(days=n), 101.0 + n)
    document = json.loads(told.to_json({}))
    assert document["forecasts"]["A"]["close"] == [108.0, 109.0, 110.0]
    assert document["forecasts"]["A"]["previous_close"] == [107.0, 108.0, 109.0]
    assert document["prices"]["A"]["close"] == [107.0, 108.0, 109.0, 110.0]
    assert document["calibration"]["n"] == 10


def test_what_is_kept_goes_on_and_a_close_told_again_counts_once():
    """Half of the closes, over JSON into another, and the other half: as told to one."""
    whole, part = Diagnostics(["A"]), Diagnostics(["A"])
    for n, close in enumerate((101.0, 99.0, 92.0, 93.0, 96.0, 95.0)):
        if n == 3:
            kept = json.loads(json.dumps(part.to_state()))
            part = Diagnostics(["A"])
            part.restore(kept)
            assert json.loads(json.dumps(part.to_state())) == kept
            part.forecast("A", student(100.0), FAN)
            part.close("A", DAY + timedelta(days=2), 50.0)
        for one in (whole, part):
            one.forecast("A", student(100.0), FAN)
            one.close("A", DAY + timedelta(days=n), close)
    assert part.to_json({}) == whole.to_json({})
    assert whole.calibration()["n"] == 6


def test_a_report_that_cannot_be_gone_on_with_changes_nothing():
    told = Diagnostics(["A"])
    kept = told.to_state()
    before = told.to_json({})
    for bad in ({}, kept | {"prices": {}}, kept | {"scores": kept["scores"] | {"covered": [1]}}):
        with pytest.raises((KeyError, ValueError)):
            told.restore(bad)
    assert told.to_json({}) == before


def test_a_forecast_before_a_split_is_scored_by_the_close_at_its_scale():
    """Two for one: 50 after 100 is no move, and all that was forecast is halved."""
    told, plain = Diagnostics(["A"]), Diagnostics(["A"])
    told.forecast("A", student(100.0), FAN)
    told.close("A", DAY, 50.5, before=50.0)
    plain.forecast("A", student(100.0), FAN)
    plain.close("A", DAY, 101.0)
    assert told.calibration() == plain.calibration()
    row = json.loads(told.to_json({}))["forecasts"]["A"]
    assert (row["previous_close"], row["q05"], row["q95"]) == ([50.0], [0.5], [2.5])


def test_a_forecast_row_has_its_mean_and_fan():
    told = Diagnostics(["A"])
    told.forecast("A", student(100.0), FAN)
    told.close("A", DAY, 101.0)
    row = {
        name: values[0] for name, values in json.loads(told.to_json({}))["forecasts"]["A"].items()
    }
    fan = dict(zip(("q05", "q25", "q50", "q75", "q95"), FAN, strict=True))
    wanted = {"time": DAY.isoformat(), "previous_close": 100.0, "mean": 100.0, "close": 101.0}
    assert row == wanted | fan


class Facts:
    """As much of a table of facts as is told."""

    columns = ("real", "simulated")

    def rows(self):
        return [("kurtosis", [5.0, 6.0]), ("distance", [None, 0.1])]


def found(closes):
    span = Span("2007-01-03", "2008-12-31", (400, 500), 200)
    return Imagined(span, Facts(), (), closes, {"crisis": {"symbols": ["A", "B"]}}, "")


def test_imagined_markets_are_rebased_by_symbol_and_followed_by_what_came():
    told = Diagnostics(["A", "B"])
    closes = np.array([[[55.0, 60.0], [8.0, 16.0]], [[45.0, 40.0], [4.0, 2.0]]])
    told.imagined(found(closes), {"A": 50.0, "B": 8.0})
    for n, close in enumerate((51.0, 52.5, 99.0)):
        told.close("A", DAY + timedelta(days=n), close)
    paths = json.loads(told.to_json({}))["paths"]
    assert paths == {
        "A": {"real": [1.0, 1.02, 1.05], "simulated": [[1.0, 1.1, 1.2], [1.0, 0.9, 0.8]]},
        "B": {"real": [1.0], "simulated": [[1.0, 1.0, 2.0], [1.0, 0.5, 0.25]]},
    }


def test_what_was_measured_of_imagined_markets_is_told_as_it_is():
    told = Diagnostics(["A", "B"])
    told.imagined(found(np.ones((1, 2, 3))), {"A": 1.0, "B": 1.0})
    document = json.loads(told.to_json({}))
    assert document["facts"] == {
        "columns": ["real", "simulated"],
        "rows": [
            {"name": "kurtosis", "values": [5.0, 6.0]},
            {"name": "distance", "values": [None, 0.1]},
        ],
    }
    assert document["crisis"] == {"symbols": ["A", "B"]}
    assert {"dependence", "two_sample"} & set(document) == set()


def models(reused):
    return SimpleNamespace(
        forecaster=SimpleNamespace(curve=np.array([[1.0, 5.0, 6.0], [2.0, 4.0, 5.5]])),
        agent_key="abc",
        reused=reused,
        forecaster_reused=True,
        curve=SimpleNamespace(update=(25.0, 50.0), held_out_reward=(1e-4,)),
    )


def test_trainings_are_told_with_their_curves():
    told = Diagnostics(["A"])
    told.training(DAY, models(reused=False))
    told.training(DAY + timedelta(days=31), models(reused=True))
    assert told.reused_trainings() == (1, 2)
    first, second = json.loads(told.to_json({}))["trainings"]
    assert first == {
        "time": "2009-01-02T16:00:00",
        "reused": False,
        "forecaster_reused": True,
        "artifact": "abc",
        "forecaster": {"epoch": [1, 2], "loss": [5, 4], "validation_loss": [6, 5.5]},
        "agent": {"update": [25, 50], "held_out_reward": [1e-4]},
    }
    assert second["reused"] is True


def test_what_did_not_happen_is_left_out():
    document = json.loads(Diagnostics(["A"]).to_json({"seed": 1}))
    assert document["algorithm"] == {"seed": 1}
    assert {"calibration", "facts", "dependence", "crisis", "two_sample"} & set(document) == set()
    assert document["forecasts"] == document["prices"] == document["paths"] == {}


def test_numbers_that_json_cannot_say_are_refused():
    told = Diagnostics(["A"])
    told.close("A", DAY, math.nan)
    with pytest.raises(ValueError, match="JSON"):
        told.to_json({})


def test_a_stopwatch_adds_up_what_is_told_in_pieces(monkeypatch):
    ticks = iter([1.0, 3.0, 10.0, 14.5, 20.0, 21.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    watch = Stopwatch()
    with watch.stage("a"):
        pass
    with watch.stage("b"):
        pass
    with pytest.raises(ValueError, match="broken"), watch.stage("a"):
        raise ValueError("broken")
    assert watch.seconds == {"a": 3.0, "b": 4.5}


def test_rules_are_told_with_what_they_earned():
    """Equity at every close in cents, and what was traded, summed."""
    rules = Rules([0.5], 1_000.0, lot_size=0, costs=ZeroCost())
    accounts = ShadowAccounts({"constant_mix": Rule("constant_mix")}, rules)
    diagnostics = Diagnostics(["AAA"])
    diagnostics.rivals(accounts, {"constant_mix": "Always at the caps."})
    assert "rivals" not in json.loads(diagnostics.to_json({}))
    nothing = np.zeros((1, 1, len(FORECAST)))
    blank = Outlook(np.zeros((1, 1, 0), np.float32), nothing, np.ones((1, 1, 1)))
    for day, (opened, close) in enumerate([(10.0, 10.0), (10.0, 11.0)], start=2):
        accounts.close(datetime(2020, 1, day), blank, [opened], [close])
    told = json.loads(diagnostics.to_json({}))["rivals"]
    assert told["time"] == ["2020-01-02T00:00:00", "2020-01-03T00:00:00"]
    (row,) = told["rows"]
    assert row["name"] == "constant_mix"
    assert row["says"] == "Always at the caps."
    assert row["equity"] == [1000.0, round(1000 + 0.5 * (1 - rules.buffer) * 100, 2)]
    assert row["turnover"] == pytest.approx(0.5 * (1 - rules.buffer))
