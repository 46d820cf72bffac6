"""LEAN's files of all US equities, and of what funds hold, by day.

They are named `equity/usa/fundamental/coarse/20140324.csv` and
`equity/usa/universes/etf/spy/20201201.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from engine.common.clock import midnight
from engine.market.fundamentals import (
    ETFConstituentUniverse,
    Fundamental,
    read_constituent,
    read_line,
)
from engine.market.symbols import SecurityIdentifier, Symbol

COARSE_FOLDER = "equity/usa/fundamental/coarse"
FUNDS_FOLDER = "equity/usa/universes/etf"


@lru_cache(maxsize=32768)
def _symbol(identifier: str, ticker: str) -> Symbol:
    return Symbol(SecurityIdentifier.parse(identifier), ticker)


@lru_cache(maxsize=4)
def _read(path: Path, day: datetime) -> tuple[Fundamental, ...]:
    with path.open(encoding="utf-8") as lines:
        found = (read_line(line, day, _symbol) for line in lines)
        return tuple(stock for stock in found if stock is not None)


class FundamentalFiles:
    """The files of a data folder.

    Args:
        data_folder: in LEAN's format, or None.
    """

    def __init__(self, data_folder: Path | None) -> None:
        self._folder = None
        if data_folder is not None:
            self._folder = data_folder / COARSE_FOLDER

    @property
    def exist(self) -> bool:
        """Whether there is any."""
        return self._folder is not None and next(self._folder.glob("*.csv"), None) is not None

    def of_day(self, day: date) -> list[Fundamental]:
        """All stocks of a day in the file's order; none without a file."""
        if self._folder is None:
            return []
        path = self._folder / f"{day:%Y%m%d}.csv"
        return list(_read(path, midnight(day))) if path.is_file() else []


class ConstituentFiles:
    """The files of what funds hold, of a data folder.

    Args:
        data_folder: in LEAN's format, or None.
    """

    def __init__(self, data_folder: Path | None) -> None:
        self._folder = None if data_folder is None else data_folder / FUNDS_FOLDER

    def exist(self, tickers: Iterable[str]) -> bool:
        """Whether there is any of a fund that had these tickers."""
        folder = self._folder
        return folder is not None and any((folder / t.lower()).is_dir() for t in tickers)

    def of_day(self, ticker: str, day: date) -> list[ETFConstituentUniverse]:
        """What a fund holds on a day, in the file's order; nothing without a file.

        Raises:
            ValueError: if the file is malformed.
        """
        if self._folder is None:
            return []
        path = self._folder / ticker.lower() / f"{day:%Y%m%d}.csv"
        if not path.is_file():
            return []
        with path.open(encoding="utf-8") as lines:
            found = (read_constituent(line, midnight(day), _symbol) for line in lines)
            return [one for one in found if one is not None]
