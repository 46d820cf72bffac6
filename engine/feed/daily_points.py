"""Daily trade bars of a subscription, a session at a time.

The same as `engine.feed.subscriptions.points` where daily bars run from the open to the close and
gaps are filled at daily resolution: a session has its bar, or repeats the one before. Most
backtests read nothing else, so this is written for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from engine.common.clock import engine_time, midnight
from engine.common.decimals import ONE, ZERO
from engine.common.enums import DataNormalizationMode, Resolution
from engine.feed.bar_files import BarFiles, BarRows
from engine.feed.subscriptions import SecurityEvents, Sources, factor_of, is_emitted
from engine.market.data import BaseData, SubscriptionDataConfig, TradeBar, trade_bar
from engine.market.market_hours import ExchangeHours, Session
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_BLOCK = 32
# Members of enumerations are found more slowly than other names.
_RAW, _TOTAL_RETURN = DataNormalizationMode.RAW, DataNormalizationMode.TOTAL_RETURN


class _Reader:
    """Rows of a security's daily files, asked for day by day.

    Attributes:
        unit: dollars that the prices of a row count in.
    """

    def __init__(self, files: BarFiles) -> None:
        self._files = files
        self._ticker: str | None = None
        self._rows: BarRows
        # Some rows and their start times, the next of them, and the first row after them.
        self._block: list[Any] = []
        self._starts: list[datetime] = []
        self._place = self._after = 0
        self.unit = ONE

    def row(self, ticker: str, day: datetime) -> Any:
        """First row of a day, which is later than those before; None if there is none."""
        if ticker != self._ticker:
            self._ticker = ticker
            self._rows = self._files.rows(ticker, Resolution.DAILY)
            self.unit = self._rows.unit
            self._after = self._rows.place(day)
            self._read_on()
        while True:
            place = self._place
            if place == len(self._block):
                if not place:
                    return None
                self._read_on()
                continue
            start = self._starts[place]
            if start >= day:
                break
            self._place = place + 1
        if start != day and start >= day + _DAY:
            return None
        # The next day's row is mostly the next one.
        self._place = place + 1
        return self._block[place]

    def _read_on(self) -> None:
        """Take the next rows; none at the end."""
        first, self._after = self._after, self._after + _BLOCK
        self._starts = self._rows.times(first, self._after)
        self._block = self._rows.block(first, self._after)
        self._place = 0


class DailyPoints:
    """Everything a daily subscription delivers, as `points` does.

    Args:
        config: what to read: trades, daily.
        sources: where to read.
        hours: of the exchange.
        start: start in exchange time.
        end: end in exchange time.
    """

    def __init__(
        self,
        config: SubscriptionDataConfig,
        sources: Sources,
        hours: ExchangeHours,
        start: datetime,
        end: datetime,
    ) -> None:
        self._config = config
        self._hours = hours
        self._start, self._end = engine_time(start), engine_time(end)
        self._map = sources.auxiliary.map_files.of_security(config.symbol.id)
        self._factors = sources.auxiliary.factor_file(config.symbol.id)
        self._events = SecurityEvents(config, self._map, self._factors, start)
        self._reader = _Reader(sources.bars)
        # The last row, its symbol, what its prices count in, and the factors of its day.
        self._row: Any = None
        self._symbol = config.symbol
        self._unit = self._factor = self._scale = self._shares = ONE
        self._whole = True
        self._mode: Any = None
        self._factor_until = datetime.min

    def __iter__(self) -> Iterator[tuple[datetime, BaseData]]:
        """Yield pairs of the exchange-local time of delivery and the point."""
        config, events, reader = self._config, self._events, self._reader
        start, end = self._start, self._end
        listed, delisted = self._map.first_date, self._map.delisting_date
        has_map = bool(self._map.rows)
        missing: list[Session] = []
        # Points bear the ticker of their day, as in LEAN.
        symbol = config.symbol.update_mapped_symbol(events.ticker)
        for day, session in self._hours.sessions(midnight(start), end):
            if day >= events.quiet_before:
                last_price = ZERO if self._row is None else self._row[3] * self._unit
                for event in events.on(day, last_price):
                    yield from self._repeated(missing)
                    missing = []
                    symbol = symbol.update_mapped_symbol(events.ticker)
                    if is_emitted(config, event):
                        event.symbol = symbol
                        yield event.end_time, event
            if day > delisted:
                return
            row = None if has_map and day < listed else reader.row(events.ticker, day)
            if row is None:
                if self._row is not None and config.fill_forward:
                    missing.append(session)
                continue
            if session.close < start:
                continue
            if session.open > end:
                break
            if missing:
                yield from self._repeated(missing)
                missing = []
            self._take(row, day, symbol)
            yield session.close, self._bar(session)
        yield from self._repeated([session for session in missing if session.close <= end])

    def _take(self, row: Any, day: datetime, symbol: Symbol) -> None:
        """Make a row the last one, with the factors of its day."""
        self._row, self._symbol = row, symbol
        unit, mode = self._reader.unit, self._config.data_normalization_mode
        if day <= self._factor_until and mode is self._mode and unit is self._unit:
            return
        self._mode, self._unit = mode, unit
        self._factor_until = self._factors.unchanged_until(day)
        self._factor = factor_of(self._factors, day, mode, self._end)
        self._shares = ONE / self._factor
        # What multiples of whole numbers need no rounding.
        self._whole = self._shares == self._shares.to_integral_value()
        self._scale = unit if self._factor == 1 else unit * self._factor

    def _bar(self, session: Session) -> TradeBar:
        """The last row as the bar of a session, adjusted as the subscription says now."""
        opened, high, low, close, volume = self._row
        mode, scale, dividends = self._config.data_normalization_mode, self._scale, ZERO
        if mode is _TOTAL_RETURN:
            dividends = self._events.sum_of_dividends
            if dividends:
                scale = self._unit * self._factor
        elif mode is _RAW:
            scale = self._unit
        if scale is self._unit and not dividends:
            traded = Decimal(volume)
        else:
            traded = volume * self._shares
            if not self._whole:
                traded = traded.quantize(ONE, ROUND_HALF_EVEN)
        prices = (opened * scale, high * scale, low * scale, close * scale)
        if dividends:
            opened, high, low, close = prices
            prices = (opened + dividends, high + dividends, low + dividends, close + dividends)
        return trade_bar(session.open, session.close, self._symbol, prices, traded)

    def _repeated(self, sessions: list[Session]) -> Iterator[tuple[datetime, BaseData]]:
        """The last row again, without volume."""
        for session in sessions:
            bar = self._bar(session)
            bar.volume_exact = ZERO
            bar.is_fill_forward = True
            yield session.close, bar
