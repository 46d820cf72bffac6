"""LEAN's `self.subscription_manager`: which subscriptions there are, and what they feed."""

from __future__ import annotations

from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException
from engine.feed.consolidators import listen
from engine.market.data import BaseData, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours

_SECOND = timedelta(seconds=1)


class _Scan:
    """When the clock should look at a consolidator next.

    LEAN looks when the bar that was begun should end; after the first bar, a bar's length after
    the last one's end. While there is no bar it looks again and again, once in a bar's length.

    Args:
        algorithm: whose clock it is.
        consolidator: what is looked at.
        increment: length of the points that feed it.
        hours: their exchange's.
        number: order among those due together.
    """

    def __init__(
        self,
        algorithm: Any,
        consolidator: Any,
        increment: timedelta,
        hours: ExchangeHours,
        number: int,
    ) -> None:
        self._algorithm = algorithm
        self.consolidator = consolidator
        self._increment = max(increment, _SECOND)
        self._hours = hours
        self.number = number
        self._span: timedelta | None = None
        self.due = datetime.min
        self.removed = False
        listen(consolidator, self.advance)

    def remove(self) -> None:
        """Look no more."""
        self.removed = True

    def scan(self) -> None:
        """Look now, at the algorithm's time."""
        self.consolidator.scan(self._hours.from_utc(self._algorithm.utc_time_naive))
        self.advance()

    def skip_to(self, utc_time: datetime) -> bool:
        """Without a bar to emit, look next not before a time; False if there may be one."""
        if not getattr(self.consolidator, "idle", False):
            return False
        step = self._span or self._increment
        self.due += -((self.due - utc_time) // step) * step
        return True

    def advance(self, _: Any = None, bar: Any = None) -> None:
        """Plan the next look, after a bar if there was one."""
        now = self._algorithm.utc_time_naive
        if bar is not None:
            if self._span is None:
                self._span = max(bar.end_time - bar.time, self._increment)
            self.due = self._hours.to_utc(bar.end_time) + self._span
            return
        if self.due > now:
            return
        self.due = now + (self._span or self._increment)
        if self._span is None:
            working = self.consolidator.working_data
            end = None if working is None else self._hours.to_utc(working.end_time)
            if end is not None and end > now:
                self.due = end


class SubscriptionDataConfigService(DirectObject):
    """Subscriptions by symbol."""

    lean_name = "ISubscriptionDataConfigService"

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def get_subscription_data_configs(
        self, symbol: Any = None, include_internal_configs: bool = False
    ) -> list[SubscriptionDataConfig]:
        """Subscriptions of a symbol, of all securities without one; hidden ones if asked for."""
        if symbol is None:
            securities = self._algorithm.securities.values()
        else:
            security = self._algorithm.securities.find(getattr(symbol, "symbol", symbol))
            securities = [] if security is None else [security]
        return [
            config
            for security in securities
            for config in security.subscriptions
            if include_internal_configs or not config.internal
        ]


class SubscriptionManager(DirectObject):
    """LEAN's `self.subscription_manager`."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._fed: dict[int, tuple[Any, SubscriptionDataConfig, _Scan | None]] = {}
        self._new: list[_Scan] = []
        self._queue: list[tuple[datetime, int, _Scan]] = []
        self._numbers = 0

    @property
    def subscriptions(self) -> list[SubscriptionDataConfig]:
        """Visible subscriptions."""
        securities = self._algorithm.securities.values()
        return [c for s in securities for c in s.subscriptions if not c.internal]

    @property
    def subscription_data_config_service(self) -> SubscriptionDataConfigService:
        """Subscriptions by symbol."""
        return SubscriptionDataConfigService(self._algorithm)

    @property
    def count(self) -> int:
        """Number of subscriptions."""
        return len(self.subscriptions)

    def add_consolidator(self, symbol: Any, consolidator: Any, tick_type: Any = None) -> None:
        """Feed a consolidator from a symbol's first subscription that has its kind of data.

        As in LEAN the tick type matters for ticks only.

        Raises:
            ArgumentException: if the symbol has no subscription of the consolidator's kind.
        """
        security = self._algorithm.securities.find(getattr(symbol, "symbol", symbol))
        configs = [c for c in security.subscriptions if not c.internal] if security else []
        if not configs:
            raise ArgumentException(
                "Please subscribe to this symbol before adding a consolidator for it. "
                f"Symbol: {getattr(symbol, 'value', symbol)}"
            )
        wanted = getattr(consolidator, "input_type", None) or BaseData
        for config in configs:
            if issubclass(config.type, wanted):
                config.consolidators.append(consolidator)
                self._feed(consolidator, config, security.exchange.hours)
                return
        if tick_type is not None and all(config.tick_type != tick_type for config in configs):
            available = ", ".join(config.tick_type.net_name for config in configs)
            raise ArgumentException(
                f"No subscription with the requested Tick Type {tick_type.net_name} was found. "
                f"Available Tick Types: {available}"
            )
        raise ArgumentException(
            "Type mismatch found between consolidator and symbol. "
            f"Symbol: {configs[0].symbol.value} does not support input type: {wanted.__name__}. "
            f"Supported types: {','.join(config.type.__name__ for config in configs)}."
        )

    def _feed(
        self, consolidator: Any, config: SubscriptionDataConfig, hours: ExchangeHours
    ) -> None:
        scan = None
        if getattr(consolidator, "scans", True):
            self._numbers += 1
            scan = _Scan(self._algorithm, consolidator, config.increment, hours, self._numbers)
            self._new.append(scan)
        self._fed[id(consolidator)] = consolidator, config, scan

    def remove_consolidator(self, symbol: Any, consolidator: Any) -> None:
        """Stop feeding a consolidator."""
        _, config, scan = self._fed.pop(id(consolidator), (None, None, None))
        if config is not None:
            config.consolidators[:] = [c for c in config.consolidators if c is not consolidator]
        if scan is not None:
            scan.remove()
        dispose = getattr(consolidator, "dispose", None)
        if dispose is not None:
            dispose()

    @property
    def next_scan(self) -> datetime:
        """The end of the bar that a consolidator holds and that ends first; `datetime.max` of none.

        Of those that were added since the last scan nothing is known yet.
        """
        held = (
            due
            for due, _, scan in self._queue
            if not scan.removed and not getattr(scan.consolidator, "idle", False)
        )
        return min(held, default=datetime.max)

    def scan_past(self, utc_time: datetime) -> None:
        """Let consolidators emit bars that ended before a time, with the clock at that end."""
        queue = self._queue
        if self._new:
            for scan in self._new:
                scan.advance()
                heappush(queue, (scan.due, scan.number, scan))
            self._new = []
        while queue and queue[0][0] < utc_time:
            due, number, scan = heappop(queue)
            if scan.removed:
                continue
            if scan.due <= due and not scan.skip_to(utc_time):
                if due != self._algorithm.utc_time_naive:
                    self._algorithm.set_date_time(due)
                scan.scan()
            heappush(queue, (scan.due, number, scan))
