"""The algorithm that LEAN runs: wiring only.

Bars come in, are checked and kept; after warm-up the models are trained (or taken from the object
store); after every close the agent decides, and the decision goes through insights or orders,
under the same stops and caps. Retraining is scheduled with `self.train`.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from time import perf_counter

import numpy as np
from AlgorithmImports import *

from algorithm.alpha import AgentAlphaModel
from algorithm.decision import AgentDecider, Decider, Decision
from algorithm.diagnostics import KEY as DIAGNOSTICS_KEY
from algorithm.diagnostics import Diagnostics
from algorithm.execution import send_orders
from algorithm.portfolio import CappedPortfolioConstructionModel, plan_quantities
from algorithm.risk import StopsRiskModel
from algorithm.settings import Settings
from algorithm.stops import Stops
from algorithm.training import TrainedModels, Trainer
from models.agent.observation import Observer
from models.artifacts import ArtifactStore
from models.market.history import MAX_GAP_DAYS, History

BARS_PER_YEAR = 252


class MirageStrategy(QCAlgorithm):
    """Trades what an agent learned on imagined markets; see the module's docstring."""

    def initialize(self) -> None:
        """Read the settings and set up data, models, framework and schedule."""
        self._options = Settings.from_parameters(dict(self.get_parameters().items()))
        options = self._options
        self._caps = options.limits()
        self._diagnostics = Diagnostics(options.symbols)
        self._stops = Stops(
            options.stop_loss, options.take_profit, options.daily_stop, options.cooldown_bars
        )
        self._models: TrainedModels | None = None
        self._decider: Decider | None = None
        self._decision: Decision | None = None
        self._taken: Decision | None = None

        self.set_start_date(
            options.start_date.year, options.start_date.month, options.start_date.day
        )
        self.set_end_date(options.end_date.year, options.end_date.month, options.end_date.day)
        self.set_cash(options.cash)
        # `plan_orders` has its own band against churn; LEAN's would make the two modes differ.
        self.settings.minimum_order_margin_portfolio_percentage = 0.0

        self._traded = [self.add_equity(name, Resolution.DAILY).symbol for name in options.symbols]
        for symbol in self._traded:
            # The agent is trained with the same costs: LEAN's default fee and this slippage.
            self.securities[symbol].set_slippage_model(ConstantSlippageModel(options.slippage))
        kept = int(np.ceil(options.warm_up_years * BARS_PER_YEAR))
        self._bars: dict[str, deque[tuple[datetime, tuple[float, ...]]]] = {
            name: deque(maxlen=kept) for name in options.symbols
        }
        self.set_warm_up(timedelta(days=round(options.warm_up_years * 365.25)), Resolution.DAILY)
        self._warm_up_started = perf_counter()
        self._benchmark_shares: dict[str, float] = {}
        self.set_benchmark(self._buy_and_hold)

        artifacts = ArtifactStore(self.object_store, report=self.error)
        artifacts.check_writable()
        if options.clear_models:
            artifacts.clear()
            self.log("Cleared the cached models (parameter clear_models).")
        self._trainer = Trainer(options, artifacts, self._diagnostics, report=self.log)

        if options.trade_mode == "insights":
            self.set_alpha(AgentAlphaModel(self._traded, self._take_decision))
            self.set_portfolio_construction(
                CappedPortfolioConstructionModel(
                    self._traded, self._caps, lambda: self._taken is not None
                )
            )
            self.set_risk_management(StopsRiskModel(self._replan_with_stops))
            self.set_execution(ImmediateExecutionModel())
        if options.retrain != "never":
            first = self._traded[0]
            dates = (
                self.date_rules.month_start(first)
                if options.retrain == "monthly"
                else self.date_rules.week_start(first)
            )
            self.train(dates, self.time_rules.at(8, 0), self._retrain)

    # Training.

    def on_warmup_finished(self) -> None:
        """Train before the first bar that may be traded."""
        seconds = perf_counter() - self._warm_up_started
        self._diagnostics.stopwatch.seconds["warm-up"] = seconds
        for name in self._options.symbols:
            if not self._bars[name]:
                raise ValueError(
                    f"symbol {name}: no daily bars in the {self._options.warm_up_years:g} years "
                    f"before {self._options.start_date}; is it in the data folder?"
                )
        if self.live_mode:
            self.train(self.train_models)
        else:
            self.train_models()

    def _retrain(self) -> None:
        if not self.is_warming_up and self._models is not None:
            self.train_models()

    def train_models(self) -> None:
        """Train on all bars kept so far, unless nothing came since the last training."""
        histories = [self._history_of(name) for name in self._options.symbols]
        newest = max(history.time[-1] for history in histories)
        if self._models is not None and newest <= self._models.data_end:
            return
        self._models = self._trainer.train(histories, self._models, now=self.time)
        # Replaced as a whole, last: in live trading this runs beside on_data.
        self._decider = AgentDecider(
            Observer(self._models.forecaster),
            self._models.agent,
            histories,
            self._caps,
            seed=self._options.seed,
            draws=self._options.forecast_draws,
        )

    def _history_of(self, name: str) -> History:
        # Copied in one step: in live trading bars come in while this runs.
        rows = list(self._bars[name])
        times = np.array([time for time, _ in rows], dtype="datetime64[ns]")
        return History(name, times, np.array([bar for _, bar in rows]))

    # Trading.

    def on_data(self, data: Slice) -> None:
        """Keep the new bars and, after warm-up, decide on them."""
        fresh = {}
        for symbol in self._traded:
            bar = data.bars.get(symbol)
            if bar is not None and not bar.is_fill_forward:
                row = (
                    float(bar.open),
                    float(bar.high),
                    float(bar.low),
                    float(bar.close),
                    float(bar.volume),
                )
                if self._accept(symbol.value, bar.end_time, row):
                    fresh[symbol.value] = row
            elif not self.live_mode:
                self._check_gap(symbol)
        if self.is_warming_up or not fresh:
            return
        for name, row in fresh.items():
            self._diagnostics.close(name, self.time, row[3])
        if self._decider is not None:
            self._decide(self._decider, list(fresh))

    def _accept(self, name: str, time: datetime, row: tuple[float, ...]) -> bool:
        """Keep a bar if it is valid; a bad one stops a backtest and is skipped in live trading."""
        kept = self._bars[name]
        recent = [kept[-1], (time, row)] if kept else [(time, row)]
        try:
            History(
                name,
                np.array([at for at, _ in recent], dtype="datetime64[ns]"),
                np.array([bar for _, bar in recent]),
            )
        except ValueError as problem:
            if not self.live_mode:
                raise
            self.error(f"bar skipped: {problem}")
            return False
        kept.append((time, row))
        return True

    def _check_gap(self, symbol: Symbol) -> None:
        """Stop when a listed symbol's bars stay away: a gap at the end of the data has no end."""
        kept = self._bars[symbol.value]
        if not kept or self.securities[symbol].is_delisted:
            return
        newest = kept[-1][0]
        if self.time - newest > timedelta(days=MAX_GAP_DAYS):
            raise ValueError(
                f"{symbol.value}: time must have no gap longer than {MAX_GAP_DAYS:g} days; "
                f"received no bar from {newest} to {self.time}"
            )

    def _decide(self, decider: Decider, fresh: list[str]) -> None:
        """Decide on the symbols that have a new bar, at its close."""
        equity = float(self.portfolio.total_portfolio_value)
        held = {
            symbol.value: float(self.portfolio[symbol].holdings_value) / equity
            for symbol in self._traded
        }
        profits = {
            symbol.value: float(self.portfolio[symbol].unrealized_profit_percent)
            for symbol in self._traded
            if self.portfolio[symbol].invested
        }
        with self._diagnostics.stopwatch.stage("decisions"):
            decider.catch_up(self._bars)
            decision = decider.decide(self.time, fresh, held)
        for name, reason in self._stops.update(profits, equity).items():
            self.log(f"{name}: {reason}; flat from the next open")
        for name, forecast in decision.forecasts.items():
            self._diagnostics.forecast(name, forecast, decision.fans[name])
        self._plot_decision(decision, held)
        if self._options.trade_mode == "orders":
            send_orders(self, self._plan(self._stops.filter(decision.weights)))
        else:
            self._decision = decision

    def _take_decision(self) -> Decision | None:
        decision, self._decision = self._decision, None
        self._taken = decision
        return decision

    def _replan_with_stops(self) -> dict[Symbol, float] | None:
        """Quantities with the stops applied, when the decision just taken asks for others."""
        if self._taken is None:
            return None
        return self._plan(self._stops.filter(self._taken.weights))

    def _plan(self, weights: dict[str, float]) -> dict[Symbol, float]:
        self.on_decision(self.time, weights)
        return plan_quantities(self, self._traded, weights, self._caps)

    def on_decision(self, time: datetime, weights: dict[str, float]) -> None:
        """Called with every decision that is about to be traded; for subclasses to watch.

        Args:
            time: the close it was taken at, algorithm time.
            weights: target weight by ticker after the stops, NaN for no fresh target.
        """

    # What the user sees.

    def _buy_and_hold(self, time: datetime) -> float:
        """Value of the starting cash, spread evenly over the symbols and held; no costs."""
        prices = {symbol.value: float(self.securities[symbol].price) for symbol in self._traded}
        if self.is_warming_up or not all(price > 0 for price in prices.values()):
            return self._options.cash
        if not self._benchmark_shares:
            part = self._options.cash / len(prices)
            self._benchmark_shares = {name: part / price for name, price in prices.items()}
        return sum(self._benchmark_shares[name] * price for name, price in prices.items())

    def _plot_decision(self, decision: Decision, held: dict[str, float]) -> None:
        caps = self._caps.for_symbols(self._options.symbols)
        for name, cap in zip(self._options.symbols, caps, strict=True):
            self.plot("Weights", name, held[name])
            self.plot("Weights", f"{name} cap", float(cap))
        for name, forecast in decision.forecasts.items():
            chart = f"Forecast {name}"
            close = float(forecast.last_close[0])
            lower, *_, upper = decision.fans[name]
            self.plot(chart, "Close", close)
            self.plot(chart, "Mean", close * float(np.exp(forecast.mean[0])))
            self.plot(chart, "Lower", lower)
            self.plot(chart, "Upper", upper)
        for name, values in decision.action_values.items():
            for action, value in values.items():
                self.plot(f"Action values {name}", action, value)

    def on_end_of_algorithm(self) -> None:
        """Leave the diagnostics in the object store, where the report finds them."""
        reused, trainings = self._diagnostics.reused_trainings()
        if reused:
            self.log(f"{reused} of {trainings} trainings were reused from the object store.")
        options = self._options
        document = self._diagnostics.to_json(
            {
                "start": str(options.start_date),
                "end": str(options.end_date),
                "symbols": list(options.symbols),
                "seed": options.seed,
                "trade_mode": options.trade_mode,
                "parameters": options.to_parameters(),
            }
        )
        if not self.object_store.save(DIAGNOSTICS_KEY, document):
            self.error(f"the object store refused {DIAGNOSTICS_KEY}; the report will lack it")
