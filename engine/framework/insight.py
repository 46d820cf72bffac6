"""Insights: forecasts of a direction over a period, counted in trading time."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import UtcTime, naive_utc
from engine.common.enums import InsightDirection, InsightType, Resolution, net_text
from engine.common.naming import LeanObject

END_OF_TIME = datetime(2050, 12, 31)
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_DAY = timedelta(days=1)
_REGULAR_HOURS_OF_A_DAY = timedelta(hours=6, minutes=30)
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
        ValueError: if the period is shorter than a second.
    """
    if period < _SECOND:
        raise ValueError(f"period must be at least one second; received {period}")
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
    """Scores that a user's score function may set; zero until then."""

    def __init__(self) -> None:
        self.magnitude = 0.0
        self.direction = 0.0
        self.is_final_score = False
        self.updated_time_utc = datetime.min

    def set_score(self, kind: Any, value: float, time_utc: datetime) -> None:
        """Set the score of a kind (``InsightScoreType``)."""
        name = str(getattr(kind, "name", kind)).lower()
        setattr(self, name, float(value))
        self.updated_time_utc = time_utc

    def finalize(self, time_utc: datetime) -> None:
        """Mark the scores as final."""
        self.is_final_score = True
        self.updated_time_utc = time_utc


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

    def __init__(self, *args: Any, **named: Any) -> None:
        values = list(args)
        generated = None
        if values and isinstance(values[0], datetime):
            generated = values.pop(0)
        names = (
            "symbol", "period", "type", "direction", "magnitude", "confidence", "source_model",
            "weight", "tag",
        )  # fmt: skip
        if len(values) == 5 and isinstance(values[4], str):
            named["tag"] = values.pop()
        fields = dict(zip(names, values, strict=False)) | named
        unknown = fields.keys() - set(names) - {"expiry_func"}
        if unknown or len(values) > len(names):
            raise ValueError(f"Insight takes {names}; received {args} {named}")
        span = fields.get("expiry_func", fields.get("period"))
        self.id = str(uuid.uuid4())
        self.group_id: str | None = None
        self.symbol = fields["symbol"]
        self.type = InsightType(fields.get("type", InsightType.PRICE))
        self.direction = InsightDirection(fields["direction"])
        self.magnitude = _number(fields.get("magnitude"))
        self.confidence = _number(fields.get("confidence"))
        self.weight = _number(fields.get("weight"))
        self.source_model = fields.get("source_model") or ""
        self.tag = fields.get("tag") or ""
        self.score = InsightScore()
        self.reference_value = 0.0
        self.reference_value_final = 0.0
        self.estimated_value = 0.0
        self.generated_time_utc = generated or datetime.min
        self.close_time_utc = datetime.min
        self.period = timedelta()
        self._span: Any = span
        if isinstance(span, timedelta):
            self._span = span or _SECOND
            self.period = span
            if generated is not None:
                self.close_time_utc = generated + span
        elif not callable(span) and not isinstance(span, _Bars | datetime):
            raise ValueError(f"period must be a timedelta or a function; received {span!r}")

    @staticmethod
    def price(
        symbol: Any,
        period: timedelta | datetime | Resolution | Callable[[datetime], datetime],
        *args: Any,
        **named: Any,
    ) -> Insight:
        """Forecast the direction of the price.

        Args:
            symbol: of the security.
            period: a timedelta; a local closing time; a function of the local time; or a
                Resolution followed by a number of bars.
            args: direction, magnitude, confidence, source_model, weight, tag.
            named: the same by name.

        Raises:
            ValueError: if the period is shorter than a second, or the bars fewer than one.
        """
        values = list(args)
        span: Any = period
        if isinstance(period, Resolution):
            count = values.pop(0) if values else named.pop("bar_count")
            if count < 1:
                raise ValueError(f"bar_count must be at least 1; received {count}")
            span = _Bars(period, int(count))
        elif isinstance(period, timedelta) and period < _SECOND:
            raise ValueError(f"period must be at least one second; received {period}")
        return Insight(symbol, span, InsightType.PRICE, *values, **named)

    @staticmethod
    def group(*insights: Any) -> list[Insight]:
        """Mark insights as belonging together.

        Raises:
            ValueError: if one belongs to a group already.
        """
        found = list(insights[0]) if len(insights) == 1 and _iterable(insights[0]) else [*insights]
        group_id = str(uuid.uuid4())
        for insight in found:
            if insight.group_id is not None:
                raise ValueError(f"insight of {insight.symbol} belongs to a group already")
            insight.group_id = group_id
        return found

    def set_period_and_close_time(self, hours: Any) -> None:
        """Fix the close time from the generation time and the exchange's hours.

        Raises:
            ValueError: if a given closing time lies in the past.
        """
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
                raise ValueError(f"close_time_local must not lie in the past; received {span}")
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

    def __str__(self) -> str:
        extra = "".join(
            f" {label}: {value}%"
            for label, value in (
                ("by", None if self.magnitude is None else 100 * self.magnitude),
                ("with confidence", None if self.confidence is None else 100 * self.confidence),
            )
            if value is not None
        )
        kind, direction = net_text(self.type), net_text(self.direction)
        return f"{self.id}: {self.symbol} {kind} {direction} within {self.period}{extra}"


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
