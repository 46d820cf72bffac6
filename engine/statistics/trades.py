"""Statistics over closed trades (the ``tradeStatistics`` of LEAN's result file)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_double
from engine.common.naming import LeanObject
from engine.statistics.formatting import json_number
from engine.statistics.inputs import Trade

UNBOUNDED = Decimal(10)
"""LEAN's stand-in for a ratio whose divisor is zero although there was profit."""


@dataclass(frozen=True)
class TradeStatistics(LeanObject):
    """Figures over trades; money in account currency, ratios dimensionless."""

    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    total_number_of_trades: int = 0
    number_of_winning_trades: int = 0
    number_of_losing_trades: int = 0
    total_profit_loss: Decimal = ZERO
    total_profit: Decimal = ZERO
    total_loss: Decimal = ZERO
    largest_profit: Decimal = ZERO
    largest_loss: Decimal = ZERO
    average_profit_loss: Decimal = ZERO
    average_profit: Decimal = ZERO
    average_loss: Decimal = ZERO
    average_trade_duration: timedelta = timedelta()
    average_winning_trade_duration: timedelta = timedelta()
    average_losing_trade_duration: timedelta = timedelta()
    median_trade_duration: timedelta = timedelta()
    median_winning_trade_duration: timedelta = timedelta()
    median_losing_trade_duration: timedelta = timedelta()
    max_consecutive_winning_trades: int = 0
    max_consecutive_losing_trades: int = 0
    profit_loss_ratio: Decimal = ZERO
    win_loss_ratio: Decimal = ZERO
    win_rate: Decimal = ZERO
    loss_rate: Decimal = ZERO
    average_mae: Decimal = ZERO
    average_mfe: Decimal = ZERO
    largest_mae: Decimal = ZERO
    largest_mfe: Decimal = ZERO
    maximum_closed_trade_drawdown: Decimal = ZERO
    maximum_intra_trade_drawdown: Decimal = ZERO
    profit_loss_standard_deviation: Decimal = ZERO
    profit_loss_downside_deviation: Decimal = ZERO
    profit_factor: Decimal = ZERO
    sharpe_ratio: Decimal = ZERO
    sortino_ratio: Decimal = ZERO
    profit_to_max_drawdown_ratio: Decimal = ZERO
    maximum_end_trade_drawdown: Decimal = ZERO
    average_end_trade_drawdown: Decimal = ZERO
    maximum_drawdown_duration: timedelta = timedelta()
    total_fees: Decimal = ZERO

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> TradeStatistics:
        """Compute all figures; trades in closing order. No trades give zeros."""
        if not trades:
            return cls()
        wins = [trade for trade in trades if trade.profit_loss > 0]
        losses = [trade for trade in trades if trade.profit_loss <= 0]
        won = sum(trade.is_win or trade.profit_loss > 0 for trade in trades)
        lost = len(trades) - won
        profit = sum((trade.profit_loss for trade in wins), ZERO)
        loss = sum((trade.profit_loss for trade in losses), ZERO)
        total = profit + loss
        average = total / len(trades)
        average_profit = profit / len(wins) if wins else ZERO
        average_loss = loss / len(losses) if losses else ZERO
        deviation = _deviation([trade.profit_loss for trade in trades])
        downside = _deviation([trade.profit_loss for trade in losses])
        win_rate = Decimal(won) / len(trades)
        closed, intra, longest = _drawdowns(trades)
        average_mfe = sum((trade.mfe for trade in trades), ZERO) / len(trades)
        winning_streak, losing_streak = _streaks(trades)
        return cls(
            start_date_time=min(trade.entry_time for trade in trades),
            end_date_time=max(trade.exit_time for trade in trades),
            total_number_of_trades=len(trades),
            number_of_winning_trades=won,
            number_of_losing_trades=lost,
            total_profit_loss=total,
            total_profit=profit,
            total_loss=loss,
            largest_profit=max((trade.profit_loss for trade in wins), default=ZERO),
            largest_loss=min((trade.profit_loss for trade in losses), default=ZERO),
            average_profit_loss=average,
            average_profit=average_profit,
            average_loss=average_loss,
            average_trade_duration=_mean_time(trades),
            average_winning_trade_duration=_mean_time(wins),
            average_losing_trade_duration=_mean_time(losses),
            median_trade_duration=_median_time(trades),
            median_winning_trade_duration=_median_time(wins),
            median_losing_trade_duration=_median_time(losses),
            max_consecutive_winning_trades=winning_streak,
            max_consecutive_losing_trades=losing_streak,
            profit_loss_ratio=average_profit / abs(average_loss) if average_loss else ZERO,
            win_loss_ratio=Decimal(won) / lost if lost else UNBOUNDED,
            win_rate=win_rate,
            loss_rate=1 - win_rate,
            average_mae=sum((trade.mae for trade in trades), ZERO) / len(trades),
            average_mfe=average_mfe,
            largest_mae=min(min(trade.mae for trade in trades), ZERO),
            largest_mfe=max(max(trade.mfe for trade in trades), ZERO),
            maximum_closed_trade_drawdown=closed,
            maximum_intra_trade_drawdown=intra,
            profit_loss_standard_deviation=deviation,
            profit_loss_downside_deviation=downside,
            profit_factor=_ratio(profit, loss),
            sharpe_ratio=average / deviation if deviation > 0 else ZERO,
            sortino_ratio=average / downside if downside > 0 else ZERO,
            profit_to_max_drawdown_ratio=_ratio(total, closed),
            maximum_end_trade_drawdown=max(max(trade.end_trade_drawdown for trade in trades), ZERO),
            average_end_trade_drawdown=average - average_mfe,
            maximum_drawdown_duration=longest,
            total_fees=sum((trade.total_fees for trade in trades), ZERO),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the figures under LEAN's camelCase names, numbers as strings."""
        return {_camel(item.name): _json(getattr(self, item.name)) for item in fields(self)}


def _ratio(gain: Decimal, fall: Decimal) -> Decimal:
    if gain == 0:
        return ZERO
    return gain / abs(fall) if fall < 0 else UNBOUNDED


def _deviation(values: Sequence[Decimal]) -> Decimal:
    """Sample standard deviation; zero below two values."""
    if len(values) < 2:
        return ZERO
    centre = sum(values, ZERO) / len(values)
    spread = sum(((value - centre) ** 2 for value in values), ZERO) / (len(values) - 1)
    return from_float(math.sqrt(to_double(spread)))


def _drawdowns(trades: Sequence[Trade]) -> tuple[Decimal, Decimal, timedelta]:
    """Return the closed and intra-trade drawdowns (at most zero) and the longest one's span."""
    closed = intra = total = peak = best = ZERO
    longest, falling, peak_time = timedelta(), False, trades[0].entry_time
    for trade in trades:
        best = max(best, total + trade.mfe)
        intra = min(intra, total + trade.mae - best)
        total += trade.profit_loss
        if trade.profit_loss <= 0:
            closed = min(closed, total - peak)
            falling = True
        elif total > peak:
            peak = total
            if falling:
                longest = max(longest, trade.exit_time - peak_time)
            peak_time, falling = trade.exit_time, False
    return closed, intra, longest


def _streaks(trades: Sequence[Trade]) -> tuple[int, int]:
    longest = {True: 0, False: 0}
    run, last = 0, None
    for trade in trades:
        won = trade.profit_loss > 0 or trade.is_win
        run = run + 1 if won == last else 1
        last = won
        longest[won] = max(longest[won], run)
    return longest[True], longest[False]


def _mean_time(trades: Sequence[Trade]) -> timedelta:
    if not trades:
        return timedelta()
    return sum((trade.duration for trade in trades), timedelta()) / len(trades)


def _median_time(trades: Sequence[Trade]) -> timedelta:
    if not trades:
        return timedelta()
    spans = sorted(trade.duration for trade in trades)
    middle = len(spans) // 2
    if len(spans) % 2:
        return spans[middle]
    return (spans[middle - 1] + spans[middle]) / 2


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.upper() if word in ("mae", "mfe") else word.title() for word in rest)


def time_span(value: timedelta) -> str:
    """Write a duration as .NET does: ``[d.]hh:mm:ss[.fffffff]``."""
    sign = "-" if value < timedelta() else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, timedelta):
        return time_span(value)
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return value
