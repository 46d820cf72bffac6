"""The models of a security: what may be set as one, and what is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.account.data_filters import ALL_DATA
from engine.account.price_variation import AdjustedPriceVariationModel, SecurityPortfolioModel
from engine.account.volatility import VolatilityModel
from engine.brokerage.brokerage_models import DefaultBrokerageModel
from engine.brokerage.buying_power import SecurityMarginModel
from engine.brokerage.equity_fill_model import EquityFillModel
from engine.brokerage.fees import InteractiveBrokersFeeModel, NullSlippageModel
from engine.brokerage.settlement import ImmediateSettlementModel
from engine.brokerage.shortable import MarginInterestRateModel, NullShortableProvider
from engine.common.assigned import check_assigned
from engine.common.naming import DirectObject, both_spellings, either_spelling
from engine.common.net_values import read_bool

_TYPES = {
    "fee_model": "QuantConnect.Orders.Fees.IFeeModel",
    "fill_model": "QuantConnect.Orders.Fills.IFillModel",
    "slippage_model": "QuantConnect.Orders.Slippage.ISlippageModel",
    "settlement_model": "QuantConnect.Securities.ISettlementModel",
    "buying_power_model": "QuantConnect.Securities.IBuyingPowerModel",
    "margin_model": "QuantConnect.Securities.IBuyingPowerModel",
    "margin_interest_rate_model": "QuantConnect.Securities.IMarginInterestRateModel",
    "volatility_model": "QuantConnect.Securities.IVolatilityModel",
    "shortable_provider": "QuantConnect.Interfaces.IShortableProvider",
    "portfolio_model": "QuantConnect.Securities.ISecurityPortfolioModel",
    "price_variation_model": "QuantConnect.Securities.IPriceVariationModel",
    "data_filter": "QuantConnect.Securities.Interfaces.ISecurityDataFilter",
    "holdings": "QuantConnect.Securities.SecurityHolding",
    "exchange": "QuantConnect.Securities.SecurityExchange",
    "cache": "QuantConnect.Securities.SecurityCache",
}
_READ_ONLY = ("symbol", "quote_currency")
_OF_A_BROKERAGE = (
    *("fill_model", "fee_model", "slippage_model", "settlement_model", "buying_power_model"),
    *("margin_interest_rate_model", "shortable_provider"),
)


class SecurityModels(DirectObject):
    """The models of a security. What is set is asked first; the methods take it as it is."""

    fee_model: Any
    fill_model: Any
    slippage_model: Any
    settlement_model: Any
    buying_power_model: Any
    margin_interest_rate_model: Any
    shortable_provider: Any
    data_filter: Any
    portfolio_model: Any
    price_variation_model: Any

    def __setattr__(self, name: str, value: Any) -> None:
        interface = _TYPES.get(name)
        if interface is not None:
            check_assigned(f"security.{name}", interface, value)
        elif name in _READ_ONLY and name in vars(self):
            raise TypeError("property is read-only")
        elif name == "is_tradable":
            read_bool(value)
        object.__setattr__(self, name, value)

    def _set_up_models(self) -> None:
        # Past the properties, which ask what a user sets.
        vars(self).update(
            fee_model=InteractiveBrokersFeeModel(),
            fill_model=EquityFillModel(),
            slippage_model=NullSlippageModel(),
            settlement_model=ImmediateSettlementModel(),
            buying_power_model=SecurityMarginModel(2),
            margin_interest_rate_model=MarginInterestRateModel.NULL,
            shortable_provider=NullShortableProvider.INSTANCE,
            data_filter=ALL_DATA,
            portfolio_model=SecurityPortfolioModel(),
            price_variation_model=AdjustedPriceVariationModel(),
        )
        self._use_volatility_model(VolatilityModel.NULL)

    @property
    def margin_model(self) -> Any:
        """The buying power model."""
        return self.buying_power_model

    @margin_model.setter
    def margin_model(self, model: Any) -> None:
        self.buying_power_model = model

    @property
    def volatility_model(self) -> Any:
        """What measures the volatility."""
        return self._volatility_model

    @volatility_model.setter
    def volatility_model(self, model: Any) -> None:
        self._use_volatility_model(model)

    def _use_volatility_model(self, model: Any) -> None:
        self._volatility_model = model
        is_null = model is VolatilityModel.NULL
        self._measure = None if is_null else either_spelling(model, "update")

    def set_fee_model(self, feel_model: Any) -> None:
        """Replace the fee model; the argument's name is LEAN's."""
        vars(self)["fee_model"] = both_spellings(feel_model)

    def set_fill_model(self, fill_model: Any) -> None:
        """Replace the fill model."""
        vars(self)["fill_model"] = both_spellings(fill_model)

    def set_slippage_model(self, slippage_model: Any) -> None:
        """Replace the slippage model."""
        vars(self)["slippage_model"] = both_spellings(slippage_model)

    def set_buying_power_model(
        self, buying_power_model: Any = None, *, py_object: Any = None
    ) -> None:
        """Replace the buying power model."""
        chosen = py_object if buying_power_model is None else buying_power_model
        vars(self)["buying_power_model"] = both_spellings(chosen)

    def set_margin_model(self, margin_model: Any = None, *, py_object: Any = None) -> None:
        """Replace the buying power model."""
        self.set_buying_power_model(margin_model, py_object=py_object)

    def set_settlement_model(self, settlement_model: Any) -> None:
        """Replace the settlement model."""
        vars(self)["settlement_model"] = both_spellings(settlement_model)

    def set_shortable_provider(
        self, shortable_provider: Any = None, *, py_object: Any = None
    ) -> None:
        """Replace what says how much may be sold short."""
        chosen = py_object if shortable_provider is None else shortable_provider
        vars(self)["shortable_provider"] = both_spellings(chosen)

    def set_margin_interest_rate_model(
        self, margin_interest_rate_model: Any = None, *, py_object: Any = None
    ) -> None:
        """Replace what charges or pays interest, hourly."""
        chosen = py_object if margin_interest_rate_model is None else margin_interest_rate_model
        vars(self)["margin_interest_rate_model"] = both_spellings(chosen)

    def set_volatility_model(self, volatility_model: Any) -> None:
        """Replace what measures the volatility."""
        self._use_volatility_model(volatility_model)

    def set_data_filter(self, data_filter: Any = None, *, py_object: Any = None) -> None:
        """Replace what says which points of the feed are taken; before they begin to come."""
        vars(self)["data_filter"] = py_object if data_filter is None else data_filter

    def qc_takes(self) -> Callable[[Any, Any], bool] | None:
        """What is asked of every point of the feed, None where all are taken."""
        return None if self.data_filter is ALL_DATA else either_spelling(self.data_filter, "filter")

    def initialize(self, model: DefaultBrokerageModel) -> None:
        """Take over the models of a brokerage."""
        for name in _OF_A_BROKERAGE:
            vars(self)[name] = both_spellings(getattr(model, f"get_{name}")(self))
