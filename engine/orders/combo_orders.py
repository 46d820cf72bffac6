"""Combinations: orders of several symbols that fill together or not at all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import gcd
from typing import Any

from engine.common.decimals import ExactNumber, divide, normalize, to_decimal, to_double
from engine.common.enumerables import NetSet
from engine.common.enums import OrderDirection, OrderType
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties
from engine.orders.order_requests import UpdateOrderRequest
from engine.orders.orders import Order


class Leg(LeanObject):
    """One symbol of a combination.

    Attributes:
        symbol: of the leg.
        quantity: whole number of shares for each unit of the combination, negative to sell.
        order_price: limit price of the leg, or None.
    """

    order_price = ExactNumber()

    def __init__(self) -> None:
        self.symbol: Any = None
        self.quantity = 0
        self.order_price_exact: Decimal | None = None

    @staticmethod
    def create(symbol: Any, quantity: int, limit_price: Any = None) -> Leg:
        """Make a leg."""
        leg = Leg()
        leg.symbol, leg.quantity = symbol, int(quantity)
        leg.order_price = limit_price
        return leg


class GroupOrderManager(LeanObject):
    """What the orders of a combination share.

    Attributes:
        id, count: its number and how many legs it has.
        quantity: signed number of units.
        limit_price: of the whole combination, 0 without one.
        order_ids: numbers of its orders.
    """

    quantity = ExactNumber()
    limit_price = ExactNumber()

    def __init__(self, leg_count: int, quantity: Any, limit_price: Any = 0, id: int = 0) -> None:
        self.id = id
        self.count = int(leg_count)
        self.quantity_exact = to_decimal(quantity)
        self.limit_price_exact = to_decimal(limit_price)
        self.order_ids: NetSet[int] = NetSet()

    @property
    def absolute_quantity(self) -> float:
        """Units without sign."""
        return to_double(abs(self.quantity_exact))

    @property
    def direction(self) -> OrderDirection:
        """Buy, sell, or hold for a quantity of 0."""
        if self.quantity_exact > 0:
            return OrderDirection.BUY
        return OrderDirection.SELL if self.quantity_exact < 0 else OrderDirection.HOLD


class ComboOrder(Order):
    """Base of the orders of a combination; its quantity follows the combination's.

    Attributes:
        ratio_exact: signed shares for each unit of the combination.
    """

    group_order_manager: GroupOrderManager

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        time: datetime,
        group_order_manager: GroupOrderManager,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        self.group_order_manager = group_order_manager
        super().__init__(symbol, quantity, time, tag, properties)

    @property
    def quantity_exact(self) -> Decimal:
        """Signed number of shares."""
        return normalize(self.ratio_exact * self.group_order_manager.quantity_exact)

    @quantity_exact.setter
    def quantity_exact(self, quantity: Decimal) -> None:
        self.ratio_exact = divide(quantity, self.group_order_manager.quantity_exact)

    def apply_update_order_request(self, request: UpdateOrderRequest) -> None:
        """Take over the fields that the request sets; its quantity is the combination's."""
        if request.tag is not None:
            self.tag = request.tag
        if request.quantity_exact is not None:
            self.group_order_manager.quantity_exact = request.quantity_exact


class ComboMarketOrder(ComboOrder):
    """A leg that fills at the market."""

    type = OrderType.COMBO_MARKET

    @property
    def is_marketable(self) -> bool:
        """Always."""
        return True


class ComboLimitOrder(ComboOrder):
    """A leg of a combination that has a limit price as a whole."""

    type = OrderType.COMBO_LIMIT

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        limit_price: Any,
        time: datetime,
        group_order_manager: GroupOrderManager,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, group_order_manager, tag, properties)
        group_order_manager.limit_price_exact = to_decimal(limit_price)

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of limit and market."""
        return self._worse(self.group_order_manager.limit_price_exact, market_price)

    def apply_update_order_request(self, request: UpdateOrderRequest) -> None:
        """Take over the fields that the request sets; its limit is the combination's."""
        super().apply_update_order_request(request)
        if request.limit_price_exact is not None:
            self.group_order_manager.limit_price_exact = request.limit_price_exact


class ComboLegLimitOrder(ComboOrder):
    """A leg with a limit price of its own."""

    type = OrderType.COMBO_LEG_LIMIT
    limit_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        limit_price: Any,
        time: datetime,
        group_order_manager: GroupOrderManager,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, group_order_manager, tag, properties)
        self.limit_price_exact = to_decimal(limit_price)

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of limit and market."""
        return self._worse(self.limit_price_exact, market_price)

    def apply_update_order_request(self, request: UpdateOrderRequest) -> None:
        """Take over the fields that the request sets."""
        super().apply_update_order_request(request)
        if request.limit_price_exact is not None:
            self.limit_price_exact = request.limit_price_exact


def check_sizing(legs: list[Leg], quantity: Decimal) -> None:
    """Refuse legs whose quantities are not ratios in lowest terms.

    Raises:
        ArgumentException: if a number other than 1 divides them all.
    """
    divisor = gcd(*(leg.quantity for leg in legs))
    if divisor != 1:

        def shown(factor: int) -> str:
            return ", ".join(f"{leg.quantity // factor} {leg.symbol}" for leg in legs)

        raise ArgumentException(
            "The global combo quantity should be used to increase or reduce the size of the "
            "order, while the leg quantities should be used to specify the ratio of the order. "
            "The combo order quantities should be reduced "
            f"from {quantity}x({shown(1)}) to {quantity * divisor}x({shown(divisor or 1)})."
        )
