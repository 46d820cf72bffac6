"""The forest in NumPy is scikit-learn's; what is kept of it is checked."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier

from models.agent.forest import (
    ForestAgent,
    ForestConfig,
    Trees,
    forest_inputs,
    from_sklearn,
    grow_trees,
)
from models.agent.outlook import FORECAST
from models.agent.residual_agent import forecast_inputs
from models.agent.thresholds import ThresholdConfig, Thresholds
from tests.models.agent.outlooks import seen, standing

CONFIG = ForestConfig(4, ThresholdConfig(full=(0.55,)), trees=12, depth=5, leaf=0.02)


def rows(seed=0, n=3000, width=CONFIG.width):
    """Inputs, and chances of a rise that lean on two of them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, width)).astype(np.float32)
    inputs[:, 3] = inputs[:, 3].round(1)  # ties
    return inputs, expit(inputs[:, 0] + inputs[:, 3] ** 2 - 1.0 + rng.normal(size=n))


def agent(config=CONFIG) -> ForestAgent:
    trees = grow_trees(*rows(width=config.width), config, np.random.default_rng(1))
    return ForestAgent(Thresholds(config.thresholds, 0.0005, 0.55), config, trees)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observation_width", -1),
        ("trees", 0),
        ("depth", 0),
        ("leaf", 0.0),
        ("leaf", 0.5),
        ("rows", 0),
    ],
)
def test_configurations_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*; received"):
        ForestConfig(**({"observation_width": 3} | {name: value}))


@pytest.mark.parametrize("options", [{}, {"max_depth": 1}, {"min_samples_leaf": 0.1}])
def test_probability_is_that_of_scikit_learn(options):
    inputs, chance = rows()
    forest = RandomForestClassifier(25, random_state=3, **options).fit(inputs, chance > 0.5)
    unseen, _ = rows(seed=5)
    unseen[:50] = inputs[:50]
    # On thresholds, too.
    tree = forest.estimators_[0].tree_
    unseen[50:60, tree.feature[0]] = np.float32(tree.threshold[0])
    found = from_sklearn(forest).probability(unseen)
    assert found.std() > 0.01
    np.testing.assert_allclose(found, forest.predict_proba(unseen)[:, 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_where_all_chances_are_the_same_it_tells_that(chance):
    inputs, chances = rows(n=100)
    trees = grow_trees(inputs, np.full_like(chances, chance), CONFIG, np.random.default_rng(0))
    np.testing.assert_allclose(trees.probability(inputs), chance, atol=1e-12)


def test_it_tells_the_chances_that_it_was_grown_on():
    inputs, chance = rows(n=4000)
    config = replace(CONFIG, trees=20, depth=8, rows=2000)
    found, small = (
        grow_trees(inputs, chance, one, np.random.default_rng(0)).probability(inputs)
        for one in (config, replace(config, rows=100))
    )
    assert np.corrcoef(found, chance)[0, 1] > 0.7
    assert np.corrcoef(small, chance)[0, 1] < np.corrcoef(found, chance)[0, 1]
    assert found.mean() == pytest.approx(chance.mean(), abs=0.02)


def test_trees_depend_on_the_stream_alone():
    one, same = agent(), agent()
    for name, values in one.to_arrays().items():
        np.testing.assert_array_equal(same.to_arrays()[name], values)
    other = grow_trees(*rows(), CONFIG, np.random.default_rng(2))
    assert not np.array_equal(other.threshold[:1], one.trees.threshold[:1])
    assert len(one.trees.roots) == 12


def test_threads_do_not_matter():
    inputs, chance = rows()
    options = {"max_depth": 5, "min_samples_leaf": 0.02, "random_state": 7}
    one, two = (
        from_sklearn(RandomForestClassifier(12, n_jobs=n, **options).fit(inputs, chance > 0.5))
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one.threshold, two.threshold)
    np.testing.assert_array_equal(one.value, two.value)


def test_a_symbol_is_judged_by_its_own_numbers():
    found, outlook = agent(), seen()
    inputs = np.concatenate([outlook.observation, forecast_inputs(outlook)], axis=-1)
    wanted = [[found.trees.probability(row[None])[0] for row in market] for market in inputs]
    np.testing.assert_array_equal(found.probability(outlook), wanted)
    order = np.array([2, 0, 1])
    turned = replace(
        outlook, observation=outlook.observation[:, order], forecast=outlook.forecast[:, order]
    )
    now = standing()
    np.testing.assert_array_equal(
        found.act(turned, replace(now, exposure=now.exposure[:, order])),
        found.act(outlook, now)[:, order],
    )


def test_it_survives_arrays():
    found, outlook, now = agent(), seen(), standing()
    again = ForestAgent.from_arrays(found.to_arrays())
    assert again.config == found.config
    assert again.thresholds == found.thresholds
    np.testing.assert_array_equal(again.act(outlook, now), found.act(outlook, now))
    flat = found.with_thresholds(Thresholds(CONFIG.thresholds))
    assert ForestAgent.from_arrays(flat.to_arrays()).stays_flat
    assert not any(values.dtype == object for values in found.to_arrays().values())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("children", lambda x: x[:, :1]),
        ("children", lambda x: np.where(x == 1, 0, x)),  # a circle
        ("children", lambda x: x + len(x)),
        ("roots", lambda x: x[:0]),
        ("roots", lambda x: x - 1),
        ("value", lambda x: x + 1.0),
        ("threshold", lambda x: x * np.nan),
        ("threshold", lambda x: x[1:]),
        ("feature", lambda x: x + CONFIG.width),
        ("feature", lambda x: x - 1),
        ("config", lambda x: x[1:]),
        ("cost", None),
        ("roots", None),
    ],
)
def test_arrays_that_are_no_forest_are_refused(name, change):
    arrays = agent().to_arrays()
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=rf"{name}|fields|children"):
        ForestAgent.from_arrays(arrays)


def test_its_arrays_cannot_be_written_to():
    trees = agent().trees
    with pytest.raises(ValueError, match="read-only"):
        trees.value[0] = 1.0


def test_outlooks_that_it_cannot_read_are_refused():
    found, outlook = agent(), seen()
    with pytest.raises(ValueError, match="width of 4; received 5"):
        found.probability(seen(width=5))
    wild = outlook.forecast.copy()
    wild[0, 0, FORECAST.index("deviation")] = 0.0
    with pytest.raises(ValueError, match="finite"):
        forest_inputs(replace(outlook, forecast=wild), CONFIG)


def test_trees_of_one_node_each_are_trees():
    one = Trees(np.array([0]), np.zeros((1, 2), int), np.zeros(1, int), np.zeros(1), np.ones(1))
    np.testing.assert_array_equal(one.probability(np.zeros((3, 1), np.float32)), 1.0)
