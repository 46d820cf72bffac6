"""LEAN's `self.candlestick_patterns`: patterns that are updated from a symbol's bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.common.naming import LeanObject, snake_case
from engine.indicators import candlesticks
from engine.indicators.candlesticks.base import CandlestickPattern, PenetrationPattern


class CandlestickPatterns(LeanObject):
    """One method a pattern, such as ``doji(symbol, resolution, selector)``.

    Those in which a candle reaches into another take the penetration before the resolution. As in
    LEAN none is warmed up.

    Args:
        algorithm: whose data update the patterns.
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def _registered(
        self, pattern: CandlestickPattern, symbol: Any, resolution: Any, selector: Any
    ) -> CandlestickPattern:
        label = type(pattern).__name__.upper()
        pattern.name = self._algorithm.create_indicator_name(symbol, label, resolution)
        self._algorithm.register_indicator(symbol, pattern, resolution, selector)
        return pattern


def _plain(kind: type[CandlestickPattern]) -> Callable[..., CandlestickPattern]:
    def make(
        self: CandlestickPatterns, symbol: Any, resolution: Any = None, selector: Any = None
    ) -> CandlestickPattern:
        return self._registered(kind(), symbol, resolution, selector)

    return make


def _penetrating(kind: type[PenetrationPattern]) -> Callable[..., CandlestickPattern]:
    def make(
        self: CandlestickPatterns,
        symbol: Any,
        penetration: Any = None,
        resolution: Any = None,
        selector: Any = None,
    ) -> CandlestickPattern:
        return self._registered(kind(None, penetration), symbol, resolution, selector)

    return make


def _add_methods() -> None:
    for name in candlesticks.__all__:
        kind = getattr(candlesticks, name)
        if not issubclass(kind, CandlestickPattern) or kind is CandlestickPattern:
            continue
        make = _penetrating(kind) if issubclass(kind, PenetrationPattern) else _plain(kind)
        make.__name__ = snake_case(name)
        make.__doc__ = kind.__doc__
        setattr(CandlestickPatterns, make.__name__, make)


_add_methods()
