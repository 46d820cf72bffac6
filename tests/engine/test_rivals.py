"""The run beside simple rules: figures by hand, order, words; nothing where nothing is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.report import rivals
from engine.report.diagnostics import load_diagnostics
from engine.report.results import load_backtest
from tests.engine.report_sample import write_backtest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_backtest(tmp_path_factory.mktemp("run"))
    return load_backtest(folder), load_diagnostics(folder)


def test_figures_are_those_of_the_equity(run):
    mix, reversion = rivals.rivals_of(run[1])
    returns = np.diff(mix.equity) / mix.equity.to_numpy()[:-1]
    assert mix.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(252))
    assert mix.figures["Cumulative return"] == pytest.approx(0.3)
    assert reversion.figures["Cumulative return"] == pytest.approx(-0.3)
    assert mix.turnover == pytest.approx(12.5 / 2 / ((len(mix.equity) - 1) / 252))
    assert rivals.best_of([reversion, mix]) is mix


def test_the_run_comes_first_and_the_rules_by_their_sharpe_ratio(run):
    title, head, rule, ours, *others = rivals.lines(*run)
    assert title.startswith("Beside simple rules")
    assert ours.startswith("this run")
    assert [line.split("  ")[0] for line in others] == ["constant mix", "mean reversion"]
    assert others[0].split()[2] == "+30.0%"
    assert len({len(line) for line in (head, rule, ours, *others)}) == 1
    written = rivals.table(run[0], rivals.rivals_of(run[1]))
    assert written.index("this run") < written.index("constant mix") < written.index("reversion")
    assert "<b>in words" not in written


def test_words_say_where_the_run_stands(run):
    said = rivals.sentence(*run)
    assert "always at the caps earned +30.0%" in said
    assert "best of 2 simple rules, in hindsight, was constant mix" in said
    ours = rivals.Rival("", "", run[0].equity, 0.0).sharpe
    below = sum(rival.sharpe > ours for rival in rivals.rivals_of(run[1]))
    assert f"is below {below} of them" in said


def test_the_picture_shows_the_run_the_mix_and_the_best(run):
    known = rivals.rivals_of(run[1])
    figure = rivals.picture(run[0], known)
    assert [line.name for line in figure.data] == ["constant mix", "this run"]
    better = known[0].equity * np.linspace(1, 2, len(known[0].equity))
    known[1] = replace(known[1], equity=better)
    figure = rivals.picture(run[0], known)
    assert [line.name for line in figure.data] == ["constant mix", "mean reversion", "this run"]
    assert figure.data[1].y[-1] == pytest.approx(2.6)


def test_without_rules_there_is_nothing_to_say(tmp_path):
    folder = write_backtest(tmp_path / "run", parts=("facts",))
    backtest, diagnostics = load_backtest(folder), load_diagnostics(folder)
    assert rivals.rivals_of(diagnostics) == []
    assert rivals.lines(backtest, diagnostics) == []
    assert rivals.sentence(backtest, diagnostics) == ""
    assert rivals.table(backtest, []) == ""
    assert rivals.picture(backtest, []) is None


def test_lines_of_different_length_are_refused(tmp_path):
    folder = write_backtest(tmp_path / "run")
    document = json.loads((folder / "diagnostics.json").read_text())
    document["rivals"]["rows"][1]["equity"].pop()
    (folder / "diagnostics.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="rivals/mean_reversion: columns must be equally long"):
        load_diagnostics(folder)
