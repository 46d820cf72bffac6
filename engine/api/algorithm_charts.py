"""The charts part of QCAlgorithm: plots and statistics of one's own."""

from __future__ import annotations

from typing import Any

from engine.common.charting import BaseSeries, CandlestickSeries, Chart, Series
from engine.common.decimals import cast_double
from engine.common.enums import SeriesType
from engine.common.net_exceptions import ArgumentException, InvalidCastException
from engine.indicators.base import IndicatorBase
from engine.market.data import TradeBar
from engine.statistics.sampling import STRATEGY_EQUITY

RESERVED_SERIES: dict[str, frozenset[str]] = {
    "Strategy Equity": frozenset({"Equity", "Return"}),
    "Capacity": frozenset({"Strategy Capacity"}),
    "Drawdown": frozenset({"Equity Drawdown"}),
    "Benchmark": frozenset({"Benchmark"}),
    "Assets Sales Volume": frozenset(),
    "Exposure": frozenset(),
    "Portfolio Margin": frozenset(),
    "Portfolio Turnover": frozenset({"Portfolio Turnover"}),
}
"""Series that LEAN keeps to itself, by chart; a chart without names is wholly its own."""


class ChartsMixin:
    """Charts of an algorithm."""

    def _qc_set_up_charts(self: Any) -> None:
        self._qc_charts: dict[str, Chart] = {}

    def add_chart(self: Any, chart: Chart) -> None:
        """Declare a chart and its series; the first of a name stays."""
        self._qc_charts.setdefault(chart.name, chart)

    def add_series(
        self: Any, chart: str, series: str, series_type: Any = SeriesType.LINE, unit: str = "$"
    ) -> None:
        """Declare a series, in place of one of its name."""
        where = self._qc_charts.setdefault(chart, Chart(chart))
        where.series[series] = BaseSeries.create(series_type, series, unit=unit)

    def _qc_series(self: Any, chart: str, name: str, kind: type[Any]) -> Any:
        """The series of a name, made if there is none.

        Raises:
            ArgumentException: if LEAN keeps the name to itself.
            InvalidCastException: if the series holds points of another kind.
        """
        reserved = RESERVED_SERIES.get(chart)
        if reserved is not None and not reserved:
            raise ArgumentException(f"'{chart}' is a reserved chart name.")
        if reserved and name in reserved:
            raise ArgumentException(f"'{name}' is a reserved series name for chart '{chart}'.")
        held = self._qc_charts.get(chart)
        if held is None:
            held = self._qc_charts[chart] = Chart(chart)
        series = held.series.get(name)
        if series is None:
            series = held.series[name] = kind(name)
        if not isinstance(series, kind):
            raise InvalidCastException(
                f"Unable to cast object of type 'QuantConnect.{type(series).__name__}' to type "
                f"'QuantConnect.{kind.__name__}'."
            )
        return series

    def plot(
        self: Any,
        *arguments: Any,
        chart: str | None = None,
        series: str | None = None,
        value: Any = None,
        bar: TradeBar | None = None,
        open: Any = None,
        high: Any = None,
        low: Any = None,
        close: Any = None,
        first: Any = None,
        second: Any = None,
        third: Any = None,
        fourth: Any = None,
        py_object: Any = None,
    ) -> None:
        """Plot a value, a candle or indicators.

        Args:
            arguments: (series, value), (chart, series, value), (chart, series, open, high, low,
                close), (chart, series, bar) or (chart, indicators...). Without a chart the series
                joins LEAN's own equity chart.
            chart: name of the chart.
            series: name of the series.
            value: a number, or an indicator for its present value.
            bar: plotted as a candle.
            open: of a candle.
            high: of a candle.
            low: of a candle.
            close: of a candle.
            first: an indicator, plotted under its name, like the following ones.
            second: another.
            third: another.
            fourth: another.
            py_object: LEAN's name for whatever can be plotted.

        Raises:
            TypeError: if the arguments are none of these.
        """
        named = (value, bar, open, high, low, close, first, second, third, fourth, py_object)
        values = [one for one in (chart,) if one is not None] + list(arguments)
        values += [one for one in (series, *named) if one is not None]
        if len(values) < 2 or not isinstance(values[0], str):
            raise TypeError(f"plot takes (chart, series, value); received {values}")
        if not isinstance(values[1], str | IndicatorBase):
            values.insert(0, STRATEGY_EQUITY)
        where = values.pop(0)
        if all(isinstance(one, IndicatorBase) for one in values):
            for indicator in values:
                self._qc_plot_value(where, indicator.name, [indicator.current.value_exact])
            return
        name = values.pop(0)
        if len(values) == 1 and isinstance(values[0], TradeBar):
            candle = values[0]
            values = [candle.open_exact, candle.high_exact, candle.low_exact, candle.close_exact]
        numbers = [getattr(v, "current", v) if isinstance(v, IndicatorBase) else v for v in values]
        if len(numbers) not in (1, 4):
            raise TypeError(f"plot takes one value or open, high, low, close; received {values}")
        self._qc_plot_value(where, name, numbers)

    def _qc_plot_value(self: Any, chart: str, name: str, values: list[Any]) -> None:
        # What is not finite cannot be cast, and stops the run as in LEAN.
        numbers = [cast_double(getattr(value, "value", value)) for value in values]
        series = self._qc_series(chart, name, CandlestickSeries if len(numbers) == 4 else Series)
        if self.live_mode and self.is_warming_up:
            self._qc_tell_once(
                "Plotting is disabled during algorithm warmup in live trading.", "plots"
            )
            return
        series.add_point(self.utc_time_naive, *numbers)

    def record(self: Any, series: str, value: Any) -> None:
        """LEAN's older name of `plot`."""
        self.plot(series, value)

    def plot_indicator(
        self: Any,
        chart: str,
        *arguments: Any,
        wait_for_ready: bool = False,
        first: Any = None,
        second: Any = None,
        third: Any = None,
        fourth: Any = None,
    ) -> None:
        """Plot indicators whenever they update: (chart, [wait until ready,] indicators...)."""
        values = [*arguments, *(one for one in (first, second, third, fourth) if one is not None)]
        if values and isinstance(values[0], bool):
            wait_for_ready = values.pop(0)
        for indicator in values:

            def plot(sender: Any, point: Any, indicator: Any = indicator) -> None:
                if not wait_for_ready or indicator.is_ready:
                    self._qc_plot_value(chart, indicator.name, [point.value_exact])

            indicator.updated += plot

    def get_chart_updates(self: Any, clear_chart_data: bool = False) -> list[Chart]:
        """All charts with what is new in them; what was told of is forgotten if wanted."""
        updates = []
        for chart in self._qc_charts.values():
            updates.append(chart.get_updates())
            if clear_chart_data:
                for series in chart.series.values():
                    series.purge()
        return updates
