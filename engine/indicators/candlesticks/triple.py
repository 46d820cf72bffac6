"""Candlestick patterns of three candles: `w[2]` is the first, `w[0]` the newest."""

from __future__ import annotations

from collections import deque

from engine.indicators.candlesticks.base import (
    BLACK,
    BODY_DOJI,
    BODY_LONG,
    BODY_SHORT,
    EQUAL,
    FAR,
    NEAR,
    SHADOW_LONG,
    SHADOW_SHORT,
    SHADOW_VERY_SHORT,
    WHITE,
    Candle,
    CandlestickPattern,
    PenetrationPattern,
    Sum,
)


class AbandonedBaby(PenetrationPattern):
    """A long candle, a doji beyond a gap, and one back into the first: the last one's color."""

    # LEAN's sums drop candles that are too new, or were never added.
    _sums = (
        Sum(BODY_LONG, 2, dropped=-1), Sum(BODY_DOJI, 1, dropped=0), Sum(BODY_SHORT, dropped=1),
    )  # fmt: skip
    _candles_of_pattern = 2
    _late = True

    def _value(self, w: deque[Candle]) -> int:
        if not (self._is_long(2) and self._is_doji(1)):
            return 0
        if w[0].body <= self._average(BODY_SHORT):
            return 0
        reach = w[2].body * self._penetration
        if w[2].color == WHITE:
            fits = (
                w[0].color == BLACK
                and w[0].close < w[2].close - reach
                and w[1].gaps_up(w[2])
                and w[0].gaps_down(w[1])
            )
        else:
            fits = (
                w[0].color == WHITE
                and w[0].close > w[2].close + reach
                and w[1].gaps_down(w[2])
                and w[0].gaps_up(w[1])
            )
        return w[0].color if fits else 0


class AdvanceBlock(CandlestickPattern):
    """Three white candles that rise ever more weakly: -1."""

    _sums = (
        *(Sum(SHADOW_SHORT, at) for at in (2, 1, 0)),
        *(Sum(SHADOW_LONG, at) for at in (1, 0)),
        *(Sum(NEAR, at) for at in (2, 1)),
        *(Sum(FAR, at) for at in (2, 1)),
        Sum(BODY_LONG, 2),
    )
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[2].color == w[1].color == w[0].color == WHITE
            and w[0].close > w[1].close > w[2].close
            and w[2].open < w[1].open <= w[2].close + self._average(NEAR, 2)
            and w[1].open < w[0].open <= w[1].close + self._average(NEAR, 1)
            and self._is_long(2)
            and w[2].upper < self._average(SHADOW_SHORT, 2)
            and self._weakens(w)
        )

    def _weakens(self, w: deque[Candle]) -> bool:
        first, second, third = w[2].body, w[1].body, w[0].body
        if second < first - self._average(FAR, 2) and third < second + self._average(NEAR, 1):
            return True
        if third < second - self._average(FAR, 1):
            return True
        if third >= second:
            return False
        if second < first and any(w[at].upper > self._average(SHADOW_SHORT, at) for at in (0, 1)):
            return True
        return w[0].upper > self._average(SHADOW_LONG)


class EveningDojiStar(PenetrationPattern):
    """A long white candle, a doji above it, and a black one back into it: -1."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_DOJI, 1), Sum(BODY_SHORT))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            self._is_long(2)
            and w[2].color == WHITE
            and self._is_doji(1)
            and w[1].body_gaps_up(w[2])
            and w[0].body > self._average(BODY_SHORT)
            and w[0].color == BLACK
            and w[0].close < w[2].close - w[2].body * self._penetration
        )


class EveningStar(PenetrationPattern):
    """A long white candle, a short body above it, and a black one back into it: -1."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_SHORT, 1), Sum(BODY_SHORT))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            self._is_long(2)
            and w[2].color == WHITE
            and w[1].body <= self._average(BODY_SHORT, 1)
            and w[1].body_gaps_up(w[2])
            and w[0].body > self._average(BODY_SHORT)
            and w[0].color == BLACK
            and w[0].close < w[2].close - w[2].body * self._penetration
        )


class GapSideBySideWhite(CandlestickPattern):
    """Two like white candles beyond a gap: 1 above it, -1 below."""

    _sums = (Sum(NEAR, 1), Sum(EQUAL, 1))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        above = w[1].body_gaps_up(w[2]) and w[0].body_gaps_up(w[2])
        below = w[1].body_gaps_down(w[2]) and w[0].body_gaps_down(w[2])
        if not (
            (above or below)
            and w[1].color == w[0].color == WHITE
            and abs(w[0].body - w[1].body) <= self._average(NEAR, 1)
            and abs(w[0].open - w[1].open) <= self._average(EQUAL, 1)
        ):
            return 0
        return 1 if above else -1


class IdenticalThreeCrows(CandlestickPattern):
    """Three black candles without lower shadows, each from the close before: -1."""

    _sums = (
        *(Sum(SHADOW_VERY_SHORT, at) for at in (2, 1, 0)),
        *(Sum(EQUAL, at, first=NEAR) for at in (2, 1)),
    )
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            all(w[at].color == BLACK and self._has_hardly("lower", at) for at in (2, 1, 0))
            and w[2].close > w[1].close > w[0].close
            and abs(w[1].open - w[2].close) <= self._average(EQUAL, 2)
            and abs(w[0].open - w[1].close) <= self._average(EQUAL, 1)
        )


class MorningDojiStar(PenetrationPattern):
    """A long black candle, a doji below it, and a white one back into it: 1."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_DOJI, 1), Sum(BODY_SHORT))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            self._is_long(2)
            and w[2].color == BLACK
            and self._is_doji(1)
            and w[1].body_gaps_down(w[2])
            and w[0].body > self._average(BODY_SHORT)
            and w[0].color == WHITE
            and w[0].close > w[2].close + w[2].body * self._penetration
        )


class MorningStar(PenetrationPattern):
    """A long black candle, a short body below it, and a white one back into it: 1."""

    # LEAN's second sum begins two candles too early and keeps that distance.
    _sums = (Sum(BODY_LONG, 2), Sum(BODY_SHORT, 1), Sum(BODY_SHORT, first_at=1, early=1))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            self._is_long(2)
            and w[2].color == BLACK
            and w[1].body <= self._average(BODY_SHORT, 1)
            and w[1].body_gaps_down(w[2])
            and w[0].body > self._average(BODY_SHORT)
            and w[0].color == WHITE
            and w[0].close > w[2].close + w[2].body * self._penetration
        )


class StalledPattern(CandlestickPattern):
    """Three white candles that rise, the last a short one on the second's shoulder: -1."""

    _sums = (
        Sum(BODY_LONG, 2),
        Sum(BODY_LONG, 1),
        Sum(BODY_SHORT),
        Sum(SHADOW_VERY_SHORT, 1, dropped_span=BODY_SHORT),
        Sum(NEAR, 2),
        Sum(NEAR, 1),
    )
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[2].color == w[1].color == w[0].color == WHITE
            and w[0].close > w[1].close > w[2].close
            and self._is_long(2)
            and self._is_long(1)
            and self._has_hardly("upper", 1)
            and w[2].open < w[1].open <= w[2].close + self._average(NEAR, 2)
            and self._is_short()
            and w[0].open >= w[1].close - w[0].body - self._average(NEAR, 1)
        )


class StickSandwich(CandlestickPattern):
    """A white candle above two black ones that close at the same price: 1."""

    _sums = (Sum(EQUAL, 2, first=BODY_LONG),)
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            w[2].color == w[0].color == BLACK
            and w[1].color == WHITE
            and w[1].low > w[2].close
            and abs(w[0].close - w[2].close) <= self._average(EQUAL, 2)
        )


class TasukiGap(CandlestickPattern):
    """A candle beyond a gap and a like one back into the gap: the second's color."""

    _sums = (Sum(NEAR, 1, first=EQUAL),)
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        if w[1].color == WHITE:
            fits = (
                w[1].body_gaps_up(w[2])
                and w[0].color == BLACK
                and w[1].open < w[0].open < w[1].close
                and w[2].top < w[0].close < w[1].open
            )
        else:
            fits = (
                w[1].body_gaps_down(w[2])
                and w[0].color == WHITE
                and w[1].close < w[0].open < w[1].open
                and w[1].open < w[0].close < w[2].bottom
            )
        fits = fits and abs(w[1].body - w[0].body) < self._average(NEAR, 1)
        return w[1].color if fits else 0


class ThreeInside(CandlestickPattern):
    """A harami and a close beyond the first candle's open: against the first's color."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_SHORT, 1))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        color = w[2].color
        beyond = w[0].close < w[2].open if color == WHITE else w[0].close > w[2].open
        fits = (
            self._is_long(2)
            and w[1].body <= self._average(BODY_SHORT, 1)
            and w[1].body_lies_in(w[2])
            and w[0].color == -color
            and beyond
        )
        return -color if fits else 0


class ThreeOutside(CandlestickPattern):
    """An engulfing candle and a close beyond its own: the engulfing one's color."""

    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        color = w[1].color
        beyond = w[0].close > w[1].close if color == WHITE else w[0].close < w[1].close
        fits = w[2].color == -color and w[2].body_lies_in(w[1])
        return color if fits and beyond else 0


class ThreeStarsInSouth(CandlestickPattern):
    """Three black candles that fall ever more weakly: 1."""

    _sums = (
        Sum(BODY_LONG, 2),
        Sum(SHADOW_LONG, 2),
        Sum(SHADOW_VERY_SHORT, 1),
        Sum(SHADOW_VERY_SHORT),
        Sum(BODY_SHORT),
    )
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            w[2].color == w[1].color == w[0].color == BLACK
            and self._is_long(2)
            and w[2].lower > self._average(SHADOW_LONG, 2)
            and w[1].body < w[2].body
            and w[2].close < w[1].open <= w[2].high
            and w[2].low <= w[1].low < w[2].close
            and w[1].lower > self._average(SHADOW_VERY_SHORT, 1)
            and self._is_short()
            and self._has_hardly("lower")
            and self._has_hardly("upper")
            and w[0].low > w[1].low
            and w[0].high < w[1].high
        )


class ThreeWhiteSoldiers(CandlestickPattern):
    """Three white candles without upper shadows that rise from each other's bodies: 1."""

    _sums = (
        *(Sum(SHADOW_VERY_SHORT, at) for at in (2, 1, 0)),
        *(Sum(NEAR, at) for at in (2, 1)),
        *(Sum(FAR, at) for at in (2, 1)),
        Sum(BODY_SHORT),
    )
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            all(w[at].color == WHITE and self._has_hardly("upper", at) for at in (2, 1, 0))
            and w[0].close > w[1].close > w[2].close
            and w[2].open < w[1].open <= w[2].close + self._average(NEAR, 2)
            and w[1].open < w[0].open <= w[1].close + self._average(NEAR, 1)
            and w[1].body > w[2].body - self._average(FAR, 2)
            and w[0].body > w[1].body - self._average(FAR, 1)
            and w[0].body > self._average(BODY_SHORT)
        )


class Tristar(CandlestickPattern):
    """Three dojis, the middle one beyond a gap: 1 below it, -1 above."""

    _sums = (Sum(BODY_DOJI, 2),)
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        if max(w[at].body for at in (2, 1, 0)) > self._average(BODY_DOJI, 2):
            return 0
        if w[1].body_gaps_down(w[2]) and w[0].bottom > w[1].bottom:
            return 1
        return -int(w[1].body_gaps_up(w[2]) and w[0].top < w[1].top)


class TwoCrows(CandlestickPattern):
    """A long white candle, a black one above it, and a black one from there into it: -1."""

    _sums = (Sum(BODY_LONG, 2),)
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[2].color == WHITE
            and self._is_long(2)
            and w[1].color == BLACK
            and w[1].body_gaps_up(w[2])
            and w[0].color == BLACK
            and w[1].close < w[0].open < w[1].open
            and w[2].open < w[0].close < w[2].close
        )


class UniqueThreeRiver(CandlestickPattern):
    """A long black candle, a black one with a new low, and a short white one above that: 1."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_SHORT))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return int(
            self._is_long(2)
            and w[2].color == w[1].color == BLACK
            and w[1].close > w[2].close
            and w[1].open <= w[2].open
            and w[1].low < w[2].low
            and self._is_short()
            and w[0].color == WHITE
            and w[0].open > w[1].low
        )


class UpDownGapThreeMethods(CandlestickPattern):
    """Two candles of a color with a gap, and one of the other that closes it: the first's color."""

    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        color = w[2].color
        gaps = w[1].body_gaps_up(w[2]) if color == WHITE else w[1].body_gaps_down(w[2])
        fits = (
            color == w[1].color == -w[0].color
            and w[1].bottom < w[0].open < w[1].top
            and w[2].bottom < w[0].close < w[2].top
        )
        return color if fits and gaps else 0


class UpsideGapTwoCrows(CandlestickPattern):
    """A long white candle and two black ones above it, the second around the first: -1."""

    _sums = (Sum(BODY_LONG, 2), Sum(BODY_SHORT, 1))
    _candles_of_pattern = 3

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[2].color == WHITE
            and self._is_long(2)
            and w[1].color == BLACK
            and w[1].body <= self._average(BODY_SHORT, 1)
            and w[1].body_gaps_up(w[2])
            and w[0].color == BLACK
            and w[0].open > w[1].open
            and w[2].close < w[0].close < w[1].close
        )
