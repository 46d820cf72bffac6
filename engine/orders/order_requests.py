"""Requests about orders and the responses to them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.clock import UtcTime
from engine.common.decimals import ZERO, ExactNumber, to_decimal
from engine.common.enums import (
    OrderRequestStatus,
    OrderRequestType,
    OrderResponseErrorCode,
    OrderType,
    SecurityType,
    net_text,
)
from engine.common.naming import LeanObject
from engine.market.symbols import Symbol, SymbolCache
from engine.orders.order_properties import OrderProperties


class OrderResponse(LeanObject):
    """Outcome of a request."""

    def __init__(
        self, order_id: int, error_code: OrderResponseErrorCode, error_message: str = ""
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
        cls, request: OrderRequest, code: OrderResponseErrorCode, message: str
    ) -> OrderResponse:
        """The request was refused."""
        return cls(request.order_id, code, message)

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
        return f"Error: {self.error_code} - {self.error_message}" if self.is_error else "Success"


def _unprocessed(order_id: int) -> OrderResponse:
    response = OrderResponse(order_id, OrderResponseErrorCode.NONE)
    response.is_processed = False
    return response


class OrderRequest(LeanObject):
    """What an algorithm asked for, when (UTC), and what became of it."""

    order_request_type: OrderRequestType
    time = UtcTime()
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

    def __str__(self) -> str:
        status = net_text(self.status)
        return f"{self.time_naive} UTC: Order: ({self.order_id}) - {self.tag} Status: {status}"


class SubmitOrderRequest(OrderRequest):
    """A new order."""

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
        *terms: Any,
    ) -> None:
        """Describe an order.

        The terms are LEAN's: stop price, limit price, [trigger price, [trailing amount, trailing
        as percentage,]] time (UTC), tag, [properties, [asynchronous]].

        Raises:
            ValueError: if there is no time among them.
        """
        split = next((i for i, term in enumerate(terms) if isinstance(term, datetime)), None)
        if split is None:
            raise ValueError(f"an order request needs a time; received {terms}")
        prices = [*terms[:split], *(ZERO, ZERO, ZERO, ZERO, False)[split:]]
        rest = [*terms[split + 1 :], *("", None, False)[len(terms) - split - 1 :]]
        super().__init__(terms[split], int(OrderResponseErrorCode.UNABLE_TO_FIND_ORDER), rest[0])
        self.order_type = order_type
        self.security_type = security_type
        self.symbol: Symbol = (
            symbol if isinstance(symbol, Symbol) else SymbolCache.get_symbol(str(symbol))
        )
        self.quantity_exact = to_decimal(quantity)
        self.stop_price_exact = to_decimal(prices[0])
        self.limit_price_exact = to_decimal(prices[1])
        self.trigger_price_exact = to_decimal(prices[2])
        self.trailing_amount_exact = to_decimal(prices[3])
        self.trailing_as_percentage = bool(prices[4])
        self.order_properties: OrderProperties | None = rest[1]
        self.asynchronous = bool(rest[2])

    def set_order_id(self, order_id: int) -> None:
        """Give the request its order's number."""
        self.order_id = order_id
        self.response.order_id = order_id


class UpdateOrderFields(LeanObject):
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

    @property
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
