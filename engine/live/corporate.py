"""Splits and dividends in live trading: when they come, late ones, those a feed tells of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from engine.common.clock import midnight
from engine.common.decimals import ZERO
from engine.common.enums import DataNormalizationMode
from engine.data_import.corporate_actions import CorporateAction, factor_rows
from engine.feed.auxiliary_files import AuxiliaryData, FactorFile, FactorRow, MapFiles
from engine.feed.subscriptions import SecurityEvents, Sources
from engine.live.arrivals import ReceivedBars
from engine.live.day_events import (
    DayEvent,
    EventKind,
    is_split,
    kinds_of,
    later_splits,
    to_follow,
)
from engine.live.ticks import as_of
from engine.market.data import BaseData, Split, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import SecurityIdentifier

_DAY = timedelta(days=1)
EVENTS_AT = timedelta(hours=8)
"""Time of day at which LEAN brings a day's corporate events in live trading."""


def events_between(
    config: SubscriptionDataConfig, sources: Sources, first: datetime, last: datetime
) -> Iterator[tuple[datetime, BaseData]]:
    """Corporate events of a security with the days on which they come, as the files are now.

    Only days on which something may happen are looked at: of years as fast as of a day.

    Args:
        config: its subscription.
        sources: map and factor files.
        first: midnight; what comes on it is left out.
        last: midnight; what comes on it is the last.
    """
    if first >= last:
        return
    map_file = sources.auxiliary.map_files.of_security(config.symbol.id)
    factors = sources.auxiliary.factor_file(config.symbol.id)
    events = SecurityEvents(config, map_file, factors, first)
    # Not told, but what comes on the next day is known from it.
    list(events.on(first, ZERO))
    day = max(first + _DAY, events.quiet_before)
    while day <= last:
        for point in events.on(day, ZERO):
            yield day, point
        day = max(day + _DAY, events.quiet_before)


def events_by_day(
    config: SubscriptionDataConfig, sources: Sources, first: datetime, last: datetime
) -> dict[datetime, list[BaseData]]:
    """The same by day, ascending."""
    found: dict[datetime, list[BaseData]] = {}
    for day, point in events_between(config, sources, first, last):
        found.setdefault(day, []).append(point)
    return found


class Late(NamedTuple):
    """When what is told late was due, UTC.

    Attributes:
        due: the moment.
        splits: factors of later splits that have been followed, by the moments they were due.
    """

    due: datetime
    splits: Mapping[datetime, Decimal]


class CorporateEvents:
    """Corporate events of one security, looked for once a day.

    Args:
        security, config: whose events.
        sources: map and factor files.
        since: the day (a midnight) on which the account began: what is told of a day from then on
            after it has passed is late. That of the first look by default.

    Attributes:
        taken: splits and dividends among what was taken last.
    """

    def __init__(
        self,
        security: Any,
        config: SubscriptionDataConfig,
        sources: Sources,
        since: datetime | None = None,
    ) -> None:
        self.security = security
        self.config = config
        self.taken: set[DayEvent] = set()
        self._given: set[DayEvent] = set()
        self._sources = sources
        self._hours = security.exchange.hours
        self._day: datetime | None = None
        self._since = since

    @property
    def day(self) -> datetime:
        """The latest day whose events have come."""
        return self._day or datetime.min

    def next_due(self) -> datetime:
        """When the next day's events come, UTC."""
        if self._day is None:
            return datetime.min
        return self._hours.to_utc(self._day + _DAY + EVENTS_AT)

    def take(self, now: datetime) -> list[BaseData]:
        """Events of the next day that has any, up to an exchange time; none of that of the start.

        Of several days, where nobody looked for long, one is given at a time: two splits of a
        security do not fit into one slice. The files are read anew, since they grow while the run
        goes on.
        """
        today = midnight(now - EVENTS_AT)
        if self._day is None:
            self._day = today
            self._since = today if self._since is None else self._since
            # What the day had before is in the prices that a first look finds.
            had = events_between(self.config, self._sources, today - _DAY, today)
            self._given = {DayEvent(today, kind) for kind in kinds_of(point for _, point in had)}
        found: list[BaseData] = []
        came, until = None, today
        for day, point in events_between(self.config, self._sources, self._day, today):
            if came is not None and day != came:
                until = came
                break
            came = day
            found.append(point)
        self._day = max(self._day, until)
        self.taken = set() if came is None else {DayEvent(came, kind) for kind in kinds_of(found)}
        self._given |= self.taken
        # A slice has one split of a security: that of the day, not the warning of the next.
        return sorted(found, key=is_split)

    def is_behind(self, now: datetime) -> bool:
        """Whether a day's events up to an exchange time are still to be taken."""
        return self._day is not None and self._day < midnight(now - EVENTS_AT)

    def late(
        self, ex_date: date, kinds: Collection[EventKind], followed: Collection[DayEvent] = ()
    ) -> tuple[Late, list[BaseData]]:
        """Split and dividend of a day, which are told later, and since when they are late.

        Args:
            ex_date: of them.
            kinds: what is told; of a day that lacked something the rest may have come in time.
            followed: what the account is known to have followed.
        """
        due = self.due(ex_date)
        by_day = events_by_day(self.config, self._sources, due - _DAY, self.day)
        # Told on another thread while the day's own were taken, it has come with them.
        new = {DayEvent(due, kind) for kind in kinds} - self._given
        later = later_splits(by_day, due, {*followed, *self._given})
        points = to_follow(by_day.get(due, ()), {event.kind for event in new}, later.values())
        self.taken = {DayEvent(due, kind) for kind in kinds_of(points)}
        self._given |= self.taken
        moments = {self._hours.to_utc(day + EVENTS_AT): f for day, f in later.items()}
        return Late(self._hours.to_utc(due + EVENTS_AT), moments), points

    def is_known(self, ex_date: date, kind: EventKind) -> bool:
        """Whether the files tell of what was due: a feed's do not without a bar before it."""
        due = self.due(ex_date)
        by_day = events_by_day(self.config, self._sources, due - _DAY, self.day)
        return kind in kinds_of(by_day.get(due, ()))

    def is_late(self, ex_date: date) -> bool:
        """Whether what is told of an ex-date now should have come before.

        What was known when the run began is not told now: the account was brought up to date then.
        """
        return self._since is not None and self._since <= self.due(ex_date) <= self.day

    def due(self, ex_date: date) -> datetime:
        """The midnight of the day on which it comes: that after the last session before."""
        before = self._hours.get_previous_market_open(datetime.combine(ex_date, time.min))
        return midnight(before) + _DAY


def prices_follow(hours: ExchangeHours, due: datetime) -> datetime:
    """When prices follow a split that was due at a moment, UTC both: at the next open.

    What was ordered before is of the scale before, by who did not know of the split.
    """
    return hours.to_utc(hours.get_next_market_open(hours.from_utc(due)))


@dataclass(frozen=True)
class Filled:
    """Signed number of shares that were filled, and what they cost in dollars."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO


NOTHING: Mapping[Any, Filled] = {}


@dataclass(frozen=True)
class Told:
    """What a share's holder gets on an ex-date.

    Attributes:
        split: new shares for one old, 1 without a split.
        dividend: dollars a share, in the terms of the ex-date; 0 without one.
    """

    split: Fraction = Fraction(1)
    dividend: Decimal = Decimal(0)

    @property
    def parts(self) -> dict[EventKind, Fraction | Decimal]:
        """What there is, by kind."""
        found: dict[EventKind, Fraction | Decimal] = {}
        if self.split != 1:
            found[EventKind.SPLIT] = self.split
        if self.dividend:
            found[EventKind.DIVIDEND] = self.dividend
        return found


class ReceivedActions:
    """Splits and dividends by ticker and ex-date; safe to write and read from several threads."""

    def __init__(self) -> None:
        self._told: dict[str, dict[date, Told]] = {}
        self._news: list[tuple[str, date, EventKind]] = []
        self._guard = threading.Lock()

    def put(self, ticker: str, ex_date: date, told: Told) -> Told | None:
        """Keep what a day brings.

        Returns:
            What was known of the day, None if nothing was.
        """
        with self._guard:
            known = self._told.setdefault(ticker, {})
            before = known.get(ex_date)
            new = told.parts.keys() - (before or Told()).parts.keys()
            self._news += [(ticker, ex_date, kind) for kind in sorted(new)]
            known[ex_date] = told
            return before

    def take_news(self) -> list[tuple[str, date, EventKind]]:
        """Ticker, ex-date and kind of what has come since the last call.

        What a day had not before is news, also if it had the other kind; another ratio or amount
        is a correction, and none. What was taken back and is told again may have been followed.
        """
        with self._guard:
            news, self._news = self._news, []
            return news

    def of(self, ticker: str) -> Mapping[date, Told]:
        """What is known of a symbol."""
        with self._guard:
            return dict(self._told.get(ticker, {}))


class ActionFactors(AuxiliaryData):
    """Factor files of what a feed has told; there are no map files.

    Args:
        actions: what was told.
        bars: give the close before an ex-date; without one its event is not known yet.
        hours: of the exchange, by ticker.
        day: gives the day before which rows are known.
    """

    def __init__(
        self,
        actions: ReceivedActions,
        bars: ReceivedBars,
        hours: Callable[[str], ExchangeHours],
        day: Callable[[], datetime],
    ) -> None:
        self.map_files = MapFiles(None)
        self._actions = actions
        self._bars = bars
        self._hours = hours
        self._day_of = day

    def factor_file(self, sid: SecurityIdentifier) -> FactorFile:
        """Factor file of a security as of the day."""
        ticker = sid.symbol
        days = self._bars.days_after(ticker, datetime.min)
        if not days:
            return FactorFile()
        hours = self._hours(ticker)
        actions = []
        for ex_date, told in sorted(self._actions.of(ticker).items()):
            day = datetime(ex_date.year, ex_date.month, ex_date.day)
            before = [known for known in days if known < day]
            close = self._bars.session(ticker, hours, before[-1]) if before else None
            if close is not None:
                last = midnight(hours.get_previous_market_open(day - timedelta(seconds=1)))
                actions.append(
                    CorporateAction(
                        ex_date, last.date(), close.close, 1 / told.split, told.dividend
                    )
                )
        rows = [
            FactorRow(
                datetime(row.date.year, row.date.month, row.date.day),
                row.price_factor,
                row.split_factor,
                row.reference_price,
            )
            for row in factor_rows(days[0].date(), actions)
        ]
        return as_of(rows, self._day_of())


def restate(algorithm: Any, security: Any, split: Split, since: Filled, due: datetime) -> None:
    """Let a position follow a split that was told late; shares filled since are of its new scale.

    Args:
        algorithm: whose position.
        security: the position's.
        split: what was told.
        since: filled since the split was due.
        due: when that was, UTC.
    """
    holdings = security.holdings
    last = security.get_last_data()
    known = None
    if last is not None and security.exchange.hours.to_utc(last.end_time) > due:
        known = last.clone(False)
    held, own = holdings.quantity_exact, holdings.average_price_exact
    before, average = held - since.quantity, own
    if before * since.quantity > 0:
        average = (average * held - since.value) / before
    elif not held or before * held < 0:
        # It was closed or turned round, and what it had cost is forgotten.
        average = split.reference_price_exact
    holdings.set_holdings(average, before)
    algorithm.portfolio.apply_split(split, security, True, DataNormalizationMode.RAW)
    whole, average = holdings.quantity_exact, holdings.average_price_exact
    after = whole + since.quantity
    if whole * since.quantity > 0:
        average = (whole * average + since.value) / after
    elif after and whole * after <= 0:
        # What there is was bought or sold since: all of it, or the part that turned it round.
        average = own if held and before * held <= 0 else since.value / since.quantity
    holdings.set_holdings(average, after)
    if known is not None:
        # The price is of the new scale already.
        security.update([known])
    algorithm.portfolio.invalidate_total_portfolio_value()
