"""What an algorithm asks of its orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.brokerage.order_processing import OrderProcessing
from engine.common.clock import aware_utc, naive_utc, round_trip_time
from engine.common.decimals import ZERO, ExactNumber, to_decimal, to_double
from engine.common.enumerables import NetList
from engine.common.naming import DirectObject
from engine.common.net_exceptions import InvalidOperationException
from engine.common.pairs import PairsDict
from engine.market.symbols import Symbol
from engine.orders.order_requests import (
    CancelOrderRequest,
    SubmitOrderRequest,
    UpdateOrderRequest,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import Order


class ProjectedHoldings(DirectObject):
    """Quantity held and in open orders."""

    holdings_quantity = ExactNumber()
    open_orders_quantity = ExactNumber()
    projected_quantity = ExactNumber()

    def __init__(self, holdings_quantity: Any, open_orders_quantity: Any) -> None:
        self.holdings_quantity_exact = to_decimal(holdings_quantity)
        self.open_orders_quantity_exact = to_decimal(open_orders_quantity)
        self.projected_quantity_exact = (
            self.holdings_quantity_exact + self.open_orders_quantity_exact
        )


class SecurityTransactionManager(OrderProcessing):
    """The algorithm's orders.

    Args:
        algorithm: supplies time, securities, portfolio, broker and callbacks.

    Attributes:
        profits: closed ones by the UTC time of the fill, naive, exact.
        market_order_fill_timeout: how long LEAN waits for a market order; no time here.
    """

    def __init__(self, algorithm: Any) -> None:
        super().__init__(algorithm)
        self.profits: dict[datetime, Decimal] = {}
        self._wins: set[datetime] = set()
        self.market_order_fill_timeout = timedelta(0)

    @property
    def utc_time(self) -> datetime:
        """The algorithm's time."""
        return aware_utc(self.utc_time_naive)

    @property
    def last_order_id(self) -> int:
        """Number of the latest order."""
        return self._last_id

    def get_increment_order_id(self) -> int:
        """A new number for an order."""
        self._last_id += 1
        return self._last_id

    def get_increment_group_order_manager_id(self) -> int:
        """A new number for a combination."""
        self._last_group_id += 1
        return self._last_group_id

    # Orders and tickets ---------------------------------------------------------------------

    @staticmethod
    def _filter(choice: Any) -> Callable[[Any], bool]:
        if choice is None:
            return lambda _: True
        symbol = getattr(choice, "symbol", choice)
        if isinstance(symbol, Symbol | str):
            return lambda item: bool(item.symbol == symbol)
        return choice

    def get_order_by_id(self, order_id: int) -> Order | None:
        """Copy of an order."""
        order = self._orders.get(order_id)
        return order.clone() if order is not None else None

    def get_orders_by_brokerage_id(self, brokerage_id: Any) -> list[Order]:
        """Copies of the orders that a broker gave this number."""
        wanted = str(brokerage_id)
        return [order.clone() for order in self._orders.values() if wanted in order.broker_id]

    def get_orders(self, filter: Any = None) -> list[Order]:
        """Copies of all orders, or those of which a filter is true."""
        chosen = self._filter(filter)
        return [order.clone() for order in self._orders.values() if chosen(order)]

    def get_open_orders(self, filter: Any = None, *, symbol: Any = None) -> NetList[Order]:
        """Copies of the open orders, of a symbol or of which a filter is true."""
        chosen = self._filter(filter if symbol is None else symbol)
        orders = [self._orders[i] for i in self._open if i in self._orders]
        return NetList(order.clone() for order in orders if chosen(order))

    def get_order_ticket(self, order_id: int) -> OrderTicket | None:
        """Ticket of an order."""
        return self._tickets.get(order_id)

    def get_order_tickets(self, filter: Any = None) -> list[OrderTicket]:
        """All tickets, or those of which a filter is true."""
        chosen = self._filter(filter)
        return [ticket for ticket in self._tickets.values() if chosen(ticket)]

    def get_open_order_tickets(
        self, filter: Any = None, *, symbol: Any = None
    ) -> list[OrderTicket]:
        """Tickets of open orders, of a symbol or of which a filter is true."""
        chosen = self._filter(filter if symbol is None else symbol)
        return [ticket for ticket in self._open.values() if chosen(ticket)]

    def get_open_orders_remaining_quantity(
        self, filter: Any = None, *, symbol: Any = None
    ) -> float:
        """Unfilled quantity of open orders, of a symbol or of which a filter is true."""
        return to_double(self.remaining_quantity(filter if symbol is None else symbol))

    def remaining_quantity(self, choice: Any) -> Decimal:
        """Unfilled quantity of the open orders of a symbol, or of which a filter is true."""
        tickets = self.get_open_order_tickets(choice)
        return sum((ticket.quantity_remaining_exact for ticket in tickets), ZERO)

    def get_projected_holdings(self, security: Any) -> ProjectedHoldings:
        """Holdings once all open orders filled."""
        remaining = self.remaining_quantity(security.symbol)
        return ProjectedHoldings(security.holdings.quantity_exact, remaining)

    def projected_quantity(self, symbol: Symbol) -> Decimal:
        """Holdings of a symbol once all open orders filled."""
        security = self._algorithm.securities[symbol]
        return security.holdings.quantity_exact + self.remaining_quantity(symbol)

    # Requests -------------------------------------------------------------------------------

    def add_order(self, request: SubmitOrderRequest) -> OrderTicket:
        """Submit an order; see `process_request`."""
        return self.process_request(request)

    def update_order(self, request: UpdateOrderRequest) -> OrderTicket:
        """Change an order; see `process_request`."""
        return self.process_request(request)

    def cancel_order(self, order_id: int, order_tag: str | None = None) -> OrderTicket:
        """Cancel one order."""
        return self.remove_order(order_id, order_tag)

    def remove_order(self, order_id: int, tag: str | None = None) -> OrderTicket:
        """Cancel one order."""
        return self.process_request(CancelOrderRequest(self.utc_time_naive, order_id, tag or ""))

    def cancel_open_orders(self, symbol: Any = None, tag: str | None = None) -> list[OrderTicket]:
        """Cancel the open orders, of a symbol if given.

        Raises:
            InvalidOperationException: during warm-up.
        """
        if self._algorithm.is_warming_up:
            raise InvalidOperationException(
                "This operation is not allowed in initialize or during warm up: "
                "cancel_open_orders. Please move this code to the on_warmup_finished() method."
            )
        if symbol is None and tag is None:
            moment = f"{round_trip_time(self.utc_time_naive)}Z"
            tag = f"Canceled by CancelOpenOrders() at {moment}"
        tickets = self.get_open_order_tickets(symbol)
        for ticket in tickets:
            ticket.cancel(tag)
        return tickets

    def wait_for_order(self, order_id: int) -> bool:
        """True if an order is closed; nothing is waited for."""
        ticket = self._tickets.get(order_id)
        return ticket is not None and ticket.status.is_closed

    # Closed profits -------------------------------------------------------------------------

    def add_transaction_record(
        self, time: datetime, transaction_profit_loss: Any, is_win: bool
    ) -> None:
        """Note a closed profit, at the first free millisecond."""
        time = naive_utc(time)
        while time in self.profits:
            time += timedelta(milliseconds=1)
        self.profits[time] = to_decimal(transaction_profit_loss)
        if is_win:
            self._wins.add(time)

    def _records(self, *kinds: bool) -> PairsDict:
        """Closed profits by their UTC times, of wins, of losses or of both."""
        return PairsDict(
            (aware_utc(time), to_double(profit))
            for time, profit in self.profits.items()
            if (time in self._wins) in kinds
        )

    @property
    def transaction_record(self) -> PairsDict:
        """Closed profits by the UTC time of the fill."""
        return self._records(True, False)

    @property
    def winning_transactions(self) -> PairsDict:
        """Closed profits that count as wins."""
        return self._records(True)

    @property
    def losing_transactions(self) -> PairsDict:
        """Closed profits that count as losses."""
        return self._records(False)

    @property
    def wins(self) -> frozenset[datetime]:
        """Times (UTC, naive) of the closed profits that count as wins."""
        return frozenset(self._wins)

    @property
    def win_count(self) -> int:
        """Number of wins."""
        return len(self._wins)

    @property
    def loss_count(self) -> int:
        """Number of losses."""
        return len(self.profits) - len(self._wins)
