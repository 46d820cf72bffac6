"""Orders from request to fill: LEAN's transaction handler and backtesting broker in one.

Requests wait in a queue. A new order drains it at once; in live trading an asynchronous one waits,
as updates and cancellations always do, for the next order or the end of the time step. After every
request the broker looks for fills. The orders of a combination are handled when the last of them
has come, and fill together.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from engine.brokerage.brokerage_models import verdict
from engine.brokerage.order_filling import PRICE_FIELDS, OrderFilling, numbers
from engine.common.decimals import ONE, ZERO, normalize, text
from engine.common.enums import (
    OrderRequestStatus,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
)
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
from engine.orders.orders import Order, OrderSubmissionData


class OrderProcessing(OrderFilling):
    """What becomes of requests about orders."""

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

    def _shortage(self, symbol: Symbol, quantity: Decimal) -> str:
        """LEAN's words for a sale beyond what may be sold short; empty if it is not."""
        if quantity >= 0 or self._algorithm.shortable(symbol, quantity):
            return ""
        return self._shortage_text(symbol, quantity)

    def _shortage_text(self, symbol: Symbol, quantity: Decimal) -> str:
        return (
            f"Order exceeds shortable quantity {self._algorithm.shortable_quantity(symbol)} for "
            f"Symbol {symbol} requested {text(quantity)})"
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
        shortage = ""
        if selling and not self._algorithm.shortable(order.symbol, asked, order.id):
            # LEAN tells the quantity that the order has, not the one that it was to get.
            shortage = self._shortage_text(order.symbol, ticket.quantity_exact)
        if shortage and self._algorithm.live_mode:
            self._algorithm.debug(f"Warning: {shortage}")
            shortage = ""
        if order.status == OrderStatus.NEW:
            return OrderResponse.invalid_new_status(request, order)
        if order.status.is_closed and not request.is_allowed_for_closed_order():
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
        try:
            self._drain_queue()
        except NotImplementedError:
            raise
        except Exception as problem:  # a brokerage model of the algorithm's own failed
            # What gave the order goes on; the run ends when it next looks.
            self._algorithm.set_run_time_error(problem)

    def _drain_queue(self) -> None:
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
                message = (
                    f"BrokerageModel declared unable to submit order: {numbers(orders)} {reason}"
                )
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

    def _handle_update(self, request: UpdateOrderRequest) -> OrderResponse:
        algorithm = self._algorithm
        order, ticket = self._orders[request.order_id], self._tickets[request.order_id]
        if order.status == OrderStatus.NEW:
            return OrderResponse.invalid_new_status(request, order)
        closed = order.status.is_closed
        if closed and not request.is_allowed_for_closed_order():
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
        for name in PRICE_FIELDS.get(order.type, ()):
            if name == "trailing_amount" and order.trailing_as_percentage:  # type: ignore[attr-defined]
                continue
            price = getattr(order, name + "_exact")
            self._round_price(order, name, security.price_variation_model.step(security, price))
        if order.type == OrderType.COMBO_LIMIT and orders is not None:
            securities = self._algorithm.securities
            steps = [
                security.price_variation_model.step(security, leg.price_exact)
                for leg, security in ((leg, securities[leg.symbol]) for leg in orders)
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
