"""Turning points: pivots and the zigzag through them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import LeanEnum
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import (
    BarIndicator,
    Event,
    default_name,
    ready_with,
    with_signature_of,
)
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Identity
from engine.market.data import BaseData


class PivotPointType(LeanEnum):
    """Kinds of pivot points."""

    LOW = -1
    NONE = 0
    HIGH = 1
    BOTH = 2


class PivotPoint(BaseData):
    """A bar whose high or low stands out: its price (``value``) and time."""

    def __init__(self, type: PivotPointType, price: Any, time: Any) -> None:
        super().__init__(None, time, price)
        self.pivot_point_type = type


class PivotPointsEventArgs(LeanObject):
    """What the event of a new pivot point hands over."""

    def __init__(self, pivot_point: PivotPoint) -> None:
        self.pivot_point = pivot_point


_PIVOT_COUNTS = ("surrounding_bars_count_for_high_point", "surrounding_bars_count_for_low_point")


class PivotPointsHighLow(BarIndicator):
    """Bars whose highs (lows) lie above (below) those of the bars around; the value is the kind.

    LEAN's constructors: ``(surrounding_bars_count, last_stored_values)`` and ``([name,]
    for_high_point, for_low_point, last_stored_values, strict)``.

    Attributes:
        new_pivot_point_formed: event; handlers receive (indicator, arguments with `pivot_point`).
    """

    is_ready = ready_with("_highs", "_lows")

    def _begin(
        self,
        name: str | None = None,
        surrounding_bars_count: int | None = None,
        surrounding_bars_count_for_high_point: int | None = None,
        surrounding_bars_count_for_low_point: int | None = None,
        last_stored_values: int = 100,
        strict: bool = True,
    ) -> None:
        sides = (surrounding_bars_count_for_high_point, surrounding_bars_count_for_low_point)
        high, low = (surrounding_bars_count if side is None else side for side in sides)
        if high is None or low is None:
            raise ArgumentException("PivotPointsHighLow needs surrounding_bars_count")
        shown = str(high) if surrounding_bars_count is not None else f"{high},{low}"
        super().__init__(f"PivotPointsHighLow({shown})" if name is None else name)
        self._strict = strict
        self._high_place, self._low_place = high, low
        self._highs: RollingWindow[Any] = self._own(RollingWindow(2 * high + 1))
        self._lows: RollingWindow[Any] = self._own(RollingWindow(2 * low + 1))
        self._pivots: RollingWindow[PivotPoint] = self._own(RollingWindow(last_stored_values))
        self.new_pivot_point_formed = Event()
        self.warm_up_period = max(self._highs.size, self._lows.size)

    @with_signature_of(_begin)
    def __init__(self, *args: Any, **keywords: Any) -> None:
        names: tuple[str, ...] = ("name", *_PIVOT_COUNTS, "last_stored_values", "strict")
        if args and not isinstance(args[0], str):
            # With a number and no more than another, LEAN takes the count of both sides.
            names = names[1:] if len(args) > 2 else ("surrounding_bars_count", "last_stored_values")
            if len(args) == 2 and "last_stored_values" in keywords:
                names = _PIVOT_COUNTS
        self._begin(**dict(zip(names, args, strict=False)), **keywords)

    def _compute(self, point: Any) -> Decimal:
        self._highs.add(point)
        self._lows.add(point)
        found = 0
        if self._highs.is_ready:
            found += self._look(self._highs, self._high_place, PivotPointType.HIGH)
        is_low = self._lows.is_ready and self._look(self._lows, self._low_place, PivotPointType.LOW)
        if is_low:
            return Decimal(PivotPointType.BOTH if found else PivotPointType.LOW)
        return Decimal(found)

    def _look(self, window: RollingWindow[Any], place: int, kind: PivotPointType) -> bool:
        sign, name = (1, "high_exact") if kind == PivotPointType.HIGH else (-1, "low_exact")
        bars = list(window)
        best = sign * getattr(bars[place], name)
        others = [sign * getattr(bar, name) for i, bar in enumerate(bars) if i != place]
        if not all(other < best if self._strict else other <= best for other in others):
            return False
        pivot = PivotPoint(kind, sign * best, bars[place].end_time)
        self._pivots.add(pivot)
        self.new_pivot_point_formed(self, PivotPointsEventArgs(pivot))
        return True

    def _of_type(self, kind: PivotPointType) -> list[PivotPoint]:
        return [pivot for pivot in self._pivots if pivot.pivot_point_type == kind]

    def get_high_pivot_points_array(self) -> list[PivotPoint]:
        """The high ones, the newest first."""
        return self._of_type(PivotPointType.HIGH)

    def get_low_pivot_points_array(self) -> list[PivotPoint]:
        """The low ones, the newest first."""
        return self._of_type(PivotPointType.LOW)

    def get_all_pivot_points_array(self) -> list[PivotPoint]:
        """All, the newest first."""
        return list(self._pivots)


class ZigZag(BarIndicator):
    """The last turning point after which prices moved far enough.

    Attributes:
        high_pivot, low_pivot: the last high and low one.
        pivot_type: whether the one before was high or low.
    """

    @default_name("ZZ({sensitivity},{min_trend_length})")
    def __init__(
        self, name: str, sensitivity: Any = Decimal("0.05"), min_trend_length: int = 1
    ) -> None:
        super().__init__(name)
        self._share = to_decimal(sensitivity)
        if not 0 < self._share < 1:
            raise ArgumentException(f"sensitivity must lie between 0 and 1; received {sensitivity}")
        if min_trend_length < 1:
            raise ArgumentException(
                f"min_trend_length must be at least 1; received {min_trend_length}"
            )
        self._length = min_trend_length
        self.warm_up_period = min_trend_length + 1
        self.high_pivot = self._own(Identity(name + "_HighPivot"))
        self.low_pivot = self._own(Identity(name + "_LowPivot"))
        self._count, self._was_low = 0, False
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after the least length of a trend."""
        return self.samples > self._length

    def _restart(self) -> None:
        self._pivot: Any = None
        self.pivot_type = PivotPointType.LOW

    def _compute(self, point: Any) -> Decimal:
        pivot = self._pivot
        if pivot is None:
            self._turn(point, True)
            return ZERO
        may_turn = self._count >= self._length
        if self._was_low:
            value = pivot.low_exact
            if point.high_exact >= pivot.low_exact * (1 + self._share) and may_turn:
                self._turn(point, False)
                value = self.high_pivot.current.value_exact
            elif point.low_exact <= pivot.low_exact:
                self._turn(point, True)
                value = self.low_pivot.current.value_exact
        else:
            value = pivot.high_exact
            if point.low_exact <= pivot.high_exact * (1 - self._share) and may_turn:
                self._turn(point, True)
                value = self.low_pivot.current.value_exact
            elif point.high_exact >= pivot.high_exact:
                self._turn(point, False)
                value = self.high_pivot.current.value_exact
        self._count += 1
        return value

    def _turn(self, point: Any, to_low: bool) -> None:
        self._pivot, self._count = point, 0
        if to_low:
            self.low_pivot.update(point.end_time, point.low_exact)
        else:
            self.high_pivot.update(point.end_time, point.high_exact)
        self.pivot_type = PivotPointType.HIGH if self._was_low else PivotPointType.LOW
        self._was_low = to_low
