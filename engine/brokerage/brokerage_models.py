"""Brokerage models: which orders a broker takes, and the trading models it implies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from engine.brokerage.buying_power import SecurityMarginModel
from engine.brokerage.fees import InteractiveBrokersFeeModel, NullSlippageModel
from engine.brokerage.fill_model import EquityFillModel
from engine.brokerage.settlement import DelayedSettlementModel, ImmediateSettlementModel
from engine.common.decimals import ZERO, to_decimal
from engine.common.enums import AccountType, BrokerageName, OrderField, OrderType, SecurityType
from engine.market.symbols import Market
from engine.orders.order_requests import UpdateOrderFields
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import Order

_LIMIT_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)
_STOP_TYPES = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class BrokerageMessageEvent:
    """Why a broker refused."""

    def __init__(self, type: Any, code: str, message: str) -> None:
        self.type = type
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.type} - Code: {self.code} - {self.message}"


class BrokerageMessageType:
    """Kinds of messages."""

    INFORMATION = "Information"
    WARNING = "Warning"
    ERROR = "Error"


class FuncBenchmark:
    """Benchmark that a function of the time gives."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def evaluate(self, time: Any) -> Any:
        """Value at a time (UTC)."""
        return to_decimal(self._function(time))


class SecurityBenchmark:
    """Benchmark that is a security's price."""

    def __init__(self, security: Any) -> None:
        self.security = security

    def evaluate(self, time: Any) -> Any:
        """Latest price, 0 without data."""
        return self.security.price_exact


class BrokerageModel:
    """LEAN's default brokerage: takes every order. Base of custom models."""

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
        """True if the broker would take the order; or (False, reason)."""
        return True

    def can_update_order(
        self, security: Any, order: Order, request: Any, message: Any = None
    ) -> Any:
        """True if the broker would take the change; or (False, reason)."""
        return True

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
                fields.limit_price_exact = to_decimal(ticket.get(OrderField.LIMIT_PRICE)) * factor
            if ticket.order_type in _STOP_TYPES:
                fields.stop_price_exact = to_decimal(ticket.get(OrderField.STOP_PRICE)) * factor
            if ticket.order_type == OrderType.LIMIT_IF_TOUCHED:
                trigger = to_decimal(ticket.get(OrderField.TRIGGER_PRICE))
                fields.trigger_price_exact = trigger * factor
            if ticket.order_type == OrderType.TRAILING_STOP and not ticket.get(
                OrderField.TRAILING_AS_PERCENTAGE
            ):
                amount = to_decimal(ticket.get(OrderField.TRAILING_AMOUNT))
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

    def get_buying_power_model(self, security: Any) -> Any:
        """Margin with the broker's leverage."""
        return SecurityMarginModel(
            self.get_leverage(security), self.required_free_buying_power_percent
        )


DefaultBrokerageModel = BrokerageModel


class InteractiveBrokersBrokerageModel(BrokerageModel):
    """Interactive Brokers: no benchmark, and market-on-open orders only while the market sleeps."""

    def get_benchmark(self, securities: Any) -> Any:
        """Always 0."""
        return FuncBenchmark(lambda _: ZERO)

    def can_submit_order(self, security: Any, order: Order, message: Any = None) -> Any:
        """Refuse market-on-open orders between 9:28 and the close."""
        if order.type == OrderType.MARKET_ON_OPEN:
            hours = security.exchange.hours
            opened = hours.get_next_market_open(security.local_time)
            last = opened - timedelta(minutes=2)
            if hours.is_open(security.local_time) or security.local_time > last:
                return False, BrokerageMessageEvent(
                    BrokerageMessageType.WARNING,
                    "NotSupported",
                    "market-on-open orders are taken from the close until 9:28; received one at "
                    f"{security.local_time}",
                )
        return True


def verdict(answer: Any) -> tuple[bool, str]:
    """Unpack what `can_submit_order` and `can_update_order` may return."""
    if isinstance(answer, tuple):
        return bool(answer[0]), str(answer[1]) if len(answer) > 1 and answer[1] else ""
    return bool(answer), ""


def brokerage_model(name: Any, account_type: AccountType = AccountType.MARGIN) -> BrokerageModel:
    """Model of a broker by LEAN's name.

    Raises:
        NotImplementedError: for brokers other than the default and Interactive Brokers.
    """
    if name == BrokerageName.DEFAULT:
        return BrokerageModel(account_type)
    if name == BrokerageName.INTERACTIVE_BROKERS_BROKERAGE:
        return InteractiveBrokersBrokerageModel(account_type)
    raise NotImplementedError(f"set_brokerage_model({name})")
