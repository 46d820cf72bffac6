from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from models.forecast.density import (
    MIN_UNIFORM,
    NUMPY,
    OUTPUTS,
    SHAPES,
    Chain,
    QuantileTable,
    StudentT,
    ZeroOrBurr,
    quantile_tables,
)
from models.market.features import bars_from_parts


def shapes(seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    return {name: np.array(v) + spread * rng.normal(size=len(v)) for name, v in SHAPES.items()}


def chain(outputs=None, count=1, volatility=0.015, seed=0):
    outputs = np.zeros((count, len(OUTPUTS))) if outputs is None else outputs
    return Chain(NUMPY, outputs, np.full(len(outputs), volatility), shapes(seed))


def test_student_t_density_and_distribution_are_scipys():
    ours = StudentT(0.3, 2.0, 3.7)
    x = np.linspace(-20, 20, 41)
    theirs = stats.t(3.7, 0.3, 2.0)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x), rtol=1e-6)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x))


def test_burr_density_and_distribution_are_scipys_beside_the_zeros():
    ours = ZeroOrBurr(np.log(0.1 / 0.9), 0.004, 1.3, 4.0)
    x = np.geomspace(1e-5, 0.5, 41)
    theirs = stats.burr12(1.3, 4.0, scale=0.004)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x) + np.log(0.9))
    np.testing.assert_allclose(ours.cdf(x), 0.1 + 0.9 * theirs.cdf(x))
    assert np.isclose(ours.log_density(NUMPY, np.zeros(1))[0], np.log(0.1))
    np.testing.assert_allclose(ours.quantile(ours.cdf(x)), x, rtol=1e-6)
    assert ours.quantile(np.array([0.05])) == 0.0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_every_conditional_density_integrates_to_one(seed):
    rng = np.random.default_rng(seed)
    made = chain(rng.normal(size=(1, len(OUTPUTS))), seed=seed)
    gap, intraday, volume, upper = rng.normal(size=(4, 1)) * 0.02
    parts = [made.gap(), made.intraday(gap), made.volume(intraday)]
    for part in parts:

        def density(x, part=part):
            return np.exp(part.log_density(NUMPY, part.location + part.scale * x))[0]

        total = part.scale[0] * integrate.quad(density, -np.inf, np.inf)[0]
        assert np.isclose(total, 1.0, rtol=1e-5)
    for wick in (made.upper(volume), made.lower(np.abs(upper))):

        def of_log(x, wick=wick):
            size = wick.scale * np.exp(x)
            return np.exp(wick.log_density(NUMPY, size) + np.log(size))[0]

        zero = np.exp(wick.log_density(NUMPY, np.zeros(1)))[0]
        edges = [np.log(1.0001e-6 / wick.scale[0]), 0.0, 15.0]
        total = sum(integrate.quad(of_log, a, b, limit=200)[0] for a, b in pairwise(edges))
        # What lies between 0 and a hundredth of a basis point is counted as zero.
        assert 0.995 < zero + total < 1.0001


def test_samples_follow_the_density():
    """The conditional distribution functions of samples are uniform and independent."""
    count = 20_000
    rng = np.random.default_rng(5)
    outputs = 0.5 * rng.normal(size=(count, len(OUTPUTS)))
    parts = chain(outputs).sample(rng.random((count, 5)), quantile_tables(shapes()))
    pit = chain(outputs).pit(parts)
    for column in (0, 1, 4):
        assert stats.kstest(pit[:, column], "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(pit.T) - np.eye(5)).max() < 4 / np.sqrt(count)


def test_wicks_above_zero_are_uniform_after_their_distribution_function():
    count = 20_000
    rng = np.random.default_rng(6)
    parts = chain(count=count).sample(rng.random((count, 5)), quantile_tables(shapes()))
    made = chain(count=count)
    made.gap()
    made.intraday(parts[:, 0])
    made.volume(parts[:, 1])
    for wick, values in (
        (made.upper(parts[:, 4]), parts[:, 2]),
        (made.lower(parts[:, 2]), parts[:, 3]),
    ):
        zero = 1.0 / (1.0 + np.exp(-wick.logit))
        assert abs((values == 0).mean() - zero.mean()) < 4 * np.sqrt(zero.mean() / count)
        above = values > 0
        pit = (wick.cdf(values)[above] - zero[above]) / (1.0 - zero[above])
        assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_large_returns_bring_large_ranges_and_volumes_when_the_coupling_says_so():
    coupled = {name: np.array(v) for name, v in SHAPES.items()}
    coupled["volume_location_on"] = np.array([0.0, 0.0, 0.5, 0.0])
    coupled["upper_scale_on"] = np.array([0.0, 0.0, 0.5, 0.0, 0.0])
    outputs = np.zeros((5000, len(OUTPUTS)))
    made = Chain(NUMPY, outputs, np.full(5000, 0.01), coupled)
    parts = made.sample(np.random.default_rng(0).random((5000, 5)), quantile_tables(coupled))
    size = np.abs(parts[:, 1])
    assert stats.spearmanr(size, parts[:, 4]).statistic > 0.2
    assert stats.spearmanr(size, parts[:, 2]).statistic > 0.1


def test_extreme_uniforms_still_give_valid_bars():
    corners = np.array(np.meshgrid(*[[0.0, 0.5, 1.0]] * 5)).reshape(5, -1).T
    parts = chain(count=len(corners)).sample(corners, quantile_tables(shapes()))
    bars = bars_from_parts(np.full(len(corners), 10.0), np.full(len(corners), 12.0), parts)
    assert np.isfinite(bars).all()
    assert (bars[:, 2] <= bars[:, [0, 3]].min(axis=1)).all()
    assert (bars[:, 1] >= bars[:, [0, 3]].max(axis=1)).all()


def test_mirrored_uniforms_give_mirrored_gaps():
    uniforms = np.random.default_rng(0).random((100, 5))
    tables = quantile_tables(shapes())
    there = chain(count=100).sample(uniforms, tables)[:, 0]
    back = chain(count=100).sample(1.0 - uniforms, tables)[:, 0]
    np.testing.assert_allclose(there, -back, atol=1e-12)


@pytest.mark.parametrize("df", [2.6, 5.0, 40.0])
def test_the_quantile_table_is_exact_to_five_digits(df):
    levels = np.append(
        np.geomspace(MIN_UNIFORM, 0.5, 1000), 1 - np.geomspace(MIN_UNIFORM, 0.5, 999)
    )
    exact = stats.t(df).ppf(levels)
    np.testing.assert_allclose(QuantileTable(df)(levels), exact, rtol=1e-5, atol=1e-7)
