"""The live loop: the time step of a backtest on the beats of a clock.

At every beat what is due comes in LEAN's live order: one slice with all that has become known,
through the same time step as a backtest's, then the scheduled events, which LEAN fires on a thread
of its own that looks once a second. In warm-up both belong together as in a backtest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.account.volatility import warm_up
from engine.common.enums import AlgorithmStatus
from engine.feed.data_feed import TimeSlice
from engine.live.brokerage import Brokerage
from engine.live.clock import SECOND, Clock
from engine.live.corporate import Filled, prices_follow, restate
from engine.live.day_events import to_follow
from engine.live.feed import LiveFeed
from engine.market.data import BaseData, Dividend, Split
from engine.market.symbols import Symbol
from engine.orders.order_properties import TimeInForce
from engine.run.loop import Loop
from engine.statistics.sampling import ResultSampler

_ENGINE = Path(__file__).parents[1]
GOOD_TIL_CANCELED = TimeInForce.GOOD_TIL_CANCELED


class LiveLoop(Loop):
    """Runs one live algorithm until its clock stops.

    Args:
        algorithm: after `post_initialize`.
        feed: its data.
        clock: says when to look.
        brokerage: pays dividends and keeps the account.
        on_step: called after each beat with the UTC time.
        on_ready: called when warm-up is over.

    Attributes:
        live_feed: its data.
        phase: what the algorithm's code is called for: "start", "warm-up", "slice", "scheduled"
            or "end".
        error: what ended the run, None if nothing did.
        tells_end: while what ended it is being written to the log.
    """

    def __init__(
        self,
        algorithm: Any,
        feed: LiveFeed,
        clock: Clock,
        brokerage: Brokerage,
        on_step: Callable[[datetime], None] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(algorithm, feed, on_step)
        self._on_ready = on_ready
        # Of a run that has no end: a sample whenever some minutes have passed.
        self.sampler = ResultSampler(
            clock.now,
            clock.now + timedelta(days=1),
            algorithm.portfolio.total_portfolio_value_exact,
        )
        self.live_feed = feed
        self._clock = clock
        self._brokerage = brokerage
        self.phase = "start"
        self.error: Exception | None = None
        self.tells_end = False

    def run(self) -> None:
        """Warm up, then follow the clock to its end."""
        algorithm = self._algorithm
        self._start_schedule()
        try:
            for security in algorithm.securities.values():
                warm_up(security.volatility_model, algorithm, security)
            self._warm_up()
        except Exception as problem:
            self._fail(problem)
            return
        self.trading = True
        if self._on_ready is not None:
            self._on_ready()
        while not self._stopped():
            due = min(self.live_feed.next_due(), algorithm.schedule.next_utc, self._next_of_time())
            beat = self._clock.wait_until(due)
            if beat is None:
                break
            self._beat(beat)
        if self.error is None and self._clock.interrupted:
            self._end()

    def _next_of_time(self) -> datetime:
        """When time alone ends something, for which LEAN looks once a second.

        That is a consolidator's bar, which is looked for after its end, and an order that works up
        to some close.
        """
        algorithm = self._algorithm
        ends = algorithm.subscription_manager.next_scan
        due = ends if ends == datetime.max else ends + SECOND
        for ticket in algorithm.transactions.get_open_order_tickets():
            order = algorithm.transactions.get_order_by_id(ticket.order_id)
            security = algorithm.securities.find(order.symbol)
            if security is not None and order.time_in_force is not GOOD_TIL_CANCELED:
                hours = security.exchange.hours
                now = hours.from_utc(self._clock.now)
                due = min(due, hours.to_utc(hours.get_next_market_close(now)))
        return due

    def _warm_up(self) -> None:
        algorithm = self._algorithm
        self.phase = "warm-up"
        if algorithm.is_warming_up:
            algorithm.debug("Algorithm starting warm up...")
        else:
            algorithm.qc_callback("on_warmup_finished")()
        for step in self.live_feed.warm_up(self._clock.now):
            self._step(step)
            if self._stopped():
                return

    def _beat(self, now: datetime) -> None:
        """Everything of one moment."""
        self.phase = "slice"
        try:
            if (pulse := self.live_feed.pulse(now)) is not None:
                self._step(pulse)
            self._take(now)
            while self.live_feed.is_behind:
                self._take(now)
        except Exception as problem:
            self._fail(problem)
            return
        self.phase = "scheduled"
        self._scheduled(now)
        if self.error is not None:
            self._last_beats()
        elif self._on_step is not None:
            self._on_step(now)

    def _take(self, now: datetime) -> None:
        """A slice of what the feed has; of several days' corporate events one day's at a time."""
        step = self.live_feed.take(now)
        self._fill_late()
        self._step(step)

    def _fill_late(self) -> None:
        """Let waiting orders fill on bars that came late, at the time of those bars."""
        algorithm, late = self._algorithm, self.live_feed.late
        if not late or not algorithm.transactions.get_open_order_tickets():
            return
        for end, security, bar in late:
            algorithm.set_date_time(end)
            security.update([bar])
            algorithm.portfolio.invalidate_total_portfolio_value()
            algorithm.transactions.process_synchronous_events()

    def _scheduled(self, now: datetime) -> None:
        """Fire what is due; orders that were not waited for are worked through afterwards."""
        algorithm = self._algorithm
        algorithm.schedule.fire_each(now, self._fail)
        try:
            algorithm.transactions.process_synchronous_events()
        except Exception as problem:
            self._fail(problem)

    def _last_beats(self) -> None:
        """What LEAN still does after a scheduled event has raised.

        Its thread goes on until the process ends, so the event, which never got done, is fired
        again on the next two seconds: with its orders taken the first time, not the second.
        """
        for open_for_orders in (True, False):
            beat = self._clock.wait_until(self._clock.now + SECOND)
            if beat is None:
                return
            self._algorithm.transactions.is_closed = not open_for_orders
            self._algorithm.set_date_time(beat)
            self._scheduled(beat)

    def _fail(self, problem: Exception) -> None:
        """Note what ends the run, once, in LEAN's words."""
        if self.error is not None:
            return
        self.error = problem
        algorithm = self._algorithm
        algorithm.set_run_time_error(problem)
        trace = lean_trace(problem)
        self.tells_end = True
        algorithm.debug(f"Runtime Error: {trace}")
        algorithm.debug(f"Runtime Error: {trace}: StackTrace: {trace}")
        self.tells_end = False

    def _end(self) -> None:
        algorithm = self._algorithm
        self.phase = "end"
        algorithm.set_date_time(self._clock.now)
        try:
            algorithm.qc_callback("on_end_of_algorithm")()
        except Exception as problem:
            self._fail(problem)
            return
        self._after_step(force=True)
        if algorithm.status == AlgorithmStatus.RUNNING:
            algorithm.status = AlgorithmStatus.STOPPED
        self._sample()
        self._after_step(force=True)

    def _margin_call(self, time: datetime) -> None:
        """Look at the margin at every step; in a backtest and in warm-up, every five minutes."""
        if not self._algorithm.is_warming_up:
            self._next_margin_call = time
        super()._margin_call(time)

    def _fire_past(self, time: datetime) -> None:
        algorithm = self._algorithm
        if algorithm.is_warming_up:
            algorithm.schedule.fire_past(time, algorithm.set_date_time)

    def _fire_due(self, time: datetime) -> None:
        if self._algorithm.is_warming_up:
            self._algorithm.schedule.fire_due(time)

    def _dividends_and_splits(self, step: TimeSlice) -> None:
        data, brokerage, late = step.slice, self._brokerage, self.live_feed.late_events
        if not data.dividends and not data.splits:
            return
        if self._algorithm.is_warming_up:
            brokerage.pay_dividends(list(data.dividends.values()))
            super()._dividends_and_splits(step)
            return
        with brokerage.corporate_events(step.time, self.live_feed.day_events) as due:
            # Those that were told after their time do not count for what was filled since.
            since = {s: brokerage.filled_since(s, *each) for s, each in late.items()}
            told: dict[Symbol, list[BaseData]] = {}
            for symbol, point in [*data.splits.items(), *data.dividends.items()]:
                told.setdefault(symbol, []).append(point)
            follow = [
                point
                for symbol, points in told.items()
                for point in to_follow(points, due.get(symbol.value, ()))
            ]
            brokerage.pay_dividends([each for each in follow if isinstance(each, Dividend)], since)
            for split in follow:
                if not isinstance(split, Split):
                    continue
                if split.symbol in late:
                    self._follow_late(split, since[split.symbol], late[split.symbol].due)
                else:
                    self._follow_split(split)
            if due:
                # Orders that follow a split do so at once.
                self._algorithm.transactions.process_synchronous_events()
        if not late:
            self._restate_volatilities(step)
        for symbol, each in late.items():
            if symbol.value in due:
                self._tell_late(symbol, each.due)

    def _follow_late(self, split: Split, since: Filled, due: datetime) -> None:
        """Let position and orders of before follow a split that was told after its time."""
        algorithm, symbol = self._algorithm, split.symbol
        restate(algorithm, algorithm.securities[symbol], split, since, due)
        if not since.quantity:
            algorithm.trade_builder.apply_split(symbol, split.split_factor_exact)
        transactions = algorithm.transactions
        until = prices_follow(algorithm.securities[symbol].exchange.hours, due)
        tickets = [
            ticket
            for ticket in transactions.get_open_order_tickets(symbol)
            if transactions.get_order_by_id(ticket.order_id).time_naive < until
        ]
        algorithm.brokerage_model.apply_split(tickets, split)

    def _tell_late(self, symbol: Symbol, moment: datetime) -> None:
        """Say that the account has followed what was told after its time."""
        local = self._algorithm.securities[symbol].exchange.hours.from_utc(moment)
        self._algorithm.debug(
            f"The split or dividend of {symbol.value} that belongs to {local:%Y-%m-%d %H:%M} was "
            "told later: cash, position and open orders have followed it now"
        )


def lean_trace(problem: BaseException) -> str:
    """An exception of the user's code as LEAN's log shows it: message, then calls, innermost first.

    Calls inside the engine are left out.
    """
    lines = [str(problem)]
    calls = [
        frame
        for frame in traceback.extract_tb(problem.__traceback__)
        if not frame.filename.startswith((str(_ENGINE), "<frozen"))
    ]
    for frame in reversed(calls):
        lines += [
            f"  at {frame.name}",
            f"    {frame.line}",
            f" in {Path(frame.filename).name}: line {frame.lineno}",
        ]
    return "\n".join([*lines, ""])
