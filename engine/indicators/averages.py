"""Moving averages."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import MovingAverageType
from engine.indicators.base import Indicator, WindowIndicator
from engine.indicators.windows import Sum, named


class SimpleMovingAverage(WindowIndicator):
    """Mean of the last values; before the window is full, of those there are."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("SMA", args)
        super().__init__(name, period)
        self.rolling_sum = Sum(name + "_Sum", period)

    def _compute(self, point: Any) -> Decimal:
        self.rolling_sum.update(point.end_time, point.value_exact)
        return self.rolling_sum.current.value_exact / min(self.samples, self.period)

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self.rolling_sum.reset()


class _Smoothed(Indicator):
    """Base of exponential averages: a weight for the newest value, a plain mean to start from."""

    def __init__(self, name: str, period: int, factor: Decimal) -> None:
        super().__init__(name)
        self.period = period
        self._factor = factor
        self._start = SimpleMovingAverage(period)

    @property
    def warm_up_period(self) -> int:
        """The period."""
        return self.period

    @property
    def is_ready(self) -> bool:
        """True after ``period`` values."""
        return self.samples >= self.period

    def _smoothed(self, value: Decimal) -> Decimal:
        return value * self._factor + self._current.value_exact * (1 - self._factor)

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._start.reset()


class ExponentialMovingAverage(_Smoothed):
    """Exponential average, started with the mean of the first values; 0 until then."""

    def __init__(self, *args: Any) -> None:
        name, rest = named("EMA", args, count=2)
        period = int(rest[0])
        factor = rest[1] if len(rest) > 1 else self.smoothing_factor_default(period)
        super().__init__(name, period, to_decimal(factor))

    @staticmethod
    def smoothing_factor_default(period: int) -> Decimal:
        """Weight of the newest value: 2 / (period + 1)."""
        return Decimal("2.0") / (1 + period)

    def _compute(self, point: Any) -> Decimal:
        if self.samples <= self.period:
            self._start.update(point)
        if self.samples < self.period:
            return ZERO
        if self.samples == self.period:
            return self._start.current.value_exact
        return self._smoothed(point.value_exact)


class WilderMovingAverage(_Smoothed):
    """Exponential average with weight 1 / period; the plain mean until it is ready."""

    def __init__(self, *args: Any) -> None:
        name, period = args if isinstance(args[0], str) else (f"WWMA{args[0]}", args[0])
        super().__init__(name, int(period), Decimal(1) / int(period))

    def _compute(self, point: Any) -> Decimal:
        if not self.is_ready:
            self._start.update(point)
            return self._start.current.value_exact
        return self._smoothed(point.value_exact)


class LinearWeightedMovingAverage(WindowIndicator):
    """Mean with weights falling linearly into the past; 0 until it is ready."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("LWMA", args)
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        if not self.is_ready:
            return ZERO
        weighted = sum(
            (weight * v for weight, v in zip(range(self.period, 0, -1), self._values, strict=True)),
            ZERO,
        )
        return weighted / (self.period * (self.period + 1) // 2)


class DoubleExponentialMovingAverage(Indicator):
    """Twice the exponential average less its own exponential average."""

    def __init__(self, *args: Any) -> None:
        name, rest = named("DEMA", args)
        super().__init__(name)
        self.period = int(rest[0])
        self._volume_factor = to_decimal(rest[1]) if len(rest) > 1 else Decimal(1)
        self._first = ExponentialMovingAverage(name + "_1", self.period)
        self._second = ExponentialMovingAverage(name + "_2", self.period)

    @property
    def warm_up_period(self) -> int:
        """Values needed before it is ready."""
        return 1 + 2 * (self.period - 1)

    @property
    def is_ready(self) -> bool:
        """True once both averages are."""
        return self.samples > 2 * (self.period - 1)

    def _compute(self, point: Any) -> Decimal:
        self._first.update(point)
        if not self._first.is_ready:
            return self._first.current.value_exact
        self._second.update(self._first.current)
        first, second = self._first.current.value_exact, self._second.current.value_exact
        return (self._volume_factor + 1) * first - self._volume_factor * second

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._first.reset()
        self._second.reset()


class TripleExponentialMovingAverage(Indicator):
    """Three exponential averages combined to cut the lag."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("TEMA", args)
        super().__init__(name)
        self.period = int(period)
        self._stages = [ExponentialMovingAverage(f"{name}_{i}", period) for i in (1, 2, 3)]

    @property
    def warm_up_period(self) -> int:
        """Values needed before it is ready."""
        return 3 * (self.period - 1) + 1

    @property
    def is_ready(self) -> bool:
        """True once the third average is."""
        return self._stages[2].is_ready

    def _compute(self, point: Any) -> Decimal:
        first, second, third = self._stages
        first.update(point)
        if first.is_ready:
            second.update(first.current)
        if second.is_ready:
            third.update(second.current)
        if not self.is_ready:
            return ZERO
        return (
            3 * first.current.value_exact
            - 3 * second.current.value_exact
            + third.current.value_exact
        )

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        for stage in self._stages:
            stage.reset()


class HullMovingAverage(Indicator):
    """Weighted average of twice the fast less the slow weighted average."""

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("HMA", args)
        super().__init__(name)
        if period < 2:
            raise ValueError(f"period must be at least 2; received {period}")
        self.period = int(period)
        smooth = round(math.sqrt(period))
        self._slow = LinearWeightedMovingAverage(self.period)
        self._fast = LinearWeightedMovingAverage(round(period / 2))
        self._hull = LinearWeightedMovingAverage(smooth)
        self.warm_up_period = self.period + smooth - 1

    @property
    def is_ready(self) -> bool:
        """True once the outer average is."""
        return self._hull.is_ready

    def _compute(self, point: Any) -> Decimal:
        self._fast.update(point)
        self._slow.update(point)
        if self._fast.is_ready and self._slow.is_ready:
            value = 2 * self._fast.current.value_exact - self._slow.current.value_exact
            self._hull.update(point.end_time, value)
        return self._hull.current.value_exact

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        for part in (self._slow, self._fast, self._hull):
            part.reset()


class KaufmanAdaptiveMovingAverage(WindowIndicator):
    """Exponential average whose weight follows how straight the values move."""

    def __init__(self, *args: Any) -> None:
        name, rest = named("KAMA", args, count=3)
        period = int(rest[0])
        fast = rest[1] if len(rest) > 1 else 2
        slow = rest[2] if len(rest) > 2 else 30
        # The window also holds the value before the period, from which the path starts.
        super().__init__(name, period + 1)
        self._slow_factor = Decimal(2) / (slow + 1)
        self._range = Decimal(2) / (fast + 1) - self._slow_factor
        self._average = ZERO

    def _next(self, value: Decimal) -> Decimal:
        if self.samples < self.period:
            return value
        values = list(self._values)
        net = value - values[-1]
        path = sum((abs(new - old) for new, old in pairwise(values)), ZERO)
        efficiency = Decimal(1) if path <= net or not path else abs(net / path)
        if self.samples == self.period:
            self._average = values[1]
        factor = (efficiency * self._range + self._slow_factor) ** 2
        self._average = (value - self._average) * factor + self._average
        return self._average

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._average = ZERO


_AVERAGES: dict[MovingAverageType, Callable[[str, int], Any]] = {
    MovingAverageType.SIMPLE: SimpleMovingAverage,
    MovingAverageType.EXPONENTIAL: ExponentialMovingAverage,
    MovingAverageType.WILDERS: WilderMovingAverage,
    MovingAverageType.LINEAR_WEIGHTED_MOVING_AVERAGE: LinearWeightedMovingAverage,
    MovingAverageType.DOUBLE_EXPONENTIAL: DoubleExponentialMovingAverage,
    MovingAverageType.TRIPLE_EXPONENTIAL: TripleExponentialMovingAverage,
    MovingAverageType.KAMA: KaufmanAdaptiveMovingAverage,
    MovingAverageType.HULL: HullMovingAverage,
}


def moving_average(kind: MovingAverageType, name: str, period: int) -> Any:
    """Make the average of a kind.

    Raises:
        NotImplementedError: for kinds the engine lacks.
    """
    made = _AVERAGES.get(kind)
    if made is None:
        raise NotImplementedError(f"MovingAverageType.{kind.name}")
    return made(name, period)
