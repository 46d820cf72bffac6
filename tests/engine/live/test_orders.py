"""Orders over a restart: what is read back is what was written."""

import json
from datetime import datetime
from decimal import Decimal

import pytest

from engine.common.enums import OrderStatus, OrderType
from engine.live.orders import order_content, restate_for_split, restored_order
from engine.market.symbols import SecurityIdentifier, Symbol
from engine.orders.creation import create_order
from engine.orders.order_properties import OrderProperties, TimeInForce
from engine.orders.order_requests import SubmitOrderRequest
from engine.orders.orders import OrderSubmissionData

SYMBOL = Symbol(SecurityIdentifier.generate_equity(datetime(1998, 1, 2), "ABC", "usa"), "ABC")
KINDS = [
    OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT,
    OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_IF_TOUCHED,
    OrderType.TRAILING_STOP,
]  # fmt: skip
FORCES = [
    TimeInForce.GOOD_TIL_CANCELED,
    TimeInForce.DAY,
    TimeInForce.good_til_date(datetime(2010, 3, 4)),
]


def made(kind, force=TimeInForce.GOOD_TIL_CANCELED):
    properties = OrderProperties()
    properties.time_in_force = force
    request = SubmitOrderRequest(
        kind, SYMBOL.security_type, SYMBOL, Decimal("-7"), Decimal("10.25"), Decimal("10.50"),
        Decimal("10.75"), Decimal("0.30"), False, datetime(2010, 1, 4, 21), "a tag", properties,
    )  # fmt: skip
    request.set_order_id(12)
    order = create_order(request)
    order.status = OrderStatus.UPDATE_SUBMITTED
    order.last_event_id = 3
    order.broker_id = ["12"]
    order.price_currency = "USD"
    order.order_submission_data = OrderSubmissionData(Decimal(1), Decimal(2), Decimal("1.5"))
    return order


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("force", FORCES)
def test_an_order_comes_back_as_it_was(kind, force):
    order = made(kind, force)
    content = order_content(order)
    back, request = restored_order(json.loads(json.dumps(content)), SYMBOL)
    assert type(back) is type(order)
    assert order_content(back) == content
    assert (back.id, request.order_id, back.symbol, back.status) == (12, 12, SYMBOL, order.status)
    assert type(back.time_in_force) is type(force)


def test_what_an_order_has_seen_comes_back_too():
    order = made(OrderType.STOP_LIMIT)
    order.stop_triggered = True
    assert restored_order(order_content(order), SYMBOL)[0].stop_triggered
    trailing = made(OrderType.TRAILING_STOP)
    trailing.stop_price_exact = Decimal("11.125")
    back = restored_order(order_content(trailing), SYMBOL)[0]
    assert (back.stop_price_exact, back.trailing_amount_exact) == (
        Decimal("11.125"),
        Decimal("0.30"),
    )


def test_a_time_in_force_of_ones_own_is_refused():
    class Never(TimeInForce):
        pass

    with pytest.raises(NotImplementedError, match="Never over a restart"):
        order_content(made(OrderType.LIMIT, Never()))


def test_a_split_restates_an_order_as_lean_does():
    order = made(OrderType.STOP_LIMIT)
    restate_for_split(order, Decimal("0.1428572"))
    # LEAN, of 1 share and a limit of 500: 6 shares and 71.43.
    assert (order.quantity_exact, order.limit_price_exact) == (-48, Decimal("1.50"))
