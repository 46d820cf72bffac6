"""Plots of an algorithm."""

from datetime import datetime

import pytest

from engine.api.algorithm_charts import RESERVED_SERIES, ChartsMixin
from engine.market.data import TradeBar


class Plotter(ChartsMixin):
    def __init__(self):
        self._qc_set_up_charts()
        self.utc_time_naive = datetime(2020, 1, 2)


def test_a_value_lands_in_its_series():
    plotter = Plotter()
    plotter.plot("Mine", "Value", 1.5)
    point = plotter._qc_charts["Mine"].series["Value"].values[0]
    assert float(point.value) == 1.5


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
