"""Map files (ticker changes), factor files (splits, dividends) and symbol properties."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from engine.common.clock import END_OF_TIME
from engine.common.decimals import ONE, ZERO, divide, text, to_double
from engine.common.enums import DataNormalizationMode
from engine.common.naming import DirectObject
from engine.common.text_files import read_rows
from engine.market.symbols import SecurityIdentifier

EQUITY_MODES = (
    DataNormalizationMode.RAW,
    DataNormalizationMode.ADJUSTED,
    DataNormalizationMode.SPLIT_ADJUSTED,
    DataNormalizationMode.TOTAL_RETURN,
    DataNormalizationMode.SCALED_RAW,
)
"""How prices of an equity can be adjusted; the other modes are of futures."""

_BEGINNING_OF_TIME = SecurityIdentifier.DEFAULT_DATE


def _date(text: str, place: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%d")
    except ValueError:
        raise ValueError(f"{place}: the date must read yyyyMMdd; received {text!r}") from None


def _number(text: str, field: str, place: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{place}: the {field} must be a finite number; received {text!r}")
    return number


def _positive(text: str, field: str, place: str) -> Decimal:
    number = _number(text, field, place)
    if number <= 0:
        raise ValueError(f"{place}: the {field} must be > 0; received {text!r}")
    return number


class MapFile:
    """Tickers of one security over time.

    Args:
        permtick: name of the file: the latest ticker, or the ticker and a number.
        rows: (last day, ticker) sorted by day; the first row is the listing.
    """

    def __init__(self, permtick: str, rows: Iterable[tuple[datetime, str]] = ()) -> None:
        self.permtick = permtick.upper()
        self.rows = sorted(set(rows))
        self.first_date = self.rows[0][0] if self.rows else _BEGINNING_OF_TIME
        self.delisting_date = self.rows[-1][0] if self.rows else END_OF_TIME
        first = self.ticker_on(self.first_date, self.permtick)
        base, dot, number = first.rpartition(".")
        self.first_ticker = base if dot and number.isdigit() else first

    def ticker_on(self, day: datetime, default: str) -> str:
        """Ticker on a day, `default` after the last one."""
        index = bisect_left(self.rows, (day, ""))
        return self.rows[index][1] if index < len(self.rows) else default

    def has_data(self, day: datetime) -> bool:
        """True while listed, and always for a security without map file."""
        return not self.rows or self.first_date <= day <= self.delisting_date

    @classmethod
    def read(cls, path: Path) -> MapFile:
        """Read a map file.

        Raises:
            ValueError: if a row is malformed.
        """
        rows = [
            (_date(row[0], place), row[1].upper())
            for place, row in read_rows(path, 2, "yyyyMMdd,ticker")
        ]
        return cls(path.stem, rows)


class MapFiles:
    """All map files of a market; finds the security that a ticker names on a day.

    Args:
        folder: None for a market without map files: a ticker names one security for ever.
    """

    def __init__(self, folder: Path | None) -> None:
        self._by_permtick: dict[str, MapFile] = {}
        self._by_ticker: dict[str, list[tuple[datetime, str]]] = {}
        for path in sorted(folder.glob("*.csv")) if folder is not None else ():
            map_file = MapFile.read(path)
            self._by_permtick[map_file.permtick] = map_file
            for day, ticker in map_file.rows:
                self._by_ticker.setdefault(ticker, []).append((day, map_file.permtick))
        for entries in self._by_ticker.values():
            entries.sort()

    def resolve(self, ticker: str, day: datetime) -> MapFile:
        """Map file of the security that had `ticker` on `day`; an empty one if there is none."""
        ticker = permtick = ticker.upper()
        entries = self._by_ticker.get(ticker)
        if entries:
            index = min(bisect_left(entries, (day, "")), len(entries) - 1)
            permtick = entries[index][1]
        found = self._by_permtick.get(permtick)
        if found is None or (found.first_date > day and day != _BEGINNING_OF_TIME):
            return MapFile(permtick)
        return found

    def of_security(self, sid: SecurityIdentifier) -> MapFile:
        """Map file of a security."""
        return self.resolve(sid.symbol, sid.date)

    def sid(self, ticker: str, market: str, today: datetime) -> SecurityIdentifier:
        """Identifier of the security that has `ticker` today."""
        map_file = self.resolve(ticker, today)
        if not map_file.rows:
            return SecurityIdentifier.generate_equity(_BEGINNING_OF_TIME, ticker, market)
        return SecurityIdentifier.generate_equity(
            map_file.first_date, map_file.first_ticker, market
        )


@dataclass(frozen=True)
class FactorRow:
    """Factors for prices up to and including `date`."""

    date: datetime
    price_factor: Decimal
    split_factor: Decimal
    reference_price: Decimal

    @property
    def scale(self) -> Decimal:
        """Both factors; its decimal scale is what adjusted prices inherit."""
        return self.price_factor * self.split_factor


class FactorFile:
    """Split and dividend factors of a security."""

    def __init__(self, rows: Iterable[FactorRow] = ()) -> None:
        self.rows = sorted((row for row in rows if row.scale > 0), key=lambda row: row.date)
        self._dates = [row.date for row in self.rows]

    @classmethod
    def read(cls, path: Path) -> FactorFile:
        """Read a factor file.

        Raises:
            ValueError: if a row is malformed.
        """
        rows = []
        for place, row in read_rows(path, 3, "yyyyMMdd,price factor,split factor"):
            # LEAN skips rows whose factors lost their digits to an exponent.
            if any("inf" in cell or "e+" in cell for cell in row):
                continue
            reference = _number(row[3], "reference price", place) if len(row) > 3 else ZERO
            price = _number(row[1], "price factor", place)
            split = _number(row[2], "split factor", place)
            rows.append(FactorRow(_date(row[0], place), price, split, reference))
        return cls(rows)

    def scale(self, day: datetime, mode: DataNormalizationMode) -> Decimal:
        """Factor for a raw price of `day`; 1 after the last row."""
        index = bisect_left(self._dates, datetime(day.year, day.month, day.day))
        if index == len(self.rows):
            return ONE
        row = self.rows[index]
        if mode in (DataNormalizationMode.TOTAL_RETURN, DataNormalizationMode.SPLIT_ADJUSTED):
            return row.split_factor
        return row.scale

    def unchanged_until(self, day: datetime) -> datetime:
        """Last day on which all factors are those of a day."""
        index = bisect_left(self._dates, day)
        return self._dates[index] if index < len(self._dates) else datetime.max

    def _change_after(self, day: datetime) -> tuple[FactorRow, FactorRow] | None:
        index = bisect_left(self._dates, day)
        if index >= len(self.rows) - 1 or self._dates[index] != day:
            return None
        return self.rows[index], self.rows[index + 1]

    def dividend_after(self, day: datetime) -> tuple[Decimal, Decimal] | None:
        """(factor ratio, reference price) if a dividend goes ex on the next trading day."""
        change = self._change_after(day)
        if change is None or change[0].price_factor == change[1].price_factor:
            return None
        ratio = divide(change[0].price_factor, change[1].price_factor)
        return ratio, change[0].reference_price

    def split_after(self, day: datetime) -> tuple[Decimal, Decimal] | None:
        """(split factor, reference price) if a split happens on the next trading day."""
        change = self._change_after(day)
        if change is None or change[0].split_factor == change[1].split_factor:
            return None
        ratio = divide(change[0].split_factor, change[1].split_factor)
        return ratio, change[0].reference_price


class AuxiliaryData:
    """Map and factor files of US equities in a data folder."""

    def __init__(self, data_folder: Path) -> None:
        equity = data_folder / "equity" / "usa"
        self.map_files = MapFiles(equity / "map_files")
        self._factor_folder = equity / "factor_files"
        self._factors: dict[str, FactorFile] = {}

    def factor_file(self, sid: SecurityIdentifier) -> FactorFile:
        """Factor file of a security; empty if there is none."""
        permtick = self.map_files.of_security(sid).permtick
        if permtick not in self._factors:
            path = self._factor_folder / f"{permtick.lower()}.csv"
            self._factors[permtick] = FactorFile.read(path) if path.is_file() else FactorFile()
        return self._factors[permtick]


@dataclass(frozen=True)
class SymbolProperties(DirectObject):
    """Trading properties of a security."""

    description: str = ""
    quote_currency: str = "USD"
    contract_multiplier_exact: Decimal = ONE
    minimum_price_variation_exact: Decimal = Decimal("0.01")
    lot_size_exact: Decimal = ONE

    price_magnifier = 1.0
    strike_multiplier = 1.0
    minimum_order_size: float | None = None
    market_ticker = ""

    def __str__(self) -> str:
        numbers = (
            self.contract_multiplier_exact,
            self.minimum_price_variation_exact,
            self.lot_size_exact,
        )
        # LEAN leaves commas for market ticker, minimum order size and price magnifier.
        written = ",".join(text(number) for number in numbers)
        return f"{self.description},{self.quote_currency},{written},,,"

    @property
    def contract_multiplier(self) -> float:
        """Units per contract."""
        return to_double(self.contract_multiplier_exact)

    @property
    def minimum_price_variation(self) -> float:
        """Tick size."""
        return to_double(self.minimum_price_variation_exact)

    @property
    def lot_size(self) -> float:
        """Smallest tradable quantity."""
        return to_double(self.lot_size_exact)


def read_symbol_properties(data_folder: Path) -> dict[str, SymbolProperties]:
    """Properties of US equities by ticker; `[*]` is everyone's default.

    Raises:
        ValueError: if a number is malformed.
    """
    path = data_folder / "symbol-properties" / "symbol-properties-database.csv"
    found = {"[*]": SymbolProperties()}
    if not path.is_file():
        return found
    for place, row in read_rows(path, 1, "market,symbol,type,..."):
        if row[0] != "usa" or row[2:3] != ["equity"]:
            continue
        if len(row) < 8:
            raise ValueError(f"{place} must have 8 cells or more; received {','.join(row)!r}")
        found[row[1].upper()] = SymbolProperties(
            row[3],
            row[4],
            _positive(row[5], "contract multiplier", place),
            _positive(row[6], "minimum price variation", place),
            _positive(row[7], "lot size", place),
        )
    return found
