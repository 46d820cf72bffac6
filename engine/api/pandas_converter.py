"""LEAN's `self.pandas_converter`: frames of points that an algorithm has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from engine.common.naming import BracketCall, LeanObject
from engine.feed.frames import columns_of, to_frame
from engine.market.data import BaseData
from engine.market.slices import DataDictionary, Slice


def _points(data: Iterable[Any]) -> Iterator[BaseData]:
    """The points of points, of dictionaries of them and of slices."""
    for item in data:
        if isinstance(item, Slice):
            yield from item.quote_bars.values()
            yield from item.bars.values()
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
        force_multi_value_symbol: bool = False,
        flatten: bool = False,
        data_type: Any = None,
    ) -> pd.DataFrame:
        """A frame of points, of an index of symbol and time.

        Raises:
            NotImplementedError: for indices of symbols alone and flattened data.
        """
        for name, wanted in (("symbol_only_index", symbol_only_index), ("flatten", flatten)):
            if wanted:
                raise NotImplementedError(f"get_data_frame({name}=True); use it without")
        found: dict[Any, list[BaseData]] = {}
        for point in _points(data):
            if point.symbol is not None:
                found.setdefault(point.symbol, []).append(point)
        return to_frame([columns_of(symbol, points) for symbol, points in found.items()])
