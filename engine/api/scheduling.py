"""Scheduled events: what is due when, and in which order it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from engine.api.schedule_rules import CompositeTimeRule, DateRules, TimeRules, dates_from_now
from engine.common.clock import aware_utc
from engine.common.naming import DirectObject
from engine.indicators.base import Event

_NEVER = datetime.max


class ScheduledEvent(DirectObject):
    """A callback and the UTC times at which it is due.

    Args:
        name: shown where it fails.
        ordered_event_utc_times: when, ascending; or a single time.
        callback: called with the name and the time, which is aware.

    Attributes:
        enabled: false lets its times pass.
        event_fired: event; handlers receive (name, time).
    """

    SECURITY_END_OF_DAY_DELTA = timedelta(minutes=10)
    ALGORITHM_END_OF_DAY_DELTA = timedelta(minutes=2)

    def __init__(
        self,
        name: str,
        ordered_event_utc_times: Iterable[datetime] | datetime,
        callback: Callable[[str, datetime], Any] | None = None,
    ) -> None:
        times = ordered_event_utc_times
        self.name = name
        self.enabled = True
        self.event_fired = Event()
        self._callback = callback
        self._times = iter([times] if isinstance(times, datetime) else times)
        self._next: datetime | None = None

    @property
    def next_event_utc_time(self) -> datetime:
        """Next due time, UTC; `datetime.max` without a time zone if there is none."""
        due = self.next_naive
        return due if due == _NEVER else aware_utc(due)

    @property
    def next_naive(self) -> datetime:
        """The same without its time zone."""
        if self._next is None:
            self._next = next(self._times, _NEVER)
        return self._next

    def skip_until(self, utc_time: datetime) -> None:
        """Drop the times before `utc_time`."""
        while self.next_naive < utc_time:
            self._next = None

    def fire(self, utc_time: datetime) -> None:
        """Call back for every time up to `utc_time`."""
        while (due := self.next_naive) <= utc_time:
            if self.enabled:
                told = aware_utc(due)
                if self._callback is not None:
                    self._callback(self.name, told)
                self.event_fired(self.name, told)
            self._next = None

    def __str__(self) -> str:
        return self.name


def _move_first(queue: list[ScheduledEvent]) -> None:
    """Put the first event where its next time belongs.

    Among events of that time it comes after the one that LEAN's binary search meets, which is not
    always the last of them.
    """
    due = queue[0].next_naive
    if len(queue) < 2 or due <= queue[1].next_naive:
        return
    event = queue.pop(0)
    low, high = 0, len(queue) - 1
    while low <= high:
        middle = low + (high - low) // 2
        other = queue[middle].next_naive
        if due < other:
            high = middle - 1
        elif due > other:
            low = middle + 1
        else:
            low = middle + 1
            break
    queue.insert(low, event)


class ScheduleManager(DirectObject):
    """LEAN's `self.schedule`, and the real-time handler that fires the events.

    Args:
        date_rules: LEAN's `self.date_rules`.
        time_rules: LEAN's `self.time_rules`.
        utc_now: the algorithm's time.
        is_open: of a symbol, a time (UTC) and whether extended hours count.
    """

    def __init__(
        self,
        date_rules: DateRules,
        time_rules: TimeRules,
        utc_now: Callable[[], datetime],
        is_open: Callable[[Any, datetime, bool], bool],
    ) -> None:
        self.date_rules = date_rules
        self.time_rules = time_rules
        self.utc_now = utc_now
        self.is_open = is_open
        self._ids = count()
        self._sorted: list[ScheduledEvent] | None = None
        self._events: dict[int, ScheduledEvent] = {}
        self._started = False

    def on(self, *arguments: Any, **named: Any) -> ScheduledEvent:
        """Schedule: ([name,] date rule, time rule, callback).

        Raises:
            TypeError: if one of them is missing.
        """
        values = list(arguments)
        title = named.pop("name", None)
        if title is None and values and isinstance(values[0], str):
            title = values.pop(0)
        parts = []
        for part in ("date_rule", "time_rule", "callback"):
            if part not in named and not values:
                raise TypeError(f"schedule.on needs a {part}; received {arguments}")
            parts.append(named.pop(part) if part in named else values.pop(0))
        if values or named:
            raise TypeError(
                f"schedule.on takes name, date_rule, time_rule and callback; received {arguments}"
            )
        date_rule, time_rule, callback = parts
        times = time_rule.create_utc_event_times(dates_from_now(date_rule, self.utc_now))
        event = ScheduledEvent(
            title or f"{date_rule.name}: {time_rule.name}", times, lambda _, __: callback()
        )
        self.add(event)
        return event

    def event(self, name: str | None = None) -> FluentScheduledEventBuilder:
        """Begin a schedule in words: `event().every_day().at(10, 0).run(callback)`."""
        return FluentScheduledEventBuilder(self, name)

    def training_now(self, training_code: Callable[[], Any]) -> ScheduledEvent:
        """Run a function at once."""
        now = self.utc_now()
        name = f"Training: Now: {now:%Y-%m-%dT%H:%M:%S.%f}0Z"
        return self.on(name, self.date_rules.today, self.time_rules.now, training_code)

    def training(
        self, date_rule: Any, time_rule: Any, training_code: Callable[[], Any]
    ) -> ScheduledEvent:
        """Run a function on a schedule."""
        return self.on(date_rule, time_rule, training_code)

    def add(self, scheduled_event: ScheduledEvent) -> None:
        """Add an event; times before now are dropped once the run has started."""
        self._events[next(self._ids)] = scheduled_event
        if self._started:
            scheduled_event.skip_until(self.utc_now())
        self._sorted = None

    def remove(self, scheduled_event: ScheduledEvent) -> None:
        """Remove an event."""
        self._events = {i: e for i, e in self._events.items() if e is not scheduled_event}
        self._sorted = None

    def start(self) -> None:
        """Drop the times before the start of the run."""
        self._started = True
        for event in self._events.values():
            event.skip_until(self.utc_now())
        self._sorted = None

    def _queue(self) -> list[ScheduledEvent]:
        """Events by their next time and, after each adding or removing, by their age."""
        if self._sorted is None:
            events = self._events
            order = sorted(events, key=lambda i: (events[i].next_naive, i))
            self._sorted = [events[i] for i in order]
        return self._sorted

    def fire_past(self, utc_time: datetime, set_time: Callable[[datetime], None]) -> None:
        """Fire what was due strictly before a time, with the clock set to the due time.

        What the callbacks add waits for the next call, as in LEAN.
        """
        queue = self._queue()
        while queue and queue[0].next_naive < utc_time:
            due = queue[0].next_naive
            set_time(due)
            queue[0].fire(due)
            _move_first(queue)

    def fire_due(self, utc_time: datetime) -> None:
        """Fire what is due up to a time."""
        queue = self._queue()
        while queue and queue[0].next_naive <= utc_time:
            queue[0].fire(utc_time)
            _move_first(queue)

    @property
    def next_utc(self) -> datetime:
        """When the next event is due, `datetime.max` if none ever is."""
        return min((e.next_naive for e in self._events.values()), default=_NEVER)

    def fire_each(self, utc_time: datetime, on_error: Callable[[Exception], None]) -> None:
        """Fire what is due up to a time as LEAN's live handler does: in the order of adding.

        Args:
            utc_time: now.
            on_error: told what a callback raised. That event stays due and is fired again by the
                next call.
        """
        for event in list(self._events.values()):
            if event.next_naive > utc_time:
                continue
            try:
                event.fire(utc_time)
            except Exception as problem:
                on_error(problem)
        self._sorted = None


class FluentScheduledEventBuilder(DirectObject):
    """A schedule in words: days first, then times, then `run`."""

    def __init__(self, schedule: ScheduleManager, name: str | None = None) -> None:
        self._schedule = schedule
        self._name = name
        self._date_rule: Any = None
        self._time_rules: list[Any] = []
        self._conditions: list[Callable[[datetime], bool]] = []

    def on(self, *dates: Any) -> FluentScheduledEventBuilder:
        """On given days."""
        self._date_rule = self._schedule.date_rules.on(*dates)
        return self

    def every(self, *days: Any) -> FluentScheduledEventBuilder:
        """On given weekdays or, with a timedelta, again and again from midnight on."""
        if days and isinstance(days[0], timedelta):
            return self._at(self._schedule.time_rules.every(days[0]))
        self._date_rule = self._schedule.date_rules.every(*days)
        return self

    def every_day(self, symbol: Any = None) -> FluentScheduledEventBuilder:
        """Every day, or every trading day of a symbol."""
        self._date_rule = self._schedule.date_rules.every_day(symbol)
        return self

    def month_start(self, symbol: Any = None) -> FluentScheduledEventBuilder:
        """First (trading) day of each month."""
        self._date_rule = self._schedule.date_rules.month_start(symbol)
        return self

    def _at(self, rule: Any) -> FluentScheduledEventBuilder:
        self._time_rules.append(rule)
        return self

    def at(self, *time: Any) -> FluentScheduledEventBuilder:
        """At a time of day."""
        return self._at(self._schedule.time_rules.at(*time))

    def after_market_open(
        self, symbol: Any, minutes_after_open: float = 0, extended_market_open: bool = False
    ) -> FluentScheduledEventBuilder:
        """Some minutes after the open."""
        rules = self._schedule.time_rules
        return self._at(rules.after_market_open(symbol, minutes_after_open, extended_market_open))

    def before_market_close(
        self, symbol: Any, minute_before_close: float = 0, extended_market_close: bool = False
    ) -> FluentScheduledEventBuilder:
        """Some minutes before the close."""
        rules = self._schedule.time_rules
        return self._at(
            rules.before_market_close(symbol, minute_before_close, extended_market_close)
        )

    def where(self, predicate: Callable[[datetime], bool]) -> FluentScheduledEventBuilder:
        """Only at times (UTC) of which a function approves."""
        self._conditions.append(predicate)
        return self

    def during_market_hours(
        self, symbol: Any, extended_market: bool = False
    ) -> FluentScheduledEventBuilder:
        """Only while a symbol's exchange is open."""
        schedule = self._schedule
        return self.where(lambda time: schedule.is_open(symbol, time, extended_market))

    def run(self, callback: Callable[..., Any]) -> ScheduledEvent:
        """Schedule a callback that takes nothing, the time, or the name and the time.

        Raises:
            ValueError: without days or times.
        """
        if self._date_rule is None or not self._time_rules:
            raise ValueError("a schedule needs days, such as every_day(), and times, such as at()")
        rules = self._time_rules
        time_rule = rules[0] if len(rules) == 1 else CompositeTimeRule(rules)
        schedule, conditions = self._schedule, self._conditions
        times = time_rule.create_utc_event_times(dates_from_now(self._date_rule, schedule.utc_now))
        wanted = len(inspect.signature(callback).parameters)
        event = ScheduledEvent(
            self._name or f"{self._date_rule.name}: {time_rule.name}",
            (time for time in times if all(condition(time) for condition in conditions)),
            lambda name, time: callback(*(name, time)[2 - wanted :]),
        )
        schedule.add(event)
        return event
