"""A security whose bars a live feed serves: what is common to trades and to bars that come in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from engine.common.enums import DataNormalizationMode, Resolution, TickType
from engine.feed.history_requests import start_of_bars
from engine.feed.subscriptions import Sources, points
from engine.market.data import BaseData, SubscriptionDataConfig
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_LOOKED_BACK = 10
"""Sessions among which the last bar is looked for."""


class ServedBars:
    """Bars of one security as `LiveFeed` asks for them.

    Args:
        security: whose prices they move.
        config: the daily subscription, or a hidden one that only prices need.
        newest: the daily bar that is known before the first.

    Attributes:
        security, config: see the arguments.
        hidden: the subscription of the minutes.
        newest: the bar that was given last, until then what is known.
    """

    def __init__(
        self, security: Any, config: SubscriptionDataConfig, newest: BaseData | None
    ) -> None:
        self.security = security
        self.config = config
        self.hidden = _inner(security.symbol, Resolution.MINUTE, extended_hours=True)
        self.newest = newest
        self._hours: ExchangeHours = security.exchange.hours

    def next_due(self) -> datetime:
        """When there will be something to take, UTC; `datetime.max` if nothing is in sight."""
        raise NotImplementedError(f"{type(self).__name__}.next_due")

    def take(self, now: datetime) -> tuple[list[BaseData], list[BaseData]]:
        """Daily and minute bars that may be given at an exchange time, since the last call."""
        raise NotImplementedError(f"{type(self).__name__}.take")


def bar_before(security: Any, sources: Sources, now: datetime) -> BaseData | None:
    """Last unadjusted daily bar of a security that was complete by an exchange time."""
    hours = security.exchange.hours
    raw = _inner(security.symbol, Resolution.DAILY, normalization=DataNormalizationMode.RAW)
    start = start_of_bars(hours, now, Resolution.DAILY, _LOOKED_BACK, False)
    found = None
    for _, point in points(raw, sources, hours, start, now, lambda: _DAY, has_events=False):
        if point.end_time <= now:
            found = point
    return found


def _inner(symbol: Symbol, resolution: Resolution, **named: Any) -> SubscriptionDataConfig:
    """A subscription that the algorithm does not see."""
    return SubscriptionDataConfig(
        symbol, resolution, TickType.TRADE, fill_forward=False, internal=True, **named
    )
