"""Oscillators of whole bars: of where a bar opened, closed and how far it reached."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_double
from engine.common.enums import MovingAverageType
from engine.common.net_exceptions import ArgumentException
from engine.indicators.averages import (
    ExponentialMovingAverage,
    SimpleMovingAverage,
    moving_average,
)
from engine.indicators.base import (
    BarIndicator,
    Indicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import IndicatorExtensions
from engine.indicators.oscillators import (
    Stochastic,
)
from engine.indicators.ranges import TrueRange
from engine.indicators.window import RollingWindow
from engine.indicators.windows import (
    Maximum,
    Minimum,
    Sum,
)

FIFTY, HUNDRED = Decimal(50), Decimal(100)
SIMPLE = MovingAverageType.SIMPLE


class AwesomeOscillator(BarIndicator):
    """Fast less slow average of the bars' middles."""

    is_ready = ready_with("slow_ao", "fast_ao")

    @default_name("AO({fast_period},{slow_period},{type})")
    def __init__(
        self, name: str, fast_period: int, slow_period: int, type: MovingAverageType = SIMPLE
    ) -> None:
        super().__init__(name)
        self.slow_ao = self._own(moving_average(type, "", slow_period))
        self.fast_ao = self._own(moving_average(type, "", fast_period))
        self.warm_up_period = max(slow_period, fast_period)

    def _compute(self, point: Any) -> Decimal:
        middle = (point.high_exact + point.low_exact) / 2
        self.slow_ao.update(point.end_time, middle)
        self.fast_ao.update(point.end_time, middle)
        if not self.is_ready:
            return ZERO
        return self.fast_ao.current.value_exact - self.slow_ao.current.value_exact


class PremierStochasticOscillator(BarIndicator):
    """A twice smoothed stochastic, bent to -1 to 1."""

    is_ready = ready_with("_twice")

    @default_name("PSO({period},{ema_period})")
    def __init__(self, name: str, period: int, ema_period: int) -> None:
        super().__init__(name)
        self._stochastic = self._own(Stochastic(name, period, period, period))
        self._smooth = self._own(ExponentialMovingAverage(ema_period))
        self._twice = self._own(IndicatorExtensions.ema(self._smooth, ema_period))
        self.warm_up_period = period + 2 * (ema_period - 1)

    def _compute(self, point: Any) -> Decimal:
        self._stochastic.update(point)
        fast = self._stochastic.fast_stoch
        if not fast.is_ready:
            return ZERO
        value = Decimal("0.1") * (fast.current.value_exact - 50)
        if not self._smooth.update(point.end_time, value) or not self._twice.is_ready:
            return ZERO
        power = from_float(math.exp(to_double(self._twice.current.value_exact)))
        return (power - 1) / (power + 1)


class WaveTrendOscillator(BarIndicator):
    """Smoothed distance of the typical price from its average, in mean deviations, and a signal."""

    is_ready = ready_with("signal")

    @default_name("WTO({channel_period},{average_period},{signal_period})")
    def __init__(
        self, name: str, channel_period: int, average_period: int, signal_period: int
    ) -> None:
        super().__init__(name)
        if min(channel_period, average_period, signal_period) < 1:
            raise ArgumentException("WaveTrendOscillator's periods must be at least 1")
        average = ExponentialMovingAverage
        self.channel_average = self._own(average(name + "_ChannelAverage", channel_period))
        self.channel_deviation = self._own(average(name + "_ChannelDeviation", channel_period))
        self.channel_index_average = self._own(
            average(name + "_ChannelIndexAverage", average_period)
        )
        self.signal = self._own(SimpleMovingAverage(name + "_Signal", signal_period))
        self.warm_up_period = 2 * channel_period + average_period + signal_period - 3

    def _compute(self, point: Any) -> Decimal:
        typical = (point.high_exact + point.low_exact + point.close_exact) / 3
        time = point.end_time
        if not self.channel_average.update(time, typical):
            return ZERO
        distance = typical - self.channel_average.current.value_exact
        if not self.channel_deviation.update(time, abs(distance)):
            return ZERO
        unit = Decimal("0.015") * self.channel_deviation.current.value_exact
        if not unit:
            return self._current.value_exact
        average = self.channel_index_average
        if average.update(time, distance / unit):
            self.signal.update(time, average.current.value_exact)
        return average.current.value_exact


class UltimateOscillator(BarIndicator):
    """Buying pressure over true range in three periods, the shorter the heavier, 0 to 100."""

    @default_name("ULTOSC({period_1},{period_2},{period_3})")
    def __init__(self, name: str, period_1: int, period_2: int, period_3: int) -> None:
        super().__init__(name)
        periods = (period_1, period_2, period_3)
        self.warm_up_period = max(periods) + 1
        self._range = self._own(TrueRange(name + "_TR"))
        self._pressures = [self._own(Sum(f"{name}_BP{i}", n)) for i, n in enumerate(periods, 1)]
        self._ranges = [self._own(Sum(f"{name}_TR{i}", n)) for i, n in enumerate(periods, 1)]
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True one bar after the longest period."""
        return self.samples >= self.warm_up_period

    def _restart(self) -> None:
        self._before = ZERO

    def _compute(self, point: Any) -> Decimal:
        self._range.update(point)
        before, self._before = self._before, point.close_exact
        if self.samples == 1:
            return FIFTY
        pressure = point.close_exact - min(point.low_exact, before)
        for total in self._pressures:
            total.update(point.end_time, pressure)
        for total in self._ranges:
            total.update(self._range.current)
        if not self.is_ready:
            return FIFTY
        ranges = [total.current.value_exact for total in self._ranges]
        if not all(ranges):
            return self._current.value_exact
        first, second, third = (
            total.current.value_exact / width
            for total, width in zip(self._pressures, ranges, strict=True)
        )
        return HUNDRED * (4 * first + 2 * second + third) / 7


class FisherTransform(BarIndicator):
    """The place of the bar's middle in its recent range, bent so that extremes stand out."""

    is_ready = ready_with("_highest", "_lowest")

    @default_name("FISH({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self._highest = self._own(Maximum("MedianMax", period))
        self._lowest = self._own(Minimum("MedianMin", period))
        self.warm_up_period = period
        self._restart()

    def _restart(self) -> None:
        self._before = 0.0

    def _compute(self, point: Any) -> Decimal:
        price = (point.low_exact + point.high_exact) / 2
        self._lowest.update(point.end_time, price)
        self._highest.update(point.end_time, price)
        if not self.is_ready:
            return ZERO
        low, high = self._lowest.current.value_exact, self._highest.current.value_exact
        place = 0.0
        if low != high:
            share = to_double((price - low) / (high - low))
            place = 0.33 * 2 * (share - 0.5) + (1 - 0.33) * self._before
        self._before = place
        held = max(min(place, 0.999), -0.999)
        bent = 0.5 * math.log((1.0 + held) / (1.0 - held))
        return from_float(bent) + Decimal("0.5") * self._current.value_exact


class DeMarkerIndicator(BarIndicator):
    """Average rise of highs over that and the average fall of lows, 0 to 1."""

    is_ready = ready_with("_rises", "_falls")

    @default_name("DEM({period},{type})")
    def __init__(self, name: str, period: int, type: MovingAverageType = SIMPLE) -> None:
        super().__init__(name)
        self._rises = self._own(moving_average(type, "", period))
        self._falls = self._own(moving_average(type, "", period))
        self.warm_up_period = period
        self._restart()

    def _restart(self) -> None:
        self._high = self._low = ZERO

    def _compute(self, point: Any) -> Decimal:
        rise = fall = ZERO
        if self.samples > 1:
            rise = max(point.high_exact - self._high, ZERO)
            fall = max(self._low - point.low_exact, ZERO)
        self._rises.update(point.end_time, rise)
        self._falls.update(point.end_time, fall)
        self._high, self._low = point.high_exact, point.low_exact
        if not self.is_ready:
            return ZERO
        total = self._rises.current.value_exact + self._falls.current.value_exact
        return self._rises.current.value_exact / total if total > 0 else ZERO


class RelativeVigorIndexSignal(Indicator):
    """Weighted mean of the last four values of a relative vigor index."""

    warm_up_period = 3
    is_ready = ready_with("_values")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._values: RollingWindow[Decimal] = self._own(RollingWindow(3))

    def _compute(self, point: Any) -> Decimal:
        value, result = point.value_exact, ZERO
        if self.is_ready:
            first, second, third = self._values
            result = (value + 2 * (first + second) + third) / 6
        self._values.add(value)
        return result


class RelativeVigorIndex(BarIndicator):
    """Smoothed bodies of bars over their smoothed ranges, with a signal."""

    is_ready = ready_with("close_band", "range_band")

    @default_name("RVI({period},{type})")
    def __init__(self, name: str, period: int, type: MovingAverageType = SIMPLE) -> None:
        super().__init__(name)
        self.close_band = self._own(moving_average(type, "_closingBand", period))
        self.range_band = self._own(moving_average(type, "_rangeBand", period))
        self.signal = self._own(RelativeVigorIndexSignal(name + "_S"))
        self._bars: RollingWindow[Any] = self._own(RollingWindow(3))
        self.warm_up_period = period + 3

    def _compute(self, point: Any) -> Decimal:
        value = ZERO
        if self._bars.is_ready:
            bars = [point, *self._bars]
            bodies = [bar.close_exact - bar.open_exact for bar in bars]
            spans = [bar.high_exact - bar.low_exact for bar in bars]
            for band, (a, b, c, d) in ((self.close_band, bodies), (self.range_band, spans)):
                band.update(point.end_time, (a + 2 * (b + c) + d) / 6)
            if self.is_ready:
                span = self.range_band.current.value_exact
                value = self.close_band.current.value_exact / span if span else ZERO
                self.signal.update(point.end_time, value)
        self._bars.add(point)
        return value


class BalanceOfPower(BarIndicator):
    """Body of the bar over its range, -1 to 1."""

    warm_up_period = 1

    def __init__(self, name: str = "BOP") -> None:
        super().__init__(name)

    @property
    def is_ready(self) -> bool:
        """True from the first bar on."""
        return self.samples > 0

    def _compute(self, point: Any) -> Decimal:
        span = point.high_exact - point.low_exact
        return (point.close_exact - point.open_exact) / span if span > 0 else ZERO


class InternalBarStrength(BarIndicator):
    """Where the close lies in the bar, 0 (low) to 1 (high)."""

    warm_up_period = 1

    def __init__(self, name: str = "IBS()") -> None:
        super().__init__(name)

    @property
    def is_ready(self) -> bool:
        """True from the first bar on."""
        return self.samples > 0

    def _compute(self, point: Any) -> Decimal:
        if point.high_exact == point.low_exact:
            return Decimal("0.5")
        return (point.close_exact - point.low_exact) / (point.high_exact - point.low_exact)
