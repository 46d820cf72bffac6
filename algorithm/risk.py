"""LEAN's risk stage: stops override what portfolio construction asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from AlgorithmImports import *


class StopsRiskModel(RiskManagementModel):
    """Re-plans the portfolio when a stop is active, so that stopped symbols go to zero."""

    def __init__(self, replan: Callable[[], Mapping[Symbol, float] | None]) -> None:
        """Build the model.

        Args:
            replan: target quantities with the active stops applied, or None without any.
        """
        super().__init__()
        self._replan = replan

    def manage_risk(
        self, algorithm: QCAlgorithm, targets: List[IPortfolioTarget]
    ) -> List[PortfolioTarget]:
        """Targets that replace those of portfolio construction."""
        if not targets:
            return []
        quantities = self._replan() or {}
        return [PortfolioTarget(symbol, quantity) for symbol, quantity in quantities.items()]
