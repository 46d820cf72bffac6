"""LEAN's two spellings, and what is said of names that are missing."""

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import LeanEnum, Resolution, SeriesType
from engine.common.settings import AlgorithmSettings
from engine.framework import AlphaModel
from engine.market.data import TradeBar
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties, TimeInForce


def test_what_can_be_set_can_be_set_in_pascal_case():
    properties = OrderProperties()
    properties.TimeInForce = TimeInForce.DAY
    assert properties.time_in_force is TimeInForce.DAY
    bar = TradeBar()
    bar.Close = 3
    assert bar.close == bar.Close == 3
    settings = AlgorithmSettings()
    settings.FreePortfolioValuePercentage = 0.1
    assert settings.free_portfolio_value_percentage == 0.1


def test_methods_in_pascal_case_take_camel_case_keywords():
    bar = TradeBar().Clone(fillForward=True)
    assert bar.IsFillForward


def test_constants_and_statics_in_pascal_case():
    assert Resolution.Daily is Resolution.DAILY
    assert SeriesType.Scatter3d is SeriesType.SCATTER_3D
    assert Symbol.Empty is Symbol.EMPTY


def test_a_users_method_in_pascal_case_overrides_ours():
    class Model(AlphaModel):
        def Update(self, algorithm, data):
            return [data]

    assert Model().update(None, 1) == [1]


class TickType(LeanEnum):
    """One of LEAN's enumerations with a member missing."""

    TRADE = 0


def test_what_lean_has_and_the_engine_has_not_refuses_by_its_name():
    with pytest.raises(NotImplementedError, match=r"^QCAlgorithm\.option_chain is not supported"):
        _ = QCAlgorithm.option_chain
    with pytest.raises(NotImplementedError, match=r"^TickType\.QUOTE is not supported"):
        _ = TickType.Quote
    with pytest.raises(NotImplementedError, match=r"^TradeBar\.parse_forex is not supported"):
        TradeBar().ParseForex()


def test_a_slip_of_the_pen_is_a_mistake():
    for thing, name in (
        (TradeBar(), "closs"),
        (TradeBar(), "Closs"),
        (Resolution, "DAYLY"),
        (OrderProperties, "TimeInForces"),
    ):
        with pytest.raises(AttributeError, match=name):
            getattr(thing, name)
    settings = AlgorithmSettings()
    with pytest.raises(AttributeError):
        settings.free_portfolio_valu = 1
