"""The indicators part of QCAlgorithm: helpers that create, register and warm up indicators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine import indicators as lib
from engine.common.decimals import to_decimal
from engine.common.enums import MovingAverageType, Resolution
from engine.feed.consolidators import IdentityDataConsolidator, listen
from engine.market.data import RESOLUTION_SPAN, TradeBar

_SUFFIX = {
    Resolution.TICK: "_tick",
    Resolution.SECOND: "_sec",
    Resolution.MINUTE: "_min",
    Resolution.HOUR: "_hr",
    Resolution.DAILY: "_day",
}

# LEAN's helper name: the class, its label, how many numbers it takes, and their defaults.
_SIMPLE: dict[str, tuple[Any, str, int, tuple[Any, ...]]] = {
    "sma": (lib.SimpleMovingAverage, "SMA", 1, ()),
    "wwma": (lib.WilderMovingAverage, "WWMA", 1, ()),
    "lwma": (lib.LinearWeightedMovingAverage, "LWMA", 1, ()),
    "dema": (lib.DoubleExponentialMovingAverage, "DEMA", 1, ()),
    "tema": (lib.TripleExponentialMovingAverage, "TEMA", 1, ()),
    "hma": (lib.HullMovingAverage, "HMA", 1, ()),
    "mom": (lib.Momentum, "MOM", 1, ()),
    "momp": (lib.MomentumPercent, "MOMP", 1, ()),
    "roc": (lib.RateOfChange, "ROC", 1, ()),
    "rocp": (lib.RateOfChangePercent, "ROCP", 1, ()),
    "rocr": (lib.RateOfChangeRatio, "ROCR", 1, ()),
    "std": (lib.StandardDeviation, "STD", 1, ()),
    "var": (lib.Variance, "VAR", 1, ()),
    "v": (lib.Variance, "V", 1, ()),
    "sum": (lib.Sum, "SUM", 1, ()),
    "mad": (lib.MeanAbsoluteDeviation, "MAD", 1, ()),
    "logr": (lib.LogReturn, "LOGR", 1, ()),
    "max": (lib.Maximum, "MAX", 1, ()),
    "min": (lib.Minimum, "MIN", 1, ()),
    "adx": (lib.AverageDirectionalIndex, "ADX", 1, ()),
    "wilr": (lib.WilliamsPercentR, "WILR", 1, ()),
    "mfi": (lib.MoneyFlowIndex, "MFI", 1, ()),
    "vwap": (lib.VolumeWeightedAveragePriceIndicator, "VWAP", 1, ()),
    "rsi": (lib.RelativeStrengthIndex, "RSI", 1, (MovingAverageType.WILDERS,)),
    "atr": (lib.AverageTrueRange, "ATR", 1, (MovingAverageType.SIMPLE,)),
    "natr": (lib.NormalizedAverageTrueRange, "NATR", 1, ()),
    "cci": (lib.CommodityChannelIndex, "CCI", 1, (MovingAverageType.SIMPLE,)),
    "bb": (lib.BollingerBands, "BB", 2, (MovingAverageType.SIMPLE,)),
    "macd": (
        lib.MovingAverageConvergenceDivergence,
        "MACD",
        3,
        (MovingAverageType.EXPONENTIAL,),
    ),
    "kama": (lib.KaufmanAdaptiveMovingAverage, "KAMA", 1, (2, 30)),
    "tr": (lib.TrueRange, "TR", 0, ()),
    "obv": (lib.OnBalanceVolume, "OBV", 0, ()),
}

_EXTREMES = {"max": lib.Field.HIGH, "min": lib.Field.LOW}


class IndicatorsMixin:
    """Indicators of an algorithm."""

    def create_indicator_name(self: Any, symbol: Any, kind: str, resolution: Any) -> str:
        """Name such as `EMA(15,SPY_day)`."""
        suffix = ""
        if resolution is None:
            try:
                resolution = self._config(symbol).resolution
            except ValueError:
                resolution = None
        if isinstance(resolution, Resolution):
            suffix = _SUFFIX[resolution]
        label = str(getattr(symbol, "symbol", symbol))
        if kind.endswith(")"):
            return f"{kind[:-1]},{label}{suffix})"
        return f"{kind}({label}{suffix})"

    def register_indicator(
        self: Any, symbol: Any, indicator: Any, resolution: Any = None, selector: Any = None
    ) -> None:
        """Update an indicator from a symbol's data.

        Args:
            symbol: whose data.
            indicator: the indicator, or any object with `update`.
            resolution: a Resolution, a timedelta, a consolidator, or None for the data as it is.
            selector: gives the value from a bar; the bar's value by default.
        """
        indicator = lib.as_indicator(indicator)
        consolidator = resolution
        if resolution is None or isinstance(resolution, Resolution | timedelta):
            kind = TradeBar if isinstance(indicator, lib.TradeBarIndicator) else None
            consolidator = self.resolve_consolidator(symbol, resolution, kind)
        indicator.consolidators.add(consolidator)
        self.subscription_manager.add_consolidator(symbol, consolidator)
        listen(consolidator, self._feeder(indicator, selector))

    @staticmethod
    def _feeder(indicator: Any, selector: Any) -> Any:
        takes_bars = getattr(indicator, "takes_bars", False) or isinstance(
            indicator, lib.PythonIndicator | lib.PythonIndicatorAdapter
        )

        def feed(_: Any, bar: Any) -> None:
            if takes_bars:
                indicator.update(bar if selector is None else selector(bar))
                return
            value = bar.value_exact if selector is None else to_decimal(selector(bar))
            indicator.update(lib.IndicatorDataPoint(bar.symbol, bar.end_time, value))

        return feed

    def deregister_indicator(self: Any, indicator: Any) -> None:
        """Stop updating an indicator."""
        for consolidator in list(indicator.consolidators):
            self.subscription_manager.remove_consolidator(None, consolidator)
        indicator.consolidators.clear()

    unregister_indicator = deregister_indicator

    def warm_up_indicator(
        self: Any, symbol: Any, indicator: Any, resolution: Any = None, selector: Any = None
    ) -> None:
        """Feed an indicator the history it needs to be ready."""
        indicator = lib.as_indicator(indicator)
        periods = int(getattr(indicator, "warm_up_period", 0))
        if not periods:
            return
        wanted = resolution if resolution is not None else self._config(symbol).resolution
        feed = self._feeder(indicator, selector)
        same = [r for r, span in RESOLUTION_SPAN.items() if span == wanted]
        wanted = same[0] if same else wanted
        if isinstance(wanted, timedelta):
            spans = (Resolution.DAILY, Resolution.HOUR, Resolution.MINUTE)
            base = next(r for r in spans if RESOLUTION_SPAN[r] <= wanted)
            consolidator = self.create_consolidator(wanted)
            listen(consolidator, feed)
            needed = periods * int(wanted / RESOLUTION_SPAN[base])
            for bar in self.history_bars(symbol, needed, base):
                consolidator.update(bar)
            return
        identity = IdentityDataConsolidator()
        listen(identity, feed)
        for bar in self.history_bars(symbol, periods, wanted):
            identity.update(bar)

    def _helper(self: Any, symbol: Any, indicator: Any, resolution: Any, selector: Any) -> Any:
        key = getattr(symbol, "symbol", symbol)
        self.register_indicator(key, indicator, resolution, selector)
        if self.settings.automatic_indicator_warm_up:
            self.warm_up_indicator(key, indicator, resolution, selector)
        return indicator

    def ema(
        self: Any,
        symbol: Any,
        period: int,
        *rest: Any,
        smoothing_factor: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Exponential moving average: (symbol, period[, factor], resolution, selector)."""
        values = list(rest)
        if values and isinstance(values[0], float):
            smoothing_factor = values.pop(0)
        resolution = values.pop(0) if values else resolution
        selector = values.pop(0) if values else selector
        name = self.create_indicator_name(symbol, f"EMA({period})", resolution)
        arguments = (name, period) if smoothing_factor is None else (name, period, smoothing_factor)
        average = lib.ExponentialMovingAverage(*arguments)
        return self._helper(symbol, average, resolution, selector)

    def identity(
        self: Any,
        symbol: Any,
        resolution: Any = None,
        selector: Any = None,
        field_name: str | None = None,
    ) -> Any:
        """The price itself as an indicator."""
        name = self.create_indicator_name(symbol, field_name or "close", resolution)
        return self._helper(symbol, lib.Identity(name), resolution, selector)

    def aroon(
        self: Any,
        symbol: Any,
        up_period: int,
        down_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Aroon oscillator."""
        if isinstance(down_period, Resolution) or down_period is None:
            resolution = down_period if down_period is not None else resolution
            down_period = up_period
        name = self.create_indicator_name(symbol, f"AROON({up_period},{down_period})", resolution)
        aroon = lib.AroonOscillator(name, up_period, down_period)
        return self._helper(symbol, aroon, resolution, selector)

    def sto(
        self: Any,
        symbol: Any,
        period: int,
        k_period: Any = None,
        d_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Stochastic oscillator."""
        if isinstance(k_period, Resolution) or k_period is None:
            resolution = k_period if k_period is not None else resolution
            k_period, d_period = period, 3
        label = f"STO({period},{k_period},{d_period})"
        name = self.create_indicator_name(symbol, label, resolution)
        stochastic = lib.Stochastic(name, period, k_period, d_period)
        return self._helper(symbol, stochastic, resolution, selector)

    def dch(
        self: Any,
        symbol: Any,
        upper_period: int,
        lower_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Donchian channel."""
        if isinstance(lower_period, Resolution) or lower_period is None:
            resolution = lower_period if lower_period is not None else resolution
            lower_period = upper_period
        name = self.create_indicator_name(symbol, f"DCH({upper_period},{lower_period})", resolution)
        channel = lib.DonchianChannel(name, upper_period, lower_period)
        return self._helper(symbol, channel, resolution, selector)


def _make(name: str) -> Any:
    kind, label, numbers, defaults = _SIMPLE[name]

    def helper(
        self: Any,
        symbol: Any,
        *arguments: Any,
        resolution: Any = None,
        selector: Any = None,
        **named: Any,
    ) -> Any:
        values = list(arguments)
        settings = values[:numbers]
        del values[:numbers]
        extra = list(defaults)
        for index in range(len(extra)):
            if values and type(values[0]) is type(extra[index]):
                extra[index] = values.pop(0)
        for key, value in named.items():
            if key in ("moving_average_type", "type"):
                extra[0] = value
            else:
                settings.append(value)
        if len(settings) != numbers:
            raise ValueError(
                f"{name} takes {numbers} number(s) after the symbol; received {settings}"
            )
        resolution = values.pop(0) if values else resolution
        selector = values.pop(0) if values else selector
        # Extremes are those of highs and lows unless the user chooses another field.
        selector = selector or _EXTREMES.get(name)
        text = ",".join(str(value) for value in settings)
        full = self.create_indicator_name(symbol, f"{label}({text})" if text else label, resolution)
        return self._helper(symbol, kind(full, *settings, *extra), resolution, selector)

    helper.__name__ = name
    helper.__doc__ = f"Create, register and return a {kind.__name__}."
    return helper


for _name in _SIMPLE:
    setattr(IndicatorsMixin, _name, _make(_name))
