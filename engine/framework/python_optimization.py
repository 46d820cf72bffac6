"""Portfolio construction by optimization, as in LEAN's Python files of the folder `Portfolio`.

The names of `AlgorithmImports` are LEAN's C# models, in `optimization`; these are what
``from Portfolio.<name> import <name>`` gives.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from engine.common.clock import naive_utc, to_utc
from engine.common.decimals import to_double
from engine.common.enums import InsightDirection, PortfolioBias, Resolution
from engine.framework.insight import Insight
from engine.framework.optimization import (
    TRADING_DAYS,
    ReturnsSymbolData,
    bounds,
    past_bars,
    require_long,
    within_bias,
)
from engine.framework.portfolio_construction import PortfolioConstructionModel
from engine.framework.python_optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
    RiskParityPortfolioOptimizer,
)


class _Returns(ReturnsSymbolData):
    """The last returns of a symbol, newest first; there may be several of a time."""

    _label = "roc"

    def _on_updated(self, sender: Any, point: Any) -> None:
        if self.roc.is_ready:
            self.add(point.end_time, point.value)

    def add(self, time: datetime, value: float) -> None:
        """Take a return."""
        self._window.appendleft((time, value))

    @property
    def newest(self) -> datetime | None:
        """Time of the newest return."""
        return self._window[0][0] if self._window else None

    @property
    def series(self) -> pd.Series:
        """Returns by time."""
        return pd.Series(
            [value for _, value in self._window], index=[time for time, _ in self._window]
        )


class _ReturnsModel(PortfolioConstructionModel):
    """Models that keep the returns of their symbols and ask an optimizer for the weights."""

    def __init__(
        self, rebalance: Any, lookback: int, period: int, resolution: Resolution, optimizer: Any
    ) -> None:
        super().__init__()
        self.lookback, self.period, self.resolution = lookback, period, resolution
        self.optimizer = optimizer
        self.symbol_data_by_symbol: dict[Any, _Returns] = {}
        self.set_rebalancing_func(rebalance)

    def _follow(self, symbol: Any) -> _Returns:
        data = self.symbol_data_by_symbol.get(symbol)
        if data is None:
            data = _Returns(symbol, self.lookback, self.period)
            self.symbol_data_by_symbol[symbol] = data
        return data

    def _forget(self, changes: Any) -> list[_Returns]:
        """Drop what is known of removed securities, and return it."""
        known = self.symbol_data_by_symbol
        dropped = [
            known.pop(security.symbol)
            for security in changes.removed_securities
            if security.symbol in known
        ]
        for data in dropped:
            data.reset()
        return dropped

    def _history(self, algorithm: Any, symbol: Any) -> list[Any]:
        return past_bars(algorithm, symbol, self.lookback * self.period, self.resolution)


class MeanVarianceOptimizationPortfolioConstructionModel(_ReturnsModel):
    """Mean-variance optimization of the symbols with insights.

    Args:
        rebalance: daily by default.
        portfolio_bias: sides that are traded.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the history.
        target_return: for the default optimizer.
        optimizer: has ``optimize(returns)``; the least variance for the target by default.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 63,
        resolution: Resolution = Resolution.DAILY,
        target_return: float = 0.02,
        optimizer: Any = None,
    ) -> None:
        if optimizer is None:
            optimizer = MinimumVariancePortfolioOptimizer(*bounds(portfolio_bias), target_return)
        super().__init__(rebalance, lookback, period, resolution, optimizer)
        self.portfolio_bias = portfolio_bias

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights need a magnitude within the settings; it becomes a return of the symbol.

        Raises:
            ValueError: for an insight without magnitude.
        """
        if not self.filter_invalid_insight_magnitude(self.algorithm, [insight]):
            return False
        if insight.magnitude is None:
            raise ValueError(
                f"{type(self).__name__} needs insights with a magnitude; {insight} has none"
            )
        self.symbol_data_by_symbol[insight.symbol].add(self.algorithm.time, insight.magnitude)
        return True

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer."""
        if not active_insights:
            return {}
        symbols = {insight.symbol for insight in active_insights}
        returns = pd.DataFrame(
            {
                str(symbol.id): data.series
                for symbol, data in self.symbol_data_by_symbol.items()
                if symbol in symbols
            }
        )
        weights = pd.Series(self.optimizer.optimize(returns), index=returns.columns)
        return {
            insight: within_bias(self.portfolio_bias, weights[str(insight.symbol.id)])
            for insight in active_insights
        }

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        self._forget(changes)
        for security in changes.added_securities:
            data = self._follow(security.symbol)
            for bar in self._history(algorithm, security.symbol):
                data.update(bar.end_time, bar.value_exact)


class RiskParityPortfolioConstructionModel(_ReturnsModel):
    """The same share of the risk for every symbol with an insight.

    Args:
        rebalance: daily by default.
        portfolio_bias: long, or long and short.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the returns.
        optimizer: has ``optimize(returns)``.

    Raises:
        ValueError: if the bias forbids long positions.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 252,
        resolution: Resolution = Resolution.DAILY,
        optimizer: Any = None,
    ) -> None:
        require_long(self, portfolio_bias)
        if optimizer is None:
            optimizer = RiskParityPortfolioOptimizer()
        super().__init__(rebalance, lookback, period, resolution, optimizer)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer."""
        if not active_insights:
            return {}
        symbols = {insight.symbol for insight in active_insights}
        returns = pd.DataFrame(
            {
                str(symbol): data.series
                for symbol, data in self.symbol_data_by_symbol.items()
                if symbol in symbols
            }
        )
        weights = pd.Series(self.optimizer.optimize(returns), index=returns.columns)
        return {insight: weights[str(insight.symbol)] for insight in active_insights}

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        for removed in self._forget(changes):
            algorithm.unregister_indicator(removed.roc)
        for symbol in sorted(
            (security.symbol for security in changes.added_securities), key=lambda s: str(s.id)
        ):
            bars = self._history(algorithm, symbol)
            if not bars or symbol in self.symbol_data_by_symbol:
                continue
            data = self._follow(symbol)
            for bar in bars:
                # LEAN's model reads them from a frame.
                data.update(bar.end_time, to_double(bar.close_exact))
            algorithm.register_indicator(symbol, data.roc, self.resolution)


class BlackLittermanOptimizationPortfolioConstructionModel(_ReturnsModel):
    """Black-Litterman: the market's implied returns, moved by the views of the alpha models.

    Args:
        rebalance: daily by default.
        portfolio_bias: sides that are traded.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the history.
        risk_free_rate: a year's, a fraction.
        delta: risk aversion of the market.
        tau: uncertainty of the prior.
        optimizer: has ``optimize(returns, expected returns, covariance)``.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 63,
        resolution: Resolution = Resolution.DAILY,
        risk_free_rate: float = 0,
        delta: float = 2.5,
        tau: float = 0.05,
        optimizer: Any = None,
    ) -> None:
        if optimizer is None:
            optimizer = MaximumSharpeRatioPortfolioOptimizer(
                *bounds(portfolio_bias), risk_free_rate
            )
        super().__init__(rebalance, lookback, period, resolution, optimizer)
        self.risk_free_rate, self.delta, self.tau = risk_free_rate, delta, tau
        self.portfolio_bias = portfolio_bias

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights need a magnitude within the settings."""
        return bool(self.filter_invalid_insight_magnitude(self.algorithm, [insight]))

    def get_target_insights(self) -> list[Insight]:
        """The newest active insight of each symbol and alpha model."""
        active = [
            insight
            for insight in self.algorithm.insights.get_active_insights(self.algorithm.utc_time)
            if self.should_create_target_for_insight(insight)
        ]
        active.sort(key=lambda insight: (insight.source_model or "", insight.symbol))
        newest: dict[tuple[str, Any], Insight] = {}
        for insight in sorted(active, key=lambda insight: insight.generated_time_utc):
            newest[insight.source_model, insight.symbol] = insight
        keys = dict.fromkeys((insight.source_model, insight.symbol) for insight in active)
        return [newest[key] for key in keys]

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer on the moved returns.

        Raises:
            ValueError: for an insight without magnitude.
        """
        link, views = self.get_views(active_insights)
        if link is None:
            return {}
        series = {}
        for insight in active_insights:
            if insight.magnitude is None:
                raise ValueError(
                    f"{type(self).__name__} needs insights with a magnitude; {insight} has none"
                )
            data = self.symbol_data_by_symbol.get(insight.symbol)
            if data is None:
                data = _Returns(insight.symbol, self.lookback, self.period)
            generated = naive_utc(insight.generated_time_utc)
            if data.newest != generated:
                data.add(generated, insight.magnitude)
            series[insight.symbol] = data.series
        returns = pd.DataFrame(series)
        mean, covariance = self.get_equilibrium_return(returns)
        mean, covariance = self.apply_blacklitterman_master_formula(mean, covariance, link, views)
        weights = self.optimizer.optimize(returns, mean, covariance)
        targets: dict[Insight, float] = {}
        for symbol, weight in pd.Series(weights, index=covariance.columns).items():
            first = next(one for one in active_insights if one.symbol == symbol)
            targets[first] = within_bias(self.portfolio_bias, weight)
        return targets

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        self._forget(changes)
        for security in changes.added_securities:
            zone = security.exchange.time_zone
            for bar in self._history(algorithm, security.symbol):
                # LEAN's model reads them from a frame.
                data = self._follow(security.symbol)
                data.update(to_utc(bar.end_time, zone), to_double(bar.close_exact))

    def apply_blacklitterman_master_formula(
        self, mean: Any, covariance: Any, link: Any, views: Any
    ) -> tuple[Any, Any]:
        """Move the prior's mean and covariance by the views.

        Args:
            mean: of the prior, N values.
            covariance: of the prior, N x N.
            link: which assets a view involves, K x N.
            views: returns in view, K x 1.
        """
        scaled = self.tau * covariance
        omega = np.dot(np.dot(link, scaled), link.T) * np.eye(views.shape[0])
        if np.linalg.det(omega) == 0:
            return mean, covariance
        gain = np.dot(
            np.dot(scaled, link.T), np.linalg.inv(np.dot(np.dot(link, scaled), link.T) + omega)
        )
        surprise = views - np.expand_dims(np.dot(link, mean.T), axis=1)
        moved = np.squeeze(np.asarray(np.expand_dims(mean, axis=0).T + np.dot(gain, surprise)))
        posterior = (covariance + scaled - np.dot(np.dot(gain, link), scaled)) * self.delta
        return moved, posterior

    def get_equilibrium_return(self, returns: Any) -> tuple[Any, Any]:
        """Returns that the equally weighted market implies, and the covariance, of a year."""
        size = len(returns.columns)
        weights = np.array([1 / size] * size)
        covariance = returns.cov() * TRADING_DAYS
        annual = np.sum(((1 + returns.mean()) ** TRADING_DAYS - 1) * weights)
        variance = np.dot(weights.T, np.dot(covariance, weights))
        aversion = (annual - self.risk_free_rate) / variance
        return np.dot(np.dot(aversion, covariance), weights), covariance

    def get_views(self, insights: list[Insight]) -> tuple[Any, Any]:
        """Link matrix (K x N) and views (K x 1), one of each alpha model; None without views."""
        symbols = dict.fromkeys(insight.symbol for insight in insights)
        rows, views = [], []
        for _, group in groupby(insights, lambda insight: insight.source_model):
            found = list(group)
            if any(insight.magnitude is None for insight in found):
                return None, None
            sizes = [abs(insight.magnitude or 0.0) for insight in found]
            sides = [insight.direction for insight in found]
            view = max(
                sum(size for size, side in zip(sizes, sides, strict=True) if side == wanted)
                for wanted in (InsightDirection.UP, InsightDirection.DOWN)
            )
            if view == 0:
                continue
            row = {
                insight.symbol: int(insight.direction) * size / view
                for insight, size in zip(found, sizes, strict=True)
            }
            # LEAN puts the symbols without a view behind the others, whatever the assets' order.
            row |= {symbol: 0.0 for symbol in symbols if symbol not in row}
            rows.append(list(row.values()))
            views.append([view])
        return (np.array(rows), np.array(views)) if views else (None, None)
