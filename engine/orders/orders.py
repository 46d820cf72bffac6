"""Orders, order events, fees and the submission data LEAN hashes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from engine.common.clock import PlacedTime, UtcTime
from engine.common.decimals import (
    ZERO,
    ExactNumber,
    normalize,
    smart_rounding,
    text,
    to_decimal,
    to_double,
)
from engine.common.enums import (
    DataNormalizationMode,
    OrderDirection,
    OrderStatus,
    OrderType,
    SecurityType,
)
from engine.common.naming import DirectObject
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties, TimeInForce, shallow_copy
from engine.orders.order_requests import UpdateOrderRequest


class CashAmount(DirectObject):
    """An amount of money in one currency."""

    amount = ExactNumber()

    def __init__(self, amount: Any, currency: str | None) -> None:
        self.amount_exact = to_decimal(amount)
        self.currency: Any = currency

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CashAmount)
            and self.amount_exact == other.amount_exact
            and self.currency == other.currency
        )

    def __hash__(self) -> int:
        return hash((self.amount_exact, self.currency))


def currency_symbol(currency: str) -> str:
    """Sign of a currency, the currency itself for those that have none here."""
    return "$" if currency == "USD" else currency


class OrderFee(DirectObject):
    """Fee charged for a fill."""

    ZERO: ClassVar[OrderFee]

    def __init__(self, value: CashAmount) -> None:
        self.value = value

    def __str__(self) -> str:
        return f"{text(self.value.amount_exact)} {self.value.currency}"


OrderFee.ZERO = OrderFee(CashAmount(ZERO, "QCC"))


class OrderSubmissionData(DirectObject):
    """Prices at the moment of submission."""

    bid_price = ExactNumber()
    ask_price = ExactNumber()
    last_price = ExactNumber()

    def __init__(self, bid_price: Any, ask_price: Any, last_price: Any) -> None:
        self.bid_price_exact = to_decimal(bid_price)
        self.ask_price_exact = to_decimal(ask_price)
        self.last_price_exact = to_decimal(last_price)


class Order(DirectObject):
    """Base of all kinds of orders.

    Attributes (money as float; `<name>_exact` is the Decimal with LEAN's scale):
        id, symbol, quantity, price: price is the average fill price, 0 before the first fill.
        price_currency: "USD" once the order was processed.
        time: UTC, of the submission; `created_time` is the same.
        last_fill_time, last_update_time, canceled_time: UTC or None. Times are aware; a naive one
            is `<name>_naive`.
        status, tag, properties, broker_id (list of str).
        order_submission_data: prices at submission, None if it never got that far.
        price_adjustment_mode: normalization of the prices it fills at.
        last_event_id: number of its latest event.
        group_order_manager: what it shares with the other orders of a combination, None alone.
    """

    group_order_manager: Any = None
    has_zoneless_time = False
    """Whether its time was given without a zone, by a request of one's own."""

    type: ClassVar[OrderType]
    quantity = ExactNumber()
    price = ExactNumber()
    time = PlacedTime()
    last_fill_time = UtcTime()
    last_update_time = UtcTime()
    canceled_time = UtcTime()
    time_naive: datetime

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        self.id = 0
        self.contingent_id = 0
        self.broker_id: list[str] = []
        self.symbol = symbol
        self.price_exact: Decimal = ZERO
        self.price_currency = ""
        self.time = time
        self.last_fill_time_naive: datetime | None = None
        self.last_update_time_naive: datetime | None = None
        self.canceled_time_naive: datetime | None = None
        self.quantity_exact: Decimal = normalize(to_decimal(quantity))
        self.status = OrderStatus.NONE
        self.tag = tag
        self.properties = properties if properties is not None else OrderProperties()
        self.order_submission_data: OrderSubmissionData | None = None
        self.price_adjustment_mode = DataNormalizationMode.RAW
        self.last_event_id = 0

    def set_price(self, price: Decimal) -> None:
        """Set the fill price, without trailing zeros."""
        self.price_exact = normalize(price)

    def get_new_id(self) -> int:
        """Next number for an event of this order."""
        self.last_event_id += 1
        return self.last_event_id

    @property
    def created_time(self) -> datetime:
        """When the order was placed, UTC."""
        return self.time

    @property
    def security_type(self) -> SecurityType:
        """Kind of security."""
        return self.symbol.security_type

    @property
    def time_in_force(self) -> TimeInForce:
        """How long the order works."""
        return self.properties.time_in_force

    @property
    def direction(self) -> OrderDirection:
        """Buy, sell, or hold for a quantity of 0."""
        if self.quantity_exact > 0:
            return OrderDirection.BUY
        return OrderDirection.SELL if self.quantity_exact < 0 else OrderDirection.HOLD

    @property
    def absolute_quantity(self) -> float:
        """Quantity without sign."""
        return to_double(abs(self.quantity_exact))

    @property
    def value_exact(self) -> Decimal:
        """Quantity times fill price."""
        return self.quantity_exact * self.price_exact

    @property
    def value(self) -> float:
        """Quantity times fill price."""
        return to_double(self.value_exact)

    @property
    def is_marketable(self) -> bool:
        """True if the order would fill at once."""
        return self.type == OrderType.MARKET

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth of the order at a market price; kinds with their own price use the worse one."""
        return self.quantity_exact * market_price

    def get_value(self, security: Any) -> float:
        """Worth of the order at the security's price."""
        return to_double(self.value_at(security.price_exact))

    def _worse(self, own: Decimal, market: Decimal) -> Decimal:
        if not self.quantity_exact:
            return ZERO
        return self.quantity_exact * (
            max(own, market) if self.quantity_exact < 0 else min(own, market)
        )

    def _money(self, price: Decimal) -> str:
        return f"{currency_symbol(self.price_currency)}{text(smart_rounding(price))}"

    def get_default_tag(self) -> str:
        """Tag of an order that was given none."""
        return ""

    def apply_update_order_request(self, request: UpdateOrderRequest) -> None:
        """Take over the fields that the request sets."""
        if request.quantity_exact is not None:
            self.quantity_exact = normalize(request.quantity_exact)
        if request.tag is not None:
            self.tag = request.tag
        for name in ("limit_price", "stop_price", "trigger_price", "trailing_amount"):
            value = getattr(request, name + "_exact")
            if value is not None and hasattr(self, name + "_exact"):
                setattr(self, name + "_exact", value)

    def clone(self) -> Order:
        """Copy, sharing nothing that changes."""
        order = shallow_copy(self)
        order.broker_id = list(self.broker_id)
        order.properties = self.properties.clone()
        return order

    def __str__(self) -> str:
        tag = f": {self.tag}" if self.tag else ""
        plural = "" if self.quantity_exact == 1 else "s"
        return (
            f"OrderId: {self.id} (BrokerId: {','.join(self.broker_id)}) {self.status.net_name} "
            f"{self.type.net_name} order for {text(self.quantity_exact)} unit{plural} of "
            f"{self.symbol}{tag}"
        )


class MarketOrder(Order):
    """Fills at the market."""

    type = OrderType.MARKET


class MarketOnOpenOrder(Order):
    """Fills at the next open."""

    type = OrderType.MARKET_ON_OPEN


class MarketOnCloseOrder(Order):
    """Fills at the next close."""

    type = OrderType.MARKET_ON_CLOSE

    # Brokers want the order this long before the close.
    DEFAULT_SUBMISSION_TIME_BUFFER: ClassVar[timedelta] = timedelta(minutes=15, seconds=30)
    submission_time_buffer: ClassVar[timedelta] = DEFAULT_SUBMISSION_TIME_BUFFER


class LimitOrder(Order):
    """Fills at the limit price or better."""

    type = OrderType.LIMIT
    limit_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        limit_price: Any,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.limit_price_exact = to_decimal(limit_price)

    @property
    def is_marketable(self) -> bool:
        """True if the limit crosses the quote at submission."""
        data = self.order_submission_data
        if data is None:
            return False
        if self.direction == OrderDirection.BUY:
            return self.limit_price_exact >= data.ask_price_exact
        return (
            self.direction == OrderDirection.SELL and self.limit_price_exact <= data.bid_price_exact
        )

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of limit and market."""
        return self._worse(self.limit_price_exact, market_price)

    def __str__(self) -> str:
        return f"{super().__str__()} at limit {self._money(self.limit_price_exact)}"


class StopMarketOrder(Order):
    """Becomes a market order at the stop price."""

    type = OrderType.STOP_MARKET
    stop_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        stop_price: Any,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.stop_price_exact = to_decimal(stop_price)

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of stop and market."""
        return self._worse(self.stop_price_exact, market_price)

    def __str__(self) -> str:
        return f"{super().__str__()} at stop {self._money(self.stop_price_exact)}"


class TrailingStopOrder(StopMarketOrder):
    """A stop that follows the market at a distance."""

    type = OrderType.TRAILING_STOP
    trailing_amount = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        stop_price: Any,
        trailing_amount: Any,
        trailing_as_percentage: bool,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, stop_price, time, tag, properties)
        self.trailing_amount_exact = to_decimal(trailing_amount)
        self.trailing_as_percentage = trailing_as_percentage

    def _distance(self) -> str:
        amount = self.trailing_amount_exact
        if self.trailing_as_percentage:
            return f"{text(amount * 100)}%"
        return f"{currency_symbol(self.price_currency)}{text(amount)}"

    def get_default_tag(self) -> str:
        """LEAN notes the distance in the tag."""
        return f"Trailing Amount: {self._distance()}"

    def __str__(self) -> str:
        return f"{super().__str__()}. Trailing amount: {self._distance()}"

    @staticmethod
    def calculate_stop_price(
        market_price: Decimal, amount: Decimal, as_percentage: bool, direction: OrderDirection
    ) -> Decimal:
        """Stop at the trailing distance from the market."""
        if as_percentage:
            factor = 1 + amount if direction == OrderDirection.BUY else 1 - amount
            return market_price * factor
        return market_price + amount if direction == OrderDirection.BUY else market_price - amount

    @staticmethod
    def updated_stop_price(
        market_price: Decimal,
        stop_price: Decimal,
        amount: Decimal,
        as_percentage: bool,
        direction: OrderDirection,
    ) -> Decimal | None:
        """New stop if the market moved further away than the distance, else None."""
        selling = direction == OrderDirection.SELL
        distance = market_price - stop_price if selling else stop_price - market_price
        if distance <= (market_price * amount if as_percentage else amount):
            return None
        return TrailingStopOrder.calculate_stop_price(
            market_price, amount, as_percentage, direction
        )


class StopLimitOrder(Order):
    """Becomes a limit order at the stop price."""

    type = OrderType.STOP_LIMIT
    stop_price = ExactNumber()
    limit_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        stop_price: Any,
        limit_price: Any,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.stop_price_exact = to_decimal(stop_price)
        self.limit_price_exact = to_decimal(limit_price)
        self.stop_triggered = False

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of limit and market."""
        return self._worse(self.limit_price_exact, market_price)

    def __str__(self) -> str:
        stop, limit = self._money(self.stop_price_exact), self._money(self.limit_price_exact)
        return f"{super().__str__()} at stop {stop} limit {limit}"


class LimitIfTouchedOrder(Order):
    """Becomes a limit order once the trigger price is touched."""

    type = OrderType.LIMIT_IF_TOUCHED
    trigger_price = ExactNumber()
    limit_price = ExactNumber()

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        trigger_price: Any,
        limit_price: Any,
        time: datetime,
        tag: str | None = "",
        properties: OrderProperties | None = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.trigger_price_exact = to_decimal(trigger_price)
        self.limit_price_exact = to_decimal(limit_price)
        self.trigger_touched = False

    def value_at(self, market_price: Decimal) -> Decimal:
        """Worth at the worse of limit and market."""
        return self._worse(self.limit_price_exact, market_price)

    def __str__(self) -> str:
        trigger, limit = (
            self._money(p) for p in (self.trigger_price_exact, self.limit_price_exact)
        )
        return f"{super().__str__()} at trigger {trigger} limit {limit}"


class OrderEvent(DirectObject):
    """One step in an order's life.

    Attributes (money as float; `<name>_exact` is the Decimal):
        order_id, id: the order's number, and the event's within the order.
        symbol, utc_time, status, direction, quantity.
        fill_price, fill_price_currency, fill_quantity: 0 unless the event is a fill.
        order_fee, message.
        stop_price, limit_price, trigger_price, trailing_amount: of the order, or None.
        ticket: the algorithm's ticket.
    """

    quantity = ExactNumber()
    fill_price = ExactNumber()
    fill_quantity = ExactNumber()
    stop_price = ExactNumber()
    limit_price = ExactNumber()
    trigger_price = ExactNumber()
    trailing_amount = ExactNumber()
    utc_time = UtcTime()
    utc_time_naive: datetime

    def __init__(
        self,
        order: Order,
        utc_time: datetime,
        order_fee: OrderFee = OrderFee.ZERO,
        message: str = "",
    ) -> None:
        self.order_id = order.id
        self.id = 0
        self.symbol = order.symbol
        self.utc_time = utc_time
        self.status = order.status
        self.direction = order.direction
        self.quantity_exact = order.quantity_exact
        self.fill_price_exact: Decimal = ZERO
        self.fill_price_currency = order.price_currency
        self.fill_quantity_exact: Decimal = ZERO
        self.order_fee = order_fee
        self.message = message
        self.is_assignment = False
        self.is_in_the_money = False
        self.stop_price_exact: Decimal | None = None
        self.limit_price_exact: Decimal | None = None
        self.trigger_price_exact: Decimal | None = None
        self.trailing_amount_exact: Decimal | None = None
        self.trailing_as_percentage: bool | None = None
        self.ticket: Any = None

    @property
    def absolute_fill_quantity(self) -> float:
        """Filled quantity without sign."""
        return to_double(abs(self.fill_quantity_exact))

    def to_string(self) -> str:
        """The event as text."""
        return str(self)

    def clone(self) -> OrderEvent:
        """Copy the event."""
        return shallow_copy(self)

    def _details(self, *labels: str) -> list[str]:
        """What happened, each part behind LEAN's label for it."""
        filled, price, limit, stop, distance, trigger, message = labels
        sign = currency_symbol(self.fill_price_currency)

        def money(value: Decimal) -> str:
            return f"{sign}{text(smart_rounding(value))}"

        parts = []
        if self.fill_quantity_exact:
            parts.append(f"{filled}{text(normalize(self.fill_quantity_exact))}")
            parts.append(f"{price}{money(self.fill_price_exact)}")
        if self.limit_price_exact is not None:
            parts.append(f"{limit}{money(self.limit_price_exact)}")
        if self.stop_price_exact is not None:
            parts.append(f"{stop}{money(self.stop_price_exact)}")
        amount = self.trailing_amount_exact
        if amount is not None:
            percent = self.trailing_as_percentage
            shown = f"{text(amount * 100)}%" if percent else f"{sign}{text(normalize(amount))}"
            parts.append(f"{distance}{shown}")
        if self.trigger_price_exact is not None:
            parts.append(f"{trigger}{money(self.trigger_price_exact)}")
        if self.order_fee.value.amount_exact:
            short = filled == "FQ:"
            parts.append(f"OF:{sign}{self.order_fee}" if short else f"OrderFee: {self.order_fee}")
        if self.message:
            parts.append(f"{message}{self.message}")
        return parts

    def short_to_string(self) -> str:
        """The event as a short text."""
        head = (
            f"{self.utc_time:%m/%d/%Y %H:%M:%S} OID:{self.order_id} {self.symbol.value} "
            f"{self.status.net_name} Q:{text(normalize(self.quantity_exact))}"
        )
        return " ".join([head, *self._details("FQ:", "FP:", "LP:", "SP:", "TA: ", "TP:", "M:")])

    def __str__(self) -> str:
        head = (
            f"Time: {self.utc_time:%m/%d/%Y %H:%M:%S} OrderID: {self.order_id} EventID: {self.id} "
            f"Symbol: {self.symbol.value} Status: {self.status.net_name} "
            f"Quantity: {text(normalize(self.quantity_exact))}"
        )
        labels = (
            "FillQuantity: ",
            "FillPrice: ",
            "LimitPrice: ",
            "StopPrice: ",
            "TrailingAmount: ",
            "TriggerPrice: ",
            "Message: ",
        )
        return " ".join([head, *self._details(*labels)])
