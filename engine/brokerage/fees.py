"""Fee and slippage models."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from engine.common.decimals import ONE, ZERO, divide, to_decimal, to_double
from engine.common.enums import MarketDataType, OrderDirection
from engine.common.naming import DirectObject
from engine.common.net_exceptions import InvalidOperationException
from engine.orders.orders import CashAmount, MarketOrder, Order, OrderFee

_PER_SHARE = Decimal("0.005")
_MINIMUM = ONE
_ABROAD = Decimal(5)
_AT_EXANTE = Decimal("0.02")
_EXTENDED_AT_PUBLIC = Decimal("2.99")
_MAXIMUM_RATE = Decimal("0.005")


class OrderFeeParameters(DirectObject):
    """What a fee model is asked about."""

    def __init__(self, security: Any, order: Order) -> None:
        self.security = security
        self.order = order


class FeeModel(DirectObject):
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


class TDAmeritradeFeeModel(FeeModel):
    """No fees for stocks."""


class CharlesSchwabFeeModel(FeeModel):
    """No fees for stocks."""


class WebullFeeModel(FeeModel):
    """No fees for stocks."""


class TastytradeFeeModel(FeeModel):
    """No fees for stocks."""


class EzeFeeModel(FeeModel):
    """No fees."""


class _PerShare(FeeModel):
    _rate = ZERO

    def __init__(self, fees_per_share: Any = None) -> None:
        if fees_per_share is not None:
            self._rate = to_decimal(fees_per_share)


class WolverineFeeModel(_PerShare):
    """No fees: LEAN's engine does not meet the fee per share that LEAN's model hides."""


class RBIFeeModel(_PerShare):
    """No fees: LEAN's engine does not meet the fee per share that LEAN's model hides."""


class AxosFeeModel(_PerShare):
    """A fee for each share, 0.0035 $ by default."""

    _rate = Decimal("0.0035")

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an order."""
        return OrderFee(CashAmount(self._rate * abs(parameters.order.quantity_exact), "USD"))


class ExanteFeeModel(FeeModel):
    """0.02 $ a share."""

    def __init__(self, forex_commission_rate: Any = 0.25) -> None:
        self._forex_rate = to_decimal(forex_commission_rate)

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an equity order."""
        return OrderFee(CashAmount(_AT_EXANTE * abs(parameters.order.quantity_exact), "USD"))


class PublicFeeModel(FeeModel):
    """2.99 $ for orders that are placed outside the regular hours, else nothing."""

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Fee of an equity order."""
        hours = parameters.security.exchange.hours
        regular = hours.is_open(hours.from_utc(parameters.order.time_naive))
        return OrderFee(CashAmount(ZERO if regular else _EXTENDED_AT_PUBLIC, "USD"))


class InteractiveBrokersFeeModel(FeeModel):
    """0.005 $ a share, at least 1 $, else at most 0.5 % of the order's value.

    The arguments matter to currencies and options only.
    """

    def __init__(
        self,
        monthly_forex_trade_amount_in_us_dollars: Any = 0,
        monthly_options_trade_amount_in_contracts: Any = 0,
    ) -> None:
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


class AlphaStreamsFeeModel(InteractiveBrokersFeeModel):
    """The same fees."""


def fee_amount(security: Any, order: Order) -> Decimal:
    """Fee of an order by the security's model, account currency."""
    return security.fee_model.get_order_fee(OrderFeeParameters(security, order)).value.amount_exact


def market_order_fee(security: Any, quantity: Decimal) -> Decimal:
    """Fee of an order at the market, account currency."""
    return fee_amount(security, MarketOrder(security.symbol, quantity, security.utc_time))


class ExactSlippageModel(DirectObject):
    """Base of LEAN's models, which compute in decimals."""

    def approximation_exact(self, asset: Any, order: Order) -> Decimal:
        """What the market takes beyond the price."""
        raise NotImplementedError(f"{type(self).__name__}.approximation_exact")

    def get_slippage_approximation(self, asset: Any, order: Order) -> float:
        """What the market takes beyond the price, a double for the algorithm."""
        return to_double(self.approximation_exact(asset, order))


def slippage(asset: Any, order: Order) -> Decimal:
    """What the market takes beyond the price, by the security's model."""
    model = asset.slippage_model
    ask = getattr(type(model), "get_slippage_approximation", None)
    if ask is ExactSlippageModel.get_slippage_approximation:
        exact: Decimal = model.approximation_exact(asset, order)
        return exact
    return to_decimal(model.get_slippage_approximation(asset, order))


class NullSlippageModel(ExactSlippageModel):
    """No slippage."""

    INSTANCE: ClassVar[NullSlippageModel]

    def approximation_exact(self, asset: Any, order: Order) -> Decimal:
        """Zero."""
        return ZERO


NullSlippageModel.INSTANCE = NullSlippageModel()


class ConstantSlippageModel(ExactSlippageModel):
    """A fraction of the price."""

    def __init__(self, slippage_percent: Any) -> None:
        self._percent = to_decimal(slippage_percent)

    def approximation_exact(self, asset: Any, order: Order) -> Decimal:
        """Fraction times the last price."""
        last = asset.get_last_data()
        return self._percent * last.value_exact if last is not None else ZERO


class AlphaStreamsSlippageModel(ConstantSlippageModel):
    """A ten thousandth of the price."""

    def __init__(self) -> None:
        super().__init__(Decimal("0.0001"))


class VolumeShareSlippageModel(ExactSlippageModel):
    """Slippage that grows with the square of the order's share of the volume."""

    def __init__(self, volume_limit: Any = 0.025, price_impact: Any = 0.1) -> None:
        self._limit = to_decimal(volume_limit)
        self._impact = to_decimal(price_impact)

    def approximation_exact(self, asset: Any, order: Order) -> Decimal:
        """Impact times the squared share, capped, times the price; the cap without volume.

        Raises:
            InvalidOperationException: if the last point is not a bar.
        """
        last: Any = asset.get_last_data()
        if last is None:
            return ZERO
        if last.data_type == MarketDataType.TRADE_BAR:
            volume = last.volume_exact
        elif last.data_type == MarketDataType.QUOTE_BAR:
            buying = order.direction == OrderDirection.BUY
            volume = last.last_bid_size_exact if buying else last.last_ask_size_exact
        else:
            raise InvalidOperationException(
                f"VolumeShareSlippageModel needs bars; the last point is a {type(last).__name__}"
            )
        share = self._limit
        if volume > 0:
            share = min(divide(abs(order.quantity_exact), volume), share)
        return share * share * self._impact * last.value_exact
