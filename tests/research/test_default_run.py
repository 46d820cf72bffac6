"""How scripts run the algorithm; the run itself is tested elsewhere."""

import resource
from types import SimpleNamespace

import pytest

from research import default_run
from research.benchmarks import backtest_cost
from research.conditions import ROOT
from research.default_run import run_default
from research.workspace import load_settings


@pytest.fixture
def runs(monkeypatch):
    made = SimpleNamespace(asked=[], result=SimpleNamespace(runtime_error=""))

    def run_backtest(project, **options):
        made.asked.append((project, options))
        return made.result

    monkeypatch.setattr(default_run, "run_backtest", run_backtest)
    return made


def test_it_is_the_project_with_its_parameters_and_data(runs, tmp_path):
    assert run_default(tmp_path, {"seed": "7"}) is runs.result
    ((project, options),) = runs.asked
    assert project == ROOT
    assert options["store"] == tmp_path
    assert options["data_folder"] == ROOT / "data"
    assert options["parameters"] == load_settings().to_parameters() | {"seed": "7"}
    assert options.get("results") is None


def test_bad_parameters_are_refused_before_the_run(runs, tmp_path):
    with pytest.raises(ValueError, match="unknown parameter sead"):
        run_default(tmp_path, {"sead": "7"})
    assert runs.asked == []


def test_a_stopped_algorithm_gives_no_figures(runs, tmp_path):
    runs.result.runtime_error = "ZeroDivisionError at 2009-02-03"
    with pytest.raises(RuntimeError, match="ZeroDivisionError at 2009"):
        run_default(tmp_path, {})


class TestCost:
    def test_memory_is_the_peak_of_the_process(self, monkeypatch, tmp_path):
        # A child's peak begins with its parent's, so it must hold more to be seen.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        held = own + 200
        monkeypatch.setattr(backtest_cost, "CHILD", f"held = b'x' * ({held} << 20); del held")
        _, peak = backtest_cost.measure(1, tmp_path)
        assert held <= peak < held + 100

    def test_a_failed_backtest_is_not_timed(self, monkeypatch, tmp_path):
        monkeypatch.setattr(backtest_cost, "CHILD", "raise SystemExit(3)")
        with pytest.raises(RuntimeError, match="over 2 years failed with status 3"):
            backtest_cost.measure(2, tmp_path)
