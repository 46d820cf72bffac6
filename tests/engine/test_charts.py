"""Plots of an algorithm."""

from datetime import datetime

import pytest

from engine.api.algorithm_charts import RESERVED_SERIES, ChartsMixin
from engine.common.charting import (
    Candlestick,
    CandlestickSeries,
    Chart,
    ChartPoint,
    PlotCollector,
    ScatterChartPoint,
    Series,
)
from engine.common.colors import Color
from engine.common.enums import SeriesType
from engine.common.net_exceptions import ArgumentException, InvalidCastException
from engine.market.data import TradeBar


class Plotter(ChartsMixin):
    def __init__(self):
        self._qc_set_up_charts()
        self.utc_time_naive = datetime(2020, 1, 2)
        self.live_mode = False


def test_a_value_lands_in_its_series():
    plotter = Plotter()
    plotter.plot("Mine", "Value", 1.5)
    point = plotter._qc_charts["Mine"].series["Value"].values[0]
    assert (point.y, str(point)) == (1.5, "2020-01-02T00:00:00.0000000 - 1.5")


@pytest.mark.parametrize("chart", ["Exposure", "Assets Sales Volume", "Portfolio Margin"])
def test_charts_that_lean_keeps_to_itself_are_refused(chart):
    with pytest.raises(ValueError, match=f"'{chart}' is a reserved chart name."):
        Plotter().plot(chart, "AAPL", 1.0)


def test_series_that_lean_keeps_to_itself_are_refused_and_others_are_not():
    plotter = Plotter()
    for chart, names in RESERVED_SERIES.items():
        for name in names:
            with pytest.raises(
                ValueError, match=f"'{name}' is a reserved series name for chart '{chart}'."
            ):
                plotter.plot(chart, name, 1.0)
        if names:
            plotter.plot(chart, "My own", 1.0)


def test_a_bar_is_a_candle_and_names_may_be_given():
    plotter = Plotter()
    bar = TradeBar(datetime(2020, 1, 1), None, 10, 12, 9, 11, 100)
    plotter.plot("Mine", "Bar", bar)
    plotter.plot(chart="Mine", series="Line", value=2.5)
    plotter.plot(series="Alone", value=1)
    series = plotter._qc_charts["Mine"].series
    candle = series["Bar"].values[0]
    assert (candle.open, candle.high, candle.low, candle.close) == (10, 12, 9, 11)
    assert float(series["Line"].values[0].value) == 2.5
    assert "Alone" in plotter._qc_charts["Strategy Equity"].series


def test_a_series_of_another_kind_refuses_a_value():
    plotter = Plotter()
    plotter.add_series("Mine", "Bar", SeriesType.CANDLE)
    with pytest.raises(InvalidCastException, match=r"\.CandlestickSeries' to type"):
        plotter.plot("Mine", "Bar", 1)
    plotter.add_series("Mine", "Bar", SeriesType.BAR, "%")
    plotter.plot("Mine", "Bar", 1)
    assert plotter._qc_charts["Mine"].series["Bar"].unit == "%"


def test_the_first_chart_of_a_name_stays():
    plotter = Plotter()
    first = Chart("Mine")
    plotter.add_chart(first)
    plotter.add_chart(Chart("Mine"))
    assert plotter._qc_charts["Mine"] is first


def test_results_have_thirty_series_and_none_without_points():
    plotter, charts, told = Plotter(), {}, []
    collector = PlotCollector(told.append)
    plotter.add_series("Mine", "Unused", SeriesType.LINE)
    for number in range(31):
        plotter.plot("Mine", f"s{number}", number)
        plotter.plot("Other", "s0", number)
    for _ in range(2):
        collector.add(charts, plotter.get_chart_updates())
    assert list(charts["Mine"].series.keys()) == [f"s{number}" for number in range(29)]
    assert list(charts["Other"].series.keys()) == ["s0"]
    assert len(told) == 1
    assert len(charts["Mine"].series["s3"].values) == 1


def test_a_point_at_the_time_of_one_that_was_told_of_is_not_told():
    plotter, charts = Plotter(), {}
    collector = PlotCollector(print)
    for value in (1, 2):
        plotter.plot("Mine", "a", value)
        collector.add(charts, plotter.get_chart_updates())
    assert [point.y for point in charts["Mine"].series["a"].values] == [1]
    assert [point.y for point in plotter._qc_charts["Mine"].series["a"].values] == [2]


def test_points_as_lean_writes_them():
    noon = datetime(2013, 10, 7, 12)
    assert str(ChartPoint(1381147200, 3.25)) == "2013-10-07T12:00:00.0000000 - 3.25"
    candle = Candlestick(noon, 1, 3, 0.5, 2)
    assert str(candle) == "2013-10-07T12:00:00.0000000 - (O:1 H: 3 L: 0.5 C: 2)"
    candle.update(7)
    candle.update(9)
    assert (candle.open, candle.high, candle.low, candle.close) == (7, 9, 7, 9)
    shown = ScatterChartPoint(noon, 1, "tip").as_json()
    assert shown == {"x": 1381147200, "y": 1, "tooltip": "tip"}
    series = Series("u", SeriesType.LINE, "%")
    series.add_point(noon, 5.5)
    series.add_point(noon, [6])
    assert (series.consolidate_chart_points().y, series.clone(True).unit) == (6, "%")
    with pytest.raises(ArgumentException, match="requires a ChartPoint object"):
        series.add_point(candle)
    with pytest.raises(ArgumentException, match="requires 4 values"):
        CandlestickSeries("c").add_point(noon, [1])


def test_colors_have_their_names():
    assert (str(Color.DARK_BLUE), Color.DarkBlue.html()) == ("Color [DarkBlue]", "#00008B")
    assert str(Color.from_argb(1, 2, 3)) == "Color [A=255, R=1, G=2, B=3]"
    assert (Color.from_argb(1, 2, 3).name, Color.EMPTY.html()) == ("ff010203", "")
