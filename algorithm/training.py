"""Training, from histories to an agent: forecaster, imagined markets, agent, artifact.

The artifact's key names everything the result depends on (settings, data, versions, the models it
starts from), so a training that was done before is taken from the object store instead of being
repeated, and nothing stale can be reused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from tqdm import tqdm

from algorithm.diagnostics import Diagnostics, Stopwatch
from algorithm.settings import Settings
from models.agent.account import ACTIONS
from models.agent.observation import Observer
from models.agent.q_agent import QAgent, QAgentConfig
from models.artifacts import Artifact, ArtifactStore, versions
from models.forecast.forecaster import Forecaster, ForecasterConfig
from models.market.features import FeatureTable
from models.market.history import CLOSE, History
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.costs import InteractiveBrokersCost
from sim.curriculum import growing
from sim.facts import facts_table, real_markets, simulated_markets
from sim.path_sampler import ForecasterSampler
from sim.paths import PathSampler

MODEL_VERSION = 1
"""Raised when the meaning of saved models changes; older artifacts are then not found."""

LEARNING_SETTINGS = (
    "seed",
    "cap",
    "caps",
    "gross_cap",
    "cap_buffer",
    "rebalance_band",
    "slippage",
    "allow_short",
    "cash",
    "forecaster_units",
    "forecaster_window",
    "forecaster_dropout",
    "forecaster_epochs",
    "forecaster_retrain_epochs",
    "paths",
    "retrain_paths",
    "path_bars",
    "blend",
    "agent_units",
    "agent_updates",
    "agent_retrain_updates",
    "agent_discount",
)
"""Parameters that change what is learned."""

MEMORY = 200_000
"""Transitions the agent learns from: all that a first training imagines."""

SHOWN_PATHS = 12
"""Synthetic paths kept for the report's pictures."""
FACTS_PATHS, FACTS_BARS = 48, 504
"""How much is simulated for the table of stylised facts: paths, and at most this many bars."""


@dataclass(frozen=True)
class TrainedModels:
    """What a training gave.

    Attributes:
        forecaster: of the next bar.
        agent: trained on the forecaster's markets only.
        key: of the artifact.
        data_end: time of the newest bar that was learned from.
    """

    forecaster: Forecaster
    agent: QAgent
    key: str
    data_end: np.datetime64


class Trainer:
    """Trains models or takes them from the object store."""

    def __init__(
        self,
        options: Settings,
        artifacts: ArtifactStore,
        diagnostics: Diagnostics,
        report: Callable[[str], Any],
    ) -> None:
        """Build a trainer.

        Args:
            options: settings of the run.
            artifacts: where models are kept.
            diagnostics: hears of every training.
            report: takes one line of text for the log.
        """
        self._options = options
        self._artifacts = artifacts
        self._diagnostics = diagnostics
        self._report = report
        self._first = True

    def train(
        self, histories: Sequence[History], previous: TrainedModels | None, *, now: datetime
    ) -> TrainedModels:
        """Models for what comes after the histories.

        Args:
            histories: one per symbol, up to the newest complete bar.
            previous: models to start from (warm start), or None.
            now: algorithm time; nothing trained on later data is accepted.

        Raises:
            ValueError: if a history is too short to learn from.
        """
        self._require_bars(histories)
        depends = self._depends(histories, previous)
        key = self._artifacts.key_for(depends)
        saved = self._artifacts.load(key, not_after=now)
        restored = None if saved is None else self._restore(saved, histories, key)
        if restored is not None:
            models, told = restored
        else:
            models, told = self._learn(histories, previous, key)
            self._artifacts.save(
                key,
                {
                    "forecaster": models.forecaster.to_arrays(),
                    "agent": models.agent.to_arrays(),
                },
                meta=told,
                depends=depends,
                data_end=models.data_end,
            )
        self._tell(histories, models, told, reused=restored is not None, now=now)
        return models

    def _require_bars(self, histories: Sequence[History]) -> None:
        """Name the symbol that is too young, and the setting that may be at fault."""
        needed = forecaster_config(self._options).required_bars
        for history in histories:
            if len(history) < needed:
                raise ValueError(
                    f"{history.symbol}: warm-up must give at least {needed} bars to learn from; "
                    f"received {len(history)}, the first of {str(history.time[0])[:10]} "
                    f"(parameter warm_up_years is {self._options.warm_up_years:g})"
                )

    def _restore(
        self, saved: Artifact, histories: Sequence[History], key: str
    ) -> tuple[TrainedModels, dict[str, Any]] | None:
        """The models of an artifact; None (and it is set aside) if it lacks a part of them."""
        missing = [part for part in ("forecaster", "agent") if part not in saved.parts]
        if missing:
            self._artifacts.set_aside(key, f"{missing[0]} is missing")
            return None
        try:
            forecaster = Forecaster.from_arrays(saved.parts["forecaster"])
            agent = QAgent.from_arrays(saved.parts["agent"])
        except ValueError as problem:
            self._artifacts.set_aside(key, str(problem))
            return None
        end = max(history.time[-1] for history in histories)
        return TrainedModels(forecaster, agent, key, end), saved.meta

    def _depends(
        self, histories: Sequence[History], previous: TrainedModels | None
    ) -> dict[str, Any]:
        parameters = self._options.to_parameters()
        return {
            "model_version": MODEL_VERSION,
            "versions": versions(),
            "settings": {name: parameters[name] for name in LEARNING_SETTINGS},
            "histories": {
                history.symbol: {
                    "first": str(history.time[0]),
                    "last": str(history.time[-1]),
                    "bars": len(history),
                    "fingerprint": history.fingerprint(),
                }
                for history in histories
            },
            "previous": None if previous is None else previous.key,
        }

    def _learn(
        self, histories: Sequence[History], previous: TrainedModels | None, key: str
    ) -> tuple[TrainedModels, dict[str, Any]]:
        options = self._options
        watch = self._diagnostics.stopwatch
        end = max(history.time[-1] for history in histories)
        with (
            watch.stage("forecaster"),
            _progress("forecaster", options.forecaster_epochs, shown=previous is None) as reporter,
        ):
            tables = [FeatureTable.of(history) for history in histories]
            forecaster = Forecaster.fit(
                tables,
                forecaster_config(options),
                seed=options.seed,
                previous=None if previous is None else previous.forecaster,
                reporter=reporter,
            )
        agent, curve = self._learn_to_trade(tables, forecaster, previous, end)
        told: dict[str, Any] = {
            "forecaster": {
                "epoch": forecaster.curve[:, 0].tolist(),
                "loss": forecaster.curve[:, 1].tolist(),
                "validation_loss": forecaster.curve[:, 2].tolist(),
            },
            "agent": curve,
        }
        if previous is None:
            with watch.stage("simulation"):
                told["facts"] = self._facts(tables, forecaster)
        return TrainedModels(forecaster, agent, key, end), told

    def _learn_to_trade(
        self,
        tables: Sequence[FeatureTable],
        forecaster: Forecaster,
        previous: TrainedModels | None,
        end: np.datetime64,
    ) -> tuple[QAgent, dict[str, list[float]]]:
        """The agent, trained on imagined markets only, and its curve.

        A first training goes through the growing curriculum; a later one goes on from the
        previous agent with paths of full length from the new forecaster.
        """
        options = self._options
        observer = Observer(forecaster)
        sampler = ForecasterSampler(observer, tables, blend=options.blend)
        config = agent_config(options, observer.size)
        caps = options.limits()
        rules = Rules.of(
            caps,
            [history.symbol for history in histories],
            equity=options.cash,
            costs=InteractiveBrokersCost(slippage=options.slippage),
        )
        rngs = streams(options.seed, "agent", str(end))
        if previous is None:
            stages = growing(options.paths, options.path_bars, options.agent_updates)
        else:
            stages = growing(
                options.retrain_paths, options.path_bars, options.agent_retrain_updates, stages=1
            )
        total = sum(stage.updates for stage in stages)
        with _progress("agent", total, shown=previous is None) as reporter:
            done = train_on_imagined(
                sampler,
                rules,
                config,
                stages,
                rngs,
                previous=None if previous is None else previous.agent,
                reporter=_Staged(reporter, self._diagnostics.stopwatch),
            )
        return done.agent, {
            "update": done.curve.update.tolist(),
            "loss": done.curve.loss.tolist(),
            "reward": done.curve.claimed_value.tolist(),
        }

    def _facts(self, tables: Sequence[FeatureTable], forecaster: Forecaster) -> dict[str, Any]:
        """Stylised facts of the real and the imagined markets, baselines beside them."""
        samplers: dict[str, PathSampler] = {
            "simulated": ForecasterSampler(Observer(forecaster), tables, blend=self._options.blend),
            "block bootstrap": BlockBootstrapSampler(tables),
            "GJR-GARCH": GarchSampler(tables),
        }
        rng = streams(self._options.seed, "facts")["paths"]
        real = real_markets([table.history for table in tables])
        bars = min(FACTS_BARS, *(market.returns.shape[1] for market in real))
        table = facts_table(
            real,
            {
                name: simulated_markets(sampler.sample(FACTS_PATHS, bars, rng))
                for name, sampler in samplers.items()
            },
        )
        return {
            "columns": list(table.columns),
            "rows": [{"name": label, "values": values} for label, values in table.rows()],
            "text": str(table),
        }

    def _tell(
        self,
        histories: Sequence[History],
        models: TrainedModels,
        told: Mapping[str, Any],
        *,
        reused: bool,
        now: datetime,
    ) -> None:
        """Note the training for the log and the report."""
        diagnostics = self._diagnostics
        diagnostics.training(
            now,
            reused=reused,
            artifact=models.key,
            forecaster=told["forecaster"],
            agent=told["agent"],
        )
        if models.agent.stays_flat:
            self._report(
                "The agent earned nothing on held-out imagined paths and stays flat until the "
                "next training."
            )
        if self._first:
            self._first = False
            verb = "reused from the object store" if reused else "trained"
            bars = sum(map(len, histories))
            self._report(f"Models {verb}: {len(histories)} symbols, {bars} bars, key {models.key}")
            facts = told["facts"]
            for line in facts["text"].splitlines():
                self._report(line)
            diagnostics.facts = {name: facts[name] for name in ("columns", "rows")}
            with diagnostics.stopwatch.stage("simulation"):
                self._imagine(histories, models)

    def _imagine(self, histories: Sequence[History], models: TrainedModels) -> None:
        """Paths from the newest bars, to be shown beside what really happens next."""
        rng = streams(self._options.seed, "shown")["paths"]
        for history in histories:
            sampler = ForecasterSampler(
                Observer(models.forecaster),
                [FeatureTable.of(history)],
                blend=self._options.blend,
                starts="latest",
            )
            paths = sampler.sample(SHOWN_PATHS, self._options.path_bars, rng)
            self._diagnostics.imagined(
                history.symbol, float(history.close[-1]), paths.bars[:, 1:, CLOSE]
            )


def forecaster_config(options: Settings) -> ForecasterConfig:
    """The forecaster's part of the settings."""
    return ForecasterConfig(
        units=options.forecaster_units,
        window=options.forecaster_window,
        dropout=options.forecaster_dropout,
        epochs=options.forecaster_epochs,
        retrain_epochs=options.forecaster_retrain_epochs,
    )


def agent_config(options: Settings, observation_width: int) -> QAgentConfig:
    """The agent's part of the settings."""
    return QAgentConfig(
        observation_width=observation_width,
        actions=tuple(a for a in ACTIONS if a >= 0 or options.allow_short),
        units=(options.agent_units, options.agent_units),
        discount=options.agent_discount,
        memory=MEMORY,
    )


class _Bar:
    """A training's progress bar on standard error."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def update(self, step: int, **metrics: float) -> None:
        """Move on to a step and show its metrics."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in metrics.items()})


class _Staged:
    """A training's progress bar, with a stopwatch for what it is spent on."""

    def __init__(self, bar: _Bar, watch: Stopwatch) -> None:
        self.update = bar.update
        self._watch = watch

    def stage(self, name: str, total: int) -> AbstractContextManager[None]:
        """Time the stage."""
        return self._watch.stage(name)


@contextmanager
def _progress(label: str, total: int, *, shown: bool) -> Iterator[_Bar]:
    """A progress bar; hidden where it would only flash by or nobody sees it."""
    with tqdm(total=total, desc=label, leave=False, disable=None if shown else True) as bar:
        yield _Bar(bar)
