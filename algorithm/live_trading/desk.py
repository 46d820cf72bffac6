"""A live run: what a clock, a feed and a broker ask of the algorithm beyond a backtest.

A close decides as a backtest's does, and notes its targets (`outbox`); shortly before the next open
they are ordered, which all brokers take. Before every decision and every training the kept bars are
brought together with history (`live_bars`). After every change what a restart must know is on disk
(`state`); at a start the broker is right about cash and holdings (`account`), the state about what
was meant. What makes room is ordered first, the rest within what that leaves (`ordering`); what the
broker refuses is asked for again, less and less often (`refusals`). Trainings run beside all that
(`background`, `trainings`).

Four threads meet here: of slices, of scheduled events, of order events, and of a training. What
they share is changed under one lock, `LiveDesk.guard`, which nobody holds while an order is sent:
LEAN may bring its events on another thread before the call returns.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from AlgorithmImports import *

from algorithm.bars import BarBook
from algorithm.live_trading.account import AccountBook
from algorithm.live_trading.live_bars import LiveBars
from algorithm.live_trading.ordering import KILL_SWITCH, OFF, Ordering
from algorithm.live_trading.outbox import Outbox
from algorithm.live_trading.state import LiveState
from algorithm.live_trading.trainings import Trainings
from algorithm.stops import Stops
from algorithm.times import from_text, said, to_text
from sim.accounting import Rules

SEND_AT = (9, 20)
"""New York time at which orders for the open are sent: within the hours of all brokers' models."""

SETTLE = 5
"""Minutes after the open at which what was refused late is put right."""

LATE = 5
"""Minutes after a close by which it must have brought data and a decision, or it is said."""

FAILURES = 3
"""Closes in a row whose decision failed, after which everything is sold until one succeeds."""


class Remembers(Protocol):
    """As much of `algorithm.learner.Learner` as a restart needs."""

    def to_state(self) -> dict[str, Any] | None:
        """By what the models are found again."""

    def record(self) -> dict[str, Any] | None:
        """What rules and candidates have earned."""


class Tells(Protocol):
    """As much of `algorithm.diagnostics.Diagnostics` as a restart needs."""

    version: int

    def to_state(self) -> dict[str, Any]:
        """What it has been told."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` gave."""


@dataclass(frozen=True)
class Left:
    """What the run before left of its learner.

    Attributes:
        models: as `Remembers.to_state` gave it.
        record: as `Remembers.record` gave it; None if there is none to be had.
    """

    models: Mapping[str, Any]
    record: Mapping[str, Any] | None


class LiveDesk:
    """Keeps a live run right.

    Attributes:
        guard: held while anything changes that threads share; never while an order is sent.
        bars: of the feed and of history.
        account: what came and went.
        outbox: what is to be ordered.
        benchmark: shares of the benchmark by ticker, empty before there are any.
        orders: sends it.
        trainings: what came of them.
    """

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        bars: BarBook,
        stops: Stops,
        state: LiveState,
        warm_up: timedelta,
        learner: Remembers,
        diagnostics: Tells,
        rules: Rules,
        equity: Callable[[], float],
    ) -> None:
        """Build it in `initialize`.

        Args:
            algorithm: that trades.
            symbols: what is traded.
            bars: where its bars are kept.
            stops: its stops.
            state: where state and record are kept.
            warm_up: length of the history that a first start begins with.
            learner: what it knows is kept with the state.
            diagnostics: what the report shows is kept with it, too.
            rules: caps and lots.
            equity: gives what may be traded with now, $.
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._stops = stops
        self._store = state
        self._learner = learner
        self._diagnostics = diagnostics
        self._shown: int | None = None
        midnight = datetime.combine(algorithm.time.date(), datetime.min.time())
        self._begun = algorithm.time
        self._decided: datetime | None = None
        self._failed: datetime | None = None
        self._told: datetime | None = None
        self._failures = 0
        self._killed = False
        self._unsaved = False
        self._first = self._ready = False
        self.guard = threading.RLock()
        self.outbox = Outbox()
        self.benchmark: dict[str, float] = {}
        self.orders = Ordering(
            algorithm, symbols, self.outbox, rules, equity, self.guard, self.save, self.tell
        )
        self.trainings = Trainings(algorithm, self.guard, self._sell_all, self.save, self.tell)
        self.bars = LiveBars(
            algorithm, symbols, bars, midnight - warm_up, self.guard, self._follow, self.tell
        )
        self.account = AccountBook(
            algorithm, symbols, self.guard, self.tell, self.bars.splits_since
        )

    # Start.

    def begin(self) -> Left | None:
        """Bring back what the run before left, and fill the bars.

        Nothing is saved until `ready`: what is returned would be lost.

        Returns:
            By what the models are found again; None to train new ones.

        Raises:
            StateError: if there is a state that cannot be used.
        """
        kept, record, report = self._store.load()
        self._first = kept is None
        if kept is not None:
            traded = sorted(symbol.value for symbol in self._symbols)
            if kept["symbols"] != traded:
                self.tell(
                    f"the saved state is of other symbols ({', '.join(kept['symbols'])}); stops, "
                    "pending targets and models begin anew"
                )
                kept = None
        if kept is not None and self._is_of_another_run(kept):
            self.tell(
                f"the saved state is of the close of {kept['decided']}, which is to come: it is "
                "another run's (parameter deployment tells them apart); stops, pending targets and "
                "models begin anew"
            )
            kept = None
        if kept is not None:
            self._begun = datetime.fromisoformat(kept["begun"])
            self._decided = from_text(kept["decided"])
            self._failed, self._failures = from_text(kept["failed"]), int(kept["failures"])
            self._killed = bool(kept["killed"])
            self.trainings.restore(kept["trainings"])
            held = {name: float(q) for name, (q, _) in kept["account"]["holdings"].items()}
            self.bars.restore(kept["bars"], held)
            self.outbox.restore(kept["outbox"])
            self._stops.restore(kept["stops"])
            self.orders.refusals.restore(kept["refusals"])
            self.benchmark.update(kept["benchmark"])
            self._resume_report(report)
        targets, benchmark = dict(self.outbox.targets), dict(self.benchmark)
        self.bars.refresh(self._algorithm.time)
        sent = self.outbox.targets if self.outbox.ordered else {}
        account = None if kept is None else kept["account"]
        for name, factor in self.account.open(account, self.bars.away(), sent).items():
            # Not what history's new scale looked like.
            for followed, saved in ((self.outbox.targets, targets), (self.benchmark, benchmark)):
                if name in saved:
                    followed[name] = saved[name]
            self.bars.account_showed(name, factor)
            self._follow(name, factor)
        if kept is None:
            return None
        self._show()
        waiting = self.undecided()
        if waiting is not None:
            self.tell(
                f"the close of {waiting} had no decision; its open is still to come, and it has "
                "one now"
            )
        self.pass_closes(waiting or self._algorithm.time)
        models = kept["models"]
        return None if models is None else Left(models, record)

    def _resume_report(self, report: Mapping[str, Any] | None) -> None:
        """Let the report go on where it can; otherwise it begins anew."""
        if report is None:
            return
        try:
            self._diagnostics.restore(report)
        except (KeyError, TypeError, ValueError) as problem:
            self.tell(f"the report begins anew, since what it had cannot be read: {said(problem)}")

    def _is_of_another_run(self, kept: Mapping[str, Any]) -> bool:
        """Whether a state knows of a close that is to come.

        A replay that was killed within a close may go on from before it; there that close is
        decided again, to the same end.
        """
        decided, now = from_text(kept["decided"]), self._algorithm.time
        if decided is None or decided <= now:
            return False
        begun = datetime.fromisoformat(kept["begun"])
        return bool(now <= begun or self._hours.get_next_market_close(now, False) != decided)

    def ready(self) -> None:
        """From now on changes are saved: the models of before are back, or will be trained anew."""
        self._ready = True
        if self._first:
            # A restart before anything else is saved is to know since when closes count.
            self.save()

    def pass_closes(self, before: datetime) -> None:
        """Heed the closes that had no decision: the machine slept, or nothing ran.

        Cooldowns count them. Those that nobody has spoken of yet are named.

        Args:
            before: a close that is about to be decided, or the present.
        """
        days = [time for time in self.bars.days() if time < before]
        self._stops.pass_closes(days)
        spoken_of = (self._decided, self._failed, self._told, self._begun)
        known = max(time for time in spoken_of if time is not None)
        missed = [time for time in days if time > known]
        if not missed:
            return
        self._stops.miss_closes()
        self._told = missed[-1]
        several = f"{len(missed)} closes passed without a decision, {missed[0]:%Y-%m-%d} to "
        one = "a close passed without a decision, "
        self.tell(
            f"{several if len(missed) > 1 else one}{missed[-1]:%Y-%m-%d}; positions stayed as they "
            "were"
        )

    @property
    def decided(self) -> datetime | None:
        """The newest close that was decided on; None before the first."""
        return self._decided

    def undecided(self) -> datetime | None:
        """The newest close, if it has no decision and its open is still to come.

        That is one whose decision a killed process took with it, or at which the first training was
        under way. The feed may not tell of it again; history has its bars.
        """
        newest = self.bars.newest()
        if newest is None or newest <= (self._decided or self._begun):
            return None
        if self._algorithm.time >= self._open_after(newest):
            return None
        return newest

    def _follow(self, name: str, factor: float) -> None:
        """Let pending targets and the benchmark follow a split by a price factor."""
        self.outbox.scale(name, factor)
        if name in self.benchmark:
            self.benchmark[name] /= factor

    def split(self, name: str, factor: float, day: date, paid: float = 1.0) -> None:
        """Heed a split that the broker tells of; see `LiveBars.split`."""
        self.bars.split(name, factor, day, paid)
        self.save()

    # Decisions and orders.

    def record(self, close: datetime, targets: Mapping[str, float]) -> None:
        """Note what a close decided, on disk before it returns.

        What one of LEAN's stages failed at stays a failure, though the others went on.
        """
        with self.guard:
            self.outbox.record(close, targets)
            self._decided = close
            if close != self._failed:
                self._failures = 0
            # One at which everything was sold by the kill switch is no less a close.
            self._stops.pass_closes([close])
            self.save()

    def failed(self, close: datetime, problem: builtins.Exception) -> None:
        """Note that a decision failed: positions stay, or after several of them go."""
        with self.guard:
            if close != self._failed:
                # A restart may decide a close again.
                self._failed, self._failures = close, self._failures + 1
                self._stops.pass_closes([close])
            self.tell(f"the decision at {close} failed, no new orders: {said(problem)}")
            if self._failures >= FAILURES:
                self.tell(f"{self._failures} decisions in a row failed: everything is sold")
                self._sell_all(close)
            self.save()

    def _sell_all(self, close: datetime | None = None) -> None:
        """Let the next open find nothing held.

        Args:
            close: after which; the newest by default, if there is one.
        """
        known = close or self.bars.newest()
        if known is not None:
            self.outbox.record(known, {symbol.value: 0.0 for symbol in self._symbols})

    # Orders.

    def filled(self, event: OrderEvent) -> None:
        """Note a fill: its money is accounted for, and what is held is kept on disk."""
        with self.guard:
            self.account.filled(event)
            if self.orders.refusals.taken(event.symbol.value):
                self.tell(f"{event.symbol.value}: the broker takes orders again")
            self.save()

    def paid(self, dividends: Dividends, splits: Splits) -> None:
        """Note dividends of a slice and its splits: they come as cash and are no deposit."""
        with self.guard:
            self.account.paid(dividends, splits)
            self.save()

    def cancel_stale(self) -> None:
        """Cancel what was not filled at its open; the close decides anew."""
        for symbol in self._symbols:
            for ticket in list(self._algorithm.transactions.get_open_order_tickets(symbol)):
                self.tell(
                    f"{symbol.value}: order {ticket.order_id} of {ticket.quantity:g} was not "
                    "filled at its open and is cancelled"
                )
                ticket.cancel("not filled at its open")

    def stopped(self) -> bool:
        """Whether the kill switch is on; then everything is to be sold.

        LEAN's store remembers that a key was there after its file has gone, hence `OFF`.
        """
        store = self._algorithm.object_store
        thrown = bool(store.contains_key(KILL_SWITCH))
        if thrown:
            try:
                thrown = str(store.read(KILL_SWITCH)).strip().lower() not in ("", OFF)
            except builtins.Exception:
                thrown = False
        if thrown != self._killed:
            self._killed = thrown
            self.tell(
                f"the kill switch ({KILL_SWITCH} in the object store) is on: everything is sold, "
                "nothing is bought"
                if thrown
                else "the kill switch is off: decisions go on"
            )
            # Somebody is at the desk, and may have seen to what was refused.
            self.orders.refusals.forget()
            self.save()
        if thrown:
            with self.guard:
                self._sell_all(self.outbox.close)
                self.save()
        return thrown

    def missed_sending(self) -> bool:
        """Whether today's time of sending has passed and the open has not."""
        now, opens = self._algorithm.time, self._opens()
        if opens is None or now >= opens:
            return False
        hour, minute = SEND_AT
        return bool(now >= opens.replace(hour=hour, minute=minute, second=0, microsecond=0))

    def _opens(self) -> datetime | None:
        """The first open after the close that was decided on; None before the first decision."""
        return None if self.outbox.close is None else self._open_after(self.outbox.close)

    def _open_after(self, close: datetime) -> datetime:
        """The first open after a close, New York time."""
        return self._hours.get_next_market_open(close, False)

    @property
    def _hours(self) -> SecurityExchangeHours:
        return self._algorithm.securities[self._symbols[0]].exchange.hours

    def send(self) -> dict[Symbol, float]:
        """Order what is to be held from the coming open on; what was due, empty if nothing was.

        Sending it twice does no harm: what was sent is then on order. Nothing leaves that is not on
        disk.
        """
        if self._unsaved:
            self.save()
        if self._unsaved:
            self.tell("nothing is ordered, since the state cannot be saved")
            return {}
        opens = self._opens()
        return {} if opens is None else self.orders.send(opens)

    def settle(self) -> None:
        """In the session: put right what an order that was refused late has left too large."""
        now, hours = self._algorithm.time, self._hours
        if hours.get_next_market_close(now, False) < hours.get_next_market_open(now, False):
            self.orders.settle()

    def watch(self, deciding: bool) -> None:
        """Some minutes after a close: say what it should have brought and did not.

        Args:
            deciding: whether there is a decider; before the first training there is none.
        """
        now = self._algorithm.time
        silent = self.bars.silent_on(now)
        if silent:
            self.tell(f"{', '.join(silent)}: no bar of today's close; no decision on it")
            self._told = now
        if not deciding:
            self._told = now
            self.tell(f"today's close had no decision: the first training {self.trainings.lacking}")
        elif len(silent) < len(self._symbols) and (
            self._decided is None or self._decided.date() != now.date()
        ):
            self.tell("today's close had data and no decision")
            self._told = now

    # State.

    def save(self) -> None:
        """Put on disk what a restart must know.

        A store that refuses is told of, and until it takes the state nothing is ordered. Before
        `begin` is done there is nothing to save but what would be lost.
        """
        if not self._ready:
            return
        with self.guard:
            self._save()
            self._show()

    def _save(self) -> None:
        try:
            version = self._diagnostics.version
            report = self._diagnostics.to_state() if version != self._shown else None
            self._store.save(self._to_state(), self._learner.record(), report)
            self._shown = version
        except (OSError, ValueError) as problem:
            self.tell(f"the state cannot be saved: {said(problem)}")
            self._unsaved = True
            return
        if self._unsaved:
            self._unsaved = False
            self.tell("the state is saved again")

    def _show(self) -> None:
        """Beside LEAN's figures: how old the models are, and what is held or to be ordered."""
        self.trainings.show()
        if self.outbox.close is not None:
            found = sorted(self.outbox.targets.items())
            targets = ", ".join(f"{name} {n:g}" for name, n in found)
            close = f"the close of {self.outbox.close:%Y-%m-%d}"
            left = "ordered" if self.outbox.ordered else "to be ordered before the open"
            shown = f"{targets} of {close}, {left}" if found else f"none new at {close}"
            self._algorithm.set_runtime_statistic("Targets", shown)

    def _to_state(self) -> dict[str, Any]:
        return {
            "symbols": sorted(symbol.value for symbol in self._symbols),
            "begun": self._begun.isoformat(),
            "decided": to_text(self._decided),
            "failed": to_text(self._failed),
            "failures": self._failures,
            "killed": self._killed,
            "trainings": self.trainings.to_state(),
            "bars": self.bars.to_state(),
            "outbox": self.outbox.to_state(),
            "stops": self._stops.to_state(),
            "refusals": self.orders.refusals.to_state(),
            "benchmark": dict(self.benchmark),
            "models": self._learner.to_state(),
            "account": self.account.to_state(),
        }

    def tell(self, line: str) -> None:
        """Say something in the log."""
        self._algorithm.log(f"live: {line}")
