"""Time slices: all subscriptions and universes, merged by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from engine.common.clock import TICK, shown_local, to_utc
from engine.common.enums import (
    DataNormalizationMode,
    DelistingType,
    MarketDataType,
    Resolution,
    TickType,
)
from engine.common.net_exceptions import InvalidOperationException
from engine.feed.auxiliary_files import EQUITY_MODES
from engine.feed.custom_data import CustomSources
from engine.feed.daily_points import DailyPoints
from engine.feed.fred import FredFiles, fred_subscription
from engine.feed.subscriptions import Sources, Subscription, points, warmed_up_points
from engine.feed.universe_members import UniverseMembers, reset_security, selection_order
from engine.feed.universe_selection import ActiveUniverse, SecurityChanges, UserDefinedUniverse
from engine.market.data import (
    RESOLUTION_SPAN,
    BaseData,
    Delisting,
    SubscriptionDataConfig,
    TradeBar,
)
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
        self._is_sorted = True
        self._universes: list[ActiveUniverse] = []
        self._frontier: datetime = datetime.min
        self._end_utc: datetime = datetime.max
        self._universes_end: datetime | None = None
        self._fill_span = RESOLUTION_SPAN[Resolution.MINUTE]
        self._benchmark_added = False
        self._begun = False
        self._members = UniverseMembers(algorithm, self._subscribe, self._unsubscribe)

    # Subscriptions --------------------------------------------------------------------------

    @property
    def _pivot(self) -> datetime:
        """Where the warm-up ends, UTC."""
        algorithm = self._algorithm
        return to_utc(algorithm.start_date, algorithm.time_zone)

    def _update_fill_span(self, config: SubscriptionDataConfig | None = None) -> None:
        """Gaps are filled at the finest visible resolution.

        When that changes LEAN begins the subscriptions that fill gaps anew, behind the time step:
        what they had filled from is forgotten. So it does with the universes whose subscription
        says that it fills gaps: they select again at once, and from then on a tick later.
        """
        # Thousands may be added at once: beside others what is no finer changes nothing.
        if (
            config is not None
            and (config.internal or RESOLUTION_SPAN[config.resolution] >= self._fill_span)
            and any(not s.config.internal for s in self._subscriptions)
        ):
            return
        configs = [s.config for s in self._subscriptions if not s.config.internal]
        if config is not None and not config.internal:
            configs.append(config)
        finest = min((c.resolution for c in configs), default=Resolution.MINUTE)
        if RESOLUTION_SPAN[finest] == self._fill_span:
            return
        self._fill_span = RESOLUTION_SPAN[finest]
        start = self._algorithm.utc_time_naive + TICK
        for active in self._universes:
            if active.universe.fill_forward and not self._algorithm.live_mode:
                active.restart(start, self._pivot)
        for index, one in enumerate(self._subscriptions):
            if one.config.fill_forward and one.security is not None:
                hours = one.security.exchange.hours
                stream = self._stream(one.config, one.security, start)
                self._subscriptions[index] = Subscription(one.config, one.security, stream, hours)

    def _subscribe(self, config: SubscriptionDataConfig, security: Any, start: datetime) -> None:
        """Start a subscription at an UTC time.

        Raises:
            ValueError: if a file is malformed.
            InvalidOperationException: for a mode of prices that only history has.
        """
        if config.data_normalization_mode == DataNormalizationMode.SCALED_RAW:
            raise InvalidOperationException(
                "ScaledRaw normalization mode only intended for history requests."
            )
        hours: ExchangeHours = security.exchange.hours
        self._update_fill_span(config)
        stream = self._stream(config, security, start)
        self._subscriptions.append(Subscription(config, security, stream, hours))
        self._is_sorted = False

    def _unsubscribe(self, configs: list[SubscriptionDataConfig]) -> None:
        """End subscriptions."""
        ended = {id(config) for config in configs}
        self._subscriptions = [s for s in self._subscriptions if id(s.config) not in ended]
        self._update_fill_span()

    def _subscribe_series(self, symbol: Symbol) -> None:
        """Start a series of FRED's now.

        Raises:
            ValueError: if there is no file of it, or a malformed one.
        """
        hours: ExchangeHours = self._algorithm.qc_default_hours
        start = hours.from_utc(self._algorithm.utc_time_naive)
        end = hours.from_utc(self._end_utc)
        one = fred_subscription(symbol, self._fred, hours, start, end)
        self._update_fill_span(one.config)
        self._subscriptions.append(one)
        self._is_sorted = False

    def _stream(
        self, config: SubscriptionDataConfig, security: Any, start: datetime
    ) -> Iterator[tuple[datetime, BaseData]]:
        """Points of a subscription from an UTC time on; in warm-up at the warm-up's resolution."""
        algorithm = self._algorithm
        hours: ExchangeHours = security.exchange.hours
        chosen = security.qc_takes()
        takes = None if chosen is None else partial(self._passes, chosen, security)
        strict = algorithm.settings.daily_precise_end_time
        begin, end = hours.from_utc(start), hours.from_utc(self._end_utc)
        if config.custom_kind is not None:
            if takes is not None:
                raise NotImplementedError(
                    f"a data filter of custom data ({config.symbol.value}): leave points out in "
                    "the class's reader"
                )
            sources: CustomSources = algorithm.qc_custom_sources
            return sources.points(config, hours, begin, end, lambda: self._fill_span)
        if config.data_normalization_mode not in EQUITY_MODES:
            # LEAN finds no factor, notes that in its own log, and the security has no data.
            return iter(())
        resolution = algorithm.settings.warmup_resolution
        if algorithm.is_warming_up and resolution is not None:
            pivot = hours.from_utc(self._pivot)
            return warmed_up_points(
                config, Resolution(resolution), self._sources, hours, (begin, pivot, end),
                lambda: self._fill_span, strict_daily=strict, takes=takes,
            )  # fmt: skip
        if (
            strict
            and takes is None
            and config.resolution == Resolution.DAILY
            and config.tick_type == TickType.TRADE
            and (self._fill_span == config.increment or not config.fill_forward)
        ):
            return iter(DailyPoints(config, self._sources, hours, begin, end))
        return points(
            config,
            self._sources,
            hours,
            begin,
            end,
            lambda: self._fill_span,
            strict_daily=strict,
            takes=takes,
        )

    def _passes(self, chosen: Any, security: Any, point: BaseData) -> bool:
        """Whether a user's filter takes a point; as in LEAN one at which it fails is not taken."""
        try:
            return bool(chosen(security, point))
        except Exception as problem:
            self._algorithm.qc_note_filter(problem)
            return False

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
        now = algorithm.utc_time_naive
        for universe in algorithm.take_pending_universes():
            active = ActiveUniverse(
                universe,
                now,
                self._universes_end or self._end_utc,
                algorithm.qc_default_hours,
                algorithm,
            )
            active.after_step = self._begun and isinstance(universe, UserDefinedUniverse)
            self._universes.append(active)
        for universe, is_addition in algorithm.take_changed_universes():
            for active in self._universes:
                if active.universe is universe:
                    active.trigger(now, is_addition)
        self._begun = True

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
            if due:
                self._frontier = max(self._frontier, min(due))
            elif self._benchmark_added or algorithm.live_mode:
                return
            yield from self._at_frontier(warm_up_end)

    def _at_frontier(self, warm_up_end: datetime) -> Iterator[TimeSlice]:
        algorithm, time = self._algorithm, self._frontier
        if algorithm.is_warming_up and algorithm.utc_time_naive < warm_up_end < time:
            yield TimeSlice(warm_up_end, self._slice(warm_up_end), is_time_pulse=True)
        changes = SecurityChanges()
        packets: list[tuple[Subscription, list[BaseData]]] = []
        while True:
            if not self._is_sorted:
                self._subscriptions.sort(key=lambda s: (s.config.tick_type, s.config.symbol.value))
                self._is_sorted = True
            for subscription in list(self._subscriptions):
                due = subscription.emit_utc
                if due is None or due > time:
                    continue
                taken: list[BaseData] = []
                point = subscription.data
                if type(point) is TradeBar:
                    # Most are single bars.
                    taken.append(point)
                    subscription.move_next()
                    due = subscription.emit_utc
                if due is not None and due <= time:
                    others, delisted = self._take(subscription, time)
                    taken += others
                    if delisted is not None:
                        changes += delisted
                packets.append((subscription, taken))
            selecting = self._selecting(time)
            if selecting and algorithm.utc_time_naive != time:
                yield TimeSlice(time, self._slice(time), is_time_pulse=True)
            new = SecurityChanges()
            selecting.sort(key=lambda active: selection_order(active, algorithm))
            # All before the first selects: it may begin the others anew.
            for active in selecting:
                active.advance()
            for active in selecting:
                new += self._members.select(active, time)
                if active.universe.dispose_requested:
                    self._universes.remove(active)
            for active in selecting:
                self._keep(active)
            changes += new
            if not (new or self._add_benchmark(time)):
                break
        yield self._time_slice(time, packets, changes)

    def _keep(self, active: ActiveUniverse) -> None:
        """Let securities keep the points of data that a universe has selected from."""
        for point in active.points:
            security = self._algorithm.securities.find(point.symbol)
            if security is not None:
                security.cache.by_type[type(point)] = point
        active.points = ()

    def _selecting(self, time: datetime) -> list[ActiveUniverse]:
        """Universes that are due to select at a time, UTC; those to be disposed do so at any."""
        return [
            active
            for active in self._universes
            if (active.next_utc is not None and active.next_utc <= time)
            or active.universe.dispose_requested
        ]

    def _take(
        self, subscription: Subscription, time: datetime
    ) -> tuple[list[BaseData], SecurityChanges | None]:
        """Points of a subscription that are due, and its security if they delist it."""
        taken: list[BaseData] = []
        changes: SecurityChanges | None = None
        while subscription.emit_utc is not None and subscription.emit_utc <= time:
            point = subscription.data
            if point is None:
                break
            if isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
                security = subscription.security
                if not security.is_delisted:
                    security.is_delisted = True
                    reset_security(security)
                    self._algorithm.securities.remove(security.symbol)
                    changes = SecurityChanges(removed=[security])
            taken.append(point)
            subscription.move_next()
        return taken, changes

    def _slice(self, time: datetime) -> Slice:
        return Slice(shown_local(time, self._algorithm.time_zone), utc_time=time)

    def _time_slice(
        self,
        time: datetime,
        packets: list[tuple[Subscription, list[BaseData]]],
        changes: SecurityChanges,
    ) -> TimeSlice:
        result = TimeSlice(time, self._slice(time), changes=changes)
        for subscription, taken in packets:
            config, security = subscription.config, subscription.security
            if security is None:
                for point in taken:
                    result.slice.add(point)
                continue
            if len(taken) == 1 and type(taken[0]) is TradeBar:
                # Most packets are one bar.
                result.updates.append((security, taken))
                if not config.internal:
                    result.slice.add(taken[0])
                    result.consolidations.append((config, taken))
                continue
            prices = [p for p in taken if p.data_type != MarketDataType.AUXILIARY]
            for point in taken:
                if point.data_type == MarketDataType.AUXILIARY:
                    if not config.internal or isinstance(point, Delisting):
                        result.slice.add(point)
                    result.updates.append((security, [point]))
                elif not config.internal:
                    result.slice.add(point)
            if prices:
                result.updates.append((security, prices))
                if not config.internal:
                    result.consolidations.append((config, prices))
        return result
