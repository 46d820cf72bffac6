"""Fee and slippage models."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ONE, ZERO, to_decimal
from engine.common.naming import LeanObject
from engine.orders.orders import CashAmount, MarketOrder, Order, OrderFee

_PER_SHARE = Decimal("0.005")
_MINIMUM = ONE
_ABROAD = Decimal(5)
_MAXIMUM_RATE = Decimal("0.005")


class OrderFeeParameters(LeanObject):
    """What a fee model is asked about."""

    def __init__(self, security: Any, order: Order) -> None:
        self.security = security
        self.order = order


class FeeModel(LeanObject):
    """No fees; base of custom fee models."""

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an order that fills completely."""
        return OrderFee(CashAmount(ZERO, "USD"))


class ConstantFeeModel(FeeModel):
    """The same fee for every order."""

    def __init__(self, fee: Any, currency: str = "USD") -> None:
        self._fee = abs(to_decimal(fee))
        self._currency = currency

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """The constant."""
        return OrderFee(CashAmount(self._fee, self._currency))


class AlpacaFeeModel(FeeModel):
    """No fees for stocks."""


class TradeStationFeeModel(FeeModel):
    """No fees for stocks of residents of the US, else 5 $ an order."""

    def __init__(self, us_resident: bool = True) -> None:
        self._resident = us_resident

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an equity order."""
        return OrderFee(CashAmount(ZERO if self._resident else _ABROAD, "USD"))


class InteractiveBrokersFeeModel(FeeModel):
    """0.005 $ a share, at least 1 $, else at most 0.5 % of the order's value."""

    def __init__(self, *_: Any) -> None:
        pass

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an equity order."""
        order = parameters.order
        fee = _PER_SHARE * abs(order.quantity_exact)
        maximum = _MAXIMUM_RATE * abs(order.value_at(parameters.security.price_exact))
        if fee < _MINIMUM:
            fee = _MINIMUM
        elif fee > maximum:
            fee = maximum
        return OrderFee(CashAmount(abs(fee), "USD"))


def fee_amount(security: Any, order: Order) -> Decimal:
    """Fee of an order by the security's model, account currency."""
    return security.fee_model.get_order_fee(OrderFeeParameters(security, order)).value.amount_exact


def market_order_fee(security: Any, quantity: Decimal) -> Decimal:
    """Fee of an order at the market, account currency."""
    return fee_amount(security, MarketOrder(security.symbol, quantity, security.utc_time))


class NullSlippageModel(LeanObject):
    """No slippage."""

    def get_slippage_approximation(self, asset: Any, order: Order) -> Any:
        """Zero."""
        return ZERO


class ConstantSlippageModel(LeanObject):
    """A fraction of the price."""

    def __init__(self, slippage_percent: Any) -> None:
        self._percent = to_decimal(slippage_percent)

    def get_slippage_approximation(self, asset: Any, order: Order) -> Any:
        """Fraction times the last price."""
        last = asset.get_last_data()
        return self._percent * last.value_exact if last is not None else ZERO


class VolumeShareSlippageModel(LeanObject):
    """Slippage that grows with the square of the order's share of the volume."""

    def __init__(self, volume_limit: Any = 0.025, price_impact: Any = 0.1) -> None:
        self._limit = to_decimal(volume_limit)
        self._impact = to_decimal(price_impact)

    def get_slippage_approximation(self, asset: Any, order: Order) -> Any:
        """Impact times the squared share, capped, times the price.

        Raises:
            ValueError: if the last point is not a bar.
        """
        last: Any = asset.get_last_data()
        volume = getattr(last, "volume_exact", None)
        if volume is None:
            raise ValueError("VolumeShareSlippageModel needs trade bars; the last point is none")
        if volume <= 0:
            return ZERO
        share = min(abs(order.quantity_exact) / volume, self._limit)
        return share * share * self._impact * last.value_exact
