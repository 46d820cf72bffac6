"""What all candlestick patterns share: candles, settings, averages over the bars before.

A pattern's value is 1 (bullish), -1 (bearish) or 0; a few give 2. They follow LEAN's classes, which
follow TA-Lib's; where LEAN's sums differ from an average of the bars before, so do ours
(:class:`Sum` says how).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from engine.common.decimals import ZERO, divide, to_decimal
from engine.common.enums import CandleColor, CandleRangeType, CandleSettingType
from engine.common.naming import LeanObject
from engine.indicators.base import BarIndicator

WHITE, BLACK = int(CandleColor.WHITE), int(CandleColor.BLACK)
BODY_LONG = CandleSettingType.BODY_LONG
BODY_SHORT = CandleSettingType.BODY_SHORT
BODY_DOJI = CandleSettingType.BODY_DOJI
SHADOW_LONG = CandleSettingType.SHADOW_LONG
SHADOW_VERY_LONG = CandleSettingType.SHADOW_VERY_LONG
SHADOW_SHORT = CandleSettingType.SHADOW_SHORT
SHADOW_VERY_SHORT = CandleSettingType.SHADOW_VERY_SHORT
NEAR = CandleSettingType.NEAR
FAR = CandleSettingType.FAR
EQUAL = CandleSettingType.EQUAL


class Candle:
    """A bar as a candle.

    Attributes:
        open, high, low, close: its prices.
        color: 1 if it closes at its open or above, else -1.
        top, bottom: larger and smaller of open and close.
        body: distance between them.
        upper, lower: lengths of the shadows.
    """

    __slots__ = (
        "body", "bottom", "close", "color", "high", "low", "lower", "open", "top", "upper",
    )  # fmt: skip

    def __init__(self, bar: Any) -> None:
        self.open, self.close = bar.open_exact, bar.close_exact
        self.high, self.low = bar.high_exact, bar.low_exact
        is_white = self.close >= self.open
        self.color = 1 if is_white else -1
        self.bottom, self.top = (self.open, self.close) if is_white else (self.close, self.open)
        self.body = self.top - self.bottom
        self.upper, self.lower = self.high - self.top, self.bottom - self.low

    def range(self, kind: CandleRangeType) -> Decimal:
        """Length of the body, of the whole candle or of both shadows."""
        if kind is CandleRangeType.REAL_BODY:
            return self.body
        return self.high - self.low if kind is CandleRangeType.HIGH_LOW else self.upper + self.lower

    def gaps_up(self, before: Candle) -> bool:
        """Whether it lies above another with its shadows."""
        return self.low > before.high

    def gaps_down(self, before: Candle) -> bool:
        """Whether it lies below another with its shadows."""
        return self.high < before.low

    def body_gaps_up(self, before: Candle) -> bool:
        """Whether its body lies above another's."""
        return self.bottom > before.top

    def body_gaps_down(self, before: Candle) -> bool:
        """Whether its body lies below another's."""
        return self.top < before.bottom

    def lies_in(self, other: Candle) -> bool:
        """Whether it lies within another with its shadows and touches neither end."""
        return self.high < other.high and self.low > other.low

    def body_lies_in(self, other: Candle) -> bool:
        """Whether its body lies within another's and touches neither end."""
        return self.top < other.top and self.bottom > other.bottom


class CandleSetting(LeanObject):
    """What a word such as long or near means.

    Args:
        range_type: length that is averaged.
        average_period: number of candles before; 0 for the candle's own length.
        factor: of the average.
    """

    def __init__(self, range_type: CandleRangeType, average_period: int, factor: Any) -> None:
        self.range_type = CandleRangeType(range_type)
        self.average_period = average_period
        self.factor_exact = to_decimal(factor)

    @property
    def factor(self) -> float:
        """Of the average."""
        return float(self.factor_exact)


def _settings() -> dict[CandleSettingType, CandleSetting]:
    body, whole, shadows = (
        CandleRangeType.REAL_BODY,
        CandleRangeType.HIGH_LOW,
        CandleRangeType.SHADOWS,
    )
    rows = {
        BODY_LONG: (body, 10, "1"),
        CandleSettingType.BODY_VERY_LONG: (body, 10, "3"),
        BODY_SHORT: (body, 10, "1"),
        BODY_DOJI: (whole, 10, "0.1"),
        SHADOW_LONG: (body, 0, "1"),
        SHADOW_VERY_LONG: (body, 0, "2"),
        SHADOW_SHORT: (shadows, 10, "1"),
        SHADOW_VERY_SHORT: (whole, 10, "0.1"),
        NEAR: (whole, 5, "0.2"),
        FAR: (whole, 5, "0.6"),
        EQUAL: (whole, 5, "0.05"),
    }
    return {
        key: CandleSetting(kind, period, Decimal(factor))
        for key, (kind, period, factor) in rows.items()
    }


class CandleSettings(LeanObject):
    """The settings of all patterns; those that are made later take changed periods."""

    _by_type: ClassVar[dict[CandleSettingType, CandleSetting]] = _settings()

    @staticmethod
    def get(type: CandleSettingType) -> CandleSetting:
        """The setting of a word."""
        return CandleSettings._by_type[CandleSettingType(type)]

    @staticmethod
    def set(type: CandleSettingType, setting: CandleSetting) -> None:
        """Change what a word means."""
        CandleSettings._by_type[CandleSettingType(type)] = setting

    @staticmethod
    def qc_reset() -> None:
        """Take LEAN's own settings, at the start of a run."""
        CandleSettings._by_type.update(_settings())


@dataclass(frozen=True)
class Sum:
    """A sum of lengths over the candles before one of a pattern's.

    Attributes:
        setting: says which length, how many candles and what their average is multiplied by.
        at: the candle it is before; 0 is the newest.
        taken: index of the candle that each step adds, `at` by default.
        dropped: how far behind the period the candle lies that each step drops, `at` by default.
        first: setting whose length is summed until the pattern is ready, the same by default.
        first_at: the candle that is added until then, `at` by default.
        early: how many steps before the pattern is ready that ends.
        span: setting whose number of candles counts, the same by default.
        dropped_span: setting whose number of candles says which candle is dropped, as `span`.
    """

    setting: CandleSettingType
    at: int = 0
    taken: int | None = None
    dropped: int | None = None
    first: CandleSettingType | None = None
    first_at: int | None = None
    early: int = 0
    span: CandleSettingType | None = None
    dropped_span: CandleSettingType | None = None


class _Running:
    """The present value of a sum."""

    __slots__ = ("_add", "_drop", "_first", "_first_at", "_setting", "_start", "_stop", "total")

    def __init__(self, of: Sum, ready: int) -> None:
        self._setting = of.setting
        self._first = of.setting if of.first is None else of.first
        span = period_of(of.setting if of.span is None else of.span)
        self._start, self._stop = ready - span - of.early, ready - of.early
        self._first_at = of.at if of.first_at is None else of.first_at
        self._add = of.at if of.taken is None else of.taken
        behind = span if of.dropped_span is None else period_of(of.dropped_span)
        self._drop = behind + (of.at if of.dropped is None else of.dropped)
        self.total = ZERO

    def prepare(self, samples: int, candles: deque[Candle]) -> None:
        """Take a candle before the pattern is ready."""
        if self._start <= samples < self._stop:
            kind = CandleSettings.get(self._first).range_type
            self.total += candles[self._first_at].range(kind)

    def move(self, candles: deque[Candle]) -> None:
        """Go on by a candle."""
        kind = CandleSettings.get(self._setting).range_type
        if self._add != self._drop:
            self.total += candles[self._add].range(kind) - candles[self._drop].range(kind)


def period_of(setting: CandleSettingType) -> int:
    """Number of candles that a setting averages."""
    return CandleSettings.get(setting).average_period


class CandlestickPattern(BarIndicator):
    """Base of candlestick patterns: ``(name)``, or nothing for the pattern's own name.

    Subclasses say which averages they need and give a value for the candles, newest first.
    """

    _sums: ClassVar[tuple[Sum, ...]] = ()
    _candles_of_pattern: ClassVar[int] = 1
    """Added to the longest average's period."""
    _late: ClassVar[bool] = False
    """Ready only after one candle more."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(type(self).__name__.upper() if name is None else name)
        self.period = self._longest() + self._candles_of_pattern
        self._window: deque[Candle] = deque(maxlen=self.period)
        self._start()

    def _longest(self) -> int:
        """Number of candles of the longest average."""
        return max((period_of(one.setting) for one in self._sums), default=0)

    def _start(self) -> None:
        ready = self.period + self._late
        self._running = {(one.setting, one.at): _Running(one, ready) for one in self._sums}

    @property
    def warm_up_period(self) -> int:
        """Bars that a warm-up takes."""
        return self.period

    @property
    def is_ready(self) -> bool:
        """True once there are enough candles."""
        return self.samples >= self.period + self._late

    def _compute(self, point: Any) -> Decimal:
        window = self._window
        window.appendleft(Candle(point))
        if not self.is_ready:
            self._prepare()
            return ZERO
        value = self._value(window)
        for running in self._running.values():
            running.move(window)
        return Decimal(value)

    def _prepare(self) -> None:
        for running in self._running.values():
            running.prepare(self.samples, self._window)

    def _value(self, w: deque[Candle]) -> int:
        """Value for the newest candles."""
        raise NotImplementedError(f"{type(self).__name__}._value")

    def _average(self, setting: CandleSettingType, at: int = 0) -> Decimal:
        """What the setting calls long, short, near ... before a candle of the pattern."""
        given = CandleSettings.get(setting)
        if given.average_period:
            length = divide(self._running[setting, at].total, Decimal(given.average_period))
        else:
            length = self._window[at].range(given.range_type)
        length *= given.factor_exact
        return length / 2 if given.range_type is CandleRangeType.SHADOWS else length

    def _is_long(self, at: int = 0) -> bool:
        """Whether a candle's body is longer than the average."""
        return self._window[at].body > self._average(BODY_LONG, at)

    def _is_short(self, at: int = 0) -> bool:
        """Whether a candle's body is shorter than the average."""
        return self._window[at].body < self._average(BODY_SHORT, at)

    def _is_doji(self, at: int = 0) -> bool:
        """Whether a candle has hardly a body."""
        return self._window[at].body <= self._average(BODY_DOJI, at)

    def _has_hardly(self, shadow: str, at: int = 0) -> bool:
        """Whether a shadow, `upper` or `lower`, is very short."""
        length: Decimal = getattr(self._window[at], shadow)
        return length < self._average(SHADOW_VERY_SHORT, at)

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._window.clear()
        self._start()


class PenetrationPattern(CandlestickPattern):
    """Base of patterns in which a candle reaches into the body of another.

    ``([name,] [penetration])``: the share of the body.
    """

    _penetration_by_default: ClassVar[str] = "0.3"

    def __init__(self, name: Any = None, penetration: Any = None) -> None:
        if penetration is None and not isinstance(name, str):
            name, penetration = None, name
        super().__init__(name)
        given = self._penetration_by_default if penetration is None else penetration
        self._penetration = to_decimal(given)
