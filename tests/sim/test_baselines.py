from dataclasses import replace

import numpy as np
import pytest

from models.agent.observation import Observer
from models.market.features import VOLUME_MEAN_BARS, FeatureTable, parts_from_bars
from models.market.history import VOLUME
from sim.baselines import BlockBootstrapSampler, GarchFit, GarchSampler
from tests.sim.forecasting import HISTORIES, TABLES, small_forecaster

BASELINES = [
    pytest.param(BlockBootstrapSampler, {"mean_block": 20.0}, id="blocks"),
    pytest.param(GarchSampler, {}, id="gjr"),
    pytest.param(GarchSampler, {"asymmetric": False}, id="garch"),
]


@pytest.mark.parametrize(("kind", "options"), BASELINES)
def test_baselines_yield_valid_reproducible_paths(kind, options):
    sampler = kind(TABLES, **options)
    paths = sampler.sample(30, 50, np.random.default_rng(0))  # Paths checks every bar
    again = sampler.sample(30, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(paths.bars, again.bars)
    assert paths.bars.shape == (30, 2, 51, 5)
    assert paths.observations.shape == (30, 2, 51, 0)
    for b, s in np.ndindex(30, 2):
        assert paths.series[b, s] == s
        real = HISTORIES[s].bars[paths.start_row[b, s]]
        np.testing.assert_array_equal(paths.bars[b, s, 0], real)
    shares = paths.each().log_returns[:, 0]
    assert len(np.unique(shares.round(12), axis=0)) == 60


@pytest.mark.parametrize(("kind", "options"), BASELINES[:2])
def test_baselines_can_be_observed_like_any_market(kind, options):
    observer = Observer(small_forecaster())
    sampler = kind(TABLES, observer, starts="latest", **options)
    paths = sampler.sample(6, 5, np.random.default_rng(0))
    assert paths.observations.shape == (6, 2, 6, observer.size)
    assert (paths.start_row == [len(history) - 1 for history in HISTORIES]).all()


def test_bootstrapped_days_are_real_days():
    paths = BlockBootstrapSampler(TABLES).sample(4, 30, np.random.default_rng(0))
    for b, s in np.ndindex(4, 2):
        days = parts_from_bars(HISTORIES[s].bars)[VOLUME_MEAN_BARS:]
        found = parts_from_bars(paths.bars[b, s])[1:, :2]
        for day in found:
            assert np.abs(days[:, :2] - day).sum(axis=1).min() < 1e-9


def changed_before(row, factor=2.0):
    """The histories with other bars before a row, every second at a multiple of its price."""
    found = []
    for history in HISTORIES:
        bars = history.bars.copy()
        bars[:row:2, :VOLUME] *= factor
        bars[:row, VOLUME] *= np.random.default_rng(0).uniform(0.5, 2.0, row)
        found.append(FeatureTable.of(replace(history, bars=bars)))
    return found


@pytest.mark.parametrize(("kind", "options"), BASELINES)
def test_bars_before_the_first_row_do_not_count(kind, options):
    """But for the volumes that the first row's deviation is of, and the close before it."""
    first = 259
    sampler = kind(TABLES, first=first, **options)
    paths = sampler.sample(800, 5, np.random.default_rng(0))
    assert paths.start_row.min() == first
    before = first - VOLUME_MEAN_BARS
    other = kind(changed_before(before), first=first, **options)
    np.testing.assert_array_equal(other.sample(800, 5, np.random.default_rng(0)).bars, paths.bars)
    whole = kind(TABLES, **options).sample(800, 5, np.random.default_rng(0))
    assert whole.start_row.min() < first
    moved = kind(changed_before(before), **options).sample(800, 5, np.random.default_rng(0))
    assert not np.array_equal(moved.bars, whole.bars)


def test_bootstrapped_days_are_those_from_the_first_row_on():
    first = 500
    paths = BlockBootstrapSampler(TABLES, first=first).sample(40, 30, np.random.default_rng(0))
    for s, history in enumerate(HISTORIES):
        days = parts_from_bars(history.bars)[first:, :2]
        gaps = np.log(paths.bars[:, s, 1:, 0] / paths.bars[:, s, :-1, 3])
        assert np.abs(gaps.ravel()[:, None] - days[:, 0]).min(axis=1).max() < 1e-9
        # Every one of them may come up.
        assert np.abs(gaps.ravel()[:, None] - days[:, 0]).min(axis=0).max() < 1e-9


def test_garch_is_fitted_to_the_returns_from_the_first_row_on():
    sampler = GarchSampler(TABLES, first=300)
    for history, fit in zip(HISTORIES, sampler._fits, strict=True):
        alone = GarchFit.of(history.log_returns[300:], asymmetric=True)
        np.testing.assert_array_equal(fit.variance, alone.variance)
        np.testing.assert_array_equal(fit.residual, alone.residual)


def known_garch():
    rng = np.random.default_rng(0)
    fit = GarchFit(0.0005, 2e-6, 0.05, 0.08, 0.88, 6.0, np.full(2, 1e-4), np.zeros(2), True)
    returns, _ = fit.simulate(np.zeros(1, int), 12_000, rng)
    return fit, returns[0]


def test_garch_recovers_its_own_parameters():
    truth, returns = known_garch()
    found = GarchFit.of(returns, asymmetric=True)
    assert found.garch == pytest.approx(truth.garch, abs=0.04)
    assert found.asymmetry == pytest.approx(truth.asymmetry, abs=0.04)
    assert found.df == pytest.approx(truth.df, rel=0.15)
    assert found.omega == pytest.approx(truth.omega, rel=0.5)
    assert found.converged


def test_a_garch_fit_says_whether_it_converged(monkeypatch):
    assert GarchSampler(TABLES).converged == {"AAA": True, "BBB": True}
    _, returns = known_garch()
    assert not GarchFit.of(returns, asymmetric=True, max_iterations=1).converged
    fit = GarchFit.of

    def hurried(log_returns, asymmetric):
        first = log_returns[0] == HISTORIES[0].log_returns[1]
        return fit(log_returns, asymmetric, max_iterations=1 if first else 1000)

    monkeypatch.setattr(GarchFit, "of", hurried)
    assert GarchSampler(TABLES).converged == {"AAA": False, "BBB": True}


def test_garch_simulates_its_stationary_variance_and_follows_its_own_recursion():
    truth, returns = known_garch()
    stationary = truth.omega / (1 - truth.arch - truth.asymmetry / 2 - truth.garch)
    assert returns.var() == pytest.approx(stationary, rel=0.15)
    returns, deviations = truth.simulate(np.zeros(3, int), 5, np.random.default_rng(1))
    e = returns - truth.mean
    want = truth.omega + (0.05 + 0.08 * (e < 0)) * e**2 + 0.88 * deviations**2
    np.testing.assert_allclose(deviations[:, 1:] ** 2, want[:, :-1])


def test_garch_bars_meet_their_returns():
    sampler = GarchSampler(TABLES)
    parts = sampler._of(0, np.full(20, 100), 30, np.random.default_rng(5))
    returns, _ = sampler._fits[0].simulate(np.full(20, 99), 30, np.random.default_rng(5))
    np.testing.assert_allclose(parts[..., 0] + parts[..., 1], returns, atol=1e-12)
    assert (parts[..., 2:4] >= 0).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least one symbol"):
        BlockBootstrapSampler([])
    with pytest.raises(ValueError, match="AAA: history must have at least 250"):
        GarchSampler([FeatureTable.of(HISTORIES[0].tail(220))])
    with pytest.raises(ValueError, match="mean_block"):
        BlockBootstrapSampler(TABLES, mean_block=0)
    with pytest.raises(ValueError, match="first must be >= 0; received -1"):
        GarchSampler(TABLES, first=-1)
    with pytest.raises(ValueError, match="AAA: history must have at least 601 bars; received 600"):
        BlockBootstrapSampler(TABLES, first=599)
    with pytest.raises(ValueError, match="n_steps"):
        BlockBootstrapSampler(TABLES).sample(1, 0, np.random.default_rng(0))
