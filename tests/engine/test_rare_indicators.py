"""The rarer indicators: closed forms, starting again, and the names that LEAN gives."""

import inspect
import math
from datetime import datetime, timedelta
from decimal import Decimal as D
from itertools import pairwise
from statistics import mean, stdev

import numpy as np
import pytest

from engine import indicators as lib
from engine.common.decimals import net_arithmetic
from engine.common.enums import MovingAverageType
from engine.common.net_exceptions import ArgumentException
from engine.market.data import TradeBar
from engine.market.symbols import SecurityIdentifier, Symbol

T0 = datetime(2020, 1, 1)
DAY = timedelta(days=1)
MANY = (
    lib.AdvanceDeclineRatio, lib.AdvanceDeclineDifference, lib.AdvanceDeclineVolumeRatio,
    lib.ArmsIndex, lib.McClellanOscillator, lib.McClellanSummationIndex,
    lib.NewHighsNewLows, lib.NewHighsNewLowsVolume,
)  # fmt: skip
BASES = (
    lib.PythonIndicator, lib.PythonIndicatorAdapter, lib.DualSymbolIndicator, lib.MarketProfile,
    lib.AdvanceDeclineIndicator, lib.CompositeIndicator, lib.ResetCompositeIndicator,
    lib.FunctionalIndicator, lib.WindowIndicator, lib.RelativeVigorIndexSignal,
    lib.TimeSeriesIndicator,
)  # fmt: skip
GUESSES = {
    "slow_period": 7, "fast_period": 3, "signal_period": 4, "k": D(2), "moving_average_type": None,
    "type": None, "period": 4, "n": 4, "tool": lib.SwissArmyKnifeTool.GAUSS, "delta": 0.1,
    "confidence_level": 0.95, "limit_move": D(8), "multiplier": D(2), "value": D(3),
    "filter": lambda _: True, "ar_order": 1, "diff_order": 1, "ma_order": 1,
    "bollinger_multiplier": D(2), "keltner_multiplier": D(2), "atr_mult": D(2), "min_period": 4,
}  # fmt: skip


def made(kind):
    """An indicator with small periods: guesses where the constructor has no default."""
    values = {}
    for name, item in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if name == "name":
            values[name] = "X"
        elif item.default in (item.empty, None) and (
            name in GUESSES or "period" in name or "surrounding" in name or "symbol" in name
        ):
            values[name] = GUESSES.get(name, 4)
    if "upper_period" in values:
        values = {"name": "X", "upper_period": 4, "lower_period": 4}
    if kind is lib.Alpha:
        values = {"target_symbol": SPY, "reference_symbol": IBM, "period": 4}
    elif "target_symbol" in values:
        values.update(target_symbol=SPY, reference_symbol=IBM)
    if kind in (lib.AwesomeOscillator, lib.DeMarkerIndicator):
        values["type"] = MovingAverageType.SIMPLE
    return kind(**{key: value for key, value in values.items() if value is not None})


def symbol(ticker):
    return Symbol(SecurityIdentifier.generate_equity(datetime(1998, 1, 2), ticker), ticker)


SPY, IBM = symbol("SPY"), symbol("IBM")


def bars(name=SPY, count=120, phase=0.0):
    before = 100.0
    for i in range(count):
        close = round(100 + 10 * math.sin(i / 5 + phase) + (i * 7919 % 13) / 5, 2)
        high, low = max(before, close) + i % 3 + 0.5, min(before, close) - i % 4 - 0.5
        yield TradeBar(T0 + i * DAY, name, before, high, low, close, 100 + i % 7, DAY)
        before = close


def fed(indicator, count=120):
    values = []
    takes_bars = indicator.takes_bars
    two = hasattr(indicator, "add") or isinstance(indicator, lib.DualSymbolIndicator | lib.Alpha)
    other = list(bars(IBM, count, 1.0)) if two else [None] * count
    for bar, beside in zip(bars(count=count), other, strict=True):
        for point in (bar, beside):
            if point is not None:
                if takes_bars:
                    indicator.update(point)
                else:
                    indicator.update(point.end_time, point.close_exact)
        values.append((indicator.is_ready, indicator.current.value_exact))
    return values


KINDS = sorted(
    {
        kind
        for name in lib.__all__
        if inspect.isclass(kind := getattr(lib, name))
        and issubclass(kind, lib.IndicatorBase)
        and kind not in (*BASES, lib.IndicatorBase, lib.Indicator, lib.BarIndicator)
        and kind is not lib.TradeBarIndicator
        # LEAN's does not forget its sum.
        and kind is not lib.McClellanSummationIndex
        and not kind.__name__.startswith("_")
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_is_ready_in_time_and_starts_again(kind):
    with net_arithmetic():
        indicator = made(kind)
        if isinstance(indicator, MANY):
            indicator.add(SPY)
            indicator.add(IBM)
        first = fed(indicator)
        assert first[-1][0], "not ready after 120 bars"
        indicator.reset()
        assert indicator.samples == 0
        assert fed(indicator) == first


def values(indicator, numbers):
    with net_arithmetic():
        for i, number in enumerate(numbers):
            indicator.update(T0 + i * DAY, D(str(number)))
    return indicator.current.value


def test_averages_of_a_line():
    line = range(1, 41)
    assert values(lib.TriangularMovingAverage(5), line) == 38
    assert values(lib.LeastSquaresMovingAverage(6), line) == pytest.approx(40)
    assert values(lib.TimeSeriesForecast(6), line) == pytest.approx(41)
    assert values(lib.ZeroLagExponentialMovingAverage(5), line) == pytest.approx(40)
    assert values(lib.KaufmanEfficiencyRatio(4), line) == 1
    assert values(lib.RelativeMovingAverage(3), line) == pytest.approx(36 - 37.5 + 39)
    assert values(lib.ChandeMomentumOscillator(4), line) == 100
    assert values(lib.VariableIndexDynamicAverage(1), line) == 40
    assert values(lib.MidPoint(5), line) == 38


def test_a_regression_knows_its_line():
    average = lib.LeastSquaresMovingAverage(5)
    assert values(average, (2, 5, 8, 11, 14)) == pytest.approx(14)
    assert average.slope.current.value == pytest.approx(3)
    assert average.intercept.current.value == pytest.approx(-1)


def test_weights_of_alma():
    weights = [math.exp(-((i - 3) ** 2) * 36 / (2 * 25)) for i in range(5)]
    numbers = (1, 4, 2, 8, 5)
    expected = sum(w * n for w, n in zip(weights, numbers, strict=True)) / sum(weights)
    assert values(lib.ArnaudLegouxMovingAverage(5), numbers) == pytest.approx(expected)


def test_value_at_risk_is_a_quantile_of_a_normal_distribution():
    numbers = (100, 101, 99, 103, 100)
    returns = [0.0, *(new / old - 1 for old, new in pairwise(numbers))]
    expected = mean(returns) - 1.6448536269514722 * stdev(returns)
    assert values(lib.ValueAtRisk(5, 0.95), numbers) == pytest.approx(expected)


def test_directional_indices_wait_for_their_period():
    # LEAN 24863901d: both are ready with the sample after the period, and not before.
    adx, ready = lib.AverageDirectionalIndex(7), []
    for bar in bars(count=10):
        adx.update(bar)
        ready.append(adx.positive_directional_index.is_ready)
    assert ready == [False] * 7 + [True] * 3


@pytest.mark.parametrize(
    ("indicator", "name"),
    [
        (lib.ExponentialMovingAverage(5), "EMA(5)"),
        (lib.ExponentialMovingAverage(5, 0.5), "EMA(5,0.5)"),
        (lib.ExponentialMovingAverage(name="mine", period=5), "mine"),
        (lib.KaufmanAdaptiveMovingAverage(5), "KAMA(5,2,30)"),
        (lib.WilderMovingAverage(5), "WWMA5"),
        (lib.BollingerBands(20, 2), "BB(20,2)"),
        # A double comes as its Python text.
        (lib.BollingerBands(20, 2.0), "BB(20,2.0)"),
        (lib.AwesomeOscillator(5, 34), "AO(5,34,Simple)"),
        (lib.DonchianChannel(10, 20), "DCH(20,20)"),
        (lib.DonchianChannel(period=10), "DCH(10,10)"),
        (lib.Momersion(20), "Momersion(,20)"),
        (lib.Momersion(5, 20), "Momersion(5,20)"),
        (lib.PivotPointsHighLow(3), "PivotPointsHighLow(3)"),
        (lib.PivotPointsHighLow("mine", 3, 4), "mine"),
        (lib.SharpeRatio(10), "SR(10,0.0)"),
        (lib.VolumeProfile(3), "VP(3,0.70,0.05)"),
        (lib.SwissArmyKnife(20, 0.1, lib.SwissArmyKnifeTool.HIGH_PASS), "Swiss(20,0.1,HighPass)"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_names_without_a_name_are_leans(indicator, name):
    assert indicator.name == name


def test_pascal_case_of_an_indicator():
    average = lib.SimpleMovingAverage(2)
    average.Update(T0, 3)
    assert average.IsReady is False
    assert average.Current.Value == 3
    assert average.RollingSum.Current.Value == 3
    with pytest.raises(AttributeError):
        _ = average.IsRedy
    with pytest.raises(NotImplementedError, match="SimpleMovingAverage"):
        _ = average.OnUpdated


class TestArima:
    def test_a_geometric_series_is_taken_back_a_step(self):
        """LEAN lags from the newest value to the oldest: the coefficient is that of going back."""
        arima = lib.AutoRegressiveIntegratedMovingAverage(1, 0, 0, 4)
        ready = [arima.update(T0 + n * DAY, 2**n) for n in range(4)]
        assert ready == [False, False, False, True]
        assert arima.name == "ARIMA((1, 0, 0), 4, True)"
        assert arima.ar_parameters == pytest.approx([0.5])
        assert (arima.current.value, arima.ar_residual_error) == (4, 0)

    def test_a_straight_line_is_continued_through_its_differences(self):
        """Differences of 3 each: their coefficient is 1, and the forecast one step above."""
        arima = lib.AutoRegressiveIntegratedMovingAverage("line", 1, 1, 0, 5)
        for n in range(7):
            arima.update(T0 + n * DAY, 3 * n)
        assert arima.current.value == 21

    def test_what_cannot_be_fitted_has_coefficients_of_zero_or_raises(self):
        arima = lib.AutoRegressiveIntegratedMovingAverage("same", 1, 1, 1, 5)
        for n in range(5):
            arima.update(T0 + n * DAY, 7)
        assert (arima.current.value, arima.intercept) == (7, 0)
        arima.reset()
        arima.handle_exceptions = False
        for n in range(4):
            arima.update(T0 + n * DAY, 7)
        with pytest.raises(ArgumentException, match="positive definite"):
            arima.update(T0 + 4 * DAY, 7)
        with pytest.raises(ArgumentException, match="AR/MA orders cannot be negative"):
            lib.AutoRegressiveIntegratedMovingAverage(-1, 1, 1, 5)

    def test_the_shortest_periods(self):
        """Of as many values as coefficients no error is left to take a mean of; .NET has no number.

        Where not even a row is left, LEAN asks for the first one.
        """
        arima = lib.AutoRegressiveIntegratedMovingAverage(1, 0, 0, 2)
        for n, value in enumerate((4, 8)):
            arima.update(T0 + n * DAY, value)
        assert arima.current.value == 4
        assert np.isnan(arima.ar_residual_error)
        arima = lib.AutoRegressiveIntegratedMovingAverage(1, 0, 0, 1)
        with pytest.raises(IndexError, match="outside the bounds of the array"):
            arima.update(T0, 4)

    def test_both_steps_are_least_squares(self):
        """Against numpy's own, on errors of the first step."""
        values = [5.0, 7, 6, 9, 8, 12, 10, 11]
        arima = lib.AutoRegressiveIntegratedMovingAverage(1, 0, 1, 8, True)
        for n, value in enumerate(values):
            arima.update(T0 + n * DAY, value)
        series = np.array(values[::-1])
        (slope,), *_ = np.linalg.lstsq(series[:-1, None], series[1:], rcond=None)
        errors = np.append(0, series[1:] - slope * series[:-1])
        rows = np.column_stack((np.ones(7), series[:-1], errors[:-1]))
        fitted, *_ = np.linalg.lstsq(rows, series[1:], rcond=None)
        assert arima.intercept == pytest.approx(fitted[0])
        assert arima.ar_parameters == pytest.approx(fitted[1:2])
        assert arima.ma_parameters == pytest.approx(fitted[2:])
        forecast = fitted[0] + fitted[1] * series[0] + fitted[2] * errors[2]
        assert arima.current.value == pytest.approx(forecast)

    def test_leans_own_facts_of_series(self):
        """Those of its tests of TimeSeriesIndicator."""
        even_odd = [1.0 + n % 2 for n in range(100)]
        differences, heads = lib.TimeSeriesIndicator.difference_series(1, even_odd)
        assert sum(differences) == -1
        restored = lib.TimeSeriesIndicator.inverse_differenced_series(differences, heads)
        assert sum(restored) == sum(even_odd)
        lags = lib.TimeSeriesIndicator.lagged_series(1, [float(n % 2) for n in range(100)])
        assert sum(lag[0] for lag in lags) == 49
        assert sum(lib.TimeSeriesIndicator.cumulative_sum([float(n % 2) for n in range(50)])) == 625
