"""Candlestick patterns of more than three candles: `w[0]` is the newest."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from engine.common.decimals import ZERO, divide
from engine.indicators.candlesticks.base import (
    BLACK,
    BODY_LONG,
    BODY_SHORT,
    NEAR,
    SHADOW_VERY_SHORT,
    WHITE,
    Candle,
    CandleSettings,
    CandlestickPattern,
    PenetrationPattern,
    Sum,
    period_of,
)


class Breakaway(CandlestickPattern):
    """Four candles run away over a gap, the fifth comes back into it: the last one's color."""

    _sums = (Sum(BODY_LONG, 4),)
    _candles_of_pattern = 5

    def _value(self, w: deque[Candle]) -> int:
        color = w[4].color
        if not (self._is_long(4) and color == w[3].color == w[1].color == -w[0].color):
            return 0
        if color == BLACK:
            fits = (
                w[3].body_gaps_down(w[4])
                and w[1].high < w[2].high < w[3].high
                and w[1].low < w[2].low < w[3].low
                and w[3].open < w[0].close < w[4].close
            )
        else:
            fits = (
                w[3].body_gaps_up(w[4])
                and w[1].high > w[2].high > w[3].high
                and w[1].low > w[2].low > w[3].low
                and w[4].close < w[0].close < w[3].open
            )
        return w[0].color if fits else 0


class ConcealedBabySwallow(CandlestickPattern):
    """Four black candles: two bare ones, one below with an upper shadow, one around it: 1."""

    _sums = tuple(Sum(SHADOW_VERY_SHORT, at) for at in (3, 2, 1))
    _candles_of_pattern = 4

    def _value(self, w: deque[Candle]) -> int:
        return int(
            all(w[at].color == BLACK for at in range(4))
            and all(self._has_hardly(side, at) for at in (3, 2) for side in ("lower", "upper"))
            and w[1].body_gaps_down(w[2])
            and w[1].upper > self._average(SHADOW_VERY_SHORT, 1)
            and w[1].high > w[2].close
            and w[0].high > w[1].high
            and w[0].low < w[1].low
        )


class LadderBottom(CandlestickPattern):
    """Three falling black candles, one with an upper shadow, and a white one above it: 1."""

    _sums = (Sum(SHADOW_VERY_SHORT, 1),)
    _candles_of_pattern = 5

    def _value(self, w: deque[Candle]) -> int:
        return int(
            all(w[at].color == BLACK for at in (4, 3, 2, 1))
            and w[4].open > w[3].open > w[2].open
            and w[4].close > w[3].close > w[2].close
            and w[1].upper > self._average(SHADOW_VERY_SHORT, 1)
            and w[0].color == WHITE
            and w[0].open > w[1].open
            and w[0].close > w[1].high
        )


class MatHold(PenetrationPattern):
    """A long white candle, three short ones that fall a little, and a white one above all: 1."""

    _sums = (Sum(BODY_LONG, 4), *(Sum(BODY_SHORT, at) for at in (3, 2, 1)))
    _candles_of_pattern = 5
    _late = True
    _penetration_by_default = "0.5"

    def _value(self, w: deque[Candle]) -> int:
        floor = w[4].close - w[4].body * self._penetration
        return int(
            self._is_long(4)
            and all(self._is_short(at) for at in (3, 2, 1))
            and w[4].color == w[0].color == WHITE
            and w[3].color == BLACK
            and w[3].body_gaps_up(w[4])
            and all(floor < w[at].bottom < w[4].close for at in (2, 1))
            and w[2].top < w[3].open
            and w[1].top < w[2].top
            and w[0].open > w[1].close
            and w[0].close > max(w[3].high, w[2].high, w[1].high)
        )


class RiseFallThreeMethods(CandlestickPattern):
    """A long candle, three short ones against it within its range, and a long one on: its color."""

    _sums = (Sum(BODY_LONG, 4), *(Sum(BODY_SHORT, at) for at in (3, 2, 1)), Sum(BODY_LONG))
    _candles_of_pattern = 5
    _late = True

    def _value(self, w: deque[Candle]) -> int:
        color = w[4].color
        fits = (
            self._is_long(4)
            and all(self._is_short(at) for at in (3, 2, 1))
            and self._is_long(0)
            and color == -w[3].color == -w[2].color == -w[1].color == w[0].color
            and all(w[at].bottom < w[4].high and w[at].top > w[4].low for at in (3, 2, 1))
            and w[2].close * color < w[3].close * color
            and w[1].close * color < w[2].close * color
            and w[0].open * color > w[1].close * color
            and w[0].close * color > w[4].close * color
        )
        return color if fits else 0


class ThreeBlackCrows(CandlestickPattern):
    """A white candle and three black ones without lower shadows that fall from its high: -1."""

    _sums = tuple(Sum(SHADOW_VERY_SHORT, at) for at in (2, 1, 0))
    _candles_of_pattern = 4

    def _value(self, w: deque[Candle]) -> int:
        return -int(
            w[3].color == WHITE
            and all(w[at].color == BLACK and self._has_hardly("lower", at) for at in (2, 1, 0))
            and w[2].close < w[1].open < w[2].open
            and w[1].close < w[0].open < w[1].open
            and w[3].high > w[2].close > w[1].close > w[0].close
        )


class ThreeLineStrike(CandlestickPattern):
    """Three candles that go on, and one of the other color back over all: the three's color."""

    _sums = (Sum(NEAR, 3), Sum(NEAR, 2))
    _candles_of_pattern = 4

    def _value(self, w: deque[Candle]) -> int:
        color = w[1].color
        if not color == w[3].color == w[2].color == -w[0].color:
            return 0
        for at in (3, 2):
            near = self._average(NEAR, at)
            if not w[at].bottom - near <= w[at - 1].open <= w[at].top + near:
                return 0
        if color == WHITE:
            fits = (
                w[1].close > w[2].close > w[3].close
                and w[0].open > w[1].close
                and w[0].close < w[3].open
            )
        else:
            fits = (
                w[1].close < w[2].close < w[3].close
                and w[0].open < w[1].close
                and w[0].close > w[3].open
            )
        return color if fits else 0


def _break(w: deque[Candle]) -> int:
    """1 if the newest candle lies lower than the one before, -1 if higher, 0 else."""
    if w[0].high < w[1].high and w[0].low < w[1].low:
        return 1
    return -int(w[0].high > w[1].high and w[0].low > w[1].low)


class Hikkake(CandlestickPattern):
    """An inside bar and a false break of it: 1 or -1; 2 or -2 once that is confirmed."""

    _candles_of_pattern = 6

    def _start(self) -> None:
        super()._start()
        self._result = self._found_at = 0

    def _prepare(self) -> None:
        if self.samples >= 3:
            self._value(self._window)

    def _value(self, w: deque[Candle]) -> int:
        found = self._false_break(w)
        if found:
            self._result, self._found_at = found, self.samples - 1
            return found
        behind = self.samples - self._found_at
        if behind > 4 or not self._result:
            return 0
        bar, up = w[behind], self._result > 0
        if w[0].close > bar.high if up else w[0].close < bar.low:
            self._found_at = 0
            return self._result + (1 if up else -1)
        return 0

    def _false_break(self, w: deque[Candle]) -> int:
        """1 for a break below an inside bar, -1 for one above, 0 for none."""
        return _break(w) if w[1].lies_in(w[2]) else 0


class HikkakeModified(Hikkake):
    """An inside bar within an inside bar, the middle one's close near its end."""

    def _longest(self) -> int:
        return max(1, period_of(NEAR))

    def _start(self) -> None:
        super()._start()
        self._total = ZERO

    def _prepare(self) -> None:
        w, length = self._window, CandleSettings.get(NEAR).range_type
        if self.period - period_of(NEAR) - 3 <= self.samples < self.period - 3:
            self._total += w[2].range(length)
        elif self.samples >= self.period - 3:
            super()._value(w)
            # The oldest candle is dropped, again and again.
            self._total += w[2].range(length) - w[self.samples - 1].range(length)

    def _value(self, w: deque[Candle]) -> int:
        value = super()._value(w)
        length = CandleSettings.get(NEAR).range_type
        self._total += w[2].range(length) - w[period_of(NEAR) + 5].range(length)
        return value

    def _false_break(self, w: deque[Candle]) -> int:
        if not (w[2].lies_in(w[3]) and w[1].lies_in(w[2])):
            return 0
        setting = CandleSettings.get(NEAR)
        near = setting.factor_exact * divide(self._total, Decimal(setting.average_period))
        found = _break(w)
        if found > 0:
            return int(w[2].close <= w[2].low + near)
        return -int(found < 0 and w[2].close >= w[2].high - near)
