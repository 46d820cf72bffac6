"""Training agents that trade on the probability of a rise (`models.agent.thresholds`).

What they learn is classification: rows of most imagined markets, each with how probable it was that
the price would rise within the horizon (`chances`). The rest of the markets say how that is to be
traded on. Each candidate for the probability from which a whole position is held trades them, all
symbols in one account, after costs; the one with the best lower confidence bound of what it earns
beyond staying flat is taken. Where that is not above zero, the agent stays flat: noise taken for
knowledge costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.agent.account import Standing
from models.agent.convolution import (
    UPDATES_PER_CALL,
    ConvolutionAgent,
    ConvolutionConfig,
    new_network,
)
from models.agent.convolution import borrowed_learner as borrowed_convolution
from models.agent.forest import ForestAgent, ForestConfig, forest_inputs, grow_trees
from models.agent.outlook import FORECAST, Outlook
from models.agent.thresholds import ThresholdAgent, Thresholds, rise
from models.arrays import column
from models.market.history import CLOSE
from models.reporting import Reporter, Silent
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
    chance = np.moveaxis(chances(paths.take(learn), config.thresholds.horizon), 2, 0)
    trees = grow_trees(np.concatenate(seen), chance.ravel(), config, rngs["weights"])
    cost = trading_cost(paths, rules)
    agent = ForestAgent(Thresholds(config.thresholds, cost), config, trees)
    return ForestTraining(*judged_thresholds(agent, paths.take(judge), rules, judging, reward))


@dataclass(frozen=True)
class ConvolutionTraining:
    """A trained network, how it was judged and how its training went.

    Attributes:
        agent: with its thresholds chosen.
        judgement: that chose them.
        update: updates done so far, one entry per `UPDATES_PER_CALL`, shape (M,).
        loss: mean cross entropy of these, in nats, shape (M,).
    """

    agent: ConvolutionAgent
    judgement: ThresholdJudgement
    update: NDArray[np.int64]
    loss: Floats


def train_convolution(
    paths: Paths,
    rules: Rules,
    config: ConvolutionConfig,
    updates: int,
    rngs: Mapping[str, np.random.Generator],
    previous: ConvolutionAgent | None = None,
    judging: JudgingConfig | None = None,
    reward: Reward | None = None,
    reporter: Reporter | None = None,
) -> ConvolutionTraining:
    """Train a network on windows drawn from most markets, judge it on the rest.

    A window may reach back before row 0, into what the paths remember (`Outlook.recent`).
    Trainings of the same architecture share one compiled learner and take turns; what is learned
    does not depend on who else is training.

    Args:
        paths: as for `train_forest`.
        rules: likewise.
        config: its observation width must be that of the paths.
        updates: of the network, >= 1; rounded up to a multiple of `UPDATES_PER_CALL`.
        rngs: streams ``weights`` (unless there is a previous agent), ``replay`` (the batches) and
            ``episodes`` (which markets are held out).
        previous: agent to go on from; it keeps its scaling.
        judging: as for `train_forest`.
        reward: likewise.
        reporter: hears ``loss``; must not itself train.

    Raises:
        ValueError: as `train_forest`, for no updates, or a previous agent of another make.
    """
    if updates < 1:
        raise ValueError(f"updates must be at least 1; received {updates}")
    if previous is not None and previous.config.make != config.make:
        raise ValueError(
            f"previous must be of the same make; received {previous.config} for {config}"
        )
    judging, reporter = judging or JudgingConfig(), reporter or Silent()
    learn, judge = split_markets(paths, judging, config.thresholds.horizon, rngs)
    seen = paths.take(learn)
    chance = chances(seen, config.thresholds.horizon)
    cost = trading_cost(paths, rules)
    if previous is None:
        agent = new_network(config, seen.observations, cost, rngs["weights"])
    else:
        agent = replace(previous, config=config, thresholds=Thresholds(config.thresholds, cost))
    windows = _Windows(agent, seen, chance)
    calls = -(-updates // UPDATES_PER_CALL)
    done, losses = (np.arange(calls) + 1) * UPDATES_PER_CALL, np.empty(calls)
    with borrowed_convolution(config) as learner:
        learner.load(agent.weights)
        for call in range(calls):
            rate = config.learning_rate * (0.525 + 0.475 * math.cos(math.pi * call / calls))
            losses[call] = learner.update(rate, *windows.draw(rngs["replay"]))
            reporter.update(int(done[call]), loss=losses[call])
        agent = replace(agent, weights=learner.weights())
    judged = judged_thresholds(agent, paths.take(judge), rules, judging, reward)
    return ConvolutionTraining(*judged, done, losses)


class _Windows:
    """What an agent's network reads of the rows of markets, each with the chance of a rise."""

    def __init__(self, agent: ConvolutionAgent, paths: Paths, chance: Floats) -> None:
        self._shape = UPDATES_PER_CALL, agent.config.batch_size
        self._chance = chance.astype(np.float32)
        # Once for all: every window is a part of this.
        rows = np.full(paths.n_paths, chance.shape[2] - 1)
        length = chance.shape[2] - 1 + agent.window
        self._scaled = agent.scaled(paths.recent(length, rows, np.arange(paths.n_paths)))
        self._back = np.arange(agent.window)

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Windows (U, batch, W, D) and the chance of a rise after each, (U, batch)."""
        b, s, rows = self._chance.shape
        market = rng.integers(b, size=self._shape)
        symbol = rng.integers(s, size=self._shape)
        row = rng.integers(rows, size=self._shape)
        at = market[..., None], symbol[..., None], row[..., None] + self._back
        return self._scaled[at], self._chance[market, symbol, row]


def split_markets(
    paths: Paths, judging: JudgingConfig, horizon: int, rngs: Mapping[str, np.random.Generator]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Markets to learn from and to judge on; errors as of `train_forest`."""
    if paths.n_paths < 4:
        raise ValueError(f"paths must be at least 4, some to hold out; received {paths.n_paths}")
    if paths.n_steps < horizon:
        raise ValueError(f"paths must have the horizon's {horizon} bars; received {paths.n_steps}")
    return hold_out(paths.n_paths, judging.held_out, rngs["episodes"])


def chances(paths: Paths, horizon: int) -> Floats:
    """How probable rises were that came within the horizon after each row that has it.

    Where innovations are known, that of a normal forecast about the sum of what each bar was
    expected to return when it came. Nobody could have known the rest: it is left out, so that an
    agent learns no luck by heart, which markets made of blocks of the same real bars share. Where
    they are not, one for a rise and zero for a fall.

    Returns:
        Shape (B, S, T + 1 - horizon).

    Raises:
        ValueError: for paths without forecasts.
    """
    if paths.forecasts is None:
        raise ValueError("paths must carry forecasts; received some that nobody observed")
    price = np.log(column(paths.bars, CLOSE))
    known = paths.innovations is not None and bool(paths.innovations.any())
    if paths.innovations is not None:
        price[..., 1:] -= paths.innovations.sum(axis=3).cumsum(axis=2)
    ahead = price[..., horizon:] - price[..., :-horizon]
    deviation = paths.forecasts[:, :, : ahead.shape[2], FORECAST.index("deviation")]
    moved = rise(ahead, deviation, horizon)
    return ndtr(moved) if known else (moved > 0.0).astype(float)


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
