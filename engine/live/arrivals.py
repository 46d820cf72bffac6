"""Bars that come from outside as time passes, and what a live run makes of them.

A source of bars (`folder`, `alpaca`) keeps what it has received in `ReceivedBars`; history reads
there, and `ArrivingBars` gives the live feed what is new. Daily bars may come any time after their
close. Minute bars move prices and fill orders as they come, and add up to the daily bar of a
session that has no daily bar of its own, `GRACE` after the close.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from engine.common.clock import midnight
from engine.common.enums import Resolution, TickType, net_text
from engine.feed.bar_files import BarFiles
from engine.live.day_events import EventKind
from engine.live.served import ServedBars
from engine.market.data import BaseData, SubscriptionDataConfig, TradeBar
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
GRACE = timedelta(seconds=30)
"""After a close, until which its last minute is waited for."""
SETTLE = timedelta(seconds=10)
"""After the last daily bar of a session has come, until which bars of other symbols are waited
for, so that one close is one slice."""
LATE = timedelta(minutes=2)
"""Bars older than this when they come fill waiting orders at their own time; see `LiveFeed.late`.
"""


class Prices(NamedTuple):
    """Open, high, low, close in dollars, unadjusted, and volume in shares."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class _Series:
    """Bars of one symbol and resolution by the local time at which they start."""

    def __init__(self) -> None:
        self.starts: list[datetime] = []
        self.rows: dict[datetime, Prices] = {}
        self.came: dict[datetime, datetime] = {}


class ReceivedBars:
    """What has been received: safe to write from one thread and read from another.

    Args:
        now: the run's time, UTC.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._series: dict[tuple[str, Resolution], _Series] = {}
        self._guard = threading.RLock()

    def put(
        self, ticker: str, resolution: Resolution, start: datetime, row: Prices
    ) -> Prices | None:
        """Keep a bar; a later one of the same time replaces it.

        Args:
            ticker: in upper case.
            resolution: minute or daily.
            start: exchange time; midnight of a daily bar.
            row: of the bar.

        Returns:
            The row that it replaces, the same one if nothing has changed; None if there was none.
        """
        with self._guard:
            series = self._series.setdefault((ticker, resolution), _Series())
            before = series.rows.get(start)
            if before is None:
                insort(series.starts, start)
            if before != row:
                series.came[start] = self._now()
            series.rows[start] = row
            return before

    def newest(self, ticker: str, resolution: Resolution) -> datetime | None:
        """Start of the newest bar; None if there is none."""
        with self._guard:
            series = self._series.get((ticker, resolution))
            return series.starts[-1] if series is not None and series.starts else None

    def has(self, ticker: str) -> bool:
        """Whether there is any bar of a symbol."""
        return any(self.newest(ticker, kind) for kind in (Resolution.DAILY, Resolution.MINUTE))

    def between(
        self, ticker: str, resolution: Resolution, first: datetime, last: datetime
    ) -> list[tuple[datetime, Prices]]:
        """Bars that start from `first` (included) to `last` (excluded), in order."""
        with self._guard:
            series = self._series.get((ticker, resolution))
            if series is None:
                return []
            begin = bisect_left(series.starts, first)
            end = bisect_left(series.starts, last)
            return [(start, series.rows[start]) for start in series.starts[begin:end]]

    def came(self, ticker: str, day: datetime) -> datetime:
        """When the daily bar of a day was received as it is, UTC."""
        with self._guard:
            return self._series[ticker, Resolution.DAILY].came[day]

    def days_after(self, ticker: str, day: datetime) -> list[datetime]:
        """Midnights of the days after a midnight that have daily or minute bars, in order."""
        with self._guard:
            found = set()
            for kind in (Resolution.DAILY, Resolution.MINUTE):
                series = self._series.get((ticker, kind))
                if series is not None:
                    begin = bisect_left(series.starts, day + DAY)
                    found |= {midnight(start) for start in series.starts[begin:]}
            return sorted(found)

    def session(self, ticker: str, hours: ExchangeHours, day: datetime) -> Prices | None:
        """The daily bar of a day (a midnight): its own, else of its minutes; None without both."""
        own = self.between(ticker, Resolution.DAILY, day, day + DAY)
        if own:
            return own[0][1]
        session = hours.session(day.date())
        if session is None:
            return None
        rows = [
            row for _, row in self.between(ticker, Resolution.MINUTE, session.open, session.close)
        ]
        if not rows:
            return None
        return Prices(
            rows[0].open,
            max(row.high for row in rows),
            min(row.low for row in rows),
            rows[-1].close,
            sum((row.volume for row in rows), Decimal(0)),
        )


class BarSource:
    """Where bars come from.

    Args:
        now: the run's time, UTC.
        tell: receives a line for whatever the user should know.
        given: up to where the account's run before was given bars, by ticker; see
            `ArrivingBars.given`. Empty for a new account.

    Attributes:
        bars: what has come.
        tell: see the arguments.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        tell: Callable[[str], None],
        given: Mapping[str, Mapping[str, datetime]],
    ) -> None:
        self.bars = ReceivedBars(now)
        self.given = given
        self.tell = tell
        self._now = now

    def serve(self, symbol: Symbol, hours: ExchangeHours) -> None:
        """Begin with a symbol that trades in these hours."""

    def poll(self) -> bool:
        """Receive what has come; True if there was anything new."""
        raise NotImplementedError(f"{type(self).__name__}.poll")

    def take_event_news(self) -> list[tuple[str, date, EventKind]]:
        """Ticker, ex-date and kind of the splits and dividends told since the last call."""
        raise NotImplementedError(f"{type(self).__name__}.take_event_news")

    def close(self) -> None:
        """Let go of files and connections."""


class ReceivedFiles(BarFiles):
    """What a source has received, read as `BarFiles` are: for warm-up and history.

    Args:
        data_folder: LEAN data folder; its bars are not read.
        source: of the bars.
        hours: of the exchange, by ticker.
        fetch: called with ticker, resolution and day before a day is read.
    """

    name = "the feed"

    def __init__(
        self,
        data_folder: Path,
        source: BarSource,
        hours: Callable[[str], ExchangeHours],
        fetch: Callable[[str, Resolution, datetime], None] = lambda *which: None,
    ) -> None:
        super().__init__(data_folder)
        self._source = source
        self._hours = hours
        self._fetch = fetch

    def exists(self, ticker: str) -> bool:
        """True if there is anything of a ticker."""
        self._fetch(ticker.upper(), Resolution.DAILY, datetime.max)
        return self._source.bars.has(ticker.upper())

    def bars(
        self,
        symbol: Symbol,
        ticker: str,
        resolution: Resolution,
        tick_type: TickType,
        day: datetime,
    ) -> Iterator[BaseData]:
        """Bars that start on a day (a midnight).

        Raises:
            NotImplementedError: for quotes, and for bars other than of days and minutes.
        """
        if tick_type != TickType.TRADE or resolution not in (Resolution.DAILY, Resolution.MINUTE):
            raise NotImplementedError(
                f"history of resolution {net_text(resolution)} and type {net_text(tick_type)} from "
                "a live feed: it has trades, daily and by the minute"
            )
        name, received = ticker.upper(), self._source.bars
        self._fetch(name, resolution, day)
        if resolution == Resolution.MINUTE:
            for start, row in received.between(name, Resolution.MINUTE, day, day + DAY):
                yield trade_bar(symbol, start, row, MINUTE)
            return
        whole = received.session(name, self._hours(name), day)
        if whole is not None:
            yield trade_bar(symbol, day, whole, DAY)


def trade_bar(symbol: Symbol, start: datetime, row: Prices, span: timedelta) -> TradeBar:
    """A bar as an algorithm sees it."""
    return TradeBar(start, symbol, row.open, row.high, row.low, row.close, row.volume, span)


class ArrivingBars(ServedBars):
    """Bars of one security as they come in.

    Args:
        security, config: see `ServedBars`.
        source: the bars.
        start: minute bars that start before this exchange time are not given.
        last_day: daily bars up to this day (a midnight) are not given.
        newest: the bar that is known last.
    """

    def __init__(
        self,
        security: Any,
        config: SubscriptionDataConfig,
        source: BarSource,
        start: datetime,
        last_day: datetime,
        newest: BaseData | None,
    ) -> None:
        super().__init__(security, config, newest)
        self._source = source
        self._bars = source.bars
        self._ticker = security.symbol.value
        self._next_minute = start
        self._last_day = last_day
        self._minute: TradeBar | None = None
        source.serve(security.symbol, self._hours)

    def next_due(self) -> datetime:
        """When the next bar that is there may be given, UTC; `datetime.max` if none is."""
        due = datetime.max
        for day in self._bars.days_after(self._ticker, self._last_day):
            ready = self._ready(day)
            if ready is not None:
                due = ready
                break
        waiting = self._bars.between(
            self._ticker, Resolution.MINUTE, self._next_minute, datetime.max
        )
        if waiting:
            due = min(due, self._hours.to_utc(waiting[0][0] + MINUTE))
        return due

    def _ready(self, day: datetime) -> datetime | None:
        """When a day's bar may be given, UTC; None on a day without a session or a bar of it."""
        session = self._hours.session(day.date())
        if session is None or self._bars.session(self._ticker, self._hours, day) is None:
            return None
        close = self._hours.to_utc(session.close)
        if self._bars.between(self._ticker, Resolution.DAILY, day, day + DAY):
            came = self._bars.came(self._ticker, day)
            # One that came before its close is of a part of the session, unless nothing follows.
            return came + SETTLE if came > close else close + GRACE
        return close + GRACE

    def take(self, now: datetime) -> tuple[list[BaseData], list[BaseData]]:
        """Daily and minute bars that may be given at an exchange time, since the last call."""
        utc = self._hours.to_utc(now)
        minutes: list[BaseData] = []
        for start, row in self._bars.between(
            self._ticker, Resolution.MINUTE, self._next_minute, now - MINUTE + _INSTANT
        ):
            self.newest = self._minute = trade_bar(self.security.symbol, start, row, MINUTE)
            self._next_minute = start + MINUTE
            minutes.append(self._minute)
        daily: list[BaseData] = []
        for day in self._bars.days_after(self._ticker, self._last_day):
            ready = self._ready(day)
            if ready is None:
                continue
            if ready > utc:
                break
            whole = self._bars.session(self._ticker, self._hours, day)
            if whole is not None:
                self._tell_if_early(day)
                start, end = self._hours.daily_calendar(day + DAY)
                daily.append(trade_bar(self.security.symbol, start, whole, end - start))
                self.newest = daily[-1]
            self._last_day = day
        last = self._minute
        if daily and not minutes and last is not None and last.time >= midnight(daily[-1].time):
            # Orders fill on a day's minutes where there are some, not on the range of the day.
            minutes.append(last)
        return daily, minutes

    def _tell_if_early(self, day: datetime) -> None:
        """Say that a day's row was written before the close, and nothing since."""
        session = self._hours.session(day.date())
        if session is None or not self._bars.between(
            self._ticker, Resolution.DAILY, day, day + DAY
        ):
            return
        came = self._hours.from_utc(self._bars.came(self._ticker, day))
        if came < session.close:
            self._source.tell(
                f"feed: {self._ticker}: the bar of {day:%Y-%m-%d} came at {came:%Y-%m-%d %H:%M}, "
                "before the close, and none since: it is taken for the whole day's"
            )

    @property
    def given(self) -> dict[str, datetime]:
        """Up to where bars were given: `day`, `minute`; see the arguments."""
        return {"day": self._last_day, "minute": self._next_minute}


_INSTANT = timedelta(microseconds=1)


def is_late(bar: BaseData, now: datetime) -> bool:
    """Whether a bar comes long after its end, at an exchange time."""
    return now - bar.end_time > LATE
