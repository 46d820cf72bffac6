"""Indicators over a window of values: sums, extremes, delays, changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_double
from engine.indicators.base import Indicator, WindowIndicator, data_point, default_name
from engine.market.symbols import Symbol


class Identity(Indicator):
    """The value itself."""

    warm_up_period = 1

    def __init__(self, name: str = "") -> None:
        super().__init__(name)

    @property
    def is_ready(self) -> bool:
        """True from the first value on."""
        return self.samples > 0

    def _compute(self, point: Any) -> Decimal:
        return point.value_exact


class WindowIdentity(WindowIndicator):
    """The value itself, ready when the window is full."""

    @default_name("WIN-ID({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        return value


class Sum(WindowIndicator):
    """Sum of the last values."""

    @default_name("SUM({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._sum = ZERO

    def _compute(self, point: Any) -> Decimal:
        values, value = self._values, point.value_exact
        total = self._sum + value
        if len(values) == self.period:
            self._removed = values[-1]
            total -= self._removed
        values.appendleft(value)
        self._sum = total
        return total

    def continue_from(
        self, values: Iterable[Decimal], shown: list[tuple[Decimal, datetime]], samples: int
    ) -> None:
        """Go on where a sum that was kept elsewhere stands.

        Args:
            values: of the window, newest first.
            shown: its last sums with their times, newest last; none before the first value.
            samples: values so far.
        """
        self._values.extend(values)
        for total, time in shown:
            self._sum = total
            self._last_symbol = Symbol.EMPTY
            self._last_input = data_point(Symbol.EMPTY, time, total)
            self._last_time = time
            self._show(self._last_input)
        self.samples = samples

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._sum = ZERO


class _Extreme(WindowIndicator):
    """Largest or smallest of the last values, and how long ago it was."""

    label = ""

    @default_name("{label}({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._age = 0

    def _beats(self, value: Decimal, other: Decimal) -> bool:
        raise NotImplementedError(f"{type(self).__name__}._beats")

    def _next(self, value: Decimal) -> Decimal:
        best = self._current.value_exact
        if self.samples == 1 or value == best or self._beats(value, best):
            self._age = 0
            return value
        if self._age < self.period - 1:
            self._age += 1
            return best
        best, self._age = value, 0
        for age, candidate in enumerate(self._values):
            if self._beats(candidate, best):
                best, self._age = candidate, age
        return best

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._age = 0


class Maximum(_Extreme):
    """Largest of the last values."""

    label = "MAX"

    def _beats(self, value: Decimal, other: Decimal) -> bool:
        return value > other

    @property
    def periods_since_maximum(self) -> int:
        """Values since the largest one."""
        return self._age


class Minimum(_Extreme):
    """Smallest of the last values."""

    label = "MIN"

    def _beats(self, value: Decimal, other: Decimal) -> bool:
        return value < other

    @property
    def periods_since_minimum(self) -> int:
        """Values since the smallest one."""
        return self._age


class _LaggedIndicator(WindowIndicator):
    """Compares a value with the one ``period`` before; ready one value later than its window."""

    @property
    def is_ready(self) -> bool:
        """True once a value has fallen out of the window."""
        return self.samples > self.period

    @property
    def warm_up_period(self) -> int:
        """One more than the period."""
        return self.period + 1


class Delay(_LaggedIndicator):
    """The value ``period`` updates ago; the oldest one until then."""

    @default_name("DELAY({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        return self._oldest()


class Momentum(_LaggedIndicator):
    """Change over ``period`` values."""

    @default_name("MOM({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        return value - self._oldest()


class RateOfChange(_LaggedIndicator):
    """Relative change over ``period`` values, a fraction."""

    label = "ROC"

    @default_name("{label}({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        base = self._oldest()
        return (value - base) / base if base else ZERO


class RateOfChangePercent(RateOfChange):
    """Relative change over ``period`` values, per cent."""

    label = "ROCP"

    def _next(self, value: Decimal) -> Decimal:
        return 100 * super()._next(value)


class MomentumPercent(RateOfChangePercent):
    """LEAN's other name for the change in per cent."""

    label = "MOMP"


class RateOfChangeRatio(RateOfChange):
    """Value over the one ``period`` before; 0 where nothing changed."""

    label = "ROCR"

    def _next(self, value: Decimal) -> Decimal:
        change = super()._next(value)
        return change + 1 if change else ZERO


class LogReturn(WindowIndicator):
    """Natural logarithm of the value over the one ``period`` before."""

    @default_name("LOGR({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        base = self._oldest()
        ratio = to_double(value / base) if base else 0.0
        return from_float(math.log(ratio)) if ratio > 0 else ZERO


class Variance(WindowIndicator):
    """Population variance of the last values."""

    label = "VAR"

    @default_name("{label}({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._sum = self._squares = ZERO

    def _next(self, value: Decimal) -> Decimal:
        self._sum += value
        self._squares += value * value
        if self.samples < 2:
            return ZERO
        count = min(self.period, self.samples)
        mean, mean_square = self._sum / count, self._squares / count
        if count == self.period:
            oldest = self._values[-1]
            self._sum -= oldest
            self._squares -= oldest * oldest
        return max(ZERO, mean_square - mean * mean)

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._sum = self._squares = ZERO


class StandardDeviation(Variance):
    """Population standard deviation of the last values."""

    label = "STD"

    def _next(self, value: Decimal) -> Decimal:
        return from_float(math.sqrt(to_double(super()._next(value))))


class MeanAbsoluteDeviation(WindowIndicator):
    """Mean distance of the last values from their mean."""

    @default_name("MAD({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._sum = ZERO

    def _next(self, value: Decimal) -> Decimal:
        self._sum += value
        if self._removed is not None:
            self._sum -= self._removed
        if self.samples < 2:
            return ZERO
        mean = self._sum / len(self._values)
        return sum((abs(v - mean) for v in self._values), ZERO) / len(self._values)

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._sum = ZERO
