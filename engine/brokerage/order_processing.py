"""Orders from request to fill: LEAN's transaction handler and backtesting broker in one.

Requests wait in a queue. A new order drains it at once; in live trading an asynchronous one waits,
as updates and cancellations always do, for the next order or the end of the time step. After every
request the broker looks for fills. The orders of a combination are handled when the last of them
has come, and fill together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from engine.brokerage.brokerage_models import verdict
from engine.brokerage.buying_power_terms import HasSufficientBuyingPowerForOrderResult
from engine.brokerage.fees import OrderFeeParameters
from engine.brokerage.fill_model import FillModelParameters
from engine.common.decimals import ONE, ZERO, normalize, smart_rounding, text
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
from engine.orders.creation import create_order
from engine.orders.order_requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderRequest,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import MarketOrder, Order, OrderEvent, OrderFee, OrderSubmissionData

_DELISTING_TAG = "Liquidate from delisting"
_PRICE_FIELDS = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP_MARKET: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.TRAILING_STOP: ("stop_price", "trailing_amount"),
    OrderType.LIMIT_IF_TOUCHED: ("limit_price", "trigger_price"),
    OrderType.COMBO_LEG_LIMIT: ("limit_price",),
}
_AT_ONCE = (OrderType.MARKET, OrderType.COMBO_MARKET)


def _ids(orders: Iterable[Order]) -> str:
    return "[" + ",".join(str(order.id) for order in orders) + "]"


class OrderProcessing(LeanObject):
    """What becomes of orders.

    Args:
        algorithm: supplies time, securities, portfolio, broker and callbacks.

    Attributes:
        recorder: told of every order event once orders, cash and holdings have followed it and
            before the algorithm hears of it.
        is_closed: True once no request is taken any more.
        orders_count: orders so far, refused ones included.
        order_events: events so far that the algorithm was told of.
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
        self._last_group_id = 0
        self._modes: dict[Symbol, Any] = {}
        self._warned: set[str] = set()
        self._last_delistings: Any = None
        self.orders_count = 0
        self.order_events: list[OrderEvent] = []
        self.recorder: Callable[[Order, OrderEvent], None] | None = None
        self.is_closed = False

    @property
    def utc_time_naive(self) -> datetime:
        """The algorithm's time, UTC without its time zone."""
        now: datetime = self._algorithm.utc_time_naive
        return now

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

    def process_request(self, request: OrderRequest) -> OrderTicket:
        """Take a request.

        Raises:
            RuntimeError: during warm-up, as LEAN does, or after the end of the run.
        """
        if self.is_closed:
            raise RuntimeError("the run has ended: it takes no order requests any more")
        if self._algorithm.is_warming_up:
            raise RuntimeError(str(OrderResponse.warming_up(request)))
        if isinstance(request, SubmitOrderRequest):
            return self._submit(request)
        if isinstance(request, UpdateOrderRequest):
            return self._update(request)
        if isinstance(request, CancelOrderRequest):
            return self._cancel(request)
        raise ValueError(f"request must submit, update or cancel; received {request}")

    def _submit(self, request: SubmitOrderRequest) -> OrderTicket:
        if request.order_id < 1:
            self._last_id += 1
            request.set_order_id(self._last_id)
        algorithm = self._algorithm
        security = algorithm.securities[request.symbol]
        shortage = self._shortage(request.symbol, request.quantity_exact)
        ticket = OrderTicket(self, request)
        order = create_order(request)
        self.orders_count += 1
        self._tickets[order.id] = ticket
        if shortage and not algorithm.live_mode:
            code = OrderResponseErrorCode.EXCEEDS_SHORTABLE_QUANTITY
            request.set_response(OrderResponse.error(request, code, shortage))
            order.price_currency = security.symbol_properties.quote_currency
            order.status = OrderStatus.INVALID
            order.tag = shortage
            ticket.set_order(order)
            self._orders[order.id] = order
            self._handle_event(self._event(order, None, shortage))
            return ticket
        if shortage:
            algorithm.debug(f"Warning: {shortage}")
        request.set_response(OrderResponse.success(request))
        order.order_submission_data = OrderSubmissionData(
            security.bid_price_exact, security.ask_price_exact, security.close_exact
        )
        self._open[order.id] = ticket
        self._orders[order.id] = order
        self._queue.append(request)
        if not (request.asynchronous and algorithm.live_mode):
            self._process_queue()
        return ticket

    def _shortage(self, symbol: Symbol, quantity: Decimal, updating: int | None = None) -> str:
        """LEAN's words for a sale beyond what may be sold short; empty if it is not."""
        algorithm = self._algorithm
        if quantity >= 0 or algorithm.shortable(symbol, quantity, updating):
            return ""
        return (
            f"Order exceeds shortable quantity {algorithm.shortable_quantity(symbol)} for Symbol "
            f"{symbol} requested {text(quantity)})"
        )

    def _update(self, request: UpdateOrderRequest) -> OrderTicket:
        order, ticket = self._orders.get(request.order_id), self._tickets.get(request.order_id)
        if order is None or ticket is None:
            return OrderTicket.invalid_update_order_id(self, request)
        ticket.update_requests.append(request)
        request.set_response(self._update_refusal(order, ticket, request))
        if request.response.is_success:
            request.status = OrderRequestStatus.PROCESSING
            self._queue.append(request)
        return ticket

    def _update_refusal(
        self, order: Order, ticket: OrderTicket, request: UpdateOrderRequest
    ) -> OrderResponse:
        """Why an order cannot be updated, or success."""
        asked = request.quantity_exact
        if asked is None:
            asked = ticket.quantity_exact
        selling = order.quantity_exact < 0 or asked < 0
        shortage = self._shortage(order.symbol, -abs(asked), order.id) if selling else ""
        if shortage and self._algorithm.live_mode:
            self._algorithm.debug(f"Warning: {shortage}")
            shortage = ""
        if order.status == OrderStatus.NEW:
            return OrderResponse.invalid_new_status(request, order)
        if order.status.is_closed and not request.is_allowed_for_closed_order:
            return OrderResponse.invalid_status(request, order)
        if request.quantity_exact is not None and not request.quantity_exact:
            return OrderResponse.zero_quantity(request)
        if shortage:
            code = OrderResponseErrorCode.EXCEEDS_SHORTABLE_QUANTITY
            return OrderResponse.error(request, code, shortage)
        return OrderResponse.success(request)

    def _cancel(self, request: CancelOrderRequest) -> OrderTicket:
        order, ticket = self._orders.get(request.order_id), self._tickets.get(request.order_id)
        if order is None or ticket is None:
            return OrderTicket.invalid_cancel_order_id(self, request)
        if not ticket.try_set_cancel_request(request):
            code = OrderResponseErrorCode.INVALID_REQUEST
            message = "Cancellation is already in progress."
            request.set_response(OrderResponse.error(request, code, message))
            return ticket
        if request.tag is not None:
            order.tag = request.tag
        if order.status == OrderStatus.NEW:
            request.set_response(OrderResponse.invalid_new_status(request, order))
        elif order.status.is_closed:
            request.set_response(OrderResponse.invalid_status(request, order))
        else:
            self._cancel_fallback[order.id] = order.status
            order.status = OrderStatus.CANCEL_PENDING
            self._handle_event(self._event(order))
            request.set_response(OrderResponse.success(request), OrderRequestStatus.PROCESSING)
            self._queue.append(request)
        return ticket

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

    def _group(self, order: Order, among: dict[int, Order]) -> list[Order] | None:
        """The orders that fill with an order, by number; None while some are missing."""
        manager = order.group_order_manager
        if manager is None:
            return [order]
        if len(manager.order_ids) != manager.count:
            return None
        orders = [order if i == order.id else among.get(i) for i in sorted(manager.order_ids)]
        return None if any(one is None for one in orders) else orders  # type: ignore[return-value]

    def _submitted_group(self, order: Order) -> list[Order] | None:
        """As `_group`, of the orders that were taken up."""
        manager = order.group_order_manager
        if manager is None:
            return [order]
        taken = {i: self._orders[i] for i in manager.order_ids if self._tickets[i].has_order}
        return self._group(order, taken)

    def _handle_submit(self, request: SubmitOrderRequest) -> OrderResponse:
        algorithm = self._algorithm
        order = self._orders[request.order_id]
        ticket = self._tickets[request.order_id]
        security = algorithm.securities[order.symbol]
        order.price_currency = security.symbol_properties.quote_currency
        if not order.tag:
            order.tag = order.get_default_tag()
        self._round_quantity(order, security)
        orders = self._submitted_group(order)
        self._round_prices(order, security, orders)
        order.price_adjustment_mode = self._adjustment_mode(order.symbol, security)
        ticket.set_order(order)
        if orders is None:
            return OrderResponse.success(request)
        if any(not one.quantity_exact for one in orders):
            return self._refuse(orders, OrderResponse.zero_quantity(request))
        try:
            power = algorithm.portfolio.has_sufficient_buying_power_for_order(orders)
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            return self._margin_failed(order, request, error)
        if not power.is_sufficient:
            message = self._insufficient_message(orders, power)
            code = OrderResponseErrorCode.INSUFFICIENT_BUYING_POWER
            return self._refuse(orders, OrderResponse.error(request, code, message))
        for one in orders:
            allowed, reason = self._brokerage_verdict(
                "can_submit_order", algorithm.securities[one.symbol], one
            )
            if not allowed:
                reason = reason or "Warning - Code: InvalidOrder - "
                message = f"BrokerageModel declared unable to submit order: {_ids(orders)} {reason}"
                code = OrderResponseErrorCode.BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER
                return self._refuse(orders, OrderResponse.error(request, code, message))
        for one in orders:
            self._pending[one.id] = one
            self._needs_scan = True
            self._add_broker_id(one)
            self._handle_event(self._event(one, OrderStatus.SUBMITTED))
        return OrderResponse.success(request)

    def _refuse(self, orders: list[Order], response: OrderResponse) -> OrderResponse:
        """Tell the algorithm why orders were refused, and make them invalid."""
        message = response.error_message or ""
        self._algorithm.error(message)
        for order in orders:
            if not order.status.is_closed:
                order.status = OrderStatus.INVALID
            self._handle_event(self._event(order, None, message))
        return response

    def _margin_failed(
        self, order: Order, request: OrderRequest, error: Exception
    ) -> OrderResponse:
        self._algorithm.error(
            f"Order Error: id: {order.id}, Error executing margin models: {error}"
        )
        self._handle_event(self._event(order, None, "Error executing margin models"))
        return OrderResponse.error(
            request,
            OrderResponseErrorCode.PROCESSING_ERROR,
            "An error occurred while checking sufficient buying power for the orders.",
        )

    def _brokerage_verdict(self, method: str, security: Any, order: Order, *more: Any) -> Any:
        """Ask the brokerage model, whose custom subclasses may omit the message argument."""
        ask = getattr(self._algorithm.brokerage_model, method)
        try:
            return verdict(ask(security, order, *more, None))
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            return verdict(ask(security, order, *more))

    def _insufficient_message(
        self, orders: list[Order], power: HasSufficientBuyingPowerForOrderResult
    ) -> str:
        securities = self._algorithm.securities
        values = ",".join(
            text(smart_rounding(order.value_at(securities[order.symbol].price_exact)))
            for order in orders
        )
        return (
            f"Order Error: ids: {_ids(orders)}, Insufficient buying power to complete orders "
            f"(Value:[{values}]), Reason: {power.reason}."
        )

    def _handle_update(self, request: UpdateOrderRequest) -> OrderResponse:
        algorithm = self._algorithm
        order, ticket = self._orders[request.order_id], self._tickets[request.order_id]
        if order.status == OrderStatus.NEW:
            return OrderResponse.invalid_new_status(request, order)
        closed = order.status.is_closed
        if closed and not request.is_allowed_for_closed_order:
            return OrderResponse.invalid_status(request, order)
        security = algorithm.securities[order.symbol]
        self._round_quantity(order, security)
        # In live trading LEAN's own model is not asked; the broker answers.
        allowed, reason = True, ""
        if not algorithm.live_mode:
            allowed, reason = self._brokerage_verdict("can_update_order", security, order, request)
        if not allowed:
            if not reason:
                reason = (
                    "Warning - Code: InvalidRequest - BrokerageModel declared unable to update "
                    f"order: {order.id}"
                )
            message = f"OrderID: {order.id} {reason}"
            algorithm.error(message)
            self._handle_event(
                self._event(order, None, "BrokerageModel declared unable to update order")
            )
            code = OrderResponseErrorCode.BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER
            return OrderResponse.error(request, code, message)
        if order.group_order_manager is None:
            refusal = self._update_beyond_margin(order, request)
            if refusal is not None:
                return refusal
        order.apply_update_order_request(request)
        self._round_prices(order, security, self._group(order, self._orders))
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

    def _update_beyond_margin(
        self, order: Order, request: UpdateOrderRequest
    ) -> OrderResponse | None:
        """Refusal of an update that the margin does not suffice for, None if it does."""
        algorithm = self._algorithm
        updated = order.clone()
        updated.apply_update_order_request(request)
        try:
            power = algorithm.portfolio.has_sufficient_buying_power_for_order([updated])
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            return self._margin_failed(order, request, error)
        if power.is_sufficient:
            return None
        message = (
            f"Brokerage failed to update order with id: {order.id}, Symbol: "
            f"{order.symbol.value}, Insufficient buying power to complete order, "
            f"Reason: {power.reason}."
        )
        algorithm.error(message)
        self._handle_event(self._event(updated, None, message))
        code = OrderResponseErrorCode.BROKERAGE_FAILED_TO_UPDATE_ORDER
        return OrderResponse.error(request, code, message)

    def _handle_cancel(self, request: OrderRequest) -> OrderResponse:
        order = self._orders[request.order_id]
        if order.status.is_closed or order.status == OrderStatus.NEW:
            self._fall_back(order)
            if order.status == OrderStatus.NEW:
                return OrderResponse.invalid_new_status(request, order)
            return OrderResponse.invalid_status(request, order)
        self._tickets[order.id].set_order(order)
        orders = self._group(order, self._pending)
        canceled = orders is not None
        for one in orders or ():
            canceled = self._pending.pop(one.id, None) is not None and canceled
            self._add_broker_id(one)
            self._handle_event(self._event(one, OrderStatus.CANCELED))
        if not canceled:
            message = f"Brokerage failed to cancel order with id {order.id}"
            self._algorithm.error(message)
            self._fall_back(order)
            code = OrderResponseErrorCode.BROKERAGE_FAILED_TO_CANCEL_ORDER
            return OrderResponse.error(request, code, message)
        if request.tag is not None:
            order.tag = request.tag
        return OrderResponse.success(request)

    def _fall_back(self, order: Order) -> None:
        """Give an order that could not be canceled the status it had."""
        status = self._cancel_fallback.pop(order.id, None)
        if status is not None:
            order.status = status

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
                "lots",
                "Warning: Due to brokerage limitations, orders will be rounded to the nearest lot "
                f"size of {text(lot)}",
            )

    def _round_prices(self, order: Order, security: Any, orders: list[Order] | None) -> None:
        """Round an order's prices to ticks; a combination's limit to the smallest of its legs'."""
        for name in _PRICE_FIELDS.get(order.type, ()):
            if name == "trailing_amount" and order.trailing_as_percentage:  # type: ignore[attr-defined]
                continue
            price = getattr(order, name + "_exact")
            self._round_price(order, name, security.minimum_price_variation(price))
        if order.type == OrderType.COMBO_LIMIT and orders is not None:
            securities = self._algorithm.securities
            steps = [
                securities[leg.symbol].minimum_price_variation(leg.price_exact) for leg in orders
            ]
            step = min((step for step in steps if step > 0), default=ZERO)
            self._round_price(order.group_order_manager, "limit_price", step)

    def _round_price(self, owner: Any, name: str, step: Decimal) -> None:
        if step <= 0:
            return
        price = getattr(owner, name + "_exact")
        rounded = (price / step).quantize(ONE, ROUND_HALF_EVEN) * step
        setattr(owner, name + "_exact", rounded)
        if rounded != price:
            shown = name.title().replace("_", "")
            self._warn_once(
                "prices",
                f"Warning: To meet brokerage precision requirements, order {shown} was rounded to "
                f"{text(rounded)} from {text(price)}",
            )

    def _warn_once(self, subject: str, message: str) -> None:
        if subject not in self._warned:
            self._warned.add(subject)
            self._algorithm.error(message)

    def _adjustment_mode(self, symbol: Symbol, security: Any) -> Any:
        if symbol not in self._modes:
            self._modes[symbol] = security.data_normalization_mode
        return self._modes[symbol]

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
            if order.time_naive == self.utc_time_naive and order.type not in _AT_ONCE:
                still_needed = True
                continue
            orders = self._group(order, self._pending)
            if orders is None or not self._try_fill(order, orders):
                still_needed = True
        self._needs_scan = still_needed or bool(self._pending)

    def _checked(self, order: Order, security: Any) -> OrderStatus | None:
        """Whether an order may fill now: its own status; Canceled if it has expired, else None."""
        if order.type == OrderType.MARKET_ON_OPEN:
            last = security.get_last_data()
            hours = security.exchange.hours
            if last is None or hours.from_utc(order.time_naive) >= last.end_time:
                return None
        if order.time_in_force.is_order_expired(security, order):
            return OrderStatus.CANCELED
        if not self._algorithm.brokerage_model.can_execute_order(security, order):
            return None
        return order.status

    def _try_fill(self, order: Order, orders: list[Order]) -> bool:
        """Fill, expire or reject pending orders; False if they stay pending."""
        algorithm = self._algorithm
        securities = {one: algorithm.securities.find_any(one.symbol) for one in orders}
        if any(security is None for security in securities.values()):
            self._remove(orders, OrderStatus.INVALID)
            return True
        for one, security in securities.items():
            status = self._checked(one, security)
            if status is None:
                return False
            if status == OrderStatus.CANCELED:
                self._remove(orders, OrderStatus.CANCELED, "The order has expired.")
                return True
        try:
            power = algorithm.portfolio.has_sufficient_buying_power_for_order(orders)
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            self._remove(orders, OrderStatus.INVALID, str(error))
            algorithm.error(
                f"Order Error: ids: {_ids(orders)}, Error executing margin models: {error}"
            )
            return True
        if not power.is_sufficient:
            if order.status == OrderStatus.CANCEL_PENDING:
                return False
            message = self._insufficient_message(orders, power)
            self._remove(orders, OrderStatus.INVALID, message)
            algorithm.error(message)
            return True
        fills = self._fills(order, securities)
        if not fills:
            return False
        changes = []
        for one in orders:
            for fill in fills:
                if fill.order_id == one.id and (
                    one.status != fill.status or fill.fill_quantity_exact
                ):
                    one.status = fill.status
                    changes.append(fill)
        self._handle_events(changes)
        if all(fill.status.is_closed for fill in fills):
            for one in orders:
                self._pending.pop(one.id, None)
            return True
        return False

    def _fills(self, order: Order, securities: dict[Order, Any]) -> list[OrderEvent]:
        """What the fill model answers, with fees; nothing where a model of the user's fails."""
        algorithm = self._algorithm
        security = securities[order]
        fills: list[OrderEvent] = []
        try:
            answer = list(
                security.fill_model.fill(
                    FillModelParameters(
                        security,
                        order,
                        algorithm.subscription_manager,
                        algorithm.settings.stale_price_time_span,
                        securities,
                    )
                )
            )
            if all(order.time_in_force.is_fill_valid(security, order, fill) for fill in answer):
                fills = answer
            for fill in fills:
                if fill.status == OrderStatus.FILLED and not fill.order_fee.value.amount_exact:
                    leg = next(one for one in securities if one.id == fill.order_id)
                    parameters = OrderFeeParameters(securities[leg], leg)
                    fill.order_fee = securities[leg].fee_model.get_order_fee(parameters)
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            algorithm.error(
                f"Order Error: id: {order.id}, Transaction model failed to fill for order type: "
                f"{order.type.net_name} with error: {error}"
            )
        return fills

    def _remove(self, orders: list[Order], status: OrderStatus, message: str = "") -> None:
        events = []
        for order in orders:
            self._pending.pop(order.id, None)
            events.append(self._event(order, status, message))
        self._handle_events(events)

    def _process_delisting(self, delisting: Delisting) -> None:
        """Close the position of a delisted security at the last price; cancel its orders."""
        if delisting.type == DelistingType.WARNING:
            return
        algorithm = self._algorithm
        security = algorithm.securities.find_any(delisting.symbol)
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
            for ticket in [t for t in self._open.values() if t.symbol == delisting.symbol]:
                ticket.cancel(None)

    # Events ---------------------------------------------------------------------------------

    def _handle_event(self, event: OrderEvent) -> None:
        self._handle_events([event])

    def _handle_events(self, events: list[OrderEvent]) -> None:
        """Update orders, portfolio, trades and tickets, then tell the algorithm."""
        algorithm = self._algorithm
        for event in events:
            self._note(event)
        for event in events:
            if event.status.is_fill:
                algorithm.portfolio.process_fill(event)
        for event in events:
            if event.status.is_fill:
                algorithm.trade_builder.process_fill(
                    event.symbol,
                    event.order_id,
                    event.utc_time_naive,
                    event.fill_price_exact,
                    event.fill_quantity_exact,
                    event.order_fee.value.amount_exact,
                )
            event.ticket.add_order_event(event)
            if self.recorder is not None:
                self.recorder(self._orders[event.order_id], event)
        for event in events:
            if event.status != OrderStatus.NONE:
                self.order_events.append(event)
                algorithm.dispatch_order_event(event)

    def _note(self, event: OrderEvent) -> None:
        """Bring an order up to its event, and the event up to its order."""
        order, ticket = self._orders[event.order_id], self._tickets[event.order_id]
        event.ticket = ticket
        if event.status.is_closed:
            self._open.pop(order.id, None)
            self._cancel_fallback.pop(order.id, None)
        elif order.id in self._cancel_fallback and event.status != OrderStatus.CANCEL_PENDING:
            self._cancel_fallback[order.id] = event.status
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
