"""Splits and dividends that a live feed tells of, as factor files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from engine.common.clock import midnight
from engine.data_import.corporate_actions import CorporateAction, factor_rows
from engine.feed.auxiliary_files import AuxiliaryData, FactorFile, FactorRow, MapFiles
from engine.live.arrivals import ReceivedBars
from engine.live.ticks import as_of
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import SecurityIdentifier


@dataclass(frozen=True)
class Told:
    """What a share's holder gets on an ex-date.

    Attributes:
        split: new shares for one old, 1 without a split.
        dividend: dollars a share, in the terms of the ex-date; 0 without one.
    """

    split: Fraction = Fraction(1)
    dividend: Decimal = Decimal(0)


class ReceivedActions:
    """Splits and dividends by ticker and ex-date; safe to write and read from several threads."""

    def __init__(self) -> None:
        self._told: dict[str, dict[date, Told]] = {}
        self._guard = threading.Lock()

    def put(self, ticker: str, ex_date: date, told: Told) -> bool:
        """Keep what a day brings; False if that was known."""
        with self._guard:
            known = self._told.setdefault(ticker, {})
            new = known.get(ex_date) != told
            known[ex_date] = told
            return new

    def of(self, ticker: str) -> Mapping[date, Told]:
        """What is known of a symbol."""
        with self._guard:
            return dict(self._told.get(ticker, {}))


class ActionFactors(AuxiliaryData):
    """Factor files of what a feed has told; there are no map files.

    Args:
        actions: what was told.
        bars: give the close before an ex-date; without one its event is not known yet.
        hours: of the exchange, by ticker.
        day: gives the day before which rows are known.
    """

    def __init__(
        self,
        actions: ReceivedActions,
        bars: ReceivedBars,
        hours: Callable[[str], ExchangeHours],
        day: Callable[[], datetime],
    ) -> None:
        self.map_files = MapFiles(None)
        self._actions = actions
        self._bars = bars
        self._hours = hours
        self._day_of = day

    def factor_file(self, sid: SecurityIdentifier) -> FactorFile:
        """Factor file of a security as of the day."""
        ticker = sid.symbol
        days = self._bars.days_after(ticker, datetime.min)
        if not days:
            return FactorFile()
        hours = self._hours(ticker)
        actions = []
        for ex_date, told in sorted(self._actions.of(ticker).items()):
            day = datetime(ex_date.year, ex_date.month, ex_date.day)
            before = [known for known in days if known < day]
            close = self._bars.session(ticker, hours, before[-1]) if before else None
            if close is not None:
                last = midnight(hours.get_previous_market_open(day - timedelta(seconds=1)))
                actions.append(
                    CorporateAction(
                        ex_date, last.date(), close.close, 1 / told.split, told.dividend
                    )
                )
        rows = [
            FactorRow(
                datetime(row.date.year, row.date.month, row.date.day),
                row.price_factor,
                row.split_factor,
                row.reference_price,
            )
            for row in factor_rows(days[0].date(), actions)
        ]
        return as_of(rows, self._day_of())
