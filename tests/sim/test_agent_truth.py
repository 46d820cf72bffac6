"""What the agent must find where it is there, and must not find where it is not.

Markets with a known answer: every optimum here is computed, none is assumed.
"""

import numpy as np
import pytest
from scipy.stats import norm

from models.agent.q_agent import QAgentConfig
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import train_agent
from sim.costs import ProportionalCost
from sim.rollout import greedy, rollout
from tests.sim.markets import tape_of

COST, CAP, SIGMA, PHI = 0.001, 0.5, 0.01, 0.25
RULES = Rules(np.array([CAP]), 1e5, buffer=0.0, band=0.1, lot_size=0, costs=ProportionalCost(COST))
ACTIONS = np.array([-1.0, 0.0, 1.0])
SWITCH = COST * CAP * np.abs(ACTIONS[:, None] - ACTIONS)  # from, to
B, T = 400, 60
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]


def learn(paths, rngs):
    config = QAgentConfig(paths.observations.shape[3])
    return train_agent(paths, RULES, config, 3000, rngs).agent


def ar1(rng):
    """Returns with autocorrelation PHI, started from their stationary law, and seen as they come.

    The whole return falls between the open and the close, where a decision can reach it. The
    simulator knows what it expected, as `ForecasterSampler` does.
    """
    noise = rng.normal(0, SIGMA, (B, T + 1))
    returns = np.empty((B, T + 1))
    returns[:, 0] = noise[:, 0] / np.sqrt(1 - PHI**2)
    for t in range(1, T + 1):
        returns[:, t] = PHI * returns[:, t - 1] + noise[:, t]
    innovations = np.stack([np.zeros((B, T)), noise[:, 1:]], axis=2)
    return tape_of(
        returns[:, 1:], returns[:, :, None] / SIGMA, gap_share=0.0, innovations=innovations
    )


def best_ar1_policy(discount=0.99, n=201):
    """Grid of last returns (n,) and best action for each and each position, shape (n, 3)."""
    grid = np.linspace(-5, 5, n) * SIGMA / np.sqrt(1 - PHI**2)
    move = norm.pdf((grid - PHI * grid[:, None]) / SIGMA)
    move /= move.sum(axis=1, keepdims=True)
    gain = np.stack([move @ np.log1p(a * CAP * np.expm1(grid)) for a in ACTIONS], axis=1)
    value = np.zeros((n, 3))
    for _ in range(1500):
        q = gain[:, None] - SWITCH + discount * (move @ value)[:, None]
        value = q.max(axis=2)
    return grid, q.argmax(axis=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_agent_earns_what_the_optimal_policy_earns_on_an_ar1_market(seed):
    rngs = streams(seed, "ar1")
    agent = learn(ar1(rngs["paths"]), rngs)
    unseen = ar1(rngs["draws"])
    grid, best = best_ar1_policy()

    def optimal(outlook, standing):
        nearest = np.abs(grid - outlook.observation[:, 0, :1] * SIGMA).argmin(axis=1)
        held = np.abs(ACTIONS - standing.exposure).argmin(axis=1)
        return ACTIONS[best[nearest, held]][:, None]

    earned = rollout(greedy(agent), unseen, RULES).mean_reward
    possible = rollout(optimal, unseen, RULES).mean_reward
    assert possible > 3e-4
    assert earned >= 0.9 * possible


@pytest.mark.parametrize("seed", SEEDS)
def test_agent_finds_tomorrows_return_when_it_is_leaked(seed):
    """Against a clairvoyant who knows all returns to the end, net of costs."""
    rngs = streams(seed, "leak")

    def market(rng):
        returns = rng.normal(0, SIGMA, (B, T + 1))
        tape = tape_of(returns[:, :-1], returns[:, :, None] / SIGMA, gap_share=0.0)
        return returns[:, :-1], tape

    agent = learn(market(rngs["paths"])[1], rngs)
    returns, unseen = market(rngs["draws"])
    gain = np.log1p(ACTIONS * CAP * np.expm1(returns)[:, :, None])
    value = np.zeros((B, 3))
    for t in reversed(range(T)):
        value = (gain[:, t, None] - SWITCH + value[:, None]).max(axis=2)
    clairvoyant = value[:, 1].mean() / T  # from a flat start
    assert rollout(greedy(agent), unseen, RULES).mean_reward >= 0.95 * clairvoyant


@pytest.mark.parametrize("seed", SEEDS)
def test_agent_stays_flat_on_a_random_walk_and_claims_no_profit(seed):
    """Prices are a martingale; the market observations are its last return and pure noise."""
    rngs = streams(seed, "walk")

    def market(rng):
        returns = rng.normal(-0.5 * SIGMA**2, SIGMA, (B, T + 1))
        noise = rng.normal(0, 1, (B, T + 1, 5))
        seen = np.concatenate([noise, returns[:, :, None] / SIGMA], axis=2)
        return tape_of(returns[:, 1:], seen)

    agent = learn(market(rngs["paths"]), rngs)
    unseen = market(rngs["draws"])
    assert rollout(greedy(agent), unseen, RULES).mean_turnover < 0.01 * CAP
    values = agent.q_values(unseen.observations[:, 0, :-1].reshape(-1, 6), np.zeros((B * T, 1)))
    assert (values[:, [0, 2]] - values[:, [1]]).mean() <= 0
