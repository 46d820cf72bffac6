"""LEAN's helpers that make, name, register and warm up an indicator: `self.sma("SPY", 15)`.

Those of one symbol with plain arguments are in a table; the others follow one by one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from engine import indicators as lib
from engine.common.enums import MovingAverageType, Resolution
from engine.indicators.base import net_value
from engine.market.data import QuoteBar

SIMPLE, WILDERS = MovingAverageType.SIMPLE, MovingAverageType.WILDERS
EXPONENTIAL = MovingAverageType.EXPONENTIAL
_DAILY = Resolution.DAILY

# Class of the indicator, and the arguments after the symbol to its name: a function whose
# parameters are LEAN's, with LEAN's defaults, and which receives them as .NET writes them.
_HELPERS: dict[str, tuple[type, Callable[..., str]]] = {
    "abands": (
        lib.AccelerationBands,
        lambda period, width=4, moving_average_type=SIMPLE: f"ABANDS({period},{width})",
    ),
    "ad": (lib.AccumulationDistribution, lambda: "AD"),
    "adosc": (
        lib.AccumulationDistributionOscillator,
        lambda fast_period, slow_period: f"ADOSC({fast_period},{slow_period})",
    ),
    "adx": (lib.AverageDirectionalIndex, lambda period: f"ADX({period})"),
    "adxr": (lib.AverageDirectionalMovementIndexRating, lambda period: f"ADXR({period})"),
    "alma": (
        lib.ArnaudLegouxMovingAverage,
        lambda period, sigma=6, offset=Decimal("0.85"): f"ALMA({period},{sigma},{offset})",
    ),
    "ao": (
        lib.AwesomeOscillator,
        lambda fast_period, slow_period, type: f"AO({fast_period},{slow_period},{type})",
    ),
    "apo": (
        lib.AbsolutePriceOscillator,
        lambda fast_period, slow_period, moving_average_type: f"APO({fast_period},{slow_period})",
    ),
    "aps": (lib.AugenPriceSpike, lambda period=3: f"APS({period})"),
    "ar": (lib.AverageRange, lambda period: f"AR({period})"),
    "atr": (lib.AverageTrueRange, lambda period, type=SIMPLE: f"ATR({period})"),
    "bb": (lib.BollingerBands, lambda period, k, moving_average_type=SIMPLE: f"BB({period},{k})"),
    "bop": (lib.BalanceOfPower, lambda: "BOP"),
    "cc": (
        lib.CoppockCurve,
        lambda short_roc_period=11, long_roc_period=14, lwma_period=10: (
            f"CC({short_roc_period},{long_roc_period},{lwma_period})"
        ),
    ),
    "cci": (lib.CommodityChannelIndex, lambda period, moving_average_type=SIMPLE: f"CCI({period})"),
    "chop": (lib.ChoppinessIndex, lambda period: f"CHOP({period})"),
    "cks": (
        lib.ChandeKrollStop,
        lambda atr_period, atr_mult, period, moving_average_type=WILDERS: (
            f"CKS({atr_period},{atr_mult},{period})"
        ),
    ),
    "cmf": (lib.ChaikinMoneyFlow, lambda period: f"CMF({period})"),
    "cmo": (lib.ChandeMomentumOscillator, lambda period: f"CMO({period})"),
    "co": (
        lib.ChaikinOscillator,
        lambda fast_period, slow_period: f"CO({fast_period},{slow_period})",
    ),
    "crsi": (
        lib.ConnorsRelativeStrengthIndex,
        lambda rsi_period, rsi_period_streak, look_back_period: (
            f"CRSI({rsi_period},{rsi_period_streak},{look_back_period})"
        ),
    ),
    "dem": (lib.DeMarkerIndicator, lambda period, type: f"DEM({period},{type})"),
    "dema": (lib.DoubleExponentialMovingAverage, lambda period: f"DEMA({period})"),
    "do": (
        lib.DerivativeOscillator,
        lambda rsi_period, smoothing_rsi_period, double_smoothing_rsi_period, signal_line_period: (
            f"DO({rsi_period},{smoothing_rsi_period},{double_smoothing_rsi_period},"
            f"{signal_line_period})"
        ),
    ),
    "dpo": (lib.DetrendedPriceOscillator, lambda period: f"DPO({period})"),
    "emv": (lib.EaseOfMovementValue, lambda period=1, scale=10000: f"EMV({period}, {scale})"),
    "fi": (lib.ForceIndex, lambda period, type=EXPONENTIAL: f"FI({period})"),
    "fish": (lib.FisherTransform, lambda period: f"FISH({period})"),
    "frama": (
        lib.FractalAdaptiveMovingAverage,
        lambda period, long_period=198: f"FRAMA({period},{long_period})",
    ),
    "he": (lib.HurstExponent, lambda period, max_lag=20: f"HE({period},{max_lag})"),
    "heikin_ashi": (lib.HeikinAshi, lambda: "HA"),
    "hma": (lib.HullMovingAverage, lambda period: f"HMA({period})"),
    "ht": (
        lib.HilbertTransform,
        lambda length, in_phase_multiplication_factor, quadrature_multiplication_factor: (
            f"HT({length}, {in_phase_multiplication_factor}, {quadrature_multiplication_factor})"
        ),
    ),
    "ibs": (lib.InternalBarStrength, lambda: "IBS"),
    "ichimoku": (
        lib.IchimokuKinkoHyo,
        lambda tenkan_period, kijun_period, senkou_a_period, senkou_b_period, senkou_a_delay_period, senkou_b_delay_period: (  # noqa: E501
            f"ICHIMOKU({tenkan_period},{kijun_period},{senkou_a_period},{senkou_b_period},"
            f"{senkou_a_delay_period},{senkou_b_delay_period})"
        ),
    ),
    "kch": (
        lib.KeltnerChannels,
        lambda period, k, moving_average_type=SIMPLE: f"KCH({period},{k})",
    ),
    "ker": (lib.KaufmanEfficiencyRatio, lambda period=2: f"KER({period})"),
    "kst": (
        lib.KnowSureThing,
        lambda roc_1_period=10, roc_1_ma_period=10, roc_2_period=15, roc_2_ma_period=10, roc_3_period=20, roc_3_ma_period=10, roc_4_period=30, roc_4_ma_period=15, signal_period=9, moving_average_type=SIMPLE: (  # noqa: E501
            f"KST({roc_1_period},{roc_1_ma_period},{roc_2_period},{roc_2_ma_period},"
            f"{roc_3_period},{roc_3_ma_period},{roc_4_period},{roc_4_ma_period},{signal_period},"
            f"{moving_average_type})"
        ),
    ),
    "kvo": (
        lib.KlingerVolumeOscillator,
        lambda fast_period, slow_period, signal_period=13: (
            f"KVO({fast_period},{slow_period},{signal_period})"
        ),
    ),
    "logr": (lib.LogReturn, lambda period: f"LOGR({period})"),
    "lsma": (lib.LeastSquaresMovingAverage, lambda period: f"LSMA({period})"),
    "lwma": (lib.LinearWeightedMovingAverage, lambda period: f"LWMA({period})"),
    "macd": (
        lib.MovingAverageConvergenceDivergence,
        lambda fast_period, slow_period, signal_period, type=EXPONENTIAL: (
            f"MACD({fast_period},{slow_period},{signal_period})"
        ),
    ),
    "mad": (lib.MeanAbsoluteDeviation, lambda period: f"MAD({period})"),
    "mama": (
        lib.MesaAdaptiveMovingAverage,
        lambda fast_limit=Decimal("0.5"), slow_limit=Decimal("0.05"): (
            f"MAMA({fast_limit},{slow_limit})"
        ),
    ),
    "mass": (lib.MassIndex, lambda ema_period=9, sum_period=25: f"MASS({ema_period},{sum_period})"),
    "max": (lib.Maximum, lambda period: f"MAX({period})"),
    "mfi": (lib.MoneyFlowIndex, lambda period: f"MFI({period})"),
    "mgd": (lib.McGinleyDynamic, lambda period: f"MGD({period})"),
    "midpoint": (lib.MidPoint, lambda period: f"MIDPOINT({period})"),
    "midprice": (lib.MidPrice, lambda period: f"MIDPRICE({period})"),
    "min": (lib.Minimum, lambda period: f"MIN({period})"),
    "mom": (lib.Momentum, lambda period: f"MOM({period})"),
    "momersion": (
        lib.Momersion,
        lambda min_period, full_period: (
            f"MOMERSION({'' if min_period == 'None' else min_period},{full_period})"
        ),
    ),
    "momp": (lib.MomentumPercent, lambda period: f"MOMP({period})"),
    "natr": (lib.NormalizedAverageTrueRange, lambda period: f"NATR({period})"),
    "obv": (lib.OnBalanceVolume, lambda: "OBV"),
    "pphl": (
        lib.PivotPointsHighLow,
        lambda length_high, length_low, last_stored_values=100, strict=True: (
            f"PPHL({length_high},{length_low})"
        ),
    ),
    "ppo": (
        lib.PercentagePriceOscillator,
        lambda fast_period, slow_period, moving_average_type: f"PPO({fast_period},{slow_period})",
    ),
    "psar": (
        lib.ParabolicStopAndReverse,
        lambda af_start=Decimal("0.02"), af_increment=Decimal("0.02"), af_max=Decimal("0.2"): (
            f"PSAR({af_start},{af_increment},{af_max})"
        ),
    ),
    "pso": (
        lib.PremierStochasticOscillator,
        lambda period, ema_period: f"PSO({period},{ema_period})",
    ),
    "rc": (lib.RegressionChannel, lambda period, k: f"RC({period},{k})"),
    "rma": (lib.RelativeMovingAverage, lambda period: f"RMA({period})"),
    "roc": (lib.RateOfChange, lambda period: f"ROC({period})"),
    "rocp": (lib.RateOfChangePercent, lambda period: f"ROCP({period})"),
    "rocr": (lib.RateOfChangeRatio, lambda period: f"ROCR({period})"),
    "rsi": (
        lib.RelativeStrengthIndex,
        lambda period, moving_average_type=WILDERS: f"RSI({period},{moving_average_type})",
    ),
    "rsv": (lib.RogersSatchellVolatility, lambda period: f"RSV({period})"),
    "rvi": (
        lib.RelativeVigorIndex,
        lambda period, moving_average_type=SIMPLE: f"RVI({period},{moving_average_type})",
    ),
    "sarext": (
        lib.ParabolicStopAndReverseExtended,
        lambda sar_start=Decimal("0.0"), offset_on_reverse=Decimal("0.0"), af_start_short=Decimal("0.02"), af_increment_short=Decimal("0.02"), af_max_short=Decimal("0.2"), af_start_long=Decimal("0.02"), af_increment_long=Decimal("0.02"), af_max_long=Decimal("0.2"): (  # noqa: E501
            f"SAREXT({sar_start},{offset_on_reverse},{af_start_short},{af_increment_short},"
            f"{af_max_short},{af_start_long},{af_increment_long},{af_max_long})"
        ),
    ),
    "sm": (
        lib.SqueezeMomentum,
        lambda bollinger_period=20, bollinger_multiplier=2, keltner_period=20, keltner_multiplier=Decimal("1.5"): (  # noqa: E501
            f"SM({bollinger_period}, {bollinger_multiplier}, {keltner_period}, "
            f"{keltner_multiplier})"
        ),
    ),
    "sma": (lib.SimpleMovingAverage, lambda period: f"SMA({period})"),
    "sobv": (lib.SmoothedOnBalanceVolume, lambda period, type=SIMPLE: f"SOBV({period})"),
    "sortino": (
        lib.SortinoRatio,
        lambda sortino_period, minimum_acceptable_return=0.0: (
            f"SORTINO({sortino_period},{minimum_acceptable_return})"
        ),
    ),
    "srsi": (
        lib.StochasticRelativeStrengthIndex,
        lambda rsi_period, stoch_period, k_smoothing_period, d_smoothing_period, moving_average_type=SIMPLE: (  # noqa: E501
            f"SRSI({rsi_period},{stoch_period},{k_smoothing_period},{d_smoothing_period})"
        ),
    ),
    "stc": (
        lib.SchaffTrendCycle,
        lambda cycle_period, fast_period, slow_period, moving_average_type=EXPONENTIAL: (
            f"STC({cycle_period},{fast_period},{slow_period})"
        ),
    ),
    "std": (lib.StandardDeviation, lambda period: f"STD({period})"),
    "str": (
        lib.SuperTrend,
        lambda period, multiplier, moving_average_type=WILDERS: f"STR({period},{multiplier})",
    ),
    "sum": (lib.Sum, lambda period: f"SUM({period})"),
    "swiss": (lib.SwissArmyKnife, lambda period, delta, tool: f"SWISS({period},{delta},{tool})"),
    "t_3": (
        lib.T3MovingAverage,
        lambda period, volume_factor=Decimal("0.7"): f"T3({period},{volume_factor})",
    ),
    "tdd": (
        lib.TargetDownsideDeviation,
        lambda period, minimum_acceptable_return=0: f"TDD({period},{minimum_acceptable_return})",
    ),
    "tds": (lib.TomDemarkSequential, lambda: "TDS"),
    "tema": (lib.TripleExponentialMovingAverage, lambda period: f"TEMA({period})"),
    "tr": (lib.TrueRange, lambda: "TR"),
    "trima": (lib.TriangularMovingAverage, lambda period: f"TRIMA({period})"),
    "trix": (lib.Trix, lambda period: f"TRIX({period})"),
    "tsf": (lib.TimeSeriesForecast, lambda period: f"TSF({period})"),
    "tsi": (
        lib.TrueStrengthIndex,
        lambda long_term_period=25, short_term_period=13, signal_period=7, signal_type=EXPONENTIAL: (  # noqa: E501
            f"TSI({long_term_period},{short_term_period},{signal_period})"
        ),
    ),
    "ultosc": (
        lib.UltimateOscillator,
        lambda period_1, period_2, period_3: f"ULTOSC({period_1},{period_2},{period_3})",
    ),
    "v": (lib.Variance, lambda period: f"V({period})"),
    "vidya": (lib.VariableIndexDynamicAverage, lambda period: f"VIDYA({period})"),
    "vtx": (lib.Vortex, lambda period: f"VTX({period})"),
    "vwma": (lib.VolumeWeightedMovingAverage, lambda period: f"VWMA({period})"),
    "wilr": (lib.WilliamsPercentR, lambda period: f"WILR({period})"),
    "wto": (
        lib.WaveTrendOscillator,
        lambda channel_period, average_period, signal_period: (
            f"WTO({channel_period},{average_period},{signal_period})"
        ),
    ),
    "wwma": (lib.WilderMovingAverage, lambda period: f"WWMA({period})"),
    "zlema": (lib.ZeroLagExponentialMovingAverage, lambda period: f"ZLEMA({period})"),
    "zz": (
        lib.ZigZag,
        lambda sensitivity=Decimal("0.05"), min_trend_length=1: (
            f"ZZ({sensitivity},{min_trend_length})"
        ),
    ),
}
# The same, of helpers that take daily bars unless they are told otherwise.
_DAILY_HELPERS: dict[str, tuple[type, Callable[..., str]]] = {
    "asi": (lib.WilderAccumulativeSwingIndex, lambda limit_move: "ASI"),
    "rdv": (lib.RelativeDailyVolume, lambda period=2: f"RDV({period})"),
    "si": (lib.WilderSwingIndex, lambda limit_move: "SI"),
    "tp": (
        lib.TimeProfile,
        lambda period=2, value_area_volume_percentage=Decimal("0.70"), price_range_round_off=Decimal("0.05"): (  # noqa: E501
            f"TP({period},{value_area_volume_percentage},{price_range_round_off})"
        ),
    ),
    "vp": (
        lib.VolumeProfile,
        lambda period=2, value_area_volume_percentage=Decimal("0.70"), price_range_round_off=Decimal("0.05"): (  # noqa: E501
            f"VP({period},{value_area_volume_percentage},{price_range_round_off})"
        ),
    ),
}
# Extremes are those of highs and lows unless the user chooses another field.
_EXTREMES = {"max": lib.Field.HIGH, "min": lib.Field.LOW}


class IndicatorHelpersMixin:
    """The helpers. Their arguments end with `resolution` and `selector`."""

    def _qc_made(
        self: Any, symbol: Any, kind: Any, label: str, values: Any, resolution: Any, selector: Any
    ) -> Any:
        indicator = kind(self.create_indicator_name(symbol, label, resolution), *values)
        return self._qc_begin(indicator, [symbol], resolution, selector)

    def _qc_begin(self: Any, indicator: Any, symbols: Any, resolution: Any, selector: Any) -> Any:
        """Register and, if the settings say so, warm up."""
        keys = [getattr(symbol, "symbol", symbol) for symbol in symbols]
        for key in keys:
            # LEAN asks for quotes here only, not in `register_indicator`.
            chosen = resolution
            if lib.needs_quotes(selector):
                chosen = self.resolve_consolidator(key, resolution, QuoteBar)
            self.register_indicator(key, indicator, chosen, selector)
        if self.settings.automatic_indicator_warm_up:
            self.warm_up_indicator(keys, indicator, resolution, selector)
        return indicator

    def ema(
        self,
        symbol: Any,
        period: int,
        smoothing_factor: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Exponential moving average; LEAN's `(symbol, period, resolution, selector)` too."""
        smoothing_factor, resolution, selector = _in_place(smoothing_factor, resolution, selector)
        values = (period,) if smoothing_factor is None else (period, smoothing_factor)
        label = f"EMA({period})"
        return self._qc_made(
            symbol, lib.ExponentialMovingAverage, label, values, resolution, selector
        )

    def kama(
        self,
        symbol: Any,
        period: int,
        fast_ema_period: Any = None,
        slow_ema_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Kaufman's average; LEAN's `(symbol, period, resolution, selector)` too."""
        fast, slow, resolution, selector = _in_place(
            fast_ema_period, slow_ema_period, resolution, selector
        )
        fast = 2 if fast is None else fast
        slow = 30 if slow is None else slow
        label = f"KAMA({period},{fast},{slow})"
        kind = lib.KaufmanAdaptiveMovingAverage
        return self._qc_made(symbol, kind, label, (period, fast, slow), resolution, selector)

    def aroon(
        self,
        symbol: Any,
        up_period: Any = None,
        down_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
        period: int | None = None,
    ) -> Any:
        """Aroon oscillator; LEAN's `(symbol, period, resolution, selector)` too."""
        down, resolution, selector = _in_place(down_period, resolution, selector)
        up = period if up_period is None else up_period
        down = up if down is None else down
        label = f"AROON({up},{down})"
        return self._qc_made(symbol, lib.AroonOscillator, label, (up, down), resolution, selector)

    def dch(
        self,
        symbol: Any,
        upper_period: Any = None,
        lower_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
        period: int | None = None,
    ) -> Any:
        """Donchian channel; LEAN's `(symbol, period, resolution, selector)` too."""
        lower, resolution, selector = _in_place(lower_period, resolution, selector)
        upper = period if upper_period is None else upper_period
        lower = upper if lower is None else lower
        label = f"DCH({upper},{lower})"
        return self._qc_made(
            symbol, lib.DonchianChannel, label, (upper, lower), resolution, selector
        )

    def sto(
        self,
        symbol: Any,
        period: int,
        k_period: Any = None,
        d_period: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Stochastic oscillator; LEAN's `(symbol, period, resolution, selector)` too."""
        k, d, resolution, selector = _in_place(k_period, d_period, resolution, selector)
        k = period if k is None else k
        d = 3 if d is None else d
        label = f"STO({period},{k},{d})"
        return self._qc_made(symbol, lib.Stochastic, label, (period, k, d), resolution, selector)

    def var(
        self,
        symbol: Any,
        period: int,
        confidence_level: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Value at risk with a level of confidence, without one the variance."""
        if _is_resolution(confidence_level):
            confidence_level, resolution, selector = None, confidence_level, resolution or selector
        if confidence_level is None:
            return self._qc_made(
                symbol, lib.Variance, f"V({period})", (period,), resolution, selector
            )
        label = f"VAR({period},{net_value(confidence_level)})"
        values = (period, confidence_level)
        return self._qc_made(symbol, lib.ValueAtRisk, label, values, resolution, selector)

    def vwap(
        self: Any,
        symbol: Any,
        period: int | None = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Volume-weighted average price of a period; without one, of the day."""
        if period is None:
            indicator = lib.IntradayVwap(self.create_indicator_name(symbol, "VWAP", None))
            self.register_indicator(symbol, indicator)
            return indicator
        kind, label = lib.VolumeWeightedAveragePriceIndicator, f"VWAP({period})"
        return self._qc_made(symbol, kind, label, (period,), resolution, selector)

    def sr(
        self: Any,
        symbol: Any,
        sharpe_period: int,
        risk_free_rate: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Sharpe ratio; without a rate, with the algorithm's risk-free rates."""
        rate, label = self.risk_free_interest_rate_model, f"SR({sharpe_period})"
        if risk_free_rate is not None:
            rate, label = risk_free_rate, f"SR({sharpe_period},{net_value(risk_free_rate)})"
        values = (sharpe_period, rate)
        return self._qc_made(symbol, lib.SharpeRatio, label, values, resolution, selector)

    def identity(
        self: Any,
        symbol: Any,
        resolution: Any = None,
        selector: Any = None,
        field_name: str | None = None,
    ) -> Any:
        """The price itself as an indicator."""
        name = self._qc_identity_name(symbol, field_name, resolution, ",")
        return self._qc_begin(lib.Identity(name), [symbol], resolution, selector)

    def filtered_identity(
        self: Any,
        symbol: Any,
        *arguments: Any,
        resolution: Any = None,
        selector: Any = None,
        filter: Callable[[Any], bool] | None = None,
        field_name: str | None = None,
    ) -> Any:
        """The price itself where a filter lets it pass, the last such one elsewhere.

        `(symbol[, resolution], selector, filter, field_name)`
        """
        given = list(arguments)
        if given and _is_resolution(given[0]):
            resolution = given.pop(0)
        given += (selector, filter, field_name)[len(given) :]
        selector, filter, field_name = given[0], given[1], given[2]
        name = self._qc_identity_name(symbol, field_name, resolution, "_")
        indicator = lib.FilteredIdentity(name, filter)
        self.register_indicator(symbol, indicator, resolution, selector)
        return indicator

    def _qc_identity_name(
        self: Any, symbol: Any, field_name: str | None, resolution: Any, mark: str
    ) -> str:
        label = field_name or "close"
        if isinstance(resolution, timedelta):
            return f"{getattr(symbol, 'symbol', symbol)}({label}{mark}{resolution})"
        name: str = self.create_indicator_name(symbol, label, resolution)
        return name

    # Of two symbols -------------------------------------------------------------------------

    def a(
        self: Any,
        target: Any,
        reference: Any,
        alpha_period: int = 1,
        beta_period: int = 252,
        resolution: Any = None,
        risk_free_rate: Any = None,
        selector: Any = None,
    ) -> Any:
        """Alpha; without a rate, with the algorithm's risk-free rates."""
        rate, label = self.risk_free_interest_rate_model, f"A({alpha_period},{beta_period})"
        if risk_free_rate is not None:
            rate = risk_free_rate
            label = f"A({alpha_period},{beta_period},{net_value(risk_free_rate)})"
        name = self.create_indicator_name(target, label, resolution)
        target, reference = self._qc_pair(target, reference)
        alpha = lib.Alpha(name, target, reference, alpha_period, beta_period, risk_free_rate=rate)
        return self._qc_begin(alpha, [target, reference], resolution, selector)

    def b(
        self: Any,
        target: Any,
        reference: Any,
        period: int,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Beta of a target to a reference."""
        return self._qc_paired(lib.Beta, "B", target, reference, (period,), resolution, selector)

    def c(
        self: Any,
        target: Any,
        reference: Any,
        period: int,
        correlation_type: lib.CorrelationType = lib.CorrelationType.PEARSON,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Correlation of two symbols."""
        values = (period, correlation_type)
        return self._qc_paired(
            lib.Correlation, "C", target, reference, values, resolution, selector
        )

    def cov(
        self: Any,
        target: Any,
        reference: Any,
        period: int,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Covariance of two symbols' returns."""
        return self._qc_paired(
            lib.Covariance, "COV", target, reference, (period,), resolution, selector
        )

    def _qc_pair(self: Any, *symbols: Any) -> list[Any]:
        return [self._qc_config(symbol).symbol for symbol in symbols]

    def _qc_paired(
        self: Any,
        kind: Any,
        label: str,
        target: Any,
        reference: Any,
        values: Any,
        resolution: Any,
        selector: Any,
    ) -> Any:
        name = self.create_indicator_name(None, f"{label}({values[0]})", resolution)
        pair = self._qc_pair(target, reference)
        return self._qc_begin(kind(name, *pair, *values), pair, resolution, selector)

    # Of many symbols ------------------------------------------------------------------------

    def trin(self: Any, symbols: Any, resolution: Any = None, selector: Any = None) -> Any:
        """Arms index."""
        return self._qc_counted(lib.ArmsIndex, "TRIN", symbols, (), resolution, selector)

    def adr(self: Any, symbols: Any, resolution: Any = None, selector: Any = None) -> Any:
        """Ratio of rising to falling symbols."""
        kind = lib.AdvanceDeclineRatio
        return self._qc_counted(kind, "A/D Ratio", symbols, (), resolution, selector)

    def advr(self: Any, symbols: Any, resolution: Any = None, selector: Any = None) -> Any:
        """Ratio of their volumes."""
        kind = lib.AdvanceDeclineVolumeRatio
        return self._qc_counted(kind, "A/D Volume Rate", symbols, (), resolution, selector)

    def addiff(self: Any, symbols: Any, resolution: Any = None, selector: Any = None) -> Any:
        """Difference of rising and falling symbols."""
        kind = lib.AdvanceDeclineDifference
        return self._qc_counted(kind, "A/D Difference", symbols, (), resolution, selector)

    def mosc(
        self: Any,
        symbols: Any,
        fast_period: int = 19,
        slow_period: int = 39,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """McClellan's oscillator."""
        values, label = (fast_period, slow_period), f"MO({fast_period},{slow_period})"
        kind = lib.McClellanOscillator
        return self._qc_counted(kind, label, symbols, values, resolution, selector)

    def msi(
        self: Any,
        symbols: Any,
        fast_period: int = 19,
        slow_period: int = 39,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """McClellan's summation index."""
        values, label = (fast_period, slow_period), f"MSI({fast_period},{slow_period})"
        kind = lib.McClellanSummationIndex
        return self._qc_counted(kind, label, symbols, values, resolution, selector)

    def nhnl(
        self: Any, symbols: Any, period: int, resolution: Any = None, selector: Any = None
    ) -> Any:
        """New highs less new lows."""
        label = f"NH/NL({period})"
        return self._qc_counted(
            lib.NewHighsNewLows, label, symbols, (period,), resolution, selector
        )

    def arima(
        self: Any,
        symbol: Any,
        ar_order: int,
        diff_order: int,
        ma_order: int,
        period: int,
        intercept: Any = True,
        resolution: Any = None,
        selector: Any = None,
    ) -> Any:
        """Forecast of the next value: autoregression of differences, and of errors.

        LEAN has a call without the intercept, in which the resolution stands in its place.
        """
        if not isinstance(intercept, bool):
            intercept, resolution, selector = True, intercept, selector or resolution
        values = (ar_order, diff_order, ma_order, period)
        label = f"ARIMA({','.join(map(str, values))})"
        kind = lib.AutoRegressiveIntegratedMovingAverage
        return self._qc_made(symbol, kind, label, (*values, intercept), resolution, selector)

    def nhnlv(
        self: Any, symbols: Any, period: int, resolution: Any = None, selector: Any = None
    ) -> Any:
        """Volume of new highs over that of new lows."""
        label = f"NH/NL Volume({period})"
        kind = lib.NewHighsNewLowsVolume
        return self._qc_counted(kind, label, symbols, (period,), resolution, selector)

    def _qc_counted(
        self: Any,
        kind: Any,
        label: str,
        symbols: Any,
        values: Any,
        resolution: Any,
        selector: Any,
    ) -> Any:
        keys = self._qc_pair(*symbols)
        shown = self._qc_config(keys[0]).resolution if resolution is None else resolution
        indicator = kind(self.create_indicator_name(None, label, shown), *values)
        for key in keys:
            indicator.add(key)
        return self._qc_begin(indicator, keys, resolution, selector)


def _is_resolution(value: Any) -> bool:
    return isinstance(value, Resolution | timedelta)


def _in_place(*arguments: Any) -> list[Any]:
    """Optional arguments, resolution and selector, each where it belongs.

    LEAN has a call without the optional ones, in which resolution and selector stand first.
    """
    first, second = arguments[:2]
    if _is_resolution(first) or callable(second):
        return [None] * (len(arguments) - 2) + [first, second or arguments[-1]]
    return list(arguments)


def _helper(name: str, kind: Any, label: Callable[..., str], usual: Any) -> Callable[..., Any]:
    """One helper, with the parameters of its name's function between symbol and resolution."""
    parameter, either = inspect.Parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = list(inspect.signature(label).parameters.values())
    signature = inspect.Signature(
        [
            parameter("self", either),
            parameter("symbol", either),
            *own,
            # After a parameter with a default, Python wants one as well.
            parameter("resolution", either, default=usual),
            parameter("selector", either, default=None),
        ]
    )
    averages = {item.name for item in own if isinstance(item.default, MovingAverageType)}
    averages |= {item.name for item in own if item.name == "moving_average_type"}

    def helper(*args: Any, **keywords: Any) -> Any:
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError as problem:
            raise TypeError(f"{name}{signature}: {problem}") from None
        bound.apply_defaults()
        algorithm, symbol, *values, resolution, selector = bound.arguments.values()
        for item, value in zip(own, values, strict=True):
            if item.name in averages and not isinstance(value, MovingAverageType):
                raise TypeError(
                    f"{name}: {item.name} must be a MovingAverageType; received {value!r}"
                )
        text = label(*(net_value(value) for value in values))
        chosen = selector or _EXTREMES.get(name)
        return algorithm._qc_made(symbol, kind, text, values, resolution, chosen)

    helper.__name__ = name
    helper.__doc__ = f"Make, register and return a {kind.__name__}."
    helper.__signature__ = signature  # type: ignore[attr-defined]
    return helper


for _name, (_kind, _label) in _HELPERS.items():
    setattr(IndicatorHelpersMixin, _name, _helper(_name, _kind, _label, None))
for _name, (_kind, _label) in _DAILY_HELPERS.items():
    setattr(IndicatorHelpersMixin, _name, _helper(_name, _kind, _label, _DAILY))
