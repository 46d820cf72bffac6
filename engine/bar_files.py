"""Reading bars from LEAN's zipped CSV files, unadjusted.

Daily and hour files hold a security's whole life under one ticker; minute files one day each.
Prices are stored in ten-thousandths of a dollar, so a raw price has four decimals.
"""

from __future__ import annotations

import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from engine.data import Bar, BaseData, QuoteBar, TradeBar
from engine.decimals import ZERO
from engine.enums import Resolution, TickType
from engine.symbols import Symbol

_MILLISECOND = timedelta(milliseconds=1)
_MINUTE = timedelta(minutes=1)


def _price(text: str) -> Decimal:
    return Decimal(text).scaleb(-4)


def _read_lines(path: Path) -> list[str]:
    """Lines of the only file in a zip; none if the zip does not exist.

    Raises:
        ValueError: if the zip is damaged or holds no file.
    """
    if not path.is_file():
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not names:
                raise ValueError(f"{path} must hold a CSV file; the zip is empty")
            return archive.read(names[0]).decode("utf-8").splitlines()
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a readable zip of a CSV file: {error}") from error


class BarFiles:
    """Raw bars of US equities in a data folder."""

    def __init__(self, data_folder: Path) -> None:
        self._root = data_folder / "equity" / "usa"
        self._whole: dict[Path, tuple[list[str], list[str]]] = {}

    def exists(self, ticker: str) -> bool:
        """True if there is any file for a ticker."""
        name = ticker.lower()
        return (
            any((self._root / kind / f"{name}.zip").is_file() for kind in ("daily", "hour"))
            or (self._root / "minute" / name).is_dir()
        )

    def bars(
        self,
        symbol: Symbol,
        ticker: str,
        resolution: Resolution,
        tick_type: TickType,
        day: datetime,
    ) -> Iterator[BaseData]:
        """Bars that start on a day, in file order.

        Args:
            symbol: put into the bars.
            ticker: the ticker of that day, which names the file.
            resolution: minute, hour or daily.
            tick_type: trades, or quotes (minute only).
            day: a midnight.

        Raises:
            NotImplementedError: for tick and second data.
            ValueError: if a file or a line is malformed.
        """
        name = ticker.lower()
        if resolution == Resolution.MINUTE:
            kind = "quote" if tick_type == TickType.QUOTE else "trade"
            path = self._root / "minute" / name / f"{day:%Y%m%d}_{kind}.zip"
            parse = _quote_bar if tick_type == TickType.QUOTE else _minute_trade_bar
            for line in _read_lines(path):
                yield _checked(parse, path, line, symbol, day)
        elif resolution in (Resolution.HOUR, Resolution.DAILY):
            folder = "hour" if resolution == Resolution.HOUR else "daily"
            path = self._root / folder / f"{name}.zip"
            span = timedelta(hours=1) if resolution == Resolution.HOUR else timedelta(days=1)
            lines, keys = self._lines(path)
            prefix = f"{day:%Y%m%d}"
            for index in range(bisect_left(keys, prefix), len(keys)):
                if not keys[index].startswith(prefix):
                    break
                yield _checked(_trade_bar, path, lines[index], symbol, span)
        else:
            raise NotImplementedError(f"bars of resolution {resolution}")

    def _lines(self, path: Path) -> tuple[list[str], list[str]]:
        if path not in self._whole:
            lines = [line for line in _read_lines(path) if line]
            keys = [line.partition(",")[0] for line in lines]
            for before, after in pairwise(keys):
                if before >= after:
                    raise ValueError(
                        f"{path}: bars must be sorted and unique by time; received {after!r} "
                        f"after {before!r}"
                    )
            self._whole[path] = lines, keys
        return self._whole[path]


def _checked(parse, path: Path, line: str, symbol: Symbol, context) -> BaseData:
    try:
        return parse(line, symbol, context)
    except (ValueError, IndexError, InvalidOperation) as error:
        raise ValueError(f"{path}: malformed bar {line!r} ({error})") from None


def _trade_bar(line: str, symbol: Symbol, span: timedelta) -> TradeBar:
    cells = line.split(",")
    text = cells[0]
    time = datetime(
        int(text[0:4]), int(text[4:6]), int(text[6:8]), int(text[9:11]), int(text[12:14])
    )
    return _bar_of(symbol, time, cells, span)


def _minute_trade_bar(line: str, symbol: Symbol, day: datetime) -> TradeBar:
    cells = line.split(",")
    return _bar_of(symbol, day + int(cells[0]) * _MILLISECOND, cells, _MINUTE)


def _bar_of(symbol: Symbol, time: datetime, cells: list[str], span: timedelta) -> TradeBar:
    prices = [_price(cell) for cell in cells[1:5]]
    if min(prices) <= 0:
        raise ValueError("prices must be positive")
    volume = Decimal(cells[5]) if len(cells) > 5 else ZERO
    opened, high, low, close = prices
    return TradeBar(time, symbol, opened, high, low, close, volume, span)


def _quote_bar(line: str, symbol: Symbol, day: datetime) -> QuoteBar:
    cells = line.split(",")
    sides: list[Bar | None] = []
    for start in (1, 6):
        prices = cells[start : start + 4]
        sides.append(Bar(*(_price(cell) for cell in prices)) if all(prices) else None)
    sizes = [Decimal(cells[i]) if i < len(cells) and cells[i] else ZERO for i in (5, 10)]
    time = day + int(cells[0]) * _MILLISECOND
    return QuoteBar(time, symbol, sides[0], sizes[0], sides[1], sizes[1], _MINUTE)
