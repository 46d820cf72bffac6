"""Indicators of direction and momentum."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, round_half_even
from engine.common.enums import MovingAverageType
from engine.common.net_exceptions import ArgumentException
from engine.indicators.averages import WilderMovingAverage, moving_average
from engine.indicators.base import BarIndicator, Indicator, IndicatorBase, default_name
from engine.indicators.composite import FunctionalIndicator
from engine.indicators.windows import (
    Identity,
    Maximum,
    MeanAbsoluteDeviation,
    Minimum,
    Sum,
)

HUNDRED = Decimal(100)


class MovingAverageConvergenceDivergence(Indicator):
    """Fast less slow average, with a signal average of it and their difference."""

    @default_name("MACD({fast_period},{slow_period},{signal_period})")
    def __init__(
        self,
        name: str,
        fast_period: int,
        slow_period: int,
        signal_period: int,
        type: MovingAverageType = MovingAverageType.EXPONENTIAL,
    ) -> None:
        super().__init__(name)
        if fast_period >= slow_period:
            raise ArgumentException(
                f"fast_period must be less than slow_period; received {fast_period}, {slow_period}"
            )
        self.fast = moving_average(type, name + "_Fast", fast_period)
        self.slow = moving_average(type, name + "_Slow", slow_period)
        self.signal = moving_average(type, name + "_Signal", signal_period)
        self.histogram = Identity(name + "_Histogram")
        self.warm_up_period = slow_period + signal_period - 1

    @property
    def is_ready(self) -> bool:
        """True once the signal is."""
        return self.signal.is_ready

    def _compute(self, point: Any) -> Decimal:
        fast_ready = self.fast.update(point)
        slow_ready = self.slow.update(point)
        value = self.fast.current.value_exact - self.slow.current.value_exact
        if fast_ready and slow_ready and self.signal.update(point.end_time, value):
            self.histogram.update(point.end_time, value - self.signal.current.value_exact)
        return value

    def reset(self) -> None:
        """Reset the averages too."""
        super().reset()
        for part in (self.fast, self.slow, self.signal, self.histogram):
            part.reset()


class RelativeStrengthIndex(Indicator):
    """Average gain over average gain and loss, 0 to 100."""

    @default_name("RSI({period})")
    def __init__(
        self,
        name: str,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.WILDERS,
    ) -> None:
        super().__init__(name)
        self.moving_average_type = moving_average_type
        self.average_gain = moving_average(self.moving_average_type, name + "Up", period)
        self.average_loss = moving_average(self.moving_average_type, name + "Down", period)
        self.warm_up_period = period + 1
        self._before: Decimal | None = None

    @property
    def is_ready(self) -> bool:
        """True once both averages are."""
        return self.average_gain.is_ready and self.average_loss.is_ready

    def _compute(self, point: Any) -> Decimal:
        value = point.value_exact
        if self._before is not None:
            change = value - self._before
            self.average_gain.update(point.end_time, max(change, ZERO))
            self.average_loss.update(point.end_time, max(-change, ZERO))
        self._before = value
        loss = max(self.average_loss.current.value_exact, ZERO)
        gain = max(self.average_gain.current.value_exact, ZERO)
        if round_half_even(loss, 10) == 0:
            return HUNDRED
        return HUNDRED - HUNDRED / (1 + gain / loss)

    def reset(self) -> None:
        """Reset the averages too."""
        super().reset()
        self._before = None
        self.average_gain.reset()
        self.average_loss.reset()


class AroonOscillator(BarIndicator):
    """How recent the highest high is, less how recent the lowest low is; -100 to 100."""

    @default_name("AROON({up_period},{down_period})")
    def __init__(self, name: str, up_period: int, down_period: int) -> None:
        up, down = up_period, down_period
        super().__init__(name)
        highest = Maximum(name + "_Max", up + 1)
        lowest = Minimum(name + "_Min", down + 1)

        def rise(point: Any) -> Decimal:
            highest.update(point)
            return HUNDRED * (up - highest.periods_since_maximum) / up

        def fall(point: Any) -> Decimal:
            lowest.update(point)
            return HUNDRED * (down - lowest.periods_since_minimum) / down

        self.aroon_up = FunctionalIndicator(
            name + "_AroonUp", rise, lambda _: highest.is_ready, highest.reset
        )
        self.aroon_down = FunctionalIndicator(
            name + "_AroonDown", fall, lambda _: lowest.is_ready, lowest.reset
        )
        self.warm_up_period = 1 + max(up, down)

    @property
    def is_ready(self) -> bool:
        """True once both sides are."""
        return self.aroon_up.is_ready and self.aroon_down.is_ready

    def _compute(self, point: Any) -> Decimal:
        self.aroon_up.update(point.end_time, point.high_exact)
        self.aroon_down.update(point.end_time, point.low_exact)
        return self.aroon_up.current.value_exact - self.aroon_down.current.value_exact

    def reset(self) -> None:
        """Reset both sides too."""
        super().reset()
        self.aroon_up.reset()
        self.aroon_down.reset()


class WilliamsPercentR(BarIndicator):
    """Where the close lies in the recent range, -100 (low) to 0 (high)."""

    @default_name("WILR({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.maximum = Maximum(name + "_Max", period)
        self.minimum = Minimum(name + "_Min", period)
        self.warm_up_period = period

    @property
    def is_ready(self) -> bool:
        """True once the range is full."""
        return self.maximum.is_ready and self.minimum.is_ready

    def _compute(self, point: Any) -> Decimal:
        self.minimum.update(point.end_time, point.low_exact)
        self.maximum.update(point.end_time, point.high_exact)
        top, bottom = self.maximum.current.value_exact, self.minimum.current.value_exact
        if not self.is_ready or top == bottom:
            return ZERO
        return -HUNDRED * (top - point.close_exact) / (top - bottom)

    def reset(self) -> None:
        """Reset the extremes too."""
        super().reset()
        self.maximum.reset()
        self.minimum.reset()


class CommodityChannelIndex(BarIndicator):
    """Distance of the typical price from its average in mean absolute deviations."""

    SCALE = Decimal("0.015")

    @default_name("CCI({period})")
    def __init__(
        self,
        name: str,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
    ) -> None:
        super().__init__(name)
        self.moving_average_type = moving_average_type
        self.typical_price_average = moving_average(
            self.moving_average_type, name + "_TypicalPriceAvg", period
        )
        self.typical_price_mean_deviation = MeanAbsoluteDeviation(name + "_TypicalPriceMAD", period)
        self.warm_up_period = period

    @property
    def is_ready(self) -> bool:
        """True once average and deviation are."""
        return self.typical_price_average.is_ready and self.typical_price_mean_deviation.is_ready

    def _compute(self, point: Any) -> Decimal:
        typical = (point.high_exact + point.low_exact + point.close_exact) / Decimal("3.0")
        self.typical_price_average.update(point.end_time, typical)
        self.typical_price_mean_deviation.update(point.end_time, typical)
        unit = self.SCALE * self.typical_price_mean_deviation.current.value_exact
        if unit == 0:
            return ZERO
        return (typical - self.typical_price_average.current.value_exact) / unit

    def reset(self) -> None:
        """Reset average and deviation too."""
        super().reset()
        self.typical_price_average.reset()
        self.typical_price_mean_deviation.reset()


class Stochastic(BarIndicator):
    """Where the close lies in the recent range, 0 to 100, and two averages of it."""

    @default_name("STO({period},{k_period},{d_period})")
    def __init__(self, name: str, period: int, k_period: int, d_period: int) -> None:
        super().__init__(name)
        self._highest = Maximum(name + "_Max", period)
        self._lowest = Minimum(name + "_Min", period)
        self._fast_sum = Sum(name + "_SumFastK", k_period)
        self._slow_sum = Sum(name + "_SumD", d_period)

        def fast(point: Any) -> Decimal:
            if not self._highest.is_ready:
                return ZERO
            bottom = self._lowest.current.value_exact
            spread = self._highest.current.value_exact - bottom
            if spread == 0:
                return ZERO
            value = (point.close_exact - bottom) / spread
            self._fast_sum.update(point.end_time, value)
            return value * 100

        def slow(point: Any) -> Decimal:
            if not self._fast_sum.is_ready:
                return ZERO
            value = self._fast_sum.current.value_exact / k_period
            self._slow_sum.update(point.end_time, value)
            return value * 100

        def smooth(point: Any) -> Decimal:
            if not self._slow_sum.is_ready:
                return ZERO
            return self._slow_sum.current.value_exact / d_period * 100

        self.fast_stoch = FunctionalIndicator(
            name + "_FastStoch", fast, lambda _: self._highest.is_ready
        )
        self.stoch_k = FunctionalIndicator(
            name + "_StochK", slow, lambda _: self._fast_sum.is_ready
        )
        self.stoch_d = FunctionalIndicator(
            name + "_StochD", smooth, lambda _: self._slow_sum.is_ready
        )
        self.warm_up_period = period + k_period + d_period - 2

    @property
    def is_ready(self) -> bool:
        """True once all three lines are."""
        return self.fast_stoch.is_ready and self.stoch_k.is_ready and self.stoch_d.is_ready

    def _compute(self, point: Any) -> Decimal:
        self._highest.update(point.end_time, point.high_exact)
        self._lowest.update(point.end_time, point.low_exact)
        for line in (self.fast_stoch, self.stoch_k, self.stoch_d):
            line.update(point)
        return self.fast_stoch.current.value_exact

    def reset(self) -> None:
        """Reset the parts too."""
        super().reset()
        parts: tuple[IndicatorBase, ...] = (
            self._highest, self._lowest, self._fast_sum, self._slow_sum,
            self.fast_stoch, self.stoch_k, self.stoch_d,
        )  # fmt: skip
        for part in parts:
            part.reset()


class AverageDirectionalIndex(BarIndicator):
    """Strength of a trend, 0 to 100, with its positive and negative directional indices."""

    @default_name("ADX({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.period = int(period)
        self.warm_up_period = 2 * self.period
        self._average = WilderMovingAverage(self.period)
        self._before: Any = None
        self._ranges = [ZERO, ZERO, ZERO]
        self.positive_directional_index = self._index(name + "_PositiveDirectionalIndex", 1)
        self.negative_directional_index = self._index(name + "_NegativeDirectionalIndex", 2)

    def _index(self, name: str, place: int) -> FunctionalIndicator:
        def share(_: Any) -> Decimal:
            usable = self._ranges[0] != 0 and self.samples > self.period
            return HUNDRED * self._ranges[place] / self._ranges[0] if usable else ZERO

        return FunctionalIndicator(name, share, lambda _: self.samples > self.period)

    @property
    def is_ready(self) -> bool:
        """True once the outer average is."""
        return self._average.is_ready

    def _compute(self, point: Any) -> Decimal:
        moves = [ZERO, ZERO, ZERO]
        before = self._before
        if before is not None:
            rise = point.high_exact - before.high_exact
            fall = before.low_exact - point.low_exact
            moves = [
                max(
                    point.high_exact - point.low_exact,
                    abs(point.high_exact - before.close_exact),
                    abs(point.low_exact - before.close_exact),
                ),
                rise if rise > 0 and rise >= fall else ZERO,
                fall if fall > 0 and fall > rise else ZERO,
            ]
        decaying = self.samples > self.period + 1
        self._ranges = [
            smooth + move - (smooth / self.period if decaying else ZERO)
            for smooth, move in zip(self._ranges, moves, strict=True)
        ]
        self._before = point
        # LEAN stamps both with the time of the value before.
        self.positive_directional_index.update(self._current)
        self.negative_directional_index.update(self._current)
        plus = self.positive_directional_index.current.value_exact
        minus = self.negative_directional_index.current.value_exact
        if plus + minus == 0:
            return Decimal(50)
        self._average.update(point.end_time, HUNDRED * abs(plus - minus) / (plus + minus))
        return self._average.current.value_exact

    def reset(self) -> None:
        """Reset the parts too."""
        super().reset()
        self._before = None
        self._ranges = [ZERO, ZERO, ZERO]
        self._average.reset()
        self.positive_directional_index.reset()
        self.negative_directional_index.reset()
