"""Moving averages whose weights follow how the values move."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_decimal, to_double
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import BarIndicator, WindowIndicator, default_name
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Identity


class KaufmanEfficiencyRatio(WindowIndicator):
    """How straight the values moved: change over the period by the length of the path, 0 to 1."""

    @default_name("KER({period})")
    def __init__(self, name: str, period: int) -> None:
        # The window also holds the value before the period, from which the path starts.
        super().__init__(name, period + 1)
        self._restart()

    def _restart(self) -> None:
        self._path = self._trailing = ZERO

    def _next(self, value: Decimal) -> Decimal:
        step = abs(value - self._values[1]) if self.samples > 1 else ZERO
        self._path += step
        if self.samples < self.period:
            return value
        trailing = self._values[-1]
        if self.samples > self.period:
            self._path -= abs(self._trailing - trailing)
        self._trailing = trailing
        change = value - trailing
        if self._path <= change or not self._path:
            return Decimal(1)
        return abs(change / self._path)


class KaufmanAdaptiveMovingAverage(KaufmanEfficiencyRatio):
    """Exponential average whose weight follows how straight the values move."""

    @default_name("KAMA({period},{fast_ema_period},{slow_ema_period})")
    def __init__(
        self, name: str, period: int, fast_ema_period: int = 2, slow_ema_period: int = 30
    ) -> None:
        super().__init__(name, period)
        self._slow_factor = Decimal(2) / (slow_ema_period + 1)
        self._range = Decimal(2) / (fast_ema_period + 1) - self._slow_factor

    def _restart(self) -> None:
        super()._restart()
        self._average = ZERO

    def _next(self, value: Decimal) -> Decimal:
        efficiency = super()._next(value)
        if self.samples < self.period:
            return value
        if self.samples == self.period:
            self._average = self._values[1]
        factor = efficiency * self._range + self._slow_factor
        factor *= factor
        self._average = (value - self._average) * factor + self._average
        return self._average


class FractalAdaptiveMovingAverage(BarIndicator):
    """Exponential average of the bars' middles whose weight follows their fractal dimension."""

    @default_name("FRAMA({n},{long_period})")
    def __init__(self, name: str, n: int, long_period: int = 198) -> None:
        super().__init__(name)
        if n % 2:
            raise ArgumentException(f"n must be even; received {n}")
        self._half = n // 2
        self._weight = math.log(2 / (1 + long_period))
        self.warm_up_period = n
        self._high: RollingWindow[float] = self._own(RollingWindow(n))
        self._low: RollingWindow[float] = self._own(RollingWindow(n))

    @property
    def is_ready(self) -> bool:
        """True after ``n`` bars."""
        return self._high.is_ready

    def _compute(self, point: Any) -> Decimal:
        price = (point.high_exact + point.low_exact) / 2
        self._high.add(to_double(point.high_exact))
        self._low.add(to_double(point.low_exact))
        if self._high.samples <= self._high.size:
            return price
        high, low, half = list(self._high), list(self._low), self._half
        new = (max(high[:half]) - min(low[:half])) / half
        old = (max(high[half:]) - min(low[half:])) / half
        both = (max(high) - min(low)) / (2 * half)
        dimension = 0.0
        if new + old > 0 and both > 0:
            dimension = math.log((new + old) / both) / math.log(2)
        alpha = from_float(min(max(math.exp(self._weight * (dimension - 1)), 0.01), 1.0))
        return alpha * price + (1 - alpha) * self._current.value_exact


class ChandeMomentumOscillator(WindowIndicator):
    """Smoothed gains less losses over their sum, -100 to 100."""

    @default_name("CMO({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._restart()

    @property
    def warm_up_period(self) -> int:
        """One more than the period."""
        return self.period + 1

    @property
    def is_ready(self) -> bool:
        """True after a period of changes."""
        return self.samples > self.period

    def _restart(self) -> None:
        self._before = self._gain = self._loss = ZERO

    def _next(self, value: Decimal) -> Decimal:
        change, self._before = value - self._before, value
        if self.samples == 1:
            return ZERO
        if self.samples > self.period + 1:
            self._loss *= self.period - 1
            self._gain *= self.period - 1
        if change < 0:
            self._loss -= change
        else:
            self._gain += change
        if not self.is_ready:
            return ZERO
        self._loss /= self.period
        self._gain /= self.period
        total = self._gain + self._loss
        return 100 * ((self._gain - self._loss) / total) if total else ZERO


class VariableIndexDynamicAverage(WindowIndicator):
    """Exponential average whose weight follows Chande's momentum oscillator."""

    _reads_values = False

    @default_name("VIDYA({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name, period)
        self._momentum = self._own(ChandeMomentumOscillator(period))
        self._factor = Decimal(2) / (period + 1)
        self._restart()

    @property
    def warm_up_period(self) -> int:
        """One more than the period."""
        return self.period + 1

    @property
    def is_ready(self) -> bool:
        """True after a period of changes."""
        return self.samples > self.period

    def _restart(self) -> None:
        self._average = ZERO

    def _compute(self, point: Any) -> Decimal:
        value = point.value_exact
        self._momentum.update(point)
        if not self.is_ready:
            self._average = value
            return ZERO
        weight = self._factor * abs(self._momentum.current.value_exact / 100)
        self._average = value * weight + self._average * (1 - weight)
        return self._average


_SMALL, _LARGE = Decimal("0.0962"), Decimal("0.5769")
_DEGREES = Decimal(180) / (4 * from_float(math.atan(1.0)))


class MesaAdaptiveMovingAverage(BarIndicator):
    """Ehlers' average, whose weight follows the phase of the cycle that the middles of bars show.

    Attributes:
        fama: the following average, of half the weight.
    """

    warm_up_period = 33

    @default_name("MAMA")
    def __init__(
        self, name: str, fast_limit: Any = Decimal("0.5"), slow_limit: Any = Decimal("0.05")
    ) -> None:
        super().__init__(name)
        self._fast, self._slow = to_decimal(fast_limit), to_decimal(slow_limit)
        self._prices: RollingWindow[Decimal] = self._own(RollingWindow(13))
        self._windows: list[RollingWindow[Decimal]] = [
            self._own(RollingWindow(6)) for _ in range(4)
        ]
        self.fama = self._own(Identity(name + "_Fama"))
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after 33 bars."""
        return self.samples >= self.warm_up_period

    def _restart(self) -> None:
        self._period = self._smooth_period = self._phase = self._mama = ZERO
        self._in_phase = self._quadrature = self._real = self._imaginary = ZERO

    def _compute(self, point: Any) -> Decimal:
        self._prices.add((point.high_exact + point.low_exact) / 2)
        if not self._prices.is_ready:
            return ZERO
        self._mama, following = self._averages()
        self.fama.update(point.end_time, following)
        return self._mama if self.is_ready else ZERO

    def _averages(self) -> tuple[Decimal, Decimal]:
        scale = Decimal("0.075") * self._period + Decimal("0.54")
        smoothed, detrended, in_phases, quadratures = self._windows

        def filtered(newest: Decimal, past: RollingWindow[Decimal]) -> Decimal:
            """Hilbert transform of a series whose earlier values are in a window."""
            first, third, fifth = (past[i] or ZERO for i in (1, 3, 5))
            return (_SMALL * newest + _LARGE * first - _LARGE * third - _SMALL * fifth) * scale

        newest, one, two, three = (self._prices[i] for i in range(4))
        smooth = (4 * newest + 3 * one + 2 * two + three) / 10
        detrender = filtered(smooth, smoothed)
        quadrature = filtered(detrender, detrended)
        in_phase = detrended[2] or ZERO
        alpha = self._alpha(
            in_phase,
            quadrature,
            in_phase - filtered(quadrature, quadratures),
            quadrature + filtered(in_phase, in_phases),
        )
        mama = alpha * newest + (1 - alpha) * self._mama
        half = Decimal("0.5") * alpha
        following = half * mama + (1 - half) * self.fama.current.value_exact
        for window, value in zip(
            self._windows, (smooth, detrender, in_phase, quadrature), strict=True
        ):
            window.add(value)
        return mama, following

    def _alpha(
        self, in_phase: Decimal, quadrature: Decimal, turned: Decimal, turned_quadrature: Decimal
    ) -> Decimal:
        new, old = Decimal("0.2"), Decimal("0.8")
        turned = new * turned + old * self._in_phase
        turned_quadrature = new * turned_quadrature + old * self._quadrature
        real = turned * self._in_phase + turned_quadrature * self._quadrature
        imaginary = turned * self._quadrature - turned_quadrature * self._in_phase
        real = new * real + old * self._real
        imaginary = new * imaginary + old * self._imaginary
        period = ZERO
        if imaginary and real:
            angle = from_float(math.atan(to_double(imaginary / real))) * _DEGREES
            period = 360 / angle if angle > 0 else ZERO
        period = min(period, Decimal("1.5") * self._period)
        period = max(period, Decimal("0.67") * self._period)
        period = min(max(period, Decimal(6)), Decimal(50))
        period = new * period + old * self._period
        phase = ZERO
        if in_phase:
            phase = from_float(math.atan(to_double(quadrature / in_phase))) * _DEGREES
        change = max(self._phase - phase, Decimal(1))
        self._in_phase, self._quadrature = turned, turned_quadrature
        self._real, self._imaginary = real, imaginary
        self._smooth_period = Decimal("0.33") * period + Decimal("0.67") * self._smooth_period
        self._period, self._phase = period, phase
        return max(self._fast / change, self._slow)
