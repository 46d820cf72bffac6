"""Figures of a made-up backtest, worked out by hand."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.charting import Chart, Series
from research.experiments import seeds
from research.experiments.seeds import figures
from research.figures import drawdown, sharpe

START = datetime(2009, 1, 3)


def chart(name, **series):
    made = Chart(name)
    for label, values in series.items():
        line = Series(label.replace("_", " "))
        for night, value in values.items():
            line.add_point(START + timedelta(days=night), value)
        made.add_series(line)
    return made


def result(equity, benchmark, **weights):
    charts = [
        chart("Strategy Equity", Equity=equity),
        chart("Benchmark", Benchmark=benchmark),
        chart("Weights", **weights),
    ]
    return SimpleNamespace(
        charts={made.name: made for made in charts}, statistics={"Total Orders": "7"}
    )


class TestFigures:
    def test_of_a_run_beside_its_benchmark(self):
        """Up a half, nothing on two nights, down a third; the benchmark up a tenth, then level."""
        equity = {0: 100.0, 1: 150.0, 2: 150.0, 3: 150.0, 4: 100.0}
        benchmark = {0: 10.0, 1: 11.0, 2: 11.0, 3: 11.0, 4: 11.0}
        found = figures(
            result(
                equity,
                benchmark,
                AAPL={0: 0.2, 1: -0.4},
                IBM={0: 0.1, 1: 0.1},
                AAPL_cap={0: 0.5, 1: 0.5},
            )
        )
        # Two traded days: +50 % and -33.3 %; mean 1/12, deviation (5/6)/sqrt(2).
        assert found["net profit"] == pytest.approx(0.0, abs=1e-6)
        assert found["annual"] == pytest.approx(0.0, abs=1e-4)
        assert found["Sharpe"] == pytest.approx(np.sqrt(252) / 12 / (5 / 6 / np.sqrt(2)))
        assert found["drawdown"] == pytest.approx(1 / 3)
        assert found["orders"] == 7
        assert found["exposure"] == pytest.approx(0.3 + 0.1)
        # Differences a and b have mean (a + b)/2 and deviation |a - b|/sqrt(2).
        a, b = np.log(1.5) - np.log(1.1), np.log(2 / 3)
        assert found["t of difference"] == pytest.approx((a + b) / abs(a - b))
        assert found["benchmark net profit"] == pytest.approx(0.1)
        assert found["benchmark annual"] == pytest.approx(1.1**126 - 1)
        assert found["benchmark Sharpe"] == pytest.approx(np.sqrt(252) * np.sqrt(0.5))
        assert found["benchmark drawdown"] == 0

    def test_only_nights_that_both_were_sampled_count(self):
        equity = {0: 100.0, 1: 120.0, 2: 110.0, 3: 132.0}
        benchmark = {0: 10.0, 2: 9.0, 3: 9.9}
        found = figures(result(equity, benchmark, AAPL={0: 0.1}))
        assert found["net profit"] == pytest.approx(0.32)
        assert found["benchmark net profit"] == pytest.approx(-0.01)
        assert found["drawdown"] == 0  # the loss from night 1 to 2 lies inside one step
        assert found["benchmark drawdown"] == pytest.approx(0.1)


class TestTable:
    def rows(self, monkeypatch, capsys, *asked):
        def run(seed, changes):
            values = {name: float(seed) for name in seeds.SHOWN}
            benchmark = ("net profit", "annual", "Sharpe", "drawdown")
            return values | {f"benchmark {name}": 1.5 for name in benchmark}

        monkeypatch.setattr(seeds, "run", run)
        monkeypatch.setattr("sys.argv", ["seeds", "--jobs", "1", "--seeds", *asked])
        seeds.main()
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].startswith("commit ")
        return {line.split()[0]: line.split()[1:] for line in lines[2:]}

    def test_means_and_deviations_are_over_seeds(self, monkeypatch, capsys):
        rows = self.rows(monkeypatch, capsys, "1", "2", "6")
        assert rows["2"] == ["2.000"] * 7
        assert rows["mean"] == ["3.000"] * 7
        assert rows["deviation"] == ["2.646"] * 7
        assert rows["benchmark"] == ["1.500"] * 4
        assert rows["Sharpe"][-1] == "1.528"

    def test_one_seed_has_no_deviation(self, monkeypatch, capsys):
        rows = self.rows(monkeypatch, capsys, "4")
        assert rows.keys() == {"seed", "4", "benchmark"}


class TestReturns:
    def test_sharpe_of_two_days(self):
        assert sharpe(np.log([1.03, 0.99])) == pytest.approx(
            np.sqrt(252) * 0.01 / (0.04 / np.sqrt(2))
        )

    def test_equal_returns_have_no_sharpe(self):
        assert np.isnan(sharpe(np.full(5, 0.25)))

    def test_drawdown_of_a_known_curve(self):
        wealth = np.array([1.0, 2.0, 1.0, 3.0, 1.2, 6.0])
        assert drawdown(np.diff(np.log(wealth))) == pytest.approx(0.6)
        assert drawdown(np.log([0.8, 1.5])) == pytest.approx(0.2)  # the start is a peak too
        assert drawdown(np.log([1.1, 1.2])) == 0

    @given(st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=30))
    def test_drawdown_is_the_worst_of_all_pairs(self, returns):
        wealth = np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
        worst = max(
            1 - wealth[j] / wealth[i] for i in range(len(wealth)) for j in range(i, len(wealth))
        )
        assert drawdown(np.array(returns)) == pytest.approx(worst, abs=1e-12)
