"""Indicators of range: bands, channels and true range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import MovingAverageType
from engine.indicators.averages import moving_average
from engine.indicators.base import BarIndicator, Indicator
from engine.indicators.composite import ConstantIndicator, IndicatorExtensions
from engine.indicators.windows import Identity, Maximum, Minimum, StandardDeviation, named


class BollingerBands(Indicator):
    """An average with bands some standard deviations away."""

    def __init__(self, *args: Any) -> None:
        name, (period, k, *kind) = named("BB", args, count=2)
        super().__init__(name)
        self.moving_average_type = kind[0] if kind else MovingAverageType.SIMPLE
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

    def __init__(self, *args: Any) -> None:
        name, (period, *kind) = named("ATR", args)
        super().__init__(name)
        average = kind[0] if kind else MovingAverageType.WILDERS
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

    def __init__(self, *args: Any) -> None:
        name, (period,) = named("NATR", args)
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


class DonchianChannel(BarIndicator):
    """Highest high and lowest low; the value is their middle."""

    def __init__(self, *args: Any) -> None:
        name, rest = named("DCH", args, count=2)
        upper, lower = rest[0], rest[-1]
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
