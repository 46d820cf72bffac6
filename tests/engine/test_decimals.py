"""System.Decimal: conversion from and to double, scales, rounding, text."""

import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common import decimals
from engine.common.net_exceptions import ArgumentException

MAX = decimals.MAX_DECIMAL


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


@pytest.mark.parametrize("value", [True, "abc", None, object(), float("nan"), 1e29])
def test_only_numbers_become_decimals(value):
    name = type(value).__name__
    with pytest.raises(TypeError, match=f"'{name}' value cannot be converted to System.Decimal"):
        decimals.to_decimal(value)


@pytest.mark.parametrize(
    ("value", "read", "rounded"),
    [
        (144.7558 * 0.99, "143.30824199999998", "143.308242"),
        (2.0, "2.0", "2"),
        (1e16, "10000000000000000", "10000000000000000"),
        (1e-30, "0", "0"),
        (np.float32(0.1), "0.1", "0.1"),
        (7, "7", "7"),
        ("1,444.50", "1444.50", "1444.50"),
    ],
)
def test_a_decimal_argument_is_read_from_its_text_and_a_double_is_rounded(value, read, rounded):
    number = decimals.to_decimal(value)
    assert decimals.text(number) == read or number == 0
    assert decimals.text(decimals.cast_double(value)) == rounded
    with pytest.raises(ArgumentException, match=r"value \(-Infinity\) as decimal.*'input'"):
        decimals.cast_double(float("-inf"))


# Prices of AAPL (raw price, price factor, split factor) that LEAN gave to Python: LEAN 24863901d on
# its sample data. The nearest double of each is another one.
SEEN_IN_LEAN = [
    ("85.1600", "0.8613657", "0.03571430", "0x1.4f550f227de7bp+1"),
    ("90.7500", "0.8613657", "0.03571430", "0x1.655806f5a6747p+1"),
    ("82.3300", "0.8613657", "0.03571430", "0x1.44304b250b094p+1"),
    ("89.0000", "0.8613657", "0.03571430", "0x1.5e73f3142cc41p+1"),
    ("94.2800", "0.8613657", "0.03571430", "0x1.733e6c807d330p+1"),
]
MANTISSAS = st.integers(0, 96).flatmap(lambda bits: st.integers(0, 2**bits - 1))
SCALES = st.integers(0, 28)


def held(mantissa, scale, sign=0):
    """A System.Decimal of these parts, untouched by any context."""
    return Decimal((sign, tuple(map(int, str(mantissa))), -scale))


def two_step_double(mantissa, scale):
    """Slow twin: exact rational arithmetic, rounded to double where .NET rounds."""
    low, high = Fraction(mantissa % 2**64), Fraction(mantissa // 2**64 * 2**64)
    total = float(Fraction(float(low)) + high)
    return float(Fraction(total) / Fraction(float(10**scale)))


def steps_between(first, second):
    """How many doubles apart two positive doubles lie."""
    return abs(struct.unpack("q", struct.pack("d", first))[0]
               - struct.unpack("q", struct.pack("d", second))[0])  # fmt: skip


@pytest.mark.parametrize(("raw", "price_factor", "split_factor", "seen"), SEEN_IN_LEAN)
def test_an_adjusted_price_is_the_double_that_lean_gives(raw, price_factor, split_factor, seen):
    price = Decimal(raw) * (Decimal(price_factor) * Decimal(split_factor))
    assert decimals.to_double(price).hex() == seen
    assert float(price).hex() != seen


@given(MANTISSAS, SCALES)
def test_a_double_is_rounded_where_net_rounds_it(mantissa, scale):
    expected = two_step_double(mantissa, scale)
    assert decimals.to_double(held(mantissa, scale)) == expected
    assert decimals.to_double(held(mantissa, scale, sign=1)) == -expected


@given(st.integers(0, 2**53), st.integers(0, 22))
def test_short_decimals_become_the_nearest_double(mantissa, scale):
    assert decimals.to_double(held(mantissa, scale)) == float(held(mantissa, scale))


@given(MANTISSAS, SCALES)
def test_a_double_lies_beside_the_nearest_one_at_most(mantissa, scale):
    value = held(mantissa, scale)
    apart = steps_between(decimals.to_double(value), float(value))
    assert apart <= (1 if mantissa < 2**64 and scale <= 22 else 2)


def test_a_double_depends_on_trailing_zeros():
    short, long = Decimal("2.61978329834147160"), Decimal("2.6197832983414716000")
    assert short == long
    assert decimals.to_double(short) != decimals.to_double(long)


def test_zero_keeps_its_sign_as_a_double():
    assert str(decimals.to_double(Decimal("-0.00"))) == "-0.0"
    assert str(decimals.to_double(Decimal("0E-7"))) == "0.0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("79228162514264337593543950335", "79228162514264337593543950335"),
        ("7.9228162514264337593543950335", "7.9228162514264337593543950335"),
        ("7.9228162514264337593543950336", "7.922816251426433759354395034"),
        ("8.8888888888888888888888888889", "8.888888888888888888888888889"),
        ("8.0000000000000000000000000005", "8.000000000000000000000000000"),
        ("8.0000000000000000000000000015", "8.000000000000000000000000002"),
        ("0.00000000000000000000000000025", "0.0000000000000000000000000002"),
        ("1E+3", "1000"),
        ("1.500", "1.500"),
    ],
)
def test_numbers_are_fitted_into_96_bits(value, expected):
    assert format(decimals.fit(Decimal(value)), "f") == expected


@pytest.mark.parametrize("value", ["79228162514264337593543950336", "-1E+29", "NaN", "Infinity"])
def test_what_no_decimal_holds_is_refused(value):
    with pytest.raises(ValueError, match="range; received"):
        decimals.fit(Decimal(value))


@pytest.mark.parametrize(
    ("left", "right", "quotient"),
    [
        ("2", "3", "0.6666666666666666666666666667"),
        ("10", "3", "3.3333333333333333333333333333"),
        ("80", "9", "8.888888888888888888888888889"),
        ("1.00", "2", "0.50"),
        ("100", "1", "100"),
        ("100", "0.001", "100000"),
        ("59999999999999999999999999999", "30000000000000000000000000000", "2"),
    ],
)
def test_a_quotient_has_28_or_29_digits_and_no_positive_exponent(left, right, quotient):
    assert str(decimals.divide(Decimal(left), Decimal(right))) == quotient


@given(MANTISSAS.filter(bool), SCALES, MANTISSAS.filter(bool), SCALES)
def test_a_quotient_is_the_nearest_decimal_to_the_true_one(left, left_scale, right, right_scale):
    exact = Fraction(left, 10**left_scale) / Fraction(right, 10**right_scale)
    if exact > 2**95:
        return
    scale = next(n for n in range(28, -1, -1) if round(exact * 10**n) < 2**96)
    found = decimals.divide(held(left, left_scale), held(right, right_scale))
    assert Fraction(found) == Fraction(round(exact * 10**scale), 10**scale)


def test_net_arithmetic_keeps_the_29th_digit_that_a_double_depends_on():
    with decimals.net_arithmetic():
        third = Decimal(4) / 3
    assert decimals.to_double(third) == two_step_double(13333333333333333333333333333, 28)
    assert decimals.to_double(third) != decimals.to_double(Decimal(4) / 3)


def test_normalizing_drops_zeros_but_no_digit():
    assert str(decimals.normalize(MAX)) == str(MAX)
    assert str(decimals.normalize(Decimal("12.3400"))) == "12.34"


def test_rounding_is_half_even_and_never_adds_digits():
    assert str(decimals.round_half_even(Decimal("2.5"), 0)) == "2"
    assert str(decimals.round_half_even(Decimal("3.5"), 0)) == "4"
    assert str(decimals.round_half_even(Decimal("1.2"), 4)) == "1.2"
    assert decimals.round_to_multiple(Decimal("0.125"), Decimal("0.01")) == Decimal("0.13")


def test_smart_rounding():
    assert str(decimals.smart_rounding(Decimal("1234.567891"))) == "1234.5679"
    assert str(decimals.smart_rounding(Decimal("0.123456789"))) == "0.1234568"
    assert str(decimals.smart_rounding(Decimal("12.3000"))) == "12.3"


@pytest.mark.parametrize("exponent", [-40, -28, -3, 0, 5, 26, 29, 40])
def test_a_zero_keeps_the_places_that_a_decimal_has(exponent):
    fitted = decimals.fit(Decimal(0).scaleb(exponent))
    assert fitted.as_tuple().exponent == max(min(exponent, 0), -28)


def test_text_keeps_the_scale():
    assert decimals.text(Decimal("1.500")) == "1.500"
    assert decimals.text(Decimal("1E+3")) == "1000"
    assert decimals.text(Decimal("-0.0")) == "0.0"


def test_users_see_floats_and_the_engine_decimals():
    from engine.market.data import Bar

    bar = Bar(0.1 + 0.2, 1, Decimal("0.5"), 0.7)
    assert (bar.open, bar.open_exact) == (0.1 + 0.2, Decimal("0.30000000000000004"))
    bar.close = 1 / 3
    assert bar.close_exact == Decimal("0.3333333333333333")
