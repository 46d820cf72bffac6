"""How much may be bought: margin, order sizes, checks before orders and fills.

A model that an algorithm writes in Python is asked through the public methods, as in LEAN. What
LEAN's own models ask of themselves stays among LEAN's methods, those beginning with `_net_`: the
default check of an order does not hear of a margin requirement that only a Python class overrides.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, ClassVar

from engine.brokerage.buying_power_terms import (
    BuyingPower,
    BuyingPowerParameters,
    GetMaximumOrderQuantityForDeltaBuyingPowerParameters,
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
    GetMaximumOrderQuantityResult,
    HasSufficientBuyingPowerForOrderParameters,
    HasSufficientBuyingPowerForOrderResult,
    InitialMargin,
    InitialMarginParameters,
    InitialMarginRequiredForOrderParameters,
    MaintenanceMargin,
    MaintenanceMarginParameters,
    ReservedBuyingPowerForPosition,
    ReservedBuyingPowerForPositionParameters,
    amount,
    reserved_buying_power,
)
from engine.brokerage.fees import fee_amount
from engine.common.decimals import (
    ONE,
    ZERO,
    ExactNumber,
    divide,
    normalize,
    text,
    to_decimal,
    to_double,
)
from engine.common.enums import OrderDirection
from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException
from engine.orders.orders import MarketOrder

_BELOW_ONE = "Leverage must be greater than or equal to 1."


def _fraction(value: Any, name: str) -> Decimal:
    exact = to_decimal(value)
    if not 0 <= exact <= 1:
        raise ArgumentException(f"{name} requirement must be between 0 and 1")
    return exact


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


class BuyingPowerModel(DirectObject):
    """Constant margin requirements.

    Args:
        terms: (leverage = 1, required free buying power as a fraction = 0), or (initial margin
            requirement, maintenance margin requirement, required free buying power), fractions of
            the position's value. The same may be given by name.

    Raises:
        ArgumentException: if a fraction is not within 0 to 1 or the leverage is below 1.
    """

    NULL: ClassVar[BuyingPowerModel]
    required_free_buying_power_percent = ExactNumber()

    def __init__(
        self,
        *terms: Any,
        leverage: Any = 1,
        initial_margin_requirement: Any = None,
        maintenance_margin_requirement: Any = None,
        required_free_buying_power_percent: Any = 0,
    ) -> None:
        initial, maintenance = initial_margin_requirement, maintenance_margin_requirement
        free = required_free_buying_power_percent
        if len(terms) == 3:
            initial, maintenance, free = terms
        elif terms:
            leverage, free = (*terms, free)[:2]
        if initial is None:
            self._set_leverage(to_decimal(leverage))
        else:
            self._initial = _fraction(initial, "Initial margin")
            self._maintenance = _fraction(maintenance, "Maintenance margin")
        self.required_free_buying_power_percent_exact = _fraction(free, "Free Buying Power Percent")

    def _set_leverage(self, leverage: Decimal) -> None:
        if leverage < 1:
            raise ArgumentException(_BELOW_ONE)
        self._initial = self._maintenance = divide(ONE, leverage)

    # What LEAN's models ask of themselves ---------------------------------------------------

    def _net_leverage(self, security: Any) -> Decimal:
        return divide(ONE, self._initial)

    def _net_initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        return security.price_exact * quantity * self._initial

    def _net_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> Decimal:
        return abs(parameters.holdings_value_exact) * self._maintenance

    def _net_margin_for_order(self, security: Any, order: Any) -> Decimal:
        fee = fee_amount(security, order)
        margin = self._net_initial_margin(security, order.quantity_exact)
        return margin + _sign(margin) * fee

    def _net_margin_remaining(
        self, portfolio: Any, security: Any, direction: OrderDirection
    ) -> Decimal:
        total = portfolio.total_portfolio_value_exact
        result = portfolio.get_margin_remaining_exact(total)
        holdings = security.holdings
        closing = (holdings.is_long and direction == OrderDirection.SELL) or (
            holdings.is_short and direction == OrderDirection.BUY
        )
        if closing:
            held = MaintenanceMarginParameters.for_current_holdings(security)
            result += self._net_maintenance_margin(held) + self._net_initial_margin(
                security, abs(holdings.quantity_exact)
            )
        result -= total * self.required_free_buying_power_percent_exact
        return max(result, ZERO)

    # What others ask ------------------------------------------------------------------------

    def get_leverage(self, security: Any) -> float:
        """1 over the initial margin requirement."""
        return to_double(self._net_leverage(security))

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Change the leverage.

        Raises:
            ArgumentException: if it is below 1.
        """
        self._set_leverage(to_decimal(leverage))

    def get_initial_margin_requirement(self, parameters: InitialMarginParameters) -> InitialMargin:
        """Signed margin that a position needs to be opened."""
        return InitialMargin(
            self._net_initial_margin(parameters.security, parameters.quantity_exact)
        )

    def get_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> MaintenanceMargin:
        """Margin that a position holds."""
        return MaintenanceMargin(self._net_maintenance_margin(parameters))

    def get_initial_margin_required_for_order(
        self, parameters: InitialMarginRequiredForOrderParameters
    ) -> InitialMargin:
        """Margin of an order, fee included."""
        return InitialMargin(self._net_margin_for_order(parameters.security, parameters.order))

    def get_margin_remaining(
        self, portfolio: Any, security: Any, direction: OrderDirection
    ) -> float:
        """Margin left for an order; reversing a position frees what it holds, twice."""
        return to_double(self._net_margin_remaining(portfolio, security, direction))

    def get_buying_power(self, parameters: BuyingPowerParameters) -> BuyingPower:
        """Margin left for an order."""
        return BuyingPower(
            self._net_margin_remaining(
                parameters.portfolio, parameters.security, parameters.direction
            )
        )

    def get_reserved_buying_power_for_position(
        self, parameters: ReservedBuyingPowerForPositionParameters
    ) -> ReservedBuyingPowerForPosition:
        """Margin that the present position holds."""
        held = MaintenanceMarginParameters.for_current_holdings(parameters.security)
        return ReservedBuyingPowerForPosition(self._net_maintenance_margin(held))

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
        free = self._net_margin_remaining(portfolio, security, order.direction)
        required = self._net_margin_for_order(security, order)
        size = abs(order.quantity_exact)
        required *= divide(size - abs(ticket.quantity_filled_exact), size)
        if abs(required) > free:
            return parameters.insufficient(
                f"Id: {order.id}, Initial Margin: {text(normalize(required))}, "
                f"Free Margin: {text(normalize(free))}"
            )
        return parameters.sufficient()

    def get_maximum_order_quantity_for_delta_buying_power(
        self, parameters: GetMaximumOrderQuantityForDeltaBuyingPowerParameters
    ) -> GetMaximumOrderQuantityResult:
        """Order that changes the used margin by an amount."""
        portfolio, security = parameters.portfolio, parameters.security
        used = amount(
            security.buying_power_model.get_reserved_buying_power_for_position(
                ReservedBuyingPowerForPositionParameters(security)
            )
        )
        signed = used * (1 if security.holdings.is_long else -1)
        total = portfolio.total_portfolio_value_exact
        wanted = signed + parameters.delta_buying_power_exact
        return self._net_maximum_quantity(
            GetMaximumOrderQuantityForTargetBuyingPowerParameters(
                portfolio,
                security,
                divide(wanted, total) if total else ZERO,
                parameters.minimum_order_margin_portfolio_percentage_exact,
                parameters.silence_non_error_reasons,
            )
        )

    def get_maximum_order_quantity_for_target_buying_power(
        self, parameters: GetMaximumOrderQuantityForTargetBuyingPowerParameters
    ) -> GetMaximumOrderQuantityResult:
        """Order that brings the position to a share of the portfolio's margin, fee included.

        Raises:
            ValueError: if the fee grows faster than the order shrinks.
        """
        return self._net_maximum_quantity(parameters)

    def _net_maximum_quantity(
        self, parameters: GetMaximumOrderQuantityForTargetBuyingPowerParameters
    ) -> GetMaximumOrderQuantityResult:
        portfolio, security = parameters.portfolio, parameters.security
        total = portfolio.total_portfolio_value_exact
        free = self.required_free_buying_power_percent_exact
        share = parameters.target_buying_power_exact
        target = share * (total - total * free)
        held = security.holdings.quantity_exact
        if not target:
            return GetMaximumOrderQuantityResult(-held, "", False)
        used = self._net_initial_margin(security, held)
        unit = self._net_initial_margin(security, ONE)
        if not unit:
            return GetMaximumOrderQuantityResult(ZERO, zero_price_message(security.symbol))
        difference = abs(target - used)
        minimum = parameters.minimum_order_margin_portfolio_percentage_exact
        if not above_minimum_order_margin(portfolio, minimum, difference):
            return GetMaximumOrderQuantityResult(
                ZERO,
                f"The target order margin {text(difference)} is less than the minimum "
                f"{text(total * minimum)}.",
                False,
            )
        last = ZERO
        while True:
            quantity, margin = self._amount_to_order(security, target, unit)
            if not quantity:
                lot = security.symbol_properties.lot_size_exact
                return GetMaximumOrderQuantityResult(
                    ZERO,
                    f"The order quantity is less than the lot size of {text(lot)} and has been "
                    f"rounded to zero. Target order margin {text(target - used)}. ",
                    False,
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

    def get_amount_to_order(
        self,
        security: Any,
        target_margin: Any,
        margin_for_one_unit: Any,
        final_margin: float | None = None,
    ) -> tuple[float, float]:
        """Whole lots that keep the margin at or below a target, and that margin."""
        quantity, margin = self._amount_to_order(
            security, to_decimal(target_margin), to_decimal(margin_for_one_unit)
        )
        return to_double(quantity), to_double(margin)

    def _amount_to_order(
        self, security: Any, target: Decimal, unit: Decimal
    ) -> tuple[Decimal, Decimal]:
        lot = security.symbol_properties.lot_size_exact
        held = security.holdings.quantity_exact
        size = -held + target / unit
        rounding = ROUND_CEILING if target < 0 else ROUND_FLOOR
        size = lot * (size / lot).quantize(ONE, rounding)
        step = lot if target < 0 else -lot
        margin = self._net_initial_margin(security, size + held)
        while (target < 0 and margin < target) or (target > 0 and margin > target):
            size += step
            margin = self._net_initial_margin(security, size + held)
        return size, margin


class SecurityMarginModel(BuyingPowerModel):
    """Margin model of equities."""


class PatternDayTradingMarginModel(SecurityMarginModel):
    """More leverage while the market is open than over night."""

    def __init__(self, closed_market_leverage: Any = 2.0, open_market_leverage: Any = 4.0) -> None:
        super().__init__(open_market_leverage)
        self._correction = divide(
            to_decimal(open_market_leverage), to_decimal(closed_market_leverage)
        )

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Nothing: the model has leverages of its own."""

    def _factor(self, security: Any) -> Decimal:
        exchange = security.exchange
        return ONE if exchange.exchange_open and not exchange.closing_soon else self._correction

    def _net_leverage(self, security: Any) -> Decimal:
        return super()._net_leverage(security) * divide(ONE, self._factor(security))

    def _net_initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        return super()._net_initial_margin(security, quantity) * self._factor(security)

    def _net_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> Decimal:
        return super()._net_maintenance_margin(parameters) * self._factor(parameters.security)


class ConstantBuyingPowerModel(BuyingPowerModel):
    """A constant margin for each share.

    Args:
        margin_required_per_unit_in_account_currency: the margin.
    """

    def __init__(self, margin_required_per_unit_in_account_currency: Any) -> None:
        super().__init__()
        self._unit = to_decimal(margin_required_per_unit_in_account_currency)

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Nothing: the margin does not depend on it."""

    def _net_initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        return quantity * self._unit

    def _net_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> Decimal:
        return abs(parameters.quantity_exact) * self._unit


class NullBuyingPowerModel(BuyingPowerModel):
    """Holds no margin and takes every order."""

    def _net_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> Decimal:
        return ZERO

    def has_sufficient_buying_power_for_order(
        self, parameters: HasSufficientBuyingPowerForOrderParameters
    ) -> HasSufficientBuyingPowerForOrderResult:
        """Always."""
        return parameters.sufficient()


BuyingPowerModel.NULL = NullBuyingPowerModel()


class CashBuyingPowerModel(BuyingPowerModel):
    """LEAN's model of currency pairs, which refuses equities; unsupported.

    Raises:
        NotImplementedError: always. Equities of a cash account have `SecurityMarginModel(1)`.
    """

    def __init__(self) -> None:
        raise NotImplementedError(
            "CashBuyingPowerModel: LEAN's model of forex and crypto; for equities without leverage "
            "use SecurityMarginModel(1)"
        )


# What the engine asks of a security's model -------------------------------------------------


_MAINTENANCE = "_net_maintenance_margin"


@lru_cache(maxsize=256)
def _leaves(kind: Any, method: str) -> bool:
    """Whether a class of models leaves a method as it is."""
    return getattr(kind, method, None) is getattr(BuyingPowerModel, method)


def exact_leverage(security: Any) -> Decimal:
    """Leverage of a security, exact unless a Python class overrides `get_leverage`."""
    model = security.buying_power_model
    kind: Any = type(model)
    if _leaves(kind, "get_leverage"):
        return model._net_leverage(security)
    return to_decimal(model.get_leverage(security))


def initial_margin(security: Any, quantity: Decimal) -> Decimal:
    """Signed margin that a position of a quantity needs to be opened."""
    parameters = InitialMarginParameters(security, quantity)
    return amount(security.buying_power_model.get_initial_margin_requirement(parameters))


def margin_held(security: Any) -> Decimal:
    """Margin that a security's position holds, as :func:`reserved_buying_power` has it.

    Where nobody overrides it, it is reckoned without parameters, which are asked for every day.
    """
    model = security.buying_power_model
    kind: Any = type(model)
    if _leaves(kind, "get_reserved_buying_power_for_position") and _leaves(kind, _MAINTENANCE):
        held: Decimal = abs(security.holdings.holdings_value_exact) * model._maintenance
        return held
    return reserved_buying_power(security)


def maintenance_margin(security: Any) -> Decimal:
    """Margin that the present position holds."""
    model, quantity = security.buying_power_model, security.holdings.quantity_exact
    kind: Any = type(model)
    if _leaves(kind, "get_maintenance_margin") and _leaves(kind, _MAINTENANCE):
        # Nobody overrides it, so that it need not be asked with parameters at every time step.
        held: Decimal = abs(security.holdings.price_exact * quantity) * model._maintenance
        return held
    parameters = MaintenanceMarginParameters.for_quantity_at_current_price(security, quantity)
    return amount(model.get_maintenance_margin(parameters))


def above_minimum_order_margin(portfolio: Any, minimum: Decimal, margin: Decimal) -> bool:
    """False for orders too small to bother; always True once the margin is overdrawn."""
    total = portfolio.total_portfolio_value_exact
    return not (total * minimum > margin and portfolio.get_margin_remaining_exact(total) > 0)


class BuyingPowerModelExtensions(DirectObject):
    """LEAN's short ways of asking a buying power model."""

    @staticmethod
    def above_minimum_order_margin_portfolio_percentage(
        model: Any = None,
        security: Any = None,
        quantity: Any = None,
        portfolio_manager: Any = None,
        minimum_order_margin_portfolio_percentage: Any = None,
        *,
        abs_final_order_margin: Any = None,
    ) -> bool:
        """False for orders too small to bother, by a share of the portfolio's value.

        ``(model, security, quantity, portfolio, share)`` or ``(portfolio, share, margin)``.
        """
        share, margin = minimum_order_margin_portfolio_percentage, abs_final_order_margin
        if portfolio_manager is None:
            # The short call: its arguments came in the place of others.
            portfolio_manager, model = model, None
            share = security if share is None else share
            margin = quantity if margin is None else margin
        minimum = to_decimal(share)
        if model is None:
            return above_minimum_order_margin(portfolio_manager, minimum, to_decimal(margin))
        if not minimum:
            return True
        needed = amount(
            model.get_initial_margin_requirement(InitialMarginParameters(security, quantity))
        )
        return above_minimum_order_margin(portfolio_manager, minimum, abs(needed))

    @staticmethod
    def get_reserved_buying_power_for_position(model: Any, security: Any) -> float:
        """Margin that the present position holds."""
        question = ReservedBuyingPowerForPositionParameters(security)
        return to_double(amount(model.get_reserved_buying_power_for_position(question)))

    @staticmethod
    def has_sufficient_buying_power_for_order(
        model: Any, portfolio: Any, security: Any, order: Any
    ) -> HasSufficientBuyingPowerForOrderResult:
        """Verdict on an order."""
        question = HasSufficientBuyingPowerForOrderParameters(portfolio, security, order)
        verdict: HasSufficientBuyingPowerForOrderResult
        verdict = model.has_sufficient_buying_power_for_order(question)
        return verdict

    @staticmethod
    def get_maximum_order_quantity_for_target_buying_power(
        model: Any,
        portfolio: Any,
        security: Any,
        target: Any,
        minimum_order_margin_portfolio_percentage: Any,
    ) -> GetMaximumOrderQuantityResult:
        """Order that leads to a share of the portfolio's margin."""
        question = GetMaximumOrderQuantityForTargetBuyingPowerParameters(
            portfolio, security, target, minimum_order_margin_portfolio_percentage
        )
        answer: GetMaximumOrderQuantityResult
        answer = model.get_maximum_order_quantity_for_target_buying_power(question)
        return answer

    @staticmethod
    def get_buying_power(
        model: Any, portfolio: Any, security: Any, direction: OrderDirection
    ) -> float:
        """Margin left for a trade."""
        question = BuyingPowerParameters(portfolio, security, direction)
        return to_double(amount(model.get_buying_power(question)))

    @staticmethod
    def get_maintenance_margin(model: Any, security: Any) -> float:
        """Margin that the present position needs."""
        question = MaintenanceMarginParameters.for_current_holdings(security)
        return to_double(amount(model.get_maintenance_margin(question)))

    @staticmethod
    def get_initial_margin_requirement(model: Any, security: Any, quantity: Any) -> float:
        """Margin that opens a position."""
        question = InitialMarginParameters(security, quantity)
        return to_double(amount(model.get_initial_margin_requirement(question)))


def zero_price_message(symbol: Any) -> str:
    """LEAN's words for a security that has no price yet."""
    return (
        f"{symbol}: The security does not have an accurate price as it has not yet received a bar "
        "of data. Before placing a trade (or using set_holdings) warm up your algorithm with "
        "set_warmup, or use slice.contains(symbol) to confirm the Slice object has price before "
        "using the data. Data does not necessarily all arrive at the same time so your algorithm "
        "should confirm the data is ready before using it. In live trading this can mean you do "
        "not have an active subscription to the asset class you're trying to trade. If using "
        "custom data make sure you've set the 'Value' property."
    )
