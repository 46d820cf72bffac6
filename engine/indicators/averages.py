"""Moving averages."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_decimal, to_double
from engine.common.enums import MovingAverageType
from engine.common.net_exceptions import ArgumentException
from engine.indicators.adaptive import KaufmanAdaptiveMovingAverage
from engine.indicators.base import (
    Indicator,
    WindowIndicator,
    data_point,
    default_name,
    ready_with,
)
from engine.indicators.windows import Delay, Sum
from engine.market.symbols import Symbol


class SimpleMovingAverage(WindowIndicator):
    """Mean of the last values; before the window is full, of those there are."""

    @default_name("SMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._count = Decimal(self.period)
        self._total = self._before = ZERO
        self._sum: Sum | None = None

    @property
    def rolling_sum(self) -> Sum:
        """Sum of the values, an indicator of its own; kept once somebody has asked for it."""
        if self._sum is None:
            self._sum = Sum(f"{self.name}_Sum", self.period)
            shown = [(self._before, self.previous.time), (self._total, self.current.time)]
            self._sum.continue_from(self._values, shown[2 - min(self.samples, 2) :], self.samples)
        return self._sum

    def _compute(self, point: Any) -> Decimal:
        count = self._count if self.samples >= self.period else self.samples
        if self._sum is not None or self._inputs_by_symbol:
            # The sum has an order of its own: it knows of no symbols.
            total = self.rolling_sum
            total.update(data_point(Symbol.EMPTY, point.end_time, point.value_exact))
            return total.current.value_exact / count
        values, value = self._values, point.value_exact
        self._before = self._total
        total = self._before + value
        if len(values) == self.period:
            total -= values[-1]
        values.appendleft(value)
        self._total = total
        return total / count

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._total = self._before = ZERO
        if self._sum is not None:
            self._sum.reset()


class _Smoothed(Indicator):
    """Base of exponential averages: a weight for the newest value, a plain mean to start from."""

    _reads_values = True

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


def _exponential_name(texts: dict[str, str]) -> str:
    factor = texts["smoothing_factor"]
    return f"EMA({texts['period']}{'' if factor == 'None' else ',' + factor})"


class ExponentialMovingAverage(_Smoothed):
    """Exponential average, started with the mean of the first values; 0 until then."""

    @default_name(_exponential_name)
    def __init__(self, name: str, period: int, smoothing_factor: Any = None) -> None:
        if smoothing_factor is None:
            smoothing_factor = self.smoothing_factor_default(period)
        super().__init__(name, int(period), to_decimal(smoothing_factor))

    @staticmethod
    def smoothing_factor_default(period: int) -> Decimal:
        """Weight of the newest value: 2 / (period + 1)."""
        return Decimal("2.0") / (1 + period)

    def _compute(self, point: Any) -> Decimal:
        if self.samples <= self.period:
            self._start._feed_bar(None, point)
        if self.samples < self.period:
            return ZERO
        if self.samples == self.period:
            return self._start.current.value_exact
        return self._smoothed(point.value_exact)


class WilderMovingAverage(_Smoothed):
    """Exponential average with weight 1 / period; the plain mean until it is ready."""

    @default_name("WWMA{period}")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, int(period), Decimal(1) / int(period))

    def _compute(self, point: Any) -> Decimal:
        if not self.is_ready:
            self._start._feed_bar(None, point)
            return self._start.current.value_exact
        return self._smoothed(point.value_exact)


class LinearWeightedMovingAverage(WindowIndicator):
    """Mean with weights falling linearly into the past; 0 until it is ready."""

    @default_name("LWMA({period})")
    def __init__(self, name: str, period: int) -> None:
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

    @default_name("DEMA({period})")
    def __init__(self, name: str, period: int, volume_factor: Any = 1) -> None:
        super().__init__(name)
        self.period = int(period)
        self._volume_factor = to_decimal(volume_factor)
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

    @default_name("TEMA({period})")
    def __init__(self, name: str, period: int) -> None:
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

    @default_name("HMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        if period < 2:
            raise ArgumentException(f"period must be at least 2; received {period}")
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


class TriangularMovingAverage(Indicator):
    """The simple average of a simple average, each over half of the period."""

    @default_name("TRIMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        half = (period + 1) // 2
        self.warm_up_period = int(period)
        self._first = self._own(SimpleMovingAverage(name + "_1", half))
        self._second = self._own(SimpleMovingAverage(name + "_2", period - half + 1))

    @property
    def is_ready(self) -> bool:
        """True after ``period`` values."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._first.update(point)
        self._second.update(self._first.current)
        return self._second.current.value_exact


class RelativeMovingAverage(Indicator):
    """The average of three periods less that of two, plus that of one."""

    is_ready = ready_with("long_average")

    @default_name("RMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.short_average = self._own(SimpleMovingAverage(name + "_Short", period))
        self.medium_average = self._own(SimpleMovingAverage(name + "_Medium", 2 * period))
        self.long_average = self._own(SimpleMovingAverage(name + "_Long", 3 * period))
        self.warm_up_period = 3 * period

    def _compute(self, point: Any) -> Decimal:
        averages = (self.long_average, self.medium_average, self.short_average)
        for average in averages:
            average.update(point)
        long, medium, short = (average.current.value_exact for average in averages)
        return long - medium + short


class ZeroLagExponentialMovingAverage(Indicator):
    """Exponential average of values that are moved on by their change over half of the period."""

    is_ready = ready_with("_delayed", "_average")

    @default_name("ZLEMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.period = int(period)
        self.warm_up_period = self.period + self.period // 2
        self._average = self._own(ExponentialMovingAverage(name + "_EMA", period))
        self._delayed = self._own(Delay(round((period - 1) / 2)))

    def _compute(self, point: Any) -> Decimal:
        if not self._delayed.update(point):
            return ZERO
        value = point.value_exact
        self._average.update(point.end_time, 2 * value - self._delayed.current.value_exact)
        return self._average.current.value_exact


class ArnaudLegouxMovingAverage(WindowIndicator):
    """Mean with weights of a bell that stands near the newest value; until ready, the value."""

    @default_name("ALMA({period},{sigma},{offset})")
    def __init__(
        self, name: str, period: int, sigma: int = 6, offset: Any = Decimal("0.85")
    ) -> None:
        super().__init__(name, period)
        place = to_decimal(offset)
        if not 0 <= place <= 1:
            raise ArgumentException(f"offset must lie within 0 and 1; received {offset}")
        centre = Decimal(math.floor(place * (period - 1)))
        width = Decimal(period) / sigma
        bell = [
            math.exp(to_double(-(i - centre) * (i - centre) / (2 * width * width)))
            for i in range(period)
        ]
        total = sum(bell)
        self._weights = [from_float(height / total) for height in reversed(bell)]

    def _next(self, value: Decimal) -> Decimal:
        if not self.is_ready:
            return value
        pairs = zip(self._values, self._weights, strict=True)
        return sum((item * weight for item, weight in pairs), ZERO)


class T3MovingAverage(Indicator):
    """Tillson's average: three double exponential averages, one of the other."""

    @default_name("T3({period},{volume_factor})")
    def __init__(self, name: str, period: int, volume_factor: Any = Decimal("0.7")) -> None:
        super().__init__(name)
        self.warm_up_period = 1 + 6 * (int(period) - 1)
        self._stages = [
            self._own(DoubleExponentialMovingAverage(f"{name}_{i}", period, volume_factor))
            for i in (1, 2, 3)
        ]

    @property
    def is_ready(self) -> bool:
        """True once the third average is."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        for stage in self._stages:
            stage.update(point)
            point = stage.current
            if not stage.is_ready:
                break
        return point.value_exact


class McGinleyDynamic(WindowIndicator):
    """An average that follows falling values faster than rising ones; 0 until it is ready."""

    @default_name("MGD({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._sum = self._own(Sum(name + "_Sum", period))

    def _compute(self, point: Any) -> Decimal:
        value, before = point.value_exact, self._current.value_exact
        self._sum.update(point.end_time, value)
        if not self._sum.is_ready:
            return ZERO
        if self.samples == self.period:
            return self._sum.current.value_exact / self.period
        if not before or not value:
            return before
        pace = self.period * from_float(to_double(value / before) ** 4)
        return before + (value - before) / pace if pace else before


_AVERAGES: dict[MovingAverageType, Callable[[str, int], Any]] = {
    MovingAverageType.SIMPLE: SimpleMovingAverage,
    MovingAverageType.EXPONENTIAL: ExponentialMovingAverage,
    MovingAverageType.WILDERS: WilderMovingAverage,
    MovingAverageType.LINEAR_WEIGHTED_MOVING_AVERAGE: LinearWeightedMovingAverage,
    MovingAverageType.DOUBLE_EXPONENTIAL: DoubleExponentialMovingAverage,
    MovingAverageType.TRIPLE_EXPONENTIAL: TripleExponentialMovingAverage,
    MovingAverageType.TRIANGULAR: TriangularMovingAverage,
    MovingAverageType.T_3: T3MovingAverage,
    MovingAverageType.KAMA: KaufmanAdaptiveMovingAverage,
    MovingAverageType.HULL: HullMovingAverage,
    MovingAverageType.ALMA: ArnaudLegouxMovingAverage,
    MovingAverageType.ZLEMA: ZeroLagExponentialMovingAverage,
    MovingAverageType.MGD: McGinleyDynamic,
}


def moving_average(kind: MovingAverageType, name: str, period: int) -> Any:
    """Make the average of a kind."""
    return _AVERAGES[MovingAverageType(kind)](name, period)
