"""Slippage by what an order moves the market, after Almgren, Thum, Hauptmann and Li (2005)."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from engine.api.net_types import Random
from engine.brokerage.fees import ExactSlippageModel
from engine.common.decimals import ONE, ZERO, divide, from_float, to_double
from engine.common.enums import Resolution
from engine.feed.period_consolidators import TradeBarConsolidator
from engine.indicators.window import RollingWindow
from engine.market.data import TradeBar
from engine.orders.orders import Order
from engine.statistics.moments import variance

_HISTORY = timedelta(days=370)
_DAY = timedelta(days=1)


class _Market:
    """Volume and volatility of a security's days, kept up by a consolidator.

    Attributes:
        volume: mean of the last ten days.
        sigma: standard deviation of the last year's daily returns.
        execution_time, impact_time: in trading days.
    """

    def __init__(self, algorithm: Any, asset: Any, latency: float, impact_time: float) -> None:
        self._volumes: RollingWindow[Decimal] = RollingWindow(10)
        self._prices: RollingWindow[Decimal] = RollingWindow(252)
        self.volume = self.sigma = 0.0
        symbol = asset.symbol
        consolidator = TradeBarConsolidator(_DAY)
        consolidator.data_consolidated += self._take
        algorithm.subscription_manager.add_consolidator(symbol, consolidator)
        now = algorithm.time
        for bar in algorithm.history[TradeBar](symbol, now - _HISTORY, now, Resolution.DAILY):
            consolidator.update(bar)
        day = asset.exchange.hours.regular_market_duration / _DAY
        self.execution_time = timedelta(seconds=latency) / _DAY / day
        self.impact_time = self.execution_time + timedelta(seconds=impact_time) / _DAY / day

    def _take(self, _: Any, bar: TradeBar) -> None:
        self._prices.add(bar.close_exact)
        self._volumes.add(bar.volume_exact)
        prices = list(self._prices)
        if len(prices) < 2:
            return
        changes = [
            to_double(divide(new - old, old)) if old else 0.0 for new, old in pairwise(prices)
        ]
        self.sigma = math.sqrt(variance(changes))
        volumes = list(self._volumes)
        self.volume = to_double(divide(sum(volumes, ZERO), Decimal(len(volumes))))


class MarketImpactSlippageModel(ExactSlippageModel):
    """What an order takes from the book: a permanent and a passing impact, with seeded noise.

    Without data on shares outstanding, which the engine has not, LEAN does not adjust for liquidity
    either. As in LEAN, a model that several securities share knows the volume of the first.

    Args:
        algorithm: whose history and consolidators it uses.
        non_negative: slippage is never in the order's favour.
        latency: seconds from order to fill.
        impact_time: seconds from fill to the new equilibrium.
        alpha, gamma: exponent and coefficient of the permanent impact.
        beta, eta: of the passing impact.
        delta: exponent of the liquidity adjustment.
        random_seed: of the noise.

    Raises:
        ValueError: for times that are not positive.
    """

    def __init__(
        self,
        algorithm: Any,
        non_negative: bool = True,
        latency: float = 0.075,
        impact_time: float = 1800,
        alpha: float = 0.891,
        beta: float = 0.600,
        gamma: float = 0.314,
        eta: float = 0.142,
        delta: float = 0.267,
        random_seed: int = 50,
    ) -> None:
        for name, value in (("latency", latency), ("impact_time", impact_time)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0; received {value}")
        self._algorithm = algorithm
        self._non_negative = non_negative
        self._latency, self._impact_time = latency, impact_time
        self._alpha, self._beta, self._gamma, self._eta = alpha, beta, gamma, eta
        self._random = Random(random_seed)
        self._market: _Market | None = None

    def approximation_exact(self, asset: Any, order: Order) -> Decimal:
        """A random share of the impact times the price, at most the price."""
        market = self._market
        if market is None:
            market = _Market(self._algorithm, asset, self._latency, self._impact_time)
            self._market = market
        if not market.volume:
            return ZERO
        size = to_double(abs(order.quantity_exact)) / market.execution_time / market.volume
        noise = market.sigma * math.sqrt(market.impact_time)
        lasting = market.sigma * market.execution_time * self._gamma * size**self._alpha
        lasting += self._gaussian() * noise
        passing = market.sigma * self._eta * size**self._beta + self._gaussian() * noise
        impact = passing + lasting * 0.5
        share = min(from_float(impact * self._random.next_double()), ONE)
        if self._non_negative:
            share = max(share, ZERO)
        return share * asset.price_exact

    def _gaussian(self) -> float:
        first, second = 1 - self._random.next_double(), 1 - self._random.next_double()
        return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)
