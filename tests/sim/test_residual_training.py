"""Training through the accounting: the same accounts, an unbiased gradient, a pull that pulls."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from models.agent.account import Standing
from models.agent.mean_variance import MeanVarianceConfig
from models.agent.residual_agent import ResidualAgentConfig, new_agent, with_weights
from models.market.history import CLOSE
from models.seeding import streams
from sim import accounting
from sim.accounting import Account, Rules
from sim.costs import CostModel, InteractiveBrokersCost, ProportionalCost, ZeroCost
from sim.differentiable import Terms
from sim.paths import Paths
from sim.residual_training import Tapes, choose_pull, train_residual
from sim.residual_update import ResidualUpdate, _Tensors
from sim.rewards import DifferentialSharpe, LogGrowth, MeanVariance, Shortfall
from tests.sim.known_truths import no_edge
from tests.sim.markets import random_tape

LONG = MeanVarianceConfig(aversion=6.0, band=0.1, allow_short=False)
CONFIG = ResidualAgentConfig(6, policy=LONG, units=(6, 4), markets=16, horizon=5)
RULES = Rules(np.array([0.5, 0.4]), 1e4, 0.8, 0.03, 0.05, 1, InteractiveBrokersCost(slippage=0.001))


def markets(b=20, t=12, seed=0) -> Paths:
    return no_edge(np.random.default_rng(seed), b=b, t=t).paths


def some_agent(paths, config=CONFIG, seed=3):
    """With weights that no training led to, large enough to matter."""
    rng = np.random.default_rng(seed)
    weights = tuple(rng.normal(0, 0.4, shape).astype(np.float32) for shape in config.shapes)
    return with_weights(new_agent(config, paths.observations, rng), weights)


def tensors(batch) -> _Tensors:
    return _Tensors(
        *(
            tf.constant(getattr(batch, name), tf.float32 if name == "market" else tf.float64)
            for name in _Tensors._fields
        )
    )


def update_of(agent, rules, reward) -> ResidualUpdate:
    update = ResidualUpdate(agent.config, Terms.of(rules), rules.ruin, reward)
    update.learner.load(agent.weights)
    return update


def traded_by_numpy(agent, paths, rules, reward, batch, at):
    """The same stretches, decided by the agent and booked by the kernel; NaN keeps a position."""
    market, row = at
    chosen = paths.take(market)
    closes = chosen.bars[..., CLOSE]
    everyone = np.arange(len(market))
    account = Account.at_weights(batch.start, batch.closes[0], rules.equity)
    memory, total = reward.start(len(market)), 0.0
    alive = np.ones(len(market), bool)
    for i in range(len(batch.aim)):
        now = closes[everyone, :, row + i]
        exposure = account.holdings * now / account.equity[:, None] / batch.caps
        standing = Standing(exposure, batch.caps, rules.gross)
        target = agent.act(chosen.outlook(row + i), standing) * batch.caps
        opens, then = batch.opens[i], batch.closes[i + 1]
        done = accounting.step(account, target, now, opens, then, rules, batch.caps)
        known = accounting.control_variate(account, done, now, opens, batch.innovations[i])
        growth = accounting.finite_growth(done.growth, account.equity, rules)
        slope = reward.slope(memory)
        earned, memory = reward.step(growth, memory)
        total += np.where(alive, earned - slope * known, 0.0).sum()
        alive &= ~accounting.is_ruined(done.account.equity, rules)
        fresh = Account.opened(np.full(len(market), rules.equity), 2)
        account = Account(
            np.where(alive, done.account.cash, fresh.cash),
            np.where(alive[:, None], done.account.holdings, 0.0),
            np.where(alive, done.account.equity, fresh.equity),
        )
    return total / (len(market) * len(batch.aim)), alive


class Heard:
    """A generator that remembers which markets and rows were drawn."""

    def __init__(self, seed):
        self.rng, self.drawn = np.random.default_rng(seed), []

    def integers(self, *args, **options):
        self.drawn.append(self.rng.integers(*args, **options))
        return self.drawn[-1]

    def __getattr__(self, name):
        return getattr(self.rng, name)

    def places(self, markets):
        pairs, rows = self.drawn[-2:]
        market = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()[:markets]
        return market, np.repeat(rows, 2)[:markets]


@pytest.mark.parametrize("reward", [MeanVariance(6.0), DifferentialSharpe(), Shortfall(9.0, 0.001)])
@pytest.mark.parametrize("crash", [False, True])
def test_what_is_trained_on_is_what_the_agent_would_earn(reward, crash):
    paths = markets()
    if crash:  # to a hundredth over night, so that whoever holds much is ruined
        bars = paths.bars.copy()
        bars[1::2, :, 7:, :4] *= 0.01
        paths = replace(paths, bars=bars)
    rules = replace(RULES, ruin=0.9)
    agent = some_agent(paths)
    tapes, heard = Tapes.of(paths, rules, agent, reward), Heard(4)
    batch = tapes.draw(CONFIG, CONFIG.horizon, heard)
    at = heard.places(CONFIG.markets)
    wanted, alive = traded_by_numpy(agent, paths, rules, reward, batch, at)
    assert (not alive.all()) == crash
    half = tf.constant(0.5, tf.float64)
    found, squares, beyond = update_of(agent, rules, reward).trade(tensors(batch), half)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-9)
    assert 0 < np.sqrt(squares) <= CONFIG.range
    assert beyond > 0


def test_stretches_are_of_twins_and_start_under_the_caps():
    paths = markets()
    tapes = Tapes.of(paths, RULES, some_agent(paths), LogGrowth())
    heard = Heard(1)
    batch = tapes.draw(replace(CONFIG, markets=15), 5, heard)
    market, row = heard.places(15)
    assert len(market) == 15
    assert (market[0:14:2] + 1 == market[1:14:2]).all()
    assert (row[0:14:2] == row[1:14:2]).all()
    assert 0 <= row.min() <= row.max() <= paths.n_steps - 5
    for i in range(6):
        np.testing.assert_array_equal(batch.closes[i], paths.bars[market, :, row + i, CLOSE])
    for i in range(5):
        np.testing.assert_array_equal(batch.opens[i], paths.bars[market, :, row + i + 1, 0])
        np.testing.assert_array_equal(batch.innovations[i], paths.innovations[market, :, row + i])
    assert (np.abs(batch.start) <= batch.caps * 0.97 + 1e-12).all()
    assert (np.abs(batch.start).sum(axis=1) <= 0.8 * 0.97 + 1e-12).all()
    assert (batch.start >= 0).all()


@pytest.mark.slow
def test_control_variate_leaves_the_gradient_its_mean_and_takes_its_noise():
    paths = markets(b=20000, t=6)
    rules = Rules(np.array([0.5, 0.4]), 1e4, 1.0, 0.0, 0.0, 0, ZeroCost())
    config = replace(CONFIG, policy=replace(LONG, band=0.0), markets=200)
    agent, reward = some_agent(paths, config), MeanVariance(6.0)
    tapes, rng = Tapes.of(paths, rules, agent, reward), np.random.default_rng(5)
    update = update_of(agent, rules, reward)
    compiled = tf.function(update._loss_and_gradients, jit_compile=True, autograph=False)
    found = {True: [], False: []}
    for _ in range(40):
        batch = tapes.draw(config, 5, rng)
        for known, several in found.items():
            used = batch if known else replace(batch, innovations=0.0 * batch.innovations)
            given = tensors(used), *(tf.constant(0.0, tf.float64),) * 2
            _, _, gradients = compiled(*given)
            several.append(np.concatenate([g.numpy().ravel() for g in gradients]))
    less, more = np.stack(found[True]), np.stack(found[False])
    error = (less - more).std(axis=0, ddof=1) / np.sqrt(40)
    felt = error > 1e-9
    off = np.abs(less.mean(axis=0) - more.mean(axis=0))[felt] / error[felt]
    assert np.sqrt((off**2).mean()) < 1.6
    assert np.median(less.std(axis=0)[felt] / more.std(axis=0)[felt]) < 0.3


def test_training_depends_on_its_streams_alone_and_a_pull_pulls():
    paths = markets(b=40)
    one = train_residual(paths, RULES, CONFIG, 30, streams(1))
    again = train_residual(paths, RULES, CONFIG, 30, streams(1))
    other = train_residual(paths, RULES, CONFIG, 30, streams(2))
    for a, b in zip(one.agent.weights, again.agent.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.agent.weights[0] != other.agent.weights[0]).any()
    assert list(one.curve.update) == [25, 30]
    assert np.isfinite(one.curve.reward).all()
    strong = train_residual(paths, RULES, replace(CONFIG, pull=100.0), 30, streams(1))
    assert strong.curve.correction[-1] < 0.3 * one.curve.correction[-1]
    never = train_residual(paths, RULES, replace(CONFIG, pull=np.inf), 30, streams(1))
    outlook, standing = paths.outlook(3), Standing(np.zeros((40, 2)), RULES.caps[None], 0.8)
    target = never.agent.target(outlook, standing)
    np.testing.assert_array_equal(target, one.agent.policy.aim(outlook, RULES.caps[None], 0.8))
    assert never.curve.update.size == 0

    heard = []

    class Ear:
        def update(self, step, **metrics):
            heard.append((step, metrics))

    more = train_residual(paths, RULES, CONFIG, 25, streams(3), one.agent, Ear(), MeanVariance(6.0))
    assert [step for step, _ in heard] == [25]
    assert set(heard[0][1]) == {"reward", "correction"}
    np.testing.assert_array_equal(more.agent.mean, one.agent.mean)
    assert (more.agent.weights[0] != one.agent.weights[0]).any()


class OddCost(ZeroCost, CostModel):
    pass


def test_what_cannot_be_trained_on_is_refused():
    paths = markets()
    rngs = streams(1)
    alone = replace(RULES, caps=np.array([0.5]), costs=ProportionalCost())
    with pytest.raises(ValueError, match="updates"):
        train_residual(paths, RULES, CONFIG, 0, rngs)
    with pytest.raises(ValueError, match="observations"):
        train_residual(paths, RULES, replace(CONFIG, observation_width=3), 1, rngs)
    with pytest.raises(ValueError, match="previous"):
        train_residual(paths, RULES, replace(CONFIG, units=(3,)), 1, rngs, some_agent(paths))
    with pytest.raises(ValueError, match="costs"):
        train_residual(paths, replace(RULES, costs=OddCost()), CONFIG, 1, rngs)
    with pytest.raises(ValueError, match="forecasts"):
        train_residual(random_tape(d=6), alone, CONFIG, 1, rngs)
    odd = paths.forecasts.copy()
    odd[3, 1, 4, 1] = -0.01
    with pytest.raises(ValueError, match="forecasts"):
        train_residual(replace(paths, forecasts=odd), RULES, CONFIG, 1, rngs)
    tapes = Tapes.of(paths, alone, some_agent(paths), LogGrowth())  # one cap serves all
    assert (tapes.caps == 0.5).all()


def test_pull_is_the_strongest_one_that_chance_lets_pass():
    scores = {
        0.0: [1.0, -2.0, 3.0, -1.0],
        1.0: [1.0, 2.0, 3.0, 4.0],
        4.0: [1.1, 1.8, 3.1, 3.9],  # .025 less, errors .063
        np.inf: [0.5, 1.5, 2.5, 3.5],  # always half less
    }
    choice = choose_pull([np.inf, 0.0, 4.0, 1.0], lambda pull: np.array(scores[pull]))
    assert choice.pull == 4.0
    np.testing.assert_array_equal(choice.pulls, [0.0, 1.0, 4.0, np.inf])
    assert choice.scores.shape == (4, 4)
    assert choice.error[2] == pytest.approx(np.std([-0.1, 0.2, -0.1, 0.1], ddof=1) / 2)
    assert choose_pull([1.0, 4.0], lambda pull: np.array(scores[pull]), errors=0.0).pull == 1.0
    assert choose_pull([np.inf], lambda pull: np.ones(2)).pull == np.inf


@pytest.mark.parametrize(
    ("pulls", "score", "name"),
    [
        ([], lambda pull: np.ones(3), "pulls"),
        ([1.0, 1.0], lambda pull: np.ones(3), "pulls"),
        ([np.inf, np.inf], lambda pull: np.ones(3), "pulls"),
        ([np.nan], lambda pull: np.ones(3), "pulls"),
        ([-1.0], lambda pull: np.ones(3), "pulls"),
        ([1.0], lambda pull: np.ones(1), "score"),
        ([1.0, 2.0], lambda pull: np.ones(int(pull) + 1), "score"),
        ([1.0], lambda pull: np.full(3, np.nan), "scores"),
    ],
)
def test_choices_that_make_no_sense_are_refused(pulls, score, name):
    with pytest.raises(ValueError, match=name):
        choose_pull(pulls, score)
    with pytest.raises(ValueError, match="errors"):
        choose_pull([1.0], lambda pull: np.ones(3), errors=-1.0)
