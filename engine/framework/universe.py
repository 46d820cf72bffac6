"""Universe selection: which securities the algorithm trades, and when that changes."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from engine.common.clock import aware_utc, naive_utc
from engine.common.enumerables import NetSet
from engine.common.enums import Resolution, SecurityType
from engine.common.naming import LeanObject, RefusedProperty
from engine.common.pairs import PairsDict
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache

UNCHANGED = object()
_INTERVALS = (
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)
_CUSTOM = ("security_type", "name", "market", "selector", "universe_settings", "interval")


class Member(LeanObject):
    """A security in a universe."""

    lean_name = "Universe"
    is_internal = False

    def __init__(self, security: Any, added: datetime) -> None:
        self.security = security
        self._added = added

    @property
    def added(self) -> datetime:
        """When it was selected, UTC."""
        return aware_utc(self._added)


class Universe(LeanObject):
    """A set of securities that may change.

    Args:
        key: identifies the universe, the text of LEAN's SID: adding the same key again changes
            nothing, and universes that select at one moment do so in its order.
        settings: the algorithm's universe settings (resolution, leverage, ...), or None for them.
        resolution: of the universe's own subscription; None for that of its settings.

    Attributes:
        members: present members, securities by symbol.
        added: when the members were selected, UTC.
        dispose_requested: it is to give up its members and to select no more.
        selected: symbols of the last selection; none before the first.
        fill_forward: its own subscription says that it fills gaps, which LEAN's feed heeds.
    """

    UNCHANGED: ClassVar[Any] = UNCHANGED
    asynchronous: Any = RefusedProperty()
    dispose_requested = False
    selection_changed: Any = RefusedProperty()
    fill_forward = False
    security_type = SecurityType.EQUITY
    market = Market.USA

    def __init__(
        self, key: str, settings: Any = None, resolution: Resolution | None = None
    ) -> None:
        self.key = key
        self.settings = settings
        self.resolution = resolution
        self.members = PairsDict()
        self.added: dict[Symbol, datetime] = {}
        self.selected: NetSet[Symbol] = NetSet()

    @property
    def symbol(self) -> Symbol:
        """The symbol that stands for the universe."""
        sid = SecurityIdentifier.parse(self.key)
        return Symbol(sid, sid.symbol)

    @property
    def universe_settings(self) -> Any:
        """Settings of what it adds; the algorithm's where it was made without."""
        return self.settings

    @universe_settings.setter
    def universe_settings(self, universe_settings: Any) -> None:
        self.settings = universe_settings

    @property
    def securities(self) -> PairsDict:
        """Present members by symbol, with what is known of their membership."""
        members = self.members.items()
        return PairsDict({key: Member(security, self.added[key]) for key, security in members})

    def dispose(self) -> None:
        """Give up all members at the next time step, whatever their minimum time."""
        self.dispose_requested = True

    def can_remove_member(self, utc_time: datetime, security: Any) -> bool:
        """Whether a member has been in for its minimum time, or may go whatever its time.

        That is rounded to whole multiples of the minimum's unit.
        """
        if self.dispose_requested or security.is_delisted:
            return True
        added = self.added.get(security.symbol)
        if added is None:
            return False
        minimum: timedelta = self.settings.minimum_time_in_universe
        unit = next((i for i in _INTERVALS if minimum >= i), None)
        age = naive_utc(utc_time) - added
        if unit is not None:
            age = round(age / unit) * unit
        return age >= minimum

    def contains_member(self, symbol: Symbol) -> bool:
        """Whether a symbol is selected."""
        return symbol in self.members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Universe) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class ManualUniverse(Universe):
    """Given symbols, selected when the universe is added, and anew when one of them is removed."""

    def __init__(self, key: str, settings: Any = None, *, symbols: Iterable[Symbol] = ()) -> None:
        super().__init__(key, settings)
        self.symbols = list(dict.fromkeys(symbols))


class ScheduledUniverse(Universe):
    """Symbols chosen by a function at scheduled times.

    ``([time_zone,] date_rule, time_rule, selector[, settings])``; the function takes the UTC time
    and gives symbols or tickers. The time zone is that of the rule's dates, UTC by default.

    Raises:
        ValueError: without rules or a function.
    """

    def __init__(
        self,
        *args: Any,
        time_zone: Any = None,
        date_rule: Any = None,
        time_rule: Any = None,
        selector: Any = None,
        settings: Any = None,
    ) -> None:
        values = list(args)
        if values and not hasattr(values[0], "get_dates"):
            time_zone = values.pop(0)
        given = dict(zip(("date_rule", "time_rule", "selector", "settings"), values, strict=False))
        self.date_rule: Any = given.get("date_rule", date_rule)
        self.time_rule: Any = given.get("time_rule", time_rule)
        self.selector: Any = given.get("selector", selector)
        self.time_zone = time_zone
        if self.date_rule is None or self.time_rule is None:
            raise ValueError(
                f"{type(self).__name__} needs a date rule and a time rule; received "
                f"{self.date_rule!r} and {self.time_rule!r}"
            )
        if not callable(self.selector):
            raise ValueError(f"selector must be a function of the time; received {self.selector!r}")
        names = (getattr(rule, "name", "") for rule in (self.date_rule, self.time_rule))
        ticker = re.sub("[| ]", "_", "_".join(names))
        key = str(SecurityIdentifier.generate_base(ticker))
        super().__init__(key, given.get("settings", settings), Resolution.DAILY)


class CustomUniverse(Universe):
    """Tickers chosen by a function once every interval.

    Attributes:
        selector: time (exchange's time zone) to tickers.
        interval: between selections.
    """

    def __init__(
        self,
        key: str,
        settings: Any = None,
        *,
        selector: Callable[[datetime], Iterable[Any]] | None = None,
        interval: timedelta = timedelta(days=1),
        resolution: Resolution | None = None,
        fill_forward: bool = False,
    ) -> None:
        super().__init__(key, settings, resolution)
        self.selector = selector
        self.interval = interval
        self.fill_forward = fill_forward


class FunctionUniverse(CustomUniverse):
    """Tickers chosen by a function that was given to `add_universe` with a name."""

    lean_name = "UserDefinedUniverse"


class DataUniverse(Universe):
    """Symbols chosen by a function of points of a user's class of data, whenever there are some.

    Args:
        config: the subscription to the data, whose symbol stands for the universe.
        settings: of what it adds; None for the algorithm's.
        selector: points to tickers or symbols.
    """

    lean_name = "FuncUniverse"

    def __init__(self, config: Any, settings: Any, selector: Callable[[list[Any]], Any]) -> None:
        super().__init__(str(config.symbol.id), settings, config.resolution)
        self.config = config
        self.selector = selector

    @property
    def symbol(self) -> Symbol:
        """The symbol of its data."""
        symbol: Symbol = self.config.symbol
        return symbol


def universe_key(ticker: str) -> str:
    """Text of the SID that LEAN gives a universe of equities."""
    return str(SecurityIdentifier.generate_equity(ticker, Market.USA, False))


class UniverseSelectionModel(LeanObject):
    """Base of selection models; ``create_universes`` yields universes."""

    def get_next_refresh_time_utc(self) -> datetime:
        """When to ask for universes again; never by default."""
        return datetime.max

    def create_universes(self, algorithm: Any) -> Iterable[Universe]:
        """Return the universes of an algorithm."""
        raise NotImplementedError(f"{type(self).__name__}.create_universes")


class NullUniverseSelectionModel(UniverseSelectionModel):
    """Selects nothing."""

    def create_universes(self, algorithm: Any) -> Iterable[Universe]:
        """Return none."""
        return []


class CompositeUniverseSelectionModel(UniverseSelectionModel):
    """Several models side by side.

    Raises:
        ValueError: without models.
    """

    def __init__(self, *models: Any) -> None:
        if not models:
            raise ValueError("CompositeUniverseSelectionModel needs at least one model")
        self._models = list(models)

    def add_universe_selection(
        self, universe_selection_model: Any = None, *, py_universe_selection_model: Any = None
    ) -> None:
        """Append a model."""
        given = (universe_selection_model, py_universe_selection_model)
        self._models += [model for model in given if model is not None]

    def get_next_refresh_time_utc(self) -> datetime:
        """Earliest of the models' times."""
        return min(model.get_next_refresh_time_utc() for model in self._models)

    def create_universes(self, algorithm: Any) -> Iterator[Universe]:
        """Yield all models' universes."""
        for model in self._models:
            yield from model.create_universes(algorithm)


class ManualUniverseSelectionModel(UniverseSelectionModel):
    """Selects given symbols: ``(symbols)``, ``(symbols, settings)`` or symbol by symbol."""

    def __init__(self, *args: Any, symbols: Any = None, universe_settings: Any = None) -> None:
        found: list[Any] = []
        for item in args if symbols is None else (*args, symbols):
            if isinstance(item, Symbol):
                found.append(item)
            elif item is None:
                continue
            elif hasattr(item, "__iter__"):
                found.extend(item)
            else:
                universe_settings = item
        self._symbols = tuple(found)
        for symbol in self._symbols:
            SymbolCache.set(symbol.value, symbol)
        self._settings = universe_settings

    def create_universes(self, algorithm: Any) -> Iterator[Universe]:
        """Yield one universe of all symbols; none without symbols."""
        if self._symbols:
            number = zlib.crc32(",".join(str(symbol.id) for symbol in self._symbols).encode())
            key = universe_key(f"manual-universe-selection-model-Equity-usa-{number}")
            yield ManualUniverse(key, self._settings, symbols=self._symbols)


class ScheduledUniverseSelectionModel(UniverseSelectionModel):
    """Selects by a function at scheduled times.

    ``([time_zone,] date_rule, time_rule, selector[, settings])``
    """

    def __init__(
        self,
        *args: Any,
        time_zone: Any = None,
        date_rule: Any = None,
        time_rule: Any = None,
        selector: Any = None,
        settings: Any = None,
    ) -> None:
        self._universe = ScheduledUniverse(
            *args,
            time_zone=time_zone,
            date_rule=date_rule,
            time_rule=time_rule,
            selector=selector,
            settings=settings,
        )

    def create_universes(self, algorithm: Any) -> Iterator[Universe]:
        """Yield the scheduled universe."""
        yield self._universe


class CustomUniverseSelectionModel(UniverseSelectionModel):
    """Selects tickers by a function every day.

    ``(name, selector)`` or ``(security_type, name, market, selector, settings, interval)``; a
    subclass may override ``select(algorithm, date)`` instead.
    """

    def __init__(
        self,
        *args: Any,
        security_type: SecurityType = SecurityType.EQUITY,
        name: Any = None,
        market: str = Market.USA,
        selector: Any = None,
        universe_settings: Any = None,
        interval: timedelta = timedelta(days=1),
    ) -> None:
        if len(args) >= len(_CUSTOM):
            security_type, name, market, selector, universe_settings, interval = args[:6]
        else:
            name, selector = (*args, *(name, selector)[len(args) :])[:2]
        if security_type != SecurityType.EQUITY or market != Market.USA:
            raise NotImplementedError(
                "CustomUniverseSelectionModel selects US equities here; received "
                f"{security_type} of {market}"
            )
        self._name, self._selector = str(name), selector
        self._settings, self._interval = universe_settings, interval

    def select(self, algorithm: Any, date: datetime) -> Iterable[Any]:
        """Return the tickers for a date."""
        if self._selector is None:
            raise ValueError(f"{self._name}: no selector was given and select was not overridden")
        return self._selector(date)

    def create_universes(self, algorithm: Any) -> Iterator[Universe]:
        """Yield the custom universe."""
        yield CustomUniverse(
            universe_key(f"{self._name}-Equity-usa".replace(" ", "_")),
            self._settings,
            selector=lambda date: self.select(algorithm, date),
            interval=self._interval,
            fill_forward=(self._settings or algorithm.universe_settings).fill_forward,
        )


class InceptionDateUniverseSelectionModel(CustomUniverseSelectionModel):
    """Selects each ticker from its date on.

    Args:
        name: of the universe.
        tickers_by_date: first dates (exchange's time zone) by ticker, in the order of the dates: a
            ticker waits for those before it.
    """

    def __init__(self, name: str, tickers_by_date: Mapping[str, datetime]) -> None:
        super().__init__(name, None)
        self._waiting = deque(tickers_by_date.items())
        self._tickers: list[str] = []

    def select(self, algorithm: Any, date: datetime) -> Any:
        """The tickers whose date has come, UNCHANGED if there are no new ones."""
        before = len(self._tickers)
        while self._waiting and self._waiting[0][1] <= date:
            self._tickers.append(self._waiting.popleft()[0])
        return UNCHANGED if len(self._tickers) == before else self._tickers
