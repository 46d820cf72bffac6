"""Closed trades from fills.

LEAN's default makes every entry fill a trade of its own, closed first in first out; trades may also
run from flat to flat, or from flat to every reduction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, divide, normalize, round_half_even, to_decimal
from engine.common.enumerables import NetList
from engine.common.enums import FillGroupingMethod, FillMatchingMethod, TradeDirection
from engine.common.naming import DirectObject
from engine.statistics.inputs import Trade
from engine.statistics.shown import Shown


@dataclass(frozen=True)
class _Fill:
    """A fill; the quantity is signed."""

    order_id: int
    time: datetime
    price: Decimal
    quantity: Decimal

    @property
    def sign(self) -> int:
        return 1 if self.quantity > 0 else -1


@dataclass
class _OpenTrade:
    """An entry that has not been closed yet, or a part of it."""

    entry: _Fill
    quantity: Decimal
    fees: Decimal
    best_profit: Decimal = ZERO
    drawdown: Decimal = ZERO

    def observe(self, price: Decimal) -> None:
        """Track the largest fall from the best unrealised profit per share."""
        entry = self.entry
        profit = price - entry.price if entry.quantity > 0 else entry.price - price
        if profit < self.best_profit:
            self.drawdown = max(self.drawdown, self.best_profit - profit)
        else:
            self.best_profit = profit


@dataclass
class _Position:
    """What is open of a symbol: trades or, where they are grouped, fills."""

    lowest: Decimal
    highest: Decimal
    trades: list[_OpenTrade] = field(default_factory=list)
    fills: list[_Fill] = field(default_factory=list)
    fees: Decimal = ZERO


class TradeBuilder(DirectObject):
    """Matches fills to closed trades.

    Args:
        grouping_method: what a trade is.
        matching_method: which of several entries an exit closes.

    Attributes:
        trades: closed ones, exact, in closing order.
    """

    def __init__(
        self,
        grouping_method: FillGroupingMethod = FillGroupingMethod.FILL_TO_FILL,
        matching_method: FillMatchingMethod = FillMatchingMethod.FIFO,
    ) -> None:
        self._grouping = FillGroupingMethod(grouping_method)
        self._last_in_first_out = FillMatchingMethod(matching_method) == FillMatchingMethod.LIFO
        self._positions: dict[Any, _Position] = {}
        self._orders_with_fee: set[int] = set()
        self.trades: list[Trade] = []

    @property
    def closed_trades(self) -> NetList[Shown]:
        """Closed trades, in closing order."""
        return NetList(Shown(trade) for trade in self.trades)

    def has_open_position(self, symbol: Any) -> bool:
        """Tell whether fills of a symbol are unmatched."""
        position = self._positions.get(symbol)
        return position is not None and bool(position.trades or position.fills)

    def set_security_manager(self, securities: Any) -> None:
        """LEAN asks the securities whether an option's trade is won; no stock's needs them."""

    def set_market_price(self, symbol: Any, price: Any) -> None:
        """Show a new price, for excursions and drawdowns of open trades."""
        position = self._positions.get(symbol)
        if position is None:
            return
        price = to_decimal(price)
        if price > position.highest:
            position.highest = price
        elif price < position.lowest:
            position.lowest = price
        for trade in position.trades:
            trade.observe(price)

    def apply_split(self, symbol: Any, factor: Decimal) -> None:
        """Restate what is open after a split; only for prices that are not adjusted already.

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
            trade.entry = replace(trade.entry, price=trade.entry.price * factor)
            trade.quantity /= factor
            trade.best_profit *= factor
            trade.drawdown *= factor
        position.fills = [
            replace(fill, price=fill.price * factor, quantity=fill.quantity / factor)
            for fill in position.fills
        ]

    def process_fill(
        self,
        fill: Any,
        security_conversion_rate: Any,
        fee_in_account_currency: Any,
        multiplier: Any = 1,
    ) -> None:
        """Take the event of a fill, in the account's currency.

        Raises:
            NotImplementedError: for another currency, or securities that stand for several units.
        """
        if security_conversion_rate != 1 or multiplier != 1:
            raise NotImplementedError(
                "TradeBuilder.process_fill: only US dollars and stocks; received conversion rate "
                f"{security_conversion_rate} and multiplier {multiplier}"
            )
        self.take_fill(
            fill.symbol,
            fill.order_id,
            fill.utc_time_naive,
            fill.fill_price_exact,
            fill.fill_quantity_exact,
            to_decimal(fee_in_account_currency),
        )

    def take_fill(
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
            symbol: of the security.
            order_id: an order's fee counts with its first fill only.
            time_utc: of the fill, naive.
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
        fill = _Fill(order_id, time_utc, price, quantity)
        position = self._positions.get(symbol)
        if position is None:
            self._open(symbol, fill, fee)
            return []
        self.set_market_price(symbol, price)
        if self._grouping == FillGroupingMethod.FILL_TO_FILL:
            closed = self._fill_to_fill(symbol, position, fill, fee)
        elif self._grouping == FillGroupingMethod.FLAT_TO_FLAT:
            closed = self._flat_to_flat(symbol, position, fill, fee)
        else:
            closed = self._flat_to_reduced(symbol, position, fill, fee)
        self.trades.extend(closed)
        return closed

    def _open(self, symbol: Any, fill: _Fill, fee: Decimal) -> None:
        position = self._positions[symbol] = _Position(fill.price, fill.price)
        self._join(position, fill, fee)

    def _join(self, position: _Position, fill: _Fill, fee: Decimal) -> None:
        """A fill in the direction of the position."""
        if self._grouping == FillGroupingMethod.FILL_TO_FILL:
            position.trades.append(_OpenTrade(fill, abs(fill.quantity), fee))
        else:
            position.fills.append(fill)
            position.fees += fee

    def _first(self, entries: list[Any]) -> int:
        """Which entry is matched next."""
        return len(entries) - 1 if self._last_in_first_out else 0

    def _fill_to_fill(
        self, symbol: Any, position: _Position, fill: _Fill, fee: Decimal
    ) -> list[Trade]:
        trades = position.trades
        if trades[self._first(trades)].entry.sign == fill.sign:
            self._join(position, fill, fee)
            return []
        closed: list[Trade] = []
        rest = abs(fill.quantity)
        while trades and rest > 0:
            index = self._first(trades)
            matched = trades[index]
            part = min(rest, matched.quantity)
            closed.append(_closed(symbol, matched, position, part, fill, matched.fees + fee))
            fee = ZERO
            if part == matched.quantity:
                trades.pop(index)
            else:
                matched.quantity -= part
                matched.fees = ZERO
            rest -= part
        if rest > 0:
            self._open(symbol, replace(fill, quantity=rest * fill.sign), ZERO)
        elif not trades:
            del self._positions[symbol]
        return closed

    def _flat_to_flat(
        self, symbol: Any, position: _Position, fill: _Fill, fee: Decimal
    ) -> list[Trade]:
        before = sum((one.quantity for one in position.fills), ZERO)
        opposite = position.fills[0].sign != fill.sign
        self._join(position, fill, fee)
        rest = before + fill.quantity
        if not opposite or (rest != 0 and abs(fill.quantity) <= abs(before)):
            return []
        entries = _Mean()
        exits = _Mean()
        matched = position.fills[::-1] if self._last_in_first_out else position.fills
        for one in matched:
            (entries if one.sign != fill.sign else exits).add(one.price, one.quantity)
        trade = _trade(
            symbol,
            position.fills[0].time,
            entries.price,
            -fill.sign,
            abs(entries.quantity),
            replace(fill, price=exits.price),
            position.fees,
            (one.order_id for one in matched),
        )
        del self._positions[symbol]
        if rest != 0:
            self._open(symbol, replace(fill, quantity=rest), ZERO)
        return [trade]

    def _flat_to_reduced(
        self, symbol: Any, position: _Position, fill: _Fill, fee: Decimal
    ) -> list[Trade]:
        fills = position.fills
        if fills[self._first(fills)].sign == fill.sign:
            self._join(position, fill, fee)
            return []
        position.fees += fee
        entry_time = fills[self._first(fills)].time
        orders = [fill.order_id]
        entries = _Mean()
        rest = abs(fill.quantity)
        while fills and rest > 0:
            index = self._first(fills)
            matched = fills[index]
            part = min(rest, abs(matched.quantity))
            entries.add(matched.price, part * fill.sign)
            orders.append(matched.order_id)
            if part == abs(matched.quantity):
                if self._last_in_first_out:
                    entry_time = matched.time
                fills.pop(index)
            else:
                fills[index] = replace(matched, quantity=matched.quantity + part * fill.sign)
            rest -= part
        trade = _trade(
            symbol, entry_time, entries.price, -fill.sign, abs(entries.quantity), fill,
            position.fees, orders,
        )  # fmt: skip
        if rest > 0:
            self._open(symbol, replace(fill, quantity=rest * fill.sign), ZERO)
        elif not fills:
            del self._positions[symbol]
        else:
            position.fees = ZERO
        return [trade]


class _Mean:
    """Mean price, weighted with quantities, moved by each as LEAN's is."""

    def __init__(self) -> None:
        self.price = ZERO
        self.quantity = ZERO

    def add(self, price: Decimal, quantity: Decimal) -> None:
        self.quantity += quantity
        self.price += divide((price - self.price) * quantity, self.quantity)


def _closed(
    symbol: Any,
    opened: _OpenTrade,
    position: _Position,
    quantity: Decimal,
    fill: _Fill,
    fees: Decimal,
) -> Trade:
    """The trade of one entry, with its excursions."""
    sign, entry = opened.entry.sign, opened.entry.price
    adverse = position.lowest - entry if sign > 0 else entry - position.highest
    favourable = position.highest - entry if sign > 0 else entry - position.lowest
    return _trade(
        symbol, opened.entry.time, entry, sign, quantity, fill, fees,
        (opened.entry.order_id, fill.order_id),
        mae=round_half_even(adverse * quantity, 2),
        mfe=round_half_even(favourable * quantity, 2),
        end_trade_drawdown=round_half_even(opened.drawdown * quantity, 2),
    )  # fmt: skip


def _trade(
    symbol: Any,
    entry_time: datetime,
    entry_price: Decimal,
    sign: int,
    quantity: Decimal,
    fill: _Fill,
    fees: Decimal,
    order_ids: Iterable[int],
    mae: Decimal = ZERO,
    mfe: Decimal = ZERO,
    end_trade_drawdown: Decimal = ZERO,
) -> Trade:
    """A closed trade; LEAN leaves the excursions of grouped entries at zero."""
    profit = round_half_even((fill.price - entry_price) * quantity * sign, 2)
    return Trade(
        symbol=symbol,
        entry_time=entry_time,
        entry_price=entry_price,
        direction=TradeDirection.LONG if sign > 0 else TradeDirection.SHORT,
        quantity=quantity,
        exit_time=fill.time,
        exit_price=fill.price,
        profit_loss=profit,
        total_fees=fees,
        mae=mae,
        mfe=mfe,
        end_trade_drawdown=end_trade_drawdown,
        is_win=profit > 0,
        order_ids=tuple(dict.fromkeys(order_ids)),
    )
