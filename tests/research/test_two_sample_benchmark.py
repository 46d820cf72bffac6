import argparse

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from tqdm import tqdm

from models.forecast.config import ForecasterConfig
from models.market.features import LOOKBACK
from research.benchmarks.two_sample import (
    FLOOR,
    Found,
    Windows,
    auc_table,
    means_table,
    measure,
    real_windows,
    used_table,
)
from research.held_out import Stock
from sim.two_sample import BOOSTING
from sim.windows import cut_windows, joint_statistics, window_statistics
from tests.sim.forecasting import TABLES, history, small_forecaster

SPLIT_ROW = 450


@pytest.fixture(scope="module")
def stocks():
    forecaster, found = small_forecaster(), []
    for seed, symbol in enumerate("ABCD"):
        whole = history(symbol, n=650, seed=seed)
        past = whole.until(whole.time[SPLIT_ROW])
        found.append(Stock(whole, type(TABLES[0]).of(past), forecaster))
    return found


def test_real_windows_are_of_either_side_of_the_split(stocks):
    later, past = real_windows([[stock] for stock in stocks])
    whole = stocks[0].history.bars
    ends = SPLIT_ROW + 1
    first = LOOKBACK + ForecasterConfig(window=20).window
    want = {
        "later": window_statistics(cut_windows(whole, ends, 60, 5)[0]),
        "past": window_statistics(cut_windows(whole[:ends], first, 60, 5)[0]),
    }
    for name, windows in (("later", later), ("past", past)):
        mine = windows.symbol == "A"
        np.testing.assert_allclose(windows.statistics.values[mine], want[name].values)
    assert sorted(set(later.symbol)) == list("ABCD")


def test_real_windows_of_markets_are_on_common_dates(stocks):
    later, _ = real_windows([stocks[:2], stocks[2:4]])
    bars = np.stack([stock.history.bars for stock in stocks[2:4]])
    want = joint_statistics(cut_windows(bars, SPLIT_ROW + 1, 60, 2)[0])
    mine = later.symbol == "C+D"
    np.testing.assert_allclose(later.statistics.values[mine], want.values)
    assert set(later.symbol) == {"A+B", "C+D"}


def test_stocks_weigh_the_same_in_means():
    bars = cut_windows(TABLES[0].history.bars, 40, 60, 60)[0]
    windows = Windows.pooled({"A": bars[:1, None], "B": bars[1:, None]})
    values = window_statistics(bars)["log deviation of r"]
    assert windows.mean("log deviation of r") == pytest.approx(
        0.5 * (values[0] + values[1:].mean())
    )
    assert windows.between("log deviation of r") == pytest.approx(
        0.5 * abs(values[0] - values[1:].mean())
    )


def few_trees(seed):
    return HistGradientBoostingClassifier(
        max_iter=5, max_leaf_nodes=3, early_stopping=False, random_state=seed
    )


@pytest.fixture(scope="module")
def found(stocks) -> Found:
    """How well a classifier tells is tested elsewhere (`tests.sim.test_two_sample`)."""
    options = argparse.Namespace(paths=8, repeats=1, quick=True)
    with tqdm(disable=True) as progress, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.two_sample.CLASSIFIERS", {BOOSTING: few_trees})
        markets = [[stock] for stock in stocks]
        return measure(markets, ["block bootstrap", "blend 1"], 1, options, progress)


def test_every_kind_is_told_from_the_later_windows(found):
    assert list(found.kinds) == list(found.told) == [FLOOR, "block bootstrap", "blend 1"]
    for name, told in found.told.items():
        assert 0.0 <= told.auc["boosting"] <= 1.0
        assert "ticks" not in told.families
        assert 0.0 <= found.ticks[name] <= 1.0
        assert list(found.families[name])[-1] == "ticks"
    for name in ("block bootstrap", "blend 1"):  # eight paths of each of four stocks
        assert len(found.kinds[name].symbol) == 32
    assert found.facts is None


def test_tables_hold_what_was_found(found):
    lines = auc_table([found]).splitlines()
    assert [line[:32].strip() for line in lines[1:]] == list(found.told)
    assert f"{found.told[FLOOR].auc['boosting']:.3f} ± 0.000" in lines[1]
    two = auc_table([found, found]).splitlines()
    assert two[1] == lines[1]  # the same twice: no deviation, the same mean
    used = used_table([found], "blend 1", most=3).splitlines()
    best = next(iter(found.told["blend 1"].used))
    assert len(used) == 5
    assert used[2].split("  ")[1].strip() == best
    means = means_table([found]).splitlines()
    assert means[0].split()[-6:] == ["training", "span", "block", "bootstrap", "blend", "1"]
    assert len(means) == 1 + len(found.real.statistics.names)
    assert f"{found.real.mean('log deviation of r'):.3f}" in means[1]
    assert f"{found.real.between('mean range'):.3f}" in means_table([found], ["mean range"])
