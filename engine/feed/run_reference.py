"""Reference data of the run in progress, for objects that users build without the algorithm.

A consolidator is made by calling its class, yet needs to know when its symbol's exchange is open or
what its price moves by. The run in progress installs where that is looked up; outside a run there
is nothing to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.feed.auxiliary_files import SymbolProperties
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

_current: dict[str, Callable[[Symbol], Any]] = {}


@contextmanager
def reference_data(
    hours: Callable[[Symbol], ExchangeHours], properties: Callable[[Symbol], SymbolProperties]
) -> Iterator[None]:
    """Install the reference data of a run for its time."""
    before = dict(_current)
    _current.update(hours=hours, properties=properties)
    try:
        yield
    finally:
        _current.clear()
        _current.update(before)


def exchange_hours(symbol: Symbol) -> ExchangeHours:
    """Hours of a symbol's exchange.

    Raises:
        RuntimeError: outside a run.
    """
    hours: ExchangeHours = _lookup("hours", symbol)
    return hours


def symbol_properties(symbol: Symbol) -> SymbolProperties:
    """Price variation, lot size and the like of a symbol.

    Raises:
        RuntimeError: outside a run.
    """
    properties: SymbolProperties = _lookup("properties", symbol)
    return properties


def _lookup(kind: str, symbol: Symbol) -> Any:
    if kind not in _current:
        raise RuntimeError(f"the {kind} of {symbol} are known only while an algorithm runs")
    return _current[kind](symbol)
