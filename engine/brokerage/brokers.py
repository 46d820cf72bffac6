"""Brokers other than the default one, Interactive Brokers, Alpaca and TradeStation; all by name."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from engine.brokerage.brokerage_models import (
    AlpacaBrokerageModel,
    DefaultBrokerageModel,
    FuncBenchmark,
    InteractiveBrokersBrokerageModel,
    TradeStationBrokerageModel,
    crosses_zero,
    crossing,
    refused,
)
from engine.brokerage.fees import (
    AlphaStreamsFeeModel,
    AlphaStreamsSlippageModel,
    AxosFeeModel,
    CharlesSchwabFeeModel,
    ConstantFeeModel,
    ExanteFeeModel,
    EzeFeeModel,
    PublicFeeModel,
    RBIFeeModel,
    TastytradeFeeModel,
    TDAmeritradeFeeModel,
    WebullFeeModel,
    WolverineFeeModel,
)
from engine.brokerage.settlement import ImmediateSettlementModel
from engine.brokerage.shortable import LocalDiskShortableProvider
from engine.common.decimals import ONE, ZERO, text
from engine.common.enums import AccountType, BrokerageName, OrderType, net_text
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentException, NotSupportedException
from engine.orders.order_properties import (
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    PublicOrderProperties,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import Order

_PLAIN = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
_LARGEST_AT_TRADIER = 10_000_000
_LOWEST_SHORT_AT_TRADIER = 5


def _outside_regular_hours(order: Order) -> bool:
    return bool(getattr(order.properties, "outside_regular_trading_hours", False))


def _no_updates() -> Any:
    return refused("Brokerage does not support update. You must cancel and re-create instead.")


def _no_fractions(quantity: Any) -> Any:
    return refused(f"Order Quantity must be Integer, but provided {text(quantity)}.")


class TradierBrokerageModel(DefaultBrokerageModel):
    """Tradier: no fees; no short orders good till canceled; fills in the regular hours."""

    order_types = (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    _sessions = ((time(4), time(9, 24)), (time(16), time(19, 55)))

    def get_fee_model(self, security: Any) -> Any:
        """None."""
        return ConstantFeeModel(ZERO)

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse what Tradier does."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        span = order.time_in_force
        if not isinstance(span, GoodTilCanceledTimeInForce | DayTimeInForce):
            return refused(
                "This model only supports orders with the following time in force types: "
                "QuantConnect.Orders.TimeInForces.DayTimeInForce and "
                "QuantConnect.Orders.TimeInForces.GoodTilCanceledTimeInForce"
            )
        if security.holdings.quantity_exact + order.quantity_exact < 0:
            if isinstance(span, GoodTilCanceledTimeInForce):
                return refused(
                    "You cannot place short stock orders with GTC, only day orders are allowed",
                    "ShortOrderIsGtc",
                )
            if security.price_exact < _LOWEST_SHORT_AT_TRADIER:
                return refused(
                    "Sell Short order cannot be placed for stock priced below $5",
                    "SellShortOrderLastPriceBelow5",
                )
        if not 1 <= abs(order.quantity_exact) <= _LARGEST_AT_TRADIER:
            return refused("Quantity should be between 1 and 10,000,000", "IncorrectOrderQuantity")
        if not self.can_execute_order(security, order) and _outside_regular_hours(order):
            return refused(
                "Tradier does not support explicitly placing out-of-regular-hours orders if not "
                "currently during the pre or post market session. PreMarket: 04:00:00-09:24:00. "
                "PostMarket: 16:00:00-19:55:00. Only equity limit orders are allowed during "
                "extended market hours.",
                "ExtendedMarket",
            )
        return True, None

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """Refuse another quantity."""
        wanted = request.quantity_exact
        if wanted is not None and wanted != order.quantity_exact:
            return refused("Tradier does not support updating order quantities.", "UpdateRejected")
        return True, None

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """True while the exchange is open; limit orders may ask for the extended sessions."""
        if security.exchange.exchange_open:
            return True
        now: datetime = security.local_time
        extended = any(first <= now.time() < last for first, last in self._sessions)
        return _outside_regular_hours(order) and order.type == OrderType.LIMIT and extended

    def apply_split(self, tickets: list[OrderTicket], split: Any) -> None:
        """Restate open orders; Tradier cancels them at a reverse split."""
        if split.split_factor_exact <= ONE:
            super().apply_split(tickets, split)
            return
        for ticket in tickets:
            ticket.cancel("Tradier Brokerage cancels open orders on reverse split symbols")


class TDAmeritradeBrokerageModel(DefaultBrokerageModel):
    """TD Ameritrade: no fees for stocks."""

    order_types = _PLAIN

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks."""
        return TDAmeritradeFeeModel()


class CharlesSchwabBrokerageModel(DefaultBrokerageModel):
    """Charles Schwab: no fees for stocks."""

    order_types = (
        OrderType.MARKET,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.COMBO_MARKET,
        OrderType.COMBO_LIMIT,
        OrderType.MARKET_ON_CLOSE,
        OrderType.MARKET_ON_OPEN,
        OrderType.STOP_LIMIT,
    )

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks."""
        return CharlesSchwabFeeModel()


class WebullBrokerageModel(DefaultBrokerageModel):
    """Webull: no fees for stocks."""

    order_types = (*_PLAIN, OrderType.TRAILING_STOP)

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks."""
        return WebullFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, and market orders for the extended hours."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        if _outside_regular_hours(order) and order.type == OrderType.MARKET:
            return refused("Market orders are not supported outside regular trading hours.")
        return True, None


class PublicBrokerageModel(DefaultBrokerageModel):
    """Public.com: 2.99 $ for orders that are placed outside the regular hours."""

    order_types = (*_PLAIN, OrderType.COMBO_LIMIT)

    def get_fee_model(self, security: Any) -> Any:
        """By the hour of the order."""
        return PublicFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, in the extended hours all but limit orders."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        if _outside_regular_hours(order) and order.type != OrderType.LIMIT:
            return refused(
                "Orders for extended market must be of type 'Limit' and with 'DAY' time-in-force, "
                f"but {order.type.net_name} was specified."
            )
        if isinstance(order.properties, PublicOrderProperties):
            chosen = order.properties.use_margin is not False
            order.properties.use_margin = self.account_type != AccountType.CASH and chosen
        return True, None

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """Refuse changes of combinations."""
        if order.group_order_manager is not None:
            return refused("Public.com does not support updating combo (multi-leg) orders.")
        return True, None


class TastytradeBrokerageModel(DefaultBrokerageModel):
    """Tastytrade: no fees for stocks."""

    order_types = (*_PLAIN, OrderType.COMBO_LIMIT)

    def get_fee_model(self, security: Any) -> Any:
        """None for stocks."""
        return TastytradeFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, and combinations that turn a position round."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        if order.type == OrderType.COMBO_LIMIT and crosses_zero(security, order):
            return refused(crossing(self, order))
        return True, None


class WolverineBrokerageModel(DefaultBrokerageModel):
    """Wolverine: orders cannot be changed."""

    order_types = (
        OrderType.MARKET,
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
    )

    def get_fee_model(self, security: Any) -> Any:
        """See the model."""
        return WolverineFeeModel()

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """Refuse."""
        return refused(
            "Brokerage does not support update. You must cancel and re-create instead.", "0"
        )


class RBIBrokerageModel(DefaultBrokerageModel):
    """RBI."""

    order_types = _PLAIN

    def get_fee_model(self, security: Any) -> Any:
        """See the model."""
        return RBIFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders."""
        if order.type in self.order_types:
            return True, None
        return refused(
            f"{order.type.net_name} order is not supported by RBI. Currently, only Market Order, "
            "Limit Order, StopMarket Order and StopLimit Order are supported."
        )


class EzeBrokerageModel(DefaultBrokerageModel):
    """Eze: margin accounts only, no fees.

    Raises:
        NotSupportedException: for a cash account.
    """

    order_types = (*_PLAIN, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        super().__init__(account_type)
        if account_type == AccountType.CASH:
            raise NotSupportedException("Eze brokerage can only be used with a Margin account type")

    def get_fee_model(self, security: Any) -> Any:
        """None."""
        return EzeFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, and fractions."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        size = abs(order.quantity_exact)
        return _no_fractions(size) if size % 1 else (True, None)


class AxosClearingBrokerageModel(DefaultBrokerageModel):
    """Axos: no benchmark, short sales by its files."""

    order_types = (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_ON_CLOSE)

    def get_benchmark(self, securities: Any) -> Any:
        """Always 0."""
        return FuncBenchmark(lambda _: ZERO)

    def get_fee_model(self, security: Any) -> Any:
        """0.0035 $ a share."""
        return AxosFeeModel()

    def get_shortable_provider(self, security: Any) -> Any:
        """Files of Axos."""
        return LocalDiskShortableProvider("axos")

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse other kinds of orders, and fractions."""
        if order.type not in self.order_types:
            return self._unsupported_type(order)
        fraction = abs(order.quantity_exact) % 1
        return _no_fractions(order.quantity_exact) if fraction else (True, None)


class TerminalLinkBrokerageModel(DefaultBrokerageModel):
    """Terminal Link: orders cannot be changed."""

    order_types = (
        OrderType.MARKET,
        OrderType.MARKET_ON_OPEN,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
    )

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """Refuse."""
        return _no_updates()


class BloombergFixBrokerageModel(DefaultBrokerageModel):
    """Bloomberg FIX: margin accounts only.

    Raises:
        NotSupportedException: for a cash account.
    """

    order_types = (
        OrderType.MARKET,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
    )

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        super().__init__(account_type)
        if account_type == AccountType.CASH:
            raise NotSupportedException(
                "Bloomberg FIX brokerage can only be used with a Margin account type"
            )


class InteractiveBrokersFixModel(InteractiveBrokersBrokerageModel):
    """Interactive Brokers by FIX: fewer kinds of orders."""

    order_types = (
        OrderType.MARKET,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.TRAILING_STOP,
        OrderType.COMBO_MARKET,
        OrderType.COMBO_LIMIT,
    )
    times_in_force = (GoodTilCanceledTimeInForce, DayTimeInForce)


class ExanteBrokerageModel(DefaultBrokerageModel):
    """Exante, a cash account by default; as in LEAN it refuses every order."""

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        super().__init__(account_type)

    def get_leverage(self, security: Any) -> Any:
        """1.2 on margin, 1 with cash."""
        return 1 if self.account_type == AccountType.CASH else 1.2

    def get_fee_model(self, security: Any) -> Any:
        """0.02 $ a share."""
        return ExanteFeeModel()

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse orders that have not been filled yet."""
        return (True, None) if order.price_exact else refused("Price is not set.")


class AlphaStreamsBrokerageModel(DefaultBrokerageModel):
    """Alpha Streams: margin accounts only, without leverage, with slippage.

    Raises:
        ArgumentException: for a cash account.
    """

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        super().__init__(account_type)
        if account_type == AccountType.CASH:
            raise ArgumentException(
                "The Alpha Streams brokerage does not currently support Cash trading. "
                "(Parameter 'accountType')"
            )

    def get_leverage(self, security: Any) -> Any:
        """1."""
        return 1

    def get_fee_model(self, security: Any) -> Any:
        """Those of Interactive Brokers."""
        return AlphaStreamsFeeModel()

    def get_slippage_model(self, security: Any) -> Any:
        """A ten thousandth of the price."""
        return AlphaStreamsSlippageModel()

    def get_settlement_model(self, security: Any) -> Any:
        """At once."""
        return ImmediateSettlementModel()


_NAMED_BY_BASE = (BrokerageName.INTERACTIVE_BROKERS_FIX, BrokerageName.TERMINAL_LINK)
_MODELS: dict[Any, type[DefaultBrokerageModel]] = {
    BrokerageName.DEFAULT: DefaultBrokerageModel,
    BrokerageName.INTERACTIVE_BROKERS_BROKERAGE: InteractiveBrokersBrokerageModel,
    BrokerageName.INTERACTIVE_BROKERS_FIX: InteractiveBrokersFixModel,
    BrokerageName.TRADIER_BROKERAGE: TradierBrokerageModel,
    BrokerageName.ALPACA: AlpacaBrokerageModel,
    BrokerageName.ALPHA_STREAMS: AlphaStreamsBrokerageModel,
    BrokerageName.EXANTE: ExanteBrokerageModel,
    BrokerageName.WOLVERINE: WolverineBrokerageModel,
    BrokerageName.TD_AMERITRADE: TDAmeritradeBrokerageModel,
    BrokerageName.RBI: RBIBrokerageModel,
    BrokerageName.EZE: EzeBrokerageModel,
    BrokerageName.AXOS: AxosClearingBrokerageModel,
    BrokerageName.TRADE_STATION: TradeStationBrokerageModel,
    BrokerageName.TERMINAL_LINK: TerminalLinkBrokerageModel,
    BrokerageName.CHARLES_SCHWAB: CharlesSchwabBrokerageModel,
    BrokerageName.TASTYTRADE: TastytradeBrokerageModel,
    BrokerageName.WEBULL: WebullBrokerageModel,
    BrokerageName.PUBLIC: PublicBrokerageModel,
    BrokerageName.BLOOMBERG_FIX: BloombergFixBrokerageModel,
}


def brokerage_name(model: Any) -> BrokerageName:
    """Name that LEAN gives a model, by the class that it is or derives from."""
    for base in type(model).__mro__:
        for name, kind in _MODELS.items():
            if kind is base and name not in _NAMED_BY_BASE:
                return BrokerageName(name)
    return BrokerageName.DEFAULT


def brokerage_model(
    name: Any, account_type: AccountType = AccountType.MARGIN
) -> DefaultBrokerageModel:
    """Model of a broker by LEAN's name.

    Raises:
        NotImplementedError: for brokers that trade no US equities in LEAN.
    """
    if name in _MODELS:
        return _MODELS[name](account_type)
    raise NotImplementedError(
        f"set_brokerage_model({net_text(name)}): not a broker of US equities; use one of "
        + ", ".join(net_text(one) for one in _MODELS)
    )


class BrokerageModel(LeanObject):
    """Brokers' models by name."""

    @staticmethod
    def create(
        order_provider: Any, brokerage: Any, account_type: AccountType
    ) -> DefaultBrokerageModel:
        """Make the model of a broker."""
        return brokerage_model(brokerage, account_type)

    @staticmethod
    def get_brokerage_name(brokerage_model: Any) -> BrokerageName:
        """Name of a model's broker."""
        return brokerage_name(brokerage_model)
