"""Universes at work: when they select, which securities that adds and removes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from engine.common.clock import TICK, from_utc, midnight, to_utc, without_tick
from engine.common.enumerables import NetList
from engine.common.enums import SecurityType
from engine.common.naming import DirectObject
from engine.feed.custom_data import CustomSources
from engine.framework.fundamental_universes import (
    ETFConstituentsUniverseFactory,
    FundamentalUniverseFactory,
)
from engine.framework.universe import (
    UNCHANGED,
    CustomUniverse,
    DataUniverse,
    ManualUniverse,
    ScheduledUniverse,
    Universe,
    universe_key,
)
from engine.market.data import BaseData, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours, always_open
from engine.market.symbols import SecurityIdentifier, Symbol, SymbolCache

_DAY = timedelta(days=1)


class SecurityChanges(DirectObject):
    """Securities added to and removed from the algorithm, each sorted by ticker as in LEAN.

    Those of custom data count, but only `all_added` and `all_removed` list them.
    """

    def __init__(self, added: list[Any] | None = None, removed: list[Any] | None = None) -> None:
        self.all_added = _by_ticker(added or [])
        self.all_removed = _by_ticker(removed or [])

    @property
    def added_securities(self) -> NetList[Any]:
        """Securities added, without custom data."""
        return NetList(s for s in self.all_added if s.symbol.security_type != SecurityType.BASE)

    @property
    def removed_securities(self) -> NetList[Any]:
        """Securities removed, without custom data."""
        return NetList(s for s in self.all_removed if s.symbol.security_type != SecurityType.BASE)

    def __add__(self, other: SecurityChanges) -> SecurityChanges:
        """Both; what is added is not removed as well."""
        if not other:
            return self
        if not self:
            return other
        added = [*self.all_added, *other.all_added]
        removed = [*self.all_removed, *other.all_removed]
        return SecurityChanges(added, [s for s in removed if not any(s is a for a in added)])

    @property
    def count(self) -> int:
        """Number of changes."""
        return len(self.all_added) + len(self.all_removed)

    def __bool__(self) -> bool:
        return bool(self.all_added or self.all_removed)

    def __str__(self) -> str:
        if not self:
            return "SecurityChanges: None"
        parts = []
        for name in ("added", "removed"):
            symbols = [str(s.symbol.id) for s in getattr(self, f"{name}_securities")]
            parts.append(f" {name.title()}: {','.join(symbols)}" if symbols else "")
        return f"SecurityChanges: {''.join(parts)}"


def _by_ticker(securities: list[Any]) -> list[Any]:
    unique = {id(security): security for security in securities}
    return sorted(unique.values(), key=lambda security: security.symbol.value)


class UserDefinedUniverse(Universe):
    """The securities that the algorithm adds itself, in the order of adding.

    Its settings are those of the first; LEAN subscribes with them what is added again after it was
    removed.

    Attributes:
        wanted: symbols, each with the subscriptions that were asked for.
    """

    def __init__(self, security_type: SecurityType) -> None:
        ticker = f"qc-universe-userdefined-usa-{security_type.net_name}"
        is_equity = security_type == SecurityType.EQUITY
        sid = SecurityIdentifier.generate_base(ticker)
        super().__init__(universe_key(ticker) if is_equity else str(sid))
        self.wanted: dict[Symbol, list[SubscriptionDataConfig]] = {}

    def can_remove_member(self, utc_time: datetime, security: Any) -> bool:
        """Whatever the algorithm removes may go."""
        return True

    def want(self, symbol: Symbol, configs: Iterable[SubscriptionDataConfig]) -> None:
        """Ask for subscriptions of a symbol, beside those that were asked for before."""
        own = self.wanted.setdefault(symbol, [])
        own += [c for c in configs if not c.internal and not any(c is known for known in own)]


class ActiveUniverse:
    """A universe and the times at which it selects.

    Attributes:
        next_utc: when it selects next, None if never again.
        after_step: it selects what was added by hand within a time step, after that step.
        selected: what it selected last.
        points: of data that it selected from and that its securities are still to be told of.
    """

    def __init__(
        self,
        universe: Universe,
        start_utc: datetime,
        end_utc: datetime,
        hours: ExchangeHours,
        algorithm: Any,
    ) -> None:
        self.universe = universe
        self._algorithm = algorithm
        self._hours = hours
        self._end = end_utc
        self._times = self._scheduled_times(start_utc, end_utc)
        self.next_utc: datetime | None = None
        self.after_step = False
        self.selected: list[Symbol] = []
        self._previous: set[Symbol] = set()
        self._data: dict[datetime, list[BaseData]] = {}
        self._disposed_at: datetime | None = None
        self.points: Sequence[BaseData] = ()
        self.advance()

    def advance(self) -> None:
        """Move to the next selection."""
        self.next_utc = next(self._times, None)

    def restart(self, start_utc: datetime, warm_up_end: datetime) -> None:
        """Select anew from a time on; once a warm-up is over at whole intervals of its end."""
        if self._algorithm.is_warming_up:
            before = self._scheduled_times(start_utc, warm_up_end - TICK)
            overlap = self._scheduled_times(warm_up_end - timedelta(days=1), self._end)
            self._times = chain(before, (time for time in overlap if time >= warm_up_end))
        else:
            self._times = self._scheduled_times(start_utc, self._end)
        self.advance()

    def trigger(self, utc_time: datetime, is_addition: bool) -> None:
        """Select at a time not planned: symbols were added or removed by hand."""
        self.after_step = is_addition
        if self.next_utc is None or self.next_utc > utc_time:
            planned, rest = self.next_utc, self._times

            def again() -> Iterator[datetime]:
                if planned is not None:
                    yield planned
                yield from rest

            self._times = again()
            self.next_utc = utc_time

    def _scheduled_times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Times to select: on the days of the settings' schedule, if they have one.

        As in LEAN such a day's selection is at its midnight, whatever the universe's own times; it
        needs one of those before it, and the first after a day without counts for the next day.
        """
        if isinstance(self.universe, FundamentalUniverseFactory):
            yield from self._midnights(start, end)
            return
        if isinstance(self.universe, ETFConstituentsUniverseFactory):
            yield from self._constituent_times(self.universe, start, end)
            return
        if isinstance(self.universe, DataUniverse):
            yield from self._data_times(self.universe, start, end)
            return
        times = self._trigger_times(start, end)
        settings = self.universe.settings or self._algorithm.universe_settings
        rule = settings.schedule.date_rule
        if rule is None or isinstance(self.universe, UserDefinedUniverse):
            yield from times
            return
        zone = self._hours.time_zone
        if isinstance(self.universe, ScheduledUniverse):
            zone = self.universe.time_zone or "UTC"
        local_start, local_end = from_utc(start, zone), from_utc(end, zone)
        begun, following = False, next(times, None)
        for day in rule.get_dates(midnight(local_start), local_end):
            moment = to_utc(midnight(day), zone)
            if moment < start:
                continue
            if not begun:
                begun = following is not None
                if following is None or following > moment:
                    continue
            yield moment

    def _midnights(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Times of a universe of daily files: at once, then after each trading day.

        With a schedule on its days, and at once if one was in the year before. As in LEAN the time
        after the run's last trading day comes too, past the end: it moves the clock, no more.
        """
        hours = self._hours
        local, last = midnight(hours.from_utc(start)), hours.from_utc(end)
        settings = self.universe.settings or self._algorithm.universe_settings
        rule = settings.schedule.date_rule
        if rule is None:
            before = hours.get_previous_trading_day(local)
            days = (day + _DAY for day in hours.trading_days(before, last))
        else:
            days = iter(rule.get_dates(local - 364 * _DAY, last))
        is_first = True
        for day in days:
            moment = hours.to_utc(midnight(day))
            if moment > start:
                yield moment
            elif is_first:
                is_first = False
                yield start

    def _data_times(
        self, universe: DataUniverse, start: datetime, end: datetime
    ) -> Iterator[datetime]:
        """Times at which there are points of data; what the day before has comes at the start."""
        self._refuse_schedule(universe.symbol)
        hours = always_open()
        begin = midnight(hours.from_utc(start)) - _DAY
        sources: CustomSources = self._algorithm.qc_custom_sources
        span = universe.config.increment
        points = sources.points(universe.config, hours, begin, hours.from_utc(end), lambda: span)
        moment: datetime | None = None
        for _, point in points:
            known = max(hours.to_utc(point.end_time), start)
            if moment is not None and known != moment:
                yield moment
            moment = known
            self._data.setdefault(known, []).append(point)
        if moment is not None:
            yield moment

    def _constituent_times(
        self, universe: ETFConstituentsUniverseFactory, start: datetime, end: datetime
    ) -> Iterator[datetime]:
        """Midnights after days of which there is a file; from the day before the start on.

        Once the fund is delisted the universe gives up what it has.
        """
        self._refuse_schedule(universe.fund)
        algorithm, hours = self._algorithm, self._hours
        maps = algorithm._qc_context.sources.auxiliary.map_files.of_security(universe.fund.id)
        last = min(hours.from_utc(end), maps.delisting_date)
        before = hours.get_previous_trading_day(midnight(hours.from_utc(start)))
        for day in hours.trading_days(before, last):
            ticker = maps.ticker_on(day, universe.fund.value)
            found = algorithm.qc_constituents.of_day(ticker, day)
            if found:
                moment = max(hours.to_utc(day + _DAY), start)
                self._data.setdefault(moment, list(found))
                yield moment
        self._disposed_at = hours.to_utc(midnight(maps.delisting_date) + _DAY)
        if start <= self._disposed_at <= end:
            yield self._disposed_at

    def _refuse_schedule(self, symbol: Symbol) -> None:
        settings = self.universe.settings or self._algorithm.universe_settings
        if settings.schedule.date_rule is not None:
            raise NotImplementedError(
                f"a schedule of a universe of data ({symbol}); select every time and give "
                "Universe.UNCHANGED on other days"
            )

    def _taken(self, utc_time: datetime) -> list[BaseData]:
        """Points that are known at a time; they are taken once."""
        due = [time for time in self._data if time <= utc_time]
        return [point for time in due for point in self._data.pop(time)]

    def _trigger_times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        universe, hours = self.universe, self._hours
        if isinstance(universe, ScheduledUniverse):
            zone = universe.time_zone or hours.time_zone
            local_start, local_end = from_utc(start, zone), from_utc(end, zone)
            dates = universe.date_rule.get_dates(local_start - timedelta(days=1), local_end)
            for time in universe.time_rule.create_utc_event_times(dates):
                if start <= time <= end:
                    yield time
        elif isinstance(universe, CustomUniverse):
            local = hours.from_utc(start)
            yield start
            local += universe.interval
            while (time := hours.to_utc(local)) <= end:
                if hours.is_open_during(local, local + universe.interval):
                    yield time
                local += universe.interval
        else:
            yield start

    def _symbol(self, text: str) -> Symbol:
        """The symbol of a ticker, or of an identifier that a universe of daily files chose."""
        if isinstance(self.universe, FundamentalUniverseFactory):
            known = SymbolCache.try_get_symbol(text)
            if known is not None:
                return known
        symbol: Symbol = self._algorithm.qc_create_symbol(text)
        return symbol

    def _check_own(self, symbols: list[Symbol]) -> None:
        """Refuse what is no equity but of the universe of what the algorithm adds itself.

        Raises:
            NotImplementedError: if there is any.
        """
        if not isinstance(self.universe, UserDefinedUniverse):
            other = next(s for s in symbols if s.security_type != SecurityType.EQUITY)
            raise NotImplementedError(
                f"a universe that selects {other}: only equities; subscribe to others by add_data"
            )

    def select(self, utc_time: datetime) -> Any:
        """Symbols selected at a time, without repetition; UNCHANGED if they are the same."""
        universe = self.universe
        if self._disposed_at is not None and utc_time >= self._disposed_at:
            universe.dispose()
        if universe.dispose_requested:
            return []
        chosen: Any
        if isinstance(universe, ScheduledUniverse):
            selector = universe.selector
            if selector is None:
                raise ValueError(f"{universe.key} has no selector")
            chosen = selector(without_tick(utc_time))
        elif isinstance(universe, CustomUniverse):
            if universe.selector is None:
                raise ValueError(f"{universe.key} has no selector")
            chosen = universe.selector(without_tick(self._hours.from_utc(utc_time)))
        elif isinstance(universe, FundamentalUniverseFactory):
            if utc_time > self._end:
                return UNCHANGED
            day = self._hours.get_previous_trading_day(midnight(self._hours.from_utc(utc_time)))
            self.points = self._algorithm.qc_fundamentals.of_day(day)
            chosen = universe.selector(list(self.points))
        elif isinstance(universe, DataUniverse | ETFConstituentsUniverseFactory):
            if utc_time > self._end:
                return UNCHANGED
            self.points = self._taken(utc_time)
            chosen = universe.selector(list(self.points))
        elif isinstance(universe, ManualUniverse):
            chosen = universe.symbols
        elif isinstance(universe, UserDefinedUniverse):
            chosen = universe.wanted
        else:
            raise NotImplementedError(f"universes of type {type(universe).__name__}")
        if chosen is UNCHANGED:
            return UNCHANGED
        symbols = [self._symbol(item) if isinstance(item, str) else item for item in chosen]
        if any(symbol.security_type != SecurityType.EQUITY for symbol in symbols):
            self._check_own(symbols)
        found = set(symbols)
        if found == self._previous:
            return UNCHANGED
        self._previous = found
        return list(dict.fromkeys(symbols))
