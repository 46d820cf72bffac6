"""Training agents that classify: what is learned from, what is held out, what is chosen."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtr

from models.agent.convolution import ConvolutionConfig, new_network
from models.agent.forest import ForestConfig
from models.agent.thresholds import ThresholdAgent, ThresholdConfig, Thresholds
from models.market.history import CLOSE
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import JudgingConfig
from sim.costs import InteractiveBrokersCost, ProportionalCost, ZeroCost
from sim.rewards import MeanVariance
from sim.rollout import rollout
from sim.threshold_training import (
    _Windows,
    chances,
    judged_thresholds,
    split_markets,
    trading_cost,
    train_convolution,
    train_forest,
)
from tests.sim.known_truths import SIGMA, ar1, no_edge
from tests.sim.markets import random_tape

JUDGING = JudgingConfig()
FREE = Rules(np.array([0.5, 0.5]), 1e5, buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
CONFIG = ForestConfig(6, ThresholdConfig(horizon=3, full=(0.55, 0.6), band=0.0), trees=5, depth=3)


def markets(b=20, t=12, seed=0):
    return no_edge(np.random.default_rng(seed), b=b, t=t).paths


@pytest.mark.parametrize("unknown", [None, np.zeros((20, 2, 12, 2))])
def test_where_nobody_knows_what_was_expected_closes_tell_whether_prices_rose(unknown):
    paths = replace(markets(), innovations=unknown)
    found = chances(paths, 3)
    assert found.shape == (20, 2, 10)
    for b, s, row in ((0, 0, 0), (3, 1, 9), (19, 0, 4)):
        price = paths.bars[b, s, :, CLOSE]
        # By more than half the variance of three bars below zero.
        rose = np.log(price[row + 3] / price[row]) > -1.5 * SIGMA**2
        assert found[b, s, row] == rose
    with pytest.raises(ValueError, match="must carry forecasts"):
        chances(random_tape(), 3)


def test_a_chance_is_that_of_what_was_expected():
    """An AR(1) market, one bar ahead: what the last return says, and none of what came."""
    paths = ar1(np.random.default_rng(1), 30.0, b=50).paths
    last = paths.observations[:, :, :-1, 0].astype(float)
    np.testing.assert_allclose(chances(paths, 1), ndtr(0.2 * last + 0.5 * SIGMA), rtol=1e-5)
    returns = last[:, :, 1:] * SIGMA
    both = 0.2 * (last[:, :, :-1] * SIGMA + returns) / (SIGMA * np.sqrt(2))
    np.testing.assert_allclose(chances(paths, 2), ndtr(both + 0.5 * SIGMA * np.sqrt(2)), rtol=1e-5)


def test_a_martingale_has_even_chances():
    np.testing.assert_allclose(chances(markets(), 3), 0.5, atol=1e-12)


def test_cost_is_that_of_whole_positions():
    paths = markets()  # all start at 50 $
    rules = replace(FREE, costs=ProportionalCost(0.001, slippage=0.0005))
    assert trading_cost(paths, rules) == pytest.approx(0.001 * 1.0005 + 0.0005)
    assert trading_cost(paths, FREE) == 0.0
    rules = replace(FREE, costs=InteractiveBrokersCost(slippage=0.0005))
    assert trading_cost(paths, rules) == pytest.approx(0.005 / 50 + 0.0005)
    small = replace(rules, equity=100.0)  # a dollar at least for 50 $ of shares, at most .5 %
    assert trading_cost(paths, small) == pytest.approx(1 / 50 + 0.0005)


@pytest.mark.parametrize(
    ("paths", "message"),
    [(markets(b=3), "at least 4"), (markets(t=2), "horizon's 3 bars; received 2")],
)
def test_markets_that_are_too_few_or_too_short_are_refused(paths, message):
    with pytest.raises(ValueError, match=message):
        split_markets(paths, JUDGING, 3, streams(1))


def test_markets_as_long_as_the_horizon_will_do():
    done = train_forest(markets(t=3), FREE, CONFIG, streams(1), reward=MeanVariance(6.0))
    assert done.agent.stays_flat


def test_a_forest_depends_on_the_streams_alone():
    one, same, other = (
        train_forest(markets(), FREE, CONFIG, streams(seed)).agent.to_arrays() for seed in (1, 1, 2)
    )
    assert all(np.array_equal(values, same[name]) for name, values in one.items())
    assert not all(np.array_equal(values, other[name]) for name, values in one.items())


def test_what_is_held_out_is_not_learned_from():
    """Other bars on held-out markets, the same forest."""
    paths = markets()
    _, judge = split_markets(paths, JUDGING, 3, streams(1))
    assert (judge[::2] + 1 == judge[1::2]).all()
    assert len(judge) == 4
    bars = paths.bars.copy()
    bars[judge] = markets(seed=9).bars[judge]
    one, other = (
        train_forest(each, FREE, CONFIG, streams(1)).agent.trees
        for each in (paths, replace(paths, bars=bars))
    )
    np.testing.assert_array_equal(one.threshold, other.threshold)
    np.testing.assert_array_equal(one.value, other.value)


@dataclass(frozen=True)
class Knows(ThresholdAgent):
    """One that knows the chances of an AR(1) market, or believes in noise."""

    slope: float = 0.2

    def probability(self, outlook):
        return ndtr(self.slope * outlook.observation[..., 0].astype(float))

    def to_arrays(self):
        return {}


ALONE = replace(FREE, caps=np.array([1.0]))


def test_the_threshold_that_pays_is_chosen():
    config = ThresholdConfig(horizon=1, full=(0.52, 0.6, 0.9), band=0.0)
    paths = ar1(np.random.default_rng(1), 30.0, b=100).paths
    reward = MeanVariance(30.0)
    agent, found = judged_thresholds(Knows(Thresholds(config)), paths, ALONE, JUDGING, reward)
    assert found.chosen == 1
    assert agent.thresholds.full == 0.6
    done = rollout(agent.act, paths, ALONE, reward).controlled.mean(axis=1)
    assert found.reward[1] == pytest.approx(done.mean())
    pairs = (done[::2] + done[1::2]) / 2
    assert found.error[1] == pytest.approx(pairs.std(ddof=1) / np.sqrt(50))


def test_what_does_not_pay_is_not_traded_on():
    config = ThresholdConfig(horizon=1, full=(0.52, 0.6, 0.9), band=0.0)
    paths = ar1(np.random.default_rng(1), 30.0, b=100).paths
    agent = Knows(Thresholds(config), slope=-0.2)
    agent, found = judged_thresholds(agent, paths, ALONE, JUDGING, MeanVariance(30.0))
    assert found.chosen is None
    assert (found.reward < 0).all()
    assert agent.stays_flat


NETWORK = ConvolutionConfig(
    6,
    ThresholdConfig(horizon=3, full=(0.55,), band=0.0),
    window=5,
    filters=2,
    kernel=2,
    batch_size=16,
)


def remembering(paths, bars=4, seed=5):
    """The same markets, with a past."""
    b, s, _, d = paths.observations.shape
    before = np.random.default_rng(seed).normal(size=(b, s, bars, d)).astype(np.float32)
    return replace(paths, before=before)


def test_windows_are_what_the_agent_is_shown_when_it_trades():
    paths = remembering(markets())
    agent = new_network(NETWORK, paths.observations, 0.0, np.random.default_rng(0))
    chance = np.arange(20 * 2 * 10.0).reshape(20, 2, 10)  # tells which row a window is of
    inputs, drawn = _Windows(agent, paths, chance).draw(np.random.default_rng(1))
    assert inputs.shape == (10, 16, 5, 6)
    for window, place in zip(inputs.reshape(-1, 5, 6), drawn.ravel().astype(int), strict=True):
        market, symbol, row = np.unravel_index(place, chance.shape)
        shown = paths.outlook(row, [market]).recent(5)[0, symbol]
        np.testing.assert_array_equal(window, agent.scaled(shown))
    rows = {np.unravel_index(place, chance.shape)[2] for place in drawn.ravel().astype(int)}
    assert rows == set(range(10))


def test_a_network_depends_on_the_streams_alone_and_goes_on_from_another():
    paths = remembering(markets())
    done = [train_convolution(paths, FREE, NETWORK, 20, streams(seed)) for seed in (1, 1, 2)]
    one, same, other = (each.agent.to_arrays() for each in done)
    assert all(np.array_equal(values, same[name]) for name, values in one.items())
    assert not np.array_equal(one["weights_0"], other["weights_0"])
    assert done[0].update.tolist() == [10, 20]
    assert done[0].loss.shape == (2,)
    wild = replace(paths, observations=paths.observations * 2.0 + 1.0)
    before = done[0].agent
    later = train_convolution(wild, FREE, NETWORK, 10, streams(3), previous=before).agent
    np.testing.assert_array_equal(later.mean, before.mean)
    step = np.abs(later.weights[0] - before.weights[0])
    assert 0 < step.max() < 0.1


def test_networks_that_cannot_be_trained_are_refused():
    paths = markets()
    with pytest.raises(ValueError, match="updates must be at least 1; received 0"):
        train_convolution(paths, FREE, NETWORK, 0, streams(1))
    earlier = new_network(NETWORK, paths.observations, 0.0, np.random.default_rng(0))
    wider = replace(NETWORK, window=6)
    with pytest.raises(ValueError, match="previous must be of the same make"):
        train_convolution(paths, FREE, wider, 10, streams(1), previous=earlier)
