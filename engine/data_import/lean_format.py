"""LEAN's data files as bytes. Paths are relative to the data folder, in lower case, with `/`.

Equity prices are integers, dollars x 10,000; index prices are plain numbers; both are dated by the
session, at 00:00 in the exchange's time, and each daily zip holds one csv of the same name.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import pandas as pd

from engine.data_import.corporate_actions import FAR_FUTURE, FactorRow
from engine.data_import.series import PRICES

SCALE = 10_000


def equity_paths(symbol: str) -> tuple[str, str, str]:
    """Where LEAN looks for a US equity: daily bars, map file, factor file."""
    name, root = symbol.lower(), "equity/usa"
    return (
        f"{root}/daily/{name}.zip",
        f"{root}/map_files/{name}.csv",
        f"{root}/factor_files/{name}.csv",
    )


def index_path(symbol: str) -> str:
    """Where LEAN looks for a US index's daily bars."""
    return f"index/usa/daily/{symbol.lower()}.zip"


def equity_bars(symbol: str, bars: pd.DataFrame) -> bytes:
    """A daily zip; rows `yyyyMMdd HH:mm,open,high,low,close,volume`.

    Args:
        symbol: ticker.
        bars: clean rows; prices in dollars are rounded to 1/10,000.
    """
    scaled = (bars[list(PRICES)] * SCALE).round().astype("int64").assign(volume=bars["volume"])
    return _zip(f"{symbol.lower()}.csv", _rows(scaled))


def index_bars(symbol: str, bars: pd.DataFrame) -> bytes:
    """As `equity_bars`, prices unscaled."""
    return _zip(f"{symbol.lower()}.csv", _rows(bars[[*PRICES, "volume"]]))


def map_file(symbol: str, exchange: str, first: date) -> bytes:
    """The ticker's history: one name from its first bar on; the last row is LEAN's far future."""
    name = symbol.lower()
    return _lines(f"{day:%Y%m%d},{name},{exchange}" for day in (first, FAR_FUTURE))


def factor_file(rows: Iterable[FactorRow]) -> bytes:
    """Rows `date,price factor,split factor,reference price`, rounded as LEAN rounds them."""
    return _lines(
        f"{row.date:%Y%m%d},{_decimal(row.price_factor, 7)},{_decimal(row.split_factor, 8)},"
        f"{_decimal(row.reference_price, 4)}"
        for row in rows
    )


def values_file(values: pd.Series) -> bytes:
    """Rows `yyyyMMdd,value`, the layout a custom-data reader of LEAN gets line by line."""
    return _lines(f"{day:%Y%m%d},{float(value)!r}" for day, value in values.items())


def interest_rate_file(rates: pd.Series) -> bytes:
    """LEAN's interest-rate.csv: a header (which LEAN skips), then `yyyy-MM-dd,percent`."""
    rows = (f"{day:%Y-%m-%d},{float(rate)!r}" for day, rate in rates.items())
    return _lines(["DATE,RATE", *rows])


def _rows(bars: pd.DataFrame) -> bytes:
    return _lines(
        ",".join([f"{day:%Y%m%d} 00:00", *(repr(value) for value in row)])
        for day, row in zip(bars.index, bars.astype(object).itertuples(index=False), strict=True)
    )


def _lines(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")


def _decimal(value: Decimal, places: int) -> str:
    text = f"{round(value, places):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _zip(name: str, content: bytes) -> bytes:
    """A zip that depends on its content only: fixed time, system and level."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()
