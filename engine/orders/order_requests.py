"""Requests about orders and the responses to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from engine.common.clock import PlacedTime
from engine.common.decimals import ZERO, ExactNumber, smart_rounding, text, to_decimal
from engine.common.enums import (
    OrderRequestStatus,
    OrderRequestType,
    OrderResponseErrorCode,
    OrderType,
    SecurityType,
    net_text,
)
from engine.common.naming import DirectObject
from engine.market.symbols import Symbol, SymbolCache
from engine.orders.order_properties import OrderProperties


class OrderResponse(DirectObject):
    """Outcome of a request; the error message is None for a success."""

    def __init__(
        self,
        order_id: int,
        error_code: OrderResponseErrorCode,
        error_message: str | None = None,
    ) -> None:
        self.order_id = order_id
        self.error_code = error_code
        self.error_message = error_message
        self.is_processed = True

    @classmethod
    def success(cls, request: OrderRequest) -> OrderResponse:
        """The request was carried out."""
        return cls(request.order_id, OrderResponseErrorCode.NONE)

    @classmethod
    def error(
        cls,
        request: OrderRequest,
        error_code: OrderResponseErrorCode,
        error_message: str | None,
    ) -> OrderResponse:
        """The request was refused."""
        return cls(request.order_id, error_code, error_message or "An unexpected error occurred.")

    @classmethod
    def invalid_status(cls, request: OrderRequest, order: Any) -> OrderResponse:
        """The order is closed."""
        return cls.error(
            request,
            OrderResponseErrorCode.INVALID_ORDER_STATUS,
            f"Unable to update order with id {request.order_id} because it already has "
            f"{net_text(order.status)} status.",
        )

    @classmethod
    def invalid_new_status(cls, request: OrderRequest, order: Any) -> OrderResponse:
        """The broker has not got the order yet."""
        return cls.error(
            request,
            OrderResponseErrorCode.INVALID_NEW_ORDER_STATUS,
            f"Unable to update or cancel order with id {request.order_id} and status "
            f"{net_text(order.status)} because the submit confirmation has not been received yet.",
        )

    @classmethod
    def unable_to_find_order(cls, request: OrderRequest) -> OrderResponse:
        """There is no such order."""
        return cls.error(
            request,
            OrderResponseErrorCode.UNABLE_TO_FIND_ORDER,
            f"Unable to locate order with id {request.order_id}.",
        )

    @classmethod
    def zero_quantity(cls, request: OrderRequest) -> OrderResponse:
        """The order would trade nothing."""
        return cls.error(
            request,
            OrderResponseErrorCode.ORDER_QUANTITY_ZERO,
            f"Unable to {net_text(request.order_request_type).lower()} order with id "
            f"{request.order_id} that has zero quantity.",
        )

    @classmethod
    def missing_security(cls, request: SubmitOrderRequest) -> OrderResponse:
        """The security was not added."""
        return cls.error(
            request,
            OrderResponseErrorCode.MISSING_SECURITY,
            f"You haven't requested {request.symbol} data. Add this with add_security() in the "
            "initialize() method.",
        )

    @classmethod
    def warming_up(cls, request: OrderRequest) -> OrderResponse:
        """The algorithm warms up."""
        return cls.error(
            request,
            OrderResponseErrorCode.ALGORITHM_WARMING_UP,
            "This operation is not allowed in initialize or during warm up: OrderRequest."
            f"{net_text(request.order_request_type).lower()}. Please move this code to the "
            "on_warmup_finished() method.",
        )

    @property
    def is_error(self) -> bool:
        """True if refused."""
        return self.is_processed and self.error_code != OrderResponseErrorCode.NONE

    @property
    def is_success(self) -> bool:
        """True if carried out."""
        return self.is_processed and not self.is_error

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        if not self.is_processed:
            return "Unprocessed"
        if self.is_error:
            return f"Error: {net_text(self.error_code)} - {self.error_message}"
        return "Success"


def _unprocessed(order_id: int) -> OrderResponse:
    response = OrderResponse(order_id, OrderResponseErrorCode.NONE)
    response.is_processed = False
    return response


class OrderRequest(DirectObject):
    """What an algorithm asked for, when (UTC), and what became of it."""

    has_zoneless_time = False
    """Whether its author gave it a time without a zone."""
    order_request_type: OrderRequestType
    time = PlacedTime()
    time_naive: datetime

    def __init__(self, time: datetime, order_id: int, tag: str | None) -> None:
        self.time = time
        self.order_id = order_id
        self.tag = tag
        self.status = OrderRequestStatus.UNPROCESSED
        self.response = _unprocessed(order_id)

    def set_response(
        self, response: OrderResponse, status: OrderRequestStatus = OrderRequestStatus.ERROR
    ) -> None:
        """Record the outcome; an error response always means error status."""
        self.status = OrderRequestStatus.ERROR if response.is_error else status
        self.response = response

    def _described(self, what: str) -> str:
        return (
            f"{self.time_naive:%m/%d/%Y %H:%M:%S} UTC: {what} ({self.order_id}) - {self._terms()}"
            f"{self.tag or ''} Status: {net_text(self.status)}"
        )

    def _terms(self) -> str:
        return ""

    def __str__(self) -> str:
        return self._described("Order:")


_REST = ("time", "tag", "properties", "group_order_manager", "asynchronous")


class SubmitOrderRequest(OrderRequest):
    """A new order."""

    as_order: ClassVar[Callable[[SubmitOrderRequest], Any]]
    """Makes the order that a request describes; `orders.creation` sets it."""
    order_request_type = OrderRequestType.SUBMIT
    quantity = ExactNumber()
    limit_price = ExactNumber()
    stop_price = ExactNumber()
    trigger_price = ExactNumber()
    trailing_amount = ExactNumber()

    def __init__(
        self,
        order_type: OrderType,
        security_type: SecurityType,
        symbol: Any,
        quantity: Any,
        stop_price: Any = ZERO,
        limit_price: Any = ZERO,
        *terms: Any,
        **named: Any,
    ) -> None:
        """Describe an order.

        The terms are LEAN's: [trigger price, [trailing amount, trailing as percentage,]] time
        (UTC), tag, [properties, [group order manager, [asynchronous]]]; all may be named.

        Raises:
            ValueError: if there is no time among them.
        """
        split = next((i for i, term in enumerate(terms) if isinstance(term, datetime)), len(terms))
        names = ("trigger_price", "trailing_amount", "trailing_as_percentage")[:split]
        given = dict(zip((*names, *_REST), terms, strict=False)) | named
        if "time" not in given:
            raise ValueError(f"an order request needs a time; received {terms} and {named}")
        super().__init__(
            given["time"],
            int(OrderResponseErrorCode.UNABLE_TO_FIND_ORDER),
            given.get("tag", ""),
        )
        self.was_given_zone = given["time"].tzinfo is not None
        self.order_type = order_type
        self.security_type = security_type
        self.symbol: Symbol = (
            symbol if isinstance(symbol, Symbol) else SymbolCache.get_symbol(str(symbol))
        )
        self.quantity_exact = to_decimal(quantity)
        self.stop_price_exact = to_decimal(stop_price)
        self.limit_price_exact = to_decimal(limit_price)
        self.trigger_price_exact = to_decimal(given.get("trigger_price", ZERO))
        self.trailing_amount_exact = to_decimal(given.get("trailing_amount", ZERO))
        self.trailing_as_percentage = bool(given.get("trailing_as_percentage", False))
        self.order_properties: OrderProperties | None = given.get("properties")
        self.group_order_manager: Any = given.get("group_order_manager")
        self.asynchronous = bool(given.get("asynchronous", False))

    def set_order_id(self, order_id: int) -> None:
        """Give the request its order's number."""
        self.order_id = order_id
        self.response.order_id = order_id

    def _terms(self) -> str:
        return f"{SubmitOrderRequest.as_order(self)} "

    def __str__(self) -> str:
        return f"{self._described('Submit Order:')} Async: {self.asynchronous}"


class UpdateOrderFields(DirectObject):
    """New values for an open order; None leaves a field as it is."""

    quantity = ExactNumber()
    limit_price = ExactNumber()
    stop_price = ExactNumber()
    trigger_price = ExactNumber()
    trailing_amount = ExactNumber()

    def __init__(self) -> None:
        self.quantity_exact: Decimal | None = None
        self.limit_price_exact: Decimal | None = None
        self.stop_price_exact: Decimal | None = None
        self.trigger_price_exact: Decimal | None = None
        self.trailing_amount_exact: Decimal | None = None
        self.tag: str | None = None


class UpdateOrderRequest(OrderRequest):
    """A change of an open order."""

    order_request_type = OrderRequestType.UPDATE
    quantity = ExactNumber()
    limit_price = ExactNumber()
    stop_price = ExactNumber()
    trigger_price = ExactNumber()
    trailing_amount = ExactNumber()

    def __init__(self, time: datetime, order_id: int, fields: UpdateOrderFields) -> None:
        super().__init__(time, order_id, fields.tag)
        self.quantity_exact = fields.quantity_exact
        self.limit_price_exact = fields.limit_price_exact
        self.stop_price_exact = fields.stop_price_exact
        self.trigger_price_exact = fields.trigger_price_exact
        self.trailing_amount_exact = fields.trailing_amount_exact

    def _terms(self) -> str:
        values = {
            "Quantity": self.quantity_exact,
            "LimitPrice": self.limit_price_exact,
            "StopPrice": self.stop_price_exact,
            "TrailingAmount": self.trailing_amount_exact,
            "TriggerPrice": self.trigger_price_exact,
        }
        shown = [
            f"{name}: {text(value if name == 'Quantity' else smart_rounding(value))}"
            for name, value in values.items()
            if value is not None
        ]
        return ", ".join(shown) + " "

    def __str__(self) -> str:
        return self._described("Update Order:")

    def is_allowed_for_closed_order(self) -> bool:
        """A closed order's tag may still change."""
        return (
            self.quantity_exact is None
            and self.limit_price_exact is None
            and self.stop_price_exact is None
            and self.trigger_price_exact is None
            and self.trailing_amount_exact is None
        )


class CancelOrderRequest(OrderRequest):
    """A wish to cancel."""

    order_request_type = OrderRequestType.CANCEL

    def __str__(self) -> str:
        return self._described("Cancel Order:")
