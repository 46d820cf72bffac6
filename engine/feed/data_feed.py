"""Time slices: all subscriptions and universes, merged by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import from_utc
from engine.common.enums import DelistingType, MarketDataType, Resolution, TickType
from engine.feed.fred import FredFiles, fred_subscription
from engine.feed.subscriptions import Sources, Subscription, points
from engine.feed.universe_selection import ActiveUniverse, SecurityChanges, UserDefinedUniverse
from engine.market.data import RESOLUTION_SPAN, BaseData, Delisting, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours
from engine.market.slices import Slice
from engine.market.symbols import Symbol


@dataclass
class TimeSlice:
    """Everything that happens at one time.

    Attributes:
        time: UTC.
        slice: what the algorithm sees.
        updates: points by security, hidden ones included.
        consolidations: points by subscription.
        changes: securities added and removed.
        is_time_pulse: only moves the clock, before a universe selects.
    """

    time: datetime
    slice: Slice
    updates: list[tuple[Any, list[BaseData]]] = field(default_factory=list)
    consolidations: list[tuple[SubscriptionDataConfig, list[BaseData]]] = field(
        default_factory=list
    )
    changes: SecurityChanges = field(default_factory=SecurityChanges)
    is_time_pulse: bool = False


class DataFeed:
    """Feeds an algorithm.

    Args:
        algorithm: whose universes and securities to serve.
        sources: where bars come from.
        fred: where FRED's series come from.
    """

    def __init__(self, algorithm: Any, sources: Sources, fred: FredFiles) -> None:
        self._algorithm = algorithm
        self._sources = sources
        self._fred = fred
        self._subscriptions: list[Subscription] = []
        self._universes: list[ActiveUniverse] = []
        self._frontier: datetime = datetime.min
        self._end_utc: datetime = datetime.max
        self._fill_span = RESOLUTION_SPAN[Resolution.MINUTE]
        self._benchmark_added = False
        self._pending_removals: list[Any] = []
        self._selected: dict[str, dict[Symbol, datetime]] = {}

    # Subscriptions --------------------------------------------------------------------------

    def _update_fill_span(self, config: SubscriptionDataConfig | None = None) -> None:
        """Gaps are filled at the finest visible resolution."""
        configs = [s.config for s in self._subscriptions if not s.config.internal]
        if config is not None and not config.internal:
            configs.append(config)
        finest = min((c.resolution for c in configs), default=Resolution.MINUTE)
        self._fill_span = RESOLUTION_SPAN[finest]

    def _subscribe(self, config: SubscriptionDataConfig, security: Any, start: datetime) -> None:
        """Start a subscription at an UTC time.

        Raises:
            ValueError: if a file is malformed.
        """
        hours: ExchangeHours = security.exchange.hours
        self._update_fill_span(config)
        stream = self._stream(config, hours, start)
        self._subscriptions.append(Subscription(config, security, stream, hours))
        self._subscriptions.sort(key=lambda s: (s.config.tick_type, s.config.symbol.value))

    def _subscribe_series(self, symbol: Symbol) -> None:
        """Start a series of FRED's now.

        Raises:
            ValueError: if there is no file of it, or a malformed one.
        """
        hours: ExchangeHours = self._algorithm.default_hours
        start = hours.from_utc(self._algorithm.utc_time_naive)
        end = hours.from_utc(self._end_utc)
        one = fred_subscription(symbol, self._fred, hours, start, end)
        self._update_fill_span(one.config)
        self._subscriptions.append(one)
        self._subscriptions.sort(key=lambda s: (s.config.tick_type, s.config.symbol.value))

    def _stream(
        self, config: SubscriptionDataConfig, hours: ExchangeHours, start: datetime
    ) -> Iterator[tuple[datetime, BaseData]]:
        algorithm = self._algorithm
        strict = algorithm.settings.daily_precise_end_time
        end = hours.from_utc(self._end_utc)
        return points(
            config,
            self._sources,
            hours,
            hours.from_utc(start),
            end,
            lambda: self._fill_span,
            strict_daily=strict,
        )

    def _add_benchmark(self, start: datetime) -> bool:
        """Subscribe the benchmark's security hourly, hidden, from the day before."""
        if self._benchmark_added:
            return False
        self._benchmark_added = True
        security = getattr(self._algorithm.benchmark, "security", None)
        if security is None:
            return False
        config = SubscriptionDataConfig(
            security.symbol, Resolution.HOUR, TickType.TRADE, fill_forward=False, internal=True
        )
        security.subscriptions.append(config)
        hours = security.exchange.hours
        local = hours.from_utc(start)
        previous = hours.get_previous_market_open(local - timedelta(microseconds=1))
        if hours.get_next_market_close(previous) > local:
            previous = hours.get_previous_market_open(previous - timedelta(microseconds=1))
        self._subscribe(config, security, hours.to_utc(previous))
        return True

    # Universes ------------------------------------------------------------------------------

    def _start_universes(self) -> None:
        algorithm = self._algorithm
        for symbol in algorithm.take_pending_series():
            self._subscribe_series(symbol)
        for universe in algorithm.take_pending_universes():
            hours = algorithm.default_hours
            start = algorithm.utc_time_naive
            self._universes.append(ActiveUniverse(universe, start, self._end_utc, hours, algorithm))
        for universe in algorithm.take_changed_universes():
            for active in self._universes:
                if active.universe is universe:
                    active.trigger(algorithm.utc_time_naive)

    def _select(self, active: ActiveUniverse, time: datetime) -> SecurityChanges:
        """Apply one selection: subscribe what is new, drop what is gone and not held."""
        algorithm, universe = self._algorithm, active.universe
        selected = self._selected.setdefault(universe.key, {})
        chosen = active.select(time)
        added, removed = [], []
        for symbol in sorted(set(selected) - set(chosen), key=lambda s: s.id):
            if not self._may_remove(universe, time - selected[symbol]):
                continue
            del selected[symbol]
            universe.members.discard(symbol)
            security = algorithm.securities.find(symbol)
            if security is None or any(s is security for s in self._pending_removals):
                continue
            # LEAN reports the removal even if another universe still holds the security.
            removed.append(security)
            if not self.is_selected(symbol):
                self._pending_removals.append(security)
        self._remove_released()
        for symbol in chosen:
            if symbol in selected:
                continue
            selected[symbol] = time
            universe.members.add(symbol)
            security = algorithm.security_for(universe, symbol)
            self._pending_removals = [s for s in self._pending_removals if s is not security]
            running = [s.config for s in self._subscriptions]
            new = [c for c in security.subscriptions if not any(c is r for r in running)]
            for config in new:
                self._subscribe(config, security, time)
            if new:
                added.append(security)
        return SecurityChanges(added, removed)

    def is_selected(self, symbol: Symbol) -> bool:
        """True if any universe has selected a symbol."""
        return any(symbol in selected for selected in self._selected.values())

    def _may_remove(self, universe: Any, age: timedelta) -> bool:
        """A member stays its minimum time, rounded to whole multiples of it."""
        if isinstance(universe, UserDefinedUniverse):
            return True
        settings = universe.settings or self._algorithm.universe_settings
        return age >= settings.minimum_time_in_universe - timedelta(hours=1)

    def _remove_released(self) -> None:
        """Stop the subscriptions of securities that are neither selected, held nor ordered."""
        algorithm = self._algorithm
        kept = []
        for security in self._pending_removals:
            symbol = security.symbol
            if self.is_selected(symbol):
                continue
            if security.holdings.invested or algorithm.transactions.get_open_orders(symbol):
                kept.append(security)
                continue
            configs = security.subscriptions
            self._subscriptions = [
                s for s in self._subscriptions if not any(s.config is c for c in configs)
            ]
            security.subscriptions = []
            security.is_tradable = False
            security.cache.reset()
            algorithm.securities.remove(symbol)
            self._update_fill_span()
        self._pending_removals = kept

    # Stream ---------------------------------------------------------------------------------

    def stream(self, end_utc: datetime, warm_up_end: datetime) -> Iterator[TimeSlice]:
        """All slices up to the end.

        Args:
            end_utc: last moment of the run.
            warm_up_end: the end of warm-up gets a slice even without data.
        """
        algorithm = self._algorithm
        self._end_utc = end_utc
        self._frontier = algorithm.utc_time_naive
        while True:
            self._start_universes()
            due = [s.emit_utc for s in self._subscriptions if s.emit_utc is not None]
            due += [u.next_utc for u in self._universes if u.next_utc is not None]
            if not due:
                return
            self._frontier = max(self._frontier, min(due))
            yield from self._at_frontier(warm_up_end)

    def _at_frontier(self, warm_up_end: datetime) -> Iterator[TimeSlice]:
        algorithm, time = self._algorithm, self._frontier
        if algorithm.is_warming_up and algorithm.utc_time_naive < warm_up_end < time:
            yield TimeSlice(warm_up_end, self._slice(warm_up_end), is_time_pulse=True)
        changes = SecurityChanges()
        packets: list[tuple[Subscription, list[BaseData]]] = []
        while True:
            for subscription in list(self._subscriptions):
                taken = self._take(subscription, time, changes)
                if taken:
                    packets.append((subscription, taken))
            selecting = [
                u for u in self._universes if u.next_utc is not None and u.next_utc <= time
            ]
            if selecting and algorithm.utc_time_naive != time:
                yield TimeSlice(time, self._slice(time), is_time_pulse=True)
            again = False
            for active in selecting:
                active.advance()
                new = self._select(active, time)
                changes.added_securities += new.added_securities
                changes.removed_securities += new.removed_securities
                again = again or bool(new)
            if not (again or self._add_benchmark(time)):
                break
        yield self._time_slice(time, packets, changes)

    def _take(
        self, subscription: Subscription, time: datetime, changes: SecurityChanges
    ) -> list[BaseData]:
        taken: list[BaseData] = []
        while subscription.emit_utc is not None and subscription.emit_utc <= time:
            point = subscription.data
            if point is None:
                break
            if isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
                security = subscription.security
                if not security.is_delisted:
                    security.is_delisted = True
                    security.is_tradable = False
                    changes.removed_securities.append(security)
            taken.append(point)
            subscription.move_next()
        return taken

    def _slice(self, time: datetime) -> Slice:
        return Slice(from_utc(time, self._algorithm.time_zone), utc_time=time)

    def _time_slice(
        self,
        time: datetime,
        packets: list[tuple[Subscription, list[BaseData]]],
        changes: SecurityChanges,
    ) -> TimeSlice:
        result = TimeSlice(time, self._slice(time), changes=changes)
        for subscription, taken in packets:
            config = subscription.config
            if subscription.security is None:
                for point in taken:
                    result.slice.add(point)
                continue
            prices = [p for p in taken if p.data_type != MarketDataType.AUXILIARY]
            for point in taken:
                if point.data_type == MarketDataType.AUXILIARY:
                    if not config.internal or isinstance(point, Delisting):
                        result.slice.add(point)
                    result.updates.append((subscription.security, [point]))
                elif not config.internal:
                    result.slice.add(point)
            if prices:
                result.updates.append((subscription.security, prices))
                if not config.internal:
                    result.consolidations.append((config, prices))
        return result
