"""Holds the engine's indicators beside the reference files of LEAN's own tests.

    python -m research.benchmarks.indicator_conformance --lean FOLDER

FOLDER is a copy of LEAN's sources; its Tests/TestData has the files. One line per figure: `agrees`,
or the largest distance and where it is, or why it could not be told. Tolerances are those of LEAN's
tests. Then the indicators that LEAN has and the engine refuses.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from engine import indicators as lib
from engine.common import enums
from engine.common.decimals import net_arithmetic
from engine.common.enums import MovingAverageType
from engine.common.lean_names import lean_classes
from engine.indicators import candlesticks
from engine.indicators.candlesticks import CandlestickPattern
from engine.market.data import TradeBar
from research.conditions import conditions, option_parser

TOLERANCE = 1e-3


class Case(NamedTuple):
    """A figure to compare.

    Attributes:
        make: makes the indicator.
        file: of LEAN's Tests/TestData.
        column: the figure in it.
        part: attribute of the indicator that has the figure; the indicator itself if empty.
        tolerance: largest distance that agrees.
        scale: what the engine's figure is multiplied by.
    """

    make: Callable[[], Any]
    file: str
    column: str
    part: str = ""
    tolerance: float = TOLERANCE
    scale: float = 1.0


_BB, _DCH, _MACD = "spy_bollinger_bands.txt", "spy_with_don50.txt", "spy_with_macd.txt"
_CLOUD, _KST, _TSI = "spy_with_ichimoku.csv", "spy_with_kst.csv", "spy_tsi.csv"
_KELTNER, _BANDS = "spy_with_keltner.csv", "spy_acceleration_bands_20_4.txt"
_TREND = "spy_with_adx.txt"


def _ichimoku() -> Any:
    return lib.IchimokuKinkoHyo()


def _kst() -> Any:
    return lib.KnowSureThing(5, 5, 10, 5, 15, 5, 25, 10, 9, MovingAverageType.SIMPLE)


def _bands() -> Any:
    return lib.BollingerBands(20, 2.0)


CASES = (
    Case(lambda: lib.AbsolutePriceOscillator(5, 10), "spy_apo.txt", "APO_5_10"),
    Case(lambda: lib.AccelerationBands(20, 4), _BANDS, "MiddleBand"),
    Case(lambda: lib.AccelerationBands(20, 4), _BANDS, "UpperBand", "upper_band"),
    Case(lambda: lib.AccelerationBands(20, 4), _BANDS, "LowerBand", "lower_band"),
    Case(lambda: lib.AccumulationDistribution("AD"), "spy_ad.txt", "AD"),
    Case(lambda: lib.AccumulationDistributionOscillator(3, 10), "spy_ad_osc.txt", "AdOsc_3_10"),
    Case(lambda: lib.ArnaudLegouxMovingAverage(9, 6), "spy_alma.txt", "ALMA"),
    Case(lambda: lib.AroonOscillator(14, 14), "spy_aroon_oscillator.txt", "Aroon Oscillator 14"),
    Case(lambda: lib.AugenPriceSpike(20), "spy_aps.txt", "APS", "", 1.0),
    Case(lambda: lib.AverageDirectionalIndex(14), _TREND, "ADX 14", "", 1.0),
    Case(lambda: lib.AverageDirectionalMovementIndexRating(14), _TREND, "ADXR 14", "", 1.0),
    Case(lambda: lib.AverageRange(20), "spy_adr.csv", "adr"),
    Case(lambda: lib.AverageTrueRange(14), "spy_atr_wilder.txt", "Average True Range 14"),
    Case(lambda: lib.AverageTrueRange(14, MovingAverageType.SIMPLE), "spy_atr.txt",
         "Average True Range 14"),
    Case(lambda: lib.AwesomeOscillator(5, 34), "spy_ao.txt", "AO"),
    Case(lambda: lib.BalanceOfPower(), "spy_bop.txt", "BOP"),
    Case(_bands, _BB, "Bollinger Bands® 20 2 Bottom", "lower_band"),
    Case(_bands, _BB, "Bollinger Bands® 20 2 Top", "upper_band"),
    Case(_bands, _BB, "Moving Average 20", "middle_band"),
    Case(_bands, _BB, "%B", "percent_b"),
    Case(_bands, _BB, "BandWidth", "band_width"),
    Case(lambda: lib.ChaikinMoneyFlow("CMF", 20), "spy_cmf.txt", "CMF_20"),
    Case(lambda: lib.ChaikinOscillator(3, 10), "spy_ad_osc.txt", "AdOsc_3_10"),
    Case(lambda: lib.ChandeKrollStop(5, 2.0, 3), "spy_with_ChandeKrollStop.csv", "short_stop",
         "short_stop", 1e-6),
    Case(lambda: lib.ChandeKrollStop(5, 2.0, 3), "spy_with_ChandeKrollStop.csv", "long_stop",
         "long_stop", 1e-6),
    Case(lambda: lib.ChandeMomentumOscillator(5), "spy_cmo.txt", "CMO_5"),
    Case(lambda: lib.ChoppinessIndex(14), "spy_with_chop.csv", "CHOP14"),
    Case(lambda: lib.CommodityChannelIndex(14), "spy_with_cci.txt",
         "Commodity Channel Index (CCI) 14", "", 1e-2),
    Case(lambda: lib.ConnorsRelativeStrengthIndex(3, 2, 100), "spy_crsi.csv", "crsi"),
    Case(lambda: lib.CoppockCurve(), "spy_coppock_curve.csv", "CoppockCurve"),
    Case(lambda: lib.DeMarkerIndicator("DEM", 14), "eurusd60_dem.txt", "dem"),
    Case(lambda: lib.DerivativeOscillator("D014", 14, 5, 3, 9), "spy_do.csv", "DO"),
    Case(lambda: lib.DetrendedPriceOscillator(21), "spy_dpo.csv", "DPO"),
    Case(lambda: lib.DonchianChannel(50), _DCH, "Donchian Channels 50 Mean"),
    Case(lambda: lib.DonchianChannel(50), _DCH, "Donchian Channels 50 Top", "upper_band"),
    Case(lambda: lib.DonchianChannel(50), _DCH, "Donchian Channels 50 Bottom", "lower_band"),
    Case(lambda: lib.DoubleExponentialMovingAverage(5), "spy_dema.txt", "DEMA_5"),
    Case(lambda: lib.EaseOfMovementValue(), "spy_emv.txt", "EMV", "", 1.0),
    Case(lambda: lib.ExponentialMovingAverage(14), "spy_ema.csv", "EMA14"),
    Case(lambda: lib.FisherTransform(10), "spy_with_fisher.txt", "Fisher Transform 10"),
    Case(lambda: lib.ForceIndex(20), "spy_with_ForceIndex.csv", "ForceIndex20"),
    Case(lambda: lib.FractalAdaptiveMovingAverage(16), "frama.txt", "Filt", "", 0.006),
    Case(lambda: lib.HeikinAshi(), "spy_heikin_ashi.txt", "HA_Open", "open"),
    Case(lambda: lib.HeikinAshi(), "spy_heikin_ashi.txt", "HA_High", "high"),
    Case(lambda: lib.HeikinAshi(), "spy_heikin_ashi.txt", "HA_Low", "low"),
    Case(lambda: lib.HeikinAshi(), "spy_heikin_ashi.txt", "HA_Close", "close"),
    Case(lambda: lib.HilbertTransform(), "spy_with_hilbert.csv", "InPhase", "in_phase"),
    Case(lambda: lib.HilbertTransform(), "spy_with_hilbert.csv", "Quadrature", "quadrature"),
    Case(lambda: lib.HullMovingAverage(16), "spy_hma.txt", "HMA_16"),
    Case(lambda: lib.HurstExponent("HE", 252, 20), "spy_hurst_exponent.csv", "hurst_exponent"),
    Case(_ichimoku, _CLOUD, "Tenkan", "tenkan"),
    Case(_ichimoku, _CLOUD, "Kijun", "kijun"),
    Case(_ichimoku, _CLOUD, "Senkou A", "senkou_a"),
    Case(_ichimoku, _CLOUD, "Senkou B", "senkou_b"),
    Case(lambda: lib.InternalBarStrength("IBS"), "spy_with_ibs.csv", "IBS"),
    Case(lambda: lib.KaufmanAdaptiveMovingAverage(5), "spy_kama.txt", "KAMA_5"),
    Case(lambda: lib.KaufmanEfficiencyRatio(10), "spy_ker.txt", "KER"),
    Case(lambda: lib.KeltnerChannels(20, 1.5), _KELTNER, "Middle Band", "middle_band"),
    Case(lambda: lib.KeltnerChannels(20, 1.5), _KELTNER, "Keltner Channels 20 Top",
         "upper_band"),
    Case(lambda: lib.KeltnerChannels(20, 1.5), _KELTNER, "Keltner Channels 20 Bottom",
         "lower_band"),
    Case(lambda: lib.KlingerVolumeOscillator(5, 10), "spy_with_kvo.csv", "KVO5_10"),
    Case(_kst, _KST, "kst"),
    Case(_kst, _KST, "signal", "signal_line"),
    Case(lambda: lib.LinearWeightedMovingAverage(6), "spx_lwma.csv", "LWMA"),
    Case(lambda: lib.LogReturn(14), "spy_logr14.txt", "LOGR14"),
    Case(lambda: lib.MassIndex(), "spy_mass_index_25.txt", "MassIndex"),
    Case(lambda: lib.Maximum(5), "spy_max.txt", "MAX_5"),
    Case(lambda: lib.McGinleyDynamic(14), "spy_with_McGinleyDynamic.csv", "McGinleyDynamic14"),
    Case(lambda: lib.MesaAdaptiveMovingAverage("MAMA"), "spy_mama.csv", "mama"),
    Case(lambda: lib.MesaAdaptiveMovingAverage("MAMA"), "spy_mama.csv", "fama", "fama"),
    Case(lambda: lib.MidPoint(5), "spy_midpoint.txt", "MIDPOINT_5"),
    Case(lambda: lib.MidPrice(5), "spy_midprice.txt", "MIDPRICE_5"),
    Case(lambda: lib.Minimum(5), "spy_min.txt", "MIN_5"),
    Case(lambda: lib.MomentumPercent(50), "spy_with_rocp50.txt", "Rate of Change % 50"),
    Case(lambda: lib.MoneyFlowIndex(20), "spy_mfi.txt", "Money Flow Index 20"),
    Case(lambda: lib.MovingAverageConvergenceDivergence(12, 26, 9), _MACD, "MACD"),
    Case(lambda: lib.MovingAverageConvergenceDivergence(12, 26, 9), _MACD, "Signal", "signal"),
    Case(lambda: lib.MovingAverageConvergenceDivergence(12, 26, 9), _MACD, "Histogram",
         "histogram"),
    Case(lambda: lib.NormalizedAverageTrueRange(5), "spy_natr.txt", "NATR_5"),
    # The file has three digits of a number of nine.
    Case(lambda: lib.OnBalanceVolume(), "spy_with_obv.txt", "OBV", "", 1e7),
    Case(lambda: lib.ParabolicStopAndReverse(), "spy_sarext.txt", "SAR"),
    Case(lambda: lib.ParabolicStopAndReverseExtended(), "spy_sarext.txt", "SAREXT"),
    Case(lambda: lib.PercentagePriceOscillator(5, 10), "spy_ppo.txt", "PPO_5_10"),
    Case(lambda: lib.PivotPointsHighLow(10), "spy_pivot_pnt_hl.txt", "PPHL"),
    Case(lambda: lib.PremierStochasticOscillator("PSO", 8, 5), "spy_pso.csv", "pso"),
    Case(lambda: lib.RateOfChange(50), "spy_with_rocp50.txt", "Rate of Change % 50", scale=100),
    Case(lambda: lib.RateOfChangePercent(50), "spy_with_rocp50.txt", "Rate of Change % 50"),
    Case(lambda: lib.RateOfChangeRatio(5), "spy_rocr.txt", "ROCR_5"),
    Case(lambda: lib.RelativeDailyVolume(2), "spy_rdv.txt", "RDV"),
    Case(lambda: lib.RelativeMovingAverage(5), "spy_with_rma.csv", "RMA5", "", 1e-2),
    Case(lambda: lib.RelativeStrengthIndex(14), "spy_with_indicators.txt", "RSI 14 Wilder",
         "", 1e-2),
    Case(lambda: lib.RelativeStrengthIndex(14, MovingAverageType.SIMPLE),
         "spy_with_indicators.txt", "RSI 14", "", 1e-2),
    Case(lambda: lib.RelativeVigorIndex("RVI", 10), "spy_rvi.txt", "RVI"),
    Case(lambda: lib.RogersSatchellVolatility(9), "spy_with_rsv.csv", "RSV9"),
    Case(lambda: lib.SchaffTrendCycle(), "spy_stc.txt", "STC"),
    Case(lambda: lib.SharpeRatio("SR", 10), "spy_sr.txt", "SR_10"),
    Case(lambda: lib.SimpleMovingAverage(14), "spy_with_indicators.txt", "SMA14", "", 1e-2),
    Case(lambda: lib.SmoothedOnBalanceVolume(20), "spy_with_sobv.csv", "SOBV20"),
    Case(lambda: lib.SortinoRatio("SORTINO", 15), "spy_sortino.csv", "sortino_rf_0_period_15"),
    Case(lambda: lib.SqueezeMomentum("SM", 20, 2, 20, 1.5), "spy_sm.csv", "squeeze on"),
    Case(lambda: lib.StochasticRelativeStrengthIndex(14, 14, 3, 3), "spy_with_StochRSI.csv", "k",
         "k"),
    Case(lambda: lib.StochasticRelativeStrengthIndex(14, 14, 3, 3), "spy_with_StochRSI.csv", "d",
         "d"),
    Case(lambda: lib.Stochastic(12, 3, 5), "spy_with_stoch12k3.txt", "Stochastics 12 %K 3",
         "stoch_k"),
    Case(lambda: lib.Stochastic(12, 3, 5), "spy_with_stoch12k3.txt", "%D 5", "stoch_d"),
    Case(lambda: lib.SuperTrend(10, 3), "dwac_supertrend.txt", "Super", "", 0.05),
    *(
        Case(
            lambda tool=tool: lib.SwissArmyKnife(20, 0.1, tool),  # type: ignore[misc]
            "spy_swiss.txt",
            column,
            "",
            tolerance,
        )
        for column, tool, tolerance in (
            ("Gauss", lib.SwissArmyKnifeTool.GAUSS, 0.01),
            ("Butter", lib.SwissArmyKnifeTool.BUTTER, 0.01),
            ("HP", lib.SwissArmyKnifeTool.HIGH_PASS, 0.01),
            ("2PHP", lib.SwissArmyKnifeTool.TWO_POLE_HIGH_PASS, 0.01),
            ("BP", lib.SwissArmyKnifeTool.BAND_PASS, 0.043),
        )
    ),
    Case(lambda: lib.T3MovingAverage(5), "spy_t3.txt", "T3_5", "", 2e-2),
    Case(lambda: lib.TargetDownsideDeviation(3), "spy_tdd.csv", "tdd", "", 1e-6),
    Case(lambda: lib.TimeProfile(3), "tp_datatest.csv", "POCPrice", "", 0.01),
    Case(lambda: lib.TimeSeriesForecast(5), "spy_tsf.csv", "tsf"),
    Case(lambda: lib.TomDemarkSequential("ABC"), "td_sequential_test_data.csv", "TDS"),
    Case(lambda: lib.TriangularMovingAverage(5), "spy_trima.txt", "TRIMA_5"),
    Case(lambda: lib.TriangularMovingAverage(6), "spy_trima.txt", "TRIMA_6"),
    Case(lambda: lib.TripleExponentialMovingAverage(5), "spy_tema.txt", "TEMA_5"),
    Case(lambda: lib.Trix(5), "spy_trix.txt", "TRIX_5"),
    Case(lambda: lib.TrueRange(), "spy_tr.txt", "TR"),
    Case(lambda: lib.TrueStrengthIndex(), _TSI, "TSI_25_13"),
    Case(lambda: lib.UltimateOscillator(7, 14, 28), "spy_ultosc.txt", "ULTOSC_7_14_28"),
    Case(lambda: lib.ValueAtRisk(252, 0.99), "spy_valueatrisk.csv", "VaR_99"),
    Case(lambda: lib.ValueAtRisk(252, 0.95), "spy_valueatrisk.csv", "VaR_95"),
    Case(lambda: lib.VariableIndexDynamicAverage(9), "spy_vidya.txt", "VIDYA_9"),
    Case(lambda: lib.Variance(10), "spy_var.txt", "Var", "", 1e-6),
    Case(lambda: lib.VolumeProfile(3), "vp_datatest.csv", "POCPrice", "", 0.01),
    Case(lambda: lib.VolumeWeightedAveragePriceIndicator(50), "spy_with_vwap.txt",
         "Moving VWAP 50"),
    Case(lambda: lib.VolumeWeightedMovingAverage("VWMA", 20), "spy_with_vwma.csv", "VWMA20"),
    Case(lambda: lib.Vortex(14), "spy_with_vtx.csv", "plus_vtx", "plus_vortex"),
    Case(lambda: lib.Vortex(14), "spy_with_vtx.csv", "minus_vtx", "minus_vortex"),
    Case(lambda: lib.WaveTrendOscillator(10, 21, 4), "spy_wto.csv", "WT1", "", 1e-4),
    Case(lambda: lib.WilderAccumulativeSwingIndex(8), "spy_asi.csv", "ASI"),
    Case(lambda: lib.WilderSwingIndex(8), "spy_si.csv", "SI"),
    Case(lambda: lib.WilliamsPercentR(14), "spy_with_williamsR14.txt", "Williams %R 14"),
    Case(lambda: lib.ZeroLagExponentialMovingAverage(5), "spy_with_zlema.csv", "ZLEMA5"),
    Case(lambda: lib.ZigZag("ZigZag", 0.05, 10), "spy_zigzag.csv", "zigzag"),
)  # fmt: skip


_TALIB = {
    "TwoCrows": "2CROWS",
    "ThreeBlackCrows": "3BLACKCROWS",
    "ThreeInside": "3INSIDE",
    "ThreeLineStrike": "3LINESTRIKE",
    "ThreeOutside": "3OUTSIDE",
    "ThreeStarsInSouth": "3STARSINSOUTH",
    "ThreeWhiteSoldiers": "3WHITESOLDIERS",
    "ConcealedBabySwallow": "CONCEALBABYSWALL",
    "GapSideBySideWhite": "GAPSIDESIDEWHITE",
    "HighWaveCandle": "HIGHWAVE",
    "HikkakeModified": "HIKKAKEMOD",
    "IdenticalThreeCrows": "IDENTICAL3CROWS",
    "LongLineCandle": "LONGLINE",
    "RiseFallThreeMethods": "RISEFALL3METHODS",
    "ShortLineCandle": "SHORTLINE",
    "UniqueThreeRiver": "UNIQUE3RIVER",
    "UpsideGapTwoCrows": "UPSIDEGAP2CROWS",
    "UpDownGapThreeMethods": "XSIDEGAP3METHODS",
}
"""TA-Lib's names of candlestick patterns, where they are others than LEAN's."""
_UNLIKE = {
    "HighWaveCandle": ("spy", "eurusd"),
    "HikkakeModified": ("ewz", "eurusd"),
    "MorningStar": ("eurusd",),
    "RickshawMan": ("spy",),
    "ShortLineCandle": ("spy",),
    "SpinningTop": ("spy",),
    "StickSandwich": ("spy", "eurusd"),
}
"""Files of TA-Lib's figures from which LEAN's patterns differ; LEAN's tests leave them out."""


def candles() -> Iterator[Case]:
    """Candlestick patterns beside TA-Lib's figures, where LEAN's tests do the same."""
    for name in candlesticks.__all__:
        kind = getattr(candlesticks, name)
        if not issubclass(kind, CandlestickPattern) or kind is CandlestickPattern:
            continue
        for market in ("spy", "ewz", "eurusd"):
            if market not in _UNLIKE.get(name, ()):
                column = "CDL" + _TALIB.get(name, name.upper())
                yield Case(kind, f"{market}_candle_patterns.txt", column, scale=100.0)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a file by the names of its columns, in small letters."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, skipinitialspace=True):
            yield {
                key.strip().lower(): value.strip() for key, value in row.items() if key and value
            }


def _first(row: dict[str, str], *names: str) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def bar(row: dict[str, str], number: int) -> TradeBar:
    """The bar of a row; what the file has not is the close, or 0 of the volume."""
    stamp = _first(row, "date", "time", "timestamp")
    try:
        time = pd.to_datetime(stamp).to_pydatetime()
    except (ValueError, TypeError):
        time = pd.Timestamp(1990, 1, 1).to_pydatetime() + timedelta(days=number)
    close = _first(row, "close", "adj close", "price")
    prices = [_first(row, name) or close for name in ("open", "high", "low")]
    volume = _first(row, "volume", "vol") or "0"
    first, high, low, last, traded = (float(text) for text in (*prices, close, volume))
    return TradeBar(time, None, first, high, low, last, traded, timedelta(days=1))


def verdict(case: Case, folder: Path) -> str:
    """Whether a figure agrees, and how far it is off if not."""
    path = folder / case.file
    if not path.exists():
        return f"no file {case.file}"
    indicator = case.make()
    takes_bars, compared, worst, where = indicator.takes_bars, 0, 0.0, ""
    for number, row in enumerate(rows(path)):
        point = bar(row, number)
        if takes_bars:
            indicator.update(point)
        else:
            indicator.update(point.time, point.close_exact)
        text = row.get(case.column.lower(), "")
        if not indicator.is_ready or not text:
            continue
        part = getattr(indicator, case.part) if case.part else indicator
        distance = abs(part.current.value * case.scale - float(text))
        compared += 1
        if not distance <= worst:
            worst, where = distance, str(point.time)
    if not compared:
        return "nothing compared"
    return "agrees" if worst <= case.tolerance else f"off by {worst:.6g} at {where}"


def main() -> None:
    """Print a verdict for each figure, and what is refused."""
    parser = option_parser(__doc__)
    parser.add_argument("--lean", type=Path, required=True, help="a copy of LEAN's sources")
    folder = parser.parse_args().lean / "Tests" / "TestData"
    print(conditions("pandas"), flush=True)
    verdicts = []
    with net_arithmetic():
        for case in (*CASES, *candles()):
            said = verdict(case, folder)
            verdicts.append(said)
            name = type(case.make()).__name__ + (f".{case.part}" if case.part else "")
            print(f"{said if said == 'agrees' else said.upper():12} {name} ({case.column})")
    agreeing = sum(said == "agrees" for said in verdicts)
    print(f"\n{agreeing} of {len(verdicts)} figures agree")
    refused = [
        name
        for name, entry in lean_classes().items()
        if entry.namespace == "QuantConnect.Indicators"
        and not (hasattr(lib, name) or hasattr(enums, name))
    ]
    print("refused: " + " ".join(refused))


if __name__ == "__main__":
    main()
