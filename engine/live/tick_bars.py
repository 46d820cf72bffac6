"""Bars of a minute and of a day out of trades, as LEAN's aggregators make them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.live.served import ServedBars
from engine.live.ticks import Tick, TickSource
from engine.market.data import BaseData, SubscriptionDataConfig, TradeBar
from engine.market.symbols import Symbol

_MINUTE = timedelta(minutes=1)
FILL_AFTER = timedelta(minutes=10)
"""After a close without a trade, until which LEAN waits for its bar before it repeats the last."""


@dataclass
class _Working:
    """A bar that is being built."""

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @classmethod
    def of(cls, start: datetime, tick: Tick) -> _Working:
        return cls(start, tick.price, tick.price, tick.price, tick.price, tick.size)

    def add(self, tick: Tick) -> None:
        self.high = max(self.high, tick.price)
        self.low = min(self.low, tick.price)
        self.close = tick.price
        self.volume += tick.size

    def bar(self, symbol: Symbol, start: datetime, span: timedelta) -> TradeBar:
        return TradeBar(
            start, symbol, self.open, self.high, self.low, self.close, self.volume, span
        )


def _extended(working: _Working | None, start: datetime, tick: Tick) -> _Working:
    if working is None:
        return _Working.of(start, tick)
    working.add(tick)
    return working


class TickBars(ServedBars):
    """Bars of one security from the moment of its start on.

    Args:
        security, config: see `ServedBars`.
        ticks: the trades.
        start: trades up to this exchange time are not seen.
        last: the daily bar before, which stands in for a session without trades.
    """

    def __init__(
        self,
        security: Any,
        config: SubscriptionDataConfig,
        ticks: TickSource,
        start: datetime,
        last: BaseData | None,
    ) -> None:
        super().__init__(security, config, last)
        self._ticks = ticks
        self._seen = start
        self._day: datetime | None = None
        self._pending: list[Tick] = []
        self._minute: _Working | None = None
        self._session: _Working | None = None
        self._last = last
        self._repeated: list[BaseData] = []
        # A close that is past is not waited for.
        self._close = self._hours.get_next_market_close(start)
        ticks.serve(security.symbol, self._hours)

    def next_due(self) -> datetime:
        """When the next bar is complete, UTC."""
        self._load(self._hours.get_previous_market_open(self._close))
        due = self._close
        if self._repeated:
            due = min(due, self._repeated[0].end_time + FILL_AFTER)
        if self._minute is not None:
            due = min(due, self._minute.start + _MINUTE)
        if self._pending:
            due = min(due, minute_of(self._pending[0].time) + _MINUTE)
        return self._hours.to_utc(due)

    def _load(self, opened: datetime) -> None:
        """Take the trades of a session's day that are still to come."""
        day = midnight(opened)
        if self._day is None or day > self._day:
            self._day = day
            ticks = self._ticks.ticks(self.security.symbol, day)
            self._pending = [tick for tick in ticks if tick.time > self._seen]

    def take(self, now: datetime) -> tuple[list[BaseData], list[BaseData]]:
        """Daily and minute bars that are complete at an exchange time, since the last call."""
        daily: list[BaseData] = []
        minutes: list[BaseData] = []
        while True:
            self._load(self._hours.get_previous_market_open(self._close))
            self._consume(min(now, self._close), minutes)
            if self._close > now:
                break
            daily += self._repeated_by(self._close)
            daily += self._whole_session()
            self._close = self._hours.get_next_market_close(self._close)
        daily += self._repeated_by(now)
        self._seen = now
        for found in (minutes, daily):
            self.newest = found[-1] if found else self.newest
        return daily, minutes

    def _consume(self, now: datetime, minutes: list[BaseData]) -> None:
        while self._pending and self._pending[0].time <= now:
            tick = self._pending.pop(0)
            start = minute_of(tick.time)
            if self._minute is not None and self._minute.start < start:
                minutes.append(self._minute.bar(self.security.symbol, self._minute.start, _MINUTE))
                self._minute = None
            self._minute = _extended(self._minute, start, tick)
            self._session = _extended(self._session, start, tick)
        if self._minute is not None and self._minute.start + _MINUTE <= now:
            minutes.append(self._minute.bar(self.security.symbol, self._minute.start, _MINUTE))
            self._minute = None

    def _whole_session(self) -> list[BaseData]:
        """The daily bar of the session that has just closed; a repeated one comes later."""
        start, end = self._hours.daily_calendar(self._close - timedelta(microseconds=1))
        if self._session is not None:
            bar: BaseData = self._session.bar(self.security.symbol, start, end - start)
            self._session, self._last = None, bar
            return [bar]
        if self._last is None or not self.config.fill_forward:
            return []
        repeated = self._last.clone(True)
        repeated.time, repeated.end_time = start, end
        self._repeated.append(repeated)
        return []

    def _repeated_by(self, now: datetime) -> list[BaseData]:
        """Repeated bars that are not waited for any longer."""
        found = [bar for bar in self._repeated if bar.end_time + FILL_AFTER <= now]
        self._repeated = self._repeated[len(found) :]
        return found


def minute_of(time: datetime) -> datetime:
    """The minute in which a time lies."""
    return time.replace(second=0, microsecond=0)
