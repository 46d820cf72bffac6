"""The time loop: what happens, in LEAN's order, at every moment of a run.

past scheduled events, past consolidators, clock, prices, settlement, warm-up's end, ticker changes,
fills, scheduled events, margin calls, securities changed, dividends, splits, consolidators,
on_splits and on_dividends, on_delistings, on_data, framework, fills, sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.account.volatility import warm_up
from engine.brokerage.buying_power import exact_leverage, margin_held
from engine.brokerage.settlement import ImmediateSettlementModel, ScanSettlementModelParameters
from engine.brokerage.shortable import MarginInterestRateModel, MarginInterestRateParameters
from engine.common.charting import PlotCollector
from engine.common.clock import aware_utc, to_utc
from engine.common.decimals import ZERO, text
from engine.common.enums import AlgorithmStatus, DataNormalizationMode, SplitType
from engine.common.net_exceptions import InvalidOperationException
from engine.feed.consolidators import DataConsolidator
from engine.feed.data_feed import DataFeed, TimeSlice
from engine.market.data import QuoteBar, Split, TradeBar
from engine.orders.order_requests import SubmitOrderRequest
from engine.run.ends_of_day import EndsOfDay
from engine.statistics.capacity import BarVolume, CapacityEstimate, Position
from engine.statistics.sampling import DailySnapshot, ResultSampler

_HOUR = timedelta(hours=1)
_MARGIN_CALL_INTERVAL = timedelta(minutes=5)


class Loop:
    """Runs one algorithm to its end.

    Args:
        algorithm: after `post_initialize`.
        feed: its data.
        on_step: called after each step with the UTC time.

    Attributes:
        sampler: the charts and samples.
        capacity: the capacity estimate.
        trading: the start succeeded: warm-up is over and the first bars have come.
    """

    def __init__(
        self, algorithm: Any, feed: DataFeed, on_step: Callable[[datetime], None] | None = None
    ) -> None:
        self._algorithm = algorithm
        self._feed = feed
        self._on_step = on_step
        zone = algorithm.time_zone
        self._start_utc = to_utc(algorithm.start_date, zone)
        self._end_utc = to_utc(algorithm.end_date, zone)
        self.sampler = ResultSampler(
            self._start_utc, self._end_utc, algorithm.portfolio.total_portfolio_value_exact
        )
        self._plots = PlotCollector(algorithm.debug, limited=not algorithm.live_mode)
        self.capacity = CapacityEstimate(
            algorithm.start_date,
            algorithm.end_date,
            self._bar_volume,
            self._position,
            lambda: algorithm.portfolio.total_portfolio_value_exact,
        )
        self._ends_of_day = EndsOfDay(algorithm, self._end_utc)
        self._seen_events = 0
        self._next_margin_call = datetime.min
        self._next_settlement = datetime.min
        self._was_warming_up = algorithm.is_warming_up
        # Classes of consolidators, and whether the clock alone can emit a bar of theirs.
        self._scanning: dict[type, bool] = {}
        self.trading = False

    # Services -------------------------------------------------------------------------------

    def _bar_volume(self, symbol: Any) -> BarVolume | None:
        """Volume of a symbol in the current slice, quotes' sizes where there are no trades."""
        data = self._algorithm.current_slice
        bar: Any = data.bars.get(symbol) if data is not None else None
        if bar is None and data is not None:
            bar = data.quote_bars.get(symbol)
        return _volume(bar)

    def _position(self, symbol: Any) -> Position:
        security = self._algorithm.securities.find(symbol)
        if security is None:
            return Position(ZERO, False)
        return Position(margin_held(security) * exact_leverage(security), security.invested)

    def _sample(self) -> None:
        """The daily sample."""
        algorithm = self._algorithm
        portfolio = algorithm.portfolio
        holdings: list[Decimal] = []
        sales: list[tuple[str, Decimal]] = []
        margins: list[tuple[str, Decimal]] = []
        for security in algorithm.securities.values():
            ticker, held = security.symbol.value, security.holdings
            quantity = held.quantity_exact
            sales.append((ticker, held.total_sale_volume_exact))
            if quantity:
                holdings.append(quantity * held.price_exact)
                margins.append((ticker, margin_held(security)))
            else:
                holdings.append(ZERO)
        snapshot = DailySnapshot(
            portfolio.total_portfolio_value_exact,
            algorithm.benchmark.evaluate_exact(algorithm.utc_time_naive),
            portfolio.total_sale_volume_exact,
            self.capacity.capacity,
            holdings,
            sales,
            margins,
        )
        self.sampler.sample(algorithm.utc_time_naive, snapshot, warming_up=algorithm.is_warming_up)

    def _after_step(self, force: bool = False) -> None:
        algorithm = self._algorithm
        value = algorithm.portfolio.total_portfolio_value_exact
        for event in algorithm.transactions.order_events[self._seen_events :]:
            if event.status.is_fill:
                self.capacity.on_fill(
                    event.symbol,
                    event.utc_time_naive,
                    event.fill_price_exact,
                    event.fill_quantity_exact,
                )
        self._seen_events = len(algorithm.transactions.order_events)
        sampled = self.sampler.step(
            algorithm.utc_time_naive, value, force=force, warming_up=algorithm.is_warming_up
        )
        self.capacity.update(algorithm.utc_time_naive, force=force)
        if sampled:
            self._plots.add(self.sampler.charts, algorithm.get_chart_updates(algorithm.live_mode))
            algorithm.qc_messages.collect()

    def _stopped(self) -> bool:
        return self._algorithm.status is not AlgorithmStatus.RUNNING

    # Run ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end, or to where an exception of the user's code ends it and comes out.

        :meth:`finish` follows in both cases.
        """
        algorithm = self._algorithm
        self._start_schedule()
        if not algorithm.is_warming_up:
            algorithm.qc_callback("on_warmup_finished")()
        ended = True
        for step in self._feed.stream(self._end_utc, self._start_utc):
            if self._stopped() and algorithm.run_time_error is None:
                break
            if algorithm.portfolio.total_portfolio_value_exact <= 0:
                algorithm.debug("Portfolio value is less than or equal to zero, stopping.")
                break
            self.trading = not self._was_warming_up
            ended = self._step(step) or algorithm.run_time_error is None
            if not ended:
                break
            if self._on_step is not None:
                self._on_step(step.time)
        if ended:
            self._end()
        if algorithm.run_time_error is not None:
            raise algorithm.run_time_error

    def _end(self) -> None:
        algorithm = self._algorithm
        algorithm.qc_callback("on_end_of_algorithm")()
        self._after_step(force=True)
        if algorithm.status == AlgorithmStatus.RUNNING:
            algorithm.status = AlgorithmStatus.COMPLETED
        self._sample()

    def finish(self) -> None:
        """Take the last look at the account, as LEAN does when it leaves, after an error too."""
        lines = len(self._algorithm.qc_log_lines)
        # It moves the capacity estimate.
        self._after_step(force=True)
        # LEAN has written its log before.
        del self._algorithm.qc_log_lines[lines:]

    def _start_schedule(self) -> None:
        """Begin the schedule, with the run's own events behind the algorithm's."""
        algorithm = self._algorithm
        algorithm.schedule.start()
        self._ends_of_day.start()
        rules = algorithm.date_rules, algorithm.time_rules
        algorithm.schedule.on(
            "Daily Sampling", rules[0].every_day(), rules[1].midnight, self._sample
        )

    def _step(self, step: TimeSlice) -> bool:
        """One moment; false if the run was stopped before the user's code heard of its data.

        An order event's handler that raised stops it at the next moment, as in LEAN.
        """
        algorithm = self._algorithm
        time = step.time
        self._fire_past(time)
        algorithm.subscription_manager.scan_past(time)
        algorithm.set_date_time(time)
        if step.is_time_pulse:
            self._check_warm_up_finished()
            return True
        algorithm.current_slice = step.slice
        self._ends_of_day.on_changes(step.changes)
        show_price = algorithm.trade_builder.set_market_price
        for security, points in step.updates:
            security.update(points)
            show_price(security.symbol, security.cache.price_exact)
        if time >= self._next_settlement:
            aware, no_interest = aware_utc(time), MarginInterestRateModel.NULL
            for security in algorithm.securities.values():
                if security.margin_interest_rate_model is not no_interest:
                    security.margin_interest_rate_model.apply_margin_interest_rate(
                        MarginInterestRateParameters(security, time)
                    )
                if type(security.settlement_model) is not ImmediateSettlementModel:
                    security.settlement_model.scan(
                        ScanSettlementModelParameters(algorithm.portfolio, security, aware)
                    )
            self._next_settlement = time.replace(minute=0, second=0, microsecond=0) + _HOUR
        algorithm.portfolio.invalidate_total_portfolio_value()
        self._check_warm_up_finished()
        self._ticker_changes(step)
        delistings = step.slice.delistings
        algorithm.transactions.process_synchronous_events(delistings)
        self._fire_due(time)
        if self._stopped():
            return False
        self._margin_call(time)
        if step.changes:
            algorithm.qc_callback("on_securities_changed")(step.changes)
            algorithm.on_framework_securities_changed(step.changes)
        self._dividends_and_splits(step)
        self._consolidate(step)
        self._user_events(step)
        algorithm.on_framework_data(step.slice)
        algorithm.transactions.process_synchronous_events(delistings)
        self._after_step()
        return True

    def _fire_past(self, time: datetime) -> None:
        """Fire the scheduled events that were due before a time; one that raises ends the run."""
        try:
            self._algorithm.schedule.fire_past(time, self._algorithm.set_date_time)
        except Exception as problem:
            self._algorithm.set_run_time_error(problem)

    def _fire_due(self, time: datetime) -> None:
        """Fire the scheduled events that are due at a time; one that raises ends the run."""
        try:
            self._algorithm.schedule.fire_due(time)
        except Exception as problem:
            self._algorithm.set_run_time_error(problem)

    def _check_warm_up_finished(self) -> None:
        algorithm = self._algorithm
        if self._was_warming_up and not algorithm.is_warming_up:
            self._was_warming_up = False
            self.sampler.on_warmup_finished(algorithm.portfolio.total_portfolio_value_exact)
            algorithm.qc_callback("on_warmup_finished")()
            self.trading = True
            algorithm.debug("Algorithm finished warming up.")

    def _ticker_changes(self, step: TimeSlice) -> None:
        algorithm = self._algorithm
        events = step.slice.symbol_changed_events
        if not events:
            return
        algorithm.qc_callback("on_symbol_changed_events")(events)
        for symbol in list(events.keys()):
            for ticket in algorithm.transactions.get_open_order_tickets(symbol):
                ticket.cancel("Open order cancelled on symbol changed event")

    def _margin_call(self, time: datetime) -> None:
        if time < self._next_margin_call:
            return
        self._next_margin_call = time + _MARGIN_CALL_INTERVAL
        algorithm = self._algorithm
        model = algorithm.portfolio.margin_call_model
        requests, warn = model.get_margin_call_orders(False)
        executed = 0
        if requests and all(
            algorithm.securities[r.symbol].exchange.exchange_open for r in requests
        ):
            tickets = model.execute_margin_call(self._agreed(requests))
            executed = len(tickets)
            for ticket in tickets:
                algorithm.error(
                    f"{algorithm.time:%m/%d/%Y %H:%M:%S} - Executed MarginCallOrder: "
                    f"{ticket.symbol} - Quantity: {text(ticket.quantity_exact)} @ "
                    f"{text(ticket.average_fill_price_exact)}"
                )
        if not executed and warn:
            algorithm.qc_callback("on_margin_call_warning")()

    def _agreed(self, requests: list[Any]) -> list[Any]:
        """The orders of a margin call that the algorithm agrees to.

        Raises:
            InvalidOperationException: if it answers without any.
        """
        algorithm = self._algorithm
        answer = algorithm.qc_callback("on_margin_call")(requests)
        agreed = [
            one
            for one in (answer if isinstance(answer, Iterable) else ())
            if isinstance(one, SubmitOrderRequest)
        ]
        if not agreed:
            raise InvalidOperationException(
                "on_margin_call must return a non-empty list of SubmitOrderRequest"
            )
        return agreed

    def _dividends_and_splits(self, step: TimeSlice) -> None:
        algorithm = self._algorithm
        if algorithm.is_warming_up:
            self._restate_volatilities(step)
            return
        for dividend in list(step.slice.dividends.values()):
            mode = algorithm.securities[dividend.symbol].data_normalization_mode
            algorithm.portfolio.apply_dividend(dividend, algorithm.live_mode, mode)
        for split in list(step.slice.splits.values()):
            self._follow_split(split)
        self._restate_volatilities(step)

    def _follow_split(self, split: Split) -> None:
        """Let position and open orders follow a split; the warning of one changes nothing."""
        algorithm, security = self._algorithm, self._algorithm.securities.find(split.symbol)
        if split.type != SplitType.SPLIT_OCCURRED or security is None:
            return
        mode = security.data_normalization_mode
        algorithm.portfolio.apply_split(split, security, algorithm.live_mode, mode)
        if algorithm.live_mode or mode == DataNormalizationMode.RAW:
            algorithm.trade_builder.apply_split(split.symbol, split.split_factor_exact)
            tickets = algorithm.transactions.get_open_order_tickets(split.symbol)
            algorithm.brokerage_model.apply_split(tickets, split)

    def _restate_volatilities(self, step: TimeSlice) -> None:
        """Warm the models of volatility up anew where a dividend or split moves raw prices."""
        algorithm = self._algorithm
        splits = [s for s in step.slice.splits.values() if s.type == SplitType.SPLIT_OCCURRED]
        for event in [*step.slice.dividends.values(), *splits]:
            security = algorithm.securities.find(event.symbol)
            if security is not None:
                mode = security.data_normalization_mode
                if algorithm.live_mode or mode == DataNormalizationMode.RAW:
                    warm_up(security.volatility_model, algorithm, security, mode=mode)

    def _consolidate(self, step: TimeSlice) -> None:
        scanning = self._scanning
        for config, points in step.consolidations:
            if not config.consolidators:
                continue
            local: datetime | None = None
            for consolidator in list(config.consolidators):
                for point in points:
                    consolidator.update(point)
                kind = type(consolidator)
                if kind not in scanning:
                    scanning[kind] = getattr(kind, "scan", None) is not DataConsolidator.scan
                if scanning[kind]:
                    if local is None:
                        local = self._algorithm.qc_hours_of(config.symbol).from_utc(step.time)
                    consolidator.scan(local)

    def _user_events(self, step: TimeSlice) -> None:
        algorithm, data = self._algorithm, step.slice
        if data.splits:
            algorithm.qc_callback("on_splits")(data.splits)
        if data.dividends:
            algorithm.qc_callback("on_dividends")(data.dividends)
        if data.delistings:
            algorithm.qc_callback("on_delistings")(data.delistings)
        if data.has_data:
            algorithm.qc_callback("on_data")(data)


def _volume(bar: TradeBar | QuoteBar | None) -> BarVolume | None:
    if bar is None:
        return None
    if isinstance(bar, TradeBar):
        volume = bar.volume_exact
    else:
        volume = (bar.last_bid_size_exact + bar.last_ask_size_exact) / 2
    return BarVolume(bar.value_exact, volume, bar.period)
