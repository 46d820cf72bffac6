"""Real market data that ships inside Python packages: no account, no download.

* `bokeh_sampledata.stocks`: AAPL, GOOG, IBM, MSFT (2000 or listing to 2013-03-01) and FB, daily.
  The rows are those of Quandl's former WIKI prices: raw prices, and an adjusted close that knows of
  later corporate actions and scales history by C[t] / (C[t] + dividend) at each ex-date.
* `arch.data`: S&P 500 and NASDAQ Composite (1999 to 2018, from Yahoo), VIX and WTI (from FRED), and
  the one-month Treasury bill rate of Kenneth French's data library (monthly, to November 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd

from engine.data_import.series import (
    PRICES,
    EquitySeries,
    IndexSeries,
    RateSeries,
    Series,
    ValueSeries,
)

_EXCHANGES = {"AAPL": "Q", "FB": "Q", "GOOG": "Q", "IBM": "N", "MSFT": "Q"}

# The source counts GOOG's volume in shares as they are after the class C distribution of 2014-04
# (two for one), although its prices are raw and the other symbols' volumes are too: it is twice the
# volume that others report (LEAN's own sample: 2.05 times, against 1.03 to 1.05 elsewhere).
_VOLUME_DIVISOR = {"GOOG": 2}

_INDICES = (("sp500", "SPX", "S&P 500"), ("nasdaq", "COMP", "NASDAQ Composite"))


class PackagedSource:
    """The series described above; see `Source`."""

    @property
    def name(self) -> str:
        """Both packages with their versions."""
        return f"bokeh_sampledata {_version('bokeh_sampledata')}, arch {_version('arch')}"

    def load(self) -> Sequence[Series]:
        """All series, equities first, in a fixed order."""
        equities: list[Series] = [_equity(symbol) for symbol in sorted(_EXCHANGES)]
        indices = [_index(*names) for names in _INDICES]
        values = [
            ValueSeries("fred/vixcls", _column("vix", "vix")),
            ValueSeries("fred/dcoilwtico", _column("wti", "DCOILWTICO")),
        ]
        return [*equities, *indices, *values, _treasury_bill()]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise ValueError(
            f"the packaged data needs the package {package}, which is not installed; "
            f"run `make setup` or `pip install {package}`"
        ) from None


def _equity(symbol: str) -> EquitySeries:
    raw = pd.DataFrame(getattr(import_module("bokeh_sampledata.stocks"), symbol))
    bars = raw.set_index(pd.to_datetime(raw.pop("date"))).rename_axis(None)
    notes: tuple[str, ...] = ()
    if (divisor := _VOLUME_DIVISOR.get(symbol)) is not None:
        bars["volume"] = bars["volume"] // divisor
        notes = (
            f"volume divided by {divisor}: the source counts it in shares as they are after the "
            "two-for-one distribution of 2014, prices being raw",
        )
    return EquitySeries(symbol, _EXCHANGES[symbol], bars, "ex-close", notes)


def _index(module: str, symbol: str, description: str) -> IndexSeries:
    raw = import_module(f"arch.data.{module}").load().rename(columns=str.lower)
    bars = raw[[*PRICES, "volume"]].copy()
    # Published to the cent; the package holds single-precision leftovers such as 1229.229980.
    bars[list(PRICES)] = bars[list(PRICES)].round(2)
    return IndexSeries(symbol, description, bars)


def _column(module: str, column: str) -> pd.Series:
    return import_module(f"arch.data.{module}").load()[column]


def _treasury_bill() -> RateSeries:
    """One-month bill: the return of a month is known when it begins, and counts from its first day.

    Monthly percent r becomes annual percent by compounding, as LEAN annualises returns:
    100 ((1 + r / 100)^12 - 1).
    """
    monthly = import_module("arch.data.frenchdata").load()["RF"]
    # The package keeps months as yyyymm integers, which pandas has read as nanoseconds.
    months = pd.DatetimeIndex(monthly.index).asi8
    dates = pd.to_datetime(pd.Series(months).astype(str), format="%Y%m")
    annual = 100 * ((1 + monthly.to_numpy() / 100) ** 12 - 1)
    rates = pd.Series(np.round(annual, 4), index=pd.DatetimeIndex(dates))
    return RateSeries("one-month US Treasury bill, annualised (K. R. French)", rates)
