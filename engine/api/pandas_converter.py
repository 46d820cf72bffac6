"""LEAN's `self.pandas_converter`: frames of points that an algorithm has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from engine.common.naming import BracketCall, LeanObject
from engine.feed.frames import columns_of, to_frame
from engine.market.data import BaseData, QuoteBar, TradeBar
from engine.market.slices import DataDictionary, Slice


def _points_of(data: Slice, kind: Any) -> Iterator[BaseData]:
    """What a frame shows of a slice: custom data, and bars and quotes or the points of a kind."""
    for dictionary in data.custom.values():
        yield from dictionary.values()
    if kind not in (None, TradeBar, QuoteBar):
        yield from (point for point in data.all_data if isinstance(point, kind))
        return
    if kind is not TradeBar:
        yield from data.quote_bars.values()
    if kind is not QuoteBar:
        yield from data.bars.values()


def _points(data: Iterable[Any], kind: Any) -> Iterator[BaseData]:
    """The points of points, of dictionaries of them and of slices."""
    for item in data:
        if isinstance(item, Slice):
            yield from _points_of(item, kind)
        elif isinstance(item, DataDictionary):
            yield from item.values()
        elif isinstance(item, BaseData):
            yield item
        else:
            raise TypeError(
                f"'{type(item).__name__}' value cannot be converted to QuantConnect.Data.ISlice"
            )


class PandasConverter(LeanObject):
    """Makes frames as `history` does."""

    @BracketCall
    def get_data_frame(self) -> _GetDataFrame:
        """`get_data_frame(data)` or `get_data_frame[TradeBar](data)`."""
        return _GetDataFrame()


class _GetDataFrame:
    def __getitem__(self, kind: Any) -> _GetDataFrame:
        return self

    def __call__(
        self,
        data: Iterable[Any],
        symbol_only_index: bool = False,
        force_multi_value_symbol: Any = False,
        flatten: bool = False,
        data_type: Any = None,
    ) -> pd.DataFrame:
        """A frame of points, of an index of symbol and time.

        LEAN's call with slices is ``(data, flatten, data_type)``.

        Raises:
            NotImplementedError: for indices of symbols alone, which LEAN makes of several symbols'
                points, too, and for flattened data.
        """
        for name, wanted in (("symbol_only_index", symbol_only_index), ("flatten", flatten)):
            if wanted:
                raise NotImplementedError(f"get_data_frame({name}=True); use it without")
        if isinstance(force_multi_value_symbol, type):
            force_multi_value_symbol, data_type = False, force_multi_value_symbol
        items = list(data)
        found: dict[Any, list[BaseData]] = {}
        for point in _points(items, data_type):
            if point.symbol is not None:
                found.setdefault(point.symbol, []).append(point)
        is_of_points = any(isinstance(item, BaseData) for item in items)
        if is_of_points and len(found) > 1 and not force_multi_value_symbol:
            raise NotImplementedError(
                "get_data_frame of several symbols' points: LEAN shows the first point of each, "
                "without its time; use get_data_frame(data, force_multi_value_symbol=True)"
            )
        return to_frame([columns_of(symbol, points) for symbol, points in found.items()])
