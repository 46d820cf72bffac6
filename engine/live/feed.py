"""The live feed: daily and minute bars out of trades, corporate events, slices of both.

Daily bars are what the algorithm subscribes to. Beside them LEAN keeps hidden minute bars, which
move prices and fill orders during the session and never reach the algorithm. Prices are not
adjusted. Splits and dividends come at eight in the morning of the day after their row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.common.decimals import ZERO, divide
from engine.common.enums import (
    DataNormalizationMode,
    DelistingType,
    Resolution,
    SplitType,
    TickType,
)
from engine.feed.data_feed import DataFeed, TimeSlice
from engine.feed.fred import FredFiles
from engine.feed.history_requests import start_of_bars
from engine.feed.subscriptions import Sources, normalized, points
from engine.feed.universe_members import reset_security
from engine.feed.universe_selection import ActiveUniverse, SecurityChanges, UserDefinedUniverse
from engine.framework.universe import ManualUniverse
from engine.live.arrivals import ArrivingBars, BarSource, is_late
from engine.live.corporate import EVENTS_AT, events_between
from engine.live.ticks import Tick, TickSource
from engine.market.data import (
    BaseData,
    Delisting,
    Dividend,
    Split,
    SubscriptionDataConfig,
    TradeBar,
)
from engine.market.symbols import Symbol

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
FILL_AFTER = timedelta(minutes=10)
"""After a close without a trade, until which LEAN waits for its bar before it repeats the last."""


@dataclass
class _Working:
    """A bar that is being built."""

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @classmethod
    def of(cls, start: datetime, tick: Tick) -> _Working:
        return cls(start, tick.price, tick.price, tick.price, tick.price, tick.size)

    def add(self, tick: Tick) -> None:
        self.high = max(self.high, tick.price)
        self.low = min(self.low, tick.price)
        self.close = tick.price
        self.volume += tick.size

    def bar(self, symbol: Symbol, start: datetime, span: timedelta) -> TradeBar:
        return TradeBar(
            start, symbol, self.open, self.high, self.low, self.close, self.volume, span
        )


def _extended(working: _Working | None, start: datetime, tick: Tick) -> _Working:
    if working is None:
        return _Working.of(start, tick)
    working.add(tick)
    return working


class _Builder:
    """Bars of one security from the moment of its start on.

    Args:
        security: whose prices they move.
        config: the daily subscription, or a hidden one that only prices need.
        hidden: the subscription of the minutes.
        ticks: the trades.
        start: trades up to this exchange time are not seen.
        last: the daily bar before, which stands in for a session without trades.

    Attributes:
        newest: the bar that was given last, `last` before the first.
    """

    def __init__(
        self,
        security: Any,
        config: SubscriptionDataConfig,
        hidden: SubscriptionDataConfig,
        ticks: TickSource,
        start: datetime,
        last: BaseData | None,
    ) -> None:
        self.security = security
        self.config = config
        self.hidden = hidden
        self.newest = last
        self._hours = security.exchange.hours
        self._ticks = ticks
        self._seen = start
        self._day: datetime | None = None
        self._pending: list[Tick] = []
        self._minute: _Working | None = None
        self._session: _Working | None = None
        self._last = last
        self._repeated: list[BaseData] = []
        # A close that is past is not waited for.
        self._close = self._hours.get_next_market_close(start)
        ticks.serve(security.symbol, self._hours)

    def next_due(self) -> datetime:
        """When the next bar is complete, UTC."""
        self._load(self._hours.get_previous_market_open(self._close))
        due = self._close
        if self._repeated:
            due = min(due, self._repeated[0].end_time + FILL_AFTER)
        if self._minute is not None:
            due = min(due, self._minute.start + _MINUTE)
        if self._pending:
            due = min(due, _minute_of(self._pending[0].time) + _MINUTE)
        return self._hours.to_utc(due)

    def _load(self, opened: datetime) -> None:
        """Take the trades of a session's day that are still to come."""
        day = midnight(opened)
        if self._day is None or day > self._day:
            self._day = day
            ticks = self._ticks.ticks(self.security.symbol, day)
            self._pending = [tick for tick in ticks if tick.time > self._seen]

    def take(self, now: datetime) -> tuple[list[BaseData], list[BaseData]]:
        """Daily and minute bars that are complete at an exchange time, since the last call."""
        daily: list[BaseData] = []
        minutes: list[BaseData] = []
        while True:
            self._load(self._hours.get_previous_market_open(self._close))
            self._consume(min(now, self._close), minutes)
            if self._close > now:
                break
            daily += self._repeated_by(self._close)
            daily += self._whole_session()
            self._close = self._hours.get_next_market_close(self._close)
        daily += self._repeated_by(now)
        self._seen = now
        for found in (minutes, daily):
            self.newest = found[-1] if found else self.newest
        return daily, minutes

    def _consume(self, now: datetime, minutes: list[BaseData]) -> None:
        while self._pending and self._pending[0].time <= now:
            tick = self._pending.pop(0)
            start = _minute_of(tick.time)
            if self._minute is not None and self._minute.start < start:
                minutes.append(self._minute.bar(self.security.symbol, self._minute.start, _MINUTE))
                self._minute = None
            self._minute = _extended(self._minute, start, tick)
            self._session = _extended(self._session, start, tick)
        if self._minute is not None and self._minute.start + _MINUTE <= now:
            minutes.append(self._minute.bar(self.security.symbol, self._minute.start, _MINUTE))
            self._minute = None

    def _whole_session(self) -> list[BaseData]:
        """The daily bar of the session that has just closed; a repeated one comes later."""
        start, end = self._hours.daily_calendar(self._close - timedelta(microseconds=1))
        if self._session is not None:
            bar: BaseData = self._session.bar(self.security.symbol, start, end - start)
            self._session, self._last = None, bar
            return [bar]
        if self._last is None or not self.config.fill_forward:
            return []
        repeated = self._last.clone(True)
        repeated.time, repeated.end_time = start, end
        self._repeated.append(repeated)
        return []

    def _repeated_by(self, now: datetime) -> list[BaseData]:
        """Repeated bars that are not waited for any longer."""
        found = [bar for bar in self._repeated if bar.end_time + FILL_AFTER <= now]
        self._repeated = self._repeated[len(found) :]
        return found


def _minute_of(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


class _Events:
    """Corporate events of one security, looked for once a day."""

    def __init__(self, security: Any, config: SubscriptionDataConfig, sources: Sources) -> None:
        self.security = security
        self.config = config
        self._sources = sources
        self._hours = security.exchange.hours
        self._day: datetime | None = None
        self._start = datetime.max

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
        """Events of the day that has come at an exchange time; none of the day of the start.

        The files are read anew, since they grow while the run goes on.
        """
        today = midnight(now - EVENTS_AT)
        if self._day is None:
            self._day = self._start = today
        # Several days where nobody looked for long, a machine being suspended.
        found = list(events_between(self.config, self._sources, self._day, today))
        self._day = max(self._day, today)
        return [point for _, point in found]

    def late(self, ex_date: date) -> tuple[datetime, list[BaseData]]:
        """Split and dividend of a day, which are told later, and the moment they were due, UTC."""
        due = self._due(ex_date)
        found = events_between(self.config, self._sources, due - _DAY, due)
        return self._hours.to_utc(due + EVENTS_AT), [
            point
            for _, point in found
            if isinstance(point, Dividend)
            or (isinstance(point, Split) and point.type == SplitType.SPLIT_OCCURRED)
        ]

    def is_late(self, ex_date: date) -> bool:
        """Whether what is told of an ex-date now should have come before.

        What was due before the run began is none of it: the account was brought up to date then.
        """
        return self._start <= self._due(ex_date) <= self.day

    def _due(self, ex_date: date) -> datetime:
        """The day on which what belongs to an ex-date comes: after the last session before."""
        before = self._hours.get_previous_market_open(datetime.combine(ex_date, time.min))
        return midnight(before) + _DAY


@dataclass(frozen=True)
class _Packet:
    """What the slice of one moment needs to know of a subscription."""

    config: SubscriptionDataConfig
    security: Any


class LiveFeed(DataFeed):
    """Feeds an algorithm in live trading.

    Args:
        algorithm: whose securities to serve.
        sources: bars of the warm-up, map and factor files.
        fred: FRED's series, of which live runs have none.
        source: the trades, or the bars as they come in.
        events: the files that tell of splits and dividends.

    Attributes:
        late: (end in UTC, security, bar) of the bars of the last slice that came long after their
            end, oldest first: who fills orders goes through them one by one before the slice, or
            an order would fill on the newest of them instead of its own open.
        late_events: of the splits and dividends of the last slice that were told after their time:
            by symbol, the moment (UTC) at which they were to come.
        missed: ends of daily bars (exchange time) by ticker that came in the last slice with a
            later one: `on_data` sees the latest only, as in LEAN.
    """

    def __init__(
        self,
        algorithm: Any,
        sources: Sources,
        fred: FredFiles,
        source: TickSource | BarSource,
        events: Sources,
    ) -> None:
        super().__init__(algorithm, sources, fred)
        self._source = source
        self._builders: list[_Builder | ArrivingBars] = []
        self.late: list[tuple[datetime, Any, BaseData]] = []
        self.late_events: dict[Symbol, datetime] = {}
        self._told_late: list[tuple[_Events, date]] = []
        self.missed: dict[str, list[datetime]] = {}
        self._event_sources = events
        self._events: list[_Events] = []

    # Warm-up --------------------------------------------------------------------------------

    def warm_up(self, now: datetime) -> Iterator[TimeSlice]:
        """Slices from the start of warm-up to a moment (UTC); the last one moves the clock to it.

        Bars are those that were complete by then. Afterwards the feed goes on with trades.

        Raises:
            NotImplementedError: for subscriptions or universes that live runs lack.
        """
        for step in self.stream(now + _DAY, now):
            if step.time > now or (step.is_time_pulse and step.time == now):
                break
            yield step
        yield TimeSlice(now, self._slice(now), is_time_pulse=True)
        self._subscriptions = []
        self._start_ticks(now)

    def _add_benchmark(self, start: datetime) -> bool:
        """The benchmark's prices come from the trades, not from hourly files."""
        return False

    def _start_universes(self) -> None:
        super()._start_universes()
        for active in self._universes:
            _check_universe(active)

    def _start_ticks(self, now: datetime) -> None:
        algorithm = self._algorithm
        securities = list(algorithm.securities.values())
        benchmark = getattr(algorithm.benchmark, "security", None)
        known = {security.symbol for security in securities}
        for security in securities:
            for config in security.subscriptions:
                if config.resolution != Resolution.DAILY:
                    raise NotImplementedError(
                        f"live subscriptions of {config.symbol.value} with resolution "
                        f"{Resolution(config.resolution).net_name}: only Daily is served"
                    )
                self._serve(security, config, now)
                self._events.append(_Events(security, config, self._event_sources))
        if benchmark is not None and benchmark.symbol not in known:
            config = SubscriptionDataConfig(
                benchmark.symbol, Resolution.DAILY, TickType.TRADE, internal=True
            )
            self._serve(benchmark, config, now)
        elif benchmark is not None:
            # The algorithm's own security has the prices; the benchmark reads them there.
            algorithm.benchmark.security = algorithm.securities[benchmark.symbol]
        for events in self._events:
            events.take(events.security.exchange.hours.from_utc(now))
        if isinstance(self._source, BarSource):
            # What is known by now, the brokerage has followed.
            self._source.take_event_news()

    def _serve(self, security: Any, config: SubscriptionDataConfig, now: datetime) -> None:
        hours = security.exchange.hours
        local = hours.from_utc(now)
        hidden = SubscriptionDataConfig(
            security.symbol,
            Resolution.MINUTE,
            TickType.TRADE,
            fill_forward=False,
            extended_hours=True,
            internal=True,
        )
        source, last = self._source, self._bar_before(config, hours, local)
        if not isinstance(source, BarSource):
            self._builders.append(_Builder(security, config, hidden, source, local, last))
            return
        given = source.given.get(security.symbol.value, {})
        known = midnight(local) if last is None else midnight(last.end_time)
        self._builders.append(
            ArrivingBars(
                security,
                config,
                hidden,
                source,
                given.get("minute", _minute_of(local)),
                given.get("day", known),
                last,
            )
        )

    def _bar_before(
        self, config: SubscriptionDataConfig, hours: Any, now: datetime
    ) -> BaseData | None:
        """Last unadjusted daily bar that was complete by an exchange time."""
        raw = SubscriptionDataConfig(
            config.symbol,
            Resolution.DAILY,
            TickType.TRADE,
            fill_forward=False,
            internal=True,
            normalization=DataNormalizationMode.RAW,
        )
        start = start_of_bars(hours, now, Resolution.DAILY, 10, False)
        found = None
        for _, point in points(
            raw, self._sources, hours, start, now, lambda: _DAY, has_events=False
        ):
            if point.end_time <= now:
                found = point
        return found

    # Live -----------------------------------------------------------------------------------

    def next_due(self) -> datetime:
        """When the next bar or the next day's events are due, UTC; `datetime.max` if never."""
        if self._told_late:
            return datetime.min
        bars = [builder.next_due() for builder in self._builders]
        return min([*bars, *(events.next_due() for events in self._events)], default=datetime.max)

    def take(self, now: datetime) -> TimeSlice:
        """Everything that has become due up to a moment (UTC), as one slice of that moment.

        Raises:
            NotImplementedError: if the algorithm has changed its securities.
        """
        if self._algorithm.take_changed_universes() or self._algorithm.take_pending_universes():
            raise NotImplementedError("live runs cannot add or remove securities once they run")
        packets: list[tuple[Any, list[BaseData]]] = []
        changes = SecurityChanges()
        self.late = []
        self._note_event_news()
        followed = {events.security.symbol: events.day for events in self._events}
        for events in self._events:
            found = events.take(events.security.exchange.hours.from_utc(now))
            if found:
                changes += _delisted(found, events.security)
                packets.append((_Packet(events.config, events.security), found))
        self.late_events = {}
        if not packets:
            # Those that meet with the day's own wait for the next look.
            packets += self._events_told_late()
        self.missed = {}
        for builder in self._builders:
            local = builder.security.exchange.hours.from_utc(now)
            daily, minutes = builder.take(local)
            if isinstance(builder, ArrivingBars):
                day = followed.get(builder.security.symbol)
                self._note_late(builder, minutes or daily, local, day)
            if daily:
                if len(daily) > 1:
                    self.missed[builder.security.symbol.value] = [b.end_time for b in daily[:-1]]
                packets.append((_Packet(builder.config, builder.security), daily))
            if minutes:
                # Last, so that orders fill on minutes and not on a whole day at its close.
                packets.append((_Packet(builder.hidden, builder.security), minutes))
        return self._time_slice(now, packets, changes)

    def _note_event_news(self) -> None:
        """Note which splits and dividends are told of only now though their time has passed."""
        if isinstance(self._source, BarSource):
            self._told_late += [
                (events, ex_date)
                for ticker, ex_date in self._source.take_event_news()
                for events in self._events
                if events.config.symbol.value == ticker and events.is_late(ex_date)
            ]

    def _events_told_late(self) -> list[tuple[Any, list[BaseData]]]:
        packets: list[tuple[Any, list[BaseData]]] = []
        told, self._told_late = self._told_late, []
        for events, ex_date in told:
            due, found = events.late(ex_date)
            if found:
                self.late_events[events.config.symbol] = due
                packets.append((_Packet(events.config, events.security), found))
        return packets

    def _note_late(
        self, builder: ArrivingBars, bars: list[BaseData], now: datetime, followed: datetime | None
    ) -> None:
        """Note late bars at the scale of the account: that of the day whose events it followed."""
        security = builder.security
        hours = security.exchange.hours
        factors = self._event_sources.auxiliary.factor_file(security.symbol.id)
        mode = DataNormalizationMode.SPLIT_ADJUSTED
        for bar in bars:
            if not is_late(bar, now):
                continue
            if followed is not None:
                own, account = (factors.scale(day, mode) for day in (midnight(bar.time), followed))
                bar = normalized(bar, mode, divide(own, account), ZERO)
            self.late.append((hours.to_utc(bar.end_time), security, bar))
        self.late.sort(key=lambda each: each[0])

    @property
    def newest(self) -> dict[str, datetime]:
        """End of the newest bar of each security, UTC."""
        return {
            builder.security.symbol.value: builder.security.exchange.hours.to_utc(
                builder.newest.end_time
            )
            for builder in self._builders
            if builder.newest is not None
        }

    @property
    def given(self) -> dict[str, dict[str, datetime]]:
        """Up to where bars that come in were given; what `BarSource.given` is to be next time."""
        return {
            builder.security.symbol.value: builder.given
            for builder in self._builders
            if isinstance(builder, ArrivingBars)
        }


def _check_universe(active: ActiveUniverse) -> None:
    if not isinstance(active.universe, UserDefinedUniverse | ManualUniverse):
        raise NotImplementedError(
            f"live universes of type {type(active.universe).__name__}: only securities that "
            "initialize adds are served"
        )


def _delisted(found: list[BaseData], security: Any) -> SecurityChanges:
    """The security as removed, if it is delisted."""
    for point in found:
        if isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
            security.is_delisted = True
            reset_security(security)
            return SecurityChanges(removed=[security])
    return SecurityChanges()
