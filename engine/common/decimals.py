"""Decimal numbers with the semantics of .NET's System.Decimal, as far as LEAN's results show them.

LEAN keeps money in System.Decimal: a 96-bit integer with a scale of 0 to 28 digits. Trailing zeros
are part of the value's text, so `4 decimals x 7 decimals` prints 11 decimals. Python's Decimal
carries its exponent in the same way; its default context (28 digits, half-even) matches wherever
fewer than 28 digits are used. What differs is collected here.

Convention of this package: an attribute such as `close` is what user code sees (a float, as
LEAN's Python bridge gives); the engine itself reads and writes `close_exact` (a Decimal).
"""

import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

ZERO = Decimal(0)
ONE = Decimal(1)
MAX_SCALE = 28
MAX_DECIMAL = Decimal("79228162514264337593543950335")
_POWERS = [10.0**n for n in range(81)]


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
    """Convert a number that user code may hand over.

    Args:
        value: Decimal, int, float or a numpy number.

    Raises:
        ValueError: if the value is none of these.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        return from_float(value)
    if isinstance(value, bool | np.bool_):
        raise ValueError(f"a number is required; received {value!r}")
    if isinstance(value, int | np.integer):
        return Decimal(int(value))
    if isinstance(value, np.floating):
        return from_float(float(value))
    try:
        return from_float(float(value))
    except (TypeError, ValueError):
        raise ValueError(f"a number is required; received {value!r}") from None


def plain(value: Decimal) -> Decimal:
    """Return the same value without a positive exponent, which System.Decimal cannot have."""
    return value.quantize(ONE) if value.as_tuple().exponent > 0 else value  # type: ignore[operator]


def normalize(value: Decimal) -> Decimal:
    """Strip trailing zeros of the fraction (LEAN's `Normalize`)."""
    return plain(value.normalize()) if value else ZERO


def divide(left: Decimal, right: Decimal) -> Decimal:
    """Divide as System.Decimal: 28 digits after the point at most, half-even, exponent <= 0."""
    quotient = left / right
    exponent = quotient.as_tuple().exponent
    if exponent < -MAX_SCALE:  # type: ignore[operator]
        return quotient.quantize(Decimal(1).scaleb(-MAX_SCALE), ROUND_HALF_EVEN)
    return plain(quotient)


def round_half_even(value: Decimal, digits: int) -> Decimal:
    """`Math.Round(value, digits)`: half-even; a value with fewer digits keeps its own scale."""
    if -value.as_tuple().exponent <= digits:  # type: ignore[operator]
        return value
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


def round_significant(value: Decimal, digits: int) -> Decimal:
    """Round to significant digits as LEAN does (scale by a power of ten, round, scale back)."""
    if not value:
        return ZERO
    scale = Decimal(10) ** (math.floor(math.log10(abs(float(value)))) + 1)
    return scale * round_half_even(value / scale, digits)


def smart_rounding(value: Decimal) -> Decimal:
    """LEAN's `SmartRounding`: 4 decimals above 1000, else 7 significant digits."""
    value = normalize(value)
    if value > 1000:
        return round_half_even(value, 4)
    return normalize(round_significant(value, 7))


def round_to_multiple(value: Decimal, quantum: Decimal) -> Decimal:
    """Round to the nearest multiple of `quantum`, halves away from zero; 0 leaves the value."""
    if not quantum:
        return value
    return quantum * (value / quantum).quantize(ONE, ROUND_HALF_UP)


def text(value: Decimal) -> str:
    """The value as .NET's invariant `ToString()` writes it: no exponent, zeros of the scale kept.

    A zero has no sign.
    """
    return format(plain(value if value else abs(value)), "f")


class ExactNumber:
    """Attribute that reads as float and accepts any number; the Decimal lives in `<name>_exact`.

    None stays None, for the optional fields of LEAN's types.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = name + "_exact"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = getattr(instance, self.slot)
        return None if value is None else float(value)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.slot, None if value is None else to_decimal(value))
