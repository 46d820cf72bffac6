"""What the statistics are computed from: plain, frozen values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.enums import TradeDirection
from engine.common.naming import DirectObject

Point = tuple[datetime, Decimal]
"""A sample: UTC time (naive) and value."""


@dataclass(frozen=True)
class Trade(DirectObject):
    """A closed trade; times UTC (naive), money in account currency, rounded to cents.

    Attributes:
        symbol: what was traded.
        mae: maximum adverse excursion, at most zero.
        mfe: maximum favourable excursion, at least zero.
        end_trade_drawdown: the trade's largest fall from its best unrealised profit.
    """

    symbol: Any
    entry_time: datetime
    entry_price: Decimal
    direction: TradeDirection
    quantity: Decimal
    exit_time: datetime
    exit_price: Decimal
    profit_loss: Decimal
    total_fees: Decimal
    mae: Decimal
    mfe: Decimal
    end_trade_drawdown: Decimal
    is_win: bool
    order_ids: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Made of what distinguishes the trade; LEAN's is random."""
        name = f"{self.symbol.id}|{self.order_ids}|{self.exit_time}|{self.quantity}"
        return str(uuid.uuid5(uuid.NAMESPACE_OID, name))

    @property
    def symbols(self) -> list[Any]:
        """What was traded: one symbol, for stocks."""
        return [self.symbol]

    @property
    def duration(self) -> timedelta:
        """Time between entry and exit."""
        return self.exit_time - self.entry_time


@dataclass(frozen=True)
class StatisticsInputs:
    """Everything :func:`engine.statistics.summarize` needs.

    Attributes:
        equity: closes of the ``Strategy Equity / Equity`` candles.
        performance: the ``Return`` series, per cent per day.
        benchmark: the ``Benchmark`` series, values (not returns), one per performance sample.
        turnover: the ``Portfolio Turnover`` series, fraction per day.
        starting_capital: portfolio value before the first trade.
        total_fees: in account currency.
        total_orders: orders submitted, rejected ones outside warm-up included.
        profit_loss: closed profits by UTC time (LEAN's transaction record, fees included).
        wins: times of ``profit_loss`` entries that count as won; the others count as lost.
        trades: closed trades of the trade builder.
        capacity: estimate in account currency, already rounded to thousands.
        lowest_capacity_asset: identifier text, or empty.
        trading_days_per_year: for annualisation.
    """

    equity: Sequence[Point]
    performance: Sequence[Point]
    benchmark: Sequence[Point]
    turnover: Sequence[Point]
    starting_capital: Decimal
    total_fees: Decimal
    total_orders: int
    profit_loss: Mapping[datetime, Decimal] = field(default_factory=dict)
    wins: frozenset[datetime] = frozenset()
    trades: Sequence[Trade] = ()
    capacity: Decimal = Decimal(0)
    lowest_capacity_asset: str = ""
    currency_symbol: str = "$"
    trading_days_per_year: int = 252
