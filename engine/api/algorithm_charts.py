"""The charts part of QCAlgorithm: plots and statistics of one's own."""

from __future__ import annotations

import math
from typing import Any

from engine.common.charting import Chart, Series
from engine.common.enums import SeriesType
from engine.indicators.base import IndicatorBase
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

    def _set_up_charts(self: Any) -> None:
        self._charts: dict[str, Chart] = {}

    def add_chart(self: Any, chart: Chart) -> None:
        """Declare a chart and its series."""
        self._charts[chart.name] = chart

    def add_series(
        self: Any, chart: str, series: str, series_type: Any = SeriesType.LINE, unit: str = "$"
    ) -> None:
        """Declare a series."""
        self._series(chart, series, Series(series, series_type, 0, unit))

    def _series(self: Any, chart: str, name: str, template: Series) -> Series:
        reserved = RESERVED_SERIES.get(chart)
        if reserved is not None and not reserved:
            raise ValueError(f"chart must not be named {chart!r}: LEAN reserves that name")
        if reserved and name in reserved:
            raise ValueError(
                f"series of chart {chart!r} must not be named {name!r}: LEAN reserves that name"
            )
        if chart not in self._charts:
            self._charts[chart] = Chart(chart)
        return self._charts[chart].try_add_and_get_series(name, template)

    def plot(self: Any, *arguments: Any) -> None:
        """Plot a value or a candle.

        (series, value), (chart, series, value), (chart, series, open, high, low, close)
        or (chart, indicator, ...). Without a chart the series joins LEAN's own equity chart.

        Raises:
            ValueError: if the arguments are none of these.
        """
        values = list(arguments)
        if len(values) < 2 or not isinstance(values[0], str):
            raise ValueError(f"plot takes (chart, series, value); received {arguments}")
        if len(values) == 2 and not isinstance(values[1], IndicatorBase):
            values.insert(0, STRATEGY_EQUITY)
        chart = values.pop(0)
        if all(isinstance(value, IndicatorBase) for value in values):
            for indicator in values:
                self._plot_value(chart, indicator.name, [indicator.current.value_exact])
            return
        name = values.pop(0) if isinstance(values[0], str) else chart
        numbers = [getattr(v, "current", v) if isinstance(v, IndicatorBase) else v for v in values]
        if len(numbers) not in (1, 4):
            raise ValueError(f"plot takes one value or open, high, low, close; received {values}")
        self._plot_value(chart, name, numbers)

    def _plot_value(self: Any, chart: str, name: str, values: list[Any]) -> None:
        numbers = [getattr(value, "value", value) for value in values]
        if any(isinstance(n, float) and not math.isfinite(n) for n in numbers):
            return
        kind = SeriesType.CANDLE if len(numbers) == 4 else SeriesType.LINE
        series = self._series(chart, name, Series(name, kind, 0, "$"))
        series.add_point(self.utc_time_naive, *numbers)

    def record(self: Any, *arguments: Any) -> None:
        """LEAN's older name of `plot`."""
        self.plot(*arguments)

    def plot_indicator(self: Any, chart: str, *arguments: Any) -> None:
        """Plot indicators whenever they update: (chart, [wait until ready,] indicators...)."""
        values = list(arguments)
        wait = values.pop(0) if isinstance(values[0], bool) else False
        for indicator in values:

            def plot(sender: Any, point: Any, indicator: Any = indicator) -> None:
                if not wait or indicator.is_ready:
                    self._plot_value(chart, indicator.name, [point.value_exact])

            indicator.updated += plot

    def get_chart_updates(self: Any) -> list[Chart]:
        """All charts; the caller empties their series."""
        return list(self._charts.values())
