"""The asymmetric Student-t against integrals and SciPy, the wick against SciPy's Burr."""

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from models.forecast.distributions import (
    EDGE_UNIFORM,
    NUMPY,
    WICK_ZERO,
    QuantileTable,
    SkewedT,
    TailShape,
    ZeroOrBurr,
)
from models.forecast.levels import LevelMap
from models.forecast.network import TENSORFLOW

SHAPES = [(5.0, 5.0, 0.5), (3.5, 12.0, 0.35), (40.0, 4.0, 0.6), (6.0, 4.5, 0.28)]
LEVELS = np.append(
    np.geomspace(EDGE_UNIFORM, 0.5, 1000), 1.0 - np.geomspace(EDGE_UNIFORM, 0.5, 999)
)


def bent(seed=0):
    """A level map that is far from doing nothing."""
    return LevelMap.fit(np.random.default_rng(seed).beta(1.3, 0.8, 5000))


def integrated(density, *edges):
    return sum(integrate.quad(density, *ends, limit=200)[0] for ends in pairwise(edges))


def test_without_skewness_the_density_and_distribution_are_scipys():
    ours = SkewedT(0.3, 2.0, TailShape(3.7, 3.7, 0.5))
    x = np.linspace(-20, 20, 41)
    theirs = stats.t(3.7, 0.3, 2.0)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x), rtol=1e-6)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x))
    np.testing.assert_allclose(ours.quantile(theirs.cdf(x)), x, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_mass_mean_and_distribution_by_integration(shape):
    location, scale = 0.4, 1.7
    made = SkewedT(location, scale, TailShape(*shape))
    mode = location - scale * made.shape.mean(NUMPY)

    def moment(order):
        def of(x):
            return (x - location) ** order * np.exp(made.log_density(NUMPY, x))

        return integrated(of, -np.inf, mode, np.inf)

    assert np.isclose(moment(0), 1.0, atol=1e-7)
    assert np.isclose(moment(1), 0.0, atol=1e-6)
    below = [
        integrated(lambda x: np.exp(made.log_density(NUMPY, x)), -np.inf, min(x, mode), x)
        for x in (-3.0, mode, 0.4, 5.0)
    ]
    np.testing.assert_allclose(made.cdf(np.array([-3.0, mode, 0.4, 5.0])), below, atol=1e-7)
    assert np.isclose(made.cdf(mode), shape[2])


@given(
    st.tuples(st.floats(2.5, 60.0), st.floats(2.5, 60.0), st.floats(0.27, 0.73)),
    st.lists(st.floats(1e-6, 1.0 - 1e-6), min_size=2, max_size=20, unique=True),
)
def test_quantiles_are_the_inverse_of_the_distribution_function_and_increase(shape, levels):
    made, levels = SkewedT(-1.0, 0.3, TailShape(*shape)), np.sort(levels)
    found = made.quantile(levels)
    np.testing.assert_allclose(made.cdf(found), levels, rtol=1e-6)
    assert (np.diff(found) >= 0).all()


def test_shapes_mirrored_give_mirrored_distributions():
    made, mirrored = SkewedT(0, 1, TailShape(3, 9, 0.4)), SkewedT(0, 1, TailShape(9, 3, 0.6))
    x = np.linspace(-8, 8, 33)
    np.testing.assert_allclose(made.cdf(x), 1.0 - mirrored.cdf(-x), atol=1e-12)
    np.testing.assert_allclose(
        made.log_density(NUMPY, x), mirrored.log_density(NUMPY, -x), rtol=1e-10
    )


def test_tensorflow_and_numpy_give_the_same_log_densities():
    x = np.linspace(-4, 4, 9)
    left, right, alpha = (np.linspace(*ends, 9) for ends in ((3, 30), (8, 2.6), (0.3, 0.7)))
    wick = np.array([0.0, 1e-7, 1e-5, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.5])

    def both(ops, given):
        shape = TailShape(given(left), given(right), given(alpha))
        skewed = SkewedT(given(0.1 * x), given(np.exp(0.1 * x)), shape)
        burr = ZeroOrBurr(given(x), given(0.01 * alpha), given(3 * alpha), given(left))
        return skewed.log_density(ops, given(x)), burr.log_density(ops, given(wick))

    ours = both(NUMPY, np.asarray)
    theirs = both(TENSORFLOW, lambda value: tf.constant(value, tf.float64))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-10)


@pytest.mark.parametrize(("correction", "error"), [(LevelMap.identity(), 1e-5), (bent(), 1e-3)])
def test_the_quantile_tables_of_several_shapes_are_as_exact_as_they_say(correction, error):
    table = QuantileTable(
        TailShape(*(np.array(column) for column in zip(*SHAPES, strict=True))), correction
    )
    for which, shape in enumerate(SHAPES):
        exact = TailShape(*shape).standard_quantile(correction.quantile(LEVELS))
        found = table(LEVELS, which)
        np.testing.assert_array_less(np.abs(found - exact), error * np.maximum(np.abs(exact), 1.0))
        assert (np.diff(table(np.sort(LEVELS), which)) >= 0).all()
    every = table(LEVELS[:, None], np.arange(len(SHAPES)))
    np.testing.assert_array_equal(every[:, 2], table(LEVELS, 2))
    mixed = table(LEVELS[:4], np.array([3, 0, 2, 1]))
    np.testing.assert_array_equal(mixed, every[np.arange(4), [3, 0, 2, 1]])


def test_a_table_of_one_shape_takes_numbers():
    table = QuantileTable(TailShape(3.0, 5.0, 0.5), LevelMap.identity())
    exact = TailShape(3.0, 5.0, 0.5).standard_quantile(LEVELS)
    np.testing.assert_allclose(table(LEVELS), exact, rtol=1e-5, atol=1e-5)


def test_burr_density_and_distribution_are_scipys_beside_the_zeros():
    ours = ZeroOrBurr(np.log(0.1 / 0.9), 0.004, 1.3, 4.0)
    x = np.geomspace(1e-5, 0.5, 41)
    theirs = stats.burr12(1.3, 4.0, scale=0.004)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x) + np.log(0.9))
    np.testing.assert_allclose(ours.cdf(x), 0.1 + 0.9 * theirs.cdf(x))
    assert np.isclose(ours.log_density(NUMPY, np.zeros(1))[0], np.log(0.1))
    np.testing.assert_allclose(ours.quantile(ours.cdf(x)), x, rtol=1e-6)
    assert ours.quantile(np.array([0.05])) == 0.0


@settings(max_examples=50)
@given(
    st.floats(-9.0, 9.0),
    st.floats(0.6, 3.5),
    st.floats(0.6, 8.0),
    st.booleans(),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_a_wicks_quantile_is_the_inverse_of_its_distribution_function(
    logit, a, q, corrected, levels
):
    levels = np.clip(levels, EDGE_UNIFORM, 1.0 - EDGE_UNIFORM)
    wick, maps = ZeroOrBurr(logit, 0.006, a, q), bent() if corrected else None
    found = wick.quantile(levels, maps)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    positive = found >= WICK_ZERO
    np.testing.assert_allclose(wick.cdf(found, maps)[positive], levels[positive], rtol=1e-6)
    zero = wick.cdf(np.zeros(1), maps)
    assert np.isclose(zero, 1.0 / (1.0 + np.exp(-logit)))
    assert (levels[found == 0] <= zero * (1.0 + 1e-9)).all()


def test_a_corrected_wick_has_the_mapped_share_below_a_value():
    maps, plain = bent(), ZeroOrBurr(-100.0, 0.01, 1.5, 3.0)
    x = np.geomspace(1e-4, 0.1, 20)
    np.testing.assert_allclose(plain.cdf(x, maps), maps.distribution(plain.cdf(x)), rtol=1e-9)
