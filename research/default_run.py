"""The algorithm as `make backtest` runs it, for scripts that measure it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.run.runner import BacktestResult, run_backtest
from research.conditions import ROOT
from research.workspace import default_data_folder, load_settings


def run_default(store: Path, changes: Mapping[str, str]) -> BacktestResult:
    """Run the algorithm in this process; no result files are written.

    Args:
        store: folder of the object store, where trainings are kept.
        changes: parameters to set otherwise than in `config.json`, text by name.

    Raises:
        ValueError: for an unknown parameter, a value out of range or missing data.
        RuntimeError: if the algorithm stopped with an error.
    """
    parameters = load_settings(changes).to_parameters()
    result = run_backtest(
        ROOT, data_folder=default_data_folder(), store=store, parameters=parameters
    )
    if result.runtime_error:
        raise RuntimeError(result.runtime_error)
    return result
