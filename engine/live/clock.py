"""Clocks: they say when a live run looks at its feed and its scheduled events.

A run asks for the next moment at which something is due and gets the moment to look; LEAN looks
once a second, so moments are whole seconds. An earlier moment comes only on the machine's own time,
when a feed has news. All times are UTC, naive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from engine.common.clock import NEW_YORK, from_utc

SECOND = timedelta(seconds=1)
_LOOK = 1.0
"""Seconds of the machine after which a waiting clock looks whether a feed has news."""
_STOOD_STILL = timedelta(minutes=1)
"""A wait that took so much longer than it was asked to is told of."""


class Clock(Protocol):
    """What a live run needs of a clock.

    Attributes:
        interrupted: the clock was stopped by SIGINT or ran out, so that the algorithm is told;
            False after SIGTERM, which ends a run without a word to it.
    """

    interrupted: bool

    @property
    def now(self) -> datetime:
        """The present moment."""

    def wait_until(self, due: datetime) -> datetime | None:
        """Wait for a moment; the first at or after it to look, None once the clock has stopped."""

    def stop(self, interrupted: bool = True) -> None:
        """Let no further moment come; see `interrupted`."""


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

    def stop(self, interrupted: bool = True) -> None:
        """Let no further moment come."""
        self.interrupted = interrupted
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

    def stop(self, interrupted: bool = True) -> None:
        """Let no further moment come, and wake who waits for one."""
        super().stop(interrupted)
        self._wake.set()

    def _passes(self, moment: datetime) -> bool:
        ahead = (moment - self._origin).total_seconds() / self._speed
        self._wake.wait(max(ahead - (time.monotonic() - self._begun), 0.0))
        return not self._stopped


class Machine:
    """The machine's time, and sleep that can be ended."""

    def __init__(self) -> None:
        self._wake = threading.Event()

    def time(self) -> datetime:
        """Now, UTC: what its clock shows, which may be set and goes on while it is suspended."""
        return datetime.now(UTC).replace(tzinfo=None)

    def ticking(self) -> float:
        """Seconds that nobody can set and that do not pass while it is suspended."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until `wake`."""
        self._wake.wait(seconds)

    def wake(self) -> None:
        """End this sleep and all that follow."""
        self._wake.set()


class SystemClock:
    """The machine's own time, which never runs backwards here.

    Args:
        end: last moment; None for a run without end.
        news: whether a feed has something new; asked once a second.
        tell: told when the machine stood still, or its clock was set.
        machine: whose time.
    """

    def __init__(
        self,
        end: datetime | None = None,
        news: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
        machine: Machine | None = None,
    ) -> None:
        self.interrupted = True
        self.news = news
        self.tell = tell
        self._end = end
        self._machine = machine or Machine()
        self._stopped = False
        self._latest = self._seen = self._machine.time()
        self._ticked = self._machine.ticking()
        self._beat = datetime.min
        self._set_back = False

    @property
    def now(self) -> datetime:
        """The present second."""
        self._latest = max(self._latest, self._machine.time())
        return self._latest.replace(microsecond=0)

    def stop(self, interrupted: bool = True) -> None:
        """Let no further moment come, and wake who waits for one."""
        self.interrupted = interrupted
        self._stopped = True
        self._machine.wake()

    def wait_until(self, due: datetime) -> datetime | None:
        """The present second, once something is due or a feed has news; at most one a second."""
        slept = 0.0
        while not self._stopped:
            self._compare(slept)
            now = self.now
            if self._end is not None and now > self._end:
                self._stopped = True
                return None
            if now > self._beat:
                # Asked before what is due is done, which is to rest on what is known by then.
                has_news = self.news()
                if has_news or now >= whole_second(due):
                    self._beat = now
                    return now
            begun = self._machine.ticking()
            self._machine.sleep(_LOOK)
            slept = self._machine.ticking() - begun
        return None

    def _compare(self, slept: float) -> None:
        """Tell of a machine that was suspended or stopped, and of a clock that was set.

        A suspended machine's clock goes on and its ticking does not; one that was stopped slept
        longer than it was asked to.
        """
        shown, ticked = self._machine.time(), self._machine.ticking()
        passed = timedelta(seconds=ticked - self._ticked)
        gone = shown - self._seen
        before, self._seen, self._ticked = self._seen, shown, ticked
        if gone - passed > _STOOD_STILL or slept - _LOOK > _STOOD_STILL.total_seconds():
            self.tell(
                f"The machine stood still, or its clock was set forward: from {_local(before)} to "
                f"{_local(shown)} New York time. What was due meanwhile comes now"
            )
        elif gone - passed < -SECOND and not self._set_back:
            self._set_back = True
            self.tell(
                f"The machine's clock was set back, to {_local(shown)} New York time: nothing is "
                f"done until it has passed {_local(self._latest)} again"
            )
        if shown >= self._latest:
            self._set_back = False


def _local(utc: datetime) -> str:
    return f"{from_utc(utc.replace(microsecond=0), NEW_YORK):%Y-%m-%d %H:%M:%S}"


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

    def stop(self, interrupted: bool = True) -> None:
        """Let no further moment come."""
        self.interrupted = interrupted
        self._window, self._steps = None, iter(())

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
