"""Charts, series and their points, shaped as LEAN writes them into its result files."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import round_trip_time
from engine.common.colors import Color
from engine.common.decimals import ZERO, ExactNumber, smart_rounding, text, to_decimal
from engine.common.enums import ChartType, ScatterMarkerSymbol, SeriesType
from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException, DuplicateNameException
from engine.common.pairs import PairsDict

_new: Callable[[Any], Any] = object.__new__
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)


def unix_time(time: datetime) -> int:
    """Seconds since 1970 of a naive UTC time, rounded half to even."""
    return round((time - _EPOCH) / _SECOND)


def _moment(time: datetime | int) -> datetime:
    return time if isinstance(time, datetime) else _EPOCH + time * _SECOND


def _shown(value: Decimal | None) -> str:
    return "" if value is None else text(value)


class _Rounded(ExactNumber):
    """A charted number: rounded to seven significant digits; None for a gap."""

    def __set__(self, instance: Any, value: Any) -> None:
        exact = None if value is None else smart_rounding(to_decimal(value))
        setattr(instance, self.slot, exact)


class SeriesPoint(DirectObject):
    """What a series holds: something at a time (UTC)."""

    __slots__ = ("time",)
    lean_name = "ISeriesPoint"

    time: datetime

    def clone(self) -> Any:
        """Copy the point."""
        return copy.copy(self)


class ChartPoint(SeriesPoint):
    """One value of a series: (time, y), with the time in seconds since 1970 too, or (point).

    Attributes:
        time: UTC.
        x: the time in seconds since 1970.
        y: the value, rounded to seven significant digits; None for a gap.
    """

    __slots__ = ("y_exact",)
    y_exact: Decimal | None

    y = _Rounded()

    def __init__(self, time: Any = 0, y: Any = None, *, value: Any = None) -> None:
        if isinstance(time, ChartPoint):
            time, y = time.time, time.y_exact
        self.time = _moment(time)
        self.y = y if value is None else value

    @classmethod
    def of(cls, time: datetime, value: Any) -> ChartPoint:
        """Make a point from any finite number; NaN and infinities become gaps."""
        if isinstance(value, float) and not math.isfinite(value):
            return cls.exactly(time, None)
        exact = value if type(value) is Decimal else to_decimal(value)
        return cls.exactly(time, smart_rounding(exact))

    @classmethod
    def exactly(cls, time: datetime, y: Decimal | None) -> ChartPoint:
        """Make a point of a number that is not rounded any more."""
        point: ChartPoint = _new(cls)
        point.time, point.y_exact = time, y
        return point

    @property
    def x(self) -> int:
        """The time in seconds since 1970."""
        return unix_time(self.time)

    @x.setter
    def x(self, x: int) -> None:
        self.time = _moment(x)

    @property
    def value(self) -> Decimal:
        """The value; zero for a gap."""
        return ZERO if self.y_exact is None else self.y_exact

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ChartPoint)
            and self.time == other.time
            and self.y_exact == other.y_exact
        )

    def __hash__(self) -> int:
        return hash((self.time, self.y_exact))

    def __str__(self) -> str:
        return f"{round_trip_time(self.time)} - {_shown(self.y_exact)}"

    def as_json(self) -> Any:
        """Return ``[unix, y]``."""
        return [unix_time(self.time), None if self.y_exact is None else _number(self.y_exact)]


class ScatterChartPoint(ChartPoint):
    """A point with a text that is shown beside it."""

    __slots__ = ("tooltip",)

    def __init__(self, time: Any = 0, value: Any = None, tooltip: str | None = None) -> None:
        super().__init__(time, value)
        self.tooltip = tooltip

    @classmethod
    def exactly(cls, time: datetime, y: Decimal | None) -> ScatterChartPoint:
        """Make a point of a number that is not rounded any more, without a text."""
        point = cls.__new__(cls)
        point.time, point.y_exact, point.tooltip = time, y, None
        return point

    def as_json(self) -> Any:
        """Return the point as an object."""
        x, y = super().as_json()
        return {"x": x, "y": y} | ({} if self.tooltip is None else {"tooltip": self.tooltip})


class Candlestick(SeriesPoint):
    """Open, high, low and close up to a UTC time, rounded to seven significant digits.

    (time, open, high, low, close), with the time in seconds since 1970 too, (bar), (time, bar) or
    (candlestick).
    """

    __slots__ = ("_opened", "close_exact", "high_exact", "low_exact", "open_exact")
    open_exact: Decimal | None
    high_exact: Decimal | None
    low_exact: Decimal | None
    close_exact: Decimal | None

    open = _Rounded()
    high = _Rounded()
    low = _Rounded()
    close = _Rounded()

    def __init__(
        self,
        time: Any = datetime.min,
        open: Any = None,
        high: Any = None,
        low: Any = None,
        close: Any = None,
        *,
        bar: Any = None,
    ) -> None:
        if hasattr(time, "open_exact"):
            bar, time = time, time.time if isinstance(time, Candlestick) else time.end_time
        elif hasattr(open, "open_exact"):
            bar = open
        if bar is not None:
            open, high, low, close = bar.open_exact, bar.high_exact, bar.low_exact, bar.close_exact
        self.time = _moment(time)
        self.open, self.high, self.low, self.close = open, high, low, close
        self._opened = False

    @classmethod
    def of(cls, time: datetime, open: Any, high: Any, low: Any, close: Any) -> Candlestick:
        """Make a candle of four exact numbers, faster where all are one object."""
        candle = cls.__new__(cls)
        candle.time, candle._opened = time, False
        candle.open_exact = smart_rounding(open)
        if open is high and open is low and open is close:
            candle.high_exact = candle.low_exact = candle.close_exact = candle.open_exact
        else:
            candle.high_exact = smart_rounding(high)
            candle.low_exact = smart_rounding(low)
            candle.close_exact = smart_rounding(close)
        return candle

    @property
    def long_time(self) -> int:
        """The time in seconds since 1970."""
        return unix_time(self.time)

    def update(self, value: Any) -> None:
        """Take a further value in; as in LEAN the first one replaces whatever was there."""
        if value is None:
            return
        exact = to_decimal(value)
        if not self._opened:
            self.open = self.high = self.low = exact
            self._opened = True
        elif self.high_exact is not None and exact > self.high_exact:
            self.high = exact
        elif self.low_exact is not None and exact < self.low_exact:
            self.low = exact
        self.close = exact

    @property
    def value(self) -> Decimal:
        """The close; zero for a gap."""
        return ZERO if self.close_exact is None else self.close_exact

    def __str__(self) -> str:
        prices = (self.open_exact, self.high_exact, self.low_exact, self.close_exact)
        o, h, l, c = map(_shown, prices)  # noqa: E741 - as LEAN names them
        return f"{round_trip_time(self.time)} - (O:{o} H: {h} L: {l} C: {c})"

    def as_json(self) -> Any:
        """Return ``[unix, open, high, low, close]``."""
        prices = (self.open_exact, self.high_exact, self.low_exact, self.close_exact)
        return [unix_time(self.time), *(None if p is None else _number(p) for p in prices)]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


class BaseSeries(DirectObject):
    """Points of one line, bar, scatter or candle series.

    Attributes:
        name, unit: as shown.
        index: of the pane of the chart.
        values: the points.
    """

    def __init__(
        self,
        name: str | None = None,
        series_type: SeriesType = SeriesType.LINE,
        index: int = 0,
        unit: str = "$",
    ) -> None:
        self.name: Any = name
        self.series_type = SeriesType(series_type)
        self.index = index
        self.unit = unit
        self.z_index: int | None = None
        self.index_name: str | None = None
        self.tooltip: str | None = None
        self.values: list[Any] = []
        self._told = 0

    @staticmethod
    def create(
        series_type: SeriesType, name: str, index: int = 0, unit: str = "$"
    ) -> Series | CandlestickSeries:
        """Make a series for points of a kind."""
        if series_type == SeriesType.CANDLE:
            return CandlestickSeries(name, index, unit)
        return Series(name, series_type, index, unit)

    def _add(self, point: Any) -> None:
        if self.values and self.values[-1].time == point.time:
            self.values[-1] = point
        else:
            self.values.append(point)

    def get_updates(self) -> Any:
        """A series of the points since the last call.

        As in LEAN one that has replaced a point that was told of already is not among them.
        """
        updates = self.clone(True)
        updates.values = self.values[self._told :]
        self._told = len(self.values)
        return updates

    def get_values(self) -> list[Any]:
        """The points."""
        return list(self.values)

    def purge(self) -> None:
        """Forget all points."""
        self.values.clear()
        self._told = 0

    def clone(self, empty: bool = False) -> Any:
        """Copy the series, without its points if wanted."""
        copied = copy.copy(self)
        copied.values = [] if empty else [point.clone() for point in self.values]
        copied._told = 0
        return copied

    def _look(self) -> dict[str, Any]:
        """What may follow the points in LEAN's JSON."""
        return {}

    def _shown_points(self) -> list[Any]:
        return self.values

    def as_json(self) -> dict[str, Any]:
        """Return LEAN's JSON of a series."""
        result: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "index": self.index,
            "seriesType": int(self.series_type),
        }
        for key, value in (
            ("zIndex", self.z_index),
            ("indexName", self.index_name),
            ("tooltip", self.tooltip),
        ):
            if value is not None:
                result[key] = value
        result["values"] = [point.as_json() for point in self._shown_points()]
        return result | self._look()


class Series(BaseSeries):
    """Single values.

    LEAN's constructors are understood: ``Series(name)``, ``Series(name, type, index)``,
    ``Series(name, type, unit)``, ``Series(name, type, index, unit)`` and
    ``Series(name, type, unit, color[, symbol])``.
    """

    def __init__(
        self,
        name: str | None = None,
        type: SeriesType = SeriesType.LINE,
        *rest: Any,
        index: int = 0,
        unit: str = "$",
        color: Any = Color.EMPTY,
        symbol: ScatterMarkerSymbol = ScatterMarkerSymbol.NONE,
    ) -> None:
        for position, value in enumerate(rest):
            if isinstance(value, ScatterMarkerSymbol):
                symbol = value
            elif isinstance(value, int):
                index = value
            elif isinstance(value, str) and position < 2:
                unit = value
            else:
                color = value
        super().__init__(name, type, index, unit)
        self.color: Any = color
        self.scatter_marker_symbol = symbol

    def add_point(self, time: Any, values: Any = None, *, value: Any = None) -> None:
        """Add (point), (time, value) or (time, [value]); one at the last point's time replaces it.

        Raises:
            ArgumentException: for candles, or several values.
        """
        values = value if values is None else values
        if values is None:
            if not isinstance(time, ChartPoint):
                raise ArgumentException("Series.AddPoint requires a ChartPoint object")
            self._add(time)
            return
        if isinstance(values, list | tuple):
            if len(values) > 1:
                raise ArgumentException("Series.AddPoint requires a single value")
            values = values[0] if values else ZERO
        scattered = self.series_type == SeriesType.SCATTER
        self._add((ScatterChartPoint if scattered else ChartPoint).of(time, values))

    def consolidate_chart_points(self) -> ChartPoint | None:
        """One point: the sum at the last time; None without points."""
        if not self.values:
            return None
        return ChartPoint(self.values[-1].time, sum((p.value for p in self.values), ZERO))

    def _shown_points(self) -> list[Any]:
        if self.series_type == SeriesType.PIE and self.values:
            return [self.consolidate_chart_points()]
        return self.values

    def _look(self) -> dict[str, Any]:
        return {
            "color": self.color.html() if isinstance(self.color, Color) else self.color,
            "scatterMarkerSymbol": self.scatter_marker_symbol.name.lower().replace("_", "-"),
        }


class CandlestickSeries(BaseSeries):
    """Candles: (name[, index][, unit])."""

    def __init__(self, name: str | None = None, index: int | str = 0, unit: str = "$") -> None:
        position, unit = (0, index) if isinstance(index, str) else (index, unit)
        super().__init__(name, SeriesType.CANDLE, position, unit)

    def add_point(self, time: Any, *prices: Any) -> None:
        """Add (candlestick), (bar), (time, open, high, low, close) or (time, [these]).

        Raises:
            ArgumentException: for a single value.
        """
        if len(prices) == 1 and isinstance(prices[0], list | tuple):
            prices = tuple(prices[0])
            if len(prices) != 4:
                raise ArgumentException(
                    "CandlestickSeries.AddPoint requires 4 values (open, high, low, close)"
                )
        if not prices and not hasattr(time, "open_exact"):
            raise ArgumentException("CandlestickSeries.AddPoint requires a Candlestick object")
        self._add(time if isinstance(time, Candlestick) else Candlestick(time, *prices))

    def consolidate_chart_points(self) -> Candlestick | None:
        """One candle: the sums at the last time; None without candles."""
        if not self.values:
            return None
        sums: list[Decimal | None] = []
        for name in ("open_exact", "high_exact", "low_exact", "close_exact"):
            prices = [p for p in (getattr(candle, name) for candle in self.values) if p is not None]
            sums.append(sum(prices, ZERO) if prices else None)
        return Candlestick(self.values[-1].time, *sums)


class Chart(DirectObject):
    """A named set of series."""

    def __init__(self, name: str = "", symbol: Any = None, *, type: Any = None) -> None:
        self.name = name
        # LEAN's older call has the chart's type there.
        older = isinstance(symbol, ChartType)
        self.symbol = None if older else symbol
        self.chart_type = symbol if older else ChartType.OVERLAY if type is None else type
        self.series: PairsDict = PairsDict()
        self.legend_disabled = False

    def add_series(self, series: BaseSeries) -> None:
        """Add a series.

        Raises:
            DuplicateNameException: if the chart has a series of that name.
        """
        if series.name in self.series:
            raise DuplicateNameException("Chart.AddSeries(): $Chart series name already exists")
        self.series[series.name] = series

    def try_add_and_get_series(
        self, name: str, template_series: Any, force_add_new: bool = False
    ) -> Any:
        """Return the series of a name, made like another if there is none or a new one is wanted.

        The name of one that is made is the other's, as in LEAN.
        """
        found = self.series.get(name)
        if found is None or force_add_new:
            found = self.series[name] = template_series.clone(True)
        return found

    def get_updates(self) -> Chart:
        """A chart of the points since the last call."""
        return self._copied(BaseSeries.get_updates)

    def clone(self) -> Chart:
        """Copy the chart and its points."""
        return self._copied(BaseSeries.clone)

    def clone_empty(self) -> Chart:
        """A chart of the same name without series."""
        return self._copied(None)

    def _copied(self, copied: Callable[[Any], Any] | None) -> Chart:
        chart = Chart(self.name, self.symbol)
        chart.legend_disabled = self.legend_disabled
        if copied is not None:
            for name, series in self.series.items():
                chart.series[name] = copied(series)
        return chart

    def as_json(self) -> dict[str, Any]:
        """Return LEAN's JSON of a chart."""
        result: dict[str, Any] = {
            "name": self.name,
            "chartType": int(self.chart_type),
            "series": {name: series.as_json() for name, series in self.series.items()},
        }
        if self.legend_disabled:
            result["legendDisabled"] = True
        return result


class PlotCollector:
    """Takes an algorithm's own plots over into the charts of its results, as many as LEAN does.

    Args:
        tell: told once that there are too many series, and of each series with too many points.
        limited: False for live trading, which takes all.
    """

    LARGEST_SERIES = 30
    LARGEST_POINTS = 1_000_000

    def __init__(self, tell: Callable[[str], None], limited: bool = True) -> None:
        self._tell, self._limited = tell, limited
        self._names: set[str] = set()
        self._complaints: set[str] = set()

    def add(self, charts: dict[str, Chart], updates: Iterable[Chart]) -> None:
        """Append the points of updates to the charts of the same names."""
        for update in updates:
            chart = charts.get(update.name)
            if chart is None:
                chart = charts[update.name] = Chart(update.name)
            for series in update.series.values():
                if self._takes(series) and series.values:
                    self._append(chart, series)

    def _takes(self, series: BaseSeries) -> bool:
        """Whether a series is among the first; series of one name in several charts are one."""
        if not self._limited or len(self._names) < self.LARGEST_SERIES:
            self._names.add(series.name)
            return True
        if series.name in self._names:
            return True
        self._complain(
            "series",
            "Exceeded maximum chart series count, new series will be ignored. Limit is currently "
            f"set at {self.LARGEST_SERIES}.",
        )
        return False

    def _append(self, chart: Chart, series: Any) -> None:
        target = chart.try_add_and_get_series(series.name, series)
        if series.series_type == SeriesType.PIE:
            target.add_point(series.consolidate_chart_points())
        elif not self._limited or len(target.values) + len(series.values) <= self.LARGEST_POINTS:
            target.values.extend(series.values)
        else:
            self._complain(
                chart.name + series.name,
                "Exceeded maximum data points per series, chart update skipped. Chart Name "
                f"{chart.name}. Series name {series.name}. Limit is currently set at "
                f"{self.LARGEST_POINTS}",
            )

    def _complain(self, subject: str, message: str) -> None:
        if subject not in self._complaints:
            self._complaints.add(subject)
            self._tell(message)
