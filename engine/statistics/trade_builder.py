"""Closed trades from fills: LEAN's default, every fill its own trade, first in first out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, normalize, round_half_even
from engine.common.naming import LeanObject
from engine.statistics.inputs import Trade


@dataclass
class _OpenTrade:
    """A part of a position that has not been closed yet."""

    entry_time: datetime
    entry_price: Decimal
    sign: int
    quantity: Decimal
    fees: Decimal
    order_ids: list[int]
    best_profit: Decimal = ZERO
    drawdown: Decimal = ZERO

    def observe(self, price: Decimal) -> None:
        """Track the largest fall from the best unrealised profit per share."""
        profit = (price - self.entry_price) * self.sign
        if profit < self.best_profit:
            self.drawdown = max(self.drawdown, self.best_profit - profit)
        else:
            self.best_profit = profit


@dataclass
class _Position:
    lowest: Decimal
    highest: Decimal
    trades: list[_OpenTrade] = field(default_factory=list)


class TradeBuilder(LeanObject):
    """Matches fills to closed trades (grouping fill to fill, matching FIFO)."""

    def __init__(self) -> None:
        self._positions: dict[Any, _Position] = {}
        self._orders_with_fee: set[int] = set()
        self.closed_trades: list[Trade] = []

    def has_open_position(self, symbol: Any) -> bool:
        """Tell whether fills of a symbol are unmatched."""
        position = self._positions.get(symbol)
        return position is not None and bool(position.trades)

    def set_market_price(self, symbol: Any, price: Decimal) -> None:
        """Show a new price, for excursions and drawdowns of open trades."""
        position = self._positions.get(symbol)
        if position is None:
            return
        if price > position.highest:
            position.highest = price
        elif price < position.lowest:
            position.lowest = price
        for trade in position.trades:
            trade.observe(price)

    def apply_split(self, symbol: Any, factor: Decimal) -> None:
        """Restate open trades after a split; only for prices that are not adjusted already.

        Args:
            symbol: the security.
            factor: new price over old, 1/7 for a 7-for-1 split.
        """
        position = self._positions.get(symbol)
        if position is None:
            return
        position.lowest *= factor
        position.highest *= factor
        for trade in position.trades:
            trade.quantity /= factor
            trade.entry_price *= factor
            trade.best_profit *= factor
            trade.drawdown *= factor

    def process_fill(
        self,
        symbol: Any,
        order_id: int,
        time_utc: datetime,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
    ) -> list[Trade]:
        """Take one fill.

        Args:
            symbol: with ``id`` (printing as LEAN's identifier) and ``value`` (ticker).
            order_id: an order's fee counts with its first fill only.
            time_utc: of the fill.
            price: of one share.
            quantity: signed.
            fee: of the order, in account currency.

        Returns:
            The trades this fill closed.
        """
        if order_id in self._orders_with_fee:
            fee = ZERO
        self._orders_with_fee.add(order_id)
        fee = normalize(fee)
        sign = 1 if quantity > 0 else -1
        rest = abs(quantity)
        position = self._positions.get(symbol)
        if position is None or not position.trades:
            opened = _OpenTrade(time_utc, price, sign, rest, fee, [order_id])
            self._positions[symbol] = _Position(price, price, [opened])
            return []
        self.set_market_price(symbol, price)
        if position.trades[0].sign == sign:
            position.trades.append(_OpenTrade(time_utc, price, sign, rest, fee, [order_id]))
            return []
        closed: list[Trade] = []
        while position.trades and rest > 0:
            oldest = position.trades[0]
            part = min(rest, oldest.quantity)
            if order_id not in oldest.order_ids:
                ids = (*oldest.order_ids, order_id)
            else:
                ids = tuple(oldest.order_ids)
            closed.append(
                _close(symbol, oldest, position, part, time_utc, price, oldest.fees + fee, ids)
            )
            fee = ZERO
            if part == oldest.quantity:
                position.trades.pop(0)
            else:
                oldest.quantity -= part
                oldest.fees = ZERO
            rest -= part
        if rest > 0:
            reversed_trade = _OpenTrade(time_utc, price, sign, rest, ZERO, [order_id])
            self._positions[symbol] = _Position(price, price, [reversed_trade])
        elif not position.trades:
            del self._positions[symbol]
        self.closed_trades.extend(closed)
        return closed


def _close(
    symbol: Any,
    opened: _OpenTrade,
    position: _Position,
    quantity: Decimal,
    time_utc: datetime,
    price: Decimal,
    fees: Decimal,
    order_ids: tuple[int, ...],
) -> Trade:
    long = opened.sign > 0
    entry = opened.entry_price
    adverse = position.lowest - entry if long else entry - position.highest
    favourable = position.highest - entry if long else entry - position.lowest
    profit = round_half_even((price - entry) * quantity * opened.sign, 2)
    return Trade(
        symbol=str(symbol.id),
        ticker=symbol.value,
        entry_time=opened.entry_time,
        entry_price=entry,
        direction="long" if long else "short",
        quantity=quantity,
        exit_time=time_utc,
        exit_price=price,
        profit_loss=profit,
        total_fees=fees,
        mae=round_half_even(adverse * quantity, 2),
        mfe=round_half_even(favourable * quantity, 2),
        end_trade_drawdown=round_half_even(opened.drawdown * quantity, 2),
        is_win=profit > 0,
        order_ids=order_ids,
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{symbol.id}|{order_ids}|{time_utc}|{quantity}")),
    )
