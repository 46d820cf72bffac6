"""The trading part of QCAlgorithm: orders, targets, liquidation."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.account.securities import Security
from engine.brokerage.buying_power import (
    above_minimum_order_margin,
    exact_leverage,
    initial_margin,
)
from engine.brokerage.buying_power_terms import (
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
)
from engine.common.decimals import ZERO, text, to_decimal, to_double
from engine.common.enums import OrderDirection, OrderResponseErrorCode, OrderType, Resolution
from engine.framework.targets import PortfolioTarget, order_by_margin_impact
from engine.market.symbols import Symbol
from engine.orders.order_properties import GoodTilDateTimeInForce, OrderProperties, TimeInForce
from engine.orders.order_requests import OrderResponse, SubmitOrderRequest
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import MarketOnCloseOrder, TrailingStopOrder
from engine.statistics.trades import time_span


class TradingMixin:
    """Orders of an algorithm."""

    def _security_for_order(self: Any, symbol: Any) -> Security:
        key = getattr(symbol, "symbol", symbol)
        security = self.securities.find(key)
        if security is None:
            raise ValueError(
                f"order for {key!s}: the symbol was not added to the algorithm; use add_equity"
            )
        return security

    def _request(
        self: Any,
        kind: OrderType,
        security: Security,
        quantity: Any,
        tag: str | None,
        properties: OrderProperties | None,
        asynchronous: bool,
        **prices: Any,
    ) -> OrderTicket:
        """Check a request and submit it; a refused one gives an invalid ticket."""
        chosen = properties if properties is not None else self.default_order_properties.clone()
        if kind in (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE) and isinstance(
            chosen.time_in_force, GoodTilDateTimeInForce
        ):
            chosen.time_in_force = TimeInForce.GOOD_TIL_CANCELED
        request = SubmitOrderRequest(
            kind,
            security.type,
            security.symbol,
            quantity,
            prices.get("stop", ZERO),
            prices.get("limit", ZERO),
            prices.get("trigger", ZERO),
            prices.get("amount", ZERO),
            prices.get("percent", False),
            self.utc_time_naive,
            tag if tag is not None else "",
            chosen,
            asynchronous,
        )
        refusal = self._refusal(request, security)
        if refusal is not None:
            code, message = refusal
            self.error(message)
            response = OrderResponse.error(request, code, message)
            return OrderTicket.invalid(self.transactions, request, response)
        return self.transactions.process_request(request)

    def _refusal(
        self: Any, request: SubmitOrderRequest, security: Security
    ) -> tuple[OrderResponseErrorCode, str] | None:
        """Why an order cannot be submitted, None if it can."""
        codes = OrderResponseErrorCode
        if self.is_warming_up:
            return codes.ALGORITHM_WARMING_UP, (
                "This operation is not allowed in initialize or during warm up: orders. "
                "Please move this code to the on_warmup_finished method."
            )
        quantity = abs(request.quantity_exact)
        if not quantity:
            return codes.ORDER_QUANTITY_ZERO, (
                f"Unable to submit order with id {request.order_id} that has zero quantity."
            )
        lot = security.symbol_properties.lot_size_exact
        if quantity < lot:
            return codes.ORDER_QUANTITY_LESS_THAN_LOT_SIZE, (
                f"Unable to submit order with id {request.order_id} which quantity "
                f"({text(quantity)}) is less than lot size ({text(lot)})."
            )
        if not security.is_tradable:
            return codes.NON_TRADABLE_SECURITY, (
                f"The security with symbol '{request.symbol}' is marked as non-tradable."
            )
        if not security.price_exact:
            return codes.SECURITY_PRICE_ZERO, (
                f"{request.symbol}: The security does not have an accurate price as it has not "
                "yet received a bar of data."
            )
        if not security.has_data:
            return codes.SECURITY_HAS_NO_DATA, "There is no data for this symbol yet."
        if request.order_type == OrderType.MARKET_ON_OPEN:
            if security.is_market_open() and not self._is_daily_only(security):
                return codes.MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS, (
                    "Cannot submit a MarketOnOpen order while the market is open."
                )
        elif request.order_type == OrderType.MARKET_ON_CLOSE and self._too_late_for_close(security):
            return codes.MARKET_ON_CLOSE_ORDER_TOO_LATE, (
                "MarketOnClose orders must be placed within "
                f"{time_span(MarketOnCloseOrder.submission_time_buffer)} before market close. "
                "Override this TimeSpan buffer by setting "
                "Orders.MarketOnCloseOrder.SubmissionTimeBuffer in QCAlgorithm.Initialize()."
            )
        return None

    @staticmethod
    def _is_daily_only(security: Security) -> bool:
        configs = [config for config in security.subscriptions if not config.internal]
        return bool(configs) and all(c.resolution == Resolution.DAILY for c in configs)

    def _too_late_for_close(self: Any, security: Security) -> bool:
        hours = security.exchange.hours
        closing = hours.to_utc(hours.get_next_market_close(security.local_time))
        return self.utc_time_naive > closing - MarketOnCloseOrder.submission_time_buffer

    # Orders ---------------------------------------------------------------------------------

    def market_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the market.

        While the market is closed it becomes a market-on-open order. With daily data only, an
        order during the session becomes market-on-close, or market-on-open shortly before the
        close; in live trading it is filled at the present price.
        """
        security = self._security_for_order(symbol)
        arguments = (security.symbol, quantity, asynchronous, tag, order_properties)
        if not security.exchange.exchange_open:
            ticket = self.market_on_open_order(*arguments)
            if self.live_mode and ticket.submit_request.response.is_success:
                self._tell_of_conversion()
            return ticket
        if self._is_daily_only(security) and not self.live_mode:
            if self._too_late_for_close(security):
                return self.market_on_open_order(*arguments)
            return self.market_on_close_order(*arguments)
        return self._request(
            OrderType.MARKET, security, quantity, tag, order_properties, asynchronous
        )

    order = market_order

    def _tell_of_conversion(self: Any) -> None:
        if not self.__dict__.get("_told_of_conversion"):
            self._told_of_conversion = True
            self.debug(
                "Warning: market orders submitted while the market is closed are automatically "
                "converted into MarketOnOpen orders to fill at the next market open."
            )

    def buy(self: Any, symbol: Any, quantity: Any) -> OrderTicket:
        """Buy at the market."""
        return self.market_order(symbol, abs(to_decimal(quantity)))

    def sell(self: Any, symbol: Any, quantity: Any) -> OrderTicket:
        """Sell at the market."""
        return self.market_order(symbol, -abs(to_decimal(quantity)))

    def market_on_open_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the next open."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.MARKET_ON_OPEN, security, quantity, tag, order_properties, asynchronous
        )

    def market_on_close_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the next close."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.MARKET_ON_CLOSE, security, quantity, tag, order_properties, asynchronous
        )

    def limit_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at a price or better."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.LIMIT, security, quantity, tag, order_properties, asynchronous,
            limit=limit_price,
        )  # fmt: skip

    def stop_market_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        stop_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the market once a price is reached."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.STOP_MARKET, security, quantity, tag, order_properties, asynchronous,
            stop=stop_price,
        )  # fmt: skip

    def stop_limit_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        stop_price: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at a price or better once another price is reached."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.STOP_LIMIT, security, quantity, tag, order_properties, asynchronous,
            stop=stop_price, limit=limit_price,
        )  # fmt: skip

    def limit_if_touched_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        trigger_price: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Limit order once a trigger price is touched."""
        security = self._security_for_order(symbol)
        return self._request(
            OrderType.LIMIT_IF_TOUCHED, security, quantity, tag, order_properties, asynchronous,
            trigger=trigger_price, limit=limit_price,
        )  # fmt: skip

    def trailing_stop_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        *terms: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
        **named: Any,
    ) -> OrderTicket:
        """A stop that follows the market: ([stop price,] trailing amount, as percentage)."""
        security = self._security_for_order(symbol)
        values = list(terms)
        flag = next((i for i, value in enumerate(values) if isinstance(value, bool)), None)
        if flag is None:
            percent = bool(named["trailing_as_percentage"])
        else:
            percent = values.pop(flag)
            rest = values[flag:]
            del values[flag:]
            asynchronous = rest[0] if rest else asynchronous
            tag = rest[1] if len(rest) > 1 else tag
        amount = to_decimal(
            named["trailing_amount"] if "trailing_amount" in named else values.pop()
        )
        stop = named.get("stop_price", values[0] if values else None)
        if stop is None:
            direction = OrderDirection.BUY if to_decimal(quantity) > 0 else OrderDirection.SELL
            stop = TrailingStopOrder.calculate_stop_price(
                security.price_exact, amount, percent, direction
            )
        return self._request(
            OrderType.TRAILING_STOP, security, quantity, tag, order_properties, asynchronous,
            stop=stop, amount=amount, percent=percent,
        )  # fmt: skip

    # Targets --------------------------------------------------------------------------------

    def target_quantity(self: Any, security: Security, percent: Decimal) -> Decimal | None:
        """Signed quantity to order so that a security becomes a share of the portfolio.

        Returns:
            None (with an error message) where it cannot be computed.
        """
        settings = self.settings
        size = abs(percent)
        if size > settings.max_absolute_portfolio_target_percentage_exact or (
            size and size < settings.min_absolute_portfolio_target_percentage_exact
        ):
            self.error(
                f"The portfolio target percent: {percent}, does not comply with the settings"
            )
            return None
        if not security.price_exact:
            self.error(
                f"{security.symbol}: The security does not have an accurate price as it has not "
                "yet received a bar of data."
            )
            return None
        portfolio = self.portfolio
        adjusted = (
            percent
            * portfolio.total_portfolio_value_less_free_buffer_exact
            / portfolio.total_portfolio_value_exact
        )
        model = security.buying_power_model
        target = adjusted / exact_leverage(security)
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
                f"Unable to compute order quantity of {security.symbol}. Reason: {result.reason}"
            )
            return None
        lot = security.symbol_properties.lot_size_exact
        return to_decimal(result.quantity) / lot * lot

    def above_minimum_order_margin(self: Any, security: Security, quantity: Any) -> bool:
        """False for an order whose margin the settings count as too small."""
        minimum = self.settings.minimum_order_margin_portfolio_percentage_exact
        if not minimum:
            return True
        margin = initial_margin(security, to_decimal(quantity))
        return above_minimum_order_margin(self.portfolio, minimum, abs(margin))

    def _order_quantity(self: Any, symbol: Any, target: Any) -> Decimal:
        key = getattr(symbol, "symbol", symbol)
        found = PortfolioTarget.percent(self, key, to_decimal(target), True)
        return ZERO if found is None else found.quantity_exact

    def calculate_order_quantity(self: Any, symbol: Any, target: Any) -> float:
        """Signed quantity that would bring a symbol to a share of the portfolio."""
        return to_double(self._order_quantity(symbol, target))

    def set_holdings(self: Any, *arguments: Any, **named: Any) -> list[OrderTicket]:
        """Order shares of the portfolio.

        (symbol, percentage, liquidate_existing_holdings=False, asynchronous=False, tag=None,
        order_properties=None), or a list of PortfolioTarget instead of symbol and percentage.
        """
        if isinstance(arguments[0], list | tuple):
            return self._set_holdings_list(list(arguments[0]), *arguments[1:], **named)
        return self._set_holdings_one(*arguments, **named)

    def _set_holdings_one(
        self: Any,
        symbol: Any,
        percentage: Any,
        liquidate_existing_holdings: bool = False,
        asynchronous: Any = False,
        tag: str | None = None,
        order_properties: OrderProperties | None = None,
    ) -> list[OrderTicket]:
        if isinstance(asynchronous, str):
            asynchronous, tag = False, asynchronous
        key = getattr(symbol, "symbol", symbol)
        quantity = self._order_quantity(key, percentage)
        return self._order_target(
            key, quantity, liquidate_existing_holdings, asynchronous, tag, order_properties
        )

    def _set_holdings_list(
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
            tickets = self._liquidate_others(kept, tag, order_properties)
        deltas = [
            PortfolioTarget(t.symbol, self._order_quantity(t.symbol, t.quantity_exact))
            for t in targets
        ]
        for target in order_by_margin_impact(deltas, self, target_is_delta=True):
            tickets += self._order_target(
                target.symbol, target.quantity_exact, False, asynchronous, tag, order_properties
            )
        return tickets

    def _order_target(
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
            tickets = self._liquidate_others([symbol], tag, properties)
        security = self.securities.find(symbol)
        if security is None:
            self.error(f"{symbol} not found in portfolio. Add it in initialize.")
            return tickets
        waiting = (OrderType.MARKET, OrderType.MARKET_ON_OPEN)
        for ticket in self.transactions.get_open_order_tickets(security.symbol):
            if ticket.order_type in waiting:
                quantity -= ticket.quantity_remaining_exact
        if quantity:
            place = (
                self.market_order if security.exchange.exchange_open else self.market_on_open_order
            )
            tickets.append(place(security.symbol, quantity, asynchronous, tag or "", properties))
        return tickets

    def _liquidate_others(
        self: Any, kept: Iterable[Any], tag: str | None, properties: OrderProperties | None
    ) -> list[OrderTicket]:
        wanted = set()
        for key in kept:
            security = self.securities.find(key)
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
    ) -> list[OrderTicket]:
        """Cancel the orders and close the positions of a symbol, of several, or of all."""
        if isinstance(asynchronous, str):
            asynchronous, tag = False, asynchronous
        if not self.settings.liquidate_enabled:
            self.debug("liquidate() is currently disabled by settings.")
            return []
        label = "Liquidated" if tag is None else tag
        if symbol is None:
            keys: list[Any] = sorted(self.securities.keys(), key=lambda s: s.value)
        elif isinstance(symbol, list | tuple | set):
            keys = list(symbol)
        else:
            keys = [symbol]
        tickets = []
        for key in keys:
            security = self.securities.find(getattr(key, "symbol", key))
            if security is None:
                self.debug(f"Warning: liquidate ignored symbol '{key}': it was not added.")
                continue
            ticket = self._liquidate_one(security, asynchronous, label, order_properties)
            if ticket is not None:
                tickets.append(ticket)
        return tickets

    def _liquidate_one(
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

    def is_market_open(self: Any, symbol: Any) -> bool:
        """True during the regular hours of a symbol's exchange."""
        security = self.securities.find(getattr(symbol, "symbol", symbol))
        hours = security.exchange.hours if security is not None else self.hours_of(symbol)
        return hours.is_open(hours.from_utc(self.utc_time_naive))
