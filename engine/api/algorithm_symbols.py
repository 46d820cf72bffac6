"""The symbols part of QCAlgorithm: tickers, and other names of securities."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.api.trading_calendar import TradingCalendar
from engine.common.clock import midnight
from engine.common.net_exceptions import ArgumentException
from engine.feed.symbol_properties_database import SymbolPropertiesDatabase
from engine.market.market_hours import MarketHoursDatabase
from engine.market.symbols import SecurityIdentifier, Symbol, SymbolCache


class SymbolsMixin:
    """Names of an algorithm's securities."""

    @property
    def market_hours_database(self: Any) -> MarketHoursDatabase:
        """When exchanges are open."""
        database: MarketHoursDatabase = self._qc_context.market_hours
        return database

    @property
    def symbol_properties_database(self: Any) -> SymbolPropertiesDatabase:
        """Lot sizes and the like."""
        return SymbolPropertiesDatabase(self._qc_context.symbol_properties)

    @property
    def trading_calendar(self: Any) -> TradingCalendar:
        """Business days of the securities' exchanges and the banks."""
        return TradingCalendar(
            self.securities, self.market_hours_database, now=lambda: self.utc_time_naive
        )

    def symbol(self, ticker: str) -> Symbol:
        """Symbol of a ticker that was added.

        Raises:
            InvalidOperationException: if it was not.
        """
        return SymbolCache.get_symbol(ticker)

    def ticker(self: Any, symbol: Any) -> str:
        """Ticker under which a security trades today."""
        symbol = Symbol.of(symbol)
        files = self._qc_context.sources.auxiliary.map_files
        ticker: str = files.of_security(symbol.id).ticker_on(self.time, symbol.value)
        return ticker

    def cusip(
        self, cusip: Any = None, trading_date: datetime | None = None, *, symbol: Any = None
    ) -> Any:
        """CUSIP of a symbol, or the symbol of a CUSIP; None if it is not known."""
        return self._qc_definition("cusip", cusip if symbol is None else symbol, trading_date)

    def composite_figi(
        self,
        composite_figi: Any = None,
        trading_date: datetime | None = None,
        *,
        symbol: Any = None,
    ) -> Any:
        """Composite FIGI of a symbol, or the symbol of one; None if it is not known."""
        asked = composite_figi if symbol is None else symbol
        return self._qc_definition("composite_figi", asked, trading_date)

    def sedol(
        self, sedol: Any = None, trading_date: datetime | None = None, *, symbol: Any = None
    ) -> Any:
        """SEDOL of a symbol, or the symbol of one; None if it is not known."""
        return self._qc_definition("sedol", sedol if symbol is None else symbol, trading_date)

    def isin(
        self, isin: Any = None, trading_date: datetime | None = None, *, symbol: Any = None
    ) -> Any:
        """ISIN of a symbol, or the symbol of one; None if it is not known."""
        return self._qc_definition("isin", isin if symbol is None else symbol, trading_date)

    def cik(
        self, cik: Any = None, trading_date: datetime | None = None, *, symbol: Any = None
    ) -> Any:
        """Central Index Key of a symbol, None if it is not known; or all symbols of one."""
        asked = cik if symbol is None else symbol
        if isinstance(asked, Symbol):
            return asked.cik
        return self._qc_defined("cik", str(asked), trading_date)

    # LEAN's older names, which are written in capitals.
    CUSIP, SEDOL, ISIN, CIK, CompositeFIGI = cusip, sedol, isin, cik, composite_figi

    def _qc_definition(self, kind: str, asked: Any, trading_date: datetime | None) -> Any:
        asked = getattr(asked, "symbol", asked)
        if isinstance(asked, Symbol):
            return getattr(asked, kind)
        found = self._qc_defined(kind, str(asked), trading_date)
        return found[0] if found else None

    def _qc_defined(self: Any, kind: str, name: str, trading_date: datetime | None) -> list[Symbol]:
        """Symbols of the securities that bear a name, under their tickers of a day.

        Raises:
            ArgumentException: if the day lies after today.
        """
        today = midnight(self.time)
        day = today if trading_date is None else trading_date
        if day > today:
            raise ArgumentException(
                f'The trading date provided: "{day:%Y-%m-%d}" is after the current algorithm\'s '
                f'trading date: "{today:%Y-%m-%d}"'
            )
        files, found = self._qc_context.sources.auxiliary.map_files, []
        for text in SymbolCache.definitions.sids(kind, name):
            sid = SecurityIdentifier.parse(text)
            file = files.of_security(sid)
            if file.rows:
                _, last = file.rows[-1]
                found.append(Symbol(sid, file.ticker_on(day, last)))
        return found
