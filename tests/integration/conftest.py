"""Real market data in LEAN's format, and projects whose decisions are scripted."""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPTED_MAIN = '''
from algorithm.strategy import MirageStrategy
from tests.integration.scripted import ScriptedLearner


class Scripted(MirageStrategy):
    """The strategy with a script in place of the learned models, remembering what it did."""

    def create_learner(self, options):
        self.learner = ScriptedLearner(options.run.seed)
        self.traded_decisions = []
        self.submitted = []
        self.equity_at_close = []
        self.benchmark_at_close = []
        return self.learner

    def on_decision(self, decision, weights):
        self.traded_decisions.append((decision.time, dict(weights)))
        self.equity_at_close.append((self.time, float(self.portfolio.total_portfolio_value)))
        self.benchmark_at_close.append((self.time, self.buy_and_hold(self.time)))

    def on_order_event(self, event):
        self.submitted.append((
            self.time, event.symbol.value, str(event.status), float(event.quantity),
            float(self.securities[event.symbol].price),
            float(self.portfolio.total_portfolio_value),
            float(self.portfolio[event.symbol].quantity)))
'''


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    """The packaged market data, imported once a session."""
    from engine.data_import import PackagedSource, import_data

    folder = tmp_path_factory.mktemp("lean") / "data"
    import_data(PackagedSource(), folder)
    return folder


@pytest.fixture(scope="session")
def fractional_data_folder(data_folder, tmp_path_factory) -> Path:
    """The same data with a lot size far below one share."""
    folder = tmp_path_factory.mktemp("fractional") / "data"
    shutil.copytree(data_folder, folder)
    path = folder / "symbol-properties" / "symbol-properties-database.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    column = header.index("lot_size")
    changed = []
    for line in lines:
        cells = line.split(",")
        if cells[:3] == ["usa", "[*]", "equity"]:
            cells[column] = "0.0000000001"
        changed.append(",".join(cells))
    assert changed != lines
    path.write_text("\n".join(changed) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def few_and_short():
    """Trials and reported markets few and short, where neither is what a test is about.

    They are most of a small training's time; whatever comes of them comes the same way.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.steadiness.ROUNDS", 2)
        patch.setattr("sim.path_sampler.WALK", 10)
        patch.setattr("sim.path_sampler.MARKETS", 8)
        patch.setattr("algorithm.imagined.FACTS_BARS", 504)
        yield


@pytest.fixture(scope="module")
def module_run(tmp_path_factory, data_folder):
    """Run an algorithm on the packaged data: `module_run(parameters, main=..., store=...)`.

    Object stores lie in `module_run.stores`, by name.
    """
    from engine.run.runner import run_backtest

    base = tmp_path_factory.mktemp("runs")

    def go(parameters, *, main=SCRIPTED_MAIN, store="storage", data=data_folder):
        project = base / f"project_{store}"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(main, encoding="utf-8")
        (project / "config.json").write_text(
            json.dumps({"algorithm-language": "Python", "parameters": parameters}),
            encoding="utf-8",
        )
        result = run_backtest(project, data_folder=data, results=None, store=base / store)
        if result.runtime_error:
            raise RuntimeError(result.runtime_error)
        return result

    go.stores = base
    return go
