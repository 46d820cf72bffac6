"""To which steps of the price orders are rounded, and what books a fill."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ONE, ZERO, ExactNumber, to_decimal, to_double
from engine.common.enums import SecurityType, net_text
from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException

_STEP_BELOW_A_DOLLAR = Decimal("0.0001")


class GetMinimumPriceVariationParameters(DirectObject):
    """Security and price whose step is asked for."""

    reference_price = ExactNumber()

    def __init__(self, security: Any, reference_price: Any) -> None:
        self.security = security
        self.reference_price_exact = to_decimal(reference_price)


class SecurityPriceVariationModel(DirectObject):
    """The step of the symbol's properties."""

    def get_minimum_price_variation(self, parameters: GetMinimumPriceVariationParameters) -> float:
        """Step of a price."""
        return to_double(self.step(parameters.security, parameters.reference_price_exact))

    def step(self, security: Any, price: Decimal) -> Decimal:
        """As `get_minimum_price_variation`."""
        step: Decimal = security.symbol_properties.minimum_price_variation_exact
        return step


class EquityPriceVariationModel(SecurityPriceVariationModel):
    """A hundredth of a cent below a dollar.

    Raises:
        ArgumentException: for what is no equity.
    """

    def step(self, security: Any, price: Decimal) -> Decimal:
        """As `get_minimum_price_variation`."""
        if security.type != SecurityType.EQUITY:
            raise ArgumentException(
                "EquityPriceVariationModel.GetMinimumPriceVariation(): Invalid SecurityType: "
                f"{net_text(security.type)}"
            )
        return _STEP_BELOW_A_DOLLAR if price < ONE else super().step(security, price)


class AdjustedPriceVariationModel(SecurityPriceVariationModel):
    """None: adjusted prices lie between the steps."""

    def step(self, security: Any, price: Decimal) -> Decimal:
        """Zero."""
        return ZERO


class SecurityPortfolioModel(DirectObject):
    """Books fills as the account does."""

    def process_fill(self, portfolio: Any, security: Any, fill: Any) -> None:
        """Book a fill."""
        portfolio.process_fill(fill)
