"""Candlestick patterns of two candles: `w[1]` is the first, `w[0]` the newest."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from engine.indicators.candlesticks.base import (
    BLACK,
    BODY_DOJI,
    BODY_LONG,
    BODY_SHORT,
    EQUAL,
    NEAR,
    SHADOW_LONG,
    SHADOW_VERY_SHORT,
    WHITE,
    Candle,
    CandlestickPattern,
    PenetrationPattern,
    Sum,
)

_HALF = Decimal("0.5")
# LEAN's hammers count the candles of a short body by the setting of a long one.
_SHORT_BODY = Sum(BODY_SHORT, span=BODY_LONG)


class Counterattack(CandlestickPattern):
    """Two long candles of opposite colors that close at the same price: the second's color."""

    _sums = (Sum(EQUAL, 1, taken=0), Sum(BODY_LONG, 1), Sum(BODY_LONG))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        fits = (
            w[1].color == -w[0].color
            and self._is_long(1)
            and self._is_long(0)
            and abs(w[0].close - w[1].close) <= self._average(EQUAL, 1)
        )
        return w[0].color if fits else 0


class DarkCloudCover(PenetrationPattern):
    """A long white candle, then a black one from above its high deep into its body: -1."""

    _sums = (Sum(BODY_LONG, 1),)
    _candles_of_pattern = 2
    _penetration_by_default = "0.5"

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[1].color == WHITE
            and self._is_long(1)
            and w[0].color == BLACK
            and w[0].open > w[1].high
            and w[1].open < w[0].close < w[1].close - w[1].body * self._penetration
        )


class DojiStar(CandlestickPattern):
    """A long candle, then a doji that gaps on in its direction: against the first's color."""

    _sums = (Sum(BODY_LONG, 1), Sum(BODY_DOJI))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        color = w[1].color
        gaps = w[0].body_gaps_up(w[1]) if color == WHITE else w[0].body_gaps_down(w[1])
        return -color if gaps and self._is_long(1) and self._is_doji() else 0


class Engulfing(CandlestickPattern):
    """A body around the one before, of the other color: its color."""

    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        fits = w[0].color == -w[1].color and w[1].body_lies_in(w[0])
        return w[0].color if fits else 0


class Hammer(CandlestickPattern):
    """A short body over a long lower shadow, at or below the low before: 1."""

    _sums = (_SHORT_BODY, Sum(SHADOW_LONG), Sum(SHADOW_VERY_SHORT), Sum(NEAR, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return int(
            self._is_short()
            and w[0].lower > self._average(SHADOW_LONG)
            and self._has_hardly("upper")
            and w[0].bottom <= w[1].low + self._average(NEAR, 1)
        )


class HangingMan(CandlestickPattern):
    """A short body over a long lower shadow, at or above the high before: -1."""

    _sums = (_SHORT_BODY, Sum(SHADOW_LONG), Sum(SHADOW_VERY_SHORT), Sum(NEAR, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            self._is_short()
            and w[0].lower > self._average(SHADOW_LONG)
            and self._has_hardly("upper")
            and w[0].bottom >= w[1].high - self._average(NEAR, 1)
        )


class Harami(CandlestickPattern):
    """A long body, then a short one within it: against the first's color."""

    _sums = (Sum(BODY_LONG, 1), Sum(BODY_SHORT))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        fits = (
            self._is_long(1) and w[0].body <= self._average(BODY_SHORT) and w[0].body_lies_in(w[1])
        )
        return -w[1].color if fits else 0


class HaramiCross(CandlestickPattern):
    """A long body, then a doji within it: against the first's color."""

    _sums = (Sum(BODY_LONG, 1), Sum(BODY_DOJI))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        fits = self._is_long(1) and self._is_doji() and w[0].body_lies_in(w[1])
        return -w[1].color if fits else 0


class HomingPigeon(CandlestickPattern):
    """A long black body, then a short black one within it: 1."""

    _sums = (Sum(BODY_LONG, 1), Sum(BODY_SHORT))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return int(
            w[1].color == w[0].color == BLACK
            and self._is_long(1)
            and w[0].body <= self._average(BODY_SHORT)
            and w[0].body_lies_in(w[1])
        )


class InNeck(CandlestickPattern):
    """A long black candle, then a white one from below its low to its close: -1."""

    _sums = (Sum(EQUAL, 1), Sum(BODY_LONG, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[1].color == BLACK
            and self._is_long(1)
            and w[0].color == WHITE
            and w[0].open < w[1].low
            and w[1].close <= w[0].close <= w[1].close + self._average(EQUAL, 1)
        )


class InvertedHammer(CandlestickPattern):
    """A short body under a long upper shadow, below the body before: 1."""

    _sums = (_SHORT_BODY, Sum(SHADOW_LONG), Sum(SHADOW_VERY_SHORT))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return int(
            self._is_short()
            and w[0].upper > self._average(SHADOW_LONG)
            and self._has_hardly("lower")
            and w[0].body_gaps_down(w[1])
        )


class Kicking(CandlestickPattern):
    """Two long candles without shadows, of opposite colors, with a gap: the second's color."""

    _sums = (
        Sum(SHADOW_VERY_SHORT, 1), Sum(SHADOW_VERY_SHORT), Sum(BODY_LONG, 1), Sum(BODY_LONG),
    )  # fmt: skip
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return self._color(w) if self._fits(w) else 0

    def _fits(self, w: deque[Candle]) -> bool:
        bare = all(
            self._is_long(at) and self._has_hardly("upper", at) and self._has_hardly("lower", at)
            for at in (1, 0)
        )
        gaps = w[0].gaps_up(w[1]) if w[1].color == BLACK else w[0].gaps_down(w[1])
        return w[1].color == -w[0].color and bare and gaps

    def _color(self, w: deque[Candle]) -> int:
        return w[0].color


class KickingByLength(Kicking):
    """The same: the color of the longer one."""

    def _color(self, w: deque[Candle]) -> int:
        return w[0].color if w[0].body > w[1].body else w[1].color


class MatchingLow(CandlestickPattern):
    """Two black candles that close at the same price: 1."""

    _sums = (Sum(EQUAL, 1),)
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return int(
            w[1].color == w[0].color == BLACK
            and abs(w[0].close - w[1].close) <= self._average(EQUAL, 1)
        )


class OnNeck(CandlestickPattern):
    """A long black candle, then a white one from below its low to its low: -1."""

    _sums = (Sum(EQUAL, 1), Sum(BODY_LONG, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[1].color == BLACK
            and self._is_long(1)
            and w[0].color == WHITE
            and w[0].open < w[1].low
            and abs(w[0].close - w[1].low) <= self._average(EQUAL, 1)
        )


class Piercing(CandlestickPattern):
    """A long black candle, then a long white one from below its low past its middle: 1."""

    _sums = (Sum(BODY_LONG, 1), Sum(BODY_LONG))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return int(
            w[1].color == BLACK
            and self._is_long(1)
            and w[0].color == WHITE
            and self._is_long(0)
            and w[0].open < w[1].low
            and w[1].close + w[1].body * _HALF < w[0].close < w[1].open
        )


class SeparatingLines(CandlestickPattern):
    """Opposite colors from the same open, the second a long belt hold: its color."""

    _sums = (Sum(SHADOW_VERY_SHORT), Sum(BODY_LONG), Sum(EQUAL, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        color = w[0].color
        fits = (
            w[1].color == -color
            and abs(w[0].open - w[1].open) <= self._average(EQUAL, 1)
            and self._is_long()
            and self._has_hardly("lower" if color == WHITE else "upper")
        )
        return color if fits else 0


class ShootingStar(CandlestickPattern):
    """A short body under a long upper shadow, above the body before: -1."""

    _sums = (Sum(BODY_SHORT), Sum(SHADOW_LONG), Sum(SHADOW_VERY_SHORT))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            self._is_short()
            and w[0].upper > self._average(SHADOW_LONG)
            and self._has_hardly("lower")
            and w[0].body_gaps_up(w[1])
        )


class Thrusting(CandlestickPattern):
    """A long black candle, then a white one from below its low into, not past, its middle: -1."""

    _sums = (Sum(EQUAL, 1), Sum(BODY_LONG, 1))
    _candles_of_pattern = 2

    def _value(self, w: deque[Candle]) -> int:
        close = w[1].close
        return -int(
            w[1].color == BLACK
            and self._is_long(1)
            and w[0].color == WHITE
            and w[0].open < w[1].low
            and close + self._average(EQUAL, 1) < w[0].close <= close + w[1].body * _HALF
        )
