"""Orders as JSON, to be kept over a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO
from engine.common.enums import OrderStatus, OrderType
from engine.orders.creation import create_order
from engine.orders.order_properties import (
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    OrderProperties,
    TimeInForce,
)
from engine.orders.order_requests import SubmitOrderRequest
from engine.orders.orders import Order, OrderSubmissionData

_PRICES = ("stop_price", "limit_price", "trigger_price", "trailing_amount")
_FLAGS = ("stop_triggered", "trigger_touched", "trailing_as_percentage")
_DATE = "%Y-%m-%d"


def order_content(order: Order) -> dict[str, Any]:
    """What `restored_order` needs, as JSON.

    Raises:
        NotImplementedError: for a time in force of one's own.
    """
    content: dict[str, Any] = {
        "id": order.id,
        "type": order.type.name,
        "ticker": order.symbol.value,
        "quantity": str(order.quantity_exact),
        "time": order.time_naive.isoformat(),
        "status": order.status.name,
        "tag": order.tag,
        "time_in_force": _time_in_force(order.time_in_force),
        "events": order.last_event_id,
        "broker_id": order.broker_id,
        "price_currency": order.price_currency,
        "price": str(order.price_exact),
    }
    for name in _PRICES:
        value = getattr(order, name + "_exact", None)
        if value is not None:
            content[name] = str(value)
    for name in _FLAGS:
        if hasattr(order, name):
            content[name] = getattr(order, name)
    data = order.order_submission_data
    if data is not None:
        content["submission"] = [
            str(data.bid_price_exact),
            str(data.ask_price_exact),
            str(data.last_price_exact),
        ]
    return content


def restored_order(content: Mapping[str, Any], symbol: Any) -> tuple[Order, SubmitOrderRequest]:
    """The order of a content, and the request that it came from."""
    properties = OrderProperties()
    properties.time_in_force = _in_force(content["time_in_force"])
    prices = [Decimal(content.get(name, "0")) for name in _PRICES]
    kind = OrderType[content["type"]]
    request = SubmitOrderRequest(
        kind,
        symbol.security_type,
        symbol,
        Decimal(content["quantity"]),
        *prices,
        content.get("trailing_as_percentage", False),
        datetime.fromisoformat(content["time"]),
        content["tag"],
        properties,
    )
    request.set_order_id(content["id"])
    order = create_order(request)
    order.status = OrderStatus[content["status"]]
    order.last_event_id = content["events"]
    order.broker_id = list(content["broker_id"])
    order.price_currency = content["price_currency"]
    order.price_exact = Decimal(content["price"])
    for name in _FLAGS:
        if name in content:
            setattr(order, name, content[name])
    if "submission" in content:
        order.order_submission_data = OrderSubmissionData(
            *(Decimal(text) for text in content["submission"])
        )
    return order, request


def restate_for_split(order: Order, factor: Decimal) -> None:
    """Restate an order that a split met while nobody ran: LEAN's arithmetic, prices in cents."""
    order.quantity_exact = Decimal(int(order.quantity_exact / factor))
    for name in _PRICES:
        if name == "trailing_amount" and getattr(order, "trailing_as_percentage", False):
            continue
        value = getattr(order, name + "_exact", None)
        if value:
            setattr(order, name + "_exact", round(value * factor, 2))


def _time_in_force(kind: TimeInForce) -> str:
    if isinstance(kind, GoodTilDateTimeInForce):
        return f"{kind.expiry:{_DATE}}"
    if isinstance(kind, DayTimeInForce):
        return "day"
    if type(kind) in (GoodTilCanceledTimeInForce, TimeInForce):
        return "canceled"
    raise NotImplementedError(f"orders with time in force {type(kind).__name__} over a restart")


def _in_force(text: str) -> TimeInForce:
    if text in ("canceled", "day"):
        return TimeInForce.DAY if text == "day" else TimeInForce.GOOD_TIL_CANCELED
    return GoodTilDateTimeInForce(datetime.strptime(text, _DATE))


def event_content(event: Any) -> dict[str, Any]:
    """An order event as JSON."""
    fee = event.order_fee.value
    return {
        "order": event.order_id,
        "event": event.id,
        "ticker": event.symbol.value,
        "time": event.utc_time_naive.isoformat(),
        "status": event.status.name,
        "quantity": str(event.quantity_exact),
        "fill_quantity": str(event.fill_quantity_exact),
        "fill_price": str(event.fill_price_exact),
        "fee": str(fee.amount_exact if fee.currency == "USD" else ZERO),
        "message": event.message,
    }
