"""Symbols and security identifiers of US equities.

A security identifier (SID) is written `TICKER PROPERTIES`: the first ticker of the security's map
file and, in base 36, its kind, market and first trading day. Decimal digits of the properties from
the right: 2 security type, 3 market, 2 + 6 strike (unused), 1 option style (unused), 5 days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn

from engine.common.enums import SecurityType
from engine.common.naming import DirectObject
from engine.common.net_exceptions import (
    ArgumentException,
    FormatException,
    InvalidOperationException,
    KeyNotFoundException,
)
from engine.market.security_definitions import SecurityDefinitions

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DAYS_OFFSET = 10**14
_MARKET_OFFSET = 100
_OLE_ORIGIN = datetime(1899, 12, 30)


def unknown_ticker(ticker: Any) -> KeyNotFoundException:
    """Error for a ticker that names no security of the run, used as a key."""
    return KeyNotFoundException(
        f"The ticker {ticker} was not found in the SymbolCache. Use the Symbol object as key "
        "instead. Accessing the securities collection/slice object by string ticker is only "
        "available for securities added with the add_security-family methods. For more details, "
        "please check out the documentation."
    )


class Market(DirectObject):
    """Market names and their numbers in a SID."""

    USA = "usa"
    BINANCE = "binance"
    OANDA = "oanda"
    CODES: ClassVar[dict[str, int]] = {"empty": 0, "usa": 1, "oanda": 3, "binance": 16}


def encode_base36(number: int) -> str:
    """Write a number ≥ 0 in base 36, most significant digit first; 0 is "0"."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _ALPHABET[digit] + digits
    return digits or "0"


class SecurityIdentifier(DirectObject):
    """Identity of a security over ticker changes.

    Attributes:
        symbol: first ticker of the security.
        properties: the packed number described in the module's docstring.
    """

    DEFAULT_DATE = _OLE_ORIGIN
    EMPTY: ClassVar[SecurityIdentifier]
    NONE: ClassVar[SecurityIdentifier]
    __slots__ = ("_hash", "_text", "properties", "symbol")

    def __init__(self, symbol: str, properties: int) -> None:
        if "|" in symbol or " " in symbol:
            raise ArgumentException("Symbol must not contain the characters '|' or ' '.")
        self.symbol = symbol
        self.properties = properties
        self._text = f"{symbol} {encode_base36(properties)}" if symbol or properties else ""
        # The text's hash, so that a Symbol finds its rows in frames indexed by SID text.
        self._hash = hash(self._text)

    @classmethod
    def generate_equity(
        cls,
        date: Any = None,
        symbol: Any = None,
        market: Any = Market.USA,
        map_symbol: bool = True,
        map_file_provider: Any = None,
        mapping_resolve_date: datetime | None = None,
    ) -> SecurityIdentifier:
        """Build the SID of an equity: (first day, first ticker, market) or (ticker, market[, map]).

        Raises:
            NotImplementedError: for map files of one's own.
        """
        if isinstance(date, str):
            date, symbol, market, map_symbol = None, date, symbol, market not in (False,)
        if map_file_provider is not None or mapping_resolve_date is not None:
            raise NotImplementedError("generate_equity with map files of one's own; leave them out")
        if date is None:
            if map_symbol:
                return SymbolCache.resolve(symbol, market)
            date = _OLE_ORIGIN
        if market.lower() not in Market.CODES:
            raise ValueError(f"market must be one of {sorted(Market.CODES)}; received {market!r}")
        days = (date - _OLE_ORIGIN).days
        if days < 0:
            raise ValueError(f"date must not lie before {_OLE_ORIGIN:%Y-%m-%d}; received {date}")
        packed = days * _DAYS_OFFSET + Market.CODES[market.lower()] * _MARKET_OFFSET
        return cls(symbol.upper(), packed + int(SecurityType.EQUITY))

    @classmethod
    def generate_base(
        cls, symbol: str, market: str = Market.USA, date: datetime = _OLE_ORIGIN
    ) -> SecurityIdentifier:
        """Build the SID of custom data or a universe.

        The listing day is that of the security to which the data belong, if there is one.
        """
        packed = (date - _OLE_ORIGIN).days * _DAYS_OFFSET
        packed += Market.CODES[market.lower()] * _MARKET_OFFSET
        return cls(symbol, packed + int(SecurityType.BASE))

    @classmethod
    def parse(cls, value: str) -> SecurityIdentifier:
        """Read a SID such as `SPY R735QTJ8XC9X`.

        Raises:
            FormatException: if the text is not two words.
            ValueError: if the second is not in base 36.
        """
        parts = value.split()
        if not parts:
            return EMPTY_SID
        if len(parts) != 2:
            raise FormatException("The string must be splittable on space into two parts.")
        if any(c not in _ALPHABET for c in parts[1]):
            raise ValueError(f"a SID must read 'TICKER BASE36'; received {value!r}")
        return cls(parts[0], int(parts[1], 36))

    @classmethod
    def try_parse(cls, value: str, identifier: Any = None) -> tuple[bool, SecurityIdentifier]:
        """Whether a text is a SID, and the SID; an empty one if it is not."""
        try:
            return True, cls.parse(value)
        except ValueError:
            return False, EMPTY_SID

    @property
    def has_underlying(self) -> bool:
        """Equities have none."""
        return False

    @property
    def underlying(self) -> NoReturn:
        """Equities have none.

        Raises:
            InvalidOperationException: always.
        """
        raise InvalidOperationException(
            "No underlying specified for this identifier. Check that HasUnderlying is true before "
            "accessing the Underlying property."
        )

    option_right = property(lambda self: self._refuse_option("OptionRight"))
    option_style = property(lambda self: self._refuse_option("OptionStyle"))
    strike_price = property(lambda self: self._refuse_option("StrikePrice"))

    @staticmethod
    def _refuse_option(name: str) -> NoReturn:
        raise InvalidOperationException(
            f"{name} is only defined for SecurityType.Option, SecurityType.FutureOption, and "
            "SecurityType.IndexOption"
        )

    @property
    def security_type(self) -> SecurityType:
        """Kind of security."""
        return SecurityType(self.properties % 100)

    @property
    def market(self) -> str:
        """Market's name, or its number as text if unknown."""
        code = self.properties // _MARKET_OFFSET % 1000
        return next((name for name, n in Market.CODES.items() if n == code), str(code))

    @property
    def date(self) -> datetime:
        """First trading day."""
        return _OLE_ORIGIN + timedelta(days=self.properties // _DAYS_OFFSET % 100_000)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecurityIdentifier) and self._text == other._text

    def __lt__(self, other: SecurityIdentifier) -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._text


EMPTY_SID = SecurityIdentifier.EMPTY = SecurityIdentifier("", 0)
SecurityIdentifier.NONE = SecurityIdentifier("NONE", 0)

# The run in progress installs how a ticker finds its SID (map files) and how a symbol prints
# (tickers as the algorithm added them); see engine/run/runner.py.
SidResolver = Callable[[str, str], SecurityIdentifier]


class SymbolCache(DirectObject):
    """Tickers known to the run in progress, both ways."""

    _by_ticker: ClassVar[dict[str, Symbol]] = {}
    _by_symbol: ClassVar[dict[Symbol, str]] = {}
    _resolver: ClassVar[SidResolver | None] = None
    definitions: ClassVar[SecurityDefinitions] = SecurityDefinitions(None)

    @classmethod
    def start(
        cls, resolver: SidResolver | None, definitions: SecurityDefinitions | None = None
    ) -> None:
        """Forget all symbols and install the resolver of a new run, and what names it knows."""
        cls.clear()
        cls._resolver = resolver
        if definitions is not None:
            cls.definitions = definitions

    @classmethod
    def clear(cls) -> None:
        """Forget all symbols and the resolver."""
        cls._by_ticker.clear()
        cls._by_symbol.clear()
        cls._resolver = None
        cls.definitions = SecurityDefinitions(None)

    @classmethod
    def set(cls, ticker: str, symbol: Symbol) -> None:
        """Remember that `ticker` names `symbol`."""
        cls._by_ticker[ticker.upper()] = symbol
        cls._by_symbol[symbol] = ticker

    @classmethod
    def get_symbol(cls, ticker: str) -> Symbol:
        """Return the symbol a ticker or a SID text names.

        Raises:
            InvalidOperationException: if the ticker is unknown.
        """
        symbol = cls.try_get_symbol(ticker)
        if symbol is None:
            raise InvalidOperationException(f"We were unable to locate the ticker '{ticker}'.")
        return symbol

    @classmethod
    def try_get_symbol(cls, ticker: str) -> Symbol | None:
        """Like `get_symbol`, with None for an unknown ticker."""
        symbol = cls._by_ticker.get(ticker.upper())
        if symbol is None and " " in ticker.strip():
            sid = SecurityIdentifier.parse(ticker)
            symbol = Symbol(sid, sid.symbol)
        return symbol

    @classmethod
    def get_ticker(cls, symbol: Symbol) -> str:
        """Ticker under which the symbol was added, else its SID's text."""
        return cls._by_symbol.get(symbol) or str(symbol.id)

    @classmethod
    def resolve(cls, ticker: str, market: str) -> SecurityIdentifier:
        """SID for a ticker: from the run's map files, else without a listing day."""
        if cls._resolver is None:
            return SecurityIdentifier.generate_equity(_OLE_ORIGIN, ticker, market)
        return cls._resolver(ticker, market)


class Symbol(DirectObject):
    """A security's identifier with its present ticker; equal and hashed by identifier."""

    EMPTY: ClassVar[Symbol]
    NONE: ClassVar[Symbol]
    __slots__ = ("id", "value")
    underlying: Symbol | None = None
    """Only data that belong to a security have one."""

    def __init__(self, sid: SecurityIdentifier, value: str) -> None:
        self.id = sid
        self.value = value.upper()

    @staticmethod
    def create(
        ticker: str, security_type: SecurityType, market: str, alias: str | None = None
    ) -> Symbol:
        """Create the symbol of a ticker as it trades today.

        Raises:
            NotImplementedError: for anything but equities.
        """
        if security_type == SecurityType.BASE:
            return Symbol(SecurityIdentifier.generate_base(ticker, market), alias or ticker)
        if security_type != SecurityType.EQUITY:
            raise NotImplementedError(f"Symbol.create for security type {security_type}")
        return Symbol(SymbolCache.resolve(ticker, market), alias or ticker)

    @staticmethod
    def create_base(base_type: Any, underlying: Symbol, market: str | None = None) -> Symbol:
        """Create the symbol of custom data that belong to a security: of its first ticker and day.

        Args:
            base_type: class of the data.
            underlying: the security's symbol.
            market: of the data; the US's by default.
        """
        sid = underlying.id
        alias = f"{sid.symbol.upper()}.{base_type.__name__}"
        market = Market.USA if market is None else market
        own = SecurityIdentifier.generate_base(alias, market, sid.date)
        return _Linked(own, underlying)

    @staticmethod
    def of(ticker: Any) -> Symbol:
        """What LEAN makes of a text, a security or a symbol where it needs a symbol.

        Of a text the symbol of a ticker that the run knows; else one that names no security: of no
        type, no market and no listing day.
        """
        if not isinstance(ticker, str):
            symbol: Symbol = getattr(ticker, "symbol", ticker)
            return symbol
        known = SymbolCache.try_get_symbol(ticker)
        return known if known is not None else Symbol(SecurityIdentifier(ticker, 0), ticker)

    @property
    def ID(self) -> SecurityIdentifier:  # noqa: N802  LEAN's older name
        """The identifier."""
        return self.id

    @property
    def security_type(self) -> SecurityType:
        """Kind of security."""
        return self.id.security_type

    @property
    def canonical(self) -> Symbol:
        """The symbol itself; only futures and options have another."""
        return self

    def _defined(self, kind: str) -> str | None:
        return SymbolCache.definitions.of(str(self.id)).get(kind)

    cusip = property(lambda self: self._defined("cusip"))
    composite_figi = property(lambda self: self._defined("composite_figi"))
    sedol = property(lambda self: self._defined("sedol"))
    isin = property(lambda self: self._defined("isin"))

    @property
    def cik(self) -> int | None:
        """Central Index Key, None if the security database has none."""
        text = self._defined("cik")
        return None if text is None else int(text)

    # LEAN's older names, which are written in capitals.
    CUSIP, SEDOL, ISIN, CIK, CompositeFIGI = cusip, sedol, isin, cik, composite_figi

    @property
    def has_underlying(self) -> bool:
        """Whether it stands for data that belong to a security."""
        return self.underlying is not None

    def to_lower(self) -> str:
        """The ticker in small letters."""
        return self.value.lower()

    def to_upper(self) -> str:
        """The ticker in capitals."""
        return self.value.upper()

    def has_canonical(self) -> bool:
        """Only futures and options contracts have a canonical symbol."""
        return False

    def is_canonical(self) -> bool:
        """Only futures and options chains are canonical."""
        return False

    def update_mapped_symbol(self, mapped_symbol: str, contract_depth_offset: int = 0) -> Symbol:
        """The same security under another ticker; only futures have a depth."""
        return self if mapped_symbol == self.value else Symbol(self.id, mapped_symbol)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Symbol):
            return self.id == other.id
        if isinstance(other, SecurityIdentifier):
            return self.id == other
        if isinstance(other, str):
            symbol = SymbolCache.try_get_symbol(other)
            return symbol is not None and symbol.id == self.id
        return False

    def __hash__(self) -> int:
        return self.id._hash

    def compare_to(self, obj: Any) -> int:
        """Order by ticker, whatever its case: negative, 0 or positive."""
        other = (obj.value if isinstance(obj, Symbol) else str(obj)).upper()
        return (self.value > other) - (self.value < other)

    def __lt__(self, other: Any) -> bool:
        return self.compare_to(other) < 0

    def __le__(self, other: Any) -> bool:
        return self.compare_to(other) <= 0

    def __gt__(self, other: Any) -> bool:
        return self.compare_to(other) > 0

    def __ge__(self, other: Any) -> bool:
        return self.compare_to(other) >= 0

    def __str__(self) -> str:
        return SymbolCache.get_ticker(self)

    def __repr__(self) -> str:
        return str(self)


class _Linked(Symbol):
    """The symbol of data that belong to a security, whose ticker is its value."""

    __slots__ = ("underlying",)

    def __init__(self, sid: SecurityIdentifier, underlying: Symbol) -> None:
        super().__init__(sid, underlying.value)
        self.underlying = underlying


_Linked.__name__ = "Symbol"  # LEAN has one class

Symbol.EMPTY = Symbol(EMPTY_SID, "")
Symbol.NONE = Symbol(SecurityIdentifier.NONE, "NONE")
