"""Learning, from histories to an agent: forecaster, imagined markets, agent.

No LEAN and no store here: `algorithm.training` decides whether to learn or to reuse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.agent.account import GRADED
from models.agent.agent import Agent
from models.agent.agreement import Agreement
from models.agent.convolution import ConvolutionAgent, ConvolutionConfig
from models.agent.forest import ForestAgent, ForestConfig
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.observation import Observer
from models.agent.outlook import PRIOR_CORRELATION
from models.agent.q_agent import QAgent, QAgentConfig
from models.agent.residual_agent import ResidualAgent, ResidualAgentConfig
from models.agent.thresholds import ThresholdConfig
from models.forecast.forecaster import Forecaster, ForecasterConfig
from models.market.features import FeatureTable
from models.reporting import Progress
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import AgentTraining, JudgingConfig, train_on_imagined
from sim.blocks import MEAN_BLOCK
from sim.curriculum import Stage, growing
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths
from sim.premium import Premium
from sim.residual_training import train_residual
from sim.rewards import REWARDS, Reward, aversion_for
from sim.rollout import rollout
from sim.rules import RULES, Rule
from sim.starts import Starts
from sim.threshold_training import train_convolution, train_forest

MEAN_VARIANCE, GRADIENT, DQN = "mean_variance", "gradient", "dqn"
FOREST, CNN, AGREEMENT = "forest", "cnn", "agreement"

BEST = "best"
"""The setting for the best of several candidates (`algorithm.promotion`)."""

Restore = Callable[[Mapping[str, np.ndarray]], Agent]

ALONE: Mapping[str, Restore] = {
    MEAN_VARIANCE: MeanVariance.from_arrays,
    GRADIENT: ResidualAgent.from_arrays,
    DQN: QAgent.from_arrays,
    FOREST: ForestAgent.from_arrays,
    CNN: ConvolutionAgent.from_arrays,
    **dict.fromkeys(RULES, Rule.from_arrays),
}
"""Agents that decide alone, as `RESTORE`; a simple rule is one too."""

RESTORE: Mapping[str, Restore] = {
    **ALONE,
    AGREEMENT: lambda arrays: Agreement.from_arrays(arrays, ALONE),
}
"""From the arrays of an agent of each kind to the agent."""

AGENTS = tuple(RESTORE)
"""Every kind of agent, by the name that the setting `agent` gives it."""


SAME_SIZE = 1.25
"""Times, up or down, that an account may have grown before its no-trade band is chosen anew."""


@dataclass(frozen=True)
class ImaginationConfig:
    """The markets that are imagined for a training.

    Attributes:
        paths: markets of the last stage of a first training, each with all symbols, >= 8.
        retrain_paths: likewise of a later training, >= 8.
        bars: in each market of full length, >= 1.
        blend: share of the markets whose noise is bootstrapped from real residuals, in [0, 1].
        mean_block: mean length of the blocks of dates that noise is taken from, bars, >= 1.
        stages: of the curriculum of a first training, >= 1; a later one has a single stage.
        premium_deviation: of the Sharpe ratios of the markets that agents learn on, about the
            investor's `sharpe_ratio`, >= 0 (`sim.path_sampler.Premium`).
    """

    paths: int = 512
    retrain_paths: int = 256
    bars: int = 60
    blend: float = 0.9
    mean_block: float = MEAN_BLOCK
    stages: int = 3
    premium_deviation: float = 0.25


@dataclass(frozen=True)
class AgentConfig:
    """The agent and how long it learns.

    Attributes:
        kind: one of `AGENTS`, or `BEST`: that of the candidates which does best.
        candidates: kinds that are trained beside each other for `BEST`, the first of which trades
            until another is promoted; two or more, each once.
        workers: processes that candidates learn in, >= 1; what they learn does not depend on it.
        judged_on: imagined markets that candidates are judged on, besides those they learn on; an
            even number >= 8.
        members: kinds of `ALONE` that must agree before `AGREEMENT` trades; two or more, each once.
        allow_short: whether it may hold less than nothing.
        reward: what it learns to earn, one of `sim.rewards.REWARDS`, under the investor's aversion.
        target_volatility: of the account's returns, a year, from which the investor's aversion
            follows; None: the aversion is as stated.
        analytic: the investor, and what the analytic agent expects of symbols.
        bands: no-trade bands of which an analytic policy takes the one that earns most on imagined
            markets, under the account's own costs: small accounts trade less often. One or more,
            each in [0, 1].
        band_markets: how many imagined markets say so, an even number >= 8.
        residual: what the network beside the analytic policy is made of; its policy is `analytic`.
        residual_updates: of that network in a first training, >= 1.
        residual_retrain_updates: in a later one.
        forest: what a random forest is made of, and what probability is traded on.
        convolution: what a convolutional network is made of, and what probability is traded on.
        convolution_updates: of that network in a first training, >= 1.
        convolution_retrain_updates: in a later one.
        network: what a double DQN is made of.
        judging: how held-out paths decide what a double DQN, a forest or a convolutional network
            may do.
        updates: of a double DQN's network in a first training.
        retrain_updates: in a later one.
    """

    kind: str = MEAN_VARIANCE
    candidates: tuple[str, ...] = (MEAN_VARIANCE, GRADIENT, DQN)
    workers: int = 1
    judged_on: int = 128
    members: tuple[str, ...] = (GRADIENT, FOREST)
    allow_short: bool = True
    reward: str = "mean_variance"
    target_volatility: float | None = None
    analytic: MeanVarianceConfig = field(default_factory=MeanVarianceConfig)
    bands: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    band_markets: int = 128
    residual: ResidualAgentConfig = field(
        default_factory=lambda: ResidualAgentConfig(observation_width=len(Observer.names))
    )
    residual_updates: int = 300
    residual_retrain_updates: int = 30
    forest: ForestConfig = field(
        default_factory=lambda: ForestConfig(observation_width=len(Observer.names))
    )
    convolution: ConvolutionConfig = field(
        default_factory=lambda: ConvolutionConfig(observation_width=len(Observer.names))
    )
    convolution_updates: int = 400
    convolution_retrain_updates: int = 50
    network: QAgentConfig = field(
        default_factory=lambda: QAgentConfig(observation_width=len(Observer.names), actions=GRADED)
    )
    judging: JudgingConfig = field(default_factory=JudgingConfig)
    updates: int = 4000
    retrain_updates: int = 200

    def observing(self, width: int) -> AgentConfig:
        """The same, with networks and forests that observe so many numbers of a symbol."""
        return replace(
            self,
            residual=replace(self.residual, observation_width=width),
            forest=replace(self.forest, observation_width=width),
            convolution=replace(self.convolution, observation_width=width),
            network=replace(self.network, observation_width=width),
        )


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
    premium: Premium | None = None,
    remembers: int = 0,
) -> ForecasterSampler:
    """A source of imagined markets; options as in `ForecasterSampler`."""
    return ForecasterSampler(
        Observer(forecaster),
        tables,
        blend=config.blend,
        mean_block=config.mean_block,
        starts=starts,
        premium=premium,
        remembers=remembers,
    )


def markets_to_learn_on(
    tables: Sequence[FeatureTable],
    forecaster: Forecaster,
    config: LearningConfig,
    *,
    remembers: int = 0,
) -> ForecasterSampler:
    """The source of the markets that agents learn on and are judged on: the investor's premium."""
    premium = Premium(config.agent.analytic.sharpe_ratio, config.imagination.premium_deviation)
    return imagined_markets(
        tables, forecaster, config.imagination, premium=premium, remembers=remembers
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
    kind = config.agent.kind
    if kind not in AGENTS:
        raise ValueError(f"agent must be one of {', '.join(AGENTS)}; received {kind!r}")
    lesson = _Lesson(tables, forecaster, config, rules, progress)
    return _LEARN[kind](lesson, previous)


@dataclass(frozen=True)
class _Lesson:
    """What there is to learn an agent from; attributes as the arguments of `learn_to_trade`."""

    tables: Sequence[FeatureTable]
    forecaster: Forecaster
    config: LearningConfig
    rules: Rules
    progress: Progress

    @property
    def agent(self) -> AgentConfig:
        """The agent that is asked for."""
        return self.config.agent

    @property
    def policy(self) -> MeanVarianceConfig:
        """The investor."""
        return investor(self.agent, len(self.tables))

    @property
    def reward(self) -> Reward:
        """Of an account that trades all symbols."""
        return REWARDS[self.agent.reward](self.policy.aversion)

    @cached_property
    def _sources(self) -> dict[int, ForecasterSampler]:
        return {}

    def markets(self, remembers: int = 0) -> ForecasterSampler:
        """The source of what to learn on; `remembers` as in `ForecasterSampler`.

        One for all of a lesson: what it fits to reality is fitted once.
        """
        if remembers not in self._sources:
            self._sources[remembers] = markets_to_learn_on(
                self.tables, self.forecaster, self.config, remembers=remembers
            )
        return self._sources[remembers]

    def rngs(self) -> dict[str, np.random.Generator]:
        """Fresh streams, the same for every kind: an agent does not depend on who learns beside."""
        return streams(self.config.seed, "agent", str(data_end(self.tables)))

    def imagine(self, rng: np.random.Generator, *, first: bool, remembers: int = 0) -> Paths:
        """Markets of full length, as many as for a first training or a later one."""
        imagination = self.config.imagination
        count = imagination.paths if first else imagination.retrain_paths
        with self.progress.stage("simulation"):
            return self.markets(remembers).sample(count, imagination.bars, rng)


def _learn_rule(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """A simple rule learns when not to trade."""
    kind = lesson.agent.kind
    before = previous if isinstance(previous, Rule) else None
    band, band_for = _chosen_band(lambda band: Rule(kind, band), lesson, before)
    return Rule(kind, band, band_for=band_for), AgentCurve()


def _banded_policy(lesson: _Lesson, before: MeanVarianceConfig | None) -> MeanVarianceConfig:
    """The investor, with the band that suits the account."""

    def agent(band: float) -> Agent:
        return MeanVariance(replace(lesson.policy, band=band))

    band, band_for = _chosen_band(agent, lesson, before)
    return replace(lesson.policy, band=band, band_for=band_for)


def _chosen_band(
    agent: Callable[[float], Agent], lesson: _Lesson, before: MeanVarianceConfig | Rule | None
) -> tuple[float, float]:
    """A band, and the size of the account it was chosen for; 0 if there is no choice.

    That of before stays as long as the account has about that size: asked anew every month,
    imagined markets, which are few, would answer now this, now that.
    """
    bands, equity = lesson.agent.bands, lesson.rules.equity
    if len(bands) == 1:
        return bands[0], 0.0
    if before is not None and before.band in bands and before.band_for > 0:
        grown = abs(math.log(equity / before.band_for))
        if grown <= math.log(SAME_SIZE):
            return before.band, before.band_for
    rng = streams(lesson.config.seed, "bands", str(data_end(lesson.tables)))["paths"]
    with lesson.progress.stage("simulation"):
        bars = lesson.config.imagination.bars
        markets = lesson.markets().sample(lesson.agent.band_markets, bars, rng)
    with lesson.progress.stage("agent"):
        return best_band(agent, bands, markets, lesson.rules, lesson.reward), equity


def _learn_mean_variance(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """So does the analytic policy, and nothing else."""
    before = previous.config if isinstance(previous, MeanVariance) else None
    return MeanVariance(_banded_policy(lesson, before)), AgentCurve()


def _learn_dqn(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """Train a double DQN, in an account for each symbol."""
    agent, n = lesson.agent, len(lesson.tables)
    before = previous if isinstance(previous, QAgent) else None
    actions = tuple(a for a in agent.network.actions if a >= 0 or agent.allow_short)
    done = train_on_imagined(
        lesson.markets(),
        lesson.rules,
        replace(agent.network, actions=actions),
        curriculum(lesson.config, first=before is None),
        lesson.rngs(),
        previous=before,
        judging=agent.judging,
        progress=lesson.progress,
        reward=REWARDS[agent.reward](alone(lesson.policy.aversion, n)),
    )
    return done.agent, AgentCurve.of(done)


def _learn_gradient(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """Train what is added to the analytic policy, in one account for all symbols."""
    agent, rngs = lesson.agent, lesson.rngs()
    before = previous if isinstance(previous, ResidualAgent) else None
    updates = agent.residual_updates if before is None else agent.residual_retrain_updates
    paths = lesson.imagine(rngs["paths"], first=before is None)
    policy = _banded_policy(lesson, None if before is None else before.config.policy)
    with lesson.progress.stage("agent", updates) as reporter:
        done = train_residual(
            paths,
            lesson.rules,
            replace(agent.residual, policy=policy),
            updates,
            rngs,
            previous=before,
            reporter=reporter,
            reward=lesson.reward,
        )
    return done.agent, AgentCurve()


def _learn_forest(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """Grow a forest and find what probability to trade on, in one account for all symbols."""
    agent, rngs = lesson.agent, lesson.rngs()
    paths = lesson.imagine(rngs["paths"], first=not isinstance(previous, ForestAgent))
    config = replace(agent.forest, thresholds=_thresholds(lesson, agent.forest.thresholds))
    with lesson.progress.stage("agent"):
        done = train_forest(paths, lesson.rules, config, rngs, agent.judging, lesson.reward)
    return done.agent, AgentCurve()


def _learn_cnn(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """Train a convolutional network and find what probability to trade on, as for a forest."""
    agent, rngs = lesson.agent, lesson.rngs()
    before = previous if isinstance(previous, ConvolutionAgent) else None
    updates = agent.convolution_updates if before is None else agent.convolution_retrain_updates
    remembers = agent.convolution.window - 1
    paths = lesson.imagine(rngs["paths"], first=before is None, remembers=remembers)
    config = replace(
        agent.convolution, thresholds=_thresholds(lesson, agent.convolution.thresholds)
    )
    with lesson.progress.stage("agent", updates) as reporter:
        done = train_convolution(
            paths,
            lesson.rules,
            config,
            updates,
            rngs,
            previous=before,
            judging=agent.judging,
            reward=lesson.reward,
            reporter=reporter,
        )
    return done.agent, AgentCurve()


def _thresholds(lesson: _Lesson, config: ThresholdConfig) -> ThresholdConfig:
    """The same, with the band and the sides that the investor trades with."""
    return replace(config, band=lesson.policy.band, allow_short=lesson.agent.allow_short)


def _learn_agreement(lesson: _Lesson, previous: Agent | None) -> tuple[Agent, AgentCurve]:
    """Train the members one after the other, each as it is trained alone."""
    strangers = [kind for kind in lesson.agent.members if kind not in ALONE]
    if strangers:
        raise ValueError(f"members must be some of {', '.join(ALONE)}; received {strangers}")
    before = previous.members if isinstance(previous, Agreement) else {}
    found = {}
    for kind in lesson.agent.members:
        config = replace(lesson.config, agent=replace(lesson.agent, kind=kind))
        found[kind], _ = _LEARN[kind](replace(lesson, config=config), before.get(kind))
    return Agreement(found), AgentCurve()


_LEARN: Mapping[str, Callable[[_Lesson, Agent | None], tuple[Agent, AgentCurve]]] = {
    MEAN_VARIANCE: _learn_mean_variance,
    GRADIENT: _learn_gradient,
    DQN: _learn_dqn,
    FOREST: _learn_forest,
    CNN: _learn_cnn,
    AGREEMENT: _learn_agreement,
    **dict.fromkeys(RULES, _learn_rule),
}


def investor(agent: AgentConfig, n_symbols: int) -> MeanVarianceConfig:
    """The investor that the settings tell of, for a portfolio of so many symbols."""
    aversion = agent.analytic.aversion
    if agent.target_volatility is not None:
        # What is held together has a higher Sharpe ratio than each part of it.
        spread = n_symbols / (1.0 + (n_symbols - 1) * PRIOR_CORRELATION)
        together = agent.analytic.sharpe_ratio * math.sqrt(spread)
        aversion = aversion_for(agent.target_volatility, together)
    return replace(agent.analytic, aversion=aversion, allow_short=agent.allow_short)


def alone(aversion: float, n_symbols: int) -> float:
    """The aversion of an account that trades one symbol of a portfolio's.

    If the others are held to the same degree, a symbol adds to the portfolio's variance not only
    its own but what it shares with each of them: 1 + (S - 1) · correlation times as much.
    """
    return aversion * (1.0 + (n_symbols - 1) * PRIOR_CORRELATION)


def best_band(
    agent: Callable[[float], Agent],
    bands: Sequence[float],
    markets: Paths,
    rules: Rules,
    reward: Reward,
) -> float:
    """The no-trade band with which an agent earns most on imagined markets.

    All are held against the same markets, so that a few of them tell bands apart. What trading
    costs an account of this size is what the band depends on.

    Args:
        agent: from a band to the agent.
        bands: to choose among, one or more.
        markets: as `judged` takes them; likewise the next two.
        rules: of the account.
        reward: in whose units.
    """
    earned = [judged(agent(band), markets, rules, reward).mean() for band in bands]
    return bands[int(np.argmax(earned))]


def judged(agent: Agent, markets: Paths, rules: Rules, reward: Reward) -> NDArray[np.float64]:
    """What an agent earns a bar in each pair of twins of imagined markets, shape (B / 2,).

    Rewards come without their control variate: markets to judge on are few.

    Args:
        agent: that trades all symbols of a market in one account.
        markets: B of them, an even number; the same for all that are to be compared.
        rules: of the account.
        reward: in whose units.
    """
    earned = rollout(agent.act, markets, rules, reward).controlled.mean(axis=1)
    return 0.5 * (earned[0::2] + earned[1::2])
