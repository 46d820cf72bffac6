"""Portfolio construction by optimization, as in LEAN's C# files of the folder `Portfolio`.

These are the names of `AlgorithmImports`. LEAN's Python files, which work on frames and solve with
SciPy, are in `python_optimization`; ``from Portfolio.<name> import <name>`` gives those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np

from engine.common.clock import naive_utc, to_utc
from engine.common.decimals import to_decimal, to_double
from engine.common.enums import InsightDirection, PortfolioBias, Resolution
from engine.common.naming import LeanObject, either_spelling
from engine.common.net_exceptions import ArgumentException, ArgumentNullException
from engine.framework.insight import Insight
from engine.framework.optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
    PortfolioOptimizer,
    RiskParityPortfolioOptimizer,
    moments,
)
from engine.framework.portfolio_construction import PortfolioConstructionModel, named_or
from engine.indicators import RateOfChange
from engine.market.data import TradeBar

TRADING_DAYS = 252


class ReturnsSymbolData(LeanObject):
    """The last returns of a symbol.

    Args:
        symbol: whose returns.
        lookback: bars of a return.
        period: returns that are remembered.

    Attributes:
        roc: makes the returns from prices.
    """

    _label: ClassVar[str] = "ROC"

    def __init__(self, symbol: Any, lookback: int, period: int) -> None:
        self.roc = RateOfChange(f"{symbol}.{self._label}({lookback})", lookback)
        self.roc.updated += self._on_updated
        self._window: deque[tuple[datetime, float]] = deque(maxlen=period)

    @property
    def returns(self) -> dict[datetime, float]:
        """Returns by time, newest first.

        Raises:
            ArgumentException: if two are of one time.
        """
        found = dict(self._window)
        if len(found) < len(self._window):
            raise ArgumentException("An item with the same key has already been added.")
        return found

    def add(self, time: datetime, value: Any) -> None:
        """Take a return; one of the newest's time is left out."""
        if not self._window or self._window[0][0] != time:
            self._window.appendleft((time, to_double(to_decimal(value))))

    def update(self, time: datetime, value: Any) -> bool:
        """Take a price; whether there are enough of them for a return."""
        return bool(self.roc.update(time, value))

    def reset(self) -> None:
        """Forget everything and heed no more prices."""
        self.roc.updated -= self._on_updated
        self.roc.reset()
        self._window.clear()

    def _on_updated(self, sender: Any, point: Any) -> None:
        if self.roc.is_ready:
            self.add(point.end_time, point.value_exact)


class ReturnsSymbolDataExtensions(LeanObject):
    """Returns of several symbols."""

    @staticmethod
    def form_returns_matrix(
        symbol_data: Mapping[Any, ReturnsSymbolData], symbols: Iterable[Any]
    ) -> Any:
        """Returns as an array, times x symbols, without rows that lack one or are all zero.

        Where the times differ between symbols, rows are the first, second, ... newest return of
        each.
        """
        returns = {symbol: data.returns for symbol, data in symbol_data.items()}
        columns = [returns[symbol] for symbol in symbols if symbol in returns]
        times = list(dict.fromkeys(time for column in columns for time in column))
        most = max(map(len, returns.values()), default=0)
        if most == len(times):
            rows = [[column.get(time, np.nan) for column in columns] for time in times]
        else:
            values = [list(column.values()) for column in columns]
            rows = [
                [column[row] if row < len(column) else np.nan for column in values]
                for row in range(most)
            ]
        sums = np.abs(np.array(rows)).sum(axis=1) if rows and columns else np.zeros(len(rows))
        kept = [row for row, total in zip(rows, sums, strict=True) if total > 0]
        return np.array(kept) if kept else np.zeros((0, 0))


def bounds(bias: PortfolioBias) -> tuple[float, float]:
    """Smallest and largest weight on the sides that are traded."""
    lower = 0 if bias == PortfolioBias.LONG else -1
    return lower, 0 if bias == PortfolioBias.SHORT else 1


def within_bias(bias: PortfolioBias, weight: float) -> float:
    """The weight, or zero if it lies on the side that is not traded."""
    wrong = bias != PortfolioBias.LONG_SHORT and int(np.sign(weight)) != int(bias)
    return 0.0 if wrong else weight


def past_bars(algorithm: Any, symbol: Any, count: int, resolution: Resolution) -> list[Any]:
    """The last bars of a symbol."""
    return list(algorithm.history[TradeBar](symbol, count, resolution))


def require_long(model: Any, bias: PortfolioBias) -> None:
    """Refuse a model that may hold nothing.

    Raises:
        ArgumentException: if the bias forbids long positions.
    """
    if bias == PortfolioBias.SHORT:
        raise ArgumentException(f"Long position must be allowed in {type(model).__name__}.")


def _own_optimizer(model: Any, optimizer: Any) -> Any:
    """An optimizer for a model that takes LEAN's own only.

    Raises:
        TypeError: for one that is written in Python.
    """
    if optimizer is not None and not isinstance(optimizer, PortfolioOptimizer):
        raise TypeError(
            f"{type(model).__name__} takes an optimizer of AlgorithmImports only, as in LEAN; "
            f"received {type(optimizer).__name__}"
        )
    return optimizer


class _ReturnsModel(PortfolioConstructionModel):
    """Models that keep the returns of their symbols and ask an optimizer for the weights."""

    def __init__(
        self,
        rebalance: Any,
        lookback: int,
        period: int,
        resolution: Resolution,
        optimizer: Any,
    ) -> None:
        super().__init__(rebalance)
        self._lookback, self._period, self._resolution = lookback, period, resolution
        self._optimizer = optimizer
        self._data: dict[Any, ReturnsSymbolData] = {}

    def _follow(self, symbol: Any) -> ReturnsSymbolData:
        if symbol not in self._data:
            self._data[symbol] = ReturnsSymbolData(symbol, self._lookback, self._period)
        return self._data[symbol]

    def _history(self, algorithm: Any, symbol: Any) -> list[Any]:
        return past_bars(algorithm, symbol, self._lookback * self._period, self._resolution)

    def _targets(
        self, insights: list[Insight], symbols: list[Any], weights: Any, bias: PortfolioBias
    ) -> dict[Insight, float]:
        first: dict[Any, Insight] = {}
        for insight in insights:
            first.setdefault(insight.symbol, insight)
        found = {}
        if len(weights):
            for index, symbol in enumerate(symbols):
                found[first[symbol]] = within_bias(bias, float(weights[index]))
        return found


class MeanVarianceOptimizationPortfolioConstructionModel(_ReturnsModel):
    """Mean-variance optimization of the symbols with insights.

    Args:
        rebalance: see `rebalancing_function`; daily by default.
        portfolio_bias: sides that are traded.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the history.
        target_return: for the default optimizer.
        optimizer: has ``optimize(returns, expected returns, covariance)``, arrays of times x
            assets, None and None; the least variance for the target by default.
        rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func: LEAN's other
            names of ``rebalance``.

    Raises:
        NotImplementedError: for an optimizer without ``optimize``.
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
        *,
        rebalancing_date_rules: Any = None,
        rebalance_resolution: Resolution | None = None,
        time_span: timedelta | None = None,
        rebalancing_func: Any = None,
    ) -> None:
        named = (rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func)
        if optimizer is None:
            optimizer = MinimumVariancePortfolioOptimizer(*bounds(portfolio_bias), target_return)
        optimize = either_spelling(optimizer, "optimize")
        super().__init__(named_or(named, rebalance), lookback, period, resolution, optimizer)
        if optimize is None:
            raise NotImplementedError(
                "IPortfolioOptimizer.Optimize must be implemented. Please implement this missing "
                f"method on {type(optimizer).__name__}"
            )
        self._optimize = optimize
        self._bias = PortfolioBias(portfolio_bias)

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights need a magnitude within the settings; it becomes a return of the symbol.

        One without magnitude ends the run.
        """
        if not self.filter_invalid_insight_magnitude(self.algorithm, [insight]):
            return False
        data = self._data.get(insight.symbol)
        if data is None:
            return True
        if insight.magnitude is None:
            self.algorithm.set_run_time_error(
                ArgumentNullException(
                    f"{type(self).__name__} does not accept 'null' as Insight.Magnitude. Please "
                    "checkout the selected Alpha Model specifications: "
                    f"{insight.source_model} (Parameter '{insight.symbol.value}')"
                )
            )
            return False
        data.add(self.algorithm.time, insight.magnitude)
        return True

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer."""
        if not active_insights:
            return {}
        symbols = [insight.symbol for insight in active_insights]
        returns = ReturnsSymbolDataExtensions.form_returns_matrix(self._data, symbols)
        weights = self._optimize(returns, None, None)
        return self._targets(active_insights, symbols, weights, self._bias)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        for security in changes.removed_securities:
            self._data.pop(security.symbol, None)
        for security in changes.added_securities:
            data = self._follow(security.symbol)
            for bar in self._history(algorithm, security.symbol):
                data.update(bar.end_time, bar.value_exact)


class RiskParityPortfolioConstructionModel(_ReturnsModel):
    """The same share of the risk for every symbol with an insight.

    Args:
        rebalance: see `rebalancing_function`; daily by default.
        portfolio_bias: long, or long and short.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the returns.
        optimizer: one of LEAN's; equal shares of the risk by default.
        rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func: LEAN's other
            names of ``rebalance``.

    Raises:
        ArgumentException: if the bias forbids long positions.
        TypeError: for an optimizer written in Python.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 252,
        resolution: Resolution = Resolution.DAILY,
        optimizer: Any = None,
        *,
        rebalancing_date_rules: Any = None,
        rebalance_resolution: Resolution | None = None,
        time_span: timedelta | None = None,
        rebalancing_func: Any = None,
    ) -> None:
        require_long(self, portfolio_bias)
        named = (rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func)
        optimizer = _own_optimizer(self, optimizer) or RiskParityPortfolioOptimizer()
        super().__init__(named_or(named, rebalance), lookback, period, resolution, optimizer)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer."""
        if not active_insights:
            return {}
        symbols = [insight.symbol for insight in active_insights]
        returns = ReturnsSymbolDataExtensions.form_returns_matrix(self._data, symbols)
        weights = self._optimizer.optimize(returns)
        return self._targets(active_insights, symbols, weights, PortfolioBias.LONG_SHORT)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        for security in changes.removed_securities:
            removed = self._data.pop(security.symbol, None)
            if removed is not None:
                algorithm.unregister_indicator(removed.roc)
        for security in changes.added_securities:
            symbol = security.symbol
            if symbol not in self._data:
                algorithm.register_indicator(symbol, self._follow(symbol).roc, self._resolution)
        for security in changes.added_securities:
            data = self._data[security.symbol]
            for bar in self._history(algorithm, security.symbol):
                data.update(bar.end_time, bar.value_exact)


class MeanReversionPortfolioConstructionModel(PortfolioConstructionModel):
    """On-line moving average reversion (Li and Hoi, 2012).

    Args:
        rebalance: see `rebalancing_function`; daily by default.
        portfolio_bias: long, or long and short.
        reversion_threshold: expected price relative up to which nothing moves.
        window_size: bars of the average.
        resolution: of the bars.
        rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func: LEAN's other
            names of ``rebalance``.

    Raises:
        ArgumentException: if the bias forbids long positions.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        reversion_threshold: float = 1,
        window_size: int = 20,
        resolution: Resolution = Resolution.DAILY,
        *,
        rebalancing_date_rules: Any = None,
        rebalance_resolution: Resolution | None = None,
        time_span: timedelta | None = None,
        rebalancing_func: Any = None,
    ) -> None:
        require_long(self, portfolio_bias)
        named = (rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func)
        super().__init__(named_or(named, rebalance))
        self.reversion_threshold = reversion_threshold
        self.window_size, self.resolution = window_size, resolution
        self.weight_vector: Any = np.zeros(0)
        self._data: dict[Any, tuple[Any, Any]] = {}

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Move the weights towards what is below its average."""
        pairs = [self._data[insight.symbol] for insight in active_insights]
        if not pairs or not all(price.is_ready and mean.is_ready for price, mean in pairs):
            return {}
        count = len(active_insights)
        if len(self.weight_vector) != count:
            self.weight_vector = np.ones(count) * (1 / count)
        relatives = np.asarray(self.get_price_relatives(active_insights))
        apart = relatives - relatives.mean()
        norm = np.linalg.norm(apart) ** 2
        step = 0.0
        if norm != 0.0:
            excess = np.dot(self.weight_vector, relatives) - self.reversion_threshold
            step = max(0.0, excess / norm)
        self.weight_vector = self.simplex_projection(self.weight_vector - step * apart)
        return dict(zip(active_insights, self.weight_vector, strict=True))

    def get_price_relatives(self, active_insights: list[Insight]) -> Any:
        """Expected price relatives: from the magnitude, else price over average."""
        relatives = np.zeros(len(active_insights))
        for index, insight in enumerate(active_insights):
            price, mean = self._data[insight.symbol]
            if insight.magnitude is not None:
                relatives[index] = 1 + insight.magnitude * int(insight.direction)
            else:
                relatives[index] = price.current.value / mean.current.value
        return relatives

    @staticmethod
    def cumulative_sum(sequence: Iterable[float]) -> list[float]:
        """Sums of the first, the first two, ... of the numbers."""
        return list(accumulate(sequence))

    @staticmethod
    def simplex_projection(vector: Any, total: float = 1) -> Any:
        """The nearest weights that are not negative and sum to ``total`` (Duchi et al., 2008).

        Raises:
            ArgumentException: if the total is not positive.
        """
        if total <= 0:
            raise ArgumentException("Total must be > 0 for Euclidean Projection onto the Simplex.")
        vector = np.asarray(vector)
        ordered = np.sort(vector)[::-1]
        sums = np.cumsum(ordered)
        last = np.where(ordered > (sums - total) / np.arange(1, len(vector) + 1))[0][-1]
        return np.maximum(vector - (sums[last] - total) / (last + 1), 0)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities, warmed up from history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        for security in changes.removed_securities:
            for indicator in self._data.pop(security.symbol, ()):
                indicator.reset()
        for security in changes.added_securities:
            symbol = security.symbol
            if symbol not in self._data:
                price = algorithm.identity(symbol, self.resolution)
                mean = algorithm.sma(symbol, self.window_size, self.resolution)
                algorithm.warm_up_indicator(symbol, price, self.resolution)
                algorithm.warm_up_indicator(symbol, mean, self.resolution)
                self._data[symbol] = price, mean


class BlackLittermanOptimizationPortfolioConstructionModel(_ReturnsModel):
    """Black-Litterman: the market's implied returns, moved by the views of the alpha models.

    Args:
        rebalance: see `rebalancing_function`; daily by default.
        portfolio_bias: sides that are traded.
        lookback: bars of a return.
        period: returns that are remembered.
        resolution: of the history.
        risk_free_rate: a year's, a fraction.
        delta: risk aversion of the market.
        tau: uncertainty of the prior.
        optimizer: one of LEAN's; the largest Sharpe ratio by default.
        rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func: LEAN's other
            names of ``rebalance``.

    Raises:
        TypeError: for an optimizer written in Python.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 63,
        resolution: Resolution = Resolution.DAILY,
        risk_free_rate: float = 0.0,
        delta: float = 2.5,
        tau: float = 0.05,
        optimizer: Any = None,
        *,
        rebalancing_date_rules: Any = None,
        rebalance_resolution: Resolution | None = None,
        time_span: timedelta | None = None,
        rebalancing_func: Any = None,
    ) -> None:
        named = (rebalancing_date_rules, rebalance_resolution, time_span, rebalancing_func)
        if _own_optimizer(self, optimizer) is None:
            lower, upper = bounds(portfolio_bias)
            optimizer = MaximumSharpeRatioPortfolioOptimizer(lower, upper, risk_free_rate)
        super().__init__(named_or(named, rebalance), lookback, period, resolution, optimizer)
        self._risk_free_rate, self._delta, self._tau = risk_free_rate, delta, tau
        self._bias = PortfolioBias(portfolio_bias)

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights need a magnitude within the settings, or none."""
        return bool(self.filter_invalid_insight_magnitude(self.algorithm, [insight]))

    def get_target_insights(self) -> list[Insight]:
        """The newest active insight of each symbol and alpha model, by symbol."""
        newest: dict[tuple[Any, Any], Insight] = {}
        for insight in self.algorithm.insights.get_active_insights(self.algorithm.utc_time_naive):
            if not self.should_create_target_for_insight(insight):
                continue
            key = insight.symbol, insight.source_model
            held = newest.get(key)
            if held is None or insight.generated_time_utc_naive >= held.generated_time_utc_naive:
                newest[key] = insight
        return sorted(newest.values(), key=lambda insight: insight.symbol)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Weights of the optimizer on the moved returns; none where an alpha model has no view."""
        found = self._views(active_insights)
        if found is None:
            return {}
        for insight in active_insights:
            if insight.symbol in self._data:
                time = naive_utc(insight.generated_time_utc)
                self._data[insight.symbol].add(time, insight.magnitude)
        symbols = list(dict.fromkeys(insight.symbol for insight in active_insights))
        returns = ReturnsSymbolDataExtensions.form_returns_matrix(self._data, symbols)
        mean, covariance = self.get_equilibrium_returns(returns)
        mean, covariance = self._posterior(np.asarray(mean), np.asarray(covariance), *found)
        weights = self._optimizer.optimize(returns, mean, covariance)
        return self._targets(active_insights, symbols, weights, self._bias)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow added securities that have a history; forget removed ones."""
        super().on_securities_changed(algorithm, changes)
        for security in changes.removed_securities:
            removed = self._data.pop(security.symbol, None)
            if removed is not None:
                removed.reset()
        for security in changes.added_securities:
            zone = security.exchange.time_zone
            for bar in self._history(algorithm, security.symbol):
                data = self._follow(security.symbol)
                data.update(to_utc(bar.end_time, zone), bar.value_exact)

    def get_equilibrium_returns(
        self, returns: Any, σ: Any = None
    ) -> tuple[Any, Any]:  # fmt: skip
        """Returns that the equally weighted market implies, and the covariance, of a year."""
        returns = np.asarray(returns, dtype=float)
        weights = np.full(returns.shape[1], 1.0 / returns.shape[1])
        mean, covariance = moments(returns, None, None)
        covariance = covariance * TRADING_DAYS
        annual = weights @ ((mean + 1.0) ** TRADING_DAYS - 1.0)
        aversion = (annual - self._risk_free_rate) / (weights @ covariance @ weights)
        return covariance @ weights * aversion, covariance

    def _posterior(self, mean: Any, covariance: Any, link: Any, views: Any) -> tuple[Any, Any]:
        """The prior's mean (N) and covariance (N x N) moved by the views (K) of assets (K x N)."""
        scaled = covariance * self._tau
        spread = link @ scaled @ link.T
        omega = spread * np.eye(len(views))
        if np.linalg.det(omega) == 0:
            return mean, covariance
        gain = scaled @ link.T @ np.linalg.inv(spread + omega)
        posterior = (covariance + scaled - gain @ link @ scaled) * self._delta
        return mean + gain @ (views - link @ mean), posterior

    def _views(self, insights: list[Insight]) -> tuple[Any, Any] | None:
        """Which assets a view involves (K x N) and its return (K), one view of each alpha model.

        None without insights, or if one of the models has no view: no magnitude, or only zeros.
        """
        models: dict[Any, dict[Any, Insight]] = {}
        for insight in insights:
            models.setdefault(insight.source_model, {})[insight.symbol] = insight
        symbols = dict.fromkeys(insight.symbol for insight in insights)
        rows, views = [], []
        for of_model in models.values():
            sizes = {InsightDirection.UP: 0.0, InsightDirection.DOWN: 0.0}
            weights = {}
            for symbol, insight in of_model.items():
                if insight.magnitude is None:
                    return None
                size = abs(insight.magnitude)
                weights[symbol] = int(insight.direction) * size
                if insight.direction in sizes:
                    sizes[insight.direction] += size
            view = max(sizes.values())
            if view == 0:
                return None
            # LEAN puts the symbols without a view behind the others, whatever the assets' order.
            weights |= {symbol: 0.0 for symbol in symbols if symbol not in weights}
            rows.append([weight / view for weight in weights.values()])
            views.append(view)
        return (np.array(rows), np.array(views)) if rows else None
