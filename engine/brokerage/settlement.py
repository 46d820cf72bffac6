"""When the money of a sale may be used."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.common.naming import LeanObject


class ImmediateSettlementModel(LeanObject):
    """At once, as margin accounts do."""

    def apply_funds(
        self, portfolio: Any, security: Any, utc_time: datetime, amount: Decimal
    ) -> None:
        """Book the amount of a fill."""
        portfolio.add_cash(amount)

    def scan(self, portfolio: Any, security: Any, utc_time: datetime) -> None:
        """Nothing is outstanding."""


class DelayedSettlementModel(ImmediateSettlementModel):
    """Proceeds settle some trading days later, at a time of day; purchases at once."""

    def __init__(self, number_of_days: int, time_of_day: timedelta) -> None:
        self._days = number_of_days
        self._time_of_day = time_of_day
        self._outstanding: deque[tuple[datetime, Decimal]] = deque()

    def apply_funds(
        self, portfolio: Any, security: Any, utc_time: datetime, amount: Decimal
    ) -> None:
        """Book a purchase, or remember a sale."""
        if amount <= 0:
            portfolio.add_cash(amount)
            return
        hours = security.exchange.hours
        day = midnight(hours.from_utc(utc_time))
        for _ in range(self._days):
            day = hours.get_next_trading_day(day)
        portfolio.add_unsettled_cash(amount)
        self._outstanding.append((hours.to_utc(day + self._time_of_day), amount))

    def scan(self, portfolio: Any, security: Any, utc_time: datetime) -> None:
        """Release what has settled."""
        while self._outstanding and utc_time >= self._outstanding[0][0]:
            _, amount = self._outstanding.popleft()
            portfolio.add_unsettled_cash(-amount)
            portfolio.add_cash(amount)
