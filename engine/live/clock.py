"""Clocks: they say when a live run looks at its feed and its scheduled events.

A run asks for the next moment at which something is due and gets the moment to look, never an
earlier one; LEAN looks once a second, so moments are whole seconds. All times are UTC, naive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

SECOND = timedelta(seconds=1)


class Clock(Protocol):
    """What a live run needs of a clock.

    Attributes:
        now: the present moment.
        interrupted: the clock was stopped by SIGINT or ran out, so that the algorithm is told;
            False after SIGTERM, which ends a run without a word.
    """

    now: datetime
    interrupted: bool

    def wait_until(self, due: datetime) -> datetime | None:
        """Wait for a moment; the first at or after it to look, None once the clock has stopped."""


def whole_second(moment: datetime) -> datetime:
    """First whole second that is not before a moment."""
    rest = moment.replace(microsecond=0)
    return rest if rest == moment else rest + SECOND


class EventClock:
    """Jumps from one due moment to the next without sleeping.

    Args:
        start: first moment.
        end: last moment.
    """

    def __init__(self, start: datetime, end: datetime) -> None:
        self.now = start
        self.interrupted = True
        self._end = end
        self._stopped = False

    def stop(self) -> None:
        """Let no further moment come."""
        self._stopped = True

    def wait_until(self, due: datetime) -> datetime | None:
        """The due moment, None if it lies after the end."""
        beat = max(whole_second(due), self.now)
        if not self._passes(min(beat, self._end)):
            return None
        if beat > self._end:
            self.now = self._end
            return None
        self.now = beat
        return beat

    def _passes(self, moment: datetime) -> bool:
        """Let time pass until a moment; False if the clock was stopped before."""
        return not self._stopped


class PacedClock(EventClock):
    """Lets a second of the run pass in a fraction of a second of the machine's time.

    Args:
        start: first moment.
        end: last moment.
        speed: seconds of the run in a second of the machine.
    """

    def __init__(self, start: datetime, end: datetime, speed: float) -> None:
        super().__init__(start, end)
        self._speed = speed
        self._origin = start
        self._begun = time.monotonic()
        self._wake = threading.Event()

    def stop(self) -> None:
        """Let no further moment come, and wake who waits for one."""
        super().stop()
        self._wake.set()

    def _passes(self, moment: datetime) -> bool:
        ahead = (moment - self._origin).total_seconds() / self._speed
        self._wake.wait(max(ahead - (time.monotonic() - self._begun), 0.0))
        return not self._stopped


Window = tuple[datetime, datetime]
Step = Window | Callable[[], None]


class WindowClock:
    """Real time in some windows only: between them it jumps, as a test of LEAN's own clock does.

    A beat that waits for the second before a jump comes a second after it, so the first beat of a
    window is a second after its start.

    Args:
        start: first moment.
        steps: windows (first and last moment) in order, and functions to call between two of them.
        interrupted: see `Clock`.
    """

    def __init__(self, start: datetime, steps: Iterable[Step], interrupted: bool = True) -> None:
        self.now = start
        self.interrupted = interrupted
        self._steps: Iterator[Step] = iter(steps)
        self._window: Window | None = None

    def wait_until(self, due: datetime) -> datetime | None:
        """First beat at or after the due moment."""
        while True:
            if self._window is not None:
                first, last = self._window
                beat = max(whole_second(due), first, self.now)
                if beat <= last:
                    self.now = beat
                    return beat
                self.now = last
            if not self._next_window():
                return None

    def _next_window(self) -> bool:
        for step in self._steps:
            if callable(step):
                step()
                continue
            first, last = step
            if last > self.now:
                # A window that is under way goes on; into any other the clock jumps.
                self._window = (first + SECOND if first > self.now else self.now, last)
                return True
        return False
