"""Rewards without luck: the same on average, nearly without noise."""

import numpy as np

from sim.accounting import Account, Rules, all_action_outcomes
from sim.costs import ProportionalCost

RULES = Rules(np.array([0.5]), buffer=0.0, band=0.0, lot_size=0, costs=ProportionalCost(0.001))
ACTIONS = (-1.0, 0.0, 1.0)


def outcomes(n=200_000, sigma=0.02, drift=0.001, seed=3):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, sigma, (n, 2))
    close = np.full(n, 50.0)
    opened = close * np.exp(drift + noise[:, 0])
    then = opened * np.exp(drift + noise[:, 1])
    account = Account.holding(np.full((n, 1), 0.3), close[:, None], 1e5)
    at = (account, ACTIONS, close, opened, then, RULES, 1e5)
    return all_action_outcomes(*at), all_action_outcomes(*at, surprises=noise)


def test_the_mean_of_every_action_stays():
    plain, without_luck = outcomes()
    difference = plain.reward - without_luck.reward
    error = difference.std(axis=0) / np.sqrt(len(difference))
    assert (np.abs(difference.mean(axis=0)) < 4 * error).all()


def test_little_noise_remains():
    plain, without_luck = outcomes()
    assert (without_luck.reward.std(axis=0) < 0.1 * plain.reward.std(axis=0)).all()
    # What remains of a known market is what the drift earns less the cost of the change.
    holding = 0.3 * 0.001 + 0.5 * 0.001 - 0.2 * 0.001
    variance = 0.5 * 0.02**2 * (0.3 * 0.7 + 0.5 * 0.5)
    np.testing.assert_allclose(without_luck.reward[:, 2].mean(), holding + variance, atol=2e-6)


def test_positions_and_ruin_are_those_that_happened():
    plain, without_luck = outcomes(n=100)
    np.testing.assert_array_equal(plain.weight, without_luck.weight)
    np.testing.assert_array_equal(plain.ruined, without_luck.ruined)
