import numpy as np
import pytest

from models.agent.replay import Transitions
from models.market.history import CLOSE, OPEN
from sim.accounting import Rules
from sim.costs import InteractiveBrokersCost
from sim.experience import transitions
from sim.market_env import MarketVectorEnv
from sim.rollout import constant, rollout
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([0.6]), costs=InteractiveBrokersCost())


def test_a_rollout_is_an_episode_of_the_environment():
    paths = random_tape(b=40, t=20)
    choices = np.random.default_rng(0).integers(3, size=(20, 40))
    moves = iter(choices)
    done = rollout(lambda o, a: np.array([-1.0, 0.0, 1.0])[next(moves)], paths, RULES)
    envs = MarketVectorEnv(paths, RULES, 40)
    envs.reset(options={"path": np.arange(40), "row": 0})
    for t in range(20):
        _, reward, *_ = envs.step(choices[t])
        np.testing.assert_array_equal(done.reward[:, t], reward)


def test_buy_and_hold_trades_once_and_flat_never():
    paths = random_tape(b=3, t=20, volatility=0.002)  # too calm to drift over the cap
    held = rollout(constant(1.0), paths, Rules(np.array([0.6]), band=1.0))
    assert (held.traded[:, 0] > 0.9).all()
    assert (held.traded[:, 1:] == 0).all()
    flat = rollout(constant(0.0), paths, RULES)
    assert flat.mean_reward == flat.turnover == 0.0
    np.testing.assert_allclose(flat.equity, 100_000.0)
    np.testing.assert_allclose(held.equity, 1e5 * np.exp(held.reward.sum(axis=1)))


def test_ruin_ends_a_path_and_spares_the_others():
    paths = tape_of([[0.9, 0.9, 0.1], [0.0, 0.0, 0.0]])
    done = rollout(constant(-1.0), paths, Rules(np.array([0.95]), ruin=0.5))
    assert done.reward[0, 0] < np.log(0.5)
    assert (done.reward[0, 1:] == 0).all()
    assert (done.exposure[0] == 0).all()
    assert done.exposure[1, -1] == pytest.approx(-0.97, abs=0.01)


def test_transitions_pair_each_row_with_the_next_and_know_every_reward():
    paths = random_tape(b=6, t=10, d=2)
    rules = Rules(np.array([1.0]), buffer=0.0, band=0.0, lot_size=0)
    found = transitions(paths, rules, (-1.0, 0.0, 1.0), np.random.default_rng(0))
    assert isinstance(found, Transitions)
    assert len(found) == 60
    np.testing.assert_array_equal(found.observation[10:20], paths.observations[1, :-1])
    np.testing.assert_array_equal(found.next_observation[10:20], paths.observations[1, 1:])
    flat = np.abs(found.account[:, 0]) < 1e-6
    assert 10 < flat.sum() < 30
    day = paths.bars[:, 1:, CLOSE] / paths.bars[:, 1:, OPEN]
    gap = paths.bars[:, 1:, OPEN] / paths.bars[:, :-1, CLOSE]
    gain = (gap * (day - 1)).ravel()[flat]  # a long of 100,000 $ at the last close
    np.testing.assert_allclose(np.expm1(found.reward[flat, 2]), gain, atol=2e-4)
    np.testing.assert_array_equal(found.reward[flat, 1], 0.0)
    np.testing.assert_allclose(found.next_account[flat, 1, 0], 0.0, atol=1e-6)
