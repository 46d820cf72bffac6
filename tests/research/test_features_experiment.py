"""The features experiment: what its cells, its table and its picture are made of."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from models.market.history import History
from models.market.macro import RATE, WTI
from research.experiments import features
from research.experiments.features import (
    ANALYTIC,
    MIX,
    RETURNS,
    SHARPE,
    Cell,
    Stage,
    _spans,
    cell,
    picture,
    table,
)
from research.figures import sharpe
from research.judging import Run
from research.real_markets import Refit
from tests.models.synthetic import days, garch_bars

STAGE = Stage(
    "two stocks",
    tuple(History(name, days(600), garch_bars(600, seed)) for seed, name in enumerate("AB")),
    (WTI, RATE),
    np.datetime64("2006-03-01"),
    np.datetime64("2006-04-14"),
    0.2,
    None,
)


def run(drift, n=300):
    growth = drift + 0.01 * np.sin(np.arange(n))
    return Run(growth, np.full(n, 0.02), np.full(n, 1e-5), np.full(n, 0.6))


def made(seed, score=2.8):
    drifts = {MIX: 4e-4, ANALYTIC: 5e-4, RETURNS: 6e-4, SHARPE: 3e-4}
    runs = {name: run(drift + 1e-5 * seed) for name, drift in drifts.items()}
    return Cell(runs, score + 0.001 * seed, 0.85)


def test_a_cell_comes_back_from_what_is_kept_of_it():
    one = made(1)
    again = Cell.from_json(json.loads(json.dumps(one.to_json())))
    assert (again.log_score, again.crps) == (one.log_score, one.crps)
    for name, wanted in one.runs.items():
        np.testing.assert_array_equal(again.runs[name].growth, wanted.growth)


def test_a_cell_is_made_once_for_each_set_and_seed(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(features, "real_market", lambda *a, **k: (None, asked.append(a) or []))
    monkeypatch.setattr(features, "_made", lambda *arguments: made(arguments[-1]))
    monkeypatch.setattr(Stage, "shown", lambda self, groups: list(self.histories))
    for _ in range(2):
        for groups in STAGE.sets.values():
            for seed in (1, 2):
                assert cell(STAGE, groups, seed, tmp_path).log_score == 2.8 + 0.001 * seed
    assert len(asked) == 6
    assert {settings.config.features for *_, settings in asked} == set(STAGE.sets.values())


def test_forecasts_are_scored_from_a_refit_to_the_day_before_the_next():
    dates = np.array(["2006-03-01", "2007-01-01"], "datetime64[D]")
    refits = [Refit(day, (), SimpleNamespace()) for day in dates]
    (_, first, until), (_, second, last) = _spans(refits, np.datetime64("2007-03-09"))
    assert (first, second) == tuple(dates.astype("datetime64[ns]"))
    assert until < second <= until + np.timedelta64(1, "ns")
    assert last == np.datetime64("2007-03-10T00:00", "ns") - np.timedelta64(1, "ns")


def test_the_table_has_a_line_for_everyone():
    cells = {title: [made(seed) for seed in (1, 2, 3)] for title in STAGE.sets}
    lines = table(STAGE, cells).splitlines()
    assert len(lines) == 3 + 1 + 3 * 3
    returns = next(line for line in lines if line.startswith("base") and "returns" in line)
    ratios = [sharpe(made(seed).runs[RETURNS].growth) for seed in (1, 2, 3)]
    assert f"{np.mean(ratios):.2f} ± {np.std(ratios, ddof=1):.2f}" in returns
    assert "2.0 ± 0.0" in returns
    assert "0.60 ± 0.00" in returns
    assert "2.8020 ± 0.0010" in next(line for line in lines if "analytic" in line)


@pytest.mark.filterwarnings("ignore")
def test_the_picture_shows_every_seed(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "close", lambda figure: shown.append(figure))
    cells = {title: [made(seed) for seed in (1, 2, 3)] for title in STAGE.sets}
    picture(STAGE, cells, tmp_path / "a" / "picture.png")
    assert (tmp_path / "a" / "picture.png").stat().st_size > 10_000
    left, right = shown[0].axes
    dots = [len(one.get_offsets()) for one in left.collections if hasattr(one, "get_sizes")]
    assert sum(n for n in dots if n == 3) == 3 * 3 * 3
    assert right.get_title(loc="left") == "Log score of the next close, nats"
