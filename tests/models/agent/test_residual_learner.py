"""The network in TensorFlow is the one that acts in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from models.agent.mean_variance import MeanVarianceConfig
from models.agent.residual_agent import market_inputs
from models.agent.residual_learner import ResidualLearner
from tests.models.agent.test_residual_agent import CONFIG, seen, standing, trained


@pytest.mark.parametrize("units", [(8, 6), (5,), (6, 5, 4)])
@pytest.mark.parametrize("allow_short", [False, True])
def test_corrections_and_targets_are_those_of_the_agent(units, allow_short):
    policy = MeanVarianceConfig(allow_short=allow_short)
    agent = trained(replace(CONFIG, units=units, range=1.0, policy=policy))
    outlook, now = seen(), standing()
    aim = agent.policy.aim(outlook, now.caps, now.gross)
    learner = ResidualLearner(agent.config)
    learner.load(agent.weights)
    for mine, theirs in zip(learner.weights(), agent.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    known = market_inputs(outlook, aim, now.caps, now.gross)
    market = np.concatenate([agent.scaled(outlook.observation), known], axis=-1)
    caps = tf.constant(now.caps)
    correction = learner.correction(
        learner.opening(tf.constant(market)), tf.constant(now.exposure), caps, now.gross
    )
    wanted = agent.correction(outlook, now, aim)
    assert wanted.std() > 0.05
    np.testing.assert_allclose(correction, wanted, rtol=1e-4, atol=1e-6)
    target, beyond = learner.target(tf.constant(aim + wanted), caps, now.gross)
    low = -1.0 if allow_short else 0.0
    np.testing.assert_allclose(beyond, aim + wanted - np.clip(aim + wanted, low, 1.0), atol=1e-12)
    assert (np.abs(beyond) > 0.01).any()
    np.testing.assert_allclose(target, agent.target(outlook, now), rtol=1e-12, atol=1e-12)
