"""What an algorithm receives at one moment: a slice, and its points of one kind by symbol.

As in LEAN, whatever lists symbols lists them by ticker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from engine.common.clock import UtcTime
from engine.common.enums import MarketDataType, SecurityType
from engine.common.naming import BracketCall, DirectObject
from engine.common.net_exceptions import (
    InvalidOperationException,
    KeyNotFoundException,
    NotSupportedException,
)
from engine.common.pairs import ExtendedDictionary, KeyValuePair, pair_class
from engine.market.data import (
    BaseData,
    Delisting,
    Dividend,
    QuoteBar,
    Split,
    SymbolChangedEvent,
    TradeBar,
)
from engine.market.symbols import Symbol, SymbolCache, unknown_ticker

T = TypeVar("T")


def _symbol_of(key: Any) -> Any:
    """The symbol that a key means: a symbol, a security, a ticker; an unknown ticker itself."""
    if isinstance(key, Symbol):
        return key
    symbol = SymbolCache.try_get_symbol(str(getattr(key, "symbol", key)))
    return key if symbol is None else symbol


def _missing(key: Any, kind: str) -> KeyNotFoundException:
    if isinstance(_symbol_of(key), Symbol):
        return KeyNotFoundException(
            f"'{_symbol_of(key)}' wasn't found in the {kind} object, likely because there was "
            "no-data at this moment in time and it wasn't possible to fillforward historical data. "
            "To prevent the exception, use data.get(symbol), which returns None when the symbol is "
            "not found, or guard the access with 'if symbol in data:'."
        )
    return unknown_ticker(key)


def _ticker(symbol: Symbol) -> str:
    return symbol.value


class DataDictionary(ExtendedDictionary, DirectObject, dict[Symbol, T], Generic[T]):
    """Points by symbol; tickers and securities work as keys too.

    Iterating gives pairs (`key`, `value`), sorted by ticker.

    Attributes:
        time: of the slice that it belongs to.
    """

    holds = "BaseData"
    """Name of the points' class."""

    def __init__(
        self,
        time: Any = datetime.min,
        data: Iterable[T] = (),
        key_selector: Callable[[T], Symbol] | None = None,
    ) -> None:
        """An empty dictionary, or one of points: (time), (data, key_selector)."""
        super().__init__()
        if not isinstance(time, datetime):
            time, data, key_selector = datetime.min, time, data or None  # type: ignore[assignment]
        self.time = time
        for point in data:
            self.add(point) if key_selector is None else self.add(key_selector(point), point)

    def _sorted(self) -> list[Symbol]:
        return sorted(super().keys(), key=_ticker)

    def __getitem__(self, key: Any) -> T:
        symbol = _symbol_of(key)
        if not super().__contains__(symbol):
            raise _missing(key, self._name)
        return super().__getitem__(symbol)

    def __setitem__(self, key: Any, value: T) -> None:
        super().__setitem__(_symbol_of(key), value)

    def __delitem__(self, key: Any) -> None:
        self.remove(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(_symbol_of(key))

    def __iter__(self) -> Iterator[Any]:
        pair = pair_class("Symbol", self.holds)
        get = super().__getitem__
        return iter([pair(key, get(key)) for key in self._sorted()])

    def keys(self) -> list[Symbol]:  # type: ignore[override]  # a list, as in LEAN
        """Symbols by ticker."""
        return self._sorted()

    def values(self) -> list[T]:  # type: ignore[override]
        """Points by their symbols' tickers."""
        get = super().__getitem__
        return [get(key) for key in self._sorted()]

    def items(self) -> list[tuple[Symbol, T]]:  # type: ignore[override]
        """Pairs of symbol and point by ticker."""
        get = super().__getitem__
        return [(key, get(key)) for key in self._sorted()]

    def get(self, key: Any, default: Any = None) -> Any:
        """The point of a symbol, or the default."""
        return super().get(_symbol_of(key), default)

    def contains_key(self, key: Any) -> bool:
        """True if there is a point for the symbol."""
        return key in self

    def get_value(self, key: Any) -> T | None:
        """The point of a symbol, or None."""
        return self.get(key)

    def try_get_value(self, key: Any, value: Any = None) -> tuple[bool, T | None]:
        """Whether there is a point, and the point."""
        return key in self, self.get(key)

    def add(self, key: Any = None, value: Any = None, item: Any = None) -> None:
        """Add a point: (symbol, point), (point) or (pair)."""
        if item is None and value is None:
            item = key
        if isinstance(item, KeyValuePair):
            key, value = item.key, item.value
        elif item is not None:
            key, value = item.symbol, item
        self[key] = value

    def remove(self, key: Any = None, item: Any = None) -> bool:
        """Remove the point of a symbol or of a pair; False if there was none."""
        symbol = item.key if item is not None else getattr(key, "key", key)
        return super().pop(_symbol_of(symbol), None) is not None

    def pop(self, key: Any, default_value: Any = None) -> Any:
        """Remove and return the point of a symbol, or the default."""
        return super().pop(_symbol_of(key), default_value)

    def setdefault(self, key: Any, default_value: Any = None) -> Any:
        """The point of a symbol; the default, which is kept, if there was none."""
        return super().setdefault(_symbol_of(key), default_value)

    def update(self, other: Any) -> None:  # type: ignore[override]
        """Take over the points of another mapping."""
        for key, value in other.items():
            self[key] = value

    def fromkeys(self, sequence: Any, value: Any = None) -> dict[Symbol, Any]:  # type: ignore[override]
        """The points of some symbols as a Python dictionary, the value where there is none."""
        return {_symbol_of(key): self.get(key, value) for key in sequence}

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self)

    @property
    def _name(self) -> str:
        kind = type(self)
        return f"DataDictionary<{self.holds}>" if kind is DataDictionary else kind.__name__

    # The getters of .NET's properties can be called in LEAN's Python, too.
    get_keys, get_values = keys, values


class _OfSlice(DataDictionary[T]):
    """Points of one kind of a slice."""

    def __init__(self, frontier: datetime = datetime.min) -> None:
        super().__init__(frontier)


class TradeBars(_OfSlice[TradeBar]):
    """Trade bars by symbol."""

    holds = "TradeBar"


class QuoteBars(DataDictionary[QuoteBar]):
    """Quote bars by symbol."""

    holds = "QuoteBar"


class Ticks(_OfSlice[Any]):
    """Ticks by symbol; always empty, since the engine serves none."""

    holds = "List[Tick]"


class Dividends(_OfSlice[Dividend]):
    """Dividends by symbol."""

    holds = "Dividend"


class Splits(_OfSlice[Split]):
    """Splits by symbol."""

    holds = "Split"


class Delistings(_OfSlice[Delisting]):
    """Delistings by symbol."""

    holds = "Delisting"


class SymbolChangedEvents(_OfSlice[SymbolChangedEvent]):
    """Ticker changes by symbol."""

    holds = "SymbolChangedEvent"


_FIELDS: dict[type[BaseData], tuple[str, type[DataDictionary[Any]]]] = {
    TradeBar: ("bars", TradeBars),
    QuoteBar: ("quote_bars", QuoteBars),
    Dividend: ("dividends", Dividends),
    Split: ("splits", Splits),
    Delisting: ("delistings", Delistings),
    SymbolChangedEvent: ("symbol_changed_events", SymbolChangedEvents),
}


class _Get:
    """LEAN's `data.get`, which is called or first indexed by a class of data."""

    __slots__ = ("_slice",)

    def __init__(self, slice: Slice) -> None:
        self._slice = slice

    def __call__(self, key: Any, default: Any = None) -> Any:
        return self._slice.qc_get(key, default)

    def __getitem__(self, kind: type) -> Callable[..., Any]:
        return lambda symbol=None: self._slice.qc_get(kind, symbol)


class Slice(ExtendedDictionary, DirectObject):
    """Everything an algorithm learns at one moment.

    Indexing by symbol gives its trade bar or custom point, None where there are only events. Quote
    bars are in `quote_bars` alone, as with all equities in LEAN.

    Args:
        time: the moment, in the algorithm's time zone; the end of the bars in it.
        data: points of it.
        utc_time: the moment in UTC.

    Attributes:
        time, utc_time: the moment; `utc_time` is aware.
        bars, quote_bars, dividends, splits, delistings, symbol_changed_events: by symbol.
        ticks: always empty; the engine serves none.
        all_data: every point, in the order of subscriptions.
    """

    utc_time = UtcTime()
    utc_time_naive: datetime
    is_read_only = True

    # Shared until there is a point: most slices hold bars and nothing else.
    _EMPTY: ClassVar[dict[str, DataDictionary[Any]]] = {
        **{name: kind() for name, kind in _FIELDS.values()},
        "ticks": Ticks(),
    }

    bars: TradeBars
    quote_bars: QuoteBars
    dividends: Dividends
    splits: Splits
    delistings: Delistings
    symbol_changed_events: SymbolChangedEvents
    ticks: Ticks

    def __init__(
        self, time: datetime, data: Iterable[BaseData] = (), utc_time: datetime | None = None
    ) -> None:
        self.time = time
        self.utc_time = utc_time if utc_time is not None else time
        self.__dict__.update(self._EMPTY)
        self.custom: dict[type, DataDictionary[BaseData]] = {}
        self.all_data: list[BaseData] = []
        self._by_symbol: dict[Symbol, Any] | None = None
        for point in data:
            self.add(point)

    def add(self, point: BaseData) -> None:
        """File a point under its kind."""
        self.all_data.append(point)
        self._by_symbol = None
        kind = type(point)
        field = _FIELDS.get(kind)
        if field is None:
            field = next((f for base, f in _FIELDS.items() if isinstance(point, base)), None)
        if field is None:
            if kind not in self.custom:
                made: DataDictionary[BaseData] = DataDictionary(self.time)
                made.holds = kind.__name__
                self.custom[kind] = made
            self.custom[kind][point.symbol] = point
            return
        name, dictionary = field
        found = self.__dict__[name]
        if found is self._EMPTY[name]:
            found = self.__dict__[name] = dictionary(self.time)
        dict.__setitem__(found, point.symbol, point)

    @property
    def has_data(self) -> bool:
        """True if the slice holds any point."""
        return bool(self.all_data)

    def _points(self) -> dict[Symbol, Any]:
        """The point by symbol, by ticker; None for a symbol of which there are only events."""
        if self._by_symbol is None:
            points: dict[Symbol, Any] = {}
            for point in self.all_data:
                kind = point.data_type
                if kind == MarketDataType.AUXILIARY:
                    points.setdefault(point.symbol, None)
                elif (
                    kind != MarketDataType.QUOTE_BAR
                    or point.symbol.security_type != SecurityType.EQUITY
                ):
                    points[point.symbol] = point
            self._by_symbol = {key: points[key] for key in sorted(points, key=_ticker)}
        return self._by_symbol

    def _prices(self) -> list[tuple[Symbol, Any]]:
        return [(key, point) for key, point in self._points().items() if point is not None]

    def contains_key(self, key: Any = None, *, symbol: Any = None) -> bool:
        """True if the slice holds a trade bar, a custom point or an event of the symbol."""
        return (key if symbol is None else symbol) in self

    def __contains__(self, key: Any) -> bool:
        return _symbol_of(key) in self._points()

    def __getitem__(self, key: Any) -> Any:
        points = self._points()
        symbol = _symbol_of(key)
        if symbol not in points:
            raise _missing(key, "Slice")
        return points[symbol]

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise NotSupportedException(
            "The Slice object is read-only. You cannot set data in the slice."
        )

    @BracketCall
    def get(self) -> _Get:
        """The point of a symbol, or the default; a class gives all points of that kind."""
        return _Get(self)

    def qc_get(self, key: Any, default: Any = None) -> Any:
        """What `get` does: (symbol[, default]), (class) or (class, symbol).

        Raises:
            KeyNotFoundException: if the symbol has no point of the class.
        """
        if isinstance(key, type):
            found = self.get_of_type(key)
            return found if default is None else found[default]
        point = self._points().get(_symbol_of(key))
        return default if point is None else point

    def get_of_type(self, kind: type) -> DataDictionary[Any]:
        """Points of one class by symbol."""
        field = _FIELDS.get(kind)
        if field is not None:
            found: DataDictionary[Any] = self.__dict__[field[0]]
            return found
        return self.custom.get(kind, DataDictionary(self.time))

    def try_get_value(
        self, key: Any = None, value: Any = None, *, symbol: Any = None, data: Any = None
    ) -> tuple[bool, Any]:
        """Whether there is a point of a symbol, and the point."""
        point = self.qc_get(key if symbol is None else symbol)
        return point is not None, point

    def keys(self) -> list[Symbol]:
        """Symbols of the slice, by ticker."""
        return list(self._points())

    def values(self) -> list[BaseData]:
        """Points by their symbols' tickers."""
        return [point for _, point in self._prices()]

    def items(self) -> list[tuple[Symbol, BaseData]]:
        """Pairs of symbol and point, by ticker."""
        return self._prices()

    def fromkeys(self, sequence: Any, value: Any = None) -> dict[Symbol, Any]:
        """The points of some symbols as a Python dictionary, the value where there is none."""
        return {_symbol_of(key): self.qc_get(key, value) for key in sequence}

    def get_keys(self) -> list[Symbol]:
        """Symbols of the slice, by ticker."""
        return self.keys()

    def get_values(self) -> list[BaseData]:
        """Points by their symbols' tickers."""
        return self.values()

    def remove(self, key: Any) -> NoReturn:
        """A slice is read-only.

        Raises:
            InvalidOperationException: always.
        """
        raise InvalidOperationException(
            "Remove/pop method call is an invalid operation. Slice is a read-only collection."
        )

    @property
    def count(self) -> int:
        """Number of symbols."""
        return len(self._points())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        pair = pair_class("Symbol", "BaseData")
        return iter([pair(key, point) for key, point in self._prices()])

    def clear(self) -> NoReturn:
        """A slice is read-only.

        Raises:
            InvalidOperationException: always.
        """
        raise InvalidOperationException(
            "Clear/clear method call is an invalid operation. Slice is a read-only collection."
        )

    def pop(self, key: Any, default_value: Any = None) -> Any:
        """A slice is read-only: nothing can be taken out of it.

        Raises:
            InvalidOperationException: if the symbol has a point.
        """
        if self.qc_get(key) is None:
            return default_value
        return self.remove(key)

    def update(self, other: Any) -> NoReturn:
        """A slice is read-only.

        Raises:
            InvalidOperationException: always.
        """
        raise InvalidOperationException(
            "update method call is an invalid operation. Slice is a read-only collection."
        )

    def setdefault(self, key: Any, default_value: Any = None) -> Any:
        """The point of a symbol.

        Raises:
            KeyNotFoundException: if there is none, since a slice is read-only.
        """
        point = self.qc_get(key)
        if point is None:
            message = f"{_missing(key, 'Slice')} The collection is read-only, cannot set default."
            raise KeyNotFoundException(message)
        return point

    @property
    def option_chains(self) -> DataDictionary[Any]:
        """Always empty: the engine serves equities only."""
        return DataDictionary(self.time)

    futures_chains = future_chains = margin_interest_rates = option_chains
