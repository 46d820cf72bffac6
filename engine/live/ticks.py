"""Trades as they come from a market, and the replay of daily bars as such trades.

A day's bar becomes seventeen and some trades whose open, high, low, close and volume are the
bar's: enough for bars of a minute at the open, at noon and at the close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Protocol

from engine.common.clock import midnight
from engine.common.decimals import ONE, ZERO, divide, normalize
from engine.common.enums import Resolution, TickType
from engine.feed.auxiliary_files import AuxiliaryData, FactorFile, FactorRow
from engine.feed.subscriptions import Sources
from engine.market.data import TradeBar
from engine.market.market_hours import ExchangeHours, Session
from engine.market.symbols import SecurityIdentifier, Symbol

_LAST_ROW = datetime(2050, 12, 31)
_SMALL = Decimal(100)
_CENT = Decimal("0.01")
_NOON = timedelta(hours=12)
_OPENING = (("open", "0.3", "0.3"), ("high", "1.3", "0.1"), ("low", "2.3", "0.1"))
_RISING = tuple((Decimal(tenths) / 10, 3.3 + i) for i, tenths in enumerate((3, 4, 5, 6, 7)))
_AROUND_NOON = ((ZERO, -2.5), (-_CENT, 0.3), (_CENT, 1.3), (ZERO, 3.3))
_FALLING = tuple((Decimal(tenths) / 10, -6.5 + i) for i, tenths in enumerate((7, 6, 5, 4, 3, 2)))


@dataclass(frozen=True)
class Tick:
    """One trade: time (exchange's), price, number of shares."""

    time: datetime
    price: Decimal
    size: Decimal


class TickSource(Protocol):
    """Where trades come from."""

    def serve(self, symbol: Symbol, hours: ExchangeHours) -> None:
        """Begin with a symbol that trades in these hours."""

    def ticks(self, symbol: Symbol, day: datetime) -> list[Tick]:
        """Trades of a symbol on a day (a midnight), in order."""


def replayed(bar: TradeBar, session: Session) -> Iterator[Tick]:
    """Trades of a session that add up to a daily bar.

    The open takes 30 % of the volume, the high and the low 10 % each within three seconds after
    it; five small trades rise from low to high; four stand around the mean of high and low at
    noon; six small ones fall towards the close, which takes the rest half a second before the end.

    Args:
        bar: unadjusted.
        session: hours of the day.
    """
    whole, rest = bar.volume_exact, bar.volume_exact
    small = min(_SMALL, (whole / 100).quantize(ONE, ROUND_DOWN))
    prices = {
        "open": normalize(bar.open_exact),
        "high": normalize(bar.high_exact),
        "low": normalize(bar.low_exact),
    }
    span = bar.high_exact - bar.low_exact

    def at(base: datetime, seconds: float) -> datetime:
        return base + timedelta(seconds=seconds)

    for name, seconds, share in _OPENING:
        size = (whole * Decimal(share)).quantize(ONE, ROUND_DOWN)
        rest -= size
        yield Tick(at(session.open, float(seconds)), prices[name], size)
    minor = [(at(session.open, s), bar.low_exact + span * share) for share, s in _RISING]
    noon = midnight(session.open) + _NOON
    if session.open < noon < session.close - timedelta(minutes=1):
        middle = (bar.high_exact + bar.low_exact) / 2
        minor += [(at(noon, s), middle + shift) for shift, s in _AROUND_NOON]
    minor += [(at(session.close, s), bar.low_exact + span * share) for share, s in _FALLING]
    for time, price in minor:
        rest -= small
        yield Tick(time, normalize(min(max(price, bar.low_exact), bar.high_exact)), small)
    yield Tick(at(session.close, -0.5), normalize(bar.value_exact), rest)


class FactorsAsOf(AuxiliaryData):
    """Factor files as they were on a day: the rows before it, counted from what held then.

    Args:
        data_folder: LEAN data folder.
        day: gives the day.
    """

    def __init__(self, data_folder: Path, day: Callable[[], datetime]) -> None:
        super().__init__(data_folder)
        self._day_of = day
        self._known: dict[tuple[str, datetime | None], FactorFile] = {}

    def factor_file(self, sid: SecurityIdentifier) -> FactorFile:
        """Factor file of a security as of the day."""
        day, rows = self._day_of(), super().factor_file(sid).rows
        base = next((row for row in rows if row.date >= day), None)
        key = str(sid), base.date if base is not None else None
        if key not in self._known:
            self._known[key] = as_of(rows, day)
        return self._known[key]


def as_of(rows: Sequence[FactorRow], day: datetime) -> FactorFile:
    """The rows before a day, counted from what held then."""
    base = next((row for row in rows if row.date >= day), None)
    price, split = (base.price_factor, base.split_factor) if base is not None else (ONE, ONE)
    rebased = [
        replace(
            row,
            price_factor=_digits(divide(row.price_factor, price)),
            split_factor=_digits(divide(row.split_factor, split)),
        )
        for row in rows
        if row.date < day
    ]
    return FactorFile([*rebased, FactorRow(_LAST_ROW, ONE, ONE, ZERO)])


def _digits(factor: Decimal) -> Decimal:
    """A factor with the digits that files have."""
    return round(factor, 7)


class ReplayTicks:
    """Replays the daily bars of a LEAN data folder, unadjusted.

    Args:
        sources: the folder's files.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._hours: dict[Symbol, ExchangeHours] = {}

    def serve(self, symbol: Symbol, hours: ExchangeHours) -> None:
        """Note the hours in which a symbol trades."""
        self._hours[symbol] = hours

    def ticks(self, symbol: Symbol, day: datetime) -> list[Tick]:
        """Trades of a day; none on a day without a session or a bar.

        Raises:
            ValueError: if the bar's row is malformed.
        """
        session = self._hours[symbol].session(day.date())
        map_file = self._sources.auxiliary.map_files.of_security(symbol.id)
        if session is None or not map_file.has_data(day):
            return []
        ticker = map_file.ticker_on(day, symbol.value)
        bars = self._sources.bars.bars(symbol, ticker, Resolution.DAILY, TickType.TRADE, day)
        return [
            tick for bar in bars if isinstance(bar, TradeBar) for tick in replayed(bar, session)
        ]
