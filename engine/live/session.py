"""A project in live paper trading: from its state on disk to its results (`engine live`)."""

from __future__ import annotations

import json
import logging
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.api.object_store import ObjectStore
from engine.api.run_context import RunContext, ignore_message
from engine.common.clock import END_OF_TIME, NEW_YORK, from_utc, to_utc
from engine.common.decimals import ZERO
from engine.common.durable import make_folders
from engine.feed.subscriptions import Sources
from engine.live.account_file import write_account
from engine.live.brokerage import Brokerage, LeanPaperBrokerage, PaperBrokerage
from engine.live.clock import SECOND, Clock, EventClock, PacedClock, SystemClock
from engine.live.feeds import (
    ALPACA,
    FEEDS,
    FOLDER,
    REPLAY,
    Feed,
    alpaca_feed,
    folder_feed,
    replay_feed,
    sources_as_of,
)
from engine.live.host import LiveHost, LiveResult
from engine.live.journal import Journal
from engine.live.state import AccountStore, Sample, StateLock
from engine.orders.orders import Order, OrderEvent
from engine.run.runner import (
    BacktestResult,
    finish_run,
    loaded_algorithm,
    make_context,
    project_parameters,
    run_number,
)

__all__ = ["LEAN_PAPER", "PAPER", "Options", "Session", "run_project", "sources_as_of"]

PAPER, LEAN_PAPER = "paper", "lean-paper"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Options:
    """How a project is traded.

    Attributes:
        data_folder: LEAN data folder: market hours, and with `replay` the bars.
        store: folder of the object store.
        state: folder of the account.
        results: folder of this run's files; exists.
        first: day on which a new account begins; None goes on where the account stands. Of a
            replay only.
        last: last day; None only where the feed is of the present.
        speed: seconds of the run in a second, None for as fast as it goes. Of a replay only.
        brokerage: `paper`, which is durable, or `lean-paper`, which forgets.
        feed: one of `FEEDS`.
        feed_folder: of the feed `folder`.
        parameters: replace those of config.json altogether.
        show: receives each line of the log, but for those about what ends the run: that is the
            caller's to say.

    Raises:
        ValueError: if an option is none of these, or not one of the feed.
    """

    data_folder: Path
    store: Path
    state: Path
    results: Path
    first: datetime | None
    last: datetime | None
    speed: float | None = None
    brokerage: str = PAPER
    feed: str = REPLAY
    feed_folder: Path | None = None
    parameters: Mapping[str, str] | None = None
    show: Callable[[str], None] = ignore_message

    def __post_init__(self) -> None:
        if self.brokerage not in (PAPER, LEAN_PAPER):
            raise ValueError(
                f"--brokerage must be {PAPER} or {LEAN_PAPER}; received {self.brokerage!r}"
            )
        if self.speed is not None and not 0 < self.speed < float("inf"):
            raise ValueError(f"--speed must be > 0 and finite, or max; received {self.speed}")
        if self.feed not in FEEDS:
            raise ValueError(f"--feed must be one of {', '.join(FEEDS)}; received {self.feed!r}")
        if (self.feed == FOLDER) != (self.feed_folder is not None):
            raise ValueError(
                f"--feed-folder must be given with --feed {FOLDER}, and with no other; received "
                f"--feed {self.feed} and --feed-folder {self.feed_folder}"
            )
        if self.feed == REPLAY and self.last is None:
            raise ValueError("--to must be given for a replay: it ends on some day")
        for name, day in (("--from", self.first), ("--to", self.last)):
            if day is not None and day >= END_OF_TIME:
                raise ValueError(
                    f"{name} must be before {END_OF_TIME:%Y-%m-%d}, where LEAN's time ends; "
                    f"received {day:%Y-%m-%d}"
                )
        if self.feed != REPLAY and (self.first is not None or self.speed is not None):
            raise ValueError(
                f"--from and --speed must not be given with --feed {self.feed}: it trades now"
            )

    @property
    def is_replay(self) -> bool:
        """Whether time is the past's."""
        return self.feed == REPLAY


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
    new = [each for each in (options.state, *options.state.parents) if not each.exists()]
    lock = StateLock(options.state)
    begun = False
    try:
        folder = options.state if options.brokerage == PAPER else options.state / options.brokerage
        make_folders(folder)
        store = AccountStore(folder)
        try:
            return _run(project, options, parameters, store)
        finally:
            begun = not store.facts().keys().isdisjoint({"clock", "cash"})
            store.close()
    finally:
        lock.release()
        if new and not begun:
            # A start that failed leaves nothing behind that a later one would take for an account.
            shutil.rmtree(options.state)
            for each in new[1:]:
                if any(each.iterdir()):
                    break
                each.rmdir()


def _run(
    project: Path, options: Options, parameters: Mapping[str, str], store: AccountStore
) -> Session:
    durable = options.brokerage == PAPER
    resumed = durable and store.fact("clock") is not None
    _check_feed(options, store)
    clock, started = _clock(options, store if durable else None)
    context = make_context(options.data_folder, options.store, parameters)
    context.object_store = ObjectStore(options.store, durable=True)
    context.live_start = started
    run = options.results.name
    feed: Feed | None = None
    host: LiveHost | None = None

    def show(line: str) -> None:
        if host is None or not host.tells_end:
            options.show(line)

    journal = Journal(options.results, run, lambda: clock.now, show)
    if isinstance(clock, SystemClock):
        clock.tell = lambda line: journal.line(f"{_new_york(clock.now)} {line}")
    try:
        feed = _feed(options, context, clock, store if durable else None)
        context.sources = feed.sources
        context.on_message = journal.line
        brokerage: Brokerage = LeanPaperBrokerage()
        if durable:
            brokerage = _Told(store, feed.events, journal)
        store.note(
            {
                "run": run,
                "status": "running",
                "project": project.resolve(),
                "error": "",
                "feed": options.feed,
            }
        )
        journal.event(
            "start", brokerage=options.brokerage, feed=options.feed, first=started.isoformat()
        )
        if resumed:
            _tell_of_kill(store, journal)
        with loaded_algorithm(project, context) as kind, _interruptible(clock):
            host = LiveHost(context, clock, feed.source, brokerage, feed.events)
            files = _Results(context, options, store if durable else None)
            # As fast as it goes, a run is over before anyone could look at what it has so far.
            between = None if options.is_replay and options.speed is None else files
            noting = _Noting(store, journal, host, brokerage, between, run)
            live = host.run(kind, noting, noting.ready)
            results = files.write(live.algorithm, live.loop, live.error)
        _tell_end(store, journal, live.error, durable)
        return Session(started, clock.now, live, results, resumed)
    except Exception as problem:
        _tell_end(store, journal, problem, durable)
        if host is None or host.loop is None:
            journal.discard()
        raise
    finally:
        if feed is not None:
            feed.close()
        journal.close()


def _check_feed(options: Options, store: AccountStore) -> None:
    """Refuse to go on in the present with an account of the past, or the other way round.

    Raises:
        ValueError: naming the feed that the account has.
    """
    had = store.fact("feed")
    if had is not None and (had == REPLAY) != options.is_replay:
        raise ValueError(
            f"--state must be an account that trades on --feed {options.feed}; this one was traded "
            f"on --feed {had}, at another time than now; --state takes another folder for another "
            "account"
        )


def _feed(options: Options, context: RunContext, clock: Clock, store: AccountStore | None) -> Feed:
    """Open the feed.

    Raises:
        ValueError: if it cannot be opened.
    """
    hours, given = context.market_hours.equity_hours, _given(store)
    if isinstance(clock, SystemClock) and options.feed == ALPACA:
        return alpaca_feed(options.data_folder, hours, clock, given)
    if isinstance(clock, SystemClock) and options.feed_folder is not None:
        return folder_feed(options.feed_folder, options.data_folder, hours, clock, given)
    return replay_feed(context.sources.bars, options.data_folder, clock)


def _given(store: AccountStore | None) -> dict[str, dict[str, datetime]]:
    """Up to where the run before was given bars; see `BarSource.given`."""
    noted = store.fact("given") if store is not None else None
    return {
        ticker: {name: datetime.fromisoformat(time) for name, time in given.items()}
        for ticker, given in json.loads(noted or "{}").items()
    }


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

    def __init__(self, context: RunContext, options: Options, store: AccountStore | None) -> None:
        self._context = context
        self._options = options
        self._store = store
        self._started = datetime.now(UTC).replace(tzinfo=None)
        self._number = run_number()

    def write(self, algorithm: Any, loop: Any, error: Exception | None) -> BacktestResult | None:
        """Write them; nothing if the run did not get to its loop."""
        if loop is None:
            return None
        options = self._options
        if self._store is not None:
            write_account(self._store, options.results)
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
        run: str,
    ) -> None:
        self._run = run
        self._store = store
        self._journal = journal
        self._host = host
        self._brokerage = brokerage
        self._results = results

    def __call__(self, now: datetime) -> None:
        algorithm: Any = self._host.algorithm
        facts = {"clock": now, "done": now, **self._seen()}
        data = algorithm.current_slice
        if data is not None and data.bars:
            if data.utc_time_naive == now:
                self._sample()
            if self._results is not None:
                self._results.write(algorithm, self._host.loop, None)
            self._journal.event(
                "bars", symbols=sorted(bar.symbol.value for bar in data.bars.values())
            )
        with self._store.transaction():
            if isinstance(self._brokerage, PaperBrokerage):
                self._brokerage.save_open_orders()
            self._store.note(facts)

    def ready(self) -> None:
        """Note what is known before the first beat, which may be hours away."""
        self._store.note(self._seen())
        self._sample(self._run)

    def _sample(self, run: str = "") -> None:
        """Note what the account is worth, at a close or at the start of a run.

        One that forgets has no past: each of its runs begins with what it is given.
        """
        if isinstance(self._brokerage, PaperBrokerage):
            algorithm: Any = self._host.algorithm
            now = algorithm.utc_time_naive
            value = algorithm.portfolio.total_portfolio_value_exact
            try:
                benchmark = algorithm.benchmark.evaluate_exact(now)
            except Exception:
                # The user's function, which LEAN does not ask now; 0 is none, as without a price.
                benchmark = ZERO
            self._store.add_sample(Sample(now, value, benchmark, run))

    def _seen(self) -> dict[str, Any]:
        """Facts of the present; where the run stands is not among them."""
        algorithm: Any = self._host.algorithm
        facts: dict[str, Any] = {
            "equity": algorithm.portfolio.total_portfolio_value_exact,
            "last_line": self._journal.last_line,
            "told_by_algorithm": json.dumps(algorithm.runtime_statistics),
        }
        loop = self._host.loop
        if loop is not None:
            facts["newest"] = _times(loop.live_feed.newest)
            if given := loop.live_feed.given:
                facts["given"] = json.dumps({t: json.loads(_times(g)) for t, g in given.items()})
        return facts


def _times(times: Mapping[str, datetime]) -> str:
    return json.dumps({name: time.isoformat() for name, time in times.items()})


def _new_york(utc: datetime) -> str:
    return f"{from_utc(utc, NEW_YORK):%Y-%m-%d %H:%M:%S}"


def _clock(
    options: Options, store: AccountStore | None
) -> tuple[EventClock | SystemClock, datetime]:
    """The clock to the end of the last day, and the moment (UTC) at which a run begins.

    That is after the account's own clock; of a new account the first day's midnight, or now.

    Raises:
        ValueError: if there is no such moment, or it lies after the end.
    """
    noted = store.fact("clock") if store is not None else None
    # The moment that is noted has had its beat.
    after = None if noted is None else datetime.fromisoformat(noted) + SECOND
    end = None if options.last is None else to_utc(options.last + _DAY, NEW_YORK) - SECOND
    present = SystemClock(end)
    if options.is_replay:
        if after is None and options.first is None:
            raise ValueError("--from must be given for a new account: a replay begins on some day")
        started = to_utc(options.first, NEW_YORK) if after is None else after
    else:
        started = present.now
        if after is not None and started < after:
            raise ValueError(
                f"the account's clock must not be ahead of the machine's, {_new_york(started)} New "
                f"York time; it stands at {_new_york(after)}"
            )
    if end is not None and started >= end:
        raise ValueError(
            f"--to must be after the account's clock, {_new_york(started)} New York time; "
            f"received {options.last:%Y-%m-%d}"
        )
    if not options.is_replay or end is None:
        return present, started
    if options.speed is None:
        return EventClock(started, end), started
    return PacedClock(started, end, options.speed), started


@contextmanager
def _interruptible(clock: Clock) -> Iterator[None]:
    """SIGINT and SIGTERM end the run after what is in progress; the same signal again, at once.

    The algorithm is told of the end (`on_end_of_algorithm`) by SIGINT, and not by SIGTERM, as in
    LEAN. Everything is on disk either way.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        clock.stop(interrupted=number == signal.SIGINT)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_of_kill(store: AccountStore, journal: Journal) -> None:
    """Say so if the run before was killed between the orders of one moment."""
    clock, done = store.fact("clock"), store.fact("done")
    if clock is not None and clock != done:
        journal.line(
            f"{_new_york(datetime.fromisoformat(clock))} The run before was killed while orders "
            "were given: those of that moment that it had not given by then are not given now"
        )


def _tell_end(
    store: AccountStore, journal: Journal, error: Exception | None, durable: bool
) -> None:
    status, text = ("stopped", "") if error is None else ("error", f"{error}")
    facts = {"status": status, "error": text}
    if error is not None or not durable:
        # What is said at a planned end is for accounts that forget.
        facts["last_line"] = journal.last_line
    store.note(facts)
    journal.event(
        "end", logging.INFO if error is None else logging.ERROR, status=status, error=text
    )
