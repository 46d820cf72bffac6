"""Training the residual agent by the gradient of its reward through the accounting.

An update takes stretches of imagined markets, trades them with the agent as it is, and moves the
network along the exact gradient of what the accounts earned (`sim.differentiable`), every effect
of a decision on later bars included (Moody and Saffell 2001, direct reinforcement): there is no
critic and no exploration whose noise would have to be averaged out. What is left of noise is the
markets' own, and most of that is known here: rewards come less what nobody could have known
(`sim.differentiable.control_variate`), which leaves the gradient's mean where it is.

Rewards are those of `sim.rewards`; one that remembers starts afresh on each stretch.

Corrections to the analytic policy are charged pull · mean(correction²), in units of the variance
that they move: aversion / 2 · (cap · deviation)², averaged over the training markets and times what
a small gain is worth. So a pull means the same in wild and calm markets, for large and small caps
and for any reward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.agent.outlook import Outlook
from models.agent.residual_agent import (
    MARKET_INPUTS,
    ResidualAgent,
    ResidualAgentConfig,
    market_inputs,
    new_agent,
)
from models.lending import Lender
from models.limits import cap_weights
from models.market.history import CLOSE, OPEN
from models.reporting import Reporter, Silent
from sim.accounting import Rules
from sim.paths import Paths
from sim.rewards import MeanVariance, Reward

if TYPE_CHECKING:
    from sim.residual_update import ResidualUpdate

Floats = NDArray[np.float64]

REPORT_EVERY = 25
"""Updates between two entries of a training curve."""
START_SPREAD = 0.3
"""Deviation, in exposure, of half of the first positions about the analytic policy's: as far from
it as a band and some bars' correction lead. The others are anywhere, so that the way back is
learned, too."""
FOLLOWING = 0.5
"""Share of a training in which positions within a no-trade band follow their targets in the
gradient (`sim.differentiable`), fully at the start and less and less. Without, an agent that starts
within the band of its targets may never learn to leave it; with it to the end, it trades too much
(an Ornstein-Uhlenbeck market at 20 bp, bands of .1 and .2: 94 and 87 % of the optimum, so 99.7 and
98.6 %)."""
ROWS_AT_ONCE = 4096
"""Rows whose analytic policy is worked out in one go, to bound memory."""


@dataclass(frozen=True)
class ResidualCurve:
    """How a training went; one entry per `REPORT_EVERY` updates.

    Attributes:
        update: updates done so far, shape (M,).
        reward: mean reward per bar, less its control variate, of the updates since the last
            entry, shape (M,).
        correction: root of the mean squared correction of these, in exposure, shape (M,).
    """

    update: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reward: Floats = field(default_factory=lambda: np.empty(0))
    correction: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ResidualTraining:
    """A trained agent and how its training went."""

    agent: ResidualAgent
    curve: ResidualCurve


def train_residual(
    paths: Paths,
    rules: Rules,
    config: ResidualAgentConfig,
    updates: int,
    rngs: Mapping[str, np.random.Generator],
    previous: ResidualAgent | None = None,
    reporter: Reporter | None = None,
    reward: Reward | None = None,
) -> ResidualTraining:
    """Train on stretches of markets drawn anew in every update; twins 2i, 2i+1 come together.

    Trainings of the same architecture share one compiled update and take turns; what is learned
    does not depend on who else is training.

    Args:
        paths: B markets of S symbols, with forecasts.
        rules: what an account that trades all symbols of a market is bound by.
        config: its observation width must be that of the paths.
        updates: of the network, >= 1. None are made under an infinite pull.
        rngs: streams ``weights`` (unless there is a previous agent) and ``replay`` (which
            markets, rows and first positions; `models.seeding.streams`).
        previous: agent to go on from; it keeps its scaling.
        reporter: hears ``reward`` and ``correction``; must not itself train.
        reward: of a bar; by default mean and variance under the aversion of the analytic policy.

    Raises:
        ValueError: for no updates, paths without forecasts or of another width, forecasts that
            are not finite or have deviations that are not positive, rules that cannot be
            differentiated, or a previous agent of another make.
    """
    from sim.differentiable import Terms  # TensorFlow takes seconds to import; acting needs none

    if updates < 1:
        raise ValueError(f"updates must be at least 1; received {updates}")
    if previous is not None and _make(previous.config) != _make(config):
        raise ValueError(
            f"previous must be of the same make; received {previous.config} for {config}"
        )
    terms = Terms.of(rules)
    agent = previous or new_agent(config, paths.observations[:, :, :-1], rngs["weights"])
    agent = replace(agent, config=config)
    if math.isinf(config.pull):
        return ResidualTraining(agent, ResidualCurve())
    reward = reward or MeanVariance(config.policy.aversion)
    tapes = Tapes.of(paths, rules, agent, reward)
    reporter = reporter or Silent()
    horizon = min(config.horizon, paths.n_steps)
    found = np.empty((updates, 2))
    entries: list[tuple[int, float, float]] = []
    with _borrowed(config, terms, rules.ruin, reward) as unroll:
        unroll.learner.load(agent.weights)
        for i in range(updates):
            rate = config.learning_rate * (0.525 + 0.475 * math.cos(math.pi * i / updates))
            unroll.learner.set_rate(rate)
            batch = tapes.draw(config, horizon, rngs["replay"])
            found[i] = unroll.update(batch, config.pull, max(0.0, 1.0 - i / (FOLLOWING * updates)))
            done = i + 1
            if done % REPORT_EVERY == 0 or done == updates:
                since = found[entries[-1][0] if entries else 0 : done].mean(axis=0)
                entries.append((done, since[0], math.sqrt(since[1])))
                reporter.update(done, reward=since[0], correction=math.sqrt(since[1]))
        agent = replace(agent, weights=unroll.learner.weights())
    curve = ResidualCurve(*(np.array(column) for column in zip(*entries, strict=True)))
    return ResidualTraining(agent, curve)


@dataclass(frozen=True)
class Batch:
    """Stretches of H bars of M markets, time first.

    Attributes:
        market: inputs of the network that do not depend on what is held, shape (H, M, S, K).
        aim: exposures of the analytic policy, shape (H, M, S).
        closes: from the first decision's on, shape (H+1, M, S).
        opens: at which decisions fill, shape (H, M, S).
        innovations: of the bars that decisions meet, shape (H, M, S, 2).
        start: first weights, shape (M, S).
        caps: shape (M, S).
        equity: first equity, in $.
        scale: what rewards are divided by (`Tapes`).
    """

    market: NDArray[np.float32]
    aim: Floats
    closes: Floats
    opens: Floats
    innovations: Floats
    start: Floats
    caps: Floats
    equity: float
    scale: float


@dataclass(frozen=True)
class Tapes:
    """What the updates of one training draw from; all that does not depend on what is held.

    Attributes:
        agent: whose scaling of observations and analytic policy these are.
        rules: what the accounts are bound by.
        observations: as of the paths, shape (B, S, T+1, D).
        known: the other inputs, shape (B, T+1, S, K - D), columns `MARKET_INPUTS`.
        aim: exposures of the analytic policy, shape (B, T+1, S).
        opens: shape (B, T+1, S).
        closes: likewise.
        innovations: shape (B, T, S, 2); zero where none are known.
        caps: shape (B, S).
        scale: what the variance of full exposures costs, the symbols' summed, in units of reward.
    """

    agent: ResidualAgent
    rules: Rules
    observations: NDArray[np.float32]
    known: NDArray[np.float32]
    aim: Floats
    opens: Floats
    closes: Floats
    innovations: Floats
    caps: Floats
    scale: float

    @classmethod
    def of(cls, paths: Paths, rules: Rules, agent: ResidualAgent, reward: Reward) -> Tapes:
        """Those of given paths; errors as of `train_residual`."""
        b, s, rows = paths.n_paths, paths.n_symbols, paths.n_steps + 1
        caps = np.broadcast_to(rules.caps, (b, s))
        if rules.caps.size > 1:
            caps = rules.caps_of(paths.series.ravel()).reshape(b, s)
        known = np.empty((b, rows, s, len(MARKET_INPUTS)), np.float32)
        aim = np.empty((b, rows, s))
        moved = 0.0
        at_once = max(ROWS_AT_ONCE // rows, 1)
        for first in range(0, b, at_once):
            some = slice(first, first + at_once)
            outlook = _every_row(paths, some)
            limits = np.repeat(caps[some], rows, axis=0)
            best = agent.policy.aim(outlook, limits, rules.gross)
            inputs = market_inputs(outlook, best, limits, rules.gross)
            if not np.isfinite(inputs).all():
                raise ValueError("forecasts must be finite, with deviations > 0; received others")
            aim[some] = best.reshape(-1, rows, s)
            known[some] = inputs.reshape(-1, rows, s, inputs.shape[-1])
            moved += float(((limits * outlook.column("deviation")) ** 2).sum())
        worth = float(np.mean(reward.slope(reward.start(1))))
        innovations = np.zeros((b, rows - 1, s, 2))
        if paths.innovations is not None:
            innovations[:] = paths.innovations.swapaxes(1, 2)
        return cls(
            agent,
            rules,
            paths.observations,
            known,
            aim,
            np.ascontiguousarray(paths.bars[..., OPEN].swapaxes(1, 2)),
            np.ascontiguousarray(paths.bars[..., CLOSE].swapaxes(1, 2)),
            innovations,
            caps,
            0.5 * agent.config.policy.aversion * moved / (b * rows) * worth,
        )

    def draw(self, config: ResidualAgentConfig, horizon: int, rng: np.random.Generator) -> Batch:
        """Stretches of twins, from the same row of both, and where their accounts start."""
        b, rows = self.aim.shape[:2]
        pairs = rng.integers(-(-b // 2), size=-(-config.markets // 2))
        market = np.stack([2 * pairs, np.minimum(2 * pairs + 1, b - 1)], axis=1)
        row = np.repeat(rng.integers(rows - horizon, size=len(pairs)), 2)[: config.markets]
        market = market.ravel()[: config.markets]
        at = row + np.arange(horizon + 1)[:, None]
        aim = self.aim[market, at]
        caps = self.caps[market]
        low = -1.0 if config.policy.allow_short else 0.0
        near = aim[0] + rng.normal(0.0, START_SPREAD, aim[0].shape)
        far = rng.uniform(low, 1.0, aim[0].shape)
        first = np.where(rng.random((len(market), 1)) < 0.5, near, far)
        weights = cap_weights(np.clip(first, low, 1.0) * caps, caps, self.rules.gross)
        seen = self.observations[market, :, at[:-1]]
        return Batch(
            np.concatenate([self.agent.scaled(seen), self.known[market, at[:-1]]], axis=-1),
            aim[:-1],
            self.closes[market, at],
            self.opens[market, at[1:]],
            self.innovations[market, at[:-1]],
            weights * (1.0 - self.rules.buffer),
            caps,
            self.rules.equity,
            self.scale,
        )


def _every_row(paths: Paths, markets: slice) -> Outlook:
    """What is known after every row of some markets, market by market, without observations."""
    if paths.forecasts is None:
        raise ValueError("paths must carry forecasts; received some that nobody observed")
    s = paths.n_symbols
    forecast = paths.forecasts[markets].swapaxes(1, 2).reshape(-1, s, paths.forecasts.shape[-1])
    return Outlook(
        np.zeros((len(forecast), s, 0), np.float32),
        forecast,
        paths.correlations[markets].reshape(-1, s, s).astype(np.float64),
    )


def _make(config: ResidualAgentConfig) -> tuple:
    return config.observation_width, config.units


def _borrowed(
    config: ResidualAgentConfig, terms: Any, ruin: float, reward: Any
) -> AbstractContextManager[ResidualUpdate]:
    """The compiled update of an architecture under given terms, for this thread alone.

    There is one for all retrainings of a process, because compiling it takes seconds.
    """
    # What is passed to the compiled update, or is no part of it, must not make another one.
    policy = replace(config.policy, aversion=1.0, sharpe_ratio=1.0, trend=1.0)
    make = replace(config, policy=policy, pull=0.0, learning_rate=1.0, markets=1, horizon=1)
    return _UPDATES.borrow(make, terms, ruin, reward)


def _update_of(*arguments: Any) -> ResidualUpdate:
    from sim.residual_update import ResidualUpdate

    return ResidualUpdate(*arguments)


_UPDATES = Lender(_update_of)


@dataclass(frozen=True)
class PullChoice:
    """How a pull was chosen.

    Attributes:
        pulls: candidates, ascending, shape (C,).
        scores: of each on each slice, shape (C, N).
        error: standard error of the best one's mean advantage over each, shape (C,).
        chosen: index of the candidate that was chosen.
    """

    pulls: Floats
    scores: Floats
    error: Floats
    chosen: int

    @property
    def pull(self) -> float:
        """The chosen one."""
        return float(self.pulls[self.chosen])


def choose_pull(
    pulls: Sequence[float], score: Callable[[float], Floats], errors: float = 1.0
) -> PullChoice:
    """The strongest pull that is not worse than the best one by more than chance explains.

    That is the rule of one standard error (Hastie, Tibshirani and Friedman 2009, section 7.10),
    here of differences slice by slice, because all candidates share what happened in a slice.

    Args:
        pulls: candidates, one or more, different, each >= 0; infinite is the analytic policy.
        score: what an agent trained with a pull earned on each of N slices of time that came
            after what it was trained on, shape (N,), N >= 2; the same slices for every pull.
        errors: how many standard errors count as chance, >= 0.

    Raises:
        ValueError: for no or equal candidates, or scores that are not finite or do not match.
    """
    candidates = np.sort(np.array(pulls, dtype=float))
    if not candidates.size or not (candidates >= 0).all() or len(set(pulls)) < len(pulls):
        raise ValueError(f"pulls must be different numbers >= 0, one or more; received {pulls!r}")
    if not errors >= 0:
        raise ValueError(f"errors must be >= 0; received {errors!r}")
    found = [np.asarray(score(float(pull)), dtype=float) for pull in candidates]
    if any(one.shape != found[0].shape or one.ndim != 1 or one.size < 2 for one in found):
        raise ValueError(
            "score must give two or more numbers, as many for every pull; received shapes "
            f"{[one.shape for one in found]}"
        )
    scores = np.stack(found)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite; received others")
    ahead = scores[scores.mean(axis=1).argmax()] - scores
    error = ahead.std(axis=1, ddof=1) / math.sqrt(scores.shape[1])
    good = np.flatnonzero(ahead.mean(axis=1) <= errors * error)
    return PullChoice(candidates, scores, error, int(good[-1]))
