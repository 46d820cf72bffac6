"""The part of QCAlgorithm that orders shares of the portfolio and closes positions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.account.securities import Security
from engine.brokerage.buying_power import (
    above_minimum_order_margin,
    exact_leverage,
    initial_margin,
    zero_price_message,
)
from engine.brokerage.buying_power_terms import (
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
)
from engine.common.decimals import ZERO, cast_double, divide, text, to_double
from engine.common.enums import OrderType
from engine.common.signatures import overloads
from engine.framework.targets import PortfolioTarget, order_by_margin_impact
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties
from engine.orders.order_tickets import OrderTicket

_REST = (
    "liquidate_existing_holdings: bool = False, asynchronous: bool = False, tag: str = None, "
    "order_properties: IOrderProperties = None"
)
_FILLING = (OrderType.MARKET, OrderType.MARKET_ON_OPEN)
_MARGIN_BELOW_MINIMUM = "The target order margin "


class TargetsMixin:
    """Targets of an algorithm."""

    def qc_target_quantity(self: Any, security: Security, percent: Decimal) -> Decimal | None:
        """Signed quantity to order so that a security becomes a share of the portfolio.

        Returns:
            None (with an error message) where it cannot be computed.
        """
        settings = self.settings
        size = abs(percent)
        if size > settings.max_absolute_portfolio_target_percentage_exact or (
            size and size < settings.min_absolute_portfolio_target_percentage_exact
        ):
            largest = settings.max_absolute_portfolio_target_percentage_exact
            smallest = settings.min_absolute_portfolio_target_percentage_exact
            self.error(
                f"The portfolio target percent: {text(percent)}, does not comply with the current "
                f"'self.settings.max_absolute_portfolio_target_percentage': {text(largest)} or "
                f"'self.settings.min_absolute_portfolio_target_percentage': {text(smallest)}. "
                "Skipping"
            )
            return None
        if not security.price_exact:
            self.error(zero_price_message(security.symbol))
            return None
        portfolio = self.portfolio
        adjusted = divide(
            percent * portfolio.total_portfolio_value_less_free_buffer_exact,
            portfolio.total_portfolio_value_exact,
        )
        model = security.buying_power_model
        target = divide(adjusted, exact_leverage(security))
        result = model.get_maximum_order_quantity_for_target_buying_power(
            GetMaximumOrderQuantityForTargetBuyingPowerParameters(
                portfolio,
                security,
                target,
                settings.minimum_order_margin_portfolio_percentage_exact,
            )
        )
        if result.is_error:
            self.error(
                f"Unable to compute order quantity of {security.symbol}. Reason: {result.reason} "
                "Returning null."
            )
            return None
        if result.reason.startswith(_MARGIN_BELOW_MINIMUM):
            self._qc_tell_once(
                "Warning: Portfolio rebalance result ignored as it resulted in a single share "
                "trade recommendation which can generate high fees. To disable minimum order size "
                "checks please set self.settings.minimum_order_margin_portfolio_percentage = 0.",
                "minimum",
            )
        lot = security.symbol_properties.lot_size_exact
        return result.quantity_exact / lot * lot

    def above_minimum_order_margin(self: Any, security: Security, quantity: Any) -> bool:
        """False for an order whose margin the settings count as too small."""
        minimum = self.settings.minimum_order_margin_portfolio_percentage_exact
        if not minimum:
            return True
        margin = initial_margin(security, cast_double(quantity))
        return above_minimum_order_margin(self.portfolio, minimum, abs(margin))

    def _qc_order_quantity(self: Any, symbol: Any, target: Any) -> Decimal:
        key = getattr(symbol, "symbol", symbol)
        found = PortfolioTarget.percent(self, key, cast_double(target), True)
        return ZERO if found is None else found.quantity_exact

    @overloads("symbol: Symbol, target: double")
    def calculate_order_quantity(self: Any, symbol: Any, target: Any) -> float:
        """Signed quantity that would bring a symbol to a share of the portfolio."""
        return to_double(self._qc_order_quantity(symbol, target))

    @overloads(
        f"targets: List[PortfolioTarget], {_REST}",
        f"symbol: Symbol, percentage: double, {_REST}",
        f"symbol: Symbol, percentage: int, {_REST}",
    )
    def set_holdings(
        self: Any,
        symbol: Any = None,
        percentage: Any = None,
        liquidate_existing_holdings: Any = False,
        asynchronous: Any = False,
        tag: Any = None,
        order_properties: OrderProperties | None = None,
        *,
        targets: list[PortfolioTarget] | None = None,
    ) -> list[OrderTicket]:
        """Order a share of the portfolio, or shares of it by a list of targets.

        Args:
            symbol: to order; or the list of targets, and then all that follows but the percentage.
            percentage: fraction of the portfolio's value, negative for short.
            liquidate_existing_holdings: close what is not named first.
            asynchronous: see the class.
            tag: of the orders.
            order_properties: of the orders.
            targets: PortfolioTarget of fractions, instead of symbol and percentage.
        """
        if isinstance(symbol, list | tuple):
            # Without a percentage everything stands one place further to the left.
            targets = list(symbol)
            if isinstance(tag, OrderProperties):
                tag, order_properties = None, tag
            if isinstance(asynchronous, str):
                asynchronous, tag = False, asynchronous
            if percentage is not None:
                asynchronous = asynchronous or liquidate_existing_holdings
                liquidate_existing_holdings = percentage
        if targets is not None:
            return self._qc_set_holdings_list(
                list(targets), liquidate_existing_holdings, asynchronous, tag, order_properties
            )
        if isinstance(asynchronous, str):
            asynchronous, tag = False, asynchronous
        key = getattr(symbol, "symbol", symbol)
        quantity = self._qc_order_quantity(key, percentage)
        return self._qc_order_target(
            key, quantity, liquidate_existing_holdings, asynchronous, tag, order_properties
        )

    def _qc_set_holdings_list(
        self: Any,
        targets: list[PortfolioTarget],
        liquidate_existing_holdings: bool = False,
        asynchronous: bool = False,
        tag: str | None = None,
        order_properties: OrderProperties | None = None,
    ) -> list[OrderTicket]:
        tickets: list[OrderTicket] = []
        if liquidate_existing_holdings:
            kept = [target.symbol for target in targets]
            tickets = self._qc_liquidate_others(kept, tag, order_properties)
        deltas = [
            PortfolioTarget(t.symbol, self._qc_order_quantity(t.symbol, t.quantity_exact))
            for t in targets
        ]
        for target in order_by_margin_impact(deltas, self, target_is_delta=True):
            tickets += self._qc_order_target(
                target.symbol, target.quantity_exact, False, asynchronous, tag, order_properties
            )
        return tickets

    def _qc_order_target(
        self: Any,
        symbol: Any,
        quantity: Decimal,
        liquidate_others: bool,
        asynchronous: bool,
        tag: str | None,
        properties: OrderProperties | None,
    ) -> list[OrderTicket]:
        tickets: list[OrderTicket] = []
        if liquidate_others:
            tickets = self._qc_liquidate_others([symbol], tag, properties)
        security = self.securities.find_any(symbol)
        if security is None:
            self.error(
                f"{symbol} not found in portfolio. Request this data when initializing the "
                "algorithm."
            )
            return tickets
        for ticket in self.transactions.get_open_order_tickets(security.symbol):
            if ticket.order_type in _FILLING:
                quantity -= ticket.quantity_remaining_exact
        if quantity:
            place = (
                self.market_order if security.exchange.exchange_open else self.market_on_open_order
            )
            tickets.append(place(security.symbol, quantity, asynchronous, tag or "", properties))
        return tickets

    def _qc_liquidate_others(
        self: Any, kept: Iterable[Any], tag: str | None, properties: OrderProperties | None
    ) -> list[OrderTicket]:
        wanted = set()
        for key in kept:
            security = self.securities.find_any(key)
            if security is not None:
                wanted.add(security.symbol)
        others = sorted(set(self.securities.keys()) - wanted, key=lambda s: s.value)
        return self.liquidate(others, tag=tag, order_properties=properties)

    def liquidate(
        self: Any,
        symbol: Any = None,
        asynchronous: Any = False,
        tag: str | None = None,
        order_properties: OrderProperties | None = None,
        *,
        symbols: Iterable[Any] | None = None,
        symbol_to_liquidate: Any = None,
    ) -> list[Any]:
        """Cancel the orders and close the positions of a symbol, of several, or of all.

        Returns:
            Tickets; as in LEAN the orders' numbers, if it is called as (symbol, tag).
        """
        old = isinstance(asynchronous, str) or symbol_to_liquidate is not None
        if isinstance(asynchronous, str):
            asynchronous, tag = False, asynchronous
        if not self.settings.liquidate_enabled:
            self.debug(
                "Liquidate() is currently disabled by settings. To re-enable please set "
                "'Settings.LiquidateEnabled' to true"
            )
            return []
        label = "Liquidated" if tag is None else tag
        chosen = next(
            (one for one in (symbol, symbols, symbol_to_liquidate) if one is not None), None
        )
        if chosen is None:
            keys: list[Any] = sorted(self.securities.keys(), key=lambda s: s.value)
        elif isinstance(chosen, Iterable) and not isinstance(chosen, str | Symbol):
            keys = list(chosen)
        else:
            keys = [chosen]
        tickets = []
        for key in keys:
            security = self.securities.find_any(key)
            if security is None:
                self._qc_tell_once(
                    f"Warning: liquidate ignored symbol '{key}' because it has not been added to "
                    "the algorithm. Add the security before liquidating it.",
                    "liquidate",
                )
                continue
            ticket = self._qc_liquidate_one(security, asynchronous, label, order_properties)
            if ticket is not None:
                tickets.append(ticket)
        return [ticket.order_id for ticket in tickets] if old else tickets

    def _qc_liquidate_one(
        self: Any,
        security: Security,
        asynchronous: bool,
        tag: str,
        properties: OrderProperties | None,
    ) -> OrderTicket | None:
        symbol: Symbol = security.symbol
        orders = self.transactions.get_open_orders(symbol)
        held = security.holdings.quantity_exact if security.holdings.invested else ZERO
        if (
            len(orders) == 1
            and held
            and orders[0].quantity_exact == -held
            and orders[0].type == OrderType.MARKET
        ):
            return None
        pending = ZERO
        for order in orders:
            if order.type == OrderType.MARKET:
                pending += self.transactions.get_order_ticket(order.id).quantity_remaining_exact
            else:
                self.transactions.cancel_order(order.id, tag)
        if not held:
            return None
        return self.market_order(symbol, -held - pending, asynchronous, tag, properties)
