"""Selectors: which number of a bar feeds an indicator."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.common.naming import LeanObject

Selector = Callable[[Any], Decimal]


def _mean(*names: str) -> Selector:
    """Mean of attributes; a point that is no bar gives its value."""

    def select(bar: Any) -> Decimal:
        if not all(hasattr(bar, name) for name in names):
            return bar.value_exact
        values: list[Decimal] = [getattr(bar, name) for name in names]
        return sum(values, Decimal(0)) / len(values) if len(values) > 1 else values[0]

    return select


class Field(LeanObject):
    """LEAN's selectors, such as ``self.ema("SPY", 15, Resolution.DAILY, Field.HIGH)``."""

    OPEN = Open = staticmethod(_mean("open_exact"))
    HIGH = High = staticmethod(_mean("high_exact"))
    LOW = Low = staticmethod(_mean("low_exact"))
    CLOSE = Close = staticmethod(_mean("value_exact"))
    VOLUME = Volume = staticmethod(_mean("volume_exact"))
    AVERAGE = Average = staticmethod(_mean("open_exact", "high_exact", "low_exact", "close_exact"))
    MEDIAN = Median = staticmethod(_mean("high_exact", "low_exact"))
    TYPICAL = Typical = staticmethod(_mean("high_exact", "low_exact", "close_exact"))
    WEIGHTED = Weighted = staticmethod(
        _mean("high_exact", "low_exact", "close_exact", "close_exact")
    )
    SEVEN_BAR = SevenBar = staticmethod(
        _mean(
            "open_exact", "open_exact", "high_exact", "low_exact", "close_exact", "close_exact",
            "close_exact",
        )
    )  # fmt: skip
