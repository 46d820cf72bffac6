"""Insights: forecasts of a direction over a period, counted in trading time."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import END_OF_TIME, UtcTime, naive_utc
from engine.common.decimals import double_text
from engine.common.enums import (
    InsightDirection,
    InsightScoreType,
    InsightType,
    Resolution,
    net_text,
)
from engine.common.naming import LeanObject
from engine.common.net_exceptions import ArgumentOutOfRangeException, InvalidOperationException
from engine.common.spans import time_span
from engine.market.symbols import Symbol

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_DAY = timedelta(days=1)
_REGULAR_HOURS_OF_A_DAY = timedelta(hours=6, minutes=30)
_TOO_SHORT = "Insight period must be greater than or equal to 1 second. (Parameter 'period')"
_BAR_SIZES = {
    Resolution.TICK: _SECOND,
    Resolution.SECOND: _SECOND,
    Resolution.MINUTE: _MINUTE,
    Resolution.DAILY: _DAY,
}


def _end_of_bars(hours: Any, start_utc: datetime, size: timedelta, count: int) -> datetime:
    """UTC time after ``count`` bars of open market."""
    time = hours.from_utc(start_utc)
    if size == _DAY:
        while count:
            time += _DAY
            count -= hours.is_date_open(time)
        return hours.to_utc(time)
    while count:
        # Closed hours hold no bars: step over them at once, keeping the steps' grid.
        if not hours.is_open_during(time, time + size, False):
            opening = hours.get_next_market_open(time, False)
            steps = max((opening - time) // size, 1)
            if opening - time > size:
                time += (steps - 1) * size
                if hours.is_open_during(time, time + size, False):
                    continue
            time += size
            continue
        time += size
        count -= 1
    return hours.to_utc(time)


def close_time_of_period(hours: Any, generated_utc: datetime, period: timedelta) -> datetime:
    """UTC time after a period of trading time; the rest of a day counts as a share of its hours.

    Raises:
        ArgumentOutOfRangeException: if the period is shorter than a second.
    """
    if period < _SECOND:
        raise ArgumentOutOfRangeException(_TOO_SHORT)
    if period >= _DAY:
        size = _DAY
    elif period >= _MINUTE:
        size = _MINUTE
    else:
        size = _SECOND
    count = period // size
    close = _end_of_bars(hours, generated_utc, size, count)
    if close == generated_utc:
        return _end_of_bars(hours, generated_utc, _SECOND, 1)
    rest = period - count * size
    if size == _DAY:
        rest = _REGULAR_HOURS_OF_A_DAY * (rest / _DAY)
    minutes = rest // _MINUTE
    return _end_of_bars(hours, close, _MINUTE, minutes) if minutes > 0 else close


class InsightScore(LeanObject):
    """Scores between 0 and 1 that a user's score function may set; zero until then."""

    def __init__(
        self,
        direction: float = 0.0,
        magnitude: float = 0.0,
        updated_time_utc: datetime = datetime.min,
    ) -> None:
        self.direction = float(direction)
        self.magnitude = float(magnitude)
        self.is_final_score = False
        self.updated_time_utc = updated_time_utc

    def set_score(self, type: InsightScoreType, value: float, algorithm_utc_time: datetime) -> None:
        """Set a score, brought into its range; a final one stays."""
        if self.is_final_score:
            return
        setattr(self, InsightScoreType(type).name.lower(), max(0.0, min(1.0, float(value))))
        self.updated_time_utc = algorithm_utc_time

    def get_score(self, type: InsightScoreType) -> float:
        """A score."""
        return getattr(self, InsightScoreType(type).name.lower())

    def finalize(self, algorithm_utc_time: datetime) -> None:
        """Mark the scores as final."""
        self.is_final_score = True
        self.updated_time_utc = algorithm_utc_time

    def __str__(self) -> str:
        direction, magnitude = (
            double_text(round(100 * score, 2)) for score in (self.direction, self.magnitude)
        )
        return f"Direction: {direction} Magnitude: {magnitude}"


_FIELDS = (
    "symbol", "period", "type", "direction", "magnitude", "confidence", "source_model", "weight",
    "tag",
)  # fmt: skip
_FIELDS_WITH_TAG = (*_FIELDS[:4], "tag")


class Insight(LeanObject):
    """A forecast for one symbol.

    ``Insight(symbol, period, type, direction, [magnitude, confidence, source_model, weight,
    tag])``, ``Insight(symbol, period, type, direction, tag)`` or with the generation time (UTC)
    first; ``period`` is a timedelta or a function of the local time giving the closing time.
    Use :meth:`price` for forecasts of price.

    Attributes:
        generated_time_utc, close_time_utc: set when the engine receives it; it is active up to
            and including its close time.
        period: from generation to close.
        direction, magnitude, confidence, weight: the forecast; None where not given.
    """

    generated_time_utc = UtcTime()
    close_time_utc = UtcTime()
    generated_time_utc_naive: datetime
    close_time_utc_naive: datetime

    def __init__(
        self,
        *args: Any,
        symbol: Any = None,
        period: timedelta | None = None,
        expiry_func: Callable[[datetime], datetime] | None = None,
        type: InsightType | None = None,
        direction: InsightDirection | None = None,
        magnitude: float | None = None,
        confidence: float | None = None,
        source_model: str | None = None,
        weight: float | None = None,
        tag: str = "",
        generated_time_utc: datetime | None = None,
    ) -> None:
        values = list(args)
        if values and isinstance(values[0], datetime):
            generated_time_utc = values.pop(0)
        if len(values) == len(_FIELDS_WITH_TAG) and isinstance(values[-1], str):
            fields = dict(zip(_FIELDS_WITH_TAG, values, strict=True))
        elif len(values) <= len(_FIELDS):
            fields = dict(zip(_FIELDS, values, strict=False))
        else:
            raise ValueError(f"Insight takes {_FIELDS}; received {args}")
        named = {
            "symbol": symbol,
            "period": expiry_func or period,
            "type": type,
            "direction": direction,
            "magnitude": magnitude,
            "confidence": confidence,
            "source_model": source_model,
            "weight": weight,
            "tag": tag or None,
        }
        for name, value in named.items():
            if value is not None and name in fields:
                raise ValueError(f"Insight takes {name} once; received {fields[name]} and {value}")
            fields.setdefault(name, value)
        for name in ("symbol", "period", "direction"):
            if fields[name] is None:
                raise ValueError(f"Insight needs {name}; received {args}")
        span = fields["period"]
        self.id = str(uuid.uuid4())
        self.group_id: str | None = None
        self.symbol = Symbol.of(fields["symbol"])
        self.type = InsightType(InsightType.PRICE if fields["type"] is None else fields["type"])
        self.direction = InsightDirection(fields["direction"])
        self.magnitude = _number(fields["magnitude"])
        self.confidence = _number(fields["confidence"])
        self.weight = _number(fields["weight"])
        self.source_model: str | None = fields["source_model"]
        self.tag = fields["tag"] or ""
        self.score = InsightScore()
        self.reference_value = 0.0
        self.reference_value_final = 0.0
        self.estimated_value = 0.0
        self.generated_time_utc = generated_time_utc or datetime.min
        self.close_time_utc = datetime.min
        self.period = timedelta()
        self._span: Any = span
        if isinstance(span, timedelta):
            self._span = span or _SECOND
            self.period = span
            if generated_time_utc is not None:
                self.close_time_utc = generated_time_utc + span
        elif not callable(span) and not isinstance(span, _Bars | datetime):
            raise ValueError(f"period must be a timedelta or a function; received {span!r}")

    @staticmethod
    def price(
        symbol: Any,
        *args: Any,
        period: timedelta | None = None,
        resolution: Resolution | None = None,
        bar_count: int | None = None,
        close_time_local: datetime | None = None,
        expiry_func: Callable[[datetime], datetime] | None = None,
        direction: InsightDirection | None = None,
        magnitude: float | None = None,
        confidence: float | None = None,
        source_model: str | None = None,
        weight: float | None = None,
        tag: str = "",
    ) -> Insight:
        """Forecast the direction of the price.

        Args:
            symbol: of the security.
            args: a timedelta; a local closing time; a function of the local time; or a Resolution
                and a number of bars. Then direction, magnitude, confidence, source_model, weight,
                tag.
            period: from generation to close, trading time.
            resolution: of bars, with ``bar_count``.
            bar_count: number of bars.
            close_time_local: in the exchange's time zone.
            expiry_func: gives the closing time, both local.
            direction: of the price.
            magnitude: of the move, a fraction.
            confidence: between 0 and 1.
            source_model: name of the alpha model; its own where none is given.
            weight: share of the portfolio.
            tag: any text.

        Raises:
            ArgumentOutOfRangeException: if the period is shorter than a second, or the bars fewer
                than one.
        """
        values = list(args)
        given = (resolution, period, close_time_local, expiry_func)
        span: Any = next((one for one in given if one is not None), None)
        if span is None:
            if not values:
                raise ValueError("Insight.price needs a period; received none")
            span = values.pop(0)
        if isinstance(span, Resolution):
            count = bar_count if bar_count is not None else values.pop(0)
            if count < 1:
                raise ArgumentOutOfRangeException(
                    "Insight barCount must be greater than zero. (Parameter 'barCount')"
                )
            span = _Bars(span, int(count))
        elif isinstance(span, timedelta) and span < _SECOND:
            raise ArgumentOutOfRangeException(_TOO_SHORT)
        return Insight(
            symbol,
            span,
            InsightType.PRICE,
            *values,
            direction=direction,
            magnitude=magnitude,
            confidence=confidence,
            source_model=source_model,
            weight=weight,
            tag=tag,
        )

    @staticmethod
    def group(*insights: Any, insight: Any = None) -> list[Insight]:
        """Mark insights as belonging together.

        Args:
            insights: one by one, or in a list.
            insight: a single one, by name.

        Raises:
            InvalidOperationException: if one belongs to a group already.
        """
        found = list(insights[0]) if len(insights) == 1 and _iterable(insights[0]) else [*insights]
        if insight is not None:
            found.append(insight)
        group_id = str(uuid.uuid4())
        for one in found:
            if one.group_id is not None:
                raise InvalidOperationException(
                    f"Unable to set group id on insight {one} because it has already been assigned "
                    "to a group."
                )
            one.group_id = group_id
        return found

    def set_period_and_close_time(self, exchange_hours: Any) -> None:
        """Fix the close time from the generation time and the exchange's hours.

        Raises:
            ArgumentOutOfRangeException: if a given closing time lies in the past.
            InvalidOperationException: before the insight was generated.
        """
        if self.generated_time_utc_naive == datetime.min:
            raise InvalidOperationException(
                "The insight's 'GeneratedTimeUtc' property must be set before calling "
                "SetPeriodAndCloseTime."
            )
        hours = exchange_hours
        span, generated = self._span, self.generated_time_utc_naive
        if isinstance(span, timedelta):
            if span >= END_OF_TIME - datetime(1, 1, 2):
                self.close_time_utc = END_OF_TIME
                return
            self.close_time_utc = close_time_of_period(hours, generated, span)
            self.period = span
            return
        if isinstance(span, _Bars):
            self.close_time_utc = _end_of_bars(hours, generated, span.size, span.count)
        elif isinstance(span, datetime) and span >= END_OF_TIME:
            self.close_time_utc = END_OF_TIME
        else:
            local = span if isinstance(span, datetime) else span(hours.from_utc(generated))
            if not hours.is_open(local, False):
                local = hours.get_next_market_open(local, False)
            self.close_time_utc = hours.to_utc(local)
            if isinstance(span, datetime) and generated > self.close_time_utc_naive:
                raise ArgumentOutOfRangeException(
                    "Insight closeTimeLocal must not be in the past. (Parameter 'closeTimeLocal')"
                )
        self.period = self.close_time_utc_naive - generated

    def is_expired(self, utc_time: datetime) -> bool:
        """True after the close time."""
        return self.close_time_utc_naive < naive_utc(utc_time)

    def is_active(self, utc_time: datetime) -> bool:
        """True up to and including the close time."""
        return not self.is_expired(utc_time)

    def expire(self, utc_time: datetime) -> None:
        """End an active insight now."""
        if self.is_active(utc_time):
            self.close_time_utc = naive_utc(utc_time) - _SECOND
            self.period = self.close_time_utc_naive - self.generated_time_utc_naive

    cancel = expire

    def clone(self) -> Insight:
        """Copy the insight, identity included."""
        return copy.copy(self)

    def _extras(self) -> list[tuple[str, str]]:
        """What LEAN's texts say of the forecast, as far as it is given: name and number."""
        extras = []
        if self.magnitude is not None:
            extras.append(("magnitude", double_text(self.magnitude)))
        for name, value in (("confidence", self.confidence), ("weight", self.weight)):
            if value is not None:
                extras.append((name, double_text(round(100 * value, 1))))
        return extras

    def __str__(self) -> str:
        words = {"magnitude": " by {}%", "confidence": " with {}% confidence"}
        extra = "".join(
            words.get(name, " and {}% weight").format(number) for name, number in self._extras()
        )
        tag = f": {self.tag}" if self.tag else ""
        kind, direction = net_text(self.type), net_text(self.direction)
        return (
            f"{self.id.replace('-', '')}: {self.symbol} {kind} {direction} within "
            f"{time_span(self.period)}{extra}{tag}"
        )

    def short_to_string(self) -> str:
        """LEAN's shorter text."""
        extra = "".join(f" {name[0].upper()}:{number}%" for name, number in self._extras())
        tag = f". {self.tag}" if self.tag else ""
        kind, direction = net_text(self.type), net_text(self.direction)
        return f"{self.symbol.value} {kind} {direction} {time_span(self.period)}{extra}{tag}"


class _Bars:
    """A period in bars of a resolution."""

    def __init__(self, resolution: Resolution, count: int) -> None:
        if resolution == Resolution.HOUR:
            # Hours do not divide the trading day; minutes do.
            resolution, count = Resolution.MINUTE, 60 * count
        self.size = _BAR_SIZES[resolution]
        self.count = count


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _iterable(value: Any) -> bool:
    return hasattr(value, "__iter__")
