"""Start, run and end of a live algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.api.algorithm import QCAlgorithm
from engine.api.run_context import RunContext
from engine.common.enums import AlgorithmStatus
from engine.feed.subscriptions import Sources
from engine.live.arrivals import BarSource
from engine.live.brokerage import Brokerage
from engine.live.clock import Clock
from engine.live.day_notes import DayNotes
from engine.live.feed import LiveFeed
from engine.live.loop import LiveLoop, lean_trace
from engine.live.ticks import TickSource
from engine.run.runner import serve_statistics


class _Telling:
    """After each beat: says what is special about the day and which closes came too late.

    Args:
        algorithm: of the run.
        feed: its data.
        tell: receives the lines.
        on_step: called afterwards.
    """

    def __init__(
        self, algorithm: QCAlgorithm, feed: LiveFeed, tell: Callable[[str], None], on_step: Any
    ) -> None:
        self._hours = algorithm.qc_default_hours
        self._days = DayNotes(self._hours)
        self._feed = feed
        self._tell = tell
        self._on_step = on_step

    def __call__(self, now: datetime) -> None:
        local = self._hours.from_utc(now)
        lines = self._days.lines(local)
        by_ends: dict[str, list[str]] = {}
        for ticker, ends in self._feed.missed.items():
            by_ends.setdefault(", ".join(f"{end:%Y-%m-%d}" for end in ends), []).append(ticker)
        for days, tickers in by_ends.items():
            lines.append(
                f"feed: {', '.join(tickers)}: the bars of {days} came together with a later one: "
                "on_data has seen the latest only, as in LEAN; consolidators and history have all"
            )
        for line in lines:
            self._tell(f"{local:%Y-%m-%d %H:%M:%S} {line}")
        if self._on_step is not None:
            self._on_step(now)


@dataclass(frozen=True)
class LiveResult:
    """What a live run left behind.

    Attributes:
        algorithm: the instance that ran.
        loop: None if `initialize` failed.
        status: running if it was killed, stopped at the clock's end, or runtime error.
        error: what ended it, None if the clock did.
    """

    algorithm: QCAlgorithm
    loop: LiveLoop | None
    status: AlgorithmStatus
    error: Exception | None

    @property
    def told(self) -> str:
        """What ended the run: message and calls of the user's code; empty if nothing did."""
        return "" if self.error is None else lean_trace(self.error)


class LiveHost:
    """One live run: made before the algorithm, so that others can watch it.

    Args:
        context: with `live_start`; see `engine.api.run_context`.
        clock: says when to look.
        source: the trades, or the bars as they come in.
        brokerage: the account.
        events: the files that tell of splits and dividends; the context's by default.

    Attributes:
        algorithm, loop: of the run, None before.
    """

    def __init__(
        self,
        context: RunContext,
        clock: Clock,
        source: TickSource | BarSource,
        brokerage: Brokerage,
        events: Sources | None = None,
    ) -> None:
        self._context = context
        self._clock = clock
        self._source = source
        self._brokerage = brokerage
        self._events = context.sources if events is None else events
        self.algorithm: QCAlgorithm | None = None
        self.loop: LiveLoop | None = None
        self._tells_end = False

    @property
    def tells_end(self) -> bool:
        """Whether what ended the run is being written to the log."""
        return self._tells_end or (self.loop is not None and self.loop.tells_end)

    @property
    def phase(self) -> str:
        """What the algorithm's code is called for; see `LiveLoop`."""
        return "start" if self.loop is None else self.loop.phase

    def run(self, kind: type[QCAlgorithm], on_step: Any = None, on_ready: Any = None) -> LiveResult:
        """Run an algorithm until the clock stops; its exceptions are in the result.

        Args:
            kind: the algorithm's class.
            on_step: called after each beat with the UTC time.
            on_ready: called when warm-up is over.

        Raises:
            NotImplementedError: for what live runs lack.
        """
        algorithm = self.algorithm = kind()
        try:
            algorithm.qc_callback("initialize")()
        except Exception as problem:
            algorithm.set_run_time_error(problem)
            trace = lean_trace(problem)
            self._tells_end = True
            algorithm.debug(
                "During the algorithm initialization, the following exception has occurred: "
                f"Python.Runtime.PythonException: {trace}"
            )
            self._tells_end = False
            return LiveResult(algorithm, None, algorithm.status, problem)
        self._brokerage.connect(algorithm)
        algorithm.post_initialize()
        feed = LiveFeed(
            algorithm,
            self._context.sources,
            self._context.fred,
            self._source,
            self._events,
            self._brokerage.began(),
            self._brokerage.followed,
        )
        telling = _Telling(algorithm, feed, self._context.on_message, on_step)
        loop = self.loop = LiveLoop(
            algorithm, feed, self._clock, self._brokerage, telling, on_ready
        )
        serve_statistics(algorithm, loop, self._context.interest_rates)
        loop.run()
        if isinstance(loop.error, NotImplementedError):
            raise loop.error
        return LiveResult(algorithm, loop, algorithm.status, loop.error)
