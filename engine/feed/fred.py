"""FRED's series, LEAN's one kind of custom data that this engine feeds.

LEAN's `Fred` asks QuantConnect's proxy of the St. Louis Fed for a whole series, from 1998 on; here
the values come from ``alternative/fred/<series>.csv`` of the data folder, rows of
``yyyyMMdd,value``. Times are LEAN's: a value of a day ends, and is told, at the midnight after it
in New York, on weekends and holidays too; days without a value tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from engine.common.enums import Resolution, TickType
from engine.common.text_files import read_rows
from engine.feed.subscriptions import Subscription
from engine.market.data import BaseData, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

FIRST_DAY = datetime(1998, 1, 1)
"""LEAN asks for nothing earlier."""

_DAY = timedelta(days=1)
_LAYOUT = "yyyyMMdd,value"


class Fred(BaseData):
    """A value of a FRED series: `time` is its day, `end_time` the midnight after it."""

    @staticmethod
    def set_auth_code(auth_code: str) -> None:
        """LEAN's proxy asks for it; a data folder does not."""


class FredFiles:
    """FRED's series in a data folder."""

    def __init__(self, data_folder: Path) -> None:
        self._root = Path(data_folder) / "alternative" / "fred"

    def values(self, series: str) -> Iterator[tuple[datetime, Decimal]]:
        """Day and value of a series, ascending.

        Raises:
            ValueError: if there is no file of it, or a row is malformed.
        """
        path = self._root / f"{series.lower()}.csv"
        if not path.is_file():
            raise ValueError(f"FRED series {series!r} is unknown: the data folder has no {path}")
        for place, row in read_rows(path, 2, _LAYOUT):
            try:
                day, value = datetime.strptime(row[0], "%Y%m%d"), Decimal(row[1])
            except (ValueError, InvalidOperation):
                raise ValueError(
                    f"{place} must read {_LAYOUT}; received {','.join(row)!r}"
                ) from None
            if day >= FIRST_DAY:
                yield day, value


class FredSecurity:
    """What `add_data` gives: the symbol of a series.

    Raises:
        NotImplementedError: for whatever else LEAN's security has.
    """

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol

    def __getattr__(self, name: str) -> Any:
        if name == "Symbol":
            return self.symbol
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"Security.{name} of FRED's series")


def fred_subscription(
    symbol: Symbol, files: FredFiles, hours: ExchangeHours, start: datetime, end: datetime
) -> Subscription:
    """The values of a series between two times.

    Args:
        symbol: whose value is the series' name.
        files: where it is read.
        hours: of New York.
        start: values that end before are skipped, local time.
        end: values of later days are not told.
    """

    def told() -> Iterator[tuple[datetime, BaseData]]:
        for day, value in files.values(symbol.value):
            if day + _DAY >= start and day <= end:
                yield day + _DAY, Fred(symbol, day, value, day + _DAY)

    config = SubscriptionDataConfig(symbol, Resolution.DAILY, TickType.TRADE, fill_forward=False)
    return Subscription(config, None, told(), hours)
