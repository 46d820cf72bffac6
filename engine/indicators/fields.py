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


def _quoted(side: str, name: str) -> Selector:
    """A price of one side of a quote bar; another point gives its value."""

    def select(bar: Any) -> Decimal:
        if not hasattr(bar, side):
            return bar.value_exact
        price: Decimal = getattr(getattr(bar, side), name)
        return price

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
    BID_OPEN = BidOpen = staticmethod(_quoted("bid", "open_exact"))
    BID_HIGH = BidHigh = staticmethod(_quoted("bid", "high_exact"))
    BID_LOW = BidLow = staticmethod(_quoted("bid", "low_exact"))
    BID_CLOSE = BidClose = staticmethod(_quoted("bid", "close_exact"))
    BID_PRICE = BidPrice = staticmethod(_quoted("bid", "close_exact"))
    ASK_OPEN = AskOpen = staticmethod(_quoted("ask", "open_exact"))
    ASK_HIGH = AskHigh = staticmethod(_quoted("ask", "high_exact"))
    ASK_LOW = AskLow = staticmethod(_quoted("ask", "low_exact"))
    ASK_CLOSE = AskClose = staticmethod(_quoted("ask", "close_exact"))
    ASK_PRICE = AskPrice = staticmethod(_quoted("ask", "close_exact"))


_OF_QUOTES = (
    Field.BID_OPEN, Field.BID_HIGH, Field.BID_LOW, Field.BID_CLOSE, Field.BID_PRICE,
    Field.ASK_OPEN, Field.ASK_HIGH, Field.ASK_LOW, Field.ASK_CLOSE, Field.ASK_PRICE,
)  # fmt: skip


def needs_quotes(selector: Any) -> bool:
    """Whether a selector is one of LEAN's for quote bars."""
    return any(selector is field for field in _OF_QUOTES)
