"""Past data as an algorithm at a given time may see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pandas as pd

from engine.common.clock import midnight
from engine.common.decimals import ZERO
from engine.common.enums import DataNormalizationMode, MarketDataType, Resolution
from engine.feed.custom_data import CustomSources
from engine.feed.frames import SymbolColumns, columns_of, to_frame
from engine.feed.history_requests import EVENTS, HistoryRequest
from engine.feed.subscriptions import SecurityEvents, Sources, points
from engine.feed.trade_series import COLUMNS, TradeSeries
from engine.market.data import BaseData, TradeBar
from engine.market.slices import Slice

_DAY = timedelta(days=1)
_PRICES = frozenset(COLUMNS) - {"volume"}
_PLAIN_MODES = (
    DataNormalizationMode.RAW,
    DataNormalizationMode.ADJUSTED,
    DataNormalizationMode.SPLIT_ADJUSTED,
)


class HistoryProvider:
    """Answers requests.

    Attributes:
        custom_sources: reads users' own data; None until the algorithm has set it.

    Args:
        sources: where to read.
        strict_daily: tells whether daily bars run from the open to the close.
        run_end: gives the end of the run, up to which bars are repeated where there are none.
        files_grow: files may change during the run, as in live trading: nothing is kept.
    """

    def __init__(
        self,
        sources: Sources,
        strict_daily: Callable[[], bool],
        run_end: Callable[[], datetime],
        files_grow: bool = False,
    ) -> None:
        self._sources = sources
        self._strict_daily = strict_daily
        self._run_end = run_end
        self._files_grow = files_grow
        self._series: dict[tuple[object, ...], TradeSeries] = {}
        self.custom_sources: CustomSources | None = None

    def points(self, request: HistoryRequest) -> list[BaseData]:
        """Points of a request, in order.

        Raises:
            ValueError: if a file is malformed.
        """
        series = self._series_of(request)
        if series is not None:
            return series.bars(series.place(request.start, request.end))
        return self._events(request) if request.kind in EVENTS else self._bars(request)

    def frame(self, requests: Sequence[HistoryRequest]) -> pd.DataFrame:
        """Frame of all that the requests ask for.

        Raises:
            ValueError: if a file is malformed.
        """
        by_symbol: dict[object, list[HistoryRequest]] = {}
        for request in requests:
            by_symbol.setdefault(request.symbol, []).append(request)
        return to_frame([self._columns(group) for group in by_symbol.values()])

    def slices(
        self,
        requests: Sequence[HistoryRequest],
        to_algorithm_time: Callable[[datetime], datetime],
    ) -> list[Slice]:
        """Slices of all that the requests ask for.

        Args:
            requests: of exchanges in one time zone.
            to_algorithm_time: converts from exchange time.

        Raises:
            ValueError: if a file is malformed.
        """
        by_time: dict[datetime, list[BaseData]] = {}
        for request in requests:
            for point in self.points(request):
                by_time.setdefault(point.end_time, []).append(point)
        return [
            Slice(to_algorithm_time(end), by_time[end], requests[0].hours.to_utc(end))
            for end in sorted(by_time)
        ]

    def _columns(self, requests: list[HistoryRequest]) -> SymbolColumns:
        """Columns of one symbol's requests."""
        series = self._series_of(requests[0]) if len(requests) == 1 else None
        if series is None:
            found = [point for request in requests for point in self.points(request)]
            return columns_of(requests[0].symbol, found)
        place = series.place(requests[0].start, requests[0].end)
        numbers = series.numbers[:, place]
        columns = dict(zip(COLUMNS, numbers, strict=True))
        return SymbolColumns(requests[0].symbol, series.ends[place], columns, _PRICES)

    def _series_of(self, request: HistoryRequest) -> TradeSeries | None:
        """The columns that answer a request; None if it must be read bar by bar."""
        if (
            self._files_grow
            or request.kind is not TradeBar
            or request.resolution < Resolution.HOUR
            or request.mode not in _PLAIN_MODES
        ):
            return None
        strict = self._strict_daily()
        key = (
            request.symbol, request.resolution, request.fill_forward, request.extended,
            request.mode, strict,
        )  # fmt: skip
        series = self._series.get(key)
        if series is None or series.horizon < request.end:
            series = self._series[key] = TradeSeries(
                request.symbol,
                self._sources,
                request.hours,
                request.resolution,
                request.fill_forward,
                request.extended,
                request.mode,
                strict,
                max(request.end, self._run_end()) + _DAY,
            )
        return series

    def _bars(self, request: HistoryRequest) -> list[BaseData]:
        config = request.config()
        span = config.increment
        found = []
        if request.is_custom and self.custom_sources is not None:
            stream = self.custom_sources.points(
                config, request.hours, request.start, request.end, lambda: span
            )
        else:
            stream = points(
                config,
                self._sources,
                request.hours,
                request.start,
                request.end,
                lambda: span,
                strict_daily=self._strict_daily(),
                has_events=False,
            )
        for _, point in stream:
            if point.end_time > request.end:
                break
            if point.data_type != MarketDataType.AUXILIARY and point.end_time > request.start:
                found.append(point)
        return found

    def _events(self, request: HistoryRequest) -> list[BaseData]:
        auxiliary = self._sources.auxiliary
        sid = request.symbol.id
        config, start, end = request.config(), request.start, request.end
        map_file = auxiliary.map_files.of_security(sid)
        events = SecurityEvents(config, map_file, auxiliary.factor_file(sid), start)
        # LEAN reads no prices beside events, so a split's warning knows none.
        return [
            event
            for day in request.hours.trading_days(midnight(start), end)
            for event in events.on(day, ZERO)
            if isinstance(event, request.kind) and start < event.end_time <= end
        ]
