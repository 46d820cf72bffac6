"""The trading part of QCAlgorithm: orders, targets, liquidation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.account.securities import Security
from engine.api.algorithm_targets import TargetsMixin
from engine.brokerage.buying_power import zero_price_message
from engine.common.decimals import ZERO, cast_double, text, to_decimal
from engine.common.enums import OrderDirection, OrderResponseErrorCode, OrderType, Resolution
from engine.common.net_exceptions import ArgumentException
from engine.common.signatures import overloads
from engine.common.spans import time_span
from engine.feed.auxiliary_files import SymbolProperties
from engine.market.market_hours import always_open
from engine.market.symbols import Symbol
from engine.orders.combo_orders import GroupOrderManager, Leg, check_sizing
from engine.orders.order_properties import GoodTilDateTimeInForce, OrderProperties, TimeInForce
from engine.orders.order_requests import OrderResponse, SubmitOrderRequest
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import MarketOnCloseOrder, TrailingStopOrder

_REST = 'asynchronous: bool = False, tag: str = "", order_properties: IOrderProperties = None'
_AT_AUCTIONS = (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)


def _order(prices: str = "", rest: str = f", {_REST}") -> Callable[[Any], Any]:
    """Overloads of a kind of order: quantities as decimal or double, and as whole numbers."""
    return overloads(
        f"symbol: Symbol, quantity: double{prices}{rest}",
        f"symbol: Symbol, quantity: int{prices}{rest}",
    )


class TradingMixin(TargetsMixin):
    """Orders of an algorithm.

    In a backtest an asynchronous order is processed within the call, as any other; in live trading
    at the end of the time step.
    """

    def _qc_tell_once(self: Any, message: str, subject: str, tell: Any = None) -> None:
        """A message, a debug one by default, that LEAN writes the first time only."""
        told = self.__dict__.setdefault("_qc_told", set())
        if subject not in told:
            told.add(subject)
            (tell or self.debug)(message)

    def _qc_security_for_order(self: Any, symbol: Any) -> Security:
        """The security to order; as in LEAN one that is not subscribed is added now.

        A ticker that was never a symbol of the algorithm gives a security without prices or market,
        which no order can be sent for.
        """
        key = getattr(symbol, "symbol", symbol)
        security = self.securities.find_any(key)
        if security is not None and (security.is_tradable or security.is_delisted):
            return security
        if security is None and not isinstance(key, Symbol):
            return Security(Symbol.of(str(key)), always_open(), SymbolProperties(), self._qc_now)
        added: Security = self.add_security(security.symbol if security is not None else key)
        self.qc_seed([added])
        return added

    def _qc_order_request(
        self: Any,
        kind: OrderType,
        security: Security,
        quantity: Any,
        tag: str | None,
        properties: OrderProperties | None,
        asynchronous: bool,
        **terms: Any,
    ) -> SubmitOrderRequest:
        chosen = properties if properties is not None else self.default_order_properties.clone()
        if kind in _AT_AUCTIONS and isinstance(chosen.time_in_force, GoodTilDateTimeInForce):
            chosen.time_in_force = TimeInForce.GOOD_TIL_CANCELED
            self._qc_tell_once(
                "Warning: Good-Til-Date Time-In-Force is not supported for MOO and MOC orders. "
                "The time-in-force will be reset to Good-Til-Canceled (GTC).",
                "good til date",
            )
        return SubmitOrderRequest(
            kind,
            security.type,
            security.symbol,
            cast_double(quantity),
            time=self.utc_time_naive,
            tag=tag if tag is not None else "",
            properties=chosen,
            asynchronous=asynchronous,
            **terms,
        )

    def _qc_request(
        self: Any, kind: OrderType, security: Security, *terms: Any, **named: Any
    ) -> Any:
        """Check a request and submit it; a refused one gives an invalid ticket."""
        return self._qc_submit(self._qc_order_request(kind, security, *terms, **named))

    def submit_order_request(self: Any, request: SubmitOrderRequest) -> OrderTicket:
        """Check a request and submit it; a refused one gives an invalid ticket."""
        request.has_zoneless_time = not request.was_given_zone
        return self._qc_submit(request)

    def _qc_submit(self: Any, request: SubmitOrderRequest) -> OrderTicket:
        response = self._qc_checked(request)
        if response.is_error:
            return OrderTicket.invalid(self.transactions, request, response)
        return self.transactions.process_request(request)

    def _qc_checked(self: Any, request: SubmitOrderRequest) -> OrderResponse:
        """Whether an order may be submitted; tells the log why it may not."""
        security = self.securities.find_any(request.symbol)
        if self.is_warming_up:
            response = OrderResponse.warming_up(request)
        elif security is None and not request.symbol.id.properties:
            response = OrderResponse.error(
                request,
                OrderResponseErrorCode.SECURITY_PRICE_ZERO,
                zero_price_message(request.symbol),
            )
        elif security is None:
            response = OrderResponse.missing_security(request)
        elif not request.quantity_exact:
            response = OrderResponse.zero_quantity(request)
        else:
            refusal = self._qc_refusal(request, security)
            if refusal is None:
                return OrderResponse.success(request)
            response = OrderResponse.error(request, *refusal)
        self.error(response.error_message)
        return response

    def _qc_refusal(
        self: Any, request: SubmitOrderRequest, security: Security
    ) -> tuple[OrderResponseErrorCode, str] | None:
        """Why an order cannot be submitted, None if it can."""
        codes = OrderResponseErrorCode
        quantity = abs(request.quantity_exact)
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
            return codes.SECURITY_PRICE_ZERO, zero_price_message(request.symbol)
        if not security.has_data:
            return codes.SECURITY_HAS_NO_DATA, (
                "There is no data for this symbol yet, please check the security.HasData flag to "
                "ensure there is at least one data point."
            )
        if request.order_type == OrderType.MARKET_ON_OPEN:
            if security.is_market_open() and not self._qc_is_daily_only(security):
                return codes.MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS, (
                    "Cannot submit a MarketOnOpen order while the market is open."
                )
        elif request.order_type == OrderType.MARKET_ON_CLOSE and self._qc_too_late_for_close(
            security
        ):
            return codes.MARKET_ON_CLOSE_ORDER_TOO_LATE, (
                "MarketOnClose orders must be placed within "
                f"{time_span(MarketOnCloseOrder.submission_time_buffer)} before market close. "
                "Override this TimeSpan buffer by setting "
                "Orders.MarketOnCloseOrder.SubmissionTimeBuffer in QCAlgorithm.Initialize()."
            )
        return None

    @staticmethod
    def _qc_is_daily_only(security: Security) -> bool:
        configs = [config for config in security.subscriptions if not config.internal]
        return bool(configs) and all(c.resolution == Resolution.DAILY for c in configs)

    def _qc_too_late_for_close(self: Any, security: Security) -> bool:
        hours = security.exchange.hours
        closing = hours.to_utc(hours.get_next_market_close(security.local_time))
        return self.utc_time_naive > closing - MarketOnCloseOrder.submission_time_buffer

    # Orders ---------------------------------------------------------------------------------

    @_order()
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
        security = self._qc_security_for_order(symbol)
        arguments = (security.symbol, quantity, asynchronous, tag, order_properties)
        if not security.exchange.exchange_open:
            ticket = self.market_on_open_order(*arguments)
            if ticket.submit_request.response.is_success:
                self._qc_tell_once(
                    "Warning: market orders submitted while the market is closed are automatically "
                    "converted into MarketOnOpen orders to fill at the next market open.",
                    "market on open",
                )
            return ticket
        if self._qc_is_daily_only(security) and not self.live_mode:
            if self._qc_too_late_for_close(security):
                ticket = self.market_on_open_order(*arguments)
            else:
                ticket = self.market_on_close_order(*arguments)
            if ticket.submit_request.response.is_success:
                self._qc_tell_once(
                    "Warning: market orders on daily resolution data sent during market hours are "
                    "automatically converted into MarketOnClose orders (or MarketOnOpen near the "
                    "close) to avoid filling at the stale previous close. Note: in live trading "
                    "this conversion is not applied, as the order fills at the current market "
                    "price.",
                    "daily",
                )
            return ticket
        return self._qc_request(
            OrderType.MARKET, security, quantity, tag, order_properties, asynchronous
        )

    @overloads(
        "symbol: Symbol, quantity: double",
        "symbol: Symbol, quantity: int",
        "symbol: Symbol, quantity: double, type: OrderType",
        "symbol: Symbol, quantity: int, type: OrderType",
        f"symbol: Symbol, quantity: decimal, {_REST}",
        f"strategy: OptionStrategy, quantity: int, {_REST}",
        f"symbol: Symbol, quantity: int, type: OrderType, {_REST}",
    )
    def order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: Any = False,
        tag: Any = "",
        order_properties: Any = None,
        *properties: Any,
        type: OrderType = OrderType.MARKET,
    ) -> OrderTicket:
        """Order at the market; LEAN's older calls have a kind of order third, of no effect."""
        if isinstance(asynchronous, OrderType):
            asynchronous, tag = tag or False, order_properties or ""
            order_properties = properties[0] if properties else None
        return self.market_order(symbol, quantity, asynchronous, tag, order_properties)

    @_order(rest="")
    def buy(self: Any, symbol: Any, quantity: Any) -> OrderTicket:
        """Buy at the market."""
        return self.market_order(symbol, abs(cast_double(quantity)))

    @_order(rest="")
    def sell(self: Any, symbol: Any, quantity: Any) -> OrderTicket:
        """Sell at the market."""
        return self.market_order(symbol, -abs(cast_double(quantity)))

    @_order()
    def market_on_open_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the next open."""
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.MARKET_ON_OPEN, security, quantity, tag, order_properties, asynchronous
        )

    @_order()
    def market_on_close_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Order at the next close."""
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.MARKET_ON_CLOSE, security, quantity, tag, order_properties, asynchronous
        )

    @_order(", limit_price: decimal")
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
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.LIMIT, security, quantity, tag, order_properties, asynchronous,
            limit_price=limit_price,
        )  # fmt: skip

    @_order(", stop_price: decimal")
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
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.STOP_MARKET, security, quantity, tag, order_properties, asynchronous,
            stop_price=stop_price,
        )  # fmt: skip

    @_order(", stop_price: decimal, limit_price: decimal")
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
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.STOP_LIMIT, security, quantity, tag, order_properties, asynchronous,
            stop_price=stop_price, limit_price=limit_price,
        )  # fmt: skip

    @_order(", trigger_price: decimal, limit_price: decimal")
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
        security = self._qc_security_for_order(symbol)
        return self._qc_request(
            OrderType.LIMIT_IF_TOUCHED, security, quantity, tag, order_properties, asynchronous,
            trigger_price=trigger_price, limit_price=limit_price,
        )  # fmt: skip

    def trailing_stop_order(
        self: Any,
        symbol: Any,
        quantity: Any,
        *terms: Any,
        stop_price: Any = None,
        trailing_amount: Any = None,
        trailing_as_percentage: bool | None = None,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """A stop that follows the market.

        Args:
            symbol: to order.
            quantity: signed number of shares.
            terms: ([stop price,] trailing amount, as percentage[, asynchronous, tag, properties]).
            stop_price: where the stop stands first; at the distance from the price by default.
            trailing_amount: distance in money or as a fraction of the price.
            trailing_as_percentage: the distance is a fraction.
            asynchronous: see the class.
            tag: of the order.
            order_properties: of the order.

        Raises:
            TypeError: if distance or kind of distance are missing.
        """
        security = self._qc_security_for_order(symbol)
        flag = next((i for i, term in enumerate(terms) if isinstance(term, bool)), len(terms))
        prices, rest = list(terms[:flag]), list(terms[flag:])
        if trailing_amount is None and prices:
            trailing_amount = prices.pop()
        if stop_price is None and prices:
            stop_price = prices.pop()
        if trailing_as_percentage is None and rest:
            trailing_as_percentage = rest.pop(0)
        if trailing_amount is None or trailing_as_percentage is None:
            raise TypeError(
                "trailing_stop_order needs trailing_amount and trailing_as_percentage; "
                f"received {terms}"
            )
        rest += (asynchronous, tag, order_properties)[len(rest) :]
        asynchronous, tag, order_properties = rest
        amount = to_decimal(trailing_amount)
        if stop_price is None:
            direction = OrderDirection.BUY if cast_double(quantity) > 0 else OrderDirection.SELL
            stop_price = TrailingStopOrder.calculate_stop_price(
                security.price_exact, amount, trailing_as_percentage, direction
            )
        return self._qc_request(
            OrderType.TRAILING_STOP, security, quantity, tag, order_properties, asynchronous,
            stop_price=stop_price, trailing_amount=amount,
            trailing_as_percentage=trailing_as_percentage,
        )  # fmt: skip

    # Combinations ---------------------------------------------------------------------------

    @overloads(f"legs: List[Leg], quantity: int, {_REST}")
    def combo_market_order(
        self: Any,
        legs: list[Leg],
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> list[OrderTicket]:
        """Order several symbols at the market, all or none.

        Raises:
            ArgumentException: if the legs' quantities are not in lowest terms.
        """
        return self._qc_combo(legs, quantity, ZERO, asynchronous, tag, order_properties)

    @overloads(f"legs: List[Leg], quantity: int, {_REST}")
    def combo_leg_limit_order(
        self: Any,
        legs: list[Leg],
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> list[OrderTicket]:
        """Order several symbols, each at its own limit, all or none.

        Raises:
            ArgumentException: if a leg has no limit, or the quantities are not in lowest terms.
        """
        if any(not leg.order_price_exact for leg in legs):
            raise ArgumentException("ComboLegLimitOrder requires a limit price for each leg")
        return self._qc_combo(legs, quantity, ZERO, asynchronous, tag, order_properties)

    @overloads(f"legs: List[Leg], quantity: int, limit_price: decimal, {_REST}")
    def combo_limit_order(
        self: Any,
        legs: list[Leg],
        quantity: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> list[OrderTicket]:
        """Order several symbols, all or none, at a limit of their prices together.

        Raises:
            ArgumentException: without a limit, with limits of legs, or if the quantities are not in
                lowest terms.
        """
        limit = to_decimal(limit_price)
        if not limit:
            raise ArgumentException("ComboLimitOrder requires a limit price")
        if any(leg.order_price_exact for leg in legs):
            raise ArgumentException(
                "ComboLimitOrder does not support limit prices for individual legs"
            )
        return self._qc_combo(legs, quantity, limit, asynchronous, tag, order_properties)

    def _qc_combo(
        self: Any,
        legs: list[Leg],
        quantity: Any,
        limit: Any,
        asynchronous: bool,
        tag: str,
        properties: OrderProperties | None,
    ) -> list[OrderTicket]:
        """Check all legs, then submit them; a leg that is refused ends it all."""
        units = to_decimal(quantity)
        check_sizing(legs, units)
        kind = OrderType.COMBO_LIMIT if limit else OrderType.COMBO_MARKET
        number = self.transactions.get_increment_group_order_manager_id()
        manager = GroupOrderManager(len(legs), units, limit, number)
        requests = []
        for leg in legs:
            security = self._qc_security_for_order(leg.symbol)
            if leg.order_price_exact is not None:
                limit, kind = leg.order_price_exact, OrderType.COMBO_LEG_LIMIT
            request = self._qc_order_request(
                kind, security, leg.quantity * units, tag, properties, asynchronous,
                limit_price=limit, group_order_manager=manager,
            )  # fmt: skip
            response = self._qc_checked(request)
            if response.is_error:
                return [OrderTicket.invalid(self.transactions, request, response)]
            requests.append(request)
        return [self.transactions.process_request(request) for request in requests]

    # What may be sold short -----------------------------------------------------------------

    def shortable(
        self: Any, symbol: Any, short_quantity: Any = None, update_order_id: int | None = None
    ) -> bool:
        """Whether a quantity of a symbol may be sold short now.

        Args:
            symbol: of an added security.
            short_quantity: number of shares, its sign does not matter.
            update_order_id: an order that is being changed and does not count.
        """
        security = self.securities[symbol]
        limit = security.shortable_provider.shortable_quantity(security.symbol, security.local_time)
        if limit is None:
            return True
        waiting = self.transactions.remaining_quantity(
            lambda order: order.symbol == security.symbol and order.order_id != update_order_id
        )
        held = security.holdings.quantity_exact + waiting
        wanted = abs(to_decimal(0 if short_quantity is None else short_quantity))
        return held > -limit and held - wanted >= -limit

    def shortable_quantity(self: Any, symbol: Any) -> int:
        """How much of a symbol may be sold short today; 0 if that is not known."""
        security = self.securities[symbol]
        limit = security.shortable_provider.shortable_quantity(security.symbol, security.local_time)
        return 0 if limit is None else int(limit)

    def is_market_open(self: Any, symbol: Any) -> bool:
        """True during the regular hours of a symbol's exchange."""
        security = self.securities.find_any(getattr(symbol, "symbol", symbol))
        hours = security.exchange.hours if security is not None else self.qc_hours_of(symbol)
        return hours.is_open(hours.from_utc(self.utc_time_naive))
