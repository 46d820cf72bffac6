"""Charts, series and their points, shaped as LEAN writes them into its result files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, smart_rounding, to_decimal, to_double
from engine.common.enums import ChartType, ScatterMarkerSymbol, SeriesType
from engine.common.naming import DirectObject
from engine.common.net_exceptions import DuplicateNameException

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)


def unix_time(time: datetime) -> int:
    """Seconds since 1970 of a naive UTC time, rounded half to even."""
    return round((time - _EPOCH) / _SECOND)


@dataclass(slots=True)
class ChartPoint(DirectObject):
    """One value of a series; time UTC, value rounded to seven significant digits."""

    time: datetime
    y_exact: Decimal | None

    @property
    def y(self) -> float | None:
        """The value; None for a gap."""
        return None if self.y_exact is None else to_double(self.y_exact)

    @property
    def x(self) -> int:
        """The time in seconds since 1970."""
        return unix_time(self.time)

    @classmethod
    def of(cls, time: datetime, value: Any) -> ChartPoint:
        """Make a point from any finite number; NaN and infinities become gaps."""
        if isinstance(value, float) and not math.isfinite(value):
            return cls(time, None)
        return cls(time, smart_rounding(value if type(value) is Decimal else to_decimal(value)))

    @property
    def value(self) -> Decimal:
        """The value; zero for a gap."""
        return ZERO if self.y_exact is None else self.y_exact

    def as_json(self, kind: SeriesType) -> Any:
        """Return ``[unix, y]``; scatter series hold objects."""
        y = None if self.y_exact is None else _number(self.y_exact)
        if kind == SeriesType.SCATTER:
            return {"x": unix_time(self.time), "y": y}
        return [unix_time(self.time), y]


@dataclass(slots=True)
class Candlestick(DirectObject):
    """Open, high, low and close up to a UTC time."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @classmethod
    def of(cls, time: datetime, open: Any, high: Any, low: Any, close: Any) -> Candlestick:
        """Make a candle with LEAN's rounding of charted numbers."""
        first = smart_rounding(to_decimal(open))
        if open is high and open is low and open is close:
            return cls(time, first, first, first, first)
        return cls(time, first, *(smart_rounding(to_decimal(v)) for v in (high, low, close)))

    @property
    def value(self) -> Decimal:
        """The close."""
        return self.close

    def as_json(self, kind: SeriesType) -> Any:
        """Return ``[unix, open, high, low, close]``."""
        prices = (self.open, self.high, self.low, self.close)
        return [unix_time(self.time), *(_number(price) for price in prices)]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


class Series(DirectObject):
    """Points of one line, bar, scatter or candle series.

    LEAN's constructors are understood: ``Series(name)``, ``Series(name, type, index)``,
    ``Series(name, type, unit)``, ``Series(name, type, index, unit)`` and
    ``Series(name, type, unit, color[, symbol])``.
    """

    def __init__(self, name: str, type: SeriesType = SeriesType.LINE, *rest: Any, **named: Any):
        self.name = name
        self.series_type = SeriesType(type)
        self.index = 0
        self.unit = "$"
        self.color: Any = ""
        self.scatter_marker_symbol = ScatterMarkerSymbol.NONE
        self.z_index: int | None = None
        self.index_name: str | None = None
        self.tooltip: str | None = None
        self.values: list[Any] = []
        for position, value in enumerate(rest):
            if isinstance(value, ScatterMarkerSymbol):
                self.scatter_marker_symbol = value
            elif isinstance(value, int):
                self.index = value
            elif isinstance(value, str) and position < 2:
                self.unit = value
            else:
                self.color = value
        for key, value in named.items():
            target = {"symbol": "scatter_marker_symbol"}.get(key, key)
            if not hasattr(self, target):
                raise ValueError(f"Series has no field {key!r}; received {value!r}")
            setattr(self, target, value)

    def add_point(self, time: Any, *values: Any) -> None:
        """Add a point; one at the last point's time replaces it."""
        point = time if not values else self._point(time, values)
        if self.values and self.values[-1].time == point.time:
            self.values[-1] = point
        else:
            self.values.append(point)

    def _point(self, time: datetime, values: tuple[Any, ...]) -> Any:
        if self.series_type == SeriesType.CANDLE:
            if len(values) == 1:
                values = values * 4
            return Candlestick.of(time, *values)
        return ChartPoint.of(time, values[0])

    def empty_copy(self) -> Series:
        """Return a series of the same look without points."""
        copy = Series.__new__(Series)
        copy.__dict__.update(self.__dict__)
        copy.values = []
        return copy

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
        points = self.values
        if self.series_type == SeriesType.PIE and points:
            total = sum((point.value for point in points), ZERO)
            points = [ChartPoint(points[-1].time, total)]
        result["values"] = [point.as_json(self.series_type) for point in points]
        if self.series_type != SeriesType.CANDLE:
            result["color"] = _color_text(self.color)
            marker = self.scatter_marker_symbol.name.lower().replace("_", "-")
            result["scatterMarkerSymbol"] = marker
        return result


class CandlestickSeries(Series):
    """A series of candles."""

    def __init__(self, name: str, index: int | str = 0, unit: str = "$"):
        position, unit = (0, index) if isinstance(index, str) else (index, unit)
        super().__init__(name, SeriesType.CANDLE, position, unit)


class Color(DirectObject):
    """A colour of a series: a name or RGB."""

    def __init__(self, red: int, green: int, blue: int):
        self.red, self.green, self.blue = red, green, blue

    @staticmethod
    def from_argb(*channels: int) -> Color:
        """Make a colour from (alpha,) red, green, blue."""
        return Color(*channels[-3:])

    def __str__(self) -> str:
        return f"#{self.red:02X}{self.green:02X}{self.blue:02X}"


_NAMED_COLORS = {
    "RED": (255, 0, 0), "GREEN": (0, 128, 0), "BLUE": (0, 0, 255), "ORANGE": (255, 165, 0),
    "BLACK": (0, 0, 0), "WHITE": (255, 255, 255), "GRAY": (128, 128, 128),
    "YELLOW": (255, 255, 0), "PURPLE": (128, 0, 128), "CYAN": (0, 255, 255),
    "MAGENTA": (255, 0, 255), "BROWN": (165, 42, 42), "PINK": (255, 192, 203),
    "DARK_GRAY": (169, 169, 169), "LIGHT_GRAY": (211, 211, 211), "LIME": (0, 255, 0),
    "DARK_GREEN": (0, 100, 0), "DARK_BLUE": (0, 0, 139), "DARK_RED": (139, 0, 0),
    "CRIMSON": (220, 20, 60), "GOLD": (255, 215, 0), "NAVY": (0, 0, 128), "TEAL": (0, 128, 128),
}  # fmt: skip
for _name, _channels in _NAMED_COLORS.items():
    setattr(Color, _name, Color(*_channels))
    setattr(Color, "".join(word.title() for word in _name.split("_")), Color(*_channels))


def _color_text(color: Any) -> str:
    return str(color) if isinstance(color, Color | str) else ""


class Chart(DirectObject):
    """A named set of series."""

    def __init__(self, name: str = "", symbol: Any = None, *, type: Any = None):
        self.name = name
        # LEAN's older call has the chart's type there.
        older = isinstance(symbol, ChartType)
        self.symbol = None if older else symbol
        self.chart_type = symbol if older else ChartType.OVERLAY if type is None else type
        self.series: dict[str, Series] = {}
        self.legend_disabled = False

    def add_series(self, series: Series) -> None:
        """Add a series.

        Raises:
            DuplicateNameException: if the chart has a series of that name.
        """
        if series.name in self.series:
            raise DuplicateNameException("Chart.AddSeries(): $Chart series name already exists")
        self.series[series.name] = series

    def try_add_and_get_series(self, name: str, template: Series) -> Series:
        """Return the series of a name, made like ``template`` if there is none."""
        found = self.series.get(name)
        if found is None:
            found = self.series[name] = template.empty_copy()
            found.name = name
        return found

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


def add_samples(charts: dict[str, Chart], updates: Iterable[Chart]) -> None:
    """Append the points of ``updates`` to the charts of the same names and empty the updates."""
    for update in updates:
        chart = charts.get(update.name)
        if chart is None:
            chart = charts[update.name] = Chart(update.name, update.symbol)
            chart.legend_disabled, chart.chart_type = update.legend_disabled, update.chart_type
        for series in update.series.values():
            target = chart.try_add_and_get_series(series.name, series)
            for point in series.values:
                target.add_point(point)
            series.values = []
