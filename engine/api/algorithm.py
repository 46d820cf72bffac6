"""QCAlgorithm: what a user's algorithm derives from.

The parts are in mixins: trading, data, charts and framework. Names are LEAN's snake_case ones;
PascalCase spellings work too. LEAN's calls that are missing here raise NotImplementedError.

All other names belong to the user, whose `self._start` or `self.messages` must not meet ours: what
the engine keeps on an algorithm is called `_qc_…`, or `qc_…` where other rooms read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.account.initializers import CompositeSecurityInitializer, FuncSecurityInitializer
from engine.account.margin_call import MarginCallModel
from engine.account.portfolio import SecurityPortfolioManager
from engine.account.securities import Security, SecurityManager
from engine.api.algorithm_charts import ChartsMixin
from engine.api.algorithm_data import DataMixin
from engine.api.algorithm_framework import FrameworkMixin
from engine.api.algorithm_history import HistoryMixin
from engine.api.algorithm_indicators import IndicatorsMixin
from engine.api.algorithm_statistics import StatisticsMixin
from engine.api.algorithm_symbols import SymbolsMixin
from engine.api.algorithm_trading import TradingMixin
from engine.api.messages import DEBUG, ERROR, LOG, Messages
from engine.api.notifications import NotificationManager
from engine.api.pandas_converter import PandasConverter
from engine.api.run_context import RunContext, current_context
from engine.api.schedule_rules import DateRules, TimeRules
from engine.api.scheduling import ScheduleManager
from engine.api.signal_exports import SignalExportManager
from engine.brokerage.brokerage_models import (
    DefaultBrokerageModel,
    FuncBenchmark,
    SecurityBenchmark,
)
from engine.brokerage.brokers import brokerage_model, brokerage_name
from engine.brokerage.buying_power import exact_leverage
from engine.brokerage.transactions import SecurityTransactionManager
from engine.common.assigned import ReadOnly, Typed, Value
from engine.common.clock import (
    END_OF_TIME,
    NEW_YORK,
    ShownTime,
    aware_utc,
    from_utc,
    midnight,
    shown_local,
    to_utc,
    zone,
)
from engine.common.decimals import cast_double, number_text
from engine.common.enums import (
    AccountType,
    AlgorithmMode,
    AlgorithmStatus,
    BrokerageName,
    DeploymentTarget,
    Resolution,
)
from engine.common.naming import (
    LeanObject,
    RefusedProperty,
    both_spellings,
    either_spelling,
    pascal_case,
)
from engine.common.net_exceptions import ArgumentException, InvalidOperationException
from engine.common.net_values import cannot_convert, member_of, read_bool, read_int
from engine.common.settings import AlgorithmSettings, UniverseSettings
from engine.common.signatures import overloads
from engine.feed.history import HistoryProvider
from engine.feed.history_requests import start_of_bars
from engine.market.symbols import Symbol
from engine.orders.order_properties import OrderProperties
from engine.orders.orders import OrderEvent

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_LONGEST_NAME, _MOST_TAGS = 200, 100


class QCAlgorithm(
    TradingMixin,
    DataMixin,
    SymbolsMixin,
    HistoryMixin,
    IndicatorsMixin,
    ChartsMixin,
    StatisticsMixin,
    FrameworkMixin,
    LeanObject,
):
    """Base of algorithms; override `initialize` and `on_data`."""

    # Read where they are kept, since there is no `__get__`.
    brokerage_message_handler: Any = RefusedProperty()
    debug_messages: Any = RefusedProperty()
    error_messages: Any = RefusedProperty()
    history_provider: Any = RefusedProperty()
    log_messages: Any = RefusedProperty()
    name_updated: Any = RefusedProperty()
    tags_updated: Any = RefusedProperty()
    algorithm_id: Any = ReadOnly()
    algorithm_mode: Any = ReadOnly()
    benchmark: Any = Typed("QuantConnect.Benchmarks.IBenchmark")
    brokerage_model: Any = Typed("QuantConnect.Brokerages.IBrokerageModel")
    current_slice: Any = Typed("QuantConnect.Data.Slice")
    date_rules: Any = ReadOnly()
    deployment_target: Any = ReadOnly()
    default_order_properties: Any = Typed("QuantConnect.Interfaces.IOrderProperties")
    live_mode: Any = ReadOnly()
    is_warming_up: bool = Value(read_bool)  # type: ignore[assignment]
    notify: Any = Typed("QuantConnect.Notifications.NotificationManager")
    object_store: Any = Typed("QuantConnect.Storage.ObjectStore")
    pandas_converter: Any = ReadOnly()
    portfolio: Any = Typed("QuantConnect.Securities.SecurityPortfolioManager")
    project_id: int = Value(read_int)  # type: ignore[assignment]
    schedule: Any = Typed("QuantConnect.Scheduling.ScheduleManager")
    securities: Any = Typed("QuantConnect.Securities.SecurityManager")
    settings: Any = Typed("QuantConnect.Interfaces.IAlgorithmSettings")
    signal_export: Any = ReadOnly()
    status: Any = Value(member_of(AlgorithmStatus))
    subscription_manager: Any = Typed("QuantConnect.Data.SubscriptionManager")
    time_rules: Any = ReadOnly()
    trade_builder: Any = Typed("QuantConnect.Interfaces.ITradeBuilder")
    transactions: Any = Typed("QuantConnect.Securities.SecurityTransactionManager")
    universe: Any = Typed("QuantConnect.Algorithm.UniverseDefinitions")
    universe_manager: Any = Typed("QuantConnect.Securities.UniverseManager")
    universe_settings: Any = Typed("QuantConnect.Data.UniverseSelection.UniverseSettings")

    takes_overrides = False  # but for callbacks, which `qc_callback` finds

    def __new__(cls, *_: Any, **__: Any) -> QCAlgorithm:
        """Set the state up before the user's `__init__`, which need not call ours."""
        self = super().__new__(cls)
        self._qc_set_up(current_context())
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def _qc_set_up(self, context: RunContext) -> None:
        self._qc_context = context
        self._qc_utc_time = datetime(1998, 1, 1)
        self._qc_time_zone = NEW_YORK
        self._qc_start = datetime(1998, 1, 1)
        self._qc_end = midnight(datetime.now()) - _MICROSECOND
        self._qc_locked = False
        self._qc_warm_up_span: timedelta | None = None
        self._qc_warm_up_bars: int | None = None
        self.is_warming_up = True
        self._qc_name = type(self).__name__
        self._qc_tags: set[str] = set()
        self.notify = NotificationManager(live_mode=False)
        self.algorithm_id = type(self).__name__
        self.project_id = 0
        self.live_mode = False
        self.algorithm_mode = AlgorithmMode.BACKTESTING
        self.deployment_target = DeploymentTarget.LOCAL_PLATFORM
        self.status = AlgorithmStatus.RUNNING
        self.run_time_error: BaseException | None = None
        self.settings = AlgorithmSettings()
        self.universe_settings = UniverseSettings()
        self.securities = SecurityManager()
        self.portfolio = SecurityPortfolioManager(self.securities, self.settings)
        self.transactions = SecurityTransactionManager(self)
        self.portfolio.transactions = self.transactions
        vars(self)["brokerage_model"] = DefaultBrokerageModel()
        self._qc_use_benchmark(None)
        self.default_order_properties = OrderProperties()
        self.object_store = context.object_store
        self.date_rules = DateRules(self)
        self.time_rules = TimeRules(self)
        self.schedule = ScheduleManager(
            self.date_rules, self.time_rules, self._qc_now, self.is_market_open_at
        )
        self.current_slice = None
        self.qc_messages = Messages(lambda line: context.on_message(line))
        self.signal_export = SignalExportManager(self)
        self._qc_security_initializer: Any = None
        self._qc_initializer_is_users = False
        self._qc_initializing: Security | None = None
        self._qc_account_currency = "USD"
        self._qc_history_provider = HistoryProvider(
            context.sources,
            lambda: self.settings.daily_precise_end_time,
            lambda: self._qc_end,
            files_grow=context.live_start is not None,
        )
        self.pandas_converter = PandasConverter()
        self._qc_set_up_data()
        self._qc_set_up_charts()
        self._qc_set_up_statistics()
        self._qc_set_up_framework()
        if context.live_start is not None:
            self._qc_go_live(context.live_start)

    def _qc_go_live(self, now: datetime) -> None:
        """Start now rather than on a date; brokers, not LEAN, call margin in live trading."""
        self.qc_messages.live = True
        self.notify = NotificationManager(live_mode=True)
        vars(self).update(live_mode=True, algorithm_mode=AlgorithmMode.LIVE)
        self._qc_utc_time = now
        self._qc_start, self._qc_end = self.time, END_OF_TIME
        self.portfolio.margin_call_model = MarginCallModel.NULL

    # Time -----------------------------------------------------------------------------------

    def _qc_now(self) -> datetime:
        return self._qc_utc_time

    @property
    def time(self) -> datetime:
        """Time in the algorithm's time zone."""
        return shown_local(self._qc_utc_time, self._qc_time_zone)

    @property
    def utc_time(self) -> datetime:
        """Time in UTC."""
        return aware_utc(self._qc_utc_time)

    @property
    def utc_time_naive(self) -> datetime:
        """Time in UTC, without its time zone."""
        return self._qc_utc_time

    @property
    def time_zone(self) -> str:
        """IANA name of the algorithm's time zone."""
        return self._qc_time_zone

    @property
    def start_date(self) -> datetime:
        """First day of trading."""
        return ShownTime.of(midnight(self._qc_start))

    @property
    def end_date(self) -> datetime:
        """Last moment of the last day."""
        return ShownTime.of(self._qc_end)

    def set_date_time(self, frontier: datetime) -> None:
        """Move the clock to a time in UTC; ends warm-up when the start is reached."""
        self._qc_utc_time = frontier
        if self._qc_locked and self.is_warming_up and self.time >= self._qc_start:
            self.is_warming_up = False

    def _qc_require_initialize(self, call: str, why: str) -> None:
        if self._qc_locked:
            raise InvalidOperationException(f"self.{call}(): {why}")

    @staticmethod
    def _qc_day(call: str, year: Any, month: Any, day: Any, moment: Any) -> datetime:
        """The day of LEAN's `(year, month, day)` or `(moment)`."""
        try:
            if month is not None:
                return datetime(year, month, day)
            given = year if moment is None else moment
            return datetime(given.year, given.month, given.day)
        except ValueError:
            raise ArgumentException(
                "Date Invalid: Year, Month, and Day parameters describe an un-representable "
                "DateTime."
            ) from None
        except (TypeError, AttributeError) as error:
            received = tuple(part for part in (year, month, day, moment) if part is not None)
            raise TypeError(
                f"{call} takes year, month, day or a datetime; received {received}"
            ) from error

    def set_start_date(
        self, year: Any = None, month: Any = None, day: Any = None, start: Any = None
    ) -> None:
        """First day of trading: year, month, day; or a datetime. Live trading starts today."""
        self._qc_require_initialize(
            "set_start_date", "Cannot change start date after algorithm initialized."
        )
        if self.live_mode:
            return
        self._qc_start = self._qc_day("set_start_date", year, month, day, start)
        self.set_date_time(to_utc(self._qc_start, self._qc_time_zone))

    def set_end_date(
        self, year: Any = None, month: Any = None, day: Any = None, end: Any = None
    ) -> None:
        """Last day of trading, included. Live trading has none."""
        self._qc_require_initialize(
            "set_end_date", "Cannot change end date after algorithm initialized."
        )
        if self.live_mode:
            return
        self._qc_end = self._qc_day("set_end_date", year, month, day, end) + _DAY - _MICROSECOND

    def set_time_zone(self, time_zone: str) -> None:
        """Change the algorithm's time zone (IANA name)."""
        self._qc_require_initialize(
            "set_time_zone", "Cannot change time zone after algorithm running."
        )
        try:
            zone(str(time_zone))
        except ValueError:
            raise ArgumentException(
                f"TimeZone with id '{time_zone}' was not found. For a complete list of time zones "
                "please visit: http://en.wikipedia.org/wiki/List_of_tz_database_time_zones"
            ) from None
        self._qc_time_zone = str(time_zone)
        if self.live_mode:
            self._qc_start = self.time
        else:
            self.set_date_time(to_utc(self._qc_start, self._qc_time_zone))

    def set_warm_up(
        self,
        period: Any = None,
        resolution: Resolution | None = None,
        *,
        time_span: timedelta | None = None,
        bar_count: int | None = None,
    ) -> None:
        """Warm up over a timedelta or a number of bars before the start.

        With a resolution, all data of the warm-up has it.

        Raises:
            TypeError: if the period is neither.
        """
        period = next((p for p in (period, time_span, bar_count) if p is not None), None)
        self._qc_require_initialize(
            "set_warmup", "This method cannot be used after algorithm initialized"
        )
        self._qc_warm_up_span = self._qc_warm_up_bars = None
        if isinstance(period, timedelta):
            self._qc_warm_up_span = period
        elif isinstance(period, int) and not isinstance(period, bool) and period >= 0:
            self._qc_warm_up_bars = period
        else:
            raise TypeError(
                f"set_warm_up takes a timedelta or a number of bars; received {period!r}"
            )
        self.settings.warmup_resolution = resolution

    set_warmup = set_warm_up

    def _qc_warm_up_start(self) -> datetime | None:
        """Start of warm-up in the algorithm's time zone, None without warm-up."""
        if self._qc_warm_up_span is not None:
            return self._qc_start - self._qc_warm_up_span if self._qc_warm_up_span else None
        if not self._qc_warm_up_bars:
            return None
        wanted = self.settings.warmup_resolution
        starts = []
        for security in self.securities.values():
            hours = security.exchange.hours
            local = hours.from_utc(to_utc(self._qc_start, self._qc_time_zone))
            resolution = wanted if wanted is not None else security.resolution
            start = start_of_bars(hours, local, resolution, self._qc_warm_up_bars, False)
            starts.append(from_utc(hours.to_utc(start), self._qc_time_zone))
        if starts:
            return min(starts)
        resolution = wanted if wanted is not None else self.universe_settings.resolution
        local = to_utc(self._qc_start, self._qc_time_zone)
        hours = self.qc_default_hours
        start = start_of_bars(
            hours, hours.from_utc(local), resolution, self._qc_warm_up_bars, False
        )
        return from_utc(hours.to_utc(start), self._qc_time_zone)

    def post_initialize(self) -> None:
        """Check the dates, create universes and benchmark, and go to the start of warm-up.

        Raises:
            ValueError: if the end lies before the start.
        """
        if self._qc_end < self._qc_start:
            raise ValueError(
                "end date must not lie before the start date; received "
                f"{self._qc_start:%Y-%m-%d} to {self._qc_end:%Y-%m-%d}"
            )
        self._qc_start_framework()
        if self.benchmark is None:
            self._qc_use_benchmark(self.brokerage_model.get_benchmark(self.securities))
        if self.benchmark is None:
            self._qc_use_benchmark(self._qc_security_benchmark(self.qc_create_symbol("SPY")))
        start = self._qc_warm_up_start()
        self._qc_locked = True
        if start is None:
            self.is_warming_up = False
        else:
            self._qc_utc_time = to_utc(start, self._qc_time_zone)

    # Account --------------------------------------------------------------------------------

    @property
    def account_currency(self) -> str:
        """US dollars."""
        return self._qc_account_currency

    def set_account_currency(self, account_currency: str, starting_cash: Any = None) -> None:
        """US dollars only.

        Raises:
            NotImplementedError: for another currency.
        """
        self._qc_require_initialize(
            "set_account_currency", "Cannot change AccountCurrency after algorithm initialized."
        )
        if account_currency.upper() != "USD":
            raise NotImplementedError(
                f"set_account_currency({account_currency!r}): accounts are in US dollars here, and "
                "US equities need no other currency; run the algorithm in LEAN (`lean backtest`)"
            )
        told = "" if starting_cash is None else f", with a starting cash of {starting_cash}"
        self.debug(f"Changing account currency from USD to {account_currency}{told}...")
        if starting_cash is not None:
            self.set_cash(starting_cash)

    @overloads(
        "starting_cash: double",
        "starting_cash: int",
        "symbol: str, starting_cash: decimal, conversion_rate: decimal = 0",
    )
    def set_cash(
        self, symbol: Any = None, starting_cash: Any = None, conversion_rate: Any = None
    ) -> None:
        """Starting cash: (amount) or (currency, amount[, conversion rate]).

        Raises:
            NotImplementedError: for a currency other than US dollars.
            ValueError: if the amount is not a number.
        """
        currency, amount = symbol, starting_cash
        if not isinstance(symbol, str | None):
            currency, amount = None, symbol
        if currency is not None and currency.upper() != "USD":
            raise NotImplementedError(
                f"set_cash({currency!r}, ...): accounts hold US dollars here, no other currency; "
                "run the algorithm in LEAN (`lean backtest`)"
            )
        self._qc_require_initialize(
            "set_cash", "Cannot change cash available after algorithm initialized."
        )
        self.portfolio.set_cash(cast_double(amount))

    def set_brokerage_model(
        self,
        brokerage: Any = None,
        account_type: AccountType = AccountType.MARGIN,
        model: Any = None,
    ) -> None:
        """Choose a broker by name, or a model of one's own.

        Securities that were added before get the broker's models and keep their leverage.
        """
        chosen = brokerage if model is None else model
        if isinstance(chosen, BrokerageName):
            vars(self)["brokerage_model"] = brokerage_model(chosen, account_type)
        else:
            made = chosen() if isinstance(chosen, type) else chosen
            vars(self)["brokerage_model"] = both_spellings(made)
        if self._qc_initializer_is_users:
            return
        if self._qc_security_initializer is not None:
            self.debug(
                "Warning: SetBrokerageModel(): a custom security initializer has been added. "
                "Please call SetBrokerageModel() before calling AddSecurityInitializer()."
            )
        for security in self.securities.values():
            leverage = exact_leverage(security)
            self._qc_initialize_security(security)
            security.set_leverage(leverage)

    def set_security_initializer(self, security_initializer: Any) -> None:
        """A function of the security, or an object with `initialize(security)`.

        Raises:
            Exception: after `initialize`.
        """
        if self._qc_locked:
            raise Exception(
                "SetSecurityInitializer() cannot be called after algorithm initialization. When "
                "you use the SetSecurityInitializer() method it will apply to all universes and "
                "manually added securities."
            )
        if self._qc_initializer_is_users:
            self.debug(
                "Warning: SetSecurityInitializer() has already been called, existing security "
                "initializers in all universes will be overwritten."
            )
        self._qc_initializer_is_users = True
        self._qc_security_initializer = security_initializer

    def _qc_initialize_security(self, security: Security, subscribed: bool = True) -> None:
        initializer = self._qc_security_initializer
        if initializer is None:
            security.initialize(self.brokerage_model)
            return
        call = either_spelling(initializer, "initialize")
        # History asked for by an initializer knows the subscriptions there are.
        before = self._qc_initializing
        self._qc_initializing = security if subscribed else None
        try:
            (initializer if call is None else call)(security)
        finally:
            self._qc_initializing = before

    def _qc_seed_new(self, security: Security) -> None:
        """Give a security that is being added its last prices, where the settings say so."""
        if not self.settings.seed_initial_prices:
            return
        before, self._qc_initializing = self._qc_initializing, security
        try:
            self.qc_seed([security])
        finally:
            self._qc_initializing = before

    def qc_seed(self, securities: Iterable[Security]) -> None:
        """Give securities without a price their last known prices."""
        for security in securities:
            if not security.price_exact:
                for point in self._qc_last_known(security.symbol):
                    security.set_market_price(point)

    def add_security_initializer(self, security_initializer: Any) -> None:
        """One more initializer, after those there are.

        Raises:
            InvalidOperationException: after `initialize`.
        """
        if self._qc_locked:
            raise InvalidOperationException(
                "AddSecurityInitializer() cannot be called after algorithm initialization. When "
                "you use the AddSecurityInitializer() method it will apply to all universes and "
                "manually added securities."
            )
        before = self._qc_security_initializer
        if isinstance(before, CompositeSecurityInitializer):
            before.add_security_initializer(security_initializer)
            return
        if before is None:
            before = FuncSecurityInitializer(lambda s: s.initialize(self.brokerage_model))
        self._qc_security_initializer = CompositeSecurityInitializer(before, security_initializer)

    def set_benchmark(
        self,
        symbol: Any = None,
        ticker: Any = None,
        security_type: Any = None,
        benchmark: Any = None,
    ) -> None:
        """A symbol or ticker, a security, or a function of the time.

        Raises:
            ArgumentException: if it is none of these.
        """
        self._qc_require_initialize(
            "set_benchmark", "Cannot change Benchmark after algorithm initialized."
        )
        # LEAN's older call has the type of security first.
        given = (what for what in (ticker, symbol, benchmark) if what is not None)
        choice: Any = next(given, None)
        if isinstance(choice, Security):
            choice = choice.symbol
        if isinstance(choice, str | Symbol):
            chosen = choice if isinstance(choice, Symbol) else self.qc_create_symbol(choice)
            self._qc_use_benchmark(self._qc_security_benchmark(chosen))
        elif callable(choice):
            self._qc_use_benchmark(FuncBenchmark(choice))
        else:
            raise ArgumentException(
                f"Unable to set the benchmark from {choice!r}: it is not a supported benchmark "
                "type. set_benchmark takes a symbol, security or function"
            )

    def _qc_use_benchmark(self, benchmark: Any) -> None:
        # The property is read-only to the algorithm.
        vars(self)["benchmark"] = benchmark

    def _qc_security_benchmark(self, symbol: Symbol) -> SecurityBenchmark:
        """A hidden security that only the benchmark reads."""
        return SecurityBenchmark(self.new_security(symbol))

    def set_maximum_orders(self, max: int) -> None:
        """LEAN's limit for free accounts; no effect here."""

    @property
    def brokerage_name(self) -> BrokerageName:
        """Name of the broker; that of the class it derives from for a model of one's own."""
        return brokerage_name(self.brokerage_model)

    # Parameters -----------------------------------------------------------------------------

    @overloads(
        "name: str, default_value: double",
        "name: str, default_value: int",
        "name: str, default_value: str = None",
    )
    def get_parameter(self, name: str, default_value: Any = None) -> Any:
        """Parameter as text, or as a number if the default is one.

        A text that is no number of the default's kind gives the default, as in LEAN: with an int
        default, "5.0" does.
        """
        text = self._qc_context.parameters.get(name)
        if isinstance(default_value, bool | Decimal):
            # LEAN takes both as numbers with a fraction.
            default_value = float(default_value)
        if text is None or not isinstance(default_value, int | float):
            return default_value if text is None else text
        try:
            return type(default_value)(text.strip())
        except (ValueError, ArithmeticError):
            return default_value

    def get_parameters(self) -> Mapping[str, str]:
        """All parameters."""
        return dict(self._qc_context.parameters)

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Replace the parameters."""
        self._qc_context.parameters.clear()
        self._qc_context.parameters.update({str(k): str(v) for k, v in parameters.items()})

    # Messages -------------------------------------------------------------------------------

    @property
    def qc_log_lines(self) -> list[str]:
        """Lines of LEAN's log file."""
        return self.qc_messages.lines

    @staticmethod
    def _qc_said(message: Any) -> str:
        """A message as LEAN writes what Python hands over.

        Whatever has `to_string`, as LEAN's objects and pandas' frames, begins on a line of its own.
        """
        if type(message) is str:
            return message
        number = number_text(message)
        if number is not None:
            return number
        if hasattr(message, "to_string"):
            return f"\n{message.to_string()}"
        return str(message)

    def debug(self, message: Any) -> None:
        """Note a message; one like the last is dropped in a backtest."""
        self.qc_messages.add(DEBUG, self.time, self._qc_said(message))

    def log(self, message: Any) -> None:
        """Note a message."""
        self.qc_messages.add(LOG, self.time, self._qc_said(message))

    def error(self, message: Any) -> None:
        """Note an error; the run goes on. One like the last is dropped in a backtest."""
        self.qc_messages.add(ERROR, self.time, self._qc_said(message))

    def quit(self, message: str = "") -> None:
        """Stop after this time step."""
        self.debug(f"Quit(): {self._qc_said(message)}")
        self.status = AlgorithmStatus.STOPPED

    def set_quit(self, quit: bool) -> None:
        """Stop after this time step."""
        if quit:
            self.status = AlgorithmStatus.STOPPED

    def set_run_time_error(self, exception: BaseException) -> None:
        """Record what stopped the run."""
        self.run_time_error = self.run_time_error or exception
        self.status = AlgorithmStatus.RUNTIME_ERROR

    # Training -------------------------------------------------------------------------------

    def train(self, date_rule: Any = None, time_rule: Any = None, training_code: Any = None) -> Any:
        """Run a function now, or on a schedule: (callback) or (date rule, time rule, callback)."""
        if time_rule is None:
            return self.schedule.training_now(date_rule if training_code is None else training_code)
        return self.schedule.training(date_rule, time_rule, training_code)

    # Callbacks ------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Set the algorithm up.

        Raises:
            NotImplementedError: if not overridden.
        """
        raise NotImplementedError(f"{type(self).__name__}.initialize must be overridden")

    def on_data(self, slice: Any) -> None:
        """New data."""

    def on_warmup_finished(self) -> None:
        """Warm-up is over (also called if there was none)."""

    def on_order_event(self, order_event: OrderEvent) -> None:
        """An order's status changed."""

    def on_assignment_order_event(self, assignment_event: OrderEvent) -> None:
        """Options only."""

    def on_securities_changed(self, changes: Any) -> None:
        """Securities were added or removed."""

    def on_splits(self, splits: Any) -> None:
        """Splits, or warnings of them."""

    def on_dividends(self, dividends: Any) -> None:
        """Dividends."""

    def on_delistings(self, delistings: Any) -> None:
        """Delistings, or warnings of them."""

    def on_symbol_changed_events(self, symbols_changed: Any) -> None:
        """Ticker changes."""

    def on_margin_call(self, requests: list[Any]) -> list[Any]:
        """Orders of a margin call; return those to execute."""
        return requests

    def on_margin_call_warning(self) -> None:
        """The margin is nearly used up."""

    def on_end_of_day(self, symbol: Any = None) -> None:
        """Shortly before the close of each day."""

    def on_end_of_time_step(self) -> None:
        """Not called in Python, as in LEAN."""

    def on_end_of_algorithm(self) -> None:
        """The run is over."""

    def on_brokerage_message(self, message_event: Any) -> None:
        """Live only."""

    def on_brokerage_disconnect(self) -> None:
        """Live only."""

    def on_brokerage_reconnect(self) -> None:
        """Live only."""

    def on_command(self, data: Any) -> bool | None:
        """Live only."""
        return None

    def dispatch_order_event(self, event: OrderEvent) -> None:
        """Tell the execution model and the algorithm; in live trading LEAN logs it too."""
        if self.live_mode:
            self.debug(f"New Order Event: {event}")
        on_event = getattr(self.execution, "on_order_event", None)
        if on_event is not None:
            on_event(self, event)
        on_order_event = self.qc_callback("on_order_event")
        if self.live_mode:
            on_order_event(event)
            return
        try:
            on_order_event(event)
        except Exception as problem:
            # What gave the order goes on; the run ends when it next looks.
            self.set_run_time_error(problem)

    def qc_callback(self, name: str) -> Any:
        """The user's override, in either spelling."""
        pascal = pascal_case(name)
        for cls in type(self).__mro__:
            if cls is QCAlgorithm:
                break
            if name in cls.__dict__:
                return getattr(self, name)
            if pascal in cls.__dict__:
                return getattr(self, pascal)
        return getattr(self, name)

    def qc_overrides(self, name: str) -> bool:
        """True if the user's class defines a callback."""
        pascal = pascal_case(name)
        for cls in type(self).__mro__:
            if cls is QCAlgorithm:
                return False
            if name in cls.__dict__ or pascal in cls.__dict__:
                return True
        return False

    # Names ----------------------------------------------------------------------------------

    def set_name(self, name: str) -> None:
        """Name the algorithm."""
        self.name = name

    @property
    def name(self) -> str:
        """Name of the algorithm, by default its class's."""
        return self._qc_name

    @name.setter
    def name(self, name: str) -> None:
        if self._qc_locked:
            raise InvalidOperationException("Cannot set algorithm name after it is initialized.")
        if name is not None and not isinstance(name, str):
            raise cannot_convert(name, "System.String")
        self._qc_name = name[:_LONGEST_NAME] if name else self._qc_name

    @property
    def tags(self) -> set[str]:
        """Words that classify the algorithm."""
        return self._qc_tags

    @tags.setter
    def tags(self, tags: Any) -> None:
        if tags is None:
            return
        kept = [str(tag) for tag in tags if tag and str(tag).strip()]
        if len(kept) > _MOST_TAGS:
            self._qc_tell_once(
                f"Warning: The tags collection cannot contain more than {_MOST_TAGS} items. It "
                "will be truncated.",
                "tags",
                self.log,
            )
        self._qc_tags = {tag[:_LONGEST_NAME] for tag in kept[:_MOST_TAGS]}

    def add_tag(self, tag: str) -> None:
        """Add a word to the tags."""
        if not tag or not tag.strip():
            return
        if len(self._qc_tags) >= _MOST_TAGS:
            self._qc_tell_once(
                f"Warning: AddTag({tag}): Unable to add tag. Tags are limited to a maximum of "
                f"{_MOST_TAGS}.",
                "tag",
                self.log,
            )
            return
        self._qc_tags.add(tag[:_LONGEST_NAME])

    def set_tags(self, tags: Any) -> None:
        """Replace the tags."""
        self.tags = tags

    def set_live_mode(self, live: bool) -> None:
        """Backtests are never live."""

    def get_locked(self) -> bool:
        """True once the algorithm runs."""
        return self._qc_locked
