"""Which data a history call asks for: one request for each subscription that matches.

LEAN answers from the subscriptions that an algorithm has. Where they do not match (another class of
data, no subscription at all), it makes up what the algorithm's universe settings would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from engine.common.clock import midnight, round_down
from engine.common.enums import DataNormalizationMode, Resolution, TickType
from engine.common.settings import UniverseSettings
from engine.feed.custom_data import PythonData
from engine.market.data import (
    RESOLUTION_SPAN,
    BaseData,
    Delisting,
    Dividend,
    QuoteBar,
    Split,
    SubscriptionDataConfig,
    SymbolChangedEvent,
    TradeBar,
)
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_TICK_TYPES = {TradeBar: TickType.TRADE, QuoteBar: TickType.QUOTE}

EVENTS: tuple[type[BaseData], ...] = (Dividend, Split, Delisting, SymbolChangedEvent)
"""Classes of corporate events, which a call may ask for as well."""


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Points of one class of one symbol.

    Attributes:
        symbol, kind, resolution: whose and what.
        start, end: points with start < end time <= end, exchange time.
        fill_forward, extended, mode: as in a subscription.
        hours: of the exchange.
    """

    symbol: Symbol
    kind: type[BaseData]
    resolution: Resolution
    start: datetime
    end: datetime
    fill_forward: bool
    extended: bool
    mode: DataNormalizationMode
    hours: ExchangeHours

    @property
    def is_custom(self) -> bool:
        """Whether a user's own class reads the points."""
        return issubclass(self.kind, PythonData)

    @property
    def tick_type(self) -> TickType:
        """Of the file to read."""
        return _TICK_TYPES.get(self.kind, TickType.TRADE)

    def config(self) -> SubscriptionDataConfig:
        """The subscription that reads it."""
        return SubscriptionDataConfig(
            self.symbol,
            self.resolution,
            self.tick_type,
            fill_forward=self.fill_forward,
            extended_hours=self.extended,
            internal=self.kind not in EVENTS,
            normalization=self.mode,
            kind=self.kind if self.is_custom else None,
        )


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """What a call says beside its symbols and its span; None is the subscription's.

    Attributes:
        kind: class of data; None for all prices.
        all_subscriptions: hidden subscriptions too.
    """

    kind: type[BaseData] | None = None
    resolution: Resolution | None = None
    fill_forward: bool | None = None
    extended: bool | None = None
    mode: DataNormalizationMode | None = None
    all_subscriptions: bool = False


@dataclass(frozen=True, slots=True)
class _Match:
    kind: type[BaseData]
    resolution: Resolution
    fill_forward: bool
    extended: bool
    mode: int


def _matches(
    configs: Sequence[SubscriptionDataConfig], options: HistoryOptions, settings: UniverseSettings
) -> list[_Match]:
    """The subscriptions that a call means, quotes before trades."""
    ordered = sorted(configs, key=lambda c: (c.resolution, c.tick_type), reverse=True)
    kind = options.kind
    found = [c for c in ordered if kind is None or issubclass(c.type, kind)]
    own = [c for c in found if not c.internal]
    hidden = [c for c in found if c.internal]
    if own:
        found = own + hidden if options.all_subscriptions else own
    if not found:
        return _made_up(ordered, options, settings)
    matches = [
        _Match(c.type, c.resolution, c.fill_forward, c.extended_hours, c.data_normalization_mode)
        for c in found
    ]
    resolution = options.resolution
    if resolution is None:
        return matches
    if resolution >= Resolution.HOUR:
        return [match for match in matches if match.kind is not QuoteBar]
    if kind is None and all(match.kind is not QuoteBar for match in matches):
        first = matches[0]
        mode = DataNormalizationMode.ADJUSTED
        quotes = _Match(QuoteBar, resolution, first.fill_forward, first.extended, mode)
        matches.insert(0, quotes)
    return matches


def _made_up(
    configs: Sequence[SubscriptionDataConfig], options: HistoryOptions, settings: UniverseSettings
) -> list[_Match]:
    own = next((c for c in configs if not c.internal), None)
    extended = own.extended_hours if own is not None else settings.extended_market_hours
    mode = own.data_normalization_mode if own is not None else settings.data_normalization_mode
    resolution = default_resolution(configs, options.resolution, settings)
    kind = options.kind
    if kind in EVENTS:
        if options.resolution is None and not configs:
            resolution = Resolution.MINUTE
        kinds: list[type[BaseData]] = [kind] if kind is not None else []
    elif kind is not None and issubclass(kind, PythonData):
        # A user's class reads what it will of an equity.
        kinds = [kind]
    else:
        kinds = [QuoteBar, TradeBar] if resolution < Resolution.HOUR else [TradeBar]
        kinds = [k for k in kinds if kind is None or issubclass(k, kind)]
    return [_Match(k, resolution, settings.fill_forward, extended, mode) for k in kinds]


def default_resolution(
    configs: Sequence[SubscriptionDataConfig],
    resolution: Resolution | None,
    settings: UniverseSettings,
) -> Resolution:
    """The resolution of a call: what it says, else the finest subscription's."""
    if resolution is not None:
        return resolution
    own = [c.resolution for c in configs if not c.internal]
    return min(own or [c.resolution for c in configs], default=settings.resolution)


def requests_of_span(
    symbol: Symbol,
    configs: Sequence[SubscriptionDataConfig],
    hours: ExchangeHours,
    start: datetime,
    end: datetime,
    options: HistoryOptions,
    settings: UniverseSettings,
) -> list[HistoryRequest]:
    """Requests for a span, exchange time."""
    return [
        _request(symbol, match, start, end, hours, options)
        for match in _matches(configs, options, settings)
    ]


def requests_of_count(
    symbol: Symbol,
    configs: Sequence[SubscriptionDataConfig],
    hours: ExchangeHours,
    now: datetime,
    count: int,
    options: HistoryOptions,
    settings: UniverseSettings,
    strict_daily: bool,
) -> list[HistoryRequest]:
    """Requests for the last bars up to `now`, exchange time.

    LEAN looks for a start that gives this many bars, and takes what there is after it.
    """
    found = []
    for match in _matches(configs, options, settings):
        resolution = match.resolution if options.resolution is None else options.resolution
        extended = False
        if resolution < Resolution.HOUR:
            extended = any(c.extended_hours for c in configs if not c.internal)
            if options.extended is not None:
                extended = options.extended
        strict = strict_daily and match.kind not in EVENTS
        start = start_of_bars(hours, now, resolution, count, extended, strict)
        found.append(_request(symbol, match, start, now, hours, options))
    return found


def _request(
    symbol: Symbol,
    match: _Match,
    start: datetime,
    end: datetime,
    hours: ExchangeHours,
    options: HistoryOptions,
) -> HistoryRequest:
    def given(value: bool | None, default: bool) -> bool:
        return default if value is None else value

    return HistoryRequest(
        symbol,
        match.kind,
        match.resolution if options.resolution is None else options.resolution,
        min(start, end),
        end,
        given(options.fill_forward, match.fill_forward),
        given(options.extended, match.extended),
        DataNormalizationMode(match.mode if options.mode is None else options.mode),
        hours,
    )


@lru_cache(maxsize=256)
def start_of_bars(
    hours: ExchangeHours,
    end: datetime,
    resolution: Resolution,
    count: int,
    extended: bool,
    strict_daily: bool = True,
) -> datetime:
    """A start after which the last `count` bars up to `end` end, exchange time.

    Counted back in whole bars, as LEAN does: a daily count that is asked for after the close begins
    at the same time of an earlier day.
    """
    span = RESOLUTION_SPAN[resolution]
    start = round_down(end, span)
    if strict_daily and resolution == Resolution.DAILY:
        day = midnight(end)
        if hours.is_date_open(end) and hours.get_next_market_close(day, extended) <= end:
            start = end
    while count > 0:
        start -= span
        if hours.is_open_during(start, start + span, extended):
            count -= 1
        elif not hours.is_open_during(start - _DAY, start, extended):
            start -= _DAY
    return start
