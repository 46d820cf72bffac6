"""LEAN's algorithm framework: insights, targets and the models between them."""

from engine.framework.alphas import (
    AlphaModel,
    CompositeAlphaModel,
    ConstantAlphaModel,
    EmaCrossAlphaModel,
    HistoricalReturnsAlphaModel,
    MacdAlphaModel,
    NullAlphaModel,
    RsiAlphaModel,
)
from engine.framework.execution import (
    ExecutionModel,
    ImmediateExecutionModel,
    NullExecutionModel,
    SpreadExecutionModel,
    StandardDeviationExecutionModel,
)
from engine.framework.insight import Insight, InsightScore
from engine.framework.insights import InsightCollection, InsightManager
from engine.framework.pipeline import FrameworkPipeline
from engine.framework.portfolio_construction import (
    AccumulativeInsightPortfolioConstructionModel,
    ConfidenceWeightedPortfolioConstructionModel,
    EqualWeightingPortfolioConstructionModel,
    InsightWeightingPortfolioConstructionModel,
    NullPortfolioConstructionModel,
    PortfolioConstructionModel,
)
from engine.framework.risk import (
    CompositeRiskManagementModel,
    MaximumDrawdownPercentPerSecurity,
    MaximumDrawdownPercentPortfolio,
    MaximumUnrealizedProfitPercentPerSecurity,
    NullRiskManagementModel,
    RiskManagementModel,
    TrailingStopRiskManagementModel,
)
from engine.framework.targets import OrderSizing, PortfolioTarget, PortfolioTargetCollection
from engine.framework.universe import (
    CompositeUniverseSelectionModel,
    CustomUniverse,
    CustomUniverseSelectionModel,
    ManualUniverse,
    ManualUniverseSelectionModel,
    NullUniverseSelectionModel,
    ScheduledUniverse,
    ScheduledUniverseSelectionModel,
    Universe,
    UniverseSelectionModel,
)

__all__ = [
    "AccumulativeInsightPortfolioConstructionModel",
    "AlphaModel",
    "CompositeAlphaModel",
    "CompositeRiskManagementModel",
    "CompositeUniverseSelectionModel",
    "ConfidenceWeightedPortfolioConstructionModel",
    "ConstantAlphaModel",
    "CustomUniverse",
    "CustomUniverseSelectionModel",
    "EmaCrossAlphaModel",
    "EqualWeightingPortfolioConstructionModel",
    "ExecutionModel",
    "FrameworkPipeline",
    "HistoricalReturnsAlphaModel",
    "ImmediateExecutionModel",
    "Insight",
    "InsightCollection",
    "InsightManager",
    "InsightScore",
    "InsightWeightingPortfolioConstructionModel",
    "MacdAlphaModel",
    "ManualUniverse",
    "ManualUniverseSelectionModel",
    "MaximumDrawdownPercentPerSecurity",
    "MaximumDrawdownPercentPortfolio",
    "MaximumUnrealizedProfitPercentPerSecurity",
    "NullAlphaModel",
    "NullExecutionModel",
    "NullPortfolioConstructionModel",
    "NullRiskManagementModel",
    "NullUniverseSelectionModel",
    "OrderSizing",
    "PortfolioConstructionModel",
    "PortfolioTarget",
    "PortfolioTargetCollection",
    "RiskManagementModel",
    "RsiAlphaModel",
    "ScheduledUniverse",
    "ScheduledUniverseSelectionModel",
    "SpreadExecutionModel",
    "StandardDeviationExecutionModel",
    "TrailingStopRiskManagementModel",
    "Universe",
    "UniverseSelectionModel",
]
