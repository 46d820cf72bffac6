"""The part of QCAlgorithm that holds the framework's models."""

from __future__ import annotations

from typing import Any

from engine.framework import FrameworkPipeline, Insight, InsightManager
from engine.indicators.base import Event


class FrameworkMixin:
    """Mixin of QCAlgorithm; see :class:`engine.framework.FrameworkPipeline`."""

    framework: FrameworkPipeline

    def _set_up_framework(self) -> None:
        self.framework = FrameworkPipeline(self)

    def _start_framework(self) -> None:
        self.framework.start()

    def on_framework_data(self, data: Any) -> None:
        """Run the models on a slice, after ``on_data``."""
        self.framework.on_data(data)

    def on_framework_securities_changed(self, changes: Any) -> None:
        """Tell the models of added and removed securities."""
        self.framework.on_securities_changed(changes)

    # Models ---------------------------------------------------------------------------------

    @property
    def insights(self) -> InsightManager:
        """All insights."""
        return self.framework.insights

    @property
    def insights_generated(self) -> Event:
        """Event; handlers receive (algorithm, insights)."""
        return self.framework.insights_generated

    @insights_generated.setter
    def insights_generated(self, event: Event) -> None:
        self.framework.insights_generated = event

    @property
    def alpha(self) -> Any:
        """The alpha model."""
        return self.framework.alpha

    @property
    def portfolio_construction(self) -> Any:
        """The portfolio construction model."""
        return self.framework.portfolio_construction

    @property
    def risk_management(self) -> Any:
        """The risk management model."""
        return self.framework.risk_management

    @property
    def execution(self) -> Any:
        """The execution model."""
        return self.framework.execution

    @property
    def universe_selection(self) -> Any:
        """The universe selection model."""
        return self.framework.universe_selection

    def set_alpha(self, alpha: Any) -> None:
        """Choose the alpha model."""
        self.framework.alpha = alpha

    def add_alpha(self, alpha: Any) -> None:
        """Use a further alpha model."""
        self.framework.add_alpha(alpha)

    def set_portfolio_construction(self, model: Any) -> None:
        """Choose the portfolio construction model."""
        self.framework.portfolio_construction = model

    def set_risk_management(self, model: Any) -> None:
        """Choose the risk management model."""
        self.framework.risk_management = model

    def add_risk_management(self, model: Any) -> None:
        """Use a further risk management model."""
        self.framework.add_risk_management(model)

    def set_execution(self, model: Any) -> None:
        """Choose the execution model."""
        self.framework.execution = model

    def set_universe_selection(self, model: Any) -> None:
        """Choose the universe selection model."""
        self.framework.universe_selection = model

    def add_universe_selection(self, model: Any) -> None:
        """Use a further universe selection model."""
        self.framework.add_universe_selection(model)

    def emit_insights(self, *insights: Any) -> None:
        """Hand insights to the framework at once; ignored during warm-up."""
        found: list[Insight] = []
        for item in insights:
            found.extend([item] if isinstance(item, Insight) else item)
        self.framework.emit(found)
