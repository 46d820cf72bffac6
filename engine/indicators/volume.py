"""Indicators that use volume."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import MovingAverageType
from engine.indicators.averages import (
    ExponentialMovingAverage,
    SimpleMovingAverage,
    moving_average,
)
from engine.indicators.base import (
    BarIndicator,
    IndicatorBase,
    TradeBarIndicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import IndicatorExtensions
from engine.indicators.windows import Identity, Sum
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

    @default_name("VWAP({period})")
    def __init__(self, name: str, period: int) -> None:
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

    @default_name("MFI({period})")
    def __init__(self, name: str, period: int) -> None:
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


class VolumeWeightedMovingAverage(TradeBarIndicator):
    """Average of closes, weighted by volume."""

    is_ready = ready_with("_turnover", "_volume")

    @default_name("VWMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._turnover = self._own(Sum(name + "_SumPxV", period))
        self._volume = self._own(Sum(name + "_SumVolume", period))

    def _compute(self, point: Any) -> Decimal:
        self._turnover.update(point.end_time, point.close_exact * point.volume_exact)
        self._volume.update(point.end_time, point.volume_exact)
        volume = self._volume.current.value_exact
        return self._turnover.current.value_exact / volume if volume else point.close_exact


class AccumulationDistribution(TradeBarIndicator):
    """Sum of volumes, each weighted by where the close lies in the bar."""

    warm_up_period = 1

    def __init__(self, name: str = "AD") -> None:
        super().__init__(name)

    @property
    def is_ready(self) -> bool:
        """True from the first bar on."""
        return self.samples > 0

    def _compute(self, point: Any) -> Decimal:
        high, low, close = point.high_exact, point.low_exact, point.close_exact
        flow = ZERO
        if high > low:
            flow = ((close - low) - (high - close)) / (high - low) * point.volume_exact
        return self._current.value_exact + flow


class AccumulationDistributionOscillator(TradeBarIndicator):
    """Fast less slow average of accumulation and distribution."""

    @default_name("ADOSC({fast_period},{slow_period})")
    def __init__(self, name: str, fast_period: int, slow_period: int) -> None:
        super().__init__(name)
        self.warm_up_period = max(fast_period, slow_period)
        self._flow = self._own(AccumulationDistribution(name + "_AD"))
        self._fast = self._own(ExponentialMovingAverage(name + "_Fast", fast_period))
        self._slow = self._own(ExponentialMovingAverage(name + "_Slow", slow_period))

    @property
    def is_ready(self) -> bool:
        """True after the longer period."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._flow.update(point)
        self._fast.update(self._flow.current)
        self._slow.update(self._flow.current)
        if not self.is_ready:
            return ZERO
        return self._fast.current.value_exact - self._slow.current.value_exact


class ChaikinOscillator(AccumulationDistributionOscillator):
    """LEAN's other name for it."""

    @default_name("ChaikinOscillator({fast_period},{slow_period})")
    def __init__(self, name: str, fast_period: int, slow_period: int) -> None:
        super().__init__(name, fast_period, slow_period)


class ChaikinMoneyFlow(TradeBarIndicator):
    """Volume weighted by where closes lie in their bars, over all volume of a period."""

    is_ready = ready_with("_flow")

    @default_name("CMF({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._flow = self._own(Sum(period))
        self._volume = self._own(Sum(period))

    def _compute(self, point: Any) -> Decimal:
        high, low, close = point.high_exact, point.low_exact, point.close_exact
        flow = ZERO
        if high > low:
            flow = point.volume_exact * (close - low - (high - close)) / (high - low)
        self._flow.update(point.end_time, flow)
        self._volume.update(point.end_time, point.volume_exact)
        volume = self._volume.current.value_exact
        return self._flow.current.value_exact / volume if self.is_ready and volume else ZERO


class EaseOfMovementValue(TradeBarIndicator):
    """Average move of the bar's middle by the volume that it took."""

    is_ready = ready_with("_average")

    @default_name("EMV({period}, {scale})")
    def __init__(self, name: str, period: int = 1, scale: int = 10000) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._average = self._own(SimpleMovingAverage(period))
        self._scale = to_decimal(scale)
        self._restart()

    def _restart(self) -> None:
        self._high = self._low = ZERO

    def _compute(self, point: Any) -> Decimal:
        high, low = point.high_exact, point.low_exact
        if not self._high and not self._low:
            self._high, self._low = high, low
        move = ZERO
        if point.volume_exact and high != low:
            distance = (high + low) / 2 - (self._high + self._low) / 2
            move = distance / (point.volume_exact / self._scale / (high - low))
            self._high, self._low = high, low
        self._average.update(point.end_time, move)
        return self._average.current.value_exact


class ForceIndex(TradeBarIndicator):
    """Average of changes times volumes."""

    is_ready = ready_with("_average")

    @default_name("FI({period})")
    def __init__(
        self,
        name: str,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.EXPONENTIAL,
    ) -> None:
        super().__init__(name)
        self.warm_up_period = period + 1
        kind = moving_average_type
        self._average = self._own(moving_average(kind, f"{name}_{kind.net_name}", period))
        self._restart()

    def _restart(self) -> None:
        self._before = ZERO

    def _compute(self, point: Any) -> Decimal:
        change, self._before = point.close_exact - self._before, point.close_exact
        if self.samples < 2:
            return ZERO
        self._average.update(point.end_time, change * point.volume_exact)
        return self._average.current.value_exact


class KlingerVolumeOscillator(TradeBarIndicator):
    """Fast less slow average of the volume's force, with a signal average."""

    is_ready = ready_with("_fast", "_slow", "signal")

    @default_name("KVO({fast_period},{slow_period},{signal_period})")
    def __init__(
        self, name: str, fast_period: int, slow_period: int, signal_period: int = 13
    ) -> None:
        super().__init__(name)
        self._fast = self._own(ExponentialMovingAverage(name + "_FastEma", fast_period))
        self._slow = self._own(ExponentialMovingAverage(name + "_SlowEma", slow_period))
        self.signal = self._own(ExponentialMovingAverage(name + "_Signal", signal_period))
        self.warm_up_period = max(fast_period, slow_period, signal_period) + 2
        self._restart()

    def _restart(self) -> None:
        self._movement = self._price = self._range = ZERO
        self._trend = 0

    def _compute(self, point: Any) -> Decimal:
        span, before = point.high_exact - point.low_exact, self._range
        price, earlier = point.high_exact + point.low_exact + point.close_exact, self._price
        self._range, self._price = span, price
        if self.samples == 1:
            return ZERO
        trend, last = (1 if price > earlier else -1), self._trend
        self._trend = trend
        if not last:
            return ZERO
        if not self._movement or trend != last:
            self._movement = span + before
        else:
            self._movement += span
        least = Decimal("0.00000001")
        movement = least if abs(self._movement) < least else self._movement
        force = point.volume_exact * abs(2 * (span / movement - 1)) * trend * 100
        self._fast.update(point.end_time, force)
        self._slow.update(point.end_time, force)
        value = ZERO
        if self._fast.is_ready and self._slow.is_ready:
            value = self._fast.current.value_exact - self._slow.current.value_exact
        self.signal.update(point.end_time, value)
        return value


class SmoothedOnBalanceVolume(BarIndicator):
    """Average of the on-balance volume; 0 until it is ready."""

    is_ready = ready_with("_average")

    @default_name("SOBV({period})")
    def __init__(
        self,
        name: str,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
    ) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        kind = moving_average_type
        self.on_balance_volume = self._own(OnBalanceVolume())
        self._average = self._own(moving_average(kind, f"{name}_{kind.net_name}", period))

    def _compute(self, point: Any) -> Decimal:
        self.on_balance_volume.update(point)
        balance = self.on_balance_volume.current.value_exact
        ready = self._average.update(point.end_time, balance)
        return self._average.current.value_exact if ready else ZERO


class RelativeDailyVolume(TradeBarIndicator):
    """The day's volume so far over its average at that time of the days before."""

    @default_name("RDV({period})")
    def __init__(self, name: str, period: int = 2) -> None:
        super().__init__(name)
        self._period = int(period)
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after ``period`` whole days."""
        return self._days >= self._period

    def _restart(self) -> None:
        self._averages: dict[time, SimpleMovingAverage] = {}
        self._today: dict[datetime, Decimal] = {}
        self._day = self._days = -1

    def _compute(self, point: Any) -> Decimal:
        if point.time.day != self._day:
            total = ZERO
            for moment, volume in self._today.items():
                total += volume
                average = self._averages.setdefault(
                    moment.time(), SimpleMovingAverage(self._period)
                )
                average.update(moment, total)
            self._today.clear()
            self._day = point.time.day
            self._days += 1
        self._today[point.time] = point.volume_exact
        usual = self._usual(point.time.time()) if self.is_ready else ZERO
        return sum(self._today.values(), ZERO) / usual if usual else ZERO

    def _usual(self, moment: time) -> Decimal:
        found = self._averages.get(moment)
        if found is None:
            times = sorted(self._averages)
            later = [i for i in range(1, len(times)) if times[i] > moment]
            found = self._averages[times[later[0] - 1]] if later else None
        return ZERO if found is None else found.current.value_exact
