"""What buying power models are asked, and what they answer.

Amounts of money are floats in account currency; `<name>_exact` is the Decimal.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from engine.common.decimals import ZERO, ExactNumber, to_decimal, to_double
from engine.common.enums import OrderDirection
from engine.common.naming import DirectObject
from engine.orders.orders import Order


class _Amount(DirectObject):
    """An amount of money that a model answers with."""

    __slots__ = ("value_exact",)

    def __init__(self, value: Any) -> None:
        self.value_exact = to_decimal(value)

    @property
    def value(self) -> float:
        """The amount."""
        return to_double(self.value_exact)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value})"


class InitialMargin(_Amount):
    """Signed margin that must be free to open a position."""

    __slots__ = ()
    ZERO: ClassVar[InitialMargin]


class MaintenanceMargin(_Amount):
    """Margin that a position holds."""

    __slots__ = ()
    ZERO: ClassVar[MaintenanceMargin]


class BuyingPower(_Amount):
    """Margin left for a trade."""

    __slots__ = ()

    def __init__(self, buying_power: Any) -> None:
        super().__init__(buying_power)


InitialMargin.ZERO = InitialMargin(ZERO)
MaintenanceMargin.ZERO = MaintenanceMargin(ZERO)


class ReservedBuyingPowerForPosition(DirectObject):
    """Margin that a position holds."""

    absolute_used_buying_power = ExactNumber()

    def __init__(self, reserved_buying_power_for_position: Any) -> None:
        self.absolute_used_buying_power_exact = to_decimal(reserved_buying_power_for_position)


def amount(answer: Any) -> Decimal:
    """The Decimal of what a model answered: one of the classes above or a number."""
    if isinstance(answer, ReservedBuyingPowerForPosition):
        return answer.absolute_used_buying_power_exact
    return answer.value_exact if isinstance(answer, _Amount) else to_decimal(answer)


class GetMaximumOrderQuantityResult(DirectObject):
    """Signed quantity to order; a reason for zero counts as an error unless told otherwise."""

    quantity = ExactNumber()

    def __init__(
        self, quantity: Any, reason: str | None = None, is_error: bool | None = None
    ) -> None:
        self.quantity_exact = to_decimal(quantity)
        self.reason = reason or ""
        self.is_error = bool(self.reason) if is_error is None else is_error


class HasSufficientBuyingPowerForOrderResult(DirectObject):
    """Verdict on an order, with a reason if it is refused."""

    def __init__(self, is_sufficient: bool, reason: str | None = None) -> None:
        self.is_sufficient = is_sufficient
        self.reason = reason


class BuyingPowerParameters(DirectObject):
    """Question: how much can be bought?"""

    def __init__(self, portfolio: Any, security: Any, direction: OrderDirection) -> None:
        self.portfolio = portfolio
        self.security = security
        self.direction = direction

    def result(self, buying_power: Any, currency: str) -> BuyingPower:
        """The answer in a currency, of which the account's is the only one."""
        return BuyingPower(buying_power)

    def result_in_account_currency(self, buying_power: Any) -> BuyingPower:
        """The answer."""
        return BuyingPower(buying_power)


class ReservedBuyingPowerForPositionParameters(DirectObject):
    """Question: how much margin does the position hold?"""

    def __init__(self, security: Any) -> None:
        self.security = security

    def result_in_account_currency(
        self, reserved_buying_power: Any
    ) -> ReservedBuyingPowerForPosition:
        """The answer."""
        return ReservedBuyingPowerForPosition(amount(reserved_buying_power))


def reserved_buying_power(security: Any) -> Decimal:
    """Margin that a security's position holds, by its own model."""
    model = security.buying_power_model
    question = ReservedBuyingPowerForPositionParameters(security)
    return amount(model.get_reserved_buying_power_for_position(question))


class InitialMarginParameters(DirectObject):
    """Question: what margin opens a position of this signed quantity?"""

    quantity = ExactNumber()

    def __init__(self, security: Any, quantity: Any) -> None:
        self.security = security
        self.quantity_exact = to_decimal(quantity)


class InitialMarginRequiredForOrderParameters(DirectObject):
    """Question: what margin does an order need, its fee included?"""

    def __init__(self, currency_converter: Any, security: Any, order: Order) -> None:
        self.currency_converter = currency_converter
        self.security = security
        self.order = order


class MaintenanceMarginParameters(DirectObject):
    """Question: what margin does a position hold?"""

    quantity = ExactNumber()
    holdings_cost = ExactNumber()
    holdings_value = ExactNumber()

    def __init__(
        self, security: Any, quantity: Any, holdings_cost: Any, holdings_value: Any
    ) -> None:
        self.security = security
        self.quantity_exact = to_decimal(quantity)
        self.holdings_cost_exact = to_decimal(holdings_cost)
        self.holdings_value_exact = to_decimal(holdings_value)

    @property
    def absolute_quantity(self) -> float:
        """Quantity without sign."""
        return to_double(abs(self.quantity_exact))

    @property
    def absolute_holdings_cost(self) -> float:
        """Cost without sign."""
        return to_double(abs(self.holdings_cost_exact))

    @property
    def absolute_holdings_value(self) -> float:
        """Value without sign."""
        return to_double(abs(self.holdings_value_exact))

    @classmethod
    def for_current_holdings(cls, security: Any) -> MaintenanceMarginParameters:
        """Of the present position."""
        held = security.holdings
        return cls(
            security, held.quantity_exact, held.holdings_cost_exact, held.holdings_value_exact
        )

    @classmethod
    def for_quantity_at_current_price(
        cls, security: Any, quantity: Any
    ) -> MaintenanceMarginParameters:
        """Of a quantity at the present price."""
        exact = to_decimal(quantity)
        value = security.holdings.price_exact * exact
        return cls(security, exact, value, value)


class HasSufficientBuyingPowerForOrderParameters(DirectObject):
    """Question: is there enough for this order?"""

    def __init__(self, portfolio: Any, security: Any, order: Order) -> None:
        self.portfolio = portfolio
        self.security = security
        self.order = order

    def sufficient(self) -> HasSufficientBuyingPowerForOrderResult:
        """Yes."""
        return HasSufficientBuyingPowerForOrderResult(True)

    def insufficient(self, reason: str) -> HasSufficientBuyingPowerForOrderResult:
        """No."""
        return HasSufficientBuyingPowerForOrderResult(False, reason)


class GetMaximumOrderQuantityForTargetBuyingPowerParameters(DirectObject):
    """Question: which order reaches a share of the portfolio's margin?"""

    target_buying_power = ExactNumber()
    minimum_order_margin_portfolio_percentage = ExactNumber()

    def __init__(
        self,
        portfolio: Any,
        security: Any,
        target_buying_power: Any,
        minimum_order_margin_portfolio_percentage: Any,
        silence_non_error_reasons: bool = False,
    ) -> None:
        self.portfolio = portfolio
        self.security = security
        self.target_buying_power_exact = to_decimal(target_buying_power)
        self.minimum_order_margin_portfolio_percentage_exact = to_decimal(
            minimum_order_margin_portfolio_percentage
        )
        self.silence_non_error_reasons = silence_non_error_reasons


class GetMaximumOrderQuantityForDeltaBuyingPowerParameters(DirectObject):
    """Question: which order changes the used margin by this much?"""

    delta_buying_power = ExactNumber()
    minimum_order_margin_portfolio_percentage = ExactNumber()

    def __init__(
        self,
        portfolio: Any,
        security: Any,
        delta_buying_power: Any,
        minimum_order_margin_portfolio_percentage: Any,
        silence_non_error_reasons: bool = False,
    ) -> None:
        self.portfolio = portfolio
        self.security = security
        self.delta_buying_power_exact = to_decimal(delta_buying_power)
        self.minimum_order_margin_portfolio_percentage_exact = to_decimal(
            minimum_order_margin_portfolio_percentage
        )
        self.silence_non_error_reasons = silence_non_error_reasons
