"""The agent against value iteration, hand-made targets, and its own copies."""

import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.agent import q_agent
from models.agent.account import Standing, exposure_features
from models.agent.outlook import Outlook
from models.agent.q_agent import UPDATES_PER_CALL, QAgent, QAgentConfig, train
from models.agent.q_learner import CompiledLearner
from models.agent.replay import ReplayMemory, Transitions
from models.agent.standardising import CLIP
from models.seeding import streams


def memory_of(n=600, d=3, seed=0, **changes):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    fields = {
        "observation": normal(n, d),
        "account": normal(n, 1),
        "reward": normal(n, 3) * 0.01,
        "next_observation": normal(n, d),
        "next_account": normal(n, 3, 1),
        "terminated": np.zeros((n, 3), np.float32),
    }
    memory = ReplayMemory(n)
    memory.add(Transitions(**(fields | changes)))
    return memory


def trained(updates=UPDATES_PER_CALL, seed=1, memory=None, config=None, **options):
    rngs = streams(seed)
    return train(
        config or QAgentConfig(3, units=(16,), batch_size=32),
        memory_of() if memory is None else memory,
        updates,
        weights_rng=rngs["weights"],
        replay_rng=rngs["replay"],
        **options,
    )


def some_states(b=40, d=3):
    rng = np.random.default_rng(9)
    return rng.standard_normal((b, d)) * 3, rng.standard_normal((b, 1))


def test_numpy_and_keras_give_the_same_values():
    agent, _ = trained()
    market, account = some_states()
    layers = [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.set_weights(list(agent.target))
    inputs = np.clip((market - agent.mean) / agent.deviation, -CLIP, CLIP)
    want = model(np.concatenate([inputs, account], axis=1).astype(np.float32)).numpy()
    np.testing.assert_allclose(
        agent.q_values(market, account) * agent.reward_scale, want, rtol=1e-4, atol=1e-5
    )


def test_double_dqn_targets_choose_with_one_network_and_value_with_the_other():
    learner = CompiledLearner(2, (4,), 2, 3, 0.5, 0.1, 0.0)
    rng = np.random.default_rng(0)
    weights = [
        [rng.standard_normal(s).astype(np.float32) for s in ((2, 4), (4,), (4, 2), (2,))]
        for _ in range(2)
    ]
    learner.load(*weights)
    reward = rng.standard_normal((3, 2)).astype(np.float32)
    terminated = np.array([[0, 1], [0, 0], [1, 0]], np.float32)
    states = rng.standard_normal((6, 2)).astype(np.float32)

    def net(w, x):
        return np.maximum(x @ w[0] + w[1], 0) @ w[2] + w[3]

    got = learner.targets(tf.constant(reward), tf.constant(states), tf.constant(terminated))
    for i in range(3):
        for a in range(2):
            state = states[2 * i + a]
            choice = net(weights[0], state).argmax()
            value = net(weights[1], state)[choice]
            want = reward[i, a] + 0.5 * (1 - terminated[i, a]) * value
            assert float(got[i, a]) == pytest.approx(want, abs=1e-5)


def test_values_converge_to_those_of_value_iteration():
    """Three market states in a random cycle, positions that cost to change, ruin in one corner."""
    rng = np.random.default_rng(0)
    actions, cost, discount = np.array([-1.0, 0.0, 1.0]), 0.3, 0.8
    move = rng.dirichlet(np.ones(3), size=3)
    gain = np.array([[-1.0, 0.0, 1.0], [0.5, 0.0, -0.5], [0.2, 0.0, 0.1]])  # market, action
    ruin = np.zeros((3, 3))
    ruin[1, 0] = 1.0  # going short in market 1 ends the episode

    def reward(market, position):
        return gain[market] - cost * np.abs(actions - actions[position])

    values = np.zeros((3, 3, 3))  # market, position, action
    for _ in range(300):
        best = values.max(axis=2)  # market, position
        for m in range(3):
            for p in range(3):
                values[m, p] = reward(m, p) + discount * (1 - ruin[m]) * (move[m] @ best)

    n = 20_000
    market, position = rng.integers(3, size=n), rng.integers(3, size=n)
    after = (rng.random(n)[:, None] > np.cumsum(move[market], axis=1)).sum(axis=1)
    one_hot = np.eye(3, dtype=np.float32)
    memory = ReplayMemory(n)
    memory.add(
        Transitions(
            observation=one_hot[market],
            account=actions[position][:, None].astype(np.float32),
            reward=np.array([reward(m, p) for m, p in zip(market, position, strict=True)]).astype(
                np.float32
            ),
            next_observation=one_hot[after],
            next_account=np.tile(actions.astype(np.float32)[None, :, None], (n, 1, 1)),
            terminated=ruin[market].astype(np.float32),
        )
    )
    config = QAgentConfig(3, discount=discount, weight_decay=0.0, tau=0.02, memory=n)
    agent, curve = trained(2500, memory=memory, config=config)
    grid = np.array([(m, p) for m in range(3) for p in range(3)])
    got = agent.q_values(one_hot[grid[:, 0]], actions[grid[:, 1]][:, None])
    want = values[grid[:, 0], grid[:, 1]]
    assert np.abs(got - want).max() < 0.12
    np.testing.assert_array_equal(got.argmax(axis=1), want.argmax(axis=1))
    assert curve.loss[-1] < curve.loss[0]


def test_training_repeats_with_its_seed_and_differs_with_another():
    first, again, other = trained(), trained(), trained(seed=2)
    for a, b in zip(first[0].online, again[0].online, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first[1].loss, again[1].loss)
    assert not np.array_equal(first[0].online[0], other[0].online[0])


def test_a_run_in_between_leaves_no_trace():
    """The compiled learner is shared; its weights and moments are not."""
    alone, _ = trained(50)
    trained(75, seed=8)
    after, _ = trained(50)
    for a, b in zip(alone.target, after.target, strict=True):
        np.testing.assert_array_equal(a, b)


def test_retraining_traces_nothing_anew_and_keeps_the_scaling():
    config = QAgentConfig(3, units=(16,), batch_size=32)
    agent, _ = trained(config=config)
    later, curve = trained(60, memory=memory_of(900, seed=4), config=config, previous=agent)
    with q_agent.borrowed_learner(config) as learner:
        assert learner._compiled.experimental_get_tracing_count() == 1
    np.testing.assert_array_equal(later.mean, agent.mean)
    assert later.reward_scale == agent.reward_scale
    np.testing.assert_array_equal(curve.update, [25, 50, 75])


def test_arrays_go_round():
    agent = trained()[0]
    for hurdle in (0.0, 0.1, np.inf):
        agent = agent.with_hurdle(hurdle)
        arrays = agent.to_arrays()
        assert all(np.isfinite(value).all() for value in arrays.values())  # what can be kept
        again = QAgent.from_arrays(arrays)
        assert (again.config, again.hurdle) == (agent.config, hurdle)
        for name in ("online", "target"):
            for a, b in zip(getattr(again, name), getattr(agent, name), strict=True):
                np.testing.assert_array_equal(a, b)
    market, account = some_states()
    np.testing.assert_array_equal(again.q_values(market, account), agent.q_values(market, account))


def test_nobody_can_write_to_an_agent():
    """Neither to what training gave nor, through the arrays it was made of, to another."""
    agent, _ = trained()
    arrays = agent.to_arrays()
    again = QAgent.from_arrays({name: value.copy() for name, value in arrays.items()})
    for one in (agent, again):
        for array in (*one.online, *one.target, one.mean, one.deviation):
            with pytest.raises(ValueError, match="read-only"):
                array += 1.0
    source = [np.zeros(s, np.float32) for s in ((2, 1), (1,), (1, 3), (3,))]
    mine = QAgent(agent.config, source, source, np.zeros(3), np.ones(3), 1.0)  # type: ignore
    source[3] += 1.0
    assert mine.target[3].tolist() == [0.0, 0.0, 0.0]


def test_two_trainings_at_once_learn_what_each_learns_alone():
    """In threads, on the one learner that they share: bit for bit."""
    alone = [trained(75, seed=seed)[0] for seed in (1, 2)]
    inside = []
    with ThreadPoolExecutor(2) as pool:
        wait = threading.Barrier(2)

        def run(seed):
            wait.wait()
            done = trained(75, seed=seed, reporter=Listener(lambda step: inside.append(seed)))
            return done[0]

        together = list(pool.map(run, (1, 2)))
    for one, other in zip(alone, together, strict=True):
        for name in ("online", "target"):
            for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
                np.testing.assert_array_equal(a, b)
    assert inside in ([1, 1, 1, 2, 2, 2], [2, 2, 2, 1, 1, 1])  # they took turns


def test_a_training_that_fails_gives_the_learner_back():
    def fail(step):
        raise RuntimeError("stop")

    alone, _ = trained()
    with pytest.raises(RuntimeError, match="stop"):
        trained(seed=5, reporter=Listener(fail))
    np.testing.assert_array_equal(trained()[0].target[0], alone.target[0])


class Listener:
    """A reporter that passes on which step was reached, and remembers the metrics."""

    def __init__(self, heard=lambda step: None):
        self.heard, self.metrics = heard, []

    def update(self, step, **metrics):
        self.metrics.append((step, metrics))
        self.heard(step)


def test_reporter_hears_every_call():
    ear = Listener()
    _, curve = trained(50, reporter=ear)
    assert [step for step, _ in ear.metrics] == [25, 50]
    for (_, heard), loss, value in zip(ear.metrics, curve.loss, curve.claimed_value, strict=True):
        assert heard == {"loss": loss, "claimed_value": value}


def fixed_agent(values):
    """An agent whose action values are the same in every state."""
    config = QAgentConfig(1, units=(1,))
    zeros = [np.zeros(s, np.float32) for s in ((2, 1), (1,), (1, 3))]
    weights = (*zeros, np.asarray(values, np.float32))
    one = np.ones(1, np.float32)
    return QAgent(config, weights, weights, 0 * one, one, 1.0)


@pytest.mark.parametrize(
    ("values", "exposure", "hurdle", "action"),
    [
        ([0, 0, 0], 0.97, 0.0, 2),  # ties stay
        ([0, 0, 0], 0.2, 0.0, 1),
        ([0, 0, 1e-3], 0.0, 0.0, 2),
        ([0, 0, 1e-3], 0.0, 0.9e-3, 2),
        ([0, 0, 1e-3], 0.0, 2e-3, 1),
        ([0, 0, 1e-3], 1.0, 2e-3, 1),  # a hurdle closes what does not pay
        ([-9, 0, 9], 1.0, np.inf, 1),
        ([9, -9, 9], -1.0, np.inf, 1),
        ([1, 0, 0], 1.0, 0.0, 0),
    ],
)
def test_decision_rule(values, exposure, hurdle, action):
    agent = fixed_agent(values).with_hurdle(hurdle)
    assert agent.choose([[0.0]], [[exposure]])[0] == action
    assert agent.stays_flat == (hurdle == np.inf)
    other = fixed_agent(values)
    chosen = other.choose([[0.0]] * 2, [[exposure]] * 2, hurdle=[hurdle, np.inf])
    np.testing.assert_array_equal(chosen, [action, 1])  # each row has its own


def test_an_agent_decides_for_every_symbol_as_if_it_were_alone():
    """Any number of them, in any order; a hurdle may differ between markets."""
    agent, _ = trained()
    rng = np.random.default_rng(5)
    seen = rng.normal(0, 1, (6, 4, 3)).astype(np.float32)
    exposure = rng.uniform(-2, 2, (6, 4))
    outlook = Outlook.unforecast(seen)
    standing = Standing(exposure, np.full((1, 4), 0.2))
    found = agent.act(outlook, standing)
    hurdles = np.where(np.arange(6) % 2, 0.0, np.inf)
    some = agent.act(outlook, standing, hurdles)
    for s in range(4):
        alone = agent.choose(seen[:, s], exposure_features(exposure[:, s]))
        np.testing.assert_array_equal(found[:, s], agent.actions[alone])
    np.testing.assert_array_equal(some[1::2], found[1::2])
    np.testing.assert_array_equal(some[::2], 0.0)
    order = [2, 0, 3, 1]
    turned = agent.act(
        Outlook.unforecast(seen[:, order]), Standing(exposure[:, order], standing.caps)
    )
    np.testing.assert_array_equal(turned, found[:, order])


def test_an_untrained_agent_stays():
    agent = q_agent.new_agent(QAgentConfig(3), memory_of(), np.random.default_rng(0))
    market, _ = some_states(3)
    np.testing.assert_array_equal(agent.choose(market, [[-1.0], [0.0], [1.0]]), [0, 1, 2])


def test_observations_far_outside_the_training_change_nothing_more():
    agent, _ = trained()
    far, farther = np.full((1, 3), 1e3), np.full((1, 3), 1e6)
    np.testing.assert_array_equal(agent.q_values(far, [[0.0]]), agent.q_values(farther, [[0.0]]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation_width": 0}, "observation_width"),
        ({"actions": (1.0, 0.0)}, "actions must be two or more ascending"),
        ({"actions": (0.0, 2.0)}, "actions"),
        ({"units": ()}, "units"),
        ({"discount": 1.0}, r"discount must be in \[0, 1\); received 1.0"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"batch_size": 0}, "batch_size"),
        ({"tau": 0.0}, "tau"),
        ({"memory": 10}, "memory must be >= batch_size"),
    ],
)
def test_bad_configurations_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        QAgentConfig(**({"observation_width": 3} | change))


def test_bad_calls_are_named():
    agent = fixed_agent([0, 0, 0])
    with pytest.raises(ValueError, match=r"observation must have shape \(1, 1\)"):
        agent.q_values([[0.0, 0.0]], [[0.0]])
    with pytest.raises(ValueError, match="account must have shape"):
        agent.q_values([[0.0]], [[0.0], [0.0]])
    with pytest.raises(ValueError, match="observation must be finite"):
        agent.q_values([[np.nan]], [[0.0]])
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="hurdle must be >= 0"):
            agent.with_hurdle(bad)
    with pytest.raises(ValueError, match="updates must be at least 1"):
        trained(0)
    with pytest.raises(ValueError, match="same make"):
        trained(previous=agent)
    with pytest.raises(ValueError, match="empty"):
        trained(memory=ReplayMemory(5))
    arrays = agent.to_arrays()
    with pytest.raises(ValueError, match="target_1"):
        QAgent.from_arrays({k: v for k, v in arrays.items() if k != "target_1"})
    with pytest.raises(ValueError, match="online weights must have shapes"):
        QAgent.from_arrays(arrays | {"online_0": np.zeros((9, 9))})
    with pytest.raises(ValueError, match="hurdle must have at most one entry"):
        QAgent.from_arrays(arrays | {"hurdle": np.zeros(2)})
    with pytest.raises(ValueError, match="all its fields"):
        QAgent.from_arrays(arrays | {"config": np.frombuffer(b"{", dtype=np.uint8)})
