"""Arguments that no overload of LEAN's takes: pythonnet's TypeError, word for word."""

from decimal import Decimal

import numpy as np
import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.decimals import cast_double
from engine.common.signatures import overloads
from engine.market.symbols import Symbol
from engine.orders.order_tickets import OrderTicket

REST = 'asynchronous: bool = False, tag: str = "", order_properties: IOrderProperties = None)'
MARKET_ORDERS = (
    " The following overloads are available:"
    f"\n  market_order(symbol: Symbol, quantity: float, {REST}"
    f"\n  market_order(symbol: Symbol, quantity: int, {REST}"
)


@pytest.mark.parametrize(
    ("args", "named", "types", "mismatch"),
    [
        (
            ("SPY", "ten"),
            {},
            "(<class 'str'>, <class 'str'>).",
            "\nArgument mismatch: argument 2 ('quantity') expected float, got str.",
        ),
        (
            ("SPY", 10, "tag"),
            {},
            "(<class 'str'>, <class 'int'>, <class 'str'>).",
            "\nArgument mismatch: argument 3 ('asynchronous') expected bool, got str.",
        ),
        (
            ("SPY",),
            {"quantity": 1, "asynchronous": 1},
            "(<class 'str'>).",
            "\nArgument mismatch: keyword argument 'asynchronous' expected bool, got int.",
        ),
        (("SPY",), {}, "(<class 'str'>).", ""),
        (
            (Symbol.EMPTY, 1),
            {"label": "a"},
            "(<class 'QuantConnect.Symbol'>, <class 'int'>). Got an unexpected keyword argument "
            "'label'.",
            "",
        ),
        (
            ("SPY", 1),
            {"tags": "a"},
            "(<class 'str'>, <class 'int'>). Got an unexpected keyword argument 'tags'. Did you "
            "mean 'tag'?",
            "",
        ),
    ],
)
def test_an_order_of_wrong_arguments(args, named, types, mismatch):
    with pytest.raises(TypeError) as caught:
        QCAlgorithm.market_order(None, *args, **named)
    begin = "No method matches given arguments for market_order: "
    assert str(caught.value) == begin + types + MARKET_ORDERS + mismatch


def test_a_single_overload_is_the_expected_signature():
    with pytest.raises(TypeError) as caught:
        OrderTicket.update_limit_price(None, "low")
    assert str(caught.value) == (
        "No method matches given arguments for update_limit_price: (<class 'str'>). The expected "
        "signature is:\n  update_limit_price(limit_price: float, tag: str = None)\n"
        "Argument mismatch: argument 1 ('limit_price') expected float, got str."
    )


def test_what_pythonnet_converts_is_taken():
    class Taking:
        @overloads("number: decimal", "whole: int, flag: bool = False")
        def take(self, *args, **named):
            return args or named

    assert Taking().take("144.5") == ("144.5",)
    assert Taking().take(2.0, True) == (2.0, True)
    assert Taking().take(whole=3) == {"whole": 3}
    for wrong in ((2.5, True), (2, 1), (None,), (float("nan"),), (np.array([2.5]),)):
        with pytest.raises(TypeError, match="No method matches given arguments for take"):
            Taking().take(*wrong)


def test_an_array_of_one_number_is_a_double_but_no_decimal():
    class Taking:
        @overloads("number: double")
        def take(self, number):
            return cast_double(number)

    assert Taking().take(np.array([2.5])) == Decimal("2.5")
    for wrong in (np.array([1.0, 2.0]), [1.0], None):
        with pytest.raises(TypeError, match="No method matches given arguments for take"):
            Taking().take(wrong)
