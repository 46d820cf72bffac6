"""Real market data in LEAN's format, and projects whose decisions are scripted."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPTED_MAIN = '''
from algorithm.strategy import MirageStrategy
from tests.integration.scripted import ScriptedDecider


class Scripted(MirageStrategy):
    """The strategy with a script in place of the learned models."""

    def train_models(self) -> None:
        if self._decider is None:
            self._decider = ScriptedDecider(self._caps, self._options)
            self.traded_decisions = []
            self.submitted = []

    def on_decision(self, time, weights):
        self.traded_decisions.append((time, dict(weights)))

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
    from engine.data_import import import_packaged

    folder = tmp_path_factory.mktemp("lean") / "data"
    import_packaged(folder)
    return folder


@pytest.fixture
def run(tmp_path, data_folder):
    """Run an algorithm on the packaged data: `run(parameters, main=..., store=...)`."""
    from engine.runner import run_backtest

    def go(parameters, *, main=SCRIPTED_MAIN, store="storage", data=data_folder):
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(main, encoding="utf-8")
        (project / "config.json").write_text(
            json.dumps({"algorithm-language": "Python", "parameters": parameters}), encoding="utf-8"
        )
        return run_backtest(project, data_folder=data, results=None, store=tmp_path / store)

    return go
