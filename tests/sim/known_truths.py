"""Markets whose best policy is known, for agents of portfolios; and what a policy earns on them."""

from dataclasses import dataclass

import numpy as np

from models import kernels
from models.agent.outlook import FORECAST, prior_moments
from sim.accounting import Rules
from sim.paths import Paths
from sim.rewards import MeanVariance
from sim.rollout import rollout

SIGMA = 0.01


@dataclass(frozen=True)
class Known:
    """Markets, and of each row the weights (B, T, S) that are best there if trading is free."""

    paths: Paths
    best: np.ndarray


def market_of(returns, observations, expected, deviation=SIGMA, correlation=None):
    """Markets whose closes follow log returns (B, S, T); all of a move comes by day.

    Args:
        returns: after each decision.
        observations: at each of T+1 rows, shape (B, S, T+1, D).
        expected: of the returns, shape (B, S, T); the rest are innovations.
        deviation: what the forecasts claim, and the long-run one.
        correlation: that the forecasts claim, shape (S, S); the prior by default.
    """
    b, s, t = returns.shape
    closes = 50.0 * np.exp(np.concatenate([np.zeros((b, s, 1)), returns.cumsum(axis=2)], axis=2))
    opens = np.concatenate([closes[..., :1], closes[..., :-1]], axis=2)
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    bars = np.stack([opens, high, low, closes, np.full_like(closes, 1e6)], axis=-1)
    known = dict.fromkeys(FORECAST, 0.0)
    known |= dict.fromkeys(("deviation", "long_run", "volatility"), deviation)
    forecasts = np.broadcast_to([known[name] for name in FORECAST], (b, s, t + 1, len(FORECAST)))
    innovations = np.stack([np.zeros_like(returns), returns - expected], axis=-1)
    moments = prior_moments(s) if correlation is None else np.asarray(correlation)
    return Paths(
        bars,
        observations,
        np.tile(np.arange(s), (b, 1)),
        np.zeros((b, s), np.int64),
        innovations,
        np.array(forecasts),
        np.array(np.broadcast_to(moments, (b, s, s))),
    )


def ar1(rng, aversion, phi=0.2, b=400, t=60):
    """The last return says something of the next one."""
    noise = rng.normal(0, SIGMA, (b, 1, t + 1))
    returns = np.empty_like(noise)
    returns[..., 0] = noise[..., 0] / np.sqrt(1 - phi**2)
    for i in range(1, t + 1):
        returns[..., i] = phi * returns[..., i - 1] + noise[..., i]
    expected = phi * returns[..., :-1]
    paths = market_of(returns[..., 1:], returns[..., None] / SIGMA, expected)
    return Known(paths, free(expected, SIGMA**2, aversion))


def level_spread(pace=0.05):
    """Deviation of the log price about zero."""
    return SIGMA / np.sqrt(1 - (1 - pace) ** 2)


def ornstein_uhlenbeck(rng, aversion, pace=0.05, b=400, t=60):
    """A log price that returns to zero; the observation is its distance, see `level_spread`."""
    spread = level_spread(pace)
    level = np.empty((b, 1, t + 1))
    level[..., 0] = rng.normal(0, spread, (b, 1))
    for i in range(1, t + 1):
        level[..., i] = (1 - pace) * level[..., i - 1] + rng.normal(0, SIGMA, (b, 1))
    expected = -pace * level[..., :-1]
    paths = market_of(np.diff(level, axis=2), level[..., None] / spread, expected)
    return Known(paths, free(expected, SIGMA**2, aversion))


def two_regimes(rng, aversion, premium=0.0006, b=400, t=60, wild=3.0, stays=0.95):
    """A constant premium in calm and wild times; forecasts know of none, the observation does."""
    state = np.empty((b, 1, t + 1), dtype=bool)
    state[..., 0] = rng.random((b, 1)) < 0.5
    for i in range(1, t + 1):
        state[..., i] = state[..., i - 1] ^ (rng.random((b, 1)) > stays)
    deviation = np.where(state[..., :-1], wild * SIGMA, SIGMA)
    # The simple return has the premium: the log return has half the variance less.
    expected = premium - 0.5 * deviation**2
    returns = expected + rng.normal(size=(b, 1, t)) * deviation
    paths = market_of(returns, state[..., None].astype(float), expected)
    return Known(paths, free(np.full_like(deviation, premium), deviation**2, aversion, log=False))


def correlated_pair(rng, aversion, share=0.6, b=400, t=40):
    """Two symbols that move together; each one's premium is seen, the dependence is not.

    The best weights are those under caps of a half each.
    """
    premium = 0.0012 * rng.normal(size=(b, 2, t + 1))
    covariance = SIGMA**2 * np.array([[1.0, share], [share, 1.0]])
    noise = rng.normal(size=(b, t, 2)) @ np.linalg.cholesky(covariance).T
    expected = premium[..., :-1] - 0.5 * SIGMA**2
    paths = market_of(
        expected + noise.swapaxes(1, 2),
        premium[..., None] / 0.0012,
        expected,
        correlation=np.eye(2),
    )
    rows = premium[..., :-1].swapaxes(1, 2).reshape(-1, 2) / aversion
    high, best = np.full(rows.shape, 0.5), np.empty(rows.shape)
    matrices = np.tile(covariance, (len(rows), 1, 1))
    kernels.bounded_quadratic(rows, matrices, -high, high, 1.0, best)
    return Known(paths, best.reshape(b, t, 2))


def leaked(rng, b=400, t=60):
    """The observation is the return to come."""
    returns = rng.normal(0, SIGMA, (b, 1, t + 1))
    paths = market_of(returns[..., :-1], returns[..., None] / SIGMA, returns[..., :-1])
    return Known(paths, np.sign(returns[..., :-1]).swapaxes(1, 2))


def no_edge(rng, s=2, b=400, t=60):
    """A martingale; the observations are its last return and noise."""
    returns = rng.normal(-0.5 * SIGMA**2, SIGMA, (b, s, t + 1))
    seen = np.concatenate([returns[..., None] / SIGMA, rng.normal(size=(b, s, t + 1, 5))], axis=-1)
    expected = np.full((b, s, t), -0.5 * SIGMA**2)
    return Known(market_of(returns[..., 1:], seen, expected), np.zeros((b, t, s)))


def free(expected, variance, aversion, log=True):
    """Premium over aversion times variance (B, T, S); of log returns half the variance more."""
    premium = expected + 0.5 * variance if log else expected
    return (premium / (aversion * variance)).swapaxes(1, 2)


def by_row(targets):
    """The policy that asks for given exposures (B, T, S), row by row; for one rollout."""
    rows = iter(range(targets.shape[1]))
    return lambda outlook, standing: targets[:, next(rows)]


def earned(policy, paths: Paths, rules: Rules, aversion: float) -> tuple[float, float]:
    """Mean utility per bar, less its control variate, and mean traded value over equity."""
    done = rollout(policy, paths, rules, MeanVariance(aversion))
    return float(done.controlled.mean()), done.mean_turnover


def best_with_costs(gain, move, cost, n_bars, positions):
    """What is best by dynamic programming on a grid of states and positions.

    Args:
        gain: of each state and position, of one bar, shape (X, P).
        move: chances of the next state, shape (X, X).
        cost: of a whole position.
        n_bars: T.
        positions: shape (P,).

    Returns:
        Index of the best position for each row, state and present position, shape (T, X, P).
    """
    switch = cost * np.abs(positions[:, None] - positions)
    value, found = np.zeros_like(gain), []
    for _ in range(n_bars):
        ahead = (gain + move @ value)[:, None, :] - switch
        found.append(ahead.argmax(axis=2))
        value = ahead.max(axis=2)
    return np.stack(found[::-1])
