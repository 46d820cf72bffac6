"""The data part of QCAlgorithm: securities and consolidators."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from engine.account.securities import Security
from engine.common.enums import DataNormalizationMode, Resolution, SecurityType, TickType
from engine.common.naming import LeanObject
from engine.feed.consolidators import (
    IdentityDataConsolidator,
    MarketHourAwareConsolidator,
    QuoteBarConsolidator,
    TradeBarConsolidator,
)
from engine.feed.fred import Fred, FredSecurity
from engine.feed.universe_selection import UserDefinedUniverse
from engine.market.data import RESOLUTION_SPAN, BaseData, QuoteBar, SubscriptionDataConfig, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Market, Symbol, SymbolCache
from engine.statistics.interest_rate import InterestRates


class SubscriptionManager(LeanObject):
    """LEAN's `self.subscription_manager`."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._consolidators: list[tuple[Any, SubscriptionDataConfig, ExchangeHours]] = []

    @property
    def subscriptions(self) -> list[SubscriptionDataConfig]:
        """Visible subscriptions."""
        securities = self._algorithm.securities.values()
        return [c for s in securities for c in s.subscriptions if not c.internal]

    @property
    def count(self) -> int:
        """Number of subscriptions."""
        return len(self.subscriptions)

    def add_consolidator(self, symbol: Any, consolidator: Any, tick_type: Any = None) -> None:
        """Feed a consolidator from a symbol's subscription.

        Raises:
            ValueError: if the symbol has no subscription of the consolidator's kind.
        """
        security = self._algorithm.securities.find(getattr(symbol, "symbol", symbol))
        configs = [c for c in security.subscriptions if not c.internal] if security else []
        if not configs:
            raise ValueError(
                f"add_consolidator: subscribe to {symbol} with add_equity before consolidating it"
            )
        wanted = getattr(consolidator, "input_type", BaseData)
        for config in configs:
            fits = config.type is wanted or wanted not in (TradeBar, QuoteBar)
            if fits and (tick_type is None or config.tick_type == tick_type):
                config.consolidators.append(consolidator)
                hours = security.exchange.hours
                self._consolidators.append((consolidator, config, hours))
                return
        raise ValueError(
            f"add_consolidator: {symbol} has no {wanted.__name__} subscription; it has "
            f"{[config.type.__name__ for config in configs]}"
        )

    def remove_consolidator(self, symbol: Any, consolidator: Any) -> None:
        """Stop feeding a consolidator."""
        for _, config, _ in self._consolidators:
            config.consolidators[:] = [c for c in config.consolidators if c is not consolidator]
        self._consolidators = [e for e in self._consolidators if e[0] is not consolidator]
        dispose = getattr(consolidator, "dispose", None)
        if dispose is not None:
            dispose()

    def scan_past(self, utc_time: datetime) -> None:
        """Let consolidators finish bars that ended before a time, each at its end."""
        due: list[tuple[datetime, int, Any, ExchangeHours]] = []
        for index, (consolidator, _, hours) in enumerate(self._consolidators):
            if isinstance(consolidator, IdentityDataConsolidator):
                continue
            working = getattr(consolidator, "working_data", None)
            if working is None:
                continue
            end = hours.to_utc(working.end_time)
            if end < utc_time:
                due.append((end, index, consolidator, hours))
        for end, _, consolidator, hours in sorted(due, key=lambda item: item[:2]):
            if end > self._algorithm.utc_time_naive:
                self._algorithm.set_date_time(end)
            consolidator.scan(hours.from_utc(end))


class InterestRateProvider(LeanObject):
    """LEAN's `self.risk_free_interest_rate_model`."""

    def __init__(self, rates: InterestRates) -> None:
        self._rates = rates

    def get_interest_rate(self, day: date) -> float:
        """Annual rate on a day, as a fraction; without an entry the latest earlier one."""
        return float(self._rates.rate(day))


class DataMixin:
    """Securities and consolidators of an algorithm."""

    def _set_up_data(self: Any) -> None:
        self.subscription_manager = SubscriptionManager(self)
        self._user_universe = UserDefinedUniverse("user-defined-usa-equity")
        self._pending_series: list[Symbol] = []

    # Securities -----------------------------------------------------------------------------

    @property
    def default_hours(self: Any) -> ExchangeHours:
        """Hours of US equities in general."""
        return self._context.market_hours.equity_hours("[*]")

    def _hours_of(self: Any, symbol: Any) -> ExchangeHours:
        security = self.securities.find(getattr(symbol, "symbol", symbol))
        if security is not None:
            return security.exchange.hours
        return self._context.market_hours.equity_hours(
            str(getattr(symbol, "value", symbol)).upper()
        )

    def create_symbol(self: Any, ticker: str) -> Symbol:
        """Symbol of a US equity that has this ticker today."""
        return Symbol.create(ticker, SecurityType.EQUITY, Market.USA)

    def new_security(self: Any, symbol: Symbol) -> Security:
        """A security without subscriptions, known to nobody yet."""
        context = self._context
        properties = context.symbol_properties
        return Security(
            symbol,
            context.market_hours.equity_hours(symbol.value),
            properties.get(symbol.value, properties["[*]"]),
            self._now,
            self.portfolio.cash_book[self.account_currency],
        )

    def _check_known(self: Any, symbol: Symbol) -> None:
        """Refuse a symbol of which the data folder has nothing.

        Raises:
            ValueError: if there is neither a map file nor a bar.
        """
        sources = self._context.sources
        map_file = sources.auxiliary.map_files.of_security(symbol.id)
        tickers = {ticker for _, ticker in map_file.rows} or {symbol.value}
        if not map_file.rows and not any(sources.bars.exists(t) for t in tickers):
            raise ValueError(
                f"symbol {symbol.value!r} is unknown: the data folder has neither a map file nor "
                "bars of it"
            )

    def _security(
        self: Any,
        symbol: Symbol,
        resolution: Resolution,
        fill_forward: bool,
        extended_hours: bool,
        mode: DataNormalizationMode,
        leverage: Any,
    ) -> Security:
        """The security of a symbol with subscriptions of a resolution."""
        security = self.securities.find(symbol)
        if security is None:
            security = self.securities.removed(symbol) or self.new_security(symbol)
            security.is_initialized = False
        security.is_tradable = not security.is_delisted
        SymbolCache.set(symbol.value, symbol)
        kinds = [TickType.TRADE]
        if resolution < Resolution.HOUR:
            kinds.append(TickType.QUOTE)
        for kind in kinds:
            same = [
                c
                for c in security.subscriptions
                if not c.internal and c.resolution == resolution and c.tick_type == kind
            ]
            if not same:
                security.subscriptions.append(
                    SubscriptionDataConfig(
                        symbol,
                        resolution,
                        kind,
                        fill_forward=fill_forward,
                        extended_hours=extended_hours,
                        normalization=mode,
                    )
                )
        # Live prices are raw whatever the mode: only history is adjusted.
        if mode == DataNormalizationMode.RAW or self.live_mode:
            security.rounds_prices = True
        if not security.is_initialized:
            self._initialize_security(security)
            security.is_initialized = True
        if leverage:
            security.set_leverage(leverage)
        self.securities.add(security)
        return security

    def security_for(self: Any, universe: Any, symbol: Symbol) -> Security:
        """The security that a universe selects."""
        if isinstance(universe, UserDefinedUniverse):
            return self.securities[symbol]
        settings = universe.settings or self.universe_settings
        mode = settings.data_normalization_mode
        if mode is None:
            mode = DataNormalizationMode.ADJUSTED
        return self._security(
            symbol,
            settings.resolution,
            settings.fill_forward,
            settings.extended_market_hours,
            mode,
            settings.leverage,
        )

    def add_equity(
        self: Any,
        ticker: str,
        resolution: Resolution | None = None,
        market: str | None = None,
        fill_forward: bool = True,
        leverage: float = 0,
        extended_market_hours: bool = False,
        data_normalization_mode: DataNormalizationMode | None = None,
    ) -> Security:
        """Subscribe to a US equity.

        Raises:
            NotImplementedError: for another market, tick or second data.
            ValueError: if the data folder has nothing of the ticker.
        """
        if market is not None and market.lower() != Market.USA:
            raise NotImplementedError(f"add_equity(market={market!r})")
        wanted = self.universe_settings.resolution if resolution is None else resolution
        if wanted < Resolution.MINUTE:
            raise NotImplementedError(f"add_equity(resolution={Resolution(wanted).net_name})")
        symbol = self.create_symbol(ticker)
        self._check_known(symbol)
        mode = data_normalization_mode
        if mode is None:
            mode = self.universe_settings.data_normalization_mode
        security = self._security(
            symbol, Resolution(wanted), fill_forward, extended_market_hours, mode, leverage
        )
        self._user_universe.wanted[symbol] = None
        self._note_universe(self._user_universe)
        return security

    def add_data(
        self: Any, kind: Any, ticker: str, resolution: Resolution | None = None
    ) -> FredSecurity:
        """Subscribe to a daily series of FRED's.

        Its values come in slices of their own, at the midnight after their day.

        Raises:
            NotImplementedError: for other data, another resolution, and in live trading.
            ValueError: if the data folder has no such series.
        """
        if kind is not Fred:
            raise NotImplementedError(f"add_data({getattr(kind, '__name__', kind)})")
        if resolution not in (None, Resolution.DAILY):
            raise NotImplementedError(f"add_data(Fred, resolution={Resolution(resolution)})")
        if self.live_mode:
            raise NotImplementedError("add_data(Fred) in live trading: nothing feeds it there")
        symbol = Symbol.create(ticker, SecurityType.BASE, Market.USA)
        next(self._context.fred.values(symbol.value), None)  # says so if there is none
        SymbolCache.set(symbol.value, symbol)
        self._pending_series.append(symbol)
        return FredSecurity(symbol)

    def take_pending_series(self: Any) -> list[Symbol]:
        """Series of FRED's that were added since the last call."""
        found, self._pending_series = self._pending_series, []
        return found

    @property
    def risk_free_interest_rate_model(self: Any) -> InterestRateProvider:
        """LEAN's default: the rates of the data folder."""
        return InterestRateProvider(self._context.interest_rates)

    def add_security(self: Any, *arguments: Any, **named: Any) -> Security:
        """Subscribe to an equity: (symbol, ...) or (security type, ticker, ...).

        Raises:
            NotImplementedError: for other kinds of securities.
        """
        values = list(arguments)
        kind = values.pop(0) if isinstance(values[0], SecurityType) else SecurityType.EQUITY
        if kind != SecurityType.EQUITY:
            raise NotImplementedError(f"add_security({kind.net_name})")
        ticker = values.pop(0)
        return self.add_equity(str(getattr(ticker, "value", ticker)), *values, **named)

    def remove_security(self: Any, symbol: Any, tag: str | None = None) -> bool:
        """Liquidate and drop a security that the algorithm added itself."""
        security = self.securities.find(getattr(symbol, "symbol", symbol))
        if security is None:
            return False
        if not self.is_warming_up:
            self.transactions.cancel_open_orders(security.symbol)
            if security.holdings.invested:
                self.liquidate(security.symbol, tag=tag)
        self._user_universe.wanted.pop(security.symbol, None)
        self._note_universe(self._user_universe)
        return True

    @property
    def active_securities(self: Any) -> Any:
        """Securities in use."""
        return self.securities

    # Consolidators --------------------------------------------------------------------------

    def _config(
        self: Any, symbol: Any, tick_type: TickType | None = None
    ) -> SubscriptionDataConfig:
        """The subscription that indicators of a symbol read: trades before quotes.

        Raises:
            ValueError: if there is none.
        """
        key = getattr(symbol, "symbol", symbol)
        security = self.securities.find(key)
        configs = [c for c in security.subscriptions if not c.internal] if security else []
        configs.sort(key=lambda c: c.tick_type)
        for config in configs:
            if tick_type is None or config.tick_type == tick_type:
                return config
        raise ValueError(f"{key} must be added with add_equity before it can be consolidated")

    def resolve_consolidator(
        self: Any, symbol: Any, resolution: Any = None, data_type: type | None = None
    ) -> Any:
        """Consolidator from a symbol's data to a resolution or timedelta."""
        tick_types: dict[Any, TickType] = {QuoteBar: TickType.QUOTE, TradeBar: TickType.TRADE}
        tick_type = tick_types.get(data_type)
        return self._consolidator(symbol, resolution, tick_type)

    def _consolidator(self: Any, symbol: Any, period: Any, tick_type: Any) -> Any:
        config = self._config(symbol, tick_type)
        kind = QuoteBarConsolidator if config.type is QuoteBar else TradeBarConsolidator
        if period is None:
            return IdentityDataConsolidator()
        if callable(period) and not isinstance(period, type):
            return kind(period)
        daily = isinstance(period, Resolution) and period == Resolution.DAILY
        span = RESOLUTION_SPAN[period] if isinstance(period, Resolution) else period
        if span < config.increment:
            raise ValueError(
                f"{symbol} has {config.resolution.net_name} data, which cannot be consolidated "
                f"to {span}"
            )
        if span == config.increment:
            return IdentityDataConsolidator()
        if daily:
            hours = self._hours_of(symbol)
            return MarketHourAwareConsolidator(
                hours,
                span,
                config.type,
                daily_precise_end_time=self.settings.daily_precise_end_time,
            )
        return kind(span)

    def create_consolidator(self: Any, period: timedelta, kind: type = TradeBar) -> Any:
        """Consolidator over a period."""
        return QuoteBarConsolidator(period) if kind is QuoteBar else TradeBarConsolidator(period)

    def consolidate(self: Any, symbol: Any, period: Any, *rest: Any) -> Any:
        """Call a handler with longer bars: (symbol, period, [tick type,] handler)."""
        handler = rest[-1]
        tick_type = rest[0] if len(rest) > 1 and isinstance(rest[0], TickType) else None
        consolidator = self._consolidator(symbol, period, tick_type)
        consolidator.data_consolidated += lambda _, bar: handler(bar)
        self.subscription_manager.add_consolidator(symbol, consolidator, tick_type)
        return consolidator
