"""Indicators against slow twins in pandas, and their readiness."""

from datetime import datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.algorithm_indicators import IndicatorDataPoints, IndicatorHistory
from engine.common.decimals import to_decimal
from engine.common.enums import MovingAverageType
from engine.indicators import (
    AroonOscillator,
    AverageTrueRange,
    BollingerBands,
    CompositeIndicator,
    ConstantIndicator,
    Delay,
    DonchianChannel,
    ExponentialMovingAverage,
    Field,
    Identity,
    IndicatorDataPoint,
    IndicatorExtensions,
    LinearWeightedMovingAverage,
    Maximum,
    Minimum,
    Momentum,
    MovingAverageConvergenceDivergence,
    PythonIndicator,
    RateOfChange,
    RelativeStrengthIndex,
    RollingWindow,
    SimpleMovingAverage,
    StandardDeviation,
    Stochastic,
    TrueRange,
    ValueAtRisk,
    WilderMovingAverage,
    WilliamsPercentR,
    as_indicator,
)
from engine.indicators.window import Recent
from engine.market.data import TradeBar
from engine.market.symbols import Symbol

T0 = datetime(2020, 1, 1)
PRICES = [round(100 + 10 * np.sin(i / 3) + (i * 7919 % 13) / 5, 2) for i in range(60)]
SERIES = pd.Series(PRICES)


def feed(indicator, values=PRICES):
    """Values of an indicator after each update, and from which update on it was ready."""
    out, ready = [], None
    for i, value in enumerate(values):
        if indicator.update(T0 + timedelta(days=i), value) and ready is None:
            ready = i
        out.append(indicator.current.value)
    return np.array(out), ready


def bars():
    for i, close in enumerate(PRICES):
        opening = PRICES[i - 1] if i else close
        high, low = max(opening, close) + i % 3, min(opening, close) - i % 4
        yield TradeBar(
            T0 + timedelta(days=i), None, opening, high, low, close, 100 + i, timedelta(days=1)
        )


FRAME = pd.DataFrame(
    [(bar.open, bar.high, bar.low, bar.close) for bar in bars()],
    columns=["open", "high", "low", "close"],
)


def feed_bars(indicator):
    out, ready = [], None
    for i, bar in enumerate(bars()):
        if indicator.update(bar) and ready is None:
            ready = i
        out.append(indicator.current.value)
    return np.array(out), ready


def test_simple_average_is_the_mean_of_what_there_is():
    values, ready = feed(SimpleMovingAverage(5))
    assert values == pytest.approx(SERIES.rolling(5, min_periods=1).mean())
    assert ready == 4


def test_exponential_average_starts_with_the_simple_one():
    values, ready = feed(ExponentialMovingAverage(5))
    slow = [SERIES[:5].mean()]
    for value in PRICES[5:]:
        slow.append(value / 3 + slow[-1] * 2 / 3)
    assert values[:4] == pytest.approx(0)
    assert values[4:] == pytest.approx(slow)
    assert ready == 4


def test_wilder_average_weighs_the_newest_by_one_over_the_period():
    values, ready = feed(WilderMovingAverage(4))
    slow = list(SERIES[:3].expanding().mean())
    for value in PRICES[3:]:
        slow.append(value / 4 + slow[-1] * 3 / 4)
    assert values == pytest.approx(slow)
    assert ready == 3


def test_linear_weights():
    values, ready = feed(LinearWeightedMovingAverage(4))
    slow = SERIES.rolling(4).apply(lambda w: np.dot(w, [1, 2, 3, 4]) / 10).fillna(0)
    assert values == pytest.approx(slow)
    assert ready == 3


@pytest.mark.parametrize(
    ("indicator", "slow", "first"),
    [
        (Maximum(6), SERIES.rolling(6, min_periods=1).max(), 5),
        (Minimum(6), SERIES.rolling(6, min_periods=1).min(), 5),
        (Delay(3), SERIES.shift(3).fillna(PRICES[0]), 3),
        (Momentum(3), SERIES - SERIES.shift(3).fillna(PRICES[0]), 3),
        (RateOfChange(3), SERIES / SERIES.shift(3).fillna(PRICES[0]) - 1, 3),
    ],
    ids=["max", "min", "delay", "mom", "roc"],
)
def test_windows(indicator, slow, first):
    values, ready = feed(indicator)
    assert values == pytest.approx(slow)
    assert ready == first


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.integers(1, 6))
def test_extremes_with_ties_are_the_windows(values, period):
    highest, lowest = Maximum(period), Minimum(period)
    for i, value in enumerate(values):
        highest.update(T0 + timedelta(days=i), value)
        lowest.update(T0 + timedelta(days=i), value)
        window = values[max(0, i - period + 1) : i + 1]
        assert (highest.current.value, lowest.current.value) == (max(window), min(window))
        assert window[::-1].index(max(window)) == highest.periods_since_maximum


def test_deviation_is_the_populations():
    values, _ = feed(StandardDeviation(7))
    assert values[6:] == pytest.approx(SERIES.rolling(7).std(ddof=0)[6:])


def test_macd_and_its_signal():
    macd = MovingAverageConvergenceDivergence(3, 6, 4)
    values, ready = feed(macd)
    fast, _ = feed(ExponentialMovingAverage(3))
    slow, _ = feed(ExponentialMovingAverage(6))
    assert values == pytest.approx(fast - slow)
    signal, _ = feed(ExponentialMovingAverage(4), (fast - slow)[5:])
    assert macd.signal.current.value == pytest.approx(signal[-1])
    assert macd.histogram.current.value == pytest.approx(values[-1] - signal[-1])
    assert ready == 8
    assert macd.warm_up_period == 9


def test_rsi_is_wilders():
    values, ready = feed(RelativeStrengthIndex(5))
    change = SERIES.diff().dropna()
    gain, _ = feed(WilderMovingAverage(5), change.clip(lower=0))
    loss, _ = feed(WilderMovingAverage(5), (-change).clip(lower=0))
    with np.errstate(divide="ignore"):
        slow = 100 - 100 / (1 + gain / loss)
    assert values[1:] == pytest.approx(slow)
    assert ready == 5


def test_bollinger_bands():
    bands = BollingerBands(5, 2)
    feed(bands)
    mean, deviation = SERIES[-5:].mean(), SERIES[-5:].std(ddof=0)
    assert bands.middle_band.current.value == pytest.approx(mean)
    assert bands.upper_band.current.value == pytest.approx(mean + 2 * deviation)
    assert bands.lower_band.current.value == pytest.approx(mean - 2 * deviation)
    assert bands.band_width.current.value == pytest.approx(400 * deviation / mean)
    share = (PRICES[-1] - (mean - 2 * deviation)) / (4 * deviation)
    assert bands.percent_b.current.value == pytest.approx(share)


def test_true_range_and_its_average():
    values, ready = feed_bars(TrueRange())
    before = FRAME.close.shift()
    slow = pd.concat(
        [FRAME.high - FRAME.low, (FRAME.high - before).abs(), (FRAME.low - before).abs()], axis=1
    ).max(axis=1)
    assert values == pytest.approx(slow)
    assert ready == 1
    average, ready = feed_bars(AverageTrueRange(4, MovingAverageType.SIMPLE))
    assert average == pytest.approx(slow.rolling(4, min_periods=1).mean())
    assert ready == 3


def test_aroon_counts_bars_since_the_extremes():
    values, ready = feed_bars(AroonOscillator(5, 5))
    up = FRAME.high.rolling(6).apply(lambda w: 5 - w[::-1].argmax(), raw=True) * 20
    down = FRAME.low.rolling(6).apply(lambda w: 5 - w[::-1].argmin(), raw=True) * 20
    assert values[5:] == pytest.approx((up - down)[5:])
    assert ready == 5


def test_own_indicators_may_be_written_in_pascal_case():
    class Based(PythonIndicator):
        def __init__(self):
            self.Value = 0

        def Update(self, point):
            self.Value = 2 * point.Value
            return True

    class Free:
        Name, Value, IsReady, WarmUpPeriod = "free", 0, False, 3

        def Update(self, point):
            self.Value = 2 * point.Value

    class Unready:
        def update(self, point):
            return True

    point = IndicatorDataPoint(None, datetime(2013, 10, 7), 4)
    for own in (Based(), as_indicator(Free())):
        own.update(point)
        assert (own.current.value, own.samples) == (8, 1)
    assert (own.is_ready, own.warm_up_period, own.name) == (False, 3, "free")
    assert not as_indicator(Free()).is_ready
    with pytest.raises(
        NotImplementedError, match=r"Indicator\.is_ready must be implemented\. .* in"
    ):
        as_indicator(Unready())


def test_channel_and_oscillators_of_the_range():
    top, bottom = FRAME.high.rolling(5).max(), FRAME.low.rolling(5).min()
    middle, _ = feed_bars(DonchianChannel(5))
    assert middle[4:] == pytest.approx(((top + bottom) / 2)[4:])
    williams, _ = feed_bars(WilliamsPercentR(5))
    assert williams[4:] == pytest.approx((-100 * (top - FRAME.close) / (top - bottom))[4:])
    fast = 100 * (FRAME.close - bottom) / (top - bottom)
    stochastic = Stochastic(5, 3, 2)
    values, ready = feed_bars(stochastic)
    assert values[4:] == pytest.approx(fast[4:])
    assert stochastic.stoch_k.current.value == pytest.approx(fast[-3:].mean())
    assert ready == 4 + 2 + 1


class TestFields:
    def test_selectors_read_the_bars_fields(self):
        bar = TradeBar(T0, None, 1, 4, 0, 3, 100, timedelta(days=1))
        assert (Field.HIGH(bar), Field.Low(bar), Field.CLOSE(bar), Field.VOLUME(bar)) == (
            4, 0, 3, 100,
        )  # fmt: skip
        assert (Field.AVERAGE(bar), Field.MEDIAN(bar), Field.WEIGHTED(bar)) == (2, 2, D("2.5"))
        assert float(Field.SEVEN_BAR(bar)) == pytest.approx((2 * 1 + 4 + 0 + 3 * 3) / 7)

    def test_a_point_without_the_field_gives_its_value(self):
        assert Field.HIGH(IndicatorDataPoint(T0, 7)) == 7


class TestBehaviour:
    def test_older_and_repeated_points_are_ignored(self):
        average = SimpleMovingAverage(2)
        average.update(T0, 1)
        average.update(T0 - timedelta(days=1), 100)
        assert (average.samples, average.current.value) == (1, 1)

    def test_events_and_comparison(self):
        seen = []
        indicator = Identity("close")
        indicator.updated += lambda source, point: seen.append((source, point.value))
        indicator.update(T0, D("2.50"))
        assert seen == [(indicator, 2.5)]
        assert indicator > 2
        assert indicator <= 2.5
        assert indicator == 2.5
        assert to_decimal(indicator) == to_decimal(indicator.current) == D("2.5")
        window = RollingWindow[float](2)
        window.add(indicator)
        assert window[0] == 2.5
        with pytest.raises(TypeError, match="unsupported operand"):
            indicator + 1  # LEAN's indicators have comparisons alone
        with pytest.raises(TypeError, match="must be a string or a real number, not 'Identity'"):
            float(indicator)
        assert str(indicator) == "2.5"

    def test_reset_returns_to_the_start(self):
        indicator = MovingAverageConvergenceDivergence(2, 3, 2)
        first, _ = feed(indicator)
        indicator.reset()
        assert not indicator.is_ready
        assert feed(indicator)[0] == pytest.approx(first)

    def test_asking_further_back_widens_the_window(self):
        indicator = Identity()
        assert indicator[3] is None
        feed(indicator, [1, 2, 3, 4])
        assert [indicator[i].value for i in range(4)] == [4, 3, 2, 1]

    def test_bars_are_required_where_needed(self):
        with pytest.raises(TypeError, match="does not support the `Update"):
            TrueRange().update(T0, 1)

    def test_a_composite_waits_for_both_sides(self):
        left, right = Identity("left"), Identity("right")
        total = CompositeIndicator(left, right, lambda a, b: a.current.value + b.current.value)
        left.update(T0, 1)
        assert total.samples == 0
        right.update(T0, 2)
        assert (total.samples, total.current.value) == (1, 3)

    def test_extensions(self):
        left, right = Identity("left"), Identity("right")
        ratio = IndicatorExtensions.over(left, right)
        scaled = IndicatorExtensions.times(left, 3)
        smooth = IndicatorExtensions.sma(left, 2)
        for i, (a, b) in enumerate([(1, 2), (3, 0), (5, 2)]):
            left.update(T0 + timedelta(days=i), a)
            right.update(T0 + timedelta(days=i), b)
        assert (ratio.current.value, ratio.samples) == (2.5, 3)
        assert (scaled.current.value, smooth.current.value) == (15, 4)
        assert ConstantIndicator("c", 7).is_ready

    def test_a_users_indicator(self):
        class Spread(PythonIndicator):
            def __init__(self):
                self.value = 0

            def update(self, point):
                self.value = point.high - point.low
                return True

        seen = []
        indicator = Spread()
        bar = next(bars())
        assert indicator.update(bar)
        indicator.updated += lambda _, point: seen.append(point.value)
        indicator.update(bar)
        assert indicator.current.value == bar.high - bar.low == seen[0]
        assert indicator.is_ready
        assert indicator.samples == 2


class TestRollingWindow:
    def test_newest_first(self):
        window = RollingWindow[int](3)
        for value in range(5):
            window.add(value)
        assert list(window) == [4, 3, 2]
        assert (window[-1], window.most_recently_removed) == (2, 1)
        assert window.is_ready
        assert window.count == window.size == 3

    def test_writing_beyond_the_end_makes_room(self):
        window = RollingWindow(2)
        window[3] = "x"
        assert (window.size, list(window)) == (4, [None, None, None, "x"])

    def test_windows_of_numbers_hold_zeros_and_grow_at_the_newest_end(self):
        window = RollingWindow[float](2)
        assert window[0] == 0.0
        window.add(3.5)
        window.add(9.0)
        window[4] = 7.0
        assert (window.size, list(window)) == (5, [0.0, 0.0, 0.0, 9.0, 7.0])

    def test_items_are_of_the_windows_class(self):
        numbers = RollingWindow[int](2)
        numbers.add(5.0)
        assert [(number, type(number)) for number in numbers] == [(5, int)]
        with pytest.raises(TypeError) as problem:
            numbers.add(1.5)
        assert str(problem.value) == (
            "No method matches given arguments for add: (<class 'float'>). The expected signature "
            "is:\n  add(item: int)\nArgument mismatch: argument 1 ('item') expected int, got float."
        )
        for window, wrong in (
            (RollingWindow[float], None),
            (RollingWindow[bool], 1),
            (RollingWindow[str], 1),
            (RollingWindow[TradeBar], 1),
        ):
            with pytest.raises(TypeError, match="No method matches"):
                window(2).add(wrong)
        assert type(numbers).__name__ == "RollingWindow[Int32]"
        assert str(RollingWindow[TradeBar](1)) == (
            "QuantConnect.Indicators.RollingWindow`1[QuantConnect.Data.Market.TradeBar]"
        )
        with pytest.raises(TypeError, match=r"type\(s\) expected"):
            _ = RollingWindow[dict]

    def test_nothing_removed_yet(self):
        with pytest.raises(ValueError, match="No items have been removed yet"):
            _ = RollingWindow(2).most_recently_removed


@pytest.mark.parametrize("looked", range(6))
def test_a_window_is_the_same_whenever_somebody_looks_at_it_first(looked):
    recent, twin = Recent(2), RollingWindow(2)
    for number in range(6):
        if number == looked:
            recent.shown()
        recent.add(number)
        twin.add(number)
    shown = recent.shown()
    assert shown is recent.shown()
    assert list(shown) == list(twin) == [5, 4]
    assert (shown.samples, shown.most_recently_removed) == (6, twin.most_recently_removed)
    recent.clear()
    recent.add(7)
    assert (list(shown), shown.samples) == ([7], 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimpleMovingAverage(3),
        lambda: ExponentialMovingAverage(3),
        lambda: Maximum(3),
        lambda: ValueAtRisk(3, 0.9),
        lambda: MovingAverageConvergenceDivergence(2, 4, 3),
    ],
)
def test_a_bar_is_taken_as_a_new_point_of_its_value(make):
    """Of one symbol or two, in order or not, the same bar twice: as `update` takes new points."""
    random = np.random.default_rng(5)
    quick, twin = make(), make()
    bar = TradeBar(datetime(2020, 1, 2), Symbol.of("A"), 1, 1, 1, 1)
    for _ in range(60):
        if random.random() < 0.8:
            time = bar.time + timedelta(minutes=int(random.integers(-3, 9)))
            price = D(int(random.integers(90, 110)))
            ticker = "A" if random.random() < 0.8 else "B"
            bar = TradeBar(time, Symbol.of(ticker), price, price, price, price)
        quick._feed_bar(None, bar)
        twin.update(IndicatorDataPoint(bar.symbol, bar.end_time, bar.close_exact))
        assert (quick.samples, quick.is_ready) == (twin.samples, twin.is_ready)
        assert [(p.time, p.value_exact) for p in quick] == [(p.time, p.value_exact) for p in twin]


def test_the_sum_behind_a_mean_goes_on_where_it_was_asked_for():
    asked = [SimpleMovingAverage(3) for _ in range(7)]
    for first, average in enumerate(asked):
        for number in range(1, 7):
            if number > first:
                assert average.rolling_sum.samples == number - 1
            average.update(T0 + timedelta(days=number), number)
    for average in asked:
        total = average.rolling_sum
        assert (total.current.value, total.previous.value, total.samples) == (15, 12, 6)
        assert total.current.end_time == average.current.end_time
        assert total.previous.end_time == average.previous.end_time
        assert total.is_ready
        assert average.current.value == 5
    average = asked[-1]
    average.reset()
    average.update(T0, 4)
    assert (average.rolling_sum.current.value, average.rolling_sum.samples) == (4, 1)


def test_a_history_of_an_indicator_as_text_is_a_line_for_each_time():
    """LEAN's texts: names without underscores in their order, values of seven digits."""

    def row(day, current, upper_band):
        time = datetime(2014, 12, day)
        points = {"upper_band": upper_band, "current": current}
        points = {name: IndicatorDataPoint(time, D(value)) for name, value in points.items()}
        return IndicatorDataPoints(time - timedelta(days=1), time, points)

    rows = [row(2, "1.23456789", "2000.123456"), row(3, "1", "2")]
    assert str(IndicatorHistory(rows, {}, pd.DataFrame)) == (
        "12/02/2014 00:00:00 current: 1.234568, upperband: 2000.1235\n"
        "12/03/2014 00:00:00 current: 1, upperband: 2\n"
    )
