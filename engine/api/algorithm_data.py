"""The data part of QCAlgorithm: securities and consolidators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.account.securities import Equity, Security
from engine.api.algorithm_consolidators import ConsolidatorsMixin
from engine.api.algorithm_custom import CustomDataMixin
from engine.api.messages import ENGINE_MARK
from engine.api.subscription_manager import SubscriptionManager
from engine.common.enums import DataNormalizationMode, Resolution, SecurityType, TickType
from engine.common.settings import UniverseSettings
from engine.common.signatures import overloads
from engine.feed.universe_members import reset_security
from engine.feed.universe_selection import UserDefinedUniverse
from engine.framework.universe import ManualUniverse
from engine.market.data import SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Market, Symbol, SymbolCache


class DataMixin(ConsolidatorsMixin, CustomDataMixin):
    """Securities and consolidators of an algorithm."""

    def _qc_set_up_data(self: Any) -> None:
        self.subscription_manager = SubscriptionManager(self)
        self._qc_warned_of_daily_consolidation = False
        self._qc_user_universe = UserDefinedUniverse(SecurityType.EQUITY)
        self._qc_set_up_custom_data()

    # Securities -----------------------------------------------------------------------------

    @property
    def qc_default_hours(self: Any) -> ExchangeHours:
        """Hours of US equities in general."""
        return self._qc_context.market_hours.equity_hours("[*]")

    def qc_hours_of(self: Any, symbol: Any) -> ExchangeHours:
        """Hours of a symbol's exchange; a ticker or security will do."""
        known = isinstance(symbol, Symbol)
        security = self.securities.find(symbol if known else getattr(symbol, "symbol", symbol))
        if security is not None:
            return security.exchange.hours
        return self._qc_context.market_hours.equity_hours(
            str(getattr(symbol, "value", symbol)).upper()
        )

    def is_market_open_at(self: Any, symbol: Any, utc_time: datetime, extended: bool) -> bool:
        """True if the exchange of an added symbol is open at a time.

        Raises:
            KeyError: if the symbol was not added.
        """
        hours: ExchangeHours = self.securities[symbol].exchange.hours
        return hours.is_open(hours.from_utc(utc_time), extended)

    def qc_create_symbol(self: Any, ticker: str) -> Symbol:
        """Symbol of a US equity that has this ticker today."""
        return Symbol.create(ticker, SecurityType.EQUITY, Market.USA)

    def new_security(self: Any, symbol: Symbol) -> Security:
        """A security without subscriptions, known to nobody yet."""
        context = self._qc_context
        return Equity(
            symbol,
            context.market_hours.equity_hours(symbol.value),
            context.properties(symbol.value),
            self._qc_now,
            self.portfolio.cash_book[self.account_currency],
        )

    def _qc_check_known(self: Any, symbol: Symbol) -> None:
        """Tell the console of a symbol of which the run's files have nothing; as in LEAN it stays.

        Raises:
            ValueError: if a live feed has nothing of it.
        """
        sources = self._qc_context.sources
        map_file = sources.auxiliary.map_files.of_security(symbol.id)
        tickers = {ticker for _, ticker in map_file.rows} or {symbol.value}
        if not map_file.rows and not any(sources.bars.exists(t) for t in tickers):
            told = (
                f"symbol {symbol.value!r} is unknown: {sources.bars.name} has neither a map file "
                "nor bars of it"
            )
            if self.live_mode:
                raise ValueError(told)
            self._qc_context.on_message(f"{ENGINE_MARK}{told}")

    def qc_note_filter(self: Any, problem: Exception) -> None:
        """Tell of a data filter that raised, in LEAN's words; the run goes on without the point."""
        told = f"Runtime error applying data filter. Assuming filter pass: {problem}"
        self._qc_context.on_message(f"{ENGINE_MARK}{told}")

    def _qc_security(
        self: Any,
        symbol: Symbol,
        resolution: Resolution,
        fill_forward: bool,
        extended_hours: bool,
        mode: DataNormalizationMode,
        leverage: Any,
        *,
        selected: bool = False,
    ) -> tuple[Security, list[SubscriptionDataConfig]]:
        """The security of a symbol and its subscriptions of these settings, made where it has none.

        `selected` by a universe.
        """
        added_before = self.securities.find(symbol) is not None
        security = self.securities.find_any(symbol) or self.new_security(symbol)
        security.is_tradable = not security.is_delisted
        kinds = [TickType.TRADE]
        if resolution < Resolution.HOUR:
            kinds.append(TickType.QUOTE)
        configs = []
        for kind in kinds:
            terms = resolution, kind, fill_forward, extended_hours
            config = next(
                (c for c in security.subscriptions if not c.internal and c.terms == terms), None
            )
            if config is None:
                config = SubscriptionDataConfig(
                    symbol,
                    resolution,
                    kind,
                    fill_forward=fill_forward,
                    extended_hours=extended_hours,
                    normalization=mode,
                )
                security.subscriptions.append(config)
            configs.append(config)
        # Live prices are raw whatever the mode: only history is adjusted.
        if mode == DataNormalizationMode.RAW or self.live_mode:
            security.qc_round_prices(True)
        if not security.is_initialized:
            if not selected:
                self._qc_seed_new(security)
            # LEAN makes a selected security before its subscriptions.
            self._qc_initialize_security(security, subscribed=not selected)
            security.is_initialized = True
        if leverage and not added_before:
            security.set_leverage(leverage)
        self.securities.add(security)
        return security, configs

    def qc_security_for(
        self: Any, universe: Any, symbol: Symbol
    ) -> tuple[Security, list[SubscriptionDataConfig]]:
        """The security that a universe selects, and the subscriptions that it wants of it.

        A universe of given symbols makes do with subscriptions that there are.
        """
        is_own = isinstance(universe, UserDefinedUniverse)
        if is_own and symbol in universe.wanted:
            return self.securities[symbol], universe.wanted[symbol]
        if isinstance(universe, ManualUniverse):
            known = self.securities.find_any(symbol)
            configs = [] if known is None else [c for c in known.subscriptions if not c.internal]
            if configs:
                known.is_tradable = not known.is_delisted
                return known, configs
        settings = universe.settings or self.universe_settings
        mode = settings.data_normalization_mode
        if mode is None:
            mode = DataNormalizationMode.ADJUSTED
        security, configs = self._qc_security(
            symbol,
            settings.resolution,
            settings.fill_forward,
            settings.extended_market_hours,
            mode,
            settings.leverage,
            selected=True,
        )
        if is_own:
            universe.want(symbol, configs)
        return security, configs

    @overloads(
        "ticker: str, resolution: Optional[Resolution] = None, market: str = None, "
        "fill_forward: bool = True, leverage: decimal = 0, extended_market_hours: bool = False, "
        "data_normalization_mode: Optional[DataNormalizationMode] = None"
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
            NotImplementedError: for another market, ticks, and seconds in a live run.
            ValueError: if a live feed has nothing of the ticker.
        """
        if market is not None and market.lower() != Market.USA:
            raise NotImplementedError(
                f"add_equity(market={market!r}): the engine has US equities, Market.USA"
            )
        wanted = self.universe_settings.resolution if resolution is None else resolution
        if wanted < (Resolution.MINUTE if self.live_mode else Resolution.SECOND):
            finest = "minute" if self.live_mode else "second"
            raise NotImplementedError(
                f"add_equity(resolution={Resolution(wanted).net_name}): the finest bars here are "
                f"those of a {finest}, Resolution.{finest.upper()}"
            )
        ticker = str(ticker)  # a symbol's text names it
        symbol = SymbolCache.try_get_symbol(ticker)
        if symbol is None or symbol.security_type != SecurityType.EQUITY:
            symbol = self.qc_create_symbol(ticker)
        self._qc_check_known(symbol)
        mode = data_normalization_mode
        if mode is None:
            mode = self.universe_settings.data_normalization_mode
        # Before the initializer, to which the symbol prints as its ticker already.
        SymbolCache.set(symbol.value, symbol)
        security, configs = self._qc_security(
            symbol, Resolution(wanted), fill_forward, extended_market_hours, mode, leverage
        )
        universe = self._qc_user_universe
        if universe.settings is None:
            universe.settings = UniverseSettings()
            universe.settings.resolution = Resolution(wanted)
            universe.settings.fill_forward = fill_forward
            universe.settings.extended_market_hours = extended_market_hours
        universe.want(symbol, configs)
        self._qc_note_universe(universe, is_addition=True)
        return security

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
        """Liquidate and drop a security that the algorithm added itself.

        Its data ends at a later selection of a universe, once it is neither held nor ordered.
        """
        security = self.securities.find_any(getattr(symbol, "symbol", symbol))
        if security is None:
            return False
        reason = "Removed" if tag is None else tag
        if not self.is_warming_up:
            self.transactions.cancel_open_orders(security.symbol, reason)
        if security.holdings.invested:
            self.liquidate(security.symbol, tag=reason)
        reset_security(security)
        for universe in (self._qc_user_universe, self._qc_custom_universe):
            if universe.wanted.pop(security.symbol, None) is not None:
                self._qc_note_universe(universe, is_addition=False)
        for universe in self.universe_manager.values():
            if isinstance(universe, ManualUniverse) and security.symbol in universe.symbols:
                universe.symbols.remove(security.symbol)
                self._qc_note_universe(universe, is_addition=False)
        return True

    @property
    def active_securities(self: Any) -> Any:
        """Members of the universes: what was added by hand counts from its selection on."""
        return self.universe_manager.active_securities
