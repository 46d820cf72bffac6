"""Training the Q agent on market tapes, and finding out what it really learned.

A network trained on noise finds patterns in it and claims they pay. So a share of the paths is
held out, the trained agent trades them greedily, and its `hurdle` (what a position must promise
beyond staying flat) is set to the candidate with the best lower confidence bound of the held-out
reward. Staying flat is always among the candidates and earns exactly nothing: an agent that has
learned nothing does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES
from models.agent.q_agent import QAgent, QAgentConfig, TrainingCurve, train
from models.agent.replay import ReplayMemory
from models.reporting import Reporter
from sim.accounting import Rules
from sim.experience import transitions
from sim.paths import Paths
from sim.rollout import greedy, rollout

NEVER = 10.0
"""A hurdle no action takes: a position would have to promise a log growth of 10."""
HURDLE_QUANTILES = (0.5, 0.75, 0.9, 0.97)
"""Candidate hurdles, as quantiles of the advantage that the agent claims on held-out rows."""


@dataclass(frozen=True)
class AgentTraining:
    """A trained agent and how it came about.

    Attributes:
        agent: with its hurdle set.
        curve: of the updates.
        memory: the replay memory, to go on from.
        hurdles: candidates tried on the held-out paths, shape (C,); the last is `NEVER`.
        held_out_reward: mean log growth per bar with each, shape (C,).
        held_out_error: standard error of that, shape (C,).
    """

    agent: QAgent
    curve: TrainingCurve
    memory: ReplayMemory
    hurdles: NDArray[np.float64]
    held_out_reward: NDArray[np.float64]
    held_out_error: NDArray[np.float64]


def train_agent(
    paths: Paths,
    rules: Rules,
    config: QAgentConfig,
    updates: int,
    rngs: Mapping[str, np.random.Generator],
    *,
    previous: QAgent | None = None,
    memory: ReplayMemory | None = None,
    reporter: Reporter | None = None,
    held_out: float = 0.25,
    confidence: float = 2.0,
) -> AgentTraining:
    """Train on most paths, judge on the rest.

    Args:
        paths: B tapes; neighbours 2i and 2i+1 (antithetic pairs, as samplers lay them out) stay
            together.
        rules: what the agent trades under, one cap.
        config: its observation width must be that of the paths.
        updates: of the network.
        rngs: streams ``weights``, ``replay`` and ``episodes`` (`models.seeding.streams`).
        previous: agent to go on from.
        memory: memory to add to; a new one by default.
        reporter: hears how the updates go.
        held_out: share of the pairs to judge on, in (0, 1).
        confidence: standard errors subtracted from a candidate's held-out reward, >= 0.

    Raises:
        ValueError: for paths of another width than the agent's, fewer than four paths, or
            options out of range.
    """
    width = paths.observations.shape[2]
    if width != config.observation_width:
        raise ValueError(f"paths must have {config.observation_width} observations; got {width}")
    if paths.n_paths < 4:
        raise ValueError(f"paths must be at least 4, some to hold out; received {paths.n_paths}")
    if not 0 < held_out < 1:
        raise ValueError(f"held_out must lie in (0, 1); received {held_out!r}")
    if not 0 <= confidence < np.inf:
        raise ValueError(f"confidence must be finite and >= 0; received {confidence!r}")
    learn, judge = _split(paths.n_paths, held_out, rngs["episodes"])
    memory = ReplayMemory(config.memory) if memory is None else memory
    memory.add(transitions(paths.take(learn), rules, config.actions, rngs["episodes"]))
    agent, curve = train(
        config,
        memory,
        updates,
        weights_rng=rngs["weights"],
        replay_rng=rngs["replay"],
        previous=previous,
        reporter=reporter,
    )
    hurdles, reward, error = _judge(agent, paths.take(judge), rules)
    best = int(np.argmax(reward - confidence * error))
    return AgentTraining(
        agent.adjusted(hurdle=hurdles[best]), curve, memory, hurdles, reward, error
    )


def _split(n_paths: int, share: float, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Indices to learn from and to judge on; pairs of neighbours stay together."""
    order = rng.permutation(n_paths // 2)
    count = min(max(round(share * len(order)), 1), len(order) - 1)
    pairs = np.sort(order[:count])
    judge = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
    return np.setdiff1d(np.arange(n_paths), judge), judge


def _judge(agent: QAgent, paths: Paths, rules: Rules) -> tuple[NDArray, NDArray, NDArray]:
    """Candidate hurdles, their held-out reward per bar and its standard error, shape (C,).

    Rewards come without their control variate: held-out paths are few, noise would decide.
    """
    flat = np.abs(agent.actions).argmin()
    rows = paths.observations[:, :-1].reshape(-1, paths.observations.shape[2])
    values = agent.q_values(rows, np.zeros((len(rows), len(ACCOUNT_FEATURES))))
    claimed = (values - values[:, [flat]]).max(axis=1)
    claimed = claimed[claimed > 0]
    quantiles = np.quantile(claimed, HURDLE_QUANTILES) if claimed.size else np.empty(0)
    hurdles = np.array([0.0, *quantiles, NEVER])
    tiled = paths.take(np.tile(np.arange(paths.n_paths), len(hurdles)))
    done = rollout(greedy(agent, np.repeat(hurdles, paths.n_paths)), tiled, rules)
    rewards = done.controlled.mean(axis=1).reshape(len(hurdles), -1)
    pairs = 0.5 * (rewards[:, 0::2] + rewards[:, 1::2])
    error = pairs.std(axis=1, ddof=1) / np.sqrt(pairs.shape[1]) if pairs.shape[1] > 1 else 0.0
    return hurdles, rewards.mean(axis=1), np.broadcast_to(error, hurdles.shape).copy()
