"""Naive local times to naive UTC and back, for named time zones."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC = ZoneInfo("UTC")
NEW_YORK = "America/New_York"
END_OF_TIME = datetime(2050, 12, 31)


class TimeZones:
    """Time zones by LEAN's names."""

    NEW_YORK = NEW_YORK
    EASTERN_STANDARD = "EST"
    UTC = "UTC"
    LONDON = "Europe/London"
    CHICAGO = "America/Chicago"
    LOS_ANGELES = "America/Los_Angeles"
    TOKYO = "Asia/Tokyo"


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Look a time zone up.

    Raises:
        ValueError: if there is no zone of that name.
    """
    try:
        return ZoneInfo(str(name))
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


def midnight(time: datetime) -> datetime:
    """Start of the day."""
    return datetime(time.year, time.month, time.day)


def round_down(time: datetime, span: timedelta) -> datetime:
    """Latest multiple of `span` (a day or a part of one) that is not after `time`."""
    start = midnight(time)
    return start + (time - start) // span * span
