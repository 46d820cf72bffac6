"""Learning by doing: the update against Keras by hand, and environments whose answers are known."""

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from models.agent.q_agent import QAgentConfig, initial_weights
from models.agent.q_learner import CompiledLearner
from models.seeding import streams
from sim.accounting import Rules
from sim.costs import ProportionalCost
from sim.exploring import ExploringConfig, best_actions, explore
from sim.market_env import MarketVectorEnv
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([0.5]), 1e5, lot_size=0, costs=ProportionalCost(0.0005))


def learned(envs, config, exploring, seed=1):
    rngs = streams(seed, "exploring")
    names = {"weights_rng": "weights", "replay_rng": "replay", "episodes_rng": "episodes"}
    return explore(
        envs, config, exploring, **{name: rngs[stream] for name, stream in names.items()}
    )


def gymnasiums(name, n=8):
    return SyncVectorEnv([lambda: gym.make(name)] * n, autoreset_mode=AutoresetMode.SAME_STEP)


def test_an_update_is_kerass_on_the_actions_taken():
    """Double-DQN targets by hand; the values of other actions have no part in the loss."""
    config = QAgentConfig(2, units=(5,), discount=0.8, tau=0.3, weight_decay=0.0, batch_size=6)
    learner = CompiledLearner(3, (5,), 3, 6, 0.8, 0.3, 0.0)
    online, target = (initial_weights(config, np.random.default_rng(seed)) for seed in (0, 1))
    rng = np.random.default_rng(2)
    online = tuple(w + rng.normal(0, 0.3, w.shape).astype("f4") for w in online)
    before, after = rng.normal(0, 1, (2, 6, 3)).astype("f4")
    taken, reward = np.array([0, 1, 2, 2, 1, 0], np.int32), rng.normal(0, 1, 6).astype("f4")
    over = np.array([0, 0, 1, 0, 1, 0], np.float32)
    learner.load(online, target)
    batch = [value[None] for value in (before, taken, reward, after, over)]
    loss, claimed = learner.update_taken(0.01, *batch)

    def network(weights):
        layers = [keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((3,)), *layers])
        model.set_weights(list(weights))
        return model

    mine, old = network(online), network(target)
    best = np.argmax(mine(after), axis=1)
    goal = reward + 0.8 * (1 - over) * old(after).numpy()[np.arange(6), best]
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.0)
    with tf.GradientTape() as tape:
        values = mine(before)
        error = tf.reduce_sum(values * tf.one_hot(taken, 3), axis=1) - goal
        wanted = tf.reduce_mean(0.5 * tf.square(error))
    assert loss == pytest.approx(float(wanted), rel=1e-5)
    assert claimed == pytest.approx(float(tf.reduce_mean(tf.reduce_max(values, axis=1))), rel=1e-5)
    found = learner.weights()
    optimizer.apply(tape.gradient(wanted, mine.trainable_variables), mine.trainable_variables)
    for a, b in zip(found[0], mine.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b, c in zip(found[1], target, mine.get_weights(), strict=True):
        np.testing.assert_allclose(a, 0.7 * b + 0.3 * c, rtol=1e-4, atol=1e-6)


def test_epsilon_falls_along_a_line_and_stays():
    exploring = ExploringConfig(steps=1000, epsilon=(0.9, 0.1), decay=0.5)
    found = [exploring.epsilon_at(step) for step in (0, 250, 500, 1000)]
    np.testing.assert_allclose(found, [0.9, 0.5, 0.1, 0.1])


def test_it_finds_in_the_market_environment_what_is_leaked():
    """The sign of tomorrow's move, and the agent is one like any other: it acts on outlooks."""
    rng = np.random.default_rng(0)
    returns = rng.choice([-0.02, 0.02], (20, 40))
    seen = np.sign(np.pad(returns, ((0, 0), (0, 1))))[..., None]
    envs = MarketVectorEnv(
        tape_of(returns, seen, gap_share=0.0), RULES, 10, positions="random", reward_scale=100.0
    )
    config = QAgentConfig(1, units=(16,), discount=0.5, batch_size=64, learning_rate=3e-3)
    agent = learned(envs, config, ExploringConfig(steps=6000, first=500, steps_per_update=5))
    for sign, action in ((-1.0, 0), (1.0, 2)):
        assert (best_actions(agent, np.array([[sign, 0.0], [sign, 0.9]], "f4")) == action).all()


def test_it_repeats_itself():
    config = QAgentConfig(3, units=(8,), batch_size=32)
    exploring = ExploringConfig(steps=400, first=50, steps_per_update=2)
    one, two = (
        learned(MarketVectorEnv(random_tape(), RULES, 5, horizon=9), config, exploring)
        for _ in range(2)
    )
    for a, b in zip(one.target, two.target, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "width", "actions", "steps", "least"),
    [
        ("CartPole-v1", 3, (-1.0, 1.0), 500_000, 488.0),
        ("Acrobot-v1", 5, (-1.0, 0.0, 1.0), 200_000, -91.5),
    ],
)
def test_it_learns_what_others_have_learned(name, width, actions, steps, least, seed):
    """Mean return of a hundred episodes; the figures of CleanRL's DQN after 500,000 steps.

    Its network and batch. All steps are remembered, since an agent that balances well forgets from
    the last ten thousand what falling is; and it looks 200 steps ahead, since with a discount of
    .99 some seeds drift slowly off the track. Seeds then differ little.
    """
    config = QAgentConfig(
        width,
        actions=actions,
        units=(120, 84),
        discount=0.995,
        batch_size=128,
        weight_decay=0.0,
        learning_rate=1e-3,
        memory=steps,
    )
    agent = learned(gymnasiums(name), config, ExploringConfig(steps, reward_scale=0.05), seed)
    envs = gymnasiums(name, 20)
    seen, _ = envs.reset(seed=seed)
    running, returns = np.zeros(20), []
    # The first five of each environment: the first to end are the worst.
    counts = np.zeros(20, int)
    while (counts < 5).any():
        seen, reward, terminated, truncated, _ = envs.step(best_actions(agent, seen))
        running += reward
        for i in np.flatnonzero(terminated | truncated):
            if counts[i] < 5:
                returns.append(running[i])
            running[i], counts[i] = 0.0, counts[i] + 1
    assert np.mean(returns) >= least


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: ExploringConfig(steps=0), "steps must be >= 1; received 0"),
        (lambda: ExploringConfig(first=0), "first"),
        (lambda: ExploringConfig(steps_per_update=0), "steps_per_update"),
        (lambda: ExploringConfig(epsilon=(1.0, 1.1)), r"epsilon must be two in \[0, 1\]"),
        (lambda: ExploringConfig(decay=0.0), r"decay must be in \(0, 1\]"),
        (lambda: ExploringConfig(reward_scale=0.0), "reward_scale"),
        (lambda: _explored(3), r"envs must have observations of shape \(4,\)"),
        (lambda: _explored(2, actions=(0.0, 1.0)), "envs must have 2 actions; received"),
        (lambda: _explored(2, envs=None), "AutoresetMode.SAME_STEP"),
    ],
)
def test_bad_input_is_named(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def _explored(width, actions=(-1.0, 0.0, 1.0), envs="market"):
    if envs == "market":
        found = MarketVectorEnv(random_tape(d=2), RULES, 2)
    else:
        width, actions = 3, (-1.0, 1.0)
        found = SyncVectorEnv([lambda: gym.make("CartPole-v1")])
    learned(found, QAgentConfig(width, actions=actions), ExploringConfig(steps=10))
