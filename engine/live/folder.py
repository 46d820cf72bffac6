"""The `folder` feed: bars that anybody appends to files, watched while a live run goes on.

A folder holds, by ticker in any case:

- `AAPL.csv` with a header that names `date` (or `time`), `open`, `high`, `low`, `close` and, where
  it is known, `volume`, in any order; prices in dollars, unadjusted. A row whose time is a date, or
  midnight, is the bar of that day; one with a time of day is the bar of the minute that starts
  then, New York's time, or with an offset from UTC (`2026-01-05T14:30:00+00:00`). Longer bars, of
  an hour say, are refused.
- `AAPL.csv` without a header, in LEAN's daily columns: `20260105 00:00,open,high,low,close,volume`,
  prices in ten-thousandths of a dollar.
- `AAPL/20260105_trade.csv` in LEAN's minute columns: milliseconds since midnight, then as above.
- `AAPL.parquet` with the columns of a header (needs pyarrow).
- `events.csv` with the header `date,symbol,split,dividend`: ex-date, ticker, new shares for one old
  (2, or 3/2; empty without a split) and dollars a share (empty without a dividend), written before
  eight in the morning of the ex-date. A day has one split of a share, the product of all, and one
  dividend, the sum of all, in one row or in two: what a row leaves empty stays as rows above it say
  (1 takes a split back, 0 a dividend).

Rows may come late, twice, out of order or corrected (the row furthest down counts): history
follows, what is odd is told. A line without its end is waited for. A row that breaks a rule is
named and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.common.clock import NEW_YORK, from_utc, midnight, zone
from engine.common.decimals import ZERO
from engine.common.enums import Resolution
from engine.feed.bar_files import read_prices, read_size
from engine.live.arrivals import DAY, BarSource, Prices
from engine.live.corporate import ReceivedActions, Told
from engine.live.day_events import EventKind
from engine.live.growing_files import (
    COLUMNS,
    EVENTS,
    LEAN_PLACES,
    Cells,
    CsvFile,
    ParquetFile,
    Reading,
    Row,
    Spacing,
)
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

_LEAN_MINUTES = re.compile(r"(\d{8})_trade\.csv", re.IGNORECASE)
_PATIENCE = timedelta(minutes=1)
"""How long a half-written line or file is waited for in silence."""
_TOLD_ROWS = 5
"""So many bad rows of one reading are named, more are counted."""


class FolderFeed(BarSource):
    """Watches a folder of bars.

    Args:
        folder: see the module.
        hours: of the exchange, by ticker.
        now, tell, given: see `BarSource`.

    Attributes:
        actions: what `events.csv` tells of.

    Raises:
        ValueError: if there is no such folder.
    """

    def __init__(
        self,
        folder: Path,
        hours: Callable[[str], ExchangeHours],
        now: Callable[[], datetime],
        tell: Callable[[str], None],
        given: Mapping[str, Mapping[str, datetime]],
    ) -> None:
        super().__init__(now, tell, given)
        if not folder.is_dir():
            raise ValueError(f"--feed-folder must be a folder; received {folder}")
        self.actions = ReceivedActions()
        self._folder = folder
        self._hours = hours
        self._wanted: set[str] = set()
        self._files: dict[Path, CsvFile | ParquetFile] = {}
        self._waiting: set[Path] = set()
        self._looked = datetime.min
        self._broken: dict[Path, str] = {}
        self._spacings: dict[Path, Spacing] = {}

    def serve(self, symbol: Symbol, hours: ExchangeHours) -> None:
        """Begin with a symbol."""
        self.want(symbol.value.upper())

    def want(self, ticker: str, *_: Any) -> None:
        """Read a ticker's files from now on."""
        if ticker in self._wanted:
            return
        self._wanted.add(ticker)
        self.poll()
        if not self.bars.has(ticker):
            self.tell(f"feed: {self._folder} has no bars of {ticker} so far")

    def poll(self) -> bool:
        """Read what has been written; True if there was anything new."""
        new = False
        try:
            paths = sorted(self._paths())
        except OSError as error:
            if self._broken.get(self._folder) != str(error):
                self._broken[self._folder] = str(error)
                self.tell(f"feed: {error}: the folder is waited for")
            return False
        self._broken.pop(self._folder, None)
        for ticker, path in paths:
            new |= self._read(ticker, path)
        self._looked = from_utc(self._now(), NEW_YORK)
        return new

    def take_event_news(self) -> list[tuple[str, date, EventKind]]:
        """What `events.csv` has told since the last call."""
        return self.actions.take_news()

    def _paths(self) -> Iterator[tuple[str, Path]]:
        """Files that are wanted, with the ticker (empty of the events)."""
        for path in self._folder.iterdir():
            name = path.stem.upper()
            suffix = path.suffix.lower()
            if suffix == ".csv" and path.stem.lower() == EVENTS:
                yield "", path
            elif suffix in (".csv", ".parquet") and name in self._wanted:
                yield name, path
            elif path.name.upper() in self._wanted and path.is_dir():
                for each in path.iterdir():
                    if _LEAN_MINUTES.fullmatch(each.name):
                        yield path.name.upper(), each

    def _read(self, ticker: str, path: Path) -> bool:
        if path not in self._files:
            is_parquet = path.suffix.lower() == ".parquet"
            layout = ("date", *COLUMNS, "volume") if ticker else ()
            self._files[path] = ParquetFile(path) if is_parquet else CsvFile(path, layout)
        file = self._files[path]
        try:
            reading = file.read(self._now())
        except (OSError, ValueError) as error:
            if self._broken.get(path) != str(error):
                self._broken[path] = str(error)
                self.tell(f"feed: {error}: the file is skipped until it is changed")
            return False
        self._tell_of_half(file)
        if reading is None or not (reading.rows or reading.bad):
            return False
        self._broken.pop(path, None)
        new = self._take_events(reading) if not ticker else self._take_bars(ticker, path, reading)
        self._tell_some(path, [f"{line}: the row is skipped" for line in reading.bad])
        return new

    def _tell_some(self, path: Path, lines: Sequence[str]) -> None:
        for line in lines[:_TOLD_ROWS]:
            self.tell(f"feed: {line}")
        if len(lines) > _TOLD_ROWS:
            self.tell(f"feed: {path}: {len(lines) - _TOLD_ROWS} more of this kind")

    def _tell_of_half(self, file: CsvFile | ParquetFile) -> None:
        waited = file.half_since is not None and self._now() - file.half_since > _PATIENCE
        if waited and file.path not in self._waiting:
            self._waiting.add(file.path)
            what = "file is not whole" if isinstance(file, ParquetFile) else "last line has no end"
            self.tell(f"feed: {file.path}: the {what}; it is waited for")
        elif file.half_since is None:
            self._waiting.discard(file.path)

    # Bars -----------------------------------------------------------------------------------

    def _take_bars(self, ticker: str, path: Path, reading: Reading) -> bool:
        is_lean_minute = _LEAN_MINUTES.fullmatch(path.name)
        found: dict[tuple[Resolution, datetime], tuple[str, Prices]] = {}
        repeated: set[tuple[Resolution, datetime]] = set()
        if reading.whole:
            self._spacings[path] = Spacing()
        for read in reading.rows:
            try:
                if is_lean_minute:
                    resolution, start = _lean_minute(read.cells, is_lean_minute[1])
                else:
                    resolution, start = _start(read)
                row = _prices(read)
                self._check_day(ticker, start)
            except ValueError as problem:
                reading.bad.append(f"{read.place}: {problem}")
                continue
            key = resolution, start
            if key in found and found[key][1] == row:
                repeated.add(key)
            found[key] = read.place, row
        minutes = [start for kind, start in found if kind == Resolution.MINUTE]
        if not is_lean_minute and self._are_longer(path, minutes):
            found = {key: each for key, each in found.items() if key[0] != Resolution.MINUTE}
        known = {kind: self.bars.newest(ticker, kind) for kind in Resolution}
        new, odd = False, []
        for key in sorted(found, key=lambda each: each[1]):
            resolution, start = key
            place, row = found[key]
            made = self._made_of_minutes(ticker, resolution, start)
            before = self.bars.put(ticker, resolution, start, row)
            new |= before != row
            if not reading.whole and made is not None and made[:4] != row[:4]:
                odd.append(
                    f"{place}: the bar of {_shown(resolution, start)} is not that of its minutes "
                    f"({_changes(made, row)}); history has it from now on, what was done before "
                    "stays"
                )
            if reading.whole and before in (None, row):
                continue
            newest, when = known[resolution], _shown(resolution, start)
            if before == row or key in repeated:
                odd.append(f"{place}: the bar of {when} came twice")
            if before is None and newest is not None and start < newest:
                odd.append(
                    f"{place}: the bar of {when} came after that of "
                    f"{_shown(resolution, newest)}: it is late, or out of order"
                )
            elif before is not None and before != row and self._is_over(ticker, start):
                odd.append(
                    f"{place}: the bar of {when} is corrected ({_changes(before, row)}); "
                    "history has it from now on, what was done before stays"
                )
        self._tell_some(path, odd)
        return new

    def _made_of_minutes(
        self, ticker: str, resolution: Resolution, start: datetime
    ) -> Prices | None:
        """A past session's bar of its minutes, where it has no row of its own so far."""
        own = self.bars.between(ticker, Resolution.DAILY, start, start + DAY)
        if resolution != Resolution.DAILY or own or not self._is_over(ticker, start):
            return None
        return self.bars.session(ticker, self._hours(ticker), start)

    def _are_longer(self, path: Path, minutes: Sequence[datetime]) -> bool:
        """Whether the bars of a file are longer than minutes; tells of it."""
        spacing = self._spacings[path]
        before = spacing.step
        spacing.add(minutes)
        if spacing.step and not before:
            self.tell(
                f"feed: {path}: its rows are {spacing.step} minutes apart; rows with a time of day "
                "must be bars of one minute, a day's row has its date alone: these rows are skipped"
            )
        elif before and not spacing.step:
            self.tell(f"feed: {path}: its rows are bars of a minute after all: it is read anew")
            del self._files[path]
        return spacing.step > 0

    def _check_day(self, ticker: str, start: datetime) -> None:
        """Refuse what cannot have been traded.

        Raises:
            ValueError: naming field, rule and value.
        """
        now = from_utc(self._now(), NEW_YORK)
        if start > now:
            raise ValueError(f"date must not be in the future; received {start}")
        if self._hours(ticker).session(start.date()) is None:
            raise ValueError(
                f"date must be a day on which the exchange is open; received {start:%Y-%m-%d}"
            )

    def _is_over(self, ticker: str, start: datetime) -> bool:
        """Whether the session of a bar is over: until then its day's row may be written anew."""
        session = self._hours(ticker).session(start.date())
        return session is None or from_utc(self._now(), NEW_YORK) > session.close

    # Events ---------------------------------------------------------------------------------

    def _take_events(self, reading: Reading) -> bool:
        new = False
        found: dict[tuple[str, datetime], tuple[str, Told]] = {}
        for place, cells, _ in reading.rows:
            try:
                day = midnight(_time(cells.get("date", "")))
                ticker = cells.get("symbol", "").upper()
                if not ticker:
                    raise ValueError("symbol must not be empty")
                split, dividend = cells.get("split", ""), cells.get("dividend", "")
                told = Told(_split(split), _dividend(dividend))
            except ValueError as problem:
                reading.bad.append(f"{place}: {problem}")
                continue
            if (ticker, day) in found:
                _, above = found[ticker, day]
            else:
                # A file that was changed above its end says anew what there is.
                known = {} if reading.whole else self.actions.of(ticker)
                above = known.get(day.date(), Told())
            told = Told(
                told.split if split else above.split, told.dividend if dividend else above.dividend
            )
            found[ticker, day] = place, told
        for (ticker, day), (place, told) in found.items():
            before = self.actions.put(ticker, day.date(), told)
            new |= before != told
            had = {} if before is None else before.parts
            if not had.items() <= told.parts.items() and day <= self._looked:
                self.tell(
                    f"feed: {place}: the event of {ticker} of {day:%Y-%m-%d} is corrected: history "
                    "follows it, cash and positions keep what was booked"
                )
        return new


def _start(row: Row) -> tuple[Resolution, datetime]:
    """What a row is a bar of, and from when.

    Raises:
        ValueError: naming field, rule and value.
    """
    text = row.cells.get("date", "")
    written = _moment(text)
    if written.time() == datetime.min.time():
        # As it is written: a day is a day in any time zone.
        return Resolution.DAILY, midnight(written)
    if row.places == LEAN_PLACES:
        raise ValueError(f"date must read yyyyMMdd 00:00 without a header; received {text!r}")
    start = _time(text)
    if start.second or start.microsecond:
        raise ValueError(f"date must be a whole minute; received {text!r}")
    return Resolution.MINUTE, start


def _lean_minute(cells: Cells, day: str) -> tuple[Resolution, datetime]:
    """The same of a row of LEAN's minute columns.

    Raises:
        ValueError: naming field, rule and value.
    """
    text = cells.get("date", "")
    if not text.isdigit() or int(text) >= 86_400_000 or int(text) % 60_000:
        raise ValueError(f"time must be whole minutes of a day in ms; received {text!r}")
    return Resolution.MINUTE, _time(day) + timedelta(milliseconds=int(text))


def _prices(row: Row) -> Prices:
    cells = row.cells
    texts = [cells.get(name, "") for name in COLUMNS]
    opened, high, low, close = read_prices(texts, places=row.places)
    volume = cells.get("volume", "")
    return Prices(opened, high, low, close, read_size(volume, "volume") if volume else ZERO)


def _moment(text: str) -> datetime:
    """A time as it is written.

    Raises:
        ValueError: if it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "date must read yyyy-MM-dd or yyyyMMdd, HH:mm behind it for a minute; received "
            f"{text!r}"
        ) from None


def _time(text: str) -> datetime:
    """A time of New York.

    Raises:
        ValueError: if it is none.
    """
    time = _moment(text)
    return time if time.tzinfo is None else time.astimezone(zone(NEW_YORK)).replace(tzinfo=None)


def _split(text: str) -> Fraction:
    try:
        split = Fraction(text) if text else Fraction(1)
    except (ValueError, ZeroDivisionError):
        split = Fraction(0)
    if split <= 0:
        raise ValueError(f"split must be new shares for one old, > 0; received {text!r}")
    return split


def _dividend(text: str) -> Decimal:
    try:
        dividend = Decimal(text) if text else ZERO
    except InvalidOperation:
        dividend = Decimal("NaN")
    if not dividend.is_finite() or dividend < 0:
        raise ValueError(f"dividend must be dollars a share, >= 0; received {text!r}")
    return dividend


def _shown(resolution: Resolution, start: datetime) -> str:
    return f"{start:%Y-%m-%d}" if resolution == Resolution.DAILY else f"{start:%Y-%m-%d %H:%M}"


def _changes(before: Prices, after: Prices) -> str:
    pairs = zip(Prices._fields, before, after, strict=True)
    return ", ".join(f"{name} {old} to {new}" for name, old, new in pairs if old != new)
