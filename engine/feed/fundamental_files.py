"""LEAN's files of all US equities by day: `equity/usa/fundamental/coarse/20140324.csv`."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from engine.common.clock import midnight
from engine.market.fundamentals import Fundamental, read_line
from engine.market.symbols import SecurityIdentifier, Symbol

COARSE_FOLDER = "equity/usa/fundamental/coarse"


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
