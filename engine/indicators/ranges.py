"""Indicators of range: bands, channels and true range."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_decimal, to_double
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
    TradeBarIndicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import ConstantIndicator, IndicatorExtensions
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Identity, Maximum, Minimum, StandardDeviation, Sum


class BollingerBands(Indicator):
    """An average with bands some standard deviations away."""

    @default_name("BB({period},{k})")
    def __init__(
        self,
        name: str,
        period: int,
        k: Any,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
    ) -> None:
        super().__init__(name)
        self.moving_average_type = moving_average_type
        self.warm_up_period = period
        width = to_decimal(k)
        extensions = IndicatorExtensions
        self.standard_deviation = StandardDeviation(name + "_StandardDeviation", period)
        self.middle_band = moving_average(self.moving_average_type, name + "_MiddleBand", period)
        deviation = self.standard_deviation
        self.lower_band = extensions.minus(
            self.middle_band, extensions.times(deviation, width), name + "_LowerBand"
        )
        self.upper_band = extensions.plus(
            self.middle_band, extensions.times(deviation, width), name + "_UpperBand"
        )
        spread = extensions.minus(self.upper_band, self.lower_band)
        self.band_width = extensions.times(
            extensions.over(spread, self.middle_band),
            ConstantIndicator("ct", 100),
            name + "_BandWidth",
        )
        self.price = Identity(name + "_Close")
        self.percent_b = extensions.over(
            extensions.minus(self.price, self.lower_band), spread, name + "_%B"
        )

    @property
    def is_ready(self) -> bool:
        """True once all bands are."""
        return all(
            part.is_ready
            for part in (
                self.middle_band, self.upper_band, self.lower_band, self.band_width, self.percent_b,
            )
        )  # fmt: skip

    def _compute(self, point: Any) -> Decimal | None:
        self.standard_deviation.update(point)
        self.middle_band.update(point)
        self.price.update(point)
        if self.is_ready and self.standard_deviation.current.value_exact == 0:
            return None
        return point.value_exact

    def reset(self) -> None:
        """Reset the bands too."""
        super().reset()
        for part in (
            self.standard_deviation, self.middle_band, self.upper_band, self.lower_band,
            self.band_width, self.percent_b, self.price,
        ):  # fmt: skip
            part.reset()


class TrueRange(BarIndicator):
    """The bar's range, widened to the close before."""

    warm_up_period = 2

    def __init__(self, name: str = "TR") -> None:
        super().__init__(name)
        self._before: Decimal | None = None

    @property
    def is_ready(self) -> bool:
        """True from the second bar on."""
        return self.samples > 1

    def _compute(self, point: Any) -> Decimal:
        high, low = point.high_exact, point.low_exact
        greatest = high - low
        if self._before is not None:
            greatest = max(greatest, abs(self._before - high), abs(self._before - low))
        self._before = point.close_exact
        return greatest

    def reset(self) -> None:
        """Forget the bar before."""
        super().reset()
        self._before = None


class AverageTrueRange(BarIndicator):
    """Average of the true range."""

    @default_name("ATR({period})")
    def __init__(
        self,
        name: str,
        period: int,
        moving_average_type: MovingAverageType = MovingAverageType.WILDERS,
    ) -> None:
        super().__init__(name)
        average = moving_average_type
        self.period = int(period)
        self.warm_up_period = self.period
        self.true_range = TrueRange(name)
        self._smoother = moving_average(average, f"{name}_{average}", self.period)

    @property
    def is_ready(self) -> bool:
        """True once the average is."""
        return self._smoother.is_ready

    def _compute(self, point: Any) -> Decimal:
        self.true_range.update(point)
        self._smoother.update(self.true_range.current)
        return self._smoother.current.value_exact

    def reset(self) -> None:
        """Reset range and average too."""
        super().reset()
        self._smoother.reset()
        self.true_range.reset()


class NormalizedAverageTrueRange(BarIndicator):
    """Average true range in per cent of the close."""

    @default_name("NATR({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.period = int(period)
        self.warm_up_period = self.period + 1
        self._range = TrueRange(name + "_TR")
        self._average = AverageTrueRange(name + "_ATR", self.period, MovingAverageType.SIMPLE)
        self._last = ZERO

    @property
    def is_ready(self) -> bool:
        """True one bar after the period."""
        return self.samples > self.period

    def _compute(self, point: Any) -> Decimal:
        self._range.update(point)
        if self.samples <= self.period + 1:
            self._average.update(point)
            self._last = self._average.current.value_exact
        else:
            newest = self._range.current.value_exact
            self._last = (self._last * (self.period - 1) + newest) / self.period
        return self._last / point.close_exact * 100 if point.close_exact else ZERO

    def reset(self) -> None:
        """Reset range and average too."""
        super().reset()
        self._range.reset()
        self._average.reset()
        self._last = ZERO


def _donchian_name(texts: dict[str, str]) -> str:
    # LEAN writes the lower period twice.
    given = (texts[key] for key in ("lower_period", "upper_period", "period"))
    lower = next((period for period in given if period != "None"), "")
    return f"DCH({lower},{lower})"


class DonchianChannel(BarIndicator):
    """Highest high and lowest low; the value is their middle."""

    @default_name(_donchian_name)
    def __init__(
        self,
        name: str,
        upper_period: int | None = None,
        lower_period: int | None = None,
        period: int | None = None,
    ) -> None:
        upper = upper_period if upper_period is not None else period
        lower = lower_period if lower_period is not None else upper
        if upper is None or lower is None:
            raise ArgumentException(
                "DonchianChannel needs a period, or upper_period and lower_period"
            )
        super().__init__(name)
        self.upper_band = Maximum(name + "_UpperBand", upper)
        self.lower_band = Minimum(name + "_LowerBand", lower)
        self.warm_up_period = max(upper, lower)

    @property
    def is_ready(self) -> bool:
        """True once both bands are."""
        return self.upper_band.is_ready and self.lower_band.is_ready

    def _compute(self, point: Any) -> Decimal:
        self.upper_band.update(point.end_time, point.high_exact)
        self.lower_band.update(point.end_time, point.low_exact)
        return (self.upper_band.current.value_exact + self.lower_band.current.value_exact) / 2

    def reset(self) -> None:
        """Reset the bands too."""
        super().reset()
        self.upper_band.reset()
        self.lower_band.reset()


class AverageRange(BarIndicator):
    """Average of the bars' ranges."""

    is_ready = ready_with("_average")

    @default_name("AR({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._average = self._own(SimpleMovingAverage(name + "_SMA", period))

    def _compute(self, point: Any) -> Decimal:
        self._average.update(point.end_time, point.high_exact - point.low_exact)
        return self._average.current.value_exact


class MidPoint(Indicator):
    """Middle between the largest and the smallest of the last values."""

    @default_name("MIDPOINT({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._highest = self._own(Maximum(period))
        self._lowest = self._own(Minimum(period))

    @property
    def is_ready(self) -> bool:
        """True after ``period`` values."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._highest.update(point)
        self._lowest.update(point)
        return (self._highest.current.value_exact + self._lowest.current.value_exact) / 2


class MidPrice(BarIndicator):
    """Middle between the highest high and the lowest low of the last bars."""

    @default_name("MIDPRICE({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._highest = self._own(Maximum(period))
        self._lowest = self._own(Minimum(period))

    @property
    def is_ready(self) -> bool:
        """True after ``period`` bars."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._highest.update(point.end_time, point.high_exact)
        self._lowest.update(point.end_time, point.low_exact)
        return (self._highest.current.value_exact + self._lowest.current.value_exact) / 2


class ChoppinessIndex(BarIndicator):
    """How much of the last bars' true ranges went sideways, 100 all of it; 0 until it is ready."""

    @default_name("CHOP({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._range = self._own(TrueRange())
        self._ranges: RollingWindow[Decimal] = self._own(RollingWindow(period))
        self._highs: RollingWindow[Decimal] = self._own(RollingWindow(period))
        self._lows: RollingWindow[Decimal] = self._own(RollingWindow(period))

    @property
    def is_ready(self) -> bool:
        """True after ``period`` bars."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._range.update(point)
        self._highs.add(point.high_exact)
        self._lows.add(point.low_exact)
        # The first true range is the bar's own.
        self._ranges.add(self._range.current.value_exact)
        if not self.is_ready:
            return ZERO
        spread = max(self._highs) - min(self._lows)
        if not spread:
            return Decimal(100)
        share = to_double(sum(self._ranges, ZERO)) / to_double(spread)
        return from_float(100.0 * math.log10(share) / math.log10(self.warm_up_period))


class RogersSatchellVolatility(BarIndicator):
    """Volatility of a bar from opens, highs, lows and closes; 0 until it is ready."""

    @default_name("RSV({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.warm_up_period = int(period)
        self._sum = self._own(Sum(name + "_Sum", period))

    @property
    def is_ready(self) -> bool:
        """True after ``period`` bars."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        exact = (point.open_exact, point.high_exact, point.low_exact, point.close_exact)
        if not all(exact):
            return ZERO
        first, high, low, last = (to_double(price) for price in exact)
        up = math.log(high / last) * math.log(high / first)
        down = math.log(low / last) * math.log(low / first)
        self._sum.update(point.end_time, from_float(up + down))
        if not self.is_ready:
            return ZERO
        return from_float(math.sqrt(to_double(self._sum.current.value_exact) / self.warm_up_period))


class MassIndex(TradeBarIndicator):
    """Sum of ratios of the smoothed to the twice smoothed range; the period until it is ready."""

    is_ready = ready_with("_sum")

    @default_name("MASS({ema_period},{sum_period})")
    def __init__(self, name: str, ema_period: int = 9, sum_period: int = 25) -> None:
        super().__init__(name)
        self._once = self._own(ExponentialMovingAverage(ema_period))
        self._twice = self._own(IndicatorExtensions.ema(self._once, ema_period))
        self._sum = self._own(Sum(sum_period))
        self.warm_up_period = 2 * (ema_period - 1) + sum_period

    def _compute(self, point: Any) -> Decimal:
        self._once.update(point.end_time, point.high_exact - point.low_exact)
        if self._twice.is_ready:
            divisor = self._twice.current.value_exact
            ratio = self._once.current.value_exact / divisor if divisor else ZERO
            self._sum.update(point.end_time, ratio)
        return self._sum.current.value_exact if self._sum.is_ready else Decimal(self._sum.period)
