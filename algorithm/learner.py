"""Where deciders come from: training, and what a run says and shows about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from tqdm import tqdm

from algorithm.decision import AgentDecider, Decider
from algorithm.diagnostics import Diagnostics, Stopwatch
from algorithm.imagined import imagined
from algorithm.learning import investor
from algorithm.promotion import promote
from algorithm.settings import Settings
from algorithm.training import TrainedModels, Trainer
from models.agent.agent import window_of
from models.agent.observation import Observer
from models.artifacts import ArtifactStore
from models.market.features import FeatureTable
from models.market.history import History
from models.provenance import described, key_for
from models.reporting import Reporter, Silent
from sim.accounting import Rules
from sim.rewards import REWARDS, along
from sim.rules import RULES, Rule
from sim.shadow import Acts, ShadowAccounts

RIVALS = (
    "constant_mix",
    "buy_and_hold",
    "inverse_volatility_forecast",
    "volatility_target_forecast",
    "variance_target_ewma",
    "variance_target_forecast",
    "variance_target_forecast_200",
    "average_200",
    "moving_average_cross",
    "momentum",
    "mean_reversion",
    "mean_variance_ewma",
    "mean_variance_forecast",
)
"""Rules (`sim.rules`) that a run is shown beside: of a kind that comes with several volatilities or
filters those that differ most."""


CANDIDATE = "candidate: "
"""Before the name of a candidate's shadow account."""


class Learner(Protocol):
    """Makes what decides; the strategy asks it after warm-up and at every retraining."""

    def decider(self, histories: Sequence[History], rules: Rules, now: datetime) -> Decider | None:
        """What decides from now on.

        Args:
            histories: one per symbol, up to the newest complete bar; the newest are learned from.
            rules: what binds the account now.
            now: algorithm time.

        Returns:
            The decider; None to go on with the present one, since nothing came to learn from.
        """
        ...

    def again(self, histories: Sequence[History], rules: Rules) -> Decider | None:
        """The present decider on bars that have changed: it decides as if it had seen no others.

        Args:
            histories: one per symbol.
            rules: what binds the account now.

        Returns:
            The decider; None before the first.
        """
        ...

    def to_state(self) -> dict[str, Any] | None:
        """By what a restart finds the same decider, as JSON can say it; None before the first."""
        ...

    def record(self) -> dict[str, Any] | None:
        """What is earned beside trading, as JSON can say it; None where nothing is.

        It grows with every close, and may be of more closes than the state beside it, but not of
        fewer: `Decider.catch_up` adds those that it lacks.
        """
        ...

    def restore(
        self, state: Mapping[str, Any], record: Mapping[str, Any] | None, now: datetime
    ) -> None:
        """Go on from what `to_state` and `record` gave; `again` then gives the decider.

        A record that cannot be used begins anew, and is said to.

        Raises:
            ValueError: if something of the state is gone.
        """
        ...


class ModelLearner:
    """Trains forecaster and agent, tells the log and the diagnostics, builds the decider."""

    def __init__(
        self,
        options: Settings,
        artifacts: ArtifactStore,
        diagnostics: Diagnostics,
        report: Callable[[str], Any],
        guard: AbstractContextManager[Any] | None = None,
    ) -> None:
        """Build a learner.

        Args:
            options: settings of the run.
            artifacts: where models are kept.
            diagnostics: is told of every training.
            report: takes one line of text for the log.
            guard: held while what a decider on another thread uses changes: models and shadow
                accounts. A training does not hold it.
        """
        self._guard = nullcontext() if guard is None else guard
        self._options = options
        self._artifacts = artifacts
        self._diagnostics = diagnostics
        self._report = report
        # One thing, since the state is asked for on other threads: the models, and who traded.
        self._reached: tuple[TrainedModels | None, list[dict[str, Any]]] = (None, [])
        self._shadows: ShadowAccounts | None = None
        self._kept: Mapping[str, Any] | None = None

    @property
    def models(self) -> TrainedModels | None:
        """Of the last training; None before the first."""
        return self._reached[0]

    def decider(self, histories: Sequence[History], rules: Rules, now: datetime) -> Decider | None:
        """See `Learner`; models are trained only if a bar came since the last training."""
        newest = max(history.data_end for history in histories)
        if self.models is not None and newest <= self.models.data_end:
            return None
        self._require_bars(histories)
        first = self.models is None
        # A retraining takes a second or two: its bar would only flash by.
        progress = TimedProgress(self._diagnostics.stopwatch, shown=first)
        trainer = Trainer(self._options.learning(), self._artifacts, progress)
        tables = self._tables(histories)
        models = trainer.train(tables, rules, self.models, now=now)
        with self._guard:
            shadows = self._opened(models, rules, now)
            models = self._promoted(models, shadows, now)
            self._reached = models, list(self._diagnostics.promotions)
            self._tell(models, now)
        if first:
            self._introduce(tables, models, now)
        return self._decider(tables, models, rules)

    def _tables(self, histories: Sequence[History]) -> list[FeatureTable]:
        """What is learned from, and seen by the models: the newest bars, however many there are."""
        most = self._options.run.learned_bars
        return [FeatureTable.of(history.tail(most)) for history in histories]

    def _decider(
        self, tables: Sequence[FeatureTable], models: TrainedModels, rules: Rules
    ) -> AgentDecider:
        """Stands at the newest bars that the models were trained on."""
        if self._shadows is not None:
            with self._guard:
                self._shadows.follow([table.history for table in tables])
        return AgentDecider(
            Observer(models.forecaster),
            models.agent,
            tables,
            rules,
            seed=self._options.run.seed,
            draws=self._options.run.forecast_draws,
            shadows=self._shadows,
            remembers=max(window_of(one.agent) for one in models.agents.values()) - 1,
        )

    def again(self, histories: Sequence[History], rules: Rules) -> Decider | None:
        """See `Learner`."""
        if self.models is None:
            return None
        end = self.models.data_end
        tables = self._tables([history.until(end) for history in histories])
        end_time = end.astype("datetime64[us]").item()
        self._opened(self.models, rules, end_time)
        return self._decider(tables, self.models, rules)

    def to_state(self) -> dict[str, Any] | None:
        """See `Learner`; with who traded until now, and why."""
        models, promotions = self._reached
        if models is None:
            return None
        return models.keys | {"settings": self._settings(), "promotions": promotions}

    def record(self) -> dict[str, Any] | None:
        """See `Learner`: the accounts of rules and candidates, and the rules that bind them."""
        if self._shadows is None:
            return None
        return {"rules": described(self._shadows.rules)} | self._shadows.to_state()

    def restore(
        self, state: Mapping[str, Any], record: Mapping[str, Any] | None, now: datetime
    ) -> None:
        """See `Learner`; models of other settings are not gone on with."""
        if state["settings"] != self._settings():
            raise ValueError("settings of learning must be those of before; they have changed")
        trainer = Trainer(self._options.learning(), self._artifacts)
        self._reached = trainer.restored(state, now=now), list(state["promotions"])
        self._diagnostics.promotions = list(state["promotions"])
        self._kept = record

    def _opened(self, models: TrainedModels, rules: Rules, since: datetime) -> ShadowAccounts:
        """Accounts of simple rules and candidates, opened when trading begins.

        A candidate's account goes on with its newest agent, and all with what a run before kept.
        """
        several = len(models.agents) > 1
        if self._shadows is None:
            policies: dict[str, Acts] = {name: Rule(name) for name in RIVALS}
            says = {name: RULES[name].says for name in RIVALS}
            for kind, one in models.agents.items() if several else ():
                policies[CANDIDATE + kind] = one.agent
                says[CANDIDATE + kind] = "A candidate, trained anew whenever the others are."
            kept, self._kept = self._kept, None
            opened = None if kept is None else self._reopened(policies, rules, kept)
            self._shadows = opened or ShadowAccounts(policies, rules, since)
            self._diagnostics.rivals(self._shadows, says)
        for kind, one in models.agents.items() if several else ():
            self._shadows[CANDIDATE + kind].policy = one.agent
        return self._shadows

    def _reopened(
        self, policies: Mapping[str, Acts], rules: Rules, kept: Mapping[str, Any]
    ) -> ShadowAccounts | None:
        """The accounts that a run before kept; None if they cannot be gone on with."""
        try:
            rules = replace(rules, equity=float(kept["rules"]["equity"]))
            if kept["rules"] != described(rules):
                raise ValueError("caps, lots and costs must be those of before; they have changed")
            found = ShadowAccounts(policies, rules)
            found.restore(kept)
        except (KeyError, TypeError, ValueError) as problem:
            self._report(
                "The record of rules and candidates cannot be gone on with; their accounts begin "
                f"anew: {problem}"
            )
            return None
        return found

    def _promoted(
        self, models: TrainedModels, shadows: ShadowAccounts, now: datetime
    ) -> TrainedModels:
        """The same models, with whichever candidate trades from now on."""
        if len(models.agents) < 2:
            return models
        agent = self._options.agent
        reward = REWARDS[agent.reward](investor(agent, len(self._options.run.symbols)).aversion)
        decision = promote(
            models.trading,
            {kind: one.judged for kind, one in models.agents.items()},
            {kind: along(reward, shadows[CANDIDATE + kind].growth) for kind in models.agents},
        )
        self._report(str(decision))
        self._diagnostics.promotion(now, decision)
        return replace(models, trading=decision.trading)

    def _settings(self) -> str:
        """Changes with whatever learning takes of the settings."""
        return key_for({"learning": described(self._options.learning())})

    def _require_bars(self, histories: Sequence[History]) -> None:
        """Name the symbol that is too young, and the setting that may be at fault."""
        needed = self._options.forecaster.required_bars
        for history in histories:
            if len(history) < needed:
                raise ValueError(
                    f"{history.symbol}: warm-up must give at least {needed} bars to learn from; "
                    f"received {len(history)}, the first of {str(history.time[0])[:10]} "
                    f"(parameter warm_up_years is {self._options.run.warm_up_years:g})"
                )

    def _tell(self, models: TrainedModels, now: datetime) -> None:
        """Note a training."""
        self._diagnostics.training(now, models)
        if not models.forecaster.converged:
            self._report(
                f"The calibration of the forecaster trained up to {models.data_end} did not "
                "converge; its intervals may be off."
            )
        if models.agent.stays_flat:
            self._report(
                "The agent earned nothing on held-out imagined paths and stays flat until the "
                "next training."
            )

    def _introduce(
        self, tables: Sequence[FeatureTable], models: TrainedModels, now: datetime
    ) -> None:
        """Say what the run starts with, and how its imagined markets look beside the real ones."""
        verb = "reused from the object store" if models.reused else "trained"
        self._report(
            f"Models {verb}: {len(tables)} symbols, {sum(map(len, tables))} bars, "
            f"key {models.agent_key}"
        )
        imagination, seed = self._options.imagination, self._options.run.seed
        with self._diagnostics.stopwatch.stage("simulation"):
            found = imagined(tables, models, imagination, seed, self._artifacts, now)
        for part in (found.span, found.facts, found.said):
            for line in str(part).splitlines():
                self._report(line)
        for symbol in found.unconverged:
            self._report(f"The GJR-GARCH fit of {symbol}, a baseline above, did not converge.")
        self._diagnostics.imagined(
            found, {table.symbol: float(table.history.close[-1]) for table in tables}
        )


class TimedProgress:
    """Times stages and shows their progress on standard error."""

    def __init__(self, stopwatch: Stopwatch, *, shown: bool) -> None:
        """Build it.

        Args:
            stopwatch: adds the stages' seconds up.
            shown: whether to show progress bars, where standard error is a terminal.
        """
        self._stopwatch = stopwatch
        self._shown = shown

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Reporter]:
        """See `models.reporting.Progress`."""
        with self._stopwatch.stage(name):
            if total is None or not self._shown:
                yield Silent()
                return
            with tqdm(total=total, desc=name, leave=False, disable=None) as bar:
                yield _Bar(bar)


class _Bar:
    """A stage's progress bar."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def update(self, step: int, **metrics: float) -> None:
        """Move on to a step and show its metrics."""
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in metrics.items()})
