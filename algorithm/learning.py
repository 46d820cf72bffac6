"""Learning, from histories to an agent: forecaster, imagined markets, agent.

No LEAN and no store here: `algorithm.training` decides whether to learn or to reuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.agent.account import ACTIONS
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

SHORT_FLAT_LONG = ACTIONS
FLAT_LONG = tuple(exposure for exposure in ACTIONS if exposure >= 0)
"""Actions with and without going short."""


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
        network: what it is made of.
        judging: how held-out paths decide what it may do.
        updates: of its network in a first training.
        retrain_updates: in a later one.
    """

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


def learn_to_trade(
    tables: Sequence[FeatureTable],
    forecaster: Forecaster,
    config: LearningConfig,
    rules: Rules,
    previous: QAgent | None,
    progress: Progress,
) -> AgentTraining:
    """An agent, trained on imagined markets only, in the account it will trade.

    A first training goes through the growing curriculum; a later one goes on from the previous
    agent with paths of full length from the new forecaster.

    Args:
        tables: one per symbol, in the order of `rules.caps`.
        forecaster: imagines the markets.
        config: see `LearningConfig`.
        rules: the account's size, caps and costs.
        previous: agent to go on from, or None.
        progress: hears of the stages ``simulation`` and ``agent``.
    """
    agent = config.agent
    return train_on_imagined(
        imagined_markets(tables, forecaster, config.imagination),
        rules,
        agent.network,
        curriculum(config, first=previous is None),
        streams(config.seed, "agent", str(data_end(tables))),
        previous=previous,
        judging=agent.judging,
        progress=progress,
    )
