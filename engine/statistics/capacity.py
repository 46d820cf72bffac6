"""Estimated strategy capacity: how much money could be traded before moving the market.

After each fill a symbol's dollar volume is collected over a few bars; at the end of every
snapshot period the symbol with the smallest collected volume limits the strategy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.common.decimals import ZERO, from_float, round_to_multiple

ROUNDING = Decimal("1000.00")
MINUTES_OF_TRADING = Decimal(390)
MINIMUM_DISCOUNT = Decimal("0.20")
REFERENCE_VOLUME = 6_000_000
EFFECT = timedelta(days=30)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class BarVolume:
    """What the estimate needs of a bar: close, volume (shares) and its length."""

    close: Decimal
    volume: Decimal
    period: timedelta


@dataclass(frozen=True)
class Position:
    """A security's state at a snapshot: margin of its position times leverage, account currency."""

    leveraged_margin: Decimal
    invested: bool


def _round_up(time: datetime, step: timedelta) -> datetime:
    start = midnight(time)
    return start + -((start - time) // step) * step


class _SymbolCapacity:
    """Dollar volume around one symbol's fills."""

    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self.trades = 0
        self.sale_volume = ZERO
        self._collected = ZERO
        self._scale = ZERO
        self._discount = ZERO
        self._average = ZERO
        self._previous_volume = ZERO
        self._previous_time: datetime | None = None
        self._last_fill: datetime | None = None
        self._restart = False

    @property
    def dollar_volume(self) -> Decimal:
        """Collected volume, scaled by how much of a bar of its length can be traded."""
        return self._collected * self._scale

    def on_fill(self, time: datetime, price: Decimal, quantity: Decimal) -> None:
        self.sale_volume += price * abs(quantity)
        minutes = (time - (self._last_fill or time - _DAY)).total_seconds() / 60
        discount = 2 * (from_float(minutes) / MINUTES_OF_TRADING)
        self._discount = Decimal(1) if discount > 1 else max(MINIMUM_DISCOUNT, discount)
        if self._restart:
            self._collected, self.trades, self._restart = ZERO, 0, False
        self.trades += 1
        self._last_fill = time

    def update(self, now: datetime, bar: BarVolume | None) -> bool:
        """Collect a bar; true once the fill's bars are complete."""
        if bar is None or bar.volume == 0:
            return False
        minutes = from_float((now - (self._previous_time or now)).total_seconds() / 60)
        if minutes == 0:
            self._average = bar.close * bar.volume
        else:
            self._average = bar.close * (bar.volume + self._previous_volume) / minutes
        self._previous_time, self._previous_volume = now, bar.volume
        if not self._includes(now, bar.period):
            return True
        self._scale = _tradable_part(bar.period)
        self._collected += bar.close * self._discount * bar.volume
        return False

    def _includes(self, now: datetime, period: timedelta) -> bool:
        if self._last_fill is None:
            return False
        if period >= _DAY:
            return now == self._last_fill or midnight(now) == _round_up(self._last_fill, _DAY)
        if period >= _HOUR:
            return now == _round_up(self._last_fill, _HOUR)
        if period >= _MINUTE:
            volume, shortest = REFERENCE_VOLUME, 1
        else:
            volume, shortest = REFERENCE_VOLUME // 60, 5
        factor = volume / self._average if self._average else Decimal(10)
        minutes = 120 if factor > 120 else int(max(shortest, math.floor(factor)))
        return now <= self._last_fill + timedelta(minutes=minutes)

    def reset(self) -> None:
        """Start a new snapshot; the collected volume stays until the next fill."""
        self._restart = True
        self.sale_volume = ZERO

    def is_stale(self, now: datetime, invested: bool) -> bool:
        return not invested and self._last_fill is not None and now >= self._last_fill + EFFECT


def _tradable_part(period: timedelta) -> Decimal:
    if period >= _DAY:
        return Decimal("0.02")
    if period >= _HOUR:
        return Decimal("0.05")
    if period >= _MINUTE:
        return Decimal("0.20")
    return Decimal("0.50")


class CapacityEstimate:
    """Estimates how much capital the strategy could use (LEAN's Estimated Strategy Capacity)."""

    def __init__(
        self,
        start_date: datetime,
        end_date: datetime,
        bar_of: Callable[[Any], BarVolume | None],
        position_of: Callable[[Any], Position],
        portfolio_value: Callable[[], Decimal],
    ) -> None:
        """Prepare.

        Args:
            start_date: first day, in the algorithm's time zone.
            end_date: the algorithm's end date (23:59:59.9999999 of the last day).
            bar_of: the bar of a symbol in the current slice, or None.
            position_of: a symbol's present position.
            portfolio_value: total, in account currency.
        """
        days = (end_date - start_date).total_seconds() / 86400 - 1
        self._period = timedelta(days=max(min(days, 7), 1))
        self._next_snapshot = start_date + self._period
        self._bar_of = bar_of
        self._position_of = position_of
        self._portfolio_value = portfolio_value
        self._by_symbol: dict[Any, _SymbolCapacity] = {}
        self._monitored: list[_SymbolCapacity] = []
        self._capacity = ZERO
        self.lowest_capacity_asset = ""

    @property
    def capacity(self) -> Decimal:
        """Estimate in account currency, rounded to thousands."""
        return round_to_multiple(self._capacity, ROUNDING)

    def on_fill(self, symbol: Any, time_utc: datetime, price: Decimal, quantity: Decimal) -> None:
        """Take a full or partial fill."""
        capacity = self._by_symbol.get(symbol)
        if capacity is None:
            capacity = self._by_symbol[symbol] = _SymbolCapacity(symbol)
        capacity.on_fill(time_utc, price, quantity)
        if capacity not in self._monitored:
            self._monitored.append(capacity)

    def update(self, now_utc: datetime, *, force: bool = False) -> None:
        """Collect the current slice's volume; called after every time step, forced at the end."""
        if self._monitored:
            self._monitored = [
                capacity
                for capacity in self._monitored
                if not capacity.update(now_utc, self._bar_of(capacity.symbol))
            ]
        today = midnight(now_utc)
        if not self._by_symbol or not (force or today >= self._next_snapshot):
            return
        value = self._portfolio_value()
        if value == 0:
            return
        self._take_snapshot(value)
        for capacity in list(self._by_symbol.values()):
            if capacity.is_stale(now_utc, self._position_of(capacity.symbol).invested):
                del self._by_symbol[capacity.symbol]
                self._monitored = [c for c in self._monitored if c is not capacity]
            else:
                capacity.reset()
        self._next_snapshot = today + self._period

    def _take_snapshot(self, portfolio_value: Decimal) -> None:
        sold = sum((c.sale_volume for c in self._by_symbol.values()), ZERO)
        smallest = min(self._by_symbol.values(), key=lambda c: c.dollar_volume)
        self.lowest_capacity_asset = str(smallest.symbol.id)
        share_of_sales = smallest.sale_volume / sold if sold else ZERO
        held = self._position_of(smallest.symbol).leveraged_margin / portfolio_value
        scaling = max(share_of_sales, held)
        new = self._capacity
        if scaling:
            new = smallest.dollar_volume / smallest.trades / scaling
        if self._capacity:
            new = Decimal("0.33") * new + self._capacity * Decimal("0.66")
        self._capacity = new
