"""A project in live paper trading: from its state on disk to its results (`engine live`)."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.api.run_context import RunContext, ignore_message
from engine.common.clock import NEW_YORK, from_utc, midnight, to_utc
from engine.feed.bar_files import BarFiles
from engine.feed.subscriptions import Sources
from engine.live.brokerage import Brokerage, LeanPaperBrokerage, PaperBrokerage
from engine.live.clock import SECOND, EventClock, PacedClock
from engine.live.host import LiveHost, LiveResult
from engine.live.journal import Journal
from engine.live.state import AccountStore, StateLock
from engine.live.ticks import FactorsAsOf, ReplayTicks
from engine.orders.orders import Order, OrderEvent
from engine.run.runner import (
    BacktestResult,
    finish_run,
    loaded_algorithm,
    make_context,
    project_parameters,
    run_number,
)

PAPER, LEAN_PAPER = "paper", "lean-paper"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Options:
    """How a project is traded.

    Attributes:
        data_folder: LEAN data folder that is replayed.
        store: folder of the object store.
        state: folder of the account.
        results: folder of this run's files; exists.
        first: day on which a new account begins; None goes on where the account stands.
        last: last day.
        speed: seconds of the run in a second, None for as fast as it goes.
        brokerage: `paper`, which is durable, or `lean-paper`, which forgets.
        parameters: replace those of config.json altogether.
        show: receives each line of the log.

    Raises:
        ValueError: if speed or brokerage is none of these.
    """

    data_folder: Path
    store: Path
    state: Path
    results: Path
    first: datetime | None
    last: datetime
    speed: float | None = None
    brokerage: str = PAPER
    parameters: Mapping[str, str] | None = None
    show: Callable[[str], None] = ignore_message

    def __post_init__(self) -> None:
        if self.brokerage not in (PAPER, LEAN_PAPER):
            raise ValueError(
                f"--brokerage must be {PAPER} or {LEAN_PAPER}; received {self.brokerage!r}"
            )
        if self.speed is not None and not 0 < self.speed < float("inf"):
            raise ValueError(f"--speed must be > 0 and finite, or max; received {self.speed}")


@dataclass(frozen=True)
class Session:
    """What became of a live run.

    Attributes:
        started, ended: the run's own time, UTC.
        live: of the host.
        results: what its result files hold, None if it had not begun to trade.
        resumed: the account was there before.
    """

    started: datetime
    ended: datetime
    live: LiveResult
    results: BacktestResult | None
    resumed: bool = False


def run_project(project: Path, options: Options) -> Session:
    """Trade a project until its last day, or until SIGINT.

    Raises:
        ValueError: if another process uses the state, or an option is wrong.
        NotImplementedError: for what live runs lack.
        OSError: if state or results cannot be written.
    """
    parameters = project_parameters(project, options.parameters)
    lock = StateLock(options.state)
    try:
        folder = options.state if options.brokerage == PAPER else options.state / options.brokerage
        folder.mkdir(exist_ok=True)
        store = AccountStore(folder)
        try:
            return _run(project, options, parameters, store)
        finally:
            store.close()
    finally:
        lock.release()


def _run(
    project: Path, options: Options, parameters: Mapping[str, str], store: AccountStore
) -> Session:
    durable = options.brokerage == PAPER
    resumed = durable and store.fact("clock") is not None
    started = _first_moment(options, store if durable else None)
    clock = _clock(options, started)
    context = make_context(options.data_folder, options.store, parameters)
    bars = context.sources.bars
    context.sources, events = sources_as_of(bars, options.data_folder, clock)
    context.live_start = started
    run = options.results.name
    journal = Journal(options.results, run, lambda: clock.now, options.show)
    context.on_message = journal.line
    brokerage: Brokerage = LeanPaperBrokerage()
    if durable:
        brokerage = _Told(store, events, journal)
    try:
        store.note({"run": run, "status": "running", "project": project.resolve(), "error": ""})
        journal.event("start", brokerage=options.brokerage, first=started.isoformat())
        if resumed:
            _tell_of_kill(store, journal)
        with loaded_algorithm(project, context) as kind, _interruptible(clock):
            host = LiveHost(context, clock, ReplayTicks(context.sources), brokerage, events)
            files = _Results(context, options)
            # As fast as it goes, a run is over before anyone could look at what it has so far.
            between = None if options.speed is None else files
            live = host.run(kind, _Noting(store, journal, host, brokerage, between))
            results = files.write(live.algorithm, live.loop, live.error)
        _tell_end(store, journal, live.error)
        return Session(started, clock.now, live, results, resumed)
    except Exception as problem:
        _tell_end(store, journal, problem)
        raise
    finally:
        journal.close()


class _Told(PaperBrokerage):
    """The durable brokerage, telling the journal of every order event."""

    def __init__(self, store: AccountStore, sources: Sources, journal: Journal) -> None:
        super().__init__(store, sources)
        self._journal = journal

    def _record(self, order: Order, event: OrderEvent) -> None:
        super()._record(order, event)
        self._journal.event(
            "order",
            order=order.id,
            symbol=order.symbol.value,
            type=order.type.name,
            status=event.status.name,
            quantity=str(order.quantity_exact),
            fill_quantity=str(event.fill_quantity_exact),
            fill_price=str(event.fill_price_exact),
        )


class _Results:
    """Writes LEAN's result files of a run, at its end and of what there is so far."""

    def __init__(self, context: RunContext, options: Options) -> None:
        self._context = context
        self._options = options
        self._started = datetime.now(UTC).replace(tzinfo=None)
        self._number = run_number()

    def write(self, algorithm: Any, loop: Any, error: Exception | None) -> BacktestResult | None:
        """Write them; nothing if the run did not get to its loop."""
        if loop is None:
            return None
        options = self._options
        return finish_run(
            algorithm,
            loop,
            self._context,
            options.data_folder,
            options.results,
            self._started,
            error,
            self._number,
        )


class _Noting:
    """Notes after each beat how far the run has come."""

    def __init__(
        self,
        store: AccountStore,
        journal: Journal,
        host: LiveHost,
        brokerage: Brokerage,
        results: _Results | None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._host = host
        self._brokerage = brokerage
        self._results = results

    def __call__(self, now: datetime) -> None:
        algorithm: Any = self._host.algorithm
        facts: dict[str, Any] = {
            "clock": now,
            "done": now,
            "equity": algorithm.portfolio.total_portfolio_value_exact,
            "last_line": self._journal.last_line,
        }
        data = algorithm.current_slice
        if data is not None and data.bars:
            facts["last_bar"] = now
            if self._results is not None:
                self._results.write(algorithm, self._host.loop, None)
            self._journal.event(
                "bars", symbols=sorted(bar.symbol.value for bar in data.bars.values())
            )
        with self._store.transaction():
            if isinstance(self._brokerage, PaperBrokerage):
                self._brokerage.save_open_orders()
            self._store.note(facts)


def sources_as_of(bars: BarFiles, data_folder: Path, clock: EventClock) -> tuple[Sources, Sources]:
    """Files as they are on a clock's day: for bars and history, and for corporate events.

    A row of a factor file is of the last day before its event. Prices follow it from the next day
    on; who tells of events must know it in that day's morning already.
    """

    def known(ahead: timedelta) -> Sources:
        return Sources(
            bars,
            FactorsAsOf(data_folder, lambda: midnight(from_utc(clock.now, NEW_YORK)) + ahead),
        )

    return known(timedelta(0)), known(_DAY)


def _clock(options: Options, started: datetime) -> EventClock:
    """The clock from a moment (UTC) to the end of the last day.

    Raises:
        ValueError: if that is over.
    """
    end = to_utc(options.last + _DAY, NEW_YORK) - SECOND
    if started >= end:
        raise ValueError(
            f"--to must be after the account's clock, {from_utc(started, NEW_YORK)} New York time; "
            f"received {options.last:%Y-%m-%d}"
        )
    if options.speed is None:
        return EventClock(started, end)
    return PacedClock(started, end, options.speed)


def _first_moment(options: Options, store: AccountStore | None) -> datetime:
    """Where a run begins: after the account's own clock, else at midnight of the first day (UTC).

    Raises:
        ValueError: if there is neither.
    """
    noted = store.fact("clock") if store is not None else None
    if noted is not None:
        # That moment has had its beat.
        return datetime.fromisoformat(noted) + SECOND
    if options.first is None:
        raise ValueError("--from must be given for a new account: a replay begins on some day")
    return to_utc(options.first, NEW_YORK)


@contextmanager
def _interruptible(clock: EventClock) -> Iterator[None]:
    """SIGINT ends the run after the beat in progress, with `on_end_of_algorithm`."""
    before = signal.signal(signal.SIGINT, lambda *_: clock.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_of_kill(store: AccountStore, journal: Journal) -> None:
    """Say so if the run before was killed between the orders of one moment."""
    clock, done = store.fact("clock"), store.fact("done")
    if clock is not None and clock != done:
        moment = from_utc(datetime.fromisoformat(clock), NEW_YORK)
        journal.line(
            f"{moment} The run before was killed while orders were given: those of that moment "
            "that it had not given by then are not given now"
        )


def _tell_end(store: AccountStore, journal: Journal, error: Exception | None) -> None:
    status, text = ("stopped", "") if error is None else ("error", f"{error}")
    store.note({"status": status, "error": text})
    journal.event(
        "end", logging.INFO if error is None else logging.ERROR, status=status, error=text
    )
