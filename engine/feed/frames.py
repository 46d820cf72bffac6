"""LEAN's pandas frames of history, and tickers in pandas look-ups.

Frames are indexed by symbol and end time (exchange's time zone); columns are sorted by name. As in
LEAN, a column that holds nothing but zeros for a symbol is missing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.core.indexing import _LocationIndexer

from engine.feed.custom_data import PythonData
from engine.market.data import (
    BaseData,
    Delisting,
    Dividend,
    QuoteBar,
    Split,
    SymbolChangedEvent,
    TradeBar,
)
from engine.market.symbols import Symbol, SymbolCache


@dataclass
class SymbolColumns:
    """What a frame shows of one symbol.

    Attributes:
        ends: end times, exchange time, in order.
        columns: one value per end time.
        never_empty: names of columns that are known to hold more than zeros.
    """

    symbol: Symbol
    ends: NDArray[np.datetime64]
    columns: dict[str, NDArray[Any]]
    never_empty: frozenset[str] = frozenset()

    def shown(self) -> dict[str, NDArray[Any]]:
        """Columns that hold more than zeros."""
        return {
            name: values
            for name, values in self.columns.items()
            if name in self.never_empty or _has_content(values)
        }


def _has_content(values: NDArray[Any]) -> bool:
    if values.dtype == object:
        return any(value is not None and value != "" for value in values)
    return bool(np.any((values != 0) & ~np.isnan(values)))


def _cells(point: BaseData) -> dict[str, Any]:
    if isinstance(point, TradeBar):
        return {name: getattr(point, name) for name in ("close", "high", "low", "open", "volume")}
    if isinstance(point, QuoteBar):
        return _quote_cells(point)
    if isinstance(point, Dividend):
        return {"distribution": point.distribution, "referenceprice": point.reference_price,
                "value": point.value}  # fmt: skip
    if isinstance(point, Split):
        return {"referenceprice": point.reference_price, "splitfactor": point.split_factor,
                "type": point.type, "value": point.value}  # fmt: skip
    if isinstance(point, SymbolChangedEvent):
        return {"newsymbol": point.new_symbol, "oldsymbol": point.old_symbol, "value": point.value}
    if isinstance(point, Delisting):
        return {"ticket": point.ticket, "type": point.type, "value": point.value}
    if isinstance(point, PythonData):
        return point.cells()
    return {"value": point.value}


def _quote_cells(bar: QuoteBar) -> dict[str, float]:
    cells = {
        "close": bar.close, "high": bar.high, "low": bar.low, "open": bar.open,
        "asksize": bar.last_ask_size, "bidsize": bar.last_bid_size,
    }  # fmt: skip
    for name, side in (("ask", bar.ask), ("bid", bar.bid)):
        if side is not None:
            for field in ("close", "high", "low", "open"):
                cells[name + field] = getattr(side, field)
    return cells


def columns_of(symbol: Symbol, points: Sequence[BaseData]) -> SymbolColumns:
    """Columns of points; of a trade and a quote bar at one time, prices are the trade bar's."""
    rows: dict[datetime, dict[str, Any]] = {}
    for point in sorted(points, key=lambda p: isinstance(p, TradeBar)):
        rows.setdefault(point.end_time, {}).update(_cells(point))
    ends = sorted(rows)
    names = {name for row in rows.values() for name in row}
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        values = [rows[end].get(name) for end in ends]
        numeric = all(value is None or isinstance(value, float) for value in values)
        kind: Any = float if numeric and any(value is not None for value in values) else object
        column = np.empty(len(values), dtype=kind)
        column[:] = values
        columns[name] = column
    return SymbolColumns(symbol, np.array(ends, dtype="datetime64[us]"), columns)


def to_frame(found: Sequence[SymbolColumns]) -> pd.DataFrame:
    """Frame of symbols' columns, in the order of their first times.

    Returns:
        Empty, without columns, if there is nothing.
    """
    parts = [part for part in found if len(part.ends)]
    if not parts:
        return pd.DataFrame()
    parts.sort(key=lambda part: part.ends[0])
    shown = [part.shown() for part in parts]
    names = tuple(sorted({name for columns in shown for name in columns}))
    index = _index(parts)
    if all(columns[n].dtype != object for columns in shown for n in columns):
        values = np.empty((len(names), len(index)))
        row = 0
        for part, columns in zip(parts, shown, strict=True):
            last = row + len(part.ends)
            for place, name in enumerate(names):
                values[place, row:last] = columns.get(name, np.nan)
            row = last
        return pd.DataFrame(values.T, index=index, columns=_names(names), copy=False)
    data = {
        name: np.concatenate(
            [
                columns.get(name, np.full(len(part.ends), np.nan))
                for part, columns in zip(parts, shown, strict=True)
            ]
        )
        for name in names
    }
    return pd.DataFrame(data, index=index, columns=list(names))


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> pd.Index[Any]:
    return pd.Index(names, dtype=object)


@lru_cache(maxsize=64)
def _symbols(symbols: tuple[Symbol, ...]) -> tuple[pd.Index[Any], tuple[int, ...]]:
    """Level of an index, and each symbol's place in it."""
    level = sorted(set(symbols), key=lambda symbol: symbol.value)
    return pd.Index(level, dtype=object), tuple(level.index(symbol) for symbol in symbols)


def _index(parts: list[SymbolColumns]) -> pd.MultiIndex:
    level, places = _symbols(tuple(part.symbol for part in parts))
    lengths = [len(part.ends) for part in parts]
    first = parts[0].ends
    if all(len(part.ends) == len(first) and (part.ends == first).all() for part in parts[1:]):
        times, codes = first, np.tile(np.arange(len(first)), len(parts))
    else:
        times, codes = np.unique(np.concatenate([part.ends for part in parts]), return_inverse=True)
    return pd.MultiIndex(
        levels=[level, pd.DatetimeIndex(times.astype("datetime64[ns]"))],
        codes=[np.repeat(places, lengths), codes],
        names=["symbol", "time"],
        verify_integrity=False,
    )


@contextmanager
def tickers_in_frames() -> Iterator[None]:
    """Let tickers stand for symbols in pandas look-ups, as LEAN does, for the time of a run.

    A key that is not found either way is told in LEAN's words.
    """
    places = [(kind, "get_loc") for kind in (pd.Index, pd.MultiIndex)]
    places += [(kind, "__contains__") for kind in (pd.Index, pd.MultiIndex)]
    places += [(_LocationIndexer, "__getitem__"), (pd.DataFrame, "__getitem__")]
    originals = [(kind, name, getattr(kind, name)) for kind, name in places]
    wrappers = {"get_loc": _finding, "__contains__": _containing, "__getitem__": _telling}
    for kind, name, original in originals:
        setattr(kind, name, wrappers[name](original))
    try:
        yield
    finally:
        for kind, name, original in originals:
            setattr(kind, name, original)


def _finding(get_loc: Any) -> Any:
    def mapped_get_loc(self: Any, key: Any, *rest: Any) -> Any:
        try:
            return get_loc(self, key, *rest)
        except KeyError:
            mapped = _mapped(key)
            if mapped is key:
                raise _not_found(key) from None
        try:
            return get_loc(self, mapped, *rest)
        except KeyError:
            raise _not_found(key) from None

    return mapped_get_loc


def _containing(contains: Any) -> Any:
    def mapped_contains(self: Any, key: Any) -> bool:
        if contains(self, key):
            return True
        mapped = _mapped(key)
        return mapped is not key and contains(self, mapped)

    return mapped_contains


def _telling(get_item: Any) -> Any:
    def told(self: Any, key: Any) -> Any:
        try:
            return get_item(self, key)
        except KeyError:
            raise _not_found(key) from None

    return told


def _not_found(key: Any) -> KeyError:
    names = isinstance(key, str | Symbol)
    mapped, original = ([str(_mapped(key))], [str(key)]) if names else ([], [])
    return KeyError(
        "No key found for either mapped or original key. "
        f"Mapped Key: {mapped}; Original Key: {original}"
    )


def _mapped(key: Any) -> Any:
    """Symbols for the tickers in a look-up key; the key itself if there are none."""
    if isinstance(key, str):
        symbol = SymbolCache.try_get_symbol(key)
        return key if symbol is None else symbol
    if isinstance(key, tuple):
        parts = tuple(_mapped(part) for part in key)
        return parts if any(a is not b for a, b in zip(parts, key, strict=True)) else key
    return key
