"""Training: learn, or take from the object store what was learned before.

A forecaster and an agent are artifacts of their own. The key of each is derived from everything
it depends on: the configurations that its learning takes, the bits of the bars, the code that
learns, the libraries' versions and the artifact it starts from. So nothing is learned twice, and
nothing stale is reused. An agent hangs on its forecaster's key, not the other way round: another
cap, account or agent setting leaves the forecasters as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pickle import PicklingError
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from numpy.typing import NDArray

from algorithm.learning import (
    AGREEMENT,
    BEST,
    RESTORE,
    AgentCurve,
    LearningConfig,
    data_end,
    fit_forecaster,
    investor,
    judged,
    learn_to_trade,
    markets_to_learn_on,
)
from models.agent.agent import Agent, window_of
from models.artifacts import ArtifactStore, Parts
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.provenance import code_fingerprint, described, key_for, versions
from models.reporting import Progress, Silent
from models.seeding import streams
from sim.accounting import Rules
from sim.paths import Paths
from sim.rewards import REWARDS

FORECASTER_CODE = ("models",)
AGENT_CODE = ("models", "sim", "algorithm.learning")
"""Packages and modules whose code decides what is learned."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class TrainedAgent:
    """An agent, and what its training left.

    Attributes:
        agent: trained on the forecaster's markets only, if it learns.
        key: of its artifact.
        curve: of its learning.
        reused: whether it came from the object store.
        judged: what it earned a bar in each pair of imagined markets that candidates are judged on
            (`algorithm.learning.judged`); empty for an agent without rivals.
    """

    agent: Agent
    key: str
    curve: AgentCurve
    reused: bool
    judged: NDArray[np.float64]


@dataclass(frozen=True)
class TrainedModels:
    """What a training gave; its arrays are read-only.

    Attributes:
        forecaster: of the next bar.
        forecaster_key: of the forecaster's artifact.
        forecaster_reused: whether the forecaster came from the object store.
        agents: by kind, in the order of the settings.
        trading: kind of the one that trades.
        data_end: time of the newest bar that was learned from.
    """

    forecaster: Forecaster
    forecaster_key: str
    forecaster_reused: bool
    agents: Mapping[str, TrainedAgent]
    trading: str
    data_end: np.datetime64

    @property
    def agent(self) -> Agent:
        """The one that trades."""
        return self.agents[self.trading].agent

    @property
    def agent_key(self) -> str:
        """Of its artifact."""
        return self.agents[self.trading].key

    @property
    def curve(self) -> AgentCurve:
        """Of its learning."""
        return self.agents[self.trading].curve

    @property
    def agent_reused(self) -> bool:
        """Whether all agents came from the object store."""
        return all(one.reused for one in self.agents.values())

    @property
    def keys(self) -> dict[str, Any]:
        """By what they are found again (`Trainer.restored`), as JSON can say it."""
        return {
            "forecaster": self.forecaster_key,
            "agents": {kind: one.key for kind, one in self.agents.items()},
            "trading": self.trading,
            "data_end": str(self.data_end),
        }

    @property
    def reused(self) -> bool:
        """Whether nothing had to be learned."""
        return self.forecaster_reused and self.agent_reused


@dataclass(frozen=True)
class _Lesson:
    """What one agent is to learn.

    Attributes:
        config: everything that its learning takes.
        depends: everything that it depends on, as JSON can say it.
        parent: agent to go on from, or None.
    """

    config: LearningConfig
    depends: Mapping[str, Any]
    parent: Agent | None


class Trainer:
    """Trains models or takes them from the object store; says nothing but how far it is."""

    def __init__(
        self, config: LearningConfig, artifacts: ArtifactStore, progress: Progress | None = None
    ) -> None:
        """Build a trainer.

        Args:
            config: everything that learning takes besides histories and rules.
            artifacts: where models are kept.
            progress: hears of the stages of learning.
        """
        self._config = config
        self._artifacts = artifacts
        self._progress = progress or Silent()

    def train(
        self,
        tables: Sequence[FeatureTable],
        rules: Rules,
        previous: TrainedModels | None = None,
        *,
        now: datetime,
    ) -> TrainedModels:
        """Models for what comes after the histories.

        Args:
            tables: one per symbol, up to the newest complete bar.
            rules: what binds the account that the agent will trade, its size included.
            previous: models to start from (warm start), or None.
            now: algorithm time; nothing trained on later data is accepted.

        Raises:
            ValueError: if a history is too short to learn from, or an artifact was trained on
                bars after `now`.
        """
        end = data_end(tables)
        forecaster, forecaster_key, forecaster_reused = self._forecaster(tables, previous, end, now)
        agent = self._config.agent
        kinds = agent.candidates if agent.kind == BEST else (agent.kind,)
        made = TrainedModels(forecaster, forecaster_key, forecaster_reused, {}, kinds[0], end)
        asked = {kind: self._lesson(kind, rules, made, previous) for kind in kinds}
        learned = self._learned_beside(asked, tables, made, rules, now)
        found = {
            kind: self._agent(lesson, tables, rules, made, learned.get(kind), now)
            for kind, lesson in asked.items()
        }
        if len(kinds) > 1:
            found = self._judged(found, tables, rules, made, now)
        trading = kinds[0]
        if previous is not None and previous.trading in kinds:
            trading = previous.trading
        return replace(made, agents=found, trading=trading)

    def restored(self, kept: Mapping[str, Any], *, now: datetime) -> TrainedModels:
        """The models that `TrainedModels.keys` tells of, from the object store.

        What candidates were judged by is not among it; the next training judges anew.

        Args:
            kept: see `TrainedModels.keys`.
            now: algorithm time; nothing trained on later data is accepted.

        Raises:
            ValueError: if an artifact is gone, broken, or trained on bars after `now`.
        """

        def load(key: str, part: str) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
            saved = self._artifacts.load(key, not_after=now)
            if saved is None or part not in saved.parts:
                raise ValueError(f"the object store must hold {part} {key}; it does not")
            return saved.parts[part], saved.meta

        forecaster = Forecaster.from_arrays(load(kept["forecaster"], "forecaster")[0])
        agents = {}
        for kind, key in kept["agents"].items():
            arrays, meta = load(key, "agent")
            curve = _curve_from(meta)
            agents[kind] = TrainedAgent(RESTORE[kind](arrays), key, curve, True, np.empty(0))
        end = np.datetime64(kept["data_end"], "ns")
        return TrainedModels(forecaster, kept["forecaster"], True, agents, kept["trading"], end)

    def _forecaster(
        self,
        tables: Sequence[FeatureTable],
        previous: TrainedModels | None,
        end: np.datetime64,
        now: datetime,
    ) -> tuple[Forecaster, str, bool]:
        parent = None if previous is None else previous.forecaster
        return self._saved_or_made(
            "forecaster",
            forecaster_depends(
                self._config, tables, None if previous is None else previous.forecaster_key
            ),
            end,
            now,
            restore=lambda arrays, meta: Forecaster.from_arrays(arrays),
            make=lambda: fit_forecaster(tables, self._config, parent, self._progress),
            pack=lambda made: (made.to_arrays(), {}),
        )

    def _lesson(
        self, kind: str, rules: Rules, models: TrainedModels, previous: TrainedModels | None
    ) -> _Lesson:
        """What an agent of a kind is to learn; its artifact is the same with rivals and without."""
        asked = self._config.agent
        members = asked.members if kind == AGREEMENT else ()
        alone = replace(asked, kind=kind, candidates=(), judged_on=0, members=members, workers=1)
        config = replace(self._config, agent=alone)
        parent = None if previous is None else previous.agents.get(kind)
        depends = agent_depends(
            config, rules, models.forecaster_key, None if parent is None else parent.key
        )
        return _Lesson(config, depends, None if parent is None else parent.agent)

    def _learned_beside(
        self,
        asked: Mapping[str, _Lesson],
        tables: Sequence[FeatureTable],
        models: TrainedModels,
        rules: Rules,
        now: datetime,
    ) -> dict[str, tuple[Agent, AgentCurve]]:
        """Agents that are not kept yet, each learned in a process of its own.

        None with a single worker, or where processes cannot be started (an interpreter inside
        another program): they are then learned one after the other, with the same result.
        """
        if self._config.agent.workers == 1 or len(asked) < 2:
            return {}
        missing = {
            kind: lesson
            for kind, lesson in asked.items()
            if self._artifacts.load(key_for(lesson.depends), not_after=now) is None
        }
        jobs = [
            delayed(learn_to_trade)(
                tables, models.forecaster, lesson.config, rules, lesson.parent, Silent()
            )
            for lesson in missing.values()
        ]
        try:
            with self._progress.stage("agent"):
                found = Parallel(n_jobs=self._config.agent.workers, backend="loky")(jobs)
        except (OSError, PicklingError, TerminatedWorkerError):
            return {}
        return dict(zip(missing, found, strict=True))

    def _agent(
        self,
        lesson: _Lesson,
        tables: Sequence[FeatureTable],
        rules: Rules,
        models: TrainedModels,
        learned: tuple[Agent, AgentCurve] | None,
        now: datetime,
    ) -> TrainedAgent:
        """An agent: kept, learned already, or learned now."""
        kind = lesson.config.agent.kind

        def make() -> tuple[Agent, AgentCurve]:
            return learned or learn_to_trade(
                tables, models.forecaster, lesson.config, rules, lesson.parent, self._progress
            )

        (agent, curve), key, reused = self._saved_or_made(
            "agent",
            lesson.depends,
            models.data_end,
            now,
            restore=lambda arrays, meta: (RESTORE[kind](arrays), _curve_from(meta)),
            make=make,
            pack=lambda made: (made[0].to_arrays(), described(made[1])),
        )
        return TrainedAgent(agent, key, curve, reused, np.empty(0))

    def _judged(
        self,
        agents: Mapping[str, TrainedAgent],
        tables: Sequence[FeatureTable],
        rules: Rules,
        models: TrainedModels,
        now: datetime,
    ) -> dict[str, TrainedAgent]:
        """The same agents, each judged on the same imagined markets, which are made if needed."""
        config = self._config
        agent = config.agent
        reward = REWARDS[agent.reward](investor(agent, len(tables)).aversion)

        @functools.cache
        def markets() -> Paths:
            rng = streams(config.seed, "judging", str(models.data_end))["paths"]
            source = markets_to_learn_on(
                tables,
                models.forecaster,
                config,
                remembers=max(window_of(one.agent) for one in agents.values()) - 1,
            )
            with self._progress.stage("simulation"):
                return source.sample(agent.judged_on, config.imagination.bars, rng)

        def judgement(one: TrainedAgent) -> NDArray[np.float64]:
            earned, _, _ = self._saved_or_made(
                "judgement",
                {
                    "agent": one.key,
                    "seed": config.seed,
                    "imagination": described(config.imagination),
                    "markets": agent.judged_on,
                    "reward": [agent.reward, described(investor(agent, len(tables)))],
                    "rules": described(rules),
                    "code": code_fingerprint(*AGENT_CODE),
                },
                models.data_end,
                now,
                restore=lambda arrays, meta: _rewards_from(arrays, agent.judged_on // 2),
                make=lambda: judged(one.agent, markets(), rules, reward),
                pack=lambda made: ({"rewards": made}, {}),
            )
            return earned

        return {kind: replace(one, judged=judgement(one)) for kind, one in agents.items()}

    def _saved_or_made(
        self,
        part: str,
        depends: Mapping[str, Any],
        end: np.datetime64,
        now: datetime,
        *,
        restore: Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], Made],
        make: Callable[[], Made],
        pack: Callable[[Made], tuple[Mapping[str, np.ndarray], Mapping[str, Any]]],
    ) -> tuple[Made, str, bool]:
        """A thing, the key of its artifact, and whether it was there already."""
        key = key_for(depends)
        saved = self._artifacts.load(key, not_after=now)
        if saved is not None:
            try:
                if part not in saved.parts:
                    raise ValueError(f"{part} is missing")
                return restore(saved.parts[part], saved.meta), key, True
            except ValueError as problem:
                self._artifacts.set_aside(key, str(problem))
        made = make()
        arrays, meta = pack(made)
        parts: Parts = {part: arrays}
        self._artifacts.save(key, parts, meta=meta, depends=depends, data_end=end)
        return made, key, False


def forecaster_depends(
    config: LearningConfig, tables: Sequence[FeatureTable], previous: str | None
) -> dict[str, Any]:
    """Everything a forecaster depends on, as JSON can say it.

    Args:
        config: what learning takes.
        tables: the histories it is fitted on, in their order.
        previous: key of the forecaster it starts from, or None.
    """
    return {
        "seed": config.seed,
        "forecaster": described(config.forecaster),
        "histories": [
            {
                "symbol": table.symbol,
                "first": str(table.history.time[0]),
                "last": str(table.history.time[-1]),
                "bars": len(table),
                "fingerprint": table.history.fingerprint(),
            }
            for table in tables
        ],
        "code": code_fingerprint(*FORECASTER_CODE),
        "versions": versions(),
        "previous": previous,
    }


def agent_depends(
    config: LearningConfig, rules: Rules, forecaster: str, previous: str | None
) -> dict[str, Any]:
    """Everything an agent depends on, as JSON can say it.

    Args:
        config: what learning takes.
        rules: the account it learns to trade.
        forecaster: key of the forecaster that imagines its markets.
        previous: key of the agent it goes on from, or None.
    """
    return {
        "seed": config.seed,
        "imagination": described(config.imagination),
        "agent": described(config.agent),
        "rules": described(rules),
        "forecaster": forecaster,
        "code": code_fingerprint(*AGENT_CODE),
        "versions": versions(),
        "previous": previous,
    }


def _rewards_from(arrays: Mapping[str, np.ndarray], pairs: int) -> NDArray[np.float64]:
    """A kept judgement; ValueError if it is none."""
    rewards = arrays.get("rewards", np.empty(0))
    if rewards.shape != (pairs,) or not np.isfinite(rewards).all():
        raise ValueError(f"rewards must be finite, {pairs} of them; received {rewards.shape}")
    return rewards


def _curve_from(meta: Mapping[str, Any]) -> AgentCurve:
    """The inverse of `described`; ValueError if a field is missing."""
    names = AgentCurve.__dataclass_fields__
    try:
        return AgentCurve(**{name: tuple(map(float, meta[name])) for name in names})
    except (KeyError, TypeError) as problem:
        raise ValueError(f"agent's curve must have {', '.join(names)}; {problem!r}") from None
