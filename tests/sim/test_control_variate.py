"""Rewards less their control variate: the same mean, and far less noise."""

import numpy as np
import pytest

from models.agent.observation import Observer
from sim.accounting import Account, Rules, control_variate, step
from sim.costs import ZeroCost
from sim.experience import transitions
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths
from sim.rollout import constant, rollout
from tests.sim.forecasting import TABLES, small_forecaster
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([1.0]), 1e5, buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
DRIFT, SIGMA, GAP = 0.0005, 0.01, 0.3


def expected_tape(b=300, t=40, seed=0):
    """Returns of known mean, and by how much each gap and intraday return missed it."""
    returns = np.random.default_rng(seed).normal(DRIFT, SIGMA, (b, t))
    tape = tape_of(returns, gap_share=GAP)
    missed = (returns - DRIFT)[..., None] * np.array([GAP, 1 - GAP])
    rest = (tape.bars, tape.observations, tape.series, tape.start_row)
    return Paths(*rest, missed[:, None])


@pytest.mark.parametrize(
    ("holdings", "cash", "opened", "want"),
    [
        (50.0, 500.0, 10.0, 0.5 * 0.02 + 1.0 * -0.03),  # half over night, all by day
        (50.0, 500.0, 12.0, 0.5 * 0.02 + 1200 / 1100 * -0.03),  # sized at 10, filled at 12
        (-50.0, 1500.0, 10.0, -0.5 * 0.02 + 1.0 * -0.03),  # from short to long
        (-300.0, 4000.0, 14.0, 0.0),  # the gap alone took more than there was
    ],
)
def test_control_variate_by_hand(holdings, cash, opened, want):
    """1,000 $ at a price of 10, all in from the open: innovations of 2 % and -3 %."""
    account = Account(np.array([cash]), np.array([[holdings]]), np.array([1000.0]))
    closes, opens = np.array([[10.0]]), np.array([[opened]])
    done = step(account, np.array([[1.0]]), closes, opens, opens, RULES)
    got = control_variate(account, done, closes, opens, np.array([[[0.02, -0.03]]]))
    np.testing.assert_allclose(got, [want], rtol=1e-9)


@pytest.mark.parametrize("exposure", [1.0, -0.5])
def test_control_variate_is_the_noise_of_growth_to_first_order(exposure):
    """Without costs: regressing growth on it gives 1, and what is left is of second order."""
    done = rollout(constant(exposure), expected_tape(), RULES)
    known = (done.reward - done.controlled)[:, 1:]
    slope = np.cov(done.reward[:, 1:].ravel(), known.ravel())
    assert slope[0, 1] / slope[1, 1] == pytest.approx(1.0, abs=0.02)
    assert known.std() == pytest.approx(abs(exposure) * SIGMA, rel=0.03)


def test_controlled_rewards_keep_their_mean_and_lose_their_noise():
    done = rollout(constant(1.0), expected_tape(), RULES)
    taken = done.reward - done.controlled
    assert abs(taken.mean()) < 4 * taken.std() / np.sqrt(taken.size)
    assert done.controlled.std() < 0.1 * done.reward.std()
    assert done.controlled[:, 1:].mean() == pytest.approx(DRIFT, rel=0.1)


def test_transitions_come_controlled():
    paths = expected_tape(b=50)
    found = transitions(paths, RULES, (-1.0, 0.0, 1.0), np.random.default_rng(0))
    always_long = found.account[:, 0] > 0.9
    long = found.reward[always_long, 2]
    assert long.std() < 0.1 * SIGMA
    assert long.mean() == pytest.approx(DRIFT, rel=0.2)


def test_without_innovations_nothing_is_taken_out():
    done = rollout(constant(1.0), random_tape(), RULES)
    np.testing.assert_array_equal(done.reward, done.controlled)


@pytest.mark.parametrize("blend", [0.0, 1.0])
def test_innovations_of_simulated_bars_have_mean_zero_and_follow_the_bars(blend):
    sampler = ForecasterSampler(Observer(small_forecaster()), TABLES, blend=blend)
    paths = sampler.sample(300, 20, np.random.default_rng(0))
    missed = paths.innovations
    total = missed.sum(axis=(2, 3))  # the symbols of a market may miss together
    assert (abs(total.mean(axis=0)) < 4 * total.std(axis=0) / np.sqrt(len(total))).all()
    gaps = np.log(paths.bars[:, :, 1:, 0] / paths.bars[:, :, :-1, 3])
    assert np.corrcoef(gaps.ravel(), missed[..., 0].ravel())[0, 1] > 0.95


def test_innovations_travel_with_their_paths():
    paths = expected_tape(b=4)
    assert paths.innovations is not None
    np.testing.assert_array_equal(paths.take([2]).innovations, paths.innovations[[2]])
    rest = (paths.bars, paths.observations, paths.series, paths.start_row)
    with pytest.raises(ValueError, match="innovations must have shape"):
        Paths(*rest, paths.innovations[:, :, 1:])
    with pytest.raises(ValueError, match="innovations must be finite"):
        Paths(*rest, paths.innovations * np.nan)
