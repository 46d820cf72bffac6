"""LEAN's two spellings, and what is said of names that are missing."""

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.brokerage.buying_power import SecurityMarginModel
from engine.brokerage.fees import ConstantFeeModel
from engine.common.enums import LeanEnum, Resolution, SeriesType
from engine.common.hints import similar_members, similarity
from engine.common.lean_names import members
from engine.common.naming import (
    DirectObject,
    LeanType,
    both_spellings,
    pascal_case,
    snake_case,
    with_hint,
)
from engine.common.settings import AlgorithmSettings
from engine.framework import AlphaModel
from engine.indicators import BollingerBands
from engine.market.data import TradeBar
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties, TimeInForce
from engine.orders.orders import CashAmount, OrderFee
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder


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


def test_whatever_a_constructor_sets_can_be_set_in_pascal_case():
    """Also beside 256 other names, and by the name of something in the module."""
    names = [*(f"part_{number}" for number in range(300)), "flat"]
    own = {"__module__": "engine.here"}
    body = "; ".join(f"self.{name} = 0" for name in names)
    exec(f"def __init__(self): {body}", globals(), own)
    thing = LeanType("Wide", (DirectObject,), own)()
    for name in names:
        setattr(thing, pascal_case(name), name)
    assert vars(thing) == {name: name for name in names}


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


def test_what_overrides_a_method_calls_the_base_by_either_spelling():
    """LEAN's documented models do, as MyFillModel with `super().MarketFill(asset, order)`."""

    class Fees(ConstantFeeModel):
        def GetOrderFee(self, parameters):
            return "own", super().GetOrderFee(parameters).Value.Amount

    class MoreFees(Fees):
        def GetOrderFee(self, parameters):
            return "more", *super().GetOrderFee(parameters)

    class Alpha(AlphaModel):
        def on_securities_changed(self, algorithm, changes):
            return super().OnSecuritiesChanged(algorithm, changes)

    assert Fees(2).GetOrderFee(None) == Fees(2).get_order_fee(None) == ("own", 2)
    assert MoreFees(3).get_order_fee(None) == ("more", "own", 3)
    assert ConstantFeeModel(4).GetOrderFee(None).Value.Amount == 4
    assert Alpha().on_securities_changed(None, None) is None

    class Slippage(SecurityMarginModel):
        def GetNothing(self):
            return super().GetNothing()

    with pytest.raises(AttributeError, match="GetNothing"):
        Slippage().GetNothing()


def test_a_users_attribute_does_not_hide_a_method_that_is_spelt_in_pascal_case(tmp_path):
    class Momenta(QCAlgorithm):
        def Initialize(self):
            self.SetStartDate(2010, 1, 4)
            self.SetEndDate(2010, 1, 5)
            self.mom = {}
            for period in (1, 2):
                symbol = self.AddEquity("ABC", Resolution.Daily).Symbol
                self.mom[period] = self.MOM(symbol, period)

    write_folder(tmp_path / "data", {"ABC": flat(10, 5)})
    result = run_algorithm(Momenta, data_folder=tmp_path / "data", store=tmp_path / "store")
    bands = BollingerBands(2, 1)
    assert bands.UpperBand is bands.upper_band  # what only an instance has
    found = [one.name for one in result.algorithm.mom.values()]
    assert found == ["MOM(1,ABC_day)", "MOM(2,ABC_day)"]


def test_methods_of_a_model_of_no_kind_are_found_in_pascal_case():
    class Fees:
        def GetOrderFee(self, parameters):
            return "fee"

    class Own(Fees):
        def GetOrderFee(self, parameters):
            return "own"

    assert both_spellings(Own()).get_order_fee(None) == "own"
    assert both_spellings(Fees()).get_order_fee(None) == "fee"


def test_an_objects_abbreviated_names_and_a_later_bases_members_are_found():
    assert Symbol.EMPTY.ID is Symbol.EMPTY.id

    class Early(DirectObject):
        """LEAN's Split has a factor, which this has not."""

        lean_name = "Split"
        __module__ = "engine.here"

    class Late(DirectObject):
        split_factor = 2

    class Both(Early, Late):
        __module__ = "engine.here"

    with pytest.raises(NotImplementedError, match=r"^Split\.split_factor is not supported"):
        _ = Early().SplitFactor
    assert Both().split_factor == Both().SplitFactor == 2


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


def test_a_users_attributes_do_not_meet_the_engines_own(tmp_path):
    ours = {
        "add_custom_data", "add_fred_series", "above_minimum_order_margin", "dispatch_order_event",
        "equals", "get_hash_code", "get_type",
        "is_market_open_at", "new_security", "request_history", "request_typed_history",
        "start_consolidating", "take_changed_universes", "take_pending_series",
        "take_pending_universes", "takes_overrides", "to_string", "utc_time_naive",
    }  # fmt: skip
    found: set[str] = set()

    class Names(QCAlgorithm):
        def initialize(self):
            self._start = self._end = self._day = self._charts = self.messages = None
            self.callback = self.target_quantity = self.portfolio_value = self._now = 7
            self.set_start_date(2010, 1, 4)
            self.set_end_date(2010, 1, 5)
            found.update(name for name in dir(QCAlgorithm) if name.lower() == name)
            found.update(name for name in vars(self) if name not in self.mine)

        mine = (
            "_start", "_end", "_day", "_charts", "messages", "callback", "target_quantity",
            "portfolio_value", "_now", "mine",
        )  # fmt: skip

        def on_end_of_algorithm(self):
            self.log(f"{self.callback} {self._start}")

    write_folder(tmp_path / "data", {"ABC": flat(10, 5)})
    result = run_algorithm(Names, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert "7 None" in result.log[-1]
    known = members("QCAlgorithm")
    strangers = {name for name in found - ours if not name.startswith(("__", "_qc_", "qc_"))}
    assert not {name for name in strangers if snake_case(name) not in known}


def test_a_users_init_need_not_call_ours():
    class Mine(SecurityMarginModel):
        def __init__(self, number):
            self.number = number

    class Twice(Mine):
        def __init__(self):
            super().__init__(2)

    assert (Mine(7).number, Mine(7).required_free_buying_power_percent) == (7, 0)
    assert (Twice().number, Twice().required_free_buying_power_percent) == (2, 0)


def test_an_amount_of_cash_has_no_text_of_its_own_but_a_fee_has():
    fee = OrderFee(CashAmount(1.0 * 2, "USD"))
    assert (str(fee), str(fee.value)) == ("2.0 USD", "QuantConnect.Securities.CashAmount")


def test_similarity_is_jaros_and_winklers():
    """The examples of Winkler's paper."""
    assert similarity("MARTHA", "marhta") == pytest.approx(0.9611, abs=1e-4)
    assert similarity("dixon", "dicksonx") == pytest.approx(0.8133, abs=1e-4)
    assert similarity("abc", "xyz") == 0


@pytest.mark.parametrize(
    ("name", "missing", "hint"),
    [
        ("QCAlgorithm", "cash", " Did you mean: 'set_cash'?"),
        ("QCAlgorithm", "portfolo", " Did you mean: 'portfolio', 'portfolio_construction'?"),
        ("Resolution", "DAYLY", " Did you mean: 'DAILY'?"),
        ("Slice", "bar", " Did you mean: 'bars', 'quote_bars'?"),
        ("TradeBar", "xyzzy", ""),
        ("TradeBar", "initialize", ""),
    ],
)
def test_a_missing_name_is_answered_with_similar_ones(name, missing, hint):
    assert similar_members(name, missing) == hint


def test_hints_are_there_wherever_a_name_is_missing():
    with pytest.raises(AttributeError) as found:
        TradeBar().volum  # noqa: B018
    told = "'TradeBar' object has no attribute 'volum' Did you mean: 'volume'?"
    assert with_hint(found.value) == told
    with pytest.raises(AttributeError, match="'Own' object has no attribute 'volum' Did you mean"):
        type("Own", (TradeBar,), {})().volum  # noqa: B018
    with pytest.raises(AttributeError, match=r"type object 'TradeBar' has .* 'parze' Did you mean"):
        TradeBar.parze  # noqa: B018


def test_types_have_dotnets_names():
    assert str(type(TradeBar())) == "<class 'QuantConnect.Data.Market.TradeBar'>"
    assert str(Resolution) == "<class 'QuantConnect.Resolution'>"
    kind = type("Own", (TradeBar,), {})().GetType()
    assert (str(kind), kind.Name) == ("QuantConnect.Data.Market.TradeBar", "TradeBar")
    assert kind == TradeBar().get_type()
    assert kind.namespace == "QuantConnect.Data.Market"
