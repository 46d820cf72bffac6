"""Daily and hourly trade bars of a security's whole life as columns, adjusted and filled forward.

What a subscription gives one bar at a time, here for history calls: a request is then a matter of
finding its two ends. `engine.feed.subscriptions.points` is the same, bar by bar.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from engine.common.clock import midnight
from engine.common.decimals import ONE, ZERO, doubles_of, round_half_even, to_double
from engine.common.enums import DataNormalizationMode, Resolution
from engine.feed.auxiliary_files import FactorFile
from engine.feed.bar_files import BarRows
from engine.feed.subscriptions import Sources, normalized
from engine.market.data import BaseData
from engine.market.market_hours import ExchangeHours, Session
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MOMENT = timedelta(microseconds=1)
_PRICES = (3, 1, 2, 0)  # close, high, low, open in a row
COLUMNS = ("close", "high", "low", "open", "volume")
"""Columns of a series' numbers, as frames have them."""

Times = NDArray[np.datetime64]


class TradeSeries:
    """Bars of one security up to a horizon.

    Args:
        symbol: put into the bars.
        sources: where to read.
        hours: of the exchange.
        resolution: daily or hour.
        fill_forward, extended, mode: as in a subscription; raw, adjusted or split-adjusted.
        strict_daily: daily bars run from the open to the close.
        horizon: end of what is filled forward, exchange time.

    Attributes:
        ends: end times, exchange time.
        numbers: one row for each of COLUMNS.

    Raises:
        ValueError: if a file is malformed.
    """

    def __init__(
        self,
        symbol: Symbol,
        sources: Sources,
        hours: ExchangeHours,
        resolution: Resolution,
        fill_forward: bool,
        extended: bool,
        mode: DataNormalizationMode,
        strict_daily: bool,
        horizon: datetime,
    ) -> None:
        self.symbol = symbol
        self.horizon = horizon
        self._hours = hours
        self._daily = resolution == Resolution.DAILY
        self._strict = strict_daily and self._daily
        self._extended = extended
        self._read(sources)
        self._adjust(sources.auxiliary.factor_file(symbol.id), mode)
        ends = np.array([end for _, end in self._times], dtype="datetime64[us]")
        filled = self._grid(ends) if fill_forward and len(ends) else ends[:0]
        self.ends: Times = np.union1d(ends, filled)
        self._source = np.searchsorted(ends, self.ends, side="right") - 1
        self._source_ends = ends[self._source]
        self._is_filled = self._source_ends != self.ends
        self.numbers = self._doubles[:, self._source]
        self.numbers[COLUMNS.index("volume"), self._is_filled] = 0.0

    def _read(self, sources: Sources) -> None:
        """Raw bars of all tickers: where each is, its start and its end."""
        map_file = sources.auxiliary.map_files.of_security(self.symbol.id)
        resolution = Resolution.DAILY if self._daily else Resolution.HOUR
        self._times: list[tuple[datetime, datetime]] = []
        self._rows: list[tuple[BarRows, int]] = []
        tickers = {self.symbol.value, *(ticker for _, ticker in map_file.rows)}
        by_day: dict[datetime, dict[str, list[tuple[BarRows, int]]]] = {}
        self._symbols: dict[int, Symbol] = {}
        for name in tickers:
            rows = sources.bars.rows(name, resolution)
            self._symbols[id(rows)] = self.symbol.update_mapped_symbol(name)
            for index, start in enumerate(rows.starts):
                by_day.setdefault(midnight(start), {}).setdefault(name, []).append((rows, index))
        ticker, last_end = self.symbol.value, datetime.min
        for day in sorted(by_day):
            if self._hours.session(day.date()) is None or not map_file.has_data(day):
                continue
            ticker = map_file.ticker_on(day, ticker)
            for rows, index in by_day[day].get(ticker, ()):
                times = self._bar_times(rows.starts[index], day)
                if times[1] <= last_end or not self._hours.is_open_during(*times, self._extended):
                    continue
                last_end = times[1]
                self._times.append(times)
                self._rows.append((rows, index))
        self._delisted = midnight(map_file.delisting_date) + _DAY

    def _bar_times(self, start: datetime, day: datetime) -> tuple[datetime, datetime]:
        if self._strict:
            session = self._hours.session(day.date())
            if session is not None:
                return session.open, session.close
        return start, start + (_DAY if self._daily else _HOUR)

    def _adjust(self, factors: FactorFile, mode: DataNormalizationMode) -> None:
        """Factors of the bars, and the doubles that .NET makes of the adjusted numbers."""
        self._mode = mode
        self._factors = [
            ONE if mode == DataNormalizationMode.RAW else factors.scale(start, mode)
            for start, _ in self._times
        ]
        count = len(self._rows)
        self._doubles = np.empty((len(COLUMNS), count))
        first = 0
        while first < count:
            factor, rows = self._factors[first], self._rows[first][0]
            last = first
            while last < count and self._factors[last] == factor and self._rows[last][0] is rows:
                last += 1
            places = [index for _, index in self._rows[first:last]]
            self._doubles[:, first:last] = _numbers(rows, places, factor)
            first = last

    def _grid(self, ends: Times) -> Times:
        """Ends of the bars that there should be after the first one."""
        first = ends[0].item()
        last = min(self.horizon, self._delisted)
        expected: list[datetime] = []
        for day in self._hours.trading_days(midnight(first), last):
            session = self._hours.session(day.date())
            if session is not None:
                expected += self._ends_of_day(day, session)
        return np.array([e for e in expected if first < e <= last], dtype="datetime64[us]")

    def _ends_of_day(self, day: datetime, session: Session) -> list[datetime]:
        if self._strict:
            return [session.close]
        if self._daily:
            return [day + _DAY]
        opened, closed = session.bounds(self._extended)
        end = opened.replace(minute=0) + _HOUR
        found = [end]
        while end < closed:
            end += _HOUR
            found.append(end)
        return found

    def place(self, start: datetime, end: datetime) -> slice:
        """Where the bars with start < end time <= end are.

        Nothing is repeated of a bar that ended before the start.
        """
        moment = np.datetime64(start, "us")
        low = int(np.searchsorted(self.ends, moment, side="right"))
        high = int(np.searchsorted(self.ends, np.datetime64(end, "us"), side="right"))
        while low < high and self._is_filled[low] and self._source_ends[low] < moment:
            low += 1
        return slice(low, high)

    def bars(self, place: slice) -> list[BaseData]:
        """New bars of a place."""
        return [self._bar(index) for index in range(place.start, place.stop)]

    def _bar(self, index: int) -> BaseData:
        source = int(self._source[index])
        rows, place = self._rows[source]
        start, end = self._times[source]
        bar = rows.bar(place, self._symbols[id(rows)], start, end - start)
        made = normalized(bar, self._mode, self._factors[source], ZERO)
        if self._is_filled[index]:
            made = made.clone(True)
            end = self.ends[index].item()
            session = self._hours.session((end - _MOMENT).date())
            if self._strict and session is not None:
                made.time = session.open
            else:
                made.time = end - (_DAY if self._daily else _HOUR)
            made.end_time = end
        return made


def _numbers(rows: BarRows, places: list[int], factor: Decimal) -> NDArray[np.float64]:
    """COLUMNS of some rows, adjusted by a factor."""
    shares = ONE / factor
    if rows.integers is None:
        values = [rows.values(place) for place in places]
        prices = [[to_double(v[i] * factor) for v in values] for i in _PRICES]
        volumes = [v[4] for v in values]
    else:
        integers = rows.integers[places]
        prices = [doubles_of(integers[:, i], 4, factor).tolist() for i in _PRICES]
        volumes = [Decimal(n) for n in integers[:, 4].tolist()]
    if factor != ONE:
        volumes = [round_half_even(volume * shares, 0) for volume in volumes]
    return np.array([*prices, [to_double(volume) for volume in volumes]])
