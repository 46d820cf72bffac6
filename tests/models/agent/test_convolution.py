"""The network in NumPy is Keras's; what is kept of it is checked."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from models.agent.agent import window_of
from models.agent.agreement import Agreement
from models.agent.convolution import (
    ConvolutionAgent,
    ConvolutionConfig,
    borrowed_learner,
    new_network,
)
from models.agent.mean_variance import MeanVariance
from models.agent.thresholds import ThresholdConfig, Thresholds
from tests.models.agent.outlooks import seen, standing

CONFIG = ConvolutionConfig(4, ThresholdConfig(full=(0.55,)), window=9, filters=3, kernel=3)


def untrained(config=CONFIG) -> ConvolutionAgent:
    rng = np.random.default_rng(2)
    observations = rng.normal(1.0, 3.0, (50, config.observation_width))
    return new_network(config, observations, 0.0005, rng)


def agent(config=CONFIG, seed=3) -> ConvolutionAgent:
    """With weights that no training led to, large enough to matter."""
    rng = np.random.default_rng(seed)
    weights = tuple(rng.normal(0, 0.3, shape).astype(np.float32) for shape in config.shapes)
    known = replace(untrained(config), weights=weights)
    return known.with_thresholds(replace(known.thresholds, full=0.55))


def remembering(seed=0, window=9):
    """An outlook with a past, of which it shows as much as it is asked for."""
    outlook = seen(seed)
    rng = np.random.default_rng(seed)
    before = rng.normal(0, 2, (20, 3, window - 1, 4)).astype(np.float32)
    every = np.concatenate([before, outlook.observation[:, :, None]], axis=2)
    return replace(outlook, past=lambda wanted: every[:, :, -wanted:]), every


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observation_width", 0),
        ("filters", 0),
        ("kernel", 0),
        ("window", 8),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("weight_decay", -1.0),
        ("batch_size", 0),
    ],
)
def test_configurations_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*; received"):
        ConvolutionConfig(**({"observation_width": 3} | {name: value}))


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, kernel=1), replace(CONFIG, window=5)])
def test_probability_is_that_of_keras(config):
    known = agent(config)
    outlook, every = remembering(window=config.window)
    with borrowed_learner(config) as learner:
        learner.load(known.weights)
        inputs = known.scaled(every).reshape(-1, config.window, 4)
        wanted = expit(learner.network(inputs).numpy()[:, 0]).reshape(20, 3)
    found = known.probability(outlook)
    assert found.std() > 0.003
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_untrained_network_finds_nothing_probable():
    np.testing.assert_array_equal(untrained().probability(remembering()[0]), 0.5)
    assert untrained().stays_flat


def test_it_looks_at_as_many_observations_as_it_says():
    known, (outlook, every) = agent(), remembering()
    assert window_of(known) == 9
    assert window_of(MeanVariance()) == 1
    assert window_of(Agreement({"cnn": known, "mean_variance": MeanVariance()})) == 9
    changed = every.copy()
    changed[:, :, 0] += 1.0
    other = replace(outlook, past=lambda window: changed[:, :, -window:])
    assert (known.probability(other) != known.probability(outlook)).any()
    # Without a past, what is seen now counts as seen all along.
    alone = replace(outlook, past=None)
    still = np.repeat(outlook.observation[:, :, None], 9, axis=2)
    wanted = known.probability(replace(outlook, past=lambda window: still))
    np.testing.assert_array_equal(known.probability(alone), wanted)


def test_a_symbol_is_judged_by_its_own_observations():
    known, (outlook, every) = agent(), remembering()
    turned = replace(outlook, past=lambda window: every[:, [2, 0, 1], -window:])
    np.testing.assert_allclose(
        known.probability(turned), known.probability(outlook)[:, [2, 0, 1]], rtol=1e-6
    )


def test_it_survives_arrays():
    known, (outlook, _), now = agent(), remembering(), standing()
    again = ConvolutionAgent.from_arrays(known.to_arrays())
    assert (again.config, again.thresholds) == (known.config, known.thresholds)
    np.testing.assert_array_equal(again.act(outlook, now), known.act(outlook, now))
    flat = known.with_thresholds(Thresholds(CONFIG.thresholds))
    assert ConvolutionAgent.from_arrays(flat.to_arrays()).stays_flat


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weights_0", lambda x: x[1:]),
        ("weights_2", lambda x: x * np.nan),
        ("mean", lambda x: x[1:]),
        ("deviation", lambda x: x * 0.0),
        ("config", lambda x: x[1:]),
        ("weights_5", None),
        ("full", None),
    ],
)
def test_arrays_that_are_no_network_are_refused(name, change):
    arrays = agent().to_arrays()
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=rf"{name}|fields"):
        ConvolutionAgent.from_arrays(arrays)


def test_observations_that_it_cannot_read_are_refused():
    known = agent()
    with pytest.raises(ValueError, match="width of 4; received 5"):
        known.probability(seen(width=5))
    outlook = seen()
    wild = np.where(np.arange(4) == 0, np.nan, outlook.observation).astype(np.float32)
    with pytest.raises(ValueError, match="finite"):
        known.probability(replace(outlook, observation=wild))
    with pytest.raises(ValueError, match="width of 4"):
        new_network(CONFIG, np.zeros((3, 5)), 0.0, np.random.default_rng(0))
