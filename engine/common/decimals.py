"""Decimal numbers with the semantics of .NET's System.Decimal, as far as LEAN's results show them.

LEAN keeps money in System.Decimal: a 96-bit integer with a scale of 0 to 28 digits. Trailing zeros
are part of the value's text, so `4 decimals x 7 decimals` prints 11 decimals. Python's Decimal
carries its exponent in the same way. What differs is collected here: a run calculates in
:func:`net_arithmetic`, and what leaves it, as text or as a double, is first made to :func:`fit`.

Convention of this package: an attribute such as `close` is what user code sees (a float, as
LEAN's Python bridge gives: :func:`to_double`); the engine itself reads and writes `close_exact` (a
Decimal).
"""

import math
from contextlib import AbstractContextManager
from decimal import (
    MAX_PREC,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    InvalidOperation,
    localcontext,
)
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.common.net_exceptions import ArgumentException

ZERO = Decimal(0)
ONE = Decimal(1)
MAX_SCALE = 28
MAX_DECIMAL = Decimal("79228162514264337593543950335")
# The nearest doubles, as .NET's table has them; `10.0**23` is another.
_POWERS = [float(10**n) for n in range(81)]
_UNROUNDED = Context(prec=MAX_PREC)
# Enough digits that rounding a quotient to 96 bits rounds it only once.
_QUOTIENT = Context(prec=64)
_QUANTA = [ONE.scaleb(-scale, _UNROUNDED) for scale in range(MAX_SCALE + 1)]
_LARGEST = [MAX_DECIMAL.scaleb(-scale, _UNROUNDED) for scale in range(MAX_SCALE + 1)]
_SIGNIFICANT = [Context(prec=max(digits, 1)) for digits in range(MAX_SCALE + 1)]
_THOUSAND = Decimal(1000)
_LOW_BITS = 2**64 - 1
_TWO_64 = 2.0**64
_EXACT_DIGITS = 16


def net_arithmetic() -> AbstractContextManager[Context]:
    """Context in which operators on Decimals keep all digits that System.Decimal keeps.

    System.Decimal has 29 digits as far as 96 bits hold them, else 28. Operators here always keep
    29; :func:`fit` cuts the last where .NET has not got it.
    """
    return localcontext(Context(prec=29, rounding=ROUND_HALF_EVEN))


def _places(value: Decimal) -> int:
    """Decimal places of a number, zeros at its end included; below 0 for 1E+2."""
    written = str(value)
    if "E" in written:
        return -value.as_tuple().exponent  # type: ignore[operator]
    # The text tells it several times faster than the tuple of all digits.
    point = written.find(".")
    return len(written) - point - 1 if point >= 0 else 0


def fit(value: Decimal) -> Decimal:
    """The nearest number that System.Decimal holds: a 96-bit integer with a scale of 0 to 28.

    Digits are dropped only if they must be, in one rounding, ties to even.

    Raises:
        ValueError: if the value is not finite or exceeds System.Decimal's range.
    """
    written = str(value)
    if len(written) <= MAX_SCALE and "E" not in written and value.is_finite():
        # Fewer than 29 digits, in the digits' own places.
        return value
    if not value.is_finite() or value.copy_abs() > MAX_DECIMAL:
        raise ValueError(f"value must lie within System.Decimal's range; received {value}")
    # With more places there would be more than the 29 digits that 96 bits hold at most.
    scale = max(min(_places(value), MAX_SCALE - max(value.adjusted(), 0)), 0)
    while True:
        held = value.quantize(_QUANTA[scale], ROUND_HALF_EVEN, _UNROUNDED)
        if held.copy_abs() <= _LARGEST[scale]:
            return held
        scale -= 1


def to_double(value: Decimal) -> float:
    """Convert as .NET's `(double)value`, which rounds up to three times.

    The integer's low 64 bits become a double, the high 32 bits are added, and the sum is divided by
    the power of ten (`Decimal.DecCalc.VarR8FromDec` in .NET's source). So the result may lie one
    bit beside `float(value)`, the nearest double, and may depend on trailing zeros.

    Raises:
        ValueError: if the value is not finite or exceeds System.Decimal's range.
    """
    digits = str(value)
    if len(digits) <= _EXACT_DIGITS and "E" not in digits and digits[-1] not in "Ny":
        # Integer and power of ten are doubles: the quotient is the nearest one.
        return float(digits)
    if "E" in digits or digits[-1] in "Ny":
        digits = format(fit(value), "f")
    whole, _, fraction = digits.partition(".")
    integer = int(whole + fraction)
    magnitude = -integer if integer < 0 else integer
    if magnitude >> 96 or len(fraction) > MAX_SCALE:
        return to_double(fit(value))
    double = ((magnitude & _LOW_BITS) + (magnitude >> 64) * _TWO_64) / _POWERS[len(fraction)]
    return -double if digits[0] == "-" else double


def doubles_of(integers: NDArray[np.int64], scale: int, factor: Decimal) -> NDArray[np.float64]:
    """:func:`to_double` of many numbers times a factor.

    Args:
        integers: the numbers times ten to the power of `scale`, none negative.
        scale: decimal places of the numbers.
        factor: positive.
    """
    places = -factor.as_tuple().exponent  # type: ignore[operator]
    multiplier = int(factor.scaleb(places, _UNROUNDED))
    scale += places
    largest = int(integers.max(initial=0)) * multiplier
    if scale > MAX_SCALE or places < 0 or largest >> 96:
        numbers = (Decimal(int(n)).scaleb(places - scale) for n in integers)
        return np.array([to_double(n * factor) for n in numbers], dtype=np.float64)
    if largest >> 63 == 0:
        return (integers * multiplier).astype(np.float64) / _POWERS[scale]
    products = integers.astype(object) * multiplier
    low, high = products & _LOW_BITS, products >> 64
    sums = low.astype(np.float64) + high.astype(np.float64) * 2.0**64
    doubles: NDArray[np.float64] = sums / _POWERS[scale]
    return doubles


def from_float(value: float) -> Decimal:
    """Convert a double as .NET's `(decimal)value` does: 15 significant digits, no trailing zeros.

    Args:
        value: a finite number.

    Returns:
        The Decimal with an exponent of at most 0.

    Raises:
        ValueError: if the value is not finite or exceeds System.Decimal's range.
    """
    if not math.isfinite(value):
        raise ValueError(f"value must be finite to become a Decimal; received {value}")
    magnitude = abs(value)
    if magnitude == 0.0:
        return ZERO
    if magnitude >= 7.9228162514264337e28:
        raise ValueError(f"value must lie within System.Decimal's range; received {value}")
    exponent = math.frexp(magnitude)[1]
    if exponent < -94:
        return ZERO
    # The scaling is done in double arithmetic on purpose: that is where .NET rounds.
    power = 14 - ((exponent * 19728) >> 16)
    if power >= 0:
        power = min(power, MAX_SCALE)
        magnitude *= _POWERS[power]
    elif power != -1 or magnitude >= 1e15:
        magnitude /= _POWERS[-power]
    else:
        power = 0
    if magnitude < 1e14 and power < MAX_SCALE:
        magnitude *= 10.0
        power += 1
    mantissa = int(magnitude)
    rest = magnitude - mantissa
    if rest > 0.5 or (rest == 0.5 and mantissa & 1):
        mantissa += 1
    while power > 0 and mantissa % 10 == 0:
        mantissa //= 10
        power -= 1
    if power < 0:
        mantissa *= 10**-power
        power = 0
    return Decimal(mantissa if value > 0 else -mantissa).scaleb(-power) if mantissa else ZERO


def to_decimal(value: Any) -> Decimal:
    """Convert what user code hands over where LEAN takes a decimal: its Python text is read.

    So a double keeps all its digits, 2.0 a decimal place, and the text of a number is a number.

    Args:
        value: Decimal, int, float, a numpy number, text, or an indicator or a point of one, which
            LEAN converts itself (`_implicit_decimal`).

    Raises:
        TypeError: if the value is no finite number that System.Decimal holds, as pythonnet raises.
    """
    if type(value) is Decimal:
        return value
    if type(value) is int:
        return Decimal(value)
    implicit = getattr(type(value), "_implicit_decimal", None)
    if implicit is not None:
        exact: Decimal = implicit(value)
        return exact
    try:
        return fit(Decimal(str(value).replace(",", "")))
    except (InvalidOperation, ValueError):
        name = type(value).__name__
        raise TypeError(f"'{name}' value cannot be converted to System.Decimal") from None


def cast_double(value: Any) -> Decimal:
    """Convert what user code hands over where LEAN takes a double and casts it to a decimal.

    Raises:
        TypeError: if the value is no number.
        ArgumentException: if it is not finite.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ArgumentException(
                "It is not possible to cast a non-finite floating-point value "
                f"({double_text(value)}) as decimal. Please review math operations and verify the "
                "result is valid. (Parameter 'input')"
            )
        return from_float(value)
    if isinstance(value, bool):
        return Decimal(int(value))
    try:
        return to_decimal(value)
    except TypeError:
        if not hasattr(value, "__float__"):
            raise
    # No text of a number, but an array of one item, for instance: Python makes a double of it.
    return cast_double(float(value))


def plain(value: Decimal) -> Decimal:
    """Return the same value without a positive exponent, which System.Decimal cannot have."""
    return value.quantize(ONE) if "E+" in str(value) else value


def normalize(value: Decimal) -> Decimal:
    """Strip trailing zeros of the fraction (LEAN's `Normalize`)."""
    return plain(value.normalize(_UNROUNDED)) if value else ZERO


def divide(left: Decimal, right: Decimal) -> Decimal:
    """Divide as System.Decimal: rounded once, to what 96 bits and 28 places hold, ties to even.

    An exact quotient keeps the zeros of the operands' scales, a rounded one has none at its end.
    """
    quotient = _QUOTIENT.divide(left, right)
    held = fit(quotient)
    return held if held == quotient else normalize(held)


def round_half_even(value: Decimal, digits: int) -> Decimal:
    """`Math.Round(value, digits)`: half-even; a value with fewer digits keeps its own scale."""
    if _places(value) <= digits:
        return value
    return value.quantize(_QUANTA[digits], ROUND_HALF_EVEN)


def round_significant(value: Decimal, digits: int) -> Decimal:
    """Round to significant digits, ties to even, without trailing zeros."""
    if not value:
        return ZERO
    number = value.normalize(_SIGNIFICANT[digits])
    return number.quantize(ONE) if "E+" in str(number) else number


def smart_rounding(value: Decimal) -> Decimal:
    """LEAN's `SmartRounding`: 4 decimals above 1000, else 7 significant digits."""
    if value > _THOUSAND:
        number = value.normalize(_UNROUNDED)
        written = str(number)
        if "E" in written:
            return number.quantize(ONE)
        point = written.find(".")
        if point < 0 or len(written) - point <= 5:
            return number
        return number.quantize(_QUANTA[4], ROUND_HALF_EVEN)
    return round_significant(value, 7)


def round_to_multiple(value: Decimal, quantum: Decimal) -> Decimal:
    """Round to the nearest multiple of `quantum`, halves away from zero; 0 leaves the value."""
    if not quantum:
        return value
    return quantum * (value / quantum).quantize(ONE, ROUND_HALF_UP)


def text(value: Decimal) -> str:
    """The value as .NET's invariant `ToString()` writes it: no exponent, zeros of the scale kept.

    A zero has no sign.
    """
    return format(fit(value if value else abs(value)), "f")


def double_text(value: float) -> str:
    """Write a double as .NET does: the shortest text that reads back, without ``.0``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    written = repr(value)
    if 1e16 <= abs(value) < 1e17:
        # Python's exponent begins a digit earlier than .NET's.
        return str(int(value))
    if "e" not in written:
        return written.removesuffix(".0")
    mantissa, exponent = written.split("e")
    sign = "-" if exponent.startswith("-") else "+"
    digits = exponent.lstrip("+-")
    return f"{mantissa.removesuffix('.0')}E{sign}{digits.zfill(2)}"


def number_text(value: Any) -> str | None:
    """How LEAN writes a number that Python hands over where it takes any; None of what is none.

    A truth value is taken for a double.
    """
    if isinstance(value, bool) or type(value) is float:
        return double_text(float(value))
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal | np.number):
        return text(to_decimal(value)) if math.isfinite(value) else number_text(float(value))
    return None


class ExactNumber:
    """Attribute that reads as a double and accepts any number; the Decimal lives in `<name>_exact`.

    None stays None, for the optional fields of LEAN's types.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = name + "_exact"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = getattr(instance, self.slot)
        return None if value is None else to_double(value)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.slot, None if value is None else to_decimal(value))
