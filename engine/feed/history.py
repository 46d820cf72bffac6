"""History requests: past bars as LEAN's pandas frames.

Frames are indexed by symbol and end time (exchange's time zone); columns are sorted by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from engine.common.clock import midnight, round_down
from engine.common.enums import DataNormalizationMode, MarketDataType, Resolution, TickType
from engine.feed.subscriptions import Sources, points
from engine.market.data import (
    RESOLUTION_SPAN,
    BaseData,
    QuoteBar,
    SubscriptionDataConfig,
    TradeBar,
)
from engine.market.market_hours import ExchangeHours
from engine.market.slices import Slice
from engine.market.symbols import Symbol, SymbolCache

_TRADE_COLUMNS = ("close", "high", "low", "open", "volume")
_DAY = timedelta(days=1)


def start_of_bars(
    hours: ExchangeHours,
    end: datetime,
    resolution: Resolution,
    count: int,
    extended: bool,
) -> datetime:
    """Start of the earliest of the last `count` bars up to `end`, exchange time."""
    if resolution == Resolution.DAILY:
        day = midnight(end)
        session = hours.session(day.date())
        if session is None or session.close > end:
            day = hours.get_previous_trading_day(day)
        for _ in range(count - 1):
            day = hours.get_previous_trading_day(day)
        first = hours.session(day.date())
        return first.open if first is not None else day
    span = RESOLUTION_SPAN[resolution]
    start = round_down(end, span) if span else end
    while count:
        start -= span
        if hours.is_open_during(start, start + span, extended):
            count -= 1
        elif not hours.is_open_during(start - _DAY, start, extended):
            start -= _DAY
    return start


def live_start_of_bars(
    hours: ExchangeHours,
    end: datetime,
    resolution: Resolution,
    count: int,
    extended: bool,
) -> datetime:
    """Start of a live warm-up of `count` bars up to `end`, exchange time.

    LEAN counts daily bars back in whole days, from midnight unless today's session is over, so that
    a warm-up before or within the session begins at midnight rather than at the open.
    """
    if resolution != Resolution.DAILY:
        return start_of_bars(hours, end, resolution, count, extended)
    session = hours.session(end.date())
    day = midnight(end) if session is None or session.close > end else end
    while count:
        day -= _DAY
        if hours.is_open_during(day, day + _DAY, extended):
            count -= 1
    return day


class HistoryProvider:
    """Reads past bars as an algorithm at a given time may see them."""

    def __init__(self, sources: Sources, strict_daily: Callable[[], bool]) -> None:
        self._sources = sources
        self._strict_daily = strict_daily

    def bars(
        self,
        config: SubscriptionDataConfig,
        hours: ExchangeHours,
        start: datetime,
        end: datetime,
    ) -> Iterator[BaseData]:
        """Bars with start < end time <= end, exchange time; repeated ones included."""
        span = config.increment
        for _, point in points(
            config,
            self._sources,
            hours,
            start,
            end,
            lambda: span,
            strict_daily=self._strict_daily(),
            has_events=False,
        ):
            if point.end_time > end:
                return
            if point.data_type != MarketDataType.AUXILIARY and point.end_time > start:
                yield point


def history_config(
    symbol: Symbol,
    resolution: Resolution,
    tick_type: TickType,
    fill_forward: bool,
    extended: bool,
    mode: DataNormalizationMode,
) -> SubscriptionDataConfig:
    """Configuration of one history request."""
    return SubscriptionDataConfig(
        symbol,
        resolution,
        tick_type,
        fill_forward=fill_forward,
        extended_hours=extended,
        internal=True,
        normalization=mode,
    )


def _quote_cells(bar: QuoteBar) -> dict[str, float]:
    cells = {
        "close": bar.close, "high": bar.high, "low": bar.low, "open": bar.open,
        "asksize": bar.last_ask_size, "bidsize": bar.last_bid_size,
    }  # fmt: skip
    for name, side in (("ask", bar.ask), ("bid", bar.bid)):
        if side is not None:
            for field in ("close", "high", "low", "open"):
                cells[name + field] = getattr(side, field)
    return cells


def to_frame(bars: dict[Symbol, list[BaseData]]) -> pd.DataFrame:
    """Frame of bars by symbol and end time.

    Args:
        bars: trade and quote bars; of both at one time, prices come from the trade bar.

    Returns:
        Columns of trades (close, high, low, open, volume) and, for quotes, of bid and ask. Empty
        without bars.
    """
    rows: dict[tuple[Symbol, datetime], dict[str, float]] = {}
    for symbol, points_of_symbol in bars.items():
        for bar in points_of_symbol:
            row = rows.setdefault((symbol, bar.end_time), {})
            if isinstance(bar, TradeBar):
                for column in _TRADE_COLUMNS:
                    row[column] = getattr(bar, column)
            elif isinstance(bar, QuoteBar):
                for column, value in _quote_cells(bar).items():
                    row.setdefault(column, value)
            else:
                row["value"] = bar.value
    if not rows:
        return pd.DataFrame()
    order = {symbol: i for i, symbol in enumerate(sorted(bars, key=lambda s: str(s.id)))}
    keys = sorted(rows, key=lambda key: (order[key[0]], key[1]))
    index = pd.MultiIndex.from_arrays(
        [pd.Index([k[0] for k in keys], dtype=object), pd.DatetimeIndex([k[1] for k in keys])],
        names=["symbol", "time"],
    )
    columns = sorted({column for row in rows.values() for column in row})
    return pd.DataFrame([rows[key] for key in keys], index=index, columns=columns)


def to_slices(
    bars: dict[Symbol, list[BaseData]], to_algorithm_time: Callable[[datetime], datetime]
) -> list[Slice]:
    """Slices of bars that end together, in order."""
    by_time: dict[datetime, list[BaseData]] = {}
    for points_of_symbol in bars.values():
        for bar in points_of_symbol:
            by_time.setdefault(bar.end_time, []).append(bar)
    slices = []
    for time in sorted(by_time):
        item = Slice(to_algorithm_time(time))
        for bar in by_time[time]:
            item.add(bar)
        slices.append(item)
    return slices


@contextmanager
def tickers_in_frames() -> Iterator[None]:
    """Let tickers stand for symbols in pandas look-ups, as LEAN does, for the time of a run."""
    originals = {kind: (kind.get_loc, kind.__contains__) for kind in (pd.Index, pd.MultiIndex)}

    def wrap(kind: Any) -> None:
        get_loc, contains = originals[kind]

        def mapped_get_loc(self: Any, key: Any, *rest: Any) -> Any:
            try:
                return get_loc(self, key, *rest)
            except KeyError:
                mapped = _mapped(key)
                if mapped is key:
                    raise
                return get_loc(self, mapped, *rest)

        def mapped_contains(self: Any, key: Any) -> bool:
            if contains(self, key):
                return True
            mapped = _mapped(key)
            return mapped is not key and contains(self, mapped)

        setattr(kind, "get_loc", mapped_get_loc)  # noqa: B010 - mypy forbids assigning methods
        setattr(kind, "__contains__", mapped_contains)  # noqa: B010

    for kind in originals:
        wrap(kind)
    try:
        yield
    finally:
        for kind, (get_loc, contains) in originals.items():
            setattr(kind, "get_loc", get_loc)  # noqa: B010
            setattr(kind, "__contains__", contains)  # noqa: B010


def _mapped(key: Any) -> Any:
    """Symbols for the tickers in a look-up key; the key itself if there are none."""
    if isinstance(key, str):
        symbol = SymbolCache.try_get_symbol(key)
        return key if symbol is None else symbol
    if isinstance(key, tuple):
        parts = tuple(_mapped(part) for part in key)
        return parts if any(a is not b for a, b in zip(parts, key, strict=True)) else key
    return key
