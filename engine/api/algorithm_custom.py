"""The custom-data part of QCAlgorithm: series of FRED's and data of a user's own class."""

from __future__ import annotations

from typing import Any

from engine.account.securities import Security
from engine.common.enums import Resolution, SecurityType, TickType
from engine.common.naming import BracketCall, LeanObject
from engine.feed.auxiliary_files import SymbolProperties
from engine.feed.custom_data import CustomSources, PythonData
from engine.feed.fred import Fred, FredSecurity
from engine.feed.universe_selection import UserDefinedUniverse
from engine.market.data import SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours, always_open
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache

_CLASS = type


class CustomSecurity(Security):
    """The security of custom data: its values move its price, but it cannot be traded here."""

    lean_name = "Security"

    @property
    def is_tradable(self) -> bool:
        """Asked for by whatever would trade it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"orders for custom data ({self.symbol.value}); trade an equity instead"
        )

    @is_tradable.setter
    def is_tradable(self, is_tradable: bool) -> None:
        """Adding and removing set it; it changes nothing."""


class _AddData(LeanObject):
    """LEAN's `self.add_data`, which is called or first indexed by a class of data."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def __getitem__(self, kind: type) -> Any:
        return lambda *arguments, **named: self(kind, *arguments, **named)

    def __call__(
        self,
        type: Any,  # LEAN's argument name
        ticker: Any = None,
        resolution: Resolution | None = None,
        time_zone: Any = None,
        fill_forward: bool = False,
        leverage: float = 1.0,
        *,
        underlying: Any = None,
        properties: Any = None,
        exchange_hours: Any = None,
    ) -> Any:
        """Subscribe to data of a class.

        Raises:
            NotImplementedError: for classes of data sets, for properties and hours of one's own,
                and in live trading.
            ValueError: if the data folder has no such series of FRED's.
        """
        algorithm = self._algorithm
        if type is Fred:
            return algorithm.add_fred_series(ticker, resolution)
        if not isinstance(type, _CLASS) or not issubclass(type, PythonData):
            raise NotImplementedError(f"add_data({getattr(type, '__name__', type)})")
        for name, value in (("properties", properties), ("exchange_hours", exchange_hours)):
            if value is not None:
                raise NotImplementedError(f"add_data({name}=...); leave it out")
        return algorithm.add_custom_data(
            type, ticker if underlying is None else underlying, resolution, time_zone,
            fill_forward, leverage,
        )  # fmt: skip


class CustomDataMixin:
    """Custom data of an algorithm."""

    def _qc_set_up_custom_data(self: Any) -> None:
        self._qc_pending_series: list[Symbol] = []
        self._qc_custom_universe = UserDefinedUniverse(SecurityType.BASE)
        self.qc_custom_sources = CustomSources(self._qc_read_object, self.debug)
        self._qc_history_provider.custom_sources = self.qc_custom_sources

    def _qc_read_object(self: Any, key: str) -> bytes | None:
        store = self.object_store
        return store.read_bytes(key) if store.contains_key(key) else None

    @BracketCall
    def add_data(self: Any) -> _AddData:
        """Subscribe to data of a class: `add_data(Class, ticker, resolution)`."""
        return _AddData(self)

    def add_fred_series(self: Any, ticker: str, resolution: Resolution | None) -> FredSecurity:
        """Subscribe to a daily series of FRED's.

        Its values come in slices of their own, at the midnight after their day.

        Raises:
            NotImplementedError: for another resolution, and in live trading.
            ValueError: if the data folder has no such series.
        """
        if resolution not in (None, Resolution.DAILY):
            raise NotImplementedError(f"add_data(Fred, resolution={Resolution(resolution)})")
        if self.live_mode:
            raise NotImplementedError("add_data(Fred) in live trading: nothing feeds it there")
        symbol = Symbol.create(ticker, SecurityType.BASE, Market.USA)
        next(self._qc_context.fred.values(symbol.value), None)  # says so if there is none
        SymbolCache.set(symbol.value, symbol)
        self._qc_pending_series.append(symbol)
        return FredSecurity(symbol)

    def take_pending_series(self: Any) -> list[Symbol]:
        """Series of FRED's that were added since the last call."""
        found, self._qc_pending_series = self._qc_pending_series, []
        return found

    def add_custom_data(
        self: Any,
        kind: type[PythonData],
        ticker: Any,
        resolution: Resolution | None,
        time_zone: Any,
        fill_forward: bool,
        leverage: Any,
    ) -> CustomSecurity:
        """Subscribe to data of a user's own class.

        Raises:
            NotImplementedError: in live trading, for ticks and seconds, and for data that follows
                a security's renamings.
        """
        name = kind.__name__
        if self.live_mode:
            raise NotImplementedError(f"add_data({name}) in live trading: nothing feeds it there")
        if kind().requires_mapping():
            raise NotImplementedError(
                f"add_data({name}) that follows renamings; let requires_mapping return False"
            )
        chosen = kind().default_resolution() if resolution is None else Resolution(resolution)
        if chosen < Resolution.MINUTE:
            raise NotImplementedError(f"add_data({name}, resolution={chosen.net_name})")
        if isinstance(ticker, str):
            symbol = Symbol(SecurityIdentifier.generate_base(f"{ticker.upper()}.{name}"), ticker)
            if SymbolCache.try_get_symbol(ticker) is None:
                SymbolCache.set(ticker, symbol)
        else:
            underlying: Symbol = getattr(ticker, "symbol", ticker)
            symbol = Symbol.create_base(kind, underlying, underlying.id.market)
        SymbolCache.set(symbol.id.symbol, symbol)
        hours: ExchangeHours = always_open(*(() if time_zone is None else (str(time_zone),)))
        security = self.securities.find_any(symbol)
        if security is None:
            security = CustomSecurity(symbol, hours, SymbolProperties(), self._qc_now)
            security.subscriptions.append(
                SubscriptionDataConfig(
                    symbol, chosen, TickType.TRADE, fill_forward=fill_forward,
                    extended_hours=True, kind=kind, time_zone=hours.time_zone,
                )
            )  # fmt: skip
            self._qc_seed_new(security)
            self._qc_initialize_security(security)
            security.is_initialized = True
            if leverage:
                security.set_leverage(leverage)
        self.securities.add(security)
        self._qc_custom_universe.want(symbol, security.subscriptions)
        self._qc_note_universe(self._qc_custom_universe, is_addition=True)
        return security
