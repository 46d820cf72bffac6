"""Reading bars from LEAN's zipped CSV files, unadjusted.

Daily and hour files hold a security's whole life under one ticker; minute and second files one day
each.
Prices are stored in ten-thousandths of a dollar, so a raw price has four decimals.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.common.decimals import ONE, ZERO
from engine.common.enums import Resolution, TickType, net_text
from engine.market.data import RESOLUTION_SPAN, Bar, BaseData, QuoteBar, TradeBar
from engine.market.symbols import Symbol

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_UNIT = Decimal("0.0001")

_DAY_AND_CLOCK = re.compile(r"\d{4}(0[1-9]|1[0-2])([0-2]\d|3[01]) [0-2]\d:[0-5]\d")
# Fields that 64 bits hold; the last line may lack its end.
# Possessive and written out: there is nothing to go back for.
_SOUND = re.compile(r"(?:\d{8} \d\d:[0-5]\d" + r",\d{1,15}+" * 5 + r"(?:\r?\n|\Z))*+", re.ASCII)
_SEPARATORS = str.maketrans({" ": ",", ":": ",", "\n": ",", "\r": None})
_MILLISECONDS = re.compile(r"\d{1,8}")
_FIELDS = ("open", "high", "low", "close")

_Parsed = TypeVar("_Parsed")

Rows = list[tuple[int, str]]
"""Lines of a file that are not blank, with their numbers."""


def _finite(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{field} must be a finite number; received {text!r}")
    return number


def _price(text: str, field: str, places: int) -> Decimal:
    """Price in dollars of a field in units of so many decimal places.

    Raises:
        ValueError: if it is no number or not above 0.
    """
    number = _finite(text, field)
    if number <= 0:
        raise ValueError(f"{field} must be > 0: prices are positive; received {text!r}")
    return number.scaleb(-places)


def read_prices(cells: list[str], prefix: str = "", places: int = 4) -> list[Decimal]:
    """Open, high, low and close in dollars.

    Args:
        cells: text.
        prefix: before the names of fields in errors.
        places: 4 for ten-thousandths of a dollar, 0 for dollars.

    Raises:
        ValueError: if one is missing or breaks a rule of bars.
    """
    if len(cells) < len(_FIELDS):
        raise ValueError(f"a bar must have {', '.join(_FIELDS)}; received {len(cells)} of them")
    prices = [
        _price(cell, prefix + name, places) for cell, name in zip(cells, _FIELDS, strict=False)
    ]
    opened, high, low, close = prices
    if high < max(opened, low, close):
        raise ValueError(f"{prefix}high must be the highest price; received {cells[1]!r}")
    if low > min(opened, close):
        raise ValueError(f"{prefix}low must be the lowest price; received {cells[2]!r}")
    return prices


def read_size(text: str, field: str) -> Decimal:
    """A number of shares.

    Raises:
        ValueError: if it is no number or below 0.
    """
    number = _finite(text, field)
    if number < 0:
        raise ValueError(f"{field} must be >= 0; received {text!r}")
    return number


def _read_rows(path: Path, layout: re.Pattern[str], key: Callable[[str], Any]) -> Rows:
    """Rows of the only file in a zip; none if the zip does not exist.

    Args:
        path: the zip.
        layout: of the time, which is the first cell.
        key: what times are sorted by.

    Raises:
        ValueError: if the zip is damaged or holds no file, or if the rows' times are malformed,
            unsorted or not unique.
    """
    rows = [
        (number, line) for number, line in enumerate(_read_text(path).splitlines(), start=1) if line
    ]
    times = [line.partition(",")[0] for _, line in rows]
    for (number, _), time in zip(rows, times, strict=True):
        if not layout.fullmatch(time):
            raise ValueError(f"{path}, line {number}: malformed time; received {time!r}")
    for (number, _), before, after in zip(rows[1:], times, times[1:], strict=False):
        if key(before) >= key(after):
            raise ValueError(
                f"{path}, line {number}: bars must be sorted and unique by time; received "
                f"{after!r} after {before!r}"
            )
    return rows


def _read_text(path: Path) -> str:
    """Text of the only file in a zip; empty if the zip does not exist.

    Raises:
        ValueError: if the zip is damaged or holds no file.
    """
    if not path.is_file():
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not names:
                raise ValueError(f"{path} must hold a CSV file; the zip is empty")
            return archive.read(names[0]).decode("utf-8")
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        UnicodeDecodeError,
        RuntimeError,  # encrypted, or (NotImplementedError) of an unknown compression
    ) as error:
        raise ValueError(f"{path} must be a readable zip of a CSV file: {error}") from error


class BarRows:
    """Decoded rows of a daily or hourly file.

    Prices are kept in ten-thousandths as 64-bit integers where they are whole, as they mostly are;
    `exact` holds the rows of a file where they are not. Python's own objects are made of what is
    asked for: few runs look at a file's every row.

    Args:
        times: start times, in order.

    Attributes:
        integers: open, high, low, close (ten-thousandths) and volume of each row, or None.
        exact: the same as Decimals in dollars, or None.
    """

    def __init__(
        self,
        times: NDArray[np.datetime64] | list[datetime],
        integers: NDArray[np.int64] | None,
        exact: list[tuple[Decimal, ...]] | None = None,
    ) -> None:
        self._times: NDArray[np.datetime64] = np.asarray(times, dtype="M8[us]")
        self.integers = integers
        self.exact = exact

    @cached_property
    def starts(self) -> list[datetime]:
        """Start times, in order."""
        return self.times(0, len(self._times))

    def times(self, first: int, last: int) -> list[datetime]:
        """Start times of rows."""
        found: list[datetime] = self._times[first:last].tolist()
        return found

    def place(self, time: datetime) -> int:
        """Index of the first row that starts at a time or later."""
        return int(np.searchsorted(self._times, np.datetime64(time, "us")))

    def values(self, index: int) -> tuple[Decimal, ...]:
        """Open, high, low, close and volume of a row."""
        if self.integers is None:
            return self.exact[index] if self.exact is not None else ()
        opened, high, low, close, volume = self.integers[index].tolist()
        return (opened * _UNIT, high * _UNIT, low * _UNIT, close * _UNIT, Decimal(volume))

    def block(self, first: int, last: int) -> list[Sequence[Any]]:
        """Open, high, low, close and volume of rows, in units of `unit` dollars and shares."""
        if self.integers is None:
            return list(self.exact[first:last]) if self.exact is not None else []
        rows: list[Sequence[Any]] = self.integers[first:last].tolist()
        return rows

    @property
    def unit(self) -> Decimal:
        """What the prices of a block are multiples of."""
        return ONE if self.integers is None else _UNIT

    def bar(self, index: int, symbol: Symbol, start: datetime, period: timedelta) -> TradeBar:
        """A new bar of a row."""
        opened, high, low, close, volume = self.values(index)
        return TradeBar(start, symbol, opened, high, low, close, volume, period)


def _decode(text: str) -> BarRows | None:
    """Rows of a sound file with whole numbers, all at once; None if it may be something else."""
    if not _SOUND.fullmatch(text):
        return None
    flat = text.translate(_SEPARATORS).rstrip(",")
    numbers = np.fromstring(flat, dtype=np.int64, sep=",").reshape(-1, 8)
    if not len(numbers):
        return BarRows([], numbers[:, 3:])
    dates, hours, minutes, opened, high, low, close, _ = np.ascontiguousarray(numbers.T)
    months, days = np.divmod(dates, 100)
    years, months = np.divmod(months, 100)
    if not (months.min() >= 1 and months.max() <= 12 and days.min() >= 1 and hours.max() < 24):
        return None
    # Days since 1970 of the first of every month there is, and of the one after it.
    months += (years - 1970) * 12 - 1
    first = months.min()
    firsts = np.arange(first, months.max() + 2).astype("M8[M]").astype("M8[D]").astype(np.int64)
    months -= first
    midnights = firsts[months] + days - 1
    times = (midnights * 24 + hours) * 60 + minutes
    sound = (
        (midnights < firsts[months + 1]).all()
        and (times[1:] > times[:-1]).all()
        and low.min() > 0
        and (high >= np.maximum(opened, close)).all()
        and (low <= np.minimum(opened, close)).all()
    )
    if not sound:
        return None
    return BarRows(times.view("M8[m]"), np.ascontiguousarray(numbers[:, 3:]))


class BarFiles:
    """Raw bars of US equities in a data folder.

    Attributes:
        name: what a message calls it.
    """

    name = "the data folder"

    def __init__(self, data_folder: Path) -> None:
        self._root = data_folder / "equity" / "usa"
        self._whole: dict[tuple[str, Resolution], BarRows] = {}

    def exists(self, ticker: str) -> bool:
        """True if there is any file for a ticker."""
        name = ticker.lower()
        return any(
            (self._root / kind / f"{name}.zip").is_file() for kind in ("daily", "hour")
        ) or any((self._root / kind / name).is_dir() for kind in ("minute", "second"))

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
            resolution: second, minute, hour or daily.
            tick_type: trades, or quotes (seconds and minutes only).
            day: a midnight.

        Raises:
            NotImplementedError: for ticks.
            ValueError: if a file or a line is malformed.
        """
        name = ticker.lower()
        if resolution in (Resolution.SECOND, Resolution.MINUTE):
            kind = "quote" if tick_type == TickType.QUOTE else "trade"
            path = self._root / resolution.name.lower() / name / f"{day:%Y%m%d}_{kind}.zip"
            parse = _quote_bar if tick_type == TickType.QUOTE else _trade_bar
            span = RESOLUTION_SPAN[resolution]
            for row in _read_rows(path, _MILLISECONDS, int):
                yield _checked(lambda line: parse(line, symbol, day, span), path, row)
        elif resolution in (Resolution.HOUR, Resolution.DAILY):
            rows = self.rows(ticker, resolution)
            starts = rows.starts
            following = day + _DAY
            index = bisect_left(starts, day)
            while index < len(starts) and (start := starts[index]) < following:
                yield rows.bar(index, symbol, start, RESOLUTION_SPAN[resolution])
                index += 1
        else:
            raise NotImplementedError(f"bars of resolution {net_text(resolution)}")

    def rows(self, ticker: str, resolution: Resolution) -> BarRows:
        """All rows of a daily or hourly file, decoded once; none if there is no file.

        Raises:
            ValueError: if the file or a row is malformed.
        """
        found = self._whole.get((ticker, resolution))
        if found is None:
            folder = "hour" if resolution == Resolution.HOUR else "daily"
            path = self._root / folder / f"{ticker.lower()}.zip"
            # Now rather than when a bar is due, which may be hours of training later.
            found = _decode(_read_text(path))
            if found is None:
                rows = _read_rows(path, _DAY_AND_CLOCK, str)
                parsed = [_checked(_start_and_values, path, row) for row in rows]
                found = BarRows([start for start, _ in parsed], None, [v for _, v in parsed])
            self._whole[ticker, resolution] = found
        return found


def _checked(parse: Callable[[str], _Parsed], path: Path, row: tuple[int, str]) -> _Parsed:
    """Parse a row; an error names it."""
    number, line = row
    try:
        return parse(line)
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: malformed bar {line!r}: {error}") from None


def _start_and_values(line: str) -> tuple[datetime, tuple[Decimal, ...]]:
    cells = line.split(",")
    text = cells[0]
    start = datetime(
        int(text[0:4]), int(text[4:6]), int(text[6:8]), int(text[9:11]), int(text[12:14])
    )
    prices, volume = _values(cells)
    return start, (*prices, volume)


def _trade_bar(line: str, symbol: Symbol, day: datetime, span: timedelta) -> TradeBar:
    """A bar of a file of one day, whose lines begin with the milliseconds since midnight."""
    cells = line.split(",")
    time = day + int(cells[0]) * _MILLISECOND
    (opened, high, low, close), volume = _values(cells)
    return TradeBar(time, symbol, opened, high, low, close, volume, span)


def _values(cells: list[str]) -> tuple[list[Decimal], Decimal]:
    """Prices and volume of a trade bar's cells."""
    return read_prices(cells[1:5]), read_size(cells[5], "volume") if len(cells) > 5 else ZERO


def _quote_bar(line: str, symbol: Symbol, day: datetime, span: timedelta) -> QuoteBar:
    cells = line.split(",")
    sides: list[Bar | None] = []
    for side, start in (("bid ", 1), ("ask ", 6)):
        prices = cells[start : start + 4]
        sides.append(Bar(*read_prices(prices, side)) if any(prices) else None)
    sizes = [
        read_size(cells[i], name) if i < len(cells) and cells[i] else ZERO
        for name, i in (("bid size", 5), ("ask size", 10))
    ]
    time = day + int(cells[0]) * _MILLISECOND
    return QuoteBar(time, symbol, sides[0], sizes[0], sides[1], sizes[1], span)
