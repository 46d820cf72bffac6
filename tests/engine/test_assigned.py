"""What LEAN's bridge says of a value that is set as a property of another type."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from engine.api.algorithm import QCAlgorithm
from engine.brokerage.fees import ConstantFeeModel, ConstantSlippageModel, FeeModel
from engine.common.enums import Resolution
from engine.common.net_values import read_int, read_span, read_time
from engine.framework.alphas import NullAlphaModel
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder

SECURITIES = "QuantConnect.Securities"
FEES = "QuantConnect.Orders.Fees.IFeeModel"
REFUSED = [
    ("self.portfolio = 3", f"'int' value cannot be converted to {SECURITIES}.SecurityPortfolioMan"),
    (
        "self.alpha = 0.5",
        "'float' value cannot be converted to QuantConnect.Algorithm.Framework.Al",
    ),
    (
        "self.universe = []",
        "'list' value cannot be converted to QuantConnect.Algorithm.UniverseDef",
    ),
    ("self.name = 5", "'int' value cannot be converted to System.String"),
    ("self.time = 5", "property is read-only"),
    ("self.live_mode = True", "property is read-only"),
    ("self.status = 44", "invalid enumeration value"),
    ("self.settings.LiquidateEnabled = 1", "'int' value cannot be converted to System.Boolean"),
    ("self.settings.trading_days_per_year = 3.5", "'float' value cannot be converted to System.I"),
    ("self.universe_settings.resolution = 'Daily'", "invalid literal for int() with base 10: 'D"),
    ("self.universe_settings.leverage = 'x'", "'str' value cannot be converted to System.Decimal"),
    ("stock.fee_model = Plain()", f"'Plain' value cannot be converted to {FEES}"),
    ("stock.FeeModel = ConstantSlippageModel(1)", "QuantConnect.Orders.Slippage.ConstantSlippageM"),
    (
        "stock.fee_model = Fees()",
        "security.fee_model = Fees(): LEAN takes the FeeModel in it and c",
    ),
    ("stock.holdings = 3", f"'int' value cannot be converted to {SECURITIES}.SecurityHolding"),
    ("stock.is_tradable = 1", "'int' value cannot be converted to System.Boolean"),
    ("stock.symbol = 'A'", "property is read-only"),
]


class Plain:
    """No class of LEAN's."""


class Fees(FeeModel):
    """A user's model, whose method LEAN would not call."""

    def get_order_fee(self, parameters):
        raise AssertionError


NAMES = {"Plain": Plain, "Fees": Fees, "ConstantSlippageModel": ConstantSlippageModel}


def test_properties_take_their_types_only(tmp_path):
    told = {}

    class Sets(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 4)
            self.set_end_date(2010, 1, 5)
            stock = self.add_equity("ABC", Resolution.DAILY)
            for line, _ in REFUSED:
                try:
                    exec(line, NAMES, {"self": self, "stock": stock})
                except (TypeError, ValueError, NotImplementedError) as error:
                    told[line] = str(error)
            stock.fee_model = ConstantFeeModel(2)
            stock.set_fee_model(Fees())
            self.alpha = NullAlphaModel()
            self.status = 4
            self.status = 0
            self.settings.free_portfolio_value = "12.5"
            self.settings.stale_price_time_span = 2
            told["free"] = self.settings.free_portfolio_value, self.settings.StalePriceTimeSpan
            stock["kept"] = 4
            told["kept"] = stock.try_get[int]("kept"), stock.try_get[int]("lost")

    write_folder(tmp_path / "data", {"ABC": flat(10, 5)})
    run_algorithm(Sets, data_folder=tmp_path / "data", store=tmp_path / "store")
    assert told.pop("free") == (12.5, timedelta(days=2))
    assert told.pop("kept") == ((True, 4), (False, 0))
    assert [line for line, text in REFUSED if not told.get(line, "").startswith(text)] == []


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (timedelta(1, 3, 5), timedelta(1, 3, 5)),
        ("1:30:00", timedelta(hours=1, minutes=30)),
        ("2.01:00:00.5", timedelta(days=2, hours=1, milliseconds=500)),
        (3, timedelta(days=3)),
        ("-0:05", timedelta(minutes=-5)),
    ],
)
def test_a_span_is_read_from_text(text, span):
    assert read_span(text) == span


def test_what_is_no_number_is_none():
    assert read_int(4.0) == 4
    with pytest.raises(TypeError, match=r"'float' value cannot be converted to System\.Int32"):
        read_int(float("nan"))
    with pytest.raises(OverflowError, match="value too large to convert"):
        read_int(2**31)
    with pytest.raises(TypeError, match=r"'str' value cannot be converted to System\.TimeSpan"):
        read_span("soon")


def test_a_time_is_read_from_days_and_texts():
    noon = datetime(2014, 1, 2, 12)
    assert read_time(noon) is noon
    assert read_time("2014-01-02 12:00") == read_time("1/2/2014 12:00") == noon
    assert read_time("2014-01-02") == read_time(noon.date()) == datetime(2014, 1, 2)
    assert read_time("2014-01-02T14:00+02:00") == noon  # in UTC
    for text in ("some day", "", "now", "NaT"):
        with pytest.raises(TypeError, match=r"'str' value cannot be converted to System\.DateTime"):
            read_time(text)
    with pytest.raises(TypeError, match="'NaTType' value"):
        read_time(pd.NaT)
