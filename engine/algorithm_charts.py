"""The part of QCAlgorithm that plots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from engine.charting import Candlestick, Chart, ChartPoint, Series
from engine.data import TradeBar
from engine.enums import SeriesType
from engine.indicators.base import IndicatorBase

RESERVED = frozenset({"Assets Sales Volume", "Exposure", "Portfolio Margin", "Portfolio Turnover"})
DEFAULT_CHART = "Strategy Equity"


class Field:
    """Selectors of a bar's fields, for indicators that should not use the close."""

    @staticmethod
    def _of(name: str) -> Callable[[Any], Any]:
        def select(bar: Any) -> Any:
            value = getattr(bar, name, None)
            return bar.value_exact if value is None else value

        return select


def _average(*names: str) -> Callable[[Any], Any]:
    def select(bar: Any) -> Any:
        if not hasattr(bar, "high_exact"):
            return bar.value_exact
        return sum(getattr(bar, name) for name in names) / len(names)

    return select


_SELECTORS = {
    "OPEN": Field._of("open_exact"),
    "HIGH": Field._of("high_exact"),
    "LOW": Field._of("low_exact"),
    "CLOSE": Field._of("close_exact"),
    "VOLUME": Field._of("volume_exact"),
    "AVERAGE": _average("open_exact", "high_exact", "low_exact", "close_exact"),
    "MEDIAN": _average("high_exact", "low_exact"),
    "TYPICAL": _average("high_exact", "low_exact", "close_exact"),
    "WEIGHTED": _average("high_exact", "low_exact", "close_exact", "close_exact"),
    "SEVEN_BAR": _average(
        "open_exact", "high_exact", "high_exact", "low_exact", "low_exact", "close_exact",
        "close_exact",
    ),
}  # fmt: skip
for _name, _selector in _SELECTORS.items():
    setattr(Field, _name, staticmethod(_selector))
    setattr(Field, "".join(word.title() for word in _name.split("_")), staticmethod(_selector))


class ChartsMixin:
    """Mixin of QCAlgorithm; needs ``utc_time``.

    The engine takes ``chart_updates()`` whenever the equity is sampled.
    """

    utc_time: datetime
    _own_charts: dict[str, Chart]

    def _set_up_charts(self) -> None:
        self._own_charts = {}

    def chart_updates(self) -> list[Chart]:
        """Charts with the points plotted since the engine took them last."""
        return list(self._own_charts.values())

    def add_chart(self, chart: Chart) -> None:
        """Define a chart and the looks of its series."""
        self._own_charts.setdefault(chart.name, chart)

    def plot(self, *args: Any) -> None:
        """Add a point now.

        ``(series, value)``, ``(chart, series, value)``, ``(chart, series, open, high, low,
        close)``, ``(chart, series, bar)`` or ``(chart, indicator, ...)``.

        Raises:
            ValueError: for a chart name that LEAN keeps for itself.
        """
        if len(args) >= 2 and isinstance(args[1], IndicatorBase):
            for indicator in args[1:]:
                self.plot(args[0], indicator.name, indicator.current.value)
            return
        if len(args) == 2:
            chart_name, (series_name, *values) = DEFAULT_CHART, args
        else:
            chart_name, series_name, *values = args
        if chart_name in RESERVED:
            raise ValueError(f"chart name {chart_name!r} is LEAN's own; choose another")
        value = values[0]
        if isinstance(value, TradeBar):
            values = [value.open, value.high, value.low, value.close]
        elif isinstance(value, IndicatorBase):
            values = [value.current.value]
        kind = SeriesType.CANDLE if len(values) == 4 else SeriesType.LINE
        chart = self._own_charts.setdefault(chart_name, Chart(chart_name))
        series = chart.try_add_and_get_series(series_name, Series(series_name, kind, 0, "$"))
        if len(values) == 4:
            series.add_point(Candlestick.of(self.utc_time, *values))
        else:
            series.add_point(ChartPoint.of(self.utc_time, values[0]))

    def plot_indicator(self, chart: str, *indicators: Any) -> None:
        """Plot indicators whenever they update; with True first, only once they are ready."""
        wait = False
        if indicators and isinstance(indicators[0], bool):
            wait, *rest = indicators
            indicators = tuple(rest)
        for indicator in indicators:

            def draw(source: Any, point: Any, wait: bool = wait) -> None:
                if not wait or source.is_ready:
                    self.plot(chart, source.name, point.value)

            indicator.updated += draw
