"""What agents that classify must find where it is there, and must not where it is not.

Markets whose chances are known: the best policy on thresholds is the best of many that know them.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from models.agent.convolution import ConvolutionConfig
from models.agent.forest import ForestConfig
from models.agent.thresholds import ThresholdConfig, Thresholds
from models.seeding import streams
from sim.accounting import Rules
from sim.costs import ProportionalCost, ZeroCost
from sim.rewards import MeanVariance
from sim.rollout import rollout
from sim.threshold_training import train_convolution, train_forest
from tests.sim.known_truths import SIGMA, ar1, earned, level_spread, no_edge, ornstein_uhlenbeck

AVERSION = 30.0
SEEDS = range(1, 6)
PHI, PACE = 0.2, 0.05


def rules_of(n_symbols=1, cost=0.0):
    costs = ProportionalCost(cost) if cost else ZeroCost()
    caps = np.full(n_symbols, 1.0 / n_symbols)
    return Rules(caps, 1e5, buffer=0.0, band=0.0, lot_size=0, costs=costs)


def chance_on_ar1(seen, horizon):
    """Of a rise, by what an observation (...) says."""
    assert horizon == 1
    return ndtr(PHI * seen)


def chance_on_ornstein_uhlenbeck(seen, horizon):
    """Of a rise in units of the forecast, which knows nothing of the return to the mean."""
    left = (1 - PACE) ** horizon
    spread = level_spread(PACE)
    deviation = np.sqrt(spread**2 * (1 - left**2))
    moved = SIGMA * np.sqrt(horizon)
    return ndtr(((left - 1) * seen * spread + 0.5 * moved**2) / deviation)


def best_on_thresholds(chance, horizon, cost, paths, rules):
    """What the best pair of thresholds earns for one who knows the chances."""
    found = []
    for full in (0.53, 0.55, 0.575, 0.6, 0.625, 0.65, 0.7):
        config = ThresholdConfig(horizon=horizon, full=(full,), band=0.0)
        for charged in {0.0, 0.5 * cost, cost}:
            thresholds = Thresholds(config, charged, full)

            def policy(outlook, standing, thresholds=thresholds):
                p = chance(outlook.observation[..., 0].astype(float), horizon)
                return thresholds.exposures(p, outlook.column("deviation"))

            found.append(earned(policy, paths, rules, AVERSION)[0])
    return max(found)


def forest(paths, rules, horizon, rngs):
    width = paths.observations.shape[3]
    config = ForestConfig(width, ThresholdConfig(horizon=horizon, band=0.0))
    return train_forest(paths, rules, config, rngs, reward=MeanVariance(AVERSION)).agent


def network(paths, rules, horizon, rngs):
    width = paths.observations.shape[3]
    config = ConvolutionConfig(width, ThresholdConfig(horizon=horizon, band=0.0))
    done = train_convolution(paths, rules, config, 400, rngs, reward=MeanVariance(AVERSION))
    return done.agent


MARKETS = [
    (ar1, chance_on_ar1, 1, 0.0),
    (ar1, chance_on_ar1, 1, 0.0005),
    (ornstein_uhlenbeck, chance_on_ornstein_uhlenbeck, 5, 0.0),
    (ornstein_uhlenbeck, chance_on_ornstein_uhlenbeck, 5, 0.0005),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("make", "chance", "horizon", "cost"), MARKETS)
@pytest.mark.parametrize("learn", [forest, network])
def test_agent_earns_what_the_best_thresholds_earn(learn, make, chance, horizon, cost, seed):
    rngs, rules = streams(seed, make.__name__), rules_of(cost=cost)
    agent = learn(make(rngs["paths"], AVERSION).paths, rules, horizon, rngs)
    unseen = make(rngs["draws"], AVERSION).paths
    possible = best_on_thresholds(chance, horizon, cost, unseen, rules)
    assert possible > 1e-4
    assert earned(agent.act, unseen, rules, AVERSION)[0] >= 0.9 * possible


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("learn", [forest, network])
def test_agent_stays_flat_without_an_edge(learn, known, seed):
    """Whether what was expected is known, or prices alone."""
    rngs, rules = streams(seed, "no edge"), rules_of(2)
    paths = no_edge(rngs["paths"]).paths
    agent = learn(paths if known else replace(paths, innovations=None), rules, 5, rngs)
    unseen = no_edge(rngs["draws"]).paths
    assert rollout(agent.act, unseen, rules).mean_turnover < 0.01
