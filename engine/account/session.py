"""A security's trading session so far, and those before: LEAN's `security.session`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.common.decimals import ZERO, ExactNumber, smart_rounding, text
from engine.indicators.window import RollingWindow
from engine.market.data import BaseData, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_LARGEST = Decimal(2**96 - 1)


class SessionBar(TradeBar):
    """Prices and volume of a day's regular session.

    Its time is the day's midnight, and the end of time before the first point.
    """

    open_interest = 0.0

    def __init__(self, symbol: Symbol, day: datetime = datetime.max) -> None:
        super().__init__(datetime.min, symbol, period=_DAY)
        self.time = day
        self.has_points = False
        self._opened = False
        self._last = datetime.min
        self._last_volume = datetime.min

    @property
    def end_time(self) -> datetime:
        """The midnight after the day."""
        return self.time if self.time == datetime.max else self.time + _DAY

    @end_time.setter
    def end_time(self, end_time: datetime) -> None:
        """It follows the day, whatever is set."""

    def take(self, point: BaseData) -> None:
        """Take a bar of trades in; other points begin the bar, and no more."""
        if not self.has_points:
            self.has_points = True
            self._last = midnight(point.time)
            self.low_exact = _LARGEST
        if point.time < self._last or not isinstance(point, TradeBar):
            return
        if self._last_volume <= point.time:
            self._last_volume = point.end_time
            self.volume_exact += point.volume_exact
        if not self._opened:
            self._opened = True
            self.open_exact = point.open_exact
        self.value_exact = point.value_exact
        self.low_exact = min(self.low_exact, point.low_exact)
        self.high_exact = max(self.high_exact, point.high_exact)
        self._last = point.end_time

    def __str__(self) -> str:
        prices = (self.open_exact, self.high_exact, self.low_exact, self.value_exact)
        named = zip("OHLCV", (*prices, self.volume_exact), strict=True)
        parts = [f"{name}: {text(smart_rounding(price))}" for name, price in named]
        return f"{' '.join(parts)} OI: 0"


class Session(RollingWindow[SessionBar]):
    """The session that goes on, at 0, and as many before as its size says; none until it is set.

    Args:
        hours: of the exchange.
        symbol: of the security.
        local_now: tells the exchange's time.
    """

    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()
    volume = ExactNumber()

    def __init__(self, hours: ExchangeHours, symbol: Symbol, local_now: Any) -> None:
        super().__init__(0)
        self.symbol = symbol
        self._hours = hours
        self._local_now = local_now
        self._bar: SessionBar | None = None
        self._begun = False
        self._emitted = datetime.min

    @property
    def size(self) -> int:
        """Number of sessions that are kept, the present one included."""
        return self._items.maxlen or 0

    @size.setter
    def size(self, size: int) -> None:
        RollingWindow.size.fset(self, size)  # type: ignore[attr-defined]
        if size > 0 and self._bar is None:
            self._begin(datetime.max)

    def _begin(self, day: datetime) -> SessionBar:
        bar = self._bar = SessionBar(self.symbol, day)
        self._begun = False
        self.add(bar)
        return bar

    def update(self, points: Iterable[BaseData]) -> None:
        """Take the points of a time step."""
        if self._bar is None:
            return
        self.scan()
        for point in points:
            self._take(point)

    def _take(self, point: BaseData) -> None:
        bar = self._bar
        if bar is None or point.time < self._emitted:
            return
        if bar.time != datetime.max and point.time - bar.time >= _DAY:
            bar = self._end(bar)
        if not self._begun:
            day = midnight(point.time)
            if bar.time == datetime.max or day > bar.time:
                bar.time = day
            self._begun = True
        if self._hours.is_open_during(point.time, point.end_time):
            bar.take(point)

    def scan(self) -> None:
        """End the session if its day is over."""
        bar = self._bar
        if bar is not None and self._begun and self._local_now() - bar.time >= _DAY:
            self._end(bar)

    def _end(self, bar: SessionBar) -> SessionBar:
        self._emitted = bar.end_time
        return self._begin(midnight(self._hours.get_next_trading_day(bar.time)))

    def reset(self) -> None:
        """Forget all sessions."""
        if self._bar is not None:
            super().reset()
            self._emitted = datetime.min
            self._begin(datetime.max)

    def _price(self, name: str) -> Decimal:
        exact: Decimal = getattr(self._bar, name) if self._bar is not None else ZERO
        return exact

    open_exact = property(lambda self: self._price("open_exact"))
    high_exact = property(lambda self: self._price("high_exact"))
    low_exact = property(lambda self: self._price("low_exact"))
    close_exact = property(lambda self: self._price("value_exact"))
    volume_exact = property(lambda self: self._price("volume_exact"))
    open_interest = 0.0

    @property
    def end_time(self) -> datetime:
        """End of the session's day."""
        return datetime.min if self._bar is None else self._bar.end_time

    def __str__(self) -> str:
        return "" if self._bar is None else str(self._bar)
