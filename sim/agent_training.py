"""Training the Q agent on market tapes, and finding out what it really learned.

A network trained on noise finds patterns in it and claims they pay. So a share of the markets is
held out, the trained agent trades them greedily, and its `hurdle` (what a position must promise
beyond staying flat) is set to the candidate with the best lower confidence bound of the held-out
reward. Staying flat, an infinite hurdle, is always among the candidates and earns exactly what no
growth is worth: an agent that has learned nothing does nothing. Markets are held out whole, since
an account trades one symbol's share of a market and the other shares know what happened there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES
from models.agent.q_agent import QAgent, QAgentConfig, TrainingCurve, train
from models.agent.replay import ReplayMemory
from models.reporting import Progress, Reporter, Silent
from sim.accounting import Rules
from sim.curriculum import Stage
from sim.experience import transitions
from sim.paths import Paths, PathSampler
from sim.rewards import Reward
from sim.rollout import greedy, rollout


@dataclass(frozen=True)
class JudgingConfig:
    """How a trained agent is judged.

    Attributes:
        held_out: share of the pairs of markets to judge on, in (0, 1). A quarter is the usual size
            of a validation set (Hastie, Tibshirani and Friedman 2009, section 7.2).
        confidence: standard errors subtracted from a candidate's held-out reward, finite, >= 0.
            A candidate worth nothing is preferred to staying flat only where its mean is above so
            many errors: at 2 with a chance of 2.3 % each, so of at most 2.3 % · C for any of C
            finite candidates (Bonferroni), 11 % for the default ones.
        hurdle_quantiles: candidate hurdles as quantiles of the advantage for a whole exposure that
            the agent claims on held-out rows, ascending, in (0, 1). By default each keeps a half to
            a third of the rows of the one before, from all that claim any to one in thirty-three.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    held_out: float = 0.25
    confidence: float = 2.0
    hurdle_quantiles: tuple[float, ...] = (0.5, 0.75, 0.9, 0.97)

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must lie in (0, 1); received {self.held_out!r}")
        if not 0 <= self.confidence < np.inf:
            raise ValueError(f"confidence must be finite and >= 0; received {self.confidence!r}")
        ends = np.array([0.0, *self.hurdle_quantiles, 1.0])
        if not (np.diff(ends) > 0).all():
            raise ValueError(
                f"hurdle_quantiles must ascend within (0, 1); received {self.hurdle_quantiles!r}"
            )


@dataclass(frozen=True)
class Judgement:
    """What an agent earned on held-out paths under each candidate hurdle.

    Attributes:
        update: updates done when it was judged, counted over all stages.
        hurdles: candidates, ascending, shape (C,); the first is 0, the last infinite.
        reward: mean reward per bar with each, less its control variate, shape (C,).
        error: standard error of that over pairs of markets with all their symbols, which are not
            independent of each other, shape (C,); 0 for a single pair.
        chosen: index of the candidate with the best lower confidence bound.
    """

    update: int
    hurdles: NDArray[np.float64]
    reward: NDArray[np.float64]
    error: NDArray[np.float64]
    chosen: int


@dataclass(frozen=True)
class AgentTraining:
    """A trained agent and how it came about.

    Attributes:
        agent: with its hurdle set.
        curve: of the updates, counted over all stages.
        memory: the replay memory, to go on from.
        judgements: one for each stage, oldest first; the last set the hurdle.
    """

    agent: QAgent
    curve: TrainingCurve
    memory: ReplayMemory
    judgements: tuple[Judgement, ...]

    @property
    def hurdles(self) -> NDArray[np.float64]:
        """Candidates of the last judgement, shape (C,)."""
        return self.judgements[-1].hurdles

    @property
    def held_out_reward(self) -> NDArray[np.float64]:
        """Mean reward per bar with each candidate at the last judgement, shape (C,)."""
        return self.judgements[-1].reward

    @property
    def held_out_error(self) -> NDArray[np.float64]:
        """Standard error of that, shape (C,)."""
        return self.judgements[-1].error

    @property
    def chosen(self) -> int:
        """Index of the candidate that the agent's hurdle is."""
        return self.judgements[-1].chosen


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
    judging: JudgingConfig | None = None,
    reward: Reward | None = None,
) -> AgentTraining:
    """Train on most markets, judge on the rest, in an account for each symbol's share.

    Where the shares hold more decisions than the memory has room for, as many as fit are drawn.

    Args:
        paths: B markets; neighbours 2i and 2i+1 (pairs of twins, as samplers lay them out) stay
            together.
        rules: what the agent trades under; one cap, or one for each series of the paths.
        config: its observation width must be that of the paths.
        updates: of the network.
        rngs: streams ``weights``, ``replay`` and ``episodes`` (`models.seeding.streams`).
        previous: agent to go on from.
        memory: memory to add to; a new one by default.
        reporter: hears how the updates go.
        judging: how the agent is judged; as `JudgingConfig` by default.
        reward: what it learns to earn and is judged by; log growth by default.

    Raises:
        ValueError: for paths of another width than the agent's or fewer than four markets.
    """
    judging = judging or JudgingConfig()
    width = paths.observations.shape[3]
    if width != config.observation_width:
        raise ValueError(f"paths must have {config.observation_width} observations; got {width}")
    if paths.n_paths < 4:
        raise ValueError(f"paths must be at least 4, some to hold out; received {paths.n_paths}")
    learn, judge = hold_out(paths.n_paths, judging.held_out, rngs["episodes"])
    memory = ReplayMemory(config.memory) if memory is None else memory
    shares = _shares(paths, learn)
    room = max(memory.capacity // paths.n_steps, 1)
    if len(shares) > room:
        shares = np.sort(rngs["episodes"].permutation(shares)[:room])
    each = paths.each()
    found = transitions(each.take(shares), rules, config.actions, rngs["episodes"], reward)
    memory.add(found)
    agent, curve = train(
        config,
        memory,
        updates,
        weights_rng=rngs["weights"],
        replay_rng=rngs["replay"],
        previous=previous,
        reporter=reporter,
    )
    held_out = each.take(_shares(paths, judge))
    judgement = _judge(
        agent, held_out, paths.n_symbols, rules, judging, reward, int(curve.update[-1])
    )
    agent = agent.with_hurdle(judgement.hurdles[judgement.chosen])
    return AgentTraining(agent, curve, memory, (judgement,))


def train_on_imagined(
    sampler: PathSampler,
    rules: Rules,
    config: QAgentConfig,
    stages: Sequence[Stage],
    rngs: Mapping[str, np.random.Generator],
    *,
    previous: QAgent | None = None,
    progress: Progress | None = None,
    judging: JudgingConfig | None = None,
    reward: Reward | None = None,
) -> AgentTraining:
    """Train through a curriculum: each stage imagines paths, remembers them and goes on learning.

    Args:
        sampler: of the markets; its series are those of the rules' caps.
        rules: what the agent trades under.
        config: what the agent is made of.
        stages: at least one (`sim.curriculum.growing`).
        rngs: streams ``paths`` and those of `train_agent`; each goes on from stage to stage.
        previous: agent to go on from.
        progress: hears of the stages ``simulation`` and ``agent``, and of the updates of these.
        judging: how the agent is judged after each stage; as `JudgingConfig` by default.
        reward: as for `train_agent`.

    Returns:
        The training of the last stage, with the curve and the judgements of all.

    Raises:
        ValueError: without a stage, or as `train_agent`.
    """
    if not stages:
        raise ValueError("a curriculum must have at least one stage; received none")
    progress = progress or Silent()
    agent, memory, done = previous, None, 0
    curves: list[TrainingCurve] = []
    judgements: list[Judgement] = []
    for stage in stages:
        with progress.stage("simulation"):
            paths = sampler.sample(stage.n_paths, stage.n_steps, rngs["paths"])
        with progress.stage("agent", stage.updates) as reporter:
            training = train_agent(
                paths,
                rules,
                config,
                stage.updates,
                rngs,
                previous=agent,
                memory=memory,
                reporter=reporter,
                judging=judging,
                reward=reward,
            )
        agent, memory = training.agent, training.memory
        curves.append(replace(training.curve, update=done + training.curve.update))
        (judgement,) = training.judgements
        judgements.append(replace(judgement, update=done + judgement.update))
        done = judgements[-1].update
    curve = TrainingCurve(
        *(
            np.concatenate([getattr(part, name) for part in curves])
            for name in ("update", "loss", "claimed_value")
        )
    )
    return replace(training, curve=curve, judgements=tuple(judgements))


def _shares(paths: Paths, markets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where `Paths.each` has the shares of some markets, market by market."""
    return (markets[:, None] * paths.n_symbols + np.arange(paths.n_symbols)).ravel()


def hold_out(
    n_paths: int, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Markets to learn from and to judge on, a share of them; pairs of neighbours stay together."""
    order = rng.permutation(n_paths // 2)
    count = min(max(round(share * len(order)), 1), len(order) - 1)
    pairs = np.sort(order[:count])
    judge = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
    return np.setdiff1d(np.arange(n_paths), judge), judge


def _judge(
    agent: QAgent,
    paths: Paths,
    n_symbols: int,
    rules: Rules,
    judging: JudgingConfig,
    reward: Reward | None,
    update: int,
) -> Judgement:
    """Trade the shares of markets of so many symbols under every candidate.

    Rewards come without their control variate: held-out paths are few, noise would decide.
    """
    rows = paths.observations[:, 0, :-1].reshape(-1, paths.observations.shape[3])
    values = agent.q_values(rows, np.zeros((len(rows), len(ACCOUNT_FEATURES))))
    # Of each row, the hurdle that would keep it flat.
    size = np.abs(agent.actions) - np.abs(agent.actions[agent.flat])
    claimed = (values - values[:, [agent.flat]])[:, size > 0] / size[size > 0]
    claimed = claimed.max(axis=1)
    claimed = claimed[claimed > 0]
    quantiles = np.quantile(claimed, judging.hurdle_quantiles) if claimed.size else np.empty(0)
    hurdles = np.array([0.0, *quantiles, np.inf])
    tiled = paths.take(np.tile(np.arange(paths.n_paths), len(hurdles)))
    done = rollout(greedy(agent, np.repeat(hurdles, paths.n_paths)), tiled, rules, reward)
    rewards = done.controlled.mean(axis=1).reshape(len(hurdles), -1, n_symbols).mean(axis=2)
    pairs = 0.5 * (rewards[:, 0::2] + rewards[:, 1::2])
    error = np.zeros(len(hurdles))
    if pairs.shape[1] > 1:
        error = pairs.std(axis=1, ddof=1) / np.sqrt(pairs.shape[1])
    mean = rewards.mean(axis=1)
    chosen = int(np.argmax(mean - judging.confidence * error))
    return Judgement(update, hurdles, mean, error, chosen)
