"""Names of LEAN's enumerations: Python's, and those that LEAN writes itself."""

import pytest

from engine.common.enums import BrokerageName, OrderStatus, OrderType, net_text


@pytest.mark.parametrize(
    ("member", "python", "net"),
    [
        (OrderType.MARKET_ON_OPEN, "MARKET_ON_OPEN", "MarketOnOpen"),
        (OrderStatus.FILLED, "FILLED", "Filled"),
        (BrokerageName.TRADE_STATION, "TRADE_STATION", "TradeStation"),
    ],
)
def test_python_sees_upper_snake_and_lean_writes_pascal_case(member, python, net):
    assert str(member) == f"{member}" == python
    assert member.net_name == net_text(member) == net
    assert getattr(type(member), net) is member


def test_other_values_are_written_as_they_are():
    assert net_text(5) == "5"
