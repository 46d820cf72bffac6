"""Which securities the universes hold: additions, removals, and removals that must wait.

A security that is held, ordered or owed money keeps its data until a later selection, of whichever
universe, finds it free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.common.clock import TICK
from engine.common.enumerables import NetSet
from engine.common.enums import Resolution
from engine.feed.universe_selection import ActiveUniverse, SecurityChanges, UserDefinedUniverse
from engine.framework.universe import UNCHANGED, Universe
from engine.market.data import SubscriptionDataConfig
from engine.market.symbols import Symbol

Subscribe = Callable[[SubscriptionDataConfig, Any, datetime], None]


@dataclass(frozen=True)
class _Member:
    """A security of a universe, and the subscriptions that the universe wants of it."""

    universe: Universe
    security: Any
    configs: list[SubscriptionDataConfig]


class UniverseMembers:
    """Applies the selections of an algorithm's universes.

    Args:
        algorithm: makes the securities, knows orders and settings.
        subscribe: starts a subscription of a security at an UTC time.
        unsubscribe: ends subscriptions.
    """

    def __init__(
        self,
        algorithm: Any,
        subscribe: Subscribe,
        unsubscribe: Callable[[list[SubscriptionDataConfig]], None],
    ) -> None:
        self._algorithm = algorithm
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._members: dict[str, dict[Symbol, _Member]] = {}
        self._waiting: list[_Member] = []
        self._running: set[int] = set()

    def select(self, active: ActiveUniverse, time: datetime) -> SecurityChanges:
        """Apply one selection: subscribe what is new, drop what is gone and free."""
        universe = active.universe
        chosen = active.select(time)
        if chosen is not UNCHANGED:
            active.selected = chosen
            universe.selected = NetSet(chosen)
        self._release_waiting(universe, active.selected, time)
        if chosen is UNCHANGED:
            return SecurityChanges()
        removed = self._remove(universe, active.selected, time)
        # What is added by hand begins after its time step, whose bars are past.
        start = time + TICK if active.after_step else time
        added = self._add(universe, active.selected, time, start)
        if self._algorithm.settings.seed_initial_prices:
            self._algorithm.qc_seed(added)
        return SecurityChanges(added, removed)

    def _of(self, universe: Universe) -> dict[Symbol, _Member]:
        return self._members.setdefault(universe.key, {})

    def _add(
        self, universe: Universe, chosen: list[Symbol], time: datetime, start: datetime
    ) -> list[Any]:
        algorithm, members = self._algorithm, self._of(universe)
        added = []
        for symbol in chosen:
            if symbol in members:
                continue
            security, configs = algorithm.qc_security_for(universe, symbol)
            if security.is_delisted:
                continue
            new = [c for c in configs if id(c) not in self._running]
            for config in new:
                self._running.add(id(config))
                self._subscribe(config, security, start)
            members[symbol] = _Member(universe, security, configs)
            universe.members[symbol] = security
            universe.added[symbol] = time
            if new:
                added.append(security)
        return added

    def _remove(self, universe: Universe, chosen: list[Symbol], time: datetime) -> list[Any]:
        """Drop what is not chosen; LEAN tells of it even if another universe still holds it."""
        kept = set(chosen)
        removed = []
        for member in sorted(self._of(universe).values(), key=lambda m: m.security.symbol.id):
            security = member.security
            if security.symbol in kept or not self._may_remove(member, time):
                continue
            waits = any(w.security is security for w in self._waiting)
            if not security.is_delisted and not waits:
                removed.append(security)
            if self._is_free(security):
                self._release(member, time)
            elif member not in self._waiting:
                self._waiting.append(member)
        return removed

    def _release_waiting(self, universe: Universe, chosen: list[Symbol], time: datetime) -> None:
        """Release what waited and is free now; what its universe chose again waits no more."""
        for member in list(self._waiting):
            free = self._is_free(member.security)
            again = member.universe is universe and member.security.symbol in chosen
            if free or again:
                self._waiting.remove(member)
            if free:
                self._release(member, time)

    def _may_remove(self, member: _Member, time: datetime) -> bool:
        return member.universe.can_remove_member(time, member.security)

    def _is_free(self, security: Any) -> bool:
        """True of a security that is neither held, ordered, wanted nor owed money."""
        holdings = security.holdings
        if holdings.invested or (holdings.target is not None and holdings.target.quantity):
            return False
        if self._algorithm.transactions.get_open_orders(security.symbol):
            return False
        return not security.settlement_model.get_unsettled_cash().amount > 0

    def _release(self, member: _Member, time: datetime) -> None:
        """Take a member out, and end the data that no other universe wants of it.

        Without another universe the security leaves the algorithm.
        """
        if not self._may_remove(member, time):
            return
        universe, security = member.universe, member.security
        symbol = security.symbol
        self._of(universe).pop(symbol, None)
        universe.members.pop(symbol, None)
        universe.added.pop(symbol, None)
        if isinstance(universe, UserDefinedUniverse):
            universe.wanted.pop(symbol, None)
        others = [members[symbol] for members in self._members.values() if symbol in members]
        if others:
            kept = {id(config) for other in others for config in other.configs}
            ended = [config for config in member.configs if id(config) not in kept]
            if ended:
                self._end(security, ended)
            return
        self.drop(security)
        security.cache.reset()
        security.session.reset()

    def drop(self, security: Any) -> None:
        """End a security's data and take it out of the algorithm."""
        self._end(security, [config for config in security.subscriptions if not config.internal])
        reset_security(security)
        security.subscriptions = []
        self._algorithm.securities.remove(security.symbol)

    def _end(self, security: Any, configs: list[SubscriptionDataConfig]) -> None:
        ended = {id(config) for config in configs}
        security.subscriptions = [c for c in security.subscriptions if id(c) not in ended]
        self._unsubscribe(configs)
        self._running -= ended


def reset_security(security: Any) -> None:
    """Make a security untradable; its models are made anew when it is added again."""
    security.is_tradable = False
    security.is_initialized = False


def selection_order(active: ActiveUniverse, algorithm: Any) -> tuple[Resolution, str]:
    """Universes that select at one time do so from the finest resolution on, then by SID."""
    universe = active.universe
    resolution = universe.resolution
    if resolution is None:
        resolution = (universe.settings or algorithm.universe_settings).resolution
    return resolution, universe.key
