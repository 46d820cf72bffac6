import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.forecast.distributions import SkewedT, TailShape
from models.forecast.levels import LevelMap
from models.forecast.predictive import (
    PredictiveDistribution,
    crps_draws,
    crps_gaussian,
    crps_student_t,
    log_score_gaussian,
    log_score_student_t,
    pit_ks,
)
from models.forecast.recalibration import CorrectedT, moments


def crps_by_integration(distribution, observed):
    grid = np.linspace(-400, 400, 2_000_001)
    step = (distribution.cdf(grid) - (grid >= observed)) ** 2
    return np.trapezoid(step, grid) if hasattr(np, "trapezoid") else np.trapz(step, grid)


@pytest.mark.parametrize("observed", [-3.0, 0.2, 1.0])
def test_crps_closed_forms_are_the_integral_of_the_definition(observed):
    normal = crps_by_integration(stats.norm(0.2, 1.5), observed)
    assert np.isclose(crps_gaussian(0.2, 1.5, observed), normal, atol=1e-3)
    student = crps_by_integration(stats.t(4.0, 0.2, 1.5), observed)
    assert np.isclose(crps_student_t(0.2, 1.5, 4.0, observed), student, atol=1e-3)


def test_crps_of_a_standard_normal_at_its_mean():
    assert np.isclose(crps_gaussian(0.0, 1.0, 0.0), (np.sqrt(2) - 1) / np.sqrt(np.pi))


def test_crps_of_draws_converges_to_the_closed_form():
    draws = np.random.default_rng(0).normal(size=(50, 4000))
    found = crps_draws(draws, np.full(50, 0.7))
    exact = crps_gaussian(0.0, 1.0, 0.7)
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(50)


def test_crps_of_draws_equals_the_double_sum():
    rng = np.random.default_rng(1)
    draws, observed = rng.normal(size=(3, 9)), rng.normal(size=3)
    pairs = np.abs(draws[:, :, None] - draws[:, None, :]).sum(axis=(1, 2)) / (2 * 9 * 8)
    expected = np.abs(draws - observed[:, None]).mean(axis=1) - pairs
    np.testing.assert_allclose(crps_draws(draws, observed), expected)


def test_log_scores_are_scipys():
    assert np.isclose(log_score_gaussian(0.1, 2.0, 1.0), stats.norm(0.1, 2.0).logpdf(1.0))
    assert np.isclose(log_score_student_t(0.1, 2.0, 3.0, 1.0), stats.t(3, 0.1, 2.0).logpdf(1.0))


def test_pit_ks_is_scipys():
    values = np.random.default_rng(2).random(500)
    assert np.isclose(pit_ks(values), stats.kstest(values, "uniform").statistic)


BENT = LevelMap.fit(np.random.default_rng(3).beta(1.2, 0.9, 4000))


def mixture(seed=0, series=3, draws=64, levels=BENT):
    """Forecasts whose components are skewed and corrected, each series by its own shape."""
    rng = np.random.default_rng(seed)
    parts = np.abs(rng.normal(size=(series, draws, 5))) * 0.01
    parts[..., :2] = rng.normal(size=(series, draws, 2)) * 0.01
    location = parts[..., 0] + 0.001 * rng.normal(size=(series, draws))
    scale = 0.01 * np.exp(0.2 * rng.normal(size=(series, draws)))
    shape = TailShape(*(rng.uniform(*ends, series) for ends in ((4, 9), (5, 20), (0.4, 0.6))))
    wide = TailShape(shape.left[:, None], shape.right[:, None], shape.alpha[:, None])
    components = CorrectedT(
        SkewedT(location, scale, wide),
        levels,
        rng.uniform(-0.15, 0.15, (series, 1, 2)),
        moments(shape, levels)[:, None],
    )
    closes = np.array([10.0, 20.0, 30.0])[:series]
    return PredictiveDistribution(parts, components, location[:, :8], closes)


@given(st.integers(0, 1000))
def test_quantiles_invert_the_distribution_function(seed):
    forecast = mixture(seed)
    levels = [0.01, 0.05, 0.5, 0.95, 0.99]
    quantiles = forecast.quantiles(levels)
    assert (np.diff(quantiles, axis=1) > 0).all()
    np.testing.assert_allclose(forecast.cdf(quantiles), np.tile(levels, (3, 1)), atol=1e-6)


def test_mean_and_deviation_of_the_mixture_by_integration():
    forecast = mixture(series=1)
    grid = np.linspace(-1.5, 1.5, 8_001)
    weights = np.diff(forecast.cdf(grid[None])[0])
    middle = 0.5 * (grid[1:] + grid[:-1])
    assert np.isclose(weights.sum(), 1.0, atol=1e-5)
    assert np.isclose((weights * middle).sum(), forecast.mean[0], atol=2e-5)
    deviation = np.sqrt((weights * (middle - forecast.mean[0]) ** 2).sum())
    # What lies beyond one in ten thousand counts as at its border in the closed form.
    assert np.isclose(deviation, forecast.std[0], rtol=5e-3)


def test_log_score_is_the_derivative_of_the_distribution_function():
    forecast = mixture()
    at, step = np.array([0.01, -0.02, 0.0]), 1e-6
    slope = (forecast.cdf(at + step) - forecast.cdf(at - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(forecast.log_score(at)), slope, rtol=1e-5)


def test_variance_splits_in_two_and_intervals_hold_their_share():
    forecast = mixture()
    np.testing.assert_allclose(
        forecast.epistemic_std**2 + forecast.aleatoric_std**2, forecast.std**2
    )
    low, high = forecast.interval(0.8)
    np.testing.assert_allclose(forecast.cdf(high) - forecast.cdf(low), 0.8, atol=1e-6)
    assert np.array_equal(forecast.covers(0.5 * (low + high), 0.8), [True] * 3)
    assert np.array_equal(forecast.covers(high + 0.01, 0.8), [False] * 3)
    np.testing.assert_allclose(
        forecast.close_quantiles([0.5])[:, 0],
        forecast.last_close * np.exp(forecast.quantiles([0.5])[:, 0]),
    )
    np.testing.assert_allclose(forecast.probability_up, 1 - forecast.cdf(np.zeros(3)))


def test_one_series_alone_is_the_same_forecast():
    forecast = mixture()
    alone = forecast.of_series(1)
    assert alone.n_series == 1
    assert alone.mean[0] == forecast.mean[1]
    assert alone.interval()[0][0] == pytest.approx(forecast.interval()[0][1], abs=1e-8)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"levels must lie in \(0, 1\)"):
        mixture().quantiles([0.0])
    with pytest.raises(ValueError, match=r"probability must lie in \(0, 1\); received 1.0"):
        mixture().interval(1.0)
    with pytest.raises(ValueError, match="at least 2 draws; received 1"):
        crps_draws(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="at least 1 value"):
        pit_ks(np.array([]))
