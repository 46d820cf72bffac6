"""Naive local times to naive UTC and back, for named time zones.

The engine calculates with naive times. What user code sees of UTC is aware, as LEAN's Python bridge
gives it: :class:`UtcTime`.
"""

from __future__ import annotations

import datetime as _datetime
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.common.naming import LeanObject

UTC = ZoneInfo("UTC")
NEW_YORK = "America/New_York"
END_OF_TIME = datetime(2050, 12, 31)
TICK = timedelta(microseconds=1)
"""Stands for a tick of .NET's clock, 100 ns, which is shorter than anything that a datetime knows.

LEAN begins anew one tick after a time step. User code does not see it, .NET's text does.
"""


class TimeZones(LeanObject):
    """Time zones by LEAN's names."""

    UTC = "UTC"
    NEW_YORK = NEW_YORK
    EASTERN_STANDARD = "UTC-05"
    LONDON = "Europe/London"
    HONG_KONG = "Asia/Hong_Kong"
    TOKYO = "Asia/Tokyo"
    ROME = "Europe/Rome"
    SYDNEY = "Australia/Sydney"
    VANCOUVER = "America/Vancouver"
    TORONTO = "America/Toronto"
    CHICAGO = "America/Chicago"
    LOS_ANGELES = "America/Los_Angeles"
    PHOENIX = "America/Phoenix"
    AUCKLAND = "Pacific/Auckland"
    MOSCOW = "Europe/Moscow"
    MADRID = "Europe/Madrid"
    BUENOS_AIRES = "America/Argentina/Buenos_Aires"
    BRISBANE = "Australia/Brisbane"
    SAO_PAULO = "America/Sao_Paulo"
    CAIRO = "Africa/Cairo"
    JOHANNESBURG = "Africa/Johannesburg"
    ANCHORAGE = "America/Anchorage"
    DENVER = "America/Denver"
    DETROIT = "America/Detroit"
    MEXICO_CITY = "America/Mexico_City"
    JERUSALEM = "Asia/Jerusalem"
    SHANGHAI = "Asia/Shanghai"
    MELBOURNE = "Australia/Melbourne"
    AMSTERDAM = "Europe/Amsterdam"
    ATHENS = "Europe/Athens"
    BERLIN = "Europe/Berlin"
    BUCHAREST = "Europe/Bucharest"
    DUBLIN = "Europe/Dublin"
    HELSINKI = "Europe/Helsinki"
    ISTANBUL = "Europe/Istanbul"
    MINSK = "Europe/Minsk"
    PARIS = "Europe/Paris"
    ZURICH = "Europe/Zurich"
    HONOLULU = "Pacific/Honolulu"
    KOLKATA = "Asia/Kolkata"


# Zones that LEAN's database calls otherwise.
_ALIASES = {"UTC-05": "Etc/GMT+5"}


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Look a time zone up.

    Raises:
        ValueError: if there is no zone of that name.
    """
    try:
        return ZoneInfo(_ALIASES.get(str(name), str(name)))
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(
            f"time zone must be an IANA name such as {NEW_YORK}; received {name!r}"
        ) from None


@lru_cache(maxsize=8192)
def to_utc(local: datetime, time_zone: str) -> datetime:
    """UTC of a local time; a time that a clock change repeats counts as its first occurrence."""
    return local.replace(tzinfo=zone(time_zone)).astimezone(UTC).replace(tzinfo=None)


@lru_cache(maxsize=8192)
def from_utc(utc: datetime, time_zone: str) -> datetime:
    """Local time of a UTC time."""
    return utc.replace(tzinfo=UTC).astimezone(zone(time_zone)).replace(tzinfo=None)


class ShownTime(datetime):
    """A time as LEAN's Python bridge gives it: it compares with a `date` by its day.

    It prints, pickles and equals as a datetime of Python's. The engine's own times are none: this
    class compares more slowly.
    """

    __slots__ = ()

    @classmethod
    def of(cls, time: datetime) -> ShownTime:
        """The same time as user code sees it."""
        return cls.combine(time.date(), time.timetz())

    def __sub__(self, other: Any) -> Any:
        return self.date() - other if _is_day(other) else super().__sub__(other)

    def __rsub__(self, other: Any) -> Any:
        # Datetimes subtract by the method above or by their own.
        return other - self.date() if _is_day(other) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.date() < other if _is_day(other) else super().__lt__(other)

    def __le__(self, other: Any) -> bool:
        return self.date() <= other if _is_day(other) else super().__le__(other)

    def __gt__(self, other: Any) -> bool:
        return self.date() > other if _is_day(other) else super().__gt__(other)

    def __ge__(self, other: Any) -> bool:
        return self.date() >= other if _is_day(other) else super().__ge__(other)

    def __repr__(self) -> str:
        return f"datetime.{super().__repr__()}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        clock = (self.hour, self.minute, self.second, self.microsecond, self.tzinfo)
        return datetime, (self.year, self.month, self.day, *clock)


ShownTime.__name__ = ShownTime.__qualname__ = "datetime"
ShownTime.__module__ = "clr_datetime"


def engine_time(time: datetime) -> datetime:
    """The same time as the engine's own are: a plain one, which compares fast."""
    return time if type(time) is datetime else datetime.combine(time.date(), time.timetz())


def _is_day(other: Any) -> bool:
    return isinstance(other, date) and not isinstance(other, datetime)


@lru_cache(maxsize=8192)
def shown_local(utc: datetime, time_zone: str) -> datetime:
    """Local time of a UTC time as user code sees it."""
    return ShownTime.of(without_tick(from_utc(utc, time_zone)))


def without_tick(time: datetime) -> datetime:
    """A time as a datetime of Python's shows it: a tick is too short."""
    return time.replace(microsecond=0) if time.microsecond == 1 else time


def second_fraction(time: datetime) -> str:
    """The fraction of a second in .NET's text, with its point, without trailing zeros."""
    if not time.microsecond:
        return ""
    return ".0000001" if time.microsecond == 1 else f".{time.microsecond:06d}".rstrip("0")


def round_trip_time(time: datetime) -> str:
    """A naive time as .NET's format "o" writes it, with seven digits of a second."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{second_fraction(time)[1:].ljust(7, '0')}"


def midnight(day: date) -> datetime:
    """Start of a day, or of the day of a time."""
    return datetime(day.year, day.month, day.day)


def round_down(time: datetime, span: timedelta) -> datetime:
    """Latest multiple of `span`, counted from the year 1 as .NET does, that is not after `time`."""
    return time - (time - datetime.min) % span


def aware_utc(time: datetime) -> datetime:
    """A naive UTC time as user code sees it."""
    shown = without_tick(time)
    return ShownTime.combine(shown.date(), shown.time(), _datetime.UTC)


def naive_utc(time: datetime) -> datetime:
    """UTC without its time zone, of a time that user code may hand over; naive ones are UTC."""
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


class UtcTime:
    """Attribute that reads as an aware UTC time; the naive one lives in `<name>_naive`.

    Naive times that are set count as UTC. None stays None.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = name + "_naive"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = getattr(instance, self.slot)
        return None if value is None else aware_utc(value)

    def __set__(self, instance: Any, value: datetime | None) -> None:
        setattr(instance, self.slot, None if value is None else naive_utc(value))


class PlacedTime(UtcTime):
    """When an order was asked for: UTC, but of a request of one's own whatever its author gave.

    LEAN keeps the author's naive time as it is, of no zone, and shows and writes it so.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or not instance.has_zoneless_time:
            return super().__get__(instance, owner)
        return ShownTime.of(without_tick(getattr(instance, self.slot)))
