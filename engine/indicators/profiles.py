"""Profiles: how much was traded at each price."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, ExactNumber, to_decimal, to_double
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import TradeBarIndicator, default_name, ready_with
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Sum


class MarketProfile(TradeBarIndicator):
    """Base: what was traded at each price, rounded up to a step; the value: the price of the most.

    Attributes:
        poc_price, poc_volume: the price of the most (point of control), and how much.
        profile_high, profile_low: the range of prices.
        value_area_high, value_area_low, value_area_volume: prices around it with a share of all.
    """

    poc_price = ExactNumber()
    poc_volume = ExactNumber()
    profile_high = ExactNumber()
    profile_low = ExactNumber()
    value_area_high = ExactNumber()
    value_area_low = ExactNumber()
    value_area_volume = ExactNumber()
    is_ready = ready_with("_total")

    def __init__(self, name: str, period: int, share: Any, step: Any) -> None:
        super().__init__(name)
        self._share, width = to_decimal(share), to_decimal(step)
        if width <= 0:
            raise ArgumentException(f"price_range_round_off must be positive; received {step}")
        self.warm_up_period = int(period)
        self._steps = 1 / width
        self._points: RollingWindow[tuple[Decimal, Decimal]] = self._own(RollingWindow(period))
        self._total = self._own(Sum(name + "_Sum", period))
        self._restart()

    def _restart(self) -> None:
        self._volumes: dict[Decimal, Decimal] = {}
        self.poc_price_exact = self.poc_volume_exact = ZERO
        self.profile_high_exact = self.profile_low_exact = ZERO
        self.value_area_high_exact = self.value_area_low_exact = ZERO
        self.value_area_volume_exact = ZERO

    def _weight(self, bar: Any) -> Decimal:
        raise NotImplementedError(f"{type(self).__name__}._weight")

    @property
    def volume_per_price(self) -> dict[float, float]:
        """What was traded at each price, by rising price."""
        return {to_double(key): to_double(self._volumes[key]) for key in sorted(self._volumes)}

    def _rounded(self, price: Decimal) -> Decimal:
        return Decimal(math.ceil(price * self._steps)) / self._steps

    def _compute(self, point: Any) -> Decimal:
        self._add(point, self._weight(point))
        prices = sorted(self._volumes)
        if not prices:
            return ZERO
        volumes = [self._volumes[price] for price in prices]
        top = self._most(volumes)
        self.poc_price_exact, self.poc_volume_exact = prices[top], volumes[top]
        self.profile_high_exact, self.profile_low_exact = prices[-1], prices[0]
        self._mark_value_area(prices, volumes, top)
        return self.poc_price_exact

    def _add(self, point: Any, weight: Decimal) -> None:
        full = self._points.is_ready
        self._points.add((point.close_exact, weight))
        price = self._rounded(point.close_exact)
        self._volumes[price] = self._volumes.get(price, ZERO) + weight
        self._total.update(point.time, weight)
        if full:
            close, old = self._points.most_recently_removed
            price = self._rounded(close)
            self._volumes[price] -= old
            if not self._volumes[price]:
                del self._volumes[price]

    @staticmethod
    def _most(volumes: list[Decimal]) -> int:
        """Place of the largest; of equals the one nearest to the middle."""
        best, middle = 0, (len(volumes) - 1) // 2
        for place, volume in enumerate(volumes):
            nearer = abs(middle - place) < abs(middle - best)
            if volume > volumes[best] or (volume == volumes[best] and nearer):
                best = place
        return best

    def _mark_value_area(self, prices: list[Decimal], volumes: list[Decimal], top: int) -> None:
        wanted = self._total.current.value_exact * self._share
        held, low, high = volumes[top], top, top
        while held <= wanted and wanted:
            below = volumes[low - 1] if low else ZERO
            above = volumes[high + 1] if high + 1 < len(volumes) else ZERO
            if not above or (below and below > above):
                if not low:
                    break
                held, low = held + below, low - 1
            else:
                held, high = held + above, high + 1
        self.value_area_volume_exact = wanted
        self.value_area_high_exact, self.value_area_low_exact = prices[high], prices[low]


class VolumeProfile(MarketProfile):
    """What was traded at each price, by volume."""

    @default_name("VP({period},{value_area_volume_percentage},{price_range_round_off})")
    def __init__(
        self,
        name: str,
        period: int = 2,
        value_area_volume_percentage: Any = Decimal("0.70"),
        price_range_round_off: Any = Decimal("0.05"),
    ) -> None:
        super().__init__(name, period, value_area_volume_percentage, price_range_round_off)

    def _weight(self, bar: Any) -> Decimal:
        volume: Decimal = bar.volume_exact
        return volume


class TimeProfile(MarketProfile):
    """What was traded at each price, by number of bars."""

    @default_name("TP({period},{value_area_volume_percentage},{price_range_round_off})")
    def __init__(
        self,
        name: str,
        period: int = 2,
        value_area_volume_percentage: Any = Decimal("0.70"),
        price_range_round_off: Any = Decimal("0.05"),
    ) -> None:
        super().__init__(name, period, value_area_volume_percentage, price_range_round_off)

    def _weight(self, bar: Any) -> Decimal:
        return Decimal(1)
