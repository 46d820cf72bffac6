"""Risk management: overrides targets after construction."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.common.decimals import to_decimal
from engine.common.naming import LeanObject
from engine.framework.targets import PortfolioTarget


class RiskManagementModel(LeanObject):
    """Base of risk models; ``manage_risk`` returns targets that override the given ones."""

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Return overriding targets; a symbol left out keeps its target."""
        raise NotImplementedError(f"{type(self).__name__}.manage_risk")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities were added or removed."""


class NullRiskManagementModel(RiskManagementModel):
    """Overrides nothing."""

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Return none."""
        return []


class CompositeRiskManagementModel(RiskManagementModel):
    """Several models one after the other; later ones win.

    Raises:
        ValueError: without models.
    """

    def __init__(self, *models: Any, risk_management_models: Any = None) -> None:
        models = models if risk_management_models is None else (list(risk_management_models),)
        given = list(models[0]) if len(models) == 1 and isinstance(models[0], list) else [*models]
        if not given:
            raise ValueError("CompositeRiskManagementModel needs at least one model; received none")
        self._models = given

    def add_risk_management(
        self, risk_management_model: Any = None, *, py_risk_management_model: Any = None
    ) -> None:
        """Append a model."""
        given = (risk_management_model, py_risk_management_model)
        self._models += [model for model in given if model is not None]

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Return the targets after all models."""
        for model in self._models:
            adjusted = list(model.manage_risk(algorithm, targets) or [])
            targets = distinct(adjusted + list(targets))
        return targets

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Pass the change on."""
        for model in self._models:
            model.on_securities_changed(algorithm, changes)


def distinct(targets: Iterable[PortfolioTarget]) -> list[PortfolioTarget]:
    """The first target of each symbol."""
    found: dict[Any, PortfolioTarget] = {}
    for target in targets:
        found.setdefault(target.symbol, target)
    return list(found.values())


def _invested(algorithm: Any) -> list[Any]:
    return [security for security in list(algorithm.securities.values()) if security.invested]


def _liquidate(algorithm: Any, symbol: Any) -> PortfolioTarget:
    algorithm.insights.cancel([symbol])
    return PortfolioTarget(symbol, 0)


def _unrealized_percent(security: Any) -> Decimal:
    return to_decimal(security.holdings.unrealized_profit_percent_exact)


class MaximumDrawdownPercentPerSecurity(RiskManagementModel):
    """Liquidates a position that has lost more than a share of its cost."""

    def __init__(self, maximum_drawdown_percent: Any = 0.05) -> None:
        self._limit = -abs(to_decimal(maximum_drawdown_percent))

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Flatten losers and cancel their insights."""
        return [
            _liquidate(algorithm, security.symbol)
            for security in _invested(algorithm)
            if _unrealized_percent(security) < self._limit
        ]


class MaximumUnrealizedProfitPercentPerSecurity(RiskManagementModel):
    """Takes the profit of a position that has gained more than a share of its cost."""

    def __init__(self, maximum_unrealized_profit_percent: Any = 0.05) -> None:
        self._limit = abs(to_decimal(maximum_unrealized_profit_percent))

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Flatten winners and cancel their insights."""
        return [
            _liquidate(algorithm, security.symbol)
            for security in _invested(algorithm)
            if _unrealized_percent(security) > self._limit
        ]


class MaximumDrawdownPercentPortfolio(RiskManagementModel):
    """Liquidates all targets when the portfolio has fallen by a share.

    Args:
        maximum_drawdown_percent: largest tolerated fall, a fraction.
        is_trailing: measure from the highest value instead of the first.
    """

    def __init__(self, maximum_drawdown_percent: Any = 0.05, is_trailing: bool = False) -> None:
        self._limit = -abs(to_decimal(maximum_drawdown_percent))
        self._trailing = is_trailing
        self._high: Decimal | None = None

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Flatten all targets once the limit is passed; start anew afterwards."""
        value = algorithm.portfolio.total_portfolio_value_exact
        if self._high is None:
            self._high = value
        if self._trailing and self._high < value:
            self._high = value
            return []
        if value / self._high - 1 < self._limit and targets:
            self._high = None
            return [_liquidate(algorithm, target.symbol) for target in targets]
        return []


class TrailingStopRiskManagementModel(RiskManagementModel):
    """Liquidates a position that has fallen by a share from its best value."""

    def __init__(self, maximum_drawdown_percent: Any = 0.05) -> None:
        self._limit = abs(to_decimal(maximum_drawdown_percent))
        self._best: dict[Any, tuple[bool, Decimal]] = {}

    def manage_risk(
        self, algorithm: Any, targets: list[PortfolioTarget]
    ) -> Iterable[PortfolioTarget]:
        """Track the best value since the position was opened or turned."""
        stopped = []
        for security in list(algorithm.securities.values()):
            symbol = security.symbol
            if not security.invested:
                self._best.pop(symbol, None)
                continue
            holdings = security.holdings
            long = holdings.quantity_exact > 0
            value = abs(holdings.holdings_value_exact)
            side, best = self._best.get(symbol, (not long, value))
            if side != long:
                best = abs(holdings.holdings_cost_exact)
                self._best[symbol] = (long, best)
            if (value > best) if long else (value < best):
                self._best[symbol] = (long, value)
            elif abs((best - value) / best) > self._limit:
                del self._best[symbol]
                stopped.append(_liquidate(algorithm, symbol))
        return stopped
