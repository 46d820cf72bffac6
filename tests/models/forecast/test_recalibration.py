"""The moving correction against integrals, a slow twin and Monte Carlo."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from models.forecast.distributions import MIN_UNIFORM, NUMPY, SkewedT, TailShape
from models.forecast.levels import LevelMap
from models.forecast.recalibration import (
    HALF_LIFE,
    MAX_SUM,
    PRIOR_BARS,
    CorrectedT,
    Memory,
    density,
    distribution,
    moments,
    quantile,
)

PEAKS = np.sqrt([3.0, 5.0])
GRID = np.linspace(0.0, 1.0, 2001)

allowed = st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)).map(
    lambda c: MAX_SUM * np.array(c) / PEAKS / max(1.0, np.abs(c).sum())
)
"""Coefficients that a memory may give."""


def bent(seed=0):
    return LevelMap.fit(np.random.default_rng(seed).beta(1.3, 0.8, 5000))


# --- the density on levels


@given(allowed)
def test_the_density_is_positive_and_its_integral_is_the_distribution(coefficients):
    g = density(GRID, coefficients)
    assert g.min() > 1.0 - MAX_SUM - 1e-9
    steps = 0.5 * (g[1:] + g[:-1]) * np.diff(GRID)
    np.testing.assert_allclose(
        np.append(0.0, np.cumsum(steps)), distribution(GRID, coefficients), atol=1e-6
    )
    assert distribution(np.ones(1), coefficients)[0] == 1.0


@given(allowed)
def test_the_quantile_is_the_inverse_of_the_distribution(coefficients):
    back = quantile(distribution(GRID, coefficients), coefficients)
    np.testing.assert_allclose(back, GRID, atol=1e-9)


def test_terms_are_orthonormal_so_that_coefficients_are_their_means():
    rng = np.random.default_rng(0)
    coefficients = np.array([0.2, -0.15])
    levels = quantile(rng.random(200_000), coefficients)
    f1 = PEAKS[0] * (2.0 * levels - 1.0)
    f2 = PEAKS[1] * (6.0 * levels**2 - 6.0 * levels + 1.0)
    np.testing.assert_allclose([f1.mean(), f2.mean()], coefficients, atol=4 / np.sqrt(200_000))


# --- memory


def pushed(pits):
    """A memory that took in PITs one by one, and its sums by their definition."""
    memory = Memory.blank(1)
    for pit in pits:
        memory.push(pit[None])
    weight = 0.5 ** (np.arange(len(pits))[::-1] / HALF_LIFE)
    f1 = PEAKS[0] * (2.0 * pits - 1.0)
    f2 = PEAKS[1] * (6.0 * pits**2 - 6.0 * pits + 1.0)
    sums = np.stack([(weight[:, None] * f).sum(axis=0) for f in (f1, f2)], axis=-1)
    return memory, sums, weight.sum()


def test_a_memory_after_many_outcomes_is_that_of_pushing_them_one_by_one():
    pits = np.random.default_rng(1).random((40, 2))
    every = Memory.after(pits)
    assert len(every) == 41
    for seen in (0, 1, 7, 40):
        memory, sums, count = pushed(pits[:seen])
        np.testing.assert_allclose(every.sums[seen], memory.sums[0], atol=1e-12)
        np.testing.assert_allclose(every.count[seen], memory.count[0], atol=1e-12)
        np.testing.assert_allclose(memory.sums[0], sums, atol=1e-12)
        assert np.isclose(memory.count[0], count)
        shrunk = sums / (count + PRIOR_BARS)
        np.testing.assert_allclose(memory.coefficients(shift=True)[0], shrunk, atol=1e-12)


def test_a_blank_memory_corrects_nothing():
    none = Memory.blank(3).coefficients(shift=True)
    assert not none.any()
    assert len(Memory.after(np.empty((0, 2)))) == 1
    np.testing.assert_array_equal(distribution(GRID, none[0, 0]), GRID)
    np.testing.assert_array_equal(quantile(GRID, none[0, 1]), GRID)
    np.testing.assert_array_equal(density(GRID, none[0, 1]), 1.0)


def test_a_memory_of_nothing_but_extremes_stays_within_the_rail():
    memory = Memory.blank(1)
    for _ in range(2000):
        memory.push(np.array([[1.0, 0.5]]))
    raw = memory.sums / (memory.count[0] + PRIOR_BARS)
    most = (np.abs(raw[0]) * PEAKS).sum(axis=-1)
    assert most[0] > MAX_SUM
    found = memory.coefficients(shift=True)[0]
    assert np.isclose((np.abs(found[0]) * PEAKS).sum(), MAX_SUM)
    # Shrunk together: their ratio stays.
    assert np.isclose(found[0, 0] / found[0, 1], raw[0, 0, 0] / raw[0, 0, 1])
    assert density(GRID, found[0]).min() >= 1.0 - MAX_SUM
    assert density(GRID, found[1]).min() > 0.0


def test_outcomes_too_high_move_the_forecast_up_and_outcomes_far_out_widen_it():
    rng = np.random.default_rng(2)
    high, far = np.sqrt(rng.random(300)), stats.norm.cdf(1.5 * rng.normal(size=300))
    found = (
        Memory.after(np.column_stack([high, far]))
        .take(slice(300, None))
        .coefficients(shift=True)[0]
    )
    assert found[0, 0] > 0.1
    assert found[1, 1] > 0.1
    assert quantile(np.array(0.5), found[0]) > 0.55
    low, top = quantile(np.array([0.1, 0.9]), found[1])
    assert low < 0.09
    assert top > 0.91


def test_without_the_shift_only_the_width_is_corrected():
    every = Memory.after(np.random.default_rng(3).beta(2.0, 0.7, (50, 2)))
    whole, width = (every.coefficients(shift=shift) for shift in (True, False))
    assert not width[..., 0].any()
    plain = (np.abs(whole) * PEAKS).sum(axis=-1) < 0.99 * MAX_SUM  # nothing was shrunk
    np.testing.assert_array_equal(width[plain][:, 1], whole[plain][:, 1])
    assert (np.abs(width[..., 1]) >= np.abs(whole[..., 1])).all()


def test_chosen_memories_are_independent_of_where_they_came_from():
    pits = np.random.default_rng(3).random((10, 2))
    every = Memory.after(pits)
    kept = every.sums.copy()
    chosen = every.take(np.array([4, 4, 9]))
    chosen.push(np.ones((3, 2)))
    np.testing.assert_array_equal(every.sums, kept)
    np.testing.assert_array_equal(chosen.sums[0], chosen.sums[1])


# --- corrected distributions

SHAPES = TailShape(np.array([8.0, 30.0]), np.array([20.0, 6.0]), np.array([0.4, 0.55]))
COEFFICIENTS = np.array([[0.15, -0.1], [-0.3, 0.1]])


def corrected(levels):
    base = SkewedT(np.array([0.001, -0.2]), np.array([0.01, 1.5]), SHAPES)
    return CorrectedT(base, levels, COEFFICIENTS, moments(SHAPES, levels))


@pytest.mark.parametrize("levels", [LevelMap.identity(), bent()])
def test_density_distribution_quantile_mean_and_variance_agree(levels):
    made = corrected(levels)
    for i in range(2):
        one = made.take(slice(i, i + 1))
        u = np.unique(
            np.concatenate(
                [
                    MIN_UNIFORM * np.logspace(-4, 0, 200),
                    special.expit(np.linspace(-9.21, 9.21, 20_001)),
                    1.0 - MIN_UNIFORM * np.logspace(-4, 0, 200),
                ]
            )
        )
        x = one.quantile(u)
        np.testing.assert_allclose(one.cdf(x), u, rtol=1e-6)
        slope = np.exp(one.log_density(x))
        mass = np.append(0.0, np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(x)))
        np.testing.assert_allclose(mass, u - u[0], atol=2e-4)
        middle, weight = 0.5 * (x[1:] + x[:-1]), np.diff(u)
        mean = (middle * weight).sum()
        scale = made.base.scale[i]
        # What lies beyond `MIN_UNIFORM` counts as at its border in `mean` and `variance`.
        assert np.isclose(one.mean[0], mean, atol=2e-3 * scale)
        variance = ((middle - mean) ** 2 * weight).sum()
        assert np.isclose(one.variance[0], variance, rtol=2e-2)


def test_moments_are_those_of_draws():
    levels = bent()
    found = moments(SHAPES, levels)
    assert found.shape == (2, 2, 3)
    u = (np.arange(400_000) + 0.5) / 400_000
    held = np.clip(u, MIN_UNIFORM, 1.0 - MIN_UNIFORM)
    terms = [np.ones(len(u)), PEAKS[0] * (2 * u - 1), PEAKS[1] * (6 * u**2 - 6 * u + 1)]
    for i in range(2):
        shape = TailShape(*(float(x[i]) for x in (SHAPES.left, SHAPES.right, SHAPES.alpha)))
        z = shape.standard_quantile(levels.quantile(held))
        for order in (1, 2):
            sums = [(z**order * term).mean() for term in terms]
            np.testing.assert_allclose(found[i, order - 1], sums, atol=6e-5)


def test_mean_and_variance_are_those_of_many_draws():
    made = corrected(bent())
    u = np.random.default_rng(4).random((400_000, 1))
    drawn = made.quantile(np.clip(u, MIN_UNIFORM, 1.0 - MIN_UNIFORM))
    error = drawn.std(axis=0) / np.sqrt(len(u))
    assert (np.abs(drawn.mean(axis=0) - made.mean) < 4 * error).all()
    np.testing.assert_allclose(drawn.var(axis=0), made.variance, rtol=0.03)


def test_without_corrections_it_is_the_plain_distribution():
    plain = dataclasses.replace(corrected(LevelMap.identity()), coefficients=np.zeros((2, 2)))
    x = np.array([0.004, -1.0])
    np.testing.assert_allclose(plain.cdf(x), plain.base.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(plain.log_density(x), plain.base.log_density(NUMPY, x), rtol=1e-9)
    missed = (plain.mean - plain.base.location) / plain.base.scale
    assert np.abs(missed).max() < 1e-3
    # Light tails lose less than half a percent of their variance beyond `MIN_UNIFORM`.
    for i, (left, right, alpha) in enumerate(((8.0, 20.0, 0.4), (30.0, 6.0, 0.55))):
        one = SkewedT(plain.base.location[i], plain.base.scale[i], TailShape(left, right, alpha))
        grid = one.location + one.scale * np.linspace(-60.0, 60.0, 200_001)
        square = (grid - one.location) ** 2 * np.exp(one.log_density(NUMPY, grid))
        exact = square.sum() * (grid[1] - grid[0])
        assert 0.985 * exact < plain.variance[i] < exact


def test_several_values_of_each_are_those_one_by_one():
    made, levels = corrected(bent()), np.array([0.05, 0.3, 0.95])
    wide = made.spread().quantile(levels)
    assert wide.shape == (2, 3)
    for i in range(2):
        for q, level in enumerate(levels):
            one = made.take(np.array([i])).quantile(level)
            np.testing.assert_allclose(wide[i, q], one[0], rtol=1e-9)


def test_the_mean_shifts_with_the_first_coefficient_and_the_variance_with_the_second():
    def moved(c1, c2):
        return dataclasses.replace(
            corrected(LevelMap.identity()), coefficients=np.tile([c1, c2], (2, 1))
        )

    assert (moved(0.1, 0.0).mean > moved(0.0, 0.0).mean).all()
    assert (moved(0.0, 0.1).variance > moved(0.0, 0.0).variance).all()


def test_a_distribution_integrates_to_one_by_quadrature():
    made = corrected(LevelMap.identity()).take(slice(1, 2))
    whole, _ = integrate.quad(
        lambda x: np.exp(made.log_density(np.array([x])))[0], -60, 60, limit=300
    )
    assert np.isclose(whole, 1.0, atol=1e-5)


def test_without_a_shift_only_the_width_is_corrected():
    memory = Memory.after(np.random.default_rng(3).beta(1.3, 1.6, (200, 2))).take(slice(200, None))
    both, width = memory.coefficients(shift=True), memory.coefficients(shift=False)
    assert (np.abs(both[..., 0]) > 0.02).all()
    np.testing.assert_array_equal(width[..., 0], 0.0)
    np.testing.assert_allclose(width[..., 1], both[..., 1])
