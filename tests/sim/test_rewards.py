"""Rewards against their formulas by hand, against each other, and in the environment."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting import Rules
from sim.costs import ProportionalCost
from sim.experience import transitions
from sim.rewards import (
    BARS_PER_YEAR,
    ConstantRelativeRiskAversion,
    DifferentialSharpe,
    LogGrowth,
    MeanVariance,
    Shortfall,
    aversion_for,
)
from sim.rollout import rollout
from tests.sim.markets import tape_of

EVERY = [
    LogGrowth(),
    MeanVariance(8.0),
    ConstantRelativeRiskAversion(8.0),
    Shortfall(16.0, 0.001),
    DifferentialSharpe(0.05),
]
NAMED = pytest.mark.parametrize("reward", EVERY, ids=[type(each).__name__ for each in EVERY])
RULES = Rules(np.array([0.8]), 1e5, lot_size=0, costs=ProportionalCost(0.0005))


@pytest.mark.parametrize(
    ("reward", "want"),
    [
        (LogGrowth(), [np.log(1.1), 0.0, np.log(0.8)]),
        (MeanVariance(4.0), [0.1 - 2 * 0.01, 0.0, -0.2 - 2 * 0.04]),
        (MeanVariance(0.0), [0.1, 0.0, -0.2]),
        (ConstantRelativeRiskAversion(3.0), [(1 - 1.1**-2) / 2, 0.0, (1 - 0.8**-2) / 2]),
        (ConstantRelativeRiskAversion(0.0), [0.1, 0.0, -0.2]),
        (ConstantRelativeRiskAversion(1.0), [np.log(1.1), 0.0, np.log(0.8)]),
        (Shortfall(4.0), [0.1, 0.0, -0.2 - 2 * 0.04]),
        (Shortfall(4.0, 0.05), [0.1, -2 * 0.0025, -0.2 - 2 * 0.0625]),
        (Shortfall(4.0, -0.1), [0.1, 0.0, -0.2 - 2 * 0.01]),
    ],
)
def test_rewards_of_gains_by_hand(reward, want):
    """Of a gain of a tenth, of nothing, and of a loss of a fifth."""
    growth = np.log([1.1, 1.0, 0.8])
    found, state = reward.step(growth, reward.start(3))
    np.testing.assert_allclose(found, want, atol=1e-15)
    assert state.shape == (3, 0)
    assert reward.entries == 0


def test_the_differential_sharpe_ratio_one_bar_after_the_other():
    """Moody and Saffell's recursion, one number at a time."""
    reward = DifferentialSharpe(0.02, sharpe_ratio=1.0, volatility=0.2)
    growth = np.random.default_rng(0).normal(0.001, 0.02, 300)
    mean, variance = 1.0 * 0.2 / BARS_PER_YEAR, 0.04 / BARS_PER_YEAR
    a, b, state = mean, variance + mean**2, reward.start(1)
    for g in growth:
        gain = np.exp(g) - 1
        want = (b * (gain - a) - 0.5 * a * (gain**2 - b)) / (b - a**2) ** 1.5
        a, b = a + 0.02 * (gain - a), b + 0.02 * (gain**2 - b)
        worth, state = reward.step(np.array([g]), state)
        assert worth[0] == pytest.approx(want, rel=1e-9)
        np.testing.assert_allclose(state, [[a, b]], rtol=1e-9)


@given(st.floats(-0.1, 0.1), st.floats(0.1, 3.0), st.floats(0.02, 0.5))
def test_the_differential_sharpe_ratio_is_the_derivative_of_the_moving_one(
    growth, ratio, deviation
):
    """By the weight of the newest bar, at zero."""
    reward = DifferentialSharpe(1e-7, sharpe_ratio=ratio, volatility=deviation)
    before = reward.start(1)
    worth, after = reward.step(np.array([growth]), before)

    def sharpe(state):
        return state[0, 0] / np.sqrt(state[0, 1] - state[0, 0] ** 2)

    change = (sharpe(after) - sharpe(before)) / 1e-7
    # Its two terms may cancel, their errors do not.
    term = abs(np.expm1(growth) * reward.slope(before)[0])
    assert worth[0] == pytest.approx(change, rel=1e-3, abs=1e-3 * term + 1e-6)


def test_the_first_bars_sharpe_is_mean_variance_of_the_prior_moments():
    reward = DifferentialSharpe()
    state = reward.start(1)
    a, b = state[0]
    growth = np.linspace(-0.1, 0.1, 9)
    found = reward.step(growth, state)[0]
    twin = MeanVariance(a / b).of(growth) * b / (b - a**2) ** 1.5
    np.testing.assert_allclose(found - found[4], twin, rtol=1e-9, atol=1e-12)


def test_who_stood_aside_is_not_without_risk():
    """A thousand idle bars; the variance has a floor, so the next gain is worth a finite amount."""
    reward = DifferentialSharpe(0.05)
    state = reward.start(1)
    for _ in range(1000):
        _, state = reward.step(np.zeros(1), state)
    assert abs(reward.step(np.array([0.01]), state)[0][0]) < 10.0


def test_aversions_agree_to_second_order():
    growth = np.linspace(-0.002, 0.002, 11)
    power = ConstantRelativeRiskAversion(6.0).of(growth)
    np.testing.assert_allclose(MeanVariance(6.0).of(growth), power, atol=6e-8)
    np.testing.assert_allclose(MeanVariance(1.0).of(growth), growth, atol=3e-9)
    near = ConstantRelativeRiskAversion(1.0 + 1e-8).of(growth)
    np.testing.assert_allclose(near, growth, atol=1e-12)
    # Half of a symmetric spread falls short.
    both = Shortfall(12.0).of(growth) + Shortfall(12.0).of(growth[::-1])
    twice = MeanVariance(6.0).of(growth) + MeanVariance(6.0).of(growth[::-1])
    np.testing.assert_allclose(both, twice, atol=1e-7)


@NAMED
@given(
    growth=st.lists(st.floats(-3.0, 1.0), min_size=2, max_size=20),
)
def test_rewards_are_finite_and_states_keep_their_shape(reward, growth):
    state = reward.start(1)
    for g in growth:
        worth, state = reward.step(np.array([g]), state)
        assert np.isfinite(worth).all()
        assert state.shape == (1, reward.entries)
        assert np.isfinite(state).all()


@NAMED
def test_all_actions_at_once_are_one_after_the_other(reward):
    rng = np.random.default_rng(1)
    _, state = reward.step(rng.normal(0, 0.02, 50), reward.start(50))
    growth = rng.normal(0, 0.02, (50, 9))
    worth, after = reward.step(growth, state[:, None])
    for a in range(9):
        alone, left = reward.step(growth[:, a], state)
        np.testing.assert_array_equal(worth[:, a], alone)
        if reward.entries:
            np.testing.assert_array_equal(after[:, a], left)


@NAMED
def test_slopes_are_derivatives_at_no_growth(reward):
    _, state = reward.step(np.array([0.01, -0.02]), reward.start(2))
    up, down = (reward.step(np.full(2, g), state)[0] for g in (1e-6, -1e-6))
    slope = np.broadcast_to(reward.slope(state), 2)
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-4)


@NAMED
def test_tensorflow_takes_the_same_formulas(reward):
    import tensorflow as tf

    ops = SimpleNamespace(expm1=tf.math.expm1, maximum=tf.maximum, stack=tf.stack)
    growth = np.random.default_rng(2).normal(0, 0.02, (7, 5))
    state = reward.start(5)
    there = tf.constant(state)
    for bar in growth:
        slope = reward.slope(state)
        np.testing.assert_allclose(reward.slope(there, ops), slope, rtol=1e-12)
        worth, state = reward.step(bar, state)
        found, there = reward.step(tf.constant(bar), there, ops)
        np.testing.assert_allclose(found, worth, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(there, state, rtol=1e-12, atol=1e-15)


def noisy(b=4000, t=12, drift=0.0006, sigma=0.02):
    """Returns of known mean that falls over night and by day, seen the day before."""
    rng = np.random.default_rng(3)
    seen = rng.choice([-1.0, 1.0], (b, t + 1))
    noise = rng.normal(0.0, sigma, (b, t))
    returns = drift * seen[:, :-1] + noise
    missed = noise[..., None] * np.array([0.3, 0.7])
    return tape_of(returns, seen[..., None], gap_share=0.3, innovations=missed)


def moody(outlook, standing):
    """Depends on what is seen and on what is held."""
    return np.clip(0.6 * outlook.observation[..., 0] - 0.7 * standing.exposure, -1.0, 1.0)


@NAMED
def test_the_control_variate_leaves_the_mean_of_every_reward(reward):
    """Four standard errors, and the noise is mostly gone."""
    done = rollout(moody, noisy(), RULES, reward)
    taken = (done.reward - done.controlled).sum(axis=1)
    assert abs(taken.mean()) < 4 * taken.std() / np.sqrt(len(taken))
    assert done.controlled.std() < 0.3 * done.reward.std()
    # Against a mean that nobody simulated: first and second moments of a fresh draw.
    np.testing.assert_allclose(
        done.controlled.mean(),
        done.reward.mean(),
        atol=4 * done.reward.std() / done.reward.size**0.5,
    )


@NAMED
def test_a_rollout_earns_the_rewards_of_its_growth(reward):
    done = rollout(moody, noisy(b=50), RULES, reward)
    state = reward.start(50)
    for t in range(12):
        worth, state = reward.step(done.growth[:, t], state)
        np.testing.assert_array_equal(done.reward[:, t], worth)
    np.testing.assert_allclose(done.growth, rollout(moody, noisy(b=50), RULES).reward)


@NAMED
def test_experience_is_of_the_reward(reward):
    """Of every action; known innovations change no mean over some thousand accounts."""
    paths, actions = noisy(b=2000), (-1.0, 0.0, 0.5, 1.0)

    def learned(tape, reward=None):
        return transitions(tape, RULES, actions, np.random.default_rng(0), reward)

    blind = replace(paths, innovations=None)
    plain = learned(blind, reward)
    growth = learned(blind).reward.astype(float)
    want, _ = reward.step(growth, reward.start(1))
    np.testing.assert_allclose(plain.reward, want, rtol=1e-4, atol=1e-7)
    taken = plain.reward.astype(float) - learned(paths, reward).reward
    errors = taken.std(axis=0) / np.sqrt(len(taken))
    assert (np.abs(taken.mean(axis=0)) < 4 * errors).all()


def test_an_aversion_gives_its_investor_the_volatility_asked_for():
    """The best weight under mean-variance, found by search, of a premium of half a deviation."""
    sigma, ratio = 0.25, 0.4
    aversion = aversion_for(0.06, ratio)
    weights = np.linspace(0.0, 1.0, 100_001)
    best = weights[np.argmax(weights * ratio * sigma - 0.5 * aversion * (weights * sigma) ** 2)]
    assert best * sigma == pytest.approx(0.06, abs=1e-5)
    assert aversion_for(0.0625) == 8.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MeanVariance(-1.0), r"aversion must be finite and >= 0; received -1.0"),
        (lambda: MeanVariance(np.nan), "aversion"),
        (lambda: ConstantRelativeRiskAversion(np.inf), "aversion"),
        (lambda: Shortfall(-1.0), "aversion"),
        (lambda: Shortfall(1.0, 1.0), r"threshold must be finite and in \(-1, 1\)"),
        (lambda: DifferentialSharpe(0.0), r"eta must be finite and in \(0, 1\); received 0.0"),
        (lambda: DifferentialSharpe(sharpe_ratio=0.0), "sharpe_ratio"),
        (lambda: DifferentialSharpe(volatility=-1.0), "volatility"),
        (lambda: aversion_for(0.0), "target_volatility must be finite and > 0; received 0.0"),
        (lambda: aversion_for(0.1, 0.0), "sharpe_ratio"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
