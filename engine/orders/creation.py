"""From requests to orders."""

from __future__ import annotations

from engine.common.enums import OrderStatus, OrderType, net_text
from engine.orders.combo_orders import (
    ComboLegLimitOrder,
    ComboLimitOrder,
    ComboMarketOrder,
    GroupOrderManager,
)
from engine.orders.order_requests import SubmitOrderRequest
from engine.orders.orders import (
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    StopLimitOrder,
    StopMarketOrder,
    TrailingStopOrder,
)


def create_order(request: SubmitOrderRequest) -> Order:
    """Make the order that a submit request describes.

    Raises:
        NotImplementedError: for kinds of orders that equities do not need.
        ValueError: for a combination's order without its group.
    """
    symbol, quantity, time, tag = (
        request.symbol, request.quantity_exact, request.time_naive, request.tag,
    )  # fmt: skip
    properties = request.order_properties
    stop, limit = request.stop_price_exact, request.limit_price_exact
    kind = request.order_type
    order: Order
    if kind == OrderType.MARKET:
        order = MarketOrder(symbol, quantity, time, tag, properties)
    elif kind == OrderType.LIMIT:
        order = LimitOrder(symbol, quantity, limit, time, tag, properties)
    elif kind == OrderType.STOP_MARKET:
        order = StopMarketOrder(symbol, quantity, stop, time, tag, properties)
    elif kind == OrderType.STOP_LIMIT:
        order = StopLimitOrder(symbol, quantity, stop, limit, time, tag, properties)
    elif kind == OrderType.TRAILING_STOP:
        amount, percent = request.trailing_amount_exact, request.trailing_as_percentage
        order = TrailingStopOrder(symbol, quantity, stop, amount, percent, time, tag, properties)
    elif kind == OrderType.LIMIT_IF_TOUCHED:
        trigger = request.trigger_price_exact
        order = LimitIfTouchedOrder(symbol, quantity, trigger, limit, time, tag, properties)
    elif kind == OrderType.MARKET_ON_OPEN:
        order = MarketOnOpenOrder(symbol, quantity, time, tag, properties)
    elif kind == OrderType.MARKET_ON_CLOSE:
        order = MarketOnCloseOrder(symbol, quantity, time, tag, properties)
    elif kind == OrderType.COMBO_MARKET:
        order = ComboMarketOrder(symbol, quantity, time, _group(request), tag, properties)
    elif kind == OrderType.COMBO_LIMIT:
        order = ComboLimitOrder(symbol, quantity, limit, time, _group(request), tag, properties)
    elif kind == OrderType.COMBO_LEG_LIMIT:
        order = ComboLegLimitOrder(symbol, quantity, limit, time, _group(request), tag, properties)
    else:
        raise NotImplementedError(f"orders of type {net_text(kind)}")
    order.status = OrderStatus.NEW
    order.id = request.order_id
    order.has_zoneless_time = request.has_zoneless_time
    if order.group_order_manager is not None:
        order.group_order_manager.order_ids.add(order.id)
    return order


def _group(request: SubmitOrderRequest) -> GroupOrderManager:
    manager: GroupOrderManager | None = request.group_order_manager
    if manager is None:
        raise ValueError(
            f"an order of type {net_text(request.order_type)} needs a group_order_manager"
        )
    return manager


SubmitOrderRequest.as_order = staticmethod(create_order)
