"""The live feed: daily and minute bars out of trades, corporate events, slices of both.

Daily bars are what the algorithm subscribes to. Beside them LEAN keeps hidden minute bars, which
move prices and fill orders during the session and never reach the algorithm. Prices are not
adjusted. Splits and dividends come at eight in the morning of the day after their row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from engine.common.clock import END_OF_TIME, midnight
from engine.common.decimals import ZERO, divide
from engine.common.enums import DataNormalizationMode, DelistingType, Resolution, TickType
from engine.feed.data_feed import DataFeed, TimeSlice
from engine.feed.fred import FredFiles
from engine.feed.subscriptions import Sources, normalized
from engine.feed.universe_members import reset_security, selection_order
from engine.feed.universe_selection import SecurityChanges
from engine.live.arrivals import ArrivingBars, BarSource, is_late
from engine.live.corporate import CorporateEvents, Late
from engine.live.day_events import DayEvent, EventKind
from engine.live.served import ServedBars, bar_before
from engine.live.tick_bars import TickBars, minute_of
from engine.live.ticks import TickSource
from engine.market.data import BaseData, Delisting, SubscriptionDataConfig
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)


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
        since: see `CorporateEvents`.
        followed: by ticker, the splits and dividends that the account has followed: they are told
            of no more when a source that was silent at the start tells of them later.

    Attributes:
        late: (end in UTC, security, bar) of the bars of the last slice that came long after their
            end, oldest first: who fills orders goes through them one by one before the slice, or
            an order would fill on the newest of them instead of its own open.
        late_events: of the splits and dividends of the last slice that were told after their time:
            by symbol, since when they are late.
        day_events: splits and dividends of the last slice, by ticker.
        is_behind: whether corporate events of a later day are still to be taken at the same moment,
            and the bars after them.
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
        since: datetime | None = None,
        followed: Callable[[str], Collection[DayEvent]] = lambda ticker: (),
    ) -> None:
        super().__init__(algorithm, sources, fred)
        self._since = since
        self._followed = followed
        self._source = source
        self._builders: list[ServedBars] = []
        self.late: list[tuple[datetime, Any, BaseData]] = []
        self.late_events: dict[Symbol, Late] = {}
        self.day_events: dict[str, set[DayEvent]] = {}
        self.is_behind = False
        self._told_late: list[tuple[CorporateEvents, date, EventKind]] = []
        self._waiting: list[tuple[CorporateEvents, date, EventKind]] = []
        self.missed: dict[str, list[datetime]] = {}
        self._event_sources = events
        self._universes_end = END_OF_TIME
        self._is_live = False
        self._events: list[CorporateEvents] = []

    # Warm-up --------------------------------------------------------------------------------

    def warm_up(self, now: datetime) -> Iterator[TimeSlice]:
        """Slices from the start of warm-up to a moment (UTC); the last one moves the clock to it.

        Bars are those that were complete by then. Afterwards the feed goes on with trades.

        Raises:
            NotImplementedError: for subscriptions that live runs lack.
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

    def _subscribe(self, config: SubscriptionDataConfig, security: Any, start: datetime) -> None:
        """Start a subscription; once the run is live, at its present moment.

        Raises:
            NotImplementedError: for a resolution that live runs lack, and for a data filter.
        """
        if security.qc_takes() is not None:
            raise NotImplementedError(
                f"a data filter in a live run ({config.symbol.value}): leave points out in on_data"
            )
        if not self._is_live:
            super()._subscribe(config, security, start)
            return
        self._serve_daily(config, security, self._algorithm.utc_time_naive)

    def _unsubscribe(self, configs: list[SubscriptionDataConfig]) -> None:
        """End subscriptions."""
        if not self._is_live:
            super()._unsubscribe(configs)
            return
        ended = {id(config) for config in configs}
        self._builders = [one for one in self._builders if id(one.config) not in ended]
        self._events = [one for one in self._events if id(one.config) not in ended]

    def _start_ticks(self, now: datetime) -> None:
        algorithm = self._algorithm
        securities = list(algorithm.securities.values())
        benchmark = getattr(algorithm.benchmark, "security", None)
        known = {security.symbol for security in securities}
        for security in securities:
            for config in security.subscriptions:
                self._serve_daily(config, security, now)
        if benchmark is not None and benchmark.symbol not in known:
            config = SubscriptionDataConfig(
                benchmark.symbol, Resolution.DAILY, TickType.TRADE, internal=True
            )
            self._serve(benchmark, config, now)
        elif benchmark is not None:
            # The algorithm's own security has the prices; the benchmark reads them there.
            algorithm.benchmark.security = algorithm.securities[benchmark.symbol]
        if isinstance(self._source, BarSource):
            if self._since is None:
                # Holdings that an account without a memory was given are those of now.
                self._source.take_event_news()
            else:
                self._note_event_news()
                # What is known by now, the brokerage has followed.
                self._told_late = []
        self._is_live = True

    def _serve_daily(self, config: SubscriptionDataConfig, security: Any, now: datetime) -> None:
        """Begin with a subscription of the algorithm's, its bars and its corporate events.

        Raises:
            NotImplementedError: for a resolution that live runs lack.
        """
        if config.resolution != Resolution.DAILY:
            raise NotImplementedError(
                f"live subscriptions of {config.symbol.value} with resolution "
                f"{Resolution(config.resolution).net_name}: only Daily is served"
            )
        self._serve(security, config, now)
        # Of one that is added on the way nothing is late that came before it.
        since = None if self._is_live else self._since
        events = CorporateEvents(security, config, self._event_sources, since)
        events.take(security.exchange.hours.from_utc(now))
        self._events.append(events)

    def _serve(self, security: Any, config: SubscriptionDataConfig, now: datetime) -> None:
        local = security.exchange.hours.from_utc(now)
        source, last = self._source, bar_before(security, self._sources, local)
        if not isinstance(source, BarSource):
            self._builders.append(TickBars(security, config, source, local, last))
            return
        given = source.given.get(security.symbol.value, {})
        known = midnight(local) if last is None else midnight(last.end_time)
        self._builders.append(
            ArrivingBars(
                security,
                config,
                source,
                given.get("minute", minute_of(local)),
                given.get("day", known),
                last,
            )
        )

    # Live -----------------------------------------------------------------------------------

    def next_due(self) -> datetime:
        """When the next bar or the next day's events are due, UTC; `datetime.max` if never."""
        if self._told_late:
            return datetime.min
        self._start_universes()
        due = [builder.next_due() for builder in self._builders]
        due += [events.next_due() for events in self._events]
        due += [active.next_utc for active in self._universes if active.next_utc is not None]
        return min(due, default=datetime.max)

    def pulse(self, now: datetime) -> TimeSlice | None:
        """A step that moves the clock to a moment (UTC) at which a universe selects, else None."""
        self._start_universes()
        if self._selecting(now):
            return TimeSlice(now, self._slice(now), is_time_pulse=True)
        return None

    def _selected(self, now: datetime) -> SecurityChanges:
        """What the universes select that are due, each once however often it was due."""
        changes = SecurityChanges()
        for active in sorted(
            self._selecting(now), key=lambda one: selection_order(one, self._algorithm)
        ):
            while active.next_utc is not None and active.next_utc <= now:
                active.advance()
            changes += self._members.select(active, now)
        return changes

    def take(self, now: datetime) -> TimeSlice:
        """Everything that has become due up to a moment (UTC), as one slice of that moment.

        Raises:
            NotImplementedError: if a security is added in a way that live runs lack.
        """
        packets: list[tuple[Any, list[BaseData]]] = []
        changes = self._selected(now)
        self.late = []
        self._note_event_news()
        followed = {events.security.symbol: events.day for events in self._events}
        self.day_events = {}
        for events in self._events:
            found = events.take(events.security.exchange.hours.from_utc(now))
            if found:
                self.day_events[events.security.symbol.value] = events.taken
                changes += _delisted(found, events.security)
                packets.append((_Packet(events.config, events.security), found))
        self.is_behind = any(
            one.is_behind(one.security.exchange.hours.from_utc(now)) for one in self._events
        )
        if self.is_behind:
            # The bars of now are of the scale after all of them.
            self.late_events, self.missed = {}, {}
            return self._time_slice(now, packets, changes)
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
        """Note which splits and dividends are told of only now though their time has passed.

        Those of which no bar before them has come are not known so far, and wait for one.
        """
        if not isinstance(self._source, BarSource):
            return
        news = [
            (events, ex_date, kind)
            for ticker, ex_date, kind in self._source.take_event_news()
            for events in self._events
            if events.config.symbol.value == ticker and events.is_late(ex_date)
            if DayEvent(events.due(ex_date), kind) not in self._followed(ticker)
        ]
        self._waiting += news
        known = [one for one in self._waiting if one[0].is_known(*one[1:])]
        self._told_late += known
        self._waiting = [
            one for one in self._waiting if one not in known and one[0] in self._events
        ]
        for events, ex_date in dict.fromkeys(one[:2] for one in news if one in self._waiting):
            self._algorithm.debug(
                f"The split or dividend of {events.config.symbol.value} on {ex_date:%Y-%m-%d} was "
                "told later and waits: no bar of a day before it has come"
            )

    def _events_told_late(self) -> list[tuple[Any, list[BaseData]]]:
        """Of each security the oldest day's; another day of it waits for the next look."""
        packets: list[tuple[Any, list[BaseData]]] = []
        told: dict[CorporateEvents, dict[date, set[EventKind]]] = {}
        for events, ex_date, kind in self._told_late:
            told.setdefault(events, {}).setdefault(ex_date, set()).add(kind)
        self._told_late = [each for each in self._told_late if each[1] != min(told[each[0]])]
        for events, days in sorted(told.items(), key=lambda each: min(each[1])):
            ex_date = min(days)
            symbol = events.config.symbol
            late, found = events.late(ex_date, days[ex_date], self._followed(symbol.value))
            if found:
                self.late_events[symbol] = late
                self.day_events[symbol.value] = events.taken
                packets.append((_Packet(events.config, events.security), found))
        return packets

    def _note_late(
        self, builder: ArrivingBars, bars: list[BaseData], now: datetime, followed: datetime | None
    ) -> None:
        """Note late bars at the scale of the account: that of the day whose events it followed."""
        late = [bar for bar in bars if is_late(bar, now)]
        if not late:
            return
        security = builder.security
        hours = security.exchange.hours
        # Made anew out of all that a feed has told: not for bars in time, which most are.
        factors = self._event_sources.auxiliary.factor_file(security.symbol.id)
        mode = DataNormalizationMode.SPLIT_ADJUSTED
        for bar in late:
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


def _delisted(found: list[BaseData], security: Any) -> SecurityChanges:
    """The security as removed, if it is delisted."""
    for point in found:
        if isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
            security.is_delisted = True
            reset_security(security)
            return SecurityChanges(removed=[security])
    return SecurityChanges()
