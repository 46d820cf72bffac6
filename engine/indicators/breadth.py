"""Indicators of many symbols: how many rise and fall, how many make new extremes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import (
    BarIndicator,
    IndicatorDataPoint,
    TradeBarIndicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import FunctionalIndicator, IndicatorExtensions
from engine.indicators.windows import Maximum, Minimum


def _ratio(first: Decimal, second: Decimal) -> Decimal:
    return first / second if second else first


def _difference(first: Decimal, second: Decimal) -> Decimal:
    return first - second


def _count(bars: list[Any]) -> Decimal:
    return Decimal(len(bars))


def _volume(bars: list[Any]) -> Decimal:
    return sum((bar.volume_exact for bar in bars), ZERO)


class AdvanceDeclineIndicator(TradeBarIndicator):
    """Base: rising beside falling symbols. A value comes when every symbol has its bar.

    Args:
        name: of the indicator.
        compute_sub: the rising, or the falling, bars to a number.
        compute_main: both numbers to the value.
    """

    warm_up_period = 2

    def __init__(
        self,
        name: str,
        compute_sub: Callable[[list[Any]], Decimal],
        compute_main: Callable[[Decimal, Decimal], Decimal],
    ) -> None:
        super().__init__(name)
        self._sub, self._main = compute_sub, compute_main
        self._bars: dict[Any, Any] = {}
        self._restart()

    def add(self, asset: Any) -> None:
        """Take a symbol into the count."""
        self._bars.setdefault(asset.id, None)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out from now on."""
        self._bars.pop(asset.id, None)

    add_stock, remove_stock = add, remove

    @property
    def is_ready(self) -> bool:
        """True once there is a period before."""
        return bool(self._before)

    def _restart(self) -> None:
        self._before: dict[Any, Any] = {}
        self._bars = dict.fromkeys(self._bars)
        self._time: datetime | None = None

    def _enqueue(self, point: Any) -> None:
        key = point.symbol.id
        if point.end_time == self._time:
            self._before[key] = point
            return
        if self._time is not None and point.time > self._time:
            self._before = dict(self._bars)
            self._bars = dict.fromkeys(self._bars)
            self._time = point.time
        if key in self._bars and self._time in (None, point.time):
            self._bars[key] = point
        if self._time is None:
            self._time = point.time

    def _compute(self, point: Any) -> Decimal | None:
        self._enqueue(point)
        if not self._before or any(bar is None for bar in self._bars.values()):
            return None
        rising: list[Any] = []
        falling: list[Any] = []
        for key, bar in self._bars.items():
            before = self._before.get(key)
            if before is not None and bar.close_exact != before.close_exact:
                (rising if bar.close_exact > before.close_exact else falling).append(bar)
        return self._main(self._sub(rising), self._sub(falling))


class AdvanceDeclineRatio(AdvanceDeclineIndicator):
    """Number of rising symbols over that of falling ones."""

    def __init__(self, name: str = "A/D Ratio") -> None:
        super().__init__(name, _count, _ratio)


class AdvanceDeclineVolumeRatio(AdvanceDeclineIndicator):
    """Volume of rising symbols over that of falling ones."""

    def __init__(self, name: str = "A/D Volume Rate") -> None:
        super().__init__(name, _volume, _ratio)


class AdvanceDeclineDifference(AdvanceDeclineIndicator):
    """Number of rising symbols less that of falling ones."""

    def __init__(self, name: str = "A/D Difference") -> None:
        super().__init__(name, _count, _difference)


class ArmsIndex(TradeBarIndicator):
    """Ratio of numbers over ratio of volumes, of rising and falling symbols."""

    warm_up_period = 2
    is_ready = ready_with("ad_ratio", "adv_ratio")

    def __init__(self, name: str = "TRIN") -> None:
        super().__init__(name)
        self.ad_ratio = self._own(AdvanceDeclineRatio(name + "_A/D Ratio"))
        self.adv_ratio = self._own(AdvanceDeclineVolumeRatio(name + "_A/D Volume Ratio"))
        self._arms = self._own(IndicatorExtensions.over(self.ad_ratio, self.adv_ratio, name))

    def add(self, asset: Any) -> None:
        """Take a symbol into the count."""
        self.ad_ratio.add(asset)
        self.adv_ratio.add(asset)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out from now on."""
        self.ad_ratio.remove(asset)
        self.adv_ratio.remove(asset)

    add_stock, remove_stock = add, remove

    def _compute(self, point: Any) -> Decimal:
        self.ad_ratio.update(point)
        self.adv_ratio.update(point)
        if not self.adv_ratio.current.value_exact:
            return ZERO
        return self._arms.current.value_exact


class McClellanOscillator(TradeBarIndicator):
    """Fast less slow average of the difference of rising and falling symbols."""

    is_ready = ready_with("ema_slow")

    @default_name("McClellanOscillator")
    def __init__(self, name: str, fast_period: int = 19, slow_period: int = 39) -> None:
        super().__init__(name)
        if fast_period > slow_period:
            raise ArgumentException(
                f"fast_period must be less than slow_period; received {fast_period}, {slow_period}"
            )
        extensions = IndicatorExtensions
        self.ad_difference = self._own(AdvanceDeclineDifference("ADD"))
        self.ema_fast = self._own(extensions.ema(self.ad_difference, fast_period))
        self.ema_slow = self._own(extensions.ema(self.ad_difference, slow_period))
        self._delta = self._own(extensions.minus(self.ema_fast, self.ema_slow))
        self.warm_up_period = slow_period + 2

    def add(self, asset: Any) -> None:
        """Take a symbol into the count."""
        self.ad_difference.add(asset)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out from now on."""
        self.ad_difference.remove(asset)

    def _compute(self, point: Any) -> Decimal:
        self.ad_difference.update(point)
        return self._delta.current.value_exact


class McClellanSummationIndex(TradeBarIndicator):
    """Sum of the oscillator's values.

    Attributes:
        summation: the sum up to the newest value, and when it came.
        mc_clellan_oscillator: what is added up.
    """

    is_ready = ready_with("mc_clellan_oscillator")

    @default_name("McClellanSummationIndex")
    def __init__(self, name: str, fast_period: int = 19, slow_period: int = 39) -> None:
        super().__init__(name)
        self.summation = IndicatorDataPoint()
        self.mc_clellan_oscillator = self._own(McClellanOscillator(fast_period, slow_period))
        self.mc_clellan_oscillator.updated += self._on_value
        self.warm_up_period = self.mc_clellan_oscillator.warm_up_period

    def _on_value(self, _: Any, point: IndicatorDataPoint) -> None:
        if point.end_time != self.summation.time:
            self.summation.time = point.end_time
            self.summation.value_exact += point.value_exact

    def add(self, asset: Any) -> None:
        """Take a symbol into the count."""
        self.mc_clellan_oscillator.add(asset)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out from now on."""
        self.mc_clellan_oscillator.remove(asset)

    def _compute(self, point: Any) -> Decimal:
        self.mc_clellan_oscillator.update(point)
        newest: Decimal = self.mc_clellan_oscillator.current.value_exact
        return self.summation.value_exact + newest


class _Asset:
    """Bars of a symbol: this period's, and the extremes of those before."""

    def __init__(self, period: int) -> None:
        self.bar: Any = None
        self.highest, self.lowest = Maximum(period), Minimum(period)

    def take(self, bar: Any, time: datetime) -> None:
        """Count a bar among those before."""
        if bar is not None:
            self.highest.update(time, bar.high_exact)
            self.lowest.update(time, bar.low_exact)

    def reset(self) -> None:
        self.bar = None
        self.highest.reset()
        self.lowest.reset()


class NewHighsNewLows(BarIndicator):
    """Symbols with highs above those of the bars before, less those with lows below.

    Attributes:
        difference, ratio: of their numbers.
        new_highs, new_lows: their bars.
    """

    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self._period = int(period)
        self.warm_up_period = self._period + 1
        self._assets: dict[Any, _Asset] = {}
        self.new_highs: list[Any] = []
        self.new_lows: list[Any] = []
        self._time: datetime | None = None
        self.difference = self._own(
            FunctionalIndicator(
                name + "_Difference",
                lambda _: _count(self.new_highs) - _count(self.new_lows),
                lambda _: self.is_ready,
            )
        )
        self.ratio = self._own(
            FunctionalIndicator(
                name + "_Ratio",
                lambda _: _ratio(_count(self.new_highs), _count(self.new_lows)),
                lambda _: self.is_ready,
            )
        )

    def add(self, asset: Any) -> None:
        """Take a symbol into the count."""
        self._assets.setdefault(asset.id, _Asset(self._period))

    def remove(self, asset: Any) -> None:
        """Leave a symbol out from now on."""
        self._assets.pop(asset.id, None)

    @property
    def is_ready(self) -> bool:
        """True once every symbol has a period of bars before."""
        assets = self._assets.values()
        return bool(assets) and all(item.highest.is_ready for item in assets)

    def _restart(self) -> None:
        self._time = None
        for asset in self._assets.values():
            asset.reset()

    def _enqueue(self, point: Any) -> None:
        asset = self._assets.get(point.symbol.id)
        if self._time is not None and point.end_time == self._time:
            if asset is not None:
                asset.take(point, self._time)
            return
        if self._time is not None and point.time > self._time:
            for other in self._assets.values():
                other.take(other.bar, self._time)
                other.bar = None
            self._time = point.time
        if asset is not None and self._time in (None, point.time):
            asset.bar = point
        if self._time is None:
            self._time = point.time

    def _compute(self, point: Any) -> Decimal | None:
        self._enqueue(point)
        assets = list(self._assets.values())
        if any(asset.bar is None for asset in assets) or not self.is_ready:
            return None
        self.new_highs = [
            asset.bar
            for asset in assets
            if asset.bar.high_exact > asset.highest.current.value_exact
        ]
        self.new_lows = [
            asset.bar for asset in assets if asset.bar.low_exact < asset.lowest.current.value_exact
        ]
        self.difference.update(point)
        self.ratio.update(point)
        return self.difference.current.value_exact


class NewHighsNewLowsVolume(NewHighsNewLows):
    """Volume of symbols with new highs over that of symbols with new lows."""

    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self.volume_ratio = self._own(
            FunctionalIndicator(
                name + "_VolumeRatio",
                lambda _: _ratio(_volume(self.new_highs), _volume(self.new_lows)),
                lambda _: self.is_ready,
            )
        )

    def _compute(self, point: Any) -> Decimal | None:
        if super()._compute(point) is None:
            return None
        self.volume_ratio.update(point)
        return self.volume_ratio.current.value_exact
