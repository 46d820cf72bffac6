"""Brokerage models: which orders a broker takes, and the trading models it implies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from engine.brokerage.buying_power import SecurityMarginModel
from engine.brokerage.equity_fill_model import EquityFillModel
from engine.brokerage.fees import (
    AlpacaFeeModel,
    InteractiveBrokersFeeModel,
    NullSlippageModel,
    TradeStationFeeModel,
)
from engine.brokerage.settlement import DelayedSettlementModel, ImmediateSettlementModel
from engine.brokerage.shortable import MarginInterestRateModel, NullShortableProvider
from engine.common.clock import midnight
from engine.common.decimals import ZERO, to_decimal, to_double
from engine.common.enums import (
    AccountType,
    BrokerageMessageType,
    OrderField,
    OrderType,
    SecurityType,
)
from engine.common.naming import DirectObject
from engine.market.market_hours import Session
from engine.market.symbols import Market
from engine.orders.order_properties import (
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
)
from engine.orders.order_requests import UpdateOrderFields
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import Order

_LIMIT_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)
_AT_AUCTIONS = (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)
_COMBOS = (OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT)
_LARGEST_COMBO_OF_LEGS = 4
_STOP_TYPES = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class BrokerageMessageEvent(DirectObject):
    """Why a broker refused."""

    def __init__(self, type: Any, code: str, message: str) -> None:
        self.type = type
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.type.net_name} - Code: {self.code} - {self.message}"


class FuncBenchmark(DirectObject):
    """Benchmark that a function of the time gives."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def evaluate(self, time: Any) -> float:
        """Value at a time (UTC)."""
        return to_double(self.evaluate_exact(time))

    def evaluate_exact(self, time: Any) -> Decimal:
        """As `evaluate`."""
        return to_decimal(self._function(time))


class SecurityBenchmark(DirectObject):
    """Benchmark that is a security's price."""

    def __init__(self, security: Any) -> None:
        self.security = security

    def evaluate(self, time: Any) -> float:
        """Latest price, 0 without data."""
        return to_double(self.evaluate_exact(time))

    def evaluate_exact(self, time: Any) -> Decimal:
        """As `evaluate`."""
        price: Decimal = self.security.price_exact
        return price


class DefaultBrokerageModel(DirectObject):
    """LEAN's default brokerage: takes every order. Base of custom models."""

    order_types: ClassVar[tuple[OrderType, ...]] = ()
    """Kinds of orders that the broker takes; all if there are none here."""
    default_markets: ClassVar[dict[SecurityType, str]] = {
        SecurityType.EQUITY: Market.USA,
        SecurityType.FOREX: Market.OANDA,
        SecurityType.CRYPTO: Market.BINANCE,
    }
    account_type = AccountType.MARGIN

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        self.account_type = account_type

    @property
    def required_free_buying_power_percent(self) -> float:
        """Margin that must stay free."""
        return 0.0

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """(True, None) if the broker would take the order, else (False, reason)."""
        if self.order_types and order.type not in self.order_types:
            return self._unsupported_type(order)
        return True, None

    def _unsupported_type(self, order: Order) -> Any:
        known = ",".join(kind.net_name for kind in self.order_types)
        return refused(
            f"The {type(self).__name__} does not support {order.type.net_name} order type. "
            f"Only supports [{known}]"
        )

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """(True, None) if the broker would take the change, else (False, reason)."""
        return True, None

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """True if the order may fill now."""
        return True

    def apply_split(self, tickets: list[OrderTicket], split: Any) -> None:
        """Restate open orders to the same worth."""
        factor = split.split_factor_exact
        for ticket in tickets:
            fields = UpdateOrderFields()
            fields.quantity_exact = to_decimal(int(ticket.quantity_exact / factor))
            if ticket.order_type in _LIMIT_TYPES:
                fields.limit_price_exact = ticket.get_exact(OrderField.LIMIT_PRICE) * factor
            if ticket.order_type in _STOP_TYPES:
                fields.stop_price_exact = ticket.get_exact(OrderField.STOP_PRICE) * factor
            if ticket.order_type == OrderType.LIMIT_IF_TOUCHED:
                fields.trigger_price_exact = ticket.get_exact(OrderField.TRIGGER_PRICE) * factor
            if ticket.order_type == OrderType.TRAILING_STOP and not ticket.get_exact(
                OrderField.TRAILING_AS_PERCENTAGE
            ):
                amount = ticket.get_exact(OrderField.TRAILING_AMOUNT)
                fields.trailing_amount_exact = amount * factor
            ticket.update(fields)

    def get_leverage(self, security: Any) -> Any:
        """2 on margin, 1 with cash."""
        return 1 if self.account_type == AccountType.CASH else 2

    def get_benchmark(self, securities: Any) -> Any:
        """None stands for the hidden hourly SPY that LEAN adds."""
        return None

    def get_fill_model(self, security: Any) -> Any:
        """Fills of equities."""
        return EquityFillModel()

    def get_fee_model(self, security: Any) -> Any:
        """Fees of Interactive Brokers."""
        return InteractiveBrokersFeeModel()

    def get_slippage_model(self, security: Any) -> Any:
        """None."""
        return NullSlippageModel()

    def get_settlement_model(self, security: Any) -> Any:
        """At once on margin, the next trading day at 6:00 with cash."""
        if self.account_type == AccountType.CASH:
            return DelayedSettlementModel(1, timedelta(hours=6))
        return ImmediateSettlementModel()

    def get_shortable_provider(self, security: Any) -> Any:
        """No limit."""
        return NullShortableProvider.INSTANCE

    def get_margin_interest_rate_model(self, security: Any) -> Any:
        """No interest."""
        return MarginInterestRateModel.NULL

    def shortable(self, algorithm: Any, symbol: Any, quantity: Any) -> bool:
        """Whether a quantity may be sold short."""
        return bool(algorithm.shortable(symbol, quantity))

    def get_buying_power_model(self, security: Any) -> Any:
        """Margin with the broker's leverage."""
        return SecurityMarginModel(
            self.get_leverage(security), self.required_free_buying_power_percent
        )


class InteractiveBrokersBrokerageModel(DefaultBrokerageModel):
    """Interactive Brokers: no benchmark; market-on-open orders from the close to 9:28."""

    order_types: ClassVar[tuple[OrderType, ...]] = (
        OrderType.MARKET,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.TRAILING_STOP,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.COMBO_MARKET,
        OrderType.COMBO_LIMIT,
        OrderType.COMBO_LEG_LIMIT,
        OrderType.OPTION_EXERCISE,
    )
    times_in_force: ClassVar[tuple[type, ...]] = (
        GoodTilCanceledTimeInForce,
        DayTimeInForce,
        GoodTilDateTimeInForce,
    )

    def get_benchmark(self, securities: Any) -> Any:
        """Always 0."""
        return FuncBenchmark(lambda _: ZERO)

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, and market-on-open ones between 9:28 and the close."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        at_this_hour = _taken_at_this_hour(
            security,
            order,
            lambda session: (session.close, session.open - timedelta(minutes=2)),
        )
        if not at_this_hour[0]:
            return at_this_hour
        group = order.group_order_manager
        if order.type == OrderType.COMBO_LEG_LIMIT and group.count >= _LARGEST_COMBO_OF_LEGS:
            return refused(
                f"The {type(self).__name__} does not support four-leg ComboLegLimit orders. Use "
                "ComboLimit orders for four-leg combinations or more."
            )
        if type(order.time_in_force) not in self.times_in_force:
            return refused(
                f"The {type(self).__name__} does not support "
                f"{type(order.time_in_force).__name__} time in force."
            )
        return True, None


class AlpacaBrokerageModel(DefaultBrokerageModel):
    """Alpaca: no fees; market-on-open orders from 19:00 to 9:28."""

    order_types = (
        OrderType.MARKET,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.TRAILING_STOP,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
    )

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        super().__init__(AccountType.MARGIN)

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks."""
        return AlpacaFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse kinds that Alpaca does not know, and market-on-open orders out of hours."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        outside = getattr(order.properties, "outside_regular_trading_hours", False)
        day = isinstance(order.time_in_force, DayTimeInForce)
        if outside and not (order.type == OrderType.LIMIT and day):
            namespace = "QuantConnect.Orders.TimeInForces."
            return refused(
                f"The {type(self).__name__} does not support {order.type.net_name} orders with "
                f"{namespace}{type(order.time_in_force).__name__} TIF outside regular hours. Only "
                f"Limit orders with {namespace}DayTimeInForce TIF are supported outside regular "
                "trading hours."
            )
        return _taken(
            self, security, order, _AT_AUCTIONS, timedelta(hours=19), timedelta(minutes=2)
        )


class TradeStationBrokerageModel(DefaultBrokerageModel):
    """TradeStation: no fees; market-on-open orders from 6:00 to 9:29."""

    order_types = (
        OrderType.MARKET,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.COMBO_MARKET,
        OrderType.COMBO_LIMIT,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
        OrderType.TRAILING_STOP,
    )

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks of residents of the US."""
        return TradeStationFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse kinds that TradeStation does not know, and market-on-open orders out of hours."""
        outside = getattr(order.properties, "outside_regular_trading_hours", False)
        if outside and order.type != OrderType.LIMIT:
            return refused(
                "To place an order outside regular trading hours, please use a limit order and "
                "ensure the security is an equity.",
                "NotSupportedOutsideRegularMarketHours",
            )
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        kinds = (*_AT_AUCTIONS, *_COMBOS)
        return _taken(self, security, order, kinds, timedelta(hours=6), timedelta(minutes=1))

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """Refuse another quantity for an order that turns a position round."""
        wanted = request.quantity_exact
        changed = wanted is not None and wanted != order.quantity_exact
        if changed and crosses_zero(security, order):
            return refused(
                f"Unfortunately, the {type(self).__name__} brokerage model does not support "
                "updating the quantity of Cross Zero Orders.",
                "UpdateRejected",
            )
        if changed and order.type in _COMBOS:
            return refused(
                f"Order type '{order.type.net_name}' is not supported to update quantity in the "
                f"{type(self).__name__}."
            )
        return True, None


def refused(reason: str, code: str = "NotSupported") -> tuple[bool, BrokerageMessageEvent]:
    """A refusal with the broker's reason."""
    return False, BrokerageMessageEvent(BrokerageMessageType.WARNING, code, reason)


def crosses_zero(security: Any, order: Order) -> bool:
    """True for an order that turns the position round."""
    held = security.holdings.quantity_exact
    return held * order.quantity_exact < 0 and held * (held + order.quantity_exact) < 0


def crossing(model: Any, order: Order) -> str:
    """LEAN's words for an order that turns a position round."""
    return (
        f"Order type '{order.type.net_name}' is not supported for orders that cross the zero "
        f"holdings threshold in the {type(model).__name__}. This means you cannot change a "
        "position from positive to negative or vice versa using this order type. Please close the "
        "existing position first."
    )


def _taken(
    model: Any,
    security: Any,
    order: Order,
    kinds: tuple[OrderType, ...],
    begins: timedelta,
    before_open: timedelta,
) -> Any:
    """Whether a broker takes an order now.

    Args:
        model: the broker's.
        security: of the order.
        order: any.
        kinds: orders that may not turn a position round.
        begins: time of day from which it takes market-on-open orders.
        before_open: how long before the open it takes the last one.
    """
    if crosses_zero(security, order) and order.type in kinds:
        return refused(crossing(model, order))
    return _taken_at_this_hour(
        security,
        order,
        lambda session: (midnight(session.open) + begins, session.open - before_open),
    )


def _taken_at_this_hour(
    security: Any, order: Order, window: Callable[[Session], tuple[datetime, datetime]]
) -> Any:
    """Whether a broker takes an order now, which it asks of market-on-open orders only.

    Args:
        security: of the order; tells the time.
        order: any.
        window: first moment and end of the hours of a day with a session, over midnight if the
            end is the earlier time of day. Days without a session have no hours to keep to.
    """
    now = security.local_time
    session = security.exchange.hours.session(now.date())
    if order.type != OrderType.MARKET_ON_OPEN or session is None:
        return True, None
    first, end = window(session)
    inside = first <= now < end if first < end else now >= first or now < end
    if inside:
        return True, None
    # The blanks and the hours without am or pm are LEAN's.
    return refused(
        f"MarketOnOpen submission time is invalid. Valid local times are {first: %I:%M}\u2013"
        f"{end: %I:%M}. Consider setting daily_precise_end_time = false or using self.schedule.on."
    )


def verdict(answer: Any) -> tuple[bool, str]:
    """Unpack what `can_submit_order` and `can_update_order` may return."""
    if isinstance(answer, tuple):
        return bool(answer[0]), str(answer[1]) if len(answer) > 1 and answer[1] else ""
    return bool(answer), ""
