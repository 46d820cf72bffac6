"""What a data source hands over: daily series as the vendor gives them, not yet checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

PRICES = ("open", "high", "low", "close")

Adjustment = Literal["ex-close", "previous-close"]
"""How the vendor scales history at a dividend D: by C[t] / (C[t] + D) with the close of the ex-date
("ex-close": Quandl's WIKI), or by 1 - D / C[t-1] ("previous-close": CRSP, Yahoo, LEAN)."""


@dataclass(frozen=True)
class EquitySeries:
    """One US equity, daily.

    Attributes:
        symbol: ticker in capitals.
        exchange: LEAN's code of the listing exchange (N = NYSE, Q = NASDAQ, P = ARCA).
        bars: one row per session; index: naive dates; columns: open, high, low, close (raw
            dollars), volume (shares) and, if the vendor has it, adj_close (dollars).
        adjustment: the vendor's convention for dividends, see `Adjustment`.
        notes: corrections that the source has already made, one sentence each.
    """

    symbol: str
    exchange: str
    bars: pd.DataFrame
    adjustment: Adjustment = "previous-close"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexSeries:
    """One US index, daily; `bars` as in `EquitySeries`, without adj_close."""

    symbol: str
    description: str
    bars: pd.DataFrame


@dataclass(frozen=True)
class ValueSeries:
    """A series of single values, such as a volatility index or a price of oil.

    Attributes:
        path: file below `alternative/`, without the ending.
        values: index: naive dates of observation.
    """

    path: str
    values: pd.Series


@dataclass(frozen=True)
class RateSeries:
    """The risk-free rate: annual percent, valid from its date until the next one."""

    description: str
    values: pd.Series


Series = EquitySeries | IndexSeries | ValueSeries | RateSeries


class Source(Protocol):
    """Where data comes from. A new one (CSV, Parquet, a download) only has to yield series."""

    @property
    def name(self) -> str:
        """A few words that name the source and its version."""
        ...

    def load(self) -> Sequence[Series]:
        """Read everything.

        Raises:
            ValueError: if the source cannot be read; the message says why.
        """
        ...
