"""Custom data: points that a user's own class reads out of local files and the object store.

A class names the source of each day (`get_source`) and makes a point of each of its lines
(`reader`). A source is read on from day to day for as long as its name stays the same.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.common.assigned import Value
from engine.common.clock import midnight
from engine.common.enums import FileFormat, Resolution, SubscriptionTransportMedium
from engine.common.naming import find_missing, snake_case
from engine.common.net_exceptions import KeyNotFoundException
from engine.common.net_values import read_time
from engine.common.pairs import PairsDict
from engine.feed.fill_forward import FillForward
from engine.market.data import BaseData, SubscriptionDataConfig
from engine.market.data_sources import SubscriptionDataSource
from engine.market.market_hours import ExchangeHours

_DAY = timedelta(days=1)
_INSTEAD = "use a local file or the object store"


class PythonData(BaseData):
    """Base of custom data; the fields of a point are its attributes or, by name, its items.

    Names of fields do not depend on capitals. As in LEAN an end time that is set first is the time
    as well.
    """

    def __init__(self, python_data: Any = None) -> None:
        super().__init__()
        if python_data is not None:
            raise NotImplementedError("PythonData(python_data); derive a class from PythonData")

    _own = ("time", "endtime", "value", "symbol", "price")
    time: Any = Value(read_time)
    _end_time: datetime | None = None

    @property
    def _fields(self) -> dict[str, Any]:
        """Fields by their name in small letters."""
        fields: dict[str, Any] = self.__dict__.setdefault("_dynamic", {})
        return fields

    @property
    def end_time(self) -> datetime:
        """When the point became known; its time unless set."""
        return self.time if self._end_time is None else self._end_time

    @end_time.setter
    def end_time(self, end_time: Any) -> None:
        self._end_time = read_time(end_time)
        if self.time == datetime.min:
            self.time = self._end_time

    def __setitem__(self, name: str, value: Any) -> None:
        key = name.lower()
        if key in self._own:
            setattr(self, "end_time" if key == "endtime" else key, value)
            return
        self._fields[key] = value
        snake = snake_case(name)
        if snake != key:
            self.__dict__.setdefault("_snake_names", {})[snake] = key

    def __getitem__(self, name: str) -> Any:
        key = name.lower()
        if key in self._own:
            return getattr(self, "end_time" if key == "endtime" else key)
        key = self.__dict__.get("_snake_names", {}).get(key, key)
        if key not in self._fields:
            raise KeyNotFoundException(
                f"Property with name '{name.lower()}' does not exist. Properties: "
                f"Time, Symbol, Value {', '.join([*self._fields, '__typename'])}"
            )
        return self._fields[key]

    def get_storage_dictionary(self) -> PairsDict:
        """The fields by their names."""
        return PairsDict(self._fields)

    def get_property(self, name: str) -> Any:
        """A field by its name."""
        return self[name]

    def set_property(self, name: str, value: Any) -> Any:
        """Set a field by its name."""
        self[name] = value
        return value

    def has_property(self, name: str) -> bool:
        """True if the field was set."""
        return name.lower() in self._fields

    def cells(self) -> dict[str, Any]:
        """What a frame shows of the point: its value and its fields, numbers as floats."""
        numbers = {
            name: float(value) if type(value) is int else value
            for name, value in self._fields.items()
        }
        return numbers | {"value": self.value}

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_dynamic", {})
        key = name.lower()
        key = self.__dict__.get("_snake_names", {}).get(key, key)
        if key in fields:
            return fields[key]
        return find_missing(self, name)

    def clone(self, fill_forward: bool | None = None) -> PythonData:
        """Copy the point."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__["_dynamic"] = dict(self._fields)
        if fill_forward is not None:
            copy.is_fill_forward = fill_forward
        return copy

    def get_source(self, config: Any, date: datetime, is_live_mode: bool) -> Any:
        """Name the source of a day; the user's class does."""
        raise NotImplementedError(f"{type(self).__name__}.get_source must be overridden")

    def reader(self, config: Any, line: str, date: datetime, is_live_mode: bool) -> Any:
        """Make a point of a line, or None; the user's class does."""
        raise NotImplementedError(f"{type(self).__name__}.reader must be overridden")

    def default_resolution(self) -> Resolution:
        """Resolution of a subscription that names none."""
        return Resolution.MINUTE

    def requires_mapping(self) -> bool:
        """Whether the ticker is that of a security that may be renamed."""
        return False

    def is_sparse_data(self) -> bool:
        """Whether days without data are usual."""
        return False


class CustomSources:
    """Reads the sources that custom data names.

    Args:
        read_object: content of a key of the object store, None if there is none.
        note: told what a user's `reader` raised; the line is left out.
    """

    def __init__(
        self, read_object: Callable[[str], bytes | None], note: Callable[[str], None]
    ) -> None:
        self._read_object = read_object
        self._note = note

    def lines(self, source: SubscriptionDataSource) -> list[str]:
        """Lines of a source; none if it does not exist.

        Raises:
            NotImplementedError: for what is not a local file, an object or lines of text.
        """
        if source.format != FileFormat.CSV:
            raise NotImplementedError(
                f"custom data of format {source.format} ({source.source}); use FileFormat.CSV"
            )
        if source.transport_medium == SubscriptionTransportMedium.OBJECT_STORE:
            content = self._read_object(source.source)
            if content is None:
                return []
            if source.source.lower().endswith(".zip"):
                return _zipped_lines(io.BytesIO(content), "")
            return content.decode("utf-8-sig").splitlines()
        if source.transport_medium != SubscriptionTransportMedium.LOCAL_FILE:
            raise NotImplementedError(
                f"custom data from {source.transport_medium} ({source.source}); {_INSTEAD}"
            )
        return _file_lines(source.source)

    def points(
        self,
        config: SubscriptionDataConfig,
        hours: ExchangeHours,
        start: datetime,
        end: datetime,
        fill_span: Callable[[], timedelta],
    ) -> Iterator[tuple[datetime, BaseData]]:
        """What a subscription delivers between two exchange times, with the time of delivery.

        Raises:
            NotImplementedError: for sources that are not read here.
            ValueError: if a reader gives something else than a point.
        """
        stream = self._in_span(config, start, end)
        if config.fill_forward:
            filler = FillForward(
                hours, fill_span, config.increment, config.extended_hours, end, strict_daily=False
            )
            stream = filler(stream)
        for point in stream:
            # Of equities, and on exchanges that a user has set, not every hour counts.
            if hours.is_open_during(point.time, point.end_time, config.extended_hours):
                yield point.end_time, point

    def _in_span(
        self, config: SubscriptionDataConfig, start: datetime, end: datetime
    ) -> Iterator[BaseData]:
        last = datetime.min
        for point in self._day_by_day(config, midnight(start), end):
            if point.end_time < max(start, last):
                continue
            if point.time > end:
                return
            last = point.end_time
            yield point

    def _day_by_day(
        self, config: SubscriptionDataConfig, day: datetime, end: datetime
    ) -> Iterator[BaseData]:
        """Points in the order of the lines; each new day may lead to another source."""
        reader: Any = config.type()
        key: tuple[Any, ...] | None = None
        told = datetime.min
        while day <= end:
            source = reader.get_source(config, day, False)
            if source is None or not source.source or source.key() == key:
                day += _DAY
                continue
            key = source.key()
            found: Iterable[BaseData] = self._parsed(config, reader, self.lines(source), day)
            if source.sort:
                found = sorted(found, key=lambda point: point.end_time)
            for point in found:
                changed = False
                while day < midnight(point.time) and not changed:
                    day += _DAY
                    following = reader.get_source(config, day, False)
                    named = following is not None and following.source
                    changed = bool(named) and following.key() != key
                if changed:
                    # The next source begins; what this one has of its days is not told.
                    if point.end_time < day:
                        yield point
                    break
                told = max(told, point.end_time)
                yield point
            else:
                # Days that begin before the last point is known have been told of.
                day += _DAY
                while day < told and day <= end:
                    day += _DAY

    def _parsed(
        self, config: SubscriptionDataConfig, reader: Any, lines: list[str], day: datetime
    ) -> Iterator[BaseData]:
        for line in lines:
            try:
                point = reader.reader(config, line, day, False)
            except Exception as problem:
                self._note(
                    f"Error invoking {config.symbol} data reader. Line: {line} Error: {problem}"
                )
                continue
            if point is None:
                continue
            if not isinstance(point, BaseData):
                raise ValueError(
                    f"{type(reader).__name__}.reader must give a point or None; received {point!r}"
                )
            if point.end_time != datetime.min:
                yield point


def _file_lines(source: str) -> list[str]:
    """Lines of a text file, or of a file in a zip: `data.zip#name`, or the first without a name."""
    name, _, entry = source.partition("#")
    path = Path(name)
    if not path.is_file():
        return []
    if path.suffix.lower() != ".zip":
        return path.read_text(encoding="utf-8-sig").splitlines()
    return _zipped_lines(path, entry)


def _zipped_lines(file: Path | io.BytesIO, entry: str) -> list[str]:
    """Lines of a file in a zip, of the first without a name."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        chosen = entry or next(iter(names), "")
        return archive.read(chosen).decode("utf-8").splitlines() if chosen in names else []
