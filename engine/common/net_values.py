"""How LEAN's Python bridge reads what is set as a property of a .NET type.

A setter's value is converted as a call's argument is not: numbers are read from text, a time span
from days, and what cannot be read is the bridge's error, in its words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from engine.common.clock import midnight, naive_utc

Reader = Callable[[Any], Any]
_CLOCK = r"(\d+):(\d+)(?::(\d+)(?:\.(\d{1,7}))?)?"
_SPAN = re.compile(rf"\s*(-?)(?:(\d+)|(?:(\d+)\.)?{_CLOCK})\s*$")


def cannot_convert(value: Any, net_type: str) -> TypeError:
    """The bridge's error for a value that is none of a type."""
    return TypeError(f"'{type(value).__name__}' value cannot be converted to {net_type}")


def read_bool(value: Any) -> bool:
    """System.Boolean: True or False and nothing else."""
    if value is True or value is False:
        return value
    raise cannot_convert(value, "System.Boolean")


def read_int(value: Any) -> int:
    """System.Int32: whole numbers, and what `int()` makes of text."""
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number) or number != int(number):
            raise cannot_convert(value, "System.Int32")
    whole = int(value)
    if not -(2**31) <= whole < 2**31:
        raise OverflowError("value too large to convert")
    return whole


def read_span(value: Any) -> timedelta:
    """System.TimeSpan: a timedelta, or a text such as 1:30:00; a number is one of days."""
    if isinstance(value, timedelta):
        return value
    found = _SPAN.match(str(value))
    if found is None:
        raise cannot_convert(value, "System.TimeSpan")
    sign, number, days, hours, minutes, seconds, fraction = found.groups()
    span = timedelta(
        days=int(number or days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "0").ljust(7, "0")) // 10,
    )
    return -span if sign else span


def read_time(value: Any) -> datetime:
    """System.DateTime: a datetime, a day, which is its midnight, or the text of a time.

    A text that names its zone gives the time in UTC.
    """
    if isinstance(value, date) and value is not pd.NaT:
        return value if isinstance(value, datetime) else midnight(value)
    text = str(value)
    # Of an empty text or a word pandas makes no time at all, or the present one.
    if not any(letter.isdigit() for letter in text):
        raise cannot_convert(value, "System.DateTime")
    try:
        time: datetime = pd.Timestamp(text).to_pydatetime(warn=False)
    except ValueError:
        raise cannot_convert(value, "System.DateTime") from None
    return naive_utc(time)


def member_of(kind: Any) -> Reader:
    """A reader of an enumeration's members, which takes their numbers too."""

    def read(value: Any) -> Any:
        number = read_int(value)
        if not any(number == int(member) for member in kind):
            raise ValueError("invalid enumeration value")
        return kind(number)

    return read


def optional(read: Reader) -> Reader:
    """A reader of the same that takes None as well."""
    return lambda value: None if value is None else read(value)
