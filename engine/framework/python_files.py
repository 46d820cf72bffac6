"""What LEAN's Python files of models hold that `AlgorithmImports` does not: by module, by name.

LEAN has most models twice, in C# and in Python. Where both do the same, the engine has one.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from engine.common.enums import Resolution
from engine.framework import alphas, pairs_alphas
from engine.framework.optimization import MeanReversionPortfolioConstructionModel
from engine.framework.python_optimization import (
    BlackLittermanOptimizationPortfolioConstructionModel,
    MeanVarianceOptimizationPortfolioConstructionModel,
    RiskParityPortfolioConstructionModel,
)
from engine.framework.python_optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
    RiskParityPortfolioOptimizer,
    UnconstrainedMeanVariancePortfolioOptimizer,
)


class HistoricalReturnsAlphaModel(alphas.HistoricalReturnsAlphaModel):
    """The model of LEAN's Python file, which heeds its arguments by name only."""

    def __init__(self, *_: Any, **named: Any) -> None:
        super().__init__(named.get("lookback", 1), named.get("resolution", Resolution.DAILY))
        self.name = ""


class BasePairsTradingAlphaModel(pairs_alphas.BasePairsTradingAlphaModel):
    """The model of LEAN's Python file, which sorts the securities by symbol."""

    def _symbols(self) -> list[Any]:
        return sorted(super()._symbols())


class PearsonCorrelationPairsTradingAlphaModel(
    BasePairsTradingAlphaModel, pairs_alphas.PearsonCorrelationPairsTradingAlphaModel
):
    """The model of LEAN's Python file, which reads a frame of closes."""

    def _choose(self, algorithm: Any, symbols: list[Any]) -> None:
        history = algorithm.history(symbols, self.lookback, self.resolution)
        if history.empty:
            return
        from scipy.stats import pearsonr

        prices = np.log(history.close.unstack(level=0))
        returns = (prices - prices.shift(1)).dropna()
        columns = range(len(returns.columns))
        correlations = sorted(
            (
                (pair, pearsonr(*(returns.iloc[:, column] for column in pair))[0])
                for pair in combinations(columns, 2)
            ),
            key=lambda item: item[1],
        )
        if correlations and correlations[-1][1] >= self.minimum_correlation:
            self.best_pair = tuple(symbols[column] for column in correlations[-1][0])


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
