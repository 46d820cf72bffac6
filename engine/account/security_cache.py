"""What is known last of a security: its cache."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, ExactNumber
from engine.common.enums import MarketDataType
from engine.common.naming import DirectObject
from engine.common.pairs import PairsDict
from engine.market.data import (
    BaseData,
    QuoteBar,
    TradeBar,
)


class _LastData:
    """LEAN's calls for what a cache holds, with a class in brackets or without."""

    def __init__(
        self, cache: SecurityCache, kind: type | None = None, as_list: bool = False
    ) -> None:
        self._cache, self._kind, self._as_list = cache, kind, as_list

    def __getitem__(self, kind: type) -> _LastData:
        return _LastData(self._cache, kind, self._as_list)

    def __call__(self, kind: type | None = None) -> Any:
        kind = self._kind if kind is None else kind
        cache = self._cache
        point = cache.last_data if kind is None else cache.by_type.get(kind)
        if self._as_list:
            return [] if point is None else [point]
        return point


class SecurityCache(DirectObject):
    """Latest prices of a security. Repeated (fill-forward) bars leave no trace here.

    Prices and sizes as float; `<name>_exact` is the Decimal. What a user keeps in `properties`
    is the security's too.
    """

    price = ExactNumber()
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()
    bid_price = ExactNumber()
    ask_price = ExactNumber()
    bid_size = ExactNumber()
    ask_size = ExactNumber()
    volume = ExactNumber()
    open_interest = 0
    """Of futures and options alone."""

    def __init__(self) -> None:
        self.properties = PairsDict()
        self.reset()

    def reset(self) -> None:
        """Forget all prices."""
        self.price_exact = self.open_exact = self.high_exact = self.low_exact = self.close_exact = (
            ZERO
        )
        self.bid_price_exact = self.ask_price_exact = self.bid_size_exact = self.ask_size_exact = (
            ZERO
        )
        self.volume_exact = ZERO
        self.last_data: BaseData | None = None
        self.by_type: dict[type, BaseData] = {}

    def add(self, points: list[BaseData]) -> None:
        """Take the points of one time step and subscription."""
        for point in points:
            if point.is_fill_forward:
                continue
            self.by_type[type(point)] = point
            if isinstance(point, TradeBar):
                # Nearly all are.
                self.last_data = point
                self.open_exact = point.open_exact or self.open_exact
                self.high_exact = point.high_exact or self.high_exact
                self.low_exact = point.low_exact or self.low_exact
                if point.value_exact:
                    self.price_exact = self.close_exact = point.value_exact
                self.volume_exact = point.volume_exact or self.volume_exact
            elif point.data_type is not MarketDataType.AUXILIARY:
                self._process(point)

    def _process(self, point: BaseData) -> None:
        # Of an equity, trades set the price; quotes only bid, ask and their sizes.
        if isinstance(point, QuoteBar):
            if point.ask is not None:
                self.ask_price_exact = point.ask.close_exact or self.ask_price_exact
            if point.bid is not None:
                self.bid_price_exact = point.bid.close_exact or self.bid_price_exact
            self.bid_size_exact = point.last_bid_size_exact or self.bid_size_exact
            self.ask_size_exact = point.last_ask_size_exact or self.ask_size_exact
            return
        self.last_data = point
        self.price_exact = point.value_exact or self.price_exact

    @property
    def get_data(self) -> _LastData:
        """The latest point: `get_data()`, or of one class, `get_data[TradeBar]()`."""
        return _LastData(self)

    @property
    def get_all(self) -> _LastData:
        """The latest points of one class: `get_all[TradeBar]()`."""
        return _LastData(self, as_list=True)

    def has_data(self, type: type) -> bool:  # LEAN's argument name
        """True if a point of a class came."""
        return type in self.by_type

    def apply_split(self, factor: Decimal) -> None:
        """Restate the prices after a split."""
        for name in ("price", "open", "high", "low", "close", "bid_price", "ask_price"):
            setattr(self, f"{name}_exact", getattr(self, f"{name}_exact") * factor)
        for name in ("volume", "bid_size", "ask_size"):
            setattr(self, f"{name}_exact", getattr(self, f"{name}_exact") / factor)
        for point in {id(p): p for p in (*self.by_type.values(), self.last_data)}.values():
            if isinstance(point, TradeBar):
                for field in ("open_exact", "high_exact", "low_exact", "value_exact"):
                    setattr(point, field, getattr(point, field) * factor)
                point.volume_exact /= factor
            elif isinstance(point, QuoteBar):
                for side in (point.bid, point.ask):
                    if side is not None:
                        for field in ("open_exact", "high_exact", "low_exact", "close_exact"):
                            setattr(side, field, getattr(side, field) * factor)
