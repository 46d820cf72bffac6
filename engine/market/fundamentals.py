"""What LEAN's daily files of US equities say of a stock: price, volumes, factors.

Fundamental data proper, Morningstar's, is not there: LEAN's names of it are refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from engine.common.decimals import ONE, ZERO, ExactNumber, to_double
from engine.market.data import BaseData
from engine.market.symbols import Symbol

_DAY = timedelta(days=1)
_PRICE, _VOLUME, _DOLLAR_VOLUME, _PRICE_FACTOR, _SPLIT_FACTOR = 2, 3, 4, 6, 7


class CoarseFundamental(BaseData):
    """A stock on a day, known from the next midnight on. Prices are raw.

    Without a line in a file all numbers are 0, and the dollar volume NaN.

    Args:
        time: the day.
        symbol: of the stock, by its ticker of that day.
    """

    has_fundamental_data = False
    """As LEAN says where it has these files only, whatever they say."""
    price_factor = ExactNumber()
    split_factor = ExactNumber()
    price_scale_factor = ExactNumber()
    adjusted_price = ExactNumber()

    def __init__(self, time: datetime | None = None, symbol: Symbol | None = None) -> None:
        self.symbol = symbol if symbol is not None else Symbol.EMPTY
        self.time = time if time is not None else datetime.min
        self._row: tuple[str, ...] = ()

    @classmethod
    def of(cls, time: datetime, symbol: Symbol, row: tuple[str, ...]) -> Self:
        """A stock on a day, of the fields of its line in the file."""
        made = cls(time, symbol)
        made._row = row
        return made

    def _number(self, index: int, missing: Decimal = ZERO) -> Decimal:
        return Decimal(self._row[index] or 0) if len(self._row) > index else missing

    @property
    def end_time(self) -> datetime:  # type: ignore[override]
        """When the day was over."""
        return self.time + _DAY

    @property
    def market(self) -> str:
        """Market of the stock."""
        return self.symbol.id.market

    @property
    def dollar_volume(self) -> float:
        """Close times volume."""
        return to_double(self._number(_DOLLAR_VOLUME)) if self._row else float("nan")

    @property
    def volume(self) -> int:
        """Shares traded."""
        return int(self._number(_VOLUME))

    @property
    def value_exact(self) -> Decimal:  # type: ignore[override]
        """Raw close."""
        return self._number(_PRICE)

    @property
    def price_factor_exact(self) -> Decimal:
        """Factor of later dividends."""
        return self._number(_PRICE_FACTOR, ONE if self._row else ZERO)

    @property
    def split_factor_exact(self) -> Decimal:
        """Factor of later splits."""
        return self._number(_SPLIT_FACTOR, ONE if self._row else ZERO)

    @property
    def price_scale_factor_exact(self) -> Decimal:
        """Both factors."""
        return self.price_factor_exact * self.split_factor_exact

    @property
    def adjusted_price_exact(self) -> Decimal:
        """Close adjusted for splits and dividends."""
        return self.value_exact * self.price_scale_factor_exact


class FineFundamental(CoarseFundamental):
    """LEAN's class of Morningstar's data, which is refused by name."""

    def __init__(
        self,
        time: datetime | None = None,
        symbol: Symbol | None = None,
        fundamental_instance_provider: Any = None,
    ) -> None:
        super().__init__(time, symbol)


class Fundamental(FineFundamental):
    """What universes of US equities select from."""

    def clone(self, fill_forward: bool | None = None) -> Fundamental:
        """The same again."""
        return Fundamental.of(self.time, self.symbol, self._row)


def read_line(line: str, day: datetime, symbol_of: Any) -> Fundamental | None:
    """A stock of a line of a day's file; None if it is none, as LEAN leaves it out.

    As in LEAN an empty number is 0, and a line that breaks off before the volumes only names it.
    """
    row = tuple(line.rstrip("\r\n").split(","))
    try:
        symbol = symbol_of(row[0], row[1])
        if len(row) <= _DOLLAR_VOLUME:
            return Fundamental.of(day, symbol, ())
        for text in row[_PRICE : _DOLLAR_VOLUME + 1]:
            Decimal(text or 0)
        return Fundamental.of(day, symbol, row)
    except (ArithmeticError, ValueError, IndexError):
        return None


class ETFConstituentUniverse(BaseData):
    """A security that a fund holds on a day, known from the next midnight on.

    Attributes:
        last_update: day of the fund's list; None if it is not known.
        weight: fraction of the fund; None if it is not known, as of the others.
        shares_held: number of shares.
        market_value: their value.
    """

    period = _DAY
    weight = ExactNumber()
    shares_held = ExactNumber()
    market_value = ExactNumber()

    def __init__(self, symbol: Symbol | None = None, time: datetime | None = None) -> None:
        super().__init__(symbol, time)
        self.last_update: datetime | None = None
        self.weight_exact: Decimal | None = None
        self.shares_held_exact: Decimal | None = None
        self.market_value_exact: Decimal | None = None

    @property
    def end_time(self) -> datetime:  # type: ignore[override]
        """When the day was over."""
        return self.time + self.period


def read_constituent(line: str, day: datetime, symbol_of: Any) -> ETFConstituentUniverse | None:
    """A security of a line of a fund's file; None of an empty line.

    Raises:
        ValueError: if the line holds something else.
    """
    if not line.strip():
        return None
    try:
        ticker, identifier, updated, *numbers = line.rstrip("\r\n").split(",")
        made = ETFConstituentUniverse(symbol_of(identifier, ticker), day)
        made.last_update = datetime.strptime(updated, "%Y%m%d") if updated else None
        made.weight_exact, made.shares_held_exact, made.market_value_exact = (
            Decimal(text) if text else None for text in numbers[:3]
        )
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{line!r} is no line of a fund's file of constituents: {error}") from None
    return made
