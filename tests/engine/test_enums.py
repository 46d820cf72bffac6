"""Names of LEAN's enumerations: Python's, and those that LEAN writes itself."""

import pytest

from engine.common.enums import (
    BrokerageName,
    InsightDirection,
    OrderStatus,
    OrderType,
    Resolution,
    net_text,
)


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


def test_members_compare_as_pythonnet_compares_them():
    daily = Resolution.DAILY
    equal = ("Daily", "DAILY", 4, 4.0, daily)
    assert [(daily == other, daily != other) for other in equal] == [(True, False)] * 5
    unequal = ("daily", "4", 3, OrderType.LIMIT, None)
    assert [(daily == other, daily != other) for other in unequal] == [(False, True)] * 5
    assert (Resolution.SECOND == True, Resolution.TICK == False) == (False, False)  # noqa: E712
    assert {daily: 1}[Resolution.DAILY] == 1
    assert [str(member) for member in InsightDirection] == ["FLAT", "UP", "DOWN"]
    assert "Daily" in Resolution
    assert [other for other in ("DAILY", 9) if other in Resolution] == []
    with pytest.raises(TypeError):
        f"{daily:>8}"


def test_other_values_are_written_as_they_are():
    assert net_text(5) == "5"
