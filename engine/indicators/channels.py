"""Indicators drawn around prices: bands, stops and clouds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import MovingAverageType
from engine.indicators.averages import moving_average
from engine.indicators.base import (
    BarIndicator,
    Indicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import FunctionalIndicator, IndicatorExtensions
from engine.indicators.ranges import AverageTrueRange, BollingerBands
from engine.indicators.regression import LeastSquaresMovingAverage
from engine.indicators.windows import Delay, Maximum, Minimum, StandardDeviation

SIMPLE, WILDERS = MovingAverageType.SIMPLE, MovingAverageType.WILDERS


class KeltnerChannels(BarIndicator):
    """An average of the typical price with bands some true ranges away."""

    is_ready = ready_with("middle_band", "upper_band", "lower_band", "average_true_range")

    @default_name("KC({period},{k})")
    def __init__(
        self, name: str, period: int, k: Any, moving_average_type: MovingAverageType = SIMPLE
    ) -> None:
        super().__init__(name)
        width = to_decimal(k)
        self.warm_up_period = period
        self.average_true_range = self._own(
            AverageTrueRange(name + "_AverageTrueRange", period, SIMPLE)
        )
        self.middle_band = self._own(
            moving_average(moving_average_type, name + "_MiddleBand", period)
        )
        self.lower_band = self._band(name + "_LowerBand", -width)
        self.upper_band = self._band(name + "_UpperBand", width)

    def _band(self, name: str, width: Decimal) -> Any:
        def place(_: Any) -> Decimal:
            if not self.middle_band.is_ready:
                return ZERO
            middle: Decimal = self.middle_band.current.value_exact
            return middle + self.average_true_range.current.value_exact * width

        return self._own(FunctionalIndicator(name, place, lambda _: self.middle_band.is_ready))

    def _compute(self, point: Any) -> Decimal:
        self.average_true_range.update(point)
        typical = (point.high_exact + point.low_exact + point.close_exact) / 3
        self.middle_band.update(point.end_time, typical)
        self.lower_band.update(point)
        self.upper_band.update(point)
        return self.middle_band.current.value_exact


class AccelerationBands(BarIndicator):
    """Averages of closes and of highs and lows, these moved away by the bar's relative range."""

    is_ready = ready_with("middle_band", "lower_band", "upper_band")

    @default_name("ABANDS({period},{width},{moving_average_type})")
    def __init__(
        self,
        name: str,
        period: int,
        width: Any = Decimal(4),
        moving_average_type: MovingAverageType = SIMPLE,
    ) -> None:
        super().__init__(name)
        self._width = to_decimal(width)
        kind = self.moving_average_type = moving_average_type
        self.middle_band = self._own(moving_average(kind, name + "_MiddleBand", period))
        self.lower_band = self._own(moving_average(kind, name + "_LowerBand", period))
        self.upper_band = self._own(moving_average(kind, name + "_UpperBand", period))
        self.warm_up_period = period

    def _compute(self, point: Any) -> Decimal:
        high, low = point.high_exact, point.low_exact
        share = self._width * ((high - low) / (high + low)) if high + low else ZERO
        self.lower_band.update(point.end_time, low * (1 - share))
        self.upper_band.update(point.end_time, high * (1 + share))
        self.middle_band.update(point.end_time, point.close_exact)
        return self.middle_band.current.value_exact


class RegressionChannel(Indicator):
    """A regression line with channels some standard deviations away."""

    is_ready = ready_with(
        "_standard_deviation", "linear_regression", "upper_channel", "lower_channel"
    )

    @default_name("RC({period},{k})")
    def __init__(self, name: str, period: int, k: Any) -> None:
        super().__init__(name)
        extensions, width = IndicatorExtensions, to_decimal(k)
        deviation = self._standard_deviation = self._own(StandardDeviation(period))
        line = LeastSquaresMovingAverage(name + "_LinearRegression", period)
        self.linear_regression = self._own(line)
        self.lower_channel = self._own(
            extensions.minus(line, extensions.times(deviation, width), name + "_LowerChannel")
        )
        self.upper_channel = self._own(
            extensions.plus(line, extensions.times(deviation, width), name + "_UpperChannel")
        )
        self.warm_up_period = period

    @property
    def intercept(self) -> Indicator:
        """Where the line begins."""
        return self.linear_regression.intercept

    @property
    def slope(self) -> Indicator:
        """How steep the line is, a value."""
        return self.linear_regression.slope

    def _compute(self, point: Any) -> Decimal:
        self._standard_deviation.update(point)
        self.linear_regression.update(point)
        return self.linear_regression.current.value_exact


class SqueezeMomentum(BarIndicator):
    """1 while Bollinger's bands lie within Keltner's channels, else -1."""

    is_ready = ready_with("bollinger_bands", "keltner_channels")

    @default_name(
        "SM({bollinger_period},{bollinger_multiplier},{keltner_period},{keltner_multiplier})"
    )
    def __init__(
        self,
        name: str,
        bollinger_period: int,
        bollinger_multiplier: Any,
        keltner_period: int,
        keltner_multiplier: Any,
    ) -> None:
        super().__init__(name)
        self.bollinger_bands = self._own(BollingerBands(bollinger_period, bollinger_multiplier))
        self.keltner_channels = self._own(
            KeltnerChannels(keltner_period, keltner_multiplier, MovingAverageType.EXPONENTIAL)
        )
        self.warm_up_period = max(bollinger_period, keltner_period)

    def _compute(self, point: Any) -> Decimal:
        self.bollinger_bands.update(point)
        self.keltner_channels.update(point)
        if not self.is_ready:
            return ZERO
        inner, outer = self.bollinger_bands, self.keltner_channels
        within = (
            outer.upper_band.current.value_exact > inner.upper_band.current.value_exact
            and outer.lower_band.current.value_exact < inner.lower_band.current.value_exact
        )
        return Decimal(1 if within else -1)


class ChandeKrollStop(BarIndicator):
    """Stops some true ranges from the extremes: ``long_stop`` and ``short_stop``."""

    @default_name("CKS({atr_period},{atr_mult},{period})")
    def __init__(
        self,
        name: str,
        atr_period: int,
        atr_mult: Any,
        period: int,
        moving_average_type: MovingAverageType = WILDERS,
    ) -> None:
        super().__init__(name)
        self._range = self._own(AverageTrueRange(atr_period, moving_average_type))
        self._factor = to_decimal(atr_mult)
        self._highest = self._own(Maximum(atr_period))
        self._lowest = self._own(Minimum(atr_period))
        self.long_stop = self._own(Minimum(name + "_Long", period))
        self.short_stop = self._own(Maximum(name + "_Short", period))
        self.warm_up_period = atr_period + period - 1

    @property
    def is_ready(self) -> bool:
        """True after both periods."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._range.update(point)
        self._highest.update(point.end_time, point.high_exact)
        self._lowest.update(point.end_time, point.low_exact)
        distance = self._range.current.value_exact * self._factor
        self.short_stop.update(point.end_time, self._highest.current.value_exact - distance)
        self.long_stop.update(point.end_time, self._lowest.current.value_exact + distance)
        return point.value_exact


class SuperTrend(BarIndicator):
    """A trailing band some true ranges from the bar's middle, on the side of the trend."""

    is_ready = ready_with("_range")

    @default_name("SuperTrend({period},{multiplier})")
    def __init__(
        self,
        name: str,
        period: int,
        multiplier: Any,
        moving_average_type: MovingAverageType = WILDERS,
    ) -> None:
        super().__init__(name)
        self._range = self._own(AverageTrueRange(period, moving_average_type))
        self._factor = to_decimal(multiplier)
        self.warm_up_period = period
        self.basic_upper_band_exact = self.basic_lower_band_exact = ZERO
        self._trend = ZERO
        self._restart()

    def _restart(self) -> None:
        self._upper = self._lower = self._close = ZERO
        self._before = Decimal(-1)

    @property
    def basic_upper_band(self) -> float:
        """The band above the newest bar."""
        return float(self.basic_upper_band_exact)

    @property
    def basic_lower_band(self) -> float:
        """The band below the newest bar."""
        return float(self.basic_lower_band_exact)

    @property
    def current_trailing_upper_band(self) -> float:
        """The band above, which only falls while prices stay below."""
        return float(self._upper)

    @property
    def current_trailing_lower_band(self) -> float:
        """The band below, which only rises while prices stay above."""
        return float(self._lower)

    def _compute(self, point: Any) -> Decimal:
        close = point.close_exact
        if not self._range.update(point):
            self._close = close
            return ZERO
        middle = (point.high_exact + point.low_exact) / 2
        distance = self._factor * self._range.current.value_exact
        low = self.basic_lower_band_exact = middle - distance
        high = self.basic_upper_band_exact = middle + distance
        lower = low if low > self._lower or self._close < self._lower else self._lower
        upper = high if high < self._upper or self._close > self._upper else self._upper
        if self._before in (-1, self._upper):
            self._trend = upper if close <= upper else lower
        elif self._before == self._lower:
            self._trend = lower if close >= lower else upper
        self._close, self._before = close, self._trend
        self._lower, self._upper = lower, upper
        return self._trend


class ParabolicStopAndReverseExtended(BarIndicator):
    """Wilder's stop, which speeds up while the trend makes new extremes; negative while short."""

    warm_up_period = 2

    @default_name(
        "SAREXT({sar_start},{offset_on_reverse},{af_start_short},{af_increment_short},"
        "{af_max_short},{af_start_long},{af_increment_long},{af_max_long})"
    )
    def __init__(
        self,
        name: str,
        sar_start: Any = Decimal("0.0"),
        offset_on_reverse: Any = Decimal("0.0"),
        af_start_short: Any = Decimal("0.02"),
        af_increment_short: Any = Decimal("0.02"),
        af_max_short: Any = Decimal("0.2"),
        af_start_long: Any = Decimal("0.02"),
        af_increment_long: Any = Decimal("0.02"),
        af_max_long: Any = Decimal("0.2"),
    ) -> None:
        super().__init__(name)
        self._begin, self._offset = to_decimal(sar_start), to_decimal(offset_on_reverse)
        short = (af_start_short, af_increment_short, af_max_short)
        long = (af_start_long, af_increment_long, af_max_long)
        self._short_pace = [to_decimal(number) for number in short]
        self._long_pace = [to_decimal(number) for number in long]
        self._is_long = True
        self._bar: Any = None
        self._stop = self._extreme = ZERO
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True from the second bar on."""
        return self.samples >= 2

    def _restart(self) -> None:
        self._short, self._long = self._short_pace[0], self._long_pace[0]

    def _compute(self, point: Any) -> Decimal:
        if self.samples == 1:
            self._bar = point
            return self._begin if self._begin else point.close_exact
        if self.samples == 2:
            self._take_side(point)
            self._bar = point
        value = self._go_long(point) if self._is_long else self._go_short(point)
        self._bar = point
        return value

    def _take_side(self, point: Any) -> None:
        before = self._bar
        if self._begin:
            self._is_long, self._stop = self._begin > 0, abs(self._begin)
        else:
            rise, fall = point.high_exact - before.high_exact, before.low_exact - point.low_exact
            self._is_long = not (fall > 0 and rise < fall)
            self._stop = before.low_exact if self._is_long else before.high_exact
        self._extreme = point.high_exact if self._is_long else point.low_exact

    def _above(self, stop: Decimal, point: Any) -> Decimal:
        return max(stop, self._bar.high_exact, point.high_exact)

    def _below(self, stop: Decimal, point: Any) -> Decimal:
        return min(stop, self._bar.low_exact, point.low_exact)

    def _go_long(self, point: Any) -> Decimal:
        if point.low_exact <= self._stop:
            self._is_long = False
            stop = self._above(self._extreme, point)
            stop += stop * self._offset
            self._short, self._extreme = self._short_pace[0], point.low_exact
            self._stop = self._above(stop + self._short * (self._extreme - stop), point)
            return -stop
        stop = self._stop
        if point.high_exact > self._extreme:
            self._extreme = point.high_exact
            self._long = min(self._long + self._long_pace[1], self._long_pace[2])
        self._stop = self._below(stop + self._long * (self._extreme - stop), point)
        return stop

    def _go_short(self, point: Any) -> Decimal:
        if point.high_exact >= self._stop:
            self._is_long = True
            stop = self._below(self._extreme, point)
            stop -= stop * self._offset
            self._long, self._extreme = self._long_pace[0], point.high_exact
            self._stop = self._below(stop + self._long * (self._extreme - stop), point)
            return stop
        stop = self._stop
        if point.low_exact < self._extreme:
            self._extreme = point.low_exact
            self._short = min(self._short + self._short_pace[1], self._short_pace[2])
        self._stop = self._above(stop + self._short * (self._extreme - stop), point)
        return -stop


class ParabolicStopAndReverse(ParabolicStopAndReverseExtended):
    """Wilder's stop, which speeds up while the trend makes new extremes."""

    @default_name("PSAR({af_start},{af_increment},{af_max})")
    def __init__(
        self,
        name: str,
        af_start: Any = Decimal("0.02"),
        af_increment: Any = Decimal("0.02"),
        af_max: Any = Decimal("0.2"),
    ) -> None:
        pace = (af_start, af_increment, af_max)
        super().__init__(name, ZERO, ZERO, *pace, *pace)

    def _compute(self, point: Any) -> Decimal:
        return abs(super()._compute(point))


class IchimokuKinkoHyo(BarIndicator):
    """Middles of recent ranges, now and some bars ago: the lines of Ichimoku's cloud."""

    is_ready = ready_with("tenkan", "kijun", "senkou_a", "senkou_b")

    @default_name(
        "ICHIMOKU({tenkan_period},{kijun_period},{senkou_a_period},{senkou_b_period},"
        "{senkou_a_delay_period},{senkou_b_delay_period})"
    )
    def __init__(
        self,
        name: str,
        tenkan_period: int = 9,
        kijun_period: int = 26,
        senkou_a_period: int = 26,
        senkou_b_period: int = 52,
        senkou_a_delay_period: int = 26,
        senkou_b_delay_period: int = 26,
    ) -> None:
        super().__init__(name)
        a_delay, b_delay = senkou_a_delay_period, senkou_b_delay_period
        self.warm_up_period = max(
            tenkan_period + a_delay, kijun_period + a_delay, senkou_b_period + b_delay
        )
        self.tenkan_maximum = self._own(Maximum(name + "_TenkanMax", tenkan_period))
        self.tenkan_minimum = self._own(Minimum(name + "_TenkanMin", tenkan_period))
        self.kijun_maximum = self._own(Maximum(name + "_KijunMax", kijun_period))
        self.kijun_minimum = self._own(Minimum(name + "_KijunMin", kijun_period))
        self.senkou_b_maximum = self._own(Maximum(name + "_SenkouBMaximum", senkou_b_period))
        self.senkou_b_minimum = self._own(Minimum(name + "_SenkouBMinimum", senkou_b_period))
        self.delayed_maximum_senkou_b = self._delayed(
            name + "DelayedMax", b_delay, self.senkou_b_maximum
        )
        self.delayed_minimum_senkou_b = self._delayed(
            name + "DelayedMin", b_delay, self.senkou_b_minimum
        )
        self.tenkan = self._middle(self.tenkan_maximum, self.tenkan_minimum)
        self.delayed_tenkan_senkou_a = self._delayed(name + "DelayedTenkan", a_delay, self.tenkan)
        self.kijun = self._middle(self.kijun_maximum, self.kijun_minimum)
        self.delayed_kijun_senkou_a = self._delayed(name + "DelayedKijun", a_delay, self.kijun)
        self.senkou_a = self._middle(self.delayed_tenkan_senkou_a, self.delayed_kijun_senkou_a)
        self.senkou_b = self._middle(self.delayed_maximum_senkou_b, self.delayed_minimum_senkou_b)
        self.chikou = self._own(Delay(name + "_Chikou", a_delay))

    def _middle(self, first: Any, second: Any) -> Any:
        extensions = IndicatorExtensions
        return self._own(extensions.over(extensions.plus(first, second), 2))

    def _delayed(self, name: str, period: int, source: Any) -> Any:
        return self._own(IndicatorExtensions.of(Delay(name, period), source))

    def _compute(self, point: Any) -> Decimal:
        time = point.end_time
        for top, bottom in (
            (self.tenkan_maximum, self.tenkan_minimum),
            (self.kijun_maximum, self.kijun_minimum),
            (self.senkou_b_maximum, self.senkou_b_minimum),
        ):
            top.update(time, point.high_exact)
            bottom.update(time, point.low_exact)
        self.chikou.update(time, point.close_exact)
        return point.close_exact
