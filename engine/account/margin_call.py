"""Margin calls: orders that bring an overdrawn account back within its margin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.brokerage.buying_power import maintenance_margin
from engine.brokerage.buying_power_terms import (
    GetMaximumOrderQuantityForDeltaBuyingPowerParameters,
)
from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import OrderType
from engine.common.naming import DirectObject
from engine.orders.order_requests import SubmitOrderRequest
from engine.orders.order_tickets import OrderTicket

_WARNING_SHARE = Decimal("0.05")


class DefaultMarginCallModel(DirectObject):
    """Sells from 10 % over the margin on, largest losers first.

    Args:
        portfolio: the account.
        margin_buffer: fraction of the portfolio that may be overdrawn.
    """

    def __init__(
        self, portfolio: Any, default_order_properties: Any = None, margin_buffer: Any = 0.1
    ) -> None:
        self._portfolio = portfolio
        self._properties = default_order_properties
        self._buffer = to_decimal(margin_buffer)

    def get_margin_call_orders(
        self, issue_margin_call_warning: bool = False
    ) -> tuple[list[SubmitOrderRequest], bool]:
        """Orders, and whether to warn the algorithm."""
        portfolio = self._portfolio
        used = portfolio.total_margin_used_exact
        if used <= 0:
            return [], False
        total = portfolio.total_portfolio_value_exact
        remaining = portfolio.get_margin_remaining_exact(total, used)
        if remaining > 0:
            return [], remaining <= total * _WARNING_SHARE
        orders: list[SubmitOrderRequest] = []
        if used > total * (1 + self._buffer):
            for security in portfolio.securities.values():
                if security.holdings.invested:
                    request = self._request(security, used - total)
                    if request.quantity_exact:
                        orders.append(request)
        return orders, bool(orders)

    def _request(self, security: Any, overdrawn: Decimal) -> SubmitOrderRequest:
        used = maintenance_margin(security)
        keep = max(ZERO, used - overdrawn)
        sign = 1 if security.holdings.is_long else -1
        result = security.buying_power_model.get_maximum_order_quantity_for_delta_buying_power(
            GetMaximumOrderQuantityForDeltaBuyingPowerParameters(
                self._portfolio, security, (used - keep) * -sign, ZERO
            )
        )
        quantity = abs(result.quantity_exact) * -sign
        return SubmitOrderRequest(
            OrderType.MARKET,
            security.type,
            security.symbol,
            quantity,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            False,
            security.utc_time,
            "Margin Call",
            self._properties.clone() if self._properties is not None else None,
        )

    def execute_margin_call(
        self, generated_margin_call_orders: list[SubmitOrderRequest]
    ) -> list[OrderTicket]:
        """Submit the orders, losers first, until the margin suffices."""
        portfolio = self._portfolio
        tickets: list[OrderTicket] = []
        if portfolio.margin_remaining_exact >= 0:
            return tickets
        requests = sorted(
            generated_margin_call_orders,
            key=lambda r: portfolio[r.symbol].unrealized_profit_exact,
        )
        for request in requests:
            tickets.append(portfolio.transactions.add_order(request))
            if portfolio.margin_remaining_exact >= 0:
                break
        return tickets


class MarginCallModel(DirectObject):
    """Named models."""

    class Null:
        """Never calls."""

        def get_margin_call_orders(
            self, issue_margin_call_warning: bool = False
        ) -> tuple[list[SubmitOrderRequest], bool]:
            """No orders."""
            return [], False

        def execute_margin_call(
            self, generated_margin_call_orders: list[SubmitOrderRequest]
        ) -> list[OrderTicket]:
            """Nothing to do."""
            return []

    NULL = Null()
