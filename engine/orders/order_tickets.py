"""The ticket through which an algorithm follows and changes its order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, ExactNumber, to_double
from engine.common.enums import (
    OrderField,
    OrderRequestStatus,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
    SecurityType,
    net_text,
)
from engine.common.naming import BracketCall, DirectObject
from engine.common.net_exceptions import ArgumentException, InvalidCastException
from engine.common.signatures import overloads
from engine.market.symbols import Symbol
from engine.orders.order_requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderFields,
    UpdateOrderRequest,
)
from engine.orders.orders import Order, OrderEvent

_NET_NAMES = {bool: "Boolean", int: "Int64", float: "Double", str: "String"}


class _Field:
    """LEAN's `ticket.get`, which is called or first indexed by a class of values."""

    __slots__ = ("_kind", "_ticket")

    def __init__(self, ticket: OrderTicket, kind: type = Decimal) -> None:
        self._ticket, self._kind = ticket, kind

    def __getitem__(self, kind: type) -> _Field:
        return _Field(self._ticket, kind)

    def __call__(self, field: OrderField) -> float | bool:
        value: Any = self._ticket.get_exact(field)
        kind = type(value)
        if kind is not self._kind:
            held = "Boolean" if kind is bool else "Decimal"
            wanted = _NET_NAMES.get(self._kind, self._kind.__name__)
            raise InvalidCastException(
                f"Unable to cast object of type 'System.{held}' to type 'System.{wanted}'."
            )
        return to_double(value) if kind is Decimal else bool(value)


class OrderTicket(DirectObject):
    """An algorithm's handle on its order."""

    quantity = ExactNumber()
    quantity_filled = ExactNumber()
    quantity_remaining = ExactNumber()
    average_fill_price = ExactNumber()

    def __init__(self, transactions: Any, submit_request: SubmitOrderRequest) -> None:
        self._transactions = transactions
        self.submit_request = submit_request
        self.update_requests: list[UpdateOrderRequest] = []
        self.cancel_request: CancelOrderRequest | None = None
        self.order_events: list[OrderEvent] = []
        self.quantity_filled_exact = ZERO
        self.average_fill_price_exact = ZERO
        self._order: Order | None = None

    @classmethod
    def invalid(
        cls, transactions: Any, request: SubmitOrderRequest, response: OrderResponse
    ) -> OrderTicket:
        """Ticket of a request that never became a working order."""
        request.set_response(response)
        ticket = cls(transactions, request)
        ticket._invalid = True
        return ticket

    @classmethod
    def _of_no_order(cls, transactions: Any, request: OrderRequest) -> OrderTicket:
        """Ticket that answers a request about an order that does not exist."""
        submit = SubmitOrderRequest(
            OrderType.MARKET,
            SecurityType.BASE,
            Symbol.EMPTY,
            ZERO,
            time=datetime.max,
            tag=request.tag,
        )
        submit.set_response(OrderResponse.unable_to_find_order(request))
        submit.set_order_id(request.order_id)
        request.set_response(OrderResponse.unable_to_find_order(request))
        ticket = cls(transactions, submit)
        ticket._invalid = True
        return ticket

    @classmethod
    def invalid_update_order_id(
        cls, transaction_manager: Any, request: UpdateOrderRequest
    ) -> OrderTicket:
        """Ticket of an update of an order that does not exist."""
        ticket = cls._of_no_order(transaction_manager, request)
        ticket.update_requests.append(request)
        return ticket

    @classmethod
    def invalid_cancel_order_id(
        cls, transaction_manager: Any, request: CancelOrderRequest
    ) -> OrderTicket:
        """Ticket of a cancellation of an order that does not exist."""
        ticket = cls._of_no_order(transaction_manager, request)
        ticket.cancel_request = request
        return ticket

    _invalid = False

    @property
    def order_id(self) -> int:
        """Number of the order."""
        return self.submit_request.order_id

    @property
    def status(self) -> OrderStatus:
        """State of the order."""
        if self._invalid:
            return OrderStatus.INVALID
        return OrderStatus.NEW if self._order is None else self._order.status

    @property
    def symbol(self) -> Symbol:
        """Symbol of the order."""
        return self.submit_request.symbol

    @property
    def security_type(self) -> SecurityType:
        """Kind of security."""
        return self.submit_request.security_type

    @property
    def quantity_exact(self) -> Decimal:
        """Quantity of the order as last updated."""
        order = self._order
        return self.submit_request.quantity_exact if order is None else order.quantity_exact

    @property
    def quantity_remaining_exact(self) -> Decimal:
        """Quantity not yet filled."""
        return self.quantity_exact - self.quantity_filled_exact

    @property
    def order_type(self) -> OrderType:
        """Kind of order."""
        return self.submit_request.order_type

    @property
    def tag(self) -> str | None:
        """The order's tag."""
        return self.submit_request.tag if self._order is None else self._order.tag

    @property
    def time(self) -> datetime:
        """When the latest request was made, UTC."""
        return self.get_most_recent_order_request().time

    @property
    def has_order(self) -> bool:
        """True once the order was accepted for processing."""
        return self._order is not None

    @BracketCall
    def get(self) -> _Field:
        """Value of one of the order's prices: `get(field)`, or `get[bool](field)` of what is one.

        Raises:
            ArgumentException: if this kind of order has no such field.
            InvalidCastException: if the field is of another kind.
        """
        return _Field(self)

    def get_exact(self, field: OrderField) -> Any:
        """As `get`, prices as Decimal."""
        name = OrderField(field).name.lower()
        source: Any = self._order
        if self.order_type == OrderType.COMBO_LIMIT and field == OrderField.LIMIT_PRICE:
            source = self.submit_request if source is None else source.group_order_manager
        if source is None:
            source = self.submit_request
        if name == "trailing_as_percentage" and hasattr(source, name):
            return bool(getattr(source, name))
        exact: Decimal | None = getattr(source, name + "_exact", None)
        if exact is not None:
            return exact
        raise ArgumentException(
            f"Unable to get field {net_text(field)} on order of type {net_text(self.order_type)}"
        )

    @overloads("fields: UpdateOrderFields")
    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Ask for a change of the order."""
        request = UpdateOrderRequest(self._transactions.utc_time_naive, self.order_id, fields)
        self._transactions.process_request(request)
        return request.response

    def _update(self, tag: str | None, **values: Any) -> OrderResponse:
        fields = UpdateOrderFields()
        for name, value in values.items():
            setattr(fields, name, value)
        fields.tag = tag
        return self.update(fields)

    @overloads("tag: str")
    def update_tag(self, tag: str) -> OrderResponse:
        """Change the tag."""
        return self._update(tag)

    @overloads("quantity: decimal, tag: str = None")
    def update_quantity(self, quantity: float, tag: str | None = None) -> OrderResponse:
        """Change the quantity."""
        return self._update(tag, quantity=quantity)

    @overloads("limit_price: decimal, tag: str = None")
    def update_limit_price(self, limit_price: float, tag: str | None = None) -> OrderResponse:
        """Change the limit price."""
        return self._update(tag, limit_price=limit_price)

    @overloads("stop_price: decimal, tag: str = None")
    def update_stop_price(self, stop_price: float, tag: str | None = None) -> OrderResponse:
        """Change the stop price."""
        return self._update(tag, stop_price=stop_price)

    @overloads("trigger_price: decimal, tag: str = None")
    def update_trigger_price(self, trigger_price: float, tag: str | None = None) -> OrderResponse:
        """Change the trigger price."""
        return self._update(tag, trigger_price=trigger_price)

    @overloads("trailing_amount: decimal, tag: str = None")
    def update_stop_trailing_amount(
        self, trailing_amount: float, tag: str | None = None
    ) -> OrderResponse:
        """Change the trailing distance."""
        return self._update(tag, trailing_amount=trailing_amount)

    @overloads("tag: str = None")
    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Ask to cancel; a second wish is refused while the first stands."""
        request = CancelOrderRequest(self._transactions.utc_time_naive, self.order_id, tag)
        previous = self.cancel_request
        if previous is not None and previous.status != OrderRequestStatus.ERROR:
            return OrderResponse.error(
                request,
                OrderResponseErrorCode.REQUEST_CANCELED,
                f"Order {self.order_id} has already received a cancellation request.",
            )
        ticket = self._transactions.process_request(request)
        latest = ticket.cancel_request if ticket is not None else None
        return (latest or request).response

    def get_most_recent_order_response(self) -> OrderResponse:
        """Response to the latest request."""
        return self.get_most_recent_order_request().response

    def get_most_recent_order_request(self) -> OrderRequest:
        """The latest request."""
        if self.cancel_request is not None:
            return self.cancel_request
        return self.update_requests[-1] if self.update_requests else self.submit_request

    def set_order(self, order: Order) -> None:
        """Bind the order; done by the transaction handler."""
        self._order = order

    def try_set_cancel_request(self, request: CancelOrderRequest) -> bool:
        """Record a wish to cancel unless one stands already."""
        previous = self.cancel_request
        if previous is not None and previous.status != OrderRequestStatus.ERROR:
            return False
        self.cancel_request = request
        return True

    def add_order_event(self, event: OrderEvent) -> None:
        """Record an event; fills move the filled quantity and the average price."""
        self.order_events.append(event)
        if not event.fill_quantity_exact or self._order is None:
            return
        self.quantity_filled_exact += event.fill_quantity_exact
        paid = sum(
            (
                abs(e.fill_quantity_exact) * e.fill_price_exact
                for e in self.order_events
                if e.status.is_fill
            ),
            ZERO,
        )
        self.average_fill_price_exact = paid / abs(self.quantity_filled_exact)
        self._order.set_price(self.average_fill_price_exact)

    def __str__(self) -> str:
        requests: list[Any] = [self.submit_request, *self.update_requests]
        if self.cancel_request is not None:
            requests.append(self.cancel_request)
        answered = sum(request.response.is_processed for request in requests)
        order = "" if self._order is None else f"{self._order} "
        return f"{self.order_id}: {order}Request Count: {len(requests)} Response Count: {answered}"
