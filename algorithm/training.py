"""Training: learn, or take from the object store what was learned before.

A forecaster and an agent are artifacts of their own. The key of each is derived from everything
it depends on: the configurations that its learning takes, the bits of the bars, the code that
learns, the libraries' versions and the artifact it starts from. So nothing is learned twice, and
nothing stale is reused. An agent hangs on its forecaster's key, not the other way round: another
cap, account or agent setting leaves the forecasters as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from algorithm.learning import (
    RESTORE,
    AgentCurve,
    LearningConfig,
    data_end,
    fit_forecaster,
    learn_to_trade,
)
from models.agent.agent import Agent
from models.artifacts import ArtifactStore, Parts
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.provenance import code_fingerprint, described, key_for, versions
from models.reporting import Progress, Silent
from sim.accounting import Rules

FORECASTER_CODE = ("models",)
AGENT_CODE = ("models", "sim", "algorithm.learning")
"""Packages and modules whose code decides what is learned."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class TrainedModels:
    """What a training gave; its arrays are read-only.

    Attributes:
        forecaster: of the next bar.
        agent: trained on the forecaster's markets only, if it learns.
        forecaster_key: of the forecaster's artifact.
        agent_key: of the agent's artifact.
        data_end: time of the newest bar that was learned from.
        curve: of the agent's learning.
        forecaster_reused: whether the forecaster came from the object store.
        agent_reused: whether the agent did.
    """

    forecaster: Forecaster
    agent: Agent
    forecaster_key: str
    agent_key: str
    data_end: np.datetime64
    curve: AgentCurve
    forecaster_reused: bool
    agent_reused: bool

    @property
    def reused(self) -> bool:
        """Whether nothing had to be learned."""
        return self.forecaster_reused and self.agent_reused


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
        (agent, curve), agent_key, agent_reused = self._agent(
            tables, rules, forecaster, forecaster_key, previous, end, now
        )
        return TrainedModels(
            forecaster,
            agent,
            forecaster_key,
            agent_key,
            end,
            curve,
            forecaster_reused,
            agent_reused,
        )

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

    def _agent(
        self,
        tables: Sequence[FeatureTable],
        rules: Rules,
        forecaster: Forecaster,
        forecaster_key: str,
        previous: TrainedModels | None,
        end: np.datetime64,
        now: datetime,
    ) -> tuple[tuple[Agent, AgentCurve], str, bool]:
        parent = None if previous is None else previous.agent
        kind = self._config.agent.kind

        def make() -> tuple[Agent, AgentCurve]:
            return learn_to_trade(tables, forecaster, self._config, rules, parent, self._progress)

        return self._saved_or_made(
            "agent",
            agent_depends(
                self._config,
                rules,
                forecaster_key,
                None if previous is None else previous.agent_key,
            ),
            end,
            now,
            restore=lambda arrays, meta: (RESTORE[kind](arrays), _curve_from(meta)),
            make=make,
            pack=lambda made: (made[0].to_arrays(), described(made[1])),
        )

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


def _curve_from(meta: Mapping[str, Any]) -> AgentCurve:
    """The inverse of `described`; ValueError if a field is missing."""
    names = AgentCurve.__dataclass_fields__
    try:
        return AgentCurve(**{name: tuple(map(float, meta[name])) for name in names})
    except (KeyError, TypeError) as problem:
        raise ValueError(f"agent's curve must have {', '.join(names)}; {problem!r}") from None
