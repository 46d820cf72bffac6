"""System.Decimal: conversion from double, scales, rounding, text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common import decimals


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333333"),
        (2 / 3, "0.666666666666667"),
        (123456789.987654321, "123456789.987654"),
        (1e15, "1000000000000000"),
        (1.5e20, "150000000000000000000"),
        (-2.50, "-2.5"),
        (1e-30, "0"),
        (0.0, "0"),
    ],
)
def test_a_double_keeps_fifteen_digits(value, expected):
    assert str(decimals.from_float(value)) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e29])
def test_a_double_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="received"):
        decimals.from_float(value)


@given(st.integers(-(10**13), 10**13), st.integers(0, 4))
def test_prices_survive_the_way_through_floats(units, digits):
    exact = Decimal(units).scaleb(-digits)
    assert decimals.from_float(float(exact)) == exact


@pytest.mark.parametrize("value", [True, "abc", None, object()])
def test_only_numbers_become_decimals(value):
    with pytest.raises(ValueError, match="number"):
        decimals.to_decimal(value)


def test_division_stops_at_28_digits_and_has_no_positive_exponent():
    assert str(decimals.divide(Decimal(2), Decimal(3))) == "0.6666666666666666666666666667"
    assert str(decimals.divide(Decimal(100), Decimal(1))) == "100"


def test_rounding_is_half_even_and_never_adds_digits():
    assert str(decimals.round_half_even(Decimal("2.5"), 0)) == "2"
    assert str(decimals.round_half_even(Decimal("3.5"), 0)) == "4"
    assert str(decimals.round_half_even(Decimal("1.2"), 4)) == "1.2"
    assert decimals.round_to_multiple(Decimal("0.125"), Decimal("0.01")) == Decimal("0.13")


def test_smart_rounding():
    assert str(decimals.smart_rounding(Decimal("1234.567891"))) == "1234.5679"
    assert str(decimals.smart_rounding(Decimal("0.123456789"))) == "0.1234568"
    assert str(decimals.smart_rounding(Decimal("12.3000"))) == "12.3"


def test_text_keeps_the_scale():
    assert decimals.text(Decimal("1.500")) == "1.500"
    assert decimals.text(Decimal("1E+3")) == "1000"
    assert decimals.text(Decimal("-0.0")) == "0.0"


def test_users_see_floats_and_the_engine_decimals():
    from engine.market.data import Bar

    bar = Bar(0.1 + 0.2, 1, Decimal("0.5"), 0.7)
    assert (bar.open, bar.open_exact) == (0.3, Decimal("0.3"))
    bar.close = 1 / 3
    assert bar.close_exact == Decimal("0.333333333333333")
