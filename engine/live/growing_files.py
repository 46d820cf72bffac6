"""Files that grow while they are watched: the rows that are new, of CSV and of Parquet.

Both kinds are read whole the first time; of a CSV file afterwards what was appended, anew if it was
changed before that. `Spacing` tells what a row is a bar of where only its time is written.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

EVENTS = "events"
COLUMNS = ("open", "high", "low", "close")
LEAN_PLACES = 4
"""Prices in LEAN's files are in ten-thousandths of a dollar."""
_TIMES = ("date", "time", "datetime", "timestamp")
_TAIL = 256
"""Bytes before the place where a file was left that must be the same for it to be read on there."""
_BY_CHANCE = 1000

Cells = Mapping[str, str]


class Row(NamedTuple):
    """A row: where it is, for messages; its cells by name; its prices' unit, in decimal places."""

    place: str
    cells: Cells
    places: int


@dataclass
class Reading:
    """What was new in a file.

    Attributes:
        rows: new ones, or all of them.
        whole: the file was read from its beginning.
        bad: what is wrong with rows.
    """

    rows: list[Row] = field(default_factory=list)
    whole: bool = False
    bad: list[str] = field(default_factory=list)


class CsvFile:
    """Reads a growing file on from where it was left; anew where it was changed before that.

    Args:
        path: the file.
        layout: names of the cells of a file without a header.
    """

    def __init__(self, path: Path, layout: Sequence[str]) -> None:
        self.path = path
        self.half_since: datetime | None = None
        self._layout = layout
        self._seen: tuple[int, int, int] | None = None
        self._restart()

    def _restart(self) -> None:
        self._offset = self._line = self._places = 0
        self._tail = b""
        self._names: list[str] | None = None

    def read(self, now: datetime) -> Reading | None:
        """What is new; None if nothing is.

        Raises:
            ValueError: if the header lacks a column.
            OSError: if the file cannot be read.
        """
        status = self.path.stat()
        seen = status.st_ino, status.st_size, status.st_mtime_ns
        if seen == self._seen:
            return None
        before, self._seen = self._seen, seen
        with open(self.path, "rb") as file:
            if before is not None and not self._goes_on(file, before, seen):
                self._restart()
            whole = self._offset == 0
            file.seek(self._offset)
            content = file.read()
        end = content.rfind(b"\n") + 1
        self.half_since = now if end < len(content) else None
        content = content[:end]
        self._offset += end
        self._tail = (self._tail + content)[-_TAIL:]
        reading = Reading(whole=whole)
        for line in content.split(b"\n")[:-1]:
            self._line += 1
            self._read_line(line.strip(b"\r\xef\xbb\xbf"), reading)
        return reading

    def _goes_on(self, file: Any, before: tuple[int, int, int], seen: tuple[int, int, int]) -> bool:
        """Whether a file has only grown."""
        if seen[0] != before[0] or seen[1] <= before[1]:
            return False
        file.seek(self._offset - len(self._tail))
        return bool(file.read(len(self._tail)) == self._tail)

    def _read_line(self, line: bytes, reading: Reading) -> None:
        place = f"{self.path}, line {self._line}"
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            reading.bad.append(f"{place}: a line must be text in UTF-8; received {line!r}")
            return
        if not text.strip():
            return
        cells = [cell.strip() for cell in next(csv.reader([text]))]
        if self._names is None:
            if not any(cell[:1].isalpha() for cell in cells):
                self._names, self._places = list(self._layout), LEAN_PLACES
            else:
                self._names, self._places = _column_names(self.path, cells), 0
                return
        named = dict(zip(self._names, cells, strict=False))
        reading.rows.append(Row(place, named, self._places))


class ParquetFile:
    """Reads a Parquet file whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.half_since: datetime | None = None
        self._seen: tuple[int, int, int] | None = None

    def read(self, now: datetime) -> Reading | None:
        """All rows; None if nothing is new, or the file is not whole yet.

        Raises:
            ValueError: if pyarrow is not installed, or a column is missing.
            OSError: if the file cannot be read.
        """
        status = self.path.stat()
        seen = status.st_ino, status.st_size, status.st_mtime_ns
        if seen == self._seen:
            return None
        self._seen = seen
        import pandas as pd

        try:
            frame = pd.read_parquet(self.path)
        except ImportError as error:
            raise ValueError(
                f"{self.path} needs pyarrow to be read: pip install -r requirements/live.txt"
            ) from error
        except (OSError, ValueError):
            # Half of it is written: its end is what makes it readable.
            self.half_since = self.half_since or now
            return None
        self.half_since = None
        if frame.index.name is not None or isinstance(frame.index, pd.DatetimeIndex):
            # What pandas writes by itself: times without a name.
            frame = frame.rename_axis(frame.index.name or "date").reset_index()
        for name in frame.columns[frame.dtypes == "float32"]:
            # As it was written: 2.1, not the 2.0999999 that its bits are.
            frame[name] = frame[name].to_numpy().astype(str)
        names = _column_names(self.path, [str(name) for name in frame.columns])
        rows = [
            Row(f"{self.path}, row {number}", dict(zip(names, map(str, values), strict=True)), 0)
            for number, values in enumerate(frame.itertuples(index=False), start=1)
        ]
        return Reading(rows, whole=True)


def _column_names(path: Path, found: Sequence[str]) -> list[str]:
    """Names of a file's columns, the one of the times as `date`.

    Raises:
        ValueError: if one is missing.
    """
    names = [name.strip().lower() for name in found]
    # pandas leaves the first column of a CSV file without a name.
    time = next((name for name in (*_TIMES, "") if name in names), None)
    needed = (*COLUMNS,) if path.stem.lower() != EVENTS else ("symbol",)
    missing = [name for name in needed if name not in names]
    if time is None or missing:
        lacks = ", ".join(["date"] * (time is None) + missing)
        raise ValueError(
            f"{path}: the header must name date, {', '.join(needed)}; received "
            f"{','.join(found)!r}, without {lacks}"
        )
    return ["date" if name == time else name for name in names]


class Spacing:
    """Finds bars that are longer than a minute by how regularly they come."""

    def __init__(self) -> None:
        self._starts: set[datetime] = set()
        self._common = 0

    def add(self, starts: Iterable[datetime]) -> None:
        """Note when bars begin."""
        for start in starts:
            first = next(iter(self._starts), start)
            self._common = math.gcd(self._common, int((start - first).total_seconds()) // 60)
            self._starts.add(start)

    @property
    def step(self) -> int:
        """Minutes between the bars; 0 for bars of a minute.

        Minutes in which a stock was traded by chance all have a common step so rarely, once in
        `_BY_CHANCE` files, that it is taken for the length of the bars.
        """
        pairs = len(self._starts) - 1
        return self._common if self._common > 1 and self._common**pairs >= _BY_CHANCE else 0
