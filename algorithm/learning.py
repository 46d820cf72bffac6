"""Learning, from histories to an agent: forecaster, imagined markets, agent.

No LEAN and no store here: `algorithm.training` decides whether to learn or to reuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.agent.agent import Agent
from models.agent.family import AGENTS, DQN, MEAN_VARIANCE
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.observation import Observer
from models.agent.q_agent import QAgent, QAgentConfig
from models.forecast.forecaster import Forecaster, ForecasterConfig
from models.market.features import FeatureTable
from models.reporting import Progress
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import AgentTraining, JudgingConfig, train_on_imagined
from sim.blocks import MEAN_BLOCK
from sim.curriculum import Stage, growing
from sim.path_sampler import ForecasterSampler
from sim.starts import Starts


@dataclass(frozen=True)
class ImaginationConfig:
    """The markets that are imagined for a training.

    Attributes:
        paths: markets of the last stage of a first training, each with all symbols, >= 8.
        retrain_paths: likewise of a later training, >= 8.
        bars: in each market of full length, >= 1.
        blend: share of the markets whose noise is bootstrapped from real residuals, in [0, 1].
        mean_block: mean length of the bootstrapped blocks, bars, >= 1.
        stages: of the curriculum of a first training, >= 1; a later one has a single stage.
    """

    paths: int = 512
    retrain_paths: int = 256
    bars: int = 60
    blend: float = 0.9
    mean_block: float = MEAN_BLOCK
    stages: int = 3


@dataclass(frozen=True)
class AgentConfig:
    """The agent and how long it learns.

    Attributes:
        kind: one of `models.agent.family.AGENTS`.
        allow_short: whether it may hold less than nothing.
        analytic: the investor, and what the analytic agent expects of symbols.
        network: what a double DQN is made of.
        judging: how held-out paths decide what it may do.
        updates: of its network in a first training.
        retrain_updates: in a later one.
    """

    kind: str = MEAN_VARIANCE
    allow_short: bool = True
    analytic: MeanVarianceConfig = field(default_factory=MeanVarianceConfig)
    network: QAgentConfig = field(
        default_factory=lambda: QAgentConfig(observation_width=len(Observer.names))
    )
    judging: JudgingConfig = field(default_factory=JudgingConfig)
    updates: int = 4000
    retrain_updates: int = 200


@dataclass(frozen=True)
class LearningConfig:
    """Everything that learning takes besides histories and the account's rules.

    Attributes:
        seed: of every random stream.
        forecaster: the LSTM and its fit.
        imagination: the markets that are imagined.
        agent: the agent and how long it learns.
    """

    seed: int = 1
    forecaster: ForecasterConfig = field(default_factory=ForecasterConfig)
    imagination: ImaginationConfig = field(default_factory=ImaginationConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)


def data_end(tables: Sequence[FeatureTable]) -> np.datetime64:
    """Time of the newest bar of all histories."""
    return max(table.history.data_end for table in tables)


def fit_forecaster(
    tables: Sequence[FeatureTable],
    config: LearningConfig,
    previous: Forecaster | None,
    progress: Progress,
) -> Forecaster:
    """The forecaster of what comes after the histories.

    Args:
        tables: one per symbol.
        config: see `LearningConfig`.
        previous: forecaster to start from (warm start), or None.
        progress: hears of the stage ``forecaster``.

    Raises:
        ValueError: if a history is too short.
    """
    settings = config.forecaster
    epochs = settings.epochs if previous is None else settings.retrain_epochs
    with progress.stage("forecaster", epochs) as reporter:
        return Forecaster.fit(
            tables, settings, seed=config.seed, previous=previous, reporter=reporter
        )


def imagined_markets(
    tables: Sequence[FeatureTable],
    forecaster: Forecaster,
    config: ImaginationConfig,
    *,
    starts: Starts = "any",
) -> ForecasterSampler:
    """The source of the markets that an agent learns on; `starts` as in `ForecasterSampler`."""
    return ForecasterSampler(
        Observer(forecaster),
        tables,
        blend=config.blend,
        mean_block=config.mean_block,
        starts=starts,
    )


def curriculum(config: LearningConfig, *, first: bool) -> tuple[Stage, ...]:
    """The stages of a first training, which grow, or the only one of a later training."""
    imagination, agent = config.imagination, config.agent
    if first:
        return growing(
            imagination.paths, imagination.bars, agent.updates, stages=imagination.stages
        )
    return growing(imagination.retrain_paths, imagination.bars, agent.retrain_updates, stages=1)


@dataclass(frozen=True)
class AgentCurve:
    """How an agent's learning went; empty for one that has nothing to learn.

    Attributes:
        update: updates done so far, shape (M,).
        loss: of the scaled action values, shape (M,).
        claimed_value: mean value that the agent claims for its best action, in log growth, (M,).
        held_out_update: updates done at the end of each stage, shape (G,).
        held_out_reward: what it earned on held-out imagined paths, mean log growth a bar, (G,).
        held_out_error: standard error of that, shape (G,).
    """

    update: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    claimed_value: tuple[float, ...] = ()
    held_out_update: tuple[float, ...] = ()
    held_out_reward: tuple[float, ...] = ()
    held_out_error: tuple[float, ...] = ()

    @classmethod
    def of(cls, done: AgentTraining) -> AgentCurve:
        """The numbers of a training that are kept and shown."""
        judged = done.judgements
        return cls(
            update=tuple(map(float, done.curve.update)),
            loss=tuple(map(float, done.curve.loss)),
            claimed_value=tuple(map(float, done.curve.claimed_value)),
            held_out_update=tuple(float(one.update) for one in judged),
            held_out_reward=tuple(float(one.reward[one.chosen]) for one in judged),
            held_out_error=tuple(float(one.error[one.chosen]) for one in judged),
        )


def learn_to_trade(
    tables: Sequence[FeatureTable],
    forecaster: Forecaster,
    config: LearningConfig,
    rules: Rules,
    previous: Agent | None,
    progress: Progress,
) -> tuple[Agent, AgentCurve]:
    """An agent of the kind that is asked for, and how its learning went.

    One that learns does so on imagined markets only, in the account it will trade. A first training
    goes through the growing curriculum; a later one goes on from the previous agent with paths of
    full length from the new forecaster.

    Args:
        tables: one per symbol, in the order of `rules.caps`.
        forecaster: imagines the markets.
        config: see `LearningConfig`.
        rules: the account's size, caps and costs.
        previous: agent to go on from; one of another kind is none.
        progress: hears of the stages ``simulation`` and ``agent``.
    """
    agent = config.agent
    if agent.kind == MEAN_VARIANCE:
        return MeanVariance(replace(agent.analytic, allow_short=agent.allow_short)), AgentCurve()
    if agent.kind != DQN:
        raise ValueError(f"agent must be one of {AGENTS}; received {agent.kind!r}")
    actions = tuple(a for a in agent.network.actions if a >= 0 or agent.allow_short)
    network = replace(agent.network, actions=actions)
    before = previous if isinstance(previous, QAgent) else None
    done = train_on_imagined(
        imagined_markets(tables, forecaster, config.imagination),
        rules,
        network,
        curriculum(config, first=before is None),
        streams(config.seed, "agent", str(data_end(tables))),
        previous=before,
        judging=agent.judging,
        progress=progress,
    )
    return done.agent, AgentCurve.of(done)
