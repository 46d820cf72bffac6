"""Candlestick patterns of one candle."""

from __future__ import annotations

from collections import deque

from engine.indicators.candlesticks.base import (
    BODY_DOJI,
    BODY_LONG,
    BODY_SHORT,
    NEAR,
    SHADOW_LONG,
    SHADOW_SHORT,
    SHADOW_VERY_LONG,
    SHADOW_VERY_SHORT,
    Candle,
    CandlestickPattern,
    Sum,
)


class BeltHold(CandlestickPattern):
    """A long candle that opens at its end: white without lower, black without upper shadow."""

    _sums = (Sum(BODY_LONG), Sum(SHADOW_VERY_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        color = w[0].color
        fits = self._is_long() and self._has_hardly("lower" if color > 0 else "upper")
        return color if fits else 0


class ClosingMarubozu(CandlestickPattern):
    """A long candle that closes at its end: white without upper, black without lower shadow."""

    _sums = (Sum(BODY_LONG), Sum(SHADOW_VERY_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        color = w[0].color
        fits = self._is_long() and self._has_hardly("upper" if color > 0 else "lower")
        return color if fits else 0


class Doji(CandlestickPattern):
    """A candle with hardly a body: 1."""

    _sums = (Sum(BODY_DOJI),)

    def _value(self, w: deque[Candle]) -> int:
        return int(self._is_doji())


class DragonflyDoji(CandlestickPattern):
    """A doji with a lower shadow alone: 1."""

    _sums = (Sum(BODY_DOJI), Sum(SHADOW_VERY_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        lower = w[0].lower > self._average(SHADOW_VERY_SHORT)
        return int(self._is_doji() and self._has_hardly("upper") and lower)


class GravestoneDoji(CandlestickPattern):
    """A doji with an upper shadow alone: 1."""

    _sums = (Sum(BODY_DOJI), Sum(SHADOW_VERY_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        upper = w[0].upper > self._average(SHADOW_VERY_SHORT)
        return int(self._is_doji() and self._has_hardly("lower") and upper)


class HighWaveCandle(CandlestickPattern):
    """A short body between very long shadows: its color."""

    _sums = (Sum(BODY_SHORT), Sum(SHADOW_VERY_LONG))

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_short() and min(w[0].upper, w[0].lower) > self._average(SHADOW_VERY_LONG)
        return w[0].color if fits else 0


class LongLeggedDoji(CandlestickPattern):
    """A doji with a long shadow, or two: 1."""

    _sums = (Sum(BODY_DOJI), Sum(SHADOW_LONG))

    def _value(self, w: deque[Candle]) -> int:
        return int(self._is_doji() and max(w[0].lower, w[0].upper) > self._average(SHADOW_LONG))


class LongLineCandle(CandlestickPattern):
    """A long body between short shadows: its color."""

    _sums = (Sum(BODY_LONG), Sum(SHADOW_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_long() and max(w[0].upper, w[0].lower) < self._average(SHADOW_SHORT)
        return w[0].color if fits else 0


class Marubozu(CandlestickPattern):
    """A long body with hardly a shadow: its color."""

    _sums = (Sum(BODY_LONG), Sum(SHADOW_VERY_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_long() and self._has_hardly("upper") and self._has_hardly("lower")
        return w[0].color if fits else 0


class RickshawMan(CandlestickPattern):
    """A doji between two long shadows, in the middle of the candle: 1."""

    _sums = (Sum(BODY_DOJI), Sum(SHADOW_LONG), Sum(NEAR))

    def _value(self, w: deque[Candle]) -> int:
        candle = w[0]
        middle = candle.low + (candle.high - candle.low) / 2
        near = self._average(NEAR)
        return int(
            self._is_doji()
            and min(candle.lower, candle.upper) > self._average(SHADOW_LONG)
            and candle.bottom <= middle + near
            and candle.top >= middle - near
        )


class ShortLineCandle(CandlestickPattern):
    """A short body between short shadows: its color."""

    _sums = (Sum(BODY_SHORT), Sum(SHADOW_SHORT))

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_short() and max(w[0].upper, w[0].lower) < self._average(SHADOW_SHORT)
        return w[0].color if fits else 0


class SpinningTop(CandlestickPattern):
    """A short body between shadows that are longer than it: its color."""

    _sums = (Sum(BODY_SHORT),)

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_short() and min(w[0].upper, w[0].lower) > w[0].body
        return w[0].color if fits else 0


class Takuri(CandlestickPattern):
    """A doji with a very long lower shadow and hardly an upper one: 1."""

    _sums = (Sum(BODY_DOJI), Sum(SHADOW_VERY_SHORT), Sum(SHADOW_VERY_LONG))

    def _value(self, w: deque[Candle]) -> int:
        lower = w[0].lower > self._average(SHADOW_VERY_LONG)
        return int(self._is_doji() and self._has_hardly("upper") and lower)
