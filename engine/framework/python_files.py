"""What LEAN's Python files of models hold that `AlgorithmImports` does not: by module, by name.

LEAN has most models twice, in C# and in Python. Where both do the same, the engine has one.
"""

from __future__ import annotations

from typing import Any

from engine.common.enums import Resolution
from engine.framework import alphas
from engine.framework.optimization import (
    BlackLittermanOptimizationPortfolioConstructionModel,
    MeanReversionPortfolioConstructionModel,
    MeanVarianceOptimizationPortfolioConstructionModel,
    RiskParityPortfolioConstructionModel,
)
from engine.framework.optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
    RiskParityPortfolioOptimizer,
    UnconstrainedMeanVariancePortfolioOptimizer,
)
from engine.framework.pairs_alphas import (
    BasePairsTradingAlphaModel,
    PearsonCorrelationPairsTradingAlphaModel,
)


class HistoricalReturnsAlphaModel(alphas.HistoricalReturnsAlphaModel):
    """The model of LEAN's Python file, which heeds its arguments by name only."""

    def __init__(self, *_: Any, **named: Any) -> None:
        super().__init__(named.get("lookback", 1), named.get("resolution", Resolution.DAILY))
        self.name = ""


MODULES: dict[str, type] = {
    f"{package}.{model.__name__}": model
    for package, models in {
        "Alphas": (
            BasePairsTradingAlphaModel,
            HistoricalReturnsAlphaModel,
            PearsonCorrelationPairsTradingAlphaModel,
        ),
        "Portfolio": (
            BlackLittermanOptimizationPortfolioConstructionModel,
            MaximumSharpeRatioPortfolioOptimizer,
            MeanReversionPortfolioConstructionModel,
            MeanVarianceOptimizationPortfolioConstructionModel,
            MinimumVariancePortfolioOptimizer,
            RiskParityPortfolioConstructionModel,
            RiskParityPortfolioOptimizer,
            UnconstrainedMeanVariancePortfolioOptimizer,
        ),
    }.items()
    for model in models
}
"""Models by the full name of the module that LEAN keeps them in."""
