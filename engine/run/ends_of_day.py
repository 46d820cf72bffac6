"""When `on_end_of_day` is called: before each security's close, or once a day."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from engine.api.scheduling import ScheduledEvent
from engine.common.clock import midnight, to_utc
from engine.feed.universe_selection import SecurityChanges

_DAY = timedelta(days=1)


class EndsOfDay:
    """Schedules an algorithm's `on_end_of_day`.

    An override that takes a symbol is called ten minutes before the close of each added security;
    one without parameters two minutes before midnight of each day on which a security trades. As in
    LEAN an exception in it is told in the log and does not stop the run.

    Args:
        algorithm: whose override it is.
        end_utc: end of the run.
    """

    def __init__(self, algorithm: Any, end_utc: datetime) -> None:
        self._algorithm = algorithm
        self._end_utc = end_utc
        self._parameters = -1
        if algorithm.qc_overrides("on_end_of_day"):
            callback = algorithm.qc_callback("on_end_of_day")
            self._parameters = len(inspect.signature(callback).parameters)
        self._of_security: dict[Any, ScheduledEvent] = {}
        self._of_algorithm: ScheduledEvent | None = None

    def start(self) -> None:
        """The run begins."""
        if self._parameters == 0:
            self._schedule_algorithm()

    def on_changes(self, changes: SecurityChanges) -> None:
        """Securities were added or removed."""
        if not changes:
            return
        if self._parameters == 0:
            self._schedule_algorithm()
        if self._parameters != 1:
            return
        schedule = self._algorithm.schedule
        for security in changes.all_added:
            symbol = security.symbol
            name = f"{symbol}.EndOfDay"
            event = ScheduledEvent(name, self._closes(security), self._caller(name, symbol))
            self._of_security[symbol] = event
            schedule.add(event)
        for security in changes.all_removed:
            removed = self._of_security.pop(security.symbol, None)
            if removed is not None:
                schedule.remove(removed)

    def _caller(self, name: str, *arguments: Any) -> Callable[[str, datetime], None]:
        algorithm = self._algorithm

        def call(_: str, __: datetime) -> None:
            try:
                algorithm.qc_callback("on_end_of_day")(*arguments)
            except Exception as error:
                algorithm.debug(f"Runtime error in {name} event: {error}")

        return call

    def _closes(self, security: Any) -> Iterator[datetime]:
        """Ten minutes before the security's closes from now on, UTC."""
        now = self._algorithm.utc_time_naive
        hours = security.exchange.hours
        extended = any(config.extended_hours for config in security.subscriptions)
        for day in hours.trading_days(now, hours.from_utc(self._end_utc)):
            close = hours.session(day.date()).bounds(extended)[1]
            if not hours.is_market_always_open:
                close -= ScheduledEvent.SECURITY_END_OF_DAY_DELTA
            time = hours.to_utc(close)
            if time > now:
                yield time

    def _schedule_algorithm(self) -> None:
        """Anew whenever the securities change, as LEAN does, which also tells its warning anew."""
        algorithm = self._algorithm
        if self._of_algorithm is not None:
            algorithm.schedule.remove(self._of_algorithm)
        algorithm.debug(
            "Usage of QCAlgorithm.OnEndOfDay() without a symbol will be deprecated August 2021. "
            "Always use a symbol when overriding this method: OnEndOfDay(symbol)"
        )
        name = "Algorithm.EndOfDay"
        self._of_algorithm = ScheduledEvent(name, self._nights(), self._caller(name))
        algorithm.schedule.add(self._of_algorithm)

    def _nights(self) -> Iterator[datetime]:
        """Two minutes before midnight of the days from now on on which a security trades, UTC."""
        algorithm = self._algorithm
        now = algorithm.utc_time_naive
        day = midnight(now)
        while day <= algorithm.end_date:
            if any(s.exchange.hours.is_date_open(day) for s in algorithm.securities.values()):
                late = day + _DAY - ScheduledEvent.ALGORITHM_END_OF_DAY_DELTA
                time = to_utc(late, algorithm.time_zone)
                if time > now:
                    yield time
            day += _DAY
