import numpy as np
import pytest

from models.agent.observation import Observer
from research.benchmarks.coverage import (
    OURS,
    PLAIN,
    FixedSampler,
    PlainSampler,
    between_seeds,
    both_ways,
    deviations_table,
    mean_facts,
)
from sim import path_sampler
from sim.baselines import BlockBootstrapSampler
from sim.facts import facts, simulated_markets
from sim.path_sampler import ForecasterSampler
from sim.steadiness import Feedback
from tests.sim.forecasting import TABLES, small_forecaster


@pytest.fixture(scope="module")
def observer():
    return Observer(small_forecaster())


def test_plain_markets_share_nothing(observer):
    sampler = PlainSampler(observer, TABLES, blend=0.5)
    paths = sampler.sample(12, 40, np.random.default_rng(0))
    assert paths.bars.shape == (12, 2, 41, 5)
    returns = paths.log_returns.reshape(12, -1)
    between = np.corrcoef(returns)[np.triu_indices(12, 1)]
    assert np.abs(between).max() < 0.6
    assert len(np.unique(paths.start_row[:, 0])) > 8
    again = sampler.sample(12, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(again.bars, paths.bars)


def test_plain_markets_are_of_the_same_law(observer):
    plain = PlainSampler(observer, TABLES, blend=0.0).sample(150, 30, np.random.default_rng(1))
    ours = ForecasterSampler(observer, TABLES, blend=0.0).sample(150, 30, np.random.default_rng(1))
    for s in (0, 1):
        wide, same = (x.log_returns[:, s].std() for x in (plain, ours))
        assert wide == pytest.approx(same, rel=0.12)


def test_plain_markets_go_as_far_to_their_masks(observer):
    plain, ours = (
        kind(observer, TABLES, blend=0.0)._plan(4, 1, np.random.default_rng(0))
        for kind in (PlainSampler, ForecasterSampler)
    )
    np.testing.assert_array_equal(np.unique(plain.masks.outputs), np.unique(ours.masks.outputs))


def test_both_ways_go_by_one_fit(observer, monkeypatch):
    fits = iter([Feedback(-0.1, 0.1, -0.2, 0.01)])
    monkeypatch.setattr(path_sampler, "steady", lambda *_: next(fits))
    sampler = both_ways(observer, TABLES, 0.5)
    assert isinstance(sampler[PLAIN], PlainSampler)
    assert sampler[OURS].feedback == sampler[PLAIN].feedback == Feedback(-0.1, 0.1, -0.2, 0.01)


def test_fixed_markets_stay():
    fixed = FixedSampler(BlockBootstrapSampler(TABLES), 1)
    one, other = (fixed.sample(4, 30, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(one.bars, other.bars)


def test_facts_are_averaged_over_symbols():
    paths = BlockBootstrapSampler(TABLES).sample(20, 60, np.random.default_rng(0))
    each = [facts(market) for market in simulated_markets(paths)]
    found = mean_facts(paths)
    assert found["hill"] == pytest.approx(np.mean([one.hill for one in each]))
    assert found["mean"] == pytest.approx(1e4 * paths.log_returns.mean())


def test_the_table_shows_the_ratio_of_the_deviations():
    found = {
        OURS: [{"x": 1.0}, {"x": 2.0}],
        PLAIN: [{"x": 1.0}, {"x": 5.0}],
    }
    row = deviations_table(found, {"x": "a fact"}).splitlines()[1].split()
    assert row[:2] == ["a", "fact"]
    assert [float(x) for x in row[2:]] == pytest.approx([1.5, 0.7071, 3.0, 2.8284, 0.25], abs=1e-4)


def test_between_seeds_is_a_root_mean_square():
    values = [np.array([[1.0, 0.0]]), np.array([[3.0, 0.0]])]
    assert between_seeds(values) == pytest.approx(1.0)  # deviations of root two and nothing
