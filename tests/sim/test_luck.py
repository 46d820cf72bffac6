"""Rewards without luck: the same mean, and far less noise."""

import numpy as np
import pytest

from models.agent.observation import Observer
from sim.accounting import Account, Rules, luck, step
from sim.costs import ZeroCost
from sim.experience import transitions
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, join
from sim.rollout import constant, rollout
from tests.sim.forecasting import TABLES, small_forecaster
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([1.0]), buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
DRIFT, SIGMA, GAP = 0.0005, 0.01, 0.3


def expected_tape(b=300, t=40, seed=0):
    """Returns of known mean, and by how much each gap and intraday return missed it."""
    returns = np.random.default_rng(seed).normal(DRIFT, SIGMA, (b, t))
    tape = tape_of(returns, gap_share=GAP)
    missed = (returns - DRIFT)[..., None] * np.array([GAP, 1 - GAP])
    return Paths(tape.bars, tape.observations, tape.series, tape.start_row, missed)


def test_luck_by_hand():
    """Half the equity held over night, then all of it: 0.5 · 2 % + 1 · (-1 %)."""
    account = Account(np.array([500.0]), np.array([[50.0]]), np.array([1000.0]))
    closes, opens = np.array([[10.0]]), np.array([[10.0]])
    done = step(account, np.array([[1.0]]), closes, opens, opens, RULES)
    assert luck(account, done, closes, opens, np.array([[0.02, -0.01]])) == pytest.approx(0.0)


def test_rewards_without_luck_keep_their_mean_and_lose_their_noise():
    done = rollout(constant(1.0), expected_tape(), RULES)
    taken = done.reward - done.earned
    assert abs(taken.mean()) < 4 * taken.std() / np.sqrt(taken.size)
    assert done.earned.std() < 0.1 * done.reward.std()
    assert done.earned[:, 1:].mean() == pytest.approx(DRIFT, rel=0.1)


def test_transitions_come_without_luck():
    paths = expected_tape(b=50)
    found = transitions(paths, RULES, (-1.0, 0.0, 1.0), np.random.default_rng(0))
    always_long = found.account[:, 0] > 0.9
    long = found.reward[always_long, 2]
    assert long.std() < 0.1 * SIGMA
    assert long.mean() == pytest.approx(DRIFT, rel=0.2)


def test_without_expectations_nothing_is_taken_out():
    done = rollout(constant(1.0), random_tape(), RULES)
    np.testing.assert_array_equal(done.reward, done.earned)


@pytest.mark.parametrize("blend", [0.0, 1.0])
def test_surprises_of_simulated_bars_have_mean_zero_and_follow_the_bars(blend):
    sampler = ForecasterSampler(Observer(small_forecaster()), TABLES, blend=blend)
    paths = sampler.sample(300, 20, np.random.default_rng(0))
    missed = paths.surprises_or_zero()
    total = missed.sum(axis=(1, 2))
    assert abs(total.mean()) < 4 * total.std() / np.sqrt(len(total))
    gaps = np.log(paths.bars[:, 1:, 0] / paths.bars[:, :-1, 3])
    assert np.corrcoef(gaps.ravel(), missed[..., 0].ravel())[0, 1] > 0.95


def test_surprises_travel_with_their_paths():
    paths = expected_tape(b=4)
    assert paths.surprises is not None
    np.testing.assert_array_equal(paths.take([2]).surprises, paths.surprises[[2]])
    both = join([paths, random_tape(b=2, t=40, d=1)])
    np.testing.assert_array_equal(both.surprises_or_zero()[4:], 0.0)
    with pytest.raises(ValueError, match="surprises must have shape"):
        Paths(paths.bars, paths.observations, paths.series, paths.start_row, paths.surprises[:, 1:])
