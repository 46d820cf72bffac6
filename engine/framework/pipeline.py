"""The framework's chain of models, run at every slice with data.

universe selection, alpha, portfolio construction, risk management, execution
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.common.enums import InsightType
from engine.framework.alphas import CompositeAlphaModel, NullAlphaModel, model_name
from engine.framework.execution import ImmediateExecutionModel
from engine.framework.insight import Insight
from engine.framework.insights import InsightManager
from engine.framework.portfolio_construction import NullPortfolioConstructionModel
from engine.framework.risk import (
    CompositeRiskManagementModel,
    NullRiskManagementModel,
    distinct,
)
from engine.framework.universe import (
    CompositeUniverseSelectionModel,
    NullUniverseSelectionModel,
    Universe,
)
from engine.indicators import Event


@dataclass(frozen=True)
class GeneratedInsights:
    """What handlers of `insights_generated` receive.

    Attributes:
        date_time_utc: when.
        insights: the new insights.
    """

    date_time_utc: datetime
    insights: list[Insight]


class FrameworkPipeline:
    """Holds the models of one algorithm and runs them.

    The algorithm provides ``utc_time``, ``is_warming_up``, ``securities``, ``error(text)`` and
    ``add_universe(universe)``, and calls ``start`` after ``initialize``, ``on_data`` at each
    slice (after its own ``on_data``) and ``on_securities_changed`` when members change.

    Attributes:
        insights: the algorithm's :class:`InsightManager`.
        insights_generated: event; handlers receive (algorithm, GeneratedInsights).
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self.universe_selection: Any = NullUniverseSelectionModel()
        self.alpha: Any = NullAlphaModel()
        self.portfolio_construction: Any = NullPortfolioConstructionModel()
        self.risk_management: Any = NullRiskManagementModel()
        self.execution: Any = ImmediateExecutionModel()
        self.insights = InsightManager(algorithm)
        self.insights_generated = Event()
        self._universe_keys: set[str] = set()
        self._warned_warm_up = False
        self._warned_delisted = False

    def add_alpha(self, alpha: Any) -> None:
        """Use a further alpha model."""
        if isinstance(self.alpha, NullAlphaModel):
            self.alpha = alpha
        elif isinstance(self.alpha, CompositeAlphaModel):
            self.alpha.add_alpha(alpha)
        else:
            self.alpha = CompositeAlphaModel(self.alpha, alpha)

    def add_risk_management(self, model: Any) -> None:
        """Use a further risk model."""
        if isinstance(self.risk_management, NullRiskManagementModel):
            self.risk_management = model
        elif isinstance(self.risk_management, CompositeRiskManagementModel):
            self.risk_management.add_risk_management(model)
        else:
            self.risk_management = CompositeRiskManagementModel(self.risk_management, model)

    def add_universe_selection(self, model: Any) -> None:
        """Use a further selection model."""
        if isinstance(self.universe_selection, NullUniverseSelectionModel):
            self.universe_selection = model
        elif isinstance(self.universe_selection, CompositeUniverseSelectionModel):
            self.universe_selection.add_universe_selection(model)
        else:
            self.universe_selection = CompositeUniverseSelectionModel(
                self.universe_selection, model
            )

    def start(self) -> None:
        """Take over settings and create the universes, after ``initialize``."""
        settings, model = self._algorithm.settings, self.portfolio_construction
        if settings.rebalance_portfolio_on_security_changes is not None:
            model.rebalance_on_security_changes = settings.rebalance_portfolio_on_security_changes
        if settings.rebalance_portfolio_on_insight_changes is not None:
            model.rebalance_on_insight_changes = settings.rebalance_portfolio_on_insight_changes
        self._create_universes()

    def _create_universes(self) -> None:
        for universe in self.universe_selection.create_universes(self._algorithm):
            self._add(universe)

    def _add(self, universe: Universe) -> None:
        if universe.key not in self._universe_keys:
            self._universe_keys.add(universe.key)
            self._algorithm.add_universe(universe)

    def on_data(self, data: Any) -> None:
        """Run the chain on a slice."""
        algorithm = self._algorithm
        if algorithm.utc_time_naive >= self.universe_selection.get_next_refresh_time_utc():
            self._create_universes()
        self.insights.step(algorithm.utc_time_naive)
        if not data.has_data:
            return
        insights = list(self.alpha.update(algorithm, data) or [])
        if insights:
            insights = self._receive(insights)
        self._process(insights)

    def emit(self, insights: list[Insight]) -> None:
        """Take insights that the algorithm emits itself; ignored during warm-up."""
        if self._algorithm.is_warming_up:
            if not self._warned_warm_up:
                self._warned_warm_up = True
                self._algorithm.error(
                    "Warning: insights emitted during algorithm warmup are ignored."
                )
            return
        self._process(self._receive(insights))

    def _receive(self, insights: list[Insight]) -> list[Insight]:
        """Complete insights' fields, record them and raise the event."""
        algorithm = self._algorithm
        valid = []
        for insight in insights:
            security = algorithm.securities[insight.symbol]
            if getattr(security, "is_delisted", False):
                if not self._warned_delisted:
                    self._warned_delisted = True
                    algorithm.error("Warning: insights for delisted securities are discarded.")
                continue
            insight.generated_time_utc = algorithm.utc_time_naive
            if insight.type == InsightType.PRICE:
                insight.reference_value = security.price
            elif insight.type == InsightType.VOLATILITY:
                insight.reference_value = security.volatility_model.volatility
            insight.source_model = insight.source_model or model_name(self.alpha)
            insight.set_period_and_close_time(security.exchange.hours)
            valid.append(insight)
        self.insights.add_range(valid)
        self.insights_generated(algorithm, GeneratedInsights(algorithm.utc_time_naive, valid))
        return valid

    def _process(self, insights: list[Insight]) -> None:
        algorithm = self._algorithm
        targets = list(self.portfolio_construction.create_targets(algorithm, insights) or [])
        targets = [target for target in targets if target is not None]
        self._note(targets)
        overrides = list(self.risk_management.manage_risk(algorithm, targets) or [])
        overrides = [target for target in overrides if target is not None]
        self._note(overrides)
        self.execution.execute(algorithm, distinct(overrides + targets))

    def _note(self, targets: list[Any]) -> None:
        for target in targets:
            self._algorithm.securities[target.symbol].holdings.target = target

    def on_securities_changed(self, changes: Any) -> None:
        """Tell every model of added and removed securities."""
        for model in (
            self.alpha,
            self.portfolio_construction,
            self.execution,
            self.risk_management,
        ):
            if hasattr(model, "on_securities_changed"):
                model.on_securities_changed(self._algorithm, changes)
