"""How much may be bought: margin, order sizes, checks before orders and fills."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from engine.brokerage.fees import fee_amount
from engine.common.decimals import ONE, ZERO, ExactNumber, normalize, text, to_decimal, to_double
from engine.common.enums import OrderDirection
from engine.common.naming import LeanObject
from engine.orders.orders import MarketOrder, Order


@dataclass
class GetMaximumOrderQuantityResult(LeanObject):
    """Order size, with the reason if it is zero."""

    quantity: Any
    reason: str = ""
    is_error: bool = True

    def __post_init__(self) -> None:
        if not self.reason:
            self.is_error = False


@dataclass
class HasSufficientBuyingPowerForOrderResult(LeanObject):
    """Verdict on an order."""

    is_sufficient: bool
    reason: str = ""


@dataclass
class BuyingPowerParameters(LeanObject):
    """Question: how much can be bought?"""

    portfolio: Any
    security: Any
    direction: OrderDirection


@dataclass
class ReservedBuyingPowerForPositionParameters(LeanObject):
    """Question: how much margin does the position hold?"""

    security: Any


class ReservedBuyingPowerForPosition(LeanObject):
    """Margin that a position holds."""

    absolute_used_buying_power = ExactNumber()

    def __init__(self, amount: Decimal) -> None:
        self.absolute_used_buying_power_exact = amount


@dataclass
class HasSufficientBuyingPowerForOrderParameters(LeanObject):
    """Question: is there enough for this order?"""

    portfolio: Any
    security: Any
    order: Order

    def sufficient(self) -> HasSufficientBuyingPowerForOrderResult:
        """Yes."""
        return HasSufficientBuyingPowerForOrderResult(True)

    def insufficient(self, reason: str) -> HasSufficientBuyingPowerForOrderResult:
        """No."""
        return HasSufficientBuyingPowerForOrderResult(False, reason)


class GetMaximumOrderQuantityForTargetBuyingPowerParameters(LeanObject):
    """Question: which order reaches a share of the portfolio's margin?"""

    target_buying_power = ExactNumber()
    minimum_order_margin_portfolio_percentage = ExactNumber()

    def __init__(
        self,
        portfolio: Any,
        security: Any,
        target_buying_power: Decimal,
        minimum_percentage: Decimal,
        silence_non_error_reasons: bool = False,
    ) -> None:
        self.portfolio = portfolio
        self.security = security
        self.target_buying_power_exact = target_buying_power
        self.minimum_order_margin_portfolio_percentage_exact = minimum_percentage
        self.silence_non_error_reasons = silence_non_error_reasons


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


class BuyingPowerModel(LeanObject):
    """Constant margin requirements: 1 over the leverage."""

    def __init__(self, leverage: Any = 1, required_free_buying_power_percent: Any = 0) -> None:
        self.required_free_buying_power_percent_exact = to_decimal(
            required_free_buying_power_percent
        )
        self._set_leverage(to_decimal(leverage))

    def _set_leverage(self, leverage: Decimal) -> None:
        if leverage < 1:
            raise ValueError(f"leverage must be at least 1; received {leverage}")
        self._requirement = ONE / leverage

    @property
    def leverage_exact(self) -> Decimal:
        """1 over the margin requirement."""
        return ONE / self._requirement

    def get_leverage(self, security: Any) -> float:
        """1 over the margin requirement."""
        return to_double(self.leverage_exact)

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Change the leverage.

        Raises:
            ValueError: if it is below 1.
        """
        self._set_leverage(to_decimal(leverage))

    def initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        """Signed margin that a position of `quantity` needs to be opened."""
        return security.price_exact * quantity * self._requirement

    def maintenance_margin(self, security: Any) -> Decimal:
        """Margin that the present position holds."""
        return abs(security.holdings.holdings_value_exact) * self._requirement

    def initial_margin_for_order(self, security: Any, order: Order) -> Decimal:
        """Margin of an order, fee included."""
        margin = self.initial_margin(security, order.quantity_exact)
        return margin + _sign(margin) * fee_amount(security, order)

    def margin_remaining(self, portfolio: Any, security: Any, direction: OrderDirection) -> Decimal:
        """Margin left for an order; reversing a position frees what it holds, twice."""
        total = portfolio.total_portfolio_value_exact
        result = portfolio.get_margin_remaining_exact(total)
        holdings = security.holdings
        closing = (holdings.is_long and direction == OrderDirection.SELL) or (
            holdings.is_short and direction == OrderDirection.BUY
        )
        if closing:
            result += self.maintenance_margin(security) + self.initial_margin(
                security, abs(holdings.quantity_exact)
            )
        result -= total * self.required_free_buying_power_percent_exact
        return max(result, ZERO)

    def get_buying_power(self, parameters: BuyingPowerParameters) -> float:
        """Margin left."""
        return to_double(
            self.margin_remaining(parameters.portfolio, parameters.security, parameters.direction)
        )

    def get_reserved_buying_power_for_position(
        self, parameters: ReservedBuyingPowerForPositionParameters
    ) -> ReservedBuyingPowerForPosition:
        """Margin that the present position holds."""
        return ReservedBuyingPowerForPosition(self.maintenance_margin(parameters.security))

    def has_sufficient_buying_power_for_order(
        self, parameters: HasSufficientBuyingPowerForOrderParameters
    ) -> HasSufficientBuyingPowerForOrderResult:
        """Check an order against the margin left; reducing a position is always possible."""
        order, security, portfolio = parameters.order, parameters.security, parameters.portfolio
        if not order.quantity_exact:
            return parameters.sufficient()
        ticket = portfolio.transactions.get_order_ticket(order.id)
        if ticket is None:
            return parameters.insufficient(f"Null order ticket for id: {order.id}")
        held = security.holdings.quantity_exact
        if held * order.quantity_exact < 0 and abs(held) >= abs(order.quantity_exact):
            return parameters.sufficient()
        free = self.margin_remaining(portfolio, security, order.direction)
        required = self.initial_margin_for_order(security, order)
        size = abs(order.quantity_exact)
        unfilled = (size - abs(ticket.quantity_filled_exact)) / size
        required *= unfilled
        if abs(required) > free:
            return parameters.insufficient(
                f"Id: {order.id}, Initial Margin: {text(normalize(required))}, "
                f"Free Margin: {text(normalize(free))}"
            )
        return parameters.sufficient()

    def get_maximum_order_quantity_for_delta_buying_power(
        self, portfolio: Any, security: Any, delta: Decimal, minimum_percentage: Decimal
    ) -> GetMaximumOrderQuantityResult:
        """Order that changes the used margin by `delta`."""
        used = self.maintenance_margin(security) * (1 if security.holdings.is_long else -1)
        total = portfolio.total_portfolio_value_exact
        target = (used + delta) / total if total else ZERO
        return self.get_maximum_order_quantity_for_target_buying_power(
            GetMaximumOrderQuantityForTargetBuyingPowerParameters(
                portfolio, security, target, minimum_percentage
            )
        )

    def get_maximum_order_quantity_for_target_buying_power(
        self, parameters: GetMaximumOrderQuantityForTargetBuyingPowerParameters
    ) -> GetMaximumOrderQuantityResult:
        """Order that brings the position to a share of the portfolio's margin, fee included.

        Raises:
            ValueError: if the fee grows faster than the order shrinks.
        """
        portfolio, security = parameters.portfolio, parameters.security
        total = portfolio.total_portfolio_value_exact
        free = self.required_free_buying_power_percent_exact
        share = parameters.target_buying_power_exact
        target = share * (total - total * free)
        held = security.holdings.quantity_exact
        if not target:
            return GetMaximumOrderQuantityResult(-held)
        unit = self.initial_margin(security, ONE)
        if not unit:
            return GetMaximumOrderQuantityResult(
                ZERO,
                f"{security.symbol.value}: the security does not have an accurate price as it "
                "has not yet received a bar of data.",
            )
        difference = abs(target - self.initial_margin(security, held))
        if not above_minimum_order_margin(
            portfolio, parameters.minimum_order_margin_portfolio_percentage_exact, difference
        ):
            return GetMaximumOrderQuantityResult(
                ZERO, "the target order margin is below the minimum", False
            )
        last = ZERO
        while True:
            quantity, margin = self._amount_to_order(security, target, unit)
            if not quantity:
                return GetMaximumOrderQuantityResult(
                    ZERO, "the order quantity is less than the lot size", False
                )
            fee = fee_amount(security, MarketOrder(security.symbol, quantity, security.utc_time))
            target = (total - fee - total * free) * share
            if last == quantity:
                raise ValueError(
                    f"{security.symbol.value}: the order size for a target of {share} does not "
                    f"converge; quantity {quantity}, fee {fee}"
                )
            last = quantity
            if abs(margin) <= abs(target):
                return GetMaximumOrderQuantityResult(quantity)

    def _amount_to_order(
        self, security: Any, target: Decimal, unit: Decimal
    ) -> tuple[Decimal, Decimal]:
        """Whole lots that keep the margin at or below the target, and that margin."""
        lot = security.symbol_properties.lot_size_exact
        held = security.holdings.quantity_exact
        size = -held + target / unit
        rounding = ROUND_CEILING if target < 0 else ROUND_FLOOR
        size = lot * (size / lot).quantize(ONE, rounding)
        step = lot if target < 0 else -lot
        margin = self.initial_margin(security, size + held)
        while (target < 0 and margin < target) or (target > 0 and margin > target):
            size += step
            margin = self.initial_margin(security, size + held)
        return size, margin


class SecurityMarginModel(BuyingPowerModel):
    """Margin model of equities."""

    def __init__(self, leverage: Any = 1, required_free_buying_power_percent: Any = 0) -> None:
        super().__init__(leverage, required_free_buying_power_percent)


def exact_leverage(security: Any) -> Decimal:
    """Leverage of a security, exact unless its model overrides `get_leverage`."""
    model = security.buying_power_model
    if type(model).get_leverage is BuyingPowerModel.get_leverage:
        return model.leverage_exact
    return to_decimal(model.get_leverage(security))


def above_minimum_order_margin(portfolio: Any, minimum: Decimal, margin: Decimal) -> bool:
    """False for orders too small to bother; always True once the margin is overdrawn."""
    total = portfolio.total_portfolio_value_exact
    return not (total * minimum > margin and portfolio.get_margin_remaining_exact(total) > 0)
