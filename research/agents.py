"""Agents by name as a bench trains them: what they learn from at each refit, and who trades when.

A learner is a function from a lesson to an agent. A lesson holds what is known at a refit and
nothing later: the forecaster that is current from then on, the bars it was fitted to, and a source
of markets made of them. So one learner can be taught on imagined markets, on GARCH paths, on the
block bootstrap or on the real past itself, which is what an ablation asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from algorithm.learning import AgentConfig, alone, best_band
from models.agent.account import GRADED, Standing
from models.agent.agent import Agent
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.outlook import Outlook
from models.agent.q_agent import QAgent, QAgentConfig
from models.agent.residual_agent import ResidualAgent, ResidualAgentConfig
from models.market.features import LOOKBACK
from models.seeding import streams
from research.held_out import DEFAULT_BLEND
from research.real_markets import RealMarket, Refit, follow
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.curriculum import growing
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler, check_counts
from sim.premium import Premium
from sim.residual_training import train_residual
from sim.rewards import MeanVariance as MeanVarianceReward
from sim.rewards import Reward

Floats = NDArray[np.float64]


class RealSpanSampler:
    """Stretches of the real bars that a forecaster was fitted to, beginning on random dates.

    Args:
        refit: whose bars, observed by its forecaster.

    Raises:
        ValueError: if the symbols share no dates behind the forecaster's window.
    """

    def __init__(self, refit: Refit) -> None:
        histories = [table.history for table in refit.tables]
        first = LOOKBACK + refit.forecaster.config.window
        begin = max(history.require(first + 2).time[first] for history in histories)
        whole = Refit(np.datetime64(begin, "D"), refit.tables, refit.forecaster)
        self._market = follow(histories, [whole])

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw stretches, which overlap; see `sim.paths.PathSampler`.

        Raises:
            ValueError: if a stretch is longer than the span.
        """
        check_counts(n_paths, n_steps)
        longest = self._market.paths.n_steps
        if n_steps > longest:
            raise ValueError(f"n_steps must be at most {longest}, the span; received {n_steps}")
        starts = rng.integers(longest - n_steps + 1, size=n_paths)
        parts = [self._market.rows(int(row), int(row) + n_steps).paths for row in starts]
        forecasts = [part.forecasts for part in parts if part.forecasts is not None]
        moments = [part.moments for part in parts if part.moments is not None]
        return Paths(
            np.concatenate([part.bars for part in parts]),
            np.concatenate([part.observations for part in parts]),
            np.concatenate([part.series for part in parts]),
            np.concatenate([part.start_row for part in parts]),
            forecasts=np.concatenate(forecasts),
            moments=np.concatenate(moments),
        )


SOURCES: Mapping[str, Callable[[Refit], PathSampler]] = {
    "imagined": lambda refit: ForecasterSampler(
        refit.observer, refit.tables, blend=DEFAULT_BLEND, premium=Premium()
    ),
    "imagined, the span's premium": lambda refit: ForecasterSampler(
        refit.observer, refit.tables, blend=DEFAULT_BLEND
    ),
    "block bootstrap": lambda refit: BlockBootstrapSampler(refit.tables, refit.observer),
    "GJR-GARCH": lambda refit: GarchSampler(refit.tables, refit.observer),
    "real span": RealSpanSampler,
}
"""Where the markets that an agent learns on come from; all observed by the refit's forecaster."""


@dataclass(frozen=True)
class Lesson:
    """What an agent may learn from.

    Attributes:
        refit: what is current: forecaster, bars it was fitted to, first day to be traded.
        source: of markets, one of `SOURCES`.
        rules: the account's.
        seed: of everything random.
        previous: the agent of the refit before, if there was one.

    Raises:
        ValueError: for a source that is none.
    """

    refit: Refit
    source: str
    rules: Rules
    seed: int
    previous: Agent | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(
                f"source must be one of {', '.join(SOURCES)}; received {self.source!r}"
            )

    @cached_property
    def sampler(self) -> PathSampler:
        """The source, built when a learner first asks for it."""
        return SOURCES[self.source](self.refit)


Learner = Callable[[Lesson], Agent]

MARKETS, LATER_MARKETS, BARS = 512, 256, 60
"""Markets of a first lesson and of a later one, and their length: the strategy's defaults."""
UPDATES, LATER_UPDATES = 300, 100
"""Of the residual; a year has passed between two lessons, so later ones are longer than the
strategy's of every month."""
Q_UPDATES, LATER_Q_UPDATES = 4000, 1000
"""Of the double DQN, likewise."""


def residual(
    pull: float, reward: Reward | None = None, updates: tuple[int, int] | None = None
) -> Learner:
    """What learns beside the analytic policy, drawn towards it by a pull.

    Args:
        pull: see `ResidualAgentConfig`.
        reward: of a bar; by default that of the analytic policy.
        updates: of a first lesson and of a later one; by default `UPDATES` and `LATER_UPDATES`.
    """
    many, few = updates or (UPDATES, LATER_UPDATES)

    def learn(lesson: Lesson) -> Agent:
        before = lesson.previous if isinstance(lesson.previous, ResidualAgent) else None
        rngs = streams(lesson.seed, "residual", str(lesson.refit.date))
        count, length = (MARKETS, many) if before is None else (LATER_MARKETS, few)
        config = ResidualAgentConfig(observation_width=lesson.refit.observer.size, pull=pull)
        paths = lesson.sampler.sample(count, BARS, rngs["paths"])
        return train_residual(
            paths, lesson.rules, config, length, rngs, previous=before, reward=reward
        ).agent

    return learn


def with_learned_band(lesson: Lesson) -> Agent:
    """The analytic agent with the band that suits the account, as the strategy chooses it."""
    asked = AgentConfig()
    rng = streams(lesson.seed, "bands", str(lesson.refit.date))["paths"]
    markets = lesson.sampler.sample(asked.band_markets, BARS, rng)

    def agent(band: float) -> Agent:
        return MeanVariance(MeanVarianceConfig(band=band))

    reward = MeanVarianceReward(MeanVarianceConfig().aversion)
    return agent(best_band(agent, asked.bands, markets, lesson.rules, reward))


def double_dqn(lesson: Lesson) -> Agent:
    """The double DQN with degrees, an account for each symbol, in the investor's reward."""
    before = lesson.previous if isinstance(lesson.previous, QAgent) else None
    first = before is None
    stages = growing(
        MARKETS if first else LATER_MARKETS,
        BARS,
        Q_UPDATES if first else LATER_Q_UPDATES,
        stages=3 if first else 1,
    )
    aversion = alone(MeanVarianceConfig().aversion, len(lesson.refit.tables))
    return train_on_imagined(
        lesson.sampler,
        lesson.rules,
        QAgentConfig(observation_width=lesson.refit.observer.size, actions=GRADED),
        stages,
        streams(lesson.seed, "double dqn", str(lesson.refit.date)),
        previous=before,
        reward=MeanVarianceReward(aversion),
    ).agent


ANALYTIC = "mean_variance"
PULLS: Mapping[str, float] = {
    "gradient": 1.0,
    "gradient, weak pull": 0.25,
    "gradient, strong pull": 4.0,
}
"""How strongly learned agents are drawn towards the analytic one, by their names."""

LEARNERS: Mapping[str, Learner] = {
    ANALYTIC: lambda lesson: MeanVariance(),
    "mean_variance, learned band": with_learned_band,
    **{name: residual(pull) for name, pull in PULLS.items()},
    "dqn": double_dqn,
}
"""Agents by name. One that learns nothing ignores its lesson."""


def agent_of(name: str, lesson: Lesson) -> Agent:
    """The agent of a name after a lesson.

    Raises:
        ValueError: for a name that is none.
    """
    if name not in LEARNERS:
        raise ValueError(f"agent must be one of {', '.join(LEARNERS)}; received {name!r}")
    return LEARNERS[name](lesson)


class Succession:
    """A policy for one pass over a market, made of agents that follow upon each other.

    Call k decides at row k, so it serves one rollout from row 0 on.

    Attributes:
        agents: in order, at least one.
        begins: first row of each, the first one 0, ascending.

    Raises:
        ValueError: for rows that do not fit.
    """

    def __init__(self, agents: Sequence[Agent], begins: Sequence[int]) -> None:
        rows = list(begins)
        if len(rows) != len(agents) or not rows or rows[0] != 0 or sorted(set(rows)) != rows:
            raise ValueError(
                f"begins must ascend from 0, one for each of {len(agents)} agents; received {rows}"
            )
        self.agents, self.begins, self._row = list(agents), rows, 0

    def __call__(self, outlook: Outlook, standing: Standing) -> Floats:
        """Target exposures at the next row."""
        current = int(np.searchsorted(self.begins, self._row, side="right")) - 1
        self._row += 1
        return self.agents[current].act(outlook, standing)


def succession(
    learner: Learner,
    refits: Sequence[Refit],
    market: RealMarket,
    rules: Rules,
    seed: int,
    source: str = "imagined",
) -> Succession:
    """Teach an agent at every refit and let each trade until the next.

    Args:
        learner: teaches.
        refits: ascending, the first one no later than the market's first day. Of those before
            it the last one trades.
        market: that is to be traded.
        rules: the account's.
        seed: of everything random.
        source: one of `SOURCES`.
    """
    agents: list[Agent] = []
    begins: list[int] = []
    for refit in refits:
        row = market.row_before(refit.date) if refit.date > market.dates[0] else 0
        if row >= market.paths.n_steps:
            break
        lesson = Lesson(refit, source, rules, seed, agents[-1] if agents else None)
        agents.append(learner(lesson))
        begins.append(row)
    trading = dict(zip(begins, agents, strict=True))
    return Succession(list(trading.values()), list(trading))
