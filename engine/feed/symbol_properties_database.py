"""LEAN's database of trading properties, as algorithms ask for it."""

from __future__ import annotations

from typing import Any

from engine.common.data_folder import data_folder
from engine.common.enums import SecurityType
from engine.common.naming import DirectObject
from engine.feed.auxiliary_files import SymbolProperties, read_symbol_properties
from engine.market.symbols import Market


class SymbolPropertiesDatabase(DirectObject):
    """Trading properties of equities, from the data folder of the run in progress.

    Args:
        properties: by ticker, where they are read already.
    """

    def __init__(self, properties: dict[str, SymbolProperties] | None = None) -> None:
        self._properties = properties

    @staticmethod
    def from_data_folder() -> SymbolPropertiesDatabase:
        """The database of the run in progress."""
        return SymbolPropertiesDatabase()

    def _of(self, market: str, security_type: Any) -> dict[str, SymbolProperties]:
        if security_type != SecurityType.EQUITY or market != Market.USA:
            raise NotImplementedError(
                f"symbol properties of {security_type} of {market}: the engine has those of US "
                "equities"
            )
        if self._properties is None:
            self._properties = read_symbol_properties(data_folder())
        return self._properties

    def get_symbol_properties(
        self, market: str, symbol: Any, security_type: SecurityType, default_quote_currency: str
    ) -> SymbolProperties:
        """Properties of an equity: its own, else its market's.

        Raises:
            NotImplementedError: for other kinds of securities.
        """
        found = self._of(market, security_type)
        ticker = str(getattr(symbol, "value", symbol)).upper()
        return found[ticker] if ticker in found else found["[*]"]

    def try_get_market(
        self, symbol: str, security_type: SecurityType, market: Any = None
    ) -> tuple[bool, str | None]:
        """Whether a ticker has properties of its own, and in which market.

        Raises:
            NotImplementedError: for other kinds of securities.
        """
        has_own = symbol.upper() in self._of(Market.USA, security_type)
        return (True, Market.USA) if has_own else (False, None)
