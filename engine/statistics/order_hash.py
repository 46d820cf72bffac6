"""OrderListHash: the fingerprint LEAN's regression tests compare.

It is the MD5 of every order's JSON, joined by commas in the order of ids. The JSON is what
.NET's serialiser makes of LEAN's order classes, so the sequence of fields depends on the kind of
order (its own fields come first) and decimals keep their scale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.clock import second_fraction
from engine.common.decimals import normalize, smart_rounding, text
from engine.common.enums import OrderType, SecurityType
from engine.common.naming import pascal_case
from engine.orders.combo_orders import GroupOrderManager
from engine.orders.order_properties import (
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    OrderProperties,
    TimeInForce,
)
from engine.orders.orders import Order


def order_list_hash(orders: Iterable[Order]) -> str:
    """Return the hash of all orders of a run, 32 hexadecimal digits."""
    ordered = sorted(orders, key=lambda order: order.id)
    joined = ",".join(order_json(order, smart_rounding) for order in ordered)
    return hashlib.md5(joined.encode("utf-8")).hexdigest()


def decimal_json(value: Decimal) -> str:
    """Write a decimal number with its scale; whole numbers get ``.0``."""
    written = text(value)
    return written if "." in written else written + ".0"


def time_json(time: datetime, zone: str = "Z") -> str:
    """Write a UTC time, without trailing zeros of the second's fraction."""
    return f'"{time:%Y-%m-%dT%H:%M:%S}{second_fraction(time)}{zone}"'


def text_json(value: str) -> str:
    """Write a string as .NET's serialiser escapes it."""
    return json.dumps(value, ensure_ascii=False)


def _flag(value: bool) -> str:
    return "true" if value else "false"


_Fields = list[tuple[str, str]]
_Write = Callable[[Decimal], str]


def _limit(order: Any, write: _Write) -> _Fields:
    return [("limitPrice", write(order.limit_price_exact)), _type(order)]


def _stop_market(order: Any, write: _Write) -> _Fields:
    return [("stopPrice", write(order.stop_price_exact)), _type(order)]


def _stop_limit(order: Any, write: _Write) -> _Fields:
    return [
        ("stopPrice", write(order.stop_price_exact)),
        ("stopTriggered", _flag(order.stop_triggered)),
        ("limitPrice", write(order.limit_price_exact)),
        _type(order),
    ]


def _trailing_stop(order: Any, write: _Write) -> _Fields:
    return [
        ("trailingAmount", write(order.trailing_amount_exact)),
        ("trailingAsPercentage", _flag(order.trailing_as_percentage)),
        _type(order),
        ("stopPrice", write(order.stop_price_exact)),
    ]


def _limit_if_touched(order: Any, write: _Write) -> _Fields:
    return [
        _type(order),
        ("triggerPrice", write(order.trigger_price_exact)),
        ("limitPrice", write(order.limit_price_exact)),
        ("triggerTouched", _flag(order.trigger_touched)),
    ]


def _type(order: Order) -> tuple[str, str]:
    return "type", str(int(order.type))


def _quantity(order: Order) -> tuple[str, str]:
    return "quantity", decimal_json(normalize(order.quantity_exact))


def _combo(order: Any, write: _Write) -> _Fields:
    return [_type(order), _quantity(order)]


def _combo_leg_limit(order: Any, write: _Write) -> _Fields:
    # LEAN's hash rounds no price of a combination.
    limit = ("limitPrice", decimal_json(order.limit_price_exact))
    return [_type(order), limit, _quantity(order)]


def _group_json(group: GroupOrderManager) -> str:
    ids = ",".join(str(number) for number in sorted(group.order_ids))
    fields = (
        ("id", str(group.id)),
        ("quantity", decimal_json(group.quantity_exact)),
        ("count", str(group.count)),
        ("limitPrice", decimal_json(group.limit_price_exact)),
        ("orderIds", f"[{ids}]"),
        ("direction", str(int(group.direction))),
    )
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}"


_OWN_FIELDS: dict[OrderType, Callable[[Any, _Write], _Fields]] = {
    OrderType.LIMIT: _limit,
    OrderType.STOP_MARKET: _stop_market,
    OrderType.STOP_LIMIT: _stop_limit,
    OrderType.TRAILING_STOP: _trailing_stop,
    OrderType.LIMIT_IF_TOUCHED: _limit_if_touched,
    OrderType.COMBO_MARKET: _combo,
    OrderType.COMBO_LIMIT: _combo,
    OrderType.COMBO_LEG_LIMIT: _combo_leg_limit,
}


def _time_in_force_json(time_in_force: TimeInForce) -> str:
    """Every kind but the default names its .NET type."""
    if type(time_in_force) is GoodTilCanceledTimeInForce:
        return "{}"
    kind = f'"$type":"QuantConnect.Orders.TimeInForces.{type(time_in_force).__name__}"'
    if isinstance(time_in_force, GoodTilDateTimeInForce):
        return f'{{{kind},"Expiry":"{time_in_force.expiry:%Y-%m-%dT%H:%M:%S}"}}'
    return f"{{{kind}}}"


def _value_json(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return _flag(value)
    return str(value) if isinstance(value, int) else text_json(value)


def _properties_json(properties: OrderProperties) -> str:
    parts = []
    for name in properties.own_fields:
        word = pascal_case(name)
        parts.append(f'"{word[0].lower()}{word[1:]}":{_value_json(getattr(properties, name))}')
    parts.append(f'"timeInForce":{_time_in_force_json(properties.time_in_force)}')
    return "{" + ",".join(parts) + "}"


def order_json(order: Order, rounded: Callable[[Decimal], Decimal] | None = None) -> str:
    """Write one order as LEAN does.

    Args:
        order: any.
        rounded: what becomes of its prices; LEAN's hash rounds them, its result files do not.
    """

    def write(price: Decimal) -> str:
        return decimal_json(price if rounded is None else rounded(price))

    price = normalize(order.price_exact if rounded is None else rounded(order.price_exact))
    quantity = normalize(order.quantity_exact)
    own = _OWN_FIELDS.get(order.type)
    fields = [_type(order)] if own is None else own(order, write)
    ticker = text_json(order.symbol.value)
    identifier = text_json(str(order.symbol.id))
    created = time_json(order.time_naive, "" if order.has_zoneless_time else "Z")
    fields += [
        ("id", str(order.id)),
        ("contingentId", str(order.contingent_id)),
        ("brokerId", "[" + ",".join(text_json(one) for one in order.broker_id) + "]"),
        ("symbol", f'{{"value":{ticker},"id":{identifier},"permtick":{ticker}}}'),
        ("price", decimal_json(price)),
        ("priceCurrency", text_json(order.price_currency)),
        ("time", created),
        ("createdTime", created),
    ]
    moments = {
        "lastFillTime": order.last_fill_time_naive,
        "lastUpdateTime": order.last_update_time_naive,
        "canceledTime": order.canceled_time_naive,
    }
    fields += [(name, time_json(time)) for name, time in moments.items() if time is not None]
    group = order.group_order_manager
    if group is None:
        fields.append(_quantity(order))
    fields.append(("status", str(int(order.status))))
    if order.tag is not None:
        fields.append(("tag", text_json(order.tag)))
    data = order.order_submission_data
    submission = "null"
    if data is not None:
        prices = (data.bid_price_exact, data.ask_price_exact, data.last_price_exact)
        names = ("bidPrice", "askPrice", "lastPrice")
        submission = ",".join(
            f'"{name}":{decimal_json(value)}' for name, value in zip(names, prices, strict=True)
        )
        submission = "{" + submission + "}"
    fields += [
        ("properties", _properties_json(order.properties)),
        ("securityType", str(int(SecurityType.EQUITY))),
        ("direction", str(int(order.direction))),
        ("value", decimal_json(quantity * price)),
        ("orderSubmissionData", submission),
        ("isMarketable", _flag(order.is_marketable)),
    ]
    if group is not None:
        fields.append(("groupOrderManager", _group_json(group)))
    fields.append(("priceAdjustmentMode", str(int(order.price_adjustment_mode))))
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}"
