"""Training agents that trade on the probability of a rise (`models.agent.thresholds`).

What they learn is classification: rows of most imagined markets, each with whether the price rose
within the horizon. The rest of the markets say how it is to be traded on. Each candidate for the
probability from which a whole position is held trades them, all symbols in one account, after
costs; the one with the best lower confidence bound of what it earns beyond staying flat is taken.
Where that is not above zero, the agent stays flat: noise taken for knowledge costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.agent.account import Standing
from models.agent.forest import ForestAgent, ForestConfig, forest_inputs, grow_trees
from models.agent.outlook import FORECAST, Outlook
from models.agent.thresholds import ThresholdAgent, Thresholds, rises
from models.market.history import CLOSE
from sim.accounting import Rules
from sim.agent_training import JudgingConfig, hold_out
from sim.paths import Paths
from sim.rewards import Reward
from sim.rollout import constant, rollout

Floats = NDArray[np.float64]


Judged = TypeVar("Judged", bound=ThresholdAgent)


@dataclass(frozen=True)
class ThresholdJudgement:
    """What an agent earned on held-out markets with each candidate.

    Attributes:
        full: candidates, ascending, shape (C,).
        reward: mean reward per bar beyond staying flat, less its control variate, shape (C,).
        error: standard error of that over pairs of markets, shape (C,).
        chosen: index of the candidate that was taken; None where the agent stays flat.
    """

    full: Floats
    reward: Floats
    error: Floats
    chosen: int | None


@dataclass(frozen=True)
class ForestTraining:
    """A trained forest and how it was judged."""

    agent: ForestAgent
    judgement: ThresholdJudgement


def train_forest(
    paths: Paths,
    rules: Rules,
    config: ForestConfig,
    rngs: Mapping[str, np.random.Generator],
    judging: JudgingConfig | None = None,
    reward: Reward | None = None,
) -> ForestTraining:
    """Grow a forest on most markets, judge it on the rest.

    There is no going on from another forest: trees cannot learn anything more.

    Args:
        paths: B markets of S symbols, with forecasts; neighbours 2i and 2i+1 stay together.
        rules: what an account that trades all symbols of a market is bound by.
        config: its observation width must be that of the paths.
        rngs: streams ``weights`` (the trees) and ``episodes`` (which markets are held out).
        judging: share that is held out, and confidence; as `JudgingConfig` by default.
        reward: what candidates are judged by; log growth by default.

    Raises:
        ValueError: for fewer than four markets, markets shorter than the horizon, without forecasts
            or of another width.
    """
    judging = judging or JudgingConfig()
    learn, judge = split_markets(paths, judging, config.thresholds.horizon, rngs)
    rows = paths.n_steps + 1 - config.thresholds.horizon
    seen = [forest_inputs(paths.outlook(row, learn), config) for row in range(rows)]
    rose = np.moveaxis(labels(paths.take(learn), config.thresholds.horizon), 2, 0)
    trees = grow_trees(np.concatenate(seen), rose.ravel(), config, rngs["weights"])
    cost = trading_cost(paths, rules)
    agent = ForestAgent(Thresholds(config.thresholds, cost), config, trees)
    return ForestTraining(*judged_thresholds(agent, paths.take(judge), rules, judging, reward))


def split_markets(
    paths: Paths, judging: JudgingConfig, horizon: int, rngs: Mapping[str, np.random.Generator]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Markets to learn from and to judge on; errors as of `train_forest`."""
    if paths.n_paths < 4:
        raise ValueError(f"paths must be at least 4, some to hold out; received {paths.n_paths}")
    if paths.n_steps < horizon:
        raise ValueError(f"paths must have the horizon's {horizon} bars; received {paths.n_steps}")
    return hold_out(paths.n_paths, judging.held_out, rngs["episodes"])


def labels(paths: Paths, horizon: int) -> NDArray[np.bool_]:
    """Whether prices rose within the horizon after each row that has it, (B, S, T + 1 - horizon).

    Raises:
        ValueError: for paths without forecasts.
    """
    if paths.forecasts is None:
        raise ValueError("paths must carry forecasts; received some that nobody observed")
    price = np.log(paths.bars[..., CLOSE])
    ahead = price[..., horizon:] - price[..., :-horizon]
    deviation = paths.forecasts[:, :, : ahead.shape[2], FORECAST.index("deviation")]
    return rises(ahead, deviation, horizon)


def trading_cost(paths: Paths, rules: Rules) -> float:
    """What it costs to trade whole positions at the markets' first closes, as a share of them."""
    prices = paths.bars[:, :, 0, CLOSE]
    shares = rules.equity * rules.caps_of(paths.series) / prices
    fills = rules.costs.fill_prices(shares, prices, prices)
    paid = rules.costs.fees(shares, fills, prices) + np.abs(fills - prices) * shares
    return float((paid / (shares * prices)).mean())


def judged_thresholds(
    agent: Judged, paths: Paths, rules: Rules, judging: JudgingConfig, reward: Reward | None
) -> tuple[Judged, ThresholdJudgement]:
    """The agent with the best of its thresholds, and how that was found."""
    known = [agent.probability(paths.outlook(row)) for row in range(paths.n_steps)]
    idle = rollout(constant(0.0), paths, rules, reward).controlled
    candidates = agent.thresholds.config.full
    mean, error = np.empty((2, len(candidates)))
    for i, full in enumerate(candidates):
        tried = agent.with_thresholds(replace(agent.thresholds, full=full))
        rows = iter(known)

        def policy(outlook: Outlook, standing: Standing, tried=tried, rows=rows) -> Floats:
            return tried.towards(next(rows), outlook, standing)

        ahead = (rollout(policy, paths, rules, reward).controlled - idle).mean(axis=1)
        pairs = 0.5 * (ahead[0::2] + ahead[1::2])
        mean[i] = pairs.mean()
        error[i] = pairs.std(ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else 0.0
    bound = mean - judging.confidence * error
    best = int(bound.argmax())
    chosen = best if bound[best] > 0 else None
    taken = None if chosen is None else candidates[chosen]
    judgement = ThresholdJudgement(np.array(candidates), mean, error, chosen)
    return agent.with_thresholds(replace(agent.thresholds, full=taken)), judgement
