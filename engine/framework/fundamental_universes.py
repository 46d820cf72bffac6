"""Universes of US equities that are chosen day by day from what LEAN's files say of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

from engine.common.enums import Resolution, SecurityType
from engine.common.naming import LeanObject
from engine.framework.universe import UNCHANGED, Universe, UniverseSelectionModel, universe_key
from engine.indicators.averages import ExponentialMovingAverage
from engine.market.symbols import Market, Symbol, SymbolCache

Selector = Callable[[list[Any]], Any]
_numbers = count(1)
_NO_FINE = "fine selection: there is no fundamental data; select once, by price and volume"


def _all(stocks: Iterable[Any]) -> list[Any]:
    return [stock.symbol for stock in stocks]


def _by_kind(
    values: Iterable[Any], market: str | None, settings: Any, function: Any
) -> tuple[str | None, Any, Any]:
    """Market, settings and function; LEAN's overloads take them in several orders."""
    for value in values:
        if isinstance(value, str):
            market = value
        elif callable(value):
            function = value
        elif value is not None:
            settings = value
    return market, settings, function


class FundamentalUniverseFactory(Universe):
    """Symbols chosen by a function of all stocks of the last trading day, at midnight.

    Args:
        market: must be that of US equities; or the symbol that stands for the universe.
        universe_settings: of what it adds; None for the algorithm's.
        selector: takes the stocks, gives symbols or `Universe.UNCHANGED`; None takes all.
    """

    def __init__(
        self,
        market: Any = Market.USA,
        universe_settings: Any = None,
        selector: Selector | None = None,
        *,
        symbol: Symbol | None = None,
    ) -> None:
        own = market if isinstance(market, Symbol) else symbol
        if own is None and market != Market.USA:
            raise NotImplementedError(f"{type(self).__name__} of market {market!r}")
        # LEAN ends the name with a random one, and counts for all of its process.
        name = f"FundamentalUniverse-usa-{next(_numbers):010d}"
        key = universe_key(name) if own is None else str(own.id)
        super().__init__(key, universe_settings, Resolution.DAILY)
        self.selector: Selector = _all if selector is None else selector

    def select_symbols(self, utc_time: Any, data: Any) -> Any:
        """What its function chooses of data."""
        return self.selector(list(getattr(data, "data", data)))


class CoarseFundamentalUniverse(FundamentalUniverseFactory):
    """The same; ``([symbol,] universe_settings, selector)``."""

    def __init__(
        self,
        *args: Any,
        symbol: Symbol | None = None,
        universe_settings: Any = None,
        selector: Selector | None = None,
    ) -> None:
        values = list(args)
        if values and isinstance(values[0], Symbol):
            symbol = values.pop(0)
        given = dict(zip(("universe_settings", "selector"), values, strict=False))
        super().__init__(
            Market.USA,
            given.get("universe_settings", universe_settings),
            given.get("selector", selector),
            symbol=symbol,
        )


class ETFConstituentsUniverseFactory(Universe):
    """What a fund holds, or what a function chooses of it, whenever there is a file of a day.

    Args:
        symbol: of the fund.
        universe_settings: of what it adds; None for the algorithm's.
        constituents_filter: takes what the fund holds, gives symbols; None takes all.
    """

    def __init__(
        self, symbol: Symbol, universe_settings: Any = None, constituents_filter: Any = None
    ) -> None:
        key = universe_key(f"qc-universe-etf-constituents-{next(_numbers):010d}")
        super().__init__(key, universe_settings, Resolution.DAILY)
        self.fund = symbol
        self.selector: Selector = _all if constituents_filter is None else constituents_filter


class ETFConstituentsUniverseSelectionModel(UniverseSelectionModel):
    """Selects what a fund holds: ``(fund[, settings][, function])``, the fund also by ticker."""

    def __init__(
        self,
        etf_symbol: Any = None,
        universe_settings: Any = None,
        universe_filter_func: Any = None,
        *,
        etf_ticker: Any = None,
    ) -> None:
        fund = etf_ticker if etf_symbol is None else etf_symbol
        if isinstance(fund, str):
            known = SymbolCache.try_get_symbol(fund)
            is_equity = known is not None and known.security_type == SecurityType.EQUITY
            fund = known if is_equity else Symbol.create(fund, SecurityType.EQUITY, Market.USA)
        self.etf_symbol = fund
        self._rest = (universe_settings, universe_filter_func)
        self._universe: Universe | None = None

    def create_universes(self, algorithm: Any) -> list[Universe]:
        """The universe, the same each time."""
        if self._universe is None:
            self._universe = algorithm.universe.etf(self.etf_symbol, *self._rest)
        return [self._universe]


class FundamentalUniverse(LeanObject):
    """LEAN's class of the data, whose functions make universes."""

    @staticmethod
    def usa(selector: Selector, universe_settings: Any = None) -> FundamentalUniverseFactory:
        """A universe of US equities."""
        return FundamentalUniverseFactory(Market.USA, universe_settings, selector)


class FundamentalUniverseSelectionModel(UniverseSelectionModel):
    """Selects by `select`, or by a function: ``([market,] [selector,] [universe_settings])``.

    Older: ``(False[, universe_settings])`` selects by `select_coarse`.

    Raises:
        NotImplementedError: for a fine selection, ``(True)``.
    """

    def __init__(
        self,
        *args: Any,
        market: str = Market.USA,
        selector: Selector | None = None,
        universe_settings: Any = None,
        filter_fine_data: bool | None = None,
    ) -> None:
        rest = [value for value in args if not isinstance(value, bool)]
        filter_fine_data = next((v for v in args if isinstance(v, bool)), filter_fine_data)
        if filter_fine_data:
            raise NotImplementedError(_NO_FINE)
        self._market, self._settings, self._selector = _by_kind(
            rest, market, universe_settings, selector
        )
        self._is_coarse = filter_fine_data is not None

    def create_universes(self, algorithm: Any) -> Iterator[Universe]:
        """Yield the universe."""
        if self._is_coarse:
            yield self.create_coarse_fundamental_universe(algorithm)
            return
        settings = self._settings or algorithm.universe_settings
        yield FundamentalUniverseFactory(
            self._market, settings, lambda stocks: self.select(algorithm, stocks)
        )

    def create_coarse_fundamental_universe(self, algorithm: Any) -> Universe:
        """The universe of a model of the older kind."""
        settings = self._settings or algorithm.universe_settings
        return CoarseFundamentalUniverse(
            settings, lambda stocks: self.select_coarse(algorithm, stocks)
        )

    def select(self, algorithm: Any, fundamental: Any) -> Any:
        """What the model's function chooses.

        Raises:
            ValueError: if it has none.
        """
        if self._selector is None:
            raise ValueError(
                "If inheriting, please override the 'Select' fundamental function, else provide "
                "it as a constructor parameter"
            )
        return self._selector(fundamental)

    def select_coarse(self, algorithm: Any, coarse: Any) -> Any:
        """What a model of the older kind chooses.

        Raises:
            ValueError: unless it is overridden.
        """
        raise ValueError("Please override the 'Select' fundamental function")

    def select_fine(self, algorithm: Any, fine: Any) -> Any:
        """Refused: there is no data for it."""
        raise NotImplementedError(_NO_FINE)

    @staticmethod
    def coarse(coarse_selector: Selector) -> CoarseFundamentalUniverseSelectionModel:
        """A model that selects by a function."""
        return CoarseFundamentalUniverseSelectionModel(coarse_selector)

    @staticmethod
    def fine(coarse_selector: Selector, fine_selector: Selector) -> Any:
        """Refused: there is no data for it."""
        raise NotImplementedError(_NO_FINE)

    @staticmethod
    def fundamental(selector: Selector) -> FundamentalUniverseSelectionModel:
        """A model that selects by a function."""
        return FundamentalUniverseSelectionModel(selector)


class CoarseFundamentalUniverseSelectionModel(FundamentalUniverseSelectionModel):
    """Selects by a function."""

    def __init__(self, coarse_selector: Selector, universe_settings: Any = None) -> None:
        super().__init__(False, universe_settings)
        self._selector = coarse_selector

    def select_coarse(self, algorithm: Any, coarse: Any) -> Any:
        """What the function chooses."""
        return self.select(algorithm, coarse)


class _Averages:
    """Two moving averages of a stock's adjusted price."""

    def __init__(self, fast: int, slow: int) -> None:
        self.fast, self.slow = ExponentialMovingAverage(fast), ExponentialMovingAverage(slow)

    def rises(self, stock: Any) -> bool:
        """Take a day; whether both are ready and the fast one is more than a hundredth above."""
        ready = [one.update(stock.end_time, stock.adjusted_price) for one in (self.fast, self.slow)]
        return all(ready) and self.fast.current.value > self.slow.current.value * 1.01

    def distance(self) -> float:
        """Distance of the averages, over their middle."""
        fast, slow = self.fast.current.value, self.slow.current.value
        return (fast - slow) / ((fast + slow) / 2)


class EmaCrossUniverseSelectionModel(FundamentalUniverseSelectionModel):
    """Selects the stocks whose fast average of prices is farthest above the slow one.

    Args:
        fast_period: days of the fast average.
        slow_period: days of the slow one.
        universe_count: at most so many stocks.
        universe_settings: of what it adds; None for the algorithm's.
    """

    def __init__(
        self,
        fast_period: int = 100,
        slow_period: int = 300,
        universe_count: int = 500,
        universe_settings: Any = None,
    ) -> None:
        super().__init__(False, universe_settings)
        self._periods, self._count = (fast_period, slow_period), universe_count
        self._averages: dict[Any, _Averages] = {}

    def select_coarse(self, algorithm: Any, coarse: Any) -> Any:
        """Take a day's prices and choose."""
        found = []
        for stock in coarse:
            averages = self._averages.get(stock.symbol)
            if averages is None:
                averages = self._averages[stock.symbol] = _Averages(*self._periods)
            if averages.rises(stock):
                found.append((averages.distance(), stock.symbol))
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [symbol for _, symbol in found[: self._count]]


class DollarVolumeUniverseDefinitions(LeanObject):
    """LEAN's older `self.universe.dollar_volume`."""

    def __init__(self, algorithm: Any = None) -> None:
        """As LEAN's; the algorithm is not needed here."""

    def top(self, count: int, universe_settings: Any = None) -> FundamentalUniverseFactory:
        """The stocks of the largest dollar volumes."""
        return _top(count, universe_settings)


class UniverseDefinitions(LeanObject):
    """LEAN's `self.universe`: ready-made universes."""

    unchanged = UNCHANGED

    def __init__(self, algorithm: Any = None) -> None:
        self.dollar_volume = DollarVolumeUniverseDefinitions(algorithm)

    def top(self, count: int, universe_settings: Any = None) -> FundamentalUniverseFactory:
        """The stocks of the largest dollar volumes."""
        return _top(count, universe_settings)

    def etf(
        self,
        *args: Any,
        symbol: Any = None,
        etf_ticker: Any = None,
        market: str | None = None,
        universe_settings: Any = None,
        universe_filter_func: Any = None,
    ) -> ETFConstituentsUniverseFactory:
        """What a fund holds: ``(fund[, market][, settings][, function])``.

        Raises:
            NotImplementedError: for a fund of another market.
        """
        values = list(args)
        fund = values.pop(0) if values else (etf_ticker if symbol is None else symbol)
        market, universe_settings, universe_filter_func = _by_kind(
            values, market, universe_settings, universe_filter_func
        )
        if market is not None and market != Market.USA:
            raise NotImplementedError(f"self.universe.etf of market {market!r}")
        if isinstance(fund, str):
            fund = Symbol.create(fund, SecurityType.EQUITY, Market.USA)
        fund = getattr(fund, "symbol", fund)
        return ETFConstituentsUniverseFactory(fund, universe_settings, universe_filter_func)


def _top(number: int, settings: Any) -> FundamentalUniverseFactory:
    def choose(stocks: list[Any]) -> list[Any]:
        ranked = sorted(stocks, key=lambda stock: stock.dollar_volume, reverse=True)
        return _all(ranked[:number])

    return FundamentalUniverseFactory(Market.USA, settings, choose)
