"""Indicators that use volume."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO
from engine.indicators.base import IndicatorBase, TradeBarIndicator
from engine.indicators.composite import IndicatorExtensions
from engine.indicators.windows import Identity, Sum, named
from engine.market.data import TradeBar


class OnBalanceVolume(TradeBarIndicator):
    """Volume of rising bars less volume of falling bars."""

    warm_up_period = 1

    def __init__(self, name: str = "OBV") -> None:
        super().__init__(name)
        self._before: Decimal | None = None

    @property
    def is_ready(self) -> bool:
        """True from the first bar on."""
        return self._before is not None

    def _compute(self, point: Any) -> Decimal:
        total = self._current.value_exact
        if self._before is None:
            total = point.volume_exact
        elif point.value_exact > self._before:
            total += point.volume_exact
        elif point.value_exact < self._before:
            total -= point.volume_exact
        self._before = point.value_exact
        return total

    def reset(self) -> None:
        """Forget the bar before."""
        super().reset()
        self._before = None


class VolumeWeightedAveragePriceIndicator(TradeBarIndicator):
    """Average of the bars' mean prices, weighted by volume."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("VWAP", args)
        super().__init__(name)
        self.warm_up_period = int(period)
        self._price, self._volume = Identity("Price"), Identity("Volume")
        self._average = IndicatorExtensions.weighted_by(self._price, self._volume, period)

    @property
    def is_ready(self) -> bool:
        """True once the window is full."""
        return self._average.is_ready

    def _compute(self, point: Any) -> Decimal:
        prices = point.open_exact + point.high_exact + point.low_exact + point.value_exact
        self._price.update(point.end_time, prices / 4)
        self._volume.update(point.end_time, point.volume_exact)
        return self._average.current.value_exact

    def reset(self) -> None:
        """Reset the parts too."""
        super().reset()
        for part in (self._price, self._volume, self._average):
            part.reset()


class IntradayVwap(IndicatorBase):
    """Volume-weighted average price since the start of the day."""

    takes_bars = True

    def __init__(self, name: str = "VWAP") -> None:
        super().__init__(name)
        self._day: date | None = None
        self._volume = self._value = ZERO

    @property
    def is_ready(self) -> bool:
        """True once there was volume."""
        return self._volume > 0

    def _compute(self, point: Any) -> Decimal | None:
        if not isinstance(point, TradeBar) or point.is_fill_forward:
            return None
        if self._day != point.end_time.date():
            self._day, self._volume, self._value = point.end_time.date(), ZERO, ZERO
        mean = (point.high_exact + point.low_exact + point.close_exact) / 3
        self._volume += point.volume_exact
        self._value += mean * point.volume_exact
        return self._value / self._volume if self._volume else point.value_exact

    def reset(self) -> None:
        """Forget the day."""
        super().reset()
        self._day, self._volume, self._value = None, ZERO, ZERO


class MoneyFlowIndex(TradeBarIndicator):
    """Turnover of rising bars over all turnover, 0 to 100."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("MFI", args)
        super().__init__(name)
        self.warm_up_period = int(period)
        self.positive_money_flow = Sum(name + "_PositiveMoneyFlow", period)
        self.negative_money_flow = Sum(name + "_NegativeMoneyFlow", period)
        self.previous_typical_price = ZERO

    @property
    def is_ready(self) -> bool:
        """True once the window is full."""
        return self.positive_money_flow.is_ready and self.negative_money_flow.is_ready

    def _compute(self, point: Any) -> Decimal:
        typical = (point.high_exact + point.low_exact + point.close_exact) / Decimal("3.0")
        flow = typical * point.volume_exact
        before = self.previous_typical_price
        self.positive_money_flow.update(point.end_time, flow if typical > before else ZERO)
        self.negative_money_flow.update(point.end_time, flow if typical < before else ZERO)
        self.previous_typical_price = typical
        positive = self.positive_money_flow.current.value_exact
        total = positive + self.negative_money_flow.current.value_exact
        return 100 * positive / total if total else Decimal(100)

    def reset(self) -> None:
        """Reset the sums too."""
        super().reset()
        self.previous_typical_price = ZERO
        self.positive_money_flow.reset()
        self.negative_money_flow.reset()
