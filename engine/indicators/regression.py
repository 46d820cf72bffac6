"""Indicators that draw a line through the last values."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_double
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import Indicator, WindowIndicator, default_name
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Identity


class LeastSquaresMovingAverage(WindowIndicator):
    """End of the regression line through the last values; the value until it is ready.

    Attributes:
        intercept, slope: of the line, at 0 and for each value.
    """

    @default_name("LSMA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self.intercept = self._own(Identity(name + "_Intercept"))
        self.slope = self._own(Identity(name + "_Slope"))
        places = [float(i) for i in range(1, self.period + 1)]
        mean = sum(places) / self.period
        self._places = [place - mean for place in places]
        self._middle = mean

    def _compute(self, point: Any) -> Decimal:
        self._values.appendleft(point.value_exact)
        if not self.is_ready:
            return point.value_exact
        values = [to_double(value) for value in reversed(self._values)]
        mean = sum(values) / self.period
        covariance = variance = 0.0
        for place, value in zip(self._places, values, strict=True):
            covariance += place * (value - mean)
            variance += place * place
        slope = covariance / variance
        self.intercept.update(point.end_time, from_float(mean - slope * self._middle))
        self.slope.update(point.end_time, from_float(slope))
        return self.intercept.current.value_exact + self.slope.current.value_exact * self.period


class TimeSeriesForecast(WindowIndicator):
    """The regression line through the last values, one value on; 0 until it is ready."""

    @default_name("TSF{period})")
    def __init__(self, name: str, period: int) -> None:
        if period < 2:
            raise ArgumentException(f"period must be at least 2; received {period}")
        super().__init__(name, period)

    def _next(self, value: Decimal) -> Decimal:
        if not self.is_ready:
            return ZERO
        n = self.period
        places = n * (n + 1) // 2
        squares = n * (n + 1) * (2 * n + 1) // 6
        total, products = ZERO, ZERO
        for place, item in enumerate(reversed(self._values), 1):
            products += item * place
            total += item
        scale = Decimal(1) / (n * squares - places * places)
        slope = (n * products - places * total) * scale
        start = (total - slope * places) * (Decimal(1) / n)
        return start + slope * (n + 1)


class HurstExponent(Indicator):
    """How the spread of changes grows with their length: .5 a random walk, more a trend."""

    @default_name("HE({period},{max_lag})")
    def __init__(self, name: str, period: int, max_lag: int = 20) -> None:
        super().__init__(name)
        if max_lag < 3:
            raise ArgumentException(f"max_lag must be at least 3; received {max_lag}")
        self._window: RollingWindow[Decimal] = self._own(RollingWindow(period))
        self._lags = [(lag, from_float(math.log(lag))) for lag in range(2, max_lag + 1)]
        self._sum = sum((log for _, log in self._lags), ZERO)
        self._squares = sum((log * log for _, log in self._lags), ZERO)
        self.warm_up_period = period

    @property
    def is_ready(self) -> bool:
        """True once the window is full."""
        return self._window.is_ready

    def _compute(self, point: Any) -> Decimal:
        self._window.add(point.value_exact)
        if not self.is_ready:
            return ZERO
        values = list(self._window)
        total = products = ZERO
        for lag, log in self._lags:
            changes = [old - new for old, new in zip(values[lag:], values, strict=False)]
            spread = 0.0
            if changes:
                mean = sum(changes, ZERO) / len(changes)
                square = sum((change * change for change in changes), ZERO) / len(changes)
                spread = math.sqrt(to_double(square - mean * mean))
            height = from_float(math.log(spread)) if spread else ZERO
            total += height
            products += log * height
        n = len(self._lags)
        return (n * products - self._sum * total) / (n * self._squares - self._sum * self._sum)
