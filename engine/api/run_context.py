"""What a run gives its algorithm: data, store, parameters. One run at a time per process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from engine.api.object_store import ObjectStore
from engine.common.decimals import net_arithmetic
from engine.feed.auxiliary_files import SymbolProperties
from engine.feed.fred import FredFiles
from engine.feed.run_reference import reference_data
from engine.feed.subscriptions import Sources
from engine.market.market_hours import MarketHoursDatabase
from engine.statistics.interest_rate import InterestRates


def ignore_message(_: str) -> None:
    """Ignore a message."""


@dataclass
class RunContext:
    """Services of one run.

    Attributes:
        market_hours: exchange hours.
        sources: bars, map and factor files.
        symbol_properties: by ticker, `[*]` for all others.
        object_store: the algorithm's store.
        parameters: text by name.
        on_message: receives each log line.
        live_start: the moment (UTC) at which a live run starts, None in a backtest.
        fred: series of FRED's.
        interest_rates: risk-free rates.
        data_folder: where the data lie.
    """

    market_hours: MarketHoursDatabase
    sources: Sources
    symbol_properties: dict[str, SymbolProperties]
    object_store: ObjectStore
    parameters: dict[str, str] = field(default_factory=dict)
    on_message: Callable[[str], None] = ignore_message
    live_start: datetime | None = None
    fred: FredFiles = field(kw_only=True)
    interest_rates: InterestRates = field(kw_only=True)
    data_folder: Path | None = field(default=None, kw_only=True)

    def properties(self, ticker: str) -> SymbolProperties:
        """Properties of a ticker's security."""
        return self.symbol_properties.get(ticker, self.symbol_properties["[*]"])


_current: list[RunContext] = []


@contextmanager
def running(context: RunContext) -> Iterator[None]:
    """Make a context the one that new algorithms use; inside, Decimals are .NET's.

    Raises:
        RuntimeError: if another run is in progress.
    """
    if _current:
        raise RuntimeError("another run is in progress in this process")
    _current.append(context)
    try:
        with (
            net_arithmetic(),
            reference_data(
                lambda symbol: context.market_hours.equity_hours(symbol.value),
                lambda symbol: context.properties(symbol.value),
            ),
        ):
            yield
    finally:
        _current.clear()


def current_context() -> RunContext:
    """Context of the run in progress.

    Raises:
        RuntimeError: if there is none.
    """
    if not _current:
        raise RuntimeError("algorithms are created by the engine: use run_backtest")
    return _current[0]
