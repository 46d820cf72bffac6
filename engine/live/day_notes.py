"""What is special about a day on the exchange, for the log of a live run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from engine.common.clock import to_utc
from engine.market.market_hours import ExchangeHours

_DAY = timedelta(days=1)


class DayNotes:
    """Tells of half days, holidays and changes of the clocks, each once.

    Args:
        hours: of the exchange.
    """

    def __init__(self, hours: ExchangeHours) -> None:
        self._hours = hours
        self._told: date | None = None

    def lines(self, now: datetime) -> list[str]:
        """What is to be said at an exchange time: of its day, once a day.

        After days without a look a change of the clocks among them is told all the same.
        """
        today = now.date()
        if self._told is not None and today <= self._told:
            return []
        before = today - _DAY if self._told is None else self._told
        self._told = today
        return [*self._session(today), *self._clocks(before, today)]

    def _session(self, day: date) -> Iterator[str]:
        session = self._hours.session(day)
        if session is None:
            if day.weekday() < 5:
                yield f"{day}: the exchange is closed all day"
            return
        usual = self._hours.regular_market_duration
        if session.close - session.open < usual:
            yield (
                f"{day}: a short day: the exchange is open from {session.open:%H:%M} to "
                f"{session.close:%H:%M}"
            )

    def _clocks(self, before: date, day: date) -> Iterator[str]:
        was, is_ = self._offset(before), self._offset(day)
        if was != is_:
            way = "forward" if is_ > was else "back"
            hours = int(is_.total_seconds() // 3600)
            yield (
                f"{day}: the exchange's clocks have gone {way} an hour: its time is "
                f"UTC{hours:+d} now"
            )

    def _offset(self, day: date) -> timedelta:
        """Local time less UTC at noon of a day."""
        noon = datetime(day.year, day.month, day.day, 12)
        return noon - to_utc(noon, self._hours.time_zone)
