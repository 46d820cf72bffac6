"""What the residual agent must find where it is there, and must not find where it is not.

Markets whose best policy is computed, none is assumed. The analytic policy knows nothing of them:
what the agent earns it has learned, through the accounting.
"""

import numpy as np
import pytest
from scipy.stats import norm

from models.agent.mean_variance import MeanVarianceConfig, outside_band
from models.agent.residual_agent import ResidualAgentConfig
from models.seeding import streams
from sim.accounting import Rules
from sim.costs import ProportionalCost, ZeroCost
from sim.residual_training import train_residual
from tests.sim.known_truths import (
    SIGMA,
    ar1,
    best_with_costs,
    by_row,
    correlated_pair,
    earned,
    leaked,
    level_spread,
    no_edge,
    ornstein_uhlenbeck,
    two_regimes,
)

AVERSION = 30.0
SEEDS = range(1, 6)
UPDATES = 400


def rules_of(n_symbols=1, cost=0.0, cap=None):
    costs = ProportionalCost(cost) if cost else ZeroCost()
    caps = np.full(n_symbols, 1.0 / n_symbols if cap is None else cap)
    return Rules(caps, 1e5, buffer=0.0, band=0.0, lot_size=0, costs=costs)


def learn(known, rules, rngs, aversion=AVERSION, band=0.0, pull=0.0, **policy):
    """An agent that may correct its analytic policy by as much as it wants."""
    prior = {"sharpe_ratio": 0.0, "trend": 0.0, "allow_short": True} | policy
    config = ResidualAgentConfig(
        known.paths.observations.shape[3],
        policy=MeanVarianceConfig(aversion=aversion, band=band, **prior),
        range=2.0,
        pull=pull,
    )
    return train_residual(known.paths, rules, config, UPDATES, rngs).agent


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("make", "n_symbols", "prior"),
    [
        (ar1, 1, {}),
        (ornstein_uhlenbeck, 1, {}),
        # The analytic policy expects the wrong premium of both regimes and takes them for one.
        (two_regimes, 1, {"sharpe_ratio": 0.3, "allow_short": False}),
        (correlated_pair, 2, {}),
    ],
)
def test_agent_earns_what_the_best_policy_earns_where_trading_is_free(make, n_symbols, prior, seed):
    rngs, rules = streams(seed, make.__name__), rules_of(n_symbols)
    agent = learn(make(rngs["paths"], AVERSION), rules, rngs, **prior)
    unseen = make(rngs["draws"], AVERSION)
    low = -1.0 if agent.config.policy.allow_short else 0.0
    best = np.clip(unseen.best / rules.caps, low, 1.0)
    possible, _ = earned(by_row(best), unseen.paths, rules, AVERSION)
    reward, _ = earned(agent.act, unseen.paths, rules, AVERSION)
    analytic, _ = earned(agent.policy.act, unseen.paths, rules, AVERSION)
    assert analytic < 0.5 * possible
    assert reward >= 0.95 * possible


GRID, POSITIONS = np.linspace(-4, 4, 81), np.linspace(-1, 1, 81)


def optimal_policy(gain, move, cost, spread, n_bars=60):
    """By dynamic programming, of one symbol whose observation over a spread is the state."""
    best = best_with_costs(gain, move / move.sum(axis=1, keepdims=True), cost, n_bars, POSITIONS)
    rows = iter(best)

    def policy(outlook, standing):
        state = outlook.observation[:, 0, :1].astype(float) / spread
        near = np.abs(GRID - state).argmin(axis=1)
        now = np.abs(POSITIONS - standing.exposure).argmin(axis=1)
        then = next(rows)[near, now]
        return np.where(then == now, np.nan, POSITIONS[then])[:, None]

    return policy


def optimal_on_ar1(cost, phi=0.2):
    spread = 1 / np.sqrt(1 - phi**2)  # of the observation
    state = GRID * spread
    premium = phi * state * SIGMA + 0.5 * SIGMA**2
    gain = premium[:, None] * POSITIONS - 0.5 * AVERSION * SIGMA**2 * POSITIONS**2
    return optimal_policy(gain, norm.pdf(state - phi * state[:, None]), cost, spread)


def optimal_on_ornstein_uhlenbeck(cost, pace=0.05):
    spread = level_spread(pace)
    premium = -pace * GRID * spread + 0.5 * SIGMA**2
    gain = premium[:, None] * POSITIONS - 0.5 * AVERSION * SIGMA**2 * POSITIONS**2
    missed = (GRID - (1 - pace) * GRID[:, None]) * spread / SIGMA
    return optimal_policy(gain, norm.pdf(missed), cost, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("make", "optimal", "cost"),
    [(ar1, optimal_on_ar1, 0.001), (ornstein_uhlenbeck, optimal_on_ornstein_uhlenbeck, 0.002)],
)
def test_agent_earns_what_the_best_policy_earns_after_costs(make, optimal, cost, seed):
    """The optimum is a region of no trade that moves with the market; no fixed band comes near."""
    rngs, rules = streams(seed, make.__name__), rules_of(cost=cost)
    agent = learn(make(rngs["paths"], AVERSION), rules, rngs, band=0.1)
    unseen = make(rngs["draws"], AVERSION)
    possible, _ = earned(optimal(cost), unseen.paths, rules, AVERSION)
    reward, _ = earned(agent.act, unseen.paths, rules, AVERSION)
    assert reward >= 0.95 * possible
    free = np.clip(unseen.best, -1.0, 1.0)
    for band in (0.1, 0.2, 0.3, 0.5):
        rows = iter(range(60))

        def fixed(outlook, standing, band=band, rows=rows):
            return outside_band(free[:, next(rows)], standing.exposure, band)

        assert earned(fixed, unseen.paths, rules, AVERSION)[0] < 0.9 * reward


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_agent_finds_tomorrows_return_when_it_is_leaked(seed):
    """Against a clairvoyant who knows all returns to the end, net of costs."""
    cost, cap, aversion = 0.001, 0.5, 8.0
    rngs, rules = streams(seed, "leak"), rules_of(cost=cost, cap=cap)
    agent = learn(leaked(rngs["paths"]), rules, rngs, aversion, band=0.1)
    unseen = leaked(rngs["draws"]).paths
    positions = np.linspace(-1.0, 1.0, 21)
    gain = cap * positions * np.expm1(unseen.log_returns[:, 0, :, None])
    gain -= 0.5 * aversion * gain**2
    value = np.zeros((unseen.n_paths, len(positions)))
    switch = cost * cap * np.abs(positions[:, None] - positions)
    for t in reversed(range(unseen.n_steps)):
        value = (gain[:, t, None] - switch + value[:, None]).max(axis=2)
    clairvoyant = value[:, len(positions) // 2].mean() / unseen.n_steps  # from a flat start
    assert earned(agent.act, unseen, rules, aversion)[0] >= 0.95 * clairvoyant


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_agent_stays_flat_where_there_is_nothing(seed):
    """Martingales of several symbols, observations of their last returns and pure noise."""
    rngs, rules = streams(seed, "walk"), rules_of(2, cost=0.001)
    agent = learn(no_edge(rngs["paths"]), rules, rngs, 8.0, band=0.2, pull=1.0)
    reward, turnover = earned(agent.act, no_edge(rngs["draws"]).paths, rules, 8.0)
    assert turnover < 0.01
    assert abs(reward) < 1e-6
