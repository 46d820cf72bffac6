"""Consolidators whose bars follow the price or the volume rather than the clock: Renko and range.

A bar's `time` is when it began and its `end_time` the *start* of the point that closed it, as in
LEAN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, ExactNumber, round_half_even, to_decimal, to_double
from engine.common.enums import LeanEnum
from engine.common.net_exceptions import ArgumentException, InvalidOperationException
from engine.feed.consolidators import DataConsolidator
from engine.feed.run_reference import symbol_properties
from engine.indicators.base import Event
from engine.market.data import BaseData, TradeBar
from engine.market.symbols import Symbol

_SMALLEST = Decimal(1).scaleb(-28)


class RenkoType(LeanEnum):
    """Kinds of Renko bars."""

    CLASSIC = 0
    WICKED = 1


class BarDirection(LeanEnum):
    """Direction of a Renko bar."""

    RISING = 0
    NO_DELTA = 1
    FALLING = 2


class BaseRenkoBar(TradeBar):
    """A bar that closes by its own rule; `brick_size` is the rule's measure."""

    brick_size = ExactNumber()

    def __init__(
        self,
        symbol: Symbol | None = None,
        start: datetime | None = None,
        end_time: datetime | None = None,
        brick_size: Any = ZERO,
        open: Any = ZERO,  # LEAN's argument names
        high: Any = ZERO,
        low: Any = ZERO,
        close: Any = ZERO,
        volume: Any = ZERO,
    ) -> None:
        super().__init__(start, symbol, open, high, low, close, volume, timedelta())
        if end_time is not None:
            self.end_time = end_time
        self.brick_size_exact = to_decimal(brick_size)
        self.type = RenkoType.CLASSIC

    @property
    def start(self) -> datetime:
        """When the bar opened."""
        return self.time

    def clone(self, fill_forward: bool | None = None) -> Any:
        """Copy the bar."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        if fill_forward is not None:
            copy.is_fill_forward = fill_forward
        if fill_forward:
            copy.volume_exact = ZERO
        return copy


class RenkoBar(BaseRenkoBar):
    """A bar that closes once the price has moved by the brick's size.

    Either (symbol, time, brick_size, open, volume) for a classic bar that is still open, or
    (symbol, start, end_time, brick_size, open, high, low, close) for a finished one with wicks.
    """

    def __init__(self, *arguments: Any) -> None:
        if len(arguments) == 5:
            symbol, time, brick_size, opened, volume = arguments
            super().__init__(symbol, time, time, brick_size, *(opened,) * 4, volume)
        else:
            super().__init__(*arguments)
            self.type = RenkoType.WICKED if arguments else RenkoType.CLASSIC
        self.is_closed = False

    @property
    def direction(self) -> BarDirection:
        """Rising, falling or neither."""
        if self.open_exact < self.close_exact:
            return BarDirection.RISING
        if self.open_exact > self.close_exact:
            return BarDirection.FALLING
        return BarDirection.NO_DELTA

    @property
    def spread(self) -> float:
        """Distance between open and close."""
        return to_double(abs(self.close_exact - self.open_exact))

    @property
    def end(self) -> datetime:
        """LEAN's older name of `end_time`."""
        return self.end_time

    def update(  # type: ignore[override]  # LEAN's own
        self, time: datetime, current_value: Any, volume_since_last_update: Any
    ) -> bool:
        """Move the close towards a value, at most by the brick; true once that closes the bar.

        Raises:
            InvalidOperationException: for a bar with wicks, which is finished when it is made.
        """
        if self.type == RenkoType.WICKED:
            raise InvalidOperationException('A "Wicked" RenkoBar cannot be updated!')
        if self.is_closed:
            return True
        value = to_decimal(current_value)
        if self.time == datetime.min:
            self.time = time
        self.end_time = time
        low, high = self.open_exact - self.brick_size_exact, self.open_exact + self.brick_size_exact
        self.value_exact = min(high, max(low, value))
        self.volume_exact += to_decimal(volume_since_last_update)
        self.is_closed = not low < value < high
        self.high_exact = max(self.high_exact, self.value_exact)
        self.low_exact = min(self.low_exact, self.value_exact)
        return self.is_closed


class VolumeRenkoBar(BaseRenkoBar):
    """A bar that closes once as much was traded as the brick's size says."""

    @property
    def is_closed(self) -> bool:
        """True once the volume is full."""
        return self.volume_exact >= self.brick_size_exact

    def update(  # type: ignore[override]  # LEAN's own
        self, time: datetime, high: Any, low: Any, close: Any, volume: Any
    ) -> Decimal:
        """Take a point; the volume beyond the brick, negative while the bar stays open."""
        if self.is_closed:
            return ZERO
        self.end_time = time
        volume = to_decimal(volume)
        excess: Decimal = self.volume_exact + volume - self.brick_size_exact
        self.volume_exact = self.brick_size_exact if excess > 0 else self.volume_exact + volume
        self.value_exact = to_decimal(close)
        self.high_exact = max(self.high_exact, to_decimal(high))
        self.low_exact = min(self.low_exact, to_decimal(low))
        return excess

    def rollover(self) -> VolumeRenkoBar:
        """The bar that follows: it opens where and when this one closes."""
        close, end = self.close_exact, self.end_time
        return VolumeRenkoBar(self.symbol, end, end, self.brick_size_exact, *(close,) * 4)


class RangeBar(TradeBar):
    """A bar that closes once its high and low are further apart than the range.

    As in LEAN its `time` is never set: it stays the beginning of time.
    """

    range_size = ExactNumber()

    def __init__(
        self,
        symbol: Symbol | None = None,
        end_time: datetime | None = None,
        range_size: Any = ZERO,
        open: Any = ZERO,  # LEAN's argument names
        high: Any = None,
        low: Any = None,
        close: Any = None,
        volume: Any = ZERO,
    ) -> None:
        top, bottom, last = (open if price is None else price for price in (high, low, close))
        super().__init__(None, symbol, open, top, bottom, last, volume, timedelta())
        if end_time is not None:
            self.end_time = end_time
        self.range_size_exact = to_decimal(range_size)
        self.is_closed = False

    clone = BaseRenkoBar.clone

    # LEAN has both: a bar's own update, and this one.
    def update(  # type: ignore[override]
        self, time: datetime, current_value: Any, volume_since_last_update: Any
    ) -> None:
        """Widen the bar to a value; one out of range closes it at the range's edge."""
        value = to_decimal(current_value)
        self.end_time = time
        if value < self.low_exact:
            if self.high_exact - value > self.range_size_exact:
                self.is_closed = True
                self.low_exact = self.value_exact = self.high_exact - self.range_size_exact
                return
            self.low_exact = value
        elif value > self.high_exact:
            if value - self.low_exact > self.range_size_exact:
                self.is_closed = True
                self.high_exact = self.value_exact = self.low_exact + self.range_size_exact
                return
            self.high_exact = value
        self.volume_exact += to_decimal(volume_since_last_update)


Selector = Callable[[Any], Any]


class _TimelessConsolidator(DataConsolidator):
    """Builds bars from one value and one volume of each point.

    Args:
        selector: value of a point; its price by default.
        volume_selector: volume of a point; a trade bar's own by default.

    Raises:
        ArgumentException: if a selector cannot be called.
    """

    scans = False

    def __init__(self, selector: Selector | None, volume_selector: Selector | None) -> None:
        super().__init__()
        self.data_consolidated = Event()
        for name, given in (("selector", selector), ("volume_selector", volume_selector)):
            if given is not None and not callable(given):
                raise ArgumentException(f"{name} must be a function of a point; received {given!r}")
        self._selector = selector
        self._volume_selector = volume_selector
        self._bar: Any = None

    @property
    def working_data(self) -> Any:
        """A copy of the bar being built, or None."""
        return None if self._bar is None else self._bar.clone()

    def update(self, data: Any) -> None:
        """Take a point; emits a bar once it closes."""
        selector, volume_selector = self._selector, self._volume_selector
        value = data.value_exact if selector is None else to_decimal(selector(data))
        if volume_selector is not None:
            volume = to_decimal(volume_selector(data))
        else:
            volume = data.volume_exact if isinstance(data, TradeBar) else ZERO
        if self._bar is not None:
            self._update_bar(data.time, value, volume)
        if self._bar is None:
            self._bar = self._new_bar(data, value, volume)

    def _update_bar(self, time: datetime, value: Decimal, volume: Decimal) -> None:
        raise NotImplementedError(f"{type(self).__name__}._update_bar")

    def _new_bar(self, data: Any, value: Decimal, volume: Decimal) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._new_bar")

    def _emit(self, bar: Any) -> None:
        self._newest_bars.add(bar)
        self.data_consolidated(self, bar)
        self.listeners(self, bar)
        self.consolidated = bar

    def reset(self) -> None:
        """Forget the working bar."""
        self._bar = None
        super().reset()


class ClassicRenkoConsolidator(_TimelessConsolidator):
    """Renko bars whose opens lie on a grid.

    Args:
        bar_size: of a brick, above zero.
        selector: value of a point; its price by default.
        volume_selector: volume of a point.
        even_bars: start on a multiple of the bar size.

    Raises:
        ArgumentException: if the bar size is not positive.
    """

    output_type = RenkoBar

    def __init__(
        self,
        bar_size: Any,
        selector: Any = None,
        volume_selector: Any = None,
        even_bars: bool = True,
    ) -> None:
        if isinstance(selector, bool):
            selector, even_bars = None, selector
        if isinstance(selector, RenkoType):
            if selector != RenkoType.CLASSIC:
                raise ArgumentException(
                    "Please use the new RenkoConsolidator type if RenkoType is not Classic"
                )
            selector = None
        super().__init__(selector, volume_selector)
        self._size = to_decimal(bar_size)
        if self._size < _SMALLEST:
            raise ArgumentException(f"bar_size must be above 0; received {bar_size}")
        self._even = even_bars
        self._last_close: Decimal | None = None

    @property
    def type(self) -> RenkoType:
        """Classic."""
        return RenkoType.CLASSIC

    def _update_bar(self, time: datetime, value: Decimal, volume: Decimal) -> None:
        if self._bar.update(time, value, volume):
            self._last_close = self._bar.close_exact
            self._emit(self._bar)
            self._bar = None

    def _new_bar(self, data: Any, value: Decimal, volume: Decimal) -> RenkoBar:
        opening = value if self._last_close is None else self._last_close
        if self._even and self._last_close is None:
            opening = math.ceil(opening / self._size) * self._size
        return RenkoBar(data.symbol, data.time, self._size, opening, volume)

    def reset(self) -> None:
        """Forget the working bar and the grid."""
        super().reset()
        self._last_close = None


class RenkoConsolidator(DataConsolidator):
    """Renko bars with wicks: a bar keeps how far the price went the other way.

    Args:
        bar_size: of a brick, above zero.

    Raises:
        ArgumentException: if the bar size is not positive.
    """

    output_type = RenkoBar
    scans = False

    def __init__(self, bar_size: Any) -> None:
        super().__init__()
        self.data_consolidated = Event()
        self._size = to_decimal(bar_size)
        if self._size <= 0:
            raise ArgumentException(
                "Renko consolidator BarSize must be strictly greater than zero; received "
                f"{bar_size}"
            )
        self._clear()

    def _clear(self) -> None:
        self._last: RenkoBar | None = None
        self._shown: RenkoBar | None = None
        self._open_on = datetime.min
        self._open: Decimal | None = None
        self._high = self._low = ZERO

    @property
    def type(self) -> RenkoType:
        """Wicked."""
        return RenkoType.WICKED

    @property
    def working_data(self) -> Any:
        """A copy of the last bar, or None, as in LEAN."""
        return None if self._shown is None else self._shown.clone()

    @staticmethod
    def get_closest_multiple(price: Any, bar_size: Any) -> float:
        """The multiple of a size that is nearest to a price.

        Raises:
            ArgumentException: if the size is not positive.
        """
        return to_double(_closest_multiple(to_decimal(price), to_decimal(bar_size)))

    def update(self, data: Any) -> None:
        """Take a point; emits as many bars as the price has moved."""
        rate = data.price_exact
        if self._open is None:
            self._open_on = data.time
            self._open = self._high = self._low = _closest_multiple(rate, self._size)
            return
        self._high, self._low = max(self._high, rate), min(self._low, rate)
        if rate == self._open:
            return
        rising = rate > self._open
        onwards = BarDirection.RISING if rising else BarDirection.FALLING
        if self._last is not None and self._last.direction != onwards:
            # To turn, the price must pass the last bar's open by a brick.
            opening = self._last.open_exact
            limit = opening + self._size if rising else opening - self._size
            if not (rate > limit if rising else rate < limit):
                return
            self._close(data, opening, limit, rising)
        while True:
            limit = self._open + self._size if rising else self._open - self._size
            if not (rate > limit if rising else rate < limit):
                return
            self._close(data, self._open, limit, rising)

    def _close(self, data: Any, opening: Decimal, limit: Decimal, rising: bool) -> None:
        """Emit a bar to a limit and begin the next there."""
        high, low = (limit, self._low) if rising else (self._high, limit)
        bar = RenkoBar(data.symbol, self._open_on, data.time, self._size, opening, high, low, limit)
        self._last = bar
        self._emit(bar)
        self._open_on, self._open = data.time, limit
        if rising:
            self._low = limit
        else:
            self._high = limit

    def _emit(self, bar: Any) -> None:
        self._newest_bars.add(bar)
        self.data_consolidated(self, bar)
        self._shown = bar
        self.listeners(self, bar)
        self.consolidated = bar

    def reset(self) -> None:
        """Forget everything but the handlers."""
        self._clear()
        super().reset()


def _closest_multiple(price: Decimal, size: Decimal) -> Decimal:
    if size <= 0:
        raise ArgumentException(f"BarSize must be strictly greater than zero; received {size}")
    whole = Decimal(math.floor(price / size))
    return size * (whole + round_half_even((price - size * whole) / size, 0))


class WickedRenkoConsolidator(RenkoConsolidator):
    """LEAN's other name of :class:`RenkoConsolidator`."""


class VolumeRenkoConsolidator(DataConsolidator):
    """Bars of equal volume; a big trade fills several.

    Args:
        bar_size: volume of a bar.
    """

    output_type = VolumeRenkoBar
    scans = False

    def __init__(self, bar_size: Any) -> None:
        super().__init__()
        self.data_consolidated = Event()
        self._size = to_decimal(bar_size)
        self._bar: VolumeRenkoBar | None = None

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return self._bar

    def _measure(self, volume: Decimal, price: Decimal) -> Decimal:
        """What a trade fills a bar with."""
        return volume

    def update(self, data: Any) -> None:
        """Take a trade bar; emits a bar whenever one is full.

        Raises:
            ArgumentException: for other data, and in LEAN's way for a bar size of 0.
        """
        if type(data) is not TradeBar:
            raise ArgumentException(
                f"{type(self).__name__} must be used with TradeBar or Tick data; received "
                f"{type(data).__name__}"
            )
        close = data.close_exact
        prices = data.high_exact, data.low_exact, close
        bar = self._bar
        if bar is None:
            bar = self._bar = VolumeRenkoBar(
                data.symbol, data.time, data.end_time, self._size, data.open_exact, *prices
            )
        left = bar.update(data.end_time, *prices, self._measure(data.volume_exact, close))
        while left >= 0:
            self._emit(bar)
            bar = self._bar = bar.rollover()
            left = bar.update(data.end_time, *prices, left)

    def _emit(self, bar: Any) -> None:
        super()._emit(bar)
        self.data_consolidated(self, bar)

    def reset(self) -> None:
        """Forget the working bar."""
        super().reset()
        self._bar = None


class DollarVolumeRenkoConsolidator(VolumeRenkoConsolidator):
    """Bars of equal value traded: volume times close."""

    def _measure(self, volume: Decimal, price: Decimal) -> Decimal:
        return volume * price


class RangeConsolidator(_TimelessConsolidator):
    """Bars of equal range; a jump of the price leaves empty ones between.

    Args:
        range: size in units of the symbol's smallest price variation.
        selector: value of a point; its price by default.
        volume_selector: volume of a point.
    """

    output_type = RangeBar

    def __init__(
        self,
        range: int,  # LEAN's argument name
        selector: Any = None,
        volume_selector: Any = None,
    ) -> None:
        super().__init__(selector, volume_selector)
        self.range = int(range)
        self._variation = self._size = ZERO

    @property
    def range_size(self) -> float:
        """Size in dollars; 0 before the first point."""
        return to_double(self._size)

    def _update_bar(self, time: datetime, value: Decimal, volume: Decimal) -> None:
        rising = value > self._bar.high_exact
        self._bar.update(time, value, volume)
        while self._bar.is_closed:
            bar = self._bar
            self._emit(bar)
            opening = (
                bar.high_exact + self._variation if rising else bar.low_exact - self._variation
            )
            self._bar = RangeBar(bar.symbol, bar.end_time, self._size, opening)
            empty = abs(opening - value) > self._size
            self._bar.update(time, value, ZERO if empty else volume)

    def _new_bar(self, data: BaseData, value: Decimal, volume: Decimal) -> RangeBar:
        if not self._size:
            self._variation = symbol_properties(data.symbol).minimum_price_variation_exact
            self._size = self._variation * self.range
            value = math.ceil(value / self._size) * self._size
        return RangeBar(data.symbol, data.time, self._size, value, volume=volume)

    def reset(self) -> None:
        """Forget the working bar and the size."""
        super().reset()
        self._variation = self._size = ZERO


class ClassicRangeConsolidator(RangeConsolidator):
    """Range bars whose next one begins at the next point's value."""

    def _update_bar(self, time: datetime, value: Decimal, volume: Decimal) -> None:
        self._bar.update(time, value, volume)
        if self._bar.is_closed:
            self._emit(self._bar)
            self._bar = None
