"""The algorithm that LEAN runs: wiring only.

Bars come in, are checked and kept; after warm-up the models are trained (or taken from the object
store); after every close the agent decides. A decision goes one way in both trade modes: through
the stops, then the caps and the sizing, then out as insights' targets or as orders.
"""

from __future__ import annotations

import builtins
import functools
import math
import threading
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
from AlgorithmImports import *  # its Exception is .NET's, hence `builtins`

from algorithm.alpha import AgentAlphaModel
from algorithm.bars import BarBook, Row, row_of
from algorithm.charts import FORECAST, MOST_SERIES, SeriesNames, cap_name
from algorithm.closes import Close
from algorithm.decision import Decider, Decision, action_name
from algorithm.diagnostics import KEY as DIAGNOSTICS_KEY
from algorithm.diagnostics import Diagnostics
from algorithm.execution import RecordingExecutionModel, send_orders
from algorithm.learner import Learner, ModelLearner
from algorithm.learning import BEST, DQN
from algorithm.live_trading.background import Background
from algorithm.live_trading.desk import LATE, SEND_AT, SETTLE, Left, LiveDesk
from algorithm.live_trading.live_bars import price_factor
from algorithm.live_trading.state import STATES, LiveState
from algorithm.live_trading.trainings import TRAIN_AT
from algorithm.outside import OutsideSeries
from algorithm.portfolio import CappedPortfolioConstructionModel, equity_of, target_quantities
from algorithm.risk import StopsAndCapsRiskModel, demanded_quantities
from algorithm.settings import INSIGHTS, MONTHLY, NEVER, Settings
from algorithm.stops import Stops
from models.artifacts import ArtifactStore
from models.market.history import History
from sim.accounting import Rules

SPARE_BARS = 126
"""That a live run keeps beyond those it learns from: a restart looks at the bars of the last
training, which may be months ago, and sees what was seen then."""

REAL_TIME = timedelta(minutes=5)
"""A run whose clock is so near the machine's goes on while models are trained. Another is a replay,
whose time stands still meanwhile: there a training ends before the next decision, on any machine.
"""


class MirageStrategy(QCAlgorithm):
    """Trades what an agent learned on imagined markets; see the module's docstring."""

    def initialize(self) -> None:
        """Read the settings and set up data, models, framework and schedule."""
        self._options = Settings.from_parameters(dict(self.get_parameters().items()))
        run = self._options.run
        self.set_start_date(run.start_date.year, run.start_date.month, run.start_date.day)
        self.set_end_date(run.end_date.year, run.end_date.month, run.end_date.day)
        self.set_cash(run.cash)
        # `plan_orders` has its own band against churn; LEAN's would make the two modes differ.
        self.settings.minimum_order_margin_portfolio_percentage = 0.0

        if self.account_currency != "USD":
            raise ValueError(
                "the account's currency must be USD, in which US equities, caps and fees are "
                f"counted; received {self.account_currency}"
            )
        self._traded = [self.add_equity(name, Resolution.DAILY).symbol for name in run.symbols]
        for symbol in self._traded:
            # The agent is trained with the same costs: LEAN's default fee and this slippage.
            self.securities[symbol].set_slippage_model(
                ConstantSlippageModel(self._options.costs.slippage)
            )
        self._lot_size = self._common_lot_size()
        self._rules = self._options.rules(run.account_share * run.cash, self._lot_size)
        self._stops = Stops(self._options.stops)
        self._bars = BarBook(
            run.symbols,
            keep=run.learned_bars + (SPARE_BARS if self.live_mode else 0),
            macro=self._options.forecaster.macro,
        )
        self._outside = OutsideSeries(self, self._options.forecaster.macro, self._bars)
        self._diagnostics = Diagnostics(run.symbols)
        self._decider: Decider | None = None
        agent = self._options.agent
        valued = agent.kind == DQN or (agent.kind == BEST and DQN in agent.candidates)
        actions = map(action_name, agent.network.actions if valued else ())
        self._plotted = SeriesNames(run.symbols, actions)
        if self._plotted.dropped:
            dropped = ", ".join(self._plotted.dropped)
            self.log(f"LEAN keeps {MOST_SERIES} series; these are not plotted: {dropped}")
        self._close = Close()
        self._closing = self.start_date
        # A decision, a sending, and a change of models come one at a time. Order events wait for
        # none: LEAN may bring them on another thread before the call that sends an order returns.
        self._turn = threading.RLock()
        self._training, self._awaits = Background("training"), False
        self._version = 0
        self._learner = self.create_learner(self._options)

        warm_up = timedelta(days=round(run.warm_up_years * 365.25))
        self._first_bar = datetime.combine(run.start_date, datetime.min.time()) - warm_up
        self._live = self._live_desk(warm_up) if self.live_mode else None
        if self._live is None:
            # What is known of outside series at the first bar was told before it.
            self.set_warm_up(warm_up + self._outside.lead, Resolution.DAILY)
        self._warm_up_started = perf_counter()
        # Of a live run they outlive the process.
        self._benchmark_shares: dict[str, float] = (
            {} if self._live is None else self._live.benchmark
        )
        self.set_benchmark(self.buy_and_hold)
        if run.trade_mode == INSIGHTS:
            self._set_framework()
        if run.retrain != NEVER:
            first = self._traded[0]
            dates = (
                self.date_rules.month_start(first)
                if run.retrain == MONTHLY
                else self.date_rules.week_start(first)
            )
            self.train(dates, self.time_rules.at(*TRAIN_AT), self._retrain)

    def _set_framework(self) -> None:
        share = self._options.run.account_share
        failed = None if self._live is None else self._stage_failed
        self._alpha = AgentAlphaModel(self._traded)
        self.set_alpha(self._alpha)
        self.set_portfolio_construction(
            CappedPortfolioConstructionModel(self._traded, self._rules, share, failed)
        )
        self.set_risk_management(
            StopsAndCapsRiskModel(
                self._traded,
                self._rules,
                self._stops,
                lambda: self._close.fresh_at(self.time),
                share,
                failed,
            )
        )
        self.set_execution(
            ImmediateExecutionModel()
            if self._live is None
            else RecordingExecutionModel(self._record, self._stage_failed)
        )

    def _live_desk(self, warm_up: timedelta) -> LiveDesk:
        """What a live run needs: its state, orders in the morning, a look at every close.

        Its bars come from `history`: LEAN would credit the dividends of a warm-up to the account.
        """
        first = self._traded[0]
        name = STATES + self._options.run.deployment
        state = LiveState(self.object_store, name, self.error)
        made = LiveDesk(
            self, self._traded, self._bars, self._stops, state, warm_up, self._learner,
            self._diagnostics, self._rules, self._equity,
        )  # fmt: skip
        every_day = self.date_rules.every_day(first)
        self.schedule.on(every_day, self.time_rules.at(*SEND_AT), self._send)
        self.schedule.on(every_day, self.time_rules.after_market_open(first, SETTLE), self._settle)
        self.schedule.on(every_day, self.time_rules.after_market_close(first, LATE), self._watch)
        return made

    def _common_lot_size(self) -> float:
        """Shares that orders are a multiple of, the same for all symbols; 0 below one share."""
        lots = {
            symbol.value: float(self.securities[symbol].symbol_properties.lot_size)
            for symbol in self._traded
        }
        if len(set(lots.values())) > 1:
            raise ValueError(f"symbols must have one lot size; received {lots}")
        lot = next(iter(lots.values()))
        return 0.0 if lot < 1 else lot

    # Training.

    def create_learner(self, options: Settings) -> Learner:
        """What makes the deciders of this run; subclasses may decide by other means."""
        artifacts = ArtifactStore(self.object_store, report=self.error)
        artifacts.check_writable()
        if options.run.clear_models:
            artifacts.clear()
            self.log("Cleared the cached models (parameter clear_models).")
        artifacts.set_aside_other_forms()
        return ModelLearner(options, artifacts, self._diagnostics, self.log, self._turn)

    def on_warmup_finished(self) -> None:
        """Train before the first bar that may be traded."""
        kept = None if self._live is None else self._begin_live(self._live)
        seconds = perf_counter() - self._warm_up_started
        self._diagnostics.stopwatch.seconds["warm-up"] = seconds
        self._require_bars()
        if self._live is None:
            self._learn()
            return
        resumed = kept is not None and self._resumed(kept)
        self._live.ready()
        if not resumed or self._missed_training(self._live):
            self._begin_training(self._live)
        self._decide_late(self._live)
        if self._live.missed_sending():
            self._send()
        self._settle()

    def _require_bars(self) -> None:
        """Name a symbol of which not one bar came."""
        for name in self._bars.without_bars():
            run = self._options.run
            raise ValueError(
                f"symbol {name}: no daily bars in the {run.warm_up_years:g} years "
                f"before {run.start_date}; is it in the data folder?"
            )

    def _begin_live(self, live: LiveDesk) -> Left | None:
        """Bars and state; by what the models of the run before are found again."""
        kept = live.begin()
        self._outside.look_up(live.bars.days())
        return kept

    def _resumed(self, left: Left) -> bool:
        """Whether the models of the run before trade on."""
        try:
            self._learner.restore(left.models, left.record, self.time)
        except ValueError as problem:
            self.error(
                f"models are trained anew, since those of before are not to be had: {problem}"
            )
            return False
        self._decide_again()
        self.log("live: the models of the run before trade on")
        self._forecast_again()
        return True

    def _forecast_again(self) -> None:
        """Forecast the next bar as the last decision did: a forecast is a function of the bars.

        Those of a run that was killed between a training and the next close are the new models'.
        """
        live, decider = self._live, self._decider
        if live is None or decider is None or live.decided is None:
            return
        bars = self._bars.until(live.decided)
        newest = {name: bars.newest(name) for name in self._options.run.symbols}
        fresh = [n for n, bar in newest.items() if bar is not None and bar[0] == live.decided]
        if fresh:
            decider.catch_up(bars)
            decision = decider.decide(live.decided, fresh, self._weights(self._equity()))
            self._note_forecasts(decision)

    def _missed_training(self, live: LiveDesk) -> bool:
        """Whether models are older than they would be had the run gone on."""
        if self._options.run.retrain == NEVER:
            return False
        today = datetime.combine(self.time.date(), datetime.min.time())
        days = today.day - 1 if self._options.run.retrain == MONTHLY else today.weekday()
        return live.trainings.missed(self._traded[0], today - timedelta(days=days))

    def _decide_again(self) -> None:
        """The same models on bars that have changed."""
        histories = self._bars.histories()
        if self._live is not None:
            self._version, histories = self._live.bars.seen()
        decider = self._learner.again(histories, self._rules_now())
        self._decider = decider or self._decider

    def _look(self, live: LiveDesk) -> None:
        """Show the decider, and the accounts beside it, the closes that they have not seen."""
        if live.bars.version != self._version:
            self._decide_again()
        if self._decider is not None:
            self._decider.catch_up(self._bars)

    def _equity(self) -> float:
        """What is traded with: our share of all that the account is worth."""
        return equity_of(self, self._options.run.account_share)

    def _rules_now(self) -> Rules:
        """What binds the account as it is now."""
        return self._options.rules(self._equity(), self._lot_size)

    def _retrain(self) -> None:
        if self.is_warming_up or self._decider is None:
            return
        if self._live is None:
            self._learn()
        else:
            self._begin_training(self._live)

    def _learn(self) -> None:
        """Learn from all bars kept so far, for the account as it is now; a backtest waits."""
        decider = self._learner.decider(self._bars.histories(), self._rules_now(), self.time)
        self._decider = decider or self._decider

    def _begin_training(self, live: LiveDesk) -> None:
        """The same beside trading: what fails costs the training, never the process."""
        now = self.time
        try:
            live.bars.refresh(now)
            with self._turn:
                # What candidates have earned until now counts in this training.
                self._look(live)
            version, histories = live.bars.seen()
            rules = self._rules_now()
        except builtins.Exception as problem:
            live.trainings.failed(problem, self._decider is not None)
            return
        work = functools.partial(self._learn_beside, live, version, histories, rules, now)
        with self._turn:
            if self._training.start(work):
                self._awaits = True
                live.trainings.begun(self._decider is not None)
            else:
                live.tell("a training is under way; the one that is due now is left out")

    def _learn_beside(
        self, live: LiveDesk, version: int, histories: list[History], rules: Rules, now: datetime
    ) -> None:
        """A training, on its own thread; the models of before decide until it is done."""
        try:
            decider = self._learner.decider(histories, rules, now)
            with self._turn:
                if decider is not None:
                    self._decider, self._version = decider, version
                self._awaits = False
                live.trainings.done(now, decider is not None)
                self._decide_late(live)
        except builtins.Exception as problem:
            live.trainings.failed(problem, self._decider is not None)

    def _keeps_real_time(self) -> bool:
        """Whether the algorithm's clock is the machine's, not that of a replay."""
        now = self.utc_time.replace(tzinfo=UTC)
        return bool(abs(datetime.now(UTC) - now) < REAL_TIME)

    # Trading.

    def on_data(self, data: Slice) -> None:
        """Keep the new bars and, after warm-up, decide on them."""
        self._outside.take(data)
        if self._live is not None:
            self._trade_live(self._live, data)
            return
        bars = self._take_bars(data)
        if self.is_warming_up or not bars:
            return
        close = max(time for time, _ in bars.values())
        for name, (_, row) in bars.items():
            self._diagnostics.close(name, close, row[3])
        if self._decider is not None:
            self._trade(self._decider, close, list(bars))

    def _take_bars(self, data: Slice) -> dict[str, tuple[datetime, Row]]:
        """Keep the slice's new bars; end and bar by ticker. A bad one stops a backtest."""
        taken = {}
        for symbol in self._traded:
            bar = data.bars.get(symbol)
            if bar is not None and bar.end_time < self._first_bar:
                continue
            if bar is not None and not bar.is_fill_forward:
                row = row_of(bar)
                if self._bars.add(symbol.value, bar.end_time, row):
                    taken[symbol.value] = (bar.end_time, row)
            elif not self.securities[symbol].is_delisted:
                self._bars.check_gap(symbol.value, self.time)
        return taken

    def _trade(
        self, decider: Decider, close: datetime, fresh: list[str], *, late: bool = False
    ) -> None:
        """Decide on the symbols that have a new bar, at its close, and trade on it.

        Args:
            decider: takes the decision.
            close: end of the bars.
            fresh: tickers that have one.
            late: whether the close's time step is over: LEAN's stages are not asked any more, and
                the two functions that stand for them are, in either mode.
        """
        equity = self._equity()
        held = self._weights(equity)
        with self._diagnostics.stopwatch.stage("decisions"):
            decider.catch_up(self._bars)
            decision = decider.decide(close, fresh, held)
        weights = self._apply_stops(decision, equity)
        self.on_decision(decision, weights)
        self._show(decision, held)
        now = self.time
        weights = self._close.add(close, now, fresh, weights)
        if self._options.run.trade_mode == INSIGHTS and not late:
            self._alpha.offer(decision, weights)
        else:
            self._order(weights, self._close.fresh_at(now))

    def _weights(self, equity: float) -> dict[str, float]:
        """Weight now held of every ticker."""
        return {
            symbol.value: float(self.portfolio[symbol].holdings_value) / equity
            for symbol in self._traded
        }

    def _order(self, weights: Mapping[str, float], fresh: Collection[str]) -> None:
        """What LEAN's stages do with insights, done with orders."""
        share = self._options.run.account_share
        targets = target_quantities(self, self._traded, weights, self._rules, share)
        demanded = demanded_quantities(
            self, self._traded, targets, self._rules, self._stops, fresh, share
        )
        if self._live is None:
            send_orders(self, targets | demanded)
        else:
            self._record(targets | demanded)

    def _apply_stops(self, decision: Decision, equity: float) -> dict[str, float]:
        """Target weight of every symbol after the stops; NaN for no fresh target."""
        profits = {
            symbol.value: float(self.portfolio[symbol].unrealized_profit_percent)
            for symbol in self._traded
            if self.portfolio[symbol].invested
        }
        with nullcontext() if self._live is None else self._live.guard:
            triggered = self._stops.update(decision.time, profits, equity)
        for name, reason in triggered.items():
            self.log(f"{name}: {reason}; flat from the next open")
        return self._stops.apply(
            {name: decision.weights.get(name, math.nan) for name in self._options.run.symbols}
        )

    def on_decision(self, decision: Decision, weights: Mapping[str, float]) -> None:
        """Called with every decision that is about to be traded; for subclasses to watch.

        Args:
            decision: as the decider took it.
            weights: target weight by ticker after the stops, NaN for no fresh target.
        """

    # Live trading.

    def _trade_live(self, live: LiveDesk, data: Slice) -> None:
        """A live close: what fails costs a decision, never the process."""
        close = data.time.replace(microsecond=0)
        try:
            bars = live.bars.take(data)
            if not bars:
                return
            close = max(time for time, _ in bars.values())
            self._heed_training(live, close)
            with self._turn:
                self._decide(live, close, {name: row for name, (_, row) in bars.items()})
        except builtins.Exception as problem:
            live.failed(close, problem)

    def _heed_training(self, live: LiveDesk, close: datetime) -> None:
        """Before a decision: try again what failed, and wait for it where time stands still."""
        if not self._training.running and live.trainings.wanted(self._decider is not None):
            self._begin_training(live)
        if not self._keeps_real_time():
            self._training.wait()
        with self._turn:
            if self._training.running and self._awaits and self._decider is not None:
                live.tell(
                    f"the close of {close} is decided with the models of before: a training is "
                    "under way"
                )

    def _decide_late(self, live: LiveDesk) -> None:
        """Decide on the newest close if that is still to be done, and in time for its open."""
        with self._turn:
            close = live.undecided()
            if close is None or self._decider is None:
                return
            bars = live.bars.at(close)
            lacking = live.bars.lacking(close)
            if lacking:
                live.tell(f"{', '.join(lacking)}: history has no bar of {close}; no decision on it")
            if live.bars.doubted(bars):
                return
            try:
                self._decide(live, close, {n: row for n, (_, row) in bars.items()}, late=True)
            except builtins.Exception as problem:
                live.failed(close, problem)

    def _decide(
        self, live: LiveDesk, close: datetime, rows: Mapping[str, Row], *, late: bool = False
    ) -> None:
        """Decide on a close and note its targets.

        Args:
            live: of the run.
            close: end of the bars.
            rows: bars by ticker.
            late: whether the close's time step is over.
        """
        for name in rows:
            self._note_closes(name)
        if self._decider is None:
            return
        live.pass_closes(close)
        live.cancel_stale()
        share = self._options.run.account_share
        self._stops.move_cash(share * live.account.outside_flow())
        self._look(live)
        if live.stopped():
            live.record(close, dict.fromkeys(self._options.run.symbols, 0.0))
            return
        self._closing = close
        self._trade(self._decider, close, list(rows), late=late)
        if late or self._options.run.trade_mode != INSIGHTS or not self._close.wants_anything:
            # Otherwise LEAN's stages have still to say how much: `_record`.
            live.record(close, {})

    def _note_closes(self, name: str) -> None:
        """Note a symbol's newest close, and those before it that nobody saw, as history has them.

        What was forecast is held against the close before at the scale of now: a stock may have
        split since.
        """
        bars, known = self._bars.of(name), self._diagnostics.newest(name)
        first = len(bars) - 1
        while known is not None and first > 0 and bars[first - 1][0] > known:
            first -= 1
        for i in range(first, len(bars)):
            before = bars[i - 1][1][3] if i else None
            self._diagnostics.close(name, bars[i][0], bars[i][1][3], before)

    def _record(self, targets: Mapping[Symbol, float]) -> None:
        """Note what is to be ordered in the morning."""
        if self._live is None or not targets:
            return
        held = {symbol.value: quantity for symbol, quantity in targets.items()}
        self._live.record(self._closing, held)

    def _stage_failed(self, problem: builtins.Exception) -> None:
        """A stage of LEAN's framework failed: it costs the decision, not the process."""
        if self._live is not None:
            self._live.failed(self._closing, problem)

    def _send(self) -> None:
        """Order what the last close decided, before the open."""
        if self._live is None or self.is_warming_up:
            return
        with self._turn:
            self._live.stopped()
            self._live.send()

    def _settle(self) -> None:
        """Put right, after the open, what an order that was refused late has left."""
        if self._live is not None and not self.is_warming_up:
            with self._turn:
                self._live.settle()

    def _watch(self) -> None:
        """Some minutes after the close: say what it lacked."""
        if self._live is not None and not self.is_warming_up:
            self._live.cancel_stale()
            self._live.watch(self._decider is not None)

    def on_splits(self, splits: Splits) -> None:
        """In live trading kept bars and pending targets follow a split."""
        if self._live is None:
            return
        for symbol in self._traded:
            split = splits.get(symbol)
            if split is not None and split.type == SplitType.SPLIT_OCCURRED:
                factor = float(split.split_factor)
                paid = price_factor(self.current_slice.dividends.get(symbol))
                self._live.split(symbol.value, factor, split.time.date(), paid)

    def on_dividends(self, dividends: Dividends) -> None:
        """In live trading they come as cash, which is no deposit."""
        if self._live is not None:
            self._live.paid(dividends, self.current_slice.splits)

    def on_order_event(self, order_event: OrderEvent) -> None:
        """In live trading what is held is kept for a restart to compare, and refusals are met."""
        if self._live is None:
            return
        if order_event.fill_quantity != 0:
            self._live.filled(order_event)
        elif order_event.status == OrderStatus.INVALID:
            self._live.orders.refused(order_event)
        elif order_event.status == OrderStatus.CANCELED:
            self._live.orders.cancelled(order_event)

    # What the user sees.

    def buy_and_hold(self, time: datetime) -> float:
        """The benchmark: value of the starting cash, spread evenly over the symbols and held."""
        cash = self._options.run.cash
        prices = {symbol.value: float(self.securities[symbol].price) for symbol in self._traded}
        if self.is_warming_up or not all(price > 0 for price in prices.values()):
            return cash
        if not self._benchmark_shares:
            part = cash / len(prices)
            self._benchmark_shares |= {name: part / price for name, price in prices.items()}
        return sum(self._benchmark_shares[name] * price for name, price in prices.items())

    def _show(self, decision: Decision, held: Mapping[str, float]) -> None:
        """Note the forecasts and plot what was decided."""
        self._note_forecasts(decision)
        for name, cap in zip(self._options.run.symbols, self._rules.caps, strict=True):
            self._plot("Weights", name, held[name])
            self._plot("Weights", cap_name(name), float(cap))
        for name, forecast in decision.forecasts.items():
            chart = f"Forecast {name}"
            close = float(forecast.last_close[0])
            lower, *_, upper = decision.fans[name]
            mean = close * float(np.exp(forecast.mean[0]))
            for series, value in zip(FORECAST, (close, mean, lower, upper), strict=True):
                self._plot(chart, series, value)
        for name, values in decision.action_values.items():
            for action, value in values.items():
                self._plot(f"Action values {name}", action, value)

    def _note_forecasts(self, decision: Decision) -> None:
        for name, forecast in decision.forecasts.items():
            self._diagnostics.forecast(name, forecast, decision.fans[name])

    def _plot(self, chart: str, series: str, value: float) -> None:
        if series in self._plotted:
            self.plot(chart, series, value)

    def on_end_of_algorithm(self) -> None:
        """Leave the diagnostics in the object store, where the report finds them.

        Raises:
            ValueError: if a backtest had no bar of a symbol. Where none has any, time does not
                pass, and warm-up, which would have said so, never finishes.
        """
        if self._live is None:
            self._require_bars()
        if self._live is not None:
            if self._training.running:
                self.log("live: a training is under way; the next start goes on with what it saved")
            again = self._live.account.redeploy()
            self.log(f"live: LEAN's paper account forgets; to deploy it as this one is: {again}")
        reused, trainings = self._diagnostics.reused_trainings()
        if reused:
            self.log(f"{reused} of {trainings} trainings were reused from the object store.")
        run = self._options.run
        document = self._diagnostics.to_json(
            {
                "start": str(run.start_date),
                "end": str(run.end_date),
                "symbols": list(run.symbols),
                "seed": run.seed,
                "trade_mode": run.trade_mode,
                "parameters": self._options.to_parameters(),
            }
        )
        if not self.object_store.save(DIAGNOSTICS_KEY, document):
            self.error(f"the object store refused {DIAGNOSTICS_KEY}; the report will lack it")
