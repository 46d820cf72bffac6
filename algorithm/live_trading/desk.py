"""A live run: what a clock, a feed and a broker ask of the algorithm beyond a backtest.

A close decides as a backtest's does, and notes its targets (`outbox`); shortly before the next open
they are ordered, which all brokers take. Before every decision and every training the kept bars are
brought together with history (`mending`). After every change what a restart must know is on disk
(`state`); at a start the broker is right about cash and holdings, the state about what was meant.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from AlgorithmImports import *

from algorithm.bars import Bar as KeptBar
from algorithm.bars import BarBook, Row, row_of
from algorithm.live_trading.mending import SCALE_ERROR, looks_like_split, mend, scaled
from algorithm.live_trading.outbox import Outbox
from algorithm.live_trading.state import StateStore
from algorithm.stops import Stops

STATES = "mirage-live/"
"""Before the name of a deployment: head of the keys of its saved state."""

KILL_SWITCH = "mirage-live/kill-switch"
"""A key of the object store: while it holds anything but nothing or OFF, everything is sold and
nothing bought."""

OFF = "off"

SEND_AT = (9, 20)
"""New York time at which orders for the open are sent: within the hours of all brokers' models."""

TRAIN_AT = (8, 0)
"""New York time of a retraining, on the first trading day of its month or week."""

LATE = 5
"""Minutes after a close by which it must have brought data and a decision, or it is said."""

LEAST_FLOW = 0.001
"""Share of the account that must come or go before it is said to be a deposit or a withdrawal:
less are fees and interest."""

FAILURES = 3
"""Closes in a row whose decision failed, after which everything is sold until one succeeds."""


class LiveDesk:
    """Keeps a live run right.

    Attributes:
        outbox: what is to be ordered.
        changed: whether bars are no longer those that the present decider has seen.
    """

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        bars: BarBook,
        stops: Stops,
        state: StateStore,
        warm_up: timedelta,
        models: Callable[[], dict[str, Any] | None],
    ) -> None:
        """Build it in `initialize`.

        Args:
            algorithm: that trades.
            symbols: what is traded.
            bars: where its bars are kept.
            stops: its stops.
            state: where the state is kept.
            warm_up: length of the history that a first start begins with.
            models: by what a restart finds the models (`Learner.to_state`).
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._bars = bars
        self._stops = stops
        self._store = state
        self._models = models
        self._started = algorithm.time
        midnight = datetime.combine(algorithm.time.date(), datetime.min.time())
        self._since = midnight - warm_up
        self._splits: dict[str, dict[datetime, float]] = {}
        self._left: dict[str, list[KeptBar]] = {}
        self._trained: datetime | None = None
        self._decided: datetime | None = None
        self._failed: datetime | None = None
        self._failures = 0
        self._killed = False
        self._unsaved = False
        self._cash_known: float | None = None
        self._said: set[str] = set()
        self._refusals: set[int] = set()
        self._begun = False
        self._guard = threading.RLock()
        self._saving = threading.Lock()
        self.outbox = Outbox()
        self.changed = False

    # Start.

    def begin(self) -> dict[str, Any] | None:
        """Bring back what the run before left, and fill the bars.

        Returns:
            By what the models are found again; None to train new ones.

        Raises:
            StateError: if there is a state that cannot be used.
        """
        kept = self._store.load()
        if kept is not None:
            traded = sorted(symbol.value for symbol in self._symbols)
            if kept["symbols"] != traded:
                self._tell(
                    f"the saved state is of other symbols ({', '.join(kept['symbols'])}); stops, "
                    "pending targets and models begin anew"
                )
                kept = None
        decided = None if kept is None else kept["decided"]
        if decided is not None and datetime.fromisoformat(decided) > self._algorithm.time:
            self._tell(
                f"the saved state is of the close of {decided}, which is to come: it is another "
                "run's (parameter deployment tells them apart); stops, pending targets and models "
                "begin anew"
            )
            kept = None
        if kept is not None:
            self._since = datetime.fromisoformat(kept["since"])
            self._splits = {
                name: {datetime.fromisoformat(time): float(f) for time, f in told.items()}
                for name, told in kept["splits"].items()
            }
            self._decided = None if decided is None else datetime.fromisoformat(decided)
            trained, failed = kept["trained"], kept["failed"]
            self._trained = None if trained is None else datetime.fromisoformat(trained)
            self._failed = None if failed is None else datetime.fromisoformat(failed)
            self._failures, self._killed = int(kept["failures"]), bool(kept["killed"])
            self._left = {
                name: [(datetime.fromisoformat(time), tuple(row)) for time, row in bars]
                for name, bars in kept["newest"].items()
            }
            self.outbox.restore(kept["outbox"])
            self._stops.restore(kept["stops"])
            self._reconcile(kept)
        if self._cash_known is None:
            self._cash_known = self._cash()
        self.refresh(self._algorithm.time)
        self._begun = True
        if kept is None:
            return None
        self._name_missed()
        models = kept["models"]
        return None if models is None else dict(models)

    def _reconcile(self, kept: Mapping[str, Any]) -> None:
        """Say where broker and saved state differ; the broker is right."""
        broker, state = self._holdings(), kept["holdings"]
        cash, saved = self._cash(), float(kept["cash"])
        found = []
        for name in sorted(broker.keys() | state.keys()):
            has, had = broker.get(name, (0.0, 0.0))[0], float(state.get(name, (0.0, 0.0))[0])
            if has != had:
                found.append(f"{name}: the broker holds {has:g}, the saved state has {had:g}")
        # Cash that changed without a position came or went; the first close heeds it.
        self._cash_known = cash if found else saved
        if abs(cash - saved) > 0.005:
            found.append(f"cash: the broker has {cash:.2f}, the saved state {saved:.2f}")
        if not found:
            self._tell("the broker's cash and holdings are those of the saved state")
            return
        for line in found:
            self._tell(f"{line}; the broker is right")
        self._tell(
            "if this is paper trading and the account was lost with the deployment, deploy with "
            + redeploy_options(saved, state, self._ids())
        )

    def _name_missed(self) -> None:
        """Say which closes passed without a decision while nothing ran."""
        newest = max((self._bars.newest(s.value) or (datetime.min,))[0] for s in self._symbols)
        if self._decided is None or newest <= self._decided:
            return
        missed = [time for time in self.days() if time > self._decided]
        self._stops.miss_closes()
        self._tell(
            f"{len(missed)} closes passed without a decision, {missed[0]:%Y-%m-%d} to "
            f"{missed[-1]:%Y-%m-%d}; positions stayed as they were"
        )

    # Bars.

    def refresh(self, before: datetime) -> None:
        """Bring kept bars together with history; what changed is in `changed`.

        Where history has followed a split that nobody has told of (nothing ran when it came, or it
        is still to be told of today), pending targets follow it too.

        Args:
            before: bars that end later are left to the feed.
        """
        with self._guard:
            for symbol in self._symbols:
                self._refresh(symbol, before)

    def days(self) -> list[datetime]:
        """Ends of all bars kept, ascending, each once."""
        return sorted({time for symbol in self._symbols for time, _ in self._bars.of(symbol.value)})

    def _refresh(self, symbol: Symbol, before: datetime, price: float | None = None) -> None:
        """Mend a symbol's bars, and heed a split that history knows and nobody has told of."""
        name, algorithm = symbol.value, self._algorithm
        try:
            found = list(
                algorithm.history[TradeBar](symbol, self._since, algorithm.time, Resolution.DAILY)
            )
            security = algorithm.securities[symbol]
            if found and float(security.price) == 0.0:
                # Without a price, and before the first tick there is none, orders are refused.
                security.set_market_price(found[-1])
            fetched = [
                (bar.end_time, row_of(bar))
                for bar in found
                if self._since < bar.end_time <= before and self._spans_session(symbol, bar)
            ]
            kept = self._bars.of(name)
            if not kept and fetched:
                # They tell the scale of what the run before left; a bar that history does not have
                # yet is one of a close that is still to come, or to be decided again.
                left = self._left.get(name, [])
                kept = [bar for bar in left if bar[0] <= fetched[-1][0]]
            told = self._splits.get(name, {})
            mended = mend(name, kept, fetched, told, price, algorithm.time)
            self._bars.replace(name, mended.bars)
        except ValueError as problem:
            self._tell(f"{name}: history cannot be used, kept bars stay: {problem}")
            return
        for line in mended.said:
            if line not in self._said:
                self._tell(line)
        self._said |= set(mended.said)
        self.changed |= mended.changed
        if mended.split is not None:
            self._splits.setdefault(name, {})[algorithm.time] = mended.split
            self.outbox.scale(name, mended.split)
            self._tell(
                f"{name}: history tells of a split by {mended.split:g}; pending targets follow it"
            )

    def take(self, data: Slice) -> dict[str, tuple[datetime, Row]]:
        """The bars of a close that may be decided on, kept; end and bar by ticker.

        A bar that does not span its session, or of which only a part was seen, is not one; where
        history has it whole already, that is taken. A night's move that looks like a split nobody
        has told of costs the whole close.
        """
        taken: dict[str, tuple[datetime, Row]] = {}
        doubted = []
        with self._guard:
            for symbol in self._symbols:
                name = symbol.value
                bar = data.bars.get(symbol)
                if bar is None or bar.is_fill_forward or not self._spans_session(symbol, bar):
                    continue
                opened = bar.end_time - bar.period
                known = self._bars.newest(name)
                if known is not None and known[0] >= bar.end_time:
                    continue
                self._refresh(symbol, opened, float(bar.open))
                before = self._bars.newest(name)
                row = row_of(bar) if self._started <= opened else self._from_history(symbol, bar)
                if row is None:
                    self._tell(
                        f"{name}: the bar of {bar.end_time:%Y-%m-%d} is of a part of its session, "
                        f"which was under way at the start ({self._started}); no decision on it"
                    )
                    continue
                try:
                    self._bars.add(name, bar.end_time, row)
                except ValueError as problem:
                    self._tell(f"bar skipped: {problem}")
                    continue
                taken[name] = (bar.end_time, row)
                if before is not None and self._is_doubtful(name, before, bar.end_time, row):
                    doubted.append(name)
        if doubted:
            self._tell(
                f"{', '.join(doubted)}: the price moved as by a split that nobody has told of; "
                "nothing is decided and no stop is heeded at this close"
            )
            return {}
        return taken

    def _from_history(self, symbol: Symbol, bar: TradeBar) -> Row | None:
        """The same day's bar as history has it, whole; None if it has not."""
        found = self._algorithm.history[TradeBar](
            symbol, bar.end_time - bar.period, self._algorithm.time, Resolution.DAILY
        )
        same = [each for each in found if each.end_time == bar.end_time]
        return row_of(same[-1]) if same else None

    def _spans_session(self, symbol: Symbol, bar: TradeBar) -> bool:
        """Whether a bar is that of a whole session by its times."""
        hours = self._algorithm.securities[symbol].exchange.hours
        opened = bar.end_time - bar.period
        return bool(
            hours.get_next_market_open(opened - timedelta(seconds=1), False) == opened
            and hours.get_next_market_close(opened, False) == bar.end_time
        )

    def _is_doubtful(self, name: str, before: KeptBar, time: datetime, row: Row) -> bool:
        """Whether a night's move looks like a split, and no split was told of since."""
        if looks_like_split(before[1][3], row[3]) is None:
            return False
        return not any(before[0] < told <= time for told in self._splits.get(name, {}))

    def split(self, name: str, factor: float) -> None:
        """Heed a split that the broker tells of: kept bars and pending targets follow it."""
        with self._guard:
            now, known = self._algorithm.time, self._splits.setdefault(name, {})
            newest = self._bars.newest(name)
            since = [f for told, f in known.items() if newest is None or told > newest[0]]
            if now in known or any(abs(f / factor - 1.0) <= SCALE_ERROR for f in since):
                # Told again after a restart, or history told of it first.
                return
            known[now] = factor
            self._bars.replace(name, [scaled(bar, factor) for bar in self._bars.of(name)])
            self.outbox.scale(name, factor)
            self.changed = True
            self._tell(f"{name}: split by {factor:g}; kept bars and pending targets follow it")
            self.save()

    # Decisions and orders.

    def record(self, close: datetime, targets: Mapping[str, float]) -> None:
        """Note what a close decided, on disk before it returns.

        What one of LEAN's stages failed at stays a failure, though the others went on.
        """
        self.outbox.record(close, targets)
        self._decided = close
        if close != self._failed:
            self._failures = 0
        self.save()

    def failed(self, close: datetime, problem: builtins.Exception) -> None:
        """Note that a decision failed: positions stay, or after several of them go."""
        if close != self._failed:
            # A restart may decide a close again.
            self._failed, self._failures = close, self._failures + 1
        self._tell(f"the decision at {close} failed, no new orders: {_said(problem)}")
        if self._failures >= FAILURES:
            self._tell(f"{self._failures} decisions in a row failed: everything is sold")
            self.outbox.record(close, {symbol.value: 0.0 for symbol in self._symbols})
        self.save()

    def trained(self) -> None:
        """Note that the models are those of now."""
        self._trained = self._algorithm.time
        self.save()

    def missed_training(self, first_day: datetime) -> bool:
        """Whether the time of a retraining passed while nothing ran.

        Args:
            first_day: midnight of the first day of the present month, or week.
        """
        hours = self._algorithm.securities[self._symbols[0]].exchange.hours
        opens = hours.get_next_market_open(first_day - timedelta(seconds=1), False)
        hour, minute = TRAIN_AT
        due = opens.replace(hour=hour, minute=minute, second=0, microsecond=0)
        missed = self._trained is not None and self._trained < due <= self._algorithm.time
        if missed:
            self._tell(f"the training of {due} was missed while nothing ran, and comes now")
        return bool(missed)

    def filled(self, event: OrderEvent) -> None:
        """Note a fill: its money is accounted for, and what is held is kept on disk."""
        if self._cash_known is not None:
            paid = float(event.fill_quantity) * float(event.fill_price)
            self._cash_known -= paid + float(event.order_fee.value.amount)
        self.save()

    def paid(self, dividends: Dividends) -> None:
        """Note dividends, which come as cash and are no deposit."""
        for symbol in self._symbols:
            dividend = dividends.get(symbol)
            if dividend is not None and self._cash_known is not None:
                held = float(self._algorithm.portfolio[symbol].quantity)
                self._cash_known += held * float(dividend.distribution)
        self.save()

    def outside_flow(self) -> float:
        """$ that came into the account (negative: left it) without a fill or a dividend."""
        if self._cash_known is None:
            return 0.0
        came = self._cash() - self._cash_known
        self._cash_known = self._cash()
        if abs(came) < LEAST_FLOW * float(self._algorithm.portfolio.total_portfolio_value):
            return 0.0
        what = "deposit" if came > 0 else "withdrawal"
        self._tell(f"a {what} of {abs(came):.2f} $: no gain or loss, and no reason for a stop")
        return came

    def cancel_stale(self) -> None:
        """Cancel what was not filled at its open; the close decides anew."""
        for symbol in self._symbols:
            for ticket in list(self._algorithm.transactions.get_open_order_tickets(symbol)):
                self._tell(
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
            self._tell(
                f"the kill switch ({KILL_SWITCH} in the object store) is on: everything is sold, "
                "nothing is bought"
                if thrown
                else "the kill switch is off: decisions go on"
            )
            self.save()
        if thrown:
            known = self.outbox.close or max(self.days(), default=None)
            if known is not None:
                self.outbox.record(known, {symbol.value: 0.0 for symbol in self._symbols})
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
        if self.outbox.close is None:
            return None
        hours = self._algorithm.securities[self._symbols[0]].exchange.hours
        return hours.get_next_market_open(self.outbox.close, False)

    def due(self) -> dict[Symbol, float]:
        """What is to be held of each symbol from the coming open on; empty if there is nothing.

        Sending it twice does no harm: what was sent is then on order. Nothing leaves that is not on
        disk.
        """
        if self._unsaved:
            self.save()
        if self._unsaved:
            self._tell("nothing is ordered, since the state cannot be saved")
            return {}
        opens = self._opens()
        if opens is None:
            return {}
        targets, why_not = self.outbox.take(self._algorithm.time, opens)
        if why_not:
            self._tell(why_not)
            self.save()
        by_name = {symbol.value: symbol for symbol in self._symbols}
        return {by_name[name]: quantity for name, quantity in targets.items()}

    def sent(self) -> None:
        """Note that what was due has been ordered."""
        self.outbox.ordered = True
        self.save()

    def refused(self, event: OrderEvent) -> None:
        """Say so; of an order that turns a position round, which some brokers refuse, close it."""
        if event.order_id in self._refusals:
            return
        self._refusals.add(event.order_id)
        symbol, asked = event.symbol, float(event.quantity)
        held = float(self._algorithm.portfolio[symbol].quantity)
        if held * (held + asked) < 0.0:
            self._tell(
                f"{symbol.value}: the order of {asked:g} was refused; the position of {held:g} is "
                "closed, and the next close decides on the rest"
            )
            self._algorithm.market_order(symbol, -held)
        else:
            self._tell(
                f"{symbol.value}: the order of {asked:g} was refused; the next close decides anew"
            )

    def watch(self, deciding: bool) -> None:
        """Some minutes after a close: say what it should have brought and did not.

        Args:
            deciding: whether there is a decider; before the first training there is none.
        """
        today = self._algorithm.time.date()
        silent = []
        for symbol in self._symbols:
            newest = self._bars.newest(symbol.value)
            if newest is None or newest[0].date() != today:
                silent.append(symbol.value)
        if silent:
            self._tell(f"{', '.join(silent)}: no bar of today's close; no decision on it")
        if not deciding:
            self._tell("today's close had no decision: the first training is not done yet")
        elif len(silent) < len(self._symbols) and (
            self._decided is None or self._decided.date() != today
        ):
            self._tell("today's close had data and no decision")

    # State.

    def save(self) -> None:
        """Put on disk what a restart must know.

        A store that refuses is told of, and until it takes the state nothing is ordered. Before
        `begin` is done there is nothing to save but what would be lost.
        """
        if not self._begun:
            return
        with self._saving:
            self._save()

    def _save(self) -> None:
        try:
            self._store.save(self._to_state())
        except (OSError, ValueError) as problem:
            self._tell(f"the state cannot be saved: {_said(problem)}")
            self._unsaved = True
            return
        if self._unsaved:
            self._unsaved = False
            self._tell("the state is saved again")

    def _to_state(self) -> dict[str, Any]:
        return {
            "symbols": sorted(symbol.value for symbol in self._symbols),
            "since": self._since.isoformat(),
            "splits": {
                name: {time.isoformat(): factor for time, factor in told.items()}
                for name, told in self._splits.items()
            },
            "decided": None if self._decided is None else self._decided.isoformat(),
            "newest": {
                symbol.value: [
                    (time.isoformat(), row) for time, row in self._bars.of(symbol.value)[-2:]
                ]
                for symbol in self._symbols
            },
            "trained": None if self._trained is None else self._trained.isoformat(),
            "failed": None if self._failed is None else self._failed.isoformat(),
            "failures": self._failures,
            "killed": self._killed,
            "outbox": self.outbox.to_state(),
            "stops": self._stops.to_state(),
            "models": self._models(),
            "holdings": self._holdings(),
            "cash": self._cash() if self._cash_known is None else self._cash_known,
        }

    def redeploy(self) -> str:
        """What a paper account that forgets needs to be deployed with as it is now."""
        return redeploy_options(self._cash(), self._holdings(), self._ids())

    def _holdings(self) -> dict[str, tuple[float, float]]:
        """Quantity and average price by ticker, of what is held."""
        found = {}
        for symbol in self._symbols:
            held = self._algorithm.portfolio[symbol]
            if float(held.quantity) != 0.0:
                found[symbol.value] = (float(held.quantity), float(held.average_price))
        return found

    def _cash(self) -> float:
        return float(self._algorithm.portfolio.cash)

    def _ids(self) -> dict[str, str]:
        return {symbol.value: str(symbol.id) for symbol in self._symbols}

    def _tell(self, line: str) -> None:
        self._algorithm.log(f"live: {line}")


def redeploy_options(
    cash: float, holdings: Mapping[str, Sequence[float]], ids: Mapping[str, str]
) -> str:
    """Options of `lean live deploy` for a paper account with this cash and these holdings.

    Args:
        cash: in $.
        holdings: quantity and average price by ticker.
        ids: LEAN's identifiers by ticker.
    """
    parts = [
        f"{name}:{ids[name]}:{quantity:.12g}:{price:.10g}"
        for name, (quantity, price) in sorted(holdings.items())
    ]
    options = f"--live-cash-balance USD:{cash:.2f}"
    return f'{options} --live-holdings "{",".join(parts)}"' if parts else options


def _said(problem: builtins.Exception) -> str:
    return f"{type(problem).__name__}: {problem}"
