"""Orders from request to fill: LEAN's transaction handler and backtesting broker in one.

Requests wait in a queue. A new order drains it at once; in live trading an asynchronous one waits,
as updates and cancellations always do, for the next order or the end of the time step. After every
request the broker looks for fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from engine.brokerage.brokerage_models import verdict
from engine.brokerage.fees import OrderFeeParameters
from engine.brokerage.fill_model import FillModelParameters
from engine.common.clock import aware_utc
from engine.common.decimals import ONE, ZERO, normalize, text, to_double
from engine.common.enums import (
    DelistingType,
    OrderRequestStatus,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
)
from engine.common.naming import LeanObject
from engine.market.data import Delisting
from engine.market.symbols import Symbol
from engine.orders.order_requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderRequest,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import (
    MarketOrder,
    Order,
    OrderEvent,
    OrderFee,
    OrderSubmissionData,
    create_order,
)

_DELISTING_TAG = "Liquidate from delisting"
_PRICE_FIELDS = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP_MARKET: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.TRAILING_STOP: ("stop_price", "trailing_amount"),
    OrderType.LIMIT_IF_TOUCHED: ("limit_price", "trigger_price"),
}


class ProjectedHoldings(LeanObject):
    """Quantity held and in open orders."""

    def __init__(self, holdings: Decimal, open_orders: Decimal) -> None:
        self.holdings_quantity_exact = holdings
        self.open_orders_quantity_exact = open_orders
        self.projected_quantity_exact = holdings + open_orders

    @property
    def projected_quantity(self) -> float:
        """Quantity once all open orders filled."""
        return to_double(self.projected_quantity_exact)


class SecurityTransactionManager(LeanObject):
    """The algorithm's orders.

    Args:
        algorithm: supplies time, securities, portfolio, broker and callbacks.

    Attributes:
        recorder: told of every order event once orders, cash and holdings have followed it and
            before the algorithm hears of it.
        is_closed: True once no request is taken any more.
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._orders: dict[int, Order] = {}
        self._tickets: dict[int, OrderTicket] = {}
        self._open: dict[int, OrderTicket] = {}
        self._pending: dict[int, Order] = {}
        self._cancel_fallback: dict[int, OrderStatus] = {}
        self._queue: deque[OrderRequest] = deque()
        self._needs_scan = False
        self._last_id = 0
        self._modes: dict[Symbol, Any] = {}
        self._warned: set[str] = set()
        self._last_delistings: Any = None
        self.orders_count = 0
        self.order_events: list[OrderEvent] = []
        self.transaction_record: dict[datetime, Decimal] = {}
        self.winning_transactions: set[datetime] = set()
        self.market_order_fill_timeout = timedelta(0)
        self.recorder: Callable[[Order, OrderEvent], None] | None = None
        self.is_closed = False

    # What an algorithm asks -----------------------------------------------------------------

    @property
    def utc_time(self) -> datetime:
        """The algorithm's time."""
        return aware_utc(self.utc_time_naive)

    @property
    def utc_time_naive(self) -> datetime:
        """The algorithm's time, UTC without its time zone."""
        now: datetime = self._algorithm.utc_time_naive
        return now

    @property
    def last_order_id(self) -> int:
        """Number of the latest order."""
        return self._last_id

    @staticmethod
    def _filter(choice: Any) -> Callable[[Any], bool]:
        if choice is None:
            return lambda _: True
        if isinstance(choice, Symbol | str):
            return lambda item: bool(item.symbol == choice)
        return choice

    def get_order_by_id(self, order_id: int) -> Order | None:
        """Copy of an order."""
        order = self._orders.get(order_id)
        return order.clone() if order is not None else None

    def get_orders(self, choice: Any = None) -> list[Order]:
        """Copies of all orders that match."""
        chosen = self._filter(choice)
        return [order.clone() for order in self._orders.values() if chosen(order)]

    def get_open_orders(self, choice: Any = None) -> list[Order]:
        """Copies of the open orders of a symbol, or that match."""
        chosen = self._filter(choice)
        orders = [self._orders[i] for i in self._open if i in self._orders]
        return [order.clone() for order in orders if chosen(order)]

    def get_order_ticket(self, order_id: int) -> OrderTicket | None:
        """Ticket of an order."""
        return self._tickets.get(order_id)

    def get_order_tickets(self, choice: Any = None) -> list[OrderTicket]:
        """All tickets that match."""
        chosen = self._filter(choice)
        return [ticket for ticket in self._tickets.values() if chosen(ticket)]

    def get_open_order_tickets(self, choice: Any = None) -> list[OrderTicket]:
        """Tickets of open orders of a symbol, or that match."""
        chosen = self._filter(choice)
        return [ticket for ticket in self._open.values() if chosen(ticket)]

    def get_open_orders_remaining_quantity(self, choice: Any = None) -> float:
        """Unfilled quantity of open orders."""
        return to_double(self._remaining(choice))

    def _remaining(self, choice: Any) -> Decimal:
        tickets = self.get_open_order_tickets(choice)
        return sum((ticket.quantity_remaining_exact for ticket in tickets), ZERO)

    def get_projected_holdings(self, security: Any) -> ProjectedHoldings:
        """Holdings once all open orders filled."""
        remaining = self._remaining(security.symbol)
        return ProjectedHoldings(security.holdings.quantity_exact, remaining)

    def projected_quantity(self, symbol: Symbol) -> Decimal:
        """Holdings of a symbol once all open orders filled."""
        security = self._algorithm.securities[symbol]
        return security.holdings.quantity_exact + self._remaining(symbol)

    def cancel_open_orders(self, symbol: Any = None, tag: str | None = None) -> list[OrderTicket]:
        """Cancel the open orders, of a symbol if given.

        Raises:
            RuntimeError: during warm-up.
        """
        if self._algorithm.is_warming_up:
            raise RuntimeError("cancel_open_orders is not allowed in initialize or during warm-up")
        tickets = self.get_open_order_tickets(symbol)
        for ticket in tickets:
            if symbol is None and tag is None:
                ticket.cancel(f"Canceled by cancel_open_orders() at {self.utc_time_naive}")
            else:
                ticket.cancel(tag)
        return tickets

    def cancel_order(self, order_id: int, tag: str | None = None) -> OrderTicket | None:
        """Cancel one order."""
        return self.process_request(CancelOrderRequest(self.utc_time_naive, order_id, tag or ""))

    def add_transaction_record(self, time: datetime, profit: Decimal, is_win: bool) -> None:
        """Note a closed profit, at the first free millisecond."""
        while time in self.transaction_record:
            time += timedelta(milliseconds=1)
        self.transaction_record[time] = profit
        if is_win:
            self.winning_transactions.add(time)

    def restore(self, order: Order, request: SubmitOrderRequest, filled: Decimal) -> None:
        """Take over an open order that an earlier run has left, before the first time step.

        Args:
            order: as it stood.
            request: that it came from.
            filled: signed quantity filled so far.
        """
        request.set_response(OrderResponse.success(request), OrderRequestStatus.PROCESSED)
        ticket = OrderTicket(self, request)
        ticket.set_order(order)
        ticket.quantity_filled_exact = filled
        self._orders[order.id] = self._pending[order.id] = order
        self._tickets[order.id] = self._open[order.id] = ticket
        self._needs_scan = True
        self.continue_after(order.id)

    def continue_after(self, order_id: int) -> None:
        """Number new orders from the one after this on."""
        self._last_id = max(self._last_id, order_id)

    # Requests -------------------------------------------------------------------------------

    def process_request(self, request: OrderRequest) -> OrderTicket | None:
        """Take a request.

        Raises:
            RuntimeError: during warm-up, as LEAN does, or after the end of the run.
        """
        if self.is_closed:
            raise RuntimeError("the run has ended: it takes no order requests any more")
        if self._algorithm.is_warming_up:
            raise RuntimeError(
                "this operation is not allowed in initialize or during warm-up: order requests. "
                "Move the code to on_warmup_finished"
            )
        if isinstance(request, SubmitOrderRequest):
            return self._submit(request)
        if isinstance(request, UpdateOrderRequest):
            return self._update(request)
        if isinstance(request, CancelOrderRequest):
            return self._cancel(request)
        raise ValueError(f"request must submit, update or cancel; received {request}")

    def add_order(self, request: SubmitOrderRequest) -> OrderTicket | None:
        """Submit an order; see `process_request`."""
        return self.process_request(request)

    def _submit(self, request: SubmitOrderRequest) -> OrderTicket:
        if request.order_id < 1:
            self._last_id += 1
            request.set_order_id(self._last_id)
        request.set_response(OrderResponse.success(request))
        ticket = OrderTicket(self, request)
        order = create_order(request)
        security = self._algorithm.securities[request.symbol]
        self.orders_count += 1
        self._tickets[order.id] = ticket
        order.order_submission_data = OrderSubmissionData(
            security.bid_price_exact, security.ask_price_exact, security.close_exact
        )
        self._open[order.id] = ticket
        self._orders[order.id] = order
        self._queue.append(request)
        if not (request.asynchronous and self._algorithm.live_mode):
            self._process_queue()
        return ticket

    def _update(self, request: UpdateOrderRequest) -> OrderTicket | None:
        order, ticket = self._orders.get(request.order_id), self._tickets.get(request.order_id)
        if order is None or ticket is None:
            self._refuse(request, OrderResponseErrorCode.UNABLE_TO_FIND_ORDER, "no such order")
            return None
        ticket.update_requests.append(request)
        if order.status == OrderStatus.NEW:
            code = OrderResponseErrorCode.INVALID_NEW_ORDER_STATUS
            self._refuse(request, code, f"order {order.id} has not been submitted yet")
        elif order.status.is_closed and not request.is_allowed_for_closed_order:
            self._refuse(
                request,
                OrderResponseErrorCode.INVALID_ORDER_STATUS,
                f"Unable to update order with id {order.id} because it already has "
                f"{order.status.net_name} status.",
            )
        elif request.quantity_exact is not None and not request.quantity_exact:
            code = OrderResponseErrorCode.ORDER_QUANTITY_ZERO
            self._refuse(request, code, f"order {order.id} cannot be updated to quantity zero")
        else:
            response = OrderResponse.success(request)
            request.set_response(response, OrderRequestStatus.PROCESSING)
            self._queue.append(request)
        return ticket

    def _cancel(self, request: CancelOrderRequest) -> OrderTicket | None:
        order, ticket = self._orders.get(request.order_id), self._tickets.get(request.order_id)
        if order is None or ticket is None:
            self._refuse(request, OrderResponseErrorCode.UNABLE_TO_FIND_ORDER, "no such order")
            return None
        if not ticket.try_set_cancel_request(request):
            code = OrderResponseErrorCode.INVALID_REQUEST
            self._refuse(request, code, "Cancellation is already in progress.")
            return ticket
        if request.tag is not None:
            order.tag = request.tag
        if order.status == OrderStatus.NEW:
            code = OrderResponseErrorCode.INVALID_NEW_ORDER_STATUS
            self._refuse(request, code, f"order {order.id} has not been submitted yet")
        elif order.status.is_closed:
            self._refuse(
                request,
                OrderResponseErrorCode.INVALID_ORDER_STATUS,
                f"Unable to cancel order with id {order.id} because it already has "
                f"{order.status.net_name} status.",
            )
        else:
            self._cancel_fallback[order.id] = order.status
            order.status = OrderStatus.CANCEL_PENDING
            self._handle_event(self._event(order))
            request.set_response(OrderResponse.success(request), OrderRequestStatus.PROCESSING)
            self._queue.append(request)
        return ticket

    @staticmethod
    def _refuse(request: OrderRequest, code: OrderResponseErrorCode, message: str) -> None:
        request.set_response(OrderResponse.error(request, code, message))

    def _event(
        self, order: Order, status: OrderStatus | None = None, message: str = ""
    ) -> OrderEvent:
        event = OrderEvent(order, self.utc_time_naive, OrderFee.ZERO, message)
        if status is not None:
            event.status = status
        return event

    # Processing -----------------------------------------------------------------------------

    def process_synchronous_events(self, delistings: Any = None) -> None:
        """Work through the queue, look for fills, close delisted positions.

        Args:
            delistings: of the current slice; each collection is treated once.
        """
        self._process_queue()
        self._scan()
        if delistings is not None and delistings is not self._last_delistings:
            self._last_delistings = delistings
            for delisting in list(delistings.values()):
                self._process_delisting(delisting)

    def _process_queue(self) -> None:
        while self._queue:
            request = self._queue.popleft()
            if isinstance(request, SubmitOrderRequest):
                response = self._handle_submit(request)
            elif isinstance(request, UpdateOrderRequest):
                response = self._handle_update(request)
            else:
                response = self._handle_cancel(request)
            request.set_response(response, OrderRequestStatus.PROCESSED)
            self._scan()

    def _handle_submit(self, request: SubmitOrderRequest) -> OrderResponse:
        algorithm = self._algorithm
        order = self._orders[request.order_id]
        ticket = self._tickets[request.order_id]
        security = algorithm.securities[order.symbol]
        order.price_currency = security.symbol_properties.quote_currency
        if not order.tag:
            order.tag = order.get_default_tag()
        self._round_quantity(order, security)
        self._round_prices(order, security)
        order.price_adjustment_mode = self._adjustment_mode(order.symbol, security)
        ticket.set_order(order)
        if not order.quantity_exact:
            message = f"Unable to submit order with id {order.id} that has zero quantity."
            algorithm.error(message)
            self._invalidate(order, message)
            code = OrderResponseErrorCode.ORDER_QUANTITY_ZERO
            return OrderResponse.error(request, code, message)
        power = algorithm.portfolio.has_sufficient_buying_power(order)
        if not power.is_sufficient:
            message = self._insufficient_message(order, security, power.reason)
            algorithm.error(message)
            self._invalidate(order, message)
            code = OrderResponseErrorCode.INSUFFICIENT_BUYING_POWER
            return OrderResponse.error(request, code, message)
        allowed, reason = self._brokerage_verdict("can_submit_order", security, order)
        if not allowed:
            message = f"BrokerageModel declared unable to submit order: [{order.id}] {reason}"
            self._invalidate(order, message)
            algorithm.error(message)
            code = OrderResponseErrorCode.BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER
            return OrderResponse.error(request, code, message)
        self._pending[order.id] = order
        self._needs_scan = True
        self._add_broker_id(order)
        self._handle_event(self._event(order, OrderStatus.SUBMITTED))
        return OrderResponse.success(request)

    def _brokerage_verdict(self, method: str, security: Any, order: Order, *more: Any) -> Any:
        """Ask the brokerage model, whose custom subclasses may omit the message argument."""
        ask = getattr(self._algorithm.brokerage_model, method)
        try:
            return verdict(ask(security, order, *more, None))
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            return verdict(ask(security, order, *more))

    @staticmethod
    def _insufficient_message(order: Order, security: Any, reason: str) -> str:
        from engine.common.decimals import smart_rounding

        value = text(smart_rounding(order.value_at(security.price_exact)))
        return (
            f"Order Error: ids: [{order.id}], Insufficient buying power to complete orders "
            f"(Value:[{value}]), Reason: {reason}."
        )

    def _handle_update(self, request: UpdateOrderRequest) -> OrderResponse:
        algorithm = self._algorithm
        order, ticket = self._orders[request.order_id], self._tickets[request.order_id]
        if order.status == OrderStatus.NEW:
            code = OrderResponseErrorCode.INVALID_NEW_ORDER_STATUS
            return OrderResponse.error(request, code, "order has not been submitted yet")
        closed = order.status.is_closed
        if closed and not request.is_allowed_for_closed_order:
            code = OrderResponseErrorCode.INVALID_ORDER_STATUS
            return OrderResponse.error(
                request, code, f"order already has {order.status.net_name} status"
            )
        security = algorithm.securities[order.symbol]
        self._round_quantity(order, security)
        allowed, reason = self._brokerage_verdict("can_update_order", security, order, request)
        if not allowed:
            message = f"OrderID: {order.id} {reason}"
            algorithm.error(message)
            self._handle_event(
                self._event(order, None, "BrokerageModel declared unable to update order")
            )
            code = OrderResponseErrorCode.BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER
            return OrderResponse.error(request, code, message)
        updated = order.clone()
        updated.apply_update_order_request(request)
        power = algorithm.portfolio.has_sufficient_buying_power(updated)
        if not power.is_sufficient:
            message = (
                f"Brokerage failed to update order with id: {order.id}, Symbol: "
                f"{order.symbol.value}, Insufficient buying power to complete order, "
                f"Reason: {power.reason}."
            )
            algorithm.error(message)
            self._handle_event(self._event(order, None, message))
            code = OrderResponseErrorCode.BROKERAGE_FAILED_TO_UPDATE_ORDER
            return OrderResponse.error(request, code, message)
        order.apply_update_order_request(request)
        self._round_prices(order, security)
        ticket.set_order(order)
        if not closed:
            if order.id not in self._pending:
                message = f"Brokerage failed to update order with id {order.id}"
                algorithm.error(message)
                self._handle_event(self._event(order, None, "Brokerage failed to update order"))
                code = OrderResponseErrorCode.BROKERAGE_FAILED_TO_UPDATE_ORDER
                return OrderResponse.error(request, code, message)
            self._needs_scan = True
            self._add_broker_id(order)
            self._handle_event(self._event(order, OrderStatus.UPDATE_SUBMITTED))
        return OrderResponse.success(request)

    def _handle_cancel(self, request: OrderRequest) -> OrderResponse:
        order = self._orders[request.order_id]
        if order.status.is_closed or order.status == OrderStatus.NEW:
            self._cancel_fallback.pop(order.id, None)
            code = OrderResponseErrorCode.INVALID_ORDER_STATUS
            return OrderResponse.error(
                request, code, f"order already has {order.status.net_name} status"
            )
        self._tickets[order.id].set_order(order)
        canceled = self._pending.pop(order.id, None) is not None
        self._add_broker_id(order)
        self._handle_event(self._event(order, OrderStatus.CANCELED))
        if not canceled:
            message = f"Brokerage failed to cancel order with id {order.id}"
            self._algorithm.error(message)
            code = OrderResponseErrorCode.BROKERAGE_FAILED_TO_CANCEL_ORDER
            return OrderResponse.error(request, code, message)
        if request.tag is not None:
            order.tag = request.tag
        return OrderResponse.success(request)

    @staticmethod
    def _add_broker_id(order: Order) -> None:
        if str(order.id) not in order.broker_id:
            order.broker_id.append(str(order.id))

    def _round_quantity(self, order: Order, security: Any) -> None:
        lot = security.symbol_properties.lot_size_exact
        rest = order.quantity_exact % lot
        if rest:
            order.quantity_exact = normalize(order.quantity_exact - rest)
            self._warn_once(
                f"Warning: Due to brokerage limitations, orders will be rounded to the nearest "
                f"lot size of {text(lot)}"
            )

    def _round_prices(self, order: Order, security: Any) -> None:
        for name in _PRICE_FIELDS.get(order.type, ()):
            if name == "trailing_amount" and order.trailing_as_percentage:  # type: ignore[attr-defined]
                continue
            price = getattr(order, name + "_exact")
            step = security.minimum_price_variation(price)
            if step <= 0:
                continue
            rounded = (price / step).quantize(ONE, ROUND_HALF_EVEN) * step
            setattr(order, name + "_exact", rounded)
            if rounded != price:
                self._warn_once(
                    "Warning: To meet brokerage precision requirements, order prices are rounded"
                )

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._algorithm.error(message)

    def _adjustment_mode(self, symbol: Symbol, security: Any) -> Any:
        if symbol not in self._modes:
            self._modes[symbol] = security.data_normalization_mode
        return self._modes[symbol]

    def _invalidate(self, order: Order, message: str) -> None:
        if not order.status.is_closed:
            order.status = OrderStatus.INVALID
        self._handle_event(self._event(order, None, message))

    # Fills ----------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Try to fill every pending order, oldest first; none on the bars of a warm-up."""
        if not self._needs_scan or self._algorithm.is_warming_up:
            return
        still_needed = False
        for order_id in sorted(self._pending):
            order = self._pending.get(order_id)
            if order is None:
                continue
            if order.status.is_closed:
                self._pending.pop(order_id, None)
                continue
            # Orders other than market orders wait for the next time step.
            if order.time_naive == self.utc_time_naive and order.type != OrderType.MARKET:
                still_needed = True
                continue
            if not self._try_fill(order):
                still_needed = True
        self._needs_scan = still_needed or bool(self._pending)

    def _try_fill(self, order: Order) -> bool:
        """Fill, expire or reject a pending order; False if it stays pending."""
        algorithm = self._algorithm
        security = algorithm.securities.find(order.symbol)
        if security is None:
            self._remove(order, OrderStatus.INVALID)
            return True
        if order.type == OrderType.MARKET_ON_OPEN:
            last = security.get_last_data()
            hours = security.exchange.hours
            if last is None or hours.from_utc(order.time_naive) >= last.end_time:
                return False
        if order.time_in_force.is_order_expired(security, order):
            self._remove(order, OrderStatus.CANCELED, "The order has expired.")
            return True
        if not algorithm.brokerage_model.can_execute_order(security, order):
            return False
        power = algorithm.portfolio.has_sufficient_buying_power(order)
        if not power.is_sufficient:
            if order.status == OrderStatus.CANCEL_PENDING:
                return False
            message = self._insufficient_message(order, security, power.reason)
            self._remove(order, OrderStatus.INVALID, message)
            algorithm.error(message)
            return True
        span = algorithm.settings.stale_price_time_span
        fills = list(security.fill_model.fill(FillModelParameters(security, order, span)))
        for fill in fills:
            if fill.status == OrderStatus.FILLED and not fill.order_fee.value.amount_exact:
                parameters = OrderFeeParameters(security, order)
                fill.order_fee = security.fee_model.get_order_fee(parameters)
        for fill in fills:
            if order.status != fill.status or fill.fill_quantity_exact:
                order.status = fill.status
                self._handle_event(fill)
        if fills and all(fill.status.is_closed for fill in fills):
            self._pending.pop(order.id, None)
            return True
        return False

    def _remove(self, order: Order, status: OrderStatus, message: str = "") -> None:
        self._pending.pop(order.id, None)
        self._handle_event(self._event(order, status, message))

    def _process_delisting(self, delisting: Delisting) -> None:
        """Close the position of a delisted security at the last price; cancel its orders."""
        if delisting.type == DelistingType.WARNING:
            return
        algorithm = self._algorithm
        security = algorithm.securities.find(delisting.symbol)
        if security is not None and security.holdings.quantity_exact:
            order = MarketOrder(
                security.symbol,
                -security.holdings.quantity_exact,
                self.utc_time_naive,
                _DELISTING_TAG,
            )
            order.status = OrderStatus.SUBMITTED
            self._last_id += 1
            order.id = self._last_id
            order.price_adjustment_mode = self._adjustment_mode(order.symbol, security)
            request = SubmitOrderRequest(
                order.type, order.security_type, order.symbol, order.quantity_exact, ZERO, ZERO,
                ZERO, ZERO, False, order.time_naive, order.tag or "", order.properties,
            )  # fmt: skip
            request.set_order_id(order.id)
            request.set_response(OrderResponse.success(request), OrderRequestStatus.PROCESSED)
            ticket = OrderTicket(self, request)
            ticket.set_order(order)
            self._orders[order.id] = order
            self._tickets[order.id] = self._open[order.id] = ticket
            self.orders_count += 1
            fill = self._event(order, OrderStatus.FILLED, _DELISTING_TAG)
            fill.fill_price_exact = security.price_exact
            fill.fill_quantity_exact = order.quantity_exact
            self._handle_event(fill)
        if not algorithm.is_warming_up:
            self.cancel_open_orders(delisting.symbol)

    def _handle_event(self, event: OrderEvent) -> None:
        """Update order, portfolio, trades and ticket, then tell the algorithm."""
        algorithm = self._algorithm
        order, ticket = self._orders[event.order_id], self._tickets[event.order_id]
        event.ticket = ticket
        if event.status.is_closed:
            self._open.pop(order.id, None)
        finished = order.status in (OrderStatus.FILLED, OrderStatus.CANCELED)
        if not (finished and event.status == OrderStatus.INVALID):
            order.status = event.status
        event.id = order.get_new_id()
        if event.status == OrderStatus.CANCELED:
            order.canceled_time = event.utc_time_naive
        elif event.status.is_fill:
            order.last_fill_time = event.utc_time_naive
        elif (
            event.status in (OrderStatus.SUBMITTED, OrderStatus.UPDATE_SUBMITTED)
            and ticket.update_requests
        ):
            order.last_update_time = event.utc_time_naive
        event.quantity_exact = order.quantity_exact
        for name in _PRICE_FIELDS.get(order.type, ()):
            setattr(event, name + "_exact", getattr(order, name + "_exact"))
        if event.status.is_fill:
            algorithm.portfolio.process_fill(event)
            algorithm.trade_builder.process_fill(
                event.symbol,
                event.order_id,
                event.utc_time_naive,
                event.fill_price_exact,
                event.fill_quantity_exact,
                event.order_fee.value.amount_exact,
            )
        ticket.add_order_event(event)
        if self.recorder is not None:
            self.recorder(order, event)
        if event.status != OrderStatus.NONE:
            self.order_events.append(event)
            algorithm.dispatch_order_event(event)
