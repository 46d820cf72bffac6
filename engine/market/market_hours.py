"""Exchange hours, from LEAN's market-hours database.

Only exchanges with one regular session a day, inside one day, are supported: US equities. Opens
count as open, closes as closed.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

from engine.common.clock import NEW_YORK, engine_time, from_utc, midnight, to_utc, zone
from engine.common.enumerables import NetSet
from engine.common.enums import DayOfWeek, MarketHoursState, SecurityType
from engine.common.naming import DirectObject
from engine.common.pairs import PairsDict
from engine.common.text_files import read_text
from engine.market.local_hours import LocalMarketHours, MarketHoursSegment
from engine.market.symbols import Symbol

ONE_DAY = timedelta(days=1)
_SEARCH_DAYS = 15
_DAY_OF_PAIR = itemgetter(0)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_STATES = {state.net_name.lower(): state for state in MarketHoursState}


@dataclass(frozen=True)
class Session:
    """One day's hours, local times.

    Attributes:
        open, close: regular hours.
        extended_open, extended_close: including before and after the regular hours.
    """

    open: datetime
    close: datetime
    extended_open: datetime
    extended_close: datetime

    def bounds(self, extended: bool) -> tuple[datetime, datetime]:
        """Open and close, regular or extended."""
        return (self.extended_open, self.extended_close) if extended else (self.open, self.close)


def _span(text: str) -> timedelta:
    days, _, clock = text.rpartition(".")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


def _day(text: str) -> date:
    month, day, year = (int(part) for part in text.split("/"))
    return date(year, month, day)


class ExchangeHours(DirectObject):
    """When an exchange is open; LEAN's SecurityExchangeHours.

    Args:
        entry: the JSON object of one exchange.
        source: where it was read, for messages.

    Raises:
        ValueError: if a field is missing or malformed.
    """

    lean_name = "SecurityExchangeHours"
    is_market_always_open = False

    def __init__(self, entry: dict[str, Any], source: str) -> None:
        try:
            self.time_zone: str = entry["exchangeTimeZone"]
            self.data_time_zone: str = entry.get("dataTimeZone", self.time_zone)
            self._week = [
                [(_span(s["start"]), _span(s["end"]), s["state"]) for s in entry.get(name, [])]
                for name in _WEEKDAYS
            ]
            self._holidays = {_day(text) for text in entry.get("holidays", [])}
            self._bank_holidays = {_day(text) for text in entry.get("bankHolidays", [])}
            self._early = {_day(k): _span(v) for k, v in entry.get("earlyCloses", {}).items()}
            self._late = {_day(k): _span(v) for k, v in entry.get("lateOpens", {}).items()}
            for name in (self.time_zone, self.data_time_zone):
                zone(name)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{source} must be a market-hours entry: {error!r}") from error
        if any([segment[2] for segment in day].count("market") > 1 for day in self._week):
            raise ValueError(f"{source} must have one regular session a day")
        longest = [e - s for day in self._week for s, e, state in day if state == "market"]
        if not longest or min(longest) <= timedelta(0):
            raise ValueError(
                f"{source} must have a session with the state market, open before close"
            )
        self.regular_market_duration = max(longest, default=timedelta(0))
        self.session = lru_cache(maxsize=16384)(self._session)
        self.daily_calendar = lru_cache(maxsize=16384)(self._daily_calendar)
        self._of_year = lru_cache(maxsize=512)(self._sessions_of_year)

    def _segments(self, day: date) -> list[tuple[timedelta, timedelta, str]]:
        """Start, end and state of a day's segments."""
        if day in self._holidays:
            return []
        segments = self._week[day.weekday()]
        early, late = self._early.get(day), self._late.get(day)
        if early is not None:
            segments = [(s, min(e, early), state) for s, e, state in segments if s <= early]
        if late is not None:
            segments = [(max(s, late), e, state) for s, e, state in segments if e >= late]
        return segments

    def _session(self, day: date) -> Session | None:
        """Hours of a day, None if the exchange stays closed."""
        segments = self._segments(day)
        regular = [(s, e) for s, e, state in segments if state == "market"]
        if not regular:
            return None
        start = datetime(day.year, day.month, day.day)
        return Session(
            start + regular[0][0],
            start + regular[0][1],
            start + min(s for s, _, _ in segments),
            start + max(e for _, e, _ in segments),
        )

    def from_utc(self, utc: datetime) -> datetime:
        """Exchange-local time of a UTC time."""
        return from_utc(utc, self.time_zone)

    def to_utc(self, local: datetime) -> datetime:
        """UTC of an exchange-local time."""
        return to_utc(local, self.time_zone)

    @property
    def holidays(self) -> NetSet[datetime]:
        """Days without trading."""
        return NetSet(midnight(day) for day in sorted(self._holidays))

    @property
    def bank_holidays(self) -> NetSet[datetime]:
        """Days on which banks are closed."""
        return NetSet(midnight(day) for day in sorted(self._bank_holidays))

    @property
    def early_closes(self) -> PairsDict:
        """Time of day of the close, by day."""
        return PairsDict({midnight(day): close for day, close in self._early.items()})

    @property
    def late_opens(self) -> PairsDict:
        """Time of day of the open, by day."""
        return PairsDict({midnight(day): opened for day, opened in self._late.items()})

    @property
    def market_hours(self) -> PairsDict:
        """Hours of each day of the week."""
        return PairsDict(
            {
                DayOfWeek((index + 1) % 7): _local_hours(index, segments)
                for index, segments in enumerate(self._week)
            }
        )

    def get_market_hours(self, local_date_time: datetime) -> LocalMarketHours:
        """Hours of the day of a local time."""
        time = _moment(local_date_time)
        return _local_hours(time.weekday(), self._segments(time.date()))

    def is_date_open(self, local_date_time: datetime, extended_market_hours: bool = False) -> bool:
        """True if the exchange opens on the day of a local time."""
        return self.session(_moment(local_date_time).date()) is not None

    def is_open(
        self,
        local_date_time: Any = None,
        end_local_date_time: Any = False,
        extended_market_hours: bool | None = None,
        *,
        start_local_date_time: Any = None,
    ) -> bool:
        """True if open at a local time, or (LEAN's other call) between a start and an end.

        ``(local_date_time, extended_market_hours)`` or
        ``(start_local_date_time, end_local_date_time, extended_market_hours)``.
        """
        if start_local_date_time is not None:
            local_date_time = start_local_date_time
        if isinstance(end_local_date_time, date):
            start, end = _moment(local_date_time), _moment(end_local_date_time)
            return self.is_open_during(start, end, bool(extended_market_hours))
        extended = end_local_date_time if extended_market_hours is None else extended_market_hours
        time = _moment(local_date_time)
        session = self.session(time.date())
        if session is None:
            return False
        opened, closed = session.bounds(extended)
        return opened <= time < closed

    def is_open_during(self, start: datetime, end: datetime, extended: bool = False) -> bool:
        """True if open at any time in [start, end)."""
        if start == end:
            return self.is_open(start, extended)
        day = start.date()
        while datetime(day.year, day.month, day.day) < end:
            session = self.session(day)
            if session is not None:
                opened, closed = session.bounds(extended)
                if start < closed and end > opened:
                    return True
            day += ONE_DAY
        return False

    def get_next_market_open(
        self, local_date_time: datetime, extended_market_hours: bool = False
    ) -> datetime:
        """First open strictly after a local time.

        Raises:
            ValueError: if there is none within 15 days.
        """
        time = _moment(local_date_time)
        for session in self._sessions(time.date(), 1):
            opened = session.bounds(extended_market_hours)[0]
            if time < opened:
                return opened
        raise ValueError(f"no market open within {_SEARCH_DAYS} days after {time}")

    def get_next_market_close(
        self,
        local_date_time: datetime,
        extended_market_hours: bool = False,
        last_close: bool = False,
    ) -> datetime:
        """First close strictly after a local time; with one session a day it is the last, too.

        Raises:
            ValueError: if there is none within 15 days.
        """
        time = _moment(local_date_time)
        for session in self._sessions(time.date(), 1):
            closed = session.bounds(extended_market_hours)[1]
            if time < closed:
                return closed
        raise ValueError(f"no market close within {_SEARCH_DAYS} days after {time}")

    get_last_daily_market_close = get_next_market_close

    def get_previous_market_open(
        self,
        local_date_time: datetime,
        extended_market_hours: bool = False,
        first_open: bool = False,
    ) -> datetime:
        """Last open at or before a local time; with one session a day it is the first, too.

        Raises:
            ValueError: if there is none within 15 days.
        """
        time = _moment(local_date_time)
        for session in self._sessions(time.date(), -1):
            opened = session.bounds(extended_market_hours)[0]
            if opened <= time:
                return opened
        raise ValueError(f"no market open within {_SEARCH_DAYS} days before {time}")

    get_first_daily_market_open = get_previous_market_open

    def _sessions(self, day: date, step: int) -> Iterator[Session]:
        for offset in range(_SEARCH_DAYS + 1):
            session = self.session(day + step * offset * ONE_DAY)
            if session is not None:
                yield session

    def get_next_trading_day(self, date: datetime) -> datetime:
        """First day after another with a session, at the same time of day."""
        time = _moment(date) + ONE_DAY
        while self.session(time.date()) is None:
            time += ONE_DAY
        return time

    def get_previous_trading_day(self, local_date: datetime) -> datetime:
        """Last day before another with a session, at the same time of day."""
        time = _moment(local_date) - ONE_DAY
        while self.session(time.date()) is None:
            time -= ONE_DAY
        return time

    def _daily_calendar(self, time: datetime, extended: bool = False) -> tuple[datetime, datetime]:
        """Start and end of the daily bar that the latest open at `time` begins."""
        start = self.get_previous_market_open(time, extended)
        return start, self.get_next_market_close(start, extended)

    def _sessions_of_year(self, year: int) -> list[tuple[datetime, Session]]:
        days = (datetime(year, 1, 1) + n * ONE_DAY for n in range(365 + isleap(year)))
        sessions = ((day, self.session(day.date())) for day in days)
        return [(day, session) for day, session in sessions if session is not None]

    def sessions(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Session]]:
        """Midnights of the days with a session, and the sessions; both ends included."""
        first, last = midnight(start), engine_time(end)
        for year in range(first.year, last.year + 1):
            pairs = self._of_year(year)
            begin = bisect_left(pairs, first, key=_DAY_OF_PAIR) if year == first.year else 0
            stop = len(pairs)
            if year == last.year:
                stop = bisect_right(pairs, last, key=_DAY_OF_PAIR)
            yield from pairs[begin:stop]

    def trading_days(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Midnights of the days with a session, both ends included."""
        for day, _ in self.sessions(start, end):
            yield day


def _moment(time: date) -> datetime:
    """A local time; a day is its midnight, as where Python meets .NET."""
    return time if isinstance(time, datetime) else midnight(time)


def _local_hours(
    weekday: int, segments: list[tuple[timedelta, timedelta, str]]
) -> LocalMarketHours:
    parts = [MarketHoursSegment(_STATES[state], start, end) for start, end, state in segments]
    return LocalMarketHours(DayOfWeek((weekday + 1) % 7), parts)


@lru_cache(maxsize=16)
def always_open(time_zone: str = NEW_YORK) -> ExchangeHours:
    """Hours of custom data: open at all times."""
    day = [{"start": "00:00:00", "end": "1.00:00:00", "state": "market"}]
    entry = {"exchangeTimeZone": time_zone, **dict.fromkeys(_WEEKDAYS, day)}
    hours = ExchangeHours(entry, "hours that are always open")
    hours.is_market_always_open = True
    return hours


class MarketHoursEntry(DirectObject):
    """What the database says of a security: `exchange_hours` and `data_time_zone`."""

    lean_name = "Entry"

    def __init__(self, exchange_hours: ExchangeHours) -> None:
        self.exchange_hours = exchange_hours
        self.data_time_zone = exchange_hours.data_time_zone


class MarketHoursDatabase(DirectObject):
    """LEAN's `market-hours/market-hours-database.json` of a data folder."""

    _latest: ClassVar[MarketHoursDatabase | None] = None

    def __init__(self, data_folder: Path) -> None:
        MarketHoursDatabase._latest = self
        self._path = data_folder / "market-hours" / "market-hours-database.json"
        if not self._path.is_file():
            raise ValueError(f"data folder must hold {self._path}; there is no such file")
        text = read_text(self._path)
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("//")]
        try:
            self._entries: dict[str, Any] = json.loads("\n".join(lines))["entries"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._path} must be LEAN's JSON: {error}") from error
        if not isinstance(self._entries, dict):
            raise ValueError(f"{self._path}: entries must be a JSON object")
        self._hours: dict[str, ExchangeHours] = {}

    @classmethod
    def from_data_folder(cls) -> MarketHoursDatabase:
        """The database of the run in progress.

        Raises:
            ValueError: if no run has read one.
        """
        if cls._latest is None:
            raise ValueError("the market-hours database is read by a run; none has begun")
        return cls._latest

    def get_entry(
        self, market: Any, symbol: Any = None, security_type: SecurityType | None = None
    ) -> MarketHoursEntry:
        """Hours and time zone of a security: (market, symbol, security type) or (symbol, types).

        Raises:
            NotImplementedError: for anything but equities.
        """
        if isinstance(market, Symbol):
            market, symbol, security_type = market.id.market, market, market.security_type
        if security_type != SecurityType.EQUITY:
            raise NotImplementedError(f"market hours of {security_type}: only those of equities")
        ticker = symbol.value if isinstance(symbol, Symbol) else str(symbol or "[*]")
        return MarketHoursEntry(self.equity_hours(ticker.upper(), market))

    def get_exchange_hours(
        self,
        market: Any = None,
        symbol: Any = None,
        security_type: SecurityType | None = None,
        *,
        configuration: Any = None,
    ) -> ExchangeHours:
        """Hours of a security's exchange: (market, symbol, security type) or (subscription).

        Raises:
            NotImplementedError: for anything but equities.
        """
        config = market if configuration is None else configuration
        if not isinstance(config, str):
            market = config.symbol
        return self.get_entry(market, symbol, security_type).exchange_hours

    def get_data_time_zone(self, market: str, symbol: Any, security_type: SecurityType) -> str:
        """Time zone in which a security's files are written.

        Raises:
            NotImplementedError: for anything but equities.
        """
        return self.get_entry(market, symbol, security_type).data_time_zone

    def equity_hours(self, ticker: str, market: str = "usa") -> ExchangeHours:
        """Hours of an equity: its own entry or the market's.

        Raises:
            ValueError: if the database has neither.
        """
        for key in (f"Equity-{market}-{ticker}", f"Equity-{market}-[*]"):
            if key in self._entries:
                if key not in self._hours:
                    source = f"{self._path}, entry {key}"
                    self._hours[key] = ExchangeHours(self._entries[key], source)
                return self._hours[key]
        raise ValueError(f"{self._path} must have the entry Equity-{market}-[*]; it has none")
