"""How .NET writes numbers: the summary's figures are compared as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from engine.common.decimals import MAX_DECIMAL, ZERO, double_text, round_half_even, text, to_double

MAX_JSON_DIGITS = 4


def rounded_double(value: Decimal, digits: int) -> str:
    """Write a decimal that LEAN first casts to double, rounded as .NET rounds doubles."""
    number, power = to_double(value), 10.0**digits
    return double_text(math.copysign(round(number * power) / power, number))


def percent(value: Decimal, digits: int) -> str:
    """Write a fraction as per cent; the text keeps the decimal's scale (``0.800%``, ``0%``).

    What a decimal cannot hold a hundredfold becomes the largest decimal, as in LEAN.
    """
    return text(round_half_even(min(value * 100, MAX_DECIMAL), digits)) + "%"


def fixed(value: Decimal, digits: int) -> str:
    """Write with exactly ``digits`` decimals, halves away from zero (.NET's ``0.00``)."""
    return format(_shown(value, digits), "f")


def grouped(value: Decimal, digits: int = 2) -> str:
    """Write with thousands separators (.NET's ``N2``)."""
    return format(_shown(value, digits), ",f")


def _shown(value: Decimal, digits: int) -> Decimal:
    """Rounded; a zero has no sign, as for every System.Decimal."""
    rounded = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return rounded if rounded else abs(rounded)


def json_number(value: Decimal) -> str:
    """Write a figure of ``portfolioStatistics``: a string with at most four decimals."""
    return text(round_half_even(value, MAX_JSON_DIGITS))


def mean(values: Sequence[Decimal]) -> Decimal:
    """Return the arithmetic mean; zero for an empty list."""
    return sum(values, ZERO) / len(values) if values else ZERO


def rounded_significant_text(value: Decimal, digits: int) -> str:
    """Write an amount at ``digits`` significant digits as LEAN's capacity figure shows it."""
    if not value:
        return "0"
    power = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    scale = Decimal(10**power)
    exponent = Decimal(1).scaleb(-digits)
    ratio = value / scale
    if -int(ratio.as_tuple().exponent) > digits:
        ratio = ratio.quantize(exponent, ROUND_HALF_EVEN)
    return text(scale * ratio)
