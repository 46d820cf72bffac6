"""Oscillators made of averages and ranges of one value."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_double
from engine.common.enums import MovingAverageType
from engine.common.net_exceptions import ArgumentException
from engine.indicators.averages import (
    ExponentialMovingAverage,
    LinearWeightedMovingAverage,
    SimpleMovingAverage,
    moving_average,
)
from engine.indicators.base import (
    Indicator,
    WindowIndicator,
    default_name,
    ready_with,
    with_signature_of,
)
from engine.indicators.composite import IndicatorExtensions
from engine.indicators.oscillators import (
    MovingAverageConvergenceDivergence,
    RelativeStrengthIndex,
)
from engine.indicators.window import RollingWindow
from engine.indicators.windows import (
    Delay,
    Identity,
    RateOfChange,
    RateOfChangePercent,
    StandardDeviation,
)

FIFTY, HUNDRED = Decimal(50), Decimal(100)
SIMPLE, EXPONENTIAL = MovingAverageType.SIMPLE, MovingAverageType.EXPONENTIAL


class AbsolutePriceOscillator(MovingAverageConvergenceDivergence):
    """Fast less slow average."""

    @default_name("APO({fast_period},{slow_period})")
    def __init__(
        self,
        name: str,
        fast_period: int,
        slow_period: int,
        moving_average_type: MovingAverageType = SIMPLE,
    ) -> None:
        super().__init__(name, fast_period, slow_period, slow_period, moving_average_type)


class PercentagePriceOscillator(AbsolutePriceOscillator):
    """Fast less slow average, in per cent of the slow one."""

    @default_name("PPO({fast_period},{slow_period})")
    def __init__(
        self,
        name: str,
        fast_period: int,
        slow_period: int,
        moving_average_type: MovingAverageType = SIMPLE,
    ) -> None:
        super().__init__(name, fast_period, slow_period, moving_average_type)

    def _compute(self, point: Any) -> Decimal:
        value = super()._compute(point)
        slow = self.slow.current.value_exact
        return 100 * value / slow if slow else ZERO


class Trix(Indicator):
    """Change in per cent of a threefold exponential average."""

    is_ready = ready_with("_change")

    @default_name("TRIX({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self._stages = [
            self._own(ExponentialMovingAverage(f"{name}_{i}", period)) for i in (1, 2, 3)
        ]
        self._change = self._own(RateOfChangePercent(name + "_ROCP1", 1))
        self.warm_up_period = 3 * (period - 1) + self._change.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        first, second, third = self._stages
        first.update(point)
        for before, after in ((first, second), (second, third), (third, self._change)):
            if before.is_ready:
                after.update(before.current)
        return self._change.current.value_exact


class DetrendedPriceOscillator(Indicator):
    """The value half a period ago less the average."""

    is_ready = ready_with("_average", "_lagged")

    @default_name("DPO({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self._lagged = self._own(Delay(period // 2 + 1))
        self._average = self._own(SimpleMovingAverage(period))
        self.warm_up_period = period

    def _compute(self, point: Any) -> Decimal:
        self._lagged.update(point)
        self._average.update(point)
        return self._lagged.current.value_exact - self._average.current.value_exact


class CoppockCurve(Indicator):
    """Weighted average of the sum of a short and a long change in per cent."""

    is_ready = ready_with("_average")

    @default_name("CC({short_roc_period},{long_roc_period},{lwma_period})")
    def __init__(
        self,
        name: str,
        short_roc_period: int = 11,
        long_roc_period: int = 14,
        lwma_period: int = 10,
    ) -> None:
        super().__init__(name)
        self._short = self._own(RateOfChangePercent(short_roc_period))
        self._long = self._own(RateOfChangePercent(long_roc_period))
        self._average = self._own(LinearWeightedMovingAverage(lwma_period))
        self.warm_up_period = max(short_roc_period, long_roc_period) + lwma_period

    def _compute(self, point: Any) -> Decimal:
        self._short.update(point)
        self._long.update(point)
        if not (self._long.is_ready and self._short.is_ready):
            return ZERO
        total = self._short.current.value_exact + self._long.current.value_exact
        self._average.update(point.end_time, total)
        return self._average.current.value_exact


class KnowSureThing(Indicator):
    """Four smoothed changes, weighted by how long they are, with a signal average."""

    is_ready = ready_with("roc_1_ma", "roc_2_ma", "roc_3_ma", "roc_4_ma", "signal_line")

    @default_name(
        "KST({roc_1_period},{roc_1_ma_period},{roc_2_period},{roc_2_ma_period},{roc_3_period},"
        "{roc_3_ma_period},{roc_4_period},{roc_4_ma_period},{signal_period},{moving_average_type})"
    )
    def __init__(
        self,
        name: str,
        roc_1_period: int,
        roc_1_ma_period: int,
        roc_2_period: int,
        roc_2_ma_period: int,
        roc_3_period: int,
        roc_3_ma_period: int,
        roc_4_period: int,
        roc_4_ma_period: int,
        signal_period: int,
        moving_average_type: MovingAverageType = SIMPLE,
    ) -> None:
        super().__init__(name)
        kind = self.moving_average_type = moving_average_type
        self.roc_1 = self._own(RateOfChange(roc_1_period))
        self.roc_2 = self._own(RateOfChange(roc_2_period))
        self.roc_3 = self._own(RateOfChange(roc_3_period))
        self.roc_4 = self._own(RateOfChange(roc_4_period))
        self.roc_1_ma = self._own(moving_average(kind, name + "_ROC1MA", roc_1_ma_period))
        self.roc_2_ma = self._own(moving_average(kind, name + "_ROC2MA", roc_2_ma_period))
        self.roc_3_ma = self._own(moving_average(kind, name + "_ROC3MA", roc_3_ma_period))
        self.roc_4_ma = self._own(moving_average(kind, name + "_ROC4MA", roc_4_ma_period))
        self.signal_line = self._own(moving_average(kind, name + "_SignalLine", signal_period))
        self.warm_up_period = max(
            roc_1_period + roc_1_ma_period,
            roc_2_period + roc_2_ma_period,
            roc_3_period + roc_3_ma_period,
            roc_4_period + roc_4_ma_period,
        )

    def _compute(self, point: Any) -> Decimal:
        pairs = (
            (self.roc_1, self.roc_1_ma), (self.roc_2, self.roc_2_ma),
            (self.roc_3, self.roc_3_ma), (self.roc_4, self.roc_4_ma),
        )  # fmt: skip
        value = ZERO
        for weight, (change, average) in enumerate(pairs, 1):
            change.update(point)
            if change.is_ready:
                average.update(point.end_time, 100 * change.current.value_exact)
            value += weight * average.current.value_exact
        self.signal_line.update(point.end_time, value)
        return value if self.signal_line.is_ready else ZERO


def _momersion_name(texts: dict[str, str]) -> str:
    least = texts["min_period"]
    return f"Momersion({'' if least == 'None' else least},{texts['full_period']})"


class Momersion(WindowIndicator):
    """How many changes were followed by one of the same direction, in per cent.

    LEAN's constructors: ``(full_period)`` and ``(min_period, full_period)``; the least number of
    changes is 4, None waits for all.
    """

    def _begin(self, min_period: int | None, full_period: int, name: str | None = None) -> None:
        if min_period is not None and min_period < 4:
            raise ArgumentException(f"min_period must be at least 4; received {min_period}")
        texts = {"min_period": str(min_period), "full_period": str(full_period)}
        super().__init__(_momersion_name(texts) if name is None else name, full_period)
        self._least = min_period
        self._products: RollingWindow[Decimal] = self._own(RollingWindow(full_period))

    @with_signature_of(_begin)
    def __init__(self, *args: Any, **keywords: Any) -> None:
        if len(args) == 1 and "full_period" not in keywords and not isinstance(args[0], str):
            args = (None, *args)
        values = dict(zip(("name", "min_period", "full_period"), args, strict=False))
        if args and not isinstance(args[0], str):
            values = dict(zip(("min_period", "full_period"), args, strict=False))
        self._begin(**{"min_period": None, **values, **keywords})

    @property
    def warm_up_period(self) -> int:
        """Values needed before it is ready."""
        return self.period + 3 if self._least is None else self._least + 2

    @property
    def is_ready(self) -> bool:
        """True once there are enough changes."""
        if self._least is not None:
            return self._products.count >= self._least
        return self._products.samples > self._products.size

    def _next(self, value: Decimal) -> Decimal:
        values = self._values
        if len(values) >= 3:
            self._products.add((values[0] - values[1]) * (values[1] - values[2]))
        products = list(self._products)
        if self.is_ready and sum(not item for item in products) < 0.5 * len(products):
            same = sum(item > 0 for item in products)
            other = sum(item < 0 for item in products)
            return HUNDRED * same / (same + other)
        return FIFTY


class MomersionIndicator(Momersion):
    """LEAN's other name for it."""


class DerivativeOscillator(Indicator):
    """A twice smoothed relative strength index less an average of it."""

    is_ready = ready_with("_signal")

    @default_name(
        "DO({rsi_period},{smoothing_rsi_period},{double_smoothing_rsi_period},{signal_line_period})"
    )
    def __init__(
        self,
        name: str,
        rsi_period: int,
        smoothing_rsi_period: int,
        double_smoothing_rsi_period: int,
        signal_line_period: int,
    ) -> None:
        super().__init__(name)
        feed = IndicatorExtensions.of
        self._rsi = self._own(RelativeStrengthIndex(name + "_RSI", rsi_period))
        smooth = ExponentialMovingAverage(name + "_SmoothedRSI", smoothing_rsi_period)
        self._smooth = self._own(feed(smooth, self._rsi))
        twice = ExponentialMovingAverage(name + "_DoubleSmoothedRSI", double_smoothing_rsi_period)
        self._twice = self._own(feed(twice, self._smooth))
        signal = SimpleMovingAverage(name + "_SignalLine", signal_line_period)
        self._signal = self._own(feed(signal, self._twice))
        self.warm_up_period = (
            rsi_period + smoothing_rsi_period + double_smoothing_rsi_period + signal_line_period - 2
        )

    def _compute(self, point: Any) -> Decimal:
        self._rsi.update(point)
        if not self.is_ready:
            return ZERO
        return self._twice.current.value_exact - self._signal.current.value_exact


class ConnorsRelativeStrengthIndex(Indicator):
    """Mean of two relative strength indices, of values and of streaks, and a rank of the change."""

    is_ready = ready_with("_rsi", "_streak_rsi", "_changes")

    @default_name("CRSI({rsi_period},{rsi_period_streak},{look_back_period})")
    def __init__(
        self,
        name: str,
        rsi_period: int,
        rsi_period_streak: int,
        look_back_period: int | None = None,
        roc_period: int | None = None,
    ) -> None:
        look_back = roc_period if look_back_period is None else look_back_period
        if look_back is None:
            raise ArgumentException("ConnorsRelativeStrengthIndex needs look_back_period")
        super().__init__(name)
        self._rsi = self._own(RelativeStrengthIndex(rsi_period))
        self._streak_rsi = self._own(RelativeStrengthIndex(rsi_period_streak))
        self._changes: RollingWindow[Decimal] = self._own(RollingWindow(look_back))
        self.warm_up_period = max(look_back, rsi_period + 1, rsi_period_streak + 1)
        self._restart()

    def _restart(self) -> None:
        self._streak = 0
        self._before: Decimal | None = None

    def _compute(self, point: Any) -> Decimal:
        value, before = point.value_exact, self._before
        self._rsi.update(point)
        if before is not None and value != before:
            step = 1 if value > before else -1
            self._streak = self._streak + step if self._streak * step > 0 else step
        self._streak_rsi.update(point.end_time, Decimal(self._streak))
        self._before = value
        if not before:
            self._changes.add(ZERO)
            return ZERO
        change = (value - before) / before
        rank = ZERO
        if self._changes.is_ready:
            below = sum(item < change for item in self._changes)
            rank = HUNDRED * below / self._changes.count
        self._changes.add(change)
        if not self.is_ready:
            return ZERO
        return (self._rsi.current.value_exact + self._streak_rsi.current.value_exact + rank) / 3


class TrueStrengthIndex(Indicator):
    """Twice smoothed change over its twice smoothed size, -100 to 100, with a signal average."""

    @default_name("TSI({long_term_period},{short_term_period},{signal_period})")
    def __init__(
        self,
        name: str,
        long_term_period: int = 25,
        short_term_period: int = 13,
        signal_period: int = 7,
        signal_type: MovingAverageType = EXPONENTIAL,
    ) -> None:
        super().__init__(name)
        extensions = IndicatorExtensions
        self._change = self._own(ExponentialMovingAverage(name + "_PC_EMA", long_term_period))
        self._size = self._own(ExponentialMovingAverage(name + "_APC_EMA", long_term_period))
        twice = ExponentialMovingAverage(name + "_PC_EMA_EMA", short_term_period)
        twice_size = ExponentialMovingAverage(name + "_APC_EMA_EMA", short_term_period)
        change = self._own(extensions.of(twice, self._change))
        size = self._own(extensions.of(twice_size, self._size))
        self._ratio = self._own(extensions.times(extensions.over(change, size), HUNDRED))
        signal = moving_average(signal_type, name + "_Signal", signal_period)
        self.signal = self._own(extensions.of(signal, self._ratio))
        self.warm_up_period = long_term_period + short_term_period
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after both periods."""
        return self.samples >= self.warm_up_period

    def _restart(self) -> None:
        self._before = ZERO

    def _compute(self, point: Any) -> Decimal:
        change, self._before = point.value_exact - self._before, point.value_exact
        if self.samples == 1:
            return ZERO
        self._change.update(point.end_time, change)
        self._size.update(point.end_time, abs(change))
        return self._ratio.current.value_exact


class StochasticRelativeStrengthIndex(Indicator):
    """Where the relative strength index lies in its recent range: the lines ``k`` and ``d``."""

    @default_name(
        "SRSI({rsi_period},{stoch_period},{k_smoothing_period},{d_smoothing_period},"
        "{moving_average_type})"
    )
    def __init__(
        self,
        name: str,
        rsi_period: int,
        stoch_period: int,
        k_smoothing_period: int,
        d_smoothing_period: int,
        moving_average_type: MovingAverageType = SIMPLE,
    ) -> None:
        super().__init__(name)
        kind = moving_average_type
        self._rsi = self._own(RelativeStrengthIndex(rsi_period))
        self._recent: RollingWindow[Decimal] = self._own(RollingWindow(stoch_period))
        label = kind.net_name
        self.k = self._own(moving_average(kind, f"{name}_K_{label}", k_smoothing_period))
        self.d = self._own(moving_average(kind, f"{name}_D_{label}", d_smoothing_period))
        self.warm_up_period = (
            rsi_period + stoch_period + max(k_smoothing_period, d_smoothing_period)
        )

    @property
    def is_ready(self) -> bool:
        """True after all periods."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._rsi.update(point)
        newest = self._rsi.current.value_exact
        self._recent.add(newest)
        if not self._recent.is_ready:
            return ZERO
        highest, lowest = max(self._recent), min(self._recent)
        k = HUNDRED
        if highest != lowest:
            k = 100 * (newest - lowest) / (highest - lowest)
        self.k.update(point.end_time, k)
        self.d.update(point.end_time, self.k.current.value_exact)
        return point.value_exact


class SchaffTrendCycle(Indicator):
    """A stochastic of a stochastic of the convergence of two averages."""

    is_ready = ready_with("_macd")

    @default_name("SchaffTrendCycle({cycle_period},{fast_period},{slow_period})")
    def __init__(
        self,
        name: str,
        cycle_period: int = 10,
        fast_period: int = 23,
        slow_period: int = 50,
        type: MovingAverageType = EXPONENTIAL,
    ) -> None:
        super().__init__(name)
        extensions = IndicatorExtensions
        macd = MovingAverageConvergenceDivergence(fast_period, slow_period, cycle_period, type)
        self._macd = self._own(macd)
        self._maximum = self._own(extensions.max(macd, cycle_period, False))
        self._minimum = self._own(extensions.min(macd, cycle_period, False))
        self._k = self._own(Identity(name + "_K"))
        self._d = self._own(extensions.of(moving_average(type, "", 3), self._k, False))
        self._maximum_d = self._own(extensions.max(self._d, cycle_period, False))
        self._minimum_d = self._own(extensions.min(self._d, cycle_period, False))
        self._pf = self._own(Identity(name + "_PF"))
        self._pff = self._own(extensions.of(moving_average(type, "", 3), self._pf, False))
        self.warm_up_period = macd.warm_up_period

    @staticmethod
    def _place(value: Any, highest: Any, lowest: Any) -> Decimal:
        bottom = lowest.current.value_exact
        spread: Decimal = highest.current.value_exact - bottom
        return (value.current.value_exact - bottom) / spread * 100 if spread > 0 else ZERO

    def _compute(self, point: Any) -> Decimal:
        self._macd.update(point)
        self._k.update(point.end_time, self._place(self._macd, self._maximum, self._minimum))
        self._pf.update(point.end_time, self._place(self._d, self._maximum_d, self._minimum_d))
        return self._pff.current.value_exact


class AugenPriceSpike(Indicator):
    """The change in standard deviations of the changes before it."""

    is_ready = ready_with("_values", "_deviation")

    @default_name("APS({period})")
    def __init__(self, name: str, period: int = 3) -> None:
        super().__init__(name)
        if period < 3:
            raise ArgumentException(f"period must be at least 3; received {period}")
        self._deviation = self._own(StandardDeviation(period))
        self._values: RollingWindow[Decimal] = self._own(RollingWindow(3))
        self.warm_up_period = period + 2

    def _compute(self, point: Any) -> Decimal:
        self._values.add(point.value_exact)
        if not self._values.is_ready:
            return ZERO
        value, before, earlier = self._values
        change = math.log(to_double(before) / to_double(earlier)) if before and earlier else 0.0
        self._deviation.update(point.end_time, from_float(change))
        if not self._deviation.is_ready:
            return ZERO
        unit = self._deviation.current.value_exact * before
        return (value - before) / unit if unit else ZERO
