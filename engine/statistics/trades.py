"""Statistics over closed trades (the ``tradeStatistics`` of LEAN's result file)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, divide, from_float, to_double
from engine.common.naming import LeanObject
from engine.common.spans import TICKS_PER_MICROSECOND, TICKS_PER_SECOND, TickSpan, time_span
from engine.statistics.formatting import json_number
from engine.statistics.inputs import Trade

UNBOUNDED = Decimal(10)
"""LEAN's stand-in for a ratio whose divisor is zero although there was profit."""
_MICROSECOND = timedelta(microseconds=1)


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
        """Compute all figures; trades in closing order. No trades give zeros.

        Averages and variances follow trade by trade, as LEAN's do: their last digits depend on it.
        """
        if not trades:
            return cls()
        all_of, won, lost = _Side(), _Side(), _Side()
        mae, mfe = _Average(), _Average()
        for trade in trades:
            all_of.add(trade)
            (won if trade.profit_loss > 0 else lost).add(trade)
            mae.add(trade.mae)
            mfe.add(trade.mfe)
        total = all_of.total
        wins = won.count + sum(trade.is_win for trade in trades if trade.profit_loss <= 0)
        losses = len(trades) - wins
        win_rate = divide(Decimal(wins), Decimal(len(trades)))
        average_profit, average_loss = won.average.value, lost.average.value
        deviation, downside = all_of.deviation(), lost.deviation()
        closed, intra, longest = _drawdowns(trades)
        winning_streak, losing_streak = _streaks(trades)
        return cls(
            start_date_time=min(trade.entry_time for trade in trades),
            end_date_time=max(trade.exit_time for trade in trades),
            total_number_of_trades=len(trades),
            number_of_winning_trades=wins,
            number_of_losing_trades=losses,
            total_profit_loss=total,
            total_profit=won.total,
            total_loss=lost.total,
            largest_profit=_beyond(max, (trade.profit_loss for trade in trades)),
            largest_loss=_beyond(min, (trade.profit_loss for trade in trades)),
            average_profit_loss=all_of.average.value,
            average_profit=average_profit,
            average_loss=average_loss,
            average_trade_duration=all_of.average_duration(),
            average_winning_trade_duration=won.average_duration(),
            average_losing_trade_duration=lost.average_duration(),
            median_trade_duration=all_of.median_duration(),
            median_winning_trade_duration=won.median_duration(),
            median_losing_trade_duration=lost.median_duration(),
            max_consecutive_winning_trades=winning_streak,
            max_consecutive_losing_trades=losing_streak,
            profit_loss_ratio=divide(average_profit, abs(average_loss)) if average_loss else ZERO,
            win_loss_ratio=divide(Decimal(wins), Decimal(losses)) if losses else UNBOUNDED,
            win_rate=win_rate,
            loss_rate=1 - win_rate,
            average_mae=mae.value,
            average_mfe=mfe.value,
            largest_mae=_beyond(min, (trade.mae for trade in trades)),
            largest_mfe=_beyond(max, (trade.mfe for trade in trades)),
            maximum_closed_trade_drawdown=closed,
            maximum_intra_trade_drawdown=intra,
            profit_loss_standard_deviation=deviation,
            profit_loss_downside_deviation=downside,
            profit_factor=_ratio(won.total, lost.total),
            sharpe_ratio=divide(all_of.average.value, deviation) if deviation > 0 else ZERO,
            sortino_ratio=divide(all_of.average.value, downside) if downside > 0 else ZERO,
            profit_to_max_drawdown_ratio=_ratio(total, closed),
            maximum_end_trade_drawdown=_beyond(max, (t.end_trade_drawdown for t in trades)),
            average_end_trade_drawdown=all_of.average.value - mfe.value,
            maximum_drawdown_duration=longest,
            total_fees=sum((trade.total_fees for trade in trades), ZERO),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the figures under LEAN's camelCase names, numbers as strings."""
        return {_camel(item.name): _json(getattr(self, item.name)) for item in fields(self)}


class _Average:
    """A mean that is moved by each value."""

    def __init__(self) -> None:
        self.value = ZERO
        self.count = 0

    def add(self, value: Decimal) -> None:
        self.count += 1
        self.value += divide(value - self.value, Decimal(self.count))


class _Side:
    """Profits and durations of trades: of all, of those won or of those lost."""

    def __init__(self) -> None:
        self.total = ZERO
        self.average = _Average()
        self._squares = ZERO
        self._ticks: list[int] = []
        self._average_ticks = 0

    @property
    def count(self) -> int:
        return self.average.count

    def add(self, trade: Trade) -> None:
        profit, before = trade.profit_loss, self.average.value
        self.total += profit
        self.average.add(profit)
        self._squares += (profit - before) * (profit - self.average.value)
        ticks = trade.duration // _MICROSECOND * TICKS_PER_MICROSECOND
        self._ticks.append(ticks)
        # LEAN moves this mean in seconds, as doubles.
        seconds = (ticks / TICKS_PER_SECOND - self._average_ticks / TICKS_PER_SECOND) / self.count
        self._average_ticks += int(seconds * TICKS_PER_SECOND)

    def deviation(self) -> Decimal:
        """Sample standard deviation; zero below two values."""
        if self.count < 2:
            return ZERO
        return from_float(math.sqrt(to_double(divide(self._squares, Decimal(self.count - 1)))))

    def average_duration(self) -> TickSpan:
        return TickSpan.of(self._average_ticks)

    def median_duration(self) -> TickSpan:
        """The middle one; of two in the middle the longer."""
        return TickSpan.of(sorted(self._ticks)[len(self._ticks) // 2] if self._ticks else 0)


def _beyond(extreme: Callable[..., Decimal], values: Iterable[Decimal]) -> Decimal:
    """The largest above, or smallest below, zero; zero if there is none."""
    found = extreme(values)
    return found if extreme(found, ZERO) == found and found else ZERO


def _ratio(gain: Decimal, fall: Decimal) -> Decimal:
    if gain == 0:
        return ZERO
    return divide(gain, abs(fall)) if fall < 0 else UNBOUNDED


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


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.upper() if word in ("mae", "mfe") else word.title() for word in rest)


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, timedelta):
        return time_span(value)
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return value
