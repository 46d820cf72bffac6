"""When the money of a sale may be used."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight, naive_utc
from engine.common.decimals import ZERO
from engine.common.naming import DirectObject
from engine.orders.orders import CashAmount


class ApplyFundsSettlementModelParameters(DirectObject):
    """Money of a fill: negative for a purchase; the time is UTC, as it was given."""

    def __init__(
        self,
        portfolio: Any,
        security: Any,
        application_time_utc: datetime,
        cash_amount: CashAmount,
        fill: Any,
    ) -> None:
        self.portfolio = portfolio
        self.security = security
        self.utc_time = application_time_utc
        self.cash_amount = cash_amount
        self.fill = fill


class ScanSettlementModelParameters(DirectObject):
    """Time (UTC, as it was given) at which a model may release what has settled."""

    def __init__(self, portfolio: Any, security: Any, time_utc: datetime) -> None:
        self.portfolio = portfolio
        self.security = security
        self.utc_time = time_utc


class ImmediateSettlementModel(DirectObject):
    """At once, as margin accounts do."""

    def apply_funds(self, apply_funds_parameters: ApplyFundsSettlementModelParameters) -> None:
        """Book the amount of a fill."""
        cash = apply_funds_parameters.cash_amount
        apply_funds_parameters.portfolio.cash_book[cash.currency].add_amount(cash.amount_exact)

    def scan(self, settlement_parameters: ScanSettlementModelParameters) -> None:
        """Nothing is outstanding."""

    def get_unsettled_cash(self) -> CashAmount:
        """None."""
        return CashAmount(ZERO, None)


class AccountCurrencyImmediateSettlementModel(ImmediateSettlementModel):
    """At once, in the account's currency; the same where there is one currency."""


class DelayedSettlementModel(ImmediateSettlementModel):
    """Proceeds settle some trading days later, at a time of day; purchases at once."""

    def __init__(self, number_of_days: int, time_of_day: timedelta) -> None:
        self._days = number_of_days
        self._time_of_day = time_of_day
        self._outstanding: deque[tuple[datetime, str, Decimal]] = deque()

    def apply_funds(self, apply_funds_parameters: ApplyFundsSettlementModelParameters) -> None:
        """Book a purchase, or remember a sale."""
        cash, portfolio = apply_funds_parameters.cash_amount, apply_funds_parameters.portfolio
        if cash.amount_exact <= 0:
            super().apply_funds(apply_funds_parameters)
            return
        hours = apply_funds_parameters.security.exchange.hours
        day = midnight(hours.from_utc(naive_utc(apply_funds_parameters.utc_time)))
        for _ in range(self._days):
            day = hours.get_next_trading_day(day)
        portfolio.unsettled_cash_book[cash.currency].add_amount(cash.amount_exact)
        self._outstanding.append(
            (hours.to_utc(day + self._time_of_day), cash.currency, cash.amount_exact)
        )

    def scan(self, settlement_parameters: ScanSettlementModelParameters) -> None:
        """Release what has settled."""
        portfolio = settlement_parameters.portfolio
        now = naive_utc(settlement_parameters.utc_time)
        while self._outstanding and now >= self._outstanding[0][0]:
            _, currency, amount = self._outstanding.popleft()
            portfolio.unsettled_cash_book[currency].add_amount(-amount)
            portfolio.cash_book[currency].add_amount(amount)

    def get_unsettled_cash(self) -> CashAmount:
        """What is outstanding."""
        if not self._outstanding:
            return super().get_unsettled_cash()
        total = sum((amount for _, _, amount in self._outstanding), ZERO)
        return CashAmount(total, self._outstanding[0][1])
