"""Rows that cannot be: found, counted and handled by one rule each.

| found                                        | rule                                      |
|----------------------------------------------|-------------------------------------------|
| dates out of order                           | sorted                                    |
| a date twice, rows equal                     | one kept                                  |
| a date twice, rows different                 | ValueError: nobody can say which is right |
| a price that is missing, zero or negative    | row dropped                               |
| volume missing or negative                   | row dropped                               |
| volume zero                                  | kept                                      |
| high below, or low above, open or close      | high and low widened to hold both         |
| a date on which the exchange was closed      | row dropped                               |
| a session without a row, first to last date  | left out: nothing is invented             |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from engine.data_import.series import PRICES


@dataclass(frozen=True)
class Finding:
    """Something odd in the source, and what was done.

    Attributes:
        symbol: the series.
        what: the oddity and the rule applied, a short phrase.
        dates: ISO dates on which it occurred; empty when it concerns the whole series.
    """

    symbol: str
    what: str
    dates: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.dates:
            return f"{self.symbol}: {self.what}"
        shown = ", ".join(self.dates[:5]) + (", ..." if len(self.dates) > 5 else "")
        return f"{self.symbol}: {self.what} ({len(self.dates)}: {shown})"


def clean_bars(
    symbol: str, bars: pd.DataFrame, sessions: pd.DatetimeIndex
) -> tuple[pd.DataFrame, list[Finding]]:
    """Apply the rules of this module's table.

    Args:
        symbol: for messages.
        bars: raw rows, see `EquitySeries.bars`.
        sessions: the exchange's trading days, naive dates.

    Returns:
        Rows with unique, ascending dates, prices > 0, low <= open, close <= high; and the findings.

    Raises:
        ValueError: if a column is missing, a date has two different rows, or no row is left.
    """
    if missing := [c for c in (*PRICES, "volume") if c not in bars.columns]:
        raise ValueError(f"{symbol}: columns {missing} are missing; received {list(bars.columns)}")
    steps = list(_steps(symbol, bars, sessions))
    findings = [
        Finding(symbol, what, tuple(f"{date:%Y-%m-%d}" for date in dates))
        for _, what, dates in steps
        if len(dates)
    ]
    cleaned = steps[-1][0]
    if cleaned.empty:
        raise ValueError(f"{symbol}: no usable row is left of the source's")
    return cleaned, findings


def _steps(
    symbol: str, bars: pd.DataFrame, sessions: pd.DatetimeIndex
) -> Iterator[tuple[pd.DataFrame, str, pd.Index]]:
    index = pd.DatetimeIndex(bars.index)
    backwards = index[1:][index[1:] < index[:-1]]
    bars = bars.set_axis(index).sort_index(kind="stable")
    yield bars, "dates out of order, sorted", backwards

    repeated = bars.index.duplicated()
    dates = pd.DatetimeIndex(bars.index[repeated].unique())
    for date in dates:
        if len(bars.loc[[date]].drop_duplicates()) > 1:
            raise ValueError(f"{symbol}: two different rows for {date:%Y-%m-%d}")
    bars = bars[~repeated]
    yield bars, "date given twice with equal rows, one kept", dates

    usable = (bars[list(PRICES)] > 0).all(axis=1)
    yield bars[usable], "price missing, zero or negative, row dropped", bars.index[~usable]
    bars = bars[usable]

    usable = bars["volume"] >= 0
    yield bars[usable], "volume missing or negative, row dropped", bars.index[~usable]
    bars = bars[usable].astype({"volume": "int64"})
    yield bars, "volume zero, kept", bars.index[bars["volume"] == 0]

    traded = bars.index.isin(sessions)
    yield bars[traded], "exchange closed on that date, row dropped", bars.index[~traded]
    bars = bars[traded].copy()

    high, low = bars[list(PRICES)].max(axis=1), bars[list(PRICES)].min(axis=1)
    odd = bars.index[(high > bars["high"]) | (low < bars["low"])]
    bars["high"], bars["low"] = high, low
    yield bars, "high or low does not hold open and close, widened", odd

    if not bars.empty:
        span = sessions[(sessions >= bars.index[0]) & (sessions <= bars.index[-1])]
        yield bars, "session without a row, left out", span.difference(bars.index)


def clean_values(symbol: str, values: pd.Series) -> tuple[pd.Series, list[Finding]]:
    """Drop missing observations of a single-valued series; they are a vendor's holidays.

    Returns:
        Values with unique, ascending dates; and the findings.

    Raises:
        ValueError: if a date repeats or nothing is left.
    """
    values = values.sort_index(kind="stable")
    if values.index.has_duplicates:
        date = values.index[values.index.duplicated()][0]
        raise ValueError(f"{symbol}: two values for {date:%Y-%m-%d}")
    dates = tuple(f"{d:%Y-%m-%d}" for d in values.index[values.isna()])
    values = values.dropna()
    if values.empty:
        raise ValueError(f"{symbol}: no value is left of the source's")
    findings = [Finding(symbol, "value missing, row dropped", dates)] if dates else []
    return values, findings
