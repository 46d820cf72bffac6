"""The bench's choices, its memory and its tables, on small runs."""

from dataclasses import replace

import numpy as np
import pytest

from models.market.features import FeatureTable
from research import agents
from research.benchmarks import agent_bench
from research.benchmarks.agent_bench import (
    Span,
    Store,
    Variant,
    chosen,
    halves,
    main,
    proportional,
    run_all,
    run_variant,
    runs_of,
    slice_rewards,
    table,
)
from research.figures import sharpe
from research.judging import Figures, Run
from research.real_markets import RealMarket, Refit, follow
from sim.accounting import Account, step
from sim.rules import Rule
from tests.sim.forecasting import HISTORIES, small_forecaster

DAYS = HISTORIES[0].time.astype("datetime64[D]")


@pytest.fixture(scope="module")
def span():
    tables = tuple(FeatureTable.of(one.until(DAYS[479])) for one in HISTORIES)
    refit = Refit(DAYS[480], tables, small_forecaster())
    return Span(follow(HISTORIES, [refit]), [refit], proportional(np.array([0.2, 0.4])), 1)


def run_of(ratio, seed=0, bars=400) -> Run:
    growth = np.random.default_rng(seed).normal(0, 0.01, bars)
    growth += ratio * 0.01 / np.sqrt(252) - growth.mean()
    zeros = np.zeros(bars)
    return Run(growth, zeros, zeros, zeros)


def test_a_run_is_what_the_accounting_says(span):
    paths, rules = span.market.paths, span.rules
    (run,) = runs_of(Rule("constant_mix").act, paths, rules)
    account = Account.opened(rules.equity, 2)
    opens, closes = paths.bars[:, :, :, 0], paths.bars[:, :, :, 3]
    for t in range(20):
        done = step(
            account, rules.caps[None], closes[:, :, t], opens[:, :, t + 1], closes[:, :, t + 1],
            rules,
        )  # fmt: skip
        traded = np.abs(done.orders * closes[:, :, t]).sum() / account.equity[0]
        paid = done.fees.sum() / account.equity[0]
        account = done.account
        held = np.abs(account.holdings * closes[:, :, t + 1]).sum() / account.equity[0]
        assert run.growth[t] == pytest.approx(done.growth[0], abs=1e-12)
        assert run.turnover[t] == pytest.approx(traded, abs=1e-12)
        assert run.costs[t] == pytest.approx(paid, abs=1e-12)
        assert run.exposure[t] == pytest.approx(held, abs=1e-12)


def test_what_was_run_is_not_run_again(span, tmp_path, monkeypatch):
    store, variant = Store(tmp_path), Variant("constant_mix", 0.1)
    first = run_variant(variant, span, store)
    calls = []
    monkeypatch.setattr(agent_bench, "runs_of", lambda *a: calls.append(a) or [first])
    again = run_variant(variant, span, store)
    np.testing.assert_array_equal(again.growth, first.growth)
    # A rule does not depend on the seed but through what it sees; an agent does.
    run_variant(variant, replace(span, seed=2), store)
    assert not calls
    for other in (
        (Variant("constant_mix", 0.2), span),
        (variant, replace(span, rules=replace(span.rules, equity=1e4))),
        (Variant("mean_variance"), span),
        (Variant("mean_variance"), replace(span, seed=2)),
        (Variant("mean_variance", source="real span"), span),
    ):
        before = len(calls)
        run_variant(*other, store)
        assert len(calls) == before + 1
    assert len(list(tmp_path.glob("*.json"))) == 6
    assert Store(None).get("x", {}, lambda: 3) == 3


def test_an_agent_trades_what_it_was_taught(span, monkeypatch):
    monkeypatch.setattr(agents, "LEARNERS", {"mix": lambda lesson: Rule("constant_mix", 0.2)})
    trials = run_all(
        [Variant("constant_mix", 0.2), Variant("mix"), Variant("momentum", 0.2)],
        [span], Store(None), 1, "",
    )  # fmt: skip
    rule, agent, other = (runs[0] for runs in trials.values())
    np.testing.assert_array_equal(rule.growth, agent.growth)
    assert not np.array_equal(rule.growth, other.growth)


def test_bands_are_chosen_on_the_bars_given():
    early, late = slice(0, 200), slice(200, None)
    runs = {Variant("momentum", band): [run_of(0.0, seed)] for band, seed in ((0.0, 1), (0.2, 2))}
    runs |= {Variant("mean_variance"): [run_of(0.5)]}
    for bars in (early, late):
        kept = list(chosen(runs, bars))
        best = max((0.0, 0.2), key=lambda b: sharpe(runs[Variant("momentum", b)][0].growth[bars]))
        assert kept == [Variant("momentum", best), Variant("mean_variance")]
    assert sharpe(runs[Variant("momentum", 0.0)][0].growth[early]) != sharpe(
        runs[Variant("momentum", 0.2)][0].growth[early]
    )


def test_the_table_is_in_order_and_compares_with_the_best_rule_and_the_mix():
    trials = {
        Variant("constant_mix", 0.0): [run_of(0.2, 1), run_of(0.4, 2)],
        Variant("average_200", 0.1): [run_of(0.9, 3), run_of(1.1, 4)],
        Variant("mean_variance"): [run_of(2.0, 5), run_of(2.2, 6)],
    }
    lines = table(trials, trials, {"half": slice(0, 200), "whole": slice(None)}).splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == [
        "agent: mean_variance", "average_200", "constant_mix",
    ]  # fmt: skip
    whole = np.mean([sharpe(run.growth) for run in trials[Variant("mean_variance")]])
    spread = np.std([sharpe(run.growth) for run in trials[Variant("average_200", 0.1)]], ddof=1)
    assert f"{whole:.2f}" in lines[2]
    assert lines[3].endswith(f"± {spread:.3f}")
    assert lines[3].count(" .. ") == 1
    assert lines[4].count(" .. ") == 1
    assert lines[2].count(" .. ") == 2
    assert lines[5].startswith("3 variants tried")


def test_halves_meet_at_the_new_year(span):
    dates = np.datetime64("2012-12-28") + np.arange(len(span.market.dates))
    parts = halves(RealMarket(span.market.symbols, dates, span.market.paths))
    # Row 0 is the 28th; bars 0, 1, 2 end on the 29th to the 31st.
    assert (parts["to 2012"].stop, parts["from 2013"].start) == (3, 3)


def test_slices_are_paid_in_the_investors_reward():
    """What aversion 6 leaves of returns, by stretches of bars, mean over seeds."""
    runs = [run_of(1.0, 0), run_of(-1.0, 1)]
    found = slice_rewards(runs, [slice(0, 100), slice(100, 400)])
    returns = np.stack([np.expm1(run.growth) for run in runs])
    earned = returns - 3.0 * returns**2
    np.testing.assert_allclose(found, [earned[:, :100].mean(), earned[:, 100:].mean()])


def test_options_must_ask_for_something(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "give one of --lean" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--packaged", "--rules", "momentum"])
    assert "--rules must hold constant_mix" in capsys.readouterr().err


def test_small_accounts_show_each_rule_with_its_best_band():
    def figures(ratio):
        return Figures(ratio, 0.1, 0.2, 0.02, 0.01, 0.03, 0.5)

    by_size = {
        Variant("momentum", 0.0): figures(0.1),
        Variant("momentum", 0.3): figures(0.4),
        Variant("constant_mix", 0.0): figures(0.6),
        Variant("constant_mix", 0.3): figures(0.5),
        Variant("mean_variance"): figures(0.45),
    }
    rows = agent_bench._small_rows(dict.fromkeys(agent_bench.SMALL_EQUITY, by_size))
    assert [row.split()[:4] for row in rows] == [
        ["constant_mix", "0.60", "0.0", "0.60"],
        ["agent:", "mean_variance", "0.45", "20.0"],
        ["momentum", "0.10", "0.3", "0.40"],
    ]
    assert {len(row) for row in rows} == {len(agent_bench._small_head("real").splitlines()[1])}


def test_tdqn_means_are_beside_the_papers():
    hold = {"AAPL": [1.0], "KO": [1.0]}
    better = {"AAPL": [1.5, 1.5], "KO": [0.9, 0.9]}
    text = agent_bench._tdqn_tables(
        {("buy_and_hold", True): hold, ("buy_and_hold", False): hold,
         ("clever", True): better, ("clever", False): hold}
    )  # fmt: skip
    lines = [line.split() for line in text.splitlines()]
    clever = next(line for line in lines if line[:1] == ["clever"])
    # Differences of .5 and -.1: mean .2, deviation .424, over the root of two .3.
    assert clever[1:] == ["1.200", "1.000", "1", "of", "2", "0.67"]
    paper = next(line for line in lines if line[:2] == ["paper:", "TDQN"])
    assert paper[2] == f"{(1.424 + 1.068) / 2:.3f}"
